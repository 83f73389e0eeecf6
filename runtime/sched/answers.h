/* sched/answers.h - whether an answer, or an exit signal, that came from another node may act.
 *
 * Threads: the worker that runs the actor.
 */
#ifndef TR_SCHED_ANSWERS_H
#define TR_SCHED_ANSWERS_H

#include <stdbool.h>

#include "sched/self.h"

/* Whether who says that a call has failed lives where the callee does. Anybody whom the callee has
 * handed the request may answer it; but that it failed is known only there. Tells of it when not.
 */
bool tr_may_fail_call(troupe_self *self, const struct tr_message *message,
                      const struct tr_wait *wait);

/* Whether who answers an operation is who was asked, and speaks of what is his: a node of actors
 * that it has started, an actor (a supervisor) of those that it knows. wait: NULL when nobody waits
 * any more. Tells of it when not. */
bool tr_may_answer(troupe_self *self, const struct tr_message *message, const struct tr_wait *wait,
                   const struct tr_op_result *op);

/* Whether an exit signal may act: its sender is of this node, or linked, or the policy lets it.
 * Tells of it when not. */
bool tr_may_exit(troupe_self *self, const struct tr_message *message);

#endif
