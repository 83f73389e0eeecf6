/* The children of a supervisor: one record each, in the order of starting, found by id and by pid.
 */
#include <stdlib.h>
#include <string.h>

#include "node/supervisor.h"

#define CHILD_FLAGS (TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_STRICT)

/* ---- records ---- */

static const char *what_is_wrong(const troupe_child *spec)
{
    if ((spec->behavior == NULL) == (spec->supervisor == NULL)) {
        return "a child has a behavior, or else a supervisor";
    }
    if (spec->id != NULL && strlen(spec->id) > TR_NAME_SIZE_MAX) {
        return "a child's id has at most 255 bytes";
    }
    if (spec->restart < TROUPE_RESTART_PERMANENT || spec->restart > TROUPE_RESTART_TEMPORARY) {
        return "there is no such kind of restart";
    }
    if (spec->significant && spec->restart == TROUPE_RESTART_PERMANENT) {
        return "a permanent child is never significant";
    }
    if ((spec->flags & ~CHILD_FLAGS) != 0) {
        return "a child's flags are durable and strict";
    }
    return NULL;
}

static troupe_status copy_text(const char **slot, const char *text)
{
    *slot = text == NULL ? NULL : strdup(text);
    return text != NULL && *slot == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

static troupe_status fill(struct tr_child *child, const troupe_child *spec)
{
    const troupe_type *type = spec->behavior == NULL ? NULL : spec->behavior->args;

    child->spec = *spec;
    child->spec.options = NULL;
    child->spec.name = NULL;
    child->spec.placement = NULL;
    if (spec->options != NULL) {
        child->options = *spec->options;
    }
    troupe_status status = copy_text(&child->spec.id, spec->id == NULL ? "" : spec->id);

    if (status == TROUPE_OK) {
        status = copy_text(&child->spec.name, spec->name);
    }
    if (status == TROUPE_OK && spec->args != NULL && type != NULL) {
        status = troupe_value_copy(type, spec->args, &child->args);
        child->spec.args = child->args;
    }
    return status;
}

troupe_status tr_child_create(const troupe_child *spec, struct tr_child **out, const char **why,
                              char words[TR_REASON_TEXT_SIZE])
{
    *why = what_is_wrong(spec);
    if (*why != NULL) {
        return TROUPE_E_INVALID;
    }
    struct tr_child *child = calloc(1, sizeof(*child));
    troupe_status status = child == NULL ? TROUPE_E_NO_MEMORY : fill(child, spec);

    if (status == TROUPE_OK) {
        status = tr_far_create(child, spec, why, words);
    }
    if (status != TROUPE_OK) {
        *why = *why == NULL ? troupe_status_text(status) : *why;
        tr_child_destroy(child);
        return status;
    }
    *out = child;
    return TROUPE_OK;
}

void tr_child_destroy(struct tr_child *child)
{
    if (child == NULL) {
        return;
    }
    if (child->template == NULL) {
        free((void *)(uintptr_t)child->spec.id);
    }
    free((void *)(uintptr_t)child->spec.name);
    tr_far_destroy(child);
    troupe_value_free(child->args);
    free(child);
}

/* ---- the list and the tables ---- */

struct tr_child *tr_child_by_id(const struct tr_supervisor *supervisor, const char *id)
{
    struct tr_child *child = tr_map_get(&supervisor->by_id, tr_hash_text(id));

    while (child != NULL && strcmp(child->spec.id, id) != 0) {
        child = child->same_id;
    }
    return child;
}

uint64_t tr_child_key(troupe_pid pid)
{
    const uint64_t key = pid.id ^ tr_hash_u64(pid.node);

    return key == 0 ? 1 : key; /* 0 means all of them. */
}

struct tr_child *tr_child_by_pid(const struct tr_supervisor *supervisor, troupe_pid pid)
{
    struct tr_child *child = tr_map_get(&supervisor->by_pid, tr_child_key(pid));

    return child != NULL && troupe_pid_equal(child->pid, pid) ? child : NULL;
}

static troupe_status index_id(struct tr_supervisor *supervisor, struct tr_child *child)
{
    const uint64_t key = tr_hash_text(child->spec.id);
    struct tr_child *first = tr_map_get(&supervisor->by_id, key);

    if (first != NULL) {
        child->same_id = first->same_id;
        first->same_id = child;
        return TROUPE_OK;
    }
    return tr_map_put(&supervisor->by_id, key, child);
}

static void unindex_id(struct tr_supervisor *supervisor, struct tr_child *child)
{
    const uint64_t key = tr_hash_text(child->spec.id);
    struct tr_child *each = tr_map_get(&supervisor->by_id, key);

    if (each == child) {
        (void)tr_map_take(&supervisor->by_id, key);
        if (child->same_id != NULL) {
            /* The place was just freed, so nothing has to grow. */
            (void)!tr_map_put(&supervisor->by_id, key, child->same_id);
        }
        return;
    }
    while (each->same_id != child) {
        each = each->same_id;
    }
    each->same_id = child->same_id;
}

/* Makes a child one like the template, but for its arguments and name. */
static troupe_status resemble(struct tr_child *child, const struct tr_child *template,
                              const char **why)
{
    if (child->spec.behavior != template->spec.behavior ||
        child->spec.supervisor != template->spec.supervisor) {
        *why = "all children of simple_one_for_one have the template's behavior";
        return TROUPE_E_INVALID;
    }
    const void *args = child->spec.args;
    const char *name = child->spec.name;
    const troupe_status status = tr_far_resemble(child, template, why);

    if (status != TROUPE_OK) {
        return status;
    }
    free((void *)(uintptr_t)child->spec.id);
    free((void *)(uintptr_t)child->spec.placement);
    child->template = template;
    child->spec = template->spec;
    child->spec.args = args != NULL ? args : template->spec.args;
    child->spec.name = name;
    child->options = template->options;
    return TROUPE_OK;
}

static troupe_status check(const struct tr_supervisor *supervisor, const struct tr_child *child,
                           const char **why)
{
    if (child->spec.significant && supervisor->auto_shutdown == TROUPE_AUTO_SHUTDOWN_NEVER) {
        *why = "a significant child needs a supervisor with auto_shutdown";
        return TROUPE_E_INVALID;
    }
    if (supervisor->strategy == TROUPE_SIMPLE_ONE_FOR_ONE) {
        return TROUPE_OK;
    }
    if (child->spec.id[0] == '\0') {
        *why = "a child needs an id";
        return TROUPE_E_INVALID;
    }
    const struct tr_child *other = tr_child_by_id(supervisor, child->spec.id);

    if (other != NULL) {
        *why = other->state == TR_CHILD_UP ? "a child with this id is running"
                                           : "there is a child with this id";
        return TROUPE_E_EXISTS;
    }
    return TROUPE_OK;
}

troupe_status tr_child_add(struct tr_supervisor *supervisor, struct tr_child *child,
                           const char **why)
{
    const bool simple = supervisor->strategy == TROUPE_SIMPLE_ONE_FOR_ONE;
    troupe_status status = check(supervisor, child, why);

    if (status == TROUPE_OK && supervisor->count >= supervisor->max_children) {
        *why = "max_children is reached";
        status = TROUPE_E_LIMIT;
    }
    if (status == TROUPE_OK) {
        status = simple ? resemble(child, supervisor->template, why) : index_id(supervisor, child);
    }
    if (status != TROUPE_OK) {
        *why = *why == NULL ? troupe_status_text(status) : *why;
        return status;
    }
    child->previous = supervisor->tail;
    if (supervisor->tail == NULL) {
        supervisor->head = child;
    } else {
        supervisor->tail->next = child;
    }
    supervisor->tail = child;
    supervisor->count++;
    supervisor->supervisors += tr_child_is_supervisor(child) ? 1 : 0;
    return TROUPE_OK;
}

void tr_child_forget(struct tr_supervisor *supervisor, struct tr_child *child)
{
    tr_child_gone(supervisor, child, TR_CHILD_DOWN);
    tr_child_unqueue(child);
    if (supervisor->strategy != TROUPE_SIMPLE_ONE_FOR_ONE) {
        unindex_id(supervisor, child);
    }
    if (child->previous == NULL) {
        supervisor->head = child->next;
    } else {
        child->previous->next = child->next;
    }
    if (child->next == NULL) {
        supervisor->tail = child->previous;
    } else {
        child->next->previous = child->previous;
    }
    supervisor->count--;
    supervisor->supervisors -= tr_child_is_supervisor(child) ? 1 : 0;
    tr_child_destroy(child);
}

/* ---- states ---- */

static bool is_active(uint8_t state)
{
    return state == TR_CHILD_UP || state == TR_CHILD_STOPPING;
}

void tr_child_move(struct tr_supervisor *supervisor, struct tr_child *child,
                   enum tr_child_state state)
{
    supervisor->active -= is_active(child->state) ? 1 : 0;
    supervisor->active += is_active((uint8_t)state) ? 1 : 0;
    if (child->spec.significant) {
        supervisor->significant -= child->state != TR_CHILD_DOWN ? 1 : 0;
        supervisor->significant += state != TR_CHILD_DOWN ? 1 : 0;
    }
    child->state = (uint8_t)state;
}

troupe_status tr_child_up(struct tr_supervisor *supervisor, struct tr_child *child, troupe_pid pid)
{
    const uint64_t key = tr_child_key(pid);
    const troupe_status status = tr_map_get(&supervisor->by_pid, key) != NULL
                                     ? TROUPE_E_AGAIN
                                     : tr_map_put(&supervisor->by_pid, key, child);

    if (status == TROUPE_OK) {
        child->pid = pid;
        tr_child_move(supervisor, child, TR_CHILD_UP);
    }
    return status;
}

void tr_child_gone(struct tr_supervisor *supervisor, struct tr_child *child,
                   enum tr_child_state state)
{
    if (tr_child_by_pid(supervisor, child->pid) == child) {
        (void)tr_map_take(&supervisor->by_pid, tr_child_key(child->pid));
    }
    if (child->key != 0) {
        (void)tr_map_take(&supervisor->by_key, child->key);
        child->key = 0;
    }
    child->pid = (troupe_pid){0};
    tr_child_move(supervisor, child, state);
}

/* Keys of looks and starts, which share a table with the refs of monitors. */
#define LOOK_KEY (UINT64_C(1) << 63)

uint64_t tr_child_new_key(struct tr_supervisor *supervisor)
{
    return LOOK_KEY | ++supervisor->looks;
}

troupe_status tr_child_note_key(struct tr_supervisor *supervisor, struct tr_child *child,
                                uint64_t key)
{
    const troupe_status status = tr_map_put(&supervisor->by_key, key, child);

    child->key = status == TROUPE_OK ? key : 0;
    return status;
}

/* ---- queues ---- */

void tr_child_push(struct tr_child_queue *queue, struct tr_child *child)
{
    tr_child_unqueue(child);
    child->queue = queue;
    child->queue_previous = queue->tail;
    if (queue->tail == NULL) {
        queue->head = child;
    } else {
        queue->tail->queue_next = child;
    }
    queue->tail = child;
}

void tr_child_unqueue(struct tr_child *child)
{
    struct tr_child_queue *queue = child->queue;

    if (queue == NULL) {
        return;
    }
    if (child->queue_previous == NULL) {
        queue->head = child->queue_next;
    } else {
        child->queue_previous->queue_next = child->queue_next;
    }
    if (child->queue_next == NULL) {
        queue->tail = child->queue_previous;
    } else {
        child->queue_next->queue_previous = child->queue_previous;
    }
    child->queue = NULL;
    child->queue_previous = NULL;
    child->queue_next = NULL;
}

/* ---- what others see ---- */

/* The name of the node that runs it. */
static const char *node_of(const struct troupe_node *node, const struct tr_child *child)
{
    if (child->state == TR_CHILD_UP || child->state == TR_CHILD_STOPPING) {
        return child->far == NULL ? node->name : child->far->node->name;
    }
    return "";
}

void tr_child_show(const struct troupe_node *node, const struct tr_child *child,
                   troupe_child_state *shown)
{
    static const char *const states[] = {"stopped",   "running",    "stopping",
                                         "ended",     "restarting", "recovering",
                                         "elsewhere", "starting",   "waiting"};
    static const char *const restarts[] = {"permanent", "transient", "temporary"};

    *shown = (troupe_child_state){
        .id = child->template == NULL ? child->spec.id : "",
        .pid = child->pid,
        .restarts = child->restarts,
        .state = states[child->state],
        .behavior =
            child->spec.behavior == NULL ? tr_supervisor_behavior.name : child->spec.behavior->name,
        .name = child->spec.name == NULL ? "" : child->spec.name,
        .restart = restarts[child->spec.restart],
        .supervisor = tr_child_is_supervisor(child),
        .significant = child->spec.significant,
        .node = node_of(node, child),
        .placement = child->spec.placement == NULL ? "" : child->spec.placement,
    };
}
