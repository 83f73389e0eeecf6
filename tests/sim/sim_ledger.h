/* sim/sim_ledger.h - what everybody has done and seen, and whether it may be so.
 *
 * Actors report each thing before or after they do it; the ledger knows the order of all that
 * happens in the world, since it happens in one thread. What may not be ends the program, with the
 * seed.
 *
 *   order, no duplicate   numbers of one pair of actors grow
 *   prefix per session    within a session no number is left out
 *   DOWN                  once per monitor, with the true reason, after all its sender sent, and
 *                         before anything of the next session
 *   EXIT                  from somebody linked, with the true reason; never after an unlink
 *   calls, spawns         each is answered once
 */
#ifndef SIM_SIM_LEDGER_H
#define SIM_SIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "sched/self.h"
#include "sim/sim.h"

#define SIM_NOBODY UINT32_MAX
enum { SIM_TEXT_MAX = 96, SIM_NAMES_MAX = 8, SIM_GROUPS = 3 };

/* What an actor thinks of the name that it has asked for last. */
enum sim_name_state {
    SIM_NAME_NONE,
    SIM_NAME_ASKED,
    SIM_NAME_HELD,
    SIM_NAME_GIVING_UP,
    SIM_NAME_UNKNOWN /* it was not told what came of it */
};

enum watch_state { WATCH_OPEN, WATCH_DOWN, WATCH_REMOVED };

struct watch {
    uint64_t ref;
    uint32_t target;
    uint32_t session; /* 0: local, or there was none */
    bool stale;       /* made by a session that was lost, as its maker had not yet heard */
    enum watch_state state;
};

/* One actor, for good. */
struct record {
    uint32_t index;
    troupe_pid pid;
    uint32_t slot;
    bool root; /* of its node: nobody links, watches or ends it */
    bool alive;
    bool gone; /* with its node: nobody knows how it ended */
    int32_t end_kind;
    char end_text[SIM_TEXT_MAX];
    uint32_t parent;     /* who spawned it from elsewhere */
    uint32_t watched_by; /* the parent, by a spawn with a monitor */
    bool watched_by_told;
    bool parent_knows; /* that spawn was answered with OK */
    struct watch *watches;
    uint32_t watch_count;
    uint32_t watch_capacity;
    uint32_t asked;    /* calls and spawns, ever */
    uint32_t answered; /* of them */
    uint8_t *answers;  /* for each: whether it was answered */
    uint32_t answers_capacity;
    enum sim_name_state name_state;
    uint32_t name;
    uint64_t name_at; /* by the ledger's clock: when it was told that it holds it */
    uint32_t names_ever;
    uint64_t names_ended_at[SIM_NAMES_MAX]; /* when it was told that it has given it up; 0: never */
    uint32_t joined[SIM_GROUPS];
    uint32_t shouts;
};

/* What one actor has sent to another. */
struct flow_part {
    uint32_t session;
    uint32_t first; /* number sent in it */
};

struct flow {
    uint32_t sent;
    uint32_t got;
    uint32_t shout; /* the last one that came */
    struct flow_part *parts;
    uint32_t part_count;
    uint32_t part_capacity;
    /* Of the link, as the sender made and ended it, by the ledger's clock; 0: never. */
    uint64_t linked_at;
    uint64_t unlinked_at;
    uint64_t broken_at;
    bool linked_unreachable;
    bool leaky; /* a call of it may have been refused behind the caller, who is told later */
};

struct ledger {
    struct record **records;
    uint32_t count;
    uint32_t capacity;
    struct tr_map by_pid;
    struct tr_map flows; /* from << 32 | to */
    struct tr_map lost;  /* node << 32 | other: the last session lost */
    uint64_t clock;      /* counts what is done about links */
};

extern struct ledger ledger;

void ledger_begin(void);
void ledger_end(void);

struct record *ledger_find(troupe_pid pid);
struct record *ledger_at(uint32_t index);
struct flow *ledger_flow(uint32_t from, uint32_t to);
/* The session of a node with another, by its peers; 0: none. */
uint32_t ledger_session(const struct sim_slot *slot, uint64_t node_id);

/* ---- what actors report ---- */

/* What always goes well has gone well. */
void ledger_check_done(troupe_status status, const char *what);
/* Whether it was done; a node without memory may say that it was not. */
bool ledger_was_done(troupe_status status, const char *what);
/* The same for what ledger_sending has given a number. */
bool ledger_was_sent(troupe_status status, const char *what, const struct record *from,
                     const struct record *to, uint32_t number);

struct record *ledger_spawned(troupe_self *self, bool root);
/* About to send something that is to arrive in order. Answers its number, 0 when it cannot. */
uint32_t ledger_sending(troupe_self *self, const struct record *from, const struct record *to,
                        uint32_t *session);
void ledger_received(const struct record *self, uint32_t from, uint32_t number, uint32_t session);
void ledger_linking(troupe_self *self, const struct record *from, const struct record *to);
void ledger_unlinking(troupe_self *self, const struct record *from, const struct record *to);
void ledger_monitored(troupe_self *self, struct record *from, const struct record *to,
                      uint64_t ref);
void ledger_demonitored(struct record *self, struct watch *watch);
void ledger_down(struct record *self, const troupe_down_message *down);
void ledger_exit(const struct record *self, const troupe_exit_message *exit);
uint32_t ledger_asked(struct record *self);
/* The last question was not put after all. */
void ledger_not_asked(struct record *self);
void ledger_answered(struct record *self, uint64_t tag);

/* ---- what the runtime tells ---- */

void ledger_on_event(void *context, const troupe_event *event);
/* The node's view of a session that was lost. */
void ledger_session_lost(uint64_t node_id, uint64_t other_id, uint32_t session);
void ledger_node_gone(uint64_t node_id);

/* ---- sim_rest.c: nothing moves any more ---- */

/* Everybody's relations fit those of the others and the ledger. */
void ledger_check_rest(void);
/* All actors but the roots have ended: nothing is left of them in any node. */
void ledger_check_empty(void);
/* Every two nodes have a session, and both the same. */
bool ledger_is_connected(char *why, size_t size);

#endif
