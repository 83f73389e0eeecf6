#include "names/held.h"

#include <stdlib.h>
#include <string.h>

static const int64_t ms = 1000000;

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
    held->starting_count = 0;
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

static void set_starting(struct reg_held *held, struct reg_held_name *name, bool starting)
{
    if (name->starting != starting) {
        name->starting = starting;
        name->offers = 0;
        held->starting_count += starting ? 1 : SIZE_MAX; /* one more or one less */
    }
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
        set_starting(held, entry, starting);
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
    status = reg_string_map_put(&held->map, &entry->node);
    if (status != TROUPE_OK) {
        free_name(entry);
    } else {
        set_starting(held, entry, starting);
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
        set_starting(held, entry, false);
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

bool reg_held_want_again(struct reg_held *held, const char *name, int64_t now_ns)
{
    struct reg_held_name *entry = reg_held_get(held, name);

    if (entry != NULL && entry->id_count > 0 &&
        now_ns - entry->progress_ns > REG_IN_HAND_LOST_MS * ms) {
        entry->id_count = 0;
    }
    return reg_held_want(held, name);
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

bool reg_held_take_id(struct reg_held_name *name, uint64_t id, int64_t now_ns)
{
    if (name->starting || place_of(name, id) < name->id_count) {
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
    if (name->id_count == 0) {
        name->progress_ns = now_ns;
    }
    name->ids[name->id_count++] = id;
    return true;
}

void reg_held_finish_id(struct reg_held *held, const char *name, uint64_t id, int64_t now_ns)
{
    struct reg_held_name *entry = reg_held_get(held, name);
    size_t index = 0;

    if (entry == NULL) {
        return;
    }
    index = place_of(entry, id);
    if (index < entry->id_count) {
        entry->progress_ns = now_ns;
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

void reg_held_offer(struct reg_held *held, const char *name, int64_t now_ns, int64_t pause_ns)
{
    struct reg_held_name *entry = reg_held_get(held, name);

    if (entry != NULL && entry->starting) {
        entry->offer_ns = now_ns + pause_ns * ((int64_t)1 << entry->offers);
        if (entry->offers < REG_OFFERS_DOUBLED_MAX) {
            entry->offers++;
        }
    }
}

size_t reg_held_overdue(const struct reg_held *held, int64_t now_ns, const char **out, size_t max)
{
    size_t count = 0;

    if (held->starting_count == 0) {
        return 0;
    }
    for (size_t index = 0; index < held->map.capacity && count < max; index++) {
        const struct reg_string_node *node = held->map.chains[index];

        for (; node != NULL && count < max; node = node->next) {
            const struct reg_held_name *name = (const struct reg_held_name *)node;

            if (name->starting && now_ns >= name->offer_ns) {
                out[count++] = name->name;
            }
        }
    }
    return count;
}
