#include "fan.h"

#include <stdatomic.h>
#include <stdio.h>

/* Of this program, set before the node starts. */
static const char *fan_figure;
static enum fan_kind fan_kind;

/* What the ties of the present run share. */
static struct {
    troupe_pid hub;
    troupe_from waiting;
    uint64_t count;
    _Atomic uint64_t tied;
    _Atomic uint64_t fired; /* signals with the hub's reason */
    _Atomic uint64_t ended;
} fan;

/* Ends the hub; answered when all that were tied to it have ended. */
TROUPE_TYPE_EMPTY(fire, "bench.fire");

/* Ties itself to the hub. */
static int tie_on_more(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    uint64_t monitor = 0;
    const troupe_status status = fan_kind == FAN_LINKS ? troupe_link(self, fan.hub)
                                                       : troupe_monitor(self, fan.hub, &monitor);
    if (status != TROUPE_OK || atomic_fetch_add(&fan.tied, 1) + 1 < fan.count) {
        return status;
    }
    return troupe_reply_to(self, &fan.waiting, &tally_type, &(tally){.count = fan.count});
}

static int tie_on_down(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    const troupe_down_message *down = message;
    if (down->kind == TROUPE_REASON_SHUTDOWN) {
        (void)atomic_fetch_add(&fan.fired, 1);
    }
    return TROUPE_STOP;
}

/* The last one to end answers. */
static void tie_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)state;
    if (fan_kind == FAN_LINKS && reason->kind == TROUPE_REASON_SHUTDOWN) {
        (void)atomic_fetch_add(&fan.fired, 1);
    }
    if (atomic_fetch_add(&fan.ended, 1) + 1 == fan.count) {
        const tally all = {.count = atomic_load(&fan.fired)};
        bench_must(troupe_reply_to(self, &fan.waiting, &tally_type, &all), "reply");
    }
}

static const troupe_handler tie_handlers[] = {
    {&more_type, tie_on_more}, {&troupe_down_type, tie_on_down}, {0}};
static const troupe_behavior tie_behavior = {
    .name = "bench.tie", .version = 1, .terminate = tie_terminate, .handlers = tie_handlers};

static const troupe_handler hub_handlers[] = {{0}};
static const troupe_behavior hub_behavior = {
    .name = "bench.hub", .version = 1, .handlers = hub_handlers};

/* Starts the others, a batch at a time. */
static int mother_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    uint64_t *left = state;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < BENCH_BATCH && status == TROUPE_OK && *left > 0; i++, (*left)--) {
        troupe_pid pid;
        status = troupe_spawn(self, &tie_behavior, NULL, NULL, &pid);
        if (status == TROUPE_OK) {
            status = troupe_send(self, pid, &more_type, NULL);
        }
    }
    if (status != TROUPE_OK || *left == 0) {
        return status;
    }
    return troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static int mother_on_start(troupe_self *self, void *state, const void *message)
{
    *(uint64_t *)state = ((const start *)message)->count;
    fan.waiting = troupe_take_from(self);
    return mother_on_more(self, state, NULL);
}

static int mother_on_fire(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    fan.waiting = troupe_take_from(self);
    return troupe_exit(self, fan.hub, TROUPE_REASON_SHUTDOWN, NULL);
}

static const troupe_handler mother_handlers[] = {{&more_type, mother_on_more},
                                                 {&start_type, mother_on_start},
                                                 {&fire_type, mother_on_fire},
                                                 {0}};
static const troupe_behavior mother_behavior = {.name = "bench.mother",
                                                .version = 1,
                                                .state_size = sizeof(uint64_t),
                                                .handlers = mother_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const troupe_pid mother = bench_spawn(node, &mother_behavior, NULL);
    troupe_node_info before = {.struct_size = sizeof(before)};
    troupe_node_get_info(node, &before);
    fan.hub = bench_spawn(node, &hub_behavior, NULL);
    fan.count = count;
    atomic_store(&fan.tied, 0);
    atomic_store(&fan.fired, 0);
    atomic_store(&fan.ended, 0);
    const int64_t first = measure_now_ns();
    (void)bench_ask(node, mother, &start_type, &(start){.peer = fan.hub, .count = count});
    const int64_t began = measure_now_ns();
    const uint64_t fired = bench_ask(node, mother, &fire_type, NULL);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("signals with the hub's reason", count, fired);
    bench_wait_actors(node, before.actors);
    bench_end(node, mother);
    if (report) {
        char setup[64];
        (void)snprintf(setup, sizeof(setup), "%s-setup", fan_figure);
        measure_figure(fan_figure, (double)ns / 1e6, "ms");
        measure_figure(setup, (double)(began - first) / 1e6, "ms");
    }
}

int fan_main(int argc, char **argv, const char *figure, enum fan_kind kind)
{
    fan_figure = figure;
    fan_kind = kind;
    return bench_main(argc, argv, run);
}
