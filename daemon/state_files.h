/* daemon/state_files.h - the files by which scripts find a running node: pid file and ready file.
 *
 * The ready file appears whole, when the node is a member and serves:
 *     {"name":"n1","node_id":"7","pid":41,"host":"127.0.0.1","port":4711,
 *      "admin_socket":"/run/n1.sock","version":"0.1.0"}
 * Threads: one. Memory: none kept.
 */
#ifndef DAEMON_STATE_FILES_H
#define DAEMON_STATE_FILES_H

#include <stdint.h>

#include "daemon/problem.h"

struct ready_facts {
    const char *name;
    uint64_t node_id;
    const char *host;
    uint16_t port;
    const char *admin_socket; /* NULL: none */
};

/* Both write beside the file and rename, so that nobody reads half of one. 0 or an exit status. */
int state_write_pid(const char *path, struct problem *problem);
int state_write_ready(const char *path, const struct ready_facts *facts, struct problem *problem);

/* Removes a file that is still ours; NULL is allowed. */
void state_remove(const char *path);

/* Replaces the file at path by text, whole or not at all; mode as given. */
int state_write_text(const char *path, const char *text, unsigned mode, struct problem *problem);

#endif
