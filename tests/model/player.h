/* model/player.h - actors that do what operations say, and tell the model all they do and see.
 *
 * Threads: one. Memory: the world's.
 */
#ifndef TEST_MODEL_PLAYER_H
#define TEST_MODEL_PLAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "model/play.h"
#include "troupe/test.h"
#include "troupe/troupe.h"

struct world {
    troupe_test *test;
    struct model model;
    size_t born;        /* actors that exist or existed */
    size_t starting;    /* the one whose init runs; ACTORS_MAX: none */
    bool ended_in_init; /* it has ended already */
    uint64_t ends;
    uint64_t asked; /* allocations while memory was scarce, and how many were refused */
    uint64_t refused;
};

/* Starts one from outside and tells the model. */
bool player_start(struct world *world);
/* Sends it what it has to do. */
void player_order(struct world *world, const struct op *op);
/* The model, with the present time. */
struct model *player_model(struct world *world);

#endif
