#include "cli/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_state.h"
#include "daemon/mask.h"
#include "daemon/secret.h"
#include "pg/migrate.h"

static int read_conninfo_file(struct cli *cli, const char *path, char *text, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;
    int status = 0;

    if (file >= 0) {
        got = read(file, text, size - 1);
        text[got > 0 ? got : 0] = '\0';
        status =
            got > 0 && mask_has_password(text) ? secret_check_file(file, path, &cli->problem) : 0;
        (void)close(file);
    }
    if (status != 0) {
        return status;
    }
    if (got < 0) {
        return problem_set(&cli->problem, PROBLEM_CONFIG, "TROUPE_DB_FILE: cannot read \"%s\": %s",
                           path, strerror(errno));
    }
    text[got] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return 0;
}

static int copy_conninfo(struct cli *cli, const char *from, char *text, size_t size)
{
    if (strlen(from) >= size) {
        return problem_set(&cli->problem, PROBLEM_USAGE, "the connection string is too long");
    }
    memcpy(text, from, strlen(from) + 1);
    return 0;
}

int database_conninfo(struct cli *cli, char *text, size_t size)
{
    const char *variable = getenv("TROUPE_DB");
    const char *file = getenv("TROUPE_DB_FILE");
    int status = 0;

    if (cli_has(cli, OPTION_DB)) {
        if (mask_has_password(cli->options[OPTION_DB])) {
            status = problem_set(&cli->problem, PROBLEM_USAGE,
                                 "--db holds a password, which `ps` would show");
            problem_hint(&cli->problem, "use TROUPE_DB_FILE, PGPASSFILE or a service file");
            return status;
        }
        return copy_conninfo(cli, cli->options[OPTION_DB], text, size);
    }
    if (variable != NULL && variable[0] != '\0') {
        return copy_conninfo(cli, variable, text, size);
    }
    if (file != NULL && file[0] != '\0') {
        return read_conninfo_file(cli, file, text, size);
    }
    status = dev_state_find(cli);
    if (status != 0) {
        return status;
    }
    return copy_conninfo(cli, cli->dev != NULL ? cli->dev->db : "", text, size);
}

static enum problem_code connect_code(troupe_status status)
{
    switch ((int)status) {
    case TROUPE_E_INVALID:
        return PROBLEM_USAGE;
    case TROUPE_E_AUTH:
        return PROBLEM_PASSWORD;
    case TROUPE_E_SCHEMA:
        return PROBLEM_NO_DATABASE;
    case TROUPE_E_NO_MEMORY:
        return PROBLEM_MEMORY;
    case TROUPE_E_DENIED:
        return PROBLEM_PERMISSION;
    default:
        return PROBLEM_NO_POSTGRES;
    }
}

static void connect_hint(struct cli *cli)
{
    switch ((int)cli->problem.code) {
    case PROBLEM_NO_POSTGRES:
        problem_hint(&cli->problem, "is it running there? `troupe dev up` starts a private one; "
                                    "otherwise name yours by --db or PGHOST and PGPORT");
        break;
    case PROBLEM_PASSWORD:
        problem_hint(&cli->problem,
                     "passwords come from PGPASSFILE (~/.pgpass), a service file or PGPASSWORD");
        break;
    case PROBLEM_NO_DATABASE:
        problem_hint(&cli->problem,
                     "create it with createdb, or name another in --db or PGDATABASE");
        break;
    case PROBLEM_USAGE:
        problem_hint(&cli->problem, "like \"host=db dbname=troupe\" or postgres://db/troupe");
        break;
    default:
        break;
    }
}

int database_connect(struct cli *cli, struct reg_sync **out)
{
    char conninfo[4096];
    struct reg_sync *sync = NULL;
    troupe_status status = TROUPE_OK;
    enum problem_code code = PROBLEM_NONE;
    int result = database_conninfo(cli, conninfo, sizeof(conninfo));

    if (result != 0) {
        return result;
    }
    status = reg_sync_connect(conninfo, "troupe", cli->timeout_ms, &sync);
    explicit_bzero(conninfo, sizeof(conninfo));
    if (status == TROUPE_OK) {
        *out = sync;
        return 0;
    }
    code = connect_code(status);
    result = problem_set(&cli->problem, code, "%s",
                         code == PROBLEM_USAGE ? "the connection string cannot be read"
                                               : problem_meaning(code));
    problem_detail(&cli->problem, "%s",
                   sync != NULL ? reg_sync_error(sync) : troupe_status_text(status));
    connect_hint(cli);
    reg_sync_close(sync);
    return result;
}

/* Puts the answer of reg_migrate_check in words. */
static int schema_problem(struct cli *cli, const struct reg_migrate_report *report,
                          troupe_status status)
{
    enum problem_code code = PROBLEM_SCHEMA_OLD;
    int result = 0;

    if (report->version > report->latest) {
        code = PROBLEM_SCHEMA_NEW;
    } else if (status == TROUPE_E_NOT_FOUND && report->version == 0) {
        code = PROBLEM_NO_SCHEMA;
    } else if (status == TROUPE_E_SCHEMA) {
        code = PROBLEM_SCHEMA_NEW;
    }
    result = problem_set(&cli->problem, code, "%s", problem_meaning(code));
    if (code != PROBLEM_NO_SCHEMA) {
        problem_detail(&cli->problem, "the database is at migration %d, this program at %d%s%s",
                       report->version, report->latest, report->error[0] != '\0' ? "\n" : "",
                       report->error);
    }
    problem_hint(&cli->problem, "%s",
                 code == PROBLEM_SCHEMA_NEW
                     ? "use the version of Troupe that migrated this database, or a later one"
                     : "troupe db migrate  brings it up to this version");
    return result;
}

int database_open(struct cli *cli, struct reg_sync **out)
{
    struct reg_migrate_report report = {.version = 0};
    struct reg_sync *sync = NULL;
    troupe_status status = TROUPE_OK;
    int result = database_connect(cli, &sync);

    if (result != 0) {
        return result;
    }
    status = reg_migrate_check(sync, &reg_migrations_builtin, cli->timeout_ms, &report);
    if (status == TROUPE_OK) {
        *out = sync;
        return 0;
    }
    if (status == TROUPE_E_NOT_FOUND || status == TROUPE_E_SCHEMA) {
        result = schema_problem(cli, &report, status);
    } else {
        result = database_problem(cli, sync, status);
    }
    reg_sync_close(sync);
    return result;
}

int database_problem(struct cli *cli, const struct reg_sync *sync, troupe_status status)
{
    enum problem_code code = PROBLEM_SQL;
    int result = 0;

    if (status == TROUPE_E_REGISTRY || status == TROUPE_E_UNKNOWN || status == TROUPE_E_CLOSED ||
        status == TROUPE_E_TIMEOUT) {
        code = status == TROUPE_E_TIMEOUT ? PROBLEM_TIMEOUT : PROBLEM_NO_POSTGRES;
    } else if (status == TROUPE_E_DENIED) {
        code = PROBLEM_PERMISSION;
    } else if (status == TROUPE_E_SCHEMA) {
        code = PROBLEM_NO_SCHEMA;
    }
    result = problem_set(&cli->problem, code, "%s", problem_meaning(code));
    problem_detail(&cli->problem, "%s", reg_sync_error(sync));
    return result;
}

int database_query(struct cli *cli, struct reg_sync *sync, const char *sql, int count,
                   const char *const *values)
{
    const troupe_status status = reg_sync_exec(sync, sql, count, values, cli->timeout_ms);

    return status == TROUPE_OK ? 0 : database_problem(cli, sync, status);
}
