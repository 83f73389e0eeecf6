#include "type/msgpack.h"

static bool is_left(const struct tr_msgpack_reader *reader, uint64_t size)
{
    return size <= (uint64_t)(reader->end - reader->at);
}

/* Takes a big-endian number of 1, 2, 4 or 8 bytes. */
static bool take_number(struct tr_msgpack_reader *reader, size_t width, uint64_t *number)
{
    uint64_t sum = 0;

    if (!is_left(reader, width)) {
        return false;
    }
    for (size_t index = 0; index < width; index++) {
        sum = sum << 8 | reader->at[index];
    }
    reader->at += width;
    *number = sum;
    return true;
}

static bool take_data(struct tr_msgpack_reader *reader, struct tr_token *token, uint64_t size)
{
    if (!is_left(reader, size)) {
        return false;
    }
    token->data = reader->at;
    token->size = (size_t)size;
    reader->at += size;
    return true;
}

static bool take_sized(struct tr_msgpack_reader *reader, struct tr_token *token, size_t width,
                       size_t extra)
{
    uint64_t size = 0;

    return take_number(reader, width, &size) && take_data(reader, token, size + extra);
}

/* Every element takes a byte at least, so a count that the rest cannot hold is refused at once. */
static bool take_count(const struct tr_msgpack_reader *reader, struct tr_token *token,
                       uint64_t count)
{
    const uint64_t each = token->kind == TR_TOKEN_MAP ? 2 : 1;

    token->size = (size_t)count;
    return is_left(reader, count * each);
}

static bool take_counted(struct tr_msgpack_reader *reader, struct tr_token *token, size_t width)
{
    uint64_t count = 0;

    return take_number(reader, width, &count) && take_count(reader, token, count);
}

static bool take_signed(struct tr_msgpack_reader *reader, struct tr_token *token, size_t width)
{
    const uint64_t sign = UINT64_C(1) << (8 * width - 1);
    uint64_t bits = 0;

    if (!take_number(reader, width, &bits)) {
        return false;
    }
    token->integer.negative = (bits & sign) != 0;
    /* (bits ^ sign) - sign extends the sign to 64 bits. */
    token->integer.magnitude = token->integer.negative ? sign - (bits ^ sign) : bits;
    return true;
}

static bool take_unsigned(struct tr_msgpack_reader *reader, struct tr_token *token, size_t width)
{
    return take_number(reader, width, &token->integer.magnitude);
}

static bool take_double(struct tr_msgpack_reader *reader, struct tr_token *token)
{
    uint64_t bits = 0;

    if (!take_number(reader, sizeof(bits), &bits)) {
        return false;
    }
    memcpy(&token->real, &bits, sizeof(bits));
    return true;
}

static bool take_float(struct tr_msgpack_reader *reader, struct tr_token *token)
{
    uint64_t bits = 0;
    uint32_t low = 0;
    float real = 0;

    if (!take_number(reader, sizeof(low), &bits)) {
        return false;
    }
    low = (uint32_t)bits;
    memcpy(&real, &low, sizeof(low));
    token->real = (double)real; /* exact */
    return true;
}

/* What a first byte from 0xc0 to 0xdf announces; 0xc1 is not here. */
static enum tr_token_kind kind_of(uint8_t first)
{
    static const uint8_t kinds[32] = {
        TR_TOKEN_NIL,       TR_TOKEN_INVALID,   TR_TOKEN_BOOL,      TR_TOKEN_BOOL,
        TR_TOKEN_BYTES,     TR_TOKEN_BYTES,     TR_TOKEN_BYTES,     TR_TOKEN_EXTENSION,
        TR_TOKEN_EXTENSION, TR_TOKEN_EXTENSION, TR_TOKEN_DOUBLE,    TR_TOKEN_DOUBLE,
        TR_TOKEN_INTEGER,   TR_TOKEN_INTEGER,   TR_TOKEN_INTEGER,   TR_TOKEN_INTEGER,
        TR_TOKEN_INTEGER,   TR_TOKEN_INTEGER,   TR_TOKEN_INTEGER,   TR_TOKEN_INTEGER,
        TR_TOKEN_EXTENSION, TR_TOKEN_EXTENSION, TR_TOKEN_EXTENSION, TR_TOKEN_EXTENSION,
        TR_TOKEN_EXTENSION, TR_TOKEN_STRING,    TR_TOKEN_STRING,    TR_TOKEN_STRING,
        TR_TOKEN_ARRAY,     TR_TOKEN_ARRAY,     TR_TOKEN_MAP,       TR_TOKEN_MAP,
    };

    return (enum tr_token_kind)kinds[first & 0x1fu];
}

static size_t power(unsigned exponent)
{
    return (size_t)1 << exponent;
}

static bool take_long(struct tr_msgpack_reader *reader, struct tr_token *token, uint8_t first)
{
    token->kind = kind_of(first);
    switch (token->kind) {
    case TR_TOKEN_BOOL:
        token->truth = first == 0xc3u;
        return true;
    case TR_TOKEN_BYTES:
        return take_sized(reader, token, power(first - 0xc4u), 0);
    case TR_TOKEN_EXTENSION: /* its type is one byte more, before the data */
        return first >= 0xd4u ? take_data(reader, token, power(first - 0xd4u) + 1u)
                              : take_sized(reader, token, power(first - 0xc7u), 1);
    case TR_TOKEN_DOUBLE:
        return first == 0xcau ? take_float(reader, token) : take_double(reader, token);
    case TR_TOKEN_INTEGER:
        return first >= 0xd0u ? take_signed(reader, token, power(first - 0xd0u))
                              : take_unsigned(reader, token, power(first - 0xccu));
    case TR_TOKEN_STRING:
        return take_sized(reader, token, power(first - 0xd9u), 0);
    case TR_TOKEN_ARRAY:
        return take_counted(reader, token, power(first - 0xdcu + 1u));
    case TR_TOKEN_MAP:
        return take_counted(reader, token, power(first - 0xdeu + 1u));
    case TR_TOKEN_END:
    case TR_TOKEN_INVALID:
    case TR_TOKEN_NIL:
        break;
    }
    return true;
}

enum tr_token_kind tr_msgpack_next(struct tr_msgpack_reader *reader, struct tr_token *token)
{
    const uint8_t *start = reader->at;
    bool whole = true;
    uint8_t first = 0;

    /* Most tokens are small numbers, keys above all. */
    if (start < reader->end && *start < 0x80u) {
        token->kind = TR_TOKEN_INTEGER;
        token->integer = (struct tr_integer){.magnitude = *start};
        reader->at = start + 1;
        return TR_TOKEN_INTEGER;
    }
    *token = (struct tr_token){.kind = TR_TOKEN_END};
    if (start == reader->end) {
        return TR_TOKEN_END;
    }
    first = *reader->at++;
    if (first >= 0xe0u) {
        token->kind = TR_TOKEN_INTEGER;
        token->integer.negative = true;
        token->integer.magnitude = 0x100u - first;
    } else if (first < 0xa0u) {
        token->kind = first < 0x90u ? TR_TOKEN_MAP : TR_TOKEN_ARRAY;
        whole = take_count(reader, token, first & 0x0fu);
    } else if (first < 0xc0u) {
        token->kind = TR_TOKEN_STRING;
        whole = take_data(reader, token, first & 0x1fu);
    } else {
        whole = take_long(reader, token, first);
    }
    if (!whole) {
        token->kind = TR_TOKEN_END;
    }
    if (token->kind == TR_TOKEN_END || token->kind == TR_TOKEN_INVALID) {
        reader->at = start;
    }
    return token->kind;
}

/* How many tokens are inside the one just taken. */
static uint64_t inside(const struct tr_token *token)
{
    if (token->kind == TR_TOKEN_MAP) {
        return (uint64_t)token->size * 2u;
    }
    return token->kind == TR_TOKEN_ARRAY ? token->size : 0;
}

bool tr_msgpack_skip(struct tr_msgpack_reader *reader, const struct tr_token *token,
                     enum tr_token_kind *ended)
{
    /* Each token that is owed takes at least a byte of the input, and each one taken owes no more
     * than the input can hold, so the sum cannot wrap. */
    uint64_t owed = inside(token);

    while (owed > 0) {
        struct tr_token next;
        const enum tr_token_kind kind = tr_msgpack_next(reader, &next);

        if (kind == TR_TOKEN_END || kind == TR_TOKEN_INVALID) {
            *ended = kind;
            return false;
        }
        owed += inside(&next);
        owed -= 1;
    }
    return true;
}

const char *tr_token_text(enum tr_token_kind kind)
{
    static const char *const texts[] = {
        [TR_TOKEN_END] = "the end",
        [TR_TOKEN_INVALID] = "an invalid byte",
        [TR_TOKEN_NIL] = "nil",
        [TR_TOKEN_BOOL] = "bool",
        [TR_TOKEN_INTEGER] = "integer",
        [TR_TOKEN_DOUBLE] = "double",
        [TR_TOKEN_STRING] = "string",
        [TR_TOKEN_BYTES] = "bytes",
        [TR_TOKEN_ARRAY] = "array",
        [TR_TOKEN_MAP] = "map",
        [TR_TOKEN_EXTENSION] = "extension",
    };

    return texts[kind];
}
