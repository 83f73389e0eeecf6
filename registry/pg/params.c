#include "pg/params.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/check.h"

/* A binary array: dimensions, has-null flag, element type, then length and lower bound of the one
 * dimension, then each element as length and bytes. */
enum { ARRAY_HEADER_SIZE = 20, FORMAT_TEXT = 0, FORMAT_BINARY = 1 };

void reg_params_init(struct reg_params *params)
{
    params->count = 0;
    params->failed = false;
}

void reg_params_fini(struct reg_params *params)
{
    for (int index = 0; index < params->count; index++) {
        free(params->values[index]);
    }
    reg_params_init(params);
}

bool reg_params_ok(const struct reg_params *params)
{
    return !params->failed;
}

static void add(struct reg_params *params, char *value, int length, int format)
{
    TR_CHECK(params->count < REG_PARAMS_MAX);
    params->values[params->count] = value;
    params->lengths[params->count] = length;
    params->formats[params->count] = format;
    params->count++;
}

void reg_params_text(struct reg_params *params, const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);

    params->failed = params->failed || (text != NULL && copy == NULL);
    add(params, copy, 0, FORMAT_TEXT);
}

void reg_params_u64(struct reg_params *params, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    reg_params_text(params, text);
}

void reg_params_i64(struct reg_params *params, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    reg_params_text(params, text);
}

void reg_params_bool(struct reg_params *params, bool value)
{
    reg_params_text(params, value ? "t" : "f");
}

void reg_params_uuid(struct reg_params *params, const uint8_t uuid[16])
{
    static const char digits[] = "0123456789abcdef";
    char text[33];

    for (size_t index = 0; index < 16; index++) {
        text[2 * index] = digits[uuid[index] >> 4];
        text[2 * index + 1] = digits[uuid[index] & 15];
    }
    text[32] = '\0';
    reg_params_text(params, text);
}

void reg_params_array(struct reg_params *params, struct reg_array *array)
{
    if (array->failed || array->size > INT_MAX) {
        params->failed = true;
        reg_array_fini(array);
        add(params, NULL, 0, FORMAT_TEXT);
        return;
    }
    /* An array of no elements has no dimension, and its header is shorter. */
    tr_be32_put(array->bytes, array->count == 0 ? 0 : 1);
    tr_be32_put(array->bytes + 4, array->has_null ? 1 : 0);
    tr_be32_put(array->bytes + 8, (uint32_t)array->oid);
    tr_be32_put(array->bytes + 12, (uint32_t)array->count);
    tr_be32_put(array->bytes + 16, 1);
    add(params, (char *)array->bytes, array->count == 0 ? 12 : (int)array->size, FORMAT_BINARY);
    *array = (struct reg_array){0};
}

/* Answers size more bytes at the end of the array, or NULL. */
static uint8_t *extend(struct reg_array *array, size_t size)
{
    const size_t needed = array->size + size;
    uint8_t *place = NULL;

    if (array->failed) {
        return NULL;
    }
    if (needed > array->capacity) {
        const size_t capacity = needed + needed / 2 + 64;
        uint8_t *bytes = realloc(array->bytes, capacity);

        if (bytes == NULL) {
            array->failed = true;
            return NULL;
        }
        array->bytes = bytes;
        array->capacity = capacity;
    }
    place = array->bytes + array->size;
    array->size = needed;
    return place;
}

void reg_array_init(struct reg_array *array, enum reg_oid oid)
{
    *array = (struct reg_array){.oid = oid};
    (void)extend(array, ARRAY_HEADER_SIZE);
}

void reg_array_fini(struct reg_array *array)
{
    free(array->bytes);
    *array = (struct reg_array){0};
}

/* Answers the place of the next element's bytes, or NULL. */
static uint8_t *element(struct reg_array *array, size_t size)
{
    uint8_t *place = NULL;

    if (size > INT32_MAX - 4 || array->count == INT32_MAX) {
        array->failed = true;
        return NULL;
    }
    place = extend(array, 4 + size);
    if (place == NULL) {
        return NULL;
    }
    tr_be32_put(place, (uint32_t)size);
    array->count++;
    return place + 4;
}

void reg_array_text(struct reg_array *array, const char *text)
{
    uint8_t *place = NULL;

    TR_CHECK(array->oid == REG_OID_TEXT);
    if (text == NULL) {
        place = extend(array, 4);
        if (place != NULL) {
            tr_be32_put(place, UINT32_MAX); /* a length of -1 */
            array->count++;
            array->has_null = true;
        }
        return;
    }
    place = element(array, strlen(text));
    if (place != NULL) {
        memcpy(place, text, strlen(text));
    }
}

void reg_array_u64(struct reg_array *array, uint64_t value)
{
    uint8_t *place = element(array, 8);

    TR_CHECK(array->oid == REG_OID_INT8);
    if (place != NULL) {
        tr_be32_put(place, (uint32_t)(value >> 32));
        tr_be32_put(place + 4, (uint32_t)value);
    }
}

void reg_array_i32(struct reg_array *array, int32_t value)
{
    uint8_t *place = element(array, 4);

    TR_CHECK(array->oid == REG_OID_INT4);
    if (place != NULL) {
        tr_be32_put(place, (uint32_t)value);
    }
}

void reg_array_bool(struct reg_array *array, bool value)
{
    uint8_t *place = element(array, 1);

    TR_CHECK(array->oid == REG_OID_BOOL);
    if (place != NULL) {
        *place = value ? 1 : 0;
    }
}
