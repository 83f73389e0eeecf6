#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t system_now(void *context)
{
    struct timespec now = {0};

    (void)context;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * TR_NS_PER_S + now.tv_nsec;
}

static int64_t system_coarse(void *context)
{
    struct timespec now = {0};

    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * TR_NS_PER_S + now.tv_nsec;
}

const struct tr_clock tr_clock_system = {
    .context = NULL, .now = system_now, .coarse = system_coarse};
