/* sync/parker.h - where one thread sleeps until it is woken; a wake that comes first is not lost.
 *
 * Threads: park and step only by the owner, unpark from any. What was written before unpark is seen
 * after park.
 */
#ifndef TR_SYNC_PARKER_H
#define TR_SYNC_PARKER_H

#include "sync/thread.h"

struct tr_parker {
    struct tr_atomic_u32 state;
    struct tr_mutex mutex;
    struct tr_cond cond;
};

void tr_parker_init(struct tr_parker *parker);
void tr_parker_fini(struct tr_parker *parker);

/* Sleeps until unpark, at most timeout_ns; negative: without end. Returns at once when an unpark is
 * owed. */
void tr_parker_park(struct tr_parker *parker, int64_t timeout_ns);

/* Wakes the owner. Answers true when it has stepped out, which is for the caller to end. */
bool tr_parker_unpark(struct tr_parker *parker);

/* The owner sleeps somewhere else for once: between the two, unpark tells those that would wake it.
 * step_out answers false, and nothing has changed, when an unpark was owed. */
bool tr_parker_step_out(struct tr_parker *parker);
void tr_parker_step_in(struct tr_parker *parker);

#endif
