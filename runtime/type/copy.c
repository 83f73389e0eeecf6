#include <stdlib.h>

#include "base/check.h"
#include "type/field.h"
#include "type/value.h"

/* Recursion in this folder follows the description, which is at most TR_TYPE_DEPTH_MAX deep, never
 * the input. */

bool tr_type_is_flat(const troupe_type *type)
{
    const troupe_field *end = type->fields + type->field_count;

    for (const troupe_field *field = type->fields; field < end; field++) {
        if (tr_field_may_point(field) && (field->array || !tr_element_is_flat(field))) {
            return false;
        }
    }
    return true;
}

static size_t size_below(const troupe_type *type, const uint8_t *value);

static size_t element_size_below(const troupe_field *field, const uint8_t *at)
{
    if (field->kind == TROUPE_KIND_STRING) {
        const char *string = tr_pointer_get(at);

        return string == NULL ? 0 : tr_align(strlen(string) + 1);
    }
    if (field->kind == TROUPE_KIND_BYTES) {
        return tr_align(tr_bytes_get(at).size);
    }
    return field->kind == TROUPE_KIND_STRUCT ? size_below(field->type, at) : 0;
}

static size_t array_size_below(const troupe_field *field, const uint8_t *value)
{
    const uint8_t *elements = NULL;
    const size_t count = tr_array_get(field, value, &elements);
    size_t size = tr_align(count * field->size);

    if (!tr_element_is_flat(field)) {
        for (size_t index = 0; index < count; index++) {
            size += element_size_below(field, elements + index * field->size);
        }
    }
    return size;
}

static size_t size_below(const troupe_type *type, const uint8_t *value)
{
    const troupe_field *end = type->fields + type->field_count;
    size_t size = 0;

    for (const troupe_field *field = type->fields; field < end; field++) {
        if (tr_field_may_point(field)) {
            size += field->array ? array_size_below(field, value)
                                 : element_size_below(field, value + field->offset);
        }
    }
    return size;
}

size_t tr_value_size(const troupe_type *type, const void *value)
{
    if (type->size == 0) {
        return 0;
    }
    return tr_align(type->size) + size_below(type, value);
}

static uint8_t *copy_below(const troupe_type *type, uint8_t *value, uint8_t *cursor);

/* The element at `at` still points to where it was copied from: copies what hangs below it to
 * cursor and answers the cursor after it. */
static uint8_t *copy_element(const troupe_field *field, uint8_t *at, uint8_t *cursor)
{
    if (field->kind == TROUPE_KIND_STRING) {
        const char *string = tr_pointer_get(at);

        if (string != NULL) {
            const size_t size = strlen(string) + 1;

            memcpy(cursor, string, size);
            tr_pointer_put(at, cursor);
            cursor += tr_align(size);
        }
        return cursor;
    }
    if (field->kind == TROUPE_KIND_BYTES) {
        const troupe_bytes bytes = tr_bytes_get(at);

        if (bytes.size > 0) {
            memcpy(cursor, bytes.data, bytes.size);
        }
        tr_bytes_put(at, bytes.size > 0 ? cursor : NULL, bytes.size);
        return cursor + tr_align(bytes.size);
    }
    return field->kind == TROUPE_KIND_STRUCT ? copy_below(field->type, at, cursor) : cursor;
}

static uint8_t *copy_array(const troupe_field *field, uint8_t *value, uint8_t *cursor)
{
    const uint8_t *source = NULL;
    const size_t count = tr_array_get(field, value, &source);
    uint8_t *elements = cursor;

    if (count == 0) {
        tr_array_put(field, value, NULL, 0);
        return cursor;
    }
    memcpy(elements, source, count * field->size);
    tr_array_put(field, value, elements, count);
    cursor += tr_align(count * field->size);
    if (!tr_element_is_flat(field)) {
        for (size_t index = 0; index < count; index++) {
            cursor = copy_element(field, elements + index * field->size, cursor);
        }
    }
    return cursor;
}

static uint8_t *copy_below(const troupe_type *type, uint8_t *value, uint8_t *cursor)
{
    const troupe_field *end = type->fields + type->field_count;

    for (const troupe_field *field = type->fields; field < end; field++) {
        if (tr_field_may_point(field)) {
            cursor = field->array ? copy_array(field, value, cursor)
                                  : copy_element(field, value + field->offset, cursor);
        }
    }
    return cursor;
}

void tr_value_copy_into(const troupe_type *type, const void *value, void *block, size_t size)
{
    uint8_t *bytes = block;
    const uint8_t *end = NULL;

    if (type->size == 0) {
        return;
    }
    TR_CHECK(size >= type->size);
    memcpy(bytes, value, type->size);
    end = copy_below(type, bytes, bytes + tr_align(type->size));
    TR_CHECK(end == bytes + size);
}

troupe_status troupe_value_copy(const troupe_type *type, const void *value, void **copy)
{
    size_t size = 0;
    void *block = NULL;

    if (type == NULL || copy == NULL || (value == NULL && type->size > 0)) {
        return TROUPE_E_INVALID;
    }
    size = tr_value_size(type, value);
    block = malloc(size > 0 ? size : TR_VALUE_ALIGN); /* even no content is given as a block */
    if (block == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_value_copy_into(type, value, block, size);
    *copy = block;
    return TROUPE_OK;
}

void troupe_value_free(void *value)
{
    free(value);
}
