/* cli/database.h - a connection for the command line, with every failure put in words.
 *
 * Where it connects: --db, else TROUPE_DB (or the file that TROUPE_DB_FILE names), else what
 * DIR/dev.json says, else libpq's own (PGHOST, PGSERVICE ...).
 * Threads: one. Memory: close with reg_sync_close.
 */
#ifndef CLI_DATABASE_H
#define CLI_DATABASE_H

#include "cli/cli.h"
#include "pg/pg_sync.h"

/* The connection string that would be used; text has room for size bytes. */
int database_conninfo(struct cli *cli, char *text, size_t size);

/* Connects. Answers 0 or the exit status of the problem that cli now has. */
int database_connect(struct cli *cli, struct reg_sync **out);

/* Connects, and checks that the schema is this program's. */
int database_open(struct cli *cli, struct reg_sync **out);

/* Runs one statement; a failure becomes cli's problem. */
int database_query(struct cli *cli, struct reg_sync *sync, const char *sql, int count,
                   const char *const *values);

/* Turns a failed statement or connection into cli's problem. */
int database_problem(struct cli *cli, const struct reg_sync *sync, troupe_status status);

#endif
