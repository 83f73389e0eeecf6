#include "node/guard.h"

#include <sys/random.h>

#include "node/node.h"
#include "troupe/supervisor.h"

troupe_status tr_guard_init(struct tr_guard *guard, const troupe_config *config)
{
    /* Where there are no other nodes nobody guesses; where chance is chosen, so is this. */
    guard->key = (struct tr_siphash_key){{config->registry == NULL ? 0 : config->seed, 0}};
    if (config->registry != NULL && config->seed == 0 &&
        getrandom(&guard->key, sizeof(guard->key), 0) != (ssize_t)sizeof(guard->key)) {
        return TROUPE_E_SYSTEM;
    }
    return TROUPE_OK;
}

void tr_guard_suspect(void *context, uint64_t node_id, const char *why)
{
    struct troupe_node *node = context;
    struct tr_guard *guard = &node->guard;
    const uint64_t count = tr_add_relaxed(&guard->refused, 1) + 1;
    const uint64_t now = (uint64_t)tr_clock_now(node->sched->options.clock);
    const uint64_t logged = tr_load_relaxed(&guard->logged_ns);

    /* One line a second says how it stands; two threads that come at once may write two. */
    if (logged == 0 || now - logged >= TR_NS_PER_S) {
        tr_store_relaxed(&guard->logged_ns, now);
        tr_node_log(node, TROUPE_LOG_WARNING, "refused from node %llu: %s (%llu in all)",
                    (unsigned long long)node_id, why, (unsigned long long)count);
    }
}

/* ---- the policy ---- */

void tr_guard_on_policy(void *context, const struct tr_policy *policy)
{
    struct troupe_node *node = context;

    tr_store32_relaxed(&node->guard.denies_nodes, ~policy->node & TR_MAY_ALL);
    tr_store32_relaxed(&node->guard.denies_clients, ~policy->client & TR_MAY_ALL);
}

static const char *words(uint32_t denied, bool client)
{
    if ((denied & TR_MAY_SPAWN) != 0) {
        return client ? "troupe.policy lets no client start actors"
                      : "troupe.policy lets no node start actors on another";
    }
    if ((denied & TR_MAY_EXIT) != 0) {
        return client ? "troupe.policy lets no client end actors"
                      : "troupe.policy lets no node end actors of another that its own are not "
                        "linked to";
    }
    if ((denied & TR_MAY_REGISTER) != 0) {
        return client ? "troupe.policy lets no client register names"
                      : "troupe.policy lets no node register names on another";
    }
    return NULL;
}

const char *tr_guard_denies_node(const struct tr_guard *guard, uint32_t verbs)
{
    return words(verbs & tr_load32_relaxed(&guard->denies_nodes), false);
}

const char *tr_guard_denies_client(const struct tr_guard *guard, uint32_t verbs)
{
    return words(verbs & tr_load32_relaxed(&guard->denies_clients), true);
}

uint32_t tr_guard_asks(const troupe_type *type, const void *value)
{
    if (type == &troupe_start_child_type) {
        const troupe_start_child_request *start = value;

        return start->name != NULL && start->name[0] != '\0' ? TR_MAY_SPAWN | TR_MAY_REGISTER
                                                             : TR_MAY_SPAWN;
    }
    if (type == &troupe_restart_child_type) {
        return TR_MAY_SPAWN;
    }
    return type == &troupe_terminate_child_type || type == &troupe_delete_child_type ? TR_MAY_EXIT
                                                                                     : 0;
}

const char *tr_guard_denies_message(void *context, const struct tr_message *message)
{
    const struct troupe_node *node = context;

    return tr_guard_denies_node(&node->guard,
                                tr_guard_asks(message->type, tr_message_value(message)));
}

bool tr_guard_may_exit(void *context)
{
    const struct troupe_node *node = context;

    return tr_guard_denies_node(&node->guard, TR_MAY_EXIT) == NULL;
}
