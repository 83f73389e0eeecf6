/* sched/own.h - what an actor has waiting for itself: messages put away, those that it handles
 * next, and its state machine.
 *
 * Threads: the worker that runs the actor.
 */
#ifndef TR_SCHED_OWN_H
#define TR_SCHED_OWN_H

#include "sched/self.h"

/* ---- stash.c ---- */

/* Keeps a message that its handler has put away; takes it. */
void tr_stash_keep(troupe_self *self, struct tr_message *message);
/* Brings all back behind a message, or in front of all when that is NULL. */
void tr_stash_return(troupe_self *self, struct tr_message *after);
/* As troupe_continue, but behind *after, or in front of all when that is NULL; gives it in *after.
 */
TROUPE_MUST_USE troupe_status tr_continue_after(troupe_self *self, struct tr_message **after,
                                                const troupe_type *type, const void *message);
/* Empties the stash of an actor that ends, and gives what was in it. */
struct tr_message *tr_stash_take_all(struct tr_actor *actor);
/* Takes a DOWN out of the stash; answers whether it was there. */
bool tr_stash_flush_down(troupe_self *self, uint64_t monitor);

/* ---- statem.c ---- */

/* The machine's part of a message; answers whether it has a row for it. */
bool tr_statem_handle(troupe_self *self, const troupe_type *type, const void *value);
/* What was handled last is in the stash now. */
void tr_statem_kept(troupe_self *self);
/* Before init or recover. INVALID, NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_statem_prepare(troupe_self *self, bool fresh);
/* After it; answers as init does. */
int tr_statem_begin(troupe_self *self, bool fresh);
void tr_statem_free(struct tr_statem *statem);

#endif
