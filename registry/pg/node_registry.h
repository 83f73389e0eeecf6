/* pg/node_registry.h - one node's registry in PostgreSQL: what its parts share.
 *
 *     postgres.c   the port: start, stop, fencing, the timer that all parts use
 *     greeting.c   what is asked first on each connection
 *     control.c    joining, renewing, leaving                   on the connection `control`
 *     events.c     members and what happens to them             control
 *     death.c      accusations                                  control
 *     lanes.c      which batch is sent next
 *     names.c      register, unregister, started, look-ups      writer and reader
 *     steps.c      transactional steps                          writer
 *     links.c      links written behind, failed messages        writer
 *     recovery.c   orphans of dead nodes, and sweeping          reader
 *     inbox.c      messages that wait in the database           reader
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
#include "pg/statements_sql.h"
#include "troupe/actor.h"

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

enum { REG_TODO_MAX = 64 };

enum reg_pass {
    REG_PASS_PLAN,  /* how many names there are, and where to begin */
    REG_PASS_SHARE, /* from our own place, our share */
    REG_PASS_REST   /* from the beginning, whatever the others left */
};

struct reg_dead_node {
    uint64_t node_id; /* 0: none */
    bool own;         /* it had our name: everything is for us */
};

struct reg_name_item {
    struct reg_name_item *next;
    char name[];
};

struct reg_recovery {
    /* what to ask when the reader is free */
    bool wanted;   /* which dead nodes have orphans */
    bool starting; /* which names were claimed and not started */
    bool sweeping; /* which dead nodes have rows left */
    bool pruning;
    int64_t next_ns; /* the slow poll */
    unsigned polls;

    /* claiming */
    struct reg_dead_node claiming;
    struct reg_dead_node todo[REG_TODO_MAX];
    size_t todo_count;
    enum reg_pass pass;
    int64_t share; /* names that are still ours to take */
    unsigned empty;
    char *after;       /* the next claim takes names after this one */
    int64_t resume_ns; /* not before */
    struct reg_name_item *load;
    struct reg_name_item *loading;

    /* sweeping */
    uint64_t sweep[REG_TODO_MAX];
    size_t sweep_count;
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
    bool control_ready; /* greeted, listening, joined */
    bool listening;
    int64_t server_pid;  /* as the greeting saw it; another one later betrays a pooler */
    bool reading_events; /* or members */
    bool read_again;
    bool draining;
    char last_refusal[160]; /* why the last try to connect failed */
    int64_t join_retry_ns;
    int64_t join_give_up_ns;

    /* death */
    struct reg_evidence evidence;
    int64_t scan_ns; /* when to look for expired leases */
    bool scanning;

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

/* ---- postgres.c ---- */

int64_t reg_now(const struct node_registry *registry);
struct reg_clock reg_clock_now(const struct node_registry *registry);

/* Has the parts' ticks called at this time at the latest. */
void reg_wake_at(struct node_registry *registry, int64_t at_ns);

void reg_log(struct node_registry *registry, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first join cannot succeed. */
void reg_fail_join(struct node_registry *registry, troupe_status status, const char *text);

/* This node id is dead: ends everything that was done in its name. */
void reg_fence(struct node_registry *registry, const char *why);

static inline const char *reg_sql(enum reg_sql_statements_index index)
{
    return reg_sql_statements[index].text;
}

static inline bool reg_is_joined(const struct node_registry *registry)
{
    return registry->phase == REG_PHASE_JOINED || registry->phase == REG_PHASE_LEAVING;
}

/* ---- greeting.c ---- */

/* Opens a lane after the join. */
troupe_status reg_lane_create(struct node_registry *registry, struct reg_lane *lane);
void reg_lane_open(struct reg_lane *lane);

/* Has a connection carry the name of this node id from its next start on. */
void reg_name_connection(struct node_registry *registry, struct reg_connection *connection);

/* Sends the first statement on a connection. */
troupe_status reg_greet(struct node_registry *registry, struct reg_connection *connection,
                        reg_query_done done, void *context);

/* Judges its answer: OK, or why this server cannot be used, in words. */
troupe_status reg_greeting_judge(struct node_registry *registry, const struct reg_result *result,
                                 char *words, size_t words_size);

/* ---- control.c ---- */

troupe_status reg_control_create(struct node_registry *registry);
void reg_control_join(struct node_registry *registry);

/* Sends a statement on the connection; false when it was not sent, then done is not called. */
bool reg_control_ask(struct node_registry *registry, enum reg_sql_statements_index statement,
                     struct reg_params *params, reg_query_done done);
void reg_control_drain(struct node_registry *registry);
void reg_control_leave(struct node_registry *registry);
int64_t reg_control_tick(struct node_registry *registry, int64_t now_ns);

/* ---- events.c ---- */

/* Reads what happened since the last event read; or all members. */
void reg_control_read_events(struct node_registry *registry);
void reg_control_read_members(struct node_registry *registry);

/* ---- death.c ---- */

void reg_death_unreachable(struct node_registry *registry, uint64_t node_id, bool refused);

/* A renewal told when the next lease of another node runs out. */
void reg_death_expires_in(struct node_registry *registry, int64_t expires_in_ms);
int64_t reg_death_tick(struct node_registry *registry, int64_t now_ns);

/* ---- lanes.c ---- */

/* Sends the next batch when the lane is free. */
void reg_writer_pump(struct node_registry *registry);

/* A batch has ended. again: wait a moment before the next. */
void reg_lane_done(struct reg_lane *lane, bool again);

/* True when nothing that was promised is unfinished. */
bool reg_writer_is_idle(const struct node_registry *registry);

/* ---- names.c and name_batches.c ---- */

/* Takes an operation in; request has name, deadline, done and context for every kind. */
void reg_names_submit(struct node_registry *registry, enum reg_name_kind kind,
                      const struct tr_name_register *request, uint64_t epoch);

/* Gives a name back whose caller was told UNKNOWN and does not know that it has it. */
void reg_names_release(struct node_registry *registry, const char *name, uint64_t epoch);

/* Finds out whether such a registration was granted, to give it back then. */
void reg_names_settle(struct node_registry *registry, const struct reg_name_op *op);

bool reg_names_send_registers(struct node_registry *registry);
bool reg_names_send_unregisters(struct node_registry *registry);
bool reg_names_send_starteds(struct node_registry *registry);
bool reg_names_send_lookups(struct node_registry *registry);

/* Answers what waits beyond its deadline; when the next one is. */
int64_t reg_names_tick(struct node_registry *registry, int64_t now_ns);

/* Answers everything that waits. */
void reg_names_end(struct node_registry *registry, troupe_status status, const char *text);

/* ---- steps.c ---- */

bool reg_steps_send(struct node_registry *registry);
void reg_steps_end(struct node_registry *registry);

/* ---- links.c ---- */

bool reg_links_send(struct node_registry *registry);
bool reg_fails_send(struct node_registry *registry);
void reg_links_note(struct node_registry *registry, const struct tr_link_row *row, bool add);
void reg_fails_note(struct node_registry *registry, const char *name, uint64_t epoch, uint64_t id,
                    const char *error);

void reg_reader_pump(struct node_registry *registry);

/* ---- recovery.c ---- */

/* A member has died, or this node has just joined. */
void reg_recovery_want(struct node_registry *registry);

/* Reads a name that this node holds from its row again; on_orphan follows. */
void reg_recovery_load(struct node_registry *registry, const char *name);
bool reg_recovery_send(struct node_registry *registry);
int64_t reg_recovery_tick(struct node_registry *registry, int64_t now_ns);
void reg_recovery_reset(struct node_registry *registry);

/* ---- inbox.c ---- */

bool reg_inbox_send(struct node_registry *registry);
void reg_inbox_hint(struct node_registry *registry, const char *name);

#endif
