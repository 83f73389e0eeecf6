#include "pg/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/check.h"
#include "base/rng.h"
#include "io/fdwatch.h"
#include "io/local_address.h"
#include "io/resolve.h"
#include "io/timer.h"
#include "pg/connect_params.h"
#include "pg/conninfo.h"
#include "pg/hosts.h"
#include "pg/refusal.h"
#include "pg/sqlstate.h"

enum { TEXT_SIZE = 512, MS = 1000000 };

enum state {
    STATE_RESTING,    /* closed: nothing happens by itself */
    STATE_WAITING,    /* until the next try */
    STATE_RESOLVING,  /* names of hosts are being looked up */
    STATE_CONNECTING, /* libpq is at it */
    STATE_UP
};

struct query {
    const char *sql;
    struct reg_params params;
    uint32_t timeout_ms;
    reg_query_done done;
    void *context;
    struct query *next;
};

struct reg_connection {
    struct tr_loop *loop;
    struct reg_connection_events events;
    struct tr_rng rng;
    char *conninfo;
    char *application_name;
    enum state state;
    uint64_t incarnation; /* grows with each change of pg: callbacks may have changed it */
    PGconn *pg;
    struct reg_hosts hosts;     /* while RESOLVING */
    struct tr_resolve *resolve; /* likewise */
    struct tr_fdwatch *watch;
    struct tr_timer *timer;
    bool failing; /* break at the next turn, for the reason in fail_text */
    char fail_text[TEXT_SIZE];
    unsigned attempts; /* tries since the last answer from a server */
    struct query *sent;
    PGresult *result; /* of the statement that was sent */
    int64_t deadline_ns;
    struct query *head;
    struct query *tail;
    size_t waiting;
    uint64_t losses;
    uint64_t statements;
};

static int64_t now_ns(const struct reg_connection *connection)
{
    return (int64_t)tr_loop_now(connection->loop);
}

/* ---- ending ---- */

static void free_query(struct query *query)
{
    reg_params_fini(&query->params);
    free(query);
}

static void end_query(struct query *query, troupe_status status, const char *text)
{
    const struct reg_result result = {.status = status, .text = text};

    query->done(query->context, &result);
    free_query(query);
}

/* Lets go of libpq's connection and ends every statement that was given to it. */
static void drop_pg(struct reg_connection *connection, const char *text)
{
    struct query *sent = connection->sent;
    struct query *waiting = connection->head;

    tr_resolve_cancel(connection->resolve);
    connection->resolve = NULL;
    reg_hosts_fini(&connection->hosts);
    tr_fdwatch_release(connection->watch);
    tr_timer_stop(connection->timer);
    PQclear(connection->result);
    PQfinish(connection->pg);
    connection->pg = NULL;
    connection->result = NULL;
    connection->sent = NULL;
    connection->head = NULL;
    connection->tail = NULL;
    connection->waiting = 0;
    connection->failing = false;
    connection->incarnation++;
    if (sent != NULL) {
        end_query(sent, TROUPE_E_UNKNOWN, text);
    }
    while (waiting != NULL) {
        struct query *next = waiting->next;

        end_query(waiting, TROUPE_E_REGISTRY, text);
        waiting = next;
    }
}

static void wait_for_next_try(struct reg_connection *connection)
{
    const unsigned shift = connection->attempts < 10 ? connection->attempts : 10;
    uint64_t delay_ms = (uint64_t)REG_BACKOFF_MIN_MS << shift;

    delay_ms = delay_ms > REG_BACKOFF_MAX_MS ? REG_BACKOFF_MAX_MS : delay_ms;
    delay_ms = delay_ms / 2 + tr_rng_below(&connection->rng, delay_ms / 2 + 1);
    connection->attempts++;
    connection->state = STATE_WAITING;
    tr_timer_start(connection->timer, delay_ms * MS, 0);
}

/* The connection, or the try to make one, has failed; with the server's code, if it gave one. */
static void break_down_by(struct reg_connection *connection, const char *sqlstate, const char *text)
{
    const bool was_up = connection->state == STATE_UP;
    char words[TEXT_SIZE];
    uint64_t incarnation = 0;

    reg_line_copy(words, sizeof(words), text);
    connection->state = STATE_WAITING;
    connection->losses += was_up ? 1 : 0;
    drop_pg(connection, words);
    incarnation = connection->incarnation;
    if (was_up) {
        connection->events.on_down(connection->events.context, words);
    } else {
        connection->events.on_refused(connection->events.context, sqlstate, words);
    }
    if (connection->state == STATE_WAITING && connection->incarnation == incarnation) {
        wait_for_next_try(connection);
    }
}

static void break_down(struct reg_connection *connection, const char *text)
{
    break_down_by(connection, "", text);
}

/* The server, or the way to it, has refused the connection. */
static void be_refused(struct reg_connection *connection)
{
    struct reg_refusal refusal;

    reg_refusal_read(connection->pg, &refusal);
    break_down_by(connection, refusal.sqlstate, refusal.text);
}

void reg_connection_fail(struct reg_connection *connection, const char *why)
{
    if (connection->state == STATE_UP && !connection->failing) {
        connection->failing = true;
        reg_line_copy(connection->fail_text, sizeof(connection->fail_text), why);
        tr_timer_start(connection->timer, 0, 0);
    }
}

/* ---- sending ---- */

/* Sends what libpq holds and watches for what it waits for. False: the connection is lost. */
static bool flush(struct reg_connection *connection)
{
    const int left = PQflush(connection->pg);
    const unsigned events =
        left > 0 ? (unsigned)TR_FD_READABLE | (unsigned)TR_FD_WRITABLE : (unsigned)TR_FD_READABLE;

    return left >= 0 &&
           tr_fdwatch_set(connection->watch, PQsocket(connection->pg), events) == TROUPE_OK;
}

static void send_next(struct reg_connection *connection)
{
    struct query *query = connection->head;
    const struct reg_params *params = NULL;
    const char *const *values = NULL;

    if (connection->sent != NULL || query == NULL || connection->failing) {
        return;
    }
    connection->head = query->next;
    connection->tail = query->next == NULL ? NULL : connection->tail;
    connection->waiting--;
    connection->sent = query;
    connection->statements++;
    params = &query->params;
    values = (const char *const *)params->values;
    tr_timer_start(connection->timer, (uint64_t)query->timeout_ms * MS, 0);
    connection->deadline_ns = now_ns(connection) + (int64_t)query->timeout_ms * MS;
    if (PQsendQueryParams(connection->pg, query->sql, params->count, NULL, values, params->lengths,
                          params->formats, 0) == 0 ||
        !flush(connection)) {
        reg_connection_fail(connection, PQerrorMessage(connection->pg));
    }
}

troupe_status reg_connection_query(struct reg_connection *connection, const char *sql,
                                   struct reg_params *params, uint32_t timeout_ms,
                                   reg_query_done done, void *context)
{
    troupe_status status = TROUPE_E_NO_MEMORY;
    struct query *query = NULL;

    if (connection->state != STATE_UP) {
        status = TROUPE_E_CLOSED;
    } else if (connection->waiting >= REG_QUERIES_MAX) {
        status = TROUPE_E_LIMIT;
    } else if (params == NULL || reg_params_ok(params)) {
        query = calloc(1, sizeof(*query));
    }
    if (query == NULL) {
        if (params != NULL) {
            reg_params_fini(params);
        }
        return status;
    }
    *query = (struct query){.sql = sql, .timeout_ms = timeout_ms, .done = done, .context = context};
    if (params != NULL) {
        query->params = *params;
        reg_params_init(params);
    }
    if (connection->tail == NULL) {
        connection->head = query;
    } else {
        connection->tail->next = query;
    }
    connection->tail = query;
    connection->waiting++;
    send_next(connection);
    return TROUPE_OK;
}

/* ---- receiving ---- */

/* The statement that was sent has its answer. */
static void complete(struct reg_connection *connection)
{
    struct query *query = connection->sent;
    PGresult *rows = connection->result;
    char words[TEXT_SIZE] = "";
    struct reg_result result = {.status = TROUPE_E_UNKNOWN, .text = words};

    connection->sent = NULL;
    connection->result = NULL;
    tr_timer_stop(connection->timer);
    if (rows != NULL) {
        reg_result_describe(rows, words, sizeof(words), &result);
    }
    if (result.status == TROUPE_OK) {
        connection->attempts = 0;
    }
    if (reg_sqlstate_ends_connection(result.sqlstate)) {
        reg_connection_fail(connection, words);
    }
    query->done(query->context, &result);
    free_query(query);
    PQclear(rows);
}

/* Takes the answers that have arrived in full, and sends what waits after each. */
static void take_results(struct reg_connection *connection)
{
    const uint64_t incarnation = connection->incarnation;

    while (connection->incarnation == incarnation && connection->sent != NULL &&
           PQisBusy(connection->pg) == 0) {
        PGresult *rows = PQgetResult(connection->pg);

        if (rows == NULL) {
            complete(connection);
            if (connection->incarnation == incarnation && connection->state == STATE_UP) {
                send_next(connection);
            }
        } else {
            PQclear(connection->result);
            connection->result = rows;
        }
    }
}

/* A notification may have come in with any answer and wait in libpq's list while the socket stays
 * silent, so the list is emptied after every read. */
static void take_notifications(struct reg_connection *connection)
{
    const uint64_t incarnation = connection->incarnation;
    PGnotify *notify = PQnotifies(connection->pg);

    while (notify != NULL) {
        if (connection->events.on_notify != NULL) {
            connection->events.on_notify(connection->events.context, notify->relname,
                                         notify->extra);
        }
        PQfreemem(notify);
        notify = connection->incarnation == incarnation ? PQnotifies(connection->pg) : NULL;
    }
}

static void on_traffic(struct reg_connection *connection, unsigned events)
{
    const uint64_t incarnation = connection->incarnation;

    if ((events & TR_FD_READABLE) != 0) {
        /* A last answer may have come with the end of the stream: it counts. */
        const bool alive = PQconsumeInput(connection->pg) != 0;

        take_results(connection);
        if (connection->incarnation != incarnation || connection->state != STATE_UP) {
            return;
        }
        take_notifications(connection);
        if (connection->incarnation != incarnation || connection->state != STATE_UP) {
            return;
        }
        if (!alive || PQstatus(connection->pg) != CONNECTION_OK) {
            break_down(connection, PQerrorMessage(connection->pg));
            return;
        }
    }
    if (!flush(connection)) {
        break_down(connection, PQerrorMessage(connection->pg));
    }
}

/* ---- connecting ---- */

static void on_notice(void *context, const PGresult *rows)
{
    const struct reg_connection *connection = context;
    char words[TEXT_SIZE];

    if (connection->events.on_notice != NULL) {
        reg_line_copy(words, sizeof(words), PQresultErrorMessage(rows));
        connection->events.on_notice(connection->events.context, words);
    }
}

static void become_up(struct reg_connection *connection)
{
    const uint64_t incarnation = connection->incarnation;

    if (PQsetnonblocking(connection->pg, 1) != 0) {
        break_down(connection, PQerrorMessage(connection->pg));
        return;
    }
    reg_refusal_watch(connection->pg, false);
    tr_timer_stop(connection->timer);
    connection->state = STATE_UP;
    if (tr_fdwatch_set(connection->watch, PQsocket(connection->pg), TR_FD_READABLE) != TROUPE_OK) {
        break_down(connection, "the socket cannot be watched");
        return;
    }
    connection->events.on_up(connection->events.context);
    if (connection->incarnation == incarnation && connection->state == STATE_UP) {
        send_next(connection);
    }
}

/* libpq may close its socket and open another in any step, often under the same number, so the
 * watch lets go of it before each. */
static void connect_step(struct reg_connection *connection)
{
    PostgresPollingStatusType poll = PGRES_POLLING_FAILED;
    unsigned events = 0;

    tr_fdwatch_release(connection->watch);
    poll = PQconnectPoll(connection->pg);
    if (poll == PGRES_POLLING_OK || poll == PGRES_POLLING_FAILED) {
        (poll == PGRES_POLLING_OK ? become_up : be_refused)(connection);
        return;
    }
    events = poll == PGRES_POLLING_READING ? TR_FD_READABLE : TR_FD_WRITABLE;
    if (tr_fdwatch_set(connection->watch, PQsocket(connection->pg), events) != TROUPE_OK) {
        break_down(connection, "the socket cannot be watched");
    }
}

/* Has libpq connect to what the hosts' names were found to mean. */
static void begin_to_connect(struct reg_connection *connection)
{
    struct reg_host_lists lists;
    const troupe_status status = reg_hosts_format(&connection->hosts, connection->attempts, &lists);

    if (status != TROUPE_OK) {
        break_down(connection, status == TROUPE_E_NOT_FOUND ? "no address is known for the host"
                                                            : troupe_status_text(status));
        return;
    }
    connection->state = STATE_CONNECTING;
    connection->pg = reg_connect_start(connection->conninfo, connection->application_name, &lists);
    reg_host_lists_fini(&lists);
    if (connection->pg == NULL || PQstatus(connection->pg) == CONNECTION_BAD) {
        break_down(connection,
                   connection->pg == NULL ? "out of memory" : PQerrorMessage(connection->pg));
        return;
    }
    reg_refusal_watch(connection->pg, true);
    (void)PQsetNoticeReceiver(connection->pg, on_notice, connection);
    /* As libpq wants it: behave as if the socket had been seen writable. */
    if (tr_fdwatch_set(connection->watch, PQsocket(connection->pg), TR_FD_WRITABLE) != TROUPE_OK) {
        break_down(connection, "the socket cannot be watched");
    }
}

static void resolve_next(struct reg_connection *connection);

static void on_resolved(void *context, troupe_status status, const struct tr_address *addresses,
                        size_t count)
{
    struct reg_connection *connection = context;

    connection->resolve = NULL;
    reg_hosts_found(&connection->hosts, addresses, status == TROUPE_OK ? count : 0);
    resolve_next(connection);
}

static void resolve_next(struct reg_connection *connection)
{
    const char *name = reg_hosts_unknown(&connection->hosts);
    troupe_status status = TROUPE_OK;

    if (name == NULL) {
        begin_to_connect(connection);
        return;
    }
    status =
        tr_resolve_start(connection->loop, name, on_resolved, connection, &connection->resolve);
    if (status != TROUPE_OK) {
        break_down(connection, troupe_status_text(status));
    }
}

static void try_connect(struct reg_connection *connection)
{
    troupe_status status = TROUPE_OK;

    connection->state = STATE_RESOLVING;
    connection->incarnation++;
    tr_timer_start(connection->timer, (uint64_t)REG_CONNECT_TIMEOUT_MS * MS, 0);
    status = reg_hosts_read(&connection->hosts, connection->conninfo);
    if (status != TROUPE_OK) {
        break_down(connection, troupe_status_text(status));
        return;
    }
    resolve_next(connection);
}

/* ---- events of the loop ---- */

static void on_fd(void *context, troupe_status status, unsigned events)
{
    struct reg_connection *connection = context;

    if (connection->state == STATE_CONNECTING) {
        connect_step(connection);
    } else if (connection->state == STATE_UP && status != TROUPE_OK) {
        break_down(connection, "the socket failed");
    } else if (connection->state == STATE_UP) {
        on_traffic(connection, events);
    }
}

static void on_timer(void *context)
{
    struct reg_connection *connection = context;

    if (connection->state == STATE_WAITING) {
        try_connect(connection);
    } else if (connection->state == STATE_RESOLVING) {
        break_down(connection, "the host's name was not looked up in time");
    } else if (connection->state == STATE_CONNECTING) {
        break_down(connection, "the server did not answer in time");
    } else if (connection->state == STATE_UP && connection->failing) {
        char text[TEXT_SIZE];

        memcpy(text, connection->fail_text, sizeof(text));
        break_down(connection, text);
    } else if (connection->state == STATE_UP && connection->sent != NULL) {
        break_down(connection, "a statement was not answered in time");
    }
}

/* ---- the owner's calls ---- */

troupe_status reg_connection_create(struct tr_loop *loop, const char *conninfo, uint64_t seed,
                                    const struct reg_connection_events *events,
                                    struct reg_connection **out)
{
    struct reg_connection *connection = calloc(1, sizeof(*connection));
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (connection == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    connection->loop = loop;
    connection->events = *events;
    connection->rng.state = seed;
    connection->conninfo = strdup(conninfo);
    if (connection->conninfo == NULL) {
        goto done;
    }
    status = tr_fdwatch_create(loop, on_fd, connection, &connection->watch);
    if (status == TROUPE_OK) {
        status = tr_timer_create(loop, on_timer, connection, &connection->timer);
    }
done:
    if (status != TROUPE_OK) {
        reg_connection_destroy(connection);
        return status;
    }
    *out = connection;
    return TROUPE_OK;
}

void reg_connection_open(struct reg_connection *connection)
{
    TR_CHECK(connection->state == STATE_RESTING);
    connection->state = STATE_WAITING;
    connection->attempts = 0;
    tr_timer_start(connection->timer, 0, 0);
}

troupe_status reg_connection_set_name(struct reg_connection *connection,
                                      const char *application_name)
{
    char *copy = application_name == NULL ? NULL : strdup(application_name);

    if (application_name != NULL && copy == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    free(connection->application_name);
    connection->application_name = copy;
    return TROUPE_OK;
}

void reg_connection_close(struct reg_connection *connection)
{
    if (connection->state != STATE_RESTING) {
        connection->state = STATE_RESTING;
        drop_pg(connection, "the connection was closed");
    }
}

void reg_connection_destroy(struct reg_connection *connection)
{
    if (connection == NULL) {
        return;
    }
    TR_CHECK(connection->state == STATE_RESTING);
    tr_fdwatch_close(connection->watch);
    tr_timer_close(connection->timer);
    free(connection->application_name);
    reg_conninfo_wipe(connection->conninfo);
    free(connection);
}

bool reg_connection_is_up(const struct reg_connection *connection)
{
    return connection->state == STATE_UP && !connection->failing;
}

bool reg_connection_is_idle(const struct reg_connection *connection)
{
    return connection->sent == NULL && connection->head == NULL;
}

void reg_connection_local_host(const struct reg_connection *connection,
                               char text[TR_ADDRESS_TEXT_SIZE])
{
    if (!reg_connection_is_up(connection) ||
        !tr_socket_local_host(PQsocket(connection->pg), text)) {
        text[0] = '\0';
    }
}

uint64_t reg_connection_losses(const struct reg_connection *connection)
{
    return connection->losses;
}

uint64_t reg_connection_statements(const struct reg_connection *connection)
{
    return connection->statements;
}
