/* What is tested: many actors at once, and handlers that are slow, through the public API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

/* ---- many, and slow ones ---- */

/* Lives for one message; its state is not nothing, so that there is something to release. */
static atomic_int handled, terminated, released;

static int mayfly_on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)message;
    *(int *)state = atomic_fetch_add(&handled, 1);
    return TROUPE_STOP;
}

static void mayfly_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)state;
    (void)reason;
    (void)atomic_fetch_add(&terminated, 1);
}

static void mayfly_release(void *state)
{
    (void)state;
    (void)atomic_fetch_add(&released, 1);
}

static const troupe_handler mayfly_handlers[] = {{&number_type, mayfly_on_number}, {0}};
static const troupe_behavior mayfly_behavior = {.name = "test.mayfly",
                                                .state_size = sizeof(int),
                                                .terminate = mayfly_terminate,
                                                .release = mayfly_release,
                                                .handlers = mayfly_handlers};

static void ten_thousand_actors_start_and_stop(void **state)
{
    enum { COUNT = 10000 };
    troupe_pid *pids = calloc(COUNT, sizeof(*pids));

    (void)state;
    assert_non_null(pids);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &mayfly_behavior, NULL, NULL, &pids[i]),
                         TROUPE_OK);
    }
    assert_int_equal(stage_info(stage).actors, COUNT + 2);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(
            troupe_node_send(stage->node, pids[i], &number_type, &(number){.value = 1}), TROUPE_OK);
    }
    stage_wait_actors(stage, 2);
    assert_int_equal(atomic_load(&handled), COUNT);
    assert_int_equal(atomic_load(&terminated), COUNT);
    assert_int_equal(atomic_load(&released), COUNT);
    free(pids);
}

/* ---- one that thousands are tied to ---- */

static atomic_int tied, exits, downs, strange;

typedef struct tie {
    troupe_pid hub;
    int signals;
} tie;

/* Ties itself to the actor it is started with, by a link and by a monitor. */
static int tie_init(troupe_self *self, void *state, const void *args)
{
    uint64_t monitor = 0;

    ((tie *)state)->hub = *(const troupe_pid *)args;
    troupe_trap_exit(self, true);
    assert_int_equal(troupe_link(self, *(const troupe_pid *)args), TROUPE_OK);
    assert_int_equal(troupe_monitor(self, *(const troupe_pid *)args, &monitor), TROUPE_OK);
    (void)atomic_fetch_add(&tied, 1);
    return TROUPE_OK;
}

/* Ends when both signals have come, or another one. */
static int note_end(tie *t, atomic_int *counter, troupe_pid from, int32_t kind, const char *text)
{
    const bool expected =
        kind == TROUPE_REASON_ERROR && strcmp(text, "boom") == 0 && troupe_pid_equal(from, t->hub);

    (void)atomic_fetch_add(expected ? counter : &strange, 1);
    t->signals++;
    return expected && t->signals < 2 ? TROUPE_OK : TROUPE_STOP;
}

static int tie_on_exit(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;

    (void)self;
    return note_end(state, &exits, exit->from, exit->kind, exit->text);
}

static int tie_on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;

    (void)self;
    return note_end(state, &downs, down->from, down->kind, down->text);
}

static const troupe_handler tie_handlers[] = {
    {&troupe_exit_type, tie_on_exit}, {&troupe_down_type, tie_on_down}, {0}};
static const troupe_behavior tie_behavior = {
    .name = "test.tie", .state_size = sizeof(tie), .init = tie_init, .handlers = tie_handlers};

enum { TIES = 3000 }; /* several of the batches in which an end is told */

static void tie_all_to(troupe_pid hub)
{
    troupe_pid pid;

    atomic_store(&tied, 0);
    atomic_store(&exits, 0);
    atomic_store(&downs, 0);
    for (int i = 0; i < TIES; i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &tie_behavior, &hub, NULL, &pid),
                         TROUPE_OK);
    }
    assert_int_equal(atomic_load(&tied), TIES);
}

static void an_end_is_told_to_thousands_exactly_once(void **state)
{
    (void)state;
    tie_all_to(b->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 1);
    assert_int_equal(atomic_load(&exits), TIES);
    assert_int_equal(atomic_load(&downs), TIES);
    assert_int_equal(atomic_load(&strange), 0);
}

static void a_node_may_stop_while_an_end_is_told(void **state)
{
    (void)state;
    tie_all_to(b->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    /* The end of the stage finds it wherever it is. */
}

static atomic_bool flag;

/* Wakes the other actor and does not return before that one has run. */
static int wait_for_flag(troupe_self *self, struct probe *probe, void *context)
{
    const int64_t until = clock_ms() + DEADLINE_MS;

    (void)probe;
    if (troupe_send(self, b->pid, &number_type, &(number){.value = 1}) != TROUPE_OK) {
        return TROUPE_E_FAILED;
    }
    while (!atomic_load(&flag) && clock_ms() < until) {
    }
    *(bool *)context = atomic_load(&flag);
    return TROUPE_OK;
}

static bool b_saw_it(void *context)
{
    (void)context;
    return probe_count(b) > 0;
}

static void *set_flag_when_seen(void *context)
{
    (void)context;
    if (wait_until(b_saw_it, NULL)) {
        atomic_store(&flag, true);
    }
    return NULL;
}

static void a_slow_handler_does_not_stop_whom_it_woke(void **state)
{
    bool seen = false;
    pthread_t thread;

    (void)state;
    for (int i = 0; i < 20; i++) {
        const int64_t before = clock_ms();

        atomic_store(&flag, false);
        assert_int_equal(pthread_create(&thread, NULL, set_flag_when_seen, NULL), 0);
        assert_int_equal(probe_do(a, wait_for_flag, &seen), TROUPE_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(seen);
        assert_true(clock_ms() - before < DEADLINE_MS / 4);
        b = probe_spawn(stage, NULL);
    }
}

static int arm(troupe_self *self, struct probe *probe, void *context)
{
    (void)context;
    return troupe_send_after(self, 20, probe->pid, &number_type, &(number){.value = 1}, NULL);
}

static void a_slow_handler_does_not_stop_the_timers_of_others(void **state)
{
    struct probe *sleepers[16];
    struct gate gate;

    (void)state;
    gate_init(&gate);
    for (int i = 0; i < 16; i++) {
        sleepers[i] = probe_spawn(stage, NULL);
        assert_int_equal(probe_do(sleepers[i], arm, NULL), TROUPE_OK);
    }
    probe_block(a, &gate);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(probe_wait(sleepers[i], 0)->number, 1);
    }
    gate_open(&gate);
    gate_fini(&gate);
}

static bool slow_run_is_counted(void *context)
{
    (void)context;
    return stage_info(stage).runs_slow >= 1;
}

static void slow_runs_are_counted(void **state)
{
    struct gate gate;
    const int64_t until = clock_ms() + 80;

    (void)state;
    gate_init(&gate);
    probe_block(a, &gate);
    while (clock_ms() < until) {
    }
    gate_open(&gate);
    assert_int_equal(probe_seen(a), 0);
    /* The answer may leave before the run that gave it has ended, and only then it is counted. */
    assert_true(wait_until(slow_run_is_counted, NULL));
    gate_fini(&gate);
}

#define MANY_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MANY_TEST(ten_thousand_actors_start_and_stop),
        MANY_TEST(an_end_is_told_to_thousands_exactly_once),
        MANY_TEST(a_node_may_stop_while_an_end_is_told),
        MANY_TEST(a_slow_handler_does_not_stop_whom_it_woke),
        MANY_TEST(a_slow_handler_does_not_stop_the_timers_of_others),
        MANY_TEST(slow_runs_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
