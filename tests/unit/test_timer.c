/* What is tested: timers, intervals and idle timeouts, through the public API. */
#include <string.h>

#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

struct wish {
    uint64_t delay_ms;
    int64_t value;
    troupe_pid to;
    uint64_t timer;
    bool cancelled;
    troupe_status status;
};

static int do_after(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->status = troupe_send_after(self, wish->delay_ms, wish->to, &number_type,
                                     &(number){.value = wish->value}, &wish->timer);
    return TROUPE_OK;
}

static int do_interval(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->status = troupe_send_interval(self, wish->delay_ms, wish->to, &number_type,
                                        &(number){.value = wish->value}, &wish->timer);
    return TROUPE_OK;
}

static int do_cancel(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->cancelled = troupe_cancel_timer(self, wish->timer);
    return TROUPE_OK;
}

static int do_idle(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->status = troupe_idle_timeout(self, wish->delay_ms);
    return TROUPE_OK;
}

static uint64_t after(struct probe *probe, uint64_t delay_ms, troupe_pid to, int64_t value)
{
    struct wish wish = {.delay_ms = delay_ms, .to = to, .value = value};

    assert_int_equal(probe_do(probe, do_after, &wish), TROUPE_OK);
    assert_int_equal(wish.status, TROUPE_OK);
    return wish.timer;
}

static bool cancel(struct probe *probe, uint64_t timer)
{
    struct wish wish = {.timer = timer};

    assert_int_equal(probe_do(probe, do_cancel, &wish), TROUPE_OK);
    return wish.cancelled;
}

static void idle(struct probe *probe, uint64_t timeout_ms)
{
    struct wish wish = {.delay_ms = timeout_ms};

    assert_int_equal(probe_do(probe, do_idle, &wish), TROUPE_OK);
    assert_int_equal(wish.status, TROUPE_OK);
}

static void a_message_comes_after_its_delay_and_not_before(void **state)
{
    (void)state;
    const int64_t before = clock_ms();

    (void)after(a, 40, a->pid, 7);
    const struct seen *seen = probe_wait(a, 0);

    assert_int_equal(seen->number, 7);
    assert_true(troupe_pid_is_none(seen->from));
    assert_true(clock_ms() - before >= 40);
}

static void a_message_to_another_comes_from_who_started_it(void **state)
{
    (void)state;
    (void)after(a, 1, b->pid, 7);
    assert_true(troupe_pid_equal(probe_wait(b, 0)->from, a->pid));
}

static int start_three(troupe_self *self, struct probe *probe, void *context)
{
    static const uint64_t delays[] = {60, 20, 40};

    (void)context;
    for (int i = 0; i < 3; i++) {
        const troupe_status status =
            troupe_send_after(self, delays[i], probe->pid, &number_type,
                              &(number){.value = (int64_t)delays[i]}, NULL);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    return TROUPE_OK;
}

static void messages_come_in_the_order_of_their_times(void **state)
{
    (void)state;
    assert_int_equal(probe_do(a, start_three, NULL), TROUPE_OK);
    assert_int_equal(probe_wait(a, 2)->number, 60);
    assert_int_equal(a->seen[0].number, 20);
    assert_int_equal(a->seen[1].number, 40);
}

static int start_many(troupe_self *self, struct probe *probe, void *context)
{
    (void)context;
    for (int64_t i = 0; i < 500; i++) {
        const troupe_status status = troupe_send_after(self, (uint64_t)(i % 5) * 3, probe->pid,
                                                       &number_type, &(number){.value = i}, NULL);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    return TROUPE_OK;
}

static void none_of_many_is_lost(void **state)
{
    bool got[500] = {false};

    (void)state;
    assert_int_equal(probe_do(a, start_many, NULL), TROUPE_OK);
    (void)probe_wait(a, 499);
    for (int i = 0; i < 500; i++) {
        assert_false(got[a->seen[i].number]);
        got[a->seen[i].number] = true;
    }
    assert_int_equal(probe_seen(a), 500);
}

static void a_delay_of_zero_comes_soon(void **state)
{
    (void)state;
    (void)after(a, 0, a->pid, 1);
    assert_int_equal(probe_wait(a, 0)->number, 1);
}

static void a_cancelled_timer_never_comes(void **state)
{
    (void)state;
    const uint64_t timer = after(a, 30, a->pid, 1);

    assert_true(cancel(a, timer));
    assert_false(cancel(a, timer));
    (void)after(a, 60, a->pid, 2);
    assert_int_equal(probe_wait(a, 0)->number, 2);
    assert_int_equal(probe_seen(a), 1);
}

static void cancelling_what_came_answers_false(void **state)
{
    (void)state;
    const uint64_t timer = after(a, 1, a->pid, 1);

    (void)probe_wait(a, 0);
    assert_false(cancel(a, timer));
    assert_false(cancel(a, 0));
    assert_false(cancel(a, timer + 1000));
    assert_int_equal(probe_seen(a), 1);
}

static int cancel_late(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;
    const int64_t until = clock_ms() + 30;

    (void)probe;
    /* The time passes while this handler runs: the timer has run out, its message has not come. */
    while (clock_ms() < until) {
    }
    wish->cancelled = troupe_cancel_timer(self, wish->timer);
    return TROUPE_OK;
}

static void after_cancel_nothing_comes_even_when_the_time_had_passed(void **state)
{
    struct wish wish = {0};

    (void)state;
    wish.timer = after(a, 5, a->pid, 1);
    /* It may have come before: then nothing was cancelled. */
    assert_int_equal(probe_do(a, cancel_late, &wish), TROUPE_OK);
    assert_int_equal(probe_seen(a), wish.cancelled ? 0 : 1);
}

static void an_interval_comes_again_and_again_until_cancelled(void **state)
{
    struct wish wish = {.delay_ms = 4, .to = a->pid, .value = 3};
    const int64_t before = clock_ms();

    (void)state;
    assert_int_equal(probe_do(a, do_interval, &wish), TROUPE_OK);
    (void)probe_wait(a, 9);
    assert_true(clock_ms() - before >= 36);
    assert_true(cancel(a, wish.timer));
    const size_t seen = probe_seen(a);

    (void)after(a, 30, a->pid, 99);
    assert_int_equal(probe_wait(a, seen)->number, 99);
    assert_false(cancel(a, wish.timer));
}

static void an_interval_keeps_its_period(void **state)
{
    struct wish wish = {.delay_ms = 10, .to = a->pid, .value = 3};

    (void)state;
    assert_int_equal(probe_do(a, do_interval, &wish), TROUPE_OK);
    (void)probe_wait(a, 0);
    const int64_t before = clock_ms();

    (void)probe_wait(a, 30);
    /* Each may come late, but the lateness must not add up: one that is measured from when it was
     * handled is late by more than half a millisecond each time. Generous, for busy machines. */
    assert_in_range(clock_ms() - before, 290, 2000);
}

static void an_interval_of_zero_is_refused(void **state)
{
    struct wish wish = {.to = a->pid};

    (void)state;
    assert_int_equal(probe_do(a, do_interval, &wish), TROUPE_OK);
    assert_int_equal(wish.status, TROUPE_E_INVALID);
}

static void timers_end_with_their_actor(void **state)
{
    struct wish wish = {.delay_ms = 1, .to = b->pid, .value = 3};

    (void)state;
    (void)after(a, 30, b->pid, 1);
    assert_int_equal(probe_do(a, do_interval, &wish), TROUPE_OK);
    (void)probe_wait(b, 2);
    probe_stop(a, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 1);
    const size_t seen = probe_seen(b);

    (void)after(b, 60, b->pid, 99);
    assert_int_equal(probe_wait(b, seen)->number, 99);
}

static void a_time_far_away_does_no_harm(void **state)
{
    (void)state;
    const uint64_t timer = after(a, UINT64_MAX, a->pid, 1);

    (void)after(a, 1ull << 45, a->pid, 2);
    (void)after(a, 20, a->pid, 3);
    assert_int_equal(probe_wait(a, 0)->number, 3);
    assert_true(cancel(a, timer));
    assert_int_equal(probe_seen(a), 1);
}

static int after_without_message(troupe_self *self, struct probe *probe, void *context)
{
    (void)context;
    return troupe_send_after(self, 1, probe->pid, &number_type, NULL, NULL) == TROUPE_E_INVALID
               ? TROUPE_OK
               : TROUPE_E_FAILED;
}

static void a_missing_message_is_refused(void **state)
{
    (void)state;
    assert_int_equal(probe_do(a, after_without_message, NULL), TROUPE_OK);
}

/* ---- idle timeouts ---- */

static void an_idle_actor_is_told_again_and_again(void **state)
{
    (void)state;
    idle(a, 10);
    assert_int_equal(probe_wait(a, 0)->what, SAW_TIMEOUT);
    assert_int_equal(probe_wait(a, 1)->what, SAW_TIMEOUT);
    idle(a, 0);
    const size_t seen = probe_seen(a);

    (void)after(a, 40, a->pid, 99);
    assert_int_equal(probe_wait(a, seen)->number, 99);
}

static void messages_put_an_idle_timeout_off(void **state)
{
    (void)state;
    idle(a, 200);
    const int64_t before = clock_ms();

    for (int i = 0; i < 50; i++) {
        while (clock_ms() - before < 2 * i) {
        }
        probe_send(b, a->pid, i);
        (void)probe_wait(a, (size_t)i);
    }
    const int64_t last = clock_ms();

    while (a->seen[probe_count(a) - 1].what != SAW_TIMEOUT && clock_ms() - last < DEADLINE_MS) {
        (void)probe_wait(a, probe_count(a));
    }
    assert_true(clock_ms() - last >= 190);
}

#define TIMER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMER_TEST(a_message_comes_after_its_delay_and_not_before),
        TIMER_TEST(a_message_to_another_comes_from_who_started_it),
        TIMER_TEST(messages_come_in_the_order_of_their_times),
        TIMER_TEST(none_of_many_is_lost),
        TIMER_TEST(a_delay_of_zero_comes_soon),
        TIMER_TEST(a_cancelled_timer_never_comes),
        TIMER_TEST(cancelling_what_came_answers_false),
        TIMER_TEST(after_cancel_nothing_comes_even_when_the_time_had_passed),
        TIMER_TEST(an_interval_comes_again_and_again_until_cancelled),
        TIMER_TEST(an_interval_keeps_its_period),
        TIMER_TEST(an_interval_of_zero_is_refused),
        TIMER_TEST(timers_end_with_their_actor),
        TIMER_TEST(a_time_far_away_does_no_harm),
        TIMER_TEST(a_missing_message_is_refused),
        TIMER_TEST(an_idle_actor_is_told_again_and_again),
        TIMER_TEST(messages_put_an_idle_timeout_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
