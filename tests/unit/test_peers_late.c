/* What is tested: a claim to a session that a peer made, gave up, and that arrives after all when
 * the two have a session again: it must not end that one. Method: a rig node in memory, and another
 * whose handshakes the test makes itself, so that it says when each of their frames leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "io/loop.h"
#include "io/stream.h"
#include "support/memory_transport.h"
#include "support/peers_rig.h"
#include "support/rig_stage.h"
#include "wire/crypto.h"
#include "wire/frame_reader.h"
#include "wire/handshake.h"
#include "wire/session.h"

enum { GHOST = 2, SECOND_NS = 1000000000, BEAT_MS = 10000, HOUR_MS = 3600 * 1000 };

/* One connection of the other node. */
struct dial {
    struct tr_stream *stream;
    struct tr_handshake *handshake;
    struct tr_frame_reader *reader;
    bool withholds; /* its claim is made and not sent */
    bool ended;
    troupe_status answer; /* of the last frame of the handshake */
    size_t later;         /* bytes that came after the handshake */
};

static struct rig_node one;
static struct tr_loop *loop;

static void say(struct dial *dial, struct tr_slice bytes)
{
    bool done = false;

    if (bytes.size > 0) {
        assert_int_equal(tr_stream_write(dial->stream, &bytes, 1, &done), TROUPE_OK);
        assert_true(done);
    }
}

static void on_connect(void *context, troupe_status status, bool refused)
{
    struct dial *dial = context;

    (void)refused;
    assert_int_equal(status, TROUPE_OK);
    tr_handshake_start(dial->handshake);
    say(dial, tr_handshake_output(dial->handshake));
    assert_int_equal(tr_stream_read_start(dial->stream), TROUPE_OK);
}

static size_t space(void *context, uint8_t **room)
{
    return tr_frame_reader_space(((struct dial *)context)->reader, room);
}

static void on_frame(struct dial *dial, const struct tr_frame *frame)
{
    const struct tr_resume nothing = {0};

    if (dial->answer != TROUPE_OK || tr_handshake_state(dial->handshake) == TR_HANDSHAKE_DONE) {
        dial->later += frame->body_size + 1;
        return;
    }
    dial->answer = tr_handshake_input(dial->handshake, frame);
    if (tr_handshake_state(dial->handshake) == TR_HANDSHAKE_OFFER) {
        assert_int_equal(tr_handshake_offer(dial->handshake, &nothing), TROUPE_OK);
        if (!dial->withholds) {
            say(dial, tr_handshake_output(dial->handshake));
        }
    }
}

static void on_read(void *context, size_t size)
{
    struct dial *dial = context;
    struct tr_frame frame;

    tr_frame_reader_commit(dial->reader, size);
    while (tr_frame_reader_next(dial->reader, &frame) == TROUPE_OK) {
        on_frame(dial, &frame);
    }
}

static void on_end(void *context, troupe_status status)
{
    (void)status;
    ((struct dial *)context)->ended = true;
}

static void on_written(void *context)
{
    (void)context;
}

static const struct tr_stream_events events = {.on_connect = on_connect,
                                               .space = space,
                                               .on_read = on_read,
                                               .on_end = on_end,
                                               .on_written = on_written};

static void dial_open(struct dial *dial, bool withholds)
{
    struct tr_handshake_config config = {.dialer = true,
                                         .self = {.role = TR_WIRE_NODE,
                                                  .system_id = 77,
                                                  .node_id = GHOST,
                                                  .frame_size_max = TR_FRAME_SIZE_MAX,
                                                  .message_size_max = TR_MESSAGE_SIZE_MAX,
                                                  .heartbeat_ms = BEAT_MS,
                                                  .silence_ms = HOUR_MS,
                                                  .cluster_id = {1},
                                                  .name = "n2"},
                                         .expected_node_id = 1};

    *dial = (struct dial){.withholds = withholds};
    assert_int_equal(tr_crypto_random(config.self.nonce, TR_NONCE_SIZE), TROUPE_OK);
    assert_int_equal(tr_handshake_create(&config, &dial->handshake), TROUPE_OK);
    assert_int_equal(tr_frame_reader_create(TR_FRAME_SIZE_MAX, TR_FRAME_SIZE_MAX, &dial->reader),
                     TROUPE_OK);
    assert_int_equal(tr_stream_connect(loop, one.host, one.port, &events, dial, &dial->stream),
                     TROUPE_OK);
}

static void dial_close(struct dial *dial)
{
    tr_stream_close(dial->stream);
    tr_handshake_destroy(dial->handshake);
    tr_frame_reader_destroy(dial->reader);
}

static void step_until(const struct dial *dial, enum tr_handshake_state state)
{
    for (uint32_t steps = 0; steps < 10000 && tr_handshake_state(dial->handshake) != state;
         steps++) {
        (void)memory_step();
    }
    assert_int_equal(tr_handshake_state(dial->handshake), state);
}

/* Anything by the session shows that its maker knows of it. */
static void beat(struct dial *dial, struct tr_session *session)
{
    struct tr_slice slices[8];
    bool done = false;

    (void)tr_session_tick(session, SECOND_NS);
    const size_t count = tr_session_output(session, SECOND_NS, slices, 8, 4096);

    assert_true(count > 0);
    assert_int_equal(tr_stream_write(dial->stream, slices, count, &done), TROUPE_OK);
    assert_true(done);
    tr_session_written(session);
}

static void a_claim_that_was_given_up_does_not_end_the_session_made_since(void **state)
{
    const struct tr_session_config shape = {.number = 1,
                                            .heartbeat_ns = 1000,
                                            .silence_ns = (uint64_t)100 * SECOND_NS,
                                            .resume_window_ns = SECOND_NS,
                                            .ack_delay_ns = 1000,
                                            .resend_bytes_max = 1000};
    struct rig_options options = rig_defaults(1);
    struct rig_node ghost = {.options = {.node_id = GHOST}, .name = "n2"};
    struct tr_session *session = NULL;
    struct dial first;
    struct dial second;

    (void)state;
    options.secret = NULL;
    options.heartbeat_ms = BEAT_MS;
    options.silence_ms = HOUR_MS;
    options.handshake_ms = HOUR_MS;
    rig_start(&one, &options);
    memory_place(GHOST);
    ghost.host = memory_host(GHOST);
    assert_int_equal(tr_loop_create(&loop), TROUPE_OK);
    assert_int_equal(tr_loop_start(loop), TROUPE_OK);
    rig_want_at(&one, &ghost, MEMORY_PORT);

    dial_open(&first, true);
    step_until(&first, TR_HANDSHAKE_AWAIT_PROOF);
    dial_open(&second, false);
    step_until(&second, TR_HANDSHAKE_DONE);
    assert_true(rig_wait_ups(&one, GHOST, 1));
    assert_int_equal(rig_pair(&one, GHOST).session, 1);
    assert_int_equal(tr_session_create(&shape, 0, &session), TROUPE_OK);
    assert_int_equal(tr_session_attach(session, 0, NULL, NULL, 0), TROUPE_OK);
    beat(&second, session);
    const uint64_t heard_ms = memory_now_ms() + BEAT_MS; /* Time passes when all is read. */

    while (memory_now_ms() < heard_ms) {
        assert_true(memory_step());
    }
    say(&first, tr_handshake_output(first.handshake));
    step_until(&first, TR_HANDSHAKE_FAILED);
    assert_int_equal(first.answer, TROUPE_E_EXISTS);
    assert_int_equal(rig_pair(&one, GHOST).losts, 0);
    assert_int_equal(rig_pair(&one, GHOST).ups, 1);

    /* The session goes on by the connection that it has. */
    const size_t before = second.later;

    assert_int_equal(rig_send(&one, GHOST, 0, 0, 1000, 0), TROUPE_OK);
    for (uint32_t steps = 0; steps < 10000 && second.later < before + 1000; steps++) {
        (void)memory_step();
    }
    assert_true(second.later >= before + 1000);
    assert_false(second.ended);
    assert_int_equal(rig_pair(&one, GHOST).errors, 0);

    tr_session_destroy(session);
    dial_close(&first);
    dial_close(&second);
    tr_loop_stop(loop);
    tr_loop_join(loop);
    tr_loop_destroy(loop);
    rig_stop(&one); /* The world ends with it. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_that_was_given_up_does_not_end_the_session_made_since)};
    int failed = 0;

    for (uint32_t round = 0; round < rig_stage_rounds() && failed == 0; round++) {
        failed = cmocka_run_group_tests_name("dist/peers, late claims", tests, NULL, NULL);
    }
    return failed;
}
