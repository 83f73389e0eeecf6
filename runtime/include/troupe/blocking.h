/* troupe/blocking.h - work that blocks, beside the actors' threads.
 *
 *     static int read_it(void *context) { ... read(2) ...; return TROUPE_OK; }
 *     static int on_read(troupe_self *self, void *state, const troupe_result *result)
 *     {
 *         const struct job *job = result->value; // what read_it has filled
 *         ...
 *     }
 *     ...
 *     status = troupe_blocking(self, read_it, job, free, on_read, 0);
 *
 * A handler that waits keeps a worker from other actors; a function given to troupe_blocking waits
 * on a thread of its own kind. Erlang: ports, and dirty I/O schedulers.
 *
 * Threads: said below.
 * Memory: said below.
 */
#ifndef TROUPE_BLOCKING_H
#define TROUPE_BLOCKING_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What runs on a thread of the node, which is no actor's: it may wait, and may use the functions of
 * node.h. Answers TROUPE_OK or a negative status, which becomes result->status. */
typedef int (*troupe_blocking_fn)(void *context);

/* Frees a context. Any thread. */
typedef void (*troupe_blocking_release)(void *context);

/* Runs function(context) on one of the node's threads for blocking work (blocking_threads of its
 * configuration, started as they are needed), then `then` in this actor, with what function
 * answered as result->status, context as result->value (without a type), and tag. The actor handles
 * other messages meanwhile.
 *
 * Takes context when it answers TROUPE_OK: release (may be NULL) is called with it exactly once,
 * after `then`, or when the actor has ended before, or the node stops before function had its turn.
 * A function that has begun is not interrupted by the actor's end. The node's stop waits for it up
 * to its timeout, then leaves it alone: it must not use the node any more; its context is released
 * when it returns.
 *
 * Fails at once with TROUPE_E_BUSY when blocking_queue functions wait for a thread already (try
 * later, by a timer), TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM (no thread), TROUPE_E_INVALID (no
 * function). Actor only. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_blocking(troupe_self *self,
                                                         troupe_blocking_fn function, void *context,
                                                         troupe_blocking_release release,
                                                         troupe_then then, uint64_t tag);

#ifdef __cplusplus
}
#endif

#endif
