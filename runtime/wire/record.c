#include "wire/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/check.h"

struct tr_record *tr_record_create(bool large)
{
    const size_t size = large ? TR_RECORD_LARGE_SIZE : TR_RECORD_SMALL_SIZE;
    struct tr_record *record = malloc(sizeof(*record) + size);

    if (record != NULL) {
        record->capacity = size - TR_FRAME_TAG_SIZE;
        record->lent = false;
        tr_record_reset(record);
    }
    return record;
}

void tr_record_destroy_all(struct tr_record *first)
{
    while (first != NULL) {
        struct tr_record *next = first->next;

        free(first);
        first = next;
    }
}

void tr_record_reset(struct tr_record *record)
{
    TR_CHECK(!record->lent);
    record->next = NULL;
    record->sequence = 0;
    record->size = TR_RECORD_PREFIX_SIZE;
    record->sealed_size = 0;
}

void tr_record_put(struct tr_record *record, const struct tr_slice *parts, size_t count,
                   size_t size)
{
    uint8_t *to = record->bytes + record->size;

    TR_CHECK(tr_record_fits(record, size));
    tr_be32_put(to, (uint32_t)size);
    to += TR_SEGMENT_HEAD_SIZE;
    for (size_t index = 0; index < count; index++) {
        if (parts[index].size > 0) {
            memcpy(to, parts[index].bytes, parts[index].size);
            to += parts[index].size;
        }
    }
    TR_CHECK(to == record->bytes + record->size + TR_SEGMENT_HEAD_SIZE + size);
    record->size += TR_SEGMENT_HEAD_SIZE + size;
}

void tr_record_put_fragment(struct tr_record *record, const struct tr_fragment *fragment)
{
    uint8_t *to = record->bytes + record->size;

    TR_CHECK(record->capacity - record->size >= TR_FRAGMENT_HEAD_SIZE + fragment->size);
    tr_be32_put(to, fragment->size | TR_SEGMENT_IS_FRAGMENT);
    to[4] = fragment->stream;
    to[5] = fragment->flags;
    tr_be16_put(to + 6, 0);
    tr_be32_put(to + 8, fragment->total);
    memcpy(to + TR_FRAGMENT_HEAD_SIZE, fragment->bytes, fragment->size);
    record->size += TR_FRAGMENT_HEAD_SIZE + fragment->size;
}
