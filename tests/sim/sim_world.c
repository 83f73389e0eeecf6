/* Who does what next, and when; and how nodes come and go. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dist/peers_inside.h"
#include "io/loop.h"
#include "sim/sim.h"
#include "sim/sim_actor.h"
#include "sim/sim_ledger.h"
#include "sim/sim_memory.h"
#include "support/fake_registry.h"

enum {
    BEGIN_MS = 1000000,
    TURNS_APART = 16, /* how far the seed moves a worker's count of turns, at most */
    HASTE = 200,      /* one step in so many lets time pass although somebody has work */
    HASTE_MS = 3,
    STOP_MS = 20000,
    BUSY_MAX = 1000000,   /* steps while no time passes */
    STEPS_MAX = 50000000, /* of one world */
    ACTORS_MAX = 65536
};

struct sim *sim;
uint64_t *sim_counts;

/* ---- words ---- */

void sim_mark(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t words[] = {a, b, c, (uint64_t)sim->now_ns};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        sim->hash = tr_hash_u64(sim->hash ^ words[i]) + i;
    }
}

void sim_note(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sim_mark(tr_hash_text(text), 0, 0);
    if (sim->verbose) {
        printf("%12.6f  %s\n", (double)sim->now_ns / (double)TR_NS_PER_S, text);
    }
}

void sim_trace(const char *format, ...)
{
    va_list arguments;

    if (sim->verbose) {
        printf("%12.6f  ", (double)sim->now_ns / (double)TR_NS_PER_S);
        va_start(arguments, format);
        (void)vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
    }
}

_Noreturn void sim_fail(const char *format, ...)
{
    va_list arguments;

    printf("not ok seed %llu, at %.6f s: ", (unsigned long long)sim->seed,
           (double)(sim->now_ns - BEGIN_MS * TR_NS_PER_MS) / (double)TR_NS_PER_S);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    (void)fflush(stdout);
    _Exit(1);
}

/* A check of the runtime that does not hold is a failure of this world. */
_Noreturn void tr_check_fail(const char *condition, const char *file, int line)
{
    sim_fail("%s:%d: check failed: %s", file, line, condition);
}

/* ---- beginning and end ---- */

void sim_begin(struct sim *world, uint64_t seed, const struct sim_shape *shape, bool verbose)
{
    *world = (struct sim){.seed = seed,
                          .rng = {.state = tr_hash_u64(~seed)},
                          .now_ns = BEGIN_MS * TR_NS_PER_MS,
                          .verbose = verbose,
                          .shape = *shape};
    sim = world;
    for (uint32_t i = 0; i < shape->slots; i++) {
        struct sim_slot *slot = &world->slots[i];

        slot->index = i;
        (void)snprintf(slot->name, sizeof(slot->name), "n%u", (i % SIM_SLOTS_MAX) + 1);
        (void)snprintf(slot->host, sizeof(slot->host), "127.0.0.%u", (i % SIM_SLOTS_MAX) + 1);
    }
    world->cluster = fake_cluster_create();
}

void sim_clear(void)
{
    sim_registry_expire_all();
    fake_cluster_destroy(sim->cluster);
    sim->cluster = NULL;
}

void sim_end(void)
{
    sim = NULL;
}

struct sim_slot *sim_slot_of(uint64_t node_id)
{
    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        if (sim->slots[i].node_id == node_id && sim->slots[i].running) {
            return &sim->slots[i];
        }
    }
    return NULL;
}

/* ---- steps ---- */

static int64_t now(void *context)
{
    (void)context;
    return sim->now_ns + sim->ahead_ns;
}

/* Lets one worker, chosen by the seed, run one actor. */
static bool run_one(struct tr_sched *sched)
{
    const uint32_t workers = sched->options.workers;
    const uint32_t start = (uint32_t)sim_chance(workers);

    for (uint32_t i = 0; i < workers; i++) {
        struct tr_worker *worker = &sched->workers[(start + i) % workers];

        worker->turns += (uint32_t)sim_chance(TURNS_APART);
        worker->batch = 1 + (uint32_t)sim_chance(sim->shape.batch_max);
        struct tr_actor *actor = tr_worker_take(worker);

        if (actor != NULL) {
            sim_mark(1, tr_load_relaxed(&actor->id), worker->index);
            tr_worker_run(worker, actor);
            return true;
        }
    }
    return false;
}

static int64_t wheel_next_ns(const struct tr_sched *sched)
{
    uint64_t next_ms = UINT64_MAX;

    for (uint32_t i = 0; i < sched->options.workers; i++) {
        const uint64_t one_ms = tr_wheel_next_ms(&sched->workers[i].wheel);

        next_ms = one_ms < next_ms ? one_ms : next_ms;
    }
    return next_ms == UINT64_MAX ? INT64_MAX : (int64_t)next_ms * TR_NS_PER_MS;
}

static bool fire_timers(struct tr_sched *sched)
{
    if (wheel_next_ns(sched) > sim->now_ns) {
        return false;
    }
    for (uint32_t i = 0; i < sched->options.workers; i++) {
        struct tr_worker *worker = &sched->workers[i];

        if (tr_load32_relaxed(&worker->wheel_count) > 0) {
            tr_worker_expire(worker, worker, sim->now_ns);
        }
    }
    return true;
}

static bool turn_loop(struct sim_slot *slot)
{
    if (slot->loop == NULL || !sim_loop_ready(slot->loop)) {
        return false;
    }
    sim_mark(2, slot->index, 0);
    sim_loop_turn(slot->loop);
    return true;
}

/* One thing of one node: its loop turns, or an actor runs. */
static bool slot_step(struct sim_slot *slot)
{
    const bool loop_first = sim_one_in(2);

    if (!slot->running || slot->paused || slot->zombie) {
        return false;
    }
    if (loop_first && turn_loop(slot)) {
        return true;
    }
    if (slot->node != NULL && (run_one(slot->node->sched) || fire_timers(slot->node->sched))) {
        return true;
    }
    return !loop_first && turn_loop(slot);
}

/* The same, with as little memory as the node has. */
static bool slot_step_scarce(struct sim_slot *slot)
{
    const uint32_t outer = memory_refuse(slot->scarce);
    const bool did = slot_step(slot);

    (void)memory_refuse(outer);
    return did;
}

static bool anybody(void)
{
    const uint32_t start = (uint32_t)sim_chance(sim->shape.slots);

    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        if (slot_step_scarce(&sim->slots[(start + i) % sim->shape.slots])) {
            return true;
        }
    }
    return false;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_ns(void)
{
    int64_t next = earlier(sim_net_dials_next_ns(), sim_registry_next_ns());

    for (uint32_t i = 0; i < sim->shape.slots; i++) {
        const struct sim_slot *slot = &sim->slots[i];

        if (!slot->running || slot->paused || slot->zombie) {
            continue;
        }
        if (slot->loop != NULL) {
            next = earlier(next, sim_loop_next_ns(slot->loop));
        }
        if (slot->node != NULL) {
            next = earlier(next, wheel_next_ns(slot->node->sched));
        }
    }
    return next;
}

static void pass_time(int64_t to_ns)
{
    if (to_ns > sim->now_ns) {
        sim->now_ns = to_ns;
        sim->busy = 0;
    }
}

bool sim_step(int64_t until_ns)
{
    sim->steps++;
    sim_net_dials();
    sim_registry_step();
    if (sim_one_in(HASTE)) {
        const uint64_t busy = sim->busy;

        pass_time(earlier(sim->now_ns + (int64_t)sim_chance(HASTE_MS * TR_NS_PER_MS), until_ns));
        sim->busy = busy; /* it is not that there was nothing to do */
    }
    if (++sim->busy > BUSY_MAX || sim->steps > STEPS_MAX) {
        sim_fail("there is no end of things to do");
    }
    if (anybody()) {
        return true;
    }
    const int64_t next = next_ns();

    if (next > until_ns) {
        if (until_ns != INT64_MAX) {
            pass_time(until_ns);
        }
        return false;
    }
    pass_time(next);
    return true;
}

void sim_run_until(int64_t until_ns)
{
    while (sim_step(until_ns)) {
    }
}

/* What a blocking call of a node does instead of waiting. */
static void drive(void *context)
{
    (void)context;
    if (!sim_step(INT64_MAX)) {
        sim_fail("a blocking call does not end: nobody has anything to do");
    }
}

/* ---- nodes ---- */

/* The session that was lost last lies in the grave still. */
static void count_session(const struct sim_slot *slot)
{
    const struct tr_peers *peers = slot->node == NULL ? NULL : slot->node->peers;
    const struct tr_session_counters *counters = NULL;

    if (peers == NULL || peers->session_grave == NULL) {
        return;
    }
    counters = tr_session_counters(peers->session_grave->session);
    sim_count(SIM_COUNT_SESSIONS, 1);
    sim_count(SIM_COUNT_RESUMED, counters->attachments > 1 ? counters->attachments - 1 : 0);
    sim_count(SIM_COUNT_RESENT, counters->records_resent > 0 ? 1 : 0);
}

/* How sessions end, by the words of the log. */
static void hear_line(struct sim_slot *slot, const char *text)
{
    static const enum sim_counter by_reason[] = {
        [TR_PEERS_LOST_EXPIRED] = SIM_COUNT_EXPIRED,
        [TR_PEERS_LOST_FORGOTTEN] = SIM_COUNT_FORGOTTEN,
        [TR_PEERS_LOST_GOODBYE] = SIM_COUNT_GOODBYES,
        [TR_PEERS_LOST_REPLACED] = SIM_COUNT_REPLACED,
        [TR_PEERS_LOST_OVERLOAD] = SIM_COUNT_OVERLOADS,
    };
    const char *paren = strchr(text, '(');
    const char *lost = strstr(text, ") lost, reason ");

    if (strncmp(text, "session ", 8) == 0 && paren != NULL && lost != NULL) {
        const uint32_t session = (uint32_t)strtoul(text + 8, NULL, 10);
        const uint64_t node_id = strtoull(paren + 1, NULL, 10);
        const unsigned long reason = strtoul(lost + strlen(") lost, reason "), NULL, 10);

        count_session(slot);
        ledger_session_lost(slot->node_id, node_id, session);
        if (reason < sizeof(by_reason) / sizeof(*by_reason) &&
            (reason != TR_PEERS_LOST_OVERLOAD || slot->was_scarce)) {
            sim_count(by_reason[reason], 1);
        } else if (reason != TR_PEERS_LOST_CLOSED && !slot->zombie) {
            sim_fail("%s: %s", slot->name, text);
        }
    } else if (strstr(text, ") is silent") != NULL) {
        sim_count(SIM_COUNT_SILENCES, 1);
    }
}

static void on_log(void *context, int32_t level, const char *name, const char *text)
{
    (void)level;
    sim_note("%s: %s", name, text);
    hear_line(context, text);
}

static const uint8_t secret[32] = "thirty-two bytes, and no secret";

static void configure(troupe_config *config, struct sim_slot *slot)
{
    troupe_config_init(config);
    config->name = slot->name;
    config->workers = 1 + (uint32_t)sim_chance(2);
    config->registry = sim_registry_create(slot);
    config->listen_host = slot->host;
    config->listen_port = SIM_PORT;
    if (sim->shape.secret) {
        config->secret = (troupe_bytes){.data = secret, .size = sizeof(secret)};
    }
    config->lease_ttl_ms = sim->shape.ttl_ms;
    config->heartbeat_ms = sim->shape.heartbeat_ms;
    config->silence_ms = sim->shape.silence_ms;
    config->resume_window_ms = sim->shape.window_ms;
    config->actors_max = ACTORS_MAX;
    config->seed = tr_rng_next(&sim->rng) | 1;
    config->log = on_log;
    config->log_context = slot;
    config->telemetry = ledger_on_event;
    config->telemetry_context = slot;
    config->telemetry_events = TROUPE_EVENT_BIT(EXIT) | TROUPE_EVENT_BIT(LINK_BROKEN);
}

void sim_start(uint32_t index)
{
    struct sim_slot *slot = &sim->slots[index];
    troupe_config config;
    struct troupe_node *node = NULL;
    char error[256] = "";

    sim_note("%s starts", slot->name);
    slot->clock = (struct tr_clock){.context = slot, .now = now, .coarse = now};
    slot->driver = (struct tr_driver){.clock = &slot->clock, .step = drive, .context = slot};
    slot->running = true;
    slot->off = false;
    slot->scarce = 0; /* another process */
    slot->was_scarce = false;
    sim->starting = slot;
    configure(&config, slot);
    if (tr_node_start(&config, &slot->driver, &node, error, sizeof(error)) != TROUPE_OK) {
        sim_fail("%s does not start: %s", slot->name, error);
    }
    slot->node = node;
    sim->starting = NULL;
    actor_introduce(slot);
}

/* What the sessions of a node have seen, before it goes. */
static void gone(struct sim_slot *slot)
{
    ledger_node_gone(slot->node_id);
    slot->running = false;
    slot->paused = false;
    slot->zombie = false;
    slot->leaving = false;
    slot->node = NULL;
    slot->registry = NULL;
}

void sim_stop(uint32_t index)
{
    struct sim_slot *slot = &sim->slots[index];

    sim_note("%s stops", slot->name);
    slot->leaving = true;
    troupe_node_stop(slot->node, STOP_MS);
    gone(slot);
}

void sim_crash(uint32_t index, enum sim_crash how)
{
    struct sim_slot *slot = &sim->slots[index];

    sim_note("%s %s", slot->name, how == SIM_KILLED ? "is killed" : "vanishes");
    sim_count(SIM_COUNT_CRASHES, 1);
    slot->zombie = true;
    slot->off = how == SIM_VANISHED;
    ledger_node_gone(slot->node_id);
    sim_net_sever(sim_loop_handles(slot->loop), how);
    sim_registry_crashed(slot);
    tr_node_take_down(slot->node, false, 0);
    gone(slot);
}

void sim_pause(uint32_t index, bool paused)
{
    struct sim_slot *slot = &sim->slots[index];

    if (slot->running && slot->paused != paused) {
        sim_note("%s %s", slot->name, paused ? "stands still" : "goes on");
        sim_count(SIM_COUNT_PAUSES, paused ? 1 : 0);
        slot->paused = paused;
    }
}
