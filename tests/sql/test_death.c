/* What is tested: who may declare a node dead, and that exactly one does
 * (migrations/0001_core.sql). Method: statements are sent on 16 connections before any answer is
 * read, so that the server runs them at one time; many rounds, since a race shows itself now and
 * then. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

enum { ROUNDS = 40 };

static int64_t epoch_now(struct cluster *cluster)
{
    return pg_number(cluster->admin, "SELECT epoch FROM troupe.cluster", PG_NONE);
}

static int64_t deaths_of(struct cluster *cluster, int64_t node_id)
{
    return pg_number(cluster->admin,
                     "SELECT count(*) FROM troupe.event WHERE kind = 'node_down' AND node_id = $1",
                     PG_VALUES(pg_text(node_id)));
}

static void assert_refused(struct cluster *cluster, const char *sql, int64_t by, int64_t victim,
                           const char *why)
{
    const char *refused = pg_one(cluster->admin, sql, PG_VALUES(pg_text(by), pg_text(victim)));

    if (refused == NULL) {
        fail_msg("was not refused: %s", sql);
    } else {
        assert_string_equal(refused, why);
    }
}

#define EXPIRED "SELECT refused FROM troupe.node_declare_expired($1, $2)"
#define GONE "SELECT refused FROM troupe.node_declare_gone($1, $2)"
#define LOST "SELECT refused FROM troupe.node_declare_lost($1, $2, 100)"

/* ---- one winner ---- */

static void accuse_all(struct cluster *cluster, const int64_t *accusers, int64_t victim,
                       const char *const *statements, size_t statement_count)
{
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        assert_int_equal(reg_sync_send(cluster->crowd[index], statements[index % statement_count],
                                       PG_VALUES(pg_text(accusers[index]), pg_text(victim))),
                         TROUPE_OK);
    }
}

/* Answers how many won; every other answer has to be `already down` at the winner's epoch. */
static int count_winners(struct cluster *cluster, int64_t *epoch)
{
    int winners = 0;
    const char *already[CLUSTER_CROWD] = {0};

    *epoch = 0;
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
        if (pg_column(cluster->crowd[index], 1) == NULL) {
            winners++;
            *epoch = strtoll(pg_column(cluster->crowd[index], 0), NULL, 10);
        } else {
            assert_string_equal(pg_column(cluster->crowd[index], 1), "already down");
            already[index] = pg_column(cluster->crowd[index], 0);
        }
    }
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        if (already[index] != NULL) {
            assert_int_equal(strtoll(already[index], NULL, 10), *epoch);
        }
    }
    return winners;
}

static void join_accusers(struct cluster *cluster, int64_t *accusers)
{
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        accusers[index] = cluster_join_bare(cluster, pg_text((int64_t)index), "60000").id;
        cluster_establish(cluster, accusers[index]);
    }
}

static void sixteen_accusers_of_one_victim_have_one_winner(void **state)
{
    static const char *const statements[] = {"SELECT * FROM troupe.node_declare_expired($1, $2)"};
    struct cluster *cluster = *state;
    int64_t accusers[CLUSTER_CROWD];

    cluster_gather(cluster);
    join_accusers(cluster, accusers);
    for (int round = 0; round < ROUNDS; round++) {
        const struct member victim = cluster_join_bare(cluster, "victim", "500");
        const int64_t before = epoch_now(cluster);
        int64_t epoch = 0;

        cluster_expire(cluster, victim.id);
        accuse_all(cluster, accusers, victim.id, statements, 1);
        assert_int_equal(count_winners(cluster, &epoch), 1);
        assert_int_equal(epoch, before + 1);
        assert_int_equal(epoch_now(cluster), before + 1);
        assert_int_equal(deaths_of(cluster, victim.id), 1);
        assert_int_equal(pg_number(cluster->admin,
                                   "SELECT down_epoch FROM troupe.node WHERE node_id = $1",
                                   PG_VALUES(pg_text(victim.id))),
                         epoch);
    }
}

static void accusers_with_different_evidence_have_one_winner(void **state)
{
    static const char *const statements[] = {
        "SELECT * FROM troupe.node_declare_expired($1, $2)",
        "SELECT * FROM troupe.node_declare_gone($1, $2)",
        "SELECT * FROM troupe.node_declare_lost($1, $2, 100)",
    };
    struct cluster *cluster = *state;
    int64_t accusers[CLUSTER_CROWD];

    cluster_gather(cluster);
    join_accusers(cluster, accusers);
    for (int round = 0; round < ROUNDS / 2; round++) {
        struct member victim = cluster_join(cluster, "victim", "500");
        int64_t epoch = 0;

        cluster_disconnect(cluster, &victim);
        cluster_expire(cluster, victim.id);
        pg_run(cluster->admin,
               "UPDATE troupe.lease SET lost_since = clock_timestamp() - interval '1 s' "
               "WHERE node_id = $1",
               PG_VALUES(pg_text(victim.id)));
        accuse_all(cluster, accusers, victim.id, statements, 3);
        assert_int_equal(count_winners(cluster, &epoch), 1);
        assert_int_equal(deaths_of(cluster, victim.id), 1);
    }
}

/* ---- against the victim's own calls ---- */

static void a_renewal_that_races_a_death_is_seen_or_finds_nothing(void **state)
{
    struct cluster *cluster = *state;
    int64_t accusers[CLUSTER_CROWD];
    int renewed = 0;

    cluster_gather(cluster);
    join_accusers(cluster, accusers);
    for (int round = 0; round < ROUNDS; round++) {
        const struct member victim = cluster_join_bare(cluster, "victim", "60000");
        const size_t place = (size_t)round % CLUSTER_CROWD;
        int deaths = 0;
        bool alive = false;

        cluster_expire(cluster, victim.id);
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(
                index == place
                    ? reg_sync_send(cluster->crowd[index],
                                    "SELECT epoch FROM troupe.node_renew($1, $2)",
                                    PG_VALUES(pg_text(victim.id), victim.boot))
                    : reg_sync_send(cluster->crowd[index], EXPIRED,
                                    PG_VALUES(pg_text(accusers[index]), pg_text(victim.id))),
                TROUPE_OK);
        }
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
            if (index == place) {
                alive = pg_column(cluster->crowd[index], 0) != NULL;
            } else {
                deaths += pg_column(cluster->crowd[index], 0) == NULL;
            }
        }
        renewed += alive;
        assert_int_equal(deaths, alive ? 0 : 1);
        assert_int_equal(deaths_of(cluster, victim.id), deaths);
        if (alive) {
            assert_refused(cluster, EXPIRED, accusers[0], victim.id, "lease valid");
            cluster_kill(cluster, accusers[0], victim.id);
        }
        /* Dead is dead: neither way back. */
        assert_null(pg_one(cluster->admin, "SELECT until FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(victim.id), victim.boot)));
        assert_null(pg_one(cluster->admin, "SELECT until FROM troupe.node_reinstate($1, $2)",
                           PG_VALUES(pg_text(victim.id), victim.boot)));
    }
    print_message("%d of %d renewals came first\n", renewed, ROUNDS);
}

/* Half of the crowd accuses, the other half reinstates: whoever comes first, the others agree with
 * it. */
static void a_reinstatement_comes_before_the_death_or_finds_the_node_fenced(void **state)
{
    struct cluster *cluster = *state;
    int64_t accusers[CLUSTER_CROWD];

    cluster_gather(cluster);
    join_accusers(cluster, accusers);
    for (int round = 0; round < ROUNDS; round++) {
        const struct member victim = cluster_join_bare(cluster, "victim", "60000");
        int deaths = 0;
        int reinstated = 0;

        cluster_expire(cluster, victim.id);
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(
                (index + (size_t)round) % 2 == 0
                    ? reg_sync_send(cluster->crowd[index],
                                    "SELECT until FROM troupe.node_reinstate($1, $2)",
                                    PG_VALUES(pg_text(victim.id), victim.boot))
                    : reg_sync_send(cluster->crowd[index], EXPIRED,
                                    PG_VALUES(pg_text(accusers[index]), pg_text(victim.id))),
                TROUPE_OK);
        }
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            const bool reinstates = (index + (size_t)round) % 2 == 0;

            assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
            if (reinstates) {
                reinstated += pg_column(cluster->crowd[index], 0) != NULL;
            } else {
                deaths += pg_column(cluster->crowd[index], 0) == NULL;
            }
        }
        assert_int_equal(deaths, reinstated > 0 ? 0 : 1);
        assert_int_equal(
            pg_number(cluster->admin,
                      "SELECT count(*) FROM troupe.lease JOIN troupe.node USING (node_id) "
                      "WHERE state = 'down'",
                      PG_NONE),
            0);
        if (deaths == 0) {
            cluster_kill(cluster, accusers[0], victim.id);
        }
    }
}

static void a_missing_lease_is_reinstated_and_never_a_death(void **state)
{
    struct cluster *cluster = *state;
    int64_t accusers[CLUSTER_CROWD];

    cluster_gather(cluster);
    join_accusers(cluster, accusers);
    for (int round = 0; round < ROUNDS; round++) {
        const struct member victim = cluster_join_bare(cluster, "victim", "60000");
        const size_t place = (size_t)round % CLUSTER_CROWD;

        pg_run(cluster->admin, "DELETE FROM troupe.lease WHERE node_id = $1",
               PG_VALUES(pg_text(victim.id)));
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(
                index == place
                    ? reg_sync_send(cluster->crowd[index],
                                    "SELECT until FROM troupe.node_reinstate($1, $2)",
                                    PG_VALUES(pg_text(victim.id), victim.boot))
                    : reg_sync_send(cluster->crowd[index], EXPIRED,
                                    PG_VALUES(pg_text(accusers[index]), pg_text(victim.id))),
                TROUPE_OK);
        }
        for (size_t index = 0; index < CLUSTER_CROWD; index++) {
            assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
            assert_non_null(pg_column(cluster->crowd[index], 0));
        }
        assert_int_equal(deaths_of(cluster, victim.id), 0);
        assert_string_equal(pg_one(cluster->admin,
                                   "SELECT until > clock_timestamp() FROM troupe.lease "
                                   "WHERE node_id = $1",
                                   PG_VALUES(pg_text(victim.id))),
                            "t");
        cluster_kill(cluster, accusers[0], victim.id);
    }
}

/* ---- who may accuse, and with what ---- */

static void an_accuser_has_to_hold_a_lease_and_may_not_accuse_itself(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join_bare(cluster, "accuser", "60000");
    const struct member victim = cluster_join_bare(cluster, "victim", "60000");

    cluster_expire(cluster, victim.id);
    cluster_expire(cluster, accuser.id);
    assert_refused(cluster, EXPIRED, accuser.id, victim.id, "accuser holds no lease");
    assert_refused(cluster, GONE, accuser.id, victim.id, "accuser holds no lease");
    assert_refused(cluster, LOST, accuser.id, victim.id, "accuser holds no lease");
    cluster_establish(cluster, accuser.id);
    assert_refused(cluster, EXPIRED, accuser.id, accuser.id, "a node cannot accuse itself");
    assert_refused(cluster, EXPIRED, accuser.id, 4711, "no such node");
    cluster_kill(cluster, accuser.id, victim.id);
    assert_refused(cluster, GONE, victim.id, accuser.id, "accuser holds no lease");
    assert_int_equal(deaths_of(cluster, accuser.id), 0);
}

static void only_a_full_lease_of_unbroken_service_allows_to_call_a_lease_expired(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join_bare(cluster, "accuser", "60000");
    const struct member victim = cluster_join_bare(cluster, "victim", "60000");
    static const char why[] = "accuser has not been served for the victim's ttl";

    cluster_expire(cluster, victim.id);
    assert_refused(cluster, EXPIRED, accuser.id, victim.id, why);
    /* A renewal that comes late, though within its lease, starts the count again. */
    cluster_establish(cluster, accuser.id);
    pg_run(cluster->admin,
           "UPDATE troupe.lease SET until = clock_timestamp() + interval '29 s' WHERE node_id = $1",
           PG_VALUES(pg_text(accuser.id)));
    assert_non_null(pg_one(cluster->admin, "SELECT epoch FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(accuser.id), accuser.boot)));
    assert_refused(cluster, EXPIRED, accuser.id, victim.id, why);
    /* One in time does not. */
    cluster_establish(cluster, accuser.id);
    pg_run(cluster->admin,
           "UPDATE troupe.lease SET until = clock_timestamp() + interval '31 s' WHERE node_id = $1",
           PG_VALUES(pg_text(accuser.id)));
    assert_non_null(pg_one(cluster->admin, "SELECT epoch FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(accuser.id), accuser.boot)));
    assert_null(
        pg_one(cluster->admin, EXPIRED, PG_VALUES(pg_text(accuser.id), pg_text(victim.id))));
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT down_reason || ' ' || declared_by || ' ' || state "
                               "FROM troupe.nodes WHERE node_id = $1",
                               PG_VALUES(pg_text(victim.id))),
                        "expired accuser down");
}

static void a_new_session_starts_the_count_of_unbroken_service_again(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join(cluster, "accuser", "60000");
    const struct member victim = cluster_join_bare(cluster, "victim", "60000");
    struct reg_sync *second = pg_connect(cluster->conninfo);

    cluster_expire(cluster, victim.id);
    cluster_establish(cluster, accuser.id);
    pg_run(second, "SELECT troupe.node_hold($1)", PG_VALUES(pg_text(accuser.id)));
    assert_refused(cluster, EXPIRED, accuser.id, victim.id,
                   "accuser has not been served for the victim's ttl");
    reg_sync_close(second);
    reg_sync_close(accuser.sync);
}

static void a_node_is_gone_only_when_its_session_was_seen_and_is_broken(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join_bare(cluster, "accuser", "60000");
    const struct member quiet = cluster_join_bare(cluster, "quiet", "60000");
    struct member victim = cluster_join(cluster, "victim", "60000");

    assert_refused(cluster, GONE, accuser.id, quiet.id, "session not seen");
    assert_refused(cluster, GONE, accuser.id, victim.id, "session alive");
    cluster_disconnect(cluster, &victim);
    assert_null(pg_one(cluster->admin, GONE, PG_VALUES(pg_text(accuser.id), pg_text(victim.id))));
    assert_refused(cluster, GONE, accuser.id, victim.id, "already down");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT detail FROM troupe.events WHERE node_id = $1 "
                               "AND kind = 'node_down'",
                               PG_VALUES(pg_text(victim.id))),
                        "gone");
}

static void a_restart_of_the_server_is_no_evidence_against_anybody(void **state)
{
    struct cluster *cluster = *state;
    struct member accuser = cluster_join(cluster, "accuser", "60000");
    struct member victim = cluster_join(cluster, "victim", "60000");

    pg_server_halt(cluster->server);
    reg_sync_close(accuser.sync);
    reg_sync_close(victim.sync);
    reg_sync_close(cluster->admin);
    pg_server_resume(cluster->server);
    cluster->admin = pg_connect(cluster->conninfo);
    pg_run(cluster->admin, "SET ROLE troupe_owner", PG_NONE);

    assert_refused(cluster, GONE, accuser.id, victim.id, "session not seen");
    assert_refused(cluster, LOST, accuser.id, victim.id, "session not seen");
    /* Not even for a new start of that name, until a full ttl has passed. */
    cluster_expire(cluster, victim.id);
    assert_non_null(pg_one(cluster->admin,
                           "SELECT refused FROM troupe.node_join('victim', '127.0.0.1', 7000, "
                           "gen_random_uuid(), 60000)",
                           PG_NONE));
    /* Back again, its next renewal makes it a node like any other. */
    victim.sync = pg_connect(cluster->conninfo);
    pg_run(victim.sync, "SELECT troupe.node_hold($1)", PG_VALUES(pg_text(victim.id)));
    assert_non_null(pg_one(victim.sync, "SELECT epoch FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(victim.id), victim.boot)));
    cluster_disconnect(cluster, &victim);
    assert_null(pg_one(cluster->admin, GONE, PG_VALUES(pg_text(accuser.id), pg_text(victim.id))));
}

static void a_crash_of_the_server_empties_the_leases_and_kills_nobody(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join_bare(cluster, "accuser", "500");
    const struct member victim = cluster_join_bare(cluster, "victim", "500");

    pg_server_kill(cluster->server);
    reg_sync_close(cluster->admin);
    pg_server_resume(cluster->server);
    cluster->admin = pg_connect(cluster->conninfo);
    pg_run(cluster->admin, "SET ROLE troupe_owner", PG_NONE);

    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.lease", PG_NONE), 0);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.members()", PG_NONE),
                     2);
    assert_null(pg_one(cluster->admin, "SELECT until FROM troupe.node_renew($1, $2)",
                       PG_VALUES(pg_text(accuser.id), accuser.boot)));
    assert_non_null(pg_one(cluster->admin, "SELECT until FROM troupe.node_reinstate($1, $2)",
                           PG_VALUES(pg_text(accuser.id), accuser.boot)));
    cluster_establish(cluster, accuser.id);
    assert_refused(cluster, GONE, accuser.id, victim.id, "session not seen");
    assert_refused(cluster, EXPIRED, accuser.id, victim.id, "grace granted");
    assert_refused(cluster, EXPIRED, accuser.id, victim.id, "lease valid");
    /* The grace is a lease: when nobody comes for it, it runs out. */
    cluster_wait(cluster->admin, "SELECT refused IS NULL FROM troupe.node_declare_expired($1, $2)",
                 PG_VALUES(pg_text(accuser.id), pg_text(victim.id)));
    assert_int_equal(deaths_of(cluster, victim.id), 1);
}

static void a_node_is_lost_on_the_second_look_unless_it_renews_in_between(void **state)
{
    struct cluster *cluster = *state;
    const struct member accuser = cluster_join_bare(cluster, "accuser", "60000");
    struct member victim = cluster_join(cluster, "victim", "60000");

    assert_refused(cluster, LOST, accuser.id, victim.id, "session alive");
    cluster_disconnect(cluster, &victim);
    assert_refused(cluster, LOST, accuser.id, victim.id, "first look");
    assert_refused(cluster, LOST, accuser.id, victim.id, "in grace");
    assert_non_null(pg_one(cluster->admin, "SELECT epoch FROM troupe.node_renew($1, $2)",
                           PG_VALUES(pg_text(victim.id), victim.boot)));
    assert_refused(cluster, LOST, accuser.id, victim.id, "first look");
    cluster_wait(cluster->admin,
                 "SELECT refused IS NULL FROM troupe.node_declare_lost($1, $2, 100)",
                 PG_VALUES(pg_text(accuser.id), pg_text(victim.id)));
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT down_reason FROM troupe.nodes WHERE node_id = $1",
                               PG_VALUES(pg_text(victim.id))),
                        "lost");
}

/* ---- what a death does ---- */

static void a_death_rolls_back_what_a_zombie_has_left_open(void **state)
{
    struct cluster *cluster = *state;
    const struct member heir = cluster_join_bare(cluster, "heir", "60000");
    struct member zombie = cluster_join(cluster, "zombie", "60000");

    (void)cluster_register(zombie.sync, zombie.id, "account", 1, "{\"cents\": 1}");
    pg_run(zombie.sync, "BEGIN", PG_NONE);
    pg_run(zombie.sync, "SELECT FROM troupe.name FOR UPDATE", PG_NONE);
    cluster_kill(cluster, heir.id, zombie.id);
    cluster_wait(cluster->admin,
                 "SELECT EXISTS (SELECT FROM troupe.name_claim($1, $2, NULL, '', 10))",
                 PG_VALUES(pg_text(heir.id), pg_text(zombie.id)));
    assert_int_not_equal(reg_sync_exec(zombie.sync, "COMMIT", 0, NULL, PG_TIMEOUT_MS), TROUPE_OK);
    reg_sync_close(zombie.sync);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sixteen_accusers_of_one_victim_have_one_winner),
        TEST(accusers_with_different_evidence_have_one_winner),
        TEST(a_renewal_that_races_a_death_is_seen_or_finds_nothing),
        TEST(a_reinstatement_comes_before_the_death_or_finds_the_node_fenced),
        TEST(a_missing_lease_is_reinstated_and_never_a_death),
        TEST(an_accuser_has_to_hold_a_lease_and_may_not_accuse_itself),
        TEST(only_a_full_lease_of_unbroken_service_allows_to_call_a_lease_expired),
        TEST(a_new_session_starts_the_count_of_unbroken_service_again),
        TEST(a_node_is_gone_only_when_its_session_was_seen_and_is_broken),
        TEST(a_restart_of_the_server_is_no_evidence_against_anybody),
        TEST(a_crash_of_the_server_empties_the_leases_and_kills_nobody),
        TEST(a_node_is_lost_on_the_second_look_unless_it_renews_in_between),
        TEST(a_death_rolls_back_what_a_zombie_has_left_open),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
