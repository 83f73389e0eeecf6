#include "support/actors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STOP_MS = 5000 };

/* ---- time ---- */

int64_t clock_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct timespec deadline(void)
{
    struct timespec until = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DEADLINE_MS / 1000;
    return until;
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

bool wait_until(bool (*condition)(void *context), void *context)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const int64_t until = clock_ms() + DEADLINE_MS;
    pthread_cond_t nobody_signals;

    cond_init(&nobody_signals);
    bool holds = condition(context);

    /* Looks every millisecond, so that who is waited for has the processors. */
    while (!holds && clock_ms() <= until) {
        struct timespec next = {0};

        (void)clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_nsec += 1000000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        (void)pthread_mutex_lock(&mutex);
        (void)pthread_cond_timedwait(&nobody_signals, &mutex, &next);
        (void)pthread_mutex_unlock(&mutex);
        holds = condition(context);
    }
    (void)pthread_cond_destroy(&nobody_signals);
    return holds;
}

/* ---- the stage ---- */

static void count_line(void *context, int32_t level, const char *node, const char *text)
{
    struct stage *stage = context;

    (void)level;
    (void)node;
    (void)text;
    (void)atomic_fetch_add(&stage->log_lines, 1);
}

struct stage *stage_begin_with(troupe_config *config)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    char error[256] = "";

    assert_non_null(stage);
    config->log = count_line;
    config->log_context = stage;
    if (troupe_node_start(config, &stage->node, error, sizeof(error)) != TROUPE_OK) {
        fail_msg("the node does not start: %s", error);
    }
    return stage;
}

int stage_run_tests(const struct CMUnitTest *tests, size_t count, uint32_t *workers)
{
    int failed = 0;

    for (*workers = 1; *workers <= 4; *workers *= 2) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%u workers", *workers);
        failed += _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    }
    return failed;
}

struct stage *stage_begin(uint32_t workers)
{
    troupe_config config;

    troupe_config_init(&config);
    config.workers = workers;
    return stage_begin_with(&config);
}

void stage_end(struct stage *stage)
{
    troupe_node_stop(stage->node, STOP_MS);
    for (size_t i = 0; i < stage->count; i++) {
        (void)pthread_cond_destroy(&stage->probes[i]->cond);
        (void)pthread_mutex_destroy(&stage->probes[i]->mutex);
        free(stage->probes[i]);
    }
    free(stage);
}

troupe_node_info stage_info(struct stage *stage)
{
    troupe_node_info info = {.struct_size = sizeof(info)};

    troupe_node_get_info(stage->node, &info);
    return info;
}

struct actors_goal {
    struct stage *stage;
    uint64_t count;
};

static bool has_actors(void *context)
{
    const struct actors_goal *goal = context;

    return stage_info(goal->stage).actors == goal->count;
}

void stage_wait_actors(struct stage *stage, uint64_t count)
{
    struct actors_goal goal = {.stage = stage, .count = count};

    if (!wait_until(has_actors, &goal)) {
        fail_msg("%llu actors are alive, not %llu", (unsigned long long)stage_info(stage).actors,
                 (unsigned long long)count);
    }
}

/* ---- what a probe writes down ---- */

static void note(struct probe *probe, const struct seen *seen, const char *text)
{
    (void)pthread_mutex_lock(&probe->mutex);
    if (probe->count < PROBE_SEEN_MAX) {
        struct seen *place = &probe->seen[probe->count++];

        *place = *seen;
        (void)snprintf(place->text, sizeof(place->text), "%s", text == NULL ? "(null)" : text);
    }
    (void)pthread_cond_broadcast(&probe->cond);
    (void)pthread_mutex_unlock(&probe->mutex);
}

const struct seen *probe_wait(struct probe *probe, size_t index)
{
    const struct timespec until = deadline();
    int waited = 0;

    (void)pthread_mutex_lock(&probe->mutex);
    while (probe->count <= index && waited == 0) {
        waited = pthread_cond_timedwait(&probe->cond, &probe->mutex, &until);
    }
    const bool there = probe->count > index;

    (void)pthread_mutex_unlock(&probe->mutex);
    if (!there) {
        fail_msg("the probe has not seen %zu things", index + 1);
    }
    return &probe->seen[index];
}

size_t probe_count(struct probe *probe)
{
    (void)pthread_mutex_lock(&probe->mutex);
    const size_t count = probe->count;

    (void)pthread_mutex_unlock(&probe->mutex);
    return count;
}

int probe_released(struct probe *probe)
{
    (void)pthread_mutex_lock(&probe->mutex);
    const int released = probe->released;

    (void)pthread_mutex_unlock(&probe->mutex);
    return released;
}

static const int64_t last_number = INT64_MIN + 1;

size_t probe_seen(struct probe *probe)
{
    const struct timespec until = deadline();
    size_t found = SIZE_MAX;
    int waited = 0;

    assert_int_equal(troupe_node_send(probe->stage->node, probe->pid, &number_type,
                                      &(number){.value = last_number}),
                     TROUPE_OK);
    (void)pthread_mutex_lock(&probe->mutex);
    while (found == SIZE_MAX && waited == 0) {
        for (size_t i = 0; i < probe->count; i++) {
            if (probe->seen[i].what == SAW_NUMBER && probe->seen[i].number == last_number) {
                found = i;
                probe->count--;
                memmove(&probe->seen[i], &probe->seen[i + 1],
                        (probe->count - i) * sizeof(probe->seen[0]));
                break;
            }
        }
        if (found == SIZE_MAX) {
            waited = pthread_cond_timedwait(&probe->cond, &probe->mutex, &until);
        }
    }
    (void)pthread_mutex_unlock(&probe->mutex);
    if (found == SIZE_MAX) {
        fail_msg("the probe does not answer a last number");
    }
    return found;
}

int32_t probe_end(struct probe *probe)
{
    int32_t kind = -1;

    assert_int_equal(troupe_node_join(probe->stage->node, probe->pid, DEADLINE_MS, &kind),
                     TROUPE_OK);
    return kind;
}

/* ---- the behavior ---- */

struct probe_state {
    struct probe *probe;
};

/* A function to run, by its address. */
typedef struct act {
    uint64_t fn;
    uint64_t context;
} act;
TROUPE_TYPE(act, "test.act", TROUPE_FIELD(act, fn, 1), TROUPE_FIELD(act, context, 2));

static int probe_init(troupe_self *self, void *state, const void *args)
{
    struct probe *probe = *(struct probe *const *)args;

    ((struct probe_state *)state)->probe = probe;
    probe->pid = troupe_self_pid(self);
    return TROUPE_OK;
}

static void probe_terminate(troupe_self *self, void *state, const troupe_reason *reason)
{
    (void)self;
    note(((struct probe_state *)state)->probe,
         &(struct seen){.what = SAW_TERMINATE, .kind = reason->kind}, reason->text);
}

static void probe_release(void *state)
{
    struct probe *probe = ((struct probe_state *)state)->probe;

    if (probe != NULL) {
        (void)pthread_mutex_lock(&probe->mutex);
        probe->released++;
        (void)pthread_mutex_unlock(&probe->mutex);
    }
}

static int on_number(troupe_self *self, void *state, const void *message)
{
    note(((struct probe_state *)state)->probe,
         &(struct seen){.what = SAW_NUMBER,
                        .number = ((const number *)message)->value,
                        .from = troupe_sender(self)},
         "");
    return TROUPE_OK;
}

static int on_exit_message(troupe_self *self, void *state, const void *message)
{
    const troupe_exit_message *exit = message;

    if (troupe_pid_is_none(exit->from)) {
        return troupe_stop(self, exit->kind, exit->text); /* The node stops. */
    }
    note(((struct probe_state *)state)->probe,
         &(struct seen){.what = SAW_EXIT, .from = exit->from, .kind = exit->kind}, exit->text);
    return TROUPE_OK;
}

static int on_down(troupe_self *self, void *state, const void *message)
{
    const troupe_down_message *down = message;

    (void)self;
    note(((struct probe_state *)state)->probe,
         &(struct seen){
             .what = SAW_DOWN, .from = down->from, .kind = down->kind, .ref = down->monitor},
         down->text);
    return TROUPE_OK;
}

static int on_timeout(troupe_self *self, void *state, const void *message)
{
    (void)self;
    (void)message;
    note(((struct probe_state *)state)->probe, &(struct seen){.what = SAW_TIMEOUT}, "");
    return TROUPE_OK;
}

static int on_act(troupe_self *self, void *state, const void *message)
{
    const act *a = message;
    const int answer = ((probe_fn)(uintptr_t)a->fn)(self, ((struct probe_state *)state)->probe,
                                                    (void *)(uintptr_t)a->context);
    const int replied = troupe_reply(self, &number_type, &(number){.value = answer});

    return replied != TROUPE_OK ? replied : answer;
}

static int reply(troupe_self *self, int64_t value)
{
    return troupe_reply(self, &number_type, &(number){.value = value});
}

static int on_ask(troupe_self *self, void *state, const void *message)
{
    struct probe *probe = ((struct probe_state *)state)->probe;
    const ask *a = message;

    switch ((enum how)a->how) {
    case ASK_REPLY:
        return reply(self, a->value);
    case ASK_TWICE:
        return reply(self, a->value) == TROUPE_OK ? reply(self, a->value + 1) : TROUPE_E_FAILED;
    case ASK_SILENT:
        break;
    case ASK_STOP:
        return reply(self, a->value) == TROUPE_OK ? TROUPE_STOP : TROUPE_E_FAILED;
    case ASK_DIE:
        return troupe_stop(self, TROUPE_REASON_ERROR, "asked to");
    case ASK_TAKE:
        probe->from = troupe_take_from(self);
        break;
    case ASK_TAKE_REPLY:
        probe->from = troupe_take_from(self);
        return reply(self, a->value);
    case ASK_FAIL:
        return troupe_fail(self, "no %d", (int)a->value);
    }
    return TROUPE_OK;
}

static const troupe_handler probe_handlers[] = {{&number_type, on_number},
                                                {&act_type, on_act},
                                                {&ask_type, on_ask},
                                                {&troupe_exit_type, on_exit_message},
                                                {&troupe_down_type, on_down},
                                                {&troupe_timeout_type, on_timeout},
                                                {0}};

const troupe_behavior probe_behavior = {.name = "test.probe",
                                        .version = 1,
                                        .state_size = sizeof(struct probe_state),
                                        .init = probe_init,
                                        .terminate = probe_terminate,
                                        .release = probe_release,
                                        .handlers = probe_handlers};

/* ---- from the test ---- */

struct probe *probe_create(struct stage *stage)
{
    struct probe *probe = calloc(1, sizeof(*probe));

    assert_non_null(probe);
    assert_true(stage->count < STAGE_PROBES_MAX);
    probe->stage = stage;
    (void)pthread_mutex_init(&probe->mutex, NULL);
    cond_init(&probe->cond);
    stage->probes[stage->count++] = probe;
    return probe;
}

struct probe *probe_spawn(struct stage *stage, const troupe_spawn_options *options)
{
    struct probe *probe = probe_create(stage);
    troupe_pid pid = {0};

    assert_int_equal(troupe_node_spawn(stage->node, &probe_behavior, &probe, options, &pid),
                     TROUPE_OK);
    assert_true(troupe_pid_equal(pid, probe->pid));
    return probe;
}

int probe_do(struct probe *probe, probe_fn fn, void *context)
{
    const act a = {.fn = (uint64_t)(uintptr_t)fn, .context = (uint64_t)(uintptr_t)context};
    troupe_result result = {0};
    int answer = INT32_MIN;
    const troupe_status status =
        troupe_node_call(probe->stage->node, probe->pid, &act_type, &a, DEADLINE_MS, &result);
    const number *value = troupe_result_as(&result, &number_type);

    if (value != NULL) {
        answer = (int)value->value;
    }
    troupe_result_clear(&result);
    assert_int_equal(status, TROUPE_OK);
    return answer;
}

void probe_post(struct probe *probe, probe_fn fn, void *context)
{
    const act a = {.fn = (uint64_t)(uintptr_t)fn, .context = (uint64_t)(uintptr_t)context};

    assert_int_equal(troupe_node_send(probe->stage->node, probe->pid, &act_type, &a), TROUPE_OK);
}

static int on_call_result(troupe_self *self, void *state, const troupe_result *result)
{
    const number *value = troupe_result_as(result, &number_type);

    (void)self;
    note(((struct probe_state *)state)->probe,
         &(struct seen){.what = SAW_RESULT,
                        .number = value == NULL ? INT64_MIN : value->value,
                        .from = result->pid,
                        .ref = result->tag,
                        .kind = result->reason.kind,
                        .status = result->status},
         result->reason.text);
    return TROUPE_OK;
}

static int do_call(troupe_self *self, struct probe *probe, void *context)
{
    const struct action *action = context;

    (void)probe;
    return troupe_call(self, action->pid, &ask_type, &action->ask, action->timeout_ms,
                       on_call_result, action->ref);
}

void probe_call(struct probe *probe, troupe_pid to, enum how how, int64_t value,
                uint32_t timeout_ms, uint64_t tag)
{
    struct action action = {.pid = to,
                            .ref = tag,
                            .ask = {.how = (int32_t)how, .value = value},
                            .timeout_ms = timeout_ms};

    assert_int_equal(probe_do(probe, do_call, &action), TROUPE_OK);
}

static int do_stop(troupe_self *self, struct probe *probe, void *context)
{
    const struct action *action = context;

    (void)probe;
    return troupe_stop(self, action->kind, action->text);
}

void probe_stop(struct probe *probe, int32_t kind, const char *text)
{
    assert_int_equal(probe_do(probe, do_stop, &(struct action){.kind = kind, .text = text}),
                     TROUPE_OK);
}

static int do_spawn(troupe_self *self, struct probe *probe, void *context)
{
    struct action *action = context;
    troupe_spawn_options options = {.flags = (uint32_t)action->kind};
    troupe_pid pid = {0};

    (void)probe;
    const troupe_status status =
        troupe_spawn(self, &probe_behavior, &action->child, &options, &pid);

    action->ref = options.monitor;
    return status;
}

struct probe *probe_spawn_child(struct probe *parent, uint32_t flags, uint64_t *monitor)
{
    struct action action = {.child = probe_create(parent->stage), .kind = (int32_t)flags};

    assert_int_equal(probe_do(parent, do_spawn, &action), TROUPE_OK);
    if (monitor != NULL) {
        *monitor = action.ref;
    }
    return action.child;
}

/* ---- gates ---- */

static int do_block(troupe_self *self, struct probe *probe, void *context)
{
    struct gate *gate = context;
    const struct timespec until = deadline();
    int waited = 0;

    (void)self;
    (void)probe;
    (void)pthread_mutex_lock(&gate->mutex);
    gate->entered = true;
    gate->inside++;
    (void)pthread_cond_broadcast(&gate->cond);
    while (!gate->open && waited == 0) {
        waited = pthread_cond_timedwait(&gate->cond, &gate->mutex, &until);
    }
    gate->inside--;
    (void)pthread_cond_broadcast(&gate->cond);
    (void)pthread_mutex_unlock(&gate->mutex);
    return TROUPE_OK;
}

void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    (void)pthread_mutex_init(&gate->mutex, NULL);
    cond_init(&gate->cond);
}

void gate_fini(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    while (gate->inside > 0) {
        (void)pthread_cond_wait(&gate->cond, &gate->mutex);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    (void)pthread_cond_destroy(&gate->cond);
    (void)pthread_mutex_destroy(&gate->mutex);
}

void probe_block(struct probe *probe, struct gate *gate)
{
    const struct timespec until = deadline();
    int waited = 0;

    gate->entered = false;
    gate->open = false;
    probe_post(probe, do_block, gate);
    (void)pthread_mutex_lock(&gate->mutex);
    while (!gate->entered && waited == 0) {
        waited = pthread_cond_timedwait(&gate->cond, &gate->mutex, &until);
    }
    const bool entered = gate->entered;

    (void)pthread_mutex_unlock(&gate->mutex);
    assert_true(entered);
}

void gate_open(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->open = true;
    (void)pthread_cond_broadcast(&gate->cond);
    (void)pthread_mutex_unlock(&gate->mutex);
}
