/* supervision_tree.c - what supervisors do when children fail: the four strategies, a tree whose
 * branch gives up, and a supervisor that ends with its work. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

/* ---- a worker that says when it starts and stops ---- */

typedef struct worker {
    const char *name;
} worker;
TROUPE_TYPE(worker, "example.worker", TROUPE_FIELD(worker, name, 1));
TROUPE_TYPE_EMPTY(fail, "example.fail");
TROUPE_TYPE_EMPTY(finish, "example.finish");

static int worker_init(troupe_self *self, void *state, const void *args)
{
    worker *w = state;
    const worker *given = args;

    printf("  %s starts\n", given->name);
    return troupe_set_string(self, &w->name, given->name);
}

static void worker_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    const worker *w = state;

    (void)self;
    printf("  %s stops: %s\n", w->name, troupe_reason_name(reason->kind));
}

static int on_fail(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "told to");
}

static int on_finish(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_STOP;
}

static const troupe_handler worker_handlers[] = {
    {&fail_type, on_fail}, {&finish_type, on_finish}, {0}};
static const troupe_behavior worker_behavior = {.name = "example.worker",
                                                .state = &worker_type,
                                                .args = &worker_type,
                                                .init = worker_init,
                                                .terminate = worker_terminate,
                                                .handlers = worker_handlers};

static const worker alpha = {"alpha"};
static const worker beta = {"beta"};
static const worker third = {"gamma"};
static const troupe_child three[] = {
    {.id = "alpha", .behavior = &worker_behavior, .args = &alpha},
    {.id = "beta", .behavior = &worker_behavior, .args = &beta},
    {.id = "gamma", .behavior = &worker_behavior, .args = &third},
};

/* ---- asking ---- */

static troupe_node *node;

static troupe_pid start(const char *title, const troupe_supervisor *tree)
{
    troupe_pid pid = {0};

    printf("%s\n", title);
    if (troupe_node_spawn_supervisor(node, tree, NULL, &pid) != TROUPE_OK) {
        printf("  it does not start\n");
    }
    return pid;
}

/* Looks at the child with that index, once the supervisor has restarted so often and all run. */
static troupe_pid child_after(troupe_pid supervisor, uint64_t restarts, size_t index)
{
    troupe_pid pid = {0};
    bool quiet = false;

    while (!quiet) {
        troupe_result result = {0};

        if (troupe_node_which_children(node, supervisor, 5000, &result) != TROUPE_OK) {
            troupe_result_clear(&result);
            break;
        }
        const troupe_children *all = result.value;

        quiet = all->restarts >= restarts;
        for (size_t i = 0; i < all->children_count; i++) {
            quiet = quiet && strcmp(all->children[i].state, "running") == 0;
        }
        pid = quiet && index < all->children_count ? all->children[index].pid : pid;
        troupe_result_clear(&result);
    }
    return pid;
}

static void tell(troupe_pid pid, const char *what, const troupe_type *type)
{
    printf(" %s\n", what);
    if (troupe_node_send(node, pid, type, NULL) != TROUPE_OK) {
        printf("  it cannot be told\n");
    }
}

static void stop(troupe_pid supervisor)
{
    int32_t kind = 0;

    printf(" the end\n");
    if (troupe_node_exit(node, supervisor, TROUPE_REASON_SHUTDOWN, NULL) != TROUPE_OK ||
        troupe_node_join(node, supervisor, 5000, &kind) != TROUPE_OK) {
        printf("  it does not stop\n");
    }
}

/* ---- the demonstrations ---- */

static void show_strategy(const char *title, int32_t strategy)
{
    const troupe_supervisor tree = {.strategy = strategy, .children = three, .children_count = 3};
    const troupe_pid pid = start(title, &tree);

    tell(child_after(pid, 0, 1), "beta fails", &fail_type);
    (void)child_after(pid, 1, 0);
    stop(pid);
}

static void show_template(void)
{
    const troupe_child template = {
        .id = "job", .behavior = &worker_behavior, .restart = TROUPE_RESTART_TRANSIENT};
    const troupe_supervisor tree = {
        .strategy = TROUPE_SIMPLE_ONE_FOR_ONE, .children = &template, .children_count = 1};
    const troupe_pid pid = start("simple_one_for_one", &tree);
    static const char *const names[] = {"job 1", "job 2"};

    for (size_t i = 0; i < 2; i++) {
        const troupe_child job = {.behavior = &worker_behavior,
                                  .args = &(worker){.name = names[i]}};
        troupe_result result = {0};

        if (troupe_node_start_child(node, pid, &job, 5000, &result) != TROUPE_OK) {
            printf("  %s\n", result.reason.text);
        }
        troupe_result_clear(&result);
    }
    tell(child_after(pid, 0, 0), "job 1 fails", &fail_type);
    const troupe_pid second = child_after(pid, 1, 1);
    int32_t kind = 0;

    tell(second, "job 2 is done", &finish_type);
    if (troupe_node_join(node, second, 5000, &kind) != TROUPE_OK) {
        printf("  it is not\n");
    }
    stop(pid);
}

/* The left branch allows no restart: its failure is the root's, which starts the branch again. */
static void show_tree(void)
{
    static const worker workers[] = {{"left 1"}, {"left 2"}, {"right"}};
    static const troupe_child left_children[] = {
        {.id = "1", .behavior = &worker_behavior, .args = &workers[0]},
        {.id = "2", .behavior = &worker_behavior, .args = &workers[1]},
    };
    static const troupe_child right_children[] = {
        {.id = "1", .behavior = &worker_behavior, .args = &workers[2]},
    };
    static const troupe_supervisor left = {
        .period_ms = 1000, .children = left_children, .children_count = 2};
    static const troupe_supervisor right = {.children = right_children, .children_count = 1};
    static const troupe_child branches[] = {{.id = "left", .supervisor = &left},
                                            {.id = "right", .supervisor = &right}};
    const troupe_supervisor root = {.children = branches, .children_count = 2};
    const troupe_pid pid = start("a tree", &root);

    tell(child_after(child_after(pid, 0, 0), 0, 0), "left 1 fails", &fail_type);
    (void)child_after(pid, 1, 0);
    stop(pid);
}

/* When the significant worker is done, so is everything. */
static void show_significant(void)
{
    static const worker workers[] = {{"helper"}, {"main"}};
    static const troupe_child children[] = {
        {.id = "helper", .behavior = &worker_behavior, .args = &workers[0]},
        {.id = "main",
         .behavior = &worker_behavior,
         .args = &workers[1],
         .restart = TROUPE_RESTART_TRANSIENT,
         .significant = true},
    };
    const troupe_supervisor tree = {.children = children,
                                    .children_count = 2,
                                    .auto_shutdown = TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT};
    const troupe_pid pid = start("a significant child", &tree);
    int32_t kind = 0;

    tell(child_after(pid, 0, 1), "main is done", &finish_type);
    while (troupe_node_join(node, pid, 5000, &kind) == TROUPE_E_TIMEOUT) {
    }
}

int main(void)
{
    troupe_config config;

    troupe_config_init(&config);
    const troupe_status status = troupe_node_start(&config, &node, NULL, 0);

    if (status == TROUPE_OK) {
        show_strategy("one_for_one", TROUPE_ONE_FOR_ONE);
        show_strategy("one_for_all", TROUPE_ONE_FOR_ALL);
        show_strategy("rest_for_one", TROUPE_REST_FOR_ONE);
        show_template();
        show_tree();
        show_significant();
        troupe_node_stop(node, 5000);
    }
    printf("%s\n", troupe_status_text(status));
    return status == TROUPE_OK ? 0 : 1;
}
