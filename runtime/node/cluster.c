/* A node as a member: what the registry and the peers tell, and what follows from it. Loop thread,
 * unless said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/groups.h"
#include "dist/peers.h"
#include "io/loop.h"
#include "io/timer.h"
#include "node/address.h"
#include "node/groups.h"
#include "node/io.h"
#include "node/members.h"
#include "node/names.h"
#include "node/node.h"
#include "node/peering.h"
#include "node/places.h"
#include "node/rpc.h"
#include "node/sampler.h"
#include "node/secrets.h"
#include "node/tls.h"
#include "sched/telemetry.h"

enum {
    FENCE_LOOK_MS = 5,
    FENCE_TELL_MS = 100,
    FENCE_AGAIN_MS = 500, /* between two tries to listen again */
    ADDRESS_SIZE = 280,   /* a host to advertise, with its port */
    WHY_SIZE = 512
};

static struct tr_registry_port *port_of(struct troupe_node *node)
{
    return &node->registry->port;
}

int64_t tr_node_loop_deadline(struct troupe_node *node, uint32_t timeout_ms)
{
    const uint32_t timeout = timeout_ms == 0 ? node->config.call_timeout_ms : timeout_ms;

    return (int64_t)tr_loop_now(node->loop) + (int64_t)timeout * TR_NS_PER_MS;
}

static void set_state(struct troupe_node *node, enum tr_node_state state)
{
    tr_mutex_lock(&node->state_mutex);
    node->state = state;
    tr_cond_broadcast(&node->state_changed);
    tr_mutex_unlock(&node->state_mutex);
}

/* ---- events of the router ---- */

static const troupe_type *find_type(void *context, const char *name, size_t size)
{
    return tr_catalog_type(context, name, size);
}

static void on_spawn(void *context, const struct tr_spawn_request *request, uint32_t session)
{
    struct troupe_node *node = context;
    const bool named = request->name[0] != '\0';
    const char *why =
        tr_guard_denies_node(&node->guard, TR_MAY_SPAWN | (named ? (uint32_t)TR_MAY_REGISTER : 0));
    troupe_status status = TROUPE_E_DENIED;

    if (why != NULL) {
        tr_guard_suspect(node, request->caller.node, why);
    } else if (node->fenced) { /* Nothing begins on a node that is about to be another one. */
        status = TROUPE_E_FENCED;
        why = troupe_status_text(status);
    } else {
        tr_spawn_remote_request(node, request, session);
        return;
    }
    tr_spawn_answer(node, NULL, request->caller, request->ref, session, status, (troupe_pid){0}, 0,
                    why);
}

static void on_groups(void *context, uint64_t node_id, const uint8_t *bytes, size_t size)
{
    struct troupe_node *node = context;
    const troupe_status status = tr_groups_heard(node->groups, node_id, bytes, size);

    if (status != TROUPE_OK) {
        /* The copy of its groups would be wrong for ever: begin anew. */
        tr_node_log(node, TROUPE_LOG_ERROR, "groups of node %llu cannot be followed: %s",
                    (unsigned long long)node_id, troupe_status_text(status));
        tr_peers_give_up(node->peers, node_id,
                         status == TROUPE_E_NO_MEMORY ? TR_PEERS_LOST_OVERLOAD
                                                      : TR_PEERS_LOST_PROTOCOL);
    }
}

static void on_broadcast(void *context, struct tr_message *message)
{
    tr_node_groups_deliver(context, message);
}

static void on_inbox_hint(void *context, const char *name)
{
    struct troupe_node *node = context;

    port_of(node)->inbox_hint(port_of(node)->context, name);
}

static void on_returned(void *context, struct tr_message *message)
{
    tr_names_returned(context, message);
}

/* ---- events of the registry ---- */

static void end_fenced(struct troupe_node *node)
{
    tr_node_signal_all(node, TROUPE_REASON_FENCED, "this node was declared dead");
}

static void on_joined(void *context, uint64_t node_id, const uint8_t cluster_id[16],
                      uint64_t system_id)
{
    struct troupe_node *node = context;
    char address[ADDRESS_SIZE];

    tr_store_relaxed(&node->sched->node_id, node_id);
    tr_peers_set_identity(node->peers, node_id, cluster_id, system_id);
    tr_address_print(node->advertise_host, node->port, address, sizeof(address));
    tr_node_log(node, TROUPE_LOG_INFO, "joined the cluster as node %llu, listening on %s",
                (unsigned long long)node_id, address);
    node->fenced = false;
    if (tr_load32_relaxed(&node->draining) != 0) {
        port_of(node)->drain(port_of(node)->context, true); /* The new row does not know. */
    }
    set_state(node, TR_NODE_UP);
}

static void on_failed(void *context, troupe_status status, const char *text)
{
    struct troupe_node *node = context;

    tr_mutex_lock(&node->state_mutex);
    node->failure = status;
    (void)snprintf(node->failure_text, sizeof(node->failure_text), "%s", text);
    tr_mutex_unlock(&node->state_mutex);
    set_state(node, TR_NODE_FAILED);
}

static bool on_member_up(void *context, const struct tr_member *member)
{
    struct troupe_node *node = context;
    troupe_status status = tr_members_up(node, member);

    /* While this node leaves, its peers are closed before the registry falls silent. */
    if (status == TROUPE_OK && node->peers != NULL) {
        status =
            tr_peers_want(node->peers, member->node_id, member->name, member->host, member->port);
    }
    if (status != TROUPE_OK) {
        char address[ADDRESS_SIZE];

        tr_address_print(member->host, member->port, address, sizeof(address));
        tr_node_log(node, TROUPE_LOG_ERROR, "node %s at %s cannot be a peer: %s", member->name,
                    address, troupe_status_text(status));
    }
    return status != TROUPE_E_NO_MEMORY;
}

static void on_member_down(void *context, uint64_t node_id, const char *name, const char *why)
{
    struct troupe_node *node = context;

    tr_node_log(node, TROUPE_LOG_WARNING, "node %s (%llu) is down: %s", name,
                (unsigned long long)node_id, why);
    if (node->peers != NULL) {
        tr_peers_forget(node->peers, node_id);
    }
    tr_members_down(node, node_id);
}

static void on_member_draining(void *context, uint64_t node_id, bool draining)
{
    tr_members_draining(context, node_id, draining);
}

static void on_member_metadata(void *context, uint64_t node_id, const char *metadata)
{
    if (tr_members_metadata(context, node_id, metadata) != TROUPE_OK) {
        tr_node_log(context, TROUPE_LOG_ERROR,
                    "out of memory: the metadata of node %llu stays as it was known",
                    (unsigned long long)node_id);
    }
}

static void on_member_self(void *context, const struct tr_member *self)
{
    tr_members_self(context, self->since_ms);
}

static void on_lease(void *context, int64_t deadline_ns)
{
    struct troupe_node *node = context;
    const int64_t left = deadline_ns - (int64_t)tr_loop_now(node->loop);
    const int64_t now = tr_clock_now(node->sched->options.clock);

    /* The scheduler's clock counts suspended time too, so that waking late is noticed. */
    tr_store_relaxed(&node->sched->lease_deadline_ns, (uint64_t)(now + left));
    tr_sched_thaw(node->sched);
}

static void on_orphan(void *context, const struct tr_orphan *orphan)
{
    tr_durable_on_orphan(context, orphan);
}

static void on_inbox(void *context, const struct tr_inbox_row *rows, size_t count)
{
    tr_durable_on_inbox(context, rows, count);
}

/* ---- fencing: this node id is dead; everything ends, then it joins again ---- */

static void rejoin(void *context)
{
    struct troupe_node *node = context;
    char why[WHY_SIZE];

    node->peers = NULL;
    if (tr_node_user_actors(node) > 0) { /* Started by what was under way meanwhile. */
        end_fenced(node);
        tr_timer_start(node->fence_timer, 0, FENCE_LOOK_MS * TR_NS_PER_MS);
        return;
    }
    tr_members_clear(node); /* Each was lost by now, and told of by its name. */
    const troupe_status status = tr_node_make_peers(node, why, sizeof(why));

    if (status != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_ERROR, "cannot listen again: %s", why);
        tr_timer_start(node->fence_timer, FENCE_AGAIN_MS * TR_NS_PER_MS,
                       FENCE_LOOK_MS * TR_NS_PER_MS);
        return;
    }
    tr_node_log(node, TROUPE_LOG_INFO, "joining again after being fenced");
    port_of(node)->rejoin(port_of(node)->context);
}

static void look_whether_ended(void *context)
{
    struct troupe_node *node = context;

    if (node->leaving) {
        tr_timer_stop(node->fence_timer); /* The node stops: it does not come back. */
        return;
    }
    if (tr_node_user_actors(node) > 0) {
        /* The timer comes again. Whoever was being started when the others were told is told too.
         */
        if (tr_loop_now(node->loop) / TR_NS_PER_MS % FENCE_TELL_MS < FENCE_LOOK_MS) {
            end_fenced(node);
        }
        return;
    }
    tr_timer_stop(node->fence_timer);
    if (node->config.exit_when_fenced) {
        if (node->config.on_fenced != NULL) {
            node->config.on_fenced(node->config.on_fenced_context);
        }
        return;
    }
    tr_router_set_peers(node->router, NULL);
    if (node->peers == NULL) {
        rejoin(node);
    } else {
        tr_peers_close(node->peers, rejoin, node);
    }
}

static void on_fenced(void *context, const char *why)
{
    struct troupe_node *node = context;

    tr_node_log(node, TROUPE_LOG_ERROR, "fenced: %s", why);
    if (tr_wants(node->sched, TROUPE_EVENT_FENCED)) {
        tr_tell(node->sched, &(troupe_event){.kind = TROUPE_EVENT_FENCED, .text = why});
    }
    node->fenced = true;
    tr_store_relaxed(&node->sched->lease_deadline_ns, INT64_MAX);
    end_fenced(node);
    tr_sched_thaw(node->sched);
    tr_timer_start(node->fence_timer, 0, FENCE_LOOK_MS * TR_NS_PER_MS);
}

/* ---- start and stop ---- */

void tr_lookup_pause(struct troupe_node *node)
{
    if (!tr_timer_is_running(node->lookup_timer)) {
        tr_timer_start(node->lookup_timer, TR_LOOKUP_AGAIN_MS * TR_NS_PER_MS, 0);
    }
}

static void start_on_loop(void *context)
{
    struct troupe_node *node = context;
    char metadata[TR_METADATA_SIZE];

    tr_node_metadata(node, metadata);
    const struct tr_registry_join join = {.loop = node->loop,
                                          .name = node->name,
                                          .host = node->advertise_host,
                                          .port = node->port,
                                          .ttl_ms = node->config.lease_ttl_ms,
                                          .roles = node->roles,
                                          .metadata = metadata,
                                          .version = TR_VERSION,
                                          .seed = node->config.seed,
                                          .allow_unsafe_fsync = node->config.allow_unsafe_fsync,
                                          .events = {.context = node,
                                                     .on_reached = tr_address_on_reached,
                                                     .on_joined = on_joined,
                                                     .on_failed = on_failed,
                                                     .on_member_up = on_member_up,
                                                     .on_member_draining = on_member_draining,
                                                     .on_member_metadata = on_member_metadata,
                                                     .on_policy = tr_guard_on_policy,
                                                     .on_member_self = on_member_self,
                                                     .on_member_down = on_member_down,
                                                     .on_lease = on_lease,
                                                     .on_fenced = on_fenced,
                                                     .on_orphan = on_orphan,
                                                     .on_inbox = on_inbox,
                                                     .log = tr_node_log_text}};
    troupe_status status =
        tr_timer_create(node->loop, tr_lookup_on_pause_over, node, &node->lookup_timer);

    if (status == TROUPE_OK) {
        status = tr_timer_create(node->loop, look_whether_ended, node, &node->fence_timer);
    }
    if (status == TROUPE_OK) {
        status = tr_sampler_create(node, &node->sampler);
    }
    if (status == TROUPE_OK) {
        status = tr_places_start(node);
    }
    tr_node_tls_watch(node);
    if (status == TROUPE_OK) {
        status = port_of(node)->start(port_of(node)->context, &join);
    }
    if (status != TROUPE_OK) {
        on_failed(node, status, troupe_status_text(status));
    }
}

static troupe_status wait_until_joined(struct troupe_node *node, char *error, size_t error_size)
{
    const struct tr_clock *clock = node->sched->options.clock;
    const int64_t until = tr_clock_now(clock) + (int64_t)TR_JOIN_MS * TR_NS_PER_MS;
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&node->state_mutex);
    while (node->state == TR_NODE_STARTING && tr_clock_now(clock) < until) {
        tr_node_wait(node, &node->state_changed, &node->state_mutex, until - tr_clock_now(clock));
    }
    if (node->state == TR_NODE_FAILED) {
        status = node->failure;
        (void)snprintf(error, error_size, "%s", node->failure_text);
    } else if (node->state != TR_NODE_UP) {
        status = TROUPE_E_REGISTRY;
        (void)snprintf(error, error_size, "the registry did not answer within %u s",
                       TR_JOIN_MS / 1000);
    }
    tr_mutex_unlock(&node->state_mutex);
    return status;
}

troupe_status tr_cluster_start(struct troupe_node *node, char *error, size_t error_size)
{
    const struct tr_router_options options = {.sched = node->sched,
                                              .find_type = find_type,
                                              .context = node,
                                              .on_spawn = on_spawn,
                                              .on_inbox = on_inbox_hint,
                                              .on_news = tr_places_heard,
                                              .on_returned = on_returned,
                                              .on_groups = on_groups,
                                              .on_broadcast = on_broadcast,
                                              .on_call = tr_rpc_on_call,
                                              .on_bad = tr_guard_suspect,
                                              .denies = tr_guard_denies_message,
                                              .compresses = node->config.compression != 0};
    char address[ADDRESS_SIZE];
    char why[WHY_SIZE];
    troupe_status status = tr_loop_create(&node->loop);

    if (status == TROUPE_OK) {
        status = tr_router_create(&options, &node->router);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    status = tr_node_make_peers(node, why, sizeof(why));
    if (status != TROUPE_OK) {
        tr_address_print(node->listen_host, node->port, address, sizeof(address));
        (void)snprintf(error, error_size, "cannot listen on %s: %s", address, why);
        return status;
    }
    status = tr_node_io_start(node);
    if (status != TROUPE_OK) {
        return status;
    }
    node->loop_runs = true;
    status = tr_loop_post(node->loop, start_on_loop, node);
    return status != TROUPE_OK ? status : wait_until_joined(node, error, error_size);
}

static void on_registry_stopped(void *context)
{
    struct troupe_node *node = context;

    node->registry_over = true;
    tr_timer_close(node->lookup_timer);
    tr_timer_close(node->fence_timer);
    tr_sampler_destroy(node->sampler);
    tr_places_stop(node);
    tr_node_tls_unwatch(node);
    tr_loop_stop(node->loop);
}

static void on_peers_closed(void *context)
{
    struct troupe_node *node = context;

    node->peers = NULL;
    port_of(node)->stop(port_of(node)->context, node->leaves_in_order, node->leave_timeout_ms,
                        on_registry_stopped, node);
}

static void on_peers_closed_unstarted(void *context)
{
    struct troupe_node *node = context;

    node->peers = NULL;
    tr_loop_stop(node->loop);
}

static void stop_on_loop(void *context)
{
    struct troupe_node *node = context;

    node->leaving = true;
    tr_lookup_on_pause_over(node); /* What waits for a name gets its answer now. */
    if (node->peers == NULL) {
        on_peers_closed(node);
    } else {
        tr_router_set_peers(node->router, NULL);
        tr_peers_close(node->peers, on_peers_closed, node);
    }
}

void tr_cluster_stop(struct troupe_node *node, bool leave, uint32_t timeout_ms)
{
    if (node->loop == NULL) {
        return;
    }
    node->leaves_in_order = leave;
    node->leave_timeout_ms = timeout_ms;
    if (node->loop_runs) {
        if (tr_loop_post(node->loop, stop_on_loop, node) != TROUPE_OK) {
            tr_loop_stop(node->loop);
        }
        tr_loop_join(node->loop);
    } else if (node->peers != NULL) {
        /* The loop never ran: it runs now, to close what was opened on it. */
        tr_peers_close(node->peers, on_peers_closed_unstarted, node);
        tr_loop_run(node->loop);
    }
}
