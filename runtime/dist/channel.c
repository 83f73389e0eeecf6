#include "dist/channel.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"

enum {
    SMALL_READ = 4096, /* a hello with its certificate */
    LARGE_READ = 64 * 1024
};

static const struct tr_stream_events secured;

static bool is_closed(const struct tr_channel *channel)
{
    return channel->stream == NULL;
}

/* ---- out ---- */

/* Hands to the stream what waits. One write is under way at a time, and what TLS makes meanwhile,
 * on its own account too, waits in it. */
static troupe_status pump(struct tr_channel *channel)
{
    troupe_status status = TROUPE_OK;
    bool done = true;

    if (channel->broken) {
        return TROUPE_E_NOCONNECTION;
    }
    while (done && !tr_stream_is_writing(channel->stream)) {
        const struct tr_slice output = tr_tls_output(channel->tls);

        if (output.size == 0) {
            return TROUPE_OK;
        }
        status = tr_stream_write(channel->stream, &output, 1, &done);
        if (status != TROUPE_OK) {
            channel->broken = true;
            return status;
        }
        if (done) {
            tr_tls_output_done(channel->tls);
        }
    }
    return TROUPE_OK;
}

troupe_status tr_channel_write(struct tr_channel *channel, const struct tr_slice *slices,
                               size_t count, bool *done)
{
    troupe_status status = TROUPE_OK;

    if (channel->tls == NULL) {
        return tr_stream_write(channel->stream, slices, count, done);
    }
    TR_CHECK(!channel->owed);
    status = tr_tls_write(channel->tls, slices, count);
    if (status == TROUPE_OK) {
        status = pump(channel);
    }
    if (status == TROUPE_OK) {
        channel->owed = tr_stream_is_writing(channel->stream);
        *done = !channel->owed;
    }
    return status;
}

static void on_written(void *context)
{
    struct tr_channel *channel = context;

    tr_tls_output_done(channel->tls);
    if (pump(channel) != TROUPE_OK) {
        channel->events->stream->on_end(channel->context, TROUPE_E_NOCONNECTION);
        return;
    }
    if (channel->owed && !tr_stream_is_writing(channel->stream)) {
        channel->owed = false;
        channel->events->stream->on_written(channel->context);
    }
}

/* ---- in ---- */

/* Nothing of the input is in use when the stream asks for room. Without memory reads stay small. */
static void grow_once(struct tr_channel *channel)
{
    uint8_t *larger = NULL;

    if (channel->received_max != 0 || channel->input_capacity >= LARGE_READ) {
        return;
    }
    larger = malloc(LARGE_READ);
    if (larger != NULL) {
        free(channel->input);
        channel->input = larger;
        channel->input_capacity = LARGE_READ;
    }
}

static size_t on_space(void *context, uint8_t **space)
{
    struct tr_channel *channel = context;

    grow_once(channel);
    *space = channel->input;
    return channel->input_capacity;
}

/* Fills the room that the owner has, and tells it once. TROUPE_OK when there may be more. */
static troupe_status read_once(struct tr_channel *channel)
{
    uint8_t *space = NULL;
    const size_t capacity = channel->events->stream->space(channel->context, &space);
    size_t size = 0;
    troupe_status status = TROUPE_OK;

    TR_CHECK(capacity > 0);
    while (status == TROUPE_OK && size < capacity) {
        size_t got = 0;

        status = tr_tls_read(channel->tls, space + size, capacity - size, &got);
        size += status == TROUPE_OK ? got : 0;
    }
    if (size > 0) {
        channel->events->stream->on_read(channel->context, size);
    }
    return status;
}

static troupe_status take_in(struct tr_channel *channel)
{
    troupe_status status = TROUPE_OK;

    while (status == TROUPE_OK && !is_closed(channel)) {
        if (channel->open) {
            status = read_once(channel);
            continue;
        }
        status = tr_tls_shake(channel->tls);
        if (status == TROUPE_OK) {
            channel->open = true;
            /* The last flight of ours goes before anything that the owner says. */
            (void)pump(channel);
            channel->events->on_open(channel->context);
        }
    }
    return status;
}

static bool is_too_much(const struct tr_channel *channel)
{
    return channel->received_max > 0 && channel->received > channel->received_max;
}

static void on_read(void *context, size_t size)
{
    struct tr_channel *channel = context;
    troupe_status status = TROUPE_OK;

    channel->received += size;
    if (is_too_much(channel)) {
        channel->events->on_refused(channel->context, TROUPE_E_LIMIT,
                                    "too many bytes before it has proven who it is");
        return;
    }
    tr_tls_input(channel->tls, channel->input, size);
    status = take_in(channel);
    if (is_closed(channel)) {
        return;
    }
    if (pump(channel) != TROUPE_OK) {
        channel->events->stream->on_end(channel->context, TROUPE_E_NOCONNECTION);
    } else if (status == TROUPE_E_CLOSED) {
        channel->events->stream->on_end(channel->context, TROUPE_E_CLOSED);
    } else if (status != TROUPE_E_AGAIN) {
        channel->events->on_refused(channel->context, status, tr_tls_why(channel->tls));
    }
}

static void on_end(void *context, troupe_status status)
{
    const struct tr_channel *channel = context;

    channel->events->stream->on_end(channel->context, status);
}

static const struct tr_stream_events secured = {
    .space = on_space,
    .on_read = on_read,
    .on_end = on_end,
    .on_written = on_written,
};

/* ---- life ---- */

troupe_status tr_channel_secure(struct tr_channel *channel, struct tr_tls *tls,
                                const struct tr_channel_events *events, void *context)
{
    troupe_status status = TROUPE_OK;

    channel->tls = tls;
    channel->events = events;
    channel->context = context;
    channel->received_max = TR_UNPROVEN_TLS_BYTES_MAX;
    channel->input = malloc(SMALL_READ);
    if (channel->input == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    channel->input_capacity = SMALL_READ;
    tr_stream_set_events(channel->stream, &secured, channel);
    status = tr_tls_shake(tls); /* makes a dialer's first bytes */
    if (status == TROUPE_E_AGAIN) {
        status = pump(channel);
    }
    return status == TROUPE_OK ? tr_stream_read_start(channel->stream) : status;
}

void tr_channel_trust(struct tr_channel *channel)
{
    channel->received_max = 0;
}

void tr_channel_trim(struct tr_channel *channel)
{
    if (channel->tls != NULL) {
        tr_tls_trim(channel->tls);
    }
}

void tr_channel_close(struct tr_channel *channel)
{
    tr_stream_close(channel->stream);
    channel->stream = NULL;
}

void tr_channel_fini(struct tr_channel *channel)
{
    tr_channel_close(channel);
    tr_tls_destroy(channel->tls);
    free(channel->input);
    channel->tls = NULL;
    channel->input = NULL;
}
