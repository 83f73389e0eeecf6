/* node/io.h - the scheduler's port for input and output, which is the node's loop.
 *
 * Threads: the one that starts the node.
 */
#ifndef TR_NODE_IO_H
#define TR_NODE_IO_H

#include "node/node.h"

/* Starts the loop's own thread; from then on the workers help it. TROUPE_E_SYSTEM. */
TROUPE_MUST_USE troupe_status tr_node_io_start(struct troupe_node *node);

#endif
