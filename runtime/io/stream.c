#include "io/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/check.h"
#include "base/host.h"
#include "io/loop_uv.h"
#include "io/stream_uv.h"
#include "io/uv_status.h"

static const struct tr_stream_events no_events;

int tr_address_parse(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    if (strchr(host, ':') != NULL) {
        return uv_ip6_addr(host, port, (struct sockaddr_in6 *)out);
    }
    return uv_ip4_addr(host, port, (struct sockaddr_in *)out);
}

static bool address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;

        return (ntohl(four->sin_addr.s_addr) >> 24) == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;

        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) && six->sin6_addr.s6_addr[12] == 127);
    }
    return address->sa_family == AF_UNIX;
}

bool tr_host_is_loopback(const char *host)
{
    struct sockaddr_storage address = {0};

    if (strcmp(host, "localhost") == 0) {
        return true;
    }
    return tr_address_parse(host, 0, &address) == 0 &&
           address_is_loopback((const struct sockaddr *)&address);
}

/* ---- life of a stream ---- */

static void stream_drop(struct tr_stream *stream)
{
    TR_CHECK(stream->open > 0);
    stream->open--;
    if (stream->open == 0) {
        free(stream);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    stream_drop(handle->data);
}

int tr_stream_make(struct tr_loop *loop, bool tcp, struct tr_stream **out)
{
    struct tr_stream *stream = calloc(1, sizeof(*stream));
    uv_loop_t *uv = tr_loop_uv(loop);
    int result = 0;

    if (stream == NULL) {
        return UV_ENOMEM;
    }
    result = tcp ? uv_tcp_init(uv, &stream->uv.tcp) : uv_pipe_init(uv, &stream->uv.pipe, 0);
    if (result != 0) {
        free(stream);
        return result;
    }
    (void)uv_timer_init(uv, &stream->later); /* cannot fail */
    stream->uv.any.data = stream;
    stream->later.data = stream;
    stream->connect.data = stream;
    stream->write.data = stream;
    stream->lookup.data = stream;
    stream->events = &no_events;
    stream->open = 2;
    *out = stream;
    return 0;
}

void tr_stream_close(struct tr_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    TR_CHECK(!stream->closing);
    stream->closing = true;
    stream->ended = true;
    (void)uv_cancel((uv_req_t *)&stream->lookup); /* harmless when there is none */
    uv_close((uv_handle_t *)&stream->later, on_handle_closed);
    uv_close(&stream->uv.any, on_handle_closed);
}

static void stream_end(struct tr_stream *stream, int result)
{
    if (!stream->ended) {
        stream->ended = true;
        tr_stream_read_stop(stream);
        stream->events->on_end(stream->context, tr_uv_status(result));
    }
}

/* ---- connecting ---- */

static void connected(struct tr_stream *stream, int result)
{
    if (stream->ended) {
        return;
    }
    if (result == 0 && stream->uv.any.type == UV_TCP) {
        (void)uv_tcp_nodelay(&stream->uv.tcp, 1);
    }
    stream->events->on_connect(stream->context, tr_uv_status(result), result == UV_ECONNREFUSED);
}

static void on_connected(uv_connect_t *request, int result)
{
    struct tr_stream *stream = request->data;

    connected(stream, result);
    stream_drop(stream);
}

static void on_later(uv_timer_t *timer)
{
    struct tr_stream *stream = timer->data;

    connected(stream, stream->early);
}

/* Reports a failure from the loop, since a callback from within the call would surprise it. */
static void fail_later(struct tr_stream *stream, int result)
{
    stream->early = result;
    (void)uv_timer_start(&stream->later, on_later, 0, 0);
}

static void connect_to(struct tr_stream *stream, const struct sockaddr *address)
{
    const int result = uv_tcp_connect(&stream->connect, &stream->uv.tcp, address, on_connected);

    if (result == 0) {
        stream->open++;
    } else {
        fail_later(stream, result);
    }
}

static void on_looked_up(uv_getaddrinfo_t *request, int result, struct addrinfo *found)
{
    struct tr_stream *stream = request->data;

    if (!stream->closing) {
        if (result == 0) {
            connect_to(stream, found->ai_addr);
        } else {
            connected(stream, result);
        }
    }
    uv_freeaddrinfo(found);
    stream_drop(stream);
}

static int look_up(struct tr_stream *stream, const char *host, uint16_t port)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char service[8];
    int result = 0;

    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    result =
        uv_getaddrinfo(stream->uv.any.loop, &stream->lookup, on_looked_up, host, service, &hints);
    if (result == 0) {
        stream->open++;
    }
    return result;
}

troupe_status tr_stream_connect_tcp(struct tr_loop *loop, const char *host, uint16_t port,
                                    const struct tr_stream_events *events, void *context,
                                    struct tr_stream **out)
{
    struct sockaddr_storage address = {0};
    struct tr_stream *stream = NULL;
    int result = tr_stream_make(loop, true, &stream);

    if (result != 0) {
        return tr_uv_status(result);
    }
    stream->events = events;
    stream->context = context;
    if (tr_address_parse(host, port, &address) == 0) {
        connect_to(stream, (const struct sockaddr *)&address);
    } else {
        result = look_up(stream, host, port);
    }
    if (result != 0) {
        tr_stream_close(stream);
        return tr_uv_status(result);
    }
    *out = stream;
    return TROUPE_OK;
}

troupe_status tr_stream_connect_unix(struct tr_loop *loop, const char *path,
                                     const struct tr_stream_events *events, void *context,
                                     struct tr_stream **out)
{
    struct tr_stream *stream = NULL;
    int result = 0;

    if (tr_unix_path_fault(path) != NULL) {
        return TROUPE_E_INVALID;
    }
    result = tr_stream_make(loop, false, &stream);
    if (result != 0) {
        return tr_uv_status(result);
    }
    stream->events = events;
    stream->context = context;
    stream->open++;
    uv_pipe_connect(&stream->connect, &stream->uv.pipe, path, on_connected);
    *out = stream;
    return TROUPE_OK;
}

troupe_status tr_stream_connect(struct tr_loop *loop, const char *host, uint16_t port,
                                const struct tr_stream_events *events, void *context,
                                struct tr_stream **out)
{
    const char *path = tr_host_unix_path(host);

    return path != NULL ? tr_stream_connect_unix(loop, path, events, context, out)
                        : tr_stream_connect_tcp(loop, host, port, events, context, out);
}

void tr_stream_set_events(struct tr_stream *stream, const struct tr_stream_events *events,
                          void *context)
{
    stream->events = events;
    stream->context = context;
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct tr_stream *stream = handle->data;
    uint8_t *space = NULL;
    size_t size = 0;

    (void)suggested;
    if (!stream->ended) {
        size = stream->events->space(stream->context, &space);
    }
    *buffer = uv_buf_init((char *)space, (unsigned)size);
}

static void on_read(uv_stream_t *uv, ssize_t got, const uv_buf_t *buffer)
{
    struct tr_stream *stream = uv->data;

    (void)buffer;
    if (stream->ended || got == 0) {
        return;
    }
    if (got == UV_ENOBUFS) { /* our own `space` answered 0 */
        tr_stream_read_stop(stream);
        return;
    }
    if (got < 0) {
        stream_end(stream, (int)got);
        return;
    }
    stream->events->on_read(stream->context, (size_t)got);
}

troupe_status tr_stream_read_start(struct tr_stream *stream)
{
    int result = 0;

    if (stream->reading || stream->ended) {
        return TROUPE_OK;
    }
    result = uv_read_start(&stream->uv.stream, on_alloc, on_read);
    if (result != 0) {
        return tr_uv_status(result);
    }
    stream->reading = true;
    return TROUPE_OK;
}

void tr_stream_read_stop(struct tr_stream *stream)
{
    if (stream->reading) {
        stream->reading = false;
        (void)uv_read_stop(&stream->uv.stream);
    }
}

/* ---- writing ---- */

static void on_written(uv_write_t *request, int result)
{
    struct tr_stream *stream = request->data;

    stream->writing = false;
    if (!stream->ended) {
        if (result == 0) {
            stream->events->on_written(stream->context);
        } else {
            stream_end(stream, result);
        }
    }
    stream_drop(stream);
}

/* Leaves to libuv what the kernel did not take. */
static int write_rest(struct tr_stream *stream, uv_buf_t *buffers, size_t count, size_t gone)
{
    size_t first = 0;
    int result = 0;

    while (gone >= buffers[first].len) {
        gone -= buffers[first].len;
        first++;
    }
    buffers[first].base += gone;
    buffers[first].len -= gone;
    result = uv_write(&stream->write, &stream->uv.stream, buffers + first,
                      (unsigned)(count - first), on_written);
    if (result == 0) {
        stream->writing = true;
        stream->open++;
    }
    return result;
}

troupe_status tr_stream_write(struct tr_stream *stream, const struct tr_slice *slices, size_t count,
                              bool *done)
{
    uv_buf_t buffers[TR_STREAM_SLICES_MAX];
    size_t total = 0;
    int result = 0;

    TR_CHECK(count <= TR_STREAM_SLICES_MAX);
    TR_CHECK(!stream->writing);
    for (size_t index = 0; index < count; index++) {
        /* libuv's buffers are not const, but a write only reads them. */
        union {
            const uint8_t *in;
            char *out;
        } bytes = {.in = slices[index].bytes};

        buffers[index] = uv_buf_init(bytes.out, (unsigned)slices[index].size);
        total += slices[index].size;
    }
    *done = true;
    if (total == 0) {
        return TROUPE_OK;
    }
    result = uv_try_write(&stream->uv.stream, buffers, (unsigned)count);
    if (result == UV_EAGAIN) {
        result = 0;
    }
    if (result >= 0 && (size_t)result < total) {
        *done = false;
        result = write_rest(stream, buffers, count, (size_t)result);
    }
    return tr_uv_status(result);
}

bool tr_stream_is_writing(const struct tr_stream *stream)
{
    return stream->writing;
}

void tr_stream_set_unsent_max(struct tr_stream *stream, size_t bytes)
{
    const int value = (int)bytes;
    uv_os_fd_t fd = -1;

    /* Where the kernel does not know this, it keeps as much as it likes. */
    if (stream->uv.any.type == UV_TCP && uv_fileno(&stream->uv.any, &fd) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value));
    }
}

size_t tr_stream_queued(const struct tr_stream *stream)
{
    return uv_stream_get_write_queue_size(&stream->uv.stream);
}

/* ---- who is there ---- */

static bool peer_address(const struct tr_stream *stream, struct sockaddr_storage *address)
{
    int size = (int)sizeof(*address);

    return stream->uv.any.type == UV_TCP &&
           uv_tcp_getpeername(&stream->uv.tcp, (struct sockaddr *)address, &size) == 0;
}

/* Who has connected, or was listening when we did, as the kernel noted it then. */
static void print_process(const struct tr_stream *stream, char *text, size_t size)
{
    struct ucred its = {0};
    socklen_t its_size = sizeof(its);
    int file = -1;

    if (uv_fileno(&stream->uv.any, &file) == 0 &&
        getsockopt(file, SOL_SOCKET, SO_PEERCRED, &its, &its_size) == 0) {
        (void)snprintf(text, size, TR_UNIX_PREFIX "uid=%u:pid=%d", (unsigned)its.uid, (int)its.pid);
    } else {
        (void)snprintf(text, size, TR_UNIX_PREFIX "?:?");
    }
}

void tr_stream_peer(const struct tr_stream *stream, char *text, size_t size)
{
    struct sockaddr_storage address = {0};
    char host[INET6_ADDRSTRLEN] = "?";
    uint16_t port = 0;

    if (stream->uv.any.type != UV_TCP) {
        print_process(stream, text, size);
        return;
    }
    if (peer_address(stream, &address)) {
        /* sin_port and sin6_port lie at the same place. */
        (void)uv_ip_name((const struct sockaddr *)&address, host, sizeof(host));
        port = ntohs(((const struct sockaddr_in *)&address)->sin_port);
    }
    (void)snprintf(text, size, "%s:%u", host, (unsigned)port);
}

bool tr_stream_is_local(const struct tr_stream *stream)
{
    struct sockaddr_storage address = {0};

    if (stream->uv.any.type != UV_TCP) {
        return true;
    }
    return peer_address(stream, &address) && address_is_loopback((const struct sockaddr *)&address);
}
