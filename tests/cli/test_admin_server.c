/* What is tested: daemon/admin_server and admin_io over real sockets - garbage, oversize, slow and
 * many clients, and that one request that blocks holds up no other. The handler stands for a node.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/admin_io.h"
#include "daemon/admin_server.h"
#include "sync/thread.h"
#include "troupe/actor.h"

enum { WAIT_MS = 10000 };

struct rig {
    char folder[64];
    char path[96];
    struct log log;
    struct admin_server server;
    struct tr_thread loop;
    int stop[2];    /* written to end the loop */
    int release[2]; /* written to let a blocked request go on */
    bool stopped_in_time;
    int stop_ms;
};

/* "block" waits for the release pipe; "big" answers more than may be sent; all else is echoed. */
static bool handle(void *context, const char *request, char **reply)
{
    struct rig *rig = context;
    char byte = 0;

    if (strstr(request, "block") != NULL && read(rig->release[0], &byte, 1) != 1) {
        return false;
    }
    if (strstr(request, "big") != NULL) {
        *reply = malloc(ADMIN_SIZE_MAX + 2);
        if (*reply != NULL) {
            memset(*reply, 'x', ADMIN_SIZE_MAX + 1);
            (*reply)[ADMIN_SIZE_MAX + 1] = '\0';
        }
        return *reply != NULL;
    }
    *reply = strdup(request);
    return *reply != NULL;
}

static bool is_brief(const char *request)
{
    return strstr(request, "brief") != NULL;
}

static void release(char *reply)
{
    free(reply);
}

static void loop_main(void *context)
{
    struct rig *rig = context;
    struct pollfd entries[] = {{.fd = rig->server.listener, .events = POLLIN},
                               {.fd = rig->server.ended_read, .events = POLLIN},
                               {.fd = rig->stop[0], .events = POLLIN}};
    char byte = 0;

    while (poll(entries, 3, -1) > 0 && entries[2].revents == 0) {
        if (entries[1].revents != 0) {
            admin_server_reap(&rig->server);
        }
        if (entries[0].revents != 0) {
            admin_server_accept(&rig->server);
        }
    }
    /* Reading orders what the test wrote before it against what follows here. */
    assert_int_equal(read(rig->stop[0], &byte, 1), 1);
    rig->stopped_in_time = admin_server_stop(&rig->server, rig->stop_ms);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct admin_handler handler = {rig, handle, is_brief, release};
    struct problem problem;
    const int null = open("/dev/null", O_WRONLY);

    assert_non_null(rig);
    (void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/troupe-admin.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    (void)snprintf(rig->path, sizeof(rig->path), "%s/n.sock", rig->folder);
    log_init(&rig->log, null, LOG_FORMAT_JSON, "n1", TROUPE_LOG_DEBUG);
    assert_int_equal(pipe(rig->stop), 0);
    assert_int_equal(pipe(rig->release), 0);
    rig->stop_ms = WAIT_MS;
    assert_int_equal(
        admin_server_start(&rig->server, rig->path, 0600, &handler, &rig->log, &problem), 0);
    assert_int_equal(tr_thread_start(&rig->loop, "loop", loop_main, rig), TROUPE_OK);
    *state = rig;
    return 0;
}

static void stop_loop(struct rig *rig)
{
    if (rig->loop.running) {
        assert_int_equal(write(rig->stop[1], "s", 1), 1);
        tr_thread_join(&rig->loop);
    }
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    stop_loop(rig);
    for (int i = 0; i < 2; i++) {
        (void)close(rig->stop[i]);
        (void)close(rig->release[i]);
    }
    (void)close(rig->log.file);
    (void)unlink(rig->path);
    assert_int_equal(rmdir(rig->folder), 0);
    free(rig);
    return 0;
}

static int connect_to(const struct rig *rig)
{
    int socket = -1;

    assert_int_equal(admin_io_connect(rig->path, &socket), TROUPE_OK);
    return socket;
}

static void ask(int socket, const char *request)
{
    assert_int_equal(admin_io_write(socket, request, WAIT_MS), TROUPE_OK);
}

static void expect(int socket, const char *part)
{
    char *reply = NULL;

    assert_int_equal(admin_io_read(socket, WAIT_MS, WAIT_MS, &reply), TROUPE_OK);
    assert_non_null(strstr(reply, part));
    free(reply);
}

static void expect_closed(int socket)
{
    char *reply = NULL;

    assert_int_equal(admin_io_read(socket, WAIT_MS, WAIT_MS, &reply), TROUPE_E_CLOSED);
}

static void many_requests_follow_each_other_on_one_connection(void **state)
{
    const int socket = connect_to(*state);

    for (int i = 0; i < 100; i++) {
        char request[32];

        (void)snprintf(request, sizeof(request), "{\"n\":%d}", i);
        ask(socket, request);
        expect(socket, request);
    }
    (void)close(socket);
}

static void request_that_blocks_holds_up_no_other(void **state)
{
    struct rig *rig = *state;
    const int blocked = connect_to(rig);
    const int other = connect_to(rig);

    ask(blocked, "{\"block\":1}");
    ask(other, "{\"quick\":1}");
    expect(other, "quick");
    assert_int_equal(write(rig->release[1], "r", 1), 1);
    expect(blocked, "block");
    (void)close(blocked);
    (void)close(other);
}

static void frame_that_is_too_long_is_answered_and_ends_the_connection(void **state)
{
    static const uint8_t header[] = {0x00, 0x10, 0x00, 0x01}; /* one above the most */
    const int socket = connect_to(*state);

    assert_int_equal(send(socket, header, sizeof(header), MSG_NOSIGNAL), 4);
    expect(socket, "TROUPE_E_LIMIT");
    expect_closed(socket);
    (void)close(socket);
}

static void frame_of_no_bytes_is_refused(void **state)
{
    static const uint8_t header[] = {0, 0, 0, 0};
    const int socket = connect_to(*state);

    assert_int_equal(send(socket, header, sizeof(header), MSG_NOSIGNAL), 4);
    expect(socket, "TROUPE_E_LIMIT");
    (void)close(socket);
}

static void garbage_is_taken_for_a_length_that_cannot_be(void **state)
{
    const int socket = connect_to(*state);

    assert_int_equal(send(socket, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    expect(socket, "TROUPE_E_LIMIT");
    expect_closed(socket);
    (void)close(socket);
}

static void zero_byte_in_a_request_is_refused(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 3, '{', 0, '}'};
    const int socket = connect_to(*state);

    assert_int_equal(send(socket, bytes, sizeof(bytes), MSG_NOSIGNAL), 7);
    expect(socket, "TROUPE_E_PROTOCOL");
    (void)close(socket);
}

static void client_that_leaves_in_the_middle_harms_nobody(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 100, '{'};
    const int leaver = connect_to(*state);
    int socket = -1;

    assert_int_equal(send(leaver, bytes, sizeof(bytes), MSG_NOSIGNAL), 5);
    (void)close(leaver);
    socket = connect_to(*state);
    ask(socket, "{\"after\":1}");
    expect(socket, "after");
    (void)close(socket);
}

static void reply_that_is_too_long_is_an_error_of_its_own(void **state)
{
    const int socket = connect_to(*state);

    ask(socket, "{\"big\":1}");
    expect(socket, "the reply is above 1 MiB");
    ask(socket, "{\"then\":1}");
    expect(socket, "then");
    (void)close(socket);
}

static void one_connection_too_many_is_told_so(void **state)
{
    struct rig *rig = *state;
    int sockets[ADMIN_CONNECTIONS_MAX];
    int over = -1;

    for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        sockets[i] = connect_to(rig);
        ask(sockets[i], "{\"in\":1}");
        expect(sockets[i], "in"); /* so it holds its slot */
    }
    over = connect_to(rig);
    ask(over, "{\"more\":1}");
    expect(over, "TROUPE_E_BUSY");
    expect_closed(over);
    (void)close(over);
    over = connect_to(rig);
    ask(over, "{\"brief\":1}");
    expect(over, "brief"); /* what waits for no actor has an answer all the same */
    expect_closed(over);
    (void)close(over);
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        (void)close(sockets[i]);
    }
    /* Slots come back: sooner or later a connection is served again. */
    for (int tries = 0; tries < 1000; tries++) {
        const int socket = connect_to(rig);
        char *reply = NULL;
        bool served = false;

        /* One that is turned away may be closed before all is written. */
        if (admin_io_write(socket, "{\"again\":1}", WAIT_MS) != TROUPE_E_SYSTEM &&
            admin_io_read(socket, WAIT_MS, WAIT_MS, &reply) == TROUPE_OK) {
            served = strstr(reply, "again") != NULL;
            free(reply);
        }
        (void)close(socket);
        if (served) {
            return;
        }
        (void)poll(NULL, 0, 10);
    }
    fail_msg("no slot came back");
}

static void socket_is_ours_alone_and_goes_with_the_server(void **state)
{
    struct rig *rig = *state;
    struct stat status;

    assert_int_equal(stat(rig->path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
    stop_loop(rig);
    assert_true(rig->stopped_in_time);
    assert_int_not_equal(stat(rig->path, &status), 0);
}

/* What the other user's process finds: 0 when it is told that it may not. */
static int ask_as_nobody(const struct rig *rig)
{
    char *reply = NULL;
    int socket = -1;
    int result = 1;

    if (setgid(65534) != 0 || setuid(65534) != 0 ||
        admin_io_connect(rig->path, &socket) != TROUPE_OK) {
        return 2;
    }
    if (admin_io_read(socket, WAIT_MS, WAIT_MS, &reply) == TROUPE_OK) {
        result = strstr(reply, "TROUPE_E_DENIED") != NULL ? 0 : 1;
        free(reply);
    }
    return result;
}

/* The kernel says who connects: an open socket alone lets nobody in. Only root can be two users. */
static void another_user_is_told_that_it_may_not(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    pid_t child = -1;

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(rig->folder, 0755), 0);
    assert_int_equal(chmod(rig->path, 0666), 0);
    child = fork();
    if (child == 0) {
        _exit(ask_as_nobody(rig));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void second_server_on_the_same_path_is_refused_and_a_dead_socket_replaced(void **state)
{
    struct rig *rig = *state;
    const struct admin_handler handler = {rig, handle, is_brief, release};
    struct admin_server other;
    struct problem problem;
    char dead[96];
    int file = -1;

    assert_int_equal(admin_server_start(&other, rig->path, 0600, &handler, &rig->log, &problem),
                     EX_UNAVAILABLE);
    (void)snprintf(dead, sizeof(dead), "%s/dead.sock", rig->folder);
    assert_int_equal(admin_server_start(&other, dead, 0600, &handler, &rig->log, &problem), 0);
    (void)close(other.listener); /* as a killed process leaves it: the path stays */
    assert_int_equal(admin_server_start(&other, dead, 0600, &handler, &rig->log, &problem), 0);
    assert_true(admin_server_stop(&other, WAIT_MS));
    file = open(dead, O_CREAT | O_WRONLY, 0600); /* a file of somebody's is not removed */
    (void)close(file);
    assert_int_equal(admin_server_start(&other, dead, 0600, &handler, &rig->log, &problem),
                     EX_UNAVAILABLE);
    assert_int_equal(unlink(dead), 0);
}

static void stop_waits_for_requests_that_run_but_not_for_ever(void **state)
{
    struct rig *rig = *state;
    const int socket = connect_to(rig);
    struct pollfd entry = {.fd = rig->server.ended_read, .events = POLLIN};

    ask(socket, "{\"first\":1}");
    expect(socket, "first");
    ask(socket, "{\"block\":1}");
    rig->stop_ms = 50;
    stop_loop(rig);
    assert_false(rig->stopped_in_time);
    assert_int_equal(write(rig->release[1], "r", 1), 1);
    expect(socket, "block"); /* the reply of what was running still comes */
    expect_closed(socket);
    (void)close(socket);
    assert_int_equal(poll(&entry, 1, WAIT_MS), 1);
    admin_server_reap(&rig->server);
    (void)close(rig->server.ended_read);
    (void)close(rig->server.ended_write);
}

#define SERVER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(many_requests_follow_each_other_on_one_connection),
        SERVER_TEST(request_that_blocks_holds_up_no_other),
        SERVER_TEST(frame_that_is_too_long_is_answered_and_ends_the_connection),
        SERVER_TEST(frame_of_no_bytes_is_refused),
        SERVER_TEST(garbage_is_taken_for_a_length_that_cannot_be),
        SERVER_TEST(zero_byte_in_a_request_is_refused),
        SERVER_TEST(client_that_leaves_in_the_middle_harms_nobody),
        SERVER_TEST(reply_that_is_too_long_is_an_error_of_its_own),
        SERVER_TEST(one_connection_too_many_is_told_so),
        SERVER_TEST(socket_is_ours_alone_and_goes_with_the_server),
        SERVER_TEST(another_user_is_told_that_it_may_not),
        SERVER_TEST(second_server_on_the_same_path_is_refused_and_a_dead_socket_replaced),
        SERVER_TEST(stop_waits_for_requests_that_run_but_not_for_ever),
    };

    return cmocka_run_group_tests_name("daemon/admin_server", tests, NULL, NULL);
}
