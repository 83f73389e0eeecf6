/* The commands that only look: they need PostgreSQL, and no node. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/database.h"
#include "cli/live.h"
#include "cli/look.h"
#include "cli/pid_argument.h"
#include "cli/print.h"
#include "cli/target.h"
#include "troupe/pid.h"

#define ROWS_MAX 1000000u
#define ROWS_DEFAULT 1000u

/* A statement of a list: its parameters are $1 the limit, and the filters after it. */
struct list {
    const char *sql;
    const char *const *columns; /* of the table */
    const char *filters[2];
    int filters_count;
};

/* A filter by a node that never was is a typing error, not an empty list. */
static int check_node(struct cli *cli, struct reg_sync *sync)
{
    const char *values[] = {cli->options[OPTION_NODE]};
    int status = 0;

    if (values[0] == NULL) {
        return 0;
    }
    status = database_query(
        cli, sync, "SELECT n.node_id FROM troupe.nodes n WHERE n.name = $1 LIMIT 1", 1, values);
    if (status == 0 && reg_result_count(reg_sync_result(sync)) == 0) {
        status = problem_set(&cli->problem, PROBLEM_NO_NODE, "no such node: \"%.100s\"", values[0]);
        problem_hint(&cli->problem, "troupe node list  shows the nodes there are");
    }
    return status;
}

static int print_list(struct cli *cli, const struct list *list)
{
    struct reg_sync *sync = NULL;
    const char *values[3] = {NULL, list->filters[0], list->filters[1]};
    char limit_text[16];
    uint32_t limit = 0;
    int status = cli_count(cli, OPTION_LIMIT, ROWS_MAX, ROWS_DEFAULT, &limit);

    if (status == 0) {
        status = database_open(cli, &sync);
    }
    if (status == 0) {
        status = check_node(cli, sync);
    }
    (void)snprintf(limit_text, sizeof(limit_text), "%u", (unsigned)limit);
    values[0] = limit_text;
    if (status == 0) {
        status = database_query(cli, sync, list->sql, list->filters_count + 1, values);
    }
    if (status == 0) {
        status = print_rows(cli, sync, list->columns);
    }
    reg_sync_close(sync);
    return status;
}

int command_node_list(struct cli *cli)
{
    static const char *const columns[] = {
        "name",    "node_id", "state",       "address",     "lease_left_seconds", "started_at",
        "version", "roles",   "down_reason", "declared_by", "metadata",           NULL};
    const struct list all = {
        .sql = "SELECT n.* FROM troupe.nodes n ORDER BY n.name, n.node_id LIMIT $1::bigint",
        .columns = columns};
    const struct list last = {
        .sql = "SELECT n.* FROM troupe.nodes n WHERE n.node_id = (SELECT max(m.node_id) FROM "
               "troupe.nodes m WHERE m.name = n.name) ORDER BY n.name LIMIT $1::bigint",
        .columns = columns};

    return print_list(cli, cli_has(cli, OPTION_ALL) ? &all : &last);
}

int command_actor_list(struct cli *cli)
{
    static const char *const columns[] = {"name",     "node",   "node_id",          "actor_id",
                                          "behavior", "status", "mailbox_messages", "state",
                                          NULL};
    const struct list list = {
        .sql = "SELECT a.* FROM troupe.actors a WHERE ($2::text IS NULL OR a.node = $2) AND "
               "($3::text IS NULL OR a.behavior = $3) ORDER BY a.name, a.node_id, a.actor_id "
               "LIMIT $1::bigint",
        .columns = columns,
        .filters = {cli->options[OPTION_NODE], cli->options[OPTION_BEHAVIOR]},
        .filters_count = 2};

    return cli_has(cli, OPTION_SORT) ? look_actors(cli) : print_list(cli, &list);
}

int command_name_list(struct cli *cli)
{
    static const char *const columns[] = {"name",    "node",     "node_id", "actor_id", "epoch",
                                          "durable", "behavior", "status",  NULL};
    const struct list list = {
        .sql = "SELECT n.* FROM troupe.names n WHERE $2::text IS NULL OR n.node = $2 ORDER BY "
               "n.name LIMIT $1::bigint",
        .columns = columns,
        .filters = {cli->options[OPTION_NODE]},
        .filters_count = 1};

    return print_list(cli, &list);
}

static int no_such_name(struct cli *cli, const char *name)
{
    const int status =
        problem_set(&cli->problem, PROBLEM_NO_NAME, "no such name: \"%.300s\"", name);

    problem_hint(&cli->problem, "troupe name list  shows the names there are");
    return status;
}

static int no_such_actor(struct cli *cli, const char *pid)
{
    const int status =
        problem_set(&cli->problem, PROBLEM_NO_ACTOR, "no such actor in the database: %.100s", pid);

    problem_detail(&cli->problem,
                   "unnamed actors are seen there only when their node sampled them lately");
    problem_hint(&cli->problem,
                 "--admin PATH of its node, or `troupe dev up`, lets us ask the node");
    return status;
}

int command_name_whereis(struct cli *cli)
{
    static const char *const columns[] = {"name",  "node",   "node_id", "actor_id",
                                          "epoch", "status", NULL};
    struct reg_sync *sync = NULL;
    const char *values[] = {cli->arguments[0]};
    int status = database_open(cli, &sync);

    if (status != 0) {
        return status;
    }
    status =
        database_query(cli, sync, "SELECT n.* FROM troupe.names n WHERE n.name = $1", 1, values);
    if (status == 0 && reg_result_count(reg_sync_result(sync)) == 0) {
        status = no_such_name(cli, cli->arguments[0]);
    } else if (status == 0) {
        status = cli->format == CLI_JSON ? print_record(cli, sync) : print_rows(cli, sync, columns);
    }
    reg_sync_close(sync);
    return status;
}

static int query_actor(struct cli *cli, struct reg_sync *sync, bool by_pid, troupe_pid pid)
{
    char node[24];
    char actor[24];
    const char *name[] = {cli->arguments[0]};
    const char *ids[] = {node, actor};

    if (!by_pid) {
        return database_query(cli, sync, "SELECT a.* FROM troupe.actors a WHERE a.name = $1", 1,
                              name);
    }
    (void)snprintf(node, sizeof(node), "%llu", (unsigned long long)pid.node);
    (void)snprintf(actor, sizeof(actor), "%llu", (unsigned long long)pid.id);
    return database_query(cli, sync,
                          "SELECT a.* FROM troupe.actors a WHERE a.node_id = $1::bigint AND "
                          "a.actor_id = $2::bigint",
                          2, ids);
}

/* Which columns the node knows better than the database, which has them as they were sampled. */
static bool is_live(const char *key)
{
    return strcmp(key, "mailbox_messages") == 0 || strcmp(key, "oldest_message_seconds") == 0;
}

/* Adds what the actor's node says to the row of the database. */
static void add_live(struct cli *cli, cJSON *row, troupe_pid pid)
{
    cJSON *live = live_actor(cli, pid);

    while (live != NULL && live->child != NULL) {
        cJSON *item = cJSON_DetachItemViaPointer(live, live->child);
        cJSON *known = cJSON_GetObjectItemCaseSensitive(row, item->string);

        if (known == NULL) {
            (void)cJSON_AddItemToObject(row, item->string, item);
        } else if (cJSON_IsNull(known) || is_live(item->string)) {
            (void)cJSON_ReplaceItemViaPointer(row, known, item); /* It keeps its own key. */
        } else {
            cJSON_Delete(item);
        }
    }
    cJSON_Delete(live);
}

static troupe_pid row_pid(const struct reg_sync *sync)
{
    troupe_pid pid = {0};

    for (int column = 0; column < reg_sync_column_count(sync); column++) {
        const char *name = reg_sync_column_name(sync, column);
        const char *text = reg_result_text(reg_sync_result(sync), 0, column);

        if (text != NULL && strcmp(name, "node_id") == 0) {
            pid.node = strtoull(text, NULL, 10);
        } else if (text != NULL && strcmp(name, "actor_id") == 0) {
            pid.id = strtoull(text, NULL, 10);
        }
    }
    return pid;
}

/* The row that was found, and what the actor's node knows beside it. */
static int show_row(struct cli *cli, const struct reg_sync *sync)
{
    cJSON *row = print_row_object(sync, 0);
    int status = 0;

    if (row == NULL) {
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    add_live(cli, row, row_pid(sync));
    status = live_print(cli, row);
    cJSON_Delete(row);
    return status;
}

/* Asks the node at --admin, and no database. */
static int show_from_admin(struct cli *cli)
{
    cJSON *request = target_begin(cli, "actor");
    cJSON *reply = NULL;
    char pid[TROUPE_PID_TEXT_SIZE];
    int status = 0;

    if (cJSON_AddStringToObject(request, "to", pid_argument_target(cli->arguments[0], pid)) ==
        NULL) {
        cJSON_Delete(request);
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    status = target_exchange(cli, request, &reply);
    if (status == 0) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        status = live_print(cli, reply);
    }
    cJSON_Delete(reply);
    return status;
}

int command_actor_show(struct cli *cli)
{
    troupe_pid pid = {0};
    const bool by_pid = pid_argument(cli->arguments[0], &pid);
    struct reg_sync *sync = NULL;
    cJSON *live = NULL;
    int status = 0;

    if (cli_has(cli, OPTION_ADMIN) && !cli_has(cli, OPTION_DB)) {
        return show_from_admin(cli);
    }
    status = database_open(cli, &sync);
    if (status != 0) {
        return status;
    }
    status = query_actor(cli, sync, by_pid, pid);
    if (status == 0 && reg_result_count(reg_sync_result(sync)) > 0) {
        status = show_row(cli, sync);
    } else if (status == 0 && !by_pid) {
        status = no_such_name(cli, cli->arguments[0]);
    } else if (status == 0) {
        live = live_actor(cli, pid);
        status = live != NULL ? live_print(cli, live) : no_such_actor(cli, cli->arguments[0]);
    }
    cJSON_Delete(live);
    reg_sync_close(sync);
    return status;
}
