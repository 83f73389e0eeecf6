/* What is tested: durable names of a dead node are taken over, each by exactly one node, and a
 * crash loop is stopped (migrations/0002_names.sql). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

#define CLAIM "SELECT name, epoch FROM troupe.name_claim($1, $2, NULL, '', 100)"

/* Registers name/0001 ... of a behavior, all in one call. */
static void register_many(struct cluster *cluster, int64_t node_id, int count, const char *behavior)
{
    assert_int_equal(
        pg_number(
            cluster->admin,
            "SELECT count(*) FILTER (WHERE r.won) FROM (SELECT array_agg($3::text || '/' || "
            "lpad(i::text, 4, "
            "'0')) n, array_agg(i) a, array_agg(true) t, array_agg(false) f, array_agg($3::text) "
            "b, "
            "array_agg(1) v, array_agg('each'::text) c, array_agg('{\"cents\": 1}'::text) s FROM "
            "generate_series(1, $2::int) i) x, troupe.name_register($1, x.n, x.a::bigint[], x.t, "
            "x.f, "
            "x.b, x.v, x.c, x.s) r",
            PG_VALUES(pg_text(node_id), pg_text(count), behavior)),
        count);
}

static void claimed_names_start_with_what_was_saved(void **state)
{
    struct cluster *cluster = *state;
    const struct member dead = cluster_join_bare(cluster, "n1", "60000");
    const struct member heir = cluster_join_bare(cluster, "n2", "60000");
    const char *id = pg_text(heir.id);
    const int64_t epoch = cluster_register(cluster->admin, dead.id, "a", 1, "{\"cents\": 1}");

    pg_run(cluster->admin,
           "SELECT * FROM troupe.step($1, '{a}', ARRAY[$2::bigint], '{9}', ARRAY['{\"cents\": "
           "7}'], '{3}', "
           "'{}', '{}', '{}', '{}', '{}', '{}')",
           PG_VALUES(pg_text(dead.id), pg_text(epoch)));
    pg_run(cluster->admin, CLAIM, PG_VALUES(id, pg_text(dead.id)));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0); /* it lives */
    cluster_kill(cluster, heir.id, dead.id);
    assert_string_equal(pg_one(cluster->admin, CLAIM, PG_VALUES(id, pg_text(dead.id))), "a");
    assert_true(strtoll(pg_column(cluster->admin, 1), NULL, 10) > epoch);
    pg_run(cluster->admin, CLAIM, PG_VALUES(id, pg_text(dead.id)));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT format('%s %s %s %s %s %s', behavior, behavior_version, checkpoint, "
               "strict, seq, state ->> 'cents') FROM troupe.name_load($1, '{a,b}')",
               PG_VALUES(id)),
        "test 3 each f 9 7");
    assert_string_equal(
        pg_one(cluster->admin, "SELECT node || ' ' || status FROM troupe.names", PG_NONE),
        "n2 starting");
    assert_int_equal(pg_number(cluster->admin,
                               "SELECT count(*) FROM troupe.name_started($1, '{a}', (SELECT "
                               "array_agg(epoch) FROM troupe.name), '{55}')",
                               PG_VALUES(id)),
                     0);
    assert_string_equal(
        pg_one(cluster->admin, "SELECT status || ' ' || actor_id FROM troupe.names", PG_NONE),
        "running 55");
    /* An epoch of before is refused by name. */
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT * FROM troupe.name_started($1, '{a}', ARRAY[$2::bigint], '{56}')",
               PG_VALUES(id, pg_text(epoch))),
        "a");
}

static void a_name_whose_actor_has_ended_is_stopped_until_it_is_started(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const int64_t epoch = cluster_register(cluster->admin, node.id, "a", 1, "{\"cents\": 1}");
    const char *const shown = "SELECT n.status || ' ' || a.status || ' ' || n.actor_id FROM "
                              "troupe.names n JOIN troupe.actors a USING (name)";
    const char *const say = "SELECT count(*) FROM troupe.name_started($1, '{a}', "
                            "ARRAY[$2::bigint], ARRAY[$3::bigint])";

    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "running running 1");
    assert_int_equal(
        pg_number(cluster->admin, say, PG_VALUES(pg_text(node.id), pg_text(epoch), "0")), 0);
    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "stopped stopped 1");
    assert_int_equal(
        pg_number(cluster->admin, say, PG_VALUES(pg_text(node.id), pg_text(epoch), "2")), 0);
    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "running running 2");
    /* Both in one call: the last counts. */
    assert_int_equal(pg_number(cluster->admin,
                               "SELECT count(*) FROM troupe.name_started($1, '{a,a}', "
                               "ARRAY[$2, $2]::bigint[], '{0,3}')",
                               PG_VALUES(pg_text(node.id), pg_text(epoch))),
                     0);
    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "running running 3");
    /* With another epoch nothing is said. */
    assert_int_equal(
        pg_number(cluster->admin, say, PG_VALUES(pg_text(node.id), pg_text(epoch + 1), "0")), 1);
    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "running running 3");
    /* When its node dies it waits like every other. */
    assert_int_equal(
        pg_number(cluster->admin, say, PG_VALUES(pg_text(node.id), pg_text(epoch), "0")), 0);
    const struct member heir = cluster_join_bare(cluster, "n2", "60000");

    cluster_kill(cluster, heir.id, node.id);
    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "waiting waiting 3");
    pg_run(cluster->admin, CLAIM, PG_VALUES(pg_text(heir.id), pg_text(node.id)));
    assert_string_equal(pg_one(cluster->admin, shown, PG_NONE), "starting starting 0");
}

/* Three heirs claim in small bites at one time while the zombie registers and saves. */
static void three_heirs_and_a_zombie_share_every_name_once(void **state)
{
    struct cluster *cluster = *state;
    const struct member zombie = cluster_join_bare(cluster, "zombie", "60000");
    int64_t heirs[3];
    int64_t total = 0;
    bool more = true;

    cluster_gather(cluster);
    for (size_t index = 0; index < 3; index++) {
        heirs[index] = cluster_join_bare(cluster, pg_text((int64_t)index), "60000").id;
    }
    register_many(cluster, zombie.id, 1000, "test");
    cluster_kill(cluster, heirs[0], zombie.id);
    while (more) {
        more = false;
        for (size_t index = 0; index < 4; index++) {
            assert_int_equal(
                index < 3
                    ? reg_sync_send(cluster->crowd[index],
                                    "SELECT count(*) FROM troupe.name_claim($1, $2, NULL, '', 37)",
                                    PG_VALUES(pg_text(heirs[index]), pg_text(zombie.id)))
                    : reg_sync_send(
                          cluster->crowd[index],
                          "SELECT count(*) FROM troupe.name_register($1, '{late}', '{1}', '{t}', "
                          "'{f}', '{test}', '{1}', '{each}', '{NULL}') r WHERE r.won",
                          PG_VALUES(pg_text(zombie.id))),
                TROUPE_OK);
        }
        for (size_t index = 0; index < 4; index++) {
            int64_t count = 0;

            assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
            count = strtoll(pg_column(cluster->crowd[index], 0), NULL, 10);
            if (index == 3) {
                assert_int_equal(count, 0);
            } else {
                total += count;
                more = more || count > 0;
            }
        }
    }
    assert_int_equal(total, 1000);
    assert_int_equal(
        pg_number(cluster->admin,
                  "SELECT count(*) FROM troupe.name WHERE node_id = ANY (ARRAY[$1, $2, "
                  "$3]::bigint[]) AND recoveries = 1",
                  PG_VALUES(pg_text(heirs[0]), pg_text(heirs[1]), pg_text(heirs[2]))),
        1000);
    /* Nothing that the zombie writes arrives, not even with the epoch it knows. */
    assert_int_equal(
        pg_number(
            cluster->admin,
            "SELECT count(*) FROM (SELECT array_agg(name) n, array_agg(epoch) e, array_agg(99) q, "
            "array_agg('{\"cents\": 0}'::text) s FROM (SELECT * FROM troupe.name LIMIT 100) y) x, "
            "troupe.step($1, x.n, x.e, x.q::bigint[], x.s, x.q, '{}', '{}', '{}', '{}', '{}', "
            "'{}') "
            "r WHERE r.why = 'fenced'",
            PG_VALUES(pg_text(zombie.id))),
        100);
    assert_int_equal(pg_number(cluster->admin,
                               "SELECT sum((state ->> 'cents')::int) FROM troupe.actors", PG_NONE),
                     1000);
}

static void a_claim_takes_known_behaviors_in_the_order_of_names(void **state)
{
    struct cluster *cluster = *state;
    const struct member dead = cluster_join_bare(cluster, "n1", "60000");
    const struct member heir = cluster_join_bare(cluster, "n2", "60000");
    static const char claim[] =
        "SELECT string_agg(name, ' ') FROM troupe.name_claim($1, $2, $3, $4, 2)";
    const char *id = pg_text(heir.id);
    const char *victim = pg_text(dead.id);

    register_many(cluster, dead.id, 4, "x");
    register_many(cluster, dead.id, 1, "y");
    cluster_kill(cluster, heir.id, dead.id);
    assert_null(pg_one(cluster->admin, claim, PG_VALUES(id, victim, "{z}", "")));
    assert_string_equal(pg_one(cluster->admin, claim, PG_VALUES(id, victim, "{x,z}", "x/0001")),
                        "x/0002 x/0003");
    assert_string_equal(pg_one(cluster->admin, claim, PG_VALUES(id, victim, "{x}", "")),
                        "x/0001 x/0004");
    assert_string_equal(pg_one(cluster->admin, claim, PG_VALUES(id, victim, NULL, "")), "y/0001");
}

static void names_that_others_are_claiming_are_skipped(void **state)
{
    struct cluster *cluster = *state;
    const struct member dead = cluster_join_bare(cluster, "n1", "60000");
    const struct member heir = cluster_join_bare(cluster, "n2", "60000");
    const struct member slow = cluster_join_bare(cluster, "n3", "60000");
    struct reg_sync *sync = pg_connect(cluster->conninfo);

    pg_run(sync, "SET ROLE troupe_owner", PG_NONE);
    register_many(cluster, dead.id, 3, "x");
    cluster_kill(cluster, heir.id, dead.id);
    pg_run(sync, "BEGIN", PG_NONE);
    assert_string_equal(pg_one(sync, "SELECT name FROM troupe.name_claim($1, $2, NULL, '', 1)",
                               PG_VALUES(pg_text(slow.id), pg_text(dead.id))),
                        "x/0001");
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(name, ' ') FROM troupe.name_claim($1, $2, NULL, '', 9)",
               PG_VALUES(pg_text(heir.id), pg_text(dead.id))),
        "x/0002 x/0003");
    /* The slow one gives up: its name is an orphan again. */
    pg_run(sync, "ROLLBACK", PG_NONE);
    assert_int_equal(pg_number(cluster->admin, "SELECT node_id FROM troupe.orphans($1)",
                               PG_VALUES(pg_text(heir.id))),
                     dead.id);
    assert_string_equal(
        pg_one(cluster->admin, CLAIM, PG_VALUES(pg_text(heir.id), pg_text(dead.id))), "x/0001");
    pg_run(cluster->admin, "SELECT * FROM troupe.orphans($1)", PG_VALUES(pg_text(heir.id)));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
    reg_sync_close(sync);
}

static void an_actor_that_kills_its_nodes_is_parked_until_somebody_says_otherwise(void **state)
{
    struct cluster *cluster = *state;
    const struct member watcher = cluster_join_bare(cluster, "watcher", "60000");
    struct member last = cluster_join_bare(cluster, "n0", "60000");
    int claims = 0;

    (void)cluster_register(cluster->admin, last.id, "bomb", 1, NULL);
    for (int round = 0; round < 6; round++) {
        const struct member next = cluster_join_bare(cluster, pg_text(round), "60000");

        cluster_kill(cluster, watcher.id, last.id);
        pg_run(cluster->admin, CLAIM, PG_VALUES(pg_text(next.id), pg_text(last.id)));
        claims += reg_result_count(reg_sync_result(cluster->admin));
        if (round < 5) {
            assert_int_equal(claims, round + 1);
            last = next;
        }
    }
    assert_int_equal(claims, 5);
    assert_string_equal(
        pg_one(cluster->admin, "SELECT status || ' ' || recoveries FROM troupe.names", PG_NONE),
        "parked 5");
    pg_run(cluster->admin, "SELECT * FROM troupe.orphans($1)", PG_VALUES(pg_text(watcher.id)));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
    assert_string_equal(
        pg_one(cluster->admin, "SELECT troupe.name_unpark('{bomb,other}')", PG_NONE), "bomb");
    assert_string_equal(
        pg_one(cluster->admin, CLAIM, PG_VALUES(pg_text(watcher.id), pg_text(last.id))), "bomb");
}

static void recoveries_long_ago_and_graceful_ends_do_not_count(void **state)
{
    struct cluster *cluster = *state;
    const struct member watcher = cluster_join_bare(cluster, "watcher", "60000");
    struct member last = cluster_join_bare(cluster, "n0", "60000");

    (void)cluster_register(cluster->admin, last.id, "a", 1, NULL);
    for (int round = 0; round < 14; round++) {
        const struct member next = cluster_join_bare(cluster, pg_text(round), "60000");

        if (round < 7) {
            assert_non_null(pg_one(cluster->admin, "SELECT troupe.node_leave($1, $2)",
                                   PG_VALUES(pg_text(last.id), last.boot)));
        } else {
            cluster_kill(cluster, watcher.id, last.id);
            pg_run(cluster->admin,
                   "UPDATE troupe.name SET recovered_at = recovered_at - interval '11 minutes'",
                   PG_NONE);
        }
        assert_string_equal(
            pg_one(cluster->admin, CLAIM, PG_VALUES(pg_text(next.id), pg_text(last.id))), "a");
        last = next;
    }
    assert_int_equal(pg_number(cluster->admin, "SELECT recoveries FROM troupe.names", PG_NONE), 1);
}

static void strict_durable_names_wait_for_the_lease(void **state)
{
    struct cluster *cluster = *state;
    const struct member heir = cluster_join_bare(cluster, "n1", "60000");
    struct member gone = cluster_join(cluster, "n2", "60000");
    const char *id = pg_text(heir.id);
    const char *victim = pg_text(gone.id);

    pg_run(cluster->admin,
           "SELECT * FROM troupe.name_register($1, '{s}', '{1}', '{t}', '{t}', '{test}', '{1}', "
           "'{each}', "
           "'{NULL}')",
           PG_VALUES(victim));
    cluster_disconnect(cluster, &gone);
    pg_run(
        cluster->admin,
        "UPDATE troupe.lease SET until = clock_timestamp() + interval '700 ms' WHERE node_id = $1",
        PG_VALUES(victim));
    assert_null(pg_one(cluster->admin, "SELECT refused FROM troupe.node_declare_gone($1, $2)",
                       PG_VALUES(id, victim)));
    pg_run(cluster->admin, CLAIM, PG_VALUES(id, victim));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
    pg_run(cluster->admin, "SELECT * FROM troupe.orphans($1)", PG_VALUES(id));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
    cluster_wait(cluster->admin, "SELECT EXISTS (SELECT FROM troupe.orphans($1))", PG_VALUES(id));
    assert_string_equal(pg_one(cluster->admin, CLAIM, PG_VALUES(id, victim)), "s");
}

static void orphans_are_found_and_a_nodes_own_are_marked(void **state)
{
    struct cluster *cluster = *state;
    const struct member watcher = cluster_join_bare(cluster, "n0", "60000");
    const struct member first = cluster_join_bare(cluster, "n1", "60000");
    const struct member second = cluster_join_bare(cluster, "n2", "60000");
    const struct member empty = cluster_join_bare(cluster, "n3", "60000");
    struct member again;

    register_many(cluster, first.id, 50, "x");
    register_many(cluster, second.id, 50, "y");
    register_many(cluster, watcher.id, 50, "z");
    cluster_kill(cluster, watcher.id, first.id);
    cluster_kill(cluster, watcher.id, second.id);
    cluster_kill(cluster, watcher.id, empty.id);
    again = cluster_join_bare(cluster, "n1", "60000");
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(format('%s %s %s', name, own, down_kind), ', ' ORDER BY "
               "node_id) FROM troupe.orphans($1)",
               PG_VALUES(pg_text(again.id))),
        "n1 t expired, n2 f expired");
}

static void a_node_that_is_not_up_claims_nothing(void **state)
{
    struct cluster *cluster = *state;
    const struct member watcher = cluster_join_bare(cluster, "n0", "60000");
    const struct member dead = cluster_join_bare(cluster, "n1", "60000");
    const struct member draining = cluster_join_bare(cluster, "n2", "60000");

    register_many(cluster, dead.id, 1, "x");
    cluster_kill(cluster, watcher.id, dead.id);
    pg_run(cluster->admin, "SELECT troupe.node_drain($1, $2)",
           PG_VALUES(pg_text(draining.id), draining.boot));
    pg_run(cluster->admin, CLAIM, PG_VALUES(pg_text(draining.id), pg_text(dead.id)));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
    pg_run(cluster->admin, CLAIM, PG_VALUES(pg_text(dead.id), pg_text(dead.id)));
    assert_int_equal(reg_result_count(reg_sync_result(cluster->admin)), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(claimed_names_start_with_what_was_saved),
        TEST(a_name_whose_actor_has_ended_is_stopped_until_it_is_started),
        TEST(three_heirs_and_a_zombie_share_every_name_once),
        TEST(a_claim_takes_known_behaviors_in_the_order_of_names),
        TEST(names_that_others_are_claiming_are_skipped),
        TEST(an_actor_that_kills_its_nodes_is_parked_until_somebody_says_otherwise),
        TEST(recoveries_long_ago_and_graceful_ends_do_not_count),
        TEST(strict_durable_names_wait_for_the_lease),
        TEST(orphans_are_found_and_a_nodes_own_are_marked),
        TEST(a_node_that_is_not_up_claims_nothing),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
