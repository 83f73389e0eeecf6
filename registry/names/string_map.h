/* names/string_map.h - a table from strings to structs that carry their own link, for names.
 *
 *     struct entry { struct reg_string_node node; ... };
 *     entry->node.key = its own copy of the name;  reg_string_map_put(&map, &entry->node)
 *
 * Chained, with a seed in the hash so that nobody can choose names which meet in one chain.
 *
 * Threads: none of this is thread-safe.
 * Memory: the map owns its array of chains, its user the nodes and the keys.
 */
#ifndef REG_NAMES_STRING_MAP_H
#define REG_NAMES_STRING_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "troupe/status.h"

struct reg_string_node {
    struct reg_string_node *next;
    uint64_t hash;
    const char *key;
};

struct reg_string_map {
    struct reg_string_node **chains;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    uint64_t seed;
};

void reg_string_map_init(struct reg_string_map *map, uint64_t seed);

/* Frees the array; the nodes are forgotten. */
void reg_string_map_fini(struct reg_string_map *map);

uint64_t reg_string_hash(const char *key, uint64_t seed);

/* Answers the node, or NULL. */
struct reg_string_node *reg_string_map_get(const struct reg_string_map *map, const char *key);

/* Adds a node whose key is not there yet. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_string_map_put(struct reg_string_map *map,
                                                 struct reg_string_node *node);

/* Takes a node out that is in. */
void reg_string_map_remove(struct reg_string_map *map, struct reg_string_node *node);

/* Takes some node out, or answers NULL; to drain a map. */
struct reg_string_node *reg_string_map_take_any(struct reg_string_map *map);

#endif
