/* sched/telemetry.h - telling what happens: one word is looked at, and nothing is done unless
 * somebody asked for that kind of event.
 *
 *     if (tr_wants(sched, TROUPE_EVENT_EXIT)) {
 *         tr_tell(sched, &(troupe_event){.kind = TROUPE_EVENT_EXIT, ...});
 *     }
 *
 * Threads: any.
 */
#ifndef TR_SCHED_TELEMETRY_H
#define TR_SCHED_TELEMETRY_H

#include <stdbool.h>

#include "sched/sched.h"
#include "troupe/telemetry.h"

static inline bool tr_wants(const struct tr_sched *sched, troupe_event_kind kind)
{
    return __builtin_expect((sched->options.telemetry_events >> kind & 1u) != 0, 0);
}

/* Calls the function of the configuration. What is NULL in the event becomes "". */
void tr_tell(const struct tr_sched *sched, const troupe_event *event);

/* The name of a message's type, or NULL. */
static inline const char *tr_type_name(const struct tr_message *message)
{
    return message->type == NULL ? NULL : message->type->name;
}

#endif
