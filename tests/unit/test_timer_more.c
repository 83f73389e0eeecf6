/* What is tested: timers to others and to names, how long they have left, and all at once, through
 * the public API, with one worker, two and four. */
#include <string.h>

#include "support/actors.h"

static uint32_t workers;
static struct stage *stage;
static struct probe *a, *b;
static struct gate gate;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(workers);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, &(troupe_spawn_options){.name = "bee"});
    gate_init(&gate);
    return 0;
}

static int begin_gated(void **state)
{
    const uint32_t before = workers;

    workers = before < 2 ? 2 : before; /* One of them is kept busy. */
    (void)begin(state);
    workers = before;
    return 0;
}

static int end(void **state)
{
    (void)state;
    gate_open(&gate);
    gate_fini(&gate);
    stage_end(stage);
    return 0;
}

struct wish {
    uint64_t delay_ms;
    uint64_t interval_ms; /* 0: once */
    const char *name;     /* NULL: to the pid */
    troupe_pid to;
    int64_t value;
    uint64_t timer;
    uint64_t left_ms;
    size_t count;
    bool answer;
    troupe_status status;
};

static int do_start(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;
    const number value = {.value = wish->value};

    (void)probe;
    if (wish->name != NULL && wish->interval_ms > 0) {
        wish->status = troupe_send_interval_name(self, wish->interval_ms, wish->name, &number_type,
                                                 &value, &wish->timer);
    } else if (wish->name != NULL) {
        wish->status = troupe_send_after_name(self, wish->delay_ms, wish->name, &number_type,
                                              &value, &wish->timer);
    } else if (wish->interval_ms > 0) {
        wish->status = troupe_send_interval(self, wish->interval_ms, wish->to, &number_type, &value,
                                            &wish->timer);
    } else {
        wish->status =
            troupe_send_after(self, wish->delay_ms, wish->to, &number_type, &value, &wish->timer);
    }
    return TROUPE_OK;
}

static int do_cancel(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->answer = troupe_cancel_timer_left(self, wish->timer, &wish->left_ms);
    return TROUPE_OK;
}

static int do_look(troupe_self *self, struct probe *probe, void *context)
{
    struct wish *wish = context;

    (void)probe;
    wish->answer = troupe_timer_left(self, wish->timer, &wish->left_ms);
    return TROUPE_OK;
}

static int do_cancel_all(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    ((struct wish *)context)->count = troupe_cancel_timers(self);
    return TROUPE_OK;
}

static int do_idle(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_idle_timeout(self, ((struct wish *)context)->delay_ms);
}

static void with(struct probe *probe, probe_fn fn, struct wish *wish)
{
    assert_int_equal(probe_do(probe, fn, wish), TROUPE_OK);
    assert_int_equal(wish->status, TROUPE_OK);
}

static void a_busy_actor_s_timers_to_others_fire(void **state)
{
    struct wish once = {.delay_ms = 5, .to = b->pid, .value = 1};
    struct wish named = {.delay_ms = 10, .name = "bee", .value = 2};
    struct wish again = {.interval_ms = 15, .to = b->pid, .value = 3};

    (void)state;
    with(a, do_start, &once);
    with(a, do_start, &named);
    with(a, do_start, &again);
    probe_block(a, &gate); /* It has no turn until all of this has come. */
    bool seen[4] = {false};

    for (size_t i = 0; i < 5; i++) {
        const struct seen *each = probe_wait(b, i);

        seen[each->number] = true;
        assert_true(troupe_pid_equal(each->from, a->pid));
    }
    assert_true(seen[1] && seen[2] && seen[3]);
    gate_open(&gate);
    with(a, do_cancel, &once);
    assert_false(once.answer); /* It was sent. */
    with(a, do_cancel, &again);
    assert_true(again.answer);
    const size_t count = probe_seen(b);

    assert_int_equal(probe_seen(b), count);
}

static void a_name_is_looked_up_when_the_time_has_come(void **state)
{
    struct wish wish = {.delay_ms = 30, .name = "later", .value = 5};
    struct wish again = {.interval_ms = 3, .name = "later", .value = 6};

    (void)state;
    with(a, do_start, &wish);
    struct probe *c = probe_spawn(stage, &(troupe_spawn_options){.name = "later"});

    assert_int_equal(probe_wait(c, 0)->number, 5);
    with(a, do_start, &again);
    assert_int_equal(probe_wait(c, 3)->number, 6);
    with(a, do_cancel, &again);
    assert_true(again.answer);
}

static void a_name_that_nobody_holds_loses_the_message(void **state)
{
    struct wish wish = {.delay_ms = 1, .name = "nobody", .value = 5};
    struct wish after = {.delay_ms = 20, .to = a->pid, .value = 6};

    (void)state;
    with(a, do_start, &wish);
    with(a, do_start, &after);
    assert_int_equal(probe_wait(a, 0)->number, 6);
    assert_int_equal(stage_info(stage).messages_dropped, 1);
    wish.name = "";
    assert_int_equal(probe_do(a, do_start, &wish), TROUPE_OK);
    assert_int_equal(wish.status, TROUPE_E_INVALID);
}

static void what_is_left_of_a_timer_is_told(void **state)
{
    struct wish wish = {.delay_ms = 100000, .to = b->pid, .value = 5};

    (void)state;
    with(a, do_start, &wish);
    with(a, do_look, &wish);
    assert_true(wish.answer);
    assert_in_range(wish.left_ms, 1, 100000);
    wish.left_ms = 0;
    with(a, do_cancel, &wish);
    assert_true(wish.answer);
    assert_in_range(wish.left_ms, 1, 100000);
    wish.left_ms = 77;
    with(a, do_look, &wish);
    assert_false(wish.answer);
    with(a, do_cancel, &wish);
    assert_false(wish.answer);
    assert_int_equal(wish.left_ms, 77);
}

static void all_timers_are_cancelled_but_the_idle_timeout(void **state)
{
    struct wish wish = {.delay_ms = 20, .to = b->pid, .value = 5};
    struct wish own = {.delay_ms = 20, .to = a->pid, .value = 5};
    struct wish again = {.interval_ms = 1000, .to = b->pid, .value = 5};
    struct wish idle = {.delay_ms = 60};

    (void)state;
    with(a, do_cancel_all, &wish);
    assert_int_equal(wish.count, 0);
    with(a, do_idle, &idle);
    with(a, do_start, &wish);
    with(a, do_start, &own);
    with(a, do_start, &again);
    with(a, do_cancel_all, &wish);
    assert_true(wish.count == 3 || probe_count(a) + probe_count(b) > 0); /* On a slow day. */
    const size_t before = probe_seen(a);

    assert_int_equal(probe_wait(a, before)->what, SAW_TIMEOUT);
}

static void a_message_of_its_own_timer_puts_an_idle_timeout_off(void **state)
{
    struct wish idle = {.delay_ms = 200};
    struct wish again = {.interval_ms = 10, .to = a->pid, .value = 5};

    (void)state;
    with(a, do_idle, &idle);
    with(a, do_start, &again);
    const int64_t until = clock_ms() + 450;

    for (size_t i = 0; clock_ms() < until; i++) {
        const int64_t began = clock_ms();

        assert_true(probe_wait(a, i)->what == SAW_NUMBER || clock_ms() - began > 150);
    }
}

/* A timer is cancelled while others send it: it comes once, or it was in time and does not. */
static void a_cancel_and_its_timer_never_both_win(void **state)
{
    enum { ROUNDS = 300 };
    size_t in_time = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct wish wish = {.delay_ms = 1, .to = b->pid, .value = i};

        with(a, do_start, &wish);
        if (i % 3 != 0) {
            (void)probe_seen(a);
        }
        with(a, do_cancel, &wish);
        in_time += wish.answer ? 1 : 0;
    }
    assert_int_equal(probe_seen(b) + in_time, ROUNDS);
}

#define TIMER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_busy_actor_s_timers_to_others_fire, begin_gated, end),
        TIMER_TEST(a_name_is_looked_up_when_the_time_has_come),
        TIMER_TEST(a_name_that_nobody_holds_loses_the_message),
        TIMER_TEST(what_is_left_of_a_timer_is_told),
        TIMER_TEST(all_timers_are_cancelled_but_the_idle_timeout),
        TIMER_TEST(a_message_of_its_own_timer_puts_an_idle_timeout_off),
        TIMER_TEST(a_cancel_and_its_timer_never_both_win),
    };

    return stage_run_tests(tests, sizeof(tests) / sizeof(tests[0]), &workers);
}
