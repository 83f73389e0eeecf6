/* What is tested: wire/compress. What is put comes out again; what a hostile node may send instead
 * is refused, and before memory is taken where it announces too much. Frames are also made with
 * zstd itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/be.h"
#include "base/limits.h"
#include "base/rng.h"
#include "wire/compress.h"

enum { TEXT_SIZE = 100000, ROOM = 256 * 1024 };

static struct tr_compress *compress;
static uint8_t text[TEXT_SIZE];
static uint8_t packed[ROOM];

static int begin(void **state)
{
    static const char words[] = "actors send each other messages, and sometimes ";
    struct tr_rng rng = {.state = 1};

    (void)state;
    for (size_t at = 0; at < TEXT_SIZE; at++) {
        text[at] = (uint8_t)words[at % (sizeof(words) - 1)];
        if (at % 50 == 0) {
            text[at] = (uint8_t)tr_rng_below(&rng, 256);
        }
    }
    return tr_compress_create(&compress) == TROUPE_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    tr_compress_destroy(compress);
    return 0;
}

static troupe_status get(const uint8_t *bytes, size_t size, size_t expected)
{
    struct tr_slice whole = {NULL, 0};
    const troupe_status status = tr_compress_get(compress, bytes, size, &whole);

    if (status == TROUPE_OK) {
        assert_int_equal(whole.size, expected);
        free((void *)(uintptr_t)whole.bytes);
    } else {
        assert_null(whole.bytes);
    }
    return status;
}

static void what_is_put_comes_out_again(void **state)
{
    (void)state;
    for (size_t size = 100; size <= TEXT_SIZE; size = size * 3 + 1) {
        struct tr_slice whole = {NULL, 0};
        const size_t made = tr_compress_put(compress, text, size, packed, sizeof(packed));

        if (made == 0) {
            assert_true(size < 500); /* too little to find anything in */
            continue;
        }
        assert_true(made <= size - size / 8);
        assert_int_equal(tr_compress_get(compress, packed, made, &whole), TROUPE_OK);
        assert_int_equal(whole.size, size);
        assert_memory_equal(whole.bytes, text, size);
        free((void *)(uintptr_t)whole.bytes);
    }
}

static void what_does_not_become_smaller_is_left_alone(void **state)
{
    static uint8_t noise[TEXT_SIZE];
    struct tr_rng rng = {.state = 7};

    (void)state;
    for (size_t at = 0; at < TEXT_SIZE; at++) {
        noise[at] = (uint8_t)tr_rng_below(&rng, 256);
    }
    assert_int_equal(tr_compress_put(compress, noise, TEXT_SIZE, packed, sizeof(packed)), 0);
    assert_int_equal(tr_compress_put(compress, text, 3, packed, sizeof(packed)), 0);
    assert_int_equal(tr_compress_put(compress, text, TEXT_SIZE, packed, 100), 0); /* no room */
}

/* Zeroes shrink 10,000 times; what is made of them is what the other side believes. */
static void what_shrinks_unbelievably_is_made_believable(void **state)
{
    uint8_t *zeroes = calloc(1, TR_MESSAGE_SIZE_MAX);
    uint8_t *room = malloc(TR_MESSAGE_SIZE_MAX);

    (void)state;
    for (size_t size = 30; size <= TR_MESSAGE_SIZE_MAX;
         size = size * 5 > TR_MESSAGE_SIZE_MAX && size < TR_MESSAGE_SIZE_MAX ? TR_MESSAGE_SIZE_MAX
                                                                             : size * 5) {
        struct tr_slice whole = {NULL, 0};
        const size_t made = tr_compress_put(compress, zeroes, size, room, size);

        assert_true(size < 100 || (made > 0 && made >= size / TR_COMPRESS_RATIO_MAX));
        assert_true(made < 100 || made < size / 500);
        if (made > 0) {
            assert_int_equal(tr_compress_get(compress, room, made, &whole), TROUPE_OK);
            assert_int_equal(whole.size, size);
            assert_memory_equal(whole.bytes, zeroes, size);
            free((void *)(uintptr_t)whole.bytes);
        }
    }
    free(zeroes);
    free(room);
}

/* A frame of zeroes, announced as so many bytes. */
static size_t make_bomb(size_t zeroes, uint32_t announced)
{
    uint8_t *bytes = calloc(1, zeroes);
    const size_t made = ZSTD_compress(packed + 4, sizeof(packed) - 4, bytes, zeroes, 3);

    free(bytes);
    assert_int_equal(ZSTD_isError(made), 0);
    tr_be32_put(packed, announced);
    return 4 + made;
}

static void a_bomb_is_refused(void **state)
{
    size_t size = 0;

    (void)state;
    size = make_bomb((size_t)64 << 20, 64u << 20);
    assert_true(size < 20000);
    assert_int_equal(get(packed, size, 0), TROUPE_E_LIMIT); /* more than 1,024 to 1 */
    size = make_bomb((size_t)64 << 20, 5000);
    assert_int_equal(get(packed, size, 0), TROUPE_E_PROTOCOL); /* it ends at what it said */
    tr_be32_put(packed, UINT32_MAX);
    assert_int_equal(get(packed, sizeof(packed), 0), TROUPE_E_LIMIT);
    tr_be32_put(packed, TR_MESSAGE_SIZE_MAX + 1);
    assert_int_equal(get(packed, sizeof(packed), 0), TROUPE_E_LIMIT);
    size = make_bomb(10000, 10001);
    assert_int_equal(get(packed, size, 0), TROUPE_E_PROTOCOL); /* less than it said */
    size = make_bomb(10000, 10000);
    assert_int_equal(get(packed, size, 10000), TROUPE_OK);
}

static void garbage_is_refused(void **state)
{
    const size_t made = tr_compress_put(compress, text, TEXT_SIZE, packed, sizeof(packed));
    static uint8_t changed[ROOM];
    size_t refused = 0;

    (void)state;
    assert_true(made > 4);
    for (size_t size = 0; size < made; size += size < 20 ? 1 : 997) {
        assert_int_not_equal(get(packed, size, TEXT_SIZE), TROUPE_OK);
    }
    for (size_t at = 0; at < made; at += at < 40 ? 1 : 61) {
        memcpy(changed, packed, made);
        changed[at] ^= 0x41;
        refused += get(changed, made, TEXT_SIZE) != TROUPE_OK ? 1 : 0;
    }
    assert_true(refused > 4); /* a changed letter in the text is not seen here: tags see it */
    tr_be32_put(changed, 0);
    assert_int_equal(get(changed, 5, 0), TROUPE_E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_comes_out_again),
        cmocka_unit_test(what_does_not_become_smaller_is_left_alone),
        cmocka_unit_test(what_shrinks_unbelievably_is_made_believable),
        cmocka_unit_test(a_bomb_is_refused),
        cmocka_unit_test(garbage_is_refused),
    };

    return cmocka_run_group_tests_name("wire/compress", tests, begin, end);
}
