/* io/stream.h - byte streams over TCP and unix sockets: listen, connect, read, write.
 *
 *     tr_stream_connect_tcp(loop, host, port, &events, context, &stream)
 *       -> on_connect -> tr_stream_read_start -> space, on_read, space, on_read ... on_end -> close
 *     tr_listener_open_tcp(loop, host, port, &events, &listener, &port) -> on_accept(stream) ...
 *     tr_stream_connect(loop, "unix:/run/n1", 0, ...)    either, by what the host is (base/host.h)
 *
 * Writing: one write at a time. What the kernel does not take at once stays lent until on_written;
 * whoever gathers meanwhile writes the next batch from there. That is the back-pressure.
 *
 * Threads: loop thread only.
 * Memory: freed by the loop after close. No callback of a stream comes after its close.
 */
#ifndef TR_IO_STREAM_H
#define TR_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/loop.h"
#include "troupe/status.h"

struct tr_stream;
struct tr_listener;

enum {
    TR_STREAM_SLICES_MAX = 128, /* of one write */
};

/* Each is called on the loop thread with the stream's context. The stream may be closed in any. */
struct tr_stream_events {
    /* A connect ended. `refused` says that the host itself answered that nobody listens; that the
     * path of a unix socket is not there says nothing, since it may be one of another host. */
    void (*on_connect)(void *context, troupe_status status, bool refused);
    /* Lends room for what is read next; 0 stops the reading. */
    size_t (*space)(void *context, uint8_t **space);
    /* `size` bytes were put there, at least 1. */
    void (*on_read)(void *context, size_t size);
    /* Nothing more comes or goes: TROUPE_E_CLOSED for an orderly end, else an error. Once. */
    void (*on_end)(void *context, troupe_status status);
    /* The write that was not done at once is done; its slices are no longer lent. */
    void (*on_written)(void *context);
};

struct tr_listener_events {
    void *context;
    /* Gives a connected stream, which has no events yet. */
    void (*on_accept)(void *context, struct tr_stream *stream);
    /* No connection can be taken, for want of descriptors mostly, and so many were closed for it
     * since this was said last: at once, then every ten seconds as long as it lasts. May be NULL.
     */
    void (*on_shortage)(void *context, const char *why, uint64_t closed);
};

/* Listens on a numeric address; port 0 lets the system choose. Gives the listener and the port.
 * TROUPE_E_INVALID (address), TROUPE_E_EXISTS (in use), TROUPE_E_DENIED, TROUPE_E_LIMIT,
 * TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_listener_open_tcp(struct tr_loop *loop, const char *host,
                                                   uint16_t port,
                                                   const struct tr_listener_events *events,
                                                   struct tr_listener **out, uint16_t *port_out);

/* Listens on a unix socket of that mode, claiming its path (io/unix_claim.h, whose statuses it
 * answers besides those above, and whose words it gives). Closing the listener removes the socket.
 */
TROUPE_MUST_USE troupe_status tr_listener_open_unix(struct tr_loop *loop, const char *path,
                                                    uint32_t mode,
                                                    const struct tr_listener_events *events,
                                                    struct tr_listener **out, char *why,
                                                    size_t why_size);

/* Takes the listener, which may be NULL. */
void tr_listener_close(struct tr_listener *listener);

/* Begins to connect; host is a numeric address or a name to look up. Gives the stream; the outcome
 * comes by on_connect, never from within this call. TROUPE_E_NO_MEMORY, TROUPE_E_INVALID,
 * TROUPE_E_LIMIT, TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_stream_connect_tcp(struct tr_loop *loop, const char *host,
                                                    uint16_t port,
                                                    const struct tr_stream_events *events,
                                                    void *context, struct tr_stream **out);

TROUPE_MUST_USE troupe_status tr_stream_connect_unix(struct tr_loop *loop, const char *path,
                                                     const struct tr_stream_events *events,
                                                     void *context, struct tr_stream **out);

/* Connects to an address of either kind. */
TROUPE_MUST_USE troupe_status tr_stream_connect(struct tr_loop *loop, const char *host,
                                                uint16_t port,
                                                const struct tr_stream_events *events,
                                                void *context, struct tr_stream **out);

/* Says who hears of an accepted stream. Before its first read or write. */
void tr_stream_set_events(struct tr_stream *stream, const struct tr_stream_events *events,
                          void *context);

/* Starts and stops the reading; each is a no-op when it is so already. */
TROUPE_MUST_USE troupe_status tr_stream_read_start(struct tr_stream *stream);
void tr_stream_read_stop(struct tr_stream *stream);

/* Writes `count` slices, at most TR_STREAM_SLICES_MAX, in one system call. *done says whether
 * everything went; if not, the bytes stay lent until on_written (or close). No write may be
 * pending. An error, TROUPE_E_NOCONNECTION mostly, means that the stream is of no more use; on_end
 * is not called for it. */
TROUPE_MUST_USE troupe_status tr_stream_write(struct tr_stream *stream,
                                              const struct tr_slice *slices, size_t count,
                                              bool *done);

/* True between a write that was not done at once and its on_written. */
bool tr_stream_is_writing(const struct tr_stream *stream);

/* Lets the kernel keep no more than about so many bytes of what it cannot send yet: what is more
 * stays with the pending write. No effect on a unix socket. */
void tr_stream_set_unsent_max(struct tr_stream *stream, size_t bytes);

/* Bytes of the pending write that the kernel has not taken yet. */
size_t tr_stream_queued(const struct tr_stream *stream);

/* Puts the other end's address into text, cut to size: "127.0.0.1:4370", or for a unix socket the
 * process that has connected or listens, "unix:uid=1000:pid=4711". What stands before the last
 * colon is the same for all connections of a host, or of a user of this one. */
void tr_stream_peer(const struct tr_stream *stream, char *text, size_t size);

/* True when the other end is on this host by its address: loopback or unix socket. */
bool tr_stream_is_local(const struct tr_stream *stream);

/* Takes the stream, which may be NULL: drops a pending write and ends the connection. */
void tr_stream_close(struct tr_stream *stream);

/* True for a numeric address within 127.0.0.0/8 or ::1, and for "localhost". */
bool tr_host_is_loopback(const char *host);

#endif
