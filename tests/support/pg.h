/* support/pg.h - a private PostgreSQL for one test program, and short ways to ask it.
 *
 *     struct pg_server *server = pg_server_start();
 *     struct reg_sync *sync = pg_connect(pg_server_conninfo(server));
 *     assert_string_equal(pg_one(sync, "SELECT upper($1)", PG_VALUES("a")), "A");
 *     reg_sync_close(sync);
 *     pg_server_stop(server);
 *
 * Everything fails the cmocka test that runs when it does not work. However the program ends, its
 * server is stopped and deleted: a guard process waits for the end of a pipe that it holds.
 *
 * Threads: one. Memory: texts are lent until the next statement of the same connection.
 */
#ifndef SUPPORT_PG_H
#define SUPPORT_PG_H

#include <stdbool.h>
#include <stdint.h>

#include "pg/pg_sync.h"

struct pg_server;

/* Values of a statement: PG_VALUES("a", NULL), or PG_NONE. */
#define PG_VALUES(...)                                                                             \
    (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[])           \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define PG_NONE 0, NULL

enum { PG_TIMEOUT_MS = 30000, PG_CONNINFO_SIZE = 256 };

struct pg_server *pg_server_start(void);
void pg_server_stop(struct pg_server *server);

/* The database `troupe` as the role `troupe`, which owns it and is no superuser. */
const char *pg_server_conninfo(const struct pg_server *server);

/* Writes the conninfo of another database and role of the server. */
void pg_server_conninfo_as(const struct pg_server *server, const char *database, const char *role,
                           char conninfo[static PG_CONNINFO_SIZE]);

/* Stops the server (killing it like a crash, or in order) without starting it again. */
void pg_server_kill(const struct pg_server *server);
void pg_server_halt(const struct pg_server *server);

/* While it holds the door no new connection is let in, nor refused; those that are there go on. */
void pg_server_hold_door(const struct pg_server *server, bool hold);

/* Starts it again. */
void pg_server_resume(struct pg_server *server);

/* Applies the migrations that are built in to the database. */
void pg_migrate(const char *conninfo);

struct reg_sync *pg_connect(const char *conninfo);

/* Runs a statement that has to work. */
void pg_run(struct reg_sync *sync, const char *sql, int count, const char *const *values);

/* Runs a statement that has to fail, and answers its SQLSTATE. */
const char *pg_refused(struct reg_sync *sync, const char *sql, int count,
                       const char *const *values);

/* Answers the first column of the first row; NULL for SQL's NULL; there has to be a row. */
const char *pg_one(struct reg_sync *sync, const char *sql, int count, const char *const *values);
int64_t pg_number(struct reg_sync *sync, const char *sql, int count, const char *const *values);

/* A column of the first row of the last result. */
const char *pg_column(struct reg_sync *sync, int column);

/* The number as text, in one of 256 buffers that are used in turn. */
const char *pg_text(int64_t number);

#endif
