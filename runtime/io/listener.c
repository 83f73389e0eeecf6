#include "io/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "base/check.h"
#include "io/acceptor.h"
#include "io/loop_uv.h"
#include "io/stream_uv.h"
#include "io/unix_claim.h"
#include "io/uv_status.h"

struct tr_listener {
    union handle uv;
    struct tr_acceptor *acceptor; /* NULL = it does not listen yet */
    struct tr_listener_events events;
    struct tr_unix_claim claim;
};

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tr_listener_close(struct tr_listener *listener)
{
    if (listener != NULL) {
        tr_acceptor_close(listener->acceptor);
        uv_close(&listener->uv.any, on_listener_closed); /* removes a unix socket */
        tr_unix_release(&listener->claim);
    }
}

static void on_socket(void *context, int fd)
{
    struct tr_listener *listener = context;
    struct tr_stream *stream = NULL;
    const bool tcp = listener->uv.any.type == UV_TCP;
    struct tr_loop *loop = listener->uv.any.loop->data;

    if (tr_stream_make(loop, tcp, &stream) != 0) {
        (void)close(fd); /* no memory */
        return;
    }
    if ((tcp ? uv_tcp_open(&stream->uv.tcp, fd) : uv_pipe_open(&stream->uv.pipe, fd)) != 0) {
        (void)close(fd);
        tr_stream_close(stream);
        return;
    }
    if (tcp) {
        (void)uv_tcp_nodelay(&stream->uv.tcp, 1);
    }
    listener->events.on_accept(listener->events.context, stream);
}

static void on_shortage(void *context, int why, uint64_t closed)
{
    const struct tr_listener *listener = context;

    if (listener->events.on_shortage != NULL) {
        listener->events.on_shortage(listener->events.context, uv_strerror(why), closed);
    }
}

/* Listens on what is bound. Zero, or an error of libuv. */
static int start(struct tr_listener *listener)
{
    const struct tr_acceptor_events events = {
        .context = listener, .on_socket = on_socket, .on_shortage = on_shortage};
    uv_os_fd_t fd = -1;

    TR_CHECK(listener != NULL);
    const int result = uv_fileno(&listener->uv.any, &fd);

    return result != 0
               ? result
               : tr_acceptor_create(listener->uv.any.loop, fd, &events, &listener->acceptor);
}

static troupe_status listener_create(struct tr_loop *loop, bool tcp,
                                     const struct tr_listener_events *events,
                                     struct tr_listener **out)
{
    struct tr_listener *listener = calloc(1, sizeof(*listener));
    int result = 0;

    if (listener == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    result = tcp ? uv_tcp_init(tr_loop_uv(loop), &listener->uv.tcp)
                 : uv_pipe_init(tr_loop_uv(loop), &listener->uv.pipe, 0);
    if (result != 0) {
        free(listener);
        return tr_uv_status(result);
    }
    listener->uv.any.data = listener;
    listener->events = *events;
    listener->claim.lock = -1;
    *out = listener;
    return TROUPE_OK;
}

troupe_status tr_listener_open_tcp(struct tr_loop *loop, const char *host, uint16_t port,
                                   const struct tr_listener_events *events,
                                   struct tr_listener **out, uint16_t *port_out)
{
    struct sockaddr_storage address = {0};
    struct tr_listener *listener = NULL;
    int size = (int)sizeof(address);
    troupe_status status = TROUPE_OK;
    int result =
        tr_address_parse(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &address);

    if (result != 0) {
        return TROUPE_E_INVALID;
    }
    status = listener_create(loop, true, events, &listener);
    if (status != TROUPE_OK) {
        return status;
    }
    result = uv_tcp_bind(&listener->uv.tcp, (const struct sockaddr *)&address, 0);
    if (result == 0) { /* says now if the port is taken, else listening would choose another */
        result = uv_tcp_getsockname(&listener->uv.tcp, (struct sockaddr *)&address, &size);
    }
    if (result == 0) {
        result = start(listener);
    }
    if (result != 0) {
        tr_listener_close(listener);
        return tr_uv_status(result);
    }
    *port_out = ntohs(((const struct sockaddr_in *)&address)->sin_port);
    *out = listener;
    return TROUPE_OK;
}

/* Binds and listens. Who connects in between is refused, so nobody gets in by the mode that the
 * socket is born with. */
static troupe_status listen_at(struct tr_listener *listener, const char *path, uint32_t mode)
{
    int result = uv_pipe_bind(&listener->uv.pipe, path);

    if (result == 0 && chmod(path, (mode_t)mode) != 0) {
        result = uv_translate_sys_error(errno);
    }
    if (result == 0) {
        result = start(listener);
    }
    return tr_uv_status(result);
}

troupe_status tr_listener_open_unix(struct tr_loop *loop, const char *path, uint32_t mode,
                                    const struct tr_listener_events *events,
                                    struct tr_listener **out, char *why, size_t why_size)
{
    struct tr_listener *listener = NULL;
    troupe_status status = listener_create(loop, false, events, &listener);

    if (status != TROUPE_OK) {
        (void)snprintf(why, why_size, "%s", troupe_status_text(status));
        return status;
    }
    status = tr_unix_claim(path, &listener->claim, why, why_size);
    if (status == TROUPE_OK) {
        status = listen_at(listener, path, mode);
        if (status != TROUPE_OK) {
            (void)snprintf(why, why_size, "%s: %s", path, troupe_status_text(status));
        }
    }
    if (status != TROUPE_OK) {
        tr_listener_close(listener);
        return status;
    }
    *out = listener;
    return TROUPE_OK;
}
