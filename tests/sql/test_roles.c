/* What is tested: who may do what, and that the views have the columns that are promised (DESIGN
 * 10, docs/sql.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

static struct reg_sync *connect_as(struct cluster *cluster, const char *role)
{
    char conninfo[PG_CONNINFO_SIZE];
    char database[64];

    (void)snprintf(database, sizeof(database), "%s",
                   pg_one(cluster->admin, "SELECT current_database()", PG_NONE));
    pg_server_conninfo_as(cluster->server, database, role, conninfo);
    return pg_connect(conninfo);
}

#define JOIN "SELECT * FROM troupe.node_join('x', 'h', 1, gen_random_uuid(), 5000)"
#define REGISTER                                                                                   \
    "SELECT * FROM troupe.name_register(1, '{a}', '{1}', '{f}', '{f}', '{NULL}', '{0}', "          \
    "'{NULL}', '{NULL}')"

static const struct {
    const char *sql;
    const char *who; /* n(ode), c(lient), r(eader); who is not named is refused */
} cases[] = {
    {"SELECT * FROM troupe.nodes", "ncr"},
    {"SELECT * FROM troupe.names", "ncr"},
    {"SELECT * FROM troupe.actors", "ncr"},
    {"SELECT * FROM troupe.links", "ncr"},
    {"SELECT * FROM troupe.events", "ncr"},
    {"SELECT * FROM troupe.durable_messages", "ncr"},
    {"SELECT * FROM troupe.dead_letters", "ncr"},
    {"SELECT * FROM troupe.cluster_status", "ncr"},
    {"SELECT * FROM troupe.policies", "ncr"},
    {"SELECT * FROM troupe.settings", "ncr"},
    {"SELECT * FROM troupe.migrations", "ncr"},
    {"SELECT * FROM troupe.hello()", "nc"},
    {"SELECT * FROM troupe.members()", "nc"},
    {"SELECT * FROM troupe.name_lookup('{a}')", "nc"},
    {"SELECT troupe.send('a', 'm', '{}')", "nc"},
    {"SELECT troupe.inbox_hint('{a}')", "nc"},
    {REGISTER, "nc"},
    {JOIN, "n"},
    {"SELECT troupe.node_hold(1)", "n"},
    {"SELECT * FROM troupe.node_renew(1, gen_random_uuid())", "n"},
    {"SELECT * FROM troupe.node_reinstate(1, gen_random_uuid())", "n"},
    {"SELECT troupe.node_drain(1, gen_random_uuid())", "n"},
    {"SELECT troupe.node_leave(1, gen_random_uuid())", "n"},
    {"SELECT * FROM troupe.node_declare_gone(1, 2)", "n"},
    {"SELECT * FROM troupe.node_declare_lost(1, 2, 300)", "n"},
    {"SELECT * FROM troupe.node_declare_expired(1, 2)", "n"},
    {"SELECT * FROM troupe.events_since(0, 10)", "n"},
    {"SELECT troupe.node_set_metadata(1, gen_random_uuid(), '{}')", "n"},
    {"SELECT troupe.metadata_read('a=b')", "n"},
    {"SELECT troupe.metadata_text('{}')", "n"},
    {"SELECT * FROM troupe.name_unregister(1, '{a}', '{1}')", "n"},
    {"SELECT * FROM troupe.name_claim(1, 2, NULL, '', 10)", "n"},
    {"SELECT * FROM troupe.name_load(1, '{a}')", "n"},
    {"SELECT * FROM troupe.name_started(1, '{a}', '{1}', '{1}')", "n"},
    {"SELECT * FROM troupe.orphans(1)", "n"},
    {"SELECT * FROM troupe.step(1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', "
     "'{}')",
     "n"},
    {"SELECT * FROM troupe.inbox_fetch(1, '{a}', 1)", "n"},
    {"SELECT * FROM troupe.inbox_fail(1, 'a', 1, 1, 'x')", "n"},
    {"SELECT troupe.sample_write(1, '{}', '{}', '{}', '{}', '{}', '{}')", "n"},
    {"SELECT troupe.sample_write(1, '{}', '{}')", "n"},
    {"SELECT troupe.sweep(1, 2, 10)", "n"},
    {"SELECT troupe.prune(10)", "n"},
    /* Nobody: private functions, tables, the schema itself. */
    {"SELECT troupe._kill(1, 1, 'gone')", ""},
    {"SELECT troupe._bump('node_up', 1, 1, NULL)", ""},
    {"SELECT troupe.grants_apply()", ""},
    {"SELECT * FROM troupe.node", ""},
    {"SELECT * FROM troupe.name", ""},
    {"SELECT * FROM troupe.cluster", ""},
    {"UPDATE troupe.node SET state = 'up'", ""},
    {"UPDATE troupe.name SET state = NULL", ""},
    {"INSERT INTO troupe.inbox (to_name, type, payload) VALUES ('a', 'm', '{}')", ""},
    {"DELETE FROM troupe.lease", ""},
    {"UPDATE troupe.policies SET may_exit = true", ""},
    {"UPDATE troupe.policy SET may_exit = true", ""},
    {"UPDATE troupe.settings SET value = 1", ""},
    {"UPDATE troupe.cluster SET epoch = 0", ""},
    {"TRUNCATE troupe.event", ""},
    {"SELECT nextval('troupe.name_epoch')", ""},
    {"CREATE TABLE troupe.mine (a int)", ""},
    {"CREATE TABLE public.mine (a int)", ""},
    {"ALTER TABLE troupe.node DISABLE TRIGGER ALL", ""},
    {"DROP VIEW troupe.nodes", ""},
};

static void try_all_as(struct cluster *cluster, const char *role)
{
    struct reg_sync *sync = connect_as(cluster, role);

    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        const bool may = strchr(cases[index].who, role[strlen("troupe_")]) != NULL;
        const troupe_status status = reg_sync_exec(sync, cases[index].sql, 0, NULL, PG_TIMEOUT_MS);

        if (status != (may ? TROUPE_OK : TROUPE_E_DENIED)) {
            fail_msg("%s: %s: %s", role, cases[index].sql, reg_sync_error(sync));
        }
    }
    reg_sync_close(sync);
}

static void each_role_may_do_what_it_is_for_and_nothing_else(void **state)
{
    struct cluster *cluster = *state;

    try_all_as(cluster, "troupe_node");
    try_all_as(cluster, "troupe_client");
    try_all_as(cluster, "troupe_reader");
}

static void nobody_can_log_in_as_the_owner(void **state)
{
    struct cluster *cluster = *state;
    char conninfo[PG_CONNINFO_SIZE];
    struct reg_sync *sync = NULL;

    pg_server_conninfo_as(cluster->server, "troupe", "troupe_owner", conninfo);
    assert_int_equal(reg_sync_connect(conninfo, "test", PG_TIMEOUT_MS, &sync), TROUPE_E_AUTH);
    reg_sync_close(sync);
}

static void the_private_database_has_no_room_for_temporary_tables(void **state)
{
    struct cluster *cluster = *state;
    char conninfo[PG_CONNINFO_SIZE];
    struct reg_sync *sync = NULL;

    pg_server_conninfo_as(cluster->server, "troupe", "troupe_reader", conninfo);
    sync = pg_connect(conninfo);
    assert_string_equal(pg_refused(sync, "CREATE TEMPORARY TABLE mine (a int)", PG_NONE), "42501");
    reg_sync_close(sync);
}

static void every_function_pins_its_search_path_or_has_no_text_to_resolve(void **state)
{
    struct cluster *cluster = *state;

    /* Those that run with the owner's rights, without exception. */
    assert_string_equal(
        pg_one(
            cluster->admin,
            "SELECT coalesce(string_agg(p.proname, ' '), '') FROM pg_proc p WHERE p.pronamespace = "
            "'troupe'::regnamespace AND p.prosecdef AND NOT "
            "'search_path=troupe, pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}'))",
            PG_NONE),
        "");
    /* The others: but for functions that were resolved when they were made. */
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT coalesce(string_agg(p.proname, ' ' ORDER BY p.proname), '') "
                               "FROM pg_proc p WHERE "
                               "p.pronamespace = 'troupe'::regnamespace AND p.prosqlbody IS NULL "
                               "AND p.proconfig IS NULL",
                               PG_NONE),
                        "_commit_relaxed _commit_strict");
    assert_int_equal(pg_number(cluster->admin,
                               "SELECT count(*) FROM pg_proc p WHERE p.pronamespace = "
                               "'troupe'::regnamespace AND has_function_privilege('public', p.oid, "
                               "'EXECUTE')",
                               PG_NONE),
                     0);
}

/* A reader plants operators and functions of its own in front of the path. */
static void a_planted_search_path_changes_nothing(void **state)
{
    struct cluster *cluster = *state;
    struct reg_sync *sync = NULL;

    pg_run(cluster->admin, "RESET ROLE", PG_NONE);
    pg_run(cluster->admin, "CREATE SCHEMA evil", PG_NONE);
    pg_run(cluster->admin,
           "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
           "$$ SELECT 'infinity'::timestamptz $$",
           PG_NONE);
    pg_run(cluster->admin,
           "CREATE FUNCTION evil.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS "
           "$$ SELECT true $$",
           PG_NONE);
    pg_run(cluster->admin,
           "CREATE OPERATOR evil.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = "
           "evil.less)",
           PG_NONE);
    pg_run(cluster->admin, "GRANT USAGE ON SCHEMA evil TO PUBLIC", PG_NONE);
    sync = connect_as(cluster, "troupe_node");
    pg_run(sync, "SET search_path = evil, pg_catalog", PG_NONE);
    assert_string_equal(
        pg_one(
            sync,
            "SELECT refused IS NULL FROM troupe.node_join('n1', 'h', 1, gen_random_uuid(), 5000)",
            PG_NONE),
        "t");
    assert_string_equal(
        pg_one(sync, "SELECT lease_left_seconds BETWEEN 0 AND 5 FROM troupe.nodes", PG_NONE), "t");
    reg_sync_close(sync);
}

static void the_views_have_the_columns_that_are_promised(void **state)
{
    static const struct {
        const char *view;
        const char *columns;
    } views[] = {
        {"nodes", "node_id,name,address,state,lease_left_seconds,roles,version,started_at,ended_at,"
                  "down_reason,declared_by,metadata"},
        {"names", "name,node,node_id,actor_id,epoch,durable,strict,behavior,status,registered_at"},
        {"actors", "name,node,node_id,actor_id,behavior,status,state,version,seq,saved_at,"
                   "mailbox_messages,oldest_message_seconds,sampled_at"},
        {"actor_counts", "behavior,node,node_id,actors,sampled_at"},
        {"links", "kind,node,node_id,actor_id,other_node,other_node_id,other_actor_id"},
        {"events", "epoch,at,kind,node,node_id,declared_by,detail"},
        {"durable_messages", "id,to_name,from_name,type,payload,attempts"},
        {"dead_letters", "id,to_name,from_name,type,payload,attempts,error"},
    };
    struct cluster *cluster = *state;

    for (size_t index = 0; index < sizeof(views) / sizeof(views[0]); index++) {
        const char *columns =
            pg_one(cluster->admin,
                   "SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE "
                   "a.attrelid = ('troupe.' || $1)::regclass AND a.attnum > 0",
                   PG_VALUES(views[index].view));

        /* More may follow, but not in between. */
        if (strncmp(columns, views[index].columns, strlen(views[index].columns)) != 0) {
            fail_msg("%s has %s", views[index].view, columns);
        }
    }
}

static void a_death_ends_sessions_of_the_role_that_nodes_log_in_as(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join_bare(cluster, "n1", "60000");
    const struct member victim = cluster_join_bare(cluster, "n2", "60000");
    struct reg_sync *sync = connect_as(cluster, "troupe_node");

    assert_string_equal(pg_one(sync, "SELECT troupe.node_hold($1)", PG_VALUES(pg_text(victim.id))),
                        "t");
    cluster_kill(cluster, accuser.id, victim.id);
    cluster_wait(cluster->admin, "SELECT NOT troupe._session_held($1)",
                 PG_VALUES(pg_text(victim.id)));
    assert_int_not_equal(reg_sync_exec(sync, "SELECT 1", 0, NULL, PG_TIMEOUT_MS), TROUPE_OK);
    reg_sync_close(sync);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_role_may_do_what_it_is_for_and_nothing_else),
        TEST(nobody_can_log_in_as_the_owner),
        TEST(the_private_database_has_no_room_for_temporary_tables),
        TEST(every_function_pins_its_search_path_or_has_no_text_to_resolve),
        TEST(a_planted_search_path_changes_nothing),
        TEST(the_views_have_the_columns_that_are_promised),
        TEST(a_death_ends_sessions_of_the_role_that_nodes_log_in_as),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
