/* troupe/pid.h - the address of an actor, unique in the cluster for ever. */
#ifndef TROUPE_PID_H
#define TROUPE_PID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Never reused: an old pid can never reach a new actor. All zero means "nobody". */
typedef struct troupe_pid {
    uint64_t node; /* node id: one start of one node; 1 on a node without a registry */
    uint64_t id;   /* of the actor on that node */
} troupe_pid;

/* Enough for "<18446744073709551615.18446744073709551615>" and its NUL. */
#define TROUPE_PID_TEXT_SIZE 48

/* Writes "<node.id>" into text, which has TROUPE_PID_TEXT_SIZE bytes, and answers text. Any thread.
 */
TROUPE_API const char *troupe_pid_print(troupe_pid pid, char *text);

/* Reads "<node.id>"; nothing may follow. Fails with TROUPE_E_INVALID. Any thread. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_pid_parse(const char *text, troupe_pid *pid);

static inline bool troupe_pid_equal(troupe_pid a, troupe_pid b)
{
    return a.id == b.id && a.node == b.node;
}

static inline bool troupe_pid_is_none(troupe_pid pid)
{
    return pid.id == 0 && pid.node == 0;
}

#ifdef __cplusplus
}
#endif

#endif
