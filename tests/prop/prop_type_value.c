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

enum { ROUNDS = 1500, MUTATIONS = 60, DEPTH = 4 };

static uint64_t seed;

/* One description and one value of it. */
struct pair {
    struct random random;
    const troupe_type *type;
    const uint8_t *value;
};

static void pair_init(struct pair *pair, uint64_t round)
{
    char error[200] = "";

    random_init(&pair->random, seed + round * 1000003);
    pair->type = random_type(&pair->random, 1 + (unsigned)(round % DEPTH));
    pair->value = random_value(&pair->random, pair->type);
    if (troupe_type_check(pair->type, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("the random type is not valid: %s", error);
    }
}

static void pair_fini(struct pair *pair)
{
    random_fini(&pair->random);
}

/* Encodes into a block of exactly as many bytes, so that ASan sees each byte too many. */
static uint8_t *encode(const troupe_type *type, const void *value, size_t *size)
{
    const size_t size_max = tr_value_encoded_size_max(type, value);
    uint8_t *bytes = malloc(size_max);
    uint8_t *exact = NULL;

    assert_non_null(bytes);
    *size = tr_value_encode(type, value, bytes, size_max);
    assert_in_range(*size, 1, size_max);
    exact = malloc(*size);
    assert_non_null(exact);
    memcpy(exact, bytes, *size);
    free(bytes);
    return exact;
}

/* Decodes into a block of exactly the size answered; NULL when refused. */
static void *decode(const troupe_type *type, const uint8_t *bytes, size_t size)
{
    char error[200] = "";
    size_t block_size = 0;
    void *block = NULL;
    const troupe_status status =
        tr_value_decoded_size(type, bytes, size, &block_size, error, sizeof(error));

    if (status != TROUPE_OK) {
        assert_true(status == TROUPE_E_TYPE || status == TROUPE_E_LIMIT);
        assert_int_not_equal(error[0], '\0');
        return NULL;
    }
    assert_int_equal(block_size % TR_VALUE_ALIGN, 0);
    block = malloc(block_size);
    assert_non_null(block);
    memset(block, 0xaa, block_size); /* decoding may not trust what was there */
    tr_value_decode_into(type, bytes, size, block, block_size);
    return block;
}

static void copy_says_the_same_and_shares_nothing(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct pair pair;
        void *copy = NULL;

        pair_init(&pair, round);
        assert_int_equal(troupe_value_copy(pair.type, pair.value, &copy), TROUPE_OK);
        assert_true(values_are_equal(pair.type, copy, pair.value));
        assert_int_equal(tr_value_size(pair.type, copy), tr_value_size(pair.type, pair.value));
        pair_fini(&pair); /* its own copy of everything */
        troupe_value_free(copy);
    }
}

static void copy_stays_when_the_original_is_gone(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct pair pair;
        struct pair again;
        void *copy = NULL;

        pair_init(&pair, round);
        pair_init(&again, round);
        assert_int_equal(troupe_value_copy(pair.type, pair.value, &copy), TROUPE_OK);
        pair_fini(&pair);
        assert_true(
            values_are_equal(again.type, copy, again.value)); /* ASan sees a stale pointer */
        troupe_value_free(copy);
        pair_fini(&again);
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
        struct pair pair;
        struct counter counter = {.left = SIZE_MAX};
        const struct tr_allocator allocator = {&counter, count_allocate, count_release};
        uint8_t *owned = NULL;

        pair_init(&pair, round);
        owned = random_memory(&pair.random, pair.type->size);
        assert_int_equal(tr_value_own(pair.type, pair.value, owned, &allocator), TROUPE_OK);
        assert_true(values_are_equal(pair.type, owned, pair.value));
        assert_true(tr_type_is_flat(pair.type) ? counter.live == 0 : true);
        tr_value_disown(pair.type, owned, &allocator);
        assert_int_equal(counter.live, 0);
        assert_zero(owned, pair.type->size);
        pair_fini(&pair);
    }
}

static void own_that_runs_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS / 4; round++) {
        struct pair pair;
        troupe_status status = TROUPE_E_NO_MEMORY;

        pair_init(&pair, round);
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
        pair_fini(&pair);
    }
}

static void decode_gives_back_what_was_encoded(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct pair pair;
        size_t size = 0;
        size_t again_size = 0;
        uint8_t *bytes = NULL;
        uint8_t *again = NULL;
        void *decoded = NULL;

        pair_init(&pair, round);
        bytes = encode(pair.type, pair.value, &size);
        decoded = decode(pair.type, bytes, size);
        assert_non_null(decoded);
        assert_true(values_are_equal(pair.type, decoded, pair.value));
        again = encode(pair.type, decoded, &again_size);
        assert_int_equal(again_size, size);
        assert_memory_equal(again, bytes, size);
        free(again);
        free(decoded);
        free(bytes);
        pair_fini(&pair);
    }
}

static void encode_into_too_little_room_answers_zero_and_stays_inside(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS / 10; round++) {
        struct pair pair;
        size_t size = 0;

        pair_init(&pair, round);
        free(encode(pair.type, pair.value, &size));
        for (size_t step = 0; step < 50; step++) {
            const size_t capacity = random_below(&pair.random, size);
            uint8_t *bytes = malloc(capacity + 1);

            assert_non_null(bytes);
            bytes[capacity] = 0x5a;
            assert_int_equal(tr_value_encode(pair.type, pair.value, bytes, capacity), 0);
            assert_int_equal(bytes[capacity], 0x5a);
            free(bytes);
        }
        pair_fini(&pair);
    }
}

static void every_shorter_piece_of_an_encoding_is_refused(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS / 10; round++) {
        struct pair pair;
        size_t size = 0;
        uint8_t *bytes = NULL;

        pair_init(&pair, round);
        bytes = encode(pair.type, pair.value, &size);
        for (size_t cut = 0; cut < size; cut += 1 + random_below(&pair.random, 1 + size / 200)) {
            uint8_t *piece = malloc(cut > 0 ? cut : 1);

            assert_non_null(piece);
            memcpy(piece, bytes, cut);
            assert_null(decode(pair.type, piece, cut));
            free(piece);
        }
        free(bytes);
        pair_fini(&pair);
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
static void try_mutant(const struct pair *pair, const uint8_t *bytes, size_t size)
{
    void *decoded = decode(pair->type, bytes, size);
    void *decoded_again = NULL;
    uint8_t *again = NULL;
    size_t again_size = 0;

    if (decoded == NULL) {
        return;
    }
    mutants_accepted += 1;
    again = encode(pair->type, decoded, &again_size);
    decoded_again = decode(pair->type, again, again_size);
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
        struct pair pair;
        size_t size = 0;
        uint8_t *bytes = NULL;

        pair_init(&pair, round);
        bytes = encode(pair.type, pair.value, &size);
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
        pair_fini(&pair);
    }
    assert_true(mutants_accepted > 0); /* or the property was never tried */
}

static void random_bytes_never_hurt(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct pair pair;
        const size_t size = 1 + (size_t)(round % 64);
        uint8_t *bytes = malloc(size);

        assert_non_null(bytes);
        pair_init(&pair, round);
        for (size_t index = 0; index < size; index++) {
            bytes[index] = (uint8_t)random_next(&pair.random);
        }
        bytes[0] = (uint8_t)(0x80u | (bytes[0] & 15u)); /* a map, else it ends at once */
        try_mutant(&pair, bytes, size);
        pair_fini(&pair);
        free(bytes);
    }
}

/* Encodes as one version and decodes as the other. */
static void assert_readable(const troupe_type *from, const void *value, const troupe_type *to)
{
    size_t size = 0;
    uint8_t *bytes = encode(from, value, &size);
    void *decoded = decode(to, bytes, size);

    assert_non_null(decoded);
    assert_true(versions_agree(to, decoded, from, value));
    free(decoded);
    free(bytes);
}

static void versions_with_and_without_a_field_understand_each_other(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct pair pair;
        const troupe_type *version = NULL;

        pair_init(&pair, round);
        version = random_version(&pair.random, pair.type);
        assert_int_equal(troupe_type_check(version, NULL, 0), TROUPE_OK);
        assert_readable(pair.type, pair.value, version);
        assert_readable(version, random_value(&pair.random, version), pair.type);
        pair_fini(&pair);
    }
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
        cmocka_unit_test(versions_with_and_without_a_field_understand_each_other),
    };

    seed = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : (uint64_t)time(NULL);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("type/value", tests, NULL, NULL);
}
