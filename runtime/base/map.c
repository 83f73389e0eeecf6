#include "base/map.h"

#include <stdlib.h>

#include "base/check.h"

enum { CAPACITY_MIN = 8 };

void tr_map_fini(struct tr_map *map)
{
    free(map->entries);
    *map = (struct tr_map){0};
}

static uint32_t home_of(const struct tr_map *map, uint64_t key)
{
    return (uint32_t)tr_hash_u64(key) & (map->capacity - 1);
}

/* The place of the key, or the hole where it would go. There is always a hole. */
static uint32_t place_of(const struct tr_map *map, uint64_t key)
{
    uint32_t place = home_of(map, key);

    while (map->entries[place].value != NULL && map->entries[place].key != key) {
        place = (place + 1) & (map->capacity - 1);
    }
    return place;
}

static troupe_status grow(struct tr_map *map)
{
    struct tr_map larger = {.capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity * 2,
                            .count = map->count};

    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].value != NULL) {
            larger.entries[place_of(&larger, map->entries[i].key)] = map->entries[i];
        }
    }
    free(map->entries);
    *map = larger;
    return TROUPE_OK;
}

troupe_status tr_map_put(struct tr_map *map, uint64_t key, void *value)
{
    TR_CHECK(value != NULL);
    if ((map->count + 1) * 4 > map->capacity * 3) {
        const troupe_status status = grow(map);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    const uint32_t place = place_of(map, key);

    if (map->entries[place].value == NULL) {
        map->count++;
    }
    map->entries[place] = (struct tr_map_entry){.key = key, .value = value};
    return TROUPE_OK;
}

void *tr_map_get(const struct tr_map *map, uint64_t key)
{
    if (map->count == 0) {
        return NULL;
    }
    return map->entries[place_of(map, key)].value;
}

/* Fills the hole at `hole` with later entries of the same run, so that look-ups still find them. */
static void close_hole(struct tr_map *map, uint32_t hole)
{
    const uint32_t mask = map->capacity - 1;
    uint32_t place = hole;

    for (;;) {
        place = (place + 1) & mask;
        if (map->entries[place].value == NULL) {
            break;
        }
        const uint32_t home = home_of(map, map->entries[place].key);

        /* It may move to the hole unless its home lies between the hole and its place. */
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            map->entries[hole] = map->entries[place];
            hole = place;
        }
    }
    map->entries[hole].value = NULL;
}

void *tr_map_take(struct tr_map *map, uint64_t key)
{
    if (map->count == 0) {
        return NULL;
    }
    const uint32_t place = place_of(map, key);
    void *value = map->entries[place].value;

    if (value != NULL) {
        map->count--;
        close_hole(map, place);
    }
    return value;
}

void *tr_map_take_any(struct tr_map *map)
{
    uint32_t position = 0;

    if (tr_map_next(map, &position) == NULL) {
        return NULL;
    }
    return tr_map_take(map, map->entries[position - 1].key);
}

void *tr_map_next(const struct tr_map *map, uint32_t *position)
{
    while (*position < map->capacity) {
        void *value = map->entries[(*position)++].value;

        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}
