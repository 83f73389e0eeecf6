/* support/nodes.h - several nodes in one process, over the registry in memory and real sockets.
 *
 *     nodes_begin(3, (const char *const[]){"", "worker", "worker"});
 *     ... stages[0] is node n1 with its probes, stages[1] is n2 ...
 *     nodes_end();
 *
 * Threads: the test's.
 */
#ifndef TESTS_SUPPORT_NODES_H
#define TESTS_SUPPORT_NODES_H

#include "support/actors.h"
#include "support/fake_registry.h"

enum { NODES_MAX = 5 };

extern struct fake_cluster *cluster;
extern struct stage *stages[NODES_MAX]; /* NULL: not running */
extern size_t nodes_count;
/* What every node is made to know before it starts to count; ends with NULL. Set it before. */
extern const troupe_behavior *const *nodes_behaviors;

/* Starts n1, n2, ... with these roles and waits until each knows all. */
void nodes_begin(size_t count, const char *const *roles);
void nodes_end(void);
/* Starts node number i (from 0) again or in addition; waits for nothing. */
void node_begin(size_t i, const char *roles);
/* The same with any configuration: what configure (may be NULL) changes. */
typedef void (*nodes_configure)(troupe_config *config);
struct stage *node_start(size_t i, nodes_configure configure);
/* Stops it in order. */
void node_end(size_t i);
/* Waits until so many nodes see each other. */
void nodes_wait(size_t count);
/* Breaks the connection between two nodes as a fault would; their session is resumed. */
void node_cut(size_t i, size_t other);
/* The cluster declares it dead. It is not started again, its stage stays until nodes_end. */
void node_kill(size_t i);
uint64_t node_id_of(size_t i);
/* The number of the node that runs the actor; fails the test when it is none of them. */
size_t node_of(troupe_pid pid);

#endif
