/* What is tested: durable messages wait, are read, fail, and become dead letters
 * (migrations/0003_durable.sql). That they are consumed once is in test_step.c and test_transfer.c.
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

#define RENEW "SELECT inbox_waiting FROM troupe.node_renew($1, $2)"
#define SEND "SELECT troupe.send($1, 'm', jsonb_build_object('n', $2::int))"
#define FETCH                                                                                      \
    "SELECT string_agg(to_name || ' ' || (payload ->> 'n'), ', ') FROM troupe.inbox_fetch($1, "    \
    "'{a,b,c}', $2, $3)"

static void messages_are_fetched_by_the_holder_in_their_order(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const struct member other = cluster_join_bare(cluster, "n2", "60000");
    const char *id = pg_text(node.id);

    (void)cluster_register(cluster->admin, node.id, "a", 1, NULL);
    (void)cluster_register(cluster->admin, node.id, "b", 2, NULL);
    (void)cluster_register(cluster->admin, other.id, "c", 3, NULL);
    assert_string_equal(pg_one(cluster->admin, RENEW, PG_VALUES(id, node.boot)), "f");
    pg_run(cluster->admin, SEND, PG_VALUES("nobody", "0"));
    pg_run(cluster->admin, SEND, PG_VALUES("c", "1"));
    assert_string_equal(pg_one(cluster->admin, RENEW, PG_VALUES(id, node.boot)), "f");
    pg_run(cluster->admin, SEND, PG_VALUES("b", "2"));
    pg_run(cluster->admin, SEND, PG_VALUES("a", "3"));
    pg_run(cluster->admin, SEND, PG_VALUES("b", "4"));
    assert_string_equal(pg_one(cluster->admin, RENEW, PG_VALUES(id, node.boot)), "t");
    assert_string_equal(pg_one(cluster->admin, FETCH, PG_VALUES(id, "10", "{}")), "b 2, a 3, b 4");
    assert_string_equal(pg_one(cluster->admin, FETCH, PG_VALUES(id, "2", "{}")), "b 2, a 3");
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(w, ' ') FROM troupe.inbox_waiting_names($1, 10) w",
               PG_VALUES(id)),
        "a b");
    /* What it has in hand already is left out. */
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT string_agg(payload ->> 'n', ' ') FROM troupe.inbox_fetch($1, '{a,b}', 10, "
               "ARRAY(SELECT id FROM troupe.inbox WHERE payload ->> 'n' IN ('2', '3')))",
               PG_VALUES(id)),
        "4");
}

/* A message that is committed late has an id below those that were read before: a cursor would lose
 * it. */
static void a_message_that_is_committed_late_is_not_lost(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    struct reg_sync *slow = pg_connect(cluster->conninfo);
    const char *id = pg_text(node.id);

    pg_run(slow, "SET ROLE troupe_owner", PG_NONE);
    (void)cluster_register(cluster->admin, node.id, "a", 1, NULL);
    pg_run(slow, "BEGIN", PG_NONE);
    pg_run(slow, SEND, PG_VALUES("a", "1"));
    pg_run(cluster->admin, SEND, PG_VALUES("a", "2"));
    assert_string_equal(pg_one(cluster->admin, FETCH, PG_VALUES(id, "10", "{}")), "a 2");
    pg_run(cluster->admin, "DELETE FROM troupe.inbox WHERE payload ->> 'n' = '2'", PG_NONE);
    pg_run(slow, "COMMIT", PG_NONE);
    assert_string_equal(pg_one(cluster->admin, FETCH, PG_VALUES(id, "10", "{}")), "a 1");
    reg_sync_close(slow);
}

static void a_send_belongs_to_the_transaction_of_its_caller(void **state)
{
    struct cluster *cluster = *state;

    pg_run(cluster->admin, "BEGIN", PG_NONE);
    pg_run(cluster->admin, SEND, PG_VALUES("a", "1"));
    pg_run(cluster->admin, "ROLLBACK", PG_NONE);
    assert_int_equal(
        pg_number(cluster->admin, "SELECT count(*) FROM troupe.durable_messages", PG_NONE), 0);
}

static void an_operation_that_is_repeated_sends_once_even_after_it_was_consumed(void **state)
{
    static const char send_op[] =
        "SELECT troupe.send('a', 'm', '{}', '6d0b40f1-9c70-4bb5-a6b7-d3e9e53ee5c4')";
    struct cluster *cluster = *state;
    int64_t first = 0;

    cluster_gather(cluster);
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        assert_int_equal(reg_sync_send(cluster->crowd[index], send_op, PG_NONE), TROUPE_OK);
    }
    for (size_t index = 0; index < CLUSTER_CROWD; index++) {
        int64_t id = 0;

        assert_int_equal(reg_sync_receive(cluster->crowd[index], PG_TIMEOUT_MS), TROUPE_OK);
        assert_true(reg_result_i64(reg_sync_result(cluster->crowd[index]), 0, 0, &id));
        first = index == 0 ? id : first;
        assert_int_equal(id, first);
    }
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.inbox", PG_NONE), 1);
    pg_run(cluster->admin, "DELETE FROM troupe.inbox", PG_NONE);
    assert_int_equal(pg_number(cluster->admin, send_op, PG_NONE), first);
    assert_int_equal(pg_number(cluster->admin, "SELECT count(*) FROM troupe.inbox", PG_NONE), 0);
}

static void a_message_that_keeps_failing_becomes_a_dead_letter_and_may_be_retried(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    const char *epoch = pg_text(cluster_register(cluster->admin, node.id, "a", 1, NULL));
    const char *id = pg_text(node.id);
    const char *message = pg_text(pg_number(cluster->admin, SEND, PG_VALUES("a", "1")));
    static const char fail_one[] = "SELECT format('%s %s', attempts, dead) FROM "
                                   "troupe.inbox_fail($1, $2, $3, $4, 'it broke')";

    assert_string_equal(pg_one(cluster->admin, fail_one, PG_VALUES(id, "a", "999", message)), " ");
    assert_string_equal(pg_one(cluster->admin, fail_one, PG_VALUES(id, "b", epoch, message)), " ");
    assert_string_equal(pg_one(cluster->admin, fail_one, PG_VALUES(id, "a", epoch, "999")), " ");
    for (int64_t attempt = 1; attempt <= 5; attempt++) {
        char expected[8];

        (void)snprintf(expected, sizeof(expected), "%s %s", pg_text(attempt),
                       attempt < 5 ? "f" : "t");
        assert_string_equal(pg_one(cluster->admin, fail_one, PG_VALUES(id, "a", epoch, message)),
                            expected);
    }
    assert_int_equal(
        pg_number(cluster->admin, "SELECT count(*) FROM troupe.durable_messages", PG_NONE), 0);
    assert_string_equal(
        pg_one(cluster->admin,
               "SELECT format('%s %s %s %s', to_name, attempts, error, payload) FROM "
               "troupe.dead_letters",
               PG_NONE),
        "a 5 it broke {\"n\": 1}");
    assert_string_equal(
        pg_one(cluster->admin, "SELECT troupe.dead_letter_retry($1)", PG_VALUES(message)), "t");
    assert_string_equal(
        pg_one(cluster->admin, "SELECT troupe.dead_letter_retry($1)", PG_VALUES(message)), "f");
    assert_string_equal(pg_one(cluster->admin, FETCH, PG_VALUES(id, "10", "{}")), "a 1");
}

static void a_hint_tells_the_holder_and_only_in_a_transaction_of_its_own(void **state)
{
    struct cluster *cluster = *state;
    const struct member node = cluster_join_bare(cluster, "n1", "60000");
    struct reg_sync *listener = pg_connect(cluster->conninfo);
    struct reg_notification note = {0};

    (void)cluster_register(cluster->admin, node.id, "a", 1, NULL);
    pg_run(listener, "LISTEN troupe_inbox", PG_NONE);
    assert_int_equal(pg_number(cluster->admin, "SELECT troupe.inbox_hint('{a,b}')", PG_NONE), 1);
    assert_int_equal(reg_sync_notification(listener, PG_TIMEOUT_MS, &note), TROUPE_OK);
    assert_string_equal(note.payload, pg_text(node.id));
    pg_run(cluster->admin, "BEGIN", PG_NONE);
    pg_run(cluster->admin, SEND, PG_VALUES("a", "1"));
    assert_string_equal(pg_refused(cluster->admin, "SELECT troupe.inbox_hint('{a}')", PG_NONE),
                        "25001");
    reg_sync_close(listener);
}

static void what_is_no_name_or_no_message_is_refused(void **state)
{
    struct cluster *cluster = *state;

    assert_string_equal(pg_refused(cluster->admin, SEND, PG_VALUES("", "1")), "22023");
    assert_string_equal(pg_refused(cluster->admin, SEND, PG_VALUES(NULL, "1")), "22023");
    assert_string_equal(pg_refused(cluster->admin, "SELECT troupe.send('a', '', '{}')", PG_NONE),
                        "23514");
    assert_string_equal(pg_refused(cluster->admin, "SELECT troupe.send('a', 'm', NULL)", PG_NONE),
                        "23502");
    assert_string_equal(pg_refused(cluster->admin, "SELECT troupe.send('a', 'm', '{')", PG_NONE),
                        "22P02");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cluster_setup, cluster_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_fetched_by_the_holder_in_their_order),
        TEST(a_message_that_is_committed_late_is_not_lost),
        TEST(a_send_belongs_to_the_transaction_of_its_caller),
        TEST(an_operation_that_is_repeated_sends_once_even_after_it_was_consumed),
        TEST(a_message_that_keeps_failing_becomes_a_dead_letter_and_may_be_retried),
        TEST(a_hint_tells_the_holder_and_only_in_a_transaction_of_its_own),
        TEST(what_is_no_name_or_no_message_is_refused),
    };

    return cmocka_run_group_tests(tests, cluster_group_setup, cluster_group_teardown);
}
