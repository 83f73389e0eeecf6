/* cli/process.h - programs that `dev` runs: starting, waiting, and ending none but our own.
 *
 * A pid alone does not name a process: it is used again. What names one is the pid together with
 * the moment it started, which the kernel tells (/proc/PID/stat).
 * Threads: one. Memory: none kept.
 */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/problem.h"

/* Whose rights a program gets: ours, or those of an unprivileged user when we are root. */
struct process_user {
    bool drop;
    uid_t uid;
    gid_t gid;
    char name[64];
};

struct process_spec {
    const char *const *arguments;    /* ends with NULL; the first is the path of the program */
    const struct process_user *user; /* NULL: ours */
    const char *log; /* file that stdout and stderr are appended to; NULL: /dev/null */
    bool detach;     /* a session of its own: Ctrl-C at our terminal does not reach it */
};

/* When the process started, in the kernel's ticks since boot; 0 when it is not there or has ended
 * and only waits to be collected. */
uint64_t process_started(pid_t pid);

/* Whether it has ended and its parent has not asked how: where nobody does, in a container without
 * an init, it stays so, and others take it for alive. */
bool process_is_zombie(pid_t pid);

/* Whether any process that we may look at works in this folder. */
bool process_works_in(const char *folder);

/* Whether the process that started then is still there. */
bool process_lives(pid_t pid, uint64_t started);

/* Starts a program. Gives *pid; it is our child. 0 or an exit status. */
int process_start(const struct process_spec *spec, pid_t *pid, struct problem *problem);

/* Runs a program to its end, at most timeout_ms. Answers its exit status in *result; -1 when it was
 * ended by a signal, which includes ours at the deadline. */
int process_run(const struct process_spec *spec, uint32_t timeout_ms, int *result,
                struct problem *problem);

/* Whether our own child has ended; then *result is its exit status, -1 after a signal. Once. */
bool process_ended(pid_t pid, int *result);

/* Ends it: the signal, then after timeout_ms SIGKILL. Answers false if it is there even then. */
bool process_stop(pid_t pid, uint64_t started, int signal_number, uint32_t timeout_ms);

/* Waits, without being busy, unless the process ends first. Answers whether it still lives. */
bool process_wait(pid_t pid, uint64_t started, uint32_t milliseconds);

int64_t process_now_ms(void);
void process_pause(uint32_t milliseconds);

/* The first line of a file; "" when there is none. */
void process_log_head(const char *path, char *text, size_t size);

/* The last size - 1 bytes of a log, from a line's begin on; "" when there is none. */
void process_log_tail(const char *path, char *text, size_t size);

#endif
