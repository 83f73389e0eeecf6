/* What is tested: dist/peers against those who are no peers, and clients.
 * Method: plain sockets that send what they like to a node which has a session with another; each
 * test ends by seeing that this session is unharmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/limits.h"
#include "base/rng.h"
#include "dist/client.h"
#include "support/peers_rig.h"
#include "wire/frame.h"

static const char other_secret[] = "0123456789abcdef0123456789abcdeX";

enum { HANDSHAKE_MS = 400 };

static struct rig_node one;
static struct rig_node two;
static struct rig_node three;
static uint64_t number; /* of the next message from one to two */

static struct rig_options options(uint64_t node_id, const char *its_secret)
{
    return (struct rig_options){
        .node_id = node_id, .secret = its_secret, .cluster = 1, .handshake_ms = HANDSHAKE_MS};
}

static int setup(void **state)
{
    const struct rig_options first = options(1, rig_secret);
    const struct rig_options second = options(2, rig_secret);

    (void)state;
    number = 0;
    rig_start_pair(&one, &first, &two, &second);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_stop(&one);
    rig_stop(&two);
    return 0;
}

static void assert_session_unharmed(void)
{
    rig_assert_unharmed(&one, &two, &number);
}

/* ---- a stranger ---- */

/* Knocks from 127.0.0.<host>. */
static int stranger_at(uint32_t host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(one.port)};
    const struct sockaddr_in source = {.sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(0x7f000000U + host)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&source, sizeof(source)), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int stranger(void)
{
    return stranger_at(1);
}

/* Sends what the node takes; it may have closed already. */
static void say(int fd, const void *bytes, size_t size)
{
    (void)send(fd, bytes, size, MSG_NOSIGNAL);
}

/* Waits until the node closes, and answers how many bytes it said before that; -1 when it did not.
 */
static long until_closed(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char heard[1024];
    long total = 0;

    while (poll(&wait, 1, timeout_ms) == 1) {
        const ssize_t got = recv(fd, heard, sizeof(heard), 0);

        if (got <= 0) {
            (void)close(fd);
            return total;
        }
        total += (long)got;
    }
    (void)close(fd);
    return -1;
}

static void garbage_is_answered_by_closing(void **state)
{
    struct tr_rng rng = {.state = 42};
    struct tr_peers_counters counters;

    (void)state;
    for (size_t count = 0; count < 50; count++) {
        const int fd = stranger();
        uint8_t bytes[3000];

        for (size_t index = 0; index < sizeof(bytes); index++) {
            bytes[index] = (uint8_t)tr_rng_below(&rng, 256);
        }
        say(fd, bytes, 1 + (size_t)tr_rng_below(&rng, sizeof(bytes)));
        assert_true(until_closed(fd, RIG_WAIT_MS) >= 0);
    }
    say(stranger(), "GET / HTTP/1.1\r\n\r\n", 18);
    rig_counters(&one, &counters);
    assert_true(counters.garbage + counters.handshake_timeouts + counters.refused >= 50);
    assert_session_unharmed();
}

static void frame_too_long_is_refused_at_its_header(void **state)
{
    uint8_t header[TR_FRAME_HEADER_SIZE] = {0xff, 0xff, 0xff, 0xff, TR_FRAME_HELLO, 1, 0, 0};
    int fd = stranger();
    const uint64_t begun = rig_now_ms();

    (void)state;
    say(fd, header, sizeof(header));
    assert_true(until_closed(fd, RIG_WAIT_MS) >= 0);
    tr_be32_put(header, TR_HANDSHAKE_FRAME_SIZE_MAX); /* one header too long */
    fd = stranger();
    say(fd, header, sizeof(header));
    assert_true(until_closed(fd, RIG_WAIT_MS) >= 0);
    assert_true(rig_now_ms() - begun < HANDSHAKE_MS); /* not by the deadline */
    assert_session_unharmed();
}

static void data_before_authentication_is_refused(void **state)
{
    static const uint8_t kinds[] = {TR_FRAME_DATA,    TR_FRAME_ACK,     TR_FRAME_HEARTBEAT,
                                    TR_FRAME_GOODBYE, TR_FRAME_REQUEST, TR_FRAME_PROOF};
    const uint64_t begun = rig_now_ms();

    (void)state;
    for (size_t index = 0; index < sizeof(kinds); index++) {
        const uint8_t frame[] = {0, 0, 0, 8, kinds[index], 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        const int fd = stranger();

        say(fd, frame, sizeof(frame));
        assert_true(until_closed(fd, RIG_WAIT_MS) >= 0);
    }
    assert_true(rig_now_ms() - begun < HANDSHAKE_MS);
    assert_int_equal(rig_requests(&one), 0);
    assert_session_unharmed();
}

static void silent_and_slow_strangers_meet_the_deadline(void **state)
{
    const uint64_t begun = rig_now_ms();
    const int silent = stranger();
    const int slow = stranger();
    struct tr_peers_counters counters;
    uint64_t took = 0;

    (void)state;
    /* Bytes do not move the deadline: one every 20 ms or so, as the wait for the end allows. */
    for (size_t count = 0; count < 1000; count++) {
        struct pollfd wait = {.fd = slow, .events = POLLIN};

        say(slow, "\0\0\0\020\001\001\0\0", count < 8 ? 1 : 0);
        if (poll(&wait, 1, 20) == 1) {
            break;
        }
    }
    assert_true(until_closed(slow, RIG_WAIT_MS) >= 0);
    assert_true(until_closed(silent, RIG_WAIT_MS) >= 0);
    took = rig_now_ms() - begun;
    assert_true(took >= HANDSHAKE_MS - 50 && took < HANDSHAKE_MS + 3000);
    rig_counters(&one, &counters);
    assert_true(counters.handshake_timeouts >= 1);
    assert_session_unharmed();
}

static void flood_of_idle_connections_is_bounded(void **state)
{
    enum { MANY = 400 };
    int fds[MANY];
    struct tr_peers_counters counters;

    (void)state;
    for (size_t index = 0; index < MANY; index++) {
        fds[index] = stranger();
    }
    assert_session_unharmed();
    for (size_t index = 0; index < MANY; index++) {
        assert_true(until_closed(fds[index], RIG_WAIT_MS) >= 0);
    }
    rig_counters(&one, &counters);
    assert_true(counters.turned_away >= 1);
    assert_true(counters.turned_away + counters.handshake_timeouts >= MANY);
    assert_session_unharmed();
    /* There is room again. */
    assert_true(until_closed(stranger(), RIG_WAIT_MS) >= 0);
    rig_counters(&one, &counters);
    assert_true(counters.turned_away <= MANY - 1);
}

/* One address that floods leaves places for others, which are heard as soon as they speak. */
static void one_address_cannot_take_all_places(void **state)
{
    enum { MANY = 300 };
    int fds[MANY];
    struct tr_peers_counters counters;
    const uint64_t begun = rig_now_ms();

    (void)state;
    for (size_t index = 0; index < MANY; index++) {
        fds[index] = stranger_at(3);
    }
    const int other = stranger_at(2);

    say(other, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(until_closed(other, RIG_WAIT_MS) >= 0);
    rig_counters(&one, &counters);
    assert_int_equal(counters.garbage, 1); /* it was heard, and not turned away */
    for (size_t index = 0; index < MANY; index++) {
        assert_true(until_closed(fds[index], RIG_WAIT_MS) >= 0);
    }
    rig_counters(&one, &counters);
    assert_true(counters.turned_away >= 1);
    /* While the first ones wait for their deadline no more come in; on a slow machine some do. */
    if (rig_now_ms() - begun < 2 * HANDSHAKE_MS) {
        assert_true(counters.turned_away >= MANY - 3 * TR_UNPROVEN_PER_ADDRESS_MAX);
    }
    assert_session_unharmed();
}

/* ---- floods beside a node that has not been here before ---- */

enum { FLOOD_HOSTS = 8, FLOOD_EACH = 40, FLOOD_MANY = FLOOD_HOSTS * FLOOD_EACH };

/* Two nodes that leave strangers all the time they want: who is let go is so for want of a place.
 */
static int setup_patient(void **state)
{
    struct rig_options first = options(1, rig_secret);
    struct rig_options second = options(2, rig_secret);

    (void)state;
    number = 0;
    first.handshake_ms = second.handshake_ms = 600000;
    rig_start_pair(&one, &first, &two, &second);
    return 0;
}

static bool is_open(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};

    return poll(&look, 1, 0) == 0;
}

static void close_all(int *fds, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        (void)close(fds[index]);
    }
}

/* Knocks so many times, in turns from that many hosts beginning with 127.0.0.<host>, and waits
 * until node 1 has taken them all. Answers how many it has turned away by then. */
static uint64_t flood(int *fds, size_t count, uint32_t host, uint32_t hosts)
{
    struct tr_peers_counters counters;
    uint64_t before = 0;

    rig_counters(&one, &counters);
    before = counters.accepted;
    for (size_t index = 0; index < count; index++) {
        fds[index] = stranger_at(host + (uint32_t)index % hosts);
    }
    do {
        assert_session_unharmed();
        rig_counters(&one, &counters);
    } while (counters.accepted < before + count);
    return counters.turned_away;
}

/* Node 3 begins a session with node 1. It dials again until it may, but those before it stay. */
static void assert_node_gets_in(void)
{
    struct rig_options its = options(3, rig_secret);

    its.handshake_ms = 600000;
    rig_start(&three, &its);
    rig_want(&one, &three);
    rig_want(&three, &one);
    assert_true(rig_wait_ups(&three, 1, 1));
    assert_true(rig_wait_ups(&one, 3, 1));
}

static void a_node_gets_in_beside_a_flood_from_many_addresses(void **state)
{
    int fds[FLOOD_MANY];
    struct tr_peers_counters counters;
    size_t open = 0;

    (void)state;
    assert_int_equal(flood(fds, FLOOD_MANY, 10, FLOOD_HOSTS), FLOOD_MANY - TR_UNPROVEN_PEERS_MAX);
    assert_node_gets_in();
    rig_counters(&one, &counters);
    assert_true(counters.turned_away > FLOOD_MANY - TR_UNPROVEN_PEERS_MAX);
    assert_int_equal(counters.handshake_timeouts, 0);
    for (size_t index = 0; index < FLOOD_MANY; index++) {
        open += is_open(fds[index]) ? 1 : 0;
    }
    assert_true(open >= TR_UNPROVEN_PEERS_MAX - 8); /* the node has taken a place or two */
    assert_true(is_open(fds[FLOOD_MANY - 1]));      /* the oldest have gone */
    close_all(fds, FLOOD_MANY);
    rig_stop(&three);
    assert_session_unharmed();
}

static void a_node_gets_in_from_the_address_that_floods(void **state)
{
    enum { MANY = 100 };
    int fds[MANY];

    (void)state;
    assert_int_equal(flood(fds, MANY, 1, 1), MANY - TR_UNPROVEN_PER_ADDRESS_MAX);
    assert_node_gets_in();
    close_all(fds, MANY);
    rig_stop(&three);
    assert_session_unharmed();
}

/* Whoever has one connection keeps it, whatever others have. */
static void a_flood_takes_no_place_of_a_modest_address(void **state)
{
    int fds[FLOOD_MANY];
    int modest = -1;

    (void)state;
    assert_int_equal(flood(&modest, 1, 30, 1), 0);
    assert_true(flood(fds, FLOOD_MANY, 10, FLOOD_HOSTS) >= FLOOD_MANY - TR_UNPROVEN_PEERS_MAX);
    assert_true(is_open(modest));
    say(modest, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(until_closed(modest, RIG_WAIT_MS) > 0); /* it is heard, and told */
    close_all(fds, FLOOD_MANY);
    assert_session_unharmed();
}

/* ---- nodes that should not be here ---- */

static void refused_node(const struct rig_options *its, troupe_status why)
{
    struct tr_peers_counters counters;

    rig_start(&three, its);
    rig_want(&one, &three);
    rig_want(&three, &one);
    assert_true(rig_wait_refusals(&one, 1));
    assert_true(rig_wait_refusals(&three, 1));
    assert_int_equal(rig_refusal(&one), why);
    assert_int_equal(rig_refusal(&three), why);
    rig_counters(&one, &counters);
    assert_true(counters.refused >= 1);
    assert_int_equal(counters.refused_auth > 0, why == TROUPE_E_AUTH);
    assert_int_equal(rig_pair(&one, 3).ups, 0);
    assert_int_equal(rig_pair(&three, 1).ups, 0);
    assert_session_unharmed();
    rig_stop(&three);
}

static void wrong_secret_is_refused_and_counted(void **state)
{
    const struct rig_options its = options(3, other_secret);

    (void)state;
    refused_node(&its, TROUPE_E_AUTH);
}

static void node_without_a_secret_is_refused(void **state)
{
    const struct rig_options its = options(3, NULL);

    (void)state;
    refused_node(&its, TROUPE_E_AUTH);
}

static void node_of_another_cluster_is_refused(void **state)
{
    struct rig_options its = options(3, rig_secret);

    (void)state;
    its.cluster = 2;
    refused_node(&its, TROUPE_E_DENIED);
}

/* Node 3 calls itself otherwise than the registry does. */
static void node_under_a_wrong_name_is_refused(void **state)
{
    struct rig_options its = options(3, rig_secret);
    struct rig_node wrong;

    (void)state;
    rig_start(&three, &its);
    wrong = three;
    (void)snprintf(wrong.name, sizeof(wrong.name), "other");
    rig_want(&one, &wrong);
    rig_want(&three, &one);
    assert_true(rig_wait_refusals(&three, 1));
    assert_int_equal(rig_refusal(&three), TROUPE_E_DENIED);
    assert_int_equal(rig_pair(&one, 3).ups, 0);
    rig_stop(&three);
}

static void unknown_node_is_sent_away_when_nobody_tells_of_it(void **state)
{
    const struct rig_options its = options(3, rig_secret);

    (void)state;
    rig_start(&three, &its);
    rig_want(&three, &one); /* and node 1 is never told */
    assert_true(rig_wait_refusals(&three, 0));
    while (rig_pair(&three, 1).unreachable == 0) {
        assert_session_unharmed();
    }
    assert_int_equal(rig_pair(&one, 3).ups, 0);
    rig_stop(&three);
}

static void peers_without_a_secret_listen_on_loopback_only(void **state)
{
    struct tr_loop *loop = NULL;
    struct tr_peers *peers = NULL;
    uint16_t port = 0;
    char why[256] = "";
    const struct tr_peers_events events = {0};
    struct tr_peers_config config = {.node_name = "n1", .listen_host = "0.0.0.0"};

    (void)state;
    assert_int_equal(tr_loop_create(&loop), TROUPE_OK);
    config.loop = loop;
    assert_int_equal(tr_peers_create(&config, &events, &peers), TROUPE_OK);
    assert_int_equal(tr_peers_listen(peers, &port, why, sizeof(why)), TROUPE_E_DENIED);
    tr_peers_destroy(peers);
    config.node_name = "two words";
    assert_int_equal(tr_peers_create(&config, &events, &peers), TROUPE_E_INVALID);
    tr_loop_destroy(loop);
}

/* ---- clients ---- */

static struct tr_client_config client_config(const char *its_secret)
{
    return (struct tr_client_config){
        .host = "127.0.0.1",
        .port = one.port,
        .secret = (const uint8_t *)its_secret,
        .secret_size = its_secret == NULL ? 0 : strlen(its_secret),
        .timeout_ms = RIG_WAIT_MS,
    };
}

static void client_gets_its_answer_whatever_its_size(void **state)
{
    static const size_t sizes[] = {0, 1, 65536, 65537, 1024 * 1024};
    const struct tr_client_config config = client_config(rig_secret);

    (void)state;
    for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        const size_t size = sizes[index];
        uint8_t *request = malloc(size + 1);
        uint8_t *response = NULL;
        size_t response_size = 0;

        memset(request, 'a' + (int)index, size);
        assert_int_equal(tr_client_call(&config, request, size, &response, &response_size),
                         TROUPE_OK);
        assert_int_equal(response_size, 2 * size);
        assert_memory_equal(response, request, size);
        assert_memory_equal(response + size, request, size);
        assert_int_equal(response[response_size], 0);
        free(request);
        free(response);
    }
    assert_session_unharmed();
}

static troupe_status ask(const struct tr_client_config *config, size_t size)
{
    uint8_t *request = calloc(1, size);
    uint8_t *response = NULL;
    size_t response_size = 0;
    const troupe_status status = tr_client_call(config, request, size, &response, &response_size);

    free(request);
    free(response);
    return status;
}

static void client_is_told_what_went_wrong(void **state)
{
    struct tr_client_config config = client_config(other_secret);

    (void)state;
    assert_int_equal(ask(&config, 10), TROUPE_E_AUTH);
    config = client_config(NULL);
    assert_int_equal(ask(&config, 10), TROUPE_E_AUTH);
    config = client_config(rig_secret);
    assert_int_equal(ask(&config, TR_CLIENT_REQUEST_SIZE_MAX + 1), TROUPE_E_LIMIT);
    config.port = 1;
    assert_int_equal(ask(&config, 10), TROUPE_E_NOCONNECTION);
    assert_int_equal(rig_requests(&one), 0);
    assert_session_unharmed();
}

static void client_that_gets_no_answer_does_not_know(void **state)
{
    struct tr_client_config config = client_config(rig_secret);

    (void)state;
    rig_hold_replies(&one);
    config.timeout_ms = 300;
    assert_int_equal(ask(&config, 10), TROUPE_E_UNKNOWN);
    assert_int_equal(rig_requests(&one), 1);
}

#define STRANGER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#define PATIENT_TEST(function) cmocka_unit_test_setup_teardown(function, setup_patient, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STRANGER_TEST(garbage_is_answered_by_closing),
        STRANGER_TEST(frame_too_long_is_refused_at_its_header),
        STRANGER_TEST(data_before_authentication_is_refused),
        STRANGER_TEST(silent_and_slow_strangers_meet_the_deadline),
        STRANGER_TEST(flood_of_idle_connections_is_bounded),
        STRANGER_TEST(one_address_cannot_take_all_places),
        PATIENT_TEST(a_node_gets_in_beside_a_flood_from_many_addresses),
        PATIENT_TEST(a_node_gets_in_from_the_address_that_floods),
        PATIENT_TEST(a_flood_takes_no_place_of_a_modest_address),
        STRANGER_TEST(wrong_secret_is_refused_and_counted),
        STRANGER_TEST(node_without_a_secret_is_refused),
        STRANGER_TEST(node_of_another_cluster_is_refused),
        STRANGER_TEST(node_under_a_wrong_name_is_refused),
        STRANGER_TEST(unknown_node_is_sent_away_when_nobody_tells_of_it),
        cmocka_unit_test(peers_without_a_secret_listen_on_loopback_only),
        STRANGER_TEST(client_gets_its_answer_whatever_its_size),
        STRANGER_TEST(client_is_told_what_went_wrong),
        STRANGER_TEST(client_that_gets_no_answer_does_not_know),
    };

    return cmocka_run_group_tests_name("dist/peers and strangers", tests, NULL, NULL);
}
