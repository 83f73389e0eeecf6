/* node/tls.h - the certificate of a node: read at start and again when asked to, and watched while
 * it grows old.
 *
 * Threads: any, except where the loop is named.
 */
#ifndef TR_NODE_TLS_H
#define TR_NODE_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "node/node.h"

struct tr_peers;

/* Reads what the configuration names, if it does. TROUPE_E_INVALID, with the file and what is wrong
 * with it. */
TROUPE_MUST_USE troupe_status tr_node_tls_start(struct troupe_node *node,
                                                const troupe_config *config, char *error,
                                                size_t error_size);
void tr_node_tls_fini(struct troupe_node *node);

/* Has peers that do not listen yet use what the node has. TROUPE_E_NO_MEMORY. Before the loop runs,
 * or on it. */
TROUPE_MUST_USE troupe_status tr_node_tls_give(struct troupe_node *node, struct tr_peers *peers);

/* Loop thread: begins and ends to look once a day whether the certificate expires soon. */
void tr_node_tls_watch(struct troupe_node *node);
void tr_node_tls_unwatch(struct troupe_node *node);

/* When the certificate expires, in seconds since 1970; 0 without TLS. */
int64_t tr_node_tls_expires(struct troupe_node *node);

/* Days from now until then, rounded down: below 0 when it has expired. */
int64_t tr_node_tls_days_left(int64_t expires);

#endif
