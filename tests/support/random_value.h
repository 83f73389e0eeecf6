/* support/random_value.h - random descriptions and random values of them, from a seed.
 *
 * Everything lives in an arena until random_fini, so that a test can throw values about freely. The
 * comparison is written here once more, so that a test does not ask the code under test whether it
 * is right.
 */
#ifndef TESTS_SUPPORT_RANDOM_VALUE_H
#define TESTS_SUPPORT_RANDOM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/type.h"

struct random_block;

struct random {
    uint64_t state;
    bool finite; /* doubles are finite, as JSON wants them */
    struct random_block *blocks;
};

void random_init(struct random *random, uint64_t seed);
void random_fini(struct random *random);

uint64_t random_next(struct random *random);

/* 0 to bound - 1; bound > 0. */
size_t random_below(struct random *random, size_t bound);

/* Zeroed memory that random_fini releases. */
void *random_memory(struct random *random, size_t size);

/* A valid description with up to `depth` structs inside one another. */
const troupe_type *random_type(struct random *random, unsigned depth);

/* The same type as another version of a program would have it: some fields dropped, another order,
 * another layout. */
const troupe_type *random_version(struct random *random, const troupe_type *type);

void *random_value(struct random *random, const troupe_type *type);

/* Whether both say the same. Doubles are compared bit by bit; an empty array is the same as none.
 */
bool values_are_equal(const troupe_type *type, const void *value, const void *other);

/* Whether value is what other is in the fields that both types have, and zero in those that only
 * type has. */
bool versions_agree(const troupe_type *type, const void *value, const troupe_type *other_type,
                    const void *other);

/* One random description and one value of it. */
struct random_pair {
    struct random random;
    const troupe_type *type;
    const uint8_t *value;
};

/* The pair of a round: the same for the same seed. Up to four structs inside one another; finite as
 * in struct random. */
void random_pair_init(struct random_pair *pair, uint64_t seed, uint64_t round, bool finite);
void random_pair_fini(struct random_pair *pair);

/* Encodes into a block of exactly as many bytes, so that ASan sees each byte too many. */
uint8_t *encode_exactly(const troupe_type *type, const void *value, size_t *size);

/* Decodes into a block of exactly the size answered; NULL when refused. */
void *decode_exactly(const troupe_type *type, const uint8_t *bytes, size_t size);

#endif
