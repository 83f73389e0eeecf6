/* What is tested: messages put away and brought back, through the public API, with one worker, two
 * and four. */
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

enum { BOUND = 10 };

static uint32_t workers;
static struct stage *stage;
static struct probe *log_probe, *caller;

/* What a keeper is told; it reports what it handles to log_probe. */
enum order {
    SHUT,      /* from now on numbers and asks are put away */
    OPEN,      /* bring all back and handle again */
    ONE,       /* bring the oldest back, and handle that one */
    DROP,      /* clear the stash; reports how many, as 1000 + count */
    COUNT,     /* reports how many are put away, as 2000 + count */
    QUIT,      /* exit with an error */
    WRONG,     /* try to put things away where that is not possible */
    TIMER,     /* send oneself 4000 in 1 ms */
    STASH_DIE, /* stash and fail in one */
    OPEN_SHUT  /* stash this very message, and bring all back: not this one */
};
typedef struct order_message {
    int32_t order;
} order_message;
TROUPE_TYPE(order_message, "test.order", TROUPE_FIELD(order_message, order, 1));

struct keeper {
    bool shut;
    int32_t once; /* so many more are let through though it is shut */
    int32_t full; /* how often the stash was full */
};

static int report(troupe_self *self, int64_t value)
{
    return troupe_send(self, log_probe->pid, &number_type, &(number){.value = value});
}

static bool lets_through(struct keeper *keeper)
{
    if (keeper->shut && keeper->once > 0) {
        keeper->once--;
        return true;
    }
    return !keeper->shut;
}

static int put_away(troupe_self *self, struct keeper *keeper)
{
    const troupe_status status = troupe_stash(self);

    if (status == TROUPE_E_LIMIT) {
        keeper->full++;
        return report(self, -1);
    }
    return status;
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    if (!lets_through(state)) {
        return put_away(self, state);
    }
    return report(self, ((const number *)message)->value);
}

static int on_ask(troupe_self *self, void *state, const void *message)
{
    const int64_t value = ((const ask *)message)->value;

    if (!lets_through(state)) {
        const int status = put_away(self, state);

        /* What is said now goes nowhere: the request is not being handled any more. */
        return status != TROUPE_OK ? status
                                   : troupe_reply(self, &number_type, &(number){.value = -value});
    }
    const int status = report(self, value);

    return status != TROUPE_OK ? status
                               : troupe_reply(self, &number_type, &(number){.value = value});
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return lets_through(state) ? report(self, 6000) : put_away(self, state);
}

static int then_stash(troupe_self *self, void *state, const troupe_result *result)
{
    (void)state;
    (void)result;
    return report(self, troupe_stash(self) == TROUPE_E_INVALID ? 7000 : -7000);
}

static int order_wrong(troupe_self *self)
{
    /* An answered request stays answered. */
    const int status = troupe_reply(self, &number_type, &(number){.value = 1});

    if (status != TROUPE_OK || troupe_stash(self) != TROUPE_E_INVALID) {
        return TROUPE_E_FAILED;
    }
    return troupe_call(self, caller->pid, &ask_type, &(ask){.how = ASK_REPLY}, DEADLINE_MS,
                       then_stash, 0);
}

static int on_order(troupe_self *self, void *state, const void *message)
{
    struct keeper *keeper = state;

    switch ((enum order)((const order_message *)message)->order) {
    case SHUT:
        keeper->shut = true;
        break;
    case OPEN:
        keeper->shut = false;
        (void)troupe_unstash_all(self);
        break;
    case ONE:
        keeper->once += troupe_unstash(self) ? 1 : 0;
        break;
    case DROP:
        return report(self, 1000 + (int64_t)troupe_clear_stash(self));
    case COUNT:
        return report(self, 2000 + (int64_t)troupe_stashed(self));
    case QUIT:
        return troupe_fail(self, "quit");
    case WRONG:
        return order_wrong(self);
    case TIMER:
        return troupe_send_after(self, 1, troupe_self_pid(self), &number_type,
                                 &(number){.value = 4000}, NULL);
    case STASH_DIE:
        return troupe_stash(self) == TROUPE_OK ? troupe_fail(self, "after all") : TROUPE_OK;
    case OPEN_SHUT:
        if (!keeper->shut) {
            return report(self, 8000);
        }
        keeper->shut = false;
        if (troupe_stash(self) != TROUPE_OK) {
            return TROUPE_E_FAILED;
        }
        if (troupe_stash(self) != TROUPE_E_INVALID) {
            return TROUPE_E_FAILED; /* It is put away already. */
        }
        (void)troupe_unstash_all(self);
        break;
    }
    return TROUPE_OK;
}

static const troupe_handler keeper_handlers[] = {{&number_type, on_number},
                                                 {&ask_type, on_ask},
                                                 {&troupe_down_type, on_down},
                                                 {&order_message_type, on_order},
                                                 {0}};
static const troupe_behavior keeper_behavior = {
    .name = "test.keeper", .state_size = sizeof(struct keeper), .handlers = keeper_handlers};

static troupe_pid keeper;

static troupe_pid spawn_keeper(void)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(stage->node, &keeper_behavior, NULL,
                                       &(troupe_spawn_options){.mailbox_messages = BOUND}, &pid),
                     TROUPE_OK);
    return pid;
}

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(workers);
    log_probe = probe_spawn(stage, NULL);
    caller = probe_spawn(stage, NULL);
    keeper = spawn_keeper();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void tell(enum order order)
{
    assert_int_equal(troupe_node_send(stage->node, keeper, &order_message_type,
                                      &(order_message){.order = (int32_t)order}),
                     TROUPE_OK);
}

static void send(int64_t value)
{
    assert_int_equal(troupe_node_send(stage->node, keeper, &number_type, &(number){.value = value}),
                     TROUPE_OK);
}

static void expect(size_t index, int64_t value)
{
    assert_int_equal(probe_wait(log_probe, index)->number, value);
}

static void what_is_put_away_comes_back_in_order_and_first(void **state)
{
    (void)state;
    tell(SHUT);
    for (int64_t i = 0; i < 4; i++) {
        send(i);
    }
    tell(COUNT);
    expect(0, 2004);
    struct gate gate;

    gate_init(&gate);
    tell(OPEN);
    send(99);
    for (int64_t i = 0; i < 4; i++) {
        expect(1 + (size_t)i, i);
    }
    expect(5, 99);
    gate_fini(&gate);
    assert_int_equal(probe_seen(log_probe), 6);
}

static void one_comes_back_at_a_time_the_oldest_first(void **state)
{
    (void)state;
    tell(SHUT);
    for (int64_t i = 0; i < 3; i++) {
        send(i);
    }
    tell(ONE);
    tell(ONE);
    tell(COUNT);
    expect(0, 0);
    expect(1, 1);
    expect(2, 2001);
    tell(ONE);
    tell(ONE); /* There is none any more. */
    tell(COUNT);
    expect(3, 2);
    expect(4, 2000);
}

static void a_request_put_away_is_answered_later(void **state)
{
    (void)state;
    tell(SHUT);
    probe_call(caller, keeper, ASK_REPLY, 11, DEADLINE_MS, 1);
    probe_call(caller, keeper, ASK_REPLY, 12, DEADLINE_MS, 2);
    tell(COUNT);
    expect(0, 2002);
    assert_int_equal(probe_seen(caller), 0);
    tell(OPEN);
    assert_int_equal(probe_wait(caller, 0)->number, 11);
    assert_int_equal(probe_wait(caller, 1)->number, 12);
    assert_int_equal(caller->seen[1].ref, 2);
}

static void a_request_put_away_keeps_its_deadline(void **state)
{
    (void)state;
    tell(SHUT);
    probe_call(caller, keeper, ASK_REPLY, 11, 30, 1);
    assert_int_equal(probe_wait(caller, 0)->status, TROUPE_E_TIMEOUT);
    tell(OPEN);
    expect(0, 11); /* It is handled all the same, and the reply dropped. */
    assert_int_equal(probe_seen(caller), 1);
}

static void clearing_tells_the_callers(void **state)
{
    (void)state;
    const uint64_t dropped = stage_info(stage).messages_dropped;

    tell(SHUT);
    send(1);
    probe_call(caller, keeper, ASK_REPLY, 11, DEADLINE_MS, 1);
    tell(DROP);
    expect(0, 1002);
    assert_int_equal(probe_wait(caller, 0)->status, TROUPE_E_NO_REPLY);
    assert_int_equal(stage_info(stage).messages_dropped, dropped + 1);
    tell(OPEN);
    tell(COUNT);
    expect(1, 2000);
}

static void the_end_tells_the_callers_with_its_reason(void **state)
{
    (void)state;
    tell(SHUT);
    send(1);
    probe_call(caller, keeper, ASK_REPLY, 11, DEADLINE_MS, 1);
    tell(QUIT);
    const struct seen *seen = probe_wait(caller, 0);

    assert_int_equal(seen->status, TROUPE_E_EXITED);
    assert_int_equal(seen->kind, TROUPE_REASON_ERROR);
    assert_string_equal(seen->text, "quit");
    stage_wait_actors(stage, 2);
}

static void a_kill_tells_the_callers_too(void **state)
{
    (void)state;
    tell(SHUT);
    probe_call(caller, keeper, ASK_REPLY, 11, DEADLINE_MS, 1);
    tell(COUNT);
    expect(0, 2001);
    assert_int_equal(troupe_node_exit(stage->node, keeper, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    assert_int_equal(probe_wait(caller, 0)->kind, TROUPE_REASON_KILLED);
}

static void the_stash_is_bounded_beside_the_mailbox(void **state)
{
    (void)state;
    tell(SHUT);
    tell(COUNT);
    expect(0, 2000);
    for (int64_t i = 0; i <= BOUND; i++) {
        troupe_status status = TROUPE_E_BUSY;

        while (status == TROUPE_E_BUSY) { /* The mailbox may be full for a moment. */
            status = troupe_node_send(stage->node, keeper, &number_type, &(number){.value = i});
        }
        assert_int_equal(status, TROUPE_OK);
    }
    expect(1, -1); /* The last one did not fit. */
    send(77);      /* The mailbox is free all the same; nor does this one fit the stash. */
    expect(2, -1);
    tell(OPEN);
    for (int64_t i = 0; i < BOUND; i++) {
        expect(3 + (size_t)i, i);
    }
}

static void what_came_back_counts_in_the_mailbox_again(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        const size_t before = probe_seen(log_probe);

        tell(SHUT);
        for (int64_t i = 0; i < 5; i++) {
            send(i);
        }
        tell(OPEN);
        expect(before + 4, 4);
    }
    /* Were it counted wrongly, the bound would have moved. */
    const size_t before = probe_seen(log_probe);

    tell(SHUT);
    tell(COUNT);
    expect(before, 2000);
}

static void only_what_is_being_handled_can_be_put_away(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(troupe_node_call(stage->node, keeper, &order_message_type,
                                      &(order_message){.order = WRONG}, DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    expect(0, 7000);
}

static void what_is_just_put_away_does_not_come_back_at_once(void **state)
{
    (void)state;
    tell(SHUT);
    send(1);
    tell(OPEN_SHUT); /* It puts itself away and brings back the number. */
    tell(COUNT);
    expect(0, 1);
    expect(1, 2001);
    tell(OPEN);
    expect(2, 8000);
}

static void a_timer_s_message_can_be_put_away(void **state)
{
    size_t i = 0;

    (void)state;
    tell(SHUT);
    tell(TIMER);
    do {
        tell(COUNT);
    } while (probe_wait(log_probe, i++)->number != 2001);
    tell(OPEN);
    expect(i, 4000);
}

static int monitor_caller(troupe_self *self, void *state, const void *message)
{
    uint64_t monitor = 0;

    (void)state;
    return troupe_monitor(self, *(const troupe_pid *)message, &monitor);
}

static void a_down_can_be_put_away(void **state)
{
    static const troupe_handler handlers[] = {{&number_type, on_number},
                                              {&troupe_down_type, on_down},
                                              {&order_message_type, on_order},
                                              {0}};
    static const troupe_behavior watching = {.name = "test.watching_keeper",
                                             .state_size = sizeof(struct keeper),
                                             .init = monitor_caller,
                                             .handlers = handlers};

    (void)state;
    assert_int_equal(troupe_node_spawn(stage->node, &watching, &caller->pid, NULL, &keeper),
                     TROUPE_OK);
    tell(SHUT);
    tell(COUNT);
    expect(0, 2000);
    probe_stop(caller, TROUPE_REASON_ERROR, "gone");
    (void)probe_end(caller);
    tell(COUNT);
    expect(1, 2001);
    tell(OPEN);
    expect(2, 6000);
}

static void putting_away_and_failing_is_failing(void **state)
{
    (void)state;
    probe_call(caller, keeper, ASK_REPLY, 1, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(caller, 0)->status, TROUPE_OK);
    troupe_result result = {0};

    assert_int_equal(troupe_node_call(stage->node, keeper, &order_message_type,
                                      &(order_message){.order = STASH_DIE}, DEADLINE_MS, &result),
                     TROUPE_E_EXITED);
    assert_string_equal(result.reason.text, "after all");
    troupe_result_clear(&result);
}

#define STASH_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STASH_TEST(what_is_put_away_comes_back_in_order_and_first),
        STASH_TEST(one_comes_back_at_a_time_the_oldest_first),
        STASH_TEST(a_request_put_away_is_answered_later),
        STASH_TEST(a_request_put_away_keeps_its_deadline),
        STASH_TEST(clearing_tells_the_callers),
        STASH_TEST(the_end_tells_the_callers_with_its_reason),
        STASH_TEST(a_kill_tells_the_callers_too),
        STASH_TEST(the_stash_is_bounded_beside_the_mailbox),
        STASH_TEST(what_came_back_counts_in_the_mailbox_again),
        STASH_TEST(only_what_is_being_handled_can_be_put_away),
        STASH_TEST(what_is_just_put_away_does_not_come_back_at_once),
        STASH_TEST(a_timer_s_message_can_be_put_away),
        STASH_TEST(a_down_can_be_put_away),
        STASH_TEST(putting_away_and_failing_is_failing),
    };

    return stage_run_tests(tests, sizeof(tests) / sizeof(tests[0]), &workers);
}
