/* What is tested: that supervisors start, stop and restart what a small model says, in that order,
 * whatever the interleaving.
 *
 *     model_supervision [WORLDS [FIRST_SEED]]
 *
 * In each world one supervisor with children of all restart types goes through ends of all kinds
 * and through time. After each event everything settles, and the order of starts and ends, who is
 * alive, and whether the supervisor is, are compared with the model.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "troupe/supervisor.h"
#include "troupe/test.h"

enum { WORLDS = 1000, CHILDREN_MAX = 6, LOG_SIZE = 64, EVENTS = 14, PERIOD_MS = 1000 };

/* What happens, a letter and a number each: "s2" child 2 starts, "e2" it ends. */
struct log {
    size_t size;
    char text[LOG_SIZE * 2 + 1];
};

struct world {
    troupe_test *test;
    struct log log;
    troupe_pid pids[CHILDREN_MAX]; /* of those that started last */
    /* The model. */
    struct log expected;
    troupe_supervisor spec;
    troupe_child children[CHILDREN_MAX];
    size_t count;
    bool alive[CHILDREN_MAX];
    bool forgotten[CHILDREN_MAX];
    bool ended;
    int64_t restarts_ms[EVENTS];
    size_t restarts;
    uint64_t compared;
};

static void log_add(struct log *log, char what, size_t child)
{
    if (log->size + 2 < sizeof(log->text)) {
        log->text[log->size++] = what;
        log->text[log->size++] = (char)('0' + child);
        log->text[log->size] = '\0';
    }
}

/* ---- a child ---- */

struct birth {
    struct world *world;
    size_t index;
};

static int on_init(troupe_self *self, void *state, const void *args)
{
    struct birth *birth = state;

    *birth = *(const struct birth *)args;
    birth->world->pids[birth->index] = troupe_self_pid(self);
    log_add(&birth->world->log, 's', birth->index);
    return TROUPE_OK;
}

static void on_release(void *state)
{
    const struct birth *birth = state;

    if (birth->world != NULL) {
        log_add(&birth->world->log, 'e', birth->index);
    }
}

static const troupe_behavior child_behavior = {.name = "model.child",
                                               .state_size = sizeof(struct birth),
                                               .init = on_init,
                                               .release = on_release};

/* ---- the model ---- */

static void model_start(struct world *world, size_t child)
{
    world->alive[child] = true;
    log_add(&world->expected, 's', child);
}

static void model_stop_back_to(struct world *world, size_t first, bool forget)
{
    for (size_t i = world->count; i-- > first;) {
        if (world->alive[i]) {
            world->alive[i] = false;
            log_add(&world->expected, 'e', i);
        }
        if (forget && world->children[i].restart == TROUPE_RESTART_TEMPORARY) {
            world->forgotten[i] = true;
        }
    }
}

static bool wants_restart(const troupe_child *child, int32_t kind)
{
    return child->restart == TROUPE_RESTART_PERMANENT ||
           (child->restart == TROUPE_RESTART_TRANSIENT && kind != TROUPE_REASON_NORMAL &&
            kind != TROUPE_REASON_SHUTDOWN);
}

static bool too_many(struct world *world)
{
    const int64_t now_ms = troupe_test_now_ms(world->test);
    size_t within = 0;

    world->restarts_ms[world->restarts++] = now_ms;
    for (size_t i = 0; i < world->restarts; i++) {
        within += now_ms - world->restarts_ms[i] <= world->spec.period_ms ? 1 : 0;
    }
    return within > world->spec.intensity;
}

static void model_ended(struct world *world, size_t child, int32_t kind)
{
    size_t first = 0;

    world->alive[child] = false;
    log_add(&world->expected, 'e', child);
    if (!wants_restart(&world->children[child], kind)) {
        world->forgotten[child] = world->children[child].restart == TROUPE_RESTART_TEMPORARY;
        return;
    }
    if (too_many(world)) {
        model_stop_back_to(world, 0, false);
        world->ended = true;
        return;
    }
    switch ((troupe_strategy)world->spec.strategy) {
    case TROUPE_ONE_FOR_ONE:
        model_start(world, child);
        return;
    case TROUPE_ONE_FOR_ALL:
        break;
    case TROUPE_REST_FOR_ONE:
    case TROUPE_SIMPLE_ONE_FOR_ONE:
        first = child;
        break;
    }
    model_stop_back_to(world, first, true);
    for (size_t i = first; i < world->count; i++) {
        if (!world->forgotten[i]) {
            model_start(world, i);
        }
    }
}

/* ---- a world ---- */

static int spawn_tree(troupe_self *self, void *context)
{
    struct world *world = context;
    troupe_pid pid = {0};

    troupe_trap_exit(self, true);
    const troupe_status status = troupe_spawn_supervisor(self, &world->spec, NULL, &pid);

    return status != TROUPE_OK ? (int)status : TROUPE_OK;
}

/* Whether what happened is what the model says. */
static bool compare(struct world *world, uint64_t seed, const char *event)
{
    troupe_test_settle(world->test);
    world->compared++;
    if (strcmp(world->log.text, world->expected.text) == 0) {
        world->log = (struct log){0};
        world->expected = (struct log){0};
        return true;
    }
    printf("not ok seed %" PRIu64
           ": strategy %d, intensity %u, after %s\nexpected %s\nbut      %s\n",
           seed, world->spec.strategy, world->spec.intensity, event, world->expected.text,
           world->log.text);
    for (size_t i = 0; i < world->count; i++) {
        printf("child %zu: restart %d, %s\n", i, world->children[i].restart,
               world->alive[i] ? "alive" : "not alive");
    }
    (void)fputs(troupe_test_trace(world->test), stdout);
    return false;
}

/* Ends one child in one way; the order of others is not disturbed, since everybody rests. */
static bool end_one(struct world *world, uint64_t seed, struct tr_rng *rng)
{
    static const int32_t kinds[] = {TROUPE_REASON_NORMAL, TROUPE_REASON_SHUTDOWN,
                                    TROUPE_REASON_ERROR, TROUPE_REASON_KILL};
    const size_t child = (size_t)tr_rng_below(rng, world->count);
    const int32_t kind = kinds[tr_rng_below(rng, 4)];
    char event[64];

    if (!world->alive[child]) {
        return true;
    }
    if (troupe_node_exit(troupe_test_node(world->test), world->pids[child], kind, "on purpose") !=
        TROUPE_OK) {
        return false;
    }
    /* From somebody else `normal` is ignored by who does not trap. */
    if (kind != TROUPE_REASON_NORMAL) {
        model_ended(world, child, kind == TROUPE_REASON_KILL ? TROUPE_REASON_KILLED : kind);
    }
    (void)snprintf(event, sizeof(event), "the end of child %zu: %s", child,
                   troupe_reason_name(kind));
    return compare(world, seed, event);
}

static void choose_tree(struct world *world, struct tr_rng *rng)
{
    static const char *const ids[] = {"0", "1", "2", "3", "4", "5"};
    static struct birth births[CHILDREN_MAX];

    world->count = 1 + (size_t)tr_rng_below(rng, CHILDREN_MAX);
    for (size_t i = 0; i < world->count; i++) {
        births[i] = (struct birth){.world = world, .index = i};
        world->children[i] = (troupe_child){.id = ids[i],
                                            .behavior = &child_behavior,
                                            .args = &births[i],
                                            .restart = (int32_t)tr_rng_below(rng, 3)};
    }
    world->spec = (troupe_supervisor){.strategy = (int32_t)tr_rng_below(rng, 3),
                                      .intensity = 1 + (uint32_t)tr_rng_below(rng, 4),
                                      .period_ms = PERIOD_MS,
                                      .children = world->children,
                                      .children_count = world->count};
}

static bool play(uint64_t seed, uint64_t *compared)
{
    static struct world world;
    struct tr_rng rng = {.state = seed ^ 0x74726565u};
    troupe_test_options options;
    bool same = true;

    world = (struct world){0};
    troupe_test_options_init(&options);
    options.seed = seed | 1;
    options.workers = 1 + (uint32_t)tr_rng_below(&rng, 4);
    if (troupe_test_create(&options, &world.test) != TROUPE_OK) {
        return false;
    }
    choose_tree(&world, &rng);
    troupe_probe *parent = troupe_probe_start(world.test, "parent");

    if (troupe_probe_do(parent, spawn_tree, &world) != TROUPE_OK) {
        return false;
    }
    for (size_t i = 0; i < world.count; i++) {
        model_start(&world, i);
    }
    same = compare(&world, seed, "the start");
    for (int i = 0; i < EVENTS && same && !world.ended; i++) {
        same = end_one(&world, seed, &rng);
        troupe_test_advance(world.test, tr_rng_below(&rng, 4) == 0 ? tr_rng_below(&rng, 1500)
                                                                   : tr_rng_below(&rng, 50));
        same = same && compare(&world, seed, "some time");
    }
    if (same && world.ended != (troupe_probe_count(parent) == 1)) {
        printf("not ok seed %" PRIu64 ": the supervisor is %s\n", seed,
               world.ended ? "alive" : "dead");
        same = false;
    }
    *compared += world.compared;
    if (same && !world.ended) {
        troupe_probe_stop(parent, TROUPE_REASON_SHUTDOWN, "the end");
        model_stop_back_to(&world, 0, false);
        same = compare(&world, seed, "the parent's end");
    }
    troupe_test_destroy(world.test);
    return same;
}

int main(int argc, char **argv)
{
    const uint64_t worlds = argc > 1 ? strtoull(argv[1], NULL, 10) : WORLDS;
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t compared = 0;

    for (uint64_t i = 0; i < worlds; i++) {
        if (!play((first + i) * 0x9e3779b97f4a7c15u, &compared)) {
            return 1;
        }
    }
    printf("ok %" PRIu64 " worlds of supervisors from seed %" PRIu64
           " without a difference: %" PRIu64 " events compared\n",
           worlds, first, compared);
    return 0;
}
