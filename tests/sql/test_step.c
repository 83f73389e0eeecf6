/* What is tested: a step is all or nothing, once, and only for who holds the name; the others of
 * its batch go on (migrations/0003_durable.sql). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/cluster.h"

/* name, epoch, seq, state; one message handled and one sent. $6 and $7 may be NULL. */
#define STEP                                                                                       \
    "SELECT name, why FROM troupe.step($1, ARRAY[$2], ARRAY[$3::bigint], ARRAY[$4::bigint], "      \
    "ARRAY[$5], '{1}', CASE WHEN $6::bigint IS NULL THEN '{}' ELSE '{1}'::int[] END, "             \
    "array_remove(ARRAY[$6::bigint], NULL), CASE WHEN $7::text IS NULL THEN '{}' ELSE "            \
    "'{1}'::int[] END, array_remove(ARRAY[$7], NULL), CASE WHEN $7 IS NULL THEN '{}' ELSE "        \
    "'{m}'::text[] END, CASE WHEN $7 IS NULL THEN '{}' ELSE ARRAY['{\"cents\": 5}'] END)"

struct actor {
    char node[24];
    char epoch[24];
};

static struct actor make_actor(struct cluster *cluster, int64_t node_id, const char *name)
{
    struct actor actor = {0};

    (void)snprintf(actor.node, sizeof(actor.node), "%s", pg_text(node_id));
    (void)snprintf(actor.epoch, sizeof(actor.epoch), "%s",
                   pg_text(cluster_register(cluster->admin, node_id, name, 1, "{\"cents\": 0}")));
    return actor;
}

/* Why it was refused, or "done". */
static const char *step(struct cluster *cluster, const struct actor *actor, const char *name,
                        const char *seq, const char *state, const char *handled, const char *to)
{
    pg_run(cluster->admin, STEP,
           PG_VALUES(actor->node, name, actor->epoch, seq, state, handled, to));
    return reg_result_count(reg_sync_result(cluster->admin)) == 0 ? "done"
                                                                  : pg_column(cluster->admin, 1);
}

static const char *cents(struct cluster *cluster, const char *name)
{
    return pg_one(cluster->admin,
                  "SELECT state ->> 'cents' || ' ' || seq FROM troupe.actors WHERE name = $1",
                  PG_VALUES(name));
}

static int64_t waiting(struct cluster *cluster, const char *name)
{
    return pg_number(cluster->admin,
                     "SELECT count(*) FROM troupe.durable_messages WHERE to_name = $1",
                     PG_VALUES(name));
}

static const char *send_to(struct cluster *cluster, const char *name)
{
    return pg_text(pg_number(cluster->admin, "SELECT troupe.send($1, 'm', '{\"cents\": 5}')",
                             PG_VALUES(name)));
}

static void state_consumed_and_sent_messages_are_written_together(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");

    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", send_to(cluster, "a"), "b"),
                        "done");
    assert_string_equal(cents(cluster, "a"), "7 1");
    assert_int_equal(waiting(cluster, "a"), 0);
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT format('%s %s %s %s', to_name, from_name, type, payload) "
                               "FROM troupe.durable_messages",
                               PG_NONE),
                        "b a m {\"cents\": 5}");
    /* Without a state the state stays, and the rest happens. */
    assert_string_equal(step(cluster, &a, "a", "2", NULL, send_to(cluster, "a"), "b"), "done");
    assert_string_equal(cents(cluster, "a"), "7 2");
    assert_int_equal(waiting(cluster, "a"), 0);
    assert_int_equal(waiting(cluster, "b"), 2);
}

static void a_step_whose_answer_was_lost_is_done_once(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");
    const char *message = send_to(cluster, "a");

    for (int round = 0; round < 3; round++) {
        assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", message, "b"), "done");
    }
    assert_int_equal(waiting(cluster, "b"), 1);
    assert_string_equal(cents(cluster, "a"), "7 1");
}

static void a_refused_step_writes_nothing(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct member other = cluster_join_bare(cluster, "n2", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");
    struct actor wrong = a;
    const char *message = send_to(cluster, "a");
    const char *stray = send_to(cluster, "b");

    assert_string_equal(step(cluster, &a, "a", "5", "{\"cents\": 1}", NULL, NULL), "done");
    assert_string_equal(step(cluster, &a, "a", "4", "{\"cents\": 9}", message, "c"), "stale");
    (void)snprintf(wrong.epoch, sizeof(wrong.epoch), "%s", "999999");
    assert_string_equal(step(cluster, &wrong, "a", "6", "{\"cents\": 9}", message, "c"), "fenced");
    wrong = a;
    (void)snprintf(wrong.node, sizeof(wrong.node), "%s", pg_text(other.id));
    assert_string_equal(step(cluster, &wrong, "a", "6", "{\"cents\": 9}", message, "c"), "fenced");
    assert_string_equal(step(cluster, &a, "nobody", "6", "{\"cents\": 9}", message, "c"), "fenced");
    assert_string_equal(step(cluster, &a, "a", "6", "{\"cents\": 9}", stray, "c"), "replayed");
    assert_string_equal(step(cluster, &a, "a", "6", "{\"cents\": 9}", "999999", "c"), "replayed");
    assert_string_equal(step(cluster, &a, "a", "6", "{\"cents\": 9}", message, "bad\nname"),
                        "too big");
    assert_string_equal(cents(cluster, "a"), "1 5");
    assert_int_equal(waiting(cluster, "a"), 1);
    assert_int_equal(waiting(cluster, "b"), 1);
    assert_int_equal(waiting(cluster, "c"), 0);
}

static void a_message_is_consumed_by_one_step_only(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");
    const char *message = send_to(cluster, "a");

    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 5}", message, NULL), "done");
    assert_string_equal(step(cluster, &a, "a", "2", "{\"cents\": 10}", message, NULL), "replayed");
    assert_string_equal(cents(cluster, "a"), "5 1");
}

static void a_dead_node_saves_nothing_though_nobody_has_claimed_yet(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct member other = cluster_join_bare(cluster, "n2", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");
    const char *message = send_to(cluster, "a");

    cluster_kill(cluster, other.id, node.id);
    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 9}", message, "b"), "fenced");
    assert_string_equal(cents(cluster, "a"), "0 0");
    assert_null(pg_one(cluster->admin,
                       "SELECT attempts FROM troupe.inbox_fail($1, 'a', $2, $3, 'x')",
                       PG_VALUES(a.node, a.epoch, message)));
}

/* Sends a step on a connection of its own and waits until it waits for a lock. */
static struct reg_sync *step_until_blocked(struct cluster *cluster, const struct actor *actor,
                                           const char *handled)
{
    struct reg_sync *sync = pg_connect(cluster->conninfo);

    pg_run(sync, "SET ROLE troupe_owner", PG_NONE);
    assert_int_equal(reg_sync_send(sync, STEP,
                                   PG_VALUES(actor->node, "a", actor->epoch, "1", "{\"cents\": 7}",
                                             handled, "b")),
                     TROUPE_OK);
    cluster_wait(cluster->admin,
                 "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)",
                 PG_VALUES(pg_text(reg_sync_server_pid(sync))));
    return sync;
}

static void a_batch_that_runs_on_two_connections_is_done_once(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");
    struct reg_sync *second = NULL;

    pg_run(cluster->admin, "BEGIN", PG_NONE);
    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", NULL, "b"), "done");
    second = step_until_blocked(cluster, &a, NULL);
    pg_run(cluster->admin, "COMMIT", PG_NONE);
    /* It was judged before the first was there, and is told to ask again. */
    assert_int_equal(reg_sync_receive(second, PG_TIMEOUT_MS), TROUPE_E_AGAIN);
    assert_string_equal(reg_sync_result(second)->sqlstate, "40001");
    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", NULL, "b"), "done");
    assert_int_equal(waiting(cluster, "b"), 1);
    reg_sync_close(second);
}

static void a_message_that_goes_away_meanwhile_is_not_counted(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");
    const char *message = send_to(cluster, "a");
    struct reg_sync *second = NULL;

    pg_run(cluster->admin, "BEGIN", PG_NONE);
    pg_run(cluster->admin, "DELETE FROM troupe.inbox WHERE id = $1", PG_VALUES(message));
    second = step_until_blocked(cluster, &a, message);
    pg_run(cluster->admin, "COMMIT", PG_NONE);
    assert_int_equal(reg_sync_receive(second, PG_TIMEOUT_MS), TROUPE_E_AGAIN);
    assert_string_equal(cents(cluster, "a"), "0 0");
    assert_int_equal(waiting(cluster, "b"), 0);
    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", message, "b"), "replayed");
    reg_sync_close(second);
}

static void of_a_batch_the_good_steps_are_written_and_the_bad_ones_named(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");

    for (int64_t number = 1; number <= 4; number++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "a%s", pg_text(number));
        (void)make_actor(cluster, node.id, name);
        (void)send_to(cluster, name);
    }
    pg_run(cluster->admin, "UPDATE troupe.name SET seq = 9 WHERE name = 'a2'", PG_NONE);
    /* a1 is right; a2 stale; a3 handles a message of a4; a4 is right and handles its own. */
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(r.name || ' ' || r.why, ', ' ORDER BY r.name) FROM (SELECT "
               "array_agg(name ORDER BY name DESC) n, array_agg(epoch ORDER BY name DESC) e FROM "
               "troupe.name) x, (SELECT array_agg(id ORDER BY id) i FROM troupe.inbox) y, "
               "troupe.step($1, x.n, x.e, '{1,1,1,1}', array_fill('{\"cents\": 3}'::text, '{4}'), "
               "'{1,1,1,1}', '{1,2,4}', ARRAY[y.i[4], y.i[4], y.i[1]], '{1,2,3,4,1}', "
               "'{x4,x3,x2,x1,y4}', '{m,m,m,m,m}', '{1,1,1,1,1}') r",
               PG_VALUES(pg_text(node.id))),
        "a2 stale, a3 replayed");
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(name || ' ' || (state ->> 'cents'), ', ' ORDER BY name) "
               "FROM troupe.actors",
               PG_NONE),
        "a1 3, a2 0, a3 0, a4 3");
    assert_string_equal(pg_one(cluster->admin,
                               "SELECT string_agg(to_name, ' ' ORDER BY id) FROM troupe.inbox",
                               PG_NONE),
                        "a2 a3 x4 x1 y4");
}

static void two_steps_of_one_actor_in_a_batch_are_a_mistake(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");

    assert_string_equal(
        pg_refused(cluster->admin,
                   "SELECT * FROM troupe.step($1, '{a,a}', ARRAY[$2::bigint, $2], '{1,2}', "
                   "'{NULL,NULL}', '{1,1}', '{}', '{}', '{}', '{}', '{}', '{}')",
                   PG_VALUES(a.node, a.epoch)),
        "22023");
    assert_string_equal(
        pg_refused(
            cluster->admin,
            "SELECT * FROM troupe.step($1, '{a}', ARRAY[$2::bigint], '{1}', '{NULL}', '{1}', "
            "'{1}', '{}', '{}', '{}', '{}', '{}')",
            PG_VALUES(a.node, a.epoch)),
        "22023");
}

static void a_state_above_the_limit_is_refused_alone(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");

    pg_run(
        cluster->admin,
        "UPDATE troupe.setting SET value = 20 WHERE name IN ('state_size_max', 'payload_size_max')",
        PG_NONE);
    assert_string_equal(
        step(cluster, &a, "a", "1", "{\"cents\": 7, \"x\": \"aaaaaaaaaaaa\"}", NULL, NULL),
        "too big");
    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", NULL, "b"), "done");
    assert_string_equal(pg_refused(cluster->admin,
                                   "SELECT troupe.send('a', 'm', '{\"x\": \"aaaaaaaaaaaaaaaaa\"}')",
                                   PG_NONE),
                        "54000");
}

static void what_was_answered_survives_a_crash_of_the_server(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct actor a = make_actor(cluster, node.id, "a");

    /* Somebody turned durability down for this session; a step is durable all the same. */
    pg_run(cluster->admin, "SET synchronous_commit = off", PG_NONE);
    assert_string_equal(step(cluster, &a, "a", "1", "{\"cents\": 7}", send_to(cluster, "a"), "b"),
                        "done");
    pg_server_kill(cluster->server);
    reg_sync_close(cluster->admin);
    pg_server_resume(cluster->server);
    cluster->admin = pg_connect(cluster->conninfo);
    assert_string_equal(cents(cluster, "a"), "7 1");
    assert_int_equal(waiting(cluster, "b"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(state_consumed_and_sent_messages_are_written_together),
        TEST(a_step_whose_answer_was_lost_is_done_once),
        TEST(a_refused_step_writes_nothing),
        TEST(a_message_is_consumed_by_one_step_only),
        TEST(a_dead_node_saves_nothing_though_nobody_has_claimed_yet),
        TEST(a_batch_that_runs_on_two_connections_is_done_once),
        TEST(a_message_that_goes_away_meanwhile_is_not_counted),
        TEST(of_a_batch_the_good_steps_are_written_and_the_bad_ones_named),
        TEST(two_steps_of_one_actor_in_a_batch_are_a_mistake),
        TEST(a_state_above_the_limit_is_refused_alone),
        TEST(what_was_answered_survives_a_crash_of_the_server),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
