/* type/types.h - the types that a node knows, by name.
 *
 * Threads: find, count and at only read and may run at the same time; add needs everybody else out.
 * Memory: the table lends descriptions, which have to outlive it, as constants of a module do.
 */
#ifndef TR_TYPE_TYPES_H
#define TR_TYPE_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "troupe/status.h"
#include "troupe/type.h"
#include "type/value.h"

struct tr_types;

/* The allocator is lent until destroy. Gives *types. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_types_create(const struct tr_allocator *allocator,
                                              struct tr_types **types);

/* Takes types, which may be NULL. */
void tr_types_destroy(struct tr_types *types);

/* Adds a description after troupe_type_check. Adding the same again, from another object file for
 * example, is OK and changes nothing. error (may be NULL) says why not: TROUPE_E_INVALID    the
 * description is not valid TROUPE_E_EXISTS     the name is there with another description: a value
 * of the one, read by the other, would be garbage TROUPE_E_NO_MEMORY */
TROUPE_MUST_USE troupe_status tr_types_add(struct tr_types *types, const troupe_type *type,
                                           char *error, size_t error_size);

/* The type with that name, which need not end with NUL, or NULL. */
const troupe_type *tr_types_find(const struct tr_types *types, const char *name, size_t size);

/* All of them, in the order they were added. index is below count. */
size_t tr_types_count(const struct tr_types *types);
const troupe_type *tr_types_at(const struct tr_types *types, size_t index);

/* Whether the name begins with "troupe.", which modules may not use. */
bool tr_type_is_reserved(const troupe_type *type);

#endif
