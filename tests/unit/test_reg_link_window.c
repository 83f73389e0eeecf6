/* What is tested: names/link_window, by hand and against a model of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "names/link_window.h"

static struct reg_link_window window;

static int begin(void **state)
{
    (void)state;
    reg_link_window_init(&window);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reg_link_window_fini(&window);
    return 0;
}

static struct tr_link_row link_of(uint64_t a, uint64_t b)
{
    return (struct tr_link_row){.kind = TR_LINK_ROW_LINK, .a = {1, a}, .b = {2, b}};
}

static void put(struct tr_link_row row, bool add)
{
    assert_int_equal(reg_link_window_put(&window, &row, add), TROUPE_OK);
}

static void an_add_and_a_remove_cancel(void **state)
{
    struct reg_link_change out[4];

    (void)state;
    put(link_of(1, 1), true);
    put(link_of(2, 2), true);
    put(link_of(1, 1), false);
    put(link_of(3, 3), false);
    put(link_of(3, 3), true);
    assert_int_equal(reg_link_window_count(&window), 1);
    assert_int_equal(reg_link_window_take(&window, out, 4), 1);
    assert_int_equal(out[0].row.a.id, 2);
    assert_true(out[0].add);
}

static void a_link_has_no_direction_and_a_monitor_has(void **state)
{
    const struct tr_link_row turned = {.kind = TR_LINK_ROW_LINK, .a = {2, 9}, .b = {1, 9}};
    const struct tr_link_row watch = {
        .kind = TR_LINK_ROW_MONITOR, .a = {2, 9}, .b = {1, 9}, .ref = 3};
    const struct tr_link_row other = {
        .kind = TR_LINK_ROW_MONITOR, .a = {2, 9}, .b = {1, 9}, .ref = 4};
    struct reg_link_change out[4];

    (void)state;
    put(turned, true);
    put(link_of(9, 9), true); /* the same one */
    put(watch, true);
    put(other, true);
    assert_int_equal(reg_link_window_take(&window, out, 4), 3);
    assert_int_equal(out[0].row.a.node, 1);
    assert_int_equal(out[1].row.a.node, 2);
    assert_int_equal(out[1].row.ref, 3);
}

static void what_was_taken_is_forgotten(void **state)
{
    struct reg_link_change out[4];

    (void)state;
    put(link_of(1, 1), true);
    assert_int_equal(reg_link_window_take(&window, out, 4), 1);
    put(link_of(1, 1), false); /* must be written now: the table has the row */
    assert_int_equal(reg_link_window_take(&window, out, 4), 1);
    assert_false(out[0].add);
    assert_int_equal(reg_link_window_take(&window, out, 4), 0);
}

enum { LINKS = 300, ROUNDS = 60000 };

/* Applies what the window gives to a model table, and compares with what was asked for. */
static void the_table_ends_as_asked_for(void **state)
{
    static bool wanted[LINKS];
    static bool table[LINKS];
    struct reg_link_change out[64];
    struct tr_rng rng = {.state = 11};

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t id = tr_rng_below(&rng, LINKS);
        const bool is_end = round == ROUNDS - 1;

        wanted[id] = !wanted[id];
        put(link_of(id, id), wanted[id]);
        while (reg_link_window_count(&window) > 0 && (is_end || tr_rng_below(&rng, 100) == 0)) {
            const size_t count = reg_link_window_take(&window, out, 1 + tr_rng_below(&rng, 64));

            for (size_t index = 0; index < count; index++) {
                assert_true(table[out[index].row.a.id] != out[index].add);
                table[out[index].row.a.id] = out[index].add;
            }
        }
    }
    assert_memory_equal(wanted, table, sizeof(wanted));
    assert_true(window.cancelled > ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_add_and_a_remove_cancel, begin, end),
        cmocka_unit_test_setup_teardown(a_link_has_no_direction_and_a_monitor_has, begin, end),
        cmocka_unit_test_setup_teardown(what_was_taken_is_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(the_table_ends_as_asked_for, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
