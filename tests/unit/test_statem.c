/* What is tested: state machines (troupe/statem.h), on a played node whose clock stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "troupe/test.h"
#include "troupe/troupe.h"

/* ---- the machine: a door with a lock ---- */

enum { CLOSED, OPEN, LOCKED, STATES };

TROUPE_TYPE_EMPTY(push, "test.push");
TROUPE_TYPE_EMPTY(pull, "test.pull");
TROUPE_TYPE_EMPTY(turn, "test.turn");
TROUPE_TYPE_EMPTY(ring, "test.ring");
TROUPE_TYPE_EMPTY(burn, "test.burn");
TROUPE_TYPE_EMPTY(tick, "test.tick");
TROUPE_TYPE_EMPTY(oddity, "test.oddity");
typedef struct number {
    int64_t value;
} number;
TROUPE_TYPE(number, "test.number", TROUPE_FIELD(number, value, 1));
typedef struct order {
    int32_t what;
    int64_t value;
} order;
TROUPE_TYPE(order, "test.order", TROUPE_FIELD(order, what, 1), TROUPE_FIELD(order, value, 2));
enum { STATE_TIMEOUT, EVENT_TIMEOUT, NAMED_TIMEOUT, GO, POSTPONE_AND_GO, NEXT_EVENTS, FAIL, MANY };

typedef struct door {
    int32_t state;
    int64_t pushes;
} door;
TROUPE_TYPE(door, "test.door", TROUPE_FIELD(door, state, 1), TROUPE_FIELD(door, pushes, 2));

static troupe_test *test;
static troupe_probe *client;
static troupe_pid pid;
static char story[1024];
static bool enter_fails;
static troupe_from rung;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
    const size_t used = strlen(story);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(story + used, sizeof(story) - used, format, arguments);
    va_end(arguments);
}

/* What was told since the last time. */
static void assert_story(const char *expected)
{
    troupe_test_settle(test);
    assert_string_equal(story, expected);
    story[0] = '\0';
}

static const char *const names[STATES] = {"closed", "open", "locked"};

static int enter(troupe_self *self, void *data, int32_t from)
{
    tell("enter %s from %s;", names[((door *)data)->state], names[from]);
    assert_int_equal(troupe_statem_state(self), ((door *)data)->state);
    return enter_fails ? troupe_fail(self, "no way in") : TROUPE_OK;
}

static int on_push(troupe_self *self, void *data, const void *message)
{
    (void)self;
    (void)message;
    tell("push %d;", (int)++((door *)data)->pushes);
    return TROUPE_OK;
}

static int on_ring_locked(troupe_self *self, void *data, const void *message)
{
    (void)data;
    (void)message;
    rung = troupe_take_from(self);
    tell("ring;");
    return TROUPE_OK;
}

static int on_turn_back(troupe_self *self, void *data, const void *message)
{
    (void)message;
    tell("turn back;");
    return rung.ref == 0 ? TROUPE_OK
                         : (int)troupe_reply_to(self, &rung, &number_type,
                                                &(number){.value = ((door *)data)->pushes});
}

static int on_tick(troupe_self *self, void *data, const void *message)
{
    (void)message;
    (void)self;
    tell("tick in %s;", names[((door *)data)->state]);
    return TROUPE_OK;
}

static int on_any(troupe_self *self, void *data, const void *message)
{
    (void)data;
    (void)message;
    (void)self;
    tell("something;");
    return TROUPE_OK;
}

static int on_state_timeout(troupe_self *self, void *data, const void *message)
{
    (void)message;
    (void)self;
    tell("state timeout in %s at %d;", names[((door *)data)->state],
         (int)(troupe_now_ms(self) - 1000000));
    return TROUPE_OK;
}

static int on_event_timeout(troupe_self *self, void *data, const void *message)
{
    (void)message;
    (void)data;
    tell("event timeout at %d;", (int)(troupe_now_ms(self) - 1000000));
    return TROUPE_OK;
}

static int on_named_timeout(troupe_self *self, void *data, const void *message)
{
    (void)data;
    tell("%s at %d;", ((const troupe_named_timeout *)message)->name,
         (int)(troupe_now_ms(self) - 1000000));
    return TROUPE_OK;
}

static int many_timeouts(troupe_self *self)
{
    char name[16];
    troupe_status status = TROUPE_OK;
    int count = 0;

    while (status == TROUPE_OK) {
        (void)snprintf(name, sizeof(name), "t%d", count);
        status = troupe_statem_timeout(self, name, 5000);
        count += status == TROUPE_OK ? 1 : 0;
    }
    tell("%d timeouts, then %d;", count, status);
    return TROUPE_OK;
}

static int on_order(troupe_self *self, void *data, const void *message)
{
    const order *o = message;

    (void)data;
    switch (o->what) {
    case STATE_TIMEOUT:
        return (int)troupe_statem_state_timeout(self, (uint64_t)o->value);
    case EVENT_TIMEOUT:
        return (int)troupe_statem_event_timeout(self, (uint64_t)o->value);
    case NAMED_TIMEOUT:
        return (int)troupe_statem_timeout(self, o->value < 10 ? "short" : "long",
                                          (uint64_t)o->value);
    case GO:
        return troupe_statem_next(self, (int32_t)o->value);
    case POSTPONE_AND_GO:
        tell("order in %s;", names[troupe_statem_state(self)]);
        return troupe_statem_state(self) == (int32_t)o->value
                   ? TROUPE_OK
                   : troupe_statem_postpone(self) + troupe_statem_next(self, (int32_t)o->value);
    case NEXT_EVENTS:
        (void)!troupe_statem_next_event(self, &tick_type, NULL);
        (void)!troupe_statem_next_event(self, &push_type, NULL);
        return troupe_statem_next(self, (int32_t)o->value);
    case MANY:
        return many_timeouts(self);
    default:
        return troupe_fail(self, "ordered to");
    }
}

static const troupe_state states[STATES] = {
    {.name = "closed", .enter = enter},
    {.name = "open", .enter = enter, .timeout_ms = 100},
    {.name = "locked", .enter = enter},
};
static const troupe_transition rows[] = {
    {.from = CLOSED, .on = &push_type, .to = OPEN, .action = on_push},
    {.from = OPEN, .on = &push_type, .to = OPEN, .action = on_push},
    {.from = LOCKED, .on = &push_type, .postpone = true, .to = TROUPE_STATE_KEEP},
    {.from = OPEN, .on = &pull_type, .to = CLOSED},
    {.from = CLOSED, .on = &turn_type, .to = LOCKED},
    {.from = LOCKED, .on = &turn_type, .to = CLOSED, .action = on_turn_back},
    {.from = LOCKED, .on = &ring_type, .to = TROUPE_STATE_KEEP, .action = on_ring_locked},
    {.from = OPEN, .on = &ring_type, .to = TROUPE_STATE_KEEP, .postpone = true},
    {.from = OPEN, .on = &troupe_state_timeout_type, .to = CLOSED, .action = on_state_timeout},
    {.from = TROUPE_STATE_ANY, .on = &order_type, .to = TROUPE_STATE_KEEP, .action = on_order},
    {.from = TROUPE_STATE_ANY, .on = &burn_type, .to = TROUPE_STATE_STOP},
    {.from = TROUPE_STATE_ANY, .on = &tick_type, .to = TROUPE_STATE_KEEP, .action = on_tick},
    {.from = TROUPE_STATE_ANY,
     .on = &troupe_state_timeout_type,
     .to = TROUPE_STATE_KEEP,
     .action = on_state_timeout},
    {.from = TROUPE_STATE_ANY,
     .on = &troupe_event_timeout_type,
     .to = TROUPE_STATE_KEEP,
     .action = on_event_timeout},
    {.from = TROUPE_STATE_ANY,
     .on = &troupe_named_timeout_type,
     .to = TROUPE_STATE_KEEP,
     .action = on_named_timeout},
    {.from = OPEN, .to = TROUPE_STATE_KEEP, .action = on_any},
};
static const troupe_statem machine = {.states = states,
                                      .states_count = STATES,
                                      .transitions = rows,
                                      .transitions_count = sizeof(rows) / sizeof(rows[0]),
                                      .state_offset = offsetof(door, state)};

static int door_init(troupe_self *self, void *data, const void *args)
{
    (void)self;
    if (args != NULL) {
        ((door *)data)->state = ((const door *)args)->state;
    }
    tell("init;");
    return TROUPE_OK;
}

static void door_terminate(troupe_self *self, void *data, const troupe_reason *reason)
{
    (void)self;
    tell("%s after %d;", troupe_reason_name(reason->kind), (int)((door *)data)->pushes);
}

static int on_number(troupe_self *self, void *data, const void *message)
{
    (void)data;
    tell("handler;");
    return troupe_reply(self, &number_type, message);
}

static const troupe_handler handlers[] = {{&number_type, on_number}, {0}};
static const troupe_behavior door_behavior = {.name = "test.door",
                                              .state = &door_type,
                                              .args = &door_type,
                                              .init = door_init,
                                              .terminate = door_terminate,
                                              .handlers = handlers,
                                              .machine = &machine};

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
    enter_fails = false;
    rung = (troupe_from){0};
    assert_int_equal(troupe_node_spawn(troupe_test_node(test), &door_behavior, NULL, NULL, &pid),
                     TROUPE_OK);
    assert_story("init;enter closed from closed;");
    return 0;
}

static int end(void **state)
{
    (void)state;
    troupe_test_destroy(test);
    return 0;
}

static void send(const troupe_type *type)
{
    assert_int_equal(troupe_probe_send(client, pid, type, NULL), TROUPE_OK);
}

static void give(int32_t what, int64_t value)
{
    assert_int_equal(
        troupe_probe_send(client, pid, &order_type, &(order){.what = what, .value = value}),
        TROUPE_OK);
}

/* Sends several messages before any of them is handled. */
static int do_send_all(troupe_self *self, void *context)
{
    for (const troupe_type *const *type = context; *type != NULL; type++) {
        (void)!troupe_send(self, pid, *type, NULL);
    }
    return TROUPE_OK;
}

#define SEND_ALL(...)                                                                              \
    troupe_probe_do(client, do_send_all, (void *)(const troupe_type *[]){__VA_ARGS__, NULL})

/* ---- states ---- */

static void a_change_of_state_runs_the_hook_and_staying_does_not(void **state)
{
    (void)state;
    send(&push_type);
    assert_story("push 1;enter open from closed;");
    send(&push_type); /* To the state itself: as staying. */
    assert_story("push 2;");
    send(&pull_type);
    assert_story("enter closed from open;");
}

static void init_chooses_the_first_state(void **state)
{
    const door args = {.state = LOCKED};
    troupe_pid other = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn(troupe_test_node(test), &door_behavior, &args, NULL, &other),
                     TROUPE_OK);
    assert_story("init;enter locked from locked;");
}

static void an_undeclared_event_is_counted_and_the_state_kept(void **state)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    (void)state;
    send(&pull_type); /* No row in `closed`. */
    assert_int_equal(troupe_probe_call(client, pid, &oddity_type, NULL, 1000, 1), TROUPE_OK);
    (void)troupe_expect_result(client, 1, TROUPE_E_TYPE, 0);
    troupe_node_get_info(troupe_test_node(test), &info);
    assert_int_equal(info.messages_unknown, 2);
    send(&push_type);
    assert_story("push 1;enter open from closed;");
}

static void a_row_without_a_type_takes_what_no_other_does(void **state)
{
    (void)state;
    send(&push_type);
    send(&oddity_type);
    send(&tick_type); /* One of any state with the type comes first. */
    assert_story("push 1;enter open from closed;something;tick in open;");
}

static void handlers_take_what_the_machine_has_no_row_for(void **state)
{
    (void)state;
    assert_int_equal(troupe_probe_call(client, pid, &number_type, &(number){.value = 7}, 1000, 1),
                     TROUPE_OK);
    (void)troupe_expect_result(client, 1, TROUPE_OK, 0);
    assert_story("handler;");
}

static void a_terminal_event_stops_normally_and_once(void **state)
{
    (void)state;
    send(&push_type);
    (void)SEND_ALL(&burn_type, &burn_type, &push_type);
    troupe_expect_exited(test, pid, TROUPE_REASON_NORMAL, 0);
    assert_story("push 1;enter open from closed;normal after 1;");
}

static void an_action_may_choose_the_state(void **state)
{
    (void)state;
    give(GO, LOCKED);
    assert_story("enter locked from closed;");
    give(GO, TROUPE_STATE_STOP);
    troupe_expect_exited(test, pid, TROUPE_REASON_NORMAL, 0);
}

static void an_action_that_fails_ends_the_machine_where_it_was(void **state)
{
    (void)state;
    give(FAIL, 0);
    troupe_expect_exited(test, pid, TROUPE_REASON_ERROR, 0);
    assert_story("error after 0;");
}

static void a_state_that_does_not_exist_ends_the_machine(void **state)
{
    (void)state;
    give(GO, 17);
    troupe_expect_exited(test, pid, TROUPE_REASON_ERROR, 0);
    assert_story("error after 0;");
}

static void a_hook_that_fails_at_the_start_is_the_spawners_error(void **state)
{
    troupe_pid other = {0};

    (void)state;
    enter_fails = true;
    assert_int_equal(troupe_node_spawn(troupe_test_node(test), &door_behavior, NULL, NULL, &other),
                     TROUPE_E_FAILED);
    assert_story("init;enter closed from closed;");
}

/* ---- timeouts: a started millisecond counts as a whole one, so each comes one later ---- */

static void a_state_timeout_comes_when_its_time_is_over(void **state)
{
    (void)state;
    send(&push_type);
    troupe_test_advance(test, 99);
    assert_story("push 1;enter open from closed;");
    troupe_test_advance(test, 2);
    assert_story("state timeout in open at 101;enter closed from open;");
    troupe_test_advance(test, 1000);
    assert_story("");
}

static void a_change_of_state_ends_the_state_timeout_and_staying_does_not(void **state)
{
    (void)state;
    send(&push_type);
    troupe_test_advance(test, 60);
    send(&pull_type);
    send(&push_type); /* Open again: a new timeout. */
    troupe_test_advance(test, 60);
    send(&push_type); /* It stays open. */
    assert_story("push 1;enter open from closed;enter closed from open;push 2;enter open from "
                 "closed;push 3;");
    troupe_test_advance(test, 60);
    assert_story("state timeout in open at 161;enter closed from open;");
}

static void an_actions_state_timeout_holds_for_the_state_it_goes_to(void **state)
{
    (void)state;
    give(STATE_TIMEOUT, 30);
    troupe_test_advance(test, 40);
    assert_story("state timeout in closed at 31;");
    give(STATE_TIMEOUT, 30);
    send(&turn_type);
    troupe_test_advance(test, 100);
    assert_story("enter locked from closed;");
    give(STATE_TIMEOUT, 30);
    give(STATE_TIMEOUT, 0);
    troupe_test_advance(test, 100);
    assert_story("");
}

static void any_message_ends_an_event_timeout(void **state)
{
    (void)state;
    give(EVENT_TIMEOUT, 50);
    troupe_test_advance(test, 49);
    send(&oddity_type); /* Even one that nobody knows. */
    troupe_test_advance(test, 100);
    assert_story("");
    give(EVENT_TIMEOUT, 50);
    troupe_test_advance(test, 100);
    assert_story("event timeout at 200;");
}

static void named_timeouts_go_on_whatever_happens(void **state)
{
    (void)state;
    give(NAMED_TIMEOUT, 9);
    give(NAMED_TIMEOUT, 50);
    send(&turn_type);
    send(&turn_type);
    troupe_test_advance(test, 10);
    assert_story("enter locked from closed;turn back;enter closed from locked;short at 10;");
    give(NAMED_TIMEOUT, 70); /* Instead of the one of 50. */
    troupe_test_advance(test, 60);
    assert_story("");
    troupe_test_advance(test, 60);
    assert_story("long at 81;");
}

static void a_named_timeout_can_be_ended_and_their_number_is_bounded(void **state)
{
    (void)state;
    give(NAMED_TIMEOUT, 9);
    give(NAMED_TIMEOUT, 0);
    troupe_test_advance(test, 100);
    assert_story("");
    give(MANY, 0);
    assert_story("64 timeouts, then -3;");
}

static void a_forged_timeout_is_no_timeout(void **state)
{
    (void)state;
    send(&push_type);
    (void)SEND_ALL(&troupe_state_timeout_type, &troupe_event_timeout_type);
    assert_story("push 1;enter open from closed;");
}

/* ---- postponed messages, internal events, deferred replies ---- */

static void postponed_messages_come_again_in_order_and_first(void **state)
{
    (void)state;
    send(&turn_type);
    (void)SEND_ALL(&push_type, &push_type, &tick_type, &turn_type, &tick_type);
    assert_story("enter locked from closed;tick in locked;turn back;enter closed from locked;"
                 "push 1;enter open from closed;push 2;tick in open;");
}

static void a_message_postponed_with_the_change_comes_again_at_once(void **state)
{
    (void)state;
    give(POSTPONE_AND_GO, LOCKED);
    assert_story("order in closed;enter locked from closed;order in locked;");
}

static void internal_events_come_before_postponed_and_queued_ones(void **state)
{
    (void)state;
    send(&turn_type);
    (void)SEND_ALL(&push_type);
    assert_story("enter locked from closed;");
    give(NEXT_EVENTS, OPEN);
    assert_story("enter open from locked;tick in open;push 1;push 2;");
}

static void a_reply_may_be_given_in_a_later_state(void **state)
{
    (void)state;
    send(&turn_type);
    assert_int_equal(troupe_probe_call(client, pid, &ring_type, NULL, 1000, 1), TROUPE_OK);
    troupe_expect_nothing(client);
    send(&turn_type);
    const troupe_seen *seen = troupe_expect_result(client, 1, TROUPE_OK, 0);

    assert_int_equal(((const number *)seen->value)->value, 0);
}

static void a_postponed_request_keeps_its_deadline(void **state)
{
    (void)state;
    send(&push_type);
    assert_int_equal(troupe_probe_call(client, pid, &ring_type, NULL, 50, 1), TROUPE_OK);
    (void)troupe_expect_result(client, 1, TROUPE_E_TIMEOUT, 60);
}

static void a_postponed_request_fails_with_the_end_of_the_machine(void **state)
{
    (void)state;
    send(&push_type);
    assert_int_equal(troupe_probe_call(client, pid, &ring_type, NULL, 1000, 1), TROUPE_OK);
    send(&burn_type);
    (void)troupe_expect_result(client, 1, TROUPE_E_EXITED, 10);
}

#define STATEM_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATEM_TEST(a_change_of_state_runs_the_hook_and_staying_does_not),
        STATEM_TEST(init_chooses_the_first_state),
        STATEM_TEST(an_undeclared_event_is_counted_and_the_state_kept),
        STATEM_TEST(a_row_without_a_type_takes_what_no_other_does),
        STATEM_TEST(handlers_take_what_the_machine_has_no_row_for),
        STATEM_TEST(a_terminal_event_stops_normally_and_once),
        STATEM_TEST(an_action_may_choose_the_state),
        STATEM_TEST(an_action_that_fails_ends_the_machine_where_it_was),
        STATEM_TEST(a_state_that_does_not_exist_ends_the_machine),
        STATEM_TEST(a_hook_that_fails_at_the_start_is_the_spawners_error),
        STATEM_TEST(a_state_timeout_comes_when_its_time_is_over),
        STATEM_TEST(a_change_of_state_ends_the_state_timeout_and_staying_does_not),
        STATEM_TEST(an_actions_state_timeout_holds_for_the_state_it_goes_to),
        STATEM_TEST(any_message_ends_an_event_timeout),
        STATEM_TEST(named_timeouts_go_on_whatever_happens),
        STATEM_TEST(a_named_timeout_can_be_ended_and_their_number_is_bounded),
        STATEM_TEST(a_forged_timeout_is_no_timeout),
        STATEM_TEST(postponed_messages_come_again_in_order_and_first),
        STATEM_TEST(a_message_postponed_with_the_change_comes_again_at_once),
        STATEM_TEST(internal_events_come_before_postponed_and_queued_ones),
        STATEM_TEST(a_reply_may_be_given_in_a_later_state),
        STATEM_TEST(a_postponed_request_keeps_its_deadline),
        STATEM_TEST(a_postponed_request_fails_with_the_end_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
