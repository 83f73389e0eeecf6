/* Messages that wait in the database for names of this node. */
#include <stdlib.h>

#include "pg/parts.h"

enum { FETCH_NAMES_MAX = 200, FETCH_ROWS_MAX = 1000, WAITING_NAMES_MAX = 1000 };

/* Columns of sql/inbox_fetch.sql. */
enum { ID, TO_NAME, FROM_NAME, TYPE, PAYLOAD };

void reg_inbox_hint(struct node_registry *registry, const char *name)
{
    if (reg_held_want(&registry->held, name)) {
        /* At the next turn of the loop, so that hints which come together make one statement. */
        reg_wake_at(registry, reg_now(registry));
    }
}

/* ---- which names have messages ---- */

static void on_waiting(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const int count = reg_result_count(result);

    for (int row = 0; row < count; row++) {
        const char *name = reg_result_text(result, row, 0);

        if (name != NULL) {
            (void)reg_held_want_again(&registry->held, name, reg_now(registry));
        }
    }
    reg_lane_done(&registry->reader, false);
    reg_reader_pump(registry);
}

static bool send_waiting(struct node_registry *registry)
{
    struct reg_params params;

    registry->inbox_poll = false;
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_i64(&params, WAITING_NAMES_MAX);
    return reg_connection_query(registry->reader.connection,
                                reg_sql(REG_SQL_STATEMENTS_INBOX_WAITING_NAMES), &params,
                                REG_STATEMENT_TIMEOUT_MS, on_waiting, registry) == TROUPE_OK;
}

/* ---- the messages ---- */

/* Reads a row into out; false when it must not be given out. */
static bool take_message(struct node_registry *registry, const struct reg_result *result, int row,
                         struct tr_inbox_row *out)
{
    struct reg_held_name *name = NULL;

    out->to = reg_result_text(result, row, TO_NAME);
    out->from = reg_result_text(result, row, FROM_NAME);
    out->type = reg_result_text(result, row, TYPE);
    out->payload_json = reg_result_text(result, row, PAYLOAD);
    if (!reg_result_u64(result, row, ID, &out->id) || out->to == NULL || out->type == NULL ||
        out->payload_json == NULL) {
        reg_log(registry, TROUPE_LOG_ERROR, "a row of the inbox makes no sense");
        return false;
    }
    out->from = out->from == NULL ? "" : out->from;
    name = reg_held_get(&registry->held, out->to);
    return name != NULL && reg_held_take_id(name, out->id, reg_now(registry));
}

static void give_messages(struct node_registry *registry, const struct reg_result *result)
{
    const int count = reg_result_count(result);
    struct tr_inbox_row *rows = calloc((size_t)count + 1, sizeof(*rows));
    size_t taken = 0;

    if (rows == NULL) {
        reg_log(registry, TROUPE_LOG_ERROR, "out of memory: messages wait for the next poll");
        return;
    }
    for (int row = 0; row < count; row++) {
        if (take_message(registry, result, row, &rows[taken])) {
            taken++;
        }
    }
    if (taken > 0) {
        registry->join.events.on_inbox(registry->join.events.context, rows, taken);
    }
    free(rows);
    /* A full answer may have left rows of any of the names behind. */
    registry->inbox_poll = registry->inbox_poll || (count >= FETCH_ROWS_MAX && taken > 0);
}

static void on_fetched(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    if (reg_result_ok(result)) {
        give_messages(registry, result);
    } else {
        registry->inbox_poll = true; /* those names were taken off the list: ask for all again */
    }
    reg_lane_done(&registry->reader, !reg_result_ok(result));
    reg_reader_pump(registry);
}

static bool send_fetch(struct node_registry *registry)
{
    struct reg_array names;
    struct reg_array skip;
    struct reg_params params;
    int count = 0;

    reg_array_init(&names, REG_OID_TEXT);
    reg_array_init(&skip, REG_OID_INT8);
    while (count < FETCH_NAMES_MAX && reg_held_any_wanted(&registry->held)) {
        const struct reg_held_name *name = reg_held_next_wanted(&registry->held);

        reg_array_text(&names, name->name);
        for (size_t index = 0; index < name->id_count; index++) {
            reg_array_u64(&skip, name->ids[index]);
        }
        count++;
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_array(&params, &names);
    reg_params_i64(&params, FETCH_ROWS_MAX);
    reg_params_array(&params, &skip);
    if (reg_connection_query(registry->reader.connection, reg_sql(REG_SQL_STATEMENTS_INBOX_FETCH),
                             &params, REG_STATEMENT_TIMEOUT_MS, on_fetched,
                             registry) != TROUPE_OK) {
        registry->inbox_poll = true;
        return false;
    }
    return true;
}

bool reg_inbox_send(struct node_registry *registry)
{
    if (reg_held_any_wanted(&registry->held)) {
        return send_fetch(registry);
    }
    return registry->inbox_poll && send_waiting(registry);
}
