#include "dist/codec.h"

#include <stdio.h>
#include <string.h>

#include "base/be.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "type/value.h"

/* kind, flags, status, from, to, ref, size of the type's name */
enum {
    HEAD_SIZE = 1 + 1 + 2 + 16 + 8 + 8 + 1,
    TAIL_FIXED_SIZE = 4 + 8 + 1 + 8 + 8,
    REASON_SIZE = 4
};

enum { RESULT_SIZE = 8 + 8 + 4 + 4, TEXT_SIZE_MAX = 255, TRIES_MAX = 255 };

/* ---- writing ---- */

struct writer {
    uint8_t *at;
    uint8_t *end;
};

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
    TR_CHECK((size_t)(w->end - w->at) >= size);
    if (size > 0) {
        memcpy(w->at, bytes, size);
        w->at += size;
    }
}

static void put_u8(struct writer *w, uint8_t value)
{
    put_bytes(w, &value, 1);
}

static void put_u32(struct writer *w, uint32_t value)
{
    uint8_t bytes[4];

    tr_be32_put(bytes, value);
    put_bytes(w, bytes, sizeof(bytes));
}

static void put_u64(struct writer *w, uint64_t value)
{
    uint8_t bytes[8];

    tr_be64_put(bytes, value);
    put_bytes(w, bytes, sizeof(bytes));
}

static void put_text(struct writer *w, const char *text)
{
    const size_t size = text == NULL ? 0 : strnlen(text, TEXT_SIZE_MAX);

    put_u8(w, (uint8_t)size);
    put_bytes(w, text, size);
}

static void put_pid(struct writer *w, troupe_pid pid)
{
    put_u64(w, pid.node);
    put_u64(w, pid.id);
}

/* What every signal begins with, up to the type's name: room for it is asked for once. */
static void put_head(struct writer *w, const struct tr_message *message)
{
    uint8_t *to = w->at;

    TR_CHECK((size_t)(w->end - to) >= HEAD_SIZE - 1);
    to[0] = message->signal;
    to[1] = message->flags & TR_MESSAGE_WIRE_FLAGS;
    tr_be16_put(to + 2, (uint16_t)message->status);
    tr_be64_put(to + 4, message->from.node);
    tr_be64_put(to + 12, message->from.id);
    tr_be64_put(to + 20, message->to.id);
    tr_be64_put(to + 28, message->ref);
    w->at = to + HEAD_SIZE - 1;
}

static bool has_reason(uint8_t signal)
{
    return signal == TR_SIGNAL_EXIT || signal == TR_SIGNAL_LINK_EXIT || signal == TR_SIGNAL_DOWN ||
           signal == TR_SIGNAL_CALL_FAILED;
}

static bool has_value(uint8_t signal)
{
    return signal == TR_SIGNAL_MESSAGE || signal == TR_SIGNAL_CALL || signal == TR_SIGNAL_REPLY;
}

size_t tr_codec_size_max(const struct tr_message *message, const void *value)
{
    const size_t value_size = has_value(message->signal) && value != NULL
                                  ? tr_value_encoded_size_max(message->type, value)
                                  : 0;

    return TR_CODEC_HEAD_SIZE_MAX + TEXT_SIZE_MAX + value_size;
}

static void put_tail(struct writer *w, const struct tr_message *message, int64_t now_ns)
{
    const struct tr_name_tail *tail =
        (const struct tr_name_tail *)(const void *)(message->payload + message->value_size);
    const int64_t left_ms = (tail->deadline_ns - now_ns) / TR_NS_PER_MS;

    put_text(w, tail->name);
    put_u32(w, left_ms < 0 ? 0 : left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms);
    put_u64(w, tail->epoch);
    put_u8(w, (uint8_t)(tail->tries > TRIES_MAX ? TRIES_MAX : tail->tries));
    put_u64(w, tail->ticket);
    put_u64(w, tail->proof);
}

static void put_reason(struct writer *w, const struct tr_message *message)
{
    const struct tr_reason *reason = tr_message_reason(message);

    put_u32(w, (uint32_t)reason->kind);
    put_text(w, reason->text);
}

static void put_result(struct writer *w, const struct tr_message *message)
{
    const struct tr_op_result *result = (const struct tr_op_result *)(const void *)message->payload;

    put_pid(w, result->pid);
    put_u32(w, (uint32_t)result->status);
    put_u32(w, result->flags);
    put_text(w, result->text);
}

static void put_value(struct writer *w, const troupe_type *type, const void *value,
                      const uint8_t *begin, struct tr_value_parts *parts)
{
    const size_t before = (size_t)(w->at - begin);

    w->at += tr_value_encode_parts(type, value, w->at, (size_t)(w->end - w->at), parts);
    for (size_t index = 0; parts != NULL && index < parts->count; index++) {
        parts->part[index].at += before;
    }
}

size_t tr_codec_encode_parts(const struct tr_message *message, const void *value, int64_t now_ns,
                             uint8_t *bytes, size_t capacity, struct tr_value_parts *parts)
{
    struct writer w = {.at = bytes, .end = bytes + capacity};

    if (parts != NULL) {
        parts->count = 0;
    }
    put_head(&w, message);
    put_text(&w, message->type == NULL ? "" : message->type->name);
    if ((message->flags & (TR_MESSAGE_NAMED | TR_MESSAGE_GROUP)) != 0) {
        put_tail(&w, message, now_ns);
    }
    if (has_reason(message->signal)) {
        put_reason(&w, message);
    } else if (message->signal == TR_SIGNAL_RESULT) {
        put_result(&w, message);
    } else if (has_value(message->signal) && value != NULL) {
        put_value(&w, message->type, value, bytes, parts);
    }
    return (size_t)(w.at - bytes);
}

size_t tr_codec_encode(const struct tr_message *message, int64_t now_ns, uint8_t *bytes,
                       size_t capacity)
{
    return tr_codec_encode_parts(message, tr_codec_value(message), now_ns, bytes, capacity, NULL);
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* something was cut short; everything after it reads as zero */
};

static const uint8_t *get_bytes(struct reader *r, size_t size)
{
    const uint8_t *bytes = r->at;

    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return bytes;
}

static uint8_t get_u8(struct reader *r)
{
    const uint8_t *bytes = get_bytes(r, 1);

    return bytes == NULL ? 0 : bytes[0];
}

static uint16_t get_u16(struct reader *r)
{
    const uint8_t *bytes = get_bytes(r, 2);

    return bytes == NULL ? 0 : tr_be16_get(bytes);
}

static uint32_t get_u32(struct reader *r)
{
    const uint8_t *bytes = get_bytes(r, 4);

    return bytes == NULL ? 0 : tr_be32_get(bytes);
}

static uint64_t get_u64(struct reader *r)
{
    const uint8_t *bytes = get_bytes(r, 8);

    return bytes == NULL ? 0 : tr_be64_get(bytes);
}

static troupe_pid get_pid(struct reader *r)
{
    const uint64_t node = get_u64(r);

    return (troupe_pid){.node = node, .id = get_u64(r)};
}

static bool is_text(struct tr_slice text)
{
    return text.size == 0 ||
           (tr_utf8_is_valid(text.bytes, text.size) && memchr(text.bytes, '\0', text.size) == NULL);
}

/* Lends a text of at most 255 bytes, whatever is in it. */
static struct tr_slice get_slice(struct reader *r)
{
    const size_t size = get_u8(r);
    const uint8_t *bytes = get_bytes(r, size);

    return (struct tr_slice){bytes, bytes == NULL ? 0 : size};
}

/* Copies a text of at most 255 bytes to `text`, which has 256. */
static void get_text(struct reader *r, char *text)
{
    const struct tr_slice slice = get_slice(r);

    r->bad = r->bad || !is_text(slice);
    text[0] = '\0';
    if (!r->bad && slice.size > 0) {
        memcpy(text, slice.bytes, slice.size);
        text[slice.size] = '\0';
    }
}

struct head {
    uint8_t signal;
    uint8_t flags;
    int16_t status;
    troupe_pid from;
    uint64_t to;
    uint64_t ref;
    struct tr_slice type;         /* lent by the input; checked when it is not one that is known */
    char name[TEXT_SIZE_MAX + 1]; /* empty without flags that say otherwise */
    uint32_t left_ms;
    uint64_t epoch;
    uint8_t tries;
    uint64_t ticket;
    uint64_t proof;
};

static void get_head(struct reader *r, struct head *head)
{
    head->signal = get_u8(r);
    head->flags = get_u8(r);
    head->status = (int16_t)get_u16(r);
    head->from = get_pid(r);
    head->to = get_u64(r);
    head->ref = get_u64(r);
    head->type = get_slice(r);
    head->name[0] = '\0';
    if ((head->flags & (TR_MESSAGE_NAMED | TR_MESSAGE_GROUP)) != 0) {
        get_text(r, head->name);
        head->left_ms = get_u32(r);
        head->epoch = get_u64(r);
        head->tries = get_u8(r);
        head->ticket = get_u64(r);
        head->proof = get_u64(r);
        r->bad = r->bad || head->name[0] == '\0';
    }
    /* Only what nodes may say to each other; TR_MESSAGE_INBOX is for the database alone. */
    r->bad = r->bad || head->signal >= TR_SIGNAL_NODE_LOST ||
             (!has_value(head->signal) && !is_text(head->type)) ||
             (head->flags & ~TR_MESSAGE_WIRE_FLAGS) != 0 ||
             ((head->flags & TR_MESSAGE_GROUP) != 0 &&
              (head->flags != TR_MESSAGE_GROUP || head->signal != TR_SIGNAL_MESSAGE)) ||
             ((head->flags & TR_MESSAGE_NAMED) != 0 && head->signal > TR_SIGNAL_CALL) ||
             ((head->flags & TR_MESSAGE_RETURNED) != 0 && (head->flags & TR_MESSAGE_NAMED) == 0);
}

/* A message with room for a value of value_size, which is not filled, and, for a named one, the
 * tail. */
static struct tr_message *create(const struct tr_codec_source *source, const struct head *head,
                                 size_t value_size)
{
    const bool named = (head->flags & (TR_MESSAGE_NAMED | TR_MESSAGE_GROUP)) != 0;
    const size_t name_size = strlen(head->name) + 1;
    struct tr_message *message = tr_message_create_unfilled(
        source->cache, (enum tr_signal_kind)head->signal,
        value_size + (named ? sizeof(struct tr_name_tail) + name_size : 0));

    if (message == NULL) {
        return NULL;
    }
    message->value_size = (uint32_t)value_size;
    if (named) {
        struct tr_name_tail *tail = tr_message_name(message);

        *tail = (struct tr_name_tail){.deadline_ns =
                                          source->now_ns + (int64_t)head->left_ms * TR_NS_PER_MS,
                                      .epoch = head->epoch,
                                      .tries = head->tries,
                                      .ticket = head->ticket,
                                      .proof = head->proof};
        memcpy(tail->name, head->name, name_size);
    }
    return message;
}

static struct tr_message *get_reason(struct reader *r, const struct tr_codec_source *source,
                                     const struct head *head)
{
    char text[TEXT_SIZE_MAX + 1];
    const int32_t kind = (int32_t)get_u32(r);

    get_text(r, text);
    if (r->bad || kind < TROUPE_REASON_NORMAL || kind > TROUPE_REASON_KILL) {
        r->bad = true;
        return NULL;
    }
    return tr_message_create_reason(source->cache, (enum tr_signal_kind)head->signal, kind, text);
}

static struct tr_message *get_result(struct reader *r, const struct tr_codec_source *source,
                                     const struct head *head)
{
    char text[TEXT_SIZE_MAX + 1];
    const troupe_pid pid = get_pid(r);
    const int32_t status = (int32_t)get_u32(r);
    const uint32_t flags = get_u32(r);

    get_text(r, text);
    return r->bad ? NULL
                  : tr_message_create_result(source->cache, head->ref, status, pid,
                                             flags & ~TR_OP_MADE, text);
}

/* A message whose type is not known here, or that has no valid text for its name. */
static struct tr_message *get_unknown(struct reader *r, const struct tr_codec_source *source,
                                      const struct head *head, troupe_status *status, char *error,
                                      size_t error_size)
{
    if (!is_text(head->type)) {
        r->bad = true;
        return NULL;
    }
    (void)snprintf(error, error_size, "type \"%.*s\" is not known here", (int)head->type.size,
                   head->type.size == 0 ? "" : (const char *)head->type.bytes);
    *status = TROUPE_E_TYPE;
    return create(source, head, 0);
}

/* A value whose block has a bound: checked and decoded in one walk. */
static struct tr_message *get_bounded(const struct reader *r, const struct tr_codec_source *source,
                                      const struct head *head, const troupe_type *type,
                                      size_t block_size, troupe_status *status, char *error,
                                      size_t error_size)
{
    struct tr_message *message = create(source, head, block_size);

    if (message == NULL) {
        return NULL;
    }
    *status = tr_value_decode(type, r->at, (size_t)(r->end - r->at), message->payload, block_size,
                              error, error_size);
    if (*status != TROUPE_OK) {
        tr_message_destroy(source->cache, message);
        return create(source, head, 0);
    }
    message->type = type;
    return message;
}

/* A value of which only a walk tells how much it needs. */
static struct tr_message *get_counted(const struct reader *r, const struct tr_codec_source *source,
                                      const struct head *head, const troupe_type *type,
                                      troupe_status *status, char *error, size_t error_size)
{
    const size_t size = (size_t)(r->end - r->at);
    size_t block_size = 0;

    if (type->size > 0) {
        *status = tr_value_decoded_size(type, r->at, size, &block_size, error, error_size);
        if (*status != TROUPE_OK) {
            return create(source, head, 0);
        }
    }
    struct tr_message *message = create(source, head, block_size);

    if (message != NULL) {
        message->type = type;
        if (block_size > 0) {
            tr_value_decode_into(type, r->at, size, message->payload, block_size);
        }
    }
    return message;
}

/* The value of a message, request or reply. *status tells why it is missing. */
static struct tr_message *get_value(struct reader *r, const struct tr_codec_source *source,
                                    const struct head *head, troupe_status *status, char *error,
                                    size_t error_size)
{
    const char *name = (const char *)head->type.bytes;
    const troupe_type *type = head->type.size == 0
                                  ? NULL
                                  : source->find_type(source->find_context, name, head->type.size);

    if (type == NULL) {
        return get_unknown(r, source, head, status, error, error_size);
    }
    const size_t block_size = tr_value_decoded_size_max(type, (size_t)(r->end - r->at));

    return block_size > 0
               ? get_bounded(r, source, head, type, block_size, status, error, error_size)
               : get_counted(r, source, head, type, status, error, error_size);
}

troupe_status tr_codec_decode(const struct tr_codec_source *source, struct tr_message **out,
                              char *error, size_t error_size)
{
    struct reader r = {.at = source->bytes, .end = source->bytes + source->size};
    struct head head __attribute__((uninitialized)); /* get_head sets what is looked at */
    struct tr_message *message = NULL;
    troupe_status status = TROUPE_OK;

    get_head(&r, &head);
    if (r.bad) {
        return TROUPE_E_PROTOCOL;
    }
    if (has_reason(head.signal)) {
        message = get_reason(&r, source, &head);
    } else if (head.signal == TR_SIGNAL_RESULT) {
        message = get_result(&r, source, &head);
    } else if (has_value(head.signal)) {
        message = get_value(&r, source, &head, &status, error, error_size);
    } else {
        message = create(source, &head, 0);
    }
    if (message == NULL) {
        return r.bad ? TROUPE_E_PROTOCOL : TROUPE_E_NO_MEMORY;
    }
    message->flags = head.flags;
    if (head.status < 0) {
        message->status = head.status;
    }
    message->from = head.from;
    message->to.id = head.to;
    message->ref = head.ref;
    *out = message;
    return status;
}

bool tr_codec_find_tail(const uint8_t *bytes, size_t size, struct tr_codec_tail *tail)
{
    size_t at = HEAD_SIZE;

    if (size < HEAD_SIZE || (bytes[TR_CODEC_FLAGS_AT] & TR_MESSAGE_NAMED) == 0) {
        return false;
    }
    at += bytes[HEAD_SIZE - 1]; /* the type's name */
    if (size <= at || size - at < (size_t)1 + bytes[at] + TAIL_FIXED_SIZE) {
        return false;
    }
    tail->left_at = at + 1 + bytes[at];
    tail->ticket_at = tail->left_at + 4 + 8 + 1;
    tail->proof_at = tail->ticket_at + 8;
    return true;
}

/* ---- spawn requests and inbox hints ---- */

size_t tr_codec_spawn_size_max(const struct tr_spawn_request *request)
{
    return TR_CODEC_HEAD_SIZE_MAX + TR_CODEC_STORAGE_SIZE + request->args_size;
}

size_t tr_codec_encode_spawn(const struct tr_spawn_request *request, uint8_t *bytes,
                             size_t capacity)
{
    struct writer w = {.at = bytes, .end = bytes + capacity};

    put_u8(&w, TR_PACKET_SPAWN);
    put_pid(&w, request->caller);
    put_u64(&w, request->ref);
    put_u32(&w, request->flags);
    put_u32(&w, (uint32_t)request->checkpoint);
    put_u32(&w, request->checkpoint_ms);
    put_u32(&w, request->mailbox_messages);
    put_u64(&w, request->mailbox_bytes);
    put_text(&w, request->behavior);
    put_text(&w, request->name);
    put_text(&w, request->args_type);
    put_bytes(&w, request->args, request->args_size);
    return (size_t)(w.at - bytes);
}

troupe_status tr_codec_decode_spawn(const uint8_t *bytes, size_t size,
                                    struct tr_spawn_request *request,
                                    char storage[TR_CODEC_STORAGE_SIZE])
{
    struct reader r = {.at = bytes, .end = bytes + size};

    (void)get_u8(&r);
    request->caller = get_pid(&r);
    request->ref = get_u64(&r);
    request->flags = get_u32(&r);
    request->checkpoint = (int32_t)get_u32(&r);
    request->checkpoint_ms = get_u32(&r);
    request->mailbox_messages = get_u32(&r);
    request->mailbox_bytes = get_u64(&r);
    get_text(&r, storage);
    get_text(&r, storage + 256);
    get_text(&r, storage + 512);
    if (r.bad) {
        return TROUPE_E_PROTOCOL;
    }
    request->behavior = storage;
    request->name = storage + 256;
    request->args_type = storage + 512;
    request->args = r.at;
    request->args_size = (size_t)(r.end - r.at);
    return TROUPE_OK;
}

size_t tr_codec_encode_inbox(const char *name, uint8_t bytes[static 258])
{
    struct writer w = {.at = bytes, .end = bytes + 258};

    put_u8(&w, TR_PACKET_INBOX);
    put_text(&w, name);
    return (size_t)(w.at - bytes);
}

troupe_status tr_codec_decode_inbox(const uint8_t *bytes, size_t size, char name[static 256])
{
    struct reader r = {.at = bytes, .end = bytes + size};

    (void)get_u8(&r);
    get_text(&r, name);
    return r.bad || r.at != r.end || name[0] == '\0' ? TROUPE_E_PROTOCOL : TROUPE_OK;
}
