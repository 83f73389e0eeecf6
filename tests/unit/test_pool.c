/* What is tested: sync/pool, alone and with threads that pass blocks on. Under AddressSanitizer
 * blocks are malloc's, so what is tested there is that nothing is freed twice or lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "sync/pool.h"

enum { MANY = 3000, THREADS = 4, ROUNDS = 20000, BASKET = 200 };

static const size_t sizes[] = {1,    72,   96,   97,   128,  200,   256,   500,   512,   1000,
                               1024, 1025, 1536, 1537, 5000, 16384, 16385, 66000, 140000};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void blocks_are_aligned_and_do_not_overlap(void **state)
{
    struct tr_pool pool;
    struct tr_pool_cache cache;
    uint8_t **blocks = calloc(MANY, sizeof(*blocks));

    (void)state;
    assert_non_null(blocks);
    tr_pool_init(&pool);
    tr_pool_cache_init(&cache, &pool, false);
    for (int i = 0; i < MANY; i++) {
        blocks[i] = tr_pool_get(&cache, sizes[i % SIZES]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], i & 0xff, sizes[i % SIZES]);
    }
    for (int i = 0; i < MANY; i++) {
        for (size_t j = 0; j < sizes[i % SIZES]; j++) {
            assert_int_equal(blocks[i][j], i & 0xff);
        }
        tr_pool_put(&cache, blocks[i], sizes[i % SIZES]);
    }
    tr_pool_fini(&pool);
    free(blocks);
}

/* What was given back is used again: memory does not grow without end. */
static void blocks_are_used_again(void **state)
{
    struct tr_pool pool;
    struct tr_pool_cache giver;
    struct tr_pool_cache taker;
    void *blocks[BASKET];

    (void)state;
    tr_pool_init(&pool);
    tr_pool_cache_init(&giver, &pool, false);
    tr_pool_cache_init(&taker, &pool, false);
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < BASKET; i++) {
            blocks[i] = tr_pool_get(&giver, 96);
            assert_non_null(blocks[i]);
        }
        for (int i = 0; i < BASKET; i++) {
            tr_pool_put(&taker, blocks[i], 96);
        }
    }
    size_t slabs = 0;

    for (const void *slab = pool.slabs; slab != NULL; slab = *(const void *const *)slab) {
        slabs++;
    }
    assert_true(slabs <= 2);
    tr_pool_fini(&pool);
}

/* Of large blocks so many are kept as may be, and each size gets its own. */
static void large_blocks_are_kept_up_to_a_bound(void **state)
{
    enum { SIZE = 66000, KEPT_SIZE = 72 * 1024, COUNT = 150 };
    struct tr_pool pool;
    struct tr_pool_cache cache;
    void *blocks[COUNT];

    (void)state;
    tr_pool_init(&pool);
    tr_pool_cache_init(&cache, &pool, false);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = tr_pool_get(&cache, SIZE);
        assert_non_null(blocks[i]);
        memset(blocks[i], i, SIZE);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(((uint8_t *)blocks[i])[SIZE - 1], i);
        tr_pool_put(&cache, blocks[i], SIZE);
    }
#if !defined(__SANITIZE_ADDRESS__)
    assert_int_equal(pool.large.kept, TR_POOL_KEPT_BYTES_MAX / KEPT_SIZE * KEPT_SIZE);
    void *again = tr_pool_get(&cache, SIZE - 5000);

    assert_int_equal(pool.large.kept, (TR_POOL_KEPT_BYTES_MAX / KEPT_SIZE) * KEPT_SIZE);
    tr_pool_put(&cache, again, SIZE - 5000);
    again = tr_pool_get(&cache, SIZE);
    assert_int_equal(pool.large.kept, (TR_POOL_KEPT_BYTES_MAX / KEPT_SIZE - 1) * KEPT_SIZE);
    tr_pool_put(&cache, again, SIZE);
#endif
    tr_pool_fini(&pool);
}

/* ---- threads: a list under a spin lock, from which all take and to which all put ---- */

struct market {
    struct tr_pool pool;
    struct tr_pool_cache shared;
    struct tr_spin lock;
    uint64_t *stalls[BASKET]; /* each block says who made it, at both ends */
    struct tr_atomic_u64 wrong;
    struct tr_atomic_u64 next;
};

static void trade(void *context)
{
    struct market *market = context;
    struct tr_pool_cache own;
    const uint64_t id = tr_add_relaxed(&market->next, 1);
    struct tr_pool_cache *cache = id % 2 == 0 ? &own : &market->shared;

    tr_pool_cache_init(&own, &market->pool, false);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t *block = tr_pool_get(cache, 128);
        const size_t stall = (i * 7 + id * 13) % BASKET;

        if (block == NULL) {
            (void)tr_add_relaxed(&market->wrong, 1);
            break;
        }
        block[0] = i * THREADS + id;
        block[15] = ~block[0];
        tr_spin_lock(&market->lock);
        uint64_t *other = market->stalls[stall];

        market->stalls[stall] = block;
        tr_spin_unlock(&market->lock);
        if (other != NULL) {
            (void)tr_add_relaxed(&market->wrong, other[15] != ~other[0] ? 1 : 0);
            tr_pool_put(cache, other, 128);
        }
    }
    /* What the own cache still holds is forgotten; its memory is the pool's. */
}

static void threads_pass_blocks_on(void **state)
{
    struct market *market = calloc(1, sizeof(*market));
    struct tr_thread threads[THREADS] = {0};

    (void)state;
    assert_non_null(market);
    tr_pool_init(&market->pool);
    tr_pool_cache_init(&market->shared, &market->pool, true);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(tr_thread_start(&threads[i], "trader", trade, market), TROUPE_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        tr_thread_join(&threads[i]);
    }
    assert_int_equal(tr_load_relaxed(&market->wrong), 0);
    for (int i = 0; i < BASKET; i++) {
        if (market->stalls[i] != NULL) {
            tr_pool_put(&market->shared, market->stalls[i], 128);
        }
    }
    tr_pool_fini(&market->pool);
    free(market);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_do_not_overlap),
        cmocka_unit_test(blocks_are_used_again),
        cmocka_unit_test(large_blocks_are_kept_up_to_a_bound),
        cmocka_unit_test(threads_pass_blocks_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
