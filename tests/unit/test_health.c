/* What is tested: the operation "health" - what it says when a part of the node does not do its
 * work, and that it says it in time whatever is stuck. The registry is the one in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "io/loop.h"
#include "node/node.h"
#include "support/fake_registry.h"
#include "troupe/registry.h"

enum { WORKERS = 3, DEADLINE_MS = 20000, LEASE_MS = 500 };

static const uint8_t secret[32] = "a secret of thirty-two bytes....";

static struct fake_cluster *cluster;
static troupe_node *node;
static cJSON *reply;

/* What holds up a thread until the test lets it go. */
static struct {
    struct tr_mutex mutex;
    struct tr_cond changed;
    unsigned held;
    bool open;
} gate;

static void gate_pass(void)
{
    tr_mutex_lock(&gate.mutex);
    gate.held++;
    tr_cond_broadcast(&gate.changed);
    while (!gate.open) {
        tr_cond_wait(&gate.changed, &gate.mutex);
    }
    gate.held--;
    tr_cond_broadcast(&gate.changed);
    tr_mutex_unlock(&gate.mutex);
}

static void gate_await(unsigned held)
{
    tr_mutex_lock(&gate.mutex);
    while (gate.held != held) {
        assert_true(
            tr_cond_wait_for(&gate.changed, &gate.mutex, (int64_t)DEADLINE_MS * TR_NS_PER_MS));
    }
    tr_mutex_unlock(&gate.mutex);
}

static void gate_set(bool open)
{
    tr_mutex_lock(&gate.mutex);
    gate.open = open;
    tr_cond_broadcast(&gate.changed);
    tr_mutex_unlock(&gate.mutex);
}

TROUPE_TYPE_EMPTY(block, "test.block");

static int on_block(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    gate_pass();
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&block_type, on_block}, {0}};
static const troupe_behavior stuck = {.name = "test.stuck", .handlers = handlers};

static int begin(void **state)
{
    troupe_config config;
    char error[256] = "";

    (void)state;
    gate_set(false);
    cluster = fake_cluster_create();
    troupe_config_init(&config);
    config.name = "n1";
    config.workers = WORKERS;
    config.lease_ttl_ms = LEASE_MS;
    config.secret = (troupe_bytes){secret, sizeof(secret)};
    config.registry = fake_registry_create(cluster);
    config.exit_when_fenced = true;
    assert_int_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_OK);
    reply = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    gate_set(true);
    gate_await(0);
    cJSON_Delete(reply);
    troupe_node_stop(node, DEADLINE_MS);
    fake_cluster_destroy(cluster);
    return 0;
}

static void ask(uint32_t timeout_ms)
{
    char *text = NULL;

    assert_int_equal(troupe_node_admin(node, "{\"op\":\"health\"}", timeout_ms, &text), TROUPE_OK);
    cJSON_Delete(reply);
    reply = cJSON_Parse(text);
    troupe_json_free(text);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ok")));
}

static bool says(const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, key));
}

static const cJSON *check_of(const char *name)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(reply, "checks"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "check")), name) ==
            0) {
            return item;
        }
    }
    fail_msg("there is no check \"%s\"", name);
    return NULL;
}

static bool passes(const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(check_of(name), "ok"));
}

/* Asks until a check comes out so. */
static void ask_until(const char *name, bool ok)
{
    const int64_t until = tr_clock_now(&tr_clock_system) + (int64_t)DEADLINE_MS * TR_NS_PER_MS;

    do {
        ask(2000);
        assert_true(tr_clock_now(&tr_clock_system) < until);
    } while (passes(name) != ok);
}

static void hold_workers(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        troupe_pid pid = {0};

        assert_int_equal(troupe_node_spawn(node, &stuck, NULL, NULL, &pid), TROUPE_OK);
        assert_int_equal(troupe_node_send(node, pid, &block_type, NULL), TROUPE_OK);
        gate_await(i + 1);
    }
}

static void an_idle_node_is_live_and_ready(void **state)
{
    static const char *const checks[] = {"loop",   "workers", "member", "lease",
                                         "listen", "schema",  "secret", "serving"};
    const cJSON *all = NULL;

    (void)state;
    ask_until("lease", true); /* the first renewal follows the join */
    assert_true(says("live"));
    assert_true(says("ready"));
    all = cJSON_GetObjectItemCaseSensitive(reply, "checks");
    assert_int_equal(cJSON_GetArraySize(all), sizeof(checks) / sizeof(checks[0]));
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        assert_true(passes(checks[i]));
    }
    assert_string_equal(
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(check_of("secret"), "detail")),
        "one is accepted, changed 0 times");
}

static void one_worker_that_is_stuck_is_told_of(void **state)
{
    (void)state;
    hold_workers(1);
    ask(200);
    assert_false(says("live"));
    assert_false(says("ready"));
    assert_false(passes("workers"));
    assert_true(passes("loop"));
    assert_non_null(strstr(
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(check_of("workers"), "detail")),
        "1 of 3"));
    gate_set(true);
    gate_await(0);
    ask(2000);
    assert_true(says("live"));
}

static void all_workers_stuck_are_told_of_in_time(void **state)
{
    int64_t before = 0;

    (void)state;
    hold_workers(WORKERS);
    before = tr_clock_now(&tr_clock_system);
    ask(200);
    assert_true(tr_clock_now(&tr_clock_system) - before < (int64_t)5 * TR_NS_PER_S);
    assert_false(says("live"));
    assert_false(passes("workers"));
}

static void stop_the_loop(void *context)
{
    (void)context;
    gate_pass();
}

static void a_loop_that_does_not_turn_is_told_of(void **state)
{
    const int64_t until = tr_clock_now(&tr_clock_system) + (int64_t)DEADLINE_MS * TR_NS_PER_MS;

    (void)state;
    assert_int_equal(tr_loop_post(node->loop, stop_the_loop, NULL), TROUPE_OK);
    gate_await(1);
    do { /* On a busy machine some worker may have no turn in so short a time. */
        ask(200);
        assert_false(says("live"));
        assert_false(passes("loop"));
        assert_true(tr_clock_now(&tr_clock_system) < until);
    } while (!passes("workers"));
    gate_set(true);
    gate_await(0);
    ask(2000); /* what it was asked meanwhile, it answers to nobody */
    assert_true(says("live"));
}

static void without_its_database_a_node_is_live_and_not_ready(void **state)
{
    (void)state;
    ask_until("lease", true);
    fake_cluster_set_away(cluster, true);
    ask_until("listen", false);
    assert_true(says("live"));
    assert_false(says("ready"));
    ask_until("lease", false); /* nobody renews it */
    assert_true(says("live"));
    fake_cluster_set_away(cluster, false);
    ask_until("lease", true);
    assert_true(says("ready"));
}

static void a_fenced_node_is_live_and_no_member(void **state)
{
    (void)state;
    fake_cluster_kill(cluster, tr_sched_node_id(node->sched));
    ask_until("member", false);
    assert_true(says("live"));
    assert_false(says("ready"));
    assert_false(passes("lease"));
}

static void a_node_that_stops_is_live_and_not_ready(void **state)
{
    (void)state;
    ask_until("lease", true);
    tr_mutex_lock(&node->state_mutex);
    node->state = TR_NODE_STOPPING;
    tr_mutex_unlock(&node->state_mutex);
    ask(2000);
    assert_true(says("live"));
    assert_false(says("ready"));
    assert_false(passes("serving"));
}

#define HEALTH_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEALTH_TEST(an_idle_node_is_live_and_ready),
        HEALTH_TEST(one_worker_that_is_stuck_is_told_of),
        HEALTH_TEST(all_workers_stuck_are_told_of_in_time),
        HEALTH_TEST(a_loop_that_does_not_turn_is_told_of),
        HEALTH_TEST(without_its_database_a_node_is_live_and_not_ready),
        HEALTH_TEST(a_fenced_node_is_live_and_no_member),
        HEALTH_TEST(a_node_that_stops_is_live_and_not_ready),
    };

    tr_mutex_init(&gate.mutex);
    tr_cond_init(&gate.changed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
