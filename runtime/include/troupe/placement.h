/* troupe/placement.h - on which node a new actor starts: rules in words.
 *
 *     "local"                    this node; also NULL and ""
 *     "n2", "node:n2"            the node of that name
 *     "role:x"                   any node with that role, as "least_loaded role:x"
 *     "least_loaded"             the node with the fewest actors
 *     "round_robin"              one node after the other, in the order of their ids
 *     "hash"                     by the name of the actor, so that it is always the same one; when
 * a node comes or goes, few names move (rendezvous hashing) "round_robin role:x"       with a role,
 * each of them looks only at nodes that have it; of "local" and a node's name it demands the role
 *
 * Words stand in any order, one of each kind. "local", "round_robin", "least_loaded" and "hash" are
 * never names of nodes; "node:hash" is one. A rule chooses among nodes that are up and connected,
 * do not drain, and know the behavior, this one among them. What nodes say of themselves (roles,
 * behaviors, whether they drain, their actors) they tell each other when they connect and when it
 * changes, the number of actors at most once a second; what was placed from here since then is
 * added. docs/semantics.md says the rest.
 */
#ifndef TROUPE_PLACEMENT_H
#define TROUPE_PLACEMENT_H

#include <stddef.h>

#include "troupe/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a rule is well formed: TROUPE_OK, or TROUPE_E_INVALID with words that say what is wrong
 * and where (error may be NULL). Whether there is such a node is found out when it is used. Any
 * thread. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_placement_check(const char *placement, char *error,
                                                                size_t error_size);

#ifdef __cplusplus
}
#endif

#endif
