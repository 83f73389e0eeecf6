/* What is tested: the kit for users' tests: virtual time, one thread, one seed, one trace; probes
 * and what they expect; memory that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "troupe/test.h"
#include "troupe/troupe.h"

typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));

typedef struct word {
    const char *text;
} word;
TROUPE_TYPE(word, "test.word", TROUPE_FIELD(word, text, 1));

/* ---- a world whose failures are caught ---- */

static jmp_buf failure;
static char report[16384];

static void on_fail(void *context, const char *text)
{
    (void)context;
    (void)snprintf(report, sizeof(report), "%s", text);
    longjmp(failure, 1);
}

static troupe_test *begin(uint64_t seed, uint32_t workers)
{
    troupe_test_options options;
    troupe_test *test = NULL;

    troupe_test_options_init(&options);
    options.seed = seed;
    options.workers = workers;
    options.fail = on_fail;
    assert_int_equal(troupe_test_create(&options, &test), TROUPE_OK);
    return test;
}

/* ---- an actor to test: adds numbers up, says so after a while ---- */

static int on_number(troupe_self *self, void *state, const void *message)
{
    int64_t *sum = state;

    *sum += ((const number *)message)->value;
    return troupe_reply(self, &number_type, &(number){.value = *sum});
}

static int on_word(troupe_self *self, void *state, const void *message)
{
    const troupe_status status = troupe_send_after(self, 250, troupe_sender(self), &number_type,
                                                   &(number){.value = *(int64_t *)state}, NULL);

    (void)message;
    return status;
}

static const troupe_handler adder_handlers[] = {
    {&number_type, on_number}, {&word_type, on_word}, {0}};
static const troupe_behavior adder_behavior = {
    .name = "test.adder", .state_size = sizeof(int64_t), .handlers = adder_handlers};

static troupe_pid spawn_adder(troupe_test *test)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(troupe_test_node(test), &adder_behavior, NULL, NULL, &pid),
                     TROUPE_OK);
    return pid;
}

static void a_blocking_call_plays_the_node(void **state)
{
    (void)state;
    troupe_test *test = begin(1, 2);
    const troupe_pid adder = spawn_adder(test);
    troupe_result result = {0};

    assert_int_equal(troupe_node_call(troupe_test_node(test), adder, &number_type,
                                      &(number){.value = 5}, 1000, &result),
                     TROUPE_OK);
    assert_int_equal(((const number *)result.value)->value, 5);
    troupe_result_clear(&result);
    assert_int_equal(troupe_test_now_ms(test), 1000000);
    troupe_test_destroy(test);
}

static void waiting_for_nothing_takes_virtual_time_only(void **state)
{
    (void)state;
    troupe_test *test = begin(1, 2);
    troupe_probe *mute = troupe_probe_start(test, "mute");
    int32_t kind = 0;

    assert_int_equal(
        troupe_node_join(troupe_test_node(test), troupe_probe_pid(mute), 86400000, &kind),
        TROUPE_E_TIMEOUT);
    assert_in_range(troupe_test_now_ms(test), 1000000 + 86400000, 1000000 + 86400002);
    troupe_test_destroy(test);
}

static void a_message_that_comes_later_is_waited_for(void **state)
{
    (void)state;
    troupe_test *test = begin(2, 2);
    troupe_probe *probe = troupe_probe_start(test, "client");
    const troupe_pid adder = spawn_adder(test);

    assert_int_equal(troupe_probe_send(probe, adder, &number_type, &(number){.value = 7}),
                     TROUPE_OK);
    assert_int_equal(troupe_probe_send(probe, adder, &word_type, &(word){.text = "later"}),
                     TROUPE_OK);
    const troupe_seen *seen = troupe_expect(probe, &number_type, 300);

    assert_int_equal(((const number *)troupe_seen_as(seen, &number_type))->value, 7);
    assert_null(troupe_seen_as(seen, &word_type));
    assert_true(troupe_pid_equal(seen->from, adder));
    assert_in_range(seen->at_ms, 1000250, 1000252);
    troupe_test_destroy(test);
}

static void time_stands_until_it_is_moved(void **state)
{
    (void)state;
    troupe_test *test = begin(3, 1);
    troupe_probe *probe = troupe_probe_start(test, "client");
    const troupe_pid adder = spawn_adder(test);

    assert_int_equal(troupe_probe_send(probe, adder, &word_type, &(word){.text = "later"}),
                     TROUPE_OK);
    troupe_expect_nothing(probe);
    assert_in_range(troupe_test_next_timer_ms(test), 1, 251);
    troupe_test_advance(test, 249);
    troupe_expect_nothing(probe);
    troupe_test_advance(test, 10);
    (void)troupe_expect(probe, &number_type, 0);
    assert_int_equal(troupe_test_next_timer_ms(test), UINT64_MAX);
    assert_int_equal(troupe_test_now_ms(test), 1000259);
    troupe_test_destroy(test);
}

static void signals_are_seen_with_sender_and_reason(void **state)
{
    (void)state;
    troupe_test *test = begin(4, 3);
    troupe_probe *watcher = troupe_probe_start(test, "watcher");
    troupe_probe *victim = troupe_probe_start(test, "victim");
    const troupe_pid pid = troupe_probe_pid(victim);

    troupe_probe_trap_exit(watcher, true);
    assert_int_equal(troupe_probe_link(watcher, pid), TROUPE_OK);
    const uint64_t monitor = troupe_probe_monitor(watcher, pid);
    const uint64_t ended = troupe_probe_monitor(watcher, pid);

    assert_int_equal(troupe_probe_demonitor(watcher, ended), TROUPE_OK);
    troupe_probe_stop(victim, TROUPE_REASON_ERROR, "on purpose");
    /* Both come from one actor's end, in no order that is promised. */
    while (troupe_probe_count(watcher) < 2) {
        assert_true(troupe_test_step(test));
    }
    const bool down_first = troupe_probe_seen(watcher, 0)->kind == TROUPE_SEEN_DOWN;

    if (down_first) {
        (void)troupe_expect_down(watcher, monitor, TROUPE_REASON_ERROR, 0);
    }
    const troupe_seen *seen = troupe_expect_exit(watcher, pid, TROUPE_REASON_ERROR, 0);

    assert_string_equal(seen->reason.text, "on purpose");
    if (!down_first) {
        (void)troupe_expect_down(watcher, monitor, TROUPE_REASON_ERROR, 0);
    }
    troupe_expect_nothing(watcher);
    (void)troupe_expect_end(victim, TROUPE_REASON_ERROR, 0);
    assert_false(troupe_probe_is_alive(victim));
    troupe_test_destroy(test);
}

static void a_killed_probe_is_seen_to_end(void **state)
{
    (void)state;
    troupe_test *test = begin(5, 2);
    troupe_probe *killer = troupe_probe_start(test, "killer");
    troupe_probe *victim = troupe_probe_start(test, "victim");

    assert_int_equal(troupe_probe_exit(killer, troupe_probe_pid(victim), TROUPE_REASON_KILL, NULL),
                     TROUPE_OK);
    troupe_expect_exited(test, troupe_probe_pid(victim), TROUPE_REASON_KILLED, 10);
    (void)troupe_expect_end(victim, TROUPE_REASON_KILLED, 0);
    troupe_test_destroy(test);
}

static void requests_are_answered_by_the_test(void **state)
{
    (void)state;
    troupe_test *test = begin(6, 2);
    troupe_probe *client = troupe_probe_start(test, "client");
    troupe_probe *server = troupe_probe_start(test, "server");

    assert_int_equal(troupe_probe_call(client, troupe_probe_pid(server), &word_type,
                                       &(word){.text = "how many?"}, 1000, 77),
                     TROUPE_OK);
    const troupe_seen *request = troupe_expect(server, &word_type, 0);

    assert_int_equal(request->kind, TROUPE_SEEN_REQUEST);
    assert_string_equal(((const word *)request->value)->text, "how many?");
    assert_int_equal(troupe_probe_reply(server, request, &number_type, &(number){.value = 3}),
                     TROUPE_OK);
    const troupe_seen *result = troupe_expect_result(client, 77, TROUPE_OK, 0);

    assert_int_equal(((const number *)troupe_seen_as(result, &number_type))->value, 3);
    /* Nobody answers this one. */
    assert_int_equal(troupe_probe_call(client, troupe_probe_pid(server), &word_type,
                                       &(word){.text = "and now?"}, 1000, 78),
                     TROUPE_OK);
    (void)troupe_expect_result(client, 78, TROUPE_E_TIMEOUT, 1002);
    troupe_test_destroy(test);
}

static bool is_seven(const troupe_seen *seen, void *context)
{
    const number *n = troupe_seen_as(seen, &number_type);

    (void)context;
    return n != NULL && n->value == 7;
}

static void expectations_may_pass_over_things(void **state)
{
    (void)state;
    troupe_test *test = begin(7, 2);
    troupe_probe *a = troupe_probe_start(test, "a");
    troupe_probe *b = troupe_probe_start(test, "b");

    for (int64_t i = 5; i < 10; i++) {
        assert_int_equal(
            troupe_probe_send(a, troupe_probe_pid(b), &number_type, &(number){.value = i}),
            TROUPE_OK);
    }
    (void)troupe_expect_where(b, is_seven, NULL, 0, "a seven");
    troupe_expect_none_where(b, is_seven, NULL, "second seven");
    assert_int_equal(troupe_probe_count(b), 5);
    troupe_test_destroy(test);
}

/* ---- failures ---- */

static void what_does_not_come_is_reported_with_seed_and_trace(void **state)
{
    (void)state;
    troupe_test *test = begin(123456, 2);
    troupe_probe *probe = troupe_probe_start(test, "lonely");

    assert_int_equal(
        troupe_probe_send(probe, troupe_probe_pid(probe), &word_type, &(word){.text = "to myself"}),
        TROUPE_OK);
    (void)troupe_expect(probe, &word_type, 0);
    troupe_test_note(test, "and now number %d", 2);
    if (setjmp(failure) == 0) {
        (void)troupe_expect(probe, &number_type, 50);
        fail();
    }
    assert_non_null(strstr(report, "lonely expects a value of type \"test.number\", and nothing "
                                   "comes within 50 ms\nseed 123456"));
    assert_non_null(strstr(report, "lonely sees message from <1."));
    assert_non_null(strstr(report, "test.word {\"text\":\"to myself\"}"));
    assert_non_null(strstr(report, "and now number 2"));
    troupe_test_destroy(test);
}

static void what_should_not_come_is_reported(void **state)
{
    (void)state;
    troupe_test *test = begin(9, 2);
    troupe_probe *probe = troupe_probe_start(test, "busy");

    assert_int_equal(
        troupe_probe_send(probe, troupe_probe_pid(probe), &number_type, &(number){.value = 7}),
        TROUPE_OK);
    if (setjmp(failure) == 0) {
        troupe_expect_none_where(probe, is_seven, NULL, "seven");
        fail();
    }
    assert_non_null(strstr(report, "busy expects no seven, and sees it"));
    troupe_test_destroy(test);
}

/* ---- one seed, one run ---- */

/* Several probes send to each other at once; answers the trace. */
static char *play(uint64_t seed)
{
    troupe_test *test = begin(seed, 4);
    troupe_probe *probes[6];
    const troupe_pid adder = spawn_adder(test);

    for (int i = 0; i < 6; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "p%d", i);
        probes[i] = troupe_probe_start(test, name);
    }
    for (int64_t i = 0; i < 30; i++) {
        const troupe_pid to = troupe_probe_pid(probes[i * 5 % 6]);

        assert_int_equal(troupe_probe_send(probes[i % 6], to, &number_type, &(number){.value = i}),
                         TROUPE_OK);
        assert_int_equal(troupe_probe_call(probes[i % 6], adder, &number_type,
                                           &(number){.value = i}, 100, (uint64_t)i),
                         TROUPE_OK);
    }
    troupe_test_advance(test, 200);
    char *trace = strdup(troupe_test_trace(test));

    troupe_test_destroy(test);
    return trace;
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    uint64_t different = 0;
    char *before = NULL;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        char *first = play(seed);
        char *second = play(seed);

        assert_true(strlen(first) > 1000);
        assert_string_equal(first, second);
        different += before != NULL && strcmp(before, first) != 0;
        free(second);
        free(before);
        before = first;
    }
    free(before);
    assert_int_equal(different, 19);
}

/* ---- memory ---- */

static int send_word(troupe_self *self, void *context)
{
    *(troupe_status *)context =
        troupe_send(self, troupe_self_pid(self), &word_type, &(word){.text = "a word"});
    return TROUPE_OK;
}

static void an_allocation_fails_when_the_test_says_so(void **state)
{
    troupe_status status = TROUPE_OK;
    uint64_t asked = 0;

    (void)state;
    troupe_test *test = begin(10, 1);
    troupe_probe *probe = troupe_probe_start(test, "poor");

    troupe_test_fail_memory(test, 0, false);
    (void)troupe_probe_do(probe, send_word, &status);
    assert_int_equal(status, TROUPE_E_NO_MEMORY);
    (void)troupe_probe_do(probe, send_word, &status);
    assert_int_equal(status, TROUPE_OK);
    assert_int_equal(troupe_test_heal_memory(test, &asked), 1);
    assert_int_equal(asked, 2);
    (void)troupe_expect(probe, &word_type, 0);
    troupe_expect_nothing(probe);

    troupe_test_fail_memory(test, 1, true);
    for (int i = 0; i < 3; i++) {
        (void)troupe_probe_do(probe, send_word, &status);
        assert_int_equal(status, i == 0 ? TROUPE_OK : TROUPE_E_NO_MEMORY);
    }
    assert_int_equal(troupe_test_heal_memory(test, NULL), 2);
    troupe_test_fail_memory_by_chance(test, 500000);
    for (int i = 0; i < 100; i++) {
        (void)troupe_probe_do(probe, send_word, &status);
    }
    assert_in_range(troupe_test_heal_memory(test, NULL), 20, 80);
    troupe_test_destroy(test);
}

static void spawning_without_memory_answers_so(void **state)
{
    uint64_t failures = 0;

    (void)state;
    for (uint64_t n = 0;; n++) {
        troupe_test *test = begin(n + 1, 2);
        troupe_pid pid = {0};

        troupe_test_fail_memory(test, n, false);
        const troupe_status status =
            troupe_node_spawn(troupe_test_node(test), &adder_behavior, NULL, NULL, &pid);
        const bool bit = troupe_test_heal_memory(test, NULL) > 0;

        assert_true(status == TROUPE_OK || status == TROUPE_E_NO_MEMORY ||
                    status == TROUPE_E_LIMIT);
        assert_int_equal(bit, status != TROUPE_OK);
        failures += bit;
        troupe_test_destroy(test);
        if (!bit) {
            break;
        }
    }
    assert_true(failures >= 2);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    troupe_test_options options;
    troupe_test *test = NULL;

    (void)state;
    for (int i = 0; i < 5; i++) {
        troupe_test_options_init(&options);
        options.workers = i == 0 ? 5 : i == 1 ? 0 : 2;
        options.batch_max = i == 2 ? 0 : 64;
        options.trace_lines = i == 3 ? 0 : 100;
        options.struct_size = i == 4 ? 1 : options.struct_size;
        assert_int_equal(troupe_test_create(&options, &test), TROUPE_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocking_call_plays_the_node),
        cmocka_unit_test(waiting_for_nothing_takes_virtual_time_only),
        cmocka_unit_test(a_message_that_comes_later_is_waited_for),
        cmocka_unit_test(time_stands_until_it_is_moved),
        cmocka_unit_test(signals_are_seen_with_sender_and_reason),
        cmocka_unit_test(a_killed_probe_is_seen_to_end),
        cmocka_unit_test(requests_are_answered_by_the_test),
        cmocka_unit_test(expectations_may_pass_over_things),
        cmocka_unit_test(what_does_not_come_is_reported_with_seed_and_trace),
        cmocka_unit_test(what_should_not_come_is_reported),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(an_allocation_fails_when_the_test_says_so),
        cmocka_unit_test(spawning_without_memory_answers_so),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
