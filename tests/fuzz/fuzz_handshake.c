/* fuzz_handshake - a dialer and a listener with a secret, or without; the input says which frames
 * are carried, changed, made up, held back or sent again, in both directions.
 *
 * With a secret a side believes the other only if each has heard, up to its proof, what the other
 * has said and nothing else: whatever was changed on the way must be noticed. */
#include <stdbool.h>
#include <string.h>

#include "base/be.h"
#include "base/limits.h"
#include "fuzz/fuzz.h"
#include "wire/handshake.h"

enum { STEPS_MAX = 64, DIALER = 0, LISTENER = 1, WAITING_MAX = 8 };

static const uint8_t secret[] = "correct horse battery staple....";

struct parcel {
    uint8_t bytes[TR_HANDSHAKE_FRAME_SIZE_MAX];
    size_t size;
};

struct side {
    struct tr_handshake *handshake;
    struct parcel waiting[WAITING_MAX]; /* what it has said and nobody has carried yet */
    size_t waiting_count;
    bool deceived;       /* it has heard what the other had not said, or not so */
    bool proof_deceived; /* it had when it made its proof */
};

struct play {
    struct side sides[2];
    bool with_secret;
};

static struct tr_handshake *make(bool dialer, bool with_secret)
{
    struct tr_handshake_config config = {
        .dialer = dialer,
        .self = {.role = TR_WIRE_NODE,
                 .cluster_id = {1, 2, 3},
                 .system_id = 7,
                 .node_id = dialer ? 9 : 5,
                 .frame_size_max = TR_FRAME_SIZE_MAX,
                 .message_size_max = TR_MESSAGE_SIZE_MAX,
                 .heartbeat_ms = TR_HEARTBEAT_MS,
                 .silence_ms = TR_SILENCE_MS},
        .secret = {secret, with_secret ? sizeof(secret) : 0},
    };
    struct tr_handshake *handshake = NULL;

    (void)snprintf(config.self.name, sizeof(config.self.name), "%s", dialer ? "n9" : "n5");
    memset(config.self.nonce, dialer ? 0x55 : 0xaa, sizeof(config.self.nonce));
    FUZZ_CHECK(tr_handshake_create(&config, &handshake) == TROUPE_OK);
    return handshake;
}

/* Puts aside what the side wants to send, frame by frame. */
static void collect(struct side *side)
{
    struct tr_slice output = tr_handshake_output(side->handshake);

    while (output.size > 0 && side->waiting_count < WAITING_MAX) {
        struct parcel *parcel = &side->waiting[side->waiting_count++];
        const size_t size = TR_FRAME_HEADER_SIZE + tr_be32_get(output.bytes);

        FUZZ_CHECK(size <= output.size && size <= sizeof(parcel->bytes));
        memcpy(parcel->bytes, output.bytes, size);
        parcel->size = size;
        output = (struct tr_slice){output.bytes + size, output.size - size};
    }
}

static void give(struct play *play, size_t to, const uint8_t *bytes, size_t size, bool forged)
{
    struct side *side = &play->sides[to];
    const enum tr_handshake_state before = tr_handshake_state(side->handshake);
    uint8_t *exact = fuzz_exactly(bytes, size);
    const struct tr_frame frame = {.bytes = exact,
                                   .size = size,
                                   .body = exact + TR_FRAME_HEADER_SIZE,
                                   .body_size = size - TR_FRAME_HEADER_SIZE,
                                   .kind = exact[4]};
    const troupe_status status = tr_handshake_input(side->handshake, &frame);
    const enum tr_handshake_state state = tr_handshake_state(side->handshake);

    /* One that has ended takes nothing in. */
    side->deceived = side->deceived || (forged && before != TR_HANDSHAKE_DONE);
    FUZZ_CHECK(state != TR_HANDSHAKE_REST && (status != TROUPE_OK || state != TR_HANDSHAKE_FAILED));
    FUZZ_CHECK(status == TROUPE_OK || state == TR_HANDSHAKE_FAILED || state == TR_HANDSHAKE_DONE);
    collect(side);
    free(exact);
}

/* Takes the oldest frame that the other has said. */
static bool take(struct play *play, size_t to, struct parcel *parcel)
{
    struct side *from = &play->sides[1 - to];

    if (from->waiting_count == 0) {
        return false;
    }
    *parcel = from->waiting[0];
    from->waiting_count--;
    memmove(from->waiting, from->waiting + 1, from->waiting_count * sizeof(*parcel));
    return true;
}

static void carry(struct play *play, size_t to, struct fuzz *fuzz, bool change, bool again)
{
    struct parcel parcel;
    bool forged = false;

    if (!take(play, to, &parcel)) {
        return;
    }
    if (change) {
        uint8_t *byte = &parcel.bytes[fuzz_u16(fuzz) % parcel.size];
        const uint8_t value = fuzz_u8(fuzz);

        forged = *byte != value;
        *byte = value;
        if (tr_be32_get(parcel.bytes) != parcel.size - TR_FRAME_HEADER_SIZE ||
            parcel.bytes[5] != TR_FRAME_VERSION || parcel.bytes[6] != 0 || parcel.bytes[7] != 0) {
            return; /* No reader of frames would have given it. */
        }
    }
    give(play, to, parcel.bytes, parcel.size, forged);
    if (again) {
        give(play, to, parcel.bytes, parcel.size, true);
    }
}

static void invent(struct play *play, size_t to, struct fuzz *fuzz)
{
    uint8_t frame[TR_HANDSHAKE_FRAME_SIZE_MAX];
    const uint8_t kind = fuzz_u8(fuzz);
    size_t size = 0;
    const uint8_t *body =
        fuzz_take(fuzz, fuzz_u16(fuzz) % (sizeof(frame) - TR_FRAME_HEADER_SIZE), &size);

    tr_frame_header_put(frame, (enum tr_frame_kind)kind, size);
    memcpy(frame + TR_FRAME_HEADER_SIZE, body, size);
    give(play, to, frame, TR_FRAME_HEADER_SIZE + size, true);
}

static void decide(struct play *play, struct fuzz *fuzz)
{
    struct tr_handshake *dialer = play->sides[DIALER].handshake;
    struct tr_handshake *listener = play->sides[LISTENER].handshake;
    const struct tr_resume resume = {
        .session = fuzz_u8(fuzz), .last = fuzz_u8(fuzz), .received = fuzz_u8(fuzz)};

    if (tr_handshake_state(dialer) == TR_HANDSHAKE_OFFER) {
        FUZZ_CHECK(tr_handshake_offer(dialer, &resume) == TROUPE_OK);
        play->sides[DIALER].proof_deceived = play->sides[DIALER].deceived;
        collect(&play->sides[DIALER]);
    }
    if (tr_handshake_state(listener) == TR_HANDSHAKE_JUDGE) {
        FUZZ_CHECK(tr_handshake_accept(listener, &resume) == TROUPE_OK);
        play->sides[LISTENER].proof_deceived = play->sides[LISTENER].deceived;
        collect(&play->sides[LISTENER]);
    }
}

static void step(struct play *play, struct fuzz *fuzz)
{
    const uint8_t choice = fuzz_u8(fuzz);
    const size_t to = choice & 1;

    switch (choice >> 1 & 7) {
    case 0:
    case 1:
        carry(play, to, fuzz, false, false);
        break;
    case 2:
        carry(play, to, fuzz, true, false);
        break;
    case 3:
        carry(play, to, fuzz, false, true);
        break;
    case 4:
        invent(play, to, fuzz);
        break;
    case 5:
    case 6:
        decide(play, fuzz);
        break;
    default:
        tr_handshake_refuse(play->sides[to].handshake, TROUPE_E_LIMIT);
        collect(&play->sides[to]);
        break;
    }
}

static void check_belief(const struct play *play)
{
    const enum tr_handshake_state dialer = tr_handshake_state(play->sides[DIALER].handshake);
    const enum tr_handshake_state listener = tr_handshake_state(play->sides[LISTENER].handshake);

    if (!play->with_secret) {
        return;
    }
    if (dialer == TR_HANDSHAKE_DONE) {
        FUZZ_CHECK(!play->sides[DIALER].deceived && !play->sides[LISTENER].proof_deceived);
    }
    if (listener == TR_HANDSHAKE_JUDGE || listener == TR_HANDSHAKE_DONE) {
        FUZZ_CHECK(!play->sides[LISTENER].deceived && !play->sides[DIALER].proof_deceived);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz fuzz = {bytes, size};
    struct play play = {.with_secret = (fuzz_u8(&fuzz) & 1) != 0};

    play.sides[DIALER].handshake = make(true, play.with_secret);
    play.sides[LISTENER].handshake = make(false, play.with_secret);
    tr_handshake_start(play.sides[DIALER].handshake);
    collect(&play.sides[DIALER]);
    for (int count = 0; count < STEPS_MAX && fuzz.left > 0; count++) {
        step(&play, &fuzz);
        check_belief(&play);
    }
    tr_handshake_destroy(play.sides[DIALER].handshake);
    tr_handshake_destroy(play.sides[LISTENER].handshake);
    return 0;
}
