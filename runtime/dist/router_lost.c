/* A session was lost: everybody who has something to do with its node is told. */
#include <stdlib.h>

#include "dist/router.h"
#include "dist/router_inside.h"
#include "sched/worker.h"

enum {
    TELL_AHEAD = 12, /* actors: a cache miss takes as long as telling a few of them */
    DIGIT_BITS = 8,
    DIGITS = 1 << DIGIT_BITS
};

static void tell(struct tr_router *router, uint64_t actor_id, const struct tr_message *model)
{
    struct tr_sched *sched = router->options.sched;
    struct tr_message *message = tr_message_create(router_cache(router), TR_SIGNAL_NODE_LOST, 0);

    if (message == NULL) {
        router->options.on_bad(router->options.context, model->ref,
                               "out of memory while telling an actor of a lost node");
        return;
    }
    message->to = (troupe_pid){.node = tr_sched_node_id(sched), .id = actor_id};
    message->ref = model->ref;
    message->session = model->session;
    message->status = model->status;
    (void)tr_sched_post(sched, tr_sched_worker(sched), message);
}

/* One pass of a radix sort, by the digit of the ids that begins at this bit. */
static void sort_pass(const uint64_t *from, uint64_t *to, uint32_t count, uint32_t bit)
{
    uint32_t places[DIGITS] = {0};
    uint32_t place = 0;

    for (uint32_t i = 0; i < count; i++) {
        places[(from[i] >> bit) % DIGITS]++;
    }
    for (uint32_t digit = 0; digit < DIGITS; digit++) {
        const uint32_t next = place + places[digit];

        places[digit] = place;
        place = next;
    }
    for (uint32_t i = 0; i < count; i++) {
        to[places[(from[i] >> bit) % DIGITS]++] = from[i];
    }
}

/* Sorts by the place of the actors' blocks, with as much room behind the ids as they take. Answers
 * where they are then. */
static uint64_t *sort_by_slot(uint64_t *ids, uint32_t count)
{
    uint64_t *from = ids;
    uint64_t *to = ids + count;

    for (uint32_t bit = 0; bit < TR_TABLE_SLOT_BITS; bit += DIGIT_BITS) {
        uint64_t *sorted = to;

        sort_pass(from, to, count, bit);
        to = from;
        from = sorted;
    }
    return from;
}

/* In the order in which their blocks lie in memory: that is the order in which most were started,
 * so what hangs below them lies in it too. In the order of a hash every actor would be a handful of
 * cache misses, when it is told and again when it runs. */
static void tell_sorted(struct tr_router *router, const struct tr_map *watchers, uint64_t *ids,
                        const struct tr_message *model)
{
    const struct tr_table *table = &router->options.sched->table;
    const void *actor_id = NULL;
    uint32_t position = 0;
    uint32_t count = 0;

    while ((actor_id = tr_map_next(watchers, &position)) != NULL) {
        ids[count++] = (uint64_t)(uintptr_t)actor_id;
    }
    const uint64_t *sorted = sort_by_slot(ids, count);

    for (uint32_t i = 0; i < count; i++) {
        if (i + TELL_AHEAD < count) {
            tr_table_prefetch(table, sorted[i + TELL_AHEAD]);
        }
        tell(router, sorted[i], model);
    }
}

static void tell_all(struct tr_router *router, const struct tr_map *watchers,
                     const struct tr_message *model)
{
    const void *actor_id = NULL;
    uint32_t position = 0;

    if (watchers->count == 0) {
        return;
    }
    uint64_t *ids = calloc(watchers->count, 2 * sizeof(*ids));

    if (ids != NULL) {
        tell_sorted(router, watchers, ids, model);
        free(ids);
        return;
    }
    while ((actor_id = tr_map_next(watchers, &position)) != NULL) {
        tell(router, (uint64_t)(uintptr_t)actor_id, model);
    }
}

void tr_router_on_lost(struct tr_router *router, uint64_t node_id, uint32_t session, bool down)
{
    const struct tr_message model = {
        .ref = node_id, .session = session, .status = down ? TROUPE_E_FENCED : TROUPE_OK};
    struct tr_map watchers = {0};
    struct tr_inbox_item *awaiting = NULL;

    tr_mutex_lock(&router->mutex);
    struct router_peer *peer = tr_map_get(&router->by_node, node_id);

    if (peer != NULL && peer->session == session) {
        peer->session = 0;
        router->up--;
        watchers = peer->watchers;
        peer->watchers = (struct tr_map){0};
        awaiting = router_take_awaiting(peer);
    }
    tr_mutex_unlock(&router->mutex);
    tell_all(router, &watchers, &model);
    tr_map_fini(&watchers);
    router_resume_list(router, awaiting);
}
