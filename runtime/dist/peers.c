#include "dist/peers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/host.h"
#include "base/limits.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"
#include "dist/stranger.h"

/* ---- the table ---- */

struct shard *peers_shard(struct tr_peers *peers, uint64_t node_id)
{
    return &peers->shards[node_id % SHARDS]; /* ids are consecutive: this spreads them */
}

struct peer *peers_find(struct tr_peers *peers, uint64_t node_id)
{
    struct shard *shard = peers_shard(peers, node_id);
    struct peer *peer = NULL;

    tr_mutex_lock(&shard->lock);
    peer = tr_map_get(&shard->map, node_id);
    tr_mutex_unlock(&shard->lock);
    return peer; /* only this thread frees peers */
}

/* Calls fn for each peer that is there when its turn comes; fn may retire it. */
static void each_peer(struct tr_peers *peers, void (*fn)(struct peer *peer))
{
    for (size_t index = 0; index < SHARDS; index++) {
        struct shard *shard = &peers->shards[index];
        uint32_t position = 0;
        struct peer *peer = NULL;

        do {
            /* Only this thread changes a map, so the position stays good between the locks as long
             * as fn leaves the map alone; those that retire peers drain it instead. */
            tr_mutex_lock(&shard->lock);
            peer = tr_map_next(&shard->map, &position);
            tr_mutex_unlock(&shard->lock);
            if (peer != NULL) {
                fn(peer);
            }
        } while (peer != NULL);
    }
}

/* ---- log and refusals ---- */

void peers_log(const struct tr_peers *peers, int level, const char *format, ...)
{
    char text[256];
    va_list arguments;

    if (peers->config.log == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    peers->config.log(peers->config.log_context, level, text);
}

/* Finds the entry of a stranger, or the one that was logged longest ago. */
static struct refusal *refusal_of(struct tr_peers *peers, const char *host)
{
    struct refusal *oldest = &peers->refusals[0];

    for (size_t index = 0; index < REFUSALS; index++) {
        struct refusal *refusal = &peers->refusals[index];

        if (strcmp(refusal->host, host) == 0) {
            return refusal;
        }
        if (refusal->logged_at < oldest->logged_at) {
            oldest = refusal;
        }
    }
    *oldest = (struct refusal){0};
    (void)snprintf(oldest->host, sizeof(oldest->host), "%s", host);
    return oldest;
}

bool peers_may_use(const struct tr_peers *peers, const struct tr_stream *stream)
{
    return peers->secret.size > 0 || peers->tls != NULL || tr_stream_is_local(stream);
}

void peers_refused(struct tr_peers *peers, const char *address, troupe_status why, const char *text)
{
    const uint64_t now = tr_loop_now(peers->loop);
    struct refusal *refusal = NULL;
    const struct tr_stranger stranger = tr_stranger_of(address);
    char host[ADDRESS_SIZE];

    peers->counters.refused++;
    peers->counters.refused_auth += why == TROUPE_E_AUTH ? 1 : 0;
    tr_stranger_print(&stranger, host, sizeof(host));
    refusal = refusal_of(peers, host);
    if (text == NULL && why == TROUPE_E_AUTH) {
        text = "its cluster secret is not ours";
    }
    if (refusal->logged_at == 0 || now - refusal->logged_at >= ms_to_ns(REFUSAL_LOG_MS)) {
        peers_log(peers, TR_PEERS_LOG_WARNING,
                  "handshake with %s refused: %s%s%s (%llu more since the last line)", address,
                  troupe_status_text(why), text != NULL ? ": " : "", text != NULL ? text : "",
                  (unsigned long long)refusal->silent);
        refusal->logged_at = now;
        refusal->silent = 0;
    } else {
        refusal->silent++;
    }
    peers->events.on_refused(peers->events.context, address, why);
}

/* ---- each turn of the loop ---- */

static void reap(struct tr_peers *peers)
{
    struct peer **link = &peers->peer_grave;

    while (peers->session_grave != NULL) {
        struct session_box *box = peers->session_grave;

        peers->session_grave = box->next;
        session_box_destroy(box);
    }
    while (peers->grave != NULL) {
        struct conn *conn = peers->grave;

        peers->grave = conn->next;
        conn_free(conn);
    }
    while (*link != NULL) {
        struct peer *peer = *link;

        /* It may have been queued for before it was retired; the next turn takes it off that list.
         */
        if (peer->dirty) {
            link = &peer->next_grave;
        } else {
            *link = peer->next_grave;
            peer_destroy(peer);
        }
    }
}

/* Flushes everybody for whom something was queued, was acknowledged, or has been written. */
static void flush_dirty(struct tr_peers *peers)
{
    struct peer *peer = NULL;

    tr_mutex_lock(&peers->dirty_lock);
    peer = peers->dirty;
    peers->dirty = NULL;
    tr_mutex_unlock(&peers->dirty_lock);
    while (peer != NULL) {
        struct shard *shard = peers_shard(peers, peer->node_id);
        struct peer *next = peer->next_dirty;

        tr_mutex_lock(&shard->lock);
        peer->dirty = false; /* before the flush: what is queued during it counts again */
        tr_mutex_unlock(&shard->lock);
        peer_flush(peer);
        peer = next;
    }
}

static void peers_free(struct tr_peers *peers)
{
    for (size_t index = 0; index < SHARDS; index++) {
        tr_map_fini(&peers->shards[index].map);
        tr_mutex_fini(&peers->shards[index].lock);
    }
    tr_mutex_fini(&peers->dirty_lock);
    dead_fini(&peers->dead);
    tr_tls_context_destroy(peers->tls);
    peer_secret_free(&peers->secret);
    peer_secret_free(&peers->accepted);
    free(peers);
}

static void retire_all(struct tr_peers *peers)
{
    for (size_t index = 0; index < SHARDS; index++) {
        struct shard *shard = &peers->shards[index];
        struct peer *peer = NULL;

        do {
            uint32_t position = 0;

            tr_mutex_lock(&shard->lock);
            peer = tr_map_next(&shard->map, &position);
            tr_mutex_unlock(&shard->lock);
            if (peer != NULL) {
                peer_retire(peer);
            }
        } while (peer != NULL);
    }
}

/* Ends everything at once. */
static void peers_end(struct tr_peers *peers)
{
    retire_all(peers);
    while (peers->conns != NULL) {
        conn_close(peers->conns);
    }
    tr_listener_close(peers->listener);
    tr_timer_close(peers->close_timer);
    tr_loop_hook_remove(peers->loop, &peers->hook);
    tr_signal_close(peers->signal);
    for (struct peer *peer = peers->peer_grave; peer != NULL; peer = peer->next_grave) {
        peer->dirty = false; /* the list of the dirty goes with all the rest */
    }
    reap(peers);
}

static void count_session(struct peer *peer)
{
    peer->peers->close_by += peer->box != NULL ? 1 : 0;
}

/* Whether closing has come to its end: nobody is left, or the time is over. */
static bool is_closed(struct tr_peers *peers)
{
    const uint64_t by = peers->close_by;
    bool nobody = false;

    if (tr_loop_now(peers->loop) >= by) {
        return true;
    }
    peers->close_by = 0;
    each_peer(peers, count_session);
    nobody = peers->close_by == 0;
    peers->close_by = by;
    return nobody;
}

static void on_turn(void *context)
{
    struct tr_peers *peers = context;

    flush_dirty(peers);
    if (peers->closing && is_closed(peers)) {
        void (*done)(void *context) = peers->done;
        void *done_context = peers->done_context;

        peers_end(peers);
        peers_free(peers);
        if (done != NULL) {
            done(done_context);
        }
        return;
    }
    reap(peers);
}

/* ---- creating ---- */

static size_t smaller(size_t left, size_t right)
{
    return left < right ? left : right;
}

static void config_defaults(struct tr_peers_config *config)
{
    config->heartbeat_ms = config->heartbeat_ms != 0 ? config->heartbeat_ms : TR_HEARTBEAT_MS;
    config->silence_ms = config->silence_ms != 0 ? config->silence_ms : TR_SILENCE_MS;
    config->resume_window_ms =
        config->resume_window_ms != 0 ? config->resume_window_ms : TR_RESUME_WINDOW_MS;
    config->listen_mode = config->listen_mode != 0 ? config->listen_mode : TR_UNIX_MODE;
    config->handshake_ms = config->handshake_ms != 0 ? config->handshake_ms : TR_UNPROVEN_MS;
    config->send_queue_bytes_max =
        config->send_queue_bytes_max != 0 ? config->send_queue_bytes_max : TR_SEND_QUEUE_BYTES_MAX;
    if (config->queue_high == 0) {
        config->queue_high = smaller(TR_SEND_QUEUE_HIGH_BYTES, config->send_queue_bytes_max);
    }
    if (config->queue_low == 0) {
        config->queue_low = smaller(TR_SEND_QUEUE_LOW_BYTES, config->queue_high / 2);
    }
}

troupe_status tr_peers_create(const struct tr_peers_config *config,
                              const struct tr_peers_events *events, struct tr_peers **out)
{
    struct tr_peers *peers = NULL;
    troupe_status status = TROUPE_OK;

    if (!tr_hello_name_is_valid(config->node_name) || strlen(config->listen_host) >= ADDRESS_SIZE) {
        return TROUPE_E_INVALID;
    }
    peers = calloc(1, sizeof(*peers));
    if (peers == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    peers->config = *config;
    config_defaults(&peers->config);
    peers->events = *events;
    peers->loop = config->loop;
    peers->rng.state = config->seed;
    (void)snprintf(peers->name, sizeof(peers->name), "%s", config->node_name);
    (void)snprintf(peers->listen_host, sizeof(peers->listen_host), "%s", config->listen_host);
    for (size_t index = 0; index < SHARDS; index++) {
        tr_mutex_init(&peers->shards[index].lock);
    }
    tr_mutex_init(&peers->dirty_lock);
    peers->config.node_name = NULL; /* lent to this call only */
    peers->config.listen_host = NULL;
    status = tr_signal_create(peers->loop, NULL, NULL, &peers->signal);
    if (status != TROUPE_OK) {
        peers_free(peers);
        return status;
    }
    peers->hook = (struct tr_loop_hook){.fn = on_turn, .context = peers};
    tr_loop_hook_add(peers->loop, &peers->hook);
    *out = peers;
    return TROUPE_OK;
}

void tr_peers_destroy(struct tr_peers *peers)
{
    if (peers != NULL) {
        peers->closing = true;
        peers_end(peers);
        peers_free(peers);
    }
}

troupe_status tr_peers_listen(struct tr_peers *peers, uint16_t *port_out, char *why,
                              size_t why_size)
{
    const struct tr_listener_events events = {
        .context = peers, .on_accept = conn_on_accept, .on_shortage = conn_on_shortage};
    const char *path = tr_host_unix_path(peers->listen_host);
    troupe_status status = TROUPE_OK;

    if (path != NULL) {
        *port_out = 0;
        return tr_listener_open_unix(peers->loop, path, peers->config.listen_mode, &events,
                                     &peers->listener, why, why_size);
    }
    if (peers->secret.size == 0 && peers->tls == NULL && !tr_host_is_loopback(peers->listen_host)) {
        (void)snprintf(why, why_size, "without TLS and a cluster secret only on loopback");
        return TROUPE_E_DENIED;
    }
    status = tr_listener_open_tcp(peers->loop, peers->listen_host, peers->config.listen_port,
                                  &events, &peers->listener, port_out);
    if (status != TROUPE_OK) {
        (void)snprintf(why, why_size, "%s", troupe_status_text(status));
    }
    return status;
}

/* ---- who we are, and who we want ---- */

/* The first connection in this state, of this node unless that is 0. Asked again after each one
 * that was dealt with, since an event may have closed any other. */
static struct conn *conn_find(struct tr_peers *peers, enum conn_state state, uint64_t node_id)
{
    struct conn *conn = peers->conns;

    while (conn != NULL &&
           (conn->state != state ||
            (node_id != 0 && tr_handshake_peer(conn->handshake)->node_id != node_id))) {
        conn = conn->next;
    }
    return conn;
}

static void plan_first_dial(struct peer *peer)
{
    peer_plan_dial(peer, peer->peers->node_id > peer->node_id ? 0 : ms_to_ns(LOWER_DIALS_AFTER_MS));
}

void tr_peers_set_identity(struct tr_peers *peers, uint64_t node_id, const uint8_t cluster_id[16],
                           uint64_t system_id)
{
    struct conn *conn = NULL;

    TR_CHECK(node_id != 0 && peers->node_id == 0);
    peers->node_id = node_id;
    peers->system_id = system_id;
    memcpy(peers->cluster_id, cluster_id, TR_CLUSTER_ID_SIZE);
    for (conn = conn_find(peers, CONN_WAITING, 0); conn != NULL;
         conn = conn_find(peers, CONN_WAITING, 0)) {
        conn_secure(conn);
    }
    each_peer(peers, plan_first_dial);
}

/* Adds a new peer to the table. */
static troupe_status peer_add(struct tr_peers *peers, uint64_t node_id, struct peer **out)
{
    struct shard *shard = peers_shard(peers, node_id);
    troupe_status status = peer_create(peers, node_id, out);

    if (status != TROUPE_OK) {
        return status;
    }
    tr_mutex_lock(&shard->lock);
    status = tr_map_put(&shard->map, node_id, *out);
    tr_mutex_unlock(&shard->lock);
    if (status != TROUPE_OK) {
        peer_destroy(*out);
    }
    return status;
}

troupe_status tr_peers_want(struct tr_peers *peers, uint64_t node_id, const char *name,
                            const char *host, uint16_t port)
{
    struct peer *peer = peers_find(peers, node_id);
    const bool is_new = peer == NULL;
    const char *path = tr_host_unix_path(host);
    troupe_status status = TROUPE_OK;

    if (node_id == 0 || !tr_hello_name_is_valid(name) || strlen(host) > HOST_SIZE_MAX ||
        (path != NULL && tr_unix_path_fault(path) != NULL)) {
        return TROUPE_E_INVALID;
    }
    if (node_id == peers->node_id || peers->closing ||
        (is_new && dead_has(&peers->dead, node_id))) {
        return TROUPE_OK;
    }
    if (is_new) {
        status = peer_add(peers, node_id, &peer);
        if (status != TROUPE_OK) {
            return status;
        }
    }
    peer->explained = peer->explained && strcmp(peer->host, host) == 0;
    (void)snprintf(peer->name, sizeof(peer->name), "%s", name);
    (void)snprintf(peer->host, sizeof(peer->host), "%s", host);
    peer->port = port;
    if (is_new) {
        plan_first_dial(peer);
        judge_parked(peer);
    }
    return TROUPE_OK;
}

/* Who could not be reached may be reachable now. */
static void dial_now(struct peer *peer)
{
    if (peer->conn == NULL && peer->dial == NULL && peer->attempts > 0) {
        peer->attempts = 0;
        peer_plan_dial(peer, 0);
    }
}

void tr_peers_set_tls(struct tr_peers *peers, struct tr_tls_context *tls)
{
    tr_tls_context_destroy(peers->tls);
    peers->tls = tls;
    each_peer(peers, dial_now);
}

/* A dial under way has the secrets from before, and could only be refused. */
static void dial_anew(struct peer *peer)
{
    if (peer->dial != NULL && peer->dial->handshake != NULL) {
        conn_close(peer->dial);
        peer->dial = NULL;
        peer->attempts++;
    }
    dial_now(peer);
}

troupe_status tr_peers_set_secrets(struct tr_peers *peers, struct tr_slice secret,
                                   struct tr_slice accepted)
{
    const troupe_status status = peer_secrets_replace(peers, secret, accepted);

    if (status == TROUPE_OK) {
        each_peer(peers, dial_anew);
    }
    return status;
}

void tr_peers_forget(struct tr_peers *peers, uint64_t node_id)
{
    struct peer *peer = peers_find(peers, node_id);
    struct conn *conn = NULL;

    if (node_id == 0) {
        return;
    }
    dead_add(&peers->dead, node_id);
    if (peer != NULL) {
        peer_retire(peer);
    }
    for (conn = conn_find(peers, CONN_PARKED, node_id); conn != NULL;
         conn = conn_find(peers, CONN_PARKED, node_id)) {
        conn_refuse(conn, TROUPE_E_FENCED);
    }
}

void tr_peers_give_up(struct tr_peers *peers, uint64_t node_id, enum tr_peers_lost reason)
{
    struct peer *peer = peers_find(peers, node_id);

    if (peer != NULL) {
        peer_lose(peer, reason);
    }
}

void tr_peers_cut(struct tr_peers *peers, uint64_t node_id)
{
    struct peer *peer = peers_find(peers, node_id);

    if (peer != NULL) {
        peer_cut(peer);
    }
}

const struct tr_peers_counters *tr_peers_counters(const struct tr_peers *peers)
{
    return &peers->counters;
}

/* ---- closing ---- */

static void on_close_timer(void *context)
{
    (void)context; /* the turn that this makes looks at the time */
}

static void peer_close(struct peer *peer)
{
    if (peer->dial != NULL) {
        conn_close(peer->dial);
        peer->dial = NULL;
    }
    peer->dial_at = UINT64_MAX;
    if (peer->conn == NULL) {
        peer_lose(peer, TR_PEERS_LOST_CLOSED);
    } else {
        peer_touch(peer);
    }
}

void tr_peers_close(struct tr_peers *peers, void (*done)(void *context), void *context)
{
    struct conn *next = NULL;

    peers->done = done;
    peers->done_context = context;
    if (peers->closing) {
        return; /* a node that is told to stop while it leaves to join again */
    }
    peers->closing = true;
    peers->close_by = tr_loop_now(peers->loop) + ms_to_ns(CLOSE_MS);
    tr_listener_close(peers->listener);
    peers->listener = NULL;
    each_peer(peers, peer_close);
    for (struct conn *conn = peers->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state != CONN_SESSION && conn->state != CONN_CLIENT) {
            conn_close(conn);
        }
    }
    /* Without memory for the timer nobody is waited for. */
    if (tr_timer_create(peers->loop, on_close_timer, peers, &peers->close_timer) == TROUPE_OK) {
        tr_timer_start(peers->close_timer, ms_to_ns(CLOSE_MS), ms_to_ns(CLOSE_MS));
    } else {
        peers->close_by = 0;
    }
    tr_signal_send(peers->signal);
}
