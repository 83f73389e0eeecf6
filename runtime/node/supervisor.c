/* The supervisor: an actor that traps exits and starts its children again. Erlang: supervisor,
 * one_for_one. */
#include <stdlib.h>
#include <string.h>

#include "node/node.h"
#include "troupe/supervisor.h"

#define RESTARTS_DEFAULT 3u
#define RESTARTS_MAX 1000000u /* what is remembered of each is its time */
#define PERIOD_DEFAULT_MS 5000u
#define SHUTDOWN_DEFAULT_MS 5000u

struct child {
    troupe_child spec; /* id and name owned */
    void *args;        /* the copy of described arguments; owned */
    troupe_pid pid;    /* none: not running */
    uint64_t restarts;
    uint64_t kill_timer; /* while it is asked to stop; 0: none */
    bool asked;          /* to stop */
};

struct supervisor {
    uint32_t intensity;
    uint32_t period_ms;
    struct child *children;
    size_t count;
    int64_t *restarts_ms; /* ring of the last intensity + 1 restarts */
    uint32_t restarts_at;
    size_t stopping; /* children above this index have ended; count + 1: not stopping */
    int32_t reason;  /* with stopping: the supervisor's own */
    troupe_pid parent;
};

static const troupe_field child_state_fields[] = {
    TROUPE_FIELD(troupe_child_state, id, 1),
    TROUPE_FIELD(troupe_child_state, pid, 2),
    TROUPE_FIELD(troupe_child_state, restarts, 3),
};
static const troupe_type child_state_type = {.name = "troupe.child_state",
                                             .size = sizeof(troupe_child_state),
                                             .fields = child_state_fields,
                                             .field_count = 3};
static const troupe_field children_fields[] = {
    TROUPE_FIELD_STRUCT_ARRAY(troupe_children, children, children_count, 1, &child_state_type),
};
const troupe_type troupe_children_type = {.name = "troupe.children",
                                          .size = sizeof(troupe_children),
                                          .fields = children_fields,
                                          .field_count = 1};
const troupe_type troupe_list_children_type = {.name = "troupe.list_children"};

/* The timer message that ends a child's patience: which one. */
typedef struct child_late {
    uint64_t index;
} child_late;
TROUPE_TYPE(child_late, "troupe.child_late", TROUPE_FIELD(child_late, index, 1));

/* The timer message that tries once more to start a child whose start failed. */
typedef struct child_again {
    uint64_t index;
} child_again;
TROUPE_TYPE(child_again, "troupe.child_again", TROUPE_FIELD(child_again, index, 1));

/* ---- children ---- */

static void child_fini(struct child *child)
{
    free((void *)(uintptr_t)child->spec.id);
    free((void *)(uintptr_t)child->spec.name);
    troupe_value_free(child->args);
}

static troupe_status child_init(struct child *child, const troupe_child *spec)
{
    *child = (struct child){.spec = *spec};
    child->spec.id = strdup(spec->id == NULL ? "" : spec->id);
    child->spec.name = spec->name == NULL ? NULL : strdup(spec->name);
    if (child->spec.id == NULL || (spec->name != NULL && child->spec.name == NULL)) {
        return TROUPE_E_NO_MEMORY;
    }
    if (spec->args != NULL && spec->behavior->args != NULL) {
        const troupe_status status =
            troupe_value_copy(spec->behavior->args, spec->args, &child->args);

        if (status != TROUPE_OK) {
            return status;
        }
        child->spec.args = child->args;
    }
    return TROUPE_OK;
}

static troupe_status start_child(troupe_self *self, struct child *child)
{
    troupe_spawn_options options = {.flags = TROUPE_SPAWN_LINK | child->spec.flags,
                                    .name = child->spec.name};

    return troupe_spawn(self, child->spec.behavior, child->spec.args, &options, &child->pid);
}

/* Asks the last child that still runs to stop; the supervisor ends when there is none. */
static int stop_next(troupe_self *self, struct supervisor *supervisor)
{
    while (supervisor->stopping > 0 &&
           troupe_pid_is_none(supervisor->children[supervisor->stopping - 1].pid)) {
        supervisor->stopping--;
    }
    if (supervisor->stopping == 0) {
        return troupe_stop(self, supervisor->reason, "");
    }
    struct child *child = &supervisor->children[supervisor->stopping - 1];
    const uint32_t patience =
        child->spec.shutdown_ms == 0 ? SHUTDOWN_DEFAULT_MS : child->spec.shutdown_ms;

    if (child->asked) {
        return TROUPE_OK; /* Another one ended meanwhile. */
    }
    child->asked = true;
    if (patience == TROUPE_SHUTDOWN_KILL) {
        return troupe_exit(self, child->pid, TROUPE_REASON_KILL, "stopped by its supervisor");
    }
    const troupe_status status =
        troupe_send_after(self, patience, troupe_self_pid(self), &child_late_type,
                          &(child_late){.index = supervisor->stopping - 1}, &child->kill_timer);

    if (status != TROUPE_OK) {
        return troupe_exit(self, child->pid, TROUPE_REASON_KILL, "stopped by its supervisor");
    }
    return troupe_exit(self, child->pid, TROUPE_REASON_SHUTDOWN, "stopped by its supervisor");
}

static int begin_stop(troupe_self *self, struct supervisor *supervisor, int32_t reason)
{
    if (supervisor->stopping <= supervisor->count) {
        return TROUPE_OK; /* It is under way. */
    }
    supervisor->reason = reason;
    supervisor->stopping = supervisor->count;
    return stop_next(self, supervisor);
}

/* Notes a restart; answers whether there have been too many within the window. */
static bool too_many(struct supervisor *supervisor, int64_t now_ms)
{
    const uint32_t size = supervisor->intensity + 1;

    /* The ring holds the last intensity + 1 restarts; after this one the next place is the oldest.
     */
    supervisor->restarts_ms[supervisor->restarts_at] = now_ms;
    supervisor->restarts_at = (supervisor->restarts_at + 1) % size;
    const int64_t first = supervisor->restarts_ms[supervisor->restarts_at];

    return first >= 0 && now_ms - first <= (int64_t)supervisor->period_ms;
}

static bool wants_restart(const struct child *child, int32_t kind)
{
    switch ((troupe_restart)child->spec.restart) {
    case TROUPE_RESTART_PERMANENT:
        return true;
    case TROUPE_RESTART_TRANSIENT:
        return kind != TROUPE_REASON_NORMAL && kind != TROUPE_REASON_SHUTDOWN;
    case TROUPE_RESTART_TEMPORARY:
        break;
    }
    return false;
}

/* Starts a child again. When that fails the next try, which counts too, comes by the mailbox, so
 * that the supervisor can be stopped meanwhile. */
static int restart(troupe_self *self, struct supervisor *supervisor, struct child *child)
{
    if (too_many(supervisor, troupe_now_ms(self))) {
        troupe_log(self, TROUPE_LOG_ERROR, "child \"%s\": too many restarts", child->spec.id);
        return begin_stop(self, supervisor, TROUPE_REASON_SHUTDOWN);
    }
    child->restarts++;
    const troupe_status status = start_child(self, child);

    if (status == TROUPE_OK) {
        return TROUPE_OK;
    }
    troupe_log(self, TROUPE_LOG_ERROR, "child \"%s\" does not start again: %s", child->spec.id,
               troupe_status_text(status));
    const child_again again = {.index = (uint64_t)(child - supervisor->children)};

    return troupe_send_after(self, 0, troupe_self_pid(self), &child_again_type, &again, NULL);
}

static bool is_stopping(const struct supervisor *supervisor)
{
    return supervisor->stopping <= supervisor->count;
}

/* Timers have no sender: whoever else sends such a message is not listened to. */
static bool is_own_timer(const troupe_self *self, const struct supervisor *supervisor,
                         uint64_t index)
{
    return troupe_pid_is_none(troupe_sender(self)) && index < supervisor->count;
}

static int on_child_again(troupe_self *self, void *state, const void *message)
{
    struct supervisor *supervisor = state;
    const child_again *again = message;

    if (!is_own_timer(self, supervisor, again->index) || is_stopping(supervisor)) {
        return TROUPE_OK;
    }
    return restart(self, supervisor, &supervisor->children[again->index]);
}

static struct child *find_child(struct supervisor *supervisor, troupe_pid pid)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        /* The node, which has no pid, is none of the children that do not run. */
        if (!troupe_pid_is_none(pid) && troupe_pid_equal(supervisor->children[i].pid, pid)) {
            return &supervisor->children[i];
        }
    }
    return NULL;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    struct supervisor *supervisor = state;
    const troupe_exit_message *exit = message;
    struct child *child = find_child(supervisor, exit->from);

    if (child == NULL) {
        /* Its parent, or somebody it is linked to: it ends for their reason, in order. Without its
         * parent it is nobody's, so it ends then in any case. */
        return exit->kind == TROUPE_REASON_NORMAL &&
                       !troupe_pid_equal(exit->from, supervisor->parent)
                   ? TROUPE_OK
                   : begin_stop(self, supervisor, exit->kind);
    }
    child->pid = (troupe_pid){0};
    (void)troupe_cancel_timer(self, child->kill_timer);
    child->kill_timer = 0;
    child->asked = false;
    if (is_stopping(supervisor)) {
        return stop_next(self, supervisor);
    }
    return wants_restart(child, exit->kind) ? restart(self, supervisor, child) : TROUPE_OK;
}

static int on_child_late(troupe_self *self, void *state, const void *message)
{
    struct supervisor *supervisor = state;
    const child_late *late = message;

    if (!is_own_timer(self, supervisor, late->index)) {
        return TROUPE_OK;
    }
    struct child *child = &supervisor->children[late->index];

    child->kill_timer = 0;
    if (troupe_pid_is_none(child->pid)) {
        return TROUPE_OK;
    }
    return troupe_exit(self, child->pid, TROUPE_REASON_KILL, "did not stop in time");
}

static int on_list_children(troupe_self *self, void *state, const void *message)
{
    const struct supervisor *supervisor = state;
    troupe_child_state *states = calloc(supervisor->count + 1, sizeof(*states));

    (void)message;
    if (states == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct child *child = &supervisor->children[i];

        states[i] = (troupe_child_state){
            .id = child->spec.id, .pid = child->pid, .restarts = child->restarts};
    }
    const int answer =
        troupe_reply(self, &troupe_children_type,
                     &(troupe_children){.children = states, .children_count = supervisor->count});

    free(states);
    return answer;
}

/* ---- life ---- */

static troupe_status copy_spec(struct supervisor *supervisor, const troupe_supervisor *spec)
{
    const bool plain = spec->intensity == 0 && spec->period_ms == 0;

    supervisor->intensity = plain ? RESTARTS_DEFAULT : spec->intensity;
    supervisor->period_ms = plain ? PERIOD_DEFAULT_MS : spec->period_ms;
    supervisor->children = calloc(spec->children_count + 1, sizeof(*supervisor->children));
    supervisor->restarts_ms = calloc(supervisor->intensity + 1, sizeof(*supervisor->restarts_ms));
    if (supervisor->children == NULL || supervisor->restarts_ms == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i <= supervisor->intensity; i++) {
        supervisor->restarts_ms[i] = -1;
    }
    for (size_t i = 0; i < spec->children_count; i++) {
        supervisor->count = i + 1;
        const troupe_status status = child_init(&supervisor->children[i], &spec->children[i]);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    supervisor->stopping = supervisor->count + 1;
    return TROUPE_OK;
}

static void release(void *state)
{
    struct supervisor *supervisor = state;

    for (size_t i = 0; i < supervisor->count; i++) {
        child_fini(&supervisor->children[i]);
    }
    free(supervisor->children);
    free(supervisor->restarts_ms);
}

/* Stops the children of a supervisor that did not start: takes them over, since that one answers
 * its spawner at once and is gone. */
static int undertaker_init(troupe_self *self, void *state, const void *args)
{
    struct supervisor *supervisor = state;
    struct supervisor *failed = *(struct supervisor *const *)args;

    *supervisor = *failed;
    *failed = (struct supervisor){0};
    troupe_trap_exit(self, true);
    for (size_t i = 0; i < supervisor->count; i++) {
        const troupe_pid pid = supervisor->children[i].pid;
        const troupe_status status = troupe_pid_is_none(pid) ? TROUPE_OK : troupe_link(self, pid);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    return begin_stop(self, supervisor, TROUPE_REASON_NORMAL);
}

static const troupe_handler undertaker_handlers[] = {
    {&troupe_exit_type, on_exit_message}, {&child_late_type, on_child_late}, {0}};

static const troupe_behavior undertaker_behavior = {.name = "troupe.undertaker",
                                                    .state_size = sizeof(struct supervisor),
                                                    .init = undertaker_init,
                                                    .release = release,
                                                    .handlers = undertaker_handlers};

static void bury_children(troupe_self *self, struct supervisor *supervisor)
{
    troupe_status status = TROUPE_OK;
    troupe_pid undertaker = {0};

    /* Its end must not reach them: they are stopped one after the other. */
    for (size_t i = 0; i < supervisor->count && status == TROUPE_OK; i++) {
        const troupe_pid pid = supervisor->children[i].pid;

        status = troupe_pid_is_none(pid) ? TROUPE_OK : troupe_unlink(self, pid);
    }
    status = troupe_spawn(self, &undertaker_behavior, &supervisor, NULL, &undertaker);
    for (size_t i = supervisor->count; status != TROUPE_OK && i-- > 0;) {
        /* Without memory there is no order either; the node sends this one. */
        tr_node_signal_one(self->sched->options.owner, supervisor->children[i].pid.id,
                           TROUPE_REASON_KILL, "its supervisor did not start");
    }
}

static int init(troupe_self *self, void *state, const void *args)
{
    struct supervisor *supervisor = state;
    const troupe_supervisor *spec = *(const troupe_supervisor *const *)args;
    troupe_status status = copy_spec(supervisor, spec);

    supervisor->parent = self->actor->parent;
    troupe_trap_exit(self, true);
    for (size_t i = 0; i < supervisor->count && status == TROUPE_OK; i++) {
        status = start_child(self, &supervisor->children[i]);
    }
    if (status != TROUPE_OK && supervisor->count > 0) {
        bury_children(self, supervisor);
    }
    return status;
}

static const troupe_handler handlers[] = {{&troupe_exit_type, on_exit_message},
                                          {&child_late_type, on_child_late},
                                          {&child_again_type, on_child_again},
                                          {&troupe_list_children_type, on_list_children},
                                          {0}};

static const troupe_behavior supervisor_behavior = {.name = "troupe.supervisor",
                                                    .state_size = sizeof(struct supervisor),
                                                    .init = init,
                                                    .release = release,
                                                    .handlers = handlers};

static const char *what_is_wrong(const troupe_supervisor *supervisor)
{
    if (supervisor->strategy != TROUPE_ONE_FOR_ONE) {
        return "there is no such strategy";
    }
    if (supervisor->intensity > RESTARTS_MAX) {
        return "at most 1,000,000 restarts are counted";
    }
    for (size_t i = 0; i < supervisor->children_count; i++) {
        if (supervisor->children[i].behavior == NULL || supervisor->children[i].id == NULL) {
            return "a child has no behavior or no id";
        }
        if (supervisor->children[i].restart < TROUPE_RESTART_PERMANENT ||
            supervisor->children[i].restart > TROUPE_RESTART_TEMPORARY) {
            return "there is no such kind of restart";
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(supervisor->children[i].id, supervisor->children[j].id) == 0) {
                return "two children have the same id";
            }
        }
    }
    return NULL;
}

troupe_status troupe_spawn_supervisor(troupe_self *self, const troupe_supervisor *supervisor,
                                      troupe_spawn_options *options, troupe_pid *pid)
{
    troupe_spawn_options linked = options == NULL ? (troupe_spawn_options){0} : *options;
    const char *wrong = what_is_wrong(supervisor);

    if (wrong != NULL) {
        (void)troupe_fail(self, "%s", wrong);
        return TROUPE_E_INVALID;
    }
    linked.flags |= TROUPE_SPAWN_LINK;
    const troupe_status status =
        troupe_spawn(self, &supervisor_behavior, &supervisor, &linked, pid);

    if (status == TROUPE_OK && options != NULL) {
        options->monitor = linked.monitor;
    }
    return status;
}
