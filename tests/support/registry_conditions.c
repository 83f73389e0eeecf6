/* The conditions of support/registry_world.h. */
#include <string.h>

#include "support/registry_world.h"

bool node_is_joined(void *context)
{
    const struct world_node *node = context;

    return node->joins > 0;
}

bool node_has_failed(void *context)
{
    const struct world_node *node = context;

    return node->failed != TROUPE_OK;
}

bool node_is_fenced(void *context)
{
    const struct world_node *node = context;

    return node->fenced > 0;
}

bool node_has_stopped(void *context)
{
    const struct world_node *node = context;

    return node->stopped;
}

static bool contains(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t index = 0; index < count; index++) {
        if (ids[index] == id) {
            return true;
        }
    }
    return false;
}

bool node_sees_up(void *context)
{
    const struct world_seen *seen = context;

    return contains(seen->node->up, seen->node->up_count, seen->node_id);
}

bool node_sees_undrained(void *context)
{
    const struct world_seen *seen = context;

    return seen->node->undrained == seen->node_id;
}

bool node_sees_metadata(void *context)
{
    const struct world_seen *seen = context;

    return seen->node->metadata_of == seen->node_id &&
           strcmp(seen->node->metadata, seen->text) == 0;
}

bool node_knows_itself(void *context)
{
    const struct world_node *node = context;

    return node->since_ms > 0;
}

bool node_sees_draining(void *context)
{
    const struct world_seen *seen = context;

    for (size_t index = 0; index < seen->node->draining_count; index++) {
        if (seen->node->draining[index] == seen->node_id) {
            return true;
        }
    }
    return false;
}

bool node_sees_down(void *context)
{
    const struct world_seen *seen = context;

    return contains(seen->node->down, seen->node->down_count, seen->node_id);
}

bool node_has_started(void *context)
{
    const struct world_seen *seen = context;

    return seen->node->started_count >= seen->count;
}

bool node_has_messages(void *context)
{
    const struct world_seen *seen = context;

    return seen->node->inbox_count >= seen->count;
}

bool node_has_lease_after(void *context)
{
    const struct world_seen *seen = context;

    return seen->node->leases > seen->count;
}
