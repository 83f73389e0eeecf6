#include "wire/frame_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/check.h"

struct tr_frame_reader {
    size_t frame_size_max;
    size_t capacity; /* of buffer, at least frame_size_max */
    size_t begin;    /* first byte not yet taken */
    size_t end;      /* one past the last byte that arrived; begin <= end <= capacity */
    uint8_t *buffer; /* owned */
};

troupe_status tr_frame_reader_create(size_t frame_size_max, size_t capacity,
                                     struct tr_frame_reader **out)
{
    struct tr_frame_reader *reader = NULL;

    TR_CHECK(frame_size_max > TR_FRAME_HEADER_SIZE);
    TR_CHECK(capacity >= frame_size_max);
    reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    reader->buffer = malloc(capacity);
    if (reader->buffer == NULL) {
        free(reader);
        return TROUPE_E_NO_MEMORY;
    }
    reader->frame_size_max = frame_size_max;
    reader->capacity = capacity;
    *out = reader;
    return TROUPE_OK;
}

void tr_frame_reader_destroy(struct tr_frame_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    free(reader->buffer);
    free(reader);
}

/* The rest of an unfinished frame moves to the front, so that it always has room to finish: the
 * buffer holds a frame of the maximum size. */
static void compact(struct tr_frame_reader *reader)
{
    const size_t kept = reader->end - reader->begin;

    if (reader->begin > 0) {
        memmove(reader->buffer, reader->buffer + reader->begin, kept);
        reader->begin = 0;
        reader->end = kept;
    }
}

troupe_status tr_frame_reader_resize(struct tr_frame_reader *reader, size_t frame_size_max,
                                     size_t capacity)
{
    uint8_t *buffer = NULL;

    TR_CHECK(frame_size_max >= reader->frame_size_max);
    TR_CHECK(capacity >= frame_size_max);
    TR_CHECK(capacity >= reader->end - reader->begin);
    compact(reader);
    buffer = realloc(reader->buffer, capacity);
    if (buffer == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    reader->buffer = buffer;
    reader->frame_size_max = frame_size_max;
    reader->capacity = capacity;
    return TROUPE_OK;
}

size_t tr_frame_reader_space(struct tr_frame_reader *reader, uint8_t **space)
{
    compact(reader);
    *space = reader->buffer + reader->end;
    return reader->capacity - reader->end;
}

void tr_frame_reader_commit(struct tr_frame_reader *reader, size_t size)
{
    TR_CHECK(size <= reader->capacity - reader->end);
    reader->end += size;
}

/* Answers why a header cannot be accepted, or TROUPE_OK. */
static troupe_status header_check(const uint8_t header[static TR_FRAME_HEADER_SIZE],
                                  size_t frame_size_max)
{
    if (header[5] != TR_FRAME_VERSION || tr_be16_get(header + 6) != 0) {
        return TROUPE_E_PROTOCOL;
    }
    /* Subtracted rather than added, so that no announced size can wrap. */
    if (tr_be32_get(header) > frame_size_max - TR_FRAME_HEADER_SIZE) {
        return TROUPE_E_LIMIT;
    }
    return TROUPE_OK;
}

troupe_status tr_frame_reader_next(struct tr_frame_reader *reader, struct tr_frame *frame)
{
    const uint8_t *header = reader->buffer + reader->begin;
    const size_t available = reader->end - reader->begin;
    size_t body_size = 0;
    troupe_status status = TROUPE_OK;

    if (available < TR_FRAME_HEADER_SIZE) {
        return TROUPE_E_AGAIN;
    }
    /* The header is judged before its body arrives: a peer that announces too much is refused at
     * once, and nothing is ever sized by a number that was not checked. A refused header is not
     * stepped over, which is what makes the refusal final. */
    status = header_check(header, reader->frame_size_max);
    if (status != TROUPE_OK) {
        return status;
    }
    body_size = tr_be32_get(header);
    if (available - TR_FRAME_HEADER_SIZE < body_size) {
        return TROUPE_E_AGAIN;
    }
    frame->bytes = header;
    frame->size = TR_FRAME_HEADER_SIZE + body_size;
    frame->body = header + TR_FRAME_HEADER_SIZE;
    frame->body_size = body_size;
    frame->kind = header[4];
    reader->begin += frame->size;
    return TROUPE_OK;
}

struct tr_slice tr_frame_reader_rest(const struct tr_frame_reader *reader)
{
    return (struct tr_slice){reader->buffer + reader->begin, reader->end - reader->begin};
}
