#include "troupe/actor.h"

const char *troupe_reason_name(int32_t kind)
{
    switch ((troupe_reason_kind)kind) {
    case TROUPE_REASON_NORMAL:
        return "normal";
    case TROUPE_REASON_SHUTDOWN:
        return "shutdown";
    case TROUPE_REASON_KILLED:
        return "killed";
    case TROUPE_REASON_NOPROC:
        return "noproc";
    case TROUPE_REASON_NOCONNECTION:
        return "noconnection";
    case TROUPE_REASON_FENCED:
        return "fenced";
    case TROUPE_REASON_KILL:
        return "kill";
    case TROUPE_REASON_ERROR:
        break;
    }
    return "error";
}

const void *troupe_result_as(const troupe_result *result, const troupe_type *type)
{
    return result->status == TROUPE_OK && result->type != NULL && troupe_type_is(result->type, type)
               ? result->value
               : NULL;
}

static const troupe_field exit_fields[] = {
    TROUPE_FIELD(troupe_exit_message, from, 1),
    TROUPE_FIELD(troupe_exit_message, kind, 2),
    TROUPE_FIELD(troupe_exit_message, text, 3),
};
const troupe_type troupe_exit_type = {.name = "troupe.exit",
                                      .size = sizeof(troupe_exit_message),
                                      .fields = exit_fields,
                                      .field_count = 3};

static const troupe_field down_fields[] = {
    TROUPE_FIELD(troupe_down_message, monitor, 1),
    TROUPE_FIELD(troupe_down_message, from, 2),
    TROUPE_FIELD(troupe_down_message, kind, 3),
    TROUPE_FIELD(troupe_down_message, text, 4),
};
const troupe_type troupe_down_type = {.name = "troupe.down",
                                      .size = sizeof(troupe_down_message),
                                      .fields = down_fields,
                                      .field_count = 4};

static const troupe_field node_fields[] = {
    TROUPE_FIELD(troupe_node_message, node, 1),
    TROUPE_FIELD(troupe_node_message, name, 2),
    TROUPE_FIELD(troupe_node_message, up, 3),
    TROUPE_FIELD(troupe_node_message, why, 4),
};
const troupe_type troupe_node_type = {.name = "troupe.node",
                                      .size = sizeof(troupe_node_message),
                                      .fields = node_fields,
                                      .field_count = 4};

const troupe_type troupe_timeout_type = {.name = "troupe.timeout"};

const troupe_type troupe_any_type = {.name = "troupe.any"};
