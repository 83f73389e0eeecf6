/* cli/target.h - a node to ask, by its unix admin socket or over TCP as a client.
 *
 *     target_open(cli, &target)
 *     target_request(cli, target, request, &reply)     takes neither; reply is to be deleted
 *     target_close(target)
 *
 * Which node: --admin PATH; else, unless --db or a secret was given, the one at
 * TROUPE_ADMIN_SOCKET, when there is one, or the first node of DIR/dev.json that answers; else any
 * node of troupe.nodes that is up, over TCP with the cluster secret. Threads: one. Memory: one heap
 * object.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "cli/cli.h"

struct cJSON;
struct target;

/* Answers 0, or an exit status with the problem. */
int target_open(struct cli *cli, struct target **out);
/* Opens one node by its name, or, when that is NULL, by its id. With neither, or with --admin, as
 * above. */
int target_open_node(struct cli *cli, const char *name, uint64_t node_id, struct target **out);
/* Opens the admin socket at path. */
int target_open_socket(struct cli *cli, const char *path, struct target **out);
/* Opens the admin socket of this host's node: --admin, else where trouped itself would have it
 * (TROUPE_ADMIN_SOCKET, its file), else the first of DIR/dev.json that answers. */
int target_open_here(struct cli *cli, struct target **out);
void target_close(struct target *target);

/* Sends one request and reads its reply, whatever it says. Gives *reply. */
int target_request(struct cli *cli, struct target *target, const struct cJSON *request,
                   struct cJSON **reply);

/* The same, and a reply that is not ok becomes cli's problem. */
int target_ask(struct cli *cli, struct target *target, const struct cJSON *request,
               struct cJSON **reply);

/* A request with its op and deadline; NULL when there is no memory. */
struct cJSON *target_begin(const struct cli *cli, const char *op);

/* Opens a node, sends it the request, which is taken (NULL: there was no memory), and gives the
 * reply. */
int target_exchange(struct cli *cli, struct cJSON *request, struct cJSON **reply);

#endif
