/* What members of the fake registry tell each other of themselves, and when the database comes
 * back. */
#include <stdio.h>

#include "support/fake_cluster.h"
#include "support/fake_registry.h"

static void run_draining(struct fake_node *node, const struct fake_item *item)
{
    const struct tr_registry_events *events = &node->join.events;

    if (fake_is_up(node) && events->on_member_draining != NULL) {
        events->on_member_draining(events->context, item->node_id, item->strict);
    }
}

static void tell_draining(struct fake_cluster *cluster, uint64_t node_id, bool draining)
{
    for (size_t index = 0; index < cluster->node_count; index++) {
        if (cluster->nodes[index]->state == NODE_UP) {
            struct fake_item *item = fake_tell(cluster->nodes[index], run_draining);

            item->node_id = node_id;
            item->strict = draining;
        }
    }
}

void fake_drain(void *context, bool on)
{
    struct fake_node *node = context;

    tr_mutex_lock(&node->cluster->mutex);
    node->draining = on;
    tell_draining(node->cluster, node->node_id, on);
    tr_mutex_unlock(&node->cluster->mutex);
}

static void run_metadata(struct fake_node *node, const struct fake_item *item)
{
    const struct tr_registry_events *events = &node->join.events;

    if (fake_is_up(node) && events->on_member_metadata != NULL) {
        events->on_member_metadata(events->context, item->node_id, item->a);
    }
}

void fake_set_metadata(void *context, const char *metadata)
{
    struct fake_node *node = context;
    struct fake_cluster *cluster = node->cluster;

    tr_mutex_lock(&cluster->mutex);
    (void)snprintf(node->metadata, sizeof(node->metadata), "%s", metadata);
    for (size_t index = 0; index < cluster->node_count; index++) {
        struct fake_node *other = cluster->nodes[index];

        if (other != node && other->state == NODE_UP) {
            struct fake_item *item = fake_tell(other, run_metadata);

            item->node_id = node->node_id;
            item->a = fake_copy(metadata);
        }
    }
    tr_mutex_unlock(&cluster->mutex);
}

void fake_cluster_set_away(struct fake_cluster *cluster, bool away)
{
    tr_mutex_lock(&cluster->mutex);
    cluster->away = away;
    for (size_t index = 0; !away && index < cluster->node_count; index++) {
        struct fake_node *node = cluster->nodes[index];

        while (node->held_steps != NULL) {
            struct tr_step *one = node->held_steps;

            node->held_steps = one->next;
            fake_decide_step(node, one);
        }
    }
    tr_mutex_unlock(&cluster->mutex);
}

void fake_cluster_poll(struct fake_cluster *cluster)
{
    tr_mutex_lock(&cluster->mutex);
    for (struct fake_message *message = cluster->inbox; message != NULL; message = message->next) {
        message->in_hand = 0;
    }
    for (const struct fake_name *name = cluster->names; name != NULL; name = name->next) {
        struct fake_node *node = fake_find_node(cluster, name->node_id);

        if (node != NULL && name->durable && name->actor_id == 0 && !name->stopped) {
            fake_tell_orphan(node, name);
        }
        fake_deliver(cluster, name->name);
    }
    tr_mutex_unlock(&cluster->mutex);
}
