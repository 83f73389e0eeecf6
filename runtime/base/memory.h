/* base/memory.h - the allocation port: memory that is refused when a test says so.
 *
 * libtroupe.so is linked with the linker's --wrap for malloc and its kin (cmake/library), so that
 * every allocation of the library asks tr_memory_refuses first; the pool asks for each block it
 * gives from a careful cache. Nobody refuses anything on a thread that has no plan.
 *
 *     struct tr_memory_plan plan = {.first = 3, .count = 1};
 *     tr_memory_plan = &plan; ... tr_memory_plan = NULL;    (plan.refused says whether it bit)
 *
 * Threads: a plan is for the thread that sets it.
 */
#ifndef TR_BASE_MEMORY_H
#define TR_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/* Which allocations fail: those with the numbers first to first + count - 1, and each one with a
 * chance of per_million. */
struct tr_memory_plan {
    uint64_t first; /* counted from 0 */
    uint64_t count; /* 0: none; UINT64_MAX: all that follow */
    uint32_t per_million;
    struct tr_rng rng;
    uint64_t asked;   /* allocations so far */
    uint64_t refused; /* of them */
};

/* The library is never loaded late enough for the small block of such variables to be used up. */
extern _Thread_local struct tr_memory_plan *tr_memory_plan
    __attribute__((tls_model("initial-exec")));

bool tr_memory_plan_refuses(struct tr_memory_plan *plan);

static inline bool tr_memory_refuses(void)
{
    return __builtin_expect(tr_memory_plan != NULL, 0) && tr_memory_plan_refuses(tr_memory_plan);
}

#endif
