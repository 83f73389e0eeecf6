#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"
#include "wire/crypto.h"

/* ---- life ---- */

static void on_deadline(void *context)
{
    struct conn *conn = context;

    if (conn->state == CONN_CLIENT) {
        conn_close(conn);
        return;
    }
    conn->peers->counters.handshake_timeouts++;
    if (conn->state == CONN_PARKED) {
        conn_refuse(conn, TROUPE_E_AGAIN);
        return;
    }
    peers_refused(conn->peers, conn->address, TROUPE_E_TIMEOUT, NULL);
    if (conn->dialer) {
        conn_events.on_end(conn, TROUPE_E_TIMEOUT);
    } else {
        conn_close(conn);
    }
}

struct conn *conn_create(struct tr_peers *peers, struct tr_stream *stream, struct peer *target)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL ||
        tr_timer_create(peers->loop, on_deadline, conn, &conn->timer) != TROUPE_OK) {
        free(conn);
        tr_stream_close(stream);
        return NULL;
    }
    conn->peers = peers;
    conn->channel.stream = stream;
    conn->peer = target;
    conn->dialer = target != NULL;
    conn->out_last = &conn->out_first;
    conn->next = peers->conns;
    conn->link = &peers->conns;
    if (conn->next != NULL) {
        conn->next->link = &conn->next;
    }
    peers->conns = conn;
    if (!conn->dialer) {
        conn->counted = true;
        peers->unproven++;
    }
    if (stream != NULL) {
        tr_stream_set_events(stream, &conn_events, conn);
        tr_stream_peer(stream, conn->address, sizeof(conn->address));
    }
    tr_timer_start(conn->timer, ms_to_ns(peers->config.handshake_ms), 0);
    return conn;
}

static void no_longer_unproven(struct conn *conn)
{
    if (conn->counted) {
        conn->counted = false;
        conn->peers->unproven--;
    }
}

void conn_close(struct conn *conn)
{
    struct tr_peers *peers = conn->peers;

    if (conn->state == CONN_CLOSED) {
        return;
    }
    if (conn->state == CONN_CLIENT) {
        peers->client_count--;
    }
    conn->state = CONN_CLOSED;
    no_longer_unproven(conn);
    tr_channel_close(&conn->channel);
    tr_timer_close(conn->timer);
    conn->timer = NULL;
    conn->peer = NULL;
    *conn->link = conn->next;
    if (conn->next != NULL) {
        conn->next->link = conn->link;
    }
    conn->next = peers->grave;
    peers->grave = conn;
}

void conn_free(struct conn *conn)
{
    TR_CHECK(conn->state == CONN_CLOSED);
    tr_frame_reader_destroy(conn->reader);
    tr_handshake_destroy(conn->handshake);
    client_fini(conn);
    tr_channel_fini(&conn->channel);
    tr_crypto_wipe(conn->binding, sizeof(conn->binding));
    free(conn);
}

void conn_failed(struct conn *conn, bool refused, uint64_t delay_ns)
{
    struct peer *peer = conn->peer;
    const bool is_dial = peer != NULL && peer->dial == conn;
    const bool is_session = peer != NULL && peer->conn == conn;

    conn_close(conn);
    if (is_session) {
        peer_break(peer);
    } else if (is_dial) {
        struct tr_peers *peers = peer->peers;

        peer->dial = NULL;
        peer->attempts++;
        peers->counters.dial_failures++;
        peer_plan_dial(peer, delay_ns != 0 ? delay_ns : peer_backoff(peer));
        peers->events.on_unreachable(peers->events.context, peer->node_id, refused);
    }
}

/* ---- handshake ---- */

bool conn_flush_handshake(struct conn *conn)
{
    const struct tr_slice output = tr_handshake_output(conn->handshake);
    bool done = true;

    if (output.size == 0) {
        return true;
    }
    /* Nothing but handshake frames has ever been written, and the next one is made only after the
     * other side has answered; a peer that makes us wait for a few hundred bytes is let go. */
    if (tr_channel_is_writing(&conn->channel) ||
        tr_channel_write(&conn->channel, &output, 1, &done) != TROUPE_OK || !done) {
        conn_failed(conn, false, 0);
        return false;
    }
    return true;
}

void conn_refuse_because(struct conn *conn, troupe_status why, const char *text)
{
    tr_handshake_refuse(conn->handshake, why);
    if (conn_flush_handshake(conn)) {
        conn_failed(conn, false, why == TROUPE_E_AUTH ? ms_to_ns(BACKOFF_AUTH_MS) : 0);
    }
    /* The closed connection stays readable until the end of the turn. */
    if (why != TROUPE_E_AGAIN && why != TROUPE_E_EXISTS) {
        peers_refused(conn->peers, conn->address, why, text);
    }
}

void conn_refuse(struct conn *conn, troupe_status why)
{
    conn_refuse_because(conn, why, NULL);
}

static troupe_status handshake_make(struct conn *conn)
{
    struct tr_peers *peers = conn->peers;
    struct tr_handshake_config config = {
        .dialer = conn->dialer,
        .self =
            {
                .role = TR_WIRE_NODE,
                .features = peers->config.features,
                .system_id = peers->system_id,
                .node_id = peers->node_id,
                .frame_size_max = TR_FRAME_SIZE_MAX,
                .message_size_max = TR_MESSAGE_SIZE_MAX,
                .heartbeat_ms = peers->config.heartbeat_ms,
                .silence_ms = peers->config.silence_ms,
            },
        .secret = {peers->secret.bytes, peers->secret.size},
        .accepted = {peers->accepted.bytes, peers->accepted.size},
        .binding = {conn->binding, conn->channel.tls != NULL ? sizeof(conn->binding) : 0},
        .expected_node_id = conn->dialer ? conn->peer->node_id : 0,
    };
    troupe_status status = tr_crypto_random(config.self.nonce, TR_NONCE_SIZE);

    memcpy(config.self.cluster_id, peers->cluster_id, TR_CLUSTER_ID_SIZE);
    memcpy(config.self.name, peers->name, sizeof(config.self.name));
    if (status == TROUPE_OK) {
        status = tr_frame_reader_create(TR_HANDSHAKE_FRAME_SIZE_MAX, TR_HANDSHAKE_FRAME_SIZE_MAX,
                                        &conn->reader);
    }
    if (status == TROUPE_OK) {
        status = tr_handshake_create(&config, &conn->handshake);
    }
    return status;
}

void conn_greet(struct conn *conn)
{
    conn->state = CONN_GREETING;
    if (handshake_make(conn) != TROUPE_OK ||
        tr_stream_read_start(conn->channel.stream) != TROUPE_OK) {
        conn_failed(conn, false, 0);
        return;
    }
    if (conn->dialer) {
        tr_handshake_start(conn->handshake);
        (void)conn_flush_handshake(conn);
    }
}

bool conn_promote(struct conn *conn, enum conn_state state)
{
    const size_t capacity = state == CONN_SESSION ? (size_t)READ_SIZE : (size_t)TR_FRAME_SIZE_MAX;

    if (tr_frame_reader_resize(conn->reader, TR_FRAME_SIZE_MAX, capacity) != TROUPE_OK) {
        conn_failed(conn, false, 0);
        return false;
    }
    conn->state = state;
    no_longer_unproven(conn);
    tr_channel_trust(&conn->channel);
    tr_timer_stop(conn->timer);
    return true;
}

/* What the handshake wants of its owner after a frame. */
static void handshake_next(struct conn *conn)
{
    switch (tr_handshake_state(conn->handshake)) {
    case TR_HANDSHAKE_OFFER:
        judge_offer(conn);
        break;
    case TR_HANDSHAKE_JUDGE:
        judge_claim(conn);
        break;
    case TR_HANDSHAKE_DONE:
        judge_proven(conn);
        break;
    case TR_HANDSHAKE_REST:
    case TR_HANDSHAKE_AWAIT_HELLO:
    case TR_HANDSHAKE_AWAIT_PROOF:
    case TR_HANDSHAKE_FAILED:
    case TR_HANDSHAKE_STATE_COUNT:
        (void)conn_flush_handshake(conn);
        break;
    }
}

static void handshake_frame(struct conn *conn, const struct tr_frame *frame)
{
    const troupe_status status = tr_handshake_input(conn->handshake, frame);

    if (status == TROUPE_OK) {
        handshake_next(conn);
        return;
    }
    if (frame->kind == TR_FRAME_REFUSE && (status == TROUPE_E_AGAIN || status == TROUPE_E_EXISTS)) {
        conn_failed(conn, false, 0); /* a matter of timing, not of trust */
        return;
    }
    if (conn_flush_handshake(conn)) {
        conn_failed(conn, false, status == TROUPE_E_AUTH ? ms_to_ns(BACKOFF_AUTH_MS) : 0);
    }
    peers_refused(conn->peers, conn->address, status, NULL);
}

/* ---- reading ---- */

static void on_connect(void *context, troupe_status status, bool refused)
{
    struct conn *conn = context;

    if (status == TROUPE_OK && !peers_may_use(conn->peers, conn->channel.stream)) {
        peers_refused(conn->peers, conn->address, TROUPE_E_DENIED, NULL);
        status = TROUPE_E_DENIED;
    }
    if (status != TROUPE_OK) {
        peer_explain_dial(conn->peer, status);
        conn_failed(conn, refused, 0);
        return;
    }
    conn_secure(conn);
}

static size_t on_space(void *context, uint8_t **space)
{
    const struct conn *conn = context;

    return tr_frame_reader_space(conn->reader, space);
}

static void frame_in(struct conn *conn, struct tr_frame *frame, uint64_t now)
{
    if (conn->state == CONN_SESSION) {
        peer_frame(conn->peer, frame, now);
    } else if (conn->state == CONN_CLIENT) {
        client_frame(conn, frame);
    } else if (conn->state == CONN_GREETING) {
        handshake_frame(conn, frame);
    } else {
        /* A parked peer has nothing to say before it is answered. */
        conn->peers->counters.garbage++;
        conn_failed(conn, false, 0);
    }
}

/* Whether what cannot be a frame is the head of a record of TLS, a hello or an alert. */
static bool is_tls(const struct conn *conn)
{
    const struct tr_slice rest = tr_frame_reader_rest(conn->reader);

    return conn->channel.tls == NULL && rest.size >= 2 &&
           (rest.bytes[0] == 0x15 || rest.bytes[0] == 0x16) && rest.bytes[1] == 0x03;
}

static void on_read(void *context, size_t size)
{
    struct conn *conn = context;
    struct tr_peers *peers = conn->peers;
    const uint64_t now = tr_loop_now(peers->loop);
    troupe_status status = TROUPE_OK;

    tr_frame_reader_commit(conn->reader, size);
    if (conn->state == CONN_GREETING || conn->state == CONN_PARKED) {
        conn->unproven_bytes += size;
        if (conn->unproven_bytes > TR_UNPROVEN_BYTES_MAX) {
            peers->counters.garbage++;
            conn_refuse(conn, TROUPE_E_LIMIT);
            return;
        }
    }
    while (status == TROUPE_OK && conn->state != CONN_CLOSED) {
        struct tr_frame frame;

        status = tr_frame_reader_next(conn->reader, &frame);
        if (status == TROUPE_OK) {
            frame_in(conn, &frame, now);
        }
    }
    if (conn->state == CONN_CLOSED) {
        return;
    }
    if (status != TROUPE_E_AGAIN) {
        peers->counters.garbage++;
        if (conn->state == CONN_GREETING) {
            conn_refuse_because(conn, status,
                                is_tls(conn) ? "it speaks TLS, and this node does not" : NULL);
        } else {
            conn_failed(conn, false, 0);
        }
        return;
    }
    if (conn->state == CONN_SESSION) {
        peer_touch(conn->peer); /* acknowledgements to send, or room for what waits */
    }
}

static void on_end(void *context, troupe_status status)
{
    (void)status;
    conn_failed(context, false, 0);
}

static void on_written(void *context)
{
    struct conn *conn = context;

    if (conn->state == CONN_SESSION) {
        if (tr_pace_end(&conn->pace, tr_loop_now(conn->peers->loop))) {
            tr_stream_set_unsent_max(conn->channel.stream, conn->pace.batch);
        }
        tr_session_written(peer_session(conn->peer));
        peer_touch(conn->peer);
    } else if (conn->state == CONN_CLIENT) {
        client_flush(conn);
    }
}

const struct tr_stream_events conn_events = {
    .on_connect = on_connect,
    .space = on_space,
    .on_read = on_read,
    .on_end = on_end,
    .on_written = on_written,
};
