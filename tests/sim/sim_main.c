/* What is tested: that whole nodes keep their promises to each other, whatever the network, the
 * registry and their own ends do to them.
 *
 *     simulate [WORLDS [FIRST_SEED]]      so many worlds, one after the other
 *     simulate --long WORLDS [FIRST_SEED] larger ones
 *     simulate --brief ...                without making a failing one smaller
 *     simulate --scarce ...               with a node that gets no memory for a while
 *     simulate --replay SEED              one, telling everything that happens; the same each time
 *
 * A world that goes wrong is printed with its seed and the faults that are needed for it. After
 * many worlds each of the interesting things (sim_count.h) must have happened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/sim_plan.h"

enum { WORLDS = 60, SHRINK_S = 60, MANY = 1500, REPLAYS = 3 };

/* What the worlds' process shows the one that watches it. */
struct shown {
    uint64_t seed; /* the world that runs */
    uint64_t counts[SIM_COUNTERS];
};

static struct shown *shown;

static const char *const count_names[] = {
#define SIM_COUNT_NAME(name, text) text,
    SIM_COUNT_MAP(SIM_COUNT_NAME)
#undef SIM_COUNT_NAME
};

/* Runs function in a process of its own; answers whether it went well. */
static bool apart(void (*function)(const void *context), const void *context, bool quiet)
{
    int status = 0;

    (void)fflush(stdout);
    const pid_t child = fork();

    if (child == 0) {
        if (quiet && freopen("/dev/null", "w", stdout) == NULL) {
            _Exit(2);
        }
        function(context);
        (void)fflush(stdout);
        _Exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("not ok: cannot start a process\n");
        exit(1);
    }
    if (WIFSIGNALED(status)) {
        printf("%s", quiet ? "" : "not ok: a world ended by a signal\n");
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct task {
    uint64_t first;
    uint64_t worlds;
    bool long_form;
};

static void play_worlds(const void *context)
{
    const struct task *task = context;

    for (uint64_t i = 0; i < task->worlds; i++) {
        struct plan plan;

        shown->seed = task->first + i;
        plan_make(&plan, shown->seed, task->long_form);
        const uint64_t hash = plan_play(&plan, false);

        if (i < REPLAYS && plan_play(&plan, false) != hash) {
            printf("not ok seed %llu: played again it goes otherwise\n",
                   (unsigned long long)shown->seed);
            (void)fflush(stdout);
            _Exit(1);
        }
    }
}

static void play_plan(const void *context)
{
    (void)plan_play(context, false);
}

/* Leaves out each fault that is not needed for some failure. */
static void shrink(struct plan *plan)
{
    const time_t by = time(NULL) + SHRINK_S;
    bool smaller = true;

    while (smaller && time(NULL) < by) {
        smaller = false;
        for (uint32_t i = 0; i < plan->count; i++) {
            if (plan->faults[i].out) {
                continue;
            }
            plan->faults[i].out = true;
            if (apart(play_plan, plan, true)) {
                plan->faults[i].out = false;
            } else {
                smaller = true;
            }
        }
    }
    while (plan->acts > 10 && time(NULL) < by) {
        plan->acts = plan->acts * 3 / 4;
        if (apart(play_plan, plan, true)) {
            plan->acts = plan->acts * 4 / 3 + 1;
            break;
        }
    }
}

static int failed(bool long_form, bool brief)
{
    struct plan plan;

    plan_make(&plan, shown->seed, long_form);
    printf("its plan, for `simulate %s--replay %llu`:\n", long_form ? "--long " : "",
           (unsigned long long)shown->seed);
    plan_print(&plan);
    if (brief) {
        return 1;
    }
    shrink(&plan);
    printf("needed for a failure:\n");
    plan_print(&plan);
    (void)apart(play_plan, &plan, false);
    return 1;
}

/* What happens only where a node has no memory. */
static bool is_of_scarcity(size_t counter)
{
    return counter == SIM_COUNT_REFUSALS || counter == SIM_COUNT_ACTS_REFUSED ||
           counter == SIM_COUNT_OVERLOADS || counter == SIM_COUNT_KEEPERS_FAILED ||
           counter == SIM_COUNT_NEWS_AGAIN;
}

/* What many worlds have never shown they do not test. */
static int weigh(const struct task *task)
{
    int missing = 0;

    printf("ok %llu worlds from seed %llu:", (unsigned long long)task->worlds,
           (unsigned long long)task->first);
    for (size_t i = 1; i < SIM_COUNTERS; i++) {
        printf("%s %llu %s", i == 1 ? "" : ",", (unsigned long long)shown->counts[i],
               count_names[i]);
    }
    printf("\n");
    for (size_t i = 0; i < SIM_COUNTERS && task->worlds >= MANY; i++) {
        if (shown->counts[i] == 0 && (plan_scarce || !is_of_scarcity(i))) {
            printf("not ok: in no world there were %s\n", count_names[i]);
            missing = 1;
        }
    }
    return missing;
}

int main(int argc, char **argv)
{
    struct task task = {.first = 1, .worlds = WORLDS};
    bool brief = false;

    shown = mmap(NULL, sizeof(*shown), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shown == MAP_FAILED) {
        return 1;
    }
    sim_counts = shown->counts;
    if (argc > 1 && strcmp(argv[1], "--brief") == 0) {
        brief = true;
        argc--;
        argv++;
    }
    if (argc > 1 && strcmp(argv[1], "--scarce") == 0) {
        plan_scarce = true;
        argc--;
        argv++;
    }
    if (argc > 1 && strcmp(argv[1], "--long") == 0) {
        task.long_form = true;
        argc--;
        argv++;
    }
    if (argc > 2 && strcmp(argv[1], "--replay") == 0) {
        struct plan plan;

        plan_make(&plan, strtoull(argv[2], NULL, 10), task.long_form);
        plan_print(&plan);
        printf("hash %016llx\n", (unsigned long long)plan_play(&plan, true));
        return 0;
    }
    if (argc > 1) {
        task.worlds = strtoull(argv[1], NULL, 10);
    }
    if (argc > 2) {
        task.first = strtoull(argv[2], NULL, 10);
    }
    return apart(play_worlds, &task, false) ? weigh(&task) : failed(task.long_form, brief);
}
