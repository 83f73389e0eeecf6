/* What is tested: scenarios of names, beginnings and timers on one node, each for many
 * interleavings.
 */
#include <stdio.h>
#include <string.h>

#include "scenarios/world.h"
#include "troupe/supervisor.h"

enum { SEEDS = 100 };

static troupe_pid holder_of(troupe_test *test, const char *name)
{
    troupe_pid pid = {0};
    const troupe_status status = troupe_node_whereis(troupe_test_node(test), name, 1000, &pid);

    assert_true(status == TROUPE_OK || status == TROUPE_E_NOT_FOUND);
    return pid;
}

/* ---- registering ---- */

struct wish {
    char name[32];
    int done;
    troupe_status status;
    troupe_pid holder;
};

static int then_note(troupe_self *self, void *state, const troupe_result *result)
{
    struct wish *wish = (struct wish *)(uintptr_t)result->tag;

    (void)self;
    (void)state;
    wish->done++;
    wish->status = result->status;
    wish->holder = result->pid;
    return TROUPE_OK;
}

static int register_wish(troupe_self *self, void *context)
{
    struct wish *wish = context;

    return (int)troupe_register(self, wish->name, 1000, then_note, (uint64_t)(uintptr_t)wish);
}

static void play_ten_names(troupe_test *test)
{
    troupe_probe *probes[10];
    struct wish wishes[10] = {0};

    for (int i = 0; i < 10; i++) {
        probes[i] = troupe_probe_start(test, "holder");
        (void)snprintf(wishes[i].name, sizeof(wishes[i].name), "name %d", i);
        assert_int_equal(troupe_probe_post(probes[i], register_wish, &wishes[i]), TROUPE_OK);
    }
    troupe_test_settle(test);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(wishes[i].done, 1);
        assert_int_equal(wishes[i].status, TROUPE_OK);
        assert_true(troupe_pid_equal(holder_of(test, wishes[i].name), troupe_probe_pid(probes[i])));
    }
}

static void ten_actors_take_ten_names_at_once(void **state)
{
    (void)state;
    world_play(SEEDS, play_ten_names);
}

static void play_taken_name(troupe_test *test)
{
    troupe_probe *first = troupe_probe_start(test, "first");
    troupe_probe *second = troupe_probe_start(test, "second");
    struct wish wish = {.name = "the one"};
    struct wish again = {.name = "the one"};

    (void)troupe_probe_do(first, register_wish, &wish);
    (void)troupe_probe_do(second, register_wish, &again);
    troupe_test_settle(test);
    assert_int_equal(wish.status, TROUPE_OK);
    assert_int_equal(again.status, TROUPE_E_EXISTS);
    assert_true(troupe_pid_equal(again.holder, troupe_probe_pid(first)));
    assert_true(troupe_pid_equal(holder_of(test, "the one"), troupe_probe_pid(first)));
    troupe_probe_stop(first, TROUPE_REASON_NORMAL, NULL);
    assert_true(troupe_pid_is_none(holder_of(test, "the one")));
    again = (struct wish){.name = "the one"};
    (void)troupe_probe_do(second, register_wish, &again);
    troupe_test_settle(test);
    assert_int_equal(again.status, TROUPE_OK);
    assert_true(troupe_pid_equal(holder_of(test, "the one"), troupe_probe_pid(second)));
}

static void a_taken_name_is_free_when_its_holder_ends_and_not_before(void **state)
{
    (void)state;
    world_play(SEEDS, play_taken_name);
}

/* ---- ending in init ---- */

static int stop_at_once(troupe_self *self, void *state, const void *args)
{
    (void)self;
    (void)state;
    (void)args;
    return TROUPE_STOP;
}

static const troupe_behavior brief_behavior = {.name = "test.brief", .init = stop_at_once};
static const troupe_behavior idle_behavior = {.name = "test.idle"};

static void play_brief(troupe_test *test)
{
    const troupe_spawn_options options = {.name = "brief"};
    troupe_pid pid = {0};

    (void)!troupe_node_spawn(troupe_test_node(test), &brief_behavior, NULL, &options, &pid);
    assert_true(troupe_pid_is_none(holder_of(test, "brief")));
    pid = world_spawn(test, &idle_behavior, "brief");
    assert_true(troupe_pid_equal(holder_of(test, "brief"), pid));
}

static void who_stops_in_init_leaves_its_name_free(void **state)
{
    (void)state;
    world_play(SEEDS, play_brief);
}

/* ---- init is over before the first message ---- */

struct slow {
    bool ready;
};
static troupe_pid greeter;

static int slow_init(troupe_self *self, void *state, const void *args)
{
    const letter who = {.answer_to = troupe_self_pid(self), .value = 1};
    struct slow *slow = state;
    troupe_pid child = {0};
    int status = (int)troupe_send(self, greeter, &letter_type, &who);

    (void)args;
    status =
        status != TROUPE_OK ? status : (int)troupe_send(self, who.answer_to, &letter_type, &who);
    status =
        status != TROUPE_OK ? status : (int)troupe_spawn(self, &idle_behavior, NULL, NULL, &child);
    slow->ready = true;
    return status;
}

static int slow_greeted(troupe_self *self, void *state, const void *message)
{
    const struct slow *slow = state;

    (void)message;
    return !slow->ready ? troupe_fail(self, "not ready")
                        : troupe_reply(self, &number_type, &(number){.value = 1});
}

static const troupe_handler slow_handlers[] = {{&letter_type, slow_greeted}, {0}};
static const troupe_behavior slow_behavior = {.name = "test.slow",
                                              .state_size = sizeof(struct slow),
                                              .init = slow_init,
                                              .handlers = slow_handlers};

static int start_slow(troupe_self *self, void *context)
{
    return (int)troupe_spawn(self, &slow_behavior, NULL, NULL, context);
}

static void play_slow(troupe_test *test)
{
    troupe_probe *parent = troupe_probe_start(test, "parent");
    troupe_probe *friend = troupe_probe_start(test, "friend");
    troupe_pid pid = {0};

    greeter = troupe_probe_pid(friend);
    assert_int_equal(troupe_probe_post(parent, start_slow, &pid), TROUPE_OK);
    const troupe_seen *seen = troupe_expect(friend, &letter_type, 0);
    const letter *who = troupe_seen_as(seen, &letter_type);

    assert_int_equal(troupe_probe_call(friend, who->answer_to, &letter_type, who, 1000, 1),
                     TROUPE_OK);
    assert_int_equal(number_in(troupe_expect_result(friend, 1, TROUPE_OK, 0)), 1);
}

static void what_is_sent_during_init_is_handled_after_it(void **state)
{
    (void)state;
    world_play(SEEDS, play_slow);
}

/* ---- restarts ---- */

static int fail_or_answer(troupe_self *self, void *state, const void *message)
{
    const int64_t value = ((const number *)message)->value;

    (void)state;
    return value == 0 ? troupe_fail(self, "asked to")
                      : troupe_reply(self, &number_type, &(number){.value = value});
}

static const troupe_handler served_handlers[] = {{&number_type, fail_or_answer}, {0}};
static const troupe_behavior served_behavior = {.name = "test.served", .handlers = served_handlers};
static const troupe_child served_child = {
    .id = "served", .behavior = &served_behavior, .name = "served"};
static const troupe_supervisor served_tree = {.children = &served_child, .children_count = 1};

static void play_restart(troupe_test *test)
{
    troupe_node *node = troupe_test_node(test);
    troupe_probe *client = troupe_probe_start(test, "client");
    troupe_pid supervisor = {0};
    troupe_result result = {0};
    const number one = {.value = 1};

    assert_int_equal(troupe_node_spawn_supervisor(node, &served_tree, NULL, &supervisor),
                     TROUPE_OK);
    const troupe_pid old = holder_of(test, "served");
    const uint64_t monitor = troupe_probe_monitor(client, old);

    assert_int_equal(troupe_probe_send(client, old, &number_type, &(number){.value = 0}),
                     TROUPE_OK);
    (void)troupe_expect_down(client, monitor, TROUPE_REASON_ERROR, 0);
    assert_int_equal(troupe_probe_call(client, old, &number_type, &one, 1000, 1), TROUPE_OK);
    (void)troupe_expect_result(client, 1, TROUPE_E_NOPROC, 0);
    troupe_test_settle(test);
    assert_false(troupe_pid_equal(holder_of(test, "served"), old));
    assert_int_equal(troupe_node_call_name(node, "served", &number_type, &one, 1000, &result),
                     TROUPE_OK);
    assert_false(troupe_pid_equal(result.pid, old));
    troupe_result_clear(&result);
    troupe_expect_nothing(client); /* Of the old one all has been told. */
}

static void after_a_restart_the_name_leads_to_the_new_one_and_the_old_pid_nowhere(void **state)
{
    (void)state;
    world_play(SEEDS, play_restart);
}

/* ---- timers ---- */

enum { TIMERS = 6 };
static const uint64_t delays_ms[TIMERS] = {300, 100, 500, 200, 600, 400};
static uint64_t timers[TIMERS];
static bool in_time[TIMERS];

static int start_timers(troupe_self *self, void *context)
{
    int status = TROUPE_OK;

    (void)context;
    for (int i = 0; i < TIMERS && status == TROUPE_OK; i++) {
        const number n = {.value = (int64_t)delays_ms[i]};

        status = (int)troupe_send_after(self, delays_ms[i], troupe_self_pid(self), &number_type, &n,
                                        &timers[i]);
    }
    return status;
}

static int cancel_even(troupe_self *self, void *context)
{
    (void)context;
    for (int i = 0; i < TIMERS; i += 2) {
        in_time[i] = troupe_cancel_timer(self, timers[i]);
    }
    return TROUPE_OK;
}

static void play_timers(troupe_test *test)
{
    troupe_probe *probe = troupe_probe_start(test, "clock");

    for (int round = 0; round < 2; round++) {
        const int64_t begun = troupe_test_now_ms(test);

        (void)troupe_probe_do(probe, start_timers, NULL);
        for (int64_t ms = 100; ms <= 600; ms += 100) {
            if (round == 1 && ms == 400) {
                /* 300 has come, 500 and 600 have not. */
                (void)troupe_probe_do(probe, cancel_even, NULL);
                assert_false(in_time[0]);
                assert_true(in_time[2]);
                assert_true(in_time[4]);
            }
            if (round == 0 || ms <= 400) {
                const troupe_seen *seen = troupe_expect(probe, &number_type, 101);

                assert_int_equal(number_in(seen), ms);
                assert_in_range(seen->at_ms, begun + ms, begun + ms + 1);
            }
        }
        troupe_test_advance(test, 1000);
        troupe_expect_nothing(probe);
    }
}

static void timers_come_in_the_order_of_their_delays_but_for_the_cancelled(void **state)
{
    (void)state;
    world_play(SEEDS, play_timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_actors_take_ten_names_at_once),
        cmocka_unit_test(a_taken_name_is_free_when_its_holder_ends_and_not_before),
        cmocka_unit_test(who_stops_in_init_leaves_its_name_free),
        cmocka_unit_test(what_is_sent_during_init_is_handled_after_it),
        cmocka_unit_test(after_a_restart_the_name_leads_to_the_new_one_and_the_old_pid_nowhere),
        cmocka_unit_test(timers_come_in_the_order_of_their_delays_but_for_the_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
