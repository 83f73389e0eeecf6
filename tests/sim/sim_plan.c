/* Faults, and a world with them: chaos, healing, rest, probes, the end. */
#include "sim/sim_plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/sim_actor.h"
#include "sim/sim_memory.h"
#include "sim/sim_more.h"

enum {
    SETTLE_MS = 9000,   /* no call, spawn or timer of the worlds lasts longer */
    CONNECT_MS = 20000, /* after healing, until everybody has a session with everybody */
    LOOK_MS = 200,      /* between two looks at that */
    PROBE_MS = 2000,
    ACTS_PER_MS = 12, /* of the actors of a node, were there a tick in every one */
    RESTART_MS = 3000
};

bool plan_scarce;

static int64_t begin_ns;

static int64_t at_ns(int64_t ms)
{
    return begin_ns + ms * TR_NS_PER_MS;
}

/* ---- making ---- */

static uint32_t below(struct tr_rng *rng, uint32_t bound)
{
    return (uint32_t)tr_rng_below(rng, bound);
}

static void make_shape(struct sim_shape *shape, struct tr_rng *rng, bool long_form)
{
    static const uint32_t pieces[] = {64, 1000, 4096, 65536};
    static const uint32_t buffers[] = {4096, 65536, 262144};
    static const uint32_t beats[] = {200, 500};

    shape->slots = long_form ? 3 + below(rng, 5) : 3 + below(rng, 2) + below(rng, 2);
    shape->batch_max = 1 + below(rng, TR_BATCH_MESSAGES);
    shape->piece_max = pieces[below(rng, 4)];
    shape->buffer_max = buffers[below(rng, 3)];
    shape->refuse_per_mille = below(rng, 3) == 0 ? below(rng, 200) : 0;
    shape->heartbeat_ms = beats[below(rng, 2)];
    shape->silence_ms = shape->heartbeat_ms * (3 + below(rng, 4));
    shape->window_ms = 500 + below(rng, 2500);
    shape->ttl_ms = 3000;
    shape->secret = below(rng, 8) == 0;
    shape->news = below(rng, SIM_NEWS_COUNT);
}

static void make_fault(struct plan *plan, struct plan_fault *fault, struct tr_rng *rng)
{
    const struct sim_shape *shape = &plan->shape;
    const uint32_t long_ms = shape->silence_ms + shape->window_ms;

    fault->kind = (enum plan_kind)below(rng, PLAN_SCARCE);
    fault->a = below(rng, shape->slots);
    fault->b = (fault->a + 1 + below(rng, shape->slots - 1)) % shape->slots;
    fault->at_ms = below(rng, (uint32_t)plan->length_ms);
    /* Some are too short to be noticed, some outlive a session, many lie between. */
    fault->for_ms = 1 + below(rng, below(rng, 3) == 0 ? long_ms * 2 : shape->window_ms);
}

void plan_make(struct plan *plan, uint64_t seed, bool long_form)
{
    struct tr_rng rng = {.state =
                             tr_hash_u64(seed)}; /* seeds that follow each other choose alike */

    *plan = (struct plan){.seed = seed};
    make_shape(&plan->shape, &rng, long_form);
    plan->length_ms = long_form ? 20000 : 2000 + below(&rng, 5000);
    plan->acts = long_form ? 10000 : 200 + below(&rng, 1500);
    plan->large = below(&rng, long_form ? 20 : 4);
    plan->count = below(&rng, long_form ? PLAN_FAULTS_MAX : 8);
    for (uint32_t i = 0; i < plan->count; i++) {
        make_fault(plan, &plan->faults[i], &rng);
    }
    if (plan_scarce) {
        make_fault(plan, &plan->faults[plan->count], &rng);
        plan->faults[plan->count++].kind = PLAN_SCARCE;
    }
}

static const char *const kind_names[] = {
#define PLAN_FAULT_NAME(name) #name,
    PLAN_FAULT_MAP(PLAN_FAULT_NAME)
#undef PLAN_FAULT_NAME
};

void plan_print(const struct plan *plan)
{
    const struct sim_shape *shape = &plan->shape;

    printf("  %u nodes, %llu acts in %lld ms, heartbeat %u ms, silence %u ms, window %u ms%s\n",
           shape->slots, (unsigned long long)plan->acts, (long long)plan->length_ms,
           shape->heartbeat_ms, shape->silence_ms, shape->window_ms,
           shape->secret ? ", with a secret" : "");
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct plan_fault *fault = &plan->faults[i];

        if (!fault->out) {
            printf("  at %5lld ms for %5lld ms: %s n%u n%u\n", (long long)fault->at_ms,
                   (long long)fault->for_ms, kind_names[fault->kind], fault->a + 1, fault->b + 1);
        }
    }
}

/* ---- wires ---- */

static void cut(uint32_t from, uint32_t to)
{
    sim->wires[from][to].cuts++;
}

static void heal(uint32_t from, uint32_t to)
{
    struct sim_wire *wire = &sim->wires[from][to];

    wire->cuts--;
    if (wire->cuts == 0) {
        wire->open_at_ns = sim->now_ns + (int64_t)sim_chance(200 * TR_NS_PER_MS);
    }
}

static void isolate(uint32_t slot, bool on)
{
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        if (i != slot) {
            (on ? cut : heal)(slot, i);
            (on ? cut : heal)(i, slot);
        }
    }
}

static void wire_reset(struct sim_wire *wire)
{
    wire->delay_ns = (int64_t)(50 + sim_chance(500)) * 1000;
    wire->jitter_ns = (int64_t)sim_chance(1000) * 1000 + 1;
    wire->ns_per_byte = 0;
}

/* ---- nodes ---- */

/* Under the same name, whose last holder is down first. */
static void start_again(uint32_t slot)
{
    if (!sim->slots[slot].running) {
        sim_registry_expire_name(sim->slots[slot].name);
        sim_start(slot);
        sim_count(SIM_COUNT_RESTARTS, 1);
    }
}

static void wake(uint32_t slot)
{
    sim_pause(slot, false);
}

/* ---- one fault ---- */

/* One in so many allocations fails: from all to few. */
enum { SCARCITIES = 4 };
static const uint32_t scarcities[SCARCITIES] = {1, 5, 40, 300};

/* What begins and ends a fault; a fault may find nothing to do. */
static void begin_fault(const struct plan_fault *fault)
{
    struct sim_slot *slot = &sim->slots[fault->a];
    struct sim_wire *wire = &sim->wires[fault->a][fault->b];

    sim_note("fault: %s n%u n%u for %lld ms", kind_names[fault->kind], fault->a + 1, fault->b + 1,
             (long long)fault->for_ms);
    switch (fault->kind) {
    case PLAN_CUT_BOTH_WAYS:
        cut(fault->b, fault->a);
        cut(fault->a, fault->b);
        break;
    case PLAN_CUT_ONE_WAY:
    case PLAN_FLAP:
        cut(fault->a, fault->b);
        break;
    case PLAN_ISOLATE:
        isolate(fault->a, true);
        break;
    case PLAN_SLOW:
        wire->ns_per_byte = 10000;
        break;
    case PLAN_FAR:
        wire->delay_ns = fault->for_ms * TR_NS_PER_MS / 8;
        break;
    case PLAN_RESET:
        if (slot->running) {
            (void)sim_net_reset(sim_loop_handles(slot->loop));
        }
        break;
    case PLAN_REFUSE:
        sim->shape.refuse_per_mille += 300;
        break;
    case PLAN_KILL:
    case PLAN_VANISH:
        if (slot->running) {
            sim_crash(fault->a, fault->kind == PLAN_KILL ? SIM_KILLED : SIM_VANISHED);
        }
        break;
    case PLAN_LEAVE:
        if (slot->running && !slot->paused) {
            sim_stop(fault->a);
        }
        break;
    case PLAN_PAUSE:
    case PLAN_PAUSE_BEYOND_LEASE:
        sim_pause(fault->a, true);
        break;
    case PLAN_AWAY:
        sim_registry_set_away(true);
        break;
    case PLAN_EXPIRE:
        if (slot->running && !slot->node->fenced) {
            sim_registry_expire(slot->node_id);
        }
        break;
    case PLAN_SCARCE:
        slot->scarce = scarcities[fault->at_ms % SCARCITIES];
        slot->was_scarce = true;
        break;
    case PLAN_KINDS:
        break;
    }
}

static void end_fault(const struct plan_fault *fault)
{
    struct sim_slot *slot = &sim->slots[fault->a];

    switch (fault->kind) {
    case PLAN_CUT_BOTH_WAYS:
        heal(fault->b, fault->a);
        heal(fault->a, fault->b);
        break;
    case PLAN_CUT_ONE_WAY:
    case PLAN_FLAP:
        heal(fault->a, fault->b);
        break;
    case PLAN_ISOLATE:
        isolate(fault->a, false);
        break;
    case PLAN_SLOW:
    case PLAN_FAR:
        wire_reset(&sim->wires[fault->a][fault->b]);
        break;
    case PLAN_REFUSE:
        sim->shape.refuse_per_mille -= 300;
        break;
    case PLAN_KILL:
    case PLAN_VANISH:
    case PLAN_LEAVE:
        start_again(fault->a);
        break;
    case PLAN_PAUSE_BEYOND_LEASE:
        /* It has stood still for longer than its lease, and somebody has said so. */
        if (slot->paused) {
            sim_registry_expire(slot->node_id);
        }
        wake(fault->a);
        break;
    case PLAN_PAUSE:
        wake(fault->a);
        break;
    case PLAN_AWAY:
        sim_registry_set_away(false);
        break;
    case PLAN_SCARCE:
        slot->scarce = 0;
        break;
    case PLAN_RESET:
    case PLAN_EXPIRE:
    case PLAN_KINDS:
        break;
    }
}

/* ---- playing ---- */

/* Some faults are several short ones. */
enum { FLAPS = 5, RESETS = 10, PARTS_MAX = 10 };

struct moment {
    int64_t at_ns;
    const struct plan_fault *fault;
    bool end;
};

static int by_time(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;

    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns ? -1 : 1;
    }
    if (a->fault != b->fault) {
        return a->fault < b->fault ? -1 : 1;
    }
    return a->end ? 1 : -1;
}

static uint32_t moments_of(const struct plan *plan, struct moment *moments)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < plan->count; i++) {
        const struct plan_fault *fault = &plan->faults[i];
        const int64_t times = fault->kind == PLAN_FLAP    ? FLAPS
                              : fault->kind == PLAN_RESET ? RESETS
                                                          : 1;

        for (int64_t part = 0; !fault->out && part < times; part++) {
            const int64_t from_ms = fault->at_ms + part * (fault->for_ms / times + 1);

            moments[count++] = (struct moment){at_ns(from_ms), fault, false};
            moments[count++] = (struct moment){at_ns(from_ms + fault->for_ms / times), fault, true};
        }
    }
    qsort(moments, count, sizeof(*moments), by_time);
    return count;
}

static void chaos(const struct plan *plan)
{
    struct moment moments[PLAN_FAULTS_MAX * PARTS_MAX * 2];
    const uint32_t count = moments_of(plan, moments);
    const int64_t end_ns = at_ns(plan->length_ms);
    uint32_t next = 0;

    while (next < count || sim->now_ns < end_ns) {
        const int64_t until_ns = sim->now_ns + LOOK_MS * TR_NS_PER_MS;

        actor_populate();
        if (next < count && moments[next].at_ns <= until_ns) {
            sim_run_until(moments[next].at_ns);
            (moments[next].end ? end_fault : begin_fault)(moments[next].fault);
            next++;
        } else {
            sim_run_until(until_ns);
        }
    }
}

/* Nothing goes wrong any more: everybody finds everybody. */
static void connect_all(void)
{
    const int64_t by_ns = sim->now_ns + CONNECT_MS * TR_NS_PER_MS;
    char why[160] = "";

    sim_note("healed");
    sim->shape.refuse_per_mille = 0;
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        start_again(i);
    }
    /* What is on its way to the nodes has arrived at the second look. */
    for (uint32_t good = 0; good < 2;) {
        sim_run_until(sim->now_ns + LOOK_MS * TR_NS_PER_MS);
        good = sim_registry_is_quiet() && ledger_is_connected(why, sizeof(why)) ? good + 1 : 0;
        if (sim->now_ns > by_ns) {
            sim_fail("%d ms after everything was healed, %s", CONNECT_MS, why);
        }
    }
    actor_populate();
}

static bool was_scarce(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->faults[i].kind == PLAN_SCARCE && !plan->faults[i].out) {
            return true;
        }
    }
    return false;
}

static void settle(const struct plan *plan)
{
    play.acting = false;
    sim_run_until(sim->now_ns + SETTLE_MS * TR_NS_PER_MS);
    for (uint32_t polls = was_scarce(plan) ? 2 : 0; polls > 0; polls--) {
        sim_registry_poll(); /* An orphan first, and then what waits for it. */
        sim_run_until(sim->now_ns + PROBE_MS * TR_NS_PER_MS);
    }
    ledger_check_rest();
    sim_note("at rest");
    actor_probe();
    sim_run_until(sim->now_ns + PROBE_MS * TR_NS_PER_MS);
    ledger_check_rest();
}

static void finish(void)
{
    const uint32_t first = (uint32_t)sim_chance(sim->shape.slots);

    keeper_stop_all();
    actor_end_all();
    sim_run_until(sim->now_ns + PROBE_MS * TR_NS_PER_MS);
    ledger_check_empty();
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        sim_stop((first + i) % sim->shape.slots);
    }
}

/* So that what is to be done is done all the time. */
static uint64_t tick_ms(const struct plan *plan)
{
    const uint64_t ms = ACTS_PER_MS * plan->shape.slots * (uint64_t)plan->length_ms / plan->acts;

    return ms < 2 ? 2 : ms;
}

uint64_t plan_play(const struct plan *plan, bool verbose)
{
    static struct sim world;
    const int64_t blocks = memory_blocks();

    sim_begin(&world, plan->seed, &plan->shape, verbose);
    ledger_begin();
    keeper_begin();
    begin_ns = sim->now_ns;
    play = (struct actor_play){
        .acting = true, .acts = plan->acts, .large = plan->large, .tick_ms = tick_ms(plan)};
    for (uint32_t i = 0; i < SIM_SLOTS_MAX * SIM_SLOTS_MAX; i++) {
        wire_reset(&sim->wires[i / SIM_SLOTS_MAX][i % SIM_SLOTS_MAX]);
    }
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        sim_start(i);
    }
    chaos(plan);
    connect_all();
    settle(plan);
    finish();
    const uint64_t hash = sim->hash;

    sim_count(SIM_COUNT_WORLDS, 1);
    sim_count(SIM_COUNT_STEPS, sim->steps);
    ledger_end();
    sim_clear();
    if (memory_blocks() != blocks) {
        sim_fail("%lld blocks of memory are left over", (long long)(memory_blocks() - blocks));
    }
    sim_end();
    return hash;
}
