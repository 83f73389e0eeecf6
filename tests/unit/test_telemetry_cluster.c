/* What is tested: the events of the telemetry hook that need a cluster - nodes that come and go, a
 * node that is declared dead, messages of the inbox that fail. The registry is the one in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/fake_registry.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000, HEARD_MAX = 64, TEXT_SIZE = 64 };

struct heard {
    troupe_event event; /* its texts are those below */
    char behavior[TEXT_SIZE];
    char type[TEXT_SIZE];
    char text[TEXT_SIZE];
};

/* A node and what its hook was told. */
struct listener {
    troupe_node *node;
    struct tr_mutex mutex;
    struct tr_cond changed;
    size_t count;
    struct heard heard[HEARD_MAX];
};

static struct fake_cluster *cluster;
static struct listener n1;
static struct listener n2;

/* ---- the stage ---- */

typedef struct account {
    int64_t cents;
} account;
TROUPE_TYPE(account, "test.account", TROUPE_FIELD(account, cents, 1));
TROUPE_TYPE_EMPTY(fail, "test.fail");
TROUPE_TYPE_EMPTY(oddity, "test.oddity");

static int on_fail(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "told to");
}

static const troupe_handler handlers[] = {{&fail_type, on_fail}, {0}};
static const troupe_behavior account_behavior = {
    .name = "test.account", .state = &account_type, .handlers = handlers};

static void hear(void *context, const troupe_event *event)
{
    struct listener *listener = context;

    tr_mutex_lock(&listener->mutex);
    if (listener->count < HEARD_MAX) {
        struct heard *place = &listener->heard[listener->count++];

        place->event = *event;
        (void)snprintf(place->behavior, TEXT_SIZE, "%s", event->behavior);
        (void)snprintf(place->type, TEXT_SIZE, "%s", event->type);
        (void)snprintf(place->text, TEXT_SIZE, "%s", event->text);
    }
    tr_cond_broadcast(&listener->changed);
    tr_mutex_unlock(&listener->mutex);
}

static void start(struct listener *listener, const char *name, uint64_t events)
{
    troupe_config config;
    char error[256] = "";

    listener->count = 0;
    troupe_config_init(&config);
    config.name = name;
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    config.exit_when_fenced = true;
    config.telemetry = hear;
    config.telemetry_context = listener;
    config.telemetry_events = events;
    if (troupe_node_start(&config, &listener->node, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(
        troupe_node_add_behavior(listener->node, &account_behavior, error, sizeof(error)),
        TROUPE_OK);
}

static void stop(struct listener *listener)
{
    troupe_node_stop(listener->node, DEADLINE_MS);
    listener->node = NULL;
}

static int begin(void **state)
{
    (void)state;
    cluster = fake_cluster_create();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stop(&n1);
    stop(&n2);
    fake_cluster_destroy(cluster);
    return 0;
}

static uint64_t id_of(const struct listener *listener)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(listener->node, &info);
    return info.node_id;
}

/* Waits for the index-th event and gives it. */
static struct heard expect(struct listener *listener, size_t index, troupe_event_kind kind)
{
    bool in_time = true;

    tr_mutex_lock(&listener->mutex);
    while (listener->count <= index && in_time) {
        in_time = tr_cond_wait_for(&listener->changed, &listener->mutex,
                                   (int64_t)DEADLINE_MS * TR_NS_PER_MS);
    }
    const struct heard found = listener->heard[index];

    tr_mutex_unlock(&listener->mutex);
    if (!in_time) {
        fail_msg("no event %s", troupe_event_name((int32_t)kind));
    }
    assert_string_equal(troupe_event_name(found.event.kind), troupe_event_name((int32_t)kind));
    return found;
}

static void expect_no_more(struct listener *listener, size_t count)
{
    tr_mutex_lock(&listener->mutex);
    assert_int_equal(listener->count, count);
    tr_mutex_unlock(&listener->mutex);
}

/* ---- tests ---- */

static const uint64_t of_nodes =
    TROUPE_EVENT_BIT(NODE_UP) | TROUPE_EVENT_BIT(NODE_DOWN) | TROUPE_EVENT_BIT(FENCED);

static void start_two(void)
{
    start(&n1, "n1", of_nodes);
    start(&n2, "n2", of_nodes);
    const struct heard of_n2 = expect(&n1, 0, TROUPE_EVENT_NODE_UP);
    const struct heard of_n1 = expect(&n2, 0, TROUPE_EVENT_NODE_UP);

    assert_int_equal(of_n2.event.other.node, id_of(&n2));
    assert_string_equal(of_n2.text, "n2");
    assert_true(troupe_pid_is_none(of_n2.event.pid));
    assert_int_equal(of_n1.event.other.node, id_of(&n1));
    assert_string_equal(of_n1.text, "n1");
}

static void nodes_that_come_and_leave_are_told(void **state)
{
    (void)state;
    start_two();
    const uint64_t gone = id_of(&n2);

    stop(&n2);
    const struct heard down = expect(&n1, 1, TROUPE_EVENT_NODE_DOWN);

    assert_int_equal(down.event.other.node, gone);
    assert_string_equal(down.text, "n2");
    /* The same name comes back as another node. */
    start(&n2, "n2", of_nodes);
    const struct heard up = expect(&n1, 2, TROUPE_EVENT_NODE_UP);

    assert_int_equal(up.event.other.node, id_of(&n2));
    assert_int_not_equal(up.event.other.node, gone);
    assert_string_equal(up.text, "n2");
    expect_no_more(&n1, 3);
}

static void a_node_that_is_declared_dead_is_told_on_both_sides(void **state)
{
    (void)state;
    start_two();
    const uint64_t dead = id_of(&n2);

    fake_cluster_kill(cluster, dead);
    const struct heard down = expect(&n1, 1, TROUPE_EVENT_NODE_DOWN);

    assert_int_equal(down.event.other.node, dead);
    assert_string_equal(down.text, "n2");
    /* On the dead one itself, before it loses its peers. */
    assert_string_equal(expect(&n2, 1, TROUPE_EVENT_FENCED).text, "expired");
    expect_no_more(&n1, 2);
}

/* A durable actor whose handler fails, and one that has no handler for a message of the inbox. */
static void a_message_of_the_inbox_that_fails_is_told(void **state)
{
    const troupe_spawn_options options = {.name = "alice", .flags = TROUPE_SPAWN_DURABLE};
    troupe_pid pid = {0};

    (void)state;
    start(&n1, "n1", TROUPE_EVENT_BIT(INBOX_FAILED));
    assert_int_equal(troupe_node_add_type(n1.node, &oddity_type, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_spawn(n1.node, &account_behavior, NULL, &options, &pid),
                     TROUPE_OK);
    (void)fake_cluster_send(cluster, "alice", "test.oddity", "{}");
    const struct heard unknown = expect(&n1, 0, TROUPE_EVENT_INBOX_FAILED);

    assert_true(troupe_pid_equal(unknown.event.pid, pid));
    assert_string_equal(unknown.behavior, "test.account");
    assert_string_equal(unknown.type, "test.oddity");
    assert_string_equal(unknown.text, "no handler for this type");
    (void)fake_cluster_send(cluster, "alice", "test.fail", "{}");
    size_t index = 1;
    struct heard failed = expect(&n1, index, TROUPE_EVENT_INBOX_FAILED);

    /* The other one is tried again, until it is put aside. */
    while (strcmp(failed.type, "test.fail") != 0) {
        failed = expect(&n1, ++index, TROUPE_EVENT_INBOX_FAILED);
    }
    assert_string_equal(failed.behavior, "test.account");
    assert_string_equal(failed.text, "told to");
}

int main(void)
{
#define CLUSTER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CLUSTER_TEST(nodes_that_come_and_leave_are_told),
        CLUSTER_TEST(a_node_that_is_declared_dead_is_told_on_both_sides),
        CLUSTER_TEST(a_message_of_the_inbox_that_fails_is_told),
    };

    tr_mutex_init(&n1.mutex);
    tr_mutex_init(&n2.mutex);
    tr_cond_init(&n1.changed);
    tr_cond_init(&n2.changed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
