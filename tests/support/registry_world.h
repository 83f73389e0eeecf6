/* support/registry_world.h - registries of several nodes in one process, and what they told.
 *
 *     world_init(&world);
 *     struct world_node *n1 = world_start(&world, conninfo, "n1", NULL);
 *     world_wait(&world, node_is_joined, n1);
 *     ... world_register(n1, "a", 7, ...) ...
 *     world_fini(&world);
 *
 * All registries share one loop, which runs on a thread of its own. What they tell is noted under
 * the world's mutex; a test waits for a condition over those notes, never for a time.
 *
 * Threads: the functions are for the test's thread, unless said otherwise. Memory: freed by fini.
 */
#ifndef SUPPORT_REGISTRY_WORLD_H
#define SUPPORT_REGISTRY_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/names.h"
#include "io/loop.h"
#include "sync/thread.h"

enum {
    WORLD_NODES_MAX = 8,
    WORLD_NOTES_MAX = 64,
    WORLD_TEXT_MAX = 512,
    WORLD_WAIT_MS = 30000,
    WORLD_INBOX_MAX = 4096,
    WORLD_ORPHANS_MAX = 4096
};

struct world;

struct world_orphan {
    char name[64];
    uint64_t epoch;
    uint64_t seq;
    bool started; /* `started` was answered with OK */
    char state[128];
};

struct world_message {
    uint64_t id;
    char to[64];
    char payload[64];
};

/* Everything below `box` is guarded by the world's mutex. */
struct world_node {
    struct world *world;
    struct troupe_registry *box;
    char name[32];
    uint64_t node_id;
    unsigned joins;
    troupe_status failed;
    char failed_text[WORLD_TEXT_MAX];
    uint64_t up[WORLD_NOTES_MAX];
    char up_labels[WORLD_NOTES_MAX][64]; /* "roles|metadata|draining" */
    int64_t up_since_ms[WORLD_NOTES_MAX];
    size_t up_count;
    uint64_t draining[WORLD_NOTES_MAX];
    size_t draining_count;
    uint64_t undrained;   /* the last one */
    uint64_t metadata_of; /* who told of it last */
    char metadata[64];
    int64_t since_ms; /* its own */
    uint64_t down[WORLD_NOTES_MAX];
    int64_t down_ns[WORLD_NOTES_MAX];
    char down_why[WORLD_NOTES_MAX][32];
    size_t down_count;
    int64_t lease_ns;
    unsigned leases;
    unsigned fenced;
    bool rejoin; /* when fenced */
    bool stopped;
    uint64_t next_actor; /* of orphans started here */
    bool hold_orphans;   /* do not start them */
    struct world_orphan orphans[WORLD_ORPHANS_MAX];
    size_t orphan_count;
    size_t started_count;
    struct world_message inbox[WORLD_INBOX_MAX];
    size_t inbox_count;
    char last_error[WORLD_TEXT_MAX]; /* logged last at level warning or above */
};

struct world {
    struct tr_loop *loop;
    struct tr_mutex mutex;
    struct tr_cond cond;
    struct world_node nodes[WORLD_NODES_MAX];
    size_t node_count;
};

struct world_options {
    uint32_t ttl_ms; /* 0: 2000 */
    uint16_t port;   /* 0: 4000 */
    bool allow_unsafe_fsync;
    bool rejoin;
    const char *const *behaviors;
    size_t behavior_count;
    const char *roles;    /* NULL: "test" */
    const char *metadata; /* NULL: none */
};

void world_init(struct world *world);

/* Stops what still runs, leaving the cluster, and frees everything. */
void world_fini(struct world *world);

/* Starts a registry; it has not joined when this returns. options may be NULL. */
struct world_node *world_start(struct world *world, const char *conninfo, const char *name,
                               const struct world_options *options);

/* The same with a registry of another kind, which is taken. */
struct world_node *world_start_box(struct world *world, struct troupe_registry *box,
                                   const char *name, const struct world_options *options);
void world_stop(struct world_node *node, bool leave);

/* Starts a registry and waits until it has joined. */
struct world_node *world_join(struct world *world, const char *conninfo, const char *name,
                              const struct world_options *options);

/* Runs fn(context) on the loop's thread and waits until it has returned. */
void world_do(struct world *world, void (*fn)(void *context), void *context);

/* Waits until condition(context), called with the mutex held, is true; fails the test after
 * WORLD_WAIT_MS. */
void world_wait(struct world *world, bool (*condition)(void *context), void *context);

/* Tells all waiting that something has changed; with the mutex held. Any thread. */
void world_changed(struct world *world);

int64_t world_now(const struct world *world);

/* ---- conditions ---- */

struct world_seen {
    const struct world_node *node;
    uint64_t node_id;
    size_t count; /* of whatever the condition is about */
    const char *text;
};

bool node_is_joined(void *context);       /* a struct world_node */
bool node_has_failed(void *context);      /* likewise */
bool node_is_fenced(void *context);       /* likewise */
bool node_has_stopped(void *context);     /* likewise */
bool node_sees_up(void *context);         /* a struct world_seen */
bool node_sees_down(void *context);       /* likewise */
bool node_sees_undrained(void *context);  /* likewise */
bool node_sees_metadata(void *context);   /* struct world_seen, text: that of node_id */
bool node_knows_itself(void *context);    /* a struct world_node: since when it is a member */
bool node_sees_draining(void *context);   /* likewise */
bool node_has_lease_after(void *context); /* a struct world_seen: more leases than `count` */
bool node_has_started(void *context);     /* likewise: `count` orphans at least */
bool node_has_messages(void *context);    /* likewise: `count` messages at least */

/* ---- operations that wait for their answer ---- */

struct world_answer {
    bool done;
    unsigned calls;
    troupe_status status;
    troupe_pid pid;
    uint64_t epoch;
    char text[WORLD_TEXT_MAX];
};

/* deadline_ms from now. state_json NULL: not durable. */
struct world_answer world_register(struct world_node *node, const char *name, uint64_t actor_id,
                                   const char *behavior, const char *state_json,
                                   uint32_t deadline_ms);
struct world_answer world_unregister(struct world_node *node, const char *name, uint64_t epoch);
struct world_answer world_lookup(struct world_node *node, const char *name, uint32_t deadline_ms);
bool world_cached(struct world_node *node, const char *name, troupe_pid *pid, uint64_t *epoch);
void world_unreachable(struct world_node *node, uint64_t node_id, bool refused);
struct tr_registry_health world_health(struct world_node *node);

/* ---- steps ---- */

struct world_step {
    struct tr_step step; /* filled by the test; done and context by world_step */
    struct world *world;
    bool done;
    unsigned calls;
    enum tr_step_outcome outcome;
};

/* Begins a step, or several at once. */
void world_step(struct world_node *node, struct world_step *step);
void world_steps(struct world_node *node, struct world_step *steps, size_t count);
bool step_is_done(void *context); /* a struct world_step */

#endif
