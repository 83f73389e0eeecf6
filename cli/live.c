#include "cli/live.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "cli/dev_state.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

static void print_field(const cJSON *item)
{
    char *text = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);

    (void)printf("%-24s", item->string);
    if (text != NULL) {
        text_print_json(stdout, text);
    } else if (cJSON_IsString(item)) {
        text_print(stdout, item->valuestring, strlen(item->valuestring));
    }
    (void)fputc('\n', stdout);
    cJSON_free(text);
}

static void print_reply(struct cli *cli, cJSON *reply)
{
    const cJSON *item = NULL;

    cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
    print_exact_numbers(reply);
    if (cli->format == CLI_JSON) {
        (void)print_json(cli, reply);
        return;
    }
    cJSON_ArrayForEach(item, reply)
    {
        print_field(item);
    }
}

/* Asks one node; answers whether it has the actor. */
static bool show_from(struct cli *cli, const char *path, const cJSON *request)
{
    struct target *target = NULL;
    cJSON *reply = NULL;
    const bool found = target_open_socket(cli, path, &target) == 0 &&
                       target_ask(cli, target, request, &reply) == 0;

    if (found) {
        print_reply(cli, reply);
    }
    cJSON_Delete(reply);
    target_close(target);
    return found;
}

/* Asks the nodes of dev.json in turn: one that was fenced has another id than the file says. */
static bool show_from_dev(struct cli *cli, const cJSON *request)
{
    bool found = false;

    if (cli_has(cli, OPTION_DB) || dev_state_find(cli) != 0 || cli->dev == NULL) {
        return false;
    }
    for (int i = 0; i < cli->dev->nodes_count && !found; i++) {
        found = show_from(cli, cli->dev->nodes[i].admin_socket, request);
    }
    return found;
}

bool live_show(struct cli *cli, troupe_pid pid)
{
    cJSON *request = cJSON_CreateObject();
    char text[TROUPE_PID_TEXT_SIZE];
    bool found = false;

    if (cJSON_AddStringToObject(request, "op", "actor") != NULL &&
        cJSON_AddStringToObject(request, "to", troupe_pid_print(pid, text)) != NULL) {
        found = cli_has(cli, OPTION_ADMIN) ? show_from(cli, cli->options[OPTION_ADMIN], request)
                                           : show_from_dev(cli, request);
    }
    cli->problem.code = PROBLEM_NONE;
    cJSON_Delete(request);
    return found;
}
