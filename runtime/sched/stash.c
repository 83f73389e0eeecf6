/* Messages put away and brought back, and those an actor has itself handle next. */
#include "sched/own.h"
#include "troupe/mailbox.h"

static bool is_large(const struct tr_message *message)
{
    return tr_message_is_counted(message) && message->block_size >= TR_MESSAGE_LARGE;
}

/* Whether a message of this kind may be put away: what a handler handles. */
static bool can_wait(enum tr_signal_kind signal)
{
    return signal == TR_SIGNAL_MESSAGE || signal == TR_SIGNAL_CALL || signal == TR_SIGNAL_EXIT ||
           signal == TR_SIGNAL_LINK_EXIT || signal == TR_SIGNAL_DOWN ||
           signal == TR_SIGNAL_CONTINUE;
}

/* Whether the stash has room; its bounds are the mailbox's. */
static bool has_room(const struct tr_actor *actor, const struct tr_message *message)
{
    const struct tr_stash *stash = &actor->extra->stash;

    if (stash->count >= tr_load32_relaxed(&actor->message_limit)) {
        return false;
    }
    return !is_large(message) || stash->large_bytes == 0 ||
           stash->large_bytes + message->block_size <= tr_load_relaxed(&actor->byte_limit);
}

troupe_status troupe_stash(troupe_self *self)
{
    const struct tr_message *message = self->current;

    if (message == NULL || !can_wait((enum tr_signal_kind)message->signal) ||
        (message->signal == TR_SIGNAL_CALL && self->answered)) {
        return TROUPE_E_INVALID;
    }
    if (tr_actor_extra(self->actor) == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (!has_room(self->actor, message)) {
        return TROUPE_E_LIMIT;
    }
    /* From here on nothing is being handled; whoever dispatched the message sees that and keeps it,
     * once the handler has returned and does not look at it any more. */
    self->current = NULL;
    self->answered = true;
    return TROUPE_OK;
}

void tr_stash_keep(troupe_self *self, struct tr_message *message)
{
    struct tr_stash *stash = &self->actor->extra->stash;

    message->item.next = NULL;
    if (stash->tail == NULL) {
        stash->head = message;
    } else {
        stash->tail->item.next = &message->item;
    }
    stash->tail = message;
    stash->count++;
    stash->large_bytes += is_large(message) ? message->block_size : 0;
    tr_statem_kept(self);
}

static struct tr_message *take_oldest(struct tr_actor *actor)
{
    struct tr_stash *stash = actor->extra == NULL ? NULL : &actor->extra->stash;
    struct tr_message *message = stash == NULL ? NULL : stash->head;

    if (message != NULL) {
        stash->head = (struct tr_message *)(void *)message->item.next;
        if (stash->head == NULL) {
            stash->tail = NULL;
        }
        stash->count--;
        stash->large_bytes -= is_large(message) ? message->block_size : 0;
        message->item.next = NULL;
    }
    return message;
}

/* Puts a message behind `after`, or in front of all when that is NULL. */
static void insert(struct tr_actor *actor, struct tr_message *after, struct tr_message *message)
{
    if (after == NULL) {
        message->item.next = actor->head == NULL ? NULL : &actor->head->item;
        actor->head = message;
    } else {
        message->item.next = after->item.next;
        after->item.next = &message->item;
    }
    if (message->item.next == NULL) {
        actor->tail = message;
    }
}

/* Brings back up to so many, behind a message or in front of all. */
static size_t bring_back(troupe_self *self, size_t count_max, struct tr_message *after)
{
    struct tr_actor *actor = self->actor;
    struct tr_message *message = NULL;
    size_t count = 0;

    while (count < count_max && (message = take_oldest(actor)) != NULL) {
        if (tr_message_is_counted(message)) {
            tr_store32_relaxed(&actor->waiting, tr_load32_relaxed(&actor->waiting) + 1);
        }
        if (is_large(message)) {
            (void)tr_add_relaxed(&actor->large_bytes, message->block_size);
        }
        insert(actor, after, message);
        after = message;
        count++;
    }
    return count;
}

static struct tr_message *last_continue(const troupe_self *self)
{
    return self->actor->extra == NULL ? NULL : self->actor->extra->last_continue;
}

bool troupe_unstash(troupe_self *self)
{
    return bring_back(self, 1, last_continue(self)) == 1;
}

size_t troupe_unstash_all(troupe_self *self)
{
    return bring_back(self, SIZE_MAX, last_continue(self));
}

void tr_stash_return(troupe_self *self, struct tr_message *after)
{
    (void)bring_back(self, SIZE_MAX, after);
}

size_t troupe_clear_stash(troupe_self *self)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    struct tr_message *message = NULL;
    size_t count = 0;

    while ((message = take_oldest(self->actor)) != NULL) {
        if (message->signal == TR_SIGNAL_CALL) {
            tr_self_fail_call(self, message, TROUPE_E_NO_REPLY, TROUPE_REASON_ERROR,
                              "the request was put away and dropped");
        } else if ((message->flags & TR_MESSAGE_INBOX) != 0) {
            outward->inbox_handled(outward->context, self, message->ref);
        } else {
            (void)tr_add_relaxed(&self->sched->dropped, 1);
        }
        tr_message_destroy(&self->worker->cache, message);
        count++;
    }
    return count;
}

size_t troupe_stashed(const troupe_self *self)
{
    return self->actor->extra == NULL ? 0 : self->actor->extra->stash.count;
}

struct tr_message *tr_stash_take_all(struct tr_actor *actor)
{
    struct tr_message *first = actor->extra == NULL ? NULL : actor->extra->stash.head;

    if (first != NULL) {
        actor->extra->stash = (struct tr_stash){0};
    }
    return first;
}

bool tr_stash_flush_down(troupe_self *self, uint64_t monitor)
{
    struct tr_stash *stash = self->actor->extra == NULL ? NULL : &self->actor->extra->stash;
    struct tr_message *previous = NULL;
    struct tr_message *message = stash == NULL ? NULL : stash->head;

    while (message != NULL && (message->signal != TR_SIGNAL_DOWN || message->ref != monitor)) {
        previous = message;
        message = (struct tr_message *)(void *)message->item.next;
    }
    if (message == NULL) {
        return false;
    }
    struct tr_message *next = (struct tr_message *)(void *)message->item.next;

    if (previous == NULL) {
        stash->head = next;
    } else {
        previous->item.next = message->item.next;
    }
    if (next == NULL) {
        stash->tail = previous;
    }
    stash->count--;
    tr_message_destroy(&self->worker->cache, message);
    return true;
}

troupe_status tr_continue_after(troupe_self *self, struct tr_message **after,
                                const troupe_type *type, const void *message)
{
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);
    struct tr_message *next = NULL;
    const troupe_status status =
        extra == NULL
            ? TROUPE_E_NO_MEMORY
            : tr_message_copy_value(&self->worker->cache, TR_SIGNAL_CONTINUE, type, message, &next);

    if (status == TROUPE_OK) {
        next->to = tr_self_pid(self);
        next->stamp = tr_tick_of(self->worker->run_began_ns);
        insert(self->actor, *after, next);
        if (extra->last_continue == *after) {
            extra->last_continue = next;
        }
        *after = next;
    }
    return status;
}

troupe_status troupe_continue(troupe_self *self, const troupe_type *type, const void *message)
{
    struct tr_message *after = last_continue(self);

    return tr_continue_after(self, &after, type, message);
}
