#include <stdint.h>

#include "base/check.h"
#include "base/utf8.h"
#include "type/block.h"
#include "type/fault.h"
#include "type/field.h"
#include "type/limits.h"
#include "type/msgpack.h"
#include "type/value.h"

/* One walk does both halves: with block.cursor NULL it checks and counts, else it fills. That way
 * the two can never disagree about what is valid or how much it needs. Where the size has a bound
 * that is good enough, one walk checks and fills. */
struct decoder {
    struct tr_msgpack_reader in;
    struct tr_block block;
    struct tr_fault fault;
    size_t capacity; /* of the block, when it is filled */
    bool checked;    /* another walk has looked at the bytes */
};

static troupe_status decode_struct(struct decoder *decoder, const troupe_type *type,
                                   const struct tr_token *token, uint8_t *value,
                                   const struct tr_path *parent);

static troupe_status ended(const struct decoder *decoder, const struct tr_path *path,
                           enum tr_token_kind kind)
{
    if (kind == TR_TOKEN_END) {
        return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "the bytes end early");
    }
    return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "the bytes are not MessagePack");
}

static troupe_status expected(const struct decoder *decoder, const struct tr_path *path,
                              const char *what, const struct tr_token *token)
{
    if (token->kind == TR_TOKEN_END || token->kind == TR_TOKEN_INVALID) {
        return ended(decoder, path, token->kind);
    }
    return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "expected %s, got %s", what,
                    tr_token_text(token->kind));
}

/* Reserves size bytes of the block; *place is NULL while we only count. */
static troupe_status reserve(struct decoder *decoder, const struct tr_path *path, size_t count,
                             size_t size, uint8_t **place)
{
    if (!tr_block_reserve(&decoder->block, count, size, place)) {
        return tr_fault(&decoder->fault, path, TROUPE_E_LIMIT,
                        "the value needs more than %zu bytes", TR_VALUE_SIZE_MAX);
    }
    TR_CHECK(*place == NULL || decoder->block.size <= decoder->capacity);
    return TROUPE_OK;
}

static troupe_status decode_string(struct decoder *decoder, const struct tr_path *path,
                                   const struct tr_token *token, uint8_t *at)
{
    uint8_t *place = NULL;
    troupe_status status = TROUPE_OK;

    if (token->kind == TR_TOKEN_NIL) {
        return TROUPE_OK;
    }
    if (token->kind != TR_TOKEN_STRING) {
        return expected(decoder, path, "string", token);
    }
    status = reserve(decoder, path, 1, token->size + 1, &place);
    if (status != TROUPE_OK) {
        return status;
    }
    if (!decoder->checked) {
        if (memchr(token->data, '\0', token->size) != NULL) {
            return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "the string has a NUL inside");
        }
        if (!tr_utf8_is_valid(token->data, token->size)) {
            return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "the string is not UTF-8");
        }
    }
    if (at != NULL && place != NULL) {
        memcpy(place, token->data, token->size);
        place[token->size] = '\0';
        tr_pointer_put(at, place);
    }
    return TROUPE_OK;
}

static troupe_status decode_bytes(struct decoder *decoder, const struct tr_path *path,
                                  const struct tr_token *token, uint8_t *at)
{
    uint8_t *place = NULL;
    troupe_status status = TROUPE_OK;

    if (token->kind != TR_TOKEN_BYTES) {
        return expected(decoder, path, "bytes", token);
    }
    if (token->size == 0) {
        return TROUPE_OK;
    }
    status = reserve(decoder, path, 1, token->size, &place);
    if (at != NULL && place != NULL) {
        memcpy(place, token->data, token->size);
        tr_bytes_put(at, place, token->size);
    }
    return status;
}

static troupe_status decode_pid(struct decoder *decoder, const struct tr_path *path,
                                const struct tr_token *token, uint8_t *at)
{
    uint64_t parts[2] = {0, 0};

    if (token->kind != TR_TOKEN_ARRAY || token->size != 2) {
        return expected(decoder, path, "pid", token);
    }
    for (size_t index = 0; index < 2; index++) {
        struct tr_token part;

        if (tr_msgpack_next(&decoder->in, &part) != TR_TOKEN_INTEGER || part.integer.negative) {
            return expected(decoder, path, "pid", &part);
        }
        parts[index] = part.integer.magnitude;
    }
    if (at != NULL) {
        const troupe_pid pid = {.node = parts[0], .id = parts[1]};

        memcpy(at, &pid, sizeof(pid));
    }
    return TROUPE_OK;
}

static troupe_status decode_integer(struct decoder *decoder, const struct tr_path *path,
                                    const struct tr_token *token, uint8_t *at)
{
    const int32_t kind = path->field->kind;

    if (token->kind != TR_TOKEN_INTEGER) {
        return expected(decoder, path, tr_kind_text(kind), token);
    }
    if (!tr_integer_put(kind, token->integer, at)) {
        return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "%s%llu does not fit %s",
                        token->integer.negative ? "-" : "",
                        (unsigned long long)token->integer.magnitude, tr_kind_text(kind));
    }
    return TROUPE_OK;
}

static troupe_status decode_bool(struct decoder *decoder, const struct tr_path *path,
                                 const struct tr_token *token, uint8_t *at)
{
    if (token->kind != TR_TOKEN_BOOL) {
        return expected(decoder, path, "bool", token);
    }
    if (at != NULL) {
        memcpy(at, &token->truth, sizeof(token->truth));
    }
    return TROUPE_OK;
}

static troupe_status decode_double(struct decoder *decoder, const struct tr_path *path,
                                   const struct tr_token *token, uint8_t *at)
{
    if (token->kind != TR_TOKEN_DOUBLE) {
        return expected(decoder, path, "double", token);
    }
    if (at != NULL) {
        memcpy(at, &token->real, sizeof(token->real));
    }
    return TROUPE_OK;
}

/* Decodes one field or element into at, which is zero, or NULL while we only count. */
static troupe_status decode_element(struct decoder *decoder, const struct tr_path *path,
                                    const struct tr_token *token, uint8_t *at)
{
    switch ((troupe_kind)path->field->kind) {
    case TROUPE_KIND_BOOL:
        return decode_bool(decoder, path, token, at);
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
        return decode_integer(decoder, path, token, at);
    case TROUPE_KIND_DOUBLE:
        return decode_double(decoder, path, token, at);
    case TROUPE_KIND_STRING:
        return decode_string(decoder, path, token, at);
    case TROUPE_KIND_BYTES:
        return decode_bytes(decoder, path, token, at);
    case TROUPE_KIND_PID:
        return decode_pid(decoder, path, token, at);
    case TROUPE_KIND_STRUCT:
        return decode_struct(decoder, path->field->type, token, at, path);
    case TROUPE_KIND_NONE:
        break;
    }
    return tr_fault(&decoder->fault, path, TROUPE_E_TYPE, "the description has no kind");
}

static troupe_status decode_array(struct decoder *decoder, struct tr_path *path,
                                  const struct tr_token *token, uint8_t *value)
{
    const troupe_field *field = path->field;
    const size_t count = token->size;
    uint8_t *elements = NULL;
    troupe_status status = TROUPE_OK;

    if (token->kind != TR_TOKEN_ARRAY) {
        return expected(decoder, path, "array", token);
    }
    if (count == 0) {
        return TROUPE_OK;
    }
    status = reserve(decoder, path, count, field->size, &elements);
    if (value != NULL && elements != NULL) {
        memset(elements, 0, count * field->size);
        tr_array_put(field, value, elements, count);
    }
    path->indexed = true;
    for (size_t index = 0; index < count && status == TROUPE_OK; index++) {
        struct tr_token element;

        path->index = index;
        (void)tr_msgpack_next(&decoder->in, &element);
        status = decode_element(decoder, path, &element,
                                elements == NULL ? NULL : elements + index * field->size);
    }
    path->indexed = false;
    return status;
}

/* Decodes what belongs to the field number just read. */
static troupe_status decode_field(struct decoder *decoder, struct tr_path *path, uint8_t *value)
{
    const troupe_field *field = path->field;
    struct tr_token token;
    enum tr_token_kind end = tr_msgpack_next(&decoder->in, &token);

    if (field == NULL) { /* from a version that has more fields */
        if (end == TR_TOKEN_END || end == TR_TOKEN_INVALID ||
            !tr_msgpack_skip(&decoder->in, &token, &end)) {
            return ended(decoder, path, end);
        }
        return TROUPE_OK;
    }
    if (field->array) {
        return decode_array(decoder, path, &token, value);
    }
    return decode_element(decoder, path, &token, value == NULL ? NULL : value + field->offset);
}

/* Fields mostly come in the order of the description, so the search starts behind the last one
 * found. */
static const troupe_field *find_field(const troupe_type *type, uint64_t number, size_t *next)
{
    for (size_t step = 0; step < type->field_count; step++) {
        const size_t index =
            *next + step < type->field_count ? *next + step : *next + step - type->field_count;

        if (type->fields[index].number == number) {
            *next = index + 1;
            return &type->fields[index];
        }
    }
    return NULL;
}

static troupe_status decode_struct(struct decoder *decoder, const troupe_type *type,
                                   const struct tr_token *token, uint8_t *value,
                                   const struct tr_path *parent)
{
    struct tr_path path = {.parent = parent};
    struct tr_seen seen = {{0}};
    size_t next = 0;

    if (token->kind != TR_TOKEN_MAP) {
        return expected(decoder, parent, "map", token);
    }
    if (token->size > TR_TYPE_NUMBER_MAX) {
        return tr_fault(&decoder->fault, parent, TROUPE_E_LIMIT, "%zu fields are more than %u",
                        token->size, TR_TYPE_NUMBER_MAX);
    }
    for (size_t pair = 0; pair < token->size; pair++) {
        struct tr_token key;
        troupe_status status = TROUPE_OK;

        path.field = NULL;
        if (tr_msgpack_next(&decoder->in, &key) != TR_TOKEN_INTEGER) {
            return expected(decoder, parent, "a field number", &key);
        }
        if (key.integer.negative || key.integer.magnitude == 0 ||
            key.integer.magnitude > TR_TYPE_NUMBER_MAX) {
            return tr_fault(&decoder->fault, parent, TROUPE_E_TYPE, "%s%llu is no field number",
                            key.integer.negative ? "-" : "",
                            (unsigned long long)key.integer.magnitude);
        }
        path.field = find_field(type, key.integer.magnitude, &next);
        if (path.field != NULL && tr_seen_put(&seen, (size_t)(path.field - type->fields))) {
            return tr_fault(&decoder->fault, &path, TROUPE_E_TYPE, "it is there twice");
        }
        status = decode_field(decoder, &path, value);
        if (status != TROUPE_OK) {
            return status;
        }
    }
    return TROUPE_OK;
}

static troupe_status decode(struct decoder *decoder, uint8_t *value)
{
    const troupe_type *type = decoder->fault.type;
    struct tr_token token;
    troupe_status status = TROUPE_OK;

    (void)tr_msgpack_next(&decoder->in, &token);
    status = decode_struct(decoder, type, &token, value, NULL);
    if (status == TROUPE_OK && decoder->in.at != decoder->in.end) {
        return tr_fault(&decoder->fault, NULL, TROUPE_E_TYPE, "%zu bytes follow the value",
                        (size_t)(decoder->in.end - decoder->in.at));
    }
    return status;
}

troupe_status tr_value_decoded_size(const troupe_type *type, const uint8_t *bytes, size_t size,
                                    size_t *block_size, char *error, size_t error_size)
{
    struct decoder decoder = {
        .in = {.at = bytes, .end = bytes + size},
        .fault = {.type = type, .error = error, .error_size = error_size, .numbers = true},
    };
    uint8_t *place = NULL;
    troupe_status status = reserve(&decoder, NULL, 1, type->size, &place);

    if (status == TROUPE_OK) {
        status = decode(&decoder, NULL);
    }
    if (status == TROUPE_OK) {
        *block_size = decoder.block.size;
    }
    return status;
}

/* How many strings and bytes a value has at most; *arrays says whether it has arrays, too. */
static size_t pointers_of(const troupe_type *type, bool *arrays)
{
    size_t count = 0;

    for (size_t index = 0; index < type->field_count && !*arrays; index++) {
        const troupe_field *field = &type->fields[index];

        *arrays = field->array;
        if (field->kind == TROUPE_KIND_STRUCT) {
            count += pointers_of(field->type, arrays);
        } else {
            count += field->kind == TROUPE_KIND_STRING || field->kind == TROUPE_KIND_BYTES ? 1 : 0;
        }
    }
    return count;
}

size_t tr_value_decoded_size_max(const troupe_type *type, size_t size)
{
    bool arrays = false;
    const size_t count = pointers_of(type, &arrays);

    /* A string takes a byte more than in the encoding, and is then aligned. */
    if (arrays || type->size == 0 || size > TR_VALUE_SIZE_MAX / 2 ||
        type->size > TR_VALUE_SIZE_MAX / 4) {
        return 0;
    }
    return tr_align(type->size) + tr_align(size) + count * TR_VALUE_ALIGN;
}

troupe_status tr_value_decode(const troupe_type *type, const uint8_t *bytes, size_t size,
                              void *block, size_t capacity, char *error, size_t error_size)
{
    struct decoder decoder = {
        .in = {.at = bytes, .end = bytes + size},
        .block = {.cursor = block},
        .fault = {.type = type, .error = error, .error_size = error_size, .numbers = true},
        .capacity = capacity,
    };
    uint8_t *value = NULL;

    TR_CHECK(tr_block_reserve(&decoder.block, 1, type->size, &value));
    memset(value, 0, type->size);
    return decode(&decoder, value);
}

void tr_value_decode_into(const troupe_type *type, const uint8_t *bytes, size_t size, void *block,
                          size_t block_size)
{
    struct decoder decoder = {
        .in = {.at = bytes, .end = bytes + size},
        .block = {.cursor = block},
        .fault = {.type = type},
        .capacity = block_size,
        .checked = true,
    };
    uint8_t *value = NULL;

    if (type->size == 0) {
        return;
    }
    TR_CHECK(tr_block_reserve(&decoder.block, 1, type->size, &value));
    memset(value, 0, type->size);
    TR_CHECK(decode(&decoder, value) == TROUPE_OK);
    TR_CHECK(decoder.block.size == block_size);
}
