/* What is tested: the telemetry hook (troupe/telemetry.h): each event happens once, with what it
 * says, and only those that were asked for. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

enum { HEARD_MAX = 4096, SAMPLE = 10 };

static struct stage *stage;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct heard {
    troupe_event event;
    char behavior[64];
    char type[64];
    char text[64];
};

static struct heard heard[HEARD_MAX];
static size_t heard_count;

static void hear(void *context, const troupe_event *event)
{
    assert_ptr_equal(context, &heard_count);
    assert_int_equal(event->struct_size, sizeof(*event));
    (void)pthread_mutex_lock(&mutex);
    if (heard_count < HEARD_MAX) {
        struct heard *place = &heard[heard_count++];

        place->event = *event;
        (void)snprintf(place->behavior, sizeof(place->behavior), "%s", event->behavior);
        (void)snprintf(place->type, sizeof(place->type), "%s", event->type);
        (void)snprintf(place->text, sizeof(place->text), "%s", event->text);
    }
    (void)pthread_mutex_unlock(&mutex);
}

static void begin_with(uint64_t events)
{
    troupe_config config;

    heard_count = 0;
    troupe_config_init(&config);
    config.workers = 2;
    config.telemetry = hear;
    config.telemetry_context = &heard_count;
    config.telemetry_events = events;
    config.telemetry_sample = SAMPLE;
    stage = stage_begin_with(&config);
}

static int begin(void **state)
{
    (void)state;
    begin_with(~TROUPE_EVENT_BIT(HANDLED));
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

struct wanted {
    troupe_event_kind kind;
    troupe_pid pid;
    struct heard found;
    size_t count;
};

static bool is_heard(void *context)
{
    struct wanted *wanted = context;

    wanted->count = 0;
    (void)pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < heard_count; i++) {
        if (heard[i].event.kind == (int32_t)wanted->kind &&
            (troupe_pid_is_none(wanted->pid) ||
             troupe_pid_equal(heard[i].event.pid, wanted->pid))) {
            wanted->found = heard[i];
            wanted->count++;
        }
    }
    (void)pthread_mutex_unlock(&mutex);
    return wanted->count > 0;
}

/* Waits for an event about pid (none: any) and gives it. */
static struct heard expect(troupe_event_kind kind, troupe_pid pid)
{
    struct wanted wanted = {.kind = kind, .pid = pid};

    if (!wait_until(is_heard, &wanted)) {
        fail_msg("no event %s", troupe_event_name((int32_t)kind));
    }
    assert_int_equal(wanted.count, 1);
    return wanted.found;
}

static size_t count_of(troupe_event_kind kind)
{
    struct wanted wanted = {.kind = kind};

    (void)is_heard(&wanted);
    return wanted.count;
}

/* ---- tests ---- */

static void a_spawn_and_an_exit_are_told(void **state)
{
    struct probe *parent = probe_spawn(stage, NULL);
    struct probe *child = probe_spawn_child(parent, 0, NULL);

    (void)state;
    const struct heard spawn = expect(TROUPE_EVENT_SPAWN, child->pid);

    assert_string_equal(spawn.behavior, "test.probe");
    assert_true(troupe_pid_equal(spawn.event.other, parent->pid));
    probe_stop(child, TROUPE_REASON_ERROR, "why not");
    const struct heard exit = expect(TROUPE_EVENT_EXIT, child->pid);

    assert_int_equal(exit.event.reason, TROUPE_REASON_ERROR);
    assert_string_equal(exit.text, "why not");
    assert_string_equal(exit.behavior, "test.probe");
    assert_int_equal(exit.event.count, 1);
    assert_int_equal(count_of(TROUPE_EVENT_HANDLED), 0);
}

static int failing_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    return troupe_fail(self, "not today");
}

static const troupe_behavior failing_behavior = {.name = "test.failing", .init = failing_init};

static void a_failed_init_is_told_and_is_no_exit(void **state)
{
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn(stage->node, &failing_behavior, NULL, NULL, &pid),
                     TROUPE_E_FAILED);
    const struct heard failed = expect(TROUPE_EVENT_INIT_FAILED, (troupe_pid){0});

    assert_string_equal(failed.behavior, "test.failing");
    assert_string_equal(failed.text, "not today");
    assert_int_equal(count_of(TROUPE_EVENT_EXIT), 0);
    assert_int_equal(count_of(TROUPE_EVENT_SPAWN), 0);
}

static void a_message_to_the_dead_is_told(void **state)
{
    struct probe *sender = probe_spawn(stage, NULL);
    struct probe *dead = probe_spawn(stage, NULL);

    (void)state;
    probe_stop(dead, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(dead);
    probe_send(sender, dead->pid, 1);
    const struct heard letter = expect(TROUPE_EVENT_DEAD_LETTER, dead->pid);

    assert_string_equal(letter.type, "test.number");
    assert_true(troupe_pid_equal(letter.event.other, sender->pid));
}

static void a_full_mailbox_is_told(void **state)
{
    struct probe *full = probe_spawn(stage, &(troupe_spawn_options){.mailbox_messages = 1});
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_block(full, &gate);
    assert_int_equal(troupe_node_send(stage->node, full->pid, &number_type, &(number){1}),
                     TROUPE_OK);
    assert_int_equal(count_of(TROUPE_EVENT_MAILBOX_FULL), 0);
    assert_int_equal(troupe_node_send(stage->node, full->pid, &number_type, &(number){2}),
                     TROUPE_E_BUSY);
    assert_string_equal(expect(TROUPE_EVENT_MAILBOX_FULL, full->pid).type, "test.number");
    assert_int_equal(count_of(TROUPE_EVENT_DEAD_LETTER), 0);
    gate_open(&gate);
    (void)probe_wait(full, 0); /* There is room again for what probe_seen sends. */
    assert_int_equal(probe_seen(full), 1);
    gate_fini(&gate);
}

static void a_message_without_a_handler_is_told(void **state)
{
    struct probe *probe = probe_spawn(stage, NULL);

    (void)state;
    assert_int_equal(troupe_node_send(stage->node, probe->pid, &oddity_type, &(oddity){.value = 1}),
                     TROUPE_OK);
    assert_string_equal(expect(TROUPE_EVENT_UNHANDLED, probe->pid).type, "test.oddity");
}

static void a_call_that_times_out_is_told(void **state)
{
    struct probe *caller = probe_spawn(stage, NULL);
    struct probe *callee = probe_spawn(stage, NULL);

    (void)state;
    probe_call(caller, callee->pid, ASK_TAKE, 1, 5, 7);
    assert_true(
        troupe_pid_equal(expect(TROUPE_EVENT_CALL_TIMEOUT, caller->pid).event.other, callee->pid));
}

static void a_broken_link_is_told(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);

    (void)state;
    probe_trap(a, true);
    probe_link(a, b->pid);
    assert_int_equal(probe_seen(b), 0);
    probe_stop(b, TROUPE_REASON_ERROR, "broken");
    const struct heard broken = expect(TROUPE_EVENT_LINK_BROKEN, a->pid);

    assert_true(troupe_pid_equal(broken.event.other, b->pid));
    assert_int_equal(broken.event.reason, TROUPE_REASON_ERROR);
    assert_string_equal(broken.text, "broken");
}

static int hold(troupe_self *self, struct probe *probe, void *context)
{
    const int64_t until = clock_ms() + *(const int *)context;

    (void)self;
    (void)probe;
    while (clock_ms() < until) {
    }
    return TROUPE_OK;
}

static void a_slow_run_is_told(void **state)
{
    struct probe *slow = probe_spawn(stage, NULL);
    int ms = 80;

    (void)state;
    (void)probe_do(slow, hold, &ms);
    const struct heard run = expect(TROUPE_EVENT_SLOW, slow->pid);

    assert_string_equal(run.behavior, "test.probe");
    assert_in_range(run.event.duration_ns, 50000000, 5000000000);
}

/* ---- supervisors ---- */

static const troupe_behavior leaf_behavior = {.name = "test.leaf"};

static int grow(troupe_self *self, struct probe *probe, void *context)
{
    static const troupe_child children[] = {
        {.id = "one", .behavior = &leaf_behavior, .restart = TROUPE_RESTART_PERMANENT}};
    const troupe_supervisor tree = {
        .intensity = 1, .period_ms = 60000, .children = children, .children_count = 1};

    (void)probe;
    troupe_trap_exit(self, true);
    return troupe_spawn_supervisor(self, &tree, NULL, context);
}

static troupe_pid last_leaf(size_t count)
{
    struct wanted wanted = {.kind = TROUPE_EVENT_SPAWN};
    troupe_pid pid = {0};
    size_t leaves = 0;

    while (leaves < count) {
        assert_true(wait_until(is_heard, &wanted));
        leaves = 0;
        (void)pthread_mutex_lock(&mutex);
        for (size_t i = 0; i < heard_count; i++) {
            if (heard[i].event.kind == TROUPE_EVENT_SPAWN &&
                strcmp(heard[i].behavior, "test.leaf") == 0) {
                pid = heard[i].event.pid;
                leaves++;
            }
        }
        (void)pthread_mutex_unlock(&mutex);
    }
    return pid;
}

static void restarts_and_giving_up_are_told(void **state)
{
    struct probe *root = probe_spawn(stage, NULL);
    troupe_pid supervisor = {0};

    (void)state;
    assert_int_equal(probe_do(root, grow, &supervisor), TROUPE_OK);
    assert_int_equal(troupe_node_exit(stage->node, last_leaf(1), TROUPE_REASON_KILL, NULL),
                     TROUPE_OK);
    const struct heard restart = expect(TROUPE_EVENT_RESTART, supervisor);

    assert_string_equal(restart.text, "one");
    assert_int_equal(restart.event.count, 1);
    assert_string_equal(restart.behavior, "troupe.supervisor");
    assert_int_equal(count_of(TROUPE_EVENT_GAVE_UP), 0);
    assert_int_equal(troupe_node_exit(stage->node, last_leaf(2), TROUPE_REASON_KILL, NULL),
                     TROUPE_OK);
    assert_string_equal(expect(TROUPE_EVENT_GAVE_UP, supervisor).text, "one");
}

/* ---- groups ---- */

static int join_and_leave(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    assert_int_equal(troupe_join(self, "room"), TROUPE_OK);
    return troupe_leave(self, "room");
}

static void joins_and_leaves_are_told(void **state)
{
    struct probe *probe = probe_spawn(stage, NULL);

    (void)state;
    assert_int_equal(probe_do(probe, join_and_leave, NULL), TROUPE_OK);
    assert_string_equal(expect(TROUPE_EVENT_JOINED, probe->pid).text, "room");
    assert_string_equal(expect(TROUPE_EVENT_LEFT, probe->pid).text, "room");
}

/* ---- what is asked for ---- */

static void only_what_is_asked_for_is_told(void **state)
{
    (void)state;
    begin_with(TROUPE_EVENT_BIT(EXIT));
    struct probe *probe = probe_spawn(stage, NULL);

    probe_stop(probe, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(probe);
    (void)expect(TROUPE_EVENT_EXIT, probe->pid);
    assert_int_equal(heard_count, 1);
    stage_end(stage);
}

static void one_of_so_many_messages_is_told(void **state)
{
    enum { MESSAGES = 400 };

    (void)state;
    begin_with(TROUPE_EVENT_BIT(HANDLED));
    struct probe *probe = probe_spawn(stage, NULL);

    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(troupe_node_send(stage->node, probe->pid, &number_type, &(number){i}),
                         TROUPE_OK);
    }
    assert_int_equal(probe_seen(probe), MESSAGES);
    /* Each worker counts for itself, and the agent's messages count too. */
    assert_in_range(count_of(TROUPE_EVENT_HANDLED), MESSAGES / SAMPLE / 2,
                    (MESSAGES / SAMPLE) + 20);
    assert_int_equal(count_of(TROUPE_EVENT_HANDLED), heard_count);
    struct wanted wanted = {.kind = TROUPE_EVENT_HANDLED, .pid = probe->pid};

    assert_true(is_heard(&wanted));
    assert_string_equal(wanted.found.type, "test.number");
    assert_true(wanted.found.event.duration_ns >= 0);
    stage_end(stage);
}

static void events_have_names(void **state)
{
    (void)state;
    assert_string_equal(troupe_event_name(TROUPE_EVENT_SPAWN), "spawn");
    assert_string_equal(troupe_event_name(TROUPE_EVENT_FENCED), "fenced");
    assert_string_equal(troupe_event_name(-1), "");
    assert_string_equal(troupe_event_name(TROUPE_EVENT_COUNT), "");
}

#define HEARD_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEARD_TEST(a_spawn_and_an_exit_are_told),
        HEARD_TEST(a_failed_init_is_told_and_is_no_exit),
        HEARD_TEST(a_message_to_the_dead_is_told),
        HEARD_TEST(a_full_mailbox_is_told),
        HEARD_TEST(a_message_without_a_handler_is_told),
        HEARD_TEST(a_call_that_times_out_is_told),
        HEARD_TEST(a_broken_link_is_told),
        HEARD_TEST(a_slow_run_is_told),
        HEARD_TEST(restarts_and_giving_up_are_told),
        HEARD_TEST(joins_and_leaves_are_told),
        cmocka_unit_test(only_what_is_asked_for_is_told),
        cmocka_unit_test(one_of_so_many_messages_is_told),
        cmocka_unit_test(events_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
