/* Operations of the administration protocol that look at groups. */
#include <stdlib.h>
#include <string.h>

#include "dist/groups.h"
#include "node/admin.h"
#include "node/members.h"
#include "troupe/group.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 100000 };

struct group_row {
    char *name;
    struct tr_group_counts counts;
};

struct group_rows {
    struct group_row *rows;
    size_t count;
    size_t capacity;
    size_t total;
    bool failed;
};

static void visit(void *context, const char *group, const struct tr_group_counts *counts)
{
    struct group_rows *rows = context;
    char *name = rows->count < rows->capacity ? strdup(group) : NULL;

    rows->total++;
    if (name != NULL) {
        rows->rows[rows->count++] = (struct group_row){.name = name, .counts = *counts};
    } else if (rows->count < rows->capacity) {
        rows->failed = true;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct group_row *)a)->name, ((const struct group_row *)b)->name);
}

static size_t limit_of(const struct tr_admin *admin)
{
    const uint64_t limit = tr_admin_number(admin, "limit", LIMIT_DEFAULT);

    return limit == 0 || limit > LIMIT_MAX ? LIMIT_MAX : (size_t)limit;
}

void tr_admin_groups(struct tr_admin *admin)
{
    struct group_rows rows = {.capacity = limit_of(admin)};

    rows.rows = calloc(rows.capacity, sizeof(*rows.rows));
    if (rows.rows != NULL) {
        tr_groups_each(admin->node->groups, visit, &rows);
    }
    if (rows.rows == NULL || rows.failed) {
        (void)tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
    } else {
        cJSON *list = cJSON_AddArrayToObject(admin->reply, "groups");

        qsort(rows.rows, rows.count, sizeof(*rows.rows), by_name);
        for (size_t i = 0; i < rows.count; i++) {
            cJSON *item = cJSON_CreateObject();

            tr_admin_add_text(item, "group", rows.rows[i].name);
            (void)cJSON_AddNumberToObject(item, "members", rows.rows[i].counts.members);
            (void)cJSON_AddNumberToObject(item, "local", rows.rows[i].counts.local);
            (void)cJSON_AddNumberToObject(item, "watchers", rows.rows[i].counts.watchers);
            tr_admin_add_text(item, "node", admin->node->name);
            (void)tr_admin_add_item(admin, list, item);
        }
        (void)cJSON_AddNumberToObject(admin->reply, "total", (double)rows.total);
    }
    for (size_t i = 0; rows.rows != NULL && i < rows.count; i++) {
        free(rows.rows[i].name);
    }
    free(rows.rows);
}

static const char *name_of(struct troupe_node *node, uint64_t node_id,
                           char name[TR_NODE_NAME_SIZE_MAX + 1])
{
    if (node_id == tr_sched_node_id(node->sched)) {
        return node->name;
    }
    tr_members_name(node, node_id, name);
    return name;
}

void tr_admin_group(struct tr_admin *admin)
{
    const char *group = tr_admin_text(admin, "group", true);
    const bool local_only = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(admin->request, "local"));
    const size_t limit = limit_of(admin);
    struct tr_group_list *members = NULL;

    if (group == NULL) {
        return;
    }
    const troupe_status status = tr_name_is_valid(group)
                                     ? tr_groups_list(admin->node->groups, group, &members)
                                     : TROUPE_E_INVALID;

    if (status != TROUPE_OK) {
        (void)tr_admin_fail(admin, status, "not the name of a group: 1 to 255 bytes of UTF-8");
        return;
    }
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "members");
    const uint32_t count = members == NULL ? 0 : local_only ? members->local : members->count;

    for (uint32_t i = 0; i < count && i < limit; i++) {
        cJSON *item = cJSON_CreateObject();
        char name[TR_NODE_NAME_SIZE_MAX + 1];

        tr_admin_add_pid(item, "pid", members->pids[i]);
        tr_admin_add_text(item, "node", name_of(admin->node, members->pids[i].node, name));
        (void)cJSON_AddItemToArray(list, item);
    }
    (void)cJSON_AddNumberToObject(admin->reply, "total", count);
    tr_groups_list_drop(admin->node->groups, members);
}

void tr_admin_whereis(struct tr_admin *admin)
{
    const char *to = tr_admin_text(admin, "to", true);
    troupe_pid pid = {0};

    if (to != NULL && tr_admin_holder(admin, to, &pid)) {
        tr_admin_add_pid(admin->reply, "pid", pid);
        tr_admin_add_id(admin->reply, "node_id", pid.node);
    }
}
