#include "wire/hello.h"

#include <string.h>

#include "base/be.h"
#include "base/check.h"

/* Offsets within the body. */
enum {
    AT_MAGIC = 0,
    AT_VERSION_MIN = 8,
    AT_VERSION_MAX = 10,
    AT_ROLE = 12,
    AT_MODE = 13,
    AT_RESERVED = 14,
    AT_FEATURES = 16,
    AT_CLUSTER = 24,
    AT_SYSTEM = 40,
    AT_NODE = 48,
    AT_NONCE = 56,
    AT_FRAME_SIZE_MAX = 88,
    AT_MESSAGE_SIZE_MAX = 92,
    AT_HEARTBEAT = 96,
    AT_SILENCE = 100,
    AT_NAME_SIZE = 104,
    AT_NAME = 105
};

_Static_assert((int)AT_NAME == (int)TR_HELLO_FIXED_SIZE, "the name comes last");

static const uint8_t magic[8] = {'T', 'R', 'O', 'U', 'P', 'E', '\r', '\n'};

static bool name_is_valid(const char *name, size_t size)
{
    if (size == 0 || size > TR_NODE_NAME_SIZE_MAX) {
        return false;
    }
    for (size_t index = 0; index < size; index++) {
        if (name[index] <= ' ' || name[index] > '~') {
            return false;
        }
    }
    return true;
}

bool tr_hello_name_is_valid(const char *name)
{
    return name_is_valid(name, strnlen(name, (size_t)TR_NODE_NAME_SIZE_MAX + 1));
}

size_t tr_hello_put(const struct tr_hello *hello, uint8_t bytes[static TR_HANDSHAKE_FRAME_SIZE_MAX])
{
    const size_t name_size = strlen(hello->name);
    uint8_t *body = bytes + TR_FRAME_HEADER_SIZE;

    TR_CHECK(tr_hello_name_is_valid(hello->name));
    tr_frame_header_put(bytes, TR_FRAME_HELLO, TR_HELLO_FIXED_SIZE + name_size);
    memcpy(body + AT_MAGIC, magic, sizeof(magic));
    tr_be16_put(body + AT_VERSION_MIN, hello->version_min);
    tr_be16_put(body + AT_VERSION_MAX, hello->version_max);
    body[AT_ROLE] = hello->role;
    body[AT_MODE] = hello->mode;
    tr_be16_put(body + AT_RESERVED, 0);
    tr_be64_put(body + AT_FEATURES, hello->features);
    memcpy(body + AT_CLUSTER, hello->cluster_id, TR_CLUSTER_ID_SIZE);
    tr_be64_put(body + AT_SYSTEM, hello->system_id);
    tr_be64_put(body + AT_NODE, hello->node_id);
    memcpy(body + AT_NONCE, hello->nonce, TR_NONCE_SIZE);
    tr_be32_put(body + AT_FRAME_SIZE_MAX, hello->frame_size_max);
    tr_be32_put(body + AT_MESSAGE_SIZE_MAX, hello->message_size_max);
    tr_be32_put(body + AT_HEARTBEAT, hello->heartbeat_ms);
    tr_be32_put(body + AT_SILENCE, hello->silence_ms);
    body[AT_NAME_SIZE] = (uint8_t)name_size;
    memcpy(body + AT_NAME, hello->name, name_size);
    return TR_FRAME_HEADER_SIZE + TR_HELLO_FIXED_SIZE + name_size;
}

static void fields_get(const uint8_t *body, struct tr_hello *hello)
{
    *hello = (struct tr_hello){
        .version_min = tr_be16_get(body + AT_VERSION_MIN),
        .version_max = tr_be16_get(body + AT_VERSION_MAX),
        .role = body[AT_ROLE],
        .mode = body[AT_MODE],
        .features = tr_be64_get(body + AT_FEATURES),
        .system_id = tr_be64_get(body + AT_SYSTEM),
        .node_id = tr_be64_get(body + AT_NODE),
        .frame_size_max = tr_be32_get(body + AT_FRAME_SIZE_MAX),
        .message_size_max = tr_be32_get(body + AT_MESSAGE_SIZE_MAX),
        .heartbeat_ms = tr_be32_get(body + AT_HEARTBEAT),
        .silence_ms = tr_be32_get(body + AT_SILENCE),
    };
    memcpy(hello->cluster_id, body + AT_CLUSTER, TR_CLUSTER_ID_SIZE);
    memcpy(hello->nonce, body + AT_NONCE, TR_NONCE_SIZE);
    memcpy(hello->name, body + AT_NAME, body[AT_NAME_SIZE]);
}

static bool fields_are_valid(const struct tr_hello *hello)
{
    /* A client has no node id and a node has one: a client must never pass for a node. */
    if (hello->role != (hello->node_id == 0 ? (int)TR_WIRE_CLIENT : (int)TR_WIRE_NODE)) {
        return false;
    }
    if (hello->mode > (int)TR_WIRE_TLS) {
        return false;
    }
    return hello->version_min <= TR_WIRE_VERSION && hello->version_max >= TR_WIRE_VERSION;
}

troupe_status tr_hello_get(const struct tr_frame *frame, struct tr_hello *hello)
{
    const uint8_t *body = frame->body;
    struct tr_hello got;

    if (frame->kind != TR_FRAME_HELLO || frame->body_size < TR_HELLO_FIXED_SIZE ||
        memcmp(body, magic, sizeof(magic)) != 0 ||
        frame->body_size - TR_HELLO_FIXED_SIZE < body[AT_NAME_SIZE] ||
        !name_is_valid((const char *)body + AT_NAME, body[AT_NAME_SIZE])) {
        return TROUPE_E_PROTOCOL;
    }
    fields_get(body, &got);
    if (!fields_are_valid(&got)) {
        return TROUPE_E_PROTOCOL;
    }
    *hello = got;
    return TROUPE_OK;
}
