/* Who is told of nodes that come and go: troupe_monitor_node and troupe_monitor_node_name. */
#include "node/node_monitors.h"

#include <stdlib.h>
#include <string.h>

#include "node/node.h"
#include "sched/telemetry.h"
#include "troupe/cluster.h"

/* What one actor wants to hear; under the state_mutex, as everything of it. */
struct tr_node_watcher {
    uint64_t actor_id;
    bool all;
    uint32_t count; /* of nodes[] */
    uint32_t capacity;
    uint64_t *nodes; /* sessions by the node's id; one that is there twice is told of twice */
};

static void watcher_free(struct tr_node_watcher *watcher)
{
    if (watcher != NULL) {
        free(watcher->nodes);
        free(watcher);
    }
}

/* ---- telling ---- */

static void post_news(struct troupe_node *node, uint64_t actor_id, const troupe_node_message *news)
{
    struct tr_message *message = tr_message_create_value(
        &node->sched->shared_cache, TR_SIGNAL_MESSAGE, &troupe_node_type, news, 0);

    if (message == NULL) {
        /* Who waits for it would wait for ever. */
        tr_node_signal_one(node, actor_id, TROUPE_REASON_KILL, "out of memory for a node message");
        return;
    }
    message->to = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = actor_id};
    message->flags |= TR_MESSAGE_SYSTEM;
    (void)tr_sched_post(node->sched, NULL, message);
}

/* How often a node is in the list, which loses it. */
static uint32_t take_node(struct tr_node_watcher *watcher, uint64_t node_id)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < watcher->count; i++) {
        if (watcher->nodes[i] != node_id) {
            watcher->nodes[kept++] = watcher->nodes[i];
        }
    }
    const uint32_t taken = watcher->count - kept;

    watcher->count = kept;
    return taken;
}

void tr_node_monitors_tell(struct troupe_node *node, uint64_t node_id, const char *name, bool up,
                           const char *why)
{
    const troupe_node_message news = {.node = node_id, .name = name, .up = up, .why = why};
    const troupe_event_kind kind = up ? TROUPE_EVENT_NODE_UP : TROUPE_EVENT_NODE_DOWN;
    struct tr_node_watcher *watcher = NULL;
    uint32_t position = 0;

    if (tr_wants(node->sched, kind)) {
        tr_tell(node->sched,
                &(troupe_event){.kind = kind, .other = {.node = node_id}, .text = name});
    }
    tr_mutex_lock(&node->state_mutex);
    struct tr_member_info *member = tr_map_get(&node->members, node_id);

    if (member != NULL) {
        member->up = up;
    }
    while ((watcher = tr_map_next(&node->node_watchers, &position)) != NULL) {
        uint32_t times = up ? 0 : take_node(watcher, node_id);

        for (times += watcher->all ? 1 : 0; times > 0; times--) {
            post_news(node, watcher->actor_id, &news);
        }
    }
    tr_mutex_unlock(&node->state_mutex);
}

/* ---- asking ---- */

/* With the state_mutex. NULL: no memory. */
static struct tr_node_watcher *find_or_add(struct troupe_node *node, uint64_t actor_id)
{
    struct tr_node_watcher *watcher = tr_map_get(&node->node_watchers, actor_id);

    if (watcher != NULL) {
        return watcher;
    }
    watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL) {
        return NULL;
    }
    watcher->actor_id = actor_id;
    if (tr_map_put(&node->node_watchers, actor_id, watcher) != TROUPE_OK) {
        free(watcher);
        return NULL;
    }
    return watcher;
}

troupe_status troupe_monitor_node(troupe_self *self, bool on)
{
    struct troupe_node *node = self->sched->options.owner;

    /* The extra part is what tells the actor's end to look for it here. */
    if (tr_actor_extra(self->actor) == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_mutex_lock(&node->state_mutex);
    struct tr_node_watcher *watcher =
        on ? find_or_add(node, self->id) : tr_map_get(&node->node_watchers, self->id);

    if (watcher != NULL) {
        watcher->all = on;
    }
    tr_mutex_unlock(&node->state_mutex);
    return on && watcher == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

static bool add_node(struct tr_node_watcher *watcher, uint64_t node_id)
{
    if (watcher->count == watcher->capacity) {
        const uint32_t capacity = watcher->capacity == 0 ? 4 : watcher->capacity * 2;
        uint64_t *nodes = realloc(watcher->nodes, capacity * sizeof(*nodes));

        if (nodes == NULL) {
            return false;
        }
        watcher->nodes = nodes;
        watcher->capacity = capacity;
    }
    watcher->nodes[watcher->count++] = node_id;
    return true;
}

static bool remove_node(struct tr_node_watcher *watcher, uint64_t node_id)
{
    for (uint32_t i = 0; i < watcher->count; i++) {
        if (watcher->nodes[i] == node_id) {
            watcher->nodes[i] = watcher->nodes[--watcher->count];
            return true;
        }
    }
    return false;
}

/* The node of a name that has a session, 0 when there is none; with the state_mutex. */
static uint64_t node_that_is_up(const struct troupe_node *node, const char *name)
{
    const struct tr_member_info *member = NULL;
    uint32_t position = 0;

    while ((member = tr_map_next(&node->members, &position)) != NULL) {
        if (member->up && strcmp(member->name, name) == 0) {
            return member->node_id;
        }
    }
    return 0;
}

/* With the state_mutex. *down: it is to be told at once. */
static troupe_status watch_name(struct troupe_node *node, uint64_t actor_id, const char *name,
                                bool *down)
{
    const uint64_t node_id = node_that_is_up(node, name);

    *down = node_id == 0;
    if (*down) {
        return TROUPE_OK;
    }
    struct tr_node_watcher *watcher = find_or_add(node, actor_id);

    if (watcher == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (watcher->count >= TR_NODE_MONITORS_MAX) {
        return TROUPE_E_LIMIT;
    }
    return add_node(watcher, node_id) ? TROUPE_OK : TROUPE_E_NO_MEMORY;
}

troupe_status troupe_monitor_node_name(troupe_self *self, const char *name, bool on)
{
    struct troupe_node *node = self->sched->options.owner;
    troupe_status status = TROUPE_OK;
    bool down = false;

    if (name == NULL || name[0] == '\0' || strlen(name) > TR_NODE_NAME_SIZE_MAX) {
        return TROUPE_E_INVALID;
    }
    if (tr_actor_extra(self->actor) == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (strcmp(name, node->name) == 0) {
        return TROUPE_OK; /* Who could be told is gone with it. */
    }
    tr_mutex_lock(&node->state_mutex);
    if (on) {
        status = watch_name(node, self->id, name, &down);
    } else {
        struct tr_node_watcher *watcher = tr_map_get(&node->node_watchers, self->id);
        const uint64_t node_id = node_that_is_up(node, name);

        status = watcher != NULL && node_id != 0 && remove_node(watcher, node_id)
                     ? TROUPE_OK
                     : TROUPE_E_NOT_FOUND;
    }
    tr_mutex_unlock(&node->state_mutex);
    if (down) {
        post_news(node, self->id, &(troupe_node_message){.name = name, .why = "noconnection"});
    }
    return status;
}

void tr_cluster_forget_watcher(struct troupe_node *node, uint64_t actor_id)
{
    tr_mutex_lock(&node->state_mutex);
    watcher_free(tr_map_take(&node->node_watchers, actor_id));
    tr_mutex_unlock(&node->state_mutex);
}

void tr_node_monitors_fini(struct troupe_node *node)
{
    struct tr_node_watcher *watcher = NULL;

    while ((watcher = tr_map_take_any(&node->node_watchers)) != NULL) {
        watcher_free(watcher);
    }
    tr_map_fini(&node->node_watchers);
}
