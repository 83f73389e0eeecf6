#include "wire/segments.h"

#include <stdlib.h>

#include "base/be.h"
#include "wire/record.h"

struct reading {
    struct tr_reassembly *reassembly;
    tr_segments_fn fn;
    void *context;
    bool goes_on;
};

/* Reads the piece at `at`, where `left` bytes are; *used is how many it had. */
static troupe_status read_fragment(struct reading *reading, const uint8_t *at, size_t left,
                                   size_t *used)
{
    const uint32_t size = tr_be32_get(at) & ~TR_SEGMENT_IS_FRAGMENT;
    struct tr_slice whole = {NULL, 0};
    troupe_status status = TROUPE_OK;
    struct tr_fragment fragment;

    if (left < TR_FRAGMENT_HEAD_SIZE || left - TR_FRAGMENT_HEAD_SIZE < size ||
        tr_be16_get(at + 6) != 0 || at[5] > (TR_FRAGMENT_FIRST | TR_FRAGMENT_LAST)) {
        return TROUPE_E_PROTOCOL;
    }
    fragment = (struct tr_fragment){
        .bytes = at + TR_FRAGMENT_HEAD_SIZE,
        .size = size,
        .total = tr_be32_get(at + 8),
        .stream = at[4],
        .flags = at[5],
    };
    status = tr_reassembly_add(reading->reassembly, &fragment, &whole);
    if (status == TROUPE_OK && whole.bytes != NULL) {
        union {
            const uint8_t *lent;
            uint8_t *owned;
        } bytes = {.lent = whole.bytes};

        reading->goes_on = reading->fn(reading->context, whole.bytes, whole.size);
        free(bytes.owned);
    }
    *used = TR_FRAGMENT_HEAD_SIZE + (size_t)size;
    return status;
}

static troupe_status read_one(struct reading *reading, const uint8_t *at, size_t left, size_t *used)
{
    uint32_t word = 0;

    if (left < TR_SEGMENT_HEAD_SIZE) {
        return TROUPE_E_PROTOCOL;
    }
    word = tr_be32_get(at);
    if ((word & TR_SEGMENT_IS_FRAGMENT) != 0) {
        return read_fragment(reading, at, left, used);
    }
    if (left - TR_SEGMENT_HEAD_SIZE < word) {
        return TROUPE_E_PROTOCOL;
    }
    reading->goes_on = reading->fn(reading->context, at + TR_SEGMENT_HEAD_SIZE, word);
    *used = TR_SEGMENT_HEAD_SIZE + (size_t)word;
    return TROUPE_OK;
}

troupe_status tr_segments_read(struct tr_reassembly *reassembly, struct tr_slice segments,
                               tr_segments_fn fn, void *context)
{
    struct reading reading = {reassembly, fn, context, true};
    const uint8_t *at = segments.bytes;
    size_t left = segments.size;

    while (left > 0 && reading.goes_on) {
        size_t used = 0;
        const troupe_status status = read_one(&reading, at, left, &used);

        if (status != TROUPE_OK) {
            return status;
        }
        at += used;
        left -= used;
    }
    return TROUPE_OK;
}
