/* The scheduler's port for input and output, which is the node's loop: workers that have nothing to
 * do wait for it and turn it. */
#include "node/io.h"

#include "io/loop.h"
#include "sched/idle.h"

static bool io_claim(void *context)
{
    return tr_loop_claim(context);
}

static void io_release(void *context)
{
    tr_loop_release(context);
}

static bool io_wait(void *context, int64_t timeout_ns)
{
    return tr_loop_wait(context, timeout_ns);
}

static void io_turn(void *context)
{
    tr_loop_turn(context);
}

static void io_interrupt(void *context)
{
    tr_loop_interrupt(context);
}

static void io_flush(void *context)
{
    tr_loop_flush(context);
}

static void io_watch(void *context)
{
    tr_loop_watch(context);
}

static uint64_t busy_workers(void *context)
{
    return tr_sched_busy(context);
}

static void look_after_workers(void *context)
{
    tr_sched_look_after(context);
}

troupe_status tr_node_io_start(struct troupe_node *node)
{
    const struct tr_loop_helpers helpers = {
        .context = node->sched, .busy = busy_workers, .look_after = look_after_workers};

    tr_loop_set_helpers(node->loop, &helpers);
    const troupe_status status = tr_loop_start(node->loop);

    if (status == TROUPE_OK) {
        const struct tr_io_port port = {.context = node->loop,
                                        .claim = io_claim,
                                        .release = io_release,
                                        .wait = io_wait,
                                        .turn = io_turn,
                                        .interrupt = io_interrupt,
                                        .flush = io_flush,
                                        .watch = io_watch};

        tr_sched_set_io(node->sched, &port);
    }
    return status;
}
