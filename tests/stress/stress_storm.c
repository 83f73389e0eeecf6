/* What is tested: actors that spawn, link, watch, name, call, time, kill and end each other at
 * random on four workers, while other threads call them.
 *
 * Keepers, whom nobody harms, start them linked and monitored. Whatever happens, each keeper gets
 * one DOWN and one EXIT for each actor that it started: no more, no less. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/actors.h"

enum { KEEPERS = 6, WORKERS = 4, TARGETS = 64, CALLERS = 2, NAMES = 8 };
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { EACH = 4000 };
#else
enum { EACH = 8000 };
#endif

static uint64_t seed;
static atomic_ullong targets[TARGETS]; /* ids of imps, alive or not */
static atomic_ullong draws;

TROUPE_TYPE_EMPTY(tick, "test.tick");

static troupe_pid some_target(struct tr_rng *rng, uint64_t node)
{
    return (troupe_pid){.node = node, .id = atomic_load(&targets[tr_rng_below(rng, TARGETS)])};
}

/* ---- imps ---- */

struct imp {
    struct tr_rng rng;
    uint64_t monitors[4];
    uint64_t timer;
    int left; /* ticks */
};

static int imp_init(troupe_self *self, void *state, const void *args)
{
    struct imp *imp = state;

    (void)args;
    imp->rng.state = seed + atomic_fetch_add(&draws, 1) * 7919;
    imp->left = 3 + (int)tr_rng_below(&imp->rng, 12);
    atomic_store(&targets[tr_rng_below(&imp->rng, TARGETS)], troupe_self_pid(self).id);
    if (tr_rng_below(&imp->rng, 40) == 0) {
        return TROUPE_STOP;
    }
    return troupe_send(self, troupe_self_pid(self), &tick_type, NULL);
}

static int ignore_result(troupe_self *self, void *state, const troupe_result *result)
{
    (void)self;
    (void)state;
    (void)result;
    return TROUPE_OK;
}

static troupe_status use_name(troupe_self *self, struct imp *imp)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "imp %u", (unsigned)tr_rng_below(&imp->rng, NAMES));
    switch (tr_rng_below(&imp->rng, 4)) {
    case 0:
        return troupe_unregister(self, name, 1000, ignore_result, 0);
    case 1:
        return troupe_whereis(self, name, 1000, ignore_result, 0);
    case 2:
        return troupe_send_name(self, name, &tick_type, NULL);
    default: {
        /* Refused at once when it has a name already. */
        const troupe_status status = troupe_register(self, name, 1000, ignore_result, 0);

        return status == TROUPE_E_INVALID ? TROUPE_OK : status;
    }
    }
}

static troupe_status relate(troupe_self *self, struct imp *imp, troupe_pid other)
{
    uint64_t *monitor = &imp->monitors[tr_rng_below(&imp->rng, 4)];

    switch (tr_rng_below(&imp->rng, 5)) {
    case 0:
    case 1:
        return troupe_link(self, other);
    case 2:
        return troupe_unlink(self, other);
    case 3:
        return troupe_monitor(self, other, monitor);
    default:
        return troupe_demonitor(self, *monitor);
    }
}

static troupe_status keep_time(troupe_self *self, struct imp *imp, troupe_pid other)
{
    switch (tr_rng_below(&imp->rng, 4)) {
    case 0:
        return troupe_send_after(self, tr_rng_below(&imp->rng, 3), other, &tick_type, NULL,
                                 &imp->timer);
    case 1:
        return troupe_send_interval(self, 1 + tr_rng_below(&imp->rng, 3), troupe_self_pid(self),
                                    &tick_type, NULL, &imp->timer);
    case 2:
        (void)troupe_cancel_timer(self, imp->timer);
        return TROUPE_OK;
    default:
        return troupe_idle_timeout(self, tr_rng_below(&imp->rng, 3));
    }
}

static int on_tick(troupe_self *self, void *state, const void *message)
{
    struct imp *imp = state;
    const troupe_pid other = some_target(&imp->rng, troupe_self_pid(self).node);
    troupe_status status = TROUPE_OK;

    (void)message;
    switch (tr_rng_below(&imp->rng, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        status = relate(self, imp, other);
        break;
    case 4:
    case 5:
        status = keep_time(self, imp, other);
        break;
    case 6:
        status = use_name(self, imp);
        break;
    case 7:
        troupe_trap_exit(self, tr_rng_below(&imp->rng, 2) == 0);
        break;
    case 8:
        status = troupe_exit(self, other, (int32_t)tr_rng_below(&imp->rng, 8), "at random");
        break;
    case 9:
        return troupe_fail(self, "at random");
    case 10:
    case 11:
        status = troupe_call(self, other, &ask_type, &(ask){.how = ASK_REPLY},
                             1 + (uint32_t)tr_rng_below(&imp->rng, 3), ignore_result, 0);
        break;
    default:
        status = troupe_send(self, other, &tick_type, NULL);
        break;
    }
    if (--imp->left <= 0) {
        return TROUPE_STOP;
    }
    if (status != TROUPE_OK && status != TROUPE_E_BUSY) {
        return status;
    }
    status = troupe_send(self, troupe_self_pid(self), &tick_type, NULL);
    return status == TROUPE_E_BUSY ? TROUPE_STOP : (int)status;
}

static int on_imp_ask(troupe_self *self, void *state, const void *message)
{
    struct imp *imp = state;
    const ask *a = message;

    switch (tr_rng_below(&imp->rng, 4)) {
    case 0:
        (void)troupe_take_from(self);
        return TROUPE_OK;
    case 1:
        return TROUPE_OK;
    default:
        return troupe_reply(self, &number_type, &(number){.value = a->value});
    }
}

static int ignore(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)state;
    (void)message;
    return TROUPE_OK;
}

static const troupe_handler imp_handlers[] = {
    {&tick_type, on_tick},       {&ask_type, on_imp_ask},        {&troupe_exit_type, ignore},
    {&troupe_down_type, ignore}, {&troupe_timeout_type, ignore}, {0}};
static const troupe_behavior imp_behavior = {.name = "test.imp",
                                             .state_size = sizeof(struct imp),
                                             .init = imp_init,
                                             .handlers = imp_handlers};

/* ---- keepers ---- */

static atomic_int started_all;
static atomic_int downs[KEEPERS];
static atomic_int exits[KEEPERS];
static atomic_int started[KEEPERS];

struct keeper {
    int index;
};

static int keeper_init(troupe_self *self, void *state, const void *args)
{
    ((struct keeper *)state)->index = *(const int *)args;
    troupe_trap_exit(self, true);
    return troupe_send(self, troupe_self_pid(self), &tick_type, NULL);
}

static int keeper_on_tick(troupe_self *self, void *state, const void *message)
{
    const int index = ((struct keeper *)state)->index;

    (void)message;
    for (int i = 0; i < 8; i++) {
        troupe_spawn_options options = {.flags = TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR};
        troupe_pid pid = {0};
        const troupe_status status = troupe_spawn(self, &imp_behavior, NULL, &options, &pid);

        if (status != TROUPE_OK) {
            return status;
        }
        if (atomic_fetch_add(&started[index], 1) + 1 == EACH) {
            (void)atomic_fetch_add(&started_all, 1);
            return TROUPE_OK;
        }
    }
    return troupe_send(self, troupe_self_pid(self), &tick_type, NULL);
}

static int keeper_on_exit(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;

    if (troupe_pid_is_none(exit->from)) {
        return troupe_stop(self, exit->kind, NULL);
    }
    (void)atomic_fetch_add(&exits[((struct keeper *)state)->index], 1);
    return TROUPE_OK;
}

static int keeper_on_down(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)message;
    (void)atomic_fetch_add(&downs[((struct keeper *)state)->index], 1);
    return TROUPE_OK;
}

static const troupe_handler keeper_handlers[] = {{&tick_type, keeper_on_tick},
                                                 {&troupe_exit_type, keeper_on_exit},
                                                 {&troupe_down_type, keeper_on_down},
                                                 {0}};
static const troupe_behavior keeper_behavior = {.name = "test.keeper",
                                                .state_size = sizeof(struct keeper),
                                                .init = keeper_init,
                                                .handlers = keeper_handlers};

/* ---- other threads ---- */

struct caller {
    pthread_t thread;
    struct stage *stage;
    struct tr_rng rng;
    uint64_t node;
    uint64_t calls;
    int late;
};

static atomic_bool over;

static void *call_at_random(void *context)
{
    struct caller *caller = context;

    while (!atomic_load(&over)) {
        const troupe_pid pid = some_target(&caller->rng, caller->node);
        const int64_t before = clock_ms();
        troupe_result result = {0};
        const troupe_status status = troupe_node_call(caller->stage->node, pid, &ask_type,
                                                      &(ask){.how = ASK_REPLY}, 5, &result);

        (void)status; /* Anything may be the answer; but there is one, in time. */
        caller->late += clock_ms() - before > DEADLINE_MS / 2 ? 1 : 0;
        caller->calls++;
        troupe_result_clear(&result);
        if (tr_rng_below(&caller->rng, 4) == 0) {
            const troupe_status killed =
                troupe_node_exit(caller->stage->node, pid, TROUPE_REASON_KILL, NULL);

            (void)killed;
        }
    }
    return NULL;
}

static bool all_told(void *context)
{
    (void)context;
    if (atomic_load(&started_all) < KEEPERS) {
        return false;
    }
    for (int i = 0; i < KEEPERS; i++) {
        if (atomic_load(&downs[i]) < EACH || atomic_load(&exits[i]) < EACH) {
            return false;
        }
    }
    return true;
}

static void run_storm(void)
{
    struct stage *stage = stage_begin(WORKERS);
    struct caller callers[CALLERS] = {0};

    atomic_store(&over, false);
    for (int i = 0; i < KEEPERS; i++) {
        troupe_pid pid = {0};

        assert_int_equal(troupe_node_spawn(stage->node, &keeper_behavior, &i, NULL, &pid),
                         TROUPE_OK);
    }
    for (int i = 0; i < CALLERS; i++) {
        callers[i].stage = stage;
        callers[i].rng.state = seed + (uint64_t)i;
        callers[i].node = stage_info(stage).node_id;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_at_random, &callers[i]), 0);
    }
    const bool told = wait_until(all_told, NULL);

    atomic_store(&over, true);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].late, 0);
        (void)printf("%llu calls\n", (unsigned long long)callers[i].calls);
    }
    for (int i = 0; i < KEEPERS; i++) {
        (void)printf("keeper %d: started %d, downs %d, exits %d\n", i, atomic_load(&started[i]),
                     atomic_load(&downs[i]), atomic_load(&exits[i]));
    }
    assert_true(told);
    stage_wait_actors(stage, KEEPERS);
    stage_end(stage);
}

static void each_end_is_told_exactly_once(void **state)
{
    (void)state;
    run_storm();
    for (int i = 0; i < KEEPERS; i++) {
        assert_int_equal(atomic_load(&started[i]), EACH);
        assert_int_equal(atomic_load(&downs[i]), EACH);
        assert_int_equal(atomic_load(&exits[i]), EACH);
    }
}

static void a_node_can_be_stopped_in_a_storm(void **state)
{
    (void)state;
    for (int i = 0; i < 25; i++) {
        struct stage *stage = stage_begin(WORKERS);

        for (int k = 0; k < KEEPERS; k++) {
            troupe_pid pid = {0};

            atomic_store(&started[k], 0);
            assert_int_equal(troupe_node_spawn(stage->node, &keeper_behavior, &k, NULL, &pid),
                             TROUPE_OK);
        }
        while (stage_info(stage).actors_started < (uint64_t)i * 20) {
        }
        troupe_node_stop(stage->node, 50);
        stage->node = NULL;
        stage_end(stage);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_is_told_exactly_once),
        cmocka_unit_test(a_node_can_be_stopped_in_a_storm),
    };

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
