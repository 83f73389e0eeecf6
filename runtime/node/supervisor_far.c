/* Children with a placement: where each of them runs, what becomes of it when its node goes, and
 * how one that no node can take is tried again.
 *
 * A start on another node is asked for and answered; the child is STARTING meanwhile. One for which
 * there is no place at present is WAITING: all of those are tried again together after a while,
 * which counts as one restart, however many they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/members.h"
#include "node/names.h"
#include "node/places.h"
#include "node/spawn.h"
#include "node/supervisor.h"
#include "node/supervisor_spec.h"

enum { WAIT_FIRST_MS = 100, WAIT_MAX_MS = 2000, WAITS_DOUBLED_MAX = 5, REFUSALS_MAX = 3 };

static struct troupe_node *node_of(const troupe_self *self)
{
    return self->sched->options.owner;
}

/* ---- records ---- */

static const char *what_is_wrong(const troupe_child *spec)
{
    const uint32_t flags = spec->flags | (spec->options == NULL ? 0 : spec->options->flags);

    if ((flags & (TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_STRICT)) != 0 &&
        (spec->name == NULL || spec->name[0] == '\0')) {
        return "a durable actor needs a name";
    }
    if (spec->supervisor != NULL) {
        return (flags & (TROUPE_SPAWN_DURABLE | TROUPE_SPAWN_STRICT)) != 0
                   ? "a supervisor is not durable: its children may be"
                   : NULL; /* What is below it is looked at when it is packed. */
    }
    if (spec->behavior->name == NULL || spec->behavior->name[0] == '\0') {
        return "a child that is placed needs a behavior with a name";
    }
    if (spec->args != NULL && spec->behavior->args == NULL) {
        return "the arguments of a child that is placed need a described type";
    }
    return NULL;
}

troupe_status tr_far_create(struct tr_child *child, const troupe_child *spec, const char **why,
                            char words[TR_REASON_TEXT_SIZE])
{
    struct tr_placement rule;
    const troupe_status status =
        tr_placement_read(spec->placement, &rule, words, TR_REASON_TEXT_SIZE);

    if (status != TROUPE_OK) {
        *why = words;
        return status;
    }
    if (rule.kind == TR_PLACE_LOCAL && rule.role[0] == '\0') {
        return TROUPE_OK;
    }
    *why = what_is_wrong(spec);
    if (*why != NULL) {
        return TROUPE_E_INVALID;
    }
    child->far = calloc(1, sizeof(*child->far));
    child->spec.placement = strdup(spec->placement);
    if (child->far == NULL || child->spec.placement == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    child->far->own_rule = malloc(sizeof(rule));
    if (child->far->own_rule == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *child->far->own_rule = rule;
    child->far->rule = child->far->own_rule;
    if (spec->supervisor == NULL) {
        return TROUPE_OK;
    }
    const troupe_status packed =
        tr_spec_encode(spec->supervisor, &child->far->own_packed, why, words);

    child->far->packed = child->far->own_packed;
    return packed;
}

troupe_status tr_far_resemble(struct tr_child *child, const struct tr_child *template,
                              const char **why)
{
    if (template->far == NULL) {
        return TROUPE_OK;
    }
    if (child->spec.args != NULL && child->spec.behavior != NULL &&
        child->spec.behavior->args == NULL) {
        *why = "the arguments of a child that is placed need a described type";
        return TROUPE_E_INVALID;
    }
    if (template->far->rule->kind == TR_PLACE_HASH &&
        (child->spec.name == NULL || child->spec.name[0] == '\0')) {
        *why = "a child that is placed by \"hash\" needs a name";
        return TROUPE_E_INVALID;
    }
    child->far = calloc(1, sizeof(*child->far));
    if (child->far == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    child->far->rule = template->far->rule;
    child->far->packed = template->far->packed;
    return TROUPE_OK;
}

void tr_far_destroy(struct tr_child *child)
{
    struct tr_child_far *far = child->far;

    if (child->template == NULL) {
        free((void *)(uintptr_t)child->spec.placement);
    }
    if (far == NULL) {
        return;
    }
    if (far->node != NULL) {
        far->node->children--;
    }
    tr_packed_spec_destroy(far->own_packed);
    free(far->own_rule);
    free(far);
}

/* ---- the nodes that children are on ---- */

void tr_far_free_nodes(struct tr_supervisor *supervisor)
{
    while (supervisor->nodes != NULL) {
        struct tr_child_node *next = supervisor->nodes->next;

        free(supervisor->nodes);
        supervisor->nodes = next;
    }
}

/* Finds the record of a node, or makes one; those without children go. NULL: no memory. */
static struct tr_child_node *find_node(struct tr_supervisor *supervisor,
                                       const struct tr_place *place)
{
    struct tr_child_node *found = NULL;

    for (struct tr_child_node **link = &supervisor->nodes; *link != NULL;) {
        struct tr_child_node *node = *link;

        if (node->node_id == place->node_id) {
            found = node;
        } else if (node->children == 0) {
            *link = node->next;
            free(node);
            continue;
        }
        link = &node->next;
    }
    if (found == NULL) {
        found = calloc(1, sizeof(*found));
        if (found != NULL) {
            found->node_id = place->node_id;
            memcpy(found->name, place->name, sizeof(found->name));
            found->next = supervisor->nodes;
            supervisor->nodes = found;
        }
    }
    return found;
}

static troupe_status note_node(struct tr_supervisor *supervisor, struct tr_child *child,
                               const struct tr_place *place)
{
    struct tr_child_far *far = child->far;

    /* Before the search, which lets go of nodes without children. */
    if (far->node != NULL) {
        far->node->children--;
        far->node = NULL;
    }
    struct tr_child_node *node = find_node(supervisor, place);

    if (node == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    node->children++;
    far->node = node;
    far->started = ++supervisor->starts;
    return TROUPE_OK;
}

/* ---- starting ---- */

static const char *behavior_of(const struct tr_child *child)
{
    return tr_child_is_supervisor(child) ? tr_supervisor_behavior.name : child->spec.behavior->name;
}

static troupe_status choose(troupe_self *self, struct tr_supervisor *supervisor,
                            const struct tr_child *child, struct tr_place *place)
{
    const struct tr_child_far *far = child->far;
    const char *name = child->spec.name;
    /* One that has failed by itself stays where it was, if the rule allows that. */
    const uint64_t prefer = far->node == NULL || far->displaced ? 0 : far->node->node_id;
    const struct tr_place_ask ask = {.rule = far->rule,
                                     .behavior = behavior_of(child),
                                     .all = far->packed == NULL ? NULL : far->packed->behaviors,
                                     .all_count =
                                         far->packed == NULL ? 0 : far->packed->behaviors_count,
                                     .known_here = true,
                                     .key = name != NULL && name[0] != '\0' ? name : child->spec.id,
                                     .turn = &supervisor->turn,
                                     .prefer = far->refused_by == prefer ? 0 : prefer,
                                     .avoid = far->refused_by};
    const troupe_status status =
        tr_places_choose(node_of(self), &ask, place, self->fail_text, sizeof(self->fail_text));

    if (status == TROUPE_OK && place->node_id != prefer) {
        supervisor->turn++;
    }
    return status;
}

static troupe_status start_there(troupe_self *self, struct tr_supervisor *supervisor,
                                 struct tr_child *child, const struct tr_place *place)
{
    const uint64_t key = tr_child_new_key(supervisor);
    troupe_spawn_options options = child->options;

    options.flags = (options.flags & ~TROUPE_SPAWN_MONITOR) | TROUPE_SPAWN_LINK | child->spec.flags;
    if (tr_child_is_durable(child)) {
        options.flags |= TR_SPAWN_LOOKS;
    }
    options.name = child->spec.name;
    troupe_status status = tr_child_note_key(supervisor, child, key);

    if (status == TROUPE_OK) {
        struct tr_spawn_at spawn = {.node_id = place->node_id,
                                    .behavior = behavior_of(child),
                                    .args = child->spec.args,
                                    .options = &options,
                                    .then = tr_far_on_started,
                                    .tag = key};

        if (child->far->packed != NULL) {
            spawn.args = child->far->packed->bytes;
            spawn.packed_type = TR_SPEC_TYPE_NAME;
            spawn.packed_size = child->far->packed->size;
        } else {
            spawn.args_type = child->spec.behavior->args;
        }
        status = tr_spawn_at(self, &spawn);
        if (status != TROUPE_OK) {
            (void)tr_map_take(&supervisor->by_key, key);
            child->key = 0;
        }
    }
    if (status == TROUPE_OK) {
        supervisor->finding++;
        tr_child_move(supervisor, child, TR_CHILD_STARTING);
    }
    return status;
}

troupe_status tr_far_start(troupe_self *self, struct tr_supervisor *supervisor,
                           struct tr_child *child)
{
    const bool durable = tr_child_is_durable(child);
    struct tr_place place;

    if (durable && child->known) {
        child->far->displaced = false; /* When it does not come back, that counts. */
        return tr_child_find(self, supervisor, child); /* Where its row is. */
    }
    troupe_status status = choose(self, supervisor, child, &place);

    if (status == TROUPE_OK) {
        status = note_node(supervisor, child, &place);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    if (!place.local) {
        return start_there(self, supervisor, child, &place);
    }
    status = tr_child_start_here(self, supervisor, child);
    if (status == TROUPE_OK) {
        tr_far_up(supervisor, child);
    } else if (status == TROUPE_E_EXISTS && durable) {
        status = tr_child_find(self, supervisor, child); /* Another actor here has its name. */
    }
    return status;
}

troupe_status tr_far_note(const troupe_self *self, struct tr_supervisor *supervisor,
                          struct tr_child *child, uint64_t node_id)
{
    struct troupe_node *node = node_of(self);
    struct tr_place place = {.node_id = node_id};

    if (node_id == tr_sched_node_id(self->sched)) {
        (void)snprintf(place.name, sizeof(place.name), "%s", node->name);
    } else {
        tr_members_name(node, node_id, place.name);
    }
    return note_node(supervisor, child, &place);
}

void tr_far_up(struct tr_supervisor *supervisor, struct tr_child *child)
{
    child->far->displaced = false;
    child->far->refused_by = 0;
    child->far->refusals = 0;
    child->far->forced = false;
    child->far->fresh = false;
    if (supervisor->waiting.head == NULL) {
        supervisor->waits = 0;
    }
}

bool tr_far_has_no_place(troupe_status status)
{
    switch (status) {
    case TROUPE_E_NOT_FOUND:
    case TROUPE_E_CLOSED:
    case TROUPE_E_NOCONNECTION:
    case TROUPE_E_DENIED:
    case TROUPE_E_BUSY:
    case TROUPE_E_AGAIN:
    case TROUPE_E_EXISTS: /* The name of the one before may not be free yet. */
    case TROUPE_E_REGISTRY:
    case TROUPE_E_UNKNOWN:
        return true;
    case TROUPE_OK:
    case TROUPE_E_NO_MEMORY:
    case TROUPE_E_LIMIT:
    case TROUPE_E_PROTOCOL:
    case TROUPE_E_INVALID:
    case TROUPE_E_TIMEOUT:
    case TROUPE_E_NOPROC:
    case TROUPE_E_EXITED:
    case TROUPE_E_TYPE:
    case TROUPE_E_AUTH:
    case TROUPE_E_FENCED:
    case TROUPE_E_SYSTEM:
    case TROUPE_E_SCHEMA:
    case TROUPE_E_FAILED:
    case TROUPE_E_MODULE:
    case TROUPE_E_NO_REPLY:
        break;
    }
    return false;
}

/* ---- the answer ---- */

static void answer(troupe_self *self, struct tr_child *child, troupe_status status,
                   const char *text)
{
    const troupe_from from = child->far->from;

    child->far->from = (troupe_from){0};
    if (status == TROUPE_OK) {
        tr_child_answer(self, &from, child);
    } else {
        tr_child_refuse(self, &from, status, text);
    }
}

static void on_up(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                  troupe_pid pid)
{
    const troupe_status status = tr_child_up(supervisor, child, pid);

    if (status != TROUPE_OK) {
        tr_child_drop(self, pid);
        tr_child_again(self, supervisor, child, troupe_status_text(status));
        return;
    }
    child->known = true;
    tr_far_up(supervisor, child);
    answer(self, child, TROUPE_OK, "");
    tr_supervisor_joined(self, supervisor, child);
}

/* The node has changed its mind since it was chosen: another one may take the child at once. */
static bool goes_elsewhere(troupe_self *self, struct tr_supervisor *supervisor,
                           struct tr_child *child, troupe_status status)
{
    struct tr_child_far *far = child->far;

    if ((status != TROUPE_E_CLOSED && status != TROUPE_E_NOCONNECTION) ||
        far->rule->kind == TR_PLACE_NODE || far->refusals >= REFUSALS_MAX) {
        return false;
    }
    far->refusals++;
    far->refused_by = far->node->node_id;
    if (tr_far_start(self, supervisor, child) != TROUPE_OK) {
        return false;
    }
    if (child->state == TR_CHILD_UP) {
        answer(self, child, TROUPE_OK, "");
        tr_supervisor_joined(self, supervisor, child);
    }
    return true;
}

/* Whether the registry has given the name to somebody else before: that one is looked for now. */
static bool is_found(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                     troupe_status status)
{
    if (!tr_child_is_durable(child) || (status != TROUPE_E_EXISTS && status != TROUPE_E_AGAIN)) {
        return false;
    }
    child->far->fresh = false;
    tr_child_find_or_later(self, supervisor, child);
    answer(self, child, TROUPE_OK, "");
    return true;
}

static void on_not_up(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                      const troupe_result *result)
{
    const bool asked = child->far->from.ref != 0;
    const char *text = result->reason.text != NULL && result->reason.text[0] != '\0'
                           ? result->reason.text
                           : troupe_status_text(result->status);
    const bool fresh = child->far->fresh;

    tr_child_gone(supervisor, child, TR_CHILD_DOWN);
    if (tr_supervisor_stops(supervisor, child)) {
        answer(self, child, result->status, text);
        return;
    }
    if (goes_elsewhere(self, supervisor, child, result->status) ||
        is_found(self, supervisor, child, result->status)) {
        return;
    }
    child->far->refused_by = 0;
    child->far->refusals = 0;
    if (!asked) {
        tr_child_not_started(self, supervisor, child, result->status, text);
        return;
    }
    answer(self, child, result->status, text);
    if (fresh) {
        tr_child_forget(supervisor, child);
    }
}

int tr_far_on_started(troupe_self *self, void *state, const troupe_result *result)
{
    struct tr_supervisor *supervisor = state;
    struct tr_child *child = tr_child_answered(supervisor, result);

    if (child == NULL) {
        return TROUPE_OK;
    }
    if (result->status == TROUPE_OK) {
        on_up(self, supervisor, child, result->pid);
    } else {
        on_not_up(self, supervisor, child, result);
    }
    return tr_supervisor_proceed(self, supervisor);
}

/* ---- waiting for a place ---- */

/* The name of one that was lost with its node is free when the registry knows that the node is
 * dead, which may be later than its supervisor knows; and while the registry is away, nothing is.
 */
static bool waits_for_registry(const struct tr_child *child, troupe_status status)
{
    return status == TROUPE_E_REGISTRY || status == TROUPE_E_UNKNOWN || status == TROUPE_E_AGAIN ||
           (status == TROUPE_E_EXISTS && child->far->moved);
}

void tr_far_wait(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                 troupe_status status, const char *why)
{
    const uint32_t doubled =
        supervisor->waits < WAITS_DOUBLED_MAX ? supervisor->waits : WAITS_DOUBLED_MAX;
    const uint64_t delay_ms = (uint64_t)WAIT_FIRST_MS << doubled;

    troupe_log(self, TROUPE_LOG_WARNING, "child \"%s\" has no place: %s", child->spec.id, why);
    child->far->patient = waits_for_registry(child, status);
    tr_child_move(supervisor, child, TR_CHILD_WAITING);
    tr_child_push(&supervisor->waiting, child);
    if (supervisor->waiting_timer != 0) {
        return;
    }
    supervisor->waits++;
    if (troupe_send_after(self, delay_ms > WAIT_MAX_MS ? WAIT_MAX_MS : delay_ms,
                          troupe_self_pid(self), &tr_child_place_type, NULL,
                          &supervisor->waiting_timer) != TROUPE_OK) {
        tr_supervisor_end(supervisor, TROUPE_REASON_ERROR, "out of memory for a child's place");
    }
}

bool tr_far_refused(troupe_self *self, struct tr_supervisor *supervisor, struct tr_child *child,
                    troupe_status status)
{
    if (child->far == NULL || child->state != TR_CHILD_UP || !waits_for_registry(child, status) ||
        (tr_child_is_durable(child) && (status == TROUPE_E_EXISTS || status == TROUPE_E_AGAIN))) {
        return false; /* Of a durable one, who has the name is asked. */
    }
    tr_child_gone(supervisor, child, TR_CHILD_DOWN);
    tr_far_wait(self, supervisor, child, status, "its name is not free yet");
    return true;
}

/* A child whose wait is a failure; NULL: none is. */
static const struct tr_child *impatient(const struct tr_supervisor *supervisor)
{
    const struct tr_child *child = supervisor->waiting.head;

    while (child != NULL && child->far->patient) {
        child = child->queue_next;
    }
    return child;
}

int tr_supervisor_on_place(troupe_self *self, void *state, const void *message)
{
    struct tr_supervisor *supervisor = state;

    (void)message;
    if (!troupe_pid_is_none(troupe_sender(self))) {
        return TROUPE_OK;
    }
    supervisor->waiting_timer = 0;
    const struct tr_child *failed = impatient(supervisor);

    if (failed != NULL && tr_supervisor_counts_too_many(self, supervisor, failed)) {
        return tr_supervisor_proceed(self, supervisor);
    }
    while (supervisor->waiting.head != NULL) {
        supervisor->waiting.head->far->counted = true;
        tr_child_push(&supervisor->ended, supervisor->waiting.head);
    }
    return tr_supervisor_proceed(self, supervisor);
}

/* ---- the end of a node ---- */

void tr_far_ended(const troupe_self *self, struct tr_child *child, int32_t kind)
{
    struct tr_child_far *far = child->far;
    const uint64_t node_id = child->pid.node;

    if (far == NULL) {
        return;
    }
    far->moved = false;
    if (node_id == tr_sched_node_id(self->sched)) {
        return;
    }
    far->displaced = kind == TROUPE_REASON_NOCONNECTION || kind == TROUPE_REASON_FENCED ||
                     ((kind == TROUPE_REASON_SHUTDOWN || kind == TROUPE_REASON_KILLED) &&
                      tr_places_drains(node_of(self), node_id));
    far->moved = far->displaced;
}

bool tr_far_is_displaced(const struct tr_child *child)
{
    return child->far != NULL && child->far->displaced;
}

bool tr_far_is_counted(struct tr_supervisor *supervisor, struct tr_child *child)
{
    struct tr_child_far *far = child->far;

    if (far == NULL) {
        return false;
    }
    if (far->counted) {
        far->counted = false;
        return true;
    }
    if (!far->displaced || far->node == NULL) {
        return false;
    }
    /* All that ran there when the first of them was heard of have ended for the same reason. */
    if (far->started <= far->node->lost_at) {
        return true;
    }
    far->node->lost_at = supervisor->starts;
    return false;
}

bool tr_far_is_remote(const troupe_self *self, const struct tr_child *child)
{
    return child->far != NULL && !troupe_pid_is_none(child->pid) &&
           child->pid.node != tr_sched_node_id(self->sched);
}
