/* What is tested: dist/peers, between nodes in one process.
 * Method: two or three rig nodes, by real connections over loopback and, as another program, in
 * memory with some seeds (support/rig_stage.h). Faults are in test_peers_faults.c and
 * test_peers_loss.c, what strangers may send in test_peers_strangers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "support/peers_rig.h"
#include "support/rig_stage.h"

static struct rig_node one;
static struct rig_node two;
static struct rig_node three;

static void start_default_pair(void)
{
    const struct rig_options first = rig_defaults(1);
    const struct rig_options second = rig_defaults(2);

    rig_start_pair(&one, &first, &two, &second);
}

static void stop_pair(void)
{
    rig_stop(&one);
    rig_stop(&two);
}

static void assert_clean(struct rig_node *node, uint64_t other)
{
    assert_int_equal(rig_pair(node, other).errors, 0);
}

/* ---- the way it goes ---- */

static void messages_of_all_sizes_arrive_in_order_both_ways(void **state)
{
    static const size_t sizes[] = {16,    17,     64,     4000,    4096,   65535,
                                   65536, 69632,  69633,  70000,   200000, 1000000,
                                   16,    131072, 131073, 5000000, 16};
    const size_t count = sizeof(sizes) / sizeof(sizes[0]);

    (void)state;
    start_default_pair();
    for (size_t index = 0; index < count; index++) {
        assert_int_equal(rig_send(&one, 2, 0, index, sizes[index], 0), TROUPE_OK);
        assert_int_equal(rig_send(&two, 1, 5, index, sizes[index], 0), TROUPE_OK);
    }
    assert_true(rig_wait_messages(&two, 1, count));
    assert_true(rig_wait_messages(&one, 2, count));
    assert_clean(&one, 2);
    assert_clean(&two, 1);
    assert_int_equal(rig_pair(&one, 2).session, rig_pair(&two, 1).session);
    assert_int_equal(tr_peers_session(one.peers, 2), rig_pair(&one, 2).session);
    stop_pair();
}

static void plain_peers_talk_on_loopback(void **state)
{
    const struct rig_options first = {.node_id = 1};
    const struct rig_options second = {.node_id = 2};

    (void)state;
    rig_start_pair(&one, &first, &two, &second);
    assert_int_equal(rig_send(&one, 2, 0, 0, 100, 0), TROUPE_OK);
    assert_true(rig_wait_messages(&two, 1, 1));
    assert_clean(&two, 1);
    stop_pair();
}

static void three_nodes_form_a_mesh(void **state)
{
    struct rig_node *nodes[] = {&one, &two, &three};

    (void)state;
    for (uint64_t index = 0; index < 3; index++) {
        const struct rig_options mine = rig_defaults(index + 1);

        rig_start(nodes[index], &mine);
    }
    for (size_t from = 0; from < 3; from++) {
        for (size_t to = 0; to < 3; to++) {
            rig_want(nodes[from], nodes[to]); /* ourselves too: that has to be harmless */
        }
    }
    for (uint64_t from = 0; from < 3; from++) {
        for (uint64_t to = 0; to < 3; to++) {
            if (from != to) {
                assert_true(rig_wait_ups(nodes[from], to + 1, 1));
                assert_int_equal(rig_send(nodes[from], to + 1, 0, 0, 64, 0), TROUPE_OK);
            }
        }
    }
    for (uint64_t from = 0; from < 3; from++) {
        for (uint64_t to = 0; to < 3; to++) {
            if (from != to) {
                assert_true(rig_wait_messages(nodes[to], from + 1, 1));
                assert_clean(nodes[to], from + 1);
            }
        }
    }
    rig_stop(&one);
    rig_stop(&two);
    rig_stop(&three);
}

static void node_that_dials_before_it_is_known_waits_at_the_door(void **state)
{
    const struct rig_options first = rig_defaults(1);
    const struct rig_options second = rig_defaults(2);
    uint64_t begun = 0;

    (void)state;
    rig_start(&one, &first);
    rig_start(&two, &second);
    rig_want(&two, &one); /* the higher id dials at once, and node 1 has not heard of it */
    begun = rig_now_ms();
    rig_want(&one, &two);
    assert_true(rig_wait_ups(&one, 2, 1));
    assert_true(rig_now_ms() - begun < 900); /* no new dial was needed: that takes a second */
    stop_pair();
}

static void connections_wait_until_a_node_knows_who_it_is(void **state)
{
    struct rig_options first = rig_defaults(1);
    const struct rig_options second = rig_defaults(2);

    (void)state;
    first.no_identity = true;
    rig_start(&one, &first);
    rig_start(&two, &second);
    rig_want(&two, &one);
    rig_want(&one, &two);
    rig_set_identity(&one);
    assert_true(rig_wait_ups(&one, 2, 1));
    assert_true(rig_wait_ups(&two, 1, 1));
    stop_pair();
}

static void lower_node_dials_when_the_higher_one_cannot(void **state)
{
    const struct rig_options first = rig_defaults(1);
    const struct rig_options second = rig_defaults(2);

    (void)state;
    rig_start(&one, &first);
    rig_start(&two, &second);
    rig_want_at(&two, &one, 1); /* nobody listens on port 1 */
    rig_want(&one, &two);
    assert_true(rig_wait_ups(&one, 2, 1));
    assert_true(rig_wait_ups(&two, 1, 1));
    assert_true(rig_pair(&two, 1).refused_dials > 0);
    stop_pair();
}

/* ---- closing ---- */

static void close_sends_what_is_queued_and_says_goodbye(void **state)
{
    enum { COUNT = 2000 };

    (void)state;
    start_default_pair();
    for (uint64_t number = 0; number < COUNT; number++) {
        assert_int_equal(rig_send(&one, 2, 0, number, 1000, 0), TROUPE_OK);
    }
    rig_close(&one);
    assert_true(rig_wait_losts(&two, 1, 1));
    assert_int_equal(rig_pair(&two, 1).reason, TR_PEERS_LOST_GOODBYE);
    assert_int_equal(rig_pair(&two, 1).messages, COUNT);
    assert_int_equal(rig_pair(&one, 2).reason, TR_PEERS_LOST_CLOSED);
    assert_clean(&two, 1);
    stop_pair();
}

struct two_closes {
    struct rig_node *node;
    bool first;
    bool second;
};

static void on_first_done(void *context)
{
    ((struct two_closes *)context)->first = true;
}

static void on_second_done(void *context)
{
    struct two_closes *closes = context;

    tr_mutex_lock(&closes->node->lock);
    closes->second = true;
    closes->node->closed = true;
    tr_cond_broadcast(&closes->node->changed);
    tr_mutex_unlock(&closes->node->lock);
}

static void close_twice(void *context)
{
    struct two_closes *closes = context;

    tr_peers_close(closes->node->peers, on_first_done, closes);
    tr_peers_close(closes->node->peers, on_second_done, closes);
}

static void second_close_takes_over_the_first(void **state)
{
    struct two_closes closes = {.node = &one};

    (void)state;
    start_default_pair();
    rig_call(&one, close_twice, &closes);
    rig_wait_closed(&one);
    one.peers = NULL;
    assert_true(closes.second);
    assert_false(closes.first);
    stop_pair();
}

/* ---- overload ---- */

static void full_queue_is_told_to_users_and_never_to_system_signals(void **state)
{
    enum { SIZE = 30000 };
    struct rig_options first = rig_defaults(1);
    const struct rig_options second = rig_defaults(2);
    struct rig_gate gate;
    uint64_t sent = 0;
    troupe_status status = TROUPE_OK;

    (void)state;
    first.send_queue_bytes_max = 1000000;
    rig_start_pair(&one, &first, &two, &second);
    rig_gate_shut(&gate, &two);
    while (status == TROUPE_OK) {
        status = rig_send(&one, 2, 0, sent, SIZE, 0);
        sent += status == TROUPE_OK ? 1 : 0;
        assert_true(sent < 10000);
    }
    assert_int_equal(status, TROUPE_E_BUSY);
    assert_int_equal(rig_send(&one, 2, 0, sent, 64, TR_PEERS_SYSTEM), TROUPE_OK);
    sent++;
    rig_gate_open(&gate, &two);
    assert_true(rig_wait_messages(&two, 1, sent));
    assert_clean(&two, 1);
    assert_int_equal(rig_pair(&one, 2).losts, 0);
    stop_pair();
}

static bool small_one_is_there(const struct rig_pair *pair)
{
    return pair->next[1] == 1;
}

static void small_message_overtakes_a_large_one_of_another_sender(void **state)
{
    (void)state;
    start_default_pair();
    assert_int_equal(rig_send(&one, 2, 0, 0, (size_t)60 * 1024 * 1024, 0), TROUPE_OK);
    assert_int_equal(rig_send(&one, 2, 0, 1, 64, 0), TROUPE_OK); /* of the same sender: waits */
    assert_int_equal(rig_send(&one, 2, 1, 0, 64, 0), TROUPE_OK);
    assert_true(rig_wait(&two, 1, small_one_is_there));
    /* The large one is hundreds of writes long: it cannot be through when the small one is. */
    assert_int_equal(rig_pair(&two, 1).next[0], 0);
    assert_true(rig_wait_messages(&two, 1, 3));
    assert_clean(&two, 1);
    stop_pair();
}

static void message_above_the_maximum_is_the_senders_mistake_alone(void **state)
{
    const struct tr_peers_target target = {.node_id = 2, .flags = TR_PEERS_SYSTEM};
    static const uint8_t byte;
    const struct tr_slice parts[] = {{&byte, TR_MESSAGE_SIZE_MAX}, {&byte, 1}};

    (void)state;
    start_default_pair();
    assert_int_equal(tr_peers_send(one.peers, &target, parts, 2), TROUPE_E_LIMIT);
    assert_int_equal(rig_send(&one, 2, 0, 0, 64, 0), TROUPE_OK);
    assert_true(rig_wait_messages(&two, 1, 1));
    assert_int_equal(rig_pair(&one, 2).losts, 0);
    stop_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_all_sizes_arrive_in_order_both_ways),
        cmocka_unit_test(plain_peers_talk_on_loopback),
        cmocka_unit_test(three_nodes_form_a_mesh),
        cmocka_unit_test(node_that_dials_before_it_is_known_waits_at_the_door),
        cmocka_unit_test(connections_wait_until_a_node_knows_who_it_is),
        cmocka_unit_test(lower_node_dials_when_the_higher_one_cannot),
        cmocka_unit_test(close_sends_what_is_queued_and_says_goodbye),
        cmocka_unit_test(second_close_takes_over_the_first),
        cmocka_unit_test(full_queue_is_told_to_users_and_never_to_system_signals),
        cmocka_unit_test(small_message_overtakes_a_large_one_of_another_sender),
        cmocka_unit_test(message_above_the_maximum_is_the_senders_mistake_alone),
    };
    int failed = 0;

    /* Fewer seeds than elsewhere: a message of 60 MiB takes its time. */
    for (uint32_t round = 0; round < (rig_stage_rounds() + 3) / 4 && failed == 0; round++) {
        failed = cmocka_run_group_tests_name("dist/peers", tests, NULL, NULL);
    }
    return failed;
}
