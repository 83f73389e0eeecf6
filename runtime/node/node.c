/* Building a node and taking it down. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dist/groups.h"
#include "dist/packer.h"
#include "io/loop.h"
#include "node/address.h"
#include "node/agent.h"
#include "node/groups.h"
#include "node/members.h"
#include "node/names.h"
#include "node/node.h"
#include "node/node_monitors.h"
#include "node/places.h"
#include "node/rpc.h"
#include "node/secrets.h"
#include "node/tls.h"
#include "node/trace.h"

/* ---- checking the configuration ---- */

static bool name_is_valid(const char *name)
{
    const size_t size = name == NULL ? 0 : strnlen(name, TR_NODE_NAME_SIZE_MAX + 1);

    for (size_t i = 0; i < size; i++) {
        if (isalnum((unsigned char)name[i]) == 0 && strchr("_.-", name[i]) == NULL) {
            return false;
        }
    }
    return size >= 1 && size <= TR_NODE_NAME_SIZE_MAX;
}

static const char *what_is_wrong_with_labels(const troupe_config *config)
{
    struct troupe_node *node = NULL;
    char read[sizeof(node->metadata)];
    const char *wrong = tr_roles_read(config->roles, read, sizeof(node->roles));

    return wrong != NULL ? wrong : tr_metadata_read(config->metadata, read, sizeof(node->metadata));
}

static const char *what_is_wrong(const troupe_config *config)
{
    if (config->struct_size != sizeof(*config)) {
        return "the configuration was not made by troupe_config_init of this version";
    }
    if (!name_is_valid(config->name)) {
        return "a node's name has 1 to 63 of A-Z a-z 0-9 _ . -";
    }
    if (config->workers > TR_WORKERS_MAX) {
        return "at most 64 workers";
    }
    if ((config->tls_cert == NULL) != (config->tls_key == NULL) ||
        (config->tls_cert == NULL) != (config->tls_ca == NULL)) {
        return "tls_cert, tls_key and tls_ca come together";
    }
    if (tr_node_secrets_wrong(config->secret, config->secret_accepted) != NULL) {
        return tr_node_secrets_wrong(config->secret, config->secret_accepted);
    }
    if (config->lease_ttl_ms < TR_LEASE_TTL_MS_MIN) {
        return "the lease is shorter than 500 ms";
    }
    if (config->actors_max == 0 || config->actors_max >= 1u << TR_TABLE_SLOT_BITS) {
        return "actors_max is 1 to 16,777,215";
    }
    if (config->mailbox_messages == 0 || config->mailbox_messages > TR_MAILBOX_MESSAGES_MAX) {
        return "mailbox_messages is 1 to 1,000,000";
    }
    if (config->telemetry_sample == 0) {
        return "telemetry_sample is at least 1";
    }
    if (config->mailbox_bytes == 0 || config->call_timeout_ms == 0) {
        return "mailbox_bytes and call_timeout_ms are at least 1";
    }
    if (config->blocking_threads == 0 || config->blocking_threads > TR_BLOCKING_THREADS_MAX ||
        config->blocking_queue == 0 || config->blocking_queue > TR_BLOCKING_QUEUE_MAX) {
        return "blocking_threads is 1 to 256, blocking_queue 1 to 1,000,000";
    }
    if (config->send_queue_low_bytes == 0 ||
        config->send_queue_low_bytes > config->send_queue_high_bytes ||
        config->send_queue_high_bytes > config->send_queue_bytes) {
        return "send_queue_low_bytes is at least 1 and at most send_queue_high_bytes, that at most "
               "send_queue_bytes";
    }
    if (config->compression != TROUPE_COMPRESSION_OFF &&
        config->compression != TROUPE_COMPRESSION_ZSTD) {
        return "there is no such compression";
    }
    if (config->mailbox_policy < TROUPE_MAILBOX_REJECT ||
        config->mailbox_policy > TROUPE_MAILBOX_DROP_NEW) {
        return "there is no such mailbox policy";
    }
    return what_is_wrong_with_labels(config);
}

/* ---- ports of the scheduler ---- */

static troupe_status post(void *context, struct tr_message *message, bool *crowded)
{
    struct troupe_node *node = context;

    if (node->router != NULL) {
        return tr_router_post(node->router, message, crowded);
    }
    tr_sched_bounce(node->sched, NULL, message, TROUPE_E_NOCONNECTION, NULL);
    return TROUPE_E_NOCONNECTION;
}

static troupe_status send_value(void *context, struct tr_message *head, const void *value,
                                bool *crowded)
{
    struct troupe_node *node = context;

    return node->router == NULL ? TROUPE_E_NOCONNECTION
                                : tr_router_send_value(node->router, head, value, crowded);
}

/* Only what a router said was crowded is waited for. */
static void await(void *context, struct tr_message *await)
{
    struct troupe_node *node = context;

    tr_router_await(node->router, await);
}

static uint32_t watch(void *context, uint64_t node_id, uint64_t actor_id)
{
    struct troupe_node *node = context;

    return node->router == NULL ? 0 : tr_router_watch(node->router, node_id, actor_id);
}

static void unwatch(void *context, uint64_t node_id, uint64_t actor_id)
{
    struct troupe_node *node = context;

    if (node->router != NULL) {
        tr_router_unwatch(node->router, node_id, actor_id);
    }
}

/* Groups and names are given up first: whoever hears of the end does not find it there. */
static void ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    tr_node_groups_ended(context, actor);
    tr_names_ended(context, actor, reason_kind);
}

struct relation_news {
    struct troupe_node *node;
    struct tr_link_row row;
    bool made;
};

static void relation_on_loop(void *context)
{
    struct relation_news *news = context;
    const struct tr_registry_port *port = &news->node->registry->port;

    if (news->made) {
        port->link_add(port->context, &news->row);
    } else {
        port->link_remove(port->context, &news->row);
    }
    free(news);
}

static void relation(void *context, bool made, const struct tr_relation *relation, troupe_pid self)
{
    struct troupe_node *node = context;
    struct relation_news *news = node->loop == NULL ? NULL : malloc(sizeof(*news));

    if (news == NULL) {
        return; /* The table serves people; memory is what counts. */
    }
    const bool watching = relation->kind == TR_RELATION_WATCHING;

    *news =
        (struct relation_news){.node = node,
                               .made = made,
                               .row = {.kind = watching ? TR_LINK_ROW_MONITOR : TR_LINK_ROW_LINK,
                                       .a = self,
                                       .b = relation->pid,
                                       .ref = watching ? relation->ref : 0}};
    if (tr_loop_post(node->loop, relation_on_loop, news) != TROUPE_OK) {
        free(news);
    }
}

static void log_line(void *context, int32_t level, troupe_pid pid, const char *text)
{
    char printed[TROUPE_PID_TEXT_SIZE];

    tr_node_log(context, level, "%s %s", troupe_pid_print(pid, printed), text);
}

/* ---- start ---- */

static troupe_status make_sched(struct troupe_node *node)
{
    const struct tr_sched_options options = {
        .workers = node->config.workers != 0 ? node->config.workers : tr_thread_cores(),
        .actors_max = node->config.actors_max,
        .mailbox_messages = node->config.mailbox_messages,
        .mailbox_bytes = node->config.mailbox_bytes,
        .mailbox_policy = (uint32_t)node->config.mailbox_policy,
        .call_timeout_ms = node->config.call_timeout_ms,
        .blocking_threads = node->driver != NULL ? 0 : node->config.blocking_threads,
        .blocking_queue = node->config.blocking_queue,
        .seed = node->config.seed,
        .key = node->guard.key,
        .telemetry = node->config.telemetry,
        .telemetry_context = node->config.telemetry_context,
        .telemetry_events = node->config.telemetry == NULL ? 0 : node->config.telemetry_events,
        .telemetry_sample = node->config.telemetry_sample,
        .clock = node->driver != NULL ? node->driver->clock : &tr_clock_system,
        .played = node->driver != NULL,
        .outward = {.context = node,
                    .post = post,
                    .send_value = send_value,
                    .await = await,
                    .watch = watch,
                    .unwatch = unwatch,
                    .relation = relation,
                    .resolve = tr_names_resolve,
                    .stray = tr_names_stray,
                    .unnamed = tr_names_unnamed,
                    .ended = ended,
                    .checkpoint = tr_durable_checkpoint,
                    .committed = tr_durable_committed,
                    .inbox_handled = tr_durable_inbox_handled,
                    .inbox_failed = tr_durable_inbox_failed,
                    .traced = tr_trace_note,
                    .suspect = tr_guard_suspect,
                    .may_exit = tr_guard_may_exit,
                    .log = log_line},
        .owner = node};

    return tr_sched_create(&options, &node->sched);
}

static troupe_status copy_config(struct troupe_node *node, const troupe_config *config)
{
    node->config = *config;
    (void)snprintf(node->name, sizeof(node->name), "%s", config->name);
    (void)snprintf(node->listen_host, sizeof(node->listen_host), "%s", config->listen_host);
    tr_address_init(node, config->advertise_host);
    /* Found right before. */
    (void)tr_roles_read(config->roles, node->roles, sizeof(node->roles));
    (void)tr_metadata_read(config->metadata, node->metadata, sizeof(node->metadata));
    node->port = config->listen_port;
    if (config->seed == 0 && getrandom(&node->config.seed, sizeof(node->config.seed), 0) !=
                                 (ssize_t)sizeof(node->config.seed)) {
        return TROUPE_E_SYSTEM;
    }
    if (tr_guard_init(&node->guard, config) != TROUPE_OK) {
        return TROUPE_E_SYSTEM;
    }
    if (tr_node_secrets_start(node, config) != TROUPE_OK) {
        return TROUPE_E_NO_MEMORY;
    }
    /* What was lent for the call must not be looked at later. */
    node->config.name = node->name;
    node->config.listen_host = node->listen_host;
    node->config.advertise_host = node->advertise_host;
    node->config.roles = node->roles;
    node->config.metadata = node->metadata;
    node->config.secret = (troupe_bytes){0};
    node->config.secret_accepted = (troupe_bytes){0};
    node->config.tls_cert = NULL;
    node->config.tls_key = NULL;
    node->config.tls_ca = NULL;
    node->config.behaviors = NULL;
    return TROUPE_OK;
}

static void node_free(struct troupe_node *node)
{
    tr_sched_destroy(node->sched);
    tr_groups_destroy(node->groups);
    tr_traces_destroy(node->traces);
    tr_router_destroy(node->router);
    tr_places_free(node);
    if (node->registry != NULL) {
        troupe_registry_destroy(node->registry);
    }
    tr_loop_destroy(node->loop);
    tr_names_fini(node);
    tr_catalog_fini(node);
    tr_members_fini(node);
    tr_node_monitors_fini(node);
    tr_map_fini(&node->lookups);
    tr_adopt_fini(node);
    tr_cond_fini(&node->state_changed);
    tr_mutex_fini(&node->state_mutex);
    tr_mutex_fini(&node->catalog_mutex);
    tr_mutex_fini(&node->log_mutex);
    tr_node_tls_fini(node);
    tr_node_secrets_fini(node);
    free(node);
}

static troupe_status build(struct troupe_node *node, const troupe_config *config, char *error,
                           size_t error_size)
{
    troupe_status status = copy_config(node, config);

    if (status == TROUPE_OK) {
        status = tr_catalog_init(node);
    }
    if (status == TROUPE_OK) {
        status = tr_catalog_add(node, config->behaviors, error, error_size);
    }
    if (status == TROUPE_OK) {
        status = tr_node_groups_init(node);
    }
    if (status == TROUPE_OK) {
        status = tr_traces_create(&node->traces);
    }
    if (status == TROUPE_OK) {
        status = make_sched(node);
    }
    if (status == TROUPE_OK) {
        status = tr_agent_start(node);
    }
    if (status == TROUPE_OK && node->driver == NULL) {
        status = tr_sched_start(node->sched);
    }
    if (status == TROUPE_OK && node->registry != NULL) {
        status = tr_node_tls_start(node, config, error, error_size);
    }
    if (status == TROUPE_OK && node->registry != NULL) {
        status = tr_cluster_start(node, error, error_size);
    }
    if (status == TROUPE_OK && config->behaviors != NULL) {
        tr_catalog_publish(node);
    }
    return status;
}

troupe_status troupe_node_start(const troupe_config *config, troupe_node **out, char *error,
                                size_t error_size)
{
    return tr_node_start(config, NULL, out, error, error_size);
}

troupe_status tr_node_start(const troupe_config *config, const struct tr_driver *driver,
                            troupe_node **out, char *error, size_t error_size)
{
    char unread[256];
    char *words = error != NULL && error_size > 0 ? error : unread;
    const size_t words_size = words == error ? error_size : sizeof(unread);
    const char *wrong = what_is_wrong(config);

    words[0] = '\0';
    if (wrong != NULL) {
        (void)snprintf(words, words_size, "%s", wrong);
    }
    if (wrong != NULL || !tr_address_check(config, words, words_size)) {
        troupe_registry_destroy(config->registry);
        return TROUPE_E_INVALID;
    }
    struct troupe_node *node = calloc(1, sizeof(*node));

    if (node == NULL) {
        troupe_registry_destroy(config->registry);
        return TROUPE_E_NO_MEMORY;
    }
    node->driver = driver;
    node->registry = config->registry;
    tr_mutex_init(&node->log_mutex);
    tr_mutex_init(&node->catalog_mutex);
    tr_mutex_init(&node->state_mutex);
    tr_cond_init(&node->state_changed);
    (void)tr_names_init(node);
    tr_inbox_open(&node->strays);
    (void)tr_inbox_park(&node->strays);
    const troupe_status status = build(node, config, words, words_size);

    if (status != TROUPE_OK) {
        if (words[0] == '\0') {
            (void)snprintf(words, words_size, "%s", troupe_status_text(status));
        }
        tr_node_take_down(node, false, 0);
        return status;
    }
    *out = node;
    return TROUPE_OK;
}

/* ---- stop ---- */

void tr_node_take_down(struct troupe_node *node, bool leave, uint32_t timeout_ms)
{
    tr_clients_drain(node);
    tr_rpc_drain(node);
    tr_cluster_stop(node, leave, timeout_ms);
    if (node->sched != NULL) {
        tr_sched_stop(node->sched);
    }
    node_free(node);
}

void troupe_node_shutdown(troupe_node *node, uint32_t timeout_ms)
{
    const int64_t until =
        tr_clock_now(node->sched->options.clock) + (int64_t)timeout_ms * TR_NS_PER_MS;

    tr_mutex_lock(&node->state_mutex);
    const bool already = node->state == TR_NODE_STOPPING;

    node->state = TR_NODE_STOPPING;
    tr_cond_broadcast(&node->state_changed);
    tr_mutex_unlock(&node->state_mutex);
    if (already) {
        return;
    }
    if (node->router != NULL) {
        tr_router_release(node->router); /* Who is suspended is to end in order too. */
    }
    for (size_t i = node->modules_count; i-- > 0;) {
        if (node->module_entries[i]->stop != NULL) {
            node->module_entries[i]->stop(node);
        }
    }
    tr_cluster_drain(node, true);
    tr_node_end_actors(node, timeout_ms, TROUPE_REASON_SHUTDOWN);
    tr_node_end_blocking(node, until);
    tr_agent_close(node);
}

void troupe_node_stop(troupe_node *node, uint32_t timeout_ms)
{
    if (node != NULL) {
        troupe_node_shutdown(node, timeout_ms);
        tr_node_take_down(node, true, timeout_ms);
    }
}

void tr_node_wait(struct troupe_node *node, struct tr_cond *cond, struct tr_mutex *mutex,
                  int64_t timeout_ns)
{
    if (node->driver != NULL) {
        tr_mutex_unlock(mutex);
        node->driver->step(node->driver->context);
        tr_mutex_lock(mutex);
    } else if (timeout_ns < 0) {
        tr_cond_wait(cond, mutex);
    } else {
        (void)tr_cond_wait_for(cond, mutex, timeout_ns);
    }
}

/* ---- what it is ---- */

const char *troupe_node_name(const troupe_node *node)
{
    return node->name;
}

void troupe_node_get_info(troupe_node *node, troupe_node_info *info)
{
    const struct tr_sched *sched = node->sched;
    const int64_t deadline = (int64_t)tr_load_relaxed(&sched->lease_deadline_ns);
    const int64_t left = deadline - tr_clock_now(sched->options.clock);

    info->node_id = tr_sched_node_id(sched);
    tr_mutex_lock(&node->state_mutex);
    info->port = node->port;
    (void)snprintf(info->advertise_host, sizeof(info->advertise_host), "%s", node->advertise_host);
    tr_mutex_unlock(&node->state_mutex);
    info->actors = tr_node_user_actors(node);
    info->actors_started = tr_load_relaxed(&sched->table.started);
    info->messages_dropped = tr_load_relaxed(&sched->dropped);
    info->messages_unknown = tr_load_relaxed(&sched->unknown);
    info->runs_slow = tr_load_relaxed(&sched->slow);
    info->mailbox_overflows = tr_load_relaxed(&sched->overflows);
    info->signals_refused = tr_load_relaxed(&node->guard.refused);
    info->replies_late = tr_load_relaxed(&sched->late);
    info->senders_suspended = tr_load_relaxed(&sched->suspensions);
    info->senders_waiting = tr_load_relaxed(&sched->suspended);
    info->messages_compressed = 0;
    info->bytes_saved = 0;
    if (node->router != NULL) {
        tr_packer_counts(tr_router_packer(node->router), &info->messages_compressed,
                         &info->bytes_saved);
    }
    info->send_queue_bytes = node->router == NULL ? 0 : tr_router_queued(node->router);
    info->peers = node->router == NULL ? 0 : tr_router_peers_up(node->router);
    info->peers_refused = tr_load_relaxed(&node->refused);
    info->tls_expires = tr_node_tls_expires(node);
    info->lease_left_ms = node->registry == NULL || left <= 0 ? 0 : (uint64_t)(left / TR_NS_PER_MS);
}
