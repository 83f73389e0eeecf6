/* node/guard.h - what a node believes of others, and what it lets them do.
 *
 * Threads: any, unless said.
 */
#ifndef TR_NODE_GUARD_H
#define TR_NODE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/siphash.h"
#include "core/message.h"
#include "dist/name_types.h"
#include "sync/atomic.h"
#include "troupe/node.h"

struct tr_guard {
    struct tr_siphash_key key;    /* of numbers that travel and come back; constant */
    struct tr_atomic_u64 refused; /* signals of other nodes */
    struct tr_atomic_u64 logged_ns;
    struct tr_atomic_u32 denies_nodes; /* bits of enum tr_may, of the policy; 0 until it is read */
    struct tr_atomic_u32 denies_clients;
};

/* TROUPE_E_SYSTEM: no chance to be had. */
TROUPE_MUST_USE troupe_status tr_guard_init(struct tr_guard *guard, const troupe_config *config);

/* Counts and logs what a node had no right to say; context is the node. */
void tr_guard_suspect(void *context, uint64_t node_id, const char *why);

/* An event of the registry: the policy. context is the node. */
void tr_guard_on_policy(void *context, const struct tr_policy *policy);

/* Why the policy does not let a node, or a client, do all of this (bits of enum tr_may); NULL when
 * it does. */
const char *tr_guard_denies_node(const struct tr_guard *guard, uint32_t verbs);
const char *tr_guard_denies_client(const struct tr_guard *guard, uint32_t verbs);

/* Bits of enum tr_may that a message of that type asks for: those to supervisors do. */
uint32_t tr_guard_asks(const troupe_type *type, const void *value);

/* A port of the router: why a message of another node is refused, or NULL. context is the node. */
const char *tr_guard_denies_message(void *context, const struct tr_message *message);

/* A port of the scheduler: whether actors of other nodes may send exit signals to those that they
 * are not linked to. context is the node. */
bool tr_guard_may_exit(void *context);

#endif
