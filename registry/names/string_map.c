#include "names/string_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { CAPACITY_MIN = 16 };

void reg_string_map_init(struct reg_string_map *map, uint64_t seed)
{
    *map = (struct reg_string_map){.seed = seed};
}

void reg_string_map_fini(struct reg_string_map *map)
{
    free(map->chains);
    reg_string_map_init(map, map->seed);
}

uint64_t reg_string_hash(const char *key, uint64_t seed)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);

    for (; *key != '\0'; key++) {
        hash = (hash ^ (uint8_t)*key) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

static struct reg_string_node **chain_of(const struct reg_string_map *map, uint64_t hash)
{
    return &map->chains[hash & (map->capacity - 1)];
}

struct reg_string_node *reg_string_map_get(const struct reg_string_map *map, const char *key)
{
    const uint64_t hash = reg_string_hash(key, map->seed);
    struct reg_string_node *node = map->capacity == 0 ? NULL : *chain_of(map, hash);

    while (node != NULL && (node->hash != hash || strcmp(node->key, key) != 0)) {
        node = node->next;
    }
    return node;
}

static troupe_status grow(struct reg_string_map *map)
{
    struct reg_string_map larger = *map;

    larger.capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity * 2;
    larger.chains = calloc(larger.capacity, sizeof(struct reg_string_node *));
    if (larger.chains == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (size_t index = 0; index < map->capacity; index++) {
        while (map->chains[index] != NULL) {
            struct reg_string_node *node = map->chains[index];
            struct reg_string_node **chain = chain_of(&larger, node->hash);

            map->chains[index] = node->next;
            node->next = *chain;
            *chain = node;
        }
    }
    free(map->chains);
    *map = larger;
    return TROUPE_OK;
}

troupe_status reg_string_map_put(struct reg_string_map *map, struct reg_string_node *node)
{
    struct reg_string_node **chain = NULL;

    if (map->count >= map->capacity) {
        const troupe_status status = grow(map);

        /* A map that cannot grow goes on with longer chains. */
        if (status != TROUPE_OK && map->capacity == 0) {
            return status;
        }
    }
    node->hash = reg_string_hash(node->key, map->seed);
    chain = chain_of(map, node->hash);
    node->next = *chain;
    *chain = node;
    map->count++;
    return TROUPE_OK;
}

void reg_string_map_remove(struct reg_string_map *map, struct reg_string_node *node)
{
    struct reg_string_node **place = chain_of(map, node->hash);

    while (*place != NULL && *place != node) {
        place = &(*place)->next;
    }
    TR_CHECK(*place == node);
    *place = node->next;
    map->count--;
}

struct reg_string_node *reg_string_map_take_any(struct reg_string_map *map)
{
    for (size_t index = 0; index < map->capacity; index++) {
        struct reg_string_node *node = map->chains[index];

        if (node != NULL) {
            map->chains[index] = node->next;
            map->count--;
            return node;
        }
    }
    return NULL;
}
