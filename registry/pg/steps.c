/* Transactional steps of durable actors, many in one statement, repeated until the database has
 * decided. */
#include <string.h>

#include "pg/parts.h"

/* The arrays of sql/step.sql. */
struct arrays {
    struct reg_array names;
    struct reg_array epochs;
    struct reg_array seqs;
    struct reg_array states;
    struct reg_array versions;
    struct reg_array handled_step;
    struct reg_array handled_id;
    struct reg_array out_step;
    struct reg_array out_to;
    struct reg_array out_type;
    struct reg_array out_payload;
};

static void init_arrays(struct arrays *arrays)
{
    reg_array_init(&arrays->names, REG_OID_TEXT);
    reg_array_init(&arrays->epochs, REG_OID_INT8);
    reg_array_init(&arrays->seqs, REG_OID_INT8);
    reg_array_init(&arrays->states, REG_OID_TEXT);
    reg_array_init(&arrays->versions, REG_OID_INT4);
    reg_array_init(&arrays->handled_step, REG_OID_INT4);
    reg_array_init(&arrays->handled_id, REG_OID_INT8);
    reg_array_init(&arrays->out_step, REG_OID_INT4);
    reg_array_init(&arrays->out_to, REG_OID_TEXT);
    reg_array_init(&arrays->out_type, REG_OID_TEXT);
    reg_array_init(&arrays->out_payload, REG_OID_TEXT);
}

/* number is the step's place in the batch, from 1. */
static void add_step(struct arrays *arrays, const struct tr_step *step, int32_t number)
{
    reg_array_text(&arrays->names, step->name);
    reg_array_u64(&arrays->epochs, step->epoch);
    reg_array_u64(&arrays->seqs, step->seq);
    reg_array_text(&arrays->states, step->state_json);
    reg_array_i32(&arrays->versions, step->version);
    for (size_t index = 0; index < step->handled_count; index++) {
        reg_array_i32(&arrays->handled_step, number);
        reg_array_u64(&arrays->handled_id, step->handled[index]);
    }
    for (size_t index = 0; index < step->outgoing_count; index++) {
        const struct tr_outgoing *outgoing = &step->outgoing[index];

        reg_array_i32(&arrays->out_step, number);
        reg_array_text(&arrays->out_to, outgoing->to);
        reg_array_text(&arrays->out_type, outgoing->type);
        reg_array_text(&arrays->out_payload, outgoing->payload_json);
    }
}

static void give_arrays(struct reg_params *params, struct arrays *arrays)
{
    reg_params_array(params, &arrays->names);
    reg_params_array(params, &arrays->epochs);
    reg_params_array(params, &arrays->seqs);
    reg_params_array(params, &arrays->states);
    reg_params_array(params, &arrays->versions);
    reg_params_array(params, &arrays->handled_step);
    reg_params_array(params, &arrays->handled_id);
    reg_params_array(params, &arrays->out_step);
    reg_params_array(params, &arrays->out_to);
    reg_params_array(params, &arrays->out_type);
    reg_params_array(params, &arrays->out_payload);
}

/* ---- outcomes ---- */

static void finish(struct node_registry *registry, struct tr_step *step,
                   enum tr_step_outcome outcome)
{
    if (outcome == TR_STEP_COMMITTED) {
        registry->health.steps_committed++;
        for (size_t index = 0; index < step->handled_count; index++) {
            reg_held_finish_id(&registry->held, step->name, step->handled[index],
                               reg_now(registry));
        }
        /* What it sent to names held here need not wait for the next poll. */
        for (size_t index = 0; index < step->outgoing_count; index++) {
            reg_inbox_hint(registry, step->outgoing[index].to);
        }
    } else {
        registry->health.steps_refused++;
        reg_held_drop(&registry->held, step->name, step->epoch);
    }
    step->done(step->context, outcome);
}

/* Takes the steps that the database refused out of the batch; answers the rest. A name has at most
 * one step in a batch. */
static struct tr_step *take_refused(struct tr_step **batch, const char *name)
{
    struct tr_step **place = batch;

    while (*place != NULL && strcmp((*place)->name, name) != 0) {
        place = &(*place)->next;
    }
    if (*place != NULL) {
        struct tr_step *step = *place;

        *place = step->next;
        return step;
    }
    return NULL;
}

static void refuse(struct node_registry *registry, struct tr_step *step, const char *why)
{
    const bool replayed = strcmp(why, "replayed") == 0;

    if (!replayed && strcmp(why, "fenced") != 0) {
        reg_log(registry, TROUPE_LOG_ERROR, "the step of %s was refused: %s", step->name, why);
    }
    if (replayed) {
        /* The name is still ours; its row comes again, and the actor starts from it. */
        reg_recovery_load(registry, step->name);
    }
    finish(registry, step, replayed ? TR_STEP_REPLAYED : TR_STEP_FENCED);
}

static void batch_decided(struct node_registry *registry, const struct reg_result *result)
{
    struct tr_step *batch = reg_step_queue_take_sent(&registry->steps);
    const int count = reg_result_count(result);

    for (int row = 0; row < count; row++) {
        const char *name = reg_result_text(result, row, 0);
        const char *why = reg_result_text(result, row, 1);
        struct tr_step *step = name == NULL ? NULL : take_refused(&batch, name);

        if (step == NULL) {
            reg_log(registry, TROUPE_LOG_ERROR, "the database refused a step that nobody sent");
        } else {
            refuse(registry, step, why == NULL ? "" : why);
        }
    }
    while (batch != NULL) {
        struct tr_step *next = batch->next;

        finish(registry, batch, TR_STEP_COMMITTED);
        batch = next;
    }
}

/* The database refuses the data of one step; that one cannot ever be saved. */
static bool is_refusal(troupe_status status)
{
    return status == TROUPE_E_INVALID || status == TROUPE_E_EXISTS;
}

static void on_steps(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    struct reg_step_queue *queue = &registry->steps;

    if (reg_result_ok(result)) {
        batch_decided(registry, result);
        reg_lane_done(&registry->writer, false);
    } else if (!is_refusal(result->status)) {
        /* Whatever it was, the same statement is right: the sequence numbers make it safe. */
        if (result->status != TROUPE_E_UNKNOWN && result->status != TROUPE_E_REGISTRY &&
            result->status != TROUPE_E_AGAIN) {
            reg_log(registry, TROUPE_LOG_ERROR, "steps cannot be saved now: %s", result->text);
        }
        reg_step_queue_return(queue, reg_step_queue_take_sent(queue), false);
        reg_lane_done(&registry->writer, true);
    } else if (queue->sent != NULL && queue->sent->next != NULL) {
        reg_step_queue_return(queue, reg_step_queue_take_sent(queue), true);
        reg_lane_done(&registry->writer, false);
    } else {
        struct tr_step *step = reg_step_queue_take_sent(queue);

        reg_lane_done(&registry->writer, false);
        if (step != NULL) {
            refuse(registry, step, result->text);
        }
    }
    reg_writer_pump(registry);
    reg_reader_pump(registry);
}

bool reg_steps_send(struct node_registry *registry)
{
    struct reg_step_queue *queue = &registry->steps;
    struct arrays arrays;
    struct reg_params params;
    int32_t number = 0;

    if (reg_step_queue_send(queue, REG_BATCH_ROWS_MAX, REG_BATCH_BYTES_MAX) == 0) {
        return false;
    }
    init_arrays(&arrays);
    for (const struct tr_step *step = queue->sent; step != NULL; step = step->next) {
        add_step(&arrays, step, ++number);
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    give_arrays(&params, &arrays);
    if (reg_connection_query(registry->writer.connection, reg_sql(REG_SQL_STATEMENTS_STEP), &params,
                             REG_STATEMENT_TIMEOUT_MS, on_steps, registry) != TROUPE_OK) {
        reg_step_queue_return(queue, reg_step_queue_take_sent(queue), false);
        registry->writer.retry_ns = reg_now(registry) + REG_RETRY_MS * REG_MS;
        reg_wake_at(registry, registry->writer.retry_ns);
        return false;
    }
    return true;
}

void reg_steps_end(struct node_registry *registry)
{
    struct reg_step_queue *queue = &registry->steps;
    struct tr_step *lists[] = {queue->sent, queue->suspects, queue->head};

    *queue = (struct reg_step_queue){0};
    for (size_t index = 0; index < sizeof(lists) / sizeof(lists[0]); index++) {
        struct tr_step *step = lists[index];

        while (step != NULL) {
            struct tr_step *next = step->next;

            registry->health.steps_refused++;
            step->done(step->context, TR_STEP_FENCED);
            step = next;
        }
    }
}
