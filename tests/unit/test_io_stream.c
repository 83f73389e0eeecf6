/* What is tested: io/stream, over loopback TCP and unix sockets.
 * Method: one loop that the test runs; a server that echoes or does not read; a client that writes
 * more than the kernel takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/host.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"

enum { BULK = 8 * 1024 * 1024, SPACE = 65536 };

struct end { /* one end of a connection */
    struct tr_stream *stream;
    uint8_t space[SPACE];
    size_t got;
    uint8_t *bytes; /* what came, when not NULL */
    bool connected;
    troupe_status connect_status;
    bool refused;
    uint32_t ends;
    troupe_status end_status;
    uint32_t written;
};

static struct tr_loop *loop;
static struct tr_listener *listener;
static struct tr_timer *deadline;
static struct end server;
static struct end client;
static uint16_t port;
static uint8_t *bulk;
static char why[256];
static char peer_text[64];
static void (*on_client_connected)(void);

static void finish(void)
{
    tr_listener_close(listener);
    listener = NULL;
    tr_stream_close(client.stream);
    client.stream = NULL;
    tr_stream_close(server.stream);
    server.stream = NULL;
    tr_timer_close(deadline);
    deadline = NULL;
    tr_loop_stop(loop);
}

static void on_deadline(void *context)
{
    (void)context;
    finish();
    fail_msg("the deadline passed");
}

static void on_connect(void *context, troupe_status status, bool refused)
{
    struct end *end = context;

    end->connected = status == TROUPE_OK;
    end->connect_status = status;
    end->refused = refused;
    if (status != TROUPE_OK) {
        finish();
        return;
    }
    assert_int_equal(tr_stream_read_start(end->stream), TROUPE_OK);
    on_client_connected();
}

static size_t on_space(void *context, uint8_t **space)
{
    struct end *end = context;

    *space = end->space;
    return SPACE;
}

static void on_read(void *context, size_t size)
{
    struct end *end = context;

    if (end->bytes != NULL) {
        assert_true(end->got + size <= BULK);
        memcpy(end->bytes + end->got, end->space, size);
    }
    end->got += size;
    if (end == &server && end->got == BULK) {
        finish();
    }
}

static void on_end(void *context, troupe_status status)
{
    struct end *end = context;

    end->ends++;
    end->end_status = status;
    finish();
}

static void on_written(void *context)
{
    struct end *end = context;

    end->written++;
}

static const struct tr_stream_events events = {
    .on_connect = on_connect,
    .space = on_space,
    .on_read = on_read,
    .on_end = on_end,
    .on_written = on_written,
};

static void on_accept(void *context, struct tr_stream *stream)
{
    char address[64];

    (void)context;
    server.stream = stream;
    tr_stream_set_events(stream, &events, &server);
    tr_stream_peer(stream, address, sizeof(address));
    assert_true(strncmp(address, "127.0.0.1:", 10) == 0 || strncmp(address, "unix:uid=", 9) == 0);
    assert_true(tr_stream_is_local(stream));
    assert_int_equal(tr_stream_read_start(stream), TROUPE_OK);
}

static const struct tr_listener_events listener_events = {.on_accept = on_accept};

static int setup(void **state)
{
    (void)state;
    server = (struct end){0};
    client = (struct end){0};
    assert_int_equal(tr_loop_create(&loop), TROUPE_OK);
    assert_int_equal(tr_timer_create(loop, on_deadline, NULL, &deadline), TROUPE_OK);
    tr_timer_start(deadline, (uint64_t)20 * 1000000000u, 0);
    bulk = malloc(BULK);
    for (size_t index = 0; index < BULK; index++) {
        bulk[index] = (uint8_t)(index * 7 + index / 251);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tr_loop_destroy(loop);
    free(bulk);
    free(server.bytes);
    return 0;
}

/* Writes everything in one gathered write, more than the kernel takes at once. */
static void write_bulk(void)
{
    struct tr_slice slices[TR_STREAM_SLICES_MAX];
    const size_t piece = BULK / TR_STREAM_SLICES_MAX;
    bool done = true;

    for (size_t index = 0; index < TR_STREAM_SLICES_MAX; index++) {
        slices[index] = (struct tr_slice){bulk + index * piece, piece};
    }
    assert_int_equal(tr_stream_write(client.stream, slices, TR_STREAM_SLICES_MAX, &done),
                     TROUPE_OK);
    assert_false(done);
    assert_true(tr_stream_is_writing(client.stream));
    assert_true(tr_stream_queued(client.stream) > 0);
    assert_true(tr_stream_queued(client.stream) < BULK);
}

static void assert_bulk_arrived(void)
{
    assert_int_equal(server.got, BULK);
    assert_memory_equal(server.bytes, bulk, BULK);
    assert_true(client.written <= 1);
    assert_int_equal(client.ends, 0);
}

static void more_than_the_kernel_takes_arrives_whole_over_tcp(void **state)
{
    (void)state;
    server.bytes = malloc(BULK);
    on_client_connected = write_bulk;
    assert_int_equal(tr_listener_open_tcp(loop, "127.0.0.1", 0, &listener_events, &listener, &port),
                     TROUPE_OK);
    assert_true(port != 0);
    assert_int_equal(
        tr_stream_connect_tcp(loop, "127.0.0.1", port, &events, &client, &client.stream),
        TROUPE_OK);
    assert_false(client.connected); /* never from within the call */
    tr_loop_run(loop);
    assert_bulk_arrived();
}

static void more_than_the_kernel_takes_arrives_whole_over_a_unix_socket(void **state)
{
    char path[64];
    char lock_path[80];
    struct stat its;

    (void)state;
    (void)snprintf(lock_path, sizeof(lock_path), "/tmp/troupe_test_%d.sock.lock", (int)getpid());
    (void)snprintf(path, sizeof(path), "/tmp/troupe_test_%d.sock", (int)getpid());
    (void)unlink(path);
    server.bytes = malloc(BULK);
    on_client_connected = write_bulk;
    assert_int_equal(
        tr_listener_open_unix(loop, path, 0640, &listener_events, &listener, why, sizeof(why)),
        TROUPE_OK);
    assert_int_equal(stat(path, &its), 0);
    assert_int_equal(its.st_mode & 07777, 0640);
    assert_int_equal(tr_stream_connect_unix(loop, path, &events, &client, &client.stream),
                     TROUPE_OK);
    tr_loop_run(loop);
    assert_bulk_arrived();
    assert_int_equal(access(path, F_OK), -1); /* closing has removed it */
    assert_int_equal(access(lock_path, F_OK), -1);
}

static const char *format_host(const char *path)
{
    static char host[TR_LISTEN_HOST_SIZE_MAX + 1];

    (void)snprintf(host, sizeof(host), TR_UNIX_PREFIX "%s", path);
    return host;
}

static void name_is_looked_up(void **state)
{
    (void)state;
    assert_int_equal(tr_stream_connect_tcp(loop, "localhost", 1, &events, &client, &client.stream),
                     TROUPE_OK);
    tr_loop_run(loop);
    assert_int_equal(client.connect_status, TROUPE_E_NOCONNECTION); /* found, and nobody listens */
    assert_true(client.refused);
}

static void close_server(void)
{
    /* The accept may come after the connect: the end is then seen by the client all the same. */
    tr_listener_close(listener);
    listener = NULL;
}

static void on_accept_and_close(void *context, struct tr_stream *stream)
{
    (void)context;
    tr_stream_close(stream);
}

static void end_of_the_other_side_is_told_once(void **state)
{
    static const struct tr_listener_events closing = {.on_accept = on_accept_and_close};

    (void)state;
    assert_int_equal(tr_listener_open_tcp(loop, "127.0.0.1", 0, &closing, &listener, &port),
                     TROUPE_OK);
    on_client_connected = close_server;
    assert_int_equal(
        tr_stream_connect_tcp(loop, "127.0.0.1", port, &events, &client, &client.stream),
        TROUPE_OK);
    tr_loop_run(loop);
    assert_int_equal(client.ends, 1);
    assert_true(client.end_status == TROUPE_E_CLOSED || client.end_status == TROUPE_E_NOCONNECTION);
}

static void port_without_a_listener_refuses(void **state)
{
    (void)state;
    assert_int_equal(tr_stream_connect_tcp(loop, "127.0.0.1", 1, &events, &client, &client.stream),
                     TROUPE_OK);
    tr_loop_run(loop);
    assert_int_equal(client.connect_status, TROUPE_E_NOCONNECTION);
    assert_true(client.refused);
}

/* It may be one of another host, so nobody has refused. */
static void path_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(
        tr_stream_connect_unix(loop, "/tmp/no/such/socket", &events, &client, &client.stream),
        TROUPE_OK);
    tr_loop_run(loop);
    assert_int_equal(client.connect_status, TROUPE_E_NOT_FOUND);
    assert_false(client.refused);
}

static void path_without_a_listener_refuses(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/troupe_test_%d.left",
                   (int)getpid());
    assert_int_equal(bind(left, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(close(left), 0);
    assert_int_equal(
        tr_stream_connect(loop, format_host(address.sun_path), 0, &events, &client, &client.stream),
        TROUPE_OK);
    tr_loop_run(loop);
    (void)unlink(address.sun_path);
    assert_int_equal(client.connect_status, TROUPE_E_NOCONNECTION);
    assert_true(client.refused);
}

static void on_accept_and_ask_who(void *context, struct tr_stream *stream)
{
    char expected[64];

    (void)context;
    (void)snprintf(expected, sizeof(expected), "unix:uid=%u:pid=%d", (unsigned)geteuid(),
                   (int)getpid());
    tr_stream_peer(stream, peer_text, sizeof(peer_text));
    assert_string_equal(peer_text, expected);
    assert_true(tr_stream_is_local(stream));
    tr_stream_close(stream);
}

static void wait_for_the_end(void)
{
    /* The server closes what it has accepted. */
}

static void the_user_at_the_other_end_of_a_unix_socket_is_known(void **state)
{
    static const struct tr_listener_events asking = {.on_accept = on_accept_and_ask_who};
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/troupe_test_%d.sock", (int)getpid());
    peer_text[0] = '\0';
    assert_int_equal(tr_listener_open_unix(loop, path, 0600, &asking, &listener, why, sizeof(why)),
                     TROUPE_OK);
    on_client_connected = wait_for_the_end;
    assert_int_equal(
        tr_stream_connect(loop, format_host(path), 0, &events, &client, &client.stream), TROUPE_OK);
    tr_loop_run(loop);
    assert_string_not_equal(peer_text, "");
}

static void stream_closed_while_it_connects_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(tr_stream_connect_tcp(loop, "127.0.0.1", 1, &events, &client, &client.stream),
                     TROUPE_OK);
    finish();
    tr_loop_run(loop);
    assert_int_equal(client.connect_status, TROUPE_OK); /* as it was set up */
    assert_false(client.refused);
}

static void addresses_that_cannot_be_used_are_refused(void **state)
{
    char path[200];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(
        tr_listener_open_tcp(loop, "not a number", 0, &listener_events, &listener, &port),
        TROUPE_E_INVALID);
    assert_int_equal(
        tr_listener_open_unix(loop, path, 0600, &listener_events, &listener, why, sizeof(why)),
        TROUPE_E_INVALID);
    assert_int_equal(tr_stream_connect_unix(loop, path, &events, &client, &client.stream),
                     TROUPE_E_INVALID);
    assert_int_equal(tr_listener_open_tcp(loop, "127.0.0.1", 0, &listener_events, &listener, &port),
                     TROUPE_OK);
    {
        struct tr_listener *second = NULL;
        uint16_t same = 0;

        assert_int_equal(
            tr_listener_open_tcp(loop, "127.0.0.1", port, &listener_events, &second, &same),
            TROUPE_E_EXISTS);
    }
    finish();
    tr_loop_run(loop);
}

static void loopback_is_told_from_the_rest(void **state)
{
    (void)state;
    assert_true(tr_host_is_loopback("127.0.0.1"));
    assert_true(tr_host_is_loopback("127.9.9.9"));
    assert_true(tr_host_is_loopback("::1"));
    assert_true(tr_host_is_loopback("localhost"));
    assert_false(tr_host_is_loopback("0.0.0.0"));
    assert_false(tr_host_is_loopback("::"));
    assert_false(tr_host_is_loopback("10.0.0.1"));
    assert_false(tr_host_is_loopback("127.0.0.1.example.org"));
    assert_false(tr_host_is_loopback(""));
}

#define STREAM_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(more_than_the_kernel_takes_arrives_whole_over_tcp),
        STREAM_TEST(more_than_the_kernel_takes_arrives_whole_over_a_unix_socket),
        STREAM_TEST(name_is_looked_up),
        STREAM_TEST(end_of_the_other_side_is_told_once),
        STREAM_TEST(port_without_a_listener_refuses),
        STREAM_TEST(path_that_is_not_there_is_not_found),
        STREAM_TEST(path_without_a_listener_refuses),
        STREAM_TEST(the_user_at_the_other_end_of_a_unix_socket_is_known),
        STREAM_TEST(stream_closed_while_it_connects_says_nothing),
        STREAM_TEST(addresses_that_cannot_be_used_are_refused),
        cmocka_unit_test(loopback_is_told_from_the_rest),
    };

    return cmocka_run_group_tests_name("io/stream", tests, NULL, NULL);
}
