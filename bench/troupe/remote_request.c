#include "remote.h"

#include <stdlib.h>

#define WINDOW 64u

typedef struct request {
    uint64_t reference;
    troupe_bytes payload;
} request;
TROUPE_TYPE(request, "bench.request", TROUPE_FIELD(request, reference, 1),
            TROUPE_FIELD(request, payload, 2));

typedef struct response {
    uint64_t reference;
    troupe_bytes payload;
} response;
TROUPE_TYPE(response, "bench.response", TROUPE_FIELD(response, reference, 1),
            TROUPE_FIELD(response, payload, 2));

/* What troupe_call sends and gets back; the library has a reference of its own. */
typedef struct content {
    troupe_bytes payload;
} content;
TROUPE_TYPE(content, "bench.content", TROUPE_FIELD(content, payload, 1));

/* ---- the server's side ---- */

typedef struct echo {
    uint64_t handled; /* calls, ever */
} echo;

static int echo_on_request(troupe_self *self, void *state, const void *message)
{
    (void)state;
    const request *r = message;
    const response answer = {.reference = r->reference, .payload = r->payload};
    return troupe_send(self, troupe_sender(self), &response_type, &answer);
}

static int echo_on_content(troupe_self *self, void *state, const void *message)
{
    ((echo *)state)->handled++;
    return troupe_reply(self, &content_type, message);
}

static int echo_on_get_count(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_reply(self, &tally_type, &(tally){.count = ((echo *)state)->handled});
}

static const troupe_handler echo_handlers[] = {{&request_type, echo_on_request},
                                               {&content_type, echo_on_content},
                                               {&get_count_type, echo_on_get_count},
                                               {0}};
const troupe_behavior remote_echo_behavior = {.name = "bench.remote_echo",
                                              .version = 1,
                                              .state_size = sizeof(echo),
                                              .handlers = echo_handlers};

void remote_request_add_types(troupe_node *node)
{
    bench_must(troupe_node_add_type(node, &request_type, NULL, 0), "request");
    bench_must(troupe_node_add_type(node, &response_type, NULL, 0), "response");
    bench_must(troupe_node_add_type(node, &content_type, NULL, 0), "content");
    bench_must(troupe_node_add_type(node, &get_count_type, NULL, 0), "get_count");
}

/* ---- the client's side ---- */

/* Where the running client puts the time of each request. Set before it starts, read after its
 * answer. */
static int64_t *samples;

typedef struct client {
    troupe_from waiting;
    troupe_pid server;
    uint64_t count;
    uint64_t sent;
    uint64_t answered;
    int64_t began;
} client;

static int client_finish(troupe_self *self, client *c)
{
    const tally done = {.count = c->answered};
    const troupe_status status = troupe_reply_to(self, &c->waiting, &tally_type, &done);
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static void client_begin(troupe_self *self, client *c, const start *s)
{
    c->waiting = troupe_take_from(self);
    c->server = s->peer;
    c->count = s->count;
}

static troupe_status client_send(troupe_self *self, client *c)
{
    const request r = {.reference = c->sent, .payload = stream_payload(REQUEST_BYTES)};
    c->began = measure_now_ns();
    c->sent++;
    return troupe_send(self, c->server, &request_type, &r);
}

/* Answers TROUPE_OK when it is the answer to the oldest request that is under way. */
static int client_take(troupe_self *self, client *c, const response *r)
{
    if (r->reference != c->answered || r->payload.size != REQUEST_BYTES) {
        return troupe_fail(self, "answer %llu of %zu B, not %llu", (unsigned long long)r->reference,
                           r->payload.size, (unsigned long long)c->answered);
    }
    c->answered++;
    return TROUPE_OK;
}

static int sequential_on_start(troupe_self *self, void *state, const void *message)
{
    client_begin(self, state, message);
    return client_send(self, state);
}

static int sequential_on_response(troupe_self *self, void *state, const void *message)
{
    client *c = state;
    samples[c->answered] = measure_now_ns() - c->began;
    const int status = client_take(self, c, message);
    if (status != TROUPE_OK) {
        return status;
    }
    return c->answered == c->count ? client_finish(self, c) : (int)client_send(self, c);
}

static const troupe_handler sequential_handlers[] = {
    {&response_type, sequential_on_response}, {&start_type, sequential_on_start}, {0}};
static const troupe_behavior sequential_behavior = {.name = "bench.sequential",
                                                    .version = 1,
                                                    .state_size = sizeof(client),
                                                    .handlers = sequential_handlers};

static int windowed_on_start(troupe_self *self, void *state, const void *message)
{
    client *c = state;
    client_begin(self, c, message);
    troupe_status status = TROUPE_OK;
    while (status == TROUPE_OK && c->sent < c->count && c->sent < WINDOW) {
        status = client_send(self, c);
    }
    return status;
}

static int windowed_on_response(troupe_self *self, void *state, const void *message)
{
    client *c = state;
    const int status = client_take(self, c, message);
    if (status != TROUPE_OK) {
        return status;
    }
    if (c->sent < c->count) {
        return client_send(self, c);
    }
    return c->answered == c->count ? client_finish(self, c) : TROUPE_OK;
}

static const troupe_handler windowed_handlers[] = {
    {&response_type, windowed_on_response}, {&start_type, windowed_on_start}, {0}};
static const troupe_behavior windowed_behavior = {.name = "bench.windowed",
                                                  .version = 1,
                                                  .state_size = sizeof(client),
                                                  .handlers = windowed_handlers};

static int caller_next(troupe_self *self, client *c);

static int caller_then(troupe_self *self, void *state, const troupe_result *result)
{
    client *c = state;
    const content *answer = troupe_result_as(result, &content_type);
    samples[c->answered] = measure_now_ns() - c->began;
    if (answer == NULL || answer->payload.size != REQUEST_BYTES) {
        return troupe_fail(self, "call %llu: %s", (unsigned long long)c->answered,
                           troupe_status_text(result->status));
    }
    c->answered++;
    return c->answered == c->count ? client_finish(self, c) : caller_next(self, c);
}

static int caller_next(troupe_self *self, client *c)
{
    const content asked = {.payload = stream_payload(REQUEST_BYTES)};
    c->began = measure_now_ns();
    return troupe_call(self, c->server, &content_type, &asked, 0, caller_then, 0);
}

static int caller_on_start(troupe_self *self, void *state, const void *message)
{
    client_begin(self, state, message);
    return caller_next(self, state);
}

static const troupe_handler caller_handlers[] = {{&start_type, caller_on_start}, {0}};
static const troupe_behavior caller_behavior = {.name = "bench.remote_caller",
                                                .version = 1,
                                                .state_size = sizeof(client),
                                                .handlers = caller_handlers};

/* ---- the runs ---- */

/* Runs a client that takes samples, and prints their percentiles under the name. */
static void run_sampled(const remote_run *r, const troupe_behavior *behavior, const char *name)
{
    samples = calloc(r->count, sizeof(*samples));
    if (samples == NULL) {
        bench_must(TROUPE_E_NO_MEMORY, name);
        return;
    }
    const troupe_pid asker = bench_spawn(r->node, behavior, NULL);
    const start s = {.peer = r->peer, .count = r->count};
    measure_expect(name, r->count, bench_ask(r->node, asker, &start_type, &s));
    if (r->report) {
        measure_percentiles(name, samples, r->count);
    }
    free(samples);
    samples = NULL;
}

void remote_request_reply(const remote_run *r)
{
    run_sampled(r, &sequential_behavior, "remote-request-reply");
    const troupe_pid asker = bench_spawn(r->node, &windowed_behavior, NULL);
    const start s = {.peer = r->peer, .count = 3 * r->count};
    const int64_t began = measure_now_ns();
    const uint64_t answered = bench_ask(r->node, asker, &start_type, &s);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("answers", s.count, answered);
    if (r->report) {
        measure_rate("remote-request-reply-64", s.count, ns, "calls/s");
    }
}

void remote_call(const remote_run *r)
{
    const uint64_t before = bench_ask(r->node, r->peer, &get_count_type, NULL);
    run_sampled(r, &caller_behavior, "remote-call");
    const uint64_t after = bench_ask(r->node, r->peer, &get_count_type, NULL);
    measure_expect("calls handled", r->count, after - before);
}
