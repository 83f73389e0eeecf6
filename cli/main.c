/* troupe - the command line of a Troupe cluster. See troupe help and docs/cli.md. */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/dev_state.h"
#include "daemon/text.h"

/* The problem as JSON on stderr, for programs that asked for JSON. */
static void print_problem_json(const struct problem *problem)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(object, "error");
    char code[16];
    char *text = NULL;

    (void)snprintf(code, sizeof(code), "TRP-%04d", (int)problem->code);
    (void)cJSON_AddStringToObject(error, "code", code);
    (void)cJSON_AddStringToObject(error, "text", problem->text);
    (void)cJSON_AddStringToObject(error, "detail", problem->detail);
    (void)cJSON_AddStringToObject(error, "hint", problem->hint);
    text = cJSON_PrintUnformatted(object);
    if (text != NULL) {
        text_print_json(stderr, text);
        (void)fputc('\n', stderr);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}

static int run(struct cli *cli, int argc, char **argv)
{
    const int status = cli_parse(cli, argc, argv);

    if (status != 0) {
        return status;
    }
    if (cli_has(cli, OPTION_VERSION)) {
        return command_version(cli);
    }
    if (cli->command == NULL) {
        help_print_all(cli_has(cli, OPTION_HELP) ? stdout : stderr);
        return cli_has(cli, OPTION_HELP) ? 0 : EX_USAGE;
    }
    if (cli_has(cli, OPTION_HELP)) {
        help_print_command(stdout, cli->command);
        return 0;
    }
    return cli->command->run(cli);
}

int main(int argc, char **argv)
{
    struct cli cli = {.command = NULL};
    int status = 0;

    (void)signal(SIGPIPE, SIG_DFL);
    status = run(&cli, argc, argv);
    if (status != 0 && cli.problem.code != PROBLEM_NONE) {
        if (cli.format == CLI_JSON) {
            print_problem_json(&cli.problem);
        } else {
            problem_print(stderr, "troupe", &cli.problem);
        }
    }
    if (fflush(stdout) != 0 && status == 0) {
        status = EX_IOERR;
    }
    /* Who runs health checks knows 0 and 1 only, also when the command line was wrong. */
    if (status != 0 && command_is_health(argc, argv)) {
        status = 1;
    }
    free(cli.dev);
    return status;
}
