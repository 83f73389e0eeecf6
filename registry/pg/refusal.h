/* pg/refusal.h - why a try to connect failed.
 *
 * libpq gives no SQLSTATE for a connection that the server refused, only words, which may be in the
 * server's language. It writes the code into them when it is asked to be verbose, so that is asked
 * for while connecting.
 *
 *     reg_refusal_watch(pg, true);  ... PQconnectPoll() ... PGRES_POLLING_FAILED
 *     reg_refusal_read(pg, &refusal);
 *     ... PGRES_POLLING_OK:  reg_refusal_watch(pg, false);
 *
 * Threads: that of the connection. Memory: the caller's.
 */
#ifndef REG_PG_REFUSAL_H
#define REG_PG_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "troupe/status.h"

struct pg_conn;

enum { REG_REFUSAL_TEXT_SIZE = 512 };

struct reg_refusal {
    char sqlstate[6];                 /* "" when no server has answered */
    char text[REG_REFUSAL_TEXT_SIZE]; /* one line, without the code and the place in the source */
};

/* Has libpq write the code into its words, or not any more. */
void reg_refusal_watch(struct pg_conn *pg, bool on);

/* Reads why it failed. A password that is missing counts as a wrong one. */
void reg_refusal_read(const struct pg_conn *pg, struct reg_refusal *out);

/* The same from libpq's words. */
void reg_refusal_parse(const char *words, struct reg_refusal *out);

/* What no later try will change by itself: TROUPE_E_AUTH (user, password, pg_hba.conf, no right to
 * connect) or TROUPE_E_NOT_FOUND (no such database); else TROUPE_E_REGISTRY. */
troupe_status reg_refusal_status(const char *sqlstate);

#endif
