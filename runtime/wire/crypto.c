#include "wire/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/check.h"

/* OpenSSL keeps a queue of errors per thread; what nobody reads must not wait for the next call. */
static troupe_status outcome(bool good)
{
    if (good) {
        return TROUPE_OK;
    }
    ERR_clear_error();
    return TROUPE_E_NO_MEMORY;
}

troupe_status tr_crypto_hash(const struct tr_slice *parts, size_t count,
                             uint8_t hash[static TR_HASH_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    for (size_t index = 0; good && index < count; index++) {
        good = EVP_DigestUpdate(context, parts[index].bytes, parts[index].size) == 1;
    }
    good = good && EVP_DigestFinal_ex(context, hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    return outcome(good);
}

troupe_status tr_crypto_hmac(const uint8_t *key, size_t key_size, const uint8_t *bytes, size_t size,
                             uint8_t mac[static TR_HASH_SIZE])
{
    unsigned mac_size = 0;

    TR_CHECK(key_size <= INT_MAX);
    return outcome(HMAC(EVP_sha256(), key, (int)key_size, bytes, size, mac, &mac_size) != NULL &&
                   mac_size == TR_HASH_SIZE);
}

troupe_status tr_crypto_hkdf(struct tr_slice secret, struct tr_slice salt, struct tr_slice info,
                             uint8_t *out, size_t size)
{
    uint8_t key[TR_HASH_SIZE];
    uint8_t block[TR_HASH_SIZE + 256 + 1]; /* the block before, info, counter */
    uint8_t fresh[TR_HASH_SIZE];
    size_t before = 0; /* the first block has none before it */
    uint8_t counter = 0;
    troupe_status status = TROUPE_OK;

    TR_CHECK(size <= TR_HKDF_SIZE_MAX);
    TR_CHECK(info.size <= 256);
    status = tr_crypto_hmac(salt.bytes, salt.size, secret.bytes, secret.size, key);
    while (status == TROUPE_OK && size > 0) {
        const size_t part = size < TR_HASH_SIZE ? size : TR_HASH_SIZE;

        if (info.size > 0) {
            memcpy(block + before, info.bytes, info.size);
        }
        block[before + info.size] = ++counter;
        status = tr_crypto_hmac(key, sizeof(key), block, before + info.size + 1, fresh);
        if (status == TROUPE_OK) {
            memcpy(out, fresh, part);
            memcpy(block, fresh, TR_HASH_SIZE);
            before = TR_HASH_SIZE;
            out += part;
            size -= part;
        }
    }
    tr_crypto_wipe(key, sizeof(key));
    tr_crypto_wipe(block, sizeof(block));
    tr_crypto_wipe(fresh, sizeof(fresh));
    return status;
}

bool tr_crypto_equal(const uint8_t *left, const uint8_t *right, size_t size)
{
    return CRYPTO_memcmp(left, right, size) == 0;
}

troupe_status tr_crypto_random(uint8_t *bytes, size_t size)
{
    TR_CHECK(size <= INT_MAX);
    return outcome(RAND_bytes(bytes, (int)size) == 1);
}

void tr_crypto_wipe(void *bytes, size_t size)
{
    OPENSSL_cleanse(bytes, size);
}
