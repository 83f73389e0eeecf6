#include "names/held.h"

#include <stdlib.h>
#include <string.h>

void reg_held_init(struct reg_held *held, uint64_t seed)
{
    *held = (struct reg_held){0};
    reg_string_map_init(&held->map, seed);
}

static void unlist(struct reg_held *held, struct reg_held_name *name)
{
    if (!name->wanted) {
        return;
    }
    if (name->previous != NULL) {
        name->previous->next = name->next;
    } else {
        held->first = name->next;
    }
    if (name->next != NULL) {
        name->next->previous = name->previous;
    } else {
        held->last = name->previous;
    }
    name->next = NULL;
    name->previous = NULL;
    name->wanted = false;
}

static void list(struct reg_held *held, struct reg_held_name *name)
{
    if (name->wanted) {
        return;
    }
    name->wanted = true;
    name->previous = held->last;
    if (held->last != NULL) {
        held->last->next = name;
    } else {
        held->first = name;
    }
    held->last = name;
}

static void free_name(struct reg_held_name *name)
{
    free(name->ids);
    free(name);
}

void reg_held_clear(struct reg_held *held)
{
    struct reg_string_node *node = reg_string_map_take_any(&held->map);

    while (node != NULL) {
        free_name((struct reg_held_name *)node);
        node = reg_string_map_take_any(&held->map);
    }
    held->first = NULL;
    held->last = NULL;
}

void reg_held_fini(struct reg_held *held)
{
    reg_held_clear(held);
    reg_string_map_fini(&held->map);
}

struct reg_held_name *reg_held_get(const struct reg_held *held, const char *name)
{
    return (struct reg_held_name *)reg_string_map_get(&held->map, name);
}

static troupe_status put(struct reg_held *held, const char *name, uint64_t epoch, bool starting)
{
    const size_t size = strlen(name) + 1;
    struct reg_held_name *entry = reg_held_get(held, name);
    troupe_status status = TROUPE_OK;

    if (entry != NULL) {
        if (entry->epoch != epoch) {
            entry->epoch = epoch;
            entry->id_count = 0;
            entry->more = false;
        }
        entry->starting = starting;
        if (starting) {
            unlist(held, entry);
        }
        return TROUPE_OK;
    }
    entry = calloc(1, sizeof(*entry) + size);
    if (entry == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    memcpy(entry->name, name, size);
    entry->node.key = entry->name;
    entry->epoch = epoch;
    entry->starting = starting;
    status = reg_string_map_put(&held->map, &entry->node);
    if (status != TROUPE_OK) {
        free_name(entry);
    }
    return status;
}

troupe_status reg_held_put(struct reg_held *held, const char *name, uint64_t epoch)
{
    return put(held, name, epoch, false);
}

troupe_status reg_held_put_starting(struct reg_held *held, const char *name, uint64_t epoch)
{
    return put(held, name, epoch, true);
}

void reg_held_drop(struct reg_held *held, const char *name, uint64_t epoch)
{
    struct reg_held_name *entry = reg_held_get(held, name);

    if (entry != NULL && entry->epoch <= epoch) {
        unlist(held, entry);
        reg_string_map_remove(&held->map, &entry->node);
        free_name(entry);
    }
}

size_t reg_held_count(const struct reg_held *held)
{
    return held->map.count;
}

bool reg_held_want(struct reg_held *held, const char *name)
{
    struct reg_held_name *entry = reg_held_get(held, name);

    if (entry == NULL) {
        return false;
    }
    if (entry->id_count >= REG_IN_HAND_MAX) {
        entry->more = true;
    } else if (!entry->starting) {
        list(held, entry);
    }
    return true;
}

struct reg_held_name *reg_held_next_wanted(struct reg_held *held)
{
    struct reg_held_name *name = held->first;

    if (name != NULL) {
        unlist(held, name);
    }
    return name;
}

static size_t place_of(const struct reg_held_name *name, uint64_t id)
{
    size_t index = 0;

    while (index < name->id_count && name->ids[index] != id) {
        index++;
    }
    return index;
}

bool reg_held_take_id(struct reg_held_name *name, uint64_t id)
{
    if (place_of(name, id) < name->id_count) {
        return false;
    }
    if (name->id_count >= REG_IN_HAND_MAX) {
        name->more = true;
        return false;
    }
    if (name->ids == NULL) {
        name->ids = malloc(REG_IN_HAND_MAX * sizeof(*name->ids));
        if (name->ids == NULL) {
            name->more = true;
            return false;
        }
    }
    name->ids[name->id_count++] = id;
    return true;
}

void reg_held_finish_id(struct reg_held *held, const char *name, uint64_t id)
{
    struct reg_held_name *entry = reg_held_get(held, name);
    size_t index = 0;

    if (entry == NULL) {
        return;
    }
    index = place_of(entry, id);
    if (index < entry->id_count) {
        entry->id_count--;
        entry->ids[index] = entry->ids[entry->id_count];
    }
    if (entry->id_count == 0) { /* most names have nothing in hand most of the time */
        free(entry->ids);
        entry->ids = NULL;
    }
    if (entry->more && entry->id_count <= REG_IN_HAND_MAX / 2) {
        entry->more = false;
        list(held, entry);
    }
}
