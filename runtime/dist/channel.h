/* dist/channel.h - a stream, and TLS around it when there is any.
 *
 *     tr_channel_secure(&channel, tls, &events, context)  -> on_open -> write, space, on_read ...
 *                                                         or on_refused
 *     plain: on_connect of the stream, tr_channel_start -> write, space, on_read ...
 *
 * Written like a stream: one write at a time, and what did not go at once is reported by
 * on_written. Without TLS every call is the stream's own.
 *
 * Threads: loop thread only.
 * Memory: part of its owner, who frees it by fini, not within an event. Closing is allowed in each.
 */
#ifndef TR_DIST_CHANNEL_H
#define TR_DIST_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "io/stream.h"
#include "troupe/status.h"
#include "wire/tls.h"

struct tr_channel_events {
    const struct tr_stream_events *stream; /* of these on_connect is not called with TLS */
    /* Both ends are proven, so far as their certificates do; nothing has been read before. */
    void (*on_open)(void *context);
    /* TLS has ended: why, also in words that last as long as the channel. What the other side is to
     * hear of it has been sent as far as that was possible. Once, and no other event follows. */
    void (*on_refused)(void *context, troupe_status why, const char *text);
};

struct tr_channel {
    struct tr_stream *stream; /* owned; NULL = closed, or not there yet */
    struct tr_tls *tls;       /* owned; NULL = plain */
    const struct tr_channel_events *events;
    void *context;
    uint8_t *input; /* owned: where the stream reads to */
    size_t input_capacity;
    size_t received;     /* bytes of the stream */
    size_t received_max; /* as long as the other side is not trusted; 0 = it is */
    bool open;
    bool broken; /* a write has failed */
    bool owed;   /* the owner waits for on_written */
};

/* Begins TLS on a connected stream, whose events become the channel's: takes tls, whatever the
 * answer. events are lent for the life of the channel. TROUPE_E_NO_MEMORY, or what
 * tr_stream_read_start and tr_stream_write answer; the channel is to be closed then. */
TROUPE_MUST_USE troupe_status tr_channel_secure(struct tr_channel *channel, struct tr_tls *tls,
                                                const struct tr_channel_events *events,
                                                void *context);

/* The other side is trusted now: larger reads, and no bound on what it has sent. Without memory the
 * reads stay small. */
void tr_channel_trust(struct tr_channel *channel);

/* As tr_stream_write; the slices are no longer lent with TLS once this has answered. */
TROUPE_MUST_USE troupe_status tr_channel_write(struct tr_channel *channel,
                                               const struct tr_slice *slices, size_t count,
                                               bool *done);

static inline bool tr_channel_is_writing(const struct tr_channel *channel)
{
    return channel->tls != NULL ? channel->owed : tr_stream_is_writing(channel->stream);
}

/* Gives memory back that is only needed while much is sent. */
void tr_channel_trim(struct tr_channel *channel);

/* Closes the stream. No-op when it is closed. */
void tr_channel_close(struct tr_channel *channel);

/* Closes it, and frees the rest. */
void tr_channel_fini(struct tr_channel *channel);

#endif
