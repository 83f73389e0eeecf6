/* Durable actors: checkpoints, messages of the inbox table, and starting again what another node
 * lost.
 *
 * A worker prepares a step when a durable actor has run; the loop hands it to the registry; the
 * decision comes back as a signal. One step of an actor is under way at a time, and while one is,
 * an actor whose policy is `each` does not handle messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bugs.h"
#include "io/loop.h"
#include "node/names.h"
#include "node/node.h"
#include "type/json.h"
#include "type/limits.h"

/* What the actor keeps; touched only by whoever runs it. */
struct durable {
    struct troupe_node *node;
    uint64_t seq;
    int32_t checkpoint; /* troupe_checkpoint */
    uint32_t checkpoint_ms;
    bool save_now;   /* troupe_save */
    bool under_way;  /* a step is */
    bool timer_runs; /* for the next one */
    int64_t saved_ms;
    char *saved_json; /* what the last step wrote */
    uint64_t *handled;
    size_t handled_count;
    size_t handled_capacity;
    struct tr_outgoing *outgoing; /* strings owned, but for the type's name */
    size_t outgoing_count;
    size_t outgoing_capacity;
};

/* A step on its way; owns all that the step points at. */
struct step {
    struct tr_step step; /* first */
    struct troupe_node *node;
    uint64_t actor_id;
    char *name;
    char *state_json;
    uint64_t *handled;
    struct tr_outgoing *outgoing;
    struct tr_message *verdict; /* which the actor has to hear, memory or not */
};

static void free_outgoing(struct tr_outgoing *outgoing, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)outgoing[i].to);
        troupe_json_free((char *)(uintptr_t)outgoing[i].payload_json);
    }
    free(outgoing);
}

void tr_durable_free(void *record)
{
    struct durable *durable = record;

    if (durable != NULL) {
        free(durable->saved_json);
        free(durable->handled);
        free_outgoing(durable->outgoing, durable->outgoing_count);
        free(durable);
    }
}

troupe_status tr_durable_attach(struct troupe_node *node, struct tr_actor *actor,
                                int32_t checkpoint, uint32_t checkpoint_ms, bool strict,
                                uint64_t seq)
{
    struct tr_actor_extra *extra = tr_actor_extra(actor);
    struct durable *durable = extra == NULL ? NULL : calloc(1, sizeof(*durable));

    (void)strict; /* In the row; every durable actor of this node is frozen at the lease's end. */
    if (durable == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    durable->node = node;
    durable->seq = seq;
    durable->checkpoint = checkpoint;
    durable->checkpoint_ms = checkpoint_ms == 0 ? 1000 : checkpoint_ms;
    durable->saved_ms = tr_clock_now(node->sched->options.clock) / TR_NS_PER_MS;
    extra->durable = durable;
    return TROUPE_OK;
}

troupe_status tr_durable_state_json(const struct tr_actor *actor, char **json, char *error,
                                    size_t error_size)
{
    struct tr_json_buffer buffer;
    const troupe_status status =
        (tr_json_buffer_init(&buffer, TR_JSON_STATE_SIZE_MAX, &tr_state_allocator),
         tr_value_to_json(actor->behavior->state, actor->state, &buffer, error, error_size));

    if (status == TROUPE_OK) {
        *json = buffer.data; /* From the state's allocator, which is malloc's: free releases it. */
        buffer.data = NULL;
    }
    tr_json_buffer_fini(&buffer);
    return status;
}

/* ---- making a step ---- */

static void step_free(struct step *step)
{
    if (step->verdict != NULL) {
        tr_message_destroy(&step->node->sched->shared_cache, step->verdict);
    }
    free(step->name);
    free(step->state_json);
    free(step->handled);
    free_outgoing(step->outgoing, step->step.outgoing_count);
    free(step);
}

/* Decided. Loop thread. */
static void on_step_done(void *context, enum tr_step_outcome outcome)
{
    struct step *step = context;
    struct troupe_node *node = step->node;
    struct tr_message *message = step->verdict;

    step->verdict = NULL;
    message->to = (troupe_pid){.node = tr_sched_node_id(node->sched), .id = step->actor_id};
    message->ref = (uint64_t)outcome;
    (void)tr_sched_post(node->sched, NULL, message);
    for (size_t i = 0; outcome == TR_STEP_COMMITTED && i < step->step.outgoing_count; i++) {
        tr_durable_hint(node, step->outgoing[i].to);
    }
    step_free(step);
}

static void step_on_loop(void *context)
{
    struct step *step = context;
    const struct tr_registry_port *port = &step->node->registry->port;

    if (step->node->registry_over) {
        on_step_done(step, TR_STEP_FENCED); /* Of one that was recovered while the node ended. */
        return;
    }
    port->step(port->context, &step->step);
}

/* Moves what the record has gathered into a step. Gives NULL when there is no memory. */
static struct step *make_step(troupe_self *self, struct durable *durable, char *state_json)
{
    struct step *step = calloc(1, sizeof(*step));

    if (step == NULL) {
        return NULL;
    }
    step->node = durable->node;
    step->name = strdup(self->actor->extra->name);
    step->verdict = tr_message_create(&self->worker->cache, TR_SIGNAL_COMMITTED, 0);
    if (step->name == NULL || step->verdict == NULL) {
        step_free(step); /* Nothing has been moved into it. */
        return NULL;
    }
    step->actor_id = self->id;
    step->state_json = state_json;
    step->handled = durable->handled;
    step->outgoing = durable->outgoing;
    step->step = (struct tr_step){.name = step->name,
                                  .epoch = self->actor->extra->epoch,
                                  .seq = ++durable->seq,
                                  .version = self->actor->behavior->version,
                                  .state_json = state_json,
                                  .handled = durable->handled,
                                  .handled_count = durable->handled_count,
                                  .outgoing = durable->outgoing,
                                  .outgoing_count = durable->outgoing_count,
                                  .done = on_step_done,
                                  .context = step};
    durable->handled = NULL;
    durable->handled_count = 0;
    durable->handled_capacity = 0;
    durable->outgoing = NULL;
    durable->outgoing_count = 0;
    durable->outgoing_capacity = 0;
    return step;
}

/* Notes what is being written, to see later whether the state has changed. */
static bool remember(struct durable *durable, const char *json)
{
    char *copy = strdup(json);

    if (copy == NULL) {
        return false;
    }
    free(durable->saved_json);
    durable->saved_json = copy;
    return true;
}

/* Whether the policy wants a checkpoint now. */
static bool is_due(troupe_self *self, struct durable *durable, bool ending)
{
    const int64_t now_ms = tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;

    if (ending || durable->save_now || durable->outgoing_count > 0 || durable->handled_count > 0) {
        return true;
    }
    switch ((troupe_checkpoint)durable->checkpoint) {
    case TROUPE_CHECKPOINT_EACH:
        return true;
    case TROUPE_CHECKPOINT_EVERY:
        if (now_ms - durable->saved_ms >= (int64_t)durable->checkpoint_ms) {
            return true;
        }
        if (!durable->timer_runs) {
            durable->timer_runs = tr_wait_start(self, TR_WAIT_CHECKPOINT,
                                                durable->checkpoint_ms -
                                                    (uint64_t)(now_ms - durable->saved_ms)) != NULL;
        }
        return false;
    case TROUPE_CHECKPOINT_ON_STOP:
    case TROUPE_CHECKPOINT_EXPLICIT:
        break;
    }
    return false;
}

/* Hands the step to the loop. Answers false when that cannot be: the actor must not go on. */
static bool submit(troupe_self *self, struct durable *durable, char *state_json)
{
    struct step *step = make_step(self, durable, state_json);

    if (step == NULL) {
        free(state_json);
        return false;
    }
    durable->under_way = true;
    durable->save_now = false;
    durable->timer_runs = false;
    durable->saved_ms = tr_clock_now(self->sched->options.clock) / TR_NS_PER_MS;
    if (tr_loop_post(durable->node->loop, step_on_loop, step) != TROUPE_OK) {
        step_free(step);
        return false;
    }
    return true;
}

bool tr_durable_checkpoint(void *context, troupe_self *self, bool ending)
{
    struct durable *durable = self->actor->extra->durable;
    char error[TR_REASON_TEXT_SIZE] = "";
    char *json = NULL;

    (void)context;
    /* A name that never came was never ours: there is no row to write to. */
    if (durable == NULL || !self->actor->extra->named) {
        return false;
    }
    if (durable->under_way) {
        self->actor->flags |= TR_ACTOR_DIRTY; /* Looked at again when it is decided. */
        return ending;
    }
    if (!is_due(self, durable, ending)) {
        return false;
    }
    if (tr_durable_state_json(self->actor, &json, error, sizeof(error)) != TROUPE_OK) {
        /* Who is ending already ends otherwise only by that. */
        tr_self_stop(self, ending ? TROUPE_REASON_KILLED : TROUPE_REASON_ERROR,
                     error[0] != '\0' ? error : "out of memory");
        return false;
    }
    const bool changed = durable->saved_json == NULL || strcmp(durable->saved_json, json) != 0;

    if (!changed && durable->handled_count == 0 && durable->outgoing_count == 0) {
        free(json);
        durable->save_now = false;
        return false;
    }
    const bool remembered = remember(durable, json);

    if (!remembered) {
        free(json);
    }
    if (!remembered || !submit(self, durable, json)) {
        tr_self_stop(self, TROUPE_REASON_KILLED, "its checkpoint cannot be written");
        return false;
    }
    return ending || durable->checkpoint == TROUPE_CHECKPOINT_EACH;
}

bool tr_durable_committed(void *context, troupe_self *self, uint64_t outcome)
{
    struct durable *durable = self->actor->extra == NULL ? NULL : self->actor->extra->durable;

    (void)context;
    if (durable == NULL) {
        return true;
    }
    durable->under_way = false;
    return outcome == TR_STEP_COMMITTED;
}

/* ---- what handlers say ---- */

static struct durable *record_of(const troupe_self *self)
{
    return self->actor->extra == NULL ? NULL : self->actor->extra->durable;
}

void tr_durable_inbox_handled(void *context, troupe_self *self, uint64_t row_id)
{
    struct durable *durable = record_of(self);

    (void)context;
    if (durable == NULL || TR_BUG(HANDLED_TWICE)) {
        return;
    }
    if (durable->handled_count == durable->handled_capacity) {
        const size_t capacity = durable->handled_capacity == 0 ? 8 : durable->handled_capacity * 2;
        uint64_t *grown = realloc(durable->handled, capacity * sizeof(*grown));

        if (grown == NULL) {
            /* Saved without the row it came from, the effect would come twice. */
            tr_self_stop(self, TROUPE_REASON_KILLED, "out of memory for a durable message");
            return;
        }
        durable->handled = grown;
        durable->handled_capacity = capacity;
    }
    durable->handled[durable->handled_count++] = row_id;
}

troupe_status troupe_send_durable(troupe_self *self, const char *name, const troupe_type *type,
                                  const void *message)
{
    struct durable *durable = record_of(self);
    struct tr_outgoing out = {.type = type->name};
    char *json = NULL;

    if (durable == NULL || !tr_name_is_valid(name) || (message == NULL && type->size != 0)) {
        return TROUPE_E_INVALID;
    }
    if (durable->outgoing_count == TR_STEP_OUTGOING_MAX) {
        return TROUPE_E_LIMIT;
    }
    if (durable->outgoing_count == durable->outgoing_capacity) {
        const size_t capacity =
            durable->outgoing_capacity == 0 ? 4 : durable->outgoing_capacity * 2;
        struct tr_outgoing *grown = realloc(durable->outgoing, capacity * sizeof(*grown));

        if (grown == NULL) {
            return TROUPE_E_NO_MEMORY;
        }
        durable->outgoing = grown;
        durable->outgoing_capacity = capacity;
    }
    const troupe_status status = troupe_to_json(type, message, &json);

    if (status != TROUPE_OK) {
        return status;
    }
    out.payload_json = json;
    out.to = strdup(name);
    if (out.to == NULL) {
        troupe_json_free(json);
        return TROUPE_E_NO_MEMORY;
    }
    durable->outgoing[durable->outgoing_count++] = out;
    return TROUPE_OK;
}

troupe_status troupe_save(troupe_self *self)
{
    struct durable *durable = record_of(self);

    if (durable == NULL) {
        return TROUPE_E_INVALID;
    }
    durable->save_now = true;
    self->actor->flags |= TR_ACTOR_DIRTY;
    return TROUPE_OK;
}
