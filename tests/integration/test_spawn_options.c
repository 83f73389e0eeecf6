/* What is tested: a durable actor that another node recovers from a private PostgreSQL is as it was
 * spawned - bounds and policy of its mailbox, interval of its checkpoints, whether it may be
 * suspended. Each node has one worker: what a handler sends is looked at by nobody before it
 * returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "row_node.h"

enum { DEADLINE_MS = 30000, MARKS = 10 };

typedef struct probe {
    troupe_pid sink;
} probe;
TROUPE_TYPE(probe, "test.probe", TROUPE_FIELD(probe, sink, 1));

/* How many of MARKS sends were taken: by the actor's own mailbox, by the sink's. */
typedef struct taken {
    int32_t own;
    int32_t sink;
} taken;
TROUPE_TYPE(taken, "test.taken", TROUPE_FIELD(taken, own, 1), TROUPE_FIELD(taken, sink, 2));

typedef struct gauge {
    int32_t marks; /* that came since the last probe */
    int32_t touches;
} gauge;
TROUPE_TYPE(gauge, "test.gauge", TROUPE_FIELD(gauge, marks, 1), TROUPE_FIELD(gauge, touches, 2));

/* Large enough that mailboxes count its bytes. */
typedef struct mark {
    const char *fill;
} mark;
TROUPE_TYPE(mark, "test.mark", TROUPE_FIELD(mark, fill, 1));
TROUPE_TYPE_EMPTY(touch, "test.touch");

static int32_t send_marks(troupe_self *self, troupe_pid to)
{
    static char fill[4096];
    int32_t count = 0;

    memset(fill, 'x', sizeof(fill) - 1);
    for (int i = 0; i < MARKS; i++) {
        count += troupe_send(self, to, &mark_type, &(mark){.fill = fill}) == TROUPE_OK ? 1 : 0;
    }
    return count;
}

static int on_probe(troupe_self *self, void *state, const void *message)
{
    const taken answer = {.own = send_marks(self, troupe_self_pid(self)),
                          .sink = send_marks(self, ((const probe *)message)->sink)};

    ((gauge *)state)->marks = 0;
    return troupe_reply(self, &taken_type, &answer);
}

static int on_mark(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)message;
    ((gauge *)state)->marks++;
    return TROUPE_OK;
}

static int on_touch(troupe_self *self, void *state, const void *message)
{
    (void)message;
    ((gauge *)state)->touches++;
    return troupe_reply(self, &gauge_type, state);
}

static const troupe_handler handlers[] = {
    {&probe_type, on_probe}, {&mark_type, on_mark}, {&touch_type, on_touch}, {0}};
static const troupe_behavior gauge_behavior = {
    .name = "test.gauge", .state = &gauge_type, .handlers = handlers};
static const troupe_behavior *const behaviors[] = {&gauge_behavior};

static troupe_node *first;
static troupe_node *second;

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Calls the name until somebody who has room answers. */
static void call(troupe_node *node, const char *name, const troupe_type *type, const void *message,
                 troupe_result *result)
{
    const int64_t until = now_ms() + DEADLINE_MS;

    *result = (troupe_result){0};
    while (troupe_node_call_name(node, name, type, message, 5000, result) != TROUPE_OK) {
        assert_true(now_ms() < until);
        troupe_result_clear(result);
    }
}

/* What the actor is like: "own sink marks". */
static const char *measure(troupe_node *node, const char *name)
{
    static char text[64];
    troupe_spawn_options options = {.mailbox_messages = 1, .mailbox_policy = TROUPE_MAILBOX_BLOCK};
    probe message = {0};
    troupe_result result;

    assert_int_equal(troupe_node_spawn(node, &gauge_behavior, NULL, &options, &message.sink),
                     TROUPE_OK);
    call(node, name, &probe_type, &message, &result);
    const taken answer = *(const taken *)result.value;

    troupe_result_clear(&result);
    call(node, name, &touch_type, NULL, &result);
    (void)snprintf(text, sizeof(text), "%d %d %d", answer.own, answer.sink,
                   ((const gauge *)result.value)->marks);
    troupe_result_clear(&result);
    return text;
}

static void spawn(const char *name, troupe_spawn_options options)
{
    troupe_pid pid;

    options.name = name;
    options.flags |= TROUPE_SPAWN_DURABLE;
    options.checkpoint = TROUPE_CHECKPOINT_EVERY; /* What it sends waits for no checkpoint. */
    assert_int_equal(troupe_node_spawn(first, &gauge_behavior, NULL, &options, &pid), TROUPE_OK);
}

static int64_t saved_touches(const char *name)
{
    return pg_number(admin, "SELECT (state ->> 'touches')::int FROM troupe.actors WHERE name = $1",
                     PG_VALUES(name));
}

static void the_heir_runs_the_actor_with_the_options_of_its_spawn(void **state)
{
    troupe_result result;

    (void)state;
    spawn("whole", (troupe_spawn_options){.flags = TROUPE_SPAWN_NOSUSPEND,
                                          .checkpoint_ms = 3600000,
                                          .mailbox_messages = 3,
                                          .mailbox_policy = TROUPE_MAILBOX_DROP_NEW});
    spawn("narrow", (troupe_spawn_options){.mailbox_bytes = 10000});
    spawn("plain", (troupe_spawn_options){.flags = 0});
    char narrow[64];

    /* DROP_NEW takes all and keeps three; who may not be suspended gets one mark into a full sink's
     * place, others one more. */
    assert_string_equal(measure(first, "whole"), "10 1 3");
    assert_string_equal(measure(first, "plain"), "10 2 10");
    (void)snprintf(narrow, sizeof(narrow), "%s", measure(first, "narrow"));
    assert_string_not_equal(narrow, "10 2 10");
    assert_string_equal(
        pg_one(admin, "SELECT options FROM troupe.names WHERE name = 'whole'", PG_NONE),
        "{\"nosuspend\": true, \"checkpoint_ms\": 3600000, \"mailbox_bytes\": 0, "
        "\"mailbox_policy\": \"drop_new\", \"mailbox_messages\": 3}");
    assert_int_equal(pg_number(admin,
                               "SELECT count(*) FROM troupe.names WHERE name = 'plain' AND options "
                               "IS NULL",
                               PG_NONE),
                     1);
    troupe_node_stop(first, 5000);
    first = NULL;
    assert_string_equal(measure(second, "whole"), "10 1 3");
    assert_string_equal(measure(second, "plain"), "10 2 10");
    assert_string_equal(measure(second, "narrow"), narrow);

    /* Saved once an hour: not yet when one that is saved each second is, though it changed first.
     */
    const int64_t before = saved_touches("whole");

    call(second, "whole", &touch_type, NULL, &result);
    troupe_result_clear(&result);
    call(second, "plain", &touch_type, NULL, &result);
    const int64_t touches = ((const gauge *)result.value)->touches;
    const int64_t until = now_ms() + DEADLINE_MS;

    troupe_result_clear(&result);
    while (saved_touches("plain") < touches) {
        assert_true(now_ms() < until);
    }
    assert_int_equal(saved_touches("whole"), before);
}

/* The row was changed by hand to what no spawn would take. */
static void a_row_with_options_that_cannot_be_is_not_recovered(void **state)
{
    (void)state;
    spawn("bad", (troupe_spawn_options){.mailbox_messages = 3});
    spawn("good", (troupe_spawn_options){.mailbox_messages = 3});
    pg_run(admin,
           "UPDATE troupe.name SET options = options || '{\"mailbox_policy\": \"some\", "
           "\"later\": 1}' WHERE name = 'bad'",
           PG_NONE);
    pg_run(admin,
           "UPDATE troupe.name SET options = options || '{\"later\": 1}' WHERE name = 'good'",
           PG_NONE);
    troupe_node_stop(first, 5000);
    first = NULL;
    assert_string_equal(measure(second, "good"), "3 2 3");
    const int64_t until = now_ms() + DEADLINE_MS;

    while (pg_number(admin,
                     "SELECT count(*) FROM troupe.names WHERE name = 'bad' AND node = 'n2' AND "
                     "status = 'starting'",
                     PG_NONE) != 1) {
        assert_true(now_ms() < until);
    }
}

static int begin(void **state)
{
    (void)state;
    first = row_node_begin(behaviors, 1);
    second = row_node_start("n2", behaviors, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (first != NULL) {
        troupe_node_stop(first, 5000);
    }
    row_node_end(second);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_heir_runs_the_actor_with_the_options_of_its_spawn,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_row_with_options_that_cannot_be_is_not_recovered, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
