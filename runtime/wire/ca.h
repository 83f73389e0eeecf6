/* wire/ca.h - a small certificate authority: makes itself, and certificates for nodes and clients.
 *
 *     tr_ca_create("bank", &validity, &ca) -> tr_ca_private(ca, &pem) -> (keep it in a file)
 *     tr_ca_read(pem, &ca) -> tr_ca_issue(ca, &name, &validity, &certificate, &key)
 *
 * Keys are ECDSA on P-256: of what OpenSSL 3.0 has, the fastest to sign with on the machines that
 * servers are (30 us, Ed25519 45 us), and known to everything that may read the certificates.
 *
 * Threads: any, one at a time.
 */
#ifndef TR_WIRE_CA_H
#define TR_WIRE_CA_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/tls_name.h"

struct tr_ca;

/* Seconds since 1970. */
struct tr_validity {
    int64_t not_before;
    int64_t not_after;
};

/* A text in PEM that may hold a key. */
struct tr_pem {
    uint8_t *bytes; /* owned */
    size_t size;
};

/* Wipes and frees it; a zeroed one is fine. */
void tr_pem_fini(struct tr_pem *pem);

/* Gives a new authority of a cluster. TROUPE_E_INVALID (name), TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_ca_create(const char *cluster, const struct tr_validity *validity,
                                           struct tr_ca **out);

/* Gives the authority whose key and certificate these are. TROUPE_E_INVALID when they are not both
 * there, do not fit, or are no authority that tr_ca_create made. */
TROUPE_MUST_USE troupe_status tr_ca_read(struct tr_slice pem, struct tr_ca **out);

/* Takes the authority, which may be NULL. */
void tr_ca_destroy(struct tr_ca *ca);

/* Lends the name of its cluster. */
const char *tr_ca_cluster(const struct tr_ca *ca);

/* When the authority itself expires: seconds since 1970. */
int64_t tr_ca_expires(const struct tr_ca *ca);

/* Gives key and certificate, which tr_ca_read reads, or the certificate alone, which is what others
 * trust. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_ca_private(const struct tr_ca *ca, struct tr_pem *pem);
TROUPE_MUST_USE troupe_status tr_ca_public(const struct tr_ca *ca, struct tr_pem *pem);

/* Makes a key and a certificate for a node or a client of the authority's cluster: the cluster of
 * `name` is not looked at. TROUPE_E_INVALID (name), TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_ca_issue(const struct tr_ca *ca, const struct tr_tls_name *name,
                                          const struct tr_validity *validity,
                                          struct tr_pem *certificate, struct tr_pem *key);

#endif
