/* tests/support/rig_stage.h - where the nodes of a rig play: rig_sockets.c has threads and
 * loopback, rig_memory.c has neither. A program is linked with one of them.
 *
 * Threads: that of the test.
 */
#ifndef TESTS_SUPPORT_RIG_STAGE_H
#define TESTS_SUPPORT_RIG_STAGE_H

#include <stdint.h>

#include "support/peers_rig.h"

/* How often a group of tests is played: once, or once for each of some seeds. */
uint32_t rig_stage_rounds(void);

/* Before the loop of a node is made. Gives what it listens at, unless the test says otherwise. */
void rig_stage_enter(uint64_t node_id, const char **host, uint16_t *port);

/* After the loop of a node was destroyed. */
void rig_stage_leave(uint64_t node_id);

/* Waits for something to change at the node, with its lock; may return without a reason. */
void rig_stage_wait(struct rig_node *node);

/* See rig_gate_shut and rig_gate_open. */
void rig_stage_gate_shut(struct rig_gate *gate, struct rig_node *node);
void rig_stage_gate_open(struct rig_gate *gate, struct rig_node *node);

#endif
