/* What is tested: pg/queues (batching), pg/params (binary arrays) and pg/sqlstate; no server
 * needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "pg/params.h"
#include "pg/queues.h"
#include "pg/sqlstate.h"

/* ---- batches of operations on names ---- */

static unsigned answers;

static void on_answer(void *context, const struct tr_name_result *result)
{
    (void)context;
    (void)result;
    answers++;
}

static struct reg_name_op *make_op(uint64_t number, bool alone)
{
    struct reg_name_op *op = calloc(1, sizeof(*op));

    assert_non_null(op);
    op->epoch = number;
    op->alone = alone;
    op->request.done = on_answer;
    return op;
}

static void free_batch(struct reg_name_op *op)
{
    while (op != NULL) {
        struct reg_name_op *next = op->next;

        reg_name_op_free(op);
        op = next;
    }
}

static void a_batch_takes_the_oldest_and_returns_to_its_place(void **state)
{
    struct reg_name_queue queue = {0};
    struct reg_name_op *batch = NULL;

    (void)state;
    for (uint64_t number = 1; number <= 5; number++) {
        reg_name_queue_push(&queue, make_op(number, false));
    }
    assert_int_equal(reg_name_queue_send(&queue, 3), 3);
    assert_int_equal(queue.sent->epoch, 1);
    assert_int_equal(queue.count, 2);
    batch = reg_name_queue_take_sent(&queue);
    assert_null(queue.sent);
    reg_name_queue_return(&queue, batch);
    assert_int_equal(queue.count, 5);
    assert_int_equal(reg_name_queue_send(&queue, 10), 5);
    batch = reg_name_queue_take_sent(&queue);
    for (const struct reg_name_op *op = batch; op != NULL; op = op->next) {
        assert_int_equal(op->epoch, op->next == NULL ? 5 : op->next->epoch - 1);
    }
    assert_int_equal(reg_name_queue_send(&queue, 10), 0);
    free_batch(batch);
}

static void one_that_goes_alone_is_a_batch_by_itself(void **state)
{
    struct reg_name_queue queue = {0};
    const size_t expected[] = {1, 1, 1, 1};

    (void)state;
    reg_name_queue_push(&queue, make_op(1, false));
    reg_name_queue_push(&queue, make_op(2, true));
    reg_name_queue_push(&queue, make_op(3, true));
    reg_name_queue_push(&queue, make_op(4, false));
    for (size_t index = 0; index < 4; index++) {
        assert_int_equal(reg_name_queue_send(&queue, 10), expected[index]);
        assert_int_equal(queue.sent->epoch, index + 1);
        free_batch(reg_name_queue_take_sent(&queue));
    }
}

static void an_operation_is_answered_once(void **state)
{
    const struct tr_name_result result = {.status = TROUPE_OK, .text = ""};
    struct reg_name_op *op = make_op(1, false);

    (void)state;
    answers = 0;
    reg_name_op_answer(op, &result);
    reg_name_op_answer(op, &result);
    assert_int_equal(answers, 1);
    reg_name_op_free(op);
}

/* ---- batches of steps ---- */

static void steps_go_in_order_within_both_bounds(void **state)
{
    char large[512];
    struct reg_step_queue queue = {0};
    struct tr_step steps[5] = {{0}};

    (void)state;
    memset(large, 'x', sizeof(large));
    large[sizeof(large) - 1] = '\0';
    for (size_t index = 0; index < 5; index++) {
        steps[index] = (struct tr_step){.name = "a", .seq = index, .state_json = large};
        reg_step_queue_push(&queue, &steps[index]);
    }
    assert_int_equal(reg_step_queue_send(&queue, 2, 1000000), 2);
    (void)reg_step_queue_take_sent(&queue);
    assert_int_equal(reg_step_queue_send(&queue, 10, 100), 1); /* too large alone, and still sent */
    assert_ptr_equal(queue.sent, &steps[2]);
    reg_step_queue_return(&queue, reg_step_queue_take_sent(&queue), false);
    assert_int_equal(reg_step_queue_send(&queue, 10, 2 * reg_step_size(&steps[2])), 2);
    (void)reg_step_queue_take_sent(&queue);
    assert_int_equal(reg_step_queue_send(&queue, 10, 1000000), 1);
    assert_ptr_equal(reg_step_queue_take_sent(&queue), &steps[4]);
    assert_int_equal(reg_step_queue_send(&queue, 10, 1000000), 0);
    assert_int_equal(queue.count, 0);
}

static void suspects_are_sent_one_by_one_before_the_others(void **state)
{
    struct reg_step_queue queue = {0};
    struct tr_step steps[4] = {{0}};

    (void)state;
    for (size_t index = 0; index < 4; index++) {
        steps[index].name = "a";
        reg_step_queue_push(&queue, &steps[index]);
    }
    assert_int_equal(reg_step_queue_send(&queue, 3, 1000000), 3);
    reg_step_queue_return(&queue, reg_step_queue_take_sent(&queue), true);
    assert_int_equal(queue.count, 4);
    for (size_t index = 0; index < 4; index++) {
        assert_int_equal(reg_step_queue_send(&queue, 3, 1000000), 1);
        assert_ptr_equal(reg_step_queue_take_sent(&queue), &steps[index]);
    }
    assert_int_equal(queue.count, 0);
}

/* ---- parameters ---- */

static void an_array_is_postgres_binary_form(void **state)
{
    static const uint8_t expected[] = {
        0, 0, 0, 1, 0,   0,   0,    1,    0,    0,    0, 25, /* dimensions, has nulls, text */
        0, 0, 0, 3, 0,   0,   0,    1,                       /* three elements from 1 */
        0, 0, 0, 2, 'a', 'b', 0xff, 0xff, 0xff, 0xff,        /* "ab", NULL */
        0, 0, 0, 0,                                          /* "" */
    };
    struct reg_array array;
    struct reg_params params;

    (void)state;
    reg_array_init(&array, REG_OID_TEXT);
    reg_array_text(&array, "ab");
    reg_array_text(&array, NULL);
    reg_array_text(&array, "");
    reg_params_init(&params);
    reg_params_array(&params, &array);
    assert_true(reg_params_ok(&params));
    assert_int_equal(params.lengths[0], sizeof(expected));
    assert_memory_equal(params.values[0], expected, sizeof(expected));
    assert_int_equal(params.formats[0], 1);
    reg_params_fini(&params);
}

static void an_array_of_nothing_has_no_dimension(void **state)
{
    static const uint8_t expected[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20};
    struct reg_array array;
    struct reg_params params;

    (void)state;
    reg_array_init(&array, REG_OID_INT8);
    reg_params_init(&params);
    reg_params_array(&params, &array);
    assert_int_equal(params.lengths[0], sizeof(expected));
    assert_memory_equal(params.values[0], expected, sizeof(expected));
    reg_params_fini(&params);
}

static void numbers_are_written_in_full(void **state)
{
    const uint8_t uuid[16] = {0x01, 0x23, 0xff};
    struct reg_params params;

    (void)state;
    reg_params_init(&params);
    reg_params_u64(&params, UINT64_MAX);
    reg_params_i64(&params, INT64_MIN);
    reg_params_uuid(&params, uuid);
    reg_params_text(&params, NULL);
    assert_string_equal(params.values[0], "18446744073709551615");
    assert_string_equal(params.values[1], "-9223372036854775808");
    assert_string_equal(params.values[2], "0123ff00000000000000000000000000");
    assert_null(params.values[3]);
    reg_params_fini(&params);
}

/* ---- codes ---- */

static void codes_mean_what_the_table_says(void **state)
{
    (void)state;
    assert_int_equal(reg_sqlstate_status("40001"), TROUPE_E_AGAIN);
    assert_int_equal(reg_sqlstate_status("40P01"), TROUPE_E_AGAIN);
    assert_int_equal(reg_sqlstate_status("55P03"), TROUPE_E_AGAIN);
    assert_int_equal(reg_sqlstate_status("57014"), TROUPE_E_AGAIN);
    assert_int_equal(reg_sqlstate_status("57P01"), TROUPE_E_REGISTRY);
    assert_int_equal(reg_sqlstate_status("08006"), TROUPE_E_REGISTRY);
    assert_int_equal(reg_sqlstate_status("23505"), TROUPE_E_EXISTS);
    assert_int_equal(reg_sqlstate_status("23514"), TROUPE_E_INVALID);
    assert_int_equal(reg_sqlstate_status("22P05"), TROUPE_E_INVALID);
    assert_int_equal(reg_sqlstate_status("42501"), TROUPE_E_DENIED);
    assert_int_equal(reg_sqlstate_status("42883"), TROUPE_E_SCHEMA);
    assert_int_equal(reg_sqlstate_status("XX000"), TROUPE_E_FAILED);
    assert_int_equal(reg_sqlstate_status(""), TROUPE_E_REGISTRY);
    assert_int_equal(reg_sqlstate_status(NULL), TROUPE_E_REGISTRY);
    assert_true(reg_sqlstate_ends_connection("57P01"));
    assert_true(reg_sqlstate_ends_connection("25006"));
    assert_false(reg_sqlstate_ends_connection("57014"));
    assert_false(reg_sqlstate_ends_connection(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_takes_the_oldest_and_returns_to_its_place),
        cmocka_unit_test(one_that_goes_alone_is_a_batch_by_itself),
        cmocka_unit_test(an_operation_is_answered_once),
        cmocka_unit_test(steps_go_in_order_within_both_bounds),
        cmocka_unit_test(suspects_are_sent_one_by_one_before_the_others),
        cmocka_unit_test(an_array_is_postgres_binary_form),
        cmocka_unit_test(an_array_of_nothing_has_no_dimension),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(codes_mean_what_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
