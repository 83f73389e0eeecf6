/* io/stream_uv.h - what stream.c and listener.c know of a stream; nobody else includes it. */
#ifndef TR_IO_STREAM_UV_H
#define TR_IO_STREAM_UV_H

#include <sys/socket.h>

#include <uv.h>

#include "io/stream.h"

union handle {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct tr_stream {
    union handle uv;
    uv_connect_t connect;
    uv_write_t write;
    uv_getaddrinfo_t lookup;
    uv_timer_t later; /* carries a failure that connect saw at once out of the caller's call */
    const struct tr_stream_events *events;
    void *context;
    unsigned open; /* handles and requests that libuv still knows; freed at 0 */
    uint16_t port; /* to connect to, while a name is looked up */
    int early;     /* what `later` reports */
    bool writing;
    bool reading;
    bool ended; /* on_end was called, or closed: no more callbacks */
    bool closing;
};

/* Makes a stream around a fresh TCP or pipe handle. Zero, or an error of libuv. */
int tr_stream_make(struct tr_loop *loop, bool tcp, struct tr_stream **out);

/* Parses a numeric address. Zero, or an error of libuv. */
int tr_address_parse(const char *host, uint16_t port, struct sockaddr_storage *out);

#endif
