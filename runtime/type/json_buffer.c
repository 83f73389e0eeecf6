#include "type/json_buffer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"
#include "type/base64.h"

enum { CAPACITY_FIRST = 256, DOUBLE_TEXT_SIZE = 40 };

void tr_json_buffer_init(struct tr_json_buffer *buffer, size_t size_max,
                         const struct tr_allocator *allocator)
{
    *buffer = (struct tr_json_buffer){.size_max = size_max, .allocator = allocator};
}

void tr_json_buffer_fini(struct tr_json_buffer *buffer)
{
    buffer->allocator->release(buffer->allocator->context, buffer->data);
    *buffer = (struct tr_json_buffer){0};
}

void tr_json_buffer_clear(struct tr_json_buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

bool tr_json_buffer_grow(struct tr_json_buffer *buffer, size_t size)
{
    const size_t capacity_max = buffer->size_max + 1; /* with the NUL */
    size_t capacity = buffer->capacity < CAPACITY_FIRST ? CAPACITY_FIRST : buffer->capacity;
    char *data = NULL;

    if (buffer->status != TROUPE_OK) {
        return false;
    }
    if (size > buffer->size_max || buffer->size > buffer->size_max - size) {
        buffer->status = TROUPE_E_LIMIT;
        return false;
    }
    while (capacity <= buffer->size + size) {
        capacity *= 2; /* the limit is far from the top of size_t */
    }
    if (capacity > capacity_max) {
        capacity = capacity_max;
    }
    data = buffer->allocator->allocate(buffer->allocator->context, capacity);
    if (data == NULL) {
        buffer->status = TROUPE_E_NO_MEMORY;
        return false;
    }
    if (buffer->size > 0) {
        memcpy(data, buffer->data, buffer->size);
    }
    buffer->allocator->release(buffer->allocator->context, buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void tr_json_put_integer(struct tr_json_buffer *buffer, bool negative, uint64_t magnitude)
{
    char text[TR_DECIMAL_SIZE_MAX + 1u];
    size_t size = negative ? 1 : 0;

    text[0] = '-';
    size += tr_decimal_print(magnitude, text + size);
    tr_json_put(buffer, text, size);
}

/* Puts a point where the locale of the process has something else. Answers the new size. */
static size_t undo_locale(char *text, size_t size)
{
    size_t kept = 0;

    for (size_t index = 0; index < size; index++) {
        const char c = text[index];

        if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == 'e') {
            text[kept++] = c;
        } else if (kept > 0 && text[kept - 1] != '.') {
            text[kept++] = '.'; /* once, however many bytes it took */
        }
    }
    return kept;
}

void tr_json_put_double(struct tr_json_buffer *buffer, double real)
{
    const double size = fabs(real);
    const bool far = size >= 1e40 || (size > 0 && size < 1e-40);
    char text[DOUBLE_TEXT_SIZE];
    int taken = 0;

    if (size < 1e15 && trunc(real) == real && (size > 0 || !signbit(real))) {
        tr_json_put_integer(buffer, real < 0, (uint64_t)size);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        taken = snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real) {
            break;
        }
    }
    if (far) {
        tr_json_put_character(buffer, '"');
    }
    tr_json_put(buffer, text, undo_locale(text, (size_t)taken));
    if (far) {
        tr_json_put_character(buffer, '"');
    }
}

static void put_escaped(struct tr_json_buffer *buffer, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char escapes[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char text[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15u]};

    if (escapes[byte] != 0) {
        text[1] = escapes[byte];
        tr_json_put(buffer, text, 2);
    } else {
        tr_json_put(buffer, text, sizeof(text));
    }
}

void tr_json_put_string(struct tr_json_buffer *buffer, const char *string, size_t size)
{
    size_t start = 0;

    tr_json_put_character(buffer, '"');
    for (size_t index = 0; index < size; index++) {
        const unsigned char byte = (unsigned char)string[index];

        if (byte < 0x20u || byte == '"' || byte == '\\') {
            tr_json_put(buffer, string + start, index - start);
            put_escaped(buffer, byte);
            start = index + 1;
        }
    }
    tr_json_put(buffer, string + start, size - start);
    tr_json_put_character(buffer, '"');
}

void tr_json_put_base64(struct tr_json_buffer *buffer, const uint8_t *data, size_t size)
{
    tr_json_put_character(buffer, '"');
    if (size > buffer->size_max) {
        (void)tr_json_buffer_grow(buffer, size); /* too much; and the sum below must not wrap */
    } else if (tr_json_room(buffer, TR_BASE64_SIZE(size))) {
        tr_base64_encode(data, size, buffer->data + buffer->size);
        buffer->size += TR_BASE64_SIZE(size);
    }
    tr_json_put_character(buffer, '"');
}
