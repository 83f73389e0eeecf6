/* Joining, renewing the lease, leaving, and the connection that all of membership uses. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/parts.h"
#include "pg/refusal.h"

enum {
    JOIN_PATIENCE_MS = 1500, /* for a killed process's session to be noticed by the server */
    JOIN_RETRY_MS = 50,
    RENEW_TIMEOUT_MIN_MS = 1000
};

/* Sends a statement of the control connection; failing to send is an answer like others. */
bool reg_control_ask(struct node_registry *registry, enum reg_sql_statements_index statement,
                     struct reg_params *params, reg_query_done done)
{
    const troupe_status status = reg_connection_query(registry->control, reg_sql(statement), params,
                                                      REG_STATEMENT_TIMEOUT_MS, done, registry);

    if (status == TROUPE_E_NO_MEMORY || status == TROUPE_E_LIMIT) {
        reg_connection_fail(registry->control, troupe_status_text(status));
    }
    return status == TROUPE_OK;
}

static void add_self(struct node_registry *registry, struct reg_params *params)
{
    reg_params_init(params);
    reg_params_u64(params, registry->node_id);
    reg_params_uuid(params, registry->boot);
}

/* ---- the lease ---- */

static void lease_granted(struct node_registry *registry)
{
    reg_lease_renewed(&registry->lease);
    registry->published_ns = reg_lease_deadline(&registry->lease, reg_clock_now(registry));
    registry->join.events.on_lease(registry->join.events.context, registry->published_ns);
}

/* Reads what happened up to this epoch, if anything did. */
static void catch_up(struct node_registry *registry, uint64_t epoch)
{
    if (epoch > registry->members.cursor) {
        reg_control_read_events(registry);
    }
}

static void on_reinstated(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    uint64_t epoch = 0;

    if (!reg_is_joined(registry)) {
        return;
    }
    if (!reg_result_ok(result)) {
        reg_lease_failed(&registry->lease, reg_now(registry));
    } else if (!reg_result_u64(result, 0, 0, &epoch)) {
        reg_fence(registry, "declared dead");
        return;
    } else {
        reg_log(registry, TROUPE_LOG_INFO, "the database had lost the lease: it is back");
        lease_granted(registry);
        catch_up(registry, epoch);
    }
    reg_wake_at(registry, registry->lease.next_ns);
}

static void send_reinstate(struct node_registry *registry)
{
    struct reg_params params;

    add_self(registry, &params);
    reg_lease_sent(&registry->lease, reg_clock_now(registry));
    if (!reg_control_ask(registry, REG_SQL_STATEMENTS_NODE_REINSTATE, &params, on_reinstated)) {
        reg_lease_failed(&registry->lease, reg_now(registry));
    }
}

static void on_renewed(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    uint64_t epoch = 0;
    int64_t expires_in_ms = 0;
    bool inbox_waiting = false;

    if (!reg_is_joined(registry)) {
        return;
    }
    if (!reg_result_ok(result)) {
        reg_lease_failed(&registry->lease, reg_now(registry));
    } else if (!reg_result_u64(result, 0, 0, &epoch)) {
        send_reinstate(registry); /* no lease row: dead, or the server has lost it */
    } else {
        lease_granted(registry);
        catch_up(registry, epoch);
        if (reg_result_bool(result, 0, 1, &inbox_waiting) && inbox_waiting) {
            registry->inbox_poll = true;
            reg_reader_pump(registry);
        }
        if (reg_result_i64(result, 0, 2, &expires_in_ms)) {
            reg_death_expires_in(registry, expires_in_ms);
        }
    }
    reg_wake_at(registry, registry->lease.next_ns);
}

static void send_renew(struct node_registry *registry)
{
    const uint32_t half_ms = registry->join.ttl_ms / 2;
    struct reg_params params;

    add_self(registry, &params);
    reg_lease_sent(&registry->lease, reg_clock_now(registry));
    if (reg_connection_query(registry->control, reg_sql(REG_SQL_STATEMENTS_NODE_RENEW), &params,
                             half_ms > RENEW_TIMEOUT_MIN_MS ? half_ms : RENEW_TIMEOUT_MIN_MS,
                             on_renewed, registry) != TROUPE_OK) {
        reg_lease_failed(&registry->lease, reg_now(registry));
    }
}

/* ---- joining ---- */

static void on_session(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    bool held = false;

    if (reg_result_ok(result) && (!reg_result_bool(result, 0, 1, &held) || !held)) {
        reg_log(registry, TROUPE_LOG_WARNING, "the session lock of this node was not granted");
        reg_connection_fail(registry->control, "no session lock");
    }
}

/* Fails the join, unless the reason may go away by itself within moments. */
static void join_refused(struct node_registry *registry, const char *why)
{
    const int64_t now_ns = reg_now(registry);
    /* After a crash of everything the old node of this name has a whole lease to come back. */
    const bool waiting_helps = strstr(why, "may still come back") != NULL;
    const int64_t patience_ms =
        JOIN_PATIENCE_MS + (waiting_helps ? 2 * (int64_t)registry->join.ttl_ms : 0);

    if (registry->join_give_up_ns == 0) {
        registry->join_give_up_ns = now_ns + patience_ms * REG_MS;
    }
    if (now_ns < registry->join_give_up_ns) {
        registry->join_retry_ns = now_ns + JOIN_RETRY_MS * REG_MS;
        reg_wake_at(registry, registry->join_retry_ns);
        return;
    }
    reg_fail_join(registry, TROUPE_E_EXISTS, why);
}

static void on_join(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const char *refused = reg_result_text(result, 0, 2);
    struct reg_params params;

    if (registry->phase != REG_PHASE_JOINING) {
        return;
    }
    if (result->status == TROUPE_E_INVALID || result->status == TROUPE_E_DENIED) {
        reg_fail_join(registry, result->status, result->text);
        return;
    }
    if (!reg_result_ok(result)) {
        reg_connection_fail(registry->control, result->text);
        return;
    }
    if (refused != NULL) {
        join_refused(registry, refused);
        return;
    }
    if (!reg_result_u64(result, 0, 0, &registry->node_id)) {
        reg_fail_join(registry, TROUPE_E_SCHEMA, "troupe.node_join() gave no node id");
        return;
    }
    registry->was_member = true;
    reg_lease_renewed(&registry->lease);
    reg_name_connection(registry, registry->control);
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    if (reg_control_ask(registry, REG_SQL_STATEMENTS_SESSION, &params, on_session)) {
        reg_control_read_members(registry);
    }
}

static const char *host_to_advertise(const struct node_registry *registry)
{
    const struct tr_registry_join *join = &registry->join;
    char local[TR_ADDRESS_TEXT_SIZE];

    if (join->events.on_reached == NULL) {
        return join->host;
    }
    reg_connection_local_host(registry->control, local);
    return join->events.on_reached(join->events.context, local);
}

void reg_control_join(struct node_registry *registry)
{
    const struct tr_registry_join *join = &registry->join;
    struct reg_params params;

    registry->join_retry_ns = 0;
    reg_params_init(&params);
    reg_params_text(&params, join->name);
    reg_params_text(&params, host_to_advertise(registry));
    reg_params_u64(&params, join->port);
    reg_params_uuid(&params, registry->boot);
    reg_params_u64(&params, join->ttl_ms);
    reg_params_text(&params, join->roles);
    reg_params_text(&params, join->version);
    reg_params_text(&params, join->metadata);
    reg_lease_sent(&registry->lease, reg_clock_now(registry));
    (void)reg_control_ask(registry, REG_SQL_STATEMENTS_NODE_JOIN, &params, on_join);
}

/* ---- the connection ---- */

static void on_listening(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    int64_t server_pid = 0;
    int64_t channels = 0;

    if (!reg_result_ok(result)) {
        return;
    }
    if (!reg_result_i64(result, 0, 0, &server_pid) || !reg_result_i64(result, 0, 1, &channels) ||
        server_pid != registry->server_pid || channels != 2) {
        reg_fail_join(registry, TROUPE_E_INVALID,
                      "the session changes between statements: this looks like a pooler in "
                      "transaction mode (pgbouncer), through which LISTEN and session locks do not "
                      "work; connect to PostgreSQL itself, or pool by session");
        reg_connection_fail(registry->control, "a transaction pooler is in between");
        return;
    }
    registry->listening = true;
    if (registry->phase == REG_PHASE_JOINING && registry->node_id == 0) {
        reg_control_join(registry);
    } else if (registry->phase == REG_PHASE_JOINING) {
        reg_control_read_members(
            registry); /* joined, but the connection broke before we knew with whom */
    } else if (reg_is_joined(registry)) {
        registry->control_ready = true;
        reg_control_read_events(registry);
        send_renew(registry);
        reg_recovery_want(registry);
    }
}

static void on_listen(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    if (!reg_result_ok(result)) {
        reg_log(registry, TROUPE_LOG_WARNING, "LISTEN failed: %s", result->text);
        reg_connection_fail(registry->control, result->text);
    }
}

static bool is_for_good(troupe_status status)
{
    return status == TROUPE_E_SCHEMA || status == TROUPE_E_INVALID || status == TROUPE_E_DENIED;
}

static void on_greeted(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    char words[512] = "";
    const troupe_status status = reg_greeting_judge(registry, result, words, sizeof(words));

    registry->health.greeted = status;
    if (status == TROUPE_E_FENCED) {
        reg_fence(registry, words);
        return;
    }
    if (status != TROUPE_OK) {
        if (is_for_good(status) && registry->phase == REG_PHASE_JOINING) {
            reg_fail_join(registry, status, words);
        } else {
            reg_log(registry, TROUPE_LOG_ERROR, "the database cannot be used: %s", words);
            reg_connection_fail(registry->control, words);
        }
        return;
    }
    if (!reg_result_i64(result, 0, 5, &registry->server_pid)) {
        registry->server_pid = 0;
    }
    /* First LISTEN, then read: what happens in between is then seen at least once. */
    (void)reg_control_ask(registry, REG_SQL_STATEMENTS_LISTEN_EVENT, NULL, on_listen);
    (void)reg_control_ask(registry, REG_SQL_STATEMENTS_LISTEN_INBOX, NULL, on_listen);
    (void)reg_control_ask(registry, REG_SQL_STATEMENTS_LISTENING, NULL, on_listening);
}

static void on_up(void *context)
{
    struct node_registry *registry = context;

    registry->last_refusal[0] = '\0';
    if (reg_greet(registry, registry->control, on_greeted, registry) != TROUPE_OK) {
        reg_connection_fail(registry->control, "out of memory");
    }
}

static void on_down(void *context, const char *text)
{
    struct node_registry *registry = context;

    registry->control_ready = false;
    registry->listening = false;
    registry->reading_events = false;
    registry->read_again = false;
    registry->scanning = false;
    registry->health.reconnects++;
    reg_log(registry, TROUPE_LOG_WARNING, "the control connection to the database was lost: %s",
            text);
}

static void on_refused(void *context, const char *sqlstate, const char *text)
{
    struct node_registry *registry = context;
    const troupe_status status = reg_refusal_status(sqlstate);

    /* What is wrong at the start stays wrong until somebody changes the settings. Later, it may be
     * the server's settings that are wrong for a while. */
    if (status != TROUPE_E_REGISTRY && registry->phase == REG_PHASE_JOINING &&
        !registry->was_member) {
        reg_fail_join(registry, status, text);
        return;
    }
    /* Tries repeat every few seconds during an outage; people hear of each reason once. */
    if (strncmp(registry->last_refusal, text, sizeof(registry->last_refusal) - 1) != 0) {
        (void)snprintf(registry->last_refusal, sizeof(registry->last_refusal), "%s", text);
        reg_log(registry, TROUPE_LOG_WARNING, "no connection to the database: %s", text);
    }
}

static void on_notify(void *context, const char *channel, const char *payload)
{
    struct node_registry *registry = context;
    char own[24];

    if (strcmp(channel, "troupe_inbox") != 0) {
        reg_control_read_events(registry);
        return;
    }
    (void)snprintf(own, sizeof(own), "%" PRIu64, registry->node_id);
    if (strcmp(payload, own) == 0 && reg_is_joined(registry)) {
        registry->inbox_poll = true;
        reg_reader_pump(registry);
    }
}

troupe_status reg_control_create(struct node_registry *registry)
{
    const struct reg_connection_events events = {
        .context = registry,
        .on_up = on_up,
        .on_down = on_down,
        .on_refused = on_refused,
        .on_notify = on_notify,
    };

    return reg_connection_create(registry->loop, registry->conninfo, tr_rng_next(&registry->rng),
                                 &events, &registry->control);
}

/* ---- ends ---- */

static void on_drained(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    registry->drain_due = registry->drain_due || !reg_result_ok(result); /* at the next tick */
}

void reg_control_drain(struct node_registry *registry, bool drain)
{
    struct reg_params params;

    registry->drains = drain;
    registry->drain_due = true;
    if (!registry->control_ready) {
        return;
    }
    add_self(registry, &params);
    reg_params_bool(&params, drain);
    registry->drain_due =
        !reg_control_ask(registry, REG_SQL_STATEMENTS_NODE_DRAIN, &params, on_drained);
}

static void on_metadata(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    registry->metadata_due = registry->metadata_due || !reg_result_ok(result);
}

static void write_metadata(struct node_registry *registry)
{
    struct reg_params params;

    registry->metadata_due = true;
    if (!registry->control_ready) {
        return;
    }
    add_self(registry, &params);
    reg_params_text(&params, registry->join.metadata);
    registry->metadata_due =
        !reg_control_ask(registry, REG_SQL_STATEMENTS_NODE_SET_METADATA, &params, on_metadata);
}

void reg_control_set_metadata(struct node_registry *registry, const char *metadata)
{
    char *copy = strdup(metadata);

    if (copy == NULL) {
        reg_log(registry, TROUPE_LOG_ERROR, "out of memory: the row keeps the metadata it has");
        return;
    }
    free((void *)(uintptr_t)registry->join.metadata); /* a copy, like this one */
    registry->join.metadata = copy;
    write_metadata(registry);
}

static void on_left(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    if (!reg_result_ok(result)) {
        reg_log(registry, TROUPE_LOG_WARNING, "could not leave: %s", result->text);
    }
    registry->stop_ns = reg_now(registry); /* the rest of the end needs no more patience */
    reg_wake_at(registry, registry->stop_ns);
}

void reg_control_leave(struct node_registry *registry)
{
    struct reg_params params;

    if (registry->leave_sent || !registry->control_ready) {
        return;
    }
    add_self(registry, &params);
    registry->leave_sent =
        reg_control_ask(registry, REG_SQL_STATEMENTS_NODE_LEAVE, &params, on_left);
}

/* Tells of a deadline that came nearer because the machine was suspended. */
static void check_suspension(struct node_registry *registry)
{
    const int64_t deadline_ns = reg_lease_deadline(&registry->lease, reg_clock_now(registry));

    if (deadline_ns < registry->published_ns - 50 * REG_MS) {
        registry->published_ns = deadline_ns;
        registry->join.events.on_lease(registry->join.events.context, deadline_ns);
    }
}

int64_t reg_control_tick(struct node_registry *registry, int64_t now_ns)
{
    if (registry->phase == REG_PHASE_JOINING && registry->join_retry_ns != 0) {
        if (now_ns < registry->join_retry_ns) {
            return registry->join_retry_ns;
        }
        reg_control_join(registry);
    }
    if (!reg_is_joined(registry)) {
        return INT64_MAX;
    }
    check_suspension(registry);
    if (!registry->control_ready) {
        return INT64_MAX;
    }
    if (reg_lease_due(&registry->lease, now_ns)) {
        /* After a pause beyond the lease the truth is in the events: they are read first. */
        if (reg_lease_expired(&registry->lease, reg_clock_now(registry))) {
            reg_control_read_events(registry);
        }
        if (registry->members_missed && !registry->reading_events) {
            reg_control_read_members(registry);
        }
        send_renew(registry);
    }
    if (registry->drain_due) {
        reg_control_drain(registry, registry->drains);
    }
    if (registry->metadata_due) {
        write_metadata(registry);
    }
    return registry->lease.next_ns;
}
