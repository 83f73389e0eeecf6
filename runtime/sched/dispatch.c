#include <stdio.h>

#include "sched/answers.h"
#include "sched/own.h"
#include "sched/self.h"
#include "sched/telemetry.h"

static const troupe_handler *find_handler(const troupe_behavior *behavior, const troupe_type *type)
{
    const troupe_handler *handlers = behavior->handlers;

    for (const troupe_handler *each = handlers; each != NULL && each->type != NULL; each++) {
        if (each->type == type) {
            return each;
        }
    }
    const troupe_handler *any = NULL;

    /* Another file's copy of the same description has another address: the name decides. */
    for (const troupe_handler *each = handlers; each != NULL && each->type != NULL; each++) {
        if (each->type->size == type->size && troupe_type_is(each->type, type)) {
            return each;
        }
        any = each->type == &troupe_any_type ? each : any;
    }
    return any;
}

static void note_unknown(troupe_self *self, const troupe_type *type)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    char text[256];

    if (tr_wants(self->sched, TROUPE_EVENT_UNHANDLED)) {
        tr_tell(self->sched, &(troupe_event){.kind = TROUPE_EVENT_UNHANDLED,
                                             .pid = tr_self_pid(self),
                                             .behavior = self->actor->behavior->name,
                                             .type = type->name});
    }
    /* The first one and then every thousandth: a flood must not fill the log. */
    if (tr_add_relaxed(&self->sched->unknown, 1) % 1000 == 0) {
        (void)snprintf(text, sizeof(text), "behavior \"%s\" has no handler for type \"%s\"",
                       self->actor->behavior->name, type->name);
        outward->log(outward->context, TROUPE_LOG_WARNING, tr_self_pid(self), text);
    }
}

/* Runs the handler for a value; answers whether there was one. */
static bool handle(troupe_self *self, const troupe_type *type, const void *value)
{
    if (self->actor->behavior->machine != NULL && tr_statem_handle(self, type, value)) {
        self->actor->flags |= TR_ACTOR_DIRTY;
        return true;
    }
    const troupe_handler *handler = find_handler(self->actor->behavior, type);

    if (handler == NULL) {
        note_unknown(self, type);
        return false;
    }
    self->actor->flags |= TR_ACTOR_DIRTY;
    self->type = type;
    tr_self_answer(self, handler->handle(self, self->actor->state, value));
    self->type = NULL;
    return true;
}

void tr_self_fail_call(troupe_self *self, const struct tr_message *call, troupe_status status,
                       int32_t kind, const char *text)
{
    struct tr_message *failed =
        tr_message_create_reason(&self->worker->cache, TR_SIGNAL_CALL_FAILED, kind, text);

    if (failed != NULL) {
        failed->status = (int16_t)status;
        failed->to = call->from;
        failed->from = tr_self_pid(self);
        failed->ref = call->ref;
        failed->session = call->session;
        (void)tr_self_emit(self, failed);
    }
}

static void fail_current(troupe_self *self, troupe_status status, int32_t kind, const char *text)
{
    tr_self_fail_call(self, self->current, status, kind, text);
}

static void on_request(troupe_self *self, struct tr_message *message)
{
    self->answered = false;
    const bool known = handle(self, message->type, tr_message_value(message));

    if (self->answered) {
        return;
    }
    if (!known) {
        fail_current(self, TROUPE_E_TYPE, TROUPE_REASON_ERROR, "no handler for this type");
    } else if (self->stopping) {
        self->held = false; /* The actor ends: this leaves with its other farewells. */
        fail_current(self, TROUPE_E_EXITED, self->stop_kind, self->stop_text);
    } else {
        fail_current(self, TROUPE_E_NO_REPLY, TROUPE_REASON_ERROR,
                     troupe_status_text(TROUPE_E_NO_REPLY));
    }
}

static void on_message(troupe_self *self, const struct tr_message *message)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    const bool known = handle(self, message->type, tr_message_value(message));

    if ((message->flags & TR_MESSAGE_INBOX) == 0) {
        return;
    }
    const bool failed = self->stopping && self->stop_kind == TROUPE_REASON_ERROR;

    if (self->current == NULL && !failed) {
        return; /* Put away, not handled: its row stays. */
    }
    if (known && !failed) {
        outward->inbox_handled(outward->context, self, message->ref);
    } else {
        const char *why = known ? self->stop_text : "no handler for this type";

        if (tr_wants(self->sched, TROUPE_EVENT_INBOX_FAILED)) {
            tr_tell(self->sched, &(troupe_event){.kind = TROUPE_EVENT_INBOX_FAILED,
                                                 .pid = tr_self_pid(self),
                                                 .behavior = self->actor->behavior->name,
                                                 .type = message->type->name,
                                                 .text = why});
        }
        outward->inbox_failed(outward->context, self, message->ref, why);
    }
}

static void on_answer(troupe_self *self, const struct tr_message *message)
{
    struct tr_wait *wait = tr_wait_find(self, message->ref);

    if (wait == NULL || wait->kind != TR_WAIT_CALL) {
        (void)tr_add_relaxed(&self->sched->late, message->signal == TR_SIGNAL_REPLY ? 1 : 0);
        return; /* Too late, or answered twice. */
    }
    if (message->signal == TR_SIGNAL_CALL_FAILED && !tr_may_fail_call(self, message, wait)) {
        return;
    }
    troupe_result result = {.pid = message->from,
                            .reason = {.kind = TROUPE_REASON_NORMAL, .text = ""}};

    if (message->signal == TR_SIGNAL_REPLY) {
        result.type = message->type;
        result.value = tr_message_value(message);
    } else {
        const struct tr_reason *reason = tr_message_reason(message);

        result.status = (troupe_status)message->status;
        result.reason = (troupe_reason){.kind = reason->kind, .text = reason->text};
    }
    self->actor->flags |= TR_ACTOR_DIRTY;
    tr_wait_finish(self, wait, &result);
}

/* The caller has given up waiting between the arrival of the answer, which made the link or
 * monitor, and its turn. */
static void forget_spawned(troupe_self *self, const struct tr_message *message,
                           const struct tr_op_result *op)
{
    if (op->status == TROUPE_OK && (op->flags & TROUPE_SPAWN_LINK) != 0) {
        const troupe_status status = troupe_unlink(self, op->pid);

        (void)status;
    }
    if (op->status == TROUPE_OK && (op->flags & TROUPE_SPAWN_MONITOR) != 0) {
        const troupe_status status = troupe_demonitor(self, message->ref);

        (void)status;
    }
}

static void on_result(troupe_self *self, const struct tr_message *message)
{
    const struct tr_op_result *op = (const struct tr_op_result *)(const void *)message->payload;
    struct tr_wait *wait = tr_wait_find(self, message->ref);

    if (wait == NULL || wait->kind != TR_WAIT_OPERATION) {
        forget_spawned(self, message, op);
        return;
    }
    const troupe_result result = {
        .status = (troupe_status)op->status,
        .pid = op->pid,
        .reason = {.kind = TROUPE_REASON_ERROR, .text = op->text},
        .monitor =
            op->status == TROUPE_OK && (op->flags & TROUPE_SPAWN_MONITOR) != 0 ? message->ref : 0};

    self->actor->flags |= TR_ACTOR_DIRTY;
    tr_wait_finish(self, wait, &result);
}

/* Handles a message that came by no mailbox; takes it. */
static void handle_own(troupe_self *self, struct tr_message *message)
{
    struct tr_message *cause = self->current;
    struct tr_actor_extra *extra = self->actor->extra;

    if (extra != NULL && extra->idle != NULL) {
        extra->active_ms = tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;
    }
    self->current = message;
    (void)handle(self, message->type, tr_message_value(message));
    if (self->current == NULL) {
        tr_stash_keep(self, message);
    } else {
        tr_message_destroy(&self->worker->cache, message);
    }
    self->current = cause;
}

/* A timer that goes through its actor: the message it carries is handled here, or sent. */
static void on_timer(troupe_self *self, struct tr_wait *wait)
{
    struct tr_message *carry = wait->carry;
    const troupe_pid to = wait->peer;

    if (wait->interval_ms > 0) {
        carry = tr_message_copy(&self->worker->cache, carry);
        tr_wait_repeat(self, wait);
    } else {
        wait->carry = NULL;
        tr_wait_end(self, wait);
    }
    if (carry == NULL) {
        return; /* Sent already; or no memory for this one, and the next will try again. */
    }
    carry->to = to;
    if (troupe_pid_equal(to, tr_self_pid(self))) {
        handle_own(self, carry);
        return;
    }
    tr_wait_address(self->sched, self->id, carry);
    /* A timer suspends nobody: what has no room is refused. */
    (void)(self->held ? tr_self_emit(self, carry)
                      : tr_sched_post(self->sched, self->worker, carry));
}

static void on_idle(troupe_self *self, struct tr_wait *wait)
{
    const struct tr_actor_extra *extra = self->actor->extra;
    const int64_t now_ms = tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;
    const int64_t quiet_ms = now_ms - extra->active_ms;

    if (quiet_ms < (int64_t)extra->idle_ms) {
        tr_wait_again(self, wait, extra->idle_ms - (uint64_t)quiet_ms);
        return;
    }
    tr_wait_again(self, wait, extra->idle_ms);
    (void)handle(self, &troupe_timeout_type, NULL);
}

static void on_time(troupe_self *self, const struct tr_message *message)
{
    struct tr_wait *wait = tr_wait_find(self, message->ref);

    if (wait == NULL) {
        return; /* Cancelled or answered while this was on its way. */
    }
    if (wait->kind == TR_WAIT_CHECKPOINT) {
        tr_wait_end(self, wait);
        self->actor->flags |= TR_ACTOR_DIRTY; /* The end of this run looks whether one is due. */
        return;
    }
    if (wait->kind == TR_WAIT_TIMER) {
        if (self->actor->extra != NULL && self->actor->extra->idle == wait) {
            on_idle(self, wait);
        } else {
            on_timer(self, wait);
        }
        return;
    }
    const troupe_result result = {.status = TROUPE_E_TIMEOUT,
                                  .pid = wait->peer,
                                  .reason = {.kind = TROUPE_REASON_ERROR, .text = "timeout"}};

    if (wait->kind == TR_WAIT_CALL && tr_wants(self->sched, TROUPE_EVENT_CALL_TIMEOUT)) {
        tr_tell(self->sched, &(troupe_event){.kind = TROUPE_EVENT_CALL_TIMEOUT,
                                             .pid = tr_self_pid(self),
                                             .behavior = self->actor->behavior->name,
                                             .other = wait->peer});
    }
    self->actor->flags |= TR_ACTOR_DIRTY;
    tr_wait_finish(self, wait, &result);
}

static void on_exit_message(troupe_self *self, const struct tr_message *message)
{
    const struct tr_reason *reason = tr_message_reason(message);
    const troupe_exit_message exit = {
        .from = message->from, .kind = reason->kind, .text = reason->text};

    (void)handle(self, &troupe_exit_type, &exit);
}

static void on_down_message(troupe_self *self, const struct tr_message *message)
{
    const struct tr_reason *reason = tr_message_reason(message);
    const troupe_down_message down = {
        .monitor = message->ref, .from = message->from, .kind = reason->kind, .text = reason->text};

    (void)handle(self, &troupe_down_type, &down);
}

static void on_run(troupe_self *self, const struct tr_message *message)
{
    const struct tr_run *run = (const struct tr_run *)(const void *)message->payload;

    run->function(self, run->context);
}

static void on_continue(troupe_self *self, const struct tr_message *message)
{
    struct tr_actor_extra *extra = self->actor->extra;

    if (extra != NULL && extra->last_continue == message) {
        extra->last_continue = NULL;
    }
    (void)handle(self, message->type, tr_message_value(message));
}

static void dispatch(troupe_self *self, struct tr_message *message)
{
    switch ((enum tr_signal_kind)message->signal) {
    case TR_SIGNAL_MESSAGE:
        on_message(self, message);
        break;
    case TR_SIGNAL_CALL:
        on_request(self, message);
        break;
    case TR_SIGNAL_REPLY:
    case TR_SIGNAL_CALL_FAILED:
        on_answer(self, message);
        break;
    case TR_SIGNAL_RESULT:
        on_result(self, message);
        break;
    case TR_SIGNAL_TIMER:
        on_time(self, message);
        break;
    case TR_SIGNAL_EXIT:
    case TR_SIGNAL_LINK_EXIT:
        on_exit_message(self, message);
        break;
    case TR_SIGNAL_DOWN:
        on_down_message(self, message);
        break;
    case TR_SIGNAL_RUN:
        on_run(self, message);
        break;
    case TR_SIGNAL_CONTINUE:
        on_continue(self, message);
        break;
    case TR_SIGNAL_LINK:
    case TR_SIGNAL_UNLINK:
    case TR_SIGNAL_UNLINK_ACK:
    case TR_SIGNAL_MONITOR:
    case TR_SIGNAL_DEMONITOR:
    case TR_SIGNAL_NODE_LOST:
    case TR_SIGNAL_FORGET_CALL:
    case TR_SIGNAL_CALL_TARGET:
    case TR_SIGNAL_COMMITTED:
    case TR_SIGNAL_INSPECT:
    case TR_SIGNAL_NAMED:
    case TR_SIGNAL_AWAIT:
    case TR_SIGNAL_RESUME:
    case TR_SIGNAL_COUNT:
        break; /* These acted when they were taken in. */
    }
}

static void dispatch_one(troupe_self *self, struct tr_message *message)
{
    struct tr_actor_extra *extra = self->actor->extra;

    self->current = message;
    self->actor->handled++;
    if (extra != NULL && extra->idle != NULL && message->signal != TR_SIGNAL_TIMER) {
        extra->active_ms = tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;
    }
    dispatch(self, message);
    if (self->current == NULL) {
        tr_stash_keep(self, message);
        return;
    }
    self->current = NULL;
    tr_message_destroy(&self->worker->cache, message);
}

/* The same while somebody looks: at this actor, or at all messages. */
static __attribute__((noinline)) void dispatch_watched(troupe_self *self,
                                                       struct tr_message *message)
{
    struct tr_sched *sched = self->sched;
    troupe_event event = {.kind = TROUPE_EVENT_HANDLED,
                          .pid = tr_self_pid(self),
                          .behavior = self->actor->behavior->name,
                          .other = message->from,
                          .type = tr_type_name(message)};
    int64_t began_ns = 0;
    const bool sampled =
        (self->watched & TR_WATCHED_HANDLED) != 0 && self->worker->unsampled-- == 0;

    if ((self->watched & TR_WATCHED_TRACE) != 0) {
        sched->options.outward.traced(sched->options.outward.context, self, TR_TRACED_RECEIVED,
                                      message);
    }
    if (!sampled) {
        dispatch_one(self, message);
        return;
    }
    self->worker->unsampled = sched->options.telemetry_sample - 1;
    began_ns = tr_clock_now(sched->options.clock);
    dispatch_one(self, message);
    event.duration_ns = tr_clock_now(sched->options.clock) - began_ns;
    tr_tell(sched, &event);
}

void tr_actor_dispatch(troupe_self *self, struct tr_message *message)
{
    if (__builtin_expect(self->watched != 0, 0)) {
        dispatch_watched(self, message);
    } else {
        dispatch_one(self, message);
    }
}
