/* What is tested: core/wheel, against a list.
 *
 * Model: what waits, each with when it runs out and a number that grows with each start. What comes
 * out is the least by time and number; a time that was past when it was started counts as the
 * present. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "core/wheel.h"

enum { ENTRIES = 200, STEPS = 60000, RUNS = 6 };

static uint64_t seed;

struct modelled {
    struct tr_wheel_entry entry; /* first */
    bool waits;
    uint64_t at_ms;
    uint64_t number;
};

struct world {
    struct tr_rng rng;
    struct tr_wheel wheel;
    struct modelled entries[ENTRIES];
    uint64_t now;
    uint64_t numbers;
};

static struct modelled *least(struct world *world)
{
    struct modelled *found = NULL;

    for (int i = 0; i < ENTRIES; i++) {
        struct modelled *each = &world->entries[i];

        if (each->waits && (found == NULL || each->at_ms < found->at_ms ||
                            (each->at_ms == found->at_ms && each->number < found->number))) {
            found = each;
        }
    }
    return found;
}

/* Delays on all scales, often of the same few values. */
static uint64_t some_delay(struct world *world)
{
    const uint64_t scale = tr_rng_below(&world->rng, 9);

    return scale == 8 ? tr_rng_below(&world->rng, 3)
                      : tr_rng_below(&world->rng, 1ull << (5 * scale + 1));
}

static void start(struct world *world, struct modelled *entry)
{
    const uint64_t back = tr_rng_below(&world->rng, 8) == 0 ? tr_rng_below(&world->rng, 50) : 0;
    uint64_t at = world->now + some_delay(world);

    at = back > 0 && world->now > back ? world->now - back : at;
    tr_wheel_start(&world->wheel, &entry->entry, at);
    entry->waits = true;
    entry->at_ms = at > world->wheel.now_ms ? at : world->wheel.now_ms;
    entry->number = ++world->numbers;
}

static void cancel(struct world *world, struct modelled *entry)
{
    assert_int_equal(tr_wheel_cancel(&world->wheel, &entry->entry), entry->waits);
    entry->waits = false;
}

static void take(struct world *world)
{
    struct modelled *expected = least(world);
    const uint64_t next = tr_wheel_next_ms(&world->wheel);
    struct tr_wheel_entry *given = tr_wheel_expired(&world->wheel, world->now);

    if (expected == NULL) {
        assert_true(next == UINT64_MAX);
        assert_null(given);
        return;
    }
    assert_true(next <= expected->at_ms);
    if (expected->at_ms > world->now) {
        assert_null(given);
        return;
    }
    assert_ptr_equal(given, &expected->entry);
    expected->waits = false;
}

static void step(struct world *world)
{
    struct modelled *entry = &world->entries[tr_rng_below(&world->rng, ENTRIES)];

    switch (tr_rng_below(&world->rng, 8)) {
    case 0:
    case 1:
    case 2:
        if (!entry->waits) {
            start(world, entry);
        }
        break;
    case 3:
        cancel(world, entry);
        break;
    case 4:
        world->now += some_delay(world) / 4;
        break;
    case 5:
        /* To where the wheel asks to be looked at, as a worker does. */
        if (tr_wheel_next_ms(&world->wheel) != UINT64_MAX &&
            tr_wheel_next_ms(&world->wheel) > world->now) {
            world->now = tr_wheel_next_ms(&world->wheel);
        }
        break;
    default:
        take(world);
        break;
    }
}

static void a_wheel_gives_what_a_list_gives(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    (void)state;
    assert_non_null(world);
    for (int run = 0; run < RUNS; run++) {
        uint64_t waiting = 0;

        memset(world, 0, sizeof(*world));
        world->rng.state = seed + (uint64_t)run;
        world->now = tr_rng_below(&world->rng, 1ull << 40);
        tr_wheel_init(&world->wheel, world->now);
        for (int i = 0; i < STEPS; i++) {
            step(world);
        }
        for (int i = 0; i < ENTRIES; i++) {
            waiting += world->entries[i].waits ? 1 : 0;
        }
        assert_int_equal(world->wheel.count, waiting);
        world->now += 1ull << 50;
        while (least(world) != NULL) {
            take(world);
        }
        assert_int_equal(world->wheel.count, 0);
    }
    free(world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_wheel_gives_what_a_list_gives)};

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
