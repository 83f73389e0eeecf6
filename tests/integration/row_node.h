/* row_node.h - whole nodes on a private PostgreSQL, for tests of the rows it writes.
 *
 * Threads: the test's. Memory: setup and teardown make and end it.
 */
#ifndef INTEGRATION_ROW_NODE_H
#define INTEGRATION_ROW_NODE_H

#include "support/pg_group.h"
#include "troupe/troupe.h"

extern struct reg_sync *admin; /* a superuser's connection */

/* Starts the server and the node "n1", of one worker, which knows these behaviors. */
troupe_node *row_node_begin(const troupe_behavior *const *behaviors, size_t count);
/* Starts another one, of one worker, in the same cluster; troupe_node_stop ends it. */
troupe_node *row_node_start(const char *name, const troupe_behavior *const *behaviors,
                            size_t count);
void row_node_end(troupe_node *node); /* NULL: the test has stopped it */

#endif
