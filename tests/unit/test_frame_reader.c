/* What is tested: wire/frame_reader, by its contract alone (this file sees no fields).
 * Method: every way to cut a short stream in two, then the edges of each limit, then what a
 * hostile peer may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/frame_reader.h"

enum { FRAME_SIZE_MAX = TR_FRAME_HEADER_SIZE + 5, CAPACITY = 32 };

static int setup(void **state)
{
    struct tr_frame_reader *reader = NULL;

    assert_int_equal(tr_frame_reader_create(FRAME_SIZE_MAX, CAPACITY, &reader), TROUPE_OK);
    *state = reader;
    return 0;
}

static int teardown(void **state)
{
    tr_frame_reader_destroy(*state);
    return 0;
}

/* Puts `size` bytes in, which have to fit in one go. */
static void feed(struct tr_frame_reader *reader, const uint8_t *bytes, size_t size)
{
    uint8_t *space = NULL;

    assert_true(tr_frame_reader_space(reader, &space) >= size);
    memcpy(space, bytes, size);
    tr_frame_reader_commit(reader, size);
}

static void assert_frame(struct tr_frame_reader *reader, uint8_t kind, const char *body)
{
    struct tr_frame frame = {0};

    assert_int_equal(tr_frame_reader_next(reader, &frame), TROUPE_OK);
    assert_int_equal(frame.kind, kind);
    assert_int_equal(frame.body_size, strlen(body));
    assert_int_equal(frame.size, strlen(body) + TR_FRAME_HEADER_SIZE);
    assert_ptr_equal(frame.body, frame.bytes + TR_FRAME_HEADER_SIZE);
    assert_memory_equal(frame.body, body, strlen(body));
}

static void assert_answer(struct tr_frame_reader *reader, troupe_status expected)
{
    struct tr_frame frame = {.kind = 99};

    assert_int_equal(tr_frame_reader_next(reader, &frame), expected);
    assert_int_equal(frame.kind, 99); /* a call that fails leaves its out-parameter alone */
}

static void next_answers_again_when_nothing_arrived(void **state)
{
    assert_answer(*state, TROUPE_E_AGAIN);
}

static void frame_is_whole_however_the_stream_is_cut(void **state)
{
    static const uint8_t stream[] = {0, 0, 0, 3, 7, 1, 0, 0, 'a', 'b', 'c'};
    struct tr_frame_reader *reader = *state;

    for (size_t cut = 1; cut < sizeof(stream); cut++) {
        feed(reader, stream, cut);
        assert_answer(reader, TROUPE_E_AGAIN);
        feed(reader, stream + cut, sizeof(stream) - cut);
        assert_frame(reader, 7, "abc");
        assert_answer(reader, TROUPE_E_AGAIN);
    }
}

static void start_of_the_next_frame_is_kept_when_the_first_is_taken(void **state)
{
    static const uint8_t stream[] = {0, 0, 0, 1, 7, 1, 0, 0, 'a', 0, 0, 0, 2, 8, 1, 0, 0, 'b', 'c'};

    feed(*state, stream, 13);
    assert_frame(*state, 7, "a");
    assert_answer(*state, TROUPE_E_AGAIN);
    feed(*state, stream + 13, sizeof(stream) - 13);
    assert_frame(*state, 8, "bc");
}

static void body_may_be_empty_and_may_be_the_maximum(void **state)
{
    static const uint8_t empty[] = {0, 0, 0, 0, 1, 1, 0, 0};
    static const uint8_t full[] = {0, 0, 0, 5, 2, 1, 0, 0, 'h', 'e', 'l', 'l', 'o'};

    feed(*state, empty, sizeof(empty));
    assert_frame(*state, 1, "");
    feed(*state, full, sizeof(full));
    assert_frame(*state, 2, "hello");
}

static void frame_above_the_maximum_breaks_the_stream_for_good(void **state)
{
    static const uint8_t header[] = {0, 0, 0, 6, 2, 1, 0, 0};

    feed(*state, header, sizeof(header)); /* refused before one byte of the body arrives */
    assert_answer(*state, TROUPE_E_LIMIT);
    feed(*state, (const uint8_t *)"hello", 5);
    assert_answer(*state, TROUPE_E_LIMIT);
}

static void size_near_the_top_of_its_type_does_not_wrap(void **state)
{
    for (uint8_t low = 0xf0; low != 0; low++) {
        const uint8_t header[] = {0xff, 0xff, 0xff, low, 2, 1, 0, 0};
        struct tr_frame_reader *reader = NULL;

        assert_int_equal(tr_frame_reader_create(FRAME_SIZE_MAX, CAPACITY, &reader), TROUPE_OK);
        feed(reader, header, sizeof(header));
        assert_answer(reader, TROUPE_E_LIMIT);
        tr_frame_reader_destroy(reader);
    }
    (void)state;
}

static void header_from_another_version_is_refused(void **state)
{
    static const uint8_t header[] = {0, 0, 0, 0, 1, 2, 0, 0};

    feed(*state, header, sizeof(header));
    assert_answer(*state, TROUPE_E_PROTOCOL);
}

static void reserved_bits_have_to_be_zero(void **state)
{
    static const uint8_t header[] = {0, 0, 0, 0, 1, 1, 0, 1};

    feed(*state, header, sizeof(header));
    assert_answer(*state, TROUPE_E_PROTOCOL);
}

static void resize_keeps_what_has_arrived_and_takes_larger_frames(void **state)
{
    static const uint8_t first[] = {0, 0, 0, 1, 7, 1, 0, 0, 'a'};
    uint8_t second[TR_FRAME_HEADER_SIZE + 64] = {0, 0, 0, 64, 8, 1, 0, 0};

    feed(*state, first, sizeof(first));
    feed(*state, second, 4);
    assert_frame(*state, 7, "a");
    assert_int_equal(tr_frame_reader_resize(*state, sizeof(second), 200), TROUPE_OK);
    feed(*state, second + 4, sizeof(second) - 4);
    memset(second, 0, sizeof(second));
    {
        struct tr_frame frame = {0};

        assert_int_equal(tr_frame_reader_next(*state, &frame), TROUPE_OK);
        assert_int_equal(frame.kind, 8);
        assert_int_equal(frame.body_size, 64);
    }
}

static void commit_beyond_the_space_is_a_bug_of_the_caller(void **state)
{
    uint8_t *space = NULL;
    const size_t size = tr_frame_reader_space(*state, &space);

    expect_assert_failure(tr_frame_reader_commit(*state, size + 1));
}

static void destroy_takes_null(void **state)
{
    (void)state;
    tr_frame_reader_destroy(NULL);
}

#define READER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READER_TEST(next_answers_again_when_nothing_arrived),
        READER_TEST(frame_is_whole_however_the_stream_is_cut),
        READER_TEST(start_of_the_next_frame_is_kept_when_the_first_is_taken),
        READER_TEST(body_may_be_empty_and_may_be_the_maximum),
        READER_TEST(frame_above_the_maximum_breaks_the_stream_for_good),
        cmocka_unit_test(size_near_the_top_of_its_type_does_not_wrap),
        READER_TEST(header_from_another_version_is_refused),
        READER_TEST(reserved_bits_have_to_be_zero),
        READER_TEST(resize_keeps_what_has_arrived_and_takes_larger_frames),
        READER_TEST(commit_beyond_the_space_is_a_bug_of_the_caller),
        cmocka_unit_test(destroy_takes_null),
    };

    return cmocka_run_group_tests_name("wire/frame_reader", tests, NULL, NULL);
}
