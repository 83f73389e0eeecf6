/* cli/dev_nodes.h - the node processes of `dev up`.
 *
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_DEV_NODES_H
#define CLI_DEV_NODES_H

#include "cli/cli.h"
#include "cli/dev_state.h"

#define DEV_START_MS 30000u
#define DEV_STOP_MS 15000u

/* Starts node, which has its name; fills the rest once it is ready. Its log's end explains a
 * failure, after which nothing of it runs. *stop, set by a signal, ends the wait. */
int dev_node_start(struct cli *cli, const struct dev_state *state, struct dev_node *node,
                   const volatile int *stop);

/* Waits until every running node is connected to all others. */
int dev_nodes_wait(struct cli *cli, const struct dev_state *state, const volatile int *stop);

bool dev_node_runs(const struct dev_node *node);

/* Ends a node in order, by force if it does not. Answers false when it is there even then. */
bool dev_node_stop(struct dev_node *node);

#endif
