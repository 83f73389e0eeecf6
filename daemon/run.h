/* daemon/run.h - the life of trouped: start, serve until told to stop, leave in order.
 *
 * Threads: the main thread. Memory: all is released before it answers, except when requests that
 * outlast the stop still use the node.
 */
#ifndef DAEMON_RUN_H
#define DAEMON_RUN_H

#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/settings.h"

struct run_input {
    const struct settings *settings;
    struct options *options; /* its secret is wiped once the node has it */
    struct log *log;
    int argc; /* for reading the settings again on SIGHUP */
    char **argv;
};

/* Answers the exit status of the program: 0 after SIGTERM or SIGINT, 75 when fenced with
 * on_fenced = exit, else that of the problem, which has been logged. */
int run(const struct run_input *input);

#endif
