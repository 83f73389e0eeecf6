/* node/secrets.h - the cluster secret of a node, and the second one that it accepts while the
 * cluster changes from one to the other.
 *
 * Threads: any, except where the loop is named.
 */
#ifndef TR_NODE_SECRETS_H
#define TR_NODE_SECRETS_H

#include <stdbool.h>
#include <stdint.h>

#include "node/node.h"

struct tr_peers;

/* What is wrong with the two, in words, or NULL. */
const char *tr_node_secrets_wrong(troupe_bytes secret, troupe_bytes accepted);

/* Copies what the configuration has. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_node_secrets_start(struct troupe_node *node,
                                                    const troupe_config *config);

/* Wipes them. */
void tr_node_secrets_fini(struct troupe_node *node);

/* Has peers that do not listen yet use them, and the certificate: all that proves who the node is.
 * TROUPE_E_NO_MEMORY. Before the loop runs, or on it. */
TROUPE_MUST_USE troupe_status tr_node_proofs_give(struct troupe_node *node, struct tr_peers *peers);

/* Whether the node has a cluster secret, and then: whether it accepts a second one, and how often
 * they were changed since its start and are in use now. */
bool tr_node_secrets_state(struct troupe_node *node, bool *two, uint64_t *changes);

#endif
