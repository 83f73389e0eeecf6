/* What is tested: addresses of both kinds, as text and as parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/host.h"

static void the_path_of_a_unix_socket_is_told_from_a_host(void **state)
{
    (void)state;
    assert_string_equal(tr_host_unix_path("unix:/run/troupe/n1"), "/run/troupe/n1");
    assert_string_equal(tr_host_unix_path("unix:"), "");
    assert_null(tr_host_unix_path("unix"));
    assert_null(tr_host_unix_path("127.0.0.1"));
    assert_null(tr_host_unix_path("fd00::5"));
    assert_null(tr_host_unix_path("/run/troupe/n1"));
    assert_null(tr_host_unix_path(""));
}

static void paths_that_no_socket_can_have_are_known(void **state)
{
    (void)state;
    assert_null(tr_unix_path_fault("/s"));
    assert_null(tr_unix_path_fault("/run/troupe/with a space:and=signs"));
    assert_null(tr_unix_path_fault("/run/\xc3\xa4"));
    assert_non_null(tr_unix_path_fault(""));
    assert_non_null(tr_unix_path_fault("relative"));
    assert_non_null(tr_unix_path_fault("./relative"));
    assert_non_null(tr_unix_path_fault("/"));
    assert_non_null(tr_unix_path_fault("/run/"));
    assert_non_null(tr_unix_path_fault("/a\nb"));
    assert_non_null(tr_unix_path_fault("/a\x7f"));
    assert_non_null(tr_unix_path_fault("/a\xff"));
}

static void a_path_has_at_most_107_bytes(void **state)
{
    char path[120];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[107] = '\0';
    assert_null(tr_unix_path_fault(path));
    path[107] = 'x';
    path[108] = '\0';
    assert_string_equal(tr_unix_path_fault(path),
                        "the path of a unix socket has at most 107 bytes");
}

static void only_what_can_be_dialled_is_an_address(void **state)
{
    (void)state;
    assert_true(tr_address_is_good("127.0.0.1", 1));
    assert_true(tr_address_is_good("node.example", 65535));
    assert_true(tr_address_is_good("unix:/s", 0));
    assert_false(tr_address_is_good("127.0.0.1", 0));
    assert_false(tr_address_is_good("", 1));
    assert_false(tr_address_is_good("unix:/s", 1));
    assert_false(tr_address_is_good("unix:s", 0));
    assert_false(tr_address_is_good("unix:", 0));
}

static void prints(const char *host, uint16_t port, const char *expected)
{
    char text[64];

    tr_address_print(host, port, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void addresses_are_printed_as_people_write_them(void **state)
{
    char small[8];

    (void)state;
    prints("127.0.0.1", 7700, "127.0.0.1:7700");
    prints("node.example", 1, "node.example:1");
    prints("fd00::5", 7700, "[fd00::5]:7700");
    prints("unix:/run/n1", 0, "unix:/run/n1");
    tr_address_print("unix:/run/n1", 0, small, sizeof(small));
    assert_string_equal(small, "unix:/r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_of_a_unix_socket_is_told_from_a_host),
        cmocka_unit_test(paths_that_no_socket_can_have_are_known),
        cmocka_unit_test(a_path_has_at_most_107_bytes),
        cmocka_unit_test(only_what_can_be_dialled_is_an_address),
        cmocka_unit_test(addresses_are_printed_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
