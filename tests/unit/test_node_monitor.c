/* What is tested: troupe_monitor_node and troupe_monitor_node_name over real sessions: what is
 * told, how often, and after what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/nodes.h"
#include "troupe/cluster.h"

enum { NOTES_MAX = 256, LINKS = 30 };

/* What the watcher saw, in order: "up n2", "down n2 left", "DOWN", "EXIT". */
static struct {
    pthread_mutex_t mutex;
    size_t count;
    char text[NOTES_MAX][64];
    uint64_t node[NOTES_MAX];
} notes = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(uint64_t node, const char *what, const char *name, const char *why)
{
    (void)pthread_mutex_lock(&notes.mutex);
    if (notes.count < NOTES_MAX) {
        (void)snprintf(notes.text[notes.count], sizeof(notes.text[0]), "%s %s %s", what, name, why);
        notes.node[notes.count++] = node;
    }
    (void)pthread_mutex_unlock(&notes.mutex);
}

static bool has_notes(void *context)
{
    (void)pthread_mutex_lock(&notes.mutex);
    const bool has = notes.count >= *(const size_t *)context;

    (void)pthread_mutex_unlock(&notes.mutex);
    return has;
}

static const char *wait_note(size_t index)
{
    size_t count = index + 1;

    if (!wait_until(has_notes, &count)) {
        fail_msg("only %zu notes, not %zu", notes.count, count);
    }
    return notes.text[index];
}

/* ---- the watcher ---- */

enum wish { ALL_ON, ALL_OFF, NAME_ON, NAME_OFF, LINK, MONITOR, MARK, WAIT };
typedef struct order {
    int32_t what;
    const char *name;
    troupe_pid pid;
    int32_t status; /* wanted */
} order;
TROUPE_TYPE(order, "test.order", TROUPE_FIELD(order, what, 1), TROUPE_FIELD(order, name, 2),
            TROUPE_FIELD(order, pid, 3), TROUPE_FIELD(order, status, 4));

static struct gate gate;

static troupe_status obey(troupe_self *self, const order *o)
{
    uint64_t monitor = 0;

    switch ((enum wish)o->what) {
    case ALL_ON:
    case ALL_OFF:
        return troupe_monitor_node(self, o->what == ALL_ON);
    case NAME_ON:
    case NAME_OFF:
        return troupe_monitor_node_name(self, o->name, o->what == NAME_ON);
    case LINK:
        return troupe_link(self, o->pid);
    case MONITOR:
        return troupe_monitor(self, o->pid, &monitor);
    case MARK:
        note(0, "mark", "", "");
        break;
    case WAIT:
        (void)pthread_mutex_lock(&gate.mutex);
        gate.entered = true;
        (void)pthread_cond_broadcast(&gate.cond);
        while (!gate.open) {
            (void)pthread_cond_wait(&gate.cond, &gate.mutex);
        }
        (void)pthread_mutex_unlock(&gate.mutex);
        break;
    }
    return TROUPE_OK;
}

static int on_order(troupe_self *self, void *state, const void *message)
{
    const order *o = message;

    (void)state;
    return troupe_reply(self, &number_type, &(number){.value = obey(self, o) == o->status});
}

static int on_node(troupe_self *self, void *state, const void *message)
{
    const troupe_node_message *news = message;

    (void)self;
    (void)state;
    note(news->node, news->up ? "up" : "down", news->name, news->up ? "" : news->why);
    return TROUPE_OK;
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;

    (void)self;
    (void)state;
    note(down->from.node, "DOWN", "", "");
    return TROUPE_OK;
}

static int on_exit_signal(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *news = message;

    (void)state;
    if (troupe_pid_is_none(news->from) || news->from.node == troupe_self_pid(self).node) {
        return TROUPE_STOP; /* Its own node stops. */
    }
    note(news->from.node, "EXIT", "", "");
    return TROUPE_OK;
}

static int watcher_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    troupe_trap_exit(self, true);
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&order_type, on_order},
                                          {&troupe_node_type, on_node},
                                          {&troupe_down_type, on_down},
                                          {&troupe_exit_type, on_exit_signal},
                                          {0}};
static const troupe_behavior watcher_behavior = {
    .name = "test.watcher", .init = watcher_init, .handlers = handlers};

static troupe_pid watcher;

static void tell(enum wish what, const char *name, troupe_pid pid, troupe_status status)
{
    troupe_result result = {0};
    const order o = {.what = (int32_t)what, .name = name, .pid = pid, .status = (int32_t)status};

    assert_int_equal(
        troupe_node_call(stages[0]->node, watcher, &order_type, &o, DEADLINE_MS, &result),
        TROUPE_OK);
    const number *answer = troupe_result_as(&result, &number_type);

    assert_non_null(answer);
    assert_int_equal(answer->value, 1);
    troupe_result_clear(&result);
}

/* Everything that was told before is noted before this. */
static void mark(void)
{
    tell(MARK, NULL, (troupe_pid){0}, TROUPE_OK);
}

static int begin(void **state)
{
    (void)state;
    notes.count = 0;
    nodes_begin(2, NULL);
    assert_int_equal(troupe_node_spawn(stages[0]->node, &watcher_behavior, NULL,
                                       &(troupe_spawn_options){.mailbox_messages = 1}, &watcher),
                     TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

/* ---- tests ---- */

static void nodes_that_come_and_go_are_told_with_the_reason(void **state)
{
    (void)state;
    tell(ALL_ON, NULL, (troupe_pid){0}, TROUPE_OK);
    node_begin(2, "");
    const uint64_t third = node_id_of(2);

    assert_string_equal(wait_note(0), "up n3 ");
    assert_int_equal(notes.node[0], third);
    nodes_wait(3); /* Who leaves before it knows of its session says no goodbye in it. */
    node_end(2);
    assert_string_equal(wait_note(1), "down n3 left");
    assert_int_equal(notes.node[1], third);
    node_kill(1);
    assert_string_equal(wait_note(2), "down n2 down");
    assert_int_equal(notes.node[2], node_id_of(1));
    tell(ALL_OFF, NULL, (troupe_pid){0}, TROUPE_OK);
    node_begin(2, "");
    nodes_wait(2);
    mark();
    assert_string_equal(wait_note(3), "mark  ");
}

static void a_node_by_name_is_told_once_for_each_time_it_was_asked(void **state)
{
    (void)state;
    node_begin(2, "");
    nodes_wait(3);
    tell(NAME_ON, "n2", (troupe_pid){0}, TROUPE_OK);
    tell(NAME_ON, "n2", (troupe_pid){0}, TROUPE_OK);
    tell(NAME_ON, "n2", (troupe_pid){0}, TROUPE_OK);
    tell(NAME_OFF, "n2", (troupe_pid){0}, TROUPE_OK);
    tell(NAME_ON, "n3", (troupe_pid){0}, TROUPE_OK);
    tell(NAME_OFF, "n3", (troupe_pid){0}, TROUPE_OK);
    tell(NAME_OFF, "n3", (troupe_pid){0}, TROUPE_E_NOT_FOUND);
    node_end(2); /* Of this one nothing. */
    node_end(1);
    assert_string_equal(wait_note(0), "down n2 left");
    assert_string_equal(wait_note(1), "down n2 left");
    /* It was for that session: the name comes again, and goes, without a word. */
    node_begin(1, "");
    nodes_wait(2);
    node_end(1);
    tell(NAME_ON, "n2", (troupe_pid){0}, TROUPE_OK);
    size_t next = 2;

    if (strcmp(wait_note(next), "down n2 left") == 0) { /* Its end had not been heard of yet. */
        tell(NAME_ON, "n2", (troupe_pid){0}, TROUPE_OK);
        next++;
    }
    assert_string_equal(wait_note(next), "down n2 noconnection");
    mark();
    assert_string_equal(wait_note(next + 1), "mark  ");
}

static void who_is_not_connected_is_told_of_at_once(void **state)
{
    (void)state;
    tell(NAME_ON, "nobody", (troupe_pid){0}, TROUPE_OK);
    mark();
    assert_string_equal(wait_note(0), "down nobody noconnection");
    assert_int_equal(notes.node[0], 0);
    assert_string_equal(wait_note(1), "mark  ");
    tell(NAME_OFF, "nobody", (troupe_pid){0}, TROUPE_E_NOT_FOUND);
    tell(NAME_ON, "n1", (troupe_pid){0}, TROUPE_OK); /* Itself: never. */
    tell(NAME_ON, "", (troupe_pid){0}, TROUPE_E_INVALID);
    tell(NAME_ON, "0123456789012345678901234567890123456789012345678901234567890123",
         (troupe_pid){0}, TROUPE_E_INVALID);
    mark();
    assert_string_equal(wait_note(2), "mark  ");
}

/* With whatever reason: a node that is declared dead and lives kills its actors, which may be heard
 * first. */
static void links_and_monitors_of_a_node_end_before_it_is_told_of(void **state)
{
    (void)state;
    tell(ALL_ON, NULL, (troupe_pid){0}, TROUPE_OK);
    tell(NAME_ON, "n2", (troupe_pid){0}, TROUPE_OK);
    const uint64_t before = node_id_of(1);

    for (size_t i = 0; i < LINKS; i++) {
        struct probe *probe = probe_spawn(stages[1], NULL);

        tell(i % 2 == 0 ? LINK : MONITOR, NULL, probe->pid, TROUPE_OK);
    }
    node_kill(1);
    for (size_t i = 0; i < LINKS; i++) {
        const char *text = wait_note(i);

        if (strcmp(text, "DOWN  ") != 0 && strcmp(text, "EXIT  ") != 0) {
            fail_msg("note %zu is \"%s\"", i, text);
        }
        assert_int_equal(notes.node[i], before);
    }
    assert_string_equal(wait_note(LINKS), "down n2 down");
    assert_string_equal(wait_note(LINKS + 1), "down n2 down");
    node_end(1);
    node_begin(1, "");
    assert_string_equal(wait_note(LINKS + 2), "up n2 ");
    assert_int_not_equal(notes.node[LINKS + 2], before);
}

static void a_full_mailbox_loses_none_of_it(void **state)
{
    (void)state;
    gate_init(&gate);
    tell(ALL_ON, NULL, (troupe_pid){0}, TROUPE_OK);
    assert_int_equal(
        troupe_node_send(stages[0]->node, watcher, &order_type, &(order){.what = WAIT}), TROUPE_OK);
    (void)pthread_mutex_lock(&gate.mutex);
    while (!gate.entered) {
        (void)pthread_cond_wait(&gate.cond, &gate.mutex);
    }
    (void)pthread_mutex_unlock(&gate.mutex);
    for (int i = 0; i < 3; i++) {
        node_begin(2, "");
        nodes_wait(3);
        node_end(2);
        nodes_wait(2);
    }
    gate_open(&gate);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(wait_note(i), i % 2 == 0 ? "up n3 " : "down n3 left");
    }
    gate_fini(&gate);
}

#define MONITOR_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONITOR_TEST(nodes_that_come_and_go_are_told_with_the_reason),
        MONITOR_TEST(a_node_by_name_is_told_once_for_each_time_it_was_asked),
        MONITOR_TEST(who_is_not_connected_is_told_of_at_once),
        MONITOR_TEST(links_and_monitors_of_a_node_end_before_it_is_told_of),
        MONITOR_TEST(a_full_mailbox_loses_none_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
