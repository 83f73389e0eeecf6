/* What is tested: durable children with a placement - where they begin, where they go on when they
 * fail, when their node dies and when somebody else runs their name. Method: three nodes in this
 * process over real sockets and the registry in memory. */
#include <stdio.h>
#include <string.h>

#include "support/workers.h"

enum { ACCOUNTS = 4 };

static atomic_int inits;
static atomic_int recovers;
static atomic_int living;

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
    (void)atomic_fetch_add(&living, 1);
    return TROUPE_OK;
}

static int account_recover(troupe_self *self, void *state)
{
    (void)self;
    (void)state;
    (void)atomic_fetch_add(&recovers, 1);
    (void)atomic_fetch_add(&living, 1);
    return TROUPE_OK;
}

static void account_release(void *state)
{
    (void)state;
    (void)atomic_fetch_sub(&living, 1);
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
                                                 .release = account_release,
                                                 .handlers = account_handlers};

/* ---- the stage ---- */

static int begin(void **state)
{
    static const char *const names[ACCOUNTS] = {"acct/a", "acct/b", "acct/c", "acct/d"};
    char error[256] = "";

    (void)state;
    workers_begin(3, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            troupe_node_add_behavior(stages[i]->node, &account_behavior, error, sizeof(error)),
            TROUPE_OK);
    }
    for (int i = 0; i < ACCOUNTS; i++) {
        specs[i].behavior = &account_behavior;
        specs[i].args = NULL;
        specs[i].name = names[i];
        specs[i].flags = TROUPE_SPAWN_DURABLE;
        specs[i].placement = "n2";
    }
    tree.children_count = 1;
    atomic_store(&inits, 0);
    atomic_store(&recovers, 0);
    atomic_store(&living, 0);
    return 0;
}

static int end(void **state)
{
    (void)workers_end(state);
    assert_int_equal(atomic_load(&living), 0);
    return 0;
}

/* Calls the name until somebody answers; gives what the account holds. */
static int64_t add_to(const char *name, int64_t cents)
{
    const int64_t until = clock_ms() + DEADLINE_MS;
    troupe_result result = {0};

    while (troupe_node_call_name(stages[0]->node, name, &add_type, &(add){.cents = cents}, 1000,
                                 &result) != TROUPE_OK) {
        if (clock_ms() > until) {
            fail_msg("nobody answers for %s: %d %s", name, result.status, result.reason.text);
        }
        troupe_result_clear(&result);
    }
    const int64_t held = ((const account *)result.value)->cents;

    troupe_result_clear(&result);
    return held;
}

static void break_it(const char *name)
{
    troupe_result result = {0};

    assert_int_equal(troupe_node_call_name(stages[0]->node, name, &add_type, &(add){.cents = 666},
                                           DEADLINE_MS, &result),
                     TROUPE_E_EXITED);
    troupe_result_clear(&result);
}

static bool nobody_lives(void *context)
{
    (void)context;
    return atomic_load(&living) == 0;
}

static void wait_no_account(void)
{
    if (!wait_until(nobody_lives, NULL)) {
        fail_msg("%d accounts live", atomic_load(&living));
    }
}

static void stop_supervisor(void)
{
    int32_t kind = 0;

    assert_int_equal(troupe_node_exit(stages[0]->node, supervisor, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    (void)!troupe_node_join(stages[0]->node, supervisor, DEADLINE_MS, &kind);
}

static uint64_t restarts_of(const char *id)
{
    troupe_child_state child = {0};

    assert_true(look_at(id, &child));
    return child.restarts;
}

/* ---- beginning and failing ---- */

static void it_begins_where_its_rule_says(void **state)
{
    troupe_child_state child = {0};

    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid pid = wait_up("a", (troupe_pid){0});

    assert_int_equal(node_of(pid), 1);
    assert_int_equal(add_to("acct/a", 5), 5);
    assert_true(look_at("a", &child));
    assert_string_equal(child.node, "n2");
    assert_string_equal(child.name, "acct/a");
    assert_int_equal(child.restarts, 0);
    stop_supervisor();
    wait_no_account();
}

static void when_it_fails_it_goes_on_from_its_last_commit(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    troupe_pid pid = wait_up("a", (troupe_pid){0});

    for (int i = 1; i <= 3; i++) {
        assert_int_equal(add_to("acct/a", 1), i);
        break_it("acct/a");
        pid = wait_up("a", pid);
        assert_int_equal(node_of(pid), 1);
        assert_int_equal(restarts_of("a"), i);
    }
    assert_int_equal(add_to("acct/a", 1), 4);
    assert_int_equal(atomic_load(&inits), 1);
    assert_int_equal(atomic_load(&recovers), 3);
    assert_int_equal(atomic_load(&living), 1);
}

static void its_failures_count(void **state)
{
    (void)state;
    tree.intensity = 2;
    tree.period_ms = 600000;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("a", (troupe_pid){0});
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(add_to("acct/a", 1), i);
        break_it("acct/a");
    }
    assert_int_equal(wait_end_of_supervisor(), TROUPE_REASON_SHUTDOWN);
    wait_no_account();
    assert_int_equal(atomic_load(&recovers), 2);
}

static void one_that_ends_normally_begins_anew(void **state)
{
    troupe_result result = {0};

    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid pid = wait_up("a", (troupe_pid){0});

    assert_int_equal(add_to("acct/a", 5), 5);
    (void)!troupe_node_call(stages[0]->node, pid, &add_type, &(add){.stop = true}, DEADLINE_MS,
                            &result);
    troupe_result_clear(&result);
    assert_int_equal(node_of(wait_up("a", pid)), 1);
    assert_int_equal(add_to("acct/a", 1), 1);
    assert_int_equal(atomic_load(&inits), 2);
    assert_int_equal(atomic_load(&recovers), 0);
}

static void the_next_supervisor_goes_on_where_its_row_is(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("a", (troupe_pid){0});
    assert_int_equal(add_to("acct/a", 5), 5);
    stop_supervisor();
    wait_no_account();
    specs[0].placement = "n3"; /* The row is on n2: there it goes on. */
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(node_of(wait_up("a", (troupe_pid){0})), 1);
    assert_int_equal(add_to("acct/a", 1), 6);
    assert_int_equal(restarts_of("a"), 0); /* Finding it is none. */
    assert_int_equal(atomic_load(&living), 1);
    stop_supervisor();
    wait_no_account();
    specs[0].placement = "least_loaded"; /* Wherever the rule leads: the same. */
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(node_of(wait_up("a", (troupe_pid){0})), 1);
    assert_int_equal(add_to("acct/a", 1), 7);
}

static void nothing_is_left_of_one_that_is_stopped_while_it_comes_back(void **state)
{
    troupe_child_state child = {0};

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(supervise(), TROUPE_OK);
        const troupe_pid pid = wait_up("a", (troupe_pid){0});

        assert_int_equal(troupe_node_exit(stages[0]->node, pid, TROUPE_REASON_KILL, NULL),
                         TROUPE_OK);
        if (i % 2 == 0) {
            assert_true(look_at("a", &child));
        }
        stop_supervisor();
        wait_no_account();
    }
}

static void one_that_is_asked_for_at_run_time_is_found(void **state)
{
    troupe_result result = {0};

    (void)state;
    tree.children_count = 0;
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(
        troupe_node_start_child(stages[0]->node, supervisor, &specs[0], DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(add_to("acct/a", 5), 5);
    assert_int_equal(troupe_node_terminate_child(stages[0]->node, supervisor, "a", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    wait_no_account();
    assert_int_equal(
        troupe_node_restart_child(stages[0]->node, supervisor, "a", DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(add_to("acct/a", 1), 6);
    (void)wait_up("a", (troupe_pid){0});
    stop_supervisor();
    wait_no_account();
    /* The row is there, the supervisor is another one. */
    assert_int_equal(supervise(), TROUPE_OK);
    specs[0].placement = "n3";
    assert_int_equal(
        troupe_node_start_child(stages[0]->node, supervisor, &specs[0], DEADLINE_MS, &result),
        TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(node_of(wait_up("a", (troupe_pid){0})), 1);
    assert_int_equal(add_to("acct/a", 1), 7);
}

/* ---- when its node dies ---- */

static void recovery_starts_it_and_its_supervisor_takes_it(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid pid = wait_up("a", (troupe_pid){0});

    assert_int_equal(add_to("acct/a", 5), 5);
    node_kill(1);
    const troupe_pid next = wait_up("a", pid);

    assert_int_not_equal(node_of(next), 1);
    assert_int_equal(add_to("acct/a", 1), 6);
    assert_int_equal(restarts_of("a"), 1);
    assert_int_equal(atomic_load(&inits), 1);
    assert_int_equal(atomic_load(&recovers), 1);
    /* It is the supervisor's own: started again and stopped as one that it has started. */
    break_it("acct/a");
    assert_int_equal(node_of(wait_up("a", next)), node_of(next));
    assert_int_equal(add_to("acct/a", 1), 7);
    assert_int_equal(restarts_of("a"), 2);
    stop_supervisor();
    wait_no_account();
}

static void the_death_of_a_node_is_one_failure(void **state)
{
    troupe_pid pids[ACCOUNTS];

    (void)state;
    tree.children_count = ACCOUNTS;
    tree.intensity = 1;
    tree.period_ms = 600000;
    assert_int_equal(supervise(), TROUPE_OK);
    for (int i = 0; i < ACCOUNTS; i++) {
        pids[i] = wait_up(specs[i].id, (troupe_pid){0});
        assert_int_equal(add_to(specs[i].name, i + 1), i + 1);
    }
    node_kill(1);
    for (int i = 0; i < ACCOUNTS; i++) {
        pids[i] = wait_up(specs[i].id, pids[i]);
        assert_int_not_equal(node_of(pids[i]), 1); /* The survivors share them as they like. */
        assert_int_equal(add_to(specs[i].name, 1), i + 2);
        assert_int_equal(restarts_of(specs[i].id), 1);
    }
    assert_int_equal(atomic_load(&recovers), ACCOUNTS);
    stop_supervisor();
    wait_no_account();
}

/* ---- when others run it, and when its supervisor is killed ---- */

static void one_that_another_supervisor_runs_is_watched_and_not_stopped(void **state)
{
    const troupe_child there = {.id = "a",
                                .behavior = &account_behavior,
                                .name = "acct/a",
                                .flags = TROUPE_SPAWN_DURABLE,
                                .restart = TROUPE_RESTART_TEMPORARY};
    const troupe_supervisor others = {.children = &there, .children_count = 1};
    troupe_pid other = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn_supervisor(stages[1]->node, &others, NULL, &other),
                     TROUPE_OK);
    assert_int_equal(add_to("acct/a", 5), 5);
    specs[0].placement = "n3";
    assert_int_equal(supervise(), TROUPE_OK);
    wait_state("a", "elsewhere");
    stop_supervisor();
    assert_int_equal(add_to("acct/a", 1), 6);
    assert_int_equal(supervise(), TROUPE_OK);
    wait_state("a", "elsewhere");
    /* When it ends there, it is started there: its row is. */
    assert_int_equal(troupe_node_exit(stages[1]->node, other, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    assert_int_equal(node_of(wait_up("a", (troupe_pid){0})), 1);
    assert_int_equal(add_to("acct/a", 1), 7);
    assert_int_equal(atomic_load(&living), 1);
    stop_supervisor();
    wait_no_account();
}

static void one_whose_supervisor_is_elsewhere_is_not_taken_here(void **state)
{
    const troupe_child same = {.id = "a",
                               .behavior = &account_behavior,
                               .name = "acct/a",
                               .flags = TROUPE_SPAWN_DURABLE,
                               .placement = "n3"};
    const troupe_supervisor others = {.children = &same, .children_count = 1};
    troupe_result result = {0};
    troupe_pid other = {0};

    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    const troupe_pid pid = wait_up("a", (troupe_pid){0});

    /* A supervisor of the very node that runs it finds it, and sees that it has one. */
    assert_int_equal(troupe_node_spawn_supervisor(stages[1]->node, &others, NULL, &other),
                     TROUPE_OK);
    const int64_t until = clock_ms() + DEADLINE_MS;

    for (bool seen = false; !seen;) {
        assert_int_equal(troupe_node_which_children(stages[1]->node, other, DEADLINE_MS, &result),
                         TROUPE_OK);
        const troupe_child_state *child = ((const troupe_children *)result.value)->children;

        assert_string_not_equal(child->state, "running");
        seen = strcmp(child->state, "elsewhere") == 0 && troupe_pid_equal(child->pid, pid);
        assert_true(clock_ms() < until);
        troupe_result_clear(&result);
    }
    assert_int_equal(troupe_node_exit(stages[1]->node, other, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    assert_int_equal(add_to("acct/a", 1), 1);
    assert_int_equal(atomic_load(&recovers), 0);
}

static void it_ends_with_its_supervisor(void **state)
{
    (void)state;
    assert_int_equal(supervise(), TROUPE_OK);
    (void)wait_up("a", (troupe_pid){0});
    assert_int_equal(add_to("acct/a", 5), 5);
    assert_int_equal(troupe_node_exit(stages[0]->node, supervisor, TROUPE_REASON_KILL, "now"),
                     TROUPE_OK);
    wait_no_account();
    assert_int_equal(supervise(), TROUPE_OK);
    assert_int_equal(node_of(wait_up("a", (troupe_pid){0})), 1);
    assert_int_equal(add_to("acct/a", 1), 6);
}

static void one_without_a_name_is_refused(void **state)
{
    (void)state;
    specs[0].name = NULL;
    assert_int_equal(supervise(), TROUPE_E_INVALID);
}

#define FAR_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAR_TEST(it_begins_where_its_rule_says),
        FAR_TEST(when_it_fails_it_goes_on_from_its_last_commit),
        FAR_TEST(its_failures_count),
        FAR_TEST(one_that_ends_normally_begins_anew),
        FAR_TEST(the_next_supervisor_goes_on_where_its_row_is),
        FAR_TEST(nothing_is_left_of_one_that_is_stopped_while_it_comes_back),
        FAR_TEST(one_that_is_asked_for_at_run_time_is_found),
        FAR_TEST(recovery_starts_it_and_its_supervisor_takes_it),
        FAR_TEST(the_death_of_a_node_is_one_failure),
        FAR_TEST(one_that_another_supervisor_runs_is_watched_and_not_stopped),
        FAR_TEST(one_whose_supervisor_is_elsewhere_is_not_taken_here),
        FAR_TEST(it_ends_with_its_supervisor),
        FAR_TEST(one_without_a_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
