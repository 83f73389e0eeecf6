/* Registering names: from a worker to the loop to the registry, and back. The held names are in
 * names.c.
 *
 * Who wants a name that another actor of this node is about to get waits for what becomes of that
 * one: the name is taken by it then, or free for the next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop.h"
#include "node/birth.h"
#include "node/names.h"
#include "node/node.h"

struct registering {
    struct tr_rival rival; /* first */
    struct troupe_node *node;
    uint64_t actor_id;
    bool spawned; /* the actor is held until this is decided, and ends when it is refused */
    bool durable;
    bool strict;
    int32_t checkpoint;
    int32_t version;
    const char *behavior;       /* of the behavior, lent */
    char *state_json;           /* owned */
    char *options_json;         /* owned */
    struct tr_message *verdict; /* which the actor has to hear, memory or not; owned */
    troupe_pid caller;          /* who is answered; none: nobody */
    uint64_t ref;
    uint32_t session;
    uint32_t flags;
    int64_t deadline_ns;
    char name[];
};

static void registering_free(struct registering *r)
{
    if (r->verdict != NULL) {
        tr_message_destroy(&r->node->sched->shared_cache, r->verdict);
    }
    free(r->state_json);
    troupe_json_free(r->options_json);
    free(r);
}

/* The longest text of a verdict: the name, or why it was refused. */
enum { VERDICT_TEXT_SIZE = TR_NAME_SIZE_MAX + TR_REASON_TEXT_SIZE };

/* Tells the actor. When it has ended meanwhile, the name is given up: see tr_names_unnamed. */
static void tell_named(struct registering *r, const struct tr_name_result *result)
{
    const char *text = result->status == TROUPE_OK ? r->name : result->text;
    struct tr_message *message = r->verdict;
    struct tr_named *named = (struct tr_named *)(void *)message->payload;

    r->verdict = NULL;
    named->epoch = result->epoch;
    named->status = result->status;
    (void)snprintf(named->text, VERDICT_TEXT_SIZE, "%s", text);
    message->to = (troupe_pid){.node = tr_sched_node_id(r->node->sched), .id = r->actor_id};
    (void)tr_sched_post(r->node->sched, NULL, message);
}

/* A durable name may be held by an actor of this node that has failed: spawning the name again is
 * the wish that it goes on from its last commit. */
static void revive(struct troupe_node *node, const char *name, const struct tr_name_result *holder)
{
    if (holder->pid.node == tr_sched_node_id(node->sched) && holder->pid.id != 0 &&
        !tr_table_is_alive(&node->sched->table, holder->pid.id)) {
        node->registry->port.reload(node->registry->port.context, name, holder->epoch);
    }
}

static void on_registered(void *context, const struct tr_name_result *result)
{
    struct registering *r = context;
    struct troupe_node *node = r->node;
    struct tr_name_result shown = *result;
    char text[TR_REASON_TEXT_SIZE];

    if (result->status == TROUPE_E_EXISTS) {
        char pid[TROUPE_PID_TEXT_SIZE];

        (void)snprintf(text, sizeof(text), "the name \"%.120s\" is held by %s", r->name,
                       troupe_pid_print(result->pid, pid));
    } else {
        (void)snprintf(text, sizeof(text), "the name \"%.120s\" was not registered: %s", r->name,
                       result->text != NULL && result->text[0] != '\0'
                           ? result->text
                           : troupe_status_text(result->status));
    }
    shown.text = text;
    if (result->status == TROUPE_E_EXISTS && r->durable && (r->flags & TR_SPAWN_LOOKS) == 0) {
        revive(node, r->name, result);
    }
    if (result->status == TROUPE_OK && tr_table_is_alive(&node->sched->table, r->actor_id)) {
        tr_names_confirm(node, r->name, r->actor_id, result->epoch);
    } else if (result->status != TROUPE_OK) {
        (void)tr_names_release(node, r->name, r->actor_id);
    }
    if (!r->spawned) {
        tell_named(r, &shown); /* First, so that it can try again when it is answered. */
    }
    if (!troupe_pid_is_none(r->caller)) {
        const troupe_pid self = {.node = tr_sched_node_id(node->sched), .id = r->actor_id};

        tr_spawn_answer(node, NULL, r->caller, r->ref, r->session, result->status,
                        result->status == TROUPE_OK ? self : result->pid, r->flags,
                        result->status == TROUPE_OK ? "" : text);
    }
    if (r->spawned) {
        /* Last: from here on the actor runs, and what it says comes after the answer. */
        tell_named(r, &shown);
    }
    registering_free(r);
}

static void ask_registry(struct registering *r)
{
    const struct tr_name_register request = {.name = r->name,
                                             .actor_id = r->actor_id,
                                             .durable = r->durable,
                                             .strict = r->strict,
                                             .behavior = r->behavior,
                                             .version = r->version,
                                             .checkpoint = tr_checkpoint_name(r->checkpoint),
                                             .state_json = r->state_json,
                                             .options_json = r->options_json,
                                             .deadline_ns = r->deadline_ns,
                                             .done = on_registered,
                                             .context = r};

    r->node->registry->port.register_name(r->node->registry->port.context, &request);
}

static void register_on_loop(void *context)
{
    struct registering *r = context;
    struct tr_name_result result = {.status = TROUPE_E_NO_MEMORY, .text = ""};

    switch (tr_names_turn(r->node, r->name, r->actor_id, r->durable, &r->rival, &result)) {
    case TR_NAME_MINE:
        ask_registry(r);
        break;
    case TR_NAME_LATER:
        break; /* Whoever holds the list has it now. */
    case TR_NAME_TAKEN:
    case TR_NAME_NO_MEMORY:
        on_registered(r, &result);
        break;
    }
}

void tr_rivals_go_on(struct tr_rival *rivals)
{
    while (rivals != NULL) {
        struct registering *r = (struct registering *)rivals;

        rivals = rivals->next;
        if (tr_loop_post(r->node->loop, register_on_loop, r) != TROUPE_OK) {
            on_registered(r, &(struct tr_name_result){.status = TROUPE_E_NO_MEMORY, .text = ""});
        }
    }
}

void tr_rivals_free(struct tr_rival *rivals)
{
    while (rivals != NULL) {
        struct registering *r = (struct registering *)rivals;

        rivals = rivals->next;
        registering_free(r);
    }
}

static struct registering *registering_create(struct troupe_node *node, const char *name,
                                              uint64_t actor_id, uint32_t timeout_ms)
{
    const size_t size = strlen(name) + 1;
    struct registering *r = calloc(1, sizeof(*r) + size);

    if (r == NULL) {
        return NULL;
    }
    r->node = node;
    r->actor_id = actor_id;
    r->deadline_ns = tr_node_loop_deadline(node, timeout_ms);
    memcpy(r->name, name, size);
    r->verdict = tr_message_create(&node->sched->shared_cache, TR_SIGNAL_NAMED,
                                   sizeof(struct tr_named) + VERDICT_TEXT_SIZE);
    if (r->verdict == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

static troupe_status submit(struct registering *r)
{
    const troupe_status status = tr_loop_post(r->node->loop, register_on_loop, r);

    if (status != TROUPE_OK) {
        registering_free(r);
    }
    return status;
}

troupe_status tr_names_register_spawned(struct troupe_node *node, struct tr_actor *actor,
                                        const struct tr_spawn_request *request)
{
    struct registering *r = registering_create(node, request->name, tr_load_relaxed(&actor->id),
                                               node->config.call_timeout_ms);

    if (r == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    r->spawned = true;
    r->durable = (request->flags & TROUPE_SPAWN_DURABLE) != 0;
    r->strict = (request->flags & TROUPE_SPAWN_STRICT) != 0;
    r->checkpoint = request->checkpoint;
    r->version = actor->behavior->version;
    r->behavior = actor->behavior->name;
    r->caller = request->caller;
    r->ref = request->ref;
    r->session = tr_router_session(node->router, request->caller.node);
    r->flags = request->flags;
    if (r->durable) {
        troupe_status status = tr_durable_state_json(actor, &r->state_json, NULL, 0);

        if (status == TROUPE_OK) {
            status = tr_birth_print(request, &r->options_json);
        }
        if (status != TROUPE_OK) {
            registering_free(r);
            return status;
        }
    }
    return submit(r);
}

troupe_status tr_names_register_self(troupe_self *self, const char *name, uint32_t timeout_ms,
                                     uint64_t ref)
{
    struct registering *r =
        registering_create(self->sched->options.owner, name, self->id, timeout_ms);

    if (r == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    r->caller = tr_self_pid(self);
    r->ref = ref;
    r->behavior = self->actor->behavior->name;
    return submit(r);
}
