/* sim/sim.h - a cluster in one thread: its time, its chance, its nodes and the network between
 * them.
 *
 *     sim_begin(&world, seed); sim_start(slot) ... sim_step() ... sim_end()
 *
 * The nodes are whole ones: scheduler, router, peers, sessions. Only runtime/io is replaced, at
 * link time, by sim_loop.c, sim_net.c and sim_dial.c, which unit tests have too
 * (tests/support/memory_transport.h), and the registry is tests/support/fake_registry.c behind
 * sim_registry.c, which tells its news late, twice, or when somebody looks.
 *
 * Threads: one. There is one world at a time, `sim`, since the functions of io/loop.h that stand in
 * for libuv have nobody to ask for theirs.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rng.h"
#include "node/node.h"
#include "sim/sim_count.h"

enum { SIM_SLOTS_MAX = 7, SIM_PORT = 4370 };

/* How bytes go from one host to another. */
struct sim_wire {
    uint32_t cuts;      /* while there are any nothing passes; it comes later, as TCP repeats it */
    int64_t open_at_ns; /* after a cut: when the first repetition comes */
    int64_t delay_ns;
    int64_t jitter_ns;
    int64_t ns_per_byte; /* 0: no limit */
    int64_t busy_at_ns;  /* a slow wire is in use until then */
};

/* The place of one node name: nodes come and go in it. */
struct sim_slot {
    uint32_t index;
    char name[8];
    char host[16];
    bool running;    /* a node is there, perhaps still starting */
    bool paused;     /* its process stands still */
    bool off;        /* its host answers nobody */
    bool zombie;     /* its process is gone, and what is left of it is being freed */
    bool leaving;    /* it is being stopped in order */
    uint32_t scarce; /* one in so many of its allocations fails; 0: none */
    bool was_scarce; /* ever, as this node */
    struct troupe_node *node;
    struct tr_loop *loop;
    struct tr_clock clock;
    struct tr_driver driver;
    struct sim_registry *registry;
    uint64_t node_id; /* of the present or the last node */
};

/* What a world is made with; the rest comes by chance from the seed. */
struct sim_shape {
    uint32_t slots;
    uint32_t batch_max;  /* messages of one run */
    uint32_t piece_max;  /* bytes that arrive together */
    uint32_t buffer_max; /* bytes that a connection takes before it is full */
    uint32_t refuse_per_mille;
    uint32_t heartbeat_ms;
    uint32_t silence_ms;
    uint32_t window_ms;
    uint32_t ttl_ms;
    bool secret;
    uint32_t news; /* enum sim_news: how deaths are told */
};

enum sim_news { SIM_NEWS_AT_ONCE, SIM_NEWS_LATE, SIM_NEWS_BY_POLL, SIM_NEWS_TWICE, SIM_NEWS_COUNT };

struct sim {
    uint64_t seed;
    struct tr_rng rng;
    int64_t now_ns;
    int64_t ahead_ns; /* by what a process that is being freed sees the clock ahead */
    uint64_t steps;
    uint64_t busy; /* steps in a row without a pause */
    uint64_t hash; /* of everything that happened, for replays */
    bool verbose;
    struct sim_shape shape;
    struct sim_slot slots[SIM_SLOTS_MAX];
    struct sim_slot *starting;
    struct sim_wire wires[SIM_SLOTS_MAX][SIM_SLOTS_MAX];
    struct tr_stream *connecting; /* dials whose outcome is not known yet */
    struct fake_cluster *cluster;
    struct sim_registry *registries;
    uint32_t away; /* faults that keep the database away */
};

extern struct sim *sim;

/* ---- sim_world.c ---- */

void sim_begin(struct sim *world, uint64_t seed, const struct sim_shape *shape, bool verbose);
/* All nodes are gone: frees what the world itself has. */
void sim_clear(void);
void sim_end(void);

/* Does one thing somewhere, or lets time pass up to the next thing but not beyond until_ns. False
 * when nothing is left to be done before that time, which it is then. */
bool sim_step(int64_t until_ns);
void sim_run_until(int64_t until_ns);

void sim_start(uint32_t index);
void sim_stop(uint32_t index);
enum sim_crash { SIM_KILLED, SIM_VANISHED };
void sim_crash(uint32_t index, enum sim_crash how);
void sim_pause(uint32_t index, bool paused);

/* The slot in which the node with this id runs, or NULL. */
struct sim_slot *sim_slot_of(uint64_t node_id);

static inline uint64_t sim_chance(uint64_t bound)
{
    return tr_rng_below(&sim->rng, bound);
}
static inline bool sim_one_in(uint64_t n)
{
    return sim_chance(n) == 0;
}

/* Writes into the trace: always into its hash, into the output when verbose. */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same into the output only. */
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_mark(uint64_t a, uint64_t b, uint64_t c);
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- sim_loop.c ---- */

/* realloc that ends the world when there is no memory. */
void *sim_alloc(void *block, size_t size);

/* Whether the loop has something to do now; and does some of it. */
bool sim_loop_ready(const struct tr_loop *loop);
void sim_loop_turn(struct tr_loop *loop);
/* When it will have, INT64_MAX for never. */
int64_t sim_loop_next_ns(const struct tr_loop *loop);
bool sim_loop_has_ended(const struct tr_loop *loop);

/* ---- sim_net.c, for sim_loop.c and sim_world.c ---- */

struct sim_handles {
    struct tr_stream *streams;
    struct tr_listener *listeners;
};

bool sim_net_ready(const struct sim_handles *handles);
void sim_net_turn(const struct sim_handles *handles);
int64_t sim_net_next_ns(const struct sim_handles *handles);
bool sim_net_is_empty(const struct sim_handles *handles);
void sim_net_reap(struct sim_handles *handles);
/* Dials that arrive at their host. */
void sim_net_dials(void);
int64_t sim_net_dials_next_ns(void);
/* The process of these handles is gone, or its whole host. */
void sim_net_sever(const struct sim_handles *handles, enum sim_crash how);
/* Ends one connection as a middlebox may, if there is any; answers whether. */
bool sim_net_reset(const struct sim_handles *handles);
struct sim_handles *sim_loop_handles(struct tr_loop *loop);

/* ---- sim_registry.c ---- */

struct troupe_registry *sim_registry_create(struct sim_slot *slot);
/* The process is gone; whoever finds it so is believed after a while. */
void sim_registry_crashed(struct sim_slot *slot);
/* A member that is alive, or not, is declared dead, with the time of its lease over. */
void sim_registry_expire(uint64_t node_id);
/* Every process that is gone is declared dead; or only the one of this name. */
void sim_registry_expire_all(void);
void sim_registry_expire_name(const char *name);
/* The database cannot be reached; as often as it is said. */
void sim_registry_set_away(bool away);
/* Whether every node has heard all news. */
bool sim_registry_is_quiet(void);
/* Declares dead whose time has come; and when the next one's comes. */
void sim_registry_step(void);
int64_t sim_registry_next_ns(void);

#endif
