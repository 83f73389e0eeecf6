/* One actor sends COUNT numbered messages to another, which checks the numbers. */
#include "stream.h"

#define WINDOW 1000u

static int counter_on_number(troupe_self *self, void *state, const void *message)
{
    uint64_t *seen = state;
    const number *n = message;
    if (n->value != (int64_t)*seen + 1) {
        return troupe_fail(self, "number %lld after %llu", (long long)n->value,
                           (unsigned long long)*seen);
    }
    (*seen)++;
    return TROUPE_OK;
}

static int counter_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &tally_type, &(tally){.count = *(uint64_t *)state});
}

static const troupe_handler counter_handlers[] = {
    {&number_type, counter_on_number}, {&get_count_type, counter_on_get_count}, {0}};
static const troupe_behavior counter_behavior = {.name = "bench.counter",
                                                 .version = 1,
                                                 .state_size = sizeof(uint64_t),
                                                 .handlers = counter_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const troupe_pid to = bench_spawn(node, &counter_behavior, NULL);
    const troupe_pid from = bench_spawn(node, &stream_sender_behavior, NULL);
    const stream_order order = {.peer = to, .count = count, .window = WINDOW};
    const int64_t began = measure_now_ns();
    const uint64_t counted = bench_ask(node, from, &stream_order_type, &order);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("counted", count, counted);
    bench_end(node, to);
    if (report) {
        measure_rate("counting", count, ns, "msgs/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
