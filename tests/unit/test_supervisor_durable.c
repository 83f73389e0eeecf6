/* What is tested: durable children of supervisors, on nodes whose registry is the one in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/fake_registry.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000 };

static struct fake_cluster *cluster;
static troupe_node *n1;
static troupe_node *n2;
static troupe_pid supervisor; /* on n1 */
static troupe_child account_child;
static troupe_child pair[2];
static troupe_supervisor tree;
static atomic_int inits;
static atomic_int recovers;
static atomic_int siblings;
static atomic_bool broken; /* recover fails */

/* ---- the account ---- */

typedef struct account {
    int64_t cents;
} account;
TROUPE_TYPE(account, "test.account", TROUPE_FIELD(account, cents, 1));
typedef struct add {
    int64_t cents; /* 666: the handler fails; 0 with stop: it ends */
    bool stop;
} add;
TROUPE_TYPE(add, "test.add", TROUPE_FIELD(add, cents, 1), TROUPE_FIELD(add, stop, 2));

static int account_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    (void)state;
    (void)args;
    (void)atomic_fetch_add(&inits, 1);
    return TROUPE_OK;
}

static int account_recover(troupe_self *self, void *state)
{
    (void)state;
    (void)atomic_fetch_add(&recovers, 1);
    return atomic_load(&broken) ? troupe_fail(self, "it is broken") : TROUPE_OK;
}

static int account_on_add(troupe_self *self, void *state, const void *message)
{
    account *a = state;
    const add *by = message;

    if (by->stop) {
        return TROUPE_STOP;
    }
    a->cents += by->cents;
    return by->cents == 666 ? troupe_fail(self, "the number of the beast")
                            : troupe_reply(self, &account_type, a);
}

static const troupe_handler account_handlers[] = {{&add_type, account_on_add}, {0}};
static const troupe_behavior account_behavior = {.name = "test.account",
                                                 .state = &account_type,
                                                 .init = account_init,
                                                 .recover = account_recover,
                                                 .handlers = account_handlers};

static int sibling_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    (void)state;
    (void)args;
    (void)atomic_fetch_add(&siblings, 1);
    return TROUPE_OK;
}

static const troupe_behavior sibling_behavior = {.name = "test.sibling", .init = sibling_init};

/* ---- the stage ---- */

static troupe_node *start_node(const char *name)
{
    troupe_config config;
    troupe_node *node = NULL;
    char error[256] = "";

    troupe_config_init(&config);
    config.name = name;
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    if (troupe_node_start(&config, &node, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(troupe_node_add_behavior(node, &account_behavior, error, sizeof(error)),
                     TROUPE_OK);
    return node;
}

static int begin(void **state)
{
    (void)state;
    cluster = fake_cluster_create();
    n1 = start_node("n1");
    n2 = NULL;
    supervisor = (troupe_pid){0};
    tree = (troupe_supervisor){0};
    atomic_store(&inits, 0);
    atomic_store(&recovers, 0);
    atomic_store(&siblings, 0);
    atomic_store(&broken, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    troupe_node_stop(n1, 5000);
    if (n2 != NULL) {
        troupe_node_stop(n2, 5000);
    }
    fake_cluster_destroy(cluster);
    return 0;
}

static void begin_second(void)
{
    n2 = start_node("n2");
    assert_int_equal(troupe_node_wait_cluster(n1, 2, DEADLINE_MS), TROUPE_OK);
    assert_int_equal(troupe_node_wait_cluster(n2, 2, DEADLINE_MS), TROUPE_OK);
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void supervise(void)
{
    account_child = (troupe_child){.id = "account",
                                   .behavior = &account_behavior,
                                   .name = "account",
                                   .flags = TROUPE_SPAWN_DURABLE};
    tree.children = tree.children_count == 2 ? pair : &account_child;
    tree.children_count = tree.children_count == 2 ? 2 : 1;
    pair[0] = account_child;
    pair[1] = (troupe_child){.id = "sibling", .behavior = &sibling_behavior};
    assert_int_equal(troupe_node_spawn_supervisor(n1, &tree, NULL, &supervisor), TROUPE_OK);
}

/* Calls the name until somebody answers; gives what the account holds. */
static int64_t add_to(troupe_node *node, int64_t cents)
{
    const int64_t until = now_ms() + DEADLINE_MS;
    troupe_result result = {0};

    while (troupe_node_call_name(node, "account", &add_type, &(add){.cents = cents}, 1000,
                                 &result) != TROUPE_OK) {
        if (now_ms() > until) {
            fail_msg("nobody answers for the account: %d %s", result.status, result.reason.text);
        }
        troupe_result_clear(&result);
    }
    const int64_t held = ((const account *)result.value)->cents;

    troupe_result_clear(&result);
    return held;
}

static void break_it(void)
{
    troupe_result result = {0};

    assert_int_equal(
        troupe_node_call_name(n1, "account", &add_type, &(add){.cents = 666}, DEADLINE_MS, &result),
        TROUPE_E_EXITED);
    troupe_result_clear(&result);
}

static troupe_child_state child; /* as it was seen last; without its strings but for state */
static char child_state[32];
static uint64_t all_restarts;

static void look(void)
{
    troupe_result result = {0};

    assert_int_equal(troupe_node_which_children(n1, supervisor, DEADLINE_MS, &result), TROUPE_OK);
    const troupe_children *children = result.value;

    child = children->children[0];
    all_restarts = children->restarts;
    (void)snprintf(child_state, sizeof(child_state), "%s", child.state);
    troupe_result_clear(&result);
}

static void wait_state(const char *state)
{
    const int64_t until = now_ms() + DEADLINE_MS;

    do {
        look();
        if (now_ms() > until) {
            fail_msg("the child is \"%s\", not \"%s\"", child_state, state);
        }
    } while (strcmp(child_state, state) != 0);
}

static void stop_supervisor(void)
{
    int32_t kind = 0;

    assert_int_equal(troupe_node_exit(n1, supervisor, TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    assert_int_equal(troupe_node_join(n1, supervisor, DEADLINE_MS, &kind), TROUPE_OK);
}

static uint64_t actors_of(troupe_node *node)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(node, &info);
    return info.actors;
}

static void wait_actors(troupe_node *node, uint64_t count)
{
    const int64_t until = now_ms() + DEADLINE_MS;

    while (actors_of(node) != count) {
        assert_true(now_ms() < until);
    }
}

/* ---- restarting ---- */

static void a_durable_child_goes_on_from_its_last_commit(void **state)
{
    (void)state;
    supervise();
    assert_int_equal(add_to(n1, 5), 5);
    break_it();
    assert_int_equal(add_to(n1, 1), 6);
    assert_int_equal(atomic_load(&inits), 1);
    assert_int_equal(atomic_load(&recovers), 1);
    wait_state("running");
    assert_int_equal(child.restarts, 1);
    wait_actors(n1, 2);
}

static void its_failures_count_as_restarts(void **state)
{
    int32_t kind = 0;

    (void)state;
    tree = (troupe_supervisor){.intensity = 2, .period_ms = 60000};
    supervise();
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(add_to(n1, 1), i);
        break_it();
    }
    /* The third is one too many. */
    (void)!troupe_node_join(n1, supervisor, DEADLINE_MS, &kind);
    wait_actors(n1, 0);
    assert_int_equal(atomic_load(&recovers), 2);
}

static void one_whose_recovery_fails_ends_its_supervisor(void **state)
{
    int32_t kind = 0;

    (void)state;
    supervise();
    assert_int_equal(add_to(n1, 5), 5);
    atomic_store(&broken, true);
    break_it();
    (void)!troupe_node_join(n1, supervisor, DEADLINE_MS, &kind);
    wait_actors(n1, 0);
    assert_int_equal(atomic_load(&inits), 1);
    assert_true(atomic_load(&recovers) >= 3);
}

static void one_that_ends_normally_begins_anew(void **state)
{
    (void)state;
    supervise();
    assert_int_equal(add_to(n1, 5), 5);
    troupe_result result = {0};

    (void)!troupe_node_call_name(n1, "account", &add_type, &(add){.stop = true}, DEADLINE_MS,
                                 &result);
    troupe_result_clear(&result);
    assert_int_equal(add_to(n1, 1), 1);
    assert_int_equal(atomic_load(&inits), 2);
    assert_int_equal(atomic_load(&recovers), 0);
}

static void its_siblings_are_restarted_with_it(void **state)
{
    const int64_t until = now_ms() + DEADLINE_MS;

    (void)state;
    tree = (troupe_supervisor){.strategy = TROUPE_ONE_FOR_ALL, .children_count = 2};
    supervise();
    assert_int_equal(add_to(n1, 5), 5);
    break_it();
    assert_int_equal(add_to(n1, 1), 6);
    while (atomic_load(&siblings) < 2) {
        assert_true(now_ms() < until);
    }
    wait_state("running");
    assert_int_equal(all_restarts, 1);
    wait_actors(n1, 3);
}

/* ---- stopping ---- */

static void a_stopped_one_goes_on_where_it_was(void **state)
{
    troupe_result result = {0};

    (void)state;
    supervise();
    assert_int_equal(add_to(n1, 5), 5);
    assert_int_equal(troupe_node_terminate_child(n1, supervisor, "account", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    wait_actors(n1, 1);
    assert_int_equal(troupe_node_restart_child(n1, supervisor, "account", DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(add_to(n1, 1), 6);
    wait_state("running");
    assert_int_equal(child.restarts, 0);
}

static void the_next_supervisor_goes_on_with_it(void **state)
{
    (void)state;
    supervise();
    assert_int_equal(add_to(n1, 5), 5);
    stop_supervisor();
    wait_actors(n1, 0);
    supervise();
    assert_int_equal(add_to(n1, 1), 6);
    wait_state("running");
    assert_int_equal(child.restarts, 0); /* Finding it is none. */
    assert_int_equal(atomic_load(&recovers), 1);
    wait_actors(n1, 2);
}

static void nothing_is_left_of_one_that_is_stopped_while_it_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        supervise();
        (void)add_to(n1, 1);
        wait_state("running");
        assert_int_equal(troupe_node_exit(n1, child.pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
        if (i % 2 == 0) {
            look();
        }
        stop_supervisor();
        wait_actors(n1, 0);
    }
}

/* ---- elsewhere ---- */

static void one_that_another_node_runs_is_watched_and_not_stopped(void **state)
{
    const troupe_spawn_options options = {.flags = TROUPE_SPAWN_DURABLE, .name = "account"};
    troupe_pid pid = {0};

    (void)state;
    begin_second();
    assert_int_equal(troupe_node_spawn(n2, &account_behavior, NULL, &options, &pid), TROUPE_OK);
    assert_int_equal(add_to(n2, 5), 5);
    supervise();
    wait_state("elsewhere");
    assert_true(troupe_pid_equal(child.pid, pid));
    assert_int_equal(child.restarts, 0);
    assert_int_equal(add_to(n1, 1), 6);
    stop_supervisor();
    assert_int_equal(add_to(n1, 1), 7);
    wait_actors(n2, 1);
}

static void when_it_gives_up_its_name_there_it_begins_here(void **state)
{
    const troupe_spawn_options options = {.flags = TROUPE_SPAWN_DURABLE, .name = "account"};
    troupe_pid pid = {0};

    (void)state;
    begin_second();
    assert_int_equal(troupe_node_spawn(n2, &account_behavior, NULL, &options, &pid), TROUPE_OK);
    assert_int_equal(add_to(n2, 5), 5);
    supervise();
    wait_state("elsewhere");
    assert_int_equal(troupe_node_send(n2, pid, &add_type, &(add){.stop = true}), TROUPE_OK);
    wait_state("running");
    assert_int_equal(add_to(n1, 1), 1);
    assert_int_equal(child.restarts, 1);
    wait_actors(n2, 0);
}

static void one_recovered_here_gets_its_supervisor(void **state)
{
    const troupe_spawn_options options = {.flags = TROUPE_SPAWN_DURABLE, .name = "account"};
    troupe_node_info info = {.struct_size = sizeof(info)};
    troupe_pid pid = {0};

    (void)state;
    begin_second();
    assert_int_equal(troupe_node_spawn(n2, &account_behavior, NULL, &options, &pid), TROUPE_OK);
    assert_int_equal(add_to(n2, 5), 5);
    supervise();
    wait_state("elsewhere");
    troupe_node_get_info(n2, &info);
    fake_cluster_kill(cluster, info.node_id);
    wait_state("running");
    assert_int_equal(add_to(n1, 1), 6);
    break_it();
    assert_int_equal(add_to(n1, 1), 7);
    stop_supervisor();
    wait_actors(n1, 0);
}

/* ---- a supervisor on another node ---- */

static void children_are_added_and_removed_from_another_node(void **state)
{
    const troupe_child fresh = {.id = "fresh", .behavior = &account_behavior};
    const troupe_spawn_options options = {0};
    troupe_child bound = fresh;
    troupe_result result = {0};

    (void)state;
    begin_second();
    assert_int_equal(troupe_node_spawn_supervisor(n2, &(troupe_supervisor){0}, NULL, &supervisor),
                     TROUPE_OK);
    assert_int_equal(troupe_node_start_child(n1, supervisor, &fresh, DEADLINE_MS, &result),
                     TROUPE_OK);
    const troupe_child_state *shown = troupe_result_as(&result, &troupe_child_state_type);

    assert_non_null(shown);
    assert_int_equal(shown->pid.node, supervisor.node);
    assert_string_equal(shown->behavior, "test.account");
    troupe_result_clear(&result);
    look();
    assert_string_equal(child_state, "running");
    assert_int_equal(troupe_node_start_child(n1, supervisor, &fresh, DEADLINE_MS, &result),
                     TROUPE_E_EXISTS);
    troupe_result_clear(&result);
    bound.options = &options; /* They do not travel. */
    assert_int_equal(troupe_node_start_child(n1, supervisor, &bound, DEADLINE_MS, &result),
                     TROUPE_E_INVALID);
    troupe_result_clear(&result);
    assert_int_equal(
        troupe_node_terminate_child(n1, supervisor, "fresh", (troupe_pid){0}, DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    wait_actors(n2, 1);
    assert_int_equal(troupe_node_delete_child(n1, supervisor, "fresh", DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_count_children(n1, supervisor, DEADLINE_MS, &result), TROUPE_OK);
    assert_int_equal(((const troupe_children_count *)result.value)->specs, 0);
    troupe_result_clear(&result);
}

#define DURABLE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(a_durable_child_goes_on_from_its_last_commit),
        DURABLE_TEST(its_failures_count_as_restarts),
        DURABLE_TEST(one_whose_recovery_fails_ends_its_supervisor),
        DURABLE_TEST(one_that_ends_normally_begins_anew),
        DURABLE_TEST(its_siblings_are_restarted_with_it),
        DURABLE_TEST(a_stopped_one_goes_on_where_it_was),
        DURABLE_TEST(the_next_supervisor_goes_on_with_it),
        DURABLE_TEST(nothing_is_left_of_one_that_is_stopped_while_it_comes_back),
        DURABLE_TEST(one_that_another_node_runs_is_watched_and_not_stopped),
        DURABLE_TEST(when_it_gives_up_its_name_there_it_begins_here),
        DURABLE_TEST(one_recovered_here_gets_its_supervisor),
        DURABLE_TEST(children_are_added_and_removed_from_another_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
