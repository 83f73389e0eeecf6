/* fuzz_session - two sessions; the input says what is sent, what arrives, what is cut off, how time
 * goes, and which frames a peer makes up.
 *
 * A side that has heard nothing but what the other sent gets its messages in the order sent, none
 * twice and none left out, through all breaks. A peer that makes frames up can end the session, and
 * no more. */
#include <stdbool.h>
#include <string.h>

#include "base/be.h"
#include "base/limits.h"
#include "fuzz/fuzz.h"
#include "wire/send_queue.h"
#include "wire/session.h"

enum { STEPS_MAX = 200, SLICES = 16, MS = 1000000, BATCH = 300000 };

struct side {
    struct tr_session *session;
    struct tr_send_queue queue;
    uint64_t sent;
    uint64_t arrived;
    bool deceived; /* it has heard what the other had not sent */
};

struct play {
    struct side sides[2];
    uint64_t now;
    bool connected;
    bool may_end; /* a side has left, or the resume window has passed */
};

static void on_message(void *context, const uint8_t *bytes, size_t size)
{
    struct side *side = context;

    if (!side->deceived) {
        FUZZ_CHECK(size >= 8 && tr_be64_get(bytes) == side->arrived);
        side->arrived++;
    }
}

static void begin(struct play *play)
{
    for (size_t index = 0; index < 2; index++) {
        struct side *side = &play->sides[index];
        const struct tr_session_config config = {.number = 1,
                                                 .heartbeat_ns = (uint64_t)50 * MS,
                                                 .silence_ns = (uint64_t)400 * MS,
                                                 .resume_window_ns = (uint64_t)1000 * MS,
                                                 .ack_delay_ns = (uint64_t)5 * MS,
                                                 .resend_bytes_max = 200000,
                                                 .context = side,
                                                 .on_message = on_message};

        FUZZ_CHECK(tr_session_create(&config, play->now, &side->session) == TROUPE_OK);
        tr_send_queue_init(&side->queue, 1 << 20, 1 << 20, 1 << 20);
    }
}

static void send(struct side *side, size_t size)
{
    static uint8_t bytes[UINT16_MAX * 3];
    const struct tr_slice part = {bytes, size < 8 ? 8 : size};
    struct tr_large *large = NULL;

    if (tr_send_queue_admit(&side->queue, part.size, TR_SEND_PATIENT) != TROUPE_OK) {
        return;
    }
    tr_be64_put(bytes, side->sent++);
    if (part.size <= TR_SEGMENT_SIZE_MAX) {
        FUZZ_CHECK(tr_send_queue_push(&side->queue, 1, &part, 1, part.size) == TROUPE_OK);
        return;
    }
    FUZZ_CHECK(tr_large_create(tr_send_queue_grab(&side->queue, part.size), &part, 1, part.size,
                               &large) == TROUPE_OK);
    tr_send_queue_push_large(&side->queue, 1, large);
}

static void connect_both(struct play *play, struct fuzz *fuzz)
{
    const bool lie = fuzz_u8(fuzz) == 77;
    const uint64_t received[2] = {tr_session_received(play->sides[0].session),
                                  tr_session_received(play->sides[1].session)};

    if (play->connected) {
        return;
    }
    play->connected = true;
    for (size_t index = 0; index < 2; index++) {
        const uint64_t told = lie ? fuzz_u16(fuzz) : received[1 - index];

        play->sides[index].deceived = play->sides[index].deceived || lie;
        if (lie) {
            play->sides[1 - index].deceived = true;
        }
        if (tr_session_state(play->sides[index].session) != TR_SESSION_ENDED) {
            (void)!tr_session_attach(play->sides[index].session, play->now, NULL, NULL, told);
        }
    }
}

static void cut(struct play *play)
{
    play->connected = false;
    tr_session_detach(play->sides[0].session, play->now);
    tr_session_detach(play->sides[1].session, play->now);
}

/* Gives a side one frame as a reader of frames would. */
static void give(struct play *play, struct side *side, const uint8_t *bytes, size_t size)
{
    uint8_t *exact = fuzz_exactly(bytes, size);
    struct tr_frame frame = {.bytes = exact,
                             .size = size,
                             .body = exact + TR_FRAME_HEADER_SIZE,
                             .body_size = size - TR_FRAME_HEADER_SIZE,
                             .kind = exact[4]};

    if (tr_session_state(side->session) == TR_SESSION_UP ||
        tr_session_state(side->session) == TR_SESSION_LEAVING) {
        (void)!tr_session_input(side->session, play->now, &frame);
    }
    free(exact);
}

/* Writes what a side has to write; the first `share` of 16 parts of its frames arrive. */
static void flow(struct play *play, size_t from, unsigned share)
{
    static uint8_t written[BATCH * 2];
    struct side *side = &play->sides[from];
    struct tr_slice slices[SLICES];
    struct tr_record *record = NULL;
    size_t size = 0;
    size_t done = 0;

    tr_send_queue_recycle(&side->queue, tr_session_take_done(side->session));
    while (tr_session_room(side->session) > 0 &&
           (record = tr_send_queue_take(&side->queue)) != NULL) {
        tr_session_submit(side->session, record);
    }
    const size_t count = tr_session_output(side->session, play->now, slices, SLICES, BATCH);

    for (size_t index = 0; index < count; index++) {
        FUZZ_CHECK(size + slices[index].size <= sizeof(written));
        memcpy(written + size, slices[index].bytes, slices[index].size);
        size += slices[index].size;
    }
    if (count > 0) {
        tr_session_written(side->session);
    }
    const size_t arrives = size * share / 16;

    while (done + TR_FRAME_HEADER_SIZE <= arrives) {
        const size_t frame = TR_FRAME_HEADER_SIZE + tr_be32_get(written + done);

        if (done + frame > arrives) {
            break;
        }
        give(play, &play->sides[1 - from], written + done, frame);
        done += frame;
    }
    if (done < size) {
        cut(play); /* What did not arrive is lost with its connection. */
    }
}

static void invent(struct play *play, size_t to, struct fuzz *fuzz)
{
    static const uint8_t kinds[] = {TR_FRAME_DATA, TR_FRAME_ACK, TR_FRAME_HEARTBEAT,
                                    TR_FRAME_GOODBYE};
    uint8_t frame[2048];
    const uint8_t kind = fuzz_u8(fuzz);
    size_t size = 0;
    const uint8_t *body = fuzz_take(fuzz, fuzz_u16(fuzz) % 2000, &size);

    tr_frame_header_put(frame, (enum tr_frame_kind)(kind < 64 ? kinds[kind & 3] : kind), size);
    memcpy(frame + TR_FRAME_HEADER_SIZE, body, size);
    play->sides[to].deceived = true;
    play->sides[1 - to].deceived = true; /* It hears of what was never said to it. */
    give(play, &play->sides[to], frame, TR_FRAME_HEADER_SIZE + size);
}

static void pass(struct play *play, uint64_t ns)
{
    play->now += ns;
    for (size_t index = 0; index < 2; index++) {
        const enum tr_session_verdict verdict =
            tr_session_tick(play->sides[index].session, play->now);

        play->may_end = play->may_end || verdict == TR_SESSION_EXPIRED;
        if (verdict == TR_SESSION_SILENT) {
            cut(play);
        }
    }
}

static void step(struct play *play, struct fuzz *fuzz)
{
    const uint8_t choice = fuzz_u8(fuzz);
    const size_t which = choice & 1;

    switch (choice >> 1 & 15) {
    case 0:
    case 1:
    case 2:
        send(&play->sides[which], fuzz_u8(fuzz));
        break;
    case 3:
        send(&play->sides[which], (size_t)fuzz_u16(fuzz) * 3);
        break;
    case 4:
    case 5:
        connect_both(play, fuzz);
        break;
    case 6:
        cut(play);
        break;
    case 7:
        invent(play, which, fuzz);
        break;
    case 8:
        pass(play, (uint64_t)fuzz_u8(fuzz) * 8 * MS);
        break;
    case 9:
        flow(play, which, fuzz_u8(fuzz) & 15);
        break;
    case 10:
        play->may_end = true;
        tr_session_leave(play->sides[which].session);
        break;
    default:
        flow(play, which, 16);
        break;
    }
}

static bool is_up(const struct side *side)
{
    return tr_session_state(side->session) == TR_SESSION_UP;
}

/* All that was sent arrives when nothing is in the way any more, unless a session may have ended.
 */
static void settle(struct play *play)
{
    static const uint8_t none[1] = {0};
    struct fuzz nothing = {none, sizeof(none)};

    for (int round = 0; round < 64; round++) {
        connect_both(play, &nothing);
        flow(play, 0, 16);
        flow(play, 1, 16);
        pass(play, (uint64_t)6 * MS);
    }
    for (size_t index = 0; index < 2 && !play->may_end; index++) {
        const struct side *side = &play->sides[index];

        FUZZ_CHECK(side->deceived || (is_up(side) && side->arrived == play->sides[1 - index].sent));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz fuzz = {bytes, size};
    struct play play = {.now = 1};

    begin(&play);
    for (int count = 0; count < STEPS_MAX && fuzz.left > 0; count++) {
        step(&play, &fuzz);
    }
    settle(&play);
    for (size_t index = 0; index < 2; index++) {
        tr_session_destroy(play.sides[index].session);
        tr_send_queue_fini(&play.sides[index].queue);
    }
    return 0;
}
