/* model/model.h - what actors of one local node may do, as a small sequential model.
 *
 * It is told what actors do and what they see, as that happens, and says when something cannot be:
 * the first such thing is kept as words in `problem`. What one actor knows of itself (calls,
 * timers, the order of what it was told) is exact; what lies between two actors is a set of states
 * (model/pair.h).
 *
 * Threads: none. Memory: in the struct, and one array per pair.
 */
#ifndef TEST_MODEL_MODEL_H
#define TEST_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/pair.h"
#include "troupe/pid.h"

enum { ACTORS_MAX = 7, ORDERS_MAX = 128, THINGS_MAX = 24 };

/* A call that waits, a request that is owed, a timer, or a monitor. */
struct thing {
    uint16_t ref;
    uint8_t actor;   /* the other one */
    int64_t at_ms;   /* a deadline */
    uint64_t handle; /* what the runtime gave */
};

struct things {
    size_t count;
    struct thing list[THINGS_MAX];
};

struct model_actor {
    bool alive;
    bool born;
    bool ends;         /* by its own will, with this reason */
    struct reason why; /* also of the end that was seen */
    troupe_pid pid;
    struct things calls;
    struct things owed;
    struct things timers;
    struct things monitors;
    size_t orders_given;
    size_t orders_taken;
    uint16_t orders[ORDERS_MAX];
};

struct model {
    int64_t now_ms;
    bool poor; /* there may be no memory */
    size_t count;
    struct model_actor actors[ACTORS_MAX];
    struct pair pairs[ACTORS_MAX][ACTORS_MAX]; /* [a][b] with a <= b */
    char problem[256];
    uint64_t events;
};

void model_init(struct model *model);
void model_fini(struct model *model);

/* The pair of two actors, and on which side of it the first one is. */
struct pair *model_pair(struct model *model, size_t actor, size_t other, int *side);
/* Notes that something cannot be; the first one counts. */
void model_problem(struct model *model, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool things_add(struct things *things, struct thing thing);
struct thing *things_find(struct things *things, uint16_t ref);
void things_remove(struct things *things, struct thing *thing);

/* ---- what is done ---- */

/* The actor exists now; parent: ACTORS_MAX for none. */
void model_born(struct model *model, size_t actor, troupe_pid pid, size_t parent, bool link,
                uint16_t monitor);
/* An order was sent to the actor; these come in this order. */
void model_order(struct model *model, size_t actor, uint16_t order);
void model_send(struct model *model, size_t actor, size_t to, struct signal signal);
/* It will end with that reason when the handler returns. */
void model_stops(struct model *model, size_t actor, struct reason why);

/* ---- what is seen ---- */

/* The actor handles something: it is alive and nothing fatal was taken in. */
void model_goes_on(struct model *model, size_t actor);
void model_obeys(struct model *model, size_t actor, uint16_t order);
void model_handles(struct model *model, size_t actor, size_t from, struct signal signal);
void model_result(struct model *model, size_t actor, uint16_t ref, int status, uint16_t id);
void model_timer(struct model *model, size_t actor, uint16_t ref);
/* why is NULL after a kill. */
void model_ends(struct model *model, size_t actor, const struct reason *why);
/* There may be no memory from now on, or there is again; with everybody at rest after that. */
void model_poor(struct model *model, bool poor);
/* Nobody has anything to do. */
void model_rests(struct model *model);

#endif
