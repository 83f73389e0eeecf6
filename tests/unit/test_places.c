/* What is tested: on which node troupe_spawn_on starts an actor (troupe/placement.h), with several
 * nodes and real sockets. Method: n1 and n2 have the role "even" or "odd", some behaviors are known
 * on some nodes only; who runs where is seen by the pids. */
#include <stdio.h>
#include <string.h>

#include "support/nodes.h"

static const troupe_behavior idle_behavior = {.name = "test.idle"};
static const troupe_behavior rare_behavior = {.name = "test.rare"};
static const troupe_behavior *const behaviors[] = {&idle_behavior, NULL};

static struct probe *spawner; /* on n1 */

/* ---- one spawn ---- */

struct order {
    const char *placement;
    const char *behavior;
    const char *name;
    troupe_status called; /* what the call answered */
    char words[256];      /* what it or the result said */
};

static int spawned(troupe_self *self, void *state, const troupe_result *result)
{
    struct probe *probe = *(struct probe *const *)state;

    (void)self;
    (void)pthread_mutex_lock(&probe->mutex);
    struct seen *seen = &probe->seen[probe->count++];

    *seen = (struct seen){.what = SAW_RESULT, .from = result->pid, .status = result->status};
    (void)snprintf(seen->text, sizeof(seen->text), "%s", result->reason.text);
    (void)pthread_cond_broadcast(&probe->cond);
    (void)pthread_mutex_unlock(&probe->mutex);
    return TROUPE_OK;
}

static int do_spawn(troupe_self *self, struct probe *probe, void *context)
{
    struct order *order = context;
    const troupe_spawn_options options = {.name = order->name};

    (void)probe;
    order->called = troupe_spawn_on(self, order->placement,
                                    order->behavior == NULL ? "test.idle" : order->behavior, NULL,
                                    NULL, &options, DEADLINE_MS, spawned, 0);
    return TROUPE_OK;
}

static const struct seen *try_spawn(const struct order *order)
{
    struct order copy = *order;
    const size_t before = probe_count(spawner);

    (void)probe_do(spawner, do_spawn, &copy);
    assert_int_equal(copy.called, TROUPE_OK);
    return probe_wait(spawner, before);
}

/* Starts one; answers the number of its node. */
static size_t spawn(const char *placement, const char *name)
{
    const struct seen *seen = try_spawn(&(struct order){.placement = placement, .name = name});

    if (seen->status != TROUPE_OK) {
        fail_msg("%s: %s", placement, seen->text);
    }
    return node_of(seen->from);
}

static void refused(const struct order *order, troupe_status status, const char *words)
{
    const struct seen *seen = try_spawn(order);

    assert_int_equal(seen->status, status);
    assert_string_equal(seen->text, words);
}

static int begin(void **state)
{
    static const char *const roles[] = {"odd", "even", "odd,third"};

    (void)state;
    nodes_behaviors = behaviors;
    nodes_begin(3, roles);
    spawner = probe_spawn(stages[0], NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

/* ---- tests ---- */

static void a_node_is_named_or_is_this_one(void **state)
{
    (void)state;
    assert_int_equal(spawn(NULL, NULL), 0);
    assert_int_equal(spawn("", NULL), 0);
    assert_int_equal(spawn("local", NULL), 0);
    assert_int_equal(spawn("n1", NULL), 0);
    assert_int_equal(spawn("n2", NULL), 1);
    assert_int_equal(spawn("node:n3", NULL), 2);
    assert_int_equal(spawn("n3 role:third", NULL), 2);
    assert_int_equal(spawn("local role:odd", NULL), 0);
    refused(&(struct order){.placement = "n7"}, TROUPE_E_NOT_FOUND, "no such node: \"n7\"");
    refused(&(struct order){.placement = "n2 role:third"}, TROUPE_E_NOT_FOUND,
            "node \"n2\" does not have the role \"third\"");
    refused(&(struct order){.placement = "local role:third"}, TROUPE_E_NOT_FOUND,
            "node \"n1\" does not have the role \"third\"");
}

static void round_robin_goes_round_with_and_without_a_role(void **state)
{
    size_t held[3] = {0};

    (void)state;
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(spawn("round_robin", NULL), i % 3);
    }
    for (size_t i = 0; i < 20; i++) {
        held[spawn("round_robin role:odd", NULL)]++;
    }
    assert_int_equal(held[0], 10);
    assert_int_equal(held[1], 0);
    assert_int_equal(held[2], 10);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(spawn("round_robin role:even", NULL), 1);
    }
}

static void the_node_with_the_fewest_actors_is_taken(void **state)
{
    size_t held[3] = {0};

    (void)state;
    /* n1 has ten actors and the spawner; what is placed elsewhere counts at once. */
    for (size_t i = 0; i < 10; i++) {
        (void)spawn("local", NULL);
    }
    for (size_t i = 0; i < 20; i++) {
        held[spawn("least_loaded", NULL)]++;
    }
    assert_int_equal(held[0], 0);
    assert_int_equal(held[1], 10);
    assert_int_equal(held[2], 10);
    for (size_t i = 0; i < 3; i++) {
        (void)spawn("role:odd", NULL);
    }
    assert_int_equal(stage_info(stages[1]).actors, 10);
}

/* Places one now and then: each makes n3 look fuller by one, which must not be what decides. */
static bool told_of_load(void *context)
{
    int64_t *next_ms = context;

    if (clock_ms() < *next_ms) {
        return false;
    }
    *next_ms = clock_ms() + 200;
    return spawn("least_loaded role:odd", NULL) == 0;
}

static int spawn_eight(troupe_self *self, struct probe *probe, void *context)
{
    troupe_pid pid = {0};

    (void)probe;
    (void)context;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(troupe_spawn(self, &idle_behavior, NULL, NULL, &pid), TROUPE_OK);
    }
    return TROUPE_OK;
}

static void what_others_place_there_is_told(void **state)
{
    int64_t next_ms = 0;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        (void)spawn("local", NULL);
    }
    for (size_t i = 0; i < 60; i++) {
        (void)probe_spawn(stages[2], NULL); /* n1 has not placed these. */
    }
    for (size_t i = 0; i < 30; i++) {
        (void)probe_do(stages[2]->probes[i], spawn_eight, NULL);
    }
    /* Until n3 has told of them n1 takes it for empty. */
    assert_true(wait_until(told_of_load, &next_ms));
    assert_in_range(stage_info(stages[2]).actors, 300, 400);
}

static bool name_is_free(void *context)
{
    troupe_pid pid = {0};

    return troupe_node_whereis(stages[0]->node, context, DEADLINE_MS, &pid) == TROUPE_E_NOT_FOUND;
}

static void hash_finds_the_same_node_for_the_same_name(void **state)
{
    size_t first[20];
    size_t held[3] = {0};
    char name[32];

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "account:%zu", i);
        first[i] = spawn("hash", name);
        held[first[i]]++;
        (void)pthread_mutex_lock(&spawner->mutex);
        const troupe_pid pid = spawner->seen[spawner->count - 1].from;

        (void)pthread_mutex_unlock(&spawner->mutex);
        assert_int_equal(troupe_node_exit(stages[0]->node, pid, TROUPE_REASON_KILL, ""), TROUPE_OK);
        assert_true(wait_until(name_is_free, name));
        assert_int_equal(spawn("hash", name), first[i]);
    }
    assert_true(held[0] > 0 && held[1] > 0 && held[2] > 0);
    (void)snprintf(name, sizeof(name), "other");
    assert_int_equal(spawn("hash role:even", name), 1);
}

static void only_nodes_that_know_the_behavior_are_chosen(void **state)
{
    char error[256] = "";

    (void)state;
    refused(&(struct order){.placement = "round_robin", .behavior = "test.rare"},
            TROUPE_E_NOT_FOUND, "no node knows the behavior \"test.rare\"");
    assert_int_equal(
        troupe_node_add_behavior(stages[2]->node, &rare_behavior, error, sizeof(error)), TROUPE_OK);
    /* n1 hears of it before it hears what is said on n3 after that. */
    const size_t before = probe_count(spawner);

    probe_send(probe_spawn(stages[2], NULL), spawner->pid, 1);
    assert_int_equal(probe_wait(spawner, before)->what, SAW_NUMBER);
    for (size_t i = 0; i < 5; i++) {
        const struct seen *seen =
            try_spawn(&(struct order){.placement = "round_robin", .behavior = "test.rare"});

        assert_int_equal(seen->status, TROUPE_OK);
        assert_int_equal(node_of(seen->from), 2);
    }
    refused(&(struct order){.placement = "hash role:even", .behavior = "test.rare", .name = "x"},
            TROUPE_E_NOT_FOUND, "no node with the role \"even\" knows the behavior \"test.rare\"");
    refused(&(struct order){.placement = "n2", .behavior = "test.rare"}, TROUPE_E_NOT_FOUND,
            "node \"n2\" has no behavior \"test.rare\"");
    refused(&(struct order){.placement = "role:nobody"}, TROUPE_E_NOT_FOUND,
            "no node that is up has the role \"nobody\"");
}

static bool is_refused_there(void *context)
{
    const struct seen *seen = try_spawn(&(struct order){.placement = "n2"});

    (void)context;
    return seen->status == TROUPE_E_CLOSED &&
           strcmp(seen->text, "node \"n2\" drains and starts nothing for others") == 0;
}

static bool is_taken_there(void *context)
{
    (void)context;
    return try_spawn(&(struct order){.placement = "n2"})->status == TROUPE_OK;
}

static void a_node_that_drains_takes_nothing_from_others_until_it_is_back(void **state)
{
    (void)state;
    troupe_node_drain(stages[1]->node, true);
    assert_true(wait_until(is_refused_there, NULL));
    for (size_t i = 0; i < 6; i++) {
        assert_int_not_equal(spawn("round_robin", NULL), 1);
    }
    refused(&(struct order){.placement = "role:even"}, TROUPE_E_NOT_FOUND,
            "all nodes with the role \"even\" that know \"test.idle\" drain");
    /* What runs there goes on, and spawns there. */
    struct probe *parent = probe_spawn(stages[1], NULL);

    (void)probe_do(parent, spawn_eight, NULL);
    assert_int_equal(stage_info(stages[1]).actors, 9);
    troupe_node_drain(stages[1]->node, false);
    assert_true(wait_until(is_taken_there, NULL));
    assert_int_equal(spawn("role:even", NULL), 1);
}

static int do_bad_spawn(troupe_self *self, struct probe *probe, void *context)
{
    struct order *order = context;

    (void)do_spawn(self, probe, order);
    return order->called;
}

static void a_rule_that_makes_no_sense_is_the_callers_error(void **state)
{
    struct order twice = {.placement = "hash hash"};
    struct order nameless = {.placement = "hash"};

    (void)state;
    assert_int_equal(probe_do(spawner, do_bad_spawn, &twice), TROUPE_E_INVALID);
    spawner = probe_spawn(stages[0], NULL);
    assert_int_equal(probe_do(spawner, do_bad_spawn, &nameless), TROUPE_E_INVALID);
}

static bool is_heard_of(void *context)
{
    (void)context;
    for (int i = 0; i < 3; i++) {
        const struct seen *seen = try_spawn(&(struct order){.placement = "round_robin"});

        if (seen->status != TROUPE_OK) {
            /* It may answer once more, that it has been taken over. */
            assert_true(seen->status == TROUPE_E_NOCONNECTION || seen->status == TROUPE_E_FENCED);
            return false;
        }
        if (node_of(seen->from) == 1) {
            return false;
        }
    }
    return true;
}

static void a_dead_node_is_not_chosen(void **state)
{
    (void)state;
    node_kill(1);
    assert_true(wait_until(is_heard_of, NULL));
    refused(&(struct order){.placement = "role:even"}, TROUPE_E_NOT_FOUND,
            "no node that is up has the role \"even\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_is_named_or_is_this_one, begin, end),
        cmocka_unit_test_setup_teardown(round_robin_goes_round_with_and_without_a_role, begin, end),
        cmocka_unit_test_setup_teardown(the_node_with_the_fewest_actors_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(what_others_place_there_is_told, begin, end),
        cmocka_unit_test_setup_teardown(hash_finds_the_same_node_for_the_same_name, begin, end),
        cmocka_unit_test_setup_teardown(only_nodes_that_know_the_behavior_are_chosen, begin, end),
        cmocka_unit_test_setup_teardown(a_rule_that_makes_no_sense_is_the_callers_error, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_node_that_drains_takes_nothing_from_others_until_it_is_back, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_node_is_not_chosen, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
