/* What is tested: the table of commands, parsing, suggestions, JSON that people type, and the
 * bookkeeping of processes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/json_text.h"
#include "cli/process.h"

/* Parses a line that is cut at its spaces. */
static int parse(struct cli *cli, const char *line)
{
    static char words[512];
    static char *arguments[32];
    int count = 0;

    (void)snprintf(words, sizeof(words), "%s", line);
    *cli = (struct cli){.command = NULL};
    for (char *at = words; *at != '\0';) {
        const size_t size = strcspn(at, " ");

        arguments[count++] = at;
        at += size;
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    return cli_parse(cli, count, arguments);
}

static void every_command_is_found_by_its_words_and_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < commands_count; i++) {
        const char *words[] = {commands[i].noun, commands[i].verb};
        int used = 0;

        assert_ptr_equal(command_find(words, commands[i].verb != NULL ? 2 : 1, &used),
                         &commands[i]);
        assert_true(strlen(commands[i].summary) > 0);
        assert_true(commands[i].arguments_max <= CLI_ARGUMENTS_MAX);
        assert_int_equal(commands[i].options & OPTIONS_GLOBAL, 0);
    }
}

static void options_may_stand_anywhere(void **state)
{
    struct cli cli;

    (void)state;
    assert_int_equal(parse(&cli, "troupe -o json call --timeout=2s acc t {}"), 0);
    assert_int_equal(cli.format, CLI_JSON);
    assert_int_equal(cli.timeout_ms, 2000);
    assert_int_equal(cli.arguments_count, 3);
    assert_string_equal(cli.arguments[2], "{}");
    assert_int_equal(parse(&cli, "troupe node list -ojson"), 0);
    assert_int_equal(cli.format, CLI_JSON);
    assert_int_equal(parse(&cli, "troupe send a t -- -5"), 0);
    assert_string_equal(cli.arguments[2], "-5");
}

static void wrong_lines_are_usage(void **state)
{
    static const char *const lines[] = {
        "troupe nodes list",
        "troupe node",
        "troupe node list extra",
        "troupe call a",
        "troupe node list -x",
        "troupe node list --bogus 1",
        "troupe node list --db",
        "troupe -o xml node list",
        "troupe node list --durable",
        "troupe spawn --durable=1 b",
        "troupe node list --timeout 0",
        "troupe call a b c d",
    };
    struct cli cli;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(parse(&cli, lines[i]), EX_USAGE);
        assert_true(cli.problem.text[0] != '\0');
    }
}

static void near_miss_is_suggested(void **state)
{
    static const struct {
        const char *line;
        const char *hint;
    } misses[] = {{"troupe ndoe list", "troupe node list"},
                  {"troupe node lits", "troupe node list"},
                  {"troupe migrate", "troupe db migrate"},
                  {"troupe spwan x", "troupe spawn"},
                  {"troupe name whereis x --bd y", "--db"}};
    struct cli cli;

    (void)state;
    for (size_t i = 0; i < sizeof(misses) / sizeof(misses[0]); i++) {
        assert_int_equal(parse(&cli, misses[i].line), EX_USAGE);
        assert_non_null(strstr(cli.problem.hint, misses[i].hint));
    }
    assert_int_equal(parse(&cli, "troupe elephant"), EX_USAGE);
    assert_null(strstr(cli.problem.hint, "did you mean"));
}

static void edit_distance_counts_changes_and_swaps(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("node", "node"), 0);
    assert_int_equal(edit_distance("ndoe", "node"), 1);
    assert_int_equal(edit_distance("nod", "node"), 1);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    /* Long words are compared by their beginning only, never beyond the table. */
    assert_int_equal(
        edit_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
        0);
}

static void json_that_is_typed_is_judged_before_it_travels(void **state)
{
    struct problem problem;
    char deep[256];

    (void)state;
    assert_int_equal(json_text_check("{}", &problem), 0);
    assert_int_equal(json_text_check(" {\"a\": [1, \"[[[[{{{\"]} ", &problem), 0);
    assert_int_equal(json_text_check("", &problem), EX_DATAERR);
    assert_int_equal(json_text_check("5", &problem), EX_DATAERR);
    assert_int_equal(json_text_check("{\"a\":1} x", &problem), EX_DATAERR);
    assert_int_equal(json_text_check("{\"a\":}", &problem), EX_DATAERR);
    assert_non_null(strstr(problem.detail, "byte 6"));
    (void)memset(deep, '[', 100);
    deep[100] = '\0';
    assert_int_equal(json_text_check(deep, &problem), EX_DATAERR);
    assert_non_null(strstr(problem.detail, "32 levels"));
}

static void process_is_known_by_pid_and_start(void **state)
{
    const char *const arguments[] = {"/usr/bin/tail", "-f", "/dev/null", NULL};
    const struct process_spec spec = {.arguments = arguments};
    struct problem problem;
    uint64_t started = 0;
    pid_t pid = 0;

    (void)state;
    assert_true(process_lives(getpid(), process_started(getpid())));
    assert_false(process_lives(getpid(), process_started(getpid()) + 1));
    assert_int_equal(process_started(-1), 0);
    assert_int_equal(process_started(0), 0);
    assert_int_equal(process_start(&spec, &pid, &problem), 0);
    started = process_started(pid);
    /* Not with another start time: that would be a process of somebody else's. */
    assert_true(process_stop(pid, started + 1, SIGKILL, 10));
    assert_true(process_wait(pid, started, 50));
    assert_true(process_stop(pid, started, SIGTERM, 5000));
    assert_false(process_lives(pid, started));
}

static void process_run_gives_the_exit_status_and_ends_what_hangs(void **state)
{
    struct problem problem;
    int result = 0;
    const struct process_spec fails = {.arguments =
                                           (const char *const[]){"/bin/sh", "-c", "exit 3", NULL}};
    const struct process_spec missing = {.arguments = (const char *const[]){"/nonexistent", NULL}};
    const struct process_spec hangs = {
        .arguments =
            (const char *const[]){"/bin/sh", "-c", "while :; do read x </dev/zero; done", NULL}};

    (void)state;
    assert_int_equal(process_run(&fails, 5000, &result, &problem), 0);
    assert_int_equal(result, 3);
    assert_int_equal(process_run(&missing, 5000, &result, &problem), 0);
    assert_int_equal(result, 127);
    assert_int_equal(process_run(&hangs, 100, &result, &problem), 0);
    assert_int_equal(result, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_found_by_its_words_and_described),
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(wrong_lines_are_usage),
        cmocka_unit_test(near_miss_is_suggested),
        cmocka_unit_test(edit_distance_counts_changes_and_swaps),
        cmocka_unit_test(json_that_is_typed_is_judged_before_it_travels),
        cmocka_unit_test(process_is_known_by_pid_and_start),
        cmocka_unit_test(process_run_gives_the_exit_status_and_ends_what_hangs),
    };

    return cmocka_run_group_tests_name("cli/command", tests, NULL, NULL);
}
