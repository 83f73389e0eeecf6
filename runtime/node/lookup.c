/* Messages to names that this node does not hold: the registry is asked, and they go on.
 *
 * All messages to one name wait in one list while it is looked up, so they keep their order. While
 * anything waits, later messages to names take the same way: else one could overtake.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "io/loop.h"
#include "io/timer.h"
#include "node/names.h"
#include "node/node.h"

enum lookup_state { LOOKUP_ASKING, LOOKUP_PAUSING };

struct tr_lookup {
    struct tr_lookup *next;
    struct troupe_node *node;
    enum lookup_state state;
    struct tr_message *head; /* oldest first */
    struct tr_message *tail;
    char name[];
};

static bool is_past(const struct troupe_node *node, struct tr_message *message)
{
    return tr_message_name(message)->deadline_ns <= tr_clock_now(node->sched->options.clock);
}

/* Nobody can be found: requests are told. Takes the message. */
static void give_up(struct troupe_node *node, struct tr_message *message, troupe_status status)
{
    message->flags &= (uint8_t)~TR_MESSAGE_NAMED;
    tr_sched_bounce(node->sched, NULL, message,
                    status == TROUPE_E_NOT_FOUND ? TROUPE_E_NOPROC : status, NULL);
}

/* Sends a message on to who holds its name. Takes it. */
static void go_on(struct troupe_node *node, struct tr_message *message, troupe_pid pid,
                  uint64_t epoch)
{
    if (message->signal == TR_SIGNAL_CALL) {
        struct tr_message *target =
            tr_message_create(&node->sched->shared_cache, TR_SIGNAL_CALL_TARGET, 0);

        if (target != NULL) {
            target->to = message->from;
            target->from = pid;
            target->ref = message->ref;
            (void)tr_sched_post(node->sched, NULL, target);
        }
    }
    message->to = pid;
    message->session = 0;
    message->status = TROUPE_OK;
    tr_message_name(message)->epoch = epoch;
    (void)tr_sched_post(node->sched, NULL, message);
}

bool tr_names_resolve(void *context, struct tr_message *message)
{
    struct troupe_node *node = context;
    struct tr_name_tail *tail = tr_message_name(message);
    const uint64_t local = tr_names_local(node, tail->name);

    if (tr_load_relaxed(&node->unresolved) > 0) {
        return false;
    }
    if (local != 0) {
        message->to = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = local};
        return true;
    }
    return node->registry != NULL &&
           node->registry->port.cached(node->registry->port.context, tail->name, &message->to,
                                       &tail->epoch);
}

/* ---- loop thread ---- */

static struct tr_lookup *find(struct troupe_node *node, const char *name)
{
    struct tr_lookup *lookup = tr_map_get(&node->lookups, tr_hash_text(name));

    while (lookup != NULL && strcmp(lookup->name, name) != 0) {
        lookup = lookup->next;
    }
    return lookup;
}

static void append(struct tr_lookup *lookup, struct tr_message *message)
{
    message->item.next = NULL;
    if (lookup->tail == NULL) {
        lookup->head = message;
    } else {
        lookup->tail->item.next = &message->item;
    }
    lookup->tail = message;
}

static struct tr_message *pop(struct tr_lookup *lookup)
{
    struct tr_message *message = lookup->head;

    if (message != NULL) {
        lookup->head = (struct tr_message *)(void *)message->item.next;
        if (lookup->head == NULL) {
            lookup->tail = NULL;
        }
        (void)tr_sub_relaxed(&lookup->node->unresolved, 1);
    }
    return message;
}

static void remove_lookup(struct tr_lookup *lookup)
{
    struct troupe_node *node = lookup->node;
    struct tr_lookup *first = tr_map_take(&node->lookups, tr_hash_text(lookup->name));
    struct tr_lookup **link = &first;

    while (*link != lookup) {
        link = &(*link)->next;
    }
    *link = lookup->next;
    if (first != NULL) {
        /* The place was just freed, so nothing has to grow. */
        TR_CHECK(tr_map_put(&node->lookups, tr_hash_text(lookup->name), first) == TROUPE_OK);
    }
    free(lookup);
}

static void ask(struct tr_lookup *lookup);

/* Gives up on messages whose time is over; answers whether any is left. */
static bool drop_past(struct tr_lookup *lookup)
{
    struct tr_message *kept_head = NULL;
    struct tr_message *kept_tail = NULL;
    struct tr_message *message = NULL;

    while ((message = pop(lookup)) != NULL) {
        if (is_past(lookup->node, message)) {
            give_up(lookup->node, message, TROUPE_E_TIMEOUT);
            continue;
        }
        (void)tr_add_relaxed(&lookup->node->unresolved, 1);
        message->item.next = NULL;
        if (kept_tail == NULL) {
            kept_head = message;
        } else {
            kept_tail->item.next = &message->item;
        }
        kept_tail = message;
    }
    lookup->head = kept_head;
    lookup->tail = kept_tail;
    return kept_head != NULL;
}

/* Whether the message has been with that very holder already, which is dead though its node lives.
 */
static bool is_dead_holder(struct tr_message *message, const struct tr_name_result *result)
{
    return result->status == TROUPE_OK && message->status == TROUPE_E_NOPROC &&
           tr_message_name(message)->epoch == result->epoch && result->epoch != 0;
}

static void on_looked_up(void *context, const struct tr_name_result *result)
{
    struct tr_lookup *lookup = context;
    struct troupe_node *node = lookup->node;
    struct tr_message *message = NULL;

    if (result->status == TROUPE_E_AGAIN && !node->leaving && drop_past(lookup)) {
        lookup->state = LOOKUP_PAUSING;
        tr_lookup_pause(node);
        return;
    }
    while ((message = pop(lookup)) != NULL) {
        if (is_dead_holder(message, result)) {
            give_up(node, message, TROUPE_E_NOT_FOUND);
        } else if (result->status == TROUPE_OK) {
            go_on(node, message, result->pid, result->epoch);
        } else {
            give_up(node, message, result->status);
        }
    }
    remove_lookup(lookup);
}

static void ask(struct tr_lookup *lookup)
{
    struct troupe_node *node = lookup->node;

    lookup->state = LOOKUP_ASKING;
    node->registry->port.lookup(node->registry->port.context, lookup->name,
                                tr_node_loop_deadline(node, node->config.call_timeout_ms),
                                on_looked_up, lookup);
}

void tr_lookup_on_pause_over(void *context)
{
    struct troupe_node *node = context;
    struct tr_lookup *lookup = NULL;
    uint32_t position = 0;

    while ((lookup = tr_map_next(&node->lookups, &position)) != NULL) {
        for (; lookup != NULL; lookup = lookup->next) {
            if (lookup->state == LOOKUP_PAUSING) {
                ask(lookup);
            }
        }
    }
}

static void on_stray(struct troupe_node *node, struct tr_message *message)
{
    struct tr_name_tail *tail = tr_message_name(message);
    struct tr_lookup *lookup = find(node, tail->name);
    const bool again = tail->tries++ > 0;

    if (is_past(node, message) || node->leaving) {
        (void)tr_sub_relaxed(&node->unresolved, 1);
        give_up(node, message, node->leaving ? TROUPE_E_NOT_FOUND : TROUPE_E_TIMEOUT);
        return;
    }
    if (tail->epoch != 0) {
        node->registry->port.invalidate(node->registry->port.context, tail->name, tail->epoch);
    }
    if (lookup != NULL) {
        append(lookup, message);
        return;
    }
    const size_t size = strlen(tail->name) + 1;

    lookup = calloc(1, sizeof(*lookup) + size);
    if (lookup == NULL) {
        (void)tr_sub_relaxed(&node->unresolved, 1);
        give_up(node, message, TROUPE_E_NO_MEMORY);
        return;
    }
    lookup->node = node;
    memcpy(lookup->name, tail->name, size);
    lookup->next = tr_map_get(&node->lookups, tr_hash_text(lookup->name));
    append(lookup, message);
    if (tr_map_put(&node->lookups, tr_hash_text(lookup->name), lookup) != TROUPE_OK) {
        (void)pop(lookup);
        free(lookup);
        give_up(node, message, TROUPE_E_NO_MEMORY);
    } else if (again) {
        /* The registry's last answer led nowhere: give the cluster time to notice what happened. */
        lookup->state = LOOKUP_PAUSING;
        tr_lookup_pause(node);
    } else {
        ask(lookup);
    }
}

/* Strays cross to the loop in one list, oldest last, so that a flood is one post. */
static void take_strays(void *context)
{
    struct troupe_node *node = context;
    uint32_t count = 0;
    struct tr_inbox_item *item = tr_inbox_take(&node->strays, &count);

    while (item != NULL) {
        struct tr_inbox_item *next = item->next;

        on_stray(node, (struct tr_message *)(void *)item);
        item = next;
    }
    if (!tr_inbox_park(&node->strays)) {
        take_strays(context);
    }
}

/* On a node without a registry everything is known at once. */
static void stray_local(struct troupe_node *node, struct tr_message *message)
{
    struct tr_name_tail *tail = tr_message_name(message);
    const uint64_t local = tr_names_local(node, tail->name);

    if (local == 0 || tail->tries++ > 3) {
        give_up(node, message, TROUPE_E_NOT_FOUND);
        return;
    }
    go_on(node, message, (troupe_pid){.node = tr_sched_node_id(node->sched), .id = local}, 0);
}

void tr_names_stray(void *context, struct tr_message *message)
{
    struct troupe_node *node = context;

    if (message->session != 0) {
        /* It came from another node, which has to look the name up again. */
        message->to = message->from;
        message->flags |= TR_MESSAGE_RETURNED;
        (void)tr_sched_post(node->sched, NULL, message);
        return;
    }
    if (node->registry == NULL) {
        stray_local(node, message);
        return;
    }
    (void)tr_add_relaxed(&node->unresolved, 1);
    if (tr_inbox_push(&node->strays, &message->item, false, 0, 0) == TR_INBOX_WAKE &&
        tr_loop_post(node->loop, take_strays, node) != TROUPE_OK) {
        /* The loop has ended, and so has the node: what waits is freed with the pool. */
        (void)tr_add_relaxed(&node->sched->dropped, 1);
    }
}

void tr_names_returned(struct troupe_node *node, struct tr_message *message)
{
    message->flags &= (uint8_t)~TR_MESSAGE_RETURNED;
    message->session = 0;
    tr_names_stray(node, message);
}

/* ---- whereis ---- */

struct whereis {
    struct troupe_node *node;
    uint64_t actor_id;
    uint64_t ref;
    int64_t deadline_ns;
    char name[];
};

static void on_whereis(void *context, const struct tr_name_result *result)
{
    struct whereis *w = context;

    tr_names_answer(w->node, w->actor_id, w->ref, result->status, result->pid, result->text);
    free(w);
}

static void whereis_on_loop(void *context)
{
    struct whereis *w = context;

    w->node->registry->port.lookup(w->node->registry->port.context, w->name, w->deadline_ns,
                                   on_whereis, w);
}

troupe_status troupe_whereis(troupe_self *self, const char *name, uint32_t timeout_ms,
                             troupe_then then, uint64_t tag)
{
    struct troupe_node *node = self->sched->options.owner;

    if (!tr_name_is_valid(name) || then == NULL) {
        return TROUPE_E_INVALID;
    }
    struct tr_wait *wait = tr_names_wait(self, timeout_ms, then, tag);

    if (wait == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (node->registry == NULL) {
        const uint64_t local = tr_names_local(node, name);

        tr_names_answer(
            node, self->id, wait->ref, local == 0 ? TROUPE_E_NOT_FOUND : TROUPE_OK,
            (troupe_pid){.node = local == 0 ? 0 : tr_sched_node_id(node->sched), .id = local}, "");
        return TROUPE_OK;
    }
    const size_t size = strlen(name) + 1;
    struct whereis *w = malloc(sizeof(*w) + size);

    if (w == NULL) {
        tr_wait_end(self, wait);
        return TROUPE_E_NO_MEMORY;
    }
    *w = (struct whereis){.node = node,
                          .actor_id = self->id,
                          .ref = wait->ref,
                          .deadline_ns = tr_node_loop_deadline(
                              node, timeout_ms == 0 ? node->config.call_timeout_ms : timeout_ms)};
    memcpy(w->name, name, size);
    const troupe_status status = tr_loop_post(node->loop, whereis_on_loop, w);

    if (status != TROUPE_OK) {
        free(w);
        tr_wait_end(self, wait);
    }
    return status;
}
