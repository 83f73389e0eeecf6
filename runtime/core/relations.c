#include "core/relations.h"

#include <stdlib.h>

#include "base/map.h"

enum { CAPACITY_MIN = 2 }; /* room for one: most actors have a parent and nobody else */

void tr_relations_fini(struct tr_relations *relations)
{
    free(relations->entries);
    *relations = (struct tr_relations){0};
}

/* Links and unlinkings of one pid share a place, since a pair has at most one of them. */
static uint64_t hash_of(uint8_t kind, troupe_pid pid, uint64_t ref)
{
    if (kind == TR_RELATION_WATCHING) {
        return tr_hash_u64(ref ^ 0x5bd1e995u);
    }
    const uint64_t hash = tr_hash_u64(pid.id + tr_hash_u64(pid.node));

    return kind == TR_RELATION_WATCHED ? tr_hash_u64(hash + ref) : hash;
}

static bool is_same(const struct tr_relation *entry, uint8_t kind, troupe_pid pid, uint64_t ref)
{
    switch ((enum tr_relation_kind)entry->kind) {
    case TR_RELATION_LINK:
    case TR_RELATION_UNLINKING:
        return (kind == TR_RELATION_LINK || kind == TR_RELATION_UNLINKING) &&
               troupe_pid_equal(entry->pid, pid);
    case TR_RELATION_WATCHING:
        return kind == TR_RELATION_WATCHING && entry->ref == ref;
    case TR_RELATION_WATCHED:
        return kind == TR_RELATION_WATCHED && entry->ref == ref &&
               troupe_pid_equal(entry->pid, pid);
    case TR_RELATION_NONE:
        break;
    }
    return false;
}

static uint32_t home_of(const struct tr_relations *relations, const struct tr_relation *entry)
{
    return (uint32_t)hash_of(entry->kind, entry->pid, entry->ref) & (relations->capacity - 1);
}

static struct tr_relation *find(const struct tr_relations *relations, uint8_t kind, troupe_pid pid,
                                uint64_t ref)
{
    if (relations->count == 0) {
        return NULL;
    }
    uint32_t place = (uint32_t)hash_of(kind, pid, ref) & (relations->capacity - 1);

    while (relations->entries[place].kind != TR_RELATION_NONE) {
        if (is_same(&relations->entries[place], kind, pid, ref)) {
            return &relations->entries[place];
        }
        place = (place + 1) & (relations->capacity - 1);
    }
    return NULL;
}

struct tr_relation *tr_relations_link(const struct tr_relations *relations, troupe_pid pid)
{
    return find(relations, TR_RELATION_LINK, pid, 0);
}

struct tr_relation *tr_relations_watching(const struct tr_relations *relations, uint64_t ref)
{
    return find(relations, TR_RELATION_WATCHING, (troupe_pid){0}, ref);
}

struct tr_relation *tr_relations_watched(const struct tr_relations *relations, troupe_pid pid,
                                         uint64_t ref)
{
    return find(relations, TR_RELATION_WATCHED, pid, ref);
}

static void insert(struct tr_relations *relations, const struct tr_relation *relation)
{
    uint32_t place = home_of(relations, relation);

    while (relations->entries[place].kind != TR_RELATION_NONE) {
        place = (place + 1) & (relations->capacity - 1);
    }
    relations->entries[place] = *relation;
}

static troupe_status grow(struct tr_relations *relations)
{
    struct tr_relations larger = {.capacity = relations->capacity == 0 ? CAPACITY_MIN
                                                                       : relations->capacity * 2,
                                  .count = relations->count};

    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i < relations->capacity; i++) {
        if (relations->entries[i].kind != TR_RELATION_NONE) {
            insert(&larger, &relations->entries[i]);
        }
    }
    free(relations->entries);
    *relations = larger;
    return TROUPE_OK;
}

troupe_status tr_relations_reserve(struct tr_relations *relations, uint32_t more)
{
    while ((relations->count + more) * 4 > relations->capacity * 3) {
        const troupe_status status = grow(relations);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    return TROUPE_OK;
}

troupe_status tr_relations_add(struct tr_relations *relations, const struct tr_relation *relation)
{
    const troupe_status status = tr_relations_reserve(relations, 1);

    if (status != TROUPE_OK) {
        return status;
    }
    insert(relations, relation);
    relations->count++;
    return TROUPE_OK;
}

void tr_relations_remove(struct tr_relations *relations, struct tr_relation *relation)
{
    const uint32_t mask = relations->capacity - 1;
    uint32_t hole = (uint32_t)(relation - relations->entries);
    uint32_t place = hole;

    relations->count--;
    for (;;) {
        place = (place + 1) & mask;
        if (relations->entries[place].kind == TR_RELATION_NONE) {
            break;
        }
        const uint32_t home = home_of(relations, &relations->entries[place]);

        if (((place - home) & mask) >= ((place - hole) & mask)) {
            relations->entries[hole] = relations->entries[place];
            hole = place;
        }
    }
    relations->entries[hole] = (struct tr_relation){0};
}

struct tr_relation *tr_relations_next(const struct tr_relations *relations, uint32_t *position)
{
    while (*position < relations->capacity) {
        struct tr_relation *entry = &relations->entries[(*position)++];

        if (entry->kind != TR_RELATION_NONE) {
            return entry;
        }
    }
    return NULL;
}
