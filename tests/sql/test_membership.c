/* What is tested: joining, staying, draining, leaving, and the order of events that everybody reads
 * (migrations/0001_core.sql). Deaths are in test_death.c.
 * Method: as there; what is not allowed to happen is only believed after something later was seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

enum { ROUNDS = 30 };

#define JOIN                                                                                       \
    "SELECT node_id, epoch, refused FROM troupe.node_join($1, '127.0.0.1', $2, "                   \
    "gen_random_uuid(), "                                                                          \
    "5000)"

static void sixteen_nodes_of_one_name_make_one_node(void **state)
{
    struct cluster *cluster = *state;

    cluster_gather(cluster);
    for (int round = 0; round < ROUNDS; round++) {
        const char *name = pg_text(round);
        int winners = 0;

        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(reg_sync_send(cluster->crowd[index], JOIN,
                                           PG_VALUES(name, pg_text(7000 + (int64_t)index))),
                             TROUPE_OK);
        }
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
            if (pg_column(cluster->crowd[index], 2) == NULL) {
                winners++;
                assert_non_null(pg_column(cluster->crowd[index], 0));
            } else {
                assert_non_null(
                    strstr(pg_column(cluster->crowd[index], 2), "name is held by node"));
                assert_null(pg_column(cluster->crowd[index], 0));
            }
        }
        assert_int_equal(winners, 1);
        assert_int_equal(pg_number(cluster->admin,
                                   "SELECT count(*) FROM troupe.node WHERE name = $1",
                                   PG_VALUES(name)),
                         1);
    }
}

static void the_refusal_names_the_holder_and_its_address(void **state)
{
    struct cluster *cluster = *state;
    struct member holder = cluster_join(cluster, "n1", "5000");
    char expected[96];

    (void)snprintf(expected, sizeof(expected), "name is held by node %s at 127.0.0.1:7000",
                   pg_text(holder.id));
    (void)pg_one(cluster->admin, JOIN, PG_VALUES("n1", "7001"));
    assert_string_equal(pg_column(cluster->admin, 2), expected);
    reg_sync_close(holder.sync);
}

static void a_join_whose_answer_was_lost_is_answered_again(void **state)
{
    struct cluster *cluster = *state;
    const struct member first = cluster_join_bare(cluster, "n1", "5000");

    assert_int_equal(
        pg_number(cluster->admin,
                  "SELECT node_id FROM troupe.node_join('n1', '127.0.0.1', 7000, $1, 5000)",
                  PG_VALUES(first.boot)),
        first.id);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.events", PG_NONE), 1);
}

static void a_crashed_node_is_replaced_at_once_and_its_end_comes_first(void **state)
{
    struct cluster *cluster = *state;
    struct member first = cluster_join(cluster, "n1", "600000");
    int64_t second = 0;

    cluster_disconnect(cluster, &first);
    second = pg_number(cluster->admin, JOIN, PG_VALUES("n1", "7001"));
    assert_true(second > first.id);
    pg_run(cluster->admin,
           "SELECT string_agg(kind || ' ' || node_id || ' ' || coalesce(detail, '') || "
           "coalesce(declared_by, ''), ', ' ORDER BY epoch) FROM troupe.events",
           PG_NONE);
    {
        char expected[128];

        (void)snprintf(expected, sizeof(expected),
                       "node_up %s n1, node_down %s replacedn1, node_up %s n1", pg_text(first.id),
                       pg_text(first.id), pg_text(second));
        assert_string_equal(pg_column(cluster->admin, 0), expected);
    }
}

static void a_node_whose_session_lives_is_replaced_only_when_its_lease_ran_out(void **state)
{
    struct cluster *cluster = *state;
    struct member first = cluster_join(cluster, "n1", "500");

    assert_null(pg_one(cluster->admin, JOIN, PG_VALUES("n1", "7001")));
    /* The server has to have been up for the node's ttl, too. */
    cluster_expire(cluster, first.id);
    cluster_wait(cluster->admin,
                 "SELECT refused IS NULL FROM troupe.node_join('n1', '127.0.0.1', 7001, "
                 "gen_random_uuid(), 5000)",
                 PG_NONE);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT down_reason FROM troupe.nodes WHERE node_id = $1",
                               PG_VALUES(pg_text(first.id))),
                        "replaced");
    reg_sync_close(first.sync);
}

static void who_dialled_the_holder_in_vain_may_replace_one_that_has_no_session(void **state)
{
    struct cluster *cluster = *state;
    const struct member quiet = cluster_join_bare(cluster, "n1", "600000");
    struct member talking = cluster_join(cluster, "n2", "600000");
    static const char join[] = "SELECT node_id FROM troupe.node_join($1, '127.0.0.1', 7001, "
                               "gen_random_uuid(), 5000, '{}', $2)";

    assert_null(pg_one(cluster->admin, JOIN, PG_VALUES("n1", "7001")));
    assert_null(pg_one(cluster->admin, join, PG_VALUES("n1", pg_text(talking.id))));
    assert_null(pg_one(cluster->admin, join, PG_VALUES("n2", pg_text(talking.id))));
    assert_non_null(pg_one(cluster->admin, join, PG_VALUES("n1", pg_text(quiet.id))));
    reg_sync_close(talking.sync);
}

static void bad_names_addresses_and_times_are_refused(void **state)
{
    struct cluster *cluster = *state;
    static const char join[] =
        "SELECT node_id FROM troupe.node_join($1, $2, $3, gen_random_uuid(), $4)";

    assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("", "h", "1", "5000")), "23514");
    assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("a\033b", "h", "1", "5000")),
                        "23514");
    assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("a", "", "1", "5000")), "23514");
    assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("a", "h", "0", "5000")),
                        "23514");
    assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("a", "h", "65536", "5000")),
                        "23514");
    assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("a", "h", "1", "499")), "23514");
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.events", PG_NONE), 0);
}

static void a_unix_socket_is_an_address_without_a_port(void **state)
{
    struct cluster *cluster = *state;
    static const char join[] =
        "SELECT node_id FROM troupe.node_join($1, $2, $3, gen_random_uuid(), 5000)";
    static const char *const bad[][2] = {
        {"unix:/run/n1", "1"}, {"unix:", "0"},   {"unix:run/n1", "0"},
        {"unix:/", "0"},       {"/run/n1", "0"}, {"unix:/run/a\nb", "0"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_string_equal(pg_refused(cluster->admin, join, PG_VALUES("n1", bad[i][0], bad[i][1])),
                            "23514");
    }
    assert_string_equal(
        pg_refused(cluster->admin,
                   "SELECT node_id FROM troupe.node_join('n1', 'unix:/' || repeat('x', 107), 0, "
                   "gen_random_uuid(), 5000)",
                   PG_NONE),
        "23514");
    pg_run(cluster->admin, join, PG_VALUES("n1", "unix:/run/troupe/n1", "0"));
    assert_string_equal(pg_one(cluster->admin, "SELECT address FROM troupe.nodes", PG_NONE),
                        "unix:/run/troupe/n1");
    assert_string_equal(
        pg_one(cluster->admin, "SELECT host || ' ' || port FROM troupe.members()", PG_NONE),
        "unix:/run/troupe/n1 0");
    pg_run(cluster->admin, "UPDATE troupe.lease SET until = clock_timestamp() + '1 h'", PG_NONE);
    assert_non_null(strstr(pg_one(cluster->admin,
                                  "SELECT refused FROM troupe.node_join('n1', '127.0.0.1', 1, "
                                  "gen_random_uuid(), 5000)",
                                  PG_NONE),
                           " at unix:/run/troupe/n1, which"));
}

static void what_a_node_says_of_itself_is_in_the_view(void **state)
{
    struct cluster *cluster = *state;

    pg_run(cluster->admin,
           "SELECT * FROM troupe.node_join('n1', '::1', 7000, gen_random_uuid(), 5000, "
           "'{\"roles\": [\"web\", \"db\"], \"version\": \"1.2\"}')",
           PG_NONE);
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT format('%s %s %s %s %s %s', name, address, state, roles, version, "
               "lease_left_seconds BETWEEN 1 AND 5) FROM troupe.nodes",
               PG_NONE),
        "n1 [::1]:7000 up {web,db} 1.2 t");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT format('%s %s', roles, epoch) FROM troupe.members()",
                               PG_NONE),
                        "{web,db} 1");
}

static void metadata_is_a_text_between_nodes_and_an_object_for_people(void **state)
{
    struct cluster *cluster = *state;

    assert_string_equal(
        pg_one(cluster->admin, "SELECT troupe.metadata_read('b=2,a=x=y,c=')::text", PG_NONE),
        "{\"a\": \"x=y\", \"b\": \"2\", \"c\": \"\"}");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT troupe.metadata_text(troupe.metadata_read('b=2,a=x=y,c='))",
                               PG_NONE),
                        "a=x=y,b=2,c=");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT format('%s|%s|%s', troupe.metadata_text(NULL), "
                               "troupe.metadata_text('[1]'), troupe.metadata_text("
                               "'{\"a\": \"1,2\", \"b c\": \"3\", \"d\": 4, \"e\": null}'))",
                               PG_NONE),
                        "||d=4");
    assert_string_equal(pg_refused(cluster->admin, "SELECT troupe.metadata_read('a')", PG_NONE),
                        "22023");
    assert_string_equal(
        pg_refused(cluster->admin, "SELECT troupe.metadata_read('a=1,a=2')", PG_NONE), "22023");
}

static void a_member_changes_its_metadata_under_an_epoch(void **state)
{
    struct cluster *cluster = *state;
    struct member node = cluster_join(cluster, "n1", "5000");
    static const char set[] = "SELECT troupe.node_set_metadata($1, $2, $3)";

    assert_null(pg_one(cluster->admin,
                       "SELECT troupe.node_set_metadata($1, gen_random_uuid(), '{\"a\":\"1\"}')",
                       PG_VALUES(pg_text(node.id))));
    assert_int_equal(
        pg_number(cluster->admin, set, PG_VALUES(pg_text(node.id), node.boot, "{\"a\":\"1\"}")), 2);
    assert_null(
        pg_one(cluster->admin, set, PG_VALUES(pg_text(node.id), node.boot, "{\"a\":\"1\"}")));
    assert_string_equal(
        pg_one(cluster->admin, "SELECT metadata ->> 'a' FROM troupe.nodes", PG_NONE), "1");
    assert_int_equal(reg_sync_exec(cluster->admin,
                                   "SELECT troupe.node_set_metadata(1, gen_random_uuid(), '[1]')",
                                   0, NULL, 5000),
                     TROUPE_E_INVALID);
    assert_int_equal(pg_number(cluster->admin, set, PG_VALUES(pg_text(node.id), node.boot, "{}")),
                     3);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT string_agg(kind, ' ' ORDER BY epoch) FROM troupe.events",
                               PG_NONE),
                        "node_up node_metadata node_metadata");
    assert_string_equal(
        pg_one(cluster->admin, "SELECT metadata FROM troupe.events_since(1, 10) LIMIT 1", PG_NONE),
        "{}");
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.node_leave($1, $2)",
                               PG_VALUES(pg_text(node.id), node.boot)),
                     4);
    assert_null(
        pg_one(cluster->admin, set, PG_VALUES(pg_text(node.id), node.boot, "{\"a\":\"2\"}")));
}

static void a_draining_node_takes_no_names_and_then_leaves(void **state)
{
    struct cluster *cluster = *state;
    struct member node = cluster_join(cluster, "n1", "5000");
    static const char register_one[] =
        "SELECT refused FROM troupe.name_register($1, '{a}', '{1}', '{f}', '{f}', '{NULL}', '{0}', "
        "'{NULL}', '{NULL}')";

    assert_null(pg_one(cluster->admin, "SELECT troupe.node_drain($1, gen_random_uuid())",
                       PG_VALUES(pg_text(node.id))));
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.node_drain($1, $2)",
                               PG_VALUES(pg_text(node.id), node.boot)),
                     2);
    assert_string_equal(pg_one(cluster->admin, register_one, PG_VALUES(pg_text(node.id))),
                        "node is not up");
    assert_string_equal(pg_one(cluster->admin, "SELECT state FROM troupe.nodes", PG_NONE),
                        "draining");
    assert_non_null(pg_one(cluster->admin, "SELECT until FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(node.id), node.boot)));
    /* It changes its mind, twice. */
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.node_drain($1, $2, false)",
                               PG_VALUES(pg_text(node.id), node.boot)),
                     3);
    assert_null(pg_one(cluster->admin, "SELECT troupe.node_drain($1, $2, false)",
                       PG_VALUES(pg_text(node.id), node.boot)));
    assert_null(pg_one(cluster->admin, register_one, PG_VALUES(pg_text(node.id))));
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.node_drain($1, $2)",
                               PG_VALUES(pg_text(node.id), node.boot)),
                     4);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT string_agg(kind, ' ' ORDER BY epoch) FROM troupe.events",
                               PG_NONE),
                        "node_up node_draining node_undrained node_draining");
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.node_leave($1, $2)",
                               PG_VALUES(pg_text(node.id), node.boot)),
                     5);
    assert_null(pg_one(cluster->admin, "SELECT troupe.node_leave($1, $2)",
                       PG_VALUES(pg_text(node.id), node.boot)));
    assert_null(pg_one(cluster->admin, "SELECT troupe.node_drain($1, $2)",
                       PG_VALUES(pg_text(node.id), node.boot)));
    assert_string_equal(
        pg_one(cluster->admin, "SELECT state || ' ' || down_reason FROM troupe.nodes", PG_NONE),
        "left left");
    /* A graceful end does not cut the node's own connection off. */
    pg_run(node.sync, "SELECT 1", PG_NONE);
    assert_string_equal(
        pg_one(node.sync, "SELECT troupe.node_hold($1)", PG_VALUES(pg_text(node.id))), "f");
    reg_sync_close(node.sync);
}

static void hold_is_taken_once_and_a_boot_that_is_not_ours_renews_nothing(void **state)
{
    struct cluster *cluster = *state;
    struct member node = cluster_join(cluster, "n1", "5000");

    assert_string_equal(
        pg_one(node.sync, "SELECT troupe.node_hold($1)", PG_VALUES(pg_text(node.id))), "t");
    assert_int_equal(pg_number(node.sync, "SELECT count(*) FROM troupe._session_pids($1)",
                               PG_VALUES(pg_text(node.id))),
                     1);
    assert_null(pg_one(node.sync, "SELECT until FROM troupe.node_renew($1, gen_random_uuid())",
                       PG_VALUES(pg_text(node.id))));
    assert_null(pg_one(node.sync, "SELECT until FROM troupe.node_reinstate($1, gen_random_uuid())",
                       PG_VALUES(pg_text(node.id))));
    assert_non_null(pg_one(node.sync, "SELECT epoch FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(node.id), node.boot)));
    reg_sync_close(node.sync);
}

static void session_keys_of_large_ids_do_not_wrap(void **state)
{
    struct cluster *cluster = *state;

    assert_int_equal(pg_number(cluster->admin,
                               "SELECT count(DISTINCT troupe._session_key(i)) FROM unnest(ARRAY[1, "
                               "4294967297, 2147483649, 281474976710655, 8589934593]) i",
                               PG_NONE),
                     5);
    pg_run(cluster->admin, "SELECT setval('troupe.node_node_id_seq', 8589934592)", PG_NONE);
    {
        struct member node = cluster_join(cluster, "n1", "5000");

        assert_int_equal(node.id, 8589934593);
        assert_string_equal(
            pg_one(cluster->admin, "SELECT troupe._session_held(8589934593)", PG_NONE), "t");
        assert_string_equal(pg_one(cluster->admin, "SELECT troupe._session_held(1)", PG_NONE), "f");
        reg_sync_close(node.sync);
    }
}

/* ---- order and hints ---- */

static void epochs_have_no_gap_and_a_cursor_misses_nothing(void **state)
{
    struct cluster *cluster = *state;
    struct reg_sync *reader = NULL;
    int64_t cursor = 0;
    int64_t number = 0;

    cluster_gather(cluster);
    reader = pg_connect(cluster->conninfo);
    pg_run(reader, "SET ROLE troupe_owner", PG_NONE);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            const char *name = pg_text(number);

            number++;
            assert_int_equal(reg_sync_send(cluster->crowd[index], JOIN, PG_VALUES(name, "7000")),
                             TROUPE_OK);
        }
        /* Reads while they run: each row it sees follows the one before. */
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            const struct reg_result *result = reg_sync_result(reader);

            pg_run(reader, "SELECT epoch FROM troupe.events_since($1, 1000)",
                   PG_VALUES(pg_text(cursor)));
            for (int row = 0; row < reg_result_count(result); row++) {
                int64_t epoch = 0;

                assert_true(reg_result_i64(result, row, 0, &epoch));
                assert_int_equal(epoch, cursor + 1);
                cursor = epoch;
            }
            assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
        }
    }
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.events", PG_NONE),
                     number);
    assert_int_equal(pg_number(cluster->admin, "SELECT epoch FROM troupe.cluster", PG_NONE),
                     number);
    reg_sync_close(reader);
}

static void only_membership_notifies_and_its_payload_is_the_epoch(void **state)
{
    struct cluster *cluster = *state;
    struct reg_notification note = {0};
    struct member node = cluster_join(cluster, "n1", "5000");
    const char *id = NULL;
    char number[24];

    (void)snprintf(number, sizeof(number), "%s", pg_text(node.id));
    id = number;
    pg_run(cluster->admin, "LISTEN troupe_event", PG_NONE);
    (void)cluster_register(node.sync, node.id, "a", 1, "{}");
    pg_run(node.sync, "SELECT * FROM troupe.node_renew($1, $2)", PG_VALUES(id, node.boot));
    pg_run(node.sync, "SELECT troupe.node_hold($1)", PG_VALUES(id));
    pg_run(node.sync, "SELECT troupe.send('a', 'm', '{}')", PG_NONE);
    pg_run(
        node.sync,
        "SELECT * FROM troupe.step($1, '{a}', (SELECT array_agg(epoch) FROM troupe.name), '{1}', "
        "'{\"{}\"}', '{1}', '{}', '{}', '{1}', '{a}', '{m}', '{\"{}\"}')",
        PG_VALUES(id));
    pg_run(node.sync, "SELECT troupe.sample_write($1, '{1}', '{b}', '{NULL}', '{1}', '{1}', '{1}')",
           PG_VALUES(id));
    pg_run(node.sync,
           "SELECT * FROM troupe.link_write($1, '{link}', ARRAY[$1::bigint], '{1}', "
           "ARRAY[$1::bigint], '{2}', '{0}', '{}', '{}', '{}', '{}', '{}', '{}')",
           PG_VALUES(id));
    pg_run(node.sync, "SELECT troupe.inbox_hint('{a}')", PG_NONE);
    pg_run(node.sync,
           "SELECT troupe.name_unregister($1, '{a}', (SELECT array_agg(epoch) FROM troupe.name))",
           PG_VALUES(id));
    /* The first thing that is heard is the next change of membership, so nothing came before it. */
    pg_run(node.sync, "SELECT troupe.node_drain($1, $2)", PG_VALUES(id, node.boot));
    assert_int_equal(reg_sync_notification(cluster->admin, PG_TIMEOUT_MS, &note), TROUPE_OK);
    assert_string_equal(note.channel, "troupe_event");
    assert_string_equal(note.payload, "2");
    pg_run(node.sync, "SELECT troupe.node_leave($1, $2)", PG_VALUES(id, node.boot));
    assert_int_equal(reg_sync_notification(cluster->admin, PG_TIMEOUT_MS, &note), TROUPE_OK);
    assert_string_equal(note.payload, "3");
    reg_sync_close(node.sync);
}

/* ---- another server ---- */

static void the_first_to_see_another_server_makes_lost_numbers_impossible(void **state)
{
    struct cluster *cluster = *state;
    struct member node = cluster_join(cluster, "n1", "5000");
    int switched = 0;

    cluster_gather(cluster);
    (void)cluster_register(node.sync, node.id, "a", 1, NULL);
    pg_run(cluster->admin, "UPDATE troupe.cluster SET timeline = timeline - 1", PG_NONE);
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        assert_int_equal(reg_sync_send(cluster->crowd[index],
                                       "SELECT switched, epoch FROM troupe.hello()", PG_NONE),
                         TROUPE_OK);
    }
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
        switched += strcmp(pg_column(cluster->crowd[index], 0), "t") == 0;
        assert_string_equal(pg_column(cluster->crowd[index], 1), "1000002");
    }
    assert_int_equal(switched, 1);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.lease", PG_NONE), 0);
    assert_true(cluster_join_bare(cluster, "n2", "5000").id > 1000000);
    assert_true(cluster_register(node.sync, node.id, "b", 2, NULL) > 1000000);
    assert_true(pg_number(cluster->admin, "SELECT troupe.send('a', 'm', '{}')", PG_NONE) > 1000000);
    /* The gap tells a reader to read everything anew. */
    assert_int_equal(
        pg_number(cluster->admin, "SELECT epoch FROM troupe.events_since(1, 1)", PG_NONE), 1000002);
    assert_non_null(pg_one(node.sync, "SELECT until FROM troupe.node_reinstate($1, $2)",
                           PG_VALUES(pg_text(node.id), node.boot)));
    reg_sync_close(node.sync);
}

static void hello_tells_the_version_of_the_schema_and_whether_writes_survive(void **state)
{
    struct cluster *cluster = *state;

    assert_string_equal(pg_one(cluster->admin,
                               "SELECT format('%s %s %s', schema_version = (SELECT max(id) FROM "
                               "troupe.migrations), fsync_on, cluster_id = (SELECT "
                               "c.cluster_id FROM troupe.cluster c)) FROM troupe.hello()",
                               PG_NONE),
                        "t t t");
}

static void a_renewal_tells_when_the_next_lease_of_others_runs_out(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "5000");
    struct member other;
    static const char renew[] = "SELECT expires_in_ms FROM troupe.node_renew($1, $2)";

    assert_null(pg_one(cluster->admin, renew, PG_VALUES(pg_text(node.id), node.boot)));
    other = cluster_join_bare(cluster, "n2", "60000");
    assert_in_range(pg_number(cluster->admin, renew, PG_VALUES(pg_text(node.id), node.boot)), 30000,
                    60000);
    cluster_expire(cluster, other.id);
    assert_int_equal(pg_number(cluster->admin, renew, PG_VALUES(pg_text(node.id), node.boot)), 0);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.members_expired()", PG_NONE),
                     other.id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

/* Also one that changes nothing: a node that reads too often does no harm. */
static void a_change_of_the_policy_is_an_event_that_every_node_reads(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const int64_t before = pg_number(cluster->admin, "SELECT epoch FROM troupe.cluster", PG_NONE);

    (void)node;
    pg_run(cluster->admin, "UPDATE troupe.policy SET may_exit = false WHERE role = 'client'",
           PG_NONE);
    assert_int_equal(pg_number(cluster->admin, "SELECT epoch FROM troupe.cluster", PG_NONE),
                     before + 1);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT string_agg(kind, ',') FROM troupe.events_since($1, 10)",
                               PG_VALUES(pg_text(before))),
                        "policy");
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(p::text, ' ' ORDER BY role) FROM troupe.policies p", PG_NONE),
        "(client,t,f,t) (node,t,t,t)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sixteen_nodes_of_one_name_make_one_node),
        TEST(the_refusal_names_the_holder_and_its_address),
        TEST(a_join_whose_answer_was_lost_is_answered_again),
        TEST(a_crashed_node_is_replaced_at_once_and_its_end_comes_first),
        TEST(a_node_whose_session_lives_is_replaced_only_when_its_lease_ran_out),
        TEST(who_dialled_the_holder_in_vain_may_replace_one_that_has_no_session),
        TEST(bad_names_addresses_and_times_are_refused),
        TEST(a_unix_socket_is_an_address_without_a_port),
        TEST(what_a_node_says_of_itself_is_in_the_view),
        TEST(metadata_is_a_text_between_nodes_and_an_object_for_people),
        TEST(a_member_changes_its_metadata_under_an_epoch),
        TEST(a_draining_node_takes_no_names_and_then_leaves),
        TEST(hold_is_taken_once_and_a_boot_that_is_not_ours_renews_nothing),
        TEST(session_keys_of_large_ids_do_not_wrap),
        TEST(epochs_have_no_gap_and_a_cursor_misses_nothing),
        TEST(only_membership_notifies_and_its_payload_is_the_epoch),
        TEST(the_first_to_see_another_server_makes_lost_numbers_impossible),
        TEST(hello_tells_the_version_of_the_schema_and_whether_writes_survive),
        TEST(a_renewal_tells_when_the_next_lease_of_others_runs_out),
        TEST(a_change_of_the_policy_is_an_event_that_every_node_reads),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
