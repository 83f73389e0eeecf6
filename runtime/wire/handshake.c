#include "wire/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/check.h"
#include "wire/crypto.h"
#include "wire/record.h"

/* Body of a proof. */
enum {
    AT_PROOF = 0,
    AT_SESSION = 32,
    AT_LAST = 36,
    AT_RECEIVED = 40,
    AT_FLAGS = 48, /* 32 bits */
    PROOF_BODY_SIZE = 52,
    PROOF_FIELDS_SIZE = PROOF_BODY_SIZE - AT_SESSION,
    FLAG_RESUMED = 1,
    REFUSE_BODY_SIZE = 4,
    SEAL_SIZE = TR_SEAL_KEY_SIZE + TR_SEAL_SALT_SIZE
};

/* Everything that the secret and the nonces give, cut from one derivation. */
struct keys {
    uint8_t proof_dialer[TR_HASH_SIZE];
    uint8_t proof_listener[TR_HASH_SIZE];
    uint8_t seal_dialer[SEAL_SIZE]; /* of what the dialer sends */
    uint8_t seal_listener[SEAL_SIZE];
};

struct tr_handshake {
    struct tr_handshake_config config; /* its secrets are in `secrets` */
    enum tr_handshake_state state;
    struct tr_hello peer;
    struct tr_resume peer_resume;
    uint8_t transcript[TR_HASH_SIZE]; /* hash over all frames so far, in the order sent */
    struct keys keys;
    struct tr_seal *sending; /* owned until taken */
    struct tr_seal *receiving;
    size_t output_size;
    uint8_t output[TR_HANDSHAKE_FRAME_SIZE_MAX];
    uint8_t secrets[]; /* ours, then the accepted one */
};

/* Copies the secrets: their owner may change them while the handshake goes on. */
static void secrets_copy(struct tr_handshake *handshake, const struct tr_handshake_config *config)
{
    uint8_t *at = handshake->secrets;

    if (config->secret.size > 0) {
        memcpy(at, config->secret.bytes, config->secret.size);
    }
    handshake->config.secret.bytes = at;
    at += config->secret.size;
    if (config->accepted.size > 0) {
        memcpy(at, config->accepted.bytes, config->accepted.size);
    }
    handshake->config.accepted.bytes = at;
}

static uint8_t mode_of(const struct tr_handshake_config *config)
{
    if (config->binding.size > 0) {
        return TR_WIRE_TLS;
    }
    return config->secret.size > 0 ? TR_WIRE_SECRET : TR_WIRE_PLAIN;
}

troupe_status tr_handshake_create(const struct tr_handshake_config *config,
                                  struct tr_handshake **out)
{
    struct tr_handshake *handshake =
        calloc(1, sizeof(*handshake) + config->secret.size + config->accepted.size);

    if (handshake == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    handshake->config = *config;
    secrets_copy(handshake, config);
    handshake->config.self.version_min = TR_WIRE_VERSION;
    handshake->config.self.version_max = TR_WIRE_VERSION;
    handshake->config.self.mode = mode_of(config);
    if (!config->dialer) {
        handshake->state = TR_HANDSHAKE_AWAIT_HELLO;
    }
    *out = handshake;
    return TROUPE_OK;
}

void tr_handshake_destroy(struct tr_handshake *handshake)
{
    if (handshake == NULL) {
        return;
    }
    tr_seal_destroy(handshake->sending);
    tr_seal_destroy(handshake->receiving);
    tr_crypto_wipe(&handshake->keys, sizeof(handshake->keys));
    tr_crypto_wipe(handshake->secrets,
                   handshake->config.secret.size + handshake->config.accepted.size);
    free(handshake);
}

static bool is_plain(const struct tr_handshake *handshake)
{
    return handshake->config.self.mode == (int)TR_WIRE_PLAIN;
}

static void move(struct tr_handshake *handshake, enum tr_handshake_event event)
{
    const troupe_status status = tr_handshake_move(&handshake->state, event);

    TR_CHECK(status == TROUPE_OK); /* callers have looked at the state */
}

void tr_handshake_refuse(struct tr_handshake *handshake, troupe_status why)
{
    uint8_t *bytes = handshake->output;

    if (handshake->state == TR_HANDSHAKE_DONE || handshake->state == TR_HANDSHAKE_FAILED) {
        return;
    }
    move(handshake, TR_HANDSHAKE_REFUSED);
    tr_frame_header_put(bytes, TR_FRAME_REFUSE, REFUSE_BODY_SIZE);
    tr_be32_put(bytes + TR_FRAME_HEADER_SIZE, (uint32_t)why);
    handshake->output_size = TR_FRAME_HEADER_SIZE + REFUSE_BODY_SIZE;
}

/* Adds a frame, which either side sent, to the hash of the conversation. */
static troupe_status transcript_add(struct tr_handshake *handshake, const uint8_t *bytes,
                                    size_t size)
{
    const struct tr_slice parts[] = {{handshake->transcript, TR_HASH_SIZE}, {bytes, size}};

    return tr_crypto_hash(parts, 2, handshake->transcript);
}

static troupe_status keys_derive(struct tr_handshake *handshake, struct tr_slice secret)
{
    static const char info[] = "troupe wire 1 keys";
    const struct tr_hello *self = &handshake->config.self;
    const bool dialer = handshake->config.dialer;
    const struct tr_slice binding = handshake->config.binding;
    uint8_t salt[2 * TR_NONCE_SIZE + TR_BINDING_SIZE]; /* the dialer's nonce first */
    uint8_t derived[sizeof(struct keys)];
    troupe_status status = TROUPE_OK;

    if (is_plain(handshake)) {
        return TROUPE_OK;
    }
    TR_CHECK(binding.size == 0 || binding.size == TR_BINDING_SIZE);
    memcpy(salt, dialer ? self->nonce : handshake->peer.nonce, TR_NONCE_SIZE);
    memcpy(salt + TR_NONCE_SIZE, dialer ? handshake->peer.nonce : self->nonce, TR_NONCE_SIZE);
    if (binding.size > 0) {
        memcpy(salt + 2 * TR_NONCE_SIZE, binding.bytes, binding.size);
    }
    status = tr_crypto_hkdf(secret, (struct tr_slice){salt, 2 * TR_NONCE_SIZE + binding.size},
                            (struct tr_slice){(const uint8_t *)info, sizeof(info) - 1}, derived,
                            sizeof(derived));
    if (status == TROUPE_OK) {
        memcpy(&handshake->keys, derived, sizeof(derived)); /* bytes only: no padding */
    }
    tr_crypto_wipe(derived, sizeof(derived));
    tr_crypto_wipe(salt, sizeof(salt));
    return status;
}

/* The proof that one direction owes at this point of the conversation: the label is in the key.
 * Without a secret and TLS it is zeros. */
static troupe_status proof_make(const struct tr_handshake *handshake, bool of_dialer,
                                const uint8_t *fields, uint8_t proof[static TR_HASH_SIZE])
{
    uint8_t claim[TR_HASH_SIZE + PROOF_FIELDS_SIZE];

    if (is_plain(handshake)) {
        memset(proof, 0, TR_HASH_SIZE);
        return TROUPE_OK;
    }
    memcpy(claim, handshake->transcript, TR_HASH_SIZE);
    memcpy(claim + TR_HASH_SIZE, fields, PROOF_FIELDS_SIZE);
    return tr_crypto_hmac(of_dialer ? handshake->keys.proof_dialer : handshake->keys.proof_listener,
                          TR_HASH_SIZE, claim, sizeof(claim), proof);
}

static troupe_status seals_make(struct tr_handshake *handshake)
{
    const uint8_t *out =
        handshake->config.dialer ? handshake->keys.seal_dialer : handshake->keys.seal_listener;
    const uint8_t *in =
        handshake->config.dialer ? handshake->keys.seal_listener : handshake->keys.seal_dialer;
    troupe_status status = TROUPE_OK;

    if (handshake->config.self.mode != (int)TR_WIRE_SECRET) {
        tr_crypto_wipe(&handshake->keys, sizeof(handshake->keys));
        return TROUPE_OK;
    }
    status = tr_seal_create(out, out + TR_SEAL_KEY_SIZE, &handshake->sending);
    if (status == TROUPE_OK) {
        status = tr_seal_create(in, in + TR_SEAL_KEY_SIZE, &handshake->receiving);
    }
    tr_crypto_wipe(&handshake->keys, sizeof(handshake->keys));
    return status;
}

/* ---- hellos ---- */

/* Adds our hello to the output and to the transcript. */
static troupe_status hello_send(struct tr_handshake *handshake)
{
    handshake->output_size = tr_hello_put(&handshake->config.self, handshake->output);
    return transcript_add(handshake, handshake->output, handshake->output_size);
}

void tr_handshake_start(struct tr_handshake *handshake)
{
    TR_CHECK(handshake->config.dialer);
    move(handshake, TR_HANDSHAKE_START);
    if (hello_send(handshake) != TROUPE_OK) {
        tr_handshake_refuse(handshake, TROUPE_E_NO_MEMORY);
    }
}

/* Whether the two may talk at all; nothing of it is proven yet. */
static troupe_status peer_check(const struct tr_handshake *handshake)
{
    const struct tr_hello *self = &handshake->config.self;
    const struct tr_hello *peer = &handshake->peer;

    if (peer->mode != self->mode) {
        return TROUPE_E_AUTH;
    }
    /* Our own nonce back is our own hello back, from a mirror or from ourselves. */
    if (memcmp(peer->nonce, self->nonce, TR_NONCE_SIZE) == 0 ||
        (self->node_id != 0 && peer->node_id == self->node_id)) {
        return TROUPE_E_DENIED;
    }
    if (handshake->config.dialer && peer->role != (int)TR_WIRE_NODE) {
        return TROUPE_E_PROTOCOL; /* clients do not listen */
    }
    if (handshake->config.expected_node_id != 0 &&
        peer->node_id != handshake->config.expected_node_id) {
        return TROUPE_E_NOT_FOUND;
    }
    if (peer->role == (int)TR_WIRE_CLIENT || self->role == (int)TR_WIRE_CLIENT) {
        return TROUPE_OK; /* a client knows an address and the secret, no more */
    }
    if (memcmp(peer->cluster_id, self->cluster_id, TR_CLUSTER_ID_SIZE) != 0 ||
        peer->system_id != self->system_id) {
        return TROUPE_E_DENIED;
    }
    /* A peer that cannot take our frames, or whose signs of life are too far apart for us, would
     * only be lost later, and nobody would know why. */
    if (peer->frame_size_max < TR_RECORD_LARGE_SIZE ||
        peer->message_size_max < TR_MESSAGE_SIZE_MAX || peer->heartbeat_ms == 0 ||
        peer->heartbeat_ms > self->silence_ms / 2) {
        return TROUPE_E_LIMIT;
    }
    return TROUPE_OK;
}

static troupe_status on_hello(struct tr_handshake *handshake, const struct tr_frame *frame)
{
    troupe_status status = tr_hello_get(frame, &handshake->peer);

    if (status == TROUPE_OK) {
        status = peer_check(handshake);
    }
    if (status == TROUPE_OK) {
        status = transcript_add(handshake, frame->bytes, frame->size);
    }
    if (status == TROUPE_OK) {
        status = keys_derive(handshake, handshake->config.secret);
    }
    if (status == TROUPE_OK && !handshake->config.dialer) {
        status = hello_send(handshake);
    }
    if (status == TROUPE_OK) {
        move(handshake, handshake->config.dialer ? TR_HANDSHAKE_ANSWERED : TR_HANDSHAKE_GREETED);
    }
    return status;
}

/* ---- proofs ---- */

static troupe_status proof_send(struct tr_handshake *handshake, const struct tr_resume *resume)
{
    uint8_t *bytes = handshake->output;
    uint8_t *body = bytes + TR_FRAME_HEADER_SIZE;
    troupe_status status = TROUPE_OK;

    tr_frame_header_put(bytes, TR_FRAME_PROOF, PROOF_BODY_SIZE);
    tr_be32_put(body + AT_SESSION, resume->session);
    tr_be32_put(body + AT_LAST, resume->last);
    tr_be64_put(body + AT_RECEIVED, resume->received);
    tr_be32_put(body + AT_FLAGS, resume->resumed ? FLAG_RESUMED : 0);
    status = proof_make(handshake, handshake->config.dialer, body + AT_SESSION, body + AT_PROOF);
    if (status == TROUPE_OK) {
        handshake->output_size = TR_FRAME_HEADER_SIZE + PROOF_BODY_SIZE;
        status = transcript_add(handshake, bytes, handshake->output_size);
    }
    return status;
}

/* Whether the proof in this body is one by the keys that we have: TROUPE_E_AUTH if not. */
static troupe_status proof_check(const struct tr_handshake *handshake, const uint8_t *body)
{
    uint8_t expected[TR_HASH_SIZE];
    troupe_status status =
        proof_make(handshake, !handshake->config.dialer, body + AT_SESSION, expected);

    if (status == TROUPE_OK && !tr_crypto_equal(expected, body + AT_PROOF, TR_HASH_SIZE)) {
        status = TROUPE_E_AUTH;
    }
    tr_crypto_wipe(expected, sizeof(expected)); /* it would be a proof in the hands of another */
    return status;
}

/* The same, and a listener tries the accepted secret too; the keys are those of the one that fits
 * from then on. */
static troupe_status proof_check_all(struct tr_handshake *handshake, const uint8_t *body)
{
    troupe_status status = proof_check(handshake, body);

    if (status != TROUPE_E_AUTH || handshake->config.dialer ||
        handshake->config.accepted.size == 0 || is_plain(handshake)) {
        return status;
    }
    status = keys_derive(handshake, handshake->config.accepted);
    return status == TROUPE_OK ? proof_check(handshake, body) : status;
}

static troupe_status on_proof(struct tr_handshake *handshake, const struct tr_frame *frame)
{
    const uint8_t *body = frame->body;
    troupe_status status = TROUPE_OK;

    if (frame->kind != TR_FRAME_PROOF || frame->body_size != PROOF_BODY_SIZE ||
        (tr_be32_get(body + AT_FLAGS) & ~(uint32_t)FLAG_RESUMED) != 0) {
        return TROUPE_E_PROTOCOL;
    }
    status = proof_check_all(handshake, body);
    if (status == TROUPE_OK) {
        status = transcript_add(handshake, frame->bytes, frame->size);
    }
    if (status == TROUPE_OK && handshake->config.dialer) {
        status = seals_make(handshake);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    handshake->peer_resume = (struct tr_resume){
        .session = tr_be32_get(body + AT_SESSION),
        .last = tr_be32_get(body + AT_LAST),
        .received = tr_be64_get(body + AT_RECEIVED),
        .resumed = (tr_be32_get(body + AT_FLAGS) & FLAG_RESUMED) != 0,
    };
    move(handshake, handshake->config.dialer ? TR_HANDSHAKE_PROVEN : TR_HANDSHAKE_CLAIMED);
    return TROUPE_OK;
}

/* ---- input ---- */

/* A refusal is not proven, so it says no more than "no". */
static troupe_status on_refuse(struct tr_handshake *handshake, const struct tr_frame *frame)
{
    static const troupe_status known[] = {
        TROUPE_E_AUTH,     TROUPE_E_DENIED, TROUPE_E_NOT_FOUND, TROUPE_E_AGAIN,
        TROUPE_E_PROTOCOL, TROUPE_E_LIMIT,  TROUPE_E_NO_MEMORY, TROUPE_E_FENCED,
        TROUPE_E_EXISTS,   TROUPE_E_CLOSED, TROUPE_E_TIMEOUT,
    };

    move(handshake, TR_HANDSHAKE_REFUSED);
    handshake->output_size = 0;
    if (frame->body_size >= REFUSE_BODY_SIZE) {
        for (size_t index = 0; index < sizeof(known) / sizeof(known[0]); index++) {
            if (tr_be32_get(frame->body) == (uint32_t)known[index]) {
                return known[index];
            }
        }
    }
    return TROUPE_E_PROTOCOL;
}

troupe_status tr_handshake_input(struct tr_handshake *handshake, const struct tr_frame *frame)
{
    troupe_status status = TROUPE_E_PROTOCOL; /* what is not expected is refused */

    if (handshake->state == TR_HANDSHAKE_DONE || handshake->state == TR_HANDSHAKE_FAILED) {
        return TROUPE_E_PROTOCOL;
    }
    if (frame->kind == TR_FRAME_REFUSE) {
        return on_refuse(handshake, frame);
    }
    if (handshake->state == TR_HANDSHAKE_AWAIT_HELLO) {
        status = on_hello(handshake, frame);
    } else if (handshake->state == TR_HANDSHAKE_AWAIT_PROOF) {
        status = on_proof(handshake, frame);
    }
    if (status != TROUPE_OK) {
        tr_handshake_refuse(handshake, status);
    }
    return status;
}

troupe_status tr_handshake_offer(struct tr_handshake *handshake, const struct tr_resume *resume)
{
    troupe_status status = TROUPE_OK;

    TR_CHECK(handshake->state == TR_HANDSHAKE_OFFER);
    status = proof_send(handshake, resume);
    if (status == TROUPE_OK) {
        move(handshake, TR_HANDSHAKE_OFFERED);
    } else {
        tr_handshake_refuse(handshake, status);
    }
    return status;
}

troupe_status tr_handshake_accept(struct tr_handshake *handshake, const struct tr_resume *resume)
{
    troupe_status status = TROUPE_OK;

    TR_CHECK(handshake->state == TR_HANDSHAKE_JUDGE);
    status = proof_send(handshake, resume);
    if (status == TROUPE_OK) {
        status = seals_make(handshake);
    }
    if (status == TROUPE_OK) {
        move(handshake, TR_HANDSHAKE_ACCEPTED);
    } else {
        tr_handshake_refuse(handshake, status);
    }
    return status;
}

/* ---- what the owner reads ---- */

enum tr_handshake_state tr_handshake_state(const struct tr_handshake *handshake)
{
    return handshake->state;
}

const struct tr_hello *tr_handshake_peer(const struct tr_handshake *handshake)
{
    return &handshake->peer;
}

const struct tr_resume *tr_handshake_peer_resume(const struct tr_handshake *handshake)
{
    return &handshake->peer_resume;
}

struct tr_slice tr_handshake_output(struct tr_handshake *handshake)
{
    const struct tr_slice output = {handshake->output, handshake->output_size};

    handshake->output_size = 0;
    return output;
}

void tr_handshake_take_seals(struct tr_handshake *handshake, struct tr_seal **sending,
                             struct tr_seal **receiving)
{
    TR_CHECK(handshake->state == TR_HANDSHAKE_DONE);
    *sending = handshake->sending;
    *receiving = handshake->receiving;
    handshake->sending = NULL;
    handshake->receiving = NULL;
}
