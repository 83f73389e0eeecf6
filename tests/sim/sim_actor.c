/* What actors do, by chance. */
#include "sim/sim_actor.h"
#include "sim/sim_memory.h"
#include "sim/sim_more.h"

#include <stdio.h>
#include <string.h>

enum {
    BODY_MIN = 70000, /* above TR_SEGMENT_SIZE_MAX: it travels in fragments */
    BODY_SPREAD = 130000,
    RECENT = 64, /* whom one knows: those that came last */
    PEOPLE = 6,  /* that a root sees to */
    TICK_MS = 40,
    CALL_MS = 2000
};

struct actor_play play;

/* ---- what is said ---- */

typedef struct word {
    uint32_t from;
    uint32_t number;
    uint32_t session;
} word;
TROUPE_TYPE(word, "sim.word", TROUPE_FIELD(word, from, 1), TROUPE_FIELD(word, number, 2),
            TROUPE_FIELD(word, session, 3));

typedef struct large {
    uint32_t from;
    uint32_t number;
    uint32_t session;
    troupe_bytes body;
} large;
TROUPE_TYPE(large, "sim.large", TROUPE_FIELD(large, from, 1), TROUPE_FIELD(large, number, 2),
            TROUPE_FIELD(large, session, 3), TROUPE_FIELD(large, body, 4));

typedef struct ask {
    uint32_t from;
    uint32_t number;
    uint32_t session;
} ask;
TROUPE_TYPE(ask, "sim.ask", TROUPE_FIELD(ask, from, 1), TROUPE_FIELD(ask, number, 2),
            TROUPE_FIELD(ask, session, 3));

typedef struct birth {
    uint32_t parent;
    uint32_t flags;
} birth;
TROUPE_TYPE(birth, "sim.birth", TROUPE_FIELD(birth, parent, 1), TROUPE_FIELD(birth, flags, 2));

TROUPE_TYPE_EMPTY(tick, "sim.tick");
TROUPE_TYPE_EMPTY(probe, "sim.probe");

/* Ticks end with the acting: a world at rest costs nothing. */
static void stop_ticking(troupe_self *self, struct mind *mind)
{
    if (!play.acting && mind->timer != 0) {
        (void)troupe_cancel_timer(self, mind->timer);
        mind->timer = 0;
    }
}

extern const troupe_behavior sim_behavior;
extern const troupe_behavior root_behavior;

static uint8_t pattern[BODY_MIN + BODY_SPREAD];

static size_t body_size(uint32_t number)
{
    return BODY_MIN + number * 7919U % BODY_SPREAD;
}

/* ---- others ---- */

/* Somebody among those that came last, dead or alive; NULL when nobody is found. */
static struct record *somebody(const struct record *self)
{
    for (uint32_t tries = 0; tries < 8 && ledger.count > 0; tries++) {
        const uint32_t known = ledger.count < RECENT ? ledger.count : RECENT;
        struct record *other = ledger_at(ledger.count - 1 - (uint32_t)sim_chance(known));

        if (other != self && !other->root && (other->alive || sim_one_in(8))) {
            return other;
        }
    }
    return NULL;
}

/* Somebody this one is linked to, mostly. */
static const struct record *linked(const troupe_self *self, const struct record *record)
{
    const struct tr_relation *relation = NULL;
    const struct record *found = NULL;
    uint32_t position = 0;
    uint64_t count = 0;

    while ((relation = tr_relations_next(&self->actor->relations, &position)) != NULL) {
        const struct record *other = ledger_find(relation->pid);

        if (relation->kind == TR_RELATION_LINK && other != NULL && sim_one_in(++count)) {
            found = other;
        }
    }
    return found != NULL ? found : somebody(record);
}

/* ---- acts ---- */

static void send_word(troupe_self *self, const struct record *from, const struct record *to)
{
    word message = {.from = from->index};

    message.number = ledger_sending(self, from, to, &message.session);
    (void)ledger_was_sent(troupe_send(self, to->pid, &word_type, &message), "send", from, to,
                          message.number);
}

static void send_large(troupe_self *self, const struct record *from, const struct record *to)
{
    large message = {.from = from->index};

    if (play.large == 0) {
        return;
    }
    play.large--;
    message.number = ledger_sending(self, from, to, &message.session);
    message.body = (troupe_bytes){.data = pattern, .size = body_size(message.number)};
    (void)ledger_was_sent(troupe_send(self, to->pid, &large_type, &message), "send", from, to,
                          message.number);
    sim_count(SIM_COUNT_LARGE, 1);
}

static int answered(troupe_self *self, void *state, const troupe_result *result)
{
    const struct mind *mind = state;

    (void)self;
    ledger_answered(mind->record, result->tag);
    return TROUPE_OK;
}

static void call(troupe_self *self, struct record *from, const struct record *to)
{
    const bool local = to->pid.node == from->pid.node;
    ask message = {.from = from->index};

    /* A call to a node without a session fails before it is sent. */
    if (local || tr_self_watch(self, to->pid.node) != 0) {
        message.number = ledger_sending(self, from, to, &message.session);
    } else if (memory_was_refused()) {
        return; /* whether there is a session will be known when there is memory */
    }
    const troupe_status status =
        troupe_call(self, to->pid, &ask_type, &message, 1 + (uint32_t)sim_chance(CALL_MS), answered,
                    ledger_asked(from));

    ledger_flow(from->index, to->index)->leaky |= sim->slots[from->slot].scarce > 0;
    sim_count(SIM_COUNT_CALLS, 1);
    if (!ledger_was_sent(status, "call", from, to, message.number)) {
        ledger_not_asked(from);
    }
}

static void monitor(troupe_self *self, struct record *from, const struct record *to)
{
    uint64_t ref = 0;

    if (ledger_was_done(troupe_monitor(self, to->pid, &ref), "monitor")) {
        ledger_monitored(self, from, to, ref);
    }
}

static void demonitor(troupe_self *self, struct record *from)
{
    if (from->watch_count == 0) {
        return;
    }
    struct watch *watch = &from->watches[sim_chance(from->watch_count)];
    const bool open = watch->state == WATCH_OPEN;

    /* Its DOWN may be in the mailbox already: then it comes no more. */
    sim_count(SIM_COUNT_FLUSHES,
              open && tr_relations_watching(&self->actor->relations, watch->ref) == NULL ? 1 : 0);
    if (ledger_was_done(troupe_demonitor(self, watch->ref), "demonitor") && open) {
        ledger_demonitored(from, watch);
    }
}

static void end_other(troupe_self *self, const struct record *from, const struct record *to)
{
    char text[SIM_TEXT_MAX];
    uint32_t session = 0;

    if (sim_one_in(4)) {
        (void)snprintf(text, sizeof(text), "k %u %u", from->index, (unsigned)sim_chance(1000000));
        (void)ledger_was_done(troupe_exit(self, to->pid, TROUPE_REASON_KILL, text), "exit");
    } else if (sim_one_in(4)) {
        (void)ledger_was_done(troupe_exit(self, to->pid, TROUPE_REASON_NORMAL, NULL), "exit");
    } else {
        const uint32_t number = ledger_sending(self, from, to, &session);

        (void)snprintf(text, sizeof(text), "x %u %u %u %u", from->index, to->index, number,
                       session);
        (void)ledger_was_sent(troupe_exit(self, to->pid, TROUPE_REASON_ERROR, text), "exit", from,
                              to, number);
    }
}

static int spawned(troupe_self *self, void *state, const troupe_result *result)
{
    const struct mind *mind = state;
    struct record *child = result->status == TROUPE_OK ? ledger_find(result->pid) : NULL;

    (void)self;
    ledger_answered(mind->record, result->tag);
    sim_trace("%u hears of its spawn: %s, %u", mind->record->index,
              troupe_status_text(result->status), child == NULL ? SIM_NOBODY : child->index);
    sim_count(result->status == TROUPE_OK ? SIM_COUNT_REMOTE_SPAWNS : SIM_COUNT_SPAWNS_LOST, 1);
    if (result->status == TROUPE_OK && child == NULL) {
        sim_fail("actor %u has started somebody who was never there", mind->record->index);
    }
    if (child != NULL) {
        child->parent_knows = true;
    }
    return TROUPE_OK;
}

static void spawn(troupe_self *self, struct record *from)
{
    const uint32_t flags =
        (sim_one_in(2) ? TROUPE_SPAWN_LINK : 0) | (sim_one_in(3) ? TROUPE_SPAWN_MONITOR : 0);
    const birth args = {.parent = from->index, .flags = flags};
    const troupe_spawn_options options = {.flags = flags};
    const char *node = sim->slots[sim_chance(sim->shape.slots)].name;

    if (!ledger_was_done(troupe_spawn_on(self, node, sim_behavior.name, &args, &birth_type,
                                         &options, CALL_MS, spawned, ledger_asked(from)),
                         "spawn_on")) {
        ledger_not_asked(from);
    }
}

static void link_to(troupe_self *self, const struct record *from, const struct record *to)
{
    const struct flow before = *ledger_flow(from->index, to->index);

    ledger_linking(self, from, to);
    if (!ledger_was_done(troupe_link(self, to->pid), "link")) {
        ledger_flow(from->index, to->index)->linked_at = before.linked_at;
    }
    /* Where it cannot be noted whom to tell of the session's end, the link ends at once. */
    ledger_flow(from->index, to->index)->linked_unreachable |= memory_was_refused();
}

static void unlink_from(troupe_self *self, const struct record *from)
{
    const struct record *to = linked(self, from);

    if (to != NULL) {
        ledger_unlinking(self, from, to);
        ledger_check_done(troupe_unlink(self, to->pid), "unlink"); /* never wants memory */
    }
}

static int stop_self(troupe_self *self, const struct record *record)
{
    char text[SIM_TEXT_MAX];

    if (sim_one_in(3)) {
        return TROUPE_STOP;
    }
    (void)snprintf(text, sizeof(text), "end %u", record->index);
    return troupe_stop(self, sim_one_in(3) ? TROUPE_REASON_SHUTDOWN : TROUPE_REASON_ERROR, text);
}

static void act_on(troupe_self *self, struct record *from, const struct record *to)
{
    const uint64_t what = sim_chance(100);

    if (to == NULL) {
        return;
    }
    if (what < 45) {
        send_word(self, from, to);
    } else if (what < 48) {
        send_large(self, from, to);
    } else if (what < 58) {
        call(self, from, to);
    } else if (what < 76) {
        link_to(self, from, to);
    } else if (what < 95) {
        monitor(self, from, to);
    } else {
        end_other(self, from, to);
    }
}

/* One thing by chance; answers as a handler does. */
static int act(troupe_self *self, struct record *from, const struct record *to)
{
    const uint64_t what = sim_chance(100);

    if (!play.acting || play.acts == 0) {
        return TROUPE_OK;
    }
    play.acts--;
    if (what < 2) {
        return stop_self(self, from);
    }
    if (what < 14) {
        unlink_from(self, from);
    } else if (what < 22) {
        demonitor(self, from);
    } else if (what < 26) {
        troupe_trap_exit(self, sim_one_in(2));
    } else if (what < 32) {
        spawn(self, from);
    } else if (what < 46) {
        name_act(self, from);
    } else if (what < 50) {
        keeper_act(self, from);
    } else {
        act_on(self, from, to != NULL ? to : somebody(from));
    }
    return TROUPE_OK;
}

/* ---- handlers ---- */

/* Now and then one acts on whom it has just heard of. */
static int heard(troupe_self *self, const struct mind *mind, uint32_t from)
{
    const struct record *other = ledger_at(from);

    return mind->record->root || !sim_one_in(4)
               ? TROUPE_OK
               : act(self, mind->record, other->root || sim_one_in(2) ? NULL : other);
}

static void check_sender(const troupe_self *self, uint32_t from)
{
    if (!troupe_pid_equal(troupe_sender(self), ledger_at(from)->pid)) {
        sim_fail("a message of %u comes from somebody else", from);
    }
}

static int on_word(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;
    const word *said = message;

    check_sender(self, said->from);
    ledger_received(mind->record, said->from, said->number, said->session);
    return heard(self, mind, said->from);
}

static int on_large(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;
    const large *said = message;

    check_sender(self, said->from);
    ledger_received(mind->record, said->from, said->number, said->session);
    if (said->body.size != body_size(said->number) ||
        memcmp(said->body.data, pattern, said->body.size) != 0) {
        sim_fail("a large message of %u has other bytes than were sent", said->from);
    }
    return heard(self, mind, said->from);
}

static int on_ask(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;
    const ask *said = message;

    check_sender(self, said->from);
    ledger_received(mind->record, said->from, said->number, said->session);
    if (sim_one_in(8)) {
        return heard(self, mind, said->from);
    }
    return troupe_reply(self, &word_type, &(word){.number = said->number});
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;

    ledger_down(mind->record, message);
    return sim_one_in(2) ? act(self, mind->record, NULL) : TROUPE_OK;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;

    ledger_exit(mind->record, message);
    return sim_one_in(2) ? act(self, mind->record, NULL) : TROUPE_OK;
}

static int on_tick(troupe_self *self, void *state, const void *message)
{
    struct mind *mind = state;
    int answer = TROUPE_OK;

    (void)message;
    if (play.ending) {
        return TROUPE_STOP;
    }
    stop_ticking(self, mind);
    for (uint64_t acts = sim_chance(4); acts > 0 && answer == TROUPE_OK; acts--) {
        answer = act(self, mind->record, NULL);
    }
    return answer;
}

/* The last thing of an init; no event tells of who was never there. */
static int tick_from_now(troupe_self *self, struct mind *mind, uint64_t interval_ms)
{
    const troupe_status status = troupe_send_interval(self, interval_ms, troupe_self_pid(self),
                                                      &tick_type, NULL, &mind->timer);

    if (!ledger_was_done(status, "send_interval")) {
        mind->record->alive = false;
        mind->record->gone = true;
    }
    return status;
}

static int sim_init(troupe_self *self, void *state, const void *args)
{
    struct mind *mind = state;
    const birth *birth_of = args;

    mind->record = ledger_spawned(self, false);
    if (birth_of->parent != SIM_NOBODY) {
        struct record *parent = ledger_at(birth_of->parent);

        mind->record->parent = parent->index;
        sim_trace("%u is started by %u, flags %u", mind->record->index, parent->index,
                  birth_of->flags);
        if ((birth_of->flags & TROUPE_SPAWN_LINK) != 0) {
            ledger_flow(parent->index, mind->record->index)->linked_at = ++ledger.clock;
        }
        if ((birth_of->flags & TROUPE_SPAWN_MONITOR) != 0) {
            mind->record->watched_by = parent->index;
        }
    }
    troupe_trap_exit(self, sim_one_in(2));
    return tick_from_now(self, mind, 1 + sim_chance(play.tick_ms * 2));
}

static const troupe_handler sim_handlers[] = {{&tick_type, on_tick},
                                              {&word_type, on_word},
                                              {&large_type, on_large},
                                              {&ask_type, on_ask},
                                              {&named_type, on_named},
                                              {&shout_type, on_shout},
                                              {&troupe_down_type, on_down},
                                              {&troupe_exit_type, on_exit_message},
                                              {0}};
const troupe_behavior sim_behavior = {.name = "sim.actor",
                                      .state_size = sizeof(struct mind),
                                      .args = &birth_type,
                                      .init = sim_init,
                                      .handlers = sim_handlers};

/* ---- roots ---- */

static uint32_t people_of(const struct record *root)
{
    uint32_t people = 0;

    for (uint32_t i = 0; i < ledger.count; i++) {
        people += ledger.records[i]->alive && !ledger.records[i]->root &&
                          ledger.records[i]->pid.node == root->pid.node
                      ? 1
                      : 0;
    }
    return people;
}

static int root_on_tick(troupe_self *self, void *state, const void *message)
{
    struct mind *mind = state;
    troupe_pid pid = {0};

    (void)message;
    stop_ticking(self, mind);
    if (play.acting && people_of(mind->record) < PEOPLE) {
        (void)ledger_was_done(
            troupe_spawn(self, &sim_behavior, &(birth){.parent = SIM_NOBODY}, NULL, &pid), "spawn");
    }
    if (play.acting && sim_one_in(4)) {
        keeper_start(self);
    }
    return TROUPE_OK;
}

static int root_on_probe(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;

    (void)message;
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *other = ledger.records[i];

        if (other->root && other->alive && other != mind->record) {
            send_word(self, mind->record, other);
        }
    }
    return TROUPE_OK;
}

static int root_init(troupe_self *self, void *state, const void *args)
{
    struct mind *mind = state;

    (void)args;
    mind->record = ledger_spawned(self, true);
    return tick_from_now(self, mind, TICK_MS);
}

static const troupe_handler root_handlers[] = {
    {&tick_type, root_on_tick}, {&probe_type, root_on_probe}, {&word_type, on_word}, {0}};
const troupe_behavior root_behavior = {.name = "sim.root",
                                       .state_size = sizeof(struct mind),
                                       .init = root_init,
                                       .handlers = root_handlers};

void actor_introduce(struct sim_slot *slot)
{
    const troupe_type *types[] = {&word_type,  &large_type, &ask_type,
                                  &birth_type, &named_type, &shout_type};

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        ledger_check_done(troupe_node_add_type(slot->node, types[i], NULL, 0), "add_type");
    }
    ledger_check_done(troupe_node_add_behavior(slot->node, &sim_behavior, NULL, 0), "add_behavior");
    keeper_introduce(slot->node);
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i * 31 + 7 + i / 251);
    }
}

static bool has_root(const struct sim_slot *slot)
{
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *record = ledger.records[i];

        if (record->root && record->alive && record->slot == slot->index) {
            return true;
        }
    }
    return false;
}

void actor_populate(void)
{
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        struct sim_slot *slot = &sim->slots[i];
        troupe_pid pid = {0};

        if (slot->running && !slot->paused && !slot->node->fenced && !has_root(slot)) {
            const troupe_status status =
                troupe_node_spawn(slot->node, &root_behavior, NULL, NULL, &pid);

            if (status != TROUPE_E_NO_MEMORY || slot->scarce == 0) {
                ledger_check_done(status, "node_spawn");
            }
        }
    }
}

void actor_end_all(void)
{
    play.ending = true;
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *record = ledger.records[i];

        if (record->alive && !record->root) {
            ledger_check_done(
                troupe_node_send(sim->slots[record->slot].node, record->pid, &tick_type, NULL),
                "tick");
        }
    }
}

void actor_probe(void)
{
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *root = ledger.records[i];
        const struct sim_slot *slot = &sim->slots[root->slot];

        if (root->root && root->alive) {
            ledger_check_done(troupe_node_send(slot->node, root->pid, &probe_type, NULL), "probe");
        }
    }
}
