#include "support/supervised_tasks.h"

#include <string.h>

/* ---- a worker with described arguments, for templates and requests by message ---- */

static int worker_init(troupe_self *self, void *state, const void *args)
{
    const task *given = args;

    if (given == NULL) {
        return TROUPE_OK;
    }
    if (given->what != NULL && strcmp(given->what, "fail") == 0) {
        return troupe_fail(self, "task %d cannot be done", (int)given->id);
    }
    ((task *)state)->id = given->id;
    return TROUPE_OK;
}

static int worker_on_ask(troupe_self *self, void *state, const void *message)
{
    const ask *a = message;

    return a->how == ASK_STOP ? TROUPE_STOP
           : a->how == ASK_DIE
               ? troupe_fail(self, "asked to")
               : troupe_reply(self, &number_type, &(number){.value = ((task *)state)->id});
}

static const troupe_handler worker_handlers[] = {{&ask_type, worker_on_ask}, {0}};
const troupe_behavior worker_behavior = {.name = "test.worker",
                                         .state = &task_type,
                                         .args = &task_type,
                                         .init = worker_init,
                                         .handlers = worker_handlers};

/* ---- asking ---- */

troupe_result result;

const troupe_child_state *shown(void)
{
    const troupe_child_state *child = troupe_result_as(&result, &troupe_child_state_type);

    assert_non_null(child);
    return child;
}

troupe_status start_child(const troupe_child *child)
{
    troupe_result_clear(&result);
    return troupe_node_start_child(stage->node, supervisor, child, DEADLINE_MS, &result);
}

troupe_status start_task(int64_t id, const char *what)
{
    return start_child(
        &(troupe_child){.behavior = &worker_behavior, .args = &(task){.id = id, .what = what}});
}

troupe_status terminate_child(const char *id)
{
    troupe_result_clear(&result);
    return troupe_node_terminate_child(stage->node, supervisor, id, (troupe_pid){0}, DEADLINE_MS,
                                       &result);
}

troupe_status terminate_pid(troupe_pid pid)
{
    troupe_result_clear(&result);
    return troupe_node_terminate_child(stage->node, supervisor, NULL, pid, DEADLINE_MS, &result);
}

troupe_status restart_child(const char *id)
{
    troupe_result_clear(&result);
    return troupe_node_restart_child(stage->node, supervisor, id, DEADLINE_MS, &result);
}

troupe_status forget_child(const char *id)
{
    troupe_result_clear(&result);
    return troupe_node_delete_child(stage->node, supervisor, id, DEADLINE_MS, &result);
}

const troupe_children *list_children(void)
{
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_which_children(stage->node, supervisor, DEADLINE_MS, &result),
                     TROUPE_OK);
    return result.value;
}

void assert_count(uint64_t specs, uint64_t active, uint64_t supervisors, uint64_t workers)
{
    troupe_result_clear(&result);
    assert_int_equal(troupe_node_count_children(stage->node, supervisor, DEADLINE_MS, &result),
                     TROUPE_OK);
    const troupe_children_count *count = result.value;

    assert_int_equal(count->specs, specs);
    assert_int_equal(count->active, active);
    assert_int_equal(count->supervisors, supervisors);
    assert_int_equal(count->workers, workers);
}

int64_t number_of(troupe_pid worker)
{
    troupe_result reply = {0};
    int64_t value = -1;

    if (troupe_node_call(stage->node, worker, &ask_type, &(ask){.how = ASK_REPLY}, DEADLINE_MS,
                         &reply) == TROUPE_OK) {
        value = ((const number *)reply.value)->value;
    }
    troupe_result_clear(&reply);
    return value;
}

int children_begin(void **state)
{
    assert_int_equal(supervised_begin(state), 0);
    assert_int_equal(troupe_node_add_behavior(stage->node, &worker_behavior, NULL, 0), TROUPE_OK);
    return 0;
}

int children_end(void **state)
{
    troupe_result_clear(&result);
    return supervised_end(state);
}

troupe_status start_by_message(const troupe_start_child_request *request)
{
    troupe_result_clear(&result);
    return troupe_node_call(stage->node, supervisor, &troupe_start_child_type, request, DEADLINE_MS,
                            &result);
}
