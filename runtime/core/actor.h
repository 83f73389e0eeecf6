/* core/actor.h - the control block of one actor, and the table that finds it by its id.
 *
 * An id is a slot of the table and a generation that grows each time the slot is used again, so an
 * id is never reused. Blocks are never given back while the node lives: a pusher that comes too
 * late finds a closed mailbox, or a newer actor whose id differs, and the message goes back as
 * `noproc`.
 *
 * Threads: said with each group of fields.
 * Memory: blocks lie in chunks of 1,024 from malloc, kept until the table ends.
 */
#ifndef TR_CORE_ACTOR_H
#define TR_CORE_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "core/message.h"
#include "core/relations.h"
#include "core/wheel.h"
#include "sync/inbox.h"
#include "sync/thread.h"
#include "troupe/actor.h"

struct tr_statem;
struct tr_worker;
struct tr_group_seat;
struct tr_trace;

/* What the actor waits for: an answer, an operation, or a timer. Found by its ref. */
enum tr_wait_kind { TR_WAIT_CALL, TR_WAIT_OPERATION, TR_WAIT_TIMER, TR_WAIT_CHECKPOINT };

struct tr_wait {
    struct tr_wheel_entry entry; /* first; under the lock of shard */
    struct tr_worker *shard;     /* whose wheel it waits in */
    uint64_t owner;              /* actor id */
    uint64_t ref;
    uint64_t tag;
    troupe_then then;         /* calls and operations */
    troupe_pid peer;          /* calls: the callee; timers: to whom */
    uint64_t interval_ms;     /* timers; 0: once */
    struct tr_message *carry; /* timers: what to send; owned; under the lock when direct */
    uint8_t kind;             /* enum tr_wait_kind */
    uint8_t spawn_flags;      /* operations that spawn: TROUPE_SPAWN_* to complete here */
    bool direct; /* timers: sent by whoever finds it expired, without a turn of the owner */
    bool busy;   /* its carry is being copied; under the lock */
};

/* A request whose answer is owed, since its handler took it. */
struct tr_owed {
    struct tr_owed *next;
    troupe_pid caller;
    uint64_t ref;
};

/* Messages that a handler has put away, oldest first. */
struct tr_stash {
    struct tr_message *head;
    struct tr_message *tail;
    uint32_t count;
    uint64_t large_bytes;
};

/* What few actors need. */
struct tr_actor_extra {
    char *name;      /* owned; NULL: none */
    uint64_t epoch;  /* of the name */
    bool named;      /* the registry has confirmed it */
    int16_t refused; /* or has not: its answer; 0: it has not said so */
    void *durable;   /* the node's record of a durable actor; NULL: none */
    struct tr_owed *owed;
    struct tr_group_seat *seats; /* in groups; the list of dist/groups.h */
    uint64_t *watched;           /* pairs of node id and session whose end this actor is told of */
    uint32_t watched_count;
    uint32_t watched_capacity;
    struct tr_wait *idle; /* the idle timeout */
    uint64_t idle_ms;
    int64_t active_ms;      /* when the last message was handled */
    struct tr_trace *trace; /* what it does is written down; with tr_actor.traced */
    struct tr_stash stash;
    struct tr_message *awaiting; /* signals of those suspended by this one's mailbox */
    struct tr_message *awaiting_tail;
    /* With TR_ACTOR_BLOCKED: */
    uint64_t blocked_ref;             /* of the signal that ends it */
    troupe_pid blocked_on;            /* whose mailbox; id 0: the send queue of that node */
    int64_t blocked_at_ns;            /* on the coarse clock */
    struct tr_message *last_continue; /* the last one in front of the mailbox; NULL: none */
    struct tr_statem *statem;         /* of a state machine; owned by sched/statem.c */
};

enum {
    TR_ACTOR_TRAPS = 1,     /* exit signals become messages */
    TR_ACTOR_SUSPENDED = 2, /* waits for a commit: signals are taken in, messages are not handled */
    TR_ACTOR_ENDING = 4,    /* ends when the commit has come */
    TR_ACTOR_DURABLE = 8,
    TR_ACTOR_HELD = 16,   /* waits for its name: like suspended */
    TR_ACTOR_DIRTY = 32,  /* durable: something was handled since the last checkpoint */
    TR_ACTOR_SYSTEM = 64, /* the node's own: not counted, not listed, not reachable from the wire */
    TR_ACTOR_HOLDS = 128, /* durable: signals are kept back until the checkpoint is committed */
    TR_ACTOR_BLOCKED = 256,   /* a mailbox or queue it sent to has no room: like suspended */
    TR_ACTOR_AWAITED = 512,   /* others are blocked by its own mailbox */
    TR_ACTOR_TELLING = 1024,  /* has ended, and comes back to tell the rest of its relations */
    TR_ACTOR_NOSUSPEND = 2048 /* is told BUSY instead of being blocked */
};

#define TR_PARENT_ELSEWHERE UINT64_MAX /* shown_parent of one that another node's actor spawned */

/* The time of messages and mailboxes: about milliseconds of the coarse clock. Differences hold for
 * 26 days. */
#define TR_TICK_SHIFT 20

static inline uint32_t tr_tick_of(int64_t coarse_ns)
{
    return (uint32_t)((uint64_t)coarse_ns >> TR_TICK_SHIFT);
}

struct tr_actor {
    /* Any thread. */
    struct tr_inbox inbox;
    struct tr_atomic_u64 id;      /* 0: the slot is free */
    struct tr_atomic_u32 waiting; /* counted messages taken but not handled; the owner writes */
    struct tr_atomic_u32 message_limit; /* constant while the actor lives, as byte_limit */
    struct tr_atomic_u64 large_bytes;   /* of large messages in the mailbox; also while free */
    struct tr_atomic_u64 byte_limit;
    struct tr_atomic_u64 shown_parent;   /* id of the actor that spawned it, for walkers; 0: none */
    struct tr_atomic_u64 shown_behavior; /* its address, to be compared only */
    struct tr_atomic_u32 mailbox_policy; /* troupe_mailbox_policy; constant as the limits */
    struct tr_atomic_u32 oldest; /* tick since when the oldest message waits; unless parked */
    uint64_t waits_for; /* whose mailbox has suspended it; under the scheduler's pressure_lock */
    /* Whoever holds the actor: a run queue, then the worker that runs it. */
    struct tr_actor *run_next;
    uint32_t slot;
    uint32_t since; /* tick before which nothing in the inbox has come */
    /* Everything from here on is zeroed when the slot is used again. */
    const troupe_behavior *behavior;
    void *state;
    struct tr_message *head; /* taken and not handled, oldest first */
    struct tr_message *tail;
    struct tr_relations relations;
    struct tr_map waits;              /* ref -> struct tr_wait */
    uint64_t next_ref;                /* at its end: how far it has told its relations */
    uint64_t handled;                 /* messages, ever */
    struct tr_actor_extra *extra;     /* NULL until needed */
    struct tr_message *outgoing_head; /* signals kept back until a commit */
    struct tr_message *outgoing_tail;
    troupe_pid parent;
    uint16_t flags;
    uint8_t traced;  /* extra->trace is there */
    int8_t end_kind; /* with TR_ACTOR_ENDING and TR_ACTOR_TELLING: the reason */
    char *end_text;  /* owned */
};

_Static_assert(sizeof(struct tr_actor) <= 256, "an idle actor has to stay small");

enum { TR_TABLE_CHUNK = 1024, TR_TABLE_SLOT_BITS = 24 };

struct tr_table {
    struct tr_atomic_u64 *chunks; /* pointers to TR_TABLE_CHUNK actors each */
    uint32_t chunks_max;
    struct tr_spin lock; /* free list and growth */
    struct tr_actor *free;
    uint32_t slots; /* ever used; under the lock for growth, read by walkers */
    struct tr_atomic_u64 alive;
    struct tr_atomic_u64 started;
};

TROUPE_MUST_USE troupe_status tr_table_init(struct tr_table *table, uint32_t actors_max);
/* Every actor has ended. */
void tr_table_fini(struct tr_table *table);

/* Gives a block with a fresh id; the mailbox is open and not idle. NULL: actors_max or no memory.
 */
struct tr_actor *tr_table_take(struct tr_table *table);
/* Takes a block whose mailbox is closed and. */
void tr_table_give(struct tr_table *table, struct tr_actor *actor);

/* Any thread: the block of an id, or NULL. The actor may end at any moment after that. */
struct tr_actor *tr_table_find(const struct tr_table *table, uint64_t id);

/* Brings the block of an id, if there is one, near the processor. Any thread. */
void tr_table_prefetch(const struct tr_table *table, uint64_t id);

/* By who has woken an idle actor, before it is scheduled: its oldest message has come now. */
static inline void tr_actor_woken(struct tr_actor *actor, uint32_t tick)
{
    actor->since = tick;
    tr_store32_relaxed(&actor->oldest, tick);
}

/* Any thread: whether that actor is there and has not begun to end. Who has seen its exit signal or
 * its DOWN gets false, though the block may be in use for a moment more. */
bool tr_table_is_alive(const struct tr_table *table, uint64_t id);

/* Any thread: the block in a slot, whatever its state, or NULL above the last one; for walking. */
struct tr_actor *tr_table_slot(const struct tr_table *table, uint32_t slot);

/* The extra part, made when it is not there; NULL: no memory. */
struct tr_actor_extra *tr_actor_extra(struct tr_actor *actor);

#endif
