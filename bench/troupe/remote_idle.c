#include "remote.h"

#include <sched.h>
#include <stdio.h>

enum { CROWD_MAX = 100, NAME_SIZE = 32, IDLE_MS_EACH = 300, IDLE_MS_MAX = 3000 };

/* Asks the server's process to start so many more nodes; answered with a tally when they are
 * members. */
typedef struct crowd_order {
    uint64_t count;
} crowd_order;
TROUPE_TYPE(crowd_order, "bench.crowd_order", TROUPE_FIELD(crowd_order, count, 1));

void remote_idle_add_types(troupe_node *node)
{
    bench_must(troupe_node_add_type(node, &crowd_order_type, NULL, 0), "crowd_order");
}

/* ---- the server's side ---- */

/* Filled by one blocking function; read when it has ended. */
static struct {
    troupe_node *nodes[CROWD_MAX];
    uint64_t started;
    uint64_t wanted;
} crowd;

static int start_crowd(void *context)
{
    (void)context;
    for (; crowd.started < crowd.wanted && crowd.started < CROWD_MAX; crowd.started++) {
        char role[NAME_SIZE];
        (void)snprintf(role, sizeof(role), "crowd%u", (unsigned)crowd.started);
        crowd.nodes[crowd.started] = remote_start_node(role, 1);
    }
    return TROUPE_OK;
}

void remote_idle_stop(void)
{
    while (crowd.started > 0) {
        troupe_node_stop(crowd.nodes[--crowd.started], 20000);
    }
}

static int crowd_then_started(troupe_self *self, void *state, const troupe_result *result)
{
    (void)result;
    return troupe_reply_to(self, state, &tally_type, &(tally){.count = crowd.started});
}

/* Once. */
static int crowd_on_order(troupe_self *self, void *state, const void *message)
{
    crowd.wanted = ((const crowd_order *)message)->count;
    *(troupe_from *)state = troupe_take_from(self);
    return troupe_blocking(self, start_crowd, &crowd, NULL, crowd_then_started, 0);
}

static const troupe_handler crowd_handlers[] = {{&crowd_order_type, crowd_on_order}, {0}};
const troupe_behavior remote_crowd_behavior = {.name = "bench.remote_crowd",
                                               .version = 1,
                                               .state_size = sizeof(troupe_from),
                                               .handlers = crowd_handlers};

/* ---- the client's side ---- */

typedef struct cost {
    double bytes;
    double cpu; /* seconds in a second */
} cost;

static void wait_peers(troupe_node *node, uint64_t peers)
{
    const int64_t deadline = measure_now_ns() + 60000000000;
    troupe_node_info info = {.struct_size = sizeof(info)};
    for (;;) {
        troupe_node_get_info(node, &info);
        if (info.peers == peers) {
            return;
        }
        if (measure_now_ns() > deadline) {
            measure_expect("sessions", peers, info.peers);
        }
        (void)sched_yield();
    }
}

/* What the process costs while nothing is asked of it for so long. */
static cost idle(int64_t ms)
{
    measure_settle();
    const double cpu = measure_cpu_s();
    const int64_t began = measure_now_ns();
    measure_pause(ms);
    const double seconds = (double)(measure_now_ns() - began) / 1e9;
    return (cost){.bytes = (double)measure_resident_bytes(),
                  .cpu = (measure_cpu_s() - cpu) / seconds};
}

void remote_idle(const remote_run *r)
{
    const int64_t wanted_ms = (int64_t)r->count * IDLE_MS_EACH;
    const int64_t ms = wanted_ms < IDLE_MS_MAX ? wanted_ms : IDLE_MS_MAX;
    wait_peers(r->node, 1);
    const cost before = idle(ms);
    const crowd_order order = {.count = r->count};
    measure_expect("nodes", r->count, bench_ask(r->node, r->peer, &crowd_order_type, &order));
    wait_peers(r->node, r->count + 1);
    const cost after = idle(ms);
    wait_peers(r->node, r->count + 1); /* They are still there. */
    measure_figure("remote-idle-memory", (after.bytes - before.bytes) / (double)r->count, "B");
    measure_figure("remote-idle-cpu", (after.cpu - before.cpu) * 1e6 / (double)r->count, "us/s");
}
