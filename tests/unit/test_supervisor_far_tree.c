/* What is tested: supervisors that run on other nodes than their parents, with all that is below
 * them. Method: three nodes in this process over real sockets and the registry in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/supervisor_spec.h"
#include "support/fake_policy.h"
#include "support/workers.h"

static troupe_supervisor below;  /* of e and f, and what a test adds */
static troupe_supervisor deeper; /* of g and h */
static troupe_child below_children[4];
static troupe_child deeper_children[2];

static int begin(void **state)
{
    static const char *const roles[] = {"", "x", "x"};

    (void)state;
    workers_begin(3, roles);
    below_children[0] = specs[4];
    below_children[1] = specs[5];
    deeper_children[0] = specs[6];
    deeper_children[1] = specs[7];
    below = (troupe_supervisor){.children = below_children, .children_count = 2};
    deeper = (troupe_supervisor){.children = deeper_children, .children_count = 2};
    below_children[2] = (troupe_child){.id = "deeper", .supervisor = &deeper};
    specs[1] = (troupe_child){.id = "b", .supervisor = &below, .placement = "n2"};
    return 0;
}

/* The child as a supervisor of any node lists it. */
static bool look_below(troupe_pid pid, const char *id, troupe_child_state *out)
{
    static troupe_result result;
    bool found = false;

    troupe_result_clear(&result);
    if (troupe_node_which_children(stages[0]->node, pid, DEADLINE_MS, &result) != TROUPE_OK) {
        return false;
    }
    const troupe_children *all = troupe_result_as(&result, &troupe_children_type);

    for (size_t i = 0; i < all->children_count && !found; i++) {
        found = strcmp(all->children[i].id, id) == 0;
        *out = all->children[i];
    }
    return found;
}

struct up_below {
    troupe_pid supervisor;
    const char *id;
    troupe_pid not_this;
    troupe_pid pid;
};

static bool is_up_below(void *context)
{
    struct up_below *wanted = context;
    troupe_child_state child = {0};

    if (!look_below(wanted->supervisor, wanted->id, &child) ||
        strcmp(child.state, "running") != 0) {
        return false;
    }
    wanted->pid = child.pid;
    return !troupe_pid_equal(child.pid, wanted->not_this);
}

static troupe_pid wait_below(troupe_pid pid, const char *id, troupe_pid not_this)
{
    struct up_below wanted = {.supervisor = pid, .id = id, .not_this = not_this};

    if (!wait_until(is_up_below, &wanted)) {
        fail_msg("\"%s\" does not run", id);
    }
    return wanted.pid;
}

/* An actor is gone a moment after its end was told. */
static bool are_alive(void *context)
{
    const int *counts = context;

    for (int i = 0; i < 8; i++) {
        if (alive(i) != counts[i]) {
            return false;
        }
    }
    return true;
}

/* Waits until as many of "a" to "h" live. */
static void wait_alive(const int counts[static 8])
{
    int wanted[8];

    memcpy(wanted, counts, sizeof(wanted));
    if (!wait_until(are_alive, wanted)) {
        for (int i = 0; i < 8; i++) {
            print_message("  %d lives %d times, not %d\n", i, alive(i), wanted[i]);
        }
        fail();
    }
}

static void refused_start(const troupe_child *child, troupe_status status, const char *words)
{
    troupe_result result;

    assert_int_equal(
        troupe_node_start_child(stages[0]->node, supervisor, child, DEADLINE_MS, &result), status);
    if (strstr(result.reason.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", result.reason.text, words);
    }
    troupe_result_clear(&result);
}

/* ---- building ---- */

static void it_starts_there_with_its_children(void **state)
{
    troupe_child_state child = {0};

    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("c", (troupe_pid){0});
    const troupe_pid far = wait_up("b", (troupe_pid){0});

    assert_int_equal(node_of(far), 1);
    lines_are(0, "a starts n1;e starts n2;f starts n2;c starts n1");
    assert_true(look_at("b", &child));
    assert_true(child.supervisor);
    assert_string_equal(child.node, "n2");
    assert_string_equal(child.behavior, "troupe.supervisor");
    assert_int_equal(node_of(wait_below(far, "e", (troupe_pid){0})), 1);
    assert_int_equal(node_of(wait_below(far, "f", (troupe_pid){0})), 1);
}

static void what_is_below_it_may_be_placed_again(void **state)
{
    (void)state;
    below_children[2].placement = "n3";
    deeper_children[1].placement = "n1";
    below.children_count = 3;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid far = wait_up("b", (troupe_pid){0});
    const troupe_pid farther = wait_below(far, "deeper", (troupe_pid){0});

    assert_int_equal(node_of(farther), 2);
    assert_int_equal(node_of(wait_below(farther, "g", (troupe_pid){0})), 2);
    assert_int_equal(node_of(wait_below(farther, "h", (troupe_pid){0})), 0);
    const size_t from = lines_count();

    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    wait_nobody();
    lines_are(from, "c shutdown;h shutdown;g shutdown;f shutdown;e shutdown;a shutdown");
}

static void one_that_is_placed_is_copied_wherever_it_starts(void **state)
{
    static const char *const places[] = {"n1", "n2"};
    troupe_pid far = {0};

    for (size_t i = 0; i < 2; i++) {
        troupe_child *children = malloc(sizeof(below_children));
        troupe_supervisor *lent = malloc(sizeof(*lent));

        assert_non_null(children);
        assert_non_null(lent);
        memcpy(children, below_children, sizeof(below_children));
        *lent = (troupe_supervisor){.children = children, .children_count = 3};
        children[2].placement = places[1 - i];
        specs[1] = (troupe_child){.id = "b", .supervisor = lent, .placement = places[i]};
        tree.children_count = 2;
        assert_int_equal(supervise(), TROUPE_OK);
        free(children);
        free(lent);
        far = wait_up("b", (troupe_pid){0});
        assert_int_equal(node_of(far), i);
        assert_int_equal(troupe_node_exit(stages[0]->node, far, TROUPE_REASON_KILL, "now"),
                         TROUPE_OK);
        far = wait_up("b", far);
        assert_int_equal(
            node_of(wait_below(wait_below(far, "deeper", (troupe_pid){0}), "h", (troupe_pid){0})),
            1 - i);
        assert_int_equal(troupe_node_exit(stages[0]->node, supervisor, TROUPE_REASON_SHUTDOWN, ""),
                         TROUPE_OK);
        wait_nobody();
    }
    (void)state;
}

static void all_of_a_specification_travels(void **state)
{
    const troupe_spawn_options options = {.mailbox_messages = 7};
    troupe_child_state child = {0};

    (void)state;
    below_children[0].options = &options;
    below_children[0].name = "named";
    below_children[1].restart = TROUPE_RESTART_TRANSIENT;
    below_children[1].significant = true;
    below.auto_shutdown = TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT;
    below.strategy = TROUPE_REST_FOR_ONE;
    assert_int_equal(supervise(), TROUPE_OK);
    troupe_pid far = wait_up("b", (troupe_pid){0});
    troupe_pid pid = {0};
    troupe_result result = {0};

    (void)wait_below(far, "f", (troupe_pid){0});
    assert_int_equal(troupe_node_whereis(stages[0]->node, "named", DEADLINE_MS, &pid), TROUPE_OK);
    assert_true(look_below(far, "e", &child));
    assert_true(troupe_pid_equal(pid, child.pid));
    assert_true(look_below(far, "f", &child));
    assert_string_equal(child.restart, "transient");
    assert_true(child.significant);
    assert_int_equal(troupe_node_which_children(stages[0]->node, far, DEADLINE_MS, &result),
                     TROUPE_OK);
    assert_string_equal(((const troupe_children *)result.value)->strategy, "rest_for_one");
    troupe_result_clear(&result);
    /* The significant one ends in order: so does its supervisor, which is permanent. */
    ask_worker(child.pid, ASK_STOP);
    far = wait_up("b", far);
    assert_int_equal(node_of(far), 1);
    (void)wait_below(far, "f", child.pid);
}

/* ---- ends ---- */

static void its_children_are_its_own_concern(void **state)
{
    troupe_child_state child = {0};

    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid far = wait_up("b", (troupe_pid){0});
    const troupe_pid e = wait_below(far, "e", (troupe_pid){0});

    ask_worker(e, ASK_DIE);
    assert_int_equal(node_of(wait_below(far, "e", e)), 1);
    assert_true(look_at("b", &child));
    assert_int_equal(child.restarts, 0);
    assert_true(troupe_pid_equal(child.pid, far));
    wait_alive((const int[8]){1, 0, 1, 0, 1, 1});
}

static void when_it_gives_up_its_parent_starts_it_again(void **state)
{
    troupe_child_state child = {0};
    troupe_pid e = {0};

    (void)state;
    below.intensity = 1;
    below.period_ms = 600000;
    below_children[2].placement = "n3"; /* What is below goes with it. */
    below.children_count = 3;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid far = wait_up("b", (troupe_pid){0});

    (void)wait_below(far, "deeper", (troupe_pid){0});
    for (int i = 0; i < 2; i++) {
        e = wait_below(far, "e", e);
        ask_worker(e, ASK_DIE);
    }
    const troupe_pid next = wait_up("b", far);

    assert_int_equal(node_of(next), 1);
    (void)wait_below(wait_below(next, "deeper", (troupe_pid){0}), "h", (troupe_pid){0});
    assert_true(look_at("b", &child));
    assert_int_equal(child.restarts, 1);
    wait_alive((const int[8]){1, 0, 1, 0, 1, 1, 1, 1});
}

static void when_its_node_dies_it_starts_elsewhere_with_all_below(void **state)
{
    troupe_child_state child = {0};

    (void)state;
    specs[1].placement = "least_loaded role:x";
    specs[2] = (troupe_child){.id = "c", .supervisor = &deeper, .placement = "n2"};
    tree.intensity = 1;
    tree.period_ms = 600000;
    atomic_store(&failing_node, -1);
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid far = wait_up("b", (troupe_pid){0});
    const size_t node = node_of(far);

    (void)wait_up("c", (troupe_pid){0});
    (void)wait_below(far, "f", (troupe_pid){0});
    node_kill(node);
    const troupe_pid next = wait_up("b", far);

    assert_int_equal(node_of(next), node == 1 ? 2 : 1);
    assert_int_equal(node_of(wait_below(next, "f", (troupe_pid){0})), node_of(next));
    assert_true(look_at("b", &child));
    assert_int_equal(child.restarts, 1);
}

static void the_end_of_its_parent_ends_it_in_order(void **state)
{
    (void)state;
    below.children_count = 3;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("c", (troupe_pid){0});
    const size_t from = lines_count();

    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    wait_nobody();
    lines_are(from, "c shutdown;h shutdown;g shutdown;f shutdown;e shutdown;a shutdown");
}

static void its_children_are_stopped_as_each_wants_it(void **state)
{
    troupe_result result = {0};

    (void)state;
    below_children[1].shutdown_ms = TROUPE_SHUTDOWN_KILL;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("c", (troupe_pid){0});
    assert_int_equal(troupe_node_terminate_child(stages[0]->node, supervisor, "b", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    wait_alive((const int[8]){1, 0, 1});
    assert_int_equal(count_lines("f shutdown"), 0);
    assert_int_equal(count_lines("e shutdown"), 1);
    assert_int_equal(
        troupe_node_restart_child(stages[0]->node, supervisor, "b", DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    wait_alive((const int[8]){1, 0, 1, 0, 1, 1});
}

static void when_its_parent_is_killed_it_stops(void **state)
{
    (void)state;
    below_children[2].placement = "n3";
    below.children_count = 3;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(supervise(), TROUPE_OK);
        const troupe_pid far = wait_up("b", (troupe_pid){0});

        if (i % 2 == 0) {
            (void)wait_below(far, "deeper", (troupe_pid){0});
        }
        assert_int_equal(troupe_node_exit(stages[0]->node, supervisor, TROUPE_REASON_KILL, "now"),
                         TROUPE_OK);
        wait_nobody();
    }
}

static void when_its_parents_node_dies_it_stops(void **state)
{
    (void)state;
    specs[0] = (troupe_child){.id = "a", .supervisor = &deeper, .placement = "n3"};
    tree.children_count = 2;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("a", (troupe_pid){0});
    const troupe_pid far = wait_up("b", (troupe_pid){0});

    (void)wait_below(far, "f", (troupe_pid){0});
    node_kill(0);
    wait_nobody();
}

static void when_it_is_killed_its_children_go_with_it(void **state)
{
    (void)state;
    below.children_count = 3; /* A supervisor below it outlives it for a moment. */
    tree.intensity = 100;
    assert_int_equal(supervise(), TROUPE_OK);
    troupe_pid far = wait_up("b", (troupe_pid){0});

    for (int i = 0; i < 10; i++) {
        const troupe_pid g =
            wait_below(wait_below(far, "deeper", (troupe_pid){0}), "g", (troupe_pid){0});

        ask_worker(g, ASK_DIE);
        assert_int_equal(troupe_node_exit(stages[0]->node, far, TROUPE_REASON_KILL, "now"),
                         TROUPE_OK);
        far = wait_up("b", far);
    }
    probe_stop(chief, TROUPE_REASON_SHUTDOWN, "enough");
    wait_nobody();
}

static void a_template_may_be_a_supervisor_that_is_placed(void **state)
{
    const troupe_child none = {0};
    troupe_result result;
    troupe_pid pids[3];

    (void)state;
    specs[0] = (troupe_child){.supervisor = &below, .placement = "round_robin role:x"};
    tree.strategy = TROUPE_SIMPLE_ONE_FOR_ONE;
    tree.children_count = 1;
    assert_int_equal(supervise(), TROUPE_OK);
    troupe_child each = none;

    each.supervisor = &below;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            troupe_node_start_child(stages[0]->node, supervisor, &each, DEADLINE_MS, &result),
            TROUPE_OK);
        pids[i] = ((const troupe_child_state *)result.value)->pid;
        troupe_result_clear(&result);
    }
    for (int i = 0; i < 3; i++) { /* A node's behaviors may be heard of after the node. */
        assert_in_range(node_of(pids[i]), 1, 2);
    }
    assert_int_equal(alive(4), 3);
}

/* ---- what is refused ---- */

static void a_specification_that_cannot_travel_is_refused(void **state)
{
    static const troupe_behavior nameless = {.state_size = 8};
    static const troupe_behavior undescribed = {.name = "test.undescribed"};
    static const troupe_behavior unknown = {.name = "test.unknown"};
    troupe_child bad = {.id = "s", .supervisor = &below, .placement = "n2"};
    troupe_child_state shown;

    (void)state;
    tree.children_count = 1;
    assert_int_equal(supervise(), TROUPE_OK);
    below_children[1].behavior = &nameless;
    refused_start(&bad, TROUPE_E_INVALID, "child \"f\": a child that is placed needs a behavior");
    below_children[1].behavior = &undescribed;
    refused_start(&bad, TROUPE_E_INVALID, "child \"f\": the arguments of a child");
    below_children[1].behavior = NULL;
    refused_start(&bad, TROUPE_E_INVALID, "child \"f\": a child has a behavior, or else");
    below_children[1] = (troupe_child){.id = "f", .supervisor = &below}; /* It is below itself. */
    refused_start(&bad, TROUPE_E_INVALID, "at most 16 levels");
    below_children[1] = (troupe_child){.id = "f", .behavior = &unknown};
    refused_start(&bad, TROUPE_E_NOT_FOUND, "node \"n2\" has no behavior \"test.unknown\"");
    bad.placement = "role:x";
    refused_start(&bad, TROUPE_E_NOT_FOUND,
                  "no node with the role \"x\" knows all behaviors of the supervisor");
    below.children_count = 1;
    bad.flags = TROUPE_SPAWN_DURABLE;
    bad.name = "s";
    refused_start(&bad, TROUPE_E_INVALID, "a supervisor is not durable");
    bad.flags = 0;
    bad.placement = "n2";
    below.strategy = 77; /* What any supervisor looks at itself. */
    refused_start(&bad, TROUPE_E_INVALID, "there is no such strategy");
    assert_false(look_at("s", &shown));
    assert_int_equal(stage_info(stages[1]).signals_refused, 0);
}

/* ---- what a peer may send ---- */

typedef struct forged {
    int64_t anything;
} forged;
TROUPE_TYPE(forged, TR_SPEC_TYPE_NAME, TROUPE_FIELD(forged, anything, 9));

static atomic_int forged_status;

static int on_forged(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    atomic_store(&forged_status, (int)result->status);
    return TROUPE_OK;
}

static int do_forge(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    return troupe_spawn_on(self, "n2", "troupe.supervisor", &(forged){.anything = 1}, &forged_type,
                           NULL, DEADLINE_MS, on_forged, 0);
}

static bool is_answered(void *context)
{
    (void)context;
    return atomic_load(&forged_status) != TROUPE_OK;
}

static void bytes_that_are_no_specification_are_refused_and_counted(void **state)
{
    (void)state;
    atomic_store(&forged_status, TROUPE_OK);
    assert_int_equal(probe_do(chief, do_forge, NULL), TROUPE_OK);
    assert_true(wait_until(is_answered, NULL));
    assert_int_equal(atomic_load(&forged_status), TROUPE_E_PROTOCOL);
    assert_int_equal(stage_info(stages[1]).signals_refused, 1);
}

static void the_policy_holds_for_all_of_it(void **state)
{
    const troupe_child there = {.id = "s", .supervisor = &below, .placement = "n2"};
    const struct tr_policy nameless = {.node = TR_MAY_ALL & ~(uint32_t)TR_MAY_REGISTER,
                                       .client = TR_MAY_ALL};
    const struct tr_policy nothing = {.node = TR_MAY_ALL & ~(uint32_t)TR_MAY_SPAWN,
                                      .client = TR_MAY_ALL};
    troupe_result result;

    (void)state;
    tree.children_count = 1;
    assert_int_equal(supervise(), TROUPE_OK);
    fake_cluster_policy(cluster, &nameless);
    deeper_children[1].name = "deep"; /* Two levels down. */
    below.children_count = 3;
    refused_start(&there, TROUPE_E_DENIED, "register names on another");
    assert_int_equal(stage_info(stages[1]).signals_refused, 1);
    deeper_children[1].name = NULL;
    assert_int_equal(
        troupe_node_start_child(stages[0]->node, supervisor, &there, DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_terminate_child(stages[0]->node, supervisor, "s", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    fake_cluster_policy(cluster, &nothing);
    assert_int_equal(
        troupe_node_restart_child(stages[0]->node, supervisor, "s", DEADLINE_MS, &result),
        TROUPE_E_DENIED);
    troupe_result_clear(&result);
    wait_alive((const int[8]){1});
}

static void damaged_bytes_never_do_harm(void **state)
{
    struct tr_packed_spec *packed = NULL;
    struct tr_spec *spec = NULL;
    char words[TR_REASON_TEXT_SIZE];
    char error[TR_REASON_TEXT_SIZE];
    const char *why = NULL;
    size_t whole = 0;

    (void)state;
    below.children_count = 3;
    assert_int_equal(tr_spec_encode(&below, &packed, &why, words), TROUPE_OK);
    assert_int_equal(packed->behaviors_count, 4);
    for (size_t i = 0; i < packed->size * 2; i++) {
        uint8_t *bytes = malloc(packed->size);
        const size_t size = i < packed->size ? i : packed->size;

        assert_non_null(bytes);
        memcpy(bytes, packed->bytes, packed->size);
        if (i >= packed->size) {
            bytes[i - packed->size] = (uint8_t)(bytes[i - packed->size] ^ 1u << i % 8);
        }
        if (tr_spec_decode(stages[0]->node, bytes, size, &spec, error, sizeof(error)) ==
            TROUPE_OK) {
            whole++;
            tr_spec_drop(spec);
        }
        free(bytes);
    }
    assert_true(whole < packed->size); /* None that was cut, few that were changed. */
    assert_int_equal(
        tr_spec_decode(stages[0]->node, packed->bytes, packed->size, &spec, error, sizeof(error)),
        TROUPE_OK);
    assert_int_equal(tr_spec_root(spec)->children_count, 3);
    assert_string_equal(tr_spec_root(spec)->children[2].supervisor->children[1].id, "h");
    tr_spec_drop(spec);
    tr_packed_spec_destroy(packed);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, workers_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE_TEST(it_starts_there_with_its_children),
        TREE_TEST(what_is_below_it_may_be_placed_again),
        TREE_TEST(one_that_is_placed_is_copied_wherever_it_starts),
        TREE_TEST(all_of_a_specification_travels),
        TREE_TEST(its_children_are_its_own_concern),
        TREE_TEST(when_it_gives_up_its_parent_starts_it_again),
        TREE_TEST(when_its_node_dies_it_starts_elsewhere_with_all_below),
        TREE_TEST(the_end_of_its_parent_ends_it_in_order),
        TREE_TEST(its_children_are_stopped_as_each_wants_it),
        TREE_TEST(when_its_parent_is_killed_it_stops),
        TREE_TEST(when_its_parents_node_dies_it_stops),
        TREE_TEST(when_it_is_killed_its_children_go_with_it),
        TREE_TEST(a_template_may_be_a_supervisor_that_is_placed),
        TREE_TEST(a_specification_that_cannot_travel_is_refused),
        TREE_TEST(bytes_that_are_no_specification_are_refused_and_counted),
        TREE_TEST(the_policy_holds_for_all_of_it),
        TREE_TEST(damaged_bytes_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
