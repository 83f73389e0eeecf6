/* What is tested: the inbox, links written behind, and recovery through registry/pg on a private
 * PostgreSQL. */
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

/* ---- the inbox ---- */

static void messages_sent_by_sql_arrive_and_are_gone_when_handled(void **state)
{
    const uint64_t epoch = register_account(n1, "a");
    struct world_seen seen = {.node = n1, .count = 2};
    struct tr_step step = {.name = "a", .epoch = epoch, .seq = 1, .state_json = "{\"cents\":7}"};
    uint64_t ids[2] = {0};

    (void)state;
    pg_run(admin, "SELECT troupe.send('a', 'bank.credit', '{\"cents\": 3}')", PG_NONE);
    pg_run(admin, "SELECT troupe.send('a', 'bank.credit', '{\"cents\": 4}')", PG_NONE);
    pg_run(admin, "SELECT troupe.inbox_hint(ARRAY['a'])", PG_NONE);
    world_wait(&world, node_has_messages, &seen);
    assert_string_equal(n1->inbox[0].to, "a");
    assert_string_equal(n1->inbox[0].payload, "{\"cents\": 3}");
    assert_string_equal(n1->inbox[1].payload, "{\"cents\": 4}");
    ids[0] = n1->inbox[0].id;
    ids[1] = n1->inbox[1].id;
    step.handled = ids;
    step.handled_count = 2;
    assert_int_equal(run_step(n1, step), TR_STEP_COMMITTED);
    assert_int_equal(
        pg_number(admin, "SELECT count(*) FROM troupe.inbox WHERE to_name = 'a'", PG_NONE), 0);
    assert_int_equal(n1->inbox_count, 2);
    assert_int_equal(n2->inbox_count + n3->inbox_count, 0);
}

static void a_message_without_a_hint_arrives_with_a_renewal(void **state)
{
    struct world_seen seen = {.node = n1, .count = 1};

    (void)state;
    (void)register_account(n1, "a");
    pg_run(admin, "SELECT troupe.send('a', 'bank.credit', '{}')", PG_NONE);
    world_wait(&world, node_has_messages, &seen);
}

static void a_message_sent_by_a_step_arrives_at_once_on_the_same_node(void **state)
{
    const struct tr_outgoing outgoing = {"b", "bank.credit", "{\"cents\": 5}"};
    const struct tr_step step = {.name = "a",
                                 .epoch = register_account(n1, "a"),
                                 .seq = 1,
                                 .outgoing = &outgoing,
                                 .outgoing_count = 1};
    struct world_seen seen = {.node = n1, .count = 1};
    unsigned leases = 0;

    (void)state;
    (void)register_account(n1, "b");
    leases = n1->leases;
    assert_int_equal(run_step(n1, step), TR_STEP_COMMITTED);
    world_wait(&world, node_has_messages, &seen);
    assert_true(n1->leases <= leases + 1); /* no renewal had to bring it */
}

struct failing {
    uint64_t epoch;
    uint64_t id;
};

static void fail_message(void *context)
{
    const struct failing *failing = context;

    n1->box->port.inbox_failed(n1->box->port.context, "a", failing->epoch, failing->id, "no");
}

static void a_message_that_fails_comes_again_and_becomes_a_dead_letter(void **state)
{
    struct failing failing = {.epoch = register_account(n1, "a")};
    struct world_seen seen = {.node = n1};

    (void)state;
    pg_run(admin, "SELECT troupe.send('a', 'bank.credit', '{}')", PG_NONE);
    pg_run(admin, "SELECT troupe.inbox_hint(ARRAY['a'])", PG_NONE);
    for (size_t attempt = 1; attempt <= 5; attempt++) {
        seen.count = attempt;
        world_wait(&world, node_has_messages, &seen);
        failing.id = n1->inbox[attempt - 1].id;
        world_do(&world, fail_message, &failing);
    }
    pg_run(admin, "SELECT troupe.send('a', 'bank.credit', '{\"marker\": 1}')", PG_NONE);
    pg_run(admin, "SELECT troupe.inbox_hint(ARRAY['a'])", PG_NONE);
    seen.count = 6;
    world_wait(&world, node_has_messages, &seen);
    assert_string_equal(n1->inbox[5].payload, "{\"marker\": 1}");
    wait_for_number("SELECT count(*) FROM troupe.dead_letters", 1);
    assert_int_equal(n1->inbox_count, 6);
}

static void a_step_over_a_message_that_is_gone_is_reloaded_from_its_row(void **state)
{
    const uint64_t epoch = register_account(n1, "a");
    const uint64_t missing = 999999;
    const struct tr_step step = {.name = "a",
                                 .epoch = epoch,
                                 .seq = 1,
                                 .state_json = "{\"cents\":7}",
                                 .handled = &missing,
                                 .handled_count = 1};
    struct world_seen seen = {.node = n1, .count = 1};

    (void)state;
    assert_int_equal(run_step(n1, step), TR_STEP_REPLAYED);
    world_wait(&world, node_has_started, &seen);
    assert_string_equal(n1->orphans[0].name, "a");
    assert_string_equal(n1->orphans[0].state, "{\"cents\": 0}");
    assert_int_equal(n1->orphans[0].epoch, epoch);
}

/* ---- links ---- */

static void write_links(void *context)
{
    const struct tr_registry_port *port = &n1->box->port;
    const struct tr_link_row link = {
        .kind = TR_LINK_ROW_LINK, .a = {n2->node_id, 5}, .b = {n1->node_id, 6}};
    const struct tr_link_row monitor = {
        .kind = TR_LINK_ROW_MONITOR, .a = {n1->node_id, 6}, .b = {n2->node_id, 5}, .ref = 77};
    const struct tr_link_row fleeting = {
        .kind = TR_LINK_ROW_LINK, .a = {n1->node_id, 8}, .b = {n2->node_id, 9}};

    (void)context;
    port->link_add(port->context, &link);
    port->link_add(port->context, &monitor);
    port->link_add(port->context, &fleeting);
    port->link_remove(port->context, &fleeting);
}

static void remove_link(void *context)
{
    const struct tr_registry_port *port = &n1->box->port;
    const struct tr_link_row link = {
        .kind = TR_LINK_ROW_LINK, .a = {n1->node_id, 6}, .b = {n2->node_id, 5}};

    (void)context;
    port->link_remove(port->context, &link);
}

static void links_are_written_behind_and_removed(void **state)
{
    const char *const count_links = "SELECT count(*) FROM troupe.links";

    (void)state;
    world_do(&world, write_links, NULL);
    wait_for_number(count_links, 2);
    assert_int_equal(
        pg_number(admin, "SELECT count(*) FROM troupe.links WHERE kind = 'monitor'", PG_NONE), 1);
    world_do(&world, remove_link, NULL);
    wait_for_number(count_links, 1);
}

/* ---- recovery ---- */

enum { ORPHANS = 1200 };

struct crowd {
    size_t answered;
    size_t won;
};

static char crowd_names[ORPHANS][32];
static size_t crowd_size;

static void on_crowd(void *context, const struct tr_name_result *result)
{
    struct crowd *crowd = context;

    tr_mutex_lock(&world.mutex);
    crowd->answered++;
    crowd->won += result->status == TROUPE_OK ? 1 : 0;
    world_changed(&world);
    tr_mutex_unlock(&world.mutex);
}

static void register_crowd(void *context)
{
    const struct tr_registry_port *port = &n3->box->port;

    for (size_t index = 0; index < crowd_size; index++) {
        const struct tr_name_register request = {.name = crowd_names[index],
                                                 .actor_id = index + 1,
                                                 .durable = true,
                                                 .behavior = "account",
                                                 .version = 1,
                                                 .checkpoint = "each",
                                                 .state_json = "{\"cents\":11}",
                                                 .deadline_ns = INT64_MAX,
                                                 .done = on_crowd,
                                                 .context = context};

        (void)snprintf(crowd_names[index], sizeof(crowd_names[index]), "o%04zu", index);
        port->register_name(port->context, &request);
    }
}

static bool crowd_is_in(void *context)
{
    const struct crowd *crowd = context;

    return crowd->answered == crowd_size;
}

static bool all_have_started(void *context)
{
    (void)context;
    return n1->started_count + n2->started_count >= crowd_size;
}

/* n3 dies and leaves so many. */
static void recover_a_crowd(size_t size)
{
    struct crowd crowd = {0};
    const uint64_t victim = n3->node_id;
    int64_t began_ns = 0;

    crowd_size = size;
    world_do(&world, register_crowd, &crowd);
    world_wait(&world, crowd_is_in, &crowd);
    assert_int_equal(crowd.won, size);
    pg_run(admin, "SELECT troupe.send('o0003', 'bank.credit', '{}')", PG_NONE);
    n3->rejoin = false;
    began_ns = world_now(&world);
    pg_run(admin, "SELECT troupe._kill($1, $2, 'gone')",
           PG_VALUES(pg_text((int64_t)victim), pg_text((int64_t)n1->node_id)));
    world_wait(&world, all_have_started, NULL);
    print_message("%zu orphans started after %.0f ms, %zu and %zu\n", size,
                  (double)(world_now(&world) - began_ns) / 1e6, n1->started_count,
                  n2->started_count);
    assert_int_equal(n1->orphan_count + n2->orphan_count, size); /* none twice */
    assert_true(n1->orphan_count >= size / 4);                   /* shared out */
    assert_true(n2->orphan_count >= size / 4);
    assert_string_equal(n1->orphans[0].state, "{\"cents\": 11}");
    assert_int_equal(
        pg_number(admin,
                  "SELECT count(*) FROM troupe.names WHERE name LIKE 'o%' AND "
                  "status = 'running' AND node_id IN ($1, $2)",
                  PG_VALUES(pg_text((int64_t)n1->node_id), pg_text((int64_t)n2->node_id))),
        size);
}

static void the_orphans_of_a_dead_node_start_once_each_on_the_survivors(void **state)
{
    (void)state;
    recover_a_crowd(ORPHANS);
}

static void orphans_fewer_than_a_batch_are_shared_out_too(void **state)
{
    (void)state;
    recover_a_crowd(ORPHANS / 4);
}

struct offered {
    const struct world_node *node;
    size_t count;
};

static bool was_offered(void *context)
{
    const struct offered *offered = context;

    return offered->node->orphan_count >= offered->count;
}

static void an_orphan_that_is_not_started_is_offered_again(void **state)
{
    const uint64_t epoch = register_account(n3, "a");
    struct offered offered = {0};

    (void)state;
    n1->hold_orphans = true;
    n2->hold_orphans = true;
    pg_run(admin, "SELECT troupe._kill($1, $2, 'gone')",
           PG_VALUES(pg_text((int64_t)n3->node_id), pg_text((int64_t)n1->node_id)));
    wait_for_number("SELECT count(*) FROM troupe.names WHERE name = 'a' AND status = 'starting'",
                    1);
    offered.node = pg_number(admin, "SELECT node_id FROM troupe.names WHERE name = 'a'", PG_NONE) ==
                           (int64_t)n1->node_id
                       ? n1
                       : n2;
    for (offered.count = 1; offered.count <= 2; offered.count++) {
        world_wait(&world, was_offered, &offered);
        assert_string_equal(offered.node->orphans[offered.count - 1].name, "a");
        assert_true(offered.node->orphans[offered.count - 1].epoch > epoch);
    }
    assert_int_equal(offered.node->orphans[0].epoch, offered.node->orphans[1].epoch);
}

static bool either_has_a_message(void *context)
{
    (void)context;
    return n1->inbox_count + n2->inbox_count > 0;
}

static void a_recovered_actor_gets_its_messages_and_its_past_is_fenced(void **state)
{
    const uint64_t epoch = register_account(n3, "a");
    struct tr_step step = {.name = "a", .epoch = epoch, .seq = 1, .state_json = "{\"cents\":5}"};
    struct world_node *heir = NULL;

    (void)state;
    assert_int_equal(run_step(n3, step), TR_STEP_COMMITTED);
    pg_run(admin, "SELECT troupe.send('a', 'bank.credit', '{\"late\": 1}')", PG_NONE);
    pg_run(admin, "SELECT troupe._kill($1, $2, 'gone')",
           PG_VALUES(pg_text((int64_t)n3->node_id), pg_text((int64_t)n1->node_id)));
    world_wait(&world, either_has_a_message, NULL);
    heir = n1->orphan_count > 0 ? n1 : n2;
    assert_string_equal(heir->orphans[0].name, "a");
    assert_string_equal(heir->orphans[0].state, "{\"cents\": 5}");
    assert_int_equal(heir->orphans[0].seq, 1);
    assert_true(heir->orphans[0].epoch > epoch);
    assert_string_equal(heir->inbox[0].payload, "{\"late\": 1}");
    /* The heir goes on from there; whoever still believes in the old epoch writes nothing. */
    step.seq = 2;
    assert_int_equal(run_step(heir, step), TR_STEP_FENCED);
    step.epoch = heir->orphans[0].epoch;
    assert_int_equal(run_step(heir, step), TR_STEP_COMMITTED);
}

static void steps_of_a_fenced_node_end_as_fenced(void **state)
{
    const uint64_t epoch = register_account(n1, "a");
    struct tr_step step = {.name = "a", .epoch = epoch, .seq = 1, .state_json = "{\"cents\":5}"};

    (void)state;
    pg_run(admin, "SELECT troupe._kill($1, $2, 'expired')",
           PG_VALUES(pg_text((int64_t)n1->node_id), pg_text((int64_t)n2->node_id)));
    assert_int_equal(run_step(n1, step), TR_STEP_FENCED);
    assert_int_equal(cents_of("a"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define THREE(test) cmocka_unit_test_setup_teardown(test, join_three, leave_all)
        THREE(messages_sent_by_sql_arrive_and_are_gone_when_handled),
        THREE(a_message_without_a_hint_arrives_with_a_renewal),
        THREE(a_message_sent_by_a_step_arrives_at_once_on_the_same_node),
        THREE(a_message_that_fails_comes_again_and_becomes_a_dead_letter),
        THREE(a_step_over_a_message_that_is_gone_is_reloaded_from_its_row),
        THREE(links_are_written_behind_and_removed),
        THREE(the_orphans_of_a_dead_node_start_once_each_on_the_survivors),
        THREE(orphans_fewer_than_a_batch_are_shared_out_too),
        THREE(an_orphan_that_is_not_started_is_offered_again),
        THREE(a_recovered_actor_gets_its_messages_and_its_past_is_fenced),
        THREE(steps_of_a_fenced_node_end_as_fenced),
#undef THREE
    };

    return cmocka_run_group_tests(tests, start_durable, stop_durable);
}
