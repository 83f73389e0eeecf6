/* dist/pace.h - how much a connection is given at a time, so that what comes later need not wait.
 *
 * What a connection was given goes before all that is said later, a heartbeat too, and the kernel
 * alone takes megabytes. So a connection is given at one time what it passes on within TR_PACE_MS,
 * as far as the writes that it did not take at once tell; and the kernel is to keep no more than
 * that of what it cannot send yet.
 *
 *     init -> (write of at most batch bytes) -> wrote -> (on_written) -> written -> ...
 *
 * Threads: one at a time. No socket and no clock: now_ns is any clock that does not go back.
 */
#ifndef TR_DIST_PACE_H
#define TR_DIST_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tr_pace {
    size_t batch;      /* bytes of one write, and of what the kernel may keep: TR_PACE_BATCH_MIN
                        * times a power of two, up to TR_PACE_BATCH_MAX */
    size_t bytes;      /* of the write under way */
    uint64_t begun_at; /* of that write; 0 = none is */
};

void tr_pace_init(struct tr_pace *pace);

/* A write has begun that was not done at once; it is told of when it is. */
void tr_pace_begin(struct tr_pace *pace, size_t bytes, uint64_t now_ns);

/* It is done. Answers whether `batch` has changed. */
bool tr_pace_end(struct tr_pace *pace, uint64_t now_ns);

#endif
