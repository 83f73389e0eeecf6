#include "support/workers.h"

#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 4096, LINE_SIZE = 64 };

static struct {
    pthread_mutex_t mutex;
    size_t count;
    char lines[LINES_MAX][LINE_SIZE];
    int alive[WORKERS_MAX];
    int all;
} list = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct probe *chief;
troupe_pid supervisor;
troupe_child specs[SPECS_MAX];
troupe_supervisor tree;
atomic_int failing_node;
atomic_int closed_node;
struct gate worker_gate;

static worker_args args_of[SPECS_MAX];

/* ---- the list ---- */

static void write_line(const char *id, const char *what)
{
    (void)pthread_mutex_lock(&list.mutex);
    if (list.count < LINES_MAX) {
        (void)snprintf(list.lines[list.count++], LINE_SIZE, "%.31s %.31s", id, what);
    }
    (void)pthread_mutex_unlock(&list.mutex);
}

size_t lines_count(void)
{
    (void)pthread_mutex_lock(&list.mutex);
    const size_t count = list.count;

    (void)pthread_mutex_unlock(&list.mutex);
    return count;
}

/* Finds the line for the nth time; SIZE_MAX: not there. *count gets how often it is. */
static size_t find_line(const char *line, size_t nth, size_t *count)
{
    size_t place = SIZE_MAX;

    *count = 0;
    (void)pthread_mutex_lock(&list.mutex);
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.lines[i], line) == 0 && ++*count == nth) {
            place = i;
        }
    }
    (void)pthread_mutex_unlock(&list.mutex);
    return place;
}

size_t count_lines(const char *line)
{
    size_t count = 0;

    (void)find_line(line, 0, &count);
    return count;
}

static void print_lines(void)
{
    for (size_t i = 0; i < list.count && i < 60; i++) {
        print_message("  %zu %s\n", i, list.lines[i]);
    }
}

size_t place_of(const char *line, size_t nth)
{
    size_t count = 0;
    const size_t place = find_line(line, nth, &count);

    if (place == SIZE_MAX) {
        print_lines();
        fail_msg("\"%s\" was seen %zu times, not %zu", line, count, nth);
    }
    return place;
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
        (void)place_of(line, count);
    }
}

void lines_are(size_t from, const char *expected)
{
    char seen[1024] = "";
    size_t wanted = 1;
    size_t size = 0;

    for (const char *c = expected; *c != '\0'; c++) {
        wanted += *c == ';' ? 1 : 0;
    }
    (void)pthread_mutex_lock(&list.mutex);
    for (size_t i = from; i < list.count && i < from + wanted; i++) {
        size += (size_t)snprintf(seen + size, sizeof(seen) - size, "%s%s", i == from ? "" : ";",
                                 list.lines[i]);
    }
    (void)pthread_mutex_unlock(&list.mutex);
    assert_string_equal(seen, expected);
}

int alive(int which)
{
    (void)pthread_mutex_lock(&list.mutex);
    const int count = list.alive[which];

    (void)pthread_mutex_unlock(&list.mutex);
    return count;
}

static bool nobody(void *context)
{
    (void)context;
    (void)pthread_mutex_lock(&list.mutex);
    const int all = list.all;

    (void)pthread_mutex_unlock(&list.mutex);
    return all == 0;
}

void wait_nobody(void)
{
    if (!wait_until(nobody, NULL)) {
        print_lines();
        fail_msg("%d workers live", list.all);
    }
}

/* ---- workers ---- */

struct worker {
    char id[32];
    int number;
    bool counted;
};

static void count(int which, int by)
{
    (void)pthread_mutex_lock(&list.mutex);
    list.alive[which] += by;
    list.all += by;
    (void)pthread_mutex_unlock(&list.mutex);
}

static void pass_gate(void)
{
    (void)pthread_mutex_lock(&worker_gate.mutex);
    worker_gate.entered = true;
    worker_gate.inside++;
    (void)pthread_cond_broadcast(&worker_gate.cond);
    while (!worker_gate.open) {
        (void)pthread_cond_wait(&worker_gate.cond, &worker_gate.mutex);
    }
    worker_gate.inside--;
    (void)pthread_cond_broadcast(&worker_gate.cond);
    (void)pthread_mutex_unlock(&worker_gate.mutex);
}

static int worker_init(troupe_self *self, void *state, const void *args)
{
    const worker_args *wanted = args;
    struct worker *worker = state;
    const size_t node = node_of(troupe_self_pid(self));
    char line[32];

    (void)snprintf(worker->id, sizeof(worker->id), "%s", wanted->id);
    worker->number = wanted->number;
    if (atomic_load(&closed_node) == (int)node) {
        pass_gate();
    }
    if (atomic_load(&failing_node) == (int)node) {
        write_line(worker->id, "refuses");
        return troupe_fail(self, "not here");
    }
    worker->counted = true;
    count(worker->number, 1);
    (void)snprintf(line, sizeof(line), "starts n%zu", node + 1);
    write_line(worker->id, line);
    return TROUPE_OK;
}

static void worker_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    write_line(((struct worker *)state)->id, troupe_reason_name(reason->kind));
}

static void worker_release(void *state)
{
    struct worker *worker = state;

    if (worker->counted) {
        count(worker->number, -1);
    }
}

static int worker_on_ask(troupe_self *self, void *state, const void *message)
{
    const ask *a = message;

    (void)state;
    if (a->how == ASK_TAKE) {
        pass_gate(); /* Nothing reaches it meanwhile, not even a kill. */
        return TROUPE_OK;
    }
    return a->how == ASK_STOP  ? troupe_stop(self, (int32_t)a->value, "by itself")
           : a->how == ASK_DIE ? troupe_fail(self, "asked to")
                               : troupe_reply(self, &number_type, &(number){.value = a->value});
}

static const troupe_handler worker_handlers[] = {{&ask_type, worker_on_ask}, {0}};
const troupe_behavior worker_behavior = {.name = "test.worker",
                                         .args = &worker_args_type,
                                         .state_size = sizeof(struct worker),
                                         .init = worker_init,
                                         .terminate = worker_terminate,
                                         .release = worker_release,
                                         .handlers = worker_handlers};
static const troupe_behavior *const behaviors[] = {&worker_behavior, NULL};

/* ---- the stage ---- */

void workers_begin(size_t nodes, const char *const *roles)
{
    static const char ids[SPECS_MAX][2] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                           "i", "j", "k", "l", "m", "n", "o", "p"};

    list.count = 0;
    list.all = 0;
    memset(list.alive, 0, sizeof(list.alive));
    memset(specs, 0, sizeof(specs));
    for (int i = 0; i < SPECS_MAX; i++) {
        args_of[i] = (worker_args){.id = ids[i], .number = i};
        specs[i] = (troupe_child){.id = ids[i], .behavior = &worker_behavior, .args = &args_of[i]};
    }
    tree = (troupe_supervisor){.children = specs, .children_count = 3};
    atomic_store(&failing_node, -1);
    atomic_store(&closed_node, -1);
    gate_init(&worker_gate);
    nodes_behaviors = behaviors;
    nodes_begin(nodes, roles);
    chief = probe_spawn(stages[0], NULL);
    probe_trap(chief, true);
}

int workers_end(void **state)
{
    (void)state;
    gate_open(&worker_gate);
    nodes_end();
    gate_fini(&worker_gate);
    assert_int_equal(list.all, 0);
    return 0;
}

static int do_supervise(troupe_self *self, struct probe *probe, void *context)
{
    troupe_status *status = context;

    (void)probe;
    *status = troupe_spawn_supervisor(self, &tree, NULL, &supervisor);
    return TROUPE_OK;
}

troupe_status supervise(void)
{
    troupe_status status = TROUPE_E_UNKNOWN;

    assert_int_equal(probe_do(chief, do_supervise, &status), TROUPE_OK);
    return status;
}

bool look_at(const char *id, troupe_child_state *out)
{
    static troupe_result result;
    bool found = false;

    troupe_result_clear(&result);
    if (troupe_node_which_children(stages[0]->node, supervisor, DEADLINE_MS, &result) !=
        TROUPE_OK) {
        return false;
    }
    const troupe_children *all = troupe_result_as(&result, &troupe_children_type);

    for (size_t i = 0; i < all->children_count && !found; i++) {
        found = strcmp(all->children[i].id, id) == 0;
        *out = all->children[i];
    }
    return found;
}

struct look {
    const char *id;
    const char *state;
    troupe_pid not_this;
    troupe_pid pid;
};

static bool is_in_state(void *context)
{
    struct look *look = context;
    troupe_child_state child;

    if (!look_at(look->id, &child) || strcmp(child.state, look->state) != 0) {
        return false;
    }
    look->pid = child.pid;
    return !troupe_pid_equal(child.pid, look->not_this);
}

static troupe_pid wait_look(struct look *look)
{
    if (!wait_until(is_in_state, look)) {
        troupe_child_state child = {.state = "not there"};

        (void)look_at(look->id, &child);
        print_lines();
        fail_msg("\"%s\" is %s, not %s", look->id, child.state, look->state);
    }
    return look->pid;
}

troupe_pid wait_up(const char *id, troupe_pid not_this)
{
    return wait_look(&(struct look){.id = id, .state = "running", .not_this = not_this});
}

void wait_state(const char *id, const char *state)
{
    (void)wait_look(&(struct look){.id = id, .state = state, .not_this = {.node = 1, .id = 1}});
}

void ask_worker(troupe_pid pid, enum how how)
{
    assert_int_equal(troupe_node_send(stages[0]->node, pid, &ask_type,
                                      &(ask){.how = (int)how, .value = TROUPE_REASON_SHUTDOWN}),
                     TROUPE_OK);
}

int32_t wait_end_of_supervisor(void)
{
    for (size_t i = 0;; i++) {
        const struct seen *seen = probe_wait(chief, i);

        if (seen->what == SAW_EXIT && troupe_pid_equal(seen->from, supervisor)) {
            return seen->kind;
        }
    }
}
