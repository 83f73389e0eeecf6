#include "base/utf8.h"
#include "type/fault.h"
#include "type/field.h"
#include "type/limits.h"

/* The bytes of the struct that a member covers; an array field has two. */
struct range {
    size_t start;
    size_t end;
};

bool troupe_type_is(const troupe_type *type, const troupe_type *other)
{
    if (type == other) {
        return true;
    }
    if (type == NULL || other == NULL || type->name == NULL || other->name == NULL) {
        return false;
    }
    return type->name == other->name || strcmp(type->name, other->name) == 0;
}

static bool type_name_is_good(const char *name)
{
    const size_t size = name == NULL ? 0 : strnlen(name, TR_TYPE_NAME_SIZE_MAX + 1u);

    if (size == 0 || size > TR_TYPE_NAME_SIZE_MAX || !tr_utf8_is_valid(name, size)) {
        return false;
    }
    for (size_t index = 0; index < size; index++) {
        const unsigned char byte = (unsigned char)name[index];

        /* A name stands in quotes in error texts, in logs and in JSON. */
        if (byte <= 0x20u || byte == 0x7fu || byte == '"' || byte == '\\') {
            return false;
        }
    }
    return true;
}

static bool field_name_is_good(const char *name)
{
    const size_t size = name == NULL ? 0 : strnlen(name, TR_TYPE_NAME_SIZE_MAX + 1u);

    for (size_t index = 0; index < size; index++) {
        const char byte = name[index];
        const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

        if (!letter && byte != '_' && (index == 0 || byte < '0' || byte > '9')) {
            return false;
        }
    }
    return size > 0 && size <= TR_TYPE_NAME_SIZE_MAX;
}

/* What one field or element of kind needs; alignment is the size of the largest scalar in it. */
static void kind_layout(int32_t kind, size_t *size, size_t *alignment)
{
    switch (kind) {
    case TROUPE_KIND_BOOL:
        *size = *alignment = sizeof(bool);
        break;
    case TROUPE_KIND_INT32:
    case TROUPE_KIND_UINT32:
        *size = *alignment = sizeof(int32_t);
        break;
    case TROUPE_KIND_STRING:
        *size = *alignment = sizeof(char *);
        break;
    case TROUPE_KIND_BYTES:
        *size = sizeof(troupe_bytes);
        *alignment = _Alignof(troupe_bytes);
        break;
    case TROUPE_KIND_PID:
        *size = sizeof(troupe_pid);
        *alignment = _Alignof(troupe_pid);
        break;
    default: /* the 64-bit numbers */
        *size = *alignment = sizeof(int64_t);
        break;
    }
}

static troupe_status check_kind(const struct tr_fault *fault, const struct tr_path *path)
{
    const troupe_field *field = path->field;
    size_t size = 0;
    size_t alignment = 0;

    if (field->kind < TROUPE_KIND_BOOL || field->kind > TROUPE_KIND_STRUCT) {
        return tr_fault(fault, path, TROUPE_E_INVALID, "%d is not a kind", (int)field->kind);
    }
    if (field->kind == TROUPE_KIND_STRUCT) {
        if (field->type == NULL || field->type->size == 0) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "a struct needs a type with content");
        }
        size = field->type->size;
        alignment = 1; /* its own fields are checked for theirs */
    } else {
        if (field->type != NULL) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "only a struct has a type");
        }
        kind_layout(field->kind, &size, &alignment);
    }
    if (field->size != size) {
        return tr_fault(fault, path, TROUPE_E_INVALID, "%s has %zu bytes, not %zu",
                        tr_kind_text(field->kind), size, field->size);
    }
    if ((field->array ? 0 : field->offset) % alignment != 0) {
        return tr_fault(fault, path, TROUPE_E_INVALID, "the offset %zu is not aligned",
                        field->offset);
    }
    return TROUPE_OK;
}

static size_t ranges_of(const troupe_field *field, struct range ranges[static 2])
{
    const size_t size = field->array ? sizeof(void *) : field->size;

    ranges[0] = (struct range){.start = field->offset, .end = field->offset + size};
    if (!field->array) {
        return 1;
    }
    ranges[1] =
        (struct range){.start = field->count_offset, .end = field->count_offset + sizeof(size_t)};
    return 2;
}

static troupe_status check_place(const struct tr_fault *fault, const struct tr_path *path)
{
    const troupe_field *field = path->field;
    const size_t type_size = fault->type->size;
    struct range ranges[2];
    const size_t count = ranges_of(field, ranges);

    for (size_t index = 0; index < count; index++) {
        if (ranges[index].start > type_size || ranges[index].end < ranges[index].start ||
            ranges[index].end > type_size) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "it lies outside the %zu bytes",
                            type_size);
        }
        if (field->array && ranges[index].start % sizeof(void *) != 0) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "the offset %zu is not aligned",
                            ranges[index].start);
        }
    }
    if (field->array && ranges[0].start < ranges[1].end && ranges[1].start < ranges[0].end) {
        return tr_fault(fault, path, TROUPE_E_INVALID, "its count overlaps its pointer");
    }
    return TROUPE_OK;
}

static bool overlap(const troupe_field *field, const troupe_field *other)
{
    struct range ranges[2];
    struct range others[2];
    const size_t count = ranges_of(field, ranges);
    const size_t other_count = ranges_of(other, others);

    for (size_t index = 0; index < count; index++) {
        for (size_t with = 0; with < other_count; with++) {
            if (ranges[index].start < others[with].end && others[with].start < ranges[index].end) {
                return true;
            }
        }
    }
    return false;
}

/* What must not be the same as in a field before it. */
static troupe_status check_others(const struct tr_fault *fault, const struct tr_path *path)
{
    const troupe_field *field = path->field;

    for (const troupe_field *other = fault->type->fields; other < field; other++) {
        if (other->number == field->number) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "field \"%s\" has this number, too",
                            other->name);
        }
        if (strcmp(other->name, field->name) == 0) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "the name is there twice");
        }
        if (overlap(other, field)) {
            return tr_fault(fault, path, TROUPE_E_INVALID, "it overlaps field \"%s\"", other->name);
        }
    }
    return TROUPE_OK;
}

static troupe_status check_field(const struct tr_fault *fault, const troupe_field *field)
{
    const struct tr_path path = {.field = field};
    troupe_status status = TROUPE_OK;

    if (!field_name_is_good(field->name)) {
        return tr_fault(fault, NULL, TROUPE_E_INVALID,
                        "the name of field number %u is not 1 to %u letters, digits and _",
                        (unsigned)field->number, TR_TYPE_NAME_SIZE_MAX);
    }
    if (field->number == 0 || field->number > TR_TYPE_NUMBER_MAX) {
        return tr_fault(fault, &path, TROUPE_E_INVALID, "a number is 1 to %u", TR_TYPE_NUMBER_MAX);
    }
    status = check_kind(fault, &path);
    if (status == TROUPE_OK) {
        status = check_place(fault, &path);
    }
    return status == TROUPE_OK ? check_others(fault, &path) : status;
}

/* depth is the number of containers around this struct. */
static troupe_status check_type(const troupe_type *type, unsigned depth, char *error,
                                size_t error_size)
{
    const struct tr_fault fault = {
        .type = type, .error = error, .error_size = error_size, .numbers = true};
    troupe_status status = TROUPE_OK;

    if (!type_name_is_good(type->name)) {
        tr_error_print(error, error_size,
                       "the name of a type is 1 to %u bytes of UTF-8 without spaces and quotes",
                       TR_TYPE_NAME_SIZE_MAX);
        return TROUPE_E_INVALID;
    }
    if (depth >= TR_TYPE_DEPTH_MAX) {
        return tr_fault(&fault, NULL, TROUPE_E_INVALID, "structs and arrays nest deeper than %u",
                        TR_TYPE_DEPTH_MAX);
    }
    if (type->field_count > TR_TYPE_FIELD_COUNT_MAX) {
        return tr_fault(&fault, NULL, TROUPE_E_INVALID, "%zu fields are more than %u",
                        type->field_count, TR_TYPE_FIELD_COUNT_MAX);
    }
    if (type->field_count > 0 && type->fields == NULL) {
        return tr_fault(&fault, NULL, TROUPE_E_INVALID, "the fields are missing");
    }
    for (size_t index = 0; index < type->field_count && status == TROUPE_OK; index++) {
        const troupe_field *field = &type->fields[index];
        const unsigned inner = depth + 1u + (field->array ? 1u : 0u);

        status = check_field(&fault, field);
        if (status == TROUPE_OK && field->kind == TROUPE_KIND_STRUCT) {
            status = check_type(field->type, inner, error, error_size);
        } else if (status == TROUPE_OK && inner > TR_TYPE_DEPTH_MAX) {
            status = tr_fault(&fault, NULL, TROUPE_E_INVALID,
                              "structs and arrays nest deeper than %u", TR_TYPE_DEPTH_MAX);
        }
    }
    return status;
}

troupe_status troupe_type_check(const troupe_type *type, char *error, size_t error_size)
{
    if (type == NULL) {
        tr_error_print(error, error_size, "there is no type");
        return TROUPE_E_INVALID;
    }
    return check_type(type, 0, error, error_size);
}
