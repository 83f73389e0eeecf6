#include "support/supervised.h"

#include <stdio.h>
#include <string.h>

struct lines list = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
struct stage *stage;
struct probe *chief;
struct plan plans[CHILDREN_MAX];
troupe_pid supervisor;

/* ---- the list ---- */

static void write_line(const char *id, const char *what)
{
    (void)pthread_mutex_lock(&list.mutex);
    if (list.count < LINES_MAX) {
        (void)snprintf(list.lines[list.count++], LINE_SIZE, "%s %s", id, what);
    }
    (void)pthread_cond_broadcast(&list.cond);
    (void)pthread_mutex_unlock(&list.mutex);
}

size_t count_lines(const char *line)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&list.mutex);
    for (size_t i = 0; i < list.count; i++) {
        count += strcmp(list.lines[i], line) == 0 ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&list.mutex);
    return count;
}

struct wanted {
    const char *line;
    size_t count;
};

static bool has_lines(void *context)
{
    const struct wanted *wanted = context;

    return count_lines(wanted->line) >= wanted->count;
}

void wait_line(const char *line, size_t count)
{
    if (!wait_until(has_lines, &(struct wanted){.line = line, .count = count})) {
        fail_msg("\"%s\" was not seen %zu times", line, count);
    }
}

/* Where the line stands in the list. */
size_t place_of(const char *line)
{
    size_t place = SIZE_MAX;

    (void)pthread_mutex_lock(&list.mutex);
    for (size_t i = 0; i < list.count && place == SIZE_MAX; i++) {
        place = strcmp(list.lines[i], line) == 0 ? i : SIZE_MAX;
    }
    (void)pthread_mutex_unlock(&list.mutex);
    if (place == SIZE_MAX) {
        fail_msg("\"%s\" was never seen", line);
    }
    return place;
}

troupe_pid pid_of(struct plan *plan)
{
    (void)pthread_mutex_lock(&list.mutex);
    const troupe_pid pid = plan->pid;

    (void)pthread_mutex_unlock(&list.mutex);
    return pid;
}

/* ---- children ---- */

struct child_state {
    struct plan *plan;
};

static int child_init(troupe_self *self, void *state, const void *args)
{
    struct plan *plan = *(struct plan *const *)args;

    ((struct child_state *)state)->plan = plan;
    (void)pthread_mutex_lock(&list.mutex);
    const int start = ++plan->starts;

    plan->pid = troupe_self_pid(self);
    (void)pthread_mutex_unlock(&list.mutex);
    troupe_trap_exit(self, plan->traps);
    if (plan->fail_init_from != 0 && start >= plan->fail_init_from &&
        (plan->fail_init_to == 0 || start <= plan->fail_init_to)) {
        write_line(plan->id, "refuses");
        return troupe_fail(self, "no start %d", start);
    }
    write_line(plan->id, "starts");
    return plan->stop_in_init ? TROUPE_STOP : TROUPE_OK;
}

static void child_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    write_line(((struct child_state *)state)->plan->id, troupe_reason_name(reason->kind));
}

static int child_on_exit(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;
    const struct plan *plan = ((struct child_state *)state)->plan;

    write_line(plan->id, "is asked");
    return plan->ignores_exits ? TROUPE_OK : troupe_stop(self, exit->kind, exit->text);
}

static int child_on_ask(troupe_self *self, void *state, const void *message)
{
    const ask *a = message;

    (void)state;
    return a->how == ASK_STOP  ? TROUPE_STOP
           : a->how == ASK_DIE ? troupe_fail(self, "asked to")
                               : troupe_reply(self, &number_type, &(number){.value = a->value});
}

static int child_on_number(troupe_self *self, void *state, const void *message)
{
    struct plan *plan = ((struct child_state *)state)->plan;
    const int answer = plan->on_number(self, plan);

    (void)message;
    write_line(plan->id, "did it");
    return answer;
}

static const troupe_handler child_handlers[] = {{&troupe_exit_type, child_on_exit},
                                                {&ask_type, child_on_ask},
                                                {&number_type, child_on_number},
                                                {0}};
const troupe_behavior child_behavior = {.name = "test.child",
                                        .state_size = sizeof(struct child_state),
                                        .init = child_init,
                                        .terminate = child_terminate,
                                        .handlers = child_handlers};

/* Children get the address of their plan; the supervisor does not copy undescribed arguments. */
static const struct plan *addresses[CHILDREN_MAX];
troupe_child children[CHILDREN_MAX];
troupe_supervisor tree;

int supervised_begin(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d"};

    (void)state;
    stage = stage_begin(2);
    chief = probe_spawn(stage, NULL);
    probe_trap(chief, true);
    list.count = 0;
    memset(plans, 0, sizeof(plans));
    memset(children, 0, sizeof(children));
    for (int i = 0; i < CHILDREN_MAX; i++) {
        plans[i].id = ids[i];
        addresses[i] = &plans[i];
        children[i] =
            (troupe_child){.id = ids[i], .behavior = &child_behavior, .args = &addresses[i]};
    }
    tree = (troupe_supervisor){.children = children, .children_count = 3};
    return 0;
}

int supervised_end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

struct start {
    const troupe_supervisor *tree;
    troupe_status status;
};

static int do_supervise(troupe_self *self, struct probe *probe, void *context)
{
    struct start *start = context;

    (void)probe;
    start->status = troupe_spawn_supervisor(self, start->tree, NULL, &supervisor);
    return TROUPE_OK;
}

troupe_status supervise_tree(const troupe_supervisor *spec)
{
    struct start start = {.tree = spec};

    assert_int_equal(probe_do(chief, do_supervise, &start), TROUPE_OK);
    return start.status;
}

troupe_status supervise(void)
{
    return supervise_tree(&tree);
}

void ask_child(int index, enum how how)
{
    assert_int_equal(
        troupe_node_send(stage->node, pid_of(&plans[index]), &ask_type, &(ask){.how = (int)how}),
        TROUPE_OK);
}

void tell_child(int index)
{
    assert_int_equal(
        troupe_node_send(stage->node, pid_of(&plans[index]), &number_type, &(number){.value = 1}),
        TROUPE_OK);
}
