/* What is tested: copying, owning and encoding values of described types, with random descriptions
 * and random values. Method: each property is tried on many pairs from one seed, which is printed;
 * `prop_type_value SEED` runs it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/random_value.h"
#include "type/value.h"

enum { ROUNDS = 1500, MUTATIONS = 60 };

static uint64_t seed;

static void copy_says_the_same_and_shares_nothing(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        void *copy = NULL;

        random_pair_init(&pair, seed, round, false);
        assert_int_equal(troupe_value_copy(pair.type, pair.value, &copy), TROUPE_OK);
        assert_true(values_are_equal(pair.type, copy, pair.value));
        assert_int_equal(tr_value_size(pair.type, copy), tr_value_size(pair.type, pair.value));
        random_pair_fini(&pair); /* its own copy of everything */
        troupe_value_free(copy);
    }
}

static void copy_stays_when_the_original_is_gone(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        struct random_pair again;
        void *copy = NULL;

        random_pair_init(&pair, seed, round, false);
        random_pair_init(&again, seed, round, false);
        assert_int_equal(troupe_value_copy(pair.type, pair.value, &copy), TROUPE_OK);
        random_pair_fini(&pair);
        assert_true(
            values_are_equal(again.type, copy, again.value)); /* ASan sees a stale pointer */
        troupe_value_free(copy);
        random_pair_fini(&again);
    }
}

struct counter {
    size_t live;
    size_t left; /* allocations until one fails */
};

static void *count_allocate(void *context, size_t size)
{
    struct counter *counter = context;

    assert_true(size > 0);
    if (counter->left == 0 || size == 0) {
        return NULL;
    }
    counter->left -= 1;
    counter->live += 1;
    return malloc(size);
}

static void count_release(void *context, void *block)
{
    struct counter *counter = context;

    if (block != NULL) {
        counter->live -= 1;
        free(block);
    }
}

static void assert_zero(const uint8_t *bytes, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        assert_int_equal(bytes[index], 0);
    }
}

static void own_gives_each_part_a_block_and_disown_releases_all(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        struct counter counter = {.left = SIZE_MAX};
        const struct tr_allocator allocator = {&counter, count_allocate, count_release};
        uint8_t *owned = NULL;

        random_pair_init(&pair, seed, round, false);
        owned = random_memory(&pair.random, pair.type->size);
        assert_int_equal(tr_value_own(pair.type, pair.value, owned, &allocator), TROUPE_OK);
        assert_true(values_are_equal(pair.type, owned, pair.value));
        assert_true(tr_type_is_flat(pair.type) ? counter.live == 0 : true);
        tr_value_disown(pair.type, owned, &allocator);
        assert_int_equal(counter.live, 0);
        assert_zero(owned, pair.type->size);
        random_pair_fini(&pair);
    }
}

static void own_that_runs_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS / 4; round++) {
        struct random_pair pair;
        troupe_status status = TROUPE_E_NO_MEMORY;

        random_pair_init(&pair, seed, round, false);
        for (size_t fail = 0; status != TROUPE_OK; fail++) {
            struct counter counter = {.left = fail};
            const struct tr_allocator allocator = {&counter, count_allocate, count_release};
            uint8_t *owned = random_memory(&pair.random, pair.type->size);

            memset(owned, 0xaa, pair.type->size);
            status = tr_value_own(pair.type, pair.value, owned, &allocator);
            if (status == TROUPE_OK) {
                assert_true(values_are_equal(pair.type, owned, pair.value));
                tr_value_disown(pair.type, owned, &allocator);
            } else {
                assert_int_equal(status, TROUPE_E_NO_MEMORY);
                assert_zero(owned, pair.type->size);
            }
            assert_int_equal(counter.live, 0);
        }
        random_pair_fini(&pair);
    }
}

static void decode_gives_back_what_was_encoded(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        size_t size = 0;
        size_t again_size = 0;
        uint8_t *bytes = NULL;
        uint8_t *again = NULL;
        void *decoded = NULL;

        random_pair_init(&pair, seed, round, false);
        bytes = encode_exactly(pair.type, pair.value, &size);
        decoded = decode_exactly(pair.type, bytes, size);
        assert_non_null(decoded);
        assert_true(values_are_equal(pair.type, decoded, pair.value));
        again = encode_exactly(pair.type, decoded, &again_size);
        assert_int_equal(again_size, size);
        assert_memory_equal(again, bytes, size);
        free(again);
        free(decoded);
        free(bytes);
        random_pair_fini(&pair);
    }
}

static void encode_into_too_little_room_answers_zero_and_stays_inside(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS / 10; round++) {
        struct random_pair pair;
        size_t size = 0;

        random_pair_init(&pair, seed, round, false);
        free(encode_exactly(pair.type, pair.value, &size));
        for (size_t step = 0; step < 50; step++) {
            const size_t capacity = random_below(&pair.random, size);
            uint8_t *bytes = malloc(capacity + 1);

            assert_non_null(bytes);
            bytes[capacity] = 0x5a;
            assert_int_equal(tr_value_encode(pair.type, pair.value, bytes, capacity), 0);
            assert_int_equal(bytes[capacity], 0x5a);
            free(bytes);
        }
        random_pair_fini(&pair);
    }
}

static void every_shorter_piece_of_an_encoding_is_refused(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS / 10; round++) {
        struct random_pair pair;
        size_t size = 0;
        uint8_t *bytes = NULL;

        random_pair_init(&pair, seed, round, false);
        bytes = encode_exactly(pair.type, pair.value, &size);
        for (size_t cut = 0; cut < size; cut += 1 + random_below(&pair.random, 1 + size / 200)) {
            uint8_t *piece = malloc(cut > 0 ? cut : 1);

            assert_non_null(piece);
            memcpy(piece, bytes, cut);
            assert_null(decode_exactly(pair.type, piece, cut));
            free(piece);
        }
        free(bytes);
        random_pair_fini(&pair);
    }
}

static void mutate(struct random *random, uint8_t *bytes, size_t *size)
{
    const size_t times = 1 + random_below(random, 3);

    for (size_t time = 0; time < times; time++) {
        const size_t at = random_below(random, *size);

        switch (random_below(random, 4)) {
        case 0:
            bytes[at] = (uint8_t)random_next(random);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
            break;
        case 2: /* first bytes of tokens that are longer than they look */
            bytes[at] = (uint8_t)(0xc0u + random_below(random, 32));
            break;
        default: /* a byte gone: what follows moves to other fields */
            if (*size > 1) {
                memmove(bytes + at, bytes + at + 1, *size - at - 1);
                *size -= 1;
            }
            break;
        }
    }
}

static size_t mutants_accepted;

/* What is accepted has one meaning: encoded again and decoded again it says the same. */
static void try_mutant(const struct random_pair *pair, const uint8_t *bytes, size_t size)
{
    void *decoded = decode_exactly(pair->type, bytes, size);
    void *decoded_again = NULL;
    uint8_t *again = NULL;
    size_t again_size = 0;

    if (decoded == NULL) {
        return;
    }
    mutants_accepted += 1;
    again = encode_exactly(pair->type, decoded, &again_size);
    decoded_again = decode_exactly(pair->type, again, again_size);
    assert_non_null(decoded_again);
    assert_true(values_are_equal(pair->type, decoded, decoded_again));
    free(decoded_again);
    free(again);
    free(decoded);
}

static void mutated_bytes_are_refused_or_mean_one_value(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        size_t size = 0;
        uint8_t *bytes = NULL;

        random_pair_init(&pair, seed, round, false);
        bytes = encode_exactly(pair.type, pair.value, &size);
        for (size_t mutation = 0; mutation < MUTATIONS; mutation++) {
            uint8_t *mutant = malloc(size);
            uint8_t *exact = NULL;
            size_t mutant_size = size;

            assert_non_null(mutant);
            memcpy(mutant, bytes, size);
            mutate(&pair.random, mutant, &mutant_size);
            exact = malloc(mutant_size);
            assert_non_null(exact);
            memcpy(exact, mutant, mutant_size);
            try_mutant(&pair, exact, mutant_size);
            free(exact);
            free(mutant);
        }
        free(bytes);
        random_pair_fini(&pair);
    }
    assert_true(mutants_accepted > 0); /* or the property was never tried */
}

static void random_bytes_never_hurt(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        const size_t size = 1 + (size_t)(round % 64);
        uint8_t *bytes = malloc(size);

        assert_non_null(bytes);
        random_pair_init(&pair, seed, round, false);
        for (size_t index = 0; index < size; index++) {
            bytes[index] = (uint8_t)random_next(&pair.random);
        }
        bytes[0] = (uint8_t)(0x80u | (bytes[0] & 15u)); /* a map, else it ends at once */
        try_mutant(&pair, bytes, size);
        random_pair_fini(&pair);
        free(bytes);
    }
}

/* Encodes as one version and decodes as the other. */
static void assert_readable(const troupe_type *from, const void *value, const troupe_type *to)
{
    size_t size = 0;
    uint8_t *bytes = encode_exactly(from, value, &size);
    void *decoded = decode_exactly(to, bytes, size);

    assert_non_null(decoded);
    assert_true(versions_agree(to, decoded, from, value));
    free(decoded);
    free(bytes);
}

static void versions_with_and_without_a_field_understand_each_other(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct random_pair pair;
        const troupe_type *version = NULL;

        random_pair_init(&pair, seed, round, false);
        version = random_version(&pair.random, pair.type);
        assert_int_equal(troupe_type_check(version, NULL, 0), TROUPE_OK);
        assert_readable(pair.type, pair.value, version);
        assert_readable(version, random_value(&pair.random, version), pair.type);
        random_pair_fini(&pair);
    }
}

typedef struct six {
    troupe_bytes a, b, c, d, e, f;
} six;
TROUPE_TYPE(six, "test.six", TROUPE_FIELD(six, a, 1), TROUPE_FIELD(six, b, 2),
            TROUPE_FIELD(six, c, 3), TROUPE_FIELD(six, d, 4), TROUPE_FIELD(six, e, 5),
            TROUPE_FIELD(six, f, 6));

/* Bytes from 4 KiB on need not be copied, of as many as there is room for. encode_exactly sees to
 * it that the rest and the parts are what a copy is. */
static void large_bytes_may_stay_where_they_are(void **state)
{
    enum { LARGE = 70000 };
    uint8_t *data = malloc(LARGE);
    struct tr_value_parts parts;
    size_t size = 0;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < LARGE; i++) {
        data[i] = (uint8_t)(i * 31 >> 3);
    }
    const six value = {{data, 5},
                       {data, LARGE},
                       {data, TR_VALUE_PART_MIN - 1},
                       {data, TR_VALUE_PART_MIN},
                       {data, LARGE},
                       {data, TR_VALUE_PART_MIN}};
    uint8_t *encoded = encode_exactly(&six_type, &value, &size);
    void *decoded = decode_exactly(&six_type, encoded, size);

    assert_non_null(decoded);
    assert_true(values_are_equal(&six_type, &value, decoded));
    free(decoded);
    assert_true(tr_value_encode_parts(&six_type, &value, encoded, size, &parts) < LARGE);
    assert_int_equal(parts.count, 4);
    assert_int_equal(parts.part[0].size, LARGE);
    assert_int_equal(parts.part[1].size, TR_VALUE_PART_MIN);
    free(encoded);
    free(data);
}

int main(int argument_count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_says_the_same_and_shares_nothing),
        cmocka_unit_test(copy_stays_when_the_original_is_gone),
        cmocka_unit_test(own_gives_each_part_a_block_and_disown_releases_all),
        cmocka_unit_test(own_that_runs_out_of_memory_leaves_nothing),
        cmocka_unit_test(decode_gives_back_what_was_encoded),
        cmocka_unit_test(encode_into_too_little_room_answers_zero_and_stays_inside),
        cmocka_unit_test(every_shorter_piece_of_an_encoding_is_refused),
        cmocka_unit_test(mutated_bytes_are_refused_or_mean_one_value),
        cmocka_unit_test(random_bytes_never_hurt),
        cmocka_unit_test(large_bytes_may_stay_where_they_are),
        cmocka_unit_test(versions_with_and_without_a_field_understand_each_other),
    };

    seed = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : (uint64_t)time(NULL);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("type/value", tests, NULL, NULL);
}
