#include "remote.h"

#include <stdio.h>

/* Announces count messages of size bytes; answered with a number when all are there. */
typedef struct expect {
    uint64_t count;
    uint64_t size;
} expect;
TROUPE_TYPE(expect, "bench.expect", TROUPE_FIELD(expect, count, 1), TROUPE_FIELD(expect, size, 2));

typedef struct data {
    int64_t number;
    troupe_bytes payload;
} data;
TROUPE_TYPE(data, "bench.data", TROUPE_FIELD(data, number, 1), TROUPE_FIELD(data, payload, 2));

typedef struct sink {
    troupe_from waiting;
    uint64_t next;
    expect wanted;
} sink;

static int sink_on_expect(troupe_self *self, void *state, const void *message)
{
    sink *s = state;
    s->waiting = troupe_take_from(self);
    s->wanted = *(const expect *)message;
    s->next = 1;
    return TROUPE_OK;
}

static int sink_on_data(troupe_self *self, void *state, const void *message)
{
    sink *s = state;
    const data *d = message;
    if (d->number != (int64_t)s->next || d->payload.size != s->wanted.size) {
        return troupe_fail(self, "message %lld of %zu B, not %llu of %llu B", (long long)d->number,
                           d->payload.size, (unsigned long long)s->next,
                           (unsigned long long)s->wanted.size);
    }
    if (s->next++ < s->wanted.count) {
        return TROUPE_OK;
    }
    return troupe_reply_to(self, &s->waiting, &number_type, &(number){.value = d->number});
}

static const troupe_handler sink_handlers[] = {
    {&data_type, sink_on_data}, {&expect_type, sink_on_expect}, {0}};
const troupe_behavior remote_sink_behavior = {.name = "bench.remote_sink",
                                              .version = 1,
                                              .state_size = sizeof(sink),
                                              .handlers = sink_handlers};

/* What the client asks its own sender to do. */
typedef struct order {
    troupe_pid peer;
    uint64_t count;
    uint64_t size;
} order;
TROUPE_TYPE(order, "bench.order", TROUPE_FIELD(order, peer, 1), TROUPE_FIELD(order, count, 2),
            TROUPE_FIELD(order, size, 3));

typedef struct sender {
    troupe_from waiting;
    order order;
    uint64_t next;
} sender;

static int sender_then_counted(troupe_self *self, void *state, const troupe_result *result)
{
    sender *s = state;
    const number *counted = troupe_result_as(result, &number_type);
    if (counted == NULL) {
        return troupe_fail(self, "not counted: %s (%s)", troupe_status_text(result->status),
                           result->reason.text != NULL ? result->reason.text : "no reason");
    }
    const troupe_status status = troupe_reply_to(self, &s->waiting, &number_type, counted);
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static int sender_on_order(troupe_self *self, void *state, const void *message)
{
    sender *s = state;
    s->waiting = troupe_take_from(self);
    s->order = *(const order *)message;
    s->next = 1;
    const expect wanted = {.count = s->order.count, .size = s->order.size};
    const troupe_status status = troupe_call(self, s->order.peer, &expect_type, &wanted,
                                             BENCH_TIMEOUT_MS, sender_then_counted, 0);
    return status == TROUPE_OK ? (int)troupe_send(self, troupe_self_pid(self), &more_type, NULL)
                               : (int)status;
}

static int sender_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    sender *s = state;
    const troupe_bytes payload = remote_payload(s->order.size);
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < BENCH_BATCH && status == TROUPE_OK && s->next <= s->order.count; i++) {
        const data d = {.number = (int64_t)s->next, .payload = payload};
        status = troupe_send(self, s->order.peer, &data_type, &d);
        s->next += status == TROUPE_OK ? 1 : 0;
    }
    if (status != TROUPE_OK && status != TROUPE_E_BUSY) {
        return status;
    }
    return s->next > s->order.count
               ? TROUPE_OK
               : (int)troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static const troupe_handler sender_handlers[] = {
    {&more_type, sender_on_more}, {&order_type, sender_on_order}, {0}};
static const troupe_behavior sender_behavior = {.name = "bench.remote_sender",
                                                .version = 1,
                                                .state_size = sizeof(sender),
                                                .handlers = sender_handlers};

void remote_oneway_add_types(troupe_node *node)
{
    bench_must(troupe_node_add_type(node, &expect_type, NULL, 0), "expect");
    bench_must(troupe_node_add_type(node, &data_type, NULL, 0), "data");
    bench_must(troupe_node_add_type(node, &number_type, NULL, 0), "number");
}

void remote_oneway(const remote_run *r)
{
    const troupe_pid from = bench_spawn(r->node, &sender_behavior, NULL);
    const order o = {.peer = r->peer, .count = r->count, .size = r->size};
    const int64_t began = measure_now_ns();
    const uint64_t counted = bench_ask(r->node, from, &order_type, &o);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("counted", r->count, counted);
    if (r->report) {
        char name[64];
        const bool kib = r->size >= 1024;
        (void)snprintf(name, sizeof(name), "remote-oneway-%zu%s", kib ? r->size / 1024 : r->size,
                       kib ? "KiB" : "B");
        measure_rate(name, r->count, ns, "msgs/s");
    }
}
