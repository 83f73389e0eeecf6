#include <stdlib.h>
#include <string.h>

#include "dist/peers_calls.h"
#include "dist/peers_inside.h"

/* The place of the first id that is not below node_id. */
static size_t lower_bound(const struct dead_set *dead, uint64_t node_id)
{
    size_t low = 0;
    size_t high = dead->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (dead->ids[middle] < node_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool dead_has(const struct dead_set *dead, uint64_t node_id)
{
    const size_t at = lower_bound(dead, node_id);

    return node_id <= dead->floor || (at < dead->count && dead->ids[at] == node_id);
}

/* Forgets the smallest id one by one. Ids grow with time, so whatever is not above it and not
 * wanted is dead as well: the floor says so. */
static void drop_smallest(struct dead_set *dead)
{
    dead->floor = dead->ids[0];
    memmove(dead->ids, dead->ids + 1, (dead->count - 1) * sizeof(*dead->ids));
    dead->count--;
}

static void grow(struct dead_set *dead)
{
    const size_t capacity = dead->capacity == 0 ? 64 : 2 * dead->capacity;
    uint64_t *ids = realloc(dead->ids, capacity * sizeof(*ids));

    if (ids != NULL) {
        dead->ids = ids;
        dead->capacity = capacity;
    }
}

void dead_add(struct dead_set *dead, uint64_t node_id)
{
    size_t at = 0;

    if (dead_has(dead, node_id)) {
        return;
    }
    if (dead->count == dead->capacity && dead->capacity < DEAD_MAX) {
        grow(dead);
    }
    if (dead->capacity == 0) {
        dead->floor = node_id;
        return;
    }
    if (dead->count == dead->capacity) {
        if (node_id < dead->ids[0]) {
            dead->floor = node_id;
            return;
        }
        drop_smallest(dead);
    }
    at = lower_bound(dead, node_id);
    memmove(dead->ids + at + 1, dead->ids + at, (dead->count - at) * sizeof(*dead->ids));
    dead->ids[at] = node_id;
    dead->count++;
}

void dead_fini(struct dead_set *dead)
{
    free(dead->ids);
    *dead = (struct dead_set){0};
}
