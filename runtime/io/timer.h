/* io/timer.h - one-shot and repeating timers of a loop.
 *
 *     tr_timer_create(loop, fn, context, &timer) -> tr_timer_start(timer, delay, repeat) ... ->
 * close
 *
 * Threads: loop thread only. Resolution is a millisecond; a timer never fires early.
 * Memory: freed by the loop after close.
 */
#ifndef TR_IO_TIMER_H
#define TR_IO_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "troupe/status.h"

struct tr_timer;

/* Gives a timer that is not running. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_timer_create(struct tr_loop *loop, tr_loop_fn fn, void *context,
                                              struct tr_timer **out);

/* Has fn called after delay_ns, then every repeat_ns unless that is 0: the n-th call of those comes
 * no sooner than delay_ns + n * repeat_ns from now. Starting again replaces what was started
 * before. */
void tr_timer_start(struct tr_timer *timer, uint64_t delay_ns, uint64_t repeat_ns);

/* No call of fn comes before the next start. */
void tr_timer_stop(struct tr_timer *timer);

bool tr_timer_is_running(const struct tr_timer *timer);

/* Takes the timer, which may be NULL. No call of fn comes after it. */
void tr_timer_close(struct tr_timer *timer);

#endif
