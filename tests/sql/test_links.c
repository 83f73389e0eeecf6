/* What is tested: links, samples, and what is swept and pruned after a node
 * (migrations/0002_names.sql, 0003_durable.sql). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

#define NO_ROWS "'{}', '{}', '{}', '{}', '{}', '{}'"
#define ADD                                                                                        \
    "SELECT added FROM troupe.link_write($1, ARRAY[$2], ARRAY[$3::bigint], ARRAY[$4::bigint], "    \
    "ARRAY[$5::bigint], ARRAY[$6::bigint], ARRAY[$7::bigint], " NO_ROWS ")"
#define REMOVE                                                                                     \
    "SELECT removed FROM troupe.link_write($1, " NO_ROWS ", ARRAY[$2], ARRAY[$3::bigint], "        \
    "ARRAY[$4::bigint], ARRAY[$5::bigint], ARRAY[$6::bigint], ARRAY[$7::bigint])"

static void a_link_is_one_row_whoever_writes_it(void **state)
{
    struct cluster *cluster = *state;
    const struct member one = cluster_join_bare(cluster, "n1", "60000");
    const struct member two = cluster_join_bare(cluster, "n2", "60000");
    const char *a = pg_text(one.id);
    const char *b = pg_text(two.id);

    (void)cluster_register(cluster->admin, two.id, "named", 6, NULL);
    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(a, "link", a, "5", b, "6", "0")), 1);
    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(b, "link", b, "6", a, "5", "9")), 0);
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT format('%s %s %s %s %s %s', kind, node, actor_id, other_node, "
               "other_actor_id, other_name) FROM troupe.links",
               PG_NONE),
        "link n1 5 n2 6 named");
    assert_int_equal(pg_number(cluster->admin, REMOVE, PG_VALUES(b, "link", b, "6", a, "5", "0")),
                     1);
    assert_int_equal(pg_number(cluster->admin, REMOVE, PG_VALUES(a, "link", a, "5", b, "6", "0")),
                     0);
}

static void monitors_have_a_direction_and_a_number(void **state)
{
    struct cluster *cluster = *state;
    const struct member one = cluster_join_bare(cluster, "n1", "60000");
    const struct member two = cluster_join_bare(cluster, "n2", "60000");
    const char *a = pg_text(one.id);
    const char *b = pg_text(two.id);

    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(b, "monitor", b, "6", a, "5", "1")),
                     1);
    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(b, "monitor", b, "6", a, "5", "2")),
                     1);
    assert_int_equal(
        pg_number(cluster->admin, REMOVE, PG_VALUES(b, "monitor", b, "6", a, "5", "1")), 1);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT kind || ' ' || node || ' ' || other_node FROM troupe.links",
                               PG_NONE),
                        "monitor n2 n1");
}

static void links_of_others_and_with_the_dead_are_not_written(void **state)
{
    struct cluster *cluster = *state;
    const struct member one = cluster_join_bare(cluster, "n1", "60000");
    const struct member two = cluster_join_bare(cluster, "n2", "60000");
    const struct member three = cluster_join_bare(cluster, "n3", "60000");
    const char *a = pg_text(one.id);
    const char *b = pg_text(two.id);
    const char *c = pg_text(three.id);

    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(c, "link", a, "5", b, "6", "0")), 0);
    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(a, "link", a, "5", b, "6", "0")), 1);
    assert_int_equal(pg_number(cluster->admin, REMOVE, PG_VALUES(c, "link", a, "5", b, "6", "0")),
                     0);
    cluster_kill(cluster, one.id, two.id);
    assert_int_equal(pg_number(cluster->admin, ADD, PG_VALUES(a, "link", a, "7", b, "6", "0")), 0);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.links", PG_NONE), 0);
    assert_string_equal(
        pg_refused(cluster->admin, ADD, PG_VALUES(a, "marriage", a, "5", c, "6", "0")), "23514");
}

static void samples_show_unnamed_actors_and_the_state_of_volatile_ones(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const char *id = pg_text(node.id);
    static const char actors[] =
        "SELECT string_agg(format('%s %s %s %s %s', coalesce(name, '-'), actor_id, state ->> "
        "'cents', "
        "mailbox_messages, status), ', ' ORDER BY actor_id) FROM troupe.actors";

    (void)cluster_register(cluster->admin, node.id, "durable", 1, "{\"cents\": 1}");
    pg_run(cluster->admin,
           "SELECT * FROM troupe.name_register($1, '{volatile}', '{2}', '{f}', '{f}', '{test}', "
           "'{1}', "
           "'{NULL}', '{NULL}')",
           PG_VALUES(id));
    assert_int_equal(
        pg_number(
            cluster->admin,
            "SELECT troupe.sample_write($1, '{1,2,3}', '{test,test,test}', ARRAY['{\"cents\": 9}', "
            "'{\"cents\": 8}', NULL], '{1,1,1}', '{10,20,30}', '{0.5,1,2}')",
            PG_VALUES(id)),
        3);
    assert_string_equal(pg_one(cluster->admin, actors, PG_NONE),
                        "durable 1 1 10 running, volatile 2 8 20 running, - 3  30 running");
    /* A later sample without state keeps the state; a forgotten actor is gone. */
    pg_run(cluster->admin,
           "SELECT troupe.sample_write($1, '{2}', '{test}', '{NULL}', '{NULL}', '{0}', '{NULL}', "
           "'{3}')",
           PG_VALUES(id));
    assert_string_equal(pg_one(cluster->admin, actors, PG_NONE),
                        "durable 1 1 10 running, volatile 2 8 0 running");
}

static void a_dead_node_is_swept_in_pieces_and_keeps_its_durable_names(void **state)
{
    struct cluster *cluster = *state;
    const struct member dead = cluster_join_bare(cluster, "n1", "60000");
    const struct member live = cluster_join_bare(cluster, "n2", "60000");
    const char *a = pg_text(dead.id);
    const char *b = pg_text(live.id);

    (void)cluster_register(cluster->admin, dead.id, "durable", 1, NULL);
    pg_run(cluster->admin,
           "SELECT * FROM (SELECT array_agg('v' || i) n, array_agg(i) a, array_agg(false) f, "
           "array_agg(NULL::text) t, array_agg(0) z FROM generate_series(1, 25) i) x, "
           "troupe.name_register($1, x.n, x.a::bigint[], x.f, x.f, x.t, x.z, x.t, x.t)",
           PG_VALUES(a));
    for (int64_t number = 0; number < 5; number++) {
        pg_run(cluster->admin, ADD, PG_VALUES(a, "link", a, pg_text(number), b, "6", "0"));
        pg_run(cluster->admin, ADD, PG_VALUES(b, "monitor", b, "6", a, "5", pg_text(number)));
    }
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.sweep($1, $2, 10)", PG_VALUES(b, a)),
                     0);
    cluster_kill(cluster, live.id, dead.id);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.unswept(10)", PG_NONE), dead.id);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.sweep($1, $2, 10)", PG_VALUES(b, a)),
                     20);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.sweep($1, $2, 10)", PG_VALUES(b, a)),
                     10);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.sweep($1, $2, 10)", PG_VALUES(b, a)),
                     5);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.sweep($1, $2, 10)", PG_VALUES(b, a)),
                     0);
    assert_string_equal(
        pg_one(cluster->admin, "SELECT string_agg(name, ' ') FROM troupe.names", PG_NONE),
        "durable");
    /* It is looked at once more when nothing of it can be under way any longer. */
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.unswept(10)", PG_NONE),
                     1);
    pg_run(cluster->admin,
           "UPDATE troupe.node SET ended_at = ended_at - interval '2 minutes' WHERE node_id = $1",
           PG_VALUES(a));
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.sweep($1, $2, 10)", PG_VALUES(b, a)),
                     0);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.unswept(10)", PG_NONE),
                     0);
}

static void history_is_kept_for_its_time_and_as_long_as_names_need_it(void **state)
{
    struct cluster *cluster = *state;
    const struct member live = cluster_join_bare(cluster, "n1", "60000");
    const struct member empty = cluster_join_bare(cluster, "n2", "60000");
    const struct member owner = cluster_join_bare(cluster, "n3", "60000");

    (void)cluster_register(cluster->admin, owner.id, "durable", 1, NULL);
    pg_run(cluster->admin, "SELECT troupe.send('durable', 'm', '{}', gen_random_uuid())", PG_NONE);
    cluster_kill(cluster, live.id, empty.id);
    cluster_kill(cluster, live.id, owner.id);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.prune(100)", PG_NONE), 0);
    pg_run(cluster->admin, "UPDATE troupe.event SET at = at - interval '8 days'", PG_NONE);
    pg_run(cluster->admin, "UPDATE troupe.operation SET at = at - interval '8 days'", PG_NONE);
    pg_run(cluster->admin,
           "UPDATE troupe.node SET ended_at = ended_at - interval '8 days', swept = true WHERE "
           "state = 'down'",
           PG_NONE);
    /* Five events and an operation; then the node that owns nothing. */
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.prune(100)", PG_NONE), 7);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT string_agg(name, ' ' ORDER BY name) FROM troupe.nodes",
                               PG_NONE),
                        "n1 n3");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT name FROM troupe.name_claim($1, $2, NULL, '', 9)",
                               PG_VALUES(pg_text(live.id), pg_text(owner.id))),
                        "durable");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_link_is_one_row_whoever_writes_it),
        TEST(monitors_have_a_direction_and_a_number),
        TEST(links_of_others_and_with_the_dead_are_not_written),
        TEST(samples_show_unnamed_actors_and_the_state_of_volatile_ones),
        TEST(a_dead_node_is_swept_in_pieces_and_keeps_its_durable_names),
        TEST(history_is_kept_for_its_time_and_as_long_as_names_need_it),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
