/* troupe/telemetry.h - what happens on a node, told to one function as it happens.
 *
 *     static void count(void *context, const troupe_event *event) { ... }
 *     config.telemetry = count;
 *     config.telemetry_events = TROUPE_EVENT_BIT(SPAWN) | TROUPE_EVENT_BIT(EXIT);
 *
 * Threads: the function is called by whatever thread something happens on, workers above all, and
 * by several at a time. It runs inside the runtime, sometimes under a lock: it must be quick, must
 * not block, and may not call any function of Troupe but those on plain values (troupe_pid_print,
 * troupe_reason_name, troupe_status_text).
 * Memory: the event and all it points to is lent for the call.
 */
#ifndef TROUPE_TELEMETRY_H
#define TROUPE_TELEMETRY_H

#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What each field says beside the kind; what is not named is zero or "". pid is the actor that the
 * event is about, and behavior its behavior, where the place it happens at knows that. */
#define TROUPE_EVENT_MAP(X)                                                                        \
    X(SPAWN, "spawn")             /* other: who started it */                                      \
    X(INIT_FAILED, "init_failed") /* other: who wanted it; reason, text */                         \
    X(EXIT, "exit")               /* reason, text; count: messages it has handled */               \
    X(HANDLED, "handled")         /* type; other: sender; duration_ns. One of telemetry_sample */  \
    X(SLOW, "slow")               /* a run held a worker above 50 ms: duration_ns */               \
    X(UNHANDLED, "unhandled")     /* type: a message without a handler */                          \
    X(MAILBOX_FULL, "mailbox_full") /* other: sender; type: refused */                             \
    X(DEAD_LETTER, "dead_letter")   /* pid: the dead or unreachable; other: sender; type: lost */  \
    X(CALL_TIMEOUT, "call_timeout") /* other: the callee */                                        \
    X(LINK_BROKEN, "link_broken")   /* other: who ended; reason, text; pid hears of it */          \
    X(RESTART, "restart")           /* text: id of the child; count: its restarts */               \
    X(GAVE_UP, "gave_up")           /* a supervisor: too many restarts; text: id of the child */   \
    X(INBOX_FAILED, "inbox_failed") /* type, text: a durable message's handler failed */           \
    X(JOINED, "joined")             /* text: the group */                                          \
    X(LEFT, "left")                 /* text: the group */                                          \
    X(NODE_UP, "node_up")           /* other.node; text: its name */                               \
    X(NODE_DOWN, "node_down")       /* other.node; text: its name */                               \
    X(FENCED, "fenced")             /* text: why this node was declared dead */                    \
    X(SUSPENDED, "suspended") /* pid waits until other has room: a mailbox; id 0: what is on its   \
                                 way to that node */                                               \
    X(RESUMED, "resumed")     /* it does not wait any more: other; duration_ns */

typedef enum troupe_event_kind {
#define TROUPE_EVENT_ENUM(name, text) TROUPE_EVENT_##name,
    TROUPE_EVENT_MAP(TROUPE_EVENT_ENUM)
#undef TROUPE_EVENT_ENUM
        TROUPE_EVENT_COUNT
} troupe_event_kind;

#define TROUPE_EVENT_BIT(name) (1ull << TROUPE_EVENT_##name)

typedef struct troupe_event {
    uint32_t struct_size; /* of what the library knows: fields may be added at the end */
    int32_t kind;         /* troupe_event_kind */
    troupe_pid pid;
    troupe_pid other;
    const char *behavior;
    const char *type;
    int64_t duration_ns;
    uint64_t count;
    int32_t reason; /* troupe_reason_kind */
    const char *text;
} troupe_event;

typedef void (*troupe_telemetry_fn)(void *context, const troupe_event *event);

/* "spawn", "exit", ...; "" for what is no kind. Any thread. */
TROUPE_API const char *troupe_event_name(int32_t kind);

#ifdef __cplusplus
}
#endif

#endif
