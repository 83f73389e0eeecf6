/* Requests with continuations, and names: the functions of actor.h that wait for an answer. */
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "sched/self.h"

/* Tells this actor that its call cannot arrive; as a signal, so that `then` never runs inside the
 * call. */
static void fail_own_call(troupe_self *self, uint64_t ref, troupe_pid to, troupe_status status,
                          int32_t kind)
{
    struct tr_message *failed =
        tr_message_create_reason(&self->worker->cache, TR_SIGNAL_CALL_FAILED, kind, NULL);

    if (failed == NULL) {
        return; /* No memory: the timeout tells. */
    }
    failed->status = (int16_t)status;
    failed->to = tr_self_pid(self);
    failed->from = to;
    failed->ref = ref;
    (void)tr_sched_post(self->sched, self->worker, failed);
}

static struct tr_wait *start_call(troupe_self *self, uint32_t timeout_ms, troupe_then then,
                                  uint64_t tag)
{
    struct tr_wait *wait = tr_wait_start(
        self, TR_WAIT_CALL, timeout_ms == 0 ? self->sched->options.call_timeout_ms : timeout_ms);

    if (wait != NULL) {
        wait->then = then;
        wait->tag = tag;
    }
    return wait;
}

troupe_status troupe_call(troupe_self *self, troupe_pid to, const troupe_type *type,
                          const void *message, uint32_t timeout_ms, troupe_then then, uint64_t tag)
{
    struct tr_message *copy = NULL;
    const troupe_status status =
        tr_message_copy_value(&self->worker->cache, TR_SIGNAL_CALL, type, message, &copy);

    if (status != TROUPE_OK) {
        return status;
    }
    struct tr_wait *wait = start_call(self, timeout_ms, then, tag);

    if (wait == NULL) {
        tr_message_destroy(&self->worker->cache, copy);
        return TROUPE_E_NO_MEMORY;
    }
    wait->peer = to;
    if (to.node != tr_sched_node_id(self->sched) && tr_self_watch(self, to.node) == 0) {
        tr_message_destroy(&self->worker->cache, copy);
        fail_own_call(self, wait->ref, to, TROUPE_E_NOCONNECTION, TROUPE_REASON_NOCONNECTION);
        return TROUPE_OK;
    }
    copy->to = to;
    copy->from = tr_self_pid(self);
    copy->ref = wait->ref;
    (void)tr_self_emit(self, copy); /* A full mailbox answers by signal, as a dead actor does. */
    return TROUPE_OK;
}

bool tr_name_is_valid(const char *name)
{
    const size_t size = name == NULL ? 0 : strnlen(name, TR_NAME_SIZE_MAX + 1);

    return size > 0 && size <= TR_NAME_SIZE_MAX && tr_utf8_is_line(name, size);
}

struct tr_message *tr_self_named(troupe_self *self, enum tr_signal_kind signal, const char *name,
                                 const troupe_type *type, const void *message, int64_t deadline_ns)
{
    const size_t size = strlen(name) + 1;
    struct tr_message *copy = tr_message_create_value(&self->worker->cache, signal, type,
                                                      type->size == 0 ? NULL : message,
                                                      sizeof(struct tr_name_tail) + size);

    if (copy != NULL) {
        struct tr_name_tail *tail = tr_message_name(copy);

        *tail = (struct tr_name_tail){.deadline_ns = deadline_ns};
        memcpy(tail->name, name, size);
        copy->flags = TR_MESSAGE_NAMED;
        copy->from = tr_self_pid(self);
    }
    return copy;
}

troupe_status troupe_call_name(troupe_self *self, const char *name, const troupe_type *type,
                               const void *message, uint32_t timeout_ms, troupe_then then,
                               uint64_t tag)
{
    const struct tr_outward *outward = &self->sched->options.outward;
    const uint32_t timeout = timeout_ms == 0 ? self->sched->options.call_timeout_ms : timeout_ms;

    const troupe_status status =
        tr_name_is_valid(name) ? tr_message_check(type, message) : TROUPE_E_INVALID;

    if (status != TROUPE_OK) {
        return status;
    }
    struct tr_message *copy =
        tr_self_named(self, TR_SIGNAL_CALL, name, type, message,
                      tr_clock_now(self->sched->options.clock) + (int64_t)timeout * TR_NS_PER_MS);
    struct tr_wait *wait = copy == NULL ? NULL : start_call(self, timeout, then, tag);

    if (wait == NULL) {
        if (copy != NULL) {
            tr_message_destroy(&self->worker->cache, copy);
        }
        return TROUPE_E_NO_MEMORY;
    }
    copy->ref = wait->ref;
    if (!outward->resolve(outward->context, copy)) {
        (void)tr_self_emit(self, copy);
        return TROUPE_OK;
    }
    wait->peer = copy->to;
    if (copy->to.node != tr_sched_node_id(self->sched) && tr_self_watch(self, copy->to.node) == 0) {
        /* The cache names a node that cannot be reached: let the registry say who holds it now. */
        wait->peer = (troupe_pid){0};
        copy->to = (troupe_pid){0};
    }
    (void)tr_self_emit(self, copy);
    return TROUPE_OK;
}

troupe_status troupe_send_name(troupe_self *self, const char *name, const troupe_type *type,
                               const void *message)
{
    const struct tr_outward *outward = &self->sched->options.outward;

    troupe_status status =
        tr_name_is_valid(name) ? tr_message_check(type, message) : TROUPE_E_INVALID;

    if (status != TROUPE_OK) {
        return status;
    }
    struct tr_message *copy =
        tr_self_named(self, TR_SIGNAL_MESSAGE, name, type, message,
                      tr_clock_now(self->sched->options.clock) +
                          (int64_t)self->sched->options.call_timeout_ms * TR_NS_PER_MS);

    if (copy == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    (void)outward->resolve(outward->context, copy);
    status = tr_self_emit(self, copy);
    return status == TROUPE_E_BUSY ? status : TROUPE_OK;
}
