#include "io/loop.h"

#include <signal.h>
#include <stdlib.h>

#include <uv.h>

#include "base/check.h"
#include "io/loop_uv.h"
#include "io/uv_status.h"

struct tr_signal {
    uv_async_t async;
    tr_loop_fn fn;
    void *context;
};

/* Which loop this thread turns. A thread-local needs no lock and cannot be read too early. */
static _Thread_local const struct tr_loop *current;

uv_loop_t *tr_loop_uv(struct tr_loop *loop)
{
    return &loop->uv;
}

const struct tr_loop *tr_loop_set_current(const struct tr_loop *loop)
{
    const struct tr_loop *before = current;

    current = loop;
    return before;
}

static void run_posts(struct tr_loop_post *post)
{
    while (post != NULL) {
        struct tr_loop_post *next = post->next;

        post->fn(post->context);
        free(post);
        post = next;
    }
}

/* Takes everything posted so far and answers whether the loop was told to stop. */
static bool take_posts(struct tr_loop *loop, struct tr_loop_post **first)
{
    bool stopped = false;

    uv_mutex_lock(&loop->lock);
    *first = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    stopped = loop->stopped;
    uv_mutex_unlock(&loop->lock);
    return stopped;
}

static void on_wake(uv_async_t *async)
{
    struct tr_loop *loop = async->data;
    struct tr_loop_post *first = NULL;
    const bool stopped = take_posts(loop, &first);

    run_posts(first);
    /* Nothing can be posted after the stop was seen under the lock, so nothing is left behind. */
    if (stopped && !loop->wake_closed) {
        loop->wake_closed = true;
        uv_close((uv_handle_t *)&loop->wake, NULL);
    }
}

void tr_loop_run_hooks(struct tr_loop *loop)
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

/* The parts of a loop that uv_loop_init does not make. On failure everything is undone but the
 * uv loop itself. */
static int loop_parts_init(struct tr_loop *loop)
{
    int result = uv_mutex_init(&loop->lock);

    if (result != 0) {
        return result;
    }
    result = tr_loop_turn_init(loop);
    if (result == 0) {
        result = uv_async_init(&loop->uv, &loop->wake, on_wake);
        if (result != 0) {
            tr_loop_turn_fini(loop);
        }
    }
    if (result != 0) {
        uv_mutex_destroy(&loop->lock);
        return result;
    }
    loop->uv.data = loop;
    loop->wake.data = loop;
    loop->last = &loop->first;
    return 0;
}

troupe_status tr_loop_create(struct tr_loop **out)
{
    struct tr_loop *loop = calloc(1, sizeof(*loop));
    int result = 0;

    if (loop == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    result = uv_loop_init(&loop->uv);
    if (result != 0) {
        free(loop);
        return tr_uv_status(result);
    }
    result = loop_parts_init(loop);
    if (result != 0) {
        (void)uv_loop_close(&loop->uv);
        free(loop);
        return tr_uv_status(result);
    }
    *out = loop;
    return TROUPE_OK;
}

void tr_loop_destroy(struct tr_loop *loop)
{
    struct tr_loop_post *first = NULL;
    int result = 0;

    if (loop == NULL) {
        return;
    }
    TR_CHECK(!loop->started);
    (void)take_posts(loop, &first);
    while (first != NULL) { /* posted to a loop that never ran */
        struct tr_loop_post *next = first->next;

        free(first);
        first = next;
    }
    if (!loop->wake_closed) {
        uv_close((uv_handle_t *)&loop->wake, NULL);
    }
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT); /* for the close callbacks */
    result = uv_loop_close(&loop->uv);
    TR_CHECK(result == 0); /* somebody's handle was never closed */
    tr_loop_turn_fini(loop);
    uv_mutex_destroy(&loop->lock);
    free(loop);
}

static void thread_main(void *context)
{
    tr_loop_run(context);
}

troupe_status tr_loop_start(struct tr_loop *loop)
{
    sigset_t all;
    sigset_t before;
    int result = 0;

    TR_CHECK(!loop->started);
    /* The thread is born with everything blocked, so that signals reach the program's own threads.
     */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    result = uv_thread_create(&loop->thread, thread_main, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        return tr_uv_status(result);
    }
    loop->started = true;
    return TROUPE_OK;
}

void tr_loop_join(struct tr_loop *loop)
{
    TR_CHECK(!tr_loop_is_current(loop));
    if (loop->started) {
        (void)uv_thread_join(&loop->thread);
        loop->started = false;
    }
}

void tr_loop_stop(struct tr_loop *loop)
{
    uv_mutex_lock(&loop->lock);
    /* Sent under the lock: the loop closes the handle only after it has seen `stopped` under
     * the same lock, so no send can meet a handle that is closing. */
    if (!loop->stopped) {
        loop->stopped = true;
        (void)uv_async_send(&loop->wake);
    }
    uv_mutex_unlock(&loop->lock);
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
    troupe_status status = TROUPE_E_CLOSED;

    *post = (struct tr_loop_post){.fn = fn, .context = context};
    uv_mutex_lock(&loop->lock);
    if (!loop->stopped) {
        const bool first = loop->first == NULL;

        *loop->last = post;
        loop->last = &post->next;
        post = NULL; /* given away */
        status = TROUPE_OK;
        if (first) {
            (void)uv_async_send(&loop->wake);
        }
    }
    uv_mutex_unlock(&loop->lock);
    free(post);
    return status;
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
    return uv_hrtime();
}

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
    TR_CHECK(*link == hook);
    *link = hook->next;
    hook->next = NULL;
}

static void on_signal(uv_async_t *async)
{
    const struct tr_signal *signal = async->data;

    if (signal->fn != NULL) {
        signal->fn(signal->context);
    }
}

troupe_status tr_signal_create(struct tr_loop *loop, tr_loop_fn fn, void *context,
                               struct tr_signal **out)
{
    struct tr_signal *signal = calloc(1, sizeof(*signal));
    int result = 0;

    if (signal == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    result = uv_async_init(&loop->uv, &signal->async, on_signal);
    if (result != 0) {
        free(signal);
        return tr_uv_status(result);
    }
    signal->async.data = signal;
    signal->fn = fn;
    signal->context = context;
    *out = signal;
    return TROUPE_OK;
}

void tr_signal_send(struct tr_signal *signal)
{
    (void)uv_async_send(&signal->async);
}

static void on_signal_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tr_signal_close(struct tr_signal *signal)
{
    if (signal != NULL) {
        uv_close((uv_handle_t *)&signal->async, on_signal_closed);
    }
}
