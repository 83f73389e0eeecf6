#include "sched/answers.h"

static bool refuse(troupe_self *self, const struct tr_message *message, const char *why)
{
    const struct tr_outward *outward = &self->sched->options.outward;

    if (outward->suspect != NULL) {
        outward->suspect(outward->context, message->from.node, why);
    }
    return false;
}

static bool is_foreign(const struct tr_message *message)
{
    return message->session != 0;
}

bool tr_may_fail_call(troupe_self *self, const struct tr_message *message,
                      const struct tr_wait *wait)
{
    return !is_foreign(message) || message->from.node == wait->peer.node ||
           refuse(self, message, "the failure of a call to another node");
}

bool tr_may_answer(troupe_self *self, const struct tr_message *message, const struct tr_wait *wait,
                   const struct tr_op_result *op)
{
    const bool relates = (op->flags & (TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR)) != 0;
    /* With a refusal comes whom it is about: who holds the name. */
    const bool own = op->status != TROUPE_OK || troupe_pid_is_none(op->pid) ||
                     op->pid.node == message->from.node;
    const bool waits = wait != NULL && wait->kind == TR_WAIT_OPERATION;

    if (!is_foreign(message)) {
        return true;
    }
    if (waits && wait->peer.node != message->from.node) {
        return refuse(self, message, "the answer to what another node was asked for");
    }
    return own || (waits && !relates && wait->peer.id != 0) ||
           refuse(self, message, "an answer that names another node's actor");
}

bool tr_may_exit(troupe_self *self, const struct tr_message *message)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    const struct tr_relation *link = NULL;

    if (!is_foreign(message) || outward->may_exit == NULL || outward->may_exit(outward->context)) {
        return true;
    }
    link = tr_relations_link(&self->actor->relations, message->from);
    return (link != NULL && link->kind == TR_RELATION_LINK) ||
           refuse(self, message, "an exit signal without a link, which troupe.policy does not let");
}
