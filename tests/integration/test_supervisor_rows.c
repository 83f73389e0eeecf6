/* What is tested: durable children of supervisors on a node with a private PostgreSQL - what the
 * views say of them, and that they go on from their rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "row_node.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 30000 };

static troupe_node *node;
static troupe_pid supervisor;

typedef struct account {
    int64_t cents;
} account;
TROUPE_TYPE(account, "test.account", TROUPE_FIELD(account, cents, 1));
TROUPE_TYPE_EMPTY(fail, "test.fail");

static int on_add(troupe_self *self, void *state, const void *message)
{
    account *a = state;

    a->cents += ((const account *)message)->cents;
    return troupe_reply(self, &account_type, a);
}

static int on_fail(troupe_self *self, void *state, const void *message)
{
    (void)message;
    ((account *)state)->cents = 0; /* Not committed. */
    return troupe_fail(self, "told to");
}

static const troupe_handler handlers[] = {{&account_type, on_add}, {&fail_type, on_fail}, {0}};
static const troupe_behavior account_behavior = {
    .name = "test.account", .state = &account_type, .handlers = handlers};

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Calls the name until somebody answers; gives what the account holds. */
static int64_t add_to(const char *name, int64_t cents)
{
    const int64_t until = now_ms() + DEADLINE_MS;
    troupe_result result = {0};

    while (troupe_node_call_name(node, name, &account_type, &(account){.cents = cents}, 1000,
                                 &result) != TROUPE_OK) {
        assert_true(now_ms() < until);
        troupe_result_clear(&result);
    }
    const int64_t held = ((const account *)result.value)->cents;

    troupe_result_clear(&result);
    return held;
}

/* Waits until the views say so: status, and what is saved. */
static void wait_row(const char *expected)
{
    const int64_t until = now_ms() + DEADLINE_MS;
    const char *seen = "";

    do {
        seen = pg_one(admin,
                      "SELECT n.status || ' ' || a.status || ' ' || (a.state ->> 'cents') FROM "
                      "troupe.names n JOIN troupe.actors a USING (name) WHERE name = 'account'",
                      PG_NONE);
        if (now_ms() > until) {
            fail_msg("the row says \"%s\", not \"%s\"", seen, expected);
        }
    } while (strcmp(seen, expected) != 0);
}

static int begin(void **state)
{
    static const troupe_behavior *const behaviors[] = {&account_behavior};

    (void)state;
    node = row_node_begin(behaviors, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    row_node_end(node);
    return 0;
}

static void the_row_of_a_durable_child_says_whether_it_runs(void **state)
{
    const troupe_child child = {.id = "account",
                                .behavior = &account_behavior,
                                .name = "account",
                                .flags = TROUPE_SPAWN_DURABLE};
    const troupe_supervisor tree = {.children = &child, .children_count = 1};
    troupe_result result = {0};
    int32_t kind = 0;

    (void)state;
    assert_int_equal(troupe_node_spawn_supervisor(node, &tree, NULL, &supervisor), TROUPE_OK);
    assert_int_equal(add_to("account", 5), 5);
    wait_row("running running 5");
    for (int i = 6; i <= 8; i++) {
        assert_int_equal(
            troupe_node_call_name(node, "account", &fail_type, NULL, DEADLINE_MS, &result),
            TROUPE_E_EXITED);
        troupe_result_clear(&result);
        assert_int_equal(add_to("account", 1), i);
    }
    wait_row("running running 8");
    assert_int_equal(troupe_node_terminate_child(node, supervisor, "account", (troupe_pid){0},
                                                 DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    wait_row("stopped stopped 8");
    assert_int_equal(troupe_node_restart_child(node, supervisor, "account", DEADLINE_MS, &result),
                     TROUPE_OK);
    troupe_result_clear(&result);
    assert_int_equal(add_to("account", 1), 9);
    wait_row("running running 9");
    /* The fourth failure within the window is one too many: it stays down, with all it had. */
    assert_int_equal(troupe_node_call_name(node, "account", &fail_type, NULL, DEADLINE_MS, &result),
                     TROUPE_E_EXITED);
    troupe_result_clear(&result);
    (void)!troupe_node_join(node, supervisor, DEADLINE_MS, &kind);
    wait_row("stopped stopped 9");
    /* The next supervisor finds it. */
    assert_int_equal(troupe_node_spawn_supervisor(node, &tree, NULL, &supervisor), TROUPE_OK);
    assert_int_equal(add_to("account", 1), 10);
    wait_row("running running 10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_row_of_a_durable_child_says_whether_it_runs, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
