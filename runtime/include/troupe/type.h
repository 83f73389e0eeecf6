/* troupe/type.h - described types: declare a plain struct once; get copy, wire format, JSON and
 * SQL.
 *
 *     typedef struct deposit { int64_t cents; const char *memo; } deposit;
 *     TROUPE_TYPE(deposit, "bank.deposit",
 *         TROUPE_FIELD(deposit, cents, 1),
 *         TROUPE_FIELD(deposit, memo, 2));
 *
 * defines deposit_type. Numbers, not positions, travel between nodes, so fields can be added and
 * dropped: unknown ones are skipped, missing ones are zero. A number must never be given to a
 * field of another kind: that is a decode error. The type's name is its identity everywhere.
 *
 * Threads: descriptions are constant; every function here may be called from any thread.
 * Memory: a message is one block, strings and arrays included. In an actor's state each string and
 * array is a block of its own, which belongs to the actor (see troupe_set_string in actor.h).
 */
#ifndef TROUPE_TYPE_H
#define TROUPE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that are not text. In JSON they are base64. NULL is only valid with size 0. */
typedef struct troupe_bytes {
    const uint8_t *data;
    size_t size;
} troupe_bytes;

typedef enum troupe_kind {
    TROUPE_KIND_NONE = 0,
    TROUPE_KIND_BOOL = 1,
    TROUPE_KIND_INT32 = 2,
    TROUPE_KIND_INT64 = 3,
    TROUPE_KIND_UINT32 = 4,
    TROUPE_KIND_UINT64 = 5,
    TROUPE_KIND_DOUBLE = 6,
    TROUPE_KIND_STRING =
        7, /* const char *, UTF-8, ends with NUL; NULL is allowed and is JSON null */
    TROUPE_KIND_BYTES = 8,  /* troupe_bytes */
    TROUPE_KIND_PID = 9,    /* troupe_pid; JSON "<node.id>" */
    TROUPE_KIND_STRUCT = 10 /* another described struct, inside this one */
} troupe_kind;

struct troupe_type;

/* One field, filled by the macros below. An array field is a pointer to elements beside a size_t
 * that counts them. */
typedef struct troupe_field {
    const char *name;
    uint32_t number; /* 1 to 65,535, unique in the type, never reused */
    int32_t kind;    /* troupe_kind of the field, or of each element */
    size_t offset;   /* of the field, or of the pointer to the elements */
    size_t size;     /* of the field, or of one element, in bytes */
    bool array;
    size_t count_offset;            /* arrays: where the size_t with the count is */
    const struct troupe_type *type; /* kind STRUCT: what is inside, else NULL */
} troupe_field;

typedef struct troupe_type {
    const char *name;           /* 1 to 127 bytes, e.g. "bank.deposit"; "troupe." is reserved */
    size_t size;                /* of the struct; 0 for a message without content */
    const troupe_field *fields; /* field_count of them, in any order of numbers */
    size_t field_count;
} troupe_type;

/* Answers whether both describe the same type: the same object, or the same name. */
TROUPE_API bool troupe_type_is(const troupe_type *type, const troupe_type *other);

/* Checks a description: name, numbers, kinds, offsets, nesting (32 levels at most; a struct and an
 * array are one each), 256 fields at most, none over another, a count of its own for each array.
 * Writes the reason into error (may be NULL) and answers TROUPE_E_INVALID. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_type_check(const troupe_type *type, char *error,
                                                           size_t error_size);

/* Writes value as JSON. Gives *json, ended with NUL, to the caller, who releases it with
 * troupe_json_free. Every field is there, in the order of the description. 64-bit integers beyond
 * +-(2^53 - 1) and doubles from 1e40 up or below 1e-40 are written as strings.
 * Fails with TROUPE_E_NO_MEMORY, or TROUPE_E_TYPE when a string is not UTF-8 or a double is not
 * finite. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_to_json(const troupe_type *type, const void *value,
                                                        char **json);
TROUPE_API void troupe_json_free(char *json);

/* Reads JSON into one block that holds the struct and all it points to. Gives *value to the caller,
 * who releases it with troupe_value_free. Unknown keys are an error here, since people type JSON;
 * null and what is left out are zero; 64-bit integers and doubles may be strings. At most 1 MiB of
 * text. Fails with TROUPE_E_TYPE (error says which field and why), TROUPE_E_LIMIT or
 * TROUPE_E_NO_MEMORY.
 */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_from_json(const troupe_type *type, const char *json,
                                                          void **value, char *error,
                                                          size_t error_size);

/* Copies a value with all it points to into one block. Gives *copy. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_value_copy(const troupe_type *type,
                                                           const void *value, void **copy);

/* Takes what troupe_from_json or troupe_value_copy gave; NULL is allowed. */
TROUPE_API void troupe_value_free(void *value);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* The kind of an expression. A struct needs TROUPE_FIELD_STRUCT. */
#define TROUPE_KIND_OF(expression)                                                                 \
    _Generic((expression),                                                                         \
        bool: TROUPE_KIND_BOOL,                                                                    \
        int: TROUPE_KIND_INT32,                                                                    \
        unsigned int: TROUPE_KIND_UINT32,                                                          \
        long: TROUPE_KIND_INT64,                                                                   \
        long long: TROUPE_KIND_INT64,                                                              \
        unsigned long: TROUPE_KIND_UINT64,                                                         \
        unsigned long long: TROUPE_KIND_UINT64,                                                    \
        double: TROUPE_KIND_DOUBLE,                                                                \
        char *: TROUPE_KIND_STRING,                                                                \
        const char *: TROUPE_KIND_STRING,                                                          \
        troupe_bytes: TROUPE_KIND_BYTES,                                                           \
        troupe_pid: TROUPE_KIND_PID)

#define TROUPE_MEMBER(structure, member) (((structure *)0)->member)

/* A field whose kind is that of the member. */
#define TROUPE_FIELD(structure, member, field_number)                                              \
    {                                                                                              \
        .name = #member, .number = (field_number),                                                 \
        .kind = TROUPE_KIND_OF(TROUPE_MEMBER(structure, member)),                                  \
        .offset = offsetof(structure, member), .size = sizeof(TROUPE_MEMBER(structure, member)),   \
    }

/* A struct inside the struct. */
#define TROUPE_FIELD_STRUCT(structure, member, field_number, member_type)                          \
    {                                                                                              \
        .name = #member, .number = (field_number), .kind = TROUPE_KIND_STRUCT,                     \
        .offset = offsetof(structure, member), .size = sizeof(TROUPE_MEMBER(structure, member)),   \
        .type = (member_type),                                                                     \
    }

/* An array: `const int64_t *rates; size_t rates_count;`. */
#define TROUPE_FIELD_ARRAY(structure, member, count_member, field_number)                          \
    {                                                                                              \
        .name = #member, .number = (field_number),                                                 \
        .kind = TROUPE_KIND_OF(*TROUPE_MEMBER(structure, member)),                                 \
        .offset = offsetof(structure, member), .size = sizeof(*TROUPE_MEMBER(structure, member)),  \
        .array = true, .count_offset = offsetof(structure, count_member),                          \
    }

/* An array of described structs. */
#define TROUPE_FIELD_STRUCT_ARRAY(structure, member, count_member, field_number, member_type)      \
    {                                                                                              \
        .name = #member, .number = (field_number), .kind = TROUPE_KIND_STRUCT,                     \
        .offset = offsetof(structure, member), .size = sizeof(*TROUPE_MEMBER(structure, member)),  \
        .array = true, .count_offset = offsetof(structure, count_member), .type = (member_type),   \
    }

/* Defines `structure_type`, local to the file. In a header every file gets its own copy, which is
 * fine: types are the same when their names are. */
#define TROUPE_TYPE(structure, type_name, ...)                                                     \
    static const troupe_field structure##_fields[] = {__VA_ARGS__};                                \
    static const troupe_type structure##_type __attribute__((unused)) = {                          \
        .name = (type_name),                                                                       \
        .size = sizeof(structure),                                                                 \
        .fields = structure##_fields,                                                              \
        .field_count = sizeof(structure##_fields) / sizeof(structure##_fields[0]),                 \
    }

/* Defines `name_type` for a message without content, sent with NULL. */
#define TROUPE_TYPE_EMPTY(name_prefix, type_name)                                                  \
    static const troupe_type name_prefix##_type __attribute__((unused)) = {.name = (type_name)}

#endif /* __cplusplus */

#endif
