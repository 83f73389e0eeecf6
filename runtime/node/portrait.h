/* node/portrait.h - what can be told of one actor, and those of many actors gathered.
 *
 * Each actor tells of itself, in its own turn: nothing is torn. One that does not answer in time,
 * since it is in a handler or waits for its node's lease, is sketched from outside: what it has let
 * be seen of itself.
 *
 *     tr_top_init(&top, limit, true); tr_top_offer(&top, id, value) ...
 *     gallery = tr_gallery_create(limit, visit); tr_gallery_ask(node, gallery, id) ...
 *     silent = tr_gallery_wait_locked(...); ... tr_gallery_drop(gallery)
 *
 * Threads: said with each function.
 * Memory: a gallery lives until the last of those asked has answered, whoever waits no longer.
 */
#ifndef TR_NODE_PORTRAIT_H
#define TR_NODE_PORTRAIT_H

#include <cjson/cJSON.h>

#include "node/node.h"

struct tr_portrait {
    troupe_pid pid;
    troupe_pid parent; /* none: started from outside */
    char behavior[128];
    char name[TR_NAME_SIZE_MAX + 1];
    int32_t version;
    uint32_t waiting;  /* messages */
    int64_t oldest_ms; /* age of the oldest message; -1: there is none */
    uint64_t handled;
    uint32_t links;
    uint32_t monitors;
    uint32_t monitored_by;
    uint32_t groups;
    uint32_t waits; /* calls, operations and timers that it waits for */
    uint64_t block_bytes;
    uint64_t state_bytes;
    uint64_t mailbox_bytes;
    bool durable;
    bool traps;
    bool suspended;
    bool blocked;          /* by a full mailbox or send queue */
    troupe_pid blocked_on; /* whose; id 0: of that node */
    bool frozen;
    bool traced;
    bool supervises; /* answers troupe.list_children */
    bool system;
    bool busy;      /* sketched: it did not answer */
    cJSON *details; /* state, and whom it is linked to and so on; owned; NULL: not asked for */
};

/* In the actor: paints it. */
void tr_portrait_paint(struct tr_portrait *portrait, const troupe_self *self, bool details);
/* Any thread: from outside. Answers false when there is no such actor. */
bool tr_portrait_sketch(struct tr_portrait *portrait, struct troupe_node *node, uint64_t actor_id);
/* Any thread: messages that wait, and the age of the oldest. */
void tr_actor_look(const struct tr_sched *sched, const struct tr_actor *actor, uint32_t *waiting,
                   int64_t *oldest_ms);
/* Adds everything to a JSON object; what the actor gave as details is moved there. */
void tr_portrait_write(struct tr_portrait *portrait, const char *node_name, cJSON *object);

/* ---- the largest of many ---- */

struct tr_top_entry {
    uint64_t id;
    int64_t value;
};

/* A heap whose first entry is the one that goes next. */
struct tr_top {
    struct tr_top_entry *entries;
    uint32_t count;
    uint32_t capacity;
    bool largest;
};

TROUPE_MUST_USE troupe_status tr_top_init(struct tr_top *top, uint32_t capacity, bool largest);
void tr_top_fini(struct tr_top *top);
void tr_top_offer(struct tr_top *top, uint64_t id, int64_t value);
/* Puts them in order, the foremost first. */
void tr_top_sort(struct tr_top *top);

/* ---- many ---- */

struct tr_gallery;

/* Called in an actor, one after the other, under the gallery's lock; self NULL: there is no such
 * actor. */
typedef void (*tr_gallery_visit)(void *context, const troupe_self *self);

/* context is on the heap and is freed with the gallery by release; taken, whatever the answer. */
struct tr_gallery *tr_gallery_create(tr_gallery_visit visit, void (*release)(void *context),
                                     void *context);
/* Any thread but an actor's. */
void tr_gallery_ask(struct troupe_node *node, struct tr_gallery *gallery, uint64_t actor_id);
/* Waits for those asked, and answers how many have not answered. The gallery is locked then. */
uint32_t tr_gallery_wait_locked(struct troupe_node *node, struct tr_gallery *gallery,
                                uint32_t timeout_ms);
/* Unlocks it and gives it up. */
void tr_gallery_drop_locked(struct tr_gallery *gallery);

#endif
