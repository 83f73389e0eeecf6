/* troupe/supervisor.h - an actor that starts others and starts them again when they fail.
 *
 *     static const troupe_child children[] = {
 *         {.id = "cache", .behavior = &cache_behavior, .restart = TROUPE_RESTART_PERMANENT},
 *         {.id = "web", .behavior = &web_behavior, .restart = TROUPE_RESTART_TRANSIENT},
 *     };
 *     static const troupe_supervisor tree = {
 *         .strategy = TROUPE_ONE_FOR_ONE, .children = children, .children_count = 2};
 *     troupe_spawn_supervisor(self, &tree, NULL, &pid);
 *
 * Children start in their order and are stopped in the reverse of it, one after the other. A tree
 * is a child whose .supervisor is set. When more than intensity restarts fall within period_ms (a
 * sliding window, for all children together), the children are stopped and the supervisor exits
 * `shutdown`; what becomes of that its own supervisor decides. A supervisor whose parent ends stops
 * its children and ends for the same reason; exit signals of others than its parent, its children
 * and the node it ignores. docs/semantics.md says the rest. Erlang: supervisor.
 *
 * Memory: ids, names, options and arguments of a described type are copied; behaviors,
 * specifications of supervisors below and other arguments are lent as long as the supervisor lives.
 */
#ifndef TROUPE_SUPERVISOR_H
#define TROUPE_SUPERVISOR_H

#include "troupe/node.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum troupe_restart {
    TROUPE_RESTART_PERMANENT = 0, /* always */
    TROUPE_RESTART_TRANSIENT = 1, /* unless it exits normal or shutdown */
    TROUPE_RESTART_TEMPORARY = 2  /* never; it is forgotten when it has ended */
} troupe_restart;

typedef enum troupe_strategy {
    TROUPE_ONE_FOR_ONE = 0,  /* only the child that ended is started again */
    TROUPE_ONE_FOR_ALL = 1,  /* all others are stopped, then all are started */
    TROUPE_REST_FOR_ONE = 2, /* the same with it and those behind it */
    /* All children are alike: .children is one template, which is not started itself. Children have
     * no ids, end together when the supervisor ends, and are forgotten when they are not restarted.
     */
    TROUPE_SIMPLE_ONE_FOR_ONE = 3
} troupe_strategy;

/* Whether the supervisor ends, `shutdown`, when significant children have ended by themselves and
 * are not restarted: one of them, or the last of them. */
typedef enum troupe_auto_shutdown {
    TROUPE_AUTO_SHUTDOWN_NEVER = 0,
    TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT = 1,
    TROUPE_AUTO_SHUTDOWN_ALL_SIGNIFICANT = 2
} troupe_auto_shutdown;

#define TROUPE_SHUTDOWN_KILL UINT32_MAX /* brutal kill: the child is not asked first */
#define TROUPE_SHUTDOWN_INFINITY (UINT32_MAX - 1)

struct troupe_supervisor;

/* A child specification (Erlang: child_spec). */
typedef struct troupe_child {
    const char *id;                             /* unique in the supervisor, at most 255 bytes */
    const troupe_behavior *behavior;            /* NULL with .supervisor */
    const struct troupe_supervisor *supervisor; /* NULL unless the child is a supervisor */
    const void *args;                           /* of behavior->args */
    const troupe_spawn_options *options; /* bounds, policies, checkpoint; its name is not used, and
                                            it is neither linked nor monitored by it. May be NULL */
    const char *name;                    /* to register under; NULL: none */
    uint32_t flags;                      /* TROUPE_SPAWN_DURABLE, _STRICT or 0 */
    int32_t restart;                     /* troupe_restart */
    uint32_t shutdown_ms; /* how long it may take to stop before it is killed; 0: 5,000, and without
                             end for a supervisor; TROUPE_SHUTDOWN_KILL, _INFINITY */
    bool significant;     /* with auto_shutdown; not for permanent children */
    const char *placement; /* on which node it runs (placement.h); NULL: on the supervisor's. Its
                              behavior has to be known there by its name and its arguments have a
                              described type. A durable one begins there, and goes on where its row
                              is. A supervisor is copied, and travels with all that is below it, at
                              most 1,000 children, 16 levels and 1 MiB */
} troupe_child;

typedef struct troupe_supervisor {
    int32_t strategy;             /* troupe_strategy */
    uint32_t intensity;           /* restarts allowed ... */
    uint32_t period_ms;           /* ... within this window; both 0: 3 in 5,000 */
    const troupe_child *children; /* started in this order; may be none */
    size_t children_count;
    int32_t auto_shutdown; /* troupe_auto_shutdown */
    uint32_t max_children; /* 0: 1,000,000 */
} troupe_supervisor;

/* Starts a supervisor with its children, linked to the caller, which is its parent. When a child's
 * init fails, those before it are stopped in reverse order and its error is answered. With a child
 * on another node the supervisor is there before that one is: it and those behind it start
 * afterwards, in their order, and a start that fails then is tried again and counted.
 * TROUPE_E_INVALID when the specification makes no sense; `troupe_fail`'s text says why. Actor
 * only. Erlang: supervisor:start_link. */
TROUPE_API TROUPE_MUST_USE troupe_status
troupe_spawn_supervisor(troupe_self *self, const troupe_supervisor *supervisor,
                        troupe_spawn_options *options, troupe_pid *pid);

/* The same from outside: the node is its parent. Ends by troupe_node_exit(pid, shutdown) or with
 * the node. Blocks. */
TROUPE_API TROUPE_MUST_USE troupe_status
troupe_node_spawn_supervisor(troupe_node *node, const troupe_supervisor *supervisor,
                             const troupe_spawn_options *options, troupe_pid *pid);

/* ---- children at run time ----
 *
 * Each is a request that the supervisor handles when it is not about to stop or restart children;
 * up to 10,000 wait for that. then gets a value of the type said, or why not: TROUPE_E_NOT_FOUND
 * (no such child), TROUPE_E_EXISTS, TROUPE_E_AGAIN (it is being restarted), TROUPE_E_LIMIT
 * (max_children), TROUPE_E_INVALID (not with this strategy or specification), TROUPE_E_TYPE (the
 * pid is no supervisor), what the child's init answered, or what any call can end with;
 * result->reason.text has the words. timeout_ms 0: the node's default. The functions for actors
 * answer like troupe_call; those of nodes block, like troupe_node_call, and take a result that
 * troupe_result_clear releases. supervisor may be on another node: behavior and arguments of a new
 * child travel by name and as JSON then, so that the behavior has to be known there, and options
 * and supervisors cannot travel (TROUPE_E_INVALID). */

/* Starts a child behind the others, and keeps its specification when it does start. With
 * TROUPE_SIMPLE_ONE_FOR_ONE only .args and .name are read, the rest is the template's. Gives
 * troupe_child_state_type. Erlang: supervisor:start_child. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_start_child(troupe_self *self,
                                                            troupe_pid supervisor,
                                                            const troupe_child *child,
                                                            uint32_t timeout_ms, troupe_then then,
                                                            uint64_t tag);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_start_child(troupe_node *node,
                                                                 troupe_pid supervisor,
                                                                 const troupe_child *child,
                                                                 uint32_t timeout_ms,
                                                                 troupe_result *result);

/* Stops a child; its specification stays unless it is temporary. id NULL: the one with that pid,
 * which is how children of TROUPE_SIMPLE_ONE_FOR_ONE are named. Gives troupe_child_state_type.
 * Erlang: supervisor:terminate_child. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_terminate_child(troupe_self *self,
                                                                troupe_pid supervisor,
                                                                const char *id, troupe_pid pid,
                                                                uint32_t timeout_ms,
                                                                troupe_then then, uint64_t tag);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_terminate_child(troupe_node *node,
                                                                     troupe_pid supervisor,
                                                                     const char *id, troupe_pid pid,
                                                                     uint32_t timeout_ms,
                                                                     troupe_result *result);

/* Starts a child that does not run. Gives troupe_child_state_type. Erlang:
 * supervisor:restart_child. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_restart_child(troupe_self *self,
                                                              troupe_pid supervisor, const char *id,
                                                              uint32_t timeout_ms, troupe_then then,
                                                              uint64_t tag);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_restart_child(troupe_node *node,
                                                                   troupe_pid supervisor,
                                                                   const char *id,
                                                                   uint32_t timeout_ms,
                                                                   troupe_result *result);

/* Forgets a child that does not run. Gives troupe_child_state_type, as it was. Erlang:
 * supervisor:delete_child. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_delete_child(troupe_self *self,
                                                             troupe_pid supervisor, const char *id,
                                                             uint32_t timeout_ms, troupe_then then,
                                                             uint64_t tag);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_delete_child(troupe_node *node,
                                                                  troupe_pid supervisor,
                                                                  const char *id,
                                                                  uint32_t timeout_ms,
                                                                  troupe_result *result);

/* Lists the children in their order, at once, whatever the supervisor is about. Gives
 * troupe_children_type. Erlang: supervisor:which_children. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_which_children(troupe_self *self,
                                                               troupe_pid supervisor,
                                                               uint32_t timeout_ms,
                                                               troupe_then then, uint64_t tag);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_which_children(troupe_node *node,
                                                                    troupe_pid supervisor,
                                                                    uint32_t timeout_ms,
                                                                    troupe_result *result);

/* Counts them. Gives troupe_children_count_type. Erlang: supervisor:count_children. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_count_children(troupe_self *self,
                                                               troupe_pid supervisor,
                                                               uint32_t timeout_ms,
                                                               troupe_then then, uint64_t tag);
TROUPE_API TROUPE_MUST_USE troupe_status troupe_node_count_children(troupe_node *node,
                                                                    troupe_pid supervisor,
                                                                    uint32_t timeout_ms,
                                                                    troupe_result *result);

/* ---- the messages behind them, for who has only messages: other languages, the command line ----
 */

/* Request: adds a child. Behavior by its name, arguments as JSON of its type ("": none). */
typedef struct troupe_start_child_request {
    const char *id;
    const char *behavior;
    const char *args;
    const char *name; /* "": none */
    int32_t restart;
    uint32_t shutdown_ms;
    bool durable;
    bool strict;
    bool significant;
    const char *placement; /* "": none */
} troupe_start_child_request;
TROUPE_API extern const troupe_type troupe_start_child_type; /* "troupe.start_child" */

/* Requests about one child, by its id or, when that is "", its pid. */
typedef struct troupe_child_request {
    const char *id;
    troupe_pid pid;
} troupe_child_request;
TROUPE_API extern const troupe_type troupe_terminate_child_type; /* "troupe.terminate_child" */
TROUPE_API extern const troupe_type troupe_restart_child_type;   /* "troupe.restart_child" */
TROUPE_API extern const troupe_type troupe_delete_child_type;    /* "troupe.delete_child" */

/* Requests without content. */
TROUPE_API extern const troupe_type troupe_list_children_type;  /* "troupe.list_children" */
TROUPE_API extern const troupe_type troupe_count_children_type; /* "troupe.count_children" */

/* One child as it is. */
typedef struct troupe_child_state {
    const char *id;    /* "" with TROUPE_SIMPLE_ONE_FOR_ONE */
    troupe_pid pid;    /* none while it is not running */
    uint64_t restarts; /* of this child, ever */
    const char *state; /* "running", "stopping", "stopped", "ended" (its restart is next),
                          "restarting" (a start failed and is tried again), "recovering" and
                          "elsewhere" (durable ones, see docs/semantics.md), "starting" (its node
                          was asked) and "waiting" (no node can take it now) */
    const char *behavior;
    const char *name;    /* "": none */
    const char *restart; /* "permanent", "transient", "temporary" */
    bool supervisor;     /* it is one */
    bool significant;
    const char *node;      /* name of the node that runs it; "": none does */
    const char *placement; /* "": none */
} troupe_child_state;
TROUPE_API extern const troupe_type troupe_child_state_type; /* "troupe.child_state" */

typedef struct troupe_children {
    const troupe_child_state *children;
    size_t children_count;
    const char *strategy; /* "one_for_one", ... */
    uint64_t restarts;    /* of all children, ever */
} troupe_children;
TROUPE_API extern const troupe_type troupe_children_type; /* "troupe.children" */

typedef struct troupe_children_count {
    uint64_t specs;       /* children, running or not; 1 with TROUPE_SIMPLE_ONE_FOR_ONE */
    uint64_t active;      /* that run */
    uint64_t supervisors; /* among all, running or not */
    uint64_t workers;     /* the others */
} troupe_children_count;
TROUPE_API extern const troupe_type troupe_children_count_type; /* "troupe.children_count" */

#ifdef __cplusplus
}
#endif

#endif
