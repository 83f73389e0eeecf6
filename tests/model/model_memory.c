/* What is tested: that a local node without memory answers clearly, loses no signal and leaks
 * nothing: in worlds made by chance, each allocation fails once, and then each with all after it
 * until the first rest.
 *
 *     model_memory [WORLDS [FIRST_SEED]]
 *
 * What does not answer `ok` must have changed nothing; a link or a monitor may be refused, as an
 * exit or a DOWN that says so; the answer to a call may be lost, and then its timeout tells. All
 * else is as the model of the local runtime says. What leaks, LeakSanitizer tells at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/play.h"

enum { WORLDS = 40 };

static bool play(uint64_t seed, const struct op *ops, size_t count, const struct scarcity *scarcity,
                 struct outcome *outcome)
{
    struct op fewer[OPS_MAX];

    play_run(seed, ops, count, scarcity, outcome);
    if (outcome->problem[0] == '\0') {
        return true;
    }
    printf("not ok seed %" PRIu64 ", allocation %" PRIu64 "%s: %s\n", seed, scarcity->n,
           scarcity->onwards ? " and all that follow" : "", outcome->problem);
    for (size_t i = 0; i < count; i++) {
        fewer[i] = ops[i];
    }
    play_shrink(seed, fewer, &count, scarcity, outcome);
    printf("needed for it, after actors 0 to %d were started: %s\n", FIRST_ACTORS - 1,
           outcome->problem);
    play_print(stdout, fewer, count);
    return false;
}

/* Refuses each allocation of one world in turn, alone and with all that follow. */
static bool torture(uint64_t seed, uint64_t *runs, uint64_t *refused)
{
    struct op ops[OPS_MAX];
    struct outcome outcome;
    size_t count = 0;

    play_generate(seed, ops, &count);
    if (!play(seed, ops, count, &(struct scarcity){.counts = true, .n = UINT64_MAX}, &outcome)) {
        return false;
    }
    const uint64_t asked = outcome.asked;

    for (uint64_t n = 0; n < asked * 2; n++) {
        const struct scarcity scarcity = {.counts = true, .n = n / 2, .onwards = n % 2 == 1};

        if (!play(seed, ops, count, &scarcity, &outcome)) {
            return false;
        }
        if (outcome.refused == 0) {
            printf("not ok seed %" PRIu64 ": allocation %" PRIu64 " did not fail\n", seed,
                   scarcity.n);
            return false;
        }
        *runs += 1;
        *refused += outcome.refused;
    }
    return true;
}

int main(int argc, char **argv)
{
    const uint64_t worlds = argc > 1 ? strtoull(argv[1], NULL, 10) : WORLDS;
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t runs = 0;
    uint64_t refused = 0;

    for (uint64_t i = 0; i < worlds; i++) {
        if (!torture((first + i) * 0x9e3779b97f4a7c15u, &runs, &refused)) {
            return 1;
        }
    }
    printf("ok %" PRIu64 " worlds from seed %" PRIu64 ", each allocation refused in turn: %" PRIu64
           " runs, %" PRIu64 " refusals\n",
           worlds, first, runs, refused);
    return 0;
}
