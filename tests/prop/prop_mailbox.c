/* What is tested: an actor's mailbox (sync/inbox with sched/post, sched/run and sched/dispatch),
 * one step of the scheduler at a time in one thread.
 *
 * Model: a list of what was accepted. What the actor handles has to be its next entry, whatever its
 * kind: signals keep their place. A counted message is accepted if and only if fewer than the bound
 * wait; anything else always. Each request is answered exactly once, also when the actor is killed,
 * and what waited then is handled by nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sched/self.h"

enum { RUNS = 60, STEPS = 3000, QUEUE_MAX = 1 << 15, BOUND_MAX = 40, FAR_NODE = 99 };

enum kind { MODEL_MESSAGE, MODEL_CALL, MODEL_EXIT, MODEL_RUN };

struct entry {
    enum kind kind;
    uint64_t number;
};

static uint64_t seed;

static struct {
    struct tr_rng rng;
    struct tr_sched *sched;
    troupe_pid pid;
    uint32_t bound;
    bool traps;
    struct entry queue[QUEUE_MAX];
    size_t head;
    size_t tail;
    uint32_t counted;
    uint64_t numbers;
    uint64_t calls;
    uint64_t answers;
    uint64_t handled;
    uint64_t refused;
    int64_t now_ns;
} world;

typedef struct number {
    uint64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));

/* ---- the model ---- */

static void expect(enum kind kind, uint64_t value)
{
    assert_true(world.tail < QUEUE_MAX);
    world.queue[world.tail++] = (struct entry){.kind = kind, .number = value};
    world.counted += kind == MODEL_MESSAGE || kind == MODEL_CALL ? 1 : 0;
}

static void check_next(enum kind kind, uint64_t value)
{
    assert_true(world.head < world.tail);
    assert_int_equal(world.queue[world.head].kind, kind);
    assert_int_equal(world.queue[world.head].number, value);
    world.head++;
    world.counted -= kind == MODEL_MESSAGE || kind == MODEL_CALL ? 1 : 0;
    world.handled++;
}

/* ---- the actor ---- */

static int on_number(troupe_self *self, void *state, const void *message)
{
    const number *n = message;
    const bool request = self->current->signal == TR_SIGNAL_CALL;

    (void)state;
    check_next(request ? MODEL_CALL : MODEL_MESSAGE, n->value);
    if (request && tr_rng_below(&world.rng, 2) == 0) {
        return troupe_reply(self, &number_type, n);
    }
    return TROUPE_OK; /* A request without a reply is answered by the library. */
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;

    (void)self;
    (void)state;
    check_next(MODEL_EXIT, strtoull(exit->text, NULL, 10));
    return TROUPE_OK;
}

static void on_run(troupe_self *self, void *context)
{
    if (self != NULL) {
        check_next(MODEL_RUN, (uint64_t)(uintptr_t)context);
    }
}

static int init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    troupe_trap_exit(self, world.traps);
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {
    {&number_type, on_number}, {&troupe_exit_type, on_exit_message}, {0}};
static const troupe_behavior behavior = {.name = "test.box", .init = init, .handlers = handlers};

/* ---- ports ---- */

static troupe_status far_post(void *context, struct tr_message *message, bool *crowded)
{
    (void)crowded;
    (void)context;
    assert_int_equal(message->to.node, FAR_NODE);
    assert_true(message->signal == TR_SIGNAL_REPLY || message->signal == TR_SIGNAL_CALL_FAILED);
    world.answers++;
    tr_message_destroy(&world.sched->shared_cache, message);
    return TROUPE_OK;
}

static void on_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    (void)context;
    (void)actor;
    (void)reason_kind;
}

static int64_t now(void *context)
{
    (void)context;
    return world.now_ns;
}

static const struct tr_clock stopped_clock = {.now = now, .coarse = now};

static void spawn(void)
{
    const struct tr_spawn request = {.behavior = &behavior, .mailbox_messages = world.bound};

    assert_int_equal(
        tr_actor_spawn(world.sched, &world.sched->workers[0], &request, &world.pid, NULL, 0),
        TROUPE_OK);
}

static void begin_world(uint64_t run)
{
    const struct tr_sched_options options = {.workers = 1,
                                             .actors_max = 10,
                                             .mailbox_messages = 100,
                                             .mailbox_bytes = 1u << 20,
                                             .call_timeout_ms = 1000,
                                             .clock = &stopped_clock,
                                             .outward = {.post = far_post, .ended = on_ended}};

    memset(&world, 0, sizeof(world));
    world.rng.state = seed + run;
    world.now_ns = TR_NS_PER_S;
    world.bound = 1 + (uint32_t)tr_rng_below(&world.rng, BOUND_MAX);
    world.traps = tr_rng_below(&world.rng, 2) == 0;
    assert_int_equal(tr_sched_create(&options, &world.sched), TROUPE_OK);
    spawn();
}

/* ---- steps ---- */

static void post_number(enum tr_signal_kind signal)
{
    const number n = {.value = ++world.numbers};
    struct tr_message *message =
        tr_message_create_value(&world.sched->shared_cache, signal, &number_type, &n, 0);
    const bool room = world.counted < world.bound;

    assert_non_null(message);
    message->to = world.pid;
    message->from = (troupe_pid){.node = FAR_NODE, .id = 1 + tr_rng_below(&world.rng, 3)};
    message->ref = n.value;
    world.calls += signal == TR_SIGNAL_CALL ? 1 : 0;
    const troupe_status status = tr_sched_post(world.sched, NULL, message);

    assert_int_equal(status, room ? TROUPE_OK : TROUPE_E_BUSY);
    world.refused += room ? 0 : 1;
    if (room) {
        expect(signal == TR_SIGNAL_CALL ? MODEL_CALL : MODEL_MESSAGE, n.value);
    }
}

static void post_exit(int32_t kind)
{
    const uint64_t value = ++world.numbers;
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    struct tr_message *message =
        tr_message_create_reason(&world.sched->shared_cache, TR_SIGNAL_EXIT, kind, text);

    assert_non_null(message);
    message->to = world.pid;
    message->from = (troupe_pid){.node = FAR_NODE, .id = 1};
    assert_int_equal(tr_sched_post(world.sched, NULL, message), TROUPE_OK);
}

/* The actor ends: what waits is answered or lost, in whatever order; then there is another one. */
static void kill_it(void)
{
    post_exit(TROUPE_REASON_KILL);
    const troupe_pid old = world.pid;
    const uint64_t handled = world.handled;

    while (tr_worker_step(&world.sched->workers[0])) {
    }
    assert_null(tr_table_find(&world.sched->table, old.id));
    assert_true(world.handled - handled <= TR_BATCH_MESSAGES);
    assert_int_equal(world.answers, world.calls);
    world.head = 0;
    world.tail = 0;
    world.counted = 0;
    spawn();
}

static void step(void)
{
    switch (tr_rng_below(&world.rng, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        post_number(TR_SIGNAL_MESSAGE);
        break;
    case 4:
    case 5:
        post_number(TR_SIGNAL_CALL);
        break;
    case 6:
        /* Normal is ignored by who does not trap. */
        post_exit(world.traps ? TROUPE_REASON_ERROR : TROUPE_REASON_NORMAL);
        if (world.traps) {
            expect(MODEL_EXIT, world.numbers);
        }
        break;
    case 7:
        expect(MODEL_RUN, ++world.numbers);
        assert_int_equal(
            tr_sched_run_in(world.sched, world.pid.id, on_run, (void *)(uintptr_t)world.numbers),
            TROUPE_OK);
        break;
    case 8:
        if (tr_rng_below(&world.rng, 30) == 0) {
            kill_it();
        }
        break;
    default:
        if (tr_rng_below(&world.rng, 8) == 0) {
            (void)tr_worker_step(&world.sched->workers[0]);
        }
        break;
    }
    if (world.head == world.tail) {
        world.head = 0;
        world.tail = 0;
    }
}

static void a_mailbox_is_a_list_with_a_bound(void **state)
{
    uint64_t refused = 0;

    (void)state;
    for (uint64_t run = 0; run < RUNS; run++) {
        begin_world(run);
        for (int i = 0; i < STEPS; i++) {
            step();
        }
        while (tr_worker_step(&world.sched->workers[0])) {
        }
        assert_int_equal(world.head, world.tail);
        assert_int_equal(world.counted, 0);
        assert_int_equal(world.answers, world.calls);
        refused += world.refused;
        tr_sched_destroy(world.sched);
    }
    assert_true(refused > RUNS); /* The bound was reached. */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_mailbox_is_a_list_with_a_bound)};

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
