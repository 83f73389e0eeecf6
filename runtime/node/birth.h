/* node/birth.h - the options of its spawn that stay with a durable actor, as its row has them.
 *
 *     spawn: tr_birth_print(request, &json) -> the column `options`, NULL for a plain actor
 *     recovery: tr_birth_read(json, &request, ...) -> started like the first one
 *
 * Threads: any.
 */
#ifndef TR_NODE_BIRTH_H
#define TR_NODE_BIRTH_H

#include <stddef.h>

#include "dist/codec.h"

/* Gives *json (malloc), NULL when everything is the node's default. What has a column of its own
 * (strict, the checkpoint policy) is not in it. NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_birth_print(const struct tr_spawn_request *request, char **json);

/* Adds to request what json says; NULL: nothing. Keys of later versions are skipped. error says
 * what is wrong with it. TROUPE_E_TYPE, TROUPE_E_INVALID, NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_birth_read(const char *json, struct tr_spawn_request *request,
                                            char *error, size_t error_size);

#endif
