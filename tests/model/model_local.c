/* What is tested: that a local node does what a small model says, whatever the interleaving.
 *
 *     model_local [TRACES [FIRST_SEED]]
 *
 * Plays so many worlds, each made by chance from its own seed, and compares everything that actors
 * see with the model. A difference is printed with its seed and the operations that are needed
 * for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/play.h"

enum { TRACES = 2000 };

static void tell(uint64_t seed, struct op *ops, size_t count, struct outcome *outcome)
{
    printf("seed %" PRIu64 ": %s\n", seed, outcome->problem);
    play_shrink(seed, ops, &count, &(struct scarcity){0}, outcome);
    printf("needed for it, after actors 0 to %d were started: %s\n", FIRST_ACTORS - 1,
           outcome->problem);
    play_print(stdout, ops, count);
}

int main(int argc, char **argv)
{
    const uint64_t traces = argc > 1 ? strtoull(argv[1], NULL, 10) : TRACES;
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t events = 0;
    uint64_t ends = 0;
    uint64_t wide = 0;

    for (uint64_t i = 0; i < traces; i++) {
        struct op ops[OPS_MAX];
        struct outcome outcome;
        size_t count = 0;
        /* Seeds that follow each other would choose alike. */
        const uint64_t seed = (first + i) * 0x9e3779b97f4a7c15u;

        play_generate(seed, ops, &count);
        play_run(seed, ops, count, &(struct scarcity){0}, &outcome);
        if (outcome.problem[0] != '\0') {
            printf("not ok trace number %" PRIu64 "\n", first + i);
            tell(seed, ops, count, &outcome);
            return 1;
        }
        events += outcome.events;
        ends += outcome.ends;
        wide += outcome.overflow;
    }
    printf("ok %" PRIu64 " traces from seed %" PRIu64 " without a difference: %" PRIu64
           " events compared, %" PRIu64 " ends, %" PRIu64 " traces too wide for the model\n",
           traces, first, events, ends, wide);
    /* A model that loses sight of things proves nothing. */
    return wide * 100 > traces ? 1 : 0;
}
