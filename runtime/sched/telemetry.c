#include "sched/telemetry.h"

const char *troupe_event_name(int32_t kind)
{
    static const char *const names[] = {
#define EVENT_NAME(name, text) text,
        TROUPE_EVENT_MAP(EVENT_NAME)
#undef EVENT_NAME
    };

    return kind >= 0 && kind < TROUPE_EVENT_COUNT ? names[kind] : "";
}

void tr_tell(const struct tr_sched *sched, const troupe_event *event)
{
    troupe_event told = *event;

    told.struct_size = sizeof(told);
    told.behavior = told.behavior == NULL ? "" : told.behavior;
    told.type = told.type == NULL ? "" : told.type;
    told.text = told.text == NULL ? "" : told.text;
    sched->options.telemetry(sched->options.telemetry_context, &told);
}
