/* wire/record.h - a data frame being filled: the memory that messages are copied into once, that is
 * written to the socket, and that is kept until the other side has acknowledged it.
 *
 * Layout of bytes: header (8), sequence (8), acknowledgement (8), segments ..., room for the tag.
 * A segment is a message (size, bytes) or a piece of a large one, see docs/protocol.md.
 *
 * Threads: its owner's.
 */
#ifndef TR_WIRE_RECORD_H
#define TR_WIRE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "wire/frame.h"

enum {
    TR_RECORD_PREFIX_SIZE = TR_FRAME_HEADER_SIZE + 16,
    TR_SEGMENT_HEAD_SIZE = 4,   /* size of a message that is whole */
    TR_FRAGMENT_HEAD_SIZE = 12, /* size with the top bit set, stream, flags, 0, size of the whole */
    TR_FRAGMENT_FIRST = 1,      /* flags */
    TR_FRAGMENT_LAST = 2,
    TR_RECORD_SMALL_SIZE = 4096, /* of bytes: for the lone message of a quiet session */
    TR_RECORD_LARGE_SIZE = 73728 /* of bytes: a segment of the maximum size fits */
};

#define TR_SEGMENT_IS_FRAGMENT 0x80000000u

_Static_assert(TR_RECORD_PREFIX_SIZE + TR_SEGMENT_HEAD_SIZE + TR_SEGMENT_SIZE_MAX +
                       TR_FRAME_TAG_SIZE <=
                   TR_RECORD_LARGE_SIZE,
               "the largest segment has to fit");
_Static_assert(TR_RECORD_LARGE_SIZE <= TR_FRAME_SIZE_MAX, "a record is a frame");

struct tr_record {
    struct tr_record *next;
    uint64_t sequence;  /* in the queue it waits in, then in the session it is sent in */
    size_t size;        /* of bytes in use, from the header on, without the tag */
    size_t sealed_size; /* as last sealed, with the tag */
    size_t capacity;    /* of bytes, without room for the tag */
    bool lent;          /* to a write that is not over */
    uint8_t bytes[];
};

/* Gives an empty record of one of the two sizes, or NULL without memory. */
struct tr_record *tr_record_create(bool large);

/* Takes a list of records. */
void tr_record_destroy_all(struct tr_record *first);

/* Makes it empty again. */
void tr_record_reset(struct tr_record *record);

static inline bool tr_record_is_large(const struct tr_record *record)
{
    return record->capacity > TR_RECORD_SMALL_SIZE;
}

/* Whether a message of this size fits as a whole. */
static inline bool tr_record_fits(const struct tr_record *record, size_t size)
{
    return record->capacity - record->size >= TR_SEGMENT_HEAD_SIZE + size;
}

/* Adds a whole message that fits: the parts, of `size` bytes together. */
void tr_record_put(struct tr_record *record, const struct tr_slice *parts, size_t count,
                   size_t size);

/* Begins a piece, of at most TR_FRAGMENT_SIZE, in an empty record: lends the room for its bytes. */
uint8_t *tr_record_fragment(struct tr_record *record, uint32_t size, uint32_t total, uint8_t flags);

/* Says on which stream the piece travels. */
void tr_record_set_stream(struct tr_record *record, uint8_t stream);

#endif
