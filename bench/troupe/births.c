#include "births.h"

#include <stdatomic.h>

/* What the children of the present run share. The parent writes all but done before the first child
 * exists; done is only a count, and the child that sees the last one needs no more than that. */
static struct {
    troupe_from waiting;
    uint64_t count;
    _Atomic uint64_t done;
} births;

static int child_handled(troupe_self *self, const number *n)
{
    const uint64_t done = atomic_fetch_add(&births.done, (uint64_t)n->value) + (uint64_t)n->value;
    if (done != births.count) {
        return TROUPE_OK;
    }
    return troupe_reply_to(self, &births.waiting, &tally_type, &(tally){.count = done});
}

static int mortal_on_number(troupe_self *self, void *state, const void *message)
{
    (void)state;
    const int status = child_handled(self, message);
    return status == TROUPE_OK ? TROUPE_STOP : status;
}

static int staying_on_number(troupe_self *self, void *state, const void *message)
{
    (void)state;
    return child_handled(self, message);
}

static const troupe_handler mortal_handlers[] = {{&number_type, mortal_on_number}, {0}};
static const troupe_behavior mortal_behavior = {
    .name = "bench.mortal", .version = 1, .handlers = mortal_handlers};
static const troupe_handler staying_handlers[] = {{&number_type, staying_on_number}, {0}};
static const troupe_behavior staying_behavior = {
    .name = "bench.staying", .version = 1, .handlers = staying_handlers};

typedef struct parent {
    const troupe_behavior *behavior;
    uint64_t left;
} parent;

/* Asks for count children; answered when each has handled its message. */
typedef struct brood {
    uint64_t count;
    bool stay;
} brood;
TROUPE_TYPE(brood, "bench.brood", TROUPE_FIELD(brood, count, 1), TROUPE_FIELD(brood, stay, 2));

static int parent_on_brood(troupe_self *self, void *state, const void *message)
{
    parent *p = state;
    const brood *b = message;
    p->behavior = b->stay ? &staying_behavior : &mortal_behavior;
    p->left = b->count;
    births.waiting = troupe_take_from(self);
    births.count = b->count;
    atomic_store(&births.done, 0);
    return troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static int parent_on_more(troupe_self *self, void *state, const void *message)
{
    (void)message;
    parent *p = state;
    troupe_status status = TROUPE_OK;
    for (uint32_t i = 0; i < BENCH_BATCH && status == TROUPE_OK && p->left > 0; i++) {
        troupe_pid child;
        status = troupe_spawn(self, p->behavior, NULL, NULL, &child);
        if (status == TROUPE_OK) {
            p->left--;
            status = troupe_send(self, child, &number_type, &(number){.value = 1});
        }
    }
    if (status != TROUPE_OK) {
        return status;
    }
    /* It stays: a request that it took and nobody has answered would fail with its end. */
    return p->left == 0 ? TROUPE_OK
                        : (int)troupe_send(self, troupe_self_pid(self), &more_type, NULL);
}

static const troupe_handler parent_handlers[] = {
    {&more_type, parent_on_more}, {&brood_type, parent_on_brood}, {0}};
static const troupe_behavior parent_behavior = {.name = "bench.parent",
                                                .version = 1,
                                                .state_size = sizeof(parent),
                                                .handlers = parent_handlers};

int64_t births_run(troupe_node *node, uint64_t count, bool stay)
{
    const troupe_pid mother = bench_spawn(node, &parent_behavior, NULL);
    const brood request = {.count = count, .stay = stay};
    const int64_t began = measure_now_ns();
    const uint64_t done = bench_ask(node, mother, &brood_type, &request);
    const int64_t ns = measure_now_ns() - began;
    measure_expect("children that handled their message", count, done);
    bench_end(node, mother);
    return ns;
}
