/* node drain and undrain: a node does them, we only ask it. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

static int ask(struct cli *cli, const char *op)
{
    cJSON *request = target_begin(cli, op);
    cJSON *reply = NULL;
    struct target *target = NULL;
    int status = request == NULL ? problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory")
                                 : target_open_node(cli, cli->arguments[0], 0, &target);

    if (status == 0) {
        status = target_ask(cli, target, request, &reply);
    }
    if (status == 0 && cli->format == CLI_JSON) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        status = print_json(cli, reply);
    } else if (status == 0) {
        const cJSON *draining = cJSON_GetObjectItemCaseSensitive(reply, "draining");

        (void)printf("%s %s\n", cli->arguments[0], cJSON_IsTrue(draining) ? "drains" : "is up");
    }
    target_close(target);
    cJSON_Delete(reply);
    cJSON_Delete(request);
    return status;
}

int command_node_drain(struct cli *cli)
{
    return ask(cli, "drain");
}

int command_node_undrain(struct cli *cli)
{
    return ask(cli, "undrain");
}
