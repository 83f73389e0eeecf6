/* Orphans: durable names of dead nodes, claimed by the survivors that know their behavior.
 *
 *     orphans -> for each dead node: plan -> first pass (our share) -> wait -> second pass (the
 * rest) each claimed batch: load -> on_orphan per name
 *
 * Every member begins at its own place and takes its share, so that they neither meet nor leave all
 * the work to the quickest. What is left after that, because somebody does not know a behavior or
 * has died too, is for everybody.
 */
#include <stdlib.h>
#include <string.h>

#include "pg/parts.h"

enum {
    SECOND_PASS_DELAY_MS = 250,
    EMPTY_ANSWERS = 2,
    SWEEP_ROWS = 5000,
    SWEEP_DELAY_MS =
        500, /* after a death: what the dead leave behind goes after the news of them */
    SWEEP_NODES = 16,
    STARTING_MAX = 1000,
    POLLS_PER_SWEEP = 12, /* of the slow poll, which comes once per ttl: about a minute */
    POLLS_PER_PRUNE = 120,
    PRUNE_ROWS = 10000
};

/* Columns of sql/orphans.sql and sql/name_load.sql. */
enum { ORPHAN_NODE, ORPHAN_OWN, ORPHAN_KIND, ORPHAN_DOWN_MS };
enum { NAME, EPOCH, BEHAVIOR, VERSION, CHECKPOINT, STRICT, SEQ, STATE, OPTIONS };

static bool ask(struct node_registry *registry, enum reg_sql_statements_index statement,
                struct reg_params *params, reg_query_done done)
{
    return reg_connection_query(registry->reader.connection, reg_sql(statement), params,
                                REG_STATEMENT_TIMEOUT_MS, done, registry) == TROUPE_OK;
}

/* Frees the lane after an answer, and sends what is next. */
static void answered(struct node_registry *registry, const struct reg_result *result)
{
    reg_lane_done(&registry->reader, !reg_result_ok(result));
    reg_reader_pump(registry);
}

static bool set_after(struct reg_recovery *recovery, const char *name)
{
    char *copy = strdup(name == NULL ? "" : name);

    if (copy == NULL) {
        return false;
    }
    free(recovery->after);
    recovery->after = copy;
    return true;
}

static void finish_node(struct reg_recovery *recovery)
{
    recovery->claiming = (struct reg_dead_node){0};
    recovery->pass = REG_PASS_PLAN;
    recovery->resume_ns = 0;
}

/* ---- loading what was claimed ---- */

void reg_recovery_load(struct node_registry *registry, const char *name)
{
    struct reg_recovery *recovery = &registry->recovery;
    struct reg_name_item *item = malloc(sizeof(*item) + strlen(name) + 1);

    if (item == NULL) {
        recovery->starting = true; /* it is found again as one that was not started */
        return;
    }
    memcpy(item->name, name, strlen(name) + 1);
    item->next = recovery->load;
    recovery->load = item;
}

static void free_items(struct reg_name_item *item)
{
    while (item != NULL) {
        struct reg_name_item *next = item->next;

        free(item);
        item = next;
    }
}

static void give_orphan(struct node_registry *registry, const struct reg_result *result, int row)
{
    struct tr_orphan orphan = {
        .name = reg_result_text(result, row, NAME),
        .behavior = reg_result_text(result, row, BEHAVIOR),
        .checkpoint = reg_result_text(result, row, CHECKPOINT),
        .state_json = reg_result_text(result, row, STATE),
        .options_json = reg_result_text(result, row, OPTIONS), /* NULL: none */
    };
    int64_t version = 0;

    if (orphan.name == NULL || orphan.behavior == NULL ||
        !reg_result_u64(result, row, EPOCH, &orphan.epoch) ||
        !reg_result_i64(result, row, VERSION, &version) || version < INT32_MIN ||
        version > INT32_MAX || !reg_result_bool(result, row, STRICT, &orphan.strict) ||
        !reg_result_u64(result, row, SEQ, &orphan.seq)) {
        reg_log(registry, TROUPE_LOG_ERROR, "the row of %s makes no sense: it cannot be started",
                orphan.name == NULL ? "a name" : orphan.name);
        return;
    }
    orphan.version = (int32_t)version;
    orphan.checkpoint = orphan.checkpoint == NULL ? "each" : orphan.checkpoint;
    orphan.state_json = orphan.state_json == NULL ? "{}" : orphan.state_json; /* never saved */
    if (reg_held_put_starting(&registry->held, orphan.name, orphan.epoch) != TROUPE_OK) {
        registry->recovery.starting = true;
        return;
    }
    /* A node that cannot start it at this moment gets another chance. */
    reg_held_offer(&registry->held, orphan.name, reg_now(registry), registry->lease.ttl_ns);
    registry->join.events.on_orphan(registry->join.events.context, &orphan);
}

/* A name that was to be offered again and has no row of ours any more is somebody else's. */
static void forget_missing(struct node_registry *registry, const struct reg_name_item *item)
{
    for (; item != NULL; item = item->next) {
        const struct reg_held_name *held = reg_held_get(&registry->held, item->name);

        if (held != NULL && held->starting && reg_now(registry) >= held->offer_ns) {
            reg_held_drop(&registry->held, item->name, held->epoch);
        }
    }
}

static void on_loaded(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_recovery *recovery = &registry->recovery;
    struct reg_name_item *items = recovery->loading;

    recovery->loading = NULL;
    if (!reg_result_ok(result)) {
        struct reg_name_item *last = items;

        while (last != NULL && last->next != NULL) {
            last = last->next;
        }
        if (last != NULL) {
            last->next = recovery->load;
            recovery->load = items;
        }
    } else {
        const int count = reg_result_count(result);

        for (int row = 0; row < count; row++) {
            give_orphan(registry, result, row);
        }
        forget_missing(registry, items);
        free_items(items);
    }
    answered(registry, result);
}

static bool send_load(struct node_registry *registry)
{
    struct reg_recovery *recovery = &registry->recovery;
    struct reg_array names;
    struct reg_params params;

    reg_array_init(&names, REG_OID_TEXT);
    for (int count = 0; recovery->load != NULL && count < REG_CLAIM_BATCH; count++) {
        struct reg_name_item *item = recovery->load;

        recovery->load = item->next;
        item->next = recovery->loading;
        recovery->loading = item;
        reg_array_text(&names, item->name);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_array(&params, &names);
    if (!ask(registry, REG_SQL_STATEMENTS_NAME_LOAD, &params, on_loaded)) {
        recovery->load = recovery->loading; /* what else there was is found by the slow poll */
        recovery->loading = NULL;
        recovery->starting = true;
        return false;
    }
    return true;
}

/* ---- claimed, but the answer was lost ---- */

static void on_starting(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const int count = reg_result_count(result);

    registry->recovery.starting = !reg_result_ok(result);
    for (int row = 0; row < count; row++) {
        const char *name = reg_result_text(result, row, 0);
        const struct reg_held_name *held =
            name == NULL ? NULL : reg_held_get(&registry->held, name);
        uint64_t epoch = 0;

        if (name != NULL && reg_result_u64(result, row, 1, &epoch) &&
            (held == NULL || held->epoch != epoch)) {
            reg_recovery_load(registry, name);
        }
    }
    answered(registry, result);
}

static bool send_starting(struct node_registry *registry)
{
    struct reg_params params;

    registry->recovery.starting = false;
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_i64(&params, STARTING_MAX);
    return ask(registry, REG_SQL_STATEMENTS_NAMES_STARTING, &params, on_starting);
}

/* ---- claiming from one dead node ---- */

static void begin_second_pass(struct node_registry *registry)
{
    struct reg_recovery *recovery = &registry->recovery;

    recovery->pass = REG_PASS_REST;
    recovery->empty = 0;
    if (!recovery->claiming.own) {
        recovery->resume_ns = reg_now(registry) + SECOND_PASS_DELAY_MS * REG_MS;
        reg_wake_at(registry, recovery->resume_ns);
    }
    if (!set_after(recovery, "")) {
        finish_node(recovery);
    }
}

static void on_planned(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_recovery *recovery = &registry->recovery;
    const size_t parts = registry->members.count + 1;
    int64_t count = 0;

    if (!reg_result_i64(result, 0, 0, &count) || count <= 0) {
        finish_node(recovery);
    } else {
        recovery->pass = REG_PASS_SHARE;
        recovery->share =
            recovery->claiming.own ? count : (count + (int64_t)parts - 1) / (int64_t)parts;
        if (!set_after(recovery, recovery->claiming.own ? "" : reg_result_text(result, 0, 1))) {
            finish_node(recovery);
        }
    }
    answered(registry, result);
}

static bool send_plan(struct node_registry *registry)
{
    struct reg_params params;

    reg_params_init(&params);
    reg_params_u64(&params, registry->recovery.claiming.node_id);
    reg_params_u64(&params, reg_members_rank(&registry->members, registry->node_id));
    reg_params_u64(&params, registry->members.count + 1);
    return ask(registry, REG_SQL_STATEMENTS_CLAIM_PLAN, &params, on_planned);
}

/* Moves on after an answer with `count` names, the last of which is `last`. */
static void claim_next(struct node_registry *registry, int count, const char *last)
{
    struct reg_recovery *recovery = &registry->recovery;

    if (count > 0) {
        recovery->share -= count;
        recovery->empty = 0;
        if (!set_after(recovery, last)) {
            finish_node(recovery);
            return;
        }
    }
    if (recovery->pass == REG_PASS_SHARE && (count == 0 || recovery->share <= 0)) {
        begin_second_pass(registry);
    } else if (recovery->pass == REG_PASS_REST && count == 0) {
        /* Nothing more after the last one may mean that there is something before it. */
        recovery->empty += 1;
        if (recovery->empty >= EMPTY_ANSWERS || !set_after(recovery, "")) {
            finish_node(recovery);
        }
    }
}

static void on_claimed(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_recovery *recovery = &registry->recovery;
    const int count = reg_result_count(result);
    const char *last = NULL;

    for (int row = 0; row < count; row++) {
        const char *name = reg_result_text(result, row, 0);

        if (name != NULL) {
            reg_recovery_load(registry, name);
            last = name;
        }
    }
    if (reg_result_ok(result)) {
        claim_next(registry, last == NULL ? 0 : count, last);
    } else if (result->status == TROUPE_E_UNKNOWN) {
        recovery->starting = true;
    } else if (result->status != TROUPE_E_AGAIN && result->status != TROUPE_E_REGISTRY) {
        reg_log(registry, TROUPE_LOG_ERROR, "orphans cannot be claimed: %s", result->text);
        finish_node(recovery);
    }
    answered(registry, result);
}

static bool send_claim(struct node_registry *registry)
{
    struct reg_recovery *recovery = &registry->recovery;
    const bool is_share = recovery->pass == REG_PASS_SHARE;
    struct reg_array behaviors;
    struct reg_params params;

    reg_array_init(&behaviors, REG_OID_TEXT);
    for (size_t index = 0; index < registry->behavior_count; index++) {
        reg_array_text(&behaviors, registry->behaviors[index]);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_u64(&params, recovery->claiming.node_id);
    reg_params_array(&params, &behaviors);
    reg_params_text(&params, recovery->after);
    reg_params_i64(&params, is_share && recovery->share < REG_CLAIM_BATCH ? recovery->share
                                                                          : REG_CLAIM_BATCH);
    return ask(registry, REG_SQL_STATEMENTS_NAME_CLAIM, &params, on_claimed);
}

/* ---- which dead nodes there are ---- */

static void add_todo(struct reg_recovery *recovery, struct reg_dead_node node)
{
    for (size_t index = 0; index < recovery->todo_count; index++) {
        if (recovery->todo[index].node_id == node.node_id) {
            return;
        }
    }
    if (node.node_id != recovery->claiming.node_id && recovery->todo_count < REG_TODO_MAX) {
        recovery->todo[recovery->todo_count++] = node;
    }
}

/* A node that was replaced by a new start of its name leaves its names to that one for a while. */
static bool must_wait(struct node_registry *registry, const char *kind, int64_t down_ms, bool own)
{
    const int64_t patience_ms = 2 * (int64_t)registry->join.ttl_ms;
    int64_t look_ns = 0;

    if (own || kind == NULL || strcmp(kind, "replaced") != 0 || down_ms >= patience_ms) {
        return false;
    }
    look_ns = reg_now(registry) + (patience_ms - down_ms) * REG_MS;
    if (look_ns < registry->recovery.next_ns) {
        registry->recovery.next_ns = look_ns;
        reg_wake_at(registry, look_ns);
    }
    return true;
}

static void on_orphans(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const int count = reg_result_count(result);

    for (int row = 0; row < count; row++) {
        struct reg_dead_node node = {0};
        int64_t down_ms = 0;

        if (reg_result_u64(result, row, ORPHAN_NODE, &node.node_id) &&
            reg_result_bool(result, row, ORPHAN_OWN, &node.own) &&
            reg_result_i64(result, row, ORPHAN_DOWN_MS, &down_ms) &&
            !must_wait(registry, reg_result_text(result, row, ORPHAN_KIND), down_ms, node.own)) {
            add_todo(&registry->recovery, node);
        }
    }
    answered(registry, result);
}

static bool send_orphans(struct node_registry *registry)
{
    struct reg_params params;

    registry->recovery.wanted = false;
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    return ask(registry, REG_SQL_STATEMENTS_ORPHANS, &params, on_orphans);
}

/* ---- sweeping ---- */

static void on_swept(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_recovery *recovery = &registry->recovery;
    int64_t rows = 0;

    if (!reg_result_i64(result, 0, 0, &rows) || rows == 0) {
        recovery->sweep_count -= recovery->sweep_count > 0 ? 1 : 0;
    }
    answered(registry, result);
}

static bool send_sweep(struct node_registry *registry)
{
    const struct reg_recovery *recovery = &registry->recovery;
    struct reg_params params;

    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_u64(&params, recovery->sweep[recovery->sweep_count - 1]);
    reg_params_i64(&params, SWEEP_ROWS);
    return ask(registry, REG_SQL_STATEMENTS_SWEEP, &params, on_swept);
}

static void on_unswept(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_recovery *recovery = &registry->recovery;
    const int count = reg_result_count(result);

    for (int row = 0; row < count && recovery->sweep_count < REG_TODO_MAX; row++) {
        uint64_t node_id = 0;

        if (reg_result_u64(result, row, 0, &node_id)) {
            recovery->sweep[recovery->sweep_count++] = node_id;
        }
    }
    answered(registry, result);
}

static void on_pruned(void *context, const struct reg_result *result)
{
    answered(context, result);
}

static bool send_tidying(struct node_registry *registry)
{
    struct reg_recovery *recovery = &registry->recovery;
    struct reg_params params;

    reg_params_init(&params);
    if (recovery->sweeping) {
        recovery->sweeping = false;
        reg_params_i64(&params, SWEEP_NODES);
        return ask(registry, REG_SQL_STATEMENTS_UNSWEPT, &params, on_unswept);
    }
    recovery->pruning = false;
    reg_params_i64(&params, PRUNE_ROWS);
    return ask(registry, REG_SQL_STATEMENTS_PRUNE, &params, on_pruned);
}

/* ---- what is next ---- */

bool reg_recovery_send(struct node_registry *registry)
{
    struct reg_recovery *recovery = &registry->recovery;

    if (recovery->load != NULL) {
        return send_load(registry);
    }
    if (recovery->starting) {
        return send_starting(registry);
    }
    if (recovery->claiming.node_id == 0 && recovery->todo_count > 0) {
        recovery->claiming = recovery->todo[--recovery->todo_count];
        recovery->pass = REG_PASS_PLAN;
        recovery->resume_ns = 0;
    }
    if (recovery->claiming.node_id != 0 && reg_now(registry) >= recovery->resume_ns) {
        return recovery->pass == REG_PASS_PLAN ? send_plan(registry) : send_claim(registry);
    }
    if (recovery->wanted && registry->behavior_count > 0) {
        return send_orphans(registry);
    }
    if (recovery->sweep_count > 0) {
        return send_sweep(registry);
    }
    if (recovery->sweeping && reg_now(registry) < recovery->sweep_ns) {
        return false;
    }
    return (recovery->sweeping || recovery->pruning) && send_tidying(registry);
}

void reg_recovery_want(struct node_registry *registry)
{
    registry->recovery.wanted = true;
    registry->recovery.sweeping = reg_members_rank(&registry->members, registry->node_id) == 0;
    registry->recovery.sweep_ns = reg_now(registry) + SWEEP_DELAY_MS * REG_MS;
    reg_wake_at(registry, registry->recovery.sweep_ns);
    reg_reader_pump(registry);
}

/* Reads those orphans again that were offered and are not started. */
static void offer_again(struct node_registry *registry, int64_t now_ns)
{
    const char *names[REG_CLAIM_BATCH];
    const size_t count = reg_held_overdue(&registry->held, now_ns, names, REG_CLAIM_BATCH);

    for (size_t index = 0; index < count; index++) {
        reg_recovery_load(registry, names[index]);
    }
}

/* The earlier of two times; the second only counts when it is still to come. */
static int64_t sooner(int64_t next_ns, int64_t other_ns, int64_t now_ns)
{
    return now_ns < other_ns && other_ns < next_ns ? other_ns : next_ns;
}

int64_t reg_recovery_tick(struct node_registry *registry, int64_t now_ns)
{
    struct reg_recovery *recovery = &registry->recovery;
    const bool first = reg_members_rank(&registry->members, registry->node_id) == 0;
    int64_t next_ns = INT64_MAX;

    if (!reg_is_joined(registry)) {
        return INT64_MAX;
    }
    if (now_ns >= recovery->next_ns) {
        recovery->next_ns = now_ns + registry->lease.ttl_ns;
        recovery->polls++;
        offer_again(registry, now_ns);
        if (first && recovery->polls % POLLS_PER_PRUNE == 0) {
            recovery->pruning = true;
        } else if (first && recovery->polls % POLLS_PER_SWEEP == 0) {
            recovery->sweeping = true;
        } else {
            recovery->wanted = true;
        }
    }
    reg_reader_pump(registry);
    next_ns = sooner(recovery->next_ns, recovery->resume_ns, now_ns);
    return recovery->sweeping ? sooner(next_ns, recovery->sweep_ns, now_ns) : next_ns;
}

void reg_recovery_reset(struct node_registry *registry)
{
    struct reg_recovery *recovery = &registry->recovery;

    free_items(recovery->load);
    free_items(recovery->loading);
    free(recovery->after);
    *recovery = (struct reg_recovery){0};
}
