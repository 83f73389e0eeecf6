#include "base/siphash.h"

enum { WORD = 8, ROUNDS = 2, LAST_ROUNDS = 4 };

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void mix(uint64_t v[4], int rounds)
{
    for (int round = 0; round < rounds; round++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

/* Up to eight bytes as a little-endian word. */
static inline uint64_t word_of(const uint8_t *bytes, size_t size)
{
    uint64_t word = 0;

    for (size_t index = 0; index < size; index++) {
        word |= (uint64_t)bytes[index] << (8 * index);
    }
    return word;
}

static inline void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v, ROUNDS);
    v[0] ^= word;
}

uint64_t tr_siphash(const struct tr_siphash_key *key, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t v[4] = {key->words[0] ^ 0x736f6d6570736575U, key->words[1] ^ 0x646f72616e646f6dU,
                     key->words[0] ^ 0x6c7967656e657261U, key->words[1] ^ 0x7465646279746573U};
    size_t left = size;

    for (; left >= WORD; left -= WORD, at += WORD) {
        take(v, word_of(at, WORD));
    }
    take(v, word_of(at, left) | (uint64_t)size << 56);
    v[2] ^= 0xff;
    mix(v, LAST_ROUNDS);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
