#include "wire/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "wire/crypto.h"
#include "wire/tls_inside.h"

enum { SECONDS_PER_DAY = 86400 };

/* What is being built, and where to say what is wrong with it. */
struct builder {
    struct tr_tls_context *context;
    const struct tr_tls_sources *sources;
    char *error;
    size_t error_size;
};

const char *tls_error_text(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());

    ERR_clear_error();
    return text != NULL ? text : "unknown error";
}

__attribute__((format(printf, 3, 4))) static troupe_status
wrong(const struct builder *builder, const struct tr_tls_source *source, const char *format, ...)
{
    const int used = snprintf(builder->error, builder->error_size, "%s: ", source->name);
    va_list arguments;

    va_start(arguments, format);
    if (used >= 0 && (size_t)used < builder->error_size) {
        (void)vsnprintf(builder->error + used, builder->error_size - (size_t)used, format,
                        arguments);
    }
    va_end(arguments);
    ERR_clear_error();
    return TROUPE_E_INVALID;
}

static troupe_status no_memory(const struct builder *builder)
{
    (void)snprintf(builder->error, builder->error_size, "out of memory");
    ERR_clear_error();
    return TROUPE_E_NO_MEMORY;
}

/* ---- the name in a certificate ---- */

const char *tls_name_of(X509 *certificate, struct tr_tls_name *name)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char *why = "it has no subject alternative name troupe://CLUSTER/node/NAME";
    int found = 0;

    for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, index);
        const ASN1_IA5STRING *uri = NULL;

        if (one->type != GEN_URI) {
            continue;
        }
        uri = one->d.uniformResourceIdentifier;
        if (tr_tls_name_parse((const char *)ASN1_STRING_get0_data(uri),
                              (size_t)ASN1_STRING_length(uri), name)) {
            found++;
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (found > 1) {
        why = "it has several names of the kind troupe://CLUSTER/node/NAME";
    }
    return found == 1 ? NULL : why;
}

/* ---- PEM ---- */

int tls_no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

static BIO *open_pem(const struct tr_tls_source *source)
{
    return source->pem.size > INT_MAX ? NULL
                                      : BIO_new_mem_buf(source->pem.bytes, (int)source->pem.size);
}

/* Whether reading certificates ended because there are no more, and not because one is broken. */
static bool is_end_of_pem(void)
{
    const unsigned long error = ERR_peek_last_error();

    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* Hands each certificate of a source to `add`, which takes it. */
static troupe_status
each_certificate(const struct builder *builder, const struct tr_tls_source *source,
                 bool (*add)(const struct builder *builder, X509 *one, int index))
{
    BIO *bio = open_pem(source);
    X509 *one = NULL;
    bool good = true;
    int count = 0;
    troupe_status status = TROUPE_OK;

    if (bio == NULL) {
        return no_memory(builder);
    }
    ERR_clear_error();
    while (good && (one = PEM_read_bio_X509(bio, NULL, tls_no_password, NULL)) != NULL) {
        good = add(builder, one, count);
        count++;
    }
    if (!good) {
        status = wrong(builder, source, "certificate %d: %s", count, tls_error_text());
    } else if (!is_end_of_pem()) {
        status = wrong(builder, source, "certificate %d: %s", count + 1, tls_error_text());
    } else if (count == 0) {
        status = wrong(builder, source, "there is no certificate in it");
    }
    BIO_free(bio);
    ERR_clear_error();
    return status;
}

static bool add_own(const struct builder *builder, X509 *one, int index)
{
    SSL_CTX *ssl = builder->context->ssl;
    bool good = false;

    if (index == 0) {
        good = SSL_CTX_use_certificate(ssl, one) == 1;
        X509_free(one); /* which took its own hold */
        return good;
    }
    good = SSL_CTX_add0_chain_cert(ssl, one) == 1;
    if (!good) {
        X509_free(one);
    }
    return good;
}

static bool add_authority(const struct builder *builder, X509 *one, int index)
{
    X509_STORE *store = SSL_CTX_get_cert_store(builder->context->ssl);
    const bool good = X509_STORE_add_cert(store, one) == 1;

    (void)index;
    X509_free(one);
    return good;
}

static troupe_status add_key(const struct builder *builder)
{
    const struct tr_tls_source *source = &builder->sources->key;
    BIO *bio = open_pem(source);
    EVP_PKEY *key = NULL;
    troupe_status status = TROUPE_OK;

    if (bio == NULL) {
        return no_memory(builder);
    }
    ERR_clear_error();
    key = PEM_read_bio_PrivateKey(bio, NULL, tls_no_password, NULL);
    BIO_free(bio);
    if (key == NULL) {
        return wrong(builder, source, "there is no private key in it, or it is encrypted");
    }
    if (SSL_CTX_use_PrivateKey(builder->context->ssl, key) != 1 ||
        SSL_CTX_check_private_key(builder->context->ssl) != 1) {
        status = wrong(builder, source, "it is not the key of the certificate in %s",
                       builder->sources->certificate.name);
    }
    EVP_PKEY_free(key);
    return status;
}

/* ---- what it will be judged by ---- */

/* Checks our own certificate as others will, so that a mistake is found here and not by all of
 * them. */
static troupe_status verify_own(const struct builder *builder)
{
    SSL_CTX *ssl = builder->context->ssl;
    const struct tr_tls_source *source = &builder->sources->certificate;
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = NULL;
    troupe_status status = TROUPE_OK;

    if (store == NULL || SSL_CTX_get0_chain_certs(ssl, &chain) != 1 ||
        X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(ssl), SSL_CTX_get0_certificate(ssl),
                            chain) != 1) {
        status = no_memory(builder);
        goto done;
    }
    if (X509_verify_cert(store) != 1) {
        status = wrong(builder, source, "it is not accepted by the authorities in %s: %s",
                       builder->sources->ca.name,
                       X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    }

done:
    X509_STORE_CTX_free(store);
    ERR_clear_error();
    return status;
}

int64_t tls_seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;
    const bool good = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    ERR_clear_error();
    return good ? (int64_t)days * SECONDS_PER_DAY + seconds : 0;
}

static troupe_status read_own(const struct builder *builder)
{
    SSL_CTX *ssl = builder->context->ssl;
    X509 *own = SSL_CTX_get0_certificate(ssl);
    const char *why = tls_name_of(own, &builder->context->name);
    STACK_OF(X509) *chain = NULL;

    if (why != NULL) {
        return wrong(builder, &builder->sources->certificate, "%s", why);
    }
    builder->context->expires = tls_seconds_of(X509_get0_notAfter(own));
    (void)SSL_CTX_get0_chain_certs(ssl, &chain);
    for (int index = 0; index < sk_X509_num(chain); index++) {
        const int64_t expires = tls_seconds_of(X509_get0_notAfter(sk_X509_value(chain, index)));

        if (expires < builder->context->expires) {
            builder->context->expires = expires;
        }
    }
    return TROUPE_OK;
}

/* The rules of every connection. AES-128 comes first: it is as far out of reach as the curves are,
 * and takes a fifth less time. */
static bool set_rules(SSL_CTX *ssl)
{
    (void)SSL_CTX_set_options(ssl,
                              SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_clear_options(ssl, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    (void)SSL_CTX_set_max_cert_list(ssl, (long)TR_TLS_CHAIN_SIZE_MAX);
    SSL_CTX_set_verify_depth(ssl, TR_TLS_DEPTH_MAX);
    SSL_CTX_set_security_level(ssl, 2);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(ssl, 0) == 1 && SSL_CTX_set_max_early_data(ssl, 0) == 1 &&
           SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                         "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256") == 1;
}

troupe_status tr_tls_context_create(const struct tr_tls_sources *sources,
                                    struct tr_tls_context **out, char *error, size_t error_size)
{
    struct builder builder = {NULL, sources, error, error_size};
    struct tr_tls_context *context = calloc(1, sizeof(*context));
    troupe_status status = TROUPE_OK;

    ERR_clear_error();
    if (context != NULL) {
        context->ssl = SSL_CTX_new(TLS_method());
    }
    if (context == NULL || context->ssl == NULL || !set_rules(context->ssl)) {
        status = no_memory(&builder);
        goto done;
    }
    builder.context = context;
    status = each_certificate(&builder, &sources->ca, add_authority);
    if (status == TROUPE_OK) {
        status = each_certificate(&builder, &sources->certificate, add_own);
    }
    if (status == TROUPE_OK) {
        status = add_key(&builder);
    }
    if (status == TROUPE_OK) {
        status = verify_own(&builder);
    }
    if (status == TROUPE_OK) {
        status = read_own(&builder);
    }
    if (status == TROUPE_OK) {
        *out = context;
        context = NULL; /* given away */
    }

done:
    tr_tls_context_destroy(context);
    return status;
}

troupe_status tr_tls_context_copy(const struct tr_tls_context *context, struct tr_tls_context **out)
{
    struct tr_tls_context *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *copy = *context;
    (void)SSL_CTX_up_ref(copy->ssl); /* counts atomically, and cannot fail */
    *out = copy;
    return TROUPE_OK;
}

void tr_tls_context_destroy(struct tr_tls_context *context)
{
    if (context != NULL) {
        SSL_CTX_free(context->ssl);
        free(context);
    }
}

const struct tr_tls_name *tr_tls_context_name(const struct tr_tls_context *context)
{
    return &context->name;
}

int64_t tr_tls_context_expires(const struct tr_tls_context *context)
{
    return context->expires;
}

/* ---- files ---- */

struct file {
    size_t size;
    uint8_t bytes[TR_TLS_FILE_SIZE_MAX + 1];
};

/* What can be seen of an open file without reading it. NULL when it is fine. */
static const char *file_check(int descriptor, bool is_key)
{
    struct stat status;

    if (fstat(descriptor, &status) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return "it is not a regular file";
    }
    if (is_key && (status.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
        return "other users can read or change this key: chmod 600 it";
    }
    return NULL;
}

static const char *file_read(const char *path, bool is_key, struct file *file)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = NULL;
    ssize_t got = 1;

    if (descriptor < 0) {
        return strerror(errno);
    }
    why = file_check(descriptor, is_key);
    while (why == NULL && got > 0 && file->size < sizeof(file->bytes)) {
        got = read(descriptor, file->bytes + file->size, sizeof(file->bytes) - file->size);
        if (got < 0) {
            why = strerror(errno);
        } else {
            file->size += (size_t)got;
        }
    }
    if (why == NULL && file->size > TR_TLS_FILE_SIZE_MAX) {
        why = "it has more than 64 KiB";
    }
    (void)close(descriptor);
    return why;
}

troupe_status tr_tls_context_load(const struct tr_tls_files *files, struct tr_tls_context **out,
                                  char *error, size_t error_size)
{
    const char *const paths[] = {files->certificate, files->key, files->ca};
    enum { FILES = sizeof(paths) / sizeof(paths[0]), KEY = 1 };
    struct file *contents = calloc(FILES, sizeof(*contents));
    struct tr_tls_source sources[FILES];
    troupe_status status = TROUPE_OK;

    if (contents == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return TROUPE_E_NO_MEMORY;
    }
    for (size_t index = 0; status == TROUPE_OK && index < FILES; index++) {
        const char *why = file_read(paths[index], index == KEY, &contents[index]);

        sources[index] =
            (struct tr_tls_source){paths[index], {contents[index].bytes, contents[index].size}};
        if (why != NULL) {
            (void)snprintf(error, error_size, "%s: %s", paths[index], why);
            status = TROUPE_E_INVALID;
        }
    }
    if (status == TROUPE_OK) {
        status = tr_tls_context_create(
            &(struct tr_tls_sources){sources[0], sources[KEY], sources[2]}, out, error, error_size);
    }
    tr_crypto_wipe(contents, FILES * sizeof(*contents));
    free(contents);
    return status;
}
