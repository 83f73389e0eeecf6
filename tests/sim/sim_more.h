/* sim/sim_more.h - what actors share with all others: names, groups, and durable actors.
 *
 *   names     two that live never hold one, but for who does not know yet that its node is dead;
 *             a look-up finds neither who gave it up before, nor nobody while somebody holds it;
 *             at rest the registry has it as those think that hold it
 *   groups    at rest every node lists those that have joined; a broadcast comes once, in order
 *   durable   a number that was answered is answered once, and the state never goes back behind
 *             it; what is moved between two is neither lost nor doubled; nothing waits at rest
 */
#ifndef SIM_SIM_MORE_H
#define SIM_SIM_MORE_H

#include "sim/sim_ledger.h"

/* What an actor keeps. */
struct mind {
    struct record *record;
    uint64_t timer; /* 0: it does not tick any more */
};

/* ---- sim_name.c ---- */

typedef struct named {
    uint32_t name;
} named;
TROUPE_TYPE(named, "sim.named", TROUPE_FIELD(named, name, 1));

typedef struct shout {
    uint32_t from;
    uint32_t number;
} shout;
TROUPE_TYPE(shout, "sim.shout", TROUPE_FIELD(shout, from, 1), TROUPE_FIELD(shout, number, 2));

/* One of: take, give up, look up, send to, call a name; join, leave, shout to a group. */
void name_act(troupe_self *self, struct record *from);
int on_named(troupe_self *self, void *state, const void *message);
int on_shout(troupe_self *self, void *state, const void *message);
void name_check_rest(void);
/* Everybody has ended: nobody holds a name, nobody is in a group. */
void name_check_empty(void);

/* ---- sim_keeper.c ---- */

/* Tells a node that has just come of it, and of its messages. */
void keeper_introduce(struct troupe_node *node);

void keeper_begin(void);
/* A root starts one that there is not. */
void keeper_start(troupe_self *self);
/* Asks one to move something to another one. */
void keeper_act(troupe_self *self, struct record *from);
/* All of them stop, for good. */
void keeper_stop_all(void);
/* An actor of a node has ended, which may be one of them. */
void keeper_ended(troupe_pid pid, int32_t kind);
void keeper_check_rest(void);
void keeper_check_empty(void);

/* ---- sim_registry.c ---- */

/* Who holds a name according to the registry; false: nobody who runs. */
bool sim_registry_holder(const char *name, troupe_pid *pid);
/* Whether the node of that id is a member still. */
bool sim_registry_is_member(uint64_t node_id);
/* How many cents are on their way to names that there are not, or that may wait. Nothing waits for
 * the others. */
int64_t sim_registry_waiting(const char *const *names, size_t count, bool (*may_wait)(size_t name));
/* What a database does once a minute: what was given to a node that did not go on with it, for want
 * of memory, is given again. */
void sim_registry_poll(void);

#endif
