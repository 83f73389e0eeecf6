#include "node/portrait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/groups.h"
#include "node/admin.h"
#include "node/names.h"

enum {
    LIST_MAX = 1000,   /* entries of each list of an actor that are told */
    WEIGHED_MAX = 1000 /* messages that are looked at to tell how large a mailbox is */
};

static void copy_text(char *to, size_t size, const char *from)
{
    const size_t length = from == NULL ? 0 : strnlen(from, size - 1);

    if (length > 0) {
        memcpy(to, from, length);
    }
    to[length] = '\0';
}

/* ---- from outside ---- */

static int64_t age_ms(const struct tr_sched *sched, uint32_t tick)
{
    const uint32_t now = tr_tick_of(tr_clock_coarse(sched->options.clock));
    const int32_t ticks = (int32_t)(now - tick);

    return ticks <= 0 ? 0 : (int64_t)ticks * (1 << TR_TICK_SHIFT) / TR_NS_PER_MS;
}

void tr_actor_look(const struct tr_sched *sched, const struct tr_actor *actor, uint32_t *waiting,
                   int64_t *oldest_ms)
{
    const uint64_t word = tr_load_relaxed(&actor->inbox.word);

    *waiting = tr_load32_relaxed(&actor->waiting) + tr_inbox_count_of(word);
    /* A parked actor may still have messages, when it waits for a commit or its name. */
    *oldest_ms = word == TR_INBOX_CLOSED_MARK || (word == TR_INBOX_IDLE && *waiting == 0)
                     ? -1
                     : age_ms(sched, tr_load32_relaxed(&actor->oldest));
}

bool tr_portrait_sketch(struct tr_portrait *portrait, struct troupe_node *node, uint64_t actor_id)
{
    const struct tr_sched *sched = node->sched;
    const struct tr_actor *actor = tr_table_find(&sched->table, actor_id);
    bool durable = false;

    if (actor == NULL) {
        return false;
    }
    *portrait = (struct tr_portrait){.pid = {tr_sched_node_id(sched), actor_id}, .busy = true};
    const uint64_t parent = tr_load_relaxed(&actor->shown_parent);

    if (parent != 0 && parent != node->agent && parent != TR_PARENT_ELSEWHERE) {
        portrait->parent = (troupe_pid){tr_sched_node_id(sched), parent};
    }
    tr_actor_look(sched, actor, &portrait->waiting, &portrait->oldest_ms);
    tr_catalog_behavior_name(node, tr_load_relaxed(&actor->shown_behavior), portrait->behavior,
                             sizeof(portrait->behavior));
    tr_names_of(node, actor_id, portrait->name, &durable);
    portrait->durable = durable;
    portrait->frozen = durable && tr_clock_now(sched->options.clock) >=
                                      (int64_t)tr_load_relaxed(&sched->lease_deadline_ns);
    /* It may have ended, and another one begun, while this looked. */
    return tr_table_find(&sched->table, actor_id) == actor;
}

/* ---- in the actor ---- */

static void count_relations(struct tr_portrait *portrait, const struct tr_relations *relations)
{
    const struct tr_relation *relation = NULL;
    uint32_t position = 0;

    while ((relation = tr_relations_next(relations, &position)) != NULL) {
        portrait->links += relation->kind == TR_RELATION_LINK ? 1 : 0;
        portrait->monitors += relation->kind == TR_RELATION_WATCHING ? 1 : 0;
        portrait->monitored_by += relation->kind == TR_RELATION_WATCHED ? 1 : 0;
    }
}

static void weigh(struct tr_portrait *portrait, const struct tr_actor *actor)
{
    const troupe_behavior *behavior = actor->behavior;
    const struct tr_message *message = actor->head;
    uint64_t bytes = 0;
    uint32_t looked = 0;

    for (; message != NULL && looked < WEIGHED_MAX; looked++) {
        bytes += sizeof(*message) + message->block_size;
        message = (const struct tr_message *)(const void *)message->item.next;
    }
    /* The rest is taken to be like those. */
    portrait->mailbox_bytes =
        message == NULL || looked == 0 ? bytes : bytes * portrait->waiting / looked;
    portrait->block_bytes = sizeof(*actor) + (actor->extra != NULL ? sizeof(*actor->extra) : 0) +
                            (actor->relations.capacity * sizeof(struct tr_relation)) +
                            (actor->waits.capacity * sizeof(struct tr_map_entry)) +
                            (actor->waits.count * sizeof(struct tr_wait));
    portrait->state_bytes = actor->state == NULL ? 0
                            : behavior->state == NULL
                                ? behavior->state_size
                                : tr_value_size(behavior->state, actor->state);
}

static bool handles(const troupe_behavior *behavior, const troupe_type *type)
{
    for (const troupe_handler *each = behavior->handlers; each != NULL && each->type != NULL;
         each++) {
        if (each->type == type) {
            return true;
        }
    }
    return false;
}

struct seats {
    cJSON *list; /* NULL: only counted */
    uint32_t count;
};

static void on_seat(void *context, const char *group, uint32_t joins, bool watches)
{
    struct seats *seats = context;

    (void)watches;
    if (joins > 0 && seats->count++ < LIST_MAX && seats->list != NULL) {
        (void)cJSON_AddItemToArray(seats->list, cJSON_CreateString(group));
    }
}

static void add_relations(cJSON *details, const char *key, const struct tr_relations *relations,
                          enum tr_relation_kind kind)
{
    cJSON *list = cJSON_AddArrayToObject(details, key);
    const struct tr_relation *relation = NULL;
    char text[TROUPE_PID_TEXT_SIZE];
    uint32_t position = 0;
    int told = 0;

    while (told < LIST_MAX && (relation = tr_relations_next(relations, &position)) != NULL) {
        if (relation->kind == kind) {
            (void)cJSON_AddItemToArray(list,
                                       cJSON_CreateString(troupe_pid_print(relation->pid, text)));
            told++;
        }
    }
}

static cJSON *details_of(const troupe_self *self)
{
    const struct tr_actor *actor = self->actor;
    const struct troupe_node *node = self->sched->options.owner;
    cJSON *details = cJSON_CreateObject();
    struct seats seats = {.list = cJSON_AddArrayToObject(details, "member_of")};
    char *state = NULL;

    if (actor->extra != NULL) {
        tr_groups_each_seat(node->groups, actor->extra->seats, on_seat, &seats);
    }
    add_relations(details, "linked_to", &actor->relations, TR_RELATION_LINK);
    add_relations(details, "watches", &actor->relations, TR_RELATION_WATCHING);
    add_relations(details, "watched_by", &actor->relations, TR_RELATION_WATCHED);
    if (actor->behavior->state != NULL &&
        troupe_to_json(actor->behavior->state, actor->state, &state) == TROUPE_OK) {
        tr_admin_add_json(details, "state", state);
    } else {
        (void)cJSON_AddNullToObject(details, "state");
    }
    return details;
}

void tr_portrait_paint(struct tr_portrait *portrait, const troupe_self *self, bool details)
{
    const struct tr_actor *actor = self->actor;
    const struct tr_actor_extra *extra = actor->extra;
    const struct troupe_node *node = self->sched->options.owner;
    struct seats seats = {0};

    *portrait = (struct tr_portrait){.pid = tr_self_pid(self),
                                     .version = actor->behavior->version,
                                     .waiting = tr_load32_relaxed(&actor->waiting),
                                     .oldest_ms = -1,
                                     .handled = actor->handled,
                                     .waits = actor->waits.count};
    if (actor->parent.node != portrait->pid.node || actor->parent.id != node->agent) {
        portrait->parent = actor->parent;
    }
    copy_text(portrait->behavior, sizeof(portrait->behavior), actor->behavior->name);
    copy_text(portrait->name, sizeof(portrait->name), extra == NULL ? NULL : extra->name);
    if (actor->head != NULL) {
        portrait->oldest_ms = age_ms(self->sched, actor->head->stamp);
    }
    count_relations(portrait, &actor->relations);
    weigh(portrait, actor);
    if (extra != NULL && extra->seats != NULL) {
        tr_groups_each_seat(node->groups, extra->seats, on_seat, &seats);
    }
    portrait->groups = seats.count;
    portrait->durable = (actor->flags & TR_ACTOR_DURABLE) != 0;
    portrait->traps = (actor->flags & TR_ACTOR_TRAPS) != 0;
    portrait->suspended = (actor->flags & (TR_ACTOR_SUSPENDED | TR_ACTOR_HELD)) != 0;
    portrait->blocked = (actor->flags & TR_ACTOR_BLOCKED) != 0;
    if (portrait->blocked && extra != NULL) {
        portrait->blocked_on = extra->blocked_on;
    }
    portrait->system = (actor->flags & TR_ACTOR_SYSTEM) != 0;
    portrait->traced = actor->traced != 0;
    portrait->supervises = handles(actor->behavior, &troupe_list_children_type);
    portrait->details = details ? details_of(self) : NULL;
}

/* ---- as JSON ---- */

static void add_number(cJSON *object, const char *key, uint64_t value)
{
    (void)cJSON_AddNumberToObject(object, key, (double)value);
}

/* The pid whose mailbox, or the id of the node whose send queue it waits for. */
static void write_blocked_on(const struct tr_portrait *portrait, cJSON *object)
{
    char text[32];

    if (!portrait->blocked) {
        (void)cJSON_AddNullToObject(object, "blocked_on");
    } else if (portrait->blocked_on.id != 0) {
        tr_admin_add_pid(object, "blocked_on", portrait->blocked_on);
    } else {
        (void)snprintf(text, sizeof(text), "node %llu",
                       (unsigned long long)portrait->blocked_on.node);
        tr_admin_add_text(object, "blocked_on", text);
    }
}

/* What only the actor itself can tell. */
static void write_inside(const struct tr_portrait *portrait, cJSON *object)
{
    add_number(object, "handled", portrait->handled);
    (void)cJSON_AddNumberToObject(object, "version", portrait->version);
    add_number(object, "links", portrait->links);
    add_number(object, "monitors", portrait->monitors);
    add_number(object, "monitored_by", portrait->monitored_by);
    add_number(object, "groups", portrait->groups);
    add_number(object, "waits", portrait->waits);
    add_number(object, "memory_bytes",
               portrait->block_bytes + portrait->state_bytes + portrait->mailbox_bytes);
    add_number(object, "block_bytes", portrait->block_bytes);
    add_number(object, "state_bytes", portrait->state_bytes);
    add_number(object, "mailbox_bytes", portrait->mailbox_bytes);
    (void)cJSON_AddBoolToObject(object, "traps_exits", portrait->traps);
    (void)cJSON_AddBoolToObject(object, "suspended", portrait->suspended);
    (void)cJSON_AddBoolToObject(object, "blocked", portrait->blocked);
    write_blocked_on(portrait, object);
    (void)cJSON_AddBoolToObject(object, "traced", portrait->traced);
}

void tr_portrait_write(struct tr_portrait *portrait, const char *node_name, cJSON *object)
{
    tr_admin_add_pid(object, "pid", portrait->pid);
    tr_admin_add_text(object, "name", portrait->name);
    tr_admin_add_text(object, "node", node_name);
    tr_admin_add_text(object, "behavior", portrait->behavior);
    if (troupe_pid_is_none(portrait->parent)) {
        (void)cJSON_AddNullToObject(object, "parent");
    } else {
        tr_admin_add_pid(object, "parent", portrait->parent);
    }
    add_number(object, "mailbox_messages", portrait->waiting);
    if (portrait->oldest_ms < 0) {
        (void)cJSON_AddNullToObject(object, "oldest_message_seconds");
    } else {
        (void)cJSON_AddNumberToObject(object, "oldest_message_seconds",
                                      (double)portrait->oldest_ms / 1000);
    }
    (void)cJSON_AddBoolToObject(object, "busy", portrait->busy);
    (void)cJSON_AddBoolToObject(object, "durable", portrait->durable);
    (void)cJSON_AddBoolToObject(object, "frozen", portrait->frozen);
    if (!portrait->busy) {
        write_inside(portrait, object);
    }
    while (portrait->details != NULL && portrait->details->child != NULL) {
        cJSON *item = cJSON_DetachItemViaPointer(portrait->details, portrait->details->child);

        (void)cJSON_AddItemToObject(object, item->string, item);
    }
    cJSON_Delete(portrait->details);
    portrait->details = NULL;
}
