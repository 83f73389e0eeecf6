/* pg/conninfo.h - a connection string of libpq's, with a form that may be shown to people.
 *
 *     reg_conninfo_create("postgres://me:secret@db/troupe", &conninfo)
 *     reg_conninfo_text(conninfo)       what libpq is given
 *     reg_conninfo_printable(conninfo)  "user=me host=db dbname=troupe", for logs and errors
 *
 * Text that is no connection string is never repeated in an error: it may be a password in the
 * wrong place.
 *
 * Threads: constant after create, so any. Memory: one heap object; the secret is wiped by destroy.
 */
#ifndef REG_PG_CONNINFO_H
#define REG_PG_CONNINFO_H

#include <stdbool.h>

#include "troupe/status.h"

struct reg_conninfo;

/* Reads key=value pairs, a postgres:// URI, or the bare name of a database; "" and NULL leave
 * everything to libpq's environment. Gives *out.
 * TROUPE_E_INVALID: it is none of these. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_conninfo_create(const char *text, struct reg_conninfo **out);

/* Takes it; NULL is allowed. */
void reg_conninfo_destroy(struct reg_conninfo *conninfo);

/* Lends the text as it was given. It may contain a password: for libpq alone. */
const char *reg_conninfo_text(const struct reg_conninfo *conninfo);

/* Lends a form without passwords, keys or what else libpq calls secret; "" when nothing was set. */
const char *reg_conninfo_printable(const struct reg_conninfo *conninfo);

/* True when the text itself holds a password, which does not belong on a command line. */
bool reg_conninfo_has_secret(const struct reg_conninfo *conninfo);

/* Takes a copy of a connection string, which may be NULL, and leaves no password in memory. */
void reg_conninfo_wipe(char *conninfo);

#endif
