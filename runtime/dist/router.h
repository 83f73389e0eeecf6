/* dist/router.h - signals to other nodes and from them, and who is told when a node is gone.
 *
 * Each peer has a set of local actors that have a link, monitor or open call with it. When its
 * session is lost, each of them gets one TR_SIGNAL_NODE_LOST and works out by itself, in its own
 * turn, which exits, DOWNs and failed calls that means: so the order with what came before is kept.
 *
 *     tr_router_create(&options, &router);  ports: tr_router_post, _watch, _unwatch
 *     peers' events: tr_router_on_up, _on_message, _on_lost
 *
 * Threads: said with each function.
 */
#ifndef TR_DIST_ROUTER_H
#define TR_DIST_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "dist/codec.h"
#include "sched/sched.h"

struct tr_packer;
struct tr_peers;
struct tr_router;

struct tr_router_options {
    struct tr_sched *sched;
    tr_codec_find_type find_type; /* loop thread */
    void *context;                /* of find_type and of the following */
    /* Loop thread. What is no signal between actors. */
    void (*on_spawn)(void *context, const struct tr_spawn_request *request, uint32_t session);
    void (*on_inbox)(void *context, const char *name);
    /* What the node tells of itself (dist/news.h). */
    void (*on_news)(void *context, uint64_t node_id, const uint8_t *bytes, size_t size);
    void (*on_returned)(void *context, struct tr_message *message); /* takes the message */
    void (*on_groups)(void *context, uint64_t node_id, const uint8_t *bytes, size_t size);
    void (*on_broadcast)(void *context, struct tr_message *message); /* takes the message */
    /* A request: takes it, or answers false, and it goes to its receiver. */
    bool (*on_call)(void *context, struct tr_message *message);
    void (*on_bad)(void *context, uint64_t node_id, const char *why);
    /* Why a message of one of the library's types is not let in; NULL when it is. */
    const char *(*denies)(void *context, const struct tr_message *message);
    bool compresses; /* what is large, for nodes that do so too */
};

TROUPE_MUST_USE troupe_status tr_router_create(const struct tr_router_options *options,
                                               struct tr_router **out);
void tr_router_destroy(struct tr_router *router);

/* The peers to send by; NULL: none from now on, and no thread uses the old ones when this returns.
 * Loop thread, or before the loop runs. */
void tr_router_set_peers(struct tr_router *router, struct tr_peers *peers);

/* Sends a signal to another node. Takes it; what cannot be sent is answered as if by that node.
 * crowded, which may be NULL, is set when it went and its sender should wait (tr_router_await). Any
 * thread. */
troupe_status tr_router_post(struct tr_router *router, struct tr_message *message, bool *crowded);

/* Sends a signal whose value, of its type, may be the sender's; NULL: without one. Both stay the
 * caller's, and when the answer is not TROUPE_OK nothing has happened. Any thread. */
TROUPE_MUST_USE troupe_status tr_router_send_value(struct tr_router *router,
                                                   struct tr_message *message, const void *value,
                                                   bool *crowded);

/* Keeps an AWAIT signal addressed to a node until less waits to be sent there, its session is lost
 * or tr_router_release was called; then, or when it is so already, turns it round. Takes it. Any
 * thread. */
void tr_router_await(struct tr_router *router, struct tr_message *await);
/* Lets everybody go on who waits, and nobody wait from now on: the node stops. Any thread. */
void tr_router_release(struct tr_router *router);
/* Lends what compresses, for its counts; NULL: nothing does. */
const struct tr_packer *tr_router_packer(const struct tr_router *router);
/* Bytes that wait to be sent to other nodes. Any thread. */
uint64_t tr_router_queued(struct tr_router *router);

/* Sends a packet that is no signal. session 0: whatever is current. Any thread. */
troupe_status tr_router_send(struct tr_router *router, uint64_t node_id, uint32_t session,
                             const uint8_t *bytes, size_t size);

/* Puts an actor into the set of a node and answers the session, or 0 when there is none. Any
 * thread. */
uint32_t tr_router_watch(struct tr_router *router, uint64_t node_id, uint64_t actor_id);
void tr_router_unwatch(struct tr_router *router, uint64_t node_id, uint64_t actor_id);

/* The present session with a node, or 0. Any thread. */
uint32_t tr_router_session(struct tr_router *router, uint64_t node_id);
/* How many sessions there are. Any thread. */
uint32_t tr_router_peers_up(struct tr_router *router);
/* Actors that are told when a session is lost, once for each node. */
uint32_t tr_router_watchers(struct tr_router *router);

/* Events of the peers. Loop thread. NO_MEMORY: nothing can go by that session, so give it up. A
 * signal that comes while there is no memory for it ends its session too. */
TROUPE_MUST_USE troupe_status tr_router_on_up(struct tr_router *router, uint64_t node_id,
                                              uint32_t session);
void tr_router_on_message(struct tr_router *router, uint64_t node_id, uint32_t session,
                          const uint8_t *bytes, size_t size);
void tr_router_on_room(struct tr_router *router, uint64_t node_id);
/* Tells every watching actor; down: the registry has said that the node is. */
void tr_router_on_lost(struct tr_router *router, uint64_t node_id, uint32_t session, bool down);

#endif
