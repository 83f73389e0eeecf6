/* dist/peers_inside.h - what the files of peers share; nobody else includes it.
 *
 *   peers.c        the interface, the table, closing
 *   peers_send.c   what any thread may call
 *   peer_link.c    one wanted node: dialling, its session, sending, time
 *   peer_conn.c    one connection: reading frames, the handshake; peer_secure.c  TLS below it
 *   peer_door.c    who is let in, and who has to go for that
 *   peer_judge.c   which connection a pair of nodes keeps
 *   peer_client.c  connections of clients
 *   peer_dead.c    node ids that are refused for ever
 * Freeing: whatever may be on the stack below an event is put aside (conn_close, peer_retire) and
 * freed by the hook that runs before the loop blocks, when nothing is on the stack.
 */
#ifndef TR_DIST_PEERS_INSIDE_H
#define TR_DIST_PEERS_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/rng.h"
#include "dist/channel.h"
#include "dist/pace.h"
#include "dist/peers.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"
#include "sync/thread.h"
#include "wire/frame_reader.h"
#include "wire/handshake.h"
#include "wire/send_queue.h"
#include "wire/session.h"

enum {
    SHARDS = 16,
    HOST_SIZE_MAX = 255,
    ADDRESS_SIZE = 128, /* the path of a unix socket with its prefix */
    REFUSALS = 32,
    DEAD_MAX = 65536,
    READ_SIZE = 512 * 1024,      /* of one read of a proven peer: at least three frames */
    LOWER_DIALS_AFTER_MS = 1000, /* the higher node id has that long to begin */
    LOWER_REDIAL_MS = 4, /* after a break both dial; this lets the higher one be first mostly */
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    BACKOFF_AUTH_MS = 5000, /* a secret seldom changes within a second */
    RETRY_MS = 10,          /* after there was no memory */
    CLOSE_MS = 500,
    REFUSAL_LOG_MS = 10000,
    NS_PER_MS = 1000000
};

enum conn_state {
    CONN_CONNECTING, /* our dial; first, so that a zeroed one is that */
    CONN_WAITING,    /* accepted, and we do not know yet who we are */
    CONN_SECURING,   /* TLS is being agreed on */
    CONN_GREETING,   /* handshake */
    CONN_PARKED,     /* proven, and not wanted yet: the registry's news may be on its way */
    CONN_SESSION,
    CONN_CLIENT,
    CONN_REFUSING, /* the refusal is not written out yet */
    CONN_CLOSED
};

struct client_out; /* frames of a reply, waiting to be written */
struct conn {
    struct tr_peers *peers;
    struct conn *next;  /* in peers->conns, or in peers->grave */
    struct conn **link; /* what points at it in peers->conns */
    enum conn_state state;
    bool dialer;
    bool counted; /* among the unproven */
    struct tr_channel channel;
    struct tr_pace pace; /* CONN_SESSION */
    struct tr_frame_reader *reader;
    struct tr_handshake *handshake;
    struct tr_timer *timer; /* deadline; of a client, idleness */
    struct peer *peer;      /* dial: the target; CONN_SESSION: whose */
    size_t unproven_bytes;
    uint8_t binding[TR_BINDING_SIZE]; /* of the handshake to TLS */
    char address[ADDRESS_SIZE];

    /* CONN_CLIENT */
    uint64_t client;
    struct tr_seal *sending;
    struct tr_seal *receiving;
    uint8_t *request; /* as far as it has arrived */
    size_t request_size;
    uint64_t request_id;
    struct client_out *out_first;
    struct client_out **out_last;
    size_t out_bytes;
};

/* A session and what its messages are reported with. It may be on the stack when it is lost, so it
 * goes to the grave then. */
struct session_box {
    struct session_box *next; /* in the grave */
    struct peer *peer;
    struct tr_session *session;
};

struct peer {
    /* constant */
    struct tr_peers *peers;
    uint64_t node_id;

    /* loop thread */
    char name[TR_NODE_NAME_SIZE_MAX + 1];
    char host[HOST_SIZE_MAX + 1];
    uint16_t port;
    struct conn *conn;       /* of the session */
    struct conn *dial;       /* ours, not done with its handshake */
    struct session_box *box; /* NULL = no session */
    bool confirmed;          /* the peer is known to know of this session */
    bool explained;          /* why it cannot be dialled, in the log */
    bool used;               /* something was submitted since the last look */
    uint32_t last_session;
    uint32_t attempts; /* dials that failed since the last success */
    uint64_t dial_at;  /* UINT64_MAX = not planned */
    uint64_t armed_at; /* when the timer fires */
    struct tr_timer *timer;
    struct peer *next_grave;

    /* under the shard's lock */
    struct tr_send_queue queue;
    uint32_t live;     /* session number for senders; 0 = none */
    uint64_t features; /* of that session */
    bool dirty;        /* in peers->dirty */
    bool overloaded;   /* a system signal could not be kept: the session has to go */
    bool awaited;      /* somebody is to hear when the queue has room */
    bool gone;         /* forgotten */

    /* under dirty_lock */
    struct peer *next_dirty;
};

struct shard {
    struct tr_mutex lock;
    struct tr_map map; /* node id -> peer */
};

struct refusal {
    char host[ADDRESS_SIZE];
    uint64_t logged_at;
    uint64_t silent; /* since then */
};

struct dead_set {
    uint64_t *ids; /* sorted */
    size_t count;
    size_t capacity;
    uint64_t floor; /* what was dropped from the set is not above it */
};

struct tr_peers {
    struct tr_peers_config config; /* strings owned */
    struct tr_peers_events events;
    struct tr_loop *loop;
    struct peer_secret {
        uint8_t *bytes; /* owned; NULL = none */
        size_t size;
    } secret, accepted;
    struct tr_tls_context *tls; /* owned; NULL = none */
    char name[TR_NODE_NAME_SIZE_MAX + 1];
    char listen_host[ADDRESS_SIZE];
    uint64_t node_id; /* 0 until the identity is known */
    uint64_t system_id;
    uint8_t cluster_id[TR_CLUSTER_ID_SIZE];
    struct tr_rng rng;
    struct tr_listener *listener;
    struct tr_signal *signal;
    struct tr_loop_hook hook;
    struct conn *conns; /* all that are not closed */
    struct conn *grave;
    struct peer *peer_grave;
    struct session_box *session_grave;
    uint32_t unproven;
    uint32_t client_count;
    uint64_t client_last; /* the last client handle given out */
    struct dead_set dead;
    struct refusal refusals[REFUSALS];
    struct tr_peers_counters counters;
    bool closing;
    uint64_t close_by;
    struct tr_timer *close_timer;
    void (*done)(void *context);
    void *done_context;

    struct shard shards[SHARDS];
    struct tr_mutex dirty_lock;
    struct peer *dirty;
};

static inline uint64_t ms_to_ns(uint64_t ms)
{
    return ms * NS_PER_MS;
}

#endif
