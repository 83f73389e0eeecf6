/* What is tested: decoding values, by known bytes and by every error text. Random and mutated bytes
 * are in tests/prop/prop_type_value.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/described_types.h"
#include "type/limits.h"
#include "type/value.h"

static void *decode(const troupe_type *type, const char *bytes, size_t size)
{
    char error[200] = "";
    size_t block_size = 0;
    uint8_t *exact = malloc(size + 1);
    void *block = NULL;

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    if (tr_value_decoded_size(type, exact, size, &block_size, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("%s", error);
    }
    block = malloc(block_size + 1);
    assert_non_null(block);
    memset(block, 0xaa, block_size);
    tr_value_decode_into(type, exact, size, block, block_size);
    free(exact);
    return block;
}

#define DECODE(type, literal) decode(type, literal, sizeof(literal) - 1)

static void assert_refused(const troupe_type *type, const char *bytes, size_t size,
                           troupe_status expected, const char *reason)
{
    char error[200] = "";
    size_t block_size = 99;
    uint8_t *exact = malloc(size > 0 ? size : 1);

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    assert_int_equal(tr_value_decoded_size(type, exact, size, &block_size, error, sizeof(error)),
                     expected);
    assert_string_equal(error, reason);
    assert_int_equal(block_size, 99);
    assert_int_equal(tr_value_decoded_size(type, exact, size, &block_size, NULL, 0), expected);
    const size_t capacity = tr_value_decoded_size_max(type, size);

    if (capacity > 0) { /* One walk refuses it with the same words. */
        void *block = malloc(capacity);

        assert_non_null(block);
        error[0] = '\0';
        assert_int_equal(tr_value_decode(type, exact, size, block, capacity, error, sizeof(error)),
                         expected);
        assert_string_equal(error, reason);
        free(block);
    }
    free(exact);
}

#define REFUSED(type, literal, reason)                                                             \
    assert_refused(type, literal, sizeof(literal) - 1, TROUPE_E_TYPE, reason)

/* The bound of a type without arrays: the struct, all bytes of the input, and 8 for each string. */
static void the_size_of_a_value_without_arrays_has_a_bound(void **state)
{
    (void)state;
    assert_int_equal(tr_value_decoded_size_max(&deposit_type, 10),
                     (sizeof(deposit) + 7) / 8 * 8 + 16 + 8);
    assert_int_equal(tr_value_decoded_size_max(&deposit_type, TR_VALUE_SIZE_MAX), 0);
    assert_int_equal(tr_value_decoded_size_max(&batch_type, 10), 0);
}

static void missing_fields_are_zero_and_unknown_ones_skipped(void **state)
{
    deposit *value = DECODE(&deposit_type, "\x80");

    (void)state;
    assert_int_equal(value->cents, 0);
    assert_null(value->memo);
    free(value);
    value =
        DECODE(&deposit_type, "\x84\x09\x93\x01\x82\xa1x\xc0\x02\xc7\x02\x05zz\xcb\0\0\0\0\0\0\0\0"
                              "\x02\xa1y\xcd\x01\x00\xc4\x01z\x01\x05");
    assert_int_equal(value->cents, 5);
    assert_string_equal(value->memo, "y");
    free(value);
    free(DECODE(&nothing_type, "\x81\x09\x01"));
}

static void integers_are_taken_wherever_they_fit(void **state)
{
    every *value = DECODE(
        &every_type, "\x84\x02\xcc\x05\x03\xd3\0\0\0\0\0\0\0\x06\x04\xd0\xff\x05\xd2\0\0\0\x07");

    (void)state;
    assert_int_equal(value->small, 5);
    assert_int_equal(value->small_plus, 6);
    assert_int_equal(value->wide, -1);
    assert_int_equal(value->wide_plus, 7);
    free(value);
    value =
        DECODE(&every_type, "\x83\x02\xd2\x80\0\0\0\x04\xd3\x80\0\0\0\0\0\0\0\x06\xca\x3f\xc0\0\0");
    assert_int_equal(value->small, INT32_MIN);
    assert_true(value->wide == INT64_MIN);
    assert_true(value->real == 1.5);
    free(value);
}

static void changed_kind_names_type_field_number_and_both_kinds(void **state)
{
    (void)state;
    REFUSED(&deposit_type,
            "\x81\x01\xa3"
            "abc",
            "type \"bank.deposit\" field \"cents\" (1): expected int64, got string");
    REFUSED(&deposit_type, "\x81\x02\x05",
            "type \"bank.deposit\" field \"memo\" (2): expected string, got integer");
    REFUSED(&deposit_type, "\x81\x01\xc0",
            "type \"bank.deposit\" field \"cents\" (1): expected int64, got nil");
    REFUSED(&deposit_type, "\x81\x01\xcb\0\0\0\0\0\0\0\0",
            "type \"bank.deposit\" field \"cents\" (1): expected int64, got double");
    REFUSED(&every_type, "\x81\x01\x01",
            "type \"test.every\" field \"flag\" (1): expected bool, got integer");
    REFUSED(&every_type, "\x81\x06\x01",
            "type \"test.every\" field \"real\" (6): expected double, got integer");
    REFUSED(&every_type, "\x81\x08\xa1x",
            "type \"test.every\" field \"bytes\" (8): expected bytes, got string");
    REFUSED(&every_type, "\x81\x09\x93\x01\x02\x03",
            "type \"test.every\" field \"pid\" (9): expected pid, got array");
    REFUSED(&every_type, "\x81\x09\x92\x01\xff",
            "type \"test.every\" field \"pid\" (9): expected pid, got integer");
    REFUSED(&every_type, "\x81\x09\x92\x01\xc3",
            "type \"test.every\" field \"pid\" (9): expected pid, got bool");
    REFUSED(&every_type, "\x81\xcd\x01\x2c\x80",
            "type \"test.every\" field \"names\" (300): expected array, got map");
    REFUSED(&every_type, "\x81\xcd\x01\x2c\x92\xa1x\xc4\x01x",
            "type \"test.every\" field \"names[1]\" (300): expected string, got bytes");
    REFUSED(&every_type, "\x81\x02\xd4\x01\x01",
            "type \"test.every\" field \"small\" (2): expected int32, got extension");
}

static void errors_say_the_whole_way(void **state)
{
    (void)state;
    REFUSED(&batch_type, "\x81\x01\x92\x80\x81\x01\xa1x",
            "type \"bank.batch\" field \"transfers[1].cents\" (1): expected int64, got string");
    REFUSED(&batch_type, "\x81\x02\x81\x02\x01",
            "type \"bank.batch\" field \"last.memo\" (2): expected string, got integer");
    REFUSED(&batch_type, "\x81\x02\x90",
            "type \"bank.batch\" field \"last\" (2): expected map, got array");
    REFUSED(&batch_type, "\xa1x", "type \"bank.batch\": expected map, got string");
}

static void integers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    REFUSED(&every_type, "\x81\x02\xce\x80\0\0\0",
            "type \"test.every\" field \"small\" (2): 2147483648 does not fit int32");
    REFUSED(&every_type, "\x81\x02\xd3\xff\xff\xff\xff\x7f\xff\xff\xff",
            "type \"test.every\" field \"small\" (2): -2147483649 does not fit int32");
    REFUSED(&every_type, "\x81\x03\xff",
            "type \"test.every\" field \"small_plus\" (3): -1 does not fit uint32");
    REFUSED(&every_type, "\x81\x03\xcf\0\0\0\x01\0\0\0\0",
            "type \"test.every\" field \"small_plus\" (3): 4294967296 does not fit uint32");
    REFUSED(&every_type, "\x81\x04\xcf\x80\0\0\0\0\0\0\0",
            "type \"test.every\" field \"wide\" (4): 9223372036854775808 does not fit int64");
    REFUSED(
        &every_type, "\x81\x05\xd3\x80\0\0\0\0\0\0\0",
        "type \"test.every\" field \"wide_plus\" (5): -9223372036854775808 does not fit uint64");
}

static void strings_are_utf8_without_nul(void **state)
{
    (void)state;
    REFUSED(&deposit_type, "\x81\x02\xa2\xc3\x41",
            "type \"bank.deposit\" field \"memo\" (2): the string is not UTF-8");
    REFUSED(&deposit_type,
            "\x81\x02\xa3"
            "a\0b",
            "type \"bank.deposit\" field \"memo\" (2): the string has a NUL inside");
}

static void field_numbers_are_what_keys_have_to_be(void **state)
{
    (void)state;
    REFUSED(&deposit_type, "\x81\xa1x\x01",
            "type \"bank.deposit\": expected a field number, got string");
    REFUSED(&deposit_type, "\x81\x00\x01", "type \"bank.deposit\": 0 is no field number");
    REFUSED(&deposit_type, "\x81\xff\x01", "type \"bank.deposit\": -1 is no field number");
    REFUSED(&deposit_type, "\x81\xce\0\x01\0\0\x01",
            "type \"bank.deposit\": 65536 is no field number");
    REFUSED(&deposit_type, "\x82\x01\x01\x01\x01",
            "type \"bank.deposit\" field \"cents\" (1): it is there twice");
}

static void bytes_that_end_early_or_late_are_refused(void **state)
{
    (void)state;
    REFUSED(&deposit_type, "", "type \"bank.deposit\": the bytes end early");
    REFUSED(&deposit_type, "\x81", "type \"bank.deposit\": the bytes end early");
    REFUSED(&deposit_type, "\x81\x01",
            "type \"bank.deposit\": the bytes end early"); /* a map of one is two bytes at least */
    REFUSED(&deposit_type, "\x81\x01\xcd\x01",
            "type \"bank.deposit\" field \"cents\" (1): the bytes end early");
    REFUSED(&deposit_type,
            "\x81\x02\xa5"
            "abc",
            "type \"bank.deposit\" field \"memo\" (2): the bytes end early");
    REFUSED(&deposit_type, "\x81\x09\x92\x01", "type \"bank.deposit\": the bytes end early");
    REFUSED(&deposit_type, "\x81\x01\xc1",
            "type \"bank.deposit\" field \"cents\" (1): the bytes are not MessagePack");
    REFUSED(&deposit_type, "\x81\x09\x91\xc1",
            "type \"bank.deposit\": the bytes are not MessagePack");
    REFUSED(&deposit_type, "\x80\x01\x02", "type \"bank.deposit\": 2 bytes follow the value");
}

static void counts_are_checked_against_the_bytes_left(void **state)
{
    (void)state;
    REFUSED(&deposit_type, "\xdf\xff\xff\xff\xff", "type \"bank.deposit\": the bytes end early");
    REFUSED(&batch_type, "\x81\x01\xdd\xff\xff\xff\xff\x80",
            "type \"bank.batch\" field \"transfers\" (1): the bytes end early");
    REFUSED(&deposit_type, "\x81\x02\xdb\xff\xff\xff\xff\x80",
            "type \"bank.deposit\" field \"memo\" (2): the bytes end early");
    REFUSED(&every_type, "\x81\x08\xc6\xff\xff\xff\xff\x80",
            "type \"test.every\" field \"bytes\" (8): the bytes end early");
    REFUSED(&deposit_type, "\x81\x09\xdd\xff\xff\xff\xff\x80",
            "type \"bank.deposit\": the bytes end early");
    REFUSED(&deposit_type, "\x81\x09\xc9\xff\xff\xff\xff\x80",
            "type \"bank.deposit\": the bytes end early");
}

/* One byte of input for each element, 96 bytes of memory. */
static void value_larger_than_64_mib_is_refused_before_it_is_made(void **state)
{
    static const troupe_field fields[] = {{.name = "all",
                                           .number = 1,
                                           .kind = TROUPE_KIND_STRUCT,
                                           .size = sizeof(every),
                                           .array = true,
                                           .count_offset = 8,
                                           .type = &every_type}};
    static const troupe_type type = {
        .name = "test.many", .size = 16, .fields = fields, .field_count = 1};
    const size_t count = TR_VALUE_SIZE_MAX / sizeof(every) + 1;
    const size_t size = count + 7;
    char *bytes = malloc(size);
    size_t block_size = 0;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 0x80, size);
    memcpy(bytes, "\x81\x01\xdd", 3);
    for (size_t index = 0; index < 4; index++) {
        bytes[3 + index] = (char)(uint8_t)(count >> (24 - 8 * index));
    }
    assert_refused(
        &type, bytes, size, TROUPE_E_LIMIT,
        "type \"test.many\" field \"all\" (1): the value needs more than 67108864 bytes");
    bytes[6] = (char)(uint8_t)(bytes[6] - 1); /* one less fits beside the struct itself */
    assert_int_equal(
        tr_value_decoded_size(&type, (const uint8_t *)bytes, size - 1, &block_size, NULL, 0),
        TROUPE_OK);
    assert_in_range(block_size, TR_VALUE_SIZE_MAX - 2 * sizeof(every), TR_VALUE_SIZE_MAX);
    free(bytes);
}

static void map_with_more_pairs_than_there_are_numbers_is_refused(void **state)
{
    const size_t size = 5 + 2 * 65536;
    char *bytes = calloc(1, size);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes, "\xdf\x00\x01\x00\x00", 5);
    assert_refused(&deposit_type, bytes, size, TROUPE_E_LIMIT,
                   "type \"bank.deposit\": 65536 fields are more than 65535");
    free(bytes);
}

/* A million arrays inside one another, in a field nobody knows: no stack is used for them. */
static void unknown_field_nests_as_deep_as_it_likes(void **state)
{
    const size_t depth = 1000000;
    char *bytes = malloc(depth + 3);
    size_t block_size = 0;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 0x91, depth + 3);
    memcpy(bytes, "\x81\x09", 2);
    bytes[depth + 2] = '\x01';
    assert_int_equal(tr_value_decoded_size(&deposit_type, (const uint8_t *)bytes, depth + 3,
                                           &block_size, NULL, 0),
                     TROUPE_OK);
    bytes[depth + 2] = '\x91';
    assert_refused(&deposit_type, bytes, depth + 3, TROUPE_E_TYPE,
                   "type \"bank.deposit\": the bytes end early");
    free(bytes);
}

static void decode_into_without_asking_first_is_a_bug_of_the_caller(void **state)
{
    uint64_t block[8];

    (void)state;
    expect_assert_failure(
        tr_value_decode_into(&deposit_type, (const uint8_t *)"\x81", 1, block, sizeof(block)));
    expect_assert_failure(
        tr_value_decode_into(&deposit_type, (const uint8_t *)"\x80", 1, block, sizeof(block)));
}

static void each_of_256_fields_arrives_whether_it_is_zero_or_not(void **state)
{
    static troupe_field fields[TR_TYPE_FIELD_COUNT_MAX];
    static uint8_t bytes[8 * TR_TYPE_FIELD_COUNT_MAX];
    int32_t value[TR_TYPE_FIELD_COUNT_MAX] = {0};
    const troupe_type type = {.name = "test.fields",
                              .size = sizeof(value),
                              .fields = fields,
                              .field_count = TR_TYPE_FIELD_COUNT_MAX};

    (void)state;
    for (uint32_t index = 0; index < TR_TYPE_FIELD_COUNT_MAX; index++) {
        fields[index] = (troupe_field){.name = "field",
                                       .number = index + 1,
                                       .kind = TROUPE_KIND_INT32,
                                       .offset = index * sizeof(value[0]),
                                       .size = sizeof(value[0])};
        value[index] = index % 3 == 0 ? (int32_t)index + 1 : 0;
    }
    const size_t size = tr_value_encode(&type, value, bytes, sizeof(bytes));
    assert_true(size > 0);
    void *block = decode(&type, (const char *)bytes, size);

    assert_memory_equal(block, value, sizeof(value));
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_of_a_value_without_arrays_has_a_bound),
        cmocka_unit_test(missing_fields_are_zero_and_unknown_ones_skipped),
        cmocka_unit_test(integers_are_taken_wherever_they_fit),
        cmocka_unit_test(changed_kind_names_type_field_number_and_both_kinds),
        cmocka_unit_test(errors_say_the_whole_way),
        cmocka_unit_test(integers_that_do_not_fit_are_refused),
        cmocka_unit_test(strings_are_utf8_without_nul),
        cmocka_unit_test(field_numbers_are_what_keys_have_to_be),
        cmocka_unit_test(bytes_that_end_early_or_late_are_refused),
        cmocka_unit_test(counts_are_checked_against_the_bytes_left),
        cmocka_unit_test(value_larger_than_64_mib_is_refused_before_it_is_made),
        cmocka_unit_test(map_with_more_pairs_than_there_are_numbers_is_refused),
        cmocka_unit_test(each_of_256_fields_arrives_whether_it_is_zero_or_not),
        cmocka_unit_test(unknown_field_nests_as_deep_as_it_likes),
        cmocka_unit_test(decode_into_without_asking_first_is_a_bug_of_the_caller),
    };

    return cmocka_run_group_tests_name("type/decode", tests, NULL, NULL);
}
