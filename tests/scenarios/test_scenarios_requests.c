/* What is tested: scenarios of calls, late answers, full mailboxes and messages taken out of order
 * on one node, each for many interleavings.
 */
#include <string.h>

#include "scenarios/world.h"

enum { SEEDS = 100 };

/* ---- one handler at a time ---- */

static int count_one(troupe_self *self, void *state, const void *message)
{
    int64_t *count = state;

    (void)message;
    (*count)++;
    return troupe_reply(self, &number_type, &(number){.value = *count});
}

static const troupe_handler counter_handlers[] = {{&number_type, count_one}, {0}};
static const troupe_behavior counter_behavior = {
    .name = "test.counter", .state_size = sizeof(int64_t), .handlers = counter_handlers};

static int then_keep(troupe_self *self, void *state, const troupe_result *result)
{
    const number *n = troupe_result_as(result, &number_type);

    (void)state;
    return n == NULL ? troupe_fail(self, "no number")
                     : (int)troupe_send(self, troupe_self_pid(self), &number_type, n);
}

static int call_counter(troupe_self *self, void *context)
{
    return (int)troupe_call(self, *(const troupe_pid *)context, &number_type, &(number){.value = 0},
                            1000, then_keep, 0);
}

static void play_three_calls(troupe_test *test)
{
    troupe_pid counter = world_spawn(test, &counter_behavior, NULL);
    troupe_probe *probes[3];
    uint64_t seen = 0;

    for (int i = 0; i < 3; i++) {
        probes[i] = troupe_probe_start(test, "caller");
        assert_int_equal(troupe_probe_post(probes[i], call_counter, &counter), TROUPE_OK);
    }
    for (int i = 0; i < 3; i++) {
        seen += UINT64_C(1) << (4 * number_in(troupe_expect(probes[i], &number_type, 0)));
    }
    assert_int_equal(seen, 0x1110); /* 1, 2 and 3, once each. */
}

static void calls_at_once_are_handled_one_after_the_other(void **state)
{
    (void)state;
    world_play(SEEDS, play_three_calls);
}

/* ---- answers that come late or never ---- */

static bool is_result(const troupe_seen *seen, void *context)
{
    (void)context;
    return seen->kind == TROUPE_SEEN_RESULT;
}

static void play_deadline(troupe_test *test)
{
    troupe_probe *client = troupe_probe_start(test, "client");
    troupe_probe *mute = troupe_probe_start(test, "mute");
    const int64_t begun = troupe_test_now_ms(test);

    assert_int_equal(troupe_probe_call(client, troupe_probe_pid(mute), &number_type,
                                       &(number){.value = 1}, 100, 1),
                     TROUPE_OK);
    const troupe_seen *request = troupe_expect(mute, &number_type, 0);
    const troupe_seen *result = troupe_expect_result(client, 1, TROUPE_E_TIMEOUT, 101);

    assert_int_equal(request->kind, TROUPE_SEEN_REQUEST);
    assert_in_range(result->at_ms, begun + 100, begun + 101);
    assert_int_equal(troupe_probe_reply(mute, request, &number_type, &(number){.value = 2}),
                     TROUPE_OK);
    troupe_expect_none_where(client, is_result, NULL, "late reply");
    assert_true(troupe_probe_is_alive(mute));
}

static void a_request_that_nobody_answers_ends_at_its_deadline(void **state)
{
    (void)state;
    world_play(SEEDS, play_deadline);
}

static void play_answers(troupe_test *test)
{
    static const int order[] = {2, 0, 3, 1};
    troupe_probe *server = troupe_probe_start(test, "server");
    troupe_probe *client = troupe_probe_start(test, "client");
    const troupe_seen *requests[4] = {0};

    for (int i = 0; i < 4; i++) {
        assert_int_equal(troupe_probe_call(client, troupe_probe_pid(server), &number_type,
                                           &(number){.value = i}, 1000, (uint64_t)i),
                         TROUPE_OK);
        requests[i] = troupe_expect(server, &number_type, 0);
        assert_int_equal(number_in(requests[i]), i);
    }
    /* Four are owed, and it still handles what comes. */
    assert_int_equal(
        troupe_probe_send(client, troupe_probe_pid(server), &number_type, &(number){.value = 9}),
        TROUPE_OK);
    assert_int_equal(number_in(troupe_expect(server, &number_type, 0)), 9);
    for (int i = 0; i < 4; i++) {
        const int64_t value = 10 * order[i];

        assert_int_equal(
            troupe_probe_reply(server, requests[order[i]], &number_type, &(number){.value = value}),
            TROUPE_OK);
        assert_int_equal(troupe_probe_reply(server, requests[order[i]], &number_type,
                                            &(number){.value = value + 1}),
                         TROUPE_E_CLOSED);
        const troupe_seen *result = troupe_expect_result(client, (uint64_t)order[i], TROUPE_OK, 0);

        assert_int_equal(number_in(result), value);
    }
    troupe_expect_nothing(client);
}

static void requests_are_answered_in_any_order_and_once(void **state)
{
    (void)state;
    world_play(SEEDS, play_answers);
}

/* ---- pids in messages ---- */

static int answer_letter(troupe_self *self, void *state, const void *message)
{
    const letter *l = message;

    (void)state;
    return (int)troupe_send(self, l->answer_to, &number_type, &(number){.value = l->value});
}

static const troupe_handler clerk_handlers[] = {{&letter_type, answer_letter}, {0}};
static const troupe_behavior clerk_behavior = {.name = "test.clerk", .handlers = clerk_handlers};

static void play_letter(troupe_test *test)
{
    troupe_probe *sender = troupe_probe_start(test, "sender");
    troupe_probe *third = troupe_probe_start(test, "third");
    const troupe_pid clerk = world_spawn(test, &clerk_behavior, NULL);
    const letter l = {.answer_to = troupe_probe_pid(third), .value = 7};

    assert_int_equal(troupe_probe_send(sender, clerk, &letter_type, &l), TROUPE_OK);
    const troupe_seen *seen = troupe_expect(third, &number_type, 0);

    assert_int_equal(number_in(seen), 7);
    assert_true(troupe_pid_equal(seen->from, clerk));
    troupe_expect_nothing(sender);
}

static void a_pid_in_a_message_is_good_for_an_answer(void **state)
{
    (void)state;
    world_play(SEEDS, play_letter);
}

/* ---- a mailbox of two ---- */

static void play_small_mailbox(troupe_test *test)
{
    const troupe_spawn_options options = {.mailbox_messages = 2};
    troupe_node *node = troupe_test_node(test);
    const number one = {.value = 1};
    troupe_result result = {0};
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(node, &counter_behavior, NULL, &options, &pid), TROUPE_OK);
    troupe_test_settle(test);
    for (int round = 0; round < 2; round++) {
        /* Nobody runs between these. */
        assert_int_equal(troupe_node_send(node, pid, &number_type, &one), TROUPE_OK);
        assert_int_equal(troupe_node_send(node, pid, &number_type, &one), TROUPE_OK);
        assert_int_equal(troupe_node_send(node, pid, &number_type, &one), TROUPE_E_BUSY);
        assert_int_equal(troupe_node_send(node, pid, &number_type, &one), TROUPE_E_BUSY);
        troupe_test_settle(test);
    }
    assert_int_equal(troupe_node_call(node, pid, &number_type, &one, 100, &result), TROUPE_OK);
    assert_int_equal(((const number *)result.value)->value, 5);
    troupe_result_clear(&result);
}

static void the_third_message_to_a_mailbox_of_two_is_refused(void **state)
{
    (void)state;
    world_play(SEEDS, play_small_mailbox);
}

/* ---- taking messages out of order ---- */

/* Wants 1, 2, 3 ... in this order and puts the others away; gives up on the next one after 100 ms
 * and then takes what there is. Says what it takes, and 0 when it gives up. */
struct picker {
    int64_t wanted;
    bool takes_all;
    uint64_t timer;
};
static troupe_pid reader;

static int say(troupe_self *self, int64_t value)
{
    return (int)troupe_send(self, reader, &number_type, &(number){.value = value});
}

static int pick(troupe_self *self, void *state, const void *message)
{
    struct picker *picker = state;
    const int64_t value = ((const number *)message)->value;

    if (!picker->takes_all && value != picker->wanted) {
        return (int)troupe_stash(self);
    }
    picker->wanted++;
    (void)troupe_unstash_all(self);
    return say(self, value);
}

static int pick_down(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return ((struct picker *)state)->takes_all ? say(self, 1000) : (int)troupe_stash(self);
}

static int pick_timeout(troupe_self *self, void *state, const void *message)
{
    struct picker *picker = state;

    (void)message;
    picker->takes_all = true;
    (void)troupe_unstash_all(self);
    return say(self, 0);
}

TROUPE_TYPE_EMPTY(too_late, "test.too_late");

static int pick_init(troupe_self *self, void *state, const void *args)
{
    struct picker *picker = state;

    (void)args;
    picker->wanted = 1;
    return (int)troupe_send_after(self, 100, troupe_self_pid(self), &too_late_type, NULL, NULL);
}

/* A message that tells whom to monitor. */
static int pick_watch(troupe_self *self, void *state, const void *message)
{
    uint64_t monitor = 0;

    (void)state;
    return (int)troupe_monitor(self, ((const letter *)message)->answer_to, &monitor);
}

static const troupe_handler picker_handlers[] = {{&number_type, pick},
                                                 {&troupe_down_type, pick_down},
                                                 {&too_late_type, pick_timeout},
                                                 {&letter_type, pick_watch},
                                                 {0}};
static const troupe_behavior picker_behavior = {.name = "test.picker",
                                                .state_size = sizeof(struct picker),
                                                .init = pick_init,
                                                .handlers = picker_handlers};

static void play_picker(troupe_test *test)
{
    static const int64_t sent[] = {3, 9, 1, 8, 2, 7};
    static const int64_t taken[] = {1, 2, 3};
    static const int64_t rest[] = {0, 9, 8, 7, 1000};
    troupe_probe *sender = troupe_probe_start(test, "sender");
    troupe_probe *out = troupe_probe_start(test, "reader");
    troupe_probe *mortal = troupe_probe_start(test, "mortal");

    reader = troupe_probe_pid(out);
    const int64_t begun = troupe_test_now_ms(test);
    const troupe_pid picker = world_spawn(test, &picker_behavior, NULL);
    const letter whom = {.answer_to = troupe_probe_pid(mortal)};

    assert_int_equal(troupe_probe_send(sender, picker, &letter_type, &whom), TROUPE_OK);
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        assert_int_equal(
            troupe_probe_send(sender, picker, &number_type, &(number){.value = sent[i]}),
            TROUPE_OK);
    }
    troupe_test_settle(test);
    troupe_probe_stop(mortal, TROUPE_REASON_ERROR, "boom"); /* While it waits for a 4. */
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        assert_int_equal(number_in(troupe_expect(out, &number_type, 0)), taken[i]);
    }
    troupe_expect_nothing(out);
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        assert_int_equal(number_in(troupe_expect(out, &number_type, 101)), rest[i]);
    }
    assert_in_range(troupe_test_now_ms(test), begun + 100, begun + 101);
    troupe_expect_nothing(out);
}

static void who_waits_for_one_message_leaves_the_others_in_their_order(void **state)
{
    (void)state;
    world_play(SEEDS, play_picker);
}

/* ---- one rule for all callbacks ---- */

static int fail_number(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "by number");
}

static int fail_then(troupe_self *self, void *state, const troupe_result *result)
{
    (void)state;
    (void)result;
    return troupe_fail(self, "by then");
}

static int fail_signal(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "by %s", troupe_message_type(self)->name);
}

/* Sets itself up so that the kind of thing that the letter says comes next. */
enum { BY_CALL, BY_THEN, BY_TIMER, BY_CONTINUE, BY_DOWN, BY_EXIT, BY_IDLE, BY_KINDS };

static int prepare_failure(troupe_self *self, void *state, const void *message)
{
    const letter *l = message;
    const troupe_pid own = troupe_self_pid(self);
    const number one = {.value = 1};
    uint64_t monitor = 0;

    (void)state;
    switch (l->value) {
    case BY_THEN:
        return (int)troupe_call(self, l->answer_to, &number_type, &one, 50, fail_then, 0);
    case BY_TIMER:
        return (int)troupe_send_after(self, 50, own, &number_type, &one, NULL);
    case BY_CONTINUE:
        return (int)troupe_continue(self, &number_type, &one);
    case BY_DOWN:
        return (int)troupe_monitor(self, l->answer_to, &monitor);
    case BY_EXIT:
        troupe_trap_exit(self, true);
        return (int)troupe_link(self, l->answer_to);
    case BY_IDLE:
        return (int)troupe_idle_timeout(self, 50);
    default:
        return TROUPE_OK;
    }
}

static const troupe_handler brittle_handlers[] = {
    {&letter_type, prepare_failure},     {&number_type, fail_number},
    {&troupe_down_type, fail_signal},    {&troupe_exit_type, fail_signal},
    {&troupe_timeout_type, fail_signal}, {0}};
static const troupe_behavior brittle_behavior = {.name = "test.brittle",
                                                 .handlers = brittle_handlers};

static void play_failures(troupe_test *test)
{
    static const char *const words[BY_KINDS] = {
        "by number",      "by then",        "by number",        "by number",
        "by troupe.down", "by troupe.exit", "by troupe.timeout"};
    troupe_probe *client = troupe_probe_start(test, "client");
    troupe_probe *dead = troupe_probe_start(test, "dead");
    const troupe_pid gone = troupe_probe_pid(dead);

    troupe_probe_stop(dead, TROUPE_REASON_NORMAL, NULL);
    for (int64_t kind = 0; kind < BY_KINDS; kind++) {
        const troupe_pid brittle = world_spawn(test, &brittle_behavior, NULL);
        const uint64_t monitor = troupe_probe_monitor(client, brittle);
        const letter how = {.answer_to = gone, .value = kind};

        assert_int_equal(troupe_probe_send(client, brittle, &letter_type, &how), TROUPE_OK);
        if (kind == BY_CALL) {
            assert_int_equal(
                troupe_probe_call(client, brittle, &number_type, &(number){.value = 1}, 1000, 1),
                TROUPE_OK);
            assert_string_equal(troupe_expect_result(client, 1, TROUPE_E_EXITED, 0)->reason.text,
                                words[kind]);
        }
        const troupe_seen *down = troupe_expect_down(client, monitor, TROUPE_REASON_ERROR, 51);

        assert_string_equal(down->reason.text, words[kind]);
    }
}

static void whatever_callback_fails_ends_the_actor_with_its_words(void **state)
{
    (void)state;
    world_play(SEEDS, play_failures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_at_once_are_handled_one_after_the_other),
        cmocka_unit_test(a_request_that_nobody_answers_ends_at_its_deadline),
        cmocka_unit_test(requests_are_answered_in_any_order_and_once),
        cmocka_unit_test(a_pid_in_a_message_is_good_for_an_answer),
        cmocka_unit_test(the_third_message_to_a_mailbox_of_two_is_refused),
        cmocka_unit_test(who_waits_for_one_message_leaves_the_others_in_their_order),
        cmocka_unit_test(whatever_callback_fails_ends_the_actor_with_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
