/* sched/spawned.h - what an operation elsewhere has answered: most often an actor that was started
 * there.
 *
 * Threads: the worker that runs the actor.
 */
#ifndef TR_SCHED_SPAWNED_H
#define TR_SCHED_SPAWNED_H

#include <stdbool.h>

#include "sched/self.h"

/* An operation has ended. What it made holds at once, since the next signal may be the new actor's
 * end; the rest is for the continuation. Answers whether there is one. */
bool tr_self_on_result(troupe_self *self, struct tr_message *message);

#endif
