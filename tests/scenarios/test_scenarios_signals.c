/* What is tested: scenarios of links, monitors and ends on one node, each for many interleavings.
 */
#include <stdio.h>
#include <string.h>

#include "scenarios/world.h"

enum { SEEDS = 100 };

/* ---- failing before the first message ---- */

static int early_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    return (int)troupe_continue(self, &number_type, &(number){.value = 1});
}

static int early_fail(troupe_self *self, void *state, const void *message)
{
    (void)state;
    (void)message;
    return troupe_fail(self, "too early");
}

static const troupe_handler early_handlers[] = {{&number_type, early_fail}, {0}};
static const troupe_behavior early_behavior = {
    .name = "test.early", .init = early_init, .handlers = early_handlers};

/* Twice: by the spawn itself and right after it. */
static int spawn_and_monitor(troupe_self *self, void *context)
{
    uint64_t *monitors = context;
    troupe_spawn_options options = {.flags = TROUPE_SPAWN_MONITOR};
    troupe_pid pid = {0};
    const troupe_status status = troupe_spawn(self, &early_behavior, NULL, &options, &pid);

    monitors[0] = options.monitor;
    return status != TROUPE_OK ? status : (int)troupe_monitor(self, pid, &monitors[1]);
}

static void play_early(troupe_test *test)
{
    troupe_probe *watcher = troupe_probe_start(test, "watcher");
    uint64_t monitors[2] = {0};
    uint64_t seen = 0;

    assert_int_equal(troupe_probe_do(watcher, spawn_and_monitor, monitors), TROUPE_OK);
    for (int i = 0; i < 2; i++) {
        const troupe_seen *down = troupe_expect(watcher, &troupe_down_type, 0);

        assert_int_equal(down->reason.kind, TROUPE_REASON_ERROR);
        assert_string_equal(down->reason.text, "too early");
        seen |= down->ref == monitors[0] ? 1U : down->ref == monitors[1] ? 2U : 4U;
    }
    assert_int_equal(seen, 3);
    troupe_expect_nothing(watcher);
}

/* Who monitors right after the spawn misses nothing, since init has ended by then. */
static void who_fails_before_its_first_message_is_told_of(void **state)
{
    (void)state;
    world_play(SEEDS, play_early);
}

/* ---- failing in terminate ---- */

static void late_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)state;
    if (reason->kind == TROUPE_REASON_SHUTDOWN) {
        (void)troupe_stop(self, TROUPE_REASON_ERROR, "the last words");
    }
}

static const troupe_behavior late_behavior = {.name = "test.late", .terminate = late_terminate};

static void play_late(troupe_test *test)
{
    troupe_probe *watcher = troupe_probe_start(test, "watcher");
    troupe_probe *linked = troupe_probe_start(test, "linked");
    const troupe_pid late = world_spawn(test, &late_behavior, NULL);
    const troupe_pid quiet = world_spawn(test, &late_behavior, NULL);
    const uint64_t monitor = troupe_probe_monitor(watcher, late);
    const uint64_t second = troupe_probe_monitor(watcher, quiet);

    assert_int_equal(troupe_probe_link(linked, late), TROUPE_OK);
    assert_int_equal(troupe_probe_exit(watcher, late, TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    assert_string_equal(troupe_expect_down(watcher, monitor, TROUPE_REASON_ERROR, 0)->reason.text,
                        "the last words");
    assert_string_equal(troupe_expect_end(linked, TROUPE_REASON_ERROR, 0)->reason.text,
                        "the last words");
    assert_int_equal(troupe_probe_exit(watcher, quiet, TROUPE_REASON_FENCED, "why"), TROUPE_OK);
    assert_string_equal(troupe_expect_down(watcher, second, TROUPE_REASON_FENCED, 0)->reason.text,
                        "why");
}

/* As an exit in the terminate of a gen_server. */
static void a_failure_in_terminate_is_the_reason_that_all_see(void **state)
{
    (void)state;
    world_play(SEEDS, play_late);
}

/* ---- links ---- */

static void play_other_links(troupe_test *test)
{
    troupe_probe *keeper = troupe_probe_start(test, "keeper");
    troupe_probe *first = troupe_probe_start(test, "first");
    troupe_probe *second = troupe_probe_start(test, "second");

    troupe_probe_trap_exit(keeper, true);
    assert_int_equal(troupe_probe_link(keeper, troupe_probe_pid(first)), TROUPE_OK);
    assert_int_equal(troupe_probe_link(keeper, troupe_probe_pid(second)), TROUPE_OK);
    troupe_probe_stop(first, TROUPE_REASON_ERROR, "boom");
    (void)troupe_expect_exit(keeper, troupe_probe_pid(first), TROUPE_REASON_ERROR, 0);
    troupe_expect_nothing(keeper);
    troupe_expect_nothing(second);
    troupe_probe_stop(second, TROUPE_REASON_ERROR, "bang");
    (void)troupe_expect_exit(keeper, troupe_probe_pid(second), TROUPE_REASON_ERROR, 0);
    troupe_expect_nothing(keeper);
}

static void a_trapper_stays_linked_to_the_others(void **state)
{
    (void)state;
    world_play(SEEDS, play_other_links);
}

static int link_to(troupe_self *self, void *context)
{
    return (int)troupe_link(self, *(const troupe_pid *)context);
}

static void play_both_link(troupe_test *test)
{
    troupe_probe *a = troupe_probe_start(test, "a");
    troupe_probe *b = troupe_probe_start(test, "b");
    troupe_pid pids[2] = {troupe_probe_pid(a), troupe_probe_pid(b)};

    troupe_probe_trap_exit(a, true);
    assert_int_equal(troupe_probe_post(a, link_to, &pids[1]), TROUPE_OK);
    assert_int_equal(troupe_probe_post(b, link_to, &pids[0]), TROUPE_OK);
    troupe_test_settle(test);
    troupe_probe_stop(b, TROUPE_REASON_ERROR, "boom");
    (void)troupe_expect_exit(a, pids[1], TROUPE_REASON_ERROR, 0);
    troupe_expect_nothing(a);
}

static void a_link_made_from_both_sides_at_once_is_one(void **state)
{
    (void)state;
    world_play(SEEDS, play_both_link);
}

static void play_both_link_and_one_unlinks(troupe_test *test)
{
    troupe_probe *a = troupe_probe_start(test, "a");
    troupe_probe *b = troupe_probe_start(test, "b");
    troupe_pid pids[2] = {troupe_probe_pid(a), troupe_probe_pid(b)};

    assert_int_equal(troupe_probe_post(a, link_to, &pids[1]), TROUPE_OK);
    assert_int_equal(troupe_probe_post(b, link_to, &pids[0]), TROUPE_OK);
    troupe_test_settle(test);
    assert_int_equal(troupe_probe_unlink(a, pids[1]), TROUPE_OK);
    troupe_test_settle(test);
    troupe_probe_stop(b, TROUPE_REASON_ERROR, "boom");
    troupe_expect_nothing(a);
}

static void one_unlink_ends_a_link_made_from_both_sides(void **state)
{
    (void)state;
    world_play(SEEDS, play_both_link_and_one_unlinks);
}

/* ---- an unlink that races with the other's end ---- */

struct race {
    troupe_pid other;
    int exits_before;
    int nothing_before;
};
static struct race race;

static int unlink_and_mark(troupe_self *self, void *context)
{
    const struct race *r = context;
    const troupe_status status = troupe_unlink(self, r->other);

    return status != TROUPE_OK
               ? status
               : (int)troupe_send(self, troupe_self_pid(self), &number_type, &(number){.value = 1});
}

static int fail_now(troupe_self *self, void *context)
{
    (void)context;
    return troupe_stop(self, TROUPE_REASON_ERROR, "boom");
}

static void play_unlink_race(troupe_test *test)
{
    troupe_probe *a = troupe_probe_start(test, "a");
    troupe_probe *b = troupe_probe_start(test, "b");

    race.other = troupe_probe_pid(b);
    troupe_probe_trap_exit(a, true);
    assert_int_equal(troupe_probe_link(a, race.other), TROUPE_OK);
    assert_int_equal(troupe_probe_post(b, fail_now, NULL), TROUPE_OK);
    assert_int_equal(troupe_probe_post(a, unlink_and_mark, &race), TROUPE_OK);
    troupe_test_settle(test);
    const size_t count = troupe_probe_count(a);

    assert_in_range(count, 1, 2);
    /* The marker is the last. An exit that was trapped before the unlink is a message before it. */
    assert_int_equal(troupe_probe_seen(a, count - 1)->kind, TROUPE_SEEN_MESSAGE);
    race.exits_before += count == 2;
    race.nothing_before += count == 1;
}

static void no_exit_comes_after_an_unlink_whenever_the_other_ended(void **state)
{
    (void)state;
    race = (struct race){0};
    world_play(SEEDS, play_unlink_race);
    assert_true(race.nothing_before > 0 && race.exits_before > 0);
}

/* ---- exits without a link ---- */

static void play_two_exits(troupe_test *test)
{
    troupe_probe *keeper = troupe_probe_start(test, "keeper");
    troupe_probe *first = troupe_probe_start(test, "first");
    troupe_probe *second = troupe_probe_start(test, "second");
    const troupe_pid to = troupe_probe_pid(keeper);
    uint64_t seen = 0;

    troupe_probe_trap_exit(keeper, true);
    assert_int_equal(troupe_probe_exit(first, to, TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    assert_int_equal(troupe_probe_exit(second, to, TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    for (int i = 0; i < 2; i++) {
        const troupe_seen *exit = troupe_expect(keeper, &troupe_exit_type, 0);

        seen |= troupe_pid_equal(exit->from, troupe_probe_pid(first))    ? 1U
                : troupe_pid_equal(exit->from, troupe_probe_pid(second)) ? 2U
                                                                         : 4U;
    }
    assert_int_equal(seen, 3);
    troupe_expect_nothing(keeper);
    /* No link was made by it. */
    troupe_probe_stop(first, TROUPE_REASON_ERROR, "boom");
    troupe_expect_nothing(keeper);
}

static void two_exits_to_a_trapper_are_two_messages(void **state)
{
    (void)state;
    world_play(SEEDS, play_two_exits);
}

static void play_shutdown(troupe_test *test)
{
    troupe_probe *sender = troupe_probe_start(test, "sender");
    troupe_probe *target = troupe_probe_start(test, "target");
    const troupe_pid pid = troupe_probe_pid(target);

    assert_int_equal(troupe_probe_exit(sender, pid, TROUPE_REASON_SHUTDOWN, NULL), TROUPE_OK);
    (void)troupe_expect_end(target, TROUPE_REASON_SHUTDOWN, 0);
    troupe_test_advance(test, 3600000);
    assert_false(world_lives(test, pid));
    assert_int_equal(troupe_probe_call(sender, pid, &number_type, &(number){.value = 1}, 100, 1),
                     TROUPE_OK);
    (void)troupe_expect_result(sender, 1, TROUPE_E_NOPROC, 0);
    assert_true(troupe_probe_is_alive(sender));
}

static void who_is_told_to_shut_down_is_gone_for_good(void **state)
{
    (void)state;
    world_play(SEEDS, play_shutdown);
}

/* ---- monitors of the dead ---- */

static const char *describe(troupe_test *test, troupe_pid pid, char **reply)
{
    char request[160];
    char text[TROUPE_PID_TEXT_SIZE];

    (void)snprintf(request, sizeof(request), "{\"op\":\"actor\",\"to\":\"%s\"}",
                   troupe_pid_print(pid, text));
    assert_int_equal(troupe_node_admin(troupe_test_node(test), request, 1000, reply), TROUPE_OK);
    return *reply;
}

static void play_dead(troupe_test *test)
{
    troupe_probe *watcher = troupe_probe_start(test, "watcher");
    troupe_probe *dead = troupe_probe_start(test, "dead");
    const troupe_pid pid = troupe_probe_pid(dead);
    char *reply = NULL;

    troupe_probe_stop(dead, TROUPE_REASON_NORMAL, NULL);
    for (int i = 0; i < 3; i++) {
        (void)troupe_expect_down(watcher, troupe_probe_monitor(watcher, pid), TROUPE_REASON_NOPROC,
                                 0);
    }
    troupe_expect_nothing(watcher);
    assert_non_null(strstr(describe(test, troupe_probe_pid(watcher), &reply), "\"monitors\":0"));
    troupe_json_free(reply);
}

static void monitors_of_the_dead_leave_nothing_behind(void **state)
{
    (void)state;
    world_play(SEEDS, play_dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_fails_before_its_first_message_is_told_of),
        cmocka_unit_test(a_failure_in_terminate_is_the_reason_that_all_see),
        cmocka_unit_test(a_trapper_stays_linked_to_the_others),
        cmocka_unit_test(a_link_made_from_both_sides_at_once_is_one),
        cmocka_unit_test(one_unlink_ends_a_link_made_from_both_sides),
        cmocka_unit_test(no_exit_comes_after_an_unlink_whenever_the_other_ended),
        cmocka_unit_test(two_exits_to_a_trapper_are_two_messages),
        cmocka_unit_test(who_is_told_to_shut_down_is_gone_for_good),
        cmocka_unit_test(monitors_of_the_dead_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
