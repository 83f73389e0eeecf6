/* type/json.h - values as JSON, for people and for the database.
 *
 * Writing appends to a buffer that is kept from one value to the next, so that saving a state does
 * not allocate once the buffer has grown:
 *
 *     struct tr_json_buffer buffer;
 *     tr_json_buffer_init(&buffer, TR_JSON_STATE_SIZE_MAX, allocator);
 *     status = tr_value_to_json(&account_type, state, &buffer, error, sizeof(error));
 *     ... buffer.data, buffer.size ...
 *     tr_json_buffer_clear(&buffer);
 *
 * The text has every field, in the order of the description, without spaces. 64-bit integers beyond
 * +-(2^53 - 1) and doubles from 1e40 up or below 1e-40 are strings: the first would lose digits in
 * other programs, the second come back from jsonb as hundreds of digits.
 *
 * Threads: any; a buffer belongs to one thread at a time.
 */
#ifndef TR_TYPE_JSON_H
#define TR_TYPE_JSON_H

#include <stddef.h>

#include "troupe/status.h"
#include "troupe/type.h"
#include "type/value.h"

struct tr_json_buffer {
    char *data;  /* NULL before the first value, then ended with NUL, which size does not count */
    size_t size; /* bytes */
    size_t capacity; /* bytes of data */
    size_t size_max; /* more is TROUPE_E_LIMIT */
    const struct tr_allocator *allocator;
    troupe_status status; /* of the value being written */
};

/* The allocator is lent until fini. size_max is at most TR_JSON_OUTPUT_SIZE_MAX. */
void tr_json_buffer_init(struct tr_json_buffer *buffer, size_t size_max,
                         const struct tr_allocator *allocator);

void tr_json_buffer_fini(struct tr_json_buffer *buffer);

/* Forgets the text and keeps the memory. */
void tr_json_buffer_clear(struct tr_json_buffer *buffer);

/* Appends value as JSON. On failure the buffer has what it had before.
 * TROUPE_E_TYPE (not UTF-8, not finite; error says the field), TROUPE_E_LIMIT, TROUPE_E_NO_MEMORY.
 */
TROUPE_MUST_USE troupe_status tr_value_to_json(const troupe_type *type, const void *value,
                                               struct tr_json_buffer *buffer, char *error,
                                               size_t error_size);

struct tr_json_input {
    const char *text; /* need not end with NUL */
    size_t size;
    size_t size_max; /* more is TROUPE_E_LIMIT */
    bool lenient;    /* keys that are not known are skipped */
    const struct tr_allocator *allocator;
};

/* Reads JSON into one block got from the allocator. Gives *value to the caller. Otherwise as
 * troupe_from_json. */
TROUPE_MUST_USE troupe_status tr_value_from_json(const troupe_type *type,
                                                 const struct tr_json_input *input, void **value,
                                                 char *error, size_t error_size);

/* As troupe_from_json, for a state that another version may have saved: keys that are not known are
 * skipped, text up to TR_JSON_STORED_SIZE_MAX is taken. The caller releases *value with
 * troupe_value_free. */
TROUPE_MUST_USE troupe_status tr_value_from_json_lenient(const troupe_type *type, const char *json,
                                                         size_t size, void **value, char *error,
                                                         size_t error_size);

#endif
