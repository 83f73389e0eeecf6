/* What is tested: what a failed beginning leaves behind, how an end is told to threads, and
 * requests that others answer, through the public API, with one worker, two and four. */
#include <string.h>

#include "support/actors.h"

static uint32_t workers;
static struct stage *stage;
static struct probe *a, *b;

static int begin(void **state)
{
    (void)state;
    stage = stage_begin(workers);
    a = probe_spawn(stage, NULL);
    b = probe_spawn(stage, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stage_end(stage);
    return 0;
}

/* ---- an init that does everything and then fails ---- */

static struct probe *child;

static int busy_init(troupe_self *self, void *state, const void *args)
{
    uint64_t monitor = 0;
    troupe_pid pid = {0};
    const number one = {.value = 1};
    troupe_spawn_options options = {.flags = TROUPE_SPAWN_LINK};
    int status = troupe_monitor(self, b->pid, &monitor);

    (void)state;
    (void)args;
    status = status != TROUPE_OK ? status : (int)troupe_link(self, b->pid);
    status = status != TROUPE_OK
                 ? status
                 : (int)troupe_send_after(self, 20, b->pid, &number_type, &one, NULL);
    status = status != TROUPE_OK
                 ? status
                 : (int)troupe_send_interval(self, 1, b->pid, &number_type, &one, NULL);
    status = status != TROUPE_OK ? status : (int)troupe_idle_timeout(self, 1);
    status = status != TROUPE_OK ? status : (int)troupe_continue(self, &number_type, &one);
    status = status != TROUPE_OK ? status
                                 : (int)troupe_spawn(self, &probe_behavior, &child, &options, &pid);
    return status != TROUPE_OK ? status : troupe_fail(self, "not after all");
}

static int do_spawn_busy(troupe_self *self, struct probe *probe, void *context)
{
    static const troupe_behavior behavior = {.name = "test.busy", .init = busy_init};
    troupe_spawn_options options = {.name = "busy",
                                    .flags = TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR};

    (void)probe;
    *(troupe_status *)context =
        troupe_spawn(self, &behavior, NULL, &options, &(troupe_pid){.id = 0});
    return TROUPE_OK;
}

static void a_failed_init_takes_everything_back(void **state)
{
    troupe_status status = TROUPE_OK;
    troupe_pid pid = {0};

    (void)state;
    probe_trap(b, true);
    child = probe_create(stage);
    assert_int_equal(probe_do(a, do_spawn_busy, &status), TROUPE_OK);
    assert_int_equal(status, TROUPE_E_FAILED);
    /* Its child dies of the link, its name is free, the linked one is told, no timer comes. */
    assert_int_equal(probe_wait(child, 0)->what, SAW_TERMINATE);
    assert_string_equal(child->seen[0].text, "not after all");
    stage_wait_actors(stage, 2);
    assert_int_equal(troupe_node_whereis(stage->node, "busy", DEADLINE_MS, &pid),
                     TROUPE_E_NOT_FOUND);
    const struct seen *seen = probe_wait(b, 0);

    /* A timer of 1 ms may have come while init still ran. */
    for (size_t i = 0; seen->what == SAW_NUMBER; i++) {
        seen = probe_wait(b, i);
    }
    assert_int_equal(seen->what, SAW_EXIT);
    const size_t count = probe_seen(b);

    (void)probe_seen(a);
    assert_int_equal(probe_seen(b), count);
    assert_int_equal(probe_seen(a), 0); /* The parent has an answer, and no signal. */
}

static void a_thread_is_told_the_words_of_an_end(void **state)
{
    char text[320] = "?";
    char short_text[5] = "";
    int32_t kind = 0;

    (void)state;
    probe_stop(a, TROUPE_REASON_ERROR, "the words");
    assert_int_equal(
        troupe_node_join_reason(stage->node, a->pid, DEADLINE_MS, &kind, text, sizeof(text)),
        TROUPE_OK);
    /* It may have ended before: then nobody knows the words any more. */
    assert_true((kind == TROUPE_REASON_ERROR && strcmp(text, "the words") == 0) ||
                (kind == TROUPE_REASON_NOPROC && text[0] == '\0'));
    assert_int_equal(troupe_node_join_reason(stage->node, b->pid, 1, &kind, text, sizeof(text)),
                     TROUPE_E_TIMEOUT);
    assert_int_equal(troupe_node_join_reason(stage->node, a->pid, DEADLINE_MS, NULL, short_text,
                                             sizeof(short_text)),
                     TROUPE_OK);
}

struct waiter {
    pthread_t thread;
    int32_t kind;
    char text[8];
    troupe_status status;
};

static void *wait_for_b(void *context)
{
    struct waiter *waiter = context;

    waiter->status = troupe_node_join_reason(stage->node, b->pid, DEADLINE_MS, &waiter->kind,
                                             waiter->text, sizeof(waiter->text));
    return NULL;
}

static void threads_that_wait_already_get_them_cut_to_their_size(void **state)
{
    struct waiter waiters[4] = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_b, &waiters[i]), 0);
    }
    probe_stop(b, TROUPE_REASON_ERROR, "a long story");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
        assert_int_equal(waiters[i].status, TROUPE_OK);
        assert_true(waiters[i].kind == TROUPE_REASON_NOPROC ||
                    strcmp(waiters[i].text, "a long ") == 0);
    }
}

/* ---- requests that others answer ---- */

static void a_thread_answers_a_taken_request_once(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TAKE, 1, DEADLINE_MS, 1);
    (void)probe_seen(b);
    const troupe_from from = b->from;

    assert_int_equal(troupe_node_reply_to(stage->node, &from, &number_type, &(number){.value = 42}),
                     TROUPE_OK);
    const struct seen *seen = probe_wait(a, 0);

    assert_int_equal(seen->number, 42);
    assert_true(troupe_pid_equal(seen->from, b->pid));
    assert_int_equal(troupe_node_reply_to(stage->node, &from, &number_type, &(number){.value = 43}),
                     TROUPE_OK);
    assert_int_equal(probe_seen(a), 1);
    assert_int_equal(stage_info(stage).replies_late, 1);
    /* It is not owed any more: the end of the callee tells the caller nothing. */
    probe_stop(b, TROUPE_REASON_ERROR, "gone");
    stage_wait_actors(stage, 1);
    assert_int_equal(probe_seen(a), 1);
    assert_int_equal(stage_info(stage).replies_late, 1);
}

static void what_is_no_request_cannot_be_answered(void **state)
{
    const troupe_from none = {0};

    (void)state;
    assert_int_equal(troupe_node_reply_to(stage->node, &none, &number_type, &(number){.value = 42}),
                     TROUPE_E_INVALID);
    const troupe_from from = {.caller = a->pid, .callee = b->pid, .ref = 99};

    assert_int_equal(troupe_node_reply_to(stage->node, &from, &number_type, NULL),
                     TROUPE_E_INVALID);
}

static void a_late_reply_is_dropped_and_counted(void **state)
{
    (void)state;
    probe_call(a, b->pid, ASK_TAKE, 1, 20, 1);
    assert_int_equal(probe_wait(a, 0)->status, TROUPE_E_TIMEOUT);
    (void)probe_seen(b);
    const troupe_from from = b->from;

    assert_int_equal(troupe_node_reply_to(stage->node, &from, &number_type, &(number){.value = 42}),
                     TROUPE_OK);
    assert_int_equal(probe_seen(a), 1);
    assert_int_equal(stage_info(stage).replies_late, 1);
}

#define LIFE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(a_failed_init_takes_everything_back),
        LIFE_TEST(a_thread_is_told_the_words_of_an_end),
        LIFE_TEST(threads_that_wait_already_get_them_cut_to_their_size),
        LIFE_TEST(a_thread_answers_a_taken_request_once),
        LIFE_TEST(what_is_no_request_cannot_be_answered),
        LIFE_TEST(a_late_reply_is_dropped_and_counted),
    };

    return stage_run_tests(tests, sizeof(tests) / sizeof(tests[0]), &workers);
}
