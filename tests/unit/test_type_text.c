/* What is tested: the small texts under described types: pids, UTF-8, decimal numbers, base64.
 * Method: known answers and each way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/decimal.h"
#include "base/utf8.h"
#include "troupe/pid.h"
#include "type/base64.h"

static void pid_prints_and_parses(void **state)
{
    static const troupe_pid pids[] = {{0, 0}, {1, 2}, {7, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
    static const char *const texts[] = {"<0.0>", "<1.2>", "<7.18446744073709551615>",
                                        "<18446744073709551615.18446744073709551615>"};

    (void)state;
    for (size_t index = 0; index < 4; index++) {
        char text[TROUPE_PID_TEXT_SIZE];
        troupe_pid pid = {0};

        assert_ptr_equal(troupe_pid_print(pids[index], text), text);
        assert_string_equal(text, texts[index]);
        assert_int_equal(troupe_pid_parse(texts[index], &pid), TROUPE_OK);
        assert_true(troupe_pid_equal(pid, pids[index]));
    }
}

static void pid_that_is_not_exactly_one_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "<",
                                        "<>",
                                        "1.2",
                                        "<1.2",
                                        "<1.2> ",
                                        " <1.2>",
                                        "<1>",
                                        "<1.>",
                                        "<.2>",
                                        "<01.2>",
                                        "<1.02>",
                                        "<-1.2>",
                                        "<+1.2>",
                                        "<1.2.3>",
                                        "<1 .2>",
                                        "<a.b>",
                                        "<18446744073709551616.1>",
                                        "<1.18446744073709551616>"};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        troupe_pid pid = {3, 4};

        assert_int_equal(troupe_pid_parse(texts[index], &pid), TROUPE_E_INVALID);
        assert_true(troupe_pid_equal(pid, (troupe_pid){3, 4}));
    }
    assert_int_equal(troupe_pid_parse(NULL, &(troupe_pid){0}), TROUPE_E_INVALID);
    assert_int_equal(troupe_pid_parse("<1.2>", NULL), TROUPE_E_INVALID);
}

static void decimal_stops_at_what_is_no_digit(void **state)
{
    uint64_t value = 9;

    (void)state;
    assert_int_equal(tr_decimal_parse("123x", 4, &value), 3);
    assert_int_equal(value, 123);
    assert_int_equal(tr_decimal_parse("123", 2, &value), 2);
    assert_int_equal(value, 12);
    assert_int_equal(tr_decimal_parse("0", 1, &value), 1);
    assert_int_equal(value, 0);
    assert_int_equal(tr_decimal_parse("x", 1, &value), 0);
    assert_int_equal(tr_decimal_parse("00", 2, &value), 0);
    assert_int_equal(tr_decimal_parse("18446744073709551615", 20, &value), 20);
    assert_true(value == UINT64_MAX);
    assert_int_equal(tr_decimal_parse("18446744073709551616", 20, &value), 0);
    assert_int_equal(tr_decimal_parse("99999999999999999999", 20, &value), 0);
    assert_true(value == UINT64_MAX); /* untouched */
}

static void utf8_takes_every_length_and_its_edges(void **state)
{
    static const char *const texts[] = {"",
                                        "plain ascii, more than eight",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "12345678\xc3\xa9\x31\x32\x33\x34\x35\x36\x37\x38"};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        assert_true(tr_utf8_is_valid(texts[index], strlen(texts[index])));
    }
    assert_true(tr_utf8_is_valid("a\0b", 3));
}

static void utf8_refuses_what_rfc_3629_forbids(void **state)
{
    static const char *const texts[] = {"\x80",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc2",
                                        "\xc2\x41",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xe2\x82",
                                        "\xe2\x82\x41",
                                        "\xe2\x41\x82",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xf0\x9f\x8e",
                                        "\xf0\x9f\x8e\x41",
                                        "\xff",
                                        "12345678\x80"};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        const size_t size = strlen(texts[index]);
        char *exact = malloc(size);

        assert_non_null(exact);
        memcpy(exact, texts[index], size); /* so that a look behind the end is seen */
        assert_false(tr_utf8_is_valid(exact, size));
        free(exact);
    }
}

static void utf8_cut_never_ends_inside_a_character(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xad";
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};

    (void)state;
    for (size_t size = 0; size <= 10; size++) {
        assert_int_equal(tr_utf8_cut(text, size), cuts[size]);
    }
}

static void base64_is_that_of_rfc_4648(void **state)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const texts[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

    (void)state;
    for (size_t index = 0; index < 7; index++) {
        const size_t size = strlen(plain[index]);
        char text[16] = "";
        uint8_t bytes[16];
        size_t decoded = 99;

        assert_int_equal(TR_BASE64_SIZE(size), strlen(texts[index]));
        tr_base64_encode((const uint8_t *)plain[index], size, text);
        assert_string_equal(text, texts[index]);
        assert_true(tr_base64_decoded_size(text, strlen(text), &decoded));
        assert_int_equal(decoded, size);
        tr_base64_decode(text, strlen(text), bytes);
        assert_memory_equal(bytes, plain[index], size);
    }
}

static void base64_of_every_byte_comes_back(void **state)
{
    uint8_t bytes[256];
    uint8_t again[256];
    char text[TR_BASE64_SIZE(256)];
    size_t size = 0;

    (void)state;
    for (size_t index = 0; index < sizeof(bytes); index++) {
        bytes[index] = (uint8_t)(index * 37u);
    }
    tr_base64_encode(bytes, sizeof(bytes), text);
    assert_true(tr_base64_decoded_size(text, sizeof(text), &size));
    assert_int_equal(size, sizeof(bytes));
    tr_base64_decode(text, sizeof(text), again);
    assert_memory_equal(again, bytes, sizeof(bytes));
}

static void base64_in_another_form_is_refused(void **state)
{
    static const char *const texts[] = {"Z",    "Zg",   "Zg=",      "Zg===",  "====",
                                        "Z===", "=Zg=", "Zg==Zg==", "Zm9v\n", "Zm 9",
                                        "Zm-_", "Zh==", "Zm9="};

    (void)state;
    for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
        size_t size = 99;

        assert_false(tr_base64_decoded_size(texts[index], strlen(texts[index]), &size));
        assert_int_equal(size, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pid_prints_and_parses),
        cmocka_unit_test(pid_that_is_not_exactly_one_is_refused),
        cmocka_unit_test(decimal_stops_at_what_is_no_digit),
        cmocka_unit_test(utf8_takes_every_length_and_its_edges),
        cmocka_unit_test(utf8_refuses_what_rfc_3629_forbids),
        cmocka_unit_test(utf8_cut_never_ends_inside_a_character),
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(base64_of_every_byte_comes_back),
        cmocka_unit_test(base64_in_another_form_is_refused),
    };

    return cmocka_run_group_tests_name("type/text", tests, NULL, NULL);
}
