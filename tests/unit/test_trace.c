/* What is tested: tracing one actor through the administration protocol, on a local node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/asking.h"

static char trace[32];

static bool begin_trace(troupe_pid pid, const char *more)
{
    char pid_text[TROUPE_PID_TEXT_SIZE];
    char request[256];

    (void)snprintf(request, sizeof(request),
                   "{\"op\":\"trace\",\"action\":\"start\",\"to\":\"%s\"%s}",
                   troupe_pid_print(pid, pid_text), more);
    if (!ask_node(request)) {
        return false;
    }
    (void)snprintf(trace, sizeof(trace), "%s", text_of(reply, "trace"));
    return true;
}

static bool on_trace(const char *action)
{
    char request[128];

    (void)snprintf(request, sizeof(request),
                   "{\"op\":\"trace\",\"action\":\"%s\",\"trace\":\"%s\",\"timeout_ms\":200}",
                   action, trace);
    return ask_node(request);
}

/* Reads until so many events are there; answers them, to be deleted. */
static cJSON *read_events(int count)
{
    cJSON *events = cJSON_CreateArray();
    const int64_t until = clock_ms() + DEADLINE_MS;

    while (cJSON_GetArraySize(events) < count && clock_ms() < until) {
        assert_true(on_trace("read"));
        cJSON *list = cJSON_GetObjectItemCaseSensitive(reply, "events");

        while (list->child != NULL) {
            (void)cJSON_AddItemToArray(events, cJSON_DetachItemViaPointer(list, list->child));
        }
    }
    assert_true(cJSON_GetArraySize(events) >= count);
    return events;
}

static const cJSON *find_event(const cJSON *events, const char *event, const char *signal)
{
    const cJSON *item = NULL;

    cJSON_ArrayForEach(item, events)
    {
        if (strcmp(text_of(item, "event"), event) == 0 &&
            strcmp(text_of(item, "signal"), signal) == 0) {
            return item;
        }
    }
    fail_msg("no %s %s", event, signal);
    return NULL;
}

static void is_pid(const cJSON *event, const char *key, troupe_pid pid)
{
    char text[TROUPE_PID_TEXT_SIZE];

    assert_string_equal(text_of(event, key), troupe_pid_print(pid, text));
}

static void what_it_receives_sends_and_ends_with_is_told(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);

    (void)state;
    assert_true(begin_trace(a->pid, ",\"values\":true"));
    probe_send(b, a->pid, 42);
    probe_send(a, b->pid, 43);
    probe_link(b, a->pid);
    probe_stop(a, TROUPE_REASON_ERROR, "enough");
    (void)probe_end(a);
    /* A number; what has it send, the number sent, the answer; a link; what has it stop; its end.
     */
    cJSON *events = read_events(7);
    const cJSON *first = cJSON_GetArrayItem(events, 0);

    assert_string_equal(text_of(first, "event"), "received");
    assert_string_equal(text_of(first, "signal"), "message");
    assert_string_equal(text_of(first, "type"), "test.number");
    is_pid(first, "from", b->pid);
    assert_string_equal(text_of(first, "seq"), "1");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(first, "value");

    assert_int_equal(cJSON_GetObjectItemCaseSensitive(value, "value")->valueint, 42);
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(first, "size_bytes")->valueint,
                     sizeof(number));
    is_pid(find_event(events, "sent", "message"), "to", b->pid);
    is_pid(find_event(events, "received", "link"), "from", b->pid);
    const cJSON *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);

    assert_string_equal(text_of(last, "event"), "ended");
    assert_string_equal(text_of(last, "reason"), "error");
    assert_string_equal(text_of(last, "text"), "enough");
    cJSON_Delete(events);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ended")));
    assert_string_equal(text_of(reply, "why"), "actor");
    assert_false(on_trace("read")); /* It is gone. */
}

static void values_are_told_only_when_asked_for(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);

    (void)state;
    assert_true(begin_trace(a->pid, ""));
    assert_int_equal(troupe_node_send(stage->node, a->pid, &number_type, &(number){1}), TROUPE_OK);
    cJSON *events = read_events(1);

    assert_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(events, 0), "value"));
    cJSON_Delete(events);
}

static void a_trace_ends_when_it_is_stopped(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);

    (void)state;
    assert_true(begin_trace(a->pid, ""));
    assert_false(begin_trace(a->pid, "")); /* One at a time. */
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_EXISTS");
    assert_true(on_trace("stop"));
    assert_false(on_trace("read"));
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_NOT_FOUND");
    assert_true(begin_trace(a->pid, ""));
    assert_int_equal(troupe_node_send(stage->node, a->pid, &number_type, &(number){1}), TROUPE_OK);
    cJSON_Delete(read_events(1));
}

static void a_trace_ends_by_its_time(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    const int64_t until = clock_ms() + DEADLINE_MS;

    (void)state;
    assert_true(begin_trace(a->pid, ",\"seconds\":1"));
    do {
        assert_true(on_trace("read"));
    } while (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ended")) && clock_ms() < until);
    assert_string_equal(text_of(reply, "why"), "time");
    /* The actor notices by itself, and can be traced again. */
    assert_int_equal(troupe_node_send(stage->node, a->pid, &number_type, &(number){1}), TROUPE_OK);
    assert_int_equal(probe_seen(a), 1);
    assert_true(begin_trace(a->pid, ""));
}

static void what_nobody_reads_in_time_is_dropped_and_counted(void **state)
{
    enum { MESSAGES = 2500, KEPT = 1000 };
    struct probe *a = probe_spawn(stage, NULL);

    (void)state;
    assert_true(begin_trace(a->pid, ""));
    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(troupe_node_send(stage->node, a->pid, &number_type, &(number){i}),
                         TROUPE_OK);
    }
    while (probe_count(a) < PROBE_SEEN_MAX) {
        (void)probe_wait(a, PROBE_SEEN_MAX - 1);
    }
    assert_int_equal(troupe_node_exit(stage->node, a->pid, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    (void)probe_end(a);
    assert_true(on_trace("read"));
    const cJSON *events = cJSON_GetObjectItemCaseSensitive(reply, "events");
    const int dropped = cJSON_GetObjectItemCaseSensitive(reply, "dropped")->valueint;

    assert_int_equal(cJSON_GetArraySize(events), KEPT);
    /* Beside the messages: the exit, perhaps the monitor of who waits for the end, the end. */
    assert_in_range(dropped, PROBE_SEEN_MAX - KEPT, MESSAGES + 3 - KEPT);
    assert_string_equal(text_of(cJSON_GetArrayItem(events, KEPT - 1), "event"), "ended");
}

static void traces_are_bounded(void **state)
{
    struct probe *probes[17];

    (void)state;
    for (size_t i = 0; i < 17; i++) {
        probes[i] = probe_spawn(stage, NULL);
        assert_int_equal(begin_trace(probes[i]->pid, ""), i < 16);
    }
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_LIMIT");
    assert_true(on_trace("stop"));
    assert_true(begin_trace(probes[16]->pid, ""));
}

static void mistakes_are_named(void **state)
{
    (void)state;
    assert_false(begin_trace((troupe_pid){1, 999999}, ""));
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_NOT_FOUND");
    assert_false(ask_node("{\"op\":\"trace\"}"));
    assert_false(ask_node("{\"op\":\"trace\",\"action\":\"read\",\"trace\":\"77\"}"));
    struct probe *a = probe_spawn(stage, NULL);

    assert_true(begin_trace(a->pid, ""));
    assert_false(on_trace("sing"));
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_INVALID");
}

#define TRACE_TEST(name) cmocka_unit_test_setup_teardown(name, asking_begin, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACE_TEST(what_it_receives_sends_and_ends_with_is_told),
        TRACE_TEST(values_are_told_only_when_asked_for),
        TRACE_TEST(a_trace_ends_when_it_is_stopped),
        TRACE_TEST(a_trace_ends_by_its_time),
        TRACE_TEST(what_nobody_reads_in_time_is_dropped_and_counted),
        TRACE_TEST(traces_are_bounded),
        TRACE_TEST(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
