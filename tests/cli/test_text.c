/* What is tested: daemon/text and daemon/problem - nothing that others chose reaches a terminal, a
 * log or JSON unescaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "daemon/problem.h"
#include "daemon/text.h"

static const char *printable(const char *text)
{
    static char bytes[256];
    struct text_line line;

    text_line_init(&line, bytes, sizeof(bytes));
    text_line_add_printable(&line, text, SIZE_MAX);
    return bytes;
}

static const char *logfmt(const char *text)
{
    static char bytes[256];
    struct text_line line;

    text_line_init(&line, bytes, sizeof(bytes));
    text_line_add_logfmt(&line, text, SIZE_MAX);
    return bytes;
}

static void plain_text_stays_as_it_is(void **state)
{
    (void)state;
    assert_string_equal(printable("account/ada"), "account/ada");
    assert_string_equal(printable("Käse \xe2\x82\xac \xf0\x9f\x90\xa7"),
                        "Käse \xe2\x82\xac \xf0\x9f\x90\xa7");
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(printable("\x1b[31mred\a"), "\\x1b[31mred\\x07");
    assert_string_equal(printable("a\nb\tc\x7f"), "a\\nb\\tc\\x7f");
}

static void bytes_that_are_not_utf8_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(printable("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");
    assert_string_equal(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* a surrogate */
    assert_string_equal(printable("\xe2\x82"), "\\xe2\\x82");          /* cut */
    assert_string_equal(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

static void c1_controls_and_turns_of_direction_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(printable("\xc2\x9b"
                                  "31m"),
                        "\\x9b31m"); /* one-character CSI */
    assert_string_equal(printable("\xe2\x80\xae"
                                  "evil"),
                        "\\u202eevil");
}

static void json_string_parses_back_whatever_the_bytes(void **state)
{
    char bytes[4096];
    char text[256];

    (void)state;
    for (int i = 1; i < 256; i++) {
        text[i - 1] = (char)i;
    }
    text[255] = '\0';
    for (size_t from = 0; from < 255; from++) {
        struct text_line line;
        cJSON *parsed = NULL;

        text_line_init(&line, bytes, sizeof(bytes));
        text_line_add_json(&line, text + from, SIZE_MAX);
        assert_null(strpbrk(bytes, "\n\r\t\x1b\x7f"));
        parsed = cJSON_Parse(bytes);
        assert_true(cJSON_IsString(parsed));
        cJSON_Delete(parsed);
    }
}

static void json_string_is_whole_when_it_does_not_fit(void **state)
{
    (void)state;
    for (size_t capacity = 4; capacity < 40; capacity++) {
        char bytes[64];
        struct text_line line;
        cJSON *parsed = NULL;

        text_line_init(&line, bytes, capacity);
        text_line_add_json(&line, "\xff\"\\\n\xe2\x82\xac long enough to be cut anywhere",
                           SIZE_MAX);
        parsed = cJSON_Parse(bytes);
        assert_true(cJSON_IsString(parsed));
        cJSON_Delete(parsed);
    }
}

static void logfmt_value_is_quoted_when_it_is_no_plain_word(void **state)
{
    (void)state;
    assert_string_equal(logfmt("plain.word"), "plain.word");
    assert_string_equal(logfmt(""), "\"\"");
    assert_string_equal(logfmt("two words"), "\"two words\"");
    assert_string_equal(logfmt("a=\"b\"\n level=error"), "\"a=\\\"b\\\"\\n level=error\"");
}

static void columns_count_characters_as_they_are_shown(void **state)
{
    (void)state;
    assert_int_equal(text_columns("Käse", strlen("Käse")), 4);
    assert_int_equal(text_columns("a\x1b", 2), 5);
}

static void problem_has_four_parts_on_lines_of_its_own(void **state)
{
    struct problem problem;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_int_equal(problem_set(&problem, PROBLEM_NO_NAME, "no such name: \"%s\"", "x\x1b[2J"),
                     EX_DATAERR);
    problem_detail(&problem, "first\n\tsecond");
    problem_hint(&problem, "look");
    problem_print(out, "troupe", &problem);
    (void)fclose(out);
    assert_string_equal(text, "troupe: error TRP-4001: no such name: \"x\\x1b[2J\"\n"
                              "  DETAIL: first\n"
                              "          second\n"
                              "  HINT:   look\n");
    free(text);
}

/* Counts as documented when docs/cli.md has the line of the table, exit status included. */
static void assert_documented(const char *document, enum problem_code code)
{
    char line[256];

    (void)snprintf(line, sizeof(line), "\n| TRP-%04d | %d | %s |\n", (int)code,
                   problem_exit_status(code), problem_meaning(code));
    if (strstr(document, line) == NULL) {
        fail_msg("docs/cli.md lacks: %s", line);
    }
}

static void every_problem_is_documented(void **state)
{
    static char document[64 * 1024];
    FILE *file = fopen(TROUPE_SOURCE_DIR "/docs/cli.md", "re");

    (void)state;
    assert_non_null(file);
    document[fread(document, 1, sizeof(document) - 1, file)] = '\0';
    (void)fclose(file);
#define PROBLEM_DOCUMENTED(name, number, exit_status, meaning) assert_documented(document, name);
    PROBLEM_MAP(PROBLEM_DOCUMENTED)
#undef PROBLEM_DOCUMENTED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays_as_it_is),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(bytes_that_are_not_utf8_are_escaped),
        cmocka_unit_test(c1_controls_and_turns_of_direction_are_escaped),
        cmocka_unit_test(json_string_parses_back_whatever_the_bytes),
        cmocka_unit_test(json_string_is_whole_when_it_does_not_fit),
        cmocka_unit_test(logfmt_value_is_quoted_when_it_is_no_plain_word),
        cmocka_unit_test(columns_count_characters_as_they_are_shown),
        cmocka_unit_test(problem_has_four_parts_on_lines_of_its_own),
        cmocka_unit_test(every_problem_is_documented),
    };

    return cmocka_run_group_tests_name("daemon/text", tests, NULL, NULL);
}
