/* What is tested: groups (troupe/group.h) on one node, through the public API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"
#include "support/members.h"

enum { GROUPS_MAX = 1000 };

static struct stage *stage;

static int leave_in_vain(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    assert_int_equal(troupe_leave(self, context), TROUPE_E_NOT_FOUND);
    return TROUPE_OK;
}

static size_t count_of(const char *group)
{
    size_t count = 99;

    assert_int_equal(troupe_node_members(stage->node, group, NULL, 0, &count), TROUPE_OK);
    return count;
}

static bool is_member(const char *group, troupe_pid pid)
{
    troupe_pid pids[64];
    size_t count = 0;

    assert_int_equal(troupe_node_members(stage->node, group, pids, 64, &count), TROUPE_OK);
    for (size_t i = 0; i < count && i < 64; i++) {
        if (troupe_pid_equal(pids[i], pid)) {
            return true;
        }
    }
    return false;
}

static void has_number(struct probe *probe, size_t index, int64_t value)
{
    const struct seen *seen = probe_wait(probe, index);

    assert_int_equal(seen->what, SAW_NUMBER);
    assert_int_equal(seen->number, value);
}

/* ---- tests ---- */

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(2);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void a_member_is_listed_until_it_leaves(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);

    (void)state;
    probe_join(a, "room");
    probe_join(b, "room");
    probe_join(b, "other");
    assert_int_equal(count_of("room"), 2);
    assert_true(is_member("room", a->pid) && is_member("room", b->pid));
    assert_int_equal(count_of("other"), 1);
    probe_leave(a, "room");
    assert_false(is_member("room", a->pid));
    assert_true(is_member("room", b->pid));
    probe_leave(b, "room");
    assert_int_equal(count_of("room"), 0);
    assert_int_equal(count_of("other"), 1);
}

static void who_stays_is_listed_whoever_has_left(void **state)
{
    static const size_t order[] = {1, 5, 0, 7, 3};
    struct probe *probes[8];
    bool there[8];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        probes[i] = probe_spawn(stage, NULL);
        there[i] = true;
        probe_join(probes[i], "room");
    }
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        probe_leave(probes[order[i]], "room");
        there[order[i]] = false;
        for (size_t k = 0; k < 8; k++) {
            assert_int_equal(is_member("room", probes[k]->pid), there[k]);
        }
    }
    assert_int_equal(probe_broadcast(probes[0], "room", 1), 3);
}

static int members_of(troupe_self *self, struct probe *probe, void *context)
{
    troupe_pid one[1] = {{0}};
    size_t count = 0;

    (void)probe;
    assert_int_equal(troupe_members(self, context, one, 1, &count), TROUPE_OK);
    assert_false(troupe_pid_is_none(one[0])); /* As many as there is room for. */
    return (int)count;
}

static void more_members_than_room_are_counted(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);

    (void)state;
    probe_join(a, "room");
    probe_join(b, "room");
    assert_int_equal(probe_do(a, members_of, (void *)(uintptr_t) "room"), 2);
}

static void a_group_that_nobody_has_joined_is_empty(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);

    (void)state;
    assert_int_equal(count_of("nobody"), 0);
    assert_int_equal(probe_broadcast(a, "nobody", 1), 0);
    (void)probe_do(a, leave_in_vain, (void *)(uintptr_t) "nobody");
    probe_join(a, "room");
    (void)probe_do(a, leave_in_vain, (void *)(uintptr_t) "nobody");
    assert_int_equal(count_of("room"), 1);
}

static int bad_names(troupe_self *self, struct probe *probe, void *context)
{
    char long_name[258];
    static const char *const bad[] = {"", "line\nbreak", "\xff", "del\x7f"};
    size_t count = 0;

    (void)probe;
    (void)context;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(troupe_join(self, bad[i]), TROUPE_E_INVALID);
        assert_int_equal(troupe_monitor_group(self, bad[i], true), TROUPE_E_INVALID);
        assert_int_equal(troupe_members(self, bad[i], NULL, 0, &count), TROUPE_E_INVALID);
        assert_int_equal(
            troupe_broadcast(self, bad[i], &number_type, &(number){.value = 1}, &count),
            TROUPE_E_INVALID);
    }
    assert_int_equal(troupe_join(self, NULL), TROUPE_E_INVALID);
    memset(long_name, 'n', sizeof(long_name));
    long_name[256] = '\0';
    assert_int_equal(troupe_join(self, long_name), TROUPE_E_INVALID);
    long_name[255] = '\0';
    assert_int_equal(troupe_join(self, long_name), TROUPE_OK);
    return TROUPE_OK;
}

static void names_of_groups_are_valid_as_those_of_actors(void **state)
{
    (void)state;
    (void)probe_do(probe_spawn(stage, NULL), bad_names, NULL);
}

static void joins_are_counted_and_a_member_is_one_member(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);

    (void)state;
    probe_join(a, "room");
    probe_join(a, "room");
    assert_int_equal(count_of("room"), 1);
    assert_int_equal(probe_broadcast(b, "room", 1), 1);
    probe_leave(a, "room");
    assert_int_equal(count_of("room"), 1);
    assert_int_equal(probe_broadcast(b, "room", 2), 1);
    probe_leave(a, "room");
    assert_int_equal(count_of("room"), 0);
    (void)probe_do(a, leave_in_vain, (void *)(uintptr_t) "room");
    assert_int_equal(probe_broadcast(b, "room", 3), 0);
    assert_int_equal(probe_seen(a), 2);
    has_number(a, 0, 1);
    has_number(a, 1, 2);
}

static void a_broadcast_reaches_each_member_once(void **state)
{
    struct probe *probes[5];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        probes[i] = probe_spawn(stage, NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        probe_join(probes[i], "room");
    }
    assert_int_equal(probe_broadcast(probes[0], "room", 7), 4);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(probe_seen(probes[i]), i < 4 ? 1 : 0);
    }
    assert_true(troupe_pid_equal(probe_wait(probes[3], 0)->from, probes[0]->pid));
}

static int shout_here(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    assert_int_equal(
        troupe_local_broadcast(self, "room", &number_type, &(number){.value = 5}, context),
        TROUPE_OK);
    assert_int_equal(
        troupe_local_broadcast(self, "a\nb", &number_type, &(number){.value = 5}, NULL),
        TROUPE_E_INVALID);
    return TROUPE_OK;
}

static void where_there_is_one_node_a_local_broadcast_reaches_all(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);
    struct probe *b = probe_spawn(stage, NULL);
    size_t count = 0;

    (void)state;
    probe_join(a, "room");
    probe_join(b, "room");
    (void)probe_do(a, shout_here, &count);
    assert_int_equal(count, 2);
    has_number(a, 0, 5);
    has_number(b, 0, 5);
}

struct scene {
    troupe_pid to;
    int64_t first;
};

static int send_shout_send(troupe_self *self, struct probe *probe, void *context)
{
    const struct scene *scene = context;

    (void)probe;
    assert_int_equal(troupe_send(self, scene->to, &number_type, &(number){.value = scene->first}),
                     TROUPE_OK);
    assert_int_equal(
        troupe_broadcast(self, "room", &number_type, &(number){.value = scene->first + 1}, NULL),
        TROUPE_OK);
    assert_int_equal(
        troupe_send(self, scene->to, &number_type, &(number){.value = scene->first + 2}),
        TROUPE_OK);
    return TROUPE_OK;
}

static void a_broadcast_keeps_its_place_among_what_its_sender_sends(void **state)
{
    struct probe *sender = probe_spawn(stage, NULL);
    struct probe *member = probe_spawn(stage, NULL);
    struct probe *other = probe_spawn(stage, NULL);

    (void)state;
    probe_join(other, "room");
    probe_join(member, "room");
    for (int64_t i = 0; i < 300; i += 3) {
        (void)probe_do(sender, send_shout_send, &(struct scene){.to = member->pid, .first = i});
    }
    assert_int_equal(probe_seen(member), 300);
    for (size_t i = 0; i < 300; i++) {
        has_number(member, i, (int64_t)i);
    }
    assert_int_equal(probe_seen(other), 100);
}

static void who_ends_has_left_all_its_groups(void **state)
{
    static const int32_t kinds[] = {TROUPE_REASON_NORMAL, TROUPE_REASON_ERROR, TROUPE_REASON_KILL};
    struct probe *stays = probe_spawn(stage, NULL);

    (void)state;
    probe_join(stays, "room");
    for (size_t i = 0; i < 3; i++) {
        struct probe *goes = probe_spawn(stage, NULL);

        probe_join(goes, "room");
        probe_join(goes, "room");
        probe_join(goes, "other");
        assert_int_equal(count_of("room"), 2);
        if (kinds[i] == TROUPE_REASON_KILL) {
            assert_int_equal(troupe_node_exit(stage->node, goes->pid, kinds[i], NULL), TROUPE_OK);
        } else {
            probe_stop(goes, kinds[i], "why");
        }
        (void)probe_end(goes);
        assert_int_equal(count_of("room"), 1);
        assert_int_equal(count_of("other"), 0);
    }
    assert_true(is_member("room", stays->pid));
}

static int joining_init(troupe_self *self, void *state, const void *args)
{
    (void)state;
    (void)args;
    assert_int_equal(troupe_join(self, "room"), TROUPE_OK);
    assert_int_equal(troupe_monitor_group(self, "room", true), TROUPE_OK);
    return troupe_fail(self, "not today");
}

static const troupe_behavior stillborn_behavior = {.name = "test.stillborn", .init = joining_init};

static void an_init_that_fails_leaves_no_member(void **state)
{
    troupe_pid pid = {0};

    (void)state;
    assert_int_equal(troupe_node_spawn(stage->node, &stillborn_behavior, NULL, NULL, &pid),
                     TROUPE_E_FAILED);
    assert_int_equal(count_of("room"), 0);
}

static void a_full_member_misses_its_copy_and_the_others_do_not(void **state)
{
    struct probe *full = probe_spawn(stage, &(troupe_spawn_options){.mailbox_messages = 1});
    struct probe *free_one = probe_spawn(stage, NULL);
    struct probe *sender = probe_spawn(stage, NULL);
    struct gate gate;

    (void)state;
    gate_init(&gate);
    probe_join(full, "room");
    probe_join(free_one, "room");
    probe_block(full, &gate);
    assert_int_equal(probe_broadcast(sender, "room", 1), 2);
    assert_int_equal(probe_broadcast(sender, "room", 2), 1);
    gate_open(&gate);
    has_number(free_one, 1, 2);
    has_number(full, 0, 1);
    assert_int_equal(probe_seen(full), 1);
    gate_fini(&gate);
}

static int join_many(troupe_self *self, struct probe *probe, void *context)
{
    char name[32];

    (void)probe;
    (void)context;
    for (int i = 0; i < GROUPS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "group %d", i);
        assert_int_equal(troupe_join(self, name), TROUPE_OK);
    }
    assert_int_equal(troupe_join(self, "one more"), TROUPE_E_LIMIT);
    assert_int_equal(troupe_join(self, "group 0"), TROUPE_OK);
    assert_int_equal(troupe_leave(self, "group 1"), TROUPE_OK);
    assert_int_equal(troupe_join(self, "one more"), TROUPE_OK);
    return TROUPE_OK;
}

static void the_groups_of_one_actor_are_bounded(void **state)
{
    struct probe *a = probe_spawn(stage, NULL);

    (void)state;
    (void)probe_do(a, join_many, NULL);
    assert_int_equal(count_of("one more"), 1);
    assert_int_equal(count_of("group 1"), 0);
    assert_int_equal(count_of("group 999"), 1);
    probe_stop(a, TROUPE_REASON_NORMAL, NULL);
    (void)probe_end(a);
    assert_int_equal(count_of("group 999"), 0);
}

#define GROUP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUP_TEST(a_member_is_listed_until_it_leaves),
        GROUP_TEST(who_stays_is_listed_whoever_has_left),
        GROUP_TEST(more_members_than_room_are_counted),
        GROUP_TEST(a_group_that_nobody_has_joined_is_empty),
        GROUP_TEST(names_of_groups_are_valid_as_those_of_actors),
        GROUP_TEST(joins_are_counted_and_a_member_is_one_member),
        GROUP_TEST(a_broadcast_reaches_each_member_once),
        GROUP_TEST(where_there_is_one_node_a_local_broadcast_reaches_all),
        GROUP_TEST(a_broadcast_keeps_its_place_among_what_its_sender_sends),
        GROUP_TEST(who_ends_has_left_all_its_groups),
        GROUP_TEST(an_init_that_fails_leaves_no_member),
        GROUP_TEST(a_full_member_misses_its_copy_and_the_others_do_not),
        GROUP_TEST(the_groups_of_one_actor_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
