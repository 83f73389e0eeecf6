/* What is tested: wire/send_queue and wire/reassembly, by their contracts.
 * Method: messages are pushed, records taken, and the records read by a small reader of segments
 * written from docs/protocol.md, so that the format is seen too. Random mixes are in
 * prop_session.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/limits.h"
#include "wire/reassembly.h"
#include "wire/send_queue.h"

enum { BOUND = 10 * 1024 * 1024, HIGH = 4 * 1024 * 1024, LOW = 1024 * 1024, LARGE = 200000 };

static struct tr_send_queue queue;
static struct tr_reassembly reassembly;
static uint8_t arrived[400]; /* first bytes of the messages, in the order they became whole */
static size_t arrived_count;

static int setup(void **state)
{
    (void)state;
    tr_send_queue_init(&queue, LOW, HIGH, BOUND);
    arrived_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tr_send_queue_fini(&queue);
    tr_reassembly_clear(&reassembly);
    return 0;
}

static troupe_status push_as(uint32_t order, uint8_t mark, size_t size,
                             enum tr_send_patience patience)
{
    uint8_t *bytes = malloc(size);
    const struct tr_slice parts[] = {
        {bytes, size / 3}, {NULL, 0}, {bytes + size / 3, size - size / 3}};
    struct tr_large *large = NULL;
    troupe_status status = tr_send_queue_admit(&queue, size, patience);

    memset(bytes, mark, size);
    if (status == TROUPE_OK && size <= TR_SEGMENT_SIZE_MAX) {
        status = tr_send_queue_push(&queue, order, parts, 3, size);
    } else if (status == TROUPE_OK) {
        status = tr_large_create(tr_send_queue_grab(&queue, size), parts, 3, size, &large);
        if (status == TROUPE_OK) {
            tr_send_queue_push_large(&queue, order, large);
        }
    }
    free(bytes);
    return status;
}

static troupe_status push(uint32_t order, uint8_t mark, size_t size, bool system)
{
    return push_as(order, mark, size, system ? TR_SEND_SYSTEM : TR_SEND_PATIENT);
}

static void on_whole(const uint8_t *bytes, size_t size)
{
    for (size_t index = 1; index < size; index++) {
        assert_int_equal(bytes[index], bytes[0]);
    }
    assert_true(arrived_count < sizeof(arrived));
    arrived[arrived_count++] = bytes[0];
}

static size_t read_fragment(const uint8_t *at)
{
    const struct tr_fragment fragment = {
        .bytes = at + 12,
        .size = tr_be32_get(at) & 0x7fffffffu,
        .total = tr_be32_get(at + 8),
        .stream = at[4],
        .flags = at[5],
    };
    struct tr_slice whole = {NULL, 0};

    assert_int_equal(tr_reassembly_add(&reassembly, &fragment, &whole), TROUPE_OK);
    if (whole.bytes != NULL) {
        union {
            const uint8_t *lent;
            uint8_t *owned;
        } bytes = {.lent = whole.bytes};

        on_whole(whole.bytes, whole.size);
        free(bytes.owned);
    }
    return 12 + (size_t)fragment.size;
}

/* Takes one record and reads it. False when there was none. */
static bool take(void)
{
    struct tr_record *record = tr_send_queue_take(&queue);
    size_t at = 24; /* header, sequence, acknowledgement */

    if (record == NULL) {
        return false;
    }
    assert_true(record->size + TR_FRAME_TAG_SIZE <= TR_FRAME_SIZE_MAX);
    while (at < record->size) {
        const uint32_t word = tr_be32_get(record->bytes + at);

        if ((word & 0x80000000u) != 0) {
            at += read_fragment(record->bytes + at);
        } else {
            on_whole(record->bytes + at + 4, word);
            at += 4 + (size_t)word;
        }
    }
    assert_int_equal(at, record->size);
    tr_send_queue_recycle(&queue, record);
    return true;
}

static void take_all(void)
{
    while (take()) {
    }
    assert_true(tr_send_queue_is_empty(&queue));
    assert_int_equal(queue.bytes, 0);
}

static void assert_arrived(const char *marks)
{
    assert_int_equal(arrived_count, strlen(marks));
    assert_memory_equal(arrived, marks, arrived_count);
}

static void messages_share_a_record(void **state)
{
    (void)state;
    for (const char *mark = "abcdef"; *mark != '\0'; mark++) {
        assert_int_equal(push(0, (uint8_t)*mark, 64, false), TROUPE_OK);
    }
    assert_true(take());
    assert_false(take());
    assert_arrived("abcdef");
}

static void largest_whole_message_is_one_record_and_one_byte_more_is_two(void **state)
{
    (void)state;
    assert_int_equal(push(0, 'a', TR_SEGMENT_SIZE_MAX, false), TROUPE_OK);
    assert_true(take());
    assert_false(take());
    assert_int_equal(push(0, 'b', TR_SEGMENT_SIZE_MAX + 1, false), TROUPE_OK);
    assert_true(take());
    assert_true(take());
    assert_false(take());
    assert_arrived("ab");
}

static void others_overtake_a_large_message_and_its_own_order_does_not(void **state)
{
    (void)state;
    assert_int_equal(push(1, 'L', LARGE, false), TROUPE_OK);
    assert_int_equal(push(1, 'm', 10, false), TROUPE_OK);
    assert_int_equal(push(2, 'x', 10, false), TROUPE_OK);
    assert_int_equal(push(1, 'n', 10, false), TROUPE_OK);
    take_all();
    assert_arrived("xLmn");
}

/* The large one must not overtake what its sender said before, which waits in records. */
static void large_message_does_not_overtake_its_own_order(void **state)
{
    (void)state;
    for (const char *mark = "abcdefgh"; *mark != '\0'; mark++) {
        assert_int_equal(push(1, (uint8_t)*mark, 60000, false), TROUPE_OK);
    }
    assert_int_equal(push(1, 'L', TR_SEGMENT_SIZE_MAX + 1, false), TROUPE_OK);
    take_all();
    assert_arrived("abcdefghL");
}

static void large_messages_of_one_order_come_one_after_the_other(void **state)
{
    (void)state;
    assert_int_equal(push(1, 'A', LARGE, false), TROUPE_OK);
    assert_int_equal(push(1, 'b', 10, false), TROUPE_OK);
    assert_int_equal(push(1, 'C', 2 * LARGE, false), TROUPE_OK);
    assert_int_equal(push(1, 'd', 10, false), TROUPE_OK);
    assert_int_equal(push(1, 'E', LARGE, false), TROUPE_OK);
    take_all();
    assert_arrived("AbCdE");
}

static void large_messages_of_different_orders_share_the_way(void **state)
{
    (void)state;
    assert_int_equal(push(1, 'A', 10 * LARGE, false), TROUPE_OK);
    assert_int_equal(push(2, 'B', LARGE, false), TROUPE_OK);
    take_all();
    assert_arrived("BA");
}

static void more_large_messages_than_streams_all_arrive(void **state)
{
    (void)state;
    for (uint32_t order = 0; order < 3 * TR_FRAGMENT_STREAMS_MAX; order++) {
        assert_int_equal(push(order, (uint8_t)('a' + order), LARGE, false), TROUPE_OK);
    }
    take_all();
    assert_int_equal(arrived_count, 3 * TR_FRAGMENT_STREAMS_MAX);
}

static void what_is_under_way_fits_the_receivers_memory(void **state)
{
    (void)state;
    for (uint32_t order = 0; order < 3; order++) {
        struct tr_large *large = NULL;
        uint8_t *bytes = calloc(1, TR_MESSAGE_SIZE_MAX);

        assert_int_equal(tr_large_create(NULL, &(struct tr_slice){bytes, TR_MESSAGE_SIZE_MAX}, 1,
                                         TR_MESSAGE_SIZE_MAX, &large),
                         TROUPE_OK);
        free(bytes);
        tr_send_queue_push_large(&queue, order, large);
    }
    assert_int_equal(queue.active_count, 2); /* 128 MiB: the third one waits */
    while (queue.active_count == 2 && arrived_count == 0) {
        assert_true(take()); /* the reassembly refuses nothing */
    }
    tr_send_queue_clear(&queue);
    assert_true(tr_send_queue_is_empty(&queue));
}

static void full_queue_takes_system_signals_only(void **state)
{
    size_t count = 0;
    troupe_status status = TROUPE_OK;

    (void)state;
    while (status == TROUPE_OK) {
        status = push(0, 'a', 60000, false);
        count++;
    }
    assert_int_equal(status, TROUPE_E_BUSY);
    assert_true(count <= BOUND / 60000 + 2);
    assert_int_equal(push(0, 's', 100, true), TROUPE_OK);
    assert_int_equal(tr_send_queue_admit(&queue, TR_MESSAGE_SIZE_MAX + 1, TR_SEND_SYSTEM),
                     TROUPE_E_LIMIT);
    tr_send_queue_clear(&queue);
    assert_int_equal(push(0, 'a', 100, false), TROUPE_OK);
}

/* The largest message is as large as the bound of a queue may be. */
static void a_large_message_that_fills_the_queue_refuses_no_small_ones(void **state)
{
    size_t count = 0;

    (void)state;
    assert_int_equal(push_as(1, 'L', BOUND + 1000, TR_SEND_PATIENT), TROUPE_OK);
    assert_int_equal(push_as(2, 'M', LARGE, TR_SEND_PATIENT), TROUPE_E_BUSY);
    while (push_as(2, 'a', 60000, TR_SEND_PATIENT) == TROUPE_OK) {
        count++;
    }
    assert_int_equal(count, BOUND / (60000 + TR_SEGMENT_HEAD_SIZE) + 1); /* as without it */
    assert_int_equal(push_as(3, 's', 100, TR_SEND_SYSTEM), TROUPE_OK);
    assert_int_equal(push_as(3, 's', 100, TR_SEND_PATIENT), TROUPE_E_BUSY);
    while (take()) {
    }
    assert_int_equal(queue.bytes, 0);
    assert_int_equal(push_as(2, 'M', LARGE, TR_SEND_PATIENT), TROUPE_OK);
}

static void marks_say_when_the_queue_is_crowded(void **state)
{
    (void)state;
    while (!queue.crowded) {
        assert_true(queue.bytes < HIGH);
        assert_int_equal(push_as(0, 'a', 60000, TR_SEND_TOLD), TROUPE_OK);
    }
    assert_true(queue.bytes >= HIGH && queue.bytes < HIGH + 61000);
    assert_int_equal(push_as(0, 'b', 100, TR_SEND_TOLD), TROUPE_E_BUSY);
    assert_int_equal(push_as(0, 'c', LARGE, TR_SEND_TOLD), TROUPE_E_BUSY);
    assert_int_equal(push_as(0, 'a', 100, TR_SEND_PATIENT), TROUPE_OK);
    assert_int_equal(push_as(0, 'a', 100, TR_SEND_SYSTEM), TROUPE_OK);
    arrived_count = 0;
    while (queue.crowded) {
        assert_true(queue.bytes > LOW); /* not before it is down there */
        assert_int_equal(push_as(0, 'b', 100, TR_SEND_TOLD), TROUPE_E_BUSY);
        assert_true(take());
    }
    assert_true(queue.bytes <= LOW && queue.bytes > LOW - 80000);
    assert_int_equal(push_as(0, 'a', 100, TR_SEND_TOLD), TROUPE_OK);
}

static void a_message_above_the_high_mark_alone_gets_in(void **state)
{
    (void)state;
    assert_int_equal(push_as(0, 'a', HIGH + 1000, TR_SEND_TOLD), TROUPE_OK);
    assert_true(queue.crowded);
    tr_send_queue_clear(&queue);
    assert_false(queue.crowded);
}

/* Small messages of others pass it, so nobody who sends such has to wait. */
static void a_large_message_that_waits_holds_back_large_ones_only(void **state)
{
    (void)state;
    assert_int_equal(push_as(1, 'L', HIGH + 1000, TR_SEND_TOLD), TROUPE_OK);
    assert_false(tr_send_queue_is_crowded(&queue, 100));
    assert_true(tr_send_queue_is_crowded(&queue, LARGE));
    assert_int_equal(push_as(2, 'a', 100, TR_SEND_TOLD), TROUPE_OK);
    assert_int_equal(push_as(1, 'b', 100, TR_SEND_TOLD), TROUPE_OK);
    assert_int_equal(push_as(2, 'M', LARGE, TR_SEND_TOLD), TROUPE_E_BUSY);
    while (!queue.crowded_small) {
        assert_int_equal(push_as(2, 'c', 60000, TR_SEND_TOLD), TROUPE_OK);
    }
    assert_true(queue.bytes - queue.bytes_large >= HIGH);
    assert_int_equal(push_as(2, 'd', 100, TR_SEND_TOLD), TROUPE_E_BUSY);
    while (take()) {
    }
    assert_int_equal(queue.bytes, 0);
    assert_int_equal(queue.bytes_large, 0);
    assert_false(queue.crowded);
    assert_false(queue.crowded_small);
}

static void records_are_used_again(void **state)
{
    struct tr_record *first = NULL;

    (void)state;
    assert_int_equal(push(0, 'a', 10, false), TROUPE_OK);
    first = tr_send_queue_take(&queue);
    tr_send_queue_recycle(&queue, first);
    assert_int_equal(push(0, 'b', 10, false), TROUPE_OK);
    assert_ptr_equal(tr_send_queue_take(&queue), first);
    tr_send_queue_recycle(&queue, first);
    tr_send_queue_trim(&queue);
    assert_int_equal(queue.spare_count[0], 0);
}

/* ---- hostile pieces ---- */

static troupe_status add(uint8_t stream, uint8_t flags, uint32_t size, uint32_t total)
{
    static uint8_t bytes[TR_FRAGMENT_SIZE + 1];
    struct tr_slice whole = {NULL, 0};
    const troupe_status status = tr_reassembly_add(
        &reassembly,
        &(struct tr_fragment){
            .bytes = bytes, .size = size, .total = total, .stream = stream, .flags = flags},
        &whole);

    assert_null(whole.bytes);
    return status;
}

static void impossible_pieces_are_refused(void **state)
{
    (void)state;
    assert_int_equal(add(0, 0, 10, 100), TROUPE_E_PROTOCOL); /* no first one */
    assert_int_equal(add(TR_FRAGMENT_STREAMS_MAX, TR_FRAGMENT_FIRST, 10, 100), TROUPE_E_PROTOCOL);
    assert_int_equal(add(0, TR_FRAGMENT_FIRST, 0, 100), TROUPE_E_PROTOCOL);
    assert_int_equal(add(0, TR_FRAGMENT_FIRST, TR_FRAGMENT_SIZE + 1, 100000), TROUPE_E_PROTOCOL);
    assert_int_equal(add(1, TR_FRAGMENT_FIRST, 10, 5), TROUPE_E_PROTOCOL);  /* more than all */
    assert_int_equal(add(2, TR_FRAGMENT_FIRST, 10, 10), TROUPE_E_PROTOCOL); /* not the last? */
    assert_int_equal(add(3, TR_FRAGMENT_FIRST | TR_FRAGMENT_LAST, 10, 100), TROUPE_E_PROTOCOL);
    assert_int_equal(add(4, TR_FRAGMENT_FIRST, 10, TR_MESSAGE_SIZE_MAX + 1), TROUPE_E_LIMIT);
    assert_int_equal(add(4, TR_FRAGMENT_FIRST, 10, 0), TROUPE_E_PROTOCOL);
    assert_int_equal(add(5, TR_FRAGMENT_FIRST, 10, 100), TROUPE_OK);
    assert_int_equal(add(5, TR_FRAGMENT_FIRST, 10, 100), TROUPE_E_PROTOCOL); /* twice */
    assert_int_equal(add(5, 0, 10, 101), TROUPE_E_PROTOCOL);                 /* another size */
    assert_int_equal(add(5, 0, 10, 100), TROUPE_OK);
    assert_int_equal(add(5, TR_FRAGMENT_LAST, 79, 100), TROUPE_E_PROTOCOL); /* one short */
}

static void announced_memory_is_bounded_and_not_allocated(void **state)
{
    (void)state;
    assert_int_equal(add(0, TR_FRAGMENT_FIRST, 10, TR_MESSAGE_SIZE_MAX), TROUPE_OK);
    assert_true(reassembly.streams[0].capacity <= 4 * TR_FRAGMENT_SIZE);
    assert_int_equal(add(1, TR_FRAGMENT_FIRST, 10, TR_MESSAGE_SIZE_MAX), TROUPE_OK);
    assert_int_equal(add(2, TR_FRAGMENT_FIRST, 10, 11), TROUPE_E_LIMIT);
    tr_reassembly_clear(&reassembly);
    assert_int_equal(add(2, TR_FRAGMENT_FIRST, 10, 11), TROUPE_OK);
}

#define QUEUE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(messages_share_a_record),
        QUEUE_TEST(largest_whole_message_is_one_record_and_one_byte_more_is_two),
        QUEUE_TEST(others_overtake_a_large_message_and_its_own_order_does_not),
        QUEUE_TEST(large_message_does_not_overtake_its_own_order),
        QUEUE_TEST(large_messages_of_one_order_come_one_after_the_other),
        QUEUE_TEST(large_messages_of_different_orders_share_the_way),
        QUEUE_TEST(more_large_messages_than_streams_all_arrive),
        QUEUE_TEST(what_is_under_way_fits_the_receivers_memory),
        QUEUE_TEST(full_queue_takes_system_signals_only),
        QUEUE_TEST(a_large_message_that_fills_the_queue_refuses_no_small_ones),
        QUEUE_TEST(marks_say_when_the_queue_is_crowded),
        QUEUE_TEST(a_message_above_the_high_mark_alone_gets_in),
        QUEUE_TEST(a_large_message_that_waits_holds_back_large_ones_only),
        QUEUE_TEST(records_are_used_again),
        QUEUE_TEST(impossible_pieces_are_refused),
        QUEUE_TEST(announced_memory_is_bounded_and_not_allocated),
    };

    return cmocka_run_group_tests_name("wire/send_queue", tests, NULL, NULL);
}
