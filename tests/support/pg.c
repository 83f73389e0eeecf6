#include "support/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg/migrate.h"

#define SCRIPT TROUPE_SOURCE_DIR "/tools/private_postgres.sh"

struct pg_server {
    char folder[64];
    char conninfo[PG_CONNINFO_SIZE];
    pid_t guard;
    int guard_pipe; /* its end tells the guard that the program has ended */
};

/* ---- the server ---- */

static void start_guard(struct pg_server *server)
{
    int ends[2] = {-1, -1};

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    server->guard = fork();
    assert_true(server->guard >= 0);
    if (server->guard == 0) {
        (void)setsid();
        (void)dup2(ends[0], STDIN_FILENO);
        (void)execl("/bin/sh", "sh", "-c",
                    "cat >/dev/null; \"$1\" remove \"$2\" >/dev/null 2>&1; rm -rf \"$2\"", "sh",
                    SCRIPT, server->folder, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[0]);
    server->guard_pipe = ends[1];
}

/* Runs the script; its last line of output goes to line. */
static void run_script(const struct pg_server *server, const char *command, char *line, size_t size)
{
    char words[512];
    FILE *output = NULL;

    (void)snprintf(words, sizeof(words), "'%s' %s '%s'", SCRIPT, command, server->folder);
    output = popen(words, "r");
    assert_non_null(output);
    line[0] = '\0';
    while (fgets(line, (int)size, output) != NULL) {
        line[strcspn(line, "\n")] = '\0';
    }
    assert_int_equal(pclose(output), 0);
}

struct pg_server *pg_server_start(void)
{
    struct pg_server *server = calloc(1, sizeof(*server));

    assert_non_null(server);
    (void)snprintf(server->folder, sizeof(server->folder), "/tmp/troupe-test.XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    start_guard(server);
    run_script(server, "start", server->conninfo, sizeof(server->conninfo));
    return server;
}

void pg_server_stop(struct pg_server *server)
{
    int status = 0;

    if (server == NULL) {
        return;
    }
    (void)close(server->guard_pipe);
    while (waitpid(server->guard, &status, 0) < 0 && errno == EINTR) {
    }
    free(server);
}

const char *pg_server_conninfo(const struct pg_server *server)
{
    return server->conninfo;
}

void pg_server_conninfo_as(const struct pg_server *server, const char *database, const char *role,
                           char conninfo[static PG_CONNINFO_SIZE])
{
    /* A keyword that comes twice has its last value. */
    const int size = snprintf(conninfo, PG_CONNINFO_SIZE, "%s dbname=%s user=%s", server->conninfo,
                              database, role);

    assert_true(size > 0 && size < PG_CONNINFO_SIZE);
}

static pid_t postmaster(const struct pg_server *server)
{
    char name[128];
    char home[128] = "";
    char pid[32] = "";
    FILE *file = NULL;

    (void)snprintf(name, sizeof(name), "%s/postgres.path", server->folder);
    file = fopen(name, "r");
    assert_non_null(file);
    assert_non_null(fgets(home, 100, file));
    (void)fclose(file);
    home[strcspn(home, "\n")] = '\0';
    (void)snprintf(name, sizeof(name), "%.100s/data/postmaster.pid", home);
    file = fopen(name, "r");
    assert_non_null(file);
    assert_non_null(fgets(pid, sizeof(pid), file));
    (void)fclose(file);
    return (pid_t)strtol(pid, NULL, 10);
}

void pg_server_kill(const struct pg_server *server)
{
    assert_int_equal(kill(postmaster(server), SIGKILL), 0);
}

void pg_server_halt(const struct pg_server *server)
{
    char line[PG_CONNINFO_SIZE];

    run_script(server, "stop", line, sizeof(line));
}

void pg_server_hold_door(const struct pg_server *server, bool hold)
{
    assert_int_equal(kill(postmaster(server), hold ? SIGSTOP : SIGCONT), 0);
}

void pg_server_resume(struct pg_server *server)
{
    run_script(server, "start", server->conninfo, sizeof(server->conninfo));
}

/* ---- asking it ---- */

void pg_migrate(const char *conninfo)
{
    struct reg_migrate_report report = {0};
    struct reg_sync *sync = pg_connect(conninfo);
    const troupe_status status =
        reg_migrate_apply(sync, &reg_migrations_builtin, PG_TIMEOUT_MS, &report);

    if (status != TROUPE_OK) {
        fail_msg("migrating: %s: %s", troupe_status_text(status), report.error);
    }
    reg_sync_close(sync);
}

struct reg_sync *pg_connect(const char *conninfo)
{
    struct reg_sync *sync = NULL;

    if (reg_sync_connect(conninfo, "test", PG_TIMEOUT_MS, &sync) != TROUPE_OK) {
        fail_msg("%s: %s", conninfo, reg_sync_error(sync));
    }
    return sync;
}

void pg_run(struct reg_sync *sync, const char *sql, int count, const char *const *values)
{
    if (reg_sync_exec(sync, sql, count, values, PG_TIMEOUT_MS) != TROUPE_OK) {
        fail_msg("%s: %s", sql, reg_sync_error(sync));
    }
}

const char *pg_refused(struct reg_sync *sync, const char *sql, int count, const char *const *values)
{
    if (reg_sync_exec(sync, sql, count, values, PG_TIMEOUT_MS) == TROUPE_OK) {
        fail_msg("was not refused: %s", sql);
    }
    return reg_sync_result(sync)->sqlstate;
}

const char *pg_one(struct reg_sync *sync, const char *sql, int count, const char *const *values)
{
    pg_run(sync, sql, count, values);
    if (reg_result_count(reg_sync_result(sync)) == 0) {
        fail_msg("no row: %s", sql);
    }
    return reg_result_text(reg_sync_result(sync), 0, 0);
}

int64_t pg_number(struct reg_sync *sync, const char *sql, int count, const char *const *values)
{
    const char *text = pg_one(sync, sql, count, values);
    char *end = NULL;
    int64_t number = 0;

    if (text == NULL) {
        fail_msg("NULL: %s", sql);
        return 0;
    }
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        fail_msg("no number: %s", text);
    }
    return number;
}

const char *pg_column(struct reg_sync *sync, int column)
{
    return reg_result_text(reg_sync_result(sync), 0, column);
}

const char *pg_text(int64_t number)
{
    static char texts[256][24];
    static unsigned turn;
    char *text = texts[turn++ % 256u];

    (void)snprintf(text, sizeof(texts[0]), "%" PRId64, number);
    return text;
}
