/* tests/support/certificates.h - authorities and certificates for tests, made on the spot.
 *
 * Everything is asserted to work. What a caller gets is his to free.
 */
#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

#include "wire/ca.h"
#include "wire/tls_context.h"

/* A certificate in PEM, its key, and the authorities that its owner trusts. */
struct certificate {
    struct tr_pem certificate;
    struct tr_pem key;
    struct tr_pem ca;
};

/* An authority that is valid from an hour ago for a day. */
struct tr_ca *certificates_ca(const char *cluster);

/* Issued by `ca`, valid from and until so many seconds from now; its owner trusts `trusted`. */
struct certificate certificates_issue_at(const struct tr_ca *ca, const struct tr_ca *trusted,
                                         enum tr_tls_role role, const char *name, int64_t begins_in,
                                         int64_t ends_in);

/* Issued by and trusting `ca`, valid now. */
struct certificate certificates_issue(const struct tr_ca *ca, enum tr_tls_role role,
                                      const char *name);

void certificate_fini(struct certificate *certificate);

/* What tr_tls_context_create makes of it. */
struct tr_tls_sources certificate_sources(const struct certificate *certificate);

/* A context of a certificate issued by and trusting `ca`. */
struct tr_tls_context *certificates_context(const struct tr_ca *ca, enum tr_tls_role role,
                                            const char *name);

#endif
