#include "type/base64.h"

#include <string.h>

static const char alphabet[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/',
};

/* The last one or two bytes, padded. */
static void encode_rest(const uint8_t *data, size_t size, char *text)
{
    const uint32_t second = size == 2 ? data[1] : 0;
    const uint32_t bits = (uint32_t)data[0] << 16 | second << 8;

    memcpy(text, "====", 4);
    text[0] = alphabet[bits >> 18];
    text[1] = alphabet[(bits >> 12) & 63u];
    if (size == 2) {
        text[2] = alphabet[(bits >> 6) & 63u];
    }
}

void tr_base64_encode(const uint8_t *data, size_t size, char *text)
{
    for (; size >= 3; size -= 3) {
        const uint32_t bits = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | (uint32_t)data[2];

        text[0] = alphabet[bits >> 18];
        text[1] = alphabet[(bits >> 12) & 63u];
        text[2] = alphabet[(bits >> 6) & 63u];
        text[3] = alphabet[bits & 63u];
        text += 4;
        data += 3;
    }
    if (size > 0) {
        encode_rest(data, size, text);
    }
}

/* The six bits that a character stands for, or 64. */
static uint32_t bits_of(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return (uint32_t)(character - 'A');
    }
    if (character >= 'a' && character <= 'z') {
        return (uint32_t)(character - 'a') + 26u;
    }
    if (character >= '0' && character <= '9') {
        return (uint32_t)(character - '0') + 52u;
    }
    if (character == '+') {
        return 62u;
    }
    return character == '/' ? 63u : 64u;
}

static size_t padding_of(const char *text, size_t text_size)
{
    if (text_size == 0 || text[text_size - 1] != '=') {
        return 0;
    }
    return text[text_size - 2] == '=' ? 2 : 1;
}

bool tr_base64_decoded_size(const char *text, size_t text_size, size_t *size)
{
    size_t padding = 0;
    uint32_t last = 0;

    if (text_size % 4 != 0) {
        return false;
    }
    padding = padding_of(text, text_size);
    for (size_t index = 0; index < text_size - padding; index++) {
        last = bits_of(text[index]);
        if (last > 63u) {
            return false;
        }
    }
    if ((padding == 2 && (last & 15u) != 0) || (padding == 1 && (last & 3u) != 0)) {
        return false; /* bits that no byte needs: another text stands for the same bytes */
    }
    *size = text_size / 4 * 3 - padding;
    return true;
}

void tr_base64_decode(const char *text, size_t text_size, uint8_t *data)
{
    const size_t count = text_size - padding_of(text, text_size);
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t index = 0; index < count; index++) {
        bits = bits << 6 | bits_of(text[index]);
        have += 6;
        if (have >= 8) {
            have -= 8;
            *data++ = (uint8_t)(bits >> have);
        }
    }
}
