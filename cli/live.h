/* cli/live.h - what only the actor's own node knows, asked by its admin socket.
 *
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli/cli.h"
#include "troupe/pid.h"

/* Shows one actor as its node sees it now: the node at --admin, or one of DIR/dev.json. Answers
 * whether it was there; if not, cli has no new problem. */
bool live_show(struct cli *cli, troupe_pid pid);

#endif
