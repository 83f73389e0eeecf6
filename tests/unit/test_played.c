/* What is tested: what needs a certain interleaving or an exact time, in a played node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "troupe/test.h"
#include "troupe/troupe.h"

enum { VICTIMS = 10 };

TROUPE_TYPE_EMPTY(word, "test.word");

static troupe_test *begin(uint64_t seed, uint32_t mailbox_messages)
{
    troupe_test_options options;
    troupe_config config;
    troupe_test *test = NULL;

    troupe_config_init(&config);
    config.actors_max = 1000;
    config.mailbox_messages = mailbox_messages;
    troupe_test_options_init(&options);
    options.seed = seed;
    options.config = &config;
    assert_int_equal(troupe_test_create(&options, &test), TROUPE_OK);
    return test;
}

static void signals_do_not_count_against_a_mailbox(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        troupe_test *test = begin(seed, 2);
        troupe_node *node = troupe_test_node(test);
        troupe_probe *watcher = troupe_probe_start(test, "watcher");
        troupe_pid victims[VICTIMS];

        for (int i = 0; i < VICTIMS; i++) {
            victims[i] = troupe_probe_pid(troupe_probe_start(test, "victim"));
            (void)troupe_probe_monitor(watcher, victims[i]);
        }
        const troupe_pid pid = troupe_probe_pid(watcher);

        assert_int_equal(troupe_node_send(node, pid, &word_type, NULL), TROUPE_OK);
        assert_int_equal(troupe_node_send(node, pid, &word_type, NULL), TROUPE_OK);
        assert_int_equal(troupe_node_send(node, pid, &word_type, NULL), TROUPE_E_BUSY);
        for (int i = 0; i < VICTIMS; i++) {
            assert_int_equal(troupe_node_exit(node, victims[i], TROUPE_REASON_KILL, NULL),
                             TROUPE_OK);
        }
        troupe_test_settle(test);
        assert_int_equal(troupe_probe_count(watcher), VICTIMS + 2);
        troupe_test_destroy(test);
    }
}

/* An interval timer keeps its times, however late a turn comes. */
static int tick_every_100_ms(troupe_self *self, void *context)
{
    return troupe_send_interval(self, 100, troupe_self_pid(self), &word_type, NULL, context);
}

static void intervals_do_not_drift(void **state)
{
    (void)state;
    troupe_test *test = begin(1, 100);
    troupe_probe *probe = troupe_probe_start(test, "clock");
    uint64_t timer = 0;

    (void)troupe_probe_do(probe, tick_every_100_ms, &timer);
    const int64_t first = troupe_expect(probe, &word_type, 101)->at_ms;

    for (int64_t i = 1; i <= 36000; i++) {
        assert_int_equal(troupe_expect(probe, &word_type, 100)->at_ms, first + i * 100);
    }
    troupe_test_jump(test, 1050); /* Times that have passed are left out. */
    assert_int_equal(troupe_expect(probe, &word_type, 0)->at_ms, troupe_test_now_ms(test));
    assert_int_equal(troupe_expect(probe, &word_type, 100)->at_ms, first + 3601100);
    troupe_test_destroy(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signals_do_not_count_against_a_mailbox),
                                       cmocka_unit_test(intervals_do_not_drift)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
