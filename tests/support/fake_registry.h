/* support/fake_registry.h - a registry in memory: the port of dist/names.h without a database.
 *
 *     struct fake_cluster *cluster = fake_cluster_create();
 *     config.registry = fake_registry_create(cluster);      one for each node of this process
 *     ... fake_cluster_kill(cluster, node_id) ...
 *     fake_cluster_destroy(cluster);                         after all its registries are destroyed
 *
 * It keeps what the port promises: one order of events on all nodes, answers never inside the call,
 * one holder per name, epochs that grow, steps that are written once, orphans given to survivors
 * that know their behavior, messages of the inbox given to the holder once until handled or failed.
 * Nobody dies by himself: a death is fake_cluster_kill, or an `unreachable` of a crashed registry.
 *
 * Threads: the cluster's functions from any; each registry's nodes may have loops of their own.
 * Memory: freed by destroy.
 */
#ifndef SUPPORT_FAKE_REGISTRY_H
#define SUPPORT_FAKE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dist/names.h"

struct fake_cluster;

struct fake_cluster *fake_cluster_create(void);
void fake_cluster_destroy(struct fake_cluster *cluster);

/* Gives a registry that has not joined; troupe_registry_destroy's port call frees it. */
struct troupe_registry *fake_registry_create(struct fake_cluster *cluster);

/* The cluster declares the node dead: it is fenced, the others hear of it. */
void fake_cluster_kill(struct fake_cluster *cluster, uint64_t node_id);

/* From now on the node's process counts as gone: `unreachable` of it is believed. */
void fake_cluster_crash(struct fake_cluster *cluster, uint64_t node_id);

/* While the database is away names are answered with TROUPE_E_REGISTRY, steps wait, and leases are
 * not renewed. */
void fake_cluster_set_away(struct fake_cluster *cluster, bool away);

/* What was given to a node that did not go on with it, for want of memory, is given again. */
void fake_cluster_poll(struct fake_cluster *cluster);

/* Puts a message into the inbox, as troupe.send() does; answers its id. */
uint64_t fake_cluster_send(struct fake_cluster *cluster, const char *to, const char *type,
                           const char *payload_json);

/* Writes the saved state of a name; false when there is no such name or it does not fit. */
bool fake_cluster_state(struct fake_cluster *cluster, const char *name, char *out, size_t size);

/* What the nodes said of their actors last, and how often. */
struct fake_samples {
    size_t calls;        /* that were taken in */
    size_t refused;      /* while the database was away */
    size_t census_calls; /* of those taken in, with counts */
    size_t actor_count;  /* the last */
    struct tr_sample actors[128];
    size_t gone_count;
    uint64_t gone[256];
    size_t census_count; /* the last with counts */
    struct tr_census census[256];
};
void fake_cluster_samples(struct fake_cluster *cluster, struct fake_samples *out);
/* From now on samples are taken in, and then answered as not written. */
void fake_cluster_lose_samples(struct fake_cluster *cluster, bool lose);

/* Rows of the inbox that wait, and rows of links. */
size_t fake_cluster_inbox_count(struct fake_cluster *cluster);
size_t fake_cluster_link_count(struct fake_cluster *cluster);

#endif
