/* tests/support/supervised.h - a supervisor under test, its children, and what becomes of them.
 *
 * A chief, which is a probe, starts each supervisor and traps exits, so that the supervisor's end
 * is seen. Children write what becomes of them into one list, in order.
 */
#ifndef TESTS_SUPPORT_SUPERVISED_H
#define TESTS_SUPPORT_SUPERVISED_H

#include "support/actors.h"

enum { CHILDREN_MAX = 4, LINES_MAX = 256, LINE_SIZE = 64 };

/* What one child does; its address is the child's argument. */
struct plan {
    const char *id;
    bool traps;
    bool ignores_exits;
    int fail_init_from; /* the number of the start from which init fails; 0: never */
    int fail_init_to;   /* ... and up to which; 0: always then */
    bool stop_in_init;
    int (*on_number)(troupe_self *self, struct plan *plan); /* what tell_child makes it do */
    /* Under the list's mutex. */
    int starts;
    troupe_pid pid;
};

struct lines {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    char lines[LINES_MAX][LINE_SIZE];
    size_t count;
};

extern struct lines list;
extern struct stage *stage;
extern struct probe *chief;
extern struct plan plans[CHILDREN_MAX];
extern troupe_pid supervisor; /* the one started last */
extern troupe_child children[CHILDREN_MAX];
extern troupe_supervisor tree; /* of the first three children */
extern const troupe_behavior child_behavior;

/* Before and after each test. */
int supervised_begin(void **state);
int supervised_end(void **state);

/* Lines are "<id> <what>". */
size_t count_lines(const char *line);
void wait_line(const char *line, size_t count);
/* Where the line stands in the list; fails the test when it does not. */
size_t place_of(const char *line);
troupe_pid pid_of(struct plan *plan);

troupe_status supervise_tree(const troupe_supervisor *spec);
troupe_status supervise(void);
void ask_child(int index, enum how how);
/* Makes it do plan->on_number, after which it writes "did it". */
void tell_child(int index);

#endif
