/* Metadata of this node that changes while it runs. */
#include <stdio.h>
#include <string.h>

#include "io/loop.h"
#include "node/members.h"

void tr_node_metadata(struct troupe_node *node, char metadata[static TR_METADATA_SIZE])
{
    tr_mutex_lock(&node->state_mutex);
    memcpy(metadata, node->metadata, sizeof(node->metadata));
    tr_mutex_unlock(&node->state_mutex);
}

/* Tells the registry what holds now: of several changes perhaps only the last. */
static void tell_on_loop(void *context)
{
    struct troupe_node *node = context;
    const struct tr_registry_port *port = &node->registry->port;
    char metadata[TR_METADATA_SIZE];

    tr_node_metadata(node, metadata);
    if (!node->leaving) {
        port->set_metadata(port->context, metadata);
    }
}

static troupe_status refuse(const char *wrong, char *error, size_t error_size)
{
    if (error != NULL && error_size > 0) {
        (void)snprintf(error, error_size, "%s", wrong);
    }
    return TROUPE_E_INVALID;
}

/* Puts entries and removes keys: of what there is, or beginning with nothing. */
static troupe_status change(struct troupe_node *node, bool anew, const char *put,
                            const char *remove, char *error, size_t error_size)
{
    char metadata[TR_METADATA_SIZE];
    bool changed = false;

    tr_mutex_lock(&node->state_mutex);
    const char *wrong =
        tr_metadata_change(anew ? "" : node->metadata, put, remove, metadata, sizeof(metadata));

    if (wrong == NULL && strcmp(metadata, node->metadata) != 0) {
        (void)snprintf(node->metadata, sizeof(node->metadata), "%s", metadata);
        tr_members_changed_locked(node);
        changed = true;
    }
    tr_mutex_unlock(&node->state_mutex);
    if (changed && node->loop_runs && tr_loop_post(node->loop, tell_on_loop, node) != TROUPE_OK) {
        tr_node_log(node, TROUPE_LOG_WARNING, "cannot tell the registry of the metadata");
    }
    return wrong == NULL ? TROUPE_OK : refuse(wrong, error, error_size);
}

troupe_status tr_node_change_metadata(struct troupe_node *node, const char *put, const char *remove,
                                      char *error, size_t error_size)
{
    return change(node, false, put, remove, error, error_size);
}

troupe_status troupe_node_set_metadata(troupe_node *node, const char *metadata, char *error,
                                       size_t error_size)
{
    return change(node, true, metadata, NULL, error, error_size);
}

troupe_status troupe_node_put_metadata(troupe_node *node, const char *key, const char *value,
                                       char *error, size_t error_size)
{
    char entry[TR_METADATA_VALUE_SIZE_MAX + 128];
    const bool sound = key != NULL && key[0] != '\0' && strpbrk(key, ",= ") == NULL &&
                       strlen(key) < 64 && (value == NULL || strchr(value, ',') == NULL) &&
                       (value == NULL || strlen(value) <= TR_METADATA_VALUE_SIZE_MAX);

    if (!sound) {
        return refuse("a key has 1 to 63 of A-Z a-z 0-9 _ . -, a value up to 255 bytes of UTF-8 "
                      "without a comma",
                      error, error_size);
    }
    if (value == NULL) {
        return tr_node_change_metadata(node, NULL, key, error, error_size);
    }
    (void)snprintf(entry, sizeof(entry), "%s=%s", key, value);
    return tr_node_change_metadata(node, entry, NULL, error, error_size);
}
