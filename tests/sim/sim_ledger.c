/* What is reported, and compared at once. */
#include "sim/sim_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/peers.h"
#include "sim/sim_memory.h"
#include "sim/sim_more.h"

struct ledger ledger;

/* ---- tables ---- */

static uint64_t key_of(troupe_pid pid)
{
    return pid.node << 44 ^ pid.id;
}

static void put(struct tr_map *map, uint64_t key, void *value)
{
    const bool refused = memory_was_refused();
    const uint32_t scarce = memory_refuse(0);

    if (tr_map_put(map, key, value) != TROUPE_OK) {
        sim_fail("no memory");
    }
    memory_go_on(scarce, refused);
}

void ledger_begin(void)
{
    ledger = (struct ledger){0};
}

void ledger_end(void)
{
    struct flow *flow = NULL;

    for (uint32_t i = 0; i < ledger.count; i++) {
        free(ledger.records[i]->watches);
        free(ledger.records[i]->answers);
        free(ledger.records[i]);
    }
    while ((flow = tr_map_take_any(&ledger.flows)) != NULL) {
        free(flow->parts);
        free(flow);
    }
    free(ledger.records);
    tr_map_fini(&ledger.by_pid);
    tr_map_fini(&ledger.flows);
    tr_map_fini(&ledger.lost);
}

struct record *ledger_find(troupe_pid pid)
{
    return tr_map_get(&ledger.by_pid, key_of(pid));
}

struct record *ledger_at(uint32_t index)
{
    if (index >= ledger.count) {
        sim_fail("somebody speaks of actor %u, which there is not", index);
    }
    return ledger.records[index];
}

struct flow *ledger_flow(uint32_t from, uint32_t to)
{
    const uint64_t key = (uint64_t)from << 32 | to;
    struct flow *flow = tr_map_get(&ledger.flows, key);

    if (flow == NULL) {
        flow = sim_alloc(NULL, sizeof(*flow));
        *flow = (struct flow){0};
        put(&ledger.flows, key, flow);
    }
    return flow;
}

uint32_t ledger_session(const struct sim_slot *slot, uint64_t node_id)
{
    return slot->node == NULL || slot->node->peers == NULL
               ? 0
               : tr_peers_session(slot->node->peers, node_id);
}

/* ---- acts ---- */

void ledger_check_done(troupe_status status, const char *what)
{
    if (status != TROUPE_OK) {
        sim_fail("%s answers %s", what, troupe_status_text(status));
    }
}

bool ledger_was_done(troupe_status status, const char *what)
{
    if (status == TROUPE_E_NO_MEMORY && memory_was_refused()) {
        sim_count(SIM_COUNT_ACTS_REFUSED, 1);
        return false;
    }
    ledger_check_done(status, what);
    return true;
}

bool ledger_was_sent(troupe_status status, const char *what, const struct record *from,
                     const struct record *to, uint32_t number)
{
    const bool sent = ledger_was_done(status, what);

    if (!sent && number != 0) {
        ledger_flow(from->index, to->index)->sent--;
    }
    return sent;
}

/* ---- lives ---- */

static struct sim_slot *slot_of_self(const troupe_self *self)
{
    const struct troupe_node *node = troupe_self_node(self);

    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        if (sim->slots[i].node == node) {
            return &sim->slots[i];
        }
    }
    sim_fail("an actor runs on a node that is not there");
}

struct record *ledger_spawned(troupe_self *self, bool root)
{
    struct record *record = sim_alloc(NULL, sizeof(*record));

    if (ledger.count == ledger.capacity) {
        ledger.capacity = ledger.capacity == 0 ? 64 : ledger.capacity * 2;
        ledger.records = sim_alloc(ledger.records, ledger.capacity * sizeof(struct record *));
    }
    *record = (struct record){.index = ledger.count,
                              .pid = troupe_self_pid(self),
                              .slot = slot_of_self(self)->index,
                              .root = root,
                              .alive = true,
                              .parent = SIM_NOBODY,
                              .watched_by = SIM_NOBODY};
    ledger.records[ledger.count++] = record;
    if (ledger_find(record->pid) != NULL) {
        sim_fail("a pid is used again: %llu.%llu", (unsigned long long)record->pid.node,
                 (unsigned long long)record->pid.id);
    }
    put(&ledger.by_pid, key_of(record->pid), record);
    sim_trace("%u is %llu.%llu, on %s", record->index, (unsigned long long)record->pid.node,
              (unsigned long long)record->pid.id, sim->slots[record->slot].name);
    return record;
}

void ledger_node_gone(uint64_t node_id)
{
    for (uint32_t i = 0; i < ledger.count; i++) {
        struct record *record = ledger.records[i];

        if (record->pid.node == node_id && record->alive) {
            record->alive = false;
            record->gone = true;
        }
    }
}

void ledger_session_lost(uint64_t node_id, uint64_t other_id, uint32_t session)
{
    put(&ledger.lost, node_id << 32 | other_id, (void *)(uintptr_t)session);
}

static uint32_t last_lost(uint64_t node_id, uint64_t other_id)
{
    return (uint32_t)(uintptr_t)tr_map_get(&ledger.lost, node_id << 32 | other_id);
}

/* ---- messages ---- */

static void note_session(struct flow *flow, uint32_t session)
{
    if (flow->part_count > 0 && flow->parts[flow->part_count - 1].session == session) {
        return;
    }
    if (flow->part_count == flow->part_capacity) {
        flow->part_capacity = flow->part_capacity == 0 ? 2 : flow->part_capacity * 2;
        flow->parts = sim_alloc(flow->parts, flow->part_capacity * sizeof(*flow->parts));
    }
    flow->parts[flow->part_count++] =
        (struct flow_part){.session = session, .first = flow->sent + 1};
}

uint32_t ledger_sending(troupe_self *self, const struct record *from, const struct record *to,
                        uint32_t *session)
{
    struct flow *flow = ledger_flow(from->index, to->index);
    const bool local = to->pid.node == from->pid.node;

    *session = local ? 0 : ledger_session(slot_of_self(self), to->pid.node);
    if (!local && *session == 0) {
        return 0;
    }
    note_session(flow, *session);
    return ++flow->sent;
}

/* Where the numbers of a session begin and end; false when none was sent in it. */
static bool range_of(const struct flow *flow, uint32_t session, uint32_t *first, uint32_t *last)
{
    for (uint32_t i = 0; i < flow->part_count; i++) {
        if (flow->parts[i].session == session) {
            *first = flow->parts[i].first;
            *last = i + 1 < flow->part_count ? flow->parts[i + 1].first - 1 : flow->sent;
            return *last >= *first;
        }
    }
    return false;
}

/* Nobody may hear of a session before it has heard that the one before is lost. */
static void check_watches(const struct record *self, const struct record *from, uint32_t session)
{
    for (uint32_t i = 0; i < self->watch_count; i++) {
        const struct watch *watch = &self->watches[i];

        if (watch->state == WATCH_OPEN && !watch->stale && watch->session != 0 &&
            watch->session < session && ledger_at(watch->target)->pid.node == from->pid.node) {
            sim_fail("actor %u gets a message of session %u from %u before the DOWN of its monitor "
                     "%llu of session %u",
                     self->index, session, from->index, (unsigned long long)watch->ref,
                     watch->session);
        }
    }
}

void ledger_received(const struct record *self, uint32_t from, uint32_t number, uint32_t session)
{
    struct flow *flow = ledger_flow(from, self->index);
    uint32_t first = 0;
    uint32_t last = 0;

    sim_mark(from, self->index, number);
    if (number == 0) {
        sim_fail("actor %u gets from %u what could not be sent", self->index, from);
    }
    if (!range_of(flow, session, &first, &last) || number < first || number > last) {
        sim_fail("actor %u gets number %u from %u, which was not sent in session %u", self->index,
                 number, from, session);
    }
    if (number <= flow->got) {
        sim_fail("actor %u gets number %u from %u after number %u: doubled, or out of order",
                 self->index, number, from, flow->got);
    }
    if (number != flow->got + 1 && number != first && !flow->leaky) {
        sim_fail("actor %u gets number %u from %u after number %u: a hole in session %u, which "
                 "began with %u",
                 self->index, number, from, flow->got, session, first);
    }
    flow->got = number;
    sim_count(SIM_COUNT_MESSAGES, 1);
    check_watches(self, ledger_at(from), session);
}

/* An end comes after all that its actor has sent by that session. */
static void check_all_received(const struct record *self, const struct record *from,
                               uint32_t session, const char *what)
{
    const struct flow *flow = ledger_flow(from->index, self->index);
    uint32_t first = 0;
    uint32_t last = 0;

    if (range_of(flow, session, &first, &last) && flow->got < last && !flow->leaky) {
        sim_fail("actor %u hears of the end of %u by %s after number %u, and %u had been sent",
                 self->index, from->index, what, flow->got, last);
    }
}

/* ---- reasons ---- */

/* Whether the node says goodbye to all others. */
static bool is_closing(const struct record *self)
{
    const struct sim_slot *slot = &sim->slots[self->slot];

    return slot->leaving || slot->node->fenced || slot->node->peers == NULL;
}

/* Whether a session that the one had with the other's node is over, or there was none. */
static bool was_lost(const struct record *self, const struct record *other, uint32_t session)
{
    return session == 0 || is_closing(self) ||
           last_lost(self->pid.node, other->pid.node) >= session;
}

static void check_reason(const struct record *self, const struct record *other, int32_t kind,
                         const char *text, const char *what)
{
    /* Whose node has no memory for a link or a monitor refuses it so. */
    if (kind == TROUPE_REASON_ERROR && strcmp(text, troupe_status_text(TROUPE_E_NO_MEMORY)) == 0 &&
        sim->slots[other->slot].was_scarce) {
        return;
    }
    if (other->alive) {
        sim_fail("actor %u hears by %s that %u has ended: %s %s; it lives", self->index, what,
                 other->index, troupe_reason_name(kind), text);
    }
    if (kind == TROUPE_REASON_NOPROC || other->gone) {
        return;
    }
    if (kind != other->end_kind || strcmp(text, other->end_text) != 0) {
        sim_fail("actor %u hears by %s that %u has ended: %s %s; it was %s %s", self->index, what,
                 other->index, troupe_reason_name(kind), text, troupe_reason_name(other->end_kind),
                 other->end_text);
    }
}

/* ---- monitors ---- */

void ledger_monitored(troupe_self *self, struct record *from, const struct record *to, uint64_t ref)
{
    const struct tr_relation *relation = tr_relations_watching(&self->actor->relations, ref);
    const bool local = to->pid.node == from->pid.node;

    sim_trace("%u monitors %u: %llu", from->index, to->index, (unsigned long long)ref);
    if (relation == NULL) {
        sim_fail("actor %u has a monitor and no relation", from->index);
    }
    if (from->watch_count == from->watch_capacity) {
        from->watch_capacity = from->watch_capacity == 0 ? 8 : from->watch_capacity * 2;
        from->watches = sim_alloc(from->watches, from->watch_capacity * sizeof(*from->watches));
    }
    from->watches[from->watch_count++] = (struct watch){
        .ref = ref,
        .target = to->index,
        .session = relation->session,
        .stale = !local && relation->session != ledger_session(slot_of_self(self), to->pid.node)};
}

void ledger_demonitored(struct record *self, struct watch *watch)
{
    sim_trace("%u demonitors %u: %llu", self->index, watch->target, (unsigned long long)watch->ref);
    watch->state = WATCH_REMOVED;
}

static struct watch *find_watch(const struct record *self, uint64_t ref)
{
    for (uint32_t i = 0; i < self->watch_count; i++) {
        if (self->watches[i].ref == ref) {
            return &self->watches[i];
        }
    }
    return NULL;
}

/* The monitor that came with a spawn elsewhere. */
static void down_of_child(const struct record *self, const troupe_down_message *down)
{
    struct record *child = ledger_find(down->from);

    if (child == NULL || child->watched_by != self->index || child->watched_by_told) {
        sim_fail("actor %u gets a DOWN of monitor %llu, which it has not", self->index,
                 (unsigned long long)down->monitor);
    }
    child->watched_by_told = true;
    if (down->kind != TROUPE_REASON_NOCONNECTION) {
        check_reason(self, child, down->kind, down->text, "DOWN of a spawn");
    }
}

void ledger_down(struct record *self, const troupe_down_message *down)
{
    struct watch *watch = find_watch(self, down->monitor);

    sim_count(SIM_COUNT_DOWNS, 1);
    sim_trace("%u hears DOWN %llu: %s %s", self->index, (unsigned long long)down->monitor,
              troupe_reason_name(down->kind), down->text);
    sim_mark(3, self->index, down->monitor);
    if (watch == NULL) {
        down_of_child(self, down);
        return;
    }
    const struct record *target = ledger_at(watch->target);

    if (watch->state != WATCH_OPEN) {
        sim_fail("actor %u gets a DOWN of monitor %llu of %u, %s", self->index,
                 (unsigned long long)watch->ref, target->index,
                 watch->state == WATCH_DOWN ? "for the second time" : "after its demonitor");
    }
    watch->state = WATCH_DOWN;
    if (!troupe_pid_equal(down->from, target->pid)) {
        sim_fail("actor %u gets a DOWN of monitor %llu from somebody else", self->index,
                 (unsigned long long)watch->ref);
    }
    if (down->kind == TROUPE_REASON_NOCONNECTION && target->end_kind != down->kind) {
        /* A node without memory tells its own actors before it gives the session up. */
        if (target->pid.node == self->pid.node ||
            (!was_lost(self, target, watch->session) && !sim->slots[self->slot].was_scarce)) {
            sim_fail("actor %u gets DOWN noconnection of %u, and session %u holds", self->index,
                     target->index, watch->session);
        }
        return;
    }
    if (down->kind == TROUPE_REASON_NOCONNECTION) {
        return; /* true, or as good as true */
    }
    check_reason(self, target, down->kind, down->text, "DOWN");
    if (!watch->stale) {
        check_all_received(self, target, watch->session, "DOWN");
    }
}

/* ---- links ---- */

static bool is_linked(const troupe_self *self, troupe_pid other)
{
    const struct tr_relation *relation = tr_relations_link(&self->actor->relations, other);

    return relation != NULL && relation->kind == TR_RELATION_LINK;
}

void ledger_linking(troupe_self *self, const struct record *from, const struct record *to)
{
    struct flow *flow = ledger_flow(from->index, to->index);

    sim_trace("%u links %u", from->index, to->index);
    if (!is_linked(self, to->pid)) {
        flow->linked_at = ++ledger.clock;
        flow->linked_unreachable =
            to->pid.node != from->pid.node && ledger_session(slot_of_self(self), to->pid.node) == 0;
    }
}

void ledger_unlinking(troupe_self *self, const struct record *from, const struct record *to)
{
    sim_trace("%u unlinks %u", from->index, to->index);
    if (is_linked(self, to->pid)) {
        ledger_flow(from->index, to->index)->unlinked_at = ++ledger.clock;
        sim_count(SIM_COUNT_UNLINK_RACES, to->alive ? 0 : 1);
    }
}

/* The link between the two has told this one of an end. */
static void link_broken(struct record *self, struct record *other, int32_t kind, const char *text)
{
    struct flow *ours = ledger_flow(self->index, other->index);
    const struct flow *theirs = ledger_flow(other->index, self->index);

    sim_trace("%u hears by its link with %u: %s %s", self->index, other->index,
              troupe_reason_name(kind), text);
    if (ours->linked_at == 0 && theirs->linked_at == 0) {
        sim_fail("actor %u hears of the end of %u by a link that nobody made", self->index,
                 other->index);
    }
    if (ours->unlinked_at > ours->linked_at && ours->unlinked_at > theirs->linked_at) {
        sim_fail("actor %u is hurt by %u, which it has unlinked", self->index, other->index);
    }
    ours->broken_at = ++ledger.clock;
    if (kind == TROUPE_REASON_NOCONNECTION && other->end_kind != kind) {
        if (self->pid.node == other->pid.node ||
            (!ours->linked_unreachable && !is_closing(self) && !sim->slots[self->slot].was_scarce &&
             last_lost(self->pid.node, other->pid.node) == 0)) {
            sim_fail("actor %u hears noconnection of %u by a link, and no session was lost",
                     self->index, other->index);
        }
    } else if (kind != TROUPE_REASON_NOCONNECTION) {
        check_reason(self, other, kind, text, "a link");
    }
}

/* Reads "x 1 2 3 4"; false when it is something else. */
static bool numbers_of(const char *text, char first, uint32_t numbers[4])
{
    char *at = NULL;

    if (text[0] != first || text[1] != ' ') {
        return false;
    }
    numbers[0] = (uint32_t)strtoul(text + 1, &at, 10);
    for (size_t i = 1; i < 4; i++) {
        numbers[i] = (uint32_t)strtoul(at, &at, 10);
    }
    return *at == '\0';
}

void ledger_exit(const struct record *self, const troupe_exit_message *exit)
{
    uint32_t said[4] = {0}; /* from, to, number, session */

    sim_count(SIM_COUNT_EXITS, 1);
    /* Who died of such a signal hands its words on to those linked to it. */
    if (numbers_of(exit->text, 'x', said) && said[1] == self->index &&
        troupe_pid_equal(ledger_at(said[0])->pid, exit->from)) {
        ledger_received(self, said[0], said[2], said[3]);
    }
}

/* ---- questions ---- */

uint32_t ledger_asked(struct record *self)
{
    if (self->asked == self->answers_capacity) {
        const uint32_t capacity = self->answers_capacity == 0 ? 16 : self->answers_capacity * 2;

        self->answers = sim_alloc(self->answers, capacity);
        memset(self->answers + self->asked, 0, capacity - self->asked);
        self->answers_capacity = capacity;
    }
    return self->asked++;
}

void ledger_not_asked(struct record *self)
{
    self->asked--;
}

void ledger_answered(struct record *self, uint64_t tag)
{
    if (tag >= self->asked || self->answers[tag] != 0) {
        sim_fail("actor %u gets an answer to question %llu of %u twice, or has not asked",
                 self->index, (unsigned long long)tag, self->asked);
    }
    self->answers[tag] = 1;
    self->answered++;
}

/* ---- events ---- */

static void on_exit_event(struct record *self, int32_t kind, const char *text)
{
    if (!self->alive) {
        sim_fail("actor %u ends twice", self->index);
    }
    self->alive = false;
    self->end_kind = kind;
    (void)snprintf(self->end_text, sizeof(self->end_text), "%s", text);
    sim_mark(4, self->index, (uint64_t)kind);
    sim_count(SIM_COUNT_KILLS, kind == TROUPE_REASON_KILLED && text[0] == 'k' ? 1 : 0);
    sim_trace("%u ends: %s %s", self->index, troupe_reason_name(kind), text);
}

void ledger_on_event(void *context, const troupe_event *event)
{
    const struct sim_slot *slot = context;
    struct record *self = ledger_find(event->pid);

    if (!slot->zombie && event->kind == TROUPE_EVENT_EXIT) {
        keeper_ended(event->pid, event->reason);
    }
    if (slot->zombie || self == NULL) {
        return; /* nobody sees it; or it is the node's own */
    }
    if (event->kind == TROUPE_EVENT_EXIT) {
        on_exit_event(self, event->reason, event->text);
        return;
    }
    struct record *other = ledger_find(event->other);

    if (event->kind == TROUPE_EVENT_LINK_BROKEN && other != NULL) {
        sim_count(SIM_COUNT_LINKED_DEATHS, 1);
        link_broken(self, other, event->reason, event->text);
    }
}
