#include "cli/dev_nodes.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/dev_folders.h"
#include "cli/process.h"
#include "cli/target.h"

#define WORDS_MAX (2 * CLI_MODULES_MAX + 32)

struct launch {
    const char *words[WORDS_MAX];
    int count;
    char program[PATH_MAX];
    char ready[128];
};

static void add(struct launch *launch, const char *key, const char *value)
{
    launch->words[launch->count++] = key;
    launch->words[launch->count++] = value;
}

/* trouped lies beside troupe; TROUPE_TROUPED names another. */
static int find_program(struct cli *cli, char *path, size_t size)
{
    const char *given = getenv("TROUPE_TROUPED");
    char self[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = NULL;

    if (given != NULL && given[0] != '\0') {
        (void)snprintf(path, size, "%s", given);
    } else {
        self[length > 0 ? length : 0] = '\0';
        slash = strrchr(self, '/');
        (void)snprintf(path, size, "%.*s/trouped", slash != NULL ? (int)(slash - self) : 0, self);
    }
    if (access(path, X_OK) == 0) {
        return 0;
    }
    return problem_set(&cli->problem, PROBLEM_DEV, "there is no program \"%.400s\"", path);
}

static int prepare(struct cli *cli, const struct dev_state *state, struct dev_node *node,
                   struct launch *launch)
{
    char run[64];
    int status = find_program(cli, launch->program, sizeof(launch->program));

    dev_folders_run_name(state->dir, run, sizeof(run));
    if (status == 0 &&
        (size_t)snprintf(node->admin_socket, sizeof(node->admin_socket), "%s/%s.sock", run,
                         node->name) >= sizeof(node->admin_socket)) {
        status =
            problem_set(&cli->problem, PROBLEM_DEV, "the node name \"%s\" is too long", node->name);
    }
    if (status == 0 && (size_t)snprintf(node->log, sizeof(node->log), "%s/log/%s.log", state->dir,
                                        node->name) >= sizeof(node->log)) {
        status = problem_set(&cli->problem, PROBLEM_DEV, "the path of the logs is too long");
    }
    if (status != 0) {
        return status;
    }
    (void)snprintf(launch->ready, sizeof(launch->ready), "%s/%.50s.ready", run, node->name);
    (void)unlink(launch->ready);
    launch->words[launch->count++] = launch->program;
    add(launch, "--name", node->name);
    add(launch, "--db", state->db);
    add(launch, "--listen", "127.0.0.1:0");
    add(launch, "--secret-file", state->secret_file);
    add(launch, "--admin-socket", node->admin_socket);
    add(launch, "--admin-mode", "0600");
    add(launch, "--ready-file", launch->ready);
    add(launch, "--lease-ttl", state->lease_ttl);
    add(launch, "--allow-unsafe-fsync", state->no_fsync ? "on" : "off");
    /* No file of the system's reaches into a private cluster. */
    add(launch, "--config", "/dev/null");
    for (int i = 0; i < state->modules_count; i++) {
        add(launch, "--module", state->modules[i]);
    }
    return 0;
}

/* Reads what the node wrote when it was ready; false while it is not there. */
static bool read_ready(const char *path, struct dev_node *node)
{
    char text[2048];
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = file >= 0 ? read(file, text, sizeof(text) - 1) : -1;
    cJSON *object = NULL;
    const char *id = NULL;
    const char *host = NULL;
    bool done = false;

    if (file >= 0) {
        (void)close(file);
    }
    if (size <= 0) {
        return false;
    }
    text[size] = '\0';
    object = cJSON_Parse(text);
    id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "node_id"));
    host = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "host"));
    if (id != NULL && host != NULL) {
        (void)snprintf(node->node_id, sizeof(node->node_id), "%s", id);
        (void)snprintf(node->host, sizeof(node->host), "%s", host);
        node->port =
            (uint16_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, "port"));
        done = true;
    }
    cJSON_Delete(object);
    return done;
}

/* The last lines of the node's log say why. */
static int start_problem(struct cli *cli, const struct dev_node *node, const char *what)
{
    const int status = problem_set(&cli->problem, PROBLEM_DEV, "node %s %s", node->name, what);
    char tail[800];

    process_log_tail(node->log, tail, sizeof(tail));
    problem_detail(&cli->problem, "%s", tail);
    problem_hint(&cli->problem, "the whole log: %.300s", node->log);
    return status;
}

/* Waits until the node is ready. *taken says that it ended since its name is still another's. */
static int wait_ready(struct cli *cli, const struct launch *launch, struct dev_node *node,
                      const volatile int *stop, bool *taken)
{
    const int64_t deadline = process_now_ms() + DEV_START_MS;
    int result = 0;

    *taken = false;
    while (!read_ready(launch->ready, node)) {
        if (*stop) {
            return problem_set(&cli->problem, PROBLEM_DEV, "interrupted");
        }
        if (process_ended(node->pid, &result)) {
            *taken = result == EX_TEMPFAIL;
            return start_problem(cli, node, "ended while it started");
        }
        if (process_now_ms() >= deadline) {
            return start_problem(cli, node, "was not ready in time");
        }
        process_pause(10);
    }
    return 0;
}

static int launch_once(struct cli *cli, const struct launch *launch, struct dev_node *node,
                       const volatile int *stop, bool *taken)
{
    const struct process_spec spec = {.arguments = launch->words, .log = node->log, .detach = true};
    int status = process_start(&spec, &node->pid, &cli->problem);

    if (status == 0) {
        node->started = process_started(node->pid);
        status = wait_ready(cli, launch, node, stop, taken);
        if (status != 0) {
            (void)dev_node_stop(node);
        }
    }
    return status;
}

int dev_node_start(struct cli *cli, const struct dev_state *state, struct dev_node *node,
                   const volatile int *stop)
{
    const int64_t deadline = process_now_ms() + DEV_START_MS;
    struct launch *launch = calloc(1, sizeof(*launch));
    bool taken = true;
    int status = 0;

    if (launch == NULL) {
        return problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    }
    status = prepare(cli, state, node, launch);
    if (status == 0) {
        /* After a crash of everything the database gives each node a full lease to come back, and
         * so the name of our own dead start is taken for that long. */
        do {
            status = launch_once(cli, launch, node, stop, &taken);
        } while (status != 0 && taken && !*stop && process_now_ms() < deadline);
    }
    free(launch);
    return status;
}

bool dev_node_runs(const struct dev_node *node)
{
    return process_lives(node->pid, node->started);
}

bool dev_node_stop(struct dev_node *node)
{
    const bool gone = process_stop(node->pid, node->started, SIGTERM, DEV_STOP_MS);

    if (gone) {
        (void)unlink(node->admin_socket);
        node->pid = 0;
        node->started = 0;
    }
    return gone;
}

/* ---- waiting for the mesh ---- */

/* How many other nodes this one is connected to, as it says itself; -1 when it does not say. */
static int connected_count(struct cli *cli, const struct dev_node *node)
{
    struct target *target = NULL;
    cJSON *request = cJSON_CreateObject();
    cJSON *reply = NULL;
    const cJSON *member = NULL;
    int count = -1;

    if (cJSON_AddStringToObject(request, "op", "members") != NULL &&
        target_open_socket(cli, node->admin_socket, &target) == 0 &&
        target_ask(cli, target, request, &reply) == 0) {
        count = 0;
        cJSON_ArrayForEach(member, cJSON_GetObjectItemCaseSensitive(reply, "nodes"))
        {
            const char *name =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(member, "name"));

            if (name != NULL && strcmp(name, node->name) != 0 &&
                cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "connected"))) {
                count++;
            }
        }
    }
    cJSON_Delete(reply);
    cJSON_Delete(request);
    target_close(target);
    return count;
}

static bool all_connected(struct cli *cli, const struct dev_state *state)
{
    int running = 0;

    for (int i = 0; i < state->nodes_count; i++) {
        running += dev_node_runs(&state->nodes[i]) ? 1 : 0;
    }
    for (int i = 0; i < state->nodes_count; i++) {
        if (dev_node_runs(&state->nodes[i]) &&
            connected_count(cli, &state->nodes[i]) < running - 1) {
            return false;
        }
    }
    return true;
}

int dev_nodes_wait(struct cli *cli, const struct dev_state *state, const volatile int *stop)
{
    const int64_t deadline = process_now_ms() + DEV_START_MS;

    while (!all_connected(cli, state)) {
        if (*stop || process_now_ms() >= deadline) {
            return problem_set(&cli->problem, PROBLEM_DEV, "%s",
                               *stop ? "interrupted" : "the nodes did not connect in time");
        }
        process_pause(20);
    }
    cli->problem.code = PROBLEM_NONE;
    return 0;
}
