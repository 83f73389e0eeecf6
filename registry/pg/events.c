/* The members as the database orders them: the full list, and the events after it. */
#include <inttypes.h>
#include <string.h>

#include "base/host.h"
#include "pg/parts.h"

enum { EVENTS_PER_READ = 1000 };

/* Columns of sql/members.sql and sql/events_since.sql. */
enum {
    MEMBER_ID,
    MEMBER_NAME,
    MEMBER_HOST,
    MEMBER_PORT,
    MEMBER_EPOCH,
    MEMBER_DRAINING,
    MEMBER_ROLES
};
enum {
    EVENT_EPOCH,
    EVENT_KIND,
    EVENT_NODE,
    EVENT_NAME,
    EVENT_HOST,
    EVENT_PORT,
    EVENT_REASON,
    EVENT_ROLES
};

/* Columns of sql/policies.sql. */
enum { POLICY_ROLE, POLICY_SPAWN };

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
    troupe_status status = reg_members_up(&registry->members, member);

    if (status == TROUPE_OK) {
        const bool told = registry->join.events.on_member_up(registry->join.events.context, member);

        reg_members_told(&registry->members, member->node_id, told);
        status = told ? TROUPE_OK : TROUPE_E_NO_MEMORY;
    }
    if (status != TROUPE_OK && status != TROUPE_E_EXISTS) {
        reg_log(registry, TROUPE_LOG_ERROR, "member %s cannot be noted: %s", member->name,
                troupe_status_text(status));
        registry->members_missed = true; /* Told again at the next poll. */
    }
}

/* Reads a row's node, whose columns begin at first, and its roles and what follows at labels; false
 * for a row that makes no sense. */
static bool get_member(const struct reg_result *result, int row, int first, int labels,
                       struct tr_member *member)
{
    uint64_t port = 0;

    *member = (struct tr_member){.roles = reg_result_text(result, row, labels),
                                 .metadata = reg_result_text(result, row, labels + 1)};
    (void)reg_result_i64(result, row, labels + 2, &member->since_ms);
    member->name = reg_result_text(result, row, first + 1);
    member->host = reg_result_text(result, row, first + 2);
    if (!reg_result_u64(result, row, first, &member->node_id) || member->name == NULL ||
        member->host == NULL || !reg_result_u64(result, row, first + 3, &port) ||
        port > UINT16_MAX || !tr_address_is_good(member->host, (uint16_t)port)) {
        return false;
    }
    member->port = (uint16_t)port;
    return true;
}

static void member_draining(struct node_registry *registry, uint64_t node_id, bool draining)
{
    if (registry->join.events.on_member_draining != NULL) {
        registry->join.events.on_member_draining(registry->join.events.context, node_id, draining);
    }
}

static void member_metadata(struct node_registry *registry, const struct tr_member *member)
{
    if (registry->join.events.on_member_metadata != NULL) {
        registry->join.events.on_member_metadata(registry->join.events.context, member->node_id,
                                                 member->metadata == NULL ? "" : member->metadata);
    }
}

/* What the list says of one that lives. */
static void apply_member(struct node_registry *registry, const struct reg_result *result, int row)
{
    struct tr_member member;
    bool draining = false;

    if (!get_member(result, row, MEMBER_ID, MEMBER_ROLES, &member)) {
        reg_log(registry, TROUPE_LOG_ERROR, "row %d of the members makes no sense", row);
        return;
    }
    if (member.node_id != registry->node_id) {
        member_up(registry, &member);
        member_metadata(registry, &member); /* One that was known may have changed it. */
    } else if (registry->join.events.on_member_self != NULL) {
        registry->join.events.on_member_self(registry->join.events.context, &member);
    }
    if (reg_result_bool(result, row, MEMBER_DRAINING, &draining)) {
        member_draining(registry, member.node_id, draining);
    }
}

/* Applies the whole list: the dead first, in the order of their ids. */
static bool apply_members(struct node_registry *registry, const struct reg_result *result)
{
    const int count = reg_result_count(result);
    const struct reg_member *gone = NULL;
    struct tr_member member;
    bool self = false;

    registry->members_missed = false;
    reg_members_mark_begin(&registry->members);
    for (int row = 0; row < count; row++) {
        if (get_member(result, row, MEMBER_ID, MEMBER_ROLES, &member)) {
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
        apply_member(registry, result, row);
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

static uint32_t get_verbs(const struct reg_result *result, int row)
{
    uint32_t verbs = 0;

    for (int i = 0; i < 3; i++) {
        bool may = false;

        if (reg_result_bool(result, row, POLICY_SPAWN + i, &may) && may) {
            verbs |= 1U << (unsigned)i; /* as in enum tr_may */
        }
    }
    return verbs;
}

/* A role without a row may do nothing. */
static void on_policies(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const struct tr_registry_events *events = &registry->join.events;
    struct tr_policy policy = {0};

    for (int row = 0; reg_result_ok(result) && row < reg_result_count(result); row++) {
        const char *role = reg_result_text(result, row, POLICY_ROLE);
        const uint32_t verbs = get_verbs(result, row);

        if (role != NULL && strcmp(role, "node") == 0) {
            policy.node = verbs;
        } else if (role != NULL && strcmp(role, "client") == 0) {
            policy.client = verbs;
        }
    }
    if (reg_result_ok(result) && events->on_policy != NULL) {
        events->on_policy(events->context, &policy);
    }
}

static void read_policies(struct node_registry *registry)
{
    (void)reg_control_ask(registry, REG_SQL_STATEMENTS_POLICIES, NULL, on_policies);
}

void reg_control_read_members(struct node_registry *registry)
{
    read_policies(registry);
    registry->reading_events =
        reg_control_ask(registry, REG_SQL_STATEMENTS_MEMBERS, NULL, on_members);
}

static void apply_event(struct node_registry *registry, const struct reg_result *result, int row)
{
    const char *kind = reg_result_text(result, row, EVENT_KIND);
    const char *reason = reg_result_text(result, row, EVENT_REASON);
    struct tr_member member;
    uint64_t node_id = 0;

    if (kind != NULL && strcmp(kind, "policy") == 0) {
        read_policies(registry);
        return;
    }
    if (kind == NULL || !reg_result_u64(result, row, EVENT_NODE, &node_id)) {
        return; /* `timeline` has no node */
    }
    if (strcmp(kind, "node_down") == 0) {
        if (node_id == registry->node_id && registry->leave_sent) {
            return; /* as we asked for */
        }
        if (node_id == registry->node_id) {
            reg_fence(registry, reason == NULL ? "declared dead" : reason);
        } else {
            member_down(registry, node_id, reason == NULL ? "" : reason);
        }
    } else if (strcmp(kind, "node_up") == 0 && node_id != registry->node_id &&
               get_member(result, row, EVENT_NODE, EVENT_ROLES, &member)) {
        member_up(registry, &member);
    } else if (strcmp(kind, "node_draining") == 0 || strcmp(kind, "node_undrained") == 0) {
        member_draining(registry, node_id, strcmp(kind, "node_draining") == 0);
    } else if (strcmp(kind, "node_metadata") == 0 && node_id != registry->node_id &&
               get_member(result, row, EVENT_NODE, EVENT_ROLES, &member)) {
        member_metadata(registry, &member);
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
            reg_control_read_members(registry);
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
    registry->reading_events =
        reg_control_ask(registry, REG_SQL_STATEMENTS_EVENTS_SINCE, &params, on_events);
}
