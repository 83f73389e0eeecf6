/* sim/sim_actor.h - the actors of the world, who do by chance whatever actors can do.
 *
 * Each node has a root, which starts others when there are few and is left alone by them; the
 * others act at every tick and now and then at a message: send, call, link, unlink, monitor,
 * demonitor, exit, kill, spawn here and elsewhere, trap or not, stop.
 */
#ifndef SIM_SIM_ACTOR_H
#define SIM_SIM_ACTOR_H

#include "sim/sim_ledger.h"

struct actor_play {
    bool acting;    /* else they only answer */
    bool ending;    /* they stop at their next tick */
    uint64_t acts;  /* that are left */
    uint64_t large; /* large messages that are left */
    uint64_t tick_ms;
};

extern struct actor_play play;

/* Tells a node that has just come what is spoken. */
void actor_introduce(struct sim_slot *slot);

/* Starts roots where there are none. */
void actor_populate(void);

/* Everybody but the roots stops. */
void actor_end_all(void);

/* Every root sends a number to every other one. */
void actor_probe(void);

#endif
