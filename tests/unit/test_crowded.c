/* What is tested: what becomes of those who send to a node that does not read, and of all others.
 * Three nodes of this process; the loop of one stands still, as a process does that was stopped.
 * Its time of silence is long: here nobody is to be given up but where that is the matter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/router.h"
#include "support/streams.h"

enum {
    HIGH = 1024 * 1024,
    LOW = 256 * 1024,
    BOUND = 4 * 1024 * 1024,
    SIZE = 40000,   /* of a block */
    HEAD_MAX = 200, /* what a signal and a type's name add to it */
    COUNT = 1200,   /* blocks: 48 MB, more than sockets and the resend window hold */
    SOURCES = 8,
    FEW = 100
};

static struct tally tally;
static struct source_seen seen[SOURCES];
static troupe_pid sources[SOURCES];
static troupe_pid sink;
static struct stand stand;

static struct tr_atomic_u64 suspended_told;
static struct tr_atomic_u64 resumed_told;
static struct tr_atomic_u64 told_of_node; /* the node of the last one */

static void hear(void *context, const troupe_event *event)
{
    (void)context;
    if (event->kind == TROUPE_EVENT_SUSPENDED && event->other.id == 0) {
        (void)tr_exchange_seq(&told_of_node, event->other.node);
        (void)tr_add_relaxed(&suspended_told, 1);
    } else if (event->kind == TROUPE_EVENT_RESUMED && event->other.id == 0) {
        (void)tr_add_relaxed(&resumed_told, 1);
    }
}

static int begin(void **state)
{
    troupe_config config;

    (void)state;
    troupe_config_init(&config);
    config.silence_ms = 120000;
    config.resume_window_ms = 120000;
    config.send_queue_bytes = BOUND;
    config.send_queue_high_bytes = HIGH;
    config.send_queue_low_bytes = LOW;
    config.telemetry = hear;
    config.telemetry_events = TROUPE_EVENT_BIT(SUSPENDED) | TROUPE_EVENT_BIT(RESUMED);
    memset(&tally, 0, sizeof(tally));
    memset(seen, 0, sizeof(seen));
    (void)tr_exchange_seq(&suspended_told, 0);
    (void)tr_exchange_seq(&resumed_told, 0);
    streams_begin();
    for (size_t index = 0; index < 3; index++) {
        streams_start(index, &config);
    }
    streams_wait(3);
    sink = sink_spawn(1, &tally);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stand_end(&stand); /* after a failure */
    streams_end();
    return 0;
}

static bool waiting_is(void *context)
{
    return streams_info(0).senders_waiting == *(const uint64_t *)context;
}

static void wait_waiting(uint64_t count)
{
    assert_true(streams_until(waiting_is, &count));
}

/* Has `count` sources send to the sink of the node that does not read, until all are suspended. */
static void crowd(uint64_t count)
{
    stand_begin(&stand, 1);
    for (uint64_t i = 0; i < count; i++) {
        sources[i] = source_spawn(0, 0, &seen[i]);
        source_tell(0, sources[i],
                    &(struct order){.to = sink, .count = COUNT / count, .size = SIZE, .lane = i});
    }
    streams_settle(0, count);
}

static uint64_t sent(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SOURCES; i++) {
        sum += tr_load_seq(&seen[i].sent);
    }
    return sum;
}

static bool got_all(void *context)
{
    (void)context;
    return tr_load_seq(&tally.got) == sent() && streams_info(0).send_queue_bytes == 0;
}

static void assert_nothing_lost(uint64_t count)
{
    tally.wanted = count;
    assert_true(streams_until(tally_is_full, &tally));
    assert_int_equal(tr_load_seq(&tally.got), count);
    assert_int_equal(tr_load_seq(&tally.wrong), 0);
    assert_int_equal(sent(), count);
}

static void senders_wait_for_a_node_that_does_not_read_and_nothing_is_lost(void **state)
{
    (void)state;
    crowd(SOURCES);
    /* The queue holds what reached the high mark and one block of each, less what went since. */
    const uint64_t bytes = streams_info(0).send_queue_bytes;

    assert_true(bytes > LOW);
    assert_true(bytes <= HIGH + SOURCES * (SIZE + HEAD_MAX));
    assert_true(sent() < COUNT);
    const uint64_t before = sent();

    assert_int_equal(tr_load_seq(&told_of_node), sink.node);
    assert_true(tr_load_seq(&suspended_told) >= SOURCES);
    assert_int_equal(sent(), before); /* they stand */
    stand_end(&stand);
    assert_nothing_lost(COUNT);
    wait_waiting(0);
    assert_int_equal(tr_load_seq(&suspended_told), tr_load_seq(&resumed_told));
    assert_int_equal(streams_info(0).senders_suspended, tr_load_seq(&suspended_told));
    for (size_t i = 0; i < SOURCES; i++) {
        assert_int_equal(tr_load_seq(&seen[i].refused), 0);
    }
}

static void other_sessions_and_local_messages_go_on(void **state)
{
    static struct tally other;
    static struct tally here;
    static struct source_seen seen_other;
    static struct source_seen seen_here;

    (void)state;
    memset(&other, 0, sizeof(other));
    memset(&here, 0, sizeof(here));
    memset(&seen_other, 0, sizeof(seen_other));
    memset(&seen_here, 0, sizeof(seen_here));
    crowd(1);
    source_tell(0, source_spawn(0, 0, &seen_other),
                &(struct order){.to = sink_spawn(2, &other), .count = COUNT, .size = SIZE});
    source_tell(0, source_spawn(0, 0, &seen_here),
                &(struct order){.to = sink_spawn(0, &here), .count = COUNT, .size = SIZE});
    other.wanted = here.wanted = COUNT;
    assert_true(streams_until(tally_is_full, &other));
    assert_true(streams_until(tally_is_full, &here));
    assert_int_equal(tr_load_seq(&other.wrong) + tr_load_seq(&here.wrong), 0);
    assert_true(stand.stands);
    stand_end(&stand);
    assert_nothing_lost(COUNT);
}

static bool few_are_refused(void *context)
{
    return tr_load_seq(&((struct source_seen *)context)->refused) >= FEW;
}

static void who_is_not_to_be_suspended_is_told(void **state)
{
    static struct source_seen told;
    const block b = {.lane = SOURCES};

    (void)state;
    memset(&told, 0, sizeof(told));
    crowd(1);
    source_tell(0, source_spawn(0, TROUPE_SPAWN_NOSUSPEND, &told),
                &(struct order){.to = sink, .count = FEW, .size = SIZE, .lane = SOURCES});
    assert_true(streams_until(few_are_refused, &told));
    assert_int_equal(tr_load_seq(&told.sent), 0);
    assert_int_equal(streams_info(0).senders_waiting, 1);
    /* A thread is told too, also when it calls. */
    troupe_result result = {0};

    assert_int_equal(troupe_node_send(streams_nodes[0], sink, &block_type, &b), TROUPE_E_BUSY);
    assert_int_equal(
        troupe_node_call(streams_nodes[0], sink, &block_type, &b, STREAMS_DEADLINE_MS, &result),
        TROUPE_E_BUSY);
    troupe_result_clear(&result);
    stand_end(&stand);
    assert_nothing_lost(COUNT); /* nothing of what was refused has come */
    assert_int_equal(troupe_node_send(streams_nodes[0], sink, &block_type, &b), TROUPE_OK);
}

static bool second_has_tried(void *context)
{
    (void)context;
    return tr_load_seq(&seen[1].sent) + tr_load_seq(&seen[1].refused) == COUNT;
}

static void one_turn_may_send_up_to_the_bound(void **state)
{
    (void)state;
    crowd(1);
    const uint64_t before = streams_info(0).send_queue_bytes;

    sources[1] = source_spawn(0, 0, &seen[1]);
    source_tell(
        0, sources[1],
        &(struct order){.to = sink, .count = COUNT, .size = SIZE, .lane = 1, .turns = COUNT});
    streams_settle(0, 2);
    assert_true(streams_until(second_has_tried, NULL));
    const uint64_t bytes = streams_info(0).send_queue_bytes;

    assert_true(before < BOUND / 2);
    assert_true(bytes >= BOUND && bytes <= BOUND + SIZE + HEAD_MAX);
    assert_int_equal(tr_load_seq(&seen[1].sent) + tr_load_seq(&seen[1].refused), COUNT);
    assert_true(tr_load_seq(&seen[1].refused) > 0);
    stand_end(&stand);
    assert_nothing_lost(COUNT + tr_load_seq(&seen[1].sent));
}

static void system_signals_are_neither_refused_nor_a_reason_to_wait(void **state)
{
    int32_t kind = -1;

    (void)state;
    crowd(2);
    /* The exit signal is behind all that was sent before; it must not be lost. */
    assert_int_equal(troupe_node_exit(streams_nodes[0], sink, TROUPE_REASON_KILL, "over"),
                     TROUPE_OK);
    assert_int_equal(streams_info(0).senders_waiting, 2);
    stand_end(&stand);
    assert_int_equal(troupe_node_join(streams_nodes[1], sink, STREAMS_DEADLINE_MS, &kind),
                     TROUPE_OK);
    assert_true(kind == TROUPE_REASON_KILLED || kind == TROUPE_REASON_NOPROC);
    wait_waiting(0); /* What is sent to the dead goes nowhere, and holds nobody up. */
}

static void a_suspended_sender_can_be_killed(void **state)
{
    int32_t kind = -1;

    (void)state;
    crowd(2);
    assert_int_equal(troupe_node_exit(streams_nodes[0], sources[0], TROUPE_REASON_KILL, "enough"),
                     TROUPE_OK);
    assert_int_equal(troupe_node_join(streams_nodes[0], sources[0], STREAMS_DEADLINE_MS, &kind),
                     TROUPE_OK);
    wait_waiting(1);
    assert_int_equal(tr_load_seq(&seen[0].asked), 0); /* it was not trapped */
    stand_end(&stand);
    assert_nothing_lost(tr_load_seq(&seen[0].sent) + COUNT / 2);
}

static bool sent_all(void *context)
{
    (void)context;
    return sent() == COUNT;
}

static void the_loss_of_the_session_ends_the_wait(void **state)
{
    (void)state;
    crowd(SOURCES);
    const uint64_t victim = streams_info(1).node_id;
    const uint64_t arrived = tr_load_seq(&tally.got);

    fake_cluster_kill(streams_cluster, victim);
    /* Each goes on, and what it sends goes nowhere. */
    assert_true(streams_until(sent_all, NULL));
    wait_waiting(0);
    assert_int_equal(streams_info(0).send_queue_bytes, 0);
    assert_true(tr_load_seq(&tally.got) >= arrived);
    stand_end(&stand);
    assert_int_equal(tr_load_seq(&tally.wrong), 0); /* a prefix of each */
}

static void a_stop_lets_the_suspended_end_in_order(void **state)
{
    (void)state;
    crowd(SOURCES);
    streams_stop(0);
    for (size_t i = 0; i < SOURCES; i++) {
        assert_int_equal(tr_load_seq(&seen[i].asked), 1); /* it has handled the exit signal */
    }
    stand_end(&stand);
    assert_int_equal(tr_load_seq(&tally.wrong), 0);
}

static void a_suspended_sender_says_what_it_waits_for(void **state)
{
    char request[128];
    char expected[64];
    char *reply = NULL;

    (void)state;
    crowd(1);
    (void)snprintf(request, sizeof(request), "{\"op\":\"actor\",\"to\":\"<%llu.%llu>\"}",
                   (unsigned long long)sources[0].node, (unsigned long long)sources[0].id);
    assert_int_equal(troupe_node_admin(streams_nodes[0], request, STREAMS_DEADLINE_MS, &reply),
                     TROUPE_OK);
    (void)snprintf(expected, sizeof(expected), "\"blocked_on\":\"node %llu\"",
                   (unsigned long long)sink.node);
    if (strstr(reply, expected) == NULL || strstr(reply, "\"blocked\":true") == NULL) {
        fail_msg("%s", reply);
    }
    /* What waits in its mailbox is as old as the flood. */
    const char *age = strstr(reply, "\"oldest_message_seconds\":");

    assert_non_null(age);
    assert_true(strtod(strchr(age, ':') + 1, NULL) < 2 * STREAMS_DEADLINE_MS / 1000.0);
    troupe_json_free(reply);
    stand_end(&stand);
    assert_nothing_lost(COUNT);
}

/* The look between the send and the wait: a wait for a node with room is over at once. */
static void a_wait_for_nothing_ends_at_once(void **state)
{
    (void)state;
    source_tell(0, sources[0] = source_spawn(0, 0, &seen[0]),
                &(struct order){.to = sink, .count = COUNT, .size = SIZE});
    assert_nothing_lost(COUNT);
    assert_true(streams_until(got_all, NULL));
    struct tr_message *await =
        tr_message_create(&streams_nodes[0]->sched->shared_cache, TR_SIGNAL_AWAIT, 0);

    await->from = sources[0];
    await->to = (troupe_pid){.node = sink.node};
    tr_router_await(streams_nodes[0]->router, await);
    await = tr_message_create(&streams_nodes[0]->sched->shared_cache, TR_SIGNAL_AWAIT, 0);
    await->from = sources[0];
    await->to = (troupe_pid){.node = 4711}; /* no such node */
    tr_router_await(streams_nodes[0]->router, await);
    wait_waiting(0);
}

static void marks_out_of_order_are_refused(void **state)
{
    troupe_config config;
    troupe_node *node = NULL;
    char error[256] = "";

    (void)state;
    troupe_config_init(&config);
    config.send_queue_low_bytes = config.send_queue_high_bytes + 1;
    assert_int_equal(troupe_node_start(&config, &node, error, sizeof(error)), TROUPE_E_INVALID);
    assert_non_null(strstr(error, "send_queue_low_bytes"));
    troupe_config_init(&config);
    config.send_queue_high_bytes = config.send_queue_bytes + 1;
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_E_INVALID);
    config.send_queue_low_bytes = 0;
    assert_int_equal(troupe_node_start(&config, &node, NULL, 0), TROUPE_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            senders_wait_for_a_node_that_does_not_read_and_nothing_is_lost, begin, end),
        cmocka_unit_test_setup_teardown(other_sessions_and_local_messages_go_on, begin, end),
        cmocka_unit_test_setup_teardown(who_is_not_to_be_suspended_is_told, begin, end),
        cmocka_unit_test_setup_teardown(one_turn_may_send_up_to_the_bound, begin, end),
        cmocka_unit_test_setup_teardown(system_signals_are_neither_refused_nor_a_reason_to_wait,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_suspended_sender_can_be_killed, begin, end),
        cmocka_unit_test_setup_teardown(the_loss_of_the_session_ends_the_wait, begin, end),
        cmocka_unit_test_setup_teardown(a_stop_lets_the_suspended_end_in_order, begin, end),
        cmocka_unit_test_setup_teardown(a_suspended_sender_says_what_it_waits_for, begin, end),
        cmocka_unit_test_setup_teardown(a_wait_for_nothing_ends_at_once, begin, end),
        cmocka_unit_test(marks_out_of_order_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
