#include "dist/source.h"

#include "troupe/group.h"
#include "type/types.h"

/* What only the runtime of an actor's own node tells it, as a message that users handle. */
static bool is_ours_to_tell(const struct tr_message *message)
{
    const troupe_type *const types[] = {&troupe_exit_type, &troupe_down_type, &troupe_node_type,
                                        &troupe_timeout_type, &troupe_group_type};

    if (message->type == NULL || message->signal > TR_SIGNAL_CALL ||
        !tr_type_is_reserved(message->type)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (message->type == types[i]) {
            return true;
        }
    }
    return false;
}

const char *tr_wrong_with_source(uint64_t own_id, uint64_t node_id,
                                 const struct tr_message *message)
{
    if ((message->flags & TR_MESSAGE_RETURNED) != 0) {
        return message->from.node == own_id ? NULL : "a message of another node comes back";
    }
    if (message->signal != TR_SIGNAL_FORGET_CALL && message->from.node != node_id) {
        return "a signal in the name of another node's actor";
    }
    return is_ours_to_tell(message) ? "news that only an actor's own node tells it" : NULL;
}
