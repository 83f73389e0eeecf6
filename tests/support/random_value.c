#include "support/random_value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "type/value.h"

struct random_block {
    struct random_block *next;
    max_align_t data[];
};

enum { FIELD_COUNT_MAX = 12, ARRAY_COUNT_MAX = 6, ALIGN = 8, DEPTH = 4 };

void random_init(struct random *random, uint64_t seed)
{
    *random = (struct random){.state = seed * 2 + 1};
}

void random_fini(struct random *random)
{
    while (random->blocks != NULL) {
        struct random_block *next = random->blocks->next;

        free(random->blocks);
        random->blocks = next;
    }
}

uint64_t random_next(struct random *random)
{
    uint64_t word = 0;

    random->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    word = random->state;
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

size_t random_below(struct random *random, size_t bound)
{
    return (size_t)(random_next(random) % bound);
}

void *random_memory(struct random *random, size_t size)
{
    struct random_block *block = calloc(1, sizeof(*block) + size + 1);

    if (block == NULL) {
        (void)fprintf(stderr, "no memory for the test\n");
        abort();
    }
    block->next = random->blocks;
    random->blocks = block;
    return block->data;
}

static size_t kind_size(const troupe_field *field)
{
    switch ((troupe_kind)field->kind) {
    case TROUPE_KIND_BOOL:
        return sizeof(bool);
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_UINT32:
        return sizeof(int32_t);
    case TROUPE_KIND_BYTES:
        return sizeof(troupe_bytes);
    case TROUPE_KIND_PID:
        return sizeof(troupe_pid);
    case TROUPE_KIND_STRUCT:
        return field->type->size;
    case TROUPE_KIND_NONE:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT64:
    case TROUPE_KIND_DOUBLE:
    case TROUPE_KIND_STRING:
        break;
    }
    return 8;
}

static size_t place(size_t *size, size_t member, size_t alignment)
{
    const size_t offset = (*size + alignment - 1) / alignment * alignment;

    *size = offset + member;
    return offset;
}

/* Lays the fields out one after the other, as a compiler does. */
static void lay_out(troupe_type *type, troupe_field *fields)
{
    size_t size = 0;

    for (size_t index = 0; index < type->field_count; index++) {
        troupe_field *field = &fields[index];

        field->size = kind_size(field);
        if (field->array) {
            field->offset = place(&size, sizeof(void *), ALIGN);
            field->count_offset = place(&size, sizeof(size_t), ALIGN);
        } else {
            field->offset = place(&size, field->size, field->size < ALIGN ? field->size : ALIGN);
        }
    }
    type->size = (size + ALIGN - 1) / ALIGN * ALIGN;
    type->fields = fields;
}

static char *random_name(struct random *random, const char *prefix)
{
    char *name = random_memory(random, 32);

    (void)snprintf(name, 32, "%s%llx", prefix, (unsigned long long)random_next(random));
    return name;
}

static bool number_is_taken(const troupe_field *fields, size_t count, uint32_t number)
{
    for (size_t index = 0; index < count; index++) {
        if (fields[index].number == number) {
            return true;
        }
    }
    return false;
}

const troupe_type *random_type(struct random *random, unsigned depth)
{
    troupe_type *type = random_memory(random, sizeof(*type));
    /* At least one field, and now and then so many that a map needs its longer header. */
    const size_t count =
        random_below(random, 20) == 0 ? 17 : 1 + random_below(random, FIELD_COUNT_MAX);
    troupe_field *fields = random_memory(random, count * sizeof(*fields));

    type->name = random_name(random, "type.");
    type->field_count = count;
    for (size_t index = 0; index < count; index++) {
        const size_t kinds = depth > 1 ? TROUPE_KIND_STRUCT : TROUPE_KIND_PID;
        const size_t top = random_below(random, 4) == 0 ? 65535 : 40;
        uint32_t number = 0;

        do {
            number = 1 + (uint32_t)random_below(random, top);
        } while (number_is_taken(fields, index, number));
        fields[index].name = random_name(random, "f");
        fields[index].number = number;
        fields[index].kind = (int32_t)(1 + random_below(random, kinds));
        fields[index].array = random_below(random, 4) == 0;
        if (fields[index].kind == TROUPE_KIND_STRUCT) {
            fields[index].type = random_type(random, depth - 1);
        }
    }
    lay_out(type, fields);
    return type;
}

const troupe_type *random_version(struct random *random, const troupe_type *type)
{
    troupe_type *version = random_memory(random, sizeof(*version));
    troupe_field *fields = random_memory(random, type->field_count * sizeof(*fields));
    size_t count = 0;

    for (size_t index = 0; index < type->field_count; index++) {
        if (random_below(random, 3) > 0) {
            const size_t at = random_below(random, count + 1);

            fields[count] = fields[at];
            fields[at] = type->fields[index];
            if (fields[at].kind == TROUPE_KIND_STRUCT) {
                fields[at].type = random_version(random, fields[at].type);
            }
            count += 1;
        }
    }
    if (count == 0) { /* a struct inside another one has to have content */
        fields[0] = type->fields[0];
        count = 1;
    }
    version->name = type->name;
    version->field_count = count;
    lay_out(version, fields);
    return version;
}

static uint64_t random_integer(struct random *random)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     31,
                                     32,
                                     33,
                                     127,
                                     128,
                                     255,
                                     256,
                                     32767,
                                     32768,
                                     65535,
                                     65536,
                                     INT32_MAX,
                                     (uint64_t)INT32_MAX + 1,
                                     UINT32_MAX,
                                     (uint64_t)UINT32_MAX + 1,
                                     UINT64_C(9007199254740990),
                                     UINT64_C(9007199254740991),
                                     UINT64_C(9007199254740992),
                                     UINT64_C(9007199254740993),
                                     INT64_MAX,
                                     (uint64_t)INT64_MAX + 1,
                                     UINT64_MAX};
    const uint64_t edge = edges[random_below(random, sizeof(edges) / sizeof(edges[0]))];

    switch (random_below(random, 4)) {
    case 0:
        return edge;
    case 1:
        return UINT64_C(0) - edge;
    case 2:
        return random_next(random) >> random_below(random, 64);
    default:
        return 0;
    }
}

static double random_double(struct random *random)
{
    double real = 0;
    uint64_t bits = 0;

    switch (random_below(random, 5)) {
    case 0:
        return 0;
    case 1:
        return -0.0;
    case 2:
        return (double)(int64_t)random_integer(random);
    case 3:
        return (double)(int64_t)random_next(random) / 100.0;
    default:
        break;
    }
    do {
        bits = random_next(random);
        memcpy(&real, &bits, sizeof(real));
    } while (random->finite && !isfinite(real));
    return real;
}

static const char *random_string(struct random *random)
{
    static const char *const pieces[] = {
        "a",    "b",    " ", "\"",       "\\",           "\n",
        "\x01", "\x7f", "/", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xad",
        "0",    "{"};
    /* Mostly short; now and then across the edges of the headers of MessagePack. */
    const size_t count =
        random_below(random, 30) == 0 ? 200 + random_below(random, 200) : random_below(random, 36);
    char *string = random_memory(random, count * 4 + 1);
    size_t size = 0;

    if (random_below(random, 5) == 0) {
        return NULL;
    }
    for (size_t index = 0; index < count; index++) {
        const char *piece = pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))];

        memcpy(string + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return string;
}

static troupe_bytes random_bytes(struct random *random)
{
    const size_t size =
        random_below(random, 30) == 0 ? 250 + random_below(random, 20) : random_below(random, 9);
    uint8_t *data = random_memory(random, size);

    for (size_t index = 0; index < size; index++) {
        data[index] = (uint8_t)random_next(random);
    }
    return (troupe_bytes){.data = size == 0 && random_below(random, 2) == 0 ? NULL : data,
                          .size = size};
}

static void fill_struct(struct random *random, const troupe_type *type, uint8_t *value);

static void fill_element(struct random *random, const troupe_field *field, uint8_t *at)
{
    const bool truth = random_below(random, 2) == 0;
    const uint64_t integer = random_integer(random);
    const uint32_t low = (uint32_t)integer;
    const double real = random_double(random);
    const troupe_pid pid = {.node = integer, .id = random_integer(random)};
    const char *string = NULL;
    troupe_bytes bytes;

    switch ((troupe_kind)field->kind) {
    case TROUPE_KIND_NONE:
        break;
    case TROUPE_KIND_BOOL:
        memcpy(at, &truth, sizeof(truth));
        break;
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_UINT32:
        memcpy(at, &low, sizeof(low));
        break;
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT64:
        memcpy(at, &integer, sizeof(integer));
        break;
    case TROUPE_KIND_DOUBLE:
        memcpy(at, &real, sizeof(real));
        break;
    case TROUPE_KIND_STRING:
        string = random_string(random);
        memcpy(at, &string, sizeof(string));
        break;
    case TROUPE_KIND_BYTES:
        bytes = random_bytes(random);
        memcpy(at, &bytes, sizeof(bytes));
        break;
    case TROUPE_KIND_PID:
        memcpy(at, &pid, sizeof(pid));
        break;
    case TROUPE_KIND_STRUCT:
        fill_struct(random, field->type, at);
        break;
    }
}

static void fill_array(struct random *random, const troupe_field *field, uint8_t *value)
{
    /* Now and then more than the short header of an array can count. */
    const size_t count = random_below(random, 12) == 0 && field->kind != TROUPE_KIND_STRUCT
                             ? 14 + random_below(random, 5)
                             : random_below(random, ARRAY_COUNT_MAX);
    uint8_t *elements = random_memory(random, count * field->size);

    for (size_t index = 0; index < count; index++) {
        fill_element(random, field, elements + index * field->size);
    }
    memcpy(value + field->offset, &elements, sizeof(elements));
    memcpy(value + field->count_offset, &count, sizeof(count));
}

static void fill_struct(struct random *random, const troupe_type *type, uint8_t *value)
{
    for (size_t index = 0; index < type->field_count; index++) {
        const troupe_field *field = &type->fields[index];

        if (random_below(random, 4) == 0) {
            continue; /* left at its default */
        }
        if (field->array) {
            fill_array(random, field, value);
        } else {
            fill_element(random, field, value + field->offset);
        }
    }
}

void *random_value(struct random *random, const troupe_type *type)
{
    void *value = random_memory(random, type->size);

    fill_struct(random, type, value);
    return value;
}

static bool strings_are_equal(const uint8_t *at, const uint8_t *other)
{
    const char *string = NULL;
    const char *other_string = NULL;

    memcpy(&string, at, sizeof(string));
    memcpy(&other_string, other, sizeof(other_string));
    if (string == NULL || other_string == NULL) {
        return string == other_string;
    }
    return strcmp(string, other_string) == 0;
}

static bool bytes_are_equal(const uint8_t *at, const uint8_t *other)
{
    troupe_bytes bytes;
    troupe_bytes other_bytes;

    memcpy(&bytes, at, sizeof(bytes));
    memcpy(&other_bytes, other, sizeof(other_bytes));
    return bytes.size == other_bytes.size &&
           (bytes.size == 0 || memcmp(bytes.data, other_bytes.data, bytes.size) == 0);
}

static bool elements_are_equal(const troupe_field *field, const uint8_t *at,
                               const troupe_field *other_field, const uint8_t *other)
{
    if (field->kind == TROUPE_KIND_STRING) {
        return strings_are_equal(at, other);
    }
    if (field->kind == TROUPE_KIND_BYTES) {
        return bytes_are_equal(at, other);
    }
    if (field->kind == TROUPE_KIND_STRUCT) {
        return versions_agree(field->type, at, other_field->type, other);
    }
    return memcmp(at, other, field->size) == 0;
}

static size_t array_of(const troupe_field *field, const uint8_t *value, const uint8_t **elements)
{
    size_t count = 0;

    memcpy(elements, value + field->offset, sizeof(*elements));
    memcpy(&count, value + field->count_offset, sizeof(count));
    return count;
}

static bool fields_are_equal(const troupe_field *field, const uint8_t *value,
                             const troupe_field *other_field, const uint8_t *other)
{
    const uint8_t *elements = NULL;
    const uint8_t *other_elements = NULL;
    size_t count = 0;

    if (!field->array) {
        return elements_are_equal(field, value + field->offset, other_field,
                                  other + other_field->offset);
    }
    count = array_of(field, value, &elements);
    if (count != array_of(other_field, other, &other_elements)) {
        return false;
    }
    for (size_t index = 0; index < count; index++) {
        if (!elements_are_equal(field, elements + index * field->size, other_field,
                                other_elements + index * other_field->size)) {
            return false;
        }
    }
    return true;
}

static const troupe_field *field_numbered(const troupe_type *type, uint32_t number)
{
    for (size_t index = 0; index < type->field_count; index++) {
        if (type->fields[index].number == number) {
            return &type->fields[index];
        }
    }
    return NULL;
}

static bool field_is_zero(const troupe_field *field, const uint8_t *value)
{
    const size_t size = field->array ? sizeof(void *) : field->size;

    for (size_t at = 0; at < size; at++) {
        if (value[field->offset + at] != 0) {
            return false;
        }
    }
    return true;
}

bool versions_agree(const troupe_type *type, const void *value, const troupe_type *other_type,
                    const void *other)
{
    for (size_t index = 0; index < type->field_count; index++) {
        const troupe_field *field = &type->fields[index];
        const troupe_field *other_field = field_numbered(other_type, field->number);
        const bool agree = other_field == NULL ? field_is_zero(field, value)
                                               : fields_are_equal(field, value, other_field, other);

        if (!agree) {
            return false;
        }
    }
    return true;
}

bool values_are_equal(const troupe_type *type, const void *value, const void *other)
{
    return versions_agree(type, value, type, other);
}

void random_pair_init(struct random_pair *pair, uint64_t seed, uint64_t round, bool finite)
{
    char error[200] = "";

    random_init(&pair->random, seed + round * 1000003);
    pair->random.finite = finite;
    pair->type = random_type(&pair->random, 1 + (unsigned)(round % DEPTH));
    pair->value = random_value(&pair->random, pair->type);
    if (troupe_type_check(pair->type, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("the random type is not valid: %s", error);
    }
}

void random_pair_fini(struct random_pair *pair)
{
    random_fini(&pair->random);
}

/* With large bytes left where they are the encoding is the same once they are put in. */
static void assert_parts(const troupe_type *type, const void *value, const uint8_t *expected,
                         size_t expected_size)
{
    struct tr_value_parts parts;
    uint8_t *bytes = malloc(tr_value_encoded_size_max(type, value));
    size_t from = 0;
    size_t to = 0;

    assert_non_null(bytes);
    const size_t size =
        tr_value_encode_parts(type, value, bytes, tr_value_encoded_size_max(type, value), &parts);

    for (size_t index = 0; index < parts.count; index++) {
        const struct tr_value_part *part = &parts.part[index];

        assert_true(part->size >= TR_VALUE_PART_MIN && to + part->at - from <= expected_size);
        assert_memory_equal(expected + to, bytes + from, part->at - from);
        to += part->at - from;
        assert_true(part->size <= expected_size - to);
        assert_memory_equal(expected + to, part->bytes, part->size);
        to += part->size;
        from = part->at;
    }
    assert_int_equal(to + size - from, expected_size);
    assert_memory_equal(expected + to, bytes + from, size - from);
    free(bytes);
}

uint8_t *encode_exactly(const troupe_type *type, const void *value, size_t *size)
{
    const size_t size_max = tr_value_encoded_size_max(type, value);
    uint8_t *bytes = malloc(size_max);
    uint8_t *exact = NULL;

    assert_non_null(bytes);
    *size = tr_value_encode(type, value, bytes, size_max);
    assert_in_range(*size, 1, size_max);
    assert_parts(type, value, bytes, *size);
    exact = malloc(*size);
    assert_non_null(exact);
    memcpy(exact, bytes, *size);
    free(bytes);
    return exact;
}

/* Checking and decoding in one walk, where there is such, says and gives what two walks do. */
static void assert_one_walk(const troupe_type *type, const uint8_t *bytes, size_t size,
                            troupe_status expected, const char *expected_error, const void *value)
{
    const size_t capacity = tr_value_decoded_size_max(type, size);
    char error[200] = "";

    if (capacity == 0) {
        return;
    }
    void *block = malloc(capacity);

    assert_non_null(block);
    memset(block, 0x55, capacity);
    assert_int_equal(tr_value_decode(type, bytes, size, block, capacity, error, sizeof(error)),
                     expected);
    assert_string_equal(error, expected_error);
    assert_true(expected != TROUPE_OK || values_are_equal(type, value, block));
    free(block);
}

void *decode_exactly(const troupe_type *type, const uint8_t *bytes, size_t size)
{
    char error[200] = "";
    size_t block_size = 0;
    void *block = NULL;
    const troupe_status status =
        tr_value_decoded_size(type, bytes, size, &block_size, error, sizeof(error));

    if (status != TROUPE_OK) {
        assert_true(status == TROUPE_E_TYPE || status == TROUPE_E_LIMIT);
        assert_int_not_equal(error[0], '\0');
        assert_one_walk(type, bytes, size, status, error, NULL);
        return NULL;
    }
    assert_int_equal(block_size % TR_VALUE_ALIGN, 0);
    block = malloc(block_size);
    assert_non_null(block);
    memset(block, 0xaa, block_size); /* decoding may not trust what was there */
    tr_value_decode_into(type, bytes, size, block, block_size);
    assert_one_walk(type, bytes, size, TROUPE_OK, "", block);
    return block;
}
