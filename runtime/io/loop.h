/* io/loop.h - an event loop, work posted to it, and what wakes it.
 *
 *     tr_loop_create(&loop) -> tr_loop_start(loop) -> tr_loop_post(loop, fn, context) ...
 *     tr_loop_stop(loop) -> tr_loop_join(loop) -> tr_loop_destroy(loop)
 *
 * A loop ends when it was told to stop and everything made on it (streams, timers, watches,
 * signals) has been closed. Work posted before the stop still runs.
 *
 * A loop with helpers is turned by whoever has time: a thread that has nothing to do claims the
 * wait, and turns the loop when something has come. So what came is handled by the thread that has
 * seen it come, and nobody has to be woken for it. The loop's own thread waits and turns only while
 * all helpers are busy, and looks after those that are busy for long.
 *
 *     tr_loop_set_helpers(loop, &helpers) -> tr_loop_start(loop)
 *     helper: tr_loop_claim -> tr_loop_wait -> tr_loop_turn -> tr_loop_release; tr_loop_flush
 *
 * Threads: each function says its own; "loop thread" means inside a callback of the loop, or
 * before it runs: one thread at a time, whichever it is. SIGPIPE is blocked in the thread that runs
 * a loop, since libuv writes without MSG_NOSIGNAL and a library must not change how the whole
 * process treats a signal; helpers have it blocked, as all threads of tr_thread_start. Memory: a
 * handle's memory lives until the loop has closed it, which is after its close call.
 */
#ifndef TR_IO_LOOP_H
#define TR_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "troupe/status.h"

struct tr_loop;
struct tr_signal;

typedef void (*tr_loop_fn)(void *context);

/* Called on each turn, just before the loop may block: the place to write out what the turn has
 * gathered. Lives in its owner's memory, from add to remove. */
struct tr_loop_hook {
    tr_loop_fn fn;
    void *context;
    struct tr_loop_hook *next; /* owned by the loop */
};

/* Gives a loop that does not run yet. TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT (descriptors),
 * TROUPE_E_SYSTEM. Any thread. */
TROUPE_MUST_USE troupe_status tr_loop_create(struct tr_loop **out);

/* Takes the loop, which may be NULL and must not run: never started, or run returned, or joined. */
void tr_loop_destroy(struct tr_loop *loop);

/* The threads that may wait for a loop and turn it beside its own. */
struct tr_loop_helpers {
    void *context;
    /* Those that do something else now, a bit for each. Any thread. NULL: there are none. */
    uint64_t (*busy)(void *context);
    /* Called every millisecond or so while some are busy. The loop's own thread. */
    void (*look_after)(void *context);
};

/* Before the loop runs. */
void tr_loop_set_helpers(struct tr_loop *loop, const struct tr_loop_helpers *helpers);

/* Answers whether the caller is the one who waits for the loop now, until it calls release. False
 * when somebody else does, or the loop has ended. A helper. */
bool tr_loop_claim(struct tr_loop *loop);
void tr_loop_release(struct tr_loop *loop);

/* Waits, at most timeout_ns (negative: without end), for something to come or for
 * tr_loop_interrupt; for a short while without sleeping, when that was worth it lately. Answers
 * whether the loop is to be turned. Whoever has claimed it. */
bool tr_loop_wait(struct tr_loop *loop, int64_t timeout_ns);

/* Handles what has come, as the loop thread, then runs the hooks. Whoever has claimed it; waits for
 * a flush that is under way. */
void tr_loop_turn(struct tr_loop *loop);

/* Has the hooks run now by the caller, or soon by the thread that turns the loop at this moment.
 * Any thread that does not turn it. */
void tr_loop_flush(struct tr_loop *loop);

/* Ends a wait. Any thread. */
void tr_loop_interrupt(struct tr_loop *loop);

/* A helper begins to do something else: the loop's own thread looks after it from now on. */
void tr_loop_watch(struct tr_loop *loop);

/* Runs the loop on the caller's thread until it has ended. */
void tr_loop_run(struct tr_loop *loop);

/* Runs the loop on a thread of its own, which has all signals blocked. TROUPE_E_SYSTEM when there
 * is none to be had. */
TROUPE_MUST_USE troupe_status tr_loop_start(struct tr_loop *loop);

/* Waits for a started loop to end; a no-op for one that was not started. Not on the loop thread. */
void tr_loop_join(struct tr_loop *loop);

/* Asks the loop to end as said above. Any thread, more than once allowed. */
void tr_loop_stop(struct tr_loop *loop);

/* Has fn(context) called on the loop thread, in the order posted. TROUPE_E_CLOSED after the stop,
 * TROUPE_E_NO_MEMORY. Any thread. */
TROUPE_MUST_USE troupe_status tr_loop_post(struct tr_loop *loop, tr_loop_fn fn, void *context);

/* Room for one post, for what has to be posted later whether there is memory then or not. Gives
 * NULL when there is none now. destroy(NULL) is allowed. */
struct tr_loop_post;
struct tr_loop_post *tr_loop_post_create(void);
void tr_loop_post_destroy(struct tr_loop_post *post);

/* tr_loop_post with that room, which it takes. TROUPE_E_CLOSED after the stop. */
TROUPE_MUST_USE troupe_status tr_loop_post_paid(struct tr_loop *loop, struct tr_loop_post *post,
                                                tr_loop_fn fn, void *context);

/* True on the thread that turns this loop now. */
bool tr_loop_is_current(const struct tr_loop *loop);

/* True on the thread that turns this loop now, outside its hooks: then the hooks are still to run
 * before it blocks, and nobody has to wake it for what they will find. */
bool tr_loop_will_turn(const struct tr_loop *loop);

/* The monotonic clock in nanoseconds; it does not count while the machine is suspended. Any
 * thread. */
uint64_t tr_loop_now(const struct tr_loop *loop);

/* Loop thread. */
void tr_loop_hook_add(struct tr_loop *loop, struct tr_loop_hook *hook);
void tr_loop_hook_remove(struct tr_loop *loop, struct tr_loop_hook *hook);

/* A signal calls fn(context) on the loop thread soon after it was sent, once for all sends before
 * that. fn may be NULL: then the signal only makes the loop turn, for the sake of its hooks.
 * Loop thread. TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_signal_create(struct tr_loop *loop, tr_loop_fn fn, void *context,
                                               struct tr_signal **out);

/* Any thread; not once close has been called. */
void tr_signal_send(struct tr_signal *signal);

/* Takes the signal, which may be NULL; no call of fn comes after it. Loop thread. */
void tr_signal_close(struct tr_signal *signal);

#endif
