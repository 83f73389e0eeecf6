#include "model/pair.h"

#include <stdlib.h>
#include <string.h>

#include "troupe/actor.h"

/* ---- one state ---- */

static void drop(struct pair *pair, size_t *index)
{
    pair->states[*index] = pair->states[--pair->count];
    (*index)--;
}

static int other_of(const struct pair *pair, int side)
{
    return pair->self ? 0 : 1 - side;
}

static bool push(struct signal *signals, uint8_t *count, struct signal signal)
{
    if (*count == SIGNALS_MAX) {
        return false;
    }
    signals[(*count)++] = signal;
    return true;
}

static void take_at(struct signal *signals, uint8_t *count, size_t index)
{
    memmove(&signals[index], &signals[index + 1], (*count - index - 1) * sizeof(*signals));
    (*count)--;
}

static bool remove_ref(uint16_t *refs, uint8_t *count, uint16_t ref)
{
    for (size_t i = 0; i < *count; i++) {
        if (refs[i] == ref) {
            memmove(&refs[i], &refs[i + 1], (*count - i - 1) * sizeof(*refs));
            (*count)--;
            return true;
        }
    }
    return false;
}

static void add_ref(struct pair *pair, uint16_t *refs, uint8_t *count, uint16_t ref)
{
    if (*count == REFS_MAX) {
        pair->overflow = true;
        return;
    }
    refs[(*count)++] = ref;
}

/* What the dead answer to a signal. */
static struct signal bounce(struct signal signal, bool at_end, struct reason reason)
{
    struct signal answer = {.farewell = at_end, .ref = signal.ref};

    if (signal.kind == K_CALL) {
        answer.kind = K_FAILED;
        answer.arg = (uint8_t)(at_end ? -TROUPE_E_EXITED : -TROUPE_E_NOPROC);
        answer.id = at_end ? reason.id : 0;
    } else if (signal.kind == K_LINK || signal.kind == K_MONITOR) {
        answer.kind = signal.kind == K_LINK ? K_LINK_EXIT : K_DOWN;
        answer.arg = TROUPE_REASON_NOPROC;
    } else if (signal.kind == K_UNLINK) {
        answer.kind = K_ACK;
    }
    return answer;
}

static uint64_t bit_of(uint16_t ref)
{
    return 1ull << (ref & 63);
}

/* Puts a signal before a living actor. An answer to a call that does not wait any more is nothing.
 */
static void deliver(struct pair *pair, struct pair_state *state, int to, struct signal signal)
{
    const bool answers = signal.kind == K_REPLY || signal.kind == K_FAILED;

    if (!answers || (pair->calls[to] & bit_of(signal.ref)) != 0) {
        pair->overflow |= !push(state->halves[to].in, &state->halves[to].in_count, signal);
    }
}

static void post(struct pair *pair, struct pair_state *state, int to, struct signal signal)
{
    if (pair->alive[to]) {
        deliver(pair, state, to, signal);
        return;
    }
    const struct signal answer = bounce(signal, false, (struct reason){0});
    const int from = other_of(pair, to);

    if (answer.kind != K_NONE && pair->alive[from]) {
        deliver(pair, state, from, answer);
    }
}

static void make_fatal(struct half *half, uint8_t kind, uint16_t id)
{
    if (!half->fatal || kind == TROUPE_REASON_KILLED) {
        half->fatal = true;
        half->why = (struct reason){.kind = kind, .id = id};
    }
}

/* An exit that is not `kill` arrives. */
static void on_exit_signal(struct pair *pair, struct half *half, int side, struct signal signal,
                           bool from_self)
{
    if (pair->traps[side]) {
        signal.kind = K_EXIT;
        pair->overflow |= !push(half->box, &half->box_count, signal);
    } else if (signal.arg != TROUPE_REASON_NORMAL || from_self) {
        make_fatal(half, signal.arg, signal.id);
    }
}

/* Takes in the first signal of one side. */
static void take_in(struct pair *pair, struct pair_state *state, int side)
{
    struct half *half = &state->halves[side];
    const struct signal signal = half->in[0];

    take_at(half->in, &half->in_count, 0);
    switch ((enum kind)signal.kind) {
    case K_MESSAGE:
    case K_CALL:
    case K_REPLY:
    case K_FAILED:
        pair->overflow |= !push(half->box, &half->box_count, signal);
        break;
    case K_LINK:
        half->link = half->link == L_NONE ? L_LINKED : half->link;
        break;
    case K_UNLINK:
        half->link = half->link == L_LINKED ? L_NONE : half->link;
        post(pair, state, other_of(pair, side), (struct signal){.kind = K_ACK, .ref = signal.ref});
        break;
    case K_ACK:
        if (half->link == L_UNLINKING && half->unlink_ref == signal.ref) {
            half->link = L_NONE;
            half->unlink_ref = 0;
        }
        break;
    case K_MONITOR:
        add_ref(pair, half->watched, &half->watched_count, signal.ref);
        break;
    case K_DEMONITOR:
        (void)remove_ref(half->watched, &half->watched_count, signal.ref);
        break;
    case K_EXIT:
        if (signal.arg == TROUPE_REASON_KILL) {
            make_fatal(half, TROUPE_REASON_KILLED, 0);
        } else {
            on_exit_signal(pair, half, side, signal, pair->self);
        }
        break;
    case K_LINK_EXIT:
        if (half->link == L_LINKED) {
            half->link = L_NONE;
            on_exit_signal(pair, half, side, signal, false);
        }
        break;
    case K_DOWN:
        if (remove_ref(half->watching, &half->watching_count, signal.ref)) {
            pair->overflow |= !push(half->box, &half->box_count, signal);
        }
        break;
    case K_NONE:
        break;
    }
}

/* The first signal of one side asks for a link or a monitor, and there is no memory for it. */
static void refuse(struct pair *pair, struct pair_state *state, int side)
{
    struct half *half = &state->halves[side];
    const struct signal signal = half->in[0];

    take_at(half->in, &half->in_count, 0);
    post(pair, state, other_of(pair, side),
         (struct signal){.kind = signal.kind == K_LINK ? K_LINK_EXIT : K_DOWN,
                         .arg = TROUPE_REASON_ERROR,
                         .ref = signal.ref});
}

static bool may_be_refused(const struct pair *pair, const struct half *half)
{
    return pair->poor &&
           ((half->in[0].kind == K_LINK && half->link == L_NONE) || half->in[0].kind == K_MONITOR);
}

/* Signals of which nobody can see whether they were taken in now or later: when its turn comes such
 * a one is taken in at once, which keeps the sets small. */
static bool is_eager(uint8_t kind)
{
    return kind == K_MESSAGE || kind == K_CALL || kind == K_REPLY || kind == K_FAILED ||
           kind == K_ACK || kind == K_DEMONITOR || kind == K_DOWN;
}

static void take_eagerly(struct pair *pair, struct pair_state *state)
{
    for (int side = 0; side < 2; side++) {
        struct half *half = &state->halves[side];

        while (half->in_count > 0 && is_eager(half->in[0].kind)) {
            take_in(pair, state, side);
        }
    }
}

/* Adds what a state becomes when the next signal of one side is dealt with. */
static void add_changed(struct pair *pair, size_t index, int side,
                        void (*change)(struct pair *pair, struct pair_state *state, int side))
{
    struct pair_state next = pair->states[index];

    change(pair, &next, side);
    take_eagerly(pair, &next);
    pair_add(pair, &next);
}

/* Adds what a state may have become by the next signal to one side. */
static void widen(struct pair *pair, size_t index, int side)
{
    if (pair->states[index].halves[side].in_count == 0) {
        return;
    }
    add_changed(pair, index, side, take_in);
    if (may_be_refused(pair, &pair->states[index].halves[side])) {
        add_changed(pair, index, side, refuse);
    }
}

/* Widens the set by everything that may have been taken in. */
static void close_set(struct pair *pair)
{
    for (size_t i = 0; i < pair->count; i++) {
        take_eagerly(pair, &pair->states[i]);
    }
    for (size_t i = 0; i < pair->count; i++) { /* which grows meanwhile */
        widen(pair, i, 0);
        widen(pair, i, 1);
    }
}

/* ---- deeds ---- */

void pair_send(struct pair *pair, int side, struct signal signal)
{
    if (signal.kind == K_CALL) {
        pair->calls[side] |= bit_of(signal.ref);
    }
    for (size_t i = 0; i < pair->count; i++) {
        post(pair, &pair->states[i], other_of(pair, side), signal);
    }
    close_set(pair);
}

void pair_link(struct pair *pair, int side)
{
    for (size_t i = 0; i < pair->count && !pair->self; i++) {
        struct half *half = &pair->states[i].halves[side];

        if (half->link != L_LINKED) {
            half->link = L_LINKED;
            half->unlink_ref = 0;
            post(pair, &pair->states[i], other_of(pair, side), (struct signal){.kind = K_LINK});
        }
    }
    close_set(pair);
}

void pair_unlink(struct pair *pair, int side, uint16_t ref)
{
    for (size_t i = 0; i < pair->count; i++) {
        struct half *half = &pair->states[i].halves[side];

        if (half->link == L_LINKED) {
            half->link = L_UNLINKING;
            half->unlink_ref = ref;
            post(pair, &pair->states[i], other_of(pair, side),
                 (struct signal){.kind = K_UNLINK, .ref = ref});
        }
    }
    close_set(pair);
}

void pair_monitor(struct pair *pair, int side, uint16_t ref)
{
    for (size_t i = 0; i < pair->count; i++) {
        struct half *half = &pair->states[i].halves[side];

        add_ref(pair, half->watching, &half->watching_count, ref);
        post(pair, &pair->states[i], other_of(pair, side),
             (struct signal){.kind = K_MONITOR, .ref = ref});
    }
    close_set(pair);
}

void pair_demonitor(struct pair *pair, int side, uint16_t ref)
{
    for (size_t i = 0; i < pair->count; i++) {
        struct half *half = &pair->states[i].halves[side];

        if (remove_ref(half->watching, &half->watching_count, ref)) {
            post(pair, &pair->states[i], other_of(pair, side),
                 (struct signal){.kind = K_DEMONITOR, .ref = ref});
            continue;
        }
        for (size_t k = 0; k < half->box_count; k++) {
            if (half->box[k].kind == K_DOWN && half->box[k].ref == ref) {
                take_at(half->box, &half->box_count, k);
                break;
            }
        }
    }
    close_set(pair);
}

void pair_spawned(struct pair *pair, int parent, bool link, uint16_t monitor)
{
    for (size_t i = 0; i < pair->count; i++) {
        struct half *halves = pair->states[i].halves;

        if (link) {
            halves[0].link = L_LINKED;
            halves[1].link = L_LINKED;
        }
        if (monitor != 0) {
            add_ref(pair, halves[parent].watching, &halves[parent].watching_count, monitor);
            add_ref(pair, halves[1 - parent].watched, &halves[1 - parent].watched_count, monitor);
        }
    }
}

void pair_trap(struct pair *pair, int side, bool traps)
{
    pair->traps[side] = traps;
    close_set(pair);
}

static void forget_answer(struct signal *signals, uint8_t *count, uint16_t ref)
{
    for (size_t i = 0; i < *count; i++) {
        if ((signals[i].kind == K_REPLY || signals[i].kind == K_FAILED) && signals[i].ref == ref) {
            take_at(signals, count, i--);
        }
    }
}

void pair_forget_call(struct pair *pair, int side, uint16_t ref)
{
    pair->calls[side] &= ~bit_of(ref);
    for (size_t i = 0; i < pair->count; i++) {
        struct half *half = &pair->states[i].halves[side];

        forget_answer(half->in, &half->in_count, ref);
        forget_answer(half->box, &half->box_count, ref);
    }
    close_set(pair);
}

/* ---- what is seen ---- */

bool pair_goes_on(struct pair *pair, int side)
{
    const size_t before = pair->count;

    for (size_t i = 0; i < pair->count; i++) {
        if (pair->states[i].halves[side].fatal) {
            drop(pair, &i);
        }
    }
    if (pair->count < before) {
        close_set(pair); /* What it had not taken in then, it may take in now. */
    }
    return pair->count > 0 || pair->overflow;
}

/* Takes the signal out of a box: it is the first, or behind farewells only, which have no order,
 * and answers that may have been lost. */
static bool handle_in(const struct pair *pair, struct half *half, const struct signal *signal)
{
    for (size_t i = 0; i < half->box_count; i++) {
        const struct signal *each = &half->box[i];

        if (each->kind == signal->kind && each->arg == signal->arg && each->ref == signal->ref &&
            each->id == signal->id) {
            take_at(half->box, &half->box_count, i);
            return true;
        }
        if (!each->farewell && !(pair->poor && each->kind == K_FAILED)) {
            return false;
        }
    }
    return false;
}

bool pair_handles(struct pair *pair, int side, struct signal signal)
{
    for (size_t i = 0; i < pair->count; i++) {
        if (!handle_in(pair, &pair->states[i].halves[side], &signal)) {
            drop(pair, &i);
        }
    }
    close_set(pair);
    return pair->count > 0 || pair->overflow;
}

bool pair_may_end(const struct pair *pair, int side, struct reason reason)
{
    for (size_t i = 0; i < pair->count; i++) {
        const struct half *half = &pair->states[i].halves[side];

        if (half->fatal && half->why.kind == reason.kind && half->why.id == reason.id) {
            return true;
        }
    }
    return pair->overflow;
}

/* What the end of one side means in one state. */
static void end_in(struct pair *pair, struct pair_state *state, int side, struct reason reason,
                   const uint16_t *owed, size_t owed_count)
{
    const int other = other_of(pair, side);
    const struct half ended = state->halves[side];

    state->halves[side] = (struct half){0};
    if (!pair->alive[other]) {
        return;
    }
    for (size_t i = 0; i < (size_t)ended.box_count + ended.in_count; i++) {
        const struct signal answer = bounce(
            i < ended.box_count ? ended.box[i] : ended.in[i - ended.box_count], true, reason);

        if (answer.kind != K_NONE) {
            post(pair, state, other, answer);
        }
    }
    for (size_t i = 0; i < owed_count; i++) {
        post(pair, state, other,
             (struct signal){.kind = K_FAILED,
                             .arg = -TROUPE_E_EXITED,
                             .ref = owed[i],
                             .id = reason.id,
                             .farewell = true});
    }
    struct signal farewell = {
        .kind = K_LINK_EXIT, .arg = reason.kind, .id = reason.id, .farewell = true};

    if (ended.link == L_LINKED) {
        post(pair, state, other, farewell);
    }
    farewell.kind = K_DOWN;
    for (size_t i = 0; i < ended.watched_count; i++) {
        farewell.ref = ended.watched[i];
        post(pair, state, other, farewell);
    }
    for (size_t i = 0; i < ended.watching_count; i++) {
        post(pair, state, other, (struct signal){.kind = K_DEMONITOR, .ref = ended.watching[i]});
    }
}

void pair_end(struct pair *pair, int side, struct reason reason, const uint16_t *owed,
              size_t owed_count)
{
    const size_t count = pair->count;
    struct pair_state *states = pair->states;

    pair->alive[side] = false;
    pair->states = pair_states_create(pair->capacity);
    pair->count = 0;
    for (size_t i = 0; i < count; i++) {
        end_in(pair, &states[i], side, reason, owed, owed_count);
        pair_add(pair, &states[i]);
    }
    free(states);
    close_set(pair);
}

/* Without memory the answer to a call may be lost; its timeout tells. */
static void lose_answers(struct half *half)
{
    for (size_t i = 0; i < half->box_count; i++) {
        if (half->box[i].kind == K_FAILED) {
            take_at(half->box, &half->box_count, i--);
        }
    }
}

bool pair_rests(struct pair *pair)
{
    for (size_t i = 0; i < pair->count && pair->poor; i++) {
        lose_answers(&pair->states[i].halves[0]);
        lose_answers(&pair->states[i].halves[1]);
    }
    for (size_t i = 0; i < pair->count; i++) {
        const struct half *a = &pair->states[i].halves[0];
        const struct half *b = &pair->states[i].halves[1];

        if (a->fatal || b->fatal || a->in_count + a->box_count + b->in_count + b->box_count > 0) {
            drop(pair, &i);
        }
    }
    return pair->count > 0 || pair->overflow;
}

bool pair_is(struct pair *pair, int side, bool linked, size_t watching, size_t watched)
{
    /* A watcher that ends without memory is not forgotten: what it is told later finds nobody. */
    const bool forgives = pair->was_poor && !pair->alive[other_of(pair, side)];

    for (size_t i = 0; i < pair->count; i++) {
        const struct half *half = &pair->states[i].halves[side];

        if (half->link != (linked ? L_LINKED : L_NONE) || half->watching_count != watching ||
            (half->watched_count != watched && !forgives)) {
            drop(pair, &i);
        }
    }
    return pair->count > 0 || pair->overflow;
}
