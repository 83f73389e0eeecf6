/* Descriptions of the messages that supervisors handle and send. */
#include "node/supervisor.h"

#define FIELDS_OF(list) .fields = (list), .field_count = sizeof(list) / sizeof((list)[0])

static const troupe_field start_child_fields[] = {
    TROUPE_FIELD(troupe_start_child_request, id, 1),
    TROUPE_FIELD(troupe_start_child_request, behavior, 2),
    TROUPE_FIELD(troupe_start_child_request, args, 3),
    TROUPE_FIELD(troupe_start_child_request, name, 4),
    TROUPE_FIELD(troupe_start_child_request, restart, 5),
    TROUPE_FIELD(troupe_start_child_request, shutdown_ms, 6),
    TROUPE_FIELD(troupe_start_child_request, durable, 7),
    TROUPE_FIELD(troupe_start_child_request, strict, 8),
    TROUPE_FIELD(troupe_start_child_request, significant, 9),
    TROUPE_FIELD(troupe_start_child_request, placement, 10),
};
const troupe_type troupe_start_child_type = {.name = "troupe.start_child",
                                             .size = sizeof(troupe_start_child_request),
                                             FIELDS_OF(start_child_fields)};

static const troupe_field child_request_fields[] = {
    TROUPE_FIELD(troupe_child_request, id, 1),
    TROUPE_FIELD(troupe_child_request, pid, 2),
};
const troupe_type troupe_terminate_child_type = {.name = "troupe.terminate_child",
                                                 .size = sizeof(troupe_child_request),
                                                 FIELDS_OF(child_request_fields)};
const troupe_type troupe_restart_child_type = {.name = "troupe.restart_child",
                                               .size = sizeof(troupe_child_request),
                                               FIELDS_OF(child_request_fields)};
const troupe_type troupe_delete_child_type = {.name = "troupe.delete_child",
                                              .size = sizeof(troupe_child_request),
                                              FIELDS_OF(child_request_fields)};

const troupe_type troupe_list_children_type = {.name = "troupe.list_children"};
const troupe_type troupe_count_children_type = {.name = "troupe.count_children"};

static const troupe_field child_state_fields[] = {
    TROUPE_FIELD(troupe_child_state, id, 1),
    TROUPE_FIELD(troupe_child_state, pid, 2),
    TROUPE_FIELD(troupe_child_state, restarts, 3),
    TROUPE_FIELD(troupe_child_state, state, 4),
    TROUPE_FIELD(troupe_child_state, behavior, 5),
    TROUPE_FIELD(troupe_child_state, name, 6),
    TROUPE_FIELD(troupe_child_state, restart, 7),
    TROUPE_FIELD(troupe_child_state, supervisor, 8),
    TROUPE_FIELD(troupe_child_state, significant, 9),
    TROUPE_FIELD(troupe_child_state, node, 10),
    TROUPE_FIELD(troupe_child_state, placement, 11),
};
const troupe_type troupe_child_state_type = {.name = "troupe.child_state",
                                             .size = sizeof(troupe_child_state),
                                             FIELDS_OF(child_state_fields)};

static const troupe_field children_fields[] = {
    TROUPE_FIELD_STRUCT_ARRAY(troupe_children, children, children_count, 1,
                              &troupe_child_state_type),
    TROUPE_FIELD(troupe_children, strategy, 2),
    TROUPE_FIELD(troupe_children, restarts, 3),
};
const troupe_type troupe_children_type = {
    .name = "troupe.children", .size = sizeof(troupe_children), FIELDS_OF(children_fields)};

static const troupe_field children_count_fields[] = {
    TROUPE_FIELD(troupe_children_count, specs, 1),
    TROUPE_FIELD(troupe_children_count, active, 2),
    TROUPE_FIELD(troupe_children_count, supervisors, 3),
    TROUPE_FIELD(troupe_children_count, workers, 4),
};
const troupe_type troupe_children_count_type = {.name = "troupe.children_count",
                                                .size = sizeof(troupe_children_count),
                                                FIELDS_OF(children_count_fields)};

static const troupe_field late_fields[] = {TROUPE_FIELD(tr_child_late, key, 1)};
const troupe_type tr_child_late_type = {
    .name = "troupe.child_late", .size = sizeof(tr_child_late), FIELDS_OF(late_fields)};
static const troupe_field look_fields[] = {TROUPE_FIELD(tr_child_look, key, 1)};
const troupe_type tr_child_look_type = {
    .name = "troupe.child_look", .size = sizeof(tr_child_look), FIELDS_OF(look_fields)};
const troupe_type tr_child_again_type = {.name = "troupe.child_again"};
const troupe_type tr_child_place_type = {.name = "troupe.child_place"};
