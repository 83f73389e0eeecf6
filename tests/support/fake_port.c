#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_cluster.h"

/* The port of the fake registry: what a node may ask. */

static void lock(struct fake_node *node)
{
    tr_mutex_lock(&node->cluster->mutex);
}

static void unlock(struct fake_node *node)
{
    tr_mutex_unlock(&node->cluster->mutex);
}

static void renew(void *context)
{
    struct fake_node *node = context;
    const int64_t deadline_ns =
        (int64_t)tr_loop_now(node->join.loop) + (int64_t)node->join.ttl_ms * 1000000;
    bool granted = false;

    lock(node);
    granted = !node->cluster->away && node->state == NODE_UP;
    if (granted) {
        node->health.lease_deadline_ns = deadline_ns;
    }
    unlock(node);
    if (granted) {
        node->join.events.on_lease(node->join.events.context, deadline_ns);
    }
}

static void run_joined(struct fake_node *node, const struct fake_item *item)
{
    static const uint8_t cluster_id[16] = {'f', 'a', 'k', 'e'};
    const uint64_t third_ns = (uint64_t)node->join.ttl_ms * 1000000 / 3;

    node->join.events.on_joined(node->join.events.context, item->node_id, cluster_id, 1);
    tr_timer_start(node->timer, 0, third_ns);
}

static void run_failed(struct fake_node *node, const struct fake_item *item)
{
    node->join.events.on_failed(node->join.events.context, TROUPE_E_EXISTS, item->a);
}

static void join_cluster(struct fake_node *node)
{
    struct fake_cluster *cluster = node->cluster;

    for (size_t index = 0; index < cluster->node_count; index++) {
        const struct fake_node *other = cluster->nodes[index];

        if (other->state == NODE_UP && strcmp(other->name, node->name) == 0) {
            fake_tell(node, run_failed)->a = fake_copy("the name is held by a node that lives");
            return;
        }
    }
    node->node_id = ++cluster->last_node_id;
    node->state = NODE_UP;
    node->crashed = false;
    node->draining = false;
    node->since_ms = (int64_t)node->node_id * 1000; /* A clock that nobody has to wait for. */
    fake_tell(node, run_joined)->node_id = node->node_id;
    fake_tell_up(node, node); /* Of itself. */
    for (size_t index = 0; index < cluster->node_count; index++) {
        struct fake_node *other = cluster->nodes[index];

        if (other != node && other->state == NODE_UP) {
            fake_tell_up(node, other);
            fake_tell_up(other, node);
        }
    }
    fake_recover(cluster);
}

/* As a registry that is reached by a unix socket. */
static void ask_host(struct fake_node *node)
{
    const struct tr_registry_events *events = &node->join.events;
    const char *host =
        events->on_reached == NULL ? node->join.host : events->on_reached(events->context, "");

    (void)snprintf(node->host, sizeof(node->host), "%s", host);
}

static troupe_status start(void *context, const struct tr_registry_join *join)
{
    struct fake_node *node = context;
    troupe_status status = TROUPE_OK;

    node->join = *join;
    (void)snprintf(node->name, sizeof(node->name), "%s", join->name);
    (void)snprintf(node->metadata, sizeof(node->metadata), "%s",
                   join->metadata == NULL ? "" : join->metadata);
    ask_host(node);
    status = tr_timer_create(join->loop, renew, node, &node->timer);
    if (status != TROUPE_OK) {
        return status;
    }
    lock(node);
    join_cluster(node);
    unlock(node);
    return TROUPE_OK;
}

static void rejoin(void *context)
{
    struct fake_node *node = context;

    lock(node);
    join_cluster(node);
    unlock(node);
}

static void run_stopped(struct fake_node *node, const struct fake_item *item)
{
    void (*stopped)(void *context, const struct tr_name_result *result) = item->done;

    tr_timer_close(node->timer);
    node->timer = NULL;
    if (stopped != NULL) {
        stopped(item->done_context, NULL);
    }
}

/* The port's done of stop takes no result; this one carries both. */
struct stop_call {
    void (*done)(void *);
    void *context;
};

static void on_stop_done(void *context, const struct tr_name_result *result)
{
    struct stop_call *call = context;
    void (*done)(void *) = call->done;
    void *done_context = call->context;

    (void)result;
    free(call);
    if (done != NULL) {
        done(done_context);
    }
}

static void stop(void *context, bool leave, uint32_t timeout_ms, void (*done)(void *),
                 void *done_context)
{
    struct fake_node *node = context;
    struct stop_call *call = calloc(1, sizeof(*call));
    struct fake_item *item = NULL;

    (void)timeout_ms;
    if (call == NULL) {
        abort();
    }
    *call = (struct stop_call){done, done_context};
    lock(node);
    if (node->state == NODE_UP && leave) {
        fake_end_node(node->cluster, node, "left");
    }
    if (!leave) {
        node->crashed = true; /* it stays a member until somebody finds it unreachable */
    }
    fake_end_held_steps(node);
    item = fake_tell(node, run_stopped);
    item->done = on_stop_done;
    item->done_context = call;
    node->deaf = true; /* its loop may end now */
    unlock(node);
}

static void forget_behaviors(struct fake_node *node)
{
    for (size_t index = 0; index < node->behavior_count; index++) {
        free(node->behaviors[index]);
    }
    node->behavior_count = 0;
}

static void set_behaviors(void *context, const char *const *names, size_t count)
{
    struct fake_node *node = context;

    lock(node);
    forget_behaviors(node);
    for (size_t index = 0; index < count && index < BEHAVIORS_MAX; index++) {
        node->behaviors[node->behavior_count++] = fake_copy(names[index]);
    }
    if (node->state == NODE_UP) {
        fake_recover(node->cluster);
    }
    unlock(node);
}

static void destroy(void *context)
{
    struct fake_node *node = context;
    struct fake_cluster *cluster = node->cluster;

    lock(node);
    if (node->state == NODE_UP) {
        node->crashed = true;
        fake_end_node(cluster, node, "gone");
    }
    for (size_t index = 0; index < cluster->node_count; index++) {
        if (cluster->nodes[index] == node) {
            cluster->nodes[index] = cluster->nodes[--cluster->node_count];
        }
    }
    unlock(node);
    while (node->head != NULL) {
        struct fake_item *item = node->head;

        node->head = item->next;
        fake_free_item(item);
    }
    forget_behaviors(node);
    free(node);
}

/* ---- names ---- */

/* The status of calls that need the database, when they cannot be served. */
static troupe_status refusal(const struct fake_node *node)
{
    if (node->state == NODE_FENCED) {
        return TROUPE_E_FENCED;
    }
    return node->state != NODE_UP || node->cluster->away ? TROUPE_E_REGISTRY : TROUPE_OK;
}

static struct tr_name_result describe(struct fake_cluster *cluster, const struct fake_name *name,
                                      troupe_status status)
{
    const bool alive = fake_find_node(cluster, name->node_id) != NULL && name->actor_id != 0;

    return (struct tr_name_result){.status = alive ? status : TROUPE_E_AGAIN,
                                   .pid = {.node = name->node_id, .id = name->actor_id},
                                   .epoch = name->epoch};
}

static struct tr_name_result add_name(struct fake_node *node,
                                      const struct tr_name_register *request)
{
    struct fake_cluster *cluster = node->cluster;
    struct fake_name *name = calloc(1, sizeof(*name));

    if (name == NULL) {
        abort();
    }
    *name = (struct fake_name){
        .next = cluster->names,
        .name = fake_copy(request->name),
        .node_id = node->node_id,
        .actor_id = request->actor_id,
        .epoch = ++cluster->last_epoch,
        .durable = request->durable,
        .strict = request->strict,
        .behavior = fake_copy(request->behavior),
        .checkpoint = fake_copy(request->checkpoint),
        .state = fake_copy(request->state_json),
        .options = fake_copy(request->options_json),
        .version = request->version,
    };
    cluster->names = name;
    return describe(cluster, name, TROUPE_OK);
}

static void register_name(void *context, const struct tr_name_register *request)
{
    struct fake_node *node = context;
    struct tr_name_result result = {0};
    const struct fake_name *name = NULL;

    lock(node);
    result.status = refusal(node);
    name = fake_find_name(node->cluster, request->name);
    if (result.status != TROUPE_OK) {
        name = NULL;
    } else if (request->durable && request->behavior == NULL) {
        result.status = TROUPE_E_INVALID;
    } else if (name != NULL) {
        result = describe(node->cluster, name, TROUPE_E_EXISTS);
    } else {
        result = add_name(node, request);
    }
    fake_tell_answer(node, request->done, request->context, result, NULL);
    if (result.status == TROUPE_OK) {
        fake_deliver(node->cluster, request->name);
    }
    unlock(node);
}

static void unregister(void *context, const char *text, uint64_t epoch, int64_t deadline_ns,
                       tr_name_done done, void *done_context)
{
    struct fake_node *node = context;
    struct tr_name_result result = {0};

    (void)deadline_ns;
    lock(node);
    result.status = refusal(node);
    if (result.status == TROUPE_OK) {
        struct fake_name *name = fake_find_name(node->cluster, text);

        if (name == NULL || name->epoch != epoch || name->node_id != node->node_id) {
            result.status = TROUPE_E_NOT_FOUND;
        } else {
            result.epoch = epoch;
            fake_remove_name(node->cluster, name);
        }
    }
    fake_tell_answer(node, done, done_context, result, NULL);
    unlock(node);
}

static void lookup(void *context, const char *text, int64_t deadline_ns, tr_name_done done,
                   void *done_context)
{
    struct fake_node *node = context;
    struct tr_name_result result = {0};

    (void)deadline_ns;
    lock(node);
    result.status = refusal(node);
    if (result.status == TROUPE_OK) {
        const struct fake_name *name = fake_find_name(node->cluster, text);

        result = name == NULL ? (struct tr_name_result){.status = TROUPE_E_NOT_FOUND}
                              : describe(node->cluster, name, TROUPE_OK);
    }
    fake_tell_answer(node, done, done_context, result, NULL);
    unlock(node);
}

/* The fake's cache is never wrong: it is the table. */
static bool cached(void *context, const char *text, troupe_pid *pid, uint64_t *epoch)
{
    struct fake_node *node = context;
    const struct fake_name *name = NULL;
    bool found = false;

    lock(node);
    name = fake_find_name(node->cluster, text);
    if (name != NULL && describe(node->cluster, name, TROUPE_OK).status == TROUPE_OK) {
        *pid = (troupe_pid){.node = name->node_id, .id = name->actor_id};
        *epoch = name->epoch;
        found = true;
    }
    unlock(node);
    return found;
}

static void invalidate(void *context, const char *name, uint64_t epoch)
{
    (void)context;
    (void)name;
    (void)epoch;
}

static void started(void *context, const char *text, uint64_t epoch, uint64_t actor_id,
                    tr_name_done done, void *done_context)
{
    struct fake_node *node = context;
    struct tr_name_result result = {
        .status = TROUPE_E_FENCED, .pid = {.node = node->node_id, .id = actor_id}, .epoch = epoch};
    struct fake_name *name = NULL;

    lock(node);
    name = fake_find_name(node->cluster, text);
    if (name != NULL && name->epoch == epoch && name->node_id == node->node_id &&
        node->state == NODE_UP) {
        name->actor_id = actor_id != 0 ? actor_id : name->actor_id;
        name->stopped = actor_id == 0;
        result.status = TROUPE_OK;
    }
    fake_tell_answer(node, done, done_context, result, NULL);
    if (result.status == TROUPE_OK && actor_id != 0) {
        fake_deliver(node->cluster, text);
    }
    unlock(node);
}

/* ---- steps and the inbox ---- */

static bool all_are_there(struct fake_cluster *cluster, const struct tr_step *step)
{
    for (size_t index = 0; index < step->handled_count; index++) {
        if (fake_find_message(cluster, step->handled[index], step->name) == NULL) {
            return false;
        }
    }
    return true;
}

static void write_step(struct fake_cluster *cluster, struct fake_name *name,
                       const struct tr_step *step)
{
    name->seq = step->seq;
    if (step->state_json != NULL) {
        free(name->state);
        name->state = fake_copy(step->state_json);
        name->version = step->version;
    }
    for (size_t index = 0; index < step->handled_count; index++) {
        fake_remove_message(fake_find_message(cluster, step->handled[index], step->name));
    }
    for (size_t index = 0; index < step->outgoing_count; index++) {
        const struct tr_outgoing *outgoing = &step->outgoing[index];

        (void)fake_add_message(cluster, outgoing->to, step->name, outgoing->type,
                               outgoing->payload_json);
    }
}

void fake_decide_step(struct fake_node *node, struct tr_step *step)
{
    struct fake_cluster *cluster = node->cluster;
    struct fake_name *name = fake_find_name(cluster, step->name);

    if (node->state != NODE_UP || name == NULL || name->epoch != step->epoch ||
        name->node_id != node->node_id || name->seq > step->seq) {
        fake_tell_outcome(node, step, TR_STEP_FENCED);
    } else if (name->seq == step->seq) {
        fake_tell_outcome(node, step, TR_STEP_COMMITTED); /* its answer had got lost */
    } else if (!all_are_there(cluster, step)) {
        fake_tell_outcome(node, step, TR_STEP_REPLAYED);
        fake_tell_orphan(node, name);
    } else {
        write_step(cluster, name, step);
        fake_tell_outcome(node, step, TR_STEP_COMMITTED);
        for (size_t index = 0; index < step->outgoing_count; index++) {
            fake_deliver(cluster, step->outgoing[index].to);
        }
    }
}

static void step(void *context, struct tr_step *one)
{
    struct fake_node *node = context;

    lock(node);
    if (node->cluster->away && node->state == NODE_UP) {
        one->next = node->held_steps;
        node->held_steps = one;
    } else {
        fake_decide_step(node, one);
    }
    unlock(node);
}

static void inbox_hint(void *context, const char *name)
{
    struct fake_node *node = context;

    lock(node);
    fake_deliver(node->cluster, name);
    unlock(node);
}

static void inbox_failed(void *context, const char *name, uint64_t epoch, uint64_t id,
                         const char *error)
{
    struct fake_node *node = context;
    struct fake_message **place = NULL;

    (void)epoch;
    (void)error;
    lock(node);
    place = fake_find_message(node->cluster, id, name);
    if (place != NULL) {
        (*place)->in_hand = 0;
        (*place)->attempts++;
        if ((*place)->attempts >= ATTEMPTS_MAX) {
            fake_remove_message(place);
        }
    }
    fake_deliver(node->cluster, name);
    unlock(node);
}

/* ---- the rest of the port ---- */

static void put_link(struct fake_node *node, const struct tr_link_row *row, bool add)
{
    lock(node);
    /* Without memory the row is missing, which only people read. */
    const troupe_status status = reg_link_window_put(&node->cluster->links, row, add);

    (void)status;
    unlock(node);
}

static void reload(void *context, const char *name, uint64_t epoch)
{
    struct fake_node *node = context;
    const struct fake_name *held = NULL;

    lock(node);
    held = fake_find_name(node->cluster, name);
    if (held != NULL && held->node_id == node->node_id && held->epoch == epoch) {
        fake_tell_orphan(node, held);
    }
    unlock(node);
}

static void link_add(void *context, const struct tr_link_row *row)
{
    put_link(context, row, true);
}

static void link_remove(void *context, const struct tr_link_row *row)
{
    put_link(context, row, false);
}

static void unreachable(void *context, uint64_t node_id, bool refused)
{
    struct fake_node *node = context;
    struct fake_node *victim = NULL;

    lock(node);
    victim = fake_find_node(node->cluster, node_id);
    if (victim != NULL && victim->crashed && !node->cluster->away) {
        fake_end_node(node->cluster, victim, refused ? "gone" : "lost");
    }
    unlock(node);
}

static void health(void *context, struct tr_registry_health *out)
{
    struct fake_node *node = context;

    lock(node);
    *out = node->health;
    out->connected = node->state == NODE_UP && !node->cluster->away;
    out->listening = out->connected;
    out->fenced = node->state == NODE_FENCED;
    unlock(node);
}

struct tr_registry_port fake_port(struct fake_node *node)
{
    return (struct tr_registry_port){
        .context = node,
        .start = start,
        .stop = stop,
        .drain = fake_drain,
        .set_metadata = fake_set_metadata,
        .rejoin = rejoin,
        .destroy = destroy,
        .set_behaviors = set_behaviors,
        .register_name = register_name,
        .unregister = unregister,
        .lookup = lookup,
        .cached = cached,
        .invalidate = invalidate,
        .started = started,
        .step = step,
        .inbox_hint = inbox_hint,
        .inbox_failed = inbox_failed,
        .reload = reload,
        .link_add = link_add,
        .link_remove = link_remove,
        .sample = fake_sample,
        .unreachable = unreachable,
        .health = health,
    };
}
