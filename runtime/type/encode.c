#include "type/field.h"
#include "type/limits.h"
#include "type/msgpack.h"
#include "type/value.h"

enum {
    KEY_SIZE_MAX = 3, /* a field number */
    PID_SIZE_MAX = 1 + 2 * TR_MSGPACK_HEADER_SIZE_MAX,
    FIRST_FIELDS = 64
};

static size_t size_max_below(const troupe_type *type, const uint8_t *value);

static size_t element_size_max(const troupe_field *field, const uint8_t *at)
{
    const char *string = NULL;

    switch ((troupe_kind)field->kind) {
    case TROUPE_KIND_STRING:
        string = tr_pointer_get(at);
        return TR_MSGPACK_HEADER_SIZE_MAX + (string == NULL ? 0 : strlen(string));
    case TROUPE_KIND_BYTES:
        return TR_MSGPACK_HEADER_SIZE_MAX + tr_bytes_get(at).size;
    case TROUPE_KIND_STRUCT:
        return size_max_below(field->type, at);
    case TROUPE_KIND_PID:
        return PID_SIZE_MAX;
    case TROUPE_KIND_NONE:
    case TROUPE_KIND_BOOL:
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
    case TROUPE_KIND_DOUBLE:
        break;
    }
    return TR_MSGPACK_HEADER_SIZE_MAX;
}

static size_t array_size_max(const troupe_field *field, const uint8_t *value)
{
    const uint8_t *elements = NULL;
    const size_t count = tr_array_get(field, value, &elements);
    size_t size = TR_MSGPACK_HEADER_SIZE_MAX;

    for (size_t index = 0; index < count; index++) {
        size += element_size_max(field, elements + index * field->size);
    }
    return size;
}

static size_t size_max_below(const troupe_type *type, const uint8_t *value)
{
    size_t size = TR_MSGPACK_HEADER_SIZE_MAX;

    for (size_t index = 0; index < type->field_count; index++) {
        const troupe_field *field = &type->fields[index];

        size += KEY_SIZE_MAX;
        size += field->array ? array_size_max(field, value)
                             : element_size_max(field, value + field->offset);
    }
    return size;
}

size_t tr_value_encoded_size_max(const troupe_type *type, const void *value)
{
    return type->size == 0 ? 1 : size_max_below(type, value);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (bytes[index] != 0) {
            return false;
        }
    }
    return true;
}

static bool struct_is_default(const troupe_type *type, const uint8_t *value);

/* Whether the field is what a decoder assumes when it is missing. A double of -0.0 is not. */
static bool is_default(const troupe_field *field, const uint8_t *value)
{
    const uint8_t *at = value + field->offset;

    if (field->array) {
        return tr_array_get(field, value, &at) == 0;
    }
    if (field->kind == TROUPE_KIND_STRUCT) {
        return struct_is_default(field->type, at);
    }
    if (field->kind == TROUPE_KIND_BYTES) {
        return tr_bytes_get(at).size == 0;
    }
    return is_zero(at, field->size);
}

static bool struct_is_default(const troupe_type *type, const uint8_t *value)
{
    for (size_t index = 0; index < type->field_count; index++) {
        if (!is_default(&type->fields[index], value)) {
            return false;
        }
    }
    return true;
}

static void encode_struct(const troupe_type *type, const uint8_t *value,
                          struct tr_msgpack_writer *writer);

static void encode_pid(const uint8_t *at, struct tr_msgpack_writer *writer)
{
    troupe_pid pid;

    memcpy(&pid, at, sizeof(pid));
    tr_msgpack_put_array(writer, 2);
    tr_msgpack_put_integer(writer, (struct tr_integer){.magnitude = pid.node});
    tr_msgpack_put_integer(writer, (struct tr_integer){.magnitude = pid.id});
}

static void encode_string(const char *string, struct tr_msgpack_writer *writer)
{
    if (string == NULL) {
        tr_msgpack_put_nil(writer);
    } else {
        tr_msgpack_put_string(writer, string, strlen(string));
    }
}

static void encode_element(const troupe_field *field, const uint8_t *at,
                           struct tr_msgpack_writer *writer)
{
    troupe_bytes bytes;
    double real = 0;

    switch ((troupe_kind)field->kind) {
    case TROUPE_KIND_NONE:
        break;
    case TROUPE_KIND_BOOL:
        tr_msgpack_put_bool(writer, *at != 0);
        break;
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
        tr_msgpack_put_integer(writer, tr_integer_get(field->kind, at));
        break;
    case TROUPE_KIND_DOUBLE:
        memcpy(&real, at, sizeof(real));
        tr_msgpack_put_double(writer, real);
        break;
    case TROUPE_KIND_STRING:
        encode_string(tr_pointer_get(at), writer);
        break;
    case TROUPE_KIND_BYTES:
        bytes = tr_bytes_get(at);
        tr_msgpack_put_bytes(writer, bytes.data, bytes.size);
        break;
    case TROUPE_KIND_PID:
        encode_pid(at, writer);
        break;
    case TROUPE_KIND_STRUCT:
        encode_struct(field->type, at, writer);
        break;
    }
}

static void encode_array(const troupe_field *field, const uint8_t *value,
                         struct tr_msgpack_writer *writer)
{
    const uint8_t *elements = NULL;
    const size_t count = tr_array_get(field, value, &elements);

    tr_msgpack_put_array(writer, count);
    for (size_t index = 0; index < count && !writer->full; index++) {
        encode_element(field, elements + index * field->size, writer);
    }
}

static void encode_struct(const troupe_type *type, const uint8_t *value,
                          struct tr_msgpack_writer *writer)
{
    uint64_t first = 0; /* of the first 64 fields, those that are written */
    size_t count = 0;

    for (size_t index = 0; index < type->field_count; index++) {
        const uint64_t written = is_default(&type->fields[index], value) ? 0 : 1;

        first |= index < FIRST_FIELDS ? written << index : 0;
        count += written;
    }
    tr_msgpack_put_map(writer, count);
    for (size_t index = 0; index < type->field_count && count > 0; index++) {
        const troupe_field *field = &type->fields[index];

        if (index < FIRST_FIELDS ? (first >> index & 1) == 0 : is_default(field, value)) {
            continue;
        }
        count -= 1;
        tr_msgpack_put_integer(writer, (struct tr_integer){.magnitude = field->number});
        if (field->array) {
            encode_array(field, value, writer);
        } else {
            encode_element(field, value + field->offset, writer);
        }
    }
}

size_t tr_value_encode_parts(const troupe_type *type, const void *value, uint8_t *bytes,
                             size_t capacity, struct tr_value_parts *parts)
{
    struct tr_msgpack_writer writer = {
        .at = bytes, .end = bytes + capacity, .begin = bytes, .parts = parts};

    if (parts != NULL) {
        parts->count = 0;
    }
    if (type->size == 0) {
        tr_msgpack_put_map(&writer, 0);
    } else {
        encode_struct(type, value, &writer);
    }
    return writer.full ? 0 : (size_t)(writer.at - bytes);
}

size_t tr_value_encode(const troupe_type *type, const void *value, uint8_t *bytes, size_t capacity)
{
    return tr_value_encode_parts(type, value, bytes, capacity, NULL);
}
