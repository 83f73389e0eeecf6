/* cli/look.h - actors as their node sees them at this moment.
 *
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_LOOK_H
#define CLI_LOOK_H

#include "cli/cli.h"

/* The foremost actors of one node by --sort. */
int look_actors(struct cli *cli);

#endif
