#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "sched/answers.h"
#include "sched/pressure.h"
#include "sched/spawned.h"
#include "sched/telemetry.h"

/* Sends a system signal that answers another; never kept back. */
static void tell(troupe_self *self, const struct tr_message *cause, struct tr_message *message)
{
    if (message == NULL) {
        return; /* No memory: as if lost; the session's end will tell in any case. */
    }
    message->to = cause->from;
    message->from = tr_self_pid(self);
    message->ref = cause->ref;
    message->session = cause->session;
    (void)tr_sched_post(self->sched, self->worker, message);
}

void tr_self_note_relation(troupe_self *self, bool made, const struct tr_relation *relation)
{
    if (relation->row) {
        self->sched->options.outward.relation(self->sched->options.outward.context, made, relation,
                                              tr_self_pid(self));
    }
}

/* What becomes of a signal that came by a session and is to make a relation. */
enum base {
    BASE_GOOD,
    BASE_OVER,   /* another session is the present one: its sender has heard of the end */
    BASE_UNKNOWN /* there is none, or no memory to note that this actor is told of its end */
};

static enum base base_of(troupe_self *self, const struct tr_message *message)
{
    if (message->session == 0 || TR_BUG(STALE_RELATION)) {
        return BASE_GOOD;
    }
    const uint32_t session = tr_self_watch(self, message->from.node);

    return session == message->session ? BASE_GOOD : session == 0 ? BASE_UNKNOWN : BASE_OVER;
}

/* Answers it for want of memory; where there is no session that answer goes nowhere. Takes it. */
static void refuse_relation(troupe_self *self, struct tr_message *message,
                            enum tr_signal_kind signal)
{
    tr_message_turn(message, signal, TROUPE_REASON_ERROR, troupe_status_text(TROUPE_E_NO_MEMORY));
    tell(self, message, message);
}

struct tr_message *tr_self_pay(troupe_self *self)
{
    return tr_message_create(&self->worker->cache, TR_SIGNAL_LINK_EXIT, 0);
}

troupe_status tr_self_make_relation(troupe_self *self, const struct tr_relation *made)
{
    struct tr_relation relation = *made;

    relation.paid = tr_self_pay(self);
    if (relation.paid == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    const troupe_status status = tr_relations_add(&self->actor->relations, &relation);

    if (status != TROUPE_OK) {
        tr_message_destroy(&self->worker->cache, relation.paid);
    }
    return status;
}

/* What was paid for when the relation was made, now with the reason. A long text is worth a block
 * of its own, when there is one. */
static struct tr_message *farewell(troupe_self *self, struct tr_message *paid,
                                   enum tr_signal_kind signal)
{
    if (!tr_message_fits(paid, self->stop_text) || TR_BUG(FAREWELL_NOT_PAID)) {
        struct tr_message *message = tr_message_create_reason(&self->worker->cache, signal,
                                                              self->stop_kind, self->stop_text);

        if (message != NULL || TR_BUG(FAREWELL_NOT_PAID)) {
            tr_message_destroy(&self->worker->cache, paid);
            return message;
        }
    }
    tr_message_turn(paid, signal, self->stop_kind, self->stop_text);
    return paid;
}

struct tr_message *tr_self_farewell(troupe_self *self, struct tr_message *paid,
                                    enum tr_signal_kind signal)
{
    struct tr_message *message = farewell(self, paid, signal);

    /* A supervisor asks why the name of its child was refused. */
    if (message != NULL && signal == TR_SIGNAL_LINK_EXIT && self->actor->extra != NULL) {
        message->status = self->actor->extra->refused;
    }
    return message;
}

void tr_self_remove_relation(troupe_self *self, struct tr_relation *relation)
{
    if (relation->paid != NULL) {
        tr_message_destroy(&self->worker->cache, relation->paid);
    }
    tr_relations_remove(&self->actor->relations, relation);
}

/* Answers whether the message was kept: it has become what will tell the other of this actor's end,
 * or the answer. */
static bool on_link(troupe_self *self, struct tr_message *message)
{
    const struct tr_relation relation = {.pid = message->from,
                                         .paid = message,
                                         .session = message->session,
                                         .kind = TR_RELATION_LINK};

    /* While our own unlink is not acknowledged, a link of the other side is one that crossed it. */
    if (tr_relations_link(&self->actor->relations, message->from) != NULL) {
        return false;
    }
    const enum base base = base_of(self, message);

    if (base == BASE_OVER) {
        return false;
    }
    if (base == BASE_UNKNOWN || tr_relations_add(&self->actor->relations, &relation) != TROUPE_OK) {
        refuse_relation(self, message, TR_SIGNAL_LINK_EXIT);
    }
    return true;
}

static void drop_link(troupe_self *self, struct tr_relation *relation)
{
    tr_self_note_relation(self, false, relation);
    tr_self_remove_relation(self, relation);
}

/* Answers whether the message was kept: it has become the acknowledgement. */
static bool on_unlink(troupe_self *self, struct tr_message *message)
{
    struct tr_relation *relation = tr_relations_link(&self->actor->relations, message->from);

    if (relation != NULL && relation->kind == TR_RELATION_LINK && !TR_BUG(UNLINK_ONE_SIDE)) {
        drop_link(self, relation);
    }
    if (TR_BUG(DROP_UNLINK_ACK)) {
        return false;
    }
    tr_message_turn(message, TR_SIGNAL_UNLINK_ACK, TROUPE_REASON_NORMAL, NULL);
    tell(self, message, message);
    return true;
}

static void on_unlink_ack(troupe_self *self, const struct tr_message *message)
{
    struct tr_relation *relation = tr_relations_link(&self->actor->relations, message->from);

    if (relation != NULL && relation->kind == TR_RELATION_UNLINKING &&
        relation->ref == message->ref) {
        tr_self_remove_relation(self, relation);
    }
}

/* Answers whether the message was kept, as on_link. */
static bool on_monitor(troupe_self *self, struct tr_message *message)
{
    const struct tr_relation relation = {.pid = message->from,
                                         .ref = message->ref,
                                         .paid = message,
                                         .session = message->session,
                                         .kind = TR_RELATION_WATCHED};

    const enum base base = base_of(self, message);

    /* The monitor of a spawn is there already when its parent makes sure of it. */
    if (base == BASE_OVER ||
        tr_relations_watched(&self->actor->relations, message->from, message->ref) != NULL) {
        return false;
    }
    if (base == BASE_UNKNOWN || tr_relations_add(&self->actor->relations, &relation) != TROUPE_OK) {
        refuse_relation(self, message, TR_SIGNAL_DOWN);
    }
    return true;
}

static void on_demonitor(troupe_self *self, const struct tr_message *message)
{
    struct tr_relation *relation =
        tr_relations_watched(&self->actor->relations, message->from, message->ref);

    if (relation != NULL) {
        tr_self_remove_relation(self, relation);
    }
}

static void tell_broken(troupe_self *self, troupe_pid other, int32_t kind, const char *text)
{
    if (tr_wants(self->sched, TROUPE_EVENT_LINK_BROKEN)) {
        tr_tell(self->sched, &(troupe_event){.kind = TROUPE_EVENT_LINK_BROKEN,
                                             .pid = tr_self_pid(self),
                                             .behavior = self->actor->behavior->name,
                                             .other = other,
                                             .reason = kind,
                                             .text = text});
    }
}

/* What an exit signal does; answers whether it is to be queued as a message instead. */
static bool exit_is_message(troupe_self *self, int32_t kind, const char *text, bool from_self)
{
    if ((self->actor->flags & TR_ACTOR_TRAPS) != 0) {
        return true;
    }
    if (kind != TROUPE_REASON_NORMAL || from_self || TR_BUG(NORMAL_EXIT_KILLS)) {
        tr_self_stop(self, kind, text);
    }
    return false;
}

static bool on_exit_signal(troupe_self *self, const struct tr_message *message)
{
    const struct tr_reason *reason = tr_message_reason(message);

    if (!tr_may_exit(self, message)) {
        return false;
    }
    if ((self->actor->flags & TR_ACTOR_SYSTEM) != 0 && !troupe_pid_is_none(message->from)) {
        return false; /* Who acts for other threads is seen as their sender, and must not die of it.
                       */
    }
    if (reason->kind == TROUPE_REASON_KILL && !TR_BUG(TRAP_KILL)) {
        tr_self_stop(self, TROUPE_REASON_KILLED, reason->text);
        return false;
    }
    if (reason->kind == TROUPE_REASON_FENCED && troupe_pid_is_none(message->from)) {
        /* The node itself says so, which nobody can trap. */
        tr_self_stop(self, TROUPE_REASON_FENCED, reason->text);
        return false;
    }
    return exit_is_message(self, reason->kind, reason->text,
                           troupe_pid_equal(message->from, tr_self_pid(self)));
}

static bool on_link_exit(troupe_self *self, const struct tr_message *message)
{
    struct tr_relation *relation = tr_relations_link(&self->actor->relations, message->from);
    const struct tr_reason *reason = tr_message_reason(message);

    if (relation == NULL || (relation->kind != TR_RELATION_LINK && !TR_BUG(UNLINKED_EXIT_HURTS))) {
        return false; /* Unlinked meanwhile: it cannot hurt any more. */
    }
    drop_link(self, relation);
    tell_broken(self, message->from, reason->kind, reason->text);
    return exit_is_message(self, reason->kind, reason->text, false);
}

static bool on_down(troupe_self *self, const struct tr_message *message)
{
    struct tr_relation *relation = tr_relations_watching(&self->actor->relations, message->ref);

    if (relation == NULL || !troupe_pid_equal(relation->pid, message->from)) {
        return false;
    }
    tr_self_note_relation(self, false, relation);
    if (!TR_BUG(DOWN_TWICE)) {
        tr_relations_remove(&self->actor->relations, relation);
    }
    return true;
}

/* Queues a signal for this actor itself, as if the lost node had sent it. Takes what was paid for
 * when the relation was made, if anything was. */
static void queue_noconnection(troupe_self *self, struct tr_message *paid,
                               enum tr_signal_kind signal, troupe_pid from, uint64_t ref)
{
    struct tr_message *message = paid;

    if (message == NULL) {
        message = tr_message_create_reason(&self->worker->cache, signal, TROUPE_REASON_NOCONNECTION,
                                           NULL);
    } else {
        tr_message_turn(message, signal, TROUPE_REASON_NOCONNECTION, NULL);
        message->session = 0;
    }
    if (message == NULL) {
        tr_self_stop(self, TROUPE_REASON_ERROR, "out of memory for a signal");
        return;
    }
    message->to = tr_self_pid(self);
    message->from = from;
    message->ref = ref;
    message->status = TROUPE_E_NOCONNECTION;
    tr_actor_append(self->actor, message);
}

/* One relation with a lost node ends. Takes it out. The rows of a node that is down are not ours to
 * delete one by one: one survivor sweeps them all. */
static void lose_relation(troupe_self *self, struct tr_relation *relation, bool down)
{
    const struct tr_relation lost = *relation;

    relation->row = relation->row && !down;
    relation->paid = NULL;
    drop_link(self, relation);
    if (lost.kind == TR_RELATION_LINK) {
        tell_broken(self, lost.pid, TROUPE_REASON_NOCONNECTION, NULL);
    }
    if (lost.kind == TR_RELATION_LINK &&
        exit_is_message(self, TROUPE_REASON_NOCONNECTION, NULL, false)) {
        queue_noconnection(self, lost.paid, TR_SIGNAL_EXIT, lost.pid, 0);
        return;
    }
    if (lost.paid != NULL) {
        tr_message_destroy(&self->worker->cache, lost.paid);
    }
    if (lost.kind == TR_RELATION_WATCHING) {
        queue_noconnection(self, NULL, TR_SIGNAL_DOWN, lost.pid, lost.ref);
    }
}

static void forget_watch(struct tr_actor *actor, uint64_t node_id, uint32_t session)
{
    struct tr_actor_extra *extra = actor->extra;

    for (uint32_t i = 0; extra != NULL && i < extra->watched_count; i++) {
        if (extra->watched[(size_t)i * 2] == node_id &&
            extra->watched[(size_t)i * 2 + 1] <= session) {
            extra->watched_count--;
            extra->watched[(size_t)i * 2] = extra->watched[(size_t)extra->watched_count * 2];
            extra->watched[(size_t)i * 2 + 1] =
                extra->watched[(size_t)extra->watched_count * 2 + 1];
            return;
        }
    }
}

static void queue_failed_operation(troupe_self *self, uint64_t ref)
{
    struct tr_message *message =
        tr_message_create_result(&self->worker->cache, ref, TROUPE_E_NOCONNECTION, (troupe_pid){0},
                                 0, troupe_status_text(TROUPE_E_NOCONNECTION));

    if (message == NULL) {
        return; /* No memory: the operation's timeout tells. */
    }
    message->to = tr_self_pid(self);
    tr_actor_append(self->actor, message);
}

static void on_node_lost(troupe_self *self, const struct tr_message *message)
{
    struct tr_actor *actor = self->actor;
    struct tr_relation *relation = NULL;
    struct tr_wait *wait = NULL;
    uint32_t position = 0;

    forget_watch(actor, message->ref, message->session);
    while ((relation = tr_relations_next(&actor->relations, &position)) != NULL) {
        if (relation->pid.node == message->ref && relation->session <= message->session) {
            lose_relation(self, relation, message->status == TROUPE_E_FENCED);
            position--;
        }
    }
    position = 0;
    while ((wait = tr_map_next(&actor->waits, &position)) != NULL) {
        if (wait->peer.node == message->ref && wait->kind == TR_WAIT_CALL) {
            queue_noconnection(self, NULL, TR_SIGNAL_CALL_FAILED, wait->peer, wait->ref);
        } else if (wait->peer.node == message->ref && wait->kind == TR_WAIT_OPERATION) {
            queue_failed_operation(self, wait->ref);
        }
    }
}

static void on_forget_call(troupe_self *self, const struct tr_message *message)
{
    struct tr_owed **link = self->actor->extra == NULL ? NULL : &self->actor->extra->owed;

    for (; link != NULL && *link != NULL; link = &(*link)->next) {
        struct tr_owed *owed = *link;

        if (owed->ref == message->ref && troupe_pid_equal(owed->caller, message->from)) {
            *link = owed->next;
            tr_owed_free(owed);
            return;
        }
    }
}

static void on_call_target(troupe_self *self, const struct tr_message *message)
{
    struct tr_wait *wait = tr_wait_find(self, message->ref);

    if (wait == NULL || wait->kind != TR_WAIT_CALL) {
        return;
    }
    wait->peer = message->from;
    if (message->from.node != tr_sched_node_id(self->sched) &&
        tr_self_watch(self, message->from.node) == 0) {
        queue_noconnection(self, NULL, TR_SIGNAL_CALL_FAILED, message->from, message->ref);
    }
}

static void run_inspection(troupe_self *self, const struct tr_message *message)
{
    const struct tr_run *run = (const struct tr_run *)(const void *)message->payload;

    run->function(self, run->context);
}

/* The registry has decided on the actor's name. */
static void on_named(troupe_self *self, const struct tr_message *message)
{
    const struct tr_named *named = (const struct tr_named *)(const void *)message->payload;
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    if (named->status != TROUPE_OK && (self->actor->flags & TR_ACTOR_HELD) != 0) {
        if (extra != NULL) {
            extra->refused = (int16_t)named->status;
        }
        tr_self_stop(self, TROUPE_REASON_ERROR, named->text);
        return;
    }
    if (named->status != TROUPE_OK) {
        /* It asked for a name while it ran, and goes on without. */
        if (extra != NULL) {
            free(extra->name);
            extra->name = NULL;
        }
        return;
    }
    if (extra == NULL) {
        tr_self_stop(self, TROUPE_REASON_ERROR, "out of memory for a name");
        return;
    }
    if (extra->name == NULL) {
        extra->name = strdup(named->text);
    }
    extra->epoch = named->epoch;
    extra->named = true;
    self->actor->flags &= (uint16_t)~TR_ACTOR_HELD;
}

/* What became of a signal that was taken in. */
enum fate {
    DONE,   /* it is not needed any more */
    KEPT,   /* somebody has it */
    MESSAGE /* it stays in the queue */
};

/* Acts on a system signal. */
static enum fate act(troupe_self *self, struct tr_message *message)
{
    switch ((enum tr_signal_kind)message->signal) {
    case TR_SIGNAL_LINK:
        return on_link(self, message) ? KEPT : DONE;
    case TR_SIGNAL_UNLINK:
        return on_unlink(self, message) ? KEPT : DONE;
    case TR_SIGNAL_UNLINK_ACK:
        on_unlink_ack(self, message);
        return DONE;
    case TR_SIGNAL_MONITOR:
        return on_monitor(self, message) ? KEPT : DONE;
    case TR_SIGNAL_DEMONITOR:
        on_demonitor(self, message);
        return DONE;
    case TR_SIGNAL_EXIT:
        return on_exit_signal(self, message) ? MESSAGE : DONE;
    case TR_SIGNAL_LINK_EXIT:
        return on_link_exit(self, message) ? MESSAGE : DONE;
    case TR_SIGNAL_DOWN:
        return on_down(self, message) ? MESSAGE : DONE;
    case TR_SIGNAL_RESULT:
        return tr_self_on_result(self, message) ? MESSAGE : DONE;
    case TR_SIGNAL_NODE_LOST:
        on_node_lost(self, message);
        return DONE;
    case TR_SIGNAL_FORGET_CALL:
        on_forget_call(self, message);
        return DONE;
    case TR_SIGNAL_CALL_TARGET:
        on_call_target(self, message);
        return DONE;
    case TR_SIGNAL_COMMITTED:
        tr_actor_on_committed(self, message->ref);
        return DONE;
    case TR_SIGNAL_INSPECT:
        run_inspection(self, message);
        return DONE;
    case TR_SIGNAL_NAMED:
        on_named(self, message);
        return DONE;
    case TR_SIGNAL_RESUME:
        tr_pressure_on_resume(self, message);
        return DONE;
    case TR_SIGNAL_AWAIT:
    case TR_SIGNAL_MESSAGE:
    case TR_SIGNAL_CALL:
    case TR_SIGNAL_REPLY:
    case TR_SIGNAL_CALL_FAILED:
    case TR_SIGNAL_TIMER:
    case TR_SIGNAL_RUN:
    case TR_SIGNAL_CONTINUE:
    case TR_SIGNAL_COUNT:
        break;
    }
    return MESSAGE;
}

static void trace_received(troupe_self *self, const struct tr_message *message)
{
    if ((self->watched & TR_WATCHED_TRACE) != 0) {
        self->sched->options.outward.traced(self->sched->options.outward.context, self,
                                            TR_TRACED_RECEIVED, message);
    }
}

bool tr_signal_act(troupe_self *self, struct tr_message *message)
{
    if (message->signal == TR_SIGNAL_AWAIT) {
        tr_pressure_on_await(self, message);
        return true;
    }
    /* What asks for a relation may be somebody else's after it has acted. */
    const bool asks = message->signal == TR_SIGNAL_LINK || message->signal == TR_SIGNAL_UNLINK ||
                      message->signal == TR_SIGNAL_MONITOR;

    if (asks) {
        trace_received(self, message);
    }
    const enum fate fate = act(self, message);

    if (fate == DONE) {
        if (!asks) {
            trace_received(self, message);
        }
        tr_message_destroy(&self->worker->cache, message);
    }
    return fate != MESSAGE;
}
