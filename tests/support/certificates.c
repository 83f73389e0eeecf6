#include "support/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

enum { HOUR = 3600, DAY = 24 * HOUR };

struct tr_ca *certificates_ca(const char *cluster)
{
    const int64_t now = (int64_t)time(NULL);
    const struct tr_validity validity = {now - HOUR, now + DAY};
    struct tr_ca *ca = NULL;

    assert_int_equal(tr_ca_create(cluster, &validity, &ca), TROUPE_OK);
    return ca;
}

struct certificate certificates_issue_at(const struct tr_ca *ca, const struct tr_ca *trusted,
                                         enum tr_tls_role role, const char *name, int64_t begins_in,
                                         int64_t ends_in)
{
    const int64_t now = (int64_t)time(NULL);
    const struct tr_validity validity = {now + begins_in, now + ends_in};
    struct tr_tls_name whole = {.role = role};
    struct certificate made = {{0}, {0}, {0}};

    (void)snprintf(whole.name, sizeof(whole.name), "%s", name);
    assert_int_equal(tr_ca_issue(ca, &whole, &validity, &made.certificate, &made.key), TROUPE_OK);
    assert_int_equal(tr_ca_public(trusted, &made.ca), TROUPE_OK);
    return made;
}

struct certificate certificates_issue(const struct tr_ca *ca, enum tr_tls_role role,
                                      const char *name)
{
    return certificates_issue_at(ca, ca, role, name, -HOUR, HOUR);
}

void certificate_fini(struct certificate *certificate)
{
    tr_pem_fini(&certificate->certificate);
    tr_pem_fini(&certificate->key);
    tr_pem_fini(&certificate->ca);
}

struct tr_tls_sources certificate_sources(const struct certificate *certificate)
{
    return (struct tr_tls_sources){
        {"own.pem", {certificate->certificate.bytes, certificate->certificate.size}},
        {"own.key", {certificate->key.bytes, certificate->key.size}},
        {"ca.pem", {certificate->ca.bytes, certificate->ca.size}},
    };
}

struct tr_tls_context *certificates_context(const struct tr_ca *ca, enum tr_tls_role role,
                                            const char *name)
{
    struct certificate made = certificates_issue(ca, role, name);
    const struct tr_tls_sources sources = certificate_sources(&made);
    struct tr_tls_context *context = NULL;
    char error[256] = "";

    if (tr_tls_context_create(&sources, &context, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    certificate_fini(&made);
    return context;
}
