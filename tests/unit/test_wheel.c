/* What is tested: core/wheel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/wheel.h"

static struct tr_wheel wheel;
static struct tr_wheel_entry entries[64];

static int begin(void **state)
{
    (void)state;
    memset(entries, 0, sizeof(entries));
    tr_wheel_init(&wheel, 1000);
    return 0;
}

static void nothing_runs_out_of_an_empty_wheel(void **state)
{
    (void)state;
    assert_null(tr_wheel_expired(&wheel, 1u << 30));
    assert_true(tr_wheel_next_ms(&wheel) == UINT64_MAX);
}

static void an_entry_runs_out_at_its_time_and_once(void **state)
{
    (void)state;
    tr_wheel_start(&wheel, &entries[0], 1005);
    assert_null(tr_wheel_expired(&wheel, 1004));
    assert_true(tr_wheel_next_ms(&wheel) <= 1005);
    assert_ptr_equal(tr_wheel_expired(&wheel, 1005), &entries[0]);
    assert_null(tr_wheel_expired(&wheel, 1005));
    assert_int_equal(wheel.count, 0);
}

static void the_past_runs_out_at_the_next_look(void **state)
{
    (void)state;
    tr_wheel_start(&wheel, &entries[0], 3);
    tr_wheel_start(&wheel, &entries[1], 1000);
    assert_true(tr_wheel_next_ms(&wheel) <= 1000);
    assert_ptr_equal(tr_wheel_expired(&wheel, 1000), &entries[0]);
    assert_ptr_equal(tr_wheel_expired(&wheel, 1000), &entries[1]);
}

static void a_late_look_gives_entries_in_the_order_of_their_times(void **state)
{
    (void)state;
    tr_wheel_start(&wheel, &entries[0], 1300);
    tr_wheel_start(&wheel, &entries[1], 1010);
    tr_wheel_start(&wheel, &entries[2], 1020);
    tr_wheel_start(&wheel, &entries[3], 6000);
    assert_ptr_equal(tr_wheel_expired(&wheel, 9000), &entries[1]);
    assert_ptr_equal(tr_wheel_expired(&wheel, 9000), &entries[2]);
    assert_ptr_equal(tr_wheel_expired(&wheel, 9000), &entries[0]);
    assert_ptr_equal(tr_wheel_expired(&wheel, 9000), &entries[3]);
    assert_null(tr_wheel_expired(&wheel, 9000));
}

static void entries_of_one_time_run_out_in_the_order_they_were_started(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        tr_wheel_start(&wheel, &entries[i], 70000);
        assert_null(tr_wheel_expired(&wheel, 1000 + 6000 * (uint64_t)i));
    }
    for (int i = 0; i < 10; i++) {
        assert_ptr_equal(tr_wheel_expired(&wheel, 70000), &entries[i]);
    }
}

static void a_cancelled_entry_never_runs_out(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        tr_wheel_start(&wheel, &entries[i], 1010);
    }
    assert_true(tr_wheel_cancel(&wheel, &entries[1])); /* In the middle, */
    assert_true(tr_wheel_cancel(&wheel, &entries[3])); /* at the end */
    assert_true(tr_wheel_cancel(&wheel, &entries[0])); /* and in front. */
    assert_false(tr_wheel_cancel(&wheel, &entries[0]));
    tr_wheel_start(&wheel, &entries[4], 1010);
    assert_ptr_equal(tr_wheel_expired(&wheel, 1010), &entries[2]);
    assert_false(tr_wheel_cancel(&wheel, &entries[2]));
    assert_ptr_equal(tr_wheel_expired(&wheel, 1010), &entries[4]);
    assert_true(tr_wheel_next_ms(&wheel) == UINT64_MAX);
}

static void an_entry_that_ran_out_but_was_not_given_out_can_be_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        tr_wheel_start(&wheel, &entries[i], 1001);
    }
    assert_ptr_equal(tr_wheel_expired(&wheel, 1001), &entries[0]);
    assert_true(tr_wheel_cancel(&wheel, &entries[2]));
    assert_ptr_equal(tr_wheel_expired(&wheel, 1001), &entries[1]);
    assert_null(tr_wheel_expired(&wheel, 1001));
    assert_int_equal(wheel.count, 0);
}

static void every_level_keeps_its_time(void **state)
{
    (void)state;
    /* A time on each level and one beyond the reach of all. */
    for (int i = 0; i < 7; i++) {
        tr_wheel_start(&wheel, &entries[i], 1000 + (1ull << (6 * i)) + 3);
    }
    for (int i = 0; i < 7; i++) {
        const uint64_t at = 1000 + (1ull << (6 * i)) + 3;

        while (tr_wheel_next_ms(&wheel) < at) {
            assert_null(tr_wheel_expired(&wheel, tr_wheel_next_ms(&wheel)));
        }
        assert_null(tr_wheel_expired(&wheel, at - 1));
        assert_ptr_equal(tr_wheel_expired(&wheel, at), &entries[i]);
    }
}

static void times_for_ever_stay(void **state)
{
    (void)state;
    tr_wheel_start(&wheel, &entries[0], UINT64_MAX);
    tr_wheel_start(&wheel, &entries[1], 1ull << 40);
    assert_null(tr_wheel_expired(&wheel, (1ull << 40) - 1));
    assert_ptr_equal(tr_wheel_expired(&wheel, 1ull << 40), &entries[1]);
    assert_null(tr_wheel_expired(&wheel, 1ull << 41));
    assert_true(tr_wheel_cancel(&wheel, &entries[0]));
}

static void the_last_slot_of_a_level_comes_down_in_time(void **state)
{
    (void)state;
    tr_wheel_init(&wheel, 4095); /* All digits but the highest at their last. */
    tr_wheel_start(&wheel, &entries[0], 4096);
    tr_wheel_start(&wheel, &entries[1], 8191);
    tr_wheel_start(&wheel, &entries[2], 8192);
    assert_ptr_equal(tr_wheel_expired(&wheel, 4096), &entries[0]);
    assert_null(tr_wheel_expired(&wheel, 8190));
    assert_ptr_equal(tr_wheel_expired(&wheel, 8191), &entries[1]);
    assert_null(tr_wheel_expired(&wheel, 8191));
    assert_ptr_equal(tr_wheel_expired(&wheel, 8192), &entries[2]);
}

static void a_look_back_in_time_gives_nothing(void **state)
{
    (void)state;
    tr_wheel_start(&wheel, &entries[0], 1500);
    assert_null(tr_wheel_expired(&wheel, 1400));
    assert_null(tr_wheel_expired(&wheel, 10));
    tr_wheel_start(&wheel, &entries[1], 1450);
    assert_ptr_equal(tr_wheel_expired(&wheel, 1450), &entries[1]);
    assert_ptr_equal(tr_wheel_expired(&wheel, 1500), &entries[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_runs_out_of_an_empty_wheel, begin),
        cmocka_unit_test_setup(an_entry_runs_out_at_its_time_and_once, begin),
        cmocka_unit_test_setup(the_past_runs_out_at_the_next_look, begin),
        cmocka_unit_test_setup(a_late_look_gives_entries_in_the_order_of_their_times, begin),
        cmocka_unit_test_setup(entries_of_one_time_run_out_in_the_order_they_were_started, begin),
        cmocka_unit_test_setup(a_cancelled_entry_never_runs_out, begin),
        cmocka_unit_test_setup(an_entry_that_ran_out_but_was_not_given_out_can_be_cancelled, begin),
        cmocka_unit_test_setup(every_level_keeps_its_time, begin),
        cmocka_unit_test_setup(times_for_ever_stay, begin),
        cmocka_unit_test_setup(the_last_slot_of_a_level_comes_down_in_time, begin),
        cmocka_unit_test_setup(a_look_back_in_time_gives_nothing, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
