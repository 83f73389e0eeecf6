/* Timers: the functions of actor.h that wait for time. */
#include <stdlib.h>

#include "base/bugs.h"
#include "sched/self.h"
#include "troupe/timer.h"

/* Starts a timer that carries a message; takes the message. */
static troupe_status start(troupe_self *self, uint64_t delay_ms, uint64_t interval_ms,
                           struct tr_message *carry, uint64_t *timer)
{
    struct tr_wait *wait = tr_wait_start(self, TR_WAIT_TIMER, 0);

    if (wait == NULL) {
        tr_message_destroy(&self->worker->cache, carry);
        return TROUPE_E_NO_MEMORY;
    }
    wait->carry = carry;
    wait->peer = carry->to;
    wait->interval_ms = interval_ms;
    /* To others it goes without a turn of this actor, unless it must not speak while its commit or
     * its lease is in doubt. */
    wait->direct = (self->actor->flags & TR_ACTOR_DURABLE) == 0 && carry->to.id != self->id;
    if (timer != NULL) {
        *timer = wait->ref;
    }
    /* A delay of zero still goes by the wheel: it comes after what is in the mailbox now. From here
     * on another thread may send it. */
    tr_wait_again(self, wait, delay_ms == 0 ? 1 : delay_ms);
    return TROUPE_OK;
}

static troupe_status start_to_pid(troupe_self *self, uint64_t delay_ms, uint64_t interval_ms,
                                  troupe_pid to, const troupe_type *type, const void *message,
                                  uint64_t *timer)
{
    struct tr_message *carry = NULL;
    const troupe_status status =
        tr_message_copy_value(&self->worker->cache, TR_SIGNAL_MESSAGE, type, message, &carry);

    if (status != TROUPE_OK) {
        return status;
    }
    carry->to = to;
    return start(self, delay_ms, interval_ms, carry, timer);
}

static troupe_status start_to_name(troupe_self *self, uint64_t delay_ms, uint64_t interval_ms,
                                   const char *name, const troupe_type *type, const void *message,
                                   uint64_t *timer)
{
    const troupe_status status =
        tr_name_is_valid(name) ? tr_message_check(type, message) : TROUPE_E_INVALID;

    if (status != TROUPE_OK) {
        return status;
    }
    struct tr_message *carry = tr_self_named(self, TR_SIGNAL_MESSAGE, name, type, message, 0);

    return carry == NULL ? TROUPE_E_NO_MEMORY : start(self, delay_ms, interval_ms, carry, timer);
}

troupe_status troupe_send_after(troupe_self *self, uint64_t delay_ms, troupe_pid to,
                                const troupe_type *type, const void *message, uint64_t *timer)
{
    return start_to_pid(self, delay_ms, 0, to, type, message, timer);
}

troupe_status troupe_send_interval(troupe_self *self, uint64_t interval_ms, troupe_pid to,
                                   const troupe_type *type, const void *message, uint64_t *timer)
{
    return interval_ms == 0
               ? TROUPE_E_INVALID
               : start_to_pid(self, interval_ms, interval_ms, to, type, message, timer);
}

troupe_status troupe_send_after_name(troupe_self *self, uint64_t delay_ms, const char *name,
                                     const troupe_type *type, const void *message, uint64_t *timer)
{
    return start_to_name(self, delay_ms, 0, name, type, message, timer);
}

troupe_status troupe_send_interval_name(troupe_self *self, uint64_t interval_ms, const char *name,
                                        const troupe_type *type, const void *message,
                                        uint64_t *timer)
{
    return interval_ms == 0
               ? TROUPE_E_INVALID
               : start_to_name(self, interval_ms, interval_ms, name, type, message, timer);
}

/* A timer that can still be called back, or NULL. */
static struct tr_wait *find_timer(troupe_self *self, uint64_t timer, uint64_t *left_ms)
{
    struct tr_wait *wait = tr_wait_find(self, timer);

    return wait != NULL && wait->kind == TR_WAIT_TIMER && tr_wait_left(self, wait, left_ms) ? wait
                                                                                            : NULL;
}

bool troupe_timer_left(troupe_self *self, uint64_t timer, uint64_t *left_ms)
{
    uint64_t left = 0;
    const bool waits = find_timer(self, timer, &left) != NULL;

    if (waits) {
        *left_ms = left;
    }
    return waits;
}

bool troupe_cancel_timer_left(troupe_self *self, uint64_t timer, uint64_t *left_ms)
{
    uint64_t left = 0;
    struct tr_wait *wait = find_timer(self, timer, &left);

    if (wait == NULL) {
        return false; /* What was sent directly ends by the signal that is on its way. */
    }
    /* Sent between the look and the end, it was not in time after all. */
    if (!TR_BUG(CANCEL_IN_WORDS) && !tr_wait_cancel(self, wait)) {
        return false;
    }
    if (left_ms != NULL) {
        *left_ms = left;
    }
    return true;
}

bool troupe_cancel_timer(troupe_self *self, uint64_t timer)
{
    return troupe_cancel_timer_left(self, timer, NULL);
}

size_t troupe_cancel_timers(troupe_self *self)
{
    const struct tr_wait *idle = self->actor->extra == NULL ? NULL : self->actor->extra->idle;
    struct tr_wait *wait = NULL;
    struct tr_wait *first = NULL;
    uint32_t position = 0;
    size_t count = 0;

    /* The map must not change while it is walked: what is found is chained by its tag first. */
    while ((wait = tr_map_next(&self->actor->waits, &position)) != NULL) {
        if (wait->kind == TR_WAIT_TIMER && wait != idle) {
            wait->tag = (uint64_t)(uintptr_t)first;
            first = wait;
        }
    }
    while (first != NULL) {
        wait = first;
        first = (struct tr_wait *)(uintptr_t)wait->tag;
        count += tr_wait_cancel(self, wait) ? 1 : 0;
    }
    return count;
}

troupe_status troupe_idle_timeout(troupe_self *self, uint64_t timeout_ms)
{
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    if (extra == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (extra->idle != NULL) {
        tr_wait_end(self, extra->idle);
        extra->idle = NULL;
    }
    extra->idle_ms = timeout_ms;
    if (timeout_ms == 0) {
        return TROUPE_OK;
    }
    extra->active_ms = tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;
    extra->idle = tr_wait_start(self, TR_WAIT_TIMER, timeout_ms);
    return extra->idle == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}
