/* What is tested: functions that block, beside the actors' threads, through the public API, with
 * one worker, two and four. */
#include <stdlib.h>
#include <string.h>

#include "support/actors.h"

static uint32_t workers;
static struct stage *stage;
static struct probe *a, *b;

/* What a blocking function is given. */
struct work {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool began;
    bool may_end;
    bool ran;
    int answer;
    struct probe *tell;
    atomic_int released;
};

static struct work works[64];

static void work_init(struct work *work, bool may_end, int answer)
{
    memset(work, 0, sizeof(*work));
    (void)pthread_mutex_init(&work->mutex, NULL);
    (void)pthread_cond_init(&work->cond, NULL);
    work->may_end = may_end;
    work->answer = answer;
    work->tell = a;
}

static int run_work(void *context)
{
    struct work *work = context;

    (void)pthread_mutex_lock(&work->mutex);
    work->began = true;
    (void)pthread_cond_broadcast(&work->cond);
    while (!work->may_end) {
        (void)pthread_cond_wait(&work->cond, &work->mutex);
    }
    work->ran = true;
    (void)pthread_mutex_unlock(&work->mutex);
    return work->answer;
}

static void release_work(void *context)
{
    (void)atomic_fetch_add(&((struct work *)context)->released, 1);
}

static void let_end(struct work *work)
{
    (void)pthread_mutex_lock(&work->mutex);
    work->may_end = true;
    (void)pthread_cond_broadcast(&work->cond);
    (void)pthread_mutex_unlock(&work->mutex);
}

static bool has_begun(void *context)
{
    struct work *work = context;

    (void)pthread_mutex_lock(&work->mutex);
    const bool began = work->began;

    (void)pthread_mutex_unlock(&work->mutex);
    return began;
}

static bool is_released(void *context)
{
    return atomic_load(&((struct work *)context)->released) > 0;
}

/* The continuation: reports status and tag as a number to the probe itself. */
static int then_report(troupe_self *self, void *state, const troupe_result *result)
{
    const struct work *work = result->value;

    (void)state;
    if (!work->ran || atomic_load(&work->released) != 0 || result->type != NULL) {
        return troupe_fail(self, "the context is not as it was left");
    }
    return troupe_send(self, work->tell->pid, &number_type,
                       &(number){.value = (int64_t)result->tag * 100 - result->status});
}

struct start {
    struct work *work;
    uint64_t tag;
};

static int do_start(troupe_self *self, struct probe *probe, void *context)
{
    const struct start *start = context;

    (void)probe;
    return troupe_blocking(self, run_work, start->work, release_work, then_report, start->tag);
}

static int begin_work(struct probe *probe, struct work *work, uint64_t tag)
{
    struct start start = {.work = work, .tag = tag};

    return probe_do(probe, do_start, &start);
}

static int begin_with(uint32_t threads, uint32_t queue)
{
    troupe_config config;

    troupe_config_init(&config);
    config.workers = workers;
    config.blocking_threads = threads;
    config.blocking_queue = queue;
    stage = stage_begin_with(&config);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(2, 3);
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

static void its_answer_comes_and_the_context_is_freed_once(void **state)
{
    (void)state;
    work_init(&works[0], true, TROUPE_OK);
    work_init(&works[1], true, TROUPE_E_DENIED);
    assert_int_equal(begin_work(a, &works[0], 1), TROUPE_OK);
    assert_int_equal(probe_wait(a, 0)->number, 100);
    assert_int_equal(begin_work(a, &works[1], 2), TROUPE_OK);
    assert_int_equal(probe_wait(a, 1)->number, 200 - TROUPE_E_DENIED);
    assert_true(wait_until(is_released, &works[1]));
    assert_int_equal(works[0].released, 1);
    assert_int_equal(works[1].released, 1);
}

static void the_actor_handles_messages_meanwhile(void **state)
{
    (void)state;
    work_init(&works[0], false, TROUPE_OK);
    assert_int_equal(begin_work(a, &works[0], 1), TROUPE_OK);
    assert_true(wait_until(has_begun, &works[0]));
    assert_int_equal(probe_seen(a), 0);
    assert_int_equal(probe_seen(b), 0); /* With one worker too. */
    let_end(&works[0]);
    assert_int_equal(probe_wait(a, 0)->number, 100);
}

static void threads_and_queue_are_bounded(void **state)
{
    (void)state;
    /* Two run, three wait, and the sixth is refused. */
    for (size_t i = 0; i < 6; i++) {
        work_init(&works[i], false, TROUPE_OK);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(begin_work(a, &works[i], i), TROUPE_OK);
        if (i < 2) {
            assert_true(wait_until(has_begun, &works[i]));
        }
    }
    /* begin_work's answer is the handler's too: the refusal ends b. */
    assert_int_equal(begin_work(b, &works[5], 5), TROUPE_E_BUSY);
    assert_int_equal(works[5].released, 0); /* It was not taken. */
    assert_false(has_begun(&works[2]));
    for (size_t i = 0; i < 5; i++) {
        let_end(&works[i]);
    }
    (void)probe_wait(a, 4);
    for (size_t i = 0; i < 5; i++) {
        assert_true(wait_until(is_released, &works[i]));
        assert_int_equal(works[i].released, 1);
    }
}

static void an_actor_that_ends_leaves_nothing_behind(void **state)
{
    (void)state;
    work_init(&works[0], false, TROUPE_OK);
    assert_int_equal(begin_work(a, &works[0], 1), TROUPE_OK);
    assert_true(wait_until(has_begun, &works[0]));
    probe_stop(a, TROUPE_REASON_ERROR, "gone");
    (void)probe_end(a);
    assert_int_equal(works[0].released, 0); /* It is still being used. */
    let_end(&works[0]);
    assert_true(wait_until(is_released, &works[0]));
    assert_int_equal(works[0].released, 1);
}

static int then_fail(troupe_self *self, void *state, const troupe_result *result)
{
    (void)state;
    (void)result;
    return troupe_fail(self, "in the continuation");
}

static int do_start_failing(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_blocking(self, run_work, context, release_work, then_fail, 0);
}

static void a_continuation_that_fails_ends_the_actor(void **state)
{
    (void)state;
    work_init(&works[0], true, TROUPE_OK);
    assert_int_equal(probe_do(a, do_start_failing, &works[0]), TROUPE_OK);
    const struct seen *seen = probe_wait(a, 0);

    assert_int_equal(seen->what, SAW_TERMINATE);
    assert_string_equal(seen->text, "in the continuation");
    assert_true(wait_until(is_released, &works[0]));
}

static int do_nothing(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    (void)context;
    return troupe_blocking(self, NULL, NULL, NULL, NULL, 0) == TROUPE_E_INVALID &&
                   troupe_blocking(self, run_work, &works[0], NULL, NULL, 0) == TROUPE_OK
               ? TROUPE_OK
               : TROUPE_E_FAILED;
}

static void nobody_has_to_go_on_or_free(void **state)
{
    (void)state;
    work_init(&works[0], true, TROUPE_OK);
    assert_int_equal(probe_do(a, do_nothing, NULL), TROUPE_OK);
    assert_true(wait_until(has_begun, &works[0]));
}

static int call_probe(void *context)
{
    struct work *work = context;
    troupe_result result = {0};
    const troupe_status status = troupe_node_call(
        stage->node, b->pid, &ask_type, &(ask){.how = ASK_REPLY, .value = 6}, DEADLINE_MS, &result);

    troupe_result_clear(&result);
    work->ran = true;
    return status;
}

static int do_start_calling(troupe_self *self, struct probe *probe, void *context)
{
    (void)probe;
    return troupe_blocking(self, call_probe, context, release_work, then_report, 9);
}

static void it_may_call_actors(void **state)
{
    (void)state;
    work_init(&works[0], true, TROUPE_OK);
    assert_int_equal(probe_do(a, do_start_calling, &works[0]), TROUPE_OK);
    assert_int_equal(probe_wait(a, 0)->number, 900);
}

/* What waits is dropped when the node begins to wait for what runs. */
static void *let_end_then(void *context)
{
    (void)context;
    (void)wait_until(is_released, &works[1]);
    let_end(&works[0]);
    return NULL;
}

static void a_node_s_stop_waits_for_what_runs_and_drops_what_waits(void **state)
{
    pthread_t thread;

    (void)state;
    (void)begin_with(1, 3);
    work_init(&works[0], false, TROUPE_OK);
    work_init(&works[1], true, TROUPE_OK);
    assert_int_equal(begin_work(a, &works[0], 1), TROUPE_OK);
    assert_true(wait_until(has_begun, &works[0]));
    assert_int_equal(begin_work(a, &works[1], 2), TROUPE_OK);
    assert_int_equal(pthread_create(&thread, NULL, let_end_then, NULL), 0);
    stage_end(stage);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(works[0].ran);
    assert_int_equal(works[0].released, 1);
    assert_false(works[1].began);
    assert_int_equal(works[1].released, 1);
}

static void what_does_not_return_in_time_is_left_alone(void **state)
{
    (void)state;
    (void)begin_with(2, 3);
    work_init(&works[0], false, TROUPE_OK);
    assert_int_equal(begin_work(a, &works[0], 1), TROUPE_OK);
    assert_true(wait_until(has_begun, &works[0]));
    troupe_node_stop(stage->node, 30);
    assert_int_equal(works[0].released, 0);
    let_end(&works[0]);
    assert_true(wait_until(is_released, &works[0]));
    assert_int_equal(works[0].released, 1);
    stage->node = NULL;
    stage_end(stage);
}

#define BLOCKING_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOCKING_TEST(its_answer_comes_and_the_context_is_freed_once),
        BLOCKING_TEST(the_actor_handles_messages_meanwhile),
        BLOCKING_TEST(threads_and_queue_are_bounded),
        BLOCKING_TEST(an_actor_that_ends_leaves_nothing_behind),
        BLOCKING_TEST(a_continuation_that_fails_ends_the_actor),
        BLOCKING_TEST(nobody_has_to_go_on_or_free),
        BLOCKING_TEST(it_may_call_actors),
        cmocka_unit_test(a_node_s_stop_waits_for_what_runs_and_drops_what_waits),
        cmocka_unit_test(what_does_not_return_in_time_is_left_alone),
    };

    return stage_run_tests(tests, sizeof(tests) / sizeof(tests[0]), &workers);
}
