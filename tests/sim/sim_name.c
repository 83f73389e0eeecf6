/* Names and groups: what actors do with them, and what may come of it. */
#include <stdio.h>

#include "sim/sim_memory.h"
#include "sim/sim_more.h"
#include "troupe/group.h"

enum {
    NAMES = 5,
    ASK_MS = 3000,
    TAG_BITS = 20, /* of a tag, for the question; then the name, then when it was asked */
    NAME_BITS = 4,
    MEMBERS_MAX = 512
};

static const char *const names[NAMES] = {"name/a", "name/b", "name/c", "name/d", "name/e"};
static const char *const groups[SIM_GROUPS] = {"group/a", "group/b", "group/c"};

/* ---- questions ---- */

static uint64_t ask(struct record *from, uint32_t name)
{
    return ledger_asked(from) | (uint64_t)name << TAG_BITS |
           ++ledger.clock << (TAG_BITS + NAME_BITS);
}

static uint32_t answered(const struct mind *mind, const troupe_result *result, uint64_t *asked_at)
{
    ledger_answered(mind->record, result->tag & ((1U << TAG_BITS) - 1));
    *asked_at = result->tag >> (TAG_BITS + NAME_BITS);
    sim_trace("%u hears of a name: %s", mind->record->index, troupe_status_text(result->status));
    return result->tag >> TAG_BITS & ((1U << NAME_BITS) - 1);
}

/* Whom the registry names has once asked for it. */
static struct record *check_holder(const struct record *self, troupe_pid pid, uint32_t name)
{
    struct record *holder = ledger_find(pid);

    if (holder == NULL || (holder->names_ever >> name & 1U) == 0) {
        sim_fail("actor %u hears that %llu.%llu holds %s, who has never asked for it", self->index,
                 (unsigned long long)pid.node, (unsigned long long)pid.id, names[name]);
    }
    return holder;
}

static bool holds(const struct record *record, uint32_t name)
{
    return record->alive && record->name_state == SIM_NAME_HELD && record->name == name &&
           sim_registry_is_member(record->pid.node);
}

/* ---- taking and giving up ---- */

static void check_alone(const struct record *self, uint32_t name)
{
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *other = ledger.records[i];

        if (other != self && holds(other, name)) {
            sim_fail("actors %u and %u both hold %s", self->index, other->index, names[name]);
        }
    }
}

static int on_taken(troupe_self *self, void *state, const troupe_result *result)
{
    const struct mind *mind = state;
    struct record *record = mind->record;
    uint64_t asked_at = 0;
    const uint32_t name = answered(mind, result, &asked_at);

    (void)self;
    record->name_state = SIM_NAME_NONE;
    if (result->status == TROUPE_OK) {
        check_alone(record, name);
        record->name_state = SIM_NAME_HELD;
        record->name_at = ++ledger.clock;
        sim_count(SIM_COUNT_NAMES, 1);
    } else if (result->status == TROUPE_E_EXISTS) {
        (void)check_holder(record, result->pid, name);
        sim_count(SIM_COUNT_NAMES_REFUSED, 1);
    } else if (result->status == TROUPE_E_UNKNOWN || result->status == TROUPE_E_TIMEOUT) {
        record->name_state = SIM_NAME_UNKNOWN;
    }
    return TROUPE_OK;
}

static void take(troupe_self *self, struct record *from, uint32_t name)
{
    if (from->name_state != SIM_NAME_NONE) {
        return;
    }
    from->name_state = SIM_NAME_ASKED;
    from->name = name;
    from->names_ever |= 1U << name;
    if (!ledger_was_done(troupe_register(self, names[name], ASK_MS, on_taken, ask(from, name)),
                         "register")) {
        ledger_not_asked(from);
        from->name_state = SIM_NAME_NONE;
    }
}

static int on_given_up(troupe_self *self, void *state, const troupe_result *result)
{
    const struct mind *mind = state;
    struct record *record = mind->record;
    uint64_t asked_at = 0;
    const uint32_t name = answered(mind, result, &asked_at);

    (void)self;
    if (result->status == TROUPE_E_NOT_FOUND && sim_registry_is_member(record->pid.node)) {
        sim_fail("actor %u gives up %s, which it held, and is told that it did not", record->index,
                 names[name]);
    }
    record->name_state = result->status == TROUPE_OK ? SIM_NAME_NONE : SIM_NAME_UNKNOWN;
    if (result->status == TROUPE_OK) {
        record->names_ended_at[name] = ++ledger.clock;
        sim_count(SIM_COUNT_NAMES_GIVEN_UP, 1);
    }
    return TROUPE_OK;
}

static void give_up(troupe_self *self, struct record *from)
{
    if (from->name_state != SIM_NAME_HELD) {
        return;
    }
    from->name_state = SIM_NAME_GIVING_UP;
    if (!ledger_was_done(
            troupe_unregister(self, names[from->name], ASK_MS, on_given_up, ask(from, from->name)),
            "unregister")) {
        ledger_not_asked(from);
        from->name_state = SIM_NAME_HELD;
    }
}

/* ---- looking up ---- */

static int on_found(troupe_self *self, void *state, const troupe_result *result)
{
    const struct mind *mind = state;
    uint64_t asked_at = 0;
    const uint32_t name = answered(mind, result, &asked_at);

    (void)self;
    if (result->status == TROUPE_OK) {
        const struct record *holder = check_holder(mind->record, result->pid, name);
        const bool again = holder->name == name && holder->name_state != SIM_NAME_NONE;

        if (!again && holder->names_ended_at[name] != 0 &&
            holder->names_ended_at[name] < asked_at) {
            sim_fail("actor %u hears that %u holds %s, which it had given up before",
                     mind->record->index, holder->index, names[name]);
        }
        sim_count(SIM_COUNT_NAMES_FOUND, 1);
    }
    for (uint32_t i = 0; result->status == TROUPE_E_NOT_FOUND && i < ledger.count; i++) {
        if (holds(ledger.records[i], name) && ledger.records[i]->name_at < asked_at) {
            sim_fail("actor %u hears that nobody holds %s, and %u does", mind->record->index,
                     names[name], i);
        }
    }
    return TROUPE_OK;
}

static int on_answer(troupe_self *self, void *state, const troupe_result *result)
{
    uint64_t asked_at = 0;

    (void)self;
    (void)answered(state, result, &asked_at);
    sim_count(SIM_COUNT_NAMES_CALLED, result->status == TROUPE_OK ? 1 : 0);
    return TROUPE_OK;
}

int on_named(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;
    const named *said = message;

    (void)check_holder(mind->record, mind->record->pid, said->name);
    return troupe_reply(self, &named_type, said);
}

/* ---- groups ---- */

static void join(troupe_self *self, struct record *from, uint32_t group)
{
    if (ledger_was_done(troupe_join(self, groups[group]), "join")) {
        from->joined[group]++;
        sim_count(SIM_COUNT_JOINS, 1);
    }
}

static void leave(troupe_self *self, struct record *from, uint32_t group)
{
    const troupe_status status = troupe_leave(self, groups[group]);

    if (status == TROUPE_E_NO_MEMORY && memory_was_refused()) {
        return;
    }
    if (status != (from->joined[group] > 0 ? TROUPE_OK : TROUPE_E_NOT_FOUND)) {
        sim_fail("actor %u leaves %s, which it has joined %u times: %s", from->index, groups[group],
                 from->joined[group], troupe_status_text(status));
    }
    from->joined[group] -= from->joined[group] > 0 ? 1 : 0;
}

static void broadcast(troupe_self *self, struct record *from, uint32_t group)
{
    const shout message = {.from = from->index, .number = ++from->shouts};
    size_t count = 0;

    (void)ledger_was_done(troupe_broadcast(self, groups[group], &shout_type, &message, &count),
                          "broadcast");
}

int on_shout(troupe_self *self, void *state, const void *message)
{
    const struct mind *mind = state;
    const shout *said = message;
    struct flow *flow = ledger_flow(said->from, mind->record->index);

    if (!troupe_pid_equal(troupe_sender(self), ledger_at(said->from)->pid)) {
        sim_fail("a shout of %u comes from somebody else", said->from);
    }
    if (said->number <= flow->shout || said->number > ledger_at(said->from)->shouts) {
        sim_fail("actor %u hears shout %u of %u after shout %u", mind->record->index, said->number,
                 said->from, flow->shout);
    }
    flow->shout = said->number;
    sim_count(SIM_COUNT_SHOUTS, 1);
    return TROUPE_OK;
}

/* ---- acts ---- */

void name_act(troupe_self *self, struct record *from)
{
    const uint32_t name = (uint32_t)sim_chance(NAMES);
    const uint32_t group = (uint32_t)sim_chance(SIM_GROUPS);
    const uint64_t what = sim_chance(100);

    if (what < 25) {
        take(self, from, name);
    } else if (what < 38) {
        give_up(self, from);
    } else if (what < 52) {
        if (!ledger_was_done(troupe_whereis(self, names[name], ASK_MS, on_found, ask(from, name)),
                             "whereis")) {
            ledger_not_asked(from);
        }
    } else if (what < 58) {
        (void)ledger_was_done(
            troupe_send_name(self, names[name], &named_type, &(struct named){name}), "send_name");
    } else if (what < 66) {
        if (!ledger_was_done(troupe_call_name(self, names[name], &named_type, &(struct named){name},
                                              1 + (uint32_t)sim_chance(ASK_MS), on_answer,
                                              ask(from, name)),
                             "call_name")) {
            ledger_not_asked(from);
        }
    } else if (what < 78) {
        join(self, from, group);
    } else if (what < 88) {
        leave(self, from, group);
    } else {
        broadcast(self, from, group);
    }
}

/* ---- rest ---- */

static void check_name(uint32_t name)
{
    troupe_pid pid = {0};
    const bool held = sim_registry_holder(names[name], &pid);
    const struct record *holder = held ? ledger_find(pid) : NULL;

    if (held && (holder == NULL || !holder->alive || holder->name_state == SIM_NAME_NONE ||
                 holder->name != name)) {
        sim_fail("at rest the registry has %s for %llu.%llu, who does not hold it", names[name],
                 (unsigned long long)pid.node, (unsigned long long)pid.id);
    }
    for (uint32_t i = 0; i < ledger.count; i++) {
        if (holds(ledger.records[i], name) && ledger.records[i] != holder) {
            sim_fail("at rest actor %u holds %s, and the registry does not know it", i,
                     names[name]);
        }
    }
}

static bool is_among(troupe_pid pid, const troupe_pid *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (troupe_pid_equal(pids[i], pid)) {
            return true;
        }
    }
    return false;
}

static void check_group(const struct sim_slot *slot, uint32_t group)
{
    troupe_pid pids[MEMBERS_MAX];
    size_t count = 0;
    size_t wanted = 0;

    (void)ledger_was_done(troupe_node_members(slot->node, groups[group], pids, MEMBERS_MAX, &count),
                          "members");
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *record = ledger.records[i];

        if (record->alive && record->joined[group] > 0) {
            wanted++;
            if (!is_among(record->pid, pids, count)) {
                sim_fail("at rest %s does not know that actor %u is in %s", slot->name, i,
                         groups[group]);
            }
        }
    }
    if (count != wanted) {
        sim_fail("at rest %s lists %zu members of %s, and there are %zu", slot->name, count,
                 groups[group], wanted);
    }
}

void name_check_rest(void)
{
    for (uint32_t name = 0; name < NAMES; name++) {
        check_name(name);
    }
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        for (uint32_t group = 0; sim->slots[i].running && group < SIM_GROUPS; group++) {
            check_group(&sim->slots[i], group);
        }
    }
}

void name_check_empty(void)
{
    troupe_pid pid = {0};

    for (uint32_t name = 0; name < NAMES; name++) {
        if (sim_registry_holder(names[name], &pid)) {
            sim_fail("everybody has ended, and %llu.%llu holds %s", (unsigned long long)pid.node,
                     (unsigned long long)pid.id, names[name]);
        }
    }
    name_check_rest();
}
