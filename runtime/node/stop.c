/* Ending all actors of a node: in order, then by force. */
#include <stdlib.h>

#include "node/node.h"
#include "sync/crew.h"

enum { LOOK_MS = 2 };

uint64_t tr_node_user_actors(struct troupe_node *node)
{
    /* Two numbers that change one after the other: between them the difference may be off. */
    const uint64_t alive = tr_load_relaxed(&node->sched->table.alive);
    const uint64_t system = tr_load_relaxed(&node->sched->system_actors);

    return alive > system ? alive - system : 0;
}

/* Sends an exit signal of nobody, which the actor knows to be the node's. Any thread. */
void tr_node_signal_one(struct troupe_node *node, uint64_t id, int32_t kind, const char *text)
{
    struct tr_message *message =
        tr_message_create_reason(&node->sched->shared_cache, TR_SIGNAL_EXIT, kind, text);

    if (message != NULL) {
        message->to = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = id};
        (void)tr_sched_post(node->sched, NULL, message);
    }
}

/* Whether nobody of this node supervises it: started from outside, or by another node. */
static bool is_root(const struct troupe_node *node, const struct tr_actor *actor)
{
    const uint64_t parent = tr_load_relaxed(&actor->shown_parent);

    return parent == 0 || parent == node->agent || parent == TR_PARENT_ELSEWHERE;
}

/* Steps down through the table, younger actors first as far as slots tell; signals those that match
 * and answers how many there are. kind below 0: only counts. */
static uint32_t signal_actors(struct troupe_node *node, int32_t kind, const char *text,
                              bool roots_only)
{
    uint32_t slots = 0;
    uint32_t count = 0;

    while (tr_table_slot(&node->sched->table, slots) != NULL) {
        slots += TR_TABLE_CHUNK;
    }
    while (slots-- > 0) {
        struct tr_actor *actor = tr_table_slot(&node->sched->table, slots);
        const uint64_t id = tr_load_acquire(&actor->id);

        /* The agent ends last, with the scheduler. */
        if (id != 0 && id != node->agent && (!roots_only || is_root(node, actor))) {
            count++;
            if (kind >= 0) {
                tr_node_signal_one(node, id, kind, text);
            }
        }
    }
    return count;
}

void tr_node_signal_all(struct troupe_node *node, int32_t kind, const char *text)
{
    (void)signal_actors(node, kind, text, false);
}

/* Waits until no actor, or no root, is left. */
static bool wait_for_end(struct troupe_node *node, bool roots_only, int64_t until_ns)
{
    const struct tr_clock *clock = node->sched->options.clock;
    bool ended = false;

    tr_mutex_lock(&node->state_mutex);
    for (;;) {
        ended =
            roots_only ? signal_actors(node, -1, NULL, true) == 0 : tr_node_user_actors(node) == 0;
        if (ended || tr_clock_now(clock) >= until_ns) {
            break;
        }
        /* Ends are not announced to anybody, so this looks again every while. */
        tr_node_wait(node, &node->state_changed, &node->state_mutex, LOOK_MS * TR_NS_PER_MS);
    }
    tr_mutex_unlock(&node->state_mutex);
    return ended;
}

void tr_node_end_actors(struct troupe_node *node, uint32_t timeout_ms, int32_t kind)
{
    const int64_t until =
        tr_clock_now(node->sched->options.clock) + (int64_t)timeout_ms * TR_NS_PER_MS;

    /* Those that nobody supervises first: supervisors among them end their children in their order.
     */
    (void)signal_actors(node, kind, "the node stops", true);
    (void)wait_for_end(node, true, until);
    (void)signal_actors(node, kind, "the node stops", false);
    if (wait_for_end(node, false, until)) {
        return;
    }
    tr_node_log(node, TROUPE_LOG_WARNING, "%llu actors did not stop in time and are killed",
                (unsigned long long)tr_node_user_actors(node));
    (void)signal_actors(node, TROUPE_REASON_KILL, "the node stops", false);
    (void)wait_for_end(node, false, tr_clock_now(node->sched->options.clock) + TR_NS_PER_S);
}

void tr_node_end_blocking(struct troupe_node *node, int64_t until_ns)
{
    const int64_t left_ns = until_ns - tr_clock_now(node->sched->options.clock);
    const uint32_t left =
        node->sched->crew == NULL
            ? 0
            : tr_crew_close(node->sched->crew,
                            left_ns <= 0 ? 0 : (uint32_t)(left_ns / TR_NS_PER_MS) + 1);

    if (left > 0) {
        tr_node_log(node, TROUPE_LOG_WARNING,
                    "%u blocking functions did not return in time and are left alone", left);
    }
}
