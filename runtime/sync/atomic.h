/* sync/atomic.h - the atomic operations that we allow, with their orderings in their names.
 *
 * relaxed: the value only. acquire: what the other side wrote before its release is seen after it.
 * The pair of each use is named at the use.
 */
#ifndef TR_SYNC_ATOMIC_H
#define TR_SYNC_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tr_atomic_u64 {
    _Atomic uint64_t value;
};

struct tr_atomic_u32 {
    _Atomic uint32_t value;
};

static inline uint64_t tr_load_relaxed(const struct tr_atomic_u64 *a)
{
    return atomic_load_explicit(&a->value, memory_order_relaxed);
}

static inline uint64_t tr_load_acquire(const struct tr_atomic_u64 *a)
{
    return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void tr_store_relaxed(struct tr_atomic_u64 *a, uint64_t value)
{
    atomic_store_explicit(&a->value, value, memory_order_relaxed);
}

static inline void tr_store_release(struct tr_atomic_u64 *a, uint64_t value)
{
    atomic_store_explicit(&a->value, value, memory_order_release);
}

static inline uint64_t tr_add_relaxed(struct tr_atomic_u64 *a, uint64_t value)
{
    return atomic_fetch_add_explicit(&a->value, value, memory_order_relaxed);
}

static inline uint64_t tr_sub_relaxed(struct tr_atomic_u64 *a, uint64_t value)
{
    return atomic_fetch_sub_explicit(&a->value, value, memory_order_relaxed);
}

static inline uint64_t tr_exchange(struct tr_atomic_u64 *a, uint64_t value)
{
    return atomic_exchange_explicit(&a->value, value, memory_order_acq_rel);
}

static inline bool tr_compare_exchange(struct tr_atomic_u64 *a, uint64_t *expected, uint64_t value)
{
    return atomic_compare_exchange_weak_explicit(&a->value, expected, value, memory_order_acq_rel,
                                                 memory_order_acquire);
}

static inline uint32_t tr_load32_relaxed(const struct tr_atomic_u32 *a)
{
    return atomic_load_explicit(&a->value, memory_order_relaxed);
}

static inline uint32_t tr_load32_acquire(const struct tr_atomic_u32 *a)
{
    return atomic_load_explicit(&a->value, memory_order_acquire);
}

static inline void tr_store32_relaxed(struct tr_atomic_u32 *a, uint32_t value)
{
    atomic_store_explicit(&a->value, value, memory_order_relaxed);
}

static inline void tr_store32_release(struct tr_atomic_u32 *a, uint32_t value)
{
    atomic_store_explicit(&a->value, value, memory_order_release);
}

static inline uint32_t tr_exchange32(struct tr_atomic_u32 *a, uint32_t value)
{
    return atomic_exchange_explicit(&a->value, value, memory_order_acq_rel);
}

/* Sequentially consistent, for the handshakes "I announce, then I look" on both sides. */
static inline uint32_t tr_exchange32_seq(struct tr_atomic_u32 *a, uint32_t value)
{
    return atomic_exchange_explicit(&a->value, value, memory_order_seq_cst);
}

static inline uint64_t tr_load_seq(const struct tr_atomic_u64 *a)
{
    return atomic_load_explicit(&a->value, memory_order_seq_cst);
}

static inline uint64_t tr_exchange_seq(struct tr_atomic_u64 *a, uint64_t value)
{
    return atomic_exchange_explicit(&a->value, value, memory_order_seq_cst);
}

static inline uint32_t tr_load32_seq(const struct tr_atomic_u32 *a)
{
    return atomic_load_explicit(&a->value, memory_order_seq_cst);
}

static inline uint32_t tr_add32_seq(struct tr_atomic_u32 *a, uint32_t value)
{
    return atomic_fetch_add_explicit(&a->value, value, memory_order_seq_cst);
}

static inline uint32_t tr_sub32_seq(struct tr_atomic_u32 *a, uint32_t value)
{
    return atomic_fetch_sub_explicit(&a->value, value, memory_order_seq_cst);
}

/* Orders what is before it against what is after it, for every thread that does the same. */
static inline void tr_fence_seq(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

#endif
