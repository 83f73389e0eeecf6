/* What is tested: dist/pace, and with it how long a small message waits beside a large one on a
 * link of a known speed.
 * Method: a queue, a session and a connection of this test's own making, which keeps what it may
 * and passes on so many bytes in each millisecond; no socket and no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "dist/pace.h"
#include "wire/send_queue.h"
#include "wire/session.h"

enum {
    MS = 1000000,
    SLICES = 128,
    LARGE_SIZE = 24 * 1024 * 1024,
    SMALL_SIZE = 100,
    SMALL_EVERY_MS = 50,
    SKB_SIZE = TR_FRAGMENT_SIZE, /* the kernel takes so much at a time while it keeps less */
};

/* A connection and what is behind it. */
struct link {
    size_t bytes_per_ms;
    size_t kept_max; /* unsent */
    size_t kept;
    size_t pending; /* of the write that was not done at once */
    bool writing;
    uint64_t given; /* in all, to the connection */
    uint64_t gone;  /* in all, at the other end */
};

struct sender {
    struct tr_send_queue queue;
    struct tr_session *session;
    struct tr_pace pace;
    struct link link;
    uint64_t now;
    bool paces;             /* else: as much as the kernel takes, half a megabyte at a time */
    uint64_t small_at;      /* when the small message that is on its way was pushed; 0 = none is */
    uint64_t small_given;   /* what had to go when the write with it began; 0 = it has not */
    uint64_t longest_ns;    /* that a small one has taken */
    uint64_t small_written; /* how many */
};

static uint8_t *large_bytes;

static void on_message(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    (void)bytes;
    (void)size;
}

static void sender_init(struct sender *sender, size_t bytes_per_ms, bool paces)
{
    const struct tr_session_config config = {
        .number = 1,
        .heartbeat_ns = UINT64_MAX / 4,
        .silence_ns = UINT64_MAX / 4,
        .resume_window_ns = UINT64_MAX / 4,
        .ack_delay_ns = MS,
        .resend_bytes_max = (size_t)1 << 30, /* nobody acknowledges here */
        .on_message = on_message,
    };

    *sender = (struct sender){.now = MS, .paces = paces, .link.bytes_per_ms = bytes_per_ms};
    tr_pace_init(&sender->pace);
    sender->link.kept_max = paces ? sender->pace.batch : 4 * (size_t)TR_MIB;
    tr_send_queue_init(&sender->queue, 1, 2, (size_t)1 << 30);
    assert_int_equal(tr_session_create(&config, sender->now, &sender->session), TROUPE_OK);
    assert_int_equal(tr_session_attach(sender->session, sender->now, NULL, NULL, 0), TROUPE_OK);
}

static void sender_fini(struct sender *sender)
{
    tr_session_destroy(sender->session);
    tr_send_queue_fini(&sender->queue);
}

static size_t batch_of(const struct sender *sender)
{
    return sender->paces ? sender->pace.batch : TR_PACE_BATCH_MAX;
}

/* ---- the connection ---- */

/* The kernel takes of the pending write what it may keep; answers whether all is taken. */
static bool link_take(struct link *link)
{
    while (link->pending > 0 && link->kept < link->kept_max) {
        const size_t part = link->pending < SKB_SIZE ? link->pending : (size_t)SKB_SIZE;

        link->pending -= part;
        link->kept += part;
    }
    return link->pending == 0;
}

/* A millisecond passes. */
static void link_pass(struct link *link)
{
    const size_t part = link->kept < link->bytes_per_ms ? link->kept : link->bytes_per_ms;

    link->kept -= part;
    link->gone += part;
}

/* ---- what the loop does with them (dist/peer_link.c) ---- */

static void top_up(struct sender *sender)
{
    while (tr_session_room(sender->session) > 0 &&
           tr_session_waiting(sender->session) < batch_of(sender)) {
        struct tr_record *record = tr_send_queue_take(&sender->queue);

        if (record == NULL) {
            return;
        }
        tr_session_submit(sender->session, record);
    }
}

/* One write; answers whether another one may follow. */
static bool write_once(struct sender *sender)
{
    struct tr_slice slices[SLICES];
    const bool small_waits = sender->queue.first != NULL;
    size_t bytes = 0;
    size_t count = 0;

    top_up(sender);
    count = tr_session_output(sender->session, sender->now, slices, SLICES, batch_of(sender));
    for (size_t index = 0; index < count; index++) {
        bytes += slices[index].size;
    }
    sender->link.given += bytes;
    sender->link.pending = bytes;
    if (sender->small_at != 0 && sender->small_given == 0 && !small_waits) {
        sender->small_given =
            sender->link.given; /* it was taken before; now it goes at the latest */
    }
    if (count > 0 && link_take(&sender->link)) {
        tr_session_written(sender->session);
        return true;
    }
    if (count > 0) {
        tr_pace_begin(&sender->pace, bytes, sender->now);
        sender->link.writing = true;
    }
    return false;
}

static void on_written(struct sender *sender)
{
    sender->link.writing = false;
    if (tr_pace_end(&sender->pace, sender->now) && sender->paces) {
        sender->link.kept_max = sender->pace.batch;
    }
    tr_session_written(sender->session);
}

static void millisecond(struct sender *sender)
{
    struct link *link = &sender->link;

    sender->now += MS;
    link_pass(link);
    /* The kernel says that it takes more once half of what it may keep has gone. */
    if (link->writing && link->kept * 2 < link->kept_max && link_take(link)) {
        on_written(sender);
    }
    for (unsigned count = 0; count < 8 && !link->writing && write_once(sender); count++) {
    }
}

/* ---- what is sent ---- */

static void push_large(struct sender *sender)
{
    const struct tr_slice part = {large_bytes, LARGE_SIZE};
    struct tr_large *large = NULL;

    assert_int_equal(tr_large_create(NULL, &part, 1, LARGE_SIZE, &large), TROUPE_OK);
    tr_send_queue_push_large(&sender->queue, 1, large);
}

static void small_next(struct sender *sender, uint64_t turn)
{
    static const uint8_t bytes[SMALL_SIZE] = {0};
    const struct tr_slice part = {bytes, SMALL_SIZE};

    if (sender->small_given != 0 && sender->link.gone >= sender->small_given) {
        const uint64_t took = sender->now - sender->small_at;

        sender->longest_ns = took > sender->longest_ns ? took : sender->longest_ns;
        sender->small_written++;
        sender->small_at = sender->small_given = 0;
    }
    if (sender->small_at == 0 && turn % SMALL_EVERY_MS == 0) {
        assert_int_equal(tr_send_queue_push(&sender->queue, 2, &part, 1, SMALL_SIZE), TROUPE_OK);
        sender->small_at = sender->now;
    }
}

/* Sends a large message and small ones beside it. Answers the milliseconds that a small one takes
 * at most, from its push until it is out with all that its write holds; the first ones, while
 * nothing is known of the link yet, do not count. */
static uint64_t longest_ms(struct sender *sender)
{
    push_large(sender);
    for (uint64_t turn = 0; sender->link.gone < LARGE_SIZE; turn++) {
        assert_true(turn < 100000);
        millisecond(sender);
        small_next(sender, turn);
        if (sender->link.gone < 4 * (uint64_t)TR_PACE_BATCH_MAX) {
            sender->longest_ns = 0;
        }
    }
    assert_true(sender->small_written >= 2);
    return sender->longest_ns / MS;
}

static uint64_t longest_at(size_t bytes_per_ms, bool paces)
{
    struct sender sender;
    uint64_t longest = 0;

    sender_init(&sender, bytes_per_ms, paces);
    longest = longest_ms(&sender);
    sender_fini(&sender);
    print_message("%u bytes/ms, %s: %u ms\n", (unsigned)bytes_per_ms, paces ? "paced" : "not paced",
                  (unsigned)longest);
    return longest;
}

enum { MBIT_20 = 2500, MBIT_100 = 12500, GBIT_10 = 1250000 };

/* Ahead of it: what the kernel keeps, a write, what the session has taken, and the piece whose turn
 * it is; each of the first two may be longer by what its last record is. */
static void a_small_message_waits_for_a_few_fragments_on_a_slow_link(void **state)
{
    (void)state;
    assert_true(longest_at(MBIT_20, true) <= 6 * TR_FRAGMENT_SIZE / MBIT_20 + 1);
    assert_true(longest_at(MBIT_100, true) <= 10 * TR_FRAGMENT_SIZE / MBIT_100 + 1);
}

/* What the test would see otherwise. */
static void without_a_pace_it_waits_for_megabytes(void **state)
{
    (void)state;
    assert_true(longest_at(MBIT_20, false) >= 4 * TR_MIB / MBIT_20);
}

static void a_fast_link_is_given_large_batches(void **state)
{
    struct tr_pace pace;
    uint64_t now = MS;

    (void)state;
    tr_pace_init(&pace);
    for (unsigned count = 0; count < 3; count++) {
        tr_pace_begin(&pace, pace.batch, now);
        now += pace.batch / GBIT_10 * MS + MS / 10;
        (void)tr_pace_end(&pace, now);
    }
    assert_int_equal(pace.batch, TR_PACE_BATCH_MAX);
}

/* A process that stood still says nothing of the link: the pace is back after a few writes. */
static void it_finds_back_after_a_stall(void **state)
{
    struct tr_pace pace;
    uint64_t now = MS;

    (void)state;
    tr_pace_init(&pace);
    tr_pace_begin(&pace, pace.batch, now);
    assert_true(tr_pace_end(&pace, now + (uint64_t)500 * MS));
    assert_int_equal(pace.batch, TR_PACE_BATCH_MIN);
    for (unsigned count = 0; count < 3; count++) {
        assert_int_equal(pace.batch, TR_PACE_BATCH_MIN << count);
        tr_pace_begin(&pace, pace.batch, now);
        assert_true(tr_pace_end(&pace, now + MS / 10));
    }
    assert_int_equal(pace.batch, TR_PACE_BATCH_MAX);
    assert_false(tr_pace_end(&pace, now)); /* none was under way */
}

/* A heartbeat that the kernel does not take at once passes in no time, once there is room. */
static void small_writes_do_not_make_it_slow(void **state)
{
    struct tr_pace pace;

    (void)state;
    tr_pace_init(&pace);
    tr_pace_begin(&pace, 40, MS);
    (void)tr_pace_end(&pace, MS + MS / 2);
    assert_true(pace.batch >= TR_PACE_BATCH_FIRST);
}

static int begin(void **state)
{
    (void)state;
    large_bytes = calloc(1, LARGE_SIZE);
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
        cmocka_unit_test(a_small_message_waits_for_a_few_fragments_on_a_slow_link),
        cmocka_unit_test(without_a_pace_it_waits_for_megabytes),
        cmocka_unit_test(a_fast_link_is_given_large_batches),
        cmocka_unit_test(it_finds_back_after_a_stall),
        cmocka_unit_test(small_writes_do_not_make_it_slow),
    };

    return cmocka_run_group_tests_name("the pace of a connection", tests, begin, end);
}
