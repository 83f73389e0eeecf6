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

/* Locks the wheel of a wait when nobody is copying what it carries. */
static void lock_at_rest(const struct tr_wait *wait)
{
    tr_spin_lock(&wait->shard->wheel_lock);
    while (wait->busy) {
        tr_spin_unlock(&wait->shard->wheel_lock);
        tr_thread_yield();
        tr_spin_lock(&wait->shard->wheel_lock);
    }
}

static void disarm(struct tr_wait *wait)
{
    struct tr_worker *shard = wait->shard;

    if (shard == NULL) {
        return;
    }
    lock_at_rest(wait);
    (void)tr_wheel_cancel(&shard->wheel, &wait->entry);
    tr_store32_relaxed(&shard->wheel_count, (uint32_t)shard->wheel.count);
    tr_spin_unlock(&shard->wheel_lock);
}

/* The number of a wait. That of a call travels, and who sends it back answers the call: so nobody
 * can tell the next one from those that he has seen. The others are numbered from 1; none of them
 * gets so far as to have the top bit. */
static uint64_t make_ref(troupe_self *self, enum tr_wait_kind kind)
{
    const struct tr_siphash_key *key = &self->sched->options.key;
    const uint64_t count = ++self->actor->next_ref;
    const uint64_t words[2] = {self->id, count};

    if (kind != TR_WAIT_CALL || (key->words[0] | key->words[1]) == 0) {
        return count;
    }
    return 1ULL << 63 | tr_siphash(key, words, sizeof(words)) >> 1 << 24 | (count & 0xffffff);
}

struct tr_wait *tr_wait_start(troupe_self *self, enum tr_wait_kind kind, uint64_t timeout_ms)
{
    struct tr_wait *wait = tr_pool_get(&self->worker->cache, sizeof(*wait));

    if (wait == NULL) {
        return NULL;
    }
    *wait = (struct tr_wait){.owner = self->id, .ref = make_ref(self, kind), .kind = (uint8_t)kind};
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

/* One period after the last time, however late that was handled. Times that have passed meanwhile
 * are left out. */
static uint64_t next_time(const struct tr_wait *wait, uint64_t now_ms)
{
    const uint64_t before_ms = wait->entry.at_ms;
    const uint64_t late_ms = now_ms > before_ms ? now_ms - before_ms : 0;

    return before_ms + (late_ms / wait->interval_ms + 1) * wait->interval_ms;
}

void tr_wait_repeat(troupe_self *self, struct tr_wait *wait)
{
    const uint64_t at_ms = next_time(wait, time_in(self->worker, 0) - 1);

    disarm(wait);
    arm(wait, self->worker, at_ms);
}

bool tr_wait_left(troupe_self *self, struct tr_wait *wait, uint64_t *left_ms)
{
    const uint64_t soon_ms = time_in(self->worker, 0);

    lock_at_rest(wait);
    const bool waits = wait->entry.place != 0;
    const uint64_t at_ms = wait->entry.at_ms;

    tr_spin_unlock(&wait->shard->wheel_lock);
    *left_ms = waits && at_ms > soon_ms ? at_ms - soon_ms : 0;
    /* What has run out but goes through the owner has not been sent yet. */
    return waits || !wait->direct;
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

bool tr_wait_cancel(troupe_self *self, struct tr_wait *wait)
{
    /* Once it cannot be sent any more, what it carries tells whether it was. */
    disarm(wait);
    const bool in_time = wait->carry != NULL;

    tr_wait_end(self, wait);
    return in_time;
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

/* A wait that has run out: only this is safe to use outside the lock. */
struct expired {
    uint64_t owner;
    uint64_t ref;
    struct tr_message *carry; /* to be sent; NULL: none */
    bool tell;                /* the owner has something to do */
};

/* Takes what a direct timer carries; an interval's is copied, without the lock, and starts again.
 * With the lock. */
static struct tr_message *take_carry(struct tr_worker *shard, struct tr_worker *worker,
                                     struct tr_wait *wait, uint64_t now_ms)
{
    struct tr_message *carry = wait->carry;

    if (wait->interval_ms == 0) {
        wait->carry = NULL;
        return carry;
    }
    wait->busy = true; /* The owner, who may cancel it, waits that long. */
    tr_spin_unlock(&shard->wheel_lock);
    carry = tr_message_copy(&worker->cache, carry); /* No memory: the next time is tried again. */
    if (carry != NULL) {
        carry->to = wait->peer;
    }
    tr_spin_lock(&shard->wheel_lock);
    wait->busy = false;
    tr_wheel_start(&shard->wheel, &wait->entry, next_time(wait, now_ms));
    return carry;
}

static bool take_expired(struct tr_worker *shard, struct tr_worker *worker, uint64_t now_ms,
                         struct expired *out)
{
    tr_spin_lock(&shard->wheel_lock);
    struct tr_wheel_entry *entry = tr_wheel_expired(&shard->wheel, now_ms);

    if (entry != NULL) {
        struct tr_wait *wait = (struct tr_wait *)(void *)entry;

        *out = (struct expired){.owner = wait->owner,
                                .ref = wait->ref,
                                .tell = !wait->direct || wait->interval_ms == 0};
        out->carry = wait->direct ? take_carry(shard, worker, wait, now_ms) : NULL;
    }
    tr_store32_relaxed(&shard->wheel_count, (uint32_t)shard->wheel.count);
    tr_spin_unlock(&shard->wheel_lock);
    return entry != NULL;
}

void tr_wait_address(struct tr_sched *sched, uint64_t owner, struct tr_message *carry)
{
    const struct tr_outward *outward = &sched->options.outward;

    carry->from = (troupe_pid){.node = tr_sched_node_id(sched), .id = owner};
    if ((carry->flags & TR_MESSAGE_NAMED) != 0) {
        tr_message_name(carry)->deadline_ns =
            tr_clock_now(sched->options.clock) +
            (int64_t)sched->options.call_timeout_ms * TR_NS_PER_MS;
        (void)outward->resolve(outward->context, carry);
    }
}

void tr_worker_expire(struct tr_worker *shard, struct tr_worker *worker, int64_t now_ns)
{
    struct tr_sched *sched = shard->sched;
    const uint64_t now_ms = (uint64_t)(now_ns / TR_NS_PER_MS);
    struct tr_message *signal = NULL;
    struct expired expired = {0};

    while (is_due(shard, now_ms)) {
        /* The signal comes first: without memory the wait stays, and a later look tries again. */
        if (signal == NULL) {
            signal = tr_message_create(&worker->cache, TR_SIGNAL_TIMER, 0);
        }
        if (signal == NULL || !take_expired(shard, worker, now_ms, &expired)) {
            break;
        }
        if (expired.carry != NULL) {
            tr_wait_address(sched, expired.owner, expired.carry);
            (void)tr_sched_post(sched, worker, expired.carry);
        }
        if (expired.tell) {
            signal->to = (troupe_pid){.node = tr_sched_node_id(sched), .id = expired.owner};
            signal->ref = expired.ref;
            (void)tr_sched_post(sched, worker, signal);
            signal = NULL;
        }
    }
    if (signal != NULL) {
        tr_message_destroy(&worker->cache, signal);
    }
}
