/* What is tested: links and exit signals between actors of one node, through the public API. */
#include "support/actors.h"

static struct stage *stage;
static struct probe *a, *b, *c;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    c = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void a_failure_ends_the_other_side_with_the_same_reason(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    const struct seen *last = probe_wait(a, 0);

    assert_int_equal(last->what, SAW_TERMINATE);
    assert_int_equal(last->kind, TROUPE_REASON_ERROR);
    assert_string_equal(last->text, "boom");
}

static void the_linker_s_end_reaches_the_linked(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_stop(a, TROUPE_REASON_ERROR, "boom");
    assert_string_equal(probe_wait(b, 0)->text, "boom");
}

static void a_chain_of_links_carries_the_first_reason(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_link(b, c->pid);
    probe_stop(a, TROUPE_REASON_ERROR, "first");
    assert_string_equal(probe_wait(c, 0)->text, "first");
    stage_wait_actors(stage, 0);
    assert_int_equal(probe_count(c), 1);
}

static void a_ring_of_links_dies_once(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_link(b, c->pid);
    probe_link(c, a->pid);
    probe_stop(b, TROUPE_REASON_SHUTDOWN, NULL);
    stage_wait_actors(stage, 0);
    assert_int_equal(probe_count(a), 1);
    assert_int_equal(probe_count(b), 1);
    assert_int_equal(probe_count(c), 1);
    assert_int_equal(a->seen[0].kind, TROUPE_REASON_SHUTDOWN);
}

static void a_normal_end_is_ignored_unless_trapped(void **state)
{
    (void)state;
    probe_trap(c, true);
    probe_link(a, b->pid);
    probe_link(c, b->pid);
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 0);
    const struct seen *exit = probe_wait(c, 0);

    assert_int_equal(exit->what, SAW_EXIT);
    assert_int_equal(exit->kind, TROUPE_REASON_NORMAL);
    assert_true(troupe_pid_equal(exit->from, b->pid));
    assert_int_equal(probe_seen(c), 1);
}

static void a_trapper_sees_the_reason_and_lives(void **state)
{
    (void)state;
    probe_trap(a, true);
    probe_link(a, b->pid);
    probe_link(a, c->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    const struct seen *exit = probe_wait(a, 0);

    assert_int_equal(exit->what, SAW_EXIT);
    assert_int_equal(exit->kind, TROUPE_REASON_ERROR);
    assert_string_equal(exit->text, "boom");
    assert_true(troupe_pid_equal(exit->from, b->pid));
    assert_int_equal(probe_seen(a), 1);
    assert_int_equal(probe_seen(c), 0);
}

static void the_trap_flag_counts_when_the_signal_arrives(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_trap(a, true);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    assert_int_equal(probe_wait(a, 0)->what, SAW_EXIT);
    probe_link(a, c->pid);
    probe_trap(a, false);
    probe_stop(c, TROUPE_REASON_ERROR, "bang");
    assert_string_equal(probe_wait(a, 1)->text, "bang");
    assert_int_equal(a->seen[1].what, SAW_TERMINATE);
}

static void linking_twice_makes_one_link(void **state)
{
    (void)state;
    probe_trap(a, true);
    probe_link(a, b->pid);
    probe_link(a, b->pid);
    probe_link(b, a->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 1);
}

static void one_unlink_ends_what_two_links_made(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_link(b, a->pid);
    probe_unlink(a, b->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 0);
}

static void a_link_to_oneself_does_nothing(void **state)
{
    (void)state;
    probe_trap(a, true);
    probe_link(a, a->pid);
    assert_int_equal(probe_seen(a), 0);
    probe_unlink(a, a->pid);
    probe_stop(a, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_count(a), 1);
    assert_int_equal(a->seen[0].what, SAW_TERMINATE);
}

static void a_link_to_the_dead_is_an_exit_signal(void **state)
{
    (void)state;
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 2);
    probe_trap(a, true);
    probe_link(a, b->pid);
    const struct seen *exit = probe_wait(a, 0);

    assert_int_equal(exit->what, SAW_EXIT);
    assert_int_equal(exit->kind, TROUPE_REASON_NOPROC);
    assert_true(troupe_pid_equal(exit->from, b->pid));
    probe_link(c, b->pid);
    assert_int_equal(probe_wait(c, 0)->what, SAW_TERMINATE);
    assert_int_equal(c->seen[0].kind, TROUPE_REASON_NOPROC);
}

static void a_link_to_another_node_is_noconnection(void **state)
{
    (void)state;
    probe_trap(a, true);
    probe_link(a, (troupe_pid){.node = 77, .id = 5});
    assert_int_equal(probe_wait(a, 0)->kind, TROUPE_REASON_NOCONNECTION);
    assert_int_equal(probe_seen(a), 1);
}

static void after_unlink_an_exit_cannot_hurt(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    probe_unlink(a, b->pid);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 0);
}

static int stop_other_then_unlink(troupe_self *self, struct probe *probe, void *context)
{
    struct gate *gate = context;
    const int64_t until = clock_ms() + DEADLINE_MS;

    (void)probe;
    /* b ends while this handler runs, so its exit signal is in the mailbox already. */
    const troupe_status sent = troupe_exit(self, b->pid, TROUPE_REASON_ERROR, "boom");

    while (stage_info(stage).actors > 2 && clock_ms() < until) {
    }
    if (clock_ms() >= until) {
        return TROUPE_E_TIMEOUT; /* It was woken by this handler and never ran. */
    }
    (void)gate;
    return sent != TROUPE_OK ? (int)sent : (int)troupe_unlink(self, b->pid);
}

static void unlink_disarms_an_exit_that_is_in_the_mailbox(void **state)
{
    (void)state;
    probe_link(a, b->pid);
    assert_int_equal(probe_do(a, stop_other_then_unlink, NULL), TROUPE_OK);
    assert_int_equal(stage_info(stage).actors, 2);
    assert_int_equal(probe_seen(a), 0);
}

static int unlink_and_link(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    for (int i = 0; i < 100; i++) {
        if (troupe_unlink(self, b->pid) != TROUPE_OK || troupe_link(self, b->pid) != TROUPE_OK) {
            return TROUPE_E_FAILED;
        }
    }
    return TROUPE_OK;
}

static void a_link_made_again_at_once_holds(void **state)
{
    (void)state;
    probe_trap(a, true);
    probe_link(a, b->pid);
    assert_int_equal(probe_do(a, unlink_and_link, NULL), TROUPE_OK);
    probe_stop(b, TROUPE_REASON_ERROR, "boom");
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_seen(a), 1);
    assert_string_equal(a->seen[0].text, "boom");
}

static void unlinking_strangers_does_nothing(void **state)
{
    (void)state;
    probe_unlink(a, b->pid);
    probe_unlink(a, (troupe_pid){.node = 1, .id = 12345});
    probe_unlink(a, (troupe_pid){0});
    assert_int_equal(probe_seen(a), 0);
    assert_int_equal(probe_seen(b), 0);
}

/* ---- exit/2 ---- */

static void an_exit_signal_ends_who_does_not_trap(void **state)
{
    (void)state;
    probe_exit(a, b->pid, TROUPE_REASON_SHUTDOWN, NULL);
    assert_int_equal(probe_wait(b, 0)->kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(probe_seen(a), 0);
}

static void an_exit_signal_to_a_trapper_names_its_sender(void **state)
{
    (void)state;
    probe_trap(b, true);
    probe_exit(a, b->pid, TROUPE_REASON_ERROR, "words");
    probe_exit(c, b->pid, TROUPE_REASON_SHUTDOWN, NULL);
    assert_true(troupe_pid_equal(probe_wait(b, 0)->from, a->pid));
    assert_string_equal(b->seen[0].text, "words");
    assert_true(troupe_pid_equal(probe_wait(b, 1)->from, c->pid));
    assert_int_equal(b->seen[1].kind, TROUPE_REASON_SHUTDOWN);
    assert_int_equal(probe_seen(b), 2);
}

static void kill_cannot_be_trapped_and_third_parties_see_killed(void **state)
{
    (void)state;
    probe_trap(b, true);
    probe_trap(c, true);
    probe_link(c, b->pid);
    const uint64_t monitor = probe_monitor(a, b->pid);

    probe_exit(a, b->pid, TROUPE_REASON_KILL, NULL);
    const struct seen *down = probe_wait(a, 0);
    const struct seen *exit = probe_wait(c, 0);

    assert_int_equal(down->what, SAW_DOWN);
    assert_int_equal(down->ref, monitor);
    assert_int_equal(down->kind, TROUPE_REASON_KILLED);
    assert_int_equal(exit->what, SAW_EXIT);
    assert_int_equal(exit->kind, TROUPE_REASON_KILLED);
    stage_wait_actors(stage, 2);
    assert_int_equal(probe_count(b), 0); /* No terminate, no message. */
    assert_int_equal(probe_released(b), 1);
}

static void killed_travels_on_as_an_ordinary_reason(void **state)
{
    (void)state;
    probe_trap(c, true);
    probe_link(a, b->pid);
    probe_link(c, a->pid);
    probe_exit(c, b->pid, TROUPE_REASON_KILL, NULL);
    assert_int_equal(probe_wait(c, 0)->kind, TROUPE_REASON_KILLED);
    assert_true(troupe_pid_equal(c->seen[0].from, a->pid));
}

static void normal_is_ignored_by_others(void **state)
{
    (void)state;
    probe_trap(c, true);
    probe_exit(a, b->pid, TROUPE_REASON_NORMAL, NULL);
    probe_exit(a, c->pid, TROUPE_REASON_NORMAL, NULL);
    assert_int_equal(probe_wait(c, 0)->what, SAW_EXIT);
    assert_int_equal(probe_seen(b), 0);
}

static void normal_to_oneself_ends_the_actor(void **state)
{
    (void)state;
    probe_exit(a, a->pid, TROUPE_REASON_NORMAL, NULL);
    assert_int_equal(probe_wait(a, 0)->what, SAW_TERMINATE);
    assert_int_equal(a->seen[0].kind, TROUPE_REASON_NORMAL);
    probe_trap(b, true);
    probe_exit(b, b->pid, TROUPE_REASON_NORMAL, NULL);
    assert_int_equal(probe_wait(b, 0)->what, SAW_EXIT);
}

static void an_exit_to_the_dead_is_harmless(void **state)
{
    (void)state;
    probe_stop(b, TROUPE_REASON_NORMAL, NULL);
    stage_wait_actors(stage, 2);
    probe_exit(a, b->pid, TROUPE_REASON_KILL, NULL);
    assert_int_equal(probe_seen(a), 0);
}

static int exit_with_kind(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_exit(self, b->pid, *(const int32_t *)context, NULL);
}

static void an_unknown_kind_is_refused(void **state)
{
    (void)state;
    assert_int_equal(troupe_node_exit(stage->node, b->pid, 99, NULL), TROUPE_E_INVALID);
    assert_int_equal(troupe_node_exit(stage->node, b->pid, -1, NULL), TROUPE_E_INVALID);
    assert_int_equal(probe_do(a, exit_with_kind, &(int32_t){8}), TROUPE_E_INVALID);
    assert_int_equal(probe_seen(b), 0);
}

static void an_untrapped_exit_does_not_wait_behind_messages(void **state)
{
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_block(b, &gate);
    for (int i = 0; i < 9000; i++) {
        assert_int_equal(troupe_node_send(stage->node, b->pid, &number_type, &(number){.value = i}),
                         TROUPE_OK);
    }
    probe_exit(a, b->pid, TROUPE_REASON_SHUTDOWN, "now");
    gate_open(&gate);
    stage_wait_actors(stage, 2);
    /* At most what one run takes before it looks at the mailbox again. */
    assert_in_range(probe_count(b), 1, 65);
    assert_int_equal(b->seen[probe_count(b) - 1].what, SAW_TERMINATE);
    assert_int_equal(b->seen[probe_count(b) - 1].kind, TROUPE_REASON_SHUTDOWN);
    gate_fini(&gate);
}

static void a_trapped_exit_waits_behind_the_messages_of_its_sender(void **state)
{
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_trap(b, true);
    probe_block(b, &gate);
    for (int i = 0; i < 100; i++) {
        probe_send(a, b->pid, i);
    }
    probe_exit(a, b->pid, TROUPE_REASON_ERROR, "after");
    gate_open(&gate);
    assert_string_equal(probe_wait(b, 100)->text, "after");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(b->seen[i].number, i);
    }
    gate_fini(&gate);
}

static int kill_sender(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    return troupe_exit(self, troupe_sender(self), TROUPE_REASON_KILL, "whoever you are");
}

static void who_calls_from_outside_cannot_be_killed(void **state)
{
    (void)state;
    assert_int_equal(probe_do(a, kill_sender, NULL), TROUPE_OK);
    assert_int_equal(probe_seen(a), 0);
    probe_send(b, a->pid, 7);
    assert_int_equal(probe_wait(a, 0)->number, 7);
}

#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINK_TEST(a_failure_ends_the_other_side_with_the_same_reason),
        LINK_TEST(the_linker_s_end_reaches_the_linked),
        LINK_TEST(a_chain_of_links_carries_the_first_reason),
        LINK_TEST(a_ring_of_links_dies_once),
        LINK_TEST(a_normal_end_is_ignored_unless_trapped),
        LINK_TEST(a_trapper_sees_the_reason_and_lives),
        LINK_TEST(the_trap_flag_counts_when_the_signal_arrives),
        LINK_TEST(linking_twice_makes_one_link),
        LINK_TEST(one_unlink_ends_what_two_links_made),
        LINK_TEST(a_link_to_oneself_does_nothing),
        LINK_TEST(a_link_to_the_dead_is_an_exit_signal),
        LINK_TEST(a_link_to_another_node_is_noconnection),
        LINK_TEST(after_unlink_an_exit_cannot_hurt),
        LINK_TEST(unlink_disarms_an_exit_that_is_in_the_mailbox),
        LINK_TEST(a_link_made_again_at_once_holds),
        LINK_TEST(unlinking_strangers_does_nothing),
        LINK_TEST(an_exit_signal_ends_who_does_not_trap),
        LINK_TEST(an_exit_signal_to_a_trapper_names_its_sender),
        LINK_TEST(kill_cannot_be_trapped_and_third_parties_see_killed),
        LINK_TEST(killed_travels_on_as_an_ordinary_reason),
        LINK_TEST(normal_is_ignored_by_others),
        LINK_TEST(normal_to_oneself_ends_the_actor),
        LINK_TEST(an_exit_to_the_dead_is_harmless),
        LINK_TEST(an_unknown_kind_is_refused),
        LINK_TEST(an_untrapped_exit_does_not_wait_behind_messages),
        LINK_TEST(a_trapped_exit_waits_behind_the_messages_of_its_sender),
        LINK_TEST(who_calls_from_outside_cannot_be_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
