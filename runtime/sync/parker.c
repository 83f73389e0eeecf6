#include "sync/parker.h"

enum { AWAKE, ASLEEP, NOTIFIED, OUTSIDE };

void tr_parker_init(struct tr_parker *parker)
{
    tr_store32_relaxed(&parker->state, AWAKE);
    tr_mutex_init(&parker->mutex);
    tr_cond_init(&parker->cond);
}

void tr_parker_fini(struct tr_parker *parker)
{
    tr_cond_fini(&parker->cond);
    tr_mutex_fini(&parker->mutex);
}

void tr_parker_park(struct tr_parker *parker, int64_t timeout_ns)
{
    tr_mutex_lock(&parker->mutex);
    /* Pairs with the exchange in unpark: either that is seen here, or it sees that we sleep. */
    if (tr_exchange32(&parker->state, ASLEEP) != NOTIFIED) {
        if (timeout_ns >= 0) {
            /* A wake without a reason may shorten the sleep: callers look again anyway. */
            (void)tr_cond_wait_for(&parker->cond, &parker->mutex, timeout_ns);
        } else {
            while (tr_load32_acquire(&parker->state) == ASLEEP) {
                tr_cond_wait(&parker->cond, &parker->mutex);
            }
        }
    }
    (void)tr_exchange32(&parker->state, AWAKE);
    tr_mutex_unlock(&parker->mutex);
}

bool tr_parker_unpark(struct tr_parker *parker)
{
    const uint32_t before = tr_exchange32(&parker->state, NOTIFIED);

    if (before == ASLEEP) {
        tr_mutex_lock(&parker->mutex);
        tr_mutex_unlock(&parker->mutex);
        tr_cond_signal(&parker->cond);
    }
    return before == OUTSIDE;
}

bool tr_parker_step_out(struct tr_parker *parker)
{
    /* Pairs with the exchange in unpark: either that is seen here, or it sees that we are out. */
    if (tr_exchange32(&parker->state, OUTSIDE) != NOTIFIED) {
        return true;
    }
    (void)tr_exchange32(&parker->state, AWAKE);
    return false;
}

void tr_parker_step_in(struct tr_parker *parker)
{
    (void)tr_exchange32(&parker->state, AWAKE);
}
