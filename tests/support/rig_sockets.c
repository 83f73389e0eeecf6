/* Nodes of a rig on loopback, each with a thread for its loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "support/rig_stage.h"

enum { LOOK_NS = 100000000 };

uint32_t rig_stage_rounds(void)
{
    return 1;
}

void rig_stage_enter(uint64_t node_id, const char **host, uint16_t *port)
{
    (void)node_id;
    *host = "127.0.0.1";
    *port = 0;
}

void rig_stage_leave(uint64_t node_id)
{
    (void)node_id;
}

void rig_stage_wait(struct rig_node *node)
{
    (void)tr_cond_wait_for(&node->changed, &node->lock, LOOK_NS);
}

/* Stands still on the loop until the gate opens: a process that was stopped. */
static void stand_still(void *context)
{
    struct rig_gate *gate = context;

    tr_mutex_lock(&gate->lock);
    gate->entered = true;
    tr_cond_broadcast(&gate->opened);
    while (!gate->open) {
        tr_cond_wait(&gate->opened, &gate->lock);
    }
    tr_mutex_unlock(&gate->lock);
}

void rig_stage_gate_shut(struct rig_gate *gate, struct rig_node *node)
{
    *gate = (struct rig_gate){0};
    tr_mutex_init(&gate->lock);
    tr_cond_init(&gate->opened);
    assert_int_equal(tr_loop_post(node->loop, stand_still, gate), TROUPE_OK);
    tr_mutex_lock(&gate->lock);
    while (!gate->entered) {
        tr_cond_wait(&gate->opened, &gate->lock);
    }
    tr_mutex_unlock(&gate->lock);
}

static void nothing(void *context)
{
    (void)context;
}

void rig_stage_gate_open(struct rig_gate *gate, struct rig_node *node)
{
    tr_mutex_lock(&gate->lock);
    gate->open = true;
    tr_cond_broadcast(&gate->opened);
    tr_mutex_unlock(&gate->lock);
    /* Only when it has left the gate. */
    rig_call(node, nothing, NULL);
    tr_cond_fini(&gate->opened);
    tr_mutex_fini(&gate->lock);
}

uint64_t rig_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}
