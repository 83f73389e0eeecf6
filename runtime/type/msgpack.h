/* type/msgpack.h - reads and writes single MessagePack tokens; what they mean together is
 * decode.c's business.
 *
 * Threads: any. Memory: none of its own; the reader lends from the bytes it was given.
 */
#ifndef TR_TYPE_MSGPACK_H
#define TR_TYPE_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "type/field.h"
#include "type/value.h"

enum tr_token_kind {
    TR_TOKEN_END = 0, /* the bytes end before the token does */
    TR_TOKEN_INVALID, /* the one byte that MessagePack never uses */
    TR_TOKEN_NIL,
    TR_TOKEN_BOOL,
    TR_TOKEN_INTEGER,
    TR_TOKEN_DOUBLE,
    TR_TOKEN_STRING,
    TR_TOKEN_BYTES,
    TR_TOKEN_ARRAY,
    TR_TOKEN_MAP,
    TR_TOKEN_EXTENSION
};

struct tr_token {
    enum tr_token_kind kind;
    bool truth;                /* BOOL */
    struct tr_integer integer; /* INTEGER */
    double real;               /* DOUBLE */
    const uint8_t *data;       /* STRING, BYTES, EXTENSION: size bytes inside the input */
    size_t size;               /* those bytes; ARRAY: elements; MAP: pairs */
};

struct tr_msgpack_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* Takes the next token: of an array or map only the header. A size or count is only answered when
 * as many bytes are left, so that it may be used to reserve memory. After END and INVALID the
 * reader is where it was. */
enum tr_token_kind tr_msgpack_next(struct tr_msgpack_reader *reader, struct tr_token *token);

/* Steps over what remains of the token just taken, with all that is inside it. Answers OK, or what
 * next answered that ended it (END or INVALID) through *ended. Needs no stack, however deep the
 * input nests. */
bool tr_msgpack_skip(struct tr_msgpack_reader *reader, const struct tr_token *token,
                     enum tr_token_kind *ended);

/* "string" and so on, for error texts. */
const char *tr_token_text(enum tr_token_kind kind);

/* A writer drops everything from the first token on that does not fit. With `parts`, large bytes
 * are not copied but left where they are: each part says where they belong. */
struct tr_msgpack_writer {
    uint8_t *at;
    const uint8_t *end;
    bool full;
    const uint8_t *begin;         /* where parts count from */
    struct tr_value_parts *parts; /* NULL: all is copied */
};

void tr_msgpack_put_nil(struct tr_msgpack_writer *writer);
void tr_msgpack_put_bool(struct tr_msgpack_writer *writer, bool truth);
void tr_msgpack_put_integer(struct tr_msgpack_writer *writer, struct tr_integer integer);
void tr_msgpack_put_double(struct tr_msgpack_writer *writer, double real);
void tr_msgpack_put_string(struct tr_msgpack_writer *writer, const char *string, size_t size);
void tr_msgpack_put_bytes(struct tr_msgpack_writer *writer, const uint8_t *data, size_t size);
void tr_msgpack_put_array(struct tr_msgpack_writer *writer, size_t count);
void tr_msgpack_put_map(struct tr_msgpack_writer *writer, size_t count);

/* The most that a token takes beside the bytes of a string: its kind and a 64-bit number. */
#define TR_MSGPACK_HEADER_SIZE_MAX 9u

#endif
