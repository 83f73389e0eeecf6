/* What is tested: the administration protocol (docs/admin.md) on a local node, through
 * troupe_node_admin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/asking.h"

typedef struct counter {
    int64_t count;
    const char *label;
} counter;
TROUPE_TYPE(counter, "test.counter", TROUPE_FIELD(counter, count, 1),
            TROUPE_FIELD(counter, label, 2));

static troupe_pid holder;
static struct gate gate; /* for a handler that does not end */

static int counter_init(troupe_self *self, void *state, const void *args)
{
    const counter *from = args;
    counter *c = state;

    if (from == NULL) {
        return TROUPE_OK;
    }
    if (from->count < 0) {
        return troupe_fail(self, "below zero");
    }
    c->count = from->count;
    return troupe_set_string(self, &c->label, from->label);
}

static int counter_on_number(troupe_self *self, void *state, const void *message)
{
    counter *c = state;

    c->count += ((const number *)message)->value;
    return c->count == 666 ? troupe_fail(self, "the number of the beast")
                           : troupe_reply(self, &counter_type, c);
}

static const troupe_handler counter_handlers[] = {{&number_type, counter_on_number}, {0}};
static const troupe_behavior counter_behavior = {.name = "test.counter",
                                                 .version = 3,
                                                 .state = &counter_type,
                                                 .args = &counter_type,
                                                 .init = counter_init,
                                                 .handlers = counter_handlers};

static int begin(void **state)
{
    (void)asking_begin(state);
    gate_init(&gate);
    assert_int_equal(troupe_node_add_behavior(stage->node, &counter_behavior, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_node_spawn(stage->node, &counter_behavior,
                                       &(counter){.count = 5, .label = "five"},
                                       &(troupe_spawn_options){.name = "five"}, &holder),
                     TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    gate_open(&gate);
    gate_fini(&gate);
    return asking_end(state);
}

static void fails(const char *request, const char *status, const char *words)
{
    assert_false(ask_node(request));
    assert_string_equal(text_of(reply, "status"), status);
    if (strstr(text_of(reply, "error"), words) == NULL) {
        fail_msg("%s: \"%s\" has no \"%s\"", request, text_of(reply, "error"), words);
    }
}

static void a_ping_names_the_node(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"ping\"}"));
    assert_string_equal(text_of(reply, "name"), "local");
    assert_string_equal(text_of(reply, "node_id"), "1");
}

static void info_has_the_counters(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"info\"}"));
    assert_true(number_of(reply, "actors") > 0.5 && number_of(reply, "actors") < 1.5);
}

static void a_call_is_answered_in_json(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.number\","
                         "\"message\":{\"value\":2}}"));
    assert_string_equal(text_of(reply, "type"), "test.counter");
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(reply, "message");

    assert_true(number_of(message, "count") > 6.5 && number_of(message, "count") < 7.5);
    char pid[TROUPE_PID_TEXT_SIZE];

    assert_string_equal(text_of(reply, "from"), troupe_pid_print(holder, pid));
}

static void integers_keep_their_digits_when_the_message_is_text(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.number\","
                         "\"message\":\"{\\\"value\\\":9007199254740989}\"}"));
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(reply, "message");

    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "count")),
                        "9007199254740994");
}

static void mistakes_in_a_call_are_named(void **state)
{
    (void)state;
    fails("{\"op\":\"call\",\"to\":\"nobody\",\"type\":\"test.number\",\"message\":{}}",
          "TROUPE_E_NOT_FOUND", "nobody");
    fails("{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.unheard\",\"message\":{}}",
          "TROUPE_E_NOT_FOUND", "test.unheard");
    fails("{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.number\",\"message\":{\"valve\":1}}",
          "TROUPE_E_TYPE", "valve");
    fails(
        "{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.number\",\"message\":{\"value\":\"x\"}}",
        "TROUPE_E_TYPE", "value");
    fails("{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.number\",\"message\":\"{{{\"}",
          "TROUPE_E_TYPE", "");
    fails("{\"op\":\"call\",\"to\":\"five\"}", "TROUPE_E_INVALID", "type");
    fails("{\"op\":\"call\",\"type\":\"test.number\"}", "TROUPE_E_INVALID", "to");
    fails("{\"op\":\"call\",\"to\":\"<1.x>\",\"type\":\"test.number\"}", "TROUPE_E_INVALID", "pid");
    fails("{\"op\":\"call\",\"to\":\"\",\"type\":\"test.number\"}", "TROUPE_E_INVALID", "name");
    fails("{\"op\":\"call\",\"to\":\"<1.999999>\",\"type\":\"test.number\",\"message\":{}}",
          "TROUPE_E_NOPROC", "");
    fails("{\"op\":\"call\",\"to\":\"five\",\"type\":\"test.number\",\"message\":{\"value\":661}}",
          "TROUPE_E_EXITED", "the number of the beast");
}

static bool five_is_six(void *context)
{
    (void)context;
    assert_true(ask_node("{\"op\":\"actor\",\"to\":\"five\"}"));
    const double count = number_of(cJSON_GetObjectItemCaseSensitive(reply, "state"), "count");

    assert_true(count < 6.5);
    return count > 5.5;
}

static void a_send_needs_somebody(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"send\",\"to\":\"five\",\"type\":\"test.number\","
                         "\"message\":{\"value\":1}}"));
    fails("{\"op\":\"send\",\"to\":\"nobody\",\"type\":\"test.number\",\"message\":{\"value\":1}}",
          "TROUPE_E_NOT_FOUND", "nobody");
    /* A look comes before messages that wait: the send may not have been handled yet. */
    assert_true(wait_until(five_is_six, NULL));
}

static void actors_are_started_and_ended(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"name\":\"new\","
                         "\"args\":{\"count\":3,\"label\":\"x\"}}"));
    assert_string_equal(text_of(reply, "node_id"), "1");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"name\":\"new\"}", "TROUPE_E_EXISTS",
          "new");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.unheard\"}", "TROUPE_E_NOT_FOUND", "test.unheard");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"args\":{\"count\":-1}}",
          "TROUPE_E_FAILED", "below zero");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"args\":{\"cuont\":1}}",
          "TROUPE_E_TYPE", "cuont");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"node\":\"elsewhere\"}",
          "TROUPE_E_NOT_FOUND", "elsewhere");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"durable\":true,\"name\":\"d\"}",
          "TROUPE_E_INVALID", "registry");
    fails("{\"op\":\"spawn\",\"behavior\":\"test.counter\",\"checkpoint\":\"never\"}",
          "TROUPE_E_INVALID", "never");
    fails("{\"op\":\"spawn\"}", "TROUPE_E_INVALID", "behavior");
    assert_true(ask_node("{\"op\":\"exit\",\"to\":\"new\",\"reason\":\"shutdown\"}"));
    stage_wait_actors(stage, 1);
    fails("{\"op\":\"exit\",\"to\":\"new\",\"reason\":\"shutdown\"}", "TROUPE_E_NOT_FOUND", "new");
    fails("{\"op\":\"exit\",\"to\":\"five\"}", "TROUPE_E_INVALID", "reason");
    assert_true(ask_node("{\"op\":\"exit\",\"to\":\"five\",\"reason\":\"kill\"}"));
    stage_wait_actors(stage, 0);
}

static void actors_are_listed(void **state)
{
    struct probe *probe = probe_spawn(stage, NULL);

    (void)state;
    probe_trap(probe, true);
    assert_true(ask_node("{\"op\":\"actors\"}"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "actors")), 2);
    assert_true(ask_node("{\"op\":\"actors\",\"behavior\":\"test.probe\"}"));
    const cJSON *actors = cJSON_GetObjectItemCaseSensitive(reply, "actors");

    assert_int_equal(cJSON_GetArraySize(actors), 1);
    const cJSON *shown = cJSON_GetArrayItem(actors, 0);

    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(shown, "traps_exits")));
    assert_true(ask_node("{\"op\":\"actors\",\"behavior\":\"test.unheard\"}"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "actors")), 0);
    assert_true(ask_node("{\"op\":\"actors\",\"limit\":1}"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "actors")), 1);
}

static void a_busy_actor_is_seen_from_outside_in_time(void **state)
{
    struct probe *probe = probe_spawn(stage, NULL);
    char request[128];
    char pid[TROUPE_PID_TEXT_SIZE];

    (void)state;
    probe_block(probe, &gate);
    const int64_t before = clock_ms();

    assert_true(ask_node("{\"op\":\"actors\",\"timeout_ms\":50}"));
    assert_true(number_of(reply, "busy") > 0.5);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "actors")), 2);
    assert_in_range(clock_ms() - before, 50, 900);
    (void)snprintf(request, sizeof(request), "{\"op\":\"actor\",\"to\":\"%s\",\"timeout_ms\":50}",
                   troupe_pid_print(probe->pid, pid));
    assert_true(ask_node(request));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "busy")));
    assert_null(cJSON_GetObjectItemCaseSensitive(reply, "handled")); /* Only the actor knows. */
    gate_open(&gate);
    /* The late answers are freed by whoever brings them. */
    assert_int_equal(probe_seen(probe), 0);
}

static void an_actor_is_shown_with_its_state(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"actor\",\"to\":\"five\"}"));
    assert_string_equal(text_of(reply, "name"), "five");
    assert_string_equal(text_of(reply, "behavior"), "test.counter");
    const cJSON *shown = cJSON_GetObjectItemCaseSensitive(reply, "state");

    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(shown, "label")),
                        "five");
    fails("{\"op\":\"actor\",\"to\":\"nobody\"}", "TROUPE_E_NOT_FOUND", "nobody");
    fails("{\"op\":\"actor\",\"to\":\"<1.77>\"}", "TROUPE_E_NOT_FOUND", "<1.77>");
    fails("{\"op\":\"actor\",\"to\":\"<2.77>\"}", "TROUPE_E_NOT_FOUND", "not here");
    fails("{\"op\":\"actor\"}", "TROUPE_E_INVALID", "to");
}

static void what_the_node_knows_is_listed(void **state)
{
    (void)state;
    assert_true(ask_node("{\"op\":\"behaviors\"}"));
    const cJSON *first =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(reply, "behaviors"), 0);

    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "name")),
                        "test.counter");
    assert_true(ask_node("{\"op\":\"types\"}"));
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "types")) >= 7);
    assert_true(ask_node("{\"op\":\"members\"}"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(reply, "nodes")), 1);
}

static void nonsense_is_answered(void **state)
{
    static const char *const nonsense[] = {
        "",
        "x",
        "[]",
        "null",
        "1",
        "{\"op\":1}",
        "{}",
        "{\"op\":\"fly\"}",
        "{\"op\":null}",
        "\"ping\"",
        "{",
        "{\"op\":\"call\",\"to\":7}",
        "{\"op\":\"ping\"} trailing",
    };
    char *huge = malloc(2u << 20);

    (void)state;
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]) - 1; i++) {
        assert_false(ask_node(nonsense[i]));
        assert_string_equal(text_of(reply, "status"), "TROUPE_E_INVALID");
    }
    assert_non_null(huge);
    memset(huge, ' ', (2u << 20) - 1);
    huge[(2u << 20) - 1] = '\0';
    huge[0] = '{';
    huge[(2u << 20) - 2] = '}';
    fails(huge, "TROUPE_E_INVALID", "");
    free(huge);
    /* Deep nesting must not overflow the stack. */
    char *deep = malloc(500001);

    assert_non_null(deep);
    memset(deep, '[', 500000);
    deep[500000] = '\0';
    fails(deep, "TROUPE_E_INVALID", "");
    free(deep);
    assert_true(ask_node("{\"op\":\"ping\",\"timeout_ms\":-5}"));
    assert_true(ask_node("{\"op\":\"ping\",\"timeout_ms\":1e300}"));
    assert_true(ask_node("{\"op\":\"ping\",\"timeout_ms\":\"soon\"}"));
}

static void a_short_timeout_is_kept(void **state)
{
    struct probe *probe = probe_spawn(stage, &(troupe_spawn_options){.name = "slow"});

    (void)state;
    assert_int_equal(troupe_node_add_type(stage->node, &ask_type, NULL, 0), TROUPE_OK);
    probe_block(probe, &gate);
    const int64_t before = clock_ms();

    fails(
        "{\"op\":\"call\",\"to\":\"slow\",\"type\":\"test.ask\",\"message\":{},\"timeout_ms\":40}",
        "TROUPE_E_TIMEOUT", "");
    assert_in_range(clock_ms() - before, 40, 3000);
    gate_open(&gate);
}

#define ADMIN_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADMIN_TEST(a_ping_names_the_node),
        ADMIN_TEST(info_has_the_counters),
        ADMIN_TEST(a_call_is_answered_in_json),
        ADMIN_TEST(integers_keep_their_digits_when_the_message_is_text),
        ADMIN_TEST(mistakes_in_a_call_are_named),
        ADMIN_TEST(a_send_needs_somebody),
        ADMIN_TEST(actors_are_started_and_ended),
        ADMIN_TEST(actors_are_listed),
        ADMIN_TEST(a_busy_actor_is_seen_from_outside_in_time),
        ADMIN_TEST(an_actor_is_shown_with_its_state),
        ADMIN_TEST(what_the_node_knows_is_listed),
        ADMIN_TEST(nonsense_is_answered),
        ADMIN_TEST(a_short_timeout_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
