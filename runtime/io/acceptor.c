#include "io/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    ACCEPTS_PER_TURN = 64, /* then those who are connected have their turn */
    REST_MS = 100,
    TELL_MS = 10000
};

struct tr_acceptor {
    uv_poll_t poll;
    uv_timer_t rest;
    struct tr_acceptor_events events;
    int fd;      /* lent */
    int reserve; /* -1 = it could not be had again yet */
    bool closing;
    bool told;        /* on_shortage was called */
    uint64_t told_at; /* then */
    uint64_t closed;  /* connections, since then */
    unsigned handles; /* that libuv still knows; freed at 0 */
};

static void reserve_get(struct tr_acceptor *acceptor)
{
    if (acceptor->reserve < 0) {
        acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void reserve_give(struct tr_acceptor *acceptor)
{
    if (acceptor->reserve >= 0) {
        (void)close(acceptor->reserve);
        acceptor->reserve = -1;
    }
}

static void tell(struct tr_acceptor *acceptor, int why)
{
    const uint64_t now = uv_now(acceptor->poll.loop);

    if (!acceptor->told || now - acceptor->told_at >= TELL_MS) {
        acceptor->events.on_shortage(acceptor->events.context, why, acceptor->closed);
        acceptor->told = true;
        acceptor->told_at = now;
        acceptor->closed = 0;
    }
}

static void accept_some(struct tr_acceptor *acceptor);

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_some(poll->data);
}

static void on_rested(uv_timer_t *timer)
{
    struct tr_acceptor *acceptor = timer->data;

    (void)uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void rest(struct tr_acceptor *acceptor)
{
    (void)uv_poll_stop(&acceptor->poll);
    (void)uv_timer_start(&acceptor->rest, on_rested, REST_MS, 0);
}

static int take(const struct tr_acceptor *acceptor)
{
    const int fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return fd >= 0 ? fd : -errno;
}

static bool is_passing(int result)
{
    return result == -EINTR || result == -ECONNABORTED || result == -EPROTO;
}

/* Closes one who knocks: better than to let him wait, for he tries again later. Answers whether
 * there may be more to do at once. */
static bool turn_away(struct tr_acceptor *acceptor, int why)
{
    int fd = 0;

    reserve_give(acceptor);
    fd = take(acceptor);
    if (fd >= 0) {
        (void)close(fd);
        acceptor->closed++;
    }
    reserve_get(acceptor);
    tell(acceptor, why);
    return fd >= 0 && acceptor->reserve >= 0;
}

static void accept_some(struct tr_acceptor *acceptor)
{
    reserve_get(acceptor);
    for (unsigned count = 0; count < ACCEPTS_PER_TURN && !acceptor->closing; count++) {
        const int fd = take(acceptor);

        if (fd >= 0) {
            acceptor->events.on_socket(acceptor->events.context, fd);
            continue;
        }
        if (fd == -EAGAIN || fd == -EWOULDBLOCK) {
            return;
        }
        if (is_passing(fd)) {
            continue;
        }
        if (fd != -EMFILE && fd != -ENFILE) {
            tell(acceptor, uv_translate_sys_error(-fd)); /* no buffers, no memory */
            rest(acceptor);
            return;
        }
        if (!turn_away(acceptor, uv_translate_sys_error(-fd))) {
            rest(acceptor);
            return;
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct tr_acceptor *acceptor = handle->data;

    acceptor->handles--;
    if (acceptor->handles == 0) {
        free(acceptor);
    }
}

void tr_acceptor_close(struct tr_acceptor *acceptor)
{
    if (acceptor != NULL) {
        acceptor->closing = true;
        reserve_give(acceptor);
        uv_close((uv_handle_t *)&acceptor->poll, on_closed);
        uv_close((uv_handle_t *)&acceptor->rest, on_closed);
    }
}

int tr_acceptor_create(uv_loop_t *uv, int fd, const struct tr_acceptor_events *events,
                       struct tr_acceptor **out)
{
    struct tr_acceptor *acceptor = calloc(1, sizeof(*acceptor));
    int result = 0;

    if (acceptor == NULL) {
        return UV_ENOMEM;
    }
    acceptor->events = *events;
    acceptor->fd = fd;
    acceptor->reserve = -1;
    result = listen(fd, BACKLOG) == 0 ? uv_poll_init(uv, &acceptor->poll, fd)
                                      : uv_translate_sys_error(errno);
    if (result != 0) {
        free(acceptor);
        return result;
    }
    (void)uv_timer_init(uv, &acceptor->rest); /* cannot fail */
    acceptor->poll.data = acceptor;
    acceptor->rest.data = acceptor;
    acceptor->handles = 2;
    reserve_get(acceptor);
    result = uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
    if (result != 0) {
        tr_acceptor_close(acceptor);
        return result;
    }
    *out = acceptor;
    return 0;
}
