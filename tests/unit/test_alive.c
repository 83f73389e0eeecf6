/* What is tested: troupe_is_alive over real sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/nodes.h"
#include "troupe/cluster.h"

static int begin(void **state)
{
    (void)state;
    nodes_begin(3, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

/* ---- whether an actor lives ---- */

static void an_actor_lives_until_it_has_ended_wherever_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct probe *probe = probe_spawn(stages[i], NULL);
        const troupe_pid pid = probe->pid;

        assert_int_equal(troupe_node_is_alive(stages[0]->node, pid, DEADLINE_MS), TROUPE_OK);
        probe_stop(probe, TROUPE_REASON_NORMAL, NULL);
        (void)probe_end(probe);
        assert_int_equal(troupe_node_is_alive(stages[0]->node, pid, DEADLINE_MS), TROUPE_E_NOPROC);
        assert_int_equal(troupe_node_is_alive(stages[0]->node,
                                              (troupe_pid){.node = pid.node, .id = 1u << 30},
                                              DEADLINE_MS),
                         TROUPE_E_NOPROC);
    }
    assert_int_equal(troupe_node_is_alive(stages[0]->node, (troupe_pid){0}, 1000),
                     TROUPE_E_INVALID);
}

static void a_busy_actor_is_not_disturbed_by_the_question(void **state)
{
    struct probe *probe = probe_spawn(stages[1], NULL);
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_block(probe, &gate);
    assert_int_equal(troupe_node_is_alive(stages[0]->node, probe->pid, DEADLINE_MS), TROUPE_OK);
    gate_open(&gate);
    gate_fini(&gate);
    assert_int_equal(probe_seen(probe), 0);
    assert_int_equal(stage_info(stages[1]).messages_unknown, 0);
}

static int alive_then(troupe_self *self, void *state, const troupe_result *result)
{
    troupe_status *status = (troupe_status *)(uintptr_t)result->tag;

    (void)self;
    (void)state;
    *status = result->status;
    return TROUPE_OK;
}

static bool answered; /* the actor's while it looks */

struct question {
    troupe_pid pid;
    troupe_status status;
};

static int ask_alive(troupe_self *self, struct probe *probe, void *context)
{
    struct question *question = context;

    (void)probe;
    return troupe_is_alive(self, question->pid, 0, alive_then,
                           (uint64_t)(uintptr_t)&question->status);
}

/* Nothing to do: what was asked before it may have been answered meanwhile. */
static int look(troupe_self *self, struct probe *probe, void *context)
{
    const struct question *question = context;

    (void)self;
    (void)probe;
    answered = question->status != TROUPE_E_AGAIN;
    return TROUPE_OK;
}

static troupe_status alive_by_actor(struct probe *asker, troupe_pid pid)
{
    struct question question = {.pid = pid, .status = TROUPE_E_AGAIN};
    const int64_t until = clock_ms() + DEADLINE_MS;

    answered = false;
    assert_int_equal(probe_do(asker, ask_alive, &question), TROUPE_OK);
    while (!answered && clock_ms() < until) {
        assert_int_equal(probe_do(asker, look, &question), TROUPE_OK);
    }
    assert_true(answered);
    return question.status;
}

static void actors_ask_too(void **state)
{
    struct probe *asker = probe_spawn(stages[0], NULL);
    struct probe *here = probe_spawn(stages[0], NULL);
    struct probe *there = probe_spawn(stages[1], NULL);

    (void)state;
    assert_int_equal(alive_by_actor(asker, here->pid), TROUPE_OK);
    assert_int_equal(alive_by_actor(asker, there->pid), TROUPE_OK);
    probe_stop(here, TROUPE_REASON_NORMAL, NULL);
    probe_stop(there, TROUPE_REASON_ERROR, "why");
    (void)probe_end(here);
    (void)probe_end(there);
    assert_int_equal(alive_by_actor(asker, here->pid), TROUPE_E_NOPROC);
    assert_int_equal(alive_by_actor(asker, there->pid), TROUPE_E_NOPROC);
}

static void of_a_lost_node_nothing_is_known(void **state)
{
    struct probe *there = probe_spawn(stages[1], NULL);
    const troupe_pid pid = there->pid;

    (void)state;
    node_end(1);
    nodes_wait(2);
    assert_int_equal(troupe_node_is_alive(stages[0]->node, pid, DEADLINE_MS),
                     TROUPE_E_NOCONNECTION);
}

#define ALIVE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALIVE_TEST(an_actor_lives_until_it_has_ended_wherever_it_is),
        ALIVE_TEST(a_busy_actor_is_not_disturbed_by_the_question),
        ALIVE_TEST(actors_ask_too),
        ALIVE_TEST(of_a_lost_node_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
