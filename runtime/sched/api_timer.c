/* Timers: the functions of actor.h that wait for time. */
#include <stdlib.h>

#include "base/bugs.h"
#include "sched/self.h"

static troupe_status start(troupe_self *self, uint64_t delay_ms, uint64_t interval_ms,
                           troupe_pid to, const troupe_type *type, const void *message,
                           uint64_t *timer)
{
    struct tr_message *carry = NULL;
    const troupe_status status =
        tr_message_copy_value(&self->worker->cache, TR_SIGNAL_MESSAGE, type, message, &carry);

    if (status != TROUPE_OK) {
        return status;
    }
    /* A delay of zero still goes by the wheel: it comes after what is in the mailbox now. */
    struct tr_wait *wait = tr_wait_start(self, TR_WAIT_TIMER, delay_ms == 0 ? 1 : delay_ms);

    if (wait == NULL) {
        tr_message_destroy(&self->worker->cache, carry);
        return TROUPE_E_NO_MEMORY;
    }
    wait->carry = carry;
    wait->peer = to;
    wait->interval_ms = interval_ms;
    if (timer != NULL) {
        *timer = wait->ref;
    }
    return TROUPE_OK;
}

troupe_status troupe_send_after(troupe_self *self, uint64_t delay_ms, troupe_pid to,
                                const troupe_type *type, const void *message, uint64_t *timer)
{
    return start(self, delay_ms, 0, to, type, message, timer);
}

troupe_status troupe_send_interval(troupe_self *self, uint64_t interval_ms, troupe_pid to,
                                   const troupe_type *type, const void *message, uint64_t *timer)
{
    if (interval_ms == 0) {
        return TROUPE_E_INVALID;
    }
    return start(self, interval_ms, interval_ms, to, type, message, timer);
}

bool troupe_cancel_timer(troupe_self *self, uint64_t timer)
{
    struct tr_wait *wait = tr_wait_find(self, timer);

    if (wait == NULL || wait->kind != TR_WAIT_TIMER) {
        return false;
    }
    if (!TR_BUG(CANCEL_IN_WORDS)) {
        tr_wait_end(self, wait);
    }
    return true;
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
