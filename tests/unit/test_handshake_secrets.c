/* What is tested: wire/handshake while a cluster changes its secret: a listener takes either of two
 * and no third one.
 * Method: two handshakes whose frames the test carries from one to the other, and may change. */
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

static const char first[] = "the first secret, of 32 bytes...";
static const char second[] = "the second secret, longer than the first one";
static const char third[] = "the third secret, which nobody has";

struct parcel { /* one frame under way */
    uint8_t bytes[TR_HANDSHAKE_FRAME_SIZE_MAX];
    size_t size;
};

struct pair {
    struct tr_handshake *dialer;
    struct tr_handshake *listener;
};

static struct tr_slice slice(const char *text)
{
    return (struct tr_slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

static struct tr_handshake *make(bool dialer, const char *secret, const char *accepted,
                                 const uint8_t *binding)
{
    char lent[2][64]; /* gone when the handshake goes on: it has copies */
    struct tr_handshake_config made = {
        .dialer = dialer,
        .self = {.role = TR_WIRE_NODE,
                 .system_id = 7,
                 .node_id = dialer ? 9 : 5,
                 .frame_size_max = TR_FRAME_SIZE_MAX,
                 .message_size_max = TR_MESSAGE_SIZE_MAX,
                 .heartbeat_ms = TR_HEARTBEAT_MS,
                 .silence_ms = TR_SILENCE_MS,
                 .name = "n"},
        .binding = {binding, binding != NULL ? TR_BINDING_SIZE : 0},
    };
    struct tr_handshake *handshake = NULL;

    (void)snprintf(lent[0], sizeof(lent[0]), "%s", secret);
    (void)snprintf(lent[1], sizeof(lent[1]), "%s", accepted != NULL ? accepted : "");
    made.secret = slice(lent[0]);
    made.accepted = slice(lent[1]);
    assert_int_equal(tr_crypto_random(made.self.nonce, TR_NONCE_SIZE), TROUPE_OK);
    assert_int_equal(tr_handshake_create(&made, &handshake), TROUPE_OK);
    memset(lent, 'x', sizeof(lent));
    return handshake;
}

static struct parcel take(struct tr_handshake *handshake)
{
    const struct tr_slice output = tr_handshake_output(handshake);
    struct parcel parcel = {.size = output.size};

    memcpy(parcel.bytes, output.bytes, output.size);
    return parcel;
}

static troupe_status give(struct tr_handshake *handshake, const struct parcel *parcel)
{
    const struct tr_frame frame = {.bytes = parcel->bytes,
                                   .size = parcel->size,
                                   .body = parcel->bytes + TR_FRAME_HEADER_SIZE,
                                   .body_size = parcel->size - TR_FRAME_HEADER_SIZE,
                                   .kind = parcel->bytes[4]};

    return tr_handshake_input(handshake, &frame);
}

static troupe_status carry(struct tr_handshake *from, struct tr_handshake *to)
{
    const struct parcel parcel = take(from);

    return give(to, &parcel);
}

/* Goes on to where the dialer has sent its proof. */
static struct pair to_proof(struct tr_handshake *dialer, struct tr_handshake *listener)
{
    tr_handshake_start(dialer);
    assert_int_equal(carry(dialer, listener), TROUPE_OK);
    assert_int_equal(carry(listener, dialer), TROUPE_OK);
    assert_int_equal(tr_handshake_offer(dialer, &(struct tr_resume){.session = 3}), TROUPE_OK);
    return (struct pair){dialer, listener};
}

static void end(struct pair pair)
{
    tr_handshake_destroy(pair.dialer);
    tr_handshake_destroy(pair.listener);
}

/* What the dialer seals the listener can open. */
static void assert_seals_fit(struct pair pair)
{
    struct tr_seal *seals[4];
    uint8_t bytes[TR_FRAME_HEADER_SIZE + TR_FRAME_TAG_SIZE];
    struct tr_frame frame = {.bytes = bytes,
                             .size = sizeof(bytes),
                             .body = bytes + TR_FRAME_HEADER_SIZE,
                             .body_size = TR_FRAME_TAG_SIZE};

    tr_handshake_take_seals(pair.dialer, &seals[0], &seals[1]);
    tr_handshake_take_seals(pair.listener, &seals[2], &seals[3]);
    tr_frame_header_put(bytes, TR_FRAME_ACK, TR_FRAME_TAG_SIZE);
    assert_int_equal(tr_seal_put(seals[0], bytes, TR_FRAME_HEADER_SIZE), TROUPE_OK);
    assert_int_equal(tr_seal_open(seals[3], &frame), TROUPE_OK);
    for (size_t index = 0; index < 4; index++) {
        tr_seal_destroy(seals[index]);
    }
}

static void either_secret_is_accepted_and_gone_on_with(void **state)
{
    static const char *const proven[] = {first, second};
    static const uint8_t binding[TR_BINDING_SIZE] = {1, 2, 3};

    (void)state;
    for (size_t index = 0; index < 4; index++) {
        const uint8_t *tls = index >= 2 ? binding : NULL;
        const struct pair pair =
            to_proof(make(true, proven[index % 2], NULL, tls), make(false, first, second, tls));

        assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
        assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_JUDGE);
        assert_int_equal(tr_handshake_peer_resume(pair.listener)->session, 3);
        assert_int_equal(tr_handshake_accept(pair.listener, &(struct tr_resume){.session = 4}),
                         TROUPE_OK);
        assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_OK);
        assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_DONE);
        if (tls == NULL) {
            assert_seals_fit(pair);
        }
        end(pair);
    }
}

static void third_secret_is_refused(struct tr_handshake *dialer, struct tr_handshake *listener)
{
    const struct pair pair = to_proof(dialer, listener);

    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_E_AUTH);
    assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_FAILED);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_E_AUTH);
    assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_FAILED);
    end(pair);
}

static void other_secrets_are_refused(void **state)
{
    (void)state;
    third_secret_is_refused(make(true, third, NULL, NULL), make(false, first, second, NULL));
    third_secret_is_refused(make(true, second, NULL, NULL), make(false, first, NULL, NULL));
}

/* The one that a dialer accepts is not what it proves, nor what a listener may answer with. */
static void dialer_proves_and_takes_only_the_one_it_uses(void **state)
{
    struct pair pair;
    struct parcel answer;

    (void)state;
    third_secret_is_refused(make(true, third, first, NULL), make(false, first, NULL, NULL));
    pair = to_proof(make(true, first, second, NULL), make(false, first, second, NULL));
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
    assert_int_equal(tr_handshake_accept(pair.listener, &(struct tr_resume){.session = 4}),
                     TROUPE_OK);
    answer = take(pair.listener);
    answer.bytes[TR_FRAME_HEADER_SIZE] ^= 1;
    assert_int_equal(give(pair.dialer, &answer), TROUPE_E_AUTH);
    end(pair);
}

static void plain_and_secret_stay_apart(void **state)
{
    const struct pair pair = {make(true, "", NULL, NULL), make(false, first, second, NULL)};

    (void)state;
    tr_handshake_start(pair.dialer);
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_E_AUTH);
    end(pair);
}

/* Each bit of a proof by either secret, and of what the proof covers. */
static void every_changed_bit_of_a_proof_is_noticed(void **state)
{
    static const char *const proven[] = {first, second};

    (void)state;
    for (size_t index = 0; index < 2; index++) {
        for (size_t bit = 0; bit < (size_t)8 * 48; bit++) { /* up to the flags */
            const struct pair pair =
                to_proof(make(true, proven[index], NULL, NULL), make(false, first, second, NULL));
            struct parcel parcel = take(pair.dialer);

            parcel.bytes[TR_FRAME_HEADER_SIZE + bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(give(pair.listener, &parcel), TROUPE_E_AUTH);
            assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_FAILED);
            end(pair);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_secret_is_accepted_and_gone_on_with),
        cmocka_unit_test(other_secrets_are_refused),
        cmocka_unit_test(dialer_proves_and_takes_only_the_one_it_uses),
        cmocka_unit_test(plain_and_secret_stay_apart),
        cmocka_unit_test(every_changed_bit_of_a_proof_is_noticed),
    };

    return cmocka_run_group_tests_name("wire/handshake, two secrets", tests, NULL, NULL);
}
