/* What is tested: pg/conninfo - what may be shown of a connection string - and pg/pg_sync:
 * connecting, deadlines, errors and what is known of a result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/conninfo.h"
#include "support/pg.h"

static void the_printable_form_has_no_password(void **state)
{
    static const struct {
        const char *text;
        const char *printable;
        bool has_secret;
    } cases[] = {
        {"", "", false},
        {"troupe", "dbname=troupe", false},
        {"host=db user=me password=hunter2 dbname=t", "user=me dbname=t host=db", true},
        {"postgres://me:hunter2@db:5433/t", "user=me dbname=t host=db port=5433", true},
        {"postgresql://db/t?password=hunter2", "dbname=t host=db", true},
        {"host='/tmp/a b' dbname='it\\'s'", "dbname='it\\'s' host='/tmp/a b'", false},
        {"sslpassword=hunter2 host=db", "host=db", true},
        {"passfile=/etc/hunter2 host=db", "host=db", false},
    };

    (void)state;
    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        struct reg_conninfo *conninfo = NULL;

        assert_int_equal(reg_conninfo_create(cases[index].text, &conninfo), TROUPE_OK);
        assert_string_equal(reg_conninfo_printable(conninfo), cases[index].printable);
        assert_string_equal(reg_conninfo_text(conninfo), cases[index].text);
        assert_int_equal(reg_conninfo_has_secret(conninfo), cases[index].has_secret);
        reg_conninfo_destroy(conninfo);
    }
}

static void what_is_no_connection_string_is_refused(void **state)
{
    static const char *const cases[] = {"host=db hunter2", "nonsense=1", "postgres://[::1", "a b",
                                        "password='open"};

    (void)state;
    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        struct reg_conninfo *conninfo = NULL;
        struct reg_sync *sync = NULL;

        assert_int_equal(reg_conninfo_create(cases[index], &conninfo), TROUPE_E_INVALID);
        assert_null(conninfo);
        if (strchr(cases[index], '=') != NULL) {
            assert_int_equal(reg_sync_connect(cases[index], NULL, 1000, &sync), TROUPE_E_INVALID);
            assert_null(strstr(reg_sync_error(sync), "hunter2"));
            reg_sync_close(sync);
        }
    }
}

static int setup(void **state)
{
    *state = pg_server_start();
    return 0;
}

static int teardown(void **state)
{
    pg_server_stop(*state);
    return 0;
}

static void assert_connect(const char *conninfo, troupe_status expected)
{
    struct reg_sync *sync = NULL;
    const troupe_status status = reg_sync_connect(conninfo, "test", PG_TIMEOUT_MS, &sync);

    if (status != expected) {
        fail_msg("%s: %s: %s", conninfo, troupe_status_text(status), reg_sync_error(sync));
    }
    assert_true(reg_sync_error(sync)[0] != '\0');
    /* A connection that never was answers everything with an error. */
    assert_int_equal(reg_sync_exec(sync, "SELECT 1", 0, NULL, 1000), TROUPE_E_CLOSED);
    assert_int_equal(reg_result_count(reg_sync_result(sync)), 0);
    reg_sync_close(sync);
}

static void each_way_not_to_connect_has_its_status(void **state)
{
    char conninfo[PG_CONNINFO_SIZE];

    assert_connect("host=/nowhere/at/all dbname=troupe user=troupe", TROUPE_E_REGISTRY);
    assert_connect("host=127.0.0.1 port=1 dbname=troupe user=troupe", TROUPE_E_REGISTRY);
    pg_server_conninfo_as(*state, "troupe", "nobody_of_that_name", conninfo);
    assert_connect(conninfo, TROUPE_E_AUTH);
    pg_server_conninfo_as(*state, "no_such_database", "troupe", conninfo);
    assert_connect(conninfo, TROUPE_E_SCHEMA);
}

static void a_statement_that_is_not_answered_in_time_ends_the_connection(void **state)
{
    struct reg_sync *sync = pg_connect(pg_server_conninfo(*state));

    assert_int_equal(reg_sync_exec(sync, "SELECT pg_sleep(600)", 0, NULL, 50), TROUPE_E_TIMEOUT);
    assert_int_equal(reg_sync_exec(sync, "SELECT 1", 0, NULL, 1000), TROUPE_E_CLOSED);
    reg_sync_close(sync);
}

static void a_server_that_goes_away_is_noticed(void **state)
{
    struct reg_sync *victim = pg_connect(pg_server_conninfo(*state));
    struct reg_sync *killer = pg_connect(pg_server_conninfo(*state));
    troupe_status status = TROUPE_OK;

    assert_int_equal(reg_sync_send(victim, "SELECT pg_sleep(600)", 0, NULL), TROUPE_OK);
    assert_string_equal(pg_one(killer, "SELECT pg_terminate_backend($1)",
                               PG_VALUES(pg_text(reg_sync_server_pid(victim)))),
                        "t");
    status = reg_sync_receive(victim, PG_TIMEOUT_MS);
    assert_int_equal(status, TROUPE_E_REGISTRY);
    assert_string_equal(reg_sync_result(victim)->sqlstate, "57P01");
    assert_int_equal(reg_sync_exec(victim, "SELECT 1", 0, NULL, 1000), TROUPE_E_CLOSED);
    reg_sync_close(victim);
    reg_sync_close(killer);
}

static void errors_come_with_detail_and_hint_and_the_connection_goes_on(void **state)
{
    struct reg_sync *sync = pg_connect(pg_server_conninfo(*state));

    assert_int_equal(
        reg_sync_exec(sync,
                      "DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'because', HINT = "
                      "'do it otherwise', ERRCODE = '23505'; END $$",
                      0, NULL, PG_TIMEOUT_MS),
        TROUPE_E_EXISTS);
    assert_non_null(strstr(reg_sync_error(sync), "no\nDETAIL: because\nHINT: do it otherwise"));
    assert_string_equal(reg_sync_result(sync)->text, "no");
    assert_string_equal(pg_one(sync, "SELECT 'on'", PG_NONE), "on");
    assert_string_equal(reg_sync_error(sync), "");
    reg_sync_close(sync);
}

static void large_statements_and_results_go_both_ways(void **state)
{
    enum { SIZE = 8 * 1024 * 1024 };
    struct reg_sync *sync = pg_connect(pg_server_conninfo(*state));
    char *text = malloc(SIZE + 1);

    assert_non_null(text);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    assert_string_equal(pg_one(sync, "SELECT $1::text", PG_VALUES(text)), text);
    free(text);
    reg_sync_close(sync);
}

static void a_result_tells_its_columns(void **state)
{
    static const enum reg_column_kind kinds[] = {REG_COLUMN_BIGINT, REG_COLUMN_NUMBER,
                                                 REG_COLUMN_TEXT,   REG_COLUMN_BOOL,
                                                 REG_COLUMN_JSON,   REG_COLUMN_NUMBER};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    struct reg_sync *sync = pg_connect(pg_server_conninfo(*state));

    pg_run(sync,
           "SELECT 9007199254740993::bigint a, 1.5::numeric b, now() c, true d, '{}'::jsonb e, "
           "1::int f",
           PG_NONE);
    assert_int_equal(reg_sync_column_count(sync), 6);
    for (int column = 0; column < 6; column++) {
        assert_string_equal(reg_sync_column_name(sync, column), names[column]);
        assert_int_equal(reg_sync_column_kind(sync, column), kinds[column]);
    }
    assert_string_equal(reg_sync_column_name(sync, 6), "");
    reg_sync_close(sync);
}

static void count_notice(void *context, const char *text)
{
    int *count = context;

    assert_string_equal(text, "look out");
    (*count)++;
}

static void notices_go_to_who_asked_for_them(void **state)
{
    struct reg_sync *sync = pg_connect(pg_server_conninfo(*state));
    int count = 0;

    pg_run(sync, "DO $$ BEGIN RAISE NOTICE 'unheard'; END $$", PG_NONE);
    reg_sync_set_notice(sync, count_notice, &count);
    pg_run(sync, "DO $$ BEGIN RAISE NOTICE 'look out'; END $$", PG_NONE);
    assert_int_equal(count, 1);
    reg_sync_close(sync);
}

static void waiting_for_a_notification_ends_by_its_deadline(void **state)
{
    struct reg_sync *sync = pg_connect(pg_server_conninfo(*state));
    struct reg_notification note = {0};

    pg_run(sync, "LISTEN a", PG_NONE);
    assert_int_equal(reg_sync_notification(sync, 20, &note), TROUPE_E_TIMEOUT);
    pg_run(sync, "NOTIFY a, 'b'", PG_NONE);
    assert_int_equal(reg_sync_notification(sync, PG_TIMEOUT_MS, &note), TROUPE_OK);
    assert_string_equal(note.channel, "a");
    assert_string_equal(note.payload, "b");
    assert_int_equal(note.server_pid, reg_sync_server_pid(sync));
    reg_sync_close(sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_printable_form_has_no_password),
        cmocka_unit_test(what_is_no_connection_string_is_refused),
        cmocka_unit_test(each_way_not_to_connect_has_its_status),
        cmocka_unit_test(a_statement_that_is_not_answered_in_time_ends_the_connection),
        cmocka_unit_test(a_server_that_goes_away_is_noticed),
        cmocka_unit_test(errors_come_with_detail_and_hint_and_the_connection_goes_on),
        cmocka_unit_test(large_statements_and_results_go_both_ways),
        cmocka_unit_test(a_result_tells_its_columns),
        cmocka_unit_test(notices_go_to_who_asked_for_them),
        cmocka_unit_test(waiting_for_a_notification_ends_by_its_deadline),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
