/* dist/router_inside.h - what the files of the router share; nobody else includes it.
 *
 *   router.c       signals out and in, and who is to be told when a node is gone
 *   router_lost.c  telling them
 *   router_wait.c  senders that wait until less waits for a node
 *
 * Threads: said with each group of fields.
 */
#ifndef TR_DIST_ROUTER_INSIDE_H
#define TR_DIST_ROUTER_INSIDE_H

#include "base/map.h"
#include "dist/peers.h"
#include "dist/router.h"
#include "dist/ticket.h"
#include "sync/atomic.h"
#include "sync/pool.h"
#include "sync/thread.h"

struct tr_packer;

enum { ROUTER_KNOWN_TYPES = 16 };

/* A type by which a message came; size: of its name, 0 when there is none. */
struct router_type {
    const troupe_type *type;
    size_t size;
};

struct router_peer {
    uint64_t node_id;
    uint32_t session;       /* 0: none */
    struct tr_map watchers; /* actor id -> itself as a pointer */
    /* Signals of actors that wait until less waits to be sent to this node. */
    struct tr_inbox_item *awaiting;
    struct tr_inbox_item **awaiting_end;
    struct tr_tickets_spent spent;
};

struct tr_router {
    struct tr_router_options options;
    struct tr_atomic_u64 peers;   /* pointer to struct tr_peers; 0 while there are none */
    struct tr_atomic_u32 senders; /* threads that may be using it */
    struct tr_atomic_u32 tickets; /* given out */
    struct tr_pool_cache cache;   /* of the loop thread, when that is no worker */
    struct router_type known[ROUTER_KNOWN_TYPES]; /* the loop thread's */
    struct tr_packer *packer;                     /* NULL: nothing is compressed, neither way */
    struct tr_mutex mutex;                        /* everything below */
    struct tr_map by_node;                        /* node id -> struct router_peer */
    uint32_t up;
    bool closing; /* nobody waits any more */
};

/* Lends the peers, which are not closed until router_give_back, or NULL. Any thread. */
static inline struct tr_peers *router_borrow(struct tr_router *router)
{
    (void)tr_add32_seq(&router->senders, 1);
    return (struct tr_peers *)(uintptr_t)tr_load_seq(&router->peers);
}

static inline void router_give_back(struct tr_router *router)
{
    (void)tr_sub32_seq(&router->senders, 1);
}

/* On the loop thread: the cache of the worker that this thread is, or of the loop's own thread. */
static inline struct tr_pool_cache *router_cache(struct tr_router *router)
{
    struct tr_worker *worker = tr_sched_worker(router->options.sched);
    return worker != NULL ? &worker->cache : &router->cache;
}

/* Takes the list of those who wait for a node; peer may be NULL. Under the mutex. */
struct tr_inbox_item *router_take_awaiting(struct router_peer *peer);
/* Lets everybody of a list go on. */
void router_resume_list(struct tr_router *router, struct tr_inbox_item *first);

/* What the sender of a signal that was refused is told. A system signal is refused only where its
 * session goes instead. */
static inline troupe_status router_told_of(const struct tr_message *message, troupe_status status)
{
    if (!tr_message_is_counted(message)) {
        return TROUPE_E_NOCONNECTION;
    }
    return status == TROUPE_E_NO_MEMORY ? TROUPE_E_BUSY : status;
}

#endif
