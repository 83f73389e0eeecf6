/* One actor sends COUNT numbered messages to another, which checks the numbers. The mailbox keeps
 * its usual bound: a sender that is told "busy" gives way and tries again. */
#include "bench.h"

typedef struct counter {
    troupe_from waiting;
    int64_t next;
    int64_t last;
} counter;

/* The request that is answered when the last number has come. */
static int counter_on_start(troupe_self *self, void *state, const void *message)
{
    counter *c = state;
    const start *s = message;
    c->waiting = troupe_take_from(self);
    c->next = 1;
    c->last = (int64_t)s->count;
    return TROUPE_OK;
}

static int counter_on_number(troupe_self *self, void *state, const void *message)
{
    counter *c = state;
    const number *n = message;
    if (n->value != c->next) {
        return troupe_fail(self, "number %lld, not %lld", (long long)n->value, (long long)c->next);
    }
    c->next++;
    if (n->value < c->last) {
        return TROUPE_OK;
    }
    const troupe_status status = troupe_reply_to(self, &c->waiting, &number_type, n);
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static const troupe_handler counter_handlers[] = {
    {&number_type, counter_on_number}, {&start_type, counter_on_start}, {0}};
static const troupe_behavior counter_behavior = {.name = "bench.counter",
                                                 .version = 1,
                                                 .state_size = sizeof(counter),
                                                 .handlers = counter_handlers};

typedef struct producer {
    troupe_from waiting;
    troupe_pid to;
    int64_t next;
    int64_t last;
} producer;

static int producer_then_counted(troupe_self *self, void *state, const troupe_result *result)
{
    producer *p = state;
    const number *counted = troupe_result_as(result, &number_type);
    if (counted == NULL) {
        return troupe_fail(self, "not counted: %s", troupe_status_text(result->status));
    }
    const troupe_status status = troupe_reply_to(self, &p->waiting, &number_type, counted);
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static int producer_on_start(troupe_self *self, void *state, const void *message)
{
    producer *p = state;
    const start *s = message;
    p->waiting = troupe_take_from(self);
    p->to = s->peer;
    p->next = 1;
    p->last = (int64_t)s->count;
    const troupe_status status =
        troupe_call(self, p->to, &start_type, s, BENCH_TIMEOUT_MS, producer_then_counted, 0);
    return status == TROUPE_OK ? (int)troupe_send(self, troupe_self_pid(self), &more_type, NULL)
                               : (int)status;
}

static int producer_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    producer *p = state;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < BENCH_BATCH && status == TROUPE_OK && p->next <= p->last; i++) {
        status = troupe_send(self, p->to, &number_type, &(number){.value = p->next});
        p->next += status == TROUPE_OK ? 1 : 0;
    }
    if (status != TROUPE_OK && status != TROUPE_E_BUSY) {
        return status;
    }
    return p->next > p->last ? TROUPE_OK
                             : (int)troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static const troupe_handler producer_handlers[] = {
    {&more_type, producer_on_more}, {&start_type, producer_on_start}, {0}};
static const troupe_behavior producer_behavior = {.name = "bench.producer",
                                                  .version = 1,
                                                  .state_size = sizeof(producer),
                                                  .handlers = producer_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const troupe_pid to = bench_spawn(node, &counter_behavior, NULL);
    const troupe_pid from = bench_spawn(node, &producer_behavior, NULL);
    const int64_t began = measure_now_ns();
    const uint64_t counted =
        bench_ask(node, from, &start_type, &(start){.peer = to, .count = count});
    const int64_t ns = measure_now_ns() - began;
    measure_expect("counted", count, counted);
    if (report) {
        measure_rate("counting", count, ns, "msgs/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
