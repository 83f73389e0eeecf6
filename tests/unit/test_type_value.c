/* What is tested: copying, owning, checking and encoding values, by known bytes. Random values are
 * in tests/prop/prop_type_value.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/described_types.h"
#include "type/heap.h"
#include "type/limits.h"
#include "type/value.h"

/* ---- copying ---- */

static void flat_is_what_points_to_nothing(void **state)
{
    static const troupe_field nested[] = {TROUPE_FIELD_STRUCT(flats, one, 1, &flat_type)};
    const troupe_type wrapper = {
        .name = "test.wrapper", .size = sizeof(flat), .fields = nested, .field_count = 1};

    (void)state;
    assert_true(tr_type_is_flat(&flat_type));
    assert_true(tr_type_is_flat(&wrapper));
    assert_true(tr_type_is_flat(&nothing_type));
    assert_false(tr_type_is_flat(&flats_type));
    assert_false(tr_type_is_flat(&deposit_type));
    assert_false(tr_type_is_flat(&batch_type));
}

static void size_is_the_struct_and_all_below_it_aligned(void **state)
{
    const deposit transfers[2] = {{1, "one"}, {2, NULL}};
    const batch value = {.transfers = transfers, .transfers_count = 2, .last = {3, "12345678"}};

    (void)state;
    assert_int_equal(tr_value_size(&nothing_type, NULL), 0);
    assert_int_equal(tr_value_size(&flat_type, &(flat){0}), sizeof(flat));
    assert_int_equal(tr_value_size(&deposit_type, &(deposit){1, "1234567"}), sizeof(deposit) + 8);
    assert_int_equal(tr_value_size(&deposit_type, &(deposit){1, "12345678"}), sizeof(deposit) + 16);
    assert_int_equal(tr_value_size(&deposit_type, &(deposit){1, NULL}), sizeof(deposit));
    assert_int_equal(tr_value_size(&batch_type, &value),
                     sizeof(batch) + 2 * sizeof(deposit) + 8 + 16);
}

static void copy_points_into_its_own_block(void **state)
{
    deposit transfers[1] = {{7, "seven"}};
    const batch value = {.transfers = transfers, .transfers_count = 1};
    void *block = NULL;
    const batch *copy = NULL;

    (void)state;
    assert_int_equal(troupe_value_copy(&batch_type, &value, &block), TROUPE_OK);
    copy = block;
    transfers[0] = (deposit){0};
    assert_int_equal(copy->transfers[0].cents, 7);
    assert_string_equal(copy->transfers[0].memo, "seven");
    assert_in_range((uintptr_t)copy->transfers, (uintptr_t)block + sizeof(batch),
                    (uintptr_t)block + tr_value_size(&batch_type, copy));
    assert_int_equal((uintptr_t)copy->transfers % TR_VALUE_ALIGN, 0);
    troupe_value_free(block);
    troupe_value_free(NULL);
}

static void copy_takes_a_pointer_that_is_null_as_empty(void **state)
{
    const batch value = {.transfers = NULL, .transfers_count = 9};
    const every all = {.bytes = {.data = NULL, .size = 9}, .names_count = 9};
    void *copy = NULL;

    (void)state;
    assert_int_equal(troupe_value_copy(&batch_type, &value, &copy), TROUPE_OK);
    assert_int_equal(((batch *)copy)->transfers_count, 0);
    troupe_value_free(copy);
    assert_int_equal(troupe_value_copy(&every_type, &all, &copy), TROUPE_OK);
    assert_int_equal(((every *)copy)->bytes.size, 0);
    assert_int_equal(((every *)copy)->names_count, 0);
    troupe_value_free(copy);
}

static void copy_of_no_content_is_still_a_block(void **state)
{
    void *copy = NULL;

    (void)state;
    assert_int_equal(troupe_value_copy(&nothing_type, NULL, &copy), TROUPE_OK);
    assert_non_null(copy);
    troupe_value_free(copy);
}

static void copy_refuses_what_is_missing(void **state)
{
    void *copy = NULL;

    (void)state;
    assert_int_equal(troupe_value_copy(NULL, &copy, &copy), TROUPE_E_INVALID);
    assert_int_equal(troupe_value_copy(&deposit_type, NULL, &copy), TROUPE_E_INVALID);
    assert_int_equal(troupe_value_copy(&deposit_type, &copy, NULL), TROUPE_E_INVALID);
    assert_null(copy);
}

static void copy_into_a_block_of_another_size_is_a_bug_of_the_caller(void **state)
{
    const deposit value = {1, "one"};
    uint64_t block[8];

    (void)state;
    expect_assert_failure(tr_value_copy_into(&deposit_type, &value, block, sizeof(block)));
    expect_assert_failure(tr_value_copy_into(&deposit_type, &value, block, 8));
}

static void own_keeps_its_strings_when_the_original_changes(void **state)
{
    char memo[] = "memo";
    deposit owned = {9, "left over"};
    const deposit value = {5, memo};

    (void)state;
    assert_int_equal(tr_value_own(&deposit_type, &value, &owned, &tr_heap), TROUPE_OK);
    memo[0] = 'x';
    assert_int_equal(owned.cents, 5);
    assert_string_equal(owned.memo, "memo");
    tr_value_disown(&deposit_type, &owned, &tr_heap);
    assert_int_equal(owned.cents, 0);
    assert_null(owned.memo);
    tr_value_disown(&deposit_type, &owned, &tr_heap); /* of nothing is nothing */
    assert_int_equal(tr_value_own(&nothing_type, NULL, NULL, &tr_heap), TROUPE_OK);
    tr_value_disown(&nothing_type, NULL, &tr_heap);
}

static void check_finds_what_the_other_side_would_refuse(void **state)
{
    static const char *const names[] = {"a", NULL, "\xff"};
    const deposit transfers[] = {{1, "good"}, {2, "\xc3"}};
    const batch value = {.transfers = transfers, .transfers_count = 2};
    const every all = {.names = names, .names_count = 3};
    char *huge = calloc(1, TR_VALUE_SIZE_MAX);
    char error[200] = "";

    (void)state;
    assert_non_null(huge);
    assert_int_equal(tr_value_check(&nothing_type, NULL, NULL, 0), TROUPE_OK);
    assert_int_equal(tr_value_check(&deposit_type, &transfers[0], NULL, 0), TROUPE_OK);
    assert_int_equal(tr_value_check(&batch_type, &value, error, sizeof(error)), TROUPE_E_TYPE);
    assert_string_equal(error, "type \"bank.batch\" field \"transfers[1].memo\" (2): the string is "
                               "not UTF-8");
    assert_int_equal(tr_value_check(&every_type, &all, error, sizeof(error)), TROUPE_E_TYPE);
    assert_string_equal(error,
                        "type \"test.every\" field \"names[2]\" (300): the string is not UTF-8");
    memset(huge, 'x', TR_VALUE_SIZE_MAX - 1);
    assert_int_equal(tr_value_check(&deposit_type, &(deposit){0, huge}, error, sizeof(error)),
                     TROUPE_E_LIMIT);
    assert_string_equal(error, "type \"bank.deposit\": the value needs more than 67108864 bytes");
    free(huge);
}

/* ---- encoding ---- */

static void assert_encodes(const troupe_type *type, const void *value, const char *bytes,
                           size_t size)
{
    uint8_t encoded[256];

    assert_in_range(tr_value_encoded_size_max(type, value), size, sizeof(encoded));
    assert_int_equal(tr_value_encode(type, value, encoded, sizeof(encoded)), size);
    assert_memory_equal(encoded, bytes, size);
    assert_int_equal(tr_value_encode(type, value, encoded, size), size);
    assert_int_equal(tr_value_encode(type, value, encoded, size - 1), 0);
}

#define ENCODES(type, value, literal) assert_encodes(type, value, literal, sizeof(literal) - 1)

static void encoding_leaves_out_what_is_zero(void **state)
{
    const deposit zeros[1] = {{0, NULL}};

    (void)state;
    ENCODES(&nothing_type, NULL, "\x80");
    ENCODES(&deposit_type, &(deposit){0}, "\x80");
    ENCODES(&every_type, &(every){0}, "\x80");
    ENCODES(&batch_type, &(batch){0}, "\x80");
    ENCODES(&deposit_type, (&(deposit){0, ""}), "\x81\x02\xa0");
    ENCODES(&batch_type, (&(batch){.last.cents = 1}), "\x81\x02\x81\x01\x01");
    ENCODES(&batch_type, (&(batch){.transfers = zeros, .transfers_count = 1}), "\x81\x01\x91\x80");
    ENCODES(&every_type, (&(every){.real = -0.0}), "\x81\x06\xcb\x80\0\0\0\0\0\0\0");
}

static void encoding_of_integers_is_the_shortest(void **state)
{
    (void)state;
    ENCODES(&deposit_type, (&(deposit){127, NULL}), "\x81\x01\x7f");
    ENCODES(&deposit_type, (&(deposit){128, NULL}), "\x81\x01\xcc\x80");
    ENCODES(&deposit_type, (&(deposit){256, NULL}), "\x81\x01\xcd\x01\x00");
    ENCODES(&deposit_type, (&(deposit){65536, NULL}), "\x81\x01\xce\x00\x01\x00\x00");
    ENCODES(&deposit_type, (&(deposit){INT64_MAX, NULL}),
            "\x81\x01\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    ENCODES(&deposit_type, (&(deposit){-1, NULL}), "\x81\x01\xff");
    ENCODES(&deposit_type, (&(deposit){-32, NULL}), "\x81\x01\xe0");
    ENCODES(&deposit_type, (&(deposit){-33, NULL}), "\x81\x01\xd0\xdf");
    ENCODES(&deposit_type, (&(deposit){-128, NULL}), "\x81\x01\xd0\x80");
    ENCODES(&deposit_type, (&(deposit){-129, NULL}), "\x81\x01\xd1\xff\x7f");
    ENCODES(&deposit_type, (&(deposit){-32769, NULL}), "\x81\x01\xd2\xff\xff\x7f\xff");
    ENCODES(&deposit_type, (&(deposit){INT64_MIN, NULL}), "\x81\x01\xd3\x80\0\0\0\0\0\0\0");
}

static void encoding_has_every_kind(void **state)
{
    static const char *const names[] = {"a", NULL};
    const every value = {.flag = true,
                         .small = -5,
                         .small_plus = 5,
                         .wide = 1,
                         .wide_plus = UINT64_MAX,
                         .real = 1.5,
                         .text = "hi",
                         .bytes = {(const uint8_t *)"\x01\x02", 2},
                         .pid = {3, 200},
                         .names = names,
                         .names_count = 2};

    (void)state;
    ENCODES(&every_type, &value,
            "\x8a\x01\xc3\x02\xfb\x03\x05\x04\x01\x05\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
            "\x06\xcb\x3f\xf8\0\0\0\0\0\0\x07\xa2hi\x08\xc4\x02\x01\x02\x09\x92\x03\xcc\xc8"
            "\xcd\x01\x2c\x92\xa1"
            "a\xc0");
}

/* Encodes size bytes or numbers and answers how many bytes come before the first of them. */
static size_t header_size(const troupe_type *type, const void *value, size_t content)
{
    uint8_t bytes[70000 + 16];
    const size_t size = tr_value_encode(type, value, bytes, sizeof(bytes));

    assert_in_range(size, content, sizeof(bytes));
    return size - content;
}

static void headers_are_the_shortest(void **state)
{
    static const size_t sizes[] = {15, 16, 31, 32, 255, 256, 65535, 65536};
    static const size_t of_strings[] = {1, 1, 1, 2, 2, 3, 3, 5};
    static const size_t of_bytes[] = {2, 2, 2, 2, 2, 3, 3, 5};
    static const size_t of_arrays[] = {1, 3, 3, 3, 3, 3, 3, 5};
    char *text = calloc(1, 65537);
    int32_t *numbers = calloc(65536, sizeof(*numbers));

    (void)state;
    assert_non_null(text);
    assert_non_null(numbers);
    for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        const size_t size = sizes[index];
        const every with_bytes = {.bytes = {(const uint8_t *)text, size}};
        const flats with_array = {.numbers = numbers, .numbers_count = size};

        memset(text, 'x', size); /* behind it is the NUL */
        assert_int_equal(header_size(&deposit_type, &(deposit){0, text}, size),
                         2 + of_strings[index]); /* the map and the number of the field */
        assert_int_equal(header_size(&every_type, &with_bytes, size), 2 + of_bytes[index]);
        assert_int_equal(header_size(&flats_type, &with_array, size), 2 + of_arrays[index]);
    }
    free(numbers);
    free(text);
}

static void size_at_most_has_room_for_the_longest_of_everything(void **state)
{
    typedef struct wide {
        int64_t a;
        int64_t b;
        int64_t c;
        int64_t d;
    } wide;
    static const troupe_field fields[] = {
        TROUPE_FIELD(wide, a, 65535), TROUPE_FIELD(wide, b, 65534), TROUPE_FIELD(wide, c, 65533),
        TROUPE_FIELD(wide, d, 65532)};
    static const troupe_type type = {
        .name = "test.wide", .size = sizeof(wide), .fields = fields, .field_count = 4};
    const wide value = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    uint8_t bytes[64];

    (void)state;
    assert_int_equal(tr_value_encode(&type, &value, bytes, sizeof(bytes)), 1 + 4 * (3 + 9));
    assert_in_range(tr_value_encoded_size_max(&type, &value), 1 + 4 * (3 + 9), 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_is_what_points_to_nothing),
        cmocka_unit_test(size_is_the_struct_and_all_below_it_aligned),
        cmocka_unit_test(copy_points_into_its_own_block),
        cmocka_unit_test(copy_takes_a_pointer_that_is_null_as_empty),
        cmocka_unit_test(copy_of_no_content_is_still_a_block),
        cmocka_unit_test(copy_refuses_what_is_missing),
        cmocka_unit_test(copy_into_a_block_of_another_size_is_a_bug_of_the_caller),
        cmocka_unit_test(own_keeps_its_strings_when_the_original_changes),
        cmocka_unit_test(check_finds_what_the_other_side_would_refuse),
        cmocka_unit_test(encoding_leaves_out_what_is_zero),
        cmocka_unit_test(encoding_of_integers_is_the_shortest),
        cmocka_unit_test(encoding_has_every_kind),
        cmocka_unit_test(headers_are_the_shortest),
        cmocka_unit_test(size_at_most_has_room_for_the_longest_of_everything),
    };

    return cmocka_run_group_tests_name("type/value", tests, NULL, NULL);
}
