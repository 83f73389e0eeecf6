/* What is tested: io/acceptor, when the kernel has no descriptors, no buffers or no memory.
 * Method: a listener and clients on one loop that the test runs; accept4 answers what the test
 * says, and the limit of descriptors is set to what is open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"

enum { CLIENTS = 20, STEP_MS = 10, STEPS_MAX = 2000 };

/* ---- accept4, which the linker puts before the real one: the names are its own ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
 */

static int refusal;      /* errno of the next ones; 0 = as the kernel says */
static unsigned refused; /* how many were refused by that */

int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    if (refusal != 0) {
        refused++;
        errno = refusal;
        return -1;
    }
    return __real_accept4(fd, address, size, flags);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
 */

/* ---- one loop ---- */

static struct tr_loop *loop;
static struct tr_listener *listener;
static struct tr_timer *timer;
static uint16_t port;
static int clients[CLIENTS];
static struct tr_stream *taken[CLIENTS * 2];
static unsigned taken_count;
static unsigned shortages;
static uint64_t shortage_closed;
static char shortage_why[64];
static unsigned steps; /* turns of the timer */
static unsigned phase; /* of the test */
static bool (*step)(
    void); /* the test: called each ten milliseconds until it says that it is done */

static void on_accept(void *context, struct tr_stream *stream)
{
    (void)context;
    assert_true(taken_count < sizeof(taken) / sizeof(taken[0]));
    taken[taken_count++] = stream;
}

static void on_shortage(void *context, const char *why, uint64_t closed)
{
    (void)context;
    shortages++;
    shortage_closed += closed;
    (void)snprintf(shortage_why, sizeof(shortage_why), "%s", why);
}

static void finish(void)
{
    while (taken_count > 0) {
        tr_stream_close(taken[--taken_count]);
    }
    tr_listener_close(listener);
    tr_timer_close(timer);
    tr_loop_stop(loop);
}

static void on_step(void *context)
{
    (void)context;
    steps++;
    if (steps >= STEPS_MAX) {
        finish();
        fail_msg("the deadline passed in phase %u", phase);
    }
    if (step()) {
        finish();
    }
}

static void run(bool (*test)(void))
{
    step = test;
    tr_loop_run(loop);
    tr_loop_destroy(loop);
}

static int setup(void **state)
{
    static const struct tr_listener_events events = {.on_accept = on_accept,
                                                     .on_shortage = on_shortage};

    (void)state;
    refusal = 0;
    refused = taken_count = shortages = steps = phase = 0;
    shortage_closed = 0;
    assert_int_equal(tr_loop_create(&loop), TROUPE_OK);
    assert_int_equal(tr_timer_create(loop, on_step, NULL, &timer), TROUPE_OK);
    tr_timer_start(timer, (uint64_t)STEP_MS * 1000000, (uint64_t)STEP_MS * 1000000);
    assert_int_equal(tr_listener_open_tcp(loop, "127.0.0.1", 0, &events, &listener, &port),
                     TROUPE_OK);
    return 0;
}

static int knock(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* It tries again ten times a second at most, says so every ten seconds, and takes the one that has
 * waited when it can. */
static bool rests_and_goes_on(int error)
{
    if (phase == 0) {
        phase = 1;
        refusal = error;
        clients[0] = knock();
    } else if (phase == 1 && refused >= 10) {
        phase = 2;
        refusal = 0;
        assert_true(refused < 200); /* whoever does not rest has thousands */
        assert_true(shortages > 0 && shortages <= 3);
        assert_int_equal(taken_count, 0);
    } else if (phase == 2 && taken_count > 0) {
        (void)close(clients[0]);
        return true;
    }
    return false;
}

static bool no_buffers(void)
{
    return rests_and_goes_on(ENOBUFS);
}

static void without_buffers_it_rests_and_goes_on(void **state)
{
    (void)state;
    run(no_buffers);
    assert_string_equal(shortage_why, "no buffer space available");
}

static bool no_descriptors_anywhere(void)
{
    return rests_and_goes_on(ENFILE);
}

/* The reserve does not help when the whole system has none. */
static void without_descriptors_in_the_system_it_rests_too(void **state)
{
    (void)state;
    run(no_descriptors_anywhere);
    assert_string_equal(shortage_why, "file table overflow");
}

/* ---- real want ---- */

static struct rlimit usual;

/* As many as are open, and no more. */
static void limit_descriptors(void)
{
    struct rlimit limit;
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    limit = usual;
    limit.rlim_cur = (rlim_t)fd; /* the lowest that is free */
    (void)close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static bool is_closed(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};

    return poll(&look, 1, 0) == 1;
}

static unsigned closed_clients(void)
{
    unsigned count = 0;

    for (unsigned index = 1; index < CLIENTS; index++) {
        count += is_closed(clients[index]) ? 1 : 0;
    }
    return count;
}

static bool no_descriptors(void)
{
    if (phase == 0) {
        phase = 1;
        clients[0] = knock();
    } else if (phase == 1 && taken_count == 1) {
        phase = 2;
        for (unsigned index = 1; index < CLIENTS; index++) {
            clients[index] = knock();
        }
        limit_descriptors();
    } else if (phase == 2 && closed_clients() == CLIENTS - 1) {
        phase = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
        assert_int_equal(taken_count, 1);
        assert_false(is_closed(clients[0])); /* who is there stays */
        assert_true(shortages > 0 && shortages <= 3);
        assert_true(shortage_closed >= 1);
        (void)close(clients[1]);
        clients[1] = knock();
    } else if (phase == 3 && taken_count == 2) {
        return true;
    }
    return false;
}

static void without_descriptors_who_knocks_is_closed_and_the_next_is_not(void **state)
{
    (void)state;
    run(no_descriptors);
    for (unsigned index = 0; index < CLIENTS; index++) {
        (void)close(clients[index]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_buffers_it_rests_and_goes_on, setup),
        cmocka_unit_test_setup(without_descriptors_in_the_system_it_rests_too, setup),
        cmocka_unit_test_setup(without_descriptors_who_knocks_is_closed_and_the_next_is_not, setup),
    };

    return cmocka_run_group_tests_name("connections that cannot be taken", tests, NULL, NULL);
}
