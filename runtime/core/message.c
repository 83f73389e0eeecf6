#include "core/message.h"

#include <string.h>

#include "base/utf8.h"
#include "type/field.h"
#include "type/limits.h"
#include "type/value.h"

troupe_status tr_message_check(const troupe_type *type, const void *value)
{
    if (type->size == 0) {
        return TROUPE_OK;
    }
    if (value == NULL) {
        return TROUPE_E_INVALID;
    }
    return tr_type_is_flat(type) || tr_value_size(type, value) <= TR_VALUE_SIZE_MAX
               ? TROUPE_OK
               : TROUPE_E_LIMIT;
}

static struct tr_message *create(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                 size_t payload_size)
{
    payload_size = payload_size < TR_MESSAGE_ROOM ? TR_MESSAGE_ROOM : payload_size;
    struct tr_message *message = tr_pool_get(cache, sizeof(struct tr_message) + payload_size);

    if (message != NULL) {
        *message =
            (struct tr_message){.signal = (uint8_t)signal, .block_size = (uint32_t)payload_size};
    }
    return message;
}

struct tr_message *tr_message_create(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                     size_t payload_size)
{
    struct tr_message *message = create(cache, signal, payload_size);

    if (message != NULL) {
        memset(message->payload, 0, payload_size);
    }
    return message;
}

struct tr_message *tr_message_create_unfilled(struct tr_pool_cache *cache,
                                              enum tr_signal_kind signal, size_t payload_size)
{
    return create(cache, signal, payload_size);
}

/* What one look at the fields tells about a value: nearly every message is plain, and then neither
 * its size nor its copy needs another look. */
struct shape {
    size_t size; /* in one block */
    bool plain;
};

static struct shape shape_of(const troupe_type *type, const void *value)
{
    const bool plain = tr_type_is_plain(type);

    return (struct shape){.size = plain ? tr_align(type->size) : tr_value_size(type, value),
                          .plain = plain};
}

static struct tr_message *create_shaped(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                        const troupe_type *type, const void *value,
                                        struct shape shape, size_t tail_size)
{
    struct tr_message *message = create(cache, signal, shape.size + tail_size);

    if (message != NULL) {
        message->type = type;
        message->value_size = (uint32_t)shape.size;
        if (shape.plain && shape.size > 0) {
            memcpy(message->payload, value, type->size);
        } else if (shape.size > 0) {
            tr_value_copy_into(type, value, message->payload, shape.size);
        }
    }
    return message;
}

struct tr_message *tr_message_create_value(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                           const troupe_type *type, const void *value,
                                           size_t tail_size)
{
    const struct shape shape = value == NULL ? (struct shape){0} : shape_of(type, value);

    return create_shaped(cache, signal, type, value, shape, tail_size);
}

struct tr_message *tr_message_copy(struct tr_pool_cache *cache, struct tr_message *message)
{
    const bool named = (message->flags & TR_MESSAGE_NAMED) != 0;
    const size_t tail_size =
        named ? sizeof(struct tr_name_tail) + strlen(tr_message_name(message)->name) + 1 : 0;
    struct tr_message *copy =
        tr_message_create_value(cache, (enum tr_signal_kind)message->signal, message->type,
                                tr_message_value(message), tail_size);

    if (copy != NULL && named) {
        copy->flags = message->flags;
        memcpy(tr_message_name(copy), tr_message_name(message), tail_size);
    }
    return copy;
}

troupe_status tr_message_copy_value(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                    const troupe_type *type, const void *value,
                                    struct tr_message **message)
{
    struct shape shape = {0};

    if (type->size > 0) {
        if (value == NULL) {
            return TROUPE_E_INVALID;
        }
        shape = shape_of(type, value);
        if (shape.size > TR_VALUE_SIZE_MAX) {
            return TROUPE_E_LIMIT;
        }
    }
    struct tr_message *copy = create_shaped(cache, signal, type, value, shape, 0);

    if (copy == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    *message = copy;
    return TROUPE_OK;
}

/* The bytes of a text that are kept: it is not cut inside a character. */
static size_t text_size(const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    const size_t size = strnlen(text, TR_REASON_TEXT_SIZE - 1);

    return size > 0 && text[size] != '\0' ? tr_utf8_cut(text, size) : size;
}

/* Copies a text, with its NUL. Another node takes UTF-8 only, and what it refuses would be lost: of
 * a text that is something else the ASCII characters are left. */
static void copy_text(char *to, const char *text, size_t size)
{
    if (size > 0) {
        memcpy(to, text, size);
    }
    to[size] = '\0';
    if (tr_utf8_is_valid(to, size)) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)to[i] >= 0x80) {
            to[i] = '?';
        }
    }
}

struct tr_message *tr_message_create_reason(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                            int32_t kind, const char *text)
{
    const size_t size = text_size(text);
    struct tr_message *message = create(cache, signal, sizeof(struct tr_reason) + size + 1);

    if (message != NULL) {
        struct tr_reason *reason = (struct tr_reason *)(void *)message->payload;

        reason->kind = kind;
        reason->text[0] = '\0';
        if (size > 0) {
            copy_text(reason->text, text, size);
        }
    }
    return message;
}

struct tr_message *tr_message_create_result(struct tr_pool_cache *cache, uint64_t ref, int status,
                                            troupe_pid pid, uint32_t flags, const char *text)
{
    const size_t size = text_size(text);
    struct tr_message *message =
        create(cache, TR_SIGNAL_RESULT, sizeof(struct tr_op_result) + size + 1);

    if (message != NULL) {
        struct tr_op_result *result = (struct tr_op_result *)(void *)message->payload;

        message->ref = ref;
        *result = (struct tr_op_result){.pid = pid, .status = status, .flags = flags};
        copy_text(result->text, text, size);
    }
    return message;
}

void tr_message_turn(struct tr_message *message, enum tr_signal_kind signal, int32_t kind,
                     const char *text)
{
    struct tr_reason *reason = (struct tr_reason *)(void *)message->payload;
    const size_t room = message->block_size - sizeof(*reason) - 1;
    size_t size = text_size(text);

    if (size > room) {
        size = tr_utf8_cut(text, room);
    }
    message->type = NULL;
    message->value_size = 0;
    message->status = 0;
    message->flags = 0;
    message->signal = (uint8_t)signal;
    reason->kind = kind;
    reason->text[0] = '\0';
    if (size > 0) {
        copy_text(reason->text, text, size);
    }
}

bool tr_message_fits(const struct tr_message *message, const char *text)
{
    return text_size(text) <= message->block_size - sizeof(struct tr_reason) - 1;
}
