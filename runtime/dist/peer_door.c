#include <stdbool.h>

#include "base/limits.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"
#include "dist/stranger.h"

enum { HOST_SLOTS = 256 }; /* a power of two above the number of those who can be at the door */

_Static_assert(HOST_SLOTS > TR_UNPROVEN_PEERS_MAX, "each of them may come from another host");

/* Those who have not proven themselves and count as one. */
struct host {
    struct tr_stranger stranger; /* lent from one of its connections */
    bool taken;                  /* else a free slot */
    uint32_t count;
    size_t place;        /* of its oldest in the list: the list begins with the newest */
    struct conn *oldest; /* NULL = it has none that may be closed */
};

struct crowd {
    struct host hosts[HOST_SLOTS];
};

static struct host *host_of(struct crowd *crowd, const char *address)
{
    const struct tr_stranger stranger = tr_stranger_of(address);

    for (uint64_t slot = tr_stranger_hash(&stranger);; slot++) {
        struct host *host = &crowd->hosts[slot % HOST_SLOTS];

        if (!host->taken) {
            host->stranger = stranger;
            host->taken = true;
            return host;
        }
        if (tr_stranger_equal(&host->stranger, &stranger)) {
            return host;
        }
    }
}

/* Counts those who are at the door. One that has proven itself, and is parked, keeps its place. */
static void crowd_count(struct crowd *crowd, const struct tr_peers *peers)
{
    size_t place = 0;

    for (struct conn *conn = peers->conns; conn != NULL; conn = conn->next) {
        if (conn->counted && conn->state != CONN_PARKED) {
            struct host *host = host_of(crowd, conn->address);

            host->count++;
            host->place = ++place;
            host->oldest = conn;
        }
    }
}

/* The host with the most at the door; of several, the one whose oldest has been there longest. */
static struct host *greediest(struct crowd *crowd)
{
    struct host *found = NULL;

    for (size_t slot = 0; slot < HOST_SLOTS; slot++) {
        struct host *host = &crowd->hosts[slot];

        if (host->oldest != NULL && (found == NULL || host->count > found->count ||
                                     (host->count == found->count && host->place > found->place))) {
            found = host;
        }
    }
    return found;
}

/* Makes room for one more of this address. Whoever knocks last is let in: it may be a node, while
 * one that has been here for long without a word hardly is. False when all places are taken by
 * those who have proven themselves. */
static bool make_room(struct tr_peers *peers, const char *address)
{
    struct crowd crowd = {0};
    struct host *host = NULL;

    crowd_count(&crowd, peers);
    host = host_of(&crowd, address);
    if (host->count >= TR_UNPROVEN_PER_ADDRESS_MAX) {
        peers->counters.turned_away++;
        conn_close(host->oldest);
    }
    if (peers->unproven < TR_UNPROVEN_PEERS_MAX) {
        return true;
    }
    host->count++; /* with the one that knocks it may be the one with the most */
    host = greediest(&crowd);
    if (host == NULL) {
        return false;
    }
    peers->counters.turned_away++;
    conn_close(host->oldest);
    return true;
}

void conn_on_shortage(void *context, const char *why, uint64_t closed)
{
    struct tr_peers *peers = context;

    peers_log(peers, TR_PEERS_LOG_WARNING,
              "no connection can be accepted: %s; %llu were closed for it", why,
              (unsigned long long)closed);
}

void conn_on_accept(void *context, struct tr_stream *stream)
{
    struct tr_peers *peers = context;
    struct conn *conn = NULL;
    char address[ADDRESS_SIZE];

    peers->counters.accepted++;
    tr_stream_peer(stream, address, sizeof(address));
    if (!peers_may_use(peers, stream)) {
        tr_stream_close(stream);
        peers_refused(peers, address, TROUPE_E_DENIED, NULL);
        return;
    }
    if (peers->closing || !make_room(peers, address)) {
        peers->counters.turned_away++;
        tr_stream_close(stream);
        return;
    }
    conn = conn_create(peers, stream, NULL);
    if (conn == NULL) {
        return;
    }
    if (peers->node_id == 0) {
        conn->state = CONN_WAITING;
    } else {
        conn_secure(conn);
    }
}
