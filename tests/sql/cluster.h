/* sql/cluster.h - what the tests of the schema have in common: a database for each test, and nodes
 * that are nothing but rows and connections.
 *
 * Threads: one. Memory: the fixture's.
 */
#ifndef SQL_CLUSTER_H
#define SQL_CLUSTER_H

#include <stddef.h>

#include "support/pg.h"

enum { CLUSTER_CROWD = 16 };

struct cluster {
    struct pg_server *server;
    char conninfo[PG_CONNINFO_SIZE]; /* of this test's database */
    struct reg_sync *admin;          /* its owner's connection */
    struct reg_sync *crowd[CLUSTER_CROWD];
};

struct member {
    int64_t id;
    char boot[37];
    struct reg_sync *sync; /* holds its session lock */
};

/* cmocka's group and test fixtures; *state is a struct cluster. The group's has a migrated
 * database, of which each test gets a copy. */
int cluster_group_setup(void **state);
int cluster_group_teardown(void **state);
int cluster_setup(void **state);
int cluster_teardown(void **state);

/* Opens the connections of crowd. */
void cluster_gather(struct cluster *cluster);

/* A node that has joined and holds its session lock on a connection of its own. */
struct member cluster_join(struct cluster *cluster, const char *name, const char *ttl_ms);

/* The same without a connection. */
struct member cluster_join_bare(struct cluster *cluster, const char *name, const char *ttl_ms);

/* Makes a lease run out, or makes a node one that has been served for an hour and goes on for one.
 */
void cluster_expire(struct cluster *cluster, int64_t node_id);
void cluster_establish(struct cluster *cluster, int64_t node_id);

/* Declares a node dead by its lease. */
void cluster_kill(struct cluster *cluster, int64_t by, int64_t node_id);

/* Closes the member's connection and waits until the server has noticed. */
void cluster_disconnect(struct cluster *cluster, struct member *member);

/* Waits until the query answers "t". */
void cluster_wait(struct reg_sync *sync, const char *sql, int count, const char *const *values);

/* Registers one durable name; answers its epoch. */
int64_t cluster_register(struct reg_sync *sync, int64_t node_id, const char *name, int64_t actor_id,
                         const char *state);

#endif
