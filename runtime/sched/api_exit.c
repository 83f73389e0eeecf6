/* Links, monitors and exits: the functions of actor.h that make and end relations. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bugs.h"
#include "sched/own.h"
#include "sched/self.h"

/* Remembers that the actor is told of that session's end. */
static bool note_watch(struct tr_actor *actor, uint64_t node_id, uint32_t session)
{
    struct tr_actor_extra *extra = tr_actor_extra(actor);

    if (extra == NULL) {
        return false;
    }
    if (extra->watched_count == extra->watched_capacity) {
        const uint32_t capacity = extra->watched_capacity == 0 ? 2 : extra->watched_capacity * 2;
        uint64_t *watched = realloc(extra->watched, (size_t)capacity * 2 * sizeof(*watched));

        if (watched == NULL) {
            return false;
        }
        extra->watched = watched;
        extra->watched_capacity = capacity;
    }
    extra->watched[(size_t)extra->watched_count * 2] = node_id;
    extra->watched[(size_t)extra->watched_count * 2 + 1] = session;
    extra->watched_count++;
    return true;
}

uint32_t tr_self_watch(troupe_self *self, uint64_t node_id)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    const struct tr_actor_extra *extra = self->actor->extra;

    for (uint32_t i = 0; extra != NULL && i < extra->watched_count; i++) {
        if (extra->watched[(size_t)i * 2] == node_id) {
            return (uint32_t)extra->watched[(size_t)i * 2 + 1];
        }
    }
    const uint32_t session = outward->watch(outward->context, node_id, self->id);

    if (session != 0 && !note_watch(self->actor, node_id, session)) {
        outward->unwatch(outward->context, node_id, self->id);
        return 0;
    }
    return session;
}

static bool is_local(const troupe_self *self, troupe_pid pid)
{
    return pid.node == tr_sched_node_id(self->sched);
}

static void release(troupe_self *self, struct tr_message *message)
{
    if (message != NULL) {
        tr_message_destroy(&self->worker->cache, message);
    }
}

/* Makes a relation and sends the signal that makes its other half; or, when that node cannot be
 * reached, its answer to this actor itself. known: a relation to be overwritten, or NULL. All that
 * is needed is paid for first: without memory nothing has changed. */
static troupe_status relate(troupe_self *self, struct tr_relation *known,
                            struct tr_relation *relation, enum tr_signal_kind signal,
                            enum tr_signal_kind refusal)
{
    struct tr_pool_cache *cache = &self->worker->cache;
    const bool reachable = is_local(self, relation->pid) || relation->session != 0;
    struct tr_message *message = tr_message_create(cache, reachable ? signal : refusal, 0);

    if (relation->kind == TR_RELATION_LINK) {
        relation->paid = tr_self_pay(self);
    }
    if (message == NULL || (relation->kind == TR_RELATION_LINK && relation->paid == NULL) ||
        (known == NULL && tr_relations_add(&self->actor->relations, relation) != TROUPE_OK)) {
        release(self, message);
        release(self, relation->paid);
        return TROUPE_E_NO_MEMORY;
    }
    if (known != NULL) {
        *known = *relation;
    }
    message->ref = relation->ref;
    if (!reachable) {
        tr_message_turn(message, refusal, TROUPE_REASON_NOCONNECTION, NULL);
        message->to = tr_self_pid(self);
        message->from = relation->pid;
        (void)tr_sched_post(self->sched, self->worker, message);
        return TROUPE_OK;
    }
    tr_self_note_relation(self, true, relation);
    message->to = relation->pid;
    message->from = tr_self_pid(self);
    message->session = relation->session;
    (void)tr_self_emit(self, message);
    return TROUPE_OK;
}

troupe_status troupe_link(troupe_self *self, troupe_pid other)
{
    if (troupe_pid_equal(other, tr_self_pid(self))) {
        return TROUPE_OK;
    }
    struct tr_relation *known = tr_relations_link(&self->actor->relations, other);
    const uint32_t session = is_local(self, other) ? 0 : tr_self_watch(self, other.node);

    if (known != NULL && known->kind == TR_RELATION_LINK) {
        return TROUPE_OK;
    }
    struct tr_relation relation = {
        .pid = other, .session = session, .kind = TR_RELATION_LINK, .row = !is_local(self, other)};

    /* Linked again before an unlink was acknowledged: its acknowledgement will match nothing. */
    return relate(self, known, &relation, TR_SIGNAL_LINK, TR_SIGNAL_LINK_EXIT);
}

troupe_status troupe_unlink(troupe_self *self, troupe_pid other)
{
    struct tr_relation *relation = tr_relations_link(&self->actor->relations, other);

    if (relation == NULL || relation->kind != TR_RELATION_LINK) {
        return TROUPE_OK;
    }
    /* What was to tell of this actor's end tells of the link's. */
    struct tr_message *message = relation->paid;

    tr_self_note_relation(self, false, relation);
    relation->paid = NULL;
    relation->kind = TR_RELATION_UNLINKING;
    relation->row = false;
    relation->ref = ++self->actor->next_ref;
    tr_message_turn(message, TR_SIGNAL_UNLINK, TROUPE_REASON_NORMAL, NULL);
    message->to = other;
    message->from = tr_self_pid(self);
    message->ref = relation->ref;
    message->session = relation->session;
    (void)tr_self_emit(self, message);
    return TROUPE_OK;
}

troupe_status troupe_monitor(troupe_self *self, troupe_pid other, uint64_t *monitor)
{
    const uint32_t session = is_local(self, other) ? 0 : tr_self_watch(self, other.node);
    struct tr_relation relation = {.pid = other,
                                   .ref = ++self->actor->next_ref,
                                   .session = session,
                                   .kind = TR_RELATION_WATCHING,
                                   .row = !is_local(self, other)};
    const troupe_status status = relate(self, NULL, &relation, TR_SIGNAL_MONITOR, TR_SIGNAL_DOWN);

    if (status == TROUPE_OK) {
        *monitor = relation.ref;
    }
    return status;
}

/* Takes a DOWN that is in the mailbox already out of it. */
static void flush_down(troupe_self *self, uint64_t monitor)
{
    struct tr_actor *actor = self->actor;
    struct tr_message *previous = NULL;

    if (tr_stash_flush_down(self, monitor)) {
        return;
    }

    for (struct tr_message *message = actor->head; message != NULL;
         message = (struct tr_message *)(void *)message->item.next) {
        if (message->signal == TR_SIGNAL_DOWN && message->ref == monitor) {
            if (previous == NULL) {
                actor->head = (struct tr_message *)(void *)message->item.next;
            } else {
                previous->item.next = message->item.next;
            }
            if (actor->tail == message) {
                actor->tail = previous;
            }
            tr_message_destroy(&self->worker->cache, message);
            return;
        }
        previous = message;
    }
}

troupe_status troupe_demonitor(troupe_self *self, uint64_t monitor)
{
    struct tr_relation *relation = tr_relations_watching(&self->actor->relations, monitor);

    if (relation == NULL) {
        if (!TR_BUG(NO_FLUSH)) {
            flush_down(self, monitor);
        }
        return TROUPE_OK;
    }
    struct tr_message *message = tr_message_create(&self->worker->cache, TR_SIGNAL_DEMONITOR, 0);

    if (message == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    message->to = relation->pid;
    message->from = tr_self_pid(self);
    message->ref = monitor;
    message->session = relation->session;
    tr_self_note_relation(self, false, relation);
    tr_self_remove_relation(self, relation);
    (void)tr_self_emit(self, message);
    return TROUPE_OK;
}

void troupe_trap_exit(troupe_self *self, bool trap)
{
    if (trap) {
        self->actor->flags |= TR_ACTOR_TRAPS;
    } else {
        self->actor->flags &= (uint16_t)~TR_ACTOR_TRAPS;
    }
}

troupe_status troupe_exit(troupe_self *self, troupe_pid to, int32_t kind, const char *text)
{
    struct tr_message *message = NULL;

    if (kind < TROUPE_REASON_NORMAL || kind > TROUPE_REASON_KILL) {
        return TROUPE_E_INVALID;
    }
    message = tr_message_create_reason(&self->worker->cache, TR_SIGNAL_EXIT, kind, text);
    if (message == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    message->to = to;
    message->from = tr_self_pid(self);
    (void)tr_self_emit(self, message);
    return TROUPE_OK;
}

int troupe_stop(troupe_self *self, int32_t kind, const char *text)
{
    const bool known = kind >= TROUPE_REASON_NORMAL && kind <= TROUPE_REASON_KILL;

    tr_self_stop(self,
                 !known                       ? TROUPE_REASON_ERROR
                 : kind == TROUPE_REASON_KILL ? TROUPE_REASON_KILLED
                                              : kind,
                 text);
    return TROUPE_OK;
}

int troupe_fail(troupe_self *self, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(self->fail_text, sizeof(self->fail_text), format, arguments);
    va_end(arguments);
    return TROUPE_E_FAILED;
}
