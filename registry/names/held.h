/* names/held.h - the names that this node holds, and which messages of theirs it has in hand.
 *
 *     put(name, epoch) -> want(name) -> next_wanted() -> [fetch, skipping ids in hand] ->
 * take_id(...) a step commits -> finish_id(...)      the name is given up or taken -> drop(name)
 *
 * A message in hand was given to its actor and is neither handled nor failed yet; it must not be
 * given twice. Each name may have a bounded number of them in hand: the rest stays in the database.
 * When none of them gets finished for long, they count as lost on their way and may be given again.
 *
 * A name that was offered as an orphan and does not get started is offered again, ever more seldom.
 *
 * Threads: the owner's. Memory: freed by fini.
 */
#ifndef REG_NAMES_HELD_H
#define REG_NAMES_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names/string_map.h"
#include "troupe/status.h"

/* Messages of one name in hand. More would only wait in its mailbox. */
enum {
    REG_IN_HAND_MAX = 256,
    REG_IN_HAND_LOST_MS = 60000, /* without any progress */
    REG_OFFERS_DOUBLED_MAX = 6   /* the pause between offers grows up to 64 times the first */
};

struct reg_held_name {
    struct reg_string_node node; /* first */
    uint64_t epoch;
    bool starting;    /* claimed, but its actor does not run yet: what is asked for would be lost */
    bool wanted;      /* in the list of those to ask for */
    bool more;        /* there may be more rows than the bound let through */
    uint8_t offers;   /* since it is starting */
    int64_t offer_ns; /* when to offer it again */
    uint64_t *ids;
    size_t id_count;
    int64_t progress_ns;            /* when a message was finished last, or the first one taken */
    struct reg_held_name *next;     /* in the list of wanted ones */
    struct reg_held_name *previous; /* likewise */
    char name[];
};

struct reg_held {
    struct reg_string_map map;
    struct reg_held_name *first; /* wanted */
    struct reg_held_name *last;
    size_t starting_count;
};

void reg_held_init(struct reg_held *held, uint64_t seed);
void reg_held_fini(struct reg_held *held);

/* Notes that this node holds a name and that its actor runs; a new epoch forgets what was in hand.
 * TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status reg_held_put(struct reg_held *held, const char *name, uint64_t epoch);

/* The same for a name whose actor is about to be started: until put follows, it is not wanted. */
TROUPE_MUST_USE troupe_status reg_held_put_starting(struct reg_held *held, const char *name,
                                                    uint64_t epoch);

struct reg_held_name *reg_held_get(const struct reg_held *held, const char *name);

/* Forgets a name, unless it is held by a newer epoch. */
void reg_held_drop(struct reg_held *held, const char *name, uint64_t epoch);

void reg_held_clear(struct reg_held *held);

size_t reg_held_count(const struct reg_held *held);

/* Rows may wait for this name; while it is starting, that is for later: whoever puts it then wants
 * it. False when it is not held. */
bool reg_held_want(struct reg_held *held, const char *name);

/* The same, from a look at all that waits: what is in hand without progress counts as lost. */
bool reg_held_want_again(struct reg_held *held, const char *name, int64_t now_ns);

/* Takes the next name out of the list of wanted ones; NULL when there is none. A name whose hands
 * are full stays out until some of its messages are finished. */
struct reg_held_name *reg_held_next_wanted(struct reg_held *held);

static inline bool reg_held_any_wanted(const struct reg_held *held)
{
    return held->first != NULL;
}

/* Notes a message as in hand. False: it is in hand already, the hands are full, the name is
 * starting, or there is no memory; then it must not be given out. */
bool reg_held_take_id(struct reg_held_name *name, uint64_t id, int64_t now_ns);

/* A message is handled or failed. The name is wanted again when rows were left because its hands
 * were full. */
void reg_held_finish_id(struct reg_held *held, const char *name, uint64_t id, int64_t now_ns);

/* A starting name is offered as an orphan now; pause_ns is how long its start may take. */
void reg_held_offer(struct reg_held *held, const char *name, int64_t now_ns, int64_t pause_ns);

/* Gives up to max names whose start is overdue; they are lent until the next change. */
size_t reg_held_overdue(const struct reg_held *held, int64_t now_ns, const char **out, size_t max);

#endif
