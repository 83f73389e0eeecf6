#include "io/fdwatch.h"

#include <stdlib.h>

#include <uv.h>

#include "base/check.h"
#include "io/loop_uv.h"
#include "io/uv_status.h"

/* The libuv handle of one descriptor. It outlives its watch's interest until libuv has closed it,
 * so it is a piece of memory of its own. */
struct poll {
    uv_poll_t uv;
    struct tr_fdwatch *watch;
};

struct tr_fdwatch {
    struct tr_loop *loop;
    tr_fdwatch_fn fn;
    void *context;
    struct poll *poll; /* NULL when nothing is watched */
    int fd;            /* valid while poll is there */
    unsigned events;   /* TR_FD_* asked for; 0 = paused */
};

troupe_status tr_fdwatch_create(struct tr_loop *loop, tr_fdwatch_fn fn, void *context,
                                struct tr_fdwatch **out)
{
    struct tr_fdwatch *watch = calloc(1, sizeof(*watch));

    TR_CHECK(fn != NULL);
    if (watch == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    watch->loop = loop;
    watch->fn = fn;
    watch->context = context;
    *out = watch;
    return TROUPE_OK;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tr_fdwatch_release(struct tr_fdwatch *watch)
{
    if (watch->poll == NULL) {
        return;
    }
    (void)uv_poll_stop(&watch->poll->uv);
    uv_close((uv_handle_t *)&watch->poll->uv, on_poll_closed);
    watch->poll = NULL;
    watch->events = 0;
}

static void on_poll(uv_poll_t *uv, int result, int events)
{
    const struct poll *poll = uv->data;
    struct tr_fdwatch *watch = poll->watch;
    unsigned seen = 0;

    if (result < 0) {
        tr_fdwatch_release(watch);
        watch->fn(watch->context, tr_uv_status(result), 0);
        return;
    }
    seen |= (events & UV_READABLE) != 0 ? (unsigned)TR_FD_READABLE : 0U;
    seen |= (events & UV_WRITABLE) != 0 ? (unsigned)TR_FD_WRITABLE : 0U;
    watch->fn(watch->context, TROUPE_OK, seen);
}

static troupe_status poll_open(struct tr_fdwatch *watch, int fd)
{
    struct poll *poll = calloc(1, sizeof(*poll));
    int result = 0;

    if (poll == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    result = uv_poll_init(tr_loop_uv(watch->loop), &poll->uv, fd);
    if (result != 0) {
        free(poll);
        return result == UV_EEXIST ? TROUPE_E_EXISTS : tr_uv_status(result);
    }
    poll->uv.data = poll;
    poll->watch = watch;
    watch->poll = poll;
    watch->fd = fd;
    watch->events = 0;
    return TROUPE_OK;
}

troupe_status tr_fdwatch_set(struct tr_fdwatch *watch, int fd, unsigned events)
{
    int wanted = 0;
    int result = 0;

    if (watch->poll != NULL && watch->fd != fd) {
        tr_fdwatch_release(watch);
    }
    if (watch->poll == NULL) {
        const troupe_status status = poll_open(watch, fd);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    if (watch->events == events) {
        return TROUPE_OK;
    }
    if (events == 0) {
        result = uv_poll_stop(&watch->poll->uv);
    } else {
        wanted |= (events & TR_FD_READABLE) != 0 ? (int)UV_READABLE : 0;
        wanted |= (events & TR_FD_WRITABLE) != 0 ? (int)UV_WRITABLE : 0;
        result = uv_poll_start(&watch->poll->uv, wanted, on_poll);
    }
    if (result != 0) {
        return tr_uv_status(result);
    }
    watch->events = events;
    return TROUPE_OK;
}

void tr_fdwatch_close(struct tr_fdwatch *watch)
{
    if (watch == NULL) {
        return;
    }
    tr_fdwatch_release(watch);
    free(watch);
}
