/* node/alive.h - whether an actor lives (troupe_is_alive of troupe/cluster.h).
 *
 * Its node answers by the loop: the actor is not disturbed.
 *
 * Threads: requests of other nodes on the loop's thread.
 */
#ifndef TR_NODE_ALIVE_H
#define TR_NODE_ALIVE_H

#include <stdbool.h>

#include "troupe/type.h"

struct tr_message;

extern const troupe_type troupe_alive_type; /* "troupe.alive" */

/* A request of another node. Answers whether it was taken; else it goes on to its receiver. context
 * is the node. */
bool tr_alive_on_call(void *context, struct tr_message *message);

#endif
