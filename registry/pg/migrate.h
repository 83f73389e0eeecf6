/* pg/migrate.h - brings the schema of a database to the version of this program.
 *
 *     reg_migrate_apply(sync, &reg_migrations_builtin, 60000, &report)
 *
 * Files go forward only, each in one transaction, under an advisory lock that is taken before the
 * table of migrations is touched; the row of a migration is inserted before it runs. So any number
 * of programs may start at once, and each file runs once. A file that was applied must not have
 * changed since: the SHA-256 that the database computed then is compared with that of the file
 * here.
 *
 * Threads: the connection's. Memory: none of its own.
 */
#ifndef REG_PG_MIGRATE_H
#define REG_PG_MIGRATE_H

#include <stddef.h>
#include <stdint.h>

#include "pg/pg_sync.h"
#include "pg/sql_file.h"
#include "troupe/status.h"

/* In the order of their numbers, which begin their names: 0001_core. */
struct reg_migrations {
    const struct reg_sql_file *files;
    size_t count;
};

struct reg_migrate_report {
    int version; /* the newest migration in the database, 0 for none */
    int latest;  /* the newest one of this program */
    int applied; /* by this call */
    /* Called before each file is run and with each notice; may be NULL. */
    void (*on_file)(void *context, const char *name);
    void *context;
    char error[2048]; /* for people, "" when all went well */
};

/* Those of migrations/, built in. */
extern const struct reg_migrations reg_migrations_builtin;

/* Applies what is missing. What was applied before a failure stays. The report's version, latest,
 * applied and error are set whatever the answer. TROUPE_E_SCHEMA   the database has a migration
 * that this program does not know ("schema too new"), or one that has changed since it was applied
 *   TROUPE_E_DENIED   the role may not change the schema
 *   TROUPE_E_TIMEOUT  not by the deadline, which holds for each file
 *   and what reg_sync_exec answers */
TROUPE_MUST_USE troupe_status reg_migrate_apply(struct reg_sync *sync,
                                                const struct reg_migrations *migrations,
                                                uint32_t timeout_ms,
                                                struct reg_migrate_report *report);

/* Looks only, with no more rights than a node's.
 *   TROUPE_OK          the database has exactly these
 *   TROUPE_E_NOT_FOUND some are missing (version < latest); with version 0 there is no schema
 *   TROUPE_E_SCHEMA    as above */
TROUPE_MUST_USE troupe_status reg_migrate_check(struct reg_sync *sync,
                                                const struct reg_migrations *migrations,
                                                uint32_t timeout_ms,
                                                struct reg_migrate_report *report);

#endif
