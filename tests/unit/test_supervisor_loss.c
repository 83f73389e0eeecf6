/* What is tested: what becomes of supervised children when nodes go - their own or their
 * supervisor's, by death or in order. Method: several nodes in this process over real sockets, one
 * of which the registry in memory declares dead, or which is stopped; S numbers are those of the
 * list of distributed scenarios. */
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

static int begin_four(void **state)
{
    static const char *const roles[] = {"", "x", "x", "x"};

    (void)state;
    workers_begin(4, roles);
    return 0;
}

/* Gives the first children a placement. */
static void place(size_t count, const char *placement)
{
    for (size_t i = 0; i < count; i++) {
        specs[i].placement = placement;
    }
    tree.children_count = count;
}

static const char *id_of(size_t child)
{
    return specs[child].id;
}

static void wait_all(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)wait_up(id_of(i), (troupe_pid){0});
    }
}

/* How many of the first children run on a node. */
static size_t count_on(size_t count, size_t node)
{
    troupe_child_state child;
    size_t there = 0;

    for (size_t i = 0; i < count; i++) {
        there += look_at(id_of(i), &child) && strcmp(child.state, "running") == 0 &&
                         node_of(child.pid) == node
                     ? 1
                     : 0;
    }
    return there;
}

struct spread {
    size_t count;
    size_t on[NODES_MAX];
};

static bool is_spread(void *context)
{
    const struct spread *spread = context;

    for (size_t node = 0; node < nodes_count; node++) {
        if (count_on(spread->count, node) != spread->on[node]) {
            return false;
        }
    }
    return true;
}

static uint64_t restarts(void)
{
    troupe_child_state child;
    uint64_t all = 0;

    for (size_t i = 0; i < tree.children_count; i++) {
        all += look_at(id_of(i), &child) ? child.restarts : 0;
    }
    return all;
}

static void s6_children_of_a_dead_node_start_on_survivors(void **state)
{
    struct spread spread = {.count = 12, .on = {0, 12, 0}};

    (void)state;
    place(12, "round_robin role:x");
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(12);
    assert_int_equal(count_on(12, 1), 6);
    assert_int_equal(count_on(12, 2), 6);
    /* Six end at once and the intensity is three: a node's death is one failure. */
    node_kill(2);
    assert_true(wait_until(is_spread, &spread));
    assert_int_equal(restarts(), 6);
    assert_int_equal(count_lines("a error"), 0);
    assert_int_equal(probe_count(chief), 0);
    for (int i = 0; i < 12; i++) {
        assert_in_range(alive(i), 1, 2); /* Those of the dead node end by being fenced. */
    }
}

static void two_deaths_are_two_failures_and_a_third_ends_the_supervisor(void **state)
{
    struct spread spread = {.count = 6, .on = {0, 0, 3, 3}};
    int32_t kind = 0;

    (void)state;
    place(6, "round_robin role:x");
    tree.intensity = 2;
    tree.period_ms = 3600000;
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(6);
    node_kill(1);
    assert_true(wait_until(is_spread, &spread));
    node_kill(2);
    spread = (struct spread){.count = 6, .on = {0, 0, 0, 6}};
    assert_true(wait_until(is_spread, &spread));
    assert_int_equal(probe_count(chief), 0);
    node_kill(3);
    kind = wait_end_of_supervisor();
    assert_int_equal(kind, TROUPE_REASON_SHUTDOWN);
    wait_nobody();
}

static void one_for_all_restarts_all_when_a_node_dies(void **state)
{
    (void)state;
    place(6, NULL);
    specs[1].placement = "role:x";
    specs[2].placement = "n3";
    specs[4].placement = "round_robin role:x";
    specs[2].placement = "role:x";
    tree.strategy = TROUPE_ONE_FOR_ALL;
    tree.intensity = 6; /* Its death may be heard while others are being stopped. */
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(6);
    const size_t dead = count_on(6, 1) > 0 ? 1 : 2;
    const size_t from = lines_count();

    node_kill(dead);
    wait_line("f starts n1", 2);
    wait_all(6);
    assert_int_equal(count_on(6, dead), 0);
    assert_int_equal(count_on(6, 0), 3);
    assert_true(place_of("f shutdown", 1) < place_of("d shutdown", 1));
    assert_true(place_of("d shutdown", 1) < place_of("a shutdown", 1));
    assert_true(place_of("a starts n1", 2) < place_of("d starts n1", 2));
    assert_true(place_of("d starts n1", 2) < place_of("f starts n1", 2));
    assert_true(from <= place_of("f shutdown", 1));
}

static int own_tree(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return (int)troupe_spawn_supervisor(self, context, NULL, &supervisor);
}

static void s7_orphans_of_a_dead_supervisor_stop(void **state)
{
    static troupe_child two[2];
    static troupe_supervisor there;

    (void)state;
    memcpy(two, specs, sizeof(two));
    two[0].placement = "n1";
    two[1].placement = "n2";
    there = (troupe_supervisor){.children = two, .children_count = 2};
    struct probe *far = probe_spawn(stages[2], NULL); /* Its supervisor is on n3. */

    assert_int_equal(probe_do(far, own_tree, &there), TROUPE_OK);
    wait_line("b starts n2", 1);
    assert_int_equal(alive(0) + alive(1), 2);
    node_kill(2);
    wait_nobody();
    /* Their supervisor was fenced, which they may hear of before its node is lost. */
    assert_int_equal(count_lines("a noconnection") + count_lines("a fenced"), 1);
    assert_int_equal(count_lines("b noconnection") + count_lines("b fenced"), 1);
}

static void s9_a_child_whose_node_is_gone_waits_and_is_counted(void **state)
{
    (void)state;
    place(2, NULL);
    specs[1].placement = "n2";
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(2);
    node_kill(1);
    assert_int_equal(wait_end_of_supervisor(), TROUPE_REASON_SHUTDOWN);
    assert_int_equal(count_lines("b starts n2"), 1);
    assert_int_equal(count_lines("a shutdown"), 1);
    wait_nobody();
}

static void s9_a_child_that_waits_starts_when_its_node_is_back(void **state)
{
    (void)state;
    place(2, NULL);
    specs[1].placement = "n3";
    tree.intensity = 1000;
    tree.period_ms = 5000;
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(2);
    const troupe_pid before = wait_up("b", (troupe_pid){0});

    node_end(2);
    wait_state("b", "waiting");
    node_begin(2, "x");
    const troupe_pid after = wait_up("b", before);

    assert_true(after.node != before.node);
    assert_int_equal(node_of(after), 2);
    assert_int_equal(count_lines("a starts n1"), 1);
}

static void s10_one_that_cannot_be_stopped_is_given_up(void **state)
{
    (void)state;
    place(2, NULL);
    specs[1].placement = "n2";
    specs[1].shutdown_ms = 100;
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(2);
    ask_worker(wait_up("b", (troupe_pid){0}), ASK_TAKE); /* It hears of nothing any more. */
    (void)pthread_mutex_lock(&worker_gate.mutex);
    while (!worker_gate.entered) {
        (void)pthread_cond_wait(&worker_gate.cond, &worker_gate.mutex);
    }
    (void)pthread_mutex_unlock(&worker_gate.mutex);
    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    wait_line("a shutdown", 1);
    assert_int_equal(alive(1), 1);
    /* The kill was sent: it acts when it can. */
    gate_open(&worker_gate);
    wait_nobody();
}

static int registered(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    assert_int_equal(result->status, TROUPE_OK);
    return TROUPE_OK;
}

static int take_name(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    return (int)troupe_register(self, "x", 0, registered, 0);
}

static bool name_is_taken(void *context)
{
    troupe_pid pid = {0};

    return troupe_node_whereis(stages[0]->node, "x", DEADLINE_MS, &pid) == TROUPE_OK &&
           troupe_pid_equal(pid, *(const troupe_pid *)context);
}

static bool is_tried_often(void *context)
{
    troupe_child_state child;

    (void)context;
    return look_at("a", &child) && child.restarts >= 5;
}

/* Somebody on another node has the name of a child whose node has died, as the dead node itself has
 * until its death is known. dead: its node; next: where it is to start. */
static void a_name_is_waited_for(size_t dead, int next, size_t other)
{
    tree.children_count = 1;
    specs[0].name = "x";
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid before = wait_up("a", (troupe_pid){0});

    assert_int_equal(node_of(before), dead);
    struct probe *thief = probe_spawn(stages[other], NULL);

    atomic_store(&closed_node, next);
    node_kill(dead);
    (void)pthread_mutex_lock(&worker_gate.mutex);
    while (!worker_gate.entered) {
        (void)pthread_cond_wait(&worker_gate.cond, &worker_gate.mutex);
    }
    (void)pthread_mutex_unlock(&worker_gate.mutex);
    (void)probe_do(thief, take_name, NULL);
    assert_true(wait_until(name_is_taken, &thief->pid));
    atomic_store(&closed_node, -1);
    gate_open(&worker_gate);
    /* More tries than restarts are allowed. */
    assert_true(wait_until(is_tried_often, NULL));
    assert_int_equal(probe_count(chief), 0);
    probe_stop(thief, TROUPE_REASON_NORMAL, "");
    const troupe_pid after = wait_up("a", before);

    assert_int_equal(node_of(after), next);
    assert_int_equal(probe_count(chief), 0);
}

static void a_name_that_is_not_free_yet_is_waited_for_elsewhere(void **state)
{
    (void)state;
    specs[0].placement = "round_robin role:x";
    a_name_is_waited_for(1, 2, 0);
}

static int begin_here_too(void **state)
{
    static const char *const roles[] = {"x", "x", ""};

    (void)state;
    workers_begin(3, roles);
    return 0;
}

static void a_name_that_is_not_free_yet_is_waited_for_here(void **state)
{
    (void)state;
    specs[0].placement = "role:x"; /* n1 has actors, n2 has none. */
    a_name_is_waited_for(1, 0, 2);
}

/* ---- nodes that leave in order ---- */

static void children_of_a_leaving_node_start_elsewhere(void **state)
{
    struct spread spread = {.count = 10, .on = {0, 10, 0}};

    (void)state;
    place(10, "round_robin role:x");
    for (size_t i = 0; i < 5; i++) {
        specs[i].restart = TROUPE_RESTART_TRANSIENT; /* They had not done their work. */
    }
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(10);
    node_end(2);
    assert_true(wait_until(is_spread, &spread));
    assert_int_equal(restarts(), 5);
    assert_int_equal(probe_count(chief), 0);
    size_t ended = 0;

    for (size_t i = 0; i < 10; i++) {
        char line[32];

        (void)snprintf(line, sizeof(line), "%s shutdown", id_of(i));
        ended += count_lines(line);
        assert_int_equal(alive((int)i), 1);
    }
    assert_int_equal(ended, 5);
}

static void a_child_that_stops_by_itself_elsewhere_is_not_displaced(void **state)
{
    (void)state;
    place(2, NULL);
    specs[1].placement = "n2";
    specs[1].restart = TROUPE_RESTART_TRANSIENT;
    assert_int_equal(supervise(), TROUPE_OK);
    wait_all(2);
    ask_worker(wait_up("b", (troupe_pid){0}), ASK_STOP);
    wait_state("b", "stopped");
    assert_int_equal(count_lines("b shutdown"), 1);
    assert_int_equal(alive(1), 0);
}

static void a_supervisor_on_a_leaving_node_takes_its_children_along(void **state)
{
    static troupe_child two[2];
    static troupe_supervisor there;

    (void)state;
    memcpy(two, specs, sizeof(two));
    two[0].placement = "n1";
    two[1].placement = "n2";
    there = (troupe_supervisor){.children = two, .children_count = 2};
    struct probe *far = probe_spawn(stages[2], NULL);

    assert_int_equal(probe_do(far, own_tree, &there), TROUPE_OK);
    wait_line("b starts n2", 1);
    const size_t from = lines_count();

    node_end(2);
    wait_nobody();
    lines_are(from, "b shutdown;a shutdown");
}

static void what_watches_a_leaving_node_hears_shutdown(void **state)
{
    (void)state;
    struct probe *far = probe_spawn(stages[1], NULL);

    probe_link(chief, far->pid);
    (void)probe_monitor(chief, far->pid);
    probe_call(chief, far->pid, ASK_REPLY, 1, DEADLINE_MS, 0); /* Both are there before this. */
    assert_int_equal(probe_wait(chief, 0)->what, SAW_RESULT);
    node_end(1);
    for (size_t i = 1; i < 3; i++) {
        const struct seen *seen = probe_wait(chief, i);

        assert_true(seen->what == SAW_EXIT || seen->what == SAW_DOWN);
        assert_int_equal(seen->kind, TROUPE_REASON_SHUTDOWN);
    }
    assert_int_equal(probe_seen(chief), 3);
}

/* ---- many ---- */

enum { MANY = 1000 };

static troupe_status start_many(size_t i)
{
    char id[32];
    const worker_args args = {.id = id, .number = (int32_t)i};
    const troupe_child child = {.behavior = &worker_behavior, .args = &args};
    troupe_result result;

    (void)snprintf(id, sizeof(id), "w%zu", i);
    const troupe_status status =
        troupe_node_start_child(stages[0]->node, supervisor, &child, DEADLINE_MS, &result);

    troupe_result_clear(&result);
    return status;
}

struct count {
    uint64_t active;
};

static bool are_active(void *context)
{
    const struct count *wanted = context;
    troupe_result result;
    bool reached = false;

    if (troupe_node_count_children(stages[0]->node, supervisor, DEADLINE_MS, &result) ==
        TROUPE_OK) {
        const troupe_children_count *count = troupe_result_as(&result, &troupe_children_count_type);

        reached = count->active == wanted->active;
    }
    troupe_result_clear(&result);
    return reached;
}

static bool lives_once(void *context)
{
    const size_t *count = context;

    for (size_t i = 0; i < *count; i++) {
        if (alive((int)i) != 1) {
            return false;
        }
    }
    return true;
}

static bool is_even(void *context)
{
    (void)context;
    for (size_t node = 1; node <= 3; node += 2) {
        const uint64_t actors = stage_info(stages[node]).actors;

        if (actors < 499 || actors > 501) {
            return false;
        }
    }
    return true;
}

static void a_thousand_children_live_exactly_once_after_a_death(void **state)
{
    size_t count = MANY;
    struct count wanted = {.active = MANY};

    (void)state;
    specs[0].placement = "round_robin role:x";
    specs[0].args = NULL;
    tree = (troupe_supervisor){
        .strategy = TROUPE_SIMPLE_ONE_FOR_ONE, .children = specs, .children_count = 1};
    assert_int_equal(supervise(), TROUPE_OK);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(start_many(i), TROUPE_OK);
    }
    for (size_t node = 1; node <= 3; node++) {
        assert_in_range(stage_info(stages[node]).actors, 333, 334);
    }
    node_kill(2);
    stage_wait_actors(stages[2], 0);
    assert_true(wait_until(are_active, &wanted));
    assert_true(wait_until(lives_once, &count));
    assert_true(wait_until(is_even, NULL));
    assert_int_equal(probe_count(chief), 0);
    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    wait_nobody();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, workers_end)
        TEST(s6_children_of_a_dead_node_start_on_survivors),
        cmocka_unit_test_setup_teardown(two_deaths_are_two_failures_and_a_third_ends_the_supervisor,
                                        begin_four, workers_end),
        TEST(one_for_all_restarts_all_when_a_node_dies),
        TEST(s7_orphans_of_a_dead_supervisor_stop),
        TEST(s9_a_child_whose_node_is_gone_waits_and_is_counted),
        TEST(s9_a_child_that_waits_starts_when_its_node_is_back),
        TEST(s10_one_that_cannot_be_stopped_is_given_up),
        TEST(a_name_that_is_not_free_yet_is_waited_for_elsewhere),
        cmocka_unit_test_setup_teardown(a_name_that_is_not_free_yet_is_waited_for_here,
                                        begin_here_too, workers_end),
        TEST(children_of_a_leaving_node_start_elsewhere),
        TEST(a_child_that_stops_by_itself_elsewhere_is_not_displaced),
        TEST(a_supervisor_on_a_leaving_node_takes_its_children_along),
        TEST(what_watches_a_leaving_node_hears_shutdown),
        cmocka_unit_test_setup_teardown(a_thousand_children_live_exactly_once_after_a_death,
                                        begin_four, workers_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
