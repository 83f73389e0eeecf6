/* What is tested: which addresses count as one stranger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dist/stranger.h"

static void assert_printed(const char *address, const char *expected)
{
    const struct tr_stranger stranger = tr_stranger_of(address);
    char text[64];

    tr_stranger_print(&stranger, text, sizeof(text));
    assert_string_equal(text, expected);
}

static bool same(const char *one, const char *other)
{
    const struct tr_stranger a = tr_stranger_of(one);
    const struct tr_stranger b = tr_stranger_of(other);
    const bool equal = tr_stranger_equal(&a, &b);

    assert_int_equal(tr_stranger_equal(&b, &a), equal);
    assert_true(!equal || tr_stranger_hash(&a) == tr_stranger_hash(&b));
    return equal;
}

static void ipv4_counts_by_address_also_when_mapped(void **state)
{
    (void)state;
    assert_true(same("10.0.0.7:1", "10.0.0.7:65535"));
    assert_true(same("10.0.0.7:1", "::ffff:10.0.0.7:2"));
    assert_false(same("10.0.0.7:1", "10.0.0.8:1"));
    assert_false(same("::ffff:10.0.0.7:1", "::ffff:10.0.0.8:1"));
    assert_false(same("10.0.0.7:1", "10.0.0.77:1"));
    assert_printed("10.0.0.7:1", "10.0.0.7");
    assert_printed("::ffff:10.0.0.7:1", "10.0.0.7");
}

static void ipv6_counts_by_its_64(void **state)
{
    (void)state;
    assert_true(same("2001:db8:1:2:3:4:5:6:1", "2001:db8:1:2:ffff::1:2"));
    assert_true(same("2001:db8:1:2::1:1", "2001:db8:1:2:8000::1:1"));
    assert_false(same("2001:db8:1:2::1:1", "2001:db8:1:3::1:1"));
    assert_false(same("2001:db8:1:2::1:1", "2001:db9:1:2::1:1"));
    assert_true(same("::1:5", "::2:5")); /* the first /64, with the loopback's address */
    assert_true(same("fe80::1:5", "fe80::aaaa:bbbb:5"));
    assert_printed("2001:db8:1:2:3:4:5:6:1", "2001:db8:1:2::/64");
    assert_printed("::1:5", "::/64");
}

static void a_unix_socket_counts_by_its_user_or_path(void **state)
{
    (void)state;
    assert_true(same("unix:uid=1000:pid=1", "unix:uid=1000:pid=2"));
    assert_false(same("unix:uid=1000:pid=1", "unix:uid=1001:pid=1"));
    assert_false(same("unix:/run/a:1", "unix:/run/a:2"));
    assert_printed("unix:uid=1000:pid=1", "unix:uid=1000");
    assert_printed("unix:/run/a:1", "unix:/run/a:1");
}

/* A host of a configuration may be a name; and what cannot be read is told from an IPv6 net. */
static void other_text_counts_as_itself(void **state)
{
    (void)state;
    assert_true(same("node.example:1", "node.example:2"));
    assert_false(same("node.example:1", "other.example:1"));
    assert_false(same("?:0", "::1:0"));
    assert_false(same("a:b:c:d:1", "::1"));
    assert_printed("?:0", "?");
    assert_printed("", "");
    assert_printed("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:1",
                   "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_counts_by_address_also_when_mapped),
        cmocka_unit_test(ipv6_counts_by_its_64),
        cmocka_unit_test(a_unix_socket_counts_by_its_user_or_path),
        cmocka_unit_test(other_text_counts_as_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
