/* What is tested: the MessagePack of described types, against the msgpack-c library, which shares
 * no code with ours: it reads what we write and we read what it writes. Random descriptions and
 * values come from one seed, which is printed; `prop_type_msgpack SEED` runs it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <msgpack.h>

#include "support/random_value.h"
#include "type/value.h"

enum { ROUNDS = 1500 };

static uint64_t seed;

static void assert_struct_unpacked(const troupe_type *type, const uint8_t *value,
                                   const msgpack_object *object);

static void assert_integer_unpacked(const troupe_field *field, const uint8_t *at,
                                    const msgpack_object *object)
{
    int64_t wide = 0;
    int32_t narrow = 0;

    if (field->kind == TROUPE_KIND_UINT32 || field->kind == TROUPE_KIND_UINT64) {
        uint64_t unsigned_value = 0;

        memcpy(&unsigned_value, at,
               field->size); /* little-endian or the test would fail on 32 bits */
        assert_int_equal(object->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        assert_true(object->via.u64 == unsigned_value);
        return;
    }
    if (field->kind == TROUPE_KIND_INT32) {
        memcpy(&narrow, at, sizeof(narrow));
        wide = narrow;
    } else {
        memcpy(&wide, at, sizeof(wide));
    }
    if (wide < 0) {
        assert_int_equal(object->type, MSGPACK_OBJECT_NEGATIVE_INTEGER);
        assert_true(object->via.i64 == wide);
    } else {
        assert_int_equal(object->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
        assert_true(object->via.u64 == (uint64_t)wide);
    }
}

static void assert_text_unpacked(const troupe_field *field, const uint8_t *at,
                                 const msgpack_object *object)
{
    const char *string = NULL;
    troupe_bytes bytes;

    if (field->kind == TROUPE_KIND_BYTES) {
        memcpy(&bytes, at, sizeof(bytes));
        assert_int_equal(object->type, MSGPACK_OBJECT_BIN);
        assert_int_equal(object->via.bin.size, bytes.size);
        assert_true(bytes.size == 0 || memcmp(object->via.bin.ptr, bytes.data, bytes.size) == 0);
        return;
    }
    memcpy(&string, at, sizeof(string));
    if (string == NULL) {
        assert_int_equal(object->type, MSGPACK_OBJECT_NIL);
        return;
    }
    assert_int_equal(object->type, MSGPACK_OBJECT_STR);
    assert_int_equal(object->via.str.size, strlen(string));
    assert_memory_equal(object->via.str.ptr, string, strlen(string));
}

static void assert_pid_unpacked(const uint8_t *at, const msgpack_object *object)
{
    troupe_pid pid;

    memcpy(&pid, at, sizeof(pid));
    assert_int_equal(object->type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(object->via.array.size, 2);
    assert_true(object->via.array.ptr[0].via.u64 == pid.node);
    assert_true(object->via.array.ptr[1].via.u64 == pid.id);
}

static void assert_element_unpacked(const troupe_field *field, const uint8_t *at,
                                    const msgpack_object *object)
{
    switch ((troupe_kind)field->kind) {
    case TROUPE_KIND_NONE:
        fail();
        break;
    case TROUPE_KIND_BOOL:
        assert_int_equal(object->type, MSGPACK_OBJECT_BOOLEAN);
        assert_int_equal(object->via.boolean, *at != 0);
        break;
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
        assert_integer_unpacked(field, at, object);
        break;
    case TROUPE_KIND_DOUBLE:
        assert_int_equal(object->type, MSGPACK_OBJECT_FLOAT64);
        assert_memory_equal(&object->via.f64, at, sizeof(double));
        break;
    case TROUPE_KIND_STRING:
    case TROUPE_KIND_BYTES:
        assert_text_unpacked(field, at, object);
        break;
    case TROUPE_KIND_PID:
        assert_pid_unpacked(at, object);
        break;
    case TROUPE_KIND_STRUCT:
        assert_struct_unpacked(field->type, at, object);
        break;
    }
}

static const troupe_field *field_numbered(const troupe_type *type, uint64_t number)
{
    for (size_t index = 0; index < type->field_count; index++) {
        if (type->fields[index].number == number) {
            return &type->fields[index];
        }
    }
    fail_msg("the map has a number that no field has");
    return NULL;
}

static void assert_struct_unpacked(const troupe_type *type, const uint8_t *value,
                                   const msgpack_object *object)
{
    assert_int_equal(object->type, MSGPACK_OBJECT_MAP);
    for (size_t index = 0; index < object->via.map.size; index++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[index];
        const troupe_field *field = field_numbered(type, pair->key.via.u64);
        const uint8_t *elements = NULL;
        size_t count = 0;

        if (!field->array) {
            assert_element_unpacked(field, value + field->offset, &pair->val);
            continue;
        }
        memcpy(&elements, value + field->offset, sizeof(elements));
        memcpy(&count, value + field->count_offset, sizeof(count));
        assert_int_equal(pair->val.type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(pair->val.via.array.size, count);
        for (size_t element = 0; element < count; element++) {
            assert_element_unpacked(field, elements + element * field->size,
                                    &pair->val.via.array.ptr[element]);
        }
    }
}

static void msgpack_c_reads_what_we_encode(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        msgpack_unpacked unpacked;
        size_t size = 0;
        size_t offset = 0;
        uint8_t *bytes = NULL;

        random_pair_init(&pair, seed, round, false);
        bytes = encode_exactly(pair.type, pair.value, &size);
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes, size, &offset),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(offset, size);
        assert_struct_unpacked(pair.type, pair.value, &unpacked.data);
        msgpack_unpacked_destroy(&unpacked);
        free(bytes);
        random_pair_fini(&pair);
    }
}

/* Something of any shape, as a newer version might have it in a field that we do not know. */
static void pack_anything(struct random *random, msgpack_packer *packer, unsigned depth)
{
    const size_t count = random_below(random, 4);

    switch (random_below(random, depth > 0 ? 9 : 6)) {
    case 0:
        (void)msgpack_pack_nil(packer);
        break;
    case 1:
        (void)msgpack_pack_int64(packer, (int64_t)random_next(random));
        break;
    case 2:
        (void)msgpack_pack_float(packer, 1.5f);
        break;
    case 3:
        (void)msgpack_pack_str(packer, 3);
        (void)msgpack_pack_str_body(packer, "abc", 3);
        break;
    case 4:
        (void)msgpack_pack_ext(packer, 5, 1);
        (void)msgpack_pack_ext_body(packer, "12345", 5);
        break;
    case 5:
        (void)msgpack_pack_ext(packer, 16, 2);
        (void)msgpack_pack_ext_body(packer, "1234567812345678", 16);
        break;
    case 6:
        (void)msgpack_pack_array(packer, 2);
        pack_anything(random, packer, depth - 1);
        pack_anything(random, packer, depth - 1);
        break;
    case 7:
        (void)msgpack_pack_map(packer, 1);
        pack_anything(random, packer, depth - 1);
        pack_anything(random, packer, depth - 1);
        break;
    default:
        (void)msgpack_pack_bin(packer, count);
        (void)msgpack_pack_bin_body(packer, "1234", count);
        break;
    }
}

static bool has_number(const troupe_type *type, uint32_t number)
{
    for (size_t index = 0; index < type->field_count; index++) {
        if (type->fields[index].number == number) {
            return true;
        }
    }
    return false;
}

/* Packs the pairs of an encoding again with msgpack-c, backwards, between fields nobody knows. */
static void repack(struct random_pair *pair, const msgpack_object *object, msgpack_sbuffer *buffer)
{
    const uint32_t size = object->via.map.size;
    uint32_t unknown = 1;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    (void)msgpack_pack_map(&packer, 2 * (size_t)size);
    for (uint32_t index = size; index > 0; index--) {
        while (has_number(pair->type, unknown)) {
            unknown += 1;
        }
        (void)msgpack_pack_uint32(&packer, unknown++);
        pack_anything(&pair->random, &packer, 6);
        (void)msgpack_pack_object(&packer, object->via.map.ptr[index - 1].key);
        (void)msgpack_pack_object(&packer, object->via.map.ptr[index - 1].val);
    }
}

static void we_read_what_msgpack_c_encodes_with_unknown_fields_in_any_order(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        msgpack_unpacked unpacked;
        msgpack_sbuffer buffer;
        size_t size = 0;
        size_t offset = 0;
        uint8_t *bytes = NULL;
        void *decoded = NULL;

        random_pair_init(&pair, seed, round, false);
        bytes = encode_exactly(pair.type, pair.value, &size);
        msgpack_unpacked_init(&unpacked);
        msgpack_sbuffer_init(&buffer);
        assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes, size, &offset),
                         MSGPACK_UNPACK_SUCCESS);
        repack(&pair, &unpacked.data, &buffer);
        decoded = decode_exactly(pair.type, (const uint8_t *)buffer.data, buffer.size);
        assert_non_null(decoded);
        assert_true(values_are_equal(pair.type, decoded, pair.value));
        free(decoded);
        msgpack_sbuffer_destroy(&buffer);
        msgpack_unpacked_destroy(&unpacked);
        free(bytes);
        random_pair_fini(&pair);
    }
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(msgpack_c_reads_what_we_encode),
        cmocka_unit_test(we_read_what_msgpack_c_encodes_with_unknown_fields_in_any_order),
    };

    seed = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : (uint64_t)time(NULL);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("type/msgpack", tests, NULL, NULL);
}
