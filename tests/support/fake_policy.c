#include "support/fake_policy.h"

#include "support/fake_cluster.h"

static void run_policy(struct fake_node *node, const struct fake_item *item)
{
    const struct tr_registry_events *events = &node->join.events;
    const struct tr_policy policy = {.node = (uint32_t)item->id, .client = (uint32_t)item->seq};

    if (events->on_policy != NULL) {
        events->on_policy(events->context, &policy);
    }
}

/* In a loop's queue behind what it was told. */
static void on_told(void *context)
{
    struct tr_atomic_u32 *told = context;

    (void)tr_add32_seq(told, 1);
}

void fake_cluster_policy(struct fake_cluster *cluster, const struct tr_policy *policy)
{
    struct tr_atomic_u32 told = {0};
    struct tr_loop *loops[NODES_MAX];
    uint32_t count = 0;

    tr_mutex_lock(&cluster->mutex);
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct fake_node *node = cluster->nodes[i];

        if (node->state == NODE_UP) {
            struct fake_item *item = fake_tell(node, run_policy);

            item->id = policy->node;
            item->seq = policy->client;
            loops[count++] = node->join.loop;
        }
    }
    tr_mutex_unlock(&cluster->mutex);
    for (uint32_t i = 0; i < count; i++) {
        if (tr_loop_post(loops[i], on_told, &told) != TROUPE_OK) {
            (void)tr_add32_seq(&told, 1);
        }
    }
    while (tr_load32_seq(&told) < count) {
        tr_thread_yield();
    }
}
