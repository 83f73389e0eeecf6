#include "type/field.h"
#include "type/value.h"

/* Forgets every pointer in the struct, so that disown can be called on it at any time from here on.
 */
static void clear_pointers(const troupe_type *type, uint8_t *value)
{
    for (size_t index = 0; index < type->field_count; index++) {
        const troupe_field *field = &type->fields[index];
        uint8_t *at = value + field->offset;

        if (field->array) {
            tr_array_put(field, value, NULL, 0);
        } else if (field->kind == TROUPE_KIND_STRING) {
            tr_pointer_put(at, NULL);
        } else if (field->kind == TROUPE_KIND_BYTES) {
            tr_bytes_put(at, NULL, 0);
        } else if (field->kind == TROUPE_KIND_STRUCT) {
            clear_pointers(field->type, at);
        }
    }
}

/* Copies size bytes into a block of their own, or answers NULL. */
static void *own_bytes(const void *source, size_t size, const struct tr_allocator *allocator)
{
    void *block = allocator->allocate(allocator->context, size);

    if (block != NULL) {
        memcpy(block, source, size);
    }
    return block;
}

static bool own_below(const troupe_type *type, const uint8_t *source, uint8_t *destination,
                      const struct tr_allocator *allocator);

/* The destination has no pointers yet. Answers false when memory ran out; what was got so far is in
 * its place. */
static bool own_element(const troupe_field *field, const uint8_t *source, uint8_t *destination,
                        const struct tr_allocator *allocator)
{
    if (field->kind == TROUPE_KIND_STRING) {
        const char *string = tr_pointer_get(source);

        if (string != NULL) {
            tr_pointer_put(destination, own_bytes(string, strlen(string) + 1, allocator));
            return tr_pointer_get(destination) != NULL;
        }
    } else if (field->kind == TROUPE_KIND_BYTES) {
        const troupe_bytes bytes = tr_bytes_get(source);

        if (bytes.size > 0) {
            tr_bytes_put(destination, own_bytes(bytes.data, bytes.size, allocator), bytes.size);
            return tr_bytes_get(destination).data != NULL;
        }
    } else if (field->kind == TROUPE_KIND_STRUCT) {
        return own_below(field->type, source, destination, allocator);
    }
    return true;
}

static bool own_array(const troupe_field *field, const uint8_t *source, uint8_t *destination,
                      const struct tr_allocator *allocator)
{
    const uint8_t *elements = NULL;
    const size_t count = tr_array_get(field, source, &elements);
    uint8_t *block = NULL;

    if (count == 0) {
        return true;
    }
    block = own_bytes(elements, count * field->size, allocator);
    if (block == NULL) {
        return false;
    }
    if (field->kind == TROUPE_KIND_STRUCT) {
        for (size_t index = 0; index < count; index++) {
            clear_pointers(field->type, block + index * field->size);
        }
    } else if (!tr_element_is_flat(field)) {
        memset(block, 0, count * field->size);
    }
    tr_array_put(field, destination, block, count);
    if (tr_element_is_flat(field)) {
        return true;
    }
    for (size_t index = 0; index < count; index++) {
        const size_t offset = index * field->size;

        if (!own_element(field, elements + offset, block + offset, allocator)) {
            return false;
        }
    }
    return true;
}

static bool own_below(const troupe_type *type, const uint8_t *source, uint8_t *destination,
                      const struct tr_allocator *allocator)
{
    for (size_t index = 0; index < type->field_count; index++) {
        const troupe_field *field = &type->fields[index];
        const bool owned = field->array ? own_array(field, source, destination, allocator)
                                        : own_element(field, source + field->offset,
                                                      destination + field->offset, allocator);

        if (!owned) {
            return false;
        }
    }
    return true;
}

troupe_status tr_value_own(const troupe_type *type, const void *value, void *destination,
                           const struct tr_allocator *allocator)
{
    if (type->size == 0) {
        return TROUPE_OK;
    }
    memcpy(destination, value, type->size);
    clear_pointers(type, destination);
    if (!own_below(type, value, destination, allocator)) {
        tr_value_disown(type, destination, allocator);
        return TROUPE_E_NO_MEMORY;
    }
    return TROUPE_OK;
}

static void release_below(const troupe_type *type, const uint8_t *value,
                          const struct tr_allocator *allocator);

static void release_element(const troupe_field *field, const uint8_t *at,
                            const struct tr_allocator *allocator)
{
    if (field->kind == TROUPE_KIND_STRING || field->kind == TROUPE_KIND_BYTES) {
        allocator->release(allocator->context, tr_pointer_get(at));
    } else if (field->kind == TROUPE_KIND_STRUCT) {
        release_below(field->type, at, allocator);
    }
}

static void release_below(const troupe_type *type, const uint8_t *value,
                          const struct tr_allocator *allocator)
{
    for (size_t index = 0; index < type->field_count; index++) {
        const troupe_field *field = &type->fields[index];
        const uint8_t *elements = NULL;
        size_t count = 0;

        if (!field->array) {
            release_element(field, value + field->offset, allocator);
            continue;
        }
        count = tr_element_is_flat(field) ? 0 : tr_array_get(field, value, &elements);
        for (size_t element = 0; element < count; element++) {
            release_element(field, elements + element * field->size, allocator);
        }
        allocator->release(allocator->context, tr_pointer_get(value + field->offset));
    }
}

_Static_assert(offsetof(troupe_bytes, data) == 0, "release_element finds the block of bytes there");

void tr_value_disown(const troupe_type *type, void *value, const struct tr_allocator *allocator)
{
    if (type->size == 0) {
        return;
    }
    release_below(type, value, allocator);
    memset(value, 0, type->size);
}
