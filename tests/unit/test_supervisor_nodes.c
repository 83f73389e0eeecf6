/* What is tested: supervisors whose children run on other nodes (troupe_child.placement) -
 * starting, crashes, the order of stops and starts, what is asked at run time. Method: several
 * nodes in this process over real sockets; S numbers are those of the list of distributed
 * scenarios. */
#include <stdio.h>
#include <string.h>

#include "support/workers.h"

static int begin(void **state)
{
    static const char *const roles[] = {"", "x", "x"};

    (void)state;
    workers_begin(3, roles);
    return 0;
}

static void place(int child, const char *placement)
{
    specs[child].placement = placement;
}

/* Starts a, b and c, and waits until all run; gives their pids. */
static void start_all(troupe_pid pids[3])
{
    assert_int_equal(supervise(), TROUPE_OK);
    pids[0] = wait_up("a", (troupe_pid){0});
    pids[1] = wait_up("b", (troupe_pid){0});
    pids[2] = wait_up("c", (troupe_pid){0});
}

static void ask_and_answer(troupe_pid pid)
{
    troupe_result result;

    assert_int_equal(troupe_node_call(stages[0]->node, pid, &ask_type,
                                      &(ask){.how = ASK_REPLY, .value = 42}, DEADLINE_MS, &result),
                     TROUPE_OK);
    assert_int_equal(((const number *)troupe_result_as(&result, &number_type))->value, 42);
    troupe_result_clear(&result);
}

static void s1_a_child_on_another_node_works_and_is_listed(void **state)
{
    troupe_child_state child;
    troupe_pid pids[3];

    (void)state;
    place(1, "n2");
    place(2, "n3 role:x");
    start_all(pids);
    assert_int_equal(node_of(pids[0]), 0);
    assert_int_equal(node_of(pids[1]), 1);
    assert_int_equal(node_of(pids[2]), 2);
    ask_and_answer(pids[1]);
    ask_and_answer(pids[2]);
    assert_true(look_at("b", &child));
    assert_string_equal(child.node, "n2");
    assert_string_equal(child.placement, "n2");
    assert_string_equal(child.state, "running");
    assert_true(look_at("a", &child));
    assert_string_equal(child.node, "n1");
    assert_string_equal(child.placement, "");
    /* They start in their order, each when the one before it is up. */
    lines_are(0, "a starts n1;b starts n2;c starts n3");
}

static void s2_a_crash_restarts_it_on_its_node(void **state)
{
    troupe_child_state child;
    troupe_pid pids[3];

    (void)state;
    place(0, "least_loaded role:x");
    place(1, "n2");
    place(2, "round_robin");
    start_all(pids);
    for (int i = 0; i < 3; i++) {
        const size_t node = node_of(pids[i]);
        const char id[] = {(char)('a' + i), '\0'};

        ask_worker(pids[i], ASK_DIE);
        pids[i] = wait_up(id, pids[i]);
        assert_int_equal(node_of(pids[i]), node);
        assert_int_equal(alive(i), 1);
        assert_true(look_at(id, &child));
        assert_int_equal(child.restarts, 1);
    }
    assert_int_equal(count_lines("a error") + count_lines("b error") + count_lines("c error"), 3);
}

static void s3_one_for_all_stops_back_and_starts_forth(void **state)
{
    troupe_pid pids[3];

    (void)state;
    place(0, "n2");
    place(2, "n3");
    tree.strategy = TROUPE_ONE_FOR_ALL;
    start_all(pids);
    const size_t from = lines_count();

    ask_worker(pids[1], ASK_DIE);
    wait_line("c starts n3", 2);
    lines_are(from, "b error;c shutdown;a shutdown;a starts n2;b starts n1;c starts n3");
    const troupe_pid a = wait_up("a", pids[0]);
    const size_t again = lines_count();

    ask_worker(a, ASK_DIE); /* The first, which is elsewhere. */
    wait_line("c starts n3", 3);
    lines_are(again, "a error;c shutdown;b shutdown;a starts n2;b starts n1;c starts n3");
}

static void s4_rest_for_one_does_so_with_those_behind(void **state)
{
    troupe_pid pids[3];

    (void)state;
    place(1, "n2");
    place(2, "n3");
    place(3, "n2");
    tree.strategy = TROUPE_REST_FOR_ONE;
    tree.children_count = 5;
    start_all(pids);
    wait_line("e starts n1", 1);
    const size_t from = lines_count();

    ask_worker(pids[2], ASK_DIE);
    wait_line("e starts n1", 2);
    lines_are(from, "c error;e shutdown;d shutdown;c starts n3;d starts n2;e starts n1");
    assert_true(troupe_pid_equal(wait_up("b", (troupe_pid){0}), pids[1]));
}

static void s5_the_end_of_the_supervisor_ends_them_in_reverse_order(void **state)
{
    troupe_pid pids[3];

    (void)state;
    place(0, "n3");
    place(1, "n2");
    start_all(pids);
    const size_t from = lines_count();

    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    wait_nobody();
    lines_are(from, "c shutdown;b shutdown;a shutdown");
}

static void refused_start(const troupe_child *child, troupe_status status, const char *words)
{
    troupe_result result;
    troupe_child_state shown;

    assert_int_equal(
        troupe_node_start_child(stages[0]->node, supervisor, child, DEADLINE_MS, &result), status);
    if (strstr(result.reason.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", result.reason.text, words);
    }
    troupe_result_clear(&result);
    assert_false(look_at(child->id, &shown));
}

static void s8_a_start_that_cannot_be_is_an_error_and_changes_nothing(void **state)
{
    troupe_child_state shown;
    troupe_result result;
    troupe_pid pids[3];

    (void)state;
    start_all(pids);
    place(3, "n9");
    refused_start(&specs[3], TROUPE_E_NOT_FOUND, "no such node: \"n9\"");
    place(3, "round_robin role:y");
    refused_start(&specs[3], TROUPE_E_NOT_FOUND, "no node that is up has the role \"y\"");
    atomic_store(&failing_node, 1);
    place(3, "n2");
    refused_start(&specs[3], TROUPE_E_FAILED, "not here");
    atomic_store(&failing_node, -1);
    assert_int_equal(
        troupe_node_start_child(stages[0]->node, supervisor, &specs[3], DEADLINE_MS, &result),
        TROUPE_OK);
    const troupe_child_state *started = troupe_result_as(&result, &troupe_child_state_type);

    assert_string_equal(started->node, "n2");
    assert_int_equal(node_of(started->pid), 1);
    troupe_result_clear(&result);
    /* Stopped, started again, stopped and deleted: as with one of this node. */
    assert_int_equal(troupe_node_terminate_child(stages[0]->node, supervisor, "d", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(count_lines("d shutdown"), 1);
    assert_int_equal(
        troupe_node_restart_child(stages[0]->node, supervisor, "d", DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    assert_true(look_at("d", &shown));
    assert_string_equal(shown.node, "n2");
    assert_int_equal(alive(3), 1);
}

static void a_specification_that_makes_no_sense_is_refused(void **state)
{
    static const troupe_behavior nameless = {.state_size = 8};
    static const troupe_behavior undescribed = {.name = "test.undescribed"};
    troupe_child bad = specs[3];
    troupe_pid pids[3];

    (void)state;
    start_all(pids);
    bad.placement = "hash round_robin";
    refused_start(&bad, TROUPE_E_INVALID, "column 6");
    bad = (troupe_child){.id = "s", .behavior = &nameless, .placement = "n2"};
    refused_start(&bad, TROUPE_E_INVALID, "a behavior with a name");
    bad = (troupe_child){
        .id = "s", .behavior = &undescribed, .args = &bad, .placement = "round_robin"};
    refused_start(&bad, TROUPE_E_INVALID, "described type");
    bad = specs[3];
    bad.placement = "n2";
    bad.flags = TROUPE_SPAWN_DURABLE;
    refused_start(&bad, TROUPE_E_INVALID, "a durable actor needs a name");
}

static void s12_a_node_without_the_behavior_says_so(void **state)
{
    static const troupe_behavior unknown = {.name = "test.unknown"};
    const troupe_child there = {.id = "u", .behavior = &unknown, .placement = "n2"};
    const troupe_child anywhere = {.id = "u", .behavior = &unknown, .placement = "role:x"};
    troupe_pid pids[3];

    (void)state;
    start_all(pids);
    refused_start(&there, TROUPE_E_NOT_FOUND, "node \"n2\" has no behavior \"test.unknown\"");
    refused_start(&anywhere, TROUPE_E_NOT_FOUND,
                  "no node with the role \"x\" knows the behavior \"test.unknown\"");
}

static void s13_a_crash_while_a_restart_is_pending_has_its_turn(void **state)
{
    troupe_pid pids[3];

    (void)state;
    place(1, "n2");
    place(2, "n3");
    tree.strategy = TROUPE_REST_FOR_ONE;
    tree.intensity = 10;
    tree.period_ms = 60000;
    start_all(pids);
    atomic_store(&closed_node, 1);
    ask_worker(pids[1], ASK_DIE);
    wait_state("b", "starting");
    ask_worker(pids[0], ASK_DIE); /* It stands before the one that is being started. */
    wait_state("a", "ended");
    atomic_store(&closed_node, -1);
    gate_open(&worker_gate);
    wait_line("c starts n3", 2);
    (void)wait_up("a", pids[0]);
    (void)wait_up("b", pids[1]);
    (void)wait_up("c", pids[2]);
    assert_int_equal(alive(0) + alive(1) + alive(2), 3);
    assert_int_equal(count_lines("a starts n1"), 2);
    assert_int_equal(count_lines("b starts n2"), 3);
}

static void s14_the_limit_counts_all_crashes_wherever_they_are(void **state)
{
    troupe_pid pids[3];

    (void)state;
    place(0, "n2");
    place(1, "n3");
    start_all(pids);
    for (int i = 0; i < 4; i++) {
        const char id[] = {(char)('a' + i % 2), '\0'};

        ask_worker(pids[i % 2], ASK_DIE);
        if (i < 3) {
            pids[i % 2] = wait_up(id, pids[i % 2]);
        }
    }
    /* On a machine that is slow enough the four do not fall within five seconds. */
    while (!troupe_pid_is_none(supervisor) && probe_count(chief) == 0) {
        troupe_child_state child;

        if (look_at("a", &child) && strcmp(child.state, "running") == 0) {
            ask_worker(child.pid, ASK_DIE);
        }
    }
    assert_int_equal(wait_end_of_supervisor(), TROUPE_REASON_SHUTDOWN);
    wait_nobody();
    assert_true(count_lines("a error") + count_lines("b error") >= 4);
}

static void s15_a_supervisor_that_is_killed_while_a_child_crashes_leaves_nobody(void **state)
{
    (void)state;
    place(0, "n2");
    place(1, "n3");
    for (int i = 0; i < 20; i++) {
        troupe_pid pids[3];

        start_all(pids);
        ask_worker(pids[0], ASK_DIE);
        assert_int_equal(troupe_node_exit(stages[0]->node, supervisor, TROUPE_REASON_KILL, "now"),
                         TROUPE_OK);
        wait_nobody();
        assert_int_equal(probe_wait(chief, (size_t)i)->kind, TROUPE_REASON_KILLED);
    }
}

static void a_start_that_fails_elsewhere_is_tried_again_and_counted(void **state)
{
    (void)state;
    place(1, "n2");
    atomic_store(&failing_node, 1);
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(wait_end_of_supervisor(), TROUPE_REASON_SHUTDOWN);
    wait_nobody();
    assert_int_equal(count_lines("b refuses"), 4);
    assert_int_equal(count_lines("a shutdown"), 1);
    assert_int_equal(count_lines("c starts n1"), 1); /* one_for_one: it does not wait for b. */
}

static void those_behind_one_that_does_not_start_wait_for_it(void **state)
{
    (void)state;
    place(1, "n2");
    tree.strategy = TROUPE_REST_FOR_ONE;
    tree.intensity = 1000000;
    tree.period_ms = 1000;
    atomic_store(&failing_node, 1);
    assert_int_equal(supervise(), TROUPE_OK);
    wait_line("b refuses", 3);
    assert_int_equal(count_lines("c starts n1"), 0);
    atomic_store(&failing_node, -1);
    wait_line("c starts n1", 1);
    assert_true(place_of("b starts n2", 1) < place_of("c starts n1", 1));
}

static void a_supervisor_that_ends_while_a_child_starts_stops_it_too(void **state)
{
    (void)state;
    place(1, "n2");
    place(2, "n2");
    atomic_store(&closed_node, 1);
    assert_int_equal(supervise(), TROUPE_OK);
    wait_state("b", "starting");
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, "enough");
    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    assert_int_equal(alive(0), 1); /* Its turn comes when b has ended. */
    atomic_store(&closed_node, -1);
    gate_open(&worker_gate);
    wait_nobody();
    lines_are(0, "a starts n1;b starts n2;b shutdown;a shutdown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, workers_end)
        TEST(s1_a_child_on_another_node_works_and_is_listed),
        TEST(s2_a_crash_restarts_it_on_its_node),
        TEST(s3_one_for_all_stops_back_and_starts_forth),
        TEST(s4_rest_for_one_does_so_with_those_behind),
        TEST(s5_the_end_of_the_supervisor_ends_them_in_reverse_order),
        TEST(s8_a_start_that_cannot_be_is_an_error_and_changes_nothing),
        TEST(a_specification_that_makes_no_sense_is_refused),
        TEST(s12_a_node_without_the_behavior_says_so),
        TEST(s13_a_crash_while_a_restart_is_pending_has_its_turn),
        TEST(s14_the_limit_counts_all_crashes_wherever_they_are),
        TEST(s15_a_supervisor_that_is_killed_while_a_child_crashes_leaves_nobody),
        TEST(a_start_that_fails_elsewhere_is_tried_again_and_counted),
        TEST(those_behind_one_that_does_not_start_wait_for_it),
        TEST(a_supervisor_that_ends_while_a_child_starts_stops_it_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
