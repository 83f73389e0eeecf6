/* sched/emit.h - sending to another node without a message in between.
 *
 *     if (to.node is another node && tr_self_emit_value(self, &head, value)) -> it has gone
 *     else make a message of it -> tr_self_emit
 *
 * Threads: the running actor's.
 */
#ifndef TR_SCHED_EMIT_H
#define TR_SCHED_EMIT_H

#include "sched/self.h"

/* Sends a message or reply to an actor of another node straight from its sender's value. head has
 * signal, to, type, ref and session; it and the value stay the caller's. False when nothing has
 * happened, since what is sent is held back or looked at, or it cannot go: a message that says so
 * is to be emitted then. */
bool tr_self_emit_value(troupe_self *self, struct tr_message *head, const void *value);

#endif
