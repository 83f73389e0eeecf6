/* An actor starts two others, which start two each, until there were COUNT (rounded down to a full
 * tree). Each answers the one that started it when its own two have answered, and ends. */
#include "bench.h"

typedef struct branch {
    troupe_from waiting; /* of the root */
    troupe_pid parent;
    uint64_t actors;
    uint32_t children; /* that have not answered */
} branch;

/* Grow so many levels more. */
typedef struct grow {
    int64_t levels;
} grow;
TROUPE_TYPE(grow, "bench.grow", TROUPE_FIELD(grow, levels, 1));

static const troupe_behavior branch_behavior;

static int answer(troupe_self *self, branch *b)
{
    const troupe_status status =
        b->waiting.ref != 0
            ? troupe_reply_to(self, &b->waiting, &tally_type, &(tally){.count = b->actors})
            : troupe_send(self, b->parent, &tally_type, &(tally){.count = b->actors});
    return status == TROUPE_OK ? TROUPE_STOP : (int)status;
}

static int branch_on_grow(troupe_self *self, void *state, const void *message)
{
    branch *b = state;
    const grow *g = message;
    b->waiting = troupe_take_from(self);
    b->parent = troupe_sender(self);
    b->actors = 1;
    if (g->levels == 0) {
        return answer(self, b);
    }
    for (b->children = 0; b->children < 2; b->children++) {
        troupe_pid child;
        troupe_status status = troupe_spawn(self, &branch_behavior, NULL, NULL, &child);
        if (status == TROUPE_OK) {
            status = troupe_send(self, child, &grow_type, &(grow){.levels = g->levels - 1});
        }
        if (status != TROUPE_OK) {
            return status;
        }
    }
    return TROUPE_OK;
}

static int branch_on_tally(troupe_self *self, void *state, const void *message)
{
    branch *b = state;
    b->actors += ((const tally *)message)->count;
    b->children--;
    return b->children > 0 ? TROUPE_OK : answer(self, b);
}

static const troupe_handler branch_handlers[] = {
    {&grow_type, branch_on_grow}, {&tally_type, branch_on_tally}, {0}};
static const troupe_behavior branch_behavior = {.name = "bench.branch",
                                                .version = 1,
                                                .state_size = sizeof(branch),
                                                .handlers = branch_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    int64_t levels = 0;
    while ((4ull << levels) - 1 <= count) {
        levels++;
    }
    const uint64_t actors = (2ull << levels) - 1;
    const troupe_pid root = bench_spawn(node, &branch_behavior, NULL);
    const int64_t began = measure_now_ns();
    const uint64_t grown = bench_ask(node, root, &grow_type, &(grow){.levels = levels});
    const int64_t ns = measure_now_ns() - began;
    measure_expect("actors in the tree", actors, grown);
    if (report) {
        measure_rate("tree", actors, ns, "actors/s");
    }
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, run);
}
