/* sched/worker.h - what the files of workers share; nobody else includes it.
 *
 *   worker.c   finding work, running it, waking others
 *   idle.c     having nothing to run
 *
 * Threads: the worker's, except where another is said.
 */
#ifndef TR_SCHED_WORKER_H
#define TR_SCHED_WORKER_H

#include "sched/idle.h"
#include "sched/self.h"

/* ---- worker.c ---- */

/* Takes the actor that was woken last; also of another worker, which is stuck. */
struct tr_actor *tr_worker_take_next(struct tr_worker *worker);
void tr_worker_look_at_clock(struct tr_worker *worker);
/* Takes one worker out of a mask of sleepers and wakes it; false when there is none. Any thread. */
bool tr_sched_wake_from(struct tr_sched *sched, struct tr_atomic_u64 *sleepers);
/* Whether some queue has something. Any thread. */
bool tr_sched_queue_waits(const struct tr_sched *sched);

/* ---- idle.c ---- */

/* Whoever begins to work after a rest makes sure that somebody looks after it. */
void tr_worker_ensure_watcher(struct tr_worker *worker);
bool tr_worker_others_are_busy(const struct tr_worker *worker);
/* Sleeps until there may be something to do. seen: the turns of the others at the last look. */
void tr_worker_sleep(struct tr_worker *worker, uint32_t seen[TR_WORKERS_MAX]);

static inline const struct tr_io_port *tr_sched_io(const struct tr_sched *sched)
{
    /* Pairs with the release in tr_sched_set_io: the port's functions are seen. */
    return (const struct tr_io_port *)(uintptr_t)tr_load_acquire(&sched->io);
}

#endif
