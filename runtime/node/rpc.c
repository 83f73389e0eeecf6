#include "node/rpc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "io/loop.h"
#include "node/admin.h"
#include "node/agent.h"
#include "node/alive.h"
#include "node/members.h"
#include "troupe/blocking.h"
#include "troupe/rpc.h"

enum { WHY_SIZE = TR_REASON_TEXT_SIZE };

struct ask {
    const char *json;
    uint32_t timeout_ms;
};

static const troupe_field ask_fields[] = {TROUPE_FIELD(struct ask, json, 1),
                                          TROUPE_FIELD(struct ask, timeout_ms, 2)};
const troupe_type troupe_ask_type = {
    .name = "troupe.ask", .size = sizeof(struct ask), .fields = ask_fields, .field_count = 2};
static const troupe_field answer_fields[] = {TROUPE_FIELD(troupe_answer, json, 1)};
const troupe_type troupe_answer_type = {.name = "troupe.answer",
                                        .size = sizeof(troupe_answer),
                                        .fields = answer_fields,
                                        .field_count = 1};

/* ---- what this node knows ---- */

/* How a request has ended. */
struct outcome {
    troupe_status status;
    char *json; /* owned; NULL unless OK */
    char why[WHY_SIZE];
};

/* Blocks. */
static void look(struct troupe_node *node, const char *json, uint32_t timeout_ms,
                 struct outcome *outcome)
{
    const uint32_t timeout =
        timeout_ms == 0 || timeout_ms > TR_ADMIN_TIMEOUT_MS ? TR_ADMIN_TIMEOUT_MS : timeout_ms;

    outcome->json = NULL;
    outcome->why[0] = '\0';
    outcome->status = tr_admin_look(node, json == NULL ? "" : json, timeout, &outcome->json,
                                    outcome->why, sizeof(outcome->why));
    /* A request that quotes what is no text gets no text back. */
    if (outcome->json != NULL && !tr_utf8_is_valid(outcome->json, strlen(outcome->json))) {
        troupe_json_free(outcome->json);
        outcome->json = NULL;
        outcome->status = TROUPE_E_INVALID;
    }
}

/* ---- requests of other nodes ---- */

struct served {
    struct troupe_node *node;
    struct tr_thread thread;
    struct tr_message *request; /* owned */
    struct outcome outcome;
};

/* Sends the answer, or as much of a failure as there is memory for. Takes the request. */
static void answer(struct troupe_node *node, struct tr_message *request,
                   const struct outcome *outcome)
{
    struct tr_sched *sched = node->sched;
    struct tr_message *message = NULL;
    troupe_status status = outcome->status;

    if (status == TROUPE_OK) {
        status = tr_message_copy_value(&sched->shared_cache, TR_SIGNAL_REPLY, &troupe_answer_type,
                                       &(troupe_answer){.json = outcome->json}, &message);
    }
    if (status != TROUPE_OK) {
        message = tr_message_create_reason(
            &sched->shared_cache, TR_SIGNAL_CALL_FAILED, TROUPE_REASON_ERROR,
            outcome->why[0] != '\0' ? outcome->why : troupe_status_text(status));
    }
    if (message == NULL) {
        tr_sched_bounce(sched, NULL, request, TROUPE_E_BUSY, NULL);
        return;
    }
    if (status != TROUPE_OK) {
        message->status = (int16_t)status;
    }
    message->to = request->from;
    message->from = request->to;
    message->ref = request->ref;
    message->session = request->session;
    tr_message_destroy(&sched->shared_cache, request);
    (void)tr_sched_post(sched, NULL, message);
}

static bool begin(struct troupe_node *node)
{
    tr_mutex_lock(&node->state_mutex);
    const bool room = node->asks < TR_RPC_UNDER_WAY_MAX && node->state == TR_NODE_UP;

    node->asks += room ? 1 : 0;
    tr_mutex_unlock(&node->state_mutex);
    return room;
}

static void end(struct troupe_node *node)
{
    tr_mutex_lock(&node->state_mutex);
    node->asks--;
    tr_cond_broadcast(&node->state_changed);
    tr_mutex_unlock(&node->state_mutex);
}

/* Back on the loop. */
static void served_reply(void *context)
{
    struct served *served = context;
    struct troupe_node *node = served->node;

    tr_thread_join(&served->thread);
    answer(node, served->request, &served->outcome);
    troupe_json_free(served->outcome.json);
    free(served);
    end(node);
}

static void served_run(void *context)
{
    struct served *served = context;
    struct troupe_node *node = served->node;
    const struct ask *ask = tr_message_value(served->request);

    look(node, ask->json, ask->timeout_ms, &served->outcome);
    if (tr_loop_post(node->loop, served_reply, served) != TROUPE_OK) {
        /* The loop has ended before its requests: cannot be, the node drains them first. */
        tr_message_destroy(&node->sched->shared_cache, served->request);
        troupe_json_free(served->outcome.json);
        free(served);
        end(node);
    }
}

/* Takes the request. */
static void serve(struct troupe_node *node, struct tr_message *request)
{
    const struct outcome busy = {.status = TROUPE_E_BUSY};
    const struct ask *ask = tr_message_value(request);

    if (ask->json != NULL && strlen(ask->json) >= TR_RPC_REQUEST_BYTES_MAX) {
        answer(node, request, &(struct outcome){.status = TROUPE_E_LIMIT});
        return;
    }
    if (!begin(node)) {
        answer(node, request, &busy);
        return;
    }
    struct served *served = calloc(1, sizeof(*served));

    if (served != NULL) {
        served->node = node;
        served->request = request;
    }
    if (served == NULL ||
        tr_thread_start(&served->thread, "troupe-ask", served_run, served) != TROUPE_OK) {
        free(served);
        answer(node, request, &busy);
        end(node);
    }
}

bool tr_rpc_on_call(void *context, struct tr_message *message)
{
    if (message->type == &troupe_ask_type && message->to.id == 0 &&
        (message->flags & TR_MESSAGE_NAMED) == 0) {
        serve(context, message);
        return true;
    }
    return tr_alive_on_call(context, message);
}

void tr_rpc_drain(struct troupe_node *node)
{
    tr_mutex_lock(&node->state_mutex);
    while (node->asks > 0) {
        tr_cond_wait(&node->state_changed, &node->state_mutex);
    }
    tr_mutex_unlock(&node->state_mutex);
}

/* ---- asking ---- */

static uint64_t number_of(const char *digits)
{
    char *rest = NULL;
    const uint64_t number = digits[0] >= '1' && digits[0] <= '9' ? strtoull(digits, &rest, 10) : 0;

    return rest != NULL && *rest == '\0' ? number : 0;
}

/* Gives the id of a node by name or number; false when there is none. */
static bool find_node(struct troupe_node *node, const char *name, uint64_t *id)
{
    const uint64_t own = tr_sched_node_id(node->sched);
    char known[TR_NODE_NAME_SIZE_MAX + 1];

    *id = own;
    if (name == NULL || name[0] == '\0' || strcmp(name, node->name) == 0) {
        return true;
    }
    *id = tr_members_find(node, name);
    if (*id == 0) {
        *id = number_of(name);
    }
    if (*id == 0 || *id == own) {
        return *id != 0;
    }
    tr_members_name(node, *id, known);
    return strcmp(known, "?") != 0; /* "?" is nobody: no name of a node. */
}

static troupe_status check(const char *request)
{
    const size_t size = request == NULL ? 0 : strnlen(request, TR_RPC_REQUEST_BYTES_MAX);

    if (size == TR_RPC_REQUEST_BYTES_MAX) {
        return TROUPE_E_LIMIT;
    }
    return request != NULL && tr_utf8_is_valid(request, size) ? TROUPE_OK : TROUPE_E_INVALID;
}

/* A question of an actor to its own node. */
struct own_ask {
    struct troupe_node *node;
    uint64_t wait; /* ref */
    uint32_t timeout_ms;
    struct outcome outcome;
    char json[];
};

static void own_free(void *context)
{
    struct own_ask *own = context;

    troupe_json_free(own->outcome.json);
    free(own);
}

static int own_run(void *context)
{
    struct own_ask *own = context;

    look(own->node, own->json, own->timeout_ms, &own->outcome);
    return TROUPE_OK;
}

static int own_then(troupe_self *self, void *state, const troupe_result *result)
{
    const struct own_ask *own = result->value;
    const struct outcome *outcome = &own->outcome;
    struct tr_wait *wait = tr_wait_find(self, own->wait);
    const troupe_answer said = {.json = outcome->json};
    const bool is_ok = outcome->status == TROUPE_OK;

    (void)state;
    if (wait != NULL) { /* Else it was too late. */
        tr_wait_finish(
            self, wait,
            &(troupe_result){.status = outcome->status,
                             .pid = {.node = tr_sched_node_id(self->sched)},
                             .type = is_ok ? &troupe_answer_type : NULL,
                             .value = is_ok ? &said : NULL,
                             .reason = {.kind = is_ok ? TROUPE_REASON_NORMAL : TROUPE_REASON_ERROR,
                                        .text = outcome->why}});
    }
    return TROUPE_OK;
}

static troupe_status ask_own(troupe_self *self, const struct ask *ask, troupe_then then,
                             uint64_t tag)
{
    const size_t size = strlen(ask->json) + 1;

    if (self->sched->crew == NULL) {
        return TROUPE_E_INVALID; /* Who plays the workers has nobody who could wait for actors. */
    }
    struct own_ask *own = calloc(1, sizeof(*own) + size);
    struct tr_wait *wait =
        own == NULL ? NULL : tr_wait_start(self, TR_WAIT_OPERATION, ask->timeout_ms);

    if (wait == NULL) {
        free(own);
        return TROUPE_E_NO_MEMORY;
    }
    wait->then = then;
    wait->tag = tag;
    own->node = troupe_self_node(self);
    own->wait = wait->ref;
    own->timeout_ms = ask->timeout_ms;
    memcpy(own->json, ask->json, size);
    const troupe_status status = troupe_blocking(self, own_run, own, own_free, own_then, 0);

    if (status != TROUPE_OK) {
        tr_wait_end(self, wait);
        free(own);
    }
    return status;
}

troupe_status troupe_ask_node(troupe_self *self, const char *name, const char *request,
                              uint32_t timeout_ms, troupe_then then, uint64_t tag)
{
    struct troupe_node *node = troupe_self_node(self);
    const struct ask ask = {
        .json = request, .timeout_ms = timeout_ms == 0 ? node->config.call_timeout_ms : timeout_ms};
    const troupe_status status = then == NULL ? TROUPE_E_INVALID : check(request);

    if (status != TROUPE_OK) {
        return status;
    }
    troupe_pid to = {0};

    if (!find_node(node, name, &to.node)) {
        return TROUPE_E_NOT_FOUND;
    }
    return to.node == tr_sched_node_id(node->sched)
               ? ask_own(self, &ask, then, tag)
               : troupe_call(self, to, &troupe_ask_type, &ask, timeout_ms, then, tag);
}

struct rpc_ask {
    const char *name;
    const char *request;
    uint32_t timeout_ms;
};

static troupe_status begin_ask(troupe_self *self, troupe_then then, uint64_t tag,
                               const void *context)
{
    const struct rpc_ask *ask = context;

    return troupe_ask_node(self, ask->name, ask->request, ask->timeout_ms, then, tag);
}

/* Of the own node whoever may block has no need of the agent. */
static troupe_status look_here(struct troupe_node *node, const char *request, uint32_t timeout_ms,
                               char **json)
{
    struct outcome outcome;

    look(node, request, timeout_ms == 0 ? node->config.call_timeout_ms : timeout_ms, &outcome);
    *json = outcome.json;
    return outcome.status;
}

troupe_status troupe_node_ask(troupe_node *node, const char *name, const char *request,
                              uint32_t timeout_ms, char **json)
{
    const struct rpc_ask ask = {.name = name, .request = request, .timeout_ms = timeout_ms};
    troupe_result result = {0};

    *json = NULL;
    troupe_status status = check(request);

    if (status != TROUPE_OK) {
        return status;
    }
    uint64_t id = 0;

    if (find_node(node, name, &id) && id == tr_sched_node_id(node->sched)) {
        return look_here(node, request, timeout_ms, json);
    }
    status = tr_agent_call(node, begin_ask, &ask, &result);
    const troupe_answer *answered =
        status == TROUPE_OK ? troupe_result_as(&result, &troupe_answer_type) : NULL;

    if (status == TROUPE_OK) {
        *json = strdup(answered == NULL || answered->json == NULL ? "" : answered->json);
        status = *json == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
    }
    troupe_result_clear(&result);
    return status;
}
