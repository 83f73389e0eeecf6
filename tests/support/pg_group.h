/* support/pg_group.h - one migrated PostgreSQL for all tests of a program.
 *
 *     return cmocka_run_group_tests(tests, start_server, stop_server);
 *
 * Threads: the test's. Memory: everything is static; setup and teardown make and end it.
 */
#ifndef SUPPORT_PG_GROUP_H
#define SUPPORT_PG_GROUP_H

#include "support/pg.h"

extern struct pg_server *server;

int start_server(void **state);
int stop_server(void **state);

/* A superuser's connection, which a crash of the server ends. The test closes it. */
struct reg_sync *connect_as_admin(void);

#endif
