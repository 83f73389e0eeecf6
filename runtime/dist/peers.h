/* dist/peers.h - all other nodes: connections, handshakes, one session per node, and clients.
 *
 *     tr_peers_create(&config, &events, &peers) -> tr_peers_listen(peers, &port, ..)
 *     -> (join the registry) -> tr_peers_set_identity(peers, ...)
 *     -> tr_peers_want(peers, id, name, host, port) ... on_up ... tr_peers_send ... on_message ...
 *     -> tr_peers_forget(peers, id) when the registry says that it is down ... on_lost
 *     -> tr_peers_close(peers, done, context)
 *
 * A broken connection is dialled again and its session resumed; only when the resume window has
 * passed, or the node is forgotten, is the session lost. For each pair of nodes: on_up, messages in
 * order, on_lost, then the next on_up with a higher session number.
 *
 * Threads: the loop thread, except where "any thread" is said. Events come on the loop thread, and
 * everything but close may be called in them.
 * Memory: what a session has queued is bounded by send_queue_bytes_max plus a reserve for system
 * signals (base/limits.h); what it has sent and not got acknowledged by TR_RESEND_BYTES_MAX.
 */
#ifndef TR_DIST_PEERS_H
#define TR_DIST_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "dist/peers_config.h"
#include "troupe/status.h"

struct tr_peers;
struct tr_tls_context;

/* Why a session was lost. */
enum tr_peers_lost {
    TR_PEERS_LOST_EXPIRED,   /* no connection within the resume window */
    TR_PEERS_LOST_FORGOTTEN, /* tr_peers_forget */
    TR_PEERS_LOST_GOODBYE,   /* the peer left in order */
    TR_PEERS_LOST_REPLACED,  /* the peer had given the session up before us */
    TR_PEERS_LOST_PROTOCOL,  /* the peer broke the protocol within the session */
    TR_PEERS_LOST_OVERLOAD,  /* more system signals waited than the reserve holds, or no memory */
    TR_PEERS_LOST_CLOSED     /* tr_peers_close */
};

struct tr_peers_events {
    void *context;
    /* A new session is usable. Session numbers of a pair grow and never repeat. */
    void (*on_up)(void *context, uint64_t node_id, uint32_t session);
    /* One whole message, lent for the call. */
    void (*on_message)(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                       size_t size);
    /* Exactly once per on_up; nothing of a later session comes before it returned. reason is an
     * enum tr_peers_lost. */
    void (*on_lost)(void *context, uint64_t node_id, uint32_t session, int reason);
    /* After tr_peers_await: the queue of the node's session has room again, down at its low mark.
     * May be NULL. */
    void (*on_room)(void *context, uint64_t node_id);
    /* A session's connection broke, or a dial failed. refused: the host itself answered that nobody
     * listens there. */
    void (*on_unreachable)(void *context, uint64_t node_id, bool refused);
    /* A request of a client that has proven to know the secret; answer by tr_peers_client_reply,
     * now or later. bytes are lent for the call. */
    void (*on_client)(void *context, uint64_t client, uint64_t request, const uint8_t *bytes,
                      size_t size);
    /* A handshake was refused, by us or by the other side: each time. (The log has it once per
     * address and ten seconds.) */
    void (*on_refused)(void *context, const char *address, troupe_status why);
};

/* Gives peers that do nothing yet; events and config are copied, the loop is lent.
 * TROUPE_E_INVALID (node name), TROUPE_E_NO_MEMORY, TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_peers_create(const struct tr_peers_config *config,
                                              const struct tr_peers_events *events,
                                              struct tr_peers **out);

/* Takes peers that never listened, dialled or were closed: for a start that failed. All others end
 * by tr_peers_close. NULL is allowed. */
void tr_peers_destroy(struct tr_peers *peers);

/* For connections from now on; those there are go on, and who could not be reached is dialled at
 * once. Before tr_peers_listen, or again later. TLS with this certificate: takes the context. */
void tr_peers_set_tls(struct tr_peers *peers, struct tr_tls_context *tls);
/* One secret to use, a second to accept too; copied, NO_MEMORY changes nothing. None, as before the
 * first call, is plain without TLS: this host only, in both directions. */
TROUPE_MUST_USE troupe_status tr_peers_set_secrets(struct tr_peers *peers, struct tr_slice secret,
                                                   struct tr_slice accepted);

/* Begins to accept. Gives the port, 0 for a unix socket. TROUPE_E_DENIED: plain beyond this host;
 * else as tr_listener_open_tcp and tr_listener_open_unix. On failure `why` says it in words. */
TROUPE_MUST_USE troupe_status tr_peers_listen(struct tr_peers *peers, uint16_t *port_out, char *why,
                                              size_t why_size);

/* Says who we are; until then accepted connections wait, up to their deadline. Once. */
void tr_peers_set_identity(struct tr_peers *peers, uint64_t node_id, const uint8_t cluster_id[16],
                           uint64_t system_id);

/* A member is up: keep a session with it. The higher node id dials at once, the lower one only when
 * nothing has come for a second. Again with another address: that is dialled from now on. No-op for
 * our own id and for one that was forgotten. TROUPE_E_NO_MEMORY, TROUPE_E_INVALID (name, host). */
TROUPE_MUST_USE troupe_status tr_peers_want(struct tr_peers *peers, uint64_t node_id,
                                            const char *name, const char *host, uint16_t port);

/* A member is down or has left: its session is lost now (on_lost is called from within), and its id
 * is refused for ever. */
void tr_peers_forget(struct tr_peers *peers, uint64_t node_id);

/* The session with a node cannot go on, for one of the reasons PROTOCOL and OVERLOAD: it is lost
 * now (on_lost is called from within), and the next one may begin. */
void tr_peers_give_up(struct tr_peers *peers, uint64_t node_id, enum tr_peers_lost reason);

enum {
    TR_PEERS_SYSTEM = 1, /* a system signal: not bound by send_queue_bytes_max */
    TR_PEERS_TOLD = 2, /* refused from the high mark on: who sends it can be told, not suspended */
    TR_PEERS_LATER = 4 /* the caller has the loop's hooks run soon, so nobody is woken for it */
};

struct tr_peers_target {
    uint64_t node_id;
    uint32_t session; /* 0 = whatever is current */
    /* Those of one order, such as a sender's id, keep it; others may overtake one above 64 KiB. */
    uint32_t order;
    unsigned flags; /* TR_PEERS_* */
    bool *crowded;  /* NULL, or where to say true when the queue is crowded and the message in it */
};

/* Any thread. Copies one message, made of the parts, into the session's queue.
 *   TROUPE_OK              it will arrive unless the session is lost
 *   TROUPE_E_NOCONNECTION  there is no session, or another than the one named
 *   TROUPE_E_BUSY          the queue is full, or crowded and the sender TR_PEERS_TOLD; never for a
 *                          system signal
 *   TROUPE_E_LIMIT         above TR_MESSAGE_SIZE_MAX
 *   TROUPE_E_NO_MEMORY     for a system signal also: the session will be lost */
TROUPE_MUST_USE troupe_status tr_peers_send(struct tr_peers *peers,
                                            const struct tr_peers_target *target,
                                            const struct tr_slice *parts, size_t count);

/* Any thread. Whether the queue of the node's session is crowded; then on_room will come, unless
 * the session is lost before. */
bool tr_peers_await(struct tr_peers *peers, uint64_t node_id);

/* Any thread. The features that both sides of the node's session have; 0 without a session. */
uint64_t tr_peers_features(struct tr_peers *peers, uint64_t node_id);

/* Any thread. Bytes that wait in the queues of all sessions. */
uint64_t tr_peers_queued(struct tr_peers *peers);

/* Any thread. The number of the current session with the node, 0 = none. */
uint32_t tr_peers_session(struct tr_peers *peers, uint64_t node_id);

/* Answers a client's request, once. Too late for a client that has gone: then a no-op. */
void tr_peers_client_reply(struct tr_peers *peers, uint64_t client, uint64_t request,
                           const uint8_t *bytes, size_t size);

/* Lends the counters. */
const struct tr_peers_counters *tr_peers_counters(const struct tr_peers *peers);

/* Closes the node's present connection as a fault would, for tests and `troupe debug`: its session
 * is resumed. */
void tr_peers_cut(struct tr_peers *peers, uint64_t node_id);

/* Takes the peers: stops listening, sends what is queued and a goodbye to everybody for half a
 * second at most, reports each session lost, then calls done(context) on the loop thread. From then
 * on no thread may use peers. Not from within an event. */
void tr_peers_close(struct tr_peers *peers, void (*done)(void *context), void *context);

#endif
