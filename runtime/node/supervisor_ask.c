/* What others ask of a supervisor: children added, removed, started, listed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/agent.h"
#include "node/supervisor.h"

/* ---- answers ---- */

void tr_child_refuse(troupe_self *self, const troupe_from *from, troupe_status status,
                     const char *text)
{
    struct tr_message *failed = tr_message_create_reason(
        &self->worker->cache, TR_SIGNAL_CALL_FAILED, TROUPE_REASON_ERROR, text);

    if (from->ref == 0 || !tr_owed_strike(self->actor, from) || failed == NULL) {
        if (failed != NULL) {
            tr_message_destroy(&self->worker->cache, failed);
        }
        return; /* No request, or no memory: its timeout tells. */
    }
    failed->status = (int16_t)status;
    failed->to = from->caller;
    failed->from = tr_self_pid(self);
    failed->ref = from->ref;
    (void)tr_self_emit(self, failed);
}

void tr_child_answer(troupe_self *self, const troupe_from *from, const struct tr_child *child)
{
    troupe_child_state shown;

    if (from->ref == 0) {
        return;
    }
    tr_child_show(self->sched->options.owner, child, &shown);
    const troupe_status status = troupe_reply_to(self, from, &troupe_child_state_type, &shown);

    if (status != TROUPE_OK && status != TROUPE_E_CLOSED) {
        tr_child_refuse(self, from, status, troupe_status_text(status));
    }
}

/* ---- waiting for their turn ---- */

void tr_child_ask_free(struct tr_child_ask *ask)
{
    if (ask != NULL) {
        tr_child_destroy(ask->made);
        free(ask);
    }
}

/* Takes made. */
static void queue_ask(troupe_self *self, struct tr_supervisor *supervisor, enum tr_ask_kind kind,
                      const troupe_from *from, const troupe_child_request *request,
                      struct tr_child *made)
{
    const char *id = request == NULL || request->id == NULL ? "" : request->id;
    const size_t size = strlen(id) + 1;
    const bool full = supervisor->asks_count >= TR_SUPERVISOR_ASKS_MAX;
    struct tr_child_ask *ask = full ? NULL : calloc(1, sizeof(*ask) + size);

    if (ask == NULL) {
        const troupe_status status = full ? TROUPE_E_BUSY : TROUPE_E_NO_MEMORY;

        tr_child_refuse(self, from, status, troupe_status_text(status));
        tr_child_destroy(made);
        return;
    }
    ask->kind = (uint8_t)kind;
    ask->from = *from;
    ask->made = made;
    ask->pid = request == NULL ? (troupe_pid){0} : request->pid;
    ask->by_pid = size == 1 && !troupe_pid_is_none(ask->pid);
    memcpy(ask->id, id, size);
    if (supervisor->asks == NULL) {
        supervisor->asks = ask;
    } else {
        supervisor->asks_tail->next = ask;
    }
    supervisor->asks_tail = ask;
    supervisor->asks_count++;
}

/* ---- their turn ---- */

static void start(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child_ask *ask)
{
    struct tr_child *child = ask->made;
    const char *why = NULL;
    troupe_status status = tr_child_add(supervisor, child, &why);

    if (status != TROUPE_OK) {
        tr_child_refuse(self, &ask->from, status, why);
        return;
    }
    ask->made = NULL;
    self->fail_text[0] = '\0';
    status = tr_child_start(self, supervisor, child);
    if (status == TROUPE_OK && child->state == TR_CHILD_STARTING) {
        child->far->from = ask->from; /* Its node answers first. */
        child->far->fresh = true;
        return;
    }
    if (status == TROUPE_OK) {
        tr_child_answer(self, &ask->from, child);
        return;
    }
    tr_child_refuse(self, &ask->from, status,
                    self->fail_text[0] != '\0' ? self->fail_text : troupe_status_text(status));
    tr_child_forget(supervisor, child);
}

static void terminate(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                      const struct tr_child_ask *ask)
{
    (void)self;
    tr_supervisor_terminate(supervisor, child, &ask->from);
}

static void start_again(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                        const struct tr_child_ask *ask)
{
    self->fail_text[0] = '\0';
    const troupe_status status = tr_child_start(self, supervisor, child);

    if (status == TROUPE_OK && child->state == TR_CHILD_STARTING) {
        child->far->from = ask->from;
    } else if (status == TROUPE_OK) {
        tr_child_answer(self, &ask->from, child);
    } else {
        tr_child_refuse(self, &ask->from, status,
                        self->fail_text[0] != '\0' ? self->fail_text : troupe_status_text(status));
    }
}

static void forget(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                   const struct tr_child_ask *ask)
{
    tr_child_answer(self, &ask->from, child);
    tr_child_forget(supervisor, child);
}

/* The child that is meant; NULL: the request has been refused. */
static struct tr_child *find(troupe_self *self, struct tr_supervisor *supervisor,
                             const struct tr_child_ask *ask)
{
    const bool simple = supervisor->strategy == TROUPE_SIMPLE_ONE_FOR_ONE;
    struct tr_child *child = NULL;

    if (simple && (!ask->by_pid || ask->kind != TR_ASK_TERMINATE)) {
        tr_child_refuse(self, &ask->from, TROUPE_E_INVALID,
                        "children of simple_one_for_one are terminated, by their pids");
        return NULL;
    }
    child =
        ask->by_pid ? tr_child_by_pid(supervisor, ask->pid) : tr_child_by_id(supervisor, ask->id);
    if (child == NULL) {
        tr_child_refuse(self, &ask->from, TROUPE_E_NOT_FOUND, "there is no such child");
        return NULL;
    }
    if (ask->kind == TR_ASK_TERMINATE || child->state == TR_CHILD_DOWN) {
        return child;
    }
    if (child->state == TR_CHILD_UP || child->state == TR_CHILD_ELSEWHERE) {
        tr_child_refuse(self, &ask->from, TROUPE_E_EXISTS, "the child is running");
    } else {
        tr_child_refuse(self, &ask->from, TROUPE_E_AGAIN, "the child is being restarted");
    }
    return NULL;
}

void tr_child_ask_handle(troupe_self *self, struct tr_supervisor *supervisor,
                         struct tr_child_ask *ask)
{
    static void (*const handlers[])(troupe_self *, struct tr_supervisor *, struct tr_child *,
                                    const struct tr_child_ask *) = {
        [TR_ASK_TERMINATE] = terminate, [TR_ASK_RESTART] = start_again, [TR_ASK_DELETE] = forget};

    if (ask->kind == TR_ASK_START) {
        start(self, supervisor, ask);
    } else {
        struct tr_child *child = find(self, supervisor, ask);

        if (child != NULL) {
            handlers[ask->kind](self, supervisor, child, ask);
        }
    }
    tr_child_ask_free(ask);
}

void tr_child_ask_start(troupe_self *self, struct tr_supervisor *supervisor,
                        const troupe_from *from, struct tr_child *child)
{
    queue_ask(self, supervisor, TR_ASK_START, from, NULL, child);
}

/* ---- requests by message ---- */

/* The arguments of a new child, from JSON. Gives *args (troupe_value_free). */
static troupe_status read_args(const troupe_behavior *behavior, const char *json, void **args,
                               char *error, size_t error_size)
{
    if (json == NULL || json[0] == '\0' || behavior->args == NULL) {
        return TROUPE_OK;
    }
    return troupe_from_json(behavior->args, json, args, error, error_size);
}

static const char *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* Makes the record of a child from what came by message. */
static troupe_status read_child(const struct tr_supervisor *supervisor, struct troupe_node *node,
                                const troupe_start_child_request *request, struct tr_child **child,
                                char *error, size_t error_size)
{
    const struct tr_child *template = supervisor->template;
    const char *name = request->behavior == NULL ? "" : request->behavior;
    const bool alike = template != NULL && name[0] == '\0';
    troupe_child spec = {.id = request->id,
                         .behavior =
                             alike ? template->spec.behavior : tr_catalog_behavior(node, name),
                         .supervisor = alike ? template->spec.supervisor : NULL,
                         .name = text_or_null(request->name),
                         .flags = (request->durable ? TROUPE_SPAWN_DURABLE : 0) |
                                  (request->strict ? TROUPE_SPAWN_STRICT : 0),
                         .restart = request->restart,
                         .shutdown_ms = request->shutdown_ms,
                         .significant = request->significant,
                         .placement = text_or_null(request->placement)};
    char words[TR_REASON_TEXT_SIZE];
    const char *why = NULL;
    void *args = NULL;

    if (!alike && spec.behavior == NULL) {
        (void)snprintf(error, error_size, "node \"%s\" has no behavior \"%.100s\"", node->name,
                       name);
        return TROUPE_E_NOT_FOUND;
    }
    troupe_status status = spec.behavior == NULL
                               ? TROUPE_OK
                               : read_args(spec.behavior, request->args, &args, error, error_size);

    if (status == TROUPE_OK) {
        spec.args = args;
        status = tr_child_create(&spec, child, &why, words);
        if (why != NULL) {
            (void)snprintf(error, error_size, "%s", why);
        }
    }
    troupe_value_free(args);
    return status;
}

int tr_supervisor_on_start(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;
    const troupe_from from = troupe_take_from(self);
    struct tr_child *child = NULL;
    char error[TR_REASON_TEXT_SIZE] = "";
    const troupe_status status =
        read_child(supervisor, self->sched->options.owner, message, &child, error, sizeof(error));

    if (status != TROUPE_OK) {
        tr_child_refuse(self, &from, status, error);
        return TROUPE_OK;
    }
    tr_child_ask_start(self, supervisor, &from, child);
    return tr_supervisor_proceed(self, supervisor);
}

static int on_request(troupe_self *self, struct tr_supervisor *supervisor, enum tr_ask_kind kind,
                      const void *message)
{
    const troupe_from from = troupe_take_from(self);

    queue_ask(self, supervisor, kind, &from, message, NULL);
    return tr_supervisor_proceed(self, supervisor);
}

int tr_supervisor_on_terminate(troupe_self *self, void *state, const void *message)
{
    return on_request(self, state, TR_ASK_TERMINATE, message);
}

int tr_supervisor_on_restart(troupe_self *self, void *state, const void *message)
{
    return on_request(self, state, TR_ASK_RESTART, message);
}

int tr_supervisor_on_delete(troupe_self *self, void *state, const void *message)
{
    return on_request(self, state, TR_ASK_DELETE, message);
}

/* ---- looking ---- */

int tr_supervisor_on_list(troupe_self *self, void *state, const void *message)
{
    static const char *const strategies[] = {"one_for_one", "one_for_all", "rest_for_one",
                                             "simple_one_for_one"};
    const struct tr_supervisor *supervisor = state;
    troupe_child_state *states = calloc(supervisor->count + 1, sizeof(*states));
    size_t count = 0;

    (void)message;
    if (states == NULL) {
        return TROUPE_OK; /* The caller is told that there is no reply; the children matter more. */
    }
    for (const struct tr_child *child = supervisor->head; child != NULL; child = child->next) {
        tr_child_show(self->sched->options.owner, child, &states[count++]);
    }
    const int answer = troupe_reply(self, &troupe_children_type,
                                    &(troupe_children){.children = states,
                                                       .children_count = count,
                                                       .strategy = strategies[supervisor->strategy],
                                                       .restarts = supervisor->restarts});

    free(states);
    return answer == TROUPE_E_NO_MEMORY || answer == TROUPE_E_LIMIT ? TROUPE_OK : answer;
}

int tr_supervisor_on_count(troupe_self *self, void *state, const void *message)
{
    const struct tr_supervisor *supervisor = state;
    const bool simple = supervisor->strategy == TROUPE_SIMPLE_ONE_FOR_ONE;

    (void)message;
    return troupe_reply(
        self, &troupe_children_count_type,
        &(troupe_children_count){.specs = simple ? 1 : supervisor->count,
                                 .active = supervisor->active,
                                 .supervisors = supervisor->supervisors,
                                 .workers = supervisor->count - supervisor->supervisors});
}
