/* The agent: a system actor through which threads that are no actors call, spawn and look up.
 *
 * An ask is a function that runs in the agent and a condition on which the asking thread waits.
 * Everything an ask starts ends by a deadline of its own, so the wait needs none, and all of it can
 * live on the asker's stack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/agent.h"

static const troupe_behavior agent_behavior = {.name = "troupe.agent"};

troupe_status tr_agent_start(struct troupe_node *node)
{
    const struct tr_spawn spawn = {.behavior = &agent_behavior,
                                   .actor_flags = TR_ACTOR_SYSTEM | TR_ACTOR_TRAPS,
                                   .mailbox_messages = TR_MAILBOX_MESSAGES_MAX};
    troupe_pid pid = {0};
    const troupe_status status =
        tr_actor_spawn(node->sched, &node->sched->workers[0], &spawn, &pid, NULL, 0);

    node->agent = pid.id;
    return status;
}

static struct troupe_node *owner_of(troupe_self *self)
{
    return self->sched->options.owner;
}

static void run_ask(troupe_self *self, void *context)
{
    struct tr_ask *ask = context;

    if (self == NULL || owner_of(self)->agent_is_closed) {
        ask->refused = true; /* The node has ended, or is about to. */
        tr_ask_done(ask);
        return;
    }
    ask->function(self, ask);
}

troupe_status tr_agent_ask(struct troupe_node *node, struct tr_ask *ask)
{
    tr_mutex_init(&ask->mutex);
    tr_cond_init(&ask->cond);
    ask->done = false;
    ask->refused = false;
    troupe_status status = tr_sched_run_in(node->sched, node->agent, run_ask, ask);

    if (status == TROUPE_OK) {
        tr_mutex_lock(&ask->mutex);
        while (!ask->done) {
            tr_node_wait(node, &ask->cond, &ask->mutex, -1);
        }
        tr_mutex_unlock(&ask->mutex);
        status = ask->refused ? TROUPE_E_CLOSED : ask->status;
    }
    tr_cond_fini(&ask->cond);
    tr_mutex_fini(&ask->mutex);
    return status;
}

void tr_ask_done(struct tr_ask *ask)
{
    tr_mutex_lock(&ask->mutex);
    ask->done = true;
    tr_cond_signal(&ask->cond);
    tr_mutex_unlock(&ask->mutex);
}

int tr_ask_then(troupe_self *self, void *state, const troupe_result *result)
{
    struct tr_ask *ask = (struct tr_ask *)(uintptr_t)result->tag;

    (void)self;
    (void)state;
    ask->status = result->status;
    ask->pid = result->pid;
    tr_ask_done(ask);
    return TROUPE_OK;
}

/* Ends one wait of the agent after the other; what a reply would have brought comes too late. */
static void end_waits(troupe_self *self)
{
    const troupe_result closed = {.status = TROUPE_E_CLOSED};
    struct tr_wait *wait = NULL;
    uint32_t position = 0;

    while ((wait = tr_map_next(&self->actor->waits, &position)) != NULL) {
        tr_wait_finish(self, wait, &closed);
        position = 0; /* the map has changed */
    }
}

static void close_agent(troupe_self *self, void *context)
{
    (void)context;
    if (self != NULL) {
        owner_of(self)->agent_is_closed = true;
        end_waits(self);
    }
}

void tr_agent_close(struct troupe_node *node)
{
    if (tr_sched_run_in(node->sched, node->agent, close_agent, NULL) != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_WARNING, "blocking calls end by their own deadlines");
    }
}

/* ---- blocking calls ---- */

struct call_ask {
    struct tr_ask ask;    /* first */
    tr_agent_begin begin; /* NULL: by what follows */
    const void *context;
    troupe_pid to;
    const char *name; /* NULL: by pid */
    const troupe_type *type;
    const void *message;
    uint32_t timeout_ms;
    troupe_result *result;
};

/* Copies a lent result into one that its asker owns. */
static troupe_status own_result(const troupe_result *from, troupe_result *to)
{
    void *value = NULL;
    troupe_status status = from->status;
    char *text = strdup(from->reason.text == NULL ? "" : from->reason.text);

    if (status == TROUPE_OK && from->value != NULL) {
        status = troupe_value_copy(from->type, from->value, &value);
    }
    *to = *from;
    to->status = text == NULL ? TROUPE_E_NO_MEMORY : status;
    to->value = value;
    to->reason.text = text;
    return to->status;
}

static int call_then(troupe_self *self, void *state, const troupe_result *result)
{
    struct call_ask *call = (struct call_ask *)(uintptr_t)result->tag;

    (void)self;
    (void)state;
    (void)own_result(result, call->result);
    tr_ask_done(&call->ask);
    return TROUPE_OK;
}

static void call_run(troupe_self *self, struct tr_ask *ask)
{
    struct call_ask *call = (struct call_ask *)ask;
    const uint64_t tag = (uint64_t)(uintptr_t)call;
    troupe_status status = TROUPE_OK;

    self->fail_text[0] = '\0';
    if (call->begin != NULL) {
        status = call->begin(self, call_then, tag, call->context);
    } else if (call->name != NULL) {
        status = troupe_call_name(self, call->name, call->type, call->message, call->timeout_ms,
                                  call_then, tag);
    } else {
        status = troupe_call(self, call->to, call->type, call->message, call->timeout_ms, call_then,
                             tag);
    }
    if (status != TROUPE_OK) {
        call->result->status = status;
        call->result->reason.text = self->fail_text[0] == '\0' ? NULL : strdup(self->fail_text);
        tr_ask_done(ask);
    }
}

static troupe_status call(troupe_node *node, struct call_ask *ask)
{
    *ask->result = (troupe_result){.status = TROUPE_E_UNKNOWN};
    ask->ask.function = call_run;
    const troupe_status status = tr_agent_ask(node, &ask->ask);

    if (status != TROUPE_OK) {
        ask->result->status = status;
    }
    return ask->result->status;
}

troupe_status tr_agent_call(struct troupe_node *node, tr_agent_begin begin, const void *context,
                            troupe_result *result)
{
    struct call_ask ask = {.begin = begin, .context = context, .result = result};

    return call(node, &ask);
}

troupe_status troupe_node_call(troupe_node *node, troupe_pid to, const troupe_type *type,
                               const void *message, uint32_t timeout_ms, troupe_result *result)
{
    struct call_ask ask = {
        .to = to, .type = type, .message = message, .timeout_ms = timeout_ms, .result = result};

    return call(node, &ask);
}

troupe_status troupe_node_call_name(troupe_node *node, const char *name, const troupe_type *type,
                                    const void *message, uint32_t timeout_ms, troupe_result *result)
{
    struct call_ask ask = {
        .name = name, .type = type, .message = message, .timeout_ms = timeout_ms, .result = result};

    return call(node, &ask);
}

void troupe_result_clear(troupe_result *result)
{
    troupe_value_free((void *)(uintptr_t)result->value);
    free((void *)(uintptr_t)result->reason.text);
    *result = (troupe_result){0};
}

/* ---- looking up and waiting for an end ---- */

struct whereis_ask {
    struct tr_ask ask;
    const char *name;
    uint32_t timeout_ms;
};

static void whereis_run(troupe_self *self, struct tr_ask *base)
{
    struct whereis_ask *ask = (struct whereis_ask *)base;

    base->status =
        troupe_whereis(self, ask->name, ask->timeout_ms, tr_ask_then, (uint64_t)(uintptr_t)base);
    if (base->status != TROUPE_OK) {
        tr_ask_done(base);
    }
}

troupe_status troupe_node_whereis(troupe_node *node, const char *name, uint32_t timeout_ms,
                                  troupe_pid *pid)
{
    struct whereis_ask ask = {
        .ask = {.function = whereis_run}, .name = name, .timeout_ms = timeout_ms};
    const troupe_status status = tr_agent_ask(node, &ask.ask);

    if (status == TROUPE_OK) {
        *pid = ask.ask.pid;
    }
    return status;
}

/* An actor that watches another and tells a waiting thread of its end. */
struct join_ask {
    struct tr_ask ask;
    troupe_pid pid;
    uint32_t timeout_ms;
    int32_t kind;
    char *text; /* the asker's; NULL: not wanted */
    size_t text_size;
};

struct join_state {
    struct join_ask *ask;
};

static int join_end(struct join_state *state, troupe_status status, int32_t kind)
{
    struct join_ask *ask = state->ask;

    state->ask = NULL;
    ask->ask.status = status;
    ask->kind = kind;
    tr_ask_done(&ask->ask);
    return TROUPE_STOP;
}

/* Whatever ends this actor, the thread that waits is told. */
static void join_release(void *state)
{
    if (((struct join_state *)state)->ask != NULL) {
        (void)join_end(state, TROUPE_E_CLOSED, 0);
    }
}

static int join_on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;
    const struct join_ask *ask = ((struct join_state *)state)->ask;

    (void)self;
    if (ask->text != NULL && ask->text_size > 0) {
        (void)snprintf(ask->text, ask->text_size, "%s", down->text);
    }
    return join_end(state, TROUPE_OK, down->kind);
}

static int join_on_timeout(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)message;
    return join_end(state, TROUPE_E_TIMEOUT, 0);
}

static int join_init(troupe_self *self, void *state, const void *args)
{
    struct join_state *join = state;
    uint64_t monitor = 0;

    struct join_ask *ask = *(struct join_ask *const *)args;
    troupe_status status = troupe_monitor(self, ask->pid, &monitor);

    if (status == TROUPE_OK) {
        status = troupe_idle_timeout(self, ask->timeout_ms);
    }
    if (status == TROUPE_OK) {
        join->ask = ask; /* From here on its end tells; before, the failed spawn does. */
    }
    return status;
}

static const troupe_handler join_handlers[] = {
    {&troupe_down_type, join_on_down}, {&troupe_timeout_type, join_on_timeout}, {0}};
static const troupe_behavior join_behavior = {.name = "troupe.join",
                                              .state_size = sizeof(struct join_state),
                                              .init = join_init,
                                              .release = join_release,
                                              .handlers = join_handlers};

static void join_run(troupe_self *self, struct tr_ask *base)
{
    struct join_ask *ask = (struct join_ask *)base;
    const struct tr_spawn spawn = {
        .behavior = &join_behavior, .args = &ask, .actor_flags = TR_ACTOR_SYSTEM};
    troupe_pid pid = {0};

    const troupe_status status = tr_actor_spawn(self->sched, self->worker, &spawn, &pid, NULL, 0);

    /* Once it runs, on whatever worker, the ask may be over and its memory gone. */
    if (status != TROUPE_OK) {
        base->status = status;
        tr_ask_done(base);
    }
}

troupe_status troupe_node_join_reason(troupe_node *node, troupe_pid pid, uint32_t timeout_ms,
                                      int32_t *kind, char *text, size_t text_size)
{
    struct join_ask ask = {.ask = {.function = join_run},
                           .pid = pid,
                           .timeout_ms = timeout_ms == 0 ? 1 : timeout_ms,
                           .text = text,
                           .text_size = text_size};
    const troupe_status status = tr_agent_ask(node, &ask.ask);

    if (status == TROUPE_OK && kind != NULL) {
        *kind = ask.kind;
    }
    return status;
}

troupe_status troupe_node_join(troupe_node *node, troupe_pid pid, uint32_t timeout_ms,
                               int32_t *kind)
{
    return troupe_node_join_reason(node, pid, timeout_ms, kind, NULL, 0);
}

/* ---- sends, which need no answer ---- */

troupe_status tr_agent_post(troupe_node *node, troupe_pid to, struct tr_message *message)
{
    if (message == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    message->to = to;
    message->from = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = node->agent};
    message->flags |= TR_MESSAGE_TOLD; /* Its sender is a thread, which is not suspended. */
    return tr_sched_post(node->sched, NULL, message);
}

troupe_status troupe_node_send(troupe_node *node, troupe_pid to, const troupe_type *type,
                               const void *message)
{
    troupe_status status = tr_message_check(type, message);

    if (status != TROUPE_OK) {
        return status;
    }
    status = tr_agent_post(node, to,
                           tr_message_create_value(&node->sched->shared_cache, TR_SIGNAL_MESSAGE,
                                                   type, type->size == 0 ? NULL : message, 0));

    return status == TROUPE_E_NOPROC || status == TROUPE_E_NOCONNECTION ? TROUPE_OK : status;
}

troupe_status troupe_node_exit(troupe_node *node, troupe_pid to, int32_t kind, const char *text)
{
    if (kind < TROUPE_REASON_NORMAL || kind > TROUPE_REASON_KILL) {
        return TROUPE_E_INVALID;
    }
    return tr_agent_post(
        node, to, tr_message_create_reason(&node->sched->shared_cache, TR_SIGNAL_EXIT, kind, text));
}

/* The callee of a request owes no answer any more: another has given it. */
static void forget_call(troupe_node *node, const troupe_from *from)
{
    struct tr_message *forget =
        tr_message_create(&node->sched->shared_cache, TR_SIGNAL_FORGET_CALL, 0);

    if (forget != NULL) {
        forget->to = from->callee;
        forget->from = from->caller;
        forget->ref = from->ref;
        (void)tr_sched_post(node->sched, NULL, forget);
    }
}

troupe_status troupe_node_reply_to(troupe_node *node, const troupe_from *from,
                                   const troupe_type *type, const void *message)
{
    struct tr_message *reply = NULL;

    if (from->ref == 0) {
        return TROUPE_E_INVALID;
    }
    const troupe_status status =
        tr_message_copy_value(&node->sched->shared_cache, TR_SIGNAL_REPLY, type, message, &reply);

    if (status != TROUPE_OK) {
        return status; /* The request is still owed: it can be tried again. */
    }
    reply->to = from->caller;
    reply->ref = from->ref;
    /* The caller knows the callee; a node speaks for its own actors only. */
    reply->from = from->callee.node == tr_sched_node_id(node->sched)
                      ? from->callee
                      : (troupe_pid){.node = tr_sched_node_id(node->sched), .id = node->agent};
    (void)tr_sched_post(node->sched, NULL, reply);
    forget_call(node, from);
    return TROUPE_OK;
}
