/* node/node_monitors.h - who is told of nodes that come and go.
 *
 * Threads: told on the loop's thread, the rest any; under the node's state_mutex, which is taken.
 */
#ifndef TR_NODE_NODE_MONITORS_H
#define TR_NODE_NODE_MONITORS_H

#include <stdbool.h>
#include <stdint.h>

struct troupe_node;

/* An actor has ended. */
void tr_cluster_forget_watcher(struct troupe_node *node, uint64_t actor_id);
/* Tells watchers of nodes that one came or went. */
void tr_node_monitors_tell(struct troupe_node *node, uint64_t node_id, const char *name, bool up,
                           const char *why);
void tr_node_monitors_fini(struct troupe_node *node);

#endif
