#include <stdio.h>
#include <string.h>

#include "pg/migrate.h"
#include "pg/parts.h"

/* Columns of sql/hello.sql. */
enum { EPOCH, SYSTEM_ID, CLUSTER_ID, SCHEMA_VERSION, FSYNC_ON, SERVER_PID, HELD };

troupe_status reg_greet(struct node_registry *registry, struct reg_connection *connection,
                        reg_query_done done, void *context)
{
    struct reg_params params;

    reg_params_init(&params);
    if (registry->node_id == 0) {
        reg_params_text(&params, NULL);
    } else {
        reg_params_u64(&params, registry->node_id);
    }
    return reg_connection_query(connection, reg_sql(REG_SQL_STATEMENTS_HELLO), &params,
                                REG_STATEMENT_TIMEOUT_MS, done, context);
}

/* Says in words that help what an error of the first statement means. */
static void explain(const struct reg_result *result, char *words, size_t words_size)
{
    if (strcmp(result->sqlstate, "3F000") == 0) {
        (void)snprintf(words, words_size, "schema troupe not found: run `troupe db migrate`");
    } else if (result->status == TROUPE_E_SCHEMA) {
        (void)snprintf(
            words, words_size,
            "the schema troupe is too old for this version (%s): run `troupe db migrate`",
            result->text);
    } else if (result->status == TROUPE_E_DENIED) {
        (void)snprintf(words, words_size,
                       "the database role may not use the schema troupe (%s): "
                       "connect as a member of troupe_node",
                       result->text);
    } else {
        (void)snprintf(words, words_size, "%s", result->text);
    }
}

static troupe_status judge_schema(int64_t version, char *words, size_t words_size)
{
    const int64_t known = (int64_t)reg_migrations_builtin.count;

    if (version == known) {
        return TROUPE_OK;
    }
    if (version > known) {
        (void)snprintf(words, words_size,
                       "schema too new: the database has migration %lld, this version knows %lld; "
                       "use a newer troupe",
                       (long long)version, (long long)known);
    } else {
        (void)snprintf(words, words_size,
                       "schema too old: the database has migration %lld, this version needs %lld: "
                       "run `troupe db migrate`",
                       (long long)version, (long long)known);
    }
    return TROUPE_E_SCHEMA;
}

static troupe_status judge_fsync(struct node_registry *registry, bool fsync_on, char *words,
                                 size_t words_size)
{
    if (fsync_on) {
        return TROUPE_OK;
    }
    if (registry->join.allow_unsafe_fsync) {
        reg_log(registry, TROUPE_LOG_ERROR,
                "the server runs with fsync or full_page_writes off: a crash of it WILL lose or "
                "corrupt what was acknowledged; going on because the configuration allows it");
        return TROUPE_OK;
    }
    (void)snprintf(words, words_size,
                   "the server runs with fsync or full_page_writes off, so what it acknowledges "
                   "may be lost: turn them on, or allow it with allow_unsafe_fsync");
    return TROUPE_E_INVALID;
}

troupe_status reg_greeting_judge(struct node_registry *registry, const struct reg_result *result,
                                 char *words, size_t words_size)
{
    uint8_t cluster_id[16];
    uint64_t system_id = 0;
    int64_t version = 0;
    bool fsync_on = false;
    bool held = true;
    troupe_status status = TROUPE_OK;

    if (!reg_result_ok(result)) {
        explain(result, words, words_size);
        return result->status;
    }
    if (!reg_result_u64(result, 0, SYSTEM_ID, &system_id) ||
        !reg_result_uuid(result, 0, CLUSTER_ID, cluster_id) ||
        !reg_result_i64(result, 0, SCHEMA_VERSION, &version) ||
        !reg_result_bool(result, 0, FSYNC_ON, &fsync_on)) {
        (void)snprintf(words, words_size, "troupe.hello() gave an answer that makes no sense");
        return TROUPE_E_SCHEMA;
    }
    status = judge_schema(version, words, words_size);
    if (status == TROUPE_OK) {
        status = judge_fsync(registry, fsync_on, words, words_size);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    if (registry->node_id == 0) {
        memcpy(registry->cluster_id, cluster_id, sizeof(cluster_id));
    } else if (memcmp(registry->cluster_id, cluster_id, sizeof(cluster_id)) != 0) {
        (void)snprintf(words, words_size, "this database belongs to another cluster");
        return TROUPE_E_INVALID;
    }
    registry->system_id = system_id;
    if (!reg_result_is_null(result, 0, HELD) &&
        (!reg_result_bool(result, 0, HELD, &held) || !held)) {
        (void)snprintf(words, words_size, "the database says that this node is down");
        return TROUPE_E_FENCED;
    }
    return TROUPE_OK;
}

/* ---- the two connections for batches ---- */

static void on_greeted(void *context, const struct reg_result *result)
{
    struct reg_lane *lane = context;
    struct node_registry *registry = lane->registry;
    char words[512] = "";
    const troupe_status status = reg_greeting_judge(registry, result, words, sizeof(words));

    if (status == TROUPE_OK) {
        lane->ready = true;
        lane->busy = false;
        lane->retry_ns = 0;
        reg_writer_pump(registry);
        reg_reader_pump(registry);
        return;
    }
    if (status == TROUPE_E_FENCED) {
        /* The control connection finds out for certain, and in the right order. */
        reg_control_read_events(registry);
    } else {
        reg_log(registry, TROUPE_LOG_WARNING, "the database cannot be used now: %s", words);
    }
    reg_connection_fail(lane->connection, words);
}

static void on_lane_up(void *context)
{
    struct reg_lane *lane = context;

    if (reg_greet(lane->registry, lane->connection, on_greeted, lane) != TROUPE_OK) {
        reg_connection_fail(lane->connection, "out of memory");
    }
}

static void on_lane_down(void *context, const char *text)
{
    struct reg_lane *lane = context;

    lane->ready = false;
    lane->registry->health.reconnects++;
    if (reg_is_joined(lane->registry)) {
        reg_log(lane->registry, TROUPE_LOG_INFO, "a connection to the database was lost: %s", text);
    }
}

static void on_lane_refused(void *context, const char *sqlstate, const char *text)
{
    const struct reg_lane *lane = context;

    (void)sqlstate;
    reg_log(lane->registry, TROUPE_LOG_DEBUG, "no connection to the database: %s", text);
}

troupe_status reg_lane_create(struct node_registry *registry, struct reg_lane *lane)
{
    const struct reg_connection_events events = {
        .context = lane,
        .on_up = on_lane_up,
        .on_down = on_lane_down,
        .on_refused = on_lane_refused,
    };

    lane->registry = registry;
    return reg_connection_create(registry->loop, registry->conninfo, tr_rng_next(&registry->rng),
                                 &events, &lane->connection);
}

/* A death ends the dead node's sessions by this name. */
void reg_name_connection(struct node_registry *registry, struct reg_connection *connection)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "troupe/%llu", (unsigned long long)registry->node_id);
    if (reg_connection_set_name(connection, name) != TROUPE_OK) {
        reg_log(registry, TROUPE_LOG_WARNING, "out of memory for a connection's name");
    }
}

void reg_lane_open(struct reg_lane *lane)
{
    reg_name_connection(lane->registry, lane->connection);
    lane->ready = false;
    lane->busy = false;
    reg_connection_open(lane->connection);
}
