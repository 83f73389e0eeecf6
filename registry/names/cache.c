#include "names/cache.h"

#include <stdlib.h>
#include <string.h>

#include "names/string_map.h"
#include "sync/thread.h"

enum { PARTS = 16 };

struct entry {
    struct reg_string_node node; /* first, so that a node is its entry */
    troupe_pid pid;
    uint64_t epoch;
    struct entry *older;
    struct entry *newer;
    char name[];
};

/* The mutex owns all of it. */
struct part {
    struct tr_mutex mutex;
    struct reg_string_map map;
    struct entry *oldest;
    struct entry *newest;
};

struct reg_cache {
    size_t part_count_max;
    uint64_t seed;
    struct part parts[PARTS];
};

troupe_status reg_cache_create(size_t count_max, uint64_t seed, struct reg_cache **out)
{
    struct reg_cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    cache->seed = seed;
    cache->part_count_max = count_max / PARTS + 1;
    for (size_t index = 0; index < PARTS; index++) {
        tr_mutex_init(&cache->parts[index].mutex);
        reg_string_map_init(&cache->parts[index].map, seed);
    }
    *out = cache;
    return TROUPE_OK;
}

/* The upper bits choose the part, since the map inside uses the lower ones. */
static struct part *part_of(struct reg_cache *cache, const char *name)
{
    return &cache->parts[reg_string_hash(name, cache->seed) >> 60];
}

static void remove_entry(struct part *part, struct entry *entry)
{
    reg_string_map_remove(&part->map, &entry->node);
    if (entry->older != NULL) {
        entry->older->newer = entry->newer;
    } else {
        part->oldest = entry->newer;
    }
    if (entry->newer != NULL) {
        entry->newer->older = entry->older;
    } else {
        part->newest = entry->older;
    }
    free(entry);
}

static struct entry *find(const struct part *part, const char *name)
{
    return (struct entry *)reg_string_map_get(&part->map, name);
}

bool reg_cache_get(struct reg_cache *cache, const char *name, troupe_pid *pid, uint64_t *epoch)
{
    struct part *part = part_of(cache, name);
    const struct entry *entry = NULL;
    bool found = false;

    tr_mutex_lock(&part->mutex);
    entry = find(part, name);
    if (entry != NULL) {
        *pid = entry->pid;
        *epoch = entry->epoch;
        found = true;
    }
    tr_mutex_unlock(&part->mutex);
    return found;
}

static void add_entry(struct part *part, const char *name, troupe_pid pid, uint64_t epoch)
{
    const size_t size = strlen(name) + 1;
    struct entry *entry = calloc(1, sizeof(*entry) + size);

    if (entry == NULL) {
        return;
    }
    memcpy(entry->name, name, size);
    entry->node.key = entry->name;
    entry->pid = pid;
    entry->epoch = epoch;
    if (reg_string_map_put(&part->map, &entry->node) != TROUPE_OK) {
        free(entry);
        return;
    }
    entry->older = part->newest;
    if (part->newest != NULL) {
        part->newest->newer = entry;
    } else {
        part->oldest = entry;
    }
    part->newest = entry;
}

void reg_cache_put(struct reg_cache *cache, const char *name, troupe_pid pid, uint64_t epoch)
{
    struct part *part = part_of(cache, name);
    struct entry *entry = NULL;

    tr_mutex_lock(&part->mutex);
    entry = find(part, name);
    if (entry == NULL) {
        if (part->map.count >= cache->part_count_max) {
            remove_entry(part, part->oldest);
        }
        add_entry(part, name, pid, epoch);
    } else if (entry->epoch <= epoch) {
        entry->pid = pid;
        entry->epoch = epoch;
    }
    tr_mutex_unlock(&part->mutex);
}

void reg_cache_drop(struct reg_cache *cache, const char *name, uint64_t epoch)
{
    struct part *part = part_of(cache, name);
    struct entry *entry = NULL;

    tr_mutex_lock(&part->mutex);
    entry = find(part, name);
    if (entry != NULL && entry->epoch <= epoch) {
        remove_entry(part, entry);
    }
    tr_mutex_unlock(&part->mutex);
}

/* Drops the entries of a node, or all of them when node_id is 0, which no node has. */
static size_t drop_some(struct reg_cache *cache, uint64_t node_id)
{
    size_t dropped = 0;

    for (size_t index = 0; index < PARTS; index++) {
        struct part *part = &cache->parts[index];
        struct entry *entry = NULL;

        tr_mutex_lock(&part->mutex);
        entry = part->oldest;
        while (entry != NULL) {
            struct entry *newer = entry->newer;

            if (node_id == 0 || entry->pid.node == node_id) {
                remove_entry(part, entry);
                dropped++;
            }
            entry = newer;
        }
        tr_mutex_unlock(&part->mutex);
    }
    return dropped;
}

size_t reg_cache_drop_node(struct reg_cache *cache, uint64_t node_id)
{
    return node_id == 0 ? 0 : drop_some(cache, node_id);
}

void reg_cache_clear(struct reg_cache *cache)
{
    (void)drop_some(cache, 0);
}

size_t reg_cache_count(struct reg_cache *cache)
{
    size_t count = 0;

    for (size_t index = 0; index < PARTS; index++) {
        tr_mutex_lock(&cache->parts[index].mutex);
        count += cache->parts[index].map.count;
        tr_mutex_unlock(&cache->parts[index].mutex);
    }
    return count;
}

void reg_cache_destroy(struct reg_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    reg_cache_clear(cache);
    for (size_t index = 0; index < PARTS; index++) {
        reg_string_map_fini(&cache->parts[index].map);
        tr_mutex_fini(&cache->parts[index].mutex);
    }
    free(cache);
}
