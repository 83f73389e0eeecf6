/* What is tested: scenarios that need true threads: an init that takes its time while others call.
 */
#include "support/actors.h"

static struct stage *stage;
static struct probe *client, *watcher;
static struct gate inside;
static int ready;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(4);
    client = probe_spawn(stage, NULL);
    watcher = probe_spawn(stage, NULL);
    gate_init(&inside);
    ready = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    gate_fini(&inside);
    return 0;
}

/* Tells who it is and stays inside until the gate opens. */
static int slow_init(troupe_self *self, void *state, const void *args)
{
    const int status = (int)troupe_send(self, client->pid, &number_type, &(number){.value = 1});

    (void)state;
    (void)args;
    (void)pthread_mutex_lock(&inside.mutex);
    inside.inside++;
    while (!inside.open) {
        (void)pthread_cond_wait(&inside.cond, &inside.mutex);
    }
    inside.inside--;
    (void)pthread_cond_broadcast(&inside.cond);
    (void)pthread_mutex_unlock(&inside.mutex);
    ready = 1;
    return status;
}

static int on_ask(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_reply(self, &number_type, &(number){.value = ready});
}

static const troupe_handler slow_handlers[] = {{&ask_type, on_ask}, {0}};
static const troupe_behavior slow_behavior = {
    .name = "test.slow", .init = slow_init, .handlers = slow_handlers};

static int spawn_slow(troupe_self *self, struct probe *probe, void *context)
{
    troupe_pid pid = {0};

    (void)probe;
    (void)context;
    return (int)troupe_spawn(self, &slow_behavior, NULL, NULL, &pid);
}

static void a_call_to_one_whose_init_still_runs_waits_for_it(void **state)
{
    (void)state;
    probe_post(watcher, spawn_slow, NULL);
    const troupe_pid slow = probe_wait(client, 0)->from;

    probe_call(client, slow, ASK_REPLY, 5, DEADLINE_MS, 7);
    probe_monitor(client, slow);
    assert_int_equal(probe_seen(client), 1); /* Nothing is answered and nobody is dead. */
    gate_open(&inside);
    const struct seen *result = probe_wait(client, 1);

    assert_int_equal(result->what, SAW_RESULT);
    assert_int_equal(result->ref, 7);
    assert_int_equal(result->status, TROUPE_OK);
    assert_int_equal(result->number, 1); /* It was ready. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_to_one_whose_init_still_runs_waits_for_it, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
