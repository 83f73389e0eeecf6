/* Puppets that supervise, their children, and puppets that wait for nodes. */
#include <stdio.h>
#include <stdlib.h>

#include "puppet.h"

enum { CHILDREN_MAX = 8, MINUTE_MS = 60000 };

/* ---- children ---- */

static int child_init(troupe_self *self, void *state, const void *args)
{
    struct puppet *puppet = state;

    if (args == NULL) { /* nobody wants to know */
        return TROUPE_OK;
    }
    puppet->parent = ((const token *)args)->pid;
    return (int)troupe_send(self, puppet->parent, &words_type, &(words){.text = "starts"});
}

static void child_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    const struct puppet *puppet = state;
    char text[LINE_SIZE];

    (void)snprintf(text, sizeof(text), "ends %s", troupe_reason_name(reason->kind));
    if (troupe_pid_is_none(puppet->parent) ||
        troupe_send(self, puppet->parent, &words_type, &(words){.text = text}) != TROUPE_OK) {
        return; /* nobody is told */
    }
}

const troupe_behavior puppet_child = {.name = "puppet.child",
                                      .state_size = sizeof(struct puppet),
                                      .args = &token_type,
                                      .init = child_init,
                                      .terminate = child_terminate,
                                      .release = puppet_release,
                                      .handlers = puppet_handlers};

/* ---- parents ---- */

/* Of a supervisor with one permanent child, which has a name. */
static int parent_init(troupe_self *self, void *state, const void *args)
{
    static const troupe_child child = {
        .id = "child", .behavior = &puppet_behavior, .name = "puppet/child"};
    static const troupe_supervisor supervisor = {.children = &child, .children_count = 1};
    troupe_pid pid = {0};

    (void)state;
    (void)args;
    return (int)troupe_spawn_supervisor(self, &supervisor, NULL, &pid);
}

const troupe_behavior puppet_parent = {.name = "puppet.parent",
                                       .state_size = sizeof(struct puppet),
                                       .init = parent_init,
                                       .release = puppet_release,
                                       .handlers = puppet_handlers};

troupe_status puppet_supervise(troupe_self *self, const order *wanted, troupe_pid *pid)
{
    const token args = {.pid = troupe_self_pid(self)};
    char ids[CHILDREN_MAX][8];
    troupe_child children[CHILDREN_MAX];
    const troupe_supervisor supervisor = {.strategy = (int32_t)strtol(wanted->text, NULL, 10),
                                          .intensity = (uint32_t)wanted->m,
                                          .period_ms = MINUTE_MS,
                                          .children = children,
                                          .children_count = (size_t)wanted->n};

    if (wanted->n < 0 || wanted->n > CHILDREN_MAX || wanted->m < 0) {
        return TROUPE_E_INVALID;
    }
    for (int64_t i = 0; i < wanted->n; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "c%d", (int)(i + 1));
        children[i] = (troupe_child){.id = ids[i],
                                     .behavior = &puppet_child,
                                     .args = &args,
                                     .shutdown_ms = 1000,
                                     .placement = wanted->to};
    }
    return troupe_spawn_supervisor(self, &supervisor, NULL, pid);
}

/* ---- waiting for nodes ---- */

struct wait {
    troupe_node *node;
    troupe_cluster_need need;
    char names[LINE_SIZE];
    char roles[LINE_SIZE];
};

static int wait_for_nodes(void *context)
{
    const struct wait *wait = context;

    return (int)troupe_node_wait_cluster_for(wait->node, &wait->need, NULL, 0);
}

troupe_status puppet_wait(troupe_self *self, const order *wanted)
{
    struct wait *wait = calloc(1, sizeof(*wait));

    if (wait == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    wait->node = troupe_self_node(self);
    (void)snprintf(wait->names, sizeof(wait->names), "%s", wanted->to == NULL ? "" : wanted->to);
    (void)snprintf(wait->roles, sizeof(wait->roles), "%s",
                   wanted->text == NULL ? "" : wanted->text);
    wait->need = (troupe_cluster_need){.struct_size = sizeof(wait->need),
                                       .nodes_min = (uint32_t)wanted->n,
                                       .names = wait->names,
                                       .roles = wait->roles,
                                       .timeout_ms = (uint32_t)wanted->size};
    return troupe_blocking(self, wait_for_nodes, wait, free, puppet_on_result, (uint64_t)wanted->m);
}
