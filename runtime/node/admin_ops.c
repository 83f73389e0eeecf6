/* Operations of the administration protocol that act: call, send, spawn, exit; and those about the
 * node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/admin.h"
#include "node/agent.h"
#include "node/members.h"
#include "node/names.h"

void tr_admin_ping(struct tr_admin *admin)
{
    tr_admin_add_text(admin->reply, "name", admin->node->name);
    tr_admin_add_id(admin->reply, "node_id", tr_sched_node_id(admin->node->sched));
}

void tr_admin_info(struct tr_admin *admin)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(admin->node, &info);
    tr_admin_ping(admin);
    (void)cJSON_AddNumberToObject(admin->reply, "port", info.port);
    (void)cJSON_AddNumberToObject(admin->reply, "actors", (double)info.actors);
    (void)cJSON_AddNumberToObject(admin->reply, "actors_started", (double)info.actors_started);
    (void)cJSON_AddNumberToObject(admin->reply, "messages_dropped", (double)info.messages_dropped);
    (void)cJSON_AddNumberToObject(admin->reply, "messages_unknown", (double)info.messages_unknown);
    (void)cJSON_AddNumberToObject(admin->reply, "runs_slow", (double)info.runs_slow);
    (void)cJSON_AddNumberToObject(admin->reply, "peers", (double)info.peers);
    (void)cJSON_AddNumberToObject(admin->reply, "peers_refused", (double)info.peers_refused);
    (void)cJSON_AddNumberToObject(admin->reply, "signals_refused", (double)info.signals_refused);
    (void)cJSON_AddNumberToObject(admin->reply, "lease_left_ms", (double)info.lease_left_ms);
    if (info.tls_expires != 0) {
        (void)cJSON_AddNumberToObject(admin->reply, "tls_expires", (double)info.tls_expires);
    }
}

/* Where a request goes: a pid, or a name. */
static bool target(struct tr_admin *admin, troupe_pid *pid, const char **name)
{
    const char *to = tr_admin_text(admin, "to", true);

    *name = NULL;
    if (to == NULL) {
        return false;
    }
    if (to[0] != '<') {
        *name = to;
        return tr_name_is_valid(to) ||
               tr_admin_fail(admin, TROUPE_E_INVALID, "not a name: 1 to 255 bytes of UTF-8");
    }
    return troupe_pid_parse(to, pid) == TROUPE_OK ||
           tr_admin_fail(admin, TROUPE_E_INVALID, "not a pid: \"%.64s\"", to);
}

/* The type and value of a request. */
static bool message_of(struct tr_admin *admin, const troupe_type **type, void **value)
{
    const char *name = tr_admin_text(admin, "type", true);

    if (name == NULL) {
        return false;
    }
    *type = tr_catalog_type(admin->node, name, strlen(name));
    if (*type == NULL) {
        return tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "node %s knows no type \"%.127s\"",
                             admin->node->name, name);
    }
    if (!tr_admin_value(admin, "message", *type, value)) {
        return false;
    }
    if (tr_admin_may(admin, tr_guard_asks(*type, *value))) {
        return true;
    }
    troupe_value_free(*value);
    return false;
}

static void fail_as_result(struct tr_admin *admin, const troupe_result *result, const char *to)
{
    const char *text = result->reason.text == NULL ? "" : result->reason.text;

    if (result->status == TROUPE_E_NOPROC && to != NULL) {
        (void)tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "no such name: \"%.255s\"", to);
    } else if (result->status == TROUPE_E_EXITED) {
        (void)tr_admin_fail(admin, result->status, "the actor exited (%s)%s%s",
                            troupe_reason_name(result->reason.kind), text[0] != '\0' ? ": " : "",
                            text);
    } else {
        (void)tr_admin_fail(admin, result->status, "%s%s%s", troupe_status_text(result->status),
                            text[0] != '\0' ? ": " : "", text);
    }
}

void tr_admin_call(struct tr_admin *admin)
{
    const char *name = NULL;
    const troupe_type *type = NULL;
    troupe_pid pid = {0};
    void *value = NULL;
    troupe_result result = {0};
    char *json = NULL;

    if (!target(admin, &pid, &name) || !message_of(admin, &type, &value)) {
        return;
    }
    const troupe_status status =
        name != NULL
            ? troupe_node_call_name(admin->node, name, type, value, admin->timeout_ms, &result)
            : troupe_node_call(admin->node, pid, type, value, admin->timeout_ms, &result);

    troupe_value_free(value);
    if (status != TROUPE_OK) {
        fail_as_result(admin, &result, name);
    } else if (result.type != NULL) {
        tr_admin_add_text(admin->reply, "type", result.type->name);
        if (troupe_to_json(result.type, result.value, &json) == TROUPE_OK) {
            tr_admin_add_json(admin->reply, "message", json);
        } else {
            (void)tr_admin_fail(admin, TROUPE_E_TYPE, "the reply cannot be written as JSON");
        }
    }
    if (status == TROUPE_OK) {
        tr_admin_add_pid(admin->reply, "from", result.pid);
    }
    troupe_result_clear(&result);
}

/* ---- send to a name: in the agent, as actors do ---- */

struct send_ask {
    struct tr_ask ask;
    const char *name;
    const troupe_type *type;
    const void *value;
};

static void send_run(troupe_self *self, struct tr_ask *base)
{
    const struct send_ask *ask = (const struct send_ask *)base;

    base->status = troupe_send_name(self, ask->name, ask->type, ask->value);
    tr_ask_done(base);
}

bool tr_admin_holder(struct tr_admin *admin, const char *name, troupe_pid *pid)
{
    const troupe_status status = troupe_node_whereis(admin->node, name, admin->timeout_ms, pid);

    if (status == TROUPE_OK) {
        return true;
    }
    return status == TROUPE_E_NOT_FOUND
               ? tr_admin_fail(admin, status, "no such name: \"%.255s\"", name)
               : tr_admin_fail(admin, status, "\"%.255s\": %s", name, troupe_status_text(status));
}

void tr_admin_send(struct tr_admin *admin)
{
    struct send_ask ask = {.ask = {.function = send_run}};
    troupe_pid pid = {0};
    void *value = NULL;
    troupe_status status = TROUPE_OK;

    if (!target(admin, &pid, &ask.name) || !message_of(admin, &ask.type, &value)) {
        return;
    }
    if (ask.name == NULL) {
        status = troupe_node_send(admin->node, pid, ask.type, value);
    } else if (tr_admin_holder(admin, ask.name, &pid)) {
        /* People want to know that there is somebody; the send itself promises no more than others.
         */
        ask.value = value;
        status = tr_agent_ask(admin->node, &ask.ask);
    }
    troupe_value_free(value);
    if (status != TROUPE_OK) {
        (void)tr_admin_fail(admin, status, "%s", troupe_status_text(status));
    }
}

/* ---- spawn ---- */

struct spawn_ask {
    struct tr_ask ask;
    const char *node;
    const troupe_behavior *behavior;
    const void *args;
    troupe_spawn_options options;
    uint32_t timeout_ms;
    char text[TR_REASON_TEXT_SIZE];
};

static int spawn_then(troupe_self *self, void *state, const troupe_result *result)
{
    struct spawn_ask *ask = (struct spawn_ask *)(uintptr_t)result->tag;

    (void)snprintf(ask->text, sizeof(ask->text), "%s",
                   result->reason.text == NULL ? "" : result->reason.text);
    return tr_ask_then(self, state, result);
}

static void spawn_run(troupe_self *self, struct tr_ask *base)
{
    struct spawn_ask *ask = (struct spawn_ask *)base;

    base->status =
        troupe_spawn_on(self, ask->node, ask->behavior->name, ask->args, ask->behavior->args,
                        &ask->options, ask->timeout_ms, spawn_then, (uint64_t)(uintptr_t)ask);
    if (base->status != TROUPE_OK) {
        tr_ask_done(base);
    }
}

static bool spawn_options(struct tr_admin *admin, troupe_spawn_options *options)
{
    const char *checkpoint = tr_admin_text(admin, "checkpoint", false);

    options->name = tr_admin_text(admin, "name", false);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(admin->request, "durable"))) {
        options->flags |= TROUPE_SPAWN_DURABLE;
    }
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(admin->request, "strict"))) {
        options->flags |= TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_STRICT;
    }
    options->checkpoint = tr_checkpoint_of(checkpoint);
    options->checkpoint_ms = (uint32_t)tr_admin_number(admin, "checkpoint_ms", 0);
    if (checkpoint != NULL && strcmp(tr_checkpoint_name(options->checkpoint), checkpoint) != 0) {
        return tr_admin_fail(admin, TROUPE_E_INVALID,
                             "checkpoint is each, every, on_stop or explicit, not \"%.32s\"",
                             checkpoint);
    }
    return true;
}

void tr_admin_spawn(struct tr_admin *admin)
{
    struct spawn_ask ask = {.ask = {.function = spawn_run}, .timeout_ms = admin->timeout_ms};
    const char *name = tr_admin_text(admin, "behavior", true);
    void *args = NULL;

    if (name == NULL || !spawn_options(admin, &ask.options) ||
        !tr_admin_may(admin,
                      TR_MAY_SPAWN | (ask.options.name != NULL ? (uint32_t)TR_MAY_REGISTER : 0))) {
        return;
    }
    ask.node = tr_admin_text(admin, "node", false);
    if (tr_load32_relaxed(&admin->node->draining) != 0) {
        (void)tr_admin_fail(admin, TROUPE_E_CLOSED, "node %s drains and starts nothing for others",
                            admin->node->name);
        return;
    }
    ask.behavior = tr_catalog_behavior(admin->node, name);
    if (ask.behavior == NULL) {
        (void)tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "node %s knows no behavior \"%.127s\"",
                            admin->node->name, name);
        return;
    }
    if (ask.behavior->args != NULL && !tr_admin_value(admin, "args", ask.behavior->args, &args)) {
        return;
    }
    ask.args = args;
    const troupe_status status = tr_agent_ask(admin->node, &ask.ask);

    troupe_value_free(args);
    if (status != TROUPE_OK) {
        (void)tr_admin_fail(admin, status, "%s",
                            ask.text[0] != '\0' ? ask.text : troupe_status_text(status));
        return;
    }
    tr_admin_add_pid(admin->reply, "pid", ask.ask.pid);
    tr_admin_add_id(admin->reply, "node_id", ask.ask.pid.node);
}

/* ---- drain ---- */

static void drain(struct tr_admin *admin, bool on)
{
    troupe_node_drain(admin->node, on);
    tr_admin_add_text(admin->reply, "node", admin->node->name);
    (void)cJSON_AddBoolToObject(admin->reply, "draining",
                                tr_load32_relaxed(&admin->node->draining) != 0);
}

void tr_admin_drain(struct tr_admin *admin)
{
    drain(admin, true);
}

void tr_admin_undrain(struct tr_admin *admin)
{
    drain(admin, false);
}

/* ---- metadata ---- */

void tr_admin_metadata(struct tr_admin *admin)
{
    struct troupe_node *node = admin->node;
    char metadata[TR_METADATA_SIZE];
    char error[160] = "";
    const troupe_status status =
        tr_node_change_metadata(node, tr_admin_text(admin, "put", false),
                                tr_admin_text(admin, "remove", false), error, sizeof(error));

    if (status != TROUPE_OK) {
        (void)tr_admin_fail(admin, status, "%s", error);
        return;
    }
    tr_node_metadata(node, metadata);
    tr_admin_add_text(admin->reply, "node", node->name);
    tr_admin_add_text(admin->reply, "metadata", metadata);
}

/* ---- exit ---- */

/* "normal", "shutdown", "kill", ... or any text, which is an error of that text. */
static int32_t reason_of(const char *text)
{
    for (int32_t kind = TROUPE_REASON_NORMAL; kind <= TROUPE_REASON_KILL; kind++) {
        if (kind != TROUPE_REASON_ERROR && strcmp(troupe_reason_name(kind), text) == 0) {
            return kind;
        }
    }
    return TROUPE_REASON_ERROR;
}

void tr_admin_exit(struct tr_admin *admin)
{
    const char *name = NULL;
    const char *reason = tr_admin_text(admin, "reason", true);
    troupe_pid pid = {0};

    if (reason == NULL || !tr_admin_may(admin, TR_MAY_EXIT) || !target(admin, &pid, &name) ||
        (name != NULL && !tr_admin_holder(admin, name, &pid))) {
        return;
    }
    const int32_t kind = reason_of(reason);
    const troupe_status status =
        troupe_node_exit(admin->node, pid, kind, kind == TROUPE_REASON_ERROR ? reason : NULL);

    if (status != TROUPE_OK) {
        (void)tr_admin_fail(admin, status, "%s", troupe_status_text(status));
        return;
    }
    tr_admin_add_pid(admin->reply, "pid", pid);
}

/* ---- about the node ---- */

void tr_admin_behaviors(struct tr_admin *admin)
{
    struct troupe_node *node = admin->node;
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "behaviors");

    tr_mutex_lock(&node->catalog_mutex);
    for (size_t i = 0; i < node->behaviors_count; i++) {
        const troupe_behavior *behavior = node->behaviors[i];
        cJSON *item = cJSON_CreateObject();

        tr_admin_add_text(item, "name", behavior->name);
        (void)cJSON_AddNumberToObject(item, "version", behavior->version);
        tr_admin_add_text(item, "state", behavior->state == NULL ? "" : behavior->state->name);
        tr_admin_add_text(item, "args", behavior->args == NULL ? "" : behavior->args->name);
        (void)cJSON_AddItemToArray(list, item);
    }
    tr_mutex_unlock(&node->catalog_mutex);
}

void tr_admin_types(struct tr_admin *admin)
{
    struct troupe_node *node = admin->node;
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "types");

    tr_mutex_lock(&node->catalog_mutex);
    for (size_t i = 0; i < tr_types_count(node->types); i++) {
        const troupe_type *type = tr_types_at(node->types, i);
        cJSON *item = cJSON_CreateObject();
        cJSON *fields = NULL;

        tr_admin_add_text(item, "name", type->name);
        fields = cJSON_AddArrayToObject(item, "fields");
        for (size_t j = 0; j < type->field_count; j++) {
            (void)cJSON_AddItemToArray(fields, cJSON_CreateString(type->fields[j].name));
        }
        (void)cJSON_AddItemToArray(list, item);
    }
    tr_mutex_unlock(&node->catalog_mutex);
}

void tr_admin_members(struct tr_admin *admin)
{
    struct troupe_node *node = admin->node;
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "nodes");
    const troupe_cluster *cluster = NULL;
    const troupe_status status = troupe_node_cluster(node, &cluster);

    for (size_t i = 0; status == TROUPE_OK && i < troupe_cluster_count(cluster); i++) {
        const troupe_member *member = troupe_cluster_member(cluster, i);
        cJSON *item = cJSON_CreateObject();

        tr_admin_add_id(item, "node_id", member->node);
        tr_admin_add_text(item, "name", member->name);
        (void)cJSON_AddBoolToObject(item, "connected", member->connected);
        tr_admin_add_text(item, "roles", member->roles);
        tr_admin_add_text(item, "metadata", member->metadata);
        (void)cJSON_AddBoolToObject(item, "draining", member->draining);
        (void)cJSON_AddItemToArray(list, item);
    }
    if (status == TROUPE_OK) {
        troupe_cluster_drop(node, cluster);
    }
}
