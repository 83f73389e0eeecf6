/* What is tested: names/cache and names/string_map, against a model of what the last news was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "names/cache.h"
#include "names/string_map.h"

static struct reg_cache *cache;

static int begin(void **state)
{
    (void)state;
    assert_int_equal(reg_cache_create(1000, 42, &cache), TROUPE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reg_cache_destroy(cache);
    return 0;
}

static troupe_pid make_pid(uint64_t node, uint64_t id)
{
    return (troupe_pid){.node = node, .id = id};
}

static void an_older_epoch_never_replaces_a_newer_one(void **state)
{
    troupe_pid pid = {0};
    uint64_t epoch = 0;

    (void)state;
    assert_false(reg_cache_get(cache, "a", &pid, &epoch));
    reg_cache_put(cache, "a", make_pid(1, 2), 10);
    reg_cache_put(cache, "a", make_pid(3, 4), 9);
    assert_true(reg_cache_get(cache, "a", &pid, &epoch));
    assert_int_equal(pid.node, 1);
    reg_cache_put(cache, "a", make_pid(5, 6), 11);
    assert_true(reg_cache_get(cache, "a", &pid, &epoch));
    assert_int_equal(pid.node, 5);
    assert_int_equal(epoch, 11);
}

static void a_refusal_drops_what_is_not_newer(void **state)
{
    troupe_pid pid = {0};
    uint64_t epoch = 0;

    (void)state;
    reg_cache_put(cache, "a", make_pid(1, 2), 10);
    reg_cache_drop(cache, "a", 9);
    assert_true(reg_cache_get(cache, "a", &pid, &epoch));
    reg_cache_drop(cache, "a", 10);
    assert_false(reg_cache_get(cache, "a", &pid, &epoch));
    reg_cache_drop(cache, "a", 10);
}

static void a_dead_node_takes_its_names_along_and_no_others(void **state)
{
    troupe_pid pid = {0};
    uint64_t epoch = 0;
    char name[16];

    (void)state;
    for (uint64_t index = 0; index < 500; index++) {
        (void)snprintf(name, sizeof(name), "n%u", (unsigned)index);
        reg_cache_put(cache, name, make_pid(index % 5 + 1, index), 1);
    }
    assert_int_equal(reg_cache_drop_node(cache, 3), 100);
    assert_int_equal(reg_cache_count(cache), 400);
    assert_false(reg_cache_get(cache, "n2", &pid, &epoch));
    assert_true(reg_cache_get(cache, "n3", &pid, &epoch));
}

static void the_entry_that_came_first_makes_room(void **state)
{
    troupe_pid pid = {0};
    uint64_t epoch = 0;
    char name[16];

    (void)state;
    for (unsigned index = 0; index < 5000; index++) {
        (void)snprintf(name, sizeof(name), "n%u", index);
        reg_cache_put(cache, name, make_pid(1, index), 1);
    }
    assert_in_range(reg_cache_count(cache), 900, 1016);
    assert_true(reg_cache_get(cache, "n4999", &pid, &epoch));
    assert_false(reg_cache_get(cache, "n0", &pid, &epoch));
}

enum { KEYS = 200, ROUNDS = 20000 };

struct key {
    struct reg_string_node node;
    char text[16];
    bool in;
};

static void the_map_agrees_with_a_model(void **state)
{
    static struct key keys[KEYS];
    struct tr_rng rng = {.state = 7};
    struct reg_string_map map;
    size_t count = 0;

    (void)state;
    reg_string_map_init(&map, 9);
    for (size_t index = 0; index < KEYS; index++) {
        (void)snprintf(keys[index].text, sizeof(keys[index].text), "key%zu", index);
        keys[index].node.key = keys[index].text;
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct key *key = &keys[tr_rng_below(&rng, KEYS)];
        struct reg_string_node *found = reg_string_map_get(&map, key->text);

        assert_true(found == (key->in ? &key->node : NULL));
        if (key->in) {
            reg_string_map_remove(&map, &key->node);
        } else {
            assert_int_equal(reg_string_map_put(&map, &key->node), TROUPE_OK);
        }
        key->in = !key->in;
        count += key->in ? 1 : SIZE_MAX;
        assert_int_equal(map.count, count);
    }
    while (reg_string_map_take_any(&map) != NULL) {
        count--;
    }
    assert_int_equal(count, 0);
    reg_string_map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_older_epoch_never_replaces_a_newer_one, begin, end),
        cmocka_unit_test_setup_teardown(a_refusal_drops_what_is_not_newer, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_node_takes_its_names_along_and_no_others, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_entry_that_came_first_makes_room, begin, end),
        cmocka_unit_test(the_map_agrees_with_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
