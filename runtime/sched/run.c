#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "sched/pressure.h"

void tr_actor_append(struct tr_actor *actor, struct tr_message *message)
{
    if (TR_BUG(LIFO) && actor->head != NULL) {
        message->item.next = &actor->head->item;
        actor->head = message;
        return;
    }
    message->item.next = NULL;
    message->stamp = actor->since;
    if (actor->tail == NULL) {
        actor->head = message;
    } else {
        actor->tail->item.next = &message->item;
    }
    actor->tail = message;
}

/* A message that was taken leaves the bounds of the mailbox. */
static inline void uncount(struct tr_actor *actor, const struct tr_message *message)
{
    if (tr_message_is_counted(message)) {
        tr_store32_relaxed(&actor->waiting, tr_load32_relaxed(&actor->waiting) - 1);
        if (message->block_size >= TR_MESSAGE_LARGE) {
            (void)tr_sub_relaxed(&actor->large_bytes, message->block_size);
        }
    }
}

/* Takes the oldest message; there is one. */
static struct tr_message *pop(struct tr_actor *actor)
{
    struct tr_message *message = actor->head;

    actor->head = (struct tr_message *)(void *)message->item.next;
    if (actor->head == NULL) {
        actor->tail = NULL;
    }
    uncount(actor, message);
    return message;
}

/* A message that came for the actor that had this slot before. */
static void bounce_stale(troupe_self *self, struct tr_message *message)
{
    uncount(self->actor, message);
    tr_sched_bounce(self->sched, self->worker, message, TROUPE_E_NOPROC, NULL);
}

/* Other nodes have nothing to say to the node's own actors but answers. */
static bool is_intruder(const struct tr_actor *actor, const struct tr_message *message)
{
    return (actor->flags & TR_ACTOR_SYSTEM) != 0 && message->session != 0 &&
           (message->signal == TR_SIGNAL_MESSAGE || message->signal == TR_SIGNAL_CALL ||
            message->signal == TR_SIGNAL_EXIT || message->signal == TR_SIGNAL_LINK ||
            message->signal == TR_SIGNAL_MONITOR);
}

void tr_actor_fetch(troupe_self *self)
{
    struct tr_actor *actor = self->actor;
    uint32_t counted = 0;
    struct tr_inbox_item *item = tr_inbox_take(&actor->inbox, &counted);

    if (counted > 0) {
        tr_store32_relaxed(&actor->waiting, tr_load32_relaxed(&actor->waiting) + counted);
    }
    while (item != NULL) {
        struct tr_message *message = (struct tr_message *)(void *)item;

        item = item->next;
        if ((message->to.id != self->id && !TR_BUG(OLD_PID_REACHES)) ||
            is_intruder(actor, message)) {
            bounce_stale(self, message);
        } else if (tr_signal_only_queues(message) || !tr_signal_act(self, message)) {
            tr_actor_append(actor, message);
        }
    }
    /* What comes from now on has come no earlier than this run has begun. */
    actor->since = tr_tick_of(self->worker->run_began_ns);
}

/* Runs up to a batch of messages; answers whether the mailbox looked empty at the end. */
static bool run_batch(troupe_self *self)
{
    struct tr_actor *actor = self->actor;
    const uint32_t batch = self->worker->batch;

    for (uint32_t i = 0; i < batch && !self->stopping; i++) {
        if ((actor->flags & (TR_ACTOR_SUSPENDED | TR_ACTOR_HELD | TR_ACTOR_BLOCKED)) != 0) {
            return true;
        }
        if (actor->head == NULL) {
            if (tr_inbox_is_empty(&actor->inbox)) {
                return true;
            }
            tr_actor_fetch(self);
            if (self->stopping || actor->head == NULL) {
                return true;
            }
        }
        tr_actor_dispatch(self, pop(actor));
    }
    return false;
}

void tr_self_release_outgoing(troupe_self *self)
{
    struct tr_actor *actor = self->actor;
    /* Who ends does not wait for anybody. */
    const bool ends = self->stopping || (actor->flags & TR_ACTOR_ENDING) != 0;

    while (actor->outgoing_head != NULL && (ends || (actor->flags & TR_ACTOR_BLOCKED) == 0)) {
        struct tr_message *message = actor->outgoing_head;

        actor->outgoing_head = (struct tr_message *)(void *)message->item.next;
        if (actor->outgoing_head == NULL) {
            actor->outgoing_tail = NULL;
        }
        (void)(ends ? tr_sched_post(self->sched, self->worker, message)
                    : tr_self_post(self, message));
    }
}

void tr_actor_on_committed(troupe_self *self, uint64_t outcome)
{
    struct tr_actor *actor = self->actor;

    const bool waited = (actor->flags & TR_ACTOR_SUSPENDED) != 0;

    actor->flags &= (uint16_t)~TR_ACTOR_SUSPENDED;
    if (!self->sched->options.outward.committed(self->sched->options.outward.context, self,
                                                outcome)) {
        tr_self_stop(self, TROUPE_REASON_FENCED, "its name was taken over");
        return;
    }
    if (waited) {
        tr_self_release_outgoing(self);
    }
    if ((actor->flags & TR_ACTOR_ENDING) != 0) {
        actor->flags &= (uint16_t)~TR_ACTOR_ENDING;
        tr_self_stop(self, actor->end_kind, actor->end_text);
    }
}

/* Whether what the actor has done counts. */
static bool is_orderly(const troupe_self *self)
{
    return !self->stopping || self->stop_kind == TROUPE_REASON_NORMAL ||
           self->stop_kind == TROUPE_REASON_SHUTDOWN;
}

/* Asks for a checkpoint of what the batch has changed. Answers whether the actor has to wait for
 * it. */
static bool checkpoint(troupe_self *self)
{
    struct tr_actor *actor = self->actor;

    /* What a failed handler left behind is not saved: the last commit is what counts. While the
     * name is not ours yet there is no row, and nothing may leave. */
    if (!is_orderly(self) || (actor->flags & TR_ACTOR_HELD) != 0) {
        return false;
    }
    /* The last step's messages have not all left yet: those of the next must not overtake them. */
    if (actor->outgoing_head != NULL && (actor->flags & TR_ACTOR_BLOCKED) != 0 && !self->stopping) {
        return false;
    }
    if ((actor->flags & TR_ACTOR_DIRTY) == 0 && !self->stopping) {
        return false;
    }
    /* Its step is not decided yet, and nothing leaves before; one that ends is looked at again
     * then. */
    if ((actor->flags & TR_ACTOR_SUSPENDED) != 0 && !self->stopping) {
        return true;
    }
    actor->flags &= (uint16_t)~TR_ACTOR_DIRTY;
    if (!self->sched->options.outward.checkpoint(self->sched->options.outward.context, self,
                                                 self->stopping)) {
        /* What could not be written was not done, so nobody may hear of it. */
        if (is_orderly(self)) {
            tr_self_release_outgoing(self);
        }
        return false;
    }
    actor->flags |= TR_ACTOR_SUSPENDED;
    if (self->stopping) {
        actor->flags |= TR_ACTOR_ENDING;
        actor->end_kind = (int8_t)self->stop_kind;
        free(actor->end_text);
        actor->end_text = strndup(self->stop_text, sizeof(self->stop_text));
        self->stopping = false;
    }
    return true;
}

/* What few actors need after a run. Answers whether this one has to wait for a commit. */
static bool settle(troupe_self *self)
{
    const bool waits = (self->actor->flags & TR_ACTOR_DURABLE) != 0 && checkpoint(self);

    if ((self->actor->flags & TR_ACTOR_AWAITED) != 0 && !self->stopping) {
        tr_pressure_look(self);
    }
    return waits;
}

static bool lease_is_good(const struct tr_sched *sched)
{
    return tr_clock_now(sched->options.clock) < (int64_t)tr_load_relaxed(&sched->lease_deadline_ns);
}

/* Puts a durable actor aside while the node's right to speak for it is in doubt. */
static bool freeze(struct tr_sched *sched, struct tr_actor *actor)
{
    if (lease_is_good(sched)) {
        return false;
    }
    tr_run_queue_push(&sched->frozen, actor);
    /* A renewal between the look and the push must not leave it there. */
    if (lease_is_good(sched)) {
        tr_sched_thaw(sched);
    }
    return true;
}

/* What few actors have instead of a turn: one that has ended goes on telling, one that is frozen
 * waits. */
static bool is_out_of_turn(troupe_self *self)
{
    if ((self->actor->flags & TR_ACTOR_TELLING) != 0) {
        tr_actor_tell_on(self);
        return true;
    }
    return freeze(self->sched, self->actor);
}

void tr_actor_run(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor)
{
    TR_SELF(self);

    tr_self_init(&self, sched, worker, actor);
    if ((actor->flags & (TR_ACTOR_DURABLE | TR_ACTOR_TELLING)) != 0 && is_out_of_turn(&self)) {
        return;
    }
    tr_actor_fetch(&self);
    bool empty = run_batch(&self);

    if ((actor->flags & (TR_ACTOR_DURABLE | TR_ACTOR_AWAITED)) != 0 && settle(&self)) {
        empty = true;
    }
    if (self.stopping) {
        tr_actor_end(&self);
        return;
    }
    /* Parking is the last thing: after it another worker may run the actor. */
    if ((!empty && !TR_BUG(PARK_TOO_EARLY)) || !tr_inbox_park(&actor->inbox)) {
        tr_store32_relaxed(&actor->oldest, actor->head != NULL ? actor->head->stamp : actor->since);
        tr_sched_requeue(sched, worker, actor);
    }
}

void tr_self_stop(troupe_self *self, int32_t kind, const char *text)
{
    if (self->stopping && kind != TROUPE_REASON_KILLED) {
        return;
    }
    self->stopping = true;
    self->stop_kind = kind;
    const size_t size = text == NULL ? 0 : strnlen(text, sizeof(self->stop_text) - 1);

    if (size > 0) {
        memmove(self->stop_text, text, size);
    }
    self->stop_text[size] = '\0';
}

void tr_self_answer(troupe_self *self, int answer)
{
    if (answer == TROUPE_OK) {
        return;
    }
    if (answer == TROUPE_STOP) {
        tr_self_stop(self, TROUPE_REASON_NORMAL, NULL);
    } else if (self->fail_text[0] != '\0') {
        tr_self_stop(self, TROUPE_REASON_ERROR, self->fail_text);
    } else {
        tr_self_stop(self, TROUPE_REASON_ERROR, troupe_status_text((troupe_status)answer));
    }
}
