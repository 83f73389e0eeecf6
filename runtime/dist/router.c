#include "dist/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dist/news.h"
#include "dist/packer.h"
#include "dist/peers.h"
#include "dist/router_inside.h"
#include "dist/source.h"
#include "dist/ticket.h"
#include "type/types.h"
#include "type/value.h"

enum { STACK_BYTES = 2048, PARTS_PER_UNSENT = 4 };

troupe_status tr_router_create(const struct tr_router_options *options, struct tr_router **out)
{
    struct tr_router *router = calloc(1, sizeof(*router));

    if (router == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (options->compresses && tr_packer_create(&router->packer) != TROUPE_OK) {
        free(router);
        return TROUPE_E_NO_MEMORY;
    }
    router->options = *options;
    tr_pool_cache_init(&router->cache, &options->sched->pool, false);
    tr_mutex_init(&router->mutex);
    *out = router;
    return TROUPE_OK;
}

void tr_router_destroy(struct tr_router *router)
{
    struct router_peer *peer = NULL;

    if (router == NULL) {
        return;
    }
    while ((peer = tr_map_take_any(&router->by_node)) != NULL) {
        tr_map_fini(&peer->watchers);
        tr_tickets_spent_fini(&peer->spent);
        free(peer);
    }
    tr_map_fini(&router->by_node);
    tr_packer_destroy(router->packer);
    tr_mutex_fini(&router->mutex);
    free(router);
}

void tr_router_set_peers(struct tr_router *router, struct tr_peers *peers)
{
    (void)tr_exchange_seq(&router->peers, (uint64_t)(uintptr_t)peers);
    /* Pairs with send: a sender is counted before it looks, so once none is counted nobody has the
     * old ones. */
    while (peers == NULL && tr_load32_seq(&router->senders) != 0) {
        tr_thread_yield();
    }
}

/* Hands a packet to the peers. Any thread. */
static troupe_status hand_over(struct tr_router *router, const struct tr_peers_target *target,
                               const struct tr_slice *slices, size_t count)
{
    struct tr_peers *peers = router_borrow(router);
    troupe_status status = TROUPE_E_NOCONNECTION;

    if (peers != NULL && router->packer != NULL) {
        TR_CHECK(count == 1); /* What is to be compressed is in one piece. */
        status = tr_packer_send(router->packer, peers, target, slices->bytes, slices->size);
    } else if (peers != NULL) {
        status = tr_peers_send(peers, target, slices, count);
    }
    router_give_back(router);
    return status;
}

const struct tr_packer *tr_router_packer(const struct tr_router *router)
{
    return router->packer;
}

uint64_t tr_router_queued(struct tr_router *router)
{
    struct tr_peers *peers = router_borrow(router);
    const uint64_t bytes = peers == NULL ? 0 : tr_peers_queued(peers);

    router_give_back(router);
    return bytes;
}

/* ---- out ---- */

static unsigned peers_flags(const struct tr_message *message, bool later)
{
    const unsigned told = (message->flags & TR_MESSAGE_TOLD) != 0 ? TR_PEERS_TOLD : 0;

    return (tr_message_is_counted(message) ? told : TR_PEERS_SYSTEM) | (later ? TR_PEERS_LATER : 0);
}

/* A signal that is encoded but for the parts that are left where they are. */
struct encoded {
    uint8_t *bytes;
    size_t size;
    struct tr_value_parts parts;
};

enum { SLICES_MAX = 2 * TR_VALUE_PARTS_MAX + 1 };

/* What is sent of it, in order; answers how many slices. */
static size_t slices_of(const struct encoded *encoded, struct tr_slice slices[SLICES_MAX])
{
    size_t count = 0;
    size_t at = 0;

    for (size_t index = 0; index < encoded->parts.count; index++) {
        const struct tr_value_part *part = &encoded->parts.part[index];

        slices[count++] = (struct tr_slice){encoded->bytes + at, part->at - at};
        slices[count++] = (struct tr_slice){part->bytes, part->size};
        at = part->at;
    }
    slices[count++] = (struct tr_slice){encoded->bytes + at, encoded->size - at};
    return count;
}

/* What it counts as until what was sent leaves. Large bytes take little time to come together, so
 * more of them go in one write: waking the reader for each 64 KiB took a sixth of the time. */
static size_t weight_of(const struct encoded *encoded)
{
    size_t parts = 0;

    for (size_t index = 0; index < encoded->parts.count; index++) {
        parts += encoded->parts.part[index].size;
    }
    return encoded->size + parts / PARTS_PER_UNSENT;
}

static troupe_status send_encoded(struct tr_router *router, const struct tr_message *message,
                                  const struct encoded *encoded, bool *crowded)
{
    struct tr_worker *worker = tr_sched_worker(router->options.sched);
    const struct tr_peers_target target = {.node_id = message->to.node,
                                           .session = message->session,
                                           .order = (uint32_t)message->from.id,
                                           .flags = peers_flags(message, worker != NULL),
                                           .crowded = crowded};
    struct tr_slice slices[SLICES_MAX] __attribute__((uninitialized)); /* Set as far as counted. */
    const size_t count = slices_of(encoded, slices);
    const troupe_status status = hand_over(router, &target, slices, count);

    if (worker != NULL) {
        worker->unsent += weight_of(encoded); /* Refused too: its session may go. */
    }
    return status;
}

/* A message to a name that sets out from here may come back. */
static void put_ticket(struct tr_router *router, struct tr_message *message, uint8_t *bytes,
                       size_t size)
{
    if ((message->flags & (TR_MESSAGE_NAMED | TR_MESSAGE_RETURNED)) == TR_MESSAGE_NAMED) {
        tr_ticket_put(&router->options.sched->options.key, message->to.node,
                      tr_ticket_make(tr_message_name(message)->deadline_ns,
                                     tr_add32_seq(&router->tickets, 1)),
                      bytes, size);
    }
}

/* Encodes into a block of size_max and sends. What is signed or compressed is in one piece. */
static troupe_status encode_into(struct tr_router *router, struct tr_message *message,
                                 const void *value, uint8_t *bytes, size_t size_max, bool *crowded)
{
    /* Only what is sent to a name tells how long it may live. */
    const bool named = (message->flags & (TR_MESSAGE_NAMED | TR_MESSAGE_GROUP)) != 0;
    const int64_t now_ns = named ? tr_clock_now(router->options.sched->options.clock) : 0;
    const bool whole = router->packer != NULL || named;
    struct encoded encoded __attribute__((uninitialized)); /* All but unused parts is set. */

    encoded.bytes = bytes;
    encoded.parts.count = 0;
    encoded.size = tr_codec_encode_parts(message, value, now_ns, bytes, size_max,
                                         whole ? NULL : &encoded.parts);
    put_ticket(router, message, bytes, encoded.size);
    return send_encoded(router, message, &encoded, crowded);
}

troupe_status tr_router_send_value(struct tr_router *router, struct tr_message *message,
                                   const void *value, bool *crowded)
{
    uint8_t stack[STACK_BYTES] __attribute__((uninitialized)); /* Written before it is read. */
    char error[128];

    /* Better refused here, where the sender can be told, than there. */
    if (value != NULL && !tr_type_is_flat(message->type) &&
        tr_value_check(message->type, value, error, sizeof(error)) != TROUPE_OK) {
        return TROUPE_E_TYPE;
    }
    const size_t size_max = tr_codec_size_max(message, value);

    if (size_max <= sizeof(stack)) {
        return encode_into(router, message, value, stack, sizeof(stack), crowded);
    }
    struct tr_sched *sched = router->options.sched;
    struct tr_pool_cache *cache = tr_sched_cache(sched, tr_sched_worker(sched));
    uint8_t *bytes = tr_pool_get(cache, size_max);

    if (bytes == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    const troupe_status status = encode_into(router, message, value, bytes, size_max, crowded);

    tr_pool_put(cache, bytes, size_max);
    return status;
}

troupe_status tr_router_post(struct tr_router *router, struct tr_message *message, bool *crowded)
{
    struct tr_sched *sched = router->options.sched;
    const troupe_status status =
        tr_router_send_value(router, message, tr_codec_value(message), crowded);

    if (status == TROUPE_OK) {
        tr_message_destroy(tr_sched_cache(sched, tr_sched_worker(sched)), message);
        return TROUPE_OK;
    }
    tr_sched_bounce(sched, NULL, message, router_told_of(message, status), NULL);
    return status;
}

troupe_status tr_router_send(struct tr_router *router, uint64_t node_id, uint32_t session,
                             const uint8_t *bytes, size_t size)
{
    const struct tr_peers_target target = {
        .node_id = node_id, .session = session, .flags = TR_PEERS_SYSTEM};

    return hand_over(router, &target, &(struct tr_slice){bytes, size}, 1);
}

/* ---- who is told ---- */

static struct router_peer *find(struct tr_router *router, uint64_t node_id)
{
    return tr_map_get(&router->by_node, node_id);
}

uint32_t tr_router_watch(struct tr_router *router, uint64_t node_id, uint64_t actor_id)
{
    uint32_t session = 0;

    tr_mutex_lock(&router->mutex);
    struct router_peer *peer = find(router, node_id);

    if (peer != NULL && peer->session != 0 &&
        tr_map_put(&peer->watchers, actor_id, (void *)(uintptr_t)actor_id) == TROUPE_OK) {
        session = peer->session;
    }
    tr_mutex_unlock(&router->mutex);
    return session;
}

void tr_router_unwatch(struct tr_router *router, uint64_t node_id, uint64_t actor_id)
{
    tr_mutex_lock(&router->mutex);
    struct router_peer *peer = find(router, node_id);

    if (peer != NULL) {
        (void)tr_map_take(&peer->watchers, actor_id);
    }
    tr_mutex_unlock(&router->mutex);
}

uint32_t tr_router_session(struct tr_router *router, uint64_t node_id)
{
    tr_mutex_lock(&router->mutex);
    const struct router_peer *peer = find(router, node_id);
    const uint32_t session = peer == NULL ? 0 : peer->session;

    tr_mutex_unlock(&router->mutex);
    return session;
}

uint32_t tr_router_peers_up(struct tr_router *router)
{
    tr_mutex_lock(&router->mutex);
    const uint32_t up = router->up;

    tr_mutex_unlock(&router->mutex);
    return up;
}

uint32_t tr_router_watchers(struct tr_router *router)
{
    const struct router_peer *peer = NULL;
    uint32_t watchers = 0;
    uint32_t position = 0;

    tr_mutex_lock(&router->mutex);
    while ((peer = tr_map_next(&router->by_node, &position)) != NULL) {
        watchers += peer->watchers.count;
    }
    tr_mutex_unlock(&router->mutex);
    return watchers;
}

static struct router_peer *find_or_add(struct tr_router *router, uint64_t node_id)
{
    struct router_peer *peer = find(router, node_id);

    if (peer != NULL) {
        return peer;
    }
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    peer->node_id = node_id;
    peer->awaiting_end = &peer->awaiting;
    if (tr_map_put(&router->by_node, node_id, peer) != TROUPE_OK) {
        free(peer);
        return NULL;
    }
    return peer;
}

troupe_status tr_router_on_up(struct tr_router *router, uint64_t node_id, uint32_t session)
{
    tr_mutex_lock(&router->mutex);
    struct router_peer *peer = find_or_add(router, node_id);

    if (peer != NULL) {
        router->up += peer->session == 0 ? 1 : 0;
        peer->session = session;
    }
    tr_mutex_unlock(&router->mutex);
    return peer == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

/* ---- in ---- */

/* Tells the caller of a request whose value cannot be read here. Takes the message. */
static void refuse_value(struct tr_router *router, struct tr_message *message, uint64_t node_id,
                         troupe_status status, const char *why)
{
    struct tr_sched *sched = router->options.sched;

    router->options.on_bad(router->options.context, node_id, why);
    /* The caller of a reply is here: its call fails for the same reason. */
    const bool is_call = message->signal == TR_SIGNAL_CALL;
    struct tr_message *failed = NULL;

    if (is_call || message->signal == TR_SIGNAL_REPLY) {
        failed = tr_message_create_reason(router_cache(router), TR_SIGNAL_CALL_FAILED,
                                          TROUPE_REASON_ERROR, why);
    }
    if (failed != NULL) {
        failed->status = (int16_t)status;
        failed->to = is_call ? message->from : message->to;
        failed->from = is_call ? message->to : message->from;
        failed->ref = message->ref;
        failed->session = is_call ? message->session : 0;
        (void)tr_sched_post(sched, tr_sched_worker(sched), failed);
    }
    tr_message_destroy(router_cache(router), message);
}

static void bad(struct tr_router *router, uint64_t node_id, const char *why)
{
    router->options.on_bad(router->options.context, node_id, why);
}

/* A signal of that session has come for which there is no memory: the next ones must not be taken
 * for all that was sent, nor half a link for a whole one. */
static void give_up(struct tr_router *router, uint64_t node_id)
{
    struct tr_peers *peers = (struct tr_peers *)(uintptr_t)tr_load_seq(&router->peers);

    bad(router, node_id, "out of memory for what a node says: its session is given up");
    if (peers != NULL) {
        tr_peers_give_up(peers, node_id, TR_PEERS_LOST_OVERLOAD);
    }
}

/* Whether a message that comes back is one that we sent to that node, for the first time. */
static const char *wrong_with_return(struct tr_router *router, uint64_t node_id,
                                     const struct tr_name_tail *tail, const uint8_t *bytes,
                                     size_t size)
{
    struct tr_sched *sched = router->options.sched;
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (!tr_ticket_is_ours(&sched->options.key, node_id, bytes, size)) {
        return "a message comes back that was never sent there";
    }
    tr_mutex_lock(&router->mutex);
    struct router_peer *peer = find(router, node_id);

    if (peer != NULL) {
        status = tr_ticket_spend(&peer->spent, tail->proof, tr_ticket_deadline_ns(tail->ticket),
                                 tr_clock_now(sched->options.clock));
    }
    tr_mutex_unlock(&router->mutex);
    return status == TROUPE_OK         ? NULL
           : status == TROUPE_E_EXISTS ? "a message comes back a second time"
                                       : "more messages come back than can be remembered";
}

/* A message to a name that its holder's node did not know any more. Takes it. */
static void take_back(struct tr_router *router, uint64_t node_id, struct tr_message *message,
                      const uint8_t *bytes, size_t size)
{
    struct tr_sched *sched = router->options.sched;
    struct tr_name_tail *tail = tr_message_name(message);
    const char *why = wrong_with_return(router, node_id, tail, bytes, size);

    if (why == NULL) {
        tail->deadline_ns = tr_ticket_deadline_ns(tail->ticket);
        router->options.on_returned(router->options.context, message);
        return;
    }
    bad(router, node_id, why);
    if (message->signal != TR_SIGNAL_CALL) {
        tr_message_destroy(router_cache(router), message);
        return;
    }
    /* All that is certain is that this node does not answer the call, if it was asked. */
    message->flags = 0;
    message->to = message->from;
    message->from = (troupe_pid){.node = node_id};
    tr_message_turn(message, TR_SIGNAL_CALL_FAILED, TROUPE_REASON_NOPROC, NULL);
    message->status = TROUPE_E_NOPROC;
    (void)tr_sched_post(sched, tr_sched_worker(sched), message);
}

static const char *denied(struct tr_router *router, const struct tr_message *message)
{
    return message->signal <= TR_SIGNAL_CALL && message->type != NULL &&
                   router->options.denies != NULL && tr_type_is_reserved(message->type)
               ? router->options.denies(router->options.context, message)
               : NULL;
}

/* Most messages are of a type that has come shortly before. Types stay as long as the node. */
static const troupe_type *find_type(void *context, const char *name, size_t size)
{
    struct tr_router *router = context;
    struct router_type *known =
        &router->known[(size + (unsigned char)name[size - 1]) % ROUTER_KNOWN_TYPES];

    if (known->size != size || memcmp(known->type->name, name, size) != 0) {
        const troupe_type *type = router->options.find_type(router->options.context, name, size);

        if (type == NULL) {
            return NULL;
        }
        *known = (struct router_type){.type = type, .size = size};
    }
    return known->type;
}

static void on_signal(struct tr_router *router, uint64_t node_id, uint32_t session,
                      const uint8_t *bytes, size_t size)
{
    struct tr_sched *sched = router->options.sched;
    const struct tr_codec_source source = {.bytes = bytes,
                                           .size = size,
                                           .now_ns = tr_clock_now(sched->options.clock),
                                           .cache = router_cache(router),
                                           .find_type = find_type,
                                           .find_context = router};
    struct tr_message *message = NULL;
    char error[256] __attribute__((uninitialized)); /* Written when the status says so. */
    const troupe_status status = tr_codec_decode(&source, &message, error, sizeof(error));

    if (status == TROUPE_E_NO_MEMORY) {
        give_up(router, node_id);
        return;
    }
    if (message == NULL) {
        bad(router, node_id, troupe_status_text(status));
        return;
    }
    message->to.node = tr_sched_node_id(sched);
    message->session = session;
    const char *why = tr_wrong_with_source(tr_sched_node_id(sched), node_id, message);

    if (why != NULL) {
        bad(router, node_id, why);
        tr_message_destroy(router_cache(router), message);
    } else if ((message->flags & TR_MESSAGE_RETURNED) != 0) {
        take_back(router, node_id, message, bytes, size);
    } else if (status != TROUPE_OK) {
        refuse_value(router, message, node_id, TROUPE_E_TYPE, error);
    } else if ((why = denied(router, message)) != NULL) {
        refuse_value(router, message, node_id, TROUPE_E_DENIED, why);
    } else if ((message->flags & TR_MESSAGE_GROUP) != 0) {
        router->options.on_broadcast(router->options.context, message);
    } else if (message->signal != TR_SIGNAL_CALL ||
               !router->options.on_call(router->options.context, message)) {
        (void)tr_sched_post(sched, tr_sched_worker(sched), message);
    }
}

/* One packet that is not compressed. */
static void on_packet(struct tr_router *router, uint64_t node_id, uint32_t session,
                      const uint8_t *bytes, size_t size)
{
    void *context = router->options.context;

    if (size > 0 && bytes[0] == TR_PACKET_SPAWN) {
        struct tr_spawn_request request = {0};
        char storage[TR_CODEC_STORAGE_SIZE];

        if (tr_codec_decode_spawn(bytes, size, &request, storage) != TROUPE_OK ||
            request.caller.node != node_id) {
            bad(router, node_id, "a spawn request that cannot be read");
            return;
        }
        router->options.on_spawn(context, &request, session);
    } else if (size > 0 && bytes[0] == TR_PACKET_INBOX) {
        char name[256];

        if (tr_codec_decode_inbox(bytes, size, name) != TROUPE_OK) {
            bad(router, node_id, "an inbox hint that cannot be read");
            return;
        }
        router->options.on_inbox(context, name);
    } else if (size > 0 && bytes[0] == TR_PACKET_GROUPS) {
        router->options.on_groups(context, node_id, bytes, size);
    } else if (size > 0 && bytes[0] == TR_PACKET_NEWS) {
        router->options.on_news(context, node_id, bytes, size);
    } else {
        on_signal(router, node_id, session, bytes, size);
    }
}

void tr_router_on_message(struct tr_router *router, uint64_t node_id, uint32_t session,
                          const uint8_t *bytes, size_t size)
{
    struct tr_slice whole = {NULL, 0};
    troupe_status status = TROUPE_OK;

    if (size == 0 || bytes[0] != TR_PACKET_ZSTD) {
        on_packet(router, node_id, session, bytes, size);
        return;
    }
    status = tr_packer_unpack(router->packer, bytes, size, &whole);
    if (status == TROUPE_E_NO_MEMORY) {
        give_up(router, node_id);
    } else if (status != TROUPE_OK) {
        bad(router, node_id, "a compressed message that cannot be read");
    } else {
        on_packet(router, node_id, session, whole.bytes, whole.size);
        free((void *)(uintptr_t)whole.bytes);
    }
}
