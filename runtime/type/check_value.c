#include "base/utf8.h"
#include "type/fault.h"
#include "type/field.h"
#include "type/limits.h"
#include "type/value.h"

static troupe_status check_struct(const struct tr_fault *fault, const troupe_type *type,
                                  const uint8_t *value, const struct tr_path *parent);

static troupe_status check_element(const struct tr_fault *fault, const struct tr_path *path,
                                   const uint8_t *at)
{
    const char *string = NULL;

    if (path->field->kind == TROUPE_KIND_STRUCT) {
        return check_struct(fault, path->field->type, at, path);
    }
    if (path->field->kind != TROUPE_KIND_STRING) {
        return TROUPE_OK;
    }
    string = tr_pointer_get(at);
    if (string != NULL && !tr_utf8_is_valid(string, strlen(string))) {
        return tr_fault(fault, path, TROUPE_E_TYPE, "the string is not UTF-8");
    }
    return TROUPE_OK;
}

static troupe_status check_array(const struct tr_fault *fault, struct tr_path *path,
                                 const uint8_t *value)
{
    const troupe_field *field = path->field;
    const uint8_t *elements = NULL;
    const size_t count = tr_element_is_flat(field) ? 0 : tr_array_get(field, value, &elements);
    troupe_status status = TROUPE_OK;

    path->indexed = true;
    for (path->index = 0; path->index < count && status == TROUPE_OK; path->index++) {
        status = check_element(fault, path, elements + path->index * field->size);
    }
    path->indexed = false;
    return status;
}

static troupe_status check_struct(const struct tr_fault *fault, const troupe_type *type,
                                  const uint8_t *value, const struct tr_path *parent)
{
    struct tr_path path = {.parent = parent};
    troupe_status status = TROUPE_OK;

    for (size_t index = 0; index < type->field_count && status == TROUPE_OK; index++) {
        path.field = &type->fields[index];
        if (tr_field_may_point(path.field)) {
            status = path.field->array ? check_array(fault, &path, value)
                                       : check_element(fault, &path, value + path.field->offset);
        }
    }
    return status;
}

troupe_status tr_value_check(const troupe_type *type, const void *value, char *error,
                             size_t error_size)
{
    const struct tr_fault fault = {
        .type = type, .error = error, .error_size = error_size, .numbers = true};

    if (type->size == 0) {
        return TROUPE_OK;
    }
    if (tr_value_size(type, value) > TR_VALUE_SIZE_MAX) {
        return tr_fault(&fault, NULL, TROUPE_E_LIMIT, "the value needs more than %zu bytes",
                        TR_VALUE_SIZE_MAX);
    }
    return check_struct(&fault, type, value, NULL);
}
