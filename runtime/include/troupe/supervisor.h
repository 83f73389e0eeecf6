/* troupe/supervisor.h - an actor that starts others and starts them again when they fail.
 *
 *     static const troupe_child children[] = {
 *         {.id = "cache", .behavior = &cache_behavior, .restart = TROUPE_RESTART_PERMANENT},
 *         {.id = "web", .behavior = &web_behavior, .restart = TROUPE_RESTART_TRANSIENT},
 *     };
 *     troupe_supervisor tree = {.strategy = TROUPE_ONE_FOR_ONE, .children = children,
 * .children_count = 2}; troupe_spawn_supervisor(self, &tree, NULL, &pid);
 *
 * The specification is copied; behaviors and args must outlive the supervisor (args are copied when
 * args_type is set). When more than intensity restarts fall within period_ms (a sliding window),
 * the children are stopped in reverse order and the supervisor exits `shutdown`. Erlang:
 * supervisor.
 */
#ifndef TROUPE_SUPERVISOR_H
#define TROUPE_SUPERVISOR_H

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum troupe_restart {
    TROUPE_RESTART_PERMANENT = 0, /* always */
    TROUPE_RESTART_TRANSIENT = 1, /* unless it exits normal or shutdown */
    TROUPE_RESTART_TEMPORARY = 2  /* never */
} troupe_restart;

typedef enum troupe_strategy {
    TROUPE_ONE_FOR_ONE = 0 /* only the child that ended is started again */
} troupe_strategy;

#define TROUPE_SHUTDOWN_KILL UINT32_MAX /* brutal kill: the child is not asked first */

typedef struct troupe_child {
    const char *id; /* unique in the supervisor */
    const troupe_behavior *behavior;
    const void *args;     /* of behavior->args */
    int32_t restart;      /* troupe_restart */
    uint32_t shutdown_ms; /* how long it may take to stop; 0: 5,000; TROUPE_SHUTDOWN_KILL */
    const char *name;     /* to register under; NULL: none */
    uint32_t flags;       /* TROUPE_SPAWN_DURABLE or 0 */
} troupe_child;

typedef struct troupe_supervisor {
    int32_t strategy;             /* troupe_strategy */
    uint32_t intensity;           /* restarts allowed ... */
    uint32_t period_ms;           /* ... within this window; both 0: 3 in 5,000 */
    const troupe_child *children; /* started in this order */
    size_t children_count;
} troupe_supervisor;

/* Starts a supervisor with its children, linked to the caller. When a child's init fails, those
 * before it are stopped in reverse order and its error is answered. Actor only. */
TROUPE_API TROUPE_MUST_USE troupe_status
troupe_spawn_supervisor(troupe_self *self, const troupe_supervisor *supervisor,
                        troupe_spawn_options *options, troupe_pid *pid);

/* Request to a supervisor: the reply is troupe_children_type. */
TROUPE_API extern const troupe_type troupe_list_children_type; /* "troupe.list_children" */

typedef struct troupe_child_state {
    const char *id;
    troupe_pid pid; /* none while it is not running */
    uint64_t restarts;
} troupe_child_state;
typedef struct troupe_children {
    const troupe_child_state *children;
    size_t children_count;
} troupe_children;
TROUPE_API extern const troupe_type troupe_children_type; /* "troupe.children" */

#ifdef __cplusplus
}
#endif

#endif
