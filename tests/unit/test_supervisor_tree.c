/* What is tested: strategies of the supervisor, trees of them, and what ends a tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/supervised.h"

/* Waits until nothing more is to come: all that was asked for has happened when the last child in
 * the list of starts has started so often. */
static void wait_starts(int index, size_t count)
{
    char line[LINE_SIZE];

    (void)snprintf(line, sizeof(line), "%s starts", plans[index].id);
    wait_line(line, count);
}

/* Compares what was written since the line at place `from` with the words, in order. */
static void assert_lines(size_t from, const char *const *words)
{
    (void)pthread_mutex_lock(&list.mutex);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (from + i >= list.count || strcmp(list.lines[from + i], words[i]) != 0) {
            fail_msg("line %zu is \"%s\", not \"%s\"", i,
                     from + i < list.count ? list.lines[from + i] : "(none)", words[i]);
        }
    }
    (void)pthread_mutex_unlock(&list.mutex);
}

#define ASSERT_LINES(from, ...) assert_lines((from), (const char *const[]){__VA_ARGS__, NULL})

/* ---- one_for_all ---- */

static void one_for_all_stops_in_reverse_and_starts_in_order(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_starts(2, 2);
    ASSERT_LINES(3, "b error", "c shutdown", "a shutdown", "a starts", "b starts", "c starts");
    stage_wait_actors(stage, 5);
    assert_int_equal(probe_seen(chief), 0);
}

static void one_for_all_counts_one_restart_whatever_it_restarts(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    tree.intensity = 2;
    tree.period_ms = 60000;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_starts(2, 2);
    ask_child(2, ASK_DIE);
    wait_starts(2, 3);
    assert_int_equal(probe_seen(chief), 0);
    ask_child(1, ASK_DIE);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("a starts"), 3);
}

static void one_for_all_starts_again_those_that_had_ended_before(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    children[0].restart = TROUPE_RESTART_TRANSIENT;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_STOP);
    stage_wait_actors(stage, 4);
    ask_child(2, ASK_DIE);
    wait_starts(2, 2);
    assert_int_equal(count_lines("a starts"), 2);
    stage_wait_actors(stage, 5);
}

static void a_temporary_sibling_that_is_stopped_with_the_others_is_forgotten(void **state)
{
    troupe_result result = {0};

    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    children[0].restart = TROUPE_RESTART_TEMPORARY;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_starts(2, 2);
    assert_int_equal(count_lines("a starts"), 1);
    assert_int_equal(count_lines("a shutdown"), 1);
    assert_int_equal(troupe_node_count_children(stage->node, supervisor, DEADLINE_MS, &result),
                     TROUPE_OK);
    assert_int_equal(((const troupe_children_count *)result.value)->specs, 2);
    troupe_result_clear(&result);
}

static void a_sibling_that_does_not_stop_for_a_restart_is_killed(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 20;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_starts(2, 2);
    ASSERT_LINES(3, "a error", "c is asked", "b shutdown", "a starts", "b starts", "c starts");
}

static void children_behind_one_that_does_not_start_wait_for_it(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    tree.intensity = 5;
    tree.period_ms = 60000;
    plans[1].fail_init_from = 2;
    plans[1].fail_init_to = 3;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_starts(2, 2);
    ASSERT_LINES(3, "a error", "c shutdown", "b shutdown", "a starts", "b refuses", "a shutdown",
                 "a starts", "b refuses", "a shutdown", "a starts", "b starts", "c starts");
    stage_wait_actors(stage, 5);
    assert_int_equal(probe_seen(chief), 0);
}

/* ---- rest_for_one ---- */

static void rest_for_one_restarts_the_one_and_those_behind_it(void **state)
{
    (void)state;
    tree.strategy = TROUPE_REST_FOR_ONE;
    tree.children_count = 4;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_starts(3, 2);
    ASSERT_LINES(4, "b error", "d shutdown", "c shutdown", "b starts", "c starts", "d starts");
    assert_int_equal(count_lines("a starts"), 1);
}

static void rest_for_one_of_the_last_restarts_only_it(void **state)
{
    (void)state;
    tree.strategy = TROUPE_REST_FOR_ONE;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(2, ASK_DIE);
    wait_starts(2, 2);
    ASSERT_LINES(3, "c error", "c starts");
    stage_wait_actors(stage, 5);
}

static void rest_for_one_of_the_first_restarts_all(void **state)
{
    (void)state;
    tree.strategy = TROUPE_REST_FOR_ONE;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_starts(2, 2);
    ASSERT_LINES(3, "a error", "c shutdown", "b shutdown", "a starts", "b starts", "c starts");
}

static void a_child_that_ends_while_others_are_restarted_has_its_turn(void **state)
{
    (void)state;
    tree.strategy = TROUPE_REST_FOR_ONE;
    tree.intensity = 5;
    tree.period_ms = 60000;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 50;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE); /* c is asked and does not listen; meanwhile a dies. */
    wait_line("c is asked", 1);
    ask_child(0, ASK_DIE);
    wait_starts(2, 3);
    ASSERT_LINES(3, "b error", "c is asked", "a error", "b starts", "c starts", "c is asked",
                 "b shutdown", "a starts", "b starts", "c starts");
    stage_wait_actors(stage, 5);
}

static void a_child_to_be_stopped_that_ends_by_itself_is_not_counted(void **state)
{
    (void)state;
    tree.strategy = TROUPE_ONE_FOR_ALL;
    tree.intensity = 1;
    tree.period_ms = 60000;
    plans[2].traps = true;
    plans[2].ignores_exits = true;
    children[2].shutdown_ms = 50;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(1, ASK_DIE);
    wait_line("c is asked", 1);
    ask_child(0, ASK_DIE);
    wait_starts(2, 2);
    stage_wait_actors(stage, 5);
    assert_int_equal(probe_seen(chief), 0);
    assert_int_equal(count_lines("a starts"), 2);
}

/* ---- trees ---- */

static troupe_child branches[2];
static troupe_supervisor leaves[2]; /* a, b and c, d */
static troupe_supervisor root;

static int tree_begin(void **state)
{
    assert_int_equal(supervised_begin(state), 0);
    leaves[0] = (troupe_supervisor){.children = &children[0], .children_count = 2};
    leaves[1] = (troupe_supervisor){.children = &children[2], .children_count = 2};
    branches[0] = (troupe_child){.id = "left", .supervisor = &leaves[0]};
    branches[1] = (troupe_child){.id = "right", .supervisor = &leaves[1]};
    root = (troupe_supervisor){.children = branches, .children_count = 2};
    return 0;
}

static void a_tree_starts_in_order_and_stops_in_reverse(void **state)
{
    (void)state;
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    stage_wait_actors(stage, 8);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    ASSERT_LINES(0, "a starts", "b starts", "c starts", "d starts", "d shutdown", "c shutdown",
                 "b shutdown", "a shutdown");
    stage_wait_actors(stage, 1);
}

static void a_branch_that_gives_up_is_started_again_and_the_others_stay(void **state)
{
    (void)state;
    leaves[1].period_ms = 1000; /* No restart at all. */
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    ask_child(2, ASK_DIE);
    wait_starts(3, 2);
    ASSERT_LINES(4, "c error", "d shutdown", "c starts", "d starts");
    stage_wait_actors(stage, 8);
    assert_int_equal(probe_seen(chief), 0);
}

static void giving_up_climbs_the_tree_to_its_root(void **state)
{
    (void)state;
    leaves[1].period_ms = 1000;
    root.period_ms = 1000;
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    ask_child(2, ASK_DIE);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    ASSERT_LINES(4, "c error", "d shutdown", "b shutdown", "a shutdown");
    stage_wait_actors(stage, 1);
}

static void a_transient_branch_that_gives_up_is_not_started_again(void **state)
{
    (void)state;
    branches[1].restart = TROUPE_RESTART_TRANSIENT;
    leaves[1].period_ms = 1000;
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    ask_child(2, ASK_DIE);
    stage_wait_actors(stage, 5);
    assert_int_equal(count_lines("c starts"), 1);
    assert_int_equal(probe_seen(chief), 0);
}

static void a_branch_that_does_not_start_leaves_nothing_of_the_tree(void **state)
{
    (void)state;
    plans[3].fail_init_from = 1;
    assert_int_equal(supervise_tree(&root), TROUPE_E_FAILED);
    stage_wait_actors(stage, 1);
    assert_int_equal(count_lines("a shutdown"), 1);
    assert_true(place_of("b shutdown") < place_of("a shutdown"));
    assert_int_equal(count_lines("c shutdown"), 1);
}

static void a_branch_of_stubborn_children_that_does_not_start_is_buried_in_order(void **state)
{
    (void)state;
    /* The left branch is a supervisor whose exit comes from one that never started. */
    plans[0].traps = true;
    plans[0].ignores_exits = true;
    children[0].shutdown_ms = 20;
    plans[2].fail_init_from = 1;
    assert_int_equal(supervise_tree(&root), TROUPE_E_FAILED);
    stage_wait_actors(stage, 1);
    assert_true(place_of("b shutdown") < place_of("a is asked"));
}

static void a_branch_is_killed_with_its_children_when_its_time_is_over(void **state)
{
    (void)state;
    branches[1].shutdown_ms = 20;
    plans[3].traps = true;
    plans[3].ignores_exits = true;
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("a shutdown"), 1);
    wait_line("d is asked", 2); /* By its supervisor, and by that one's end. */
    probe_exit(chief, pid_of(&plans[3]), TROUPE_REASON_KILL, NULL); /* It traps, so it lives. */
    stage_wait_actors(stage, 1);
}

static void a_branch_stops_when_its_supervisor_is_killed(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(supervise_tree(&root), TROUPE_OK);
    assert_int_equal(troupe_node_which_children(stage->node, supervisor, DEADLINE_MS, &result),
                     TROUPE_OK);
    const troupe_children *answer = result.value;

    assert_true(answer->children[1].supervisor);
    assert_string_equal(answer->children[1].behavior, "troupe.supervisor");
    probe_exit(chief, answer->children[1].pid, TROUPE_REASON_KILL, NULL);
    troupe_result_clear(&result);
    wait_starts(3, 2);
    stage_wait_actors(stage, 8);
    assert_int_equal(count_lines("a starts"), 1);
}

/* ---- who may end it ---- */

static int do_link(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_link(self, *(const troupe_pid *)context);
}

static void the_end_of_a_linked_stranger_does_not_end_the_supervisor(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    struct probe *stranger = probe_spawn(stage, NULL);

    assert_int_equal(probe_do(stranger, do_link, &supervisor), TROUPE_OK);
    probe_exit(stranger, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    probe_stop(stranger, TROUPE_REASON_ERROR, "stranger");
    (void)probe_end(stranger);
    ask_child(0, ASK_DIE);
    wait_starts(0, 2);
    stage_wait_actors(stage, 5);
    assert_int_equal(probe_seen(chief), 0);
}

static int do_unlink(troupe_self *self, struct plan *plan)
{
    (void)plan;
    return troupe_unlink(self, supervisor);
}

static void a_child_that_unlinked_itself_is_stopped_all_the_same(void **state)
{
    (void)state;
    plans[1].on_number = do_unlink;
    assert_int_equal(supervise(), TROUPE_OK);
    tell_child(1);
    wait_line("b did it", 1);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
    assert_true(place_of("c shutdown") < place_of("b shutdown"));
    assert_true(place_of("b shutdown") < place_of("a shutdown"));
}

static void a_supervisor_of_the_node_ends_by_order_from_outside(void **state)
{
    int32_t kind = 0;

    (void)state;
    assert_int_equal(troupe_node_spawn_supervisor(stage->node, &tree, NULL, &supervisor),
                     TROUPE_OK);
    stage_wait_actors(stage, 5);
    assert_int_equal(troupe_node_exit(stage->node, supervisor, TROUPE_REASON_NORMAL, NULL),
                     TROUPE_OK);
    ask_child(0, ASK_DIE);
    wait_starts(0, 2);
    assert_int_equal(troupe_node_exit(stage->node, supervisor, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    (void)!troupe_node_join(stage->node, supervisor, DEADLINE_MS, &kind);
    stage_wait_actors(stage, 1);
    assert_true(place_of("c shutdown") < place_of("b shutdown"));
}

/* ---- significant children ---- */

static void the_end_of_any_significant_child_ends_the_supervisor(void **state)
{
    (void)state;
    tree.auto_shutdown = TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT;
    children[0].restart = TROUPE_RESTART_TRANSIENT;
    children[1].restart = TROUPE_RESTART_TRANSIENT;
    children[1].significant = true;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_STOP); /* It is not significant. */
    stage_wait_actors(stage, 4);
    ask_child(1, ASK_DIE); /* It is restarted, so it has not ended. */
    wait_starts(1, 2);
    assert_int_equal(probe_seen(chief), 0);
    ask_child(1, ASK_STOP);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("c shutdown"), 1);
    stage_wait_actors(stage, 1);
}

static void the_end_of_the_last_significant_child_ends_the_supervisor(void **state)
{
    (void)state;
    tree.auto_shutdown = TROUPE_AUTO_SHUTDOWN_ALL_SIGNIFICANT;
    children[0].restart = TROUPE_RESTART_TEMPORARY;
    children[0].significant = true;
    children[1].restart = TROUPE_RESTART_TRANSIENT;
    children[1].significant = true;
    assert_int_equal(supervise(), TROUPE_OK);
    ask_child(0, ASK_DIE);
    stage_wait_actors(stage, 4);
    assert_int_equal(probe_seen(chief), 0);
    ask_child(1, ASK_STOP);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
}

static void stopping_a_significant_child_on_request_does_not_end_the_supervisor(void **state)
{
    troupe_result result = {0};

    (void)state;
    tree.auto_shutdown = TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT;
    children[0].restart = TROUPE_RESTART_TRANSIENT;
    children[0].significant = true;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(troupe_node_terminate_child(stage->node, supervisor, "a", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    ask_child(1, ASK_DIE);
    wait_starts(1, 2);
    stage_wait_actors(stage, 4);
    assert_int_equal(probe_seen(chief), 0);
}

/* ---- many ---- */

enum { MANY = 10000 };

static struct many {
    pthread_mutex_t mutex;
    uint64_t started;
    uint64_t ended;
    uint64_t out_of_order;
} many = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct one {
    uint64_t number;
};

static int one_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    (void)args;
    (void)pthread_mutex_lock(&many.mutex);
    ((struct one *)state)->number = many.started++;
    (void)pthread_mutex_unlock(&many.mutex);
    return TROUPE_OK;
}

static void one_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)reason;
    (void)pthread_mutex_lock(&many.mutex);
    many.ended++;
    many.out_of_order += ((struct one *)state)->number != many.started - many.ended ? 1 : 0;
    (void)pthread_mutex_unlock(&many.mutex);
}

static const troupe_behavior one_behavior = {.name = "test.one",
                                             .state_size = sizeof(struct one),
                                             .init = one_init,
                                             .terminate = one_terminate};

static void ten_thousand_children_start_and_stop_in_order(void **state)
{
    static troupe_child specs[MANY];
    static char ids[MANY][12];
    const troupe_supervisor large = {.children = specs, .children_count = MANY};

    (void)state;
    many = (struct many){.mutex = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "%d", i);
        specs[i] = (troupe_child){.id = ids[i], .behavior = &one_behavior};
    }
    assert_int_equal(supervise_tree(&large), TROUPE_OK);
    stage_wait_actors(stage, MANY + 2);
    probe_exit(chief, supervisor, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(chief, 0)->kind, TROUPE_REASON_SHUTDOWN);
    stage_wait_actors(stage, 1);
    assert_int_equal(many.started, MANY);
    assert_int_equal(many.ended, MANY);
    assert_int_equal(many.out_of_order, 0);
}

static void a_tree_of_ten_thousand_restarts_as_a_whole(void **state)
{
    static troupe_child specs[MANY];
    static char ids[MANY][12];
    const troupe_supervisor large = {
        .strategy = TROUPE_ONE_FOR_ALL, .children = specs, .children_count = MANY};
    troupe_result result = {0};

    (void)state;
    many = (struct many){.mutex = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "%d", i);
        specs[i] = (troupe_child){.id = ids[i], .behavior = &one_behavior};
    }
    assert_int_equal(supervise_tree(&large), TROUPE_OK);
    assert_int_equal(troupe_node_which_children(stage->node, supervisor, DEADLINE_MS, &result),
                     TROUPE_OK);
    const troupe_children *answer = result.value;

    assert_int_equal(answer->children_count, MANY);
    probe_exit(chief, answer->children[MANY / 2].pid, TROUPE_REASON_KILL, NULL);
    troupe_result_clear(&result);
    do {
        assert_int_equal(troupe_node_which_children(stage->node, supervisor, DEADLINE_MS, &result),
                         TROUPE_OK);
        answer = result.value;
        const bool back = answer->restarts == 1 &&
                          strcmp(answer->children[MANY - 1].state, "running") == 0 &&
                          strcmp(answer->children[0].state, "running") == 0;

        troupe_result_clear(&result);
        if (back) {
            break;
        }
    } while (true);
    assert_int_equal(many.started, 2 * MANY);
    assert_int_equal(many.ended, MANY - 1); /* The killed one did not live to see it. */
    stage_wait_actors(stage, MANY + 2);
}

#define SUPERVISOR_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, supervised_begin, supervised_end)
#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_begin, supervised_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPERVISOR_TEST(one_for_all_stops_in_reverse_and_starts_in_order),
        SUPERVISOR_TEST(one_for_all_counts_one_restart_whatever_it_restarts),
        SUPERVISOR_TEST(one_for_all_starts_again_those_that_had_ended_before),
        SUPERVISOR_TEST(a_temporary_sibling_that_is_stopped_with_the_others_is_forgotten),
        SUPERVISOR_TEST(a_sibling_that_does_not_stop_for_a_restart_is_killed),
        SUPERVISOR_TEST(children_behind_one_that_does_not_start_wait_for_it),
        SUPERVISOR_TEST(rest_for_one_restarts_the_one_and_those_behind_it),
        SUPERVISOR_TEST(rest_for_one_of_the_last_restarts_only_it),
        SUPERVISOR_TEST(rest_for_one_of_the_first_restarts_all),
        SUPERVISOR_TEST(a_child_that_ends_while_others_are_restarted_has_its_turn),
        SUPERVISOR_TEST(a_child_to_be_stopped_that_ends_by_itself_is_not_counted),
        TREE_TEST(a_tree_starts_in_order_and_stops_in_reverse),
        TREE_TEST(a_branch_that_gives_up_is_started_again_and_the_others_stay),
        TREE_TEST(giving_up_climbs_the_tree_to_its_root),
        TREE_TEST(a_transient_branch_that_gives_up_is_not_started_again),
        TREE_TEST(a_branch_that_does_not_start_leaves_nothing_of_the_tree),
        TREE_TEST(a_branch_of_stubborn_children_that_does_not_start_is_buried_in_order),
        TREE_TEST(a_branch_is_killed_with_its_children_when_its_time_is_over),
        TREE_TEST(a_branch_stops_when_its_supervisor_is_killed),
        SUPERVISOR_TEST(the_end_of_a_linked_stranger_does_not_end_the_supervisor),
        SUPERVISOR_TEST(a_child_that_unlinked_itself_is_stopped_all_the_same),
        SUPERVISOR_TEST(a_supervisor_of_the_node_ends_by_order_from_outside),
        SUPERVISOR_TEST(the_end_of_any_significant_child_ends_the_supervisor),
        SUPERVISOR_TEST(the_end_of_the_last_significant_child_ends_the_supervisor),
        SUPERVISOR_TEST(stopping_a_significant_child_on_request_does_not_end_the_supervisor),
        SUPERVISOR_TEST(ten_thousand_children_start_and_stop_in_order),
        SUPERVISOR_TEST(a_tree_of_ten_thousand_restarts_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
