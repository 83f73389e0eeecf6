/* pg/connection.h - one connection to PostgreSQL as a state machine on the loop.
 *
 *     create -> open ... on_up -> query(...) -> done ... on_down -> [waits, tries again] -> on_up
 * ... close -> destroy
 *
 * Statements are sent one at a time, in the order they were given. When the connection breaks, each
 * unfinished statement ends: the one that was sent with TROUPE_E_UNKNOWN, the others with
 * TROUPE_E_REGISTRY, since those were certainly not done. A statement whose deadline passes breaks
 * the connection, because only a new one is certain to be in step again. Trying again is done here
 * and nowhere else: exponential back-off with a cap and jitter.
 *
 * Threads: loop thread. Callbacks are called from the loop, never inside query or open.
 * Memory: freed by destroy. A callback may call anything here but destroy.
 */
#ifndef REG_PG_CONNECTION_H
#define REG_PG_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "io/resolve.h"
#include "pg/params.h"
#include "pg/result.h"
#include "troupe/status.h"

enum {
    REG_CONNECT_TIMEOUT_MS = 3000, /* for all hosts together, after which the next try begins */
    REG_BACKOFF_MIN_MS = 50,
    REG_BACKOFF_MAX_MS = 2000,
    REG_QUERIES_MAX = 4096 /* waiting on one connection; writers queue before that, by batches */
};

struct reg_connection;

struct reg_connection_events {
    void *context;
    /* A new connection is there, with nothing set up on it. */
    void (*on_up)(void *context);
    /* An established connection is gone, after the statements on it have ended. */
    void (*on_down)(void *context, const char *text);
    /* A try to connect failed; the next one follows by itself. sqlstate: the server's code, "" when
     * none has answered (pg/refusal.h). */
    void (*on_refused)(void *context, const char *sqlstate, const char *text);
    /* A notification arrived; may be NULL. */
    void (*on_notify)(void *context, const char *channel, const char *payload);
    /* The server warned about something; may be NULL. */
    void (*on_notice)(void *context, const char *text);
};

/* Called once for each statement; result is lent. */
typedef void (*reg_query_done)(void *context, const struct reg_result *result);

/* Copies the conninfo. application_name, when not NULL, overrides the conninfo's.
 * TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_connection_create(struct tr_loop *loop, const char *conninfo,
                                                    uint64_t seed,
                                                    const struct reg_connection_events *events,
                                                    struct reg_connection **out);

/* Begins to connect, and connects again whenever the connection breaks, until close. */
void reg_connection_open(struct reg_connection *connection);

/* From the next try on, connect under this application_name; NULL for none. */
TROUPE_MUST_USE troupe_status reg_connection_set_name(struct reg_connection *connection,
                                                      const char *application_name);

/* Ends the connection; unfinished statements end now, inside this call. */
void reg_connection_close(struct reg_connection *connection);

/* Breaks an established connection as if the server had, so that a new one is made. Takes effect
 * after the present callback. */
void reg_connection_fail(struct reg_connection *connection, const char *why);

/* Takes the connection, which must be closed or NULL. Not inside a callback of it. */
void reg_connection_destroy(struct reg_connection *connection);

bool reg_connection_is_up(const struct reg_connection *connection);

/* True when no statement waits or is under way. */
bool reg_connection_is_idle(const struct reg_connection *connection);

/* Sends a statement when those before it have ended. sql must stay; params are taken in any case
 * and may be NULL. TROUPE_E_CLOSED when the connection is not up, TROUPE_E_NO_MEMORY,
 * TROUPE_E_LIMIT; then done is not called. */
TROUPE_MUST_USE troupe_status reg_connection_query(struct reg_connection *connection,
                                                   const char *sql, struct reg_params *params,
                                                   uint32_t timeout_ms, reg_query_done done,
                                                   void *context);

/* The local address of the connection in digits, "" when it is a unix socket or not up. */
void reg_connection_local_host(const struct reg_connection *connection,
                               char text[TR_ADDRESS_TEXT_SIZE]);

/* How often an established connection was lost. */
uint64_t reg_connection_losses(const struct reg_connection *connection);

/* How many statements were sent. */
uint64_t reg_connection_statements(const struct reg_connection *connection);

#endif
