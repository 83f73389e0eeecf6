/* event list and event tail: what happened to the members. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/database.h"
#include "cli/print.h"
#include "daemon/text.h"
#include "daemon/units.h"

#define EVENTS_MAX 1000000u
#define POLL_MS 2000u /* a notification is only a hint: without one we look this often */

static const char *const event_columns[] = {"epoch",   "at",          "kind",   "node",
                                            "node_id", "declared_by", "detail", NULL};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* The epoch of --after as text; fallback when it is not given. */
static int read_after(struct cli *cli, const char *fallback, char *text, size_t size)
{
    const char *given = cli->options[OPTION_AFTER];

    if (given == NULL) {
        (void)snprintf(text, size, "%s", fallback);
        return 0;
    }
    if (given[0] == '\0' || strspn(given, "0123456789") != strlen(given) || strlen(given) > 18) {
        return problem_set(&cli->problem, PROBLEM_USAGE, "--after takes an epoch: %.40s", given);
    }
    (void)snprintf(text, size, "%s", given);
    return 0;
}

int command_event_list(struct cli *cli)
{
    struct reg_sync *sync = NULL;
    char limit_text[16];
    char after[24];
    const char *values[] = {limit_text, after};
    uint32_t limit = 0;
    int status = cli_count(cli, OPTION_LIMIT, EVENTS_MAX, 1000, &limit);

    if (status == 0) {
        status = read_after(cli, "0", after, sizeof(after));
    }
    if (status == 0) {
        status = database_open(cli, &sync);
    }
    if (status != 0) {
        return status;
    }
    (void)snprintf(limit_text, sizeof(limit_text), "%u", (unsigned)limit);
    status = database_query(cli, sync,
                            "SELECT e.* FROM (SELECT v.* FROM troupe.events v WHERE v.epoch > "
                            "$2::bigint ORDER BY v.epoch DESC LIMIT $1::bigint) e ORDER BY e.epoch",
                            2, values);
    if (status == 0) {
        status = print_rows(cli, sync, event_columns);
    }
    reg_sync_close(sync);
    return status;
}

/* ---- tail ---- */

struct tail {
    struct reg_sync *sync;
    char after[24]; /* the epoch of the last event printed */
    uint32_t left;  /* events still wanted */
};

static void print_event(const struct reg_sync *sync, int row)
{
    const struct reg_result *result = reg_sync_result(sync);

    for (int column = 0; column < reg_sync_column_count(sync); column++) {
        const char *text = reg_result_text(result, row, column);

        if (text != NULL && text[0] != '\0') {
            (void)printf("%s%s=", column > 0 ? "  " : "", reg_sync_column_name(sync, column));
            text_print(stdout, text, strlen(text));
        }
    }
    (void)fputc('\n', stdout);
}

/* Prints what is new. */
static int tail_step(struct cli *cli, struct tail *tail)
{
    const char *values[] = {tail->after};
    int count = 0;
    int status = database_query(cli, tail->sync,
                                "SELECT v.* FROM troupe.events v WHERE v.epoch > $1::bigint ORDER "
                                "BY v.epoch LIMIT 1000",
                                1, values);

    if (status != 0) {
        return status;
    }
    count = reg_result_count(reg_sync_result(tail->sync));
    for (int row = 0; row < count && tail->left > 0 && status == 0; row++) {
        const char *epoch = reg_result_text(reg_sync_result(tail->sync), row, 0);

        if (cli->format == CLI_JSON) {
            status = print_row_line(cli, tail->sync, row);
        } else {
            print_event(tail->sync, row);
        }
        (void)snprintf(tail->after, sizeof(tail->after), "%s", epoch != NULL ? epoch : "0");
        tail->left--;
    }
    (void)fflush(stdout);
    return status;
}

/* Where to begin: after the newest event, unless told. */
static int tail_begin(struct cli *cli, struct tail *tail)
{
    const char *newest = NULL;
    int status =
        database_query(cli, tail->sync, "SELECT max(e.epoch) FROM troupe.events e", 0, NULL);

    if (status != 0) {
        return status;
    }
    newest = reg_result_text(reg_sync_result(tail->sync), 0, 0);
    return read_after(cli, newest != NULL ? newest : "0", tail->after, sizeof(tail->after));
}

static int tail_loop(struct cli *cli, struct tail *tail)
{
    int status = 0;

    while (status == 0 && tail->left > 0 && !interrupted) {
        struct reg_notification hint;
        troupe_status waited = TROUPE_OK;

        status = tail_step(cli, tail);
        if (status != 0 || tail->left == 0 || interrupted) {
            break;
        }
        waited = reg_sync_notification(tail->sync, POLL_MS, &hint);
        if (waited != TROUPE_OK && waited != TROUPE_E_TIMEOUT) {
            status = database_problem(cli, tail->sync, waited);
        }
    }
    return status;
}

int command_event_tail(struct cli *cli)
{
    const struct sigaction interrupt = {.sa_handler = on_interrupt};
    struct tail tail = {.left = UINT32_MAX};
    int status = cli_count(cli, OPTION_EVENTS, EVENTS_MAX, UINT32_MAX, &tail.left);

    if (status == 0) {
        status = database_open(cli, &tail.sync);
    }
    if (status != 0) {
        return status;
    }
    (void)sigaction(SIGINT, &interrupt, NULL);
    (void)sigaction(SIGTERM, &interrupt, NULL);
    /* LISTEN first, then read: nothing can fall between the two. */
    status = database_query(cli, tail.sync, "LISTEN troupe_event", 0, NULL);
    if (status == 0) {
        status = tail_begin(cli, &tail);
    }
    if (status == 0) {
        status = tail_loop(cli, &tail);
    }
    reg_sync_close(tail.sync);
    return interrupted ? 130 : status;
}
