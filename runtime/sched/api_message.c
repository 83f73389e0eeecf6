/* Messages and requests: the functions of actor.h that send. */
#include <stdlib.h>

#include "sched/emit.h"
#include "sched/self.h"
#include "troupe/mailbox.h"

troupe_pid troupe_self_pid(const troupe_self *self)
{
    return tr_self_pid(self);
}

troupe_pid troupe_sender(const troupe_self *self)
{
    return self->current == NULL ? (troupe_pid){0} : self->current->from;
}

const troupe_type *troupe_message_type(const troupe_self *self)
{
    return self->type;
}

struct troupe_node *troupe_self_node(const troupe_self *self)
{
    return self->sched->options.owner;
}

int64_t troupe_now_ms(const troupe_self *self)
{
    return tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;
}

/* Makes a message with a value; NULL value means a type without content. */
static troupe_status make(troupe_self *self, enum tr_signal_kind signal, troupe_pid to,
                          const troupe_type *type, const void *value, struct tr_message **out)
{
    const troupe_status status =
        tr_message_copy_value(&self->worker->cache, signal, type, value, out);

    if (status == TROUPE_OK) {
        (*out)->to = to;
        (*out)->from = tr_self_pid(self);
    }
    return status;
}

static bool is_away(const troupe_self *self, troupe_pid to)
{
    return to.node != tr_sched_node_id(self->sched);
}

enum { UNSENT_MAX = 64 * 1024 };

/* What a sender is told: the dead and the unreachable lose messages silently, as in Erlang. A
 * handler that sends much to other nodes lets it leave meanwhile. */
static troupe_status sent(troupe_self *self, troupe_status status)
{
    if (self->worker->unsent >= UNSENT_MAX) {
        tr_worker_flush(self->worker);
    }
    return status == TROUPE_E_NOPROC || status == TROUPE_E_NOCONNECTION ? TROUPE_OK : status;
}

troupe_status troupe_send(troupe_self *self, troupe_pid to, const troupe_type *type,
                          const void *message)
{
    struct tr_message *copy = NULL;
    troupe_status status = TROUPE_OK;

    if (is_away(self, to) &&
        tr_self_emit_value(
            self, &(struct tr_message){.signal = TR_SIGNAL_MESSAGE, .to = to, .type = type},
            message)) {
        return sent(self, TROUPE_OK);
    }
    status = make(self, TR_SIGNAL_MESSAGE, to, type, message, &copy);
    return status != TROUPE_OK ? status : sent(self, tr_self_emit(self, copy));
}

int troupe_reply(troupe_self *self, const troupe_type *type, const void *message)
{
    struct tr_message *copy = NULL;

    if (self->current == NULL || self->current->signal != TR_SIGNAL_CALL || self->answered) {
        return TROUPE_OK;
    }
    const struct tr_message *call = self->current;

    if (is_away(self, call->from) &&
        tr_self_emit_value(self,
                           &(struct tr_message){.signal = TR_SIGNAL_REPLY,
                                                .to = call->from,
                                                .type = type,
                                                .ref = call->ref,
                                                .session = call->session},
                           message)) {
        self->answered = true;
        return TROUPE_OK;
    }
    const troupe_status status = make(self, TR_SIGNAL_REPLY, call->from, type, message, &copy);

    if (status != TROUPE_OK) {
        return status;
    }
    copy->ref = call->ref;
    copy->session = call->session;
    self->answered = true;
    (void)tr_self_emit(self, copy);
    return TROUPE_OK;
}

troupe_from tr_owed_add(troupe_self *self, troupe_pid caller, uint64_t ref)
{
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);
    struct tr_owed *owed = extra == NULL ? NULL : malloc(sizeof(*owed));

    if (owed == NULL) {
        return (troupe_from){0};
    }
    *owed = (struct tr_owed){.next = extra->owed, .caller = caller, .ref = ref};
    extra->owed = owed;
    return (troupe_from){.caller = caller, .callee = tr_self_pid(self), .ref = ref};
}

troupe_from troupe_take_from(troupe_self *self)
{
    if (self->current == NULL || self->current->signal != TR_SIGNAL_CALL || self->answered) {
        return (troupe_from){0};
    }
    const troupe_from from = tr_owed_add(self, self->current->from, self->current->ref);

    self->answered = from.ref != 0; /* Else the request fails as one without a reply. */
    return from;
}

bool tr_owed_strike(struct tr_actor *actor, const troupe_from *from)
{
    struct tr_owed **link = actor->extra == NULL ? NULL : &actor->extra->owed;

    for (; link != NULL && *link != NULL; link = &(*link)->next) {
        struct tr_owed *owed = *link;

        if (owed->ref == from->ref && troupe_pid_equal(owed->caller, from->caller)) {
            *link = owed->next;
            tr_owed_free(owed);
            return true;
        }
    }
    return false;
}

troupe_status troupe_reply_to(troupe_self *self, const troupe_from *from, const troupe_type *type,
                              const void *message)
{
    struct tr_message *copy = NULL;

    if (from->ref == 0) {
        return TROUPE_E_INVALID;
    }
    const bool own = troupe_pid_equal(from->callee, tr_self_pid(self));

    const troupe_status status = make(self, TR_SIGNAL_REPLY, from->caller, type, message, &copy);

    if (status != TROUPE_OK) {
        return status; /* The request is still owed: it can be tried again. */
    }
    if (own && !tr_owed_strike(self->actor, from)) {
        tr_message_destroy(&self->worker->cache, copy);
        return TROUPE_E_CLOSED;
    }
    copy->ref = from->ref;
    (void)tr_self_emit(self, copy);
    if (!own) {
        struct tr_message *forget =
            tr_message_create(&self->worker->cache, TR_SIGNAL_FORGET_CALL, 0);

        if (forget != NULL) {
            forget->to = from->callee;
            forget->from = from->caller;
            forget->ref = from->ref;
            (void)tr_self_emit(self, forget);
        }
    }
    return TROUPE_OK;
}

void troupe_set_nosuspend(troupe_self *self, bool on)
{
    if (on) {
        self->actor->flags |= TR_ACTOR_NOSUSPEND;
    } else {
        self->actor->flags &= (uint16_t)~TR_ACTOR_NOSUSPEND;
    }
}
