/* node/places.h - what this node knows of the others as places for actors, and choosing among them.
 *
 * Each node tells its peers of itself (dist/news.h): all when a session begins and when its
 * behaviors change, whether it drains and how many actors it has when that changes. What was heard
 * goes when the session is lost.
 *
 * Threads: any, but where it says loop.
 */
#ifndef TR_NODE_PLACES_H
#define TR_NODE_PLACES_H

#include "dist/placement.h"
#include "node/node.h"

struct tr_news;

/* What is to be placed, and how. */
struct tr_place_ask {
    const struct tr_placement *rule;
    const char *behavior; /* its name */
    const troupe_behavior *const
        *all; /* instead of it: all that a node has to know; NULL: that one alone */
    size_t all_count;
    bool known_here;      /* this node can run it, whether it is in the catalog or not */
    const char *key;      /* HASH: the name; "": none */
    const uint64_t *turn; /* ROUND_ROBIN: whose turn it is; NULL: this node counts */
    uint64_t prefer;      /* a node to take when it comes into question; 0: none */
    uint64_t avoid;       /* one to leave out; 0: none */
};

struct tr_place {
    uint64_t node_id;
    bool local;
    char name[TR_NODE_NAME_SIZE_MAX + 1];
};

/* Finds the place. TROUPE_E_NOT_FOUND: no node comes into question; TROUPE_E_CLOSED: the one that
 * is named drains; TROUPE_E_INVALID: hash without a name; TROUPE_E_NO_MEMORY. error gets words. */
TROUPE_MUST_USE troupe_status tr_places_choose(struct troupe_node *node,
                                               const struct tr_place_ask *ask,
                                               struct tr_place *place, char *error,
                                               size_t error_size);

/* Whether a node is known to drain: what ends there now ends because of that. */
bool tr_places_drains(struct troupe_node *node, uint64_t node_id);

/* ---- news ---- */
troupe_status tr_places_start(struct troupe_node *node); /* loop */
void tr_places_stop(struct troupe_node *node);           /* loop */
void tr_places_free(struct troupe_node *node);
/* Tells all peers, or one, of this node. */
void tr_places_tell(struct troupe_node *node, bool full);
void tr_places_tell_one(struct troupe_node *node, uint64_t node_id); /* loop */
/* Of the router: context is the node. */
void tr_places_heard(void *context, uint64_t node_id, const uint8_t *bytes, size_t size);
void tr_places_lost(struct troupe_node *node, uint64_t node_id); /* loop */
/* From how many connected nodes something was heard. With node->state_mutex held. */
uint32_t tr_places_count(const struct troupe_node *node);

#endif
