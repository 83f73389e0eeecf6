/* What is tested: core/relations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/relations.h"

static const troupe_pid other = {.node = 1, .id = 77};

static void no_relations_take_no_memory(void **state)
{
    struct tr_relations relations = {0};
    uint32_t position = 0;

    (void)state;
    assert_null(tr_relations_link(&relations, other));
    assert_null(tr_relations_watching(&relations, 1));
    assert_null(tr_relations_watched(&relations, other, 1));
    assert_null(tr_relations_next(&relations, &position));
    assert_null(relations.entries);
    tr_relations_fini(&relations);
}

static void the_kinds_do_not_take_each_other_s_place(void **state)
{
    struct tr_relations relations = {0};
    const struct tr_relation link = {.pid = other, .kind = TR_RELATION_LINK};
    const struct tr_relation watching = {.pid = other, .ref = 5, .kind = TR_RELATION_WATCHING};
    const struct tr_relation watched = {.pid = other, .ref = 5, .kind = TR_RELATION_WATCHED};

    (void)state;
    assert_int_equal(tr_relations_add(&relations, &link), TROUPE_OK);
    assert_int_equal(tr_relations_add(&relations, &watching), TROUPE_OK);
    assert_int_equal(tr_relations_add(&relations, &watched), TROUPE_OK);
    assert_int_equal(tr_relations_link(&relations, other)->kind, TR_RELATION_LINK);
    assert_int_equal(tr_relations_watching(&relations, 5)->kind, TR_RELATION_WATCHING);
    assert_int_equal(tr_relations_watched(&relations, other, 5)->kind, TR_RELATION_WATCHED);
    assert_null(tr_relations_watching(&relations, 6));
    assert_null(tr_relations_watched(&relations, other, 6));
    assert_null(tr_relations_watched(&relations, (troupe_pid){.node = 2, .id = 77}, 5));
    assert_null(tr_relations_link(&relations, (troupe_pid){.node = 2, .id = 77}));
    tr_relations_fini(&relations);
}

static void an_unlinking_link_is_still_found_by_pid(void **state)
{
    struct tr_relations relations = {0};
    const struct tr_relation link = {.pid = other, .kind = TR_RELATION_LINK};

    (void)state;
    assert_int_equal(tr_relations_add(&relations, &link), TROUPE_OK);
    tr_relations_link(&relations, other)->kind = TR_RELATION_UNLINKING;
    assert_int_equal(tr_relations_link(&relations, other)->kind, TR_RELATION_UNLINKING);
    tr_relations_remove(&relations, tr_relations_link(&relations, other));
    assert_null(tr_relations_link(&relations, other));
    assert_int_equal(relations.count, 0);
    tr_relations_fini(&relations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_relations_take_no_memory),
        cmocka_unit_test(the_kinds_do_not_take_each_other_s_place),
        cmocka_unit_test(an_unlinking_link_is_still_found_by_pid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
