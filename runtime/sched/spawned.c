#include "sched/spawned.h"

#include "sched/answers.h"

static void tell_spawned(troupe_self *self, const struct tr_message *cause, troupe_pid pid,
                         enum tr_signal_kind signal, uint64_t ref)
{
    struct tr_message *message = tr_message_create(&self->worker->cache, signal, 0);

    if (message == NULL) {
        return; /* No memory: what a session's end tells is all that is left. */
    }
    message->to = pid;
    message->from = tr_self_pid(self);
    message->ref = ref;
    message->session = cause->session;
    (void)tr_sched_post(self->sched, self->worker, message);
}

/* Takes back the other half of a link. As with troupe_unlink a link that the other makes meanwhile
 * has crossed this, and must not be believed until it is acknowledged. */
static void abandon_link(troupe_self *self, const struct tr_message *message, troupe_pid pid)
{
    const struct tr_relation unlinking = {.pid = pid,
                                          .ref = ++self->actor->next_ref,
                                          .session = message->session,
                                          .kind = TR_RELATION_UNLINKING};

    if (tr_relations_link(&self->actor->relations, pid) != NULL) {
        return; /* Linked, or unlinked, since by one of the two. */
    }
    if ((pid.node == tr_sched_node_id(self->sched) ||
         tr_self_watch(self, pid.node) == message->session) &&
        tr_relations_add(&self->actor->relations, &unlinking) != TROUPE_OK) {
        tr_self_stop(self, TROUPE_REASON_ERROR, "out of memory for a link");
    }
    tell_spawned(self, message, pid, TR_SIGNAL_UNLINK, unlinking.ref);
}

/* An actor was started for this one, which has given up waiting: no half of a link may stay. */
static void abandon_spawn(troupe_self *self, const struct tr_message *message,
                          const struct tr_op_result *op)
{
    if (op->status == TROUPE_OK && (op->flags & TROUPE_SPAWN_LINK) != 0) {
        abandon_link(self, message, op->pid);
    }
    if (op->status == TROUPE_OK && (op->flags & TROUPE_SPAWN_MONITOR) != 0) {
        tell_spawned(self, message, op->pid, TR_SIGNAL_DEMONITOR, message->ref);
    }
}

/* A spawn elsewhere has made the other half of a link or monitor: make ours. The signals that make
 * them are sent too: when the new actor is dead already, and its farewell was here too early, they
 * come back. */
static void complete_spawn(troupe_self *self, const struct tr_message *message,
                           const struct tr_op_result *op)
{
    struct tr_relation relation = {.pid = op->pid,
                                   .session = message->session,
                                   .row = op->pid.node != tr_sched_node_id(self->sched)};

    if ((op->flags & TROUPE_SPAWN_LINK) != 0 &&
        tr_relations_link(&self->actor->relations, op->pid) == NULL) {
        relation.kind = TR_RELATION_LINK;
        relation.paid = tr_self_pay(self);
        if (relation.paid == NULL ||
            tr_relations_add(&self->actor->relations, &relation) != TROUPE_OK) {
            if (relation.paid != NULL) {
                tr_message_destroy(&self->worker->cache, relation.paid);
            }
            tr_self_stop(self, TROUPE_REASON_ERROR, "out of memory for a link");
            return;
        }
        tr_self_note_relation(self, true, &relation);
        tell_spawned(self, message, op->pid, TR_SIGNAL_LINK, message->ref);
    }
    if ((op->flags & TROUPE_SPAWN_MONITOR) != 0) {
        relation.kind = TR_RELATION_WATCHING;
        relation.paid = NULL;
        relation.ref = message->ref;
        if (tr_relations_add(&self->actor->relations, &relation) != TROUPE_OK) {
            tr_self_stop(self, TROUPE_REASON_ERROR, "out of memory for a monitor");
            return;
        }
        tr_self_note_relation(self, true, &relation);
        tell_spawned(self, message, op->pid, TR_SIGNAL_MONITOR, message->ref);
    }
}

bool tr_self_on_result(troupe_self *self, struct tr_message *message)
{
    struct tr_op_result *op = (struct tr_op_result *)(void *)message->payload;
    const struct tr_wait *wait = tr_wait_find(self, message->ref);

    if (!tr_may_answer(self, message, wait, op)) {
        return false;
    }
    if (wait == NULL || wait->kind != TR_WAIT_OPERATION) {
        abandon_spawn(self, message, op);
        return false;
    }
    if (op->status == TROUPE_OK) {
        complete_spawn(self, message, op);
        op->flags |= TR_OP_MADE; /* An end before the continuation tells by these halves. */
    }
    return true;
}
