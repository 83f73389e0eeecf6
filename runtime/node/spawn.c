/* Spawning: here, by name, on other nodes, and for other threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "base/check.h"
#include "dist/codec.h"
#include "io/loop.h"
#include "node/agent.h"
#include "node/names.h"
#include "node/node.h"
#include "node/places.h"
#include "node/spawn.h"
#include "node/supervisor.h"
#include "node/supervisor_spec.h"
#include "type/value.h"

_Static_assert(((TR_SPAWN_LOOKS | TR_SPAWN_ADOPTS) & ~TR_SPAWN_FLAGS_MASK) == 0,
               "they would be taken for a policy");

/* What prepare needs while an actor is being made. */
struct preparing {
    struct troupe_node *node;
    const struct tr_spawn_request *request;
    uint64_t holder; /* who has the name */
    bool answers;    /* the caller is told of the start, by a message */
    uint32_t session;
};

static troupe_status prepare(void *context, struct tr_actor *actor)
{
    struct preparing *preparing = context;
    struct troupe_node *node = preparing->node;
    const struct tr_spawn_request *request = preparing->request;
    const uint64_t id = tr_load_relaxed(&actor->id);
    const bool durable = (request->flags & TROUPE_SPAWN_DURABLE) != 0;
    struct tr_actor_extra *extra = tr_actor_extra(actor);

    if (extra == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    const troupe_status status =
        tr_names_reserve(node, request->name, id, durable, &preparing->holder);

    if (status != TROUPE_OK) {
        return status;
    }
    extra->name = strdup(request->name);
    if (extra->name == NULL) {
        (void)tr_names_release(node, request->name, id);
        return TROUPE_E_NO_MEMORY;
    }
    if (node->registry == NULL) {
        tr_names_confirm(node, request->name, id, 0);
        extra->named = true;
        return TROUPE_OK;
    }
    actor->flags |= TR_ACTOR_HELD; /* Until the registry has said yes. */
    return durable ? tr_durable_attach(node, actor, request->checkpoint, request->checkpoint_ms,
                                       (request->flags & TROUPE_SPAWN_STRICT) != 0, 0)
                   : TROUPE_OK;
}

/* The first state is there: the name can be registered with it. Without one the caller is told now,
 * before the actor can run: what it says or its end comes after that. */
static troupe_status begun(void *context, struct tr_actor *actor)
{
    struct preparing *preparing = context;
    struct troupe_node *node = preparing->node;
    const struct tr_spawn_request *request = preparing->request;

    if (request->name[0] != '\0' && node->registry != NULL) {
        return tr_names_register_spawned(node, actor, request);
    }
    if (preparing->answers) {
        tr_spawn_answer(
            node, NULL, request->caller, request->ref, preparing->session, TROUPE_OK,
            (troupe_pid){.node = tr_sched_node_id(node->sched), .id = tr_load_relaxed(&actor->id)},
            request->flags, "");
    }
    return TROUPE_OK;
}

/* Whether the options fit the behavior and the node. */
static troupe_status check(struct troupe_node *node, const troupe_behavior *behavior,
                           const struct tr_spawn_request *request, char *error, size_t error_size)
{
    const bool durable = (request->flags & (TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_STRICT)) != 0;
    const char *why = NULL;

    if (request->name[0] != '\0' && !tr_name_is_valid(request->name)) {
        why = "a name is 1 to 255 bytes of UTF-8 without control characters";
    } else if (durable && request->name[0] == '\0') {
        why = "a durable actor needs a name";
    } else if (durable && behavior->state == NULL) {
        why = "a durable actor needs a behavior with a described state";
    } else if (durable && node->registry == NULL) {
        why = "a durable actor needs a node with a registry";
    } else if (request->checkpoint < TROUPE_CHECKPOINT_EACH ||
               request->checkpoint > TROUPE_CHECKPOINT_EXPLICIT) {
        why = "there is no such checkpoint policy";
    } else if (request->mailbox_messages > TR_MAILBOX_MESSAGES_MAX) {
        why = "a mailbox holds at most 1,000,000 messages";
    } else if (request->flags >> TR_SPAWN_POLICY_SHIFT > TROUPE_MAILBOX_DROP_NEW) {
        why = "there is no such mailbox policy";
    }
    if (why != NULL && error != NULL) {
        (void)snprintf(error, error_size, "%s", why);
    }
    return why != NULL ? TROUPE_E_INVALID : TROUPE_OK;
}

uint16_t tr_spawn_actor_flags(const struct tr_spawn_request *request)
{
    uint16_t flags = (request->flags & TROUPE_SPAWN_NOSUSPEND) != 0 ? TR_ACTOR_NOSUSPEND : 0;

    if ((request->flags & TROUPE_SPAWN_DURABLE) != 0) {
        flags |= TR_ACTOR_DURABLE;
        flags |= request->checkpoint == TROUPE_CHECKPOINT_EACH && !TR_BUG(REPLY_TOO_EARLY)
                     ? TR_ACTOR_HOLDS
                     : 0;
    }
    return flags;
}

/* Who asked for a new actor. */
struct asker {
    troupe_pid pid;
    uint32_t session;
    bool by_message; /* it is told by a message */
};

/* What spawns of users have in common, on this node. error may be NULL. */
static troupe_status spawn_in(troupe_self *self, const troupe_behavior *behavior, const void *args,
                              const struct tr_spawn_request *request, const struct asker *asker,
                              troupe_pid *pid, char *error, size_t error_size)
{
    struct troupe_node *node = self->sched->options.owner;
    struct preparing preparing = {
        .node = node, .request = request, .answers = asker->by_message, .session = asker->session};
    const bool named = request->name[0] != '\0';
    const struct tr_spawn spawn = {.behavior = behavior,
                                   .args = args,
                                   .actor_flags = tr_spawn_actor_flags(request),
                                   .spawn_flags = request->flags,
                                   .parent = asker->pid,
                                   .parent_session = asker->session,
                                   .monitor_ref = request->ref,
                                   .mailbox_messages = request->mailbox_messages,
                                   .mailbox_bytes = request->mailbox_bytes,
                                   .mailbox_policy = request->flags >> TR_SPAWN_POLICY_SHIFT,
                                   .prepare = named ? prepare : NULL,
                                   .begun = begun,
                                   .prepare_context = &preparing};
    troupe_status status = check(node, behavior, request, error, error_size);

    if (status == TROUPE_OK) {
        status = tr_actor_spawn(self->sched, self->worker, &spawn, pid, error, error_size);
    }
    if (status == TROUPE_E_EXISTS && error != NULL && preparing.holder != 0) {
        (void)snprintf(error, error_size, "the name \"%s\" is held by <%llu.%llu>", request->name,
                       (unsigned long long)tr_sched_node_id(self->sched),
                       (unsigned long long)preparing.holder);
    }
    return status;
}

/* What the parent's half of the relations needs: from here on they can be made. Gives *paid, NULL
 * without a link. */
static troupe_status pay_for_relations(troupe_self *self, uint32_t flags, struct tr_message **paid)
{
    const bool links = (flags & TROUPE_SPAWN_LINK) != 0;

    *paid = NULL;
    if (!links && (flags & TROUPE_SPAWN_MONITOR) == 0) {
        return TROUPE_OK;
    }
    const troupe_status status = tr_relations_reserve(&self->actor->relations, 2);

    if (status == TROUPE_OK && links) {
        *paid = tr_self_pay(self);
        return *paid == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
    }
    return status;
}

/* The parent's half of the relations, for which there is room; the child's was made with the child.
 * Takes paid. */
static void make_parent_relations(troupe_self *self, troupe_pid child, uint32_t flags, uint64_t ref,
                                  struct tr_message *paid)
{
    struct tr_relation relation = {.pid = child, .paid = paid, .kind = TR_RELATION_LINK};
    troupe_status status = TROUPE_OK;

    if (paid != NULL) {
        status = tr_relations_add(&self->actor->relations, &relation);
    }
    if ((flags & TROUPE_SPAWN_MONITOR) != 0) {
        relation.kind = TR_RELATION_WATCHING;
        relation.paid = NULL;
        relation.ref = ref;
        status =
            status == TROUPE_OK ? tr_relations_add(&self->actor->relations, &relation) : status;
    }
    TR_CHECK(status == TROUPE_OK);
}

static void fill_request(struct tr_spawn_request *request, const troupe_spawn_options *options)
{
    request->name = options == NULL || options->name == NULL ? "" : options->name;
    request->args_type = "";
    request->behavior = "";
    if (options != NULL) {
        const uint32_t policy =
            options->mailbox_policy < 0 || options->mailbox_policy > TROUPE_MAILBOX_DROP_NEW
                ? TROUPE_MAILBOX_DROP_NEW + 1
                : (uint32_t)options->mailbox_policy;

        request->flags = (options->flags & TR_SPAWN_FLAGS_MASK) | policy << TR_SPAWN_POLICY_SHIFT;
        if ((options->flags & TROUPE_SPAWN_STRICT) != 0) {
            request->flags |= TROUPE_SPAWN_DURABLE;
        }
        request->checkpoint = options->checkpoint;
        request->checkpoint_ms = options->checkpoint_ms;
        request->mailbox_messages = options->mailbox_messages;
        request->mailbox_bytes = options->mailbox_bytes;
    }
}

troupe_status troupe_spawn(troupe_self *self, const troupe_behavior *behavior, const void *args,
                           troupe_spawn_options *options, troupe_pid *pid)
{
    struct tr_spawn_request request = {0};
    troupe_pid child = {0};

    fill_request(&request, options);
    request.ref = ++self->actor->next_ref;
    const struct asker asker = {.pid = tr_self_pid(self)};
    struct tr_message *paid = NULL;
    troupe_status status = pay_for_relations(self, request.flags, &paid);

    if (status == TROUPE_OK) {
        status = spawn_in(self, behavior, args, &request, &asker, &child, self->fail_text,
                          sizeof(self->fail_text));
    }
    if (status != TROUPE_OK) {
        if (paid != NULL) {
            tr_message_destroy(&self->worker->cache, paid);
        }
        return status;
    }
    make_parent_relations(self, child, request.flags, request.ref, paid);
    if (options != NULL) {
        options->monitor = request.ref;
    }
    *pid = child;
    return TROUPE_OK;
}

/* ---- on a node, by the name of the behavior ---- */

/* Finds out where the request goes. What is wrong with the rule itself is the call's answer; that
 * there is no place is the operation's: then place->node_id is 0 and text says why. */
static troupe_status find_place(troupe_self *self, const char *rule_text,
                                const struct tr_spawn_request *request, struct tr_place *place,
                                troupe_status *unplaced, char text[TR_REASON_TEXT_SIZE])
{
    struct tr_placement rule;
    troupe_status status =
        tr_placement_read(rule_text, &rule, self->fail_text, sizeof(self->fail_text));

    if (status != TROUPE_OK) {
        return status;
    }
    *unplaced = tr_places_choose(
        self->sched->options.owner,
        &(struct tr_place_ask){.rule = &rule, .behavior = request->behavior, .key = request->name},
        place, text, TR_REASON_TEXT_SIZE);
    if (*unplaced == TROUPE_E_INVALID) {
        (void)troupe_fail(self, "%s", text);
        status = TROUPE_E_INVALID;
    }
    return status;
}

static void answer_own(troupe_self *self, uint64_t ref, troupe_status status, troupe_pid pid,
                       uint32_t flags, const char *text)
{
    struct tr_message *message =
        tr_message_create_result(&self->worker->cache, ref, status, pid, flags, text);

    if (message != NULL) {
        message->to = tr_self_pid(self);
        message->from = pid;
        (void)tr_sched_post(self->sched, self->worker, message);
    }
}

/* A supervisor with all that is below it. What no node of ours would ask for is counted. */
static troupe_status read_spec(struct troupe_node *node, const struct tr_spawn_request *request,
                               uint32_t session, struct tr_supervisor_args *args, char *error,
                               size_t error_size)
{
    troupe_status status =
        tr_spec_decode(node, request->args, request->args_size, &args->spec, error, error_size);
    const char *why = status == TROUPE_E_PROTOCOL ? error : NULL;

    if (status == TROUPE_OK && session != 0 && tr_spec_has_names(args->spec)) {
        why = tr_guard_denies_node(&node->guard, TR_MAY_REGISTER);
        if (why != NULL) {
            status = TROUPE_E_DENIED;
            (void)snprintf(error, error_size, "%s", why);
        }
    }
    if (why != NULL && session != 0) {
        tr_guard_suspect(node, request->caller.node, why);
    }
    args->supervisor = status == TROUPE_OK ? tr_spec_root(args->spec) : NULL;
    return status;
}

/* Starts an actor for a request and answers it, in the context of self (an agent or the caller):
 * when it has begun, or, a named one's, when the registry has decided. */
static void serve(troupe_self *self, const struct tr_spawn_request *request, uint32_t session)
{
    struct troupe_node *node = self->sched->options.owner;
    const bool supervisor = strcmp(request->args_type, TR_SPEC_TYPE_NAME) == 0 &&
                            strcmp(request->behavior, tr_supervisor_behavior.name) == 0;
    const troupe_behavior *behavior =
        supervisor ? &tr_supervisor_behavior : tr_catalog_behavior(node, request->behavior);
    struct tr_supervisor_args below = {0};
    const struct asker asker = {.pid = request->caller, .session = session, .by_message = true};
    void *args = NULL;
    char error[TR_REASON_TEXT_SIZE] = "";
    troupe_pid pid = {0};
    troupe_status status = TROUPE_OK;

    if (session != 0 && (request->flags & TR_SPAWN_ADOPTS) != 0 &&
        tr_name_is_valid(request->name)) {
        tr_adopt_serve(node, request, session); /* What has its row here stays while it drains. */
        return;
    }
    if (session != 0 && tr_load32_relaxed(&node->draining) != 0) {
        (void)snprintf(error, sizeof(error), "node \"%s\" drains and starts nothing for others",
                       node->name);
        status = TROUPE_E_CLOSED;
    } else if (behavior == NULL) {
        (void)snprintf(error, sizeof(error), "node \"%s\" has no behavior \"%.100s\"", node->name,
                       request->behavior);
        status = TROUPE_E_NOT_FOUND;
    }
    if (status == TROUPE_OK && supervisor) {
        status = read_spec(node, request, session, &below, error, sizeof(error));
    } else if (status == TROUPE_OK) {
        status = tr_spawn_decode_args(behavior, request, &args, error, sizeof(error));
    }
    if (status == TROUPE_OK) {
        status = spawn_in(self, behavior, supervisor ? &below : args, request, &asker, &pid, error,
                          sizeof(error));
    }
    tr_spec_drop(below.spec);
    free(args);
    if (status != TROUPE_OK) {
        tr_spawn_answer(node, self->worker, request->caller, request->ref, session, status, pid,
                        request->flags, error);
    }
}

void tr_spawn_answer(struct troupe_node *node, struct tr_worker *worker, troupe_pid caller,
                     uint64_t ref, uint32_t session, troupe_status status, troupe_pid pid,
                     uint32_t flags, const char *text)
{
    struct tr_message *message =
        tr_message_create_result(tr_sched_cache(node->sched, worker), ref, status, pid,
                                 flags & (TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR), text);

    if (message != NULL) {
        message->to = caller;
        message->from = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = pid.id};
        message->session = session;
        (void)tr_sched_post(node->sched, worker, message);
    }
}

troupe_status troupe_spawn_on(troupe_self *self, const char *placement, const char *behavior,
                              const void *args, const troupe_type *args_type,
                              const troupe_spawn_options *options, uint32_t timeout_ms,
                              troupe_then then, uint64_t tag)
{
    struct troupe_node *node = self->sched->options.owner;
    struct tr_spawn_request request = {.caller = tr_self_pid(self)};
    struct tr_place place = {0};
    char text[TR_REASON_TEXT_SIZE] = "";
    troupe_status unplaced = TROUPE_OK;

    if (behavior == NULL || then == NULL) {
        return TROUPE_E_INVALID;
    }
    fill_request(&request, options);
    request.behavior = behavior;
    troupe_status status = find_place(self, placement, &request, &place, &unplaced, text);

    if (status == TROUPE_OK) {
        status = tr_spawn_encode_args(&request, args_type, args);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    struct tr_wait *wait = tr_wait_start(
        self, TR_WAIT_OPERATION, timeout_ms == 0 ? node->config.call_timeout_ms : timeout_ms);

    if (wait == NULL) {
        free((void *)(uintptr_t)request.args);
        return TROUPE_E_NO_MEMORY;
    }
    wait->then = then;
    wait->tag = tag;
    request.ref = wait->ref;
    if (unplaced != TROUPE_OK) {
        answer_own(self, request.ref, unplaced, (troupe_pid){0}, 0, text);
    } else if (place.local) {
        serve(self, &request, 0);
    } else {
        tr_spawn_send(self, place.node_id, &request);
    }
    free((void *)(uintptr_t)request.args);
    return TROUPE_OK;
}

troupe_status tr_spawn_at(troupe_self *self, const struct tr_spawn_at *spawn)
{
    struct tr_spawn_request request = {.caller = tr_self_pid(self)};

    fill_request(&request, spawn->options);
    request.behavior = spawn->behavior;
    if (spawn->packed_type != NULL) {
        request.args_type = spawn->packed_type;
        request.args = spawn->args;
        request.args_size = spawn->packed_size;
    } else {
        const troupe_status status = tr_spawn_encode_args(&request, spawn->args_type, spawn->args);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    struct tr_wait *wait = tr_wait_start(self, TR_WAIT_OPERATION, spawn->timeout_ms);

    if (wait != NULL) {
        wait->then = spawn->then;
        wait->tag = spawn->tag;
        request.ref = wait->ref;
        tr_spawn_send(self, spawn->node_id, &request);
    }
    if (spawn->packed_type == NULL) {
        free((void *)(uintptr_t)request.args);
    }
    return wait == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

void tr_spawn_send(troupe_self *self, uint64_t node_id, const struct tr_spawn_request *request)
{
    struct troupe_node *node = self->sched->options.owner;
    const uint32_t session = tr_self_watch(self, node_id);
    const size_t size_max = tr_codec_spawn_size_max(request);
    uint8_t *bytes = session == 0 ? NULL : malloc(size_max);
    troupe_status status = session == 0 ? TROUPE_E_NOCONNECTION : TROUPE_E_NO_MEMORY;

    if (bytes != NULL) {
        const size_t size = tr_codec_encode_spawn(request, bytes, size_max);

        status = tr_router_send(node->router, node_id, session, bytes, size);
        free(bytes);
    }
    if (status != TROUPE_OK) {
        answer_own(self, request->ref, status, (troupe_pid){0}, 0, troupe_status_text(status));
        return;
    }
    /* When that node is lost before it answers, the operation ends like a call. */
    struct tr_wait *wait = tr_wait_find(self, request->ref);

    if (wait != NULL) {
        wait->peer = (troupe_pid){.node = node_id};
    }
}

/* A request from another node, kept until the agent's turn comes. */
struct kept_request {
    struct tr_spawn_request request;
    uint32_t session;
    char storage[TR_CODEC_STORAGE_SIZE];
    uint8_t args[];
};

static void serve_kept(troupe_self *self, void *context)
{
    struct kept_request *kept = context;

    if (self == NULL) {
        free(kept); /* The node has ended: its peers hear of that. */
        return;
    }
    serve(self, &kept->request, kept->session);
    free(kept);
}

void tr_spawn_remote_request(struct troupe_node *node, const struct tr_spawn_request *request,
                             uint32_t session)
{
    struct kept_request *kept = malloc(sizeof(*kept) + request->args_size);

    if (kept == NULL) {
        tr_spawn_answer(node, NULL, request->caller, request->ref, session, TROUPE_E_NO_MEMORY,
                        (troupe_pid){0}, 0, "out of memory");
        return;
    }
    kept->request = *request;
    kept->session = session;
    (void)snprintf(kept->storage, 256, "%s", request->behavior);
    (void)snprintf(kept->storage + 256, 256, "%s", request->name);
    (void)snprintf(kept->storage + 512, 256, "%s", request->args_type);
    kept->request.behavior = kept->storage;
    kept->request.name = kept->storage + 256;
    kept->request.args_type = kept->storage + 512;
    kept->request.args = kept->args;
    if (request->args_size > 0) {
        memcpy(kept->args, request->args, request->args_size);
    }
    if (tr_sched_run_in(node->sched, node->agent, serve_kept, kept) != TROUPE_OK) {
        free(kept);
        tr_spawn_answer(node, NULL, request->caller, request->ref, session, TROUPE_E_NO_MEMORY,
                        (troupe_pid){0}, 0, "out of memory");
    }
}

/* ---- from threads that are no actors ---- */

struct spawn_ask {
    struct tr_ask ask;
    const troupe_behavior *behavior;
    const void *args;
    const troupe_spawn_options *options;
};

static void spawn_run(troupe_self *self, struct tr_ask *base)
{
    struct spawn_ask *ask = (struct spawn_ask *)base;
    struct troupe_node *node = self->sched->options.owner;
    struct tr_spawn_request request = {.caller = tr_self_pid(self)};

    fill_request(&request, ask->options);
    request.flags &= ~(TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR);
    const bool registers = request.name[0] != '\0' && node->registry != NULL;
    struct tr_wait *wait =
        registers ? tr_wait_start(self, TR_WAIT_OPERATION, node->config.call_timeout_ms) : NULL;

    if (registers && wait == NULL) {
        base->status = TROUPE_E_NO_MEMORY;
        tr_ask_done(base);
        return;
    }
    if (registers) {
        wait->then = tr_ask_then;
        wait->tag = (uint64_t)(uintptr_t)base;
        request.ref = wait->ref;
    }
    const struct asker asker = {.pid = registers ? tr_self_pid(self) : (troupe_pid){0}};

    base->status = spawn_in(self, ask->behavior, ask->args, &request, &asker, &base->pid, NULL, 0);
    if (!registers || base->status != TROUPE_OK) {
        if (registers) {
            tr_wait_end(self, wait);
        }
        tr_ask_done(base);
    }
}

troupe_status troupe_node_spawn(troupe_node *node, const troupe_behavior *behavior,
                                const void *args, const troupe_spawn_options *options,
                                troupe_pid *pid)
{
    struct spawn_ask ask = {
        .ask = {.function = spawn_run}, .behavior = behavior, .args = args, .options = options};
    const troupe_status status = tr_agent_ask(node, &ask.ask);

    if (status == TROUPE_OK) {
        *pid = ask.ask.pid;
    }
    return status;
}
