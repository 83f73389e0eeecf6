#include "support/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/peers.h"
#include "io/loop.h"
#include "node/node.h"

enum { BEHAVIORS_MAX = 16 };

struct fake_cluster *cluster;
struct stage *stages[NODES_MAX];
size_t nodes_count;
const troupe_behavior *const *nodes_behaviors;

static uint64_t ids[NODES_MAX];

static struct stage *start(size_t i, const char *roles, nodes_configure configure)
{
    const troupe_behavior *behaviors[BEHAVIORS_MAX] = {&probe_behavior};
    troupe_config config;
    char name[32];

    (void)snprintf(name, sizeof(name), "n%zu", i + 1);
    troupe_config_init(&config);
    config.name = name;
    config.workers = 2;
    config.roles = roles;
    config.registry = fake_registry_create(cluster);
    config.exit_when_fenced = true;
    if (configure != NULL) {
        configure(&config);
    }
    for (size_t k = 0; nodes_behaviors != NULL && nodes_behaviors[k] != NULL; k++) {
        assert_true(k + 2 < BEHAVIORS_MAX);
        behaviors[k + 1] = nodes_behaviors[k];
    }
    config.behaviors = behaviors;
    stages[i] = stage_begin_with(&config);
    ids[i] = stage_info(stages[i]).node_id;
    nodes_count = i + 1 > nodes_count ? i + 1 : nodes_count;
    return stages[i];
}

void node_begin(size_t i, const char *roles)
{
    (void)start(i, roles, NULL);
}

struct stage *node_start(size_t i, nodes_configure configure)
{
    return start(i, "", configure);
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

struct cut {
    struct stage *stage;
    uint64_t other;
    struct tr_mutex mutex;
    struct tr_cond cond;
    bool done;
};

static void cut_on_loop(void *context)
{
    struct cut *cut = context;

    tr_peers_cut(cut->stage->node->peers, cut->other);
    tr_mutex_lock(&cut->mutex);
    cut->done = true;
    tr_cond_broadcast(&cut->cond);
    tr_mutex_unlock(&cut->mutex);
}

void node_cut(size_t i, size_t other)
{
    struct cut cut = {.stage = stages[i], .other = ids[other]};

    tr_mutex_init(&cut.mutex);
    tr_cond_init(&cut.cond);
    assert_int_equal(tr_loop_post(stages[i]->node->loop, cut_on_loop, &cut), TROUPE_OK);
    tr_mutex_lock(&cut.mutex);
    while (!cut.done) {
        tr_cond_wait(&cut.cond, &cut.mutex);
    }
    tr_mutex_unlock(&cut.mutex);
    tr_cond_fini(&cut.cond);
    tr_mutex_fini(&cut.mutex);
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
