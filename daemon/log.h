/* daemon/log.h - the log of trouped on stderr: logfmt for people, JSON lines for machines.
 *
 *     ts=2026-01-02T03:04:05.678Z level=info node=n1 pid=41 msg="joined as node 7"
 *     {"ts":"2026-01-02T03:04:05.678Z","level":"info","node":"n1","pid":41,"msg":"joined as node
 * 7"}
 *
 * Every value is escaped, so one event is one line whatever names and database texts hold; a value
 * is cut at 1 KiB. Threads: any; lines never mix. Memory: fixed.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/problem.h"
#include "sync/atomic.h"

enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log {
    int file;
    enum log_format format; /* constant after init */
    char node[80];          /* constant after init */
    struct tr_atomic_u32 level;
};

void log_init(struct log *log, int file, enum log_format format, const char *node, int32_t level);

/* Lines below this level of troupe_log_level are not written from now on. */
void log_set_level(struct log *log, int32_t level);

/* A troupe_log_fn; context is the struct log. */
void log_write(void *context, int32_t level, const char *node, const char *text);

void log_printf(struct log *log, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes a problem as one line, with its code, detail and hint as fields of their own. */
void log_problem(struct log *log, const struct problem *problem);

#endif
