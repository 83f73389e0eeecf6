/* What a supervisor does with its children: starting, restarting, stopping, one thing at a time. */
#include <stdio.h>

#include "base/bugs.h"
#include "node/names.h"
#include "node/supervisor.h"
#include "node/supervisor_spec.h"
#include "sched/telemetry.h"

#define SHUTDOWN_DEFAULT_MS 5000u

static bool is_simple(const struct tr_supervisor *supervisor)
{
    return supervisor->strategy == TROUPE_SIMPLE_ONE_FOR_ONE;
}

/* ---- starting ---- */

void tr_child_drop(troupe_self *self, troupe_pid pid)
{
    (void)!troupe_unlink(self, pid);
    (void)!troupe_exit(self, pid, TROUPE_REASON_KILL, "out of memory in its supervisor");
}

troupe_status tr_child_start(troupe_self *self, struct tr_supervisor *supervisor,
                             struct tr_child *child)
{
    return child->far != NULL ? tr_far_start(self, supervisor, child)
                              : tr_child_start_here(self, supervisor, child);
}

troupe_status tr_child_start_here(troupe_self *self, struct tr_supervisor *supervisor,
                                  struct tr_child *child)
{
    const bool packed = child->far != NULL && child->far->packed != NULL;
    struct tr_supervisor_args below = {.supervisor = child->spec.supervisor,
                                       .spec = supervisor->spec};
    struct tr_spec *own = NULL; /* One that is placed was copied, wherever it starts. */
    troupe_spawn_options options = child->options;
    troupe_pid pid = {0};

    if (child->known && tr_child_is_durable(child)) {
        return tr_child_find(self, supervisor, child);
    }
    options.flags = (options.flags & ~TROUPE_SPAWN_MONITOR) | TROUPE_SPAWN_LINK | child->spec.flags;
    if (tr_child_is_durable(child)) {
        options.flags |= TR_SPAWN_LOOKS;
    }
    options.name = child->spec.name;
    troupe_status status =
        packed ? tr_spec_unpack(child->far->packed, &own, self->fail_text, sizeof(self->fail_text))
               : TROUPE_OK;

    if (own != NULL) {
        below = (struct tr_supervisor_args){.supervisor = tr_spec_root(own), .spec = own};
    }
    if (status == TROUPE_OK) {
        status = below.supervisor != NULL
                     ? troupe_spawn(self, &tr_supervisor_behavior, &below, &options, &pid)
                     : troupe_spawn(self, child->spec.behavior, child->spec.args, &options, &pid);
    }
    tr_spec_drop(own);
    if (status == TROUPE_OK) {
        child->known = true;
        status = tr_child_up(supervisor, child, pid);
        if (status != TROUPE_OK) {
            /* Nobody would know it by its pid: it must not stay, and its end says nothing. */
            tr_child_drop(self, pid);
        }
    }
    return status;
}

/* A start that failed is tried again by a message, so that the supervisor can be stopped, and
 * others can be heard, meanwhile. Each try counts as a restart. */
void tr_child_again(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                    const char *why)
{
    troupe_log(self, TROUPE_LOG_ERROR, "child \"%s\" does not start: %s; restart %llu",
               child->spec.id, why, (unsigned long long)child->restarts);
    tr_child_move(supervisor, child, TR_CHILD_AGAIN);
    tr_child_push(&supervisor->again, child);
    if (supervisor->again_timer == 0 &&
        troupe_send_after(self, 0, troupe_self_pid(self), &tr_child_again_type, NULL,
                          &supervisor->again_timer) != TROUPE_OK) {
        /* Without memory for a timer nothing would ever try again. */
        tr_supervisor_end(supervisor, TROUPE_REASON_ERROR, "out of memory for a restart");
    }
}

void tr_child_not_started(troupe_self *self, struct tr_supervisor *supervisor,
                          struct tr_child *child, troupe_status status, const char *why)
{
    if (child->far != NULL && tr_far_has_no_place(status)) {
        tr_far_wait(self, supervisor, child, status, why);
    } else {
        tr_child_again(self, supervisor, child, why);
    }
}

bool tr_child_start_or_again(troupe_self *self, struct tr_supervisor *supervisor,
                             struct tr_child *child)
{
    self->fail_text[0] = '\0';
    const troupe_status status = tr_child_start(self, supervisor, child);

    if (status != TROUPE_OK) {
        tr_child_not_started(self, supervisor, child, status,
                             self->fail_text[0] != '\0' ? self->fail_text
                                                        : troupe_status_text(status));
    }
    return status == TROUPE_OK;
}

static bool is_tried_again(const struct tr_child *child)
{
    return child->state == TR_CHILD_AGAIN || child->state == TR_CHILD_WAITING;
}

/* Starts one after the other, from the one that is next; answers whether that is over. Those behind
 * one that does not start stay down until it does, unless no order binds them. */
static bool start_step(troupe_self *self, struct tr_supervisor *supervisor)
{
    struct tr_task *task = &supervisor->task;

    while (task->kind == TR_TASK_START && task->at != NULL) {
        struct tr_child *child = task->at;

        if (child->state == TR_CHILD_DOWN) {
            (void)tr_child_start_or_again(self, supervisor, child);
        }
        if (child->state == TR_CHILD_STARTING) {
            return false;
        }
        if (is_tried_again(child) && supervisor->strategy != TROUPE_ONE_FOR_ONE) {
            return true;
        }
        task->at =
            TR_BUG(RESTART_ORDER) ? child == task->first ? NULL : child->previous : child->next;
    }
    return true;
}

/* ---- restarting ---- */

/* Notes a restart; answers whether there have been too many within the window. */
static bool too_many(struct tr_supervisor *supervisor, int64_t now_ms)
{
    const uint32_t size = supervisor->intensity + 1;

    /* The ring holds the last intensity + 1 restarts; after this one the next place is the oldest.
     */
    supervisor->restarts_ms[supervisor->restarts_at] = now_ms;
    supervisor->restarts_at = (supervisor->restarts_at + 1) % size;
    const int64_t first = supervisor->restarts_ms[supervisor->restarts_at];

    return first >= 0 && now_ms - first <= (int64_t)supervisor->period_ms;
}

static void begin(struct tr_supervisor *supervisor, enum tr_task_kind kind, struct tr_child *first,
                  struct tr_child *last)
{
    supervisor->task.kind = (uint8_t)kind;
    supervisor->task.asked = false;
    supervisor->task.first = first;
    supervisor->task.at = last;
}

static void tell(const troupe_self *self, troupe_event_kind kind, const struct tr_child *child)
{
    if (tr_wants(self->sched, kind)) {
        tr_tell(self->sched, &(troupe_event){.kind = kind,
                                             .pid = tr_self_pid(self),
                                             .behavior = self->actor->behavior->name,
                                             .count = child->restarts,
                                             .text = child->spec.id});
    }
}

bool tr_supervisor_counts_too_many(troupe_self *self, struct tr_supervisor *supervisor,
                                   const struct tr_child *child)
{
    if (TR_BUG(COUNT_PER_CHILD) ? child->restarts >= supervisor->intensity
                                : too_many(supervisor, troupe_now_ms(self))) {
        troupe_log(self, TROUPE_LOG_ERROR,
                   "child \"%s\": more than %u restarts in %u ms; the supervisor ends",
                   child->spec.id, supervisor->intensity, supervisor->period_ms);
        tell(self, TROUPE_EVENT_GAVE_UP, child);
        tr_supervisor_end(supervisor, TROUPE_REASON_SHUTDOWN, "too many restarts");
        return true;
    }
    return false;
}

static void restart(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child)
{
    if (!tr_far_is_counted(supervisor, child) &&
        tr_supervisor_counts_too_many(self, supervisor, child)) {
        return;
    }
    child->restarts++;
    supervisor->restarts++;
    tell(self, TROUPE_EVENT_RESTART, child);
    if (supervisor->strategy == TROUPE_ONE_FOR_ALL) {
        begin(supervisor, TR_TASK_RESTART, supervisor->head, supervisor->tail);
    } else if (supervisor->strategy == TROUPE_REST_FOR_ONE) {
        begin(supervisor, TR_TASK_RESTART, child, supervisor->tail);
    } else {
        (void)tr_child_start_or_again(self, supervisor, child);
    }
}

static bool is_orderly(int32_t kind)
{
    return kind == TROUPE_REASON_NORMAL || kind == TROUPE_REASON_SHUTDOWN;
}

static bool wants_restart(const struct tr_child *child)
{
    switch ((troupe_restart)child->spec.restart) {
    case TROUPE_RESTART_PERMANENT:
        return true;
    case TROUPE_RESTART_TRANSIENT:
        /* One that ended with its node had not done its work. */
        return !is_orderly(child->ended_kind) || tr_far_is_displaced(child);
    case TROUPE_RESTART_TEMPORARY:
        break;
    }
    return false;
}

/* A child that is not started again has ended by itself. */
static void settle(struct tr_supervisor *supervisor, struct tr_child *child)
{
    const bool significant = child->spec.significant;

    tr_child_move(supervisor, child, TR_CHILD_DOWN);
    if (is_simple(supervisor) || child->spec.restart == TROUPE_RESTART_TEMPORARY) {
        tr_child_forget(supervisor, child);
    }
    if (significant && (supervisor->auto_shutdown == TROUPE_AUTO_SHUTDOWN_ANY_SIGNIFICANT ||
                        supervisor->significant == 0)) {
        tr_supervisor_end(supervisor, TROUPE_REASON_SHUTDOWN, "a significant child has ended");
    }
}

static void on_due(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child)
{
    tr_child_unqueue(child);
    if (is_tried_again(child) || wants_restart(child)) {
        restart(self, supervisor, child);
    } else {
        settle(supervisor, child);
    }
}

/* ---- stopping ---- */

/* Sends an exit signal in the name of the children's parent: supervisors among them listen to
 * nobody else. */
static troupe_status tell_exit(troupe_self *self, const struct tr_supervisor *supervisor,
                               troupe_pid to, int32_t kind, const char *text)
{
    struct tr_message *message =
        tr_message_create_reason(&self->worker->cache, TR_SIGNAL_EXIT, kind, text);

    if (message == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    message->to = to;
    message->from =
        troupe_pid_is_none(supervisor->speaks_for) ? troupe_self_pid(self) : supervisor->speaks_for;
    (void)tr_self_emit(self, message);
    return TROUPE_OK;
}

static uint32_t patience_of(const struct tr_child *child)
{
    if (child->spec.shutdown_ms != 0) {
        return child->spec.shutdown_ms;
    }
    return tr_child_is_supervisor(child) ? TROUPE_SHUTDOWN_INFINITY : SHUTDOWN_DEFAULT_MS;
}

/* Starts the time after which a child, or with key 0 each, is killed. Without memory for it nobody
 * is waited for. */
static bool start_patience(troupe_self *self, uint32_t patience_ms, uint64_t key, uint64_t *timer)
{
    return patience_ms == TROUPE_SHUTDOWN_INFINITY ||
           (patience_ms != TROUPE_SHUTDOWN_KILL &&
            troupe_send_after(self, patience_ms, troupe_self_pid(self), &tr_child_late_type,
                              &(tr_child_late){.key = key}, timer) == TROUPE_OK);
}

/* After a kill one that runs elsewhere has so long to end; then it is taken to have. */
static void start_forcing(troupe_self *self, struct tr_child *child)
{
    if (tr_far_is_remote(self, child)) {
        child->far->forced = true;
        (void)start_patience(self, SHUTDOWN_DEFAULT_MS, tr_child_key(child->pid), &child->timer);
    }
}

/* A monitor sees the end of a child, too, that has unlinked itself from its supervisor. */
static troupe_status ask_to_stop(troupe_self *self, struct tr_supervisor *supervisor,
                                 struct tr_child *child, bool patient)
{
    troupe_status status = troupe_monitor(self, child->pid, &child->monitor);

    tr_child_move(supervisor, child, TR_CHILD_STOPPING);
    if (status == TROUPE_OK) {
        status = tell_exit(self, supervisor, child->pid,
                           patient ? TROUPE_REASON_SHUTDOWN : TROUPE_REASON_KILL,
                           "stopped by its supervisor");
    }
    if (!patient) {
        start_forcing(self, child);
    }
    return status;
}

/* All at once, since they have no order and the same patience. */
static troupe_status ask_all(troupe_self *self, struct tr_supervisor *supervisor)
{
    const uint32_t patience_ms = patience_of(supervisor->template);
    const bool patient = supervisor->active == 0 ||
                         start_patience(self, patience_ms, 0, &supervisor->template->timer);
    troupe_status status = TROUPE_OK;

    supervisor->task.asked = true;
    for (struct tr_child *child = supervisor->tail; child != NULL && status == TROUPE_OK;
         child = child->previous) {
        if (child->state == TR_CHILD_UP) {
            status = ask_to_stop(self, supervisor, child, patient);
        }
    }
    return status;
}

/* Takes a child that is stopped out of the range; a temporary one is forgotten. */
static void pass(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child)
{
    struct tr_task *task = &supervisor->task;

    task->at = child == task->first ? NULL : child->previous;
    tr_child_unqueue(child);
    tr_child_let_go(self, supervisor, child);
    if (child->spec.restart == TROUPE_RESTART_TEMPORARY && task->kind == TR_TASK_RESTART) {
        task->first = child == task->first ? child->next : task->first;
        tr_child_forget(supervisor, child);
    }
}

/* Goes back through the range; answers whether all of it is stopped, or a negative status. */
static int stop_step(troupe_self *self, struct tr_supervisor *supervisor)
{
    struct tr_task *task = &supervisor->task;

    if (task->kind == TR_TASK_END && is_simple(supervisor)) {
        const troupe_status status = task->asked ? TROUPE_OK : ask_all(self, supervisor);

        return status != TROUPE_OK ? (int)status
                                   : supervisor->active == 0 && supervisor->finding == 0;
    }
    while (task->at != NULL) {
        struct tr_child *child = task->at;

        if (child->state == TR_CHILD_STOPPING || tr_child_is_found(child)) {
            return false;
        }
        if (child->state == TR_CHILD_UP) {
            return ask_to_stop(
                self, supervisor, child,
                start_patience(self, patience_of(child), tr_child_key(child->pid), &child->timer));
        }
        pass(self, supervisor, child);
    }
    return true;
}

/* What follows when the range is stopped. */
static int finish(troupe_self *self, struct tr_supervisor *supervisor)
{
    const struct tr_task task = supervisor->task;

    supervisor->task.kind = TR_TASK_NONE;
    if (task.kind == TR_TASK_RESTART) {
        begin(supervisor, TR_TASK_START, task.first,
              TR_BUG(RESTART_ORDER) ? supervisor->tail : task.first);
        return TROUPE_OK;
    }
    if (task.kind == TR_TASK_TERMINATE) {
        tr_child_answer(self, &task.from, task.first);
        if (is_simple(supervisor) || task.first->spec.restart == TROUPE_RESTART_TEMPORARY) {
            tr_child_forget(supervisor, task.first);
        }
        return TROUPE_OK;
    }
    return troupe_stop(self, task.reason, task.text);
}

void tr_supervisor_joined(troupe_self *self, struct tr_supervisor *supervisor,
                          struct tr_child *child)
{
    if (supervisor->task.kind == TR_TASK_END && is_simple(supervisor) &&
        ask_to_stop(self, supervisor, child,
                    start_patience(self, patience_of(child), tr_child_key(child->pid),
                                   &child->timer)) != TROUPE_OK) {
        tr_self_stop(self, TROUPE_REASON_ERROR, "out of memory for a signal");
    }
}

struct tr_child *tr_child_answered(struct tr_supervisor *supervisor, const troupe_result *result)
{
    struct tr_child *child = tr_map_take(&supervisor->by_key, result->tag);

    if (child != NULL) {
        child->key = 0;
        supervisor->finding--;
    }
    return child;
}

bool tr_supervisor_stops(const struct tr_supervisor *supervisor, const struct tr_child *child)
{
    const uint8_t kind = supervisor->task.kind;

    return kind == TR_TASK_END ||
           (kind != TR_TASK_NONE && kind != TR_TASK_START && supervisor->task.at == child);
}

void tr_supervisor_start_on(struct tr_supervisor *supervisor, struct tr_child *child)
{
    begin(supervisor, TR_TASK_START, child, child);
}

void tr_supervisor_terminate(struct tr_supervisor *supervisor, struct tr_child *child,
                             const troupe_from *from)
{
    begin(supervisor, TR_TASK_TERMINATE, child, child);
    supervisor->task.from = *from;
}

void tr_supervisor_end(struct tr_supervisor *supervisor, int32_t kind, const char *text)
{
    if (supervisor->task.kind == TR_TASK_END) {
        return; /* It is under way. */
    }
    begin(supervisor, TR_TASK_END, supervisor->head, supervisor->tail);
    supervisor->task.reason = kind;
    (void)snprintf(supervisor->task.text, sizeof(supervisor->task.text), "%s", text);
}

/* ---- one thing after the other ---- */

/* Begins what is due next; answers false when nothing is. */
static bool next_due(troupe_self *self, struct tr_supervisor *supervisor)
{
    struct tr_child_ask *ask = supervisor->asks;

    if (supervisor->ended.head != NULL) {
        on_due(self, supervisor, supervisor->ended.head);
        return true;
    }
    if (ask == NULL) {
        return false;
    }
    supervisor->asks = ask->next;
    supervisor->asks_tail = ask->next == NULL ? NULL : supervisor->asks_tail;
    supervisor->asks_count--;
    tr_child_ask_handle(self, supervisor, ask);
    return true;
}

int tr_supervisor_proceed(troupe_self *self, struct tr_supervisor *supervisor)
{
    while (!self->stopping) {
        if (supervisor->task.kind == TR_TASK_NONE) {
            if (!next_due(self, supervisor)) {
                break;
            }
            continue;
        }
        if (supervisor->task.kind == TR_TASK_START) {
            if (!start_step(self, supervisor)) {
                break;
            }
            if (supervisor->task.kind == TR_TASK_START) {
                supervisor->task.kind = TR_TASK_NONE;
            }
            continue;
        }
        int answer = stop_step(self, supervisor);

        if (answer == true) {
            answer = finish(self, supervisor);
        } else if (answer == false) {
            break;
        }
        if (answer != TROUPE_OK) {
            return answer;
        }
    }
    return TROUPE_OK;
}

static void report_end(troupe_self *self, const struct tr_child *child, int32_t kind,
                       const char *text)
{
    char pid[TROUPE_PID_TEXT_SIZE];

    troupe_log(self, is_orderly(kind) ? TROUPE_LOG_DEBUG : TROUPE_LOG_ERROR,
               "child \"%s\" %s ended: %s%s%s; restarts %llu", child->spec.id,
               troupe_pid_print(child->pid, pid), troupe_reason_name(kind),
               text[0] != '\0' ? ": " : "", text, (unsigned long long)child->restarts);
}

void tr_child_ended(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                    int32_t kind, const char *text)
{
    const bool asked = child->state == TR_CHILD_STOPPING;

    if (!asked) {
        report_end(self, child, kind, text);
    }
    (void)troupe_cancel_timer(self, child->timer);
    child->timer = 0;
    if (child->monitor != 0) {
        (void)!troupe_demonitor(self, child->monitor);
        child->monitor = 0;
    }
    child->ended_kind = kind;
    if (!asked) {
        tr_far_ended(self, child, kind);
    }
    tr_child_gone(supervisor, child, asked ? TR_CHILD_DOWN : TR_CHILD_ENDED);
    if (!asked) {
        tr_child_push(&supervisor->ended, child);
    }
}

/* ---- timers; they have no sender: whoever else sends such a message is not listened to ---- */

static int kill_late(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child)
{
    if (child == NULL || child->state != TR_CHILD_STOPPING) {
        return TROUPE_OK;
    }
    if (tr_far_is_remote(self, child) && child->far->forced) {
        /* The kill waits for its node; whenever that is reached again, it acts. */
        troupe_log(self, TROUPE_LOG_WARNING, "child \"%s\" on node %s does not answer a kill",
                   child->spec.id, child->far->node->name);
        (void)!troupe_unlink(self, child->pid);
        tr_child_ended(self, supervisor, child, TROUPE_REASON_KILLED, "does not answer");
        return TROUPE_OK;
    }
    const int answer =
        tell_exit(self, supervisor, child->pid, TROUPE_REASON_KILL, "did not stop in time");

    start_forcing(self, child);
    return answer;
}

int tr_supervisor_on_late(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;
    const tr_child_late *late = message;
    int answer = TROUPE_OK;

    if (!troupe_pid_is_none(troupe_sender(self))) {
        return TROUPE_OK;
    }
    if (late->key != 0) {
        answer = kill_late(self, supervisor, tr_map_get(&supervisor->by_pid, late->key));
    } else {
        for (struct tr_child *child = supervisor->tail; child != NULL && answer == TROUPE_OK;
             child = child->previous) {
            answer = kill_late(self, supervisor, child);
        }
    }
    return answer != TROUPE_OK ? answer : tr_supervisor_proceed(self, supervisor);
}

int tr_supervisor_on_again(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;

    (void)message;
    if (!troupe_pid_is_none(troupe_sender(self))) {
        return TROUPE_OK;
    }
    supervisor->again_timer = 0;
    while (supervisor->again.head != NULL) {
        tr_child_push(&supervisor->ended, supervisor->again.head);
    }
    return tr_supervisor_proceed(self, supervisor);
}
