/* Operations of the administration protocol that look at actors. Which of them are told of is
 * found by a look from outside, or, for what they alone know, by asking all of them; then each
 * tells of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/admin.h"
#include "node/portrait.h"

enum {
    LIMIT_DEFAULT = 1000,
    LIMIT_MAX = 10000, /* a reply has to stay below a mebibyte, which may come before */
    ASKED_MAX = 100000,
    WAIT_MS = 1000,
    CHILDREN_WAIT_MS = 100 /* for one supervisor to list its children */
};

static bool no_memory(struct tr_admin *admin)
{
    return tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
}

static uint32_t limit_of(const struct tr_admin *admin)
{
    const uint64_t limit = tr_admin_number(admin, "limit", LIMIT_DEFAULT);

    return limit == 0 || limit > LIMIT_MAX ? LIMIT_MAX : (uint32_t)limit;
}

static uint32_t wait_ms(const struct tr_admin *admin)
{
    return admin->timeout_ms < WAIT_MS ? admin->timeout_ms : WAIT_MS;
}

/* ---- which actors ---- */

enum order { ORDER_NONE, ORDER_MAILBOX, ORDER_OLDEST, ORDER_MEMORY, ORDER_HANDLED };

static bool order_of(struct tr_admin *admin, enum order *order, bool *largest)
{
    static const char *const names[] = {"", "mailbox", "oldest", "memory", "handled"};
    const char *sort = tr_admin_text(admin, "sort", false);

    *order = ORDER_NONE;
    *largest = sort != NULL && sort[0] == '-';
    if (sort == NULL) {
        return true;
    }
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], sort + (*largest ? 1 : 0)) == 0) {
            *order = (enum order)i;
            return true;
        }
    }
    return tr_admin_fail(admin, TROUPE_E_INVALID,
                         "sort is mailbox, oldest, memory or handled, with a - before it for the "
                         "largest first: \"%.64s\"",
                         sort);
}

/* What all actors are asked when only they know. */
struct search {
    struct tr_top top;
    enum order order;
    char behavior[128]; /* "": any */
};

static void search_release(void *context)
{
    struct search *search = context;

    tr_top_fini(&search->top);
    free(search);
}

static int64_t value_of(const struct search *search, const struct tr_portrait *portrait)
{
    switch (search->order) {
    case ORDER_MAILBOX:
        return portrait->waiting;
    case ORDER_OLDEST:
        return portrait->oldest_ms;
    case ORDER_MEMORY:
        return (int64_t)(portrait->block_bytes + portrait->state_bytes + portrait->mailbox_bytes);
    case ORDER_HANDLED:
        return (int64_t)portrait->handled;
    case ORDER_NONE:
        break;
    }
    return 0;
}

static void search_visit(void *context, const troupe_self *self)
{
    struct search *search = context;
    struct tr_portrait portrait;

    if (self == NULL) {
        return;
    }
    tr_portrait_paint(&portrait, self, false);
    if (!portrait.system &&
        (search->behavior[0] == '\0' || strcmp(search->behavior, portrait.behavior) == 0)) {
        tr_top_offer(&search->top, portrait.pid.id, value_of(search, &portrait));
    }
}

/* Looks at every actor from outside. */
static void search_outside(const struct troupe_node *node, struct search *search)
{
    const struct tr_actor *actor = NULL;

    for (uint32_t slot = 0; (actor = tr_table_slot(&node->sched->table, slot)) != NULL; slot++) {
        const uint64_t id = tr_load_acquire(&actor->id);
        struct tr_portrait portrait = {.oldest_ms = -1};

        if (id != 0 && id != node->agent) {
            tr_actor_look(node->sched, actor, &portrait.waiting, &portrait.oldest_ms);
            tr_top_offer(&search->top, id, value_of(search, &portrait));
        }
    }
}

/* Asks every actor; answers how many were not asked. */
static uint64_t ask_all(struct troupe_node *node, struct tr_gallery *gallery)
{
    const struct tr_actor *actor = NULL;
    uint64_t unasked = 0;
    uint32_t asked = 0;

    for (uint32_t slot = 0; (actor = tr_table_slot(&node->sched->table, slot)) != NULL; slot++) {
        const uint64_t id = tr_load_acquire(&actor->id);

        if (id != 0 && asked < ASKED_MAX) {
            tr_gallery_ask(node, gallery, id);
            asked++;
        } else if (id != 0) {
            unasked++;
        }
    }
    return unasked;
}

/* Finds the foremost actors; gives *top, to be ended. */
static bool find_actors(struct tr_admin *admin, struct tr_top *top)
{
    const char *behavior = tr_admin_text(admin, "behavior", false);
    struct search *search = calloc(1, sizeof(*search));
    struct tr_gallery *gallery = NULL;
    bool largest = false;

    *top = (struct tr_top){0};
    if (search == NULL) {
        return no_memory(admin);
    }
    if (!order_of(admin, &search->order, &largest) ||
        tr_top_init(&search->top, limit_of(admin), largest) != TROUPE_OK) {
        search_release(search);
        return no_memory(admin);
    }
    if (behavior != NULL) {
        (void)snprintf(search->behavior, sizeof(search->behavior), "%s", behavior);
    }
    if (behavior == NULL && search->order != ORDER_MEMORY && search->order != ORDER_HANDLED) {
        search_outside(admin->node, search);
        *top = search->top;
        free(search);
        return true;
    }
    gallery = tr_gallery_create(search_visit, search_release, search);
    if (gallery == NULL) {
        return no_memory(admin);
    }
    const uint64_t unasked = ask_all(admin->node, gallery);
    const uint32_t silent = tr_gallery_wait_locked(admin->node, gallery, wait_ms(admin));

    *top = search->top;
    search->top = (struct tr_top){0};
    tr_gallery_drop_locked(gallery);
    (void)cJSON_AddNumberToObject(admin->reply, "not_asked", (double)(unasked + silent));
    return true;
}

/* ---- what they tell ---- */

struct portraits {
    struct tr_portrait *items;
    uint32_t count;
    uint32_t capacity;
    bool details;
};

static void portraits_release(void *context)
{
    struct portraits *portraits = context;

    for (uint32_t i = 0; i < portraits->count; i++) {
        cJSON_Delete(portraits->items[i].details);
    }
    free(portraits->items);
    free(portraits);
}

static void portraits_visit(void *context, const troupe_self *self)
{
    struct portraits *portraits = context;

    if (self != NULL && portraits->count < portraits->capacity &&
        (self->actor->flags & TR_ACTOR_SYSTEM) == 0) {
        tr_portrait_paint(&portraits->items[portraits->count], self, portraits->details);
        portraits->count++;
    }
}

static struct tr_gallery *ask_for_portraits(struct tr_admin *admin, const struct tr_top *top,
                                            bool details, struct portraits **out)
{
    struct portraits *portraits = calloc(1, sizeof(*portraits));
    struct tr_gallery *gallery = NULL;

    if (portraits == NULL) {
        return NULL;
    }
    portraits->details = details;
    portraits->capacity = top->count;
    portraits->items = calloc((size_t)top->count + 1, sizeof(*portraits->items));
    if (portraits->items == NULL) {
        portraits_release(portraits);
        return NULL;
    }
    gallery = tr_gallery_create(portraits_visit, portraits_release, portraits);
    for (uint32_t i = 0; gallery != NULL && i < top->count; i++) {
        tr_gallery_ask(admin->node, gallery, top->entries[i].id);
    }
    *out = portraits;
    return gallery;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t x = ((const struct tr_portrait *)a)->pid.id;
    const uint64_t y = ((const struct tr_portrait *)b)->pid.id;

    return x < y ? -1 : x > y ? 1 : 0;
}

/* The portrait of an id; one that did not tell of itself is sketched. */
static struct tr_portrait *portrait_of(struct tr_admin *admin, struct portraits *portraits,
                                       uint64_t id, struct tr_portrait *sketch)
{
    const struct tr_portrait key = {.pid = {.id = id}};
    struct tr_portrait *found =
        bsearch(&key, portraits->items, portraits->count, sizeof(key), by_id);

    if (found == NULL && tr_portrait_sketch(sketch, admin->node, id)) {
        found = sketch;
    }
    return found;
}

void tr_admin_actors(struct tr_admin *admin)
{
    struct portraits *portraits = NULL;
    struct tr_gallery *gallery = NULL;
    struct tr_top top;

    if (!find_actors(admin, &top)) {
        return;
    }
    tr_top_sort(&top);
    gallery = ask_for_portraits(admin, &top, false, &portraits);
    if (gallery == NULL) {
        tr_top_fini(&top);
        (void)no_memory(admin);
        return;
    }
    const uint32_t silent = tr_gallery_wait_locked(admin->node, gallery, wait_ms(admin));
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "actors");
    bool room = true;

    qsort(portraits->items, portraits->count, sizeof(*portraits->items), by_id);
    for (uint32_t i = 0; i < top.count && room; i++) {
        struct tr_portrait sketch;
        struct tr_portrait *portrait = portrait_of(admin, portraits, top.entries[i].id, &sketch);

        if (portrait != NULL) {
            cJSON *item = cJSON_CreateObject();

            tr_portrait_write(portrait, admin->node->name, item);
            room = tr_admin_add_item(admin, list, item);
        }
    }
    (void)cJSON_AddNumberToObject(admin->reply, "busy", silent);
    (void)cJSON_AddNumberToObject(admin->reply, "total", (double)tr_node_user_actors(admin->node));
    tr_gallery_drop_locked(gallery);
    tr_top_fini(&top);
}

/* ---- one actor ---- */

bool tr_admin_local(struct tr_admin *admin, troupe_pid *pid)
{
    const char *to = tr_admin_text(admin, "to", true);
    troupe_status status = TROUPE_OK;

    if (to == NULL) {
        return false;
    }
    if (to[0] == '<') {
        status = troupe_pid_parse(to, pid);
    } else {
        status = troupe_node_whereis(admin->node, to, admin->timeout_ms, pid);
    }
    if (status != TROUPE_OK) {
        return tr_admin_fail(admin, status, "no such actor: \"%.255s\"", to);
    }
    if (pid->node != tr_sched_node_id(admin->node->sched)) {
        return tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "\"%.255s\" is on node %llu, not here", to,
                             (unsigned long long)pid->node);
    }
    return true;
}

void tr_admin_actor(struct tr_admin *admin)
{
    struct portraits *portraits = NULL;
    struct tr_top_entry entry = {0};
    struct tr_portrait sketch;
    troupe_pid pid = {0};

    if (!tr_admin_local(admin, &pid)) {
        return;
    }
    entry.id = pid.id;
    struct tr_gallery *gallery =
        ask_for_portraits(admin, &(struct tr_top){.entries = &entry, .count = 1}, true, &portraits);

    if (gallery == NULL) {
        (void)no_memory(admin);
        return;
    }
    const uint32_t silent = tr_gallery_wait_locked(admin->node, gallery, wait_ms(admin));

    if (portraits->count == 1) {
        tr_portrait_write(&portraits->items[0], admin->node->name, admin->reply);
    } else if (silent > 0 && tr_portrait_sketch(&sketch, admin->node, pid.id)) {
        tr_portrait_write(&sketch, admin->node->name, admin->reply);
    } else {
        (void)tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "no such actor: \"%.255s\"",
                            tr_admin_text(admin, "to", true));
    }
    tr_gallery_drop_locked(gallery);
}

/* ---- the tree ---- */

/* Adds what a supervisor says of its children. */
static bool add_children(struct tr_admin *admin, cJSON *list, troupe_pid supervisor)
{
    troupe_result result = {0};
    bool room = true;
    const troupe_status status = troupe_node_call(
        admin->node, supervisor, &troupe_list_children_type, NULL, CHILDREN_WAIT_MS, &result);
    const troupe_children *children =
        status == TROUPE_OK ? troupe_result_as(&result, &troupe_children_type) : NULL;

    for (size_t i = 0; children != NULL && i < children->children_count && room; i++) {
        const troupe_child_state *child = &children->children[i];
        cJSON *item = cJSON_CreateObject();

        tr_admin_add_pid(item, "supervisor", supervisor);
        tr_admin_add_text(item, "id", child->id);
        tr_admin_add_text(item, "state", child->state);
        tr_admin_add_text(item, "behavior", child->behavior);
        tr_admin_add_text(item, "name", child->name);
        tr_admin_add_text(item, "node", child->node);
        tr_admin_add_text(item, "placement", child->placement);
        if (troupe_pid_is_none(child->pid)) {
            (void)cJSON_AddNullToObject(item, "pid");
        } else {
            tr_admin_add_pid(item, "pid", child->pid);
        }
        (void)cJSON_AddNumberToObject(item, "restarts", (double)child->restarts);
        room = tr_admin_add_item(admin, list, item);
    }
    troupe_result_clear(&result);
    return room;
}

static void add_tree_actor(struct tr_admin *admin, cJSON *list, const struct tr_portrait *portrait)
{
    cJSON *item = cJSON_CreateObject();

    tr_admin_add_pid(item, "pid", portrait->pid);
    if (troupe_pid_is_none(portrait->parent)) {
        (void)cJSON_AddNullToObject(item, "parent");
    } else {
        tr_admin_add_pid(item, "parent", portrait->parent);
    }
    tr_admin_add_text(item, "name", portrait->name);
    tr_admin_add_text(item, "behavior", portrait->behavior);
    (void)cJSON_AddNumberToObject(item, "mailbox_messages", portrait->waiting);
    (void)cJSON_AddBoolToObject(item, "busy", portrait->busy);
    (void)cJSON_AddBoolToObject(item, "supervisor", portrait->supervises);
    (void)tr_admin_add_item(admin, list, item);
}

void tr_admin_tree(struct tr_admin *admin)
{
    struct portraits *portraits = NULL;
    struct tr_gallery *gallery = NULL;
    troupe_pid *supervisors = NULL;
    uint32_t count = 0;
    struct tr_top top;

    if (!find_actors(admin, &top)) {
        return;
    }
    tr_top_sort(&top);
    supervisors = calloc((size_t)top.count + 1, sizeof(*supervisors));
    gallery = supervisors == NULL ? NULL : ask_for_portraits(admin, &top, false, &portraits);
    if (gallery == NULL) {
        free(supervisors);
        tr_top_fini(&top);
        (void)no_memory(admin);
        return;
    }
    (void)tr_gallery_wait_locked(admin->node, gallery, wait_ms(admin));
    cJSON *actors = cJSON_AddArrayToObject(admin->reply, "actors");

    qsort(portraits->items, portraits->count, sizeof(*portraits->items), by_id);
    for (uint32_t i = 0; i < top.count; i++) {
        struct tr_portrait sketch;
        const struct tr_portrait *portrait =
            portrait_of(admin, portraits, top.entries[i].id, &sketch);

        if (portrait != NULL) {
            add_tree_actor(admin, actors, portrait);
        }
        if (portrait != NULL && portrait->supervises) {
            supervisors[count++] = portrait->pid;
        }
    }
    tr_gallery_drop_locked(gallery);
    tr_top_fini(&top);
    cJSON *children = cJSON_AddArrayToObject(admin->reply, "children");

    for (uint32_t i = 0; i < count && add_children(admin, children, supervisors[i]); i++) {
    }
    free(supervisors);
    (void)cJSON_AddNumberToObject(admin->reply, "total", (double)tr_node_user_actors(admin->node));
    tr_admin_add_text(admin->reply, "node", admin->node->name);
}
