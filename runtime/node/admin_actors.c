/* Operations of the administration protocol that look at actors. Each actor tells of itself, in its
 * own turn: nothing is read from outside, so nothing can be torn. An actor that is busy for longer
 * than the request waits is left out, and the reply says how many were.
 */
#include <stdlib.h>
#include <string.h>

#include "node/admin.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 100000, WAIT_MS = 1000 };

/* What one actor has told. */
struct portrait {
    troupe_pid pid;
    char behavior[128];
    char name[TR_NAME_SIZE_MAX + 1];
    uint32_t waiting;
    uint32_t relations;
    uint64_t handled;
    bool durable;
    bool traps;
    char *state; /* JSON; only when asked for */
};

/* Where they gather; lives until the last of them has answered, whoever waits no longer. */
struct gallery {
    struct tr_mutex mutex;
    struct tr_cond cond;
    uint32_t holders; /* the asker and those who have not answered */
    uint32_t asked;
    uint32_t answered;
    bool with_state;
    struct portrait *portraits;
    uint32_t count;
    uint32_t capacity;
};

static void gallery_drop(struct gallery *gallery)
{
    tr_mutex_lock(&gallery->mutex);
    const bool last = --gallery->holders == 0;

    tr_mutex_unlock(&gallery->mutex);
    if (!last) {
        return;
    }
    for (uint32_t i = 0; i < gallery->count; i++) {
        troupe_json_free(gallery->portraits[i].state);
    }
    free(gallery->portraits);
    tr_cond_fini(&gallery->cond);
    tr_mutex_fini(&gallery->mutex);
    free(gallery);
}

static struct gallery *gallery_create(uint32_t capacity, bool with_state)
{
    struct gallery *gallery = calloc(1, sizeof(*gallery));

    if (gallery == NULL) {
        return NULL;
    }
    gallery->portraits = calloc(capacity, sizeof(*gallery->portraits));
    if (gallery->portraits == NULL) {
        free(gallery);
        return NULL;
    }
    gallery->capacity = capacity;
    gallery->with_state = with_state;
    gallery->holders = 1;
    tr_mutex_init(&gallery->mutex);
    tr_cond_init(&gallery->cond);
    return gallery;
}

static void copy_text(char *to, size_t size, const char *from)
{
    const size_t length = from == NULL ? 0 : strnlen(from, size - 1);

    if (length > 0) {
        memcpy(to, from, length);
    }
    to[length] = '\0';
}

/* Paints the actor. */
static void paint(struct portrait *portrait, troupe_self *self, bool with_state)
{
    const struct tr_actor *actor = self->actor;

    portrait->pid = tr_self_pid(self);
    copy_text(portrait->behavior, sizeof(portrait->behavior), actor->behavior->name);
    copy_text(portrait->name, sizeof(portrait->name),
              actor->extra == NULL ? NULL : actor->extra->name);
    portrait->waiting = tr_load32_relaxed(&actor->waiting);
    portrait->relations = actor->relations.count;
    portrait->handled = actor->handled;
    portrait->durable = (actor->flags & TR_ACTOR_DURABLE) != 0;
    portrait->traps = (actor->flags & TR_ACTOR_TRAPS) != 0;
    if (with_state && actor->behavior->state != NULL &&
        troupe_to_json(actor->behavior->state, actor->state, &portrait->state) != TROUPE_OK) {
        portrait->state = NULL;
    }
}

static void on_inspect(troupe_self *self, void *context)
{
    struct gallery *gallery = context;

    tr_mutex_lock(&gallery->mutex);
    if (self != NULL && gallery->count < gallery->capacity &&
        (self->actor->flags & TR_ACTOR_SYSTEM) == 0) {
        paint(&gallery->portraits[gallery->count], self, gallery->with_state);
        gallery->count++;
    }
    gallery->answered++;
    tr_cond_signal(&gallery->cond);
    tr_mutex_unlock(&gallery->mutex);
    gallery_drop(gallery);
}

static void ask(struct troupe_node *node, struct gallery *gallery, uint64_t actor_id)
{
    tr_mutex_lock(&gallery->mutex);
    gallery->holders++;
    gallery->asked++;
    tr_mutex_unlock(&gallery->mutex);
    if (tr_sched_inspect(node->sched, actor_id, on_inspect, gallery) != TROUPE_OK) {
        /* Nobody will answer; the asker still holds the gallery. */
        tr_mutex_lock(&gallery->mutex);
        gallery->holders--;
        gallery->answered++;
        tr_mutex_unlock(&gallery->mutex);
    }
}

/* Waits for those asked; answers how many have not answered. Leaves the gallery locked. */
static uint32_t wait_locked(const struct tr_admin *admin, struct gallery *gallery)
{
    const struct tr_clock *clock = admin->node->sched->options.clock;
    const uint32_t wait_ms = admin->timeout_ms < WAIT_MS ? admin->timeout_ms : WAIT_MS;
    const int64_t until = tr_clock_now(clock) + (int64_t)wait_ms * TR_NS_PER_MS;

    tr_mutex_lock(&gallery->mutex);
    while (gallery->answered < gallery->asked && tr_clock_now(clock) < until) {
        tr_node_wait(admin->node, &gallery->cond, &gallery->mutex, until - tr_clock_now(clock));
    }
    return gallery->asked - gallery->answered;
}

static void add_portrait(struct tr_admin *admin, cJSON *item, const struct portrait *portrait)
{
    tr_admin_add_pid(item, "pid", portrait->pid);
    tr_admin_add_text(item, "name", portrait->name);
    tr_admin_add_text(item, "node", admin->node->name);
    tr_admin_add_text(item, "behavior", portrait->behavior);
    (void)cJSON_AddNumberToObject(item, "mailbox_messages", portrait->waiting);
    (void)cJSON_AddNumberToObject(item, "relations", portrait->relations);
    (void)cJSON_AddNumberToObject(item, "handled", (double)portrait->handled);
    (void)cJSON_AddBoolToObject(item, "durable", portrait->durable);
    (void)cJSON_AddBoolToObject(item, "traps_exits", portrait->traps);
    if (portrait->state != NULL) {
        (void)cJSON_AddRawToObject(item, "state", portrait->state);
    }
}

void tr_admin_actors(struct tr_admin *admin)
{
    struct tr_sched *sched = admin->node->sched;
    const char *behavior = tr_admin_text(admin, "behavior", false);
    uint64_t limit = tr_admin_number(admin, "limit", LIMIT_DEFAULT);
    struct gallery *gallery = NULL;

    limit = limit == 0 || limit > LIMIT_MAX ? LIMIT_MAX : limit;
    gallery = gallery_create((uint32_t)limit, false);
    if (gallery == NULL) {
        (void)tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
        return;
    }
    for (uint32_t slot = 0; gallery->asked < limit + TR_TABLE_CHUNK; slot++) {
        const struct tr_actor *actor = tr_table_slot(&sched->table, slot);

        if (actor == NULL) {
            break;
        }
        if (tr_load_acquire(&actor->id) != 0) {
            ask(admin->node, gallery, tr_load_acquire(&actor->id));
        }
    }
    const uint32_t silent = wait_locked(admin, gallery);
    cJSON *list = cJSON_AddArrayToObject(admin->reply, "actors");

    for (uint32_t i = 0; i < gallery->count; i++) {
        if (behavior == NULL || strcmp(behavior, gallery->portraits[i].behavior) == 0) {
            cJSON *item = cJSON_CreateObject();

            add_portrait(admin, item, &gallery->portraits[i]);
            (void)cJSON_AddItemToArray(list, item);
        }
    }
    (void)cJSON_AddNumberToObject(admin->reply, "busy", silent);
    tr_mutex_unlock(&gallery->mutex);
    gallery_drop(gallery);
}

void tr_admin_actor(struct tr_admin *admin)
{
    const char *to = tr_admin_text(admin, "to", true);
    struct gallery *gallery = NULL;
    troupe_pid pid = {0};
    troupe_status status = TROUPE_OK;

    if (to == NULL) {
        return;
    }
    if (to[0] == '<') {
        status = troupe_pid_parse(to, &pid);
    } else {
        status = troupe_node_whereis(admin->node, to, admin->timeout_ms, &pid);
    }
    if (status != TROUPE_OK) {
        (void)tr_admin_fail(admin, status, "no such actor: \"%.255s\"", to);
        return;
    }
    if (pid.node != tr_sched_node_id(admin->node->sched)) {
        (void)tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "\"%.255s\" is on node %llu, not here", to,
                            (unsigned long long)pid.node);
        return;
    }
    gallery = gallery_create(1, true);
    if (gallery == NULL) {
        (void)tr_admin_fail(admin, TROUPE_E_NO_MEMORY, "out of memory");
        return;
    }
    ask(admin->node, gallery, pid.id);
    const uint32_t silent = wait_locked(admin, gallery);

    if (silent > 0) {
        (void)tr_admin_fail(admin, TROUPE_E_TIMEOUT, "the actor is busy in a handler");
    } else if (gallery->count == 0) {
        (void)tr_admin_fail(admin, TROUPE_E_NOT_FOUND, "no such actor: \"%.255s\"", to);
    } else {
        add_portrait(admin, admin->reply, &gallery->portraits[0]);
    }
    tr_mutex_unlock(&gallery->mutex);
    gallery_drop(gallery);
}
