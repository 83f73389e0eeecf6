/* node/spawn.h - starting actors on other nodes, for the files of this folder.
 *
 * Threads: the worker that runs the actor which spawns.
 */
#ifndef TR_NODE_SPAWN_H
#define TR_NODE_SPAWN_H

#include "node/node.h"

/* A spawn on one other node, linked if the options say so. */
struct tr_spawn_at {
    uint64_t node_id;
    const char *behavior;
    const void *args; /* of args_type; NULL: none */
    const troupe_type *args_type;
    const char *packed_type; /* args are bytes already, of that type; NULL: they are not */
    size_t packed_size;
    const troupe_spawn_options *options;
    uint32_t timeout_ms; /* 0: none */
    troupe_then then;
    uint64_t tag;
};
/* Its operation ends when that node answers or is lost. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_spawn_at(troupe_self *self, const struct tr_spawn_at *spawn);

/* ---- spawn_args.c ---- */

/* Encodes the arguments of a spawn; either may be NULL. Gives request->args (malloc). */
TROUPE_MUST_USE troupe_status tr_spawn_encode_args(struct tr_spawn_request *request,
                                                   const troupe_type *type, const void *args);
/* Decodes them against what the behavior wants. Gives *args (malloc), NULL for none. */
TROUPE_MUST_USE troupe_status tr_spawn_decode_args(const troupe_behavior *behavior,
                                                   const struct tr_spawn_request *request,
                                                   void **args, char *error, size_t error_size);

#endif
