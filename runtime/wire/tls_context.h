/* wire/tls_context.h - what a program brings along to TLS: its certificate and key, and whom it
 * trusts.
 *
 * TLS 1.3 and nothing else; both sides show a certificate; no tickets, no resumption, no early
 * data: every connection proves anew who its ends are, against the files as they are now.
 *
 *     tr_tls_context_load(&files, &context, error, sizeof(error))
 *     -> tr_tls_create(context, ...) for each connection -> tr_tls_context_destroy
 *
 * Threads: any, one at a time. Connections made from a context live on without it.
 */
#ifndef TR_WIRE_TLS_CONTEXT_H
#define TR_WIRE_TLS_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/tls_name.h"

struct tr_tls_context;

/* One of the three, in PEM. The name, mostly its path, is for errors. */
struct tr_tls_source {
    const char *name;
    struct tr_slice pem;
};

struct tr_tls_sources {
    struct tr_tls_source certificate; /* ours, then those between it and the authority, if any */
    struct tr_tls_source key;         /* of the first certificate, not encrypted */
    struct tr_tls_source ca;          /* one or more authorities that are trusted */
};

struct tr_tls_files {
    const char *certificate;
    const char *key;
    const char *ca;
};

/* Gives a context, or says in `error` what is wrong and with which source: TROUPE_E_INVALID for
 * what cannot be read, fits not together, has expired, is not signed by any of the authorities or
 * names nobody; TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_tls_context_create(const struct tr_tls_sources *sources,
                                                    struct tr_tls_context **out, char *error,
                                                    size_t error_size);

/* The same from files of at most TR_TLS_FILE_SIZE_MAX. TROUPE_E_INVALID also for a file that is not
 * there, and for a key that its group may change or others may read. */
TROUPE_MUST_USE troupe_status tr_tls_context_load(const struct tr_tls_files *files,
                                                  struct tr_tls_context **out, char *error,
                                                  size_t error_size);

/* Gives another hold on the same, for another thread. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_tls_context_copy(const struct tr_tls_context *context,
                                                  struct tr_tls_context **out);

/* Takes the context, which may be NULL. */
void tr_tls_context_destroy(struct tr_tls_context *context);

/* Lends who we are by our certificate. */
const struct tr_tls_name *tr_tls_context_name(const struct tr_tls_context *context);

/* When our certificate, or the first of those it depends on, expires: seconds since 1970. */
int64_t tr_tls_context_expires(const struct tr_tls_context *context);

#endif
