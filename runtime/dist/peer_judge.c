#include <string.h>

#include "base/bugs.h"
#include "base/check.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"

/* What we know of an earlier session with the peer. */
static struct tr_resume known_of(const struct peer *peer)
{
    struct tr_resume resume = {.last = peer->last_session};

    if (peer->box != NULL) {
        resume.session = tr_session_number(peer->box->session);
        resume.received =
            tr_session_received(peer->box->session) + (TR_BUG(RESUME_TOO_FAR) ? 1 : 0);
    }
    return resume;
}

void judge_offer(struct conn *conn)
{
    const struct tr_hello *hello = tr_handshake_peer(conn->handshake);
    const struct tr_resume offer = known_of(conn->peer);

    if (strcmp(hello->name, conn->peer->name) != 0) {
        conn_refuse(conn, TROUPE_E_DENIED);
        return;
    }
    if (tr_handshake_offer(conn->handshake, &offer) != TROUPE_OK) {
        conn_events.on_end(conn, TROUPE_E_NO_MEMORY);
        return;
    }
    (void)conn_flush_handshake(conn);
}

/* Whether another connection of the pair is to be kept instead of this one, which the peer dialled.
 */
static bool another_wins(const struct peer *peer, const struct tr_resume *claim)
{
    /* Both dialled: the one of the higher node id is kept. A dial that has not even connected does
     * not count, since the way from us to the peer may be cut for good. */
    if (peer->dial != NULL && peer->dial->state != CONN_CONNECTING &&
        peer->peers->node_id > peer->node_id) {
        return true;
    }
    /* The peer has acknowledged more since it sent this claim, so by another connection: the claim
     * comes from a dial that it has given up since. */
    if (peer->box != NULL && claim->session == tr_session_number(peer->box->session) &&
        claim->received < tr_session_confirmed(peer->box->session)) {
        return true;
    }
    /* The peer knows of our present session, but did not when it sent this claim: the claim comes
     * from a dial that it has given up since. */
    return peer->box != NULL && peer->conn != NULL && peer->confirmed &&
           claim->last < tr_session_number(peer->box->session);
}

static void claim_accept(struct conn *conn, struct peer *peer)
{
    const struct tr_resume claim = *tr_handshake_peer_resume(conn->handshake);
    struct tr_resume agreed = known_of(peer);

    if (agreed.session != 0 && agreed.session == claim.session) {
        agreed.resumed = true;
    } else {
        /* The peer has given the session up, so we have to before we begin another. */
        peer_lose(peer, TR_PEERS_LOST_REPLACED);
        if (conn->state == CONN_CLOSED || peer->gone) {
            return; /* the owner forgot the peer when it heard of it */
        }
        agreed = (struct tr_resume){
            .session = (claim.last > peer->last_session ? claim.last : peer->last_session) +
                       (TR_BUG(SAME_SESSION) && peer->last_session > 0 ? 0 : 1)};
    }
    if (tr_handshake_accept(conn->handshake, &agreed) != TROUPE_OK) {
        (void)conn_flush_handshake(conn);
        conn_close(conn);
        return;
    }
    if (conn_flush_handshake(conn) && conn_promote(conn, CONN_SESSION)) {
        peer_begin(peer, conn, &agreed, agreed.resumed ? claim.received : 0);
    }
}

/* Decides about a proven node that dialled us. */
static void claim_judge(struct conn *conn)
{
    struct tr_peers *peers = conn->peers;
    const struct tr_hello *hello = tr_handshake_peer(conn->handshake);
    const struct tr_resume *claim = tr_handshake_peer_resume(conn->handshake);
    struct peer *peer = peers_find(peers, hello->node_id);

    if (peer == NULL) {
        if (dead_has(&peers->dead, hello->node_id)) {
            conn_refuse(conn, TROUPE_E_FENCED);
        } else {
            /* Until it is wanted, or until the other side is about to lose patience. */
            conn->state = CONN_PARKED;
            tr_timer_start(conn->timer, ms_to_ns(peers->config.handshake_ms) / 2, 0);
        }
    } else if (strcmp(peer->name, hello->name) != 0) {
        conn_refuse(conn, TROUPE_E_DENIED);
    } else if (claim->last == UINT32_MAX) {
        conn_refuse(conn, TROUPE_E_PROTOCOL);
    } else if (another_wins(peer, claim)) {
        conn_refuse(conn, TROUPE_E_EXISTS);
    } else {
        claim_accept(conn, peer);
    }
}

static void client_accept(struct conn *conn)
{
    if (conn->peers->client_count >= TR_CLIENTS_MAX) {
        conn_refuse(conn, TROUPE_E_LIMIT);
        return;
    }
    if (tr_handshake_accept(conn->handshake, &(struct tr_resume){0}) != TROUPE_OK) {
        (void)conn_flush_handshake(conn);
        conn_close(conn);
        return;
    }
    if (conn_flush_handshake(conn) && conn_promote(conn, CONN_CLIENT)) {
        client_begin(conn);
    }
}

void judge_claim(struct conn *conn)
{
    if (conn->peers->closing) {
        conn_refuse(conn, TROUPE_E_CLOSED);
    } else if (!conn_is_who_it_says(conn)) {
        conn_refuse_because(conn, TROUPE_E_DENIED, "its certificate is that of somebody else");
    } else if (tr_handshake_peer(conn->handshake)->role == (int)TR_WIRE_CLIENT) {
        client_accept(conn);
    } else {
        claim_judge(conn);
    }
}

void judge_proven(struct conn *conn)
{
    struct peer *peer = conn->peer;
    const struct tr_resume agreed = *tr_handshake_peer_resume(conn->handshake);
    const struct tr_resume known = known_of(peer);
    /* Our session may have expired while the offer was under way, and a peer that follows the
     * protocol answers with the number offered or with a higher one than either has seen. */
    const bool possible = agreed.resumed ? known.session != 0 && agreed.session == known.session
                                         : agreed.session > peer->last_session;

    TR_CHECK(peer->dial == conn);
    if (!possible) {
        conn_events.on_end(conn, TROUPE_E_PROTOCOL);
        return;
    }
    if (!agreed.resumed) {
        peer_lose(peer, TR_PEERS_LOST_REPLACED);
        if (conn->state == CONN_CLOSED || peer->gone) {
            return;
        }
    }
    if (conn_promote(conn, CONN_SESSION)) {
        peer_begin(peer, conn, &agreed, agreed.resumed ? agreed.received : 0);
    }
}

void judge_parked(struct peer *peer)
{
    struct conn *next = NULL;

    for (struct conn *conn = peer->peers->conns; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->state == CONN_PARKED &&
            tr_handshake_peer(conn->handshake)->node_id == peer->node_id) {
            conn->state = CONN_GREETING;
            claim_judge(conn);
            return; /* a second one finds its deadline */
        }
    }
}
