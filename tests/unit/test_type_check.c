/* What is tested: troupe_type_check, troupe_type_is and the table of types. Method: descriptions
 * that are wrong in one way each, with the whole text of the error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "type/heap.h"
#include "type/types.h"

typedef struct sample {
    int64_t cents;
    const char *memo;
    const int32_t *rates;
    size_t rates_count;
} sample;

TROUPE_TYPE(sample, "test.sample", TROUPE_FIELD(sample, cents, 1), TROUPE_FIELD(sample, memo, 2),
            TROUPE_FIELD_ARRAY(sample, rates, rates_count, 3));
TROUPE_TYPE_EMPTY(nothing, "test.nothing");

typedef struct outer {
    bool flag;
    int a;
    unsigned b;
    long long c;
    unsigned long long d;
    double e;
    char *f;
    troupe_bytes g;
    troupe_pid h;
    sample inner;
    const sample *list;
    size_t list_count;
    const char *const *names;
    size_t names_count;
} outer;

TROUPE_TYPE(outer, "test.outer", TROUPE_FIELD(outer, flag, 1), TROUPE_FIELD(outer, a, 2),
            TROUPE_FIELD(outer, b, 3), TROUPE_FIELD(outer, c, 4), TROUPE_FIELD(outer, d, 5),
            TROUPE_FIELD(outer, e, 6), TROUPE_FIELD(outer, f, 7), TROUPE_FIELD(outer, g, 8),
            TROUPE_FIELD(outer, h, 9), TROUPE_FIELD_STRUCT(outer, inner, 10, &sample_type),
            TROUPE_FIELD_STRUCT_ARRAY(outer, list, list_count, 11, &sample_type),
            TROUPE_FIELD_ARRAY(outer, names, names_count, 12));

static void assert_refused(const troupe_type *type, const char *reason)
{
    char error[256] = "";

    assert_int_equal(troupe_type_check(type, error, sizeof(error)), TROUPE_E_INVALID);
    assert_string_equal(error, reason);
    assert_int_equal(troupe_type_check(type, NULL, 0), TROUPE_E_INVALID);
}

/* sample_type with its fields to change. */
struct changed {
    troupe_field fields[3];
    troupe_type type;
};

static troupe_field *change(struct changed *changed, size_t index)
{
    memcpy(changed->fields, sample_fields, sizeof(changed->fields));
    changed->type = sample_type;
    changed->type.fields = changed->fields;
    return &changed->fields[index];
}

static void macros_describe_every_kind(void **state)
{
    static const int32_t kinds[] = {TROUPE_KIND_BOOL,   TROUPE_KIND_INT32,  TROUPE_KIND_UINT32,
                                    TROUPE_KIND_INT64,  TROUPE_KIND_UINT64, TROUPE_KIND_DOUBLE,
                                    TROUPE_KIND_STRING, TROUPE_KIND_BYTES,  TROUPE_KIND_PID,
                                    TROUPE_KIND_STRUCT, TROUPE_KIND_STRUCT, TROUPE_KIND_STRING};

    (void)state;
    assert_int_equal(troupe_type_check(&sample_type, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_type_check(&nothing_type, NULL, 0), TROUPE_OK);
    assert_int_equal(troupe_type_check(&outer_type, NULL, 0), TROUPE_OK);
    for (size_t index = 0; index < outer_type.field_count; index++) {
        assert_int_equal(outer_type.fields[index].kind, kinds[index]);
        assert_int_equal(outer_type.fields[index].number, index + 1);
    }
}

static void types_are_the_same_by_name(void **state)
{
    static const char name[] = "test.sample";
    const troupe_type copy = {.name = name};

    (void)state;
    assert_true(troupe_type_is(&sample_type, &sample_type));
    assert_true(troupe_type_is(&sample_type, &copy));
    assert_false(troupe_type_is(&sample_type, &outer_type));
    assert_false(troupe_type_is(&sample_type, NULL));
    assert_true(troupe_type_is(NULL, NULL));
}

static void name_of_a_type_has_1_to_127_plain_bytes(void **state)
{
    static const char reason[] =
        "the name of a type is 1 to 127 bytes of UTF-8 without spaces and quotes";
    static const char *const bad[] = {NULL,          "",    "two words", "tab\t", "quote\"",
                                      "back\\slash", "\xff"};
    char name[129];
    troupe_type type = {.name = name};

    (void)state;
    for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
        assert_refused(&(troupe_type){.name = bad[index]}, reason);
    }
    memset(name, 'x', sizeof(name));
    name[127] = '\0';
    assert_int_equal(troupe_type_check(&type, NULL, 0), TROUPE_OK);
    name[127] = 'x';
    name[128] = '\0';
    assert_refused(&type, reason);
    assert_refused(NULL, "there is no type");
}

static void field_needs_a_name_a_number_and_a_kind(void **state)
{
    static const char *const bad[] = {NULL, "", "1st", "a-b", "a.b", "a b"};
    struct changed changed;

    (void)state;
    for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
        change(&changed, 1)->name = bad[index];
        assert_refused(&changed.type, "type \"test.sample\": the name of field number 2 is not 1 "
                                      "to 127 letters, digits and _");
    }
    change(&changed, 1)->number = 0;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"memo\" (0): a number is 1 to 65535");
    change(&changed, 1)->number = 65536;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"memo\" (65536): a number is 1 to 65535");
    change(&changed, 0)->kind = 11;
    assert_refused(&changed.type, "type \"test.sample\" field \"cents\" (1): 11 is not a kind");
    change(&changed, 0)->kind = TROUPE_KIND_NONE;
    assert_refused(&changed.type, "type \"test.sample\" field \"cents\" (1): 0 is not a kind");
    change(&changed, 0)->type = &outer_type;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): only a struct has a type");
    change(&changed, 0)->kind = TROUPE_KIND_STRUCT;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): a struct needs a type with content");
    change(&changed, 0)->kind = TROUPE_KIND_STRUCT;
    changed.fields[0].type = &nothing_type;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): a struct needs a type with content");
}

static void field_lies_inside_the_struct_aligned_and_alone(void **state)
{
    struct changed changed;

    (void)state;
    change(&changed, 0)->size = 4;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): int64 has 8 bytes, not 4");
    change(&changed, 0)->offset = 4;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): the offset 4 is not aligned");
    change(&changed, 0)->offset = 32;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): it lies outside the 32 bytes");
    change(&changed, 0)->offset = SIZE_MAX - 7;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (1): it lies outside the 32 bytes");
    change(&changed, 2)->count_offset = 32;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"rates\" (3): it lies outside the 32 bytes");
    change(&changed, 2)->count_offset = 20;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"rates\" (3): the offset 20 is not aligned");
    change(&changed, 1)->offset = 0;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"memo\" (2): it overlaps field \"cents\"");
    change(&changed, 2)->count_offset = 0;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"rates\" (3): it overlaps field \"cents\"");
    change(&changed, 2)->count_offset = changed.fields[2].offset;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"rates\" (3): its count overlaps its pointer");
}

static void fields_differ_in_name_and_number(void **state)
{
    struct changed changed;

    (void)state;
    change(&changed, 1)->number = 1;
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"memo\" (1): field \"cents\" has this number, too");
    change(&changed, 2)->name = "cents";
    assert_refused(&changed.type,
                   "type \"test.sample\" field \"cents\" (3): the name is there twice");
}

static void fields_are_there_and_not_too_many(void **state)
{
    static troupe_field fields[257];
    troupe_type type = {.name = "test.wide", .size = 257, .fields = fields, .field_count = 257};
    char names[257][8];

    (void)state;
    for (size_t index = 0; index < 257; index++) {
        (void)snprintf(names[index], sizeof(names[index]), "f%zu", index);
        fields[index] = (troupe_field){.name = names[index],
                                       .number = (uint32_t)index + 1,
                                       .kind = TROUPE_KIND_BOOL,
                                       .offset = index,
                                       .size = sizeof(bool)};
    }
    assert_refused(&type, "type \"test.wide\": 257 fields are more than 256");
    type.field_count = 256;
    assert_int_equal(troupe_type_check(&type, NULL, 0), TROUPE_OK);
    type.fields = NULL;
    assert_refused(&type, "type \"test.wide\": the fields are missing");
}

/* Makes types[0] of `levels` structs inside one another; the innermost holds an int64, or an array
 * of it. */
static void nest(troupe_type *types, troupe_field *fields, size_t levels, bool array)
{
    for (size_t level = 0; level < levels; level++) {
        const bool last = level + 1 == levels;

        fields[level] = (troupe_field){.name = "in",
                                       .number = 1,
                                       .kind = last ? TROUPE_KIND_INT64 : TROUPE_KIND_STRUCT,
                                       .size = last ? 8 : 16,
                                       .array = last && array,
                                       .count_offset = 8,
                                       .type = last ? NULL : &types[level + 1]};
        types[level] = (troupe_type){
            .name = "test.nest", .size = 16, .fields = &fields[level], .field_count = 1};
    }
}

static void structs_nest_32_deep_and_arrays_count(void **state)
{
    static const char reason[] = "type \"test.nest\": structs and arrays nest deeper than 32";
    troupe_type types[40];
    troupe_field fields[40];

    (void)state;
    nest(types, fields, 32, false);
    assert_int_equal(troupe_type_check(&types[0], NULL, 0), TROUPE_OK);
    nest(types, fields, 33, false);
    assert_refused(&types[0], reason);
    nest(types, fields, 31, true);
    assert_int_equal(troupe_type_check(&types[0], NULL, 0), TROUPE_OK);
    nest(types, fields, 32, true);
    assert_refused(&types[0], reason);
}

static void type_that_holds_itself_is_refused(void **state)
{
    static troupe_type tree;
    static const troupe_field fields[] = {{.name = "children",
                                           .number = 1,
                                           .kind = TROUPE_KIND_STRUCT,
                                           .size = 16,
                                           .array = true,
                                           .count_offset = 8,
                                           .type = &tree}};

    (void)state;
    tree = (troupe_type){.name = "test.tree", .size = 16, .fields = fields, .field_count = 1};
    assert_refused(&tree, "type \"test.tree\": structs and arrays nest deeper than 32");
}

static void error_is_cut_to_its_room(void **state)
{
    char error[9];

    (void)state;
    assert_int_equal(troupe_type_check(NULL, error, sizeof(error)), TROUPE_E_INVALID);
    assert_string_equal(error, "there is");
}

/* ---- the table ---- */

static int setup(void **state)
{
    struct tr_types *types = NULL;

    assert_int_equal(tr_types_create(&tr_heap, &types), TROUPE_OK);
    *state = types;
    return 0;
}

static int teardown(void **state)
{
    tr_types_destroy(*state);
    return 0;
}

static void table_finds_what_was_added_by_its_name_alone(void **state)
{
    assert_null(tr_types_find(*state, "test.sample", 11)); /* in an empty one, too */
    assert_int_equal(tr_types_add(*state, &sample_type, NULL, 0), TROUPE_OK);
    assert_int_equal(tr_types_add(*state, &outer_type, NULL, 0), TROUPE_OK);
    assert_ptr_equal(tr_types_find(*state, "test.sample and more", 11), &sample_type);
    assert_ptr_equal(tr_types_find(*state, "test.outer", 10), &outer_type);
    assert_null(tr_types_find(*state, "test.sampl", 10));
    assert_null(tr_types_find(*state, "test.sample", 12)); /* the NUL is no part of the name */
    assert_null(tr_types_find(*state, "", 0));
    assert_int_equal(tr_types_count(*state), 2);
    assert_ptr_equal(tr_types_at(*state, 0), &sample_type);
    assert_ptr_equal(tr_types_at(*state, 1), &outer_type);
    expect_assert_failure(tr_types_at(*state, 2));
}

static void table_is_not_misled_by_a_nul_inside_a_name(void **state)
{
    char name[] = "test.sample\0?";

    assert_int_equal(tr_types_add(*state, &sample_type, NULL, 0), TROUPE_OK);
    for (int last = 0; last < 256; last++) { /* some of them fall on the slot of the type */
        name[12] = (char)last;
        assert_null(tr_types_find(*state, name, 13));
    }
}

static void table_takes_the_same_description_twice(void **state)
{
    struct changed again;
    troupe_field field;

    (void)change(&again, 0);
    field = again.fields[0]; /* the order of fields means nothing */
    again.fields[0] = again.fields[1];
    again.fields[1] = field;
    assert_int_equal(tr_types_add(*state, &sample_type, NULL, 0), TROUPE_OK);
    assert_int_equal(tr_types_add(*state, &again.type, NULL, 0), TROUPE_OK);
    assert_int_equal(tr_types_count(*state), 1);
    assert_ptr_equal(tr_types_find(*state, "test.sample", 11), &sample_type);
}

static void assert_other(struct tr_types *types, const troupe_type *type, const char *reason)
{
    char error[256] = "";

    assert_int_equal(tr_types_add(types, type, error, sizeof(error)), TROUPE_E_EXISTS);
    assert_string_equal(error, reason);
}

static void table_refuses_another_description_under_the_same_name(void **state)
{
    struct changed other;

    assert_int_equal(tr_types_add(*state, &sample_type, NULL, 0), TROUPE_OK);
    change(&other, 0)->kind = TROUPE_KIND_UINT64;
    assert_other(*state, &other.type,
                 "type \"test.sample\" field \"cents\" (1): the type is there already, and this "
                 "field has another kind");
    change(&other, 0)->name = "euros";
    assert_other(*state, &other.type,
                 "type \"test.sample\" field \"euros\" (1): the type is there already, and this "
                 "field has another name");
    change(&other, 0)->number = 7;
    assert_other(*state, &other.type,
                 "type \"test.sample\" field \"cents\" (7): the type is there already, and this "
                 "field has a number that is new");
    change(&other, 0)->offset = 8;
    other.fields[1].offset = 0;
    assert_other(*state, &other.type,
                 "type \"test.sample\" field \"cents\" (1): the type is there already, and this "
                 "field has another place in the struct");
    (void)change(&other, 0);
    other.type.field_count = 2;
    assert_other(*state, &other.type,
                 "type \"test.sample\": the name is there with 3 fields in 32 "
                 "bytes, not 2 in 32");
}

static void table_compares_the_structs_inside(void **state)
{
    troupe_field fields[12];
    troupe_type other = outer_type;
    struct changed inner;

    change(&inner, 0)->kind = TROUPE_KIND_UINT64;
    memcpy(fields, outer_fields, sizeof(fields));
    fields[9].type = &inner.type;
    other.fields = fields;
    assert_int_equal(tr_types_add(*state, &outer_type, NULL, 0), TROUPE_OK);
    assert_other(*state, &other,
                 "type \"test.outer\" field \"inner\" (10): the type is there already, and this "
                 "field has another struct");
}

static void table_checks_what_it_takes(void **state)
{
    char error[128] = "";

    assert_int_equal(tr_types_add(*state, &(troupe_type){.name = ""}, error, sizeof(error)),
                     TROUPE_E_INVALID);
    assert_int_not_equal(error[0], '\0');
    assert_int_equal(tr_types_count(*state), 0);
}

static void table_grows(void **state)
{
    enum { COUNT = 1000 };
    static troupe_type types[COUNT];
    static char names[COUNT][16];

    for (size_t index = 0; index < COUNT; index++) {
        (void)snprintf(names[index], sizeof(names[index]), "type.%zu", index);
        types[index].name = names[index];
        assert_int_equal(tr_types_add(*state, &types[index], NULL, 0), TROUPE_OK);
    }
    for (size_t index = 0; index < COUNT; index++) {
        assert_ptr_equal(tr_types_find(*state, names[index], strlen(names[index])), &types[index]);
    }
    assert_null(tr_types_find(*state, "type.1000", 9));
}

static size_t allocations_left;

static void *scarce_allocate(void *context, size_t size)
{
    (void)context;
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left -= 1;
    return malloc(size);
}

static void scarce_release(void *context, void *block)
{
    (void)context;
    free(block);
}

static void table_without_memory_says_so_and_stays_as_it_was(void **state)
{
    static const struct tr_allocator scarce = {.allocate = scarce_allocate,
                                               .release = scarce_release};
    struct tr_types *types = NULL;
    char error[128] = "";

    (void)state;
    allocations_left = 0;
    assert_int_equal(tr_types_create(&scarce, &types), TROUPE_E_NO_MEMORY);
    assert_null(types);
    allocations_left = 1;
    assert_int_equal(tr_types_create(&scarce, &types), TROUPE_OK);
    for (size_t left = 0; left < 2; left++) {
        allocations_left = left;
        assert_int_equal(tr_types_add(types, &sample_type, error, sizeof(error)),
                         TROUPE_E_NO_MEMORY);
        assert_string_equal(error, "type \"test.sample\": no memory to know the type");
        assert_int_equal(tr_types_count(types), 0);
        assert_null(tr_types_find(types, "test.sample", 11));
    }
    allocations_left = 2;
    assert_int_equal(tr_types_add(types, &sample_type, NULL, 0), TROUPE_OK);
    tr_types_destroy(types);
    tr_types_destroy(NULL);
}

static void names_of_the_library_are_told_apart(void **state)
{
    (void)state;
    assert_true(tr_type_is_reserved(&(troupe_type){.name = "troupe.down"}));
    assert_false(tr_type_is_reserved(&(troupe_type){.name = "troupe"}));
    assert_false(tr_type_is_reserved(&sample_type));
}

#define TABLE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(macros_describe_every_kind),
        cmocka_unit_test(types_are_the_same_by_name),
        cmocka_unit_test(name_of_a_type_has_1_to_127_plain_bytes),
        cmocka_unit_test(field_needs_a_name_a_number_and_a_kind),
        cmocka_unit_test(field_lies_inside_the_struct_aligned_and_alone),
        cmocka_unit_test(fields_differ_in_name_and_number),
        cmocka_unit_test(fields_are_there_and_not_too_many),
        cmocka_unit_test(structs_nest_32_deep_and_arrays_count),
        cmocka_unit_test(type_that_holds_itself_is_refused),
        cmocka_unit_test(error_is_cut_to_its_room),
        TABLE_TEST(table_finds_what_was_added_by_its_name_alone),
        TABLE_TEST(table_is_not_misled_by_a_nul_inside_a_name),
        TABLE_TEST(table_takes_the_same_description_twice),
        TABLE_TEST(table_refuses_another_description_under_the_same_name),
        TABLE_TEST(table_compares_the_structs_inside),
        TABLE_TEST(table_checks_what_it_takes),
        TABLE_TEST(table_grows),
        cmocka_unit_test(table_without_memory_says_so_and_stays_as_it_was),
        cmocka_unit_test(names_of_the_library_are_told_apart),
    };

    return cmocka_run_group_tests_name("type/check", tests, NULL, NULL);
}
