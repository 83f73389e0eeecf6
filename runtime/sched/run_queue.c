#include "sched/sched.h"

static void push_locked(struct tr_run_queue *queue, struct tr_actor *actor)
{
    actor->run_next = NULL;
    if (queue->tail == NULL) {
        queue->head = actor;
    } else {
        queue->tail->run_next = actor;
    }
    queue->tail = actor;
    tr_store32_relaxed(&queue->count, tr_load32_relaxed(&queue->count) + 1);
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
    push_locked(queue, actor);
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
    struct tr_actor *stolen = NULL;
    struct tr_actor *last = NULL;

    if (tr_load32_relaxed(&from->count) == 0) {
        return NULL;
    }
    tr_spin_lock(&from->lock);
    const uint32_t half = (tr_load32_relaxed(&from->count) + 1) / 2;

    for (uint32_t i = 0; i < half; i++) {
        struct tr_actor *actor = pop_locked(from);

        if (actor == NULL) {
            break;
        }
        actor->run_next = NULL;
        if (last == NULL) {
            stolen = actor;
        } else {
            last->run_next = actor;
        }
        last = actor;
    }
    tr_spin_unlock(&from->lock);
    if (stolen == NULL || stolen->run_next == NULL) {
        return stolen;
    }

    struct tr_actor *rest = stolen->run_next;

    tr_spin_lock(&queue->lock);
    while (rest != NULL) {
        struct tr_actor *next = rest->run_next;

        push_locked(queue, rest);
        rest = next;
    }
    tr_spin_unlock(&queue->lock);
    return stolen;
}
