/* Durable children. Their names say who they are: the one that has failed here comes back from its
 * row, one that another node runs is watched, one that nobody runs is started.
 *
 * A first start is a spawn like others; the registry may refuse its name later. Every other start
 * begins by looking the name up. While that is under way the child is RECOVERING and its siblings
 * do not wait for it.
 *
 * A child with a placement may have its row on any node: the one that has it is asked to link the
 * actor to the supervisor, which starts it there if it has failed. So its rule decides where it
 * begins, and the row of its name where it goes on.
 */
#include "node/names.h"
#include "node/spawn.h"
#include "node/supervisor.h"

enum { LOOK_FIRST_MS = 50, LOOK_MAX_MS = 1000, LOOKS_DOUBLED_MAX = 5 };

bool tr_child_is_durable(const struct tr_child *child)
{
    return ((child->spec.flags | child->options.flags) &
            (TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_STRICT)) != 0;
}

static bool note_key(struct tr_supervisor *supervisor, struct tr_child *child, uint64_t key)
{
    return tr_child_note_key(supervisor, child, key) == TROUPE_OK;
}

/* Looks again after a while, which grows: nothing can be done before the registry has changed. */
static void look_later(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child)
{
    const uint32_t doubled = child->looks < LOOKS_DOUBLED_MAX ? child->looks : LOOKS_DOUBLED_MAX;
    const uint64_t delay_ms = (uint64_t)LOOK_FIRST_MS << doubled;
    const tr_child_look look = {.key = tr_child_new_key(supervisor)};

    tr_child_move(supervisor, child, TR_CHILD_RECOVERING);
    child->looks++;
    if (!note_key(supervisor, child, look.key) ||
        troupe_send_after(self, delay_ms > LOOK_MAX_MS ? LOOK_MAX_MS : delay_ms,
                          troupe_self_pid(self), &tr_child_look_type, &look,
                          &child->timer) != TROUPE_OK) {
        tr_supervisor_end(supervisor, TROUPE_REASON_ERROR, "out of memory for a durable child");
    }
}

static void watch(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                  troupe_pid pid)
{
    char text[TROUPE_PID_TEXT_SIZE];

    if (troupe_monitor(self, pid, &child->monitor) != TROUPE_OK ||
        !note_key(supervisor, child, child->monitor)) {
        tr_supervisor_end(supervisor, TROUPE_REASON_ERROR, "out of memory for a durable child");
        return;
    }
    troupe_log(self, TROUPE_LOG_INFO, "child \"%s\" is %s, which is not ours", child->spec.id,
               troupe_pid_print(pid, text));
    child->pid = pid;
    child->looks = 0;
    tr_child_move(supervisor, child, TR_CHILD_ELSEWHERE);
}

/* It is ours. */
static void own(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                troupe_pid pid)
{
    troupe_status status =
        child->far == NULL ? TROUPE_OK : tr_far_note(self, supervisor, child, pid.node);

    if (status == TROUPE_OK) {
        status = tr_child_up(supervisor, child, pid);
    }
    if (status != TROUPE_OK) {
        tr_supervisor_end(supervisor, TROUPE_REASON_ERROR, "out of memory for a durable child");
        return;
    }
    child->looks = 0;
    child->known = true;
    if (child->far != NULL) {
        tr_far_up(supervisor, child);
    }
    tr_supervisor_joined(self, supervisor, child);
}

/* The node that has the row has answered. */
static int on_adopted(troupe_self *self, void *state, const troupe_result *result)
{
    struct tr_supervisor *supervisor = state;
    struct tr_child *child = tr_child_answered(supervisor, result);

    if (child == NULL) {
        return TROUPE_OK;
    }
    if (result->status == TROUPE_OK) {
        own(self, supervisor, child, result->pid);
    } else if (tr_supervisor_stops(supervisor, child)) {
        tr_child_gone(supervisor, child, TR_CHILD_DOWN);
    } else if (result->status == TROUPE_E_EXISTS && !troupe_pid_is_none(result->pid)) {
        watch(self, supervisor, child, result->pid);
    } else if (result->status == TROUPE_E_FAILED) {
        tr_child_again(self, supervisor, child, result->reason.text);
    } else {
        look_later(self, supervisor, child);
    }
    return tr_supervisor_proceed(self, supervisor);
}

/* Asks the node that has the row. */
static void adopt_there(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                        uint64_t node_id)
{
    const uint64_t key = tr_child_new_key(supervisor);
    const troupe_spawn_options options = {.flags = TROUPE_SPAWN_LINK | TROUPE_SPAWN_DURABLE |
                                                   TR_SPAWN_ADOPTS,
                                          .name = child->spec.name};
    const bool noted = note_key(supervisor, child, key);

    if (!noted ||
        tr_spawn_at(self, &(struct tr_spawn_at){.node_id = node_id,
                                                .behavior = child->spec.behavior->name,
                                                .options = &options,
                                                .timeout_ms = self->sched->options.call_timeout_ms,
                                                .then = on_adopted,
                                                .tag = key}) != TROUPE_OK) {
        if (noted) {
            (void)tr_map_take(&supervisor->by_key, key);
            child->key = 0;
        }
        look_later(self, supervisor, child);
        return;
    }
    supervisor->finding++;
    tr_child_move(supervisor, child, TR_CHILD_RECOVERING);
}

/* Somebody runs it. */
static void take(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                 troupe_pid pid)
{
    const bool linked = tr_relations_link(&self->actor->relations, pid) != NULL;

    if (child->far != NULL && pid.node != tr_sched_node_id(self->sched)) {
        adopt_there(self, supervisor, child, pid.node);
        return;
    }
    if (troupe_pid_equal(pid, child->ended)) {
        look_later(self, supervisor, child); /* The registry has not heard of its end yet. */
        return;
    }
    if (linked) {
        own(self, supervisor, child, pid);
    } else {
        watch(self, supervisor, child, pid);
    }
}

static int on_found(troupe_self *self, void *state, const troupe_result *result)
{
    struct tr_supervisor *supervisor = state;
    struct tr_child *child = tr_child_answered(supervisor, result);

    if (child == NULL) {
        return TROUPE_OK;
    }
    if (result->status == TROUPE_OK) {
        take(self, supervisor, child, result->pid);
    } else if (tr_supervisor_stops(supervisor, child)) {
        tr_child_gone(supervisor, child, TR_CHILD_DOWN);
    } else if (result->status == TROUPE_E_NOT_FOUND) {
        child->known = false; /* Nobody has the name: it begins from its arguments. */
        tr_child_gone(supervisor, child, TR_CHILD_DOWN);
        (void)tr_child_start_or_again(self, supervisor, child);
    } else if (result->status == TROUPE_E_FAILED) {
        tr_child_again(self, supervisor, child, result->reason.text);
    } else {
        look_later(self, supervisor, child);
    }
    return tr_supervisor_proceed(self, supervisor);
}

troupe_status tr_child_find(troupe_self *self, struct tr_supervisor *supervisor,
                            struct tr_child *child)
{
    const uint64_t key = tr_child_new_key(supervisor);

    if (!note_key(supervisor, child, key)) {
        return TROUPE_E_NO_MEMORY;
    }
    const troupe_status status = tr_adopt_find(self, child->spec.name, on_found, key);

    if (status != TROUPE_OK) {
        (void)tr_map_take(&supervisor->by_key, key);
        child->key = 0;
        return status;
    }
    supervisor->finding++;
    tr_child_move(supervisor, child, TR_CHILD_RECOVERING);
    return TROUPE_OK;
}

void tr_child_find_or_later(troupe_self *self, struct tr_supervisor *supervisor,
                            struct tr_child *child)
{
    if (tr_child_find(self, supervisor, child) != TROUPE_OK) {
        look_later(self, supervisor, child);
    }
}

bool tr_child_is_found(const struct tr_child *child)
{
    return child->state == TR_CHILD_STARTING ||
           (child->state == TR_CHILD_RECOVERING && child->key != 0 && child->timer == 0);
}

int tr_supervisor_on_look(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;
    const tr_child_look *look = message;
    struct tr_child *child = troupe_pid_is_none(troupe_sender(self))
                                 ? tr_map_take(&supervisor->by_key, look->key)
                                 : NULL;

    if (child == NULL) {
        return TROUPE_OK;
    }
    child->key = 0;
    child->timer = 0;
    tr_child_find_or_later(self, supervisor, child);
    return tr_supervisor_proceed(self, supervisor);
}

bool tr_child_refused(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                      troupe_status status)
{
    if (tr_far_refused(self, supervisor, child, status)) {
        return true;
    }
    if (!tr_child_is_durable(child) || child->state != TR_CHILD_UP ||
        (status != TROUPE_E_EXISTS && status != TROUPE_E_AGAIN)) {
        return false;
    }
    tr_child_gone(supervisor, child, TR_CHILD_RECOVERING);
    tr_child_find_or_later(self, supervisor, child);
    return true;
}

void tr_child_lost(troupe_self *self, struct tr_supervisor *supervisor, uint64_t monitor,
                   int32_t kind, const char *text)
{
    struct tr_child *child = tr_map_get(&supervisor->by_key, monitor);

    if (child == NULL || child->state != TR_CHILD_ELSEWHERE) {
        return;
    }
    if (kind != TROUPE_REASON_NOCONNECTION) {
        child->ended = child->pid;
        tr_child_ended(self, supervisor, child, kind, text);
        return;
    }
    /* Its node is dead, or will be found to live: in both cases the registry knows where it is. */
    child->monitor = 0;
    tr_child_gone(supervisor, child, TR_CHILD_RECOVERING);
    look_later(self, supervisor, child);
}

void tr_child_let_go(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child)
{
    if (child->state == TR_CHILD_RECOVERING && child->timer != 0) {
        (void)troupe_cancel_timer(self, child->timer);
        child->timer = 0;
    } else if (child->state == TR_CHILD_ELSEWHERE) {
        (void)!troupe_demonitor(self, child->monitor);
        child->monitor = 0;
    }
    tr_child_gone(supervisor, child, TR_CHILD_DOWN);
}
