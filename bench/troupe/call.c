/* COUNT calls one after the other: troupe_call, which also watches for the death of the callee. */
#include "bench.h"

typedef struct caller {
    troupe_from waiting;
    troupe_pid server;
    int64_t next;
    int64_t last;
} caller;

static int caller_next(troupe_self *self, caller *c);

static int caller_then(troupe_self *self, void *state, const troupe_result *result)
{
    caller *c = state;
    const number *n = troupe_result_as(result, &number_type);
    if (n == NULL || n->value != c->next) {
        return troupe_fail(self, "call %lld: %s", (long long)c->next,
                           troupe_status_text(result->status));
    }
    c->next++;
    return caller_next(self, c);
}

static int caller_next(troupe_self *self, caller *c)
{
    const number n = {.value = c->next};
    if (c->next <= c->last) {
        return troupe_call(self, c->server, &number_type, &n, 0, caller_then, 0);
    }
    const troupe_status status = troupe_reply_to(self, &c->waiting, &tally_type, &(tally){0});
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static int caller_on_start(troupe_self *self, void *state, const void *message)
{
    caller *c = state;
    const start *s = message;
    c->waiting = troupe_take_from(self);
    c->server = s->peer;
    c->next = 1;
    c->last = (int64_t)s->count;
    return caller_next(self, c);
}

static const troupe_handler caller_handlers[] = {{&start_type, caller_on_start}, {0}};
static const troupe_behavior caller_behavior = {.name = "bench.caller",
                                                .version = 1,
                                                .state_size = sizeof(caller),
                                                .handlers = caller_handlers};

static int server_on_number(troupe_self *self, void *state, const void *message)
{
    (*(uint64_t *)state)++;
    return troupe_reply(self, &number_type, message);
}

static int server_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const int status = troupe_reply(self, &tally_type, &(tally){.count = *(uint64_t *)state});
    return status == TROUPE_OK ? TROUPE_STOP : status;
}

static const troupe_handler server_handlers[] = {
    {&number_type, server_on_number}, {&get_count_type, server_on_get_count}, {0}};
static const troupe_behavior server_behavior = {.name = "bench.server",
                                                .version = 1,
                                                .state_size = sizeof(uint64_t),
                                                .handlers = server_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const troupe_pid server = bench_spawn(node, &server_behavior, NULL);
    const troupe_pid client = bench_spawn(node, &caller_behavior, NULL);
    const int64_t began = measure_now_ns();
    (void)bench_ask(node, client, &start_type, &(start){.peer = server, .count = count});
    const int64_t ns = measure_now_ns() - began;
    measure_expect("calls handled", count, bench_ask(node, server, &get_count_type, NULL));
    if (report) {
        measure_rate("call", count, ns, "calls/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
