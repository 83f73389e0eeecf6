/* One actor starts COUNT timers and cancels them all; then it starts a fifth of them again, all for
 * the same moment, and handles what they send. */
#include <stdlib.h>

#include "bench.h"

#define FAR_MS 600000u /* the first of those that never run out */

typedef struct keeper {
    troupe_from waiting;
    uint64_t *timers;
    uint64_t count;
    uint64_t fired;
} keeper;

/* Start so many timers. */
typedef struct order {
    uint64_t count;
    uint64_t delay_ms; /* when all are due; 0: spread over ten minutes, far from now */
} order;
TROUPE_TYPE(order, "bench.order", TROUPE_FIELD(order, count, 1), TROUPE_FIELD(order, delay_ms, 2));
TROUPE_TYPE_EMPTY(cancel, "bench.cancel");
TROUPE_TYPE_EMPTY(wait_all, "bench.wait_all");

static int keeper_on_order(troupe_self *self, void *state, const void *message)
{
    keeper *k = state;
    const order *o = message;
    const troupe_pid me = troupe_self_pid(self);
    const int64_t due_ms = troupe_now_ms(self) + (int64_t)o->delay_ms;
    int64_t near_ms = (int64_t)o->delay_ms;
    uint64_t random = 88172645463325252u;
    troupe_status status = TROUPE_OK;
    k->count = o->count;
    k->fired = 0;
    for (uint64_t i = 0; i < o->count && status == TROUPE_OK; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (o->delay_ms != 0 && i % 256 == 0) {
            near_ms = due_ms - troupe_now_ms(self);
            near_ms = near_ms > 0 ? near_ms : 0;
        }
        const uint64_t delay = o->delay_ms != 0 ? (uint64_t)near_ms : FAR_MS + random % FAR_MS;
        status = troupe_send_after(self, delay, me, &number_type, &(number){.value = (int64_t)i},
                                   &k->timers[i]);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    return troupe_reply(self, &tally_type, &(tally){.count = o->count});
}

static int keeper_on_cancel(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const keeper *k = state;
    uint64_t in_time = 0;
    for (uint64_t i = 0; i < k->count; i++) {
        in_time += troupe_cancel_timer(self, k->timers[i]) ? 1 : 0;
    }
    return troupe_reply(self, &tally_type, &(tally){.count = in_time});
}

static int keeper_answer(troupe_self *self, const keeper *k)
{
    return troupe_reply_to(self, &k->waiting, &tally_type, &(tally){.count = k->fired});
}

static int keeper_on_number(troupe_self *self, void *state, const void *message)
{
    (void)message;
    keeper *k = state;
    k->fired++;
    return k->fired == k->count && k->waiting.ref != 0 ? keeper_answer(self, k) : TROUPE_OK;
}

static int keeper_on_wait_all(troupe_self *self, void *state, const void *message)
{
    (void)message;
    keeper *k = state;
    k->waiting = troupe_take_from(self);
    return k->fired == k->count ? keeper_answer(self, k) : TROUPE_OK;
}

static int keeper_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    ((keeper *)state)->timers = calloc(((const order *)args)->count, sizeof(uint64_t));
    return ((keeper *)state)->timers != NULL ? TROUPE_OK : TROUPE_E_NO_MEMORY;
}

static void keeper_release(void *state)
{
    free(((keeper *)state)->timers);
}

static const troupe_handler keeper_handlers[] = {{&number_type, keeper_on_number},
                                                 {&order_type, keeper_on_order},
                                                 {&cancel_type, keeper_on_cancel},
                                                 {&wait_all_type, keeper_on_wait_all},
                                                 {0}};
static const troupe_behavior keeper_behavior = {.name = "bench.keeper",
                                                .version = 1,
                                                .state_size = sizeof(keeper),
                                                .args = &order_type,
                                                .init = keeper_init,
                                                .release = keeper_release,
                                                .handlers = keeper_handlers};

/* Answers the nanoseconds that count timers took from the moment they were due until all were
 * handled. The moment lies so far ahead that all can be started before it, as the first part has
 * shown. */
static int64_t fire(troupe_node *node, troupe_pid keeper_pid, uint64_t count, int64_t start_ns)
{
    const uint64_t delay_ms = (uint64_t)start_ns * 3 / 1000000 + 20;
    const order all = {.count = count, .delay_ms = delay_ms};
    const int64_t began = measure_now_ns();
    (void)bench_ask(node, keeper_pid, &order_type, &all);
    const uint64_t fired = bench_ask(node, keeper_pid, &wait_all_type, NULL);
    measure_expect("timers that fired", count, fired);
    return measure_now_ns() - began - (int64_t)delay_ms * 1000000;
}

static void run(troupe_node *node, uint64_t count, bool report)
{
    const uint64_t fifth = count / 5 > 0 ? count / 5 : 1;
    const order all = {.count = count};
    troupe_pid pid = {0};
    bench_must(troupe_node_spawn(node, &keeper_behavior, &all, NULL, &pid), "spawn");
    const int64_t began = measure_now_ns();
    (void)bench_ask(node, pid, &order_type, &all);
    const int64_t started = measure_now_ns();
    const uint64_t in_time = bench_ask(node, pid, &cancel_type, NULL);
    const int64_t cancelled = measure_now_ns();
    measure_expect("timers cancelled in time", count, in_time);
    const int64_t fire_ns = fire(node, pid, fifth, (started - began) / 5);
    bench_end(node, pid);
    if (report) {
        measure_rate("timers-start", count, started - began, "timers/s");
        measure_rate("timers-cancel", count, cancelled - started, "timers/s");
        measure_rate("timers-fire", fifth, fire_ns, "timers/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
