/* wire/session.h - the ordered conversation between two nodes, which outlives its connections.
 *
 * Records go out with a sequence number and are kept until the peer has acknowledged them; a new
 * connection goes on where the peer says it stopped. So nothing is lost or doubled as long as the
 * session lives, and what arrived is a prefix of what was sent when it does not.
 *
 *     create -> attach -> submit(record) ... output -> (write) -> written, output ...
 *                      -> input(frame) ... tick(now) ...
 *               detach -> attach (resumed)  or  tick answers EXPIRED
 *
 * Heartbeats and acknowledgements have their own lane: output gives them before any record.
 *
 * Threads: one at a time. No socket and no clock: now_ns is any clock that does not go back.
 * Memory: takes records by submit, gives them back by take_done.
 */
#ifndef TR_WIRE_SESSION_H
#define TR_WIRE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/frame.h"
#include "wire/record.h"
#include "wire/seal.h"
#include "wire/session_state.h"

struct tr_session;

struct tr_session_config {
    uint32_t number;
    uint64_t heartbeat_ns;
    uint64_t silence_ns;
    uint64_t resume_window_ns;
    uint64_t ack_delay_ns;
    size_t resend_bytes_max;
    void *context;
    /* A whole message, lent for the call, in the order sent. The session may be ended in it, not
     * destroyed. */
    void (*on_message)(void *context, const uint8_t *bytes, size_t size);
};

enum tr_session_verdict {
    TR_SESSION_FINE,
    TR_SESSION_SILENT, /* the owner closes the connection, which detaches the session */
    TR_SESSION_EXPIRED /* the session has ended */
};

struct tr_session_counters {
    uint64_t records_sent; /* first time */
    uint64_t records_resent;
    uint64_t records_received;
    uint64_t records_doubled; /* came again after a resume and were dropped */
    uint64_t messages_received;
    uint64_t attachments;
};

/* Gives a session in state NEW. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_session_create(const struct tr_session_config *config,
                                                uint64_t now_ns, struct tr_session **out);

/* Takes the session, which may be NULL. */
void tr_session_destroy(struct tr_session *session);

/* Takes both seals, whatever the answer; a connection that was attached before is forgotten.
 * peer_received is the last record that the peer has got, 0 in a new session. TROUPE_E_PROTOCOL
 * when it cannot be; the session has ended then. */
TROUPE_MUST_USE troupe_status tr_session_attach(struct tr_session *session, uint64_t now_ns,
                                                struct tr_seal *sending, struct tr_seal *receiving,
                                                uint64_t peer_received);

/* The connection is gone: BROKEN, or ENDED when it was leaving. What output lent is no longer lent.
 * No-op without a connection. */
void tr_session_detach(struct tr_session *session, uint64_t now_ns);

/* Bytes of records that may be submitted now: none without a connection, and only so much that the
 * window holds and that what comes later need not wait long. */
size_t tr_session_room(const struct tr_session *session);

/* Bytes of records that were submitted and not yet given by output on this connection. */
size_t tr_session_waiting(const struct tr_session *session);

/* Takes a record. */
void tr_session_submit(struct tr_session *session, struct tr_record *record);

/* Fills slices with what is to be written next, at most count of them and about bytes_max bytes,
 * and answers how many: 0 when there is nothing. They are lent until written, detach or destroy,
 * and output is not called again before. */
size_t tr_session_output(struct tr_session *session, uint64_t now_ns, struct tr_slice *slices,
                         size_t count, size_t bytes_max);

/* Everything that output lent is written. */
void tr_session_written(struct tr_session *session);

/* Gives in one frame as it came.
 *   TROUPE_OK
 *   TROUPE_E_AUTH       its tag is wrong: the connection is of no more use, the session is
 *   TROUPE_E_PROTOCOL   the peer broke the protocol or a bound; the session has ended
 *   TROUPE_E_CLOSED     the peer said goodbye; the session has ended
 *   TROUPE_E_NO_MEMORY  the session has ended, since what was acknowledged cannot be delivered */
TROUPE_MUST_USE troupe_status tr_session_input(struct tr_session *session, uint64_t now_ns,
                                               struct tr_frame *frame);

/* The time by which tick or output wants to be called, UINT64_MAX for never. */
uint64_t tr_session_wake(const struct tr_session *session);

/* Looks at the time. */
enum tr_session_verdict tr_session_tick(struct tr_session *session, uint64_t now_ns);

/* Ends in order: a goodbye follows what was submitted, and is the last thing output gives. */
void tr_session_leave(struct tr_session *session);

/* True once the goodbye is written. */
bool tr_session_has_left(const struct tr_session *session);

/* Ends at once. No-op when it has ended. */
void tr_session_forget(struct tr_session *session);

/* Gives the records that are done with: acknowledged and no longer lent. */
struct tr_record *tr_session_take_done(struct tr_session *session);

enum tr_session_state tr_session_state(const struct tr_session *session);
uint32_t tr_session_number(const struct tr_session *session);

/* Sequence of the last record that has arrived: what a resume tells the peer. */
uint64_t tr_session_received(const struct tr_session *session);

/* Sequence of the last record that the peer has acknowledged: a resume from before it is stale. */
uint64_t tr_session_confirmed(const struct tr_session *session);

/* True when everything submitted is acknowledged. */
bool tr_session_is_idle(const struct tr_session *session);

/* True when there is a connection and something to write on it at this time. */
bool tr_session_wants_output(const struct tr_session *session, uint64_t now_ns);

/* Lends the counters. */
const struct tr_session_counters *tr_session_counters(const struct tr_session *session);

#endif
