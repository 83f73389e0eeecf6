/* The options of a durable actor's spawn, as JSON in its row and back. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "node/birth.h"
#include "troupe/mailbox.h"
#include "troupe/type.h"
#include "type/json.h"

/* Named as in troupe_spawn_options; 0 and "" are the node's defaults. */
typedef struct birth {
    bool nosuspend;
    uint32_t checkpoint_ms;
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    const char *mailbox_policy;
} birth;

TROUPE_TYPE(birth, "troupe.spawn_options", TROUPE_FIELD(birth, nosuspend, 1),
            TROUPE_FIELD(birth, checkpoint_ms, 2), TROUPE_FIELD(birth, mailbox_messages, 3),
            TROUPE_FIELD(birth, mailbox_bytes, 4), TROUPE_FIELD(birth, mailbox_policy, 5));

enum { POLICIES = TROUPE_MAILBOX_DROP_NEW + 1 };

static const char *const policy_names[POLICIES] = {"", "reject", "block", "drop_new"};

troupe_status tr_birth_print(const struct tr_spawn_request *request, char **json)
{
    const uint32_t policy = request->flags >> TR_SPAWN_POLICY_SHIFT;
    const birth options = {.nosuspend = (request->flags & TROUPE_SPAWN_NOSUSPEND) != 0,
                           .checkpoint_ms = request->checkpoint_ms,
                           .mailbox_messages = request->mailbox_messages,
                           .mailbox_bytes = request->mailbox_bytes,
                           .mailbox_policy = policy_names[policy < POLICIES ? policy : 0]};

    *json = NULL;
    if (!options.nosuspend && options.checkpoint_ms == 0 && options.mailbox_messages == 0 &&
        options.mailbox_bytes == 0 && options.mailbox_policy[0] == '\0') {
        return TROUPE_OK;
    }
    return troupe_to_json(&birth_type, &options, json);
}

/* Answers POLICIES when there is no such policy. */
static uint32_t policy_of(const char *name)
{
    uint32_t policy = 0;

    while (policy < POLICIES && strcmp(policy_names[policy], name == NULL ? "" : name) != 0) {
        policy++;
    }
    return policy;
}

troupe_status tr_birth_read(const char *json, struct tr_spawn_request *request, char *error,
                            size_t error_size)
{
    void *value = NULL;

    if (json == NULL) {
        return TROUPE_OK;
    }
    troupe_status status =
        tr_value_from_json_lenient(&birth_type, json, strlen(json), &value, error, error_size);

    if (status != TROUPE_OK) {
        return status;
    }
    const birth *options = value;
    const uint32_t policy = policy_of(options->mailbox_policy);

    if (policy == POLICIES || options->mailbox_messages > TR_MAILBOX_MESSAGES_MAX) {
        (void)snprintf(error, error_size, "the row's options have a mailbox that cannot be");
        status = TROUPE_E_INVALID;
    } else {
        request->flags |= policy << TR_SPAWN_POLICY_SHIFT;
        request->flags |= options->nosuspend ? TROUPE_SPAWN_NOSUSPEND : 0;
        request->checkpoint_ms = options->checkpoint_ms;
        request->mailbox_messages = options->mailbox_messages;
        request->mailbox_bytes = options->mailbox_bytes;
    }
    troupe_value_free(value);
    return status;
}
