#include "sql/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

int cluster_group_setup(void **state)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));

    assert_non_null(cluster);
    cluster->server = pg_server_start();
    pg_migrate(pg_server_conninfo(cluster->server));
    *state = cluster;
    return 0;
}

int cluster_group_teardown(void **state)
{
    struct cluster *cluster = *state;

    pg_server_stop(cluster->server);
    free(cluster);
    return 0;
}

int cluster_setup(void **state)
{
    static int number;
    struct cluster *cluster = *state;
    char conninfo[PG_CONNINFO_SIZE];
    char name[32];
    char statement[128];
    struct reg_sync *sync = NULL;

    /* Identifiers cannot be parameters; this one is a number of ours. */
    (void)snprintf(name, sizeof(name), "test_%d", ++number);
    (void)snprintf(statement, sizeof(statement), "%s %s TEMPLATE troupe OWNER troupe",
                   "CREATE DATABASE", name);
    pg_server_conninfo_as(cluster->server, "postgres", "postgres", conninfo);
    sync = pg_connect(conninfo);
    pg_run(sync, statement, PG_NONE);
    reg_sync_close(sync);
    pg_server_conninfo_as(cluster->server, name, "troupe", cluster->conninfo);
    cluster->admin = pg_connect(cluster->conninfo);
    pg_run(cluster->admin, "SET ROLE troupe_owner", PG_NONE);
    return 0;
}

int cluster_teardown(void **state)
{
    struct cluster *cluster = *state;

    reg_sync_close(cluster->admin);
    cluster->admin = NULL;
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        reg_sync_close(cluster->crowd[index]);
        cluster->crowd[index] = NULL;
    }
    return 0;
}

void cluster_gather(struct cluster *cluster)
{
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        cluster->crowd[index] = pg_connect(cluster->conninfo);
        pg_run(cluster->crowd[index], "SET ROLE troupe_owner", PG_NONE);
    }
}

struct member cluster_join_bare(struct cluster *cluster, const char *name, const char *ttl_ms)
{
    struct member member = {0};

    (void)snprintf(member.boot, sizeof(member.boot), "%s",
                   pg_one(cluster->admin, "SELECT gen_random_uuid()", PG_NONE));
    member.id = pg_number(cluster->admin,
                          "SELECT node_id FROM troupe.node_join($1, '127.0.0.1', 7000, $2, $3)",
                          PG_VALUES(name, member.boot, ttl_ms));
    return member;
}

struct member cluster_join(struct cluster *cluster, const char *name, const char *ttl_ms)
{
    struct member member = cluster_join_bare(cluster, name, ttl_ms);

    member.sync = pg_connect(cluster->conninfo);
    pg_run(member.sync, "SET ROLE troupe_owner", PG_NONE);
    assert_string_equal(
        pg_one(member.sync, "SELECT troupe.node_hold($1)", PG_VALUES(pg_text(member.id))), "t");
    return member;
}

void cluster_expire(struct cluster *cluster, int64_t node_id)
{
    pg_run(cluster->admin,
           "UPDATE troupe.lease SET until = clock_timestamp() - interval '1 ms' WHERE node_id = $1",
           PG_VALUES(pg_text(node_id)));
}

void cluster_establish(struct cluster *cluster, int64_t node_id)
{
    pg_run(cluster->admin,
           "UPDATE troupe.lease SET until = clock_timestamp() + interval '1 hour', "
           "since = clock_timestamp() - interval '1 hour' WHERE node_id = $1",
           PG_VALUES(pg_text(node_id)));
}

void cluster_kill(struct cluster *cluster, int64_t by, int64_t node_id)
{
    const char *refused = NULL;

    cluster_establish(cluster, by);
    cluster_expire(cluster, node_id);
    refused = pg_one(cluster->admin, "SELECT refused FROM troupe.node_declare_expired($1, $2)",
                     PG_VALUES(pg_text(by), pg_text(node_id)));
    if (refused != NULL) {
        fail_msg("the death was refused: %s", refused);
    }
}

void cluster_disconnect(struct cluster *cluster, struct member *member)
{
    reg_sync_close(member->sync);
    member->sync = NULL;
    cluster_wait(cluster->admin, "SELECT NOT troupe._session_held($1)",
                 PG_VALUES(pg_text(member->id)));
}

void cluster_wait(struct reg_sync *sync, const char *sql, int count, const char *const *values)
{
    const int64_t deadline = tr_clock_now(&tr_clock_system) + (int64_t)PG_TIMEOUT_MS * TR_NS_PER_MS;

    while (strcmp(pg_one(sync, sql, count, values), "t") != 0) {
        if (tr_clock_now(&tr_clock_system) > deadline) {
            fail_msg("never true: %s", sql);
        }
    }
}

int64_t cluster_register(struct reg_sync *sync, int64_t node_id, const char *name, int64_t actor_id,
                         const char *state)
{
    return pg_number(sync,
                     "SELECT r.epoch FROM troupe.name_register($1, ARRAY[$2], ARRAY[$3::bigint], "
                     "'{t}', '{f}', '{test}', '{1}', '{each}', ARRAY[$4]) r WHERE r.won",
                     PG_VALUES(pg_text(node_id), name, pg_text(actor_id), state));
}
