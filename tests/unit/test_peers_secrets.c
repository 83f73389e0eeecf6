/* What is tested: dist/peers whose secrets are replaced while there are sessions.
 * Method: two nodes in memory, and connections that are cut so that new ones are needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/peers_rig.h"
#include "support/rig_stage.h"

/* Less than the time that a dialer waits after a refusal, so a session that waited for it would be
 * lost; else as long as can be. */
enum { WINDOW_MS = 4800 };

static const char fresh[] = "a secret that takes the place of another";

static struct rig_node one;
static struct rig_node two;
static uint64_t number; /* of the next message from one to two */

static int setup(void **state)
{
    struct rig_options first = rig_defaults(1);
    struct rig_options second = rig_defaults(2);

    (void)state;
    number = 0;
    first.resume_window_ms = WINDOW_MS;
    second.resume_window_ms = WINDOW_MS;
    rig_start_pair(&one, &first, &two, &second);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_stop(&one);
    rig_stop(&two);
    return 0;
}

static void send_one(void)
{
    assert_int_equal(rig_send(&one, 2, 0, number, 100, 0), TROUPE_OK);
    number++;
}

static void assert_nothing_lost(void)
{
    send_one();
    assert_true(rig_wait_messages(&two, 1, number));
    assert_int_equal(rig_pair(&one, 2).losts, 0);
    assert_int_equal(rig_pair(&two, 1).losts, 0);
    assert_int_equal(rig_pair(&two, 1).errors, 0);
}

static void connection_goes_on_when_the_secret_changes(void **state)
{
    (void)state;
    rig_set_secrets(&one, fresh, NULL);
    assert_nothing_lost();
    assert_int_equal(rig_pair(&one, 2).unreachable, 0);
    assert_int_equal(rig_pair(&two, 1).unreachable, 0);
}

static void refused_dial_begins_anew_when_the_secret_is_right(void **state)
{
    (void)state;
    rig_set_secrets(&two, fresh, NULL);
    rig_cut(&two, 1);
    send_one();
    /* The dials of both, so that none is left that would be right by itself. */
    assert_true(rig_wait_refusals(&two, 2));
    assert_true(rig_wait_refusals(&one, 2));
    assert_int_equal(rig_refusal(&two), TROUPE_E_AUTH);
    rig_set_secrets(&two, rig_secret, NULL);
    assert_nothing_lost();
}

/* The other side stands still, so that the dial has sent its hello and waits. */
static void dial_under_way_begins_anew_when_the_secret_changes(void **state)
{
    struct rig_gate gate;
    struct tr_peers_counters counters;
    uint64_t before = 0;

    (void)state;
    rig_want_at(&one, &two, 1); /* nobody listens there: only the dial of two counts */
    rig_set_secrets(&two, fresh, NULL);
    rig_counters(&two, &counters);
    before = counters.dialled;
    send_one();
    rig_gate_shut(&gate, &one);
    rig_cut(&two, 1);
    do {
        rig_counters(&two, &counters);
    } while (counters.dialled == before);
    for (size_t turn = 0; turn < 20; turn++) { /* the dial connects */
        rig_counters(&two, &counters);
    }
    rig_set_secrets(&two, rig_secret, NULL);
    rig_gate_open(&gate, &one);
    assert_nothing_lost();
}

/* Each of the two in turn is the one that has what the other accepts only. */
static void secret_that_is_accepted_resumes_a_session(void **state)
{
    (void)state;
    rig_set_secrets(&one, rig_secret, fresh);
    rig_set_secrets(&two, fresh, rig_secret);
    for (size_t count = 0; count < 6; count++) {
        rig_cut(count % 2 == 0 ? &one : &two, count % 2 == 0 ? 2 : 1);
        assert_nothing_lost();
    }
    assert_int_equal(rig_refusal(&one), TROUPE_OK);
    assert_int_equal(rig_refusal(&two), TROUPE_OK);
}

/* Whatever a dial has come to when the secrets change, the session is resumed. */
static void secrets_change_in_the_middle_of_handshakes(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++) {
        rig_cut(&one, 2);
        rig_set_secrets(&one, count % 2 == 0 ? fresh : rig_secret,
                        count % 2 == 0 ? rig_secret : fresh);
        send_one();
        rig_set_secrets(&two, count % 3 == 0 ? fresh : rig_secret,
                        count % 3 == 0 ? rig_secret : fresh);
        assert_nothing_lost();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connection_goes_on_when_the_secret_changes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refused_dial_begins_anew_when_the_secret_is_right, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(dial_under_way_begins_anew_when_the_secret_changes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(secret_that_is_accepted_resumes_a_session, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_change_in_the_middle_of_handshakes, setup,
                                        teardown),
    };
    int failed = 0;

    for (uint32_t round = 0; round < rig_stage_rounds() && failed == 0; round++) {
        failed = cmocka_run_group_tests_name("dist/peers, secrets", tests, NULL, NULL);
    }
    return failed;
}
