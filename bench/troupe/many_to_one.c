/* 20 actors send to one, which adds up what they sent. COUNT messages in all. */
#include "bench.h"

#define SENDERS 20u

typedef struct sender {
    troupe_pid to;
    int64_t next;
    int64_t last;
} sender;

static int sender_init(troupe_self *self, void *state, const void *args)
{
    sender *s = state;
    const start *a = args;
    s->to = a->peer;
    s->next = 1;
    s->last = (int64_t)a->count;
    return troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static int sender_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    sender *s = state;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < BENCH_BATCH && status == TROUPE_OK && s->next <= s->last; i++) {
        status = troupe_send(self, s->to, &number_type, &(number){.value = s->next});
        s->next += status == TROUPE_OK ? 1 : 0;
    }
    if (status != TROUPE_OK && status != TROUPE_E_BUSY) {
        return status;
    }
    return s->next > s->last ? TROUPE_STOP
                             : (int)troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static const troupe_handler sender_handlers[] = {{&more_type, sender_on_more}, {0}};
static const troupe_behavior sender_behavior = {.name = "bench.sender",
                                                .version = 1,
                                                .state_size = sizeof(sender),
                                                .args = &start_type,
                                                .init = sender_init,
                                                .handlers = sender_handlers};

typedef struct sink {
    troupe_from waiting;
    uint64_t left;
    int64_t sum;
} sink;

/* Starts the senders; answered with the sum when all has come. */
static int sink_on_start(troupe_self *self, void *state, const void *message)
{
    sink *s = state;
    const start *asked = message;
    const start args = {.peer = troupe_self_pid(self), .count = asked->count / SENDERS};
    s->waiting = troupe_take_from(self);
    s->left = args.count * SENDERS;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < SENDERS && status == TROUPE_OK; i++) {
        troupe_pid pid;
        status = troupe_spawn(self, &sender_behavior, &args, NULL, &pid);
    }
    return status;
}

static int sink_on_number(troupe_self *self, void *state, const void *message)
{
    sink *s = state;
    s->sum += ((const number *)message)->value;
    s->left--;
    if (s->left > 0) {
        return TROUPE_OK;
    }
    const troupe_status status =
        troupe_reply_to(self, &s->waiting, &number_type, &(number){.value = s->sum});
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static const troupe_handler sink_handlers[] = {
    {&number_type, sink_on_number}, {&start_type, sink_on_start}, {0}};
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
