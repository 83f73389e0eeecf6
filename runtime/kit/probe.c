/* Probes: actors that note everything and do what the test says. */
#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"

TROUPE_TYPE_EMPTY(marker, "troupe.test_marker");

/* ---- what was seen ---- */

/* Adds a record. value and text are copied. */
static void note(struct troupe_probe *probe, const troupe_seen *seen)
{
    struct tr_memory_plan *plan = tr_kit_pause();
    struct troupe_test *test = probe->test;
    const char *text = seen->reason.text == NULL ? "" : seen->reason.text;
    const size_t text_size = strlen(text) + 1;
    troupe_seen *record = tr_kit_alloc(test, NULL, sizeof(*record) + text_size);
    void *value = NULL;

    *record = *seen;
    memcpy(record + 1, text, text_size);
    record->reason.text = (const char *)(record + 1);
    record->at_ms = troupe_test_now_ms(test);
    if (seen->type != NULL && seen->type->size > 0 && seen->value != NULL &&
        troupe_value_copy(seen->type, seen->value, &value) != TROUPE_OK) {
        tr_kit_fail(test, "the test kit itself has no memory");
    }
    record->value = value;
    if (probe->count == probe->capacity) {
        probe->capacity = probe->capacity == 0 ? 16 : probe->capacity * 2;
        probe->seen = tr_kit_alloc(test, probe->seen, probe->capacity * sizeof(troupe_seen *));
    }
    probe->seen[probe->count++] = record;
    struct tr_trace_line *line = tr_trace_add(test, TR_TRACE_SEEN);

    line->words = probe->name;
    line->seen = record;
    tr_kit_resume(plan);
}

static struct troupe_probe *probe_of(void *state)
{
    return *(struct troupe_probe **)state;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;

    (void)self;
    note(probe_of(state), &(troupe_seen){.kind = TROUPE_SEEN_EXIT,
                                         .from = exit->from,
                                         .type = &troupe_exit_type,
                                         .value = exit,
                                         .reason = {.kind = exit->kind, .text = exit->text}});
    return TROUPE_OK;
}

static int on_down_message(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;

    (void)self;
    note(probe_of(state), &(troupe_seen){.kind = TROUPE_SEEN_DOWN,
                                         .from = down->from,
                                         .type = &troupe_down_type,
                                         .value = down,
                                         .ref = down->monitor,
                                         .reason = {.kind = down->kind, .text = down->text}});
    return TROUPE_OK;
}

static int on_marker(troupe_self *self, void *state, const void *message)
{
    struct troupe_probe *probe = probe_of(state);

    (void)self;
    (void)message;
    probe->marker = probe->count;
    probe->marks++;
    return TROUPE_OK;
}

static int on_any(troupe_self *self, void *state, const void *message)
{
    struct tr_memory_plan *plan = tr_kit_pause();
    const troupe_from request = troupe_take_from(self);

    tr_kit_resume(plan);
    note(probe_of(state),
         &(troupe_seen){.kind = request.ref != 0 ? TROUPE_SEEN_REQUEST : TROUPE_SEEN_MESSAGE,
                        .from = troupe_sender(self),
                        .type = troupe_message_type(self),
                        .value = message,
                        .request = request});
    return TROUPE_OK;
}

static int on_result(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    note(probe_of(state), &(troupe_seen){.kind = TROUPE_SEEN_RESULT,
                                         .from = result->pid,
                                         .type = result->type,
                                         .value = result->value,
                                         .ref = result->tag,
                                         .status = result->status,
                                         .reason = result->reason});
    return TROUPE_OK;
}

static void note_end(struct troupe_probe *probe, const troupe_reason *reason)
{
    if (probe->alive) {
        probe->alive = false;
        note(probe, &(troupe_seen){.kind = TROUPE_SEEN_END, .from = probe->pid, .reason = *reason});
    }
}

static void on_end(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    note_end(probe_of(state), reason);
}

/* Also runs after a kill, which the probe does not live to see. */
static void release(void *state)
{
    if (probe_of(state) != NULL) {
        note_end(probe_of(state), &(troupe_reason){.kind = TROUPE_REASON_KILLED, .text = ""});
    }
}

static int init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    *(struct troupe_probe **)state = *(struct troupe_probe *const *)args;
    return TROUPE_OK;
}

static const troupe_handler handlers[] = {{&troupe_exit_type, on_exit_message},
                                          {&troupe_down_type, on_down_message},
                                          {&marker_type, on_marker},
                                          {&troupe_any_type, on_any},
                                          {0}};
static const troupe_behavior probe_behavior = {.name = "troupe.probe",
                                               .state_size = sizeof(struct troupe_probe *),
                                               .init = init,
                                               .terminate = on_end,
                                               .release = release,
                                               .handlers = handlers};

/* ---- life ---- */

troupe_probe *troupe_probe_start(troupe_test *test, const char *name)
{
    struct tr_memory_plan *plan = tr_kit_pause();
    struct troupe_probe *probe = tr_kit_alloc(test, NULL, sizeof(*probe));
    const size_t size = strlen(name) + 1;

    *probe = (struct troupe_probe){.test = test, .alive = true, .next = test->probes};
    probe->name = tr_kit_alloc(test, NULL, size);
    memcpy(probe->name, name, size);
    test->probes = probe;
    const troupe_status status =
        troupe_node_spawn(test->node, &probe_behavior, &probe, NULL, &probe->pid);

    if (status != TROUPE_OK) {
        probe->alive = false;
        tr_kit_fail(test, "the probe %s does not start: %s", name, troupe_status_text(status));
    }
    tr_kit_resume(plan);
    return probe;
}

void tr_probes_free(struct troupe_test *test)
{
    while (test->probes != NULL) {
        struct troupe_probe *probe = test->probes;

        test->probes = probe->next;
        for (size_t i = 0; i < probe->count; i++) {
            troupe_value_free((void *)(uintptr_t)probe->seen[i]->value);
            free(probe->seen[i]);
        }
        free(probe->seen);
        free(probe->name);
        free(probe);
    }
}

troupe_pid troupe_probe_pid(const troupe_probe *probe)
{
    return probe->pid;
}

bool troupe_probe_is_alive(const troupe_probe *probe)
{
    return probe->alive;
}

size_t troupe_probe_count(const troupe_probe *probe)
{
    return probe->count;
}

const troupe_seen *troupe_probe_seen(const troupe_probe *probe, size_t index)
{
    if (index >= probe->count) {
        tr_kit_fail(probe->test, "%s has seen %zu things: there is no number %zu", probe->name,
                    probe->count, index);
    }
    return probe->seen[index];
}

const void *troupe_seen_as(const troupe_seen *seen, const troupe_type *type)
{
    return seen->type != NULL && troupe_type_is(seen->type, type) ? seen->value : NULL;
}

/* ---- doing ---- */

struct deed {
    int (*function)(troupe_self *self, void *context);
    void *context;
    bool waited_for; /* it lives on the stack of whoever waits; else it is freed here */
    bool done;
    bool dead;
    int answer;
};

static void run_deed(troupe_self *self, void *context)
{
    struct deed *deed = context;

    if (self != NULL) {
        deed->answer = deed->function(self, deed->context);
        tr_self_answer(self, deed->answer);
    }
    deed->dead = self == NULL;
    deed->done = true;
    if (!deed->waited_for) {
        free(deed);
    }
}

int troupe_probe_do(troupe_probe *probe, int (*function)(troupe_self *self, void *context),
                    void *context)
{
    struct tr_memory_plan *plan = tr_kit_pause();
    struct deed deed = {.function = function, .context = context, .waited_for = true};
    const troupe_status status =
        tr_sched_run_in(probe->test->node->sched, probe->pid.id, run_deed, &deed);

    tr_kit_resume(plan);
    if (status != TROUPE_OK) {
        tr_kit_fail(probe->test, "the test kit itself has no memory");
    }
    while (!deed.done) {
        if (!troupe_test_step(probe->test)) {
            tr_kit_fail(probe->test, "%s does not come to do something", probe->name);
        }
    }
    if (deed.dead) {
        tr_kit_fail(probe->test, "%s has ended and cannot do anything", probe->name);
    }
    return deed.answer;
}

troupe_status troupe_probe_post(troupe_probe *probe,
                                int (*function)(troupe_self *self, void *context), void *context)
{
    struct deed *deed = malloc(sizeof(*deed));

    if (deed == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *deed = (struct deed){.function = function, .context = context};
    const troupe_status status =
        tr_sched_run_in(probe->test->node->sched, probe->pid.id, run_deed, deed);

    if (status != TROUPE_OK) {
        free(deed);
    }
    return status;
}

/* What one of the functions below takes with it, and what came of it. */
struct action {
    troupe_pid pid;
    const troupe_type *type;
    const void *message;
    const troupe_from *from;
    uint32_t timeout_ms;
    int32_t kind;
    const char *text;
    uint64_t ref;
    bool flag;
    troupe_status status;
};

static troupe_status act(troupe_probe *probe, int (*function)(troupe_self *self, void *context),
                         struct action action)
{
    (void)troupe_probe_do(probe, function, &action);
    return action.status;
}

static int do_send(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status = troupe_send(self, action->pid, action->type, action->message);
    return TROUPE_OK;
}

troupe_status troupe_probe_send(troupe_probe *probe, troupe_pid to, const troupe_type *type,
                                const void *message)
{
    return act(probe, do_send, (struct action){.pid = to, .type = type, .message = message});
}

static int do_call(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status = troupe_call(self, action->pid, action->type, action->message,
                                 action->timeout_ms, on_result, action->ref);
    return TROUPE_OK;
}

troupe_status troupe_probe_call(troupe_probe *probe, troupe_pid to, const troupe_type *type,
                                const void *message, uint32_t timeout_ms, uint64_t tag)
{
    return act(
        probe, do_call,
        (struct action){
            .pid = to, .type = type, .message = message, .timeout_ms = timeout_ms, .ref = tag});
}

static int do_reply(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status = troupe_reply_to(self, action->from, action->type, action->message);
    return TROUPE_OK;
}

troupe_status troupe_probe_reply(troupe_probe *probe, const troupe_seen *request,
                                 const troupe_type *type, const void *message)
{
    return act(probe, do_reply,
               (struct action){.from = &request->request, .type = type, .message = message});
}

static int do_link(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status =
        action->flag ? troupe_link(self, action->pid) : troupe_unlink(self, action->pid);
    return TROUPE_OK;
}

troupe_status troupe_probe_link(troupe_probe *probe, troupe_pid other)
{
    return act(probe, do_link, (struct action){.pid = other, .flag = true});
}

troupe_status troupe_probe_unlink(troupe_probe *probe, troupe_pid other)
{
    return act(probe, do_link, (struct action){.pid = other});
}

static int do_monitor(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status = troupe_monitor(self, action->pid, &action->ref);
    return TROUPE_OK;
}

uint64_t troupe_probe_monitor(troupe_probe *probe, troupe_pid other)
{
    struct action action = {.pid = other};

    (void)troupe_probe_do(probe, do_monitor, &action);
    if (action.status != TROUPE_OK) {
        tr_kit_fail(probe->test, "%s cannot monitor: %s", probe->name,
                    troupe_status_text(action.status));
    }
    return action.ref;
}

static int do_demonitor(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status = troupe_demonitor(self, action->ref);
    return TROUPE_OK;
}

troupe_status troupe_probe_demonitor(troupe_probe *probe, uint64_t monitor)
{
    return act(probe, do_demonitor, (struct action){.ref = monitor});
}

static int do_trap_exit(troupe_self *self, void *context)
{
    troupe_trap_exit(self, ((const struct action *)context)->flag);
    return TROUPE_OK;
}

void troupe_probe_trap_exit(troupe_probe *probe, bool trap)
{
    (void)act(probe, do_trap_exit, (struct action){.flag = trap});
}

static int do_exit(troupe_self *self, void *context)
{
    struct action *action = context;

    action->status = troupe_exit(self, action->pid, action->kind, action->text);
    return TROUPE_OK;
}

troupe_status troupe_probe_exit(troupe_probe *probe, troupe_pid to, int32_t kind, const char *text)
{
    return act(probe, do_exit, (struct action){.pid = to, .kind = kind, .text = text});
}

static int do_stop(troupe_self *self, void *context)
{
    const struct action *action = context;

    return troupe_stop(self, action->kind, action->text);
}

void troupe_probe_stop(troupe_probe *probe, int32_t kind, const char *text)
{
    (void)act(probe, do_stop, (struct action){.kind = kind, .text = text});
}

/* ---- the marker behind which nothing more can come ---- */

void tr_probe_mark(struct troupe_probe *probe)
{
    const uint64_t marks = probe->marks;

    troupe_test_settle(probe->test);
    struct tr_memory_plan *plan = tr_kit_pause();
    const troupe_status status =
        troupe_node_send(probe->test->node, probe->pid, &marker_type, NULL);

    tr_kit_resume(plan);
    troupe_test_settle(probe->test);
    if (!probe->alive) {
        probe->marker = probe->count;
    } else if (status != TROUPE_OK || probe->marks == marks) {
        tr_kit_fail(probe->test, "%s does not get the marker: %s", probe->name,
                    troupe_status_text(status));
    }
}
