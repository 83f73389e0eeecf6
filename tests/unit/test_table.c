/* What is tested: the table of actors (core/table). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/actor.h"
#include "sync/thread.h"

static struct tr_table table;

static int begin(void **state)
{
    (void)state;
    return tr_table_init(&table, 5000) == TROUPE_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    tr_table_fini(&table);
    return 0;
}

static uint64_t id_of(const struct tr_actor *actor)
{
    return tr_load_relaxed(&actor->id);
}

static void give(struct tr_actor *actor)
{
    assert_null(tr_inbox_close(&actor->inbox));
    tr_table_give(&table, actor);
}

static void an_actor_is_found_by_its_id_as_long_as_it_lives(void **state)
{
    struct tr_actor *actor = tr_table_take(&table);

    (void)state;
    assert_non_null(actor);
    const uint64_t id = id_of(actor);

    assert_int_not_equal(id, 0);
    assert_ptr_equal(tr_table_find(&table, id), actor);
    give(actor);
    assert_null(tr_table_find(&table, id));
}

static void ids_are_never_used_again_though_slots_are(void **state)
{
    struct tr_actor *first = tr_table_take(&table);
    uint64_t before = id_of(first);

    (void)state;
    for (int i = 0; i < 10000; i++) {
        const uint32_t slot = first->slot;

        first->next_ref = 12345; /* What an actor counts does not matter to the next one. */
        give(first);
        first = tr_table_take(&table);
        assert_int_equal(first->slot, slot);
        assert_true(id_of(first) > before);
        assert_int_equal(first->next_ref, 0);
        assert_null(tr_table_find(&table, before));
        before = id_of(first);
    }
    give(first);
    assert_int_equal(tr_load_relaxed(&table.alive), 0);
    assert_int_equal(tr_load_relaxed(&table.started), 10001);
}

static void a_new_actor_is_blank(void **state)
{
    struct tr_actor *actor = tr_table_take(&table);

    (void)state;
    actor->state = actor;
    actor->flags = 0xff;
    actor->handled = 7;
    tr_store32_relaxed(&actor->waiting, 9);
    give(actor);
    struct tr_actor *next = tr_table_take(&table);

    assert_ptr_equal(next, actor);
    assert_null(next->state);
    assert_int_equal(next->flags, 0);
    assert_int_equal(next->handled, 0);
    assert_int_equal(tr_load32_relaxed(&next->waiting), 0);
    give(next);
}

static void ids_that_never_were_are_not_found(void **state)
{
    static const uint64_t ids[] = {0, 1, 0xffffff, UINT64_MAX, 1ull << 24, 1ull << 63};

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_null(tr_table_find(&table, ids[i]));
    }
}

static void the_table_has_an_end(void **state)
{
    struct tr_actor **actors = calloc(10000, sizeof(struct tr_actor *));
    size_t count = 0;
    uint32_t walked = 0;

    (void)state;
    assert_non_null((void *)actors);
    while (count < 10000 && (actors[count] = tr_table_take(&table)) != NULL) {
        count++;
    }
    assert_in_range(count, 5000, 5000 + TR_TABLE_CHUNK);
    while (tr_table_slot(&table, walked) != NULL) {
        walked++;
    }
    assert_int_equal(walked, count);
    while (count > 0) {
        give(actors[--count]);
    }
    struct tr_actor *again = tr_table_take(&table);

    assert_non_null(again);
    give(again);
    free((void *)actors);
}

/* ---- threads that take, look for and give back ---- */

enum { THREADS = 4, ROUNDS = 20000 };

static struct tr_atomic_u64 wrong;

static void take_and_give(void *context)
{
    struct tr_actor *held[8] = {0};
    uint64_t old = 0;

    (void)context;
    for (int i = 0; i < ROUNDS; i++) {
        struct tr_actor **place = &held[i % 8];

        if (*place != NULL) {
            old = id_of(*place);
            (void)tr_add_relaxed(&wrong, tr_table_find(&table, old) != *place ? 1 : 0);
            (void)tr_inbox_close(&(*place)->inbox);
            tr_table_give(&table, *place);
        }
        (void)tr_add_relaxed(&wrong, tr_table_find(&table, old) != NULL ? 1 : 0);
        *place = tr_table_take(&table);
        (void)tr_add_relaxed(&wrong, *place == NULL ? 1 : 0);
    }
    for (int i = 0; i < 8; i++) {
        if (held[i] != NULL) {
            (void)tr_inbox_close(&held[i]->inbox);
            tr_table_give(&table, held[i]);
        }
    }
}

static void threads_may_share_it(void **state)
{
    struct tr_thread threads[THREADS] = {0};

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(tr_thread_start(&threads[i], "taker", take_and_give, NULL), TROUPE_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        tr_thread_join(&threads[i]);
    }
    assert_int_equal(tr_load_relaxed(&wrong), 0);
    assert_int_equal(tr_load_relaxed(&table.alive), 0);
    assert_int_equal(tr_load_relaxed(&table.started), THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_actor_is_found_by_its_id_as_long_as_it_lives, begin,
                                        end),
        cmocka_unit_test_setup_teardown(ids_are_never_used_again_though_slots_are, begin, end),
        cmocka_unit_test_setup_teardown(a_new_actor_is_blank, begin, end),
        cmocka_unit_test_setup_teardown(ids_that_never_were_are_not_found, begin, end),
        cmocka_unit_test_setup_teardown(the_table_has_an_end, begin, end),
        cmocka_unit_test_setup_teardown(threads_may_share_it, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
