#include "support/registry_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "troupe/actor.h"

static const int64_t ms = 1000000;

int64_t world_now(const struct world *world)
{
    return (int64_t)tr_loop_now(world->loop);
}

void world_changed(struct world *world)
{
    tr_cond_broadcast(&world->cond);
}

static void lock(struct world_node *node)
{
    tr_mutex_lock(&node->world->mutex);
}

static void unlock(struct world_node *node)
{
    world_changed(node->world);
    tr_mutex_unlock(&node->world->mutex);
}

/* ---- events ---- */

static void on_joined(void *context, uint64_t node_id, const uint8_t cluster_id[16],
                      uint64_t system_id)
{
    struct world_node *node = context;

    (void)cluster_id;
    (void)system_id;
    lock(node);
    node->node_id = node_id;
    node->joins++;
    unlock(node);
}

static void on_failed(void *context, troupe_status status, const char *text)
{
    struct world_node *node = context;

    lock(node);
    node->failed = status;
    (void)snprintf(node->failed_text, sizeof(node->failed_text), "%s", text);
    unlock(node);
}

static bool on_member_up(void *context, const struct tr_member *member)
{
    struct world_node *node = context;

    lock(node);
    if (node->up_count < WORLD_NOTES_MAX) {
        (void)snprintf(node->up_labels[node->up_count], sizeof(node->up_labels[0]), "%s|%s|%d",
                       member->roles == NULL ? "" : member->roles,
                       member->metadata == NULL ? "" : member->metadata, member->draining);
        node->up_since_ms[node->up_count] = member->since_ms;
        node->up[node->up_count++] = member->node_id;
    }
    unlock(node);
    return true;
}

static void on_member_draining(void *context, uint64_t node_id, bool draining)
{
    struct world_node *node = context;

    lock(node);
    if (!draining) {
        node->undrained = node_id;
    } else if (node->draining_count < WORLD_NOTES_MAX) {
        node->draining[node->draining_count++] = node_id;
    }
    unlock(node);
}

static void on_member_metadata(void *context, uint64_t node_id, const char *metadata)
{
    struct world_node *node = context;

    lock(node);
    node->metadata_of = node_id;
    (void)snprintf(node->metadata, sizeof(node->metadata), "%s", metadata);
    unlock(node);
}

static void on_member_self(void *context, const struct tr_member *self)
{
    struct world_node *node = context;

    lock(node);
    node->since_ms = self->since_ms;
    unlock(node);
}

static void on_member_down(void *context, uint64_t node_id, const char *name, const char *why)
{
    struct world_node *node = context;

    (void)name;
    lock(node);
    if (node->down_count < WORLD_NOTES_MAX) {
        node->down_ns[node->down_count] = world_now(node->world);
        (void)snprintf(node->down_why[node->down_count], sizeof(node->down_why[0]), "%s", why);
        node->down[node->down_count++] = node_id;
    }
    unlock(node);
}

static void on_lease(void *context, int64_t deadline_ns)
{
    struct world_node *node = context;

    lock(node);
    node->lease_ns = deadline_ns;
    node->leases++;
    unlock(node);
}

static void on_fenced(void *context, const char *why)
{
    struct world_node *node = context;
    bool rejoin = false;

    (void)why;
    lock(node);
    node->fenced++;
    rejoin = node->rejoin;
    unlock(node);
    if (rejoin) {
        node->box->port.rejoin(node->box->port.context);
    }
}

static void on_started(void *context, const struct tr_name_result *result)
{
    struct world_node *node = context;

    if (result->status == TROUPE_OK) {
        lock(node);
        for (size_t index = 0; index < node->orphan_count; index++) {
            if (node->orphans[index].epoch == result->epoch) {
                node->orphans[index].started = true;
            }
        }
        node->started_count++;
        unlock(node);
    }
}

static void on_orphan(void *context, const struct tr_orphan *orphan)
{
    struct world_node *node = context;
    struct world_orphan *note = NULL;
    uint64_t actor_id = 0;

    lock(node);
    if (node->orphan_count < WORLD_ORPHANS_MAX) {
        note = &node->orphans[node->orphan_count++];
        (void)snprintf(note->name, sizeof(note->name), "%s", orphan->name);
        (void)snprintf(note->state, sizeof(note->state), "%s",
                       orphan->state_json == NULL ? "" : orphan->state_json);
        note->epoch = orphan->epoch;
        note->seq = orphan->seq;
        actor_id = node->hold_orphans ? 0 : ++node->next_actor;
    }
    unlock(node);
    if (actor_id != 0) {
        /* The note's copy of the name stays, as `started` wants it. */
        node->box->port.started(node->box->port.context, note->name, orphan->epoch, actor_id,
                                on_started, node);
    }
}

static void on_inbox(void *context, const struct tr_inbox_row *rows, size_t count)
{
    struct world_node *node = context;

    lock(node);
    for (size_t index = 0; index < count && node->inbox_count < WORLD_INBOX_MAX; index++) {
        struct world_message *message = &node->inbox[node->inbox_count++];

        message->id = rows[index].id;
        (void)snprintf(message->to, sizeof(message->to), "%s", rows[index].to);
        (void)snprintf(message->payload, sizeof(message->payload), "%s", rows[index].payload_json);
    }
    unlock(node);
}

static void on_log(void *context, int level, const char *text)
{
    struct world_node *node = context;

    if (getenv("TEST_LOG") != NULL) {
        (void)fprintf(stderr, "%lld %s[%d]: %s\n", (long long)(world_now(node->world) / ms),
                      node->name, level, text);
    }
    if (level >= TROUPE_LOG_WARNING) {
        lock(node);
        (void)snprintf(node->last_error, sizeof(node->last_error), "%s", text);
        unlock(node);
    }
}

/* ---- the world ---- */

void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    tr_mutex_init(&world->mutex);
    tr_cond_init(&world->cond);
    assert_int_equal(tr_loop_create(&world->loop), TROUPE_OK);
    assert_int_equal(tr_loop_start(world->loop), TROUPE_OK);
}

struct call {
    struct world *world;
    void (*fn)(void *context);
    void *context;
    bool done;
};

static void run_call(void *context)
{
    struct call *call = context;

    call->fn(call->context);
    tr_mutex_lock(&call->world->mutex);
    call->done = true;
    world_changed(call->world);
    tr_mutex_unlock(&call->world->mutex);
}

static bool call_is_done(void *context)
{
    const struct call *call = context;

    return call->done;
}

void world_do(struct world *world, void (*fn)(void *context), void *context)
{
    struct call call = {.world = world, .fn = fn, .context = context};

    assert_int_equal(tr_loop_post(world->loop, run_call, &call), TROUPE_OK);
    world_wait(world, call_is_done, &call);
}

void world_wait(struct world *world, bool (*condition)(void *context), void *context)
{
    const int64_t deadline_ns = world_now(world) + WORLD_WAIT_MS * ms;
    bool holds = false;

    tr_mutex_lock(&world->mutex);
    holds = condition(context);
    while (!holds && world_now(world) < deadline_ns) {
        (void)tr_cond_wait_for(&world->cond, &world->mutex, 50 * ms);
        holds = condition(context);
    }
    tr_mutex_unlock(&world->mutex);
    assert_true(holds);
}

struct starting {
    struct world_node *node;
    const struct world_options *options;
    troupe_status status;
};

static void start_node(void *context)
{
    struct starting *starting = context;
    struct world_node *node = starting->node;
    const struct world_options *options = starting->options;
    struct tr_registry_port *port = &node->box->port;
    const struct tr_registry_join join = {
        .loop = node->world->loop,
        .name = node->name,
        .host = "127.0.0.1",
        .port = options->port != 0 ? options->port : 4000,
        .ttl_ms = options->ttl_ms != 0 ? options->ttl_ms : 2000,
        .roles = options->roles != NULL ? options->roles : "test",
        .metadata = options->metadata,
        .version = "0.1.0",
        .seed = node->world->node_count,
        .allow_unsafe_fsync = options->allow_unsafe_fsync,
        .events = {.context = node,
                   .on_joined = on_joined,
                   .on_failed = on_failed,
                   .on_member_up = on_member_up,
                   .on_member_draining = on_member_draining,
                   .on_member_metadata = on_member_metadata,
                   .on_member_self = on_member_self,
                   .on_member_down = on_member_down,
                   .on_lease = on_lease,
                   .on_fenced = on_fenced,
                   .on_orphan = on_orphan,
                   .on_inbox = on_inbox,
                   .log = on_log},
    };

    port->set_behaviors(port->context, options->behaviors, options->behavior_count);
    starting->status = port->start(port->context, &join);
}

struct world_node *world_start_box(struct world *world, struct troupe_registry *box,
                                   const char *name, const struct world_options *options)
{
    static const struct world_options none = {0};
    struct world_node *node = NULL;
    struct starting starting = {.options = options == NULL ? &none : options};

    assert_true(world->node_count < WORLD_NODES_MAX);
    node = &world->nodes[world->node_count++];
    memset(node, 0, sizeof(*node));
    node->world = world;
    node->box = box;
    node->rejoin = starting.options->rejoin;
    node->next_actor = 1000;
    (void)snprintf(node->name, sizeof(node->name), "%s", name);
    starting.node = node;
    world_do(world, start_node, &starting);
    assert_int_equal(starting.status, TROUPE_OK);
    return node;
}

static void on_stopped(void *context)
{
    struct world_node *node = context;

    lock(node);
    node->stopped = true;
    unlock(node);
}

static void stop_and_leave(void *context)
{
    struct world_node *node = context;

    node->box->port.stop(node->box->port.context, true, 5000, on_stopped, node);
}

static void stop_at_once(void *context)
{
    struct world_node *node = context;

    node->box->port.stop(node->box->port.context, false, 0, on_stopped, node);
}

static void destroy_box(void *context)
{
    struct world_node *node = context;

    node->box->port.destroy(node->box->port.context);
    node->box = NULL;
}

void world_stop(struct world_node *node, bool leave)
{
    world_do(node->world, leave ? stop_and_leave : stop_at_once, node);
    world_wait(node->world, node_has_stopped, node);
    world_do(node->world, destroy_box, node);
}

void world_fini(struct world *world)
{
    for (size_t index = 0; index < world->node_count; index++) {
        if (world->nodes[index].box != NULL) {
            world_stop(&world->nodes[index], true);
        }
    }
    tr_loop_stop(world->loop);
    tr_loop_join(world->loop);
    tr_loop_destroy(world->loop);
    tr_cond_fini(&world->cond);
    tr_mutex_fini(&world->mutex);
}

struct health_call {
    struct world_node *node;
    struct tr_registry_health health;
};

static void ask_health(void *context)
{
    struct health_call *call = context;

    call->node->box->port.health(call->node->box->port.context, &call->health);
}

struct tr_registry_health world_health(struct world_node *node)
{
    struct health_call call = {.node = node};

    world_do(node->world, ask_health, &call);
    return call.health;
}

/* ---- operations ---- */

struct operation {
    struct world_node *node;
    struct tr_name_register request;
    uint64_t epoch;
    struct world_answer answer;
};

static void on_answer(void *context, const struct tr_name_result *result)
{
    struct operation *operation = context;

    lock(operation->node);
    operation->answer.done = true;
    operation->answer.calls++;
    operation->answer.status = result->status;
    operation->answer.pid = result->pid;
    operation->answer.epoch = result->epoch;
    (void)snprintf(operation->answer.text, sizeof(operation->answer.text), "%s", result->text);
    unlock(operation->node);
}

static bool is_answered(void *context)
{
    const struct operation *operation = context;

    return operation->answer.done;
}

static void do_register(void *context)
{
    struct operation *operation = context;
    const struct tr_registry_port *port = &operation->node->box->port;

    port->register_name(port->context, &operation->request);
}

static void do_unregister(void *context)
{
    struct operation *operation = context;
    const struct tr_registry_port *port = &operation->node->box->port;

    port->unregister(port->context, operation->request.name, operation->epoch,
                     operation->request.deadline_ns, on_answer, operation);
}

static void do_lookup(void *context)
{
    struct operation *operation = context;
    const struct tr_registry_port *port = &operation->node->box->port;

    port->lookup(port->context, operation->request.name, operation->request.deadline_ns, on_answer,
                 operation);
}

static struct world_answer run(struct operation *operation, void (*fn)(void *),
                               uint32_t deadline_ms)
{
    struct world *world = operation->node->world;

    operation->request.deadline_ns = world_now(world) + deadline_ms * ms;
    operation->request.done = on_answer;
    operation->request.context = operation;
    world_do(world, fn, operation);
    world_wait(world, is_answered, operation);
    return operation->answer;
}

struct world_answer world_register(struct world_node *node, const char *name, uint64_t actor_id,
                                   const char *behavior, const char *state_json,
                                   uint32_t deadline_ms)
{
    struct operation operation = {
        .node = node,
        .request = {.name = name,
                    .actor_id = actor_id,
                    .durable = state_json != NULL,
                    .behavior = behavior,
                    .version = 1,
                    .checkpoint = state_json != NULL ? "each" : NULL,
                    .state_json = state_json},
    };

    return run(&operation, do_register, deadline_ms);
}

struct world_answer world_unregister(struct world_node *node, const char *name, uint64_t epoch)
{
    struct operation operation = {.node = node, .request = {.name = name}, .epoch = epoch};

    return run(&operation, do_unregister, 10000);
}

struct world_answer world_lookup(struct world_node *node, const char *name, uint32_t deadline_ms)
{
    struct operation operation = {.node = node, .request = {.name = name}};

    return run(&operation, do_lookup, deadline_ms);
}

bool world_cached(struct world_node *node, const char *name, troupe_pid *pid, uint64_t *epoch)
{
    return node->box->port.cached(node->box->port.context, name, pid, epoch);
}

struct accusation {
    struct world_node *node;
    uint64_t node_id;
    bool refused;
};

static void do_unreachable(void *context)
{
    const struct accusation *accusation = context;
    const struct tr_registry_port *port = &accusation->node->box->port;

    port->unreachable(port->context, accusation->node_id, accusation->refused);
}

void world_unreachable(struct world_node *node, uint64_t node_id, bool refused)
{
    struct accusation accusation = {node, node_id, refused};

    world_do(node->world, do_unreachable, &accusation);
}

/* ---- steps ---- */

static void on_step(void *context, enum tr_step_outcome outcome)
{
    struct world_step *step = context;

    tr_mutex_lock(&step->world->mutex);
    step->done = true;
    step->calls++;
    step->outcome = outcome;
    world_changed(step->world);
    tr_mutex_unlock(&step->world->mutex);
}

struct step_call {
    struct world_node *node;
    struct world_step *steps;
    size_t count;
};

static void do_steps(void *context)
{
    const struct step_call *call = context;
    const struct tr_registry_port *port = &call->node->box->port;

    for (size_t index = 0; index < call->count; index++) {
        port->step(port->context, &call->steps[index].step);
    }
}

void world_steps(struct world_node *node, struct world_step *steps, size_t count)
{
    struct step_call call = {node, steps, count};

    for (size_t index = 0; index < count; index++) {
        steps[index].world = node->world;
        steps[index].done = false;
        steps[index].step.done = on_step;
        steps[index].step.context = &steps[index];
    }
    world_do(node->world, do_steps, &call);
}

void world_step(struct world_node *node, struct world_step *step)
{
    world_steps(node, step, 1);
}

bool step_is_done(void *context)
{
    const struct world_step *step = context;

    return step->done;
}
