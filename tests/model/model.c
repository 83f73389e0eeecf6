#include "model/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "troupe/actor.h"

void model_init(struct model *model)
{
    model->now_ms = 0;
    model->count = 0;
    model->events = 0;
    model->poor = false;
    model->problem[0] = '\0';
    memset(model->actors, 0, sizeof(model->actors));
}

void model_fini(struct model *model)
{
    for (size_t b = 0; b < model->count; b++) {
        for (size_t a = 0; a <= b; a++) {
            pair_fini(&model->pairs[a][b]);
        }
    }
}

void model_problem(struct model *model, const char *format, ...)
{
    va_list arguments;

    if (model->problem[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(model->problem, sizeof(model->problem), format, arguments);
        va_end(arguments);
    }
}

struct pair *model_pair(struct model *model, size_t actor, size_t other, int *side)
{
    *side = actor <= other ? 0 : 1;
    return actor <= other ? &model->pairs[actor][other] : &model->pairs[other][actor];
}

bool things_add(struct things *things, struct thing thing)
{
    if (things->count == THINGS_MAX) {
        return false;
    }
    things->list[things->count++] = thing;
    return true;
}

struct thing *things_find(struct things *things, uint16_t ref)
{
    for (size_t i = 0; i < things->count; i++) {
        if (things->list[i].ref == ref) {
            return &things->list[i];
        }
    }
    return NULL;
}

void things_remove(struct things *things, struct thing *thing)
{
    const size_t index = (size_t)(thing - things->list);

    memmove(thing, thing + 1, (things->count - index - 1) * sizeof(*thing));
    things->count--;
}

/* ---- what is done ---- */

void model_born(struct model *model, size_t actor, troupe_pid pid, size_t parent, bool link,
                uint16_t monitor)
{
    model->actors[actor] = (struct model_actor){.alive = true, .born = true, .pid = pid};
    model->count = actor + 1;
    for (size_t other = 0; other <= actor; other++) {
        struct pair *pair = &model->pairs[other][actor];

        pair_init(pair, other == actor);
        pair->poor = model->poor;
        pair->was_poor = model->poor;
        pair->alive[0] = model->actors[other].alive;
        if (other < actor) {
            pair->traps[0] = model->pairs[other][other].traps[0];
        }
    }
    if (parent < ACTORS_MAX) {
        int side = 0;
        struct pair *pair = model_pair(model, parent, actor, &side);

        pair_spawned(pair, side, link, monitor);
    }
}

void model_order(struct model *model, size_t actor, uint16_t order)
{
    struct model_actor *a = &model->actors[actor];

    if (a->alive && a->orders_given < ORDERS_MAX) {
        a->orders[a->orders_given++] = order;
    }
}

void model_send(struct model *model, size_t actor, size_t to, struct signal signal)
{
    int side = 0;
    struct pair *pair = model_pair(model, actor, to, &side);

    pair_send(pair, side, signal);
}

void model_stops(struct model *model, size_t actor, struct reason why)
{
    model->actors[actor].ends = true;
    model->actors[actor].why = why;
}

/* ---- what is seen ---- */

void model_goes_on(struct model *model, size_t actor)
{
    model->events++;
    if (!model->actors[actor].alive) {
        model_problem(model, "actor %zu handles something after its end", actor);
        return;
    }
    if (model->actors[actor].ends) {
        model_problem(model, "actor %zu handles something after it has stopped", actor);
    }
    for (size_t other = 0; other < model->count; other++) {
        int side = 0;
        struct pair *pair = model_pair(model, actor, other, &side);

        if (!pair_goes_on(pair, side)) {
            model_problem(model, "actor %zu goes on, though actor %zu has ended it", actor, other);
        }
    }
}

void model_obeys(struct model *model, size_t actor, uint16_t order)
{
    struct model_actor *a = &model->actors[actor];

    model_goes_on(model, actor);
    if (a->orders_taken == a->orders_given || a->orders[a->orders_taken] != order) {
        model_problem(model, "actor %zu gets order %u out of order", actor, order);
        return;
    }
    a->orders_taken++;
}

static const char *const kind_names[] = {
    "nothing",         "message", "call",      "reply", "failed call", "link", "unlink",
    "acknowledgement", "monitor", "demonitor", "exit",  "link exit",   "DOWN"};

void model_handles(struct model *model, size_t actor, size_t from, struct signal signal)
{
    int side = 0;
    struct pair *pair = model_pair(model, actor, from, &side);

    model_goes_on(model, actor);
    if (!pair_handles(pair, side, signal)) {
        model_problem(model, "actor %zu cannot see now: %s %u from actor %zu, reason %u \"r%u\"",
                      actor, kind_names[signal.kind], signal.ref, from, signal.arg, signal.id);
    }
}

void model_result(struct model *model, size_t actor, uint16_t ref, int status, uint16_t id)
{
    struct model_actor *a = &model->actors[actor];
    struct thing *call = things_find(&a->calls, ref);
    int side = 0;

    model_goes_on(model, actor);
    if (call == NULL) {
        model_problem(model, "actor %zu gets a second answer to call %u: status %d", actor, ref,
                      status);
        return;
    }
    struct pair *pair = model_pair(model, actor, call->actor, &side);

    if (status == TROUPE_E_TIMEOUT) {
        if (model->now_ms < call->at_ms) {
            model_problem(model, "call %u of actor %zu runs out too early", ref, actor);
        }
    } else if (!pair_handles(pair, side,
                             (struct signal){.kind = status == TROUPE_OK ? K_REPLY : K_FAILED,
                                             .arg = (uint8_t)-status,
                                             .ref = ref,
                                             .id = id})) {
        model_problem(model, "call %u of actor %zu cannot end now with status %d \"r%u\"", ref,
                      actor, status, id);
    }
    pair_forget_call(pair, side, ref);
    things_remove(&a->calls, call);
}

void model_timer(struct model *model, size_t actor, uint16_t ref)
{
    struct things *timers = &model->actors[actor].timers;
    struct thing *timer = things_find(timers, ref);

    model_goes_on(model, actor);
    if (timer == NULL) {
        model_problem(model, "timer %u of actor %zu fires, which is not there", ref, actor);
        return;
    }
    if (model->now_ms < timer->at_ms) {
        model_problem(model, "timer %u of actor %zu fires too early", ref, actor);
    }
    things_remove(timers, timer);
}

/* Whether anybody can have ended the actor so. */
static bool is_explained(struct model *model, size_t actor, struct reason why)
{
    for (size_t other = 0; other < model->count; other++) {
        int side = 0;
        const struct pair *pair = model_pair(model, actor, other, &side);

        if (pair_may_end(pair, side, why)) {
            return true;
        }
    }
    return false;
}

void model_ends(struct model *model, size_t actor, const struct reason *why)
{
    struct model_actor *a = &model->actors[actor];
    const struct reason reason = why != NULL ? *why : (struct reason){.kind = TROUPE_REASON_KILLED};

    model->events++;
    if (!a->alive) {
        model_problem(model, "actor %zu ends twice", actor);
        return;
    }
    if (a->ends ? a->why.kind != reason.kind || a->why.id != reason.id
                : !is_explained(model, actor, reason)) {
        model_problem(model, "nothing explains that actor %zu ends with %s \"r%u\"", actor,
                      troupe_reason_name(reason.kind), reason.id);
    }
    a->alive = false;
    a->why = reason;
    for (size_t other = 0; other < model->count; other++) {
        uint16_t owed[THINGS_MAX];
        size_t count = 0;
        int side = 0;
        struct pair *pair = model_pair(model, actor, other, &side);

        for (size_t i = 0; i < a->owed.count; i++) {
            if (a->owed.list[i].actor == other) {
                owed[count++] = a->owed.list[i].ref;
            }
        }
        pair_end(pair, side, reason, owed, count);
    }
}

void model_poor(struct model *model, bool poor)
{
    model->poor = poor;
    for (size_t b = 0; b < model->count; b++) {
        for (size_t a = 0; a <= b; a++) {
            model->pairs[a][b].poor = poor;
            model->pairs[a][b].was_poor = true;
        }
    }
}

static void actor_rests(struct model *model, size_t actor)
{
    const struct model_actor *a = &model->actors[actor];

    if (a->orders_taken != a->orders_given) {
        model_problem(model, "at rest, actor %zu has not got order %u", actor,
                      a->orders[a->orders_taken]);
    }
    if (a->ends) {
        model_problem(model, "at rest, actor %zu has stopped and not ended", actor);
    }
    for (size_t i = 0; i < a->timers.count; i++) {
        if (a->timers.list[i].at_ms + 1 <= model->now_ms) {
            model_problem(model, "at rest, timer %u of actor %zu has not fired",
                          a->timers.list[i].ref, actor);
        }
    }
    for (size_t i = 0; i < a->calls.count; i++) {
        if (a->calls.list[i].at_ms + 1 <= model->now_ms) {
            model_problem(model, "at rest, call %u of actor %zu has not run out",
                          a->calls.list[i].ref, actor);
        }
    }
}

void model_rests(struct model *model)
{
    for (size_t b = 0; b < model->count; b++) {
        for (size_t a = 0; a <= b; a++) {
            struct pair *pair = &model->pairs[a][b];

            if (!pair_rests(pair)) {
                model_problem(model, "at rest, something between actors %zu and %zu did not come",
                              a, b);
            }
        }
        if (model->actors[b].alive) {
            actor_rests(model, b);
        }
    }
}
