/* type/block.h - what the two readers of values (MessagePack and JSON) share: the block that is
 * counted first and filled then, and the marks that find a field given twice. */
#ifndef TR_TYPE_BLOCK_H
#define TR_TYPE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "type/field.h"
#include "type/limits.h"

struct tr_block {
    uint8_t *cursor; /* the next free byte; NULL: only counting */
    size_t size;     /* reserved so far; a multiple of TR_VALUE_ALIGN, at most TR_VALUE_SIZE_MAX */
};

/* Reserves count times size bytes. *place is NULL when only counting. Answers false when the
 * block would be larger than TR_VALUE_SIZE_MAX. */
static inline bool tr_block_reserve(struct tr_block *block, size_t count, size_t size,
                                    uint8_t **place)
{
    const size_t room = TR_VALUE_SIZE_MAX - block->size;
    size_t aligned = 0;

    if (size > 0 && count > room / size) {
        return false;
    }
    aligned = tr_align(count * size); /* the maximum is aligned, so this still fits */
    *place = block->cursor;
    block->size += aligned;
    if (block->cursor != NULL) {
        block->cursor += aligned;
    }
    return true;
}

/* Which fields of a struct have come already. */
struct tr_seen {
    uint64_t words[TR_TYPE_FIELD_COUNT_MAX / 64u];
};

/* Marks the field and answers whether it was marked before. */
static inline bool tr_seen_put(struct tr_seen *seen, size_t index)
{
    uint64_t *word = &seen->words[index / 64u];
    const uint64_t bit = UINT64_C(1) << (index % 64u);
    const bool before = (*word & bit) != 0;

    *word |= bit;
    return before;
}

#endif
