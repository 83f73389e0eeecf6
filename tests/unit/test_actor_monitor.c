/* What is tested: monitors and their DOWN messages on one node, through the public API. */
#include <string.h>

#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b, *c;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    c = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void a_down_carries_reference_pid_and_reason(void **state)
{
    (void)state;
    const uint64_t monitor = probe_monitor(a, b->pid);

    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    const struct seen *down = probe_wait(a, 0);

    assert_int_equal(down->what, SAW_DOWN);
    assert_int_equal(down->ref, monitor);
    assert_true(troupe_pid_equal(down->from, b->pid));
    assert_int_equal(down->kind, TROUPE_REASON_ERROR);
    assert_string_equal(down->text, "boom");
    assert_int_equal(probe_seen(a), 1);
}

static void every_kind_of_end_is_told(void **state)
{
    static const int32_t kinds[] = {TROUPE_REASON_NORMAL, TROUPE_REASON_SHUTDOWN,
                                    TROUPE_REASON_FENCED, TROUPE_REASON_ERROR};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct probe *each = probe_spawn(stage, NULL);

        (void)probe_monitor(a, each->pid);
        probe_stop(each, kinds[i], "t");
        assert_int_equal(probe_wait(a, i)->kind, kinds[i]);
    }
}

static void a_long_reason_is_cut_at_255_bytes(void **state)
{
    char text[600];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)probe_monitor(a, b->pid);
    probe_stop(b, TROUPE_REASON_ERROR, text);
    assert_int_equal(strlen(probe_wait(a, 0)->text), 255);
}

static void a_reason_without_text_has_an_empty_one(void **state)
{
    (void)state;
    (void)probe_monitor(a, b->pid);
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    assert_string_equal(probe_wait(a, 0)->text, "");
}

static void a_monitor_of_the_dead_is_noproc(void **state)
{
    (void)state;
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 2);
    const uint64_t monitor = probe_monitor(a, b->pid);

    assert_int_equal(probe_wait(a, 0)->kind, TROUPE_REASON_NOPROC);
    assert_int_equal(a->seen[0].ref, monitor);
    const uint64_t never = probe_monitor(a, (troupe_pid){.node = a->pid.node, .id = UINT64_MAX});

    assert_int_equal(probe_wait(a, 1)->ref, never);
    assert_int_equal(a->seen[1].kind, TROUPE_REASON_NOPROC);
    assert_int_equal(probe_seen(a), 2);
}

static void a_monitor_of_another_node_is_noconnection(void **state)
{
    (void)state;
    const uint64_t monitor = probe_monitor(a, (troupe_pid){.node = 9, .id = 9});

    assert_int_equal(probe_wait(a, 0)->ref, monitor);
    assert_int_equal(a->seen[0].kind, TROUPE_REASON_NOCONNECTION);
}

static void two_monitors_give_two_downs(void **state)
{
    (void)state;
    const uint64_t first = probe_monitor(a, b->pid);
    const uint64_t second = probe_monitor(a, b->pid);

    assert_int_not_equal(first, second);
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    const uint64_t got[] = {probe_wait(a, 0)->ref, probe_wait(a, 1)->ref};

    assert_true((got[0] == first && got[1] == second) || (got[0] == second && got[1] == first));
    assert_int_equal(probe_seen(a), 2);
}

static void each_watcher_is_told(void **state)
{
    (void)state;
    (void)probe_monitor(a, c->pid);
    (void)probe_monitor(b, c->pid);
    probe_exit(a, c->pid, TROUPE_REASON_KILL, NULL);
    assert_int_equal(probe_wait(a, 0)->kind, TROUPE_REASON_KILLED);
    assert_int_equal(probe_wait(b, 0)->kind, TROUPE_REASON_KILLED);
}

static void nothing_comes_after_demonitor(void **state)
{
    (void)state;
    const uint64_t monitor = probe_monitor(a, b->pid);

    probe_demonitor(a, monitor);
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 0);
}

struct watch {
    uint64_t monitor;
    bool wait_for_end;
};

static int kill_and_demonitor(troupe_self *self, struct probe *probe, void *context)
{
    const struct watch *watch = context;
    const int64_t until = clock_ms() + DEADLINE_MS;
    const troupe_status sent = troupe_exit(self, b->pid, TROUPE_REASON_KILL, NULL);

    (void)probe;
    while (stage_info(stage).actors > 2 && clock_ms() < until) {
    }
    if (clock_ms() >= until) {
        return TROUPE_E_TIMEOUT; /* It was woken by this handler and never ran. */
    }
    return sent != TROUPE_OK ? (int)sent : (int)troupe_demonitor(self, watch->monitor);
}

static void demonitor_takes_back_a_down_that_has_arrived(void **state)
{
    struct watch watch = {0};

    (void)state;
    watch.monitor = probe_monitor(a, b->pid);
    assert_int_equal(probe_do(a, kill_and_demonitor, &watch), TROUPE_OK);
    assert_int_equal(probe_seen(a), 0);
}

static int only_demonitor(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_demonitor(self, ((const struct watch *)context)->monitor);
}

static void demonitor_flushes_a_down_behind_other_messages(void **state)
{
    struct gate gate;
    struct watch watch = {0};

    (void)state;
    gate_init(&gate);
    watch.monitor = probe_monitor(a, b->pid);
    probe_block(a, &gate);
    probe_post(a, only_demonitor, &watch); /* Handled before what follows, in one batch with it. */
    probe_send(c, a->pid, 1);
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    probe_send(c, a->pid, 2);
    gate_open(&gate);
    assert_int_equal(probe_wait(a, 1)->number, 2);
    assert_int_equal(a->seen[0].number, 1);
    assert_int_equal(probe_seen(a), 2);
    gate_fini(&gate);
}

static void demonitoring_nonsense_does_nothing(void **state)
{
    (void)state;
    const uint64_t monitor = probe_monitor(a, b->pid);

    probe_demonitor(a, 0);
    probe_demonitor(a, monitor + 1000);
    probe_demonitor(c, monitor); /* Not its own. */
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(a, 0)->ref, monitor);
    probe_demonitor(a, monitor);
}

static void a_worker_that_replies_and_exits_is_seen_in_that_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        struct probe *worker = i < 40 ? probe_spawn(stage, NULL) : NULL;

        if (worker == NULL) {
            break;
        }
        (void)probe_monitor(a, worker->pid);
        probe_call(a, worker->pid, ASK_STOP, (int64_t)i, 5000, i);
        assert_int_equal(probe_wait(a, 2 * i + 1)->what, SAW_DOWN);
        assert_int_equal(a->seen[2 * i].what, SAW_RESULT);
        assert_int_equal(a->seen[2 * i].status, TROUPE_OK);
        assert_int_equal(a->seen[2 * i].number, i);
    }
}

static int send_and_die(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    for (int i = 0; i < *(const int *)context; i++) {
        if (troupe_send(self, a->pid, &number_type, &(number){.value = i}) != TROUPE_OK) {
            return TROUPE_E_FAILED;
        }
    }
    return troupe_stop(self, TROUPE_REASON_ERROR, "done");
}

static void a_down_comes_after_all_messages_of_who_ended(void **state)
{
    const int count = 1000;

    (void)state;
    (void)probe_monitor(a, b->pid);
    probe_post(b, send_and_die, (void *)(uintptr_t)&count);
    assert_int_equal(probe_wait(a, 1000)->what, SAW_DOWN);
    for (int i = 0; i < count; i++) {
        assert_int_equal(a->seen[i].number, i);
    }
}

static void a_watcher_s_end_leaves_no_trace(void **state)
{
    (void)state;
    (void)probe_monitor(a, b->pid);
    probe_stop(a, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(b), 0); /* Watching is no link. */
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 1);
}

static void watching_oneself_is_harmless(void **state)
{
    (void)state;
    (void)probe_monitor(a, a->pid);
    probe_stop(a, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_count(a), 1);
}

static void joining_gives_the_reason(void **state)
{
    int32_t kind = -1;

    (void)state;
    assert_int_equal(troupe_node_join(stage->node, b->pid, 10, &kind), TROUPE_E_TIMEOUT);
    assert_int_equal(kind, -1);
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 2);
    assert_int_equal(troupe_node_join(stage->node, b->pid, 1000, &kind), TROUPE_OK);
    assert_int_equal(kind, TROUPE_REASON_NOPROC);
    probe_post(c, send_and_die, &(int){0});
    assert_int_equal(troupe_node_join(stage->node, c->pid, DEADLINE_MS, NULL), TROUPE_OK);
}

#define MONITOR_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(a_down_carries_reference_pid_and_reason),
        MONITOR_TEST(every_kind_of_end_is_told),
        MONITOR_TEST(a_long_reason_is_cut_at_255_bytes),
        MONITOR_TEST(a_reason_without_text_has_an_empty_one),
        MONITOR_TEST(a_monitor_of_the_dead_is_noproc),
        MONITOR_TEST(a_monitor_of_another_node_is_noconnection),
        MONITOR_TEST(two_monitors_give_two_downs),
        MONITOR_TEST(each_watcher_is_told),
        MONITOR_TEST(nothing_comes_after_demonitor),
        MONITOR_TEST(demonitor_takes_back_a_down_that_has_arrived),
        MONITOR_TEST(demonitor_flushes_a_down_behind_other_messages),
        MONITOR_TEST(demonitoring_nonsense_does_nothing),
        MONITOR_TEST(a_worker_that_replies_and_exits_is_seen_in_that_order),
        MONITOR_TEST(a_down_comes_after_all_messages_of_who_ended),
        MONITOR_TEST(a_watcher_s_end_leaves_no_trace),
        MONITOR_TEST(watching_oneself_is_harmless),
        MONITOR_TEST(joining_gives_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
