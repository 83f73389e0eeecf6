#include "base/limits.h"
#include "dist/peers_calls.h"
#include "dist/peers_inside.h"

static enum tr_send_patience patience_of(const struct tr_peers_target *target)
{
    if ((target->flags & TR_PEERS_SYSTEM) != 0) {
        return TR_SEND_SYSTEM;
    }
    return (target->flags & TR_PEERS_TOLD) != 0 ? TR_SEND_TOLD : TR_SEND_PATIENT;
}

/* Lends the peer that is to get the message, under the shard's lock, and says whether it may. A
 * system signal that is lost would leave the two sides with different views: its session goes
 * instead. */
static troupe_status admit(struct shard *shard, const struct tr_peers_target *target, size_t size,
                           struct peer **out)
{
    const bool system = (target->flags & TR_PEERS_SYSTEM) != 0;
    struct peer *peer = tr_map_get(&shard->map, target->node_id);
    troupe_status status = TROUPE_OK;

    if (peer == NULL || peer->live == 0 || peer->overloaded ||
        (target->session != 0 && target->session != peer->live)) {
        return TROUPE_E_NOCONNECTION;
    }
    status = tr_send_queue_admit(&peer->queue, size, patience_of(target));
    if (status != TROUPE_OK && system) {
        peer->overloaded = true;
    }
    *out = peer;
    return status;
}

/* Ends a send under the shard's lock: the loop is to look at the peer if there is something to see.
 * Answers whether it has to be woken. */
static bool sent(struct peer *peer, const struct tr_peers_target *target, size_t size,
                 troupe_status status)
{
    if (peer == NULL) {
        return false;
    }
    if (status == TROUPE_E_NO_MEMORY && (target->flags & TR_PEERS_SYSTEM) != 0) {
        peer->overloaded = true;
    }
    if (status == TROUPE_OK && target->crowded != NULL &&
        tr_send_queue_is_crowded(&peer->queue, size)) {
        *target->crowded = true;
    }
    return (status == TROUPE_OK || peer->overloaded) && peer_mark_dirty(peer);
}

static void wake(struct tr_peers *peers, const struct tr_peers_target *target, bool needed)
{
    if (needed && (target->flags & TR_PEERS_LATER) == 0 && !tr_loop_will_turn(peers->loop)) {
        tr_signal_send(peers->signal);
    }
}

/* Copies outside of the lock, which others and the loop need meanwhile. */
static troupe_status send_large(struct tr_peers *peers, const struct tr_peers_target *target,
                                const struct tr_slice *parts, size_t count, size_t size)
{
    struct shard *shard = peers_shard(peers, target->node_id);
    struct tr_record *spares = NULL;
    struct tr_large *large = NULL;
    struct peer *peer = NULL;
    bool needed = false;
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&shard->lock);
    status = admit(shard, target, size, &peer);
    if (status == TROUPE_OK) {
        spares = tr_send_queue_grab(&peer->queue, size);
    }
    needed = sent(peer, target, size, status);
    tr_mutex_unlock(&shard->lock);
    if (status == TROUPE_OK) {
        const troupe_status created = tr_large_create(spares, parts, count, size, &large);

        tr_mutex_lock(&shard->lock);
        peer = NULL; /* it may have gone meanwhile, and its session may be another one */
        status = admit(shard, target, size, &peer);
        status = status == TROUPE_OK ? created : status;
        if (status == TROUPE_OK) {
            tr_send_queue_push_large(&peer->queue, target->order, large);
            large = NULL; /* given away */
        }
        needed = sent(peer, target, size, status) || needed;
        tr_mutex_unlock(&shard->lock);
        tr_large_destroy(large);
    }
    wake(peers, target, needed);
    return status;
}

troupe_status tr_peers_send(struct tr_peers *peers, const struct tr_peers_target *target,
                            const struct tr_slice *parts, size_t count)
{
    struct shard *shard = peers_shard(peers, target->node_id);
    struct peer *peer = NULL;
    size_t size = 0;
    bool needed = false;
    troupe_status status = tr_parts_size(parts, count, &size);

    if (status != TROUPE_OK) {
        return status; /* the sender's mistake alone: no session suffers for it */
    }
    if (size > TR_SEGMENT_SIZE_MAX) {
        return send_large(peers, target, parts, count, size);
    }
    tr_mutex_lock(&shard->lock);
    status = admit(shard, target, size, &peer);
    if (status == TROUPE_OK) {
        status = tr_send_queue_push(&peer->queue, target->order, parts, count, size);
    }
    needed = sent(peer, target, size, status);
    tr_mutex_unlock(&shard->lock);
    wake(peers, target, needed);
    return status;
}

bool tr_peers_await(struct tr_peers *peers, uint64_t node_id)
{
    struct shard *shard = peers_shard(peers, node_id);

    tr_mutex_lock(&shard->lock);
    struct peer *peer = tr_map_get(&shard->map, node_id);
    const bool crowded = peer != NULL && peer->live != 0 && peer->queue.crowded;

    if (crowded) {
        peer->awaited = true;
    }
    tr_mutex_unlock(&shard->lock);
    return crowded;
}

uint64_t tr_peers_features(struct tr_peers *peers, uint64_t node_id)
{
    struct shard *shard = peers_shard(peers, node_id);

    tr_mutex_lock(&shard->lock);
    const struct peer *peer = tr_map_get(&shard->map, node_id);
    const uint64_t features = peer != NULL && peer->live != 0 ? peer->features : 0;

    tr_mutex_unlock(&shard->lock);
    return features;
}

uint64_t tr_peers_queued(struct tr_peers *peers)
{
    uint64_t bytes = 0;

    for (size_t index = 0; index < SHARDS; index++) {
        struct shard *shard = &peers->shards[index];
        const struct peer *peer = NULL;
        uint32_t position = 0;

        tr_mutex_lock(&shard->lock);
        while ((peer = tr_map_next(&shard->map, &position)) != NULL) {
            bytes += peer->queue.bytes;
        }
        tr_mutex_unlock(&shard->lock);
    }
    return bytes;
}

uint32_t tr_peers_session(struct tr_peers *peers, uint64_t node_id)
{
    struct shard *shard = peers_shard(peers, node_id);
    const struct peer *peer = NULL;
    uint32_t live = 0;

    tr_mutex_lock(&shard->lock);
    peer = tr_map_get(&shard->map, node_id);
    live = peer != NULL ? peer->live : 0;
    tr_mutex_unlock(&shard->lock);
    return live;
}
