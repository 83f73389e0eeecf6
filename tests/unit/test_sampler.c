/* What is tested: what a node writes of its actors for people to read, and when it writes nothing.
 * The registry is the one in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "support/fake_registry.h"
#include "sync/thread.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000, CROWD = 100 };

static struct fake_cluster *cluster;
static troupe_node *node;
static struct fake_samples seen;

/* ---- an actor that a test can hold up ---- */

static struct {
    struct tr_mutex mutex;
    struct tr_cond changed;
    bool held;
    bool open;
} gate;

TROUPE_TYPE_EMPTY(block, "test.block");
TROUPE_TYPE_EMPTY(poke, "test.poke");

static int on_block(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    tr_mutex_lock(&gate.mutex);
    gate.held = true;
    tr_cond_broadcast(&gate.changed);
    while (!gate.open) {
        tr_cond_wait(&gate.changed, &gate.mutex);
    }
    tr_mutex_unlock(&gate.mutex);
    return TROUPE_OK;
}

static int on_poke(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&block_type, on_block}, {&poke_type, on_poke}, {0}};
static const troupe_behavior slow = {.name = "test.slow", .handlers = handlers};
static const troupe_behavior crowd = {.name = "test.crowd", .handlers = handlers};

static void open_gate(void)
{
    tr_mutex_lock(&gate.mutex);
    gate.open = true;
    tr_cond_broadcast(&gate.changed);
    tr_mutex_unlock(&gate.mutex);
}

/* Has the actor wait in its handler, with so many messages behind that one. */
static void hold(troupe_pid pid, int messages)
{
    assert_int_equal(troupe_node_send(node, pid, &block_type, NULL), TROUPE_OK);
    tr_mutex_lock(&gate.mutex);
    while (!gate.held) {
        assert_true(
            tr_cond_wait_for(&gate.changed, &gate.mutex, (int64_t)DEADLINE_MS * TR_NS_PER_MS));
    }
    tr_mutex_unlock(&gate.mutex);
    for (int i = 0; i < messages; i++) {
        assert_int_equal(troupe_node_send(node, pid, &poke_type, NULL), TROUPE_OK);
    }
}

static int begin(void **state)
{
    troupe_config config;

    (void)state;
    gate.held = false;
    gate.open = false;
    cluster = fake_cluster_create();
    troupe_config_init(&config);
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    config.exit_when_fenced = true;
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_add_behavior(node, &slow, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_add_behavior(node, &crowd, NULL, 0), TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    open_gate();
    troupe_node_stop(node, DEADLINE_MS);
    fake_cluster_destroy(cluster);
    return 0;
}

static troupe_pid spawn(const troupe_behavior *behavior)
{
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(node, behavior, NULL, NULL, &pid), TROUPE_OK);
    return pid;
}

/* ---- waiting for what is written ---- */

/* Waits for a condition over `seen`. */
static void wait_for(bool (*condition)(uint64_t what), uint64_t what)
{
    const int64_t until = tr_clock_now(&tr_clock_system) + (int64_t)DEADLINE_MS * TR_NS_PER_MS;

    do {
        assert_true(tr_clock_now(&tr_clock_system) < until);
        tr_mutex_lock(&gate.mutex);
        (void)tr_cond_wait_for(&gate.changed, &gate.mutex, TR_NS_PER_MS);
        tr_mutex_unlock(&gate.mutex);
        fake_cluster_samples(cluster, &seen);
    } while (!condition(what));
}

static uint64_t count_of(const char *behavior)
{
    for (size_t i = 0; i < seen.census_count; i++) {
        if (strcmp(seen.census[i].behavior, behavior) == 0) {
            return seen.census[i].actors;
        }
    }
    return 0;
}

static bool crowd_is(uint64_t actors)
{
    return seen.census_calls > 0 && count_of("test.crowd") == actors;
}

static bool shows(uint64_t actor_id)
{
    return seen.actor_count == 1 && seen.actors[0].actor_id == actor_id;
}

static bool is_old(uint64_t actor_id)
{
    return shows(actor_id) && seen.actors[0].oldest_ms >= TR_SAMPLE_MS;
}

static bool has_gone(uint64_t actor_id)
{
    return seen.actor_count == 0 && seen.gone_count == 1 && seen.gone[0] == actor_id;
}

static bool has_refused(uint64_t refused)
{
    return seen.refused >= refused;
}

static bool has_calls(uint64_t calls)
{
    return seen.calls >= calls;
}

/* ---- tests ---- */

static void actors_are_counted_by_behavior(void **state)
{
    troupe_pid pids[CROWD];

    (void)state;
    for (int i = 0; i < CROWD; i++) {
        pids[i] = spawn(&crowd);
    }
    (void)spawn(&slow);
    wait_for(crowd_is, CROWD);
    assert_int_equal(count_of("test.slow"), 1);
    assert_int_equal(seen.actor_count, 0);
    for (int i = 0; i < CROWD / 2; i++) {
        assert_int_equal(troupe_node_exit(node, pids[i], TROUPE_REASON_KILL, NULL), TROUPE_OK);
    }
    wait_for(crowd_is, CROWD / 2);
}

static void an_actor_that_is_stuck_is_shown_until_it_goes_on(void **state)
{
    enum { WAITING = 70 };
    const troupe_pid pid = spawn(&slow);

    (void)state;
    hold(pid, WAITING);
    wait_for(shows, pid.id);
    assert_string_equal(seen.actors[0].behavior, "test.slow");
    wait_for(is_old, pid.id);
    assert_in_range(seen.actors[0].messages, WAITING, WAITING + 1);
    open_gate();
    wait_for(has_gone, pid.id);
}

/* What changes while the database is away is offered again and again, and written
 * once when it is back. */
static void nothing_is_written_while_nothing_changes_or_the_database_is_away(void **state)
{
    (void)state;
    (void)spawn(&crowd);
    wait_for(crowd_is, 1);
    const size_t calls = seen.calls;

    fake_cluster_set_away(cluster, true);
    (void)spawn(&crowd);
    wait_for(has_refused, 2);
    assert_int_equal(seen.calls, calls);
    fake_cluster_set_away(cluster, false);
    wait_for(crowd_is, 2);
    assert_int_equal(seen.calls, calls + 1);
    const size_t refused = seen.refused;

    /* Nothing has changed: nothing is even offered.. */
    fake_cluster_set_away(cluster, true);
    const int64_t until =
        tr_clock_now(&tr_clock_system) + 2LL * TR_SAMPLE_MS * TR_NS_PER_MS + TR_NS_PER_MS;

    while (tr_clock_now(&tr_clock_system) < until) {
        tr_mutex_lock(&gate.mutex);
        (void)tr_cond_wait_for(&gate.changed, &gate.mutex, until - tr_clock_now(&tr_clock_system));
        tr_mutex_unlock(&gate.mutex);
    }
    fake_cluster_samples(cluster, &seen);
    assert_int_equal(seen.refused, refused);
    assert_int_equal(seen.calls, calls + 1);
    fake_cluster_set_away(cluster, false);
}

static void what_was_not_written_is_written_again(void **state)
{
    (void)state;
    (void)spawn(&crowd);
    fake_cluster_lose_samples(cluster, true);
    wait_for(has_calls, 3);
    assert_true(crowd_is(1));
    fake_cluster_lose_samples(cluster, false);
    const size_t census_calls = seen.census_calls;

    wait_for(has_calls, seen.calls + 1);
    assert_true(seen.census_calls > census_calls);
}

/* The database may have the counts whose fate is not known, and the old ones are true again. */
static void counts_whose_fate_is_not_known_are_corrected(void **state)
{
    (void)state;
    (void)spawn(&crowd);
    wait_for(crowd_is, 1);
    fake_cluster_lose_samples(cluster, true);
    const troupe_pid second = spawn(&crowd);

    wait_for(crowd_is, 2);
    assert_int_equal(troupe_node_exit(node, second, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    wait_for(crowd_is, 1);
}

int main(void)
{
#define SAMPLER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        SAMPLER_TEST(actors_are_counted_by_behavior),
        SAMPLER_TEST(an_actor_that_is_stuck_is_shown_until_it_goes_on),
        SAMPLER_TEST(nothing_is_written_while_nothing_changes_or_the_database_is_away),
        SAMPLER_TEST(what_was_not_written_is_written_again),
        SAMPLER_TEST(counts_whose_fate_is_not_known_are_corrected),
    };

    tr_mutex_init(&gate.mutex);
    tr_cond_init(&gate.changed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
