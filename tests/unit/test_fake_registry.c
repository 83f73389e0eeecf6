/* What is tested: support/fake_registry keeps what the port in dist/names.h promises, since tests
 * of nodes build on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/fake_registry.h"
#include "support/registry_world.h"

static struct fake_cluster *cluster;
static struct world world; /* too large for a stack */
static struct world_node *n1;
static struct world_node *n2;
static struct world_node *n3;

static struct world_node *join(const char *name, const struct world_options *options)
{
    struct world_node *node = world_start_box(&world, fake_registry_create(cluster), name, options);

    world_wait(&world, node_is_joined, node);
    return node;
}

static int begin(void **state)
{
    static const char *const behaviors[] = {"account"};
    const struct world_options options = {
        .rejoin = true, .behaviors = behaviors, .behavior_count = 1};

    (void)state;
    cluster = fake_cluster_create();
    world_init(&world);
    n1 = join("n1", &options);
    n2 = join("n2", &options);
    n3 = join("n3", NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_fini(&world);
    fake_cluster_destroy(cluster);
    return 0;
}

static void wait_for_up(struct world_node *node, uint64_t node_id)
{
    struct world_seen seen = {.node = node, .node_id = node_id};

    world_wait(&world, node_sees_up, &seen);
}

static void wait_for_down(struct world_node *node, uint64_t node_id)
{
    struct world_seen seen = {.node = node, .node_id = node_id};

    world_wait(&world, node_sees_down, &seen);
}

static enum tr_step_outcome run_step(struct world_node *node, struct tr_step step)
{
    struct world_step one = {.step = step};

    world_step(node, &one);
    world_wait(&world, step_is_done, &one);
    return one.outcome;
}

static void members_come_and_go(void **state)
{
    (void)state;
    wait_for_up(n1, n3->node_id);
    wait_for_up(n3, n1->node_id);
    world_stop(n3, true);
    wait_for_down(n1, n3->node_id);
    assert_string_equal(n1->down_why[0], "left");
}

static void a_killed_node_is_fenced_and_joins_again(void **state)
{
    const uint64_t first = n1->node_id;

    (void)state;
    fake_cluster_kill(cluster, first);
    wait_for_down(n2, first);
    world_wait(&world, node_is_fenced, n1);
    wait_for_up(n2, 4);
    assert_int_equal(n1->fenced, 1);
}

static void only_a_crashed_node_is_believed_to_be_unreachable(void **state)
{
    (void)state;
    world_unreachable(n1, n3->node_id, true);
    fake_cluster_crash(cluster, n2->node_id);
    world_unreachable(n1, n2->node_id, true);
    wait_for_down(n1, n2->node_id);
    assert_int_equal(n1->down_count, 1);
}

static void a_name_has_one_holder(void **state)
{
    const struct world_answer won = world_register(n1, "a", 7, NULL, NULL, 1000);
    troupe_pid pid = {0};
    uint64_t epoch = 0;

    (void)state;
    assert_int_equal(won.status, TROUPE_OK);
    assert_int_equal(world_register(n2, "a", 8, NULL, NULL, 1000).status, TROUPE_E_EXISTS);
    assert_int_equal(world_lookup(n2, "a", 1000).pid.id, 7);
    assert_true(world_cached(n2, "a", &pid, &epoch));
    assert_int_equal(world_unregister(n2, "a", won.epoch).status, TROUPE_E_NOT_FOUND);
    assert_int_equal(world_unregister(n1, "a", won.epoch).status, TROUPE_OK);
    assert_int_equal(world_lookup(n2, "a", 1000).status, TROUPE_E_NOT_FOUND);
    assert_true(world_register(n2, "a", 8, NULL, NULL, 1000).epoch > won.epoch);
}

static void an_orphan_goes_on_elsewhere_with_its_state_and_messages(void **state)
{
    const struct world_answer won = world_register(n3, "a", 7, "account", "{\"cents\":1}", 1000);
    struct tr_step step = {
        .name = "a", .epoch = won.epoch, .seq = 1, .state_json = "{\"cents\":2}"};
    struct world_node *heir = NULL;
    struct world_seen seen = {0};

    (void)state;
    assert_int_equal(run_step(n3, step), TR_STEP_COMMITTED);
    assert_int_equal(run_step(n3, step), TR_STEP_COMMITTED); /* the same one again */
    fake_cluster_crash(cluster, n3->node_id);
    (void)fake_cluster_send(cluster, "a", "credit", "{}");
    world_unreachable(n1, n3->node_id, true);
    wait_for_down(n1, n3->node_id);
    wait_for_down(n2, n3->node_id);
    heir = world_lookup(n1, "a", 1000).pid.node == n1->node_id ? n1 : n2;
    seen = (struct world_seen){.node = heir, .count = 1};
    world_wait(&world, node_has_started, &seen);
    world_wait(&world, node_has_messages, &seen);
    assert_string_equal(heir->orphans[0].state, "{\"cents\":2}");
    assert_int_equal(heir->orphans[0].seq, 1);
    assert_true(heir->orphans[0].epoch > won.epoch);
    step.seq = 2;
    assert_int_equal(run_step(heir, step), TR_STEP_FENCED);
    step.epoch = heir->orphans[0].epoch;
    step.handled = &heir->inbox[heir->inbox_count - 1].id;
    step.handled_count = 1;
    assert_int_equal(run_step(heir, step), TR_STEP_COMMITTED);
    assert_int_equal(fake_cluster_inbox_count(cluster), 0);
    step.seq = 3;
    assert_int_equal(run_step(heir, step), TR_STEP_REPLAYED);
}

static void without_the_database_names_are_refused_and_steps_wait(void **state)
{
    const struct world_answer won = world_register(n1, "a", 7, "account", "{}", 1000);
    struct world_step step = {
        .step = {.name = "a", .epoch = won.epoch, .seq = 1, .state_json = "{\"cents\":2}"}};
    char saved[64] = "";

    (void)state;
    fake_cluster_set_away(cluster, true);
    assert_int_equal(world_register(n1, "b", 8, NULL, NULL, 1000).status, TROUPE_E_REGISTRY);
    world_step(n1, &step);
    assert_int_equal(world_lookup(n1, "a", 1000).status, TROUPE_E_REGISTRY);
    assert_false(step.done);
    fake_cluster_set_away(cluster, false);
    world_wait(&world, step_is_done, &step);
    assert_int_equal(step.outcome, TR_STEP_COMMITTED);
    assert_true(fake_cluster_state(cluster, "a", saved, sizeof(saved)));
    assert_string_equal(saved, "{\"cents\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_come_and_go, begin, end),
        cmocka_unit_test_setup_teardown(a_killed_node_is_fenced_and_joins_again, begin, end),
        cmocka_unit_test_setup_teardown(only_a_crashed_node_is_believed_to_be_unreachable, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_name_has_one_holder, begin, end),
        cmocka_unit_test_setup_teardown(an_orphan_goes_on_elsewhere_with_its_state_and_messages,
                                        begin, end),
        cmocka_unit_test_setup_teardown(without_the_database_names_are_refused_and_steps_wait,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
