/* dist/codec.h - signals as bytes between nodes, and back.
 *
 * A signal travels as a head of fixed fields, the name of its type, the name it was sent to (if it
 * was), and the value in MessagePack or the reason as text. docs/protocol.md lists every byte. What
 * arrives is checked field by field; nothing is sized by a number that was not checked.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef TR_DIST_CODEC_H
#define TR_DIST_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"
#include "troupe/status.h"
#include "type/value.h"

enum tr_packet {
    TR_PACKET_SIGNAL = 0, /* the first byte is below TR_SIGNAL_COUNT: a signal of that kind */
    TR_PACKET_SPAWN = 64, /* start an actor here and tell its pid */
    TR_PACKET_INBOX = 65, /* rows wait in the inbox of a name that you hold */
    TR_PACKET_GROUPS = 66 /* which actors of the sender are in which groups (dist/groups.h) */
};

/* The most bytes that the head of a signal takes before its value. */
#define TR_CODEC_HEAD_SIZE_MAX 512u

/* The value that a signal carries in itself; NULL: none. */
static inline const void *tr_codec_value(const struct tr_message *message)
{
    return message->value_size == 0 ? NULL : message->payload;
}

/* Bytes that the signal needs with this value, at most: its own (tr_codec_value), or one of
 * message->type that its sender still has; NULL: none. */
size_t tr_codec_size_max(const struct tr_message *message, const void *value);

/* Encodes; now_ns turns the deadline of a named message into what is left of it. Answers the size.
 */
size_t tr_codec_encode(const struct tr_message *message, int64_t now_ns, uint8_t *bytes,
                       size_t capacity);

/* The same with a value as tr_codec_size_max takes it, and with large bytes left in it: *parts, if
 * not NULL, says which, and where in the encoding they belong. */
size_t tr_codec_encode_parts(const struct tr_message *message, const void *value, int64_t now_ns,
                             uint8_t *bytes, size_t capacity, struct tr_value_parts *parts);

/* Finds a type by name; the table is the node's. NULL: not known here. */
typedef const troupe_type *(*tr_codec_find_type)(void *context, const char *name, size_t size);

/* How and from where to decode. */
struct tr_codec_source {
    const uint8_t *bytes;
    size_t size;
    int64_t now_ns;
    struct tr_pool_cache *cache; /* of the calling thread */
    tr_codec_find_type find_type;
    void *find_context;
};

/* Gives *out with everything but to.node and session. When the head is good but the value is not,
 * *out is a message without a value, so that a request can be refused: TROUPE_E_TYPE with error
 * telling why. TROUPE_E_PROTOCOL (no *out), TROUPE_E_NO_MEMORY (no *out). */
TROUPE_MUST_USE troupe_status tr_codec_decode(const struct tr_codec_source *source,
                                              struct tr_message **out, char *error,
                                              size_t error_size);

/* Where some fields of an encoded signal stand. */
enum { TR_CODEC_FLAGS_AT = 1, TR_CODEC_STATUS_AT = 2, TR_CODEC_FROM_AT = 4, TR_CODEC_TO_AT = 20 };

/* Where those of a message to a name stand that say how long it may live and whose it is. */
struct tr_codec_tail {
    size_t left_at;   /* milliseconds, 4 bytes */
    size_t ticket_at; /* 8 bytes, and 8 more */
    size_t proof_at;  /* the value follows */
};

/* Answers false when the bytes are no message to a name, or are cut short. */
bool tr_codec_find_tail(const uint8_t *bytes, size_t size, struct tr_codec_tail *tail);

/* The mailbox policy travels in the upper bits of the flags: who does not know it ignores it. */
#define TR_SPAWN_POLICY_SHIFT 28u
#define TR_SPAWN_FLAGS_MASK ((1u << TR_SPAWN_POLICY_SHIFT) - 1u)

/* A request to start an actor. Strings are lent; when decoded, they lie in `storage`. */
struct tr_spawn_request {
    troupe_pid caller;
    uint64_t ref;
    uint32_t flags; /* TROUPE_SPAWN_*, and from TR_SPAWN_POLICY_SHIFT on a troupe_mailbox_policy */
    int32_t checkpoint;
    uint32_t checkpoint_ms;
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    const char *behavior;
    const char *name;      /* "" for none */
    const char *args_type; /* "" for none */
    const uint8_t *args;   /* MessagePack */
    size_t args_size;
};

#define TR_CODEC_STORAGE_SIZE 768u /* three texts of 255 bytes at most, with their NULs */

size_t tr_codec_spawn_size_max(const struct tr_spawn_request *request);
size_t tr_codec_encode_spawn(const struct tr_spawn_request *request, uint8_t *bytes,
                             size_t capacity);
TROUPE_MUST_USE troupe_status tr_codec_decode_spawn(const uint8_t *bytes, size_t size,
                                                    struct tr_spawn_request *request,
                                                    char storage[TR_CODEC_STORAGE_SIZE]);

/* A hint that the inbox of a name has rows. name has 256 bytes. */
size_t tr_codec_encode_inbox(const char *name, uint8_t bytes[static 258]);
TROUPE_MUST_USE troupe_status tr_codec_decode_inbox(const uint8_t *bytes, size_t size,
                                                    char name[static 256]);

#endif
