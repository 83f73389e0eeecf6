/* What is tested: writing described types as JSON, by known texts and by every error, and that the
 * locale of the process changes nothing. Random values are in tests/prop/prop_type_json.c. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/described_types.h"
#include "type/heap.h"
#include "type/json.h"
#include "type/limits.h"

static void assert_writes(const troupe_type *type, const void *value, const char *expected)
{
    char *json = NULL;

    assert_int_equal(troupe_to_json(type, value, &json), TROUPE_OK);
    assert_string_equal(json, expected);
    troupe_json_free(json);
}

static void every_field_is_written_in_the_order_of_the_description(void **state)
{
    static const int32_t numbers[] = {1, -2};
    const every value = {.flag = true,
                         .small = INT32_MIN,
                         .small_plus = UINT32_MAX,
                         .wide = -5,
                         .wide_plus = 5,
                         .real = 0.1,
                         .text = "hi",
                         .bytes = {(const uint8_t *)"foo", 3},
                         .pid = {3, 200},
                         .numbers = numbers,
                         .numbers_count = 2};
    const deposit transfers[] = {{1, "a"}, {2, NULL}};

    (void)state;
    assert_writes(&every_type, &value,
                  "{\"flag\":true,\"small\":-2147483648,\"small_plus\":4294967295,\"wide\":-5,"
                  "\"wide_plus\":5,\"real\":0.1,\"text\":\"hi\",\"bytes\":\"Zm9v\","
                  "\"pid\":\"<3.200>\",\"numbers\":[1,-2],\"names\":[]}");
    assert_writes(
        &every_type, &(every){0},
        "{\"flag\":false,\"small\":0,\"small_plus\":0,\"wide\":0,\"wide_plus\":0,"
        "\"real\":0,\"text\":null,\"bytes\":\"\",\"pid\":\"<0.0>\",\"numbers\":[],\"names\":[]}");
    assert_writes(&batch_type, (&(batch){.transfers = transfers, .transfers_count = 2}),
                  "{\"transfers\":[{\"cents\":1,\"memo\":\"a\"},{\"cents\":2,\"memo\":null}],"
                  "\"last\":{\"cents\":0,\"memo\":null}}");
    assert_writes(&nothing_type, NULL, "{}");
    troupe_json_free(NULL);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_writes(&deposit_type, (&(deposit){0, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"}),
                  "{\"cents\":0,\"memo\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"}");
}

static void assert_wide(int64_t cents, const char *expected)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"cents\":%s,\"memo\":null}", expected);
    assert_writes(&deposit_type, &(deposit){cents, NULL}, text);
}

static void integers_beyond_what_a_double_holds_are_strings(void **state)
{
    (void)state;
    assert_wide(9007199254740991, "9007199254740991");
    assert_wide(-9007199254740991, "-9007199254740991");
    assert_wide(9007199254740992, "\"9007199254740992\"");
    assert_wide(-9007199254740992, "\"-9007199254740992\"");
    assert_wide(INT64_MAX, "\"9223372036854775807\"");
    assert_wide(INT64_MIN, "\"-9223372036854775808\"");
}

static void assert_real(double real, const char *expected)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"real\":%s}", expected);
    assert_writes(&measure_type, &(measure){real}, text);
}

static void doubles_are_the_shortest_text_that_comes_back(void **state)
{
    (void)state;
    assert_real(1, "1");
    assert_real(-2.5, "-2.5");
    assert_real(-0.0, "-0");
    assert_real(1e15, "1e+15");
    assert_real(123456789012345, "123456789012345");
    assert_real(0.1 + 0.2, "0.30000000000000004");
    assert_real(1e39, "1e+39");
    assert_real(1e40, "\"1e+40\"");
    assert_real(-1.7976931348623157e308, "\"-1.7976931348623157e+308\"");
    assert_real(1e-40, "1e-40");
    assert_real(5e-324, "\"4.94065645841247e-324\"");
}

static void assert_unwritable(const troupe_type *type, const void *value, const char *reason)
{
    struct tr_json_buffer buffer;
    char error[200] = "";
    char *json = NULL;

    assert_int_equal(troupe_to_json(type, value, &json), TROUPE_E_TYPE);
    assert_null(json);
    tr_json_buffer_init(&buffer, TR_JSON_STATE_SIZE_MAX, &tr_heap);
    assert_int_equal(tr_value_to_json(&nothing_type, NULL, &buffer, NULL, 0), TROUPE_OK);
    assert_int_equal(tr_value_to_json(type, value, &buffer, error, sizeof(error)), TROUPE_E_TYPE);
    assert_string_equal(error, reason);
    assert_string_equal(buffer.data, "{}"); /* what was there before */
    assert_int_equal(buffer.size, 2);
    tr_json_buffer_fini(&buffer);
}

static void what_json_cannot_say_is_refused(void **state)
{
    const deposit transfers[] = {{1, "a"}, {2, "\xff"}};
    const double zero = 0;

    (void)state;
    assert_unwritable(&batch_type, (&(batch){.transfers = transfers, .transfers_count = 2}),
                      "type \"bank.batch\" field \"transfers[1].memo\": the string is not UTF-8");
    assert_unwritable(&measure_type, &(measure){1 / zero},
                      "type \"test.measure\" field \"real\": JSON has only finite numbers");
    assert_unwritable(&measure_type, &(measure){zero / zero},
                      "type \"test.measure\" field \"real\": JSON has only finite numbers");
}

static void writing_refuses_what_is_missing(void **state)
{
    char *json = NULL;

    (void)state;
    assert_int_equal(troupe_to_json(NULL, "", &json), TROUPE_E_INVALID);
    assert_int_equal(troupe_to_json(&deposit_type, NULL, &json), TROUPE_E_INVALID);
    assert_int_equal(troupe_to_json(&deposit_type, &(deposit){0}, NULL), TROUPE_E_INVALID);
    assert_int_equal(troupe_to_json(&(troupe_type){.name = ""}, NULL, &json), TROUPE_E_INVALID);
    assert_null(json);
}

static void buffer_appends_clears_and_ends_at_its_limit(void **state)
{
    struct tr_json_buffer buffer;
    char error[200] = "";
    char memo[301];
    const char *data = NULL;

    (void)state;
    memset(memo, 'x', sizeof(memo) - 1);
    memo[sizeof(memo) - 1] = '\0';
    tr_json_buffer_init(&buffer, 600, &tr_heap);
    assert_int_equal(tr_value_to_json(&deposit_type, &(deposit){1, memo}, &buffer, NULL, 0),
                     TROUPE_OK);
    assert_int_equal(tr_value_to_json(&deposit_type, &(deposit){2, "a"}, &buffer, NULL, 0),
                     TROUPE_OK);
    assert_non_null(strstr(buffer.data, "x\"}{\"cents\":2,\"memo\":\"a\"}"));
    assert_int_equal(buffer.size, strlen(buffer.data));
    data = buffer.data;
    tr_json_buffer_clear(&buffer);
    assert_string_equal(buffer.data, "");
    assert_int_equal(tr_value_to_json(&deposit_type, &(deposit){1, memo}, &buffer, NULL, 0),
                     TROUPE_OK);
    assert_ptr_equal(buffer.data, data); /* the memory is kept */
    assert_int_equal(
        tr_value_to_json(&deposit_type, &(deposit){1, memo}, &buffer, error, sizeof(error)),
        TROUPE_E_LIMIT);
    assert_string_equal(error, "type \"bank.deposit\": the JSON gets too long");
    assert_int_equal(buffer.size, strlen(buffer.data));
    tr_json_buffer_clear(&buffer);
    assert_int_equal(tr_value_to_json(&deposit_type, &(deposit){1, memo}, &buffer, NULL, 0),
                     TROUPE_OK);
    tr_json_buffer_fini(&buffer);
}

static void buffer_never_holds_more_than_its_limit(void **state)
{
    struct tr_json_buffer buffer;

    (void)state;
    for (size_t size_max = 0; size_max < 40; size_max++) {
        tr_json_buffer_init(&buffer, size_max, &tr_heap);
        assert_int_equal(tr_value_to_json(&deposit_type, &(deposit){1, "abc"}, &buffer, NULL, 0),
                         size_max < strlen("{\"cents\":1,\"memo\":\"abc\"}") ? TROUPE_E_LIMIT
                                                                             : TROUPE_OK);
        tr_json_buffer_fini(&buffer);
    }
}

/* ---- a locale of our own, since a small machine has none with a decimal comma ---- */

/* Appends a number as this machine has it, and answers the new end. */
static size_t put_word(uint8_t *bytes, size_t at, uint32_t word)
{
    memcpy(bytes + at, &word, sizeof(word));
    return at + sizeof(word);
}

/* The file that localedef would make of `decimal_point ","`: magic, count, offsets, then the six
 * items. */
static size_t make_lc_numeric(uint8_t bytes[static 128])
{
    enum { MAGIC = 0x20031115, ITEMS = 6, START = 8 + 4 * ITEMS };
    const uint32_t offsets[ITEMS] = {START, START + 2, START + 3, START + 4, START + 8, START + 12};
    size_t at = put_word(bytes, 0, MAGIC ^ (uint32_t)LC_NUMERIC);

    at = put_word(bytes, at, ITEMS);
    for (size_t item = 0; item < ITEMS; item++) {
        at = put_word(bytes, at, offsets[item]);
    }
    memcpy(bytes + at, ",\0\0\0", 4); /* point, separator, grouping */
    at = put_word(bytes, at + 4, ',');
    at = put_word(bytes, at, 0);
    memcpy(bytes + at, "UTF-8", 6);
    return at + 6;
}

static bool reads_real(const char *json, double real)
{
    void *value = NULL;
    bool same = false;

    if (troupe_from_json(&measure_type, json, &value, NULL, 0) == TROUPE_OK) {
        same = ((measure *)value)->real == real;
        troupe_value_free(value);
    }
    return same;
}

static bool writes_real(double real, const char *expected)
{
    char *json = NULL;
    bool same = false;

    if (troupe_to_json(&measure_type, &(measure){real}, &json) == TROUPE_OK) {
        same = strcmp(json, expected) == 0;
        troupe_json_free(json);
    }
    return same;
}

/* Answers which step went wrong, 0 for none. */
static int try_locale(const char *directory)
{
    static char where[64];
    static char *environment[] = {where, NULL};
    char text[16];
    locale_t comma = NULL;

    (void)snprintf(where, sizeof(where), "LOCPATH=%s", directory);
    environ = environment; /* where glibc looks for locales */
    comma = newlocale(LC_NUMERIC_MASK, "xx_XX", NULL);
    if (comma == NULL) {
        return 1;
    }
    (void)uselocale(comma);
    (void)snprintf(text, sizeof(text), "%.1f", 2.5);
    if (strcmp(text, "2,5") != 0) {
        return 2; /* nothing would be shown */
    }
    if (!writes_real(2.5, "{\"real\":2.5}") ||
        !writes_real(-1.25e100, "{\"real\":\"-1.25e+100\"}")) {
        return 3;
    }
    return reads_real("{\"real\":\"2.5\"}", 2.5) && reads_real("{\"real\":-2.5e-3}", -2.5e-3) ? 0
                                                                                              : 4;
}

static void locale_with_a_decimal_comma_changes_nothing(void **state)
{
    char directory[] = "/tmp/troupeXXXXXX";
    char inner[64];
    char path[64];
    uint8_t bytes[128];
    FILE *file = NULL;
    pid_t child = 0;
    int result = 0;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(inner, sizeof(inner), "%s/xx_XX", directory);
    (void)snprintf(path, sizeof(path), "%s/xx_XX/LC_NUMERIC", directory);
    assert_int_equal(mkdir(inner, 0700), 0);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, make_lc_numeric(bytes), 1, file), 1);
    assert_int_equal(fclose(file), 0);
    child = fork(); /* the locale and the environment are another process's */
    if (child == 0) {
        _exit(try_locale(directory));
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_written_in_the_order_of_the_description),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(integers_beyond_what_a_double_holds_are_strings),
        cmocka_unit_test(doubles_are_the_shortest_text_that_comes_back),
        cmocka_unit_test(what_json_cannot_say_is_refused),
        cmocka_unit_test(writing_refuses_what_is_missing),
        cmocka_unit_test(buffer_appends_clears_and_ends_at_its_limit),
        cmocka_unit_test(buffer_never_holds_more_than_its_limit),
        cmocka_unit_test(locale_with_a_decimal_comma_changes_nothing),
    };

    return cmocka_run_group_tests_name("type/json_write", tests, NULL, NULL);
}
