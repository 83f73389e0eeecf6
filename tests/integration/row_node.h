/* row_node.h - one whole node "n1" on a private PostgreSQL, for tests of the rows it writes.
 *
 * Threads: the test's. Memory: setup and teardown make and end it.
 */
#ifndef INTEGRATION_ROW_NODE_H
#define INTEGRATION_ROW_NODE_H

#include "support/pg_group.h"
#include "troupe/troupe.h"

extern struct reg_sync *admin; /* a superuser's connection */

/* Starts the server and a node that knows these behaviors. */
troupe_node *row_node_begin(const troupe_behavior *const *behaviors, size_t count);
void row_node_end(troupe_node *node); /* NULL: the test has stopped it */

#endif
