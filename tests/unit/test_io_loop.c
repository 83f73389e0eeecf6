/* What is tested: io/loop, io/timer and io/fdwatch, by their contracts.
 * Method: a loop that the test runs itself, so that the order of things is certain, and one on a
 * thread of its own for what other threads may call. Every test ends with a loop that closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/fdwatch.h"
#include "io/loop.h"
#include "io/timer.h"
#include "sync/thread.h"

enum { MS = 1000000, LATE_NS = 800000, POSTS = 20000 };

static struct tr_loop *loop;
static char order[100];
static size_t order_count;

static int setup(void **state)
{
    (void)state;
    order_count = 0;
    order[0] = '\0';
    return tr_loop_create(&loop) == TROUPE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tr_loop_destroy(loop);
    return 0;
}

static void note(char mark)
{
    assert_true(order_count + 1 < sizeof(order));
    order[order_count++] = mark;
    order[order_count] = '\0';
}

static void note_a(void *context)
{
    (void)context;
    note('a');
}

static void note_b(void *context)
{
    (void)context;
    note('b');
}

static void stop(void *context)
{
    (void)context;
    note('s');
    tr_loop_stop(loop);
}

static void posts_run_in_order_and_before_the_stop(void **state)
{
    (void)state;
    assert_int_equal(tr_loop_post(loop, note_a, NULL), TROUPE_OK);
    assert_int_equal(tr_loop_post(loop, note_b, NULL), TROUPE_OK);
    tr_loop_stop(loop);
    assert_int_equal(tr_loop_post(loop, note_a, NULL), TROUPE_E_CLOSED);
    tr_loop_run(loop);
    assert_string_equal(order, "ab");
}

static void loop_that_never_ran_can_be_destroyed_with_posts(void **state)
{
    (void)state;
    assert_int_equal(tr_loop_post(loop, note_a, NULL), TROUPE_OK);
}

static void post_again(void *context)
{
    note('p');
    if (order_count < 5) {
        assert_int_equal(tr_loop_post(loop, post_again, context), TROUPE_OK);
    } else {
        tr_loop_stop(loop);
    }
}

static void post_may_post(void **state)
{
    (void)state;
    assert_int_equal(tr_loop_post(loop, post_again, NULL), TROUPE_OK);
    tr_loop_run(loop);
    assert_string_equal(order, "ppppp");
}

/* ---- hooks and signals ---- */

static void hook_note(void *context)
{
    (void)context;
    assert_true(tr_loop_is_current(loop));
    assert_false(tr_loop_will_turn(loop)); /* what is sent now has to wake the loop */
    note('h');
}

static void note_turn(void *context)
{
    (void)context;
    assert_true(tr_loop_will_turn(loop));
    note('t');
    assert_int_equal(tr_loop_post(loop, stop, NULL), TROUPE_OK);
}

static void hook_runs_after_the_callbacks_of_a_turn(void **state)
{
    struct tr_loop_hook hook = {.fn = hook_note};

    (void)state;
    assert_false(tr_loop_is_current(loop));
    tr_loop_hook_add(loop, &hook);
    assert_int_equal(tr_loop_post(loop, note_turn, NULL), TROUPE_OK);
    tr_loop_run(loop);
    tr_loop_hook_remove(loop, &hook);
    /* Before the first turn blocks, and again between what one turn did and the next one blocking.
     */
    assert_memory_equal(order, "hths", 4);
}

static struct tr_signal *signal_under_test;

static void on_signal(void *context)
{
    (void)context;
    note('g');
    tr_signal_close(signal_under_test);
    tr_loop_stop(loop);
}

static void signal_sent_often_comes_once(void **state)
{
    (void)state;
    assert_int_equal(tr_signal_create(loop, on_signal, NULL, &signal_under_test), TROUPE_OK);
    for (size_t count = 0; count < 10; count++) {
        tr_signal_send(signal_under_test);
    }
    tr_loop_run(loop);
    assert_string_equal(order, "g");
}

/* ---- another thread ---- */

static uint32_t counted; /* loop thread only, read when it has ended */

static void count(void *context)
{
    (void)context;
    counted++;
}

static void post_many(void *context)
{
    (void)context;
    for (size_t index = 0; index < POSTS; index++) {
        if (tr_loop_post(loop, count, NULL) != TROUPE_OK) {
            return;
        }
    }
}

static void every_post_of_other_threads_runs_once(void **state)
{
    struct tr_thread threads[2] = {0};

    (void)state;
    counted = 0;
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    for (size_t index = 0; index < 2; index++) {
        assert_int_equal(tr_thread_start(&threads[index], "post", post_many, NULL), TROUPE_OK);
    }
    for (size_t index = 0; index < 2; index++) {
        tr_thread_join(&threads[index]);
    }
    tr_loop_stop(loop);
    tr_loop_join(loop);
    assert_int_equal(counted, 2 * POSTS);
}

static void look_at_signals(void *context)
{
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    *(bool *)context = sigismember(&mask, SIGPIPE) == 1 && sigismember(&mask, SIGTERM) == 1;
}

static void thread_of_a_loop_takes_no_signals(void **state)
{
    bool blocked = false;
    sigset_t mask;

    (void)state;
    assert_int_equal(tr_loop_post(loop, look_at_signals, &blocked), TROUPE_OK);
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    tr_loop_stop(loop);
    tr_loop_join(loop);
    assert_true(blocked);
    (void)sigemptyset(&mask);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0); /* ours is as it was */
}

/* ---- timers ---- */

static struct tr_timer *timer;
static uint64_t started_at;

static void on_timer(void *context)
{
    (void)context;
    note('x');
    if (order_count == 3) {
        assert_true(tr_loop_now(loop) - started_at >= (uint64_t)30 * MS);
        tr_timer_close(timer);
        tr_loop_stop(loop);
    }
}

static void repeating_timer_never_fires_early(void **state)
{
    (void)state;
    assert_int_equal(tr_timer_create(loop, on_timer, NULL, &timer), TROUPE_OK);
    assert_false(tr_timer_is_running(timer));
    started_at = tr_loop_now(loop);
    tr_timer_start(timer, (uint64_t)10 * MS, (uint64_t)10 * MS);
    assert_true(tr_timer_is_running(timer));
    tr_loop_run(loop);
    assert_string_equal(order, "xxx");
}

/* Starts the timer at the end of a millisecond and goes on in the next one: libuv counts whole
 * ones, so a delay counted from the start of this one would end before its time. */
static void start_late_in_a_millisecond(void)
{
    do {
        started_at = tr_loop_now(loop);
    } while (started_at % MS < LATE_NS);
    tr_timer_start(timer, (uint64_t)2 * MS, 0);
    while (tr_loop_now(loop) / MS == started_at / MS) {
    }
}

static void on_late_start(void *context)
{
    (void)context;
    assert_true(tr_loop_now(loop) - started_at >= (uint64_t)2 * MS);
    note('x');
    if (order_count < 10) {
        start_late_in_a_millisecond();
    } else {
        tr_timer_close(timer);
        tr_loop_stop(loop);
    }
}

static void timer_started_late_in_a_millisecond_is_not_early(void **state)
{
    (void)state;
    assert_int_equal(tr_timer_create(loop, on_late_start, NULL, &timer), TROUPE_OK);
    start_late_in_a_millisecond();
    tr_loop_run(loop);
    assert_string_equal(order, "xxxxxxxxxx");
}

static void stopped_timer_does_not_fire(void **state)
{
    struct tr_timer *last = NULL;

    (void)state;
    assert_int_equal(tr_timer_create(loop, note_a, NULL, &timer), TROUPE_OK);
    assert_int_equal(tr_timer_create(loop, stop, NULL, &last), TROUPE_OK);
    tr_timer_start(timer, MS, MS);
    tr_timer_stop(timer);
    tr_timer_start(last, (uint64_t)5 * MS, 0);
    /* Closed before the loop runs: neither may come any more, but the loop has to end. */
    tr_timer_close(timer);
    tr_loop_stop(loop);
    tr_timer_close(last);
    tr_loop_run(loop);
    assert_string_equal(order, "");
}

/* ---- watches ---- */

static struct tr_fdwatch *watch;
static int pipes[2][2];
static size_t current_pipe;

static void on_readable(void *context, troupe_status status, unsigned events)
{
    char byte = 0;

    (void)context;
    assert_int_equal(status, TROUPE_OK);
    assert_int_equal(events, TR_FD_READABLE);
    assert_int_equal(read(pipes[current_pipe][0], &byte, 1), 1);
    note(byte);
    if (current_pipe == 0) {
        /* The library behind it opens another socket, which often has the same number. */
        const int number = pipes[0][0];

        tr_fdwatch_release(watch);
        (void)close(pipes[0][0]);
        (void)close(pipes[0][1]);
        assert_int_equal(pipe(pipes[1]), 0);
        assert_true(pipes[1][0] == number || pipes[1][1] == number);
        current_pipe = 1;
        assert_int_equal(tr_fdwatch_set(watch, pipes[1][0], TR_FD_READABLE), TROUPE_OK);
        assert_int_equal(write(pipes[1][1], "2", 1), 1);
        return;
    }
    tr_fdwatch_close(watch);
    tr_loop_stop(loop);
}

static void watch_follows_to_a_new_descriptor_of_the_same_number(void **state)
{
    (void)state;
    current_pipe = 0;
    assert_int_equal(pipe(pipes[0]), 0);
    assert_int_equal(tr_fdwatch_create(loop, on_readable, NULL, &watch), TROUPE_OK);
    assert_int_equal(tr_fdwatch_set(watch, pipes[0][0], TR_FD_READABLE), TROUPE_OK);
    assert_int_equal(write(pipes[0][1], "1", 1), 1);
    tr_loop_run(loop);
    assert_string_equal(order, "12");
    (void)close(pipes[1][0]);
    (void)close(pipes[1][1]);
}

static void on_writable(void *context, troupe_status status, unsigned events)
{
    (void)context;
    assert_int_equal(status, TROUPE_OK);
    note(events == TR_FD_WRITABLE ? 'w' : '?');
    assert_int_equal(tr_fdwatch_set(watch, pipes[0][1], 0), TROUPE_OK); /* pause */
    assert_int_equal(tr_loop_post(loop, stop, NULL), TROUPE_OK);
    tr_fdwatch_close(watch);
}

static void paused_watch_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(pipe(pipes[0]), 0);
    assert_int_equal(tr_fdwatch_create(loop, on_writable, NULL, &watch), TROUPE_OK);
    assert_int_equal(tr_fdwatch_set(watch, pipes[0][1], TR_FD_WRITABLE), TROUPE_OK);
    tr_loop_run(loop);
    assert_string_equal(order, "ws");
    (void)close(pipes[0][0]);
    (void)close(pipes[0][1]);
}

static void descriptor_that_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    assert_int_equal(tr_fdwatch_create(loop, on_writable, NULL, &watch), TROUPE_OK);
    assert_int_not_equal(tr_fdwatch_set(watch, 12345, TR_FD_READABLE), TROUPE_OK);
    tr_fdwatch_close(watch);
}

#define LOOP_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(posts_run_in_order_and_before_the_stop),
        LOOP_TEST(loop_that_never_ran_can_be_destroyed_with_posts),
        LOOP_TEST(post_may_post),
        LOOP_TEST(hook_runs_after_the_callbacks_of_a_turn),
        LOOP_TEST(signal_sent_often_comes_once),
        LOOP_TEST(every_post_of_other_threads_runs_once),
        LOOP_TEST(thread_of_a_loop_takes_no_signals),
        LOOP_TEST(repeating_timer_never_fires_early),
        LOOP_TEST(timer_started_late_in_a_millisecond_is_not_early),
        LOOP_TEST(stopped_timer_does_not_fire),
        LOOP_TEST(watch_follows_to_a_new_descriptor_of_the_same_number),
        LOOP_TEST(paused_watch_says_nothing),
        LOOP_TEST(descriptor_that_cannot_be_watched_is_refused),
    };

    return cmocka_run_group_tests_name("io/loop", tests, NULL, NULL);
}
