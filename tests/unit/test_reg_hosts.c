/* What is tested: pg/hosts: which names are looked up, and what libpq is given; io/resolve on
 * `localhost`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/loop.h"
#include "io/resolve.h"
#include "pg/hosts.h"

static struct reg_hosts hosts;

static void sockets_and_numbers_are_left_to_libpq(void **state)
{
    const char *const conninfos[] = {
        "host=/run/postgresql",
        "host=127.0.0.1 port=5432",
        "host=::1",
        "host=db.example hostaddr=10.0.0.1",
        "service=somewhere host=db.example",
        "postgresql:///troupe?host=/tmp",
    };
    struct reg_host_lists lists;

    (void)state;
    for (size_t index = 0; index < sizeof(conninfos) / sizeof(conninfos[0]); index++) {
        assert_int_equal(reg_hosts_read(&hosts, conninfos[index]), TROUPE_OK);
        assert_null(reg_hosts_unknown(&hosts));
        assert_int_equal(reg_hosts_format(&hosts, 0, &lists), TROUPE_OK);
        assert_null(lists.host);
        reg_hosts_fini(&hosts);
    }
}

static void each_address_of_a_name_is_tried_with_its_port(void **state)
{
    const struct tr_address two[] = {{"10.0.0.1"}, {"fd00::1"}};
    const struct tr_address one[] = {{"10.0.0.9"}};
    struct reg_host_lists lists;

    (void)state;
    assert_int_equal(reg_hosts_read(&hosts, "host=a.example,/tmp,b.example port=1,2,3"), TROUPE_OK);
    assert_string_equal(reg_hosts_unknown(&hosts), "a.example");
    reg_hosts_found(&hosts, two, 2);
    assert_string_equal(reg_hosts_unknown(&hosts), "b.example");
    reg_hosts_found(&hosts, one, 1);
    assert_null(reg_hosts_unknown(&hosts));
    assert_int_equal(reg_hosts_format(&hosts, 0, &lists), TROUPE_OK);
    assert_string_equal(lists.host, "a.example,a.example,/tmp,b.example");
    assert_string_equal(lists.hostaddr, "10.0.0.1,fd00::1,,10.0.0.9");
    assert_string_equal(lists.port, "1,1,2,3");
    reg_host_lists_fini(&lists);
    reg_hosts_fini(&hosts);
}

static void a_name_without_an_address_is_left_out(void **state)
{
    const struct tr_address one[] = {{"10.0.0.9"}};
    struct reg_host_lists lists;

    (void)state;
    assert_int_equal(reg_hosts_read(&hosts, "postgres://me@a.example,b.example:7/db"), TROUPE_OK);
    reg_hosts_found(&hosts, NULL, 0);
    assert_int_equal(reg_hosts_format(&hosts, 0, &lists), TROUPE_E_NOT_FOUND);
    reg_host_lists_fini(&lists);
    reg_hosts_found(&hosts, one, 1);
    assert_int_equal(reg_hosts_format(&hosts, 0, &lists), TROUPE_OK);
    assert_string_equal(lists.host, "b.example");
    assert_string_equal(lists.hostaddr, "10.0.0.9");
    assert_string_equal(lists.port, "7");
    reg_host_lists_fini(&lists);
    reg_hosts_fini(&hosts);
}

static void another_host_comes_first_at_each_try(void **state)
{
    const char *const expected[] = {"a,10.0.0.1,/tmp", "10.0.0.1,/tmp,a", "/tmp,a,10.0.0.1",
                                    "a,10.0.0.1,/tmp"};
    const char *const ports[] = {"1,2,3", "2,3,1", "3,1,2", "1,2,3"};
    const struct tr_address one[] = {{"10.0.0.9"}};
    struct reg_host_lists lists;

    (void)state;
    assert_int_equal(reg_hosts_read(&hosts, "host=a,10.0.0.1,/tmp port=1,2,3"), TROUPE_OK);
    assert_string_equal(reg_hosts_unknown(&hosts), "a");
    reg_hosts_found(&hosts, one, 1);
    assert_null(reg_hosts_unknown(&hosts));
    for (size_t tries = 0; tries < 4; tries++) {
        assert_int_equal(reg_hosts_format(&hosts, tries, &lists), TROUPE_OK);
        assert_string_equal(lists.host, expected[tries]);
        assert_string_equal(lists.port, ports[tries]);
        reg_host_lists_fini(&lists);
    }
    reg_hosts_fini(&hosts);
}

/* ---- the look-up ---- */

struct found {
    unsigned calls;
    troupe_status status;
    size_t count;
    char first[TR_ADDRESS_TEXT_SIZE];
};

static void on_found(void *context, troupe_status status, const struct tr_address *addresses,
                     size_t count)
{
    struct found *found = context;

    found->calls++;
    found->status = status;
    found->count = count;
    if (count > 0) {
        memcpy(found->first, addresses[0].text, sizeof(found->first));
    }
}

static void localhost_has_an_address_and_nonsense_has_none(void **state)
{
    struct tr_loop *loop = NULL;
    struct tr_resolve *resolve = NULL;
    struct found found = {0};
    struct found nothing = {0};
    struct found cancelled = {0};

    (void)state;
    assert_int_equal(tr_loop_create(&loop), TROUPE_OK);
    assert_int_equal(tr_resolve_start(loop, "localhost", on_found, &found, &resolve), TROUPE_OK);
    assert_int_equal(tr_resolve_start(loop, "localhost", on_found, &cancelled, &resolve),
                     TROUPE_OK);
    tr_resolve_cancel(resolve);
    assert_int_equal(tr_resolve_start(loop, "256.256.256.256", on_found, &nothing, &resolve),
                     TROUPE_OK);
    tr_loop_stop(loop); /* it ends when the look-ups have */
    tr_loop_run(loop);
    tr_loop_destroy(loop);
    assert_int_equal(found.calls, 1);
    assert_int_equal(found.status, TROUPE_OK);
    assert_true(strcmp(found.first, "127.0.0.1") == 0 || strcmp(found.first, "::1") == 0);
    assert_int_equal(cancelled.calls, 0);
    assert_int_equal(nothing.calls, 1);
    assert_true(nothing.status != TROUPE_OK);
    assert_int_equal(nothing.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_and_numbers_are_left_to_libpq),
        cmocka_unit_test(each_address_of_a_name_is_tried_with_its_port),
        cmocka_unit_test(a_name_without_an_address_is_left_out),
        cmocka_unit_test(another_host_comes_first_at_each_try),
        cmocka_unit_test(localhost_has_an_address_and_nonsense_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
