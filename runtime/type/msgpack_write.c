#include "type/msgpack.h"

/* Makes room for the whole token, so that none is ever cut. */
static bool has_room(struct tr_msgpack_writer *writer, size_t size)
{
    if (writer->full || size > (size_t)(writer->end - writer->at)) {
        writer->full = true;
        return false;
    }
    return true;
}

static void put_byte(struct tr_msgpack_writer *writer, uint8_t byte)
{
    if (has_room(writer, 1)) {
        *writer->at++ = byte;
    }
}

/* A first byte and a big-endian number of width bytes, followed by room for `after` more bytes. */
static void put_number(struct tr_msgpack_writer *writer, uint8_t first, uint64_t number,
                       size_t width, size_t after)
{
    if (after > SIZE_MAX - TR_MSGPACK_HEADER_SIZE_MAX || !has_room(writer, 1 + width + after)) {
        writer->full = true;
        return;
    }
    *writer->at++ = first;
    for (size_t left = width; left > 0; left--) {
        *writer->at++ = (uint8_t)(number >> (8u * (left - 1)));
    }
}

void tr_msgpack_put_nil(struct tr_msgpack_writer *writer)
{
    put_byte(writer, 0xc0u);
}

void tr_msgpack_put_bool(struct tr_msgpack_writer *writer, bool truth)
{
    put_byte(writer, truth ? 0xc3u : 0xc2u);
}

static void put_positive(struct tr_msgpack_writer *writer, uint64_t number)
{
    if (number < 0x80u) {
        put_byte(writer, (uint8_t)number);
    } else if (number <= UINT8_MAX) {
        put_number(writer, 0xccu, number, 1, 0);
    } else if (number <= UINT16_MAX) {
        put_number(writer, 0xcdu, number, 2, 0);
    } else if (number <= UINT32_MAX) {
        put_number(writer, 0xceu, number, 4, 0);
    } else {
        put_number(writer, 0xcfu, number, 8, 0);
    }
}

void tr_msgpack_put_integer(struct tr_msgpack_writer *writer, struct tr_integer integer)
{
    const uint64_t magnitude = integer.magnitude;
    const uint64_t bits = UINT64_C(0) - magnitude;

    if (!integer.negative) {
        put_positive(writer, magnitude);
    } else if (magnitude <= 32u) {
        put_byte(writer, (uint8_t)bits);
    } else if (magnitude <= UINT64_C(1) << 7) {
        put_number(writer, 0xd0u, bits, 1, 0);
    } else if (magnitude <= UINT64_C(1) << 15) {
        put_number(writer, 0xd1u, bits, 2, 0);
    } else if (magnitude <= UINT64_C(1) << 31) {
        put_number(writer, 0xd2u, bits, 4, 0);
    } else {
        put_number(writer, 0xd3u, bits, 8, 0);
    }
}

void tr_msgpack_put_double(struct tr_msgpack_writer *writer, double real)
{
    uint64_t bits = 0;

    memcpy(&bits, &real, sizeof(bits));
    put_number(writer, 0xcbu, bits, 8, 0);
}

static void put_data(struct tr_msgpack_writer *writer, const void *data, size_t size)
{
    if (!writer->full && size > 0) {
        memcpy(writer->at, data, size);
        writer->at += size;
    }
}

void tr_msgpack_put_string(struct tr_msgpack_writer *writer, const char *string, size_t size)
{
    if (size < 32u) {
        if (has_room(writer, 1 + size)) {
            *writer->at++ = (uint8_t)(0xa0u | size);
        }
    } else if (size <= UINT8_MAX) {
        put_number(writer, 0xd9u, size, 1, size);
    } else if (size <= UINT16_MAX) {
        put_number(writer, 0xdau, size, 2, size);
    } else if (size <= UINT32_MAX) {
        put_number(writer, 0xdbu, size, 4, size);
    } else {
        writer->full = true; /* MessagePack has no such string */
    }
    put_data(writer, string, size);
}

/* Whether large bytes stay where they are, and only their head is written. */
static bool is_part(const struct tr_msgpack_writer *writer, size_t size)
{
    return writer->parts != NULL && size >= TR_VALUE_PART_MIN &&
           writer->parts->count < TR_VALUE_PARTS_MAX;
}

static void put_part(struct tr_msgpack_writer *writer, const uint8_t *data, size_t size)
{
    struct tr_value_parts *parts = writer->parts;

    if (!writer->full) {
        parts->part[parts->count++] = (struct tr_value_part){
            .at = (size_t)(writer->at - writer->begin), .bytes = data, .size = size};
    }
}

void tr_msgpack_put_bytes(struct tr_msgpack_writer *writer, const uint8_t *data, size_t size)
{
    const bool part = is_part(writer, size);
    const size_t after = part ? 0 : size; /* the head */

    if (size <= UINT8_MAX) {
        put_number(writer, 0xc4u, size, 1, after);
    } else if (size <= UINT16_MAX) {
        put_number(writer, 0xc5u, size, 2, after);
    } else if (size <= UINT32_MAX) {
        put_number(writer, 0xc6u, size, 4, after);
    } else {
        writer->full = true;
    }
    if (part) {
        put_part(writer, data, size);
    } else {
        put_data(writer, data, size);
    }
}

static void put_count(struct tr_msgpack_writer *writer, uint8_t small, uint8_t large, size_t count)
{
    if (count < 16u) {
        put_byte(writer, (uint8_t)(small | count));
    } else if (count <= UINT16_MAX) {
        put_number(writer, large, count, 2, 0);
    } else if (count <= UINT32_MAX) {
        put_number(writer, (uint8_t)(large + 1u), count, 4, 0);
    } else {
        writer->full = true;
    }
}

void tr_msgpack_put_array(struct tr_msgpack_writer *writer, size_t count)
{
    put_count(writer, 0x90u, 0xdcu, count);
}

void tr_msgpack_put_map(struct tr_msgpack_writer *writer, size_t count)
{
    put_count(writer, 0x80u, 0xdeu, count);
}
