/* Senders that are suspended since too much waits to be sent to a node. */
#include "dist/router_inside.h"
#include "sched/pressure.h"

void router_resume_list(struct tr_router *router, struct tr_inbox_item *first)
{
    while (first != NULL) {
        struct tr_message *await = (struct tr_message *)(void *)first;

        first = first->next;
        tr_pressure_turn_round(router->options.sched, NULL, await);
    }
}

struct tr_inbox_item *router_take_awaiting(struct router_peer *peer)
{
    struct tr_inbox_item *first = peer == NULL ? NULL : peer->awaiting;

    if (peer != NULL) {
        peer->awaiting = NULL;
        peer->awaiting_end = &peer->awaiting;
    }
    return first;
}

void tr_router_on_room(struct tr_router *router, uint64_t node_id)
{
    tr_mutex_lock(&router->mutex);
    struct tr_inbox_item *first = router_take_awaiting(tr_map_get(&router->by_node, node_id));

    tr_mutex_unlock(&router->mutex);
    router_resume_list(router, first);
}

/* Puts a signal among those that wait; answers false when there is nothing to wait for. */
static bool keep_awaiting(struct tr_router *router, struct tr_message *await)
{
    bool kept = false;

    tr_mutex_lock(&router->mutex);
    struct router_peer *peer = tr_map_get(&router->by_node, await->to.node);

    if (peer != NULL && peer->session != 0 && !router->closing) {
        await->item.next = NULL;
        *peer->awaiting_end = &await->item;
        peer->awaiting_end = &await->item.next;
        kept = true;
    }
    tr_mutex_unlock(&router->mutex);
    return kept;
}

void tr_router_await(struct tr_router *router, struct tr_message *await)
{
    const uint64_t node_id = await->to.node;

    if (!keep_awaiting(router, await)) {
        tr_pressure_turn_round(router->options.sched, NULL, await);
        return;
    }
    /* It may have got room between the send and this: then nobody would say so. */
    struct tr_peers *peers = router_borrow(router);
    const bool comes = peers != NULL && tr_peers_await(peers, node_id);

    router_give_back(router);
    if (!comes) {
        tr_router_on_room(router, node_id);
    }
}

void tr_router_release(struct tr_router *router)
{
    struct router_peer *peer = NULL;
    uint32_t position = 0;
    struct tr_inbox_item *first = NULL;

    tr_mutex_lock(&router->mutex);
    router->closing = true;
    while ((peer = tr_map_next(&router->by_node, &position)) != NULL) {
        *peer->awaiting_end = first; /* One list of all. */
        first = router_take_awaiting(peer);
    }
    tr_mutex_unlock(&router->mutex);
    router_resume_list(router, first);
}
