/* What is tested: the transport in memory itself, by the port that it shares with libuv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"
#include "support/memory_transport.h"

enum { BULK = 3000000, SPACE = 65536, HOUR_MS = 3600 * 1000 };

struct end {
    struct tr_stream *stream;
    uint8_t space[SPACE];
    size_t got;
    uint32_t reads;
    uint64_t hash; /* of what came, and in which pieces */
    uint32_t ends;
    uint32_t written;
    bool connected;
    bool refused;
};

static struct tr_loop *here;
static struct tr_loop *there;
static struct tr_listener *listener;
static struct end client;
static struct end server;
static uint8_t bulk[BULK];

static void on_connect(void *context, troupe_status status, bool refused)
{
    struct end *end = context;

    end->connected = status == TROUPE_OK;
    end->refused = refused;
}

static size_t space(void *context, uint8_t **room)
{
    struct end *end = context;

    *room = end->space;
    return SPACE;
}

static void on_read(void *context, size_t size)
{
    struct end *end = context;

    assert_memory_equal(end->space, bulk + end->got, size);
    end->got += size;
    end->reads++;
    end->hash = end->hash * 1099511628211U + size;
}

static void on_end(void *context, troupe_status status)
{
    struct end *end = context;

    assert_int_not_equal(status, TROUPE_OK);
    end->ends++;
}

static void on_written(void *context)
{
    ((struct end *)context)->written++;
}

static const struct tr_stream_events events = {.on_connect = on_connect,
                                               .space = space,
                                               .on_read = on_read,
                                               .on_end = on_end,
                                               .on_written = on_written};

static void on_accept(void *context, struct tr_stream *stream)
{
    (void)context;
    server.stream = stream;
    tr_stream_set_events(stream, &events, &server);
    assert_int_equal(tr_stream_read_start(stream), TROUPE_OK);
}

static void begin(uint64_t seed)
{
    static const struct tr_listener_events accepting = {.on_accept = on_accept};
    uint16_t port = 0;

    memset(&client, 0, sizeof(client));
    memset(&server, 0, sizeof(server));
    for (size_t i = 0; i < BULK; i++) {
        bulk[i] = (uint8_t)(i * 31 + i / 1000);
    }
    memory_begin(seed);
    memory_place(0);
    assert_int_equal(tr_loop_create(&here), TROUPE_OK);
    memory_place(1);
    assert_int_equal(tr_loop_create(&there), TROUPE_OK);
    assert_int_equal(
        tr_listener_open_tcp(there, memory_host(1), MEMORY_PORT, &accepting, &listener, &port),
        TROUPE_OK);
    assert_int_equal(tr_loop_start(here), TROUPE_OK);
    assert_int_equal(tr_loop_start(there), TROUPE_OK);
}

static void dial(uint16_t port)
{
    assert_int_equal(
        tr_stream_connect(here, memory_host(1), port, &events, &client, &client.stream), TROUPE_OK);
    assert_false(client.connected); /* never from within the call */
}

static void end(void)
{
    tr_stream_close(client.stream);
    tr_stream_close(server.stream);
    tr_listener_close(listener);
    tr_loop_stop(here);
    tr_loop_stop(there);
    tr_loop_join(here);
    tr_loop_join(there);
    tr_loop_destroy(here);
    tr_loop_destroy(there);
    memory_end();
    assert_false(memory_is_on());
}

/* Sends all of `bulk`; answers a hash of the pieces that it came in. */
static uint64_t transfer(uint64_t seed)
{
    const struct tr_slice slices[] = {{bulk, 1000}, {bulk + 1000, BULK - 1000}};
    bool done = true;

    begin(seed);
    dial(MEMORY_PORT);
    while (!client.connected && memory_step()) {
    }
    assert_true(client.connected);
    assert_int_equal(tr_stream_write(client.stream, slices, 2, &done), TROUPE_OK);
    assert_false(done); /* more than a connection takes at once */
    assert_true(tr_stream_is_writing(client.stream));
    while (server.got < BULK && memory_step()) {
    }
    assert_int_equal(server.got, BULK);
    while (client.written == 0 && memory_step()) {
    }
    assert_int_equal(client.written, 1);
    assert_false(tr_stream_is_writing(client.stream));
    end();
    return server.hash ^ server.reads;
}

static void one_seed_is_one_order_and_another_another(void **state)
{
    uint32_t differing = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        const uint64_t first = transfer(seed);

        assert_true(transfer(seed) == first);
        differing += transfer(seed + 1) != first ? 1 : 0;
    }
    assert_true(differing >= 8);
}

static void a_port_without_a_listener_refuses(void **state)
{
    (void)state;
    begin(1);
    dial(MEMORY_PORT + 1);
    while (!client.refused && memory_step()) {
    }
    assert_true(client.refused);
    assert_false(client.connected);
    end();
}

static void an_end_is_told_after_what_was_sent_before_it(void **state)
{
    const struct tr_slice words = {bulk, 500};
    bool done = false;

    (void)state;
    begin(2);
    dial(MEMORY_PORT);
    while (!client.connected && memory_step()) {
    }
    assert_int_equal(tr_stream_write(client.stream, &words, 1, &done), TROUPE_OK);
    assert_true(done);
    while (server.stream == NULL && memory_step()) {
    }
    tr_stream_close(client.stream);
    client.stream = NULL;
    while (server.ends == 0 && memory_step()) {
    }
    assert_int_equal(server.ends, 1);
    assert_int_equal(server.got, 500);
    end();
}

static void what_is_sent_through_a_cut_arrives_when_it_is_healed(void **state)
{
    const struct tr_slice words = {bulk, 500};
    bool done = false;

    (void)state;
    begin(3);
    dial(MEMORY_PORT);
    while ((!client.connected || server.stream == NULL) && memory_step()) {
    }
    memory_cut(0, 1, true);
    assert_int_equal(tr_stream_write(client.stream, &words, 1, &done), TROUPE_OK);
    while (memory_step()) {
    }
    assert_int_equal(server.got, 0);
    memory_cut(0, 1, false);
    while (server.got < 500 && memory_step()) {
    }
    assert_int_equal(server.got, 500);
    end();
}

static void count_up(void *context)
{
    ++*(uint32_t *)context;
}

static void an_hour_passes_at_once_and_not_for_who_stands_still(void **state)
{
    struct tr_timer *moving = NULL;
    struct tr_timer *standing = NULL;
    uint32_t moved = 0;
    uint32_t stood = 0;
    uint64_t begun_ms = 0;

    (void)state;
    begin(4);
    begun_ms = memory_now_ms();
    assert_int_equal(tr_timer_create(here, count_up, &moved, &moving), TROUPE_OK);
    assert_int_equal(tr_timer_create(there, count_up, &stood, &standing), TROUPE_OK);
    tr_timer_start(moving, (uint64_t)HOUR_MS * TR_NS_PER_MS, 0);
    tr_timer_start(standing, TR_NS_PER_MS, 0);
    memory_pause(1, true);
    while (moved == 0 && memory_step()) {
    }
    assert_int_equal(moved, 1);
    assert_int_equal(stood, 0);
    assert_int_equal(memory_now_ms() - begun_ms, HOUR_MS);
    memory_pause(1, false);
    while (stood == 0 && memory_step()) {
    }
    assert_int_equal(stood, 1);
    tr_timer_close(moving);
    tr_timer_close(standing);
    end();
}

static void work_is_done_in_the_order_posted(void **state)
{
    static uint32_t count;

    (void)state;
    count = 0;
    begin(5);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(tr_loop_post(here, count_up, &count), TROUPE_OK);
    }
    assert_int_equal(count, 0);
    while (count < 10 && memory_step()) {
    }
    assert_int_equal(count, 10);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_is_one_order_and_another_another),
        cmocka_unit_test(a_port_without_a_listener_refuses),
        cmocka_unit_test(an_end_is_told_after_what_was_sent_before_it),
        cmocka_unit_test(what_is_sent_through_a_cut_arrives_when_it_is_healed),
        cmocka_unit_test(an_hour_passes_at_once_and_not_for_who_stands_still),
        cmocka_unit_test(work_is_done_in_the_order_posted),
    };

    return cmocka_run_group_tests_name("transport in memory", tests, NULL, NULL);
}
