/* What is tested: base/map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"

static int values[1000];

static void a_map_of_zero_bytes_is_empty(void **state)
{
    struct tr_map map = {0};
    uint32_t position = 0;

    (void)state;
    assert_null(tr_map_get(&map, 1));
    assert_null(tr_map_take(&map, 1));
    assert_null(tr_map_take_any(&map));
    assert_null(tr_map_next(&map, &position));
    tr_map_fini(&map);
}

static void putting_again_replaces(void **state)
{
    struct tr_map map = {0};

    (void)state;
    assert_int_equal(tr_map_put(&map, 7, &values[1]), TROUPE_OK);
    assert_int_equal(tr_map_put(&map, 7, &values[2]), TROUPE_OK);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(tr_map_get(&map, 7), &values[2]);
    assert_ptr_equal(tr_map_take(&map, 7), &values[2]);
    assert_null(tr_map_take(&map, 7));
    assert_int_equal(map.count, 0);
    tr_map_fini(&map);
}

static void every_key_is_found_whatever_was_taken(void **state)
{
    struct tr_map map = {0};

    (void)state;
    for (uint64_t key = 0; key < 1000; key++) {
        assert_int_equal(tr_map_put(&map, key << 40, &values[key]), TROUPE_OK);
    }
    for (uint64_t key = 0; key < 1000; key += 3) {
        assert_ptr_equal(tr_map_take(&map, key << 40), &values[key]);
    }
    for (uint64_t key = 0; key < 1000; key++) {
        if (key % 3 == 0) {
            assert_null(tr_map_get(&map, key << 40));
        } else {
            assert_ptr_equal(tr_map_get(&map, key << 40), &values[key]);
        }
    }
    tr_map_fini(&map);
}

static void a_map_can_be_drained(void **state)
{
    struct tr_map map = {0};
    uint32_t count = 0;

    (void)state;
    for (uint64_t key = 1; key <= 100; key++) {
        assert_int_equal(tr_map_put(&map, key, &values[key]), TROUPE_OK);
    }
    while (tr_map_take_any(&map) != NULL) {
        count++;
    }
    assert_int_equal(count, 100);
    assert_int_equal(map.count, 0);
    tr_map_fini(&map);
}

static void stepping_through_gives_each_value_once(void **state)
{
    struct tr_map map = {0};
    uint32_t position = 0;
    int seen[100] = {0};
    const int *value = NULL;

    (void)state;
    for (uint64_t key = 0; key < 100; key++) {
        assert_int_equal(tr_map_put(&map, key * 64, &values[key]), TROUPE_OK);
    }
    while ((value = tr_map_next(&map, &position)) != NULL) {
        seen[value - values]++;
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(seen[i], 1);
    }
    tr_map_fini(&map);
}

static void a_value_is_never_null(void **state)
{
    struct tr_map map = {0};

    (void)state;
    expect_assert_failure(assert_int_equal(tr_map_put(&map, 1, NULL), TROUPE_OK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_of_zero_bytes_is_empty),
        cmocka_unit_test(putting_again_replaces),
        cmocka_unit_test(every_key_is_found_whatever_was_taken),
        cmocka_unit_test(a_map_can_be_drained),
        cmocka_unit_test(stepping_through_gives_each_value_once),
        cmocka_unit_test(a_value_is_never_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
