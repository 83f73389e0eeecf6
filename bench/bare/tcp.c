/* tcp server                                 prints "ready PORT PROCESS"; ends at the end of its
 * input tcp client PORT PROCESS oneway COUNT SIZE tcp client PORT PROCESS request-reply|links COUNT
 *
 * The work of the benchmarks between two processes by libuv alone: numbered frames over one TCP
 * connection, as many in one write as there are. One thread on each side, no actors, no types, no
 * encoding, no acknowledgements: a bound, not a rival.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "measure.h"

enum {
    IN_SIZE = 512 * 1024,
    OUT_SIZE = 256 * 1024,
    BATCH_SIZE = 64 * 1024, /* bytes of small frames in one write */
    SIZE_MAX_B = 64 * 1024,
    SMALL_MAX = 4096, /* larger payloads are written from where they lie */
    REQUEST_SIZE = 64,
    WINDOW = 64
};

enum { KIND_DATA = 1, KIND_REQUEST, KIND_RESPONSE, KIND_GET, KIND_COUNTED };

struct head {
    uint32_t size; /* of the payload behind it */
    uint32_t kind;
    uint64_t number;
};

struct wire {
    uv_tcp_t tcp;
    uv_write_t write;
    uint8_t *in;
    size_t in_size;
    uint8_t *out[2]; /* one is filled while the other is written */
    size_t out_size;
    int filling;
    bool writing;
    void (*on_frame)(struct wire *wire, const struct head *head);
    void (*on_room)(struct wire *wire); /* may be NULL */
};

static uint8_t payload[SIZE_MAX_B];

static void must(int status, const char *what)
{
    if (status < 0) {
        (void)fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
        _Exit(MEASURE_EXIT_WRONG);
    }
}

/* ---- frames ---- */

static void wire_init(struct wire *wire, void (*on_frame)(struct wire *, const struct head *))
{
    *wire = (struct wire){.on_frame = on_frame};
    wire->in = malloc(IN_SIZE);
    wire->out[0] = malloc(OUT_SIZE);
    wire->out[1] = malloc(OUT_SIZE);
    if (wire->in == NULL || wire->out[0] == NULL || wire->out[1] == NULL) {
        must(UV_ENOMEM, "buffers");
    }
    must(uv_tcp_init(uv_default_loop(), &wire->tcp), "socket");
    wire->tcp.data = wire;
    wire->write.data = wire;
}

static void wire_append(struct wire *wire, const void *bytes, size_t size)
{
    if (wire->out_size + size > OUT_SIZE) {
        must(UV_ENOBUFS, "output");
    }
    memcpy(wire->out[wire->filling] + wire->out_size, bytes, size);
    wire->out_size += size;
}

static void wire_put(struct wire *wire, uint32_t kind, uint64_t number, uint32_t size)
{
    const struct head head = {.size = size, .kind = kind, .number = number};
    wire_append(wire, &head, sizeof(head));
    wire_append(wire, payload, size);
}

static void wire_flush(struct wire *wire);

static void on_written(uv_write_t *write, int status)
{
    struct wire *wire = write->data;
    must(status, "write");
    wire->writing = false;
    wire_flush(wire);
    if (!wire->writing && wire->on_room != NULL) {
        wire->on_room(wire);
    }
}

/* Writes what was put: at once as much as goes, the rest when there is room. */
static void wire_flush(struct wire *wire)
{
    if (wire->writing || wire->out_size == 0) {
        return;
    }
    uv_buf_t whole = uv_buf_init((char *)wire->out[wire->filling], (unsigned)wire->out_size);
    const int done = uv_try_write((uv_stream_t *)&wire->tcp, &whole, 1);
    if (done != UV_EAGAIN) {
        must(done, "write");
    }
    const size_t gone = done < 0 ? 0 : (size_t)done;
    if (gone < wire->out_size) {
        uv_buf_t rest = uv_buf_init(whole.base + gone, (unsigned)(wire->out_size - gone));
        must(uv_write(&wire->write, (uv_stream_t *)&wire->tcp, &rest, 1, on_written), "write");
        wire->writing = true;
        wire->filling = 1 - wire->filling;
    }
    wire->out_size = 0;
}

/* A frame whose payload is not copied unless the socket is full. Nothing else is being written. */
static void wire_send_large(struct wire *wire, uint64_t number, uint32_t size)
{
    struct head head = {.size = size, .kind = KIND_DATA, .number = number};
    uv_buf_t parts[2] = {uv_buf_init((char *)&head, sizeof(head)),
                         uv_buf_init((char *)payload, size)};
    const int done = uv_try_write((uv_stream_t *)&wire->tcp, parts, 2);
    if (done != UV_EAGAIN) {
        must(done, "write");
    }
    const size_t gone = done < 0 ? 0 : (size_t)done;
    const size_t of_head = gone < sizeof(head) ? gone : sizeof(head);
    wire_append(wire, (uint8_t *)&head + of_head, sizeof(head) - of_head);
    wire_append(wire, payload + (gone - of_head), size - (gone - of_head));
    wire_flush(wire);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct wire *wire = handle->data;
    (void)wanted;
    *buffer = uv_buf_init((char *)wire->in + wire->in_size, (unsigned)(IN_SIZE - wire->in_size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct wire *wire = stream->data;
    size_t at = 0;
    (void)buffer;
    if (size < 0) { /* The other side has ended. */
        (void)uv_read_stop(stream);
        uv_stop(uv_default_loop());
        return;
    }
    wire->in_size += (size_t)size;
    for (;;) {
        struct head head;
        if (wire->in_size - at < sizeof(head)) {
            break;
        }
        memcpy(&head, wire->in + at, sizeof(head));
        measure_expect("size within bounds", 1, head.size <= SIZE_MAX_B);
        if (wire->in_size - at < sizeof(head) + head.size) {
            break;
        }
        at += sizeof(head) + head.size;
        wire->on_frame(wire, &head);
    }
    wire->in_size -= at;
    memmove(wire->in, wire->in + at, wire->in_size);
    wire_flush(wire);
}

static void wire_begin(struct wire *wire)
{
    must(uv_tcp_nodelay(&wire->tcp, 1), "nodelay");
    must(uv_read_start((uv_stream_t *)&wire->tcp, on_alloc, on_read), "read");
}

/* ---- the server's side ---- */

static struct wire served;
static uint64_t counted;
static uint32_t counted_size;

static void server_on_frame(struct wire *wire, const struct head *head)
{
    if (head->kind == KIND_REQUEST) {
        measure_expect("size", REQUEST_SIZE, head->size);
        wire_put(wire, KIND_RESPONSE, head->number, head->size);
    } else if (head->kind == KIND_GET) {
        wire_put(wire, KIND_COUNTED, counted, 0);
        counted = 0;
    } else {
        measure_expect("kind", KIND_DATA, head->kind);
        counted_size = counted == 0 ? head->size : counted_size;
        measure_expect("order", counted + 1, head->number);
        measure_expect("size", counted_size, head->size);
        counted++;
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    must(status, "connection");
    wire_init(&served, server_on_frame);
    must(uv_accept(listener, (uv_stream_t *)&served.tcp), "accept");
    wire_begin(&served);
}

static int serve(void)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    int size = sizeof(address);
    must(uv_tcp_init(uv_default_loop(), &listener), "socket");
    must(uv_ip4_addr("127.0.0.1", 0, &address), "address");
    must(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), "bind");
    must(uv_listen((uv_stream_t *)&listener, 1, on_connection), "listen");
    must(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size), "name");
    const double cpu = measure_cpu_s();
    const unsigned port = ((unsigned)address.sin_port >> 8) | ((address.sin_port & 255u) << 8);
    (void)printf("ready %u %d\n", port, (int)getpid());
    (void)fflush(stdout);
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT); /* until the client has ended */
    while (getchar() != EOF) {
    }
    measure_usage(cpu);
    return 0;
}

/* ---- the client's side ---- */

static struct {
    uint64_t count;
    uint64_t sent;
    uint64_t answered;
    uint32_t size;
    uint32_t window;  /* requests under way */
    int64_t *samples; /* of one request at a time; else NULL */
    int64_t began;
} run;

static void oneway_fill(struct wire *wire)
{
    while (!wire->writing && run.sent < run.count) {
        if (run.size > SMALL_MAX) {
            wire_send_large(wire, ++run.sent, run.size);
            continue;
        }
        while (run.sent < run.count && wire->out_size < BATCH_SIZE) {
            wire_put(wire, KIND_DATA, ++run.sent, run.size);
        }
        wire_flush(wire);
    }
    if (!wire->writing && run.sent == run.count) {
        run.sent++; /* Once. */
        wire_put(wire, KIND_GET, 0, 0);
        wire_flush(wire);
    }
}

static void oneway_on_frame(struct wire *wire, const struct head *head)
{
    (void)wire;
    measure_expect("kind", KIND_COUNTED, head->kind);
    measure_expect("messages counted", run.count, head->number);
    uv_stop(uv_default_loop());
}

static void oneway(struct wire *wire, uint64_t count, size_t size, bool report)
{
    run.count = count;
    run.size = (uint32_t)size;
    run.sent = 0;
    wire->on_frame = oneway_on_frame;
    wire->on_room = oneway_fill;
    const int64_t began = measure_now_ns();
    oneway_fill(wire);
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    if (report) {
        measure_oneway(size, count, measure_now_ns() - began);
    }
}

static void ask(struct wire *wire)
{
    run.began = measure_now_ns();
    wire_put(wire, KIND_REQUEST, run.sent++, REQUEST_SIZE);
}

static void request_on_frame(struct wire *wire, const struct head *head)
{
    measure_expect("kind", KIND_RESPONSE, head->kind);
    measure_expect("order", run.answered, head->number);
    measure_expect("size", REQUEST_SIZE, head->size);
    if (run.samples != NULL) {
        run.samples[run.answered] = measure_now_ns() - run.began;
    }
    run.answered++;
    if (run.sent < run.count) {
        ask(wire);
    } else if (run.answered == run.count) {
        uv_stop(uv_default_loop());
    }
}

/* Answers the nanoseconds that so many requests took. */
static int64_t requests(struct wire *wire, uint64_t count, uint32_t window, int64_t *samples)
{
    run.count = count;
    run.sent = 0;
    run.answered = 0;
    run.samples = samples;
    wire->on_frame = request_on_frame;
    wire->on_room = NULL;
    const int64_t began = measure_now_ns();
    while (run.sent < count && run.sent < window) {
        ask(wire);
    }
    wire_flush(wire);
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    measure_expect("answers", count, run.answered);
    return measure_now_ns() - began;
}

static void request_reply(struct wire *wire, uint64_t count, size_t size, bool report)
{
    (void)size;
    int64_t *samples = calloc(count, sizeof(*samples));
    if (samples == NULL) {
        must(UV_ENOMEM, "samples");
        return;
    }
    (void)requests(wire, count, 1, samples);
    const int64_t ns = requests(wire, 3 * count, WINDOW, NULL);
    if (report) {
        measure_percentiles("remote-request-reply", samples, count);
        measure_rate("remote-request-reply-64", 3 * count, ns, "calls/s");
    }
    free(samples);
}

/* ---- links: as many things in memory, touched when the connection has ended ---- */

struct tie {
    struct tie *next;
    uint64_t exits;
};

static void links(uint64_t count, int process)
{
    struct tie *first = NULL;
    uint64_t exits = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct tie *tie = malloc(sizeof(*tie));
        if (tie == NULL) {
            must(UV_ENOMEM, "ties");
            return;
        }
        *tie = (struct tie){.next = first};
        first = tie;
    }
    const double cpu = measure_cpu_s();
    const int64_t began = measure_now_ns();
    measure_expect("killed", 0, (uint64_t)kill(process, SIGKILL));
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    const int64_t seen = measure_now_ns();
    while (first != NULL) {
        struct tie *tie = first;
        first = tie->next;
        tie->exits++;
        exits += tie->exits;
        free(tie);
    }
    const int64_t ended = measure_now_ns();
    measure_expect("exits", count, exits);
    measure_figure("remote-links", (double)(ended - began) / 1e6, "ms");
    measure_figure("remote-links-first", (double)(seen - began) / 1e6, "ms");
    measure_figure("remote-links-cpu", (measure_cpu_s() - cpu) * 1e3, "ms");
}

/* ---- all of it ---- */

static void on_connected(uv_connect_t *request, int status)
{
    (void)request;
    must(status, "connect");
    uv_stop(uv_default_loop());
}

static int be_client(char **argv, uint64_t count, size_t size)
{
    struct wire wire;
    struct sockaddr_in address;
    uv_connect_t request;
    const char *kind = argv[4];
    void (*bench)(struct wire *, uint64_t, size_t, bool) =
        strcmp(kind, "oneway") == 0 ? oneway : request_reply;
    wire_init(&wire, NULL);
    must(uv_ip4_addr("127.0.0.1", (int)measure_number(argv[2]), &address), "address");
    must(uv_tcp_connect(&request, &wire.tcp, (struct sockaddr *)&address, on_connected), "connect");
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    wire_begin(&wire);
    const double cpu = measure_cpu_s();
    if (strcmp(kind, "links") == 0) {
        links(count, (int)measure_number(argv[3]));
        measure_usage(cpu);
        return 0;
    }
    bench(&wire, count / 10 > 0 ? count / 10 : 1, size, false);
    const double warm = measure_cpu_s();
    bench(&wire, count, size, true);
    measure_usage(warm);
    return 0;
}

int main(int argc, char **argv)
{
    memset(payload, 7, sizeof(payload));
    if (argc == 2 && strcmp(argv[1], "server") == 0) {
        return serve();
    }
    const size_t size = argc == 7 ? measure_number(argv[6]) : REQUEST_SIZE;
    if (argc < 6 || argc > 7 || strcmp(argv[1], "client") != 0 || size > SIZE_MAX_B) {
        (void)fprintf(stderr,
                      "usage: %s server\n"
                      "       %s client PORT PROCESS oneway|request-reply|links COUNT [SIZE]\n",
                      argv[0], argv[0]);
        return MEASURE_EXIT_USAGE;
    }
    return be_client(argv, measure_number(argv[5]), size);
}
