/* health: whether the node of this host is well, for those who run health checks. */
#include <cjson/cJSON.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

/* Below the three seconds that health checks are usually given. The node needs two of them to find
 * out that it does not turn. */
#define HEALTH_TIMEOUT_MS 500u
#define HEALTH_NODE_MS 2000u

bool command_is_health(int argc, char **argv)
{
    bool health = false;

    for (int at = 1; at < argc && !health; at++) {
        if (argv[at][0] != '-') {
            return strcmp(argv[at], "health") == 0;
        }
        health = strcmp(argv[at], "--live") == 0 || strcmp(argv[at], "--ready") == 0;
    }
    return health;
}

static int ask(struct cli *cli, cJSON **reply)
{
    cJSON *request = cJSON_CreateObject();
    struct target *target = NULL;
    int status = 0;

    if (!cli_has(cli, OPTION_TIMEOUT)) {
        cli->timeout_ms = HEALTH_TIMEOUT_MS; /* the target's patience begins after it */
    }
    if (cJSON_AddStringToObject(request, "op", "health") == NULL ||
        cJSON_AddNumberToObject(request, "timeout_ms", HEALTH_NODE_MS) == NULL) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    if (status == 0) {
        status = target_open_here(cli, &target);
    }
    if (status == 0) {
        status = target_ask(cli, target, request, reply);
    }
    target_close(target);
    cJSON_Delete(request);
    return status;
}

static void print_text(const char *text)
{
    text_print(stdout, text, strlen(text));
}

static const char *text_of(const cJSON *item, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));

    return text != NULL ? text : "";
}

/* One line: the verdict, and each check that speaks against it. */
static void print_line(const cJSON *reply, const char *probe, bool well)
{
    const cJSON *item = NULL;
    const char *between = ": ";

    (void)printf("%s%s", well ? "" : "not ", probe);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(reply, "checks"))
    {
        if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "ok")) ||
            (strcmp(probe, "live") == 0 && strcmp(text_of(item, "probe"), "live") != 0)) {
            continue;
        }
        (void)fputs(between, stdout);
        print_text(text_of(item, "check"));
        (void)fputs(" (", stdout);
        print_text(text_of(item, "detail"));
        (void)fputc(')', stdout);
        between = ", ";
    }
    (void)fputc('\n', stdout);
}

static int report(struct cli *cli, cJSON *reply)
{
    const char *probe = cli_has(cli, OPTION_LIVE) ? "live" : "ready";
    const bool well = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, probe));

    if (cli->format == CLI_JSON) {
        cJSON_DeleteItemFromObjectCaseSensitive(reply, "ok");
        if (print_json(cli, reply) != 0) {
            return 1;
        }
    } else if (!cli_has(cli, OPTION_QUIET)) {
        print_line(reply, probe, well);
    }
    return well ? 0 : 1;
}

/* A node that cannot be asked is neither live nor ready: the one check that says why. */
static cJSON *unreachable(struct cli *cli)
{
    cJSON *reply = cJSON_CreateObject();
    cJSON *checks = NULL;
    cJSON *item = cJSON_CreateObject();
    char detail[sizeof(cli->problem.text) + sizeof(cli->problem.detail) + 2];

    (void)snprintf(detail, sizeof(detail), "%s%s%s", cli->problem.text,
                   cli->problem.detail[0] != '\0' ? ": " : "", cli->problem.detail);
    (void)cJSON_AddFalseToObject(reply, "live");
    (void)cJSON_AddFalseToObject(reply, "ready");
    checks = cJSON_AddArrayToObject(reply, "checks");
    (void)cJSON_AddStringToObject(item, "check", "admin");
    (void)cJSON_AddStringToObject(item, "probe", "live");
    (void)cJSON_AddFalseToObject(item, "ok");
    (void)cJSON_AddStringToObject(item, "detail", detail);
    (void)cJSON_AddItemToArray(checks, item);
    cli->problem.code = PROBLEM_NONE; /* it is told here */
    return reply;
}

int command_health(struct cli *cli)
{
    cJSON *reply = NULL;
    int status = 0;

    if (cli_has(cli, OPTION_LIVE) && cli_has(cli, OPTION_READY)) {
        return problem_set(&cli->problem, PROBLEM_USAGE, "--live and --ready exclude each other");
    }
    if (ask(cli, &reply) != 0) {
        reply = unreachable(cli);
    }
    status = report(cli, reply);
    cJSON_Delete(reply);
    return status;
}
