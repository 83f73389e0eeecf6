/* What is tested: wire/session against a peer that the test plays, frame by frame.
 * Method: plain frames written by hand from docs/protocol.md, right and wrong ones, and a time that
 * the test owns. Two sessions with each other are in prop_session.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/limits.h"
#include "wire/session.h"

enum { MS = 1000000, HEARTBEAT = 100, SILENCE = 600, WINDOW = 1000, ACK_DELAY = 20, SLICES = 8 };

static struct tr_session *session;
static uint64_t now;
static char messages[100];
static size_t message_count;
static bool end_on_message;

static void on_message(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    assert_true(size >= 1 && message_count < sizeof(messages) - 1);
    messages[message_count++] = (char)bytes[0];
    messages[message_count] = '\0';
    if (end_on_message) {
        tr_session_forget(session);
    }
}

static int setup(void **state)
{
    const struct tr_session_config config = {
        .number = 7,
        .heartbeat_ns = (uint64_t)HEARTBEAT * MS,
        .silence_ns = (uint64_t)SILENCE * MS,
        .resume_window_ns = (uint64_t)WINDOW * MS,
        .ack_delay_ns = (uint64_t)ACK_DELAY * MS,
        .resend_bytes_max = 100000,
        .on_message = on_message,
    };

    (void)state;
    now = (uint64_t)5000 * MS;
    message_count = 0;
    messages[0] = '\0';
    end_on_message = false;
    if (tr_session_create(&config, now, &session) != TROUPE_OK) {
        return -1;
    }
    return tr_session_attach(session, now, NULL, NULL, 0) == TROUPE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tr_session_destroy(session);
    return 0;
}

/* ---- the peer ---- */

struct made {
    uint8_t bytes[1000];
    size_t size;
};

static void begin(struct made *made)
{
    made->size = TR_FRAME_HEADER_SIZE;
}

static void add64(struct made *made, uint64_t value)
{
    tr_be64_put(made->bytes + made->size, value);
    made->size += 8;
}

static void add32(struct made *made, uint32_t value)
{
    tr_be32_put(made->bytes + made->size, value);
    made->size += 4;
}

static void add_message(struct made *made, char mark)
{
    add32(made, 1);
    made->bytes[made->size++] = (uint8_t)mark;
}

static troupe_status give(struct made *made, uint8_t kind)
{
    struct tr_frame frame = {
        .bytes = made->bytes,
        .size = made->size,
        .body = made->bytes + TR_FRAME_HEADER_SIZE,
        .body_size = made->size - TR_FRAME_HEADER_SIZE,
        .kind = kind,
    };

    return tr_session_input(session, now, &frame);
}

static troupe_status give_data(uint64_t sequence, uint64_t acknowledged, const char *marks)
{
    struct made made;

    begin(&made);
    add64(&made, sequence);
    add64(&made, acknowledged);
    for (; *marks != '\0'; marks++) {
        add_message(&made, *marks);
    }
    return give(&made, TR_FRAME_DATA);
}

static troupe_status give_control(uint8_t kind, uint64_t acknowledged)
{
    struct made made;

    begin(&made);
    add64(&made, acknowledged);
    return give(&made, kind);
}

/* ---- what the session writes ---- */

static void submit(char mark)
{
    struct tr_record *record = tr_record_create(false);
    const uint8_t byte = (uint8_t)mark;

    assert_non_null(record);
    tr_record_put(record, &(struct tr_slice){&byte, 1}, 1, 1);
    tr_session_submit(session, record);
}

/* Writes everything and answers the kinds, as letters: Data, Ack, Heartbeat, Goodbye. */
static const char *written(void)
{
    static char kinds[SLICES + 1];
    struct tr_slice slices[SLICES];
    const size_t count = tr_session_output(session, now, slices, SLICES, 1000000);

    for (size_t index = 0; index < count; index++) {
        const uint8_t kind = slices[index].bytes[4];

        assert_true(kind >= TR_FRAME_DATA && kind <= TR_FRAME_GOODBYE);
        assert_int_equal(tr_be32_get(slices[index].bytes),
                         slices[index].size - TR_FRAME_HEADER_SIZE);
        kinds[index] = "DAHG"[kind - TR_FRAME_DATA];
    }
    kinds[count] = '\0';
    if (count > 0) {
        tr_session_written(session);
    }
    return kinds;
}

static void assert_ended(void)
{
    assert_int_equal(tr_session_state(session), TR_SESSION_ENDED);
}

/* ---- receiving ---- */

static void messages_come_in_order_and_a_doubled_record_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(give_data(1, 0, "ab"), TROUPE_OK);
    assert_int_equal(give_data(2, 0, "c"), TROUPE_OK);
    assert_int_equal(give_data(2, 0, "c"), TROUPE_OK);
    assert_int_equal(give_data(1, 0, "ab"), TROUPE_OK);
    assert_int_equal(give_data(3, 0, "d"), TROUPE_OK);
    assert_string_equal(messages, "abcd");
    assert_int_equal(tr_session_received(session), 3);
    assert_int_equal(tr_session_counters(session)->records_doubled, 2);
}

static void gap_ends_the_session(void **state)
{
    (void)state;
    assert_int_equal(give_data(1, 0, "a"), TROUPE_OK);
    assert_int_equal(give_data(3, 0, "c"), TROUPE_E_PROTOCOL);
    assert_string_equal(messages, "a");
    assert_ended();
    assert_int_equal(give_data(2, 0, "b"), TROUPE_E_PROTOCOL); /* nothing comes back */
    assert_string_equal(messages, "a");
}

static void acknowledgement_of_what_was_not_sent_ends_the_session(void **state)
{
    (void)state;
    submit('a');
    assert_int_equal(give_control(TR_FRAME_ACK, 1), TROUPE_E_PROTOCOL); /* submitted, not written */
    assert_ended();
}

static void frames_of_other_places_end_the_session(void **state)
{
    static const uint8_t kinds[] = {0,
                                    TR_FRAME_HELLO,
                                    TR_FRAME_PROOF,
                                    TR_FRAME_REFUSE,
                                    TR_FRAME_REQUEST,
                                    TR_FRAME_RESPONSE,
                                    TR_FRAME_GOODBYE + 1,
                                    255};

    for (size_t index = 0; index < sizeof(kinds); index++) {
        assert_int_equal(give_control(kinds[index], 0), TROUPE_E_PROTOCOL);
        assert_ended();
        (void)teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

/* Each is the body of a data frame behind sequence and acknowledgement. */
static void segments_that_do_not_fit_end_the_session(void **state)
{
    static const struct {
        uint8_t bytes[16];
        size_t size;
    } bodies[] = {
        {{0}, 1},                                           /* not even a head */
        {{0, 0, 0}, 3},                                     /* the same */
        {{0, 0, 0, 2, 'a'}, 5},                             /* one byte short */
        {{0x7f, 0xff, 0xff, 0xff, 'a'}, 5},                 /* far too long */
        {{0x80, 0, 0, 1}, 4},                               /* a piece without its head */
        {{0x80, 0, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 'a'}, 13}, /* a piece one byte short */
        {{0x80, 0, 0, 1, 0, 1, 0, 1, 0, 2, 0, 0, 'a'}, 13}, /* reserved bits */
        {{0x80, 0, 0, 1, 0, 4, 0, 0, 0, 2, 0, 0, 'a'}, 13}, /* an unknown flag */
        {{0x80, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0, 0, 'a'}, 13}, /* a last one without a first */
        {{0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 2, 0, 0, 'a'}, 13}, /* a piece far too long */
    };

    for (size_t index = 0; index < sizeof(bodies) / sizeof(bodies[0]); index++) {
        struct made made;

        begin(&made);
        add64(&made, 1);
        add64(&made, 0);
        memcpy(made.bytes + made.size, bodies[index].bytes, bodies[index].size);
        made.size += bodies[index].size;
        assert_int_equal(give(&made, TR_FRAME_DATA), TROUPE_E_PROTOCOL);
        assert_ended();
        assert_string_equal(messages, "");
        (void)teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void frames_of_a_wrong_length_end_the_session(void **state)
{
    static const uint8_t kinds[] = {TR_FRAME_DATA, TR_FRAME_ACK, TR_FRAME_HEARTBEAT,
                                    TR_FRAME_GOODBYE};

    for (size_t index = 0; index < sizeof(kinds); index++) {
        for (size_t size = 0; size < 16; size++) {
            struct made made = {.size = TR_FRAME_HEADER_SIZE + size};

            if (size == 8 && kinds[index] != TR_FRAME_DATA) {
                continue; /* the right one */
            }
            assert_int_equal(give(&made, kinds[index]), TROUPE_E_PROTOCOL);
            (void)teardown(state);
            assert_int_equal(setup(state), 0);
        }
    }
}

static void nothing_is_delivered_once_the_owner_has_ended_it(void **state)
{
    (void)state;
    end_on_message = true;
    assert_int_equal(give_data(1, 0, "abc"), TROUPE_OK);
    assert_string_equal(messages, "a");
    assert_ended();
}

static void goodbye_ends_it_in_order(void **state)
{
    (void)state;
    assert_int_equal(give_control(TR_FRAME_GOODBYE, 0), TROUPE_E_CLOSED);
    assert_ended();
    assert_string_equal(written(), "");
}

/* ---- sending ---- */

static void heartbeat_comes_when_nothing_else_was_said(void **state)
{
    (void)state;
    assert_string_equal(written(), "");
    assert_int_equal(tr_session_wake(session), now + (uint64_t)HEARTBEAT * MS);
    now += (uint64_t)HEARTBEAT * MS - 1;
    assert_string_equal(written(), "");
    submit('a');
    assert_string_equal(written(), "D");
    now += (uint64_t)HEARTBEAT * MS - 1;
    assert_string_equal(written(), ""); /* data are a sign of life too */
    now += 1;
    submit('b');
    assert_string_equal(written(), "HD"); /* and never go before a heartbeat that is due */
    now += (uint64_t)HEARTBEAT * MS;
    assert_string_equal(written(), "H");
}

static void acknowledgement_goes_alone_only_when_nothing_carries_it(void **state)
{
    (void)state;
    assert_int_equal(give_data(1, 0, "a"), TROUPE_OK);
    assert_string_equal(written(), "");
    assert_int_equal(tr_session_wake(session), now + (uint64_t)ACK_DELAY * MS);
    submit('x');
    assert_string_equal(written(), "D");
    now += (uint64_t)ACK_DELAY * MS;
    assert_string_equal(written(), ""); /* the data have carried it */
    assert_int_equal(give_data(2, 1, "b"), TROUPE_OK);
    now += (uint64_t)ACK_DELAY * MS;
    assert_string_equal(written(), "A");
    assert_true(tr_session_is_idle(session)); /* the peer's data carried one too */
}

static void acknowledgement_goes_at_once_after_many_bytes(void **state)
{
    static uint8_t bytes[TR_FRAME_HEADER_SIZE + 16 + 4 + 60000];
    struct tr_frame frame = {
        .bytes = bytes,
        .size = sizeof(bytes),
        .body = bytes + TR_FRAME_HEADER_SIZE,
        .body_size = sizeof(bytes) - TR_FRAME_HEADER_SIZE,
        .kind = TR_FRAME_DATA,
    };

    (void)state;
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        assert_string_equal(written(), "");
        tr_be64_put(bytes + TR_FRAME_HEADER_SIZE, sequence);
        tr_be32_put(bytes + TR_FRAME_HEADER_SIZE + 16, 60000);
        assert_int_equal(tr_session_input(session, now, &frame), TROUPE_OK);
    }
    assert_string_equal(written(), "A"); /* 300,000 bytes are above TR_ACK_BYTES */
}

static void acknowledgement_goes_at_once_after_many_records(void **state)
{
    (void)state;
    for (uint64_t sequence = 1; sequence <= TR_ACK_RECORDS; sequence++) {
        assert_string_equal(written(), "");
        assert_int_equal(give_data(sequence, 0, ""), TROUPE_OK);
    }
    assert_string_equal(written(), "A");
}

static void window_closes_until_the_peer_acknowledges(void **state)
{
    size_t count = 0;

    (void)state;
    while (tr_session_room(session) > 0) {
        struct tr_record *record = tr_record_create(true);
        static const uint8_t bytes[30000];

        tr_record_put(record, &(struct tr_slice){bytes, sizeof(bytes)}, 1, sizeof(bytes));
        tr_session_submit(session, record);
        count++;
        (void)written();
        assert_true(count < 10);
    }
    assert_int_equal(count, 4); /* of 100,000 bytes */
    assert_int_equal(give_control(TR_FRAME_ACK, 1), TROUPE_OK);
    assert_true(tr_session_room(session) > 0);
}

static void record_under_way_is_not_given_back_before_its_write_is_over(void **state)
{
    struct tr_slice slices[SLICES];
    struct tr_record *done = NULL;

    (void)state;
    submit('a');
    assert_int_equal(tr_session_output(session, now, slices, SLICES, 1000000), 1);
    assert_int_equal(give_control(TR_FRAME_ACK, 1), TROUPE_OK);
    assert_null(tr_session_take_done(session));
    tr_session_written(session);
    done = tr_session_take_done(session);
    assert_non_null(done);
    tr_record_destroy_all(done);
}

/* ---- connections and time ---- */

static void unacknowledged_records_are_sent_again_on_the_next_connection(void **state)
{
    (void)state;
    submit('a');
    submit('b');
    submit('c');
    assert_string_equal(written(), "DDD");
    assert_int_equal(give_control(TR_FRAME_ACK, 1), TROUPE_OK);
    tr_session_detach(session, now);
    assert_int_equal(tr_session_state(session), TR_SESSION_BROKEN);
    assert_int_equal(tr_session_room(session), 0);
    assert_string_equal(written(), "");
    assert_int_equal(tr_session_attach(session, now, NULL, NULL, 2), TROUPE_OK);
    assert_string_equal(written(), "D"); /* the peer has got two of them */
    assert_int_equal(tr_session_counters(session)->records_resent, 1);
}

static void resume_from_an_impossible_place_ends_the_session(void **state)
{
    (void)state;
    submit('a');
    submit('b');
    assert_string_equal(written(), "DD");
    assert_int_equal(give_control(TR_FRAME_ACK, 1), TROUPE_OK);
    tr_session_detach(session, now);
    assert_int_equal(tr_session_attach(session, now, NULL, NULL, 0), TROUPE_E_PROTOCOL);
    assert_ended();
    (void)teardown(state);
    assert_int_equal(setup(state), 0);
    submit('a');
    assert_string_equal(written(), "D");
    tr_session_detach(session, now);
    assert_int_equal(tr_session_attach(session, now, NULL, NULL, 2), TROUPE_E_PROTOCOL);
    assert_ended();
}

static void broken_session_expires_after_the_window_and_not_before(void **state)
{
    (void)state;
    tr_session_detach(session, now);
    assert_int_equal(tr_session_wake(session), now + (uint64_t)WINDOW * MS);
    now += (uint64_t)WINDOW * MS - 1;
    assert_int_equal(tr_session_tick(session, now), TR_SESSION_FINE);
    now += 1;
    assert_int_equal(tr_session_tick(session, now), TR_SESSION_EXPIRED);
    assert_ended();
}

/* Ticks as its owner would, so that no long gap excuses the silence. */
static enum tr_session_verdict let_pass(uint64_t ms)
{
    enum tr_session_verdict verdict = TR_SESSION_FINE;

    for (uint64_t passed = 0; passed < ms && verdict == TR_SESSION_FINE; passed += 10) {
        now += (uint64_t)10 * MS;
        verdict = tr_session_tick(session, now);
    }
    return verdict;
}

static void silent_peer_is_noticed_and_a_heartbeat_is_enough_against_it(void **state)
{
    (void)state;
    assert_int_equal(let_pass(SILENCE - 10), TR_SESSION_FINE);
    assert_int_equal(give_control(TR_FRAME_HEARTBEAT, 0), TROUPE_OK);
    assert_int_equal(let_pass(SILENCE - 10), TR_SESSION_FINE);
    assert_int_equal(let_pass(10), TR_SESSION_SILENT);
}

static void who_stood_still_itself_does_not_blame_the_peer(void **state)
{
    (void)state;
    now += (uint64_t)10 * SILENCE * MS; /* our process was stopped */
    assert_int_equal(tr_session_tick(session, now), TR_SESSION_FINE);
    assert_int_equal(let_pass(SILENCE - 10), TR_SESSION_FINE);
    assert_int_equal(let_pass(10), TR_SESSION_SILENT);
}

/* A cable that is cut under load: the write that is under way never ends. */
static void write_that_does_not_end_hides_no_silence(void **state)
{
    struct tr_slice slices[8];
    const uint64_t start = now;
    enum tr_session_verdict verdict = TR_SESSION_FINE;

    (void)state;
    submit('a');
    assert_true(tr_session_output(session, now, slices, 8, 1000) > 0);
    while (verdict == TR_SESSION_FINE && now - start < (uint64_t)10 * SILENCE * MS) {
        now = tr_session_wake(session);
        verdict = tr_session_tick(session, now);
    }
    assert_int_equal(verdict, TR_SESSION_SILENT);
    assert_int_equal(now - start, (uint64_t)SILENCE * MS);
}

static void goodbye_follows_what_was_submitted(void **state)
{
    (void)state;
    submit('a');
    tr_session_leave(session);
    assert_false(tr_session_has_left(session));
    assert_string_equal(written(), "D");
    assert_false(tr_session_has_left(session));
    assert_string_equal(written(), "G");
    assert_true(tr_session_has_left(session));
    assert_string_equal(written(), "");
    tr_session_detach(session, now);
    assert_ended();
}

#define SESSION_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(messages_come_in_order_and_a_doubled_record_is_dropped),
        SESSION_TEST(gap_ends_the_session),
        SESSION_TEST(acknowledgement_of_what_was_not_sent_ends_the_session),
        SESSION_TEST(frames_of_other_places_end_the_session),
        SESSION_TEST(segments_that_do_not_fit_end_the_session),
        SESSION_TEST(frames_of_a_wrong_length_end_the_session),
        SESSION_TEST(nothing_is_delivered_once_the_owner_has_ended_it),
        SESSION_TEST(goodbye_ends_it_in_order),
        SESSION_TEST(heartbeat_comes_when_nothing_else_was_said),
        SESSION_TEST(acknowledgement_goes_alone_only_when_nothing_carries_it),
        SESSION_TEST(acknowledgement_goes_at_once_after_many_bytes),
        SESSION_TEST(acknowledgement_goes_at_once_after_many_records),
        SESSION_TEST(window_closes_until_the_peer_acknowledges),
        SESSION_TEST(record_under_way_is_not_given_back_before_its_write_is_over),
        SESSION_TEST(unacknowledged_records_are_sent_again_on_the_next_connection),
        SESSION_TEST(resume_from_an_impossible_place_ends_the_session),
        SESSION_TEST(broken_session_expires_after_the_window_and_not_before),
        SESSION_TEST(silent_peer_is_noticed_and_a_heartbeat_is_enough_against_it),
        SESSION_TEST(who_stood_still_itself_does_not_blame_the_peer),
        SESSION_TEST(write_that_does_not_end_hides_no_silence),
        SESSION_TEST(goodbye_follows_what_was_submitted),
    };

    return cmocka_run_group_tests_name("wire/session", tests, NULL, NULL);
}
