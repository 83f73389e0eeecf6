#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/decimal.h"
#include "type/base64.h"
#include "type/block.h"
#include "type/fault.h"
#include "type/field.h"
#include "type/heap.h"
#include "type/json.h"
#include "type/json_scan.h"
#include "type/limits.h"

/* As in decode.c, one walk both counts (block.cursor NULL) and fills. */
struct reader {
    struct tr_block block;
    struct tr_fault fault;
    bool lenient;
};

static troupe_status read_struct(struct reader *reader, const troupe_type *type, const cJSON *item,
                                 uint8_t *value, const struct tr_path *parent);

static const char *item_text(const cJSON *item)
{
    if (cJSON_IsObject(item)) {
        return "object";
    }
    if (cJSON_IsArray(item)) {
        return "array";
    }
    if (cJSON_IsString(item)) {
        return "string";
    }
    if (cJSON_IsNumber(item)) {
        return "number";
    }
    return cJSON_IsNull(item) ? "null" : "bool";
}

static troupe_status expected(const struct reader *reader, const struct tr_path *path,
                              const char *what, const cJSON *item)
{
    return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "expected %s, got %s", what,
                    item_text(item));
}

static troupe_status reserve(struct reader *reader, const struct tr_path *path, size_t count,
                             size_t size, uint8_t **place)
{
    if (!tr_block_reserve(&reader->block, count, size, place)) {
        return tr_fault(&reader->fault, path, TROUPE_E_LIMIT, "the value needs more than %zu bytes",
                        TR_VALUE_SIZE_MAX);
    }
    return TROUPE_OK;
}

/* Refuses the text of a number or pid, which somebody typed. */
static troupe_status refuse_text(const struct reader *reader, const struct tr_path *path,
                                 const char *text, const char *reason)
{
    char quoted[TR_QUOTED_SIZE];

    return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "\"%s\" %s",
                    tr_error_quote(text, strlen(text), quoted), reason);
}

static bool is_wide(int32_t kind)
{
    return kind == TROUPE_KIND_INT64 || kind == TROUPE_KIND_UINT64;
}

/* 64-bit integers come as strings, too, since JSON numbers are not exact for all of them. */
static troupe_status read_integer_text(const struct reader *reader, const struct tr_path *path,
                                       const char *text, uint8_t *at)
{
    const int32_t kind = path->field->kind;
    struct tr_integer integer = {.negative = text[0] == '-'};
    const char *start = text + (integer.negative ? 1 : 0);
    const size_t size = strlen(start);

    if (size == 0 || strspn(start, "0123456789") != size || (start[0] == '0' && size > 1)) {
        return refuse_text(reader, path, text, "is not an integer");
    }
    if (tr_decimal_parse(start, size, &integer.magnitude) != size ||
        !tr_integer_put(kind, integer, at)) {
        return refuse_text(reader, path, text,
                           kind == TROUPE_KIND_INT64 ? "does not fit int64"
                                                     : "does not fit uint64");
    }
    return TROUPE_OK;
}

static troupe_status read_integer(const struct reader *reader, const struct tr_path *path,
                                  const cJSON *item, uint8_t *at)
{
    const int32_t kind = path->field->kind;
    struct tr_integer integer = {0};

    if (cJSON_IsString(item) && is_wide(kind)) {
        return read_integer_text(reader, path, item->valuestring, at);
    }
    if (!cJSON_IsNumber(item)) {
        return expected(reader, path, tr_kind_text(kind), item);
    }
    if (trunc(item->valuedouble) != item->valuedouble) {
        return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "%.17g is not an integer",
                        item->valuedouble);
    }
    if (fabs(item->valuedouble) > (double)TR_JSON_INTEGER_MAX) {
        if (is_wide(kind)) {
            return tr_fault(&reader->fault, path, TROUPE_E_TYPE,
                            "an integer beyond +-%llu has to be a string, to be exact",
                            (unsigned long long)TR_JSON_INTEGER_MAX);
        }
        return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "%.17g does not fit %s",
                        item->valuedouble, tr_kind_text(kind));
    }
    integer.magnitude = (uint64_t)fabs(item->valuedouble);
    integer.negative = item->valuedouble < 0;
    if (!tr_integer_put(kind, integer, at)) {
        return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "%.17g does not fit %s",
                        item->valuedouble, tr_kind_text(kind));
    }
    return TROUPE_OK;
}

/* A double as a string, which is how the largest and smallest are written. cJSON reads the number
 * in it, since it does so in any locale. */
static troupe_status read_double_text(const struct reader *reader, const struct tr_path *path,
                                      const char *text, double *real)
{
    const size_t size = strlen(text);
    cJSON *item = NULL;

    if (size == 0 || size > TR_JSON_NUMBER_SIZE_MAX || tr_json_scan_number(text, size) != size) {
        return refuse_text(reader, path, text, "is not a number");
    }
    item = cJSON_ParseWithLengthOpts(text, size, NULL, 0);
    if (item == NULL) {
        return tr_fault(&reader->fault, path, TROUPE_E_NO_MEMORY, "no memory to read the JSON");
    }
    *real = item->valuedouble;
    cJSON_Delete(item);
    return TROUPE_OK;
}

static troupe_status read_double(const struct reader *reader, const struct tr_path *path,
                                 const cJSON *item, uint8_t *at)
{
    double real = 0;
    troupe_status status = TROUPE_OK;

    if (cJSON_IsString(item)) {
        status = read_double_text(reader, path, item->valuestring, &real);
    } else if (cJSON_IsNumber(item)) {
        real = item->valuedouble;
    } else {
        return expected(reader, path, "double", item);
    }
    if (status == TROUPE_OK && !isfinite(real)) {
        return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "the number does not fit double");
    }
    if (status == TROUPE_OK && at != NULL) {
        memcpy(at, &real, sizeof(real));
    }
    return status;
}

static troupe_status read_string(struct reader *reader, const struct tr_path *path,
                                 const cJSON *item, uint8_t *at)
{
    size_t size = 0;
    uint8_t *place = NULL;
    troupe_status status = TROUPE_OK;

    if (!cJSON_IsString(item)) {
        return expected(reader, path, "string", item);
    }
    size = strlen(item->valuestring) + 1;
    status = reserve(reader, path, 1, size, &place);
    if (at != NULL && place != NULL) {
        memcpy(place, item->valuestring, size);
        tr_pointer_put(at, place);
    }
    return status;
}

static troupe_status read_bytes(struct reader *reader, const struct tr_path *path,
                                const cJSON *item, uint8_t *at)
{
    size_t text_size = 0;
    size_t size = 0;
    uint8_t *place = NULL;
    troupe_status status = TROUPE_OK;

    if (!cJSON_IsString(item)) {
        return expected(reader, path, "bytes in base64", item);
    }
    text_size = strlen(item->valuestring);
    if (!tr_base64_decoded_size(item->valuestring, text_size, &size)) {
        return refuse_text(reader, path, item->valuestring, "is not base64");
    }
    if (size == 0) {
        return TROUPE_OK;
    }
    status = reserve(reader, path, 1, size, &place);
    if (at != NULL && place != NULL) {
        tr_base64_decode(item->valuestring, text_size, place);
        tr_bytes_put(at, place, size);
    }
    return status;
}

static troupe_status read_pid(const struct reader *reader, const struct tr_path *path,
                              const cJSON *item, uint8_t *at)
{
    troupe_pid pid = {0};

    if (!cJSON_IsString(item)) {
        return expected(reader, path, "a pid like \"<1.2>\"", item);
    }
    if (troupe_pid_parse(item->valuestring, &pid) != TROUPE_OK) {
        return refuse_text(reader, path, item->valuestring, "is not a pid like \"<1.2>\"");
    }
    if (at != NULL) {
        memcpy(at, &pid, sizeof(pid));
    }
    return TROUPE_OK;
}

static troupe_status read_bool(const struct reader *reader, const struct tr_path *path,
                               const cJSON *item, uint8_t *at)
{
    const bool truth = cJSON_IsTrue(item) != 0;

    if (!cJSON_IsBool(item)) {
        return expected(reader, path, "bool", item);
    }
    if (at != NULL) {
        memcpy(at, &truth, sizeof(truth));
    }
    return TROUPE_OK;
}

/* Reads one field or element into at, which is zero, or NULL while we only count. */
static troupe_status read_element(struct reader *reader, const struct tr_path *path,
                                  const cJSON *item, uint8_t *at)
{
    if (cJSON_IsNull(item)) {
        return TROUPE_OK; /* the default */
    }
    switch ((troupe_kind)path->field->kind) {
    case TROUPE_KIND_BOOL:
        return read_bool(reader, path, item, at);
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
        return read_integer(reader, path, item, at);
    case TROUPE_KIND_DOUBLE:
        return read_double(reader, path, item, at);
    case TROUPE_KIND_STRING:
        return read_string(reader, path, item, at);
    case TROUPE_KIND_BYTES:
        return read_bytes(reader, path, item, at);
    case TROUPE_KIND_PID:
        return read_pid(reader, path, item, at);
    case TROUPE_KIND_STRUCT:
        return read_struct(reader, path->field->type, item, at, path);
    case TROUPE_KIND_NONE:
        break;
    }
    return tr_fault(&reader->fault, path, TROUPE_E_TYPE, "the description has no kind");
}

static troupe_status read_array(struct reader *reader, struct tr_path *path, const cJSON *item,
                                uint8_t *value)
{
    const troupe_field *field = path->field;
    const cJSON *element = NULL;
    uint8_t *elements = NULL;
    size_t count = 0;
    troupe_status status = TROUPE_OK;

    if (cJSON_IsNull(item)) {
        return TROUPE_OK;
    }
    if (!cJSON_IsArray(item)) {
        return expected(reader, path, "array", item);
    }
    cJSON_ArrayForEach(element, item)
    {
        count += 1;
    }
    if (count == 0) {
        return TROUPE_OK;
    }
    status = reserve(reader, path, count, field->size, &elements);
    if (value != NULL && elements != NULL) {
        memset(elements, 0, count * field->size);
        tr_array_put(field, value, elements, count);
    }
    path->indexed = true;
    path->index = 0;
    for (element = item->child; element != NULL && status == TROUPE_OK; element = element->next) {
        status = read_element(reader, path, element,
                              elements == NULL ? NULL : elements + path->index * field->size);
        path->index += 1;
    }
    path->indexed = false;
    return status;
}

static const troupe_field *find_field(const troupe_type *type, const char *name, size_t *next)
{
    for (size_t step = 0; step < type->field_count; step++) {
        const size_t index =
            *next + step < type->field_count ? *next + step : *next + step - type->field_count;

        if (strcmp(type->fields[index].name, name) == 0) {
            *next = index + 1;
            return &type->fields[index];
        }
    }
    return NULL;
}

static troupe_status refuse_key(const struct reader *reader, const troupe_type *type,
                                const struct tr_path *parent, const char *key)
{
    char quoted[TR_QUOTED_SIZE];
    char known[200] = "";
    size_t size = 0;

    for (size_t index = 0; index < type->field_count && size + 1 < sizeof(known); index++) {
        tr_error_print(known + size, sizeof(known) - size, "%s%s", index > 0 ? ", " : "",
                       type->fields[index].name);
        size += strlen(known + size);
    }
    return tr_fault(&reader->fault, parent, TROUPE_E_TYPE, "there is no field \"%s\"; known: %s",
                    tr_error_quote(key, strlen(key), quoted),
                    type->field_count > 0 ? known : "none");
}

static troupe_status read_pair(struct reader *reader, struct tr_path *path, const cJSON *item,
                               uint8_t *value)
{
    const troupe_field *field = path->field;

    if (field->array) {
        return read_array(reader, path, item, value);
    }
    return read_element(reader, path, item, value == NULL ? NULL : value + field->offset);
}

static troupe_status read_struct(struct reader *reader, const troupe_type *type, const cJSON *item,
                                 uint8_t *value, const struct tr_path *parent)
{
    struct tr_path path = {.parent = parent};
    struct tr_seen seen = {{0}};
    const cJSON *pair = NULL;
    size_t next = 0;
    troupe_status status = TROUPE_OK;

    if (!cJSON_IsObject(item)) {
        return expected(reader, parent, "object", item);
    }
    for (pair = item->child; pair != NULL && status == TROUPE_OK; pair = pair->next) {
        path.field = find_field(type, pair->string, &next);
        if (path.field == NULL) {
            status = reader->lenient ? TROUPE_OK : refuse_key(reader, type, parent, pair->string);
        } else if (tr_seen_put(&seen, (size_t)(path.field - type->fields))) {
            status = tr_fault(&reader->fault, &path, TROUPE_E_TYPE, "it is there twice");
        } else {
            status = read_pair(reader, &path, pair, value);
        }
    }
    return status;
}

/* The text of a message without content may be left out. */
static bool means_nothing(const troupe_type *type, const cJSON *item)
{
    return type->size == 0 &&
           (cJSON_IsNull(item) || (cJSON_IsString(item) && item->valuestring[0] == '\0'));
}

/* Counts, gets the block, fills it. */
static troupe_status read_value(struct reader *reader, const cJSON *item,
                                const struct tr_allocator *allocator, void **value)
{
    const troupe_type *type = reader->fault.type;
    uint8_t *place = NULL;
    uint8_t *block = NULL;
    size_t size = 0;
    troupe_status status = reserve(reader, NULL, 1, type->size, &place);

    if (status == TROUPE_OK && item != NULL) {
        status = read_struct(reader, type, item, NULL, NULL);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    size = reader->block.size > 0 ? reader->block.size : TR_VALUE_ALIGN;
    block = allocator->allocate(allocator->context, size);
    if (block == NULL) {
        return tr_fault(&reader->fault, NULL, TROUPE_E_NO_MEMORY, "no memory for the value");
    }
    memset(block, 0, size);
    reader->block = (struct tr_block){.cursor = block};
    status = reserve(reader, NULL, 1, type->size, &place);
    if (status == TROUPE_OK && item != NULL) {
        status = read_struct(reader, type, item, block, NULL);
    }
    if (status != TROUPE_OK) { /* only memory to read a double can have run out meanwhile */
        allocator->release(allocator->context, block);
        return status;
    }
    *value = block;
    return TROUPE_OK;
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (memchr(" \t\r\n", text[index], 4) == NULL) {
            return false;
        }
    }
    return true;
}

troupe_status tr_value_from_json(const troupe_type *type, const struct tr_json_input *input,
                                 void **value, char *error, size_t error_size)
{
    struct reader reader = {
        .fault = {.type = type, .error = error, .error_size = error_size},
        .lenient = input->lenient,
    };
    cJSON *item = NULL;
    troupe_status status = TROUPE_OK;

    if (input->size > input->size_max) {
        return tr_fault(&reader.fault, NULL, TROUPE_E_LIMIT,
                        "the JSON has %zu bytes; %zu is the most", input->size, input->size_max);
    }
    if (type->size == 0 && is_blank(input->text, input->size)) {
        return read_value(&reader, NULL, input->allocator, value);
    }
    status = tr_json_scan(input->text, input->size, error, error_size);
    if (status != TROUPE_OK) {
        return status;
    }
    item = cJSON_ParseWithLengthOpts(input->text, input->size, NULL, 0);
    if (item == NULL) { /* the scan has found no other reason */
        return tr_fault(&reader.fault, NULL, TROUPE_E_NO_MEMORY, "no memory to read the JSON");
    }
    status = read_value(&reader, means_nothing(type, item) ? NULL : item, input->allocator, value);
    cJSON_Delete(item);
    return status;
}

troupe_status tr_value_from_json_lenient(const troupe_type *type, const char *json, size_t size,
                                         void **value, char *error, size_t error_size)
{
    const struct tr_json_input input = {
        .text = json,
        .size = size,
        .size_max = TR_JSON_STORED_SIZE_MAX,
        .lenient = true,
        .allocator = &tr_heap,
    };

    return tr_value_from_json(type, &input, value, error, error_size);
}

troupe_status troupe_from_json(const troupe_type *type, const char *json, void **value, char *error,
                               size_t error_size)
{
    struct tr_json_input input = {
        .text = json,
        .size_max = TR_JSON_INPUT_SIZE_MAX,
        .allocator = &tr_heap,
    };
    const troupe_status status = troupe_type_check(type, error, error_size);

    if (status != TROUPE_OK) {
        return status;
    }
    if (json == NULL || value == NULL) {
        tr_error_print(error, error_size, "there is no JSON, or no place for the value");
        return TROUPE_E_INVALID;
    }
    input.size = strlen(json);
    return tr_value_from_json(type, &input, value, error, error_size);
}
