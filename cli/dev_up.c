/* dev up: a private PostgreSQL and some nodes, kept running after we have ended. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/dev_folders.h"
#include "cli/dev_lock.h"
#include "cli/dev_nodes.h"
#include "cli/dev_postgres.h"
#include "cli/dev_state.h"
#include "cli/process.h"
#include "daemon/secret.h"
#include "daemon/text.h"
#include "daemon/units.h"
#include "pg/migrate.h"

#define MIGRATE_MS 60000u

static volatile int interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* What this run has started, and so has to end when it fails. */
struct up {
    struct cli *cli;
    struct dev_state *state;
    int64_t begun_ms;
    int64_t step_ms;
    bool started_postgres;
    bool started_node[DEV_NODES_MAX];
};

/* One line for a step that is done: when, what, how long it took. */
static void say(struct up *up, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct up *up, const char *what, const char *format, ...)
{
    FILE *out = up->cli->format == CLI_JSON ? stderr : stdout;
    const int64_t now = process_now_ms();
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)fprintf(out, "[%5.1fs] %-9s ", (double)(now - up->begun_ms) / 1000.0, what);
    text_print(out, text, strlen(text));
    (void)fprintf(out, "  (%.1f s)\n", (double)(now - up->step_ms) / 1000.0);
    (void)fflush(out);
    up->step_ms = now;
}

/* ---- what is wanted ---- */

static int wanted_modules(struct cli *cli, struct dev_state *state)
{
    if (cli->modules_count > 0) {
        state->modules_count = 0;
    }
    for (int i = 0; i < cli->modules_count; i++) {
        if (realpath(cli->modules[i], state->modules[i]) == NULL) {
            return problem_set(&cli->problem, PROBLEM_MODULE, "the module \"%.300s\": %s",
                               cli->modules[i], strerror(errno));
        }
        state->modules_count++;
    }
    return 0;
}

static bool has_other_modules(const struct dev_state *before, const struct dev_state *now)
{
    bool other = before->modules_count != now->modules_count;

    for (int i = 0; !other && i < now->modules_count; i++) {
        other = strcmp(before->modules[i], now->modules[i]) != 0;
    }
    return other;
}

/* Running nodes keep what they were started with, so a wish for something else is refused. */
static int refuse_changes(struct cli *cli, const struct dev_state *before,
                          const struct dev_state *now)
{
    int running = 0;
    int status = 0;

    for (int i = 0; i < before->nodes_count; i++) {
        running += dev_node_runs(&before->nodes[i]) ? 1 : 0;
    }
    if (running == 0 ||
        (!has_other_modules(before, now) && strcmp(before->lease_ttl, now->lease_ttl) == 0 &&
         strcmp(before->name_prefix, now->name_prefix) == 0 && before->no_fsync == now->no_fsync)) {
        return 0;
    }
    status = problem_set(&cli->problem, PROBLEM_DEV,
                         "a private cluster runs here with other modules or options");
    problem_hint(&cli->problem, "troupe dev down  first, or another --dir");
    return status;
}

static int wanted_options(struct cli *cli, struct dev_state *state)
{
    const char *ttl = cli->options[OPTION_LEASE_TTL];
    const char *prefix = cli->options[OPTION_NAME_PREFIX];
    uint32_t milliseconds = 0;

    if (ttl != NULL && (!unit_milliseconds(ttl, &milliseconds) || milliseconds < 500 ||
                        strlen(ttl) >= sizeof(state->lease_ttl))) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "--lease-ttl takes a time of at least 500ms: %.40s", ttl);
    }
    if (prefix != NULL &&
        (prefix[0] == '\0' || strlen(prefix) > 40 ||
         strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
             strlen(prefix))) {
        return problem_set(&cli->problem, PROBLEM_USAGE,
                           "--name-prefix takes up to 40 letters, digits, _ and -");
    }
    if (ttl != NULL) {
        (void)snprintf(state->lease_ttl, sizeof(state->lease_ttl), "%s", ttl);
    }
    if (prefix != NULL) {
        (void)snprintf(state->name_prefix, sizeof(state->name_prefix), "%s", prefix);
    }
    state->no_fsync = state->no_fsync || cli_has(cli, OPTION_NO_FSYNC);
    return wanted_modules(cli, state);
}

/* Names the nodes that are wanted beside those that dev.json has. */
static int wanted_nodes(struct cli *cli, struct dev_state *state)
{
    uint32_t count = 0;
    int status = cli_count(cli, OPTION_NODES, DEV_NODES_MAX, 3, &count);

    for (uint32_t i = 1; status == 0 && i <= count; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%s%u", state->name_prefix, (unsigned)i);
        if (dev_state_node(state, name) == NULL && state->nodes_count < DEV_NODES_MAX) {
            struct dev_node *node = &state->nodes[state->nodes_count++];

            (void)snprintf(node->name, sizeof(node->name), "%s", name);
        }
    }
    return status;
}

/* Fills state from dev.json, where there is one, and from the options. */
static int want(struct cli *cli, struct dev_state *state)
{
    int status = dev_state_find(cli);

    if (status != 0) {
        return status;
    }
    if (cli->dev != NULL) {
        const bool idle = cli->dev->nodes_count == 0;
        char dir[PATH_MAX];

        (void)snprintf(dir, sizeof(dir), "%s", state->dir);
        *state = *cli->dev;
        (void)snprintf(state->dir, sizeof(state->dir), "%s", dir);
        status = wanted_options(cli, state);
        if (status == 0 && !idle) {
            status = refuse_changes(cli, cli->dev, state);
        }
    } else {
        (void)snprintf(state->lease_ttl, sizeof(state->lease_ttl), "5s");
        (void)snprintf(state->name_prefix, sizeof(state->name_prefix), "n");
        status = wanted_options(cli, state);
    }
    return status == 0 ? wanted_nodes(cli, state) : status;
}

/* ---- the steps ---- */

static int step_postgres(struct up *up)
{
    char version[32];
    bool created = false;
    int status = dev_postgres_prepare(up->cli, up->state);

    if (status == 0) {
        status = dev_postgres_start(up->cli, up->state, &up->started_postgres, &created);
    }
    if (status != 0) {
        return status;
    }
    status = dev_state_write(up->cli, up->state);
    if (status != 0) {
        return status;
    }
    dev_postgres_version(up->cli, up->state, version, sizeof(version));
    say(up, "postgres", "private PostgreSQL %s in %s, socket only%s%s", version,
        up->state->postgres_data,
        up->started_postgres ? (created ? ", new" : ", data kept") : ", was running",
        up->state->no_fsync ? "; fsync is off: not safe against a power cut" : "");
    return 0;
}

static int step_schema(struct up *up)
{
    struct reg_migrate_report report = {.version = 0};
    struct reg_sync *sync = NULL;
    troupe_status status = reg_sync_connect(up->state->db, "troupe dev", 10000, &sync);
    int result = 0;

    if (status == TROUPE_OK) {
        status = reg_migrate_apply(sync, &reg_migrations_builtin, MIGRATE_MS, &report);
    }
    if (status != TROUPE_OK) {
        result = problem_set(&up->cli->problem,
                             status == TROUPE_E_SCHEMA ? PROBLEM_SCHEMA_NEW : PROBLEM_DEV,
                             "the database could not be migrated");
        problem_detail(&up->cli->problem, "%s",
                       report.error[0] != '\0'
                           ? report.error
                           : (sync != NULL ? reg_sync_error(sync) : troupe_status_text(status)));
    } else {
        say(up, "schema", "troupe at migration %d, %d applied now", report.version, report.applied);
    }
    reg_sync_close(sync);
    return result;
}

static int step_secret(struct up *up)
{
    struct dev_state *state = up->state;

    if ((size_t)snprintf(state->secret_file, sizeof(state->secret_file), "%s/secret", state->dir) >=
        sizeof(state->secret_file)) {
        return problem_set(&up->cli->problem, PROBLEM_DEV, "the path of DIR is too long");
    }
    return secret_make(state->secret_file, &up->cli->problem);
}

static int step_nodes(struct up *up)
{
    for (int i = 0; i < up->state->nodes_count; i++) {
        struct dev_node *node = &up->state->nodes[i];
        int status = 0;

        if (dev_node_runs(node)) {
            say(up, "node", "%s runs, pid %ld", node->name, (long)node->pid);
            continue;
        }
        status = dev_node_start(up->cli, up->state, node, &interrupted);
        if (status != 0) {
            return status;
        }
        up->started_node[i] = true;
        /* From now on `dev down` finds it, even if we are killed. */
        status = dev_state_write(up->cli, up->state);
        if (status != 0) {
            return status;
        }
        say(up, "node", "%s up as node %s at %s:%u, pid %ld", node->name, node->node_id, node->host,
            (unsigned)node->port, (long)node->pid);
    }
    return 0;
}

static int step_mesh(struct up *up)
{
    const int status = dev_nodes_wait(up->cli, up->state, &interrupted);

    if (status == 0) {
        say(up, "cluster", "%d nodes, all connected", up->state->nodes_count);
    }
    return status;
}

/* Ends what this run has started; what ran before goes on. */
static void undo(struct up *up)
{
    const struct problem problem = up->cli->problem;

    for (int i = 0; i < up->state->nodes_count; i++) {
        if (up->started_node[i]) {
            (void)dev_node_stop(&up->state->nodes[i]);
        }
    }
    if (up->started_postgres) {
        (void)dev_postgres_stop(up->cli, up->state);
    }
    if (up->cli->dev != NULL) {
        (void)dev_state_write(up->cli, up->cli->dev);
    } else {
        dev_state_remove(up->state);
    }
    up->cli->problem = problem;
}

static int run_steps(struct up *up)
{
    static int (*const steps[])(struct up *) = {step_postgres, step_schema, step_secret, step_nodes,
                                                step_mesh};
    int status = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && status == 0; i++) {
        status =
            interrupted ? problem_set(&up->cli->problem, PROBLEM_DEV, "interrupted") : steps[i](up);
    }
    if (status != 0) {
        undo(up);
    }
    return interrupted ? 130 : status;
}

static void watch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_interrupt};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

static int up_locked(struct cli *cli, struct dev_state *state)
{
    struct up up = {.cli = cli, .state = state, .begun_ms = process_now_ms()};
    int status = want(cli, state);

    up.step_ms = up.begun_ms;
    if (status == 0) {
        watch_signals();
        status = run_steps(&up);
    }
    if (status == 0 && cli->format == CLI_JSON) {
        status = dev_state_print(cli, state);
    } else if (status == 0) {
        (void)printf("next: troupe node list | troupe dev psql | troupe dev down   logs: %s/log\n",
                     state->dir);
    }
    return status;
}

int command_dev_up(struct cli *cli)
{
    struct dev_state *state = calloc(1, sizeof(*state));
    int lock = -1;
    int status = 0;

    if (state == NULL) {
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    status = dev_folders_make(cli, state->dir);
    if (status == 0) {
        status = dev_lock(cli, state->dir, &lock);
    }
    if (status == 0) {
        status = up_locked(cli, state);
    }
    dev_unlock(lock);
    free(state);
    return status;
}

/* ---- dev start ---- */

int command_dev_start(struct cli *cli)
{
    struct dev_node *node = NULL;
    struct up up = {.cli = cli, .begun_ms = process_now_ms()};
    int lock = -1;
    int status = dev_lock_state(cli, &lock);

    if (status != 0) {
        return status;
    }
    up.state = cli->dev;
    up.step_ms = up.begun_ms;
    node = dev_state_node(cli->dev, cli->arguments[0]);
    if (node == NULL) {
        status = problem_set(&cli->problem, PROBLEM_NO_NODE, "no such node here: \"%.60s\"",
                             cli->arguments[0]);
    } else if (!dev_node_runs(node)) {
        watch_signals();
        status = dev_node_start(cli, cli->dev, node, &interrupted);
        if (status == 0) {
            status = dev_nodes_wait(cli, cli->dev, &interrupted);
        }
        if (status == 0) {
            status = dev_state_write(cli, cli->dev);
        }
    }
    if (status == 0 && node != NULL) {
        say(&up, "node", "%s up as node %s at %s:%u, pid %ld", node->name, node->node_id,
            node->host, (unsigned)node->port, (long)node->pid);
    }
    dev_unlock(lock);
    return status;
}
