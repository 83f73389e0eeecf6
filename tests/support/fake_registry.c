#include "support/fake_registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_cluster.h"
#include "troupe/registry.h"

/* ---- telling nodes ---- */

char *fake_copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

void fake_free_item(struct fake_item *item)
{
    free(item->a);
    free(item->b);
    free(item->c);
    free(item->d);
    free(item->e);
    free(item);
}

static void drain_items(void *context)
{
    struct fake_node *node = context;
    struct fake_item *item = NULL;

    tr_mutex_lock(&node->cluster->mutex);
    item = node->head;
    node->head = NULL;
    node->tail = NULL;
    node->posted = false;
    tr_mutex_unlock(&node->cluster->mutex);
    while (item != NULL) {
        struct fake_item *next = item->next;

        item->run(node, item);
        fake_free_item(item);
        item = next;
    }
}

/* Appends to what the node will hear, in order; with the mutex held. */
struct fake_item *fake_tell(struct fake_node *node,
                            void (*run)(struct fake_node *node, const struct fake_item *item))
{
    struct fake_item *item = calloc(1, sizeof(*item));

    if (item == NULL) {
        abort();
    }
    item->run = run;
    if (node->tail == NULL) {
        node->head = item;
    } else {
        node->tail->next = item;
    }
    node->tail = item;
    if (!node->posted && !node->deaf) {
        node->posted = tr_loop_post(node->join.loop, drain_items, node) == TROUPE_OK;
    }
    return item;
}

bool fake_is_up(struct fake_node *node)
{
    bool up = false;

    tr_mutex_lock(&node->cluster->mutex);
    up = node->state == NODE_UP;
    tr_mutex_unlock(&node->cluster->mutex);
    return up;
}

/* The node had no memory for it. */
static void tell_up_again(struct fake_node *node, uint64_t node_id)
{
    tr_mutex_lock(&node->cluster->mutex);
    const struct fake_node *other = fake_find_node(node->cluster, node_id);

    if (other != NULL) {
        fake_tell_up(node, other);
    }
    tr_mutex_unlock(&node->cluster->mutex);
}

static void run_up(struct fake_node *node, const struct fake_item *item)
{
    const struct tr_member member = {.node_id = item->node_id,
                                     .name = item->a,
                                     .host = item->b,
                                     .port = item->port,
                                     .draining = item->strict,
                                     .roles = item->c,
                                     .metadata = item->d,
                                     .since_ms = item->since_ms};
    const struct tr_registry_events *events = &node->join.events;

    if (!fake_is_up(node)) {
        return;
    }
    if (item->node_id != node->node_id) {
        if (!events->on_member_up(events->context, &member)) {
            tell_up_again(node, item->node_id);
        }
    } else if (events->on_member_self != NULL) {
        events->on_member_self(events->context, &member);
    }
}

static void run_down(struct fake_node *node, const struct fake_item *item)
{
    if (fake_is_up(node)) {
        node->join.events.on_member_down(node->join.events.context, item->node_id, item->a,
                                         item->b);
    }
}

void fake_tell_up(struct fake_node *node, const struct fake_node *other)
{
    struct fake_item *item = fake_tell(node, run_up);

    item->node_id = other->node_id;
    item->a = fake_copy(other->name);
    item->b = fake_copy(other->host);
    item->port = other->join.port;
    item->c = fake_copy(other->join.roles);
    item->d = fake_copy(other->metadata);
    item->since_ms = other->since_ms;
    item->strict = other->draining;
}

static void run_answer(struct fake_node *node, const struct fake_item *item)
{
    struct tr_name_result result = item->result;

    (void)node;
    result.text = item->a == NULL ? "" : item->a;
    if (item->done != NULL) {
        item->done(item->done_context, &result);
    }
}

void fake_tell_answer(struct fake_node *node, tr_name_done done, void *context,
                      struct tr_name_result result, const char *text)
{
    struct fake_item *item = fake_tell(node, run_answer);

    item->done = done;
    item->done_context = context;
    item->result = result;
    item->a = fake_copy(text);
}

static void run_step_outcome(struct fake_node *node, const struct fake_item *item)
{
    (void)node;
    item->step->done(item->step->context, item->outcome);
}

void fake_tell_outcome(struct fake_node *node, struct tr_step *step, enum tr_step_outcome outcome)
{
    struct fake_item *item = fake_tell(node, run_step_outcome);

    item->step = step;
    item->outcome = outcome;
    node->health.steps_committed += outcome == TR_STEP_COMMITTED ? 1 : 0;
    node->health.steps_refused += outcome == TR_STEP_COMMITTED ? 0 : 1;
}

static void run_orphan(struct fake_node *node, const struct fake_item *item)
{
    const struct tr_orphan orphan = {.name = item->a,
                                     .epoch = item->epoch,
                                     .strict = item->strict,
                                     .behavior = item->b,
                                     .version = item->version,
                                     .checkpoint = item->c,
                                     .seq = item->seq,
                                     .state_json = item->d,
                                     .options_json = item->e};

    if (fake_is_up(node)) {
        node->join.events.on_orphan(node->join.events.context, &orphan);
    }
}

static void run_inbox(struct fake_node *node, const struct fake_item *item)
{
    const struct tr_inbox_row row = {
        .id = item->id, .to = item->a, .from = item->b, .type = item->c, .payload_json = item->d};

    if (fake_is_up(node)) {
        node->join.events.on_inbox(node->join.events.context, &row, 1);
    }
}

/* ---- the cluster's tables; the mutex is held ---- */

struct fake_node *fake_find_node(struct fake_cluster *cluster, uint64_t node_id)
{
    for (size_t index = 0; index < cluster->node_count; index++) {
        if (cluster->nodes[index]->node_id == node_id && cluster->nodes[index]->state == NODE_UP) {
            return cluster->nodes[index];
        }
    }
    return NULL;
}

struct fake_name *fake_find_name(struct fake_cluster *cluster, const char *text)
{
    struct fake_name *name = cluster->names;

    while (name != NULL && strcmp(name->name, text) != 0) {
        name = name->next;
    }
    return name;
}

static void free_name(struct fake_name *name)
{
    free(name->name);
    free(name->behavior);
    free(name->checkpoint);
    free(name->state);
    free(name->options);
    free(name);
}

void fake_remove_name(struct fake_cluster *cluster, struct fake_name *name)
{
    struct fake_name **place = &cluster->names;

    while (*place != name) {
        place = &(*place)->next;
    }
    *place = name->next;
    free_name(name);
}

/* Gives the holder of a name its messages that it has not got. */
void fake_deliver(struct fake_cluster *cluster, const char *to)
{
    const struct fake_name *name = fake_find_name(cluster, to);
    struct fake_node *node = name == NULL ? NULL : fake_find_node(cluster, name->node_id);

    if (node == NULL || name->actor_id == 0 || cluster->away) {
        return;
    }
    for (struct fake_message *message = cluster->inbox; message != NULL; message = message->next) {
        if (strcmp(message->to, to) == 0 && message->in_hand != name->epoch) {
            struct fake_item *item = fake_tell(node, run_inbox);

            message->in_hand = name->epoch;
            item->id = message->id;
            item->a = fake_copy(message->to);
            item->b = fake_copy(message->from);
            item->c = fake_copy(message->type);
            item->d = fake_copy(message->payload);
        }
    }
}

uint64_t fake_add_message(struct fake_cluster *cluster, const char *to, const char *from,
                          const char *type, const char *payload)
{
    struct fake_message *message = calloc(1, sizeof(*message));
    struct fake_message **end = &cluster->inbox;

    if (message == NULL) {
        abort();
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = message;
    message->id = ++cluster->last_message;
    message->to = fake_copy(to);
    message->from = fake_copy(from);
    message->type = fake_copy(type);
    message->payload = fake_copy(payload);
    return message->id;
}

struct fake_message **fake_find_message(struct fake_cluster *cluster, uint64_t id, const char *to)
{
    struct fake_message **place = &cluster->inbox;

    while (*place != NULL && ((*place)->id != id || strcmp((*place)->to, to) != 0)) {
        place = &(*place)->next;
    }
    return *place == NULL ? NULL : place;
}

void fake_remove_message(struct fake_message **place)
{
    struct fake_message *message = *place;

    *place = message->next;
    free(message->to);
    free(message->from);
    free(message->type);
    free(message->payload);
    free(message);
}

static bool knows(const struct fake_node *node, const char *behavior)
{
    for (size_t index = 0; index < node->behavior_count; index++) {
        if (strcmp(node->behaviors[index], behavior) == 0) {
            return true;
        }
    }
    return false;
}

void fake_tell_orphan(struct fake_node *node, const struct fake_name *name)
{
    struct fake_item *item = fake_tell(node, run_orphan);

    item->a = fake_copy(name->name);
    item->b = fake_copy(name->behavior);
    item->c = fake_copy(name->checkpoint);
    item->d = fake_copy(name->state);
    item->e = fake_copy(name->options);
    item->epoch = name->epoch;
    item->seq = name->seq;
    item->version = name->version;
    item->strict = name->strict;
}

/* Gives every orphan to the next survivor that knows its behavior. */
void fake_recover(struct fake_cluster *cluster)
{
    for (struct fake_name *name = cluster->names; name != NULL; name = name->next) {
        if (!name->durable || fake_find_node(cluster, name->node_id) != NULL) {
            continue;
        }
        for (size_t tries = 0; tries < cluster->node_count; tries++) {
            struct fake_node *node = cluster->nodes[cluster->turn++ % cluster->node_count];

            if (node->state == NODE_UP && !node->draining && knows(node, name->behavior)) {
                name->node_id = node->node_id;
                name->actor_id = 0;
                name->stopped = false;
                name->epoch = ++cluster->last_epoch;
                fake_tell_orphan(node, name);
                break;
            }
        }
    }
}

static void drop_volatile_names(struct fake_cluster *cluster, uint64_t node_id)
{
    struct fake_name *name = cluster->names;

    while (name != NULL) {
        struct fake_name *next = name->next;

        if (name->node_id == node_id && !name->durable) {
            fake_remove_name(cluster, name);
        }
        name = next;
    }
}

static void run_fenced(struct fake_node *node, const struct fake_item *item)
{
    tr_timer_stop(node->timer);
    node->join.events.on_fenced(node->join.events.context, item->a);
}

void fake_end_held_steps(struct fake_node *node)
{
    while (node->held_steps != NULL) {
        struct tr_step *step = node->held_steps;

        node->held_steps = step->next;
        fake_tell_outcome(node, step, TR_STEP_FENCED);
    }
}

/* The one way a node ends. */
void fake_end_node(struct fake_cluster *cluster, struct fake_node *node, const char *why)
{
    node->state = strcmp(why, "left") == 0 ? NODE_STOPPED : NODE_FENCED;
    fake_end_held_steps(node);
    if (node->state == NODE_FENCED && !node->crashed) {
        fake_tell(node, run_fenced)->a = fake_copy(why);
    }
    for (size_t index = 0; index < cluster->node_count; index++) {
        if (cluster->nodes[index]->state == NODE_UP) {
            struct fake_item *item = fake_tell(cluster->nodes[index], run_down);

            item->node_id = node->node_id;
            item->a = fake_copy(node->name);
            item->b = fake_copy(why);
        }
    }
    drop_volatile_names(cluster, node->node_id);
    fake_recover(cluster);
}

/* ---- making and ending ---- */

struct fake_cluster *fake_cluster_create(void)
{
    struct fake_cluster *cluster = calloc(1, sizeof(*cluster));

    if (cluster == NULL) {
        abort();
    }
    tr_mutex_init(&cluster->mutex);
    reg_link_window_init(&cluster->links);
    return cluster;
}

void fake_cluster_destroy(struct fake_cluster *cluster)
{
    while (cluster->names != NULL) {
        fake_remove_name(cluster, cluster->names);
    }
    while (cluster->inbox != NULL) {
        fake_remove_message(&cluster->inbox);
    }
    reg_link_window_fini(&cluster->links);
    tr_mutex_fini(&cluster->mutex);
    free(cluster);
}

struct troupe_registry *fake_registry_create(struct fake_cluster *cluster)
{
    struct fake_node *node = calloc(1, sizeof(*node));

    if (node == NULL) {
        abort();
    }
    node->cluster = cluster;
    node->box.port = fake_port(node);
    tr_mutex_lock(&cluster->mutex);
    if (cluster->node_count == NODES_MAX) {
        abort();
    }
    cluster->nodes[cluster->node_count++] = node;
    tr_mutex_unlock(&cluster->mutex);
    return &node->box;
}

void fake_cluster_kill(struct fake_cluster *cluster, uint64_t node_id)
{
    struct fake_node *node = NULL;

    tr_mutex_lock(&cluster->mutex);
    node = fake_find_node(cluster, node_id);
    if (node != NULL) {
        fake_end_node(cluster, node, "expired");
    }
    tr_mutex_unlock(&cluster->mutex);
}

void fake_cluster_crash(struct fake_cluster *cluster, uint64_t node_id)
{
    struct fake_node *node = NULL;

    tr_mutex_lock(&cluster->mutex);
    node = fake_find_node(cluster, node_id);
    if (node != NULL) {
        node->crashed = true;
    }
    tr_mutex_unlock(&cluster->mutex);
}

uint64_t fake_cluster_send(struct fake_cluster *cluster, const char *to, const char *type,
                           const char *payload_json)
{
    uint64_t id = 0;

    tr_mutex_lock(&cluster->mutex);
    id = fake_add_message(cluster, to, NULL, type, payload_json);
    fake_deliver(cluster, to);
    tr_mutex_unlock(&cluster->mutex);
    return id;
}

bool fake_cluster_state(struct fake_cluster *cluster, const char *name, char *out, size_t size)
{
    const struct fake_name *found = NULL;
    bool fits = false;

    tr_mutex_lock(&cluster->mutex);
    found = fake_find_name(cluster, name);
    if (found != NULL && found->state != NULL && strlen(found->state) < size) {
        (void)snprintf(out, size, "%s", found->state);
        fits = true;
    }
    tr_mutex_unlock(&cluster->mutex);
    return fits;
}

size_t fake_cluster_inbox_count(struct fake_cluster *cluster)
{
    size_t count = 0;

    tr_mutex_lock(&cluster->mutex);
    for (const struct fake_message *message = cluster->inbox; message != NULL;
         message = message->next) {
        count++;
    }
    tr_mutex_unlock(&cluster->mutex);
    return count;
}

size_t fake_cluster_link_count(struct fake_cluster *cluster)
{
    size_t count = 0;

    tr_mutex_lock(&cluster->mutex);
    count = reg_link_window_count(&cluster->links);
    tr_mutex_unlock(&cluster->mutex);
    return count;
}

static void run_sampled(struct fake_node *node, const struct fake_item *item)
{
    (void)node;
    item->samples_done(item->done_context, item->strict);
}

bool fake_sample(void *context, const struct tr_samples *samples, tr_samples_done done,
                 void *done_context)
{
    struct fake_node *node = context;
    struct fake_cluster *cluster = node->cluster;
    struct fake_samples *kept = &cluster->samples;
    bool taken = false;

    tr_mutex_lock(&cluster->mutex);
    taken = node->state == NODE_UP && !cluster->away;
    if (taken) {
        struct fake_item *item = fake_tell(node, run_sampled);

        item->samples_done = done;
        item->done_context = done_context;
        item->strict = !cluster->loses_samples;
        kept->calls++;
        kept->actor_count = samples->actor_count;
        for (size_t i = 0; i < samples->actor_count; i++) {
            kept->actors[i] = samples->actors[i];
        }
        kept->gone_count = samples->gone_count;
        for (size_t i = 0; i < samples->gone_count; i++) {
            kept->gone[i] = samples->gone[i];
        }
        if (samples->census != NULL) {
            kept->census_calls++;
            kept->census_count = samples->census_count;
            for (size_t i = 0; i < samples->census_count; i++) {
                kept->census[i] = samples->census[i];
            }
        }
    } else {
        kept->refused++;
    }
    tr_mutex_unlock(&cluster->mutex);
    return taken;
}

void fake_cluster_samples(struct fake_cluster *cluster, struct fake_samples *out)
{
    tr_mutex_lock(&cluster->mutex);
    *out = cluster->samples;
    tr_mutex_unlock(&cluster->mutex);
}

void fake_cluster_lose_samples(struct fake_cluster *cluster, bool lose)
{
    tr_mutex_lock(&cluster->mutex);
    cluster->loses_samples = lose;
    tr_mutex_unlock(&cluster->mutex);
}

/* As registry/pg has it, which is not part of programs that have this one. */
void troupe_registry_destroy(troupe_registry *registry)
{
    if (registry != NULL) {
        registry->port.destroy(registry->port.context);
    }
}
