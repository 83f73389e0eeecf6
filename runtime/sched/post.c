#include <string.h>

#include "base/bugs.h"
#include "sched/emit.h"
#include "sched/pressure.h"
#include "sched/telemetry.h"

/* Whether a large message still fits the byte bound; if so it is counted. One that is larger than
 * the bound fits when there is no other: else it could never be sent. */
static bool reserve_bytes(struct tr_actor *actor, const struct tr_message *message)
{
    const uint64_t size = message->block_size;

    if (size < TR_MESSAGE_LARGE) {
        return true;
    }
    const uint64_t before = tr_add_relaxed(&actor->large_bytes, size);

    if (before != 0 && before + size > tr_load_relaxed(&actor->byte_limit)) {
        (void)tr_sub_relaxed(&actor->large_bytes, size);
        return false;
    }
    return true;
}

/* self: the actor that runs and sends; NULL: whoever else, who cannot be suspended. */
static troupe_status post_local(struct tr_sched *sched, struct tr_worker *worker, troupe_self *self,
                                struct tr_message *message)
{
    struct tr_actor *actor = tr_table_find(&sched->table, message->to.id);
    const bool counted = tr_message_is_counted(message) ||
                         (TR_BUG(COUNT_SIGNALS) && message->signal == TR_SIGNAL_DOWN);

    if (actor == NULL) {
        tr_sched_bounce(sched, worker, message, TROUPE_E_NOPROC, NULL);
        return TROUPE_E_NOPROC;
    }
    if (counted && !reserve_bytes(actor, message)) {
        return tr_pressure_full(sched, worker, self, actor, message);
    }
    const uint64_t reserved =
        counted && message->block_size >= TR_MESSAGE_LARGE ? message->block_size : 0;

    switch (tr_inbox_push(&actor->inbox, &message->item, counted,
                          tr_load32_relaxed(&actor->waiting),
                          tr_load32_relaxed(&actor->message_limit))) {
    case TR_INBOX_QUEUED:
        break;
    case TR_INBOX_WAKE:
        tr_actor_woken(actor, tr_tick_of(worker != NULL ? worker->run_began_ns
                                                        : tr_clock_coarse(sched->options.clock)));
        tr_sched_enqueue(sched, worker, actor);
        break;
    case TR_INBOX_FULL:
        (void)tr_sub_relaxed(&actor->large_bytes, reserved);
        return tr_pressure_full(sched, worker, self, actor, message);
    case TR_INBOX_CLOSED:
        (void)tr_sub_relaxed(&actor->large_bytes, reserved);
        tr_sched_bounce(sched, worker, message, TROUPE_E_NOPROC, NULL);
        return TROUPE_E_NOPROC;
    }
    return TROUPE_OK;
}

/* What an actor that runs sends to another node. What users send makes it wait when too much does;
 * links, monitors and exits are never the reason. */
static troupe_status post_away(troupe_self *self, struct tr_message *message)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    const uint64_t node_id = message->to.node;
    const bool may_wait = tr_pressure_may_suspend(self) &&
                          (message->signal == TR_SIGNAL_MESSAGE ||
                           message->signal == TR_SIGNAL_CALL || message->signal == TR_SIGNAL_REPLY);
    bool crowded = false;

    if (!tr_pressure_may_suspend(self)) {
        message->flags |= TR_MESSAGE_TOLD;
    }
    const troupe_status status = outward->post(outward->context, message, &crowded);

    if (status == TROUPE_OK && crowded && may_wait) {
        tr_pressure_crowded(self, node_id);
    }
    return status;
}

static inline troupe_status post(struct tr_sched *sched, struct tr_worker *worker,
                                 troupe_self *self, struct tr_message *message)
{
    if (message->to.node == tr_sched_node_id(sched)) {
        return post_local(sched, worker, self, message);
    }
    if (message->to.node == 0 && (message->flags & TR_MESSAGE_NAMED) != 0) {
        sched->options.outward.stray(sched->options.outward.context, message);
        return TROUPE_OK;
    }
    return self == NULL ? sched->options.outward.post(sched->options.outward.context, message, NULL)
                        : post_away(self, message);
}

troupe_status tr_sched_post(struct tr_sched *sched, struct tr_worker *worker,
                            struct tr_message *message)
{
    return post(sched, worker, NULL, message);
}

troupe_status tr_self_post(troupe_self *self, struct tr_message *message)
{
    return post(self->sched, self->worker, self, message);
}

static int32_t reason_kind_of(troupe_status why)
{
    return why == TROUPE_E_NOCONNECTION ? TROUPE_REASON_NOCONNECTION : TROUPE_REASON_NOPROC;
}

/* Sends a signal back to its sender as the answer of the actor it did not reach: it costs no
 * memory. Takes it. */
static void answer(struct tr_sched *sched, struct tr_worker *worker, struct tr_message *message)
{
    const troupe_pid from = message->to;

    message->to = message->from;
    message->from = from;
    (void)tr_sched_post(sched, worker, message);
}

static void fail_call(struct tr_sched *sched, struct tr_worker *worker, struct tr_message *message,
                      troupe_status why, const struct tr_reason *reason)
{
    struct tr_pool_cache *cache = tr_sched_cache(sched, worker);
    const int32_t kind = reason != NULL ? reason->kind : reason_kind_of(why);
    const char *text = reason != NULL ? reason->text : NULL;
    struct tr_message *failed = NULL;

    /* A long text is worth a block of its own, when there is one. */
    if (!tr_message_fits(message, text)) {
        failed = tr_message_create_reason(cache, TR_SIGNAL_CALL_FAILED, kind, text);
    }
    if (failed != NULL) {
        failed->to = message->to;
        failed->from = message->from;
        failed->ref = message->ref;
        failed->session = message->session;
        tr_message_destroy(cache, message);
    } else {
        failed = message;
        tr_message_turn(failed, TR_SIGNAL_CALL_FAILED, kind, text);
    }
    failed->status = (int16_t)why;
    answer(sched, worker, failed);
}

/* The name of an actor that has ended; a refused one was never its own. */
static void unname(struct tr_sched *sched, const struct tr_message *message)
{
    const struct tr_named *named = (const struct tr_named *)(const void *)message->payload;

    if (named->status == TROUPE_OK) {
        sched->options.outward.unnamed(sched->options.outward.context, message->to.id, named->text,
                                       named->epoch);
    }
}

static void lose(struct tr_sched *sched, const struct tr_message *message, troupe_status why)
{
    (void)tr_add_relaxed(&sched->dropped, 1);
    if (why != TROUPE_E_BUSY && tr_wants(sched, TROUPE_EVENT_DEAD_LETTER)) {
        tr_tell(sched, &(troupe_event){.kind = TROUPE_EVENT_DEAD_LETTER,
                                       .pid = message->to,
                                       .other = message->from,
                                       .type = tr_type_name(message)});
    }
}

/* The function that was to run in the actor learns that there is none. */
static void run_without(const struct tr_message *message)
{
    const struct tr_run *run = (const struct tr_run *)(const void *)message->payload;

    run->function(NULL, run->context);
}

/* Somebody was started elsewhere for an actor that has ended before it heard of it: what the spawn
 * has made there ends as if it had been made here too. Takes the message. */
static void abandon_spawn(struct tr_sched *sched, struct tr_worker *worker,
                          struct tr_message *message, troupe_status why,
                          const struct tr_reason *reason)
{
    struct tr_pool_cache *cache = tr_sched_cache(sched, worker);
    const struct tr_op_result *op = (const struct tr_op_result *)(const void *)message->payload;
    const troupe_pid child = op->pid;
    const bool half = op->status == TROUPE_OK && (op->flags & TR_OP_MADE) == 0;
    const uint32_t flags = half && !TR_BUG(SPAWN_WITHOUT_PARENT) ? op->flags : 0;

    if ((flags & TROUPE_SPAWN_MONITOR) != 0) {
        struct tr_message *demonitor = tr_message_create(cache, TR_SIGNAL_DEMONITOR, 0);

        if (demonitor != NULL) {
            demonitor->to = child;
            demonitor->from = message->to;
            demonitor->ref = message->ref;
            demonitor->session = message->session;
            (void)tr_sched_post(sched, worker, demonitor);
        }
    }
    if ((flags & TROUPE_SPAWN_LINK) == 0) {
        tr_message_destroy(cache, message);
        return;
    }
    tr_message_turn(message, TR_SIGNAL_LINK_EXIT,
                    reason != NULL ? reason->kind : reason_kind_of(why),
                    reason != NULL ? reason->text : NULL);
    message->from = child; /* answer() sends it there, in the name of the one that has ended */
    answer(sched, worker, message);
}

void tr_sched_bounce(struct tr_sched *sched, struct tr_worker *worker, struct tr_message *message,
                     troupe_status why, const struct tr_reason *reason)
{
    struct tr_pool_cache *cache = tr_sched_cache(sched, worker);

    /* A name may have moved. What was sent on can only be looked up again where it came from, and
     * nobody knows whether what a lost session carried has arrived: that is not sent twice. */
    if ((message->flags & TR_MESSAGE_NAMED) != 0 &&
        (why == TROUPE_E_NOPROC || (why == TROUPE_E_NOCONNECTION && message->session == 0))) {
        message->status = (int16_t)why;
        sched->options.outward.stray(sched->options.outward.context, message);
        return;
    }
    switch ((enum tr_signal_kind)message->signal) {
    case TR_SIGNAL_CALL:
        fail_call(sched, worker, message, why, reason);
        return;
    case TR_SIGNAL_LINK:
        tr_message_turn(message, TR_SIGNAL_LINK_EXIT, reason_kind_of(why), NULL);
        answer(sched, worker, message);
        return;
    case TR_SIGNAL_MONITOR:
        if (TR_BUG(LOSE_DOWN_OF_DEAD)) {
            break;
        }
        tr_message_turn(message, TR_SIGNAL_DOWN, reason_kind_of(why), NULL);
        answer(sched, worker, message);
        return;
    case TR_SIGNAL_UNLINK:
        tr_message_turn(message, TR_SIGNAL_UNLINK_ACK, reason_kind_of(why), NULL);
        answer(sched, worker, message);
        return;
    case TR_SIGNAL_RESULT:
        abandon_spawn(sched, worker, message, why, reason);
        return;
    case TR_SIGNAL_MESSAGE:
        lose(sched, message, why);
        break;
    case TR_SIGNAL_AWAIT:
        tr_pressure_turn_round(sched, worker, message);
        return;
    case TR_SIGNAL_RUN:
    case TR_SIGNAL_INSPECT:
        run_without(message);
        break;
    case TR_SIGNAL_NAMED:
        unname(sched, message);
        break;
    case TR_SIGNAL_REPLY:
    case TR_SIGNAL_CALL_FAILED:
    case TR_SIGNAL_FORGET_CALL:
    case TR_SIGNAL_UNLINK_ACK:
    case TR_SIGNAL_DEMONITOR:
    case TR_SIGNAL_EXIT:
    case TR_SIGNAL_LINK_EXIT:
    case TR_SIGNAL_DOWN:
    case TR_SIGNAL_NODE_LOST:
    case TR_SIGNAL_CALL_TARGET:
    case TR_SIGNAL_TIMER:
    case TR_SIGNAL_COMMITTED:
    case TR_SIGNAL_CONTINUE:
    case TR_SIGNAL_RESUME:
    case TR_SIGNAL_COUNT:
        break; /* Nobody waits for an answer to these. */
    }
    tr_message_destroy(cache, message);
}

static troupe_status post_run(struct tr_sched *sched, enum tr_signal_kind signal, uint64_t actor_id,
                              void (*function)(troupe_self *self, void *context), void *context)
{
    struct tr_message *message =
        tr_message_create(&sched->shared_cache, signal, sizeof(struct tr_run));

    if (message == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *(struct tr_run *)(void *)message->payload =
        (struct tr_run){.function = function, .context = context};
    message->to = (troupe_pid){.node = tr_sched_node_id(sched), .id = actor_id};
    (void)tr_sched_post(sched, NULL, message); /* No such actor: the function has been told. */
    return TROUPE_OK;
}

troupe_status tr_sched_run_in(struct tr_sched *sched, uint64_t actor_id,
                              void (*function)(troupe_self *self, void *context), void *context)
{
    return post_run(sched, TR_SIGNAL_RUN, actor_id, function, context);
}

troupe_status tr_sched_inspect(struct tr_sched *sched, uint64_t actor_id,
                               void (*function)(troupe_self *self, void *context), void *context)
{
    return post_run(sched, TR_SIGNAL_INSPECT, actor_id, function, context);
}

bool tr_self_emit_value(troupe_self *self, struct tr_message *head, const void *value)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    const bool has_content = head->type->size > 0;
    const bool may_wait = tr_pressure_may_suspend(self);
    bool crowded = false;

    if (outward->send_value == NULL || self->held || (self->watched & TR_WATCHED_TRACE) != 0 ||
        (has_content && value == NULL)) {
        return false;
    }
    head->from = tr_self_pid(self);
    head->flags = may_wait ? 0 : TR_MESSAGE_TOLD;
    if (outward->send_value(outward->context, head, has_content ? value : NULL, &crowded) !=
        TROUPE_OK) {
        return false;
    }
    if (crowded && may_wait) {
        tr_pressure_crowded(self, head->to.node);
    }
    return true;
}

troupe_status tr_self_emit(troupe_self *self, struct tr_message *message)
{
    struct tr_actor *actor = self->actor;

    if (__builtin_expect((self->watched & TR_WATCHED_TRACE) != 0, 0)) {
        self->sched->options.outward.traced(self->sched->options.outward.context, self,
                                            TR_TRACED_SENT, message);
    }
    if (!self->held) {
        return tr_self_post(self, message);
    }
    message->item.next = NULL;
    if (actor->outgoing_tail == NULL) {
        actor->outgoing_head = message;
    } else {
        actor->outgoing_tail->item.next = &message->item;
    }
    actor->outgoing_tail = message;
    return TROUPE_OK;
}
