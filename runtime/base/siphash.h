/* base/siphash.h - SipHash-2-4: a keyed hash that nobody can guess who does not know the key.
 *
 * For numbers and marks that travel and have to be recognised when they come back: 64 bits, which
 * can be tried only by sending them here, one by one. No replacement for the MACs of wire/crypto.h.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef TR_BASE_SIPHASH_H
#define TR_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct tr_siphash_key {
    uint64_t words[2];
};

uint64_t tr_siphash(const struct tr_siphash_key *key, const void *bytes, size_t size);

#endif
