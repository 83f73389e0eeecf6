#include "core.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 16u
#define RUN_BATCH 128 /* messages before an actor goes behind the others */
#define POOL_BATCH 256u
#define SPINS 2000

/* Marks an empty mailbox whose actor is in no run queue. */
static struct message idle_mark;
#define ACTOR_IDLE (&idle_mark)

/* Tells the processor that this thread waits for another one. */
#if defined(__x86_64__)
static void relax(void)
{
    __builtin_ia32_pause();
}
#else
static void relax(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}
#endif

/* ---- memory: a list of free blocks for each thread and size, exchanged in batches ---- */

struct block {
    struct block *next;
    struct block *next_batch;
};

enum { SIZE_MESSAGE, SIZE_ACTOR, SIZE_COUNT };
static const size_t sizes[SIZE_COUNT] = {sizeof(struct message), sizeof(struct actor)};

struct spin {
    atomic_flag flag;
};

static void spin_lock(struct spin *spin)
{
    while (atomic_flag_test_and_set_explicit(&spin->flag, memory_order_acquire)) {
        relax();
    }
}

static void spin_unlock(struct spin *spin)
{
    atomic_flag_clear_explicit(&spin->flag, memory_order_release);
}

static struct {
    struct spin lock;
    struct block *batches;
} depot[SIZE_COUNT];

static _Thread_local struct {
    struct block *free;
    unsigned count;
} pool[SIZE_COUNT];

static void pool_fill(int size)
{
    spin_lock(&depot[size].lock);
    struct block *batch = depot[size].batches;
    if (batch != NULL) {
        depot[size].batches = batch->next_batch;
    }
    spin_unlock(&depot[size].lock);
    if (batch == NULL) {
        char *slab = malloc(POOL_BATCH * sizes[size]);
        if (slab == NULL) {
            (void)fprintf(stderr, "out of memory\n");
            _Exit(5);
        }
        for (unsigned i = 0; i < POOL_BATCH; i++) {
            struct block *block = (void *)(slab + i * sizes[size]);
            block->next = batch;
            batch = block;
        }
    }
    pool[size].free = batch;
    pool[size].count = POOL_BATCH;
}

static void *pool_get(int size)
{
    if (pool[size].free == NULL) {
        pool_fill(size);
    }
    struct block *block = pool[size].free;
    pool[size].free = block->next;
    pool[size].count--;
    return block;
}

static void pool_put(int size, void *memory)
{
    struct block *block = memory;
    block->next = pool[size].free;
    pool[size].free = block;
    pool[size].count++;
    if (pool[size].count < 2 * POOL_BATCH) {
        return;
    }
    struct block *last = block;
    for (unsigned i = 1; i < POOL_BATCH; i++) {
        last = last->next;
    }
    pool[size].free = last->next;
    pool[size].count -= POOL_BATCH;
    last->next = NULL;
    spin_lock(&depot[size].lock);
    block->next_batch = depot[size].batches;
    depot[size].batches = block;
    spin_unlock(&depot[size].lock);
}

/* ---- run queues ---- */

struct worker {
    struct actor *head; /* of the lock, as tail */
    struct actor *tail;
    _Atomic int length; /* written under the lock; thieves look at it first without */
    struct spin lock;
    char padding[64]; /* no two workers share a cache line */
};

static struct worker workers[WORKERS_MAX];
static unsigned worker_count;
static _Thread_local unsigned here;
static _Atomic int sleepers;
static _Atomic int wakes; /* the word that sleepers wait on */
static _Atomic bool finished;
static _Thread_local bool free_running;

static void ready_push(struct actor *actor)
{
    struct worker *w = &workers[here];
    actor->next_ready = NULL;
    spin_lock(&w->lock);
    if (w->tail != NULL) {
        w->tail->next_ready = actor;
    } else {
        w->head = actor;
    }
    w->tail = actor;
    atomic_fetch_add_explicit(&w->length, 1, memory_order_relaxed);
    spin_unlock(&w->lock);
    if (atomic_load(&sleepers) > 0) {
        (void)atomic_fetch_add(&wakes, 1);
        (void)syscall(SYS_futex, &wakes, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static struct actor *ready_pop(unsigned index, int length_min)
{
    struct worker *w = &workers[index];
    if (atomic_load_explicit(&w->length, memory_order_relaxed) < length_min) {
        return NULL;
    }
    spin_lock(&w->lock);
    struct actor *actor = w->head;
    if (actor != NULL) {
        w->head = actor->next_ready;
        if (w->head == NULL) {
            w->tail = NULL;
        }
        atomic_fetch_sub_explicit(&w->length, 1, memory_order_relaxed);
    }
    spin_unlock(&w->lock);
    return actor;
}

/* Takes from another worker: its only ready actor just when patience has run out, since the owner
 * most often is about to run that one itself. */
static struct actor *steal(int spins)
{
    const int length_min = spins > 200 ? 1 : 2;
    for (unsigned i = 1; i < worker_count; i++) {
        struct actor *actor = ready_pop((here + i) % worker_count, length_min);
        if (actor != NULL) {
            return actor;
        }
    }
    return NULL;
}

static struct actor *next_actor(void)
{
    while (!atomic_load_explicit(&finished, memory_order_relaxed)) {
        for (int spins = 0; spins < SPINS; spins++) {
            struct actor *actor = ready_pop(here, 1);
            if (actor == NULL) {
                actor = steal(spins);
            }
            if (actor != NULL) {
                return actor;
            }
            relax();
        }
        const int seen = atomic_load(&wakes);
        const struct timespec backstop = {.tv_nsec = 1000000};
        (void)atomic_fetch_add(&sleepers, 1);
        (void)syscall(SYS_futex, &wakes, FUTEX_WAIT_PRIVATE, seen, &backstop, NULL, 0);
        (void)atomic_fetch_sub(&sleepers, 1);
    }
    return NULL;
}

/* ---- actors ---- */

void actor_init(struct actor *self, actor_fn handle)
{
    *self = (struct actor){.handle = handle};
    atomic_init(&self->inbox, ACTOR_IDLE);
}

struct actor *actor_new(actor_fn handle)
{
    struct actor *actor = pool_get(SIZE_ACTOR);
    actor_init(actor, handle);
    return actor;
}

void actor_free_after(struct actor *self)
{
    (void)self;
    free_running = true;
}

void actor_send(struct actor *to, struct actor *from, int64_t value, int64_t reference)
{
    struct message *m = pool_get(SIZE_MESSAGE);
    m->from = from;
    m->value = value;
    m->reference = reference;
    struct message *newest = atomic_load_explicit(&to->inbox, memory_order_relaxed);
    do {
        m->next = newest == ACTOR_IDLE ? NULL : newest;
    } while (!atomic_compare_exchange_weak_explicit(&to->inbox, &newest, m, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (newest == ACTOR_IDLE) {
        ready_push(to);
    }
}

/* Moves what has come to `taken`, oldest first. Answers whether there was something; if not, the
 * actor is parked. */
static bool actor_take(struct actor *self)
{
    struct message *list = atomic_exchange_explicit(&self->inbox, NULL, memory_order_acq_rel);
    if (list == NULL) {
        struct message *empty = NULL;
        if (atomic_compare_exchange_strong_explicit(&self->inbox, &empty, ACTOR_IDLE,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            return false;
        }
        list = atomic_exchange_explicit(&self->inbox, NULL, memory_order_acq_rel);
    }
    while (list != NULL) {
        struct message *next = list->next;
        list->next = self->taken;
        self->taken = list;
        list = next;
    }
    return true;
}

static void actor_run(struct actor *self)
{
    for (int done = 0; done < RUN_BATCH; done++) {
        if (self->taken == NULL && !actor_take(self)) {
            return;
        }
        struct message *m = self->taken;
        self->taken = m->next;
        self->handle(self, m);
        pool_put(SIZE_MESSAGE, m);
        if (free_running) {
            free_running = false;
            pool_put(SIZE_ACTOR, self);
            return;
        }
    }
    ready_push(self);
}

static void *worker_main(void *index)
{
    here = (unsigned)(uintptr_t)index;
    for (struct actor *actor = next_actor(); actor != NULL; actor = next_actor()) {
        actor_run(actor);
    }
    return NULL;
}

void core_finish(void)
{
    atomic_store(&finished, true);
    (void)atomic_fetch_add(&wakes, 1);
    (void)syscall(SYS_futex, &wakes, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void core_run(unsigned count, struct actor *first)
{
    pthread_t threads[WORKERS_MAX] = {0};
    worker_count = count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : count;
    atomic_store(&finished, false);
    here = 0;
    actor_send(first, NULL, 0, 0);
    for (unsigned i = 1; i < worker_count; i++) {
        if (pthread_create(&threads[i], NULL, worker_main, (void *)(uintptr_t)i) != 0) {
            (void)fprintf(stderr, "no thread\n");
            _Exit(5);
        }
    }
    (void)worker_main(NULL);
    for (unsigned i = 1; i < worker_count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    /* An actor may still have been in a queue when the work was done; the next run has others. */
    for (unsigned i = 0; i < worker_count; i++) {
        workers[i].head = NULL;
        workers[i].tail = NULL;
        atomic_store(&workers[i].length, 0);
    }
}
