/* troupe/registry.h - where a cluster lives: PostgreSQL. */
#ifndef TROUPE_REGISTRY_H
#define TROUPE_REGISTRY_H

#include <stddef.h>

#include "troupe/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A registry that is not started yet; opaque. */
typedef struct troupe_registry troupe_registry;

/* Makes a registry in the database that conninfo names: a libpq connection string or URI; "" leaves
 * all to libpq (PGHOST, service files ...). Nothing is connected before the node starts. Gives
 * *out; a started node takes it. Fails with TROUPE_E_INVALID (error says what in conninfo is wrong)
 * or TROUPE_E_NO_MEMORY. Any thread. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_registry_postgres(const char *conninfo,
                                                                  troupe_registry **out,
                                                                  char *error, size_t error_size);

/* Takes a registry that no node took; NULL is allowed. */
TROUPE_API void troupe_registry_destroy(troupe_registry *registry);

#ifdef __cplusplus
}
#endif

#endif
