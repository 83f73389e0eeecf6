/* pg/pg_script.h - sends several statements at once; only for texts that are built in.
 *
 * A file of its own, since it is the only place where libpq is given text that is not a literal in
 * the simple protocol (tools/check_tidy.py).
 *
 * Threads: the connection's. Memory: none.
 */
#ifndef REG_PG_PG_SCRIPT_H
#define REG_PG_PG_SCRIPT_H

struct pg_conn; /* libpq's */

/* As PQsendQuery. */
int reg_script_send(struct pg_conn *pg, const char *script);

#endif
