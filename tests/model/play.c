/* A world for one list of operations, and what lies in it at rest. */
#include "model/play.h"

#include <stdio.h>
#include <string.h>

#include "kit/kit.h"
#include "model/player.h"

/* ---- a world ---- */

static bool begin(struct world *world, uint64_t seed)
{
    troupe_test_options options;

    troupe_test_options_init(&options);
    options.seed = seed | 1;
    options.workers = 1 + (uint32_t)(seed >> 1 & 3);
    options.batch_max = (seed >> 3 & 1) != 0 ? 64 : 3;
    options.trace_lines = 16;
    model_init(&world->model);
    world->starting = ACTORS_MAX;
    world->born = 0;
    world->ends = 0;
    world->asked = 0;
    world->refused = 0;
    world->test = NULL;
    if (troupe_test_create(&options, &world->test) != TROUPE_OK) {
        return false;
    }
    for (size_t i = 0; i < FIRST_ACTORS; i++) {
        if (!player_start(world)) {
            return false;
        }
    }
    return true;
}

/* Compares what lies in the runtime with what the model says, with everybody at rest. */
static void look_inside(struct world *world, size_t index)
{
    struct model *model = &world->model;
    const struct troupe_node *node = troupe_test_node(world->test);
    const struct tr_actor *actor = tr_table_find(&node->sched->table, model->actors[index].pid.id);

    if ((actor != NULL) != model->actors[index].alive) {
        model_problem(model, "at rest, actor %zu is %s", index, actor != NULL ? "alive" : "dead");
        return;
    }
    for (size_t other = 0; other < model->count && actor != NULL; other++) {
        const troupe_pid pid = model->actors[other].pid;
        const struct tr_relation *link = tr_relations_link(&actor->relations, pid);
        const struct tr_relation *relation = NULL;
        size_t watching = 0;
        size_t watched = 0;
        uint32_t position = 0;
        int side = 0;
        struct pair *pair = model_pair(model, index, other, &side);

        while ((relation = tr_relations_next(&actor->relations, &position)) != NULL) {
            const bool its = troupe_pid_equal(relation->pid, pid);

            watching += its && relation->kind == TR_RELATION_WATCHING ? 1 : 0;
            watched += its && relation->kind == TR_RELATION_WATCHED ? 1 : 0;
        }
        if (link != NULL && link->kind != TR_RELATION_LINK) {
            model_problem(model, "at rest, an unlink of actors %zu and %zu was not acknowledged",
                          index, other);
        } else if (!pair_is(pair, side, link != NULL, watching, watched)) {
            model_problem(model,
                          "at rest, actor %zu has of actor %zu: %s, %zu monitors, %zu watchers",
                          index, other, link != NULL ? "a link" : "no link", watching, watched);
        }
    }
}

/* Memory is scarce until now: it comes back, and everything that waits for it goes on. */
static void heal(struct world *world)
{
    uint64_t asked = 0;

    if (world->model.poor) {
        world->refused = troupe_test_heal_memory(world->test, &asked);
        world->asked = asked;
        troupe_test_settle(world->test);
        model_rests(player_model(world));
        model_poor(&world->model, false);
    }
}

static void settle(struct world *world)
{
    struct troupe_node *node = troupe_test_node(world->test);
    uint64_t alive = 0;

    heal(world);
    troupe_test_settle(world->test);
    model_rests(player_model(world));
    for (size_t i = 0; i < world->born; i++) {
        alive += world->model.actors[i].alive;
        look_inside(world, i);
    }
    if (tr_node_user_actors(node) != alive) {
        model_problem(&world->model, "at rest, %llu actors are alive, and not %llu",
                      (unsigned long long)tr_node_user_actors(node), (unsigned long long)alive);
    }
}

static void perform(struct world *world, const struct op *op)
{
    if (op->kind == OP_SETTLE) {
        settle(world);
        return;
    }
    if (op->kind == OP_ADVANCE) {
        heal(world);
        troupe_test_advance(world->test, op->ms);
        return;
    }
    if (op->kind == OP_JUMP) {
        troupe_test_jump(world->test, op->ms);
        return;
    }
    if (op->actor >= world->born || op->target >= world->born) {
        return;
    }
    player_order(world, op);
}

void play_run(uint64_t seed, const struct op *ops, size_t count, const struct scarcity *scarcity,
              struct outcome *outcome)
{
    static struct world world;

    *outcome = (struct outcome){0};
    if (!begin(&world, seed)) {
        (void)snprintf(outcome->problem, sizeof(outcome->problem), "the world does not begin");
        return;
    }
    if (scarcity->counts) {
        model_poor(&world.model, true);
        troupe_test_fail_memory(world.test, scarcity->n, scarcity->onwards);
    }
    for (size_t i = 0; i < count && world.model.problem[0] == '\0'; i++) {
        perform(&world, &ops[i]);
        for (uint32_t step = 0; step < ops[i].steps; step++) {
            (void)troupe_test_step(world.test);
        }
    }
    if (world.model.problem[0] == '\0') {
        settle(&world);
        troupe_test_advance(world.test, 1000);
        settle(&world);
    }
    memcpy(outcome->problem, world.model.problem, sizeof(outcome->problem));
    outcome->events = world.model.events;
    outcome->ends = world.ends;
    outcome->asked = world.asked;
    outcome->refused = world.refused;
    for (size_t b = 0; b < world.model.count; b++) {
        for (size_t a = 0; a <= b; a++) {
            outcome->overflow |= world.model.pairs[a][b].overflow;
        }
    }
    /* What happens from here on is the node's end, about which the model knows nothing. */
    troupe_test_destroy(world.test);
    model_fini(&world.model);
}
