#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/host.h"
#include "base/limits.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"

enum {
    WRITES_PER_TURN = 8,  /* then reading has its turn again */
    BACKOFF_RESUME_MS = 2 /* instead of BACKOFF_MIN_MS while a session waits for its peer */
};

static void on_timer(void *context);

/* ---- life ---- */

troupe_status peer_create(struct tr_peers *peers, uint64_t node_id, struct peer **out)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    if (peer == NULL || tr_timer_create(peers->loop, on_timer, peer, &peer->timer) != TROUPE_OK) {
        free(peer);
        return TROUPE_E_NO_MEMORY;
    }
    peer->peers = peers;
    peer->node_id = node_id;
    peer->dial_at = UINT64_MAX;
    peer->armed_at = UINT64_MAX;
    tr_send_queue_init(&peer->queue, peers->config.queue_low, peers->config.queue_high,
                       peers->config.send_queue_bytes_max);
    *out = peer;
    return TROUPE_OK;
}

void peer_destroy(struct peer *peer)
{
    TR_CHECK(peer->box == NULL);
    tr_timer_close(peer->timer);
    tr_send_queue_fini(&peer->queue);
    free(peer);
}

void session_box_destroy(struct session_box *box)
{
    tr_session_destroy(box->session);
    free(box);
}

void peer_retire(struct peer *peer)
{
    struct tr_peers *peers = peer->peers;
    struct shard *shard = peers_shard(peers, peer->node_id);

    tr_mutex_lock(&shard->lock);
    peer->gone = true;
    (void)tr_map_take(&shard->map, peer->node_id);
    tr_mutex_unlock(&shard->lock);
    if (peer->dial != NULL) {
        conn_close(peer->dial);
        peer->dial = NULL;
    }
    peer_lose(peer, peers->closing ? TR_PEERS_LOST_CLOSED : TR_PEERS_LOST_FORGOTTEN);
    tr_timer_stop(peer->timer);
    peer->next_grave = peers->peer_grave;
    peers->peer_grave = peer;
}

/* ---- time ---- */

static uint64_t now_of(const struct peer *peer)
{
    return tr_loop_now(peer->peers->loop);
}

/* Whether something waits that the last flush could have taken, had there been memory. */
static bool is_stuck(struct peer *peer)
{
    struct shard *shard = peers_shard(peer->peers, peer->node_id);
    bool waits = false;

    if (peer->box == NULL || tr_session_room(peer->box->session) == 0) {
        return false;
    }
    tr_mutex_lock(&shard->lock);
    waits = !tr_send_queue_is_empty(&peer->queue) && !peer->dirty;
    tr_mutex_unlock(&shard->lock);
    return waits;
}

static void arm_at(struct peer *peer, uint64_t wake)
{
    uint64_t now = 0;

    if (peer->gone || wake >= peer->armed_at) {
        return;
    }
    now = now_of(peer);
    peer->armed_at = wake;
    tr_timer_start(peer->timer, wake > now ? wake - now : 0, 0);
}

void peer_arm(struct peer *peer)
{
    uint64_t wake = peer->dial_at;

    if (peer->box != NULL) {
        const uint64_t session_wake = tr_session_wake(peer->box->session);

        wake = session_wake < wake ? session_wake : wake;
    }
    arm_at(peer, wake);
}

bool peer_mark_dirty(struct peer *peer)
{
    struct tr_peers *peers = peer->peers;

    if (peer->dirty || peer->gone) {
        return false;
    }
    peer->dirty = true;
    tr_mutex_lock(&peers->dirty_lock);
    peer->next_dirty = peers->dirty;
    peers->dirty = peer;
    tr_mutex_unlock(&peers->dirty_lock);
    return true;
}

void peer_touch(struct peer *peer)
{
    struct tr_peers *peers = peer->peers;
    struct shard *shard = peers_shard(peers, peer->node_id);
    bool fresh = false;

    tr_mutex_lock(&shard->lock);
    fresh = peer_mark_dirty(peer);
    tr_mutex_unlock(&shard->lock);
    if (fresh && !tr_loop_will_turn(peers->loop)) {
        tr_signal_send(peers->signal);
    }
}

/* ---- dialling ---- */

uint64_t peer_backoff(struct peer *peer)
{
    /* A process that is being killed still accepts for a moment. Who was there just now is
     * asked again soon: what says that nobody is there any more is the dial that is refused. */
    const uint64_t least_ms = peer->box != NULL ? BACKOFF_RESUME_MS : BACKOFF_MIN_MS;
    const uint32_t doublings = peer->attempts < 10 ? peer->attempts : 10;
    uint64_t delay_ms = least_ms << doublings;

    delay_ms = delay_ms < BACKOFF_MAX_MS ? delay_ms : BACKOFF_MAX_MS;
    /* Between half of it and all of it, so that nodes that lost the same peer come apart. */
    return ms_to_ns(delay_ms) / 2 + tr_rng_below(&peer->peers->rng, ms_to_ns(delay_ms) / 2);
}

void peer_plan_dial(struct peer *peer, uint64_t delay_ns)
{
    if (peer->gone || peer->peers->closing || peer->peers->node_id == 0) {
        peer->dial_at = UINT64_MAX;
        return;
    }
    peer->dial_at = now_of(peer) + delay_ns;
    peer_arm(peer);
}

void peer_explain_dial(struct peer *peer, troupe_status status)
{
    const char *why = NULL;

    if (status == TROUPE_E_NOT_FOUND) {
        why = "no such socket here; it serves nodes of its own host only";
    } else if (status == TROUPE_E_DENIED) {
        why = "this process's user may not connect to it";
    }
    /* Who was there once comes again, or is told of as down. */
    if (why != NULL && tr_host_unix_path(peer->host) != NULL && peer->last_session == 0 &&
        !peer->explained) {
        peer->explained = true;
        peers_log(peer->peers, TR_PEERS_LOG_WARNING, "node %s (%llu) cannot be dialled at %s: %s",
                  peer->name, (unsigned long long)peer->node_id, peer->host, why);
    }
}

static void dial(struct peer *peer)
{
    struct tr_peers *peers = peer->peers;
    struct conn *conn = NULL;

    peer->dial_at = UINT64_MAX;
    if (peer->conn != NULL || peer->dial != NULL || peers->closing) {
        return;
    }
    peers->counters.dialled++;
    conn = conn_create(peers, NULL, peer);
    if (conn == NULL) {
        peer_plan_dial(peer, peer_backoff(peer));
        return;
    }
    tr_address_print(peer->host, peer->port, conn->address, sizeof(conn->address));
    peer->dial = conn;
    if (tr_stream_connect(peers->loop, peer->host, peer->port, &conn_events, conn,
                          &conn->channel.stream) != TROUPE_OK) {
        conn_events.on_end(conn, TROUPE_E_SYSTEM);
    }
}

/* ---- the session ---- */

static void on_message(void *context, const uint8_t *bytes, size_t size)
{
    const struct session_box *box = context;
    struct tr_peers *peers = box->peer->peers;

    peers->counters.messages_received++;
    peers->events.on_message(peers->events.context, box->peer->node_id,
                             tr_session_number(box->session), bytes, size);
}

static troupe_status box_create(struct peer *peer, uint32_t number, struct session_box **out)
{
    const struct tr_peers_config *config = &peer->peers->config;
    struct session_box *box = calloc(1, sizeof(*box));
    const struct tr_session_config session = {
        .number = number,
        .heartbeat_ns = ms_to_ns(config->heartbeat_ms),
        .silence_ns = ms_to_ns(config->silence_ms),
        .resume_window_ns = ms_to_ns(config->resume_window_ms),
        .ack_delay_ns = ms_to_ns(TR_ACK_DELAY_MS),
        .resend_bytes_max = TR_RESEND_BYTES_MAX,
        .context = box,
        .on_message = on_message,
    };

    if (box == NULL || tr_session_create(&session, now_of(peer), &box->session) != TROUPE_OK) {
        free(box);
        return TROUPE_E_NO_MEMORY;
    }
    box->peer = peer;
    *out = box;
    return TROUPE_OK;
}

/* Opens or shuts the queue for senders, and drops what an earlier session left in it. */
static void set_live(struct peer *peer, uint32_t number, uint64_t features)
{
    struct shard *shard = peers_shard(peer->peers, peer->node_id);

    tr_mutex_lock(&shard->lock);
    tr_send_queue_clear(&peer->queue);
    peer->live = number;
    peer->features = features;
    peer->overloaded = false;
    peer->awaited = false;
    tr_mutex_unlock(&shard->lock);
}

/* Makes this the only connection of the pair. */
static void adopt(struct peer *peer, struct conn *conn)
{
    if (peer->dial != NULL && peer->dial != conn) {
        conn_close(peer->dial);
    }
    if (peer->conn != NULL && peer->conn != conn) {
        conn_close(peer->conn);
    }
    peer->dial = NULL;
    peer->conn = conn;
    conn->peer = peer;
    tr_pace_init(&conn->pace);
    tr_stream_set_unsent_max(conn->channel.stream, conn->pace.batch);
    peer->attempts = 0;
    peer->dial_at = UINT64_MAX;
    tr_handshake_destroy(conn->handshake);
    conn->handshake = NULL;
}

void peer_begin(struct peer *peer, struct conn *conn, const struct tr_resume *agreed,
                uint64_t peer_received)
{
    struct tr_peers *peers = peer->peers;
    struct tr_seal *sending = NULL;
    struct tr_seal *receiving = NULL;
    const uint64_t features = peers->config.features & tr_handshake_peer(conn->handshake)->features;

    tr_handshake_take_seals(conn->handshake, &sending, &receiving);
    adopt(peer, conn);
    if (!agreed->resumed) {
        peer->last_session = agreed->session;
        peer->confirmed = conn->dialer;
        if (box_create(peer, agreed->session, &peer->box) != TROUPE_OK) {
            tr_seal_destroy(sending);
            tr_seal_destroy(receiving);
            peer_break(peer);
            return;
        }
        peers->counters.sessions++;
    } else {
        peers->counters.resumes++;
    }
    if (tr_session_attach(peer->box->session, now_of(peer), sending, receiving, peer_received) !=
        TROUPE_OK) {
        peer_lose(peer, TR_PEERS_LOST_PROTOCOL);
        return;
    }
    peers_log(peers, TR_PEERS_LOG_INFO, "session %u with node %s (%llu) %s", agreed->session,
              peer->name, (unsigned long long)peer->node_id, agreed->resumed ? "resumed" : "begun");
    if (!agreed->resumed) {
        set_live(peer, agreed->session, features);
        peers->events.on_up(peers->events.context, peer->node_id, agreed->session);
    }
    peer_touch(peer);
}

void peer_break(struct peer *peer)
{
    struct tr_peers *peers = peer->peers;
    uint64_t delay_ns = 0;

    if (peer->conn != NULL) {
        conn_close(peer->conn);
        peer->conn = NULL;
    }
    if (peer->box != NULL) {
        tr_session_detach(peer->box->session, now_of(peer));
        if (tr_session_state(peer->box->session) == TR_SESSION_ENDED) {
            peer_lose(peer, TR_PEERS_LOST_CLOSED); /* it was leaving */
        }
    }
    if (peers->node_id < peer->node_id) {
        delay_ns = ms_to_ns(LOWER_REDIAL_MS) + tr_rng_below(&peers->rng, ms_to_ns(LOWER_REDIAL_MS));
    }
    peer_plan_dial(peer, delay_ns);
    if (!peers->closing) {
        peers->events.on_unreachable(peers->events.context, peer->node_id, false);
    }
}

void peer_cut(struct peer *peer)
{
    if (peer->conn != NULL) {
        peer_break(peer);
    }
}

void peer_lose(struct peer *peer, enum tr_peers_lost reason)
{
    struct tr_peers *peers = peer->peers;
    struct session_box *box = peer->box;
    uint32_t number = 0;

    if (box == NULL) {
        return;
    }
    number = tr_session_number(box->session);
    set_live(peer, 0, 0);
    peer->box = NULL;
    tr_session_forget(box->session);
    box->next = peers->session_grave;
    peers->session_grave = box;
    if (peer->conn != NULL) {
        conn_close(peer->conn);
        peer->conn = NULL;
    }
    if (peer->dial == NULL && peer->dial_at == UINT64_MAX) {
        peer_plan_dial(peer, peer_backoff(peer));
    }
    peers->counters.lost++;
    peers_log(peers, TR_PEERS_LOG_INFO, "session %u with node %s (%llu) lost, reason %d", number,
              peer->name, (unsigned long long)peer->node_id, (int)reason);
    peers->events.on_lost(peers->events.context, peer->node_id, number, (int)reason);
}

void peer_frame(struct peer *peer, struct tr_frame *frame, uint64_t now)
{
    const troupe_status status = tr_session_input(peer->box->session, now, frame);

    if (status == TROUPE_OK) {
        peer->confirmed = true;
        return;
    }
    if (status == TROUPE_E_AUTH) {
        /* Whoever changed bytes under way ends a connection, not a session. */
        peer->peers->counters.bad_tags++;
        peer_break(peer);
    } else if (status == TROUPE_E_CLOSED) {
        peer_lose(peer, TR_PEERS_LOST_GOODBYE);
    } else if (status == TROUPE_E_NO_MEMORY) {
        peer_lose(peer, TR_PEERS_LOST_OVERLOAD);
    } else {
        peer->peers->counters.garbage++;
        peer_lose(peer, TR_PEERS_LOST_PROTOCOL);
    }
}

/* ---- sending ---- */

/* Moves records from the queue into the session, up to what is written next, and those that are
 * done with back: in the queue small messages pass large ones, in the session no more. One record
 * per holding of the lock: producers wait for the copying of one piece at most. */
static void top_up(struct peer *peer)
{
    struct tr_session *session = peer->box->session;
    const size_t batch = peer->conn->pace.batch;
    struct shard *shard = peers_shard(peer->peers, peer->node_id);
    struct tr_record *done = tr_session_take_done(session);
    struct tr_record *record = NULL;
    bool has_room = false; /* and somebody waits for that */

    do {
        const bool room = tr_session_room(session) > 0 && tr_session_waiting(session) < batch;

        tr_mutex_lock(&shard->lock);
        tr_send_queue_recycle(&peer->queue, done);
        record = room ? tr_send_queue_take(&peer->queue) : NULL;
        has_room = has_room || (peer->awaited && !peer->queue.crowded);
        peer->awaited = peer->awaited && !has_room;
        tr_mutex_unlock(&shard->lock);
        done = NULL;
        if (record != NULL) {
            tr_session_submit(session, record);
            peer->used = true;
        }
    } while (record != NULL);
    if (has_room && peer->peers->events.on_room != NULL) {
        peer->peers->events.on_room(peer->peers->events.context, peer->node_id);
    }
}

/* One write. Answers whether another one may follow at once. */
static bool write_once(struct peer *peer)
{
    struct tr_slice slices[TR_STREAM_SLICES_MAX];
    struct tr_session *session = peer->box->session;
    struct conn *conn = peer->conn;
    size_t count = 0;
    bool done = false;

    top_up(peer);
    count =
        tr_session_output(session, now_of(peer), slices, TR_STREAM_SLICES_MAX, conn->pace.batch);
    if (count == 0) {
        return false;
    }
    if (tr_channel_write(&conn->channel, slices, count, &done) != TROUPE_OK) {
        conn_events.on_end(conn, TROUPE_E_NOCONNECTION);
        return false;
    }
    if (done) {
        tr_session_written(session);
    } else {
        tr_pace_begin(&conn->pace, tr_slices_size(slices, count), now_of(peer));
    }
    return done;
}

static bool is_overloaded(struct peer *peer)
{
    struct shard *shard = peers_shard(peer->peers, peer->node_id);
    bool overloaded = false;

    tr_mutex_lock(&shard->lock);
    overloaded = peer->overloaded;
    tr_mutex_unlock(&shard->lock);
    return overloaded;
}

/* Says goodbye once everything is on its way. */
static void leave_if_drained(struct peer *peer)
{
    struct shard *shard = peers_shard(peer->peers, peer->node_id);
    bool drained = false;

    if (tr_session_state(peer->box->session) != TR_SESSION_UP) {
        return;
    }
    tr_mutex_lock(&shard->lock);
    drained = tr_send_queue_is_empty(&peer->queue);
    tr_mutex_unlock(&shard->lock);
    if (drained) {
        tr_session_leave(peer->box->session);
    }
}

void peer_flush(struct peer *peer)
{
    unsigned writes = 0;

    if (peer->gone) {
        return;
    }
    if (peer->box != NULL && is_overloaded(peer)) {
        peer_lose(peer, TR_PEERS_LOST_OVERLOAD);
    }
    if (peer->box != NULL && peer->conn != NULL) {
        while (writes < WRITES_PER_TURN && !tr_channel_is_writing(&peer->conn->channel) &&
               write_once(peer)) {
            writes++;
        }
        if (peer->peers->closing && peer->box != NULL && peer->conn != NULL) {
            leave_if_drained(peer);
            if (!tr_channel_is_writing(&peer->conn->channel)) {
                (void)write_once(peer);
            }
        }
    }
    if (writes == WRITES_PER_TURN) {
        peer_touch(peer);
    } else if (peer->conn != NULL && !tr_channel_is_writing(&peer->conn->channel) &&
               is_stuck(peer)) {
        arm_at(peer, now_of(peer) + ms_to_ns(RETRY_MS));
    }
    peer_arm(peer);
}

/* A session that has sent nothing for a heartbeat keeps no records for reuse. */
static void trim_if_quiet(struct peer *peer)
{
    struct shard *shard = peers_shard(peer->peers, peer->node_id);

    if (!peer->used && peer->box != NULL && tr_session_is_idle(peer->box->session)) {
        tr_mutex_lock(&shard->lock);
        tr_send_queue_recycle(&peer->queue, tr_session_take_done(peer->box->session));
        tr_send_queue_trim(&peer->queue);
        tr_mutex_unlock(&shard->lock);
        if (peer->conn != NULL) {
            tr_channel_trim(&peer->conn->channel);
        }
    }
    peer->used = false;
}

static void on_timer(void *context)
{
    struct peer *peer = context;
    const uint64_t now = now_of(peer);

    peer->armed_at = UINT64_MAX;
    if (peer->box != NULL) {
        const enum tr_session_verdict verdict = tr_session_tick(peer->box->session, now);

        if (verdict == TR_SESSION_EXPIRED) {
            peer_lose(peer, TR_PEERS_LOST_EXPIRED);
        } else if (verdict == TR_SESSION_SILENT) {
            peers_log(peer->peers, TR_PEERS_LOG_WARNING, "node %s (%llu) is silent", peer->name,
                      (unsigned long long)peer->node_id);
            peer_break(peer);
        } else {
            trim_if_quiet(peer);
        }
    }
    if (peer->gone) {
        return;
    }
    if (peer->dial_at <= now) {
        dial(peer);
    }
    peer_flush(peer);
}
