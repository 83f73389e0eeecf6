/* Batches of operations on names: one statement for up to a thousand of a kind. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pg/parts.h"

/* Columns of sql/name_register.sql and sql/name_lookup.sql. */
enum { WON, EPOCH, HOLDER_NODE, HOLDER_ACTOR, REFUSED };
enum { LOOKUP_NODE, LOOKUP_ACTOR, LOOKUP_EPOCH, LOOKUP_STATUS };

/* Takes the answer to one operation of a batch; row is its row. */
typedef void (*take_row_fn)(struct node_registry *registry, struct reg_name_op *op,
                            const struct reg_result *result, int row);

/* ---- when a batch as a whole has no answer ---- */

static bool is_retried(troupe_status status)
{
    return status == TROUPE_E_AGAIN || status == TROUPE_E_REGISTRY || status == TROUPE_E_UNKNOWN ||
           status == TROUPE_E_LIMIT;
}

static void answer_all(struct node_registry *registry, struct reg_name_op *op,
                       const struct reg_result *result)
{
    const struct tr_name_result answer = {.status = result->status, .text = result->text};

    reg_log(registry, TROUPE_LOG_ERROR, "the database refused an operation on a name: %s",
            result->text);
    while (op != NULL) {
        struct reg_name_op *next = op->next;

        reg_name_op_answer(op, &answer);
        reg_name_op_free(op);
        op = next;
    }
}

/* Drops what its caller has given up and is certainly not done; a registration that may be done is
 * looked up later. */
static struct reg_name_op *sift(struct node_registry *registry, struct reg_name_op *batch,
                                bool unknown)
{
    struct reg_name_op *kept = NULL;
    struct reg_name_op **end = &kept;

    while (batch != NULL) {
        struct reg_name_op *op = batch;

        batch = op->next;
        op->next = NULL;
        op->tried = op->tried || unknown;
        if (op->answered && op->kind == REG_NAME_REGISTER) {
            if (op->tried && op->own_name != NULL) {
                reg_names_settle(registry, op);
            }
            reg_name_op_free(op);
        } else if (op->answered && op->own_name == NULL) {
            reg_name_op_free(op); /* its name is no longer ours */
        } else {
            *end = op;
            end = &op->next;
        }
    }
    return kept;
}

static void batch_failed(struct node_registry *registry, struct reg_name_queue *queue,
                         struct reg_lane *lane, const struct reg_result *result)
{
    struct reg_name_op *batch = reg_name_queue_take_sent(queue);

    if (is_retried(result->status)) {
        batch = sift(registry, batch, result->status == TROUPE_E_UNKNOWN);
        reg_name_queue_return(queue, batch);
    } else if (batch != NULL && batch->next != NULL) {
        /* One of them is bad: each for itself, then the others do not suffer. */
        for (struct reg_name_op *op = batch; op != NULL; op = op->next) {
            op->alone = true;
        }
        reg_name_queue_return(queue, sift(registry, batch, false));
    } else {
        answer_all(registry, batch, result);
    }
    reg_lane_done(lane, is_retried(result->status));
}

static void batch_done(struct node_registry *registry, struct reg_name_queue *queue,
                       struct reg_lane *lane, const struct reg_result *result, take_row_fn take_row)
{
    struct reg_name_op *op = NULL;

    if (!reg_result_ok(result)) {
        batch_failed(registry, queue, lane, result);
    } else {
        op = reg_name_queue_take_sent(queue);
        for (int row = 0; op != NULL; row++) {
            struct reg_name_op *next = op->next;

            take_row(registry, op, result, row);
            reg_name_op_free(op);
            op = next;
        }
        reg_lane_done(lane, false);
    }
    reg_writer_pump(registry);
    reg_reader_pump(registry);
}

/* Sends what the queue has marked as sent; on failure everything goes back. */
static bool send_batch(struct node_registry *registry, struct reg_name_queue *queue,
                       struct reg_lane *lane, enum reg_sql_statements_index statement,
                       struct reg_params *params, reg_query_done done)
{
    const troupe_status status = reg_connection_query(lane->connection, reg_sql(statement), params,
                                                      REG_STATEMENT_TIMEOUT_MS, done, registry);

    if (status != TROUPE_OK) {
        reg_name_queue_return(queue, reg_name_queue_take_sent(queue));
        lane->retry_ns = reg_now(registry) + REG_RETRY_MS * REG_MS;
        reg_wake_at(registry, lane->retry_ns);
        return false;
    }
    return true;
}

/* ---- register ---- */

static void note_held(struct node_registry *registry, const struct reg_name_op *op, uint64_t epoch)
{
    const troupe_pid pid = {.node = registry->node_id, .id = op->request.actor_id};

    reg_cache_put(registry->cache, op->request.name, pid, epoch);
    if (op->request.durable || op->kind == REG_NAME_STARTED) {
        if (reg_held_put(&registry->held, op->request.name, epoch) != TROUPE_OK) {
            reg_log(registry, TROUPE_LOG_ERROR, "out of memory: %s gets no durable messages",
                    op->request.name);
        }
        reg_inbox_hint(registry, op->request.name);
    }
}

static void registration_won(struct node_registry *registry, struct reg_name_op *op, uint64_t epoch)
{
    const struct tr_name_result answer = {
        .status = TROUPE_OK,
        .pid = {.node = registry->node_id, .id = op->request.actor_id},
        .epoch = epoch,
        .text = "",
    };

    if (op->answered) {
        /* Its caller was told UNKNOWN and has stopped waiting: nobody would ever give it back. */
        if (op->own_name != NULL) {
            reg_names_release(registry, op->own_name, epoch);
        }
        return;
    }
    note_held(registry, op, epoch);
    reg_name_op_answer(op, &answer);
}

/* A holder whose node is dead keeps a durable name until somebody recovers it. */
static troupe_status status_of_holder(const struct node_registry *registry, troupe_pid pid)
{
    const bool alive =
        pid.node == registry->node_id || reg_members_find(&registry->members, pid.node) != NULL;

    return alive && pid.id != 0 ? TROUPE_E_EXISTS : TROUPE_E_AGAIN;
}

static void registration_refused(struct node_registry *registry, struct reg_name_op *op,
                                 const struct reg_result *result, int row)
{
    const char *refused = reg_result_text(result, row, REFUSED);
    struct tr_name_result answer = {.status = TROUPE_E_FAILED,
                                    .text = refused == NULL ? "" : refused};

    if (reg_result_u64(result, row, HOLDER_NODE, &answer.pid.node) &&
        reg_result_u64(result, row, HOLDER_ACTOR, &answer.pid.id) &&
        reg_result_u64(result, row, EPOCH, &answer.epoch)) {
        answer.status = status_of_holder(registry, answer.pid);
        if (answer.status == TROUPE_E_EXISTS) {
            reg_cache_put(registry->cache, op->request.name, answer.pid, answer.epoch);
        }
    } else if (refused == NULL) {
        answer.text = "the database gave an answer that makes no sense";
    } else if (strcmp(refused, "busy") == 0) {
        answer.status = TROUPE_E_AGAIN;
    } else if (strcmp(refused, "node is not up") == 0) {
        answer.status = TROUPE_E_REGISTRY;
        answer.text = "this node takes no new names";
        reg_control_read_events(registry);
    } else {
        answer.status = TROUPE_E_INVALID;
    }
    reg_name_op_answer(op, &answer);
}

static void take_register_row(struct node_registry *registry, struct reg_name_op *op,
                              const struct reg_result *result, int row)
{
    bool won = false;
    uint64_t epoch = 0;

    if (reg_result_bool(result, row, WON, &won) && won &&
        reg_result_u64(result, row, EPOCH, &epoch)) {
        registration_won(registry, op, epoch);
    } else {
        registration_refused(registry, op, result, row);
    }
}

static void on_registered(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    batch_done(registry, &registry->registers, &registry->writer, result, take_register_row);
}

bool reg_names_send_registers(struct node_registry *registry)
{
    struct reg_name_queue *queue = &registry->registers;
    struct reg_array names;
    struct reg_array actors;
    struct reg_array durable;
    struct reg_array strict;
    struct reg_array behaviors;
    struct reg_array versions;
    struct reg_array checkpoints;
    struct reg_array states;
    struct reg_array options;
    struct reg_params params;

    if (queue->head == NULL) {
        return false;
    }
    if (registry->unregisters.head != NULL) {
        /* A name that was given up before it is asked for again must be free by then. */
        return reg_names_send_unregisters(registry);
    }
    (void)reg_name_queue_send(queue, REG_BATCH_ROWS_MAX);
    reg_array_init(&names, REG_OID_TEXT);
    reg_array_init(&actors, REG_OID_INT8);
    reg_array_init(&durable, REG_OID_BOOL);
    reg_array_init(&strict, REG_OID_BOOL);
    reg_array_init(&behaviors, REG_OID_TEXT);
    reg_array_init(&versions, REG_OID_INT4);
    reg_array_init(&checkpoints, REG_OID_TEXT);
    reg_array_init(&states, REG_OID_TEXT);
    reg_array_init(&options, REG_OID_TEXT);
    for (const struct reg_name_op *op = queue->sent; op != NULL; op = op->next) {
        const struct tr_name_register *request = &op->request;

        reg_array_text(&names, request->name);
        reg_array_u64(&actors, request->actor_id);
        reg_array_bool(&durable, request->durable);
        reg_array_bool(&strict, request->strict);
        reg_array_text(&behaviors, request->behavior);
        reg_array_i32(&versions, request->version);
        reg_array_text(&checkpoints, request->checkpoint);
        reg_array_text(&states, request->state_json);
        reg_array_text(&options, request->options_json);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_array(&params, &names);
    reg_params_array(&params, &actors);
    reg_params_array(&params, &durable);
    reg_params_array(&params, &strict);
    reg_params_array(&params, &behaviors);
    reg_params_array(&params, &versions);
    reg_params_array(&params, &checkpoints);
    reg_params_array(&params, &states);
    reg_params_array(&params, &options);
    return send_batch(registry, queue, &registry->writer, REG_SQL_STATEMENTS_NAME_REGISTER, &params,
                      on_registered);
}

/* ---- unregister ---- */

static void take_unregister_row(struct node_registry *registry, struct reg_name_op *op,
                                const struct reg_result *result, int row)
{
    bool deleted = false;
    struct tr_name_result answer = {.status = TROUPE_E_NOT_FOUND, .text = ""};

    /* One that was tried before may have been deleted by then: gone is what was asked for. */
    if ((reg_result_bool(result, row, 0, &deleted) && deleted) || op->tried) {
        answer.status = TROUPE_OK;
        answer.epoch = op->epoch;
    }
    reg_cache_drop(registry->cache, op->request.name, op->epoch);
    reg_held_drop(&registry->held, op->request.name, op->epoch);
    reg_name_op_answer(op, &answer);
}

static void on_unregistered(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    batch_done(registry, &registry->unregisters, &registry->writer, result, take_unregister_row);
}

bool reg_names_send_unregisters(struct node_registry *registry)
{
    struct reg_name_queue *queue = &registry->unregisters;
    struct reg_array names;
    struct reg_array epochs;
    struct reg_params params;

    if (reg_name_queue_send(queue, REG_BATCH_ROWS_MAX) == 0) {
        return false;
    }
    reg_array_init(&names, REG_OID_TEXT);
    reg_array_init(&epochs, REG_OID_INT8);
    for (const struct reg_name_op *op = queue->sent; op != NULL; op = op->next) {
        reg_array_text(&names, op->request.name);
        reg_array_u64(&epochs, op->epoch);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_array(&params, &names);
    reg_params_array(&params, &epochs);
    return send_batch(registry, queue, &registry->writer, REG_SQL_STATEMENTS_NAME_UNREGISTER,
                      &params, on_unregistered);
}

/* ---- started ---- */

static void take_started_row(struct node_registry *registry, struct reg_name_op *op,
                             const struct reg_result *result, int row)
{
    bool accepted = false;
    struct tr_name_result answer = {
        .status = TROUPE_E_FENCED,
        .pid = {.node = registry->node_id, .id = op->request.actor_id},
        .epoch = op->epoch,
        .text = "another node has taken the name over",
    };

    if (reg_result_bool(result, row, 0, &accepted) && accepted) {
        answer.status = TROUPE_OK;
        answer.text = "";
        if (op->request.actor_id != 0) {
            note_held(registry, op, op->epoch);
        }
    } else {
        reg_held_drop(&registry->held, op->request.name, op->epoch);
    }
    reg_name_op_answer(op, &answer);
}

static void on_started(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    batch_done(registry, &registry->starteds, &registry->writer, result, take_started_row);
}

bool reg_names_send_starteds(struct node_registry *registry)
{
    struct reg_name_queue *queue = &registry->starteds;
    struct reg_array names;
    struct reg_array epochs;
    struct reg_array actors;
    struct reg_params params;

    if (reg_name_queue_send(queue, REG_BATCH_ROWS_MAX) == 0) {
        return false;
    }
    reg_array_init(&names, REG_OID_TEXT);
    reg_array_init(&epochs, REG_OID_INT8);
    reg_array_init(&actors, REG_OID_INT8);
    for (const struct reg_name_op *op = queue->sent; op != NULL; op = op->next) {
        reg_array_text(&names, op->request.name);
        reg_array_u64(&epochs, op->epoch);
        reg_array_u64(&actors, op->request.actor_id);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    reg_params_array(&params, &names);
    reg_params_array(&params, &epochs);
    reg_params_array(&params, &actors);
    return send_batch(registry, queue, &registry->writer, REG_SQL_STATEMENTS_NAME_STARTED, &params,
                      on_started);
}

/* ---- look up ---- */

/* A registration whose caller gave up is looked at: what was granted after all is given back. */
static void settle(struct node_registry *registry, const struct reg_name_op *op,
                   const struct tr_name_result *found)
{
    if (found->status == TROUPE_OK && found->pid.node == registry->node_id &&
        found->pid.id == op->request.actor_id) {
        reg_names_release(registry, op->request.name, found->epoch);
    }
}

static void judge_lookup(struct node_registry *registry, const struct reg_result *result, int row,
                         struct tr_name_result *answer)
{
    const char *status = reg_result_text(result, row, LOOKUP_STATUS);

    *answer = (struct tr_name_result){.status = TROUPE_E_NOT_FOUND, .text = ""};
    if (status == NULL || strcmp(status, "gone") == 0) {
        return;
    }
    if (!reg_result_u64(result, row, LOOKUP_NODE, &answer->pid.node) ||
        !reg_result_u64(result, row, LOOKUP_ACTOR, &answer->pid.id) ||
        !reg_result_u64(result, row, LOOKUP_EPOCH, &answer->epoch)) {
        reg_log(registry, TROUPE_LOG_ERROR, "the row of a name makes no sense");
        answer->status = TROUPE_E_FAILED;
        answer->text = "the row of this name makes no sense";
        return;
    }
    if (strcmp(status, "running") == 0) {
        answer->status = TROUPE_OK;
        return;
    }
    answer->status = TROUPE_E_AGAIN;
    answer->text = strcmp(status, "parked") == 0
                       ? "recovered too often and parked: see troupe.name_unpark()"
                       : "its node is dead, it is being recovered";
}

static void take_lookup_row(struct node_registry *registry, struct reg_name_op *op,
                            const struct reg_result *result, int row)
{
    struct tr_name_result answer;

    judge_lookup(registry, result, row, &answer);
    if (op->settles) {
        settle(registry, op, &answer);
        return;
    }
    if (op->answered) {
        return;
    }
    if (answer.status != TROUPE_OK) {
        reg_cache_drop(registry->cache, op->request.name, UINT64_MAX);
    } else if (answer.pid.node == registry->node_id ||
               reg_members_find(&registry->members, answer.pid.node) != NULL) {
        /* A holder that died meanwhile, or is not known yet, is not cached: its death may have
         * been applied already, and nothing would drop it. */
        reg_cache_put(registry->cache, op->request.name, answer.pid, answer.epoch);
    }
    reg_name_op_answer(op, &answer);
}

static void on_looked_up(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;

    batch_done(registry, &registry->lookups, &registry->reader, result, take_lookup_row);
}

bool reg_names_send_lookups(struct node_registry *registry)
{
    struct reg_name_queue *queue = &registry->lookups;
    struct reg_array names;
    struct reg_params params;

    if (reg_name_queue_send(queue, REG_BATCH_ROWS_MAX) == 0) {
        return false;
    }
    reg_array_init(&names, REG_OID_TEXT);
    for (const struct reg_name_op *op = queue->sent; op != NULL; op = op->next) {
        reg_array_text(&names, op->request.name);
    }
    reg_params_init(&params);
    reg_params_array(&params, &names);
    return send_batch(registry, queue, &registry->reader, REG_SQL_STATEMENTS_NAME_LOOKUP, &params,
                      on_looked_up);
}
