/* Draining: a node to which nothing is given any more. */
#include "io/loop.h"
#include "node/places.h"

static struct tr_registry_port *port_of(struct troupe_node *node)
{
    return &node->registry->port;
}

static void drain_on_loop(void *context)
{
    struct troupe_node *node = context;

    if (!node->leaving) {
        port_of(node)->drain(port_of(node)->context, tr_load32_relaxed(&node->draining) != 0);
    }
}

void tr_cluster_drain(struct troupe_node *node, bool drain)
{
    tr_store32_relaxed(&node->draining, drain ? 1 : 0);
    if (!node->loop_runs) {
        return;
    }
    /* The peers are told before the first actor ends for it: what they hear then has this reason.
     */
    tr_places_tell(node, false);
    if (tr_loop_post(node->loop, drain_on_loop, node) != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_WARNING, "cannot tell the registry that this node drains");
    }
}

void troupe_node_drain(troupe_node *node, bool drain)
{
    tr_mutex_lock(&node->state_mutex);
    const bool stops = node->state == TR_NODE_STOPPING;

    tr_mutex_unlock(&node->state_mutex);
    if (!stops) {
        tr_cluster_drain(node, drain);
        tr_node_log(node, TROUPE_LOG_INFO, drain ? "draining" : "not draining any more");
    }
}
