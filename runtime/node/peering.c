/* What a node makes of what its peers report. Loop thread. */
#include "node/peering.h"

#include <stdio.h>

#include "dist/groups.h"
#include "dist/peers.h"
#include "node/groups.h"
#include "node/members.h"
#include "node/node_monitors.h"
#include "node/places.h"
#include "node/secrets.h"
#include "wire/hello.h"

static void on_up(void *context, uint64_t node_id, uint32_t session)
{
    struct troupe_node *node = context;
    char name[TR_NODE_NAME_SIZE_MAX + 1];

    tr_members_name(node, node_id, name);
    if (tr_router_on_up(node->router, node_id, session) != TROUPE_OK ||
        tr_groups_peer_up(node->groups, node_id, session) != TROUPE_OK) {
        tr_peers_give_up(node->peers, node_id, TR_PEERS_LOST_OVERLOAD);
        return;
    }
    tr_places_tell_one(node, node_id);
    tr_node_log(node, TROUPE_LOG_INFO, "connected to node %s (%llu), session %u", name,
                (unsigned long long)node_id, (unsigned)session);
    tr_node_monitors_tell(node, node_id, name, true, "");
}

static void on_message(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                       size_t size)
{
    struct troupe_node *node = context;

    tr_router_on_message(node->router, node_id, session, bytes, size);
}

static void on_room(void *context, uint64_t node_id)
{
    const struct troupe_node *node = context;

    tr_router_on_room(node->router, node_id);
}

static const char *lost_text(int reason)
{
    switch ((enum tr_peers_lost)reason) {
    case TR_PEERS_LOST_FORGOTTEN:
        return "down";
    case TR_PEERS_LOST_GOODBYE:
        return "left";
    case TR_PEERS_LOST_EXPIRED:
    case TR_PEERS_LOST_REPLACED:
    case TR_PEERS_LOST_PROTOCOL:
    case TR_PEERS_LOST_OVERLOAD:
    case TR_PEERS_LOST_CLOSED:
        break;
    }
    return "noconnection";
}

static void on_lost(void *context, uint64_t node_id, uint32_t session, int reason)
{
    struct troupe_node *node = context;
    char name[TR_NODE_NAME_SIZE_MAX + 1];

    tr_members_name(node, node_id, name);
    /* Whoever hears of it must not find its actors in groups. */
    tr_groups_peer_lost(node->groups, node_id);
    tr_places_lost(node, node_id); /* Whoever hears of it must not start anything there. */
    tr_router_on_lost(node->router, node_id, session, reason == TR_PEERS_LOST_FORGOTTEN);
    tr_members_connected(node, node_id, false);
    tr_node_log(node, TROUPE_LOG_WARNING, "lost node %s (%llu): %s", name,
                (unsigned long long)node_id, lost_text(reason));
    tr_node_monitors_tell(node, node_id, name, false, lost_text(reason));
}

static void on_unreachable(void *context, uint64_t node_id, bool refused)
{
    struct troupe_node *node = context;

    if (!node->leaving) {
        node->registry->port.unreachable(node->registry->port.context, node_id, refused);
    }
}

static void on_refused(void *context, const char *address, troupe_status why)
{
    struct troupe_node *node = context;

    /* The peers write the log line, once per address and while. */
    (void)address;
    (void)why;
    (void)tr_add_relaxed(&node->refused, 1);
}

static void on_client(void *context, uint64_t client, uint64_t request, const uint8_t *bytes,
                      size_t size)
{
    tr_clients_request(context, client, request, bytes, size);
}

troupe_status tr_node_make_peers(struct troupe_node *node, char *why, size_t why_size)
{
    const struct tr_peers_config config = {.loop = node->loop,
                                           .node_name = node->name,
                                           .listen_host = node->listen_host,
                                           .listen_port = node->port,
                                           .listen_mode = node->config.listen_mode,
                                           .heartbeat_ms = node->config.heartbeat_ms,
                                           .silence_ms = node->config.silence_ms,
                                           .resume_window_ms = node->config.resume_window_ms,
                                           .features =
                                               node->config.compression != 0 ? TR_FEATURE_ZSTD : 0,
                                           .send_queue_bytes_max = node->config.send_queue_bytes,
                                           .queue_high = node->config.send_queue_high_bytes,
                                           .queue_low = node->config.send_queue_low_bytes,
                                           .seed = node->config.seed,
                                           .log = tr_node_log_text,
                                           .log_context = node};
    const struct tr_peers_events events = {.context = node,
                                           .on_up = on_up,
                                           .on_message = on_message,
                                           .on_lost = on_lost,
                                           .on_room = on_room,
                                           .on_unreachable = on_unreachable,
                                           .on_client = on_client,
                                           .on_refused = on_refused};
    struct tr_peers *peers = NULL;
    uint16_t port = 0;
    troupe_status status = tr_peers_create(&config, &events, &peers);

    if (status == TROUPE_OK) {
        status = tr_node_proofs_give(node, peers);
    }
    (void)snprintf(why, why_size, "%s", troupe_status_text(status));
    if (status == TROUPE_OK) {
        status = tr_peers_listen(peers, &port, why, why_size);
    }
    if (status != TROUPE_OK) {
        tr_peers_destroy(peers);
        return status;
    }
    /* Other threads ask for the port at any time (troupe_node_get_info). */
    tr_mutex_lock(&node->state_mutex);
    node->port = port;
    tr_mutex_unlock(&node->state_mutex);
    node->peers = peers;
    tr_router_set_peers(node->router, peers);
    return TROUPE_OK;
}
