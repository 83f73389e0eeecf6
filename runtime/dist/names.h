/* dist/names.h - the port: what the runtime needs from a registry, and what a registry tells it.
 *
 * registry/pg implements it over PostgreSQL, tests/support/fake_registry.c in memory.
 *
 *     start -> on_joined | on_failed;  then on_member_up/down in one order on every node;
 *     on_fenced: this node id is dead -> (the node kills its actors) -> rejoin -> on_joined ...
 *
 * Threads: every function of the port and every event runs on the loop's thread, except `cached`
 * and `invalidate`, which any thread may call. Completions (`done`) are never called inside the
 * call that started them, always exactly once, at the latest when the request's deadline has passed
 * or the registry stops. Memory: strings in requests are lent until `done`; those in events and
 * results are lent for the call.
 */
#ifndef TR_DIST_NAMES_H
#define TR_DIST_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/name_types.h"
#include "troupe/pid.h"
#include "troupe/status.h"

struct tr_loop;

struct tr_registry_events {
    void *context;
    /* About to join: from this local address the registry was reached ("" when by a unix socket).
     * Answers the host to advertise, lent until the next event. NULL: always the one of the join.
     */
    const char *(*on_reached)(void *context, const char *local_host);
    void (*on_joined)(void *context, uint64_t node_id, const uint8_t cluster_id[16],
                      uint64_t system_id);
    /* The first join cannot succeed: no schema, schema too new, name taken, fsync=off ... text says
     * which. */
    void (*on_failed)(void *context, troupe_status status, const char *text);
    /* Never for oneself. False: it could not be noted for want of memory, and is to be told again.
     */
    bool (*on_member_up)(void *context, const struct tr_member *member);
    /* The node, which may be this one, is about to leave. As often as the registry likes; may be
     * NULL. */
    void (*on_member_draining)(void *context, uint64_t node_id, bool draining);
    /* Another member has other metadata now, or again the same. May be NULL. */
    void (*on_member_metadata)(void *context, uint64_t node_id, const char *metadata);
    /* What others may do here: before the first member is told, and whenever it changes. May be
     * NULL. */
    void (*on_policy)(void *context, const struct tr_policy *policy);
    /* After on_joined: this node as the registry has it. May be NULL. */
    void (*on_member_self)(void *context, const struct tr_member *self);
    void (*on_member_down)(void *context, uint64_t node_id, const char *name, const char *why);
    /* The lease is good until this time of the loop's clock (counted from before the renewal was
     * sent). */
    void (*on_lease)(void *context, int64_t deadline_ns);
    void (*on_fenced)(void *context, const char *why);
    void (*on_orphan)(void *context, const struct tr_orphan *orphan);
    void (*on_inbox)(void *context, const struct tr_inbox_row *rows, size_t count);
    void (*log)(void *context, int level, const char *text); /* levels of troupe_log_level */
};

struct tr_registry_join {
    struct tr_loop *loop;
    const char *name;
    const char *host; /* advertised */
    uint16_t port;
    uint32_t ttl_ms;
    const char *roles;    /* comma list */
    const char *metadata; /* comma list of key=value */
    const char *version;  /* of the library */
    uint64_t seed;
    bool allow_unsafe_fsync;
    struct tr_registry_events events;
};

/* An actor with messages. */
struct tr_sample {
    uint64_t actor_id;
    uint64_t messages;
    uint64_t oldest_ms; /* age of the oldest message */
    char behavior[128]; /* "": not known by name */
};

/* How many actors have a behavior. */
struct tr_census {
    uint64_t actors;
    char behavior[128];
};

struct tr_samples {
    const struct tr_sample *actors;
    size_t actor_count;
    const uint64_t *gone; /* sampled before, and not to be shown any more */
    size_t gone_count;
    const struct tr_census *census; /* of all behaviors; NULL: unchanged */
    size_t census_count;
};

/* written false: perhaps written, perhaps not. */
typedef void (*tr_samples_done)(void *context, bool written);

struct tr_registry_health {
    bool connected; /* all connections are up */
    bool listening;
    bool fenced;
    troupe_status greeted; /* what the database was found to be, asked last: OK, or SCHEMA ... */
    int64_t lease_deadline_ns;
    uint64_t reconnects;
    uint64_t steps_committed;
    uint64_t steps_refused;
    uint64_t batches;
    uint64_t statements; /* all that were sent */
};

/* The functions of one registry; context is its own. */
struct tr_registry_port {
    void *context;

    /* Connects and joins. The struct's strings are copied. TROUPE_E_NO_MEMORY or OK; the rest comes
     * by events. */
    troupe_status (*start)(void *context, const struct tr_registry_join *join);
    /* Ends: with leave the row becomes `left` first, which may take up to timeout_ms. done is
     * called when nothing more will come. */
    void (*stop)(void *context, bool leave, uint32_t timeout_ms, void (*done)(void *),
                 void *done_context);
    /* Marks the row `draining`, so that nothing is placed here any more, or `up` again. */
    void (*drain)(void *context, bool drain);
    /* Has the row say other metadata, as in the join, from now on and after a rejoin. Copied. What
     * cannot be written now is written later. */
    void (*set_metadata)(void *context, const char *metadata);
    /* After on_fenced: joins again under the same name with a new node id. */
    void (*rejoin)(void *context);
    void (*destroy)(void *context);

    /* Which behaviors this node can recover; may change at any time. Copied. */
    void (*set_behaviors)(void *context, const char *const *names, size_t count);

    void (*register_name)(void *context, const struct tr_name_register *request);
    void (*unregister)(void *context, const char *name, uint64_t epoch, int64_t deadline_ns,
                       tr_name_done done, void *done_context);
    /* Asks the database and refreshes the cache. */
    void (*lookup)(void *context, const char *name, int64_t deadline_ns, tr_name_done done,
                   void *done_context);
    /* Any thread: what the cache knows. Entries of dead nodes are gone before on_member_down is
     * called. */
    bool (*cached)(void *context, const char *name, troupe_pid *pid, uint64_t *epoch);
    /* Any thread: the holder did not know the name any more; drops the entry unless it is newer
     * than epoch. */
    void (*invalidate)(void *context, const char *name, uint64_t epoch);

    /* After on_orphan: the actor runs (done gets FENCED when it was taken meanwhile). Of a name
     * that this node holds, with the actor 0: its actor has ended, and the row stays. */
    void (*started)(void *context, const char *name, uint64_t epoch, uint64_t actor_id,
                    tr_name_done done, void *done_context);
    void (*step)(void *context, struct tr_step *step);
    /* Rows may wait for this name, which this node holds: fetch them, on_inbox follows. Coalesced.
     */
    void (*inbox_hint)(void *context, const char *name);
    /* The handler of this inbox message failed: count the attempt, after the last one it is a dead
     * letter. */
    void (*inbox_failed)(void *context, const char *name, uint64_t epoch, uint64_t id,
                         const char *error);

    /* A durable name that this node holds has no actor any more, since it failed: on_orphan
     * follows, with what was committed last. Nothing happens when the name is not held by that
     * epoch. */
    void (*reload)(void *context, const char *name, uint64_t epoch);

    /* Written behind in batches; an add and a remove inside one window cancel. */
    void (*link_add)(void *context, const struct tr_link_row *row);
    void (*link_remove)(void *context, const struct tr_link_row *row);

    /* What people may see of this node's actors. Behind everything else: answers false, and nothing
     * happens, when the database is away or there is anything else to write. Else done is called,
     * not inside the call. Copied. */
    bool (*sample)(void *context, const struct tr_samples *samples, tr_samples_done done,
                   void *done_context);

    /* The session with a member broke or a dial failed: evidence for its death. refused: its host
     * refused the dial. */
    void (*unreachable)(void *context, uint64_t node_id, bool refused);

    void (*health)(void *context, struct tr_registry_health *health);
};

/* What troupe_registry_postgres gives: a port in a box, so that the node can take it. */
struct troupe_registry {
    struct tr_registry_port port;
};

#endif
