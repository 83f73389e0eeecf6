/* Who waits for a loop and who turns it.
 *
 * One thread at a time waits for events: the one that has claimed it. It waits on libuv's own
 * descriptor, outside of any lock, so that others may turn the loop or run its hooks meanwhile;
 * what they change that concerns the wait (a timer that is due earlier, a descriptor that libuv
 * does not watch yet) interrupts it. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/loop_uv.h"
#include "sync/thread.h"

enum {
    LOOK_NS = 1000000, /* how often the loop's own thread looks after helpers that are busy */
    LOOKS_BEFORE_REST = 10,
    SPIN_NS = 60000,  /* a wait that has lately ended sooner than this begins without sleeping */
    SPIN_CREDIT = 16, /* so many of them may be in vain */
    SPIN_PROBE = 64   /* then every so many-th is tried again */
};

int tr_loop_turn_init(struct tr_loop *loop)
{
    int result = uv_mutex_init(&loop->turning);

    if (result != 0) {
        return result;
    }
    loop->backend_fd = uv_backend_fd(&loop->uv);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        result = uv_translate_sys_error(errno);
        uv_mutex_destroy(&loop->turning);
        return result;
    }
    tr_parker_init(&loop->parker);
    tr_store_relaxed(&loop->due_ns, 0);
    return 0;
}

void tr_loop_turn_fini(struct tr_loop *loop)
{
    tr_parker_fini(&loop->parker);
    (void)close(loop->wake_fd);
    uv_mutex_destroy(&loop->turning);
}

void tr_loop_set_helpers(struct tr_loop *loop, const struct tr_loop_helpers *helpers)
{
    loop->helpers = *helpers;
}

static uint64_t busy_helpers(const struct tr_loop *loop)
{
    return loop->helpers.busy == NULL ? 0 : loop->helpers.busy(loop->helpers.context);
}

/* ---- waiting ---- */

bool tr_loop_claim(struct tr_loop *loop)
{
    /* Sequentially consistent against settle: either the wait sees what is due, or settle sees that
     * somebody waits. */
    return tr_load32_acquire(&loop->ended) == 0 && tr_load32_relaxed(&loop->claimed) == 0 &&
           tr_exchange32_seq(&loop->claimed, 1) == 0;
}

void tr_loop_release(struct tr_loop *loop)
{
    tr_store32_release(&loop->claimed, 0);
}

void tr_loop_interrupt(struct tr_loop *loop)
{
    const uint64_t one = 1;
    const ssize_t written = write(loop->wake_fd, &one, sizeof(one));

    (void)written; /* Refused only when so much is in it that it is readable anyway. */
}

static int poll_ms(uint64_t left_ns)
{
    const uint64_t ms = tr_loop_ms_up(left_ns);

    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* One look at both descriptors. Answers whether it has to be the last one of this wait; *came is
 * whether libuv has something. */
static bool look(struct tr_loop *loop, int timeout_ms, bool *came)
{
    struct pollfd fds[2] = {{.fd = loop->backend_fd, .events = POLLIN},
                            {.fd = loop->wake_fd, .events = POLLIN}};

    if (poll(fds, 2, timeout_ms) <= 0) {
        return false;
    }
    *came = fds[0].revents != 0;
    if (fds[1].revents != 0) {
        uint64_t count = 0;
        const ssize_t got = read(loop->wake_fd, &count, sizeof(count));

        (void)got; /* Somebody who waited before may have been quicker. */
    }
    return true;
}

/* Looks for a short while without sleeping, when such looks were not in vain lately: on many
 * machines it takes longer to wake a thread than another node takes to answer. */
static bool spin(struct tr_loop *loop, uint64_t until_ns, bool *came)
{
    uint64_t now = uv_hrtime();
    const uint64_t spin_until = now + SPIN_NS < until_ns ? now + SPIN_NS : until_ns;

    if (loop->helpers.busy == NULL) {
        return false;
    }
    if (loop->credit == 0) {
        loop->misses++;
        if (loop->misses % SPIN_PROBE != 0) {
            return false;
        }
    }
    while (now < spin_until) {
        if (look(loop, 0, came)) {
            loop->credit = SPIN_CREDIT;
            return true;
        }
        tr_thread_yield();
        now = uv_hrtime();
    }
    loop->credit -= loop->credit > 0 ? 1 : 0;
    return false;
}

bool tr_loop_wait(struct tr_loop *loop, int64_t timeout_ns)
{
    const uint64_t now = uv_hrtime();
    const uint64_t due = tr_load_seq(&loop->due_ns);
    uint64_t until = timeout_ns < 0 ? UINT64_MAX : now + (uint64_t)timeout_ns;
    bool came = false;

    until = due < until ? due : until;
    if (until <= now) {
        (void)look(loop, 0, &came);
    } else if (!spin(loop, until, &came)) {
        (void)look(loop, until == UINT64_MAX ? -1 : poll_ms(until - now), &came);
    }
    return came || tr_load_seq(&loop->due_ns) <= uv_hrtime();
}

/* ---- turning ---- */

/* Notes when the loop wants its next turn; under `turning`. from_outside: not by the one who waits
 * for it, whose wait may last too long now. */
static void settle(struct tr_loop *loop, bool from_outside)
{
    const uint64_t before = tr_load_relaxed(&loop->due_ns);
    uint64_t due = UINT64_MAX;
    int timeout_ms = 0;

    uv_update_time(&loop->uv);
    timeout_ms = uv_backend_timeout(&loop->uv);
    if (timeout_ms >= 0) {
        due = timeout_ms == 0 ? 0 : uv_hrtime() + (uint64_t)(timeout_ms * TR_NS_PER_MS);
    }
    (void)tr_exchange_seq(&loop->due_ns, due);
    /* Pairs with the claim: see there. */
    if (from_outside && due < before && tr_load32_seq(&loop->claimed) != 0) {
        tr_loop_interrupt(loop);
    }
}

/* Runs what is given as the loop thread. */
static void turn_locked(struct tr_loop *loop, bool events)
{
    const struct tr_loop *outer = tr_loop_set_current(loop);

    tr_store32_relaxed(&loop->again, 0); /* Before the hooks: what is asked for later counts. */
    if (events) {
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
        tr_store32_relaxed(&loop->turns, tr_load32_relaxed(&loop->turns) + 1);
    }
    tr_loop_run_hooks(loop);
    settle(loop, !events);
    if (uv_loop_alive(&loop->uv) == 0 && tr_load32_relaxed(&loop->ended) == 0) {
        tr_store32_release(&loop->ended, 1);
        (void)tr_parker_unpark(&loop->parker);
        tr_loop_interrupt(loop);
    }
    (void)tr_loop_set_current(outer);
}

/* Runs the hooks for those who asked while somebody had the turn, unless that one does. */
static void turn_again(struct tr_loop *loop)
{
    while (tr_load32_seq(&loop->again) != 0 && uv_mutex_trylock(&loop->turning) == 0) {
        turn_locked(loop, false);
        uv_mutex_unlock(&loop->turning);
        tr_fence_seq(); /* The unlocking is seen before we look again. */
    }
}

void tr_loop_turn(struct tr_loop *loop)
{
    uv_mutex_lock(&loop->turning);
    turn_locked(loop, true);
    uv_mutex_unlock(&loop->turning);
    tr_fence_seq();
    turn_again(loop);
}

void tr_loop_flush(struct tr_loop *loop)
{
    /* Either our try gets the turn, or the one who has it sees this when it gives it back. */
    (void)tr_exchange32_seq(&loop->again, 1);
    turn_again(loop);
}

/* ---- the loop's own thread ---- */

void tr_loop_watch(struct tr_loop *loop)
{
    /* Pairs with rest: either it sees that a helper is busy, or this sees that it rests. */
    tr_fence_seq();
    if (tr_load32_relaxed(&loop->deep) != 0 && tr_exchange32(&loop->deep, 0) != 0 &&
        tr_parker_unpark(&loop->parker)) {
        tr_loop_interrupt(loop);
    }
}

/* Says that from now on nobody looks after the helpers. False when one is busy already. */
static bool rest_begin(struct tr_loop *loop)
{
    (void)tr_exchange32_seq(&loop->deep, 1);
    tr_fence_seq();
    if (busy_helpers(loop) == 0) {
        return true;
    }
    tr_store32_relaxed(&loop->deep, 0);
    return false;
}

/* Waits as the one who has claimed it. */
static void serve_wait(struct tr_loop *loop)
{
    const bool rests = rest_begin(loop);

    if (tr_parker_step_out(&loop->parker)) {
        (void)tr_loop_wait(loop, rests ? -1 : LOOK_NS);
        tr_parker_step_in(&loop->parker);
    }
    tr_store32_relaxed(&loop->deep, 0);
}

static void look_after_busy(struct tr_loop *loop)
{
    const uint64_t now = uv_hrtime();

    if (loop->helpers.look_after != NULL && now - loop->looked_ns >= LOOK_NS) {
        loop->looked_ns = now;
        loop->helpers.look_after(loop->helpers.context);
    }
}

/* Waits for the loop and turns it, until what came has put a helper to work: that one will wait for
 * the loop when it is done. */
static void serve(struct tr_loop *loop)
{
    uint64_t before = 0;

    do {
        serve_wait(loop);
        before = busy_helpers(loop);
        if (before != 0) {
            look_after_busy(loop);
        }
        tr_loop_turn(loop);
    } while (tr_load32_acquire(&loop->ended) == 0 && (busy_helpers(loop) & ~before) == 0);
}

/* Looks every while whether somebody waits for the loop, until nobody does who could soon; and
 * sends what a handler that takes long has sent. */
static void look_after(struct tr_loop *loop)
{
    uint32_t seen = tr_load32_relaxed(&loop->turns);
    uint32_t quiet = 0;

    while (tr_load32_acquire(&loop->ended) == 0) {
        const bool rests = quiet >= LOOKS_BEFORE_REST && rest_begin(loop);

        tr_parker_park(&loop->parker, rests ? -1 : LOOK_NS);
        tr_store32_relaxed(&loop->deep, 0);
        const uint32_t turns = tr_load32_relaxed(&loop->turns);
        const bool busy = busy_helpers(loop) != 0;

        if (busy) {
            look_after_busy(loop);
        }
        if (turns == seen && tr_load32_relaxed(&loop->claimed) == 0) {
            return;
        }
        if (turns == seen && busy) {
            tr_loop_flush(loop);
        }
        quiet = turns == seen && !busy ? quiet + 1 : 0;
        seen = turns;
    }
}

static void run(struct tr_loop *loop)
{
    tr_loop_flush(loop);
    while (tr_load32_acquire(&loop->ended) == 0) {
        if (tr_loop_claim(loop)) {
            serve(loop);
            tr_loop_release(loop);
        }
        if (tr_load32_acquire(&loop->ended) == 0) {
            look_after(loop);
        }
    }
}

void tr_loop_run(struct tr_loop *loop)
{
    sigset_t pipe_only;
    sigset_t before;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    run(loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}
