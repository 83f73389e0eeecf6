#include <stdlib.h>

#include "base/bugs.h"
#include "sched/self.h"

/* The time in delay_ms. A started millisecond counts as a whole one: nothing runs out too early. */
static uint64_t time_in(const struct tr_worker *worker, uint64_t delay_ms)
{
    const uint64_t now_ms =
        (uint64_t)(tr_clock_now(worker->sched->options.clock) / TR_NS_PER_MS) + 1;

    return delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + delay_ms;
}

static void arm(struct tr_wait *wait, struct tr_worker *worker, uint64_t at_ms)
{
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
    if (timeout_ms > 0 && !(TR_BUG(CALL_WITHOUT_END) && kind == TR_WAIT_CALL)) {
        arm(wait, self->worker, time_in(self->worker, timeout_ms));
    }
    return wait;
}

void tr_wait_again(troupe_self *self, struct tr_wait *wait, uint64_t delay_ms)
{
    disarm(wait);
    arm(wait, self->worker, time_in(self->worker, delay_ms));
}

void tr_wait_repeat(troupe_self *self, struct tr_wait *wait)
{
    const uint64_t now_ms = time_in(self->worker, 0) - 1;
    const uint64_t before_ms = wait->entry.at_ms;
    /* One period after the last time, however late that was handled. Times that have passed
     * meanwhile are left out. */
    const uint64_t late_ms = now_ms > before_ms ? now_ms - before_ms : 0;
    const uint64_t periods = late_ms / wait->interval_ms + 1;

    disarm(wait);
    arm(wait, self->worker, before_ms + periods * wait->interval_ms);
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
    if (!TR_BUG(LATE_REPLY) || result->status != TROUPE_E_TIMEOUT) {
        tr_wait_end(self, wait);
    }
    if (then != NULL) {
        tr_self_answer(self, then(self, self->actor->state, &copy));
    }
}

static bool is_due(struct tr_worker *shard, uint64_t now_ms)
{
    tr_spin_lock(&shard->wheel_lock);
    const bool due = tr_wheel_next_ms(&shard->wheel) <= now_ms;

    tr_spin_unlock(&shard->wheel_lock);
    return due;
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
    const uint64_t now_ms = (uint64_t)(now_ns / TR_NS_PER_MS);
    uint64_t owner = 0;
    uint64_t ref = 0;

    while (is_due(shard, now_ms)) {
        /* The signal comes first: without memory the wait stays, and a later look tries again. */
        struct tr_message *message = tr_message_create(&worker->cache, TR_SIGNAL_TIMER, 0);

        if (message == NULL) {
            return;
        }
        if (!take_expired(shard, now_ms, &owner, &ref)) {
            tr_message_destroy(&worker->cache, message);
            return;
        }
        message->to = (troupe_pid){.node = tr_sched_node_id(sched), .id = owner};
        message->ref = ref;
        (void)tr_sched_post(sched, worker, message);
    }
}
