/* node/peering.h - the peers of a node: making them, and what follows from what they report.
 *
 * Threads: the loop's, or before it runs.
 */
#ifndef TR_NODE_PEERING_H
#define TR_NODE_PEERING_H

#include "node/node.h"

/* Makes peers that listen, for the first time or for a node that was fenced: node->peers and the
 * router's. What tr_peers_create and tr_peers_listen answer, in words too. */
TROUPE_MUST_USE troupe_status tr_node_make_peers(struct troupe_node *node, char *why,
                                                 size_t why_size);

#endif
