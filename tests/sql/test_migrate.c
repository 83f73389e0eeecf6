/* What is tested: pg/migrate - each file runs once whoever starts when, in whole or not at all, and
 * what does not fit is refused with words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg/migrate.h"
#include "support/pg.h"

enum { RUNNERS = 5, FILES_MAX = 16 };

struct fixture {
    struct pg_server *server;
    struct reg_sync *super; /* a superuser of the database `postgres` */
    char conninfo[PG_CONNINFO_SIZE];
    struct reg_sql_file files[FILES_MAX];
    struct reg_migrations migrations;
    char sha256[65];
};

static int group_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->server = pg_server_start();
    *state = fixture;
    return 0;
}

static int group_teardown(void **state)
{
    struct fixture *fixture = *state;

    pg_server_stop(fixture->server);
    free(fixture);
    return 0;
}

/* A database of its own for each test, and a copy of the list of files that it may change. */
static int setup(void **state)
{
    static int number;
    struct fixture *fixture = *state;
    char name[32];
    char statement[128];

    (void)snprintf(name, sizeof(name), "migrate_%d", ++number);
    (void)snprintf(statement, sizeof(statement), "%s %s OWNER troupe TEMPLATE template0",
                   "CREATE DATABASE", name);
    pg_server_conninfo_as(fixture->server, "postgres", "postgres", fixture->conninfo);
    fixture->super = pg_connect(fixture->conninfo);
    pg_run(fixture->super, statement, PG_NONE);
    pg_server_conninfo_as(fixture->server, name, "troupe", fixture->conninfo);
    assert_true(reg_migrations_builtin.count < FILES_MAX);
    memcpy(fixture->files, reg_migrations_builtin.files,
           reg_migrations_builtin.count * sizeof(fixture->files[0]));
    fixture->migrations = (struct reg_migrations){fixture->files, reg_migrations_builtin.count};
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    reg_sync_close(fixture->super);
    return 0;
}

/* Adds a file to the fixture's list. */
static void add_file(struct fixture *fixture, const char *name, const char *text)
{
    (void)snprintf(fixture->sha256, sizeof(fixture->sha256), "%s",
                   pg_one(fixture->super, "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')",
                          PG_VALUES(text)));
    fixture->files[fixture->migrations.count++] =
        (struct reg_sql_file){name, text, strlen(text), fixture->sha256};
}

static troupe_status apply(const struct fixture *fixture, struct reg_migrate_report *report)
{
    struct reg_sync *sync = pg_connect(fixture->conninfo);
    const troupe_status status =
        reg_migrate_apply(sync, &fixture->migrations, PG_TIMEOUT_MS, report);

    reg_sync_close(sync);
    return status;
}

static troupe_status check(const char *conninfo, const struct reg_migrations *migrations,
                           struct reg_migrate_report *report)
{
    struct reg_sync *sync = pg_connect(conninfo);
    const troupe_status status = reg_migrate_check(sync, migrations, PG_TIMEOUT_MS, report);

    reg_sync_close(sync);
    return status;
}

static void an_empty_database_gets_everything_and_a_full_one_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};
    const int latest = (int)reg_migrations_builtin.count;

    assert_int_equal(check(fixture->conninfo, &fixture->migrations, &report), TROUPE_E_NOT_FOUND);
    assert_int_equal(report.version, 0);
    assert_int_equal(report.latest, latest);
    assert_non_null(strstr(report.error, "no schema"));
    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    assert_int_equal(report.applied, latest);
    assert_int_equal(report.version, latest);
    assert_string_equal(report.error, "");
    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    assert_int_equal(report.applied, 0);
    assert_int_equal(check(fixture->conninfo, &fixture->migrations, &report), TROUPE_OK);
    assert_int_equal(report.version, latest);
}

static void five_that_start_at_once_do_it_once(void **state)
{
    struct fixture *fixture = *state;
    struct reg_sync *sync = NULL;
    pid_t runners[RUNNERS];
    int applied = 0;

    for (size_t index = 0; index < RUNNERS; index++) {
        runners[index] = fork();
        assert_true(runners[index] >= 0);
        if (runners[index] == 0) {
            struct reg_migrate_report report = {0};

            /* The exit status tells how many files this one ran. */
            _exit(apply(fixture, &report) == TROUPE_OK ? report.applied : 99);
        }
    }
    for (size_t index = 0; index < RUNNERS; index++) {
        int status = 0;

        assert_int_equal(waitpid(runners[index], &status, 0), runners[index]);
        assert_true(WIFEXITED(status));
        assert_int_not_equal(WEXITSTATUS(status), 99);
        applied += WEXITSTATUS(status);
    }
    assert_int_equal(applied, reg_migrations_builtin.count);
    sync = pg_connect(fixture->conninfo);
    assert_int_equal(pg_number(sync, "SELECT count(*) FROM troupe.migrations", PG_NONE),
                     reg_migrations_builtin.count);
    reg_sync_close(sync);
}

static void a_file_that_fails_leaves_nothing_and_the_ones_before_it_stay(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};
    struct reg_sync *sync = NULL;

    add_file(fixture, "0014_broken",
             "CREATE TABLE troupe.half (a int); INSERT INTO troupe.half VALUES (1); SELECT 1 / 0;");
    assert_int_equal(apply(fixture, &report), TROUPE_E_INVALID);
    assert_int_equal(report.applied, 13);
    assert_int_equal(report.version, 13);
    assert_non_null(strstr(report.error, "0014_broken"));
    assert_non_null(strstr(report.error, "division by zero"));
    sync = pg_connect(fixture->conninfo);
    assert_string_equal(pg_one(sync, "SELECT to_regclass('troupe.half') IS NULL", PG_NONE), "t");
    assert_int_equal(pg_number(sync, "SELECT max(id) FROM troupe.migrations", PG_NONE), 13);
    reg_sync_close(sync);
    assert_int_equal(check(fixture->conninfo, &fixture->migrations, &report), TROUPE_E_NOT_FOUND);
    assert_non_null(strstr(report.error, "at migration 13, this program needs 14"));
    /* Mended, it goes on from there. */
    fixture->migrations.count--;
    add_file(fixture, "0014_mended", "CREATE TABLE troupe.half (a int);");
    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    assert_int_equal(report.applied, 1);
}

static void a_file_that_was_changed_after_it_was_applied_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};
    struct reg_sync *sync = NULL;

    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    fixture->files[2].sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    assert_int_equal(apply(fixture, &report), TROUPE_E_SCHEMA);
    assert_non_null(
        strstr(report.error, "migration 3 (0003_durable) was applied with another text"));
    /* Also while there is something to do. */
    add_file(fixture, "0014_more", "CREATE TABLE troupe.more (a int);");
    assert_int_equal(apply(fixture, &report), TROUPE_E_SCHEMA);
    assert_int_equal(report.applied, 0);
    sync = pg_connect(fixture->conninfo);
    assert_string_equal(pg_one(sync, "SELECT to_regclass('troupe.more') IS NULL", PG_NONE), "t");
    reg_sync_close(sync);
}

static void a_schema_of_a_later_version_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};

    add_file(fixture, "0014_later", "CREATE TABLE troupe.later (a int);");
    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    fixture->migrations.count--;
    assert_int_equal(apply(fixture, &report), TROUPE_E_SCHEMA);
    assert_non_null(
        strstr(report.error, "schema too new: the database has migration 14 (0014_later)"));
    assert_int_equal(check(fixture->conninfo, &fixture->migrations, &report), TROUPE_E_SCHEMA);
    assert_non_null(strstr(report.error, "schema too new"));
}

static void the_sums_in_the_database_are_those_of_the_files(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};
    struct reg_sync *sync = NULL;

    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    sync = pg_connect(fixture->conninfo);
    for (size_t index = 0; index < reg_migrations_builtin.count; index++) {
        const struct reg_sql_file *file = &reg_migrations_builtin.files[index];

        assert_int_equal(strlen(file->text), file->size);
        assert_string_equal(pg_one(sync, "SELECT sha256 FROM troupe.migrations WHERE name = $1",
                                   PG_VALUES(file->name)),
                            file->sha256);
    }
    reg_sync_close(sync);
}

/* Many managed services let nobody make roles: everything then belongs to who migrates. */
static void a_role_that_may_not_make_roles_can_migrate_all_the_same(void **state)
{
    static struct pg_server *server;
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};
    struct reg_sync *sync = NULL;
    char conninfo[PG_CONNINFO_SIZE];

    /* Roles belong to a whole server, so this takes one that has none of ours. */
    server = pg_server_start();
    pg_server_conninfo_as(server, "postgres", "postgres", conninfo);
    sync = pg_connect(conninfo);
    pg_run(sync, "DROP DATABASE troupe", PG_NONE);
    pg_run(sync, "DROP ROLE troupe", PG_NONE);
    pg_run(sync, "DROP ROLE troupe_owner", PG_NONE);
    pg_run(sync, "CREATE ROLE plain LOGIN", PG_NONE);
    pg_run(sync, "CREATE DATABASE troupe OWNER plain TEMPLATE template0", PG_NONE);
    pg_server_conninfo_as(server, "troupe", "plain", fixture->conninfo);
    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    reg_sync_close(sync);

    sync = pg_connect(fixture->conninfo);
    assert_int_equal(
        pg_number(sync,
                  "SELECT node_id FROM troupe.node_join('n1', 'h', 1, gen_random_uuid(), 5000)",
                  PG_NONE),
        1);
    assert_string_equal(pg_one(sync, "SELECT name FROM troupe.nodes", PG_NONE), "n1");
    assert_string_equal(pg_one(sync, "SELECT array_to_string(troupe.grants_apply(), ' ')", PG_NONE),
                        "troupe_migrate troupe_node troupe_client troupe_reader");
    reg_sync_close(sync);

    /* An administrator makes a role later, and the owner applies the grants again. */
    sync = pg_connect(conninfo);
    pg_run(sync, "CREATE ROLE troupe_reader LOGIN", PG_NONE);
    reg_sync_close(sync);
    sync = pg_connect(fixture->conninfo);
    pg_run(sync, "SELECT troupe.grants_apply()", PG_NONE);
    reg_sync_close(sync);
    pg_server_conninfo_as(server, "troupe", "troupe_reader", conninfo);
    sync = pg_connect(conninfo);
    assert_string_equal(pg_one(sync, "SELECT name FROM troupe.nodes", PG_NONE), "n1");
    reg_sync_close(sync);
    pg_server_stop(server);
}

static void who_may_not_migrate_is_told_and_may_still_check(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};
    struct reg_sync *sync = NULL;
    char database[64];
    char conninfo[PG_CONNINFO_SIZE];

    sync = pg_connect(fixture->conninfo);
    (void)snprintf(database, sizeof(database), "%s",
                   pg_one(sync, "SELECT current_database()", PG_NONE));
    reg_sync_close(sync);
    pg_run(
        fixture->super,
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stranger') THEN CREATE "
        "ROLE stranger LOGIN; END IF; END $$",
        PG_NONE);
    pg_server_conninfo_as(fixture->server, database, "stranger", conninfo);
    sync = pg_connect(conninfo);
    assert_int_equal(reg_migrate_apply(sync, &fixture->migrations, PG_TIMEOUT_MS, &report),
                     TROUPE_E_DENIED);
    assert_non_null(strstr(report.error, "permission denied"));
    reg_sync_close(sync);

    assert_int_equal(apply(fixture, &report), TROUPE_OK);
    pg_server_conninfo_as(fixture->server, database, "troupe_node", conninfo);
    assert_int_equal(check(conninfo, &fixture->migrations, &report), TROUPE_OK);
    assert_int_equal(report.version, report.latest);
    /* troupe_migrate may go on where another role began. */
    add_file(fixture, "0014_more", "CREATE TABLE troupe.more (a int);");
    pg_server_conninfo_as(fixture->server, database, "troupe_migrate", conninfo);
    sync = pg_connect(conninfo);
    assert_int_equal(reg_migrate_apply(sync, &fixture->migrations, PG_TIMEOUT_MS, &report),
                     TROUPE_OK);
    assert_int_equal(report.applied, 1);
    reg_sync_close(sync);
    sync = pg_connect(fixture->conninfo);
    assert_int_equal(
        pg_number(sync,
                  "SELECT count(*) FROM pg_class c WHERE relnamespace = 'troupe'::regnamespace "
                  "AND relowner <> 'troupe_owner'::regrole",
                  PG_NONE),
        0);
    reg_sync_close(sync);
}

static void a_database_in_another_encoding_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct reg_migrate_report report = {0};

    pg_run(fixture->super,
           "CREATE DATABASE latin OWNER troupe TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
           PG_NONE);
    pg_server_conninfo_as(fixture->server, "latin", "troupe", fixture->conninfo);
    assert_int_not_equal(apply(fixture, &report), TROUPE_OK);
    assert_non_null(strstr(report.error, "UTF8"));
    assert_non_null(strstr(report.error, "HINT"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_database_gets_everything_and_a_full_one_nothing),
        TEST(five_that_start_at_once_do_it_once),
        TEST(a_file_that_fails_leaves_nothing_and_the_ones_before_it_stay),
        TEST(a_file_that_was_changed_after_it_was_applied_is_refused),
        TEST(a_schema_of_a_later_version_is_refused),
        TEST(the_sums_in_the_database_are_those_of_the_files),
        TEST(a_role_that_may_not_make_roles_can_migrate_all_the_same),
        TEST(who_may_not_migrate_is_told_and_may_still_check),
        TEST(a_database_in_another_encoding_is_refused),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
