/* What is tested: durable state machines, on a node whose registry is the one in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "support/fake_registry.h"
#include "troupe/troupe.h"

enum { DEADLINE_MS = 20000, READY = 0, RUNNING = 1, STATES };

static struct fake_cluster *cluster;
static troupe_node *node;
static atomic_int entered[STATES];

typedef struct job {
    int32_t state;
    int64_t late; /* state timeouts that came */
    int64_t entered;
} job;
TROUPE_TYPE(job, "test.job", TROUPE_FIELD(job, state, 1), TROUPE_FIELD(job, late, 2),
            TROUPE_FIELD(job, entered, 3));
TROUPE_TYPE_EMPTY(run, "test.run");
TROUPE_TYPE_EMPTY(ask, "test.ask");
TROUPE_TYPE_EMPTY(fail, "test.fail");

static int enter(troupe_self *self, void *data, int32_t from)
{
    job *j = data;

    (void)self;
    (void)from;
    j->entered++;
    (void)atomic_fetch_add(&entered[j->state], 1);
    return TROUPE_OK;
}

static int answer(troupe_self *self, void *data, const void *message)
{
    (void)message;
    return troupe_reply(self, &job_type, data);
}

static int on_late(troupe_self *self, void *data, const void *message)
{
    (void)self;
    (void)message;
    ((job *)data)->late++;
    return TROUPE_OK;
}

static int on_fail(troupe_self *self, void *data, const void *message)
{
    (void)message;
    ((job *)data)->late = 1000; /* Not committed. */
    return troupe_fail(self, "told to");
}

static const troupe_state states[STATES] = {{.name = "ready", .enter = enter},
                                            {.name = "running", .enter = enter, .timeout_ms = 50}};
static const troupe_transition rows[] = {
    {.from = READY, .on = &run_type, .to = RUNNING, .action = answer},
    {.from = TROUPE_STATE_ANY, .on = &ask_type, .to = TROUPE_STATE_KEEP, .action = answer},
    {.from = TROUPE_STATE_ANY, .on = &fail_type, .to = READY, .action = on_fail},
    {.from = RUNNING, .on = &troupe_state_timeout_type, .to = TROUPE_STATE_KEEP, .action = on_late},
};
static const troupe_statem machine = {.states = states,
                                      .states_count = STATES,
                                      .transitions = rows,
                                      .transitions_count = 4,
                                      .state_offset = offsetof(job, state)};
static const troupe_behavior job_behavior = {
    .name = "test.job", .state = &job_type, .machine = &machine};

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Calls the name until somebody answers. */
static job call(const troupe_type *type)
{
    const int64_t until = now_ms() + DEADLINE_MS;
    troupe_result result = {0};

    while (troupe_node_call_name(node, "job", type, NULL, 1000, &result) != TROUPE_OK) {
        assert_true(now_ms() < until);
        troupe_result_clear(&result);
    }
    const job seen = *(const job *)result.value;

    troupe_result_clear(&result);
    return seen;
}

static int begin(void **state)
{
    troupe_config config;

    (void)state;
    cluster = fake_cluster_create();
    troupe_config_init(&config);
    config.workers = 2;
    config.registry = fake_registry_create(cluster);
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_add_behavior(node, &job_behavior, NULL, 0), TROUPE_OK);
    for (int i = 0; i < STATES; i++) {
        atomic_store(&entered[i], 0);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    troupe_node_stop(node, 5000);
    fake_cluster_destroy(cluster);
    return 0;
}

static void a_durable_machine_comes_back_in_its_state_without_entering_it_again(void **state)
{
    const troupe_child child = {
        .id = "job", .behavior = &job_behavior, .name = "job", .flags = TROUPE_SPAWN_DURABLE};
    const troupe_supervisor tree = {.children = &child, .children_count = 1};
    const int64_t until = now_ms() + DEADLINE_MS;
    troupe_result result = {0};
    troupe_pid supervisor = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn_supervisor(node, &tree, NULL, &supervisor), TROUPE_OK);
    (void)call(&run_type);
    while (call(&ask_type).late == 0) {
        assert_true(now_ms() < until); /* Its time is over once. */
    }
    assert_int_equal(troupe_node_call_name(node, "job", &fail_type, NULL, DEADLINE_MS, &result),
                     TROUPE_E_EXITED);
    troupe_result_clear(&result);
    job seen = call(&ask_type);

    assert_int_equal(seen.state, RUNNING);
    assert_in_range(seen.late, 1, 2);
    assert_int_equal(seen.entered, 2);
    while (call(&ask_type).late < 2) {
        assert_true(now_ms() < until); /* The time of the state begins anew. */
    }
    assert_int_equal(atomic_load(&entered[READY]), 1);
    assert_int_equal(atomic_load(&entered[RUNNING]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_durable_machine_comes_back_in_its_state_without_entering_it_again, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
