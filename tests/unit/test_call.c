/* What is tested: requests and replies on one node, through the public API. */
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b, *c;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    c = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void a_reply_comes_with_its_tag_and_sender(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_REPLY, 42, 5000, 7);
    const struct seen *result = probe_wait(a, 0);

    assert_int_equal(result->what, SAW_RESULT);
    assert_int_equal(result->status, TROUPE_OK);
    assert_int_equal(result->number, 42);
    assert_int_equal(result->ref, 7);
    assert_true(troupe_pid_equal(result->from, b->pid));
}

static void replies_come_in_the_order_of_the_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100; i++) {
        probe_call(a, b->pid, ASK_REPLY, (int64_t)i, 5000, i);
    }
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(probe_wait(a, i)->number, i);
    }
}

static void an_actor_can_call_itself(void **state)
{
    (void)state;
    probe_call(a, a->pid, ASK_REPLY, 3, 5000, 1);
    assert_int_equal(probe_wait(a, 0)->number, 3);
}

static void only_the_first_reply_counts(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TWICE, 10, 5000, 1);
    assert_int_equal(probe_wait(a, 0)->number, 10);
    probe_call(a, b->pid, ASK_REPLY, 20, 5000, 2);
    assert_int_equal(probe_wait(a, 1)->number, 20);
    assert_int_equal(probe_seen(a), 2);
}

static void a_handler_without_a_reply_is_told_at_once(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_SILENT, 0, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_NO_REPLY);
    assert_int_equal(probe_seen(b), 0); /* It lives. */
}

static void a_request_of_an_unknown_type_is_refused(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(troupe_node_call(stage->node, b->pid, &oddity_type, &(oddity){.value = 1},
                                      DEADLINE_MS, &result),
                     TROUPE_E_TYPE);
    troupe_result_clear(&result);
    assert_int_equal(stage_info(stage).messages_unknown, 1);
    assert_int_equal(probe_seen(b), 0);
}

/* ---- ends ---- */

static void a_call_to_the_dead_is_noproc_at_once(void **state)
{
    const int64_t before = clock_ms();

    (void)state;
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 2);
    probe_call(a, b->pid, ASK_REPLY, 1, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_NOPROC);
    assert_int_equal(a->seen[0].kind, TROUPE_REASON_NOPROC);
    assert_true(clock_ms() - before < DEADLINE_MS / 2);
}

static void a_call_to_another_node_is_noconnection_at_once(void **state)
{
    (void)state;
    probe_call(a, (troupe_pid){.node = 5, .id = 5}, ASK_REPLY, 1, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_NOCONNECTION);
}

static void a_callee_that_dies_in_the_call_gives_its_reason(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_DIE, 1, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_EXITED);
    assert_int_equal(a->seen[0].kind, TROUPE_REASON_ERROR);
    assert_string_equal(a->seen[0].text, "asked to");
    probe_call(a, c->pid, ASK_FAIL, 5, DEADLINE_MS, 2);
    assert_int_equal(probe_wait(a, 1)->status, TROUPE_E_EXITED);
    assert_string_equal(a->seen[1].text, "no 5");
}

static void requests_that_wait_when_the_callee_dies_give_its_reason(void **state)
{
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_block(b, &gate);
    probe_call(a, b->pid, ASK_DIE, 0, DEADLINE_MS, 0);
    probe_call(a, b->pid, ASK_REPLY, 0, DEADLINE_MS, 1);
    probe_call(c, b->pid, ASK_REPLY, 0, DEADLINE_MS, 2);
    gate_open(&gate);
    assert_string_equal(probe_wait(a, 1)->text, "asked to");
    assert_int_equal(a->seen[1].status, TROUPE_E_EXITED);
    assert_string_equal(probe_wait(c, 0)->text, "asked to");
    gate_fini(&gate);
}

static void a_reply_before_the_end_is_a_reply(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_STOP, 11, DEADLINE_MS, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_OK);
    assert_int_equal(a->seen[0].number, 11);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 1);
}

static void a_caller_s_end_takes_its_calls_with_it(void **state)
{
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_block(b, &gate);
    probe_call(a, b->pid, ASK_REPLY, 1, DEADLINE_MS, 1);
    probe_stop(a, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    gate_open(&gate);
    assert_int_equal(probe_seen(b), 0);
    assert_int_equal(probe_count(a), 1);
    gate_fini(&gate);
}

/* ---- time ---- */

static void a_timeout_is_enforced_and_a_late_reply_dropped(void **state)
{
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_block(b, &gate);
    const int64_t before = clock_ms();

    probe_call(a, b->pid, ASK_REPLY, 1, 50, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_TIMEOUT);
    assert_true(clock_ms() - before >= 50);
    gate_open(&gate);
    probe_call(a, b->pid, ASK_REPLY, 2, DEADLINE_MS, 2);
    assert_int_equal(probe_wait(a, 1)->number, 2);
    assert_int_equal(a->seen[1].ref, 2);
    assert_int_equal(probe_seen(a), 2);
    gate_fini(&gate);
}

static void a_call_from_outside_ends_by_its_deadline(void **state)
{
    struct gate gate;
    troupe_result result = {0};

    (void)state;
    gate_init(&gate);
    probe_block(b, &gate);
    assert_int_equal(
        troupe_node_call(stage->node, b->pid, &ask_type, &(ask){.how = ASK_REPLY}, 30, &result),
        TROUPE_E_TIMEOUT);
    assert_int_equal(result.status, TROUPE_E_TIMEOUT);
    assert_null(result.value);
    troupe_result_clear(&result);
    gate_open(&gate);
    gate_fini(&gate);
}

static void results_of_calls_from_outside_belong_to_the_caller(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(troupe_node_call(stage->node, b->pid, &ask_type,
                                      &(ask){.how = ASK_REPLY, .value = 9}, 0, &result),
                     TROUPE_OK);
    const number *value = troupe_result_as(&result, &number_type);

    assert_non_null(value);
    assert_int_equal(value->value, 9);
    assert_null(troupe_result_as(&result, &oddity_type));
    troupe_result_clear(&result);
    troupe_result_clear(&result); /* Cleared results are empty ones. */
    assert_int_equal(troupe_node_call(stage->node, b->pid, &ask_type, &(ask){.how = ASK_DIE},
                                      DEADLINE_MS, &result),
                     TROUPE_E_EXITED);
    assert_string_equal(result.reason.text, "asked to");
    troupe_result_clear(&result);
}

static void a_missing_message_is_refused(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(troupe_node_call(stage->node, b->pid, &ask_type, NULL, 1000, &result),
                     TROUPE_E_INVALID);
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_send(stage->node, b->pid, &ask_type, NULL), TROUPE_E_INVALID);
}

/* ---- deferred replies ---- */

static int answer(troupe_self *self, struct probe *probe, void *context)
{
    struct probe *taker = context;

    (void)probe;
    return troupe_reply_to(self, &taker->from, &number_type, &(number){.value = 77});
}

static int answer_again(troupe_self *self, struct probe *probe, void *context)
{
    const troupe_status status = (troupe_status)answer(self, probe, context);

    return status == TROUPE_E_CLOSED ? TROUPE_OK : TROUPE_E_FAILED;
}

static void a_taken_request_is_answered_later(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TAKE, 0, DEADLINE_MS, 1);
    probe_call(c, b->pid, ASK_REPLY, 5, DEADLINE_MS, 2); /* It goes on with others meanwhile. */
    assert_int_equal(probe_wait(c, 0)->number, 5);
    assert_int_equal(probe_count(a), 0);
    assert_int_equal(probe_do(b, answer, b), TROUPE_OK);
    assert_int_equal(probe_wait(a, 0)->number, 77);
    assert_int_equal(probe_do(b, answer_again, b), TROUPE_OK);
    assert_int_equal(probe_seen(a), 1);
}

static void another_actor_may_answer(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TAKE, 0, DEADLINE_MS, 1);
    assert_int_equal(probe_seen(b), 0);
    assert_int_equal(probe_do(c, answer, b), TROUPE_OK);
    assert_int_equal(probe_wait(a, 0)->number, 77);
    /* Once more, by itself or by others, does nothing; nor does the end of who took it. */
    assert_int_equal(probe_do(c, answer, b), TROUPE_OK);
    probe_stop(b, TROUPE_REASON_ERROR, "later");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 1);
}

static void taking_makes_a_plain_reply_do_nothing(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TAKE_REPLY, 4, DEADLINE_MS, 1);
    assert_int_equal(probe_seen(b), 0);
    assert_int_equal(probe_do(b, answer, b), TROUPE_OK);
    assert_int_equal(probe_wait(a, 0)->number, 77);
    assert_int_equal(probe_seen(a), 1);
}

static void a_taker_that_dies_gives_its_reason(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TAKE, 0, DEADLINE_MS, 1);
    probe_call(c, b->pid, ASK_TAKE, 0, DEADLINE_MS, 2);
    assert_int_equal(probe_seen(b), 0);
    probe_stop(b, TROUPE_REASON_ERROR, "gone");
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_EXITED);
    assert_string_equal(a->seen[0].text, "gone");
    assert_int_equal(probe_wait(c, 0)->status, TROUPE_E_EXITED);
}

static int refuse_nonsense(troupe_self *self, struct probe *probe, void *context)
{
    const troupe_from nothing = {0};

    (void)probe;
    (void)context;
    /* This request itself is taken and answered with a bad value first, then with a good one. */
    const troupe_from from = troupe_take_from(self);

    return troupe_reply_to(self, &nothing, &number_type, &(number){0}) == TROUPE_E_INVALID &&
                   troupe_reply_to(self, &from, &number_type, NULL) == TROUPE_E_INVALID
               ? troupe_reply_to(self, &from, &number_type, &(number){.value = 1})
               : TROUPE_E_FAILED;
}

static void a_reply_that_fails_can_be_tried_again(void **state)
{
    (void)state;
    assert_int_equal(probe_do(a, refuse_nonsense, NULL), 1);
}

static int take_nothing(troupe_self *self, struct probe *probe, void *context)
{
    (void)context;
    probe->from = troupe_take_from(self);
    return TROUPE_OK;
}

static void a_plain_message_has_nothing_to_take(void **state)
{
    (void)state;
    a->from.ref = 99;
    probe_post(a, take_nothing, NULL);
    assert_int_equal(probe_seen(a), 0);
    assert_int_equal(a->from.ref, 0);
}

/* ---- several at once ---- */

enum { THREADS = 4, CALLS = 200 };

struct caller {
    pthread_t thread;
    int64_t base;
    int wrong;
};

static void *call_many(void *context)
{
    struct caller *caller = context;

    for (int64_t i = 0; i < CALLS; i++) {
        troupe_result result = {0};
        const ask request = {.how = ASK_REPLY, .value = caller->base + i};
        const troupe_status status =
            troupe_node_call(stage->node, b->pid, &ask_type, &request, DEADLINE_MS, &result);
        const number *value = troupe_result_as(&result, &number_type);

        if (status != TROUPE_OK || value == NULL || value->value != request.value) {
            caller->wrong++;
        }
        troupe_result_clear(&result);
    }
    return NULL;
}

static void many_threads_call_at_once(void **state)
{
    struct caller callers[THREADS] = {0};

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        callers[i].base = (int64_t)i * 1000000;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].wrong, 0);
    }
}

#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(a_reply_comes_with_its_tag_and_sender),
        CALL_TEST(replies_come_in_the_order_of_the_calls),
        CALL_TEST(an_actor_can_call_itself),
        CALL_TEST(only_the_first_reply_counts),
        CALL_TEST(a_handler_without_a_reply_is_told_at_once),
        CALL_TEST(a_request_of_an_unknown_type_is_refused),
        CALL_TEST(a_call_to_the_dead_is_noproc_at_once),
        CALL_TEST(a_call_to_another_node_is_noconnection_at_once),
        CALL_TEST(a_callee_that_dies_in_the_call_gives_its_reason),
        CALL_TEST(requests_that_wait_when_the_callee_dies_give_its_reason),
        CALL_TEST(a_reply_before_the_end_is_a_reply),
        CALL_TEST(a_caller_s_end_takes_its_calls_with_it),
        CALL_TEST(a_timeout_is_enforced_and_a_late_reply_dropped),
        CALL_TEST(a_call_from_outside_ends_by_its_deadline),
        CALL_TEST(results_of_calls_from_outside_belong_to_the_caller),
        CALL_TEST(a_missing_message_is_refused),
        CALL_TEST(a_taken_request_is_answered_later),
        CALL_TEST(another_actor_may_answer),
        CALL_TEST(taking_makes_a_plain_reply_do_nothing),
        CALL_TEST(a_taker_that_dies_gives_its_reason),
        CALL_TEST(a_reply_that_fails_can_be_tried_again),
        CALL_TEST(a_plain_message_has_nothing_to_take),
        CALL_TEST(many_threads_call_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
