/* base/clock.h - the time port: nanoseconds that never go back and go on while the machine is
 * suspended.
 *
 * Everything that waits asks a clock that was given to it, so that a test can own the time.
 *
 * Threads: now may be called from any thread.
 */
#ifndef TR_BASE_CLOCK_H
#define TR_BASE_CLOCK_H

#include <stdint.h>

#define TR_NS_PER_MS 1000000LL
#define TR_NS_PER_S 1000000000LL

struct tr_clock {
    void *context;
    int64_t (*now)(void *context);    /* ns since some fixed point of this boot */
    int64_t (*coarse)(void *context); /* cheap, exact to a few ms, from a fixed point of its own */
};

/* The system's clock (CLOCK_BOOTTIME: a suspended laptop's leases run out too). */
extern const struct tr_clock tr_clock_system;

static inline int64_t tr_clock_coarse(const struct tr_clock *clock)
{
    return clock->coarse(clock->context);
}

static inline int64_t tr_clock_now(const struct tr_clock *clock)
{
    return clock->now(clock->context);
}

#endif
