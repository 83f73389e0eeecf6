/* What is tested: of several actors of one node that want one name, nobody is told that another has
 * it before that is true. Method: a registry in memory whose answers to registrations are let go by
 * the test, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dist/names.h"
#include "support/fake_registry.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000, HELD_MAX = 8, RESULTS_MAX = 8 };

static struct fake_cluster *cluster;
static troupe_node *node;
static troupe_node *other;
static troupe_pid boss;

struct told {
    uint64_t tag;
    troupe_status status;
    troupe_pid pid;
};

static struct {
    struct tr_mutex mutex;
    struct tr_cond changed;
    void (*register_name)(void *context, const struct tr_name_register *request);
    void *registry;
    struct tr_name_register held[HELD_MAX]; /* at the registry, not answered */
    size_t held_count;
    size_t released;
    struct told told[RESULTS_MAX]; /* in the order in which it was said */
    size_t told_count;
} seen;

/* ---- the registry that waits ---- */

static void hold(void *context, const struct tr_name_register *request)
{
    tr_mutex_lock(&seen.mutex);
    seen.registry = context;
    assert_true(seen.held_count < HELD_MAX);
    seen.held[seen.held_count++] = *request;
    tr_cond_broadcast(&seen.changed);
    tr_mutex_unlock(&seen.mutex);
}

static void wait_for(const size_t *number, size_t least)
{
    bool waits = true;

    tr_mutex_lock(&seen.mutex);
    while (waits && *number < least) {
        waits = tr_cond_wait_for(&seen.changed, &seen.mutex, DEADLINE_MS * INT64_C(1000000));
    }
    const size_t value = *number;

    tr_mutex_unlock(&seen.mutex);
    assert_int_equal(value, least);
}

/* Waits for the next registration and has it decided. */
static void decide_next(void)
{
    wait_for(&seen.held_count, seen.released + 1);
    seen.register_name(seen.registry, &seen.held[seen.released++]);
}

/* ---- who asks ---- */

typedef struct ask {
    uint64_t tag;
} ask;
TROUPE_TYPE(ask, "test.ask", TROUPE_FIELD(ask, tag, 1));
typedef struct enrol {
    uint64_t tag;
} enrol;
TROUPE_TYPE(enrol, "test.enrol", TROUPE_FIELD(enrol, tag, 1));
TROUPE_TYPE_EMPTY(begin_one, "test.begin");

static int on_told(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    tr_mutex_lock(&seen.mutex);
    assert_true(seen.told_count < RESULTS_MAX);
    seen.told[seen.told_count++] =
        (struct told){.tag = result->tag, .status = result->status, .pid = result->pid};
    tr_cond_broadcast(&seen.changed);
    tr_mutex_unlock(&seen.mutex);
    return TROUPE_OK;
}

/* Spawns an actor under the name. */
static int on_ask(troupe_self *self, void *state, const void *message)
{
    const troupe_spawn_options options = {.name = "x"};

    (void)state;
    const troupe_status status = troupe_spawn_on(self, NULL, "test.actor", NULL, NULL, &options,
                                                 DEADLINE_MS, on_told, ((const ask *)message)->tag);

    return status != TROUPE_OK ? status : troupe_reply(self, &ask_type, message);
}

/* Registers itself under the name. */
static int on_enrol(troupe_self *self, void *state, const void *message)
{
    (void)state;
    const troupe_status status =
        troupe_register(self, "x", DEADLINE_MS, on_told, ((const enrol *)message)->tag);

    return status != TROUPE_OK ? status : troupe_reply(self, &enrol_type, message);
}

static int on_begin_one(troupe_self *self, void *state, const void *message);

static const troupe_handler handlers[] = {
    {&ask_type, on_ask}, {&enrol_type, on_enrol}, {&begin_one_type, on_begin_one}, {0}};
static const troupe_behavior behavior = {.name = "test.actor", .handlers = handlers};

/* Spawns an actor under the name and tells its pid, which nobody has decided on. */
static int on_begin_one(troupe_self *self, void *state, const void *message)
{
    troupe_spawn_options options = {.name = "x"};
    troupe_pid pid = {0};
    const troupe_status status = troupe_spawn(self, &behavior, NULL, &options, &pid);

    (void)message;
    return on_told(self, state, &(const troupe_result){.status = status, .pid = pid});
}

/* When it returns, the wish is on its way, and those of later calls are behind it. */
static void tell_boss(const troupe_type *type, const void *message)
{
    troupe_result result = {0};

    assert_int_equal(troupe_node_call(node, boss, type, message, DEADLINE_MS, &result), TROUPE_OK);
    troupe_result_clear(&result);
}

static void ask_for(uint64_t tag)
{
    tell_boss(&ask_type, &(ask){.tag = tag});
}

static void assert_told(size_t index, uint64_t tag, troupe_status status, troupe_pid pid)
{
    assert_int_equal(seen.told[index].tag, tag);
    assert_int_equal(seen.told[index].status, status);
    assert_true(troupe_pid_equal(seen.told[index].pid, pid));
}

/* ---- tests ---- */

static void who_comes_second_waits_and_is_told_who_has_it(void **state)
{
    (void)state;
    ask_for(1);
    wait_for(&seen.held_count, 1);
    ask_for(2);
    ask_for(3);
    tell_boss(&enrol_type, &(enrol){.tag = 4});
    decide_next();
    wait_for(&seen.told_count, 4);
    assert_int_equal(seen.told[0].status, TROUPE_OK);
    for (size_t i = 1; i < 4; i++) {
        assert_told(i, i + 1, TROUPE_E_EXISTS, seen.told[0].pid);
    }
    assert_int_equal(seen.held_count, 1); /* The registry was not asked for those. */
}

static void all_are_told_of_the_one_elsewhere_that_has_it(void **state)
{
    const troupe_spawn_options options = {.name = "x"};
    troupe_pid holder = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn(other, &behavior, NULL, &options, &holder), TROUPE_OK);
    ask_for(1);
    wait_for(&seen.held_count, 1);
    ask_for(2);
    decide_next();
    decide_next();
    wait_for(&seen.told_count, 2);
    assert_told(0, 1, TROUPE_E_EXISTS, holder);
    assert_told(1, 2, TROUPE_E_EXISTS, holder);
}

static void the_next_gets_it_when_the_first_is_refused(void **state)
{
    (void)state;
    ask_for(1);
    wait_for(&seen.held_count, 1);
    ask_for(2);
    fake_cluster_set_away(cluster, true);
    decide_next();
    wait_for(&seen.told_count, 1);
    assert_int_equal(seen.told[0].status, TROUPE_E_REGISTRY);
    fake_cluster_set_away(cluster, false);
    decide_next();
    wait_for(&seen.told_count, 2);
    assert_int_equal(seen.told[1].tag, 2);
    assert_int_equal(seen.told[1].status, TROUPE_OK);
}

/* The registry gives the name to an actor that has ended meanwhile. */
static void the_next_gets_it_when_the_first_is_dead_by_then(void **state)
{
    int32_t kind = 0;

    (void)state;
    assert_int_equal(troupe_node_send(node, boss, &begin_one_type, NULL), TROUPE_OK);
    wait_for(&seen.told_count, 1);
    assert_int_equal(seen.told[0].status, TROUPE_OK);
    wait_for(&seen.held_count, 1);
    ask_for(2);
    assert_int_equal(troupe_node_exit(node, seen.told[0].pid, TROUPE_REASON_KILL, ""), TROUPE_OK);
    assert_int_equal(troupe_node_join(node, seen.told[0].pid, DEADLINE_MS, &kind), TROUPE_OK);
    ask_for(3);
    decide_next();
    decide_next();
    wait_for(&seen.told_count, 3);
    assert_int_equal(seen.told[1].tag, 2);
    assert_int_equal(seen.told[1].status, TROUPE_OK);
    assert_told(2, 3, TROUPE_E_EXISTS, seen.told[1].pid);
}

static troupe_node *start(bool holds)
{
    troupe_config config;
    troupe_node *started = NULL;

    troupe_config_init(&config);
    config.name = holds ? "n1" : "n2";
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    if (holds) {
        seen.register_name = config.registry->port.register_name;
        config.registry->port.register_name = hold;
    }
    assert_int_equal(troupe_node_start(&config, &started, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_add_behavior(started, &behavior, NULL, 0), TROUPE_OK);
    return started;
}

static int begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    tr_mutex_init(&seen.mutex);
    tr_cond_init(&seen.changed);
    cluster = fake_cluster_create();
    other = start(false);
    node = start(true);
    assert_int_equal(troupe_node_spawn(node, &behavior, NULL, NULL, &boss), TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (; seen.released < seen.held_count; seen.released++) {
        seen.register_name(seen.registry, &seen.held[seen.released]);
    }
    troupe_node_stop(node, 5000);
    troupe_node_stop(other, 5000);
    fake_cluster_destroy(cluster);
    tr_cond_fini(&seen.changed);
    tr_mutex_fini(&seen.mutex);
    return 0;
}

#define RIVALS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIVALS_TEST(who_comes_second_waits_and_is_told_who_has_it),
        RIVALS_TEST(all_are_told_of_the_one_elsewhere_that_has_it),
        RIVALS_TEST(the_next_gets_it_when_the_first_is_refused),
        RIVALS_TEST(the_next_gets_it_when_the_first_is_dead_by_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
