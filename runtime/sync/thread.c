#include "sync/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

enum { NAME_SIZE = 16, SPINS_BEFORE_YIELD = 64 };

void tr_mutex_init(struct tr_mutex *mutex)
{
    TR_CHECK(pthread_mutex_init(&mutex->mutex, NULL) == 0);
}

void tr_mutex_fini(struct tr_mutex *mutex)
{
    TR_CHECK(pthread_mutex_destroy(&mutex->mutex) == 0);
}

void tr_mutex_lock(struct tr_mutex *mutex)
{
    TR_CHECK(pthread_mutex_lock(&mutex->mutex) == 0);
}

void tr_mutex_unlock(struct tr_mutex *mutex)
{
    TR_CHECK(pthread_mutex_unlock(&mutex->mutex) == 0);
}

void tr_cond_init(struct tr_cond *cond)
{
    pthread_condattr_t attributes;

    TR_CHECK(pthread_condattr_init(&attributes) == 0);
    TR_CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    TR_CHECK(pthread_cond_init(&cond->cond, &attributes) == 0);
    TR_CHECK(pthread_condattr_destroy(&attributes) == 0);
}

void tr_cond_fini(struct tr_cond *cond)
{
    TR_CHECK(pthread_cond_destroy(&cond->cond) == 0);
}

void tr_cond_signal(struct tr_cond *cond)
{
    TR_CHECK(pthread_cond_signal(&cond->cond) == 0);
}

void tr_cond_broadcast(struct tr_cond *cond)
{
    TR_CHECK(pthread_cond_broadcast(&cond->cond) == 0);
}

void tr_cond_wait(struct tr_cond *cond, struct tr_mutex *mutex)
{
    TR_CHECK(pthread_cond_wait(&cond->cond, &mutex->mutex) == 0);
}

bool tr_cond_wait_for(struct tr_cond *cond, struct tr_mutex *mutex, int64_t timeout_ns)
{
    struct timespec until = {0};

    if (timeout_ns <= 0) {
        return false;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ns / TR_NS_PER_S);
    until.tv_nsec += (long)(timeout_ns % TR_NS_PER_S);
    if (until.tv_nsec >= TR_NS_PER_S) {
        until.tv_nsec -= TR_NS_PER_S;
        until.tv_sec++;
    }
    return pthread_cond_timedwait(&cond->cond, &mutex->mutex, &until) != ETIMEDOUT;
}

struct start {
    void (*function)(void *context);
    void *context;
};

static void *run(void *argument)
{
    const struct start start = *(struct start *)argument;

    free(argument);
    start.function(start.context);
    return NULL;
}

troupe_status tr_thread_start(struct tr_thread *thread, const char *name,
                              void (*function)(void *context), void *context)
{
    struct start *start = malloc(sizeof(*start));
    sigset_t all;
    sigset_t before;
    char short_name[NAME_SIZE] = {0};

    if (start == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *start = (struct start){.function = function, .context = context};
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    thread->running = pthread_create(&thread->thread, NULL, run, start) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!thread->running) {
        free(start);
        return TROUPE_E_SYSTEM;
    }
    memcpy(short_name, name, strnlen(name, NAME_SIZE - 1));
    (void)pthread_setname_np(thread->thread, short_name);
    return TROUPE_OK;
}

void tr_thread_join(struct tr_thread *thread)
{
    if (thread->running) {
        TR_CHECK(pthread_join(thread->thread, NULL) == 0);
        thread->running = false;
    }
}

void tr_thread_detach(struct tr_thread *thread)
{
    if (thread->running) {
        TR_CHECK(pthread_detach(thread->thread) == 0);
        thread->running = false;
    }
}

void tr_thread_yield(void)
{
    (void)sched_yield();
}

uint32_t tr_thread_cores(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    const int count = CPU_COUNT(&set);

    return count < 1 ? 1 : (uint32_t)count;
}

void tr_spin_lock_slow(struct tr_spin *lock)
{
    uint32_t spins = 0;

    for (;;) {
        /* Look before taking, so that the line is not torn between waiting processors. */
        while (tr_load32_relaxed(&lock->held) != 0) {
            /* The holder may have lost its processor: give it ours. */
            if (++spins % SPINS_BEFORE_YIELD == 0) {
                (void)sched_yield();
            }
        }
        if (tr_exchange32(&lock->held, 1) == 0) {
            return;
        }
    }
}
