/* What a worker does that has nothing to run: looks after those that have, waits for input and
 * output, sleeps. */
#include "sched/worker.h"

enum {
    BUSY_LOOK_MS = 1,  /* how often a sleeping worker looks after one that is busy */
    IO_LEFT_NS = 50000 /* for so long a busy one may leave input and output to nobody */
};

/* Whether there is something for this worker; what another one runs next is that one's. */
static bool work_waits(const struct tr_worker *worker)
{
    return tr_sched_queue_waits(worker->sched) || tr_load_relaxed(&worker->next) != 0;
}

/* Has a sleeping worker look after the others every while, unless one does. */
static void wake_watcher(struct tr_sched *sched)
{
    const uint64_t idle = tr_load_relaxed(&sched->idle_mask);
    const uint64_t deep = tr_load_relaxed(&sched->deep_mask);

    if ((idle & ~deep) == 0) {
        (void)tr_sched_wake_from(sched, &sched->deep_mask);
    }
}

/* While one worker runs an actor, somebody looks every while whether that one is stuck in a
 * handler, with an actor it woke or with timers: the thread behind the port for input and output,
 * else another worker that has nothing to do. Whoever begins to work makes sure that there is such
 * a one; when nobody works, all sleep without end. */
void tr_worker_ensure_watcher(struct tr_worker *worker)
{
    struct tr_sched *sched = worker->sched;

    worker->rested = false;
    /* Pairs with the fence in tr_worker_sleep: either we see there who sleeps deep, or that one
     * sees that we are busy. */
    tr_fence_seq();
    const struct tr_io_port *io = tr_sched_io(sched);

    if (io != NULL) {
        io->watch(io->context); /* To wake a worker for every message that comes would cost more. */
    } else {
        wake_watcher(sched);
    }
}

void tr_sched_look_after(struct tr_sched *sched)
{
    uint64_t busy = tr_sched_busy(sched);
    bool stuck = false;

    for (; busy != 0; busy &= busy - 1) {
        const uint32_t i = (uint32_t)__builtin_ctzll(busy);
        const uint32_t turns = tr_load32_relaxed(&sched->workers[i].turn_count);

        stuck = stuck || turns == sched->looked[i];
        sched->looked[i] = turns;
    }
    if (stuck) {
        wake_watcher(sched);
    }
}

bool tr_worker_others_are_busy(const struct tr_worker *worker)
{
    return (tr_sched_busy(worker->sched) & ~(1ull << worker->index)) != 0;
}

/* Takes the place of workers whose handler does not end: their timers and the actor they woke last.
 */
static void help_stuck(struct tr_worker *worker, uint32_t seen[TR_WORKERS_MAX])
{
    struct tr_sched *sched = worker->sched;

    for (uint32_t i = 0; i < sched->options.workers; i++) {
        struct tr_worker *other = &sched->workers[i];
        const uint32_t turns = tr_load32_relaxed(&other->turn_count);

        if (other != worker && turns == seen[i]) {
            struct tr_actor *actor = tr_worker_take_next(other);

            if (actor != NULL) {
                tr_run_queue_push(&worker->queue, actor);
            }
            if (tr_load32_relaxed(&other->wheel_count) > 0) {
                tr_worker_expire(other, worker, worker->now_ns);
            }
        }
        seen[i] = turns;
    }
}

/* How long to sleep: until the first timer runs out, or shortly when somebody may need help. */
static int64_t sleep_ns(struct tr_worker *worker, bool watches)
{
    uint64_t next_ms = UINT64_MAX;
    int64_t timeout_ns = -1;

    if (tr_load32_relaxed(&worker->wheel_count) > 0) {
        tr_spin_lock(&worker->wheel_lock);
        next_ms = tr_wheel_next_ms(&worker->wheel);
        tr_spin_unlock(&worker->wheel_lock);
    }
    if (next_ms != UINT64_MAX) {
        timeout_ns = (int64_t)next_ms * TR_NS_PER_MS - worker->now_ns;
        timeout_ns = timeout_ns < 0 ? 0 : timeout_ns;
    }
    if (watches && (timeout_ns < 0 || timeout_ns > BUSY_LOOK_MS * TR_NS_PER_MS)) {
        timeout_ns = BUSY_LOOK_MS * TR_NS_PER_MS;
    }
    return timeout_ns;
}

static void set_bit(struct tr_atomic_u64 *mask, uint32_t index, bool on)
{
    const uint64_t bit = 1ull << index;
    uint64_t before = tr_load_relaxed(mask);

    if (!on && (before & bit) == 0) {
        return; /* Only others take it away, and only its owner sets it. */
    }
    while (!tr_compare_exchange(mask, &before, on ? before | bit : before & ~bit)) {
    }
}

static void wake_up(struct tr_worker *worker)
{
    set_bit(&worker->sched->deep_mask, worker->index, false);
    set_bit(&worker->sched->idle_mask, worker->index, false);
    worker->run_began_ns = tr_clock_coarse(worker->sched->options.clock);
}

/* Waits for input and output, unless somebody else does, and handles it: what it brings for actors
 * they get from this thread. Answers false when nobody may wait there now. */
static bool wait_for_io(struct tr_worker *worker, int64_t timeout_ns)
{
    const struct tr_io_port *io = tr_sched_io(worker->sched);
    bool came = false;

    if (io == NULL || !io->claim(io->context)) {
        return false;
    }
    if (tr_parker_step_out(&worker->parker)) {
        came = io->wait(io->context, timeout_ns);
        tr_parker_step_in(&worker->parker);
    }
    if (came) {
        wake_up(worker);
        tr_store32_relaxed(&worker->sched->io_by, worker->index);
        tr_store32_relaxed(&worker->sched->io_turns,
                           tr_load32_relaxed(&worker->sched->io_turns) + 1);
        tr_store32_relaxed(&worker->turns_io, 1);
        io->turn(io->context);
        tr_store32_relaxed(&worker->turns_io, 0);
    }
    io->release(io->context);
    return true;
}

/* Whether input and output is left to another worker, which has handled it last and is busy with
 * what it brought: it will be back sooner than this one could take over. When it is not, this one
 * does. */
static bool leaves_io(struct tr_worker *worker)
{
    const struct tr_sched *sched = worker->sched;
    const uint32_t turns = tr_load32_relaxed(&sched->io_turns);

    if (tr_load32_relaxed(&sched->io_by) == worker->index ||
        (worker->rested && turns == worker->io_seen)) {
        return false;
    }
    worker->io_seen = turns;
    return true;
}

void tr_worker_sleep(struct tr_worker *worker, uint32_t seen[TR_WORKERS_MAX])
{
    struct tr_sched *sched = worker->sched;

    set_bit(&sched->idle_mask, worker->index, true);
    set_bit(&sched->deep_mask, worker->index, true);
    /* Pairs with the fences in wake_one and tr_worker_ensure_watcher. */
    tr_fence_seq();
    if (!work_waits(worker) && tr_load32_acquire(&sched->stopping) == 0) {
        const bool watches = tr_worker_others_are_busy(worker);

        if (watches) {
            set_bit(&sched->deep_mask, worker->index, false);
        }
        const int64_t timeout_ns = sleep_ns(worker, watches);

        if (watches && leaves_io(worker)) {
            tr_parker_park(&worker->parker,
                           !worker->rested && timeout_ns > IO_LEFT_NS ? IO_LEFT_NS : timeout_ns);
        } else if (!wait_for_io(worker, timeout_ns)) {
            tr_parker_park(&worker->parker, timeout_ns);
        }
    }
    wake_up(worker);
    worker->rested = true;
    tr_worker_look_at_clock(worker);
    help_stuck(worker, seen);
}
