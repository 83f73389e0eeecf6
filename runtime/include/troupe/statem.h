/* troupe/statem.h - actors as state machines: a table says what each message does in each state.
 *
 *     enum { LOCKED, UNLOCKED };
 *     static const troupe_state states[] = {{.name = "locked"},
 *                                           {.name = "unlocked", .timeout_ms = 3000}};
 *     static const troupe_transition rows[] = {
 *         {.from = LOCKED, .on = &coin_type, .to = UNLOCKED, .action = take_coin},
 *         {.from = UNLOCKED, .on = &push_type, .to = LOCKED, .action = let_pass},
 *         {.from = UNLOCKED, .on = &troupe_state_timeout_type, .to = LOCKED},
 *     };
 *     static const troupe_statem machine = {
 *         .states = states, .states_count = 2, .transitions = rows, .transitions_count = 3,
 *         .state_offset = offsetof(turnstile, state)};
 *     static const troupe_behavior turnstile_behavior = {
 *         .name = "turnstile", .state = &turnstile_type, .machine = &machine};
 *
 * The state is an int32_t of the actor's own data, so a durable machine comes back in the state
 * that was committed last. Everything else of an actor is as ever: init, replies, stops, failures,
 * names. Erlang: gen_statem, with handle_event_function and state_enter; docs/semantics.md says the
 * rest.
 *
 * Threads: actor only, but for check and print, which any thread may call.
 * Memory: the machine is constant and lent as long as its actors live, as the behavior is.
 */
#ifndef TROUPE_STATEM_H
#define TROUPE_STATEM_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_STATE_KEEP (-1) /* in .to: stays; no enter hook, timeouts go on */
#define TROUPE_STATE_STOP (-2) /* in .to: the actor exits `normal` after the action */
#define TROUPE_STATE_ANY (-3)  /* in .from: every state */

typedef struct troupe_state {
    const char *name; /* for people: graphs, logs */
    /* Runs when the state is entered from another one, and for the first state after init; `from`
     * is the state before, then the state itself. Not after a recovery, since it ran before what
     * was committed. It answers as a handler, and may not change the state. May be NULL. */
    int (*enter)(troupe_self *self, void *data, int32_t from);
    uint32_t timeout_ms; /* state timeout that each entering starts; 0: none */
} troupe_state;

/* One row of the table: what a message does in a state. */
typedef struct troupe_transition {
    int32_t from; /* a state, or TROUPE_STATE_ANY */
    /* Of the message; troupe_exit_type, troupe_down_type and the timeouts below are some too. NULL:
     * each that has no row of its own in this state. */
    const troupe_type *on;
    int32_t to; /* a state, TROUPE_STATE_KEEP or TROUPE_STATE_STOP; zero is the first state */
    /* A handler; a request is answered in it, or taken and answered in a later state. May be NULL.
     */
    troupe_handler_fn action;
    bool postpone; /* the message comes again, before all others, when the state has changed */
} troupe_transition;

/* A machine. Of several rows that fit, one of the state itself comes before one of any state, and
 * one of the type before one without. A message without a row goes to the behavior's handlers, and
 * without one there it is counted and logged as any unknown message. */
typedef struct troupe_statem {
    const troupe_state *states;
    size_t states_count;
    const troupe_transition *transitions;
    size_t transitions_count;
    size_t state_offset; /* of the int32_t in the actor's data that holds the state */
    int32_t initial;     /* what that is before init, which may change it */
} troupe_statem;

/* Checks the table: states and rows are there, each row's states exist, no two rows are for the
 * same message in the same state. Writes the reason into error (may be NULL). TROUPE_E_INVALID. A
 * behavior whose machine does not pass fails to start. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_statem_check(const troupe_statem *machine,
                                                             char *error, size_t error_size);

/* Writes the machine as a Mermaid state diagram, cut off and ended with NUL. Answers the bytes that
 * the whole of it takes, like snprintf. */
TROUPE_API size_t troupe_statem_print(const troupe_statem *machine, char *text, size_t size);

/* ---- inside actions, enter hooks and handlers ---- */

/* The state that the machine is in; in an action the one before the transition. -1: no machine. */
TROUPE_API int32_t troupe_statem_state(const troupe_self *self);

/* In an action: goes to this state, or TROUPE_STATE_KEEP or _STOP, instead of the row's. Answers
 * TROUPE_OK, so that it can be returned; TROUPE_E_INVALID outside of an action. */
TROUPE_API int troupe_statem_next(troupe_self *self, int32_t state);

/* In an action: postpones the message, whatever the row says. Answers as troupe_statem_next. */
TROUPE_API int troupe_statem_postpone(troupe_self *self);

/* Handles a message of the machine's own before all others: postponed ones, and own ones that were
 * asked for while an earlier message was handled. Several of one message come in the order asked.
 * Fails as troupe_continue, TROUPE_E_INVALID without a machine. Erlang: the action next_event. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_statem_next_event(troupe_self *self,
                                                                  const troupe_type *type,
                                                                  const void *message);

/* ---- timeouts: messages to the machine itself; 0 ms ends one ---- */

/* After this long in one state; an action sets that of the state it goes to. A change of state ends
 * it, as does a new one. TROUPE_E_NO_MEMORY; TROUPE_E_INVALID without a machine. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_statem_state_timeout(troupe_self *self,
                                                                     uint64_t timeout_ms);
/* When no message at all is handled for this long. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_statem_event_timeout(troupe_self *self,
                                                                     uint64_t timeout_ms);
/* After this long, whatever happens; one for each name, at most 64. TROUPE_E_LIMIT. Erlang: generic
 * timeouts. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_statem_timeout(troupe_self *self, const char *name,
                                                               uint64_t timeout_ms);

TROUPE_API extern const troupe_type troupe_state_timeout_type; /* "troupe.state_timeout" */
TROUPE_API extern const troupe_type troupe_event_timeout_type; /* "troupe.event_timeout" */
typedef struct troupe_named_timeout {
    const char *name;
} troupe_named_timeout;
TROUPE_API extern const troupe_type troupe_named_timeout_type; /* "troupe.named_timeout" */

#ifdef __cplusplus
}
#endif

#endif
