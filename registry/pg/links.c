/* Links and monitors written behind, and messages whose handler failed. */
#include <stdlib.h>
#include <string.h>

#include "pg/parts.h"

/* ---- links ---- */

struct columns {
    struct reg_array kind;
    struct reg_array a_node;
    struct reg_array a_actor;
    struct reg_array b_node;
    struct reg_array b_actor;
    struct reg_array ref;
};

static void init_columns(struct columns *columns)
{
    reg_array_init(&columns->kind, REG_OID_TEXT);
    reg_array_init(&columns->a_node, REG_OID_INT8);
    reg_array_init(&columns->a_actor, REG_OID_INT8);
    reg_array_init(&columns->b_node, REG_OID_INT8);
    reg_array_init(&columns->b_actor, REG_OID_INT8);
    reg_array_init(&columns->ref, REG_OID_INT8);
}

static void add_row(struct columns *columns, const struct tr_link_row *row)
{
    reg_array_text(&columns->kind, row->kind == TR_LINK_ROW_LINK ? "link" : "monitor");
    reg_array_u64(&columns->a_node, row->a.node);
    reg_array_u64(&columns->a_actor, row->a.id);
    reg_array_u64(&columns->b_node, row->b.node);
    reg_array_u64(&columns->b_actor, row->b.id);
    reg_array_u64(&columns->ref, row->ref);
}

static void give_columns(struct reg_params *params, struct columns *columns)
{
    reg_params_array(params, &columns->kind);
    reg_params_array(params, &columns->a_node);
    reg_params_array(params, &columns->a_actor);
    reg_params_array(params, &columns->b_node);
    reg_params_array(params, &columns->b_actor);
    reg_params_array(params, &columns->ref);
}

void reg_links_note(struct node_registry *registry, const struct tr_link_row *row, bool add)
{
    troupe_status status = TROUPE_OK;

    if (!reg_is_joined(registry)) {
        return; /* a link of a node id that is dead or not born */
    }
    status = reg_link_window_put(&registry->links, row, add);
    if (status != TROUPE_OK) {
        /* The table serves people; signals do not depend on it. */
        reg_log(registry, TROUPE_LOG_WARNING, "a link is not written to the database: %s",
                troupe_status_text(status));
        return;
    }
    if (registry->links_due_ns == INT64_MAX) {
        registry->links_due_ns = reg_now(registry) + REG_LINK_WINDOW_MS * REG_MS;
        reg_wake_at(registry, registry->links_due_ns);
    }
    if (reg_link_window_count(&registry->links) >= REG_BATCH_ROWS_MAX) {
        reg_writer_pump(registry);
    }
}

/* Puts a batch that was not written back, unless the window holds the opposite by now. Adding or
 * removing a row twice changes nothing. */
static void restore(struct node_registry *registry)
{
    for (size_t index = 0; index < registry->links_sent_count; index++) {
        const struct reg_link_change *change = &registry->links_sent[index];

        reg_links_note(registry, &change->row, change->add);
    }
}

static void on_links(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const bool again = result->status == TROUPE_E_AGAIN || result->status == TROUPE_E_UNKNOWN ||
                       result->status == TROUPE_E_REGISTRY;

    if (again) {
        restore(registry);
    } else if (!reg_result_ok(result)) {
        reg_log(registry, TROUPE_LOG_WARNING, "links were not written: %s", result->text);
    }
    registry->links_sent_count = 0;
    reg_lane_done(&registry->writer, again);
    reg_writer_pump(registry);
}

bool reg_links_send(struct node_registry *registry)
{
    struct columns added;
    struct columns removed;
    struct reg_params params;

    if (reg_link_window_count(&registry->links) < REG_BATCH_ROWS_MAX &&
        reg_now(registry) < registry->links_due_ns) {
        return false;
    }
    registry->links_sent_count =
        reg_link_window_take(&registry->links, registry->links_sent, REG_BATCH_ROWS_MAX);
    registry->links_due_ns = reg_link_window_count(&registry->links) == 0
                                 ? INT64_MAX
                                 : reg_now(registry) + REG_LINK_WINDOW_MS * REG_MS;
    if (registry->links_sent_count == 0) {
        return false;
    }
    init_columns(&added);
    init_columns(&removed);
    for (size_t index = 0; index < registry->links_sent_count; index++) {
        const struct reg_link_change *change = &registry->links_sent[index];

        add_row(change->add ? &added : &removed, &change->row);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    give_columns(&params, &added);
    give_columns(&params, &removed);
    if (reg_connection_query(registry->writer.connection, reg_sql(REG_SQL_STATEMENTS_LINK_WRITE),
                             &params, REG_STATEMENT_TIMEOUT_MS, on_links, registry) != TROUPE_OK) {
        restore(registry);
        registry->links_sent_count = 0;
        return false;
    }
    return true;
}

/* ---- failed messages ---- */

void reg_fails_note(struct node_registry *registry, const char *name, uint64_t epoch, uint64_t id,
                    const char *error)
{
    struct reg_fail *fail = calloc(1, sizeof(*fail));

    if (fail != NULL) {
        fail->epoch = epoch;
        fail->id = id;
        fail->name = strdup(name);
        fail->error = strdup(error == NULL ? "" : error);
    }
    if (fail == NULL || fail->name == NULL || fail->error == NULL) {
        reg_log(registry, TROUPE_LOG_ERROR, "out of memory: a failed message is not counted");
        if (fail != NULL) {
            reg_fail_free(fail);
        }
        return;
    }
    reg_fail_queue_push(&registry->fails, fail);
    reg_writer_pump(registry);
}

static void on_failed(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_fail *fail = registry->fail_sent;
    const bool again = result->status == TROUPE_E_AGAIN || result->status == TROUPE_E_UNKNOWN ||
                       result->status == TROUPE_E_REGISTRY;

    registry->fail_sent = NULL;
    if (fail == NULL) {
        return;
    }
    if (again) {
        reg_fail_queue_push_front(&registry->fails, fail);
    } else {
        if (!reg_result_ok(result)) {
            reg_log(registry, TROUPE_LOG_ERROR, "message %llu of %s cannot be marked as failed: %s",
                    (unsigned long long)fail->id, fail->name, result->text);
        }
        /* It is out of hand: if it is not a dead letter now, it comes again. */
        reg_held_finish_id(&registry->held, fail->name, fail->id, reg_now(registry));
        reg_inbox_hint(registry, fail->name);
        reg_fail_free(fail);
    }
    reg_lane_done(&registry->writer, again);
    reg_writer_pump(registry);
    reg_reader_pump(registry);
}

bool reg_fails_send(struct node_registry *registry)
{
    struct reg_fail *fail = reg_fail_queue_pop(&registry->fails);
    struct reg_params params;

    if (fail == NULL) {
        return false;
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_text(&params, fail->name);
    reg_params_u64(&params, fail->epoch);
    reg_params_u64(&params, fail->id);
    reg_params_text(&params, fail->error);
    registry->fail_sent = fail;
    if (reg_connection_query(registry->writer.connection, reg_sql(REG_SQL_STATEMENTS_INBOX_FAIL),
                             &params, REG_STATEMENT_TIMEOUT_MS, on_failed, registry) != TROUPE_OK) {
        registry->fail_sent = NULL;
        reg_fail_queue_push_front(&registry->fails, fail);
        registry->writer.retry_ns = reg_now(registry) + REG_RETRY_MS * REG_MS;
        reg_wake_at(registry, registry->writer.retry_ns);
        return false;
    }
    return true;
}
