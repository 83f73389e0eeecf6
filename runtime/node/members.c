#include "node/members.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct troupe_cluster {
    uint32_t holders; /* under the node's state_mutex */
    size_t count;
    troupe_member members[]; /* their texts follow */
};

/* ---- changes; under the state_mutex down to the public functions ---- */

static void drop_locked(struct troupe_cluster *cluster)
{
    if (cluster != NULL && --cluster->holders == 0) {
        free(cluster);
    }
}

/* The list is made anew when somebody asks; who waits looks again. */
void tr_members_changed_locked(struct troupe_node *node)
{
    drop_locked(node->cluster);
    node->cluster = NULL;
    tr_cond_broadcast(&node->state_changed);
}

static struct tr_member_info *make_info(const struct tr_member *member)
{
    const char *roles = member->roles == NULL ? "" : member->roles;
    const char *metadata = member->metadata == NULL ? "" : member->metadata;
    const size_t roles_size = strlen(roles) + 1;
    const size_t metadata_size = strlen(metadata) + 1;
    struct tr_member_info *info = calloc(1, sizeof(*info) + roles_size + metadata_size);

    if (info != NULL) {
        info->node_id = member->node_id;
        info->since_ms = member->since_ms;
        info->draining = member->draining;
        info->roles = info->texts;
        info->metadata = info->texts + roles_size;
        (void)snprintf(info->name, sizeof(info->name), "%s", member->name);
        memcpy(info->texts, roles, roles_size);
        memcpy(info->texts + roles_size, metadata, metadata_size);
    }
    return info;
}

troupe_status tr_members_up(struct troupe_node *node, const struct tr_member *member)
{
    struct tr_member_info *info = make_info(member);

    if (info == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_mutex_lock(&node->state_mutex);
    struct tr_member_info *old = tr_map_get(&node->members, member->node_id);
    const troupe_status status = tr_map_put(&node->members, member->node_id, info);

    if (status == TROUPE_OK) {
        info->connected = old != NULL && old->connected;
        info->up = old != NULL && old->up;
        tr_members_changed_locked(node);
    }
    tr_mutex_unlock(&node->state_mutex);
    free(status == TROUPE_OK ? old : info);
    return status;
}

void tr_members_down(struct troupe_node *node, uint64_t node_id)
{
    tr_mutex_lock(&node->state_mutex);
    struct tr_member_info *info = tr_map_take(&node->members, node_id);

    tr_members_changed_locked(node);
    tr_mutex_unlock(&node->state_mutex);
    free(info);
}

void tr_members_connected(struct troupe_node *node, uint64_t node_id, bool connected)
{
    tr_mutex_lock(&node->state_mutex);
    struct tr_member_info *info = tr_map_get(&node->members, node_id);

    if (info != NULL && info->connected != connected) {
        info->connected = connected;
        tr_members_changed_locked(node);
    }
    tr_mutex_unlock(&node->state_mutex);
}

troupe_status tr_members_metadata(struct troupe_node *node, uint64_t node_id, const char *metadata)
{
    struct tr_member_info *fresh = NULL;
    troupe_status status = TROUPE_OK;

    tr_mutex_lock(&node->state_mutex);
    struct tr_member_info *old = tr_map_get(&node->members, node_id);

    if (old != NULL && strcmp(old->metadata, metadata) != 0) {
        fresh = make_info(&(struct tr_member){.node_id = node_id,
                                              .name = old->name,
                                              .draining = old->draining,
                                              .roles = old->roles,
                                              .metadata = metadata,
                                              .since_ms = old->since_ms});
        status = fresh == NULL ? TROUPE_E_NO_MEMORY : tr_map_put(&node->members, node_id, fresh);
    }
    if (fresh != NULL && status == TROUPE_OK) {
        fresh->connected = old->connected;
        fresh->up = old->up;
        tr_members_changed_locked(node);
    }
    tr_mutex_unlock(&node->state_mutex);
    if (fresh != NULL) {
        free(status == TROUPE_OK ? old : fresh);
    }
    return status;
}

void tr_members_draining(struct troupe_node *node, uint64_t node_id, bool draining)
{
    tr_mutex_lock(&node->state_mutex);
    struct tr_member_info *info = tr_map_get(&node->members, node_id);

    if (info != NULL) {
        info->draining = draining;
    }
    tr_members_changed_locked(node); /* Of this node the flag stands elsewhere. */
    tr_mutex_unlock(&node->state_mutex);
}

void tr_members_self(struct troupe_node *node, int64_t since_ms)
{
    tr_mutex_lock(&node->state_mutex);
    node->since_ms = since_ms;
    tr_members_changed_locked(node);
    tr_mutex_unlock(&node->state_mutex);
}

void tr_members_clear(struct troupe_node *node)
{
    struct tr_member_info *info = NULL;

    tr_mutex_lock(&node->state_mutex);
    while ((info = tr_map_take_any(&node->members)) != NULL) {
        free(info);
    }
    tr_members_changed_locked(node);
    tr_mutex_unlock(&node->state_mutex);
}

void tr_members_fini(struct troupe_node *node)
{
    tr_members_clear(node);
    tr_map_fini(&node->members);
}

/* ---- looks ---- */

uint64_t tr_members_find(struct troupe_node *node, const char *name)
{
    const struct tr_member_info *info = NULL;
    uint32_t position = 0;
    uint64_t id = 0;

    tr_mutex_lock(&node->state_mutex);
    while ((info = tr_map_next(&node->members, &position)) != NULL) {
        if (strcmp(info->name, name) == 0 && info->node_id > id) {
            id = info->node_id;
        }
    }
    tr_mutex_unlock(&node->state_mutex);
    return id;
}

void tr_members_name(struct troupe_node *node, uint64_t node_id,
                     char name[TR_NODE_NAME_SIZE_MAX + 1])
{
    tr_mutex_lock(&node->state_mutex);
    const struct tr_member_info *info = tr_map_get(&node->members, node_id);

    (void)snprintf(name, TR_NODE_NAME_SIZE_MAX + 1, "%s", info == NULL ? "?" : info->name);
    tr_mutex_unlock(&node->state_mutex);
}

static int by_id(const void *a, const void *b)
{
    const uint64_t left = ((const troupe_member *)a)->node;
    const uint64_t right = ((const troupe_member *)b)->node;

    return left < right ? -1 : left > right;
}

static char *put_text(char **at, const char *text)
{
    char *placed = *at;
    const size_t size = strlen(text) + 1;

    memcpy(placed, text, size);
    *at += size;
    return placed;
}

/* Writes one member and moves its texts behind *at. */
static void put_member(troupe_member *member, const troupe_member *from, char **at)
{
    *member = *from;
    member->name = put_text(at, from->name);
    member->roles = put_text(at, from->roles);
    member->metadata = put_text(at, from->metadata);
}

static size_t texts_size(const char *name, const char *roles, const char *metadata)
{
    return strlen(name) + strlen(roles) + strlen(metadata) + 3;
}

static struct troupe_cluster *make_cluster(struct troupe_node *node)
{
    const struct tr_member_info *info = NULL;
    uint32_t position = 0;
    size_t count = 1;
    size_t texts = texts_size(node->name, node->roles, node->metadata);

    while ((info = tr_map_next(&node->members, &position)) != NULL) {
        count++;
        texts += texts_size(info->name, info->roles, info->metadata);
    }
    struct troupe_cluster *cluster =
        malloc(sizeof(*cluster) + (count * sizeof(cluster->members[0])) + texts);

    if (cluster == NULL) {
        return NULL;
    }
    char *at = (char *)&cluster->members[count];
    troupe_member member = {.node = tr_sched_node_id(node->sched),
                            .name = node->name,
                            .roles = node->roles,
                            .metadata = node->metadata,
                            .since_ms = node->since_ms,
                            .self = true,
                            .connected = true,
                            .draining = tr_load32_relaxed(&node->draining) != 0};

    cluster->holders = 1;
    cluster->count = 0;
    put_member(&cluster->members[cluster->count++], &member, &at);
    position = 0;
    while ((info = tr_map_next(&node->members, &position)) != NULL) {
        member = (troupe_member){.node = info->node_id,
                                 .name = info->name,
                                 .roles = info->roles,
                                 .metadata = info->metadata,
                                 .since_ms = info->since_ms,
                                 .connected = info->connected,
                                 .draining = info->draining};
        put_member(&cluster->members[cluster->count++], &member, &at);
    }
    qsort(cluster->members, cluster->count, sizeof(cluster->members[0]), by_id);
    return cluster;
}

static struct troupe_cluster *hold_locked(struct troupe_node *node)
{
    if (node->cluster == NULL) {
        node->cluster = make_cluster(node);
    }
    if (node->cluster != NULL) {
        node->cluster->holders++;
    }
    return node->cluster;
}

troupe_status troupe_node_cluster(troupe_node *node, const troupe_cluster **cluster)
{
    tr_mutex_lock(&node->state_mutex);
    const struct troupe_cluster *held = hold_locked(node);

    tr_mutex_unlock(&node->state_mutex);
    if (held == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *cluster = held;
    return TROUPE_OK;
}

void troupe_cluster_drop(troupe_node *node, const troupe_cluster *cluster)
{
    tr_mutex_lock(&node->state_mutex);
    drop_locked((struct troupe_cluster *)(uintptr_t)cluster);
    tr_mutex_unlock(&node->state_mutex);
}

size_t troupe_cluster_count(const troupe_cluster *cluster)
{
    return cluster->count;
}

const troupe_member *troupe_cluster_member(const troupe_cluster *cluster, size_t index)
{
    return index < cluster->count ? &cluster->members[index] : NULL;
}

size_t tr_members_placeable(const troupe_cluster *cluster, const char *role,
                            const troupe_member **out, size_t capacity)
{
    const bool any = role == NULL || role[0] == '\0';
    size_t count = 0;

    for (size_t i = 0; i < cluster->count; i++) {
        const troupe_member *member = &cluster->members[i];

        if (member->connected && !member->draining &&
            (any || troupe_member_has_role(member, role))) {
            if (count < capacity) {
                out[count] = member;
            }
            count++;
        }
    }
    return count;
}

/* ---- waiting ---- */

enum { WAIT_CLUSTER_MS = 30000 };

/* Words about what is missing, as far as they fit. */
struct words {
    char *text;
    size_t size;
    size_t used;
    bool any;
};

static void add_words(struct words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_words(struct words *words, const char *format, ...)
{
    va_list arguments;

    words->any = true;
    if (words->used + 1 >= words->size) {
        return;
    }
    if (words->used > 0) {
        words->used += (size_t)snprintf(words->text + words->used, words->size - words->used, "; ");
    }
    if (words->used + 1 >= words->size) {
        return;
    }
    va_start(arguments, format);
    const int size =
        vsnprintf(words->text + words->used, words->size - words->used, format, arguments);

    va_end(arguments);
    words->used += size < 0 ? 0 : (size_t)size;
}

/* How many members count that have the name or role of size bytes. */
static uint32_t count_of(const troupe_cluster *cluster, const char *text, size_t size, bool role)
{
    char word[TR_NODE_NAME_SIZE_MAX + 1];
    uint32_t count = 0;

    (void)snprintf(word, sizeof(word), "%.*s", (int)size, text);
    for (size_t i = 0; i < cluster->count; i++) {
        const troupe_member *member = &cluster->members[i];

        if (member->connected && !member->draining &&
            (role ? troupe_member_has_role(member, word) : strcmp(member->name, word) == 0)) {
            count++;
        }
    }
    return count;
}

/* Reads the number behind a role: "worker:3". Answers the size of the word; 0: it is none. */
static size_t read_need(const char *text, size_t size, uint32_t *least)
{
    const char *colon = memchr(text, ':', size);
    const size_t word = colon == NULL ? size : (size_t)(colon - text);
    uint32_t number = 0;

    *least = 1;
    if (word == 0 || word > TR_NODE_NAME_SIZE_MAX || (colon != NULL && word + 1 == size)) {
        return 0;
    }
    for (size_t i = word + 1; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || number > 100000) {
            return 0;
        }
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    *least = colon == NULL ? 1 : number;
    return word;
}

/* Judges each entry of a comma list; false when it is not one. */
static bool judge_list(const troupe_cluster *cluster, const char *list, bool role,
                       struct words *words)
{
    struct tr_list_entry entry = {0};

    while (tr_list_next(&list, &entry)) {
        const char *at = entry.text;
        uint32_t least = 1;
        const size_t word = role ? read_need(at, entry.size, &least) : entry.size;

        if (word == 0 || word > TR_NODE_NAME_SIZE_MAX) {
            return false;
        }
        const uint32_t count = count_of(cluster, at, word, role);

        if (role && count < least) {
            add_words(words, "role %.*s: %u of %u", (int)word, at, (unsigned)count,
                      (unsigned)least);
        } else if (!role && count == 0) {
            add_words(words, "node %.*s", (int)word, at);
        }
    }
    return true;
}

/* OK; AGAIN with words; INVALID. */
static troupe_status judge(const troupe_cluster *cluster, const troupe_cluster_need *need,
                           struct words *words)
{
    uint32_t count = 0;

    words->used = 0;
    words->any = false;
    for (size_t i = 0; i < cluster->count; i++) {
        count += cluster->members[i].connected && !cluster->members[i].draining ? 1 : 0;
    }
    if (count < need->nodes_min) {
        add_words(words, "%u of %u nodes", (unsigned)count, (unsigned)need->nodes_min);
    }
    if (!judge_list(cluster, need->names, false, words) ||
        !judge_list(cluster, need->roles, true, words)) {
        return TROUPE_E_INVALID;
    }
    return words->any ? TROUPE_E_AGAIN : TROUPE_OK;
}

/* Judges the cluster as it is; with the state_mutex held. */
static troupe_status judge_now(struct troupe_node *node, const troupe_cluster_need *need,
                               struct words *words)
{
    struct troupe_cluster *cluster = hold_locked(node);

    if (cluster == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    const troupe_status status = judge(cluster, need, words);

    drop_locked(cluster);
    return status == TROUPE_E_AGAIN && node->state == TR_NODE_STOPPING ? TROUPE_E_CLOSED : status;
}

troupe_status troupe_node_wait_cluster_for(troupe_node *node, const troupe_cluster_need *need,
                                           char *missing, size_t missing_size)
{
    const struct tr_clock *clock = node->sched->options.clock;
    char unread[2];
    struct words words = {.text = missing_size > 0 && missing != NULL ? missing : unread,
                          .size = missing_size > 0 && missing != NULL ? missing_size : 2};

    if (need->struct_size != sizeof(*need)) {
        return TROUPE_E_INVALID;
    }
    words.text[0] = '\0';
    const uint32_t timeout_ms = need->timeout_ms == 0 ? WAIT_CLUSTER_MS : need->timeout_ms;
    const int64_t until = tr_clock_now(clock) + (int64_t)timeout_ms * TR_NS_PER_MS;

    tr_mutex_lock(&node->state_mutex);
    troupe_status status = judge_now(node, need, &words);

    while (status == TROUPE_E_AGAIN) {
        const int64_t left = node->registry == NULL ? 0 : until - tr_clock_now(clock);

        if (left <= 0) {
            status = TROUPE_E_TIMEOUT;
        } else {
            tr_node_wait(node, &node->state_changed, &node->state_mutex, left);
            status = judge_now(node, need, &words);
        }
    }
    tr_mutex_unlock(&node->state_mutex);
    if (status == TROUPE_OK) {
        words.text[0] = '\0';
    }
    return status;
}

troupe_status troupe_node_wait_cluster(troupe_node *node, uint32_t nodes_min, uint32_t timeout_ms)
{
    const troupe_cluster_need need = {.struct_size = sizeof(need),
                                      .nodes_min = nodes_min,
                                      .timeout_ms = timeout_ms == 0 ? 1 : timeout_ms};

    return troupe_node_wait_cluster_for(node, &need, NULL, 0);
}
