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

/* ---- rings ---- */

static void pass_on(struct actor *self, const struct message *m)
{
    if (m->value == 0) {
        finish_with(self->sum + 1);
        return;
    }
    self->sum++;
    actor_send(self->peer, self, m->value - 1, 0);
}

static void start_ring(struct actor *self, const struct message *m)
{
    (void)m;
    actor_send(self->peer, self, self->count - 1, 0);
}

static void run_ring(unsigned workers, int64_t count, int64_t members)
{
    struct actor *ring = calloc((size_t)members, sizeof(*ring));
    struct actor first;
    const int64_t rounds = count / members > 0 ? count / members : 1;

    if (ring == NULL) {
        measure_expect("memory", 1, 0);
        return;
    }
    for (int64_t i = 0; i < members; i++) {
        actor_init(&ring[i], pass_on);
        ring[i].peer = &ring[(i + 1) % members];
    }
    actor_init(&first, start_ring);
    first.peer = ring;
    first.count = rounds * members;
    core_run(workers, &first);
    measure_expect("rounds", (uint64_t)rounds, (uint64_t)result);
    free(ring);
}

static void run_ring_503(unsigned workers, int64_t count)
{
    run_ring(workers, count, 503);
}

static void run_ring_10000(unsigned workers, int64_t count)
{
    run_ring(workers, count, 10000);
}

/* ---- big ---- */

#define PLAYERS 200

static struct actor players[PLAYERS];
static _Atomic int64_t players_left;

/* A reference of 1 asks for an answer; the answer has 2. The start has 0. */
static void play(struct actor *self, const struct message *m)
{
    if (m->reference == 1) {
        self->sum++;
        actor_send(m->from, self, m->value, 2);
        return;
    }
    if (m->reference == 2) {
        self->next--;
    }
    if (self->next == 0) {
        if (atomic_fetch_sub(&players_left, 1) == 1) {
            finish_with(1);
        }
        return;
    }
    uint64_t random = (uint64_t)self->count;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    self->count = (int64_t)random;
    actor_send(&players[random % PLAYERS], self, self->next, 1);
}

static void run_big(unsigned workers, int64_t count)
{
    const int64_t each = count / PLAYERS / 2 > 0 ? count / PLAYERS / 2 : 1;
    struct actor first;
    int64_t answered = 0;
    for (int64_t i = 0; i < PLAYERS; i++) {
        actor_init(&players[i], play);
        players[i].next = each;
        players[i].count = (i + 1) * 0x9e3779b97f4a7c1;
    }
    atomic_store(&players_left, PLAYERS);
    actor_init(&first, start_all);
    first.peer = players;
    first.count = PLAYERS;
    core_run(workers, &first);
    for (int64_t i = 0; i < PLAYERS; i++) {
        answered += players[i].sum;
    }
    measure_expect("answers", (uint64_t)(each * PLAYERS), (uint64_t)answered);
}

/* ---- tree ---- */

/* The first message has the levels that are left, those of its children what has grown. */
static void branch(struct actor *self, const struct message *m)
{
    if (self->sum == 0) {
        self->peer = m->from;
        self->sum = 1;
        for (; m->value > 0 && self->next < 2; self->next++) {
            actor_send(actor_new(branch), self, m->value - 1, 0);
        }
    } else {
        self->sum += m->value;
        self->next--;
    }
    if (self->next > 0) {
        return;
    }
    if (self->peer == NULL) {
        finish_with(self->sum);
        return;
    }
    actor_send(self->peer, self, self->sum, 0);
    actor_free_after(self);
}

/* Only starts the root; that its sender is none makes it the root. */
static void plant(struct actor *self, const struct message *m)
{
    (void)m;
    actor_send(self->peer, NULL, self->count, 0);
}

static void run_tree(unsigned workers, int64_t count)
{
    struct actor root;
    struct actor first;
    int64_t levels = 0;
    while ((INT64_C(4) << levels) - 1 <= count) {
        levels++;
    }
    actor_init(&root, branch);
    actor_init(&first, plant);
    first.peer = &root;
    first.count = levels;
    core_run(workers, &first);
    measure_expect("actors in the tree", (2ull << levels) - 1, (uint64_t)result);
}

/* ---- links, monitors: one tells each of many, which ends ---- */

static struct actor **ties;
static int64_t fan_ns; /* from the first message to the last end; what is measured when it is set */

static void tell_all(struct actor *self, const struct message *m)
{
    (void)m;
    for (int64_t i = 0; i < self->count; i++) {
        actor_send(ties[i], self, 1, self->count);
    }
}

static void run_fan(unsigned workers, int64_t count)
{
    struct actor hub;
    ties = calloc((size_t)count, sizeof(struct actor *));
    measure_expect("memory", 1, ties != NULL);
    for (int64_t i = 0; i < count; i++) {
        ties[i] = actor_new(child);
    }
    actor_init(&hub, tell_all);
    hub.count = count;
    atomic_store(&born, 0);
    const int64_t began = measure_now_ns();
    core_run(workers, &hub);
    fan_ns = measure_now_ns() - began;
    measure_expect("ends", (uint64_t)count, (uint64_t)result);
    free(ties);
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
    {"create", run_create, "actors/s", 1},   {"tree", run_tree, "actors/s", 1},
    {"ring-503", run_ring_503, "hops/s", 1}, {"ring-10000", run_ring_10000, "hops/s", 1},
    {"big", run_big, "msgs/s", 1},           {"links", run_fan, "ms", 1},
    {"monitors", run_fan, "ms", 1},
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
        const int64_t ns = fan_ns != 0 ? fan_ns : measure_now_ns() - began;
        if (strcmp(b->unit, "ns") == 0) {
            measure_figure(b->name, (double)ns / (double)(count * b->parts), "ns");
        } else if (strcmp(b->unit, "ms") == 0) {
            measure_figure(b->name, (double)ns / 1e6, "ms");
        } else {
            measure_rate(b->name, (uint64_t)count, ns, b->unit);
        }
        measure_usage(cpu);
        return 0;
    }
    (void)fprintf(stderr, "usage: %s NAME WORKERS COUNT\n", argv[0]);
    return 64;
}
