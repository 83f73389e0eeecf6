/* pg/node_registry.h - one node's registry in PostgreSQL: what its parts share.
 *
 * The parts are listed in pg/parts.h.
 *
 * Each connection has one batch under way at a time; the next one gathers meanwhile.
 *
 * Threads: all fields belong to the loop's thread, except `cache`, which has locks of its own.
 */
#ifndef REG_PG_NODE_REGISTRY_H
#define REG_PG_NODE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "dist/names.h"
#include "io/timer.h"
#include "names/cache.h"
#include "names/evidence.h"
#include "names/held.h"
#include "names/lease.h"
#include "names/link_window.h"
#include "names/members.h"
#include "pg/connection.h"
#include "pg/queues.h"
#include "pg/recovery.h"

enum {
    REG_BATCH_ROWS_MAX = 1000,         /* as troupe.setting batch_max */
    REG_BATCH_BYTES_MAX = 1024 * 1024, /* of states and messages in one batch */
    REG_STATEMENT_TIMEOUT_MS = 15000,  /* above the server's own statement_timeout of 10 s */
    REG_RETRY_MS = 20,                 /* after the database said "again" */
    REG_LINK_WINDOW_MS = 50,
    REG_CLAIM_BATCH = 500
};

#define REG_MS 1000000ll

enum reg_phase {
    REG_PHASE_NEW,
    REG_PHASE_JOINING, /* for the first time, or again after being fenced */
    REG_PHASE_JOINED,
    REG_PHASE_FENCED, /* until rejoin */
    REG_PHASE_FAILED, /* the first join cannot succeed */
    REG_PHASE_LEAVING,
    REG_PHASE_STOPPED
};

/* One of the two connections for batches. */
struct reg_lane {
    struct node_registry *registry;
    struct reg_connection *connection;
    bool ready;         /* greeted */
    bool busy;          /* a batch is under way */
    unsigned last_kind; /* of the batch sent last, so that every kind gets its turn */
    int64_t retry_ns;   /* nothing is sent before this time */
};

struct node_registry {
    struct troupe_registry box; /* first: the port */
    char *conninfo;

    /* from start on */
    struct tr_registry_join join; /* its strings are copies */
    struct tr_loop *loop;
    struct tr_timer *timer;
    int64_t armed_ns; /* when the timer will fire; INT64_MAX for never */
    struct tr_rng rng;
    enum reg_phase phase;
    bool was_member; /* it has joined at least once */

    /* this incarnation */
    uint64_t node_id; /* 0 before the join */
    uint8_t boot[16];
    uint8_t cluster_id[16];
    uint64_t system_id;
    struct reg_lease lease;
    int64_t published_ns; /* the deadline told last */
    struct reg_members members;
    struct reg_cache *cache;
    struct reg_held held;
    char **behaviors;
    size_t behavior_count;

    /* control */
    struct reg_connection *control;
    int64_t server_pid; /* as the greeting saw it; another one later betrays a pooler */
    bool control_ready; /* greeted, listening, joined */
    bool listening;
    bool reading_events; /* or members */
    bool read_again;
    bool members_missed;    /* some could not be noted: the list is read at the next renewal */
    bool drains;            /* what the row is to say */
    bool drain_due;         /* it has not been told yet */
    bool metadata_due;      /* the row does not have that of the join yet */
    bool scanning;          /* for expired leases */
    char last_refusal[160]; /* why the last try to connect failed */
    int64_t join_retry_ns;
    int64_t join_give_up_ns;

    /* death */
    struct reg_evidence evidence;
    int64_t scan_ns; /* when to look for expired leases */

    /* writer */
    struct reg_lane writer;
    struct reg_name_queue registers;
    struct reg_name_queue unregisters;
    struct reg_name_queue starteds;
    struct reg_step_queue steps;
    struct reg_fail_queue fails;
    struct reg_link_window links;
    int64_t links_due_ns; /* INT64_MAX: nothing waits */
    struct reg_link_change links_sent[REG_BATCH_ROWS_MAX];
    size_t links_sent_count;
    struct reg_fail *fail_sent;
    tr_samples_done samples_done; /* NULL: none are under way */
    void *samples_context;

    /* reader */
    struct reg_lane reader;
    struct reg_name_queue lookups;
    struct reg_name_queue late; /* answered at the next tick */
    int64_t op_deadline_ns;     /* the earliest of all operations on names */
    bool inbox_poll;            /* ask which names have messages */
    struct reg_recovery recovery;

    /* stopping */
    bool leave;
    bool leave_sent;
    int64_t stop_ns; /* at the latest; INT64_MAX when not stopping */
    void (*stopped)(void *context);
    void *stopped_context;

    struct tr_registry_health health; /* counters */
};

#endif
