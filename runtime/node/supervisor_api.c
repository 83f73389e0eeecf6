/* The functions of troupe/supervisor.h about children: for actors, and for other threads. */
#include <stdlib.h>
#include <string.h>

#include "node/agent.h"
#include "node/supervisor.h"

/* ---- starting a child: it travels as a record on this node, by names to another ---- */

struct start {
    struct tr_sched *sched;
    troupe_pid supervisor;
    troupe_pid caller;
    uint64_t ref;
    struct tr_child *child; /* owned */
};

static void start_free(struct start *start)
{
    tr_child_destroy(start->child);
    free(start);
}

/* Tells the caller that there is no such supervisor, or that it is none. */
static void start_failed(struct start *start, struct tr_worker *worker, troupe_status status,
                         int32_t kind, const char *text)
{
    struct tr_message *failed = tr_message_create_reason(tr_sched_cache(start->sched, worker),
                                                         TR_SIGNAL_CALL_FAILED, kind, text);

    if (failed != NULL) {
        failed->status = (int16_t)status;
        failed->to = start->caller;
        failed->from = start->supervisor;
        failed->ref = start->ref;
        (void)tr_sched_post(start->sched, worker, failed);
    }
    start_free(start);
}

/* In the supervisor. */
static void run_start(troupe_self *self, void *context)
{
    struct start *start = context;

    if (self == NULL) {
        start_failed(start, NULL, TROUPE_E_NOPROC, TROUPE_REASON_NOPROC, NULL);
        return;
    }
    if (self->actor->behavior != &tr_supervisor_behavior) {
        start_failed(start, self->worker, TROUPE_E_TYPE, TROUPE_REASON_ERROR,
                     "it is no supervisor");
        return;
    }
    struct tr_supervisor *supervisor = self->actor->state;
    const troupe_from from = tr_owed_add(self, start->caller, start->ref);

    if (from.ref == 0) {
        start_failed(start, self->worker, TROUPE_E_NO_MEMORY, TROUPE_REASON_ERROR, NULL);
        return;
    }
    tr_child_ask_start(self, supervisor, &from, start->child);
    start->child = NULL;
    start_free(start);
    tr_self_answer(self, tr_supervisor_proceed(self, supervisor));
}

static troupe_status start_here(troupe_self *self, troupe_pid supervisor, const troupe_child *child,
                                uint32_t timeout_ms, troupe_then then, uint64_t tag)
{
    struct start *start = calloc(1, sizeof(*start));
    struct tr_message *message =
        tr_message_create(&self->worker->cache, TR_SIGNAL_RUN, sizeof(struct tr_run));
    char words[TR_REASON_TEXT_SIZE];
    const char *why = NULL;
    troupe_status status = start == NULL || message == NULL
                               ? TROUPE_E_NO_MEMORY
                               : tr_child_create(child, &start->child, &why, words);
    struct tr_wait *wait =
        status != TROUPE_OK
            ? NULL
            : tr_wait_start(self, TR_WAIT_CALL,
                            timeout_ms == 0 ? self->sched->options.call_timeout_ms : timeout_ms);

    if (wait == NULL) {
        if (why != NULL) {
            (void)troupe_fail(self, "%s", why);
        }
        if (message != NULL) {
            tr_message_destroy(&self->worker->cache, message);
        }
        if (start != NULL) {
            start_free(start);
        }
        return status == TROUPE_OK ? TROUPE_E_NO_MEMORY : status;
    }
    wait->then = then;
    wait->tag = tag;
    wait->peer = supervisor;
    start->sched = self->sched;
    start->supervisor = supervisor;
    start->caller = tr_self_pid(self);
    start->ref = wait->ref;
    *(struct tr_run *)(void *)message->payload =
        (struct tr_run){.function = run_start, .context = start};
    message->to = supervisor;
    message->from = tr_self_pid(self);
    (void)tr_self_emit(self, message); /* No such actor: run_start is told. */
    return TROUPE_OK;
}

static troupe_status start_there(troupe_self *self, troupe_pid supervisor,
                                 const troupe_child *child, uint32_t timeout_ms, troupe_then then,
                                 uint64_t tag)
{
    const troupe_type *type = child->behavior == NULL ? NULL : child->behavior->args;
    char *args = NULL;

    if (child->supervisor != NULL || child->options != NULL || child->behavior == NULL) {
        (void)troupe_fail(self, "options and supervisors do not travel");
        return TROUPE_E_INVALID;
    }
    if (child->args != NULL && type != NULL) {
        const troupe_status status = troupe_to_json(type, child->args, &args);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    const troupe_start_child_request request = {.id = child->id,
                                                .behavior = child->behavior->name,
                                                .args = args,
                                                .name = child->name,
                                                .restart = child->restart,
                                                .shutdown_ms = child->shutdown_ms,
                                                .durable =
                                                    (child->flags & TROUPE_SPAWN_DURABLE) != 0,
                                                .strict = (child->flags & TROUPE_SPAWN_STRICT) != 0,
                                                .significant = child->significant,
                                                .placement = child->placement};
    const troupe_status status =
        troupe_call(self, supervisor, &troupe_start_child_type, &request, timeout_ms, then, tag);

    troupe_json_free(args);
    return status;
}

troupe_status troupe_start_child(troupe_self *self, troupe_pid supervisor,
                                 const troupe_child *child, uint32_t timeout_ms, troupe_then then,
                                 uint64_t tag)
{
    return supervisor.node == tr_sched_node_id(self->sched)
               ? start_here(self, supervisor, child, timeout_ms, then, tag)
               : start_there(self, supervisor, child, timeout_ms, then, tag);
}

/* ---- the others ---- */

troupe_status troupe_terminate_child(troupe_self *self, troupe_pid supervisor, const char *id,
                                     troupe_pid pid, uint32_t timeout_ms, troupe_then then,
                                     uint64_t tag)
{
    return troupe_call(self, supervisor, &troupe_terminate_child_type,
                       &(troupe_child_request){.id = id, .pid = pid}, timeout_ms, then, tag);
}

troupe_status troupe_restart_child(troupe_self *self, troupe_pid supervisor, const char *id,
                                   uint32_t timeout_ms, troupe_then then, uint64_t tag)
{
    return troupe_call(self, supervisor, &troupe_restart_child_type,
                       &(troupe_child_request){.id = id}, timeout_ms, then, tag);
}

troupe_status troupe_delete_child(troupe_self *self, troupe_pid supervisor, const char *id,
                                  uint32_t timeout_ms, troupe_then then, uint64_t tag)
{
    return troupe_call(self, supervisor, &troupe_delete_child_type,
                       &(troupe_child_request){.id = id}, timeout_ms, then, tag);
}

troupe_status troupe_which_children(troupe_self *self, troupe_pid supervisor, uint32_t timeout_ms,
                                    troupe_then then, uint64_t tag)
{
    return troupe_call(self, supervisor, &troupe_list_children_type, NULL, timeout_ms, then, tag);
}

troupe_status troupe_count_children(troupe_self *self, troupe_pid supervisor, uint32_t timeout_ms,
                                    troupe_then then, uint64_t tag)
{
    return troupe_call(self, supervisor, &troupe_count_children_type, NULL, timeout_ms, then, tag);
}

/* ---- for other threads ---- */

struct node_start {
    troupe_pid supervisor;
    const troupe_child *child;
    uint32_t timeout_ms;
};

static troupe_status begin_start(troupe_self *self, troupe_then then, uint64_t tag,
                                 const void *context)
{
    const struct node_start *start = context;

    return troupe_start_child(self, start->supervisor, start->child, start->timeout_ms, then, tag);
}

troupe_status troupe_node_start_child(troupe_node *node, troupe_pid supervisor,
                                      const troupe_child *child, uint32_t timeout_ms,
                                      troupe_result *result)
{
    const struct node_start start = {
        .supervisor = supervisor, .child = child, .timeout_ms = timeout_ms};

    return tr_agent_call(node, begin_start, &start, result);
}

troupe_status troupe_node_terminate_child(troupe_node *node, troupe_pid supervisor, const char *id,
                                          troupe_pid pid, uint32_t timeout_ms,
                                          troupe_result *result)
{
    return troupe_node_call(node, supervisor, &troupe_terminate_child_type,
                            &(troupe_child_request){.id = id, .pid = pid}, timeout_ms, result);
}

troupe_status troupe_node_restart_child(troupe_node *node, troupe_pid supervisor, const char *id,
                                        uint32_t timeout_ms, troupe_result *result)
{
    return troupe_node_call(node, supervisor, &troupe_restart_child_type,
                            &(troupe_child_request){.id = id}, timeout_ms, result);
}

troupe_status troupe_node_delete_child(troupe_node *node, troupe_pid supervisor, const char *id,
                                       uint32_t timeout_ms, troupe_result *result)
{
    return troupe_node_call(node, supervisor, &troupe_delete_child_type,
                            &(troupe_child_request){.id = id}, timeout_ms, result);
}

troupe_status troupe_node_which_children(troupe_node *node, troupe_pid supervisor,
                                         uint32_t timeout_ms, troupe_result *result)
{
    return troupe_node_call(node, supervisor, &troupe_list_children_type, NULL, timeout_ms, result);
}

troupe_status troupe_node_count_children(troupe_node *node, troupe_pid supervisor,
                                         uint32_t timeout_ms, troupe_result *result)
{
    return troupe_node_call(node, supervisor, &troupe_count_children_type, NULL, timeout_ms,
                            result);
}
