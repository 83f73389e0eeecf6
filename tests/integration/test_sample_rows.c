/* What is tested: what the views say of unnamed actors of a node with a private PostgreSQL: those
 * whose messages wait, and how many there are of each behavior. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "row_node.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 30000, CROWD = 30, WAITING = 5 };

static troupe_node *node;

static struct {
    struct tr_mutex mutex;
    struct tr_cond changed;
    bool open;
} gate;

TROUPE_TYPE_EMPTY(block, "test.block");

static int on_block(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    tr_mutex_lock(&gate.mutex);
    while (!gate.open) {
        tr_cond_wait(&gate.changed, &gate.mutex);
    }
    tr_mutex_unlock(&gate.mutex);
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&block_type, on_block}, {0}};
static const troupe_behavior stuck = {.name = "test.stuck", .handlers = handlers};
static const troupe_behavior crowd = {.name = "test.crowd", .handlers = handlers};

static void open_gate(void)
{
    tr_mutex_lock(&gate.mutex);
    gate.open = true;
    tr_cond_broadcast(&gate.changed);
    tr_mutex_unlock(&gate.mutex);
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the statement answers that. */
static void wait_for(const char *sql, const char *expected)
{
    const int64_t until = now_ms() + DEADLINE_MS;
    const char *seen = "";

    do {
        seen = pg_one(admin, sql, PG_NONE);
        if (now_ms() > until) {
            fail_msg("the views say \"%s\", not \"%s\"", seen, expected);
        }
    } while (strcmp(seen, expected) != 0);
}

static int begin(void **state)
{
    static const troupe_behavior *const behaviors[] = {&stuck, &crowd};

    (void)state;
    tr_mutex_init(&gate.mutex);
    tr_cond_init(&gate.changed);
    node = row_node_begin(behaviors, 2);
    return 0;
}

static int end(void **state)
{
    (void)state;
    open_gate();
    row_node_end(node);
    return 0;
}

static void unnamed_actors_whose_messages_wait_and_counts_are_seen(void **state)
{
    const char *counts = "SELECT coalesce(string_agg(behavior || ' ' || actors, ', ' ORDER BY "
                         "behavior), '') FROM troupe.actor_counts WHERE node = 'n1'";
    troupe_pid pid = {0};
    char expected[64];

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(troupe_node_spawn(node, &crowd, NULL, NULL, &pid), TROUPE_OK);
    }
    assert_int_equal(troupe_node_spawn(node, &stuck, NULL, NULL, &pid), TROUPE_OK);
    (void)snprintf(expected, sizeof(expected), "test.crowd %d, test.stuck 1", CROWD);
    wait_for(counts, expected);
    wait_for("SELECT count(*) FROM troupe.actors", "0"); /* No message waits. */

    for (int i = 0; i <= WAITING; i++) {
        assert_int_equal(troupe_node_send(node, pid, &block_type, NULL), TROUPE_OK);
    }
    (void)snprintf(expected, sizeof(expected), "test.stuck %llu running true",
                   (unsigned long long)pid.id);
    /* One is in the handler, the others wait. */
    wait_for("SELECT coalesce((SELECT behavior || ' ' || actor_id || ' ' || status || ' ' || "
             "(mailbox_messages BETWEEN 5 AND 6 AND oldest_message_seconds > 1.5 AND sampled_at > "
             "clock_timestamp() - interval '10 s') FROM troupe.actors WHERE name IS NULL), '')",
             expected);
    open_gate();
    wait_for("SELECT count(*) FROM troupe.actors", "0");

    assert_int_equal(troupe_node_exit(node, pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    (void)snprintf(expected, sizeof(expected), "test.crowd %d", CROWD);
    wait_for(counts, expected);
    troupe_node_stop(node, 5000);
    node = NULL;
    wait_for(counts, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unnamed_actors_whose_messages_wait_and_counts_are_seen,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
