/* What is tested: reading described types from JSON, by known texts and by every error. Random
 * values are in tests/prop/prop_type_json.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/described_types.h"
#include "type/json.h"
#include "type/json_scan.h"
#include "type/limits.h"

static void *read_json(const troupe_type *type, const char *json)
{
    char error[300] = "";
    void *value = NULL;

    if (troupe_from_json(type, json, &value, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    return value;
}

static void assert_refused(const troupe_type *type, const char *json, troupe_status expected,
                           const char *reason)
{
    char error[300] = "";
    void *value = NULL;

    assert_int_equal(troupe_from_json(type, json, &value, error, sizeof(error)), expected);
    assert_string_equal(error, reason);
    assert_null(value);
    assert_int_equal(troupe_from_json(type, json, &value, NULL, 0), expected);
}

static void refuses(const troupe_type *type, const char *json, const char *reason)
{
    assert_refused(type, json, TROUPE_E_TYPE, reason);
}

static void what_is_left_out_or_null_is_zero(void **state)
{
    every *value = read_json(&every_type, "{}");
    batch *all = NULL;

    (void)state;
    assert_memory_equal(value, &(every){0}, sizeof(*value));
    troupe_value_free(value);
    value = read_json(&every_type,
                      "{\"flag\":null,\"small\":null,\"wide\":null,\"real\":null,\"text\":null,"
                      "\"bytes\":null,\"pid\":null,\"numbers\":null,\"names\":null}");
    assert_memory_equal(value, &(every){0}, sizeof(*value));
    troupe_value_free(value);
    all = read_json(&batch_type, " {\"last\":null, \"transfers\":[null, {\"cents\":1}]}\n");
    assert_int_equal(all->transfers_count, 2);
    assert_int_equal(all->transfers[0].cents, 0);
    assert_int_equal(all->transfers[1].cents, 1);
    troupe_value_free(all);
}

static void keys_come_in_any_order(void **state)
{
    deposit *value =
        read_json(&deposit_type, "{\"memo\":\"caf\\u00e9 \\ud83c\\udfad\",\"cents\":-7}");

    (void)state;
    assert_int_equal(value->cents, -7);
    assert_string_equal(value->memo, "caf\xc3\xa9 \xf0\x9f\x8e\xad");
    troupe_value_free(value);
}

static void message_without_content_needs_no_text(void **state)
{
    static const char *const texts[] = {"", "  \n", "{}", " { } ", "null", "\"\""};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        troupe_value_free(read_json(&nothing_type, texts[index]));
    }
    refuses(&nothing_type, "{\"a\":1}",
            "type \"test.nothing\": there is no field \"a\"; known: none");
    refuses(&nothing_type, "1", "type \"test.nothing\": expected object, got number");
    refuses(&deposit_type, "", "JSON line 1 column 1: the text ends early");
    refuses(&deposit_type, "null", "type \"bank.deposit\": expected object, got null");
    refuses(&deposit_type, "\"\"", "type \"bank.deposit\": expected object, got string");
}

static void unknown_keys_are_refused_with_the_known_ones(void **state)
{
    (void)state;
    refuses(&deposit_type, "{\"cent\":1}",
            "type \"bank.deposit\": there is no field \"cent\"; known: cents, memo");
    refuses(&deposit_type, "{\"Cents\":1}",
            "type \"bank.deposit\": there is no field \"Cents\"; known: cents, memo");
    refuses(&batch_type, "{\"transfers\":[{},{\"\\n\\u0007\":1}]}",
            "type \"bank.batch\" field \"transfers[1]\": there is no field \"??\"; known: cents, "
            "memo");
    refuses(&deposit_type, "{\"cents\":1,\"cents\":2}",
            "type \"bank.deposit\" field \"cents\": it is there twice");
    refuses(&deposit_type,
            "{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\":1}",
            "type \"bank.deposit\": there is no field "
            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"; known: cents, "
            "memo");
}

static void kinds_that_do_not_fit_name_the_field(void **state)
{
    (void)state;
    refuses(&deposit_type, "[]", "type \"bank.deposit\": expected object, got array");
    refuses(&deposit_type, "{\"cents\":{}}",
            "type \"bank.deposit\" field \"cents\": expected int64, got object");
    refuses(&deposit_type, "{\"cents\":true}",
            "type \"bank.deposit\" field \"cents\": expected int64, got bool");
    refuses(&deposit_type, "{\"memo\":1}",
            "type \"bank.deposit\" field \"memo\": expected string, got number");
    refuses(&every_type, "{\"flag\":0}",
            "type \"test.every\" field \"flag\": expected bool, got number");
    refuses(&every_type, "{\"small\":\"1\"}",
            "type \"test.every\" field \"small\": expected int32, got string");
    refuses(&every_type, "{\"real\":[]}",
            "type \"test.every\" field \"real\": expected double, got array");
    refuses(&every_type, "{\"real\":\"fast\"}",
            "type \"test.every\" field \"real\": \"fast\" is not a number");
    refuses(&every_type, "{\"real\":\"1 \"}",
            "type \"test.every\" field \"real\": \"1 \" is not a number");
    refuses(&every_type, "{\"real\":\"\"}",
            "type \"test.every\" field \"real\": \"\" is not a number");
    refuses(&every_type, "{\"real\":1e999}",
            "type \"test.every\" field \"real\": the number does not fit double");
    refuses(&every_type, "{\"bytes\":1}",
            "type \"test.every\" field \"bytes\": expected bytes in base64, got number");
    refuses(&every_type, "{\"bytes\":\"Zm9\"}",
            "type \"test.every\" field \"bytes\": \"Zm9\" is not base64");
    refuses(&every_type, "{\"pid\":1}",
            "type \"test.every\" field \"pid\": expected a pid like \"<1.2>\", got number");
    refuses(&every_type, "{\"pid\":\"1.2\"}",
            "type \"test.every\" field \"pid\": \"1.2\" is not a pid like \"<1.2>\"");
    refuses(&every_type, "{\"numbers\":1}",
            "type \"test.every\" field \"numbers\": expected array, got number");
    refuses(&every_type, "{\"numbers\":[1,\"2\"]}",
            "type \"test.every\" field \"numbers[1]\": expected int32, got string");
    refuses(&batch_type, "{\"last\":[]}",
            "type \"bank.batch\" field \"last\": expected object, got array");
}

static void integers_are_whole_and_in_range(void **state)
{
    (void)state;
    refuses(&batch_type, "{\"transfers\":[{},{},{},{\"cents\":1.5}]}",
            "type \"bank.batch\" field \"transfers[3].cents\": 1.5 is not an integer");
    refuses(
        &batch_type, "{\"transfers\":[{},{},{},{\"cents\":\"9223372036854775808\"}]}",
        "type \"bank.batch\" field \"transfers[3].cents\": \"9223372036854775808\" does not fit "
        "int64");
    refuses(&every_type, "{\"small\":2147483648}",
            "type \"test.every\" field \"small\": 2147483648 does not fit int32");
    refuses(&every_type, "{\"small\":-2147483649}",
            "type \"test.every\" field \"small\": -2147483649 does not fit int32");
    refuses(&every_type, "{\"small\":1e300}",
            "type \"test.every\" field \"small\": 1.0000000000000001e+300 does not fit int32");
    refuses(&every_type, "{\"small_plus\":-1}",
            "type \"test.every\" field \"small_plus\": -1 does not fit uint32");
    refuses(&every_type, "{\"small_plus\":4294967296}",
            "type \"test.every\" field \"small_plus\": 4294967296 does not fit uint32");
    refuses(&every_type, "{\"wide_plus\":-1}",
            "type \"test.every\" field \"wide_plus\": -1 does not fit uint64");
    refuses(&every_type, "{\"wide_plus\":\"-1\"}",
            "type \"test.every\" field \"wide_plus\": \"-1\" does not fit uint64");
    refuses(
        &every_type, "{\"wide_plus\":\"18446744073709551616\"}",
        "type \"test.every\" field \"wide_plus\": \"18446744073709551616\" does not fit uint64");
    refuses(&every_type, "{\"wide\":\"-9223372036854775809\"}",
            "type \"test.every\" field \"wide\": \"-9223372036854775809\" does not fit int64");
}

static void integers_that_a_double_cannot_hold_have_to_be_strings(void **state)
{
    static const char reason[] = "type \"test.every\" field \"wide\": an integer beyond "
                                 "+-9007199254740991 has to be a string, to be exact";
    static const char *const bad[] = {"", "-", "+1", "1.0", "1e3", "01", "-01", "0x1", " 1", "1 "};
    every *value = read_json(&every_type, "{\"wide\":\"-9223372036854775808\",\"wide_plus\":"
                                          "\"18446744073709551615\"}");

    (void)state;
    assert_true(value->wide == INT64_MIN);
    assert_true(value->wide_plus == UINT64_MAX);
    troupe_value_free(value);
    value = read_json(&every_type, "{\"wide\":-9007199254740991,\"wide_plus\":9007199254740991}");
    assert_true(value->wide == -9007199254740991);
    assert_true(value->wide_plus == 9007199254740991u);
    troupe_value_free(value);
    value = read_json(&every_type, "{\"wide\":\"12\",\"small\":1e3}");
    assert_true(value->wide == 12);
    assert_int_equal(value->small, 1000);
    troupe_value_free(value);
    refuses(&every_type, "{\"wide\":9007199254740992}", reason);
    refuses(&every_type, "{\"wide\":-9007199254740993}", reason);
    refuses(&every_type, "{\"wide\":9223372036854775807}", reason);
    for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
        char json[64];
        char expected[128];

        (void)snprintf(json, sizeof(json), "{\"wide\":\"%s\"}", bad[index]);
        (void)snprintf(expected, sizeof(expected),
                       "type \"test.every\" field \"wide\": \"%s\" is not an integer", bad[index]);
        refuses(&every_type, json, expected);
    }
}

static void every_kind_is_read(void **state)
{
    every *value = read_json(
        &every_type, "{\"flag\":true,\"small\":-3,\"small_plus\":3,\"real\":\"1e+300\","
                     "\"text\":\"\",\"bytes\":\"Zm9v\",\"pid\":\"<1.2>\",\"numbers\":[4,5]}");

    (void)state;
    assert_true(value->flag);
    assert_int_equal(value->small, -3);
    assert_int_equal(value->small_plus, 3);
    assert_true(value->real == 1e300);
    assert_string_equal(value->text, "");
    assert_int_equal(value->bytes.size, 3);
    assert_memory_equal(value->bytes.data, "foo", 3);
    assert_true(troupe_pid_equal(value->pid, (troupe_pid){1, 2}));
    assert_int_equal(value->numbers_count, 2);
    assert_int_equal(value->numbers[1], 5);
    troupe_value_free(value);
}

/* jsonb gives numbers back without exponents. */
static void doubles_come_back_from_the_database_with_all_their_digits(void **state)
{
    measure *value = read_json(
        &measure_type, "{\"real\": -0.00000000000000000000000000000000000000012345678901234567}");

    (void)state;
    assert_true(value->real == -1.2345678901234567e-40);
    troupe_value_free(value);
    value = read_json(&measure_type, "{\"real\": 9876543210987654300000000000000000000000}");
    assert_true(value->real == 9.8765432109876543e39);
    troupe_value_free(value);
}

static void text_that_is_no_json_says_where(void **state)
{
    static const char *const cases[][2] = {
        {"{", "1 column 2: the text ends early"},
        {"{\"a\"", "1 column 5: the text ends early"},
        {"{]", "1 column 2: expected a key in quotes"},
        {"{a:1}", "1 column 2: expected a key in quotes"},
        {"{\"a\":1,}", "1 column 8: expected a key in quotes"},
        {"{\"a\" 1}", "1 column 6: expected a colon"},
        {"{\"a\":}", "1 column 6: expected a value"},
        {"{\"a\":1 \"b\":2}", "1 column 8: expected a comma or }"},
        {"{\"a\":[1 2]}", "1 column 9: expected a comma or ]"},
        {"{\"a\":[1,]}", "1 column 9: expected a value"},
        {"{\n  \"a\": tru\n}", "2 column 8: expected a value"},
        {"{} {}", "1 column 4: something follows the value"},
        {"[01]", "1 column 2: this is no number"},
        {"[-]", "1 column 2: this is no number"},
        {"[1.]", "1 column 2: this is no number"},
        {"[1e]", "1 column 2: this is no number"},
        {"[1e+]", "1 column 2: this is no number"},
        {"[.5]", "1 column 2: expected a value"},
        {"[NaN]", "1 column 2: expected a value"},
        {"['a']", "1 column 2: expected a value"},
        {"[\"a]", "1 column 5: the string does not end"},
        {"[\"a\\", "1 column 5: the string does not end"},
        {"[\"a\nb\"]", "1 column 4: a control character in a string"},
        {"[\"\\x\"]", "1 column 4: there is no such escape"},
        {"[\"\\u12\"]", "1 column 4: \\u needs four hexadecimal digits"},
        {"[\"\\u12g4\"]", "1 column 4: \\u needs four hexadecimal digits"},
        {"[\"\\u0000\"]", "1 column 4: a string cannot hold \\u0000"},
        {"[\"\\udfad\"]", "1 column 4: half of a surrogate pair"},
        {"[\"\\ud83c\"]", "1 column 4: half of a surrogate pair"},
        {"[\"\\ud83cx\"]", "1 column 4: half of a surrogate pair"},
        {"[\"\\ud83c\\ud83c\"]", "1 column 4: half of a surrogate pair"},
        {"[\"\\ud83c\\u00", "1 column 4: half of a surrogate pair"},
        {"}", "1 column 1: expected a value"},
        {"[}", "1 column 2: expected a value"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        const size_t size = strlen(cases[index][0]);
        char *exact = malloc(size);
        char error[200] = "";
        char expected[200];

        assert_non_null(exact);
        memcpy(exact, cases[index][0], size);
        (void)snprintf(expected, sizeof(expected), "JSON line %s", cases[index][1]);
        assert_int_equal(tr_json_scan(exact, size, error, sizeof(error)), TROUPE_E_TYPE);
        assert_string_equal(error, expected);
        free(exact);
    }
    refuses(&deposit_type, "{\"memo\":\"\xff\"}", "the JSON is not UTF-8");
    refuses(&deposit_type, "{\"memo\"}", "JSON line 1 column 8: expected a colon");
}

static void text_with_a_nul_inside_is_refused(void **state)
{
    static const char json[] = "{}\0";
    static const char inside[] = "{\"memo\":\"a\0b\"}";
    char error[200] = "";
    void *value = NULL;

    (void)state;
    assert_int_equal(
        tr_value_from_json_lenient(&deposit_type, json, sizeof(json), &value, error, sizeof(error)),
        TROUPE_E_TYPE);
    assert_string_equal(error, "JSON line 1 column 3: something follows the value");
    assert_int_equal(tr_value_from_json_lenient(&deposit_type, inside, sizeof(inside) - 1, &value,
                                                error, sizeof(error)),
                     TROUPE_E_TYPE);
    assert_string_equal(error, "JSON line 1 column 11: a control character in a string");
}

static void nesting_ends_at_32(void **state)
{
    char json[80];

    (void)state;
    memset(json, '[', 32);
    memset(json + 32, ']', 32);
    assert_int_equal(tr_json_scan(json, 64, NULL, 0), TROUPE_OK);
    memset(json, '[', 33);
    memset(json + 33, ']', 33);
    json[66] = '\0';
    assert_refused(&deposit_type, json, TROUPE_E_LIMIT,
                   "JSON line 1 column 33: it nests deeper than 32");
}

static void numbers_end_at_62_characters(void **state)
{
    char json[100];

    (void)state;
    (void)snprintf(json, sizeof(json), "{\"real\":1%061d}", 0);
    troupe_value_free(read_json(&measure_type, json));
    (void)snprintf(json, sizeof(json), "{\"real\":1%062d}", 0);
    assert_refused(&measure_type, json, TROUPE_E_LIMIT,
                   "JSON line 1 column 9: a number has 62 characters at most");
    (void)snprintf(json, sizeof(json), "{\"real\":\"1%062d\"}", 0);
    refuses(&measure_type, json,
            "type \"test.measure\" field \"real\": "
            "\"100000000000000000000000000000000000000000000000000000000000...\" is not a number");
}

static void text_longer_than_a_mebibyte_is_refused(void **state)
{
    const size_t size = TR_JSON_INPUT_SIZE_MAX + 1;
    char *json = malloc(size + 1);
    void *value = NULL;

    (void)state;
    assert_non_null(json);
    memset(json, ' ', size);
    memcpy(json, "{}", 2);
    json[size] = '\0';
    assert_refused(&deposit_type, json, TROUPE_E_LIMIT,
                   "type \"bank.deposit\": the JSON has 1048577 bytes; 1048576 is the most");
    assert_int_equal(tr_value_from_json_lenient(&deposit_type, json, size, &value, NULL, 0),
                     TROUPE_OK); /* a state may be longer */
    troupe_value_free(value);
    json[size - 1] = '\0';
    troupe_value_free(read_json(&deposit_type, json));
    free(json);
}

static void value_larger_than_64_mib_is_refused(void **state)
{
    enum { FAT_SIZE = 1024 };
    static const troupe_field fat_fields[] = {
        {.name = "b", .number = 1, .kind = TROUPE_KIND_BOOL, .size = 1}};
    static const troupe_type fat = {
        .name = "test.fat", .size = FAT_SIZE, .fields = fat_fields, .field_count = 1};
    static const troupe_field fields[] = {{.name = "all",
                                           .number = 1,
                                           .kind = TROUPE_KIND_STRUCT,
                                           .size = FAT_SIZE,
                                           .array = true,
                                           .count_offset = 8,
                                           .type = &fat}};
    static const troupe_type type = {
        .name = "test.many", .size = 16, .fields = fields, .field_count = 1};
    const size_t count = TR_VALUE_SIZE_MAX / FAT_SIZE;
    char *json = malloc(count * 3 + 16);
    size_t size = 0;

    (void)state;
    assert_non_null(json);
    size = (size_t)snprintf(json, 16, "{\"all\":[{}");
    for (size_t index = 1; index < count; index++) {
        memcpy(json + size, ",{}", 3);
        size += 3;
    }
    memcpy(json + size, "]}", 3);
    assert_refused(&type, json, TROUPE_E_LIMIT,
                   "type \"test.many\" field \"all\": the value needs more than 67108864 bytes");
    free(json);
}

static void state_of_another_version_is_read_leniently(void **state)
{
    static const char json[] =
        "{\"owner\":{\"name\":[1,{}]},\"cents\":5,\"owner2\":null,\"memo\":\"x\"}";
    static const char changed[] = "{\"owner\":1,\"cents\":\"five\"}";
    char error[200] = "";
    void *value = NULL;

    (void)state;
    assert_int_equal(
        tr_value_from_json_lenient(&deposit_type, json, sizeof(json) - 1, &value, NULL, 0),
        TROUPE_OK);
    assert_int_equal(((deposit *)value)->cents, 5);
    assert_string_equal(((deposit *)value)->memo, "x");
    troupe_value_free(value);
    assert_int_equal(tr_value_from_json_lenient(&deposit_type, changed, sizeof(changed) - 1, &value,
                                                error, sizeof(error)),
                     TROUPE_E_TYPE); /* a changed kind is an error here, too */
    assert_string_equal(error, "type \"bank.deposit\" field \"cents\": \"five\" is not an integer");
}

static void reading_refuses_what_is_missing(void **state)
{
    void *value = NULL;

    (void)state;
    assert_refused(NULL, "{}", TROUPE_E_INVALID, "there is no type");
    assert_refused(&deposit_type, NULL, TROUPE_E_INVALID,
                   "there is no JSON, or no place for the value");
    assert_int_equal(troupe_from_json(&deposit_type, "{}", NULL, NULL, 0), TROUPE_E_INVALID);
    assert_int_equal(troupe_from_json(&(troupe_type){.name = ""}, "{}", &value, NULL, 0),
                     TROUPE_E_INVALID);
}

static void error_that_is_cut_ends_at_a_character(void **state)
{
    char error[44];
    void *value = NULL;

    (void)state;
    assert_int_equal(
        troupe_from_json(&deposit_type, "{\"\xc3\xa9\xc3\xa9\":1}", &value, error, sizeof(error)),
        TROUPE_E_TYPE);
    assert_string_equal(error, "type \"bank.deposit\": there is no field \"\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_or_null_is_zero),
        cmocka_unit_test(keys_come_in_any_order),
        cmocka_unit_test(message_without_content_needs_no_text),
        cmocka_unit_test(unknown_keys_are_refused_with_the_known_ones),
        cmocka_unit_test(kinds_that_do_not_fit_name_the_field),
        cmocka_unit_test(integers_are_whole_and_in_range),
        cmocka_unit_test(integers_that_a_double_cannot_hold_have_to_be_strings),
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(doubles_come_back_from_the_database_with_all_their_digits),
        cmocka_unit_test(text_that_is_no_json_says_where),
        cmocka_unit_test(text_with_a_nul_inside_is_refused),
        cmocka_unit_test(nesting_ends_at_32),
        cmocka_unit_test(numbers_end_at_62_characters),
        cmocka_unit_test(text_longer_than_a_mebibyte_is_refused),
        cmocka_unit_test(value_larger_than_64_mib_is_refused),
        cmocka_unit_test(state_of_another_version_is_read_leniently),
        cmocka_unit_test(reading_refuses_what_is_missing),
        cmocka_unit_test(error_that_is_cut_ends_at_a_character),
    };

    return cmocka_run_group_tests_name("type/json_read", tests, NULL, NULL);
}
