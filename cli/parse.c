#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "daemon/units.h"

struct words {
    const char *at[CLI_ARGUMENTS_MAX + 2]; /* noun, verb and arguments */
    int count;
};

static int usage(struct cli *cli, const char *what, const char *word)
{
    const int status = problem_set(&cli->problem, PROBLEM_USAGE, "%s: %s", what, word);

    problem_hint(&cli->problem, "troupe help lists the commands");
    return status;
}

static int keep_option(struct cli *cli, enum option_id id, const char *value)
{
    if (id == OPTION_MODULE) {
        if (cli->modules_count == CLI_MODULES_MAX) {
            return usage(cli, "too many modules", value);
        }
        cli->modules[cli->modules_count++] = value;
    }
    cli->options[id] = value;
    return 0;
}

static int unknown_option(struct cli *cli, const char *word)
{
    char near[64];
    const int status = problem_set(&cli->problem, PROBLEM_USAGE, "unknown option: %s", word);

    option_suggest(word + strspn(word, "-"), near, sizeof(near));
    if (near[0] != '\0') {
        problem_hint(&cli->problem, "did you mean %s?", near);
    } else {
        problem_hint(&cli->problem, "an argument that begins with - comes after --");
    }
    return status;
}

/* Takes the option at argv[*at] with its value. */
static int take_option(struct cli *cli, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const bool is_long = word[1] == '-';
    const char *equals = is_long ? strchr(word, '=') : NULL;
    enum option_id id = OPTION_COUNT;
    const char *value = NULL;

    if (is_long) {
        id = option_find(word + 2, equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2);
        value = equals != NULL ? equals + 1 : NULL;
    } else {
        id = option_find_letter(word[1]);
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    if (id == OPTION_COUNT) {
        return unknown_option(cli, word);
    }
    if (option_spec(id)->argument == NULL) {
        return value != NULL ? usage(cli, "this option takes no value", word)
                             : keep_option(cli, id, "");
    }
    if (value == NULL && *at + 1 >= argc) {
        return usage(cli, "this option needs a value", word);
    }
    return keep_option(cli, id, value != NULL ? value : argv[++*at]);
}

static int split(struct cli *cli, int argc, char **argv, struct words *words)
{
    bool only_words = false;

    for (int at = 1; at < argc; at++) {
        if (!only_words && strcmp(argv[at], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[at][0] == '-' && argv[at][1] != '\0') {
            const int status = take_option(cli, argc, argv, &at);

            if (status != 0) {
                return status;
            }
        } else if (words->count == (int)(sizeof(words->at) / sizeof(words->at[0]))) {
            return usage(cli, "too many arguments", argv[at]);
        } else {
            words->at[words->count++] = argv[at];
        }
    }
    return 0;
}

static int unknown_command(struct cli *cli, const struct words *words)
{
    char typed[96];
    char near[64];
    int status = 0;

    if (words->count == 1 && command_has_noun(words->at[0])) {
        status = problem_set(&cli->problem, PROBLEM_USAGE, "\"%.40s\" needs a verb", words->at[0]);
        problem_hint(&cli->problem, "troupe help %.40s lists them", words->at[0]);
        return status;
    }
    (void)snprintf(typed, sizeof(typed), "%.40s%s%.40s", words->at[0], words->count > 1 ? " " : "",
                   words->count > 1 ? words->at[1] : "");
    command_suggest(typed, near, sizeof(near));
    if (near[0] == '\0') {
        command_suggest(words->at[0], near, sizeof(near));
        typed[strcspn(typed, " ")] = '\0';
    }
    status = problem_set(&cli->problem, PROBLEM_UNKNOWN_COMMAND, "no such command: \"%s\"", typed);
    if (near[0] != '\0') {
        problem_hint(&cli->problem, "did you mean: troupe %s", near);
    } else {
        problem_hint(&cli->problem, "troupe help lists the commands");
    }
    return status;
}

static int check_arguments(struct cli *cli)
{
    const struct command *command = cli->command;
    char name[64];
    int status = 0;

    if (cli->arguments_count >= command->arguments_min &&
        cli->arguments_count <= command->arguments_max) {
        return 0;
    }
    command_name(command, name, sizeof(name));
    status = problem_set(&cli->problem, PROBLEM_USAGE, "%s: %s", name,
                         cli->arguments_count < command->arguments_min ? "arguments are missing"
                                                                       : "too many arguments");
    problem_hint(&cli->problem, "usage: troupe %s%s%s", name,
                 command->synopsis[0] != '\0' ? " " : "", command->synopsis);
    return status;
}

static int check_options(struct cli *cli)
{
    for (int id = 0; id < OPTION_COUNT; id++) {
        if (cli->options[id] != NULL &&
            ((OPTIONS_GLOBAL | cli->command->options) >> id & 1u) == 0) {
            char name[64];
            int status = 0;

            command_name(cli->command, name, sizeof(name));
            status = problem_set(&cli->problem, PROBLEM_USAGE, "%s does not take --%s", name,
                                 option_spec((enum option_id)id)->name);
            problem_hint(&cli->problem, "troupe help %s lists its options", name);
            return status;
        }
    }
    return 0;
}

static int read_globals(struct cli *cli)
{
    const char *output = cli->options[OPTION_OUTPUT];
    const char *timeout = cli->options[OPTION_TIMEOUT];

    if (output != NULL && strcmp(output, "json") == 0) {
        cli->format = CLI_JSON;
    } else if (output != NULL && strcmp(output, "table") != 0) {
        return usage(cli, "-o takes table or json", output);
    }
    cli->timeout_ms = CLI_TIMEOUT_MS;
    if (timeout != NULL && (!unit_milliseconds(timeout, &cli->timeout_ms) || cli->timeout_ms == 0 ||
                            cli->timeout_ms > 3600u * 1000u)) {
        return usage(cli, "--timeout takes a time up to 1h, as in 500ms or 5s", timeout);
    }
    return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    struct words words = {.count = 0};
    int used = 0;
    int status = split(cli, argc, argv, &words);

    if (status == 0) {
        status = read_globals(cli);
    }
    if (status != 0 || words.count == 0) {
        return status;
    }
    cli->command = command_find(words.at, words.count, &used);
    if (cli->command == NULL) {
        return unknown_command(cli, &words);
    }
    while (used < words.count && cli->arguments_count < CLI_ARGUMENTS_MAX) {
        cli->arguments[cli->arguments_count++] = words.at[used++];
    }
    if (cli_has(cli, OPTION_HELP)) {
        return 0;
    }
    status = used < words.count ? usage(cli, "too many arguments", words.at[used])
                                : check_arguments(cli);
    return status != 0 ? status : check_options(cli);
}

int cli_count(struct cli *cli, enum option_id id, uint32_t max, uint32_t fallback, uint32_t *count)
{
    const char *text = cli->options[id];

    if (text == NULL) {
        *count = fallback;
        return 0;
    }
    if (!unit_count(text, max, count) || *count == 0) {
        return problem_set(&cli->problem, PROBLEM_USAGE, "--%s takes a number from 1 to %u: %s",
                           option_spec(id)->name, (unsigned)max, text);
    }
    return 0;
}
