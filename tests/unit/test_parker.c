/* What is tested: sync/parker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sync/parker.h"

enum { ROUNDS = 20000 };

static int64_t now_ms(void)
{
    return tr_clock_now(&tr_clock_system) / TR_NS_PER_MS;
}

static void a_wake_that_came_first_is_not_lost(void **state)
{
    struct tr_parker parker = {0};

    (void)state;
    tr_parker_init(&parker);
    tr_parker_unpark(&parker);
    tr_parker_unpark(&parker); /* Two are one. */
    const int64_t before = now_ms();

    tr_parker_park(&parker, -1);
    assert_true(now_ms() - before < 5000);
    tr_parker_park(&parker, 20 * TR_NS_PER_MS);
    assert_true(now_ms() - before >= 19);
    tr_parker_fini(&parker);
}

static void a_timeout_ends_the_sleep(void **state)
{
    struct tr_parker parker = {0};

    (void)state;
    tr_parker_init(&parker);
    const int64_t before = now_ms();

    tr_parker_park(&parker, 0);
    assert_true(now_ms() - before < 5000);
    tr_parker_park(&parker, 30 * TR_NS_PER_MS);
    assert_true(now_ms() - before >= 29);
    tr_parker_fini(&parker);
}

static void one_that_has_stepped_out_is_woken_by_the_caller(void **state)
{
    struct tr_parker parker;

    (void)state;
    tr_parker_init(&parker);
    assert_true(tr_parker_step_out(&parker));
    assert_true(tr_parker_unpark(&parker));
    assert_false(tr_parker_unpark(&parker)); /* once */
    tr_parker_step_in(&parker);
    assert_false(tr_parker_unpark(&parker));
    assert_false(tr_parker_step_out(&parker)); /* a wake that came first */
    assert_true(tr_parker_step_out(&parker));
    tr_parker_step_in(&parker);
    tr_parker_park(&parker, 0);
    tr_parker_fini(&parker);
}

struct pair {
    struct tr_parker parkers[2];
    uint64_t turns; /* handed to and fro with `whose` */
    struct tr_atomic_u32 whose;
};

static void play(struct pair *pair, uint32_t side)
{
    for (int i = 0; i < ROUNDS; i++) {
        while (tr_load32_acquire(&pair->whose) != side) {
            tr_parker_park(&pair->parkers[side], i % 2 == 0 ? -1 : TR_NS_PER_S);
        }
        pair->turns++;
        tr_store32_release(&pair->whose, 1 - side);
        (void)tr_parker_unpark(&pair->parkers[1 - side]);
    }
}

static void play_second(void *context)
{
    play(context, 1);
}

static void two_threads_wake_each_other(void **state)
{
    struct pair pair = {0};
    struct tr_thread thread = {0};

    (void)state;
    tr_parker_init(&pair.parkers[0]);
    tr_parker_init(&pair.parkers[1]);
    assert_int_equal(tr_thread_start(&thread, "second", play_second, &pair), TROUPE_OK);
    play(&pair, 0);
    tr_thread_join(&thread);
    assert_int_equal(pair.turns, 2 * ROUNDS);
    tr_parker_fini(&pair.parkers[0]);
    tr_parker_fini(&pair.parkers[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_that_came_first_is_not_lost),
        cmocka_unit_test(a_timeout_ends_the_sleep),
        cmocka_unit_test(one_that_has_stepped_out_is_woken_by_the_caller),
        cmocka_unit_test(two_threads_wake_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
