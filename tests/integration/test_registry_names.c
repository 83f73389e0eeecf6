/* What is tested: names through registry/pg on a private PostgreSQL: who wins, what look-ups and
 * the cache say, what is answered while the database is away, and how many names a second go in. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/pg_group.h"
#include "support/registry_world.h"

static const int64_t ms = 1000000;

static struct world world; /* too large for a stack */

static struct world_node *n1;
static struct world_node *n2;

static int join_two(void **state)
{
    struct world_seen seen = {0};

    (void)state;
    world_init(&world);
    n1 = world_join(&world, pg_server_conninfo(server), "n1", NULL);
    n2 = world_join(&world, pg_server_conninfo(server), "n2", NULL);
    seen = (struct world_seen){.node = n1, .node_id = n2->node_id};
    world_wait(&world, node_sees_up, &seen);
    return 0;
}

static int leave_all(void **state)
{
    (void)state;
    world_fini(&world);
    return 0;
}

/* ---- one name ---- */

static void a_name_is_held_by_one_and_found_by_all(void **state)
{
    struct world_answer won = world_register(n1, "solo", 7, NULL, NULL, 10000);
    struct world_answer lost;
    struct world_answer found;
    troupe_pid pid = {0};
    uint64_t epoch = 0;

    (void)state;
    assert_int_equal(won.status, TROUPE_OK);
    assert_int_equal(won.pid.node, n1->node_id);
    assert_int_equal(won.pid.id, 7);
    assert_true(won.epoch > 0);
    lost = world_register(n2, "solo", 8, NULL, NULL, 10000);
    assert_int_equal(lost.status, TROUPE_E_EXISTS);
    assert_true(troupe_pid_equal(lost.pid, won.pid));
    assert_int_equal(lost.epoch, won.epoch);
    found = world_lookup(n2, "solo", 10000);
    assert_int_equal(found.status, TROUPE_OK);
    assert_true(troupe_pid_equal(found.pid, won.pid));
    assert_true(world_cached(n2, "solo", &pid, &epoch));
    assert_true(troupe_pid_equal(pid, won.pid));
    assert_int_equal(epoch, won.epoch);
}

static void only_its_holder_gives_a_name_back_and_epochs_grow(void **state)
{
    const struct world_answer first = world_register(n1, "back", 7, NULL, NULL, 10000);
    struct world_answer second;

    (void)state;
    assert_int_equal(first.status, TROUPE_OK);
    assert_int_equal(world_unregister(n2, "back", first.epoch).status, TROUPE_E_NOT_FOUND);
    assert_int_equal(world_unregister(n1, "back", first.epoch + 1).status, TROUPE_E_NOT_FOUND);
    assert_int_equal(world_lookup(n2, "back", 10000).status, TROUPE_OK);
    assert_int_equal(world_unregister(n1, "back", first.epoch).status, TROUPE_OK);
    assert_int_equal(world_lookup(n2, "back", 10000).status, TROUPE_E_NOT_FOUND);
    second = world_register(n2, "back", 9, NULL, NULL, 10000);
    assert_int_equal(second.status, TROUPE_OK);
    assert_true(second.epoch > first.epoch);
}

static void a_bad_name_is_refused_without_harm_to_others(void **state)
{
    char long_name[256];

    (void)state;
    memset(long_name, 'x', sizeof(long_name));
    long_name[200] = '\0';
    assert_int_equal(world_register(n1, "", 1, NULL, NULL, 10000).status, TROUPE_E_INVALID);
    assert_int_equal(world_register(n1, "a\xff", 1, NULL, NULL, 10000).status, TROUPE_E_INVALID);
    assert_int_equal(world_register(n1, "a\nb", 1, NULL, NULL, 10000).status, TROUPE_E_INVALID);
    assert_int_equal(world_register(n1, long_name, 1, NULL, NULL, 10000).status, TROUPE_E_INVALID);
    assert_int_equal(world_register(n1, "durable without", 1, NULL, "{}", 10000).status,
                     TROUPE_E_INVALID);
    /* What jsonb refuses fails the whole statement, and must fail alone. */
    assert_int_equal(world_register(n1, "zero", 1, "b", "{\"a\":\"\\u0000\"}", 10000).status,
                     TROUPE_E_INVALID);
    assert_int_equal(world_register(n1, "after", 1, NULL, NULL, 10000).status, TROUPE_OK);
}

/* ---- death and the cache ---- */

static void the_names_of_a_dead_node_leave_the_cache_before_its_death_is_told(void **state)
{
    struct world_node *n3 = world_join(&world, pg_server_conninfo(server), "n3", NULL);
    struct world_seen seen = {.node = n1, .node_id = n3->node_id};
    struct world_answer answer;
    troupe_pid pid = {0};
    uint64_t epoch = 0;

    (void)state;
    world_wait(&world, node_sees_up, &seen);
    assert_int_equal(world_register(n3, "mortal", 7, NULL, NULL, 10000).status, TROUPE_OK);
    assert_int_equal(world_lookup(n1, "mortal", 10000).status, TROUPE_OK);
    assert_true(world_cached(n1, "mortal", &pid, &epoch));
    world_stop(n3, true);
    world_wait(&world, node_sees_down, &seen);
    assert_false(world_cached(n1, "mortal", &pid, &epoch));
    assert_int_equal(world_lookup(n1, "mortal", 10000).status, TROUPE_E_NOT_FOUND);
    answer = world_register(n1, "mortal", 8, NULL, NULL, 10000); /* free at once */
    assert_int_equal(answer.status, TROUPE_OK);
    assert_true(answer.epoch > epoch);
}

static void a_durable_name_of_a_dead_node_waits_for_recovery(void **state)
{
    struct world_node *n3 = world_join(&world, pg_server_conninfo(server), "n3", NULL);
    struct world_seen seen = {.node = n1, .node_id = n3->node_id};

    (void)state;
    world_wait(&world, node_sees_up, &seen);
    assert_int_equal(world_register(n3, "saved", 7, "b", "{\"a\":1}", 10000).status, TROUPE_OK);
    world_stop(n3, true);
    world_wait(&world, node_sees_down, &seen);
    assert_int_equal(world_lookup(n1, "saved", 10000).status, TROUPE_E_AGAIN);
    assert_int_equal(world_register(n1, "saved", 8, "b", "{}", 10000).status, TROUPE_E_AGAIN);
}

/* ---- races and outages ---- */

enum { MANY = 10000 };

struct many {
    struct world_node *node;
    char names[MANY][24];
    size_t answered;
    size_t won;
    size_t held;
    size_t other;
    bool durable;
    int64_t deadline_ns;
    const char *bad; /* the state of one of them, which the database will refuse */
};

static void on_one_of_many(void *context, const struct tr_name_result *result)
{
    struct many *many = context;

    tr_mutex_lock(&world.mutex);
    many->answered++;
    many->won += result->status == TROUPE_OK ? 1 : 0;
    many->held += result->status == TROUPE_E_EXISTS ? 1 : 0;
    many->other += result->status != TROUPE_OK && result->status != TROUPE_E_EXISTS ? 1 : 0;
    world_changed(&world);
    tr_mutex_unlock(&world.mutex);
}

static void register_many(void *context)
{
    struct many *many = context;
    const struct tr_registry_port *port = &many->node->box->port;

    for (size_t index = 0; index < MANY; index++) {
        const struct tr_name_register request = {
            .name = many->names[index],
            .actor_id = index + 1,
            .durable = many->durable,
            .behavior = "b",
            .version = 1,
            .checkpoint = "each",
            .state_json = index == 1500 && many->bad != NULL ? many->bad
                          : many->durable                    ? "{\"cents\":100}"
                                                             : NULL,
            .deadline_ns = many->deadline_ns,
            .done = on_one_of_many,
            .context = many,
        };

        port->register_name(port->context, &request);
    }
}

static bool all_are_answered(void *context)
{
    const struct many *many = context;

    return many->answered == MANY;
}

static struct many crowd[2];

static void prepare(struct many *many, struct world_node *node, const char *prefix, bool durable)
{
    memset(many, 0, sizeof(*many));
    many->node = node;
    many->durable = durable;
    many->deadline_ns = world_now(&world) + 60000 * ms;
    for (size_t index = 0; index < MANY; index++) {
        (void)snprintf(many->names[index], sizeof(many->names[index]), "%s%zu", prefix, index);
    }
}

static void ten_thousand_names_a_moment(void **state)
{
    const char *const kinds[] = {"volatile", "durable"};

    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        int64_t began_ns = 0;

        prepare(&crowd[0], n1, kinds[kind], kind == 1);
        began_ns = world_now(&world);
        world_do(&world, register_many, &crowd[0]);
        world_wait(&world, all_are_answered, &crowd[0]);
        print_message("%d %s names: %.0f per second\n", MANY, kinds[kind],
                      MANY * 1e9 / (double)(world_now(&world) - began_ns));
        assert_int_equal(crowd[0].won, MANY);
    }
}

static void of_two_nodes_that_want_the_same_names_one_gets_each(void **state)
{
    struct reg_sync *sync = pg_connect(pg_server_conninfo(server));

    (void)state;
    prepare(&crowd[0], n1, "race", false);
    prepare(&crowd[1], n2, "race", false);
    world_do(&world, register_many, &crowd[0]);
    world_do(&world, register_many, &crowd[1]);
    world_wait(&world, all_are_answered, &crowd[0]);
    world_wait(&world, all_are_answered, &crowd[1]);
    assert_int_equal(crowd[0].won + crowd[1].won, MANY);
    assert_int_equal(crowd[0].held + crowd[1].held, MANY);
    /* Who gets how many is chance; but the table says the same as those who asked. */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pg_number(sync,
                                   "SELECT count(*) FROM troupe.names WHERE name LIKE 'race%' "
                                   "AND node_id = $1",
                                   PG_VALUES(pg_text((int64_t)crowd[i].node->node_id))),
                         crowd[i].won);
    }
    reg_sync_close(sync);
}

static void names_are_registered_once_though_the_connections_break(void **state)
{
    const int64_t deadline_ns = world_now(&world) + WORLD_WAIT_MS * 1000000LL;
    struct reg_sync *admin = NULL;
    int64_t ended = 0;

    (void)state;
    admin = connect_as_admin();
    prepare(&crowd[0], n1, "broken", true);
    world_do(&world, register_many, &crowd[0]);
    for (int round = 0; round < 20 || ended == 0; round++) {
        assert_true(world_now(&world) < deadline_ns); /* else nothing was tested */
        ended += pg_number(admin,
                           "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a "
                           "WHERE a.application_name = 'troupe/' || $1 AND a.state = 'active'",
                           PG_VALUES(pg_text((int64_t)n1->node_id)));
    }
    world_wait(&world, all_are_answered, &crowd[0]);
    print_message("%" PRId64 " busy sessions were ended\n", ended);
    assert_int_equal(crowd[0].won, MANY);
    assert_int_equal(
        pg_number(admin, "SELECT count(*) FROM troupe.names WHERE name LIKE 'broken%'", PG_NONE),
        MANY);
    reg_sync_close(admin);
}

static void names_are_registered_once_though_the_server_crashes(void **state)
{
    struct reg_sync *sync = NULL;

    (void)state;
    prepare(&crowd[0], n1, "crash", true);
    world_do(&world, register_many, &crowd[0]);
    pg_server_kill(server); /* without a word to its clients */
    pg_server_resume(server);
    world_wait(&world, all_are_answered, &crowd[0]);
    assert_int_equal(crowd[0].won, MANY);
    sync = pg_connect(pg_server_conninfo(server));
    assert_int_equal(
        pg_number(sync, "SELECT count(*) FROM troupe.names WHERE name LIKE 'crash%'", PG_NONE),
        MANY);
    reg_sync_close(sync);
}

static void one_bad_registration_does_not_spoil_its_batch(void **state)
{
    static const char bad[] = "bad";

    (void)state;
    prepare(&crowd[0], n1, "spoiled", true);
    crowd[0].bad = bad;
    world_do(&world, register_many, &crowd[0]);
    world_wait(&world, all_are_answered, &crowd[0]);
    assert_int_equal(crowd[0].won, MANY - 1);
    assert_int_equal(crowd[0].other, 1);
}

static void without_the_database_each_call_ends_by_its_deadline(void **state)
{
    struct world_answer answer;
    troupe_pid pid = {0};
    uint64_t epoch = 0;
    int64_t began_ns = 0;

    (void)state;
    assert_int_equal(world_register(n1, "before", 7, NULL, NULL, 10000).status, TROUPE_OK);
    pg_server_halt(server);
    began_ns = world_now(&world);
    answer = world_register(n1, "during", 8, NULL, NULL, 300);
    assert_true(answer.status == TROUPE_E_REGISTRY || answer.status == TROUPE_E_UNKNOWN);
    assert_int_equal(world_lookup(n1, "before", 300).status, TROUPE_E_REGISTRY);
    assert_int_equal(world_unregister(n1, "nobody", 1).calls, 1);
    assert_true(world_now(&world) - began_ns < 15000 * ms);
    assert_true(world_cached(n1, "before", &pid, &epoch)); /* the cache goes on */
    assert_false(world_health(n1).connected);
    pg_server_resume(server);
    assert_int_equal(world_lookup(n1, "before", 20000).status, TROUPE_OK);
    /* Nobody was told that it was done, so nobody holds it. */
    assert_int_equal(world_lookup(n1, "during", 20000).status, TROUPE_E_NOT_FOUND);
    assert_int_equal(n1->fenced + n2->fenced, 0);
}

static void a_registration_granted_after_its_deadline_is_given_back(void **state)
{
    char conninfo[PG_CONNINFO_SIZE];
    struct reg_sync *blocker = NULL;
    struct world_answer answer;

    (void)state;
    pg_server_conninfo_as(server, "troupe", "postgres", conninfo);
    blocker = pg_connect(conninfo);
    /* Somebody's open transaction delays the insert beyond the caller's patience. */
    pg_run(blocker, "BEGIN", PG_NONE);
    pg_run(blocker, "LOCK TABLE troupe.name IN SHARE MODE", PG_NONE);
    answer = world_register(n1, "late", 7, NULL, NULL, 100);
    assert_int_equal(answer.status, TROUPE_E_UNKNOWN);
    pg_run(blocker, "COMMIT", PG_NONE);
    /* Whatever became of it is settled before this answer, as batches keep their order. */
    assert_int_equal(world_register(n1, "marker", 8, NULL, NULL, 20000).status, TROUPE_OK);
    assert_int_equal(world_register(n2, "late", 9, NULL, NULL, 20000).status, TROUPE_OK);
    reg_sync_close(blocker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TWO(test) cmocka_unit_test_setup_teardown(test, join_two, leave_all)
        TWO(a_name_is_held_by_one_and_found_by_all),
        TWO(only_its_holder_gives_a_name_back_and_epochs_grow),
        TWO(a_bad_name_is_refused_without_harm_to_others),
        TWO(the_names_of_a_dead_node_leave_the_cache_before_its_death_is_told),
        TWO(a_durable_name_of_a_dead_node_waits_for_recovery),
        TWO(ten_thousand_names_a_moment),
        TWO(of_two_nodes_that_want_the_same_names_one_gets_each),
        TWO(names_are_registered_once_though_the_connections_break),
        TWO(names_are_registered_once_though_the_server_crashes),
        TWO(one_bad_registration_does_not_spoil_its_batch),
        TWO(without_the_database_each_call_ends_by_its_deadline),
        TWO(a_registration_granted_after_its_deadline_is_given_back),
#undef TWO
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
