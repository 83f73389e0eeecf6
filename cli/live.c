#include "cli/live.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "cli/dev_state.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

/* The admin socket of the node with this id; NULL when none is known. */
static const char *socket_of(struct cli *cli, uint64_t node_id)
{
    char id[24];

    if (cli_has(cli, OPTION_ADMIN)) {
        return cli->options[OPTION_ADMIN];
    }
    (void)snprintf(id, sizeof(id), "%" PRIu64, node_id);
    if (cli_has(cli, OPTION_DB) || dev_state_find(cli) != 0 || cli->dev == NULL) {
        return NULL;
    }
    for (int i = 0; i < cli->dev->nodes_count; i++) {
        if (strcmp(cli->dev->nodes[i].node_id, id) == 0) {
            return cli->dev->nodes[i].admin_socket;
        }
    }
    return NULL;
}

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

bool live_show(struct cli *cli, troupe_pid pid)
{
    const char *path = socket_of(cli, pid.node);
    cJSON *request = cJSON_CreateObject();
    cJSON *reply = NULL;
    struct target *target = NULL;
    char text[TROUPE_PID_TEXT_SIZE];
    const bool found =
        path != NULL && cJSON_AddStringToObject(request, "op", "actor") != NULL &&
        cJSON_AddStringToObject(request, "to", troupe_pid_print(pid, text)) != NULL &&
        target_open_socket(cli, path, &target) == 0 &&
        target_ask(cli, target, request, &reply) == 0;

    if (found) {
        print_reply(cli, reply);
    }
    cli->problem.code = PROBLEM_NONE;
    cJSON_Delete(reply);
    cJSON_Delete(request);
    target_close(target);
    return found;
}
