/* bench_zeromq server THREADS                  prints "ready ENDPOINT"; ends at the end of its
 * input bench_zeromq client THREADS ENDPOINT oneway COUNT SIZE bench_zeromq client THREADS ENDPOINT
 * request-reply COUNT
 *
 * The work of the benchmarks between two processes by ZeroMQ: two PAIR sockets with the usual
 * bounds of 1,000 messages, THREADS threads for input and output in each process. Messages begin
 * with what they are.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "measure.h"

enum { SIZE_MAX_B = 64 * 1024, REQUEST_SIZE = 64, WINDOW = 64, ENDPOINT_SIZE = 128 };
enum { KIND_DATA = 1, KIND_REQUEST, KIND_GET, KIND_COUNTED };

struct head {
    uint64_t kind;
    uint64_t number;
};

static uint8_t payload[SIZE_MAX_B];
static void *pair;

static void must(int status, const char *what)
{
    if (status < 0) {
        (void)fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
        _Exit(MEASURE_EXIT_WRONG);
    }
}

static void open_pair(const char *threads)
{
    void *context = zmq_ctx_new();
    must(zmq_ctx_set(context, ZMQ_IO_THREADS, (int)measure_number(threads)), "threads");
    pair = zmq_socket(context, ZMQ_PAIR);
    if (pair == NULL) {
        must(-1, "socket");
    }
}

static void put(uint64_t kind, uint64_t number, size_t size)
{
    const struct head head = {.kind = kind, .number = number};
    memcpy(payload, &head, sizeof(head));
    must(zmq_send(pair, payload, size, 0), "send");
}

/* Waits for the next message. Answers what it is; *size is that of all of it. */
static struct head take(size_t *size)
{
    struct head head;
    zmq_msg_t message;
    must(zmq_msg_init(&message), "message");
    must(zmq_msg_recv(&message, pair, 0), "receive");
    *size = zmq_msg_size(&message);
    measure_expect("size within bounds", 1, *size >= sizeof(head));
    memcpy(&head, zmq_msg_data(&message), sizeof(head));
    must(zmq_msg_close(&message), "message");
    return head;
}

/* ---- the server's side ---- */

/* Handles what has come, until the input ends. */
static void serve_all(void)
{
    uint64_t counted = 0;
    size_t counted_size = 0;
    for (;;) {
        zmq_pollitem_t items[2] = {{.socket = pair, .events = ZMQ_POLLIN},
                                   {.fd = 0, .events = ZMQ_POLLIN}};
        must(zmq_poll(items, 2, -1), "poll");
        if (items[1].revents != 0) {
            return;
        }
        size_t size = 0;
        for (int i = 0; i < 1000 && (i == 0 || zmq_poll(items, 1, 0) > 0); i++) {
            const struct head head = take(&size);
            if (head.kind == KIND_REQUEST) {
                measure_expect("size", REQUEST_SIZE, size);
                put(KIND_REQUEST, head.number, size);
            } else if (head.kind == KIND_GET) {
                put(KIND_COUNTED, counted, sizeof(head));
                counted = 0;
            } else {
                counted_size = counted == 0 ? size : counted_size;
                measure_expect("kind", KIND_DATA, head.kind);
                measure_expect("order", ++counted, head.number);
                measure_expect("size", counted_size, size);
            }
        }
    }
}

static int serve(char **argv)
{
    char endpoint[ENDPOINT_SIZE];
    size_t size = sizeof(endpoint);
    open_pair(argv[2]);
    must(zmq_bind(pair, "tcp://127.0.0.1:*"), "bind");
    must(zmq_getsockopt(pair, ZMQ_LAST_ENDPOINT, endpoint, &size), "endpoint");
    const double cpu = measure_cpu_s();
    (void)printf("ready %s\n", endpoint);
    (void)fflush(stdout);
    serve_all();
    measure_usage(cpu);
    return 0;
}

/* ---- the client's side ---- */

static void oneway(uint64_t count, size_t wanted, bool report)
{
    size_t size = 0;
    const int64_t began = measure_now_ns();
    for (uint64_t number = 1; number <= count; number++) {
        put(KIND_DATA, number, wanted);
    }
    put(KIND_GET, 0, sizeof(struct head));
    const struct head answer = take(&size);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("kind", KIND_COUNTED, answer.kind);
    measure_expect("messages counted", count, answer.number);
    if (report) {
        measure_oneway(wanted, count, ns);
    }
}

static void take_answer(uint64_t number)
{
    size_t size = 0;
    const struct head answer = take(&size);
    measure_expect("kind", KIND_REQUEST, answer.kind);
    measure_expect("order", number, answer.number);
    measure_expect("size", REQUEST_SIZE, size);
}

static void request_reply(uint64_t count, size_t size, bool report)
{
    (void)size;
    int64_t *samples = calloc(count, sizeof(*samples));
    if (samples == NULL) {
        measure_expect("memory", 1, 0);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        const int64_t asked = measure_now_ns();
        put(KIND_REQUEST, i, REQUEST_SIZE);
        take_answer(i);
        samples[i] = measure_now_ns() - asked;
    }
    const uint64_t many = 3 * count;
    const int64_t began = measure_now_ns();
    for (uint64_t sent = 0, answered = 0; answered < many;) {
        if (sent < many && sent - answered < WINDOW) {
            put(KIND_REQUEST, sent++, REQUEST_SIZE);
        } else {
            take_answer(answered++);
        }
    }
    const int64_t ns = measure_now_ns() - began;
    if (report) {
        measure_percentiles("remote-request-reply", samples, count);
        measure_rate("remote-request-reply-64", many, ns, "calls/s");
    }
    free(samples);
}

int main(int argc, char **argv)
{
    memset(payload, 7, sizeof(payload));
    if (argc == 3 && strcmp(argv[1], "server") == 0) {
        return serve(argv);
    }
    const size_t size = argc == 7 ? measure_number(argv[6]) : REQUEST_SIZE;
    if (argc < 6 || argc > 7 || strcmp(argv[1], "client") != 0 || size > SIZE_MAX_B ||
        size < sizeof(struct head)) {
        int version[3];
        zmq_version(&version[0], &version[1], &version[2]);
        (void)fprintf(stderr,
                      "usage: %s server THREADS\n"
                      "       %s client THREADS ENDPOINT oneway|request-reply COUNT [SIZE]\n"
                      "ZeroMQ %d.%d.%d\n",
                      argv[0], argv[0], version[0], version[1], version[2]);
        return MEASURE_EXIT_USAGE;
    }
    const uint64_t count = measure_number(argv[5]);
    void (*bench)(uint64_t, size_t, bool) = strcmp(argv[4], "oneway") == 0 ? oneway : request_reply;
    open_pair(argv[2]);
    must(zmq_connect(pair, argv[3]), "connect");
    bench(count / 10 > 0 ? count / 10 : 1, size, false);
    const double cpu = measure_cpu_s();
    bench(count, size, true);
    measure_usage(cpu);
    return 0; /* Nothing waits to be sent: every answer is here. */
}
