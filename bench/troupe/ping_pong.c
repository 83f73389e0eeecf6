/* Two actors send a number back and forth; one hop is one message. COUNT is the number of round
 * trips. */
#include "bench.h"

typedef struct ping {
    troupe_from waiting;
    troupe_pid peer;
    int64_t left;
} ping;

static int ping_on_start(troupe_self *self, void *state, const void *message)
{
    ping *p = state;
    const start *s = message;
    p->waiting = troupe_take_from(self);
    p->peer = s->peer;
    p->left = (int64_t)s->count;
    return troupe_send(self, p->peer, &number_type, &(number){.value = p->left});
}

static int ping_on_number(troupe_self *self, void *state, const void *message)
{
    ping *p = state;
    const number *n = message;
    if (n->value != p->left) {
        return troupe_fail(self, "pong %lld, not %lld", (long long)n->value, (long long)p->left);
    }
    p->left--;
    if (p->left == 0) {
        const troupe_status status = troupe_reply_to(self, &p->waiting, &tally_type, &(tally){0});
        return status == TROUPE_OK ? TROUPE_STOP : (int)status;
    }
    return troupe_send(self, p->peer, &number_type, &(number){.value = p->left});
}

static const troupe_handler ping_handlers[] = {
    {&number_type, ping_on_number}, {&start_type, ping_on_start}, {0}};
static const troupe_behavior ping_behavior = {
    .name = "bench.ping", .version = 1, .state_size = sizeof(ping), .handlers = ping_handlers};

static int pong_on_number(troupe_self *self, void *state, const void *message)
{
    (*(uint64_t *)state)++;
    return troupe_send(self, troupe_sender(self), &number_type, message);
}

static int pong_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const int status = troupe_reply(self, &tally_type, &(tally){.count = *(uint64_t *)state});
    return status == TROUPE_OK ? TROUPE_STOP : status;
}

static const troupe_handler pong_handlers[] = {
    {&number_type, pong_on_number}, {&get_count_type, pong_on_get_count}, {0}};
static const troupe_behavior pong_behavior = {
    .name = "bench.pong", .version = 1, .state_size = sizeof(uint64_t), .handlers = pong_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const troupe_pid pong = bench_spawn(node, &pong_behavior, NULL);
    const troupe_pid first = bench_spawn(node, &ping_behavior, NULL);
    const int64_t began = measure_now_ns();
    (void)bench_ask(node, first, &start_type, &(start){.peer = pong, .count = count});
    const int64_t ns = measure_now_ns() - began;
    measure_expect("pongs", count, bench_ask(node, pong, &get_count_type, NULL));
    if (report) {
        measure_figure("ping-pong", (double)ns / (2.0 * (double)count), "ns");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
