/* State machines: which row a message takes, and what a change of state brings with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "sched/own.h"
#include "troupe/mailbox.h"
#include "troupe/statem.h"

const troupe_type troupe_state_timeout_type = {.name = "troupe.state_timeout"};
const troupe_type troupe_event_timeout_type = {.name = "troupe.event_timeout"};
static const troupe_field named_timeout_fields[] = {TROUPE_FIELD(troupe_named_timeout, name, 1)};
const troupe_type troupe_named_timeout_type = {.name = "troupe.named_timeout",
                                               .size = sizeof(troupe_named_timeout),
                                               .fields = named_timeout_fields,
                                               .field_count = 1};

struct named {
    struct named *next;
    uint64_t timer;
    char name[];
};

/* What a machine keeps beside its state. */
struct tr_statem {
    uint64_t state_timer; /* 0: none */
    uint64_t event_timer;
    struct named *named;
    uint32_t named_count;
    bool acting; /* an action runs: what it says holds for the state it goes to */
    bool postpone;
    bool retry; /* what is postponed comes back when the present message is put away */
    bool state_timeout_set;
    uint64_t state_timeout_ms;
    int32_t next;
    struct tr_message *last_event; /* the last of its own that the present message has brought */
};

static struct tr_statem *machine_of(const troupe_self *self)
{
    return self->actor->extra == NULL ? NULL : self->actor->extra->statem;
}

static int32_t *state_of(const troupe_self *self)
{
    return (int32_t *)(void *)((char *)self->actor->state +
                               self->actor->behavior->machine->state_offset);
}

void tr_statem_free(struct tr_statem *statem)
{
    while (statem != NULL && statem->named != NULL) {
        struct named *named = statem->named;

        statem->named = named->next;
        free(named);
    }
    free(statem);
}

/* ---- timeouts ---- */

static void cancel(troupe_self *self, uint64_t *timer)
{
    (void)troupe_cancel_timer(self, *timer);
    *timer = 0;
}

static troupe_status start(troupe_self *self, uint64_t *timer, uint64_t timeout_ms,
                           const troupe_type *type, const void *message)
{
    cancel(self, timer);
    return timeout_ms == 0
               ? TROUPE_OK
               : troupe_send_after(self, timeout_ms, tr_self_pid(self), type, message, timer);
}

troupe_status troupe_statem_state_timeout(troupe_self *self, uint64_t timeout_ms)
{
    struct tr_statem *statem = machine_of(self);

    if (statem == NULL) {
        return TROUPE_E_INVALID;
    }
    if (statem->acting) {
        statem->state_timeout_set = true;
        statem->state_timeout_ms = timeout_ms;
        return TROUPE_OK;
    }
    return start(self, &statem->state_timer, timeout_ms, &troupe_state_timeout_type, NULL);
}

troupe_status troupe_statem_event_timeout(troupe_self *self, uint64_t timeout_ms)
{
    struct tr_statem *statem = machine_of(self);

    return statem == NULL
               ? TROUPE_E_INVALID
               : start(self, &statem->event_timer, timeout_ms, &troupe_event_timeout_type, NULL);
}

/* Takes the timeout of that name out of the list. */
static void forget_named(troupe_self *self, struct tr_statem *statem, const char *name)
{
    struct named **link = &statem->named;

    while (*link != NULL && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    struct named *named = *link;

    if (named != NULL) {
        *link = named->next;
        (void)troupe_cancel_timer(self, named->timer);
        statem->named_count--;
        free(named);
    }
}

troupe_status troupe_statem_timeout(troupe_self *self, const char *name, uint64_t timeout_ms)
{
    struct tr_statem *statem = machine_of(self);

    if (statem == NULL || name == NULL) {
        return TROUPE_E_INVALID;
    }
    forget_named(self, statem, name);
    if (timeout_ms == 0) {
        return TROUPE_OK;
    }
    if (statem->named_count == TR_STATEM_TIMEOUTS_MAX) {
        return TROUPE_E_LIMIT;
    }
    const size_t size = strlen(name) + 1;
    struct named *named = calloc(1, sizeof(*named) + size);

    if (named == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    memcpy(named->name, name, size);
    const troupe_status status = start(self, &named->timer, timeout_ms, &troupe_named_timeout_type,
                                       &(troupe_named_timeout){.name = name});

    if (status != TROUPE_OK) {
        free(named);
        return status;
    }
    named->next = statem->named;
    statem->named = named;
    statem->named_count++;
    return TROUPE_OK;
}

/* Notes which timeout this message is, if it is one. Answers false when it only looks like one:
 * ours have no sender. */
static bool take_timeout(troupe_self *self, struct tr_statem *statem, const troupe_type *type,
                         const void *value)
{
    const bool named = troupe_type_is(type, &troupe_named_timeout_type);
    const bool state = troupe_type_is(type, &troupe_state_timeout_type);

    if (!named && !state && !troupe_type_is(type, &troupe_event_timeout_type)) {
        return true;
    }
    if (self->current == NULL || !troupe_pid_is_none(self->current->from)) {
        return false;
    }
    if (named) {
        forget_named(self, statem, ((const troupe_named_timeout *)value)->name);
    } else if (state) {
        statem->state_timer = 0;
    }
    return true;
}

/* ---- changing the state ---- */

/* Starts what being in a state brings; the enter hook's own timeout comes before the table's. */
static int enter(troupe_self *self, struct tr_statem *statem, int32_t from)
{
    const troupe_state *state = &self->actor->behavior->machine->states[*state_of(self)];
    const bool set = statem->state_timeout_set;
    const troupe_status status =
        start(self, &statem->state_timer, set ? statem->state_timeout_ms : state->timeout_ms,
              &troupe_state_timeout_type, NULL);

    statem->state_timeout_set = false;
    if (status != TROUPE_OK) {
        return status;
    }
    return state->enter == NULL ? TROUPE_OK : state->enter(self, self->actor->state, from);
}

static int change(troupe_self *self, struct tr_statem *statem, int32_t to)
{
    const troupe_statem *machine = self->actor->behavior->machine;
    const int32_t from = *state_of(self);

    if (to < 0 || (size_t)to >= machine->states_count) {
        return troupe_fail(self, "the machine has no state %d", to);
    }
    *state_of(self) = to;
    if (statem->postpone) {
        statem->retry = true; /* The message that brings the change comes back with the others. */
    } else {
        tr_stash_return(self, statem->last_event);
    }
    return enter(self, statem, from);
}

void tr_statem_kept(troupe_self *self)
{
    struct tr_statem *statem = machine_of(self);

    if (statem != NULL && statem->retry) {
        statem->retry = false;
        tr_stash_return(self, statem->last_event);
    }
}

static int put_away(troupe_self *self)
{
    const troupe_status status = troupe_stash(self);

    return status == TROUPE_OK
               ? TROUPE_OK
               : troupe_fail(self, "a message cannot be postponed: %s", troupe_status_text(status));
}

/* What the row, or the action, has said comes true. */
static int settle(troupe_self *self, struct tr_statem *statem)
{
    int answer = statem->postpone && statem->next != TROUPE_STATE_STOP ? put_away(self) : TROUPE_OK;

    if (answer != TROUPE_OK || statem->next == TROUPE_STATE_STOP) {
        return answer != TROUPE_OK ? answer : TROUPE_STOP;
    }
    if (statem->next != TROUPE_STATE_KEEP && statem->next != *state_of(self)) {
        return change(self, statem, statem->next);
    }
    if (statem->state_timeout_set) {
        statem->state_timeout_set = false;
        return start(self, &statem->state_timer, statem->state_timeout_ms,
                     &troupe_state_timeout_type, NULL);
    }
    return TROUPE_OK;
}

/* ---- handling ---- */

/* The better of two rows: of the state before any state, of the type before any type. */
static int rank_of(const troupe_transition *row, int32_t state, const troupe_type *type)
{
    const bool of_type = row->on != NULL && troupe_type_is(row->on, type);

    if ((row->from != state && row->from != TROUPE_STATE_ANY) || (row->on != NULL && !of_type)) {
        return 0;
    }
    return (of_type ? 3 : 1) + (row->from == state ? 1 : 0);
}

static const troupe_transition *find_row(const troupe_statem *machine, int32_t state,
                                         const troupe_type *type)
{
    const troupe_transition *best = NULL;
    int best_rank = 0;

    for (size_t i = 0; i < machine->transitions_count && best_rank < 4; i++) {
        const int rank = rank_of(&machine->transitions[i], state, type);

        if (rank > best_rank) {
            best = &machine->transitions[i];
            best_rank = rank;
        }
    }
    return best;
}

bool tr_statem_handle(troupe_self *self, const troupe_type *type, const void *value)
{
    struct tr_statem *statem = machine_of(self);

    statem->last_event = NULL;
    cancel(self, &statem->event_timer);
    if (!take_timeout(self, statem, type, value)) {
        return false;
    }
    const troupe_transition *row = find_row(self->actor->behavior->machine, *state_of(self), type);

    if (row == NULL) {
        return false;
    }
    statem->next = row->to;
    statem->postpone = row->postpone;
    statem->state_timeout_set = false;
    statem->acting = true;
    self->type = type;
    int answer = row->action == NULL ? TROUPE_OK : row->action(self, self->actor->state, value);

    self->type = NULL;
    statem->acting = false;
    if (answer == TROUPE_OK && !self->stopping) {
        answer = settle(self, statem);
    }
    tr_self_answer(self, answer);
    return true;
}

troupe_status tr_statem_prepare(troupe_self *self, bool fresh)
{
    const troupe_statem *machine = self->actor->behavior->machine;
    struct tr_actor_extra *extra = tr_actor_extra(self->actor);
    char error[128] = "";

    if (troupe_statem_check(machine, error, sizeof(error)) != TROUPE_OK) {
        (void)troupe_fail(self, "%s", error);
        return TROUPE_E_INVALID;
    }
    if (extra == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    extra->statem = calloc(1, sizeof(*extra->statem));
    if (extra->statem != NULL && fresh) {
        *state_of(self) = machine->initial;
    }
    return extra->statem == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;
}

int tr_statem_begin(troupe_self *self, bool fresh)
{
    const troupe_statem *machine = self->actor->behavior->machine;
    struct tr_statem *statem = self->actor->extra->statem;
    const int32_t state = *state_of(self);

    if (state < 0 || (size_t)state >= machine->states_count) {
        return troupe_fail(self, "the machine has no state %d", state);
    }
    if (fresh) {
        return enter(self, statem, state);
    }
    /* What the hook has done is in what was committed; its time begins anew. */
    return start(self, &statem->state_timer, machine->states[state].timeout_ms,
                 &troupe_state_timeout_type, NULL);
}

/* ---- what actions say ---- */

int32_t troupe_statem_state(const troupe_self *self)
{
    return self->actor->behavior->machine == NULL ? -1 : *state_of(self);
}

int troupe_statem_next(troupe_self *self, int32_t state)
{
    struct tr_statem *statem = machine_of(self);

    if (statem == NULL || !statem->acting) {
        return TROUPE_E_INVALID;
    }
    statem->next = state;
    return TROUPE_OK;
}

int troupe_statem_postpone(troupe_self *self)
{
    struct tr_statem *statem = machine_of(self);

    if (statem == NULL || !statem->acting) {
        return TROUPE_E_INVALID;
    }
    statem->postpone = true;
    return TROUPE_OK;
}

troupe_status troupe_statem_next_event(troupe_self *self, const troupe_type *type,
                                       const void *message)
{
    struct tr_statem *statem = machine_of(self);

    return statem == NULL ? TROUPE_E_INVALID
                          : tr_continue_after(self, &statem->last_event, type, message);
}
