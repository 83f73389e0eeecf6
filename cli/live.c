#include "cli/live.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

static void print_field(const cJSON *item)
{
    char *text = cJSON_IsString(item) || cJSON_IsNull(item) ? NULL : cJSON_PrintUnformatted(item);

    (void)printf("%-24s", item->string);
    if (cJSON_IsString(item)) {
        text_print(stdout, item->valuestring, strlen(item->valuestring));
    } else if (cJSON_IsBool(item)) {
        (void)fputs(cJSON_IsTrue(item) ? "yes" : "no", stdout);
    } else if (text != NULL) {
        text_print_json(stdout, text);
    }
    (void)fputc('\n', stdout);
    cJSON_free(text);
}

int live_print(struct cli *cli, cJSON *object)
{
    const cJSON *item = NULL;

    print_exact_numbers(object);
    if (cli->format == CLI_JSON) {
        return print_json(cli, object);
    }
    cJSON_ArrayForEach(item, object)
    {
        print_field(item);
    }
    return 0;
}

cJSON *live_actor(struct cli *cli, troupe_pid pid)
{
    cJSON *request = target_begin(cli, "actor");
    struct target *target = NULL;
    cJSON *reply = NULL;
    char text[TROUPE_PID_TEXT_SIZE];

    if (cJSON_AddStringToObject(request, "to", troupe_pid_print(pid, text)) != NULL &&
        target_open_node(cli, NULL, pid.node, &target) == 0 &&
        target_ask(cli, target, request, &reply) == 0) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
    }
    target_close(target);
    cJSON_Delete(request);
    cli->problem.code = PROBLEM_NONE;
    return reply;
}
