/* io/resolve.h - the addresses of a host's name, looked up without blocking the loop.
 *
 *     tr_resolve_start(loop, "db.example", fn, context, &resolve) -> fn(context, ..) | cancel
 *
 * The look-up runs in libuv's pool of threads, whose getaddrinfo may take many seconds.
 *
 * Threads: loop thread only.
 * Memory: a look-up ends itself after fn, or after cancel when the pool has let go of it; the loop
 * does not end before that.
 */
#ifndef TR_IO_RESOLVE_H
#define TR_IO_RESOLVE_H

#include <stddef.h>

#include "io/loop.h"
#include "troupe/status.h"

enum {
    TR_ADDRESS_TEXT_SIZE = 64, /* an IPv6 address with its zone */
    TR_ADDRESSES_MAX = 16      /* of one name; more are left out */
};

/* An address in digits. */
struct tr_address {
    char text[TR_ADDRESS_TEXT_SIZE];
};

struct tr_resolve;

/* status is TROUPE_OK, and there is at least one address, as text; or an error, and there is none.
 */
typedef void (*tr_resolve_fn)(void *context, troupe_status status,
                              const struct tr_address *addresses, size_t count);

/* Begins a look-up; fn is called once, later. TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_resolve_start(struct tr_loop *loop, const char *host,
                                               tr_resolve_fn fn, void *context,
                                               struct tr_resolve **out);

/* Takes the look-up, which may be NULL and must not have called fn: it will not. */
void tr_resolve_cancel(struct tr_resolve *resolve);

#endif
