#include "pg/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/migrations_sql.h"

const struct reg_migrations reg_migrations_builtin = {reg_sql_migrations, REG_SQL_MIGRATIONS_COUNT};

enum { NUMBER_SIZE = 16 };

/* One call of reg_migrate_apply or reg_migrate_check. */
struct run {
    struct reg_sync *sync;
    const struct reg_migrations *migrations;
    uint32_t timeout_ms;
    struct reg_migrate_report *report;
};

static int number_of(const struct reg_sql_file *file)
{
    return (int)strtol(file->name, NULL, 10);
}

static troupe_status fail(struct run *run, troupe_status status, const char *during)
{
    (void)snprintf(run->report->error, sizeof(run->report->error), "%s: %s", during,
                   reg_sync_error(run->sync));
    return status;
}

static troupe_status exec(struct run *run, const char *sql, int count, const char *const *values)
{
    return reg_sync_exec(run->sync, sql, count, values, run->timeout_ms);
}

/* ---- comparing ---- */

static const struct reg_sql_file *find(const struct reg_migrations *migrations, int64_t number)
{
    for (size_t index = 0; index < migrations->count; index++) {
        if (number_of(&migrations->files[index]) == number) {
            return &migrations->files[index];
        }
    }
    return NULL;
}

/* Whether one row of the table of migrations fits the file of that number. */
static troupe_status compare_row(struct run *run, int row)
{
    const struct reg_result *result = reg_sync_result(run->sync);
    struct reg_migrate_report *report = run->report;
    const char *name = reg_result_text(result, row, 1);
    const char *sha256 = reg_result_text(result, row, 2);
    const struct reg_sql_file *file = NULL;
    int64_t number = 0;

    if (!reg_result_i64(result, row, 0, &number) || name == NULL || sha256 == NULL) {
        (void)snprintf(report->error, sizeof(report->error),
                       "the table of migrations has a row that cannot be read");
        return TROUPE_E_SCHEMA;
    }
    report->version = (int)number;
    file = find(run->migrations, number);
    if (file == NULL) {
        (void)snprintf(report->error, sizeof(report->error),
                       "schema too new: the database has migration %d (%s), this program knows up "
                       "to %d\nHINT: Use a program as new as the one that migrated it.",
                       report->version, name, report->latest);
        return TROUPE_E_SCHEMA;
    }
    if (strcmp(sha256, file->sha256) != 0) {
        (void)snprintf(report->error, sizeof(report->error),
                       "migration %d (%s) was applied with another text\nDETAIL: SHA-256 %s in the "
                       "database, %s here.\nHINT: A migration is never edited once it is released; "
                       "use the program that the database was made with.",
                       report->version, name, sha256, file->sha256);
        return TROUPE_E_SCHEMA;
    }
    return TROUPE_OK;
}

static troupe_status compare(struct run *run)
{
    const int count = reg_result_count(reg_sync_result(run->sync));

    for (int row = 0; row < count; row++) {
        const troupe_status status = compare_row(run, row);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    return (size_t)count < run->migrations->count ? TROUPE_E_NOT_FOUND : TROUPE_OK;
}

/* The view is for roles without rights on the table, but comes with a later migration than the
 * table. */
static troupe_status read_applied(struct run *run)
{
    bool has_view = false;
    bool has_table = false;
    troupe_status status = exec(run,
                                "SELECT pg_catalog.to_regclass('troupe.migrations') IS NOT NULL, "
                                "pg_catalog.to_regclass('troupe.migration') IS NOT NULL",
                                0, NULL);

    if (status == TROUPE_OK) {
        (void)reg_result_bool(reg_sync_result(run->sync), 0, 0, &has_view);
        (void)reg_result_bool(reg_sync_result(run->sync), 0, 1, &has_table);
        if (!has_view && !has_table) {
            run->report->version = 0;
            return TROUPE_E_NOT_FOUND;
        }
        status =
            has_view
                ? exec(run, "SELECT m.id, m.name, m.sha256 FROM troupe.migrations m ORDER BY m.id",
                       0, NULL)
                : exec(run, "SELECT m.id, m.name, m.sha256 FROM troupe.migration m ORDER BY m.id",
                       0, NULL);
    }
    return status == TROUPE_OK ? compare(run) : fail(run, status, "reading the migrations");
}

/* ---- applying ---- */

/* What has to be there before the first migration. Under the lock, so that nobody else is at it;
 * looks first, since the right to create is only needed when there is something to create. */
static troupe_status prepare(struct run *run)
{
    static const char *const statements[] = {
        "BEGIN",
        "SET LOCAL search_path = pg_catalog, pg_temp",
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = 0",
        "SET LOCAL idle_in_transaction_session_timeout = 0",
        /* Of this purpose alone; 4711 is that of sessions. */
        "SELECT pg_advisory_xact_lock(4712, 1)",
        "DO $$ BEGIN "
        "IF to_regnamespace('troupe') IS NULL THEN CREATE SCHEMA troupe; END IF; "
        "IF to_regclass('troupe.migration') IS NULL THEN "
        "CREATE TABLE troupe.migration (id int PRIMARY KEY CHECK (id > 0), name text NOT NULL, "
        "sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'), "
        "applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
        "applied_by text NOT NULL DEFAULT session_user); END IF; END $$",
        /* Later files make their objects for the owner that the first one made. */
        "SELECT set_config('role', r.rolname, true) FROM pg_namespace n JOIN pg_roles r ON r.oid = "
        "n.nspowner WHERE n.nspname = 'troupe' AND r.rolname <> current_user AND "
        "pg_has_role(current_user, r.oid, 'MEMBER')",
    };

    for (size_t index = 0; index < sizeof(statements) / sizeof(statements[0]); index++) {
        const troupe_status status = exec(run, statements[index], 0, NULL);

        if (status != TROUPE_OK) {
            return fail(run, status, "preparing the schema");
        }
    }
    return TROUPE_OK;
}

/* The row comes first: should the lock ever fail to keep two apart, the second fails on the key. */
static troupe_status run_file(struct run *run, const struct reg_sql_file *file)
{
    char id[NUMBER_SIZE];
    const char *values[] = {id, file->name, file->text};
    troupe_status status = TROUPE_OK;

    (void)snprintf(id, sizeof(id), "%d", number_of(file));
    status = exec(run,
                  "INSERT INTO troupe.migration (id, name, sha256) VALUES ($1, $2, "
                  "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to($3, 'UTF8')), 'hex'))",
                  3, values);
    if (status == TROUPE_OK) {
        status = reg_sync_script(run->sync, file->text, run->timeout_ms);
    }
    if (status == TROUPE_OK) {
        status = exec(run, "COMMIT", 0, NULL);
    }
    return status == TROUPE_OK ? TROUPE_OK : fail(run, status, file->name);
}

/* Runs the first file that is missing; TROUPE_E_NOT_FOUND while there may be more. */
static troupe_status apply_next(struct run *run)
{
    troupe_status status = prepare(run);

    if (status != TROUPE_OK) {
        return status;
    }
    status = read_applied(run);
    if (status != TROUPE_E_NOT_FOUND) {
        return status;
    }
    for (size_t index = 0; index < run->migrations->count; index++) {
        const struct reg_sql_file *file = &run->migrations->files[index];

        if (number_of(file) > run->report->version) {
            if (run->report->on_file != NULL) {
                run->report->on_file(run->report->context, file->name);
            }
            status = run_file(run, file);
            if (status == TROUPE_OK) {
                run->report->version = number_of(file);
                run->report->applied++;
                status = TROUPE_E_NOT_FOUND;
            }
            return status;
        }
    }
    (void)snprintf(run->report->error, sizeof(run->report->error),
                   "the database lacks a migration before number %d", run->report->version);
    return TROUPE_E_SCHEMA;
}

static struct run begin(struct reg_sync *sync, const struct reg_migrations *migrations,
                        uint32_t timeout_ms, struct reg_migrate_report *report)
{
    report->version = 0;
    report->applied = 0;
    report->error[0] = '\0';
    report->latest =
        migrations->count == 0 ? 0 : number_of(&migrations->files[migrations->count - 1]);
    return (struct run){sync, migrations, timeout_ms, report};
}

troupe_status reg_migrate_apply(struct reg_sync *sync, const struct reg_migrations *migrations,
                                uint32_t timeout_ms, struct reg_migrate_report *report)
{
    struct run run = begin(sync, migrations, timeout_ms, report);
    troupe_status status = read_applied(&run);

    while (status == TROUPE_E_NOT_FOUND) {
        status = apply_next(&run);
        if (status != TROUPE_E_NOT_FOUND) {
            /* Ends the transaction in which nothing was left to do, or that failed. */
            const troupe_status ended = exec(&run, "ROLLBACK", 0, NULL);

            (void)ended;
        }
    }
    return status;
}

troupe_status reg_migrate_check(struct reg_sync *sync, const struct reg_migrations *migrations,
                                uint32_t timeout_ms, struct reg_migrate_report *report)
{
    struct run run = begin(sync, migrations, timeout_ms, report);
    const troupe_status status = read_applied(&run);

    if (status == TROUPE_E_NOT_FOUND && report->version == 0) {
        (void)snprintf(report->error, sizeof(report->error),
                       "there is no schema `troupe` in this database\nHINT: Run `troupe db "
                       "migrate`.");
    } else if (status == TROUPE_E_NOT_FOUND) {
        (void)snprintf(report->error, sizeof(report->error),
                       "the schema is at migration %d, this program needs %d\nHINT: Run `troupe db "
                       "migrate`.",
                       report->version, report->latest);
    }
    return status;
}
