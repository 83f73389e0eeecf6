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

uint8_t *tr_record_fragment(struct tr_record *record, uint32_t size, uint32_t total, uint8_t flags)
{
    uint8_t *head = record->bytes + TR_RECORD_PREFIX_SIZE;

    TR_CHECK(record->size == TR_RECORD_PREFIX_SIZE);
    TR_CHECK(record->capacity - record->size >= TR_FRAGMENT_HEAD_SIZE + (size_t)size);
    tr_be32_put(head, size | TR_SEGMENT_IS_FRAGMENT);
    head[4] = 0;
    head[5] = flags;
    tr_be16_put(head + 6, 0);
    tr_be32_put(head + 8, total);
    record->size += TR_FRAGMENT_HEAD_SIZE + (size_t)size;
    return head + TR_FRAGMENT_HEAD_SIZE;
}

void tr_record_set_stream(struct tr_record *record, uint8_t stream)
{
    record->bytes[TR_RECORD_PREFIX_SIZE + 4] = stream;
}
