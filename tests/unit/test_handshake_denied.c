/* What is tested: wire/handshake lets nothing in but the one frame that its state waits for.
 * Method: every kind of frame, in every state of both roles, with nothing in it and with what the
 * frame that is waited for, or the last one, would have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "wire/crypto.h"
#include "wire/handshake.h"

static const uint8_t secret[] = "correct horse battery staple....";

enum { KINDS = 256, DIALER = 1, LISTENER = 0 };

struct parcel { /* one frame under way */
    uint8_t bytes[TR_HANDSHAKE_FRAME_SIZE_MAX];
    size_t size;
};

/* Two ends, and the frame that went last: if its receiver has not taken it, it waits for it. */
struct scene {
    struct tr_handshake *ends[2];
    struct parcel letter;
};

static struct tr_handshake *make(bool dialer)
{
    struct tr_handshake_config made = {.dialer = dialer,
                                       .self = {.role = TR_WIRE_NODE,
                                                .cluster_id = {1, 2, 3},
                                                .system_id = 7,
                                                .node_id = dialer ? 9 : 5,
                                                .frame_size_max = TR_FRAME_SIZE_MAX,
                                                .message_size_max = TR_MESSAGE_SIZE_MAX,
                                                .heartbeat_ms = TR_HEARTBEAT_MS,
                                                .silence_ms = TR_SILENCE_MS,
                                                .name = "n"},
                                       .secret = {secret, sizeof(secret)}};
    struct tr_handshake *handshake = NULL;

    assert_int_equal(tr_crypto_random(made.self.nonce, TR_NONCE_SIZE), TROUPE_OK);
    assert_int_equal(tr_handshake_create(&made, &handshake), TROUPE_OK);
    return handshake;
}

static troupe_status give(struct tr_handshake *to, const struct parcel *parcel)
{
    const struct tr_frame frame = {.bytes = parcel->bytes,
                                   .size = parcel->size,
                                   .body = parcel->bytes + TR_FRAME_HEADER_SIZE,
                                   .body_size = parcel->size - TR_FRAME_HEADER_SIZE,
                                   .kind = parcel->bytes[4]};

    return tr_handshake_input(to, &frame);
}

static void post(struct scene *scene, int from)
{
    const struct tr_slice output = tr_handshake_output(scene->ends[from]);

    assert_true(output.size > 0);
    memcpy(scene->letter.bytes, output.bytes, output.size);
    scene->letter.size = output.size;
}

static void carry(struct scene *scene, int from)
{
    assert_int_equal(give(scene->ends[1 - from], &scene->letter), TROUPE_OK);
}

/* The conversation, step by step: after `steps` of them. */
static void play(struct scene *scene, int steps)
{
    scene->ends[DIALER] = make(true);
    scene->ends[LISTENER] = make(false);
    scene->letter.size = 0;
    for (int step = 0; step < steps; step++) {
        switch (step) {
        case 0:
            tr_handshake_start(scene->ends[DIALER]);
            post(scene, DIALER);
            break;
        case 1:
            carry(scene, DIALER);
            post(scene, LISTENER);
            break;
        case 2:
            carry(scene, LISTENER);
            break;
        case 3:
            assert_int_equal(tr_handshake_offer(scene->ends[DIALER], &(struct tr_resume){0}),
                             TROUPE_OK);
            post(scene, DIALER);
            break;
        case 4:
            carry(scene, DIALER);
            break;
        case 5:
            assert_int_equal(
                tr_handshake_accept(scene->ends[LISTENER], &(struct tr_resume){.session = 1}),
                TROUPE_OK);
            post(scene, LISTENER);
            break;
        default:
            carry(scene, LISTENER);
            break;
        }
    }
}

static void end(struct scene *scene)
{
    tr_handshake_destroy(scene->ends[DIALER]);
    tr_handshake_destroy(scene->ends[LISTENER]);
}

static const struct row {
    int steps;
    int end; /* who is spoken to */
    enum tr_handshake_state state;
    uint8_t waits_for; /* with the letter's content; 0: nothing */
} rows[] = {
    {0, DIALER, TR_HANDSHAKE_REST, 0},
    {0, LISTENER, TR_HANDSHAKE_AWAIT_HELLO, 0}, /* the letter is not written yet */
    {1, LISTENER, TR_HANDSHAKE_AWAIT_HELLO, TR_FRAME_HELLO},
    {1, DIALER, TR_HANDSHAKE_AWAIT_HELLO, 0}, /* its own hello comes back */
    {2, DIALER, TR_HANDSHAKE_AWAIT_HELLO, TR_FRAME_HELLO},
    {2, LISTENER, TR_HANDSHAKE_AWAIT_PROOF, 0},
    {3, DIALER, TR_HANDSHAKE_OFFER, 0},
    {4, LISTENER, TR_HANDSHAKE_AWAIT_PROOF, TR_FRAME_PROOF},
    {4, DIALER, TR_HANDSHAKE_AWAIT_PROOF, 0}, /* its own proof comes back */
    {5, LISTENER, TR_HANDSHAKE_JUDGE, 0},
    {6, DIALER, TR_HANDSHAKE_AWAIT_PROOF, TR_FRAME_PROOF},
    {6, LISTENER, TR_HANDSHAKE_DONE, 0},
    {7, DIALER, TR_HANDSHAKE_DONE, 0},
};

static void try_kind(const struct row *row, uint8_t kind, bool empty)
{
    struct scene scene;

    play(&scene, row->steps);
    struct tr_handshake *end_of = scene.ends[row->end];
    struct parcel parcel = scene.letter;

    assert_int_equal(tr_handshake_state(end_of), row->state);
    if (empty || parcel.size == 0) {
        parcel.size = TR_FRAME_HEADER_SIZE;
        memset(parcel.bytes, 0, parcel.size);
        parcel.bytes[5] = TR_FRAME_VERSION;
    }
    tr_be32_put(parcel.bytes, (uint32_t)(parcel.size - TR_FRAME_HEADER_SIZE));
    parcel.bytes[4] = kind;
    const bool right = !empty && kind == row->waits_for && kind != 0;
    const troupe_status status = give(end_of, &parcel);

    if (right != (status == TROUPE_OK)) {
        fail_msg("steps %d, end %d, kind %u%s: %d", row->steps, row->end, (unsigned)kind,
                 empty ? ", empty" : "", (int)status);
    }
    if (!right) {
        /* What is over stays over; everything else has failed for good. */
        assert_int_equal(tr_handshake_state(end_of),
                         row->state == TR_HANDSHAKE_DONE ? TR_HANDSHAKE_DONE : TR_HANDSHAKE_FAILED);
        assert_int_not_equal(give(end_of, scene.letter.size > 0 ? &scene.letter : &parcel),
                             TROUPE_OK);
    }
    end(&scene);
}

static void nothing_comes_in_but_what_is_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            try_kind(&rows[i], (uint8_t)kind, false);
            try_kind(&rows[i], (uint8_t)kind, true);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_comes_in_but_what_is_waited_for),
    };

    return cmocka_run_group_tests_name("wire/handshake, denied", tests, NULL, NULL);
}
