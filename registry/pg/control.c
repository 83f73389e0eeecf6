/* Joining, renewing the lease, and reading what happened to the members, in order. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "pg/node_registry.h"

enum {
    EVENTS_PER_READ = 1000,
    JOIN_PATIENCE_MS = 1500, /* for a killed process's session to be noticed by the server */
    JOIN_RETRY_MS = 50,
    RENEW_TIMEOUT_MIN_MS = 1000
};

/* Columns of sql/members.sql and sql/events_since.sql. */
enum { MEMBER_ID, MEMBER_NAME, MEMBER_HOST, MEMBER_PORT, MEMBER_EPOCH };
enum { EVENT_EPOCH, EVENT_KIND, EVENT_NODE, EVENT_NAME, EVENT_HOST, EVENT_PORT, EVENT_REASON };

static void read_members(struct node_registry *registry);
static void send_renew(struct node_registry *registry);

/* Sends a statement of the control connection; failing to send is an answer like others. */
static bool ask(struct node_registry *registry, enum reg_sql_statements_index statement,
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

/* ---- members and events ---- */

static void member_down(struct node_registry *registry, uint64_t node_id, const char *why)
{
    struct reg_member member;

    if (!reg_members_down(&registry->members, node_id, &member)) {
        return;
    }
    (void)reg_cache_drop_node(registry->cache, node_id);
    reg_evidence_forget(&registry->evidence, node_id);
    registry->join.events.on_member_down(registry->join.events.context, node_id, member.name, why);
    reg_member_fini(&member);
    reg_recovery_want(registry);
}

static void member_up(struct node_registry *registry, const struct tr_member *member)
{
    const troupe_status status = reg_members_up(&registry->members, member);

    if (status == TROUPE_OK) {
        registry->join.events.on_member_up(registry->join.events.context, member);
    } else if (status != TROUPE_E_EXISTS) {
        reg_log(registry, TROUPE_LOG_ERROR, "member %s cannot be noted: %s", member->name,
                troupe_status_text(status));
    }
}

/* Reads a row's node; false for a row that makes no sense. */
static bool get_member(const struct reg_result *result, int row, int first,
                       struct tr_member *member)
{
    uint64_t port = 0;

    member->name = reg_result_text(result, row, first + 1);
    member->host = reg_result_text(result, row, first + 2);
    if (!reg_result_u64(result, row, first, &member->node_id) || member->name == NULL ||
        member->host == NULL || !reg_result_u64(result, row, first + 3, &port) || port == 0 ||
        port > UINT16_MAX) {
        return false;
    }
    member->port = (uint16_t)port;
    return true;
}

/* Applies the whole list: the dead first, in the order of their ids. */
static bool apply_members(struct node_registry *registry, const struct reg_result *result)
{
    const int count = reg_result_count(result);
    const struct reg_member *gone = NULL;
    struct tr_member member;
    bool self = false;

    reg_members_mark_begin(&registry->members);
    for (int row = 0; row < count; row++) {
        if (get_member(result, row, MEMBER_ID, &member)) {
            self = self || member.node_id == registry->node_id;
            (void)reg_members_keep(&registry->members, member.node_id);
        }
    }
    if (!self) {
        reg_fence(registry, "this node is not among the members any more");
        return false;
    }
    gone = reg_members_unmarked(&registry->members);
    while (gone != NULL) {
        member_down(registry, gone->node_id, "gone");
        gone = reg_members_unmarked(&registry->members);
    }
    for (int row = 0; row < count; row++) {
        if (!get_member(result, row, MEMBER_ID, &member)) {
            reg_log(registry, TROUPE_LOG_ERROR, "row %d of the members makes no sense", row);
        } else if (member.node_id != registry->node_id) {
            member_up(registry, &member);
        }
    }
    return registry->phase == REG_PHASE_JOINED || registry->phase == REG_PHASE_LEAVING;
}

static void announce_join(struct node_registry *registry)
{
    registry->phase = REG_PHASE_JOINED;
    reg_log(registry, TROUPE_LOG_INFO, "joined as node %" PRIu64, registry->node_id);
    registry->join.events.on_joined(registry->join.events.context, registry->node_id,
                                    registry->cluster_id, registry->system_id);
}

static void on_members(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const bool first = registry->phase == REG_PHASE_JOINING;
    uint64_t epoch = 0;

    registry->reading_events = false;
    if (!reg_result_ok(result)) {
        return; /* the connection is broken, or the next renewal notices that we are behind */
    }
    if (!reg_result_u64(result, 0, MEMBER_EPOCH, &epoch)) {
        reg_fence(registry, "the database knows no members at all");
        return;
    }
    registry->members.cursor = epoch;
    if (first) {
        announce_join(registry);
        reg_lane_open(&registry->writer);
        reg_lane_open(&registry->reader);
    }
    if (!apply_members(registry, result)) {
        return;
    }
    registry->control_ready = true;
    if (first) {
        const struct reg_clock now = reg_clock_now(registry);

        registry->published_ns = reg_lease_deadline(&registry->lease, now);
        registry->join.events.on_lease(registry->join.events.context, registry->published_ns);
        reg_recovery_want(registry);
    }
    if (registry->read_again) {
        reg_control_read_events(registry);
    }
    reg_wake_at(registry, reg_now(registry));
}

static void read_members(struct node_registry *registry)
{
    registry->reading_events = ask(registry, REG_SQL_STATEMENTS_MEMBERS, NULL, on_members);
}

static void apply_event(struct node_registry *registry, const struct reg_result *result, int row)
{
    const char *kind = reg_result_text(result, row, EVENT_KIND);
    const char *reason = reg_result_text(result, row, EVENT_REASON);
    struct tr_member member;
    uint64_t node_id = 0;

    if (kind == NULL || !reg_result_u64(result, row, EVENT_NODE, &node_id)) {
        return; /* `timeline` has no node */
    }
    if (strcmp(kind, "node_down") == 0) {
        if (node_id == registry->node_id) {
            reg_fence(registry, reason == NULL ? "declared dead" : reason);
        } else {
            member_down(registry, node_id, reason == NULL ? "" : reason);
        }
    } else if (strcmp(kind, "node_up") == 0 && node_id != registry->node_id &&
               get_member(result, row, EVENT_NODE, &member)) {
        member_up(registry, &member);
    }
}

static void on_events(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const int count = reg_result_count(result);
    const bool again = registry->read_again;

    registry->reading_events = false;
    registry->read_again = false;
    if (!reg_result_ok(result)) {
        return;
    }
    for (int row = 0; row < count; row++) {
        uint64_t epoch = 0;

        if (!reg_result_u64(result, row, EVENT_EPOCH, &epoch) ||
            epoch != registry->members.cursor + 1) {
            reg_log(registry, TROUPE_LOG_INFO, "events are missing: reading all members");
            read_members(registry);
            return;
        }
        registry->members.cursor = epoch;
        apply_event(registry, result, row);
        if (!reg_is_joined(registry)) {
            return; /* fenced by its own death */
        }
    }
    if (count == EVENTS_PER_READ || again) {
        reg_control_read_events(registry);
    }
}

void reg_control_read_events(struct node_registry *registry)
{
    struct reg_params params;

    if (!reg_is_joined(registry) || !reg_connection_is_up(registry->control)) {
        return;
    }
    if (registry->reading_events) {
        registry->read_again = true;
        return;
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->members.cursor);
    reg_params_i64(&params, EVENTS_PER_READ);
    registry->reading_events = ask(registry, REG_SQL_STATEMENTS_EVENTS_SINCE, &params, on_events);
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
    if (!ask(registry, REG_SQL_STATEMENTS_NODE_REINSTATE, &params, on_reinstated)) {
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

    if (registry->join_give_up_ns == 0) {
        registry->join_give_up_ns = now_ns + JOIN_PATIENCE_MS * REG_MS;
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
    reg_lease_renewed(&registry->lease);
    reg_name_connection(registry, registry->control);
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    if (ask(registry, REG_SQL_STATEMENTS_SESSION, &params, on_session)) {
        read_members(registry);
    }
}

void reg_control_join(struct node_registry *registry)
{
    const struct tr_registry_join *join = &registry->join;
    struct reg_params params;

    registry->join_retry_ns = 0;
    reg_params_init(&params);
    reg_params_text(&params, join->name);
    reg_params_text(&params, join->host);
    reg_params_u64(&params, join->port);
    reg_params_uuid(&params, registry->boot);
    reg_params_u64(&params, join->ttl_ms);
    reg_params_text(&params, join->roles);
    reg_params_text(&params, join->version);
    reg_lease_sent(&registry->lease, reg_clock_now(registry));
    (void)ask(registry, REG_SQL_STATEMENTS_NODE_JOIN, &params, on_join);
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
        read_members(registry); /* joined, but the connection broke before we knew with whom */
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
    (void)ask(registry, REG_SQL_STATEMENTS_LISTEN_EVENT, NULL, on_listen);
    (void)ask(registry, REG_SQL_STATEMENTS_LISTEN_INBOX, NULL, on_listen);
    (void)ask(registry, REG_SQL_STATEMENTS_LISTENING, NULL, on_listening);
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

    (void)sqlstate;
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

    registry->draining = !reg_result_ok(result); /* asked again at the next tick */
}

void reg_control_drain(struct node_registry *registry)
{
    struct reg_params params;

    registry->draining = true;
    if (!registry->control_ready) {
        return;
    }
    add_self(registry, &params);
    registry->draining = !ask(registry, REG_SQL_STATEMENTS_NODE_DRAIN, &params, on_drained);
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
    registry->leave_sent = ask(registry, REG_SQL_STATEMENTS_NODE_LEAVE, &params, on_left);
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
        send_renew(registry);
    }
    if (registry->draining) {
        reg_control_drain(registry);
    }
    return registry->lease.next_ns;
}
