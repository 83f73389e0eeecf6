#include "wire/ca.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "wire/tls_inside.h"

enum { SERIAL_BITS = 127 }; /* positive, and by chance never the same twice */

static const char organization[] = "Troupe cluster authority";

struct tr_ca {
    EVP_PKEY *key;
    X509 *certificate;
    char cluster[TR_NODE_NAME_SIZE_MAX + 1];
};

void tr_pem_fini(struct tr_pem *pem)
{
    if (pem->bytes != NULL) {
        OPENSSL_cleanse(pem->bytes, pem->size);
        free(pem->bytes);
    }
    *pem = (struct tr_pem){0};
}

/* What is left of OpenSSL's errors is of no use to anybody: nothing here depends on input. */
static troupe_status outcome(bool good)
{
    ERR_clear_error();
    return good ? TROUPE_OK : TROUPE_E_NO_MEMORY;
}

/* ---- certificates ---- */

struct request {
    const char *organization; /* NULL = none */
    const char *common_name;
    EVP_PKEY *subject_key;
    X509 *issuer; /* NULL = itself */
    EVP_PKEY *issuer_key;
    const struct tr_validity *validity;
    const char *usage;          /* of the key */
    const char *extended_usage; /* NULL = none */
    const char *constraints;
    const char *alternative_name; /* NULL = none */
};

static bool set_serial(X509 *certificate)
{
    BIGNUM *serial = BN_new();
    const bool good = serial != NULL &&
                      BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                      BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;

    BN_free(serial);
    return good;
}

static bool set_subject(X509 *certificate, const struct request *request)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    const X509 *issuer = request->issuer != NULL ? request->issuer : certificate;

    return (request->organization == NULL ||
            X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                                       (const unsigned char *)request->organization, -1, -1,
                                       0) == 1) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)request->common_name, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1;
}

static bool add_extension(X509V3_CTX *context, X509 *certificate, int kind, const char *value)
{
    X509_EXTENSION *extension = NULL;
    bool good = true;

    if (value == NULL) {
        return true;
    }
    extension = X509V3_EXT_conf_nid(NULL, context, kind, value);
    good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool add_extensions(X509 *certificate, const struct request *request)
{
    X509V3_CTX context;
    const struct {
        int kind;
        const char *value;
    } extensions[] = {
        {NID_basic_constraints, request->constraints},
        {NID_key_usage, request->usage},
        {NID_ext_key_usage, request->extended_usage},
        {NID_subject_alt_name, request->alternative_name},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, request->issuer != NULL ? "keyid:always" : NULL},
    };

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, request->issuer != NULL ? request->issuer : certificate, certificate,
                   NULL, NULL, 0);
    for (size_t index = 0; index < sizeof(extensions) / sizeof(extensions[0]); index++) {
        if (!add_extension(&context, certificate, extensions[index].kind,
                           extensions[index].value)) {
            return false;
        }
    }
    return true;
}

/* Answers NULL without memory. */
static X509 *make_certificate(const struct request *request)
{
    X509 *certificate = X509_new();

    if (certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) && set_subject(certificate, request) &&
        ASN1_TIME_set(X509_getm_notBefore(certificate), request->validity->not_before) != NULL &&
        ASN1_TIME_set(X509_getm_notAfter(certificate), request->validity->not_after) != NULL &&
        X509_set_pubkey(certificate, request->subject_key) == 1 &&
        add_extensions(certificate, request) &&
        X509_sign(certificate, request->issuer_key, EVP_sha256()) != 0) {
        return certificate;
    }
    X509_free(certificate);
    return NULL;
}

/* ---- PEM ---- */

static troupe_status pem_write(const EVP_PKEY *key, X509 *certificate, struct tr_pem *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    const char *bytes = NULL;
    long size = 0;
    bool good = bio != NULL;

    if (good && key != NULL) {
        good = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    }
    if (good && certificate != NULL) {
        good = PEM_write_bio_X509(bio, certificate) == 1;
    }
    if (good) {
        size = BIO_get_mem_data(bio, &bytes);
        out->bytes = malloc((size_t)size);
        good = out->bytes != NULL;
    }
    if (good) {
        memcpy(out->bytes, bytes, (size_t)size);
        out->size = (size_t)size;
    }
    BIO_free(bio);
    return outcome(good);
}

/* ---- the authority ---- */

troupe_status tr_ca_create(const char *cluster, const struct tr_validity *validity,
                           struct tr_ca **out)
{
    struct tr_ca *ca = NULL;
    struct request request = {
        .organization = organization,
        .common_name = cluster,
        .validity = validity,
        .constraints = "critical,CA:TRUE,pathlen:0",
        .usage = "critical,keyCertSign,cRLSign",
    };

    if (!tr_tls_name_is_valid(cluster)) {
        return TROUPE_E_INVALID;
    }
    ca = calloc(1, sizeof(*ca));
    if (ca == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    (void)snprintf(ca->cluster, sizeof(ca->cluster), "%s", cluster);
    ca->key = EVP_EC_gen("P-256");
    request.subject_key = ca->key;
    request.issuer_key = ca->key;
    ca->certificate = ca->key != NULL ? make_certificate(&request) : NULL;
    if (ca->certificate == NULL) {
        tr_ca_destroy(ca);
        return outcome(false);
    }
    *out = ca;
    return outcome(true);
}

void tr_ca_destroy(struct tr_ca *ca)
{
    if (ca != NULL) {
        EVP_PKEY_free(ca->key);
        X509_free(ca->certificate);
        free(ca);
    }
}

/* Whether this is an authority of ours, whose cluster is then known. */
static bool is_ours(struct tr_ca *ca)
{
    const X509_NAME *subject = X509_get_subject_name(ca->certificate);
    char made_by[sizeof(organization)] = "";

    return X509_check_private_key(ca->certificate, ca->key) == 1 &&
           X509_check_ca(ca->certificate) != 0 &&
           X509_NAME_get_text_by_NID(subject, NID_organizationName, made_by,
                                     (int)sizeof(made_by)) == (int)sizeof(organization) - 1 &&
           strcmp(made_by, organization) == 0 &&
           X509_NAME_get_text_by_NID(subject, NID_commonName, ca->cluster,
                                     (int)sizeof(ca->cluster)) > 0 &&
           tr_tls_name_is_valid(ca->cluster);
}

troupe_status tr_ca_read(struct tr_slice pem, struct tr_ca **out)
{
    struct tr_ca *ca = calloc(1, sizeof(*ca));
    BIO *for_key = pem.size <= INT_MAX ? BIO_new_mem_buf(pem.bytes, (int)pem.size) : NULL;
    BIO *for_certificate = pem.size <= INT_MAX ? BIO_new_mem_buf(pem.bytes, (int)pem.size) : NULL;
    troupe_status status = TROUPE_E_INVALID;

    if (ca == NULL || for_key == NULL || for_certificate == NULL) {
        status = TROUPE_E_NO_MEMORY;
        goto done;
    }
    ca->key = PEM_read_bio_PrivateKey(for_key, NULL, tls_no_password, NULL);
    ca->certificate = PEM_read_bio_X509(for_certificate, NULL, tls_no_password, NULL);
    if (ca->key != NULL && ca->certificate != NULL && is_ours(ca)) {
        *out = ca;
        ca = NULL; /* given away */
        status = TROUPE_OK;
    }

done:
    BIO_free(for_key);
    BIO_free(for_certificate);
    tr_ca_destroy(ca);
    ERR_clear_error();
    return status;
}

const char *tr_ca_cluster(const struct tr_ca *ca)
{
    return ca->cluster;
}

int64_t tr_ca_expires(const struct tr_ca *ca)
{
    return tls_seconds_of(X509_get0_notAfter(ca->certificate));
}

troupe_status tr_ca_private(const struct tr_ca *ca, struct tr_pem *pem)
{
    return pem_write(ca->key, ca->certificate, pem);
}

troupe_status tr_ca_public(const struct tr_ca *ca, struct tr_pem *pem)
{
    return pem_write(NULL, ca->certificate, pem);
}

troupe_status tr_ca_issue(const struct tr_ca *ca, const struct tr_tls_name *name,
                          const struct tr_validity *validity, struct tr_pem *certificate,
                          struct tr_pem *key)
{
    struct tr_tls_name whole = *name;
    char alternative[4 + TR_TLS_URI_SIZE] = "URI:";
    EVP_PKEY *fresh = NULL;
    X509 *made = NULL;
    struct request request = {
        .common_name = name->name,
        .issuer = ca->certificate,
        .issuer_key = ca->key,
        .validity = validity,
        .constraints = "critical,CA:FALSE",
        .usage = "critical,digitalSignature",
        .extended_usage = name->role == TR_TLS_NODE ? "serverAuth,clientAuth" : "clientAuth",
        .alternative_name = alternative,
    };
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (!tr_tls_name_is_valid(name->name)) {
        return TROUPE_E_INVALID;
    }
    memcpy(whole.cluster, ca->cluster, sizeof(whole.cluster));
    tr_tls_name_print(&whole, alternative + 4);
    fresh = EVP_EC_gen("P-256");
    request.subject_key = fresh;
    made = fresh != NULL ? make_certificate(&request) : NULL;
    if (made != NULL) {
        status = pem_write(NULL, made, certificate);
    }
    if (status == TROUPE_OK) {
        status = pem_write(fresh, NULL, key);
        if (status != TROUPE_OK) {
            tr_pem_fini(certificate);
        }
    }
    X509_free(made);
    EVP_PKEY_free(fresh);
    ERR_clear_error();
    return status;
}
