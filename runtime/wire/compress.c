#include "wire/compress.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/be.h"
#include "base/limits.h"

/* The fastest of zstd's usual levels: messages are to get through, not to be archived. */
enum { LEVEL = 1, SKIPPABLE_HEAD_SIZE = 8 };

struct tr_compress {
    ZSTD_CCtx *putting; /* NULL until needed */
    ZSTD_DCtx *getting;
};

troupe_status tr_compress_create(struct tr_compress **out)
{
    struct tr_compress *compress = calloc(1, sizeof(*compress));

    if (compress == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *out = compress;
    return TROUPE_OK;
}

void tr_compress_destroy(struct tr_compress *compress)
{
    if (compress != NULL) {
        (void)ZSTD_freeCCtx(compress->putting);
        (void)ZSTD_freeDCtx(compress->getting);
        free(compress);
    }
}

/* What shrinks more than is believed gets an empty frame behind it, which readers of zstd skip.
 * Answers the size then; 0 when it does not fit. */
static size_t pad(uint8_t *to, size_t size, size_t capacity, size_t whole)
{
    const size_t least = whole / TR_COMPRESS_RATIO_MAX + 1;
    const size_t empty = size < least ? least - size : 0;

    if (empty == 0) {
        return size;
    }
    if (capacity - size < SKIPPABLE_HEAD_SIZE + empty) {
        return 0;
    }
    memcpy(to + size, (const uint8_t[]){0x50, 0x2a, 0x4d, 0x18}, 4); /* as zstd's format has it */
    for (size_t at = 0; at < 4; at++) {
        to[size + 4 + at] = (uint8_t)(empty >> (8 * at));
    }
    memset(to + size + SKIPPABLE_HEAD_SIZE, 0, empty);
    return size + SKIPPABLE_HEAD_SIZE + empty;
}

size_t tr_compress_put(struct tr_compress *compress, const uint8_t *bytes, size_t size, uint8_t *to,
                       size_t to_size)
{
    const size_t goal = size - size / 8; /* less is not worth the other side's time */
    size_t made = 0;

    if (compress->putting == NULL) {
        compress->putting = ZSTD_createCCtx();
    }
    if (compress->putting == NULL || size > TR_MESSAGE_SIZE_MAX || goal <= TR_COMPRESS_HEAD_SIZE ||
        to_size < goal) {
        return 0;
    }
    /* With room for no more than the goal zstd gives up by itself. */
    made = ZSTD_compressCCtx(compress->putting, to + TR_COMPRESS_HEAD_SIZE,
                             goal - TR_COMPRESS_HEAD_SIZE, bytes, size, LEVEL);
    if (ZSTD_isError(made) != 0) {
        return 0;
    }
    tr_be32_put(to, (uint32_t)size);
    return pad(to, TR_COMPRESS_HEAD_SIZE + made, goal, size);
}

/* Whether what is announced may be allocated. */
static troupe_status judge(const uint8_t *bytes, size_t size, size_t *announced)
{
    if (size <= TR_COMPRESS_HEAD_SIZE) {
        return TROUPE_E_PROTOCOL;
    }
    *announced = tr_be32_get(bytes);
    if (*announced > TR_MESSAGE_SIZE_MAX || *announced / TR_COMPRESS_RATIO_MAX >= size) {
        return TROUPE_E_LIMIT;
    }
    return *announced == 0 ? TROUPE_E_PROTOCOL : TROUPE_OK;
}

troupe_status tr_compress_get(struct tr_compress *compress, const uint8_t *bytes, size_t size,
                              struct tr_slice *whole)
{
    size_t announced = 0;
    size_t made = 0;
    uint8_t *to = NULL;
    const troupe_status status = judge(bytes, size, &announced);

    if (status != TROUPE_OK) {
        return status;
    }
    if (compress->getting == NULL) {
        compress->getting = ZSTD_createDCtx();
    }
    to = compress->getting == NULL ? NULL : malloc(announced);
    if (to == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    made = ZSTD_decompressDCtx(compress->getting, to, announced, bytes + TR_COMPRESS_HEAD_SIZE,
                               size - TR_COMPRESS_HEAD_SIZE);
    if (ZSTD_isError(made) != 0 || made != announced) {
        free(to);
        return TROUPE_E_PROTOCOL;
    }
    *whole = (struct tr_slice){to, announced};
    return TROUPE_OK;
}
