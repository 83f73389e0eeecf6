/* tests/support/supervised_tasks.h - asking the supervisor under test about its children, and a
 * worker with described arguments.
 *
 * Each function blocks and leaves the whole answer in `result`.
 */
#ifndef TESTS_SUPPORT_SUPERVISED_TASKS_H
#define TESTS_SUPPORT_SUPERVISED_TASKS_H

#include "support/supervised.h"

typedef struct task {
    int64_t id;
    const char *what; /* "fail": init fails */
} task;
TROUPE_TYPE(task, "test.task", TROUPE_FIELD(task, id, 1), TROUPE_FIELD(task, what, 2));

extern const troupe_behavior worker_behavior; /* "test.worker", known on the node */
extern troupe_result result;                  /* of what was asked last */

const troupe_child_state *shown(void);
troupe_status start_child(const troupe_child *child);
troupe_status start_task(int64_t id, const char *what);
troupe_status terminate_child(const char *id);
troupe_status terminate_pid(troupe_pid pid);
troupe_status restart_child(const char *id);
troupe_status forget_child(const char *id);
const troupe_children *list_children(void);
void assert_count(uint64_t specs, uint64_t active, uint64_t supervisors, uint64_t workers);
int64_t number_of(troupe_pid worker);
int children_begin(void **state);
int children_end(void **state);
troupe_status start_by_message(const troupe_start_child_request *request);

#endif
