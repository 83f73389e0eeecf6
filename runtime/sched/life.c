#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "base/check.h"
#include "sched/own.h"
#include "sched/pressure.h"
#include "sched/telemetry.h"
#include "sync/crew.h"
#include "troupe/mailbox.h"
#include "type/value.h"

enum {
    TELL_AHEAD = 24, /* relations: a cache miss takes as long as telling a few of them */
    TELL_BATCH = 512 /* relations told in one run: their actors and signals fit a cache */
};

static void *state_allocate(void *context, size_t size)
{
    (void)context;
    return calloc(1, size);
}

static void state_release(void *context, void *block)
{
    (void)context;
    free(block);
}

const struct tr_allocator tr_state_allocator = {
    .context = NULL, .allocate = state_allocate, .release = state_release};

void tr_state_free(const troupe_behavior *behavior, void *state)
{
    if (state != NULL && behavior->release != NULL) {
        behavior->release(state);
    }
    if (state != NULL && behavior->state != NULL) {
        tr_value_disown(behavior->state, state, &tr_state_allocator);
    }
    free(state);
}

void tr_owed_free(struct tr_owed *owed)
{
    free(owed);
}

/* ---- the beginning ---- */

static troupe_status make_state(struct tr_actor *actor, const struct tr_spawn *spawn)
{
    const troupe_behavior *behavior = spawn->behavior;
    const size_t size = behavior->state != NULL ? behavior->state->size : behavior->state_size;

    if (size == 0) {
        return TROUPE_OK;
    }
    actor->state = calloc(1, size);
    if (actor->state == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    if (spawn->state == NULL) {
        return TROUPE_OK;
    }
    return tr_value_own(behavior->state, spawn->state, actor->state, &tr_state_allocator);
}

/* Both relations of a spawn are made before the new actor can run: no death is missed. */
static troupe_status make_relations(troupe_self *self, const struct tr_spawn *spawn)
{
    const uint32_t relations = TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR;
    struct tr_relation relation = {.pid = spawn->parent, .session = spawn->parent_session};

    /* When the parent's node is lost this actor has to be told; when that has happened, it must not
     * begin. */
    if ((spawn->spawn_flags & relations) != 0 && spawn->parent_session != 0 &&
        !TR_BUG(SPAWN_NOT_WATCHED) &&
        tr_self_watch(self, spawn->parent.node) != spawn->parent_session) {
        return TROUPE_E_NOCONNECTION;
    }
    if ((spawn->spawn_flags & TROUPE_SPAWN_LINK) != 0 && !TR_BUG(SPAWN_LINK_ONE_SIDE)) {
        relation.kind = TR_RELATION_LINK;
        const troupe_status status = tr_self_make_relation(self, &relation);

        if (status != TROUPE_OK) {
            return status;
        }
    }
    if ((spawn->spawn_flags & TROUPE_SPAWN_MONITOR) != 0) {
        relation.kind = TR_RELATION_WATCHED;
        relation.ref = spawn->monitor_ref;
        return tr_self_make_relation(self, &relation);
    }
    return TROUPE_OK;
}

static troupe_status prepare(troupe_self *self, const struct tr_spawn *spawn)
{
    struct tr_sched *sched = self->sched;
    struct tr_actor *actor = self->actor;
    const struct tr_sched_options *options = &sched->options;

    actor->behavior = spawn->behavior;
    actor->parent = spawn->parent;
    tr_store_relaxed(&actor->shown_behavior, (uint64_t)(uintptr_t)spawn->behavior);
    if (spawn->parent.node == tr_sched_node_id(sched)) {
        tr_store_relaxed(&actor->shown_parent, spawn->parent.id);
    } else if (spawn->parent.id != 0) {
        tr_store_relaxed(&actor->shown_parent, TR_PARENT_ELSEWHERE);
    }
    tr_store32_relaxed(&actor->message_limit, spawn->mailbox_messages != 0
                                                  ? spawn->mailbox_messages
                                                  : options->mailbox_messages);
    tr_store_relaxed(&actor->byte_limit,
                     spawn->mailbox_bytes != 0 ? spawn->mailbox_bytes : options->mailbox_bytes);
    tr_store32_relaxed(&actor->mailbox_policy,
                       (spawn->actor_flags & TR_ACTOR_SYSTEM) != 0 ? TROUPE_MAILBOX_REJECT
                       : spawn->mailbox_policy != 0                ? spawn->mailbox_policy
                                                                   : options->mailbox_policy);
    if ((spawn->actor_flags & TR_ACTOR_SYSTEM) != 0) {
        (void)tr_add_relaxed(&sched->system_actors, 1);
        (void)tr_sub_relaxed(&sched->table.started, 1); /* That number is about users' actors. */
    }
    troupe_status status = make_state(actor, spawn);

    if (status == TROUPE_OK) {
        status = make_relations(self, spawn);
    }
    if (status == TROUPE_OK && spawn->prepare != NULL) {
        status = spawn->prepare(spawn->prepare_context, actor);
    }
    return status;
}

/* Runs init, or recover; answers what it answered. */
static int run_init(troupe_self *self, const struct tr_spawn *spawn)
{
    const troupe_behavior *behavior = spawn->behavior;

    if (spawn->state == NULL) {
        return behavior->init == NULL ? TROUPE_OK
                                      : behavior->init(self, self->actor->state, spawn->args);
    }
    if (spawn->state_version != behavior->version && behavior->upgrade != NULL) {
        const int answer = behavior->upgrade(self, self->actor->state, spawn->state_version);

        if (answer != TROUPE_OK) {
            return answer;
        }
    }
    return behavior->recover == NULL ? TROUPE_OK : behavior->recover(self, self->actor->state);
}

/* The same with what a state machine needs around it. */
static int begin(troupe_self *self, const struct tr_spawn *spawn)
{
    const bool fresh = spawn->state == NULL;

    if (spawn->behavior->machine == NULL) {
        return run_init(self, spawn);
    }
    const troupe_status prepared = tr_statem_prepare(self, fresh);
    const int answer = prepared != TROUPE_OK ? (int)prepared : run_init(self, spawn);

    return answer != TROUPE_OK ? answer : tr_statem_begin(self, fresh);
}

/* Takes out the relations that were made for the parent. */
static void forget_parent(troupe_self *self, const struct tr_spawn *spawn)
{
    struct tr_relation *relation =
        tr_relations_watched(&self->actor->relations, spawn->parent, spawn->monitor_ref);

    if (relation != NULL) {
        tr_self_remove_relation(self, relation);
    }
    relation = tr_relations_link(&self->actor->relations, spawn->parent);
    if (relation != NULL) {
        tr_self_remove_relation(self, relation);
    }
}

/* Hands a new actor over to the scheduler, unless nothing waits for it. */
static void release(troupe_self *self)
{
    if (self->held) {
        self->actor->flags |= TR_ACTOR_DIRTY; /* What init said leaves with the first checkpoint. */
    }
    if (self->stopping || self->actor->head != NULL || self->held ||
        !tr_inbox_park(&self->actor->inbox)) {
        tr_sched_enqueue(self->sched, self->worker, self->actor);
    }
}

static void tell_spawned(const troupe_self *self, const struct tr_spawn *spawn,
                         troupe_event_kind kind, const char *why)
{
    if ((spawn->actor_flags & TR_ACTOR_SYSTEM) == 0 && tr_wants(self->sched, kind)) {
        tr_tell(self->sched,
                &(troupe_event){.kind = kind,
                                .pid = tr_self_pid(self),
                                .behavior = spawn->behavior->name,
                                .other = spawn->parent,
                                .reason = why == NULL ? TROUPE_REASON_NORMAL : TROUPE_REASON_ERROR,
                                .text = why});
    }
}

troupe_status tr_actor_spawn(struct tr_sched *sched, struct tr_worker *worker,
                             const struct tr_spawn *spawn, troupe_pid *pid, char *error,
                             size_t error_size)
{
    struct tr_actor *actor = tr_table_take(&sched->table);

    if (actor == NULL) {
        return TROUPE_E_LIMIT;
    }
    TR_SELF(self);

    actor->flags = spawn->actor_flags;
    tr_actor_woken(actor, tr_tick_of(worker->run_began_ns));
    tr_self_init(&self, sched, worker, actor);
    const troupe_status prepared = prepare(&self, spawn);
    int answer = prepared != TROUPE_OK ? (int)prepared : begin(&self, spawn);

    if (answer >= 0 && spawn->begun != NULL) {
        const troupe_status begun = spawn->begun(spawn->prepare_context, actor);

        answer = begun != TROUPE_OK ? (int)begun : answer;
    }

    if (answer < 0) {
        if (error != NULL) {
            (void)snprintf(error, error_size, "%s",
                           self.fail_text[0] != '\0' ? self.fail_text
                                                     : troupe_status_text((troupe_status)answer));
        }
        /* The parent gets an answer instead of signals; whoever init linked to is told. */
        forget_parent(&self, spawn);
        self.unborn = true;
        tell_spawned(&self, spawn, TROUPE_EVENT_INIT_FAILED,
                     self.fail_text[0] != '\0' ? self.fail_text
                                               : troupe_status_text((troupe_status)answer));
        self.stopping = false; /* What init answered counts, whatever it said before. */
        tr_self_answer(&self, answer);
        tr_actor_end(&self);
        return (troupe_status)answer;
    }
    *pid = tr_self_pid(&self);
    tell_spawned(&self, spawn, TROUPE_EVENT_SPAWN, NULL);
    if (answer == TROUPE_STOP || self.stopping) {
        /* It stopped in init: an orderly end, which its links and monitors see. */
        tr_self_answer(&self, answer);
        tr_actor_end(&self);
        return TROUPE_OK;
    }
    release(&self);
    return TROUPE_OK;
}

/* ---- the end ---- */

static struct tr_message *reason_message(troupe_self *self, enum tr_signal_kind signal)
{
    return tr_message_create_reason(&self->worker->cache, signal, self->stop_kind, self->stop_text);
}

static void send_signal(troupe_self *self, struct tr_message *message, troupe_pid to, uint64_t ref,
                        uint32_t session)
{
    if (message == NULL) {
        return; /* No memory for a farewell: remote ends learn it by the session's end at the
                   latest. */
    }
    message->to = to;
    message->from = tr_self_pid(self);
    message->ref = ref;
    message->session = session;
    (void)tr_sched_post(self->sched, self->worker, message);
}

static void tell_relation(troupe_self *self, const struct tr_relation *relation)
{
    switch ((enum tr_relation_kind)relation->kind) {
    case TR_RELATION_LINK:
        tr_self_note_relation(self, false, relation);
        send_signal(self, tr_self_farewell(self, relation->paid, TR_SIGNAL_LINK_EXIT),
                    relation->pid, 0, relation->session);
        break;
    case TR_RELATION_WATCHED:
        send_signal(self, tr_self_farewell(self, relation->paid, TR_SIGNAL_DOWN), relation->pid,
                    relation->ref, relation->session);
        if (TR_BUG(DOWN_TWICE)) {
            send_signal(self, reason_message(self, TR_SIGNAL_DOWN), relation->pid, relation->ref,
                        relation->session);
        }
        break;
    case TR_RELATION_WATCHING:
        tr_self_note_relation(self, false, relation);
        send_signal(self, tr_message_create(&self->worker->cache, TR_SIGNAL_DEMONITOR, 0),
                    relation->pid, relation->ref, relation->session);
        break;
    case TR_RELATION_UNLINKING:
    case TR_RELATION_NONE:
        break;
    }
}

/* Many relations lead all over the memory: the blocks of those told next are on their way while
 * this one is told. */
static void look_ahead(const troupe_self *self, const struct tr_relations *relations,
                       uint32_t position)
{
    const uint32_t ahead = position + TELL_AHEAD;

    if (ahead < relations->capacity && relations->entries[ahead].kind != TR_RELATION_NONE) {
        tr_table_prefetch(&self->sched->table, relations->entries[ahead].pid.id);
    }
}

/* Tells a batch of relations; answers whether that was the last one. */
static bool tell_relations(troupe_self *self)
{
    struct tr_relations *relations = &self->actor->relations;
    const struct tr_relation *relation = NULL;
    uint32_t position = (uint32_t)self->actor->next_ref;

    for (int told = 0; told < TELL_BATCH; told++) {
        relation = tr_relations_next(relations, &position);
        if (relation == NULL) {
            tr_relations_fini(relations);
            return true;
        }
        look_ahead(self, relations, position);
        tell_relation(self, relation);
    }
    self->actor->next_ref = position;
    return false;
}

/* Keeps the reason for the next batch; answers false when there is no memory for its words. */
static bool keep_reason(troupe_self *self)
{
    struct tr_actor *actor = self->actor;

    if ((actor->flags & TR_ACTOR_TELLING) != 0) {
        return true;
    }
    free(actor->end_text);
    actor->end_kind = (int8_t)self->stop_kind;
    actor->end_text =
        self->stop_text[0] == '\0' ? NULL : strndup(self->stop_text, sizeof(self->stop_text));
    if (self->stop_text[0] != '\0' && actor->end_text == NULL) {
        return false;
    }
    actor->flags |= TR_ACTOR_TELLING;
    return true;
}

/* counted: they are within the mailbox's bound of bytes. */
static void bounce_list(troupe_self *self, struct tr_message *message, bool counted)
{
    if (message == NULL) {
        return;
    }
    union {
        struct tr_reason reason;
        char bytes[sizeof(struct tr_reason) + TR_REASON_TEXT_SIZE];
    } why;

    why.reason.kind = self->stop_kind;
    memcpy(why.reason.text, self->stop_text, strlen(self->stop_text) + 1);
    while (message != NULL) {
        struct tr_message *next = (struct tr_message *)(void *)message->item.next;
        const bool request = message->signal == TR_SIGNAL_CALL && !TR_BUG(BOX_OF_THE_DEAD);

        if (counted && tr_message_is_counted(message) && message->block_size >= TR_MESSAGE_LARGE) {
            (void)tr_sub_relaxed(&self->actor->large_bytes, message->block_size);
        }
        const bool reasoned = request || message->signal == TR_SIGNAL_RESULT;

        tr_sched_bounce(self->sched, self->worker, message,
                        request ? TROUPE_E_EXITED : TROUPE_E_NOPROC, reasoned ? &why.reason : NULL);
        message = next;
    }
}

static struct tr_message *turn_round(struct tr_inbox_item *newest)
{
    struct tr_inbox_item *oldest = NULL;

    while (newest != NULL) {
        struct tr_inbox_item *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return (struct tr_message *)(void *)oldest;
}

static void fail_owed(troupe_self *self)
{
    struct tr_actor_extra *extra = self->actor->extra;

    while (extra != NULL && extra->owed != NULL) {
        struct tr_owed *owed = extra->owed;
        struct tr_message *failed = reason_message(self, TR_SIGNAL_CALL_FAILED);

        extra->owed = owed->next;
        if (failed != NULL) {
            failed->status = TROUPE_E_EXITED;
        }
        send_signal(self, failed, owed->caller, owed->ref, 0);
        tr_owed_free(owed);
    }
}

static void end_waits(troupe_self *self)
{
    struct tr_wait *wait = NULL;

    while ((wait = tr_map_take_any(&self->actor->waits)) != NULL) {
        tr_wait_end(self, wait);
    }
    tr_map_fini(&self->actor->waits);
}

static void free_extra(troupe_self *self)
{
    struct tr_actor_extra *extra = self->actor->extra;

    if (extra == NULL) {
        return;
    }
    for (uint32_t i = 0; i < extra->watched_count && !TR_BUG(WATCHES_FOR_EVER); i++) {
        self->sched->options.outward.unwatch(self->sched->options.outward.context,
                                             extra->watched[(size_t)i * 2], self->id);
    }
    tr_statem_free(extra->statem);
    free(extra->watched);
    free(extra->name);
    free(extra);
    self->actor->extra = NULL;
}

static void drop_outgoing(troupe_self *self)
{
    struct tr_message *message = self->actor->outgoing_head;

    while (message != NULL) {
        struct tr_message *next = (struct tr_message *)(void *)message->item.next;

        if (message->signal == TR_SIGNAL_REPLY) {
            /* The answer was never said: its caller is told that nobody will answer. */
            struct tr_message *failed = reason_message(self, TR_SIGNAL_CALL_FAILED);

            if (failed != NULL) {
                failed->status = TROUPE_E_EXITED;
            }
            send_signal(self, failed, message->to, message->ref, message->session);
        }
        if (message->signal == TR_SIGNAL_RUN) {
            /* Exactly once in any case: here with nobody to run in. */
            const struct tr_run *run = (const struct tr_run *)(const void *)message->payload;

            run->function(NULL, run->context);
        }
        tr_message_destroy(&self->worker->cache, message);
        message = next;
    }
    self->actor->outgoing_head = NULL;
    self->actor->outgoing_tail = NULL;
}

/* The last part of an end. One that many are tied to does not keep its worker, nor fill the memory
 * with signals: between two batches those that were told have their turn. */
static void leave(troupe_self *self, bool at_once)
{
    struct tr_actor *actor = self->actor;

    while (!tell_relations(self)) {
        if (!at_once && keep_reason(self)) {
            tr_sched_requeue(self->sched, self->worker, actor);
            return;
        }
    }
    free_extra(self);
    tr_state_free(actor->behavior, actor->state);
    actor->state = NULL;
    free(actor->end_text);
    actor->end_text = NULL;
    if ((actor->flags & TR_ACTOR_SYSTEM) != 0) {
        (void)tr_sub_relaxed(&self->sched->system_actors, 1);
    }
    tr_table_give(&self->sched->table, actor);
}

/* Tells who is told of it that the actor ends. */
static void tell_end(troupe_self *self)
{
    const struct tr_outward *outward = &self->sched->options.outward;

    if (self->actor->traced != 0) {
        outward->traced(outward->context, self, TR_TRACED_END, NULL);
    }
    if (!self->unborn && (self->actor->flags & TR_ACTOR_SYSTEM) == 0 &&
        tr_wants(self->sched, TROUPE_EVENT_EXIT)) {
        tr_tell(self->sched, &(troupe_event){.kind = TROUPE_EVENT_EXIT,
                                             .pid = tr_self_pid(self),
                                             .behavior = self->actor->behavior->name,
                                             .count = self->actor->handled,
                                             .reason = self->stop_kind,
                                             .text = self->stop_text});
    }
}

static void end(troupe_self *self, bool at_once)
{
    struct tr_actor *actor = self->actor;
    const troupe_behavior *behavior = actor->behavior;
    const struct tr_outward *outward = &self->sched->options.outward;

    if (behavior->terminate != NULL && !self->unborn && self->stop_kind != TROUPE_REASON_KILLED) {
        const troupe_reason reason = {.kind = self->stop_kind, .text = self->stop_text};

        self->held = false;
        self->stopping = false; /* What it stops with now is the reason that others hear. */
        behavior->terminate(self, actor->state, &reason);
        self->stopping = true;
    }
    tell_end(self);
    /* The name goes first: whoever hears of the end can take it. */
    outward->ended(outward->context, actor, self->stop_kind);
    end_waits(self);
    struct tr_message *late = turn_round(tr_inbox_close(&actor->inbox));

    bounce_list(self, tr_stash_take_all(actor), false);
    bounce_list(self, actor->head, true);
    actor->head = NULL;
    actor->tail = NULL;
    bounce_list(self, late, true);
    tr_pressure_end(self);
    fail_owed(self);
    drop_outgoing(self);
    actor->next_ref = 0;
    leave(self, at_once);
}

void tr_actor_end(troupe_self *self)
{
    end(self, false);
}

void tr_actor_tell_on(troupe_self *self)
{
    tr_self_stop(self, self->actor->end_kind, self->actor->end_text);
    leave(self, false);
}

void tr_sched_destroy(struct tr_sched *sched)
{
    if (sched == NULL) {
        return;
    }
    tr_crew_destroy(sched->crew);
    /* Ended actors post to others, which end later in this walk or bounce: nothing runs any more.
     */
    for (uint32_t slot = 0;; slot++) {
        struct tr_actor *actor = tr_table_slot(&sched->table, slot);

        if (actor == NULL) {
            break;
        }
        if (tr_load_relaxed(&actor->id) != 0) {
            TR_SELF(self);

            tr_self_init(&self, sched, &sched->workers[0], actor);
            if ((actor->flags & TR_ACTOR_TELLING) != 0) {
                tr_self_stop(&self, actor->end_kind, actor->end_text);
                leave(&self, true);
            } else {
                tr_self_stop(&self, TROUPE_REASON_KILLED, NULL);
                end(&self, true);
            }
        }
    }
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        tr_parker_fini(&sched->workers[i].parker);
    }
    free(sched->workers);
    tr_table_fini(&sched->table);
    tr_pool_fini(&sched->pool);
    free(sched);
}
