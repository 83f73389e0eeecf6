/* troupe/timer.h - more about timers than troupe_send_after and troupe_send_interval of actor.h:
 * to names, how long they have left, and all at once.
 *
 *     status = troupe_send_after_name(self, 500, "bank", &audit_type, NULL, &timer);
 *     if (troupe_cancel_timer_left(self, timer, &left_ms)) ... // it never comes
 *
 * A timer belongs to the actor that started it and ends with it: a restarted instance never gets
 * what an earlier one started. To others it fires without a turn of its actor, however busy that
 * is; one of a durable actor waits until what was said before it is committed.
 *
 * Threads: actor only, all functions.
 * Memory: messages are copied at the start.
 */
#ifndef TROUPE_TIMER_H
#define TROUPE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/actor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sends to whoever holds the name when the time has come; a name that nobody holds then loses the
 * message, counted. Gives *timer (may be NULL). TROUPE_E_INVALID (no name, no message),
 * TROUPE_E_LIMIT, TROUPE_E_NO_MEMORY. Erlang: erlang:send_after/3 to a registered name. */
TROUPE_API TROUPE_MUST_USE troupe_status troupe_send_after_name(troupe_self *self,
                                                                uint64_t delay_ms, const char *name,
                                                                const troupe_type *type,
                                                                const void *message,
                                                                uint64_t *timer);

/* The same, again and again, every interval_ms (at least 1). Erlang: timer:send_interval/3. */
TROUPE_API TROUPE_MUST_USE troupe_status
troupe_send_interval_name(troupe_self *self, uint64_t interval_ms, const char *name,
                          const troupe_type *type, const void *message, uint64_t *timer);

/* Answers whether the timer has not fired yet, and gives in how many milliseconds it will. Erlang:
 * erlang:read_timer/1. */
TROUPE_API bool troupe_timer_left(troupe_self *self, uint64_t timer, uint64_t *left_ms);

/* Cancels a timer. Answers true when that was in time: then its message never comes, and *left_ms
 * (may be NULL) is what it had left. A message to the actor itself can be called back until it is
 * handled; one to others until it is sent. troupe_cancel_timer is the same without left_ms. Erlang:
 * erlang:cancel_timer/1. */
TROUPE_API bool troupe_cancel_timer_left(troupe_self *self, uint64_t timer, uint64_t *left_ms);

/* Cancels all timers of this actor but the idle timeout; answers how many were in time. */
TROUPE_API size_t troupe_cancel_timers(troupe_self *self);

#ifdef __cplusplus
}
#endif

#endif
