/* io/unix_claim.h - the right of one process to listen at a path in the file system.
 *
 *     tr_unix_claim(path, &claim, why, sizeof(why)) -> bind, chmod, listen ... unlink
 *     -> tr_unix_release(&claim)
 *
 * A socket file outlives its process, and whoever replaces it must know that it is dead. So a file
 * PATH.lock is locked as long as somebody listens: the kernel takes the lock away with the process,
 * and two that start at the same time cannot both replace what a third has left.
 *
 * Threads: any; no call blocks on anything but the file system.
 * Memory: the caller's.
 */
#ifndef TR_IO_UNIX_CLAIM_H
#define TR_IO_UNIX_CLAIM_H

#include <stddef.h>

#include "base/host.h"
#include "troupe/status.h"

enum { TR_UNIX_LOCK_PATH_SIZE = TR_UNIX_PATH_SIZE_MAX + sizeof(".lock") };

struct tr_unix_claim {
    int lock; /* descriptor; -1: nothing is claimed */
    char lock_path[TR_UNIX_LOCK_PATH_SIZE];
};

/* Claims the path and removes what a dead process left there. On failure `why` says what is wrong,
 * naming the file:
 *   TROUPE_E_INVALID    the path itself (tr_unix_path_fault), or what should be its directory
 *   TROUPE_E_NOT_FOUND  its directory
 *   TROUPE_E_DENIED     the directory or what is in it belongs to somebody else, or is open to all
 *   TROUPE_E_EXISTS     another process listens there, or something is there that is no socket
 *   TROUPE_E_LIMIT, TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM */
TROUPE_MUST_USE troupe_status tr_unix_claim(const char *path, struct tr_unix_claim *claim,
                                            char *why, size_t why_size);

/* Gives it up, after the socket was removed. No-op when nothing is claimed. */
void tr_unix_release(struct tr_unix_claim *claim);

#endif
