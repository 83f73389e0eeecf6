/* sim/sim_plan.h - the faults of one world, chosen by its seed before anything happens.
 *
 * A fault can be left out without changing what the others are, which is how a failing world is
 * made smaller.
 */
#ifndef SIM_SIM_PLAN_H
#define SIM_SIM_PLAN_H

#include "sim/sim.h"

enum { PLAN_FAULTS_MAX = 32 };

#define PLAN_FAULT_MAP(X)                                                                          \
    X(CUT_ONE_WAY)                                                                                 \
    X(CUT_BOTH_WAYS)                                                                               \
    X(ISOLATE)                                                                                     \
    X(FLAP)                                                                                        \
    X(SLOW)                                                                                        \
    X(FAR)                                                                                         \
    X(RESET)                                                                                       \
    X(REFUSE)                                                                                      \
    X(KILL)                                                                                        \
    X(VANISH)                                                                                      \
    X(LEAVE)                                                                                       \
    X(PAUSE)                                                                                       \
    X(PAUSE_BEYOND_LEASE)                                                                          \
    X(AWAY)                                                                                        \
    X(EXPIRE)                                                                                      \
    X(SCARCE)

enum plan_kind {
#define PLAN_FAULT_ENUM(name) PLAN_##name,
    PLAN_FAULT_MAP(PLAN_FAULT_ENUM)
#undef PLAN_FAULT_ENUM
        PLAN_KINDS
};

struct plan_fault {
    enum plan_kind kind;
    uint32_t a; /* slots */
    uint32_t b;
    int64_t at_ms; /* from the beginning */
    int64_t for_ms;
    bool out; /* left out */
};

struct plan {
    uint64_t seed;
    struct sim_shape shape;
    int64_t length_ms;
    uint64_t acts;
    uint64_t large;
    uint32_t count;
    struct plan_fault faults[PLAN_FAULTS_MAX];
};

/* Whether each world has a node without memory beside all that. */
extern bool plan_scarce;

/* Makes the plan of a seed. long_form: more nodes, more time, more of everything. */
void plan_make(struct plan *plan, uint64_t seed, bool long_form);
/* Plays it; ends the program when something is wrong. Answers the hash of all that happened. */
uint64_t plan_play(const struct plan *plan, bool verbose);
void plan_print(const struct plan *plan);

#endif
