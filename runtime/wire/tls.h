/* wire/tls.h - TLS 1.3 around one byte stream: bytes in, bytes out, no socket.
 *
 *     tr_tls_create(context, &(struct tr_tls_options){.dialer = true, .node = "n2"}, &tls)
 *     tr_tls_shake, and again after each tr_tls_input, until it answers TROUPE_OK
 *     tr_tls_input(what arrived) -> tr_tls_read ... until it answers TROUPE_E_AGAIN
 *     tr_tls_write(what to send)
 *     after each of these: tr_tls_output -> (send it) -> tr_tls_output_done
 *
 * The certificate of the other side is judged while it arrives: signed by an authority that we
 * trust, valid today, naming our cluster, and for a dialer the node that it dialled. There is no
 * plaintext before it: a byte that is not TLS ends it.
 *
 * Threads: the connection's thread.
 * Memory: input is lent and consumed at once. Output holds what the last write gave, and is bounded
 * by TR_TLS_OUTPUT_SIZE_MAX.
 */
#ifndef TR_WIRE_TLS_H
#define TR_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/hello.h"
#include "wire/tls_context.h"

struct tr_tls;

struct tr_tls_options {
    bool dialer;
    const char *node;       /* a dialer's: the node that has to answer; NULL = any node. Lent */
    uint64_t rekey_records; /* records sent under one key; 0 = TR_TLS_REKEY_RECORDS */
};

/* Gives a connection that has not begun. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_tls_create(const struct tr_tls_context *context,
                                            const struct tr_tls_options *options,
                                            struct tr_tls **out);

/* Takes the connection, which may be NULL. */
void tr_tls_destroy(struct tr_tls *tls);

/* Lends what arrived, until tr_tls_shake or tr_tls_read has answered TROUPE_E_AGAIN, and consumes
 * all of it by then. */
void tr_tls_input(struct tr_tls *tls, const uint8_t *bytes, size_t size);

/* Goes on with the handshake.
 *   TROUPE_OK           done: the other side has proven who it is. (A dialer's certificate may
 *                       still be refused by the listener, which it hears by tr_tls_read.)
 *   TROUPE_E_AGAIN      more has to arrive
 *   TROUPE_E_AUTH       no certificate, or one that is not accepted, by us or by the other side
 *   TROUPE_E_PROTOCOL   what arrived is not TLS 1.3
 *   TROUPE_E_NO_MEMORY
 * Whatever is neither of the first two is final; there may be output that tells the other side. */
TROUPE_MUST_USE troupe_status tr_tls_shake(struct tr_tls *tls);

/* Puts up to `capacity` bytes of what the other side said into `bytes`.
 *   TROUPE_OK           *size of them, at least 1
 *   TROUPE_E_AGAIN      more has to arrive
 *   TROUPE_E_CLOSED     the other side has ended it in order
 * and the errors of tr_tls_shake, which are final. */
TROUPE_MUST_USE troupe_status tr_tls_read(struct tr_tls *tls, uint8_t *bytes, size_t capacity,
                                          size_t *size);

/* Encrypts the slices, gathered into as few records as possible, into the output. After
 * tr_tls_shake has answered TROUPE_OK. TROUPE_E_NO_MEMORY, TROUPE_E_LIMIT (too much output waits):
 * final. */
TROUPE_MUST_USE troupe_status tr_tls_write(struct tr_tls *tls, const struct tr_slice *slices,
                                           size_t count);

/* Lends what is to be sent, empty when nothing is, until tr_tls_output_done. Not while something is
 * lent. */
struct tr_slice tr_tls_output(struct tr_tls *tls);
void tr_tls_output_done(struct tr_tls *tls);

/* Gives memory back that is only needed while much is sent. */
void tr_tls_trim(struct tr_tls *tls);

/* Lends why it failed, in words: "certificate has expired". "" before that. */
const char *tr_tls_why(const struct tr_tls *tls);

/* Lends who the other side is; after TROUPE_OK of tr_tls_shake. */
const struct tr_tls_name *tr_tls_peer(const struct tr_tls *tls);

/* Gives what both ends of this connection know and nobody else does; after TROUPE_OK of
 * tr_tls_shake. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_tls_binding(struct tr_tls *tls,
                                             uint8_t binding[static TR_BINDING_SIZE]);

#endif
