/* base/rng.h - numbers by chance from a seed: the only source of chance besides keys and nonces.
 *
 * splitmix64 (Steele, Lea, Flood 2014): one word of state, any seed will do, the same seed gives
 * the same numbers on every machine.
 *
 * Threads: one thread per generator.
 */
#ifndef TR_BASE_RNG_H
#define TR_BASE_RNG_H

#include <stdint.h>

struct tr_rng {
    uint64_t state;
};

static inline uint64_t tr_rng_next(struct tr_rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below bound, which is not 0. The bias is below 2^-32 for bounds below 2^32. */
static inline uint64_t tr_rng_below(struct tr_rng *rng, uint64_t bound)
{
    return tr_rng_next(rng) % bound;
}

#endif
