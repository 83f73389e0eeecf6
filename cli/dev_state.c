#include "cli/dev_state.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/print.h"
#include "daemon/state_files.h"

#define FILE_SIZE_MAX (1024u * 1024u)

const char *dev_state_dir(const struct cli *cli)
{
    const char *variable = getenv("TROUPE_DIR");

    if (cli_has(cli, OPTION_DIR)) {
        return cli->options[OPTION_DIR];
    }
    return variable != NULL && variable[0] != '\0' ? variable : ".troupe";
}

/* ---- reading ---- */

/* Copies a text field; false when it is missing or too long. */
static bool take_text(const cJSON *object, const char *key, char *out, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    if (text == NULL || strlen(text) >= size) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool take_number(const cJSON *object, const char *key, double max, double *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > max) {
        return false;
    }
    *out = item->valuedouble;
    return true;
}

static bool take_node(const cJSON *object, struct dev_node *node)
{
    char started[24];
    double pid = 0;
    double port = 0;

    if (!take_text(object, "name", node->name, sizeof(node->name)) ||
        !take_text(object, "node_id", node->node_id, sizeof(node->node_id)) ||
        !take_text(object, "started", started, sizeof(started)) ||
        !take_text(object, "host", node->host, sizeof(node->host)) ||
        !take_text(object, "admin_socket", node->admin_socket, sizeof(node->admin_socket)) ||
        !take_text(object, "log", node->log, sizeof(node->log)) ||
        !take_number(object, "pid", INT32_MAX, &pid) ||
        !take_number(object, "port", UINT16_MAX, &port)) {
        return false;
    }
    node->pid = (pid_t)pid;
    node->port = (uint16_t)port;
    node->started = strtoull(started, NULL, 10);
    return true;
}

static bool take_lists(const cJSON *object, struct dev_state *state)
{
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(object, "nodes");
    const cJSON *modules = cJSON_GetObjectItemCaseSensitive(object, "modules");
    const cJSON *item = NULL;

    if (!cJSON_IsArray(nodes) || !cJSON_IsArray(modules)) {
        return false;
    }
    cJSON_ArrayForEach(item, nodes)
    {
        if (state->nodes_count == DEV_NODES_MAX ||
            !take_node(item, &state->nodes[state->nodes_count])) {
            return false;
        }
        state->nodes_count++;
    }
    cJSON_ArrayForEach(item, modules)
    {
        const char *text = cJSON_GetStringValue(item);

        if (text == NULL || strlen(text) >= PATH_MAX || state->modules_count == CLI_MODULES_MAX) {
            return false;
        }
        (void)snprintf(state->modules[state->modules_count++], PATH_MAX, "%s", text);
    }
    return true;
}

static bool take_state(const cJSON *object, struct dev_state *state)
{
    const cJSON *postgres = cJSON_GetObjectItemCaseSensitive(object, "postgres");
    double version = 0;

    state->no_fsync = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "no_fsync"));
    return take_number(object, "version", 1, &version) &&
           take_text(object, "db", state->db, sizeof(state->db)) &&
           take_text(object, "secret_file", state->secret_file, sizeof(state->secret_file)) &&
           take_text(object, "lease_ttl", state->lease_ttl, sizeof(state->lease_ttl)) &&
           take_text(object, "name_prefix", state->name_prefix, sizeof(state->name_prefix)) &&
           take_text(postgres, "bin", state->postgres_bin, sizeof(state->postgres_bin)) &&
           take_text(postgres, "data", state->postgres_data, sizeof(state->postgres_data)) &&
           take_text(postgres, "log", state->postgres_log, sizeof(state->postgres_log)) &&
           take_text(postgres, "socket_dir", state->socket_dir, sizeof(state->socket_dir)) &&
           take_lists(object, state);
}

/* Reads the whole file; NULL with errno set, which is ENOENT when there is none. */
static char *read_file(const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    char *text = file >= 0 ? calloc(1, FILE_SIZE_MAX + 1) : NULL;
    size_t size = 0;
    ssize_t got = 1;

    if (file < 0) {
        return NULL;
    }
    while (text != NULL && got > 0 && size < FILE_SIZE_MAX) {
        got = read(file, text + size, FILE_SIZE_MAX - size);
        size += got > 0 ? (size_t)got : 0;
    }
    (void)close(file);
    if (got < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int bad_file(struct cli *cli, const char *path, const char *why)
{
    const int status = problem_set(&cli->problem, PROBLEM_CONFIG, "cannot use \"%s\"", path);

    problem_detail(&cli->problem, "%s", why);
    problem_hint(&cli->problem, "if nothing of it runs any more, remove the file");
    return status;
}

static int read_state(struct cli *cli, const char *path, const char *dir)
{
    char *text = read_file(path);
    cJSON *object = NULL;
    struct dev_state *state = NULL;
    int status = 0;

    if (text == NULL) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : bad_file(cli, path, strerror(errno));
    }
    object = cJSON_Parse(text);
    free(text);
    state = calloc(1, sizeof(*state));
    if (state == NULL) {
        status = problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    } else if (!take_state(object, state)) {
        status = bad_file(cli, path, "it is not what `troupe dev up` writes");
    } else {
        (void)snprintf(state->dir, sizeof(state->dir), "%s", dir);
        cli->dev = state;
        state = NULL;
    }
    free(state);
    cJSON_Delete(object);
    return status;
}

int dev_state_find(struct cli *cli)
{
    char dir[PATH_MAX];
    char path[PATH_MAX + 16];

    if (cli->dev_was_read) {
        return 0;
    }
    cli->dev_was_read = true;
    if (realpath(dev_state_dir(cli), dir) == NULL) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "%s/dev.json", dir);
    return read_state(cli, path, dir);
}

int dev_state_require(struct cli *cli)
{
    int status = dev_state_find(cli);

    if (status == 0 && cli->dev == NULL) {
        status = problem_set(&cli->problem, PROBLEM_NO_DEV, "no private cluster in \"%.300s\"",
                             dev_state_dir(cli));
        problem_hint(&cli->problem, "troupe dev up  starts one; --dir names another folder");
    }
    return status;
}

/* ---- writing ---- */

static bool add_node(cJSON *array, const struct dev_node *node)
{
    cJSON *object = cJSON_CreateObject();
    char started[24];

    (void)snprintf(started, sizeof(started), "%" PRIu64, node->started);
    if (!cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        return false;
    }
    return cJSON_AddStringToObject(object, "name", node->name) != NULL &&
           cJSON_AddStringToObject(object, "node_id", node->node_id) != NULL &&
           cJSON_AddNumberToObject(object, "pid", (double)node->pid) != NULL &&
           cJSON_AddStringToObject(object, "started", started) != NULL &&
           cJSON_AddStringToObject(object, "host", node->host) != NULL &&
           cJSON_AddNumberToObject(object, "port", node->port) != NULL &&
           cJSON_AddStringToObject(object, "admin_socket", node->admin_socket) != NULL &&
           cJSON_AddStringToObject(object, "log", node->log) != NULL;
}

static bool add_lists(cJSON *object, const struct dev_state *state)
{
    cJSON *modules = cJSON_AddArrayToObject(object, "modules");
    cJSON *nodes = cJSON_AddArrayToObject(object, "nodes");

    for (int i = 0; i < state->modules_count; i++) {
        cJSON *text = cJSON_CreateString(state->modules[i]);

        if (!cJSON_AddItemToArray(modules, text)) {
            cJSON_Delete(text);
            return false;
        }
    }
    for (int i = 0; i < state->nodes_count; i++) {
        if (!add_node(nodes, &state->nodes[i])) {
            return false;
        }
    }
    return modules != NULL && nodes != NULL;
}

/* Answers NULL when there is no memory. */
static cJSON *state_json(const struct dev_state *state)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *postgres = NULL;

    if (cJSON_AddNumberToObject(object, "version", 1) != NULL &&
        cJSON_AddStringToObject(object, "db", state->db) != NULL &&
        cJSON_AddStringToObject(object, "secret_file", state->secret_file) != NULL &&
        cJSON_AddStringToObject(object, "lease_ttl", state->lease_ttl) != NULL &&
        cJSON_AddStringToObject(object, "name_prefix", state->name_prefix) != NULL &&
        cJSON_AddBoolToObject(object, "no_fsync", state->no_fsync) != NULL &&
        (postgres = cJSON_AddObjectToObject(object, "postgres")) != NULL &&
        cJSON_AddStringToObject(postgres, "bin", state->postgres_bin) != NULL &&
        cJSON_AddStringToObject(postgres, "data", state->postgres_data) != NULL &&
        cJSON_AddStringToObject(postgres, "log", state->postgres_log) != NULL &&
        cJSON_AddStringToObject(postgres, "socket_dir", state->socket_dir) != NULL &&
        add_lists(object, state)) {
        return object;
    }
    cJSON_Delete(object);
    return NULL;
}

int dev_state_write(struct cli *cli, const struct dev_state *state)
{
    char path[PATH_MAX + 16];
    cJSON *object = state_json(state);
    char *text = object != NULL ? cJSON_Print(object) : NULL;
    int status = 0;

    (void)snprintf(path, sizeof(path), "%s/dev.json", state->dir);
    status = text != NULL ? state_write_text(path, text, 0644, &cli->problem)
                          : problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");
    cJSON_free(text);
    cJSON_Delete(object);
    return status;
}

void dev_state_remove(const struct dev_state *state)
{
    char path[PATH_MAX + 16];

    (void)snprintf(path, sizeof(path), "%s/dev.json", state->dir);
    (void)unlink(path);
}

int dev_state_print(struct cli *cli, const struct dev_state *state)
{
    cJSON *object = state_json(state);
    const int status = object != NULL ? print_json(cli, object)
                                      : problem_set(&cli->problem, PROBLEM_MEMORY, "out of memory");

    cJSON_Delete(object);
    return status;
}

struct dev_node *dev_state_node(struct dev_state *state, const char *name)
{
    for (int i = 0; i < state->nodes_count; i++) {
        if (strcmp(state->nodes[i].name, name) == 0) {
            return &state->nodes[i];
        }
    }
    return NULL;
}
