/* What is tested: answers that a node did not ask that peer for: replies, failures, results of
 * spawns and ends of actors; and one that comes too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/clock.h"
#include "dist/codec.h"
#include "support/deceived.h"

enum { GUESSES = 3000 };

static void a_call_to_another_cannot_be_answered_by_guessing(void **state)
{
    const troupe_pid caller = spawn(NULL);
    const troupe_pid callee = spawn(NULL);

    (void)state;
    order_request(caller, callee);
    for (uint64_t ref = 0; ref < GUESSES; ref++) {
        say(number_in(TR_SIGNAL_REPLY, 13), evil(), caller, ref);
        say(reason_in(TR_SIGNAL_CALL_FAILED), evil(), caller, ref | 1ULL << 63);
    }
    mark(caller);
    assert_int_equal(seen.results, 0);
    order_answer(callee);
    await(&seen.results, 1);
    assert_int_equal(seen.status, TROUPE_OK);
    assert_int_equal(seen.value, 4711);
}

/* If it could, the caller would wait until its time is over. */
static void a_request_of_another_cannot_be_struck_out_by_guessing(void **state)
{
    const troupe_pid caller = spawn(NULL);
    const troupe_pid callee = spawn(NULL);

    (void)state;
    order_request(caller, callee);
    for (uint64_t ref = 0; ref < GUESSES; ref++) {
        say(tr_message_create(&cache, TR_SIGNAL_FORGET_CALL, 0), caller, callee, ref);
    }
    mark(callee);
    order_fall(callee);
    await(&seen.results, 1);
    assert_int_equal(seen.status, TROUPE_E_EXITED);
}

static void ends_of_what_it_has_no_part_in_are_not_believed(void **state)
{
    const troupe_pid pid = spawn(NULL);

    (void)state;
    for (uint64_t ref = 0; ref < 100; ref++) {
        say(reason_in(TR_SIGNAL_DOWN), evil(), pid, ref);
        say(reason_in(TR_SIGNAL_LINK_EXIT), evil(), pid, ref);
        say(tr_message_create(&cache, TR_SIGNAL_UNLINK_ACK, 0), evil(), pid, ref);
        say(tr_message_create(&cache, TR_SIGNAL_DEMONITOR, 0), evil(), pid, ref);
    }
    mark(pid);
    assert_int_equal(seen.news, 0);
}

/* Answers a spawn of `actor` with this pid, linked and monitored. */
static void answer_spawn(struct rogue *who, troupe_pid actor, uint64_t ref, troupe_pid child)
{
    say_by(who,
           tr_message_create_result(&cache, ref, TROUPE_OK, child,
                                    TROUPE_SPAWN_LINK | TROUPE_SPAWN_MONITOR, ""),
           (troupe_pid){.node = who->node_id, .id = EVIL_ACTOR}, actor, ref);
}

/* The actor asks the rogue for a child. Answers the number of the request. */
static uint64_t asked_to_spawn(troupe_pid actor, uint32_t timeout_ms)
{
    struct tr_spawn_request request = {0};
    struct rogue_packet packet;
    char storage[TR_CODEC_STORAGE_SIZE];

    order_spawn(actor, "evil", timeout_ms);
    rogue_hear(&rogue, node_id, TR_PACKET_SPAWN, &packet);
    assert_int_equal(tr_codec_decode_spawn(packet.bytes, packet.size, &request, storage),
                     TROUPE_OK);
    assert_true(troupe_pid_equal(request.caller, actor));
    return request.ref;
}

static void a_spawn_is_answered_by_who_was_asked_about_its_own(void **state)
{
    static struct rogue other;
    const troupe_pid actor = spawn(NULL);
    const uint64_t ref = asked_to_spawn(actor, DEADLINE_MS);

    (void)state;
    rogue_start(&other, cluster, "other");
    rogue_wait_up(&other, node_id);
    answer_spawn(&other, actor, ref, (troupe_pid){.node = other.node_id, .id = 7});
    say_by(&other, number_in(TR_SIGNAL_MESSAGE, 1),
           (troupe_pid){.node = other.node_id, .id = EVIL_ACTOR}, actor, 0);
    await(&seen.sum, 1); /* judged */
    answer_spawn(&rogue, actor, ref, (troupe_pid){.node = other.node_id, .id = 7});
    answer_spawn(&rogue, actor, ref, (troupe_pid){.node = node_id, .id = 7});
    mark(actor);
    assert_int_equal(refused(), 3);
    assert_int_equal(seen.results, 0);
    answer_spawn(&rogue, actor, ref, evil());
    await(&seen.results, 1);
    assert_int_equal(seen.status, TROUPE_OK);
    assert_true(troupe_pid_equal(seen.pid, evil()));
    rogue_stop(&other);
}

/* The child links its parent before it hears that this has given it up. */
static void a_link_of_a_child_that_was_given_up_is_not_made_by_half(void **state)
{
    const troupe_pid actor = spawn(NULL);
    const uint64_t ref = asked_to_spawn(actor, 1);
    struct rogue_packet unlink;

    (void)state;
    await(&seen.results, 1);
    assert_int_equal(seen.status, TROUPE_E_TIMEOUT);
    answer_spawn(&rogue, actor, ref, evil());
    rogue_hear(&rogue, node_id, TR_SIGNAL_UNLINK, &unlink);
    say(tr_message_create(&cache, TR_SIGNAL_LINK, 0), evil(), actor, 0);
    say(tr_message_create(&cache, TR_SIGNAL_UNLINK_ACK, 0), evil(), actor,
        tr_be64_get(unlink.bytes + TR_CODEC_TO_AT + 8));
    say(reason_in(TR_SIGNAL_LINK_EXIT), evil(), actor, 0);
    mark(actor);
    assert_int_equal(seen.news, 0);
    /* A link made afterwards counts. */
    say(tr_message_create(&cache, TR_SIGNAL_LINK, 0), evil(), actor, 0);
    say(reason_in(TR_SIGNAL_LINK_EXIT), evil(), actor, 0);
    mark(actor);
    assert_int_equal(seen.news, 1);
}

/* The rogue knows the number of a call to it, and uses it for another that it was not given. */
static void who_was_not_asked_does_not_know_that_a_call_failed(void **state)
{
    static struct rogue other;
    const troupe_pid caller = spawn(NULL);
    struct rogue_packet packet;

    (void)state;
    rogue_start(&other, cluster, "other");
    rogue_wait_up(&other, node_id);
    order_call(caller, evil());
    rogue_hear(&rogue, node_id, TR_SIGNAL_CALL, &packet);
    const uint64_t ref = tr_be64_get(packet.bytes + TR_CODEC_TO_AT + 8);
    const troupe_pid stranger = {.node = other.node_id, .id = EVIL_ACTOR};

    say_by(&other, reason_in(TR_SIGNAL_CALL_FAILED), stranger, caller, ref);
    say_by(&other, number_in(TR_SIGNAL_MESSAGE, 1), stranger, caller, 0);
    await(&seen.sum, 1);
    assert_int_equal(refused(), 1);
    assert_int_equal(seen.results, 0);
    /* Whom the callee has handed the request may answer it. */
    say_by(&other, number_in(TR_SIGNAL_REPLY, 8), stranger, caller, ref);
    await(&seen.results, 1);
    assert_int_equal(seen.value, 8);
    assert_true(troupe_pid_equal(seen.pid, stranger));
    rogue_stop(&other);
}

int main(void)
{
#define FORGED_TEST(name) cmocka_unit_test_setup_teardown(name, deceived_begin, deceived_end)
    const struct CMUnitTest tests[] = {
        FORGED_TEST(a_call_to_another_cannot_be_answered_by_guessing),
        FORGED_TEST(a_request_of_another_cannot_be_struck_out_by_guessing),
        FORGED_TEST(ends_of_what_it_has_no_part_in_are_not_believed),
        FORGED_TEST(a_spawn_is_answered_by_who_was_asked_about_its_own),
        FORGED_TEST(a_link_of_a_child_that_was_given_up_is_not_made_by_half),
        FORGED_TEST(who_was_not_asked_does_not_know_that_a_call_failed),
    };

    return cmocka_run_group_tests_name("forged answers", tests, NULL, NULL);
}
