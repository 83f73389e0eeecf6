/* What is tested: the operations of the administration protocol that look into a running node, on a
 * local node, through troupe_node_admin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "support/actors.h"

static struct stage *stage;
static cJSON *reply;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    reply = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    cJSON_Delete(reply);
    stage_end(stage);
    return 0;
}

static bool ask_node(const char *request)
{
    char *text = NULL;

    assert_int_equal(troupe_node_admin(stage->node, request, 5000, &text), TROUPE_OK);
    assert_non_null(text);
    cJSON_Delete(reply);
    reply = cJSON_Parse(text);
    troupe_json_free(text);
    assert_non_null(reply);
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ok"));
}

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    if (text == NULL) {
        fail_msg("no text \"%s\"", key);
    }
    return text;
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsNumber(item)) {
        fail_msg("no number \"%s\"", key);
    }
    return item->valuedouble;
}

static void has_number(const cJSON *object, const char *key, int64_t value)
{
    assert_int_equal((int64_t)number_of(object, key), value);
}

static const cJSON *list_of(const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(reply, key);

    assert_true(cJSON_IsArray(list));
    return list;
}

static void is_pid_of(const cJSON *object, const char *key, troupe_pid pid)
{
    char text[TROUPE_PID_TEXT_SIZE];

    assert_string_equal(text_of(object, key), troupe_pid_print(pid, text));
}

/* ---- groups ---- */

static int join(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_join(self, context);
}

static void groups_are_listed_with_their_members(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);
    static char hall[] = "hall";

    (void)state;
    assert_true(ask_node("{\"op\":\"groups\"}"));
    assert_int_equal(cJSON_GetArraySize(list_of("groups")), 0);
    (void)probe_do(a, join, hall);
    (void)probe_do(b, join, hall);
    assert_true(ask_node("{\"op\":\"groups\"}"));
    const cJSON *first = cJSON_GetArrayItem(list_of("groups"), 0);

    assert_string_equal(text_of(first, "group"), "hall");
    has_number(first, "members", 2);
    has_number(first, "watchers", 0);
    assert_true(ask_node("{\"op\":\"group\",\"group\":\"hall\"}"));
    assert_int_equal(cJSON_GetArraySize(list_of("members")), 2);
    is_pid_of(cJSON_GetArrayItem(list_of("members"), 0), "pid", a->pid);
    assert_true(ask_node("{\"op\":\"group\",\"group\":\"hall\",\"limit\":1}"));
    assert_int_equal(cJSON_GetArraySize(list_of("members")), 1);
    has_number(reply, "total", 2);
    assert_true(ask_node("{\"op\":\"group\",\"group\":\"empty\"}"));
    has_number(reply, "total", 0);
    assert_false(ask_node("{\"op\":\"group\"}"));
    assert_false(ask_node("{\"op\":\"group\",\"group\":\"\\u0007\"}"));
    probe_stop(a, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(a);
    assert_true(ask_node("{\"op\":\"groups\"}"));
    has_number(cJSON_GetArrayItem(list_of("groups"), 0), "members", 1);
}

static void a_name_is_resolved(void **state)
{
    struct probe *a = probe_spawn(stage, &(troupe_spawn_options){.name = "ada"});

    (void)state;
    assert_true(ask_node("{\"op\":\"whereis\",\"to\":\"ada\"}"));
    is_pid_of(reply, "pid", a->pid);
    assert_string_equal(text_of(reply, "node_id"), "1");
    assert_false(ask_node("{\"op\":\"whereis\",\"to\":\"nobody\"}"));
    assert_string_equal(text_of(reply, "status"), "TROUPE_E_NOT_FOUND");
}

#define LOOK_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOK_TEST(groups_are_listed_with_their_members),
        LOOK_TEST(a_name_is_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
