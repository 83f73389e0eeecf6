#include "node/guard.h"

#include <sys/random.h>

#include "node/node.h"

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
