/* bare NAME WORKERS COUNT - the work of the benchmarks in bench/troupe with next to nothing around
 * it. */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

#define BATCH 1000
#define SENDERS 20

/* The work is done when an actor says so; what it counted is checked here. */
static int64_t result;

static void finish_with(int64_t value)
{
    result = value;
    core_finish();
}

/* ---- ping-pong, call-bare ---- */

static void echo(struct actor *self, const struct message *m)
{
    self->sum++;
    actor_send(m->from, self, m->value, m->reference);
}

static void ping(struct actor *self, const struct message *m)
{
    if (m->from != NULL) {
        measure_expect("reference", (uint64_t)self->next, (uint64_t)m->reference);
        self->next++;
    }
    if (self->next == self->count) {
        finish_with(self->peer->sum);
        return;
    }
    actor_send(self->peer, self, self->count - self->next, self->next);
}

static void run_ping(unsigned workers, int64_t count)
{
    struct actor a;
    struct actor b;
    actor_init(&a, ping);
    actor_init(&b, echo);
    a.peer = &b;
    a.count = count;
    core_run(workers, &a);
    measure_expect("echoes", (uint64_t)count, (uint64_t)result);
}

/* ---- counting, many-to-one ---- */

static void produce(struct actor *self, const struct message *m)
{
    (void)m;
    for (int i = 0; i < BATCH && self->next < self->count; i++) {
        self->next++;
        actor_send(self->peer, self, self->next, 0);
    }
    if (self->next < self->count) {
        actor_send(self, self, 0, 0);
    }
}

static void consume(struct actor *self, const struct message *m)
{
    self->sum += m->value;
    self->next++;
    if (self->next == self->count) {
        finish_with(self->sum);
    }
}

static void start_all(struct actor *self, const struct message *m)
{
    (void)m;
    for (int64_t i = 0; i < self->count; i++) {
        actor_send(&self->peer[i], self, 0, 0);
    }
}

static void run_senders(unsigned workers, int64_t count, int64_t senders)
{
    struct actor sink;
    struct actor first;
    struct actor from[SENDERS];
    const int64_t each = count / senders;
    actor_init(&sink, consume);
    sink.count = each * senders;
    actor_init(&first, start_all);
    first.peer = from;
    first.count = senders;
    for (int64_t i = 0; i < senders; i++) {
        actor_init(&from[i], produce);
        from[i].peer = &sink;
        from[i].count = each;
    }
    core_run(workers, &first);
    measure_expect("sum", (uint64_t)(senders * (each * (each + 1) / 2)), (uint64_t)result);
}

static void run_counting(unsigned workers, int64_t count)
{
    run_senders(workers, count, 1);
}

static void run_many_to_one(unsigned workers, int64_t count)
{
    run_senders(workers, count / SENDERS * SENDERS, SENDERS);
}

/* ---- create ---- */

static _Atomic int64_t born;

static void child(struct actor *self, const struct message *m)
{
    const int64_t done = atomic_fetch_add(&born, m->value) + m->value;
    actor_free_after(self);
    if (done == m->reference) {
        finish_with(done);
    }
}

static void parent(struct actor *self, const struct message *m)
{
    (void)m;
    for (int i = 0; i < BATCH && self->next < self->count; i++) {
        self->next++;
        actor_send(actor_new(child), self, 1, self->count);
    }
    if (self->next < self->count) {
        actor_send(self, self, 0, 0);
    }
}

static void run_create(unsigned workers, int64_t count)
{
    struct actor mother;
    actor_init(&mother, parent);
    mother.count = count;
    atomic_store(&born, 0);
    core_run(workers, &mother);
    measure_expect("children", (uint64_t)count, (uint64_t)result);
}

/* ---- all ---- */

static const struct bench {
    const char *name;
    void (*run)(unsigned workers, int64_t count);
    const char *unit;
    int64_t parts; /* of what one of count is made, for units of time */
} benches[] = {
    {"ping-pong", run_ping, "ns", 2},        {"call-bare", run_ping, "calls/s", 1},
    {"counting", run_counting, "msgs/s", 1}, {"many-to-one", run_many_to_one, "msgs/s", 1},
    {"create", run_create, "actors/s", 1},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 4 && i < sizeof(benches) / sizeof(benches[0]); i++) {
        const struct bench *b = &benches[i];
        if (strcmp(argv[1], b->name) != 0) {
            continue;
        }
        const unsigned workers = (unsigned)measure_number(argv[2]);
        const int64_t count = (int64_t)measure_number(argv[3]);
        b->run(workers, count / 10 > SENDERS ? count / 10 : SENDERS);
        const double cpu = measure_cpu_s();
        const int64_t began = measure_now_ns();
        b->run(workers, count);
        const int64_t ns = measure_now_ns() - began;
        if (strcmp(b->unit, "ns") == 0) {
            measure_figure(b->name, (double)ns / (double)(count * b->parts), "ns");
        } else {
            measure_rate(b->name, (uint64_t)count, ns, b->unit);
        }
        measure_usage(cpu);
        return 0;
    }
    (void)fprintf(stderr, "usage: %s NAME WORKERS COUNT\n", argv[0]);
    return 64;
}
