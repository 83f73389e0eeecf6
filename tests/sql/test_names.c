/* What is tested: who holds a name, and what a name may be (migrations/0002_names.sql). Recovery is
 * in test_recovery.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

enum { ROUNDS = 40 };

#define VOLATILE_NAME                                                                              \
    "SELECT won, epoch, refused, holder_node_id, holder_actor_id FROM troupe.name_register($1, "   \
    "ARRAY[$2], ARRAY[$3::bigint], '{f}', '{f}', '{NULL}', '{0}', '{NULL}', '{NULL}')"
#define STRICT_NAME                                                                                \
    "SELECT won, epoch, refused FROM troupe.name_register($1, ARRAY[$2], ARRAY[$3::bigint], "      \
    "'{f}', '{t}', '{NULL}', '{0}', '{NULL}', '{NULL}')"
#define DURABLE_NAME                                                                               \
    "SELECT won, epoch, refused FROM troupe.name_register($1, ARRAY[$2], ARRAY[$3::bigint], "      \
    "'{t}', '{f}', '{test}', '{1}', '{each}', '{NULL}')"

static void sixteen_registrations_of_one_name_have_one_winner(void **state)
{
    struct cluster *cluster = *state;
    int64_t nodes[CLUSTER_CROWD];

    cluster_gather(cluster);
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        nodes[index] = cluster_join_bare(cluster, pg_text((int64_t)index), "60000").id;
    }
    for (int round = 0; round < ROUNDS; round++) {
        int64_t holder = 0;
        int winners = 0;

        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(reg_sync_send(cluster->crowd[index], VOLATILE_NAME,
                                           PG_VALUES(pg_text(nodes[index]), pg_text(round), "7")),
                             TROUPE_OK);
        }
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            troupe_status status = reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS);

            /* The wait for the winner's row is cut short after 300 ms: `busy`, ask again. */
            while (status == TROUPE_E_AGAIN) {
                status = reg_sync_exec(cluster->crowd[index], VOLATILE_NAME,
                                       PG_VALUES(pg_text(nodes[index]), pg_text(round), "7"),
                                       PG_TIMEOUT_MS);
            }
            assert_int_equal(status, TROUPE_OK);
            if (strcmp(pg_column(cluster->crowd[index], 0), "t") == 0) {
                winners++;
                holder = nodes[index];
            } else {
                assert_string_equal(pg_column(cluster->crowd[index], 2), "held");
            }
        }
        assert_int_equal(winners, 1);
        /* Every loser was told who won. */
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(strtoll(pg_column(cluster->crowd[index], 3), NULL, 10), holder);
        }
    }
}

static void a_batch_is_answered_in_its_order_with_a_reason_for_each(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct member other = cluster_join_bare(cluster, "n2", "60000");

    pg_run(cluster->admin, VOLATILE_NAME, PG_VALUES(pg_text(other.id), "taken", "9"));
    assert_string_equal(
        pg_one(
            cluster->admin,
            "SELECT string_agg(coalesce(refused, 'won'), ' | ') FROM troupe.name_register($1, "
            "ARRAY['b', 'taken', 'a', '', 'b', 'd', NULL], '{1,2,3,4,5,6,7}', '{t,f,f,f,f,t,f}', "
            "'{f,f,f,f,f,f,f}', '{test,NULL,NULL,NULL,NULL,NULL,NULL}', '{1,0,0,0,0,0,0}', "
            "'{each,NULL,NULL,NULL,NULL,NULL,NULL}', ARRAY['{\"cents\": 5}', NULL, NULL, NULL, "
            "NULL, "
            "NULL, NULL])",
            PG_VALUES(pg_text(node.id))),
        "won | held | won | bad name | held | no behavior | bad name");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT state ->> 'cents' FROM troupe.actors WHERE name = 'b'",
                               PG_NONE),
                        "5");
}

static void a_registration_whose_answer_was_lost_is_answered_again(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const int64_t epoch = cluster_register(cluster->admin, node.id, "a", 1, "{\"cents\": 1}");

    pg_run(cluster->admin,
           "SELECT * FROM troupe.step($1, '{a}', ARRAY[$2::bigint], '{1}', ARRAY['{\"cents\": "
           "2}'], '{1}', '{}', '{}', '{}', '{}', '{}', '{}')",
           PG_VALUES(pg_text(node.id), pg_text(epoch)));
    assert_int_equal(cluster_register(cluster->admin, node.id, "a", 1, "{\"cents\": 1}"), epoch);
    /* What it has saved since is not undone. */
    assert_string_equal(
        pg_one(cluster->admin, "SELECT state ->> 'cents' FROM troupe.actors", PG_NONE), "2");
    /* Another actor of the same node is another one. */
    assert_string_equal(
        pg_one(cluster->admin, VOLATILE_NAME, PG_VALUES(pg_text(node.id), "a", "2")), "f");
}

static void a_dead_nodes_volatile_name_is_free_at_once_and_its_durable_one_is_not(void **state)
{
    struct cluster *cluster = *state;
    const struct member dead = cluster_join_bare(cluster, "n1", "60000");
    const struct member node = cluster_join_bare(cluster, "n2", "60000");
    const char *id = pg_text(node.id);
    int64_t epoch = 0;

    epoch = pg_number(cluster->admin,
                      "SELECT epoch FROM troupe.name_register($1, '{v}', '{1}', '{f}', '{f}', "
                      "'{NULL}', '{0}', '{NULL}', '{NULL}')",
                      PG_VALUES(pg_text(dead.id)));
    pg_run(cluster->admin, DURABLE_NAME, PG_VALUES(pg_text(dead.id), "d", "2"));
    assert_string_equal(pg_one(cluster->admin, VOLATILE_NAME, PG_VALUES(id, "v", "1")), "f");
    cluster_kill(cluster, node.id, dead.id);
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(name || ' ' || status, ', ' ORDER BY name) FROM troupe.names",
               PG_NONE),
        "d waiting, v gone");
    assert_string_equal(pg_one(cluster->admin, VOLATILE_NAME, PG_VALUES(id, "v", "1")), "t");
    assert_true(strtoll(pg_column(cluster->admin, 1), NULL, 10) > epoch);
    assert_string_equal(pg_one(cluster->admin, DURABLE_NAME, PG_VALUES(id, "d", "2")), "f");
    assert_string_equal(pg_column(cluster->admin, 2), "held");
    /* The dead node registers nothing any more. */
    assert_string_equal(
        pg_one(cluster->admin, VOLATILE_NAME, PG_VALUES(pg_text(dead.id), "w", "3")), "f");
    assert_string_equal(pg_column(cluster->admin, 2), "node is not up");
}

static void a_strict_name_waits_for_the_lease_of_a_node_that_is_only_thought_dead(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    struct member gone = cluster_join(cluster, "n2", "500");
    const struct member expired = cluster_join_bare(cluster, "n3", "60000");
    const char *id = pg_text(node.id);

    pg_run(cluster->admin, STRICT_NAME, PG_VALUES(pg_text(gone.id), "g", "1"));
    pg_run(cluster->admin, STRICT_NAME, PG_VALUES(pg_text(expired.id), "e", "1"));
    pg_run(cluster->admin, VOLATILE_NAME, PG_VALUES(pg_text(gone.id), "v", "2"));
    cluster_disconnect(cluster, &gone);
    pg_run(cluster->admin, "UPDATE troupe.lease SET until = clock_timestamp() + interval '500 ms'",
           PG_NONE);
    assert_null(pg_one(cluster->admin, "SELECT refused FROM troupe.node_declare_gone($1, $2)",
                       PG_VALUES(id, pg_text(gone.id))));
    assert_string_equal(pg_one(cluster->admin, STRICT_NAME, PG_VALUES(id, "g", "1")), "f");
    assert_string_equal(pg_one(cluster->admin, VOLATILE_NAME, PG_VALUES(id, "v", "1")), "t");
    cluster_kill(cluster, node.id, expired.id);
    assert_string_equal(pg_one(cluster->admin, STRICT_NAME, PG_VALUES(id, "e", "1")), "t");
    cluster_wait(cluster->admin, STRICT_NAME, PG_VALUES(id, "g", "1"));
}

static void no_epoch_is_given_twice_for_a_name(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const int64_t first = cluster_register(cluster->admin, node.id, "a", 1, NULL);

    assert_string_equal(pg_one(cluster->admin,
                               "SELECT troupe.name_unregister($1, '{a}', ARRAY[$2::bigint])",
                               PG_VALUES(pg_text(node.id), pg_text(first))),
                        "a");
    assert_true(cluster_register(cluster->admin, node.id, "a", 2, NULL) > first);
}

static void unregister_checks_holder_and_epoch(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct member other = cluster_join_bare(cluster, "n2", "60000");
    const int64_t epoch = cluster_register(cluster->admin, node.id, "a", 1, NULL);
    static const char unregister_all[] =
        "SELECT count(*) FROM troupe.name_unregister($1, '{a,b}', ARRAY[$2::bigint, 1])";

    assert_int_equal(
        pg_number(cluster->admin, unregister_all, PG_VALUES(pg_text(other.id), pg_text(epoch))), 0);
    assert_int_equal(
        pg_number(cluster->admin, unregister_all, PG_VALUES(pg_text(node.id), pg_text(epoch + 1))),
        0);
    cluster_kill(cluster, other.id, node.id);
    assert_int_equal(
        pg_number(cluster->admin, unregister_all, PG_VALUES(pg_text(node.id), pg_text(epoch))), 0);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.names", PG_NONE), 1);
}

static void a_lookup_tells_holder_epoch_and_status(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const int64_t epoch = cluster_register(cluster->admin, node.id, "a", 17, NULL);

    pg_run(cluster->admin,
           "SELECT name, node_id, actor_id, epoch, node_state, durable, status "
           "FROM troupe.name_lookup('{a,nobody}')",
           PG_NONE);
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 1);
    assert_string_equal(pg_column(cluster->admin, 0), "a");
    assert_string_equal(pg_column(cluster->admin, 1), pg_text(node.id));
    assert_string_equal(pg_column(cluster->admin, 2), "17");
    assert_string_equal(pg_column(cluster->admin, 3), pg_text(epoch));
    assert_string_equal(pg_column(cluster->admin, 4), "up");
    assert_string_equal(pg_column(cluster->admin, 5), "t");
    assert_string_equal(pg_column(cluster->admin, 6), "running");
}

static void a_thousand_names_go_in_one_call_and_one_more_does_not(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    static const char many[] =
        "SELECT count(*) FILTER (WHERE r.won) FROM (SELECT array_agg('name/' || i) n, array_agg(i) "
        "a, "
        "array_agg(false) f, array_agg(NULL::text) t, array_agg(0) z FROM generate_series(1, "
        "$2::int) i) x, troupe.name_register($1, x.n, x.a::bigint[], x.f, x.f, x.t, x.z, x.t, x.t) "
        "r";

    assert_int_equal(pg_number(cluster->admin, many, PG_VALUES(pg_text(node.id), "1000")), 1000);
    assert_string_equal(pg_refused(cluster->admin, many, PG_VALUES(pg_text(node.id), "1001")),
                        "54000");
    assert_string_equal(
        pg_refused(cluster->admin,
                   "SELECT * FROM troupe.name_register($1, '{a}', '{1,2}', '{f}', '{f}', '{NULL}', "
                   "'{0}', '{NULL}', '{NULL}')",
                   PG_VALUES(pg_text(node.id))),
        "22023");
}

/* Two nodes register the same names in opposite orders, again and again: neither waits for the
 * other in a circle. */
static void batches_in_opposite_orders_do_not_deadlock(void **state)
{
    struct cluster *cluster = *state;
    int64_t nodes[CLUSTER_CROWD];

    cluster_gather(cluster);
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        nodes[index] = cluster_join_bare(cluster, pg_text((int64_t)index), "60000").id;
    }
    for (int round = 0; round < 10; round++) {
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(reg_sync_send(cluster->crowd[index],
                                           "SELECT count(*) FROM (SELECT array_agg($2 || '/' || i "
                                           "ORDER BY CASE WHEN $3 THEN "
                                           "i ELSE -i END) n, array_agg(i) a, array_agg(false) f, "
                                           "array_agg(NULL::text) t, "
                                           "array_agg(0) z FROM generate_series(1, 200) i) x, "
                                           "troupe.name_register($1, x.n, "
                                           "x.a::bigint[], x.f, x.f, x.t, x.z, x.t, x.t)",
                                           PG_VALUES(pg_text(nodes[index]), pg_text(round),
                                                     index % 2 == 0 ? "t" : "f")),
                             TROUPE_OK);
        }
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            const troupe_status status = reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS);

            /* Waiting for the row of another is cut short after 300 ms: `busy`, not a deadlock. */
            if (status != TROUPE_OK) {
                assert_string_equal(reg_sync_result(cluster->crowd[index])->sqlstate, "55P03");
            }
        }
    }
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.names", PG_NONE), 2000);
}

static void a_name_has_1_to_128_bytes_and_nothing_that_deceives_the_eye(void **state)
{
    static const struct {
        const char *name;
        const char *expected;
    } cases[] = {
        {"a", "t"},
        {"", "f"},
        {"accounts/\xc3\xa9 42", "t"},
        {"\xf0\x9f\x98\x80", "t"},
        {"a\nb", "f"},
        {"a\x7f", "f"},
        {"\x1b[31m", "f"},
        {"a\xc2\x85", "f"},     /* U+0085 */
        {"a\xe2\x80\xa8", "f"}, /* U+2028 */
        {"a\xe2\x80\xa9", "f"}, /* U+2029 */
        {"a\xe2\x80\xae", "f"}, /* U+202E */
        {"a\xe2\x81\xa6", "f"}, /* U+2066 */
        {"a\xe2\x80\x8f", "f"}, /* U+200F */
        {"a\xe2\x80\x90", "t"}, /* U+2010, a hyphen */
    };
    struct cluster *cluster = *state;

    for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
        assert_string_equal(
            pg_one(cluster->admin, "SELECT troupe.name_ok($1)", PG_VALUES(cases[index].name)),
            cases[index].expected);
    }
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT troupe.name_ok(repeat('x', 128)) AND NOT "
               "troupe.name_ok(repeat('x', 129)) AND NOT troupe.name_ok(repeat('\u00e9', 65))",
               PG_NONE),
        "t");
    /* Refused before it gets to the schema. */
    assert_string_equal(pg_refused(cluster->admin, "SELECT troupe.name_ok($1)", PG_VALUES("\xff")),
                        "22021");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sixteen_registrations_of_one_name_have_one_winner),
        TEST(a_batch_is_answered_in_its_order_with_a_reason_for_each),
        TEST(a_registration_whose_answer_was_lost_is_answered_again),
        TEST(a_dead_nodes_volatile_name_is_free_at_once_and_its_durable_one_is_not),
        TEST(a_strict_name_waits_for_the_lease_of_a_node_that_is_only_thought_dead),
        TEST(no_epoch_is_given_twice_for_a_name),
        TEST(unregister_checks_holder_and_epoch),
        TEST(a_lookup_tells_holder_epoch_and_status),
        TEST(a_thousand_names_go_in_one_call_and_one_more_does_not),
        TEST(batches_in_opposite_orders_do_not_deadlock),
        TEST(a_name_has_1_to_128_bytes_and_nothing_that_deceives_the_eye),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
