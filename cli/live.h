/* cli/live.h - what only the actor's own node knows, asked by its admin socket.
 *
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli/cli.h"
#include "troupe/pid.h"

struct cJSON;

/* What its node says of an actor now (docs/admin.md, "actor"): the node at --admin, or the one with
 * that id. NULL when it does not answer or does not have it; cli has no new problem then. */
struct cJSON *live_actor(struct cli *cli, troupe_pid pid);

/* Prints an object as its keys and values, one a line, or as JSON. */
int live_print(struct cli *cli, struct cJSON *object);

#endif
