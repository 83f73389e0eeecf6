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
#include "base/siphash.h"
#include "core/actor.h"
#include "core/message.h"
#include "core/wheel.h"
#include "sched/outward.h"
#include "sched/run_queue.h"
#include "sync/parker.h"
#include "sync/pool.h"
#include "sync/thread.h"
#include "troupe/telemetry.h"

struct tr_sched;
struct tr_crew;

enum { TR_WORKERS_MAX = 64 };

struct tr_sched_options {
    uint32_t workers; /* 1 to TR_WORKERS_MAX */
    uint32_t actors_max;
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    uint32_t mailbox_policy; /* troupe_mailbox_policy */
    uint32_t call_timeout_ms;
    uint32_t blocking_threads; /* 0: what blocks runs where it is asked for */
    uint32_t blocking_queue;
    uint64_t seed;
    /* Calls are numbered by it, so that only who was asked can answer. Zero: there are no other
     * nodes, and they are counted. */
    struct tr_siphash_key key;
    const struct tr_clock *clock; /* lent */
    bool played; /* one thread plays all workers, by tr_worker_take; blocks can be refused */
    struct tr_outward outward;
    uint64_t telemetry_events; /* bits; 0: nobody is told */
    uint32_t telemetry_sample;
    troupe_telemetry_fn telemetry;
    void *telemetry_context;
    void *owner; /* the node */
};

struct tr_worker {
    struct tr_sched *sched;
    uint32_t index;
    struct tr_thread thread;
    /* The worker's own. */
    struct tr_pool_cache cache;
    struct tr_rng rng;
    uint32_t turns;       /* actors run, for what is done now and then */
    uint32_t next_turns;  /* runs from `next` in a row */
    uint32_t batch;       /* messages that one run handles at most */
    uint32_t unsampled;   /* messages until the next one that telemetry is told of */
    uint8_t watched;      /* TR_WATCHED_HANDLED or 0, constant */
    bool rested;          /* it has slept since it last ran an actor */
    size_t unsent;        /* bytes sent to other nodes and not left for certain, weighed */
    int64_t unsent_ns;    /* since when */
    int64_t now_ns;       /* read at the start of some turns */
    int64_t run_began_ns; /* on the coarse clock */
    uint32_t io_seen;     /* sched->io_turns when this one left them to another */
    /* Shared. */
    struct tr_atomic_u64 next;       /* the actor woken last by the one that runs */
    struct tr_atomic_u32 turn_count; /* so that others see a handler that does not end */
    struct tr_atomic_u64 beat;       /* the last pulse that it has answered */
    struct tr_atomic_u32 turns_io;   /* it does what the port for input and output has to do */
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
    struct tr_crew *crew;           /* for what blocks; NULL: that runs where it is asked for */
    struct tr_run_queue injected;   /* by threads that are no workers */
    struct tr_atomic_u64 idle_mask; /* workers that sleep or are about to */
    struct tr_atomic_u64 deep_mask; /* those of them that do not look after busy ones */
    struct tr_atomic_u64 node_id;
    struct tr_io_port io_port;
    struct tr_atomic_u64 io;         /* pointer to it; 0 without one */
    struct tr_atomic_u32 io_by;      /* the worker that has last handled what came */
    struct tr_atomic_u32 io_turns;   /* how often one has */
    uint32_t looked[TR_WORKERS_MAX]; /* turn_count of each, as tr_sched_look_after saw it */
    struct tr_atomic_u32 stopping;
    struct tr_atomic_u64 pulse;             /* every worker answers it in its next turn */
    struct tr_atomic_u64 lease_deadline_ns; /* durable actors run before it only */
    struct tr_run_queue frozen;             /* those that wait for the lease */
    struct tr_atomic_u64 dropped;           /* messages to the dead or refused */
    struct tr_atomic_u64 unknown;           /* messages without a handler */
    struct tr_atomic_u64 slow;              /* runs that kept a worker for too long */
    struct tr_atomic_u64 overflows;         /* messages for which a mailbox had no room */
    struct tr_atomic_u64 late;              /* replies that nobody waited for any more */
    struct tr_atomic_u64 suspensions;       /* senders that had to wait for room */
    struct tr_atomic_u64 suspended;         /* those that wait now */
    struct tr_spin pressure_lock;           /* waits_for of all actors */
    struct tr_atomic_u64 system_actors;
};

TROUPE_MUST_USE troupe_status tr_sched_create(const struct tr_sched_options *options,
                                              struct tr_sched **out);
TROUPE_MUST_USE troupe_status tr_sched_start(struct tr_sched *sched);
/* Asks every worker to turn once more, waking those that sleep; answers the number of the pulse. */
uint64_t tr_sched_pulse(struct tr_sched *sched);
/* The workers that have not answered it yet, as a mask: 0 when all have. Any thread. */
uint64_t tr_sched_silent(const struct tr_sched *sched, uint64_t pulse);
/* Ends the workers' threads; actors stay as they are. Not from a worker. */
void tr_sched_stop(struct tr_sched *sched);
/* After stop: kills what is left without telling anybody and releases everything. */
void tr_sched_destroy(struct tr_sched *sched);

/* The worker of this scheduler that the calling thread is, or NULL. */
struct tr_worker *tr_sched_worker(const struct tr_sched *sched);

/* One turn of a worker: runs one actor, or answers false when there was nothing to do. For the
 * thread of the worker, or a test that plays all of them. */
bool tr_worker_step(struct tr_worker *worker);

/* The two halves of a turn: finds an actor to run, or answers NULL; and runs it. */
struct tr_actor *tr_worker_take(struct tr_worker *worker);
void tr_worker_run(struct tr_worker *worker, struct tr_actor *actor);

/* Has what actors of this worker sent to other nodes leave now. Its thread, outside of any lock. */
void tr_worker_flush(struct tr_worker *worker);

/* Whether some queue has an actor. */
bool tr_sched_has_work(const struct tr_sched *sched);

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

/* Runs function in the context of an actor, as soon as its turn comes; or, with self NULL, when the
 * actor is not there or ends before: exactly once in any case. Any thread. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_sched_run_in(struct tr_sched *sched, uint64_t actor_id,
                                              void (*function)(troupe_self *self, void *context),
                                              void *context);

/* The same as soon as the actor takes in what has arrived, before the messages that wait; the
 * function only looks, or makes relations as signals do. */
TROUPE_MUST_USE troupe_status tr_sched_inspect(struct tr_sched *sched, uint64_t actor_id,
                                               void (*function)(troupe_self *self, void *context),
                                               void *context);

/* Whether text may be a name: 1 to 255 bytes of UTF-8 without control characters. */
bool tr_name_is_valid(const char *name);

static inline uint64_t tr_sched_node_id(const struct tr_sched *sched)
{
    return tr_load_relaxed(&sched->node_id);
}

/* ---- run queues ---- */

void tr_sched_enqueue(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor);
/* Puts an actor that has more to do behind the others of its worker. */
void tr_sched_requeue(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor);
/* Moves all frozen actors back, after the lease was renewed. Any thread. */
void tr_sched_thaw(struct tr_sched *sched);

#endif
