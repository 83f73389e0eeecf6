/* Nodes of a rig in memory: the test's thread turns their loops while it waits. */
#include "support/memory_transport.h"
#include "support/rig_stage.h"

enum { ROUNDS = 20 };

static uint64_t seed;
static uint32_t present; /* nodes that play */

uint32_t rig_stage_rounds(void)
{
    return ROUNDS;
}

static uint32_t place_of(uint64_t node_id)
{
    return (uint32_t)(node_id % MEMORY_PLACES);
}

void rig_stage_enter(uint64_t node_id, const char **host, uint16_t *port)
{
    if (present++ == 0) {
        memory_begin(++seed); /* every test has another one */
    }
    memory_place(place_of(node_id));
    *host = memory_host(place_of(node_id));
    *port = MEMORY_PORT;
}

void rig_stage_leave(uint64_t node_id)
{
    (void)node_id;
    if (--present == 0) {
        memory_end();
    }
}

void rig_stage_wait(struct rig_node *node)
{
    tr_mutex_unlock(&node->lock);
    (void)memory_step();
    tr_mutex_lock(&node->lock);
}

void rig_stage_gate_shut(struct rig_gate *gate, struct rig_node *node)
{
    (void)gate;
    memory_pause(place_of(node->options.node_id), true);
}

void rig_stage_gate_open(struct rig_gate *gate, struct rig_node *node)
{
    (void)gate;
    memory_pause(place_of(node->options.node_id), false);
}

uint64_t rig_now_ms(void)
{
    return memory_now_ms();
}
