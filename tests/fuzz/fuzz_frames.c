/* fuzz_frames - any bytes as the stream of a connection. How a stream is cut into reads must not
 * change what comes out of it, and a frame never has more bytes than its limit. */
#include <string.h>

#include "base/limits.h"
#include "fuzz/fuzz.h"
#include "wire/client_frame.h"
#include "wire/frame_reader.h"

struct outcome {
    uint64_t hash; /* of all frames */
    size_t frames;
    size_t bytes;
    size_t largest;
    troupe_status end;
};

static void note(struct outcome *outcome, const struct tr_frame *frame)
{
    struct tr_client_piece piece;

    for (size_t index = 0; index < frame->size; index++) {
        outcome->hash = (outcome->hash ^ frame->bytes[index]) * UINT64_C(0x100000001b3);
    }
    outcome->frames++;
    outcome->bytes += frame->size;
    outcome->largest = frame->size > outcome->largest ? frame->size : outcome->largest;
    FUZZ_CHECK(frame->body == frame->bytes + TR_FRAME_HEADER_SIZE);
    FUZZ_CHECK(frame->size == frame->body_size + TR_FRAME_HEADER_SIZE);
    if (tr_client_piece_get(frame, TR_FRAME_REQUEST, &piece) == TROUPE_OK) {
        FUZZ_CHECK(piece.size <= frame->body_size);
    }
}

/* Gives up to `most` bytes to the reader; answers how many it had room for. */
static size_t put(struct tr_frame_reader *reader, const uint8_t *bytes, size_t most)
{
    uint8_t *space = NULL;
    const size_t room = tr_frame_reader_space(reader, &space);
    const size_t size = room < most ? room : most;

    FUZZ_CHECK(room > 0);
    memcpy(space, bytes, size);
    tr_frame_reader_commit(reader, size);
    return size;
}

/* Reads the stream in pieces of 1 to piece_max bytes. */
static struct outcome read_all(const uint8_t *bytes, size_t size, size_t frame_size_max,
                               size_t piece_max)
{
    struct outcome outcome = {.hash = 1, .end = TROUPE_E_AGAIN};
    struct tr_frame_reader *reader = NULL;
    struct tr_frame frame;
    size_t done = 0;

    FUZZ_CHECK(tr_frame_reader_create(frame_size_max, frame_size_max, &reader) == TROUPE_OK);
    while (done < size && outcome.end == TROUPE_E_AGAIN) {
        done += put(reader, bytes + done, size - done < piece_max ? size - done : piece_max);
        while ((outcome.end = tr_frame_reader_next(reader, &frame)) == TROUPE_OK) {
            note(&outcome, &frame);
        }
        FUZZ_CHECK(outcome.bytes <= done);
    }
    if (outcome.end != TROUPE_E_AGAIN) {
        FUZZ_CHECK(tr_frame_reader_next(reader, &frame) == outcome.end); /* It is final. */
    }
    FUZZ_CHECK(outcome.largest <= frame_size_max);
    tr_frame_reader_destroy(reader);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz fuzz = {bytes, size};
    const uint8_t choice = fuzz_u8(&fuzz);
    const size_t frame_size_max =
        (choice & 1) != 0 ? TR_FRAME_SIZE_MAX : TR_HANDSHAKE_FRAME_SIZE_MAX;
    const struct outcome whole = read_all(fuzz.at, fuzz.left, frame_size_max, fuzz.left + 1);
    const struct outcome cut =
        read_all(fuzz.at, fuzz.left, frame_size_max, 1 + (size_t)(choice >> 1));

    FUZZ_CHECK(whole.hash == cut.hash && whole.frames == cut.frames && whole.end == cut.end);
    return 0;
}
