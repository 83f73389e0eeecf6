/* sched/outward.h - the port: what the scheduler needs from above.
 *
 * Threads: said with each function.
 */
#ifndef TR_SCHED_OUTWARD_H
#define TR_SCHED_OUTWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/actor.h"
#include "core/message.h"

enum tr_traced { TR_TRACED_RECEIVED, TR_TRACED_SENT, TR_TRACED_END };

/* Why an actor's messages are looked at: the bits of troupe_self.watched. */
enum { TR_WATCHED_TRACE = 1, TR_WATCHED_HANDLED = 2 };

/* What the scheduler needs from above: the port to other nodes, names and the store. A local node
 * has one too, whose functions say "nobody is there". */
struct tr_outward {
    void *context;

    /* Sends to another node. Takes the message. Any thread. TROUPE_E_BUSY only for counted signals.
     * crowded (may be NULL) is set when its sender should wait until the queue has room. */
    troupe_status (*post)(void *context, struct tr_message *message, bool *crowded);
    /* The same for a value that is still its sender's, which saves copying it into a message. head
     * is a message without the value, of its type; value is NULL for a type without content. Both
     * stay the caller's. When the answer is not TROUPE_OK, nothing has happened: a message is to be
     * posted. NULL: it always is. Any thread. */
    troupe_status (*send_value)(void *context, struct tr_message *head, const void *value,
                                bool *crowded);
    /* Keeps an AWAIT signal until what waits for its node is less, or it is gone: then it is turned
     * round (tr_pressure_turn_round). Takes it. */
    void (*await)(void *context, struct tr_message *await);
    /* From now on tell the actor when the session with that node is lost, by TR_SIGNAL_NODE_LOST.
     * Answers the present session, or 0 when there is none. */
    uint32_t (*watch)(void *context, uint64_t node_id, uint64_t actor_id);
    void (*unwatch)(void *context, uint64_t node_id, uint64_t actor_id);
    /* A link or monitor across nodes was made or has ended, for the registry's table. */
    void (*relation)(void *context, bool made, const struct tr_relation *relation, troupe_pid self);
    /* Sets where a message to a name goes and answers true, when that is known at once. */
    bool (*resolve)(void *context, struct tr_message *message);
    /* A message to a name goes nowhere yet, or found nobody: look the name up. Takes the message.
     */
    void (*stray)(void *context, struct tr_message *message);
    /* A name was given, by that epoch, to an actor that had ended already. */
    void (*unnamed)(void *context, uint64_t actor_id, const char *name, uint64_t epoch);
    /* The actor has ended; its names must go before its links and monitors are told. */
    void (*ended)(void *context, struct tr_actor *actor, int32_t reason_kind);
    /* A durable actor has run: answers true when it has to wait for a commit. */
    bool (*checkpoint)(void *context, troupe_self *self, bool ending);
    /* The step is decided. Answers false when the actor was fenced. */
    bool (*committed)(void *context, troupe_self *self, uint64_t outcome);
    /* A message of the inbox table was handled; or its handler failed. */
    void (*inbox_handled)(void *context, troupe_self *self, uint64_t row_id);
    void (*inbox_failed)(void *context, troupe_self *self, uint64_t row_id, const char *why);
    /* A traced actor has received or acted on a message, has sent one, or (message NULL) ends. */
    void (*traced)(void *context, troupe_self *self, enum tr_traced what,
                   const struct tr_message *message);
    /* A signal that came from another node says what that node has no right to say: it was not
     * believed. Any thread. */
    void (*suspect)(void *context, uint64_t node_id, const char *why);
    /* Whether actors of other nodes may send exit signals to those that they are not linked to. Any
     * thread; NULL: they may. */
    bool (*may_exit)(void *context);
    /* Writes a log line. Any thread. */
    void (*log)(void *context, int32_t level, troupe_pid pid, const char *text);
};

/* Where workers wait for input and output when they have nothing else to do, and what makes output
 * leave. Any thread, except where a worker is said. */
struct tr_io_port {
    void *context;
    bool (*claim)(void *context); /* whether this worker may wait now: one thread at a time */
    void (*release)(void *context);
    /* Waits, at most timeout_ns (negative: without end); answers whether there is something to do.
     */
    bool (*wait)(void *context, int64_t timeout_ns);
    void (*turn)(void *context);      /* does it; by the worker that has claimed it */
    void (*interrupt)(void *context); /* ends a wait */
    void (*flush)(void *context);     /* what was sent to other nodes leaves now */
    void (*watch)(void *context);     /* a worker begins to work after a rest */
};

#endif
