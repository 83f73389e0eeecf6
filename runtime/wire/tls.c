#include "wire/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "base/limits.h"
#include "wire/tls_inside.h"

enum tls_state {
    SHAKING, /* first, so that a zeroed one is that */
    OPEN,
    ENDED, /* in order or not: nothing is read, written or shaken any more */
};

enum { WHY_SIZE = 160, OUTPUT_STEP = 4096, TRIM_SIZE = 16 * 1024 };

struct output {
    uint8_t *bytes; /* owned */
    size_t size;
    size_t capacity;
};

struct tr_tls {
    SSL *ssl;
    BIO_METHOD *method;
    enum tls_state state;
    bool dialer;
    char cluster[TR_NODE_NAME_SIZE_MAX + 1]; /* ours, and so the other side's */
    char node[TR_NODE_NAME_SIZE_MAX + 1];    /* that has to answer; "" = any */
    struct tr_tls_name peer;
    struct tr_slice input; /* what is left of it; lent */
    struct output output;  /* being filled */
    struct output lent;    /* being sent: it must not move meanwhile */
    troupe_status broken;  /* why no output could be kept */
    uint64_t records;      /* sent under the present key */
    uint64_t rekey_records;
    char why[WHY_SIZE];
    size_t gathered; /* bytes in gather */
    uint8_t gather[TR_TLS_RECORD_SIZE_MAX];
};

/* ---- the bytes that OpenSSL reads and writes ---- */

static int bio_read(BIO *bio, char *out, int size)
{
    struct tr_tls *tls = BIO_get_data(bio);
    const size_t wanted = size > 0 ? (size_t)size : 0;
    const size_t part = tls->input.size < wanted ? tls->input.size : wanted;

    BIO_clear_retry_flags(bio);
    if (part == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->input.bytes, part);
    tls->input.bytes += part;
    tls->input.size -= part;
    return (int)part;
}

static troupe_status output_grow(struct output *output, size_t size)
{
    size_t capacity = output->capacity > 0 ? output->capacity : OUTPUT_STEP;
    uint8_t *grown = NULL;

    if (size > TR_TLS_OUTPUT_SIZE_MAX) {
        return TROUPE_E_LIMIT;
    }
    while (capacity < size) {
        capacity *= 2;
    }
    if (capacity == output->capacity) {
        return TROUPE_OK;
    }
    grown = realloc(output->bytes, capacity);
    if (grown == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    output->bytes = grown;
    output->capacity = capacity;
    return TROUPE_OK;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct tr_tls *tls = BIO_get_data(bio);
    struct output *output = &tls->output;

    BIO_clear_retry_flags(bio);
    if (size <= 0) {
        return 0;
    }
    tls->broken = output_grow(output, output->size + (size_t)size);
    if (tls->broken != TROUPE_OK) {
        return -1;
    }
    memcpy(output->bytes + output->size, bytes, (size_t)size);
    output->size += (size_t)size;
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static troupe_status bio_attach(struct tr_tls *tls)
{
    BIO *bio = NULL;

    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "troupe");
    if (tls->method == NULL || BIO_meth_set_read(tls->method, bio_read) != 1 ||
        BIO_meth_set_write(tls->method, bio_write) != 1 ||
        BIO_meth_set_ctrl(tls->method, bio_ctrl) != 1) {
        return TROUPE_E_NO_MEMORY;
    }
    bio = BIO_new(tls->method);
    if (bio == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio); /* takes it, for both directions */
    return TROUPE_OK;
}

/* ---- whom we accept ---- */

__attribute__((format(printf, 2, 3))) static void because(struct tr_tls *tls, const char *format,
                                                          ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(tls->why, sizeof(tls->why), format, arguments);
    va_end(arguments);
}

/* Whether a certificate that is signed and valid is that of somebody we may talk to. */
static bool judge_name(struct tr_tls *tls, X509 *certificate)
{
    const char *why = tls_name_of(certificate, &tls->peer);

    if (why != NULL) {
        because(tls, "%s", why);
        return false;
    }
    if (strcmp(tls->peer.cluster, tls->cluster) != 0) {
        because(tls, "its certificate is for cluster %s", tls->peer.cluster);
        return false;
    }
    if (tls->dialer && tls->peer.role != TR_TLS_NODE) {
        because(tls, "its certificate is that of client %s", tls->peer.name);
        return false;
    }
    if (tls->node[0] != '\0' && strcmp(tls->peer.name, tls->node) != 0) {
        because(tls, "its certificate is that of node %s, not %s", tls->peer.name, tls->node);
        return false;
    }
    return true;
}

/* Called by OpenSSL for each certificate of the chain, the peer's own last. What it refuses is told
 * to the other side. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tr_tls *tls = SSL_get_app_data(ssl);

    if (good != 1) {
        because(tls, "its certificate: %s",
                X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
        return 0;
    }
    if (X509_STORE_CTX_get_error_depth(store) == 0 &&
        !judge_name(tls, X509_STORE_CTX_get_current_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
        return 0;
    }
    return 1;
}

/* ---- life ---- */

troupe_status tr_tls_create(const struct tr_tls_context *context,
                            const struct tr_tls_options *options, struct tr_tls **out)
{
    struct tr_tls *tls = calloc(1, sizeof(*tls));
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (tls == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    ERR_clear_error();
    tls->dialer = options->dialer;
    tls->rekey_records =
        options->rekey_records != 0 ? options->rekey_records : TR_TLS_REKEY_RECORDS;
    memcpy(tls->cluster, context->name.cluster, sizeof(tls->cluster));
    (void)snprintf(tls->node, sizeof(tls->node), "%s", options->node != NULL ? options->node : "");
    tls->ssl = SSL_new(context->ssl);
    if (tls->ssl != NULL && SSL_set_app_data(tls->ssl, tls) == 1) {
        status = bio_attach(tls);
    }
    if (status != TROUPE_OK) {
        tr_tls_destroy(tls);
        ERR_clear_error();
        return status;
    }
    SSL_set_verify(tls->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    if (options->dialer) {
        SSL_set_connect_state(tls->ssl);
    } else {
        SSL_set_accept_state(tls->ssl);
    }
    *out = tls;
    return TROUPE_OK;
}

void tr_tls_destroy(struct tr_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_free(tls->ssl); /* and its bytes, which look at the method */
    BIO_meth_free(tls->method);
    OPENSSL_cleanse(tls->gather, sizeof(tls->gather));
    free(tls->output.bytes);
    free(tls->lent.bytes);
    free(tls);
}

void tr_tls_trim(struct tr_tls *tls)
{
    if (tls->output.size == 0 && tls->output.capacity > TRIM_SIZE) {
        free(tls->output.bytes);
        tls->output = (struct output){0};
    }
    if (tls->lent.size == 0 && tls->lent.capacity > TRIM_SIZE) {
        free(tls->lent.bytes);
        tls->lent = (struct output){0};
    }
}

/* ---- how it ends ---- */

/* What the first error of OpenSSL means for the two ends. */
static troupe_status meaning_of(unsigned long error)
{
    const int reason = ERR_GET_REASON(error);

    if (reason == ERR_R_MALLOC_FAILURE) {
        return TROUPE_E_NO_MEMORY;
    }
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
        return TROUPE_E_PROTOCOL;
    }
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
        return TROUPE_E_AUTH;
    default:
        return TROUPE_E_PROTOCOL;
    }
}

static void say_why(struct tr_tls *tls, unsigned long error)
{
    const char *text = ERR_reason_error_string(error);
    const int reason = ERR_GET_REASON(error);

    if (tls->why[0] != '\0') {
        return; /* said by what looked at the certificate */
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
        because(tls, "the other side ended it: %s", text != NULL ? text : "no reason");
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
               (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST)) {
        because(tls, "what it sent is not TLS");
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL) {
        because(tls, "it does not speak TLS 1.3");
    } else {
        because(tls, "%s", text != NULL ? text : "unknown error");
    }
}

/* Turns what a call of OpenSSL answered into ours; every error is final. */
static troupe_status outcome(struct tr_tls *tls, int answer)
{
    const int error = SSL_get_error(tls->ssl, answer);
    unsigned long first = 0;
    troupe_status status = TROUPE_OK;

    if (error == SSL_ERROR_WANT_READ) {
        return TROUPE_E_AGAIN;
    }
    tls->state = ENDED;
    if (error == SSL_ERROR_ZERO_RETURN) {
        because(tls, "the other side closed it");
        return TROUPE_E_CLOSED;
    }
    first = ERR_peek_error();
    if (tls->broken != TROUPE_OK) {
        status = tls->broken;
        because(tls, "%s", troupe_status_text(status));
    } else if (first == 0) {
        status = TROUPE_E_PROTOCOL;
        because(tls, "unknown error");
    } else {
        status = meaning_of(first);
        say_why(tls, first);
    }
    ERR_clear_error();
    return status;
}

/* ---- bytes in ---- */

void tr_tls_input(struct tr_tls *tls, const uint8_t *bytes, size_t size)
{
    TR_CHECK(tls->input.size == 0 || tls->state == ENDED);
    tls->input = (struct tr_slice){bytes, size};
}

troupe_status tr_tls_shake(struct tr_tls *tls)
{
    int answer = 0;

    if (tls->state == OPEN) {
        return TROUPE_OK;
    }
    if (tls->state == ENDED) {
        return TROUPE_E_CLOSED;
    }
    ERR_clear_error();
    answer = SSL_do_handshake(tls->ssl);
    if (answer != 1) {
        return outcome(tls, answer);
    }
    /* What on_verify has accepted; here for the day when something lets a connection get this far
     * without asking it. */
    if (SSL_get_verify_result(tls->ssl) != X509_V_OK || tls->peer.role == 0 ||
        SSL_session_reused(tls->ssl) != 0 || SSL_version(tls->ssl) != TLS1_3_VERSION) {
        tls->state = ENDED;
        because(tls, "it has shown no certificate");
        return TROUPE_E_AUTH;
    }
    tls->state = OPEN;
    return TROUPE_OK;
}

troupe_status tr_tls_read(struct tr_tls *tls, uint8_t *bytes, size_t capacity, size_t *size)
{
    int answer = 0;

    if (tls->state != OPEN) {
        return TROUPE_E_CLOSED;
    }
    ERR_clear_error();
    answer = SSL_read_ex(tls->ssl, bytes, capacity, size);
    return answer == 1 ? TROUPE_OK : outcome(tls, answer);
}

/* ---- bytes out ---- */

static troupe_status encrypt(struct tr_tls *tls, const uint8_t *bytes, size_t size)
{
    size_t written = 0;
    int answer = 0;

    ERR_clear_error();
    if (tls->records >= tls->rekey_records) {
        tls->records = 0;
        if (SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1) {
            return outcome(tls, -1);
        }
    }
    answer = SSL_write_ex(tls->ssl, bytes, size, &written);
    if (answer != 1) {
        return outcome(tls, answer);
    }
    tls->records += (size + TR_TLS_RECORD_SIZE_MAX - 1) / TR_TLS_RECORD_SIZE_MAX;
    return TROUPE_OK;
}

static troupe_status gather_flush(struct tr_tls *tls)
{
    const size_t size = tls->gathered;

    tls->gathered = 0;
    return size == 0 ? TROUPE_OK : encrypt(tls, tls->gather, size);
}

/* Whole records go straight from where they are; what is smaller is gathered first. */
static troupe_status write_one(struct tr_tls *tls, const uint8_t *bytes, size_t size)
{
    troupe_status status = TROUPE_OK;

    while (status == TROUPE_OK && size > 0) {
        const size_t room = sizeof(tls->gather) - tls->gathered;
        size_t part = size;

        if (tls->gathered == 0 && size >= sizeof(tls->gather)) {
            part = size - size % sizeof(tls->gather);
            status = encrypt(tls, bytes, part);
        } else {
            part = size < room ? size : room;
            memcpy(tls->gather + tls->gathered, bytes, part);
            tls->gathered += part;
            status = part == room ? gather_flush(tls) : TROUPE_OK;
        }
        bytes += part;
        size -= part;
    }
    return status;
}

troupe_status tr_tls_write(struct tr_tls *tls, const struct tr_slice *slices, size_t count)
{
    troupe_status status = TROUPE_OK;

    if (tls->state != OPEN) {
        return TROUPE_E_CLOSED;
    }
    for (size_t index = 0; status == TROUPE_OK && index < count; index++) {
        status = write_one(tls, slices[index].bytes, slices[index].size);
    }
    return status == TROUPE_OK ? gather_flush(tls) : status;
}

struct tr_slice tr_tls_output(struct tr_tls *tls)
{
    const struct output filled = tls->output;

    TR_CHECK(tls->lent.size == 0);
    tls->output = tls->lent;
    tls->lent = filled;
    return (struct tr_slice){filled.bytes, filled.size};
}

void tr_tls_output_done(struct tr_tls *tls)
{
    tls->lent.size = 0;
}

/* ---- what the owner reads ---- */

const char *tr_tls_why(const struct tr_tls *tls)
{
    return tls->why;
}

const struct tr_tls_name *tr_tls_peer(const struct tr_tls *tls)
{
    return &tls->peer;
}

troupe_status tr_tls_binding(struct tr_tls *tls, uint8_t binding[static TR_BINDING_SIZE])
{
    static const char label[] = "EXPORTER-troupe-wire-1";

    ERR_clear_error();
    if (SSL_export_keying_material(tls->ssl, binding, TR_BINDING_SIZE, label, sizeof(label) - 1,
                                   NULL, 0, 0) != 1) {
        ERR_clear_error();
        return TROUPE_E_NO_MEMORY;
    }
    return TROUPE_OK;
}
