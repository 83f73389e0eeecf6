/* What is tested: which address a node tells others to dial, and what the kernel says about the
 * addresses of this host. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/local_address.h"
#include "io/stream.h"
#include "node/address.h"
#include "support/fake_registry.h"
#include "troupe/registry.h"

static const uint8_t secret[32] = "a secret of thirty-two bytes....";

static void addresses_for_all_interfaces_are_known(void **state)
{
    (void)state;
    assert_true(tr_host_is_any("0.0.0.0"));
    assert_true(tr_host_is_any("::"));
    assert_true(tr_host_is_any("0::0"));
    assert_false(tr_host_is_any("127.0.0.1"));
    assert_false(tr_host_is_any("::1"));
    assert_false(tr_host_is_any("db.example"));
    assert_false(tr_host_is_any(""));
}

static void a_socket_tells_its_own_end(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(address);
    char text[TR_ADDRESS_TEXT_SIZE] = "";
    int pair[2] = {-1, -1};

    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, size), 0);
    assert_true(tr_socket_local_host(client, text));
    assert_string_equal(text, "127.0.0.1");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(tr_socket_local_host(pair[0], text));
    assert_false(tr_socket_local_host(-1, text));
    (void)close(pair[0]);
    (void)close(pair[1]);
    (void)close(client);
    (void)close(listener);
}

static void the_first_interface_is_no_loopback(void **state)
{
    char text[TR_ADDRESS_TEXT_SIZE] = "";

    (void)state;
    if (tr_local_host_first(false, text)) {
        assert_false(tr_host_is_loopback(text));
        assert_false(tr_host_is_ipv6(text));
    } else {
        assert_string_equal(text, "");
    }
}

/* A node that listens there and was told to advertise this, joined at the registry in memory. */
static troupe_node *start(struct fake_cluster *cluster, const char *listen, const char *advertised)
{
    troupe_config config;
    troupe_node *node = NULL;
    char error[256] = "";

    troupe_config_init(&config);
    config.name = "n1";
    config.workers = 1;
    config.listen_host = listen;
    config.advertise_host = advertised;
    config.secret = (troupe_bytes){secret, sizeof(secret)};
    config.registry = fake_registry_create(cluster);
    assert_int_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_OK);
    return node;
}

static void advertises(const char *listen, const char *advertised, const char *expected)
{
    struct fake_cluster *cluster = fake_cluster_create();
    troupe_node *node = start(cluster, listen, advertised);
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(node, &info);
    assert_string_equal(info.advertise_host, expected);
    troupe_node_stop(node, 5000);
    fake_cluster_destroy(cluster);
}

static void what_is_listened_on_is_advertised(void **state)
{
    (void)state;
    advertises("127.0.0.1", NULL, "127.0.0.1");
    advertises("127.0.0.2", "auto", "127.0.0.2");
}

static void what_was_told_is_advertised(void **state)
{
    (void)state;
    advertises("127.0.0.1", "node.example", "node.example");
    advertises("0.0.0.0", "node.example", "node.example");
}

/* The registry in memory is reached without a network, as one by a unix socket is. */
static void on_all_interfaces_the_first_is_advertised(void **state)
{
    char first[TR_ADDRESS_TEXT_SIZE] = "127.0.0.1";

    (void)state;
    (void)tr_local_host_first(false, first);
    advertises("0.0.0.0", NULL, first);
    advertises("0.0.0.0", "auto", first);
}

static void where_the_registry_is_reached_from_is_advertised_anew_each_time(void **state)
{
    struct troupe_node node = {.listen_host = "0.0.0.0"};
    char first[TR_ADDRESS_TEXT_SIZE] = "127.0.0.1";

    (void)state;
    (void)tr_local_host_first(false, first);
    tr_mutex_init(&node.state_mutex);
    tr_address_init(&node, "auto");
    assert_string_equal(tr_address_on_reached(&node, "172.18.0.5"), "172.18.0.5");
    assert_string_equal(tr_address_on_reached(&node, "172.18.0.9"), "172.18.0.9");
    assert_string_equal(tr_address_on_reached(&node, "127.0.0.1"), first);
    assert_string_equal(tr_address_on_reached(&node, "fd00::5"), first); /* it listens on IPv4 */
    (void)snprintf(node.listen_host, sizeof(node.listen_host), "::");
    tr_address_init(&node, NULL);
    assert_string_equal(tr_address_on_reached(&node, "fd00::5"), "fd00::5");
    assert_string_equal(tr_address_on_reached(&node, "172.18.0.5"), "172.18.0.5");
    tr_mutex_fini(&node.state_mutex);
}

static void a_unix_socket_is_advertised_by_its_path_or_another(void **state)
{
    char host[64];
    char lock_path[80];

    (void)state;
    (void)snprintf(host, sizeof(host), "unix:/tmp/troupe_address_%d", (int)getpid());
    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", host + strlen("unix:"));
    advertises(host, NULL, host);
    advertises(host, "auto", host);
    advertises(host, "unix:/elsewhere/n1", "unix:/elsewhere/n1");
    assert_int_equal(access(host + strlen("unix:"), F_OK), -1);
    assert_int_equal(access(lock_path, F_OK), -1);
}

/* Answers what starting such a node says. */
static const char *refusal(const char *listen, uint16_t port, const char *advertised, uint32_t mode)
{
    static char error[512];
    struct fake_cluster *cluster = fake_cluster_create();
    troupe_config config;
    troupe_node *node = NULL;

    troupe_config_init(&config);
    config.name = "n1";
    config.workers = 1;
    config.listen_host = listen;
    config.listen_port = port;
    config.listen_mode = mode;
    config.advertise_host = advertised;
    config.registry = fake_registry_create(cluster);
    assert_int_not_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_OK);
    fake_cluster_destroy(cluster);
    return error;
}

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, words);
    }
}

static void addresses_that_cannot_be_are_refused_with_words(void **state)
{
    char lengthy[400];

    (void)state;
    (void)snprintf(lengthy, sizeof(lengthy), "unix:/%0107d", 1);
    says(refusal(lengthy, 0, NULL, 0), "107 bytes");
    says(refusal(lengthy, 0, NULL, 0), lengthy + strlen("unix:"));
    says(refusal("unix:n1", 0, NULL, 0), "begins with /");
    says(refusal("unix:/tmp/n1", 7700, NULL, 0), "no port");
    says(refusal("unix:/tmp/n1", 0, NULL, 0777), "listen_mode");
    says(refusal("unix:/tmp/n1", 0, "10.0.0.1", 0), "cannot advertise 10.0.0.1");
    says(refusal("unix:/tmp/n1", 0, "unix:n1", 0), "begins with /");
    says(refusal("127.0.0.1", 0, "unix:/tmp/n1", 0), "cannot advertise unix:/tmp/n1");
    says(refusal("unix:/tmp/no/such/directory", 0, NULL, 0), "/tmp/no/such");
    says(refusal("0.0.0.0", 0, NULL, 0), "only on loopback");
    (void)snprintf(lengthy, sizeof(lengthy), "%0300d", 1);
    says(refusal(lengthy, 0, NULL, 0), "112 bytes");
    says(refusal("127.0.0.1", 0, lengthy, 0), "255 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_for_all_interfaces_are_known),
        cmocka_unit_test(a_socket_tells_its_own_end),
        cmocka_unit_test(the_first_interface_is_no_loopback),
        cmocka_unit_test(what_is_listened_on_is_advertised),
        cmocka_unit_test(what_was_told_is_advertised),
        cmocka_unit_test(a_unix_socket_is_advertised_by_its_path_or_another),
        cmocka_unit_test(addresses_that_cannot_be_are_refused_with_words),
        cmocka_unit_test(on_all_interfaces_the_first_is_advertised),
        cmocka_unit_test(where_the_registry_is_reached_from_is_advertised_anew_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
