/* pg/pg_sync.h - one connection to PostgreSQL for programs that may wait: the command line, the
 * migrations, tests. Nodes use pg/connection.h, which never waits.
 *
 *     reg_sync_connect(conninfo, "troupe", 3000, &sync)
 *     reg_sync_exec(sync, "SELECT n.name FROM troupe.nodes n WHERE n.state = $1", 1, values, 5000)
 *     reg_result_text(reg_sync_result(sync), row, column)      pg/result.h has the getters
 *     reg_sync_close(sync)
 *
 * Every call ends by its deadline, counted on the system's boot-time clock; only the look-up of a
 * host's name is libpq's own and may take longer. A statement that is not answered by then
 * breaks the connection, since the next one would get its answer.
 *
 * Threads: a connection belongs to one thread at a time. Memory: freed by close; what an accessor
 * lends is valid until the next statement.
 */
#ifndef REG_PG_PG_SYNC_H
#define REG_PG_PG_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "pg/result.h"
#include "troupe/status.h"

struct reg_sync;

/* Connects as pg/connect_params.h does. Gives *out in ANY case but TROUPE_E_NO_MEMORY, so that
 * reg_sync_error can tell why; close it in any case.
 *   TROUPE_E_INVALID    conninfo is no connection string
 *   TROUPE_E_REGISTRY   nobody answers there, or the server is not ready
 *   TROUPE_E_AUTH       the server does not let us in
 *   TROUPE_E_SCHEMA     there is no such database
 *   TROUPE_E_TIMEOUT    not by the deadline */
TROUPE_MUST_USE troupe_status reg_sync_connect(const char *conninfo, const char *application_name,
                                               uint32_t timeout_ms, struct reg_sync **out);

/* Takes it; NULL is allowed. */
void reg_sync_close(struct reg_sync *sync);

/* Runs one statement; values are texts or NULL, lent for the call. Answers as pg/sqlstate.h, and
 *   TROUPE_E_TIMEOUT   the deadline passed; whether it was done is not known
 *   TROUPE_E_UNKNOWN   the connection broke after it was sent
 *   TROUPE_E_CLOSED    the connection was broken before */
TROUPE_MUST_USE troupe_status reg_sync_exec(struct reg_sync *sync, const char *sql, int count,
                                            const char *const *values, uint32_t timeout_ms);

/* As reg_sync_exec, in two parts, so that several connections can be made to run at one time. */
TROUPE_MUST_USE troupe_status reg_sync_send(struct reg_sync *sync, const char *sql, int count,
                                            const char *const *values);
TROUPE_MUST_USE troupe_status reg_sync_receive(struct reg_sync *sync, uint32_t timeout_ms);

/* Runs several statements that are part of this program (migrations), never text from elsewhere. */
TROUPE_MUST_USE troupe_status reg_sync_script(struct reg_sync *sync, const char *script,
                                              uint32_t timeout_ms);

/* Lends the result of the last statement; never NULL. */
const struct reg_result *reg_sync_result(const struct reg_sync *sync);

/* Lends what went wrong last, for people: the message, then DETAIL, HINT and CONTEXT lines when
 * there are any. "" when nothing did. Never contains a password. */
const char *reg_sync_error(const struct reg_sync *sync);

/* Calls on_notice for each NOTICE and WARNING of the server; without it they are dropped. */
void reg_sync_set_notice(struct reg_sync *sync, void (*on_notice)(void *context, const char *text),
                         void *context);

struct reg_notification {
    char channel[64];
    char payload[64]; /* cut, if longer: ours are numbers */
    int server_pid;   /* of the session that notified */
};

/* Waits for a notification. TROUPE_E_TIMEOUT: none came. TROUPE_E_REGISTRY: the connection broke.
 */
TROUPE_MUST_USE troupe_status reg_sync_notification(struct reg_sync *sync, uint32_t timeout_ms,
                                                    struct reg_notification *out);

/* The pid of the server's process for this connection. */
int reg_sync_server_pid(const struct reg_sync *sync);

/* What a column holds, as far as printing it needs to know. */
enum reg_column_kind {
    REG_COLUMN_TEXT,   /* and everything that is not one of the following */
    REG_COLUMN_NUMBER, /* fits a double: int2, int4, float4, float8, numeric */
    REG_COLUMN_BIGINT, /* int8: a string in JSON */
    REG_COLUMN_BOOL,   /* "t" or "f" */
    REG_COLUMN_JSON
};

int reg_sync_column_count(const struct reg_sync *sync);
const char *reg_sync_column_name(const struct reg_sync *sync, int column);
enum reg_column_kind reg_sync_column_kind(const struct reg_sync *sync, int column);

#endif
