/* node/groups.h - the groups of a node, for who builds it. What actors do with them is in
 * troupe/group.h.
 *
 * Threads: init before the node runs; ended by the worker of the actor.
 */
#ifndef TR_NODE_GROUPS_H
#define TR_NODE_GROUPS_H

#include "core/actor.h"
#include "troupe/status.h"

struct tr_message;
struct troupe_node;

troupe_status tr_node_groups_init(struct troupe_node *node);
/* An actor has ended: it leaves its groups. */
void tr_node_groups_ended(struct troupe_node *node, struct tr_actor *actor);
/* A broadcast of another node: hands it out to the members on this one. Takes it. Loop thread. */
void tr_node_groups_deliver(struct troupe_node *node, struct tr_message *message);

#endif
