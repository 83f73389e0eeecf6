#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "base/limits.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"
#include "wire/client_frame.h"

enum { WRITE_SIZE = 512 * 1024 }; /* what is written at one time is encrypted at one time */

struct client_out {
    struct client_out *next;
    size_t at;        /* bytes handed to the connection */
    size_t wire_size; /* of bytes */
    uint8_t bytes[];
};

void client_begin(struct conn *conn)
{
    struct tr_peers *peers = conn->peers;

    tr_handshake_take_seals(conn->handshake, &conn->sending, &conn->receiving);
    peers->counters.clients++;
    peers->client_count++;
    conn->client = ++peers->client_last;
    tr_handshake_destroy(conn->handshake);
    conn->handshake = NULL;
    tr_timer_start(conn->timer, ms_to_ns(TR_CLIENT_IDLE_MS), 0);
}

void client_fini(struct conn *conn)
{
    while (conn->out_first != NULL) {
        struct client_out *out = conn->out_first;

        conn->out_first = out->next;
        free(out);
    }
    free(conn->request);
    tr_seal_destroy(conn->sending);
    tr_seal_destroy(conn->receiving);
}

/* Adds what a frame brought to the request. */
static troupe_status request_add(struct conn *conn, const struct tr_client_piece *piece)
{
    uint8_t *grown = NULL;

    if (conn->request_size > 0 && piece->id != conn->request_id) {
        return TROUPE_E_PROTOCOL; /* one request at a time */
    }
    if (piece->size > TR_CLIENT_REQUEST_SIZE_MAX - conn->request_size) {
        return TROUPE_E_LIMIT;
    }
    if (piece->size > 0) {
        grown = realloc(conn->request, conn->request_size + piece->size);
        if (grown == NULL) {
            return TROUPE_E_NO_MEMORY;
        }
        memcpy(grown + conn->request_size, piece->bytes, piece->size);
        conn->request = grown;
    }
    conn->request_size += piece->size;
    conn->request_id = piece->id;
    return TROUPE_OK;
}

void client_frame(struct conn *conn, struct tr_frame *frame)
{
    struct tr_peers *peers = conn->peers;
    struct tr_client_piece piece;
    uint8_t *request = NULL;
    size_t size = 0;
    troupe_status status = tr_seal_open(conn->receiving, frame);

    if (status == TROUPE_OK) {
        status = tr_client_piece_get(frame, TR_FRAME_REQUEST, &piece);
    } else {
        peers->counters.bad_tags++;
    }
    if (status == TROUPE_OK) {
        status = request_add(conn, &piece);
    }
    if (status != TROUPE_OK) {
        peers->counters.garbage++;
        conn_close(conn);
        return;
    }
    if (!piece.is_last) {
        return;
    }
    request = conn->request;
    size = conn->request_size;
    conn->request = NULL;
    conn->request_size = 0;
    tr_timer_start(conn->timer, ms_to_ns(TR_CLIENT_IDLE_MS), 0);
    peers->events.on_client(peers->events.context, conn->client, conn->request_id, request, size);
    free(request);
}

void client_flush(struct conn *conn)
{
    bool done = true;

    /* What was being written when this is called by on_written is the first. */
    while (conn->out_first != NULL && !tr_channel_is_writing(&conn->channel)) {
        struct client_out *out = conn->out_first;
        const size_t left = out->wire_size - out->at;
        const struct tr_slice slice = {out->bytes + out->at,
                                       left < WRITE_SIZE ? left : (size_t)WRITE_SIZE};

        if (slice.size > 0) {
            if (tr_channel_write(&conn->channel, &slice, 1, &done) != TROUPE_OK) {
                conn_close(conn);
                return;
            }
            out->at += slice.size; /* the bytes are kept until the write is over */
        }
        if (done && out->at == out->wire_size) {
            conn->out_first = out->next;
            conn->out_bytes -= out->wire_size;
            if (conn->out_first == NULL) {
                conn->out_last = &conn->out_first;
            }
            free(out);
        }
    }
}

static struct conn *client_find(struct tr_peers *peers, uint64_t client)
{
    struct conn *conn = peers->conns;

    while (conn != NULL && (conn->state != CONN_CLIENT || conn->client != client)) {
        conn = conn->next;
    }
    return conn;
}

void tr_peers_client_reply(struct tr_peers *peers, uint64_t client, uint64_t request,
                           const uint8_t *bytes, size_t size)
{
    struct conn *conn = client_find(peers, client);
    struct client_out *out = NULL;
    size_t wire_size = 0;

    if (conn == NULL) {
        return;
    }
    /* A client that does not read what it asked for is let go, and so is one that cannot be
     * answered: it would wait until its deadline. */
    if (size <= TR_CLIENT_RESPONSE_SIZE_MAX && conn->out_bytes <= TR_CLIENT_RESPONSE_SIZE_MAX) {
        wire_size = tr_client_frames_size(conn->sending, size);
        out = malloc(sizeof(*out) + wire_size);
    }
    if (out == NULL) {
        conn_close(conn);
        return;
    }
    out->wire_size = wire_size;
    out->next = NULL;
    out->at = 0;
    if (tr_client_frames_put(conn->sending, TR_FRAME_RESPONSE, request,
                             (struct tr_slice){bytes, size}, out->bytes) != TROUPE_OK) {
        free(out);
        conn_close(conn);
        return;
    }
    *conn->out_last = out;
    conn->out_last = &out->next;
    conn->out_bytes += wire_size;
    client_flush(conn);
}
