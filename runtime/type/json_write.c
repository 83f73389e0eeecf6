#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "type/fault.h"
#include "type/field.h"
#include "type/heap.h"
#include "type/json.h"
#include "type/json_buffer.h"
#include "type/limits.h"

struct writer {
    struct tr_json_buffer *buffer;
    struct tr_fault fault;
};

static troupe_status write_struct(struct writer *writer, const troupe_type *type,
                                  const uint8_t *value, const struct tr_path *parent);

static troupe_status write_integer(struct writer *writer, const struct tr_path *path,
                                   const uint8_t *at)
{
    const struct tr_integer integer = tr_integer_get(path->field->kind, at);
    const bool quoted = integer.magnitude > TR_JSON_INTEGER_MAX;

    if (quoted) {
        tr_json_put_character(writer->buffer, '"');
    }
    tr_json_put_integer(writer->buffer, integer.negative, integer.magnitude);
    if (quoted) {
        tr_json_put_character(writer->buffer, '"');
    }
    return TROUPE_OK;
}

static troupe_status write_double(struct writer *writer, const struct tr_path *path,
                                  const uint8_t *at)
{
    double real = 0;

    memcpy(&real, at, sizeof(real));
    if (!isfinite(real)) {
        return tr_fault(&writer->fault, path, TROUPE_E_TYPE, "JSON has only finite numbers");
    }
    tr_json_put_double(writer->buffer, real);
    return TROUPE_OK;
}

static troupe_status write_string(struct writer *writer, const struct tr_path *path,
                                  const uint8_t *at)
{
    const char *string = tr_pointer_get(at);
    size_t size = 0;

    if (string == NULL) {
        tr_json_put(writer->buffer, "null", 4);
        return TROUPE_OK;
    }
    size = strlen(string);
    if (!tr_utf8_is_valid(string, size)) {
        return tr_fault(&writer->fault, path, TROUPE_E_TYPE, "the string is not UTF-8");
    }
    tr_json_put_string(writer->buffer, string, size);
    return TROUPE_OK;
}

static void write_pid(struct tr_json_buffer *buffer, const uint8_t *at)
{
    char text[TROUPE_PID_TEXT_SIZE];
    troupe_pid pid;

    memcpy(&pid, at, sizeof(pid));
    (void)troupe_pid_print(pid, text);
    tr_json_put_string(buffer, text, strlen(text));
}

static troupe_status write_element(struct writer *writer, const struct tr_path *path,
                                   const uint8_t *at)
{
    troupe_bytes bytes;

    switch ((troupe_kind)path->field->kind) {
    case TROUPE_KIND_BOOL:
        tr_json_put(writer->buffer, *at != 0 ? "true" : "false", *at != 0 ? 4 : 5);
        break;
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_INT64:
    case TROUPE_KIND_UINT32:
    case TROUPE_KIND_UINT64:
        return write_integer(writer, path, at);
    case TROUPE_KIND_DOUBLE:
        return write_double(writer, path, at);
    case TROUPE_KIND_STRING:
        return write_string(writer, path, at);
    case TROUPE_KIND_BYTES:
        bytes = tr_bytes_get(at);
        tr_json_put_base64(writer->buffer, bytes.data, bytes.size);
        break;
    case TROUPE_KIND_PID:
        write_pid(writer->buffer, at);
        break;
    case TROUPE_KIND_STRUCT:
        return write_struct(writer, path->field->type, at, path);
    case TROUPE_KIND_NONE:
        break;
    }
    return TROUPE_OK;
}

static troupe_status write_array(struct writer *writer, struct tr_path *path, const uint8_t *value)
{
    const troupe_field *field = path->field;
    const uint8_t *elements = NULL;
    const size_t count = tr_array_get(field, value, &elements);
    troupe_status status = TROUPE_OK;

    path->indexed = true;
    tr_json_put_character(writer->buffer, '[');
    for (size_t index = 0; index < count && status == TROUPE_OK; index++) {
        if (index > 0) {
            tr_json_put_character(writer->buffer, ',');
        }
        path->index = index;
        status = write_element(writer, path, elements + index * field->size);
        if (writer->buffer->status != TROUPE_OK) {
            break;
        }
    }
    tr_json_put_character(writer->buffer, ']');
    path->indexed = false;
    return status;
}

static troupe_status write_struct(struct writer *writer, const troupe_type *type,
                                  const uint8_t *value, const struct tr_path *parent)
{
    struct tr_path path = {.parent = parent};
    troupe_status status = TROUPE_OK;

    tr_json_put_character(writer->buffer, '{');
    for (size_t index = 0; index < type->field_count && status == TROUPE_OK; index++) {
        path.field = &type->fields[index];
        tr_json_put(writer->buffer, index > 0 ? ",\"" : "\"", index > 0 ? 2 : 1);
        tr_json_put(writer->buffer, path.field->name, strlen(path.field->name));
        tr_json_put(writer->buffer, "\":", 2);
        status = path.field->array ? write_array(writer, &path, value)
                                   : write_element(writer, &path, value + path.field->offset);
    }
    tr_json_put_character(writer->buffer, '}');
    return status;
}

troupe_status tr_value_to_json(const troupe_type *type, const void *value,
                               struct tr_json_buffer *buffer, char *error, size_t error_size)
{
    struct writer writer = {
        .buffer = buffer,
        .fault = {.type = type, .error = error, .error_size = error_size},
    };
    const size_t before = buffer->size;
    troupe_status status = TROUPE_OK;

    buffer->status = TROUPE_OK;
    if (value == NULL) { /* no content */
        tr_json_put(buffer, "{}", 2);
    } else {
        status = write_struct(&writer, type, value, NULL);
    }
    if (status == TROUPE_OK && buffer->status != TROUPE_OK) {
        status = tr_fault(&writer.fault, NULL, buffer->status, "%s",
                          buffer->status == TROUPE_E_LIMIT ? "the JSON gets too long"
                                                           : "no memory for the JSON");
    }
    if (status != TROUPE_OK) {
        buffer->size = before;
    }
    if (buffer->data != NULL) {
        buffer->data[buffer->size] = '\0'; /* growing always left room for it */
    }
    return status;
}

troupe_status troupe_to_json(const troupe_type *type, const void *value, char **json)
{
    struct tr_json_buffer buffer;
    troupe_status status = troupe_type_check(type, NULL, 0);

    if (status != TROUPE_OK || json == NULL || (value == NULL && type->size > 0)) {
        return TROUPE_E_INVALID;
    }
    tr_json_buffer_init(&buffer, TR_JSON_OUTPUT_SIZE_MAX, &tr_heap);
    status = tr_value_to_json(type, value, &buffer, NULL, 0);
    if (status == TROUPE_OK) {
        *json = buffer.data;
        buffer.data = NULL; /* given away */
    }
    tr_json_buffer_fini(&buffer);
    return status;
}

void troupe_json_free(char *json)
{
    free(json);
}
