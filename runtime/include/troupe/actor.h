/* troupe/actor.h - what an actor is made of, and all it can do.
 *
 *     static int on_deposit(troupe_self *self, void *state, const void *message)
 *     {
 *         account *a = state;
 *         const deposit *d = message;
 *         a->cents += d->cents;
 *         return troupe_reply(self, &balance_type, &(balance){.cents = a->cents});
 *     }
 *     static const troupe_handler account_handlers[] = {{&deposit_type, on_deposit}, {0}};
 *     const troupe_behavior account_behavior = {
 *         .name = "bank.account", .version = 1, .state = &account_type, .handlers =
 * account_handlers};
 *
 * Threads: every function that takes a troupe_self may be called only inside a callback of that
 * actor (init, handler, then, terminate), by the thread that runs it ("actor only"). From anywhere
 * else use the functions of node.h. Memory: messages are copied when they are sent; a handler's
 * message is lent for the call. State belongs to the actor and is freed with it. Order: signals
 * from one pid to one pid arrive in the order sent; nothing more is promised (Erlang's rule).
 */
#ifndef TROUPE_ACTOR_H
#define TROUPE_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"
#include "troupe/type.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The running actor, as seen by its own callbacks. */
typedef struct troupe_self troupe_self;

/* ---- why an actor ended ---- */

typedef enum troupe_reason_kind {
    TROUPE_REASON_NORMAL = 0,       /* it stopped by itself; ignored by links that do not trap */
    TROUPE_REASON_SHUTDOWN = 1,     /* asked to, in order */
    TROUPE_REASON_KILLED = 2,       /* what others see after troupe_exit(pid, kill) */
    TROUPE_REASON_NOPROC = 3,       /* there was no such actor */
    TROUPE_REASON_NOCONNECTION = 4, /* its node died or cannot be reached; it may still live */
    TROUPE_REASON_FENCED = 5,       /* its node or name was taken over */
    TROUPE_REASON_ERROR = 6,        /* anything else; the text says what */
    TROUPE_REASON_KILL = 7          /* only as an argument of troupe_exit: cannot be trapped */
} troupe_reason_kind;

/* A reason: its kind and, for errors, free text of at most 255 bytes. text is never NULL in what
 * the library hands out. */
typedef struct troupe_reason {
    int32_t kind; /* troupe_reason_kind */
    const char *text;
} troupe_reason;

/* Answers "normal", "shutdown", "killed", ... or "error". Any thread. */
TROUPE_API const char *troupe_reason_name(int32_t kind);

/* ---- messages that the library sends ---- */

/* An exit signal that was trapped (Erlang's {'EXIT', From, Reason}). */
typedef struct troupe_exit_message {
    troupe_pid from;
    int32_t kind; /* troupe_reason_kind */
    const char *text;
} troupe_exit_message;
TROUPE_API extern const troupe_type troupe_exit_type; /* "troupe.exit" */

/* What a monitor yields, exactly once (Erlang's {'DOWN', Ref, process, Pid, Reason}). */
typedef struct troupe_down_message {
    uint64_t monitor; /* what troupe_monitor gave */
    troupe_pid from;
    int32_t kind; /* troupe_reason_kind */
    const char *text;
} troupe_down_message;
TROUPE_API extern const troupe_type troupe_down_type; /* "troupe.down" */

/* After troupe_idle_timeout, when nothing came for that long. No content. */
TROUPE_API extern const troupe_type troupe_timeout_type; /* "troupe.timeout" */

/* After troupe_monitor_node (Erlang's nodeup and nodedown). */
typedef struct troupe_node_message {
    uint64_t node;
    const char *name;
    bool up;
    const char *why; /* down: "noconnection", "left", "gone", ... */
} troupe_node_message;
TROUPE_API extern const troupe_type troupe_node_type; /* "troupe.node" */

/* In a table of handlers: handles what no other entry does, whatever its type. Nobody sends it. */
TROUPE_API extern const troupe_type troupe_any_type; /* "troupe.any" */

/* ---- behaviors ---- */

/* Handles one message. Answers TROUPE_OK to go on, TROUPE_STOP to exit `normal`, or a negative
 * status (usually by troupe_fail) to exit with that error. The same rule holds for all callbacks.
 */
typedef int (*troupe_handler_fn)(troupe_self *self, void *state, const void *message);

typedef struct troupe_handler {
    const troupe_type *type;
    troupe_handler_fn handle;
} troupe_handler;

struct troupe_statem;

/* A behavior: what kind of actor it is. Constant, and alive as long as any of its actors. */
typedef struct troupe_behavior {
    const char *name; /* 1 to 127 bytes; unique on a node; by it other nodes spawn and recover it */
    int32_t version;  /* of the state; saved with it */
    const troupe_type *state; /* described state: seen in SQL, savable; may be NULL */
    size_t state_size;        /* bytes of an undescribed state, when .state is NULL */
    const troupe_type *args;  /* what init gets; may be NULL */

    /* Fills the state, which is zeroed. Runs to its end before the first message; what it answers
     * is the spawner's answer when it is not TROUPE_OK, and then nothing is left behind. May be
     * NULL. */
    int (*init)(troupe_self *self, void *state, const void *args);
    /* Runs after a durable actor's state came back from the database, instead of init. May be NULL.
     */
    int (*recover)(troupe_self *self, void *state);
    /* Runs on every end that the actor lives to see, thus not after kill. A troupe_stop in it
     * replaces the reason that others hear. May be NULL. */
    void (*terminate)(troupe_self *self, void *state, const troupe_reason *reason);
    /* Frees what an undescribed state owns; runs at every end, also after kill. May be NULL. */
    void (*release)(void *state);
    /* Brings a state saved by an older version up to this one. NULL: fields alone decide. */
    int (*upgrade)(troupe_self *self, void *state, int32_t from_version);
    const troupe_handler *handlers; /* ends with {0}; NULL means none */
    /* A state machine (troupe/statem.h), which is asked before the handlers. NULL: none. */
    const struct troupe_statem *machine;
} troupe_behavior;

/* ---- life ---- */

#define TROUPE_SPAWN_LINK 1u    /* linked before it runs: no window in which a death is missed */
#define TROUPE_SPAWN_MONITOR 2u /* monitored likewise; options.monitor gives the reference */
#define TROUPE_SPAWN_DURABLE                                                                       \
    4u /* saved and recovered; needs a name, a described state and a registry */
#define TROUPE_SPAWN_STRICT 8u /* durable, and frozen at its node's lease end in any case */
/* Never suspended by what it sends: told TROUPE_E_BUSY instead; see troupe_set_nosuspend. */
#define TROUPE_SPAWN_NOSUSPEND 16u

typedef enum troupe_checkpoint {
    TROUPE_CHECKPOINT_EACH =
        0, /* replies and sends leave only after their checkpoint is committed */
    TROUPE_CHECKPOINT_EVERY = 1, /* written behind, every checkpoint_ms; that much can be lost */
    TROUPE_CHECKPOINT_ON_STOP = 2,
    TROUPE_CHECKPOINT_EXPLICIT = 3 /* only troupe_save */
} troupe_checkpoint;

/* Everything zero is a plain actor. */
typedef struct troupe_spawn_options {
    uint32_t flags;            /* TROUPE_SPAWN_* */
    const char *name;          /* to register under, 1 to 255 bytes of UTF-8; NULL: none */
    int32_t checkpoint;        /* troupe_checkpoint, durable actors only */
    uint32_t checkpoint_ms;    /* for TROUPE_CHECKPOINT_EVERY; 0: 1,000 */
    uint32_t mailbox_messages; /* bound; 0: the node's (10,000 unless configured) */
    uint64_t mailbox_bytes;    /* bound; 0: the node's (16 MiB unless configured) */
    uint64_t monitor;          /* out, with TROUPE_SPAWN_MONITOR */
    int32_t mailbox_policy;    /* troupe_mailbox_policy of mailbox.h; 0: the node's */
} troupe_spawn_options;

/* Starts an actor on this node and gives its pid. init has run when this answers. Actor only.
 * With a name on a node that has a registry the name is registered behind the call: the actor
 * handles messages once it is; when the name is refused, it exits with an error that names the
 * holder. options may be NULL. Fails with what init answered, TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT,
 * TROUPE_E_INVALID. Erlang: spawn, spawn_link, spawn_monitor. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_spawn(troupe_self *self,
                                                      const troupe_behavior *behavior,
                                                      const void *args,
                                                      troupe_spawn_options *options,
                                                      troupe_pid *pid);

/* How an asynchronous operation ended. Lent for the call of the continuation. */
typedef struct troupe_result {
    troupe_status status;    /* TROUPE_OK, or why not */
    uint64_t tag;            /* what the caller gave */
    troupe_pid pid;          /* who answered; spawn and whereis: the actor */
    const troupe_type *type; /* of value; NULL when there is none */
    const void *value;       /* the reply */
    troupe_reason reason;    /* TROUPE_E_EXITED, TROUPE_E_FAILED: of the callee */
    uint64_t monitor;        /* troupe_spawn_on with TROUPE_SPAWN_MONITOR: its reference */
} troupe_result;

/* Goes on after an asynchronous operation; answers like a handler. Runs in the actor, never inside
 * the call that started it. */
typedef int (*troupe_then)(troupe_self *self, void *state, const troupe_result *result);

/* Answers result->value when the operation succeeded with a value of that type, else NULL. Any
 * thread. */
TROUPE_API const void *troupe_result_as(const troupe_result *result, const troupe_type *type);

/* Starts an actor by the name of its behavior on another node, or on this one, and calls then
 * with its pid. placement is a node's name or another rule (placement.h): "round_robin role:x";
 * NULL or "" means this node. Fails at once with TROUPE_E_INVALID (troupe_fail's text says what is
 * wrong with the rule), else then gets TROUPE_E_NOT_FOUND (no such node or behavior, or no node
 * that the rule can choose), TROUPE_E_CLOSED (the node drains), TROUPE_E_EXISTS (name taken),
 * TROUPE_E_NOCONNECTION, TROUPE_E_TIMEOUT, or what init answered. Actor only. Erlang: spawn/4. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_spawn_on(troupe_self *self, const char *placement,
                                                         const char *behavior, const void *args,
                                                         const troupe_type *args_type,
                                                         const troupe_spawn_options *options,
                                                         uint32_t timeout_ms, troupe_then then,
                                                         uint64_t tag);

/* The actor's own pid. */
TROUPE_API troupe_pid troupe_self_pid(const troupe_self *self);

/* Who sent the message that is being handled; none for timers and library messages. */
TROUPE_API troupe_pid troupe_sender(const troupe_self *self);

/* The type of what the handler that runs was given; NULL outside of handlers. */
TROUPE_API const troupe_type *troupe_message_type(const troupe_self *self);

/* The node this actor runs on, for the functions of node.h. */
struct troupe_node;
TROUPE_API struct troupe_node *troupe_self_node(const troupe_self *self);

/* Milliseconds on the node's monotonic clock, which also counts while the machine is suspended. */
TROUPE_API int64_t troupe_now_ms(const troupe_self *self);

/* Sets the error text of this actor's coming end and answers TROUPE_E_FAILED, for
 * `return troupe_fail(self, "why %d", n)`. */
TROUPE_API int troupe_fail(troupe_self *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- messages ---- */

/* Sends a copy of message. At most once: to the dead or unreachable it is lost, as in Erlang.
 * Fails with TROUPE_E_BUSY (mailbox or send queue full; see mailbox.h for what else a full mailbox
 * can do), TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT (too large). */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_send(troupe_self *self, troupe_pid to,
                                                     const troupe_type *type, const void *message);

/* Sends to whoever holds the name; looked up in the cache, then in the registry. A name that nobody
 * holds loses the message, counted. Order between two actors holds while the holder stays the same.
 */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_send_name(troupe_self *self, const char *name,
                                                          const troupe_type *type,
                                                          const void *message);

/* Sends a request; then runs once with the reply, or with TROUPE_E_TIMEOUT, TROUPE_E_NOPROC,
 * TROUPE_E_EXITED (reason says how), TROUPE_E_NOCONNECTION, TROUPE_E_BUSY, TROUPE_E_NO_REPLY. Late
 * replies are dropped. timeout_ms 0 means the node's default (5,000). Fails at once only with
 * TROUPE_E_NO_MEMORY or TROUPE_E_LIMIT. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_call(troupe_self *self, troupe_pid to,
                                                     const troupe_type *type, const void *message,
                                                     uint32_t timeout_ms, troupe_then then,
                                                     uint64_t tag);

/* The same to a name. While a durable holder is being recovered the call waits, up to its timeout.
 */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_call_name(troupe_self *self, const char *name,
                                                          const troupe_type *type,
                                                          const void *message, uint32_t timeout_ms,
                                                          troupe_then then, uint64_t tag);

/* Answers the request that is being handled; for a message that is no request it does nothing.
 * Returned from a handler it is the handler's answer too. */
TROUPE_API int troupe_reply(troupe_self *self, const troupe_type *type, const void *message);

/* A request to be answered later, by any actor; plain data. */
typedef struct troupe_from {
    troupe_pid caller;
    troupe_pid callee;
    uint64_t ref; /* 0: the message was no request */
} troupe_from;

/* Takes the request that is being handled: the handler may return without a reply. Once per
 * request. */
TROUPE_API troupe_from troupe_take_from(troupe_self *self);

/* Answers a taken request. At most once; later ones are dropped by the caller. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_reply_to(troupe_self *self, const troupe_from *from,
                                                         const troupe_type *type,
                                                         const void *message);

/* ---- links, monitors, exits: as Erlang, see docs/semantics.md ---- */

/* Links this actor and the other; one link per pair; linking oneself does nothing. To the dead: an
 * exit signal `noproc`, to the unreachable `noconnection`. TROUPE_E_NO_MEMORY. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_link(troupe_self *self, troupe_pid other);

/* Ends the link: after this call it cannot hurt the caller any more. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_unlink(troupe_self *self, troupe_pid other);

/* Gives a reference; exactly one troupe_down_message with it will come, unless demonitored first.
 */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_monitor(troupe_self *self, troupe_pid other,
                                                        uint64_t *monitor);

/* Ends a monitor; its DOWN, if it is already in the mailbox, is removed (Erlang's flush). */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_demonitor(troupe_self *self, uint64_t monitor);

/* While set, exit signals become messages of troupe_exit_type instead of ending the actor. */
TROUPE_API void troupe_trap_exit(troupe_self *self, bool trap);

/* Sends an exit signal (Erlang's exit/2). TROUPE_REASON_KILL cannot be trapped; `normal` to
 * another actor that does not trap is ignored. text may be NULL. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_exit(troupe_self *self, troupe_pid to, int32_t kind,
                                                     const char *text);

/* Makes this actor end after the present callback, with that reason (Erlang's exit/1). Answers
 * TROUPE_OK, so that it can be returned. */
TROUPE_API int troupe_stop(troupe_self *self, int32_t kind, const char *text);

/* Tells this actor of each node that comes and goes, by troupe_node_message; or stops telling. One
 * node by its name: cluster.h. Erlang: net_kernel:monitor_nodes/1. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_monitor_node(troupe_self *self, bool on);

/* ---- names ---- */

/* Registers this actor; then gets TROUPE_OK, TROUPE_E_EXISTS (result->pid holds it),
 * TROUPE_E_REGISTRY or TROUPE_E_UNKNOWN. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_register(troupe_self *self, const char *name,
                                                         uint32_t timeout_ms, troupe_then then,
                                                         uint64_t tag);

/* Gives up this actor's name. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_unregister(troupe_self *self, const char *name,
                                                           uint32_t timeout_ms, troupe_then then,
                                                           uint64_t tag);

/* Asks the registry who holds a name; then gets result->pid, or TROUPE_E_NOT_FOUND. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_whereis(troupe_self *self, const char *name,
                                                        uint32_t timeout_ms, troupe_then then,
                                                        uint64_t tag);

/* ---- timers ---- */

/* Sends message to `to` after delay_ms. Gives *timer (may be NULL). A timer ends with the actor
 * that started it. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_send_after(troupe_self *self, uint64_t delay_ms,
                                                           troupe_pid to, const troupe_type *type,
                                                           const void *message, uint64_t *timer);

/* The same, again and again, every interval_ms (at least 1). */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_send_interval(troupe_self *self,
                                                              uint64_t interval_ms, troupe_pid to,
                                                              const troupe_type *type,
                                                              const void *message, uint64_t *timer);

/* Answers whether the timer was still waiting. */
TROUPE_API bool troupe_cancel_timer(troupe_self *self, uint64_t timer);

/* Sends troupe_timeout_type to this actor when no message came for that long; 0 turns it off. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_idle_timeout(troupe_self *self,
                                                             uint64_t timeout_ms);

/* ---- durable actors ---- */

/* Stores a message to a name in the same transaction as this actor's next checkpoint; it takes
 * effect on the receiver's saved state exactly once, through crashes of sender, receiver, node and
 * database. Only from a durable actor, else TROUPE_E_INVALID. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_send_durable(troupe_self *self, const char *name,
                                                             const troupe_type *type,
                                                             const void *message);

/* Writes a checkpoint of this durable actor after the present callback. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_save(troupe_self *self);

/* ---- strings and arrays inside the state ---- */

/* Replaces a string of this actor's state by a copy of value; NULL clears it. TROUPE_E_NO_MEMORY.
 */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_set_string(troupe_self *self, const char **slot,
                                                           const char *value);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_set_bytes(troupe_self *self, troupe_bytes *slot,
                                                          const void *data, size_t size);
/* Changes an array of the state to hold count elements of size bytes; new ones are zero. Elements
 * that hold strings must be cleared by the caller before they are cut off. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_resize_array(troupe_self *self, void *slot,
                                                             size_t *count_slot, size_t count,
                                                             size_t size);

/* ---- the log ---- */

typedef enum troupe_log_level {
    TROUPE_LOG_DEBUG = 0,
    TROUPE_LOG_INFO = 1,
    TROUPE_LOG_WARNING = 2,
    TROUPE_LOG_ERROR = 3
} troupe_log_level;

/* Writes one line, with this actor's pid, to the node's log function. */
TROUPE_API void troupe_log(troupe_self *self, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
