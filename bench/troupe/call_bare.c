/* COUNT requests one after the other by two plain messages and a unique reference: nobody watches
 * anybody. */
#include "bench.h"

typedef struct question {
    uint64_t reference;
    int64_t value;
} question;
TROUPE_TYPE(question, "bench.question", TROUPE_FIELD(question, reference, 1),
            TROUPE_FIELD(question, value, 2));

typedef struct answer {
    uint64_t reference;
    int64_t value;
} answer;
TROUPE_TYPE(answer, "bench.answer", TROUPE_FIELD(answer, reference, 1),
            TROUPE_FIELD(answer, value, 2));

typedef struct client {
    troupe_from waiting;
    troupe_pid server;
    uint64_t reference;
    int64_t next;
    int64_t last;
} client;

static int client_next(troupe_self *self, client *c)
{
    c->reference++;
    const question q = {.reference = c->reference, .value = c->next};
    return troupe_send(self, c->server, &question_type, &q);
}

static int client_on_answer(troupe_self *self, void *state, const void *message)
{
    client *c = state;
    const answer *a = message;
    if (a->reference != c->reference || a->value != c->next) {
        return troupe_fail(self, "answer %lld, not %lld", (long long)a->value, (long long)c->next);
    }
    c->next++;
    if (c->next <= c->last) {
        return client_next(self, c);
    }
    const troupe_status status = troupe_reply_to(self, &c->waiting, &tally_type, &(tally){0});
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static int client_on_start(troupe_self *self, void *state, const void *message)
{
    client *c = state;
    const start *s = message;
    c->waiting = troupe_take_from(self);
    c->server = s->peer;
    c->next = 1;
    c->last = (int64_t)s->count;
    return client_next(self, c);
}

static const troupe_handler client_handlers[] = {
    {&answer_type, client_on_answer}, {&start_type, client_on_start}, {0}};
static const troupe_behavior client_behavior = {.name = "bench.client",
                                                .version = 1,
                                                .state_size = sizeof(client),
                                                .handlers = client_handlers};

static int server_on_question(troupe_self *self, void *state, const void *message)
{
    const question *q = message;
    (*(uint64_t *)state)++;
    const answer a = {.reference = q->reference, .value = q->value};
    return troupe_send(self, troupe_sender(self), &answer_type, &a);
}

static int server_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const int status = troupe_reply(self, &tally_type, &(tally){.count = *(uint64_t *)state});
    return status == TROUPE_OK ? TROUPE_STOP : status;
}

static const troupe_handler server_handlers[] = {
    {&question_type, server_on_question}, {&get_count_type, server_on_get_count}, {0}};
static const troupe_behavior server_behavior = {.name = "bench.bare_server",
                                                .version = 1,
                                                .state_size = sizeof(uint64_t),
                                                .handlers = server_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const troupe_pid server = bench_spawn(node, &server_behavior, NULL);
    const troupe_pid asker = bench_spawn(node, &client_behavior, NULL);
    const int64_t began = measure_now_ns();
    (void)bench_ask(node, asker, &start_type, &(start){.peer = server, .count = count});
    const int64_t ns = measure_now_ns() - began;
    measure_expect("requests handled", count, bench_ask(node, server, &get_count_type, NULL));
    if (report) {
        measure_rate("call-bare", count, ns, "calls/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
