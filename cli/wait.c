/* wait: until nodes are up, instead of a loop in somebody's script. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/database.h"
#include "cli/print.h"
#include "cli/process.h"

enum {
    NODES_MAX = 10000,
    WAIT_MS = 60000,  /* without --timeout */
    TRY_MS = 5000,    /* for one look, should PostgreSQL not answer */
    LISTEN_MS = 1000, /* a notification is only a hint: without one we look this often */
    CONNECT_MS = 200, /* between two tries to connect */
    LAST_MS = 1000    /* the last look may take so long, though time is nearly up */
};

struct wait {
    struct cli *cli;
    struct reg_sync *sync; /* NULL: not connected */
    int64_t deadline_ms;
    uint32_t nodes;   /* how many have to be up */
    const char *role; /* NULL: any */
};

static int64_t left_ms(const struct wait *wait)
{
    const int64_t left = wait->deadline_ms - process_now_ms();

    return left > 0 ? left : 0;
}

static void disconnect(struct wait *wait)
{
    reg_sync_close(wait->sync);
    wait->sync = NULL;
}

/* What may mend itself while a cluster starts; anything else is told at once. */
static bool may_mend(const struct cli *cli)
{
    switch ((int)cli->problem.code) {
    case PROBLEM_NO_POSTGRES:
    case PROBLEM_NO_DATABASE:
    case PROBLEM_NO_SCHEMA:
    case PROBLEM_SCHEMA_OLD:
    case PROBLEM_TIMEOUT:
        return true;
    default:
        return false;
    }
}

/* Connects and listens, if need be; LISTEN first, then read: nothing can fall between the two. */
static int look(struct wait *wait)
{
    const char *values[] = {wait->role};
    struct cli *cli = wait->cli;
    const int64_t left = left_ms(wait);
    int status = 0;

    cli->timeout_ms = left < LAST_MS ? LAST_MS : left > TRY_MS ? TRY_MS : (uint32_t)left;
    if (wait->sync == NULL) {
        status = database_open(cli, &wait->sync);
        if (status == 0) {
            status = database_query(cli, wait->sync, "LISTEN troupe_event", 0, NULL);
        }
    }
    if (status == 0) {
        status = database_query(
            cli, wait->sync,
            "SELECT n.name, n.node_id, n.address, n.roles FROM troupe.nodes n WHERE n.state = 'up' "
            "AND n.lease_left_seconds > 0 AND ($1::text IS NULL OR $1 = ANY (n.roles)) ORDER BY "
            "n.name, n.node_id",
            1, values);
    }
    return status;
}

/* Whether a node of that name is among those that were found. */
static bool is_there(const struct wait *wait, const char *name)
{
    const struct reg_result *found = reg_sync_result(wait->sync);

    for (int row = 0; row < reg_result_count(found); row++) {
        if (strcmp(reg_result_text(found, row, 0), name) == 0) {
            return true;
        }
    }
    return false;
}

/* The first node that was asked for by name and is not there; NULL: none. */
static const char *missing(const struct wait *wait)
{
    for (int i = 0; i < wait->cli->arguments_count; i++) {
        if (!is_there(wait, wait->cli->arguments[i])) {
            return wait->cli->arguments[i];
        }
    }
    return NULL;
}

static bool enough(const struct wait *wait)
{
    return (uint32_t)reg_result_count(reg_sync_result(wait->sync)) >= wait->nodes &&
           missing(wait) == NULL;
}

/* In words what is still missing, of the last look that had an answer. */
static int not_in_time(const struct wait *wait)
{
    struct cli *cli = wait->cli;
    const char *name = missing(wait);
    const int found = reg_result_count(reg_sync_result(wait->sync));
    const char *with = wait->role != NULL ? " with the role " : "";
    const char *role = wait->role != NULL ? wait->role : "";
    int status = 0;

    if (name != NULL) {
        status = problem_set(&cli->problem, PROBLEM_TIMEOUT,
                             "not in time: no node %.64s%s%.64s is up", name, with, role);
    } else {
        status =
            problem_set(&cli->problem, PROBLEM_TIMEOUT, "not in time: %d of %u nodes%s%.64s are up",
                        found, (unsigned)wait->nodes, with, role);
    }
    problem_hint(&cli->problem, "troupe node list  shows the nodes there are");
    return status;
}

/* Until something has changed, perhaps; a connection that breaks is made anew. */
static void pause_listening(struct wait *wait)
{
    struct reg_notification hint;
    const int64_t left = left_ms(wait);
    const troupe_status heard = reg_sync_notification(
        wait->sync, left < LISTEN_MS ? (uint32_t)left : (uint32_t)LISTEN_MS, &hint);

    if (heard != TROUPE_OK && heard != TROUPE_E_TIMEOUT) {
        disconnect(wait);
    }
}

static int wait_for(struct wait *wait)
{
    for (;;) {
        const int status = look(wait);

        if (status == 0 && enough(wait)) {
            return 0;
        }
        if (status != 0 && !may_mend(wait->cli)) {
            return status;
        }
        if (left_ms(wait) == 0) {
            return status != 0 ? status : not_in_time(wait);
        }
        if (status != 0) {
            disconnect(wait);
            process_pause(CONNECT_MS);
        } else {
            pause_listening(wait);
        }
    }
}

int command_wait(struct cli *cli)
{
    static const char *const columns[] = {"name", "node_id", "address", "roles", NULL};
    struct wait wait = {.cli = cli, .role = cli->options[OPTION_ROLE]};
    const uint32_t names = cli->arguments_count > 0 ? (uint32_t)cli->arguments_count : 1;
    int status = cli_count(cli, OPTION_NODES, NODES_MAX, names, &wait.nodes);

    wait.deadline_ms =
        process_now_ms() + (cli_has(cli, OPTION_TIMEOUT) ? (int64_t)cli->timeout_ms : WAIT_MS);
    if (status == 0) {
        status = wait_for(&wait);
    }
    if (status == 0 && !cli_has(cli, OPTION_QUIET)) {
        status = print_rows(cli, wait.sync, columns);
    }
    disconnect(&wait);
    return status;
}
