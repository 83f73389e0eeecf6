/* Groups: what actors and other threads do with them, and what their watchers are told. */
#include "node/groups.h"

#include <string.h>

#include "dist/groups.h"
#include "node/agent.h"
#include "node/node.h"
#include "sched/telemetry.h"
#include "troupe/group.h"

static const troupe_field group_fields[] = {
    TROUPE_FIELD(troupe_group_message, group, 1),
    TROUPE_FIELD(troupe_group_message, member, 2),
    TROUPE_FIELD(troupe_group_message, joined, 3),
};
const troupe_type troupe_group_type = {.name = "troupe.group",
                                       .size = sizeof(troupe_group_message),
                                       .fields = group_fields,
                                       .field_count = 3};

/* ---- the port ---- */

static void changed(void *context, const char *group, troupe_pid member, bool joined)
{
    const struct troupe_node *node = context;
    const troupe_event_kind kind = joined ? TROUPE_EVENT_JOINED : TROUPE_EVENT_LEFT;

    if (tr_wants(node->sched, kind)) {
        tr_tell(node->sched, &(troupe_event){.kind = kind, .pid = member, .text = group});
    }
}

static void tell(void *context, troupe_pid watcher, const char *group, troupe_pid member,
                 bool joined)
{
    struct troupe_node *node = context;
    const troupe_group_message news = {.group = group, .member = member, .joined = joined};
    struct tr_message *message = tr_message_create_value(
        &node->sched->shared_cache, TR_SIGNAL_MESSAGE, &troupe_group_type, &news, 0);

    if (message != NULL) {
        message->to = watcher;
        message->flags |= TR_MESSAGE_SYSTEM;
        (void)tr_sched_post(node->sched, NULL, message);
        return;
    }
    /* A gap nobody knows of would be worse than an end. */
    tr_node_signal_one(node, watcher.id, TROUPE_REASON_KILL, "out of memory for a group message");
}

static void send(void *context, uint64_t node_id, uint32_t session, const uint8_t *bytes,
                 size_t size)
{
    const struct troupe_node *node = context;
    const troupe_status status = tr_router_send(node->router, node_id, session, bytes, size);

    /* A session that is gone has told, or will tell, that all its members have left; one that
     * cannot take a system packet is given up. */
    (void)status;
}

troupe_status tr_node_groups_init(struct troupe_node *node)
{
    const struct tr_groups_port port = {
        .context = node, .changed = changed, .send = send, .tell = tell};

    return tr_groups_create(&port, &node->groups);
}

void tr_node_groups_ended(struct troupe_node *node, struct tr_actor *actor)
{
    if (actor->extra != NULL) {
        tr_groups_leave_all(node->groups, &actor->extra->seats);
    }
}

/* ---- actors ---- */

static struct troupe_node *node_of(const troupe_self *self)
{
    return self->sched->options.owner;
}

troupe_status troupe_join(troupe_self *self, const char *group)
{
    if (!tr_name_is_valid(group)) {
        return TROUPE_E_INVALID;
    }
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    return extra == NULL
               ? TROUPE_E_NO_MEMORY
               : tr_groups_join(node_of(self)->groups, &extra->seats, tr_self_pid(self), group);
}

troupe_status troupe_leave(troupe_self *self, const char *group)
{
    struct tr_actor_extra *extra = self->actor->extra;

    return extra == NULL || !tr_name_is_valid(group)
               ? TROUPE_E_NOT_FOUND
               : tr_groups_leave(node_of(self)->groups, &extra->seats, group);
}

troupe_status troupe_monitor_group(troupe_self *self, const char *group, bool on)
{
    if (!tr_name_is_valid(group)) {
        return TROUPE_E_INVALID;
    }
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    if (extra == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (on) {
        return tr_groups_watch(node_of(self)->groups, &extra->seats, tr_self_pid(self), group);
    }
    tr_groups_unwatch(node_of(self)->groups, &extra->seats, group);
    return TROUPE_OK;
}

/* ---- looking and sending, for actors and other threads ---- */

/* self: the actor that asks; NULL: another thread. */
struct caster {
    struct troupe_node *node;
    troupe_self *self;
    bool local_only;
};

static troupe_status members(struct troupe_node *node, const char *group, bool local_only,
                             troupe_pid *pids, size_t capacity, size_t *count)
{
    struct tr_group_list *list = NULL;
    const troupe_status status =
        tr_name_is_valid(group) ? tr_groups_list(node->groups, group, &list) : TROUPE_E_INVALID;

    if (status != TROUPE_OK) {
        return status;
    }
    *count = list == NULL ? 0 : local_only ? list->local : list->count;
    for (size_t i = 0; i < *count && i < capacity; i++) {
        pids[i] = list->pids[i];
    }
    tr_groups_list_drop(node->groups, list);
    return TROUPE_OK;
}

/* One message for all members on one other node, which hands it out. */
static troupe_status cast_to_node(const struct caster *caster, uint64_t node_id, const char *group,
                                  const troupe_type *type, const void *value)
{
    struct tr_sched *sched = caster->node->sched;
    const size_t name_size = strlen(group) + 1;
    const troupe_pid to = {.node = node_id};
    struct tr_message *message = tr_message_create_value(
        caster->self != NULL ? &caster->self->worker->cache : &sched->shared_cache,
        TR_SIGNAL_MESSAGE, type, type->size == 0 ? NULL : value,
        sizeof(struct tr_name_tail) + name_size);

    if (message == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    struct tr_name_tail *tail = tr_message_name(message);

    *tail = (struct tr_name_tail){0};
    memcpy(tail->name, group, name_size);
    message->flags |= TR_MESSAGE_GROUP;
    if (caster->self == NULL) {
        return tr_agent_post(caster->node, to, message);
    }
    message->to = to;
    message->from = tr_self_pid(caster->self);
    return tr_self_emit(caster->self, message);
}

static troupe_status cast_to_one(const struct caster *caster, troupe_pid to,
                                 const troupe_type *type, const void *value)
{
    return caster->self != NULL ? troupe_send(caster->self, to, type, value)
                                : troupe_node_send(caster->node, to, type, value);
}

static bool goes_on(troupe_status sent)
{
    return sent == TROUPE_OK || sent == TROUPE_E_BUSY || sent == TROUPE_E_NOCONNECTION;
}

/* Sends to the members of a list. *taken gets how many took it, as far as it is known. */
static troupe_status cast_list(const struct caster *caster, const struct tr_group_list *list,
                               const char *group, const troupe_type *type, const void *value,
                               size_t *taken)
{
    uint32_t i = 0;

    for (; i < list->local; i++) {
        const troupe_status sent = cast_to_one(caster, list->pids[i], type, value);

        *taken += sent == TROUPE_OK ? 1 : 0;
        if (!goes_on(sent)) {
            return sent;
        }
    }
    while (!caster->local_only && i < list->count) {
        const uint64_t node_id = list->pids[i].node;
        const troupe_status sent = cast_to_node(caster, node_id, group, type, value);
        uint32_t there = 0;

        for (; i < list->count && list->pids[i].node == node_id; i++) {
            there++;
        }
        *taken += sent == TROUPE_OK ? there : 0;
        if (!goes_on(sent)) {
            return sent;
        }
    }
    return TROUPE_OK;
}

static troupe_status cast(const struct caster *caster, const char *group, const troupe_type *type,
                          const void *value, size_t *count)
{
    struct tr_groups *groups = caster->node->groups;
    struct tr_group_list *list = NULL;
    size_t taken = 0;
    troupe_status status =
        tr_name_is_valid(group) ? tr_message_check(type, value) : TROUPE_E_INVALID;

    if (status == TROUPE_OK) {
        status = tr_groups_list(groups, group, &list);
    }
    if (list != NULL) {
        status = cast_list(caster, list, group, type, value, &taken);
    }
    tr_groups_list_drop(groups, list);
    if (count != NULL) {
        *count = taken;
    }
    return status;
}

troupe_status troupe_members(troupe_self *self, const char *group, troupe_pid *pids,
                             size_t capacity, size_t *count)
{
    return members(node_of(self), group, false, pids, capacity, count);
}

troupe_status troupe_local_members(troupe_self *self, const char *group, troupe_pid *pids,
                                   size_t capacity, size_t *count)
{
    return members(node_of(self), group, true, pids, capacity, count);
}

troupe_status troupe_broadcast(troupe_self *self, const char *group, const troupe_type *type,
                               const void *message, size_t *count)
{
    return cast(&(struct caster){.node = node_of(self), .self = self}, group, type, message, count);
}

troupe_status troupe_local_broadcast(troupe_self *self, const char *group, const troupe_type *type,
                                     const void *message, size_t *count)
{
    return cast(&(struct caster){.node = node_of(self), .self = self, .local_only = true}, group,
                type, message, count);
}

troupe_status troupe_node_members(troupe_node *node, const char *group, troupe_pid *pids,
                                  size_t capacity, size_t *count)
{
    return members(node, group, false, pids, capacity, count);
}

troupe_status troupe_node_local_members(troupe_node *node, const char *group, troupe_pid *pids,
                                        size_t capacity, size_t *count)
{
    return members(node, group, true, pids, capacity, count);
}

troupe_status troupe_node_broadcast(troupe_node *node, const char *group, const troupe_type *type,
                                    const void *message, size_t *count)
{
    return cast(&(struct caster){.node = node}, group, type, message, count);
}

troupe_status troupe_node_local_broadcast(troupe_node *node, const char *group,
                                          const troupe_type *type, const void *message,
                                          size_t *count)
{
    return cast(&(struct caster){.node = node, .local_only = true}, group, type, message, count);
}

/* ---- from other nodes ---- */

void tr_node_groups_deliver(struct troupe_node *node, struct tr_message *message)
{
    struct tr_pool_cache *cache = &node->sched->shared_cache;
    struct tr_group_list *list = NULL;

    /* Without memory nobody gets it, as when mailboxes are full: it is counted. */
    if (tr_groups_list(node->groups, tr_message_name(message)->name, &list) != TROUPE_OK) {
        (void)tr_add_relaxed(&node->sched->dropped, 1);
    }
    for (uint32_t i = 0; list != NULL && i < list->local; i++) {
        struct tr_message *copy = tr_message_copy(cache, message);

        if (copy == NULL) {
            (void)tr_add_relaxed(&node->sched->dropped, 1);
            continue;
        }
        copy->to = list->pids[i];
        copy->from = message->from;
        copy->session = message->session;
        (void)tr_sched_post(node->sched, NULL, copy);
    }
    tr_groups_list_drop(node->groups, list);
    tr_message_destroy(cache, message);
}
