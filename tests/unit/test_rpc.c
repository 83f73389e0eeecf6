/* What is tested: troupe/rpc.h over real sessions - what nodes answer each other, and how a request
 * ends that none answers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/limits.h"
#include "support/nodes.h"
#include "troupe/rpc.h"

static int begin(void **state)
{
    (void)state;
    nodes_begin(3, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nodes_end();
    return 0;
}

/* ---- asking from outside ---- */

static cJSON *ask_node(size_t from, const char *name, const char *request)
{
    char *text = NULL;

    assert_int_equal(troupe_node_ask(stages[from]->node, name, request, DEADLINE_MS, &text),
                     TROUPE_OK);
    cJSON *parsed = cJSON_Parse(text);

    assert_non_null(parsed);
    troupe_json_free(text);
    return parsed;
}

static void answers(size_t from, const char *name, const char *request, const char *key,
                    const char *value)
{
    cJSON *parsed = ask_node(from, name, request);
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(parsed, key));

    assert_non_null(found);
    assert_string_equal(found, value);
    cJSON_Delete(parsed);
}

static troupe_status refused(size_t from, const char *name, const char *request)
{
    char untouched = 0;
    char *text = &untouched;
    const troupe_status status =
        troupe_node_ask(stages[from]->node, name, request, DEADLINE_MS, &text);

    assert_null(text);
    return status;
}

/* Whether a node lists an actor. How many it lists is not counted: those that wait for the end of
 * others on behalf of the test are among them for a moment. */
static bool lists(size_t from, const char *name, troupe_pid pid)
{
    cJSON *parsed = ask_node(from, name, "{\"op\":\"actors\"}");
    const cJSON *actors = cJSON_GetObjectItemCaseSensitive(parsed, "actors");
    const cJSON *actor = NULL;
    char text[TROUPE_PID_TEXT_SIZE];
    bool found = false;

    (void)troupe_pid_print(pid, text);
    cJSON_ArrayForEach(actor, actors)
    {
        const char *listed = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(actor, "pid"));

        found = found || (listed != NULL && strcmp(listed, text) == 0);
    }
    cJSON_Delete(parsed);
    return found;
}

static void each_node_answers_each_by_name_and_id(void **state)
{
    static const char *const names[] = {"n1", "n2", "n3"};

    (void)state;
    for (size_t from = 0; from < 3; from++) {
        for (size_t to = 0; to < 3; to++) {
            char id[32];

            (void)snprintf(id, sizeof(id), "%" PRIu64, node_id_of(to));
            answers(from, names[to], "{\"op\":\"ping\"}", "name", names[to]);
            answers(from, names[to], "{\"op\":\"info\"}", "node_id", id);
            answers(from, id, "{\"op\":\"ping\"}", "name", names[to]);
        }
        answers(from, NULL, "{\"op\":\"ping\"}", "name", names[from]);
        answers(from, "", "{\"op\":\"ping\"}", "name", names[from]);
    }
}

static void all_that_only_looks_is_answered(void **state)
{
    static const char *const looks[] = {"ping",  "info",      "health", "actors", "tree",
                                        "types", "behaviors", "groups", "members"};

    (void)state;
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        char request[64];

        (void)snprintf(request, sizeof(request), "{\"op\":\"%s\"}", looks[i]);
        cJSON *parsed = ask_node(0, "n2", request);

        assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(parsed, "ok")));
        cJSON_Delete(parsed);
    }
}

static void an_actor_is_found_listed_and_after_its_end_no_more(void **state)
{
    const troupe_spawn_options options = {.name = "somebody"};
    char text[TROUPE_PID_TEXT_SIZE];
    char request[128];

    (void)state;
    struct probe *probe = probe_spawn(stages[1], &options);
    const troupe_pid pid = probe->pid;

    (void)troupe_pid_print(pid, text);
    for (size_t from = 0; from < 3; from++) {
        assert_true(lists(from, "n2", pid));
        assert_false(lists(from, "n1", pid));
        answers(from, "n3", "{\"op\":\"whereis\",\"to\":\"somebody\"}", "pid", text);
    }
    (void)snprintf(request, sizeof(request), "{\"op\":\"actor\",\"to\":\"%s\"}", text);
    answers(0, "n2", request, "behavior", probe_behavior.name);
    probe_stop(probe, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(probe);
    stage_wait_actors(stages[1], 0);
    for (size_t from = 0; from < 3; from++) {
        assert_false(lists(from, "n2", pid));
    }
    /* The node has answered: it is the name that it did not find. */
    answers(0, "n3", "{\"op\":\"whereis\",\"to\":\"nobody\"}", "status", "TROUPE_E_NOT_FOUND");
}

/* ---- refusals ---- */

static void what_does_more_than_look_is_denied(void **state)
{
    static const char *const acts[] = {"spawn", "exit", "drain", "undrain",
                                       "call",  "send", "trace"};

    (void)state;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        char request[64];

        (void)snprintf(request, sizeof(request), "{\"op\":\"%s\"}", acts[i]);
        assert_int_equal(refused(0, "n2", request), TROUPE_E_DENIED);
        assert_int_equal(refused(0, "n1", request), TROUPE_E_DENIED);
    }
    cJSON *parsed = ask_node(0, "n2", "{\"op\":\"members\"}");
    const cJSON *member = NULL;

    cJSON_ArrayForEach(member, cJSON_GetObjectItemCaseSensitive(parsed, "nodes"))
    {
        assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(member, "draining")));
    }
    cJSON_Delete(parsed);
}

static void what_is_no_request_is_invalid(void **state)
{
    static const char *const names[] = {"n1", "n2"};
    char *large = malloc(TR_RPC_REQUEST_BYTES_MAX + 1);

    (void)state;
    assert_non_null(large);
    memset(large, ' ', TR_RPC_REQUEST_BYTES_MAX);
    large[TR_RPC_REQUEST_BYTES_MAX] = '\0';
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(refused(0, names[i], "{\"op\":\"nothing\"}"), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], "{}"), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], "[]"), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], "no json"), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], ""), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], NULL), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], "{\"op\":\"\xff\"}"), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], "{\"op\":\"whereis\"}"), TROUPE_E_INVALID);
        assert_int_equal(refused(0, names[i], large), TROUPE_E_LIMIT);
        memcpy(large + TR_RPC_REQUEST_BYTES_MAX - 14, "{\"op\":\"ping\"}", 14);
        answers(0, names[i], large, "name", names[i]); /* The longest that is one. */
        large[TR_RPC_REQUEST_BYTES_MAX - 1] = ' ';
    }
    free(large);
}

static void who_is_no_node_is_not_found(void **state)
{
    static const char *const nobody[] = {"n9", "?", "0", "999999", "-1", "1x", "n", "n11"};

    (void)state;
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        assert_int_equal(refused(0, nobody[i], "{\"op\":\"ping\"}"), TROUPE_E_NOT_FOUND);
    }
}

static void a_node_that_went_is_not_asked(void **state)
{
    (void)state;
    node_end(2);
    nodes_wait(2);
    const troupe_status status = refused(0, "n3", "{\"op\":\"ping\"}");

    assert_true(status == TROUPE_E_NOT_FOUND || status == TROUPE_E_NOCONNECTION);
    answers(0, "n2", "{\"op\":\"ping\"}", "name", "n2");
}

/* ---- asking as an actor ---- */

struct question {
    const char *name;
    const char *request;
    uint32_t timeout_ms;
    troupe_status begun;  /* what the function answered at once */
    troupe_status status; /* AGAIN: not answered */
    char json[512];
    char why[256];
    bool answered; /* the test's */
};

static int on_answer(troupe_self *self, void *state, const troupe_result *result)
{
    struct question *question = (struct question *)(uintptr_t)result->tag;
    const troupe_answer *answer = troupe_result_as(result, &troupe_answer_type);

    (void)self;
    (void)state;
    question->status = result->status;
    (void)snprintf(question->json, sizeof(question->json), "%s",
                   answer == NULL ? "" : answer->json);
    (void)snprintf(question->why, sizeof(question->why), "%s", result->reason.text);
    return TROUPE_OK;
}

static int put_question(troupe_self *self, struct probe *probe, void *context)
{
    struct question *question = context;

    (void)probe;
    question->status = TROUPE_E_AGAIN;
    question->answered = false;
    question->begun = troupe_ask_node(self, question->name, question->request, question->timeout_ms,
                                      on_answer, (uint64_t)(uintptr_t)question);
    return TROUPE_OK;
}

/* Nothing to do: what was asked before it may have been answered meanwhile. */
static int see(troupe_self *self, struct probe *probe, void *context)
{
    struct question *question = context;

    (void)self;
    (void)probe;
    question->answered = question->status != TROUPE_E_AGAIN;
    return TROUPE_OK;
}

static troupe_status answer_of(struct probe *asker, struct question *question)
{
    const int64_t until = clock_ms() + DEADLINE_MS;

    while (!question->answered && clock_ms() < until) {
        assert_int_equal(probe_do(asker, see, question), TROUPE_OK);
    }
    assert_true(question->answered);
    return question->status;
}

static troupe_status begin_as(struct probe *asker, struct question *question)
{
    assert_int_equal(probe_do(asker, put_question, question), TROUPE_OK);
    return question->begun;
}

static troupe_status ask_as(struct probe *asker, struct question *question)
{
    assert_int_equal(begin_as(asker, question), TROUPE_OK);
    return answer_of(asker, question);
}

static void actors_ask_their_own_and_other_nodes(void **state)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    struct probe *asker = probe_spawn(stages[0], NULL);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct question ping = {.name = names[i], .request = "{\"op\":\"ping\"}"};
        struct question act = {.name = names[i], .request = "{\"op\":\"drain\"}"};
        struct question none = {.name = names[i], .request = "{\"op\":\"nothing\"}"};
        char expected[32];

        (void)snprintf(expected, sizeof(expected), "\"name\":\"%s\"", names[i]);
        assert_int_equal(ask_as(asker, &ping), TROUPE_OK);
        assert_non_null(strstr(ping.json, expected));
        assert_non_null(strstr(ping.json, "\"ok\":true"));
        assert_int_equal(ask_as(asker, &act), TROUPE_E_DENIED);
        assert_non_null(strstr(act.why, "\"drain\""));
        assert_string_equal(act.json, "");
        assert_int_equal(ask_as(asker, &none), TROUPE_E_INVALID);
        assert_string_equal(none.why, "there is no operation \"nothing\"");
    }
    struct question nobody = {.name = "n9", .request = "{\"op\":\"ping\"}"};

    assert_int_equal(begin_as(asker, &nobody), TROUPE_E_NOT_FOUND);
    nobody.name = "n2";
    nobody.request = NULL;
    assert_int_equal(begin_as(asker, &nobody), TROUPE_E_INVALID);
}

/* ---- a node that is stuck ---- */

enum { WORKERS = 2 }; /* of each node */

/* All workers of a node in handlers: what needs an actor there has no answer. */
struct stuck {
    struct gate gates[WORKERS];
};

static void stick(struct stuck *stuck, size_t i)
{
    struct probe *probes[WORKERS];

    for (size_t k = 0; k < WORKERS; k++) {
        probes[k] = probe_spawn(stages[i], NULL);
        gate_init(&stuck->gates[k]);
    }
    for (size_t k = 0; k < WORKERS; k++) {
        probe_block(probes[k], &stuck->gates[k]);
    }
}

static void unstick(struct stuck *stuck)
{
    for (size_t k = 0; k < WORKERS; k++) {
        gate_open(&stuck->gates[k]);
        gate_fini(&stuck->gates[k]);
    }
}

static const char whereis[] = "{\"op\":\"whereis\",\"to\":\"nobody\"}";

static void a_request_that_waits_holds_up_nothing_but_itself(void **state)
{
    static struct question questions[TR_RPC_UNDER_WAY_MAX];
    struct probe *asker = probe_spawn(stages[0], NULL);
    struct question late = {.name = "n2", .request = whereis, .timeout_ms = 20};
    struct question one_more = {.name = "n2", .request = "{\"op\":\"ping\"}"};
    struct stuck stuck;

    (void)state;
    stick(&stuck, 1);
    assert_int_equal(ask_as(asker, &late), TROUPE_E_TIMEOUT);
    answers(0, "n2", "{\"op\":\"ping\"}", "name", "n2");
    for (size_t i = 0; i + 1 < TR_RPC_UNDER_WAY_MAX; i++) { /* late is one of them still */
        questions[i] =
            (struct question){.name = "n2", .request = whereis, .timeout_ms = DEADLINE_MS};
        assert_int_equal(begin_as(asker, &questions[i]), TROUPE_OK);
    }
    assert_int_equal(ask_as(asker, &one_more), TROUPE_E_BUSY);
    answers(0, "n3", "{\"op\":\"ping\"}", "name", "n3");
    answers(1, "n2", "{\"op\":\"ping\"}", "name", "n2");
    unstick(&stuck);
    for (size_t i = 0; i + 1 < TR_RPC_UNDER_WAY_MAX; i++) {
        assert_int_equal(answer_of(asker, &questions[i]), TROUPE_OK);
        assert_non_null(strstr(questions[i].json, "TROUPE_E_NOT_FOUND"));
    }
    answers(0, "n2", "{\"op\":\"ping\"}", "name", "n2");
}

static void a_node_that_dies_while_it_is_asked_is_no_connection(void **state)
{
    struct probe *asker = probe_spawn(stages[0], NULL);
    struct question question = {.name = "n2", .request = whereis, .timeout_ms = DEADLINE_MS};
    struct stuck stuck;

    (void)state;
    stick(&stuck, 1);
    assert_int_equal(begin_as(asker, &question), TROUPE_OK);
    node_kill(1);
    assert_int_equal(answer_of(asker, &question), TROUPE_E_NOCONNECTION);
    unstick(&stuck);
    answers(0, "n3", "{\"op\":\"ping\"}", "name", "n3");
}

#define RPC_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RPC_TEST(each_node_answers_each_by_name_and_id),
        RPC_TEST(all_that_only_looks_is_answered),
        RPC_TEST(an_actor_is_found_listed_and_after_its_end_no_more),
        RPC_TEST(what_does_more_than_look_is_denied),
        RPC_TEST(what_is_no_request_is_invalid),
        RPC_TEST(who_is_no_node_is_not_found),
        RPC_TEST(a_node_that_went_is_not_asked),
        RPC_TEST(actors_ask_their_own_and_other_nodes),
        RPC_TEST(a_request_that_waits_holds_up_nothing_but_itself),
        RPC_TEST(a_node_that_dies_while_it_is_asked_is_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
