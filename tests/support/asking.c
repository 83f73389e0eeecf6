#include "support/asking.h"

struct stage *stage;
cJSON *reply;

int asking_begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    reply = NULL;
    return 0;
}

int asking_end(void **state)
{
    (void)state;
    cJSON_Delete(reply);
    stage_end(stage);
    return 0;
}

bool ask_node(const char *request)
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

const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    if (text == NULL) {
        fail_msg("no text \"%s\"", key);
    }
    return text;
}

double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsNumber(item)) {
        fail_msg("no number \"%s\"", key);
    }
    return item->valuedouble;
}
