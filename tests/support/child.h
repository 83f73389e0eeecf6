/* support/child.h - a process of the test's own, whose lines are read with a deadline.
 *
 * Threads: one. Memory: the caller's. The child dies with the test.
 */
#ifndef SUPPORT_CHILD_H
#define SUPPORT_CHILD_H

#include <stddef.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: none */
    int output;
};

/* Starts a program of this build's bin folder; argv ends with NULL. Fails the test when it cannot.
 */
void child_start(struct child *child, char *const argv[]);

/* Reads the next line, without its end; fails the test when none comes in time. */
void child_line(struct child *child, char *line, size_t size);

/* Sends a signal. */
void child_signal(const struct child *child, int signal_number);

/* Kills it, if it still runs, and collects it. */
void child_end(struct child *child);

#endif
