#include <stdio.h>
#include <stdlib.h>

#include "base/bugs.h"
#include "base/check.h"
#include "sched/telemetry.h"
#include "sched/worker.h"
#include "sync/crew.h"

/* Which worker this thread is. */
static _Thread_local struct tr_worker *current;

enum {
    NEXT_TURNS_MAX = 64,      /* runs from `next` in a row before the queue gets its turn */
    INJECTED_EVERY = 61,      /* turns between looks at what other threads injected */
    CLOCK_EVERY = 16,         /* turns between looks at the clock */
    SPINS_BEFORE_SLEEP = 200, /* looks at the queues before a worker sleeps; a few microseconds */
    SLOW_RUN_NS = 50000000,   /* a batch that took longer is told of: others wait meanwhile */
    FLUSH_NS = 50000, /* what was sent leaves at the latest after so long, between two runs */
};

static void unpark(struct tr_worker *worker)
{
    if (tr_parker_unpark(&worker->parker)) {
        const struct tr_io_port *io = tr_sched_io(worker->sched);

        io->interrupt(io->context);
    }
}

void tr_sched_set_io(struct tr_sched *sched, const struct tr_io_port *io)
{
    sched->io_port = *io;
    tr_store_release(&sched->io, (uint64_t)(uintptr_t)&sched->io_port);
}

struct tr_worker *tr_sched_worker(const struct tr_sched *sched)
{
    return current != NULL && current->sched == sched ? current : NULL;
}

/* Takes one worker out of a mask of sleepers and wakes it; answers false when there is none. */
bool tr_sched_wake_from(struct tr_sched *sched, struct tr_atomic_u64 *sleepers)
{
    uint64_t mask = tr_load_relaxed(sleepers);

    while (mask != 0) {
        const uint64_t bit = mask & (~mask + 1);

        if (tr_compare_exchange(sleepers, &mask, mask & ~bit)) {
            unpark(&sched->workers[__builtin_ctzll(bit)]);
            return true;
        }
    }
    return false;
}

/* Wakes one sleeping worker, if there is one. The caller has just put something on a queue. */
static void wake_one(struct tr_sched *sched)
{
    /* Pairs with the fence in tr_worker_sleep: either the sleeper sees the queue, or we see its
     * bit. */
    tr_fence_seq();
    (void)tr_sched_wake_from(sched, &sched->idle_mask);
}

/* The same by a worker: when it is the only one, there is nobody to wake. */
static void wake_another(struct tr_sched *sched)
{
    if (sched->options.workers > 1) {
        wake_one(sched);
    }
}

void tr_sched_enqueue(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor)
{
    if (worker == NULL) {
        tr_run_queue_push(&sched->injected, actor);
        wake_one(sched);
        return;
    }
    if (tr_load_relaxed(&worker->next) == 0) {
        /* Only this worker fills the place, so an empty one stays empty until the store. */
        tr_store_release(&worker->next, (uint64_t)(uintptr_t)actor);
        return;
    }
    struct tr_actor *before =
        (struct tr_actor *)(uintptr_t)tr_exchange(&worker->next, (uint64_t)(uintptr_t)actor);

    if (before != NULL) {
        tr_run_queue_push(&worker->queue, before);
        wake_another(sched);
    }
}

void tr_sched_requeue(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor)
{
    tr_run_queue_push(&worker->queue, actor);
    /* With more than this one to run, a sleeping worker may help. */
    if (tr_load32_relaxed(&worker->queue.count) > 1 || tr_load_relaxed(&worker->next) != 0) {
        wake_another(sched);
    }
}

void tr_sched_thaw(struct tr_sched *sched)
{
    struct tr_actor *actor = NULL;

    while ((actor = tr_run_queue_pop(&sched->frozen)) != NULL) {
        tr_run_queue_push(&sched->injected, actor);
        wake_one(sched);
    }
}

struct tr_actor *tr_worker_take_next(struct tr_worker *worker)
{
    const uint64_t next = tr_load_relaxed(&worker->next);

    if (next == 0) {
        return NULL;
    }
    if (worker->sched->options.workers == 1) {
        tr_store_relaxed(&worker->next, 0); /* Nobody else could take it. */
        return (struct tr_actor *)(uintptr_t)next;
    }
    return (struct tr_actor *)(uintptr_t)tr_exchange(&worker->next, 0);
}

/* Takes work from other workers' queues, starting at one chosen by chance. */
static struct tr_actor *steal(struct tr_worker *worker)
{
    struct tr_sched *sched = worker->sched;
    const uint32_t count = sched->options.workers;
    const uint32_t start = (uint32_t)tr_rng_below(&worker->rng, count);

    struct tr_actor *actor = NULL;

    for (uint32_t i = 0; i < count && actor == NULL; i++) {
        struct tr_worker *victim = &sched->workers[(start + i) % count];

        if (victim != worker) {
            actor = tr_run_queue_steal(&worker->queue, &victim->queue);
            if (TR_BUG(RUN_TWICE) && actor != NULL && tr_load_relaxed(&victim->next) == 0) {
                tr_store_release(&victim->next, (uint64_t)(uintptr_t)actor);
            }
        }
    }
    if (actor != NULL && tr_load32_relaxed(&worker->queue.count) > 0) {
        wake_one(sched); /* More than this worker runs now: others may help. */
    }
    return actor;
}

static struct tr_actor *find_work(struct tr_worker *worker)
{
    struct tr_actor *actor = NULL;

    if (worker->turns % INJECTED_EVERY == 0) {
        actor = tr_run_queue_pop(&worker->sched->injected);
    }
    if (actor == NULL && worker->next_turns < NEXT_TURNS_MAX) {
        actor = tr_worker_take_next(worker);
        worker->next_turns++;
    }
    if (actor == NULL) {
        worker->next_turns = 0;
        actor = tr_run_queue_pop(&worker->queue);
    }
    if (actor == NULL) {
        actor = tr_worker_take_next(worker);
    }
    if (actor == NULL) {
        actor = tr_run_queue_steal(&worker->queue, &worker->sched->injected);
    }
    return actor != NULL ? actor : steal(worker);
}

void tr_worker_look_at_clock(struct tr_worker *worker)
{
    worker->now_ns = tr_clock_now(worker->sched->options.clock);
    if (tr_load32_relaxed(&worker->wheel_count) > 0) {
        tr_worker_expire(worker, worker, worker->now_ns);
    }
}

/* Counts runs that kept the worker for too long; logs the first and then every hundredth. */
static void note_slow_run(struct tr_sched *sched, const troupe_behavior *behavior,
                          uint64_t actor_id, int64_t took_ns)
{
    const struct tr_outward *outward = &sched->options.outward;
    const troupe_pid pid = {.node = tr_sched_node_id(sched), .id = actor_id};
    char text[256];

    if (tr_wants(sched, TROUPE_EVENT_SLOW)) {
        tr_tell(sched, &(troupe_event){.kind = TROUPE_EVENT_SLOW,
                                       .pid = pid,
                                       .behavior = behavior->name,
                                       .duration_ns = took_ns});
    }
    if (tr_add_relaxed(&sched->slow, 1) % 100 != 0) {
        return;
    }
    (void)snprintf(text, sizeof(text), "an actor of behavior \"%s\" ran for %lld ms",
                   behavior->name, (long long)(took_ns / TR_NS_PER_MS));
    outward->log(outward->context, TROUPE_LOG_WARNING, pid, text);
}

static void answer_pulse(struct tr_worker *worker)
{
    const uint64_t pulse = tr_load_relaxed(&worker->sched->pulse);

    /* Says no more than that this worker turns: nothing else has to be visible with it. */
    if (pulse != tr_load_relaxed(&worker->beat)) {
        tr_store_relaxed(&worker->beat, pulse);
    }
}

uint64_t tr_sched_pulse(struct tr_sched *sched)
{
    const uint64_t pulse = tr_add_relaxed(&sched->pulse, 1) + 1;

    /* Waking one makes what was written before visible to it, as for any other work. */
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        unpark(&sched->workers[i]);
    }
    return pulse;
}

uint64_t tr_sched_silent(const struct tr_sched *sched, uint64_t pulse)
{
    uint64_t silent = 0;

    for (uint32_t i = 0; i < sched->options.workers; i++) {
        /* One that is in there is looked after by whoever looks after the loop. */
        if (tr_load_relaxed(&sched->workers[i].beat) < pulse &&
            tr_load32_relaxed(&sched->workers[i].turns_io) == 0) {
            silent |= 1ull << i;
        }
    }
    return silent;
}

/* In the loop of a worker the two halves of a turn are part of it. */
static inline struct tr_actor *take(struct tr_worker *worker)
{
    answer_pulse(worker);
    if (worker->turns % CLOCK_EVERY == 0) {
        tr_worker_look_at_clock(worker);
    }
    struct tr_actor *actor = find_work(worker);

    worker->turns++;
    if (actor == NULL) {
        tr_worker_look_at_clock(worker);
        return NULL;
    }
    tr_store32_relaxed(&worker->turn_count, worker->turns);
    if (worker->rested) {
        tr_worker_ensure_watcher(worker);
    }
    return actor;
}

static inline void run(struct tr_worker *worker, struct tr_actor *actor)
{
    struct tr_sched *sched = worker->sched;
    const troupe_behavior *behavior = actor->behavior;
    const uint64_t id = tr_load_relaxed(&actor->id);

    tr_actor_run(sched, worker, actor);
    const int64_t now_ns = tr_clock_coarse(sched->options.clock);
    const int64_t took_ns = now_ns - worker->run_began_ns;

    worker->run_began_ns = now_ns;
    if (took_ns >= SLOW_RUN_NS) {
        note_slow_run(sched, behavior, id, took_ns);
    }
}

bool tr_worker_step(struct tr_worker *worker)
{
    struct tr_actor *actor = take(worker);

    if (actor != NULL) {
        run(worker, actor);
    }
    return actor != NULL;
}

struct tr_actor *tr_worker_take(struct tr_worker *worker)
{
    return take(worker);
}

void tr_worker_run(struct tr_worker *worker, struct tr_actor *actor)
{
    run(worker, actor);
}

/* Whether some queue has something. */
bool tr_sched_queue_waits(const struct tr_sched *sched)
{
    if (tr_load32_relaxed(&sched->injected.count) > 0) {
        return true;
    }
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        if (tr_load32_relaxed(&sched->workers[i].queue.count) > 0) {
            return true;
        }
    }
    return false;
}

bool tr_sched_has_work(const struct tr_sched *sched)
{
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        if (tr_load_relaxed(&sched->workers[i].next) != 0) {
            return true;
        }
    }
    return tr_sched_queue_waits(sched);
}

uint64_t tr_sched_busy(const struct tr_sched *sched)
{
    const uint64_t all = sched->options.workers == TR_WORKERS_MAX
                             ? UINT64_MAX
                             : (1ull << sched->options.workers) - 1;

    return all & ~tr_load_relaxed(&sched->idle_mask);
}

void tr_worker_flush(struct tr_worker *worker)
{
    const struct tr_io_port *io = tr_sched_io(worker->sched);

    worker->unsent = 0;
    worker->unsent_ns = 0;
    if (io != NULL) {
        io->flush(io->context);
    }
}

/* After a run that has sent to other nodes: at once when nothing else is to be run, so that a lone
 * answer does not wait; else with what the next runs send, for a short while. */
static void flush_if_due(struct tr_worker *worker)
{
    const int64_t now_ns = tr_clock_now(worker->sched->options.clock);

    worker->unsent_ns = worker->unsent_ns == 0 ? now_ns : worker->unsent_ns;
    if ((tr_load_relaxed(&worker->next) == 0 && tr_load32_relaxed(&worker->queue.count) == 0) ||
        now_ns - worker->unsent_ns >= FLUSH_NS) {
        tr_worker_flush(worker);
    }
}

static void worker_main(void *context)
{
    struct tr_worker *worker = context;
    uint32_t seen[TR_WORKERS_MAX] = {0};
    uint32_t spins = 0;

    current = worker;
    while (tr_load32_acquire(&worker->sched->stopping) == 0) {
        if (tr_worker_step(worker)) {
            if (worker->unsent > 0) {
                flush_if_due(worker);
            }
            spins = 0;
        } else if (worker->unsent > 0) {
            tr_worker_flush(worker);
        } else if (spins < SPINS_BEFORE_SLEEP && tr_worker_others_are_busy(worker)) {
            spins++;
        } else {
            tr_worker_sleep(worker, seen);
            spins = 0;
        }
    }
}

static void worker_init(struct tr_worker *worker, struct tr_sched *sched, uint32_t index)
{
    *worker = (struct tr_worker){.sched = sched, .index = index};
    worker->rng.state = sched->options.seed + index;
    worker->batch = TR_BATCH_MESSAGES;
    worker->watched = tr_wants(sched, TROUPE_EVENT_HANDLED) ? TR_WATCHED_HANDLED : 0;
    tr_pool_cache_init(&worker->cache, &sched->pool, sched->options.played);
    tr_parker_init(&worker->parker);
    worker->now_ns = tr_clock_now(sched->options.clock);
    worker->run_began_ns = tr_clock_coarse(sched->options.clock);
    tr_wheel_init(&worker->wheel, (uint64_t)(worker->now_ns / TR_NS_PER_MS));
}

troupe_status tr_sched_create(const struct tr_sched_options *options, struct tr_sched **out)
{
    troupe_status status = TROUPE_E_NO_MEMORY;
    struct tr_sched *sched = NULL;

    TR_CHECK(options->workers >= 1 && options->workers <= TR_WORKERS_MAX);
    sched = calloc(1, sizeof(*sched));
    if (sched == NULL) {
        goto done;
    }
    sched->options = *options;
    tr_pool_init(&sched->pool);
    tr_pool_cache_init(&sched->shared_cache, &sched->pool, true);
    tr_store_relaxed(&sched->node_id, 1);
    tr_store_relaxed(&sched->lease_deadline_ns, INT64_MAX);
    status = tr_table_init(&sched->table, options->actors_max);
    if (status != TROUPE_OK) {
        goto done;
    }
    sched->workers =
        aligned_alloc(64, ((options->workers * sizeof(*sched->workers)) + 63) / 64 * 64);
    if (sched->workers == NULL) {
        status = TROUPE_E_NO_MEMORY;
        goto done;
    }
    if (options->blocking_threads > 0) {
        status = tr_crew_create(options->blocking_threads, options->blocking_queue, &sched->crew);
        if (status != TROUPE_OK) {
            goto done;
        }
    }
    for (uint32_t i = 0; i < options->workers; i++) {
        worker_init(&sched->workers[i], sched, i);
    }
    *out = sched;
    sched = NULL;

done:
    if (sched != NULL) {
        free(sched->workers);
        tr_table_fini(&sched->table);
        free(sched);
    }
    return status;
}

troupe_status tr_sched_start(struct tr_sched *sched)
{
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        const troupe_status status = tr_thread_start(&sched->workers[i].thread, "troupe-worker",
                                                     worker_main, &sched->workers[i]);

        if (status != TROUPE_OK) {
            tr_sched_stop(sched);
            return status;
        }
    }
    return TROUPE_OK;
}

void tr_sched_stop(struct tr_sched *sched)
{
    tr_store32_release(&sched->stopping, 1);
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        unpark(&sched->workers[i]);
    }
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        tr_thread_join(&sched->workers[i].thread);
    }
}

struct tr_pool_cache *tr_sched_cache(struct tr_sched *sched, struct tr_worker *worker)
{
    return worker != NULL ? &worker->cache : &sched->shared_cache;
}
