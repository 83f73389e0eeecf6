/* A played node: its clock, its turns, its beginning and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "kit/kit.h"

enum {
    BEGIN_MS = 1000000,
    WORKERS_MAX = 4,
    TRACE_LINES = 4096,
    TRACE_LINES_MAX = 1000000,
    TURNS_APART = 16,       /* how far the seed moves a worker's count of turns, at most */
    FRUITLESS_MAX = 100000, /* looks for something to do while a blocking call waits */
    STOP_TIMEOUT_MS = 10000 /* virtual: for those that stop slowly, at the end of a test */
};

static int64_t now(void *context)
{
    return ((const struct troupe_test *)context)->now_ns;
}

/* ---- turns ---- */

/* Lets one worker, chosen by the seed, run one actor. */
static bool run_one(struct troupe_test *test)
{
    struct tr_sched *sched = test->node->sched;
    const uint32_t workers = sched->options.workers;
    const uint32_t start = (uint32_t)tr_rng_below(&test->rng, workers);

    for (uint32_t i = 0; i < workers; i++) {
        struct tr_worker *worker = &sched->workers[(start + i) % workers];

        /* What is done every so many turns (looking at the clock, at what other threads injected)
         * is done at turns that the seed chooses. */
        worker->turns += (uint32_t)tr_rng_below(&test->rng, TURNS_APART);
        worker->batch = 1 + (uint32_t)tr_rng_below(&test->rng, test->batch_max);
        struct tr_actor *actor = tr_worker_take(worker);

        if (actor != NULL) {
            struct tr_memory_plan *plan = tr_kit_pause();
            struct tr_trace_line *line = tr_trace_add(test, TR_TRACE_RUN);
            const uint64_t word = tr_load_relaxed(&actor->inbox.word);

            if (word == TR_INBOX_IDLE || word == TR_INBOX_CLOSED_MARK) {
                tr_kit_fail(test, "worker %u is to run an actor whose turn it is not",
                            worker->index);
            }

            line->actor_id = tr_load_relaxed(&actor->id);
            line->words = actor->behavior->name;
            line->worker = worker->index;
            line->batch = worker->batch;
            tr_kit_resume(plan);
            const bool inside = test->inside;

            test->inside = true;
            tr_worker_run(worker, actor);
            test->inside = inside;
            return true;
        }
    }
    return false;
}

static void fire_timers(struct troupe_test *test)
{
    struct tr_sched *sched = test->node->sched;
    const uint32_t start = (uint32_t)tr_rng_below(&test->rng, sched->options.workers);

    for (uint32_t i = 0; i < sched->options.workers; i++) {
        struct tr_worker *worker = &sched->workers[(start + i) % sched->options.workers];

        if (tr_load32_relaxed(&worker->wheel_count) > 0) {
            tr_worker_expire(worker, worker, test->now_ns);
        }
    }
}

bool troupe_test_step(troupe_test *test)
{
    struct tr_memory_plan *plan = tr_memory_plan;

    tr_memory_plan = test->plan.count > 0 || test->plan.per_million > 0 ? &test->plan : NULL;
    if (!tr_sched_has_work(test->node->sched)) {
        fire_timers(test);
    }
    const bool ran = run_one(test);

    tr_memory_plan = plan;
    test->fruitless = ran ? 0 : test->fruitless;
    return ran;
}

void troupe_test_settle(troupe_test *test)
{
    while (troupe_test_step(test)) {
    }
}

/* ---- ends ---- */

static void on_ended(void *context, struct tr_actor *actor, int32_t reason_kind)
{
    const struct troupe_node *node = context;
    struct troupe_test *test = node->driver->context;
    struct tr_memory_plan *plan = tr_kit_pause();
    struct tr_trace_line *line = tr_trace_add(test, TR_TRACE_END);

    line->actor_id = tr_load_relaxed(&actor->id);
    line->words = actor->behavior->name;
    line->reason_kind = reason_kind;
    if (test->ended_count == test->ended_capacity) {
        test->ended_capacity = test->ended_capacity == 0 ? 16 : test->ended_capacity * 2;
        test->ended = tr_kit_alloc(test, test->ended, test->ended_capacity * sizeof(*test->ended));
    }
    test->ended[test->ended_count++] =
        (struct tr_ended){.id = tr_load_relaxed(&actor->id), .kind = reason_kind};
    tr_kit_resume(plan);
    test->outward_ended(context, actor, reason_kind);
}

bool tr_kit_ended(const struct troupe_test *test, uint64_t actor_id, int32_t *kind)
{
    for (size_t i = test->ended_count; i-- > 0;) {
        if (test->ended[i].id == actor_id) {
            *kind = test->ended[i].kind;
            return true;
        }
    }
    return false;
}

/* ---- time ---- */

static void set_time(struct troupe_test *test, int64_t now_ns)
{
    struct tr_memory_plan *plan = tr_kit_pause();

    if (now_ns > test->now_ns) {
        test->now_ns = now_ns;
        (void)tr_trace_add(test, TR_TRACE_TIME);
    }
    tr_kit_resume(plan);
}

int64_t troupe_test_now_ms(const troupe_test *test)
{
    return test->now_ns / TR_NS_PER_MS;
}

uint64_t troupe_test_next_timer_ms(const troupe_test *test)
{
    const struct tr_sched *sched = test->node->sched;
    const uint64_t now_ms = (uint64_t)troupe_test_now_ms(test);
    uint64_t next_ms = UINT64_MAX;

    for (uint32_t i = 0; i < sched->options.workers; i++) {
        const uint64_t one_ms = tr_wheel_next_ms(&sched->workers[i].wheel);

        next_ms = one_ms < next_ms ? one_ms : next_ms;
    }
    if (next_ms == UINT64_MAX) {
        return UINT64_MAX;
    }
    return next_ms > now_ms ? next_ms - now_ms : 0;
}

bool tr_kit_go_on(struct troupe_test *test, int64_t until_ns)
{
    if (troupe_test_step(test)) {
        return true;
    }
    const uint64_t next_ms = troupe_test_next_timer_ms(test);

    /* What is due and does not fire waits for memory. */
    if (next_ms == 0 || next_ms > (uint64_t)(until_ns - test->now_ns) / TR_NS_PER_MS) {
        return false;
    }
    set_time(test, test->now_ns + (int64_t)next_ms * TR_NS_PER_MS);
    return true;
}

void troupe_test_advance(troupe_test *test, uint64_t ms)
{
    const int64_t until_ns = test->now_ns + (int64_t)ms * TR_NS_PER_MS;

    while (tr_kit_go_on(test, until_ns)) {
    }
    set_time(test, until_ns);
    troupe_test_settle(test);
}

void troupe_test_jump(troupe_test *test, uint64_t ms)
{
    set_time(test, test->now_ns + (int64_t)ms * TR_NS_PER_MS);
}

/* What a blocking call does instead of waiting. When nobody can do anything it is a deadline that
 * is waited for, so time passes, and ever faster. */
static void drive(void *context)
{
    struct troupe_test *test = context;

    if (tr_kit_go_on(test, INT64_MAX)) {
        return;
    }
    if (++test->fruitless > FRUITLESS_MAX) {
        test->inside = true;
        tr_kit_fail(test, "a blocking call does not end: nobody has anything to do");
    }
    set_time(test,
             test->now_ns + (TR_NS_PER_MS << (test->fruitless < 10 ? test->fruitless - 1 : 10)));
}

/* ---- memory ---- */

static void start_plan(struct troupe_test *test, const struct tr_memory_plan *plan)
{
    test->plan = *plan;
    tr_memory_plan = &test->plan;
}

void troupe_test_fail_memory(troupe_test *test, uint64_t n, bool onwards)
{
    start_plan(test, &(struct tr_memory_plan){.first = n, .count = onwards ? UINT64_MAX : 1});
}

void troupe_test_fail_memory_by_chance(troupe_test *test, uint32_t per_million)
{
    start_plan(test, &(struct tr_memory_plan){.per_million = per_million,
                                              .rng = {.state = tr_rng_next(&test->rng)}});
}

uint64_t troupe_test_heal_memory(troupe_test *test, uint64_t *asked)
{
    const uint64_t refused = test->plan.refused;

    if (asked != NULL) {
        *asked = test->plan.asked;
    }
    test->plan = (struct tr_memory_plan){0};
    tr_memory_plan = NULL;
    return refused;
}

/* ---- beginning and end ---- */

static void log_line(void *context, int32_t level, const char *node, const char *text)
{
    struct troupe_test *test = context;

    troupe_test_note(test, "log: %s", text);
    if (test->log != NULL) {
        test->log(test->log_context, level, node, text);
    }
}

void troupe_test_options_init(troupe_test_options *options)
{
    *options = (troupe_test_options){.struct_size = sizeof(*options),
                                     .workers = 2,
                                     .batch_max = TR_BATCH_MESSAGES,
                                     .trace_lines = TRACE_LINES};
}

static bool is_valid(const troupe_test_options *options)
{
    return options->struct_size == sizeof(*options) && options->workers >= 1 &&
           options->workers <= WORKERS_MAX && options->batch_max >= 1 &&
           options->batch_max <= TR_BATCH_MESSAGES && options->trace_lines >= 1 &&
           options->trace_lines <= TRACE_LINES_MAX &&
           (options->config == NULL || options->config->registry == NULL);
}

static troupe_status start_node(struct troupe_test *test, const troupe_test_options *options)
{
    troupe_config config;

    troupe_config_init(&config);
    config.actors_max = TR_TABLE_CHUNK * 64; /* A small table is made in no time. */
    if (options->config != NULL) {
        config = *options->config;
    }
    config.workers = options->workers;
    config.seed = test->seed;
    test->log = config.log;
    test->log_context = config.log_context;
    config.log = log_line;
    config.log_context = test;
    return tr_node_start(&config, &test->driver, &test->node, NULL, 0);
}

troupe_status troupe_test_create(const troupe_test_options *options, troupe_test **out)
{
    uint64_t seed = options->seed;

    if (!is_valid(options)) {
        return TROUPE_E_INVALID;
    }
    if (seed == 0 && getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        return TROUPE_E_SYSTEM;
    }
    struct troupe_test *test = calloc(1, sizeof(*test));

    if (test == NULL) {
        return TROUPE_E_NO_MEMORY;
    }
    test->seed = seed;
    test->rng.state = seed;
    test->batch_max = options->batch_max;
    test->now_ns = BEGIN_MS * TR_NS_PER_MS;
    test->clock = (struct tr_clock){.context = test, .now = now, .coarse = now};
    test->driver = (struct tr_driver){.clock = &test->clock, .step = drive, .context = test};
    test->trace.lines_max = options->trace_lines;
    test->fail = options->fail;
    test->fail_context = options->fail_context;
    const troupe_status status = start_node(test, options);

    if (status == TROUPE_OK) {
        test->outward_ended = test->node->sched->options.outward.ended;
        test->node->sched->options.outward.ended = on_ended;
    }
    if (status != TROUPE_OK) {
        tr_trace_fini(&test->trace);
        free(test);
        return status;
    }
    *out = test;
    return TROUPE_OK;
}

void troupe_test_destroy(troupe_test *test)
{
    if (test == NULL || test->broken) {
        return;
    }
    (void)troupe_test_heal_memory(test, NULL);
    troupe_node_stop(test->node, STOP_TIMEOUT_MS);
    tr_probes_free(test);
    tr_trace_fini(&test->trace);
    free(test->ended);
    free(test->report);
    free(test);
}

troupe_node *troupe_test_node(troupe_test *test)
{
    return test->node;
}

uint64_t troupe_test_seed(const troupe_test *test)
{
    return test->seed;
}
