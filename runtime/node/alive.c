#include "node/alive.h"

#include "node/agent.h"
#include "troupe/cluster.h"

const troupe_type troupe_alive_type = {.name = "troupe.alive"};

static void answer_alive(struct troupe_node *node, struct tr_message *message)
{
    struct tr_sched *sched = node->sched;

    if (tr_table_find(&sched->table, message->to.id) == NULL) {
        tr_sched_bounce(sched, NULL, message, TROUPE_E_NOPROC, NULL);
        return;
    }
    struct tr_message *yes =
        tr_message_create_value(&sched->shared_cache, TR_SIGNAL_REPLY, &troupe_alive_type, NULL, 0);

    if (yes == NULL) {
        tr_sched_bounce(sched, NULL, message, TROUPE_E_BUSY, NULL);
        return;
    }
    yes->to = message->from;
    yes->from = message->to;
    yes->ref = message->ref;
    yes->session = message->session;
    tr_message_destroy(&sched->shared_cache, message);
    (void)tr_sched_post(sched, NULL, yes);
}

bool tr_alive_on_call(void *context, struct tr_message *message)
{
    struct troupe_node *node = context;

    if (message->type != &troupe_alive_type) {
        return false;
    }
    answer_alive(node, message);
    return true;
}

troupe_status troupe_is_alive(troupe_self *self, troupe_pid pid, uint32_t timeout_ms,
                              troupe_then then, uint64_t tag)
{
    struct troupe_node *node = troupe_self_node(self);

    if (then == NULL || troupe_pid_is_none(pid)) {
        return TROUPE_E_INVALID;
    }
    if (pid.node != tr_sched_node_id(node->sched)) {
        return troupe_call(self, pid, &troupe_alive_type, NULL, timeout_ms, then, tag);
    }
    struct tr_wait *wait = tr_wait_start(
        self, TR_WAIT_OPERATION, timeout_ms == 0 ? node->config.call_timeout_ms : timeout_ms);

    if (wait == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    const bool lives = tr_table_find(&node->sched->table, pid.id) != NULL;
    struct tr_message *message = tr_message_create_result(
        &self->worker->cache, wait->ref, lives ? TROUPE_OK : TROUPE_E_NOPROC, pid, 0, "");

    if (message == NULL) {
        tr_wait_end(self, wait);
        return TROUPE_E_NO_MEMORY;
    }
    wait->then = then;
    wait->tag = tag;
    message->to = tr_self_pid(self);
    message->from = pid;
    (void)tr_sched_post(self->sched, self->worker, message);
    return TROUPE_OK;
}

struct alive_ask {
    troupe_pid pid;
    uint32_t timeout_ms;
};

static troupe_status begin_alive(troupe_self *self, troupe_then then, uint64_t tag,
                                 const void *context)
{
    const struct alive_ask *ask = context;

    return troupe_is_alive(self, ask->pid, ask->timeout_ms, then, tag);
}

troupe_status troupe_node_is_alive(troupe_node *node, troupe_pid pid, uint32_t timeout_ms)
{
    const struct alive_ask ask = {.pid = pid, .timeout_ms = timeout_ms};
    troupe_result result = {0};
    const troupe_status status = tr_agent_call(node, begin_alive, &ask, &result);

    troupe_result_clear(&result);
    return status;
}
