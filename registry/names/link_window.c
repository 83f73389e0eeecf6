#include "names/link_window.h"

#include <stdlib.h>
#include <string.h>

struct reg_link_entry {
    struct reg_link_change change;
    size_t next; /* in the chain of its bucket: index + 1; 0 = end */
    bool live;
};

enum { CAPACITY_MIN = 64 };

void reg_link_window_init(struct reg_link_window *window)
{
    *window = (struct reg_link_window){0};
}

void reg_link_window_fini(struct reg_link_window *window)
{
    free(window->entries);
    free(window->buckets);
    reg_link_window_init(window);
}

static bool pid_is_greater(troupe_pid a, troupe_pid b)
{
    return a.node != b.node ? a.node > b.node : a.id > b.id;
}

static struct tr_link_row canonical(const struct tr_link_row *row)
{
    struct tr_link_row copy = *row;

    if (row->kind == TR_LINK_ROW_LINK) {
        copy.ref = 0;
        if (pid_is_greater(row->a, row->b)) {
            copy.a = row->b;
            copy.b = row->a;
        }
    }
    return copy;
}

static bool is_same(const struct tr_link_row *one, const struct tr_link_row *other)
{
    return one->kind == other->kind && one->ref == other->ref &&
           troupe_pid_equal(one->a, other->a) && troupe_pid_equal(one->b, other->b);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static size_t bucket_of(const struct reg_link_window *window, const struct tr_link_row *row)
{
    uint64_t hash = mix((uint64_t)row->kind + 1, row->ref);

    hash = mix(mix(hash, row->a.node), row->a.id);
    hash = mix(mix(hash, row->b.node), row->b.id);
    return (size_t)(hash & (window->capacity - 1));
}

static void chain(struct reg_link_window *window, size_t index)
{
    struct reg_link_entry *entry = &window->entries[index];
    const size_t bucket = bucket_of(window, &entry->change.row);

    entry->next = window->buckets[bucket];
    window->buckets[bucket] = index + 1;
}

static void unchain(struct reg_link_window *window, size_t index)
{
    size_t *place = &window->buckets[bucket_of(window, &window->entries[index].change.row)];

    while (*place != 0 && *place != index + 1) {
        place = &window->entries[*place - 1].next;
    }
    if (*place != 0) {
        *place = window->entries[index].next;
    }
}

/* Packs the live entries to the front of arrays of the given capacity. */
static troupe_status rebuild(struct reg_link_window *window, size_t capacity)
{
    struct reg_link_entry *entries = malloc(capacity * sizeof(*entries));
    size_t *buckets = calloc(capacity, sizeof(*buckets));
    size_t used = 0;

    if (entries == NULL || buckets == NULL) {
        free(entries);
        free(buckets);
        return TROUPE_E_NO_MEMORY;
    }
    for (size_t index = window->first; index < window->used; index++) {
        if (window->entries[index].live) {
            entries[used++] = window->entries[index];
        }
    }
    free(window->entries);
    free(window->buckets);
    window->entries = entries;
    window->buckets = buckets;
    window->capacity = capacity;
    window->used = used;
    window->first = 0;
    for (size_t index = 0; index < used; index++) {
        chain(window, index);
    }
    return TROUPE_OK;
}

static troupe_status make_room(struct reg_link_window *window)
{
    size_t capacity = window->capacity;

    if (window->count >= REG_LINK_WINDOW_MAX) {
        return TROUPE_E_LIMIT;
    }
    if (window->used < window->capacity) {
        return TROUPE_OK;
    }
    if (capacity == 0) {
        capacity = CAPACITY_MIN;
    } else if (window->count > capacity / 2) {
        capacity *= 2;
    }
    return rebuild(window, capacity);
}

troupe_status reg_link_window_put(struct reg_link_window *window, const struct tr_link_row *row,
                                  bool add)
{
    const struct tr_link_row wanted = canonical(row);
    troupe_status status = TROUPE_OK;
    size_t at = window->capacity == 0 ? 0 : window->buckets[bucket_of(window, &wanted)];

    while (at != 0 && !is_same(&window->entries[at - 1].change.row, &wanted)) {
        at = window->entries[at - 1].next;
    }
    if (at != 0) {
        struct reg_link_entry *entry = &window->entries[at - 1];

        if (entry->change.add != add) {
            unchain(window, at - 1);
            entry->live = false;
            window->count--;
            window->cancelled++;
        }
        return TROUPE_OK;
    }
    status = make_room(window);
    if (status != TROUPE_OK) {
        return status;
    }
    window->entries[window->used] =
        (struct reg_link_entry){.change = {.row = wanted, .add = add}, .live = true};
    chain(window, window->used);
    window->used++;
    window->count++;
    return TROUPE_OK;
}

size_t reg_link_window_take(struct reg_link_window *window, struct reg_link_change *out, size_t max)
{
    size_t taken = 0;

    while (taken < max && window->first < window->used) {
        struct reg_link_entry *entry = &window->entries[window->first];

        if (entry->live) {
            out[taken++] = entry->change;
            unchain(window, window->first);
            entry->live = false;
            window->count--;
        }
        window->first++;
    }
    if (window->first == window->used) {
        window->first = 0;
        window->used = 0;
    }
    return taken;
}
