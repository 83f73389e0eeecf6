/* Finding the actor behind a durable name for its supervisor. One that has failed on this node is
 * started again from its row, linked to the supervisor before it runs; one that runs and that
 * nobody supervises, since recovery has started it, becomes the supervisor's. A supervisor of
 * another node asks for the same by a spawn request.
 *
 * Threads: the loop's, unless said.
 */
#include <stdlib.h>
#include <string.h>

#include "io/loop.h"
#include "node/names.h"
#include "node/node.h"

/* Who looks. Once the row was asked for, in node->adopters until the orphan comes. */
struct tr_adopter {
    struct troupe_node *node;
    troupe_pid supervisor;
    uint64_t ref;     /* of its wait; of a row that has stopped: the name's epoch */
    uint32_t session; /* of a supervisor on another node; 0: it is here */
    char name[];
};

/* NULL: no memory. */
static struct tr_adopter *adopter_create(struct troupe_node *node, const char *name, uint64_t ref)
{
    const size_t size = strlen(name) + 1;
    struct tr_adopter *adopter = malloc(sizeof(*adopter) + size);

    if (adopter != NULL) {
        *adopter = (struct tr_adopter){.node = node, .ref = ref};
        memcpy(adopter->name, name, size);
    }
    return adopter;
}

void tr_adopter_answer(struct tr_adopter *adopter, troupe_status status, troupe_pid pid,
                       const char *text)
{
    if (adopter->session == 0) {
        tr_names_answer(adopter->node, adopter->supervisor.id, adopter->ref, status, pid, text);
    } else {
        tr_spawn_answer(adopter->node, NULL, adopter->supervisor, adopter->ref, adopter->session,
                        status, pid, 0, text == NULL ? "" : text);
    }
    free(adopter);
}

/* The name's last actor ran here and is gone. */
static void start_again(struct tr_adopter *adopter, uint64_t epoch)
{
    struct troupe_node *node = adopter->node;
    const struct tr_registry_port *port = &node->registry->port;
    const uint64_t key = tr_hash_text(adopter->name);

    struct tr_adopter *before = tr_map_take(&node->adopters, key);

    if (before != NULL) {
        /* Another supervisor, or one whose row never came: it looks again. */
        tr_adopter_answer(before, TROUPE_E_AGAIN, (troupe_pid){0}, "it is being started");
    }
    if (tr_map_put(&node->adopters, key, adopter) != TROUPE_OK) {
        tr_adopter_answer(adopter, TROUPE_E_NO_MEMORY, (troupe_pid){0}, "");
        return;
    }
    port->reload(port->context, adopter->name, epoch);
}

static void on_found(void *context, const struct tr_name_result *result)
{
    struct tr_adopter *adopter = context;
    struct troupe_node *node = adopter->node;

    if (result->status == TROUPE_OK && result->pid.node == tr_sched_node_id(node->sched) &&
        !tr_table_is_alive(&node->sched->table, result->pid.id)) {
        start_again(adopter, result->epoch);
        return;
    }
    if (adopter->session != 0 &&
        (result->status == TROUPE_OK || result->status == TROUPE_E_NOT_FOUND)) {
        /* It was sent here by what the registry has said before. */
        tr_adopter_answer(adopter, TROUPE_E_AGAIN, (troupe_pid){0}, "it is not here any more");
        return;
    }
    tr_adopter_answer(adopter, result->status, result->pid, result->text);
}

/* ---- one that runs ---- */

/* The actor's half of the link, as a spawn makes it. */
static troupe_status link_to(troupe_self *self, const struct tr_adopter *adopter)
{
    const struct tr_relation link = {
        .kind = TR_RELATION_LINK, .pid = adopter->supervisor, .session = adopter->session};

    if (adopter->session != 0 &&
        tr_self_watch(self, adopter->supervisor.node) != adopter->session) {
        return TROUPE_E_NOCONNECTION;
    }
    return tr_relations_link(&self->actor->relations, adopter->supervisor) != NULL
               ? TROUPE_OK
               : tr_self_make_relation(self, &link);
}

/* In the actor that has the name: nobody else knows for sure whose it is. */
static void adopt_running(troupe_self *self, void *context)
{
    struct tr_adopter *adopter = context;

    if (self == NULL) {
        tr_adopter_answer(adopter, TROUPE_E_AGAIN, (troupe_pid){0}, "it has just ended");
        return;
    }
    struct tr_actor *actor = self->actor;
    const bool is_free =
        troupe_pid_is_none(actor->parent) || troupe_pid_equal(actor->parent, adopter->supervisor);

    if (!is_free || (actor->flags & TR_ACTOR_DURABLE) == 0) {
        tr_adopter_answer(adopter, adopter->session == 0 ? TROUPE_OK : TROUPE_E_EXISTS,
                          tr_self_pid(self), "it is somebody else's");
        return;
    }
    const troupe_status status = link_to(self, adopter);

    if (status != TROUPE_OK) {
        tr_adopter_answer(adopter, status, (troupe_pid){0}, "");
        return;
    }
    actor->parent = adopter->supervisor;
    tr_store_relaxed(&actor->shown_parent,
                     adopter->session == 0 ? adopter->supervisor.id : TR_PARENT_ELSEWHERE);
    tr_adopted(self, adopter, tr_self_pid(self));
}

static void find_on_loop(void *context)
{
    struct tr_adopter *adopter = context;
    struct troupe_node *node = adopter->node;
    const struct tr_registry_port *port = &node->registry->port;
    const uint64_t local = tr_names_local(node, adopter->name);

    if (adopter->session != 0 && (node->leaving || node->fenced)) {
        tr_adopter_answer(adopter, TROUPE_E_CLOSED, (troupe_pid){0}, "its node leaves");
        return;
    }
    if (local != 0) {
        if (tr_sched_inspect(node->sched, local, adopt_running, adopter) != TROUPE_OK) {
            tr_adopter_answer(adopter, TROUPE_E_NO_MEMORY, (troupe_pid){0}, "");
        }
        return;
    }
    port->lookup(port->context, adopter->name,
                 tr_node_loop_deadline(node, node->config.call_timeout_ms / 2), on_found, adopter);
}

troupe_status tr_adopt_find(troupe_self *self, const char *name, troupe_then then, uint64_t tag)
{
    struct troupe_node *node = self->sched->options.owner;
    struct tr_adopter *adopter = adopter_create(node, name, 0);
    struct tr_wait *wait = adopter == NULL ? NULL : tr_names_wait(self, 0, then, tag);

    if (wait == NULL) {
        free(adopter);
        return TROUPE_E_NO_MEMORY;
    }
    adopter->supervisor = tr_self_pid(self);
    adopter->ref = wait->ref;
    const troupe_status status = tr_loop_post(node->loop, find_on_loop, adopter);

    if (status != TROUPE_OK) {
        free(adopter);
        tr_wait_end(self, wait);
    }
    return status;
}

struct tr_adopter *tr_adopt_take(struct troupe_node *node, const char *name)
{
    const uint64_t key = tr_hash_text(name);
    const struct tr_adopter *adopter = tr_map_get(&node->adopters, key);

    return adopter != NULL && strcmp(adopter->name, name) == 0 ? tr_map_take(&node->adopters, key)
                                                               : NULL;
}

troupe_pid tr_adopter_pid(const struct tr_adopter *adopter)
{
    return adopter->supervisor;
}

uint32_t tr_adopter_session(const struct tr_adopter *adopter)
{
    return adopter->session;
}

/* In the agent. Both halves of the link are made anew by signals: when the supervisor has ended
 * meanwhile, the actor ends too. */
void tr_adopted(troupe_self *self, struct tr_adopter *adopter, troupe_pid pid)
{
    struct tr_message *link = adopter->session != 0
                                  ? NULL /* As with every spawn from elsewhere. */
                                  : tr_message_create(&self->worker->cache, TR_SIGNAL_LINK, 0);

    tr_spawn_answer(adopter->node, self->worker, tr_adopter_pid(adopter), adopter->ref,
                    adopter->session, TROUPE_OK, pid, TROUPE_SPAWN_LINK, "");
    if (link != NULL) {
        link->to = tr_adopter_pid(adopter);
        link->from = pid;
        (void)tr_sched_post(self->sched, self->worker, link);
    }
    free(adopter);
}

/* ---- for supervisors of other nodes ---- */

void tr_adopt_serve(struct troupe_node *node, const struct tr_spawn_request *request,
                    uint32_t session)
{
    struct tr_adopter *adopter = adopter_create(node, request->name, request->ref);
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (adopter != NULL) {
        adopter->supervisor = request->caller;
        adopter->session = session;
        status = tr_loop_post(node->loop, find_on_loop, adopter);
    }
    if (status != TROUPE_OK) {
        tr_spawn_answer(node, NULL, request->caller, request->ref, session, status, (troupe_pid){0},
                        0, troupe_status_text(status));
        free(adopter);
    }
}

/* ---- one has ended, its row stays ---- */

static void on_told(void *context, const struct tr_name_result *result)
{
    (void)result;
    free(context);
}

static void tell_on_loop(void *context)
{
    struct tr_adopter *row = context;
    const struct tr_registry_port *port = &row->node->registry->port;

    if (row->node->leaving || row->node->fenced) {
        free(row); /* The end of the node says it of all its actors. */
        return;
    }
    port->started(port->context, row->name, row->ref, 0, on_told, row);
}

void tr_adopt_stopped(struct troupe_node *node, const char *name, uint64_t epoch)
{
    struct tr_adopter *row = adopter_create(node, name, epoch);

    if (row == NULL) {
        return; /* It is only what people read that is wrong then. */
    }
    if (tr_loop_post(node->loop, tell_on_loop, row) != TROUPE_OK) {
        free(row);
    }
}

void tr_adopt_fini(struct troupe_node *node)
{
    struct tr_adopter *adopter = NULL;

    while ((adopter = tr_map_take_any(&node->adopters)) != NULL) {
        free(adopter);
    }
    tr_map_fini(&node->adopters);
}
