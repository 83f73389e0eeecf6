/* Durable actors from the registry's side: orphans to start, inbox messages to deliver. Loop
 * thread, unless said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "io/loop.h"
#include "node/birth.h"
#include "node/names.h"
#include "node/node.h"
#include "type/json.h"

/* ---- hints to who holds a name ---- */

static void send_hint(struct troupe_node *node, const char *name, troupe_pid holder)
{
    uint8_t bytes[258];

    if (holder.node == tr_sched_node_id(node->sched)) {
        node->registry->port.inbox_hint(node->registry->port.context, name);
    } else if (holder.node != 0) {
        /* When it cannot be sent, the holder finds the row by its own slow look. */
        (void)tr_router_send(node->router, holder.node, 0, bytes,
                             tr_codec_encode_inbox(name, bytes));
    }
}

struct hint {
    struct troupe_node *node;
    char name[];
};

static void on_hint_looked_up(void *context, const struct tr_name_result *result)
{
    struct hint *hint = context;

    if (result->status == TROUPE_OK) {
        send_hint(hint->node, hint->name, result->pid);
    }
    free(hint);
}

void tr_durable_hint(struct troupe_node *node, const char *name)
{
    const struct tr_registry_port *port = &node->registry->port;
    troupe_pid holder = {0};
    uint64_t epoch = 0;

    if (tr_names_local(node, name) != 0) {
        port->inbox_hint(port->context, name);
        return;
    }
    if (port->cached(port->context, name, &holder, &epoch)) {
        send_hint(node, name, holder);
        return;
    }
    const size_t size = strlen(name) + 1;
    struct hint *hint = node->leaving ? NULL : malloc(sizeof(*hint) + size);

    if (hint != NULL) {
        hint->node = node;
        memcpy(hint->name, name, size);
        port->lookup(port->context, hint->name, tr_node_loop_deadline(node, 0), on_hint_looked_up,
                     hint);
    }
}

/* ---- failed messages ---- */

struct failure {
    struct troupe_node *node;
    uint64_t epoch;
    uint64_t row_id;
    char why[TR_REASON_TEXT_SIZE];
    char name[];
};

static void fail_on_loop(void *context)
{
    struct failure *failure = context;
    const struct tr_registry_port *port = &failure->node->registry->port;

    port->inbox_failed(port->context, failure->name, failure->epoch, failure->row_id, failure->why);
    free(failure);
}

/* Any thread. */
static void report_failure(struct troupe_node *node, const char *name, uint64_t epoch,
                           uint64_t row_id, const char *why)
{
    const size_t size = strlen(name) + 1;
    struct failure *failure = calloc(1, sizeof(*failure) + size);

    if (failure == NULL) {
        return; /* The attempt is not counted; the row is still there. */
    }
    failure->node = node;
    failure->epoch = epoch;
    failure->row_id = row_id;
    (void)snprintf(failure->why, sizeof(failure->why), "%s", why);
    memcpy(failure->name, name, size);
    if (tr_loop_post(node->loop, fail_on_loop, failure) != TROUPE_OK) {
        free(failure);
    }
}

void tr_durable_inbox_failed(void *context, troupe_self *self, uint64_t row_id, const char *why)
{
    const struct tr_actor_extra *extra = self->actor->extra;

    if (extra != NULL && extra->name != NULL) {
        report_failure(context, extra->name, extra->epoch, row_id, why);
    }
}

/* ---- messages of the inbox ---- */

static void deliver(struct troupe_node *node, const struct tr_inbox_row *row)
{
    const uint64_t actor_id = tr_names_local(node, row->to);
    const troupe_type *type = tr_catalog_type(node, row->type, strlen(row->type));
    char error[TR_REASON_TEXT_SIZE] = "";
    void *value = NULL;

    if (actor_id == 0) {
        return; /* It comes again to whoever holds the name. */
    }
    if (type == NULL) {
        (void)snprintf(error, sizeof(error), "type \"%.100s\" is not known on node %s", row->type,
                       node->name);
        report_failure(node, row->to, tr_names_epoch(node, row->to), row->id, error);
        return;
    }
    const troupe_status status = tr_value_from_json_lenient(
        type, row->payload_json, strlen(row->payload_json), &value, error, sizeof(error));

    if (status != TROUPE_OK) {
        report_failure(node, row->to, tr_names_epoch(node, row->to), row->id, error);
        return;
    }
    struct tr_message *message = tr_message_create_value(
        &node->sched->shared_cache, TR_SIGNAL_MESSAGE, type, type->size == 0 ? NULL : value, 0);

    troupe_value_free(value);
    if (message != NULL) {
        message->to = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = actor_id};
        message->ref = row->id;
        message->flags = TR_MESSAGE_INBOX;
        (void)tr_sched_post(node->sched, NULL, message);
    }
}

void tr_durable_on_inbox(struct troupe_node *node, const struct tr_inbox_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        deliver(node, &rows[i]);
    }
}

/* ---- orphans ---- */

struct orphan {
    struct troupe_node *node;
    const troupe_behavior *behavior;
    void *state;
    int32_t version;
    struct tr_spawn_request spawned; /* the options that it was spawned with */
    uint64_t epoch;
    uint64_t seq;
    uint64_t actor_id;
    struct tr_adopter *adopter; /* who looked for it; owned. NULL: nobody */
    char name[];
};

static void orphan_free(struct orphan *orphan)
{
    if (orphan->adopter != NULL) {
        tr_adopter_answer(orphan->adopter, TROUPE_E_FAILED, (troupe_pid){0},
                          "it cannot be recovered");
    }
    troupe_value_free(orphan->state);
    free(orphan);
}

/* The name is ours already: the actor starts with it. */
static troupe_status prepare(void *context, struct tr_actor *actor)
{
    struct orphan *orphan = context;
    struct tr_actor_extra *extra = tr_actor_extra(actor);
    const uint64_t id = tr_load_relaxed(&actor->id);

    if (extra == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    const troupe_status status = tr_names_claim(orphan->node, orphan->name, id);

    if (status != TROUPE_OK) {
        return status;
    }
    extra->name = strdup(orphan->name);
    if (extra->name == NULL) {
        (void)tr_names_release(orphan->node, orphan->name, id);
        return TROUPE_E_NO_MEMORY;
    }
    extra->epoch = orphan->epoch;
    extra->named = true;
    orphan->actor_id = id;
    return tr_durable_attach(orphan->node, actor, orphan->spawned.checkpoint,
                             orphan->spawned.checkpoint_ms,
                             (orphan->spawned.flags & TROUPE_SPAWN_STRICT) != 0, orphan->seq);
}

static void on_started(void *context, const struct tr_name_result *result)
{
    struct orphan *orphan = context;
    struct troupe_node *node = orphan->node;

    if (result->status == TROUPE_E_FENCED) {
        /* Taken by another node between the claim and the start: this one must not live. */
        tr_node_signal_one(node, orphan->actor_id, TROUPE_REASON_FENCED, "its name was taken over");
    } else if (result->status == TROUPE_OK) {
        node->registry->port.inbox_hint(node->registry->port.context, orphan->name);
    }
    orphan_free(orphan);
}

static void started_on_loop(void *context)
{
    struct orphan *orphan = context;
    const struct tr_registry_port *port = &orphan->node->registry->port;

    if (orphan->node->registry_over) {
        orphan_free(orphan);
        return;
    }
    port->started(port->context, orphan->name, orphan->epoch, orphan->actor_id, on_started, orphan);
}

static bool is_stopping(struct troupe_node *node)
{
    tr_mutex_lock(&node->state_mutex);
    const bool stopping = node->state == TR_NODE_STOPPING;

    tr_mutex_unlock(&node->state_mutex);
    return stopping;
}

/* In the agent. */
static void start_orphan(troupe_self *self, void *context)
{
    struct orphan *orphan = context;
    struct troupe_node *node = orphan->node;

    if (self == NULL || is_stopping(node)) {
        orphan_free(orphan); /* Its actors were told to end: this one would be told by nobody. */
        return;
    }
    struct tr_adopter *adopter = orphan->adopter;
    const struct tr_spawn spawn = {
        .spawn_flags = adopter == NULL ? 0 : TROUPE_SPAWN_LINK,
        .parent = adopter == NULL ? (troupe_pid){0} : tr_adopter_pid(adopter),
        .parent_session = adopter == NULL ? 0 : tr_adopter_session(adopter),
        .behavior = orphan->behavior,
        .state = orphan->state,
        .state_version = orphan->version,
        .actor_flags = tr_spawn_actor_flags(&orphan->spawned),
        .mailbox_messages = orphan->spawned.mailbox_messages,
        .mailbox_bytes = orphan->spawned.mailbox_bytes,
        .mailbox_policy = orphan->spawned.flags >> TR_SPAWN_POLICY_SHIFT,
        .prepare = prepare,
        .prepare_context = orphan};
    char error[TR_REASON_TEXT_SIZE] = "";
    troupe_pid pid = {0};
    const troupe_status status =
        tr_actor_spawn(self->sched, self->worker, &spawn, &pid, error, sizeof(error));

    if (status != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_ERROR, "\"%s\" cannot be recovered: %s", orphan->name,
                    error[0] != '\0' ? error : troupe_status_text(status));
        if (adopter != NULL && status == TROUPE_E_EXISTS) {
            orphan->adopter = NULL;
            tr_adopter_answer(adopter, TROUPE_E_AGAIN, (troupe_pid){0}, "somebody was quicker");
        }
        orphan_free(orphan);
        return;
    }
    if (adopter != NULL) {
        orphan->adopter = NULL;
        tr_adopted(self, adopter, pid);
    }
    tr_names_confirm(node, orphan->name, pid.id, orphan->epoch);
    if (tr_loop_post(node->loop, started_on_loop, orphan) != TROUPE_OK) {
        orphan_free(orphan);
    }
}

void tr_durable_on_orphan(struct troupe_node *node, const struct tr_orphan *row)
{
    const size_t size = strlen(row->name) + 1;
    const troupe_behavior *behavior = tr_catalog_behavior(node, row->behavior);
    struct orphan *orphan = calloc(1, sizeof(*orphan) + size);
    char error[TR_REASON_TEXT_SIZE] = "out of memory";
    troupe_status status = orphan == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;

    if (status == TROUPE_OK && (behavior == NULL || behavior->state == NULL)) {
        (void)snprintf(error, sizeof(error), "behavior \"%.100s\" is not known", row->behavior);
        status = TROUPE_E_NOT_FOUND;
    }
    if (status == TROUPE_OK) {
        orphan->node = node;
        orphan->behavior = behavior;
        orphan->version = row->version;
        orphan->epoch = row->epoch;
        orphan->seq = row->seq;
        memcpy(orphan->name, row->name, size);
        orphan->adopter = tr_adopt_take(node, row->name);
        orphan->spawned.checkpoint = tr_checkpoint_of(row->checkpoint);
        orphan->spawned.flags = TROUPE_SPAWN_DURABLE | (row->strict ? TROUPE_SPAWN_STRICT : 0);
        status = tr_birth_read(row->options_json, &orphan->spawned, error, sizeof(error));
    }
    if (status == TROUPE_OK) {
        status =
            tr_value_from_json_lenient(behavior->state, row->state_json, strlen(row->state_json),
                                       &orphan->state, error, sizeof(error));
    }
    if (status == TROUPE_OK) {
        status = tr_sched_run_in(node->sched, node->agent, start_orphan, orphan);
    }
    if (status != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_ERROR, "\"%s\" cannot be recovered: %s", row->name, error);
        if (orphan != NULL) {
            orphan_free(orphan);
        }
    }
}
