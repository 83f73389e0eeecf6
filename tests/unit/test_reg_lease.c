/* What is tested: names/lease, with two clocks in the test's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "names/lease.h"

static const int64_t ttl = 6000;

static struct reg_clock at(int64_t ns)
{
    return (struct reg_clock){.loop_ns = ns, .boot_ns = ns + 77};
}

static void the_deadline_counts_from_before_the_renewal_was_sent(void **state)
{
    struct reg_lease lease;

    (void)state;
    reg_lease_init(&lease, ttl);
    assert_int_equal(reg_lease_deadline(&lease, at(50)), 0);
    assert_false(reg_lease_expired(&lease, at(1000000)));
    reg_lease_sent(&lease, at(100));
    assert_int_equal(reg_lease_deadline(&lease, at(900)), 0); /* nothing is granted yet */
    reg_lease_renewed(&lease);
    assert_int_equal(reg_lease_deadline(&lease, at(900)), 100 + ttl);
    assert_false(reg_lease_expired(&lease, at(100 + ttl - 1)));
    assert_true(reg_lease_expired(&lease, at(100 + ttl)));
}

static void it_is_renewed_every_third_of_its_time_and_never_twice_at_once(void **state)
{
    struct reg_lease lease;

    (void)state;
    reg_lease_init(&lease, ttl);
    assert_true(reg_lease_due(&lease, 0));
    reg_lease_sent(&lease, at(0));
    assert_false(reg_lease_due(&lease, ttl * 2));
    reg_lease_renewed(&lease);
    assert_false(reg_lease_due(&lease, ttl / 3 - 1));
    assert_true(reg_lease_due(&lease, ttl / 3));
}

static void a_lost_renewal_keeps_the_old_deadline_and_is_tried_again_soon(void **state)
{
    struct reg_lease lease;

    (void)state;
    reg_lease_init(&lease, ttl);
    reg_lease_sent(&lease, at(0));
    reg_lease_renewed(&lease);
    reg_lease_sent(&lease, at(2000));
    reg_lease_failed(&lease, 2500);
    assert_int_equal(reg_lease_deadline(&lease, at(2500)), ttl);
    assert_false(reg_lease_due(&lease, 2500));
    assert_true(reg_lease_due(&lease, 2500 + ttl / 10));
}

static void a_suspended_machine_loses_the_time_it_slept(void **state)
{
    struct reg_lease lease;
    struct reg_clock woken = at(200);

    (void)state;
    reg_lease_init(&lease, ttl);
    reg_lease_sent(&lease, at(100));
    reg_lease_renewed(&lease);
    woken.boot_ns += 5000;
    assert_int_equal(reg_lease_deadline(&lease, woken), 100 + ttl - 5000);
    woken.boot_ns += 5000;
    assert_true(reg_lease_expired(&lease, woken));
    /* Two clocks read a moment apart do not lengthen a lease. */
    woken.boot_ns = woken.loop_ns;
    assert_int_equal(reg_lease_deadline(&lease, woken), 100 + ttl);
}

static void a_lost_lease_is_none(void **state)
{
    struct reg_lease lease;

    (void)state;
    reg_lease_init(&lease, ttl);
    reg_lease_sent(&lease, at(100));
    reg_lease_renewed(&lease);
    reg_lease_lost(&lease);
    assert_int_equal(reg_lease_deadline(&lease, at(100)), 0);
    assert_false(reg_lease_expired(&lease, at(100000)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deadline_counts_from_before_the_renewal_was_sent),
        cmocka_unit_test(it_is_renewed_every_third_of_its_time_and_never_twice_at_once),
        cmocka_unit_test(a_lost_renewal_keeps_the_old_deadline_and_is_tried_again_soon),
        cmocka_unit_test(a_suspended_machine_loses_the_time_it_slept),
        cmocka_unit_test(a_lost_lease_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
