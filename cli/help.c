#include <string.h>

#include "cli/cli.h"

static void print_command_line(FILE *out, const struct command *command)
{
    char line[96];
    char name[64];

    command_name(command, name, sizeof(name));
    (void)snprintf(line, sizeof(line), "%s %s", name, command->synopsis);
    (void)fprintf(out, "  %-26s %s\n", line, command->summary);
}

static void print_options(FILE *out, uint64_t mask)
{
    for (int id = 0; id < OPTION_COUNT; id++) {
        const struct option_spec *option = option_spec((enum option_id)id);
        char left[64];

        if ((mask >> id & 1u) == 0) {
            continue;
        }
        (void)snprintf(left, sizeof(left), "%s%c%s--%s%s%s", option->letter != 0 ? "-" : "  ",
                       option->letter != 0 ? option->letter : ' ', option->letter != 0 ? ", " : " ",
                       option->name, option->argument != NULL ? " " : "",
                       option->argument != NULL ? option->argument : "");
        (void)fprintf(out, "  %-30s %s\n", left, option->help);
    }
}

void help_print_all(FILE *out)
{
    (void)fprintf(out, "troupe looks at a Troupe cluster and acts on it.\n\n"
                       "Usage: troupe COMMAND [ARGUMENT]... [OPTION]...\n\n");
    for (size_t i = 0; i < commands_count; i++) {
        print_command_line(out, &commands[i]);
    }
    (void)fprintf(out, "\nOptions of every command:\n");
    print_options(out, OPTIONS_GLOBAL);
    (void)fprintf(out, "\nBegin with: troupe dev up\n");
}

void help_print_noun(FILE *out, const char *noun)
{
    (void)fprintf(out, "Usage: troupe %s VERB\n\n", noun);
    for (size_t i = 0; i < commands_count; i++) {
        if (strcmp(commands[i].noun, noun) == 0) {
            print_command_line(out, &commands[i]);
        }
    }
}

void help_print_command(FILE *out, const struct command *command)
{
    char name[64];

    command_name(command, name, sizeof(name));
    (void)fprintf(out, "Usage: troupe %s%s%s [OPTION]...\n\n%s.\n", name,
                  command->synopsis[0] != '\0' ? " " : "", command->synopsis, command->summary);
    if (command->details != NULL) {
        (void)fprintf(out, "%s\n", command->details);
    }
    if (command->options != 0) {
        (void)fprintf(out, "\nOptions:\n");
        print_options(out, command->options);
    }
    (void)fprintf(out, "\nOptions of every command:\n");
    print_options(out, OPTIONS_GLOBAL);
}

int command_help(struct cli *cli)
{
    const struct command *command = NULL;
    int used = 0;

    if (cli->arguments_count == 0) {
        help_print_all(stdout);
        return 0;
    }
    command = command_find(cli->arguments, cli->arguments_count, &used);
    if (command != NULL) {
        help_print_command(stdout, command);
        return 0;
    }
    if (command_has_noun(cli->arguments[0])) {
        help_print_noun(stdout, cli->arguments[0]);
        return 0;
    }
    {
        char near[64];
        const int status = problem_set(&cli->problem, PROBLEM_UNKNOWN_COMMAND,
                                       "no such command: \"%.60s\"", cli->arguments[0]);

        command_suggest(cli->arguments[0], near, sizeof(near));
        if (near[0] != '\0') {
            problem_hint(&cli->problem, "did you mean: troupe help %s", near);
        }
        return status;
    }
}

int command_version(struct cli *cli)
{
    (void)printf(cli->format == CLI_JSON ? "{\"version\":\"%s\"}\n" : "troupe %s\n",
                 TROUPE_VERSION);
    return 0;
}
