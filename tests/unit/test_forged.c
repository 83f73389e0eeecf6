/* What is tested: what a node believes of a peer that has every right to be there and says more
 * than it may: in the name of others, about others, or of what was never said. Method: a real node,
 * and a member whose packets the test writes byte by byte. Behind each forgery comes an honest
 * message: when that was handled, the forgery was judged. */
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

/* ---- in the name of others ---- */

static struct tr_message *of_kind(enum tr_signal_kind kind)
{
    if (kind <= TR_SIGNAL_REPLY) {
        return number_in(kind, 1);
    }
    if (kind == TR_SIGNAL_RESULT) {
        return tr_message_create_result(&cache, 1, TROUPE_OK, evil(), 0, "");
    }
    return kind == TR_SIGNAL_CALL_FAILED || kind >= TR_SIGNAL_EXIT
               ? reason_in(kind)
               : tr_message_create(&cache, kind, 0);
}

static void no_signal_comes_in_the_name_of_another_node(void **state)
{
    const troupe_pid pid = spawn(NULL);
    const troupe_pid others[] = {
        {.node = rogue.node_id + 7, .id = EVIL_ACTOR}, {.node = node_id, .id = pid.id}, {0}};
    uint64_t count = 0;

    (void)state;
    for (int kind = 0; kind < TR_SIGNAL_NODE_LOST; kind++) {
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            if (kind != TR_SIGNAL_FORGET_CALL) {
                say(of_kind((enum tr_signal_kind)kind), others[i], pid, 1);
                count++;
            }
        }
    }
    mark(pid);
    assert_int_equal(refused(), count);
    assert_int_equal(seen.numbers, 0);
    assert_int_equal(seen.news, 0);
}

static void nothing_is_read_that_nodes_do_not_say_to_each_other(void **state)
{
    const troupe_pid pid = spawn(NULL);
    uint64_t count = 0;

    (void)state;
    for (int kind = TR_SIGNAL_NODE_LOST; kind < 256; kind++) {
        uint8_t bytes[64] = {(uint8_t)kind};

        tr_be64_put(bytes + TR_CODEC_FROM_AT, rogue.node_id);
        tr_be64_put(bytes + TR_CODEC_TO_AT, pid.id);
        if (kind < TR_PACKET_SPAWN || kind >= 128) { /* between them: packets that are no signals */
            rogue_say(&rogue, node_id, bytes, sizeof(bytes));
            count++;
        }
    }
    mark(pid);
    assert_int_equal(refused(), count);
    assert_int_equal(seen.news, 0);
}

/* What an actor's own node alone tells it, as messages with those types. */
static void news_of_nodes_exits_and_groups_cannot_be_forged(void **state)
{
    const troupe_pid pid = spawn(NULL);
    const troupe_exit_message exit = {.from = pid, .kind = TROUPE_REASON_KILL, .text = "x"};
    const troupe_down_message down = {.monitor = 1, .from = pid, .kind = 1, .text = "x"};
    const troupe_node_message lost = {.node = node_id, .name = "n1", .up = false, .why = "down"};
    const troupe_group_message joined = {.group = "g", .member = pid, .joined = true};

    (void)state;
    for (int kind = TR_SIGNAL_MESSAGE; kind <= TR_SIGNAL_CALL; kind++) {
        const enum tr_signal_kind signal = (enum tr_signal_kind)kind;

        say(value_in(signal, &troupe_exit_type, &exit), evil(), pid, 1);
        say(value_in(signal, &troupe_down_type, &down), evil(), pid, 1);
        say(value_in(signal, &troupe_node_type, &lost), evil(), pid, 1);
        say(value_in(signal, &troupe_timeout_type, NULL), evil(), pid, 1);
        say(value_in(signal, &troupe_group_type, &joined), evil(), pid, 1);
    }
    mark(pid);
    assert_int_equal(refused(), 10);
    assert_int_equal(seen.news, 0);
}

static void a_spawn_is_asked_for_by_an_actor_of_that_node(void **state)
{
    const troupe_pid pid = spawn(NULL);
    struct tr_spawn_request request = {
        .caller = pid, .ref = 1, .behavior = "test.victim", .name = "", .args_type = ""};
    troupe_node_info info = {.struct_size = sizeof(info)};
    uint8_t bytes[1024];

    (void)state;
    troupe_node_get_info(node, &info);
    const uint64_t started = info.actors_started;

    rogue_say(&rogue, node_id, bytes, tr_codec_encode_spawn(&request, bytes, sizeof(bytes)));
    bytes[0] = TR_PACKET_SPAWN;
    rogue_say(&rogue, node_id, bytes, 9);
    mark(pid);
    assert_int_equal(refused(), 2);
    troupe_node_get_info(node, &info);
    assert_int_equal(info.actors_started, started);
}

/* ---- messages that come back ---- */

static void on_moved(void *context, const struct tr_name_result *result)
{
    assert_int_equal(result->status, TROUPE_OK);
    tr_mutex_lock(&seen.mutex);
    *(uint64_t *)context = result->epoch;
    seen.results++;
    seen_changed();
}

static uint64_t epoch_of_box;

static void take_name(void *context)
{
    const struct tr_name_register request = {.name = context,
                                             .actor_id = EVIL_ACTOR,
                                             .deadline_ns = INT64_MAX,
                                             .done = on_moved,
                                             .context = &epoch_of_box};

    rogue.registry->port.register_name(rogue.registry->port.context, &request);
}

static void give_name(void *context)
{
    static uint64_t unused;

    rogue.registry->port.unregister(rogue.registry->port.context, context, epoch_of_box, INT64_MAX,
                                    on_moved, &unused);
}

/* The rogue holds the name, is sent a number under it, and then gives the name to an actor of the
 * node. *letter is the packet that it could send back. */
static troupe_pid send_to_moving_name(troupe_pid sender, int64_t content, uint8_t kind,
                                      struct rogue_packet *letter)
{
    static char box[] = "box";

    seen.results = 0;
    assert_int_equal(tr_loop_post(rogue.loop, take_name, box), TROUPE_OK);
    await(&seen.results, 1);
    order_to_name(sender, box, content);
    rogue_hear(&rogue, node_id, kind, letter);
    assert_int_equal(tr_loop_post(rogue.loop, give_name, box), TROUPE_OK);
    await(&seen.results, 2);
    seen.results = 0;
    letter->bytes[TR_CODEC_FLAGS_AT] |= TR_MESSAGE_RETURNED;
    tr_be16_put(letter->bytes + TR_CODEC_STATUS_AT, (uint16_t)TROUPE_E_NOPROC);
    tr_be64_put(letter->bytes + TR_CODEC_TO_AT, sender.id);
    return spawn(box);
}

static void a_message_comes_back_as_it_was_and_once(void **state)
{
    const troupe_pid sender = spawn(NULL);
    struct rogue_packet letter;
    const troupe_pid box = send_to_moving_name(sender, 99, TR_SIGNAL_MESSAGE, &letter);

    (void)state;
    /* Each byte that matters, changed: who sent it, the name, when, the number, the proof, what. */
    uint64_t count = 0;

    for (size_t at = TR_CODEC_FROM_AT; at < letter.size; at++) {
        struct tr_codec_tail tail;
        struct rogue_packet changed = letter;

        assert_true(tr_codec_find_tail(letter.bytes, letter.size, &tail));
        changed.bytes[at] ^= 1;
        if ((at < TR_CODEC_TO_AT || at >= TR_CODEC_TO_AT + 8) &&
            (at < tail.left_at || at >= tail.left_at + 4)) {
            rogue_say(&rogue, node_id, changed.bytes, changed.size);
            count++;
        }
    }
    mark(sender);
    assert_int_equal(refused(), count);
    assert_int_equal(seen.numbers, 0);
    rogue_say(&rogue, node_id, letter.bytes, letter.size);
    await(&seen.numbers, 1);
    assert_int_equal(seen.sum, 99);
    for (int i = 0; i < 3; i++) {
        rogue_say(&rogue, node_id, letter.bytes, letter.size);
    }
    mark(box);
    assert_int_equal(refused(), count + 3);
    assert_int_equal(seen.sum, 99);
}

/* A call of which the node returns something else fails, since it is not answered there. */
static void a_call_that_comes_back_changed_fails(void **state)
{
    const troupe_pid sender = spawn(NULL);
    struct rogue_packet letter;

    (void)state;
    (void)send_to_moving_name(sender, -5, TR_SIGNAL_CALL, &letter);
    letter.bytes[letter.size - 1] ^= 1;
    rogue_say(&rogue, node_id, letter.bytes, letter.size);
    await(&seen.results, 1);
    assert_int_equal(seen.status, TROUPE_E_NOPROC);
    assert_int_equal(refused(), 1);
    assert_int_equal(seen.numbers, 0);
}

int main(void)
{
#define FORGED_TEST(name) cmocka_unit_test_setup_teardown(name, deceived_begin, deceived_end)
    const struct CMUnitTest tests[] = {
        FORGED_TEST(no_signal_comes_in_the_name_of_another_node),
        FORGED_TEST(nothing_is_read_that_nodes_do_not_say_to_each_other),
        FORGED_TEST(news_of_nodes_exits_and_groups_cannot_be_forged),
        FORGED_TEST(a_spawn_is_asked_for_by_an_actor_of_that_node),
        FORGED_TEST(a_message_comes_back_as_it_was_and_once),
        FORGED_TEST(a_call_that_comes_back_changed_fails),
    };

    return cmocka_run_group_tests_name("forged signals", tests, NULL, NULL);
}
