/* What is tested: starting and stopping nodes, and what they tell of themselves, through the public
 * API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "support/actors.h"

static troupe_config config_of(uint32_t workers)
{
    troupe_config config;

    troupe_config_init(&config);
    config.workers = workers;
    return config;
}

static void a_node_starts_and_stops_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        const troupe_config config = config_of((uint32_t)(1 + i % 4));
        troupe_node *node = NULL;

        assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
        troupe_node_stop(node, 1000);
    }
}

static void stopping_nothing_is_fine(void **state)
{
    (void)state;
    troupe_node_stop(NULL, 1000);
}

struct mistake {
    const char *words;
    void (*make)(troupe_config *config);
};

static void no_name(troupe_config *config)
{
    config->name = NULL;
}

static void bad_name(troupe_config *config)
{
    config->name = "a b";
}

static void many_workers(troupe_config *config)
{
    config->workers = 65;
}

static void short_secret(troupe_config *config)
{
    config->secret = (troupe_bytes){.data = (const uint8_t *)"short", .size = 5};
}

static void short_lease(troupe_config *config)
{
    config->lease_ttl_ms = 10;
}

static void no_actors(troupe_config *config)
{
    config->actors_max = 0;
}

static void huge_mailbox(troupe_config *config)
{
    config->mailbox_messages = 1000001;
}

static void no_bytes(troupe_config *config)
{
    config->mailbox_bytes = 0;
}

static void no_call_timeout(troupe_config *config)
{
    config->call_timeout_ms = 0;
}

static void other_version(troupe_config *config)
{
    config->struct_size = 8;
}

static void a_bad_configuration_is_refused_with_words(void **state)
{
    static const struct mistake mistakes[] = {
        {"name", no_name},
        {"name", bad_name},
        {"workers", many_workers},
        {"secret", short_secret},
        {"lease", short_lease},
        {"actors_max", no_actors},
        {"mailbox", huge_mailbox},
        {"mailbox", no_bytes},
        {"call_timeout_ms", no_call_timeout},
        {"troupe_config_init", other_version},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        troupe_config config = config_of(1);
        troupe_node *node = NULL;
        char error[256] = "";

        mistakes[i].make(&config);
        assert_int_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_E_INVALID);
        assert_null(node);
        assert_non_null(strstr(error, mistakes[i].words));
    }
}

static void several_nodes_live_in_one_process(void **state)
{
    struct stage *first = stage_begin(1);
    struct stage *second = stage_begin(1);
    struct probe *a = probe_spawn(first, NULL);
    struct probe *b = probe_spawn(second, NULL);

    (void)state;
    probe_send(a, a->pid, 1);
    probe_send(b, b->pid, 2);
    assert_int_equal(probe_wait(a, 0)->number, 1);
    assert_int_equal(probe_wait(b, 0)->number, 2);
    stage_end(first);
    probe_send(b, b->pid, 3);
    assert_int_equal(probe_wait(b, 1)->number, 3);
    stage_end(second);
}

static void a_node_tells_of_itself(void **state)
{
    struct stage *stage = stage_begin(2);
    const troupe_node_info before = stage_info(stage);

    (void)state;
    assert_string_equal(troupe_node_name(stage->node), "local");
    assert_int_equal(before.actors, 0);
    assert_int_equal(before.actors_started, 0);
    assert_int_equal(before.node_id, 1);
    assert_int_equal(before.peers, 0);
    struct probe *a = probe_spawn(stage, NULL);

    probe_stop(a, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 0);
    assert_int_equal(stage_info(stage).actors_started, 1);
    assert_int_equal(troupe_node_wait_cluster(stage->node, 1, 1000), TROUPE_OK);
    assert_int_equal(troupe_node_wait_cluster(stage->node, 2, 20), TROUPE_E_TIMEOUT);
    stage_end(stage);
}

/* ---- stopping ---- */

static atomic_int asked;
static atomic_int ended;
static atomic_int released;

static int stubborn_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static int stubborn_on_exit(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&asked, 1);
    return TROUPE_OK;
}

static void count_end(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)state;
    (void)atomic_fetch_add(&ended, reason->kind == TROUPE_REASON_SHUTDOWN ? 1 : 1000);
}

static void count_release(void *state)
{
    (void)state;
    (void)atomic_fetch_add(&released, 1);
}

static const troupe_handler stubborn_handlers[] = {{&troupe_exit_type, stubborn_on_exit}, {0}};
static const troupe_behavior stubborn_behavior = {.name = "test.stubborn",
                                                  .state_size = 8,
                                                  .init = stubborn_init,
                                                  .terminate = count_end,
                                                  .release = count_release,
                                                  .handlers = stubborn_handlers};
static const troupe_behavior orderly_behavior = {
    .name = "test.orderly", .state_size = 8, .terminate = count_end, .release = count_release};

static void who_ignores_the_shutdown_is_killed_after_the_timeout(void **state)
{
    const troupe_config config = config_of(2);
    troupe_node *node = NULL;
    troupe_pid pid = {0};

    (void)state;
    atomic_store(&asked, 0);
    atomic_store(&ended, 0);
    atomic_store(&released, 0);
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(troupe_node_spawn(node,
                                           i % 2 == 0 ? &stubborn_behavior : &orderly_behavior,
                                           NULL, NULL, &pid),
                         TROUPE_OK);
    }
    const int64_t before = clock_ms();

    troupe_node_stop(node, 100);
    assert_in_range(clock_ms() - before, 100, DEADLINE_MS / 2);
    assert_true(atomic_load(&asked) >= 10);
    assert_int_equal(atomic_load(&ended), 10); /* The others, each with the reason shutdown. */
    assert_int_equal(atomic_load(&released), 20);
}

static void actors_with_work_to_do_end_with_the_node(void **state)
{
    struct stage *stage = stage_begin(2);

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct probe *probe = probe_spawn(stage, NULL);

        for (int j = 0; j < 500; j++) {
            assert_int_equal(
                troupe_node_send(stage->node, probe->pid, &number_type, &(number){.value = j}),
                TROUPE_OK);
        }
    }
    stage_end(stage); /* Leaks and early frees are AddressSanitizer's to tell. */
}

/* Stops when told, and starts another one of its kind in its last words. */
static void start_another(troupe_self *self, void *state, const troupe_reason *reason)
{
    troupe_pid pid = {0};
    const troupe_status status = troupe_spawn(self, &orderly_behavior, NULL, NULL, &pid);

    (void)state;
    (void)reason;
    (void)status;
}

static const troupe_behavior hydra_behavior = {.name = "test.hydra", .terminate = start_another};

static void actors_started_by_dying_ones_end_too(void **state)
{
    const troupe_config config = config_of(2);
    troupe_node *node = NULL;
    troupe_pid pid = {0};

    (void)state;
    atomic_store(&released, 0);
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(troupe_node_spawn(node, &hydra_behavior, NULL, NULL, &pid), TROUPE_OK);
    }
    troupe_node_stop(node, 5000);
    assert_int_equal(atomic_load(&released), 10);
}

struct joiner {
    pthread_t thread;
    troupe_node *node;
    troupe_pid pid;
    troupe_status status;
    int32_t kind;
    atomic_bool started;
};

static void *join_actor(void *context)
{
    struct joiner *joiner = context;

    atomic_store(&joiner->started, true);
    joiner->status = troupe_node_join(joiner->node, joiner->pid, DEADLINE_MS, &joiner->kind);
    return NULL;
}

static void actors_max_is_a_limit(void **state)
{
    troupe_config config = config_of(1);
    troupe_node *node = NULL;
    troupe_pid pid = {0};
    troupe_status status = TROUPE_OK;
    int count = 0;

    (void)state;
    config.actors_max = 1000;
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_OK);
    while (status == TROUPE_OK && count < 3000) {
        status = troupe_node_spawn(node, &orderly_behavior, NULL, NULL, &pid);
        count += status == TROUPE_OK ? 1 : 0;
    }
    assert_int_equal(status, TROUPE_E_LIMIT);
    assert_in_range(count, 990, 1100);
    assert_int_equal(troupe_node_exit(node, pid, TROUPE_REASON_KILL, NULL), TROUPE_OK);
    for (int64_t until = clock_ms() + DEADLINE_MS; status != TROUPE_OK && clock_ms() < until;) {
        status = troupe_node_spawn(node, &orderly_behavior, NULL, NULL, &pid);
    }
    assert_int_equal(status, TROUPE_OK);
    troupe_node_stop(node, 5000);
}

/* ---- rest ---- */

static double cpu_seconds(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

static void an_idle_node_rests(void **state)
{
    struct stage *stage = stage_begin(4);
    struct joiner joiner = {.node = stage->node};
    int32_t kind = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct probe *probe = probe_spawn(stage, NULL);

        probe_send(probe, probe->pid, 1);
        (void)probe_wait(probe, 0);
        joiner.pid = probe->pid;
    }
    const double before = cpu_seconds();

    /* A wait that ends by its deadline, with nothing to do meanwhile. */
    assert_int_equal(troupe_node_join(stage->node, joiner.pid, 1000, &kind), TROUPE_E_TIMEOUT);
    const double used = cpu_seconds() - before;

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(used < 0.02);
#else
    (void)printf("used %.4f s\n", used);
    assert_true(used < 0.2);
#endif
    stage_end(stage);
}

static void a_thread_that_waits_for_an_end_is_told_when_the_node_stops(void **state)
{
    const troupe_config config = config_of(2);
    struct joiner joiner = {0};

    (void)state;
    assert_int_equal(troupe_node_start(&config, &joiner.node, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_spawn(joiner.node, &orderly_behavior, NULL, NULL, &joiner.pid),
                     TROUPE_OK);
    assert_int_equal(pthread_create(&joiner.thread, NULL, join_actor, &joiner), 0);
    while (!atomic_load(&joiner.started)) {
    }
    /* It waits, or is about to: both end well, since the actor is there until it is told to end. */
    assert_int_equal(troupe_node_exit(joiner.node, joiner.pid, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    assert_int_equal(pthread_join(joiner.thread, NULL), 0);
    assert_int_equal(joiner.status, TROUPE_OK);
    assert_true(joiner.kind == TROUPE_REASON_SHUTDOWN || joiner.kind == TROUPE_REASON_NOPROC);
    troupe_node_stop(joiner.node, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_starts_and_stops_again_and_again),
        cmocka_unit_test(stopping_nothing_is_fine),
        cmocka_unit_test(a_bad_configuration_is_refused_with_words),
        cmocka_unit_test(several_nodes_live_in_one_process),
        cmocka_unit_test(a_node_tells_of_itself),
        cmocka_unit_test(who_ignores_the_shutdown_is_killed_after_the_timeout),
        cmocka_unit_test(actors_with_work_to_do_end_with_the_node),
        cmocka_unit_test(actors_started_by_dying_ones_end_too),
        cmocka_unit_test(actors_max_is_a_limit),
        cmocka_unit_test(an_idle_node_rests),
        cmocka_unit_test(a_thread_that_waits_for_an_end_is_told_when_the_node_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
