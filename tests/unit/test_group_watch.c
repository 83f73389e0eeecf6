/* What is tested: watching groups (troupe/group.h), and groups of many, through the public API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"
#include "support/members.h"

enum { MANY = 10000, EVENTS_MAX = 32000 };

static struct stage *stage;

static size_t count_of(const char *group)
{
    size_t count = 99;

    assert_int_equal(troupe_node_members(stage->node, group, NULL, 0, &count), TROUPE_OK);
    return count;
}

/* ---- one that watches a group ---- */

struct event {
    char group[32];
    troupe_pid member;
    bool joined;
};

static struct event events[EVENTS_MAX];
static size_t events_count;

typedef struct watch {
    const char *group;
    bool on;
} watch;
TROUPE_TYPE(watch, "test.watch", TROUPE_FIELD(watch, group, 1), TROUPE_FIELD(watch, on, 2));

static int watcher_on_watch(troupe_self *self, void *state, const void *message)
{
    const watch *w = message;

    (void)state;
    assert_int_equal(troupe_monitor_group(self, w->group, w->on), TROUPE_OK);
    return troupe_reply(self, &number_type, &(number){0});
}

/* Answers how many events it has seen: those that were sent before have been. */
static int watcher_on_number(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_reply(self, &number_type, &(number){.value = (int64_t)events_count});
}

static int watcher_on_group(troupe_self *self, void *state, const void *message)
{
    const troupe_group_message *news = message;
    struct event *event = &events[events_count++];

    (void)state;
    assert_true(troupe_pid_is_none(troupe_sender(self)));
    (void)snprintf(event->group, sizeof(event->group), "%s", news->group);
    event->member = news->member;
    event->joined = news->joined;
    return TROUPE_OK;
}

static int watcher_on_act(troupe_self *self, void *state, const void *message)
{
    struct gate *gate = (struct gate *)(uintptr_t)((const ask *)message)->value;

    (void)self;
    (void)state;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->entered = true;
    (void)pthread_cond_broadcast(&gate->cond);
    while (!gate->open) {
        (void)pthread_cond_wait(&gate->cond, &gate->mutex);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    return TROUPE_OK;
}

static const troupe_handler watcher_handlers[] = {{&watch_type, watcher_on_watch},
                                                  {&number_type, watcher_on_number},
                                                  {&troupe_group_type, watcher_on_group},
                                                  {&ask_type, watcher_on_act},
                                                  {0}};
static const troupe_behavior watcher_behavior = {.name = "test.watcher",
                                                 .handlers = watcher_handlers};

static int64_t call_watcher(troupe_pid pid, const troupe_type *type, const void *message)
{
    troupe_result result = {0};

    assert_int_equal(troupe_node_call(stage->node, pid, type, message, DEADLINE_MS, &result),
                     TROUPE_OK);
    const int64_t value = ((const number *)result.value)->value;

    troupe_result_clear(&result);
    return value;
}

static troupe_pid watcher_spawn(const troupe_spawn_options *options)
{
    troupe_pid pid = {0};

    events_count = 0;
    assert_int_equal(troupe_node_spawn(stage->node, &watcher_behavior, NULL, options, &pid),
                     TROUPE_OK);
    return pid;
}

static void expect_event(size_t index, const struct probe *member, bool joined)
{
    assert_true(index < events_count);
    assert_string_equal(events[index].group, "room");
    assert_true(troupe_pid_equal(events[index].member, member->pid));
    assert_int_equal(events[index].joined, joined);
}

/* ---- tests ---- */

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

/* Hears of ends, and looks then. */
static int looker_on_down(troupe_self *self, void *state, const void *message)
{
    size_t count = 99;

    (void)state;
    (void)message;
    assert_int_equal(troupe_members(self, "room", NULL, 0, &count), TROUPE_OK);
    return troupe_send(self, troupe_self_pid(self), &number_type,
                       &(number){.value = (int64_t)count});
}

static int looker_on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    *(int64_t *)state = ((const number *)message)->value;
    return TROUPE_STOP;
}

static int64_t looker_saw;

static void looker_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)reason;
    looker_saw = *(int64_t *)state;
}

static int looker_on_watch(troupe_self *self, void *state, const void *message)
{
    const watch *w = message;
    uint64_t monitor = 0;
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(troupe_pid_parse(w->group, &pid), TROUPE_OK);
    assert_int_equal(troupe_monitor(self, pid, &monitor), TROUPE_OK);
    return troupe_reply(self, &number_type, &(number){0});
}

static const troupe_handler looker_handlers[] = {{&troupe_down_type, looker_on_down},
                                                 {&number_type, looker_on_number},
                                                 {&watch_type, looker_on_watch},
                                                 {0}};
static const troupe_behavior looker_behavior = {.name = "test.looker",
                                                .state_size = sizeof(int64_t),
                                                .terminate = looker_terminate,
                                                .handlers = looker_handlers};

static void who_hears_of_an_end_finds_no_member(void **state)
{
    char text[TROUPE_PID_TEXT_SIZE];
    troupe_pid looker = {0};
    int32_t kind = 0;

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct probe *member = probe_create(stage);

        assert_int_equal(
            troupe_node_spawn(stage->node, &probe_behavior, (const void *)&member, NULL, &looker),
            TROUPE_OK);
        probe_join(member, "room");
        looker_saw = -1;
        assert_int_equal(troupe_node_spawn(stage->node, &looker_behavior, NULL, NULL, &looker),
                         TROUPE_OK);
        (void)call_watcher(looker, &watch_type,
                           &(watch){.group = troupe_pid_print(member->pid, text)});
        probe_stop(member, TROUPE_REASON_NORMAL, NULL);
        assert_int_equal(troupe_node_join(stage->node, looker, DEADLINE_MS, &kind), TROUPE_OK);
        assert_int_equal(looker_saw, 0);
    }
}

static void a_watcher_hears_of_those_there_and_of_each_change(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);
    const troupe_pid watcher = watcher_spawn(NULL);

    (void)state;
    probe_join(a, "room");
    (void)call_watcher(watcher, &watch_type, &(watch){.group = "room", .on = true});
    probe_join(b, "room");
    probe_join(b, "elsewhere");
    probe_join(b, "room"); /* No change: it is a member. */
    probe_leave(b, "room");
    probe_leave(a, "room");
    (void)call_watcher(watcher, &watch_type, &(watch){.group = "room", .on = true});
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(b);
    assert_int_equal(call_watcher(watcher, &number_type, &(number){0}), 4);
    expect_event(0, a, true);
    expect_event(1, b, true);
    expect_event(2, a, false);
    expect_event(3, b, false);
    (void)call_watcher(watcher, &watch_type, &(watch){.group = "room", .on = false});
    probe_join(a, "room");
    assert_int_equal(call_watcher(watcher, &number_type, &(number){0}), 4);
}

static void group_messages_need_no_room_in_the_mailbox(void **state)
{
    const troupe_pid watcher = watcher_spawn(&(troupe_spawn_options){.mailbox_messages = 2});
    struct probe *a = probe_spawn(stage, NULL);
    struct gate gate;

    (void)state;
    gate_init(&gate);
    (void)call_watcher(watcher, &watch_type, &(watch){.group = "room", .on = true});
    assert_int_equal(troupe_node_send(stage->node, watcher, &ask_type,
                                      &(ask){.value = (int64_t)(uintptr_t)&gate}),
                     TROUPE_OK);
    (void)pthread_mutex_lock(&gate.mutex);
    while (!gate.entered) {
        (void)pthread_cond_wait(&gate.cond, &gate.mutex);
    }
    (void)pthread_mutex_unlock(&gate.mutex);
    for (int i = 0; i < 100; i++) {
        probe_join(a, "room");
        probe_leave(a, "room");
    }
    gate_open(&gate);
    assert_int_equal(call_watcher(watcher, &number_type, &(number){0}), 200);
    gate_fini(&gate);
}

/* ---- many ---- */

static atomic_int crowd_heard;

static int crowd_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    return troupe_join(self, "crowd");
}

static int crowd_on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)atomic_fetch_add(&crowd_heard, 1);
    return ((const number *)message)->value == 0 ? TROUPE_OK : TROUPE_STOP;
}

static const troupe_handler crowd_handlers[] = {{&number_type, crowd_on_number}, {0}};
static const troupe_behavior crowd_behavior = {
    .name = "test.crowd", .init = crowd_init, .handlers = crowd_handlers};

static bool crowd_has_heard(void *context)
{
    return atomic_load(&crowd_heard) == *(const int *)context;
}

static void ten_thousand_members_hear_a_broadcast(void **state)
{
    struct probe *sender = probe_spawn(stage, NULL);
    const troupe_pid watcher = watcher_spawn(NULL);
    troupe_pid pid = {0};
    size_t count = 0;
    int heard = MANY;

    (void)state;
    atomic_store(&crowd_heard, 0);
    (void)call_watcher(watcher, &watch_type, &(watch){.group = "crowd", .on = true});
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(troupe_node_spawn(stage->node, &crowd_behavior, NULL, NULL, &pid),
                         TROUPE_OK);
    }
    assert_int_equal(count_of("crowd"), MANY);
    assert_int_equal(probe_broadcast(sender, "crowd", 0), MANY);
    assert_true(wait_until(crowd_has_heard, &heard));
    assert_int_equal(
        troupe_node_broadcast(stage->node, "crowd", &number_type, &(number){.value = 1}, &count),
        TROUPE_OK);
    assert_int_equal(count, MANY);
    heard = 2 * MANY;
    assert_true(wait_until(crowd_has_heard, &heard));
    stage_wait_actors(stage, 2);
    assert_int_equal(count_of("crowd"), 0);
    assert_int_equal(call_watcher(watcher, &number_type, &(number){0}), 2 * MANY);
    for (size_t i = 0; i < (size_t)2 * MANY; i++) {
        assert_int_equal(events[i].joined, i < MANY);
    }
}

#define GROUP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUP_TEST(who_hears_of_an_end_finds_no_member),
        GROUP_TEST(a_watcher_hears_of_those_there_and_of_each_change),
        GROUP_TEST(group_messages_need_no_room_in_the_mailbox),
        GROUP_TEST(ten_thousand_members_hear_a_broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
