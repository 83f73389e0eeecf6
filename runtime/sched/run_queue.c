#include "sched/sched.h"

/* Actors that are taken over at once. A longer list would be out of the cache again before its end
 * is run, and whoever wants the queue would wait while it is walked. */
enum { STEAL_MAX = 128 };

/* Appends a list of so many actors. */
static void append_locked(struct tr_run_queue *queue, struct tr_actor *first, struct tr_actor *last,
                          uint32_t count)
{
    last->run_next = NULL;
    if (queue->tail == NULL) {
        queue->head = first;
    } else {
        queue->tail->run_next = first;
    }
    queue->tail = last;
    tr_store32_relaxed(&queue->count, tr_load32_relaxed(&queue->count) + count);
}

/* The next actor's block came near when the one before it was taken: now what hangs below it, and
 * the block of the one behind it. In a long queue a run would else begin with waiting for both. */
static void bring_near(const struct tr_actor *next)
{
    const struct tr_actor *behind = next->run_next;

    __builtin_prefetch(next->relations.entries, 1);
    if (behind != NULL) {
        __builtin_prefetch(behind, 1);
        __builtin_prefetch(&behind->run_next, 1);
    }
}

static struct tr_actor *pop_locked(struct tr_run_queue *queue)
{
    struct tr_actor *actor = queue->head;

    if (actor != NULL) {
        queue->head = actor->run_next;
        if (queue->head == NULL) {
            queue->tail = NULL;
        } else {
            bring_near(queue->head);
        }
        tr_store32_relaxed(&queue->count, tr_load32_relaxed(&queue->count) - 1);
    }
    return actor;
}

void tr_run_queue_push(struct tr_run_queue *queue, struct tr_actor *actor)
{
    tr_spin_lock(&queue->lock);
    append_locked(queue, actor, actor, 1);
    tr_spin_unlock(&queue->lock);
}

struct tr_actor *tr_run_queue_pop(struct tr_run_queue *queue)
{
    if (tr_load32_relaxed(&queue->count) == 0) {
        return NULL;
    }
    tr_spin_lock(&queue->lock);
    struct tr_actor *actor = pop_locked(queue);

    tr_spin_unlock(&queue->lock);
    return actor;
}

struct tr_actor *tr_run_queue_steal(struct tr_run_queue *queue, struct tr_run_queue *from)
{
    if (tr_load32_relaxed(&from->count) == 0) {
        return NULL;
    }
    tr_spin_lock(&from->lock);
    const uint32_t half = (tr_load32_relaxed(&from->count) + 1) / 2;
    const uint32_t most = half < STEAL_MAX ? half : STEAL_MAX;
    struct tr_actor *stolen = pop_locked(from);
    struct tr_actor *rest = NULL;
    struct tr_actor *last = NULL;
    uint32_t count = 0;

    for (; stolen != NULL && count + 1 < most; count++) {
        struct tr_actor *actor = pop_locked(from);

        if (actor == NULL) {
            break;
        }
        if (last == NULL) {
            rest = actor;
        } else {
            last->run_next = actor;
        }
        last = actor;
    }
    tr_spin_unlock(&from->lock);
    if (rest != NULL) {
        tr_spin_lock(&queue->lock);
        append_locked(queue, rest, last, count);
        tr_spin_unlock(&queue->lock);
    }
    return stolen;
}
