/* core/message.h - one signal on its way to one actor: a header and a payload in one block.
 *
 * Everything actors send each other is such a message, between actors of one node as between nodes:
 * there is one path. The payload is a value of a described type, or a struct tr_reason, or nothing.
 *
 *     message = tr_message_create_value(cache, TR_SIGNAL_MESSAGE, type, value);
 *     message->to = to; message->from = self; -> post (takes it)
 *
 * Threads: a message belongs to whoever holds it; holders change by queues only.
 * Memory: from the pool of the cache; tr_message_destroy with any cache of the same pool.
 */
#ifndef TR_CORE_MESSAGE_H
#define TR_CORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/inbox.h"
#include "sync/pool.h"
#include "troupe/actor.h"

enum tr_signal_kind {
    TR_SIGNAL_MESSAGE,
    TR_SIGNAL_CALL,        /* ref: of the caller */
    TR_SIGNAL_REPLY,       /* ref: of the call */
    TR_SIGNAL_CALL_FAILED, /* ref: of the call; payload: reason; status says which way */
    TR_SIGNAL_RESULT,      /* ref: of an operation; payload: struct tr_op_result */
    TR_SIGNAL_FORGET_CALL, /* to a callee: another actor answered for it; ref, from: the caller */
    TR_SIGNAL_LINK,
    TR_SIGNAL_UNLINK,     /* ref: id of this unlink */
    TR_SIGNAL_UNLINK_ACK, /* ref: the same id */
    TR_SIGNAL_MONITOR,    /* ref: of the watcher */
    TR_SIGNAL_DEMONITOR,
    TR_SIGNAL_EXIT,      /* exit/2; payload: reason */
    TR_SIGNAL_LINK_EXIT, /* the other end of a link ended; payload: reason; status: why its name was
                            refused */
    TR_SIGNAL_DOWN,      /* ref: of the watcher; payload: reason */
    /* From here on: never between nodes. */
    TR_SIGNAL_NODE_LOST,   /* ref: node id; session: which; everything there is gone; status: FENCED
                              when the node is down for good, OK when only the session is lost */
    TR_SIGNAL_CALL_TARGET, /* ref: of a call by name; from: who it went to */
    TR_SIGNAL_TIMER,       /* ref: what ran out */
    TR_SIGNAL_RUN,         /* payload: struct tr_run */
    TR_SIGNAL_COMMITTED,   /* ref: enum of dist/names.h; a durable actor's step is decided */
    TR_SIGNAL_INSPECT,     /* as RUN, but at once; the function gets NULL when there is no actor */
    TR_SIGNAL_NAMED,       /* the registry has decided; payload: struct tr_named */
    TR_SIGNAL_CONTINUE,    /* what the actor has itself handle before the next message */
    TR_SIGNAL_AWAIT,       /* ref; the sender is suspended until this mailbox has room */
    TR_SIGNAL_RESUME,      /* ref: of that; there is room, or nobody is there */
    TR_SIGNAL_COUNT
};

enum {
    TR_MESSAGE_NAMED = 1,    /* a struct tr_name_tail follows the value */
    TR_MESSAGE_INBOX = 2,    /* from the inbox table; ref is the id of the row */
    TR_MESSAGE_SYSTEM = 8,   /* keeps a promise: not counted against the mailbox's bound */
    TR_MESSAGE_RETURNED = 4, /* back to its sender: the holder did not know the name any more */
    TR_MESSAGE_TOLD = 16,    /* its sender is told BUSY rather than suspended */
    TR_MESSAGE_GROUP = 32,   /* a tail follows with a group: to all its members on that node */
    TR_MESSAGE_WIRE_FLAGS = TR_MESSAGE_NAMED | TR_MESSAGE_RETURNED | TR_MESSAGE_GROUP
};

struct tr_message {
    struct tr_inbox_item item; /* first: the link of whatever queue it is in */
    const troupe_type *type;   /* of the value; NULL when there is none */
    troupe_pid to;
    troupe_pid from;
    uint64_t ref;
    uint32_t session;    /* of the peer it came from or must go by; 0: local, or any */
    uint32_t block_size; /* of the payload, in bytes */
    uint32_t value_size; /* of the value in the payload */
    int16_t status;      /* troupe_status of CALL_FAILED, LINK_EXIT, NODE_LOST */
    uint8_t signal;      /* enum tr_signal_kind */
    uint8_t flags;
    uint32_t stamp; /* tick at or before which it has come; set when its actor takes it in */
    _Alignas(8) uint8_t payload[];
};

/* Bytes above which a message is counted against the byte bound of a mailbox: smaller ones are
 * bounded by their number, since 10,000 of them stay below 16 MiB. */
#define TR_MESSAGE_LARGE 1600u

/* The payload of EXIT, LINK_EXIT, DOWN and CALL_FAILED. */
struct tr_reason {
    int32_t kind;
    char text[]; /* ends with NUL; at most TR_REASON_TEXT_SIZE */
};
#define TR_REASON_TEXT_SIZE 256u /* the text is UTF-8, whatever it is made from */

/* Bytes that every block has room for behind the head, whatever it was made for: enough for a
 * reason with a short text, so that a signal can be turned into its own answer without memory. The
 * smallest block of the pool is that large anyway. */
#define TR_MESSAGE_ROOM 24u

#define TR_OP_MADE 0x80000000u /* in flags: both halves are there; never between nodes */

/* The payload of RESULT. */
struct tr_op_result {
    troupe_pid pid;
    int32_t status;
    uint32_t flags; /* TROUPE_SPAWN_* of a spawn: the other half of link and monitor was made */
    char text[];
};

/* The payload of NAMED: the actor holds the name now, or, with epoch 0 and a text, must end. */
struct tr_named {
    uint64_t epoch;
    int32_t status; /* TROUPE_OK, or why it was refused */
    char text[];    /* the name, or the words */
};

struct tr_run {
    void (*function)(troupe_self *self, void *context);
    void *context;
};

/* Behind the value of a message that was sent to a name. */
struct tr_name_tail {
    int64_t deadline_ns; /* calls: when to give up; messages: when to drop */
    uint64_t epoch;      /* the cache entry that was used; 0: none */
    uint32_t tries;
    uint64_t ticket; /* what the node that sends it knows it by when it comes back; */
    uint64_t proof;  /* dist/ticket.h */
    char name[];
};

/* Whether a value can be sent: INVALID when the type has content and value is NULL, LIMIT above 64
 * MiB. */
TROUPE_MUST_USE troupe_status tr_message_check(const troupe_type *type, const void *value);

/* All fail only by answering NULL: there is no memory. Payloads are zero or filled as said. */
struct tr_message *tr_message_create(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                     size_t payload_size);
/* The same with a payload that is the caller's to fill. */
struct tr_message *tr_message_create_unfilled(struct tr_pool_cache *cache,
                                              enum tr_signal_kind signal, size_t payload_size);
struct tr_message *tr_message_create_value(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                           const troupe_type *type, const void *value,
                                           size_t tail_size);
/* Another message of the same value, and name if it was sent to one. */
struct tr_message *tr_message_copy(struct tr_pool_cache *cache, struct tr_message *message);
/* Checks a value as tr_message_check does and makes a message of it, looking at its fields once.
 * Gives *message. TROUPE_E_INVALID, TROUPE_E_LIMIT, TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_message_copy_value(struct tr_pool_cache *cache,
                                                    enum tr_signal_kind signal,
                                                    const troupe_type *type, const void *value,
                                                    struct tr_message **message);
struct tr_message *tr_message_create_reason(struct tr_pool_cache *cache, enum tr_signal_kind signal,
                                            int32_t kind, const char *text);
struct tr_message *tr_message_create_result(struct tr_pool_cache *cache, uint64_t ref, int status,
                                            troupe_pid pid, uint32_t flags, const char *text);

/* Makes another signal, with a reason, of a message that is not needed any more; the text is cut to
 * what fits. Sender, receiver, ref and session stay. Whether all of a text would fit is what fits
 * answers. */
void tr_message_turn(struct tr_message *message, enum tr_signal_kind signal, int32_t kind,
                     const char *text);
bool tr_message_fits(const struct tr_message *message, const char *text);

static inline void tr_message_destroy(struct tr_pool_cache *cache, struct tr_message *message)
{
    tr_pool_put(cache, message, sizeof(struct tr_message) + message->block_size);
}

static inline const void *tr_message_value(const struct tr_message *message)
{
    return message->type == NULL || message->type->size == 0 ? NULL : message->payload;
}

static inline const struct tr_reason *tr_message_reason(const struct tr_message *message)
{
    return (const struct tr_reason *)(const void *)message->payload;
}

static inline struct tr_name_tail *tr_message_name(struct tr_message *message)
{
    return (struct tr_name_tail *)(void *)(message->payload + message->value_size);
}

/* Whether it counts against the mailbox's bound: what users send does; what keeps promises does
 * not, nor what comes from the inbox table, which has a bound of its own. */
static inline bool tr_message_is_counted(const struct tr_message *message)
{
    return (message->signal == TR_SIGNAL_MESSAGE || message->signal == TR_SIGNAL_CALL) &&
           (message->flags & (TR_MESSAGE_INBOX | TR_MESSAGE_SYSTEM)) == 0;
}

#endif
