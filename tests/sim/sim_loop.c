/* What stands in for runtime/io/loop.c and timer.c: loops that turn when the world says so, in the
 * world's time. */
#include <stdlib.h>

#include "io/loop.h"
#include "io/timer.h"
#include "sim/sim.h"

struct tr_loop_post {
    struct tr_loop_post *next;
    tr_loop_fn fn;
    void *context;
};

struct tr_signal {
    struct tr_signal *next;
    tr_loop_fn fn;
    void *context;
    struct tr_loop *loop;
    bool sent;
    bool closed;
};

struct tr_timer {
    struct tr_timer *next;
    struct tr_loop *loop;
    tr_loop_fn fn;
    void *context;
    int64_t at_ns; /* INT64_MAX: not running */
    int64_t repeat_ns;
    bool fresh; /* started in this turn: its time comes in the next one */
    bool closed;
};

struct tr_loop {
    struct sim_slot *slot;
    struct tr_loop_post *first;
    struct tr_loop_post **last;
    struct tr_loop_hook *hooks;
    struct tr_timer *timers;
    struct tr_signal *signals;
    struct sim_handles handles;
    uint32_t sent; /* signals that are */
    bool started;
    bool stopped;
    bool in_hooks;
};

static struct tr_loop *current;

static int64_t now_ns(void)
{
    return sim->now_ns + sim->ahead_ns;
}

struct sim_handles *sim_loop_handles(struct tr_loop *loop)
{
    return &loop->handles;
}

void *sim_alloc(void *block, size_t size)
{
    void *grown = realloc(block, size);

    if (grown == NULL) {
        sim_fail("no memory");
    }
    return grown;
}

/* ---- life ---- */

troupe_status tr_loop_create(struct tr_loop **out)
{
    struct tr_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    loop->slot = sim->starting;
    loop->last = &loop->first;
    sim->starting->loop = loop;
    *out = loop;
    return TROUPE_OK;
}

static void reap(struct tr_loop *loop)
{
    struct tr_timer **timer = &loop->timers;
    struct tr_signal **signal = &loop->signals;

    while (*timer != NULL) {
        struct tr_timer *one = *timer;

        if (one->closed) {
            *timer = one->next;
            free(one);
        } else {
            timer = &one->next;
        }
    }
    while (*signal != NULL) {
        struct tr_signal *one = *signal;

        if (one->closed) {
            *signal = one->next;
            loop->sent -= one->sent ? 1 : 0;
            free(one);
        } else {
            signal = &one->next;
        }
    }
    sim_net_reap(&loop->handles);
}

void tr_loop_destroy(struct tr_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    reap(loop);
    if (loop->timers != NULL || loop->signals != NULL || !sim_net_is_empty(&loop->handles)) {
        sim_fail("%s: the loop ends, and somebody's handle was never closed", loop->slot->name);
    }
    while (loop->first != NULL) { /* posted to a loop that never ran */
        struct tr_loop_post *next = loop->first->next;

        free(loop->first);
        loop->first = next;
    }
    loop->slot->loop = NULL;
    free(loop);
}

bool sim_loop_has_ended(const struct tr_loop *loop)
{
    return loop->stopped && loop->first == NULL && loop->timers == NULL && loop->signals == NULL &&
           sim_net_is_empty(&loop->handles);
}

/* Runs this loop alone; time passes for nobody else. */
static void run_alone(struct tr_loop *loop)
{
    while (!sim_loop_has_ended(loop)) {
        if (sim_loop_ready(loop)) {
            sim_loop_turn(loop);
            continue;
        }
        const int64_t next_ns = sim_loop_next_ns(loop);

        if (next_ns == INT64_MAX) {
            sim_fail("%s: the loop does not end, and waits for nothing", loop->slot->name);
        }
        sim->ahead_ns = next_ns - sim->now_ns;
    }
    sim->ahead_ns = 0;
}

void tr_loop_run(struct tr_loop *loop)
{
    run_alone(loop);
}

troupe_status tr_loop_start(struct tr_loop *loop)
{
    loop->started = true;
    return TROUPE_OK;
}

void tr_loop_join(struct tr_loop *loop)
{
    if (loop->started && loop->slot->zombie) {
        run_alone(loop);
    }
    reap(loop); /* what was closed outside of a turn */
    while (loop->started && !sim_loop_has_ended(loop)) {
        if (!sim_step(INT64_MAX)) {
            sim_fail("%s: the loop does not end", loop->slot->name);
        }
    }
    loop->started = false;
}

void tr_loop_stop(struct tr_loop *loop)
{
    loop->stopped = true;
}

struct tr_loop_post *tr_loop_post_create(void)
{
    return malloc(sizeof(struct tr_loop_post));
}

void tr_loop_post_destroy(struct tr_loop_post *post)
{
    free(post);
}

troupe_status tr_loop_post(struct tr_loop *loop, tr_loop_fn fn, void *context)
{
    struct tr_loop_post *post = tr_loop_post_create();

    return post == NULL ? TROUPE_E_NO_MEMORY : tr_loop_post_paid(loop, post, fn, context);
}

troupe_status tr_loop_post_paid(struct tr_loop *loop, struct tr_loop_post *post, tr_loop_fn fn,
                                void *context)
{
    if (loop->stopped) {
        free(post);
        return TROUPE_E_CLOSED;
    }
    *post = (struct tr_loop_post){.fn = fn, .context = context};
    *loop->last = post;
    loop->last = &post->next;
    return TROUPE_OK;
}

bool tr_loop_is_current(const struct tr_loop *loop)
{
    return current == loop;
}

bool tr_loop_will_turn(const struct tr_loop *loop)
{
    return current == loop && !loop->in_hooks;
}

uint64_t tr_loop_now(const struct tr_loop *loop)
{
    (void)loop;
    return (uint64_t)now_ns();
}

/* ---- helpers: there are none, since workers that are played never wait ---- */

void tr_loop_set_helpers(struct tr_loop *loop, const struct tr_loop_helpers *helpers)
{
    (void)loop;
    (void)helpers;
}

bool tr_loop_claim(struct tr_loop *loop)
{
    (void)loop;
    return false;
}

void tr_loop_release(struct tr_loop *loop)
{
    sim_fail("%s: released, and nobody could claim it", loop->slot->name);
}

bool tr_loop_wait(struct tr_loop *loop, int64_t timeout_ns)
{
    (void)timeout_ns;
    sim_fail("%s: waited for by a worker", loop->slot->name);
    return false;
}

void tr_loop_turn(struct tr_loop *loop)
{
    sim_fail("%s: turned by a worker", loop->slot->name);
}

void tr_loop_flush(struct tr_loop *loop)
{
    (void)loop; /* The world turns it soon. */
}

void tr_loop_interrupt(struct tr_loop *loop)
{
    (void)loop;
}

void tr_loop_watch(struct tr_loop *loop)
{
    (void)loop;
}

/* ---- hooks and signals ---- */

void tr_loop_hook_add(struct tr_loop *loop, struct tr_loop_hook *hook)
{
    hook->next = loop->hooks;
    loop->hooks = hook;
}

void tr_loop_hook_remove(struct tr_loop *loop, struct tr_loop_hook *hook)
{
    struct tr_loop_hook **link = &loop->hooks;

    while (*link != NULL && *link != hook) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        sim_fail("%s: a hook is removed that is not there", loop->slot->name);
    }
    *link = (*link)->next;
    hook->next = NULL;
}

troupe_status tr_signal_create(struct tr_loop *loop, tr_loop_fn fn, void *context,
                               struct tr_signal **out)
{
    struct tr_signal *signal = calloc(1, sizeof(*signal));

    if (signal == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *signal = (struct tr_signal){.next = loop->signals, .fn = fn, .context = context, .loop = loop};
    loop->signals = signal;
    *out = signal;
    return TROUPE_OK;
}

void tr_signal_send(struct tr_signal *signal)
{
    signal->loop->sent += signal->sent ? 0 : 1;
    signal->sent = true;
}

void tr_signal_close(struct tr_signal *signal)
{
    if (signal != NULL) {
        signal->closed = true;
    }
}

/* ---- timers ---- */

troupe_status tr_timer_create(struct tr_loop *loop, tr_loop_fn fn, void *context,
                              struct tr_timer **out)
{
    struct tr_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *timer = (struct tr_timer){
        .next = loop->timers, .loop = loop, .fn = fn, .context = context, .at_ns = INT64_MAX};
    loop->timers = timer;
    *out = timer;
    return TROUPE_OK;
}

void tr_timer_start(struct tr_timer *timer, uint64_t delay_ns, uint64_t repeat_ns)
{
    timer->at_ns = now_ns() + (int64_t)delay_ns;
    timer->repeat_ns = (int64_t)repeat_ns;
    timer->fresh = true;
}

void tr_timer_stop(struct tr_timer *timer)
{
    timer->at_ns = INT64_MAX;
}

bool tr_timer_is_running(const struct tr_timer *timer)
{
    return timer->at_ns != INT64_MAX;
}

void tr_timer_close(struct tr_timer *timer)
{
    if (timer != NULL) {
        timer->at_ns = INT64_MAX;
        timer->closed = true;
    }
}

static struct tr_timer *first_timer(const struct tr_loop *loop, bool no_fresh)
{
    struct tr_timer *first = NULL;

    for (struct tr_timer *timer = loop->timers; timer != NULL; timer = timer->next) {
        if (timer->at_ns != INT64_MAX && !(no_fresh && timer->fresh) &&
            (first == NULL || timer->at_ns < first->at_ns)) {
            first = timer;
        }
    }
    return first;
}

/* ---- turns ---- */

bool sim_loop_ready(const struct tr_loop *loop)
{
    const struct tr_timer *timer = NULL;

    if (!loop->started && !loop->stopped) {
        return false; /* nobody runs it yet */
    }
    if (loop->first != NULL || loop->sent > 0) {
        return true;
    }
    timer = first_timer(loop, false);
    return (timer != NULL && timer->at_ns <= now_ns()) || sim_net_ready(&loop->handles);
}

int64_t sim_loop_next_ns(const struct tr_loop *loop)
{
    const struct tr_timer *timer = first_timer(loop, false);
    const int64_t net_ns = sim_net_next_ns(&loop->handles);

    if (!loop->started && !loop->stopped) {
        return INT64_MAX;
    }
    return timer != NULL && timer->at_ns < net_ns ? timer->at_ns : net_ns;
}

static void run_posts(struct tr_loop *loop)
{
    struct tr_loop_post *post = loop->first;

    loop->first = NULL;
    loop->last = &loop->first;
    while (post != NULL) {
        struct tr_loop_post *next = post->next;

        post->fn(post->context);
        free(post);
        post = next;
    }
}

static void run_signals(struct tr_loop *loop)
{
    for (struct tr_signal *signal = loop->signals; signal != NULL; signal = signal->next) {
        if (signal->sent && !signal->closed) {
            signal->sent = false;
            loop->sent--;
            if (signal->fn != NULL) {
                signal->fn(signal->context);
            }
        }
    }
}

static void run_timers(struct tr_loop *loop)
{
    const int64_t now = now_ns();
    struct tr_timer *timer = NULL;

    for (timer = loop->timers; timer != NULL; timer = timer->next) {
        timer->fresh = false;
    }
    timer = first_timer(loop, true);
    while (timer != NULL && timer->at_ns <= now) {
        timer->at_ns = timer->repeat_ns > 0 ? now + timer->repeat_ns : INT64_MAX;
        timer->fresh = true;
        timer->fn(timer->context);
        timer = first_timer(loop, true);
    }
}

static void run_hooks(struct tr_loop *loop)
{
    struct tr_loop_hook *hook = loop->hooks;

    loop->in_hooks = true;
    while (hook != NULL) {
        struct tr_loop_hook *next = hook->next; /* the hook may remove itself */

        hook->fn(hook->context);
        hook = next;
    }
    loop->in_hooks = false;
}

void sim_loop_turn(struct tr_loop *loop)
{
    struct tr_loop *outer = current;

    current = loop;
    if (loop->slot->zombie || !sim_one_in(4)) {
        run_posts(loop);
    }
    run_signals(loop);
    sim_net_turn(&loop->handles);
    run_timers(loop);
    run_hooks(loop);
    current = outer;
    reap(loop);
}
