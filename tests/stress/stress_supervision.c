/* What is tested: supervisors of every strategy on four workers while other threads kill children
 * at random, add and remove some, and look at all of them.
 *
 * Every child counts its starts and its ends. When the killing is over, what each supervisor says
 * of its restarts accounts for every start, nobody is missing and nobody is left over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/actors.h"

enum { CHILDREN = 8, KILLERS = 3, SUPERVISORS = 3, WORKERS = 4 };
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { KILLS = 600, JOBS = 400 };
#else
enum { KILLS = 3000, JOBS = 2000 };
#endif

static uint64_t seed;
static struct stage *stage;

/* Of all children with one tag. */
struct tally {
    atomic_ullong starts;
    atomic_ullong ends;
};

static struct tally tallies[SUPERVISORS][CHILDREN];
static struct tally jobs;
static struct tally deep;

/* ---- children ---- */

struct one {
    struct tally *tally;
};

static int one_init(troupe_self *self, void *state, const void *args)
{
    struct one *one = state;

    (void)self;
    one->tally = *(struct tally *const *)args;
    (void)atomic_fetch_add(&one->tally->starts, 1);
    return TROUPE_OK;
}

static void one_release(void *state)
{
    const struct one *one = state;

    if (one->tally != NULL) {
        (void)atomic_fetch_add(&one->tally->ends, 1);
    }
}

static const troupe_behavior one_behavior = {
    .name = "test.one", .state_size = sizeof(struct one), .init = one_init, .release = one_release};

static struct tally *addresses[SUPERVISORS][CHILDREN];
static struct tally *jobs_address = &jobs;
static struct tally *deep_address = &deep;
static troupe_child specs[SUPERVISORS][CHILDREN];
static const char *const ids[CHILDREN] = {"a", "b", "c", "d", "e", "f", "g", "h"};

/* ---- looking ---- */

struct view {
    size_t count;
    troupe_pid pids[CHILDREN];
    uint64_t restarts[CHILDREN];
    uint64_t all_restarts;
    bool quiet; /* all of them run */
};

static bool look(troupe_pid supervisor, struct view *view)
{
    troupe_result result = {0};
    const bool there =
        troupe_node_which_children(stage->node, supervisor, DEADLINE_MS, &result) == TROUPE_OK;
    const troupe_children *all = result.value;

    *view = (struct view){.quiet = there};
    for (size_t i = 0; there && i < all->children_count && i < CHILDREN; i++) {
        view->pids[i] = all->children[i].pid;
        view->restarts[i] = all->children[i].restarts;
        view->quiet = view->quiet && strcmp(all->children[i].state, "running") == 0;
        view->count++;
    }
    view->all_restarts = there ? all->restarts : 0;
    troupe_result_clear(&result);
    return there;
}

/* ---- killing ---- */

struct killer {
    pthread_t thread;
    struct tr_rng rng;
    const troupe_pid *supervisors;
    size_t count;
    bool deep; /* kills supervisors too, below the first level */
};

static void *kill_some(void *context)
{
    struct killer *killer = context;
    struct view view;

    for (int i = 0; i < KILLS; i++) {
        const troupe_pid from = killer->supervisors[tr_rng_below(&killer->rng, killer->count)];

        if (!look(from, &view) || view.count == 0) {
            continue;
        }
        troupe_pid victim = view.pids[tr_rng_below(&killer->rng, view.count)];

        if (killer->deep && tr_rng_below(&killer->rng, 3) != 0 && look(victim, &view) &&
            view.count > 0) {
            victim = view.pids[tr_rng_below(&killer->rng, view.count)];
        }
        if (!troupe_pid_is_none(victim)) {
            (void)!troupe_node_exit(stage->node, victim, TROUPE_REASON_KILL, NULL);
        }
    }
    return NULL;
}

static void storm(const troupe_pid *supervisors, size_t count, bool below)
{
    struct killer killers[KILLERS];

    for (int i = 0; i < KILLERS; i++) {
        killers[i] = (struct killer){.supervisors = supervisors, .count = count, .deep = below};
        killers[i].rng.state = seed + (uint64_t)i * 7919;
        assert_int_equal(pthread_create(&killers[i].thread, NULL, kill_some, &killers[i]), 0);
    }
    for (int i = 0; i < KILLERS; i++) {
        (void)pthread_join(killers[i].thread, NULL);
    }
}

static uint64_t load(atomic_ullong *counter)
{
    return atomic_load(counter);
}

/* ---- the strategies ---- */

struct calm {
    troupe_pid supervisor;
    size_t index;
    int strategy;
    struct view view;
};

/* How often the child must have started. */
static uint64_t starts_due(const struct calm *calm, size_t child)
{
    uint64_t due = 1;

    switch ((troupe_strategy)calm->strategy) {
    case TROUPE_ONE_FOR_ALL:
        return 1 + calm->view.all_restarts;
    case TROUPE_REST_FOR_ONE:
        for (size_t i = 0; i <= child; i++) {
            due += calm->view.restarts[i];
        }
        return due;
    case TROUPE_ONE_FOR_ONE:
    case TROUPE_SIMPLE_ONE_FOR_ONE:
        break;
    }
    return 1 + calm->view.restarts[child];
}

/* All children run, each started as often as it had to, and all but the last of each has ended. */
static bool accounts_for_all(void *context)
{
    struct calm *calm = context;
    bool good =
        look(calm->supervisor, &calm->view) && calm->view.quiet && calm->view.count == CHILDREN;

    for (size_t i = 0; good && i < CHILDREN; i++) {
        struct tally *tally = &tallies[calm->index][i];

        good = load(&tally->starts) == starts_due(calm, i) &&
               load(&tally->ends) == load(&tally->starts) - 1;
    }
    return good;
}

static void no_child_is_lost_or_doubled_under_any_strategy(void **state)
{
    troupe_pid supervisors[SUPERVISORS];
    uint64_t restarts = 0;

    (void)state;
    for (int s = 0; s < SUPERVISORS; s++) {
        for (int i = 0; i < CHILDREN; i++) {
            addresses[s][i] = &tallies[s][i];
            specs[s][i] =
                (troupe_child){.id = ids[i], .behavior = &one_behavior, .args = &addresses[s][i]};
        }
        const troupe_supervisor tree = {.strategy = s,
                                        .intensity = 1000000,
                                        .period_ms = 1,
                                        .children = specs[s],
                                        .children_count = CHILDREN};

        assert_int_equal(troupe_node_spawn_supervisor(stage->node, &tree, NULL, &supervisors[s]),
                         TROUPE_OK);
    }
    storm(supervisors, SUPERVISORS, false);
    for (int s = 0; s < SUPERVISORS; s++) {
        struct calm calm = {.supervisor = supervisors[s], .index = (size_t)s, .strategy = s};

        if (!wait_until(accounts_for_all, &calm)) {
            fail_msg("strategy %d: %llu restarts do not account for the starts (seed %llu)", s,
                     (unsigned long long)calm.view.all_restarts, (unsigned long long)seed);
        }
        restarts += calm.view.all_restarts;
    }
    assert_in_range(restarts, 100, (uint64_t)KILLERS * KILLS);
    stage_wait_actors(stage, SUPERVISORS * (CHILDREN + 1));
    for (int s = 0; s < SUPERVISORS; s++) {
        assert_int_equal(
            troupe_node_exit(stage->node, supervisors[s], TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    }
    stage_wait_actors(stage, 0);
    for (int s = 0; s < SUPERVISORS; s++) {
        for (int i = 0; i < CHILDREN; i++) {
            assert_int_equal(load(&tallies[s][i].starts), load(&tallies[s][i].ends));
        }
    }
}

/* ---- a tree whose branches are killed too ---- */

static void a_tree_is_whole_again_after_any_storm(void **state)
{
    static troupe_child leaves[CHILDREN];
    static troupe_supervisor branch_specs[3];
    static troupe_child branches[3];
    troupe_pid root = {0};

    (void)state;
    for (int i = 0; i < CHILDREN; i++) {
        leaves[i] = (troupe_child){.id = ids[i], .behavior = &one_behavior, .args = &deep_address};
    }
    for (int i = 0; i < 3; i++) {
        branch_specs[i] = (troupe_supervisor){.strategy = i,
                                              .intensity = (uint32_t)i, /* The first gives up. */
                                              .period_ms = 50,
                                              .children = leaves,
                                              .children_count = CHILDREN};
        branches[i] = (troupe_child){.id = ids[i], .supervisor = &branch_specs[i]};
    }
    const troupe_supervisor tree = {.strategy = TROUPE_REST_FOR_ONE,
                                    .intensity = 1000000,
                                    .period_ms = 1,
                                    .children = branches,
                                    .children_count = 3};

    assert_int_equal(troupe_node_spawn_supervisor(stage->node, &tree, NULL, &root), TROUPE_OK);
    storm(&root, 1, true);
    stage_wait_actors(stage, 1 + 3 + 3 * CHILDREN);
    assert_int_equal(load(&deep.starts) - load(&deep.ends), 3 * CHILDREN);
    assert_int_equal(troupe_node_exit(stage->node, root, TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    stage_wait_actors(stage, 0);
    assert_int_equal(load(&deep.starts), load(&deep.ends));
}

/* ---- a template ---- */

struct hirer {
    pthread_t thread;
    struct tr_rng rng;
    troupe_pid supervisor;
    int hired;
    int fired;
    bool failed;
};

/* Adds jobs and removes some; another thread's kill may come first, then the pid is unknown. */
static void *hire_and_fire(void *context)
{
    const troupe_child job = {.behavior = &one_behavior, .args = &jobs_address};
    struct hirer *hirer = context;

    for (int i = 0; i < JOBS; i++) {
        troupe_result result = {0};

        hirer->failed =
            hirer->failed || troupe_node_start_child(stage->node, hirer->supervisor, &job,
                                                     DEADLINE_MS, &result) != TROUPE_OK;
        if (hirer->failed) {
            troupe_result_clear(&result);
            break;
        }
        const troupe_pid pid = ((const troupe_child_state *)result.value)->pid;

        hirer->hired++;
        troupe_result_clear(&result);
        const uint64_t fate = tr_rng_below(&hirer->rng, 3);

        if (fate != 0) {
            (void)!troupe_node_exit(stage->node, pid, TROUPE_REASON_KILL, NULL);
        }
        if (fate != 1) {
            const troupe_status status = troupe_node_terminate_child(
                stage->node, hirer->supervisor, NULL, pid, DEADLINE_MS, &result);

            hirer->fired += status == TROUPE_OK ? 1 : 0;
            hirer->failed = status != TROUPE_OK && status != TROUPE_E_NOT_FOUND;
            troupe_result_clear(&result);
        }
    }
    return NULL;
}

static void children_of_a_template_are_counted_exactly(void **state)
{
    const troupe_child template = {.id = "job", .behavior = &one_behavior, .args = &jobs_address};
    const troupe_supervisor tree = {.strategy = TROUPE_SIMPLE_ONE_FOR_ONE,
                                    .intensity = 1000000,
                                    .period_ms = 1,
                                    .children = &template,
                                    .children_count = 1};
    struct hirer hirers[KILLERS];
    troupe_pid supervisor = {0};
    int left = 0;

    (void)state;
    assert_int_equal(troupe_node_spawn_supervisor(stage->node, &tree, NULL, &supervisor),
                     TROUPE_OK);
    for (int i = 0; i < KILLERS; i++) {
        hirers[i] = (struct hirer){.supervisor = supervisor};
        hirers[i].rng.state = seed + (uint64_t)i * 104729;
        assert_int_equal(pthread_create(&hirers[i].thread, NULL, hire_and_fire, &hirers[i]), 0);
    }
    for (int i = 0; i < KILLERS; i++) {
        (void)pthread_join(hirers[i].thread, NULL);
        assert_false(hirers[i].failed);
        left += hirers[i].hired - hirers[i].fired;
    }
    stage_wait_actors(stage, (uint64_t)left + 1);
    assert_int_equal(load(&jobs.starts) - load(&jobs.ends), left);
    assert_int_equal(troupe_node_exit(stage->node, supervisor, TROUPE_REASON_SHUTDOWN, NULL),
                     TROUPE_OK);
    stage_wait_actors(stage, 0);
    assert_int_equal(load(&jobs.starts), load(&jobs.ends));
}

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(WORKERS);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_child_is_lost_or_doubled_under_any_strategy, begin, end),
        cmocka_unit_test_setup_teardown(a_tree_is_whole_again_after_any_storm, begin, end),
        cmocka_unit_test_setup_teardown(children_of_a_template_are_counted_exactly, begin, end),
    };

    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)clock_ms();
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
