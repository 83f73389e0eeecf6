/* 20 actors send to one, which adds up what they sent. COUNT messages in all. */
#include "stream.h"

#define SENDERS 20u
#define WINDOW 200u

typedef struct sink {
    troupe_from waiting;
    uint64_t seen;
    uint64_t senders_left;
    int64_t sum;
} sink;

/* A sender has had the answer to its last window, so all its numbers are in the sum. */
static int sink_then_sent(troupe_self *self, void *state, const troupe_result *result)
{
    sink *s = state;
    if (troupe_result_as(result, &tally_type) == NULL) {
        return troupe_fail(self, "a sender failed: %s", troupe_status_text(result->status));
    }
    s->senders_left--;
    if (s->senders_left > 0) {
        return TROUPE_OK;
    }
    const tally done = {.count = (uint64_t)s->sum};
    const troupe_status status = troupe_reply_to(self, &s->waiting, &tally_type, &done);
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

/* Starts the senders; answered with the sum when all has come. */
static int sink_on_start(troupe_self *self, void *state, const void *message)
{
    sink *s = state;
    const start *asked = message;
    const stream_order order = {
        .peer = troupe_self_pid(self), .count = asked->count / SENDERS, .window = WINDOW};
    s->waiting = troupe_take_from(self);
    s->senders_left = SENDERS;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < SENDERS && status == TROUPE_OK; i++) {
        troupe_pid pid;
        status = troupe_spawn(self, &stream_sender_behavior, NULL, NULL, &pid);
        if (status == TROUPE_OK) {
            status = troupe_call(self, pid, &stream_order_type, &order, BENCH_TIMEOUT_MS,
                                 sink_then_sent, 0);
        }
    }
    return status;
}

static int sink_on_number(troupe_self *self, void *state, const void *message)
{
    (void)self;
    sink *s = state;
    s->sum += ((const number *)message)->value;
    s->seen++;
    return TROUPE_OK;
}

static int sink_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &tally_type, &(tally){.count = ((sink *)state)->seen});
}

static const troupe_handler sink_handlers[] = {{&number_type, sink_on_number},
                                               {&get_count_type, sink_on_get_count},
                                               {&start_type, sink_on_start},
                                               {0}};
static const troupe_behavior sink_behavior = {
    .name = "bench.sink", .version = 1, .state_size = sizeof(sink), .handlers = sink_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const uint64_t each = count >= SENDERS ? count / SENDERS : 1;
    const troupe_pid to = bench_spawn(node, &sink_behavior, NULL);
    const int64_t began = measure_now_ns();
    const uint64_t sum = bench_ask(node, to, &start_type, &(start){.count = each * SENDERS});
    const int64_t ns = measure_now_ns() - began;
    measure_expect("sum", SENDERS * (each * (each + 1) / 2), sum);
    if (report) {
        measure_rate("many-to-one", each * SENDERS, ns, "msgs/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
