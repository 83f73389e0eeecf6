/* What is tested: in which order a state machine handles its own events, postponed ones and those
 * of its mailbox. The expected lines are what gen_statem of Erlang/OTP 25 does with the same rules:
 * an event's own events come first, in the order given, then what was postponed when the state
 * changes, then older own events, then the mailbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "troupe/test.h"
#include "troupe/troupe.h"

enum { A, B, STATES, KEEP = STATES, EVENTS_MAX = 4 };

typedef struct event {
    int32_t id;
} event;
TROUPE_TYPE(event, "test.event", TROUPE_FIELD(event, id, 1));
TROUPE_TYPE_EMPTY(done, "test.done");

typedef struct machine_state {
    int32_t state;
} machine_state;
TROUPE_TYPE(machine_state, "test.machine_state", TROUPE_FIELD(machine_state, state, 1));

/* What an event does in a state; without a rule it is only noted. */
static const struct rule {
    int32_t id;
    int32_t state;
    int32_t events[EVENTS_MAX]; /* of its own, up to the first 0 */
    bool postpone;
    int32_t to;
} rules[] = {
    {.id = 1, .state = A, .events = {2, 3}, .to = KEEP},
    {.id = 2, .state = A, .events = {4, 5}, .to = KEEP},
    {.id = 6, .state = A, .postpone = true, .to = KEEP},
    {.id = 21, .state = A, .events = {22, 3}, .to = KEEP},
    {.id = 22, .state = A, .events = {4}, .to = B},
    {.id = 7, .state = A, .events = {4}, .postpone = true, .to = B},
    {.id = 31, .state = A, .events = {8, 33}, .to = KEEP},
    {.id = 8, .state = A, .postpone = true, .to = KEEP},
    {.id = 33, .state = A, .to = B},
    {.id = 10, .state = A, .events = {12}, .postpone = true, .to = B},
    {.id = 12, .state = B, .postpone = true, .to = KEEP},
    {.id = 11, .state = B, .to = A},
};

static troupe_test *test;
static troupe_probe *client;
static troupe_pid pid;
static char story[256];

static void tell(int32_t id, int32_t state)
{
    const size_t used = strlen(story);

    (void)snprintf(story + used, sizeof(story) - used, "%d%c ", id, "ab"[state]);
}

static int on_event(troupe_self *self, void *data, const void *message)
{
    const int32_t id = ((const event *)message)->id;
    const int32_t state = ((const machine_state *)data)->state;
    int answer = TROUPE_OK;

    tell(id, state);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];

        if (rule->id != id || rule->state != state) {
            continue;
        }
        for (size_t e = 0; e < EVENTS_MAX && rule->events[e] != 0; e++) {
            answer +=
                (int)troupe_statem_next_event(self, &event_type, &(event){.id = rule->events[e]});
        }
        answer += rule->postpone ? troupe_statem_postpone(self) : TROUPE_OK;
        answer += rule->to != KEEP ? troupe_statem_next(self, rule->to) : TROUPE_OK;
    }
    return answer;
}

static const troupe_state states[STATES] = {{.name = "a"}, {.name = "b"}};
static const troupe_transition rows[] = {
    {.from = TROUPE_STATE_ANY, .on = &event_type, .to = TROUPE_STATE_KEEP, .action = on_event},
    {.from = TROUPE_STATE_ANY, .on = &done_type, .to = TROUPE_STATE_STOP}};
static const troupe_statem machine = {.states = states,
                                      .states_count = STATES,
                                      .transitions = rows,
                                      .transitions_count = 2,
                                      .state_offset = offsetof(machine_state, state)};
static const troupe_behavior behavior = {
    .name = "test.ordered", .state = &machine_state_type, .machine = &machine};

/* ---- the stage ---- */

static void on_fail(void *context, const char *report)
{
    (void)context;
    fail_msg("%s", report);
}

static int begin(void **state)
{
    troupe_test_options options;

    (void)state;
    troupe_test_options_init(&options);
    options.fail = on_fail;
    assert_int_equal(troupe_test_create(&options, &test), TROUPE_OK);
    client = troupe_probe_start(test, "client");
    story[0] = '\0';
    assert_int_equal(troupe_node_spawn(troupe_test_node(test), &behavior, NULL, NULL, &pid),
                     TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    troupe_test_destroy(test);
    return 0;
}

/* All are in the mailbox before the first one is handled. */
static int do_send(troupe_self *self, void *context)
{
    for (const int32_t *id = context; *id != 0; id++) {
        (void)!troupe_send(self, pid, &event_type, &(event){.id = *id});
    }
    return (int)troupe_send(self, pid, &done_type, NULL);
}

static void assert_handled(int32_t *ids, const char *expected)
{
    (void)troupe_probe_do(client, do_send, ids);
    troupe_expect_exited(test, pid, TROUPE_REASON_NORMAL, 0);
    assert_string_equal(story, expected);
}

/* ---- tests ---- */

static void an_events_own_events_come_before_older_ones(void **state)
{
    (void)state;
    assert_handled((int32_t[]){1, 9, 0}, "1a 2a 4a 5a 3a 9a ");
}

static void what_was_postponed_comes_before_older_own_events(void **state)
{
    (void)state;
    assert_handled((int32_t[]){6, 21, 9, 0}, "6a 21a 22a 4b 6b 3b 9b ");
}

static void an_event_that_is_postponed_and_changes_the_state_comes_again_last(void **state)
{
    (void)state;
    assert_handled((int32_t[]){6, 7, 9, 0}, "6a 7a 4b 6b 7b 9b ");
}

static void own_events_can_be_postponed(void **state)
{
    (void)state;
    assert_handled((int32_t[]){31, 9, 0}, "31a 8a 33a 8b 9b ");
}

static void what_the_new_state_postpones_waits_for_the_next_change(void **state)
{
    (void)state;
    assert_handled((int32_t[]){10, 11, 9, 0}, "10a 12b 10b 11b 12a 9a ");
}

#define ORDER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ORDER_TEST(an_events_own_events_come_before_older_ones),
        ORDER_TEST(what_was_postponed_comes_before_older_own_events),
        ORDER_TEST(an_event_that_is_postponed_and_changes_the_state_comes_again_last),
        ORDER_TEST(own_events_can_be_postponed),
        ORDER_TEST(what_the_new_state_postpones_waits_for_the_next_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
