#include <stdlib.h>
#include <string.h>

#include "dist/peers_calls.h"
#include "dist/peers_inside.h"
#include "wire/crypto.h"

/* Gives a copy, of nothing where there is nothing. */
static troupe_status copy(struct tr_slice secret, struct peer_secret *out)
{
    *out = (struct peer_secret){NULL, 0};
    if (secret.size == 0) {
        return TROUPE_OK;
    }
    out->bytes = malloc(secret.size);
    if (out->bytes == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    memcpy(out->bytes, secret.bytes, secret.size);
    out->size = secret.size;
    return TROUPE_OK;
}

void peer_secret_free(struct peer_secret *secret)
{
    if (secret->bytes != NULL) {
        tr_crypto_wipe(secret->bytes, secret->size);
        free(secret->bytes);
    }
    *secret = (struct peer_secret){NULL, 0};
}

troupe_status peer_secrets_replace(struct tr_peers *peers, struct tr_slice secret,
                                   struct tr_slice accepted)
{
    struct peer_secret fresh[2];
    troupe_status status = copy(secret, &fresh[0]);

    if (status != TROUPE_OK) {
        return status;
    }
    status = copy(accepted, &fresh[1]);
    if (status != TROUPE_OK) {
        peer_secret_free(&fresh[0]);
        return status;
    }
    peer_secret_free(&peers->secret);
    peer_secret_free(&peers->accepted);
    peers->secret = fresh[0];
    peers->accepted = fresh[1];
    return TROUPE_OK;
}
