#include "wire/reassembly.h"

#include <stdlib.h>
#include <string.h>

static void stream_clear(struct tr_reassembly *reassembly, struct tr_reassembly_stream *stream)
{
    reassembly->announced -= stream->total;
    free(stream->bytes);
    *stream = (struct tr_reassembly_stream){0};
}

void tr_reassembly_clear(struct tr_reassembly *reassembly)
{
    for (size_t index = 0; index < TR_FRAGMENT_STREAMS_MAX; index++) {
        stream_clear(reassembly, &reassembly->streams[index]);
    }
}

/* Makes room for `more` bytes: at least doubled, so that growing costs a constant per byte. */
static troupe_status stream_grow(struct tr_reassembly_stream *stream, size_t more)
{
    const size_t needed = stream->size + more;
    size_t capacity = 2 * stream->capacity;
    uint8_t *bytes = NULL;

    if (needed <= stream->capacity) {
        return TROUPE_OK;
    }
    capacity = capacity < 4 * (size_t)TR_FRAGMENT_SIZE ? 4 * (size_t)TR_FRAGMENT_SIZE : capacity;
    capacity = capacity < stream->total ? capacity : stream->total;
    bytes = realloc(stream->bytes, capacity);
    if (bytes == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    stream->bytes = bytes;
    stream->capacity = capacity;
    return TROUPE_OK;
}

static troupe_status stream_begin(struct tr_reassembly *reassembly,
                                  struct tr_reassembly_stream *stream, size_t total)
{
    if (stream->bytes != NULL || total == 0) {
        return TROUPE_E_PROTOCOL;
    }
    if (total > TR_MESSAGE_SIZE_MAX || reassembly->announced > TR_REASSEMBLY_BYTES_MAX - total) {
        return TROUPE_E_LIMIT;
    }
    stream->total = total;
    reassembly->announced += total;
    return TROUPE_OK;
}

troupe_status tr_reassembly_add(struct tr_reassembly *reassembly,
                                const struct tr_fragment *fragment, struct tr_slice *whole)
{
    struct tr_reassembly_stream *stream = NULL;
    const size_t size = fragment->size;
    troupe_status status = TROUPE_OK;

    if (fragment->stream >= TR_FRAGMENT_STREAMS_MAX || size == 0 || size > TR_FRAGMENT_SIZE) {
        return TROUPE_E_PROTOCOL;
    }
    stream = &reassembly->streams[fragment->stream];
    if ((fragment->flags & TR_FRAGMENT_FIRST) != 0) {
        status = stream_begin(reassembly, stream, fragment->total);
        if (status != TROUPE_OK) {
            return status;
        }
    } else if (stream->bytes == NULL || stream->total != fragment->total) {
        return TROUPE_E_PROTOCOL;
    }
    if (size > stream->total - stream->size ||
        (stream->size + size == stream->total) != ((fragment->flags & TR_FRAGMENT_LAST) != 0)) {
        return TROUPE_E_PROTOCOL;
    }
    status = stream_grow(stream, size);
    if (status != TROUPE_OK) {
        return status;
    }
    memcpy(stream->bytes + stream->size, fragment->bytes, size);
    stream->size += size;
    *whole = (struct tr_slice){NULL, 0};
    if (stream->size == stream->total) {
        *whole = (struct tr_slice){stream->bytes, stream->size};
        stream->bytes = NULL; /* given away */
        stream_clear(reassembly, stream);
    }
    return TROUPE_OK;
}
