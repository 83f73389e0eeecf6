/* Groups: what actors and other threads do with them, and what their watchers are told. */
#include "node/groups.h"

#include "dist/groups.h"
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

troupe_status tr_node_groups_init(struct troupe_node *node)
{
    const struct tr_groups_port port = {.context = node, .changed = changed, .tell = tell};

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

troupe_status troupe_members(troupe_self *self, const char *group, troupe_pid *pids,
                             size_t capacity, size_t *count)
{
    return troupe_node_members(node_of(self), group, pids, capacity, count);
}

troupe_status troupe_broadcast(troupe_self *self, const char *group, const troupe_type *type,
                               const void *message, size_t *count)
{
    struct tr_groups *groups = node_of(self)->groups;
    struct tr_group_list *list = NULL;
    size_t taken = 0;
    troupe_status status =
        tr_name_is_valid(group) ? tr_message_check(type, message) : TROUPE_E_INVALID;

    if (status == TROUPE_OK) {
        status = tr_groups_list(groups, group, &list);
    }
    for (uint32_t i = 0; list != NULL && i < list->count && status == TROUPE_OK; i++) {
        const troupe_status sent = troupe_send(self, list->pids[i], type, message);

        taken += sent == TROUPE_OK ? 1 : 0;
        status = sent == TROUPE_E_BUSY ? TROUPE_OK : sent;
    }
    tr_groups_list_drop(groups, list);
    if (count != NULL) {
        *count = taken;
    }
    return status;
}

/* ---- other threads ---- */

troupe_status troupe_node_members(troupe_node *node, const char *group, troupe_pid *pids,
                                  size_t capacity, size_t *count)
{
    struct tr_group_list *list = NULL;
    const troupe_status status =
        tr_name_is_valid(group) ? tr_groups_list(node->groups, group, &list) : TROUPE_E_INVALID;

    if (status != TROUPE_OK) {
        return status;
    }
    for (uint32_t i = 0; list != NULL && i < list->count && i < capacity; i++) {
        pids[i] = list->pids[i];
    }
    *count = list == NULL ? 0 : list->count;
    tr_groups_list_drop(node->groups, list);
    return TROUPE_OK;
}

troupe_status troupe_node_broadcast(troupe_node *node, const char *group, const troupe_type *type,
                                    const void *message, size_t *count)
{
    struct tr_group_list *list = NULL;
    size_t taken = 0;
    troupe_status status =
        tr_name_is_valid(group) ? tr_message_check(type, message) : TROUPE_E_INVALID;

    if (status == TROUPE_OK) {
        status = tr_groups_list(node->groups, group, &list);
    }
    for (uint32_t i = 0; list != NULL && i < list->count && status == TROUPE_OK; i++) {
        const troupe_status sent = troupe_node_send(node, list->pids[i], type, message);

        taken += sent == TROUPE_OK ? 1 : 0;
        status = sent == TROUPE_E_BUSY ? TROUPE_OK : sent;
    }
    tr_groups_list_drop(node->groups, list);
    if (count != NULL) {
        *count = taken;
    }
    return status;
}
