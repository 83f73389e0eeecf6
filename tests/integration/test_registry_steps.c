/* What is tested: transactional steps through registry/pg on a private PostgreSQL, with connections
 * and the server dying in between. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "durable_world.h"

/* ---- steps ---- */

static void a_step_saves_state_and_sends_and_its_repetition_changes_nothing(void **state)
{
    const uint64_t epoch = register_account(n1, "a");
    const struct tr_outgoing outgoing = {"b", "bank.credit", "{\"cents\":5}"};
    const struct tr_step step = {.name = "a",
                                 .epoch = epoch,
                                 .seq = 1,
                                 .version = 1,
                                 .state_json = "{\"cents\":10}",
                                 .outgoing = &outgoing,
                                 .outgoing_count = 1};

    (void)state;
    assert_int_equal(run_step(n1, step), TR_STEP_COMMITTED);
    assert_int_equal(cents_of("a"), 10);
    assert_int_equal(run_step(n1, step), TR_STEP_COMMITTED);
    assert_int_equal(
        pg_number(admin, "SELECT count(*) FROM troupe.inbox WHERE to_name = 'b'", PG_NONE), 1);
}

static void a_step_of_another_epoch_or_node_writes_nothing(void **state)
{
    const uint64_t epoch = register_account(n1, "a");
    struct tr_step step = {
        .name = "a", .epoch = epoch + 1, .seq = 1, .state_json = "{\"cents\":9}"};

    (void)state;
    assert_int_equal(run_step(n1, step), TR_STEP_FENCED);
    step.epoch = epoch;
    assert_int_equal(run_step(n2, step), TR_STEP_FENCED);
    assert_int_equal(cents_of("a"), 0);
}

static void a_step_that_cannot_be_saved_fails_alone(void **state)
{
    const uint64_t epoch = register_account(n1, "a");
    const uint64_t other = register_account(n1, "b");
    struct world_step steps[4] = {
        {.step = {.name = "first", .epoch = 1, .seq = 1}}, /* goes alone; the others gather */
        {.step = {.name = "a", .epoch = epoch, .seq = 1, .state_json = "{\"a\":\"\\u0000\"}"}},
        {.step = {.name = "b", .epoch = other, .seq = 1, .state_json = "{\"cents\":3}"}},
        {.step = {.name = "c", .epoch = 1, .seq = 1, .state_json = "not json"}},
    };

    (void)state;
    world_steps(n1, steps, 4);
    for (size_t index = 0; index < 4; index++) {
        world_wait(&world, step_is_done, &steps[index]);
        assert_int_equal(steps[index].calls, 1);
    }
    assert_int_equal(steps[1].outcome, TR_STEP_FENCED);
    assert_int_equal(steps[2].outcome, TR_STEP_COMMITTED);
    assert_int_equal(steps[3].outcome, TR_STEP_FENCED);
    assert_int_equal(cents_of("b"), 3);
}

/* ---- steps under fire ---- */

enum { ACCOUNTS_MAX = 1000, ACCOUNTS = 50, STEPS_EACH = 60 };

/* An account that makes one step after the other, each adding one cent. */
struct walker {
    struct tr_step step;
    struct world_node *node;
    char name[32];
    char state[32];
    uint64_t committed;
    uint64_t refused;
};

static struct walker walkers[ACCOUNTS_MAX];
static size_t walker_count;
static int64_t walking_since_ns;

static void walk(struct walker *walker)
{
    walker->step.seq = walker->committed + 1;
    (void)snprintf(walker->state, sizeof(walker->state), "{\"cents\":%" PRIu64 "}",
                   walker->step.seq);
    walker->node->box->port.step(walker->node->box->port.context, &walker->step);
}

static void on_walked(void *context, enum tr_step_outcome outcome)
{
    struct walker *walker = context;
    bool more = false;

    tr_mutex_lock(&world.mutex);
    walker->committed += outcome == TR_STEP_COMMITTED ? 1 : 0;
    walker->refused += outcome != TR_STEP_COMMITTED ? 1 : 0;
    more = walker->refused == 0 && walker->committed < STEPS_EACH;
    world_changed(&world);
    tr_mutex_unlock(&world.mutex);
    if (more) {
        walk(walker);
    }
}

static void start_walking(void *context)
{
    (void)context;
    for (size_t index = 0; index < walker_count; index++) {
        walk(&walkers[index]);
    }
}

static bool all_have_walked(void *context)
{
    (void)context;
    for (size_t index = 0; index < walker_count; index++) {
        if (walkers[index].committed < STEPS_EACH && walkers[index].refused == 0) {
            return false;
        }
    }
    return true;
}

static bool some_have_walked(void *context)
{
    uint64_t sum = 0;

    for (size_t index = 0; index < walker_count; index++) {
        sum += walkers[index].committed;
    }
    return sum >= *(const uint64_t *)context;
}

static void let_them_walk(struct world_node *node, size_t count)
{
    static const struct tr_outgoing outgoing = {"nobody", "count", "{}"};

    memset(walkers, 0, sizeof(walkers));
    walker_count = count;
    for (size_t index = 0; index < walker_count; index++) {
        struct walker *walker = &walkers[index];

        walker->node = node;
        (void)snprintf(walker->name, sizeof(walker->name), "w%zu", index);
        walker->step = (struct tr_step){.name = walker->name,
                                        .epoch = register_account(node, walker->name),
                                        .version = 1,
                                        .state_json = walker->state,
                                        .outgoing = &outgoing,
                                        .outgoing_count = 1,
                                        .done = on_walked,
                                        .context = walker};
    }
    walking_since_ns = world_now(&world);
    world_do(&world, start_walking, NULL);
}

/* Every step is in once: the states count them, and so do the messages sent with them. */
static void check_walked(void)
{
    world_wait(&world, all_have_walked, NULL);
    for (size_t index = 0; index < walker_count; index++) {
        assert_int_equal(walkers[index].refused, 0);
        assert_int_equal(walkers[index].committed, STEPS_EACH);
    }
    assert_int_equal(pg_number(admin,
                               "SELECT sum((state->>'cents')::bigint) FROM troupe.actors "
                               "WHERE name LIKE 'w%'",
                               PG_NONE),
                     walker_count * STEPS_EACH);
    assert_int_equal(
        pg_number(admin, "SELECT count(*) FROM troupe.inbox WHERE to_name = 'nobody'", PG_NONE),
        walker_count * STEPS_EACH);
}

static void steps_happen_once_though_their_connection_breaks(void **state)
{
    int64_t ended = 0;

    (void)state;
    let_them_walk(n1, ACCOUNTS);
    for (uint64_t sum = 200; sum < ACCOUNTS * STEPS_EACH; sum += 400) {
        world_wait(&world, some_have_walked, &sum);
        ended += pg_number(admin,
                           "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a "
                           "WHERE a.application_name = 'troupe/' || $1 AND a.query LIKE '%step%'",
                           PG_VALUES(pg_text((int64_t)n1->node_id)));
    }
    check_walked();
    assert_true(ended > 0);
}

static void steps_happen_once_though_the_server_crashes(void **state)
{
    uint64_t sum = ACCOUNTS * STEPS_EACH / 3;

    (void)state;
    let_them_walk(n1, ACCOUNTS);
    world_wait(&world, some_have_walked, &sum);
    reg_sync_close(admin);
    pg_server_kill(server);
    pg_server_resume(server);
    {
        char conninfo[PG_CONNINFO_SIZE];

        pg_server_conninfo_as(server, "troupe", "postgres", conninfo);
        admin = pg_connect(conninfo);
    }
    check_walked();
    assert_int_equal(n1->fenced + n2->fenced + n3->fenced, 0);
    assert_int_equal(n1->down_count + n2->down_count + n3->down_count, 0);
}

static void steps_of_many_actors_go_together(void **state)
{
    int64_t took_ns = 0;
    uint64_t batches = 0;

    (void)state;
    let_them_walk(n1, ACCOUNTS_MAX);
    batches = world_health(n1).batches;
    world_wait(&world, all_have_walked, NULL);
    took_ns = world_now(&world) - walking_since_ns;
    check_walked();
    batches = world_health(n1).batches - batches;
    print_message("%d steps with a message each: %.0f per second in %" PRIu64 " batches\n",
                  ACCOUNTS_MAX * STEPS_EACH, ACCOUNTS_MAX * STEPS_EACH * 1e9 / (double)took_ns,
                  batches);
    assert_true(batches < ACCOUNTS_MAX * STEPS_EACH / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define THREE(test) cmocka_unit_test_setup_teardown(test, join_three, leave_all)
        THREE(a_step_saves_state_and_sends_and_its_repetition_changes_nothing),
        THREE(a_step_of_another_epoch_or_node_writes_nothing),
        THREE(a_step_that_cannot_be_saved_fails_alone),
        THREE(steps_happen_once_though_their_connection_breaks),
        THREE(steps_happen_once_though_the_server_crashes),
        THREE(steps_of_many_actors_go_together),
#undef THREE
    };

    return cmocka_run_group_tests(tests, start_durable, stop_durable);
}
