/* troupe/mailbox.h - what waits for an actor: what happens when there is no room, putting messages
 * away for later, and going on before the next one.
 *
 *     static int on_deposit(troupe_self *self, void *state, const void *message)
 *     {
 *         account *a = state;
 *         if (a->audited) {
 *             return troupe_stash(self); // handled when the audit is over
 *         }
 *         ...
 *     }
 *     static int on_audit_over(...) { ...; (void)troupe_unstash_all(self); return TROUPE_OK; }
 *
 * Threads: actor only, all functions.
 * Memory: what is put away belongs to the actor and ends with it.
 */
#ifndef TROUPE_MAILBOX_H
#define TROUPE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- no room ---- */

/* What becomes of a message for which a mailbox has no room, by count or by bytes. System signals
 * (links, monitors, exits, replies, timers) never count and are never kept out. */
typedef enum troupe_mailbox_policy {
    TROUPE_MAILBOX_DEFAULT = 0, /* of a spawn: the node's */
    /* The send answers TROUPE_E_BUSY, the call fails with it. */
    TROUPE_MAILBOX_REJECT = 1,
    /* The message gets in, one beyond the bound, and the sending actor is suspended when its
     * present callback has returned: it handles no more messages until half of the receiver's bound
     * is free again, or the receiver has ended. Signals still reach it: it can be killed, linked,
     * looked at. TROUPE_E_BUSY as above for whom suspending would not do: a sender that is
     * suspended already by an earlier send of this callback, one that sends to itself or would
     * close a circle of actors that wait for each other, a thread or another node, a timer, the
     * library's own actors. */
    TROUPE_MAILBOX_BLOCK = 2,
    /* The message is dropped and counted, with a line in the log now and then; the send answers
     * TROUPE_OK. A call fails with TROUPE_E_BUSY. */
    TROUPE_MAILBOX_DROP_NEW = 3
} troupe_mailbox_policy;

/* An actor is suspended after its present callback when what it sent went into a mailbox without
 * room (TROUPE_MAILBOX_BLOCK), or into the queue of a node for which more waits than the high mark
 * (troupe_config.send_queue_high_bytes). With `on` it never is: the send answers TROUPE_E_BUSY, the
 * call fails with it, and nothing was sent. An actor begins so with TROUPE_SPAWN_NOSUSPEND.
 * Erlang: the option nosuspend of send. */
TROUPE_API void troupe_set_nosuspend(troupe_self *self, bool on);

/* ---- the stash: what gen_statem calls postpone ---- */

/* Puts the message that is being handled away; the handler then returns TROUPE_OK. It keeps its
 * sender; a request stays unanswered and keeps its deadline at the caller, and whatever this
 * handler still says in reply goes nowhere. A trapped exit, a DOWN and a message of a timer can be
 * put away too. The stash has the same bounds as the mailbox, beside it: what is put away does not
 * keep others from sending. When the actor ends, its stashed requests fail with its reason.
 * A durable message (troupe_send_durable) that is put away is not handled: its row stays, and after
 * a crash it comes again. TROUPE_E_LIMIT when the stash is full, TROUPE_E_INVALID when no message
 * is being handled, or its request was answered or taken, TROUPE_E_NO_MEMORY: the message is then
 * as if nothing was asked. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_stash(troupe_self *self);

/* Brings the oldest stashed message back: it is the next to be handled. Not the one that is just
 * being put away. Answers whether there was one. */
TROUPE_API bool troupe_unstash(troupe_self *self);

/* Brings all of them back, in front of the mailbox, in the order in which they were put away.
 * Answers how many. */
TROUPE_API size_t troupe_unstash_all(troupe_self *self);

/* Drops all of them: requests fail with TROUPE_E_NO_REPLY, messages are counted as dropped, durable
 * messages as handled. Answers how many. */
TROUPE_API size_t troupe_clear_stash(troupe_self *self);

/* How many messages are put away. */
TROUPE_API size_t troupe_stashed(const troupe_self *self);

/* ---- going on: what gen_server calls handle_continue ---- */

/* Has this actor handle a message of its own before the next one of its mailbox, when the present
 * callback has returned; from init too, so that a slow start does not keep the spawner. Several
 * run in the order in which they were asked for, those that such a handler asks for after them.
 * A handler's failure ends the actor as any other. Never refused for a full mailbox.
 * TROUPE_E_INVALID (no message), TROUPE_E_LIMIT (too large), TROUPE_E_NO_MEMORY. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_continue(troupe_self *self, const troupe_type *type,
                                                         const void *message);

#ifdef __cplusplus
}
#endif

#endif
