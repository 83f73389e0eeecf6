/* What is tested: how far a small message and a heartbeat stand behind large ones on their way. Two
 * sessions with their queues, joined by nothing but this test, which counts frames: what the loop
 * does with them (dist/peer_link.c) is done here by hand, and a connection takes as much at a time
 * as the test lets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/limits.h"
#include "wire/send_queue.h"
#include "wire/session.h"

enum {
    MS = 1000000,
    WRITE_SIZE = 512 * 1024, /* as of one write of the loop */
    SLICES = 128,
    LARGE_SIZE = 64 * 1024 * 1024,
    SMALL_SIZE = 100,
    /* What waits in the session, half a megabyte and the end of a piece, and the piece whose turn
     * it is. What a connection has taken already comes on top of that, once as much. */
    FRAMES_AHEAD_MAX = WRITE_SIZE / TR_FRAGMENT_SIZE + 2
};

struct side {
    struct tr_send_queue queue;
    struct tr_session *session;
    uint64_t frames;       /* of data that came */
    uint64_t wholes;       /* messages that came */
    uint64_t large;        /* of these, large ones that are right */
    uint64_t small_number; /* the small one that came last */
    uint64_t small_came;   /* `frames` then */
    uint8_t last_kind;     /* of the frame that came first in the last write */
};

static struct side near;
static struct side far;
static uint64_t now;
static uint8_t *large_bytes;

static void on_message(void *context, const uint8_t *bytes, size_t size)
{
    struct side *side = context;

    side->wholes++;
    if (size == LARGE_SIZE) {
        side->large += memcmp(bytes, large_bytes, size) == 0 ? 1 : 0;
    } else {
        assert_int_equal(size, SMALL_SIZE);
        side->small_number = tr_be64_get(bytes);
        side->small_came = side->frames;
    }
}

static void side_begin(struct side *side)
{
    const struct tr_session_config config = {
        .number = 1,
        .heartbeat_ns = (uint64_t)500 * MS,
        .silence_ns = (uint64_t)3000 * MS,
        .resume_window_ns = (uint64_t)3000 * MS,
        .ack_delay_ns = (uint64_t)20 * MS,
        .resend_bytes_max = TR_RESEND_BYTES_MAX,
        .context = side,
        .on_message = on_message,
    };

    *side = (struct side){0};
    tr_send_queue_init(&side->queue, TR_SEND_QUEUE_LOW_BYTES, TR_SEND_QUEUE_HIGH_BYTES,
                       (size_t)1 << 30);
    assert_int_equal(tr_session_create(&config, now, &side->session), TROUPE_OK);
    assert_int_equal(tr_session_attach(side->session, now, NULL, NULL, 0), TROUPE_OK);
}

static int setup(void **state)
{
    (void)state;
    now = (uint64_t)1000 * MS;
    side_begin(&near);
    side_begin(&far);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tr_session_destroy(near.session);
    tr_session_destroy(far.session);
    tr_send_queue_fini(&near.queue);
    tr_send_queue_fini(&far.queue);
    return 0;
}

static void push_large(uint32_t order)
{
    const struct tr_slice part = {large_bytes, LARGE_SIZE};
    struct tr_large *large = NULL;

    assert_int_equal(tr_send_queue_admit(&near.queue, LARGE_SIZE, TR_SEND_SYSTEM), TROUPE_OK);
    assert_int_equal(
        tr_large_create(tr_send_queue_grab(&near.queue, LARGE_SIZE), &part, 1, LARGE_SIZE, &large),
        TROUPE_OK);
    tr_send_queue_push_large(&near.queue, order, large);
}

static void push_small(uint32_t order, uint64_t number)
{
    uint8_t bytes[SMALL_SIZE] = {0};

    tr_be64_put(bytes, number);
    assert_int_equal(tr_send_queue_push(&near.queue, order, &(struct tr_slice){bytes, SMALL_SIZE},
                                        1, SMALL_SIZE),
                     TROUPE_OK);
}

/* Moves records into the session, as the loop does before each write. */
static void top_up(struct side *side)
{
    tr_send_queue_recycle(&side->queue, tr_session_take_done(side->session));
    while (tr_session_room(side->session) > 0) {
        struct tr_record *record = tr_send_queue_take(&side->queue);

        if (record == NULL) {
            return;
        }
        tr_session_submit(side->session, record);
    }
}

static void arrive(struct side *at, const struct tr_slice *slice)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)slice->bytes;
    struct tr_frame frame = {.bytes = bytes,
                             .size = slice->size,
                             .body = bytes + TR_FRAME_HEADER_SIZE,
                             .body_size = slice->size - TR_FRAME_HEADER_SIZE,
                             .kind = bytes[4]};

    at->frames += frame.kind == TR_FRAME_DATA ? 1 : 0;
    assert_int_equal(tr_session_input(at->session, now, &frame), TROUPE_OK);
}

/* One write of one side arrives at the other. False when there was nothing to write. */
static bool write_once(struct side *from, struct side *to)
{
    struct tr_slice slices[SLICES];
    size_t count = 0;

    top_up(from);
    count = tr_session_output(from->session, now, slices, SLICES, WRITE_SIZE);
    if (count > 0) {
        to->last_kind = slices[0].bytes[4];
    }
    /* While the write is under way more is gathered. */
    top_up(from);
    for (size_t index = 0; index < count; index++) {
        arrive(to, &slices[index]);
    }
    tr_session_written(from->session);
    return count > 0;
}

/* The far side answers what it has to: acknowledgements open the window again. */
static bool turn(void)
{
    const bool wrote = write_once(&near, &far);

    now += MS;
    (void)write_once(&far, &near);
    return wrote;
}

static void run_dry(void)
{
    uint64_t quiet = 0;

    while (quiet < 100) { /* acknowledgements take their time */
        quiet = turn() ? 0 : quiet + 1;
    }
}

static void a_small_message_stands_behind_a_few_fragments_only(void **state)
{
    uint64_t longest = 0;
    uint64_t number = 0;

    (void)state;
    for (uint32_t order = 1; order <= 3; order++) {
        push_large(order);
    }
    while (far.large < 3) {
        const uint64_t before = far.frames;

        number++;
        push_small(100 + (uint32_t)(number % 7), number);
        while (far.small_number < number) {
            assert_true(turn());
            assert_true(far.frames - before < 1000);
        }
        longest = far.small_came - before > longest ? far.small_came - before : longest;
    }
    print_message("%u small messages, at most %u frames before one\n", (unsigned)number,
                  (unsigned)longest);
    assert_true(number > 100);
    assert_true(longest > 1); /* they were in each other's way */
    assert_true(longest <= FRAMES_AHEAD_MAX);
    assert_int_equal(far.wholes, number + 3);
}

static void a_message_of_the_same_sender_waits_for_the_large_one(void **state)
{
    (void)state;
    push_large(1);
    push_small(1, 1);
    while (far.small_number == 0) {
        assert_true(turn());
    }
    assert_int_equal(far.large, 1);
    assert_int_equal(far.small_came, far.frames);
}

static void a_heartbeat_goes_before_all_that_waits(void **state)
{
    (void)state;
    push_large(1);
    assert_true(turn());
    assert_int_equal(far.last_kind, TR_FRAME_DATA);
    now += (uint64_t)600 * MS; /* the connection took nothing for so long */
    assert_true(write_once(&near, &far));
    assert_int_equal(far.last_kind, TR_FRAME_HEARTBEAT);
    run_dry();
    assert_int_equal(far.large, 1);
}

/* A system signal has no lane of its own: it keeps its place behind its sender's messages, and
 * takes turns with the pieces of others. */
static void ten_large_ones_share_the_way_and_all_arrive(void **state)
{
    (void)state;
    for (uint32_t order = 1; order <= 10; order++) {
        push_large(order);
        push_small(order, order);
    }
    run_dry();
    assert_int_equal(far.large, 10);
    assert_int_equal(far.wholes, 20);
    assert_int_equal(near.queue.bytes, 0);
}

static int begin(void **state)
{
    (void)state;
    large_bytes = malloc(LARGE_SIZE);
    for (size_t at = 0; large_bytes != NULL && at < LARGE_SIZE; at++) {
        large_bytes[at] = (uint8_t)(at * 7 + at / 65536);
    }
    return large_bytes == NULL ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    free(large_bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_message_stands_behind_a_few_fragments_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_of_the_same_sender_waits_for_the_large_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_heartbeat_goes_before_all_that_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_large_ones_share_the_way_and_all_arrive, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("large messages on their way", tests, begin, end);
}
