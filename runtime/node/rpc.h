/* node/rpc.h - what a node answers other nodes about itself (troupe/rpc.h).
 *
 * A request comes as a CALL to the actor 0. Since an answer may wait for actors, a thread of its
 * own makes it, as of a client's request.
 *
 * Threads: requests of other nodes on the loop's thread.
 */
#ifndef TR_NODE_RPC_H
#define TR_NODE_RPC_H

#include <stdbool.h>

#include "troupe/type.h"

struct tr_message;
struct troupe_node;

extern const troupe_type troupe_ask_type; /* "troupe.ask" */

/* A request of another node. Takes it, when it is for the node itself: one of these, or of
 * node/alive.h; else it goes on to its receiver. context is the node. */
bool tr_rpc_on_call(void *context, struct tr_message *message);

/* Waits until all answers that are under way are given; no more begin when the node stops. Any
 * thread but the loop's. */
void tr_rpc_drain(struct troupe_node *node);

#endif
