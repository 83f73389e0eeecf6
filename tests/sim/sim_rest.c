/* What has to hold when nothing moves any more: what each actor has of links and monitors fits what
 * the others have, and what they have done. */
#include <stdio.h>

#include "dist/peers.h"
#include "dist/router.h"
#include "sim/sim_more.h"

static const struct tr_actor *actor_of(const struct record *record)
{
    const struct sim_slot *slot = &sim->slots[record->slot];
    const struct tr_actor *actor =
        slot->node == NULL ? NULL : tr_table_find(&slot->node->sched->table, record->pid.id);

    if (actor == NULL) {
        sim_fail("actor %u lives in the ledger, and not on its node", record->index);
    }
    return actor;
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"none", "link", "unlinking", "watching", "watched"};

    return names[kind];
}

/* ---- one relation ---- */

/* Whether one end's relation has its other half. */
static bool has_half(const struct tr_actor *actor, const struct tr_relation *relation,
                     troupe_pid pid)
{
    const struct tr_relation *half = NULL;

    switch ((enum tr_relation_kind)relation->kind) {
    case TR_RELATION_LINK:
        half = tr_relations_link(&actor->relations, pid);
        return half != NULL && half->kind == TR_RELATION_LINK && half->session == relation->session;
    case TR_RELATION_WATCHING:
        half = tr_relations_watched(&actor->relations, pid, relation->ref);
        break;
    case TR_RELATION_WATCHED:
        half = tr_relations_watching(&actor->relations, relation->ref);
        break;
    case TR_RELATION_UNLINKING:
    case TR_RELATION_NONE:
        break;
    }
    return half != NULL && troupe_pid_equal(half->pid, pid);
}

static void check_relation(const struct record *self, const struct tr_relation *relation)
{
    const struct record *other = ledger_find(relation->pid);
    const char *kind = kind_name(relation->kind);

    if (other == NULL) {
        sim_fail("actor %u is at rest, %s somebody who never was", self->index, kind);
    }
    if (!other->alive) {
        sim_fail("actor %u is at rest, %s %u, who is dead", self->index, kind, other->index);
    }
    if (!has_half(actor_of(other), relation, self->pid)) {
        sim_fail("actor %u is at rest, %s %u by session %u, who has no such half", self->index,
                 kind, other->index, relation->session);
    }
    if (other->pid.node != self->pid.node &&
        relation->session != ledger_session(&sim->slots[self->slot], other->pid.node)) {
        sim_fail("actor %u is at rest, %s %u by session %u, which is over", self->index, kind,
                 other->index, relation->session);
    }
}

/* ---- one actor ---- */

static void check_watches(const struct record *self, const struct tr_actor *actor)
{
    for (uint32_t i = 0; i < self->watch_count; i++) {
        const struct watch *watch = &self->watches[i];
        const bool there = tr_relations_watching(&actor->relations, watch->ref) != NULL;

        if (watch->state == WATCH_OPEN && !there) {
            sim_fail("actor %u never got the DOWN of monitor %llu of %u", self->index,
                     (unsigned long long)watch->ref, watch->target);
        }
        if (watch->state != WATCH_OPEN && there) {
            sim_fail("actor %u has monitor %llu of %u still, which is over", self->index,
                     (unsigned long long)watch->ref, watch->target);
        }
    }
}

static void check_questions(const struct record *self)
{
    if (self->answered != self->asked) {
        sim_fail("actor %u has asked %u questions and got %u answers", self->index, self->asked,
                 self->answered);
    }
}

static void check_actor(const struct record *self)
{
    const struct tr_actor *actor = actor_of(self);
    const struct tr_relation *relation = NULL;
    uint32_t position = 0;

    while ((relation = tr_relations_next(&actor->relations, &position)) != NULL) {
        check_relation(self, relation);
    }
    check_watches(self, actor);
    check_questions(self);
}

/* Its parent lives, knows of it, and was never told of its end. */
static void check_dead_child(const struct record *child)
{
    if (child->watched_by != SIM_NOBODY && child->parent_knows && !child->watched_by_told &&
        ledger_at(child->watched_by)->alive) {
        sim_fail("actor %u never got the DOWN of %u, which it had started with a monitor",
                 child->watched_by, child->index);
    }
}

/* ---- pairs ---- */

/* Linked, and nobody has unlinked or heard of an end: so they are linked. */
static void check_link(const struct record *a, const struct record *b, const struct flow *there,
                       const struct flow *back)
{
    const struct tr_relation *relation = tr_relations_link(&actor_of(a)->relations, b->pid);
    const bool undisturbed = there->unlinked_at == 0 && back->unlinked_at == 0 &&
                             there->broken_at == 0 && back->broken_at == 0;

    /* The parent may have given up waiting for a spawn, and undone its link. */
    if (there->linked_at != 0 && undisturbed && relation == NULL && b->parent != a->index) {
        sim_fail("actor %u has linked %u, nobody has ended it, and there is no link", a->index,
                 b->index);
    }
    if (there->linked_at == 0 && back->linked_at == 0 && relation != NULL) {
        sim_fail("actor %u is linked to %u, and nobody has done that", a->index, b->index);
    }
}

static void check_flow(const struct record *a, const struct record *b, const struct flow *flow)
{
    const uint32_t session =
        a->pid.node == b->pid.node ? 0 : ledger_session(&sim->slots[a->slot], b->pid.node);

    if (flow->part_count > 0 && flow->parts[flow->part_count - 1].session == session &&
        flow->got < flow->sent && !flow->leaky &&
        flow->sent >= flow->parts[flow->part_count - 1].first) {
        sim_fail("actor %u has got %u of what %u sent, which was %u, and the session holds",
                 b->index, flow->got, a->index, flow->sent);
    }
}

static void check_pairs(void)
{
    for (uint32_t i = 0; i < ledger.flows.capacity; i++) {
        const struct tr_map_entry *entry = &ledger.flows.entries[i];
        const struct flow *flow = entry->value;

        if (flow == NULL) {
            continue;
        }
        const struct record *a = ledger_at((uint32_t)(entry->key >> 32));
        const struct record *b = ledger_at((uint32_t)entry->key);
        static const struct flow none;
        const struct flow *back = tr_map_get(&ledger.flows, (uint64_t)b->index << 32 | a->index);

        if (a->alive && b->alive) {
            check_flow(a, b, flow);
            check_link(a, b, flow, back == NULL ? &none : back);
        }
    }
}

void ledger_check_rest(void)
{
    for (uint32_t i = 0; i < ledger.count; i++) {
        if (ledger.records[i]->alive) {
            check_actor(ledger.records[i]);
        } else {
            check_dead_child(ledger.records[i]);
        }
    }
    check_pairs();
    name_check_rest();
    keeper_check_rest();
}

/* ---- the end ---- */

void ledger_check_empty(void)
{
    for (uint32_t i = 0; i < ledger.count; i++) {
        const struct record *record = ledger.records[i];

        if (record->alive && !record->root) {
            sim_fail("actor %u does not end", record->index);
        }
    }
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        const struct sim_slot *slot = &sim->slots[i];

        if (!slot->running) {
            continue;
        }
        const uint32_t watchers = tr_router_watchers(slot->node->router);
        const uint64_t actors = tr_node_user_actors(slot->node);

        if (watchers != 0 || actors != 1) {
            sim_fail("%s: %u actors are still to be told of lost sessions, and %llu are there, "
                     "when one should be",
                     slot->name, watchers, (unsigned long long)actors);
        }
    }
    name_check_empty();
    keeper_check_empty();
}

bool ledger_is_connected(char *why, size_t size)
{
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        const struct sim_slot *a = &sim->slots[i];

        for (uint32_t j = 0; a->running && j < i; j++) {
            const struct sim_slot *b = &sim->slots[j];

            if (!b->running) {
                continue;
            }
            const uint32_t there = ledger_session(a, b->node_id);
            const uint32_t back = ledger_session(b, a->node_id);

            if (there == 0 || there != back) {
                (void)snprintf(why, size, "%s (%llu) has session %u with %s (%llu), which has %u",
                               a->name, (unsigned long long)a->node_id, there, b->name,
                               (unsigned long long)b->node_id, back);
                return false;
            }
        }
    }
    return true;
}
