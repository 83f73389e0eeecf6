/* core/relations.h - whom one actor is linked to, whom it watches, and who watches it.
 *
 * Only the worker that runs the actor touches its relations: links are made and ended by signals,
 * so there is no lock and no half-made state. The protocol for links is Erlang's since OTP 25: an
 * unlink has an id and stays "unlinking" until its acknowledgement comes, which is what keeps an
 * exit signal that was already on its way from doing harm.
 *
 * Threads: none of this is thread-safe.
 * Memory: one array from malloc, none for an actor without relations.
 */
#ifndef TR_CORE_RELATIONS_H
#define TR_CORE_RELATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "troupe/pid.h"
#include "troupe/status.h"

enum tr_relation_kind {
    TR_RELATION_NONE,
    TR_RELATION_LINK,      /* found by pid */
    TR_RELATION_UNLINKING, /* a link that ended here, not yet acknowledged; ref is the unlink's id
                            */
    TR_RELATION_WATCHING,  /* found by ref, ours */
    TR_RELATION_WATCHED    /* found by pid and ref, the watcher's */
};

struct tr_message;

struct tr_relation {
    troupe_pid pid; /* the other actor */
    uint64_t ref;
    /* LINK and WATCHED: what tells the other of this actor's end, paid for when the relation was
     * made. Whoever takes the relation out takes it. */
    struct tr_message *paid;
    uint32_t session; /* by which it was made; 0: local */
    uint8_t kind;     /* enum tr_relation_kind */
    bool row;         /* this side keeps its row in the registry's table of links */
};

struct tr_relations {
    struct tr_relation *entries;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

void tr_relations_fini(struct tr_relations *relations);

/* The link with pid, also an unlinking one; or NULL. Lent until the next change. */
struct tr_relation *tr_relations_link(const struct tr_relations *relations, troupe_pid pid);
struct tr_relation *tr_relations_watching(const struct tr_relations *relations, uint64_t ref);
struct tr_relation *tr_relations_watched(const struct tr_relations *relations, troupe_pid pid,
                                         uint64_t ref);

/* Adds what is not there yet. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_relations_add(struct tr_relations *relations,
                                               const struct tr_relation *relation);

/* Makes room: that many can be added without memory. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_relations_reserve(struct tr_relations *relations, uint32_t more);

/* Takes out what one of the look-ups lent. */
void tr_relations_remove(struct tr_relations *relations, struct tr_relation *relation);

/* Steps through: start with *position 0; NULL at the end. The entry just answered may be removed
 * when the next call gets *position - 1, since the array closes up behind it. */
struct tr_relation *tr_relations_next(const struct tr_relations *relations, uint32_t *position);

#endif
