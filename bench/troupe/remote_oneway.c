#include "remote.h"

/* Messages or bytes in one window, whichever is less: two of them fit a mailbox with its usual
 * bounds. */
#define WINDOW_MESSAGES 4000u
#define WINDOW_BYTES ((uint64_t)4 << 20)

typedef struct sink {
    tally tally;
    size_t size; /* of the payloads of the present stream */
} sink;

static int sink_on_data(troupe_self *self, void *state, const void *message)
{
    sink *s = state;
    const data *d = message;
    if (d->number == 1) {
        *s = (sink){.size = d->payload.size};
    }
    if (d->number != (int64_t)s->tally.count + 1 || d->payload.size != s->size) {
        return troupe_fail(self, "message %lld of %zu B after %llu of %zu B", (long long)d->number,
                           d->payload.size, (unsigned long long)s->tally.count, s->size);
    }
    s->tally.count++;
    s->tally.bytes += d->payload.size;
    return TROUPE_OK;
}

static int sink_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &tally_type, &((sink *)state)->tally);
}

static const troupe_handler sink_handlers[] = {
    {&data_type, sink_on_data}, {&get_count_type, sink_on_get_count}, {0}};
const troupe_behavior remote_sink_behavior = {.name = "bench.remote_sink",
                                              .version = 1,
                                              .state_size = sizeof(sink),
                                              .handlers = sink_handlers};

void remote_oneway_add_types(troupe_node *node)
{
    bench_must(troupe_node_add_type(node, &data_type, NULL, 0), "data");
    bench_must(troupe_node_add_type(node, &tally_type, NULL, 0), "tally");
}

void remote_oneway(const remote_run *r)
{
    const uint64_t fit = WINDOW_BYTES / r->size;
    const stream_order order = {.peer = r->peer,
                                .count = r->count,
                                .window = fit < WINDOW_MESSAGES ? fit : WINDOW_MESSAGES,
                                .size = r->size};
    const troupe_pid from = bench_spawn(r->node, &stream_sender_behavior, NULL);
    const int64_t began = measure_now_ns();
    const tally sent = bench_ask_tally(r->node, from, &stream_order_type, &order);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("messages counted", r->count, sent.count);
    measure_expect("bytes counted", r->count * r->size, sent.bytes);
    if (r->report) {
        measure_oneway(r->size, r->count, ns);
    }
}
