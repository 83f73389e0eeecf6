/* What is tested: membership through registry/pg on a private PostgreSQL: joining, leaving, deaths
 * of every kind, fencing, and what a broken connection must not cause. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/pg_group.h"
#include "support/registry_world.h"

static const int64_t ms = 1000000;

static struct world world; /* too large for a stack */

/* ---- joining ---- */

static void three_nodes_join_and_see_one_another(void **state)
{
    struct world_node *nodes[3] = {NULL};
    const char *const names[] = {"n1", "n2", "n3"};

    (void)state;
    world_init(&world);
    for (size_t index = 0; index < 3; index++) {
        nodes[index] = world_join(&world, pg_server_conninfo(server), names[index], NULL);
    }
    for (size_t index = 0; index < 3; index++) {
        for (size_t other = 0; other < 3; other++) {
            struct world_seen seen = {.node = nodes[index], .node_id = nodes[other]->node_id};

            if (other != index) {
                world_wait(&world, node_sees_up, &seen);
            }
        }
    }
    for (size_t index = 0; index < 3; index++) {
        struct world_seen seen = {.node = nodes[index], .count = 1};

        world_wait(&world, node_has_lease_after, &seen);
        assert_int_equal(nodes[index]->up_count, 2);
        assert_true(nodes[index]->lease_ns > world_now(&world) - 2000 * ms);
    }
    world_fini(&world);
}

static void drain_node(void *context)
{
    const struct world_node *node = context;

    node->box->port.drain(node->box->port.context, true);
}

static void undrain_node(void *context)
{
    const struct world_node *node = context;

    node->box->port.drain(node->box->port.context, false);
}

static void members_know_each_others_roles_and_metadata_and_who_drains(void **state)
{
    static const struct world_options web = {.roles = "web,db", .metadata = "zone=a,note=b c"};
    static const struct world_options plain = {.roles = ""};
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_node *n3 = NULL;
    struct reg_sync *admin = connect_as_admin();

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "l1", &web);
    n2 = world_join(&world, pg_server_conninfo(server), "l2", &plain);
    struct world_seen first = {.node = n2, .node_id = n1->node_id};  /* from the list */
    struct world_seen second = {.node = n1, .node_id = n2->node_id}; /* from an event */

    world_wait(&world, node_sees_up, &first);
    world_wait(&world, node_sees_up, &second);
    world_wait(&world, node_knows_itself, n1);
    world_wait(&world, node_knows_itself, n2); /* In the list after those who came before it. */
    assert_string_equal(n2->up_labels[0], "web,db|note=b c,zone=a|0");
    assert_string_equal(n1->up_labels[0], "||0");
    assert_true(n2->since_ms >= n1->since_ms);
    assert_int_equal(n2->up_since_ms[0], n1->since_ms);
    assert_int_equal(n1->up_since_ms[0], n2->since_ms);
    assert_string_equal(pg_one(admin,
                               "SELECT format('%s %s', roles, metadata ->> 'zone') FROM "
                               "troupe.nodes WHERE name = 'l1' AND state = 'up'",
                               PG_NONE),
                        "{web,db} a");
    world_do(&world, drain_node, n1);
    world_wait(&world, node_sees_draining, &first);
    second.node_id = n1->node_id;
    world_wait(&world, node_sees_draining, &second); /* Of itself. */
    n3 = world_join(&world, pg_server_conninfo(server), "l3", NULL);
    struct world_seen late = {.node = n3, .node_id = n1->node_id};

    world_wait(&world, node_sees_draining, &late);
    world_do(&world, undrain_node, n1);
    world_wait(&world, node_sees_undrained, &late);
    world_wait(&world, node_sees_undrained, &second);
    reg_sync_close(admin);
    world_fini(&world);
}

static void set_metadata(void *context)
{
    const struct world_node *node = context;

    node->box->port.set_metadata(node->box->port.context, "zone=b,note=x y");
}

static void a_member_changes_its_metadata(void **state)
{
    static const struct world_options with = {.roles = "", .metadata = "zone=a"};
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct reg_sync *admin = connect_as_admin();

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "c1", &with);
    n2 = world_join(&world, pg_server_conninfo(server), "c2", NULL);
    struct world_seen seen = {.node = n2, .node_id = n1->node_id, .text = "note=x y,zone=b"};

    world_wait(&world, node_sees_up, &seen);
    world_do(&world, set_metadata, n1);
    world_wait(&world, node_sees_metadata, &seen);
    assert_string_equal(pg_one(admin,
                               "SELECT format('%s|%s', metadata ->> 'zone', metadata ->> 'note') "
                               "FROM troupe.nodes WHERE name = 'c1' AND state = 'up'",
                               PG_NONE),
                        "b|x y");
    assert_string_equal(pg_one(admin,
                               "SELECT kind FROM troupe.events WHERE node = 'c1' ORDER BY epoch "
                               "DESC LIMIT 1",
                               PG_NONE),
                        "node_metadata");
    /* Who comes later has it from the row. */
    struct world_node *n3 = world_join(&world, pg_server_conninfo(server), "c3", NULL);
    struct world_seen late = {.node = n3, .node_id = n1->node_id, .text = "note=x y,zone=b"};

    world_wait(&world, node_sees_up, &late);
    reg_sync_close(admin);
    world_fini(&world);
}

static void a_host_that_refuses_is_passed_over_for_the_next(void **state)
{
    const char *conninfo = pg_server_conninfo(server);
    const char *host = strstr(conninfo, "host=");
    char several[PG_CONNINFO_SIZE];

    (void)state;
    assert_non_null(host);
    host += 5;
    /* `localhost` is looked up; nobody listens on port 1 there. */
    (void)snprintf(several, sizeof(several), "%.*slocalhost,%s port=1,5432", (int)(host - conninfo),
                   conninfo, host);
    world_init(&world);
    (void)world_join(&world, several, "n1", NULL);
    world_fini(&world);
}

static void a_node_that_leaves_is_down_with_that_reason(void **state)
{
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_seen seen = {0};

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", NULL);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", NULL);
    seen = (struct world_seen){.node = n1, .node_id = n2->node_id};
    world_stop(n2, true);
    world_wait(&world, node_sees_down, &seen);
    assert_string_equal(n1->down_why[0], "left");
    world_fini(&world);
}

static void a_name_of_a_node_that_lives_is_refused(void **state)
{
    struct world_node *second = NULL;

    (void)state;
    world_init(&world);
    (void)world_join(&world, pg_server_conninfo(server), "n1", NULL);
    second = world_start(&world, pg_server_conninfo(server), "n1", NULL);
    world_wait(&world, node_has_failed, second);
    assert_int_equal(second->failed, TROUPE_E_EXISTS);
    assert_non_null(strstr(second->failed_text, "held by node"));
    world_fini(&world);
}

static void a_database_without_the_schema_is_named(void **state)
{
    char conninfo[PG_CONNINFO_SIZE];
    struct world_node *node = NULL;

    (void)state;
    pg_server_conninfo_as(server, "postgres", "troupe", conninfo);
    world_init(&world);
    node = world_start(&world, conninfo, "n1", NULL);
    world_wait(&world, node_has_failed, node);
    assert_int_equal(node->failed, TROUPE_E_SCHEMA);
    assert_non_null(strstr(node->failed_text, "troupe db migrate"));
    world_fini(&world);
}

static void a_schema_too_new_is_refused(void **state)
{
    struct reg_sync *admin = connect_as_admin();
    struct world_node *node = NULL;

    (void)state;
    pg_run(admin,
           "INSERT INTO troupe.migration SELECT (jsonb_populate_record(m, '{\"id\": 99}')).* "
           "FROM troupe.migration m WHERE m.id = 1",
           PG_NONE);
    world_init(&world);
    node = world_start(&world, pg_server_conninfo(server), "n1", NULL);
    world_wait(&world, node_has_failed, node);
    assert_int_equal(node->failed, TROUPE_E_SCHEMA);
    assert_non_null(strstr(node->failed_text, "too new"));
    world_fini(&world);
    pg_run(admin, "DELETE FROM troupe.migration WHERE id = 99", PG_NONE);
    reg_sync_close(admin);
}

/* Sets full_page_writes and waits until new sessions see it. */
static void set_full_page_writes(struct reg_sync *admin, const char *value)
{
    char statement[128];
    int tries = 0;

    (void)snprintf(statement, sizeof(statement), "ALTER SYSTEM SET full_page_writes = %s", value);
    pg_run(admin, statement, PG_NONE);
    pg_run(admin, "SELECT pg_reload_conf()", PG_NONE);
    while (strcmp(pg_one(admin, "SHOW full_page_writes", PG_NONE), value) != 0) {
        assert_true(tries++ < 100000);
    }
}

static void a_server_that_may_lose_commits_is_refused_unless_allowed(void **state)
{
    const struct world_options allowed = {.allow_unsafe_fsync = true};
    struct reg_sync *admin = connect_as_admin();
    struct world_node *refused = NULL;

    (void)state;
    set_full_page_writes(admin, "off");
    world_init(&world);
    refused = world_start(&world, pg_server_conninfo(server), "n1", NULL);
    world_wait(&world, node_has_failed, refused);
    assert_int_equal(refused->failed, TROUPE_E_INVALID);
    assert_non_null(strstr(refused->failed_text, "fsync"));
    (void)world_join(&world, pg_server_conninfo(server), "n2", &allowed);
    world_fini(&world);
    set_full_page_writes(admin, "on");
    reg_sync_close(admin);
}

/* ---- news ---- */

/* Ends the server's processes of a node, and answers how many there were. */
static int64_t end_sessions(struct reg_sync *admin, uint64_t node_id)
{
    return pg_number(admin,
                     "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a "
                     "WHERE a.application_name = 'troupe/' || $1",
                     PG_VALUES(pg_text((int64_t)node_id)));
}

static void wait_until_connected(struct world_node *node, uint64_t reconnects)
{
    const int64_t deadline_ns = world_now(&world) + WORLD_WAIT_MS * ms;
    struct tr_registry_health health = world_health(node);

    while (!(health.connected && health.listening && health.reconnects >= reconnects)) {
        assert_true(world_now(&world) < deadline_ns);
        health = world_health(node);
    }
}

/* Adds a member as node_join does, but for the NOTIFY; with a lease that does not end. */
static int64_t join_silently(struct reg_sync *admin, const char *name)
{
    return pg_number(
        admin,
        "WITH c AS (UPDATE troupe.cluster SET epoch = epoch + 1 RETURNING epoch), "
        "n AS (INSERT INTO troupe.node (boot, name, host, port, ttl_ms, up_epoch) "
        "      SELECT gen_random_uuid(), $1, 'h', 1, 5000, c.epoch FROM c RETURNING node_id, "
        "boot), "
        "e AS (INSERT INTO troupe.event (epoch, kind, node_id) "
        "      SELECT c.epoch, 'node_up', n.node_id FROM c, n), "
        "l AS (INSERT INTO troupe.lease (node_id, boot, ttl_ms, until, since) "
        "      SELECT n.node_id, n.boot, 5000, now() + interval '1 hour', now() FROM n) "
        "SELECT node_id FROM n",
        PG_VALUES(name));
}

static void news_comes_by_notification_without_waiting_for_a_renewal(void **state)
{
    const struct world_options options = {.ttl_ms = 600000}; /* the next one is minutes away */
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_seen seen = {0};

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", &options);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", &options);
    seen = (struct world_seen){.node = n1, .node_id = n2->node_id};
    world_wait(&world, node_sees_up, &seen);
    world_stop(n2, true);
    world_wait(&world, node_sees_down, &seen);
    world_fini(&world);
}

static void news_whose_notification_got_lost_comes_with_the_next_renewal(void **state)
{
    struct reg_sync *admin = connect_as_admin();
    struct world_node *n1 = NULL;
    struct world_seen seen = {0};
    int64_t silent = 0;

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", NULL);
    /* After two renewals it has read all there was to hear of. */
    seen = (struct world_seen){.node = n1, .count = 2};
    world_wait(&world, node_has_lease_after, &seen);
    silent = join_silently(admin, "silent");
    seen = (struct world_seen){.node = n1, .node_id = (uint64_t)silent};
    world_wait(&world, node_sees_up, &seen);
    pg_run(admin, "SELECT troupe._kill($1, NULL, 'gone')", PG_VALUES(pg_text(silent)));
    world_wait(&world, node_sees_down, &seen);
    world_fini(&world);
    reg_sync_close(admin);
}

static void news_of_the_time_without_a_connection_comes_with_the_next_one(void **state)
{
    const struct world_options options = {.ttl_ms = 600000}; /* no renewal will bring it */
    struct reg_sync *admin = connect_as_admin();
    struct world_node *n1 = NULL;
    struct world_seen seen = {0};
    int64_t ended = 0;

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", &options);
    wait_until_connected(n1, 0);
    pg_server_hold_door(server, true);
    ended = end_sessions(admin, n1->node_id);
    seen = (struct world_seen){.node = n1, .node_id = (uint64_t)join_silently(admin, "gap")};
    pg_server_hold_door(server, false);
    assert_int_equal(ended, 3);
    world_wait(&world, node_sees_up, &seen);
    pg_run(admin, "SELECT troupe._kill($1, NULL, 'gone')",
           PG_VALUES(pg_text((int64_t)seen.node_id)));
    world_fini(&world);
    reg_sync_close(admin);
}

static void events_that_were_pruned_are_made_up_for_by_a_full_read(void **state)
{
    struct reg_sync *admin = connect_as_admin();
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_seen seen = {0};

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", NULL);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", NULL);
    seen = (struct world_seen){.node = n1, .node_id = n2->node_id};
    world_wait(&world, node_sees_up, &seen);
    /* A failover loses events and jumps over a million epochs; here with a death in the gap. */
    pg_run(admin,
           "WITH d AS (UPDATE troupe.node SET state = 'down', down_epoch = 1, down_kind = 'gone' "
           "           WHERE node_id = $1) "
           "UPDATE troupe.cluster SET epoch = epoch + 1000000",
           PG_VALUES(pg_text((int64_t)n2->node_id)));
    pg_run(admin, "SELECT troupe._bump('timeline', NULL, NULL, 'test')", PG_NONE);
    world_wait(&world, node_sees_down, &seen);
    assert_int_equal(n1->fenced, 0);
    world_fini(&world);
    reg_sync_close(admin);
}

/* ---- what must not kill ---- */

static void a_node_whose_connections_break_lives_and_still_hears(void **state)
{
    struct reg_sync *admin = connect_as_admin();
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_node *n3 = NULL;
    struct world_seen seen = {0};

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", NULL);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", NULL);
    wait_until_connected(n1, 0);
    assert_int_equal(end_sessions(admin, n1->node_id), 3);
    wait_until_connected(n1, 3);
    n3 = world_join(&world, pg_server_conninfo(server), "n3", NULL);
    seen = (struct world_seen){.node = n1, .node_id = n3->node_id};
    world_wait(&world, node_sees_up, &seen);
    seen = (struct world_seen){.node = n2, .node_id = n3->node_id};
    world_wait(&world, node_sees_up, &seen);
    assert_int_equal(n1->fenced, 0);
    assert_int_equal(n2->down_count, 0);
    world_fini(&world);
    reg_sync_close(admin);
}

static void a_restart_of_the_server_kills_nobody(void **state)
{
    const struct world_options options = {.ttl_ms = 1000};
    struct world_node *nodes[3] = {NULL};
    const char *const names[] = {"n1", "n2", "n3"};

    (void)state;
    world_init(&world);
    for (size_t index = 0; index < 3; index++) {
        nodes[index] = world_join(&world, pg_server_conninfo(server), names[index], &options);
    }
    pg_server_kill(server); /* a crash: the leases are emptied too */
    pg_server_resume(server);
    for (size_t index = 0; index < 3; index++) {
        /* As long as anybody could be declared for the outage: some leases' worth of renewals. */
        struct world_seen seen = {.node = nodes[index], .count = nodes[index]->leases + 10};

        for (size_t other = 0; other < 3; other++) {
            world_unreachable(nodes[index], nodes[other]->node_id, false);
        }
        world_wait(&world, node_has_lease_after, &seen);
    }
    for (size_t index = 0; index < 3; index++) {
        assert_int_equal(nodes[index]->fenced, 0);
        assert_int_equal(nodes[index]->down_count, 0);
    }
    world_fini(&world);
}

static void a_member_that_only_we_cannot_reach_stays_a_member(void **state)
{
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_seen renewed = {0};

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", NULL);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", NULL);
    for (int round = 0; round < 4; round++) {
        renewed = (struct world_seen){.node = n1, .count = n1->leases};
        world_unreachable(n1, n2->node_id, round % 2 == 0);
        world_wait(&world, node_has_lease_after, &renewed);
    }
    assert_int_equal(n1->down_count, 0);
    assert_int_equal(n2->fenced, 0);
    world_fini(&world);
}

/* ---- fencing ---- */

static bool has_joined_again(void *context)
{
    const struct world_node *node = context;

    return node->joins == 2;
}

static void a_fenced_node_joins_again_with_a_new_id(void **state)
{
    const struct world_options options = {.rejoin = true};
    struct reg_sync *admin = connect_as_admin();
    struct world_node *n1 = NULL;
    struct world_node *n2 = NULL;
    struct world_seen seen = {0};
    uint64_t first = 0;

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", &options);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", NULL);
    first = n1->node_id;
    pg_run(admin, "SELECT troupe._kill($1, $2, 'expired')",
           PG_VALUES(pg_text((int64_t)first), pg_text((int64_t)n2->node_id)));
    world_wait(&world, node_is_fenced, n1);
    world_wait(&world, has_joined_again, n1);
    assert_true(n1->node_id > first);
    seen = (struct world_seen){.node = n2, .node_id = first};
    world_wait(&world, node_sees_down, &seen);
    seen.node_id = n1->node_id;
    world_wait(&world, node_sees_up, &seen);
    assert_int_equal(n1->fenced, 1);
    world_fini(&world);
    reg_sync_close(admin);
}

/* ---- rest ---- */

static void an_idle_node_sends_four_statements_per_lease_period(void **state)
{
    enum { PERIODS = 3 };
    const char *const behaviors[] = {"bank.account"};
    const struct world_options options = {
        .ttl_ms = 3000, .behaviors = behaviors, .behavior_count = 1};
    struct world_node *n1 = NULL;
    struct world_seen seen = {0};
    uint64_t before = 0;
    uint64_t sent = 0;

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", &options);
    (void)world_join(&world, pg_server_conninfo(server), "n2", &options);
    wait_until_connected(n1, 0);
    seen = (struct world_seen){.node = n1, .count = n1->leases + 3};
    world_wait(&world, node_has_lease_after, &seen);
    before = world_health(n1).statements;
    seen.count = n1->leases + 3 * PERIODS - 1; /* three renewals in each period */
    world_wait(&world, node_has_lease_after, &seen);
    sent = world_health(n1).statements - before;
    print_message("idle: %" PRIu64 " statements in %d lease periods\n", sent, PERIODS);
    assert_true(sent >= 3 * PERIODS);
    assert_true(sent <= 4 * PERIODS + 1); /* a period may be cut at either end */
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_join_and_see_one_another),
        cmocka_unit_test(members_know_each_others_roles_and_metadata_and_who_drains),
        cmocka_unit_test(a_member_changes_its_metadata),
        cmocka_unit_test(a_host_that_refuses_is_passed_over_for_the_next),
        cmocka_unit_test(a_node_that_leaves_is_down_with_that_reason),
        cmocka_unit_test(a_name_of_a_node_that_lives_is_refused),
        cmocka_unit_test(a_database_without_the_schema_is_named),
        cmocka_unit_test(a_schema_too_new_is_refused),
        cmocka_unit_test(a_server_that_may_lose_commits_is_refused_unless_allowed),
        cmocka_unit_test(news_comes_by_notification_without_waiting_for_a_renewal),
        cmocka_unit_test(news_whose_notification_got_lost_comes_with_the_next_renewal),
        cmocka_unit_test(news_of_the_time_without_a_connection_comes_with_the_next_one),
        cmocka_unit_test(events_that_were_pruned_are_made_up_for_by_a_full_read),
        cmocka_unit_test(a_node_whose_connections_break_lives_and_still_hears),
        cmocka_unit_test(a_restart_of_the_server_kills_nobody),
        cmocka_unit_test(a_member_that_only_we_cannot_reach_stays_a_member),
        cmocka_unit_test(a_fenced_node_joins_again_with_a_new_id),
        cmocka_unit_test(an_idle_node_sends_four_statements_per_lease_period),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
