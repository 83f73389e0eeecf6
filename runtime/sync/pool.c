#include "sync/pool.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"

enum { SLAB_SIZE = 64 * 1024, BLOCK_ALIGN = 16, LARGE_STEPS_MIN = 3 };

#if defined(__SANITIZE_ADDRESS__)
enum { PASS_THROUGH = 1 };
#else
enum { PASS_THROUGH = 0 };
#endif

struct tr_pool_slab {
    struct tr_pool_slab *next;
    _Alignas(BLOCK_ALIGN) uint8_t bytes[SLAB_SIZE];
};

static const uint32_t class_sizes[TR_POOL_CLASSES] = {96, 128, 256, 512, 1024, 1536};

const uint8_t tr_pool_class_of[TR_POOL_SIZE_MAX / 32 + 1] = {
    0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5};

/* The class of a size, or -1 when it is malloc's. */
static int class_of(size_t size)
{
    return PASS_THROUGH || size > TR_POOL_SIZE_MAX ? -1 : tr_pool_class_of[(size + 31) / 32];
}

void tr_pool_init(struct tr_pool *pool)
{
    *pool = (struct tr_pool){0};
}

static void free_kept(struct tr_pool_large *large)
{
    for (int class = 0; class < TR_POOL_LARGE_CLASSES; class ++) {
        while (large->first[class] != NULL) {
            struct tr_pool_block *block = large->first[class];

            large->first[class] = block->next;
            free(block);
        }
    }
}

void tr_pool_fini(struct tr_pool *pool)
{
    struct tr_pool_slab *slab = pool->slabs;

    free_kept(&pool->large);
    while (slab != NULL) {
        struct tr_pool_slab *next = slab->next;

        free(slab);
        slab = next;
    }
    *pool = (struct tr_pool){0};
}

void tr_pool_cache_init(struct tr_pool_cache *cache, struct tr_pool *pool, bool shared)
{
    *cache = (struct tr_pool_cache){.pool = pool, .shared = shared};
}

static bool depot_extend(struct tr_pool *pool, struct tr_pool_depot *depot)
{
    struct tr_pool_slab *slab = malloc(sizeof(*slab));

    if (slab == NULL) {
        return false;
    }
    tr_spin_lock(&pool->slabs_lock);
    slab->next = pool->slabs;
    pool->slabs = slab;
    tr_spin_unlock(&pool->slabs_lock);
    depot->fresh = slab->bytes;
    depot->fresh_size = sizeof(slab->bytes);
    return true;
}

/* Cuts up to a magazine of blocks from the newest slab. Under the depot's lock. */
static struct tr_pool_list depot_cut(struct tr_pool *pool, int class)
{
    struct tr_pool_depot *depot = &pool->depots[class];
    const size_t size = class_sizes[class];
    struct tr_pool_list list = {0};

    if (depot->fresh_size < size && !depot_extend(pool, depot)) {
        return list;
    }
    while (list.count < TR_POOL_MAGAZINE && depot->fresh_size >= size) {
        struct tr_pool_block *block = (struct tr_pool_block *)(void *)depot->fresh;

        block->next = list.first;
        list.first = block;
        list.count++;
        depot->fresh += size;
        depot->fresh_size -= size;
    }
    return list;
}

static struct tr_pool_list depot_take(struct tr_pool *pool, int class)
{
    struct tr_pool_depot *depot = &pool->depots[class];
    struct tr_pool_list list = {0};

    tr_spin_lock(&depot->lock);
    if (depot->magazines != NULL) {
        list = (struct tr_pool_list){.first = depot->magazines, .count = TR_POOL_MAGAZINE};
        depot->magazines = list.first->next_magazine;
    } else {
        list = depot_cut(pool, class);
    }
    tr_spin_unlock(&depot->lock);
    return list;
}

static void depot_give(struct tr_pool *pool, int class, struct tr_pool_list list)
{
    struct tr_pool_depot *depot = &pool->depots[class];

    TR_CHECK(list.count == TR_POOL_MAGAZINE);
    tr_spin_lock(&depot->lock);
    list.first->next_magazine = depot->magazines;
    depot->magazines = list.first;
    tr_spin_unlock(&depot->lock);
}

static void *cache_get(struct tr_pool_cache *cache, int class)
{
    struct tr_pool_list *current = &cache->current[class];

    if (current->count == 0) {
        if (cache->spare[class].count > 0) {
            *current = cache->spare[class];
            cache->spare[class] = (struct tr_pool_list){0};
        } else {
            *current = depot_take(cache->pool, class);
        }
    }
    struct tr_pool_block *block = current->first;

    if (block != NULL) {
        current->first = block->next;
        current->count--;
    }
    return block;
}

static void cache_put(struct tr_pool_cache *cache, int class, struct tr_pool_block *block)
{
    struct tr_pool_list *current = &cache->current[class];

    if (current->count == TR_POOL_MAGAZINE) {
        if (cache->spare[class].count > 0) {
            depot_give(cache->pool, class, cache->spare[class]);
        }
        cache->spare[class] = *current;
        *current = (struct tr_pool_list){0};
    }
    block->next = current->first;
    current->first = block;
    current->count++;
}

/* ---- above the largest class ---- */

/* The class of a large block that may be kept, or -1. */
static int large_class_of(size_t size)
{
    const size_t steps = (size + TR_POOL_LARGE_STEP - 1) / TR_POOL_LARGE_STEP;

    return PASS_THROUGH || steps < LARGE_STEPS_MIN ||
                   steps - LARGE_STEPS_MIN >= TR_POOL_LARGE_CLASSES
               ? -1
               : (int)(steps - LARGE_STEPS_MIN);
}

static size_t large_size(int class)
{
    return (size_t)(class + LARGE_STEPS_MIN) * TR_POOL_LARGE_STEP;
}

static void *large_take(struct tr_pool *pool, int class)
{
    struct tr_pool_large *large = &pool->large;

    tr_spin_lock(&large->lock);
    struct tr_pool_block *block = large->first[class];

    if (block != NULL) {
        large->first[class] = block->next;
        large->kept -= large_size(class);
    }
    tr_spin_unlock(&large->lock);
    return block;
}

static void *large_get(struct tr_pool_cache *cache, size_t size)
{
    const int class = large_class_of(size);
    /* Where memory may be refused, as tests have it, malloc decides. */
    void *block = class < 0 || cache->shared ? NULL : large_take(cache->pool, class);

    size = class < 0 ? (size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN : large_size(class);
    return block != NULL ? block : aligned_alloc(BLOCK_ALIGN, size);
}

static void large_put(struct tr_pool *pool, struct tr_pool_block *block, size_t size)
{
    struct tr_pool_large *large = &pool->large;
    const int class = large_class_of(size);

    if (class >= 0) {
        tr_spin_lock(&large->lock);
        if (large->kept + large_size(class) <= TR_POOL_KEPT_BYTES_MAX) {
            large->kept += large_size(class);
            block->next = large->first[class];
            large->first[class] = block;
            block = NULL;
        }
        tr_spin_unlock(&large->lock);
    }
    free(block);
}

void *tr_pool_get_slow(struct tr_pool_cache *cache, size_t size)
{
    const int class = class_of(size);

    if (class < 0) {
        return large_get(cache, size);
    }
    if (!cache->shared) {
        return cache_get(cache, class);
    }
    if (tr_memory_refuses()) {
        return NULL;
    }
    tr_spin_lock(&cache->lock);
    void *block = cache_get(cache, class);

    tr_spin_unlock(&cache->lock);
    return block;
}

void tr_pool_put_slow(struct tr_pool_cache *cache, void *block, size_t size)
{
    const int class = class_of(size);

    if (class < 0) {
        large_put(cache->pool, block, size);
        return;
    }
    if (!cache->shared) {
        cache_put(cache, class, block);
        return;
    }
    tr_spin_lock(&cache->lock);
    cache_put(cache, class, block);
    tr_spin_unlock(&cache->lock);
}
