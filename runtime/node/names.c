/* Names that actors of this node hold, and registering them. What other nodes hold is looked up in
 * lookup.c.
 *
 * A name is reserved here first, so that two actors of one node never race in the registry, and
 * confirmed when the registry has said yes. Until then nobody knows who will have it: who wants it
 * too waits. On a node without a registry the reservation is all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "base/check.h"
#include "io/loop.h"
#include "node/names.h"
#include "node/node.h"
#include "node/node_monitors.h"

/* One name that an actor of this node holds, or is about to. */
struct tr_held_name {
    struct tr_held_name *next; /* of the same hash */
    uint64_t actor_id;
    uint64_t epoch; /* 0 on a node without a registry */
    bool durable;
    bool asked;                   /* the registry is: it answers, whatever becomes of the actor */
    bool confirmed;               /* by the registry; on a local node at once */
    struct tr_rival *rivals;      /* who waits until that is decided */
    struct tr_farewell *farewell; /* NULL on a node without a registry */
    char name[];
};

static struct tr_held_name *find(struct troupe_node *node, const char *name)
{
    struct tr_held_name *held = tr_map_get(&node->names, tr_hash_text(name));

    while (held != NULL && strcmp(held->name, name) != 0) {
        held = held->next;
    }
    return held;
}

static void held_free(struct tr_held_name *held)
{
    tr_farewell_destroy(held->farewell);
    free(held);
}

troupe_status tr_names_init(struct troupe_node *node)
{
    tr_mutex_init(&node->names_mutex);
    return TROUPE_OK;
}

void tr_names_fini(struct troupe_node *node)
{
    struct tr_held_name *held = NULL;

    while ((held = tr_map_take_any(&node->names)) != NULL) {
        while (held != NULL) {
            struct tr_held_name *next = held->next;

            tr_rivals_free(held->rivals);
            held_free(held);
            held = next;
        }
    }
    tr_map_fini(&node->names);
    tr_mutex_fini(&node->names_mutex);
}

static troupe_status add(struct troupe_node *node, const char *name, uint64_t actor_id,
                         bool durable)
{
    const size_t size = strlen(name) + 1;
    struct tr_held_name *held = malloc(sizeof(*held) + size);

    if (held == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *held = (struct tr_held_name){
        .next = tr_map_get(&node->names, tr_hash_text(name)),
        .actor_id = actor_id,
        .durable = durable,
        .farewell = node->registry == NULL ? NULL : tr_farewell_create(node, name)};
    memcpy(held->name, name, size);
    if ((held->farewell == NULL && node->registry != NULL) ||
        tr_map_put(&node->names, tr_hash_text(name), held) != TROUPE_OK) {
        held_free(held);
        return TROUPE_E_NO_MEMORY;
    }
    return TROUPE_OK;
}

troupe_status tr_names_reserve(struct troupe_node *node, const char *name, uint64_t actor_id,
                               bool durable, uint64_t *holder)
{
    tr_mutex_lock(&node->names_mutex);
    const struct tr_held_name *held = find(node, name);
    troupe_status status = TROUPE_E_EXISTS;

    if (held == NULL) {
        status = add(node, name, actor_id, durable);
    } else if (!held->confirmed && node->registry != NULL) {
        status = TROUPE_OK; /* It waits for its turn: see tr_names_turn. */
    } else {
        *holder = held->actor_id;
    }
    tr_mutex_unlock(&node->names_mutex);
    return status;
}

enum tr_name_turn tr_names_turn(struct troupe_node *node, const char *name, uint64_t actor_id,
                                bool durable, struct tr_rival *rival, struct tr_name_result *holder)
{
    enum tr_name_turn turn = TR_NAME_MINE;

    tr_mutex_lock(&node->names_mutex);
    struct tr_held_name *held = find(node, name);

    if (held == NULL && add(node, name, actor_id, durable) == TROUPE_OK) {
        held = find(node, name);
    }
    if (held == NULL) {
        turn = TR_NAME_NO_MEMORY;
    } else if (held->confirmed) {
        *holder = (struct tr_name_result){
            .status = TROUPE_E_EXISTS,
            .pid = {.node = tr_sched_node_id(node->sched), .id = held->actor_id},
            .epoch = held->epoch,
            .text = ""};
        turn = TR_NAME_TAKEN;
    } else if (held->actor_id != actor_id) {
        struct tr_rival **end = &held->rivals;

        while (*end != NULL) {
            end = &(*end)->next;
        }
        rival->next = NULL;
        *end = rival;
        turn = TR_NAME_LATER;
    } else {
        held->asked = true;
    }
    tr_mutex_unlock(&node->names_mutex);
    return turn;
}

troupe_status tr_names_claim(struct troupe_node *node, const char *name, uint64_t actor_id)
{
    tr_mutex_lock(&node->names_mutex);
    struct tr_held_name *held = find(node, name);
    troupe_status status = TROUPE_OK;

    if (held == NULL) {
        status = add(node, name, actor_id, true);
    } else if (held->confirmed) {
        status = TROUPE_E_EXISTS;
    } else {
        held->actor_id = actor_id;
        held->durable = true;
        held->asked = false;
    }
    tr_mutex_unlock(&node->names_mutex);
    return status;
}

void tr_names_confirm(struct troupe_node *node, const char *name, uint64_t actor_id, uint64_t epoch)
{
    tr_mutex_lock(&node->names_mutex);
    struct tr_held_name *held = find(node, name);

    struct tr_rival *rivals = NULL;

    if (held != NULL && held->actor_id == actor_id) {
        held->epoch = epoch;
        held->confirmed = true;
        rivals = held->rivals;
        held->rivals = NULL;
    }
    tr_mutex_unlock(&node->names_mutex);
    tr_rivals_go_on(rivals);
}

/* Forgets the name if actor_id holds it, which `ends`: then not while the registry is asked. Gives
 * what says farewell to the registry, and *epoch; NULL: it was not held, or there is no registry.
 */
static struct tr_farewell *part(struct troupe_node *node, const char *name, uint64_t actor_id,
                                bool ends, uint64_t *epoch)
{
    struct tr_rival *rivals = NULL;
    struct tr_farewell *farewell = NULL;

    *epoch = 0;

    tr_mutex_lock(&node->names_mutex);
    struct tr_held_name *held = find(node, name);

    if (held != NULL && held->actor_id == actor_id && (!ends || !held->asked || held->confirmed)) {
        struct tr_held_name *first = tr_map_take(&node->names, tr_hash_text(name));
        struct tr_held_name **link = &first;

        while (*link != held) {
            link = &(*link)->next;
        }
        *link = held->next;
        if (first != NULL) {
            /* The place was just freed, so nothing has to grow. */
            TR_CHECK(tr_map_put(&node->names, tr_hash_text(name), first) == TROUPE_OK);
        }
        *epoch = held->epoch;
        rivals = held->rivals;
        farewell = held->farewell;
        free(held);
    }
    tr_mutex_unlock(&node->names_mutex);
    tr_rivals_go_on(rivals);
    return farewell;
}

/* Leaves the name where it is. */
static struct tr_farewell *take_farewell(struct troupe_node *node, const char *name,
                                         uint64_t actor_id)
{
    struct tr_farewell *farewell = NULL;

    tr_mutex_lock(&node->names_mutex);
    struct tr_held_name *held = find(node, name);

    if (held != NULL && held->actor_id == actor_id) {
        farewell = held->farewell;
        held->farewell = NULL;
    }
    tr_mutex_unlock(&node->names_mutex);
    return farewell;
}

uint64_t tr_names_release(struct troupe_node *node, const char *name, uint64_t actor_id)
{
    uint64_t epoch = 0;

    tr_farewell_destroy(part(node, name, actor_id, false, &epoch));
    return epoch;
}

void tr_names_of(struct troupe_node *node, uint64_t actor_id, char name[TR_NAME_SIZE_MAX + 1],
                 bool *durable)
{
    const struct tr_held_name *held = NULL;
    uint32_t position = 0;

    name[0] = '\0';
    *durable = false;
    tr_mutex_lock(&node->names_mutex);
    while ((held = tr_map_next(&node->names, &position)) != NULL) {
        for (; held != NULL; held = held->next) {
            if (held->actor_id == actor_id) {
                (void)snprintf(name, TR_NAME_SIZE_MAX + 1, "%s", held->name);
                *durable = held->durable;
            }
        }
    }
    tr_mutex_unlock(&node->names_mutex);
}

uint64_t tr_names_local(struct troupe_node *node, const char *name)
{
    tr_mutex_lock(&node->names_mutex);
    const struct tr_held_name *held = find(node, name);
    const uint64_t actor_id = held != NULL && held->confirmed ? held->actor_id : 0;

    tr_mutex_unlock(&node->names_mutex);
    return actor_id;
}

uint64_t tr_names_epoch(struct troupe_node *node, const char *name)
{
    tr_mutex_lock(&node->names_mutex);
    const struct tr_held_name *held = find(node, name);
    const uint64_t epoch = held == NULL ? 0 : held->epoch;

    tr_mutex_unlock(&node->names_mutex);
    return epoch;
}

const char *tr_checkpoint_name(int32_t checkpoint)
{
    static const char *const names[] = {"each", "every", "on_stop", "explicit"};

    return checkpoint >= 0 && checkpoint < 4 ? names[checkpoint] : names[0];
}

int32_t tr_checkpoint_of(const char *name)
{
    for (int32_t i = 0; i < 4; i++) {
        if (name != NULL && strcmp(tr_checkpoint_name(i), name) == 0) {
            return i;
        }
    }
    return TROUPE_CHECKPOINT_EACH;
}

/* ---- giving up ---- */

void tr_names_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    struct troupe_node *node = context;
    struct tr_actor_extra *extra = actor->extra;
    const uint64_t id = tr_load_relaxed(&actor->id);

    if (extra == NULL) {
        return;
    }
    tr_cluster_forget_watcher(node, id);
    const bool durable = extra->durable != NULL;

    tr_durable_free(extra->durable);
    extra->durable = NULL;
    if (extra->name == NULL) {
        return;
    }
    uint64_t epoch = 0;
    struct tr_farewell *farewell = part(node, extra->name, id, true, &epoch);

    /* A durable actor's row outlives all ends but its own wish. One that ends `fenced` may have got
     * that from another node, by a link: the name is ours still. */
    if (node->registry == NULL || epoch == 0 ||
        (TR_BUG(FENCED_KEEPS_NAME) && reason_kind == TROUPE_REASON_FENCED)) {
        tr_farewell_destroy(farewell);
    } else if (durable && reason_kind != TROUPE_REASON_NORMAL) {
        tr_adopt_stopped(node, extra->name, epoch);
        tr_farewell_destroy(farewell);
    } else {
        (void)tr_farewell_say(farewell, epoch, 0, 0);
    }
}

void tr_names_unnamed(void *context, uint64_t actor_id, const char *name, uint64_t epoch)
{
    struct troupe_node *node = context;

    struct tr_farewell *farewell = take_farewell(node, name, actor_id);

    /* First, so that who waits for the name finds it free in the registry. */
    if (farewell != NULL && epoch != 0 && !TR_BUG(NAME_OF_THE_DEAD)) {
        (void)tr_farewell_say(farewell, epoch, 0, 0);
    } else {
        tr_farewell_destroy(farewell);
    }
    (void)tr_names_release(node, name, actor_id);
}

/* ---- what actors ask for ---- */

void tr_names_answer(struct troupe_node *node, uint64_t actor_id, uint64_t ref,
                     troupe_status status, troupe_pid pid, const char *text)
{
    struct tr_message *message = tr_message_create_result(&node->sched->shared_cache, ref, status,
                                                          pid, 0, text == NULL ? "" : text);

    if (message != NULL) {
        message->to = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = actor_id};
        (void)tr_sched_post(node->sched, NULL, message);
    }
}

struct tr_wait *tr_names_wait(troupe_self *self, uint32_t timeout_ms, troupe_then then,
                              uint64_t tag)
{
    struct tr_wait *wait =
        tr_wait_start(self, TR_WAIT_OPERATION,
                      timeout_ms == 0 ? self->sched->options.call_timeout_ms : timeout_ms);

    if (wait != NULL) {
        wait->then = then;
        wait->tag = tag;
    }
    return wait;
}

static troupe_status set_name(troupe_self *self, const char *name)
{
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);

    if (extra == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    extra->name = strdup(name);
    return extra->name == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

static void clear_name(troupe_self *self)
{
    struct tr_actor_extra *extra = self->actor->extra;

    free(extra->name);
    extra->name = NULL;
    extra->named = false;
    extra->epoch = 0;
}

troupe_status troupe_register(troupe_self *self, const char *name, uint32_t timeout_ms,
                              troupe_then then, uint64_t tag)
{
    struct troupe_node *node = self->sched->options.owner;
    const struct tr_actor_extra *extra = self->actor->extra;
    uint64_t holder = 0;

    if (!tr_name_is_valid(name) || then == NULL || (extra != NULL && extra->name != NULL)) {
        return TROUPE_E_INVALID;
    }
    struct tr_wait *wait = tr_names_wait(self, timeout_ms, then, tag);

    if (wait == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    troupe_status status = tr_names_reserve(node, name, self->id, false, &holder);
    const troupe_pid pid = {.node = tr_sched_node_id(self->sched),
                            .id = status == TROUPE_E_EXISTS ? holder : self->id};

    if (status == TROUPE_OK) {
        status = set_name(self, name);
    }
    if (status == TROUPE_OK && node->registry != NULL) {
        status = tr_names_register_self(self, name, timeout_ms, wait->ref);
        if (status == TROUPE_OK) {
            return TROUPE_OK;
        }
        (void)tr_names_release(node, name, self->id);
        clear_name(self);
    } else if (status == TROUPE_OK) {
        tr_names_confirm(node, name, self->id, 0);
        self->actor->extra->named = true;
    } else if (status != TROUPE_E_EXISTS) {
        (void)tr_names_release(node, name, self->id);
    }
    tr_names_answer(node, self->id, wait->ref, status, pid, troupe_status_text(status));
    return TROUPE_OK;
}

troupe_status troupe_unregister(troupe_self *self, const char *name, uint32_t timeout_ms,
                                troupe_then then, uint64_t tag)
{
    struct troupe_node *node = self->sched->options.owner;
    struct tr_actor_extra *extra = self->actor->extra;
    const bool own = extra != NULL && extra->named && name != NULL &&
                     strcmp(extra->name, name) == 0 && extra->durable == NULL;

    if (then == NULL || !tr_name_is_valid(name)) {
        return TROUPE_E_INVALID;
    }
    struct tr_wait *wait = tr_names_wait(self, timeout_ms, then, tag);

    if (wait == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    troupe_status status = own ? TROUPE_OK : TROUPE_E_NOT_FOUND;

    if (own) {
        uint64_t epoch = 0;
        struct tr_farewell *farewell = part(node, name, self->id, false, &epoch);

        clear_name(self);
        if (farewell != NULL) {
            status = tr_farewell_say(farewell, epoch, self->id, wait->ref);
            if (status == TROUPE_OK) {
                return TROUPE_OK;
            }
        }
    }
    tr_names_answer(node, self->id, wait->ref, status, (troupe_pid){0}, troupe_status_text(status));
    return TROUPE_OK;
}
