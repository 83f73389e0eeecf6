/* dist/placement.h - rules that say on which node an actor starts (troupe/placement.h): reading
 * them, and choosing among the nodes that come into question.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef TR_DIST_PLACEMENT_H
#define TR_DIST_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "troupe/status.h"

enum tr_placement_kind {
    TR_PLACE_LOCAL,
    TR_PLACE_NODE,
    TR_PLACE_ROUND_ROBIN,
    TR_PLACE_LEAST_LOADED,
    TR_PLACE_HASH
};

struct tr_placement {
    uint8_t kind;                         /* enum tr_placement_kind */
    char node[TR_NODE_NAME_SIZE_MAX + 1]; /* NODE */
    char role[TR_NODE_NAME_SIZE_MAX + 1]; /* "": any */
};

/* Reads a rule. text may be NULL. TROUPE_E_INVALID with words. */
TROUPE_MUST_USE troupe_status tr_placement_read(const char *text, struct tr_placement *out,
                                                char *error, size_t error_size);

/* Whether a comma list, blanks around its words allowed, has this word. */
bool tr_placement_has_role(const char *roles, const char *role);

struct tr_candidate {
    uint64_t node_id;
    const char *name;
    uint64_t load; /* actors */
};

/* Which of the candidates a rule chooses (not LOCAL and NODE): an index. They are put in the order
 * of their ids; there is at least one. turn counts up for ROUND_ROBIN; key is the name for HASH. */
size_t tr_placement_choose(enum tr_placement_kind kind, struct tr_candidate *candidates,
                           size_t count, uint64_t turn, const char *key);

#endif
