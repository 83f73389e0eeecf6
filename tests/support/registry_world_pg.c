/* The part of support/registry_world.h that needs PostgreSQL. */
#include "support/registry_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "troupe/registry.h"

struct world_node *world_start(struct world *world, const char *conninfo, const char *name,
                               const struct world_options *options)
{
    struct troupe_registry *box = NULL;
    char error[256] = "";

    assert_int_equal(troupe_registry_postgres(conninfo, &box, error, sizeof(error)), TROUPE_OK);
    return world_start_box(world, box, name, options);
}

struct world_node *world_join(struct world *world, const char *conninfo, const char *name,
                              const struct world_options *options)
{
    struct world_node *node = world_start(world, conninfo, name, options);

    world_wait(world, node_is_joined, node);
    return node;
}
