#include "type/types.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "type/fault.h"
#include "type/field.h"

enum { LIST_CAPACITY_FIRST = 32 };

struct tr_types {
    const struct tr_allocator *allocator; /* lent */
    const troupe_type **list;             /* owned; in the order they were added */
    size_t count;
    size_t capacity; /* of list; a power of two */
    uint32_t *slots; /* owned; twice the capacity: 1 + index in list, or 0 for a free slot */
};

static uint32_t hash(const char *name, size_t size)
{
    uint32_t sum = 2166136261u; /* FNV-1a: names are short and come from modules, not from peers */

    for (size_t index = 0; index < size; index++) {
        sum = (sum ^ (unsigned char)name[index]) * 16777619u;
    }
    return sum;
}

troupe_status tr_types_create(const struct tr_allocator *allocator, struct tr_types **types)
{
    struct tr_types *made = allocator->allocate(allocator->context, sizeof(*made));

    if (made == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *made = (struct tr_types){.allocator = allocator};
    *types = made;
    return TROUPE_OK;
}

void tr_types_destroy(struct tr_types *types)
{
    const struct tr_allocator *allocator = NULL;

    if (types == NULL) {
        return;
    }
    allocator = types->allocator;
    allocator->release(allocator->context, types->slots);
    allocator->release(allocator->context, types->list);
    allocator->release(allocator->context, types);
}

/* The slot where the name is, or the free one where it would be. Half of the slots are free. */
static size_t slot_of(const struct tr_types *types, const char *name, size_t size)
{
    const size_t mask = 2 * types->capacity - 1;
    size_t slot = hash(name, size) & mask;

    while (types->slots[slot] != 0) {
        const char *other = types->list[types->slots[slot] - 1]->name;

        if (strncmp(other, name, size) == 0 && other[size] == '\0') {
            break;
        }
        slot = (slot + 1) & mask;
    }
    return slot;
}

const troupe_type *tr_types_find(const struct tr_types *types, const char *name, size_t size)
{
    size_t slot = 0;

    /* A name with a NUL inside would compare as shorter than it is. */
    if (types->capacity == 0 || size == 0 || memchr(name, '\0', size) != NULL) {
        return NULL;
    }
    slot = slot_of(types, name, size);
    return types->slots[slot] == 0 ? NULL : types->list[types->slots[slot] - 1];
}

static troupe_status grow(struct tr_types *types)
{
    const struct tr_allocator *allocator = types->allocator;
    const size_t capacity = types->capacity == 0 ? LIST_CAPACITY_FIRST : types->capacity * 2;
    const troupe_type **list = allocator->allocate(allocator->context, capacity * sizeof(*list));
    uint32_t *slots = allocator->allocate(allocator->context, 2 * capacity * sizeof(*slots));

    if (list == NULL || slots == NULL) {
        allocator->release(allocator->context, slots);
        allocator->release(allocator->context, list);
        return TROUPE_E_NO_MEMORY;
    }
    memset(slots, 0, 2 * capacity * sizeof(*slots));
    if (types->count > 0) {
        memcpy(list, types->list, types->count * sizeof(*list));
    }
    allocator->release(allocator->context, types->slots);
    allocator->release(allocator->context, types->list);
    types->list = list;
    types->slots = slots;
    types->capacity = capacity;
    for (size_t index = 0; index < types->count; index++) {
        const char *name = list[index]->name;

        slots[slot_of(types, name, strlen(name))] = (uint32_t)(index + 1);
    }
    return TROUPE_OK;
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

static bool types_agree(const struct tr_fault *fault, const troupe_type *type,
                        const troupe_type *other);

/* Says in what the fields with one number differ, or NULL. */
static const char *field_difference(const struct tr_fault *fault, const troupe_field *field,
                                    const troupe_field *other)
{
    if (strcmp(field->name, other->name) != 0) {
        return "another name";
    }
    if (field->kind != other->kind || field->array != other->array) {
        return "another kind";
    }
    if (field->offset != other->offset || field->size != other->size ||
        (field->array && field->count_offset != other->count_offset)) {
        return "another place in the struct";
    }
    if (field->kind == TROUPE_KIND_STRUCT && !types_agree(fault, field->type, other->type)) {
        return "another struct";
    }
    return NULL;
}

/* Whether both describe one struct in memory and on the wire. The order of fields may differ. The
 * reason of the outermost difference is what the error ends up with. */
static bool types_agree(const struct tr_fault *fault, const troupe_type *type,
                        const troupe_type *other)
{
    if (type == other) {
        return true;
    }
    if (strcmp(type->name, other->name) != 0 || type->size != other->size ||
        type->field_count != other->field_count) {
        (void)tr_fault(fault, NULL, TROUPE_E_EXISTS,
                       "the name is there with %zu fields in %zu bytes, not %zu in %zu",
                       other->field_count, other->size, type->field_count, type->size);
        return false;
    }
    for (size_t index = 0; index < type->field_count; index++) {
        const struct tr_path path = {.field = &type->fields[index]};
        const troupe_field *known = field_numbered(other, path.field->number);
        const char *difference =
            known == NULL ? "a number that is new" : field_difference(fault, path.field, known);

        if (difference != NULL) {
            (void)tr_fault(fault, &path, TROUPE_E_EXISTS,
                           "the type is there already, and this field has %s", difference);
            return false;
        }
    }
    return true;
}

troupe_status tr_types_add(struct tr_types *types, const troupe_type *type, char *error,
                           size_t error_size)
{
    const struct tr_fault fault = {
        .type = type, .error = error, .error_size = error_size, .numbers = true};
    const troupe_type *known = NULL;
    troupe_status status = troupe_type_check(type, error, error_size);

    if (status != TROUPE_OK) {
        return status;
    }
    known = tr_types_find(types, type->name, strlen(type->name));
    if (known != NULL) {
        return types_agree(&fault, type, known) ? TROUPE_OK : TROUPE_E_EXISTS;
    }
    if (types->count == types->capacity) {
        status = grow(types);
        if (status != TROUPE_OK) {
            return tr_fault(&fault, NULL, status, "no memory to know the type");
        }
    }
    types->list[types->count++] = type;
    types->slots[slot_of(types, type->name, strlen(type->name))] = (uint32_t)types->count;
    return TROUPE_OK;
}

size_t tr_types_count(const struct tr_types *types)
{
    return types->count;
}

const troupe_type *tr_types_at(const struct tr_types *types, size_t index)
{
    TR_CHECK(index < types->count);
    return types->list[index];
}

bool tr_type_is_reserved(const troupe_type *type)
{
    return strncmp(type->name, "troupe.", strlen("troupe.")) == 0;
}
