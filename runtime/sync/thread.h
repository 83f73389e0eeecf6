/* sync/thread.h - threads, mutexes and conditions, and a spin lock for a few instructions.
 *
 *     tr_mutex_lock(&queue->mutex);
 *     ...
 *     tr_mutex_unlock(&queue->mutex);
 *
 * Threads: that is what it is for.
 * Memory: everything lives in the caller's structs.
 */
#ifndef TR_SYNC_THREAD_H
#define TR_SYNC_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sync/atomic.h"
#include "troupe/status.h"

struct tr_mutex {
    pthread_mutex_t mutex;
};

struct tr_cond {
    pthread_cond_t cond;
};

struct tr_thread {
    pthread_t thread;
    bool running;
};

void tr_mutex_init(struct tr_mutex *mutex);
void tr_mutex_fini(struct tr_mutex *mutex);
void tr_mutex_lock(struct tr_mutex *mutex);
void tr_mutex_unlock(struct tr_mutex *mutex);

void tr_cond_init(struct tr_cond *cond);
void tr_cond_fini(struct tr_cond *cond);
void tr_cond_signal(struct tr_cond *cond);
void tr_cond_broadcast(struct tr_cond *cond);

/* Waits with the mutex held; may return without a reason. */
void tr_cond_wait(struct tr_cond *cond, struct tr_mutex *mutex);

/* Waits at most timeout_ns; answers false when the time ran out. */
bool tr_cond_wait_for(struct tr_cond *cond, struct tr_mutex *mutex, int64_t timeout_ns);

/* Starts function(context) on a new thread called name (15 bytes are kept), with all signals
 * blocked, so that they reach the program's own threads. TROUPE_E_SYSTEM when there can be no more
 * threads. */
TROUPE_MUST_USE troupe_status tr_thread_start(struct tr_thread *thread, const char *name,
                                              void (*function)(void *context), void *context);

/* Waits for the thread to end. Does nothing when it was never started. */
void tr_thread_join(struct tr_thread *thread);

/* Nobody will wait for the thread. */
void tr_thread_detach(struct tr_thread *thread);

/* Gives the rest of the time slice away. */
void tr_thread_yield(void);

/* Processors that this process may use, at least 1. */
uint32_t tr_thread_cores(void);

/* ---- a lock for a few instructions, never held across a call out ---- */

struct tr_spin {
    struct tr_atomic_u32 held;
};

void tr_spin_lock_slow(struct tr_spin *lock);

static inline void tr_spin_lock(struct tr_spin *lock)
{
    /* Pairs with the release in tr_spin_unlock: what the last holder wrote is seen. */
    if (tr_exchange32(&lock->held, 1) != 0) {
        tr_spin_lock_slow(lock);
    }
}

static inline void tr_spin_unlock(struct tr_spin *lock)
{
    tr_store32_release(&lock->held, 0);
}

#endif
