/* The supervisor: an actor that traps exits and starts its children again. Erlang: supervisor. */
#include <stdlib.h>

#include "node/supervisor.h"
#include "node/supervisor_spec.h"

#define RESTARTS_DEFAULT 3u
#define RESTARTS_MAX 1000000u /* what is remembered of each is its time */
#define PERIOD_DEFAULT_MS 5000u

/* ---- signals ---- */

/* Whether an exit signal of somebody who is no child ends the supervisor: its parent's does in any
 * case, since it would be nobody's then; the node's and its administrators' do. Others are not
 * listened to. */
static bool is_order(const troupe_self *self, const struct tr_supervisor *supervisor,
                     const troupe_exit_message *exit)
{
    const struct troupe_node *node = self->sched->options.owner;
    const troupe_pid own = troupe_self_pid(self);

    if (!troupe_pid_is_none(supervisor->parent) &&
        troupe_pid_equal(exit->from, supervisor->parent) && exit->from.id != node->agent) {
        return true;
    }
    return exit->kind != TROUPE_REASON_NORMAL &&
           (troupe_pid_is_none(exit->from) ||
            (exit->from.node == own.node && exit->from.id == node->agent));
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;
    const troupe_exit_message *exit = message;
    struct tr_child *child = tr_child_by_pid(supervisor, exit->from);

    if (child != NULL) {
        if (!tr_child_refused(self, supervisor, child,
                              self->current == NULL ? 0 : self->current->status)) {
            tr_child_ended(self, supervisor, child, exit->kind, exit->text);
        }
    } else if (is_order(self, supervisor, exit)) {
        tr_supervisor_end(supervisor, exit->kind, exit->text);
    }
    return tr_supervisor_proceed(self, supervisor);
}

static int on_down_message(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;
    const troupe_down_message *down = message;
    struct tr_child *child = tr_child_by_pid(supervisor, down->from);

    if (child != NULL && child->monitor == down->monitor) {
        tr_child_ended(self, supervisor, child, down->kind, down->text);
    } else {
        tr_child_lost(self, supervisor, down->monitor, down->kind, down->text);
    }
    return tr_supervisor_proceed(self, supervisor);
}

/* ---- the beginning ---- */

static troupe_status refuse(troupe_self *self, const char *why)
{
    (void)troupe_fail(self, "%s", why);
    return TROUPE_E_INVALID;
}

static troupe_status check(troupe_self *self, const troupe_supervisor *spec)
{
    if (spec->strategy < TROUPE_ONE_FOR_ONE || spec->strategy > TROUPE_SIMPLE_ONE_FOR_ONE) {
        return refuse(self, "there is no such strategy");
    }
    if (spec->intensity > RESTARTS_MAX) {
        return refuse(self, "at most 1,000,000 restarts are counted");
    }
    if (spec->auto_shutdown < TROUPE_AUTO_SHUTDOWN_NEVER ||
        spec->auto_shutdown > TROUPE_AUTO_SHUTDOWN_ALL_SIGNIFICANT) {
        return refuse(self, "there is no such auto_shutdown");
    }
    if (spec->strategy == TROUPE_SIMPLE_ONE_FOR_ONE && spec->children_count != 1) {
        return refuse(self, "simple_one_for_one has one child, the template");
    }
    return TROUPE_OK;
}

static troupe_status add(troupe_self *self, struct tr_supervisor *supervisor,
                         const troupe_child *spec)
{
    const bool simple = supervisor->strategy == TROUPE_SIMPLE_ONE_FOR_ONE;
    struct tr_child *child = NULL;
    char words[TR_REASON_TEXT_SIZE];
    const char *why = NULL;
    troupe_status status = tr_child_create(spec, &child, &why, words);

    if (status == TROUPE_OK && simple && spec->significant &&
        supervisor->auto_shutdown == TROUPE_AUTO_SHUTDOWN_NEVER) {
        why = "a significant child needs a supervisor with auto_shutdown";
        status = TROUPE_E_INVALID;
    } else if (status == TROUPE_OK && simple) {
        supervisor->template = child;
        return TROUPE_OK;
    }
    if (status == TROUPE_OK) {
        status = tr_child_add(supervisor, child, &why);
    }
    if (status != TROUPE_OK) {
        (void)troupe_fail(self, "child \"%s\": %s", spec->id == NULL ? "" : spec->id, why);
        tr_child_destroy(child);
    }
    /* Two children with one id are a mistake of who wrote the specification. */
    return status == TROUPE_E_EXISTS ? TROUPE_E_INVALID : status;
}

static troupe_status copy_spec(troupe_self *self, struct tr_supervisor *supervisor,
                               const troupe_supervisor *spec)
{
    const bool plain = spec->intensity == 0 && spec->period_ms == 0;
    troupe_status status = check(self, spec);

    if (status != TROUPE_OK) {
        return status;
    }
    supervisor->strategy = spec->strategy;
    supervisor->auto_shutdown = spec->auto_shutdown;
    supervisor->max_children =
        spec->max_children == 0 ? TR_SUPERVISOR_CHILDREN_MAX : spec->max_children;
    supervisor->intensity = plain ? RESTARTS_DEFAULT : spec->intensity;
    supervisor->period_ms = plain ? PERIOD_DEFAULT_MS : spec->period_ms;
    supervisor->restarts_ms =
        calloc((size_t)supervisor->intensity + 1, sizeof(*supervisor->restarts_ms));
    if (supervisor->restarts_ms == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i <= supervisor->intensity; i++) {
        supervisor->restarts_ms[i] = -1;
    }
    for (size_t i = 0; i < spec->children_count && status == TROUPE_OK; i++) {
        status = add(self, supervisor, &spec->children[i]);
    }
    return status;
}

static void release(void *state)
{
    struct tr_supervisor *supervisor = state;

    while (supervisor->asks != NULL) {
        struct tr_child_ask *ask = supervisor->asks;

        supervisor->asks = ask->next;
        tr_child_ask_free(ask);
    }
    for (struct tr_child *child = supervisor->head; child != NULL;) {
        struct tr_child *next = child->next;

        tr_child_destroy(child);
        child = next;
    }
    tr_child_destroy(supervisor->template);
    tr_map_fini(&supervisor->by_id);
    tr_map_fini(&supervisor->by_pid);
    tr_map_fini(&supervisor->by_key);
    tr_far_free_nodes(supervisor);
    free(supervisor->restarts_ms);
    tr_spec_drop(supervisor->spec);
}

/* ---- children of a supervisor that did not start ---- */

/* Stops them: takes them over, since that supervisor answers its spawner at once and is gone. */
static int undertaker_init(troupe_self *self, void *state, const void *args)
{
    struct tr_supervisor *supervisor = state;
    struct tr_supervisor *failed = *(struct tr_supervisor *const *)args;

    *supervisor = *failed;
    *failed = (struct tr_supervisor){0};
    troupe_trap_exit(self, true);
    for (struct tr_child *child = supervisor->head; child != NULL; child = child->next) {
        const troupe_status status =
            child->state != TR_CHILD_UP ? TROUPE_OK : troupe_link(self, child->pid);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    tr_supervisor_end(supervisor, TROUPE_REASON_NORMAL, "");
    return tr_supervisor_proceed(self, supervisor);
}

static const troupe_handler undertaker_handlers[] = {{&troupe_exit_type, on_exit_message},
                                                     {&troupe_down_type, on_down_message},
                                                     {&tr_child_late_type, tr_supervisor_on_late},
                                                     {0}};

static const troupe_behavior undertaker_behavior = {.name = "troupe.undertaker",
                                                    .state_size = sizeof(struct tr_supervisor),
                                                    .init = undertaker_init,
                                                    .release = release,
                                                    .handlers = undertaker_handlers};

static void bury_children(troupe_self *self, struct tr_supervisor *supervisor)
{
    troupe_status status = TROUPE_OK;
    troupe_pid undertaker = {0};

    supervisor->speaks_for = troupe_self_pid(self);
    /* Its end must not reach them: they are stopped one after the other. */
    for (struct tr_child *child = supervisor->head; child != NULL && status == TROUPE_OK;
         child = child->next) {
        status = child->state != TR_CHILD_UP ? TROUPE_OK : troupe_unlink(self, child->pid);
    }
    status = troupe_spawn(self, &undertaker_behavior, &supervisor, NULL, &undertaker);
    for (struct tr_child *child = supervisor->tail; status != TROUPE_OK && child != NULL;
         child = child->previous) {
        /* Without memory there is no order either; the node sends this one. */
        tr_node_signal_one(self->sched->options.owner, child->pid.id, TROUPE_REASON_KILL,
                           "its supervisor did not start");
    }
}

static int init(troupe_self *self, void *state, const void *args)
{
    struct tr_supervisor *supervisor = state;
    const struct tr_supervisor_args *wanted = args;

    supervisor->spec = wanted->spec;
    tr_spec_hold(supervisor->spec);
    troupe_status status = copy_spec(self, supervisor, wanted->supervisor);

    if (status != TROUPE_OK) {
        return status;
    }
    supervisor->parent = self->actor->parent;
    troupe_trap_exit(self, true);
    for (struct tr_child *child = supervisor->head; child != NULL && status == TROUPE_OK;
         child = child->next) {
        status = tr_child_start(self, supervisor, child);
        if (status == TROUPE_OK && child->state == TR_CHILD_STARTING) {
            tr_supervisor_start_on(supervisor, child); /* The others follow when it is up. */
            break;
        }
    }
    if (status != TROUPE_OK && supervisor->active > 0) {
        bury_children(self, supervisor);
    }
    return status;
}

static const troupe_handler handlers[] = {
    {&troupe_exit_type, on_exit_message},
    {&troupe_down_type, on_down_message},
    {&tr_child_late_type, tr_supervisor_on_late},
    {&tr_child_again_type, tr_supervisor_on_again},
    {&tr_child_look_type, tr_supervisor_on_look},
    {&tr_child_place_type, tr_supervisor_on_place},
    {&troupe_start_child_type, tr_supervisor_on_start},
    {&troupe_terminate_child_type, tr_supervisor_on_terminate},
    {&troupe_restart_child_type, tr_supervisor_on_restart},
    {&troupe_delete_child_type, tr_supervisor_on_delete},
    {&troupe_list_children_type, tr_supervisor_on_list},
    {&troupe_count_children_type, tr_supervisor_on_count},
    {0}};

const troupe_behavior tr_supervisor_behavior = {.name = "troupe.supervisor",
                                                .state_size = sizeof(struct tr_supervisor),
                                                .init = init,
                                                .release = release,
                                                .handlers = handlers};

troupe_status troupe_spawn_supervisor(troupe_self *self, const troupe_supervisor *supervisor,
                                      troupe_spawn_options *options, troupe_pid *pid)
{
    troupe_spawn_options linked = options == NULL ? (troupe_spawn_options){0} : *options;

    linked.flags |= TROUPE_SPAWN_LINK;
    const troupe_status status =
        troupe_spawn(self, &tr_supervisor_behavior,
                     &(struct tr_supervisor_args){.supervisor = supervisor}, &linked, pid);

    if (status == TROUPE_OK && options != NULL) {
        options->monitor = linked.monitor;
    }
    return status;
}

troupe_status troupe_node_spawn_supervisor(troupe_node *node, const troupe_supervisor *supervisor,
                                           const troupe_spawn_options *options, troupe_pid *pid)
{
    return troupe_node_spawn(node, &tr_supervisor_behavior,
                             &(struct tr_supervisor_args){.supervisor = supervisor}, options, pid);
}
