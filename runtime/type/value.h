/* type/value.h - what the runtime does with values of described types, besides JSON.
 *
 * Sizes first: a message is one block, so the size of all that hangs below a struct is computed
 * (tr_value_size), the block allocated by the caller, and the value copied into it
 * (tr_value_copy_into).
 *
 *     size_t size = tr_value_size(type, value);
 *     tr_value_copy_into(type, value, block, size);
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef TR_TYPE_VALUE_H
#define TR_TYPE_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "troupe/status.h"
#include "troupe/type.h"

#define TR_VALUE_ALIGN 8u /* of every block and every array inside one */

/* Bytes that one block needs for the struct and all it points to; a multiple of TR_VALUE_ALIGN. */
size_t tr_value_size(const troupe_type *type, const void *value);

/* Copies value into block, which is aligned to TR_VALUE_ALIGN and has exactly tr_value_size bytes.
 * A type that points to nothing is one memcpy. */
void tr_value_copy_into(const troupe_type *type, const void *value, void *block, size_t size);

/* Whether the type has no strings, bytes or arrays, so that a memcpy copies it. */
bool tr_type_is_flat(const troupe_type *type);

/* ---- owned values: the state of an actor, where each string and array is a block of its own ----
 */

/* How blocks are got and released; the node's allocator. */
struct tr_allocator {
    void *context;
    void *(*allocate)(void *context, size_t size); /* NULL when there is no memory; size > 0 */
    void (*release)(void *context, void *block);   /* NULL is allowed */
};

/* Copies value into *destination (type->size bytes, given by the caller) with every string, bytes
 * and array in a block of its own. On failure *destination is zeroed and nothing is leaked.
 * TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_value_own(const troupe_type *type, const void *value,
                                           void *destination, const struct tr_allocator *allocator);

/* Releases every block below *value, which itself stays the caller's, and zeroes it. */
void tr_value_disown(const troupe_type *type, void *value, const struct tr_allocator *allocator);

/* ---- MessagePack: a map from field numbers to values, in the order of the description ---- */

/* Bytes that the encoding needs, at most. */
size_t tr_value_encoded_size_max(const troupe_type *type, const void *value);

/* Whether the other side will take the encoding: strings are UTF-8, the block is not above
 * TR_VALUE_SIZE_MAX. For who sends, since only there somebody can mend it. TROUPE_E_TYPE,
 * TROUPE_E_LIMIT; error (may be NULL) says the field. */
TROUPE_MUST_USE troupe_status tr_value_check(const troupe_type *type, const void *value,
                                             char *error, size_t error_size);

/* Encodes into bytes; answers the size written, or 0 when capacity is too small. Fields that are
 * zero (false, 0, NULL, empty) are left out, which is what makes them the default on the other
 * side. */
size_t tr_value_encode(const troupe_type *type, const void *value, uint8_t *bytes, size_t capacity);

enum {
    TR_VALUE_PARTS_MAX = 4,
    TR_VALUE_PART_MIN = 4096 /* below it a copy costs less than a part */
};

/* Bytes of a value that its encoding leaves out: they belong before the byte `at` of it. */
struct tr_value_part {
    size_t at;
    const uint8_t *bytes; /* lent by the value */
    size_t size;
};
struct tr_value_parts {
    size_t count;
    struct tr_value_part part[TR_VALUE_PARTS_MAX]; /* in order */
};

/* The same with large bytes left where they are; *parts says which. */
size_t tr_value_encode_parts(const troupe_type *type, const void *value, uint8_t *bytes,
                             size_t capacity, struct tr_value_parts *parts);

/* Checks bytes against the type and answers the size of the block that decode_into needs.
 * TROUPE_E_TYPE (a changed kind, a bad encoding, trailing bytes, not UTF-8; error says the field),
 * TROUPE_E_LIMIT (nesting, counts or total above limits). Never allocates; work is bounded by size.
 */
TROUPE_MUST_USE troupe_status tr_value_decoded_size(const troupe_type *type, const uint8_t *bytes,
                                                    size_t size, size_t *block_size, char *error,
                                                    size_t error_size);

/* Bytes that the block of a value needs at most whose encoding has `size` bytes, so that one walk
 * is enough; 0 when only a walk can tell, since the type has arrays. */
size_t tr_value_decoded_size_max(const troupe_type *type, size_t size);

/* Checks bytes and decodes them at once, into a block of tr_value_decoded_size_max, which is
 * `capacity`. Errors as tr_value_decoded_size; then what is in the block means nothing. */
TROUPE_MUST_USE troupe_status tr_value_decode(const troupe_type *type, const uint8_t *bytes,
                                              size_t size, void *block, size_t capacity,
                                              char *error, size_t error_size);

/* Decodes what tr_value_decoded_size accepted into a block of that size. */
void tr_value_decode_into(const troupe_type *type, const uint8_t *bytes, size_t size, void *block,
                          size_t block_size);

#endif
