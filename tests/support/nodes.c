#include "support/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_cluster *cluster;
struct stage *stages[NODES_MAX];
size_t nodes_count;
const troupe_behavior *const *nodes_behaviors;

static uint64_t ids[NODES_MAX];

/* As registry/pg has it, which is not part of these programs. */
void troupe_registry_destroy(troupe_registry *registry)
{
    if (registry != NULL) {
        registry->port.destroy(registry->port.context);
    }
}

void node_begin(size_t i, const char *roles)
{
    troupe_config config;
    char name[32];
    char error[256] = "";

    (void)snprintf(name, sizeof(name), "n%zu", i + 1);
    troupe_config_init(&config);
    config.name = name;
    config.workers = 2;
    config.roles = roles;
    config.registry = fake_registry_create(cluster);
    config.exit_when_fenced = true;
    stages[i] = stage_begin_with(&config);
    assert_int_equal(
        troupe_node_add_behavior(stages[i]->node, &probe_behavior, error, sizeof(error)),
        TROUPE_OK);
    for (size_t k = 0; nodes_behaviors != NULL && nodes_behaviors[k] != NULL; k++) {
        if (troupe_node_add_behavior(stages[i]->node, nodes_behaviors[k], error, sizeof(error)) !=
            TROUPE_OK) {
            fail_msg("%s", error);
        }
    }
    ids[i] = stage_info(stages[i]).node_id;
    nodes_count = i + 1 > nodes_count ? i + 1 : nodes_count;
}

void nodes_wait(size_t count)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (stages[i] != NULL) {
            assert_int_equal(
                troupe_node_wait_cluster(stages[i]->node, (uint32_t)count, DEADLINE_MS), TROUPE_OK);
        }
    }
}

void nodes_begin(size_t count, const char *const *roles)
{
    cluster = fake_cluster_create();
    nodes_count = 0;
    memset(stages, 0, sizeof(stages));
    for (size_t i = 0; i < count; i++) {
        node_begin(i, roles == NULL ? "" : roles[i]);
    }
    nodes_wait(count);
}

void node_end(size_t i)
{
    stage_end(stages[i]);
    stages[i] = NULL;
}

void nodes_end(void)
{
    for (size_t i = 0; i < NODES_MAX; i++) {
        if (stages[i] != NULL) {
            node_end(i);
        }
    }
    fake_cluster_destroy(cluster);
    cluster = NULL;
}

void node_kill(size_t i)
{
    fake_cluster_kill(cluster, ids[i]);
}

uint64_t node_id_of(size_t i)
{
    return ids[i];
}

size_t node_of(troupe_pid pid)
{
    for (size_t i = 0; i < nodes_count; i++) {
        if (ids[i] == pid.node) {
            return i;
        }
    }
    fail_msg("<%llu.%llu> is of no node", (unsigned long long)pid.node, (unsigned long long)pid.id);
    return 0;
}
