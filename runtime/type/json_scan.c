#include "type/json_scan.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "type/fault.h"
#include "type/limits.h"

enum expect {
    EXPECT_VALUE = 0,
    EXPECT_FIRST_ELEMENT, /* after [: a value or ] */
    EXPECT_FIRST_KEY,     /* after {: a key or } */
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_COMMA, /* after an element or a pair: a comma or the end of it */
    EXPECT_END    /* after the outermost value */
};

struct scanner {
    const char *text;
    size_t size;
    size_t at;
    unsigned depth;
    bool objects[TR_TYPE_DEPTH_MAX]; /* which of the open ones are objects */
    char *error;
    size_t error_size;
};

static troupe_status refuse(const struct scanner *scanner, troupe_status status, const char *reason)
{
    size_t line = 1;
    size_t start = 0;

    for (size_t index = 0; index < scanner->at; index++) {
        if (scanner->text[index] == '\n') {
            line += 1;
            start = index + 1;
        }
    }
    tr_error_print(scanner->error, scanner->error_size, "JSON line %zu column %zu: %s", line,
                   scanner->at - start + 1, reason);
    return status;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const char *text, size_t size, size_t at)
{
    const size_t start = at;

    while (at < size && is_digit(text[at])) {
        at++;
    }
    return at - start;
}

size_t tr_json_scan_number(const char *text, size_t size)
{
    size_t at = size > 0 && text[0] == '-' ? 1 : 0;
    size_t count = digits(text, size, at);

    if (count == 0 || (count > 1 && text[at] == '0')) {
        return 0;
    }
    at += count;
    if (at < size && text[at] == '.') {
        count = digits(text, size, at + 1);
        if (count == 0) {
            return 0;
        }
        at += 1 + count;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        const size_t sign = at + 1 < size && (text[at + 1] == '+' || text[at + 1] == '-') ? 1 : 0;

        count = digits(text, size, at + 1 + sign);
        if (count == 0) {
            return 0;
        }
        at += 1 + sign + count;
    }
    return at;
}

static troupe_status scan_number(struct scanner *scanner)
{
    const size_t size =
        tr_json_scan_number(scanner->text + scanner->at, scanner->size - scanner->at);

    if (size == 0) {
        return refuse(scanner, TROUPE_E_TYPE, "this is no number");
    }
    if (size > TR_JSON_NUMBER_SIZE_MAX) {
        return refuse(scanner, TROUPE_E_LIMIT, "a number has 62 characters at most");
    }
    scanner->at += size;
    return TROUPE_OK;
}

/* Reads four hexadecimal digits. */
static bool scan_hex(const struct scanner *scanner, size_t at, unsigned *code)
{
    unsigned sum = 0;

    if (scanner->size - scanner->at < 4 || at > scanner->size - 4) {
        return false;
    }
    for (size_t index = at; index < at + 4; index++) {
        const char c = scanner->text[index];

        sum <<= 4;
        if (is_digit(c)) {
            sum |= (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            sum |= (unsigned)(c - 'a') + 10u;
        } else if (c >= 'A' && c <= 'F') {
            sum |= (unsigned)(c - 'A') + 10u;
        } else {
            return false;
        }
    }
    *code = sum;
    return true;
}

/* At the u of \u. */
static troupe_status scan_unicode(struct scanner *scanner)
{
    unsigned code = 0;
    unsigned second = 0;

    if (!scan_hex(scanner, scanner->at + 1, &code)) {
        return refuse(scanner, TROUPE_E_TYPE, "\\u needs four hexadecimal digits");
    }
    if (code == 0) {
        return refuse(scanner, TROUPE_E_TYPE, "a string cannot hold \\u0000");
    }
    if (code >= 0xdc00u && code <= 0xdfffu) {
        return refuse(scanner, TROUPE_E_TYPE, "half of a surrogate pair");
    }
    if (code < 0xd800u || code > 0xdbffu) {
        scanner->at += 5;
        return TROUPE_OK;
    }
    if (scanner->size - scanner->at < 11 || scanner->text[scanner->at + 5] != '\\' ||
        scanner->text[scanner->at + 6] != 'u' || !scan_hex(scanner, scanner->at + 7, &second) ||
        second < 0xdc00u || second > 0xdfffu) {
        return refuse(scanner, TROUPE_E_TYPE, "half of a surrogate pair");
    }
    scanner->at += 11;
    return TROUPE_OK;
}

/* At the opening quote; ends behind the closing one. */
static troupe_status scan_string(struct scanner *scanner)
{
    scanner->at++;
    while (scanner->at < scanner->size) {
        const unsigned char c = (unsigned char)scanner->text[scanner->at];

        if (c == '"') {
            scanner->at++;
            return TROUPE_OK;
        }
        if (c < 0x20u) {
            return refuse(scanner, TROUPE_E_TYPE, "a control character in a string");
        }
        scanner->at++;
        if (c != '\\' || scanner->at == scanner->size) {
            continue;
        }
        if (scanner->text[scanner->at] == 'u') {
            const troupe_status status = scan_unicode(scanner);

            if (status != TROUPE_OK) {
                return status;
            }
        } else if (memchr("\"\\/bfnrt", scanner->text[scanner->at], 8) != NULL) {
            scanner->at++;
        } else {
            return refuse(scanner, TROUPE_E_TYPE, "there is no such escape");
        }
    }
    return refuse(scanner, TROUPE_E_TYPE, "the string does not end");
}

static bool scan_word(struct scanner *scanner, const char *word)
{
    const size_t size = strlen(word);

    if (scanner->size - scanner->at < size ||
        memcmp(scanner->text + scanner->at, word, size) != 0) {
        return false;
    }
    scanner->at += size;
    return true;
}

static enum expect after_value(const struct scanner *scanner)
{
    return scanner->depth == 0 ? EXPECT_END : EXPECT_COMMA;
}

static troupe_status open_one(struct scanner *scanner, bool object, enum expect *expect)
{
    if (scanner->depth == TR_TYPE_DEPTH_MAX) {
        return refuse(scanner, TROUPE_E_LIMIT, "it nests deeper than 32");
    }
    scanner->objects[scanner->depth++] = object;
    scanner->at++;
    *expect = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_ELEMENT;
    return TROUPE_OK;
}

static troupe_status scan_value(struct scanner *scanner, enum expect *expect)
{
    const char c = scanner->text[scanner->at];
    troupe_status status = TROUPE_OK;

    if (c == '{' || c == '[') {
        return open_one(scanner, c == '{', expect);
    }
    if (c == '"') {
        status = scan_string(scanner);
    } else if (c == '-' || is_digit(c)) {
        status = scan_number(scanner);
    } else if (!scan_word(scanner, "true") && !scan_word(scanner, "false") &&
               !scan_word(scanner, "null")) {
        status = refuse(scanner, TROUPE_E_TYPE, "expected a value");
    }
    *expect = after_value(scanner);
    return status;
}

static troupe_status scan_key(struct scanner *scanner, enum expect *expect)
{
    if (scanner->text[scanner->at] != '"') {
        return refuse(scanner, TROUPE_E_TYPE, "expected a key in quotes");
    }
    *expect = EXPECT_COLON;
    return scan_string(scanner);
}

static troupe_status scan_comma(struct scanner *scanner, enum expect *expect)
{
    const bool object = scanner->objects[scanner->depth - 1];

    if (scanner->text[scanner->at] != ',') {
        return refuse(scanner, TROUPE_E_TYPE,
                      object ? "expected a comma or }" : "expected a comma or ]");
    }
    scanner->at++;
    *expect = object ? EXPECT_KEY : EXPECT_VALUE;
    return TROUPE_OK;
}

/* Takes the end of what is open, if that is what comes. */
static bool close_one(struct scanner *scanner, enum expect *expect)
{
    const bool may =
        *expect == EXPECT_COMMA || *expect == EXPECT_FIRST_KEY || *expect == EXPECT_FIRST_ELEMENT;

    if (!may || scanner->text[scanner->at] != (scanner->objects[scanner->depth - 1] ? '}' : ']')) {
        return false;
    }
    scanner->at++;
    scanner->depth--;
    *expect = after_value(scanner);
    return true;
}

static troupe_status scan_next(struct scanner *scanner, enum expect *expect)
{
    if (close_one(scanner, expect)) {
        return TROUPE_OK;
    }
    switch (*expect) {
    case EXPECT_VALUE:
    case EXPECT_FIRST_ELEMENT:
        return scan_value(scanner, expect);
    case EXPECT_FIRST_KEY:
    case EXPECT_KEY:
        return scan_key(scanner, expect);
    case EXPECT_COLON:
        if (scanner->text[scanner->at] != ':') {
            return refuse(scanner, TROUPE_E_TYPE, "expected a colon");
        }
        scanner->at++;
        *expect = EXPECT_VALUE;
        return TROUPE_OK;
    case EXPECT_COMMA:
        return scan_comma(scanner, expect);
    case EXPECT_END:
        break;
    }
    return refuse(scanner, TROUPE_E_TYPE, "something follows the value");
}

static void skip_space(struct scanner *scanner)
{
    while (scanner->at < scanner->size &&
           memchr(" \t\r\n", scanner->text[scanner->at], 4) != NULL) {
        scanner->at++;
    }
}

troupe_status tr_json_scan(const char *text, size_t size, char *error, size_t error_size)
{
    struct scanner scanner = {.text = text, .size = size, .error = error, .error_size = error_size};
    enum expect expect = EXPECT_VALUE;

    if (!tr_utf8_is_valid(text, size)) {
        tr_error_print(error, error_size, "the JSON is not UTF-8");
        return TROUPE_E_TYPE;
    }
    skip_space(&scanner);
    while (scanner.at < size) {
        const troupe_status status = scan_next(&scanner, &expect);

        if (status != TROUPE_OK) {
            return status;
        }
        skip_space(&scanner);
    }
    if (expect != EXPECT_END) {
        return refuse(&scanner, TROUPE_E_TYPE, "the text ends early");
    }
    return TROUPE_OK;
}
