/* What a node says of its actors for people to read. It never waits in a queue: when anything else
 * is to be written it is not sent, and the node tries again with fresher figures. */
#include "pg/parts.h"

static void on_samples(void *context, const struct reg_result *result)
{
    struct node_registry *registry = context;
    const bool written = reg_result_ok(result);
    const tr_samples_done done = registry->samples_done;

    registry->samples_done = NULL;
    if (!written) {
        reg_log(registry, TROUPE_LOG_DEBUG, "samples of actors were not written: %s", result->text);
    }
    reg_lane_done(&registry->writer, !written);
    if (done != NULL) {
        done(registry->samples_context, written);
    }
    reg_writer_pump(registry);
}

static void give_actors(struct reg_params *params, const struct tr_samples *samples)
{
    struct reg_array ids;
    struct reg_array behaviors;
    struct reg_array messages;
    struct reg_array oldest;
    struct reg_array gone;

    reg_array_init(&ids, REG_OID_INT8);
    reg_array_init(&behaviors, REG_OID_TEXT);
    reg_array_init(&messages, REG_OID_INT8);
    reg_array_init(&oldest, REG_OID_INT8);
    reg_array_init(&gone, REG_OID_INT8);
    for (size_t i = 0; i < samples->actor_count; i++) {
        const struct tr_sample *actor = &samples->actors[i];

        reg_array_u64(&ids, actor->actor_id);
        reg_array_text(&behaviors, actor->behavior[0] == '\0' ? NULL : actor->behavior);
        reg_array_u64(&messages, actor->messages);
        reg_array_u64(&oldest, actor->oldest_ms);
    }
    for (size_t i = 0; i < samples->gone_count; i++) {
        reg_array_u64(&gone, samples->gone[i]);
    }
    reg_params_array(params, &ids);
    reg_params_array(params, &behaviors);
    reg_params_array(params, &messages);
    reg_params_array(params, &oldest);
    reg_params_array(params, &gone);
}

static void give_census(struct reg_params *params, const struct tr_samples *samples)
{
    struct reg_array behaviors;
    struct reg_array actors;

    reg_array_init(&behaviors, REG_OID_TEXT);
    reg_array_init(&actors, REG_OID_INT8);
    for (size_t i = 0; i < samples->census_count; i++) {
        reg_array_text(&behaviors, samples->census[i].behavior);
        reg_array_u64(&actors, samples->census[i].actors);
    }
    reg_params_bool(params, samples->census != NULL);
    reg_params_array(params, &behaviors);
    reg_params_array(params, &actors);
}

bool reg_samples_send(struct node_registry *registry, const struct tr_samples *samples,
                      tr_samples_done done, void *context)
{
    struct reg_params params;

    if (!reg_lane_is_free(&registry->writer) || !reg_writer_is_idle(registry) ||
        registry->samples_done != NULL) {
        return false;
    }
    reg_params_init(&params);
    reg_params_u64(&params, registry->node_id);
    give_actors(&params, samples);
    give_census(&params, samples);
    registry->samples_done = done;
    registry->samples_context = context;
    if (reg_connection_query(registry->writer.connection, reg_sql(REG_SQL_STATEMENTS_SAMPLE_WRITE),
                             &params, REG_STATEMENT_TIMEOUT_MS, on_samples,
                             registry) != TROUPE_OK) {
        registry->samples_done = NULL;
        return false;
    }
    registry->writer.busy = true;
    return true;
}
