/* distributed_supervision.c - a supervisor whose children run on other nodes: where they start,
 * what a failure does, what becomes of them when their node leaves, and what when it does itself.
 *
 *     distributed_supervision [CONNINFO]      a PostgreSQL with Troupe's schema (troupe db migrate)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <troupe/troupe.h>

enum { NODES = 3, WORKERS = 6, WAIT_MS = 20000 };

/* ---- a worker ---- */

typedef struct job {
    int32_t number;
} job;
TROUPE_TYPE(job, "example.job", TROUPE_FIELD(job, number, 1));
TROUPE_TYPE_EMPTY(fail, "example.fail");

static int worker_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    *(job *)state = *(const job *)args;
    return TROUPE_OK;
}

static int on_fail(troupe_self *self, void *state, const void *message)
{
    (void)message;
    return troupe_fail(self, "job %d failed", (int)((const job *)state)->number);
}

static const troupe_handler worker_handlers[] = {{&fail_type, on_fail}, {0}};
static const troupe_behavior worker = {.name = "example.worker",
                                       .state = &job_type,
                                       .args = &job_type,
                                       .init = worker_init,
                                       .handlers = worker_handlers};

/* ---- three nodes ---- */

static troupe_node *nodes[NODES];

static bool start_node(int i, const char *conninfo)
{
    static const char *const names[NODES] = {"n1", "n2", "n3"};
    static const troupe_behavior *const behaviors[] = {&worker, NULL};
    char error[256] = "";
    troupe_config config;
    troupe_registry *registry = NULL;

    troupe_config_init(&config);
    config.name = names[i];
    config.roles = i == 0 ? "" : "worker"; /* n1 supervises, the others work. */
    config.behaviors = behaviors;          /* What others may start here. */
    config.allow_unsafe_fsync = true;      /* Nothing here has to survive. */
    if (troupe_registry_postgres(conninfo, &registry, error, sizeof(error)) == TROUPE_OK) {
        config.registry = registry;
        if (troupe_node_start(&config, &nodes[i], error, sizeof(error)) == TROUPE_OK) {
            return true;
        }
    }
    (void)fprintf(stderr, "%s: %s\n", names[i], error);
    return false;
}

/* ---- looking ---- */

static troupe_pid supervisor;

/* Where the children run, "n2 n3 n2 ..."; answers how many do. The first one's pid is given. */
static int look(char *text, size_t size, troupe_pid *first)
{
    troupe_result result = {0};
    int running = 0;
    size_t used = 0;

    text[0] = '\0';
    if (troupe_node_which_children(nodes[0], supervisor, WAIT_MS, &result) == TROUPE_OK) {
        const troupe_children *all = troupe_result_as(&result, &troupe_children_type);

        for (size_t i = 0; i < all->children_count; i++) {
            const troupe_child_state *child = &all->children[i];

            running += strcmp(child->state, "running") == 0 ? 1 : 0;
            used += (size_t)snprintf(text + used, size - used, " %s", child->node);
        }
        *first = all->children_count == 0 ? (troupe_pid){0} : all->children[0].pid;
    }
    troupe_result_clear(&result);
    return running;
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until all run, the first of them not by this pid any more, and none on that node ("": it
 * does not matter); says where. */
static troupe_pid settle(const char *title, troupe_pid not_this, const char *gone)
{
    const int64_t until_ms = now_ms() + WAIT_MS;
    troupe_pid first = {0};
    char text[256];

    while ((look(text, sizeof(text), &first) < WORKERS || troupe_pid_equal(first, not_this) ||
            (gone[0] != '\0' && strstr(text, gone) != NULL)) &&
           now_ms() < until_ms) { /* Each look waits for the supervisor. */
    }
    printf("%s:%s\n", title, text);
    return first;
}

/* ---- the story ---- */

static int play(void)
{
    static const char *const ids[WORKERS] = {"job 0", "job 1", "job 2", "job 3", "job 4", "job 5"};
    troupe_child children[WORKERS];
    job jobs[WORKERS];
    const troupe_supervisor tree = {.children = children, .children_count = WORKERS};

    for (int i = 0; i < WORKERS; i++) {
        jobs[i] = (job){.number = i};
        children[i] = (troupe_child){.id = ids[i],
                                     .behavior = &worker,
                                     .args = &jobs[i],
                                     .placement = "round_robin role:worker"};
    }
    if (troupe_node_spawn_supervisor(nodes[0], &tree, NULL, &supervisor) != TROUPE_OK) {
        return 1;
    }
    const troupe_pid first = settle("n1 supervises", (troupe_pid){0}, "");

    if (troupe_node_send(nodes[0], first, &fail_type, NULL) != TROUPE_OK) {
        return 1;
    }
    (void)settle("job 0 has failed", first, "");
    troupe_node_stop(nodes[2], WAIT_MS);
    nodes[2] = NULL;
    (void)settle("n3 has left", (troupe_pid){0}, "n3");
    troupe_node_stop(nodes[0], WAIT_MS);
    nodes[0] = NULL;
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(nodes[1], &info);
    printf("n1 has left, its children with it: %" PRIu64 " actors on n2\n", info.actors);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 1;
    bool up = true;

    for (int i = 0; i < NODES && up; i++) {
        up = start_node(i, argc > 1 ? argv[1] : "");
    }
    for (int i = 0; i < NODES && up; i++) {
        up = troupe_node_wait_cluster(nodes[i], NODES, WAIT_MS) == TROUPE_OK;
    }
    if (up) {
        status = play();
    }
    for (int i = 0; i < NODES; i++) {
        troupe_node_stop(nodes[i], WAIT_MS);
    }
    return status;
}
