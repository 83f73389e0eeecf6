#include "model/player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what they say to each other ---- */

typedef struct order {
    uint32_t kind, target, arg, ms, number;
} order;
TROUPE_TYPE(order, "model.order", TROUPE_FIELD(order, kind, 1), TROUPE_FIELD(order, target, 2),
            TROUPE_FIELD(order, arg, 3), TROUPE_FIELD(order, ms, 4),
            TROUPE_FIELD(order, number, 5));

typedef struct ball {
    uint32_t ref;
} ball;
TROUPE_TYPE(ball, "model.ball", TROUPE_FIELD(ball, ref, 1));

typedef struct alarm_clock {
    uint32_t ref;
} alarm_clock;
TROUPE_TYPE(alarm_clock, "model.alarm", TROUPE_FIELD(alarm_clock, ref, 1));

typedef struct ask {
    uint32_t ref, how;
} ask;
TROUPE_TYPE(ask, "model.ask", TROUPE_FIELD(ask, ref, 1), TROUPE_FIELD(ask, how, 2));

/* ---- a player ---- */

struct player {
    struct world *world;
    size_t index;
    size_t taken_count;
    troupe_from taken[THINGS_MAX];
};

struct birth {
    struct world *world;
    uint32_t how; /* INIT_* */
};

static const troupe_behavior player_behavior;

static uint16_t id_of(const char *text)
{
    return text[0] == 'r' ? (uint16_t)strtoul(text + 1, NULL, 10) : 0;
}

static const char *text_of(uint32_t number, char *text)
{
    (void)snprintf(text, 16, "r%u", number);
    return text;
}

static size_t index_of(struct world *world, troupe_pid pid)
{
    for (size_t i = 0; i < world->born; i++) {
        if (troupe_pid_equal(world->model.actors[i].pid, pid)) {
            return i;
        }
    }
    model_problem(&world->model, "something came from nobody");
    return 0;
}

struct model *player_model(struct world *world)
{
    world->model.now_ms = troupe_test_now_ms(world->test);
    return &world->model;
}

static int on_result(troupe_self *self, void *state, const troupe_result *result)
{
    const struct player *player = state;

    (void)self;
    model_result(player_model(player->world), player->index, (uint16_t)result->tag, result->status,
                 result->status == TROUPE_E_EXITED ? id_of(result->reason.text) : 0);
    return TROUPE_OK;
}

/* ---- orders ---- */

/* Whether an operation did what it should; without memory it must have changed nothing. */
static bool is_done(struct player *player, troupe_status status, const char *what)
{
    struct model *model = &player->world->model;
    const bool refused = model->poor && (status == TROUPE_E_NO_MEMORY || status == TROUPE_E_LIMIT);

    if (status != TROUPE_OK && !refused) {
        model_problem(model, "actor %zu: %s answers %d", player->index, what, status);
    }
    return status == TROUPE_OK;
}

static int do_spawn(troupe_self *self, struct player *player, const order *o)
{
    struct world *world = player->world;
    struct model *model = &world->model;
    const struct birth birth = {.world = world, .how = o->arg & (INIT_FAILS | INIT_STOPS)};
    const struct birth *args = &birth;
    troupe_spawn_options options = {.flags = o->arg & 3};
    troupe_pid pid = {0};

    if (world->born == ACTORS_MAX) {
        return TROUPE_OK;
    }
    world->starting = world->born;
    world->ended_in_init = false;
    const troupe_status status = troupe_spawn(self, &player_behavior, &args, &options, &pid);

    world->starting = ACTORS_MAX;
    if (birth.how == INIT_FAILS && (status == TROUPE_E_FAILED || status == TROUPE_OK)) {
        if (status == TROUPE_OK) {
            model_problem(model, "init fails and the spawn does not");
        }
        return TROUPE_OK;
    }
    if (!is_done(player, status, "a spawn")) {
        return TROUPE_OK;
    }
    const bool monitors = (o->arg & TROUPE_SPAWN_MONITOR) != 0;
    const size_t child = world->born++;

    model_born(model, child, pid, player->index, (o->arg & TROUPE_SPAWN_LINK) != 0,
               monitors ? (uint16_t)o->number : 0);
    if (monitors) {
        (void)things_add(&model->actors[player->index].monitors,
                         (struct thing){.ref = (uint16_t)o->number,
                                        .actor = (uint8_t)child,
                                        .handle = options.monitor});
    }
    if (world->ended_in_init != (birth.how == INIT_STOPS)) {
        model_problem(model,
                      "a spawn whose init stops left an actor, or one whose init did not ended");
    }
    if (world->ended_in_init) {
        model_stops(model, child, (struct reason){.kind = TROUPE_REASON_NORMAL});
        model_ends(model, child, &(struct reason){.kind = TROUPE_REASON_NORMAL});
    }
    return TROUPE_OK;
}

static void do_call(troupe_self *self, struct player *player, const order *o, troupe_pid to)
{
    struct model *model = player_model(player->world);
    const uint16_t ref = (uint16_t)o->number;

    struct things *calls = &model->actors[player->index].calls;

    if (calls->count == THINGS_MAX ||
        !is_done(player,
                 troupe_call(self, to, &ask_type, &(ask){.ref = ref, .how = o->arg % CALL_HOWS},
                             o->ms, on_result, ref),
                 "a call")) {
        return;
    }
    (void)things_add(
        calls,
        (struct thing){.ref = ref, .actor = (uint8_t)o->target, .at_ms = model->now_ms + o->ms});
    model_send(model, player->index, o->target,
               (struct signal){.kind = K_CALL, .ref = ref, .arg = (uint8_t)(o->arg % CALL_HOWS)});
}

static void do_reply(troupe_self *self, struct player *player)
{
    struct model *model = &player->world->model;
    struct things *owed = &model->actors[player->index].owed;

    if (player->taken_count == 0) {
        return;
    }
    const troupe_from from = player->taken[0];
    struct thing *thing = &owed->list[0];

    if (!is_done(player, troupe_reply_to(self, &from, &ball_type, &(ball){.ref = thing->ref}),
                 "an answer")) {
        return;
    }
    model_send(model, player->index, thing->actor,
               (struct signal){.kind = K_REPLY, .ref = thing->ref});
    things_remove(owed, thing);
    player->taken_count--;
    memmove(player->taken, player->taken + 1, player->taken_count * sizeof(*player->taken));
}

static void do_monitor(troupe_self *self, struct player *player, const order *o, troupe_pid to)
{
    struct model *model = &player->world->model;
    struct things *monitors = &model->actors[player->index].monitors;
    struct thing thing = {.ref = (uint16_t)o->number, .actor = (uint8_t)o->target};
    int side = 0;

    if (monitors->count == THINGS_MAX) {
        return;
    }
    if (!is_done(player, troupe_monitor(self, to, &thing.handle), "a monitor")) {
        return;
    }
    (void)things_add(monitors, thing);
    struct pair *pair = model_pair(model, player->index, o->target, &side);

    pair_monitor(pair, side, thing.ref);
}

static void do_demonitor(troupe_self *self, struct player *player, const order *o)
{
    struct model *model = &player->world->model;
    const struct things *monitors = &model->actors[player->index].monitors;
    int side = 0;

    if (monitors->count == 0) {
        return;
    }
    /* Those that have yielded their DOWN too: then nothing happens. */
    const struct thing *thing = &monitors->list[o->arg % monitors->count];

    if (!is_done(player, troupe_demonitor(self, thing->handle), "a demonitor")) {
        return;
    }
    struct pair *pair = model_pair(model, player->index, thing->actor, &side);

    pair_demonitor(pair, side, thing->ref);
}

static void do_exit(troupe_self *self, struct player *player, const order *o, troupe_pid to)
{
    struct model *model = &player->world->model;
    const bool kill = o->arg == TROUPE_REASON_KILL;
    char text[16];

    if (!is_done(player,
                 troupe_exit(self, to, (int32_t)o->arg, kill ? NULL : text_of(o->number, text)),
                 "an exit")) {
        return;
    }
    model_send(model, player->index, o->target,
               (struct signal){
                   .kind = K_EXIT, .arg = (uint8_t)o->arg, .id = kill ? 0 : (uint16_t)o->number});
}

static void do_trap(troupe_self *self, struct player *player, bool traps)
{
    struct model *model = &player->world->model;

    troupe_trap_exit(self, traps);
    for (size_t other = 0; other < model->count; other++) {
        int side = 0;
        struct pair *pair = model_pair(model, player->index, other, &side);

        pair_trap(pair, side, traps);
    }
}

static void do_timer(troupe_self *self, struct player *player, const order *o)
{
    struct model *model = player_model(player->world);
    struct things *timers = &model->actors[player->index].timers;
    struct thing thing = {.ref = (uint16_t)o->number, .at_ms = model->now_ms + o->ms};

    if (timers->count == THINGS_MAX) {
        return;
    }
    if (!is_done(player,
                 troupe_send_after(self, o->ms, troupe_self_pid(self), &alarm_clock_type,
                                   &(alarm_clock){.ref = o->number}, &thing.handle),
                 "a timer")) {
        return;
    }
    (void)things_add(timers, thing);
}

static void do_cancel(troupe_self *self, struct player *player, const order *o)
{
    struct model *model = &player->world->model;
    struct things *timers = &model->actors[player->index].timers;

    if (timers->count == 0) {
        return;
    }
    struct thing *thing = &timers->list[o->arg % timers->count];

    if (!troupe_cancel_timer(self, thing->handle)) {
        model_problem(model, "timer %u of actor %zu has not fired and cannot be cancelled",
                      thing->ref, player->index);
    }
    things_remove(timers, thing);
}

static void do_link(troupe_self *self, struct player *player, const order *o, troupe_pid to)
{
    struct model *model = &player->world->model;
    int side = 0;
    struct pair *pair = model_pair(model, player->index, o->target, &side);
    const bool links = o->kind == OP_LINK;

    if (!is_done(player, links ? troupe_link(self, to) : troupe_unlink(self, to), "a link")) {
        return;
    }
    if (links) {
        pair_link(pair, side);
    } else {
        pair_unlink(pair, side, (uint16_t)o->number);
    }
}

static int do_end(troupe_self *self, struct player *player, const order *o)
{
    const bool fails = o->kind == OP_FAIL;
    const uint8_t kind = fails ? TROUPE_REASON_ERROR : (uint8_t)o->arg;
    char text[16];

    model_stops(&player->world->model, player->index,
                (struct reason){.kind = kind, .id = (uint16_t)o->number});
    (void)text_of(o->number, text);
    return fails ? troupe_fail(self, "%s", text) : troupe_stop(self, kind, text);
}

static int obey(troupe_self *self, struct player *player, const order *o)
{
    struct model *model = &player->world->model;
    const troupe_pid to = model->actors[o->target].pid;

    switch ((enum op_kind)o->kind) {
    case OP_SPAWN:
        return do_spawn(self, player, o);
    case OP_SEND:
        if (is_done(player, troupe_send(self, to, &ball_type, &(ball){.ref = o->number}),
                    "a send")) {
            model_send(model, player->index, o->target,
                       (struct signal){.kind = K_MESSAGE, .ref = (uint16_t)o->number});
        }
        break;
    case OP_CALL:
        do_call(self, player, o, to);
        break;
    case OP_REPLY:
        do_reply(self, player);
        break;
    case OP_LINK:
    case OP_UNLINK:
        do_link(self, player, o, to);
        break;
    case OP_MONITOR:
        do_monitor(self, player, o, to);
        break;
    case OP_DEMONITOR:
        do_demonitor(self, player, o);
        break;
    case OP_EXIT:
        do_exit(self, player, o, to);
        break;
    case OP_TRAP:
        do_trap(self, player, o->arg != 0);
        break;
    case OP_STOP:
    case OP_FAIL:
        return do_end(self, player, o);
    case OP_TIMER:
        do_timer(self, player, o);
        break;
    case OP_CANCEL:
        do_cancel(self, player, o);
        break;
    case OP_SETTLE:
    case OP_ADVANCE:
    case OP_JUMP:
    case OP_COUNT:
        break;
    }
    return TROUPE_OK;
}

/* ---- what players see ---- */

static int on_order(troupe_self *self, void *state, const void *message)
{
    struct player *player = state;
    const order *o = message;

    model_obeys(player_model(player->world), player->index, (uint16_t)o->number);
    return obey(self, player, o);
}

static int on_ball(troupe_self *self, void *state, const void *message)
{
    const struct player *player = state;

    model_handles(
        player_model(player->world), player->index, index_of(player->world, troupe_sender(self)),
        (struct signal){.kind = K_MESSAGE, .ref = (uint16_t)((const ball *)message)->ref});
    return TROUPE_OK;
}

static int on_alarm(troupe_self *self, void *state, const void *message)
{
    const struct player *player = state;

    (void)self;
    model_timer(player_model(player->world), player->index,
                (uint16_t)((const alarm_clock *)message)->ref);
    return TROUPE_OK;
}

/* The handler returns without an answer. */
static int stay_silent(struct player *player, size_t from, uint16_t ref)
{
    model_send(&player->world->model, player->index, from,
               (struct signal){.kind = K_FAILED, .arg = -TROUPE_E_NO_REPLY, .ref = ref});
    return TROUPE_OK;
}

static int on_ask(troupe_self *self, void *state, const void *message)
{
    struct player *player = state;
    const ask *a = message;
    struct model *model = player_model(player->world);
    const size_t from = index_of(player->world, troupe_sender(self));
    const uint16_t ref = (uint16_t)a->ref;
    struct things *owed = &model->actors[player->index].owed;
    char text[16];

    model_handles(model, player->index, from,
                  (struct signal){.kind = K_CALL, .ref = ref, .arg = (uint8_t)a->how});
    switch ((enum call_how)a->how) {
    case CALL_TAKE:
        if (owed->count < THINGS_MAX) {
            const troupe_from taken = troupe_take_from(self);

            if (taken.ref == 0) {
                return stay_silent(player, from, ref);
            }
            player->taken[player->taken_count++] = taken;
            (void)things_add(owed, (struct thing){.ref = ref, .actor = (uint8_t)from});
            return TROUPE_OK;
        }
        break;
    case CALL_SILENT:
        return stay_silent(player, from, ref);
    case CALL_DIE:
        model_send(
            model, player->index, from,
            (struct signal){.kind = K_FAILED, .arg = -TROUPE_E_EXITED, .ref = ref, .id = ref});
        model_stops(model, player->index, (struct reason){.kind = TROUPE_REASON_ERROR, .id = ref});
        return troupe_stop(self, TROUPE_REASON_ERROR, text_of(ref, text));
    case CALL_REPLY:
    case CALL_HOWS:
        break;
    }
    if (!is_done(player, (troupe_status)troupe_reply(self, &ball_type, &(ball){.ref = ref}),
                 "a reply")) {
        return stay_silent(player, from, ref);
    }
    model_send(model, player->index, from, (struct signal){.kind = K_REPLY, .ref = ref});
    return TROUPE_OK;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    const struct player *player = state;
    const troupe_exit_message *exit = message;

    (void)self;
    model_handles(
        player_model(player->world), player->index, index_of(player->world, exit->from),
        (struct signal){.kind = K_EXIT, .arg = (uint8_t)exit->kind, .id = id_of(exit->text)});
    return TROUPE_OK;
}

static int on_down_message(troupe_self *self, void *state, const void *message)
{
    const struct player *player = state;
    const troupe_down_message *down = message;
    struct model *model = player_model(player->world);
    const struct things *monitors = &model->actors[player->index].monitors;

    (void)self;
    for (size_t i = 0; i < monitors->count; i++) {
        if (monitors->list[i].handle == down->monitor) {
            model_handles(model, player->index, index_of(player->world, down->from),
                          (struct signal){.kind = K_DOWN,
                                          .arg = (uint8_t)down->kind,
                                          .ref = monitors->list[i].ref,
                                          .id = id_of(down->text)});
            return TROUPE_OK;
        }
    }
    model_problem(model, "actor %zu sees a DOWN of no monitor of its own", player->index);
    return TROUPE_OK;
}

/* ---- life ---- */

static int on_init(troupe_self *self, void *state, const void *args)
{
    struct player *player = state;
    const struct birth *birth = *(const struct birth *const *)args;

    player->world = birth->world;
    player->index = birth->world->starting;
    if (birth->how == INIT_FAILS) {
        return troupe_fail(self, "as told");
    }
    return birth->how == INIT_STOPS ? TROUPE_STOP : TROUPE_OK;
}

static void on_end(troupe_self *self, void *state, const troupe_reason *reason)
{
    struct player *player = state;
    struct world *world = player->world;

    (void)self;
    world->ends++;
    if (world->starting == player->index) {
        world->ended_in_init = true;
    } else {
        model_ends(player_model(world), player->index,
                   &(struct reason){.kind = (uint8_t)reason->kind, .id = id_of(reason->text)});
    }
    player->world = NULL; /* release has nothing to tell. */
}

/* Runs at every end; what terminate has not told was a kill, or an init that failed. */
static void on_release(void *state)
{
    const struct player *player = state;
    struct world *world = player->world;

    if (world != NULL && world->starting != player->index) {
        world->ends++;
        model_ends(player_model(world), player->index, NULL);
    }
}

static const troupe_handler handlers[] = {{&order_type, on_order},
                                          {&ball_type, on_ball},
                                          {&ask_type, on_ask},
                                          {&alarm_clock_type, on_alarm},
                                          {&troupe_exit_type, on_exit_message},
                                          {&troupe_down_type, on_down_message},
                                          {0}};
static const troupe_behavior player_behavior = {.name = "model.player",
                                                .state_size = sizeof(struct player),
                                                .init = on_init,
                                                .terminate = on_end,
                                                .release = on_release,
                                                .handlers = handlers};

/* ---- from outside ---- */

bool player_start(struct world *world)
{
    const struct birth birth = {.world = world, .how = INIT_OK};
    const struct birth *args = &birth;
    const size_t index = world->born;
    troupe_pid pid = {0};

    world->starting = index;
    const troupe_status status =
        troupe_node_spawn(troupe_test_node(world->test), &player_behavior, &args, NULL, &pid);

    world->starting = ACTORS_MAX;
    if (status != TROUPE_OK) {
        return false;
    }
    world->born++;
    model_born(&world->model, index, pid, ACTORS_MAX, false, 0);
    return true;
}

void player_order(struct world *world, const struct op *op)
{
    const order o = {
        .kind = op->kind, .target = op->target, .arg = op->arg, .ms = op->ms, .number = op->number};

    const troupe_status status = troupe_node_send(
        troupe_test_node(world->test), world->model.actors[op->actor].pid, &order_type, &o);

    if (status == TROUPE_OK) {
        model_order(&world->model, op->actor, op->number);
    } else if (!world->model.poor || status != TROUPE_E_NO_MEMORY) {
        model_problem(&world->model, "an order cannot be sent");
    }
}
