/* The command that follows one actor: its node writes down what it receives, sends and ends with,
 * and we read that until the time is over. */
#include <cjson/cJSON.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pid_argument.h"
#include "cli/print.h"
#include "cli/target.h"
#include "daemon/text.h"

#define SECONDS_MAX 3600u
#define SECONDS_DEFAULT 60u

static const char *text_in(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text != NULL ? text : "";
}

/* Whether a text can stand in a line of key=value as it is. */
static bool is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '=') {
            return false;
        }
    }
    return text[0] != '\0';
}

static void print_event(const struct cli *cli, cJSON *event)
{
    const cJSON *item = NULL;
    char *text = NULL;

    print_exact_numbers(event);
    if (cli->format == CLI_JSON) {
        text = cJSON_PrintUnformatted(event);
        text_print_json(stdout, text != NULL ? text : "{}");
        cJSON_free(text);
        (void)fputc('\n', stdout);
        return;
    }
    cJSON_ArrayForEach(item, event)
    {
        (void)printf("%s%s=", item->prev == NULL || item == event->child ? "" : " ", item->string);
        if (cJSON_IsString(item) && is_plain(item->valuestring)) {
            text_print(stdout, item->valuestring, strlen(item->valuestring));
            continue;
        }
        text = cJSON_PrintUnformatted(item);
        text_print_json(stdout, text != NULL ? text : "");
        cJSON_free(text);
    }
    (void)fputc('\n', stdout);
}

/* Asks for a step of the trace on a target that stays open. */
static int ask(struct cli *cli, struct target *target, const char *action, const char *trace,
               cJSON **reply)
{
    cJSON *request = target_begin(cli, "trace");
    int status = 0;

    if (cJSON_AddStringToObject(request, "action", action) == NULL ||
        cJSON_AddStringToObject(request, "trace", trace) == NULL) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    } else {
        status = target_ask(cli, target, request, reply);
    }
    cJSON_Delete(request);
    return status;
}

/* Reads until the trace has ended. */
static int follow(struct cli *cli, struct target *target, const char *trace)
{
    bool ended = false;

    while (!ended) {
        cJSON *reply = NULL;
        cJSON *event = NULL;
        const int status = ask(cli, target, "read", trace, &reply);

        if (status != 0) {
            return status;
        }
        const cJSON *dropped = cJSON_GetObjectItemCaseSensitive(reply, "dropped");

        if (cJSON_IsNumber(dropped) && dropped->valuedouble > 0) {
            (void)fprintf(stderr, "troupe: %.0f events came too fast and are missing here\n",
                          dropped->valuedouble);
        }
        cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(reply, "events"))
        {
            print_event(cli, event);
        }
        ended = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "ended")) != 0;
        cJSON_Delete(reply);
        if (fflush(stdout) != 0) {
            return 0; /* Whoever read it is gone; the node ends the trace by itself. */
        }
    }
    return 0;
}

/* The pid of a name, from any node. */
static int resolve(struct cli *cli, troupe_pid *pid)
{
    cJSON *request = target_begin(cli, "whereis");
    cJSON *reply = NULL;
    int status = 0;

    if (cJSON_AddStringToObject(request, "to", cli->arguments[0]) == NULL) {
        cJSON_Delete(request);
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    status = target_exchange(cli, request, &reply);
    if (status == 0 && troupe_pid_parse(text_in(reply, "pid"), pid) != TROUPE_OK) {
        status = problem_set(&cli->problem, PROBLEM_ADMIN, "the node answered no pid");
    }
    cJSON_Delete(reply);
    return status;
}

static int begin(struct cli *cli, struct target *target, troupe_pid pid, cJSON **reply)
{
    cJSON *request = target_begin(cli, "trace");
    char text[TROUPE_PID_TEXT_SIZE];
    uint32_t seconds = 0;
    int status = cli_count(cli, OPTION_SECONDS, SECONDS_MAX, SECONDS_DEFAULT, &seconds);

    if (status == 0 &&
        (cJSON_AddStringToObject(request, "action", "start") == NULL ||
         cJSON_AddStringToObject(request, "to", troupe_pid_print(pid, text)) == NULL ||
         cJSON_AddNumberToObject(request, "seconds", seconds) == NULL ||
         cJSON_AddBoolToObject(request, "values", cli_has(cli, OPTION_VALUES)) == NULL)) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    if (status == 0) {
        status = target_ask(cli, target, request, reply);
    }
    cJSON_Delete(request);
    return status;
}

int command_actor_trace(struct cli *cli)
{
    troupe_pid pid = {0};
    struct target *target = NULL;
    cJSON *started = NULL;
    int status = pid_argument(cli->arguments[0], &pid) ? 0 : resolve(cli, &pid);

    if (status == 0) {
        status = target_open_node(cli, NULL, pid.node, &target);
    }
    if (status == 0) {
        status = begin(cli, target, pid, &started);
    }
    if (status == 0) {
        status = follow(cli, target, text_in(started, "trace"));
    }
    cJSON_Delete(started);
    target_close(target);
    return status;
}
