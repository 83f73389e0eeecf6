/* dev down, status, psql and kill: what can be done with a private cluster that is there. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/dev_folders.h"
#include "cli/dev_lock.h"
#include "cli/dev_nodes.h"
#include "cli/dev_postgres.h"
#include "cli/dev_state.h"
#include "cli/print.h"
#include "cli/process.h"

/* ---- down ---- */

static int stop_nodes(struct cli *cli)
{
    /* All are asked before any is waited for: they end side by side. */
    for (int i = 0; i < cli->dev->nodes_count; i++) {
        const struct dev_node *node = &cli->dev->nodes[i];

        if (dev_node_runs(node)) {
            (void)kill(node->pid, SIGTERM);
            (void)kill(node->pid, SIGCONT);
        }
    }
    for (int i = 0; i < cli->dev->nodes_count; i++) {
        struct dev_node *node = &cli->dev->nodes[i];
        const bool ran = dev_node_runs(node);

        if (ran && process_wait(node->pid, node->started, DEV_STOP_MS)) {
            (void)kill(node->pid, SIGKILL);
            if (process_wait(node->pid, node->started, 5000)) {
                return problem_set(&cli->problem, PROBLEM_DEV, "node %s (pid %ld) does not end",
                                   node->name, (long)node->pid);
            }
        }
        (void)unlink(node->admin_socket);
    }
    return 0;
}

static void remove_file(const struct dev_state *state, const char *name)
{
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof(path), "%s/%s", state->dir, name);
    dev_folders_remove(path);
}

static void purge(const struct dev_state *state)
{
    dev_postgres_purge(state);
    remove_file(state, "log");
    remove_file(state, "secret");
    remove_file(state, "lock");
    (void)rmdir(state->dir);
}

static int say_down(struct cli *cli, const char *words)
{
    (void)printf(cli->format == CLI_JSON ? "{\"ok\":true}\n" : "%s\n", words);
    return 0;
}

static int stop_all(struct cli *cli)
{
    int status = stop_nodes(cli);

    if (status == 0) {
        status = dev_postgres_stop(cli, cli->dev);
    }
    if (status == 0) {
        dev_state_remove(cli->dev);
        if (cli_has(cli, OPTION_PURGE)) {
            purge(cli->dev);
        }
    }
    return status;
}

/* Nothing is known to run; what an earlier cluster left can still be removed. */
static int down_without_state(struct cli *cli)
{
    struct stat folder;
    char dir[PATH_MAX];
    int lock = -1;
    int status = 0;

    cli->problem.code = PROBLEM_NONE;
    if (!cli_has(cli, OPTION_PURGE) || stat(dev_state_dir(cli), &folder) != 0) {
        return say_down(cli, "nothing runs here");
    }
    status = dev_folders_make(cli, dir);
    if (status == 0) {
        status = dev_lock(cli, dir, &lock);
    }
    cli->dev = status == 0 ? calloc(1, sizeof(*cli->dev)) : NULL;
    if (cli->dev != NULL) {
        (void)snprintf(cli->dev->dir, sizeof(cli->dev->dir), "%s", dir);
        status = dev_postgres_prepare(cli, cli->dev);
        status = status == 0 ? stop_all(cli) : status;
    } else if (status == 0) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    dev_unlock(lock);
    return status == 0 ? say_down(cli, "nothing ran here; data removed") : status;
}

int command_dev_down(struct cli *cli)
{
    int lock = -1;
    int status = dev_lock_state(cli, &lock);

    if (status != 0) {
        return cli->problem.code == PROBLEM_NO_DEV ? down_without_state(cli) : status;
    }
    status = stop_all(cli);
    dev_unlock(lock);
    if (status != 0) {
        return status;
    }
    return say_down(cli,
                    cli_has(cli, OPTION_PURGE) ? "stopped; data removed" : "stopped; data kept");
}

/* ---- status ---- */

static int status_json(struct cli *cli, bool postgres)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *nodes = NULL;
    int status = 0;

    (void)cJSON_AddStringToObject(object, "dir", cli->dev->dir);
    (void)cJSON_AddStringToObject(object, "db", cli->dev->db);
    (void)cJSON_AddStringToObject(object, "postgres", postgres ? "running" : "stopped");
    nodes = cJSON_AddArrayToObject(object, "nodes");
    for (int i = 0; i < cli->dev->nodes_count; i++) {
        const struct dev_node *node = &cli->dev->nodes[i];
        cJSON *item = cJSON_CreateObject();

        (void)cJSON_AddStringToObject(item, "name", node->name);
        (void)cJSON_AddStringToObject(item, "node_id", node->node_id);
        (void)cJSON_AddStringToObject(item, "state", dev_node_runs(node) ? "running" : "stopped");
        (void)cJSON_AddNumberToObject(item, "pid", (double)node->pid);
        (void)cJSON_AddNumberToObject(item, "port", node->port);
        (void)cJSON_AddStringToObject(item, "admin_socket", node->admin_socket);
        (void)cJSON_AddStringToObject(item, "log", node->log);
        (void)cJSON_AddItemToArray(nodes, item);
    }
    status = print_json(cli, object);
    cJSON_Delete(object);
    return status;
}

static int status_table(struct cli *cli, bool postgres)
{
    enum { COLUMNS = 6 };
    const size_t rows = (size_t)cli->dev->nodes_count + 2;
    const char **cells = calloc(rows * COLUMNS, sizeof(*cells));
    char(*numbers)[2][24] = calloc(rows, sizeof(*numbers));

    if (cells == NULL || numbers == NULL) {
        free(cells);
        free(numbers);
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    memcpy(cells,
           (const char *const[]){"what", "state", "node_id", "port", "pid", "log", "postgres",
                                 postgres ? "running" : "stopped", NULL, NULL, NULL,
                                 cli->dev->postgres_log},
           2 * COLUMNS * sizeof(*cells));
    for (int i = 0; i < cli->dev->nodes_count; i++) {
        const struct dev_node *node = &cli->dev->nodes[i];
        const char **row = cells + (size_t)(i + 2) * COLUMNS;

        (void)snprintf(numbers[i][0], sizeof(numbers[i][0]), "%u", (unsigned)node->port);
        (void)snprintf(numbers[i][1], sizeof(numbers[i][1]), "%ld", (long)node->pid);
        memcpy(row,
               (const char *const[]){node->name, dev_node_runs(node) ? "running" : "stopped",
                                     node->node_id, numbers[i][0], numbers[i][1], node->log},
               COLUMNS * sizeof(*cells));
    }
    print_table(&(struct print_cells){cells, rows, COLUMNS});
    free(cells);
    free(numbers);
    return 0;
}

int command_dev_status(struct cli *cli)
{
    bool postgres = false;
    const int status = dev_state_require(cli);

    if (status != 0) {
        return status;
    }
    postgres = dev_postgres_runs(cli->dev);
    return cli->format == CLI_JSON ? status_json(cli, postgres) : status_table(cli, postgres);
}

/* ---- psql and kill ---- */

int command_dev_psql(struct cli *cli)
{
    char path[PATH_MAX + 8];
    const char *arguments[CLI_ARGUMENTS_MAX + 4] = {"psql", "-d"};
    int status = dev_state_require(cli);

    if (status != 0) {
        return status;
    }
    (void)snprintf(path, sizeof(path), "%s/psql", cli->dev->postgres_bin);
    arguments[2] = cli->dev->db;
    for (int i = 0; i < cli->arguments_count; i++) {
        arguments[3 + i] = cli->arguments[i];
    }
    (void)fflush(NULL);
    /* exec takes pointers to what it does not change; the cast only says so. */
    (void)execv(path, (char *const *)(uintptr_t)arguments);
    (void)execvp("psql", (char *const *)(uintptr_t)arguments);
    status =
        problem_set(&cli->problem, PROBLEM_NO_SERVER, "psql cannot be run: %s", strerror(errno));
    problem_hint(&cli->problem, "on Debian: apt-get install postgresql-client");
    return status;
}

int command_dev_kill(struct cli *cli)
{
    struct dev_node *node = NULL;
    uint32_t number = 0;
    int lock = -1;
    int status = cli_count(cli, OPTION_SIGNAL, 64, SIGKILL, &number);

    if (status == 0) {
        status = dev_lock_state(cli, &lock);
    }
    if (status != 0) {
        return status;
    }
    node = dev_state_node(cli->dev, cli->arguments[0]);
    if (node == NULL || !dev_node_runs(node)) {
        status = problem_set(&cli->problem, PROBLEM_NO_NODE, "no such node runs here: \"%.60s\"",
                             cli->arguments[0]);
        problem_hint(&cli->problem, "troupe dev status  shows those that do");
    } else if (kill(node->pid, (int)number) != 0) {
        status = problem_set(&cli->problem, PROBLEM_SYSTEM, "cannot signal pid %ld: %s",
                             (long)node->pid, strerror(errno));
    } else {
        /* Whoever asks for the end gets it before we answer; a stop signal ends nothing. */
        if (number == SIGKILL) {
            (void)process_wait(node->pid, node->started, 5000);
        }
        (void)say_down(cli, "signal sent");
    }
    dev_unlock(lock);
    return status;
}
