#include "ring.h"

/* Of this program, set before the node starts. */
static const char *ring_figure;
static uint64_t ring_actors;

typedef struct member {
    troupe_from waiting; /* of the first one */
    troupe_pid next;
    uint64_t hops;
} member;

/* Whom to pass the token to. */
typedef struct neighbour {
    troupe_pid pid;
} neighbour;
TROUPE_TYPE(neighbour, "bench.neighbour", TROUPE_FIELD(neighbour, pid, 1));

static int member_init(troupe_self *self, void *state, const void *args)
{
    (void)self;
    if (args != NULL) {
        ((member *)state)->next = ((const neighbour *)args)->pid;
    }
    return TROUPE_OK;
}

static const troupe_behavior member_behavior;

/* Asks the first one to start the others, from the one before it backwards. */
static int member_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    neighbour next = {.pid = troupe_self_pid(self)};
    for (uint64_t i = 1; i < ring_actors; i++) {
        const troupe_status status = troupe_spawn(self, &member_behavior, &next, NULL, &next.pid);
        if (status != TROUPE_OK) {
            return status;
        }
    }
    ((member *)state)->next = next.pid;
    return troupe_reply(self, &tally_type, &(tally){0});
}

/* The token says how many hops are left. Who gets it with none left tells the first member. */
static int member_on_number(troupe_self *self, void *state, const void *message)
{
    member *m = state;
    const number *token = message;
    m->hops++;
    if (token->value > 0) {
        return troupe_send(self, m->next, &number_type, &(number){.value = token->value - 1});
    }
    return m->waiting.ref != 0
               ? (int)troupe_reply_to(self, &m->waiting, &tally_type, &(tally){.count = m->hops})
               : (int)troupe_fail(self, "the token stopped at the wrong member");
}

static int member_on_start(troupe_self *self, void *state, const void *message)
{
    member *m = state;
    m->waiting = troupe_take_from(self);
    return troupe_send(self, m->next, &number_type,
                       &(number){.value = (int64_t)((const start *)message)->count - 1});
}

static const troupe_handler member_handlers[] = {{&number_type, member_on_number},
                                                 {&more_type, member_on_more},
                                                 {&start_type, member_on_start},
                                                 {0}};
static const troupe_behavior member_behavior = {.name = "bench.ring_member",
                                                .version = 1,
                                                .state_size = sizeof(member),
                                                .args = &neighbour_type,
                                                .init = member_init,
                                                .handlers = member_handlers};

static void run(troupe_node *node, uint64_t count, bool report)
{
    const uint64_t rounds = count / ring_actors > 0 ? count / ring_actors : 1;
    const troupe_pid first = bench_spawn(node, &member_behavior, NULL);
    (void)bench_ask(node, first, &more_type, NULL);
    const start order = {.count = rounds * ring_actors};
    const int64_t began = measure_now_ns();
    const uint64_t hops = bench_ask(node, first, &start_type, &order);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("times that the token came round", rounds, hops);
    if (report) {
        measure_rate(ring_figure, rounds * ring_actors, ns, "hops/s");
    }
}

int ring_main(int argc, char **argv, const char *figure, uint64_t actors)
{
    ring_figure = figure;
    ring_actors = actors;
    return bench_main(argc, argv, run);
}
