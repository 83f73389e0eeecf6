#include "pg/pg_sync.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/check.h"
#include "base/clock.h"
#include "pg/connect_params.h"
#include "pg/pg_script.h"
#include "pg/refusal.h"
#include "pg/sqlstate.h"

enum { ERROR_SIZE = 2048 };

struct reg_sync {
    PGconn *pg;
    PGresult *rows;
    struct reg_result result;
    void (*on_notice)(void *context, const char *text);
    void *notice_context;
    bool broken;
    char error[ERROR_SIZE];
};

static int64_t deadline_after(uint32_t timeout_ms)
{
    return tr_clock_now(&tr_clock_system) + (int64_t)timeout_ms * TR_NS_PER_MS;
}

static void set_error(struct reg_sync *sync, const char *text)
{
    size_t size = 0;

    (void)snprintf(sync->error, sizeof(sync->error), "%s", text);
    size = strlen(sync->error);
    while (size > 0 && sync->error[size - 1] == '\n') {
        sync->error[--size] = '\0';
    }
}

/* Waits until the socket can do one of the events. TROUPE_E_TIMEOUT at the deadline. */
static troupe_status wait_socket(const struct reg_sync *sync, short events, int64_t deadline)
{
    struct pollfd poller = {.fd = PQsocket(sync->pg), .events = events};

    if (poller.fd < 0) {
        return TROUPE_E_REGISTRY;
    }
    for (;;) {
        const int64_t left = deadline - tr_clock_now(&tr_clock_system);
        int ready = 0;

        if (left <= 0) {
            return TROUPE_E_TIMEOUT;
        }
        ready = poll(&poller, 1, (int)(left / TR_NS_PER_MS) + 1);
        if (ready > 0) {
            return TROUPE_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return TROUPE_E_SYSTEM;
        }
    }
}

/* ---- connecting ---- */

/* Notes why the connection failed. */
static troupe_status refused(struct reg_sync *sync)
{
    struct reg_refusal refusal;
    troupe_status status = TROUPE_OK;

    reg_refusal_read(sync->pg, &refusal);
    set_error(sync, refusal.text);
    status = reg_refusal_status(refusal.sqlstate);
    return status == TROUPE_E_NOT_FOUND ? TROUPE_E_SCHEMA : status;
}

static troupe_status poll_connect(struct reg_sync *sync, int64_t deadline)
{
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;

    reg_refusal_watch(sync->pg, true);
    while (step != PGRES_POLLING_OK) {
        troupe_status status = TROUPE_OK;

        if (step == PGRES_POLLING_FAILED || PQstatus(sync->pg) == CONNECTION_BAD) {
            return refused(sync);
        }
        status = wait_socket(sync, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
        if (status != TROUPE_OK) {
            set_error(sync, status == TROUPE_E_TIMEOUT ? "no answer from the server in time"
                                                       : "the connection broke");
            return status;
        }
        step = PQconnectPoll(sync->pg);
    }
    reg_refusal_watch(sync->pg, false);
    return TROUPE_OK;
}

static void on_notice(void *context, const PGresult *rows)
{
    const struct reg_sync *sync = context;

    if (sync->on_notice != NULL) {
        const char *words = PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);

        sync->on_notice(sync->notice_context, words == NULL ? "" : words);
    }
}

troupe_status reg_sync_connect(const char *conninfo, const char *application_name,
                               uint32_t timeout_ms, struct reg_sync **out)
{
    const int64_t deadline = deadline_after(timeout_ms);
    struct reg_sync *sync = calloc(1, sizeof(*sync));
    troupe_status status = TROUPE_OK;

    if (sync == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    sync->broken = true;
    sync->result.text = "";
    if (reg_connect_check(conninfo, sync->error, sizeof(sync->error)) != TROUPE_OK) {
        /* libpq's words repeat the text, and a password may stand in the wrong place. */
        set_error(sync, "that is not a connection string (key=value pairs, or postgres://...)");
        *out = sync;
        return TROUPE_E_INVALID;
    }
    sync->pg = reg_connect_start(conninfo, application_name, NULL);
    if (sync->pg == NULL) {
        free(sync);
        return TROUPE_E_NO_MEMORY;
    }
    (void)PQsetNoticeReceiver(sync->pg, on_notice, sync);
    status = poll_connect(sync, deadline);
    if (status == TROUPE_OK && PQsetnonblocking(sync->pg, 1) != 0) {
        set_error(sync, PQerrorMessage(sync->pg));
        status = TROUPE_E_REGISTRY;
    }
    sync->broken = status != TROUPE_OK;
    *out = sync;
    return status;
}

void reg_sync_close(struct reg_sync *sync)
{
    if (sync == NULL) {
        return;
    }
    PQclear(sync->rows);
    PQfinish(sync->pg);
    free(sync);
}

/* ---- statements ---- */

static void forget(struct reg_sync *sync)
{
    PQclear(sync->rows);
    sync->rows = NULL;
    sync->result = (struct reg_result){.text = ""};
    sync->error[0] = '\0';
}

/* The connection cannot be used any more, because an answer is missing. */
static troupe_status break_off(struct reg_sync *sync, troupe_status status, const char *text)
{
    sync->broken = true;
    set_error(sync, text);
    sync->result.status = status;
    sync->result.text = sync->error;
    return status;
}

static size_t append(char *text, size_t used, const char *label, const char *words)
{
    int size = 0;

    if (words == NULL || words[0] == '\0' || used >= ERROR_SIZE) {
        return used;
    }
    size = snprintf(text + used, ERROR_SIZE - used, "%s%s", label, words);
    return size < 0 ? used : used + (size_t)size;
}

static troupe_status take_error(struct reg_sync *sync)
{
    const char *sqlstate = PQresultErrorField(sync->rows, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(sync->rows, PG_DIAG_MESSAGE_PRIMARY);
    size_t used = 0;

    used = append(sync->error, used, "", words == NULL ? PQerrorMessage(sync->pg) : words);
    used = append(sync->error, used,
                  "\nDETAIL: ", PQresultErrorField(sync->rows, PG_DIAG_MESSAGE_DETAIL));
    used =
        append(sync->error, used, "\nHINT: ", PQresultErrorField(sync->rows, PG_DIAG_MESSAGE_HINT));
    (void)append(sync->error, used, "\nCONTEXT: ", PQresultErrorField(sync->rows, PG_DIAG_CONTEXT));
    if (sqlstate != NULL) {
        (void)snprintf(sync->result.sqlstate, sizeof(sync->result.sqlstate), "%s", sqlstate);
    }
    sync->result.status = reg_sqlstate_status(sqlstate);
    sync->result.text = words == NULL ? sync->error : words;
    if (PQstatus(sync->pg) == CONNECTION_BAD) {
        sync->broken = true;
        if (sqlstate == NULL) {
            sync->result.status = TROUPE_E_UNKNOWN;
        }
    }
    return sync->result.status;
}

static troupe_status send_rest(struct reg_sync *sync, int64_t deadline)
{
    for (;;) {
        const int left = PQflush(sync->pg);
        troupe_status status = TROUPE_OK;

        if (left < 0) {
            return TROUPE_E_UNKNOWN;
        }
        if (left == 0) {
            return TROUPE_OK;
        }
        /* The server may want to be read before it reads on. */
        status = wait_socket(sync, POLLIN | POLLOUT, deadline);
        if (status != TROUPE_OK) {
            return status;
        }
        if (PQconsumeInput(sync->pg) == 0) {
            return TROUPE_E_UNKNOWN;
        }
    }
}

static troupe_status wait_answer(struct reg_sync *sync, int64_t deadline)
{
    troupe_status status = send_rest(sync, deadline);

    while (status == TROUPE_OK && PQisBusy(sync->pg) != 0) {
        status = wait_socket(sync, POLLIN, deadline);
        if (status == TROUPE_OK && PQconsumeInput(sync->pg) == 0) {
            status = TROUPE_E_UNKNOWN;
        }
    }
    return status;
}

/* Keeps the first result that failed, or else the last one. */
static void keep(struct reg_sync *sync, PGresult *rows)
{
    if (sync->rows != NULL && PQresultStatus(sync->rows) == PGRES_FATAL_ERROR) {
        PQclear(rows);
        return;
    }
    PQclear(sync->rows);
    sync->rows = rows;
}

troupe_status reg_sync_send(struct reg_sync *sync, const char *sql, int count,
                            const char *const *values)
{
    TR_CHECK(count >= 0);
    forget(sync);
    if (sync->broken) {
        return break_off(sync, TROUPE_E_CLOSED, "the connection is closed");
    }
    if (PQsendQueryParams(sync->pg, sql, count, NULL, values, NULL, NULL, 0) == 0) {
        return break_off(sync, TROUPE_E_REGISTRY, PQerrorMessage(sync->pg));
    }
    return TROUPE_OK;
}

troupe_status reg_sync_receive(struct reg_sync *sync, uint32_t timeout_ms)
{
    const int64_t deadline = deadline_after(timeout_ms);

    if (sync->broken) {
        return sync->result.status == TROUPE_OK
                   ? break_off(sync, TROUPE_E_CLOSED, "the connection is closed")
                   : sync->result.status;
    }
    for (;;) {
        const troupe_status status = wait_answer(sync, deadline);
        PGresult *rows = NULL;

        if (status == TROUPE_E_UNKNOWN && PQresultStatus(sync->rows) == PGRES_FATAL_ERROR &&
            sync->rows != NULL) {
            /* The server said why before it hung up. */
            break;
        }
        if (status != TROUPE_OK) {
            return break_off(sync, status,
                             status == TROUPE_E_TIMEOUT ? "no answer from the server in time"
                                                        : PQerrorMessage(sync->pg));
        }
        rows = PQgetResult(sync->pg);
        if (rows == NULL) {
            break;
        }
        keep(sync, rows);
    }
    switch ((int)PQresultStatus(sync->rows)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        sync->result.rows = sync->rows;
        return TROUPE_OK;
    default:
        return take_error(sync);
    }
}

troupe_status reg_sync_exec(struct reg_sync *sync, const char *sql, int count,
                            const char *const *values, uint32_t timeout_ms)
{
    const troupe_status status = reg_sync_send(sync, sql, count, values);

    return status == TROUPE_OK ? reg_sync_receive(sync, timeout_ms) : status;
}

troupe_status reg_sync_script(struct reg_sync *sync, const char *script, uint32_t timeout_ms)
{
    forget(sync);
    if (sync->broken) {
        return break_off(sync, TROUPE_E_CLOSED, "the connection is closed");
    }
    if (reg_script_send(sync->pg, script) == 0) {
        return break_off(sync, TROUPE_E_REGISTRY, PQerrorMessage(sync->pg));
    }
    return reg_sync_receive(sync, timeout_ms);
}

/* ---- what is known of it ---- */

const struct reg_result *reg_sync_result(const struct reg_sync *sync)
{
    return &sync->result;
}

const char *reg_sync_error(const struct reg_sync *sync)
{
    return sync->error;
}

void reg_sync_set_notice(struct reg_sync *sync, void (*notice)(void *context, const char *text),
                         void *context)
{
    sync->on_notice = notice;
    sync->notice_context = context;
}

troupe_status reg_sync_notification(struct reg_sync *sync, uint32_t timeout_ms,
                                    struct reg_notification *out)
{
    const int64_t deadline = deadline_after(timeout_ms);

    if (sync->broken) {
        return TROUPE_E_REGISTRY;
    }
    for (;;) {
        PGnotify *notify = PQnotifies(sync->pg);
        troupe_status status = TROUPE_OK;

        if (notify != NULL) {
            (void)snprintf(out->channel, sizeof(out->channel), "%s", notify->relname);
            (void)snprintf(out->payload, sizeof(out->payload), "%s", notify->extra);
            out->server_pid = notify->be_pid;
            PQfreemem(notify);
            return TROUPE_OK;
        }
        status = wait_socket(sync, POLLIN, deadline);
        if (status == TROUPE_E_TIMEOUT) {
            return status;
        }
        if (status != TROUPE_OK || PQconsumeInput(sync->pg) == 0) {
            return break_off(sync, TROUPE_E_REGISTRY, PQerrorMessage(sync->pg));
        }
    }
}

int reg_sync_server_pid(const struct reg_sync *sync)
{
    return PQbackendPID(sync->pg);
}

int reg_sync_column_count(const struct reg_sync *sync)
{
    return PQnfields(sync->rows);
}

const char *reg_sync_column_name(const struct reg_sync *sync, int column)
{
    const char *name = PQfname(sync->rows, column);

    return name == NULL ? "" : name;
}

enum reg_column_kind reg_sync_column_kind(const struct reg_sync *sync, int column)
{
    /* Object ids of built-in types; they never change. */
    switch (PQftype(sync->rows, column)) {
    case 16:
        return REG_COLUMN_BOOL;
    case 20:
        return REG_COLUMN_BIGINT;
    case 21:   /* int2 */
    case 23:   /* int4 */
    case 700:  /* float4 */
    case 701:  /* float8 */
    case 1700: /* numeric */
        return REG_COLUMN_NUMBER;
    case 114:  /* json */
    case 3802: /* jsonb */
        return REG_COLUMN_JSON;
    default:
        return REG_COLUMN_TEXT;
    }
}
