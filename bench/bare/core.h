/* bench/bare/core.h - the least that passes messages between actors on threads: a bound, not a
 * rival.
 *
 * A mailbox is one atomic word, messages of 32 bytes come from a pool of each thread, run queues
 * are lists under a spin lock, idle workers steal and then sleep. There are no names, types,
 * copies, links, timers or bounds. Threads: core_run makes them; everything else is called by
 * handlers.
 */
#ifndef BENCH_CORE_H
#define BENCH_CORE_H

#include <stdatomic.h>
#include <stdint.h>

struct actor;

struct message {
    struct message *next;
    struct actor *from;
    int64_t value;
    int64_t reference;
};

typedef void (*actor_fn)(struct actor *self, const struct message *message);

struct actor {
    _Atomic(struct message *) inbox; /* newest first; ACTOR_IDLE: empty and in no run queue */
    struct message *taken;           /* oldest first; of the worker that runs the actor */
    struct actor *next_ready;        /* of the run queue's lock */
    actor_fn handle;
    struct actor *peer;
    int64_t count;
    int64_t next;
    int64_t sum;
};

/* Fills an actor that waits for its first message. */
void actor_init(struct actor *self, actor_fn handle);

/* From a handler: the actor ends after it, and its memory goes back to the pool. */
void actor_free_after(struct actor *self);
struct actor *actor_new(actor_fn handle);

void actor_send(struct actor *to, struct actor *from, int64_t value, int64_t reference);

/* Ends core_run. */
void core_finish(void);

/* Runs actors on so many threads until core_finish; first gets one message. */
void core_run(unsigned count, struct actor *first);

#endif
