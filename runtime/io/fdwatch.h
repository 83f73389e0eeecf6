/* io/fdwatch.h - watches a descriptor that another library owns, such as libpq's socket.
 *
 *     create -> set(fd, events) ... -> release -> (the owner closes the fd) -> set(new fd) ... ->
 * close
 *
 * The owner must call release (or close) before the descriptor is closed: the next connection
 * often gets the same number, and a watch of the old one would be deaf on it.
 *
 * Threads: loop thread only.
 * Memory: freed by the loop after close.
 */
#ifndef TR_IO_FDWATCH_H
#define TR_IO_FDWATCH_H

#include "io/loop.h"
#include "troupe/status.h"

struct tr_fdwatch;

enum { TR_FD_READABLE = 1, TR_FD_WRITABLE = 2 };

/* status is TROUPE_OK and events says what is possible now, or status is an error: then events is
 * 0, the watch has released the descriptor, and nothing more comes until the next set. */
typedef void (*tr_fdwatch_fn)(void *context, troupe_status status, unsigned events);

/* Gives a watch of nothing. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_fdwatch_create(struct tr_loop *loop, tr_fdwatch_fn fn,
                                                void *context, struct tr_fdwatch **out);

/* Watches fd for events, a set of TR_FD_*, instead of what was watched before; 0 pauses. Costs
 * nothing when neither has changed. TROUPE_E_NO_MEMORY, TROUPE_E_INVALID for an fd that cannot be
 * polled, TROUPE_E_EXISTS when the loop watches it already, TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_fdwatch_set(struct tr_fdwatch *watch, int fd, unsigned events);

/* Forgets the descriptor; a no-op when there is none. */
void tr_fdwatch_release(struct tr_fdwatch *watch);

/* Takes the watch, which may be NULL. No call of fn comes after it. */
void tr_fdwatch_close(struct tr_fdwatch *watch);

#endif
