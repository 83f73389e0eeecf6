/* node drain, undrain and metadata: a node does them, we only ask it. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

static void print_answer(const struct cli *cli, const cJSON *reply)
{
    const char *metadata =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(reply, "metadata"));
    const cJSON *draining = cJSON_GetObjectItemCaseSensitive(reply, "draining");

    if (metadata != NULL) {
        text_print(stdout, metadata, strlen(metadata));
        (void)fputc('\n', stdout);
    } else {
        (void)printf("%s %s\n", cli->arguments[0], cJSON_IsTrue(draining) ? "drains" : "is up");
    }
}

/* Takes the request, and asks the node that is named first. */
static int ask_for(struct cli *cli, cJSON *request)
{
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
        print_answer(cli, reply);
    }
    target_close(target);
    cJSON_Delete(reply);
    cJSON_Delete(request);
    return status;
}

static int ask(struct cli *cli, const char *op)
{
    return ask_for(cli, target_begin(cli, op));
}

/* The entries of the command line as one comma list. */
static int join_entries(struct cli *cli, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 1; i < cli->arguments_count; i++) {
        const char *entry = cli->arguments[i];

        if (strchr(entry, '=') == NULL || strchr(entry, ',') != NULL) {
            return problem_set(&cli->problem, PROBLEM_USAGE,
                               "metadata is KEY=VALUE, without a comma: %.80s", entry);
        }
        if (used + strlen(entry) + 2 > size) {
            return problem_set(&cli->problem, PROBLEM_USAGE, "that is too much metadata");
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ",", entry);
    }
    return 0;
}

int command_node_metadata(struct cli *cli)
{
    char put[4096];
    cJSON *request = target_begin(cli, "metadata");
    int status = request == NULL ? problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory")
                                 : join_entries(cli, put, sizeof(put));

    if (status == 0 &&
        (cJSON_AddStringToObject(request, "put", put) == NULL ||
         (cli_has(cli, OPTION_REMOVE) &&
          cJSON_AddStringToObject(request, "remove", cli->options[OPTION_REMOVE]) == NULL))) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    if (status != 0) {
        cJSON_Delete(request);
        return status;
    }
    return ask_for(cli, request);
}

int command_node_drain(struct cli *cli)
{
    return ask(cli, "drain");
}

int command_node_undrain(struct cli *cli)
{
    return ask(cli, "undrain");
}
