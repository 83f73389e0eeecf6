#include <stdlib.h>

#include "sched/self.h"

static void arm(struct tr_wait *wait, struct tr_worker *worker, uint64_t delay_ms)
{
    const int64_t now_ns = tr_clock_now(worker->sched->options.clock);

    /* A started millisecond counts as a whole one: nothing runs out too early. */
    const uint64_t at_ms = (uint64_t)(now_ns / TR_NS_PER_MS) + 1 + delay_ms;

    wait->shard = worker;
    tr_spin_lock(&worker->wheel_lock);
    tr_wheel_start(&worker->wheel, &wait->entry, at_ms);
    tr_store32_relaxed(&worker->wheel_count, (uint32_t)worker->wheel.count);
    tr_spin_unlock(&worker->wheel_lock);
}

static void disarm(struct tr_wait *wait)
{
    struct tr_worker *shard = wait->shard;

    if (shard == NULL) {
        return;
    }
    tr_spin_lock(&shard->wheel_lock);
    (void)tr_wheel_cancel(&shard->wheel, &wait->entry);
    tr_store32_relaxed(&shard->wheel_count, (uint32_t)shard->wheel.count);
    tr_spin_unlock(&shard->wheel_lock);
}

struct tr_wait *tr_wait_start(troupe_self *self, enum tr_wait_kind kind, uint64_t timeout_ms)
{
    struct tr_wait *wait = tr_pool_get(&self->worker->cache, sizeof(*wait));

    if (wait == NULL) {
        return NULL;
    }
    *wait =
        (struct tr_wait){.owner = self->id, .ref = ++self->actor->next_ref, .kind = (uint8_t)kind};
    if (tr_map_put(&self->actor->waits, wait->ref, wait) != TROUPE_OK) {
        tr_pool_put(&self->worker->cache, wait, sizeof(*wait));
        return NULL;
    }
    if (timeout_ms > 0) {
        arm(wait, self->worker, timeout_ms);
    }
    return wait;
}

void tr_wait_again(troupe_self *self, struct tr_wait *wait, uint64_t delay_ms)
{
    disarm(wait);
    arm(wait, self->worker, delay_ms);
}

struct tr_wait *tr_wait_find(troupe_self *self, uint64_t ref)
{
    return tr_map_get(&self->actor->waits, ref);
}

void tr_wait_end(troupe_self *self, struct tr_wait *wait)
{
    (void)tr_map_take(&self->actor->waits, wait->ref);
    disarm(wait);
    if (wait->carry != NULL) {
        tr_message_destroy(&self->worker->cache, wait->carry);
    }
    tr_pool_put(&self->worker->cache, wait, sizeof(*wait));
}

void tr_wait_finish(troupe_self *self, struct tr_wait *wait, const troupe_result *result)
{
    const troupe_then then = wait->then;
    troupe_result copy = *result;

    copy.tag = wait->tag;
    tr_wait_end(self, wait);
    if (then != NULL) {
        tr_self_answer(self, then(self, self->actor->state, &copy));
    }
}

/* Takes one wait that has run out; only its owner and ref are safe to use outside the lock. */
static bool take_expired(struct tr_worker *shard, uint64_t now_ms, uint64_t *owner, uint64_t *ref)
{
    bool found = false;

    tr_spin_lock(&shard->wheel_lock);
    struct tr_wheel_entry *entry = tr_wheel_expired(&shard->wheel, now_ms);

    if (entry != NULL) {
        const struct tr_wait *wait = (const struct tr_wait *)(const void *)entry;

        *owner = wait->owner;
        *ref = wait->ref;
        found = true;
    }
    tr_store32_relaxed(&shard->wheel_count, (uint32_t)shard->wheel.count);
    tr_spin_unlock(&shard->wheel_lock);
    return found;
}

void tr_worker_expire(struct tr_worker *shard, struct tr_worker *worker, int64_t now_ns)
{
    struct tr_sched *sched = shard->sched;
    uint64_t owner = 0;
    uint64_t ref = 0;

    while (take_expired(shard, (uint64_t)(now_ns / TR_NS_PER_MS), &owner, &ref)) {
        struct tr_message *message = tr_message_create(&worker->cache, TR_SIGNAL_TIMER, 0);

        if (message == NULL) {
            return; /* Out of memory: this one is lost, which its owner sees as never running out.
                     */
        }
        message->to = (troupe_pid){.node = tr_sched_node_id(sched), .id = owner};
        message->ref = ref;
        (void)tr_sched_post(sched, worker, message);
    }
}
