/* Accusing members: those that cannot be reached, and those whose lease ran out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pg/parts.h"

enum {
    SCAN_MARGIN_MS = 5,  /* after the lease has run out, so that the first look finds it so */
    SCAN_STAGGER_MS = 15 /* between the members' looks; the first one wins, the rest need not ask */
};

struct accusation {
    struct node_registry *registry;
    uint64_t node_id;
    bool by_evidence; /* else by lease */
};

struct refusal {
    const char *text;
    enum reg_verdict verdict;
};

/* What the functions in migrations/0001_core.sql answer. */
static const struct refusal refusals[] = {
    {"already down", REG_VERDICT_DEAD},
    {"no such node", REG_VERDICT_DEAD},
    {"a node cannot accuse itself", REG_VERDICT_DEAD},
    {"session alive", REG_VERDICT_ALIVE},
    {"session not seen", REG_VERDICT_ALIVE},
    {"lease valid", REG_VERDICT_ALIVE},
    {"grace granted", REG_VERDICT_ALIVE},
    {"no lease row", REG_VERDICT_ALIVE},
    {"first look", REG_VERDICT_FIRST_LOOK},
    {"in grace", REG_VERDICT_FIRST_LOOK},
};

static enum reg_verdict judge(const struct reg_result *result)
{
    const char *refused = reg_result_text(result, 0, 1);

    if (!reg_result_ok(result)) {
        return REG_VERDICT_NOT_ALLOWED;
    }
    if (refused == NULL) {
        return reg_result_is_null(result, 0, 0) ? REG_VERDICT_NOT_ALLOWED : REG_VERDICT_DEAD;
    }
    for (size_t index = 0; index < sizeof(refusals) / sizeof(refusals[0]); index++) {
        if (strcmp(refused, refusals[index].text) == 0) {
            return refusals[index].verdict;
        }
    }
    return REG_VERDICT_NOT_ALLOWED;
}

static void scan_at(struct node_registry *registry, int64_t at_ns)
{
    if (at_ns < registry->scan_ns) {
        registry->scan_ns = at_ns;
        reg_wake_at(registry, at_ns);
    }
}

static void on_accused(void *context, const struct reg_result *result)
{
    struct accusation *accusation = context;
    struct node_registry *registry = accusation->registry;
    const int64_t now_ns = reg_now(registry);
    const enum reg_verdict verdict = judge(result);

    if (accusation->by_evidence) {
        reg_evidence_answer(&registry->evidence, accusation->node_id, verdict, now_ns);
        reg_wake_at(registry, reg_evidence_next(&registry->evidence));
    } else if (verdict == REG_VERDICT_NOT_ALLOWED) {
        scan_at(registry, now_ns + registry->lease.ttl_ns / 4);
    }
    if (verdict == REG_VERDICT_DEAD) {
        reg_control_read_events(registry); /* no need to wait for the notification */
    }
    free(accusation);
}

static bool accuse(struct node_registry *registry, uint64_t node_id, bool by_evidence,
                   enum reg_sql_statements_index statement)
{
    struct accusation *accusation = malloc(sizeof(*accusation));
    struct reg_params params;

    if (accusation == NULL) {
        return false;
    }
    *accusation = (struct accusation){registry, node_id, by_evidence};
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_u64(&params, node_id);
    if (statement == REG_SQL_STATEMENTS_NODE_DECLARE_LOST) {
        reg_params_u64(&params, REG_LOST_GRACE_MS);
    }
    if (reg_connection_query(registry->control, reg_sql(statement), &params,
                             REG_STATEMENT_TIMEOUT_MS, on_accused, accusation) != TROUPE_OK) {
        free(accusation);
        return false;
    }
    return true;
}

/* ---- unreachable members ---- */

void reg_death_unreachable(struct node_registry *registry, uint64_t node_id, bool refused)
{
    if (!reg_is_joined(registry) || reg_members_find(&registry->members, node_id) == NULL) {
        return; /* dead already, or never ours */
    }
    if (!reg_evidence_report(&registry->evidence, node_id, refused, reg_now(registry))) {
        reg_log(registry, TROUPE_LOG_WARNING,
                "more than %d members are unreachable at once: node %" PRIu64
                " is left to its lease",
                REG_SUSPECTS_MAX, node_id);
    }
    reg_wake_at(registry, reg_evidence_next(&registry->evidence));
}

static void take_evidence(struct node_registry *registry, int64_t now_ns)
{
    struct reg_look look;

    while (reg_evidence_take(&registry->evidence, now_ns, &look)) {
        const enum reg_sql_statements_index statement = look.kind == REG_LOOK_GONE
                                                            ? REG_SQL_STATEMENTS_NODE_DECLARE_GONE
                                                            : REG_SQL_STATEMENTS_NODE_DECLARE_LOST;

        if (!accuse(registry, look.node_id, true, statement)) {
            reg_evidence_answer(&registry->evidence, look.node_id, REG_VERDICT_NOT_ALLOWED, now_ns);
            return;
        }
    }
}

/* ---- leases that ran out ---- */

void reg_death_expires_in(struct node_registry *registry, int64_t expires_in_ms)
{
    const size_t rank = reg_members_rank(&registry->members, registry->node_id);
    const int64_t stagger_ms = (int64_t)(rank % 16) * SCAN_STAGGER_MS;
    const int64_t at_ns =
        reg_now(registry) + (expires_in_ms + SCAN_MARGIN_MS + stagger_ms) * REG_MS;

    /* Whoever is alive renews long before that, and our next renewal tells a later time. */
    registry->scan_ns = INT64_MAX;
    if (at_ns < registry->lease.next_ns) {
        scan_at(registry, at_ns);
    }
}

static void on_expired(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const int count = reg_result_count(result);

    registry->scanning = false;
    if (!reg_is_joined(registry) || !reg_result_ok(result)) {
        return; /* the next renewal tells again */
    }
    for (int row = 0; row < count; row++) {
        uint64_t node_id = 0;

        if (reg_result_u64(result, row, 0, &node_id) && node_id != registry->node_id) {
            (void)accuse(registry, node_id, false, REG_SQL_STATEMENTS_NODE_DECLARE_EXPIRED);
        }
    }
}

static void scan(struct node_registry *registry)
{
    registry->scan_ns = INT64_MAX;
    registry->scanning =
        reg_connection_query(registry->control, reg_sql(REG_SQL_STATEMENTS_MEMBERS_EXPIRED), NULL,
                             REG_STATEMENT_TIMEOUT_MS, on_expired, registry) == TROUPE_OK;
}

int64_t reg_death_tick(struct node_registry *registry, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;

    if (!reg_is_joined(registry) || !registry->control_ready) {
        return INT64_MAX;
    }
    /* Who has just woken from a long pause must not accuse others of its own silence. */
    if (reg_lease_expired(&registry->lease, reg_clock_now(registry))) {
        return INT64_MAX;
    }
    take_evidence(registry, now_ns);
    if (now_ns >= registry->scan_ns && !registry->scanning) {
        scan(registry);
    }
    next_ns = reg_evidence_next(&registry->evidence);
    return registry->scan_ns < next_ns ? registry->scan_ns : next_ns;
}
