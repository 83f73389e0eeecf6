/* sched/sched.h - who runs when: workers, run queues, stealing, sleeping; and the way of a signal.
 *
 *     tr_sched_create(&options, &sched); tr_sched_start(sched); ... tr_sched_stop(sched); destroy
 *
 * An actor is in one of four places: parked (its mailbox is idle), on one run queue, run by one
 * worker, or set aside while this node's lease has run out. Whoever turns an idle mailbox busy puts
 * it on a queue, and nobody else does. A worker prefers the actor that was woken last by the one it
 * just ran (`next`): what two actors pass to and fro stays in one processor's cache.
 *
 * Threads: said with each function.
 */
#ifndef TR_SCHED_SCHED_H
#define TR_SCHED_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rng.h"
#include "core/actor.h"
#include "core/message.h"
#include "core/wheel.h"
#include "sync/parker.h"
#include "sync/pool.h"
#include "sync/thread.h"
#include "type/limits.h"
#include "type/value.h"

struct tr_sched;

enum { TR_WORKERS_MAX = 64 };

/* What the scheduler needs from above: the port to other nodes, names and the store. A local node
 * has one too, whose functions say "nobody is there". */
struct tr_outward {
    void *context;

    /* Sends to another node. Takes the message. Any thread. TROUPE_E_BUSY only for counted signals.
     */
    troupe_status (*post)(void *context, struct tr_message *message);
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
    /* A name was given to an actor that had ended already. */
    void (*unnamed)(void *context, uint64_t actor_id, const char *name);
    /* The actor has ended; its names must go before its links and monitors are told. */
    void (*ended)(void *context, struct tr_actor *actor, int32_t reason_kind);
    /* A durable actor has run: answers true when it has to wait for a commit. */
    bool (*checkpoint)(void *context, troupe_self *self, bool ending);
    /* The step is decided. Answers false when the actor was fenced. */
    bool (*committed)(void *context, troupe_self *self, uint64_t outcome);
    /* A message of the inbox table was handled; or its handler failed. */
    void (*inbox_handled)(void *context, troupe_self *self, uint64_t row_id);
    void (*inbox_failed)(void *context, troupe_self *self, uint64_t row_id, const char *why);
    /* Writes a log line. Any thread. */
    void (*log)(void *context, int32_t level, troupe_pid pid, const char *text);
};

struct tr_sched_options {
    uint32_t workers; /* 1 to TR_WORKERS_MAX */
    uint32_t actors_max;
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    uint32_t call_timeout_ms;
    uint64_t seed;
    const struct tr_clock *clock; /* lent */
    struct tr_outward outward;
    void *owner; /* the node */
};

struct tr_run_queue {
    struct tr_spin lock;
    struct tr_actor *head;
    struct tr_actor *tail;
    struct tr_atomic_u32 count; /* written under the lock, looked at without */
};

struct tr_worker {
    struct tr_sched *sched;
    uint32_t index;
    struct tr_thread thread;
    /* The worker's own. */
    struct tr_pool_cache cache;
    struct tr_rng rng;
    uint32_t turns;      /* actors run, for what is done now and then */
    uint32_t next_turns; /* runs from `next` in a row */
    int64_t now_ns;      /* read at the start of some turns */
    /* Shared. */
    struct tr_atomic_u64 next;       /* the actor woken last by the one that runs */
    struct tr_atomic_u32 turn_count; /* so that others see a handler that does not end */
    struct tr_run_queue queue;
    struct tr_spin wheel_lock;
    struct tr_wheel wheel;
    struct tr_atomic_u32 wheel_count; /* as the queue's */
    struct tr_parker parker;
};

struct tr_sched {
    struct tr_sched_options options;
    struct tr_table table;
    struct tr_pool pool;
    struct tr_pool_cache shared_cache; /* for threads that are no workers */
    struct tr_worker *workers;
    struct tr_run_queue injected;   /* by threads that are no workers */
    struct tr_atomic_u64 idle_mask; /* workers that sleep or are about to */
    struct tr_atomic_u64 node_id;
    struct tr_atomic_u32 stopping;
    struct tr_atomic_u64 lease_deadline_ns; /* durable actors run before it only */
    struct tr_run_queue frozen;             /* those that wait for the lease */
    struct tr_atomic_u64 dropped;           /* messages to the dead or refused */
    struct tr_atomic_u64 unknown;           /* messages without a handler */
    struct tr_atomic_u64 slow;              /* handlers above TR_SLOW_HANDLER_NS */
    struct tr_atomic_u64 system_actors;
};

/* The actor that runs, and what its callback has said so far. On the stack of the run. */
struct troupe_self {
    struct tr_sched *sched;
    struct tr_worker *worker;
    struct tr_actor *actor;
    uint64_t id;
    struct tr_message *current; /* being handled; NULL outside of one */
    bool answered;              /* the current request was replied to or taken */
    bool stopping;
    bool held; /* signals are kept until the checkpoint is committed */
    int32_t stop_kind;
    char stop_text[TR_REASON_TEXT_SIZE];
    char fail_text[TR_REASON_TEXT_SIZE];
};

TROUPE_MUST_USE troupe_status tr_sched_create(const struct tr_sched_options *options,
                                              struct tr_sched **out);
TROUPE_MUST_USE troupe_status tr_sched_start(struct tr_sched *sched);
/* Ends the workers' threads; actors stay as they are. Not from a worker. */
void tr_sched_stop(struct tr_sched *sched);
/* After stop: kills what is left without telling anybody and releases everything. */
void tr_sched_destroy(struct tr_sched *sched);

/* One turn of a worker: runs one actor, or answers false when there was nothing to do. For the
 * thread of the worker, or a test that plays all of them. */
bool tr_worker_step(struct tr_worker *worker);

/* ---- signals ---- */

/* Sends a signal on its way; takes it. worker: the calling thread's, or NULL. TROUPE_E_BUSY when
 * the mailbox is full, TROUPE_E_NOCONNECTION or TROUPE_E_NOPROC when nobody is there (what had to
 * be told of that has been told). Any thread. */
troupe_status tr_sched_post(struct tr_sched *sched, struct tr_worker *worker,
                            struct tr_message *message);

/* What becomes of a signal whose actor is dead or unreachable: an answer to the sender, by kind.
 * Takes it. */
void tr_sched_bounce(struct tr_sched *sched, struct tr_worker *worker, struct tr_message *message,
                     troupe_status why, const struct tr_reason *reason);

/* The cache of the calling thread. */
struct tr_pool_cache *tr_sched_cache(struct tr_sched *sched, struct tr_worker *worker);

/* Runs function in the context of an actor, as soon as its turn comes. Any thread. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_sched_run_in(struct tr_sched *sched, uint64_t actor_id,
                                              void (*function)(troupe_self *self, void *context),
                                              void *context);

/* The same as soon as the actor takes in what has arrived, before the messages that wait; the
 * function only looks. It is called with self NULL when there is no such actor: exactly once in any
 * case. */
TROUPE_MUST_USE troupe_status tr_sched_inspect(struct tr_sched *sched, uint64_t actor_id,
                                               void (*function)(troupe_self *self, void *context),
                                               void *context);

/* Sends a signal from an actor: at once, or after its commit. Takes it. */
troupe_status tr_self_emit(troupe_self *self, struct tr_message *message);

/* A message to a name, not addressed yet; its name follows the value. NULL: no memory. */
struct tr_message *tr_self_named(troupe_self *self, enum tr_signal_kind signal, const char *name,
                                 const troupe_type *type, const void *message, int64_t deadline_ns);

/* Whether text may be a name: 1 to 255 bytes of UTF-8 without control characters. */
bool tr_name_is_valid(const char *name);

static inline uint64_t tr_sched_node_id(const struct tr_sched *sched)
{
    return tr_load_relaxed(&sched->node_id);
}

static inline troupe_pid tr_self_pid(const troupe_self *self)
{
    return (troupe_pid){.node = tr_sched_node_id(self->sched), .id = self->id};
}

/* ---- run queues ---- */

void tr_sched_enqueue(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor);
/* Puts an actor that has more to do behind the others of its worker. */
void tr_sched_requeue(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor);
/* Moves all frozen actors back, after the lease was renewed. Any thread. */
void tr_sched_thaw(struct tr_sched *sched);
void tr_run_queue_push(struct tr_run_queue *queue, struct tr_actor *actor);
struct tr_actor *tr_run_queue_pop(struct tr_run_queue *queue);
/* Moves up to half of the other queue, at least one, here; answers the first of them, or NULL. */
struct tr_actor *tr_run_queue_steal(struct tr_run_queue *queue, struct tr_run_queue *from);

/* ---- one run of one actor ---- */

enum { TR_BATCH_MESSAGES = 64 };
#define TR_SLOW_HANDLER_NS 50000000ll

void tr_actor_run(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor);
/* Takes in what has arrived: signals act, messages queue. */
void tr_actor_fetch(troupe_self *self);
/* Acts on a system signal and takes it, answering true; or answers false: it is a message, or has
 * become one, and queues. */
bool tr_signal_act(troupe_self *self, struct tr_message *message);
/* Puts a message at the end of what is taken and not handled. */
void tr_actor_append(struct tr_actor *actor, struct tr_message *message);
/* The commit for which the actor was suspended has come. */
void tr_actor_on_committed(troupe_self *self, uint64_t outcome);
/* Tells the registry's table of a relation across nodes. */
void tr_self_note_relation(troupe_self *self, bool made, const struct tr_relation *relation);
void tr_owed_free(struct tr_owed *owed);
/* Handles one message; takes it. */
void tr_actor_dispatch(troupe_self *self, struct tr_message *message);
/* Ends the actor: tells everybody, frees everything. */
void tr_actor_end(troupe_self *self);
/* Notes that the actor must end; the first reason counts, but kill overrides. */
void tr_self_stop(troupe_self *self, int32_t kind, const char *text);
/* What a callback answered: goes on, or stops. */
void tr_self_answer(troupe_self *self, int answer);

/* Starts an actor in the context of self; init has run when it answers. link and monitor per
 * options. parent: who is told (may be remote, then session is its session). */
struct tr_spawn {
    const troupe_behavior *behavior;
    const void *args;
    const void *state; /* NULL: init; else a described state to start from, and recover runs */
    int32_t state_version;
    uint8_t actor_flags;  /* TR_ACTOR_* */
    uint32_t spawn_flags; /* TROUPE_SPAWN_LINK, _MONITOR */
    troupe_pid parent;
    uint32_t parent_session;
    uint64_t monitor_ref; /* the parent's */
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    /* Called on the new actor before init or recover; may fail. Sets name and durable record. */
    troupe_status (*prepare)(void *context, struct tr_actor *actor);
    /* Called after init or recover, before the actor can run. May be NULL. */
    troupe_status (*begun)(void *context, struct tr_actor *actor);
    void *prepare_context; /* of both */
};
TROUPE_MUST_USE troupe_status tr_actor_spawn(struct tr_sched *sched, struct tr_worker *worker,
                                             const struct tr_spawn *spawn, troupe_pid *pid,
                                             char *error, size_t error_size);

/* ---- waiting ---- */

/* Makes a wait with a fresh ref and starts its time. timeout_ms 0: without end. NULL: no memory. */
struct tr_wait *tr_wait_start(troupe_self *self, enum tr_wait_kind kind, uint64_t timeout_ms);
/* Ends a wait and releases it. */
void tr_wait_end(troupe_self *self, struct tr_wait *wait);
struct tr_wait *tr_wait_find(troupe_self *self, uint64_t ref);
/* Starts the time of a wait again (intervals). */
void tr_wait_again(troupe_self *self, struct tr_wait *wait, uint64_t delay_ms);
/* Gives out what has run out in one wheel. Any worker. */
void tr_worker_expire(struct tr_worker *shard, struct tr_worker *worker, int64_t now_ns);
/* Runs a continuation with how its operation ended; ends the wait. */
void tr_wait_finish(troupe_self *self, struct tr_wait *wait, const troupe_result *result);

/* The session of a remote pid for a new link, monitor or call; 0 for none. Local pids: 0 and *local
 * true. */
uint32_t tr_self_watch(troupe_self *self, uint64_t node_id);

/* Releases a described or plain state. */
void tr_state_free(const troupe_behavior *behavior, void *state);
extern const struct tr_allocator tr_state_allocator;

#endif
