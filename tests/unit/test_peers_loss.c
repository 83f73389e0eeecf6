/* What is tested: dist/peers when sessions break and are lost: silence, windows, nodes that are
 * gone. Method: two rig nodes in memory, whose time passes when nobody has anything to do; each
 * test is played with some seeds, which decide who turns next and in which pieces bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/peers_rig.h"
#include "support/rig_stage.h"

static struct rig_node one;
static struct rig_node two;

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

static bool was_unreachable(const struct rig_pair *pair)
{
    return pair->unreachable > 0;
}

static void silent_node_is_noticed_and_resumed_when_it_wakes(void **state)
{
    struct rig_options first = rig_defaults(1);
    struct rig_options second = rig_defaults(2);
    struct rig_gate gate;

    (void)state;
    first.heartbeat_ms = second.heartbeat_ms = 20;
    first.silence_ms = second.silence_ms = 150;
    first.resume_window_ms = second.resume_window_ms = 20000;
    rig_start_pair(&one, &first, &two, &second);
    assert_int_equal(rig_send(&one, 2, 0, 0, 64, 0), TROUPE_OK);
    assert_true(rig_wait_messages(&two, 1, 1));
    assert_int_equal(rig_pair(&one, 2).unreachable, 0);
    rig_gate_shut(&gate, &two);
    assert_int_equal(rig_send(&one, 2, 0, 1, 64, 0), TROUPE_OK);
    assert_true(rig_wait(&one, 2, was_unreachable));
    assert_int_equal(rig_send(&one, 2, 0, 2, 64, 0), TROUPE_OK);
    rig_gate_open(&gate, &two);
    assert_true(rig_wait_messages(&two, 1, 3));
    assert_clean(&two, 1);
    assert_int_equal(rig_pair(&two, 1).ups, 1);
    assert_int_equal(rig_pair(&one, 2).losts, 0);
    stop_pair();
}

/* `sleeper` stands still until `waker` has given the session up, and still believes in it then. */
static void lose_and_begin_again(struct rig_node *waker, struct rig_node *sleeper)
{
    const uint64_t waker_id = waker->options.node_id;
    const uint64_t sleeper_id = sleeper->options.node_id;
    struct rig_gate gate;
    uint32_t before = 0;

    before = rig_pair(waker, sleeper_id).session;
    rig_gate_shut(&gate, sleeper);
    assert_true(rig_wait(waker, sleeper_id, was_unreachable));
    /* The session is broken and may be resumed, so this is taken. It must not come up in the next
     * session: there it would be the wrong number. */
    assert_int_equal(rig_send(waker, sleeper_id, 0, 5, 64, 0), TROUPE_OK);
    assert_true(rig_wait_losts(waker, sleeper_id, 1));
    assert_int_equal(rig_pair(waker, sleeper_id).reason, TR_PEERS_LOST_EXPIRED);
    assert_int_equal(rig_send(waker, sleeper_id, 0, 6, 64, 0), TROUPE_E_NOCONNECTION);
    assert_int_equal(tr_peers_session(waker->peers, sleeper_id), 0);
    rig_gate_open(&gate, sleeper);
    assert_true(rig_wait_ups(waker, sleeper_id, 2));
    assert_true(rig_wait_ups(sleeper, waker_id, 2));
    assert_int_equal(rig_pair(sleeper, waker_id).losts, 1);
    assert_int_equal(rig_pair(sleeper, waker_id).reason, TR_PEERS_LOST_REPLACED);
    assert_true(rig_pair(waker, sleeper_id).session > before);
    assert_int_equal(rig_pair(waker, sleeper_id).session, rig_pair(sleeper, waker_id).session);
    assert_int_equal(rig_send(waker, sleeper_id, 0, 0, 64, 0), TROUPE_OK);
    assert_true(rig_wait_messages(sleeper, waker_id, 1));
    assert_clean(waker, sleeper_id);
    assert_clean(sleeper, waker_id);
}

static void start_pair_with_windows(uint32_t first_ms, uint32_t second_ms)
{
    struct rig_options first = rig_defaults(1);
    struct rig_options second = rig_defaults(2);

    first.heartbeat_ms = second.heartbeat_ms = 20;
    first.silence_ms = second.silence_ms = 100;
    first.resume_window_ms = first_ms;
    second.resume_window_ms = second_ms;
    rig_start_pair(&one, &first, &two, &second);
}

static void session_is_lost_after_the_window_and_the_next_has_a_higher_number(void **state)
{
    (void)state;
    start_pair_with_windows(300, 20000);
    lose_and_begin_again(&one, &two);
    stop_pair();
}

/* The other way round it is the sleeper that is dialled. */
static void session_that_the_dialling_side_gave_up_is_lost_before_the_next(void **state)
{
    (void)state;
    start_pair_with_windows(20000, 300);
    lose_and_begin_again(&two, &one);
    stop_pair();
}

static bool dial_was_refused(const struct rig_pair *pair)
{
    return pair->refused_dials > 0;
}

static void node_that_is_gone_is_reported_as_refusing(void **state)
{
    uint64_t begun = 0;

    (void)state;
    start_default_pair();
    rig_close(&two); /* its port is closed, as after a kill */
    begun = rig_now_ms();
    assert_true(rig_wait(&one, 2, dial_was_refused));
    assert_true(rig_now_ms() - begun < 2000);
    stop_pair();
}

static void forgotten_node_loses_its_session_at_once_and_is_refused_for_ever(void **state)
{
    struct rig_options first = rig_defaults(1);
    struct rig_options second = rig_defaults(2);

    (void)state;
    first.resume_window_ms = second.resume_window_ms = 300;
    rig_start_pair(&one, &first, &two, &second);
    rig_forget(&one, 2);
    assert_int_equal(rig_pair(&one, 2).losts, 1); /* from within the call */
    assert_int_equal(rig_pair(&one, 2).reason, TR_PEERS_LOST_FORGOTTEN);
    assert_int_equal(rig_send(&one, 2, 0, 0, 64, 0), TROUPE_E_NOCONNECTION);
    rig_want(&one, &two); /* dead stays dead */
    assert_true(rig_wait_refusals(&two, 1));
    assert_int_equal(rig_refusal(&two), TROUPE_E_FENCED);
    assert_true(rig_wait_losts(&two, 1, 1));
    assert_int_equal(rig_pair(&two, 1).reason, TR_PEERS_LOST_EXPIRED);
    assert_int_equal(rig_pair(&one, 2).ups, 1);
    stop_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_node_is_noticed_and_resumed_when_it_wakes),
        cmocka_unit_test(session_is_lost_after_the_window_and_the_next_has_a_higher_number),
        cmocka_unit_test(session_that_the_dialling_side_gave_up_is_lost_before_the_next),
        cmocka_unit_test(node_that_is_gone_is_reported_as_refusing),
        cmocka_unit_test(forgotten_node_loses_its_session_at_once_and_is_refused_for_ever),
    };
    int failed = 0;

    for (uint32_t round = 0; round < rig_stage_rounds() && failed == 0; round++) {
        failed = cmocka_run_group_tests_name("dist/peers, lost sessions", tests, NULL, NULL);
    }
    return failed;
}
