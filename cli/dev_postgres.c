#include "cli/dev_postgres.h"

#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/dev_folders.h"
#include "cli/process.h"
#include "pg/pg_sync.h"

#define SERVER_VERSION_MIN 15
#define START_MS 60000u

/* ---- finding the programs ---- */

static bool has_programs(const char *folder)
{
    static const char *const names[] = {"initdb", "pg_ctl", "postgres"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];
        const int size = snprintf(path, sizeof(path), "%s/%s", folder, names[i]);

        if (size < 0 || (size_t)size >= sizeof(path) || access(path, X_OK) != 0) {
            return false;
        }
    }
    return true;
}

/* The newest of Debian's folders, /usr/lib/postgresql/VERSION/bin. */
static bool find_debian(char *folder, size_t size)
{
    glob_t found;
    long best = SERVER_VERSION_MIN - 1;

    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0) {
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);

        if (version > best && has_programs(found.gl_pathv[i])) {
            best = version;
            (void)snprintf(folder, size, "%s", found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return best >= SERVER_VERSION_MIN;
}

static bool find_on_path(char *folder, size_t size)
{
    const char *path = getenv("PATH");

    while (path != NULL && *path != '\0') {
        const size_t length = strcspn(path, ":");

        if (length > 0 && length < size) {
            (void)snprintf(folder, size, "%.*s", (int)length, path);
            if (has_programs(folder)) {
                return true;
            }
        }
        path += length + (path[length] == ':' ? 1 : 0);
    }
    return false;
}

static int find_programs(struct cli *cli, char *folder, size_t size)
{
    const char *given = getenv("TROUPE_PG_BIN");
    int status = 0;

    if (given != NULL && given[0] != '\0') {
        (void)snprintf(folder, size, "%s", given);
        if (has_programs(folder)) {
            return 0;
        }
        return problem_set(&cli->problem, PROBLEM_NO_SERVER,
                           "TROUPE_PG_BIN: initdb, pg_ctl and postgres are not in \"%.300s\"",
                           given);
    }
    if (find_debian(folder, size) || find_on_path(folder, size)) {
        return 0;
    }
    status = problem_set(&cli->problem, PROBLEM_NO_SERVER,
                         "PostgreSQL %d or later is not installed here", SERVER_VERSION_MIN);
    problem_hint(&cli->problem, "on Debian: apt-get install postgresql; elsewhere name the folder "
                                "of initdb and pg_ctl in TROUPE_PG_BIN");
    return status;
}

/* ---- whose rights it gets ---- */

static void find_user(struct process_user *user)
{
    static const char *const names[] = {"postgres", "nobody"};

    *user = (struct process_user){.drop = geteuid() == 0};
    for (size_t i = 0; user->drop && i < sizeof(names) / sizeof(names[0]); i++) {
        const struct passwd *entry = getpwnam(names[i]);

        if (entry != NULL && entry->pw_uid != 0) {
            user->uid = entry->pw_uid;
            user->gid = entry->pw_gid;
            (void)snprintf(user->name, sizeof(user->name), "%s", names[i]);
            return;
        }
    }
}

/* ---- folders ---- */

/* DIR/pg when the server's user can work there, else a folder beside the sockets. */
static int choose_data(struct cli *cli, struct dev_state *state, const char *run,
                       const struct process_user *user)
{
    char folder[PATH_MAX + 8];
    int status = 0;

    (void)snprintf(folder, sizeof(folder), "%s/pg", state->dir);
    status = dev_folders_make_for(cli, folder, user);
    if (status == 0 && !dev_folders_reachable(folder, user)) {
        (void)rmdir(folder);
        (void)snprintf(folder, sizeof(folder), "%s/data", run);
        status = dev_folders_make_for(cli, folder, user);
    }
    if (status == 0 && strlen(folder) + 16 > sizeof(state->postgres_data)) {
        status =
            problem_set(&cli->problem, PROBLEM_DEV, "the path \"%.80s...\" is too long", folder);
    }
    if (status != 0) {
        return status;
    }
    (void)snprintf(state->postgres_data, sizeof(state->postgres_data), "%.*s/data", PATH_MAX - 8,
                   folder);
    (void)snprintf(state->postgres_log, sizeof(state->postgres_log), "%.*s/server.log",
                   PATH_MAX - 16, folder);
    return 0;
}

int dev_postgres_prepare(struct cli *cli, struct dev_state *state)
{
    struct process_user user;
    char run[64];
    int status = find_programs(cli, state->postgres_bin, sizeof(state->postgres_bin));

    find_user(&user);
    if (status == 0) {
        status = dev_folders_make_run(cli, state->dir, run, sizeof(run));
    }
    if (status == 0) {
        (void)snprintf(state->socket_dir, sizeof(state->socket_dir), "%s/pg", run);
        status = dev_folders_make_for(cli, state->socket_dir, &user);
    }
    if (status == 0) {
        status = choose_data(cli, state, run, &user);
    }
    (void)snprintf(state->db, sizeof(state->db), "host=%s port=5432 user=troupe dbname=troupe",
                   state->socket_dir);
    return status;
}

/* ---- running the programs ---- */

static int server_problem(struct cli *cli, const struct dev_state *state, const char *what)
{
    const int status = problem_set(&cli->problem, PROBLEM_DEV, "%s", what);
    char tail[600];

    process_log_tail(state->postgres_log, tail, sizeof(tail));
    problem_detail(&cli->problem, "%s", tail);
    problem_hint(&cli->problem, "the whole log: %.300s", state->postgres_log);
    return status;
}

/* Runs initdb or pg_ctl with these arguments after the program's name. */
static int run_program(struct cli *cli, const struct dev_state *state, const char *name,
                       const char *const *arguments, int *result)
{
    char path[PATH_MAX + 16];
    const char *all[16] = {path};
    struct process_user user;
    const struct process_spec spec = {
        .arguments = all, .user = &user, .log = state->postgres_log, .detach = true};

    find_user(&user);
    (void)snprintf(path, sizeof(path), "%s/%s", state->postgres_bin, name);
    for (size_t i = 0; arguments[i] != NULL && i + 2 < sizeof(all) / sizeof(all[0]); i++) {
        all[i + 1] = arguments[i];
    }
    return process_run(&spec, START_MS, result, &cli->problem);
}

static bool has_data(const struct dev_state *state)
{
    char path[PATH_MAX + 16];
    struct stat status;

    (void)snprintf(path, sizeof(path), "%s/PG_VERSION", state->postgres_data);
    return stat(path, &status) == 0;
}

static int create_data(struct cli *cli, const struct dev_state *state)
{
    const char *const arguments[] = {
        "-D",          state->postgres_data, "-U",        "postgres", "--auth=trust",
        "--no-locale", "--encoding=UTF8",    "--no-sync", NULL};
    int result = 0;
    const int status = run_program(cli, state, "initdb", arguments, &result);

    if (status != 0) {
        return status;
    }
    return result == 0 ? 0 : server_problem(cli, state, "initdb failed");
}

static void superuser_conninfo(const struct dev_state *state, char *text, size_t size)
{
    (void)snprintf(text, size, "host=%s port=5432 user=postgres dbname=postgres",
                   state->socket_dir);
}

bool dev_postgres_runs(const struct dev_state *state)
{
    struct reg_sync *sync = NULL;
    char conninfo[256];
    troupe_status status = TROUPE_OK;

    superuser_conninfo(state, conninfo, sizeof(conninfo));
    status = reg_sync_connect(conninfo, "troupe dev", 3000, &sync);
    reg_sync_close(sync);
    return status == TROUPE_OK;
}

/* What the server must not take from files or variables. None of it needs quoting for the shell
 * that pg_ctl passes it through. */
static void server_options(const struct dev_state *state, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "-c listen_addresses= -c port=5432 -c unix_socket_directories=%s "
                   "-c unix_socket_permissions=0700 -c max_connections=%d -c shared_buffers=64MB "
                   "-c log_min_messages=warning -c fsync=%s -c full_page_writes=%s",
                   state->socket_dir, 40 + 4 * DEV_NODES_MAX, state->no_fsync ? "off" : "on",
                   state->no_fsync ? "off" : "on");
}

static void remove_socket(const struct dev_state *state)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", state->socket_dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/.s.PGSQL.5432.lock", state->socket_dir);
    (void)unlink(path);
}

/* A server that was killed is outlived by its sessions for moments, in which no new one can start.
 * Where nobody collects the dead it stays as a zombie, which the lock file of its data takes for
 * alive: once the last of its processes has gone, the lock may go too. */
static void clear_killed(const struct dev_state *state)
{
    const int64_t deadline = process_now_ms() + 10000;
    char path[PATH_MAX + 32];
    char line[32] = "";

    (void)snprintf(path, sizeof(path), "%s/postmaster.pid", state->postgres_data);
    process_log_head(path, line, sizeof(line));
    const pid_t pid = (pid_t)strtol(line, NULL, 10);
    const bool zombie = process_is_zombie(pid);

    if (pid <= 0 || (!zombie && (kill(pid, 0) == 0 || errno != ESRCH))) {
        return;
    }
    while (process_works_in(state->postgres_data)) {
        if (process_now_ms() >= deadline) {
            return; /* then the server itself refuses to start, and says why */
        }
        process_pause(50);
    }
    if (zombie) {
        (void)unlink(path);
        remove_socket(state);
    }
}

static int start_server(struct cli *cli, const struct dev_state *state)
{
    char options[512];
    const char *const arguments[] = {"-D", state->postgres_data,
                                     "-l", state->postgres_log,
                                     "-o", options,
                                     "-w", "-t",
                                     "50", "start",
                                     NULL};
    int result = 0;
    int status = 0;

    clear_killed(state);
    server_options(state, options, sizeof(options));
    status = run_program(cli, state, "pg_ctl", arguments, &result);
    if (status != 0) {
        return status;
    }
    return result == 0 ? 0 : server_problem(cli, state, "PostgreSQL did not start");
}

/* The role of nodes and commands owns the database and may make roles; it is no superuser. */
static const char role_script[] =
    "DO $$ BEGIN "
    "IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'troupe_owner') THEN "
    "CREATE ROLE troupe_owner NOLOGIN; END IF; "
    "IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'troupe') THEN "
    "CREATE ROLE troupe LOGIN CREATEROLE; GRANT troupe_owner TO troupe WITH ADMIN OPTION; "
    "GRANT pg_signal_backend TO troupe_owner; END IF; END $$";

static troupe_status make_database(struct reg_sync *sync)
{
    troupe_status status = reg_sync_script(sync, role_script, 10000);

    if (status == TROUPE_OK) {
        status = reg_sync_exec(sync, "SELECT 1 FROM pg_database d WHERE d.datname = 'troupe'", 0,
                               NULL, 10000);
    }
    if (status == TROUPE_OK && reg_result_count(reg_sync_result(sync)) == 0) {
        status = reg_sync_exec(sync, "CREATE DATABASE troupe OWNER troupe TEMPLATE template0", 0,
                               NULL, 30000);
    }
    return status;
}

/* Makes the role and the database unless they are there. */
static int create_database(struct cli *cli, const struct dev_state *state)
{
    struct reg_sync *sync = NULL;
    char conninfo[256];
    troupe_status status = TROUPE_OK;
    int result = 0;

    superuser_conninfo(state, conninfo, sizeof(conninfo));
    status = reg_sync_connect(conninfo, "troupe dev", 10000, &sync);
    if (status == TROUPE_OK) {
        status = make_database(sync);
    }
    if (status != TROUPE_OK) {
        result = problem_set(&cli->problem, PROBLEM_DEV, "the database could not be created");
        problem_detail(&cli->problem, "%s",
                       sync != NULL ? reg_sync_error(sync) : troupe_status_text(status));
    }
    reg_sync_close(sync);
    return result;
}

int dev_postgres_start(struct cli *cli, struct dev_state *state, bool *started, bool *created)
{
    int status = 0;

    *started = false;
    *created = false;
    if (!dev_postgres_runs(state)) {
        if (!has_data(state)) {
            *created = true;
            status = create_data(cli, state);
        }
        if (status == 0) {
            status = start_server(cli, state);
            *started = status == 0;
        }
    }
    return status == 0 ? create_database(cli, state) : status;
}

void dev_postgres_version(struct cli *cli, const struct dev_state *state, char *text, size_t size)
{
    struct reg_sync *sync = NULL;
    const char *version = NULL;

    (void)cli;
    text[0] = '\0';
    if (reg_sync_connect(state->db, "troupe dev", 3000, &sync) == TROUPE_OK &&
        reg_sync_exec(sync, "SELECT current_setting('server_version')", 0, NULL, 3000) ==
            TROUPE_OK) {
        version = reg_result_text(reg_sync_result(sync), 0, 0);
    }
    if (version != NULL) {
        (void)snprintf(text, size, "%.*s", (int)strcspn(version, " "), version);
    }
    reg_sync_close(sync);
}

int dev_postgres_stop(struct cli *cli, const struct dev_state *state)
{
    const char *const arguments[] = {
        "-D", state->postgres_data, "-m", "fast", "-w", "-t", "50", "stop", NULL};
    int result = 0;
    int status = 0;

    if (!has_data(state)) {
        return 0;
    }
    status = run_program(cli, state, "pg_ctl", arguments, &result);
    if (status == 0 && result != 0 && dev_postgres_runs(state)) {
        status = server_problem(cli, state, "PostgreSQL did not stop");
    }
    return status;
}

void dev_postgres_purge(const struct dev_state *state)
{
    char folder[PATH_MAX];
    char run[64];

    /* The folder above the data, which also holds the log. */
    (void)snprintf(folder, sizeof(folder), "%s", state->postgres_data);
    *strrchr(folder, '/') = '\0';
    dev_folders_remove(folder);
    dev_folders_run_name(state->dir, run, sizeof(run));
    dev_folders_remove(run);
}
