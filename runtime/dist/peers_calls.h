/* dist/peers_calls.h - what the files of peers call of each other; nobody else includes it.
 *
 * Threads: the loop thread, except peer_mark_dirty.
 */
#ifndef TR_DIST_PEERS_CALLS_H
#define TR_DIST_PEERS_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "dist/peers_inside.h"

/* ---- peers.c ---- */

__attribute__((format(printf, 3, 4))) void peers_log(const struct tr_peers *peers, int level,
                                                     const char *format, ...);
struct shard *peers_shard(struct tr_peers *peers, uint64_t node_id);

/* Lends the peer that is wanted under this id, or NULL. */
struct peer *peers_find(struct tr_peers *peers, uint64_t node_id);

/* Counts, logs and reports a handshake that was refused; text says more than why, or is NULL. */
void peers_refused(struct tr_peers *peers, const char *address, troupe_status why,
                   const char *text);

/* Whether a stream may be used although nobody proves who they are: without secret and TLS it is
 * loopback only. */
bool peers_may_use(const struct tr_peers *peers, const struct tr_stream *stream);

/* ---- peer_secrets.c ---- */

/* Wipes and frees it, and leaves none. */
void peer_secret_free(struct peer_secret *secret);

/* Both or none: TROUPE_E_NO_MEMORY leaves those there are. */
TROUPE_MUST_USE troupe_status peer_secrets_replace(struct tr_peers *peers, struct tr_slice secret,
                                                   struct tr_slice accepted);

/* ---- peer_link.c ---- */

TROUPE_MUST_USE troupe_status peer_create(struct tr_peers *peers, uint64_t node_id,
                                          struct peer **out);

/* Frees a peer that is in no table, list or grave. */
void peer_destroy(struct peer *peer);

/* Logs once why a unix socket cannot be dialled, when that tells of a mistake. */
void peer_explain_dial(struct peer *peer, troupe_status status);

/* Plans the next dial for a time from now, and sets the timer. */
void peer_plan_dial(struct peer *peer, uint64_t delay_ns);
uint64_t peer_backoff(struct peer *peer);

/* Adds the peer to those the next turn flushes; under its shard's lock. Answers whether it was not
 * among them. */
bool peer_mark_dirty(struct peer *peer);

/* Has the next turn flush the peer. */
void peer_touch(struct peer *peer);

/* Lends the session, or NULL. */
static inline struct tr_session *peer_session(const struct peer *peer)
{
    return peer->box == NULL ? NULL : peer->box->session;
}

void session_box_destroy(struct session_box *box);

/* Writes what can be written and sets the timer. */
void peer_flush(struct peer *peer);
void peer_arm(struct peer *peer);

/* The connection of the session is gone: it may be resumed. */
void peer_break(struct peer *peer);

/* The session is lost: tells the owner. No-op without one. */
void peer_lose(struct peer *peer, enum tr_peers_lost reason);

/* Begins a session with this number on a proven connection, or goes on with the one there is. Takes
 * the seals. */
void peer_begin(struct peer *peer, struct conn *conn, const struct tr_resume *agreed,
                uint64_t peer_received);

/* One frame of the session. */
void peer_frame(struct peer *peer, struct tr_frame *frame, uint64_t now);

/* Cuts the connection of the session as a fault would. */
void peer_cut(struct peer *peer);

/* Everything of the node ends now; the peer goes to the grave. */
void peer_retire(struct peer *peer);

/* ---- peer_conn.c ---- */

extern const struct tr_stream_events conn_events;

/* Gives a connection in the list, with its deadline running. NULL without memory. Takes the stream,
 * which is NULL for a dial, whatever the answer. */
struct conn *conn_create(struct tr_peers *peers, struct tr_stream *stream, struct peer *target);

/* Closes it and puts it into the grave. No-op when it is closed. */
void conn_close(struct conn *conn);
void conn_free(struct conn *conn);

/* Begins the handshake of a connection, within TLS or without. */
void conn_greet(struct conn *conn);

/* A dial came to nothing, or a session's connection broke: closes it, and the peer decides what
 * next, after a time that is 0 for the usual one. */
void conn_failed(struct conn *conn, bool refused, uint64_t delay_ns);

/* Refuses with a reason for the other side, reports it and closes. */
void conn_refuse(struct conn *conn, troupe_status why);

/* The same, and the log says why in more words. */
void conn_refuse_because(struct conn *conn, troupe_status why, const char *text);

/* Writes what the handshake has to say. False when the connection was closed for it. */
bool conn_flush_handshake(struct conn *conn);

/* The connection has proven itself: no more deadline, larger frames. False when there was no memory
 * and it was closed. */
bool conn_promote(struct conn *conn, enum conn_state state);

/* ---- peer_door.c ---- */

/* Takes a stream that has knocked. */
void conn_on_accept(void *context, struct tr_stream *stream);
void conn_on_shortage(void *context, const char *why, uint64_t closed);

/* ---- peer_secure.c ---- */

/* Begins TLS on a connected stream if there is to be any, and the handshake behind it. */
void conn_secure(struct conn *conn);

/* Whether the certificate, if there is one, is that of whom the hello speaks. */
bool conn_is_who_it_says(const struct conn *conn);

/* ---- peer_judge.c ---- */

/* A dialer has the other's hello and says what to resume. */
void judge_offer(struct conn *conn);

/* A listener has a proven node or client before it. */
void judge_claim(struct conn *conn);

/* A dialer has the other's proof. */
void judge_proven(struct conn *conn);

/* A node has become wanted: looks whether it waits at the door. */
void judge_parked(struct peer *peer);

/* ---- peer_client.c ---- */

void client_begin(struct conn *conn);
void client_frame(struct conn *conn, struct tr_frame *frame);
void client_flush(struct conn *conn);
void client_fini(struct conn *conn);

/* ---- peer_dead.c ---- */

/* Without memory the oldest knowledge goes, never the newest. */
void dead_add(struct dead_set *dead, uint64_t node_id);
bool dead_has(const struct dead_set *dead, uint64_t node_id);
void dead_fini(struct dead_set *dead);

#endif
