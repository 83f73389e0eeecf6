/* cli/dev_state.h - DIR/dev.json: what `dev up` keeps running, so that every command finds it.
 *
 *     {"version":1, "db":"host=... port=5432 user=troupe dbname=troupe", "secret_file":"...",
 *      "postgres":{"bin":"...","data":"...","socket_dir":"...","log":"..."},
 *      "modules":["..."], "lease_ttl":"5s", "no_fsync":false, "name_prefix":"n",
 *      "nodes":[{"name":"n1","node_id":"7","pid":41,"started":"123","host":"127.0.0.1","port":4711,
 *                "admin_socket":"...","log":"..."}]}
 *
 * Threads: one. Memory: one heap object, owned by the cli.
 */
#ifndef CLI_DEV_STATE_H
#define CLI_DEV_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/cli.h"

#define DEV_NODES_MAX 64

struct dev_node {
    char name[64];
    char node_id[24];
    pid_t pid;        /* 0: it was ended on purpose */
    uint64_t started; /* see process.h */
    char host[64];
    uint16_t port;
    char admin_socket[108];
    char log[PATH_MAX];
};

struct dev_state {
    char dir[PATH_MAX]; /* absolute; not in the file: it is where the file is */
    char db[256];
    char secret_file[PATH_MAX];
    char postgres_bin[PATH_MAX];
    char postgres_data[PATH_MAX];
    char postgres_log[PATH_MAX];
    char socket_dir[128];
    char modules[CLI_MODULES_MAX][PATH_MAX];
    int modules_count;
    char lease_ttl[16];
    char name_prefix[48];
    bool no_fsync;
    struct dev_node nodes[DEV_NODES_MAX];
    int nodes_count;
};

/* Where dev keeps its files: --dir, TROUPE_DIR, ./.troupe. */
const char *dev_state_dir(const struct cli *cli);

/* Reads DIR/dev.json into cli->dev, which stays NULL when there is no such file. Answers 0, or an
 * exit status when there is one that makes no sense. */
int dev_state_find(struct cli *cli);

/* The same, and it is a problem when there is none. */
int dev_state_require(struct cli *cli);

/* Writes DIR/dev.json, whole or not at all. */
int dev_state_write(struct cli *cli, const struct dev_state *state);

void dev_state_remove(const struct dev_state *state);

struct dev_node *dev_state_node(struct dev_state *state, const char *name);

/* The file as it stands; for `dev up -o json`. Answers 0 or an exit status. */
int dev_state_print(struct cli *cli, const struct dev_state *state);

#endif
