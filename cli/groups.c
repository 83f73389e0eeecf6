/* The commands that look at groups: a node knows them, nobody else does. */
#include <cjson/cJSON.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/target.h"

#define ROWS_MAX 100000u
#define ROWS_DEFAULT 1000u

/* Asks the node of --node and prints the list under key of its reply. */
static int print_answer(struct cli *cli, cJSON *request, const char *key,
                        const char *const *columns)
{
    struct target *target = NULL;
    cJSON *reply = NULL;
    cJSON *list = NULL;
    uint32_t limit = 0;
    int status = cli_count(cli, OPTION_LIMIT, ROWS_MAX, ROWS_DEFAULT, &limit);

    if (status == 0 && cJSON_AddNumberToObject(request, "limit", limit) == NULL) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    if (status == 0) {
        status = target_open_node(cli, cli->options[OPTION_NODE], 0, &target);
    }
    if (status == 0) {
        status = target_ask(cli, target, request, &reply);
    }
    list = cJSON_GetObjectItemCaseSensitive(reply, key);
    if (status == 0) {
        status = cJSON_IsArray(list)
                     ? print_items(cli, list, columns)
                     : problem_set(&cli->problem, PROBLEM_ADMIN, "the node answered no %s", key);
    }
    cJSON_Delete(reply);
    target_close(target);
    cJSON_Delete(request);
    return status;
}

int command_group_list(struct cli *cli)
{
    static const char *const columns[] = {"group", "members", "local", "watchers", "node", NULL};

    return print_answer(cli, target_begin(cli, "groups"), "groups", columns);
}

int command_group_members(struct cli *cli)
{
    static const char *const columns[] = {"pid", "node", NULL};
    cJSON *request = target_begin(cli, "group");

    if (cJSON_AddStringToObject(request, "group", cli->arguments[0]) == NULL ||
        (cli_has(cli, OPTION_LOCAL) && cJSON_AddTrueToObject(request, "local") == NULL)) {
        cJSON_Delete(request);
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    return print_answer(cli, request, "members", columns);
}
