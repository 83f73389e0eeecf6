/* What is tested: base/map, against an array that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/rng.h"

enum { KEYS = 300, STEPS = 200000 };

static uint64_t seed;

/* Keys close together, far apart, and such that many share a home in a small map. */
static uint64_t key_of(uint64_t index)
{
    return index < 100 ? index : index < 200 ? index << 33 : ~index;
}

static void check_all(const struct tr_map *map, void *const model[KEYS])
{
    uint32_t position = 0;
    uint32_t count = 0;
    uint32_t stepped = 0;

    for (uint64_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(tr_map_get(map, key_of(i)), model[i]);
        count += model[i] != NULL ? 1 : 0;
    }
    while (tr_map_next(map, &position) != NULL) {
        stepped++;
    }
    assert_int_equal(map->count, count);
    assert_int_equal(stepped, count);
}

static void a_map_holds_what_an_array_holds(void **state)
{
    struct tr_rng rng = {.state = seed};
    struct tr_map map = {0};
    void *model[KEYS] = {0};
    static char values[16];
    uint64_t bias = 5;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        const uint64_t index = tr_rng_below(&rng, KEYS);

        if (i % 5000 == 0) {
            bias = 1 + tr_rng_below(&rng, 9); /* So that it grows full and runs empty. */
            check_all(&map, model);
        }
        if (tr_rng_below(&rng, 10) < bias) {
            model[index] = &values[tr_rng_below(&rng, sizeof(values))];
            assert_int_equal(tr_map_put(&map, key_of(index), model[index]), TROUPE_OK);
        } else {
            assert_ptr_equal(tr_map_take(&map, key_of(index)), model[index]);
            model[index] = NULL;
        }
    }
    check_all(&map, model);
    tr_map_fini(&map);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_map_holds_what_an_array_holds)};

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
