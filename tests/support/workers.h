/* support/workers.h - a supervisor on node n1 whose children run on several nodes, and what becomes
 * of them.
 *
 * A chief, a probe of n1 that traps exits, starts each supervisor. Workers write "<id> starts n2",
 * "<id> is asked" and "<id> <reason>" into one list, in order, and count how often each id lives.
 *
 * Threads: the test's.
 */
#ifndef TESTS_SUPPORT_WORKERS_H
#define TESTS_SUPPORT_WORKERS_H

#include "support/nodes.h"

enum { WORKERS_MAX = 1024, SPECS_MAX = 16 };

/* The argument of a worker. */
typedef struct worker_args {
    const char *id;
    int32_t number; /* below WORKERS_MAX */
} worker_args;
TROUPE_TYPE(worker_args, "test.worker_args", TROUPE_FIELD(worker_args, id, 1),
            TROUPE_FIELD(worker_args, number, 2));

extern const troupe_behavior worker_behavior;
extern struct probe *chief;
extern troupe_pid supervisor;         /* the one started last */
extern troupe_child specs[SPECS_MAX]; /* "a", "b", ... on n1, permanent */
extern troupe_supervisor tree;        /* of the first three */
/* While it is set, inits on that node (from 0; -1: none) fail, or wait at the gate. */
extern atomic_int failing_node;
extern atomic_int closed_node;
extern struct gate worker_gate;

/* Starts the nodes n1 ... with the behaviors known everywhere. roles may be NULL. */
void workers_begin(size_t nodes, const char *const *roles);
int workers_end(void **state); /* a teardown */

troupe_status supervise(void);
/* The child as the supervisor lists it; false: there is none. Strings in *out are good until the
 * next call. */
bool look_at(const char *id, troupe_child_state *out);
/* Waits until the child runs with another pid than that one; answers the new one. */
troupe_pid wait_up(const char *id, troupe_pid not_this);
/* Waits until the supervisor says that the child is in that state. */
void wait_state(const char *id, const char *state);
/* Has the child end: ASK_DIE, ASK_STOP. */
void ask_worker(troupe_pid pid, enum how how);
/* Waits until the chief has seen the supervisor end; answers the reason's kind. */
int32_t wait_end_of_supervisor(void);

void wait_line(const char *line, size_t count);
size_t count_lines(const char *line);
/* Where the line stands for the nth time (from 1); fails the test when it does not. */
size_t place_of(const char *line, size_t nth);
/* That these lines, each "a", "b", ... in one text separated by ";", stand in this order from
 * place on. */
void lines_are(size_t from, const char *expected);
size_t lines_count(void);
int alive(int which);
/* Waits until no worker lives anywhere. */
void wait_nobody(void);

#endif
