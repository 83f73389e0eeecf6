/* What is tested: troupe_spawn_on with a link or a monitor on another node: the new actor's end is
 * told exactly once, however soon it comes, and so is the loss of either node, wherever it cuts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/nodes.h"

enum { SPAWNS = 60 };

/* ---- what is started there ---- */

enum fate { LIVES, DIES_AT_ONCE, FAILS_IN_INIT };
typedef struct fate_args {
    int32_t fate;
} fate_args;
TROUPE_TYPE(fate_args, "test.fate", TROUPE_FIELD(fate_args, fate, 1));

static atomic_int children;

static int child_init(troupe_self *self, void *state, const void *args)
{
    const fate_args *fate = args;

    (void)state;
    if (fate->fate == FAILS_IN_INIT) {
        return troupe_fail(self, "not today");
    }
    (void)atomic_fetch_add(&children, 1);
    return fate->fate == DIES_AT_ONCE ? troupe_stop(self, TROUPE_REASON_ERROR, "at once")
                                      : TROUPE_OK;
}

static void child_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)state;
    (void)reason;
    (void)atomic_fetch_sub(&children, 1);
}

static const troupe_behavior child_behavior = {.name = "test.child",
                                               .args = &fate_args_type,
                                               .init = child_init,
                                               .terminate = child_terminate};
static const troupe_behavior *const behaviors[] = {&child_behavior, NULL};

/* ---- who starts it ---- */

typedef struct spawn_order {
    int32_t fate;
    uint32_t flags;
    uint32_t timeout_ms;
} spawn_order;
TROUPE_TYPE(spawn_order, "test.spawn", TROUPE_FIELD(spawn_order, fate, 1),
            TROUPE_FIELD(spawn_order, flags, 2), TROUPE_FIELD(spawn_order, timeout_ms, 3));
TROUPE_TYPE_EMPTY(tally_ask, "test.tally.ask");

/* What one parent has seen; the actor's own, but for counts that the test reads. */
static struct {
    atomic_int results;
    atomic_int started; /* results that were OK */
    atomic_int refused; /* NOCONNECTION */
    atomic_int failed;  /* anything else */
    atomic_int downs;
    atomic_int exits;
    atomic_int strangers; /* news of an actor that nobody has answered for, or twice */
    troupe_pid pids[SPAWNS];
    uint64_t monitors[SPAWNS];
    bool told_down[SPAWNS];
    bool told_exit[SPAWNS];
    size_t count;
} seen;

static size_t place_of(troupe_pid pid)
{
    for (size_t i = 0; i < seen.count; i++) {
        if (troupe_pid_equal(seen.pids[i], pid)) {
            return i;
        }
    }
    return SPAWNS;
}

static int on_spawned(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    if (result->status == TROUPE_OK && seen.count < SPAWNS) {
        seen.monitors[seen.count] = result->monitor;
        seen.pids[seen.count++] = result->pid;
        (void)atomic_fetch_add(&seen.started, 1);
    } else if (result->status == TROUPE_E_NOCONNECTION) {
        (void)atomic_fetch_add(&seen.refused, 1);
    } else {
        (void)atomic_fetch_add(&seen.failed, 1);
    }
    (void)atomic_fetch_add(&seen.results, 1);
    return TROUPE_OK;
}

static int on_spawn_order(troupe_self *self, void *state, const void *message)
{
    const spawn_order *order = message;
    const troupe_spawn_options options = {.flags = order->flags};

    (void)state;
    return troupe_spawn_on(self, "n2", "test.child", &(fate_args){.fate = order->fate},
                           &fate_args_type, &options, order->timeout_ms, on_spawned, 0);
}

/* An end may only be told after the answer that names the actor. */
static void note(troupe_pid from, bool *told, atomic_int *count)
{
    const size_t place = place_of(from);

    if (place == SPAWNS || told[place]) {
        (void)atomic_fetch_add(&seen.strangers, 1);
    } else {
        told[place] = true;
    }
    (void)atomic_fetch_add(count, 1);
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;
    const size_t place = place_of(down->from);

    (void)self;
    (void)state;
    if (place < SPAWNS && seen.monitors[place] != down->monitor) {
        (void)atomic_fetch_add(&seen.strangers, 1);
    }
    note(down->from, seen.told_down, &seen.downs);
    return TROUPE_OK;
}

static int on_exit_signal(troupe_self *self, void *state, const void *message)
{
    const troupe_pid from = ((const troupe_exit_message *)message)->from;

    (void)self;
    (void)state;
    if (from.node != node_id_of(1)) {
        return TROUPE_STOP; /* Its own node stops. */
    }
    note(from, seen.told_exit, &seen.exits);
    return TROUPE_OK;
}

static int parent_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static const troupe_handler parent_handlers[] = {{&spawn_order_type, on_spawn_order},
                                                 {&troupe_down_type, on_down},
                                                 {&troupe_exit_type, on_exit_signal},
                                                 {0}};
static const troupe_behavior parent_behavior = {
    .name = "test.parent", .init = parent_init, .handlers = parent_handlers};

static troupe_pid parent;

static int begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    atomic_store(&children, 0);
    nodes_behaviors = behaviors;
    nodes_begin(2, NULL);
    assert_int_equal(troupe_node_spawn(stages[0]->node, &parent_behavior, NULL, NULL, &parent),
                     TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

static void order(enum fate fate, uint32_t flags, uint32_t timeout_ms)
{
    const spawn_order message = {.fate = (int32_t)fate, .flags = flags, .timeout_ms = timeout_ms};

    assert_int_equal(troupe_node_send(stages[0]->node, parent, &spawn_order_type, &message),
                     TROUPE_OK);
}

struct goal {
    atomic_int *what;
    int count;
};

static bool is_reached(void *context)
{
    const struct goal *goal = context;

    return atomic_load(goal->what) == goal->count;
}

static void wait_count(atomic_int *what, int count)
{
    struct goal goal = {.what = what, .count = count};

    if (!wait_until(is_reached, &goal)) {
        fail_msg("%d, not %d", atomic_load(what), count);
    }
}

static const uint32_t both = TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR;

/* ---- tests ---- */

static void an_end_right_after_the_start_is_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < SPAWNS; i++) {
        order(DIES_AT_ONCE, both, DEADLINE_MS);
        if (i % 10 == 5) {
            node_cut(i % 20 == 5 ? 0 : 1, i % 20 == 5 ? 1 : 0);
        }
    }
    wait_count(&seen.downs, SPAWNS);
    wait_count(&seen.exits, SPAWNS);
    assert_int_equal(atomic_load(&seen.started), SPAWNS);
    assert_int_equal(atomic_load(&seen.strangers), 0);
}

static void what_fails_in_init_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        order(FAILS_IN_INIT, both, DEADLINE_MS);
    }
    wait_count(&seen.results, 10);
    assert_int_equal(atomic_load(&seen.failed), 10);
    order(DIES_AT_ONCE, both, DEADLINE_MS); /* A mark: what came before it has come. */
    wait_count(&seen.downs, 1);
    wait_count(&seen.exits, 1);
    assert_int_equal(atomic_load(&seen.strangers), 0);
}

/* Whoever was started is told of once; whoever was not, not at all. */
static void all_is_told_once(int asked)
{
    wait_count(&seen.results, asked);
    const int started = atomic_load(&seen.started);

    wait_count(&seen.downs, started);
    wait_count(&seen.exits, started);
    assert_int_equal(started + atomic_load(&seen.refused) + atomic_load(&seen.failed), asked);
    assert_int_equal(atomic_load(&seen.strangers), 0);
}

static void a_node_that_dies_between_request_and_answer_is_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < SPAWNS; i++) {
        order(LIVES, both, DEADLINE_MS);
        if (i == SPAWNS / 2) {
            node_kill(1);
        }
    }
    all_is_told_once(SPAWNS);
    wait_count(&children, 0);
}

static void a_node_that_leaves_between_request_and_answer_is_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < SPAWNS; i++) {
        order(LIVES, both, DEADLINE_MS);
    }
    node_end(1);
    all_is_told_once(SPAWNS);
    wait_count(&children, 0);
}

static void children_of_a_parent_that_ends_meanwhile_end_too(void **state)
{
    (void)state;
    for (int i = 0; i < SPAWNS; i++) {
        order(LIVES, TROUPE_SPAWN_LINK, DEADLINE_MS);
    }
    assert_int_equal(troupe_node_exit(stages[0]->node, parent, TROUPE_REASON_KILL, NULL),
                     TROUPE_OK);
    stage_wait_actors(stages[0], 0);
    /* What another asks for now comes there after all that the dead one had asked for. Its children
     * end as it did, killed: their terminate is not called. */
    const int started = atomic_load(&seen.started);

    assert_int_equal(troupe_node_spawn(stages[0]->node, &parent_behavior, NULL, NULL, &parent),
                     TROUPE_OK);
    order(LIVES, 0, DEADLINE_MS);
    wait_count(&seen.started, started + 1);
    stage_wait_actors(stages[1], 1);
}

static void children_of_a_node_that_dies_meanwhile_end_too(void **state)
{
    (void)state;
    for (int i = 0; i < SPAWNS; i++) {
        order(LIVES, TROUPE_SPAWN_LINK, DEADLINE_MS);
    }
    node_kill(0);
    stage_wait_actors(stages[1], 0);
    wait_count(&children, 0);
}

static void who_has_given_up_waiting_is_linked_to_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < SPAWNS; i++) {
        order(LIVES, both, 1);
    }
    wait_count(&seen.results, SPAWNS);
    const int started = atomic_load(&seen.started);

    /* Those that came in time are linked; of the others nobody hears. */
    node_kill(1);
    wait_count(&seen.exits, started);
    wait_count(&seen.downs, started);
    order(LIVES, both, 100); /* A mark. */
    wait_count(&seen.results, SPAWNS + 1);
    assert_int_equal(atomic_load(&seen.strangers), 0);
    assert_int_equal(atomic_load(&seen.exits), started);
}

#define SPAWN_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPAWN_TEST(an_end_right_after_the_start_is_told_once),
        SPAWN_TEST(what_fails_in_init_leaves_nothing),
        SPAWN_TEST(a_node_that_dies_between_request_and_answer_is_told_once),
        SPAWN_TEST(a_node_that_leaves_between_request_and_answer_is_told_once),
        SPAWN_TEST(children_of_a_parent_that_ends_meanwhile_end_too),
        SPAWN_TEST(children_of_a_node_that_dies_meanwhile_end_too),
        SPAWN_TEST(who_has_given_up_waiting_is_linked_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
