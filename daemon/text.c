#include "daemon/text.h"

#include <stdint.h>
#include <string.h>

/* How the escapes look, by where the text goes. */
enum text_style { STYLE_TERMINAL, STYLE_QUOTED, STYLE_JSON };

struct text_char {
    uint32_t point; /* the code point, or the byte itself when it is not valid */
    size_t size;    /* bytes taken, at least 1 */
    bool valid;
};

static uint32_t continuation(const unsigned char *bytes, size_t count, uint32_t point)
{
    for (size_t i = 1; i <= count; i++) {
        if ((bytes[i] & 0xc0u) != 0x80u) {
            return UINT32_MAX;
        }
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    return point;
}

/* Reads one character; overlong forms, surrogates and cut ones are not valid. */
static struct text_char char_read(const char *text, size_t size)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    struct text_char character = {.point = bytes[0], .size = 1, .valid = true};
    size_t more = 0;
    uint32_t point = 0;

    if (bytes[0] < 0x80) {
        return character;
    }
    if (bytes[0] >= 0xc2 && bytes[0] < 0xe0) {
        more = 1;
        point = bytes[0] & 0x1fu;
    } else if (bytes[0] >= 0xe0 && bytes[0] < 0xf0) {
        more = 2;
        point = bytes[0] & 0x0fu;
    } else if (bytes[0] >= 0xf0 && bytes[0] < 0xf5) {
        more = 3;
        point = bytes[0] & 0x07u;
    }
    character.valid = false;
    if (more == 0 || more >= size) {
        return character;
    }
    point = continuation(bytes, more, point);
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
        return character;
    }
    return (struct text_char){.point = point, .size = more + 1, .valid = true};
}

static bool is_harmless(const struct text_char *character)
{
    const uint32_t point = character->point;

    if (!character->valid || point < 0x20 || (point >= 0x7f && point < 0xa0)) {
        return false;
    }
    /* Marks and overrides of direction would show the rest of a line in another order; U+2028 and
     * U+2029 break lines in some readers of logs. */
    return !(point >= 0x202a && point <= 0x202e) && !(point >= 0x2066 && point <= 0x2069) &&
           point != 0x2028 && point != 0x2029 && point != 0x200e && point != 0x200f;
}

/* Writes one character as it may be shown; answers the bytes written, at most 12. */
static size_t char_write(const char *text, const struct text_char *character, enum text_style style,
                         char *out)
{
    const bool quote = character->point == '"' || character->point == '\\';

    if (is_harmless(character)) {
        size_t size = 0;

        if (quote && style != STYLE_TERMINAL) {
            out[size++] = '\\';
        }
        memcpy(out + size, text, character->size);
        return size + character->size;
    }
    if (style == STYLE_JSON && !character->valid) {
        return (size_t)snprintf(out, 13, "\\ufffd");
    }
    if (style != STYLE_JSON && (character->point == '\n' || character->point == '\t')) {
        return (size_t)snprintf(out, 13, character->point == '\n' ? "\\n" : "\\t");
    }
    if (style == STYLE_JSON || character->point > 0xff) {
        return (size_t)snprintf(out, 13, "\\u%04x", (unsigned)character->point & 0xffffu);
    }
    return (size_t)snprintf(out, 13, "\\x%02x", (unsigned)character->point & 0xffu);
}

void text_line_init(struct text_line *line, char *bytes, size_t capacity)
{
    *line = (struct text_line){.bytes = bytes, .capacity = capacity};
    bytes[0] = '\0';
}

static bool line_put(struct text_line *line, const char *bytes, size_t size)
{
    if (size >= line->capacity - line->size) {
        return false;
    }
    memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
    line->bytes[line->size] = '\0';
    return true;
}

void text_line_add(struct text_line *line, const char *literal)
{
    (void)line_put(line, literal, strlen(literal));
}

/* Adds text escaped, leaving `spare` bytes of room for what has to follow. */
static void line_add_escaped(struct text_line *line, const char *text, size_t limit,
                             enum text_style style, size_t spare)
{
    const size_t size = strnlen(text, limit);
    size_t at = 0;
    char escaped[16];

    while (at < size) {
        const struct text_char character = char_read(text + at, size - at);
        const size_t written = char_write(text + at, &character, style, escaped);

        if (written + spare >= line->capacity - line->size) {
            return;
        }
        (void)line_put(line, escaped, written);
        at += character.size;
    }
}

void text_line_add_printable(struct text_line *line, const char *text, size_t limit)
{
    line_add_escaped(line, text, limit, STYLE_TERMINAL, 0);
}

void text_line_add_json(struct text_line *line, const char *text, size_t limit)
{
    text_line_add(line, "\"");
    line_add_escaped(line, text, limit, STYLE_JSON, 2);
    text_line_add(line, "\"");
}

static bool is_plain_word(const char *text, size_t limit)
{
    const size_t size = strnlen(text, limit);

    if (size == 0 || size > 256) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)text[i];

        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return false;
        }
    }
    return true;
}

void text_line_add_logfmt(struct text_line *line, const char *text, size_t limit)
{
    if (is_plain_word(text, limit)) {
        text_line_add_printable(line, text, limit);
        return;
    }
    text_line_add(line, "\"");
    line_add_escaped(line, text, limit, STYLE_QUOTED, 2);
    text_line_add(line, "\"");
}

void text_print(FILE *out, const char *text, size_t size)
{
    size_t at = 0;
    char escaped[16];

    while (at < size) {
        const struct text_char character = char_read(text + at, size - at);
        const size_t written = char_write(text + at, &character, STYLE_TERMINAL, escaped);

        (void)fwrite(escaped, 1, written, out);
        at += character.size;
    }
}

void text_print_json(FILE *out, const char *json)
{
    const size_t size = strlen(json);
    size_t at = 0;
    char escaped[16];

    while (at < size) {
        const struct text_char character = char_read(json + at, size - at);

        if (character.point < 0x7f || is_harmless(&character)) {
            (void)fwrite(json + at, 1, character.size, out);
        } else {
            const size_t written = char_write(json + at, &character, STYLE_JSON, escaped);

            (void)fwrite(escaped, 1, written, out);
        }
        at += character.size;
    }
}

size_t text_columns(const char *text, size_t size)
{
    size_t columns = 0;
    size_t at = 0;
    char escaped[16];

    while (at < size) {
        const struct text_char character = char_read(text + at, size - at);

        columns += is_harmless(&character)
                       ? 1
                       : char_write(text + at, &character, STYLE_TERMINAL, escaped);
        at += character.size;
    }
    return columns;
}
