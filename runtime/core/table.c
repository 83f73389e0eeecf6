#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "base/check.h"
#include "core/actor.h"

#define SLOT_MASK ((1u << TR_TABLE_SLOT_BITS) - 1)

troupe_status tr_table_init(struct tr_table *table, uint32_t actors_max)
{
    const uint32_t chunks_max = (actors_max + TR_TABLE_CHUNK - 1) / TR_TABLE_CHUNK;

    TR_CHECK(actors_max >= 1 && actors_max <= SLOT_MASK);
    *table = (struct tr_table){.chunks_max = chunks_max};
    table->chunks = calloc(chunks_max, sizeof(*table->chunks));
    return table->chunks == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

static struct tr_actor *chunk_of(const struct tr_table *table, uint32_t index)
{
    /* Pairs with the release in extend: the chunk's content is seen. */
    return (struct tr_actor *)(uintptr_t)tr_load_acquire(&table->chunks[index]);
}

void tr_table_fini(struct tr_table *table)
{
    for (uint32_t i = 0; table->chunks != NULL && i < table->chunks_max; i++) {
        free(chunk_of(table, i));
    }
    free(table->chunks);
    *table = (struct tr_table){0};
}

/* Adds a chunk to the free list. Under the lock. */
static bool extend(struct tr_table *table)
{
    const uint32_t index = table->slots / TR_TABLE_CHUNK;

    if (index == table->chunks_max) {
        return false;
    }
    struct tr_actor *chunk = calloc(TR_TABLE_CHUNK, sizeof(*chunk));

    if (chunk == NULL) {
        return false;
    }
    for (uint32_t i = TR_TABLE_CHUNK; i-- > 0;) {
        chunk[i].slot = table->slots + i;
        (void)tr_inbox_close(&chunk[i].inbox);
        chunk[i].run_next = table->free;
        table->free = &chunk[i];
    }
    table->slots += TR_TABLE_CHUNK;
    tr_store_release(&table->chunks[index], (uint64_t)(uintptr_t)chunk);
    return true;
}

struct tr_actor *tr_table_take(struct tr_table *table)
{
    tr_spin_lock(&table->lock);
    if (table->free == NULL && !extend(table)) {
        tr_spin_unlock(&table->lock);
        return NULL;
    }
    struct tr_actor *actor = table->free;

    table->free = actor->run_next;
    tr_spin_unlock(&table->lock);

    /* next_ref outlives the actor: it holds the generation while the slot is free. */
    const uint64_t generation = actor->next_ref + 1;

    /* What late pushers may still look at is only touched by atomic operations. */
    memset(&actor->behavior, 0, sizeof(*actor) - offsetof(struct tr_actor, behavior));
    tr_store32_relaxed(&actor->waiting, 0);
    /* large_bytes stays: a pusher that comes too late takes back what it has added. */
    tr_store_relaxed(&actor->shown_parent, 0);
    tr_store_release(&actor->id, generation << TR_TABLE_SLOT_BITS | actor->slot);
    tr_inbox_open(&actor->inbox);
    (void)tr_add_relaxed(&table->alive, 1);
    (void)tr_add_relaxed(&table->started, 1);
    return actor;
}

void tr_table_give(struct tr_table *table, struct tr_actor *actor)
{
    const uint64_t id = tr_load_relaxed(&actor->id);

    tr_store_release(&actor->id, 0);
    actor->next_ref = id >> TR_TABLE_SLOT_BITS;
    (void)tr_sub_relaxed(&table->alive, 1);
    tr_spin_lock(&table->lock);
    actor->run_next = table->free;
    table->free = actor;
    tr_spin_unlock(&table->lock);
}

bool tr_table_is_alive(const struct tr_table *table, uint64_t id)
{
    const struct tr_actor *actor = tr_table_find(table, id);

    /* The id again: the block may have been given to another actor meanwhile. */
    return actor != NULL && !tr_inbox_is_closed(&actor->inbox) && tr_load_acquire(&actor->id) == id;
}

struct tr_actor *tr_table_slot(const struct tr_table *table, uint32_t slot)
{
    const uint32_t index = slot / TR_TABLE_CHUNK;

    if (index >= table->chunks_max) {
        return NULL;
    }
    struct tr_actor *chunk = chunk_of(table, index);

    return chunk == NULL ? NULL : &chunk[slot % TR_TABLE_CHUNK];
}

struct tr_actor *tr_table_find(const struct tr_table *table, uint64_t id)
{
    struct tr_actor *actor = tr_table_slot(table, (uint32_t)(id & SLOT_MASK));

    return actor != NULL && id != 0 &&
                   (tr_load_acquire(&actor->id) == id || TR_BUG(OLD_PID_REACHES))
               ? actor
               : NULL;
}

void tr_table_prefetch(const struct tr_table *table, uint64_t id)
{
    const struct tr_actor *actor = tr_table_slot(table, (uint32_t)(id & SLOT_MASK));

    if (actor != NULL) {
        __builtin_prefetch(actor, 1);
        __builtin_prefetch(&actor->run_next, 1);
    }
}

struct tr_actor_extra *tr_actor_extra(struct tr_actor *actor)
{
    if (actor->extra == NULL) {
        actor->extra = calloc(1, sizeof(*actor->extra));
    }
    return actor->extra;
}
