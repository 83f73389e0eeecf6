/* pg/connect_params.h - how a connection of ours is asked for: libpq's own settings, with
 * fallbacks.
 *
 * Everything comes from the conninfo, PG* and the service file, as libpq does it; what none of them
 * sets gets a value that fits us (keepalives, a server that takes writes). Only application_name is
 * ours alone, because a death ends the sessions of the dead node by it.
 *
 * Threads: any. Memory: the PGconn is libpq's.
 */
#ifndef REG_PG_CONNECT_PARAMS_H
#define REG_PG_CONNECT_PARAMS_H

#include <stddef.h>

#include "troupe/status.h"

struct pg_conn; /* libpq's */
struct reg_host_lists;

/* Begins to connect without blocking. application_name may be NULL. lists says which hosts to try,
 * with their addresses (pg/hosts.h); NULL leaves that to libpq, which blocks while it looks names
 * up. NULL when out of memory; else as PQconnectStartParams. */
struct pg_conn *reg_connect_start(const char *conninfo, const char *application_name,
                                  const struct reg_host_lists *lists);

/* Answers TROUPE_E_INVALID with words in error when libpq cannot read the conninfo. */
TROUPE_MUST_USE troupe_status reg_connect_check(const char *conninfo, char *error,
                                                size_t error_size);

#endif
