/* pg/sqlstate.h - what PostgreSQL's five-letter codes mean to us, in one table.
 *
 * Threads: any. Memory: none.
 */
#ifndef REG_PG_SQLSTATE_H
#define REG_PG_SQLSTATE_H

#include <stdbool.h>

#include "troupe/status.h"

/* Answers the status for a code; "" and NULL mean that the connection broke.
 *
 * TROUPE_E_AGAIN: rolled back, the same statement may succeed now. TROUPE_E_REGISTRY: the server or
 * the connection is going away. TROUPE_E_EXISTS: a unique key. TROUPE_E_INVALID: the database
 * refuses the data. TROUPE_E_DENIED, TROUPE_E_AUTH, TROUPE_E_SCHEMA (something is missing or too
 * old), TROUPE_E_LIMIT (memory, disk, connections). Anything else is TROUPE_E_FAILED. */
troupe_status reg_sqlstate_status(const char *sqlstate);

/* True when the code says that this server cannot serve us, so that another connection is needed:
 * it is a standby, or it shuts down. */
bool reg_sqlstate_ends_connection(const char *sqlstate);

#endif
