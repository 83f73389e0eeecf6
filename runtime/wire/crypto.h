/* wire/crypto.h - the few primitives of the handshake, by OpenSSL.
 *
 * Threads: any. Each may answer TROUPE_E_NO_MEMORY, which stands for OpenSSL failing for whatever
 * reason of its own: none of them depends on what a peer sent.
 */
#ifndef TR_WIRE_CRYPTO_H
#define TR_WIRE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"

enum { TR_HASH_SIZE = 32, TR_HKDF_SIZE_MAX = 255 * TR_HASH_SIZE };

/* SHA-256 of the parts, one after the other. */
TROUPE_MUST_USE troupe_status tr_crypto_hash(const struct tr_slice *parts, size_t count,
                                             uint8_t hash[static TR_HASH_SIZE]);

/* HMAC-SHA-256. */
TROUPE_MUST_USE troupe_status tr_crypto_hmac(const uint8_t *key, size_t key_size,
                                             const uint8_t *bytes, size_t size,
                                             uint8_t mac[static TR_HASH_SIZE]);

/* HKDF-SHA-256 (RFC 5869): fills out with `size` bytes, at most TR_HKDF_SIZE_MAX. */
TROUPE_MUST_USE troupe_status tr_crypto_hkdf(struct tr_slice secret, struct tr_slice salt,
                                             struct tr_slice info, uint8_t *out, size_t size);

/* Compares in a time that does not depend on where the two differ. */
bool tr_crypto_equal(const uint8_t *left, const uint8_t *right, size_t size);

/* Fills with bytes that nobody can guess. */
TROUPE_MUST_USE troupe_status tr_crypto_random(uint8_t *bytes, size_t size);

/* Overwrites a secret so that the compiler cannot leave it out. */
void tr_crypto_wipe(void *bytes, size_t size);

#endif
