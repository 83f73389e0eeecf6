/* What is tested: io/loop with helpers: who turns it, when its own thread steps in, flushes.
 * Method: threads that play workers; conditions with deadlines, exact counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "io/loop.h"
#include "io/timer.h"
#include "sync/thread.h"

enum { MS = 1000000, DEADLINE_MS = 20000, FLUSHES = 20000, THREADS = 3, POSTS = 3000 };

static struct tr_loop *loop;
static struct tr_atomic_u64 busy;  /* what the loop hears of its helpers */
static struct tr_atomic_u32 calls; /* posted functions that have run */
static struct tr_atomic_u32 calls_by_helper;
static struct tr_atomic_u32 stopping;
static _Thread_local bool helps;

static uint64_t busy_helpers(void *context)
{
    (void)context;
    return tr_load_relaxed(&busy);
}

static int setup(void **state)
{
    const struct tr_loop_helpers helpers = {.busy = busy_helpers};

    (void)state;
    tr_store_relaxed(&busy, 0);
    tr_store32_relaxed(&calls, 0);
    tr_store32_relaxed(&calls_by_helper, 0);
    tr_store32_relaxed(&stopping, 0);
    if (tr_loop_create(&loop) != TROUPE_OK) {
        return -1;
    }
    tr_loop_set_helpers(loop, &helpers);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tr_loop_destroy(loop);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the counter has reached a value. */
static void await(struct tr_atomic_u32 *counter, uint32_t value)
{
    const int64_t until = now_ms() + DEADLINE_MS;

    while (tr_load32_acquire(counter) < value) {
        if (now_ms() > until) {
            fail_msg("%u instead of %u", tr_load32_acquire(counter), value);
        }
        tr_thread_yield();
    }
}

static void count(void *context)
{
    (void)context;
    assert_true(tr_loop_is_current(loop));
    if (helps) {
        (void)tr_add32_seq(&calls_by_helper, 1);
    }
    (void)tr_add32_seq(&calls, 1);
}

/* A worker that has nothing else to do until it is stopped. */
static void help(void *context)
{
    (void)context;
    helps = true;
    while (tr_load32_acquire(&stopping) == 0) {
        if (!tr_loop_claim(loop)) {
            tr_thread_yield();
            continue;
        }
        if (tr_loop_wait(loop, -1)) {
            tr_loop_turn(loop);
        }
        assert_false(tr_loop_is_current(loop));
        tr_loop_release(loop);
    }
    /* It does not come back, so the loop's own thread has to know. */
    tr_store_relaxed(&busy, 1);
    tr_loop_watch(loop);
}

static void stop_helping(struct tr_thread *thread)
{
    tr_store32_release(&stopping, 1);
    tr_loop_interrupt(loop);
    tr_thread_join(thread);
}

static void stop_loop(void)
{
    tr_loop_stop(loop);
    tr_loop_join(loop);
}

/* ---- who turns ---- */

static void a_helper_that_waits_turns_the_loop(void **state)
{
    struct tr_thread thread = {0};
    uint32_t posted = 0;

    (void)state;
    assert_int_equal(tr_thread_start(&thread, "helper", help, NULL), TROUPE_OK);
    /* Until it has the wait, nobody else may turn: the loop's own thread does not run yet. */
    for (; posted < POSTS; posted++) {
        assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
    }
    await(&calls, posted);
    assert_int_equal(tr_load32_relaxed(&calls_by_helper), posted);
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    for (; posted < 2 * POSTS; posted++) {
        assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
    }
    await(&calls, posted);
    stop_helping(&thread);
    stop_loop();
    assert_int_equal(tr_load32_relaxed(&calls), posted);
}

static void without_help_its_own_thread_turns_the_loop(void **state)
{
    (void)state;
    tr_store_relaxed(&busy, 1); /* forever */
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    for (uint32_t posted = 1; posted <= 100; posted++) {
        assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
        await(&calls, posted);
    }
    stop_loop();
    assert_int_equal(tr_load32_relaxed(&calls_by_helper), 0);
}

/* A helper that has waited for the loop, and then does something else for long. */
static void help_once(void *context)
{
    (void)context;
    helps = true;
    while (!tr_loop_claim(loop)) {
        tr_thread_yield();
    }
    while (!tr_loop_wait(loop, -1)) {
    }
    tr_loop_turn(loop);
    tr_loop_release(loop);
    tr_store_relaxed(&busy, 1);
    tr_loop_watch(loop);
    (void)tr_add32_seq(&stopping, 1);
    await(&calls, 2); /* which somebody else has to bring about */
    tr_store_relaxed(&busy, 0);
}

static void a_helper_that_does_not_come_back_is_replaced(void **state)
{
    struct tr_thread thread = {0};

    (void)state;
    assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
    assert_int_equal(tr_thread_start(&thread, "helper", help_once, NULL), TROUPE_OK);
    await(&stopping, 1);
    assert_int_equal(tr_load32_relaxed(&calls_by_helper), 1);
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
    tr_thread_join(&thread);
    stop_loop();
    assert_int_equal(tr_load32_relaxed(&calls), 2);
    assert_int_equal(tr_load32_relaxed(&calls_by_helper), 1);
}

static void only_one_waits(void **state)
{
    (void)state;
    assert_true(tr_loop_claim(loop));
    assert_false(tr_loop_claim(loop));
    tr_loop_release(loop);
    assert_true(tr_loop_claim(loop));
    tr_loop_release(loop);
    stop_loop();
    tr_loop_run(loop);
    assert_false(tr_loop_claim(loop)); /* it has ended */
}

/* ---- waiting ---- */

static void an_interrupt_ends_the_wait_also_before_it_begins(void **state)
{
    const int64_t before = now_ms();

    (void)state;
    assert_true(tr_loop_claim(loop));
    tr_loop_turn(loop);
    tr_loop_interrupt(loop);
    assert_false(tr_loop_wait(loop, -1));
    assert_false(tr_loop_wait(loop, (int64_t)20 * MS)); /* it was for one wait only */
    assert_true(now_ms() - before >= 19);
    tr_loop_release(loop);
    stop_loop();
    tr_loop_run(loop);
}

static struct tr_timer *timer;

static void on_timer(void *context)
{
    count(context);
    tr_timer_close(timer);
}

/* A hook: once it is asked to. */
static void start_timer(void *context)
{
    struct tr_atomic_u32 *wanted = context;

    if (tr_exchange32_seq(wanted, 0) != 0) {
        tr_timer_start(timer, (uint64_t)5 * MS, 0);
    }
}

/* A timer that is started in a flush of one thread ends the wait of another, who slept longer. */
static void a_flush_shortens_the_wait_of_another(void **state)
{
    struct tr_atomic_u32 wanted = {0};
    struct tr_loop_hook hook = {.fn = start_timer, .context = &wanted};
    struct tr_thread thread = {0};

    (void)state;
    assert_int_equal(tr_timer_create(loop, on_timer, NULL, &timer), TROUPE_OK);
    tr_loop_hook_add(loop, &hook);
    assert_int_equal(tr_thread_start(&thread, "helper", help, NULL), TROUPE_OK);
    assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
    await(&calls, 1); /* now it waits, or is about to, without end */
    (void)tr_exchange32_seq(&wanted, 1);
    tr_loop_flush(loop);
    await(&calls, 2);
    assert_int_equal(tr_load32_relaxed(&calls_by_helper), 2);
    stop_helping(&thread);
    stop_loop();
    tr_loop_run(loop);
    tr_loop_hook_remove(loop, &hook);
}

/* ---- flushes ---- */

static struct tr_atomic_u32 asked;
static uint32_t done; /* by the hook: the loop thread's */
static struct tr_atomic_u32 hook_sees;

static void take_asked(void *context)
{
    (void)context;
    done += tr_exchange32_seq(&asked, 0);
    tr_store32_release(&hook_sees, done);
}

static void flush_often(void *context)
{
    (void)context;
    for (uint32_t i = 0; i < FLUSHES; i++) {
        (void)tr_add32_seq(&asked, 1);
        tr_loop_flush(loop);
    }
}

/* Nothing else turns the loop once it waits: what the last flush was for is seen all the same. */
static void no_flush_is_lost(void **state)
{
    struct tr_loop_hook hook = {.fn = take_asked};
    struct tr_thread threads[THREADS] = {0};
    struct tr_thread helper = {0};

    (void)state;
    done = 0;
    tr_store32_relaxed(&asked, 0);
    tr_loop_hook_add(loop, &hook);
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    assert_int_equal(tr_thread_start(&helper, "helper", help, NULL), TROUPE_OK);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(tr_thread_start(&threads[i], "flush", flush_often, NULL), TROUPE_OK);
    }
    for (uint32_t i = 0; i < POSTS; i++) {
        assert_int_equal(tr_loop_post(loop, count, NULL), TROUPE_OK);
    }
    for (size_t i = 0; i < THREADS; i++) {
        tr_thread_join(&threads[i]);
    }
    await(&hook_sees, THREADS * FLUSHES);
    await(&calls, POSTS);
    stop_helping(&helper);
    stop_loop();
    assert_int_equal(done, THREADS * FLUSHES);
    tr_loop_hook_remove(loop, &hook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_helper_that_waits_turns_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(without_help_its_own_thread_turns_the_loop, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_helper_that_does_not_come_back_is_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_one_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(an_interrupt_ends_the_wait_also_before_it_begins, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_flush_shortens_the_wait_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(no_flush_is_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
