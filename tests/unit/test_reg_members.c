/* What is tested: names/members and names/held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "names/held.h"
#include "names/members.h"

static troupe_status add(struct reg_members *members, uint64_t node_id)
{
    const struct tr_member member = {.node_id = node_id, .name = "n", .host = "h", .port = 1};

    return reg_members_up(members, &member);
}

static void members_are_kept_in_order_and_once(void **state)
{
    struct reg_members members;
    struct reg_member gone;

    (void)state;
    reg_members_init(&members);
    for (uint64_t id = 40; id > 0; id--) {
        assert_int_equal(add(&members, id * 10), TROUPE_OK);
    }
    assert_int_equal(add(&members, 200), TROUPE_E_EXISTS);
    assert_int_equal(members.count, 40);
    for (size_t index = 0; index < 40; index++) {
        assert_int_equal(members.rows[index].node_id, (index + 1) * 10);
    }
    assert_int_equal(reg_members_rank(&members, 200), 19);
    assert_int_equal(reg_members_rank(&members, 205), 20);
    assert_true(reg_members_down(&members, 200, &gone));
    assert_string_equal(gone.name, "n");
    reg_member_fini(&gone);
    assert_false(reg_members_down(&members, 200, &gone));
    assert_null(reg_members_find(&members, 200));
    assert_non_null(reg_members_find(&members, 210));
    reg_members_fini(&members);
}

static void a_full_read_finds_those_who_are_gone(void **state)
{
    struct reg_members members;
    struct reg_member gone;

    (void)state;
    reg_members_init(&members);
    for (uint64_t id = 1; id <= 4; id++) {
        assert_int_equal(add(&members, id), TROUPE_OK);
    }
    reg_members_mark_begin(&members);
    assert_true(reg_members_keep(&members, 2));
    assert_true(reg_members_keep(&members, 4));
    assert_false(reg_members_keep(&members, 9));
    assert_int_equal(reg_members_unmarked(&members)->node_id, 1);
    assert_true(reg_members_down(&members, 1, &gone));
    reg_member_fini(&gone);
    assert_int_equal(reg_members_unmarked(&members)->node_id, 3);
    assert_true(reg_members_down(&members, 3, &gone));
    reg_member_fini(&gone);
    assert_null(reg_members_unmarked(&members));
    reg_members_fini(&members);
}

static struct reg_held held;

static int begin(void **state)
{
    (void)state;
    reg_held_init(&held, 5);
    assert_int_equal(reg_held_put(&held, "a", 1), TROUPE_OK);
    assert_int_equal(reg_held_put(&held, "b", 1), TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reg_held_fini(&held);
    return 0;
}

static void names_are_asked_for_once_in_the_order_wanted(void **state)
{
    (void)state;
    assert_false(reg_held_want(&held, "stranger"));
    assert_true(reg_held_want(&held, "b"));
    assert_true(reg_held_want(&held, "a"));
    assert_true(reg_held_want(&held, "b"));
    assert_string_equal(reg_held_next_wanted(&held)->name, "b");
    assert_string_equal(reg_held_next_wanted(&held)->name, "a");
    assert_null(reg_held_next_wanted(&held));
    assert_false(reg_held_any_wanted(&held));
}

/* Given out before its actor runs, a message would be lost, and being in hand not given again. */
static void a_name_that_is_starting_is_asked_for_when_it_runs(void **state)
{
    (void)state;
    assert_true(reg_held_want(&held, "a"));
    assert_int_equal(reg_held_put_starting(&held, "a", 2), TROUPE_OK);
    assert_int_equal(reg_held_put_starting(&held, "c", 1), TROUPE_OK);
    assert_true(reg_held_want(&held, "a"));
    assert_true(reg_held_want(&held, "c"));
    assert_false(reg_held_any_wanted(&held));
    assert_int_equal(reg_held_put(&held, "a", 2), TROUPE_OK);
    assert_true(reg_held_want(&held, "a"));
    assert_string_equal(reg_held_next_wanted(&held)->name, "a");
    assert_false(reg_held_any_wanted(&held));
}

static void a_message_in_hand_is_not_given_twice(void **state)
{
    struct reg_held_name *name = reg_held_get(&held, "a");

    (void)state;
    assert_true(reg_held_take_id(name, 5, 0));
    assert_false(reg_held_take_id(name, 5, 0));
    reg_held_finish_id(&held, "a", 5, 0);
    assert_true(reg_held_take_id(name, 5, 0));
    reg_held_finish_id(&held, "nobody", 5, 0);
}

static void full_hands_take_no_more_until_half_is_done(void **state)
{
    struct reg_held_name *name = reg_held_get(&held, "a");

    (void)state;
    for (uint64_t id = 1; id <= REG_IN_HAND_MAX; id++) {
        assert_true(reg_held_take_id(name, id, 0));
    }
    assert_false(reg_held_take_id(name, REG_IN_HAND_MAX + 1, 0));
    assert_true(reg_held_want(&held, "a"));
    assert_false(reg_held_any_wanted(&held)); /* not while its hands are full */
    for (uint64_t id = 1; id < REG_IN_HAND_MAX / 2; id++) {
        reg_held_finish_id(&held, "a", id, 0);
        assert_false(reg_held_any_wanted(&held));
    }
    reg_held_finish_id(&held, "a", REG_IN_HAND_MAX / 2, 0);
    assert_string_equal(reg_held_next_wanted(&held)->name, "a");
}

static void a_new_epoch_forgets_what_was_in_hand(void **state)
{
    (void)state;
    assert_true(reg_held_take_id(reg_held_get(&held, "a"), 5, 0));
    assert_int_equal(reg_held_put(&held, "a", 2), TROUPE_OK);
    assert_true(reg_held_take_id(reg_held_get(&held, "a"), 5, 0));
    reg_held_drop(&held, "a", 1); /* news of the older epoch */
    assert_non_null(reg_held_get(&held, "a"));
    assert_true(reg_held_want(&held, "a"));
    reg_held_drop(&held, "a", 2);
    assert_null(reg_held_get(&held, "a"));
    assert_false(reg_held_any_wanted(&held));
    assert_int_equal(reg_held_count(&held), 1);
}

static void messages_without_progress_for_long_are_given_again(void **state)
{
    const int64_t long_ns = (int64_t)REG_IN_HAND_LOST_MS * 1000000;
    struct reg_held_name *name = reg_held_get(&held, "a");

    (void)state;
    assert_true(reg_held_take_id(name, 5, 100));
    assert_true(reg_held_take_id(name, 6, 200));
    reg_held_finish_id(&held, "a", 6, 1000);
    assert_true(reg_held_want_again(&held, "a", 1000 + long_ns));
    assert_false(reg_held_take_id(name, 5, 1000 + long_ns));
    assert_true(reg_held_want_again(&held, "a", 1001 + long_ns));
    assert_true(reg_held_take_id(name, 5, 1001 + long_ns));
}

static void an_orphan_that_is_not_started_is_offered_ever_more_seldom(void **state)
{
    const char *names[4] = {NULL};
    int64_t now_ns = 0;

    (void)state;
    assert_int_equal(reg_held_overdue(&held, INT64_MAX, names, 4), 0);
    for (int offer = 0; offer < 9; offer++) {
        const int64_t pause_ns = (int64_t)10 << (offer < 6 ? offer : 6);

        assert_int_equal(reg_held_put_starting(&held, "a", 2), TROUPE_OK);
        reg_held_offer(&held, "a", now_ns, 10);
        assert_int_equal(reg_held_overdue(&held, now_ns + pause_ns - 1, names, 4), 0);
        now_ns += pause_ns;
        assert_int_equal(reg_held_overdue(&held, now_ns, names, 4), 1);
        assert_string_equal(names[0], "a");
    }
    assert_false(reg_held_take_id(reg_held_get(&held, "a"), 5, 0)); /* nobody would handle it */
    assert_int_equal(reg_held_put_starting(&held, "b", 1), TROUPE_OK);
    assert_int_equal(reg_held_put(&held, "a", 2), TROUPE_OK);
    reg_held_drop(&held, "b", 1);
    assert_int_equal(held.starting_count, 0);
    assert_int_equal(reg_held_overdue(&held, INT64_MAX, names, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_kept_in_order_and_once),
        cmocka_unit_test(a_full_read_finds_those_who_are_gone),
        cmocka_unit_test_setup_teardown(names_are_asked_for_once_in_the_order_wanted, begin, end),
        cmocka_unit_test_setup_teardown(a_name_that_is_starting_is_asked_for_when_it_runs, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_message_in_hand_is_not_given_twice, begin, end),
        cmocka_unit_test_setup_teardown(full_hands_take_no_more_until_half_is_done, begin, end),
        cmocka_unit_test_setup_teardown(a_new_epoch_forgets_what_was_in_hand, begin, end),
        cmocka_unit_test_setup_teardown(messages_without_progress_for_long_are_given_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_orphan_that_is_not_started_is_offered_ever_more_seldom,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
