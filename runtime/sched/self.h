/* sched/self.h - an actor while a worker runs it: taking in signals, handling messages, waiting,
 * beginning and ending.
 *
 * A run takes in what has arrived (tr_actor_fetch: signals act, messages queue), handles a batch of
 * messages (tr_actor_dispatch), saves a durable actor's changes, and parks or requeues it.
 *
 * Threads: the worker that runs the actor; see troupe/actor.h.
 */
#ifndef TR_SCHED_SELF_H
#define TR_SCHED_SELF_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/sched.h"
#include "type/limits.h"
#include "type/value.h"

/* The actor that runs, and what its callback has said so far. On the stack of the run. */
struct troupe_self {
    struct tr_sched *sched;
    struct tr_worker *worker;
    struct tr_actor *actor;
    uint64_t id;
    struct tr_message *current; /* being handled; NULL outside of one */
    const troupe_type *type;    /* of what the handler that runs was given */
    uint8_t watched;            /* TR_WATCHED_*; 0: nobody looks */
    bool answered;              /* the current request was replied to or taken */
    bool stopping;
    bool held;   /* signals are kept until the checkpoint is committed */
    bool unborn; /* init has failed: terminate is not for it */
    int32_t stop_kind;
    char stop_text[TR_REASON_TEXT_SIZE];
    char fail_text[TR_REASON_TEXT_SIZE];
};

/* Begins a run of the actor. The texts are not cleared but for their ends: they are half a
 * kilobyte, and a run may take a tenth of a microsecond. Declare the struct with TR_SELF. */
static inline void tr_self_init(troupe_self *self, struct tr_sched *sched, struct tr_worker *worker,
                                struct tr_actor *actor)
{
    self->sched = sched;
    self->worker = worker;
    self->actor = actor;
    self->id = tr_load_relaxed(&actor->id);
    self->current = NULL;
    self->type = NULL;
    self->answered = false;
    self->stopping = false;
    self->held = (actor->flags & TR_ACTOR_HOLDS) != 0;
    self->watched = actor->traced | worker->watched;
    self->unborn = false;
    self->stop_kind = TROUPE_REASON_NORMAL;
    self->stop_text[0] = '\0';
    self->fail_text[0] = '\0';
}

/* A struct troupe_self that hardened builds do not fill with zeroes. */
#define TR_SELF(name) struct troupe_self name __attribute__((uninitialized))

static inline troupe_pid tr_self_pid(const troupe_self *self)
{
    return (troupe_pid){.node = tr_sched_node_id(self->sched), .id = self->id};
}

/* Sends a signal from an actor: at once, or after its commit. Takes it. */
troupe_status tr_self_emit(troupe_self *self, struct tr_message *message);
/* The same at once: a mailbox without room may suspend the actor. */
troupe_status tr_self_post(troupe_self *self, struct tr_message *message);

/* A message to a name, not addressed yet; its name follows the value. NULL: no memory. */
struct tr_message *tr_self_named(troupe_self *self, enum tr_signal_kind signal, const char *name,
                                 const troupe_type *type, const void *message, int64_t deadline_ns);

/* ---- one run of one actor ---- */

enum { TR_BATCH_MESSAGES = 64 };

void tr_actor_run(struct tr_sched *sched, struct tr_worker *worker, struct tr_actor *actor);
/* Takes in what has arrived: signals act, messages queue. */
void tr_actor_fetch(troupe_self *self);
/* Acts on a system signal and takes it, answering true; or answers false: it is a message, or has
 * become one, and queues. */
bool tr_signal_act(troupe_self *self, struct tr_message *message);

/* Whether tr_signal_act would do nothing: true of nearly all that is taken in. */
static inline bool tr_signal_only_queues(const struct tr_message *message)
{
    const uint32_t queued = 1u << TR_SIGNAL_MESSAGE | 1u << TR_SIGNAL_CALL | 1u << TR_SIGNAL_REPLY |
                            1u << TR_SIGNAL_CALL_FAILED | 1u << TR_SIGNAL_TIMER |
                            1u << TR_SIGNAL_RUN;

    return (queued >> message->signal & 1u) != 0;
}

/* Puts a message at the end of what is taken and not handled. */
void tr_actor_append(struct tr_actor *actor, struct tr_message *message);
/* The commit for which the actor was suspended has come. */
void tr_actor_on_committed(troupe_self *self, uint64_t outcome);
/* Tells the registry's table of a relation across nodes. */
void tr_self_note_relation(troupe_self *self, bool made, const struct tr_relation *relation);
/* What will tell of this actor's end, for a relation that is to be made; NULL: no memory. */
struct tr_message *tr_self_pay(troupe_self *self);
TROUPE_MUST_USE troupe_status tr_self_make_relation(troupe_self *self,
                                                    const struct tr_relation *made);
struct tr_message *tr_self_farewell(troupe_self *self, struct tr_message *paid,
                                    enum tr_signal_kind signal);
/* Takes a relation out, with what was paid for it. */
void tr_self_remove_relation(troupe_self *self, struct tr_relation *relation);
void tr_owed_free(struct tr_owed *owed);
/* Notes that this actor owes a caller the answer to its call: however the actor ends, the caller is
 * told. ref 0 in what it answers: no memory. */
troupe_from tr_owed_add(troupe_self *self, troupe_pid caller, uint64_t ref);
/* Strikes a request from the list of those whose answer is owed; answers whether it was there. */
bool tr_owed_strike(struct tr_actor *actor, const troupe_from *from);
/* Sends what was kept back for the commit, until a mailbox suspends the actor. */
void tr_self_release_outgoing(troupe_self *self);
/* Tells the caller of a request that there will be no reply. */
void tr_self_fail_call(troupe_self *self, const struct tr_message *call, troupe_status status,
                       int32_t kind, const char *text);
/* Handles one message; takes it. */
void tr_actor_dispatch(troupe_self *self, struct tr_message *message);
/* Ends the actor: tells everybody, frees everything. With many to tell it does so in several runs,
 * TR_ACTOR_TELLING, the later ones by tr_actor_tell_on; it takes nothing in meanwhile. */
void tr_actor_end(troupe_self *self);
void tr_actor_tell_on(troupe_self *self);
/* Notes that the actor must end; the first reason counts, but kill overrides. */
void tr_self_stop(troupe_self *self, int32_t kind, const char *text);
/* What a callback answered: goes on, or stops. */
void tr_self_answer(troupe_self *self, int answer);

/* Starts an actor in the context of self; init has run when it answers. link and monitor per
 * options. parent: who is told (may be remote, then session is its session). */
struct tr_spawn {
    const troupe_behavior *behavior;
    const void *args;
    const void *state; /* NULL: init; else a described state to start from, and recover runs */
    int32_t state_version;
    uint16_t actor_flags; /* TR_ACTOR_* */
    uint32_t spawn_flags; /* TROUPE_SPAWN_LINK, _MONITOR */
    troupe_pid parent;
    uint32_t parent_session;
    uint64_t monitor_ref; /* the parent's */
    uint32_t mailbox_messages;
    uint64_t mailbox_bytes;
    uint32_t mailbox_policy; /* troupe_mailbox_policy; 0: the scheduler's */
    /* Called on the new actor before init or recover; may fail. Sets name and durable record. */
    troupe_status (*prepare)(void *context, struct tr_actor *actor);
    /* Called after init or recover, before the actor can run. May be NULL. */
    troupe_status (*begun)(void *context, struct tr_actor *actor);
    void *prepare_context; /* of both */
};
TROUPE_MUST_USE troupe_status tr_actor_spawn(struct tr_sched *sched, struct tr_worker *worker,
                                             const struct tr_spawn *spawn, troupe_pid *pid,
                                             char *error, size_t error_size);

/* ---- waiting ---- */

/* Makes a wait with a fresh ref and starts its time. timeout_ms 0: without end. NULL: no memory. */
struct tr_wait *tr_wait_start(troupe_self *self, enum tr_wait_kind kind, uint64_t timeout_ms);
/* Ends a wait and releases it. */
void tr_wait_end(troupe_self *self, struct tr_wait *wait);
struct tr_wait *tr_wait_find(troupe_self *self, uint64_t ref);
/* Starts the time of a wait again. */
void tr_wait_again(troupe_self *self, struct tr_wait *wait, uint64_t delay_ms);
/* The same for an interval that has run out: its next time. */
void tr_wait_repeat(troupe_self *self, struct tr_wait *wait);
/* Answers whether a timer can still be called back, and how long it has left. */
bool tr_wait_left(troupe_self *self, struct tr_wait *wait, uint64_t *left_ms);
/* Ends a timer; answers whether it was in time. */
bool tr_wait_cancel(troupe_self *self, struct tr_wait *wait);
/* Makes what a timer carries a message of its owner, of now. */
void tr_wait_address(struct tr_sched *sched, uint64_t owner, struct tr_message *carry);
/* Gives out what has run out in one wheel. Any worker. */
void tr_worker_expire(struct tr_worker *shard, struct tr_worker *worker, int64_t now_ns);
/* Runs a continuation with how its operation ended; ends the wait. */
void tr_wait_finish(troupe_self *self, struct tr_wait *wait, const troupe_result *result);

/* The session of a remote pid for a new link, monitor or call; 0 for none. Local pids: 0 and *local
 * true. */
uint32_t tr_self_watch(troupe_self *self, uint64_t node_id);

/* Releases a described or plain state. */
void tr_state_free(const troupe_behavior *behavior, void *state);
extern const struct tr_allocator tr_state_allocator;

#endif
