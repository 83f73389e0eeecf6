#include "cli/json_text.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

static int bad(struct problem *problem, const char *why)
{
    const int status = problem_set(problem, PROBLEM_BAD_JSON, "the argument is no JSON message");

    problem_detail(problem, "%s", why);
    problem_hint(problem,
                 "a message is an object, as in '{\"cents\": 5}'; mind the shell's quotes");
    return status;
}

/* The deepest nesting of brackets outside strings. Looked at before parsing: the parser recurses.
 */
static unsigned nesting(const char *text)
{
    unsigned depth = 0;
    unsigned deepest = 0;
    bool in_string = false;

    for (; *text != '\0'; text++) {
        if (in_string) {
            if (*text == '\\' && text[1] != '\0') {
                text++;
            } else if (*text == '"') {
                in_string = false;
            }
        } else if (*text == '"') {
            in_string = true;
        } else if (*text == '{' || *text == '[') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if ((*text == '}' || *text == ']') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

int json_text_check(const char *text, struct problem *problem)
{
    const size_t size = strlen(text);
    const char *end = NULL;
    cJSON *value = NULL;
    bool is_object = false;

    if (size > JSON_SIZE_MAX) {
        return bad(problem, "it has more than 512 KiB");
    }
    if (nesting(text) > JSON_NESTING_MAX) {
        return bad(problem, "it is nested more than 32 levels deep");
    }
    value = cJSON_ParseWithLengthOpts(text, size + 1, &end, true);
    if (value == NULL) {
        char why[160];
        const size_t at = end != NULL && end >= text ? (size_t)(end - text) : 0;

        (void)snprintf(why, sizeof(why), "it goes wrong at byte %zu: %.40s", at + 1,
                       at < size ? text + at : "the end");
        return bad(problem, why);
    }
    is_object = cJSON_IsObject(value);
    cJSON_Delete(value);
    return is_object ? 0 : bad(problem, "it is not an object");
}
