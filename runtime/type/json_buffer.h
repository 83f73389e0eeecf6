/* type/json_buffer.h - appending pieces of text to a tr_json_buffer. Inside this folder only.
 *
 * After a failure buffer->status says which, and everything else appended is dropped.
 */
#ifndef TR_TYPE_JSON_BUFFER_H
#define TR_TYPE_JSON_BUFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "type/json.h"

/* Makes room for size more bytes and a NUL, or sets the status and answers false. */
bool tr_json_buffer_grow(struct tr_json_buffer *buffer, size_t size);

static inline bool tr_json_room(struct tr_json_buffer *buffer, size_t size)
{
    return size < buffer->capacity - buffer->size || tr_json_buffer_grow(buffer, size);
}

static inline void tr_json_put(struct tr_json_buffer *buffer, const char *text, size_t size)
{
    if (tr_json_room(buffer, size)) {
        memcpy(buffer->data + buffer->size, text, size);
        buffer->size += size;
    }
}

static inline void tr_json_put_character(struct tr_json_buffer *buffer, char character)
{
    if (tr_json_room(buffer, 1)) {
        buffer->data[buffer->size++] = character;
    }
}

void tr_json_put_integer(struct tr_json_buffer *buffer, bool negative, uint64_t magnitude);

/* A finite double, as the shortest text that gives the same double again. */
void tr_json_put_double(struct tr_json_buffer *buffer, double real);

/* A string in quotes. Its bytes are UTF-8. */
void tr_json_put_string(struct tr_json_buffer *buffer, const char *string, size_t size);

void tr_json_put_base64(struct tr_json_buffer *buffer, const uint8_t *data, size_t size);

#endif
