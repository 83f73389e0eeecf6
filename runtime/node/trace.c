#include "node/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/admin.h"
#include "node/portrait.h"

enum {
    RECORDS_MAX = 1000, /* that wait for the reader; beyond, the oldest are dropped and counted */
    VALUE_SIZE_MAX = 4096, /* bytes of JSON of one value; a longer one is left out */
    SECONDS_DEFAULT = 60,
    SECONDS_MAX = 3600,
    UNREAD_MS = 10000, /* without a read the trace ends */
    READ_WAIT_MS = 1000
};

enum ended { RUNS, ENDED_BY_TIME, ENDED_UNREAD, ENDED_WITH_ACTOR, ENDED_BY_READER };

struct tr_trace {
    struct tr_mutex mutex;
    struct tr_cond cond;
    uint32_t holders;
    uint64_t id;
    troupe_pid pid;
    bool values;
    enum ended ended;
    int64_t until_ns;
    int64_t unread_until_ns;
    char *records[RECORDS_MAX]; /* JSON; a ring */
    uint32_t first;
    uint32_t count;
    uint64_t seq;
    uint64_t dropped; /* not told yet */
};

static void drop(struct tr_trace *trace)
{
    tr_mutex_lock(&trace->mutex);
    const bool last = --trace->holders == 0;

    tr_mutex_unlock(&trace->mutex);
    if (!last) {
        return;
    }
    for (uint32_t i = 0; i < trace->count; i++) {
        cJSON_free(trace->records[(trace->first + i) % RECORDS_MAX]);
    }
    tr_cond_fini(&trace->cond);
    tr_mutex_fini(&trace->mutex);
    free(trace);
}

troupe_status tr_traces_create(struct tr_traces **out)
{
    struct tr_traces *traces = calloc(1, sizeof(*traces));

    if (traces == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    traces->next_id = 1;
    tr_mutex_init(&traces->mutex);
    *out = traces;
    return TROUPE_OK;
}

void tr_traces_destroy(struct tr_traces *traces)
{
    if (traces == NULL) {
        return;
    }
    for (size_t i = 0; i < TR_TRACES_MAX; i++) {
        if (traces->traces[i] != NULL) {
            drop(traces->traces[i]);
        }
    }
    tr_mutex_fini(&traces->mutex);
    free(traces);
}

/* ---- in the actor ---- */

static const char *signal_name(enum tr_signal_kind signal)
{
    switch (signal) {
    case TR_SIGNAL_MESSAGE:
        return "message";
    case TR_SIGNAL_CALL:
        return "call";
    case TR_SIGNAL_REPLY:
        return "reply";
    case TR_SIGNAL_CALL_FAILED:
        return "call_failed";
    case TR_SIGNAL_RESULT:
        return "result";
    case TR_SIGNAL_FORGET_CALL:
        return "forget_call";
    case TR_SIGNAL_LINK:
        return "link";
    case TR_SIGNAL_UNLINK:
        return "unlink";
    case TR_SIGNAL_UNLINK_ACK:
        return "unlink_ack";
    case TR_SIGNAL_MONITOR:
        return "monitor";
    case TR_SIGNAL_DEMONITOR:
        return "demonitor";
    case TR_SIGNAL_EXIT:
        return "exit";
    case TR_SIGNAL_LINK_EXIT:
        return "link_exit";
    case TR_SIGNAL_DOWN:
        return "down";
    case TR_SIGNAL_NODE_LOST:
        return "node_lost";
    case TR_SIGNAL_TIMER:
        return "timer";
    case TR_SIGNAL_COMMITTED:
        return "committed";
    case TR_SIGNAL_CONTINUE:
        return "continue";
    case TR_SIGNAL_AWAIT:
    case TR_SIGNAL_RESUME:
    case TR_SIGNAL_CALL_TARGET:
    case TR_SIGNAL_RUN:
    case TR_SIGNAL_INSPECT:
    case TR_SIGNAL_NAMED:
    case TR_SIGNAL_COUNT:
        break;
    }
    return NULL; /* Nothing that concerns its user. */
}

static bool has_reason(const struct tr_message *message)
{
    return message->signal == TR_SIGNAL_EXIT || message->signal == TR_SIGNAL_LINK_EXIT ||
           message->signal == TR_SIGNAL_DOWN || message->signal == TR_SIGNAL_CALL_FAILED;
}

static void add_reason(cJSON *record, int32_t kind, const char *text)
{
    tr_admin_add_text(record, "reason", troupe_reason_name(kind));
    if (text != NULL && text[0] != '\0') {
        tr_admin_add_text(record, "text", text);
    }
}

static void add_value(cJSON *record, const struct tr_message *message)
{
    char *json = NULL;

    if (tr_message_value(message) == NULL ||
        troupe_to_json(message->type, tr_message_value(message), &json) != TROUPE_OK) {
        return;
    }
    if (strlen(json) <= VALUE_SIZE_MAX) {
        tr_admin_add_json(record, "value", json);
    } else {
        (void)cJSON_AddTrueToObject(record, "value_too_long");
        troupe_json_free(json);
    }
}

static void add_message(const struct tr_trace *trace, cJSON *record, enum tr_traced what,
                        const struct tr_message *message)
{
    const bool sent = what == TR_TRACED_SENT;
    const troupe_pid other = sent ? message->to : message->from;

    tr_admin_add_text(record, "signal", signal_name((enum tr_signal_kind)message->signal));
    if (sent && (message->flags & TR_MESSAGE_NAMED) != 0) {
        tr_admin_add_text(
            record, "to_name",
            ((const struct tr_name_tail *)(const void *)(message->payload + message->value_size))
                ->name);
    } else if (!troupe_pid_is_none(other)) {
        tr_admin_add_pid(record, sent ? "to" : "from", other);
    }
    if (message->type != NULL) {
        tr_admin_add_text(record, "type", message->type->name);
    }
    (void)cJSON_AddNumberToObject(record, "size_bytes", message->value_size);
    if (message->ref != 0) {
        tr_admin_add_id(record, "ref", message->ref);
    }
    if (has_reason(message)) {
        const struct tr_reason *reason = tr_message_reason(message);

        add_reason(record, reason->kind, reason->text);
    }
    if (trace->values && message->type != NULL) {
        add_value(record, message);
    }
}

static double wall_seconds(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    const int64_t us = ((int64_t)now.tv_sec * 1000000) + (now.tv_nsec / 1000);

    return (double)us / 1e6;
}

static char *make_record(const struct tr_trace *trace, const troupe_self *self, enum tr_traced what,
                         const struct tr_message *message)
{
    static const char *const names[] = {"received", "sent", "ended"};
    cJSON *record = cJSON_CreateObject();
    char *text = NULL;

    tr_admin_add_id(record, "seq", trace->seq);
    (void)cJSON_AddNumberToObject(record, "at", wall_seconds());
    tr_admin_add_text(record, "event", names[what]);
    if (message != NULL) {
        add_message(trace, record, what, message);
    } else {
        add_reason(record, self->stop_kind, self->stop_text);
    }
    text = cJSON_PrintUnformatted(record);
    cJSON_Delete(record);
    return text;
}

/* Puts a record behind the others; when there are too many the oldest goes. Under the lock. */
static void push(struct tr_trace *trace, char *record)
{
    if (record == NULL) {
        trace->dropped++;
        return;
    }
    if (trace->count == RECORDS_MAX) {
        cJSON_free(trace->records[trace->first]);
        trace->first = (trace->first + 1) % RECORDS_MAX;
        trace->count--;
        trace->dropped++;
    }
    trace->records[(trace->first + trace->count) % RECORDS_MAX] = record;
    trace->count++;
}

/* Whether time has ended it. Under the lock. */
static bool is_over(struct tr_trace *trace, int64_t now_ns)
{
    if (trace->ended == RUNS && now_ns >= trace->until_ns) {
        trace->ended = ENDED_BY_TIME;
    } else if (trace->ended == RUNS && now_ns >= trace->unread_until_ns) {
        trace->ended = ENDED_UNREAD;
    }
    return trace->ended != RUNS;
}

static void detach(troupe_self *self)
{
    struct tr_trace *trace = self->actor->extra->trace;

    self->actor->extra->trace = NULL;
    self->actor->traced = 0;
    self->watched = (uint8_t)(self->watched & ~TR_WATCHED_TRACE);
    drop(trace);
}

void tr_trace_note(void *context, troupe_self *self, enum tr_traced what,
                   const struct tr_message *message)
{
    struct tr_trace *trace = self->actor->extra->trace;

    (void)context;
    if (message != NULL && signal_name((enum tr_signal_kind)message->signal) == NULL) {
        return;
    }
    tr_mutex_lock(&trace->mutex);
    const bool over = is_over(trace, tr_clock_now(self->sched->options.clock));

    if (!over) {
        trace->seq++;
        push(trace, make_record(trace, self, what, message));
        if (what == TR_TRACED_END) {
            trace->ended = ENDED_WITH_ACTOR;
        }
    }
    tr_cond_broadcast(&trace->cond);
    tr_mutex_unlock(&trace->mutex);
    if (over || what == TR_TRACED_END) {
        detach(self);
    }
}

/* ---- starting and ending ---- */

/* Holds a trace of the table by its id; NULL when there is none. */
static struct tr_trace *find(struct troupe_node *node, uint64_t id)
{
    struct tr_trace *found = NULL;

    tr_mutex_lock(&node->traces->mutex);
    for (size_t i = 0; i < TR_TRACES_MAX; i++) {
        struct tr_trace *trace = node->traces->traces[i];

        if (trace != NULL && trace->id == id) {
            found = trace;
            tr_mutex_lock(&trace->mutex);
            trace->holders++;
            tr_mutex_unlock(&trace->mutex);
        }
    }
    tr_mutex_unlock(&node->traces->mutex);
    return found;
}

/* Takes a trace out of the table. */
static void strike(struct troupe_node *node, struct tr_trace *trace)
{
    bool there = false;

    tr_mutex_lock(&node->traces->mutex);
    for (size_t i = 0; i < TR_TRACES_MAX; i++) {
        if (node->traces->traces[i] == trace) {
            node->traces->traces[i] = NULL;
            there = true;
        }
    }
    tr_mutex_unlock(&node->traces->mutex);
    if (there) {
        drop(trace);
    }
}

/* Puts a trace into the table, in the place of one that is over if there is no free one. */
static bool enter(struct troupe_node *node, struct tr_trace *trace)
{
    const int64_t now_ns = tr_clock_now(node->sched->options.clock);
    struct tr_trace *over = NULL;
    bool entered = false;

    tr_mutex_lock(&node->traces->mutex);
    for (size_t i = 0; i < TR_TRACES_MAX && !entered; i++) {
        struct tr_trace *other = node->traces->traces[i];

        if (other != NULL) {
            tr_mutex_lock(&other->mutex);
            over = is_over(other, now_ns) ? other : NULL;
            tr_mutex_unlock(&other->mutex);
        }
        if (other == NULL || over != NULL) {
            trace->id = node->traces->next_id++;
            trace->holders++;
            node->traces->traces[i] = trace;
            entered = true;
        }
    }
    tr_mutex_unlock(&node->traces->mutex);
    if (over != NULL) {
        drop(over);
    }
    return entered;
}

/* In the actor: from now on it is traced. context is struct attach, under the gallery's lock. */
struct attach {
    struct tr_trace *trace; /* held; NULL once the actor has it */
    bool there;
    bool taken; /* by another trace */
};

static void attach_release(void *context)
{
    struct attach *attach = context;

    if (attach->trace != NULL) {
        drop(attach->trace);
    }
    free(attach);
}

static void attach_visit(void *context, const troupe_self *looked)
{
    struct attach *attach = context;

    if (looked == NULL) {
        return;
    }
    /* A look may not change an actor; being traced changes nothing that it can see. */
    troupe_self *self = (troupe_self *)(uintptr_t)looked;
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    if (extra == NULL || (self->actor->flags & TR_ACTOR_SYSTEM) != 0) {
        return;
    }
    attach->there = true;
    if (extra->trace != NULL) {
        tr_mutex_lock(&extra->trace->mutex);
        attach->taken = !is_over(extra->trace, tr_clock_now(self->sched->options.clock));
        tr_mutex_unlock(&extra->trace->mutex);
        if (attach->taken) {
            return;
        }
        detach(self);
    }
    extra->trace = attach->trace;
    attach->trace = NULL;
    self->actor->traced = TR_WATCHED_TRACE;
    self->watched = (uint8_t)(self->watched | TR_WATCHED_TRACE);
}

static struct tr_trace *trace_create(struct tr_admin *admin, troupe_pid pid)
{
    struct tr_trace *trace = calloc(1, sizeof(*trace));
    uint64_t seconds = tr_admin_number(admin, "seconds", SECONDS_DEFAULT);
    const int64_t now_ns = tr_clock_now(admin->node->sched->options.clock);

    if (trace == NULL) {
        (void)tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    seconds = seconds == 0 || seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
    *trace = (struct tr_trace){.holders = 1,
                               .pid = pid,
                               .until_ns = now_ns + (int64_t)seconds * TR_NS_PER_S,
                               .unread_until_ns = now_ns + UNREAD_MS * TR_NS_PER_MS};
    trace->values = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(admin->request, "values")) != 0;
    tr_mutex_init(&trace->mutex);
    tr_cond_init(&trace->cond);
    if (!enter(admin->node, trace)) {
        (void)tr_admin_fail(admin, TROUPE_E_LIMIT, "%u actors of this node are traced already",
                            TR_TRACES_MAX);
        drop(trace);
        return NULL;
    }
    return trace;
}

/* Has the actor take the trace; answers whether it did. */
static bool begin_trace(struct tr_admin *admin, struct tr_trace *trace)
{
    struct attach *attach = calloc(1, sizeof(*attach));
    struct tr_gallery *gallery = NULL;

    if (attach != NULL) {
        tr_mutex_lock(&trace->mutex);
        trace->holders++;
        tr_mutex_unlock(&trace->mutex);
        attach->trace = trace;
        gallery = tr_gallery_create(attach_visit, attach_release, attach);
    }
    if (gallery == NULL) {
        return tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
    }
    tr_gallery_ask(admin->node, gallery, trace->pid.id);
    const uint32_t silent = tr_gallery_wait_locked(admin->node, gallery, admin->timeout_ms);
    const bool there = attach->there;
    const bool taken = attach->taken;

    tr_gallery_drop_locked(gallery);
    if (silent > 0) {
        return tr_admin_fail(admin, TROUPE_E_TIMEOUT, "the actor is busy in a handler");
    }
    if (taken) {
        return tr_admin_fail(admin, TROUPE_E_EXISTS, "the actor is being traced already");
    }
    return there || tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "no such actor: \"%.255s\"",
                                  tr_admin_text(admin, "to", true));
}

/* ---- the operation ---- */

static void start(struct tr_admin *admin)
{
    troupe_pid pid = {0};
    struct tr_trace *trace = tr_admin_local(admin, &pid) ? trace_create(admin, pid) : NULL;

    if (trace == NULL) {
        return;
    }
    if (begin_trace(admin, trace)) {
        tr_admin_add_id(admin->reply, "trace", trace->id);
        tr_admin_add_pid(admin->reply, "pid", pid);
    } else {
        tr_mutex_lock(&trace->mutex);
        trace->ended = ENDED_BY_READER;
        tr_mutex_unlock(&trace->mutex);
        strike(admin->node, trace);
    }
    drop(trace);
}

static const char *end_name(enum ended ended)
{
    static const char *const names[] = {"", "time", "unread", "actor", "stopped"};

    return names[ended];
}

/* Moves records into the reply, as many as fit. Under the lock. */
static void take_records(struct tr_admin *admin, struct tr_trace *trace)
{
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "events");
    bool room = true;

    while (trace->count > 0 && room) {
        room = tr_admin_add_item(admin, list, cJSON_CreateRaw(trace->records[trace->first]));
        if (room) {
            cJSON_free(trace->records[trace->first]);
            trace->first = (trace->first + 1) % RECORDS_MAX;
            trace->count--;
        }
    }
    (void)cJSON_AddNumberToObject(admin->reply, "dropped", (double)trace->dropped);
    trace->dropped = 0;
}

static void read_records(struct tr_admin *admin, struct tr_trace *trace)
{
    const struct tr_clock *clock = admin->node->sched->options.clock;
    const uint32_t wait_ms = admin->timeout_ms < READ_WAIT_MS ? admin->timeout_ms : READ_WAIT_MS;
    const int64_t until = tr_clock_now(clock) + (int64_t)wait_ms * TR_NS_PER_MS;

    tr_mutex_lock(&trace->mutex);
    trace->unread_until_ns = until + UNREAD_MS * TR_NS_PER_MS;
    while (trace->count == 0 && !is_over(trace, tr_clock_now(clock)) &&
           tr_clock_now(clock) < until) {
        tr_node_wait(admin->node, &trace->cond, &trace->mutex, until - tr_clock_now(clock));
    }
    take_records(admin, trace);
    const enum ended ended = trace->count == 0 ? trace->ended : RUNS;

    tr_mutex_unlock(&trace->mutex);
    (void)cJSON_AddBoolToObject(admin->reply, "ended", ended != RUNS);
    tr_admin_add_text(admin->reply, "why", end_name(ended));
    if (ended != RUNS) {
        strike(admin->node, trace);
    }
}

static void stop(struct tr_admin *admin, struct tr_trace *trace)
{
    tr_mutex_lock(&trace->mutex);
    trace->ended = trace->ended == RUNS ? ENDED_BY_READER : trace->ended;
    tr_cond_broadcast(&trace->cond);
    tr_mutex_unlock(&trace->mutex);
    strike(admin->node, trace);
}

void tr_admin_trace(struct tr_admin *admin)
{
    const char *action = tr_admin_text(admin, "action", true);
    const char *id = NULL;

    if (action == NULL) {
        return;
    }
    if (strcmp(action, "start") == 0) {
        start(admin);
        return;
    }
    id = tr_admin_text(admin, "trace", true);
    if (id == NULL) {
        return;
    }
    struct tr_trace *trace = find(admin->node, strtoull(id, NULL, 10));

    if (trace == NULL) {
        (void)tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "no such trace: \"%.32s\"", id);
        return;
    }
    if (strcmp(action, "read") == 0) {
        read_records(admin, trace);
    } else if (strcmp(action, "stop") == 0) {
        stop(admin, trace);
    } else {
        (void)tr_admin_fail(admin, TROUPE_E_INVALID,
                            "the action of a trace is start, read or stop: \"%.32s\"", action);
    }
    drop(trace);
}
