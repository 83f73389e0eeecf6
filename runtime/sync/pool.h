/* sync/pool.h - blocks for messages: per-thread caches over a shared depot, in six sizes.
 *
 * A thread gets from and puts to its cache without a lock, whoever allocated the block. A cache
 * that runs over gives a whole magazine to the depot, one that runs dry takes one: one lock per
 * magazine (Bonwick's magazines, 1994). So a sender that only allocates and a receiver that only
 * frees cost each other one lock for 64 messages.
 *
 *     void *block = tr_pool_get(&worker->cache, size);
 *     tr_pool_put(&worker->cache, block, size);
 *
 * Threads: a cache belongs to one thread; a cache with `shared` set may be used by any, under its
 * lock. Memory: slabs from malloc, kept until the pool ends; larger blocks are malloc's, which
 * would give those above 16 KiB back to the system and touch fresh pages for each: of these some
 * are kept. Under AddressSanitizer every block is malloc's, so that a use after free is seen.
 */
#ifndef TR_SYNC_POOL_H
#define TR_SYNC_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "sync/thread.h"

enum {
    TR_POOL_CLASSES = 6, /* 96, 128, 256, 512, 1024, 1536 bytes */
    TR_POOL_MAGAZINE = 64,
    TR_POOL_LARGE_STEP = 8192,
    TR_POOL_LARGE_CLASSES = 15 /* from 24 KiB in steps of 8 KiB */
};

struct tr_pool_block {
    struct tr_pool_block *next;
    struct tr_pool_block *next_magazine; /* of the first block of a magazine in the depot */
};

/* Blocks of one size, linked. */
struct tr_pool_list {
    struct tr_pool_block *first;
    uint32_t count;
};

struct tr_pool_depot {
    struct tr_spin lock;
    struct tr_pool_block *magazines; /* each the head of a list of TR_POOL_MAGAZINE blocks */
    uint8_t *fresh;                  /* the rest of the newest slab */
    size_t fresh_size;
};

/* Blocks that are malloc's and were put back. */
struct tr_pool_large {
    struct tr_spin lock;
    struct tr_pool_block *first[TR_POOL_LARGE_CLASSES];
    size_t kept; /* bytes, at most TR_POOL_KEPT_BYTES_MAX */
};

struct tr_pool {
    struct tr_pool_depot depots[TR_POOL_CLASSES];
    struct tr_pool_large large;
    struct tr_spin slabs_lock;
    struct tr_pool_slab *slabs;
};

struct tr_pool_cache {
    struct tr_pool *pool;
    struct tr_pool_list current[TR_POOL_CLASSES];
    struct tr_pool_list spare[TR_POOL_CLASSES]; /* full or empty */
    bool shared;
    struct tr_spin lock; /* taken when shared */
};

void tr_pool_init(struct tr_pool *pool);

/* Every cache is done and every block is back or forgotten. */
void tr_pool_fini(struct tr_pool *pool);

void tr_pool_cache_init(struct tr_pool_cache *cache, struct tr_pool *pool, bool shared);

/* What get and put do when the cache cannot help by itself. */
void *tr_pool_get_slow(struct tr_pool_cache *cache, size_t size);
void tr_pool_put_slow(struct tr_pool_cache *cache, void *block, size_t size);

/* The largest block that comes from slabs; and for each 32 bytes of size its class. */
#define TR_POOL_SIZE_MAX 1536u
extern const uint8_t tr_pool_class_of[TR_POOL_SIZE_MAX / 32 + 1];

static inline bool tr_pool_is_cached(const struct tr_pool_cache *cache, size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
    (void)cache;
    (void)size;
    return false;
#else
    return size <= TR_POOL_SIZE_MAX && !cache->shared;
#endif
}

/* Answers a block of at least size bytes, aligned to 16, or NULL when there is no memory; a shared
 * cache also when base/memory.h refuses it. */
static inline void *tr_pool_get(struct tr_pool_cache *cache, size_t size)
{
    if (tr_pool_is_cached(cache, size)) {
        struct tr_pool_list *current = &cache->current[tr_pool_class_of[(size + 31) / 32]];
        struct tr_pool_block *block = current->first;

        if (block != NULL) {
            current->first = block->next;
            current->count--;
            return block;
        }
    }
    return tr_pool_get_slow(cache, size);
}

/* Takes a block that tr_pool_get of any cache of the same pool gave for the same size. */
static inline void tr_pool_put(struct tr_pool_cache *cache, void *block, size_t size)
{
    if (tr_pool_is_cached(cache, size)) {
        struct tr_pool_list *current = &cache->current[tr_pool_class_of[(size + 31) / 32]];

        if (current->count < TR_POOL_MAGAZINE) {
            struct tr_pool_block *first = block;

            first->next = current->first;
            current->first = first;
            current->count++;
            return;
        }
    }
    tr_pool_put_slow(cache, block, size);
}

#endif
