#include "io/timer.h"

#include <stdlib.h>

#include <uv.h>

#include "base/check.h"
#include "io/loop_uv.h"
#include "io/uv_status.h"

struct tr_timer {
    uv_timer_t uv;
    tr_loop_fn fn;
    void *context;
};

static void on_timer(uv_timer_t *uv)
{
    const struct tr_timer *timer = uv->data;

    timer->fn(timer->context);
}

troupe_status tr_timer_create(struct tr_loop *loop, tr_loop_fn fn, void *context,
                              struct tr_timer **out)
{
    struct tr_timer *timer = calloc(1, sizeof(*timer));
    int result = 0;

    TR_CHECK(fn != NULL);
    if (timer == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    result = uv_timer_init(tr_loop_uv(loop), &timer->uv);
    if (result != 0) {
        free(timer);
        return tr_uv_status(result);
    }
    timer->uv.data = timer;
    timer->fn = fn;
    timer->context = context;
    *out = timer;
    return TROUPE_OK;
}

/* The milliseconds until delay_ns from now have passed, as libuv counts them: from the start of the
 * millisecond that it takes for now, so that the delay alone, however rounded, would end before its
 * time by what has passed of that one. */
static uint64_t ms_until(const uv_loop_t *uv, uint64_t delay_ns)
{
    const uint64_t now = uv_hrtime();
    const uint64_t due = delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;

    return tr_loop_ms_up(due) - uv_now(uv);
}

void tr_timer_start(struct tr_timer *timer, uint64_t delay_ns, uint64_t repeat_ns)
{
    const bool at_once = delay_ns == 0 && repeat_ns == 0; /* cannot be early */
    int result = 0;

    /* libuv counts from the time it cached at the start of the turn, which may be long ago. */
    uv_update_time(timer->uv.loop);
    result = uv_timer_start(&timer->uv, on_timer, at_once ? 0 : ms_until(timer->uv.loop, delay_ns),
                            tr_loop_ms_up(repeat_ns));
    TR_CHECK(result == 0); /* only a closed timer is refused */
}

void tr_timer_stop(struct tr_timer *timer)
{
    (void)uv_timer_stop(&timer->uv);
}

bool tr_timer_is_running(const struct tr_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tr_timer_close(struct tr_timer *timer)
{
    if (timer != NULL) {
        uv_close((uv_handle_t *)&timer->uv, on_closed);
    }
}
