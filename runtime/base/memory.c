#include "base/memory.h"

_Thread_local struct tr_memory_plan *tr_memory_plan;

bool tr_memory_plan_refuses(struct tr_memory_plan *plan)
{
    const uint64_t number = plan->asked++;
    bool refuses = number >= plan->first && number - plan->first < plan->count;

    if (plan->per_million > 0 && tr_rng_below(&plan->rng, 1000000) < plan->per_million) {
        refuses = true;
    }
    plan->refused += refuses ? 1 : 0;
    return refuses;
}
