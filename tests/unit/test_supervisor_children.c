/* What is tested: children that are added, removed, started and listed while a supervisor runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/supervised_tasks.h"

/* ---- adding ---- */

static void a_child_that_is_added_starts_behind_the_others(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_child(&children[3]), TROUPE_OK);
    assert_string_equal(shown()->id, "d");
    assert_string_equal(shown()->state, "running");
    assert_true(troupe_pid_equal(shown()->pid, pid_of(&plans[3])));
    const troupe_children *all = list_children();

    assert_int_equal(all->children_count, 4);
    assert_string_equal(all->children[3].id, "d");
    ask_child(3, ASK_DIE);
    wait_line("d starts", 2);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_true(place_of("d shutdown") < place_of("c shutdown"));
}

static void a_second_child_of_the_same_id_is_refused(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_child(&children[1]), TROUPE_E_EXISTS);
    assert_string_equal(result.reason.text, "a child with this id is running");
    assert_int_equal(terminate_child("b"), TROUPE_OK);
    assert_int_equal(start_child(&children[1]), TROUPE_E_EXISTS);
    assert_string_equal(result.reason.text, "there is a child with this id");
    assert_int_equal(count_lines("b starts"), 1);
}

static void a_child_whose_init_fails_is_not_kept(void **state)
{
    (void)state;
    plans[3].fail_init_from = 1;
    plans[3].fail_init_to = 1;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_child(&children[3]), TROUPE_E_FAILED);
    assert_string_equal(result.reason.text, "no start 1");
    assert_count(3, 3, 0, 3);
    assert_int_equal(start_child(&children[3]), TROUPE_OK);
    assert_count(4, 4, 0, 4);
    assert_int_equal(probe_seen(chief), 0);
}

static void a_child_that_makes_no_sense_is_not_added(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_child(&(troupe_child){.id = "x"}), TROUPE_E_INVALID);
    assert_int_equal(start_child(&(troupe_child){.behavior = &worker_behavior}), TROUPE_E_INVALID);
    assert_string_equal(result.reason.text, "a child needs an id");
    assert_int_equal(start_child(&(troupe_child){.id = "x",
                                                 .behavior = &worker_behavior,
                                                 .restart = TROUPE_RESTART_TEMPORARY,
                                                 .significant = true}),
                     TROUPE_E_INVALID);
    assert_count(3, 3, 0, 3);
}

static void a_place_among_max_children_can_be_used_again(void **state)
{
    (void)state;
    tree.max_children = 3;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_child(&children[3]), TROUPE_E_LIMIT);
    assert_int_equal(terminate_child("a"), TROUPE_OK);
    assert_int_equal(start_child(&children[3]), TROUPE_E_LIMIT);
    assert_int_equal(forget_child("a"), TROUPE_OK);
    assert_int_equal(start_child(&children[3]), TROUPE_OK);
    assert_count(3, 3, 0, 3);
}

static void a_supervisor_can_be_added_as_a_child(void **state)
{
    const troupe_supervisor branch = {.children = &children[2], .children_count = 2};

    (void)state;
    tree.children_count = 2;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_child(&(troupe_child){.id = "branch", .supervisor = &branch}),
                     TROUPE_OK);
    assert_true(shown()->supervisor);
    assert_count(3, 3, 1, 2);
    ask_child(3, ASK_DIE);
    wait_line("d starts", 2);
    assert_int_equal(terminate_child("branch"), TROUPE_OK);
    assert_true(place_of("d shutdown") < place_of("c shutdown"));
    assert_count(3, 2, 1, 2);
    stage_wait_actors(stage, 4);
}

/* ---- stopping, starting, forgetting ---- */

static void a_terminated_child_stays_known_and_can_be_started(void **state)
{
    (void)state;
    plans[1].traps = true;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(terminate_child("b"), TROUPE_OK);
    assert_int_equal(count_lines("b shutdown"), 1); /* It has ended when this answers. */
    assert_string_equal(shown()->state, "stopped");
    assert_count(3, 2, 0, 3);
    assert_int_equal(terminate_child("b"), TROUPE_OK); /* Again: as OTP. */
    assert_int_equal(restart_child("b"), TROUPE_OK);
    assert_true(troupe_pid_equal(shown()->pid, pid_of(&plans[1])));
    assert_int_equal(restart_child("b"), TROUPE_E_EXISTS);
    assert_count(3, 3, 0, 3);
    assert_int_equal(probe_seen(chief), 0);
}

static void a_running_child_is_not_forgotten(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(forget_child("a"), TROUPE_E_EXISTS);
    assert_string_equal(result.reason.text, "the child is running");
    assert_int_equal(terminate_child("a"), TROUPE_OK);
    assert_int_equal(forget_child("a"), TROUPE_OK);
    assert_int_equal(forget_child("a"), TROUPE_E_NOT_FOUND);
    assert_int_equal(restart_child("a"), TROUPE_E_NOT_FOUND);
    assert_int_equal(list_children()->children_count, 2);
    assert_string_equal(list_children()->children[0].id, "b");
}

static void a_terminated_temporary_child_is_forgotten(void **state)
{
    (void)state;
    children[1].restart = TROUPE_RESTART_TEMPORARY;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(terminate_child("b"), TROUPE_OK);
    assert_int_equal(restart_child("b"), TROUPE_E_NOT_FOUND);
    assert_int_equal(start_child(&children[1]), TROUPE_OK);
    assert_string_equal(list_children()->children[2].id, "b");
}

static void an_unknown_child_is_not_terminated(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(terminate_child("x"), TROUPE_E_NOT_FOUND);
    assert_int_equal(terminate_pid(chief->pid), TROUPE_E_NOT_FOUND);
    assert_int_equal(terminate_pid(pid_of(&plans[1])), TROUPE_OK);
    assert_string_equal(shown()->id, "b");
}

static void a_child_that_does_not_start_on_request_stays_down(void **state)
{
    (void)state;
    plans[1].fail_init_from = 2;
    plans[1].fail_init_to = 2;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(terminate_child("b"), TROUPE_OK);
    assert_int_equal(restart_child("b"), TROUPE_E_FAILED);
    assert_string_equal(list_children()->children[1].state, "stopped");
    assert_int_equal(restart_child("b"), TROUPE_OK);
    assert_int_equal(list_children()->children[1].restarts, 0);
}

static void a_child_whose_restart_is_tried_can_be_terminated(void **state)
{
    (void)state;
    tree.intensity = 1000000;
    tree.period_ms = 1;
    plans[1].fail_init_from = 2;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_line("b refuses", 3);
    assert_int_equal(restart_child("b"), TROUPE_E_AGAIN);
    assert_int_equal(forget_child("b"), TROUPE_E_AGAIN);
    assert_int_equal(terminate_child("b"), TROUPE_OK);
    const size_t tries = count_lines("b refuses");

    ask_child(0, ASK_DIE);
    wait_line("a starts", 2);
    assert_int_equal(forget_child("b"), TROUPE_OK);
    assert_int_equal(count_lines("b refuses"), tries);
    assert_count(2, 2, 0, 2);
}

static void who_is_no_supervisor_or_dead_says_so(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid living = supervisor;

    supervisor = pid_of(&plans[0]);
    assert_int_equal(start_child(&children[3]), TROUPE_E_TYPE);
    assert_int_equal(terminate_child("a"), TROUPE_E_TYPE);
    supervisor = living;
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(start_child(&children[3]), TROUPE_E_NOPROC);
    assert_int_equal(terminate_child("a"), TROUPE_E_NOPROC);
    assert_int_equal(count_lines("d starts"), 0);
}

/* ---- while the supervisor is busy ---- */

struct asked {
    atomic_int answers;
    troupe_status statuses[8];
};

static int on_answer(troupe_self *self, void *state, const troupe_result *answer)
{
    struct asked *asked = (struct asked *)(uintptr_t)answer->tag;

    (void)self;
    (void)state;
    asked->statuses[atomic_load(&asked->answers)] = answer->status;
    (void)atomic_fetch_add(&asked->answers, 1);
    return TROUPE_OK;
}

static int do_ask_all(troupe_self *self, struct probe *probe, void *context)
{
    const uint64_t tag = (uint64_t)(uintptr_t)context;

    (void)probe;
    (void)!troupe_start_child(self, supervisor, &children[3], DEADLINE_MS, on_answer, tag);
    (void)!troupe_terminate_child(self, supervisor, "a", (troupe_pid){0}, DEADLINE_MS, on_answer,
                                  tag);
    (void)!troupe_restart_child(self, supervisor, "a", DEADLINE_MS, on_answer, tag);
    (void)!troupe_terminate_child(self, supervisor, "d", (troupe_pid){0}, DEADLINE_MS, on_answer,
                                  tag);
    return troupe_delete_child(self, supervisor, "d", DEADLINE_MS, on_answer, tag);
}

static bool has_five_answers(void *context)
{
    return atomic_load(&((struct asked *)context)->answers) == 5;
}

static void requests_wait_for_a_restart_in_their_order(void **state)
{
    struct asked asked = {0};

    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 50;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_line("c is asked", 1);
    assert_int_equal(probe_do(chief, do_ask_all, &asked), TROUPE_OK);
    assert_int_equal(list_children()->children_count, 3); /* Looking does not wait. */
    assert_true(wait_until(has_five_answers, &asked));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(asked.statuses[i], TROUPE_OK);
    }
    assert_true(place_of("d starts") > place_of("c is asked"));
    assert_int_equal(count_lines("a starts"), 3);
    assert_count(3, 3, 0, 3);
}

static void requests_that_wait_fail_with_the_end_of_the_supervisor(void **state)
{
    struct asked asked = {0};

    (void)state;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 50;
    assert_int_equal(supervise(), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    wait_line("c is asked", 1);
    assert_int_equal(probe_do(chief, do_ask_all, &asked), TROUPE_OK);
    assert_true(wait_until(has_five_answers, &asked));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(asked.statuses[i], TROUPE_E_EXITED);
    }
    assert_int_equal(count_lines("d starts"), 0);
    stage_wait_actors(stage, 1);
}

/* ---- by message ---- */

static void children_are_added_by_message_too(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(start_by_message(&(troupe_start_child_request){
                         .id = "w", .behavior = "test.worker", .args = "{\"id\": 7}"}),
                     TROUPE_OK);
    assert_int_equal(number_of(shown()->pid), 7);
    assert_int_equal(
        start_by_message(&(troupe_start_child_request){.id = "v", .behavior = "test.nothing"}),
        TROUPE_E_NOT_FOUND);
    assert_int_equal(start_by_message(&(troupe_start_child_request){
                         .id = "v", .behavior = "test.worker", .args = "{\"idd\": 7}"}),
                     TROUPE_E_TYPE);
    assert_int_equal(start_by_message(&(troupe_start_child_request){
                         .id = "v", .behavior = "test.worker", .restart = 7}),
                     TROUPE_E_INVALID);
    assert_count(4, 4, 0, 4);
}

#define CHILDREN_TEST(name) cmocka_unit_test_setup_teardown(name, children_begin, children_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHILDREN_TEST(a_child_that_is_added_starts_behind_the_others),
        CHILDREN_TEST(a_second_child_of_the_same_id_is_refused),
        CHILDREN_TEST(a_child_whose_init_fails_is_not_kept),
        CHILDREN_TEST(a_child_that_makes_no_sense_is_not_added),
        CHILDREN_TEST(a_place_among_max_children_can_be_used_again),
        CHILDREN_TEST(a_supervisor_can_be_added_as_a_child),
        CHILDREN_TEST(a_terminated_child_stays_known_and_can_be_started),
        CHILDREN_TEST(a_running_child_is_not_forgotten),
        CHILDREN_TEST(a_terminated_temporary_child_is_forgotten),
        CHILDREN_TEST(an_unknown_child_is_not_terminated),
        CHILDREN_TEST(a_child_that_does_not_start_on_request_stays_down),
        CHILDREN_TEST(a_child_whose_restart_is_tried_can_be_terminated),
        CHILDREN_TEST(who_is_no_supervisor_or_dead_says_so),
        CHILDREN_TEST(requests_wait_for_a_restart_in_their_order),
        CHILDREN_TEST(requests_that_wait_fail_with_the_end_of_the_supervisor),
        CHILDREN_TEST(children_are_added_by_message_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
