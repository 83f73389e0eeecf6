/* What is tested: wire/session with wire/send_queue and wire/frame_reader, two of each, over a
 * simulated link. The link delivers in pieces of any size, late, and is cut at any byte; sessions
 * are resumed, or given up and begun again.
 *
 * Model: for each direction and order number a list of what was sent in this session. What arrives
 * has to be its next entry: no loss inside a session, no doubling, no other order. When a session
 * ends, what had arrived is a prefix; when all cuts are healed, it is everything. Time is
 * simulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "base/limits.h"
#include "base/rng.h"
#include "wire/frame_reader.h"
#include "wire/send_queue.h"
#include "wire/session.h"

enum { ORDERS = 5, PIPE_MAX = 400000, STEPS = 3000, RUNS = 60, MS = 1000000, LARGE_MAX = 300000 };

struct pipe { /* one direction of the present connection */
    uint8_t *bytes;
    size_t size;
};

struct side {
    struct tr_session *session;
    struct tr_send_queue queue;
    struct tr_frame_reader *reader;
    struct pipe pipe; /* what this side wrote and the other has not read */
    uint64_t sent[ORDERS];
    uint64_t arrived[ORDERS]; /* at this side */
    uint64_t seed_of_size;
    bool failed;
    bool writing;         /* the write is not over: what was lent is still read from */
    uint64_t largest_gap; /* between frames that arrived here, while connected */
    uint64_t heard_at;
};

struct world {
    struct tr_rng rng;
    struct side sides[2];
    uint64_t now;
    uint32_t number;
    bool connected;
    uint64_t cuts;
    uint64_t resumes;
    uint64_t ends;
};

static uint64_t below(struct world *world, uint64_t bound)
{
    return tr_rng_below(&world->rng, bound);
}

/* A message: order, number within the order, then a filler whose length and bytes follow from both.
 */
static size_t message_size(uint64_t order, uint64_t number)
{
    struct tr_rng rng = {.state = order * 1000003 + number};
    const uint64_t kind = tr_rng_below(&rng, 40);

    if (kind == 0) {
        return 16 + (size_t)tr_rng_below(&rng, LARGE_MAX);
    }
    return 16 + (size_t)tr_rng_below(&rng, kind == 1 ? 70000 : 200);
}

static void message_fill(uint8_t *bytes, uint64_t order, uint64_t number, size_t size)
{
    tr_be64_put(bytes, order);
    tr_be64_put(bytes + 8, number);
    memset(bytes + 16, (int)((number * 31 + order) & 0xff), size - 16);
}

static void on_message(void *context, const uint8_t *bytes, size_t size)
{
    static uint8_t expected[LARGE_MAX + 16];
    struct side *side = context;
    uint64_t order = 0;

    if (size < 16) {
        side->failed = true;
        return;
    }
    order = tr_be64_get(bytes) % ORDERS;
    if (size != message_size(order, side->arrived[order])) {
        side->failed = true;
        return;
    }
    message_fill(expected, order, side->arrived[order], size);
    side->failed = side->failed || memcmp(bytes, expected, size) != 0;
    side->arrived[order]++;
}

static void seals(struct world *world, struct tr_seal **first, struct tr_seal **second)
{
    uint8_t key[TR_SEAL_KEY_SIZE];
    uint8_t salt[TR_SEAL_SALT_SIZE];

    for (size_t index = 0; index < sizeof(key); index++) {
        key[index] = (uint8_t)below(world, 256);
    }
    memset(salt, key[0], sizeof(salt));
    assert_int_equal(tr_seal_create(key, salt, first), TROUPE_OK);
    assert_int_equal(tr_seal_create(key, salt, second), TROUPE_OK);
}

static void sessions_begin(struct world *world)
{
    world->number++;
    for (size_t index = 0; index < 2; index++) {
        struct side *side = &world->sides[index];
        const struct tr_session_config config = {
            .number = world->number,
            .heartbeat_ns = (uint64_t)50 * MS,
            .silence_ns = (uint64_t)400 * MS,
            .resume_window_ns = (uint64_t)1000 * MS,
            .ack_delay_ns = (uint64_t)5 * MS,
            .resend_bytes_max = 200000,
            .context = side,
            .on_message = on_message,
        };

        tr_session_destroy(side->session);
        tr_send_queue_clear(&side->queue);
        assert_int_equal(tr_session_create(&config, world->now, &side->session), TROUPE_OK);
        memset(side->sent, 0, sizeof(side->sent));
        memset(side->arrived, 0, sizeof(side->arrived));
    }
}

static void cut(struct world *world)
{
    for (size_t index = 0; index < 2; index++) {
        tr_session_detach(world->sides[index].session, world->now);
        world->sides[index].pipe.size = 0;
        world->sides[index].writing = false;
    }
    world->connected = false;
    world->cuts++;
}

/* A new connection whose handshake tells each side what the other has got. */
static void join(struct world *world)
{
    struct tr_seal *pairs[2][2];

    seals(world, &pairs[0][0], &pairs[0][1]);
    seals(world, &pairs[1][0], &pairs[1][1]);
    for (size_t index = 0; index < 2; index++) {
        struct side *side = &world->sides[index];
        struct tr_session *other = world->sides[1 - index].session;

        tr_frame_reader_destroy(side->reader);
        assert_int_equal(
            tr_frame_reader_create(TR_FRAME_SIZE_MAX, TR_FRAME_SIZE_MAX * 2, &side->reader),
            TROUPE_OK);
        assert_int_equal(tr_session_attach(side->session, world->now, pairs[index][0],
                                           pairs[1 - index][1], tr_session_received(other)),
                         TROUPE_OK);
        side->heard_at = world->now;
    }
    world->connected = true;
    world->resumes++;
}

static troupe_status queue_push(struct tr_send_queue *queue, uint32_t order,
                                const struct tr_slice *parts, size_t count)
{
    struct tr_large *large = NULL;
    size_t size = 0;
    troupe_status status = tr_parts_size(parts, count, &size);

    if (status == TROUPE_OK) {
        status = tr_send_queue_admit(queue, size, TR_SEND_PATIENT);
    }
    if (status != TROUPE_OK) {
        return status;
    }
    if (size <= TR_SEGMENT_SIZE_MAX) {
        return tr_send_queue_push(queue, order, parts, count, size);
    }
    status = tr_large_create(tr_send_queue_grab(queue, size), parts, count, size, &large);
    if (status == TROUPE_OK) {
        tr_send_queue_push_large(queue, order, large);
    }
    return status;
}

static void push(struct world *world, struct side *side)
{
    static uint8_t bytes[LARGE_MAX + 16];
    const uint64_t order = below(world, ORDERS);
    const size_t size = message_size(order, side->sent[order]);
    const size_t half = size / 2;
    const struct tr_slice parts[] = {{bytes, half}, {NULL, 0}, {bytes + half, size - half}};

    message_fill(bytes, order, side->sent[order], size);
    if (queue_push(&side->queue, (uint32_t)order, parts, 3) == TROUPE_OK) {
        side->sent[order]++;
    }
}

/* Writes into the pipe what fits: a write is all or nothing here, as it is done when all is gone.
 */
static void write_out(struct world *world, struct side *side)
{
    struct tr_slice slices[8];
    struct tr_record *record = NULL;
    size_t count = 0;

    if (side->writing) {
        tr_session_written(side->session);
        side->writing = false;
    }
    tr_send_queue_recycle(&side->queue, tr_session_take_done(side->session));
    while (tr_session_room(side->session) > 0 &&
           (record = tr_send_queue_take(&side->queue)) != NULL) {
        tr_session_submit(side->session, record);
    }
    if (side->pipe.size > PIPE_MAX / 4) {
        return; /* the peer does not read fast enough */
    }
    count = tr_session_output(side->session, world->now, slices, 8, 100000);
    for (size_t index = 0; index < count; index++) {
        assert_true(side->pipe.size + slices[index].size <= PIPE_MAX);
        memcpy(side->pipe.bytes + side->pipe.size, slices[index].bytes, slices[index].size);
        side->pipe.size += slices[index].size;
    }
    side->writing = count > 0; /* acknowledgements may come before the write is over */
    if (side->writing && below(world, 2) == 0) {
        tr_session_written(side->session);
        side->writing = false;
    }
}

/* Moves some bytes from the other's pipe to this side. */
static void read_in(struct world *world, size_t index)
{
    struct side *side = &world->sides[index];
    struct pipe *pipe = &world->sides[1 - index].pipe;
    uint8_t *space = NULL;
    size_t size = tr_frame_reader_space(side->reader, &space);
    struct tr_frame frame;

    size = size < pipe->size ? size : pipe->size;
    if (size > 1 && below(world, 2) == 0) {
        size = 1 + (size_t)below(world, size);
    }
    memcpy(space, pipe->bytes, size);
    memmove(pipe->bytes, pipe->bytes + size, pipe->size - size);
    pipe->size -= size;
    tr_frame_reader_commit(side->reader, size);
    while (tr_frame_reader_next(side->reader, &frame) == TROUPE_OK) {
        assert_int_equal(tr_session_input(side->session, world->now, &frame), TROUPE_OK);
        if (world->now - side->heard_at > side->largest_gap) {
            side->largest_gap = world->now - side->heard_at;
        }
        side->heard_at = world->now;
        assert_false(side->failed);
    }
}

static void step(struct world *world)
{
    const uint64_t what = below(world, 1000);
    const size_t index = (size_t)below(world, 2);

    if (what < 500) {
        push(world, &world->sides[index]);
    } else if (what < 700) {
        write_out(world, &world->sides[index]);
    } else if (what < 900 && world->connected) {
        read_in(world, index);
    } else if (what < 985) {
        world->now += below(world, (uint64_t)4 * MS);
    } else if (what < 987 && !world->connected) {
        world->now += (uint64_t)1100 * MS; /* longer than the resume window */
    } else if (world->connected) {
        cut(world);
    } else {
        join(world);
    }
    for (size_t each = 0; each < 2; each++) {
        const enum tr_session_verdict verdict =
            tr_session_tick(world->sides[each].session, world->now);

        if (verdict == TR_SESSION_EXPIRED) {
            world->ends++;
            world->connected = false;
            for (size_t other = 0; other < 2; other++) {
                world->sides[other].writing = false;
            }
            sessions_begin(world);
            return;
        }
        assert_true(verdict == TR_SESSION_FINE || world->connected);
        if (verdict == TR_SESSION_SILENT) {
            cut(world); /* a step without reading that was long enough */
        }
    }
}

/* Heals the link and lets everything through. */
static void settle(struct world *world)
{
    if (!world->connected) {
        join(world);
    }
    for (size_t round = 0; round < 20000; round++) {
        bool all = true;

        for (size_t index = 0; index < 2; index++) {
            write_out(world, &world->sides[index]);
            read_in(world, 1 - index);
            all = all && tr_send_queue_is_empty(&world->sides[index].queue) &&
                  tr_session_is_idle(world->sides[index].session);
        }
        world->now += MS;
        if (all) {
            break;
        }
    }
    for (size_t index = 0; index < 2; index++) {
        assert_memory_equal(world->sides[index].arrived, world->sides[1 - index].sent,
                            sizeof(world->sides[index].sent));
        assert_int_equal(world->sides[index].queue.bytes, 0);
    }
}

static void world_run(uint64_t seed, struct world *world)
{
    *world = (struct world){.rng = {.state = seed}, .now = (uint64_t)1000 * MS};
    for (size_t index = 0; index < 2; index++) {
        world->sides[index].pipe.bytes = malloc(PIPE_MAX);
        tr_send_queue_init(&world->sides[index].queue, 2000000, 2000000, 2000000);
    }
    sessions_begin(world);
    join(world);
    for (size_t count = 0; count < STEPS; count++) {
        step(world);
    }
    settle(world);
    for (size_t index = 0; index < 2; index++) {
        struct side *side = &world->sides[index];

        tr_session_destroy(side->session);
        tr_send_queue_fini(&side->queue);
        tr_frame_reader_destroy(side->reader);
        free(side->pipe.bytes);
    }
}

static void sessions_lose_and_double_nothing_whatever_is_cut(void **state)
{
    const char *given = getenv("TROUPE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)0x5eed;
    const size_t runs = given != NULL ? 1 : RUNS;
    uint64_t cuts = 0;
    uint64_t ends = 0;

    (void)state;
    for (size_t run = 0; run < runs; run++, seed++) {
        struct world world;

        (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        world_run(seed, &world);
        cuts += world.cuts;
        ends += world.ends;
    }
    print_message("%u cuts, %u sessions lost\n", (unsigned)cuts, (unsigned)ends);
    if (given == NULL) {
        assert_true(cuts > (uint64_t)RUNS * 5); /* the faults have bitten */
        assert_true(ends > RUNS);
    }
}

/* 64 MiB are pushed while both sides only write, read and let time pass on a slow link. */
static void heartbeats_and_small_messages_do_not_wait_for_a_large_one(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct side *from = &world->sides[0];
    const size_t size = (size_t)64 * 1024 * 1024;
    uint8_t *large = calloc(1, size);
    uint64_t taken = 0;

    (void)state;
    world->now = (uint64_t)1000 * MS;
    for (size_t index = 0; index < 2; index++) {
        world->sides[index].pipe.bytes = malloc(PIPE_MAX);
        tr_send_queue_init(&world->sides[index].queue, 200000000, 200000000, 200000000);
    }
    sessions_begin(world);
    join(world);
    assert_int_equal(queue_push(&from->queue, ORDERS + 1, &(struct tr_slice){large, size}, 1),
                     TROUPE_OK);
    free(large);
    /* 20 ms for each write of 100 KB: 5 MB/s, so the large one takes 13 seconds. */
    while (world->sides[1].arrived[1] == 0 && taken++ < 50) {
        if (taken == 10) {
            uint8_t bytes[LARGE_MAX / 100];
            const size_t small = message_size(1, 0);

            assert_true(small <= sizeof(bytes));
            message_fill(bytes, 1, 0, small);
            assert_int_equal(queue_push(&from->queue, 1, &(struct tr_slice){bytes, small}, 1),
                             TROUPE_OK);
        }
        write_out(world, from);
        write_out(world, &world->sides[1]);
        world->now += (uint64_t)20 * MS;
        read_in(world, 1);
        read_in(world, 0);
    }
    assert_int_equal(world->sides[1].arrived[1], 1);
    assert_true(taken <= 10 + 16); /* not more than what was submitted before: half a megabyte */
    assert_false(tr_send_queue_is_empty(&from->queue)); /* the large one is still on its way */
    assert_true(world->sides[1].largest_gap <= (uint64_t)100 * MS);
    assert_true(world->sides[0].largest_gap <= (uint64_t)100 * MS); /* heartbeats and acks */
    for (size_t index = 0; index < 2; index++) {
        tr_session_destroy(world->sides[index].session);
        tr_send_queue_fini(&world->sides[index].queue);
        tr_frame_reader_destroy(world->sides[index].reader);
        free(world->sides[index].pipe.bytes);
    }
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_lose_and_double_nothing_whatever_is_cut),
        cmocka_unit_test(heartbeats_and_small_messages_do_not_wait_for_a_large_one),
    };

    return cmocka_run_group_tests_name("wire/session properties", tests, NULL, NULL);
}
