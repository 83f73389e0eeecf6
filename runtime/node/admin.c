#include "node/admin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    REQUEST_SIZE_MAX = 1024 * 1024,
    ITEMS_SIZE_MAX = 1000 * 1000 /* what is left of a mebibyte is for the rest of a reply */
};

static const struct {
    const char *name;
    void (*run)(struct tr_admin *admin);
    bool looks; /* changes nothing, and sends no actor a message of users */
} operations[] = {
    {"ping", tr_admin_ping, true},        {"info", tr_admin_info, true},
    {"call", tr_admin_call, false},       {"send", tr_admin_send, false},
    {"spawn", tr_admin_spawn, false},     {"exit", tr_admin_exit, false},
    {"actors", tr_admin_actors, true},    {"actor", tr_admin_actor, true},
    {"types", tr_admin_types, true},      {"behaviors", tr_admin_behaviors, true},
    {"members", tr_admin_members, true},  {"health", tr_admin_health, true},
    {"groups", tr_admin_groups, true},    {"group", tr_admin_group, true},
    {"tree", tr_admin_tree, true},        {"whereis", tr_admin_whereis, true},
    {"trace", tr_admin_trace, false},     {"drain", tr_admin_drain, false},
    {"undrain", tr_admin_undrain, false}, {"metadata", tr_admin_metadata, false},
};

bool tr_admin_fail(struct tr_admin *admin, troupe_status status, const char *format, ...)
{
    va_list arguments;

    if (admin->status == TROUPE_OK) {
        admin->status = status;
        va_start(arguments, format);
        (void)vsnprintf(admin->error, sizeof(admin->error), format, arguments);
        va_end(arguments);
    }
    return false;
}

const char *tr_admin_text(struct tr_admin *admin, const char *key, bool required)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(admin->request, key));

    if (text == NULL && required) {
        (void)tr_admin_fail(admin, TROUPE_E_INVALID, "the request has no text \"%s\"", key);
    }
    return text;
}

uint64_t tr_admin_number(const struct tr_admin *admin, const char *key, uint64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(admin->request, key);

    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 9e15
               ? (uint64_t)item->valuedouble
               : otherwise;
}

void tr_admin_add_text(cJSON *object, const char *key, const char *value)
{
    (void)cJSON_AddStringToObject(object, key, value == NULL ? "" : value);
}

void tr_admin_add_id(cJSON *object, const char *key, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    tr_admin_add_text(object, key, text);
}

void tr_admin_add_pid(cJSON *object, const char *key, troupe_pid pid)
{
    char text[TROUPE_PID_TEXT_SIZE];

    tr_admin_add_text(object, key, troupe_pid_print(pid, text));
}

void tr_admin_add_json(cJSON *object, const char *key, char *json)
{
    (void)cJSON_AddRawToObject(object, key, json);
    troupe_json_free(json);
}

bool tr_admin_add_item(struct tr_admin *admin, cJSON *list, cJSON *item)
{
    char *text = cJSON_PrintUnformatted(item);
    const size_t size = text == NULL ? 0 : strlen(text) + 1;
    const bool fits = size > 0 && admin->items_size + size <= ITEMS_SIZE_MAX;

    cJSON_Delete(item);
    if (fits) {
        admin->items_size += size;
        (void)cJSON_AddItemToArray(list, cJSON_CreateRaw(text));
    } else if (cJSON_GetObjectItemCaseSensitive(admin->reply, "truncated") == NULL) {
        (void)cJSON_AddTrueToObject(admin->reply, "truncated");
    }
    cJSON_free(text);
    return fits;
}

bool tr_admin_value(struct tr_admin *admin, const char *key, const troupe_type *type, void **value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(admin->request, key);
    char *json = item == NULL ? NULL : cJSON_PrintUnformatted(item);
    char error[256] = "";

    *value = NULL;
    /* A value that was given as text is JSON text: so numbers keep all their digits. */
    const char *given = cJSON_GetStringValue(item);
    const char *text = given != NULL ? given : json != NULL ? json : "{}";
    const troupe_status status =
        type->size == 0 ? TROUPE_OK : troupe_from_json(type, text, value, error, sizeof(error));

    cJSON_free(json);
    if (status != TROUPE_OK) {
        return tr_admin_fail(admin, status, "%s",
                             error[0] != '\0' ? error : troupe_status_text(status));
    }
    return true;
}

static void run(struct tr_admin *admin)
{
    const char *op = tr_admin_text(admin, "op", true);

    if (op == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, op) != 0) {
            continue;
        }
        if (admin->looks && !operations[i].looks) {
            (void)tr_admin_fail(admin, TROUPE_E_DENIED,
                                "\"%s\" does not only look, as other nodes may", op);
        } else {
            operations[i].run(admin);
        }
        return;
    }
    (void)tr_admin_fail(admin, TROUPE_E_INVALID, "there is no operation \"%.64s\"", op);
}

/* The reply as text, from what the operation has left. */
static char *finish(struct tr_admin *admin)
{
    if (admin->status != TROUPE_OK) {
        cJSON_Delete(admin->reply);
        admin->reply = cJSON_CreateObject();
        (void)cJSON_AddFalseToObject(admin->reply, "ok");
        tr_admin_add_text(admin->reply, "status", troupe_status_name(admin->status));
        tr_admin_add_text(admin->reply, "error", admin->error);
        if (admin->detail[0] != '\0') {
            tr_admin_add_text(admin->reply, "detail", admin->detail);
        }
    } else {
        (void)cJSON_AddTrueToObject(admin->reply, "ok");
    }
    char *printed = cJSON_PrintUnformatted(admin->reply);
    char *copy = printed == NULL ? NULL : strdup(printed);

    cJSON_free(printed);
    cJSON_Delete(admin->reply);
    return copy;
}

bool tr_admin_may(struct tr_admin *admin, uint32_t verbs)
{
    const char *why = admin->client ? tr_guard_denies_client(&admin->node->guard, verbs) : NULL;

    return why == NULL || tr_admin_fail(admin, TROUPE_E_DENIED, "%s", why);
}

static troupe_status administer(struct tr_admin *admin, const char *request, uint32_t timeout_ms,
                                char **reply)
{
    const size_t size = strnlen(request, REQUEST_SIZE_MAX + 1);
    cJSON *parsed = size > REQUEST_SIZE_MAX ? NULL : cJSON_ParseWithLength(request, size);

    admin->reply = cJSON_CreateObject();
    admin->request = parsed;
    admin->timeout_ms = (uint32_t)tr_admin_number(admin, "timeout_ms", timeout_ms);
    if (admin->timeout_ms == 0 || admin->timeout_ms > timeout_ms) {
        admin->timeout_ms = timeout_ms;
    }
    if (!cJSON_IsObject(parsed)) {
        (void)tr_admin_fail(admin, TROUPE_E_INVALID, "the request is not a JSON object");
    } else {
        run(admin);
    }
    cJSON_Delete(parsed);
    char *text = finish(admin);

    if (text == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *reply = text;
    return TROUPE_OK;
}

troupe_status troupe_node_admin(troupe_node *node, const char *request, uint32_t timeout_ms,
                                char **reply)
{
    struct tr_admin admin = {.node = node};

    return administer(&admin, request, timeout_ms, reply);
}

troupe_status tr_admin_client(troupe_node *node, const char *request, uint32_t timeout_ms,
                              char **reply)
{
    struct tr_admin admin = {.node = node, .client = true};

    return administer(&admin, request, timeout_ms, reply);
}

troupe_status tr_admin_look(troupe_node *node, const char *request, uint32_t timeout_ms,
                            char **reply, char *why, size_t why_size)
{
    struct tr_admin admin = {.node = node, .looks = true};
    const troupe_status status = administer(&admin, request, timeout_ms, reply);

    if (status != TROUPE_OK ||
        (admin.status != TROUPE_E_DENIED && admin.status != TROUPE_E_INVALID)) {
        return status;
    }
    (void)snprintf(why, why_size, "%s", admin.error);
    troupe_json_free(*reply);
    *reply = NULL;
    return admin.status;
}
