/* model/pair.h - all states in which two actors may be with regard to each other.
 *
 * What a test sees of actors is what their handlers see and when they end; when a signal is taken
 * in is hidden. So the model keeps, for each pair of actors, the set of states that fit what was
 * seen: each event narrows the set, each signal that may have been taken in meanwhile widens it. An
 * empty set means that the runtime did something that no order of events explains. A pair of an
 * actor with itself has one half.
 *
 * Threads: none. Memory: one array per pair.
 */
#ifndef TEST_MODEL_PAIR_H
#define TEST_MODEL_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNALS_MAX = 20, REFS_MAX = 8, STATES_MAX = 512 };

enum kind {
    K_NONE,
    K_MESSAGE,
    K_CALL,
    K_REPLY,
    K_FAILED, /* arg: minus the status; a call's end */
    K_LINK,
    K_UNLINK,
    K_ACK,
    K_MONITOR,
    K_DEMONITOR,
    K_EXIT,      /* arg: kind of reason, id: its text */
    K_LINK_EXIT, /* the same */
    K_DOWN       /* the same, and ref */
};

struct signal {
    uint8_t kind;
    uint8_t arg;
    bool farewell; /* said at an end: these come in any order among themselves */
    uint16_t ref;
    uint16_t id;
};

struct reason {
    uint8_t kind;
    uint16_t id;
};

enum link { L_NONE, L_LINKED, L_UNLINKING };

/* What one of the two knows and has before it. */
struct half {
    uint8_t link; /* enum link */
    bool fatal;   /* it has taken in what ends it */
    struct reason why;
    uint16_t unlink_ref;
    uint8_t watching_count;
    uint8_t watched_count;
    uint8_t in_count;
    uint8_t box_count;
    uint16_t watching[REFS_MAX];
    uint16_t watched[REFS_MAX];
    struct signal in[SIGNALS_MAX];  /* sent to it, not taken in */
    struct signal box[SIGNALS_MAX]; /* taken in, not handled */
};

struct pair_state {
    struct half halves[2];
};

struct pair {
    struct pair_state *states;
    size_t count;
    size_t capacity;
    bool self;     /* one actor: only the first half is used */
    bool alive[2]; /* as traps: what is known of the two */
    bool traps[2];
    uint64_t calls[2]; /* a bit for each ref (1 to 64) of a call that waits */
    bool
        poor; /* there may be no memory: links and monitors may be refused, answers to calls lost */
    bool was_poor;
    bool overflow; /* more than the model can hold: nothing is claimed any more */
};

void pair_init(struct pair *pair, bool self);
void pair_fini(struct pair *pair);
/* Zeroed states, to be freed. Not by the functions that the linker puts others in the place of: the
 * model's memory is never refused. */
struct pair_state *pair_states_create(size_t count);
/* Adds a state that is not in the set yet. */
void pair_add(struct pair *pair, const struct pair_state *state);

/* ---- what actors do; side: whose deed. Afterwards everything is taken in that may have been. ----
 */

void pair_send(struct pair *pair, int side, struct signal signal);
void pair_link(struct pair *pair, int side);
void pair_unlink(struct pair *pair, int side, uint16_t ref);
void pair_monitor(struct pair *pair, int side, uint16_t ref);
void pair_demonitor(struct pair *pair, int side, uint16_t ref);
/* Both halves of what a spawn makes. */
void pair_spawned(struct pair *pair, int parent, bool link, uint16_t monitor);
/* The trap flag of that side is another one from now on. */
void pair_trap(struct pair *pair, int side, bool traps);
/* A call has ended: its answer, wherever it is, will not be seen. */
void pair_forget_call(struct pair *pair, int side, uint16_t ref);

/* ---- what is seen: false means that no state explains it ---- */

/* That side goes on: nothing fatal was taken in. */
bool pair_goes_on(struct pair *pair, int side);
/* That side handles a message. EXIT stands for every trapped exit. */
bool pair_handles(struct pair *pair, int side, struct signal signal);
/* Whether that side may have taken in what ends it so. */
bool pair_may_end(const struct pair *pair, int side, struct reason reason);
/* It ends: owed calls are failed, links and monitors told. */
void pair_end(struct pair *pair, int side, struct reason reason, const uint16_t *owed,
              size_t owed_count);
/* Nobody has anything to do: everything was taken in and handled. */
bool pair_rests(struct pair *pair);
/* At rest: only states with these links and this many monitors. */
bool pair_is(struct pair *pair, int side, bool linked, size_t watching, size_t watched);

#endif
