#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0u) == 0x80u;
}

/* Answers the size of the character at the front, or 0 when it is not valid. */
static size_t character_size(const uint8_t *at, size_t left)
{
    const uint8_t first = at[0];

    if (first < 0x80u) {
        return 1;
    }
    if (first >= 0xc2u && first <= 0xdfu) {
        return left >= 2 && is_tail(at[1]) ? 2 : 0;
    }
    if (first >= 0xe0u && first <= 0xefu) {
        if (left < 3 || !is_tail(at[1]) || !is_tail(at[2])) {
            return 0;
        }
        if ((first == 0xe0u && at[1] < 0xa0u) || (first == 0xedu && at[1] >= 0xa0u)) {
            return 0; /* an overlong form, or half of a surrogate pair */
        }
        return 3;
    }
    if (first >= 0xf0u && first <= 0xf4u) {
        if (left < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3])) {
            return 0;
        }
        if ((first == 0xf0u && at[1] < 0x90u) || (first == 0xf4u && at[1] >= 0x90u)) {
            return 0; /* an overlong form, or beyond U+10FFFF */
        }
        return 4;
    }
    return 0;
}

bool tr_utf8_is_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        uint64_t word = 0;
        size_t step = 0;

        if (size >= sizeof(word)) {
            memcpy(&word, at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) { /* eight ASCII characters */
                at += sizeof(word);
                size -= sizeof(word);
                continue;
            }
        }
        step = character_size(at, size);
        if (step == 0) {
            return false;
        }
        at += step;
        size -= step;
    }
    return true;
}

bool tr_utf8_is_line(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (size_t index = 0; index < size; index++) {
        if (at[index] < ' ' || at[index] == 0x7f) {
            return false;
        }
    }
    return tr_utf8_is_valid(bytes, size);
}

size_t tr_utf8_cut(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    size_t start = size;

    while (start > 0 && size - start < 4) {
        start--;
        if (!is_tail(at[start])) {
            return character_size(at + start, size - start) == 0 ? start : size;
        }
    }
    return size;
}
