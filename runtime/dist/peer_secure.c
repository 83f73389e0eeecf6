#include <string.h>

#include "dist/peers_calls.h"
#include "dist/peers_inside.h"
#include "wire/tls.h"

/* What a connection that TLS has ended is to its owner. */
static void on_refused(void *context, troupe_status why, const char *text)
{
    struct conn *conn = context;
    struct tr_peers *peers = conn->peers;

    peers->counters.garbage += why == TROUPE_E_PROTOCOL || why == TROUPE_E_LIMIT ? 1 : 0;
    conn_failed(conn, false, why == TROUPE_E_AUTH ? ms_to_ns(BACKOFF_AUTH_MS) : 0);
    /* The closed connection stays readable until the end of the turn. */
    peers_refused(peers, conn->address, why, text);
}

static void on_open(void *context)
{
    struct conn *conn = context;

    if (tr_tls_binding(conn->channel.tls, conn->binding) != TROUPE_OK) {
        conn_failed(conn, false, 0);
        return;
    }
    conn_greet(conn);
}

static const struct tr_channel_events secured = {
    .stream = &conn_events,
    .on_open = on_open,
    .on_refused = on_refused,
};

void conn_secure(struct conn *conn)
{
    const struct tr_tls_options options = {
        .dialer = conn->dialer,
        .node = conn->dialer ? conn->peer->name : NULL,
    };
    struct tr_tls *tls = NULL;

    if (conn->peers->tls == NULL) {
        conn_greet(conn);
        return;
    }
    conn->state = CONN_SECURING;
    if (tr_tls_create(conn->peers->tls, &options, &tls) != TROUPE_OK ||
        tr_channel_secure(&conn->channel, tls, &secured, conn) != TROUPE_OK) {
        conn_failed(conn, false, 0);
    }
}

bool conn_is_who_it_says(const struct conn *conn)
{
    const struct tr_hello *hello = tr_handshake_peer(conn->handshake);
    const struct tr_tls_name *name = NULL;

    if (conn->channel.tls == NULL) {
        return true;
    }
    name = tr_tls_peer(conn->channel.tls);
    if (name->role == TR_TLS_CLIENT || hello->role == (int)TR_WIRE_CLIENT) {
        return name->role == TR_TLS_CLIENT && hello->role == (int)TR_WIRE_CLIENT;
    }
    return strcmp(name->name, hello->name) == 0;
}
