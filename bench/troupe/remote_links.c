#include "remote.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pids in one answer. */
#define SLICE BENCH_BATCH

/* Asks the garden to start so many plants; answered with a garden_info when they are there. */
typedef struct plant_order {
    uint64_t count;
} plant_order;
TROUPE_TYPE(plant_order, "bench.plant_order", TROUPE_FIELD(plant_order, count, 1));

/* Asks how it stands; answered with a garden_info. */
TROUPE_TYPE_EMPTY(get_garden, "bench.get_garden");

typedef struct garden_info {
    uint64_t plants;
    uint64_t greeted; /* plants that have had the greeting which follows their link */
    int32_t process;  /* whom to kill */
} garden_info;
TROUPE_TYPE(garden_info, "bench.garden_info", TROUPE_FIELD(garden_info, plants, 1),
            TROUPE_FIELD(garden_info, greeted, 2), TROUPE_FIELD(garden_info, process, 3));

/* Asks for the plants from this one on; answered with a slice. */
typedef struct get_slice {
    uint64_t first;
} get_slice;
TROUPE_TYPE(get_slice, "bench.get_slice", TROUPE_FIELD(get_slice, first, 1));

typedef struct slice {
    const troupe_pid *pids;
    size_t pids_count;
} slice;
TROUPE_TYPE(slice, "bench.slice", TROUPE_FIELD_ARRAY(slice, pids, pids_count, 1));

/* From the end of a link to the other end: the link has come before. */
TROUPE_TYPE_EMPTY(greeting, "bench.greeting");

/* Kills the other process; answered when the last EXIT was handled. */
typedef struct kill_order {
    int32_t process;
} kill_order;
TROUPE_TYPE(kill_order, "bench.kill_order", TROUPE_FIELD(kill_order, process, 1));

void remote_links_add_types(troupe_node *node)
{
    const troupe_type *types[] = {&plant_order_type, &get_garden_type, &garden_info_type,
                                  &get_slice_type,   &slice_type,      &greeting_type};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        bench_must(troupe_node_add_type(node, types[i], NULL, 0), types[i]->name);
    }
}

/* ---- the server's side: a garden, and plants that do nothing ---- */

static _Atomic uint64_t greeted;

static int plant_on_greeting(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&greeted, 1);
    return TROUPE_OK;
}

static const troupe_handler plant_handlers[] = {{&greeting_type, plant_on_greeting}, {0}};
static const troupe_behavior plant_behavior = {
    .name = "bench.plant", .version = 1, .handlers = plant_handlers};

typedef struct garden {
    troupe_from waiting;
    troupe_pid *plants;
    uint64_t planted;
    uint64_t count;
} garden;

static garden_info garden_stand(const garden *g)
{
    return (garden_info){
        .plants = g->planted, .greeted = atomic_load(&greeted), .process = (int32_t)getpid()};
}

static int garden_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    garden *g = state;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < BENCH_BATCH && status == TROUPE_OK && g->planted < g->count; i++) {
        status = troupe_spawn(self, &plant_behavior, NULL, NULL, &g->plants[g->planted]);
        g->planted += status == TROUPE_OK ? 1 : 0;
    }
    if (status != TROUPE_OK) {
        return status;
    }
    if (g->planted < g->count) {
        return troupe_send(self, troupe_self_pid(self), &more_type, NULL);
    }
    const garden_info info = garden_stand(g);
    return troupe_reply_to(self, &g->waiting, &garden_info_type, &info);
}

/* Once. */
static int garden_on_order(troupe_self *self, void *state, const void *message)
{
    garden *g = state;
    g->count = ((const plant_order *)message)->count;
    g->plants = calloc(g->count, sizeof(*g->plants));
    g->waiting = troupe_take_from(self);
    return g->plants == NULL ? (int)TROUPE_E_NO_MEMORY : garden_on_more(self, state, NULL);
}

static int garden_on_get(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const garden_info info = garden_stand(state);
    return troupe_reply(self, &garden_info_type, &info);
}

static int garden_on_get_slice(troupe_self *self, void *state, const void *message)
{
    const garden *g = state;
    const uint64_t first = ((const get_slice *)message)->first;
    const uint64_t left = first < g->planted ? g->planted - first : 0;
    const slice answer = {.pids = g->plants + (left > 0 ? first : 0),
                          .pids_count = left < SLICE ? left : SLICE};
    return troupe_reply(self, &slice_type, &answer);
}

static void garden_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)reason;
    free(((garden *)state)->plants);
}

static const troupe_handler garden_handlers[] = {{&more_type, garden_on_more},
                                                 {&plant_order_type, garden_on_order},
                                                 {&get_garden_type, garden_on_get},
                                                 {&get_slice_type, garden_on_get_slice},
                                                 {0}};
const troupe_behavior remote_garden_behavior = {.name = "bench.remote_garden",
                                                .version = 1,
                                                .state_size = sizeof(garden),
                                                .terminate = garden_terminate,
                                                .handlers = garden_handlers};

/* ---- the client's side: ties, each linked to one plant ---- */

/* What the ties share. */
static struct {
    troupe_from waiting;
    uint64_t count;
    _Atomic uint64_t exits;    /* handled, with the reason and the pid that they have to have */
    _Atomic uint64_t first_ns; /* when the first of them was */
    _Atomic uint64_t strange;  /* any other, and a second one of the same plant */
    _Atomic uint64_t ended;
} ties;

typedef struct tie {
    troupe_pid plant;
    bool exited;
} tie;

typedef struct tie_args {
    troupe_pid plant;
} tie_args;
TROUPE_TYPE(tie_args, "bench.tie_args", TROUPE_FIELD(tie_args, plant, 1));

static int tie_init(troupe_self *self, void *state, const void *args)
{
    tie *t = state;
    t->plant = ((const tie_args *)args)->plant;
    troupe_trap_exit(self, true);
    const troupe_status status = troupe_link(self, t->plant);
    return status != TROUPE_OK ? status : troupe_send(self, t->plant, &greeting_type, NULL);
}

static int tie_on_exit(troupe_self *self, void *state, const void *message)
{
    tie *t = state;
    const troupe_exit_message *e = message;
    if (t->exited || e->kind != TROUPE_REASON_NOCONNECTION ||
        !troupe_pid_equal(e->from, t->plant)) {
        (void)atomic_fetch_add(&ties.strange, 1);
        return TROUPE_OK;
    }
    t->exited = true;
    const uint64_t exits = atomic_fetch_add(&ties.exits, 1) + 1;
    if (exits == 1) {
        atomic_store(&ties.first_ns, (uint64_t)measure_now_ns());
    }
    return exits < ties.count
               ? (int)TROUPE_OK
               : (int)troupe_reply_to(self, &ties.waiting, &tally_type, &(tally){.count = exits});
}

static int tie_on_more(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_STOP;
}

static void tie_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)state;
    (void)reason;
    (void)atomic_fetch_add(&ties.ended, 1);
}

static const troupe_handler tie_handlers[] = {
    {&troupe_exit_type, tie_on_exit}, {&more_type, tie_on_more}, {0}};
static const troupe_behavior tie_behavior = {.name = "bench.remote_tie",
                                             .version = 1,
                                             .state_size = sizeof(tie),
                                             .args = &tie_args_type,
                                             .init = tie_init,
                                             .terminate = tie_terminate,
                                             .handlers = tie_handlers};

/* Starts the ties, kills, and sends the ties home. */
typedef struct weaver {
    troupe_from waiting;
    troupe_pid garden;
    troupe_pid *ties;
    uint64_t tied;
    uint64_t count;
} weaver;

static int weaver_then_slice(troupe_self *self, void *state, const troupe_result *result);

static int weaver_ask(troupe_self *self, const weaver *w)
{
    return troupe_call(self, w->garden, &get_slice_type, &(get_slice){.first = w->tied},
                       BENCH_TIMEOUT_MS, weaver_then_slice, 0);
}

static int weaver_then_slice(troupe_self *self, void *state, const troupe_result *result)
{
    weaver *w = state;
    const slice *s = troupe_result_as(result, &slice_type);
    if (s == NULL || s->pids_count == 0 || s->pids_count > w->count - w->tied) {
        return troupe_fail(self, "no slice: %s", troupe_status_text(result->status));
    }
    for (size_t i = 0; i < s->pids_count; i++) {
        const tie_args args = {.plant = s->pids[i]};
        const troupe_status status =
            troupe_spawn(self, &tie_behavior, &args, NULL, &w->ties[w->tied]);
        if (status != TROUPE_OK) {
            return status;
        }
        w->tied++;
    }
    if (w->tied < w->count) {
        return weaver_ask(self, w);
    }
    return troupe_reply_to(self, &w->waiting, &tally_type, &(tally){.count = w->tied});
}

static int weaver_on_start(troupe_self *self, void *state, const void *message)
{
    weaver *w = state;
    const start *s = message;
    w->waiting = troupe_take_from(self);
    w->garden = s->peer;
    w->count = s->count;
    w->ties = calloc(w->count, sizeof(*w->ties));
    return w->ties == NULL ? (int)TROUPE_E_NO_MEMORY : weaver_ask(self, w);
}

/* The last tie answers. */
static int weaver_on_kill(troupe_self *self, void *state, const void *message)
{
    (void)state;
    ties.waiting = troupe_take_from(self);
    if (kill((pid_t)((const kill_order *)message)->process, SIGKILL) != 0) {
        return troupe_fail(self, "kill: %s", strerror(errno));
    }
    return TROUPE_OK;
}

static int weaver_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    const weaver *w = state;
    troupe_status status = TROUPE_OK;
    for (uint64_t i = 0; i < w->tied && status == TROUPE_OK; i++) {
        status = troupe_send(self, w->ties[i], &more_type, NULL);
    }
    return status == TROUPE_OK ? (int)TROUPE_STOP : (int)status;
}

static void weaver_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    (void)reason;
    free(((weaver *)state)->ties);
}

static const troupe_handler weaver_handlers[] = {{&start_type, weaver_on_start},
                                                 {&kill_order_type, weaver_on_kill},
                                                 {&more_type, weaver_on_more},
                                                 {0}};
static const troupe_behavior weaver_behavior = {.name = "bench.weaver",
                                                .version = 1,
                                                .state_size = sizeof(weaver),
                                                .terminate = weaver_terminate,
                                                .handlers = weaver_handlers};

/* ---- the run ---- */

static garden_info ask_garden(const remote_run *r, const troupe_type *type, const void *message)
{
    troupe_result result = {0};
    bench_must(troupe_node_call(r->node, r->peer, type, message, BENCH_TIMEOUT_MS, &result),
               type->name);
    const garden_info *answer = troupe_result_as(&result, &garden_info_type);
    bench_must(answer == NULL ? TROUPE_E_TYPE : TROUPE_OK, type->name);
    garden_info copy = {0};
    if (answer != NULL) {
        copy = *answer;
    }
    troupe_result_clear(&result);
    return copy;
}

/* Until every plant knows of its link. */
static void wait_greeted(const remote_run *r)
{
    const int64_t deadline = measure_now_ns() + (int64_t)BENCH_TIMEOUT_MS * 1000000;
    uint64_t known = 0;
    while (known != r->count) {
        known = ask_garden(r, &get_garden_type, NULL).greeted;
        if (measure_now_ns() > deadline) {
            measure_expect("links that have arrived", r->count, known);
        }
    }
}

void remote_links(const remote_run *r)
{
    ties.count = r->count;
    const garden_info stand = ask_garden(r, &plant_order_type, &(plant_order){.count = r->count});
    measure_expect("plants", r->count, stand.plants);
    const troupe_pid mother = bench_spawn(r->node, &weaver_behavior, NULL);
    troupe_node_info before = {.struct_size = sizeof(before)};
    troupe_node_get_info(r->node, &before);
    const int64_t first = measure_now_ns();
    const start s = {.peer = r->peer, .count = r->count};
    measure_expect("ties", r->count, bench_ask(r->node, mother, &start_type, &s));
    wait_greeted(r);
    const int64_t setup = measure_now_ns() - first;
    measure_settle(); /* What the nodes write about the links behind the calls is not the death. */
    const double cpu = measure_cpu_s();
    const int64_t began = measure_now_ns();
    const kill_order order = {.process = stand.process};
    measure_expect("exits", r->count, bench_ask(r->node, mother, &kill_order_type, &order));
    const int64_t ns = measure_now_ns() - began;
    const double used = measure_cpu_s() - cpu;
    /* A second EXIT of a link would come before this, and be seen. */
    bench_must(troupe_node_send(r->node, mother, &more_type, NULL), "the end");
    bench_wait_actors(r->node, before.actors - 1);
    measure_expect("ties that ended", r->count, atomic_load(&ties.ended));
    measure_expect("exits", r->count, atomic_load(&ties.exits));
    measure_expect("strange exits", 0, atomic_load(&ties.strange));
    const int64_t seen = (int64_t)atomic_load(&ties.first_ns) - began;
    measure_figure("remote-links", (double)ns / 1e6, "ms");
    measure_figure("remote-links-first", (double)seen / 1e6, "ms");
    measure_figure("remote-links-cpu", used * 1e3, "ms");
    measure_figure("remote-links-setup", (double)setup / 1e6, "ms");
}
