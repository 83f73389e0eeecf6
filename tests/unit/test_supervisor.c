/* What is tested: the supervisor (node/supervisor), through the public API. */
#include <stdio.h>
#include <string.h>

#include "support/supervised.h"

/* ---- starting ---- */

static void children_start_in_order(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_string_equal(list.lines[0], "a starts");
    assert_string_equal(list.lines[1], "b starts");
    assert_string_equal(list.lines[2], "c starts");
    stage_wait_actors(stage, 5);
}

static void a_supervisor_may_have_no_children(void **state)
{
    (void)state;
    tree.children_count = 0;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    children[1].id = "a";
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    children[1].id = NULL;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    children[1].id = "b";
    children[1].behavior = NULL;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    children[1].behavior = &child_behavior;
    tree.strategy = 17;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    tree.strategy = TROUPE_SIMPLE_ONE_FOR_ONE; /* With three templates. */
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    tree.strategy = TROUPE_ONE_FOR_ONE;
    tree.auto_shutdown = 3;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    tree.auto_shutdown = TROUPE_AUTO_SHUTDOWN_NEVER;
    children[1].restart = TROUPE_RESTART_TRANSIENT;
    children[1].significant = true; /* Without auto_shutdown. */
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    tree.auto_shutdown = TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT;
    children[1].restart = TROUPE_RESTART_PERMANENT;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    children[1].significant = false;
    children[1].supervisor = &tree; /* Beside a behavior. */
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    children[1].supervisor = NULL;
    children[1].flags = TROUPE_SPAWN_MONITOR;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    children[1].flags = 0;
    tree.max_children = 2;
    assert_int_equal(supervise(), TROUPE_E_LIMIT);
    tree.max_children = 0;
    tree.strategy = TROUPE_ONE_FOR_ONE;
    tree.intensity = UINT32_MAX;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    tree.intensity = 0;
    children[1].restart = 9;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
    assert_int_equal(list.count, 0);
    stage_wait_actors(stage, 1);
}

static void when_a_child_does_not_start_nothing_is_left(void **state)
{
    (void)state;
    plans[2].fail_init_from = 1;
    assert_int_equal(supervise(), TROUPE_E_FAILED);
    stage_wait_actors(stage, 1);
    assert_int_equal(probe_seen(chief), 0);
    assert_int_equal(count_lines("a shutdown"), 1);
    assert_int_equal(count_lines("b shutdown"), 1);
    assert_true(place_of("b shutdown") < place_of("a shutdown"));
}

static void children_that_trap_are_stopped_too_when_a_later_one_does_not_start(void **state)
{
    (void)state;
    plans[0].traps = true;
    plans[1].traps = true;
    plans[1].ignores_exits = true;
    children[1].shutdown_ms = 20;
    plans[2].fail_init_from = 1;
    assert_int_equal(supervise(), TROUPE_E_FAILED);
    stage_wait_actors(stage, 1);
    assert_int_equal(count_lines("b is asked"), 1);
    assert_true(place_of("b is asked") < place_of("a is asked"));
    assert_int_equal(count_lines("a shutdown"), 1);
    assert_int_equal(count_lines("b shutdown"), 0); /* It was killed. */
}

/* ---- restarting ---- */

static void a_permanent_child_is_always_started_again(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid first = pid_of(&plans[0]);

    ask_child(0, ASK_STOP);
    wait_line("a starts", 2);
    assert_false(troupe_pid_equal(first, pid_of(&plans[0])));
    ask_child(0, ASK_DIE);
    wait_line("a starts", 3);
    stage_wait_actors(stage, 5);
    assert_int_equal(count_lines("b starts"), 1);
    assert_int_equal(count_lines("c starts"), 1);
}

static void a_transient_child_is_started_again_after_a_failure_only(void **state)
{
    (void)state;
    children[0].restart = TROUPE_RESTART_TRANSIENT;
    children[1].restart = TROUPE_RESTART_TRANSIENT;
    children[2].restart = TROUPE_RESTART_TRANSIENT;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_STOP);
    stage_wait_actors(stage, 4);
    probe_exit(chief, pid_of(&plans[1]), TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 3);
    ask_child(2, ASK_DIE);
    wait_line("c starts", 2);
    probe_exit(chief, pid_of(&plans[2]), TROUPE_REASON_KILL, NULL);
    wait_line("c starts", 3);
    assert_int_equal(count_lines("a starts"), 1);
    assert_int_equal(count_lines("b starts"), 1);
    stage_wait_actors(stage, 3);
}

static void a_temporary_child_is_never_started_again(void **state)
{
    (void)state;
    children[0].restart = TROUPE_RESTART_TEMPORARY;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    stage_wait_actors(stage, 4);
    ask_child(1, ASK_DIE); /* The supervisor goes on with its work. */
    wait_line("b starts", 2);
    assert_int_equal(count_lines("a starts"), 1);
}

static void links_and_monitors_of_a_child_fire_though_it_is_started_again(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const uint64_t monitor = probe_monitor(chief, pid_of(&plans[0]));
    const troupe_pid old = pid_of(&plans[0]);

    ask_child(0, ASK_DIE);
    assert_int_equal(probe_wait(chief, 0)->ref, monitor);
    assert_string_equal(chief->seen[0].text, "asked to");
    wait_line("a starts", 2);
    probe_call(chief, old, ASK_REPLY, 1, 1000, 5);
    assert_int_equal(probe_wait(chief, 1)->status, TROUPE_E_NOPROC);
}

static void too_many_restarts_end_the_supervisor_and_its_children_in_reverse(void **state)
{
    (void)state;
    tree.intensity = 2;
    tree.period_ms = 60000;
    assert_int_equal(supervise(), TROUPE_OK);
    for (size_t i = 0; i < 3; i++) {
        wait_line("a starts", i + 1);
        ask_child(0, ASK_DIE);
    }
    const struct seen *exit = probe_wait(chief, 0);

    assert_int_equal(exit->what, SAW_EXIT);
    assert_int_equal(exit->kind, TROUPE_REASON_SHUTDOWN);
    assert_true(troupe_pid_equal(exit->from, supervisor));
    stage_wait_actors(stage, 1);
    assert_int_equal(count_lines("a starts"), 3);
    assert_true(place_of("c shutdown") < place_of("b shutdown"));
}

static void restarts_of_all_children_count_together(void **state)
{
    (void)state;
    tree.intensity = 2;
    tree.period_ms = 60000;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_line("a starts", 2);
    ask_child(1, ASK_DIE);
    wait_line("b starts", 2);
    ask_child(2, ASK_DIE);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("c starts"), 1);
}

static void restarts_outside_of_the_window_are_forgotten(void **state)
{
    (void)state;
    tree.intensity = 1;
    tree.period_ms = 1;
    assert_int_equal(supervise(), TROUPE_OK);
    for (size_t i = 0; i < 6; i++) {
        int64_t until = 0;

        wait_line("a starts", i + 1); /* It was counted before, so the window is over after: */
        until = clock_ms() + 20;
        while (clock_ms() < until) {
        }
        ask_child(0, ASK_DIE);
    }
    wait_line("a starts", 7);
    assert_int_equal(probe_seen(chief), 0);
}

static void an_intensity_of_zero_allows_no_restart(void **state)
{
    (void)state;
    tree.intensity = 0;
    tree.period_ms = 5000;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("b starts"), 1);
}

static void a_child_that_does_not_start_again_uses_up_the_restarts(void **state)
{
    (void)state;
    plans[1].fail_init_from = 2;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("b refuses"), 3);
    stage_wait_actors(stage, 1);
}

static void a_supervisor_whose_child_never_starts_again_can_still_be_stopped(void **state)
{
    (void)state;
    /* So short a window that the limit is never reached. */
    tree.intensity = 10000;
    tree.period_ms = 1;
    plans[1].fail_init_from = 2;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_line("b refuses", 20);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
}

static void a_permanent_child_that_stops_in_init_uses_up_the_restarts(void **state)
{
    (void)state;
    plans[1].stop_in_init = true;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("b starts"), 4);
}

static void an_actor_that_nobody_supervises_dies_at_its_first_failure(void **state)
{
    struct probe *alone = probe_spawn(stage, NULL);

    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_stop(alone, TROUPE_REASON_ERROR, "the first");
    (void)probe_end(alone);
    ask_child(0, ASK_DIE); /* One that is supervised does not. */
    wait_line("a starts", 2);
    stage_wait_actors(stage, 5);
}

static void who_is_linked_to_a_child_gets_one_exit_though_it_is_started_again(void **state)
{
    struct probe *friend = probe_spawn(stage, NULL);

    (void)state;
    probe_trap(friend, true);
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid old = pid_of(&plans[0]);

    probe_link(friend, old);
    ask_child(0, ASK_DIE);
    wait_line("a starts", 2);
    const struct seen *exit = probe_wait(friend, 0);

    assert_int_equal(exit->what, SAW_EXIT);
    assert_true(troupe_pid_equal(exit->from, old));
    assert_string_equal(exit->text, "asked to");
    ask_child(0, ASK_DIE); /* The next one is a stranger. */
    wait_line("a starts", 3);
    assert_int_equal(probe_seen(friend), 1);
}

static void a_parent_that_ends_while_a_child_is_restarted_stops_the_tree(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 50;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_line("c is asked", 1);
    probe_stop(chief, TROUPE_REASON_ERROR, "parent");
    stage_wait_actors(stage, 0);
    assert_int_equal(count_lines("a starts"), 1);
    assert_int_equal(count_lines("b shutdown"), 1);
}

/* ---- stopping ---- */

static void a_shutdown_stops_the_children_in_reverse_order(void **state)
{
    (void)state;
    plans[1].traps = true;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
    assert_true(place_of("c shutdown") < place_of("b is asked"));
    assert_true(place_of("b shutdown") < place_of("a shutdown"));
    assert_int_equal(count_lines("b starts"), 1);
}

static void a_child_that_does_not_stop_in_time_is_killed(void **state)
{
    (void)state;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 20;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
    assert_int_equal(count_lines("c is asked"), 1);
    assert_int_equal(count_lines("c shutdown"), 0);
    assert_int_equal(count_lines("a shutdown"), 1);
}

static void a_brutal_kill_does_not_ask(void **state)
{
    (void)state;
    plans[1].traps = true;
    children[1].shutdown_ms = TROUPE_SHUTDOWN_KILL;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
    assert_int_equal(count_lines("b is asked"), 0);
    assert_int_equal(count_lines("b shutdown"), 0);
}

static void killing_a_supervisor_ends_its_children(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_KILL, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_KILLED);
    stage_wait_actors(stage, 1);
    assert_int_equal(count_lines("a killed"), 0); /* terminate does not run for killed. */
}

static void the_end_of_the_parent_stops_the_tree(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_stop(chief, TROUPE_REASON_ERROR, "parent");
    stage_wait_actors(stage, 0);
    assert_int_equal(count_lines("a shutdown"), 1);
    assert_true(place_of("c shutdown") < place_of("a shutdown"));
}

static void a_parent_that_ends_normally_stops_the_tree_too(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_stop(chief, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 0);
    assert_int_equal(count_lines("a shutdown"), 1);
}

static void a_stopping_node_stops_the_tree_in_order(void **state)
{
    const int64_t before = clock_ms();

    (void)state;
    /* One child is gone for good: the supervisor must not take the node for that child. */
    children[1].restart = TROUPE_RESTART_TEMPORARY;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    stage_wait_actors(stage, 4);
    troupe_node_stop(stage->node, DEADLINE_MS);
    assert_true(clock_ms() - before < DEADLINE_MS / 2);
    assert_true(place_of("c shutdown") < place_of("a shutdown"));
    /* The stage ends a node of its own. */
    troupe_config config;

    troupe_config_init(&config);
    assert_int_equal(troupe_node_start(&config, &stage->node, NULL, 0), TROUPE_OK);
}

/* ---- trees ---- */

static void escalation_restarts_the_whole_branch(void **state)
{
    const troupe_child branch = {.id = "branch", .supervisor = &tree};
    troupe_supervisor root = {.children = &branch, .children_count = 1};

    (void)state;
    tree.intensity = 0;
    tree.period_ms = 1000;
    tree.children_count = 1;
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    stage_wait_actors(stage, 4);
    ask_child(0, ASK_DIE);
    wait_line("a starts", 2);
    stage_wait_actors(stage, 4);
    assert_int_equal(probe_seen(chief), 0);
}

/* ---- looking ---- */

static void children_are_listed(void **state)
{
    troupe_result result = {0};

    (void)state;
    children[1].restart = TROUPE_RESTART_TEMPORARY;
    children[2].restart = TROUPE_RESTART_TRANSIENT;
    children[3].restart = TROUPE_RESTART_TEMPORARY;
    tree.children_count = 4;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_line("a starts", 2);
    ask_child(3, ASK_STOP);
    ask_child(2, ASK_STOP);
    stage_wait_actors(stage, 4);
    assert_int_equal(troupe_node_call(stage->node, supervisor, &troupe_list_children_type, NULL,
                                      DEADLINE_MS, &result),
                     TROUPE_OK);
    const troupe_children *answer = troupe_result_as(&result, &troupe_children_type);

    assert_non_null(answer);
    assert_int_equal(answer->children_count, 3);
    assert_string_equal(answer->children[0].id, "a");
    assert_int_equal(answer->children[0].restarts, 1);
    assert_true(troupe_pid_equal(answer->children[0].pid, pid_of(&plans[0])));
    assert_string_equal(answer->children[0].state, "running");
    assert_string_equal(answer->children[0].behavior, "test.child");
    assert_string_equal(answer->children[1].restart, "temporary");
    assert_true(troupe_pid_is_none(answer->children[2].pid));
    assert_string_equal(answer->children[2].state, "stopped");
    assert_string_equal(answer->strategy, "one_for_one");
    assert_int_equal(answer->restarts, 1);
    troupe_result_clear(&result);
}

static void a_named_child_keeps_its_name_over_restarts(void **state)
{
    troupe_pid pid = {0};

    (void)state;
    children[0].name = "service";
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(troupe_node_whereis(stage->node, "service", 1000, &pid), TROUPE_OK);
    assert_true(troupe_pid_equal(pid, pid_of(&plans[0])));
    ask_child(0, ASK_DIE);
    wait_line("a starts", 2);
    assert_int_equal(troupe_node_whereis(stage->node, "service", 1000, &pid), TROUPE_OK);
    assert_true(troupe_pid_equal(pid, pid_of(&plans[0])));
}

/* A message that only looks like the supervisor's own. */
typedef struct forged {
    uint64_t index;
} forged;
TROUPE_TYPE(forged, "troupe.child_late", TROUPE_FIELD(forged, index, 1));

static void a_forged_message_does_no_harm(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(troupe_node_send(stage->node, supervisor, &forged_type,
                                      &(forged){.index = UINT64_C(1) << 40}),
                     TROUPE_OK);
    assert_int_equal(troupe_node_send(stage->node, supervisor, &forged_type, &(forged){.index = 0}),
                     TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_line("b starts", 2);
    assert_int_equal(count_lines("a starts"), 1);
}

#define SUPERVISOR_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, supervised_begin, supervised_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPERVISOR_TEST(children_start_in_order),
        SUPERVISOR_TEST(a_supervisor_may_have_no_children),
        SUPERVISOR_TEST(nonsense_is_refused),
        SUPERVISOR_TEST(when_a_child_does_not_start_nothing_is_left),
        SUPERVISOR_TEST(children_that_trap_are_stopped_too_when_a_later_one_does_not_start),
        SUPERVISOR_TEST(a_permanent_child_is_always_started_again),
        SUPERVISOR_TEST(a_transient_child_is_started_again_after_a_failure_only),
        SUPERVISOR_TEST(a_temporary_child_is_never_started_again),
        SUPERVISOR_TEST(links_and_monitors_of_a_child_fire_though_it_is_started_again),
        SUPERVISOR_TEST(an_actor_that_nobody_supervises_dies_at_its_first_failure),
        SUPERVISOR_TEST(who_is_linked_to_a_child_gets_one_exit_though_it_is_started_again),
        SUPERVISOR_TEST(a_parent_that_ends_while_a_child_is_restarted_stops_the_tree),
        SUPERVISOR_TEST(too_many_restarts_end_the_supervisor_and_its_children_in_reverse),
        SUPERVISOR_TEST(restarts_of_all_children_count_together),
        SUPERVISOR_TEST(restarts_outside_of_the_window_are_forgotten),
        SUPERVISOR_TEST(an_intensity_of_zero_allows_no_restart),
        SUPERVISOR_TEST(a_child_that_does_not_start_again_uses_up_the_restarts),
        SUPERVISOR_TEST(a_supervisor_whose_child_never_starts_again_can_still_be_stopped),
        SUPERVISOR_TEST(a_permanent_child_that_stops_in_init_uses_up_the_restarts),
        SUPERVISOR_TEST(a_shutdown_stops_the_children_in_reverse_order),
        SUPERVISOR_TEST(a_child_that_does_not_stop_in_time_is_killed),
        SUPERVISOR_TEST(a_brutal_kill_does_not_ask),
        SUPERVISOR_TEST(killing_a_supervisor_ends_its_children),
        SUPERVISOR_TEST(the_end_of_the_parent_stops_the_tree),
        SUPERVISOR_TEST(a_parent_that_ends_normally_stops_the_tree_too),
        SUPERVISOR_TEST(a_stopping_node_stops_the_tree_in_order),
        SUPERVISOR_TEST(escalation_restarts_the_whole_branch),
        SUPERVISOR_TEST(children_are_listed),
        SUPERVISOR_TEST(a_named_child_keeps_its_name_over_restarts),
        SUPERVISOR_TEST(a_forged_message_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
