/* io/loop_uv.h - what the files of this folder know of a loop; nobody else includes it.
 *
 *   loop.c        making a loop, posts, hooks, signals
 *   loop_turn.c   who waits for it and who turns it
 */
#ifndef TR_IO_LOOP_UV_H
#define TR_IO_LOOP_UV_H

#include <uv.h>

#include "base/clock.h"
#include "io/loop.h"
#include "sync/atomic.h"
#include "sync/parker.h"

struct tr_loop_post {
    struct tr_loop_post *next;
    tr_loop_fn fn;
    void *context;
};

struct tr_loop {
    uv_thread_t thread; /* valid while `started` */
    bool started;       /* creator's thread only */

    /* Of whoever turns the loop, which is the loop thread meanwhile. */
    uv_mutex_t turning;
    uv_loop_t uv;
    uv_async_t wake; /* closed by the stop */
    bool wake_closed;
    struct tr_loop_hook *hooks;
    bool in_hooks;

    /* Of whoever has claimed the wait. */
    int backend_fd; /* constant */
    int wake_fd;    /* constant: ends a wait, whatever libuv has to say */
    uint32_t credit;
    uint32_t misses;

    /* Any thread. */
    struct tr_atomic_u32 claimed;
    struct tr_atomic_u32 again;  /* hooks are wanted by somebody who could not have the turn */
    struct tr_atomic_u32 turns;  /* how often it was turned */
    struct tr_atomic_u32 ended;  /* nothing is open any more, and it was told to stop */
    struct tr_atomic_u64 due_ns; /* when it wants to be turned; UINT64_MAX = when something comes */

    /* The thread of tr_loop_run. */
    struct tr_loop_helpers helpers; /* constant once it runs */
    struct tr_parker parker;
    struct tr_atomic_u32 deep; /* it rests and does not look after the helpers */
    uint64_t looked_ns;        /* when it last did */

    uv_mutex_t lock; /* guards what follows */
    struct tr_loop_post *first;
    struct tr_loop_post **last;
    bool stopped;
};

/* Milliseconds, as libuv and poll count, rounded up: nothing fires early. */
static inline uint64_t tr_loop_ms_up(uint64_t ns)
{
    return ns / TR_NS_PER_MS + (ns % TR_NS_PER_MS != 0 ? 1 : 0);
}

/* Lends the libuv loop. */
uv_loop_t *tr_loop_uv(struct tr_loop *loop);

/* Which loop this thread turns; answers the one before. */
const struct tr_loop *tr_loop_set_current(const struct tr_loop *loop);

void tr_loop_run_hooks(struct tr_loop *loop);

/* The parts of a loop that loop_turn.c needs; a libuv error or 0. fini: whatever init has made. */
int tr_loop_turn_init(struct tr_loop *loop);
void tr_loop_turn_fini(struct tr_loop *loop);

#endif
