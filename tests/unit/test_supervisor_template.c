/* What is tested: supervisors whose children are all alike, simple_one_for_one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/supervised_tasks.h"

static troupe_child template;

static void supervise_simple(int32_t restart_type)
{
    template =
        (troupe_child){.id = "worker", .behavior = &worker_behavior, .restart = restart_type};
    tree = (troupe_supervisor){
        .strategy = TROUPE_SIMPLE_ONE_FOR_ONE, .children = &template, .children_count = 1};
    assert_int_equal(supervise(), TROUPE_OK);
}

static void a_template_starts_nothing_and_then_a_child_per_request(void **state)
{
    (void)state;
    supervise_simple(TROUPE_RESTART_PERMANENT);
    assert_count(1, 0, 0, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(start_task(i, NULL), TROUPE_OK);
        assert_int_equal(number_of(shown()->pid), i);
    }
    assert_count(1, 3, 0, 3);
    assert_int_equal(start_task(9, "fail"), TROUPE_E_FAILED);
    assert_string_equal(result.reason.text, "task 9 cannot be done");
    assert_int_equal(start_child(&children[0]), TROUPE_E_INVALID); /* Another behavior. */
    assert_int_equal(start_by_message(&(troupe_start_child_request){.args = "{\"id\": 3}"}),
                     TROUPE_OK);
    assert_int_equal(number_of(shown()->pid), 3);
    assert_count(1, 4, 0, 4);
}

static void a_child_of_a_template_is_restarted_with_its_own_arguments(void **state)
{
    (void)state;
    supervise_simple(TROUPE_RESTART_PERMANENT);
    assert_int_equal(start_task(1, NULL), TROUPE_OK);
    assert_int_equal(start_task(2, NULL), TROUPE_OK);
    const troupe_pid first = list_children()->children[0].pid;

    assert_int_equal(troupe_node_exit(stage->node, first, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    while (list_children()->restarts == 0) {
    }
    assert_int_equal(list_children()->children_count, 2);
    assert_int_equal(number_of(list_children()->children[0].pid), 1);
    assert_false(troupe_pid_equal(first, list_children()->children[0].pid));
}

static void children_of_a_template_are_terminated_by_pid_only(void **state)
{
    (void)state;
    supervise_simple(TROUPE_RESTART_PERMANENT);
    assert_int_equal(start_task(1, NULL), TROUPE_OK);
    const troupe_pid pid = shown()->pid;

    assert_int_equal(terminate_child("worker"), TROUPE_E_INVALID);
    assert_int_equal(restart_child("worker"), TROUPE_E_INVALID);
    assert_int_equal(forget_child("worker"), TROUPE_E_INVALID);
    assert_int_equal(terminate_pid(pid), TROUPE_OK);
    assert_int_equal(terminate_pid(pid), TROUPE_E_NOT_FOUND);
    assert_count(1, 0, 0, 0);
    assert_int_equal(list_children()->children_count, 0);
}

static void children_of_a_template_that_are_not_restarted_are_forgotten(void **state)
{
    (void)state;
    supervise_simple(TROUPE_RESTART_TRANSIENT);
    assert_int_equal(start_task(1, NULL), TROUPE_OK);
    assert_int_equal(
        troupe_node_send(stage->node, shown()->pid, &ask_type, &(ask){.how = ASK_STOP}), TROUPE_OK);
    stage_wait_actors(stage, 2);
    while (list_children()->children_count != 0) {
    }
    assert_int_equal(probe_seen(chief), 0);
}

static void an_unnamed_child_that_fails_for_ever_ends_its_supervisor(void **state)
{
    (void)state;
    supervise_simple(TROUPE_RESTART_PERMANENT);
    assert_int_equal(start_task(1, NULL), TROUPE_OK);
    for (uint64_t i = 0; i < 4; i++) {
        troupe_pid pid = {0};

        while (troupe_pid_is_none(pid)) {
            const troupe_children *all = list_children();

            pid = all->restarts == i ? all->children[0].pid : (troupe_pid){0};
        }
        assert_int_equal(troupe_node_exit(stage->node, pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    }
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
}

static void the_place_of_a_child_of_a_template_can_be_used_again(void **state)
{
    (void)state;
    template = (troupe_child){.id = "worker", .behavior = &worker_behavior};
    tree = (troupe_supervisor){.strategy = TROUPE_SIMPLE_ONE_FOR_ONE,
                               .children = &template,
                               .children_count = 1,
                               .max_children = 2};
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_task(1, NULL), TROUPE_OK);
    const troupe_pid pid = shown()->pid;

    assert_int_equal(start_task(2, NULL), TROUPE_OK);
    assert_int_equal(start_task(3, NULL), TROUPE_E_LIMIT);
    assert_int_equal(terminate_pid(pid), TROUPE_OK);
    assert_int_equal(start_task(3, NULL), TROUPE_OK);
}

static void stubborn_children_of_a_template_are_stopped_together(void **state)
{
    const int64_t before = clock_ms();

    (void)state;
    for (int i = 0; i < CHILDREN_MAX; i++) {
        plans[i].traps = true;
        plans[i].ignores_exits = true;
    }
    template = children[0];
    template.shutdown_ms = 1000;
    tree = (troupe_supervisor){
        .strategy = TROUPE_SIMPLE_ONE_FOR_ONE, .children = &template, .children_count = 1};
    assert_int_equal(supervise(), TROUPE_OK);
    for (int i = 0; i < CHILDREN_MAX; i++) {
        assert_int_equal(start_child(&children[i]), TROUPE_OK);
    }
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_true(clock_ms() - before >= 1000);
    assert_true(clock_ms() - before < 3500); /* One after the other takes longer. */
    assert_int_equal(count_lines("a is asked"), 1);
    assert_int_equal(count_lines("d is asked"), 1);
    stage_wait_actors(stage, 1);
}

static void ten_thousand_children_of_a_template_come_and_go(void **state)
{
    (void)state;
    supervise_simple(TROUPE_RESTART_TEMPORARY);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(start_task(i, NULL), TROUPE_OK);
    }
    assert_count(1, 10000, 0, 10000);
    const troupe_pid middle = list_children()->children[5000].pid;

    assert_int_equal(number_of(middle), 5000);
    assert_int_equal(terminate_pid(middle), TROUPE_OK);
    assert_count(1, 9999, 0, 9999);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
}

#define CHILDREN_TEST(name) cmocka_unit_test_setup_teardown(name, children_begin, children_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHILDREN_TEST(a_template_starts_nothing_and_then_a_child_per_request),
        CHILDREN_TEST(a_child_of_a_template_is_restarted_with_its_own_arguments),
        CHILDREN_TEST(children_of_a_template_are_terminated_by_pid_only),
        CHILDREN_TEST(children_of_a_template_that_are_not_restarted_are_forgotten),
        CHILDREN_TEST(an_unnamed_child_that_fails_for_ever_ends_its_supervisor),
        CHILDREN_TEST(the_place_of_a_child_of_a_template_can_be_used_again),
        CHILDREN_TEST(stubborn_children_of_a_template_are_stopped_together),
        CHILDREN_TEST(ten_thousand_children_of_a_template_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
