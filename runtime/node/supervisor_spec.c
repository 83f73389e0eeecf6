#include "node/supervisor_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/spawn.h"
#include "type/value.h"

enum {
    SUPERVISORS_MAX = TR_SPEC_CHILDREN_MAX + 1, /* the root, and children */
    BLOCK_MAX = 4 * TR_SPEC_SIZE_MAX            /* bytes of what is read: texts and structs */
};

/* ---- what travels ---- */

struct wire_child {
    const char *id;
    const char *behavior; /* "": a supervisor, the next in order */
    const char *args_type;
    troupe_bytes args;
    const char *name;
    uint32_t flags;
    int32_t restart;
    uint32_t shutdown_ms;
    bool significant;
    const char *placement;
    bool bound; /* it has options */
    uint32_t option_flags;
    int32_t checkpoint;
    uint32_t checkpoint_ms;
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    int32_t mailbox_policy;
};

static const troupe_field wire_child_fields[] = {
    TROUPE_FIELD(struct wire_child, id, 1),
    TROUPE_FIELD(struct wire_child, behavior, 2),
    TROUPE_FIELD(struct wire_child, args_type, 3),
    TROUPE_FIELD(struct wire_child, args, 4),
    TROUPE_FIELD(struct wire_child, name, 5),
    TROUPE_FIELD(struct wire_child, flags, 6),
    TROUPE_FIELD(struct wire_child, restart, 7),
    TROUPE_FIELD(struct wire_child, shutdown_ms, 8),
    TROUPE_FIELD(struct wire_child, significant, 9),
    TROUPE_FIELD(struct wire_child, placement, 10),
    TROUPE_FIELD(struct wire_child, bound, 11),
    TROUPE_FIELD(struct wire_child, option_flags, 12),
    TROUPE_FIELD(struct wire_child, checkpoint, 13),
    TROUPE_FIELD(struct wire_child, checkpoint_ms, 14),
    TROUPE_FIELD(struct wire_child, mailbox_messages, 15),
    TROUPE_FIELD(struct wire_child, mailbox_bytes, 16),
    TROUPE_FIELD(struct wire_child, mailbox_policy, 17),
};
static const troupe_type wire_child_type = {.name = "troupe.child_spec",
                                            .size = sizeof(struct wire_child),
                                            .fields = wire_child_fields,
                                            .field_count = sizeof(wire_child_fields) /
                                                           sizeof(wire_child_fields[0])};

struct wire_supervisor {
    int32_t strategy;
    uint32_t intensity;
    uint32_t period_ms;
    int32_t auto_shutdown;
    uint32_t max_children;
    uint32_t children; /* how many of the list are its own */
};

static const troupe_field wire_supervisor_fields[] = {
    TROUPE_FIELD(struct wire_supervisor, strategy, 1),
    TROUPE_FIELD(struct wire_supervisor, intensity, 2),
    TROUPE_FIELD(struct wire_supervisor, period_ms, 3),
    TROUPE_FIELD(struct wire_supervisor, auto_shutdown, 4),
    TROUPE_FIELD(struct wire_supervisor, max_children, 5),
    TROUPE_FIELD(struct wire_supervisor, children, 6),
};
static const troupe_type wire_supervisor_type = {.name = "troupe.supervisor_level",
                                                 .size = sizeof(struct wire_supervisor),
                                                 .fields = wire_supervisor_fields,
                                                 .field_count = sizeof(wire_supervisor_fields) /
                                                                sizeof(wire_supervisor_fields[0])};

struct wire_spec {
    const struct wire_supervisor *supervisors;
    size_t supervisors_count;
    const struct wire_child *children;
    size_t children_count;
};

static const troupe_field wire_spec_fields[] = {
    TROUPE_FIELD_STRUCT_ARRAY(struct wire_spec, supervisors, supervisors_count, 1,
                              &wire_supervisor_type),
    TROUPE_FIELD_STRUCT_ARRAY(struct wire_spec, children, children_count, 2, &wire_child_type),
};
static const troupe_type wire_spec_type = {.name = TR_SPEC_TYPE_NAME,
                                           .size = sizeof(struct wire_spec),
                                           .fields = wire_spec_fields,
                                           .field_count = sizeof(wire_spec_fields) /
                                                          sizeof(wire_spec_fields[0])};

/* ---- packing ---- */

struct packing {
    const troupe_supervisor *queue[SUPERVISORS_MAX];
    uint8_t depth[SUPERVISORS_MAX];
    struct wire_supervisor supervisors[SUPERVISORS_MAX];
    size_t supervisors_count;
    struct wire_child *children;
    size_t children_count;
    const troupe_behavior **behaviors;
    size_t behaviors_count;
    const char *why;
    char *words;
};

static troupe_status refuse(struct packing *packing, const char *id, const char *why)
{
    (void)snprintf(packing->words, TR_REASON_TEXT_SIZE, "child \"%.100s\": %s",
                   id == NULL ? "" : id, why);
    packing->why = packing->words;
    return TROUPE_E_INVALID;
}

static troupe_status pack_supervisor(struct packing *packing, const troupe_supervisor *supervisor,
                                     const char *id, uint8_t depth)
{
    const size_t at = packing->supervisors_count;

    if (depth > TR_SPEC_DEPTH_MAX) {
        return refuse(packing, id, "a supervisor that is placed has at most 16 levels below it");
    }
    packing->queue[at] = supervisor;
    packing->depth[at] = depth;
    packing->supervisors[at] =
        (struct wire_supervisor){.strategy = supervisor->strategy,
                                 .intensity = supervisor->intensity,
                                 .period_ms = supervisor->period_ms,
                                 .auto_shutdown = supervisor->auto_shutdown,
                                 .max_children = supervisor->max_children,
                                 .children = (uint32_t)supervisor->children_count};
    packing->supervisors_count++;
    return TROUPE_OK;
}

static troupe_status pack_args(struct packing *packing, const troupe_child *child,
                               struct wire_child *wire)
{
    const troupe_type *type = child->behavior->args;
    char error[TR_REASON_TEXT_SIZE / 2] = "";

    if (child->behavior->name == NULL || child->behavior->name[0] == '\0') {
        return refuse(packing, child->id, "a child that is placed needs a behavior with a name");
    }
    wire->behavior = child->behavior->name;
    packing->behaviors[packing->behaviors_count++] = child->behavior;
    if (child->args == NULL) {
        return TROUPE_OK;
    }
    if (type == NULL) {
        return refuse(packing, child->id,
                      "the arguments of a child that is placed need a described type");
    }
    troupe_status status = tr_value_check(type, child->args, error, sizeof(error));

    if (status != TROUPE_OK) {
        (void)refuse(packing, child->id, error);
        return status;
    }
    struct tr_spawn_request request = {0};

    status = tr_spawn_encode_args(&request, type, child->args);
    wire->args_type = request.args_type;
    wire->args = (troupe_bytes){.data = request.args, .size = request.args_size};
    return status;
}

static troupe_status pack_child(struct packing *packing, const troupe_child *child, uint8_t depth)
{
    struct wire_child *wire = &packing->children[packing->children_count++];
    const troupe_spawn_options *options = child->options;

    *wire = (struct wire_child){.id = child->id,
                                .name = child->name,
                                .flags = child->flags,
                                .restart = child->restart,
                                .shutdown_ms = child->shutdown_ms,
                                .significant = child->significant,
                                .placement = child->placement,
                                .bound = options != NULL};
    if (options != NULL) {
        wire->option_flags = options->flags;
        wire->checkpoint = options->checkpoint;
        wire->checkpoint_ms = options->checkpoint_ms;
        wire->mailbox_messages = options->mailbox_messages;
        wire->mailbox_bytes = options->mailbox_bytes;
        wire->mailbox_policy = options->mailbox_policy;
    }
    if ((child->behavior == NULL) == (child->supervisor == NULL)) {
        return refuse(packing, child->id, "a child has a behavior, or else a supervisor");
    }
    return child->supervisor != NULL
               ? pack_supervisor(packing, child->supervisor, child->id, (uint8_t)(depth + 1))
               : pack_args(packing, child, wire);
}

/* Makes room for the children of one more supervisor. */
static bool grow(struct packing *packing, size_t more)
{
    const size_t count = packing->children_count + more + 1;
    struct wire_child *children = realloc(packing->children, count * sizeof(*children));

    if (children == NULL) {
        return false;
    }
    packing->children = children;
    const troupe_behavior **behaviors =
        (const troupe_behavior **)realloc((void *)packing->behaviors, count * sizeof(*behaviors));

    if (behaviors == NULL) {
        return false;
    }
    packing->behaviors = behaviors;
    return true;
}

/* Level by level: the children of the supervisor that was met first stand first. */
static troupe_status pack_all(struct packing *packing, const troupe_supervisor *root)
{
    troupe_status status = pack_supervisor(packing, root, "", 0);

    for (size_t i = 0; status == TROUPE_OK && i < packing->supervisors_count; i++) {
        const troupe_supervisor *supervisor = packing->queue[i];

        if (supervisor->children_count > TR_SPEC_CHILDREN_MAX - packing->children_count) {
            return refuse(packing, "",
                          "a supervisor that is placed has at most 1,000 children below it");
        }
        if (!grow(packing, supervisor->children_count)) {
            return TROUPE_E_NO_MEMORY;
        }
        for (size_t k = 0; status == TROUPE_OK && k < supervisor->children_count; k++) {
            status = pack_child(packing, &supervisor->children[k], packing->depth[i]);
        }
    }
    return status;
}

static troupe_status write_bytes(struct packing *packing, struct tr_packed_spec *packed)
{
    const struct wire_spec wire = {.supervisors = packing->supervisors,
                                   .supervisors_count = packing->supervisors_count,
                                   .children = packing->children,
                                   .children_count = packing->children_count};
    troupe_status status =
        tr_value_check(&wire_spec_type, &wire, packing->words, TR_REASON_TEXT_SIZE);

    if (status != TROUPE_OK) {
        packing->why = packing->words;
        return status;
    }
    const size_t size_max = tr_value_encoded_size_max(&wire_spec_type, &wire);

    if (size_max > TR_SPEC_SIZE_MAX) {
        packing->why = "the specification of a supervisor that is placed has at most 1 MiB";
        return TROUPE_E_LIMIT;
    }
    packed->bytes = malloc(size_max == 0 ? 1 : size_max);
    if (packed->bytes == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    packed->size = tr_value_encode(&wire_spec_type, &wire, packed->bytes, size_max);
    packed->behaviors = packing->behaviors;
    packed->behaviors_count = packing->behaviors_count;
    packing->behaviors = NULL;
    return TROUPE_OK;
}

troupe_status tr_spec_encode(const troupe_supervisor *supervisor, struct tr_packed_spec **out,
                             const char **why, char words[TR_REASON_TEXT_SIZE])
{
    struct packing *packing = calloc(1, sizeof(*packing));
    struct tr_packed_spec *packed = calloc(1, sizeof(*packed));
    troupe_status status = TROUPE_E_NO_MEMORY;

    if (packing != NULL && packed != NULL) {
        packing->words = words;
        status = pack_all(packing, supervisor);
        if (status == TROUPE_OK) {
            status = write_bytes(packing, packed);
        }
        *why = packing->why;
        for (size_t i = 0; i < packing->children_count; i++) {
            free((void *)(uintptr_t)packing->children[i].args.data);
        }
        free(packing->children);
        free((void *)packing->behaviors);
    }
    free(packing);
    if (status != TROUPE_OK) {
        tr_packed_spec_destroy(packed);
        return status;
    }
    *out = packed;
    return TROUPE_OK;
}

void tr_packed_spec_destroy(struct tr_packed_spec *packed)
{
    if (packed != NULL) {
        free(packed->bytes);
        free((void *)packed->behaviors);
        free(packed);
    }
}

/* ---- reading ---- */

struct tr_spec {
    struct tr_atomic_u32 holders;
    bool has_names;
    struct wire_spec *wire; /* owned, as all of these; strings lie in it */
    troupe_supervisor *supervisors;
    troupe_child *children;
    troupe_spawn_options *options;
    void **args;
    size_t children_count;
    const struct tr_packed_spec *packed; /* while it is read: of this node; NULL: it has arrived */
    size_t behaviors_count;              /* that were read */
};

static const char *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

static void spec_free(struct tr_spec *spec)
{
    for (size_t i = 0; spec->args != NULL && i < spec->children_count; i++) {
        free(spec->args[i]);
    }
    free((void *)spec->args);
    free(spec->options);
    free(spec->children);
    free(spec->supervisors);
    free(spec->wire);
    free(spec);
}

static troupe_status read_wire(struct tr_spec *spec, const uint8_t *bytes, size_t bytes_size,
                               char *error, size_t error_size)
{
    size_t size = 0;

    if (bytes_size > TR_SPEC_SIZE_MAX ||
        tr_value_decoded_size(&wire_spec_type, bytes, bytes_size, &size, error, error_size) !=
            TROUPE_OK) {
        return TROUPE_E_PROTOCOL;
    }
    if (size > BLOCK_MAX) { /* More than what is allowed needs, of however few bytes it is. */
        return TROUPE_E_PROTOCOL;
    }
    spec->wire = malloc(size == 0 ? 1 : size);
    if (spec->wire == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    tr_value_decode_into(&wire_spec_type, bytes, bytes_size, spec->wire, size);
    const struct wire_spec *wire = spec->wire;

    if (wire->supervisors_count == 0 || wire->supervisors_count > SUPERVISORS_MAX ||
        wire->children_count > TR_SPEC_CHILDREN_MAX) {
        return TROUPE_E_PROTOCOL;
    }
    spec->children_count = wire->children_count;
    spec->supervisors = calloc(wire->supervisors_count, sizeof(*spec->supervisors));
    spec->children = calloc(wire->children_count + 1, sizeof(*spec->children));
    spec->options = calloc(wire->children_count + 1, sizeof(*spec->options));
    spec->args = (void **)calloc(wire->children_count + 1, sizeof(*spec->args));
    return spec->supervisors == NULL || spec->children == NULL || spec->options == NULL ||
                   spec->args == NULL
               ? TROUPE_E_NO_MEMORY
               : TROUPE_OK;
}

static troupe_status read_args(const troupe_behavior *behavior, const struct wire_child *wire,
                               void **args, char *error, size_t error_size)
{
    const struct tr_spawn_request request = {.args_type =
                                                 wire->args_type == NULL ? "" : wire->args_type,
                                             .args = wire->args.data,
                                             .args_size = wire->args.size};
    const troupe_status status = tr_spawn_decode_args(behavior, &request, args, error, error_size);

    return status == TROUPE_OK || status == TROUPE_E_NO_MEMORY ? status : TROUPE_E_TYPE;
}

static troupe_status read_child(struct troupe_node *node, struct tr_spec *spec, size_t at,
                                size_t *supervisors, char *error, size_t error_size)
{
    const struct wire_child *wire = &spec->wire->children[at];
    troupe_child *child = &spec->children[at];
    const char *behavior = text_or_null(wire->behavior);

    *child = (troupe_child){.id = wire->id,
                            .name = text_or_null(wire->name),
                            .flags = wire->flags,
                            .restart = wire->restart,
                            .shutdown_ms = wire->shutdown_ms,
                            .significant = wire->significant,
                            .placement = text_or_null(wire->placement),
                            .options = wire->bound ? &spec->options[at] : NULL};
    spec->options[at] = (troupe_spawn_options){.flags = wire->option_flags,
                                               .checkpoint = wire->checkpoint,
                                               .checkpoint_ms = wire->checkpoint_ms,
                                               .mailbox_messages = wire->mailbox_messages,
                                               .mailbox_bytes = wire->mailbox_bytes,
                                               .mailbox_policy = wire->mailbox_policy};
    spec->has_names = spec->has_names || child->name != NULL;
    if (behavior == NULL) {
        if (++*supervisors >= spec->wire->supervisors_count) {
            return TROUPE_E_PROTOCOL;
        }
        child->supervisor = &spec->supervisors[*supervisors];
        return TROUPE_OK;
    }
    child->behavior = spec->packed == NULL ? tr_catalog_behavior(node, behavior)
                                           : spec->packed->behaviors[spec->behaviors_count++];
    if (child->behavior == NULL) {
        (void)snprintf(error, error_size, "node \"%s\" has no behavior \"%.100s\"", node->name,
                       behavior);
        return TROUPE_E_NOT_FOUND;
    }
    const troupe_status status =
        read_args(child->behavior, wire, &spec->args[at], error, error_size);

    child->args = spec->args[at];
    return status;
}

static troupe_status read_all(struct troupe_node *node, struct tr_spec *spec, char *error,
                              size_t error_size)
{
    const struct wire_spec *wire = spec->wire;
    uint8_t depth[SUPERVISORS_MAX] = {0};
    size_t met = 0; /* the number of the supervisor that was met last */
    size_t at = 0;

    for (size_t i = 0; i < wire->supervisors_count; i++) {
        const struct wire_supervisor *level = &wire->supervisors[i];
        const size_t before = met;

        if (i > met || depth[i] > TR_SPEC_DEPTH_MAX ||
            level->children > wire->children_count - at) {
            return TROUPE_E_PROTOCOL;
        }
        spec->supervisors[i] = (troupe_supervisor){.strategy = level->strategy,
                                                   .intensity = level->intensity,
                                                   .period_ms = level->period_ms,
                                                   .auto_shutdown = level->auto_shutdown,
                                                   .max_children = level->max_children,
                                                   .children = &spec->children[at],
                                                   .children_count = level->children};
        for (size_t k = 0; k < level->children; k++) {
            const troupe_status status = read_child(node, spec, at++, &met, error, error_size);

            if (status != TROUPE_OK) {
                return status;
            }
        }
        for (size_t k = before + 1; k <= met; k++) {
            depth[k] = (uint8_t)(depth[i] + 1);
        }
    }
    return at == wire->children_count && met + 1 == wire->supervisors_count ? TROUPE_OK
                                                                            : TROUPE_E_PROTOCOL;
}

/* node or packed is NULL: who knows the behaviors. */
static troupe_status decode(struct troupe_node *node, const struct tr_packed_spec *packed,
                            const uint8_t *bytes, size_t size, struct tr_spec **out, char *error,
                            size_t error_size)
{
    struct tr_spec *spec = calloc(1, sizeof(*spec));
    troupe_status status =
        spec == NULL ? TROUPE_E_NO_MEMORY : read_wire(spec, bytes, size, error, error_size);

    if (status == TROUPE_OK) {
        spec->packed = packed;
        status = read_all(node, spec, error, error_size);
    }
    if (status == TROUPE_E_PROTOCOL) {
        (void)snprintf(error, error_size, "the specification of a supervisor that cannot be read");
    }
    if (status != TROUPE_OK) {
        if (spec != NULL) {
            spec_free(spec);
        }
        return status;
    }
    spec->packed = NULL;
    tr_store32_relaxed(&spec->holders, 1);
    *out = spec;
    return TROUPE_OK;
}

troupe_status tr_spec_decode(struct troupe_node *node, const uint8_t *bytes, size_t size,
                             struct tr_spec **out, char *error, size_t error_size)
{
    return decode(node, NULL, bytes, size, out, error, error_size);
}

troupe_status tr_spec_unpack(const struct tr_packed_spec *packed, struct tr_spec **out, char *error,
                             size_t error_size)
{
    return decode(NULL, packed, packed->bytes, packed->size, out, error, error_size);
}

const troupe_supervisor *tr_spec_root(const struct tr_spec *spec)
{
    return &spec->supervisors[0];
}

bool tr_spec_has_names(const struct tr_spec *spec)
{
    return spec->has_names;
}

void tr_spec_hold(struct tr_spec *spec)
{
    if (spec != NULL) {
        (void)tr_add32_seq(&spec->holders, 1);
    }
}

/* What other holders did with it comes before what the last one does here. */
void tr_spec_drop(struct tr_spec *spec)
{
    if (spec != NULL && tr_sub32_seq(&spec->holders, 1) == 1) {
        spec_free(spec);
    }
}
