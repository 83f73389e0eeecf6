#include "dist/packer.h"

#include <stdlib.h>

#include "base/limits.h"
#include "sync/atomic.h"
#include "sync/thread.h"
#include "wire/compress.h"
#include "wire/hello.h"

enum {
    SPARE_MAX = 64 /* as many as there may be workers */
};

struct tr_packer {
    struct tr_compress *unpacking; /* the loop's */
    struct tr_atomic_u64 messages;
    struct tr_atomic_u64 saved;
    struct tr_mutex mutex; /* what follows */
    struct tr_compress *spare[SPARE_MAX];
    uint32_t spare_count;
};

troupe_status tr_packer_create(struct tr_packer **out)
{
    struct tr_packer *packer = calloc(1, sizeof(*packer));

    if (packer == NULL || tr_compress_create(&packer->unpacking) != TROUPE_OK) {
        free(packer);
        return TROUPE_E_NO_MEMORY;
    }
    tr_mutex_init(&packer->mutex);
    *out = packer;
    return TROUPE_OK;
}

void tr_packer_destroy(struct tr_packer *packer)
{
    if (packer == NULL) {
        return;
    }
    for (uint32_t i = 0; i < packer->spare_count; i++) {
        tr_compress_destroy(packer->spare[i]);
    }
    tr_compress_destroy(packer->unpacking);
    tr_mutex_fini(&packer->mutex);
    free(packer);
}

/* Gives a context that nobody uses, or NULL without memory. */
static struct tr_compress *take(struct tr_packer *packer)
{
    struct tr_compress *compress = NULL;

    tr_mutex_lock(&packer->mutex);
    if (packer->spare_count > 0) {
        compress = packer->spare[--packer->spare_count];
    }
    tr_mutex_unlock(&packer->mutex);
    return compress != NULL || tr_compress_create(&compress) == TROUPE_OK ? compress : NULL;
}

static void give(struct tr_packer *packer, struct tr_compress *compress)
{
    tr_mutex_lock(&packer->mutex);
    if (packer->spare_count < SPARE_MAX) {
        packer->spare[packer->spare_count++] = compress;
        compress = NULL;
    }
    tr_mutex_unlock(&packer->mutex);
    tr_compress_destroy(compress);
}

/* Gives the packet that takes the place of this one, to be freed; NULL when it would not become
 * smaller. */
static uint8_t *pack(struct tr_packer *packer, const uint8_t *bytes, size_t size,
                     size_t *packed_size)
{
    struct tr_compress *compress = take(packer);
    uint8_t *packed = compress == NULL ? NULL : malloc(size);
    size_t made = 0;

    if (packed != NULL) {
        packed[0] = TR_PACKET_ZSTD;
        made = tr_compress_put(compress, bytes, size, packed + 1, size - 1);
    }
    if (compress != NULL) {
        give(packer, compress);
    }
    if (made == 0) {
        free(packed);
        return NULL;
    }
    *packed_size = 1 + made;
    (void)tr_add_relaxed(&packer->messages, 1);
    (void)tr_add_relaxed(&packer->saved, size - *packed_size);
    return packed;
}

troupe_status tr_packer_send(struct tr_packer *packer, struct tr_peers *peers,
                             const struct tr_peers_target *target, const uint8_t *bytes,
                             size_t size)
{
    const bool may = packer != NULL && size > TR_COMPRESS_SIZE_MIN &&
                     (tr_peers_features(peers, target->node_id) & TR_FEATURE_ZSTD) != 0;
    struct tr_slice part = {.bytes = bytes, .size = size};
    uint8_t *packed = may ? pack(packer, bytes, size, &part.size) : NULL;

    if (packed != NULL) {
        part.bytes = packed;
    }
    const troupe_status status = tr_peers_send(peers, target, &part, 1);

    free(packed);
    return status;
}

troupe_status tr_packer_unpack(struct tr_packer *packer, const uint8_t *bytes, size_t size,
                               struct tr_slice *whole)
{
    struct tr_slice inner = {NULL, 0};
    const troupe_status status =
        packer == NULL || size == 0 || bytes[0] != TR_PACKET_ZSTD
            ? TROUPE_E_PROTOCOL
            : tr_compress_get(packer->unpacking, bytes + 1, size - 1, &inner);

    if (status != TROUPE_OK) {
        return status;
    }
    if (inner.bytes[0] == TR_PACKET_ZSTD) {
        free((void *)(uintptr_t)inner.bytes);
        return TROUPE_E_PROTOCOL;
    }
    *whole = inner;
    return TROUPE_OK;
}

void tr_packer_counts(const struct tr_packer *packer, uint64_t *messages, uint64_t *saved)
{
    *messages = packer == NULL ? 0 : tr_load_relaxed(&packer->messages);
    *saved = packer == NULL ? 0 : tr_load_relaxed(&packer->saved);
}
