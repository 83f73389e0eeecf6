/* What is tested: sync/inbox, alone and with many pushers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sync/inbox.h"
#include "sync/thread.h"

struct parcel {
    struct tr_inbox_item item; /* first */
    uint32_t sender;
    uint32_t number;
};

static struct parcel *parcel_create(uint32_t sender, uint32_t number)
{
    struct parcel *parcel = aligned_alloc(16, sizeof(*parcel));

    if (parcel != NULL) {
        *parcel = (struct parcel){.sender = sender, .number = number};
    }
    return parcel;
}

static void drop_all(struct tr_inbox_item *item)
{
    while (item != NULL) {
        struct tr_inbox_item *next = item->next;

        free(item);
        item = next;
    }
}

static enum tr_inbox_answer push(struct tr_inbox *inbox, uint32_t number, bool counted,
                                 uint32_t waiting, uint32_t limit)
{
    struct parcel *parcel = parcel_create(0, number);

    assert_non_null(parcel);
    const enum tr_inbox_answer answer =
        tr_inbox_push(inbox, &parcel->item, counted, waiting, limit);

    if (answer == TR_INBOX_FULL || answer == TR_INBOX_CLOSED) {
        free(parcel);
    }
    return answer;
}

static void items_come_out_in_the_order_they_went_in(void **state)
{
    struct tr_inbox inbox = {0};
    uint32_t count = 0;

    (void)state;
    tr_inbox_open(&inbox);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(push(&inbox, i, i % 2 == 0, 0, 100), TR_INBOX_QUEUED);
    }
    struct tr_inbox_item *first = tr_inbox_take(&inbox, &count);
    uint32_t expected = 0;

    assert_int_equal(count, 5);
    for (struct tr_inbox_item *item = first; item != NULL; item = item->next) {
        assert_int_equal(((struct parcel *)item)->number, expected++);
    }
    assert_int_equal(expected, 10);
    drop_all(first);
    assert_null(tr_inbox_take(&inbox, &count));
    assert_int_equal(count, 0);
}

static void only_the_push_that_finds_it_idle_wakes(void **state)
{
    struct tr_inbox inbox = {0};
    uint32_t count = 0;

    (void)state;
    tr_inbox_open(&inbox);
    assert_true(tr_inbox_park(&inbox));
    assert_int_equal(push(&inbox, 1, true, 0, 100), TR_INBOX_WAKE);
    assert_int_equal(push(&inbox, 2, true, 0, 100), TR_INBOX_QUEUED);
    assert_false(tr_inbox_park(&inbox)); /* Something came. */
    drop_all(tr_inbox_take(&inbox, &count));
    assert_int_equal(count, 2);
    assert_true(tr_inbox_park(&inbox));
    assert_int_equal(push(&inbox, 3, false, 0, 100), TR_INBOX_WAKE);
    drop_all(tr_inbox_take(&inbox, &count));
    assert_int_equal(count, 0);
}

static void counted_items_are_bounded_and_others_are_not(void **state)
{
    struct tr_inbox inbox = {0};
    uint32_t count = 0;

    (void)state;
    tr_inbox_open(&inbox);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(push(&inbox, i, true, 3, 10), TR_INBOX_QUEUED);
        assert_int_equal(push(&inbox, i, false, 3, 10), TR_INBOX_QUEUED);
    }
    assert_int_equal(push(&inbox, 9, true, 3, 10), TR_INBOX_FULL);
    assert_int_equal(push(&inbox, 9, false, 10, 10), TR_INBOX_QUEUED);
    assert_int_equal(push(&inbox, 9, true, 2, 10), TR_INBOX_QUEUED);
    drop_all(tr_inbox_take(&inbox, &count));
    assert_int_equal(count, 8);
}

static void a_closed_box_takes_nothing(void **state)
{
    struct tr_inbox inbox = {0};

    (void)state;
    tr_inbox_open(&inbox);
    assert_int_equal(push(&inbox, 1, true, 0, 10), TR_INBOX_QUEUED);
    assert_int_equal(push(&inbox, 2, false, 0, 10), TR_INBOX_QUEUED);
    struct tr_inbox_item *newest = tr_inbox_close(&inbox);

    assert_int_equal(((struct parcel *)newest)->number, 2);
    drop_all(newest);
    assert_int_equal(push(&inbox, 3, true, 0, 10), TR_INBOX_CLOSED);
    assert_int_equal(push(&inbox, 3, false, 0, 10), TR_INBOX_CLOSED);
    tr_inbox_open(&inbox);
    assert_int_equal(push(&inbox, 4, false, 0, 10), TR_INBOX_QUEUED);
    drop_all(tr_inbox_close(&inbox));
}

/* ---- many pushers, one owner that parks ---- */

enum { SENDERS = 4, EACH = 20000 };

struct meeting {
    struct tr_inbox inbox;
    struct tr_atomic_u32 wakes; /* owed to the owner */
    struct tr_atomic_u64 next;
    struct tr_mutex mutex;
    struct tr_cond cond;
};

static void send_all(void *context)
{
    struct meeting *meeting = context;
    const uint32_t id = (uint32_t)tr_add_relaxed(&meeting->next, 1);

    for (uint32_t i = 0; i < EACH; i++) {
        struct parcel *parcel = parcel_create(id, i);

        if (parcel == NULL) {
            return;
        }
        for (;;) {
            const enum tr_inbox_answer answer =
                tr_inbox_push(&meeting->inbox, &parcel->item, true, 0, 1000);

            if (answer == TR_INBOX_WAKE) {
                tr_mutex_lock(&meeting->mutex);
                tr_store32_relaxed(&meeting->wakes, tr_load32_relaxed(&meeting->wakes) + 1);
                tr_cond_signal(&meeting->cond);
                tr_mutex_unlock(&meeting->mutex);
            }
            if (answer != TR_INBOX_FULL) {
                break;
            }
            tr_thread_yield();
        }
    }
}

static void no_wake_is_lost_and_none_is_doubled(void **state)
{
    struct meeting meeting = {0};
    struct tr_thread threads[SENDERS] = {0};
    uint32_t next[SENDERS] = {0};
    uint64_t received = 0;

    (void)state;
    tr_mutex_init(&meeting.mutex);
    tr_cond_init(&meeting.cond);
    tr_inbox_open(&meeting.inbox);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(tr_thread_start(&threads[i], "sender", send_all, &meeting), TROUPE_OK);
    }
    while (received < (uint64_t)SENDERS * EACH) {
        uint32_t count = 0;
        uint32_t listed = 0;
        struct tr_inbox_item *item = tr_inbox_take(&meeting.inbox, &count);

        while (item != NULL) {
            struct parcel *parcel = (struct parcel *)item;

            item = item->next;
            assert_int_equal(parcel->number, next[parcel->sender]++);
            free(parcel);
            listed++;
        }
        assert_int_equal(listed, count);
        received += count;
        if (received < (uint64_t)SENDERS * EACH && tr_inbox_park(&meeting.inbox)) {
            tr_mutex_lock(&meeting.mutex);
            while (tr_load32_relaxed(&meeting.wakes) == 0) {
                assert_true(tr_cond_wait_for(&meeting.cond, &meeting.mutex, 20000000000LL));
            }
            assert_int_equal(tr_load32_relaxed(&meeting.wakes), 1);
            tr_store32_relaxed(&meeting.wakes, 0);
            tr_mutex_unlock(&meeting.mutex);
        }
    }
    for (int i = 0; i < SENDERS; i++) {
        tr_thread_join(&threads[i]);
    }
    assert_null(tr_inbox_close(&meeting.inbox));
    tr_cond_fini(&meeting.cond);
    tr_mutex_fini(&meeting.mutex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_the_order_they_went_in),
        cmocka_unit_test(only_the_push_that_finds_it_idle_wakes),
        cmocka_unit_test(counted_items_are_bounded_and_others_are_not),
        cmocka_unit_test(a_closed_box_takes_nothing),
        cmocka_unit_test(no_wake_is_lost_and_none_is_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
