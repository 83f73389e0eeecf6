/* type/field.h - reading and writing the members of a described struct through its description.
 *
 * All goes through memcpy, which compilers turn into one load or store, so that neither alignment
 * nor aliasing matter. An array pointer or bytes that are NULL count as empty, whatever is said
 * beside them.
 */
#ifndef TR_TYPE_FIELD_H
#define TR_TYPE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "troupe/type.h"
#include "type/value.h"

static inline size_t tr_align(size_t size)
{
    return (size + (TR_VALUE_ALIGN - 1u)) & ~(size_t)(TR_VALUE_ALIGN - 1u);
}

static inline void *tr_pointer_get(const void *at)
{
    void *pointer = NULL;

    memcpy(&pointer, at, sizeof(pointer));
    return pointer;
}

static inline void tr_pointer_put(void *at, const void *pointer)
{
    memcpy(at, &pointer, sizeof(pointer));
}

static inline size_t tr_size_get(const void *at)
{
    size_t size = 0;

    memcpy(&size, at, sizeof(size));
    return size;
}

static inline void tr_size_put(void *at, size_t size)
{
    memcpy(at, &size, sizeof(size));
}

static inline troupe_bytes tr_bytes_get(const void *at)
{
    troupe_bytes bytes;

    memcpy(&bytes, at, sizeof(bytes));
    if (bytes.data == NULL || bytes.size == 0) {
        return (troupe_bytes){0};
    }
    return bytes;
}

static inline void tr_bytes_put(void *at, const void *data, size_t size)
{
    const troupe_bytes bytes = {.data = data, .size = size};

    memcpy(at, &bytes, sizeof(bytes));
}

/* How many elements an array field of value has, and where they are. */
static inline size_t tr_array_get(const troupe_field *field, const void *value,
                                  const uint8_t **elements)
{
    const uint8_t *bytes = value;

    *elements = tr_pointer_get(bytes + field->offset);
    return *elements == NULL ? 0 : tr_size_get(bytes + field->count_offset);
}

static inline void tr_array_put(const troupe_field *field, void *value, const void *elements,
                                size_t count)
{
    uint8_t *bytes = value;

    tr_pointer_put(bytes + field->offset, elements);
    tr_size_put(bytes + field->count_offset, count);
}

/* Whether something can hang below the field: the test that the paths of every message skip numbers
 * with. */
static inline bool tr_field_may_point(const troupe_field *field)
{
    const uint32_t kinds =
        1u << TROUPE_KIND_STRING | 1u << TROUPE_KIND_BYTES | 1u << TROUPE_KIND_STRUCT;

    return field->array || (kinds >> (uint32_t)field->kind & 1u) != 0;
}

/* Whether one memcpy copies a value, as one look at each field tells. It answers no for a struct
 * with structs inside, of which tr_type_is_flat knows more. */
static inline bool tr_type_is_plain(const troupe_type *type)
{
    const troupe_field *end = type->fields + type->field_count;

    for (const troupe_field *field = type->fields; field < end; field++) {
        if (tr_field_may_point(field)) {
            return false;
        }
    }
    return true;
}

/* Whether nothing hangs below one element of the field. */
static inline bool tr_element_is_flat(const troupe_field *field)
{
    if (field->kind == TROUPE_KIND_STRUCT) {
        return tr_type_is_flat(field->type);
    }
    return field->kind != TROUPE_KIND_STRING && field->kind != TROUPE_KIND_BYTES;
}

/* "int64" and so on, for error texts. */
const char *tr_kind_text(int32_t kind);

/* An integer of any kind on its way into a field. */
struct tr_integer {
    bool negative;
    uint64_t magnitude;
};

/* The integer at `at`, of one of the four integer kinds. */
struct tr_integer tr_integer_get(int32_t kind, const void *at);

/* Stores the integer as kind, unless at is NULL. Answers false when it does not fit. */
bool tr_integer_put(int32_t kind, struct tr_integer integer, void *at);

#endif
