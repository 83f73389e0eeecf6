/* node/guard.h - what a node believes of others, and what it lets them do.
 *
 * Threads: any, unless said.
 */
#ifndef TR_NODE_GUARD_H
#define TR_NODE_GUARD_H

#include <stdint.h>

#include "base/siphash.h"
#include "sync/atomic.h"
#include "troupe/node.h"

struct tr_guard {
    struct tr_siphash_key key;    /* of numbers that travel and come back; constant */
    struct tr_atomic_u64 refused; /* signals of other nodes */
    struct tr_atomic_u64 logged_ns;
};

/* TROUPE_E_SYSTEM: no chance to be had. */
TROUPE_MUST_USE troupe_status tr_guard_init(struct tr_guard *guard, const troupe_config *config);

/* Counts and logs what a node had no right to say; context is the node. */
void tr_guard_suspect(void *context, uint64_t node_id, const char *why);

#endif
