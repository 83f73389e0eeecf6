/* sched/pressure.h - what becomes of a message for which a mailbox has no room, and of its sender.
 *
 * post finds a mailbox full -> tr_pressure_full -> refused, dropped, or the sender is suspended
 * the receiver has handled enough -> tr_pressure_look -> its suspended senders go on
 * what waits for another node is too much -> tr_pressure_crowded -> the sender is suspended
 *
 * Threads: said with each function.
 * Memory: a suspended sender is one message that its receiver, or the router, keeps.
 */
#ifndef TR_SCHED_PRESSURE_H
#define TR_SCHED_PRESSURE_H

#include "sched/self.h"

/* Refuses a message: requests are told, messages counted. Takes it; TROUPE_E_BUSY. Any thread. */
troupe_status tr_pressure_refuse(struct tr_sched *sched, struct tr_worker *worker,
                                 struct tr_message *message);

/* Does what the receiver's policy says with a counted message that does not fit. self: the actor
 * that runs and sends it, or NULL. Takes the message. The caller's thread. */
troupe_status tr_pressure_full(struct tr_sched *sched, struct tr_worker *worker, troupe_self *self,
                               struct tr_actor *receiver, struct tr_message *message);

/* Has the running actor, which may be suspended, wait until less waits for a node. */
void tr_pressure_crowded(troupe_self *self, uint64_t node_id);

/* Whether an actor that sends can be suspended at all: not the node's own, nor one that wants to be
 * told. */
static inline bool tr_pressure_may_suspend(const troupe_self *self)
{
    return (self->actor->flags & (TR_ACTOR_SYSTEM | TR_ACTOR_NOSUSPEND)) == 0;
}

/* The running actor's. A sender waits for room here; takes the signal. */
void tr_pressure_on_await(troupe_self *self, struct tr_message *await);
/* Room was made for this one's message. */
void tr_pressure_on_resume(troupe_self *self, const struct tr_message *message);
/* After a run: lets those go on that wait, when there is room. */
void tr_pressure_look(troupe_self *self);
/* The actor ends: it waits for nobody, and nobody for it. */
void tr_pressure_end(troupe_self *self);

/* Tells a sender that its wait is over; takes its signal. Any thread. */
void tr_pressure_turn_round(struct tr_sched *sched, struct tr_worker *worker,
                            struct tr_message *await);
void tr_pressure_resume_all(troupe_self *self);

#endif
