/* wire/handshake.h - how two ends find out who the other is, before anything else is said.
 *
 *     dialer                                   listener
 *     start  --- HELLO ---------------------->
 *            <-------------------- HELLO ---   (answers by itself)
 *     OFFER: tr_handshake_offer
 *            --- PROOF, what to resume ------>
 *                                              JUDGE: tr_handshake_accept or _refuse
 *     DONE   <--- PROOF, session number ----   DONE
 *
 * Either side may send REFUSE with a status instead and is FAILED then; so is who receives it.
 * A proof is an HMAC, with a key per direction that HKDF makes from the secret and both nonces,
 * over everything that was sent before it on either side and its own fields. Within TLS the keys
 * come from that connection too (binding): a handshake that somebody passes on proves nothing.
 *
 * Threads: one at a time. No socket, no clock: frames come in, bytes go out, the owner keeps the
 * deadline and the number of bytes.
 */
#ifndef TR_WIRE_HANDSHAKE_H
#define TR_WIRE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/frame.h"
#include "wire/handshake_state.h"
#include "wire/hello.h"
#include "wire/seal.h"

struct tr_handshake;

struct tr_handshake_config {
    bool dialer;
    struct tr_hello self;   /* mode and versions are filled in by create; the nonce must be fresh */
    struct tr_slice secret; /* copied, as accepted is; size 0 = plain */
    /* A listener's: a dialer may prove this one instead, and the listener then goes on with it. For
     * the time in which a cluster changes its secret; size 0 = none. */
    struct tr_slice accepted;
    /* What both ends of a TLS connection know of it and nobody else does; lent for the life of the
     * handshake. Size 0 = no TLS. With it there are proofs also without a secret, and never seals.
     */
    struct tr_slice binding;
    uint64_t expected_node_id; /* a dialer's: who should answer; 0 = any node */
};

/* What the two know of an earlier session of theirs. Zero for clients. */
struct tr_resume {
    uint32_t session;  /* dialer: to be resumed, 0 = none. Listener: the session from now on */
    uint32_t last;     /* the highest session number the sender knows of this pair */
    uint64_t received; /* sequence of the last record the sender has got in that session */
    bool resumed;      /* listener: `session` is the one that the dialer offered */
};

/* Gives a handshake. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_handshake_create(const struct tr_handshake_config *config,
                                                  struct tr_handshake **out);

/* Takes the handshake, which may be NULL. */
void tr_handshake_destroy(struct tr_handshake *handshake);

/* Dialer, once the stream is connected: makes the first frame. */
void tr_handshake_start(struct tr_handshake *handshake);

/* Gives one frame in. TROUPE_OK means that it was right and the state may have moved. Any other
 * answer is why the handshake has FAILED: TROUPE_E_AUTH (wrong secret, one side plain),
 * TROUPE_E_DENIED (another cluster or database, ourselves), TROUPE_E_NOT_FOUND (another node than
 * expected), TROUPE_E_LIMIT (its limits do not fit ours), TROUPE_E_PROTOCOL, TROUPE_E_NO_MEMORY, or
 * what the other side refused with. Where it is our own refusal there is output that tells the
 * other side. */
TROUPE_MUST_USE troupe_status tr_handshake_input(struct tr_handshake *handshake,
                                                 const struct tr_frame *frame);

/* In state OFFER only. TROUPE_E_NO_MEMORY fails the handshake. */
TROUPE_MUST_USE troupe_status tr_handshake_offer(struct tr_handshake *handshake,
                                                 const struct tr_resume *resume);

/* In state JUDGE only: the other side has proven itself. TROUPE_E_NO_MEMORY fails the handshake. */
TROUPE_MUST_USE troupe_status tr_handshake_accept(struct tr_handshake *handshake,
                                                  const struct tr_resume *resume);

/* Ends the handshake with a reason for the other side. No-op when it has ended. */
void tr_handshake_refuse(struct tr_handshake *handshake, troupe_status why);

enum tr_handshake_state tr_handshake_state(const struct tr_handshake *handshake);

/* Lends what the other side said of itself: valid from OFFER or AWAIT_PROOF on, but proven only in
 * JUDGE (listener) and DONE (dialer). */
const struct tr_hello *tr_handshake_peer(const struct tr_handshake *handshake);

/* Lends what the other side sent with its proof: in JUDGE (listener) and DONE (dialer). */
const struct tr_resume *tr_handshake_peer_resume(const struct tr_handshake *handshake);

/* Lends the bytes to be sent, and forgets them: they are lent until the next call of anything. */
struct tr_slice tr_handshake_output(struct tr_handshake *handshake);

/* In state DONE, once: gives the seals of both directions, NULL without a secret and within TLS. */
void tr_handshake_take_seals(struct tr_handshake *handshake, struct tr_seal **sending,
                             struct tr_seal **receiving);

#endif
