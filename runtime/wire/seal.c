#include "wire/seal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/be.h"
#include "base/check.h"
#include "wire/crypto.h"

struct tr_seal {
    EVP_CIPHER_CTX *context; /* keyed once; each frame sets the nonce only */
    uint64_t counter;        /* of the next frame */
    uint8_t nonce[TR_SEAL_SALT_SIZE + 8];
};

troupe_status tr_seal_create(const uint8_t key[static TR_SEAL_KEY_SIZE],
                             const uint8_t salt[static TR_SEAL_SALT_SIZE], struct tr_seal **out)
{
    struct tr_seal *seal = calloc(1, sizeof(*seal));

    if (seal == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    seal->context = EVP_CIPHER_CTX_new();
    memcpy(seal->nonce, salt, TR_SEAL_SALT_SIZE);
    if (seal->context == NULL ||
        EVP_EncryptInit_ex(seal->context, EVP_aes_256_gcm(), NULL, key, seal->nonce) != 1) {
        ERR_clear_error();
        tr_seal_destroy(seal);
        return TROUPE_E_NO_MEMORY;
    }
    *out = seal;
    return TROUPE_OK;
}

void tr_seal_destroy(struct tr_seal *seal)
{
    if (seal == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(seal->context); /* wipes the key */
    free(seal);
}

size_t tr_seal_size(const struct tr_seal *seal)
{
    return seal == NULL ? 0 : TR_FRAME_TAG_SIZE;
}

/* GMAC is GCM with nothing to encrypt: everything is "additional data". */
static troupe_status tag_next(struct tr_seal *seal, const uint8_t *bytes, size_t size,
                              uint8_t tag[static TR_FRAME_TAG_SIZE])
{
    uint8_t nothing[16];
    int ignored = 0;

    TR_CHECK(size <= INT_MAX);
    tr_be64_put(seal->nonce + TR_SEAL_SALT_SIZE, seal->counter);
    if (EVP_EncryptInit_ex(seal->context, NULL, NULL, NULL, seal->nonce) != 1 ||
        EVP_EncryptUpdate(seal->context, NULL, &ignored, bytes, (int)size) != 1 ||
        EVP_EncryptFinal_ex(seal->context, nothing, &ignored) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->context, EVP_CTRL_AEAD_GET_TAG, TR_FRAME_TAG_SIZE, tag) != 1) {
        ERR_clear_error();
        return TROUPE_E_NO_MEMORY;
    }
    seal->counter++;
    return TROUPE_OK;
}

troupe_status tr_seal_put(struct tr_seal *seal, uint8_t *bytes, size_t size)
{
    return seal == NULL ? TROUPE_OK : tag_next(seal, bytes, size, bytes + size);
}

troupe_status tr_seal_open(struct tr_seal *seal, struct tr_frame *frame)
{
    uint8_t tag[TR_FRAME_TAG_SIZE];
    const size_t tagged = frame->size - TR_FRAME_TAG_SIZE;
    troupe_status status = TROUPE_OK;

    if (seal == NULL) {
        return TROUPE_OK;
    }
    if (frame->body_size < TR_FRAME_TAG_SIZE) {
        return TROUPE_E_AUTH;
    }
    status = tag_next(seal, frame->bytes, tagged, tag);
    if (status != TROUPE_OK) {
        return status;
    }
    if (!tr_crypto_equal(tag, frame->bytes + tagged, TR_FRAME_TAG_SIZE)) {
        return TROUPE_E_AUTH;
    }
    frame->size -= TR_FRAME_TAG_SIZE;
    frame->body_size -= TR_FRAME_TAG_SIZE;
    return TROUPE_OK;
}
