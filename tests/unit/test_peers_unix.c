/* What is tested: dist/peers over sockets of the file system.
 * Method: nodes that listen at paths in a folder of their own, on real sockets. */
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
#include "base/limits.h"
#include "dist/client.h"
#include "support/certificates.h"
#include "support/peers_rig.h"
#include "wire/ca.h"

static char folder[32];
static char hosts[RIG_NODES][64];
static struct rig_node one;
static struct rig_node two;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/troupe_peers_XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i < RIG_NODES; i++) {
        (void)snprintf(hosts[i], sizeof(hosts[i]), TR_UNIX_PREFIX "%s/n%u", folder, i);
    }
    return 0;
}

/* Whoever stops in order takes with it what it has made. */
static int teardown(void **state)
{
    (void)state;
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static const char *path_of(uint64_t node_id)
{
    return tr_host_unix_path(hosts[node_id]);
}

static struct rig_options options_of(uint64_t node_id)
{
    struct rig_options options = rig_defaults(node_id);

    options.listen = hosts[node_id];
    return options;
}

static void exchange(struct rig_node *left, struct rig_node *right)
{
    static const size_t sizes[] = {16, 100, 65536, 70000, 1048576};
    const uint64_t left_id = left->options.node_id;
    const uint64_t right_id = right->options.node_id;

    for (uint64_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(rig_send(left, right_id, 1, i, sizes[i], 0), TROUPE_OK);
        assert_int_equal(rig_send(right, left_id, 1, i, sizes[i], 0), TROUPE_OK);
    }
    assert_true(rig_wait_messages(right, left_id, sizeof(sizes) / sizeof(sizes[0])));
    assert_true(rig_wait_messages(left, right_id, sizeof(sizes) / sizeof(sizes[0])));
    assert_int_equal(rig_pair(left, right_id).errors, 0);
    assert_int_equal(rig_pair(right, left_id).errors, 0);
}

static void pair_exchanges(const struct rig_options *first, const struct rig_options *second)
{
    rig_start_pair(&one, first, &two, second);
    exchange(&one, &two);
    rig_stop(&one);
    rig_stop(&two);
}

/* ---- the way it goes ---- */

static void messages_of_every_size_pass_both_ways(void **state)
{
    const struct rig_options first = options_of(1);
    const struct rig_options second = options_of(2);

    (void)state;
    pair_exchanges(&first, &second);
}

static void a_node_of_the_network_and_one_of_the_file_system_meet(void **state)
{
    const struct rig_options network = rig_defaults(1);
    const struct rig_options files = options_of(2);
    const struct rig_options network_too = rig_defaults(2);
    const struct rig_options files_too = options_of(1);

    (void)state;
    pair_exchanges(&network, &files);
    pair_exchanges(&files_too, &network_too);
}

static void without_a_secret_it_is_enough_to_be_on_this_host(void **state)
{
    struct rig_options first = options_of(1);
    struct rig_options second = options_of(2);

    (void)state;
    first.secret = NULL;
    second.secret = NULL;
    pair_exchanges(&first, &second);
}

static void identity_comes_from_the_certificate_as_over_tcp(void **state)
{
    struct tr_ca *ca = certificates_ca("test");
    struct rig_options first = options_of(1);
    struct rig_options second = options_of(2);

    (void)state;
    first.tls = certificates_context(ca, TR_TLS_NODE, "n1");
    second.tls = certificates_context(ca, TR_TLS_NODE, "n2");
    pair_exchanges(&first, &second);
    tr_ca_destroy(ca);
}

static void a_broken_connection_is_resumed(void **state)
{
    const struct rig_options first = options_of(1);
    const struct rig_options second = options_of(2);
    uint64_t number = 0;

    (void)state;
    rig_start_pair(&one, &first, &two, &second);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(rig_send(&one, 2, 0, number++, 70000, 0), TROUPE_OK);
        rig_cut(i % 2 == 0 ? &one : &two, i % 2 == 0 ? 2 : 1);
        assert_int_equal(rig_send(&one, 2, 0, number++, 100, 0), TROUPE_OK);
        assert_true(rig_wait_messages(&two, 1, number));
    }
    assert_int_equal(rig_pair(&two, 1).errors, 0);
    assert_int_equal(rig_pair(&two, 1).losts, 0);
    rig_stop(&one);
    rig_stop(&two);
}

static void a_client_asks_by_the_file_system(void **state)
{
    const struct rig_options options = options_of(1);
    const struct tr_client_config config = {.host = hosts[1],
                                            .secret = (const uint8_t *)rig_secret,
                                            .secret_size = strlen(rig_secret),
                                            .timeout_ms = RIG_WAIT_MS};
    uint8_t *response = NULL;
    size_t size = 0;

    (void)state;
    rig_start(&one, &options);
    assert_int_equal(tr_client_call(&config, (const uint8_t *)"ab", 2, &response, &size),
                     TROUPE_OK);
    assert_int_equal(size, 4);
    assert_memory_equal(response, "abab", 4);
    free(response);
    rig_stop(&one);
    assert_int_equal(tr_client_call(&config, (const uint8_t *)"ab", 2, &response, &size),
                     TROUPE_E_NOT_FOUND);
}

/* ---- who has no right to be here ---- */

static void another_secret_is_refused_and_its_user_named(void **state)
{
    const struct rig_options first = options_of(1);
    struct rig_options second = options_of(2);
    char user[32];

    (void)state;
    second.secret = "another secret, of thirty-two bytes as well";
    rig_start(&one, &first);
    rig_start(&two, &second);
    rig_want(&two, &one);
    rig_want(&one, &two);
    assert_true(rig_wait_refusals(&one, 1));
    assert_true(rig_wait_refusals(&two, 1));
    assert_int_equal(rig_refusal(&one), TROUPE_E_AUTH);
    assert_int_equal(rig_pair(&one, 2).ups, 0);
    (void)snprintf(user, sizeof(user), "unix:uid=%u:", (unsigned)geteuid());
    /* Whichever was refused first, as the one that was dialled or the one that dialled. */
    assert_true(rig_refusal_says(&one, user) || rig_refusal_says(&one, hosts[2]));
    rig_stop(&one);
    rig_stop(&two);
}

static void one_user_has_as_many_unproven_connections_as_one_host(void **state)
{
    struct rig_options first = options_of(1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const uint64_t until_ms = rig_now_ms() + RIG_WAIT_MS;
    int strangers[TR_UNPROVEN_PER_ADDRESS_MAX + 8];
    const size_t count = sizeof(strangers) / sizeof(strangers[0]);
    struct tr_peers_counters counters = {0};

    (void)state;
    first.handshake_ms = 10 * RIG_WAIT_MS; /* nobody's time is over before all have come */
    rig_start(&one, &first);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of(1));
    for (size_t i = 0; i < count; i++) {
        strangers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(strangers[i], (const struct sockaddr *)&address, sizeof(address)),
                         0);
    }
    /* All are accepted by the kernel; the node has looked at each when it has counted each. */
    while (counters.accepted < count && rig_now_ms() < until_ms) {
        rig_counters(&one, &counters);
    }
    assert_int_equal(counters.accepted, count);
    assert_int_equal(counters.turned_away, count - TR_UNPROVEN_PER_ADDRESS_MAX);
    for (size_t i = 0; i < count; i++) {
        (void)close(strangers[i]);
    }
    rig_stop(&one);
}

/* ---- paths ---- */

static bool is_unreachable(const struct rig_pair *pair)
{
    return pair->unreachable >= 2;
}

/* As for a node of another host, whose row names a path there. */
static void a_socket_that_is_not_on_this_host_is_told_of_once(void **state)
{
    const struct rig_options options = rig_defaults(2);
    const struct rig_node elsewhere = {.options = {.node_id = 1}, .name = "n1", .host = hosts[1]};

    (void)state;
    rig_start(&two, &options);
    rig_want(&two, &elsewhere);
    assert_true(rig_wait(&two, 1, is_unreachable));
    assert_int_equal(rig_pair(&two, 1).refused_dials, 0); /* which proves no death */
    tr_mutex_lock(&two.lock);
    assert_int_equal(two.dial_lines, 1);
    assert_non_null(strstr(two.dial_line, hosts[1]));
    assert_non_null(strstr(two.dial_line, "no such socket here"));
    tr_mutex_unlock(&two.lock);
    rig_stop(&two);
}

static bool was_refused(const struct rig_pair *pair)
{
    return pair->refused_dials >= 1;
}

/* As kill -9 leaves it: the socket is there, and nobody behind it. */
static void what_a_dead_node_left_refuses_and_is_replaced(void **state)
{
    const struct rig_options first = options_of(1);
    const struct rig_options second = options_of(2);
    const struct rig_node dead = {.options = {.node_id = 1}, .name = "n1", .host = hosts[1]};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of(1));
    assert_int_equal(bind(left, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(left);
    rig_start(&two, &second);
    rig_want(&two, &dead);
    assert_true(rig_wait(&two, 1, was_refused));
    rig_start(&one, &first);
    rig_want(&one, &two);
    assert_true(rig_wait_ups(&two, 1, 1));
    assert_true(rig_wait_ups(&one, 2, 1));
    exchange(&one, &two);
    rig_stop(&one);
    rig_stop(&two);
}

static troupe_status listen_at(struct tr_peers *peers, char *why, size_t why_size)
{
    uint16_t port = 1;

    return tr_peers_listen(peers, &port, why, why_size);
}

static void a_living_node_keeps_its_path(void **state)
{
    const struct rig_options first = options_of(1);
    const struct tr_peers_events events = {0};
    struct tr_peers_config config = {.node_name = "n9", .listen_host = hosts[1]};
    struct tr_peers *peers = NULL;
    char why[256] = "";

    (void)state;
    rig_start(&one, &first);
    assert_int_equal(tr_loop_create(&config.loop), TROUPE_OK);
    assert_int_equal(tr_peers_create(&config, &events, &peers), TROUPE_OK);
    assert_int_equal(listen_at(peers, why, sizeof(why)), TROUPE_E_EXISTS);
    assert_non_null(strstr(why, path_of(1)));
    tr_peers_destroy(peers);
    assert_int_equal(access(path_of(1), F_OK), 0);
    rig_stop(&one);
    assert_int_equal(tr_peers_create(&config, &events, &peers), TROUPE_OK);
    assert_int_equal(listen_at(peers, why, sizeof(why)), TROUPE_OK);
    tr_peers_destroy(peers);
    tr_loop_destroy(config.loop);
}

static void the_socket_has_the_mode_that_is_asked_for(void **state)
{
    static const struct {
        uint32_t asked;
        mode_t found;
    } modes[] = {{0, 0600}, {0660, 0660}};
    const struct tr_peers_events events = {0};
    struct tr_peers_config config = {.node_name = "n1", .listen_host = hosts[1]};
    char why[256] = "";

    (void)state;
    assert_int_equal(tr_loop_create(&config.loop), TROUPE_OK);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct tr_peers *peers = NULL;
        struct stat its;

        config.listen_mode = modes[i].asked;
        assert_int_equal(tr_peers_create(&config, &events, &peers), TROUPE_OK);
        assert_int_equal(listen_at(peers, why, sizeof(why)), TROUPE_OK);
        assert_int_equal(stat(path_of(1), &its), 0);
        assert_int_equal(its.st_mode & 07777, modes[i].found);
        tr_peers_destroy(peers);
    }
    tr_loop_destroy(config.loop);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_of_every_size_pass_both_ways),
        TEST(a_node_of_the_network_and_one_of_the_file_system_meet),
        TEST(without_a_secret_it_is_enough_to_be_on_this_host),
        TEST(identity_comes_from_the_certificate_as_over_tcp),
        TEST(a_broken_connection_is_resumed),
        TEST(a_client_asks_by_the_file_system),
        TEST(another_secret_is_refused_and_its_user_named),
        TEST(one_user_has_as_many_unproven_connections_as_one_host),
        TEST(a_socket_that_is_not_on_this_host_is_told_of_once),
        TEST(what_a_dead_node_left_refuses_and_is_replaced),
        TEST(a_living_node_keeps_its_path),
        TEST(the_socket_has_the_mode_that_is_asked_for),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
