/* sched/run_queue.h - actors that wait for a worker, in the order in which they came.
 *
 * Threads: any, all of it.
 * Memory: the queue links the actors' own blocks.
 */
#ifndef TR_SCHED_RUN_QUEUE_H
#define TR_SCHED_RUN_QUEUE_H

#include "core/actor.h"
#include "sync/thread.h"

struct tr_run_queue {
    struct tr_spin lock;
    struct tr_actor *head;
    struct tr_actor *tail;
    struct tr_atomic_u32 count; /* written under the lock, looked at without */
};

void tr_run_queue_push(struct tr_run_queue *queue, struct tr_actor *actor);
struct tr_actor *tr_run_queue_pop(struct tr_run_queue *queue);
/* Moves up to half of the other queue, at least one, here; answers the first of them, or NULL. */
struct tr_actor *tr_run_queue_steal(struct tr_run_queue *queue, struct tr_run_queue *from);

#endif
