/* Mailboxes without room: who is told, whose message is dropped, and who is suspended until there
 * is room again.
 *
 * A sender that is suspended waits for one mailbox. Its message is in there, one beyond the bound,
 * and behind it a signal (TR_SIGNAL_AWAIT) that the receiver keeps; with room, or at its end, it
 * turns that very signal round (TR_SIGNAL_RESUME), so that nobody is left waiting for want of
 * memory. Who sends to another node for which too much waits has such a signal kept by the router:
 * that wait ends without anybody's doing, since what waits goes out or the session is lost.
 * Who waits for whom is a field of each actor under one lock: a wait that would close a
 * circle is never begun.
 */
#include <stdio.h>

#include "sched/pressure.h"
#include "sched/telemetry.h"
#include "troupe/mailbox.h"

enum { LOG_EVERY = 1000 };

/* Counts a message for which there was no room; answers how many there were before. */
static uint64_t note_overflow(struct tr_sched *sched, troupe_pid to, troupe_pid from,
                              const char *type)
{
    if (tr_wants(sched, TROUPE_EVENT_MAILBOX_FULL)) {
        tr_tell(sched,
                &(troupe_event){
                    .kind = TROUPE_EVENT_MAILBOX_FULL, .pid = to, .other = from, .type = type});
    }
    return tr_add_relaxed(&sched->overflows, 1);
}

troupe_status tr_pressure_refuse(struct tr_sched *sched, struct tr_worker *worker,
                                 struct tr_message *message)
{
    (void)note_overflow(sched, message->to, message->from, tr_type_name(message));
    tr_sched_bounce(sched, worker, message, TROUPE_E_BUSY, NULL);
    return TROUPE_E_BUSY;
}

/* Drops a message and says so now and then; requests are told. */
static troupe_status drop(struct tr_sched *sched, struct tr_worker *worker,
                          struct tr_message *message)
{
    const struct tr_outward *outward = &sched->options.outward;
    const troupe_pid to = message->to;

    if (message->signal == TR_SIGNAL_CALL) {
        return tr_pressure_refuse(sched, worker, message);
    }
    const uint64_t before = note_overflow(sched, message->to, message->from, tr_type_name(message));

    tr_sched_bounce(sched, worker, message, TROUPE_E_BUSY, NULL);
    if (before % LOG_EVERY == 0) {
        char text[128];

        (void)snprintf(text, sizeof(text),
                       "its mailbox is full, a message was dropped; %llu overflows on this node",
                       (unsigned long long)before + 1);
        outward->log(outward->context, TROUPE_LOG_WARNING, to, text);
    }
    return TROUPE_OK;
}

/* ---- who waits for whom ---- */

/* Whom an actor waits for; 0: nobody. Under the lock. */
static uint64_t waits_for(const struct tr_sched *sched, uint64_t id)
{
    const struct tr_actor *actor = tr_table_find(&sched->table, id);
    const uint64_t other = actor == NULL ? 0 : actor->waits_for;

    /* With the id still there the field was this actor's. */
    return actor != NULL && tr_load_acquire(&actor->id) == id ? other : 0;
}

/* Begins a wait, unless it would close a circle. */
static bool begin_wait(troupe_self *self, uint64_t receiver)
{
    struct tr_sched *sched = self->sched;
    uint64_t at = receiver;

    tr_spin_lock(&sched->pressure_lock);
    while (at != 0 && at != self->id) {
        at = waits_for(sched, at);
    }
    if (at == 0) {
        self->actor->waits_for = receiver;
    }
    tr_spin_unlock(&sched->pressure_lock);
    return at == 0;
}

static void end_wait(struct tr_sched *sched, uint64_t sender)
{
    tr_spin_lock(&sched->pressure_lock);
    struct tr_actor *actor = tr_table_find(&sched->table, sender);

    if (actor != NULL) {
        actor->waits_for = 0;
    }
    tr_spin_unlock(&sched->pressure_lock);
}

/* ---- the sender's side ---- */

/* Puts a message into a mailbox whatever is in it. */
static enum tr_inbox_answer push_beyond(struct tr_actor *receiver, struct tr_message *message)
{
    const uint64_t large = message->block_size >= TR_MESSAGE_LARGE ? message->block_size : 0;

    (void)tr_add_relaxed(&receiver->large_bytes, large);
    const enum tr_inbox_answer answer =
        tr_inbox_push(&receiver->inbox, &message->item, true, 0, UINT32_MAX);

    if (answer == TR_INBOX_FULL || answer == TR_INBOX_CLOSED) {
        (void)tr_sub_relaxed(&receiver->large_bytes, large);
    }
    return answer;
}

static void tell_wait(troupe_self *self, troupe_event_kind kind, int64_t duration_ns)
{
    if (tr_wants(self->sched, kind)) {
        tr_tell(self->sched, &(troupe_event){.kind = kind,
                                             .pid = tr_self_pid(self),
                                             .behavior = self->actor->behavior->name,
                                             .other = self->actor->extra->blocked_on,
                                             .duration_ns = duration_ns});
    }
}

/* Marks the running actor as suspended and addresses the signal that waits in its place. */
static void suspend(troupe_self *self, troupe_pid on, struct tr_message *await)
{
    struct tr_actor_extra *extra = self->actor->extra;

    (void)tr_add_relaxed(&self->sched->suspensions, 1);
    (void)tr_add_relaxed(&self->sched->suspended, 1);
    self->actor->flags |= TR_ACTOR_BLOCKED;
    extra->blocked_ref = ++self->actor->next_ref;
    extra->blocked_on = on;
    extra->blocked_at_ns = tr_clock_coarse(self->sched->options.clock);
    await->to = on;
    await->from = tr_self_pid(self);
    await->ref = extra->blocked_ref;
    tell_wait(self, TROUPE_EVENT_SUSPENDED, 0);
}

/* Has the running actor wait for room; takes the message. */
static troupe_status wait_for_room(troupe_self *self, struct tr_actor *receiver,
                                   struct tr_message *message)
{
    const troupe_pid to = message->to;
    const char *type = tr_type_name(message);
    struct tr_message *await = tr_message_create(&self->worker->cache, TR_SIGNAL_AWAIT, 0);
    enum tr_inbox_answer answer = TR_INBOX_FULL;

    if (await != NULL && begin_wait(self, to.id)) {
        answer = push_beyond(receiver, message);
    }
    if (answer == TR_INBOX_FULL || answer == TR_INBOX_CLOSED) {
        end_wait(self->sched, self->id);
        if (await != NULL) {
            tr_message_destroy(&self->worker->cache, await);
        }
    }
    if (answer == TR_INBOX_FULL) {
        return tr_pressure_refuse(self->sched, self->worker, message);
    }
    if (answer == TR_INBOX_CLOSED) {
        tr_sched_bounce(self->sched, self->worker, message, TROUPE_E_NOPROC, NULL);
        return TROUPE_E_NOPROC;
    }
    if (answer == TR_INBOX_WAKE) {
        tr_actor_woken(receiver, tr_tick_of(self->worker->run_began_ns));
        tr_sched_enqueue(self->sched, self->worker, receiver);
    }
    (void)note_overflow(self->sched, to, tr_self_pid(self), type);
    suspend(self, to, await);
    (void)tr_sched_post(self->sched, self->worker, await);
    return TROUPE_OK;
}

troupe_status tr_pressure_full(struct tr_sched *sched, struct tr_worker *worker, troupe_self *self,
                               struct tr_actor *receiver, struct tr_message *message)
{
    const uint32_t policy = tr_load32_relaxed(&receiver->mailbox_policy);

    if (policy == TROUPE_MAILBOX_DROP_NEW) {
        return drop(sched, worker, message);
    }
    /* Whom to suspend? Not one that waits already, not oneself, nor the node's own actors. */
    if (policy != TROUPE_MAILBOX_BLOCK || self == NULL || message->to.id == self->id ||
        (self->actor->flags & TR_ACTOR_BLOCKED) != 0 || !tr_pressure_may_suspend(self) ||
        tr_actor_extra(self->actor) == NULL) {
        return tr_pressure_refuse(sched, worker, message);
    }
    return wait_for_room(self, receiver, message);
}

void tr_pressure_crowded(troupe_self *self, uint64_t node_id)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    struct tr_message *await = NULL;

    if ((self->actor->flags & TR_ACTOR_BLOCKED) != 0 || tr_actor_extra(self->actor) == NULL) {
        return; /* It waits already; or, without memory, the queue's bound is what holds. */
    }
    await = tr_message_create(&self->worker->cache, TR_SIGNAL_AWAIT, 0);
    if (await != NULL) {
        suspend(self, (troupe_pid){.node = node_id}, await);
        outward->await(outward->context, await);
    }
}

/* The wait of this actor is over, or the actor is. */
static void resumed(troupe_self *self)
{
    const struct tr_sched *sched = self->sched;

    end_wait(self->sched, self->id);
    self->actor->flags &= (uint16_t)~TR_ACTOR_BLOCKED;
    (void)tr_sub_relaxed(&self->sched->suspended, 1);
    tell_wait(self, TROUPE_EVENT_RESUMED,
              tr_clock_coarse(sched->options.clock) - self->actor->extra->blocked_at_ns);
}

void tr_pressure_on_resume(troupe_self *self, const struct tr_message *message)
{
    struct tr_actor *actor = self->actor;

    if ((actor->flags & TR_ACTOR_BLOCKED) != 0 && actor->extra->blocked_ref == message->ref) {
        resumed(self);
        if ((actor->flags & TR_ACTOR_SUSPENDED) == 0) {
            tr_self_release_outgoing(self);
        }
    }
}

/* ---- the receiver's side ---- */

void tr_pressure_turn_round(struct tr_sched *sched, struct tr_worker *worker,
                            struct tr_message *await)
{
    const troupe_pid sender = await->from;

    end_wait(sched, sender.id);
    await->signal = TR_SIGNAL_RESUME;
    await->from = await->to;
    await->to = sender;
    (void)tr_sched_post(sched, worker, await);
}

void tr_pressure_on_await(troupe_self *self, struct tr_message *await)
{
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    if (extra == NULL) {
        tr_pressure_turn_round(self->sched, self->worker, await);
        return;
    }
    await->item.next = NULL;
    if (extra->awaiting_tail == NULL) {
        extra->awaiting = await;
    } else {
        extra->awaiting_tail->item.next = &await->item;
    }
    extra->awaiting_tail = await;
    self->actor->flags |= TR_ACTOR_AWAITED;
}

static bool has_room(const struct tr_actor *actor)
{
    const uint32_t waiting = tr_load32_relaxed(&actor->waiting) + tr_inbox_count(&actor->inbox);

    /* An empty one has room whatever a pusher has added to the bytes for a moment. */
    return actor->head == NULL ||
           (waiting <= tr_load32_relaxed(&actor->message_limit) / 2 &&
            tr_load_relaxed(&actor->large_bytes) <= tr_load_relaxed(&actor->byte_limit) / 2);
}

void tr_pressure_resume_all(troupe_self *self)
{
    struct tr_actor_extra *extra = self->actor->extra;
    struct tr_message *await = extra == NULL ? NULL : extra->awaiting;

    self->actor->flags &= (uint16_t)~TR_ACTOR_AWAITED;
    if (await != NULL) {
        extra->awaiting = NULL;
        extra->awaiting_tail = NULL;
    }
    while (await != NULL) {
        struct tr_message *next = (struct tr_message *)(void *)await->item.next;

        tr_pressure_turn_round(self->sched, self->worker, await);
        await = next;
    }
}

void tr_pressure_look(troupe_self *self)
{
    if (has_room(self->actor)) {
        tr_pressure_resume_all(self);
    }
}

void tr_pressure_end(troupe_self *self)
{
    if ((self->actor->flags & TR_ACTOR_BLOCKED) != 0) {
        resumed(self);
    }
    tr_pressure_resume_all(self);
}
