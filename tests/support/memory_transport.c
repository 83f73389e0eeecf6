#include "support/memory_transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

_Static_assert((int)MEMORY_PLACES == (int)SIM_SLOTS_MAX, "a place is a slot");
_Static_assert((int)MEMORY_PORT == (int)SIM_PORT, "at which its node listens");

enum {
    BEGIN_MS = 1000000,
    PIECE_MAX = 256 * 1024,
    BUFFER_MAX = 1024 * 1024,
    BUSY_MAX = 1000000 /* turns while no time passes */
};

static struct sim world;
static uint64_t counts[SIM_COUNTERS];
struct sim *sim;
uint64_t *sim_counts = counts;

/* ---- what the stand-ins ask their world for ---- */

static bool turn_one(void)
{
    const uint32_t start = (uint32_t)sim_chance(MEMORY_PLACES);

    for (uint32_t i = 0; i < MEMORY_PLACES; i++) {
        const struct sim_slot *slot = &world.slots[(start + i) % MEMORY_PLACES];

        if (slot->loop != NULL && !slot->paused && sim_loop_ready(slot->loop)) {
            sim_loop_turn(slot->loop);
            return true;
        }
    }
    return false;
}

static int64_t next_ns(void)
{
    int64_t next = sim_net_dials_next_ns();

    for (uint32_t i = 0; i < MEMORY_PLACES; i++) {
        const struct sim_slot *slot = &world.slots[i];

        if (slot->loop != NULL && !slot->paused) {
            const int64_t its = sim_loop_next_ns(slot->loop);

            next = its < next ? its : next;
        }
    }
    return next;
}

bool sim_step(int64_t until_ns)
{
    sim_net_dials();
    if (++world.busy > BUSY_MAX) {
        sim_fail("there is no end of things to do");
    }
    if (turn_one()) {
        return true;
    }
    const int64_t next = next_ns();

    if (next > until_ns || next == INT64_MAX) {
        return false;
    }
    if (next > world.now_ns) {
        world.now_ns = next;
        world.busy = 0;
    }
    return true;
}

_Noreturn void sim_fail(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "memory transport, seed %llu: %s\n", (unsigned long long)world.seed,
                  text);
    abort();
}

/* ---- the world ---- */

void memory_begin(uint64_t seed)
{
    memory_end();
    world = (struct sim){
        .seed = seed,
        .rng = {.state = tr_hash_u64(~seed)},
        .now_ns = BEGIN_MS * TR_NS_PER_MS,
        .shape = {.slots = MEMORY_PLACES, .piece_max = PIECE_MAX, .buffer_max = BUFFER_MAX}};
    for (uint32_t i = 0; i < MEMORY_PLACES; i++) {
        struct sim_slot *slot = &world.slots[i];

        slot->index = i;
        (void)snprintf(slot->name, sizeof(slot->name), "place%u", i % 10);
        (void)snprintf(slot->host, sizeof(slot->host), "127.0.0.%u", (i % 100) + 1);
    }
    sim = &world;
}

void memory_end(void)
{
    for (uint32_t i = 0; sim != NULL && i < MEMORY_PLACES; i++) {
        if (world.slots[i].loop != NULL) {
            sim_fail("the world ends, and a loop is at place %u still", i);
        }
    }
    sim = NULL;
}

bool memory_is_on(void)
{
    return sim != NULL;
}

void memory_place(uint32_t place)
{
    if (place >= MEMORY_PLACES || world.slots[place].loop != NULL) {
        sim_fail("place %u is taken, or there is none", place);
    }
    world.starting = &world.slots[place];
}

const char *memory_host(uint32_t place)
{
    return world.slots[place].host;
}

bool memory_step(void)
{
    return sim_step(INT64_MAX);
}

void memory_pause(uint32_t place, bool paused)
{
    world.slots[place].paused = paused;
}

void memory_cut(uint32_t from, uint32_t to, bool cut)
{
    world.wires[from][to].cuts = cut ? 1 : 0;
}

uint64_t memory_now_ms(void)
{
    return (uint64_t)(world.now_ns / TR_NS_PER_MS);
}
