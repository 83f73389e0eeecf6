/* node/supervisor_spec.h - a supervisor's specification, with all that is below it, as bytes and
 * back.
 *
 *     tr_spec_encode(supervisor, &packed, &why, words)     where it is placed from
 *     tr_spec_decode(node, bytes, size, &spec, ...)        where it is built
 *
 * Behaviors travel by their names, arguments as values of their types, supervisors in the order in
 * which their parents list them, level by level. So what is read is a tree, whatever was sent.
 *
 * Threads: any. A spec is held by each supervisor that is made from it.
 * Memory: as said.
 */
#ifndef TR_NODE_SUPERVISOR_SPEC_H
#define TR_NODE_SUPERVISOR_SPEC_H

#include "node/node.h"

/* The type of the arguments of a spawn request that asks for a supervisor. */
#define TR_SPEC_TYPE_NAME "troupe.supervisor_spec"

/* What travels. */
struct tr_packed_spec {
    uint8_t *bytes;
    size_t size;
    const troupe_behavior **behaviors; /* of the children in order; lent */
    size_t behaviors_count;
};

/* Packs a specification. *why gets words when it makes no sense or cannot travel, which may lie in
 * words. Gives *out. INVALID, TYPE, LIMIT, NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_spec_encode(const troupe_supervisor *supervisor,
                                             struct tr_packed_spec **out, const char **why,
                                             char words[TR_REASON_TEXT_SIZE]);
void tr_packed_spec_destroy(struct tr_packed_spec *packed);

/* A specification that has arrived. */
struct tr_spec;

/* What an actor with tr_supervisor_behavior is started with. */
struct tr_supervisor_args {
    const troupe_supervisor *supervisor;
    struct tr_spec *spec; /* of which it is a part; NULL: its children's supervisors are lent */
};

/* Reads one, with behaviors that this node knows. Gives *out, held once. NOT_FOUND: a behavior is
 * not known here; TYPE: arguments are not what a behavior takes; NO_MEMORY; PROTOCOL: nobody of us
 * has made these bytes. */
TROUPE_MUST_USE troupe_status tr_spec_decode(struct troupe_node *node, const uint8_t *bytes,
                                             size_t size, struct tr_spec **out, char *error,
                                             size_t error_size);
/* The same of what was packed here: it does not matter which behaviors this node knows by name. */
TROUPE_MUST_USE troupe_status tr_spec_unpack(const struct tr_packed_spec *packed,
                                             struct tr_spec **out, char *error, size_t error_size);
const troupe_supervisor *tr_spec_root(const struct tr_spec *spec);
/* Whether anything in it registers a name. */
bool tr_spec_has_names(const struct tr_spec *spec);
/* NULL is allowed. */
void tr_spec_hold(struct tr_spec *spec);
void tr_spec_drop(struct tr_spec *spec);

#endif
