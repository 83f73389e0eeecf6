/* call, send, spawn and exit: a node does them, we only ask it. */
#include <cjson/cJSON.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json_text.h"
#include "cli/pid_argument.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"
#include "daemon/units.h"

static int memory_problem(struct cli *cli)
{
    return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
}

/* The request of call and send: to, type, message. The message travels as text, as it was typed:
 * a parser of JSON on the way would round its large numbers. */
static int message_request(struct cli *cli, const char *op, cJSON **out)
{
    cJSON *request = NULL;
    char pid[TROUPE_PID_TEXT_SIZE];
    const int status = json_text_check(cli->arguments[2], &cli->problem);

    if (status != 0) {
        return status;
    }
    request = target_begin(cli, op);
    if (cJSON_AddStringToObject(request, "to", pid_argument_target(cli->arguments[0], pid)) ==
            NULL ||
        cJSON_AddStringToObject(request, "type", cli->arguments[1]) == NULL ||
        cJSON_AddStringToObject(request, "message", cli->arguments[2]) == NULL) {
        cJSON_Delete(request);
        return memory_problem(cli);
    }
    *out = request;
    return 0;
}

static int print_reply(struct cli *cli, cJSON *reply)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(reply, "type");
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(reply, "message");
    char *text = NULL;

    print_exact_numbers(reply);
    if (cli->format == CLI_JSON) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        return print_json(cli, reply);
    }
    text_print(stdout, cJSON_IsString(type) ? type->valuestring : "ok",
               cJSON_IsString(type) ? strlen(type->valuestring) : 2);
    if (message != NULL) {
        text = cJSON_PrintUnformatted(message);
        if (text == NULL) {
            return memory_problem(cli);
        }
        (void)fputc(' ', stdout);
        text_print_json(stdout, text);
        cJSON_free(text);
    }
    (void)fputc('\n', stdout);
    return 0;
}

int command_call(struct cli *cli)
{
    cJSON *request = NULL;
    cJSON *reply = NULL;
    int status = message_request(cli, "call", &request);

    if (status == 0) {
        status = target_exchange(cli, request, &reply);
    }
    if (status == 0) {
        status = print_reply(cli, reply);
    }
    cJSON_Delete(reply);
    return status;
}

/* For what has no answer but "done". */
static int print_done(struct cli *cli, const char *words)
{
    (void)printf(cli->format == CLI_JSON ? "{\"ok\":true}\n" : "%s\n", words);
    return 0;
}

int command_send(struct cli *cli)
{
    cJSON *request = NULL;
    cJSON *reply = NULL;
    int status = message_request(cli, "send", &request);

    if (status == 0) {
        status = target_exchange(cli, request, &reply);
    }
    cJSON_Delete(reply);
    return status != 0 ? status : print_done(cli, "sent");
}

int command_exit(struct cli *cli)
{
    cJSON *request = target_begin(cli, "exit");
    cJSON *reply = NULL;
    char pid[TROUPE_PID_TEXT_SIZE];
    int status = 0;

    if (cJSON_AddStringToObject(request, "to", pid_argument_target(cli->arguments[0], pid)) ==
            NULL ||
        cJSON_AddStringToObject(request, "reason", cli->arguments[1]) == NULL) {
        cJSON_Delete(request);
        return memory_problem(cli);
    }
    status = target_exchange(cli, request, &reply);
    cJSON_Delete(reply);
    return status != 0 ? status : print_done(cli, "exit signal sent");
}

/* ---- spawn ---- */

static bool add_option(const struct cli *cli, cJSON *request, enum option_id id, const char *key)
{
    return !cli_has(cli, id) || cJSON_AddStringToObject(request, key, cli->options[id]) != NULL;
}

static bool add_switch(const struct cli *cli, cJSON *request, enum option_id id, const char *key)
{
    return !cli_has(cli, id) || cJSON_AddTrueToObject(request, key) != NULL;
}

static int check_spawn(struct cli *cli, uint32_t *checkpoint_ms)
{
    static const char *const policies[] = {"each", "every", "on_stop", "explicit"};
    const char *policy = cli->options[OPTION_CHECKPOINT];
    bool known = policy == NULL;

    for (size_t i = 0; !known && i < sizeof(policies) / sizeof(policies[0]); i++) {
        known = strcmp(policy, policies[i]) == 0;
    }
    if (!known) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "--checkpoint is each, every, on_stop or explicit: %.60s", policy);
    }
    if (cli_has(cli, OPTION_DURABLE) && !cli_has(cli, OPTION_NAME)) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "--durable needs a --name to recover it by");
    }
    return cli_count(cli, OPTION_CHECKPOINT_MS, 3600000u, 0, checkpoint_ms);
}

static int spawn_request(struct cli *cli, cJSON **out)
{
    cJSON *request = NULL;
    uint32_t checkpoint_ms = 0;
    int status = check_spawn(cli, &checkpoint_ms);

    if (status == 0 && cli->arguments_count > 1) {
        status = json_text_check(cli->arguments[1], &cli->problem);
    }
    if (status != 0) {
        return status;
    }
    request = target_begin(cli, "spawn");
    if (cJSON_AddStringToObject(request, "behavior", cli->arguments[0]) == NULL ||
        !add_option(cli, request, OPTION_NAME, "name") ||
        !add_option(cli, request, OPTION_NODE, "node") ||
        !add_option(cli, request, OPTION_CHECKPOINT, "checkpoint") ||
        !add_switch(cli, request, OPTION_DURABLE, "durable") ||
        !add_switch(cli, request, OPTION_STRICT, "strict") ||
        (checkpoint_ms > 0 &&
         cJSON_AddNumberToObject(request, "checkpoint_ms", checkpoint_ms) == NULL) ||
        (cli->arguments_count > 1 &&
         cJSON_AddStringToObject(request, "args", cli->arguments[1]) == NULL)) {
        cJSON_Delete(request);
        return memory_problem(cli);
    }
    *out = request;
    return 0;
}

int command_spawn(struct cli *cli)
{
    cJSON *request = NULL;
    cJSON *reply = NULL;
    const char *pid = NULL;
    int status = spawn_request(cli, &request);

    if (status == 0) {
        status = target_exchange(cli, request, &reply);
    }
    if (status != 0) {
        return status;
    }
    pid = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(reply, "pid"));
    if (cli->format == CLI_JSON) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        status = print_json(cli, reply);
    } else {
        text_print(stdout, pid != NULL ? pid : "", pid != NULL ? strlen(pid) : 0);
        (void)fputc('\n', stdout);
    }
    cJSON_Delete(reply);
    return status;
}
