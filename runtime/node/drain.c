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
        port_of(node)->drain(port_of(node)->context);
    }
}

void tr_cluster_drain(struct troupe_node *node)
{
    tr_store32_relaxed(&node->draining, 1);
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
