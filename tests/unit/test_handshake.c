/* What is tested: wire/handshake in both roles, by its contract alone.
 * Method: two handshakes whose bytes the test carries from one to the other, and may change, cut,
 * hold back, send again or send back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/be.h"
#include "wire/crypto.h"
#include "wire/handshake.h"

static const uint8_t secret[] = "correct horse battery staple....";
static const uint8_t other_secret[] = "correct horse battery stable....";

struct parcel { /* one frame under way */
    uint8_t bytes[TR_HANDSHAKE_FRAME_SIZE_MAX];
    size_t size;
};

static struct tr_handshake_config config(bool dialer, uint64_t node_id)
{
    struct tr_handshake_config made = {
        .dialer = dialer,
        .self =
            {
                .role = TR_WIRE_NODE,
                .cluster_id = {1, 2, 3},
                .system_id = 7,
                .node_id = node_id,
                .frame_size_max = TR_FRAME_SIZE_MAX,
                .message_size_max = TR_MESSAGE_SIZE_MAX,
                .heartbeat_ms = TR_HEARTBEAT_MS,
                .silence_ms = TR_SILENCE_MS,
            },
        .secret = {secret, sizeof(secret)},
    };

    (void)snprintf(made.self.name, sizeof(made.self.name), "n%u", (unsigned)node_id);
    assert_int_equal(tr_crypto_random(made.self.nonce, TR_NONCE_SIZE), TROUPE_OK);
    return made;
}

static struct tr_handshake *make(const struct tr_handshake_config *made)
{
    struct tr_handshake *handshake = NULL;

    assert_int_equal(tr_handshake_create(made, &handshake), TROUPE_OK);
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
    const struct tr_frame frame = {
        .bytes = parcel->bytes,
        .size = parcel->size,
        .body = parcel->bytes + TR_FRAME_HEADER_SIZE,
        .body_size = parcel->size - TR_FRAME_HEADER_SIZE,
        .kind = parcel->bytes[4],
    };

    assert_true(parcel->size >= TR_FRAME_HEADER_SIZE);
    assert_int_equal(tr_be32_get(parcel->bytes), frame.body_size);
    return tr_handshake_input(handshake, &frame);
}

struct pair {
    struct tr_handshake *dialer;
    struct tr_handshake *listener;
};

static struct pair pair_of(const struct tr_handshake_config *dialer,
                           const struct tr_handshake_config *listener)
{
    const struct pair pair = {make(dialer), make(listener)};

    tr_handshake_start(pair.dialer);
    return pair;
}

static struct pair good_pair(void)
{
    const struct tr_handshake_config dialer = config(true, 9);
    const struct tr_handshake_config listener = config(false, 5);

    return pair_of(&dialer, &listener);
}

static void end(struct pair pair)
{
    tr_handshake_destroy(pair.dialer);
    tr_handshake_destroy(pair.listener);
}

/* Carries one frame from one to the other. */
static troupe_status carry(struct tr_handshake *from, struct tr_handshake *to)
{
    const struct parcel parcel = take(from);

    return give(to, &parcel);
}

/* Goes on to where the dialer has sent its proof. */
static void to_proof(struct pair pair, const struct tr_resume *offer)
{
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
    assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_AWAIT_PROOF);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_OK);
    assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_OFFER);
    assert_int_equal(tr_handshake_offer(pair.dialer, offer), TROUPE_OK);
}

/* ---- the way it goes ---- */

static void both_learn_who_the_other_is_and_what_to_resume(void **state)
{
    const struct tr_resume offer = {.session = 3, .last = 4, .received = 1000};
    const struct tr_resume answer = {.session = 3, .received = 2000, .resumed = true};
    const struct pair pair = good_pair();

    (void)state;
    to_proof(pair, &offer);
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
    assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_JUDGE);
    assert_int_equal(tr_handshake_peer(pair.listener)->node_id, 9);
    assert_string_equal(tr_handshake_peer(pair.listener)->name, "n9");
    assert_int_equal(tr_handshake_peer_resume(pair.listener)->session, 3);
    assert_int_equal(tr_handshake_peer_resume(pair.listener)->last, 4);
    assert_int_equal(tr_handshake_peer_resume(pair.listener)->received, 1000);
    assert_int_equal(tr_handshake_accept(pair.listener, &answer), TROUPE_OK);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_OK);
    assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_DONE);
    assert_int_equal(tr_handshake_peer(pair.dialer)->node_id, 5);
    assert_true(tr_handshake_peer_resume(pair.dialer)->resumed);
    assert_int_equal(tr_handshake_peer_resume(pair.dialer)->received, 2000);
    end(pair);
}

static void finish(struct pair pair)
{
    to_proof(pair, &(struct tr_resume){0});
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
    assert_int_equal(tr_handshake_accept(pair.listener, &(struct tr_resume){.session = 1}),
                     TROUPE_OK);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_OK);
}

static void seals_of_the_two_ends_fit_and_differ_by_direction(void **state)
{
    const struct pair pair = good_pair();
    struct tr_seal *seals[4];
    uint8_t there[TR_FRAME_HEADER_SIZE + TR_FRAME_TAG_SIZE];
    uint8_t back[sizeof(there)];
    struct tr_frame frame = {.bytes = there,
                             .size = sizeof(there),
                             .body = there + TR_FRAME_HEADER_SIZE,
                             .body_size = TR_FRAME_TAG_SIZE};

    (void)state;
    finish(pair);
    tr_handshake_take_seals(pair.dialer, &seals[0], &seals[1]);
    tr_handshake_take_seals(pair.listener, &seals[2], &seals[3]);
    tr_frame_header_put(there, TR_FRAME_ACK, TR_FRAME_TAG_SIZE);
    tr_frame_header_put(back, TR_FRAME_ACK, TR_FRAME_TAG_SIZE);
    assert_int_equal(tr_seal_put(seals[0], there, TR_FRAME_HEADER_SIZE), TROUPE_OK);
    assert_int_equal(tr_seal_put(seals[2], back, TR_FRAME_HEADER_SIZE), TROUPE_OK);
    assert_memory_not_equal(there, back, sizeof(there)); /* so nothing can be sent back */
    assert_int_equal(tr_seal_open(seals[3], &frame), TROUPE_OK);
    for (size_t index = 0; index < 4; index++) {
        tr_seal_destroy(seals[index]);
    }
    end(pair);
}

static void plain_ends_agree_without_seals(void **state)
{
    struct tr_handshake_config dialer = config(true, 9);
    struct tr_handshake_config listener = config(false, 5);
    struct tr_seal *sending = NULL;
    struct tr_seal *receiving = NULL;
    struct pair pair;

    (void)state;
    dialer.secret.size = 0;
    listener.secret.size = 0;
    pair = pair_of(&dialer, &listener);
    finish(pair);
    tr_handshake_take_seals(pair.listener, &sending, &receiving);
    assert_null(sending);
    assert_null(receiving);
    end(pair);
}

/* ---- within TLS ---- */

static const uint8_t binding[TR_BINDING_SIZE] = {1, 2, 3};
static const uint8_t other_binding[TR_BINDING_SIZE] = {1, 2, 4};

static struct pair tls_pair(const uint8_t *of_dialer, const uint8_t *of_listener, bool secrets)
{
    struct tr_handshake_config dialer = config(true, 9);
    struct tr_handshake_config listener = config(false, 5);

    dialer.binding = (struct tr_slice){of_dialer, of_dialer != NULL ? TR_BINDING_SIZE : 0};
    listener.binding = (struct tr_slice){of_listener, TR_BINDING_SIZE};
    dialer.secret.size = secrets ? dialer.secret.size : 0;
    listener.secret.size = secrets ? listener.secret.size : 0;
    return pair_of(&dialer, &listener);
}

static void ends_within_tls_agree_without_seals(void **state)
{
    (void)state;
    for (int secrets = 0; secrets < 2; secrets++) {
        const struct pair pair = tls_pair(binding, binding, secrets != 0);
        struct tr_seal *sending = NULL;
        struct tr_seal *receiving = NULL;

        finish(pair);
        assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_DONE);
        tr_handshake_take_seals(pair.dialer, &sending, &receiving);
        assert_null(sending);
        assert_null(receiving);
        end(pair);
    }
}

/* Somebody with a certificate of his own in the middle: two connections, two bindings. */
static void proof_of_another_connection_is_refused(void **state)
{
    const struct pair pair = tls_pair(binding, other_binding, false);

    (void)state;
    to_proof(pair, &(struct tr_resume){0});
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_E_AUTH);
    end(pair);
}

static void secret_counts_within_tls_too(void **state)
{
    struct tr_handshake_config dialer = config(true, 9);
    struct tr_handshake_config listener = config(false, 5);
    struct pair pair;

    (void)state;
    dialer.binding = (struct tr_slice){binding, sizeof(binding)};
    listener.binding = dialer.binding;
    dialer.secret.size = 0;
    pair = pair_of(&dialer, &listener);
    to_proof(pair, &(struct tr_resume){0});
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_E_AUTH);
    end(pair);
}

static void client_needs_no_node_id_and_no_cluster(void **state)
{
    struct tr_handshake_config dialer = config(true, 9);
    const struct tr_handshake_config listener = config(false, 5);
    struct pair pair;

    (void)state;
    dialer.self.role = TR_WIRE_CLIENT;
    dialer.self.node_id = 0;
    dialer.self.system_id = 0;
    memset(dialer.self.cluster_id, 0, TR_CLUSTER_ID_SIZE);
    pair = pair_of(&dialer, &listener);
    finish(pair);
    assert_int_equal(tr_handshake_peer(pair.listener)->role, TR_WIRE_CLIENT);
    end(pair);
}

/* ---- who is refused ---- */

/* The first frame is refused with `why`, and the dialer hears the same. */
static void refused_at_hello(struct pair pair, troupe_status why)
{
    assert_int_equal(carry(pair.dialer, pair.listener), why);
    assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_FAILED);
    assert_int_equal(carry(pair.listener, pair.dialer), why);
    assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_FAILED);
    end(pair);
}

static void wrong_secret_is_refused_by_the_listener_and_told(void **state)
{
    struct tr_handshake_config dialer = config(true, 9);
    const struct tr_handshake_config listener = config(false, 5);
    struct pair pair;

    (void)state;
    dialer.secret.bytes = other_secret;
    pair = pair_of(&dialer, &listener);
    to_proof(pair, &(struct tr_resume){0});
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_E_AUTH);
    assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_FAILED);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_E_AUTH);
    assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_FAILED);
    end(pair);
}

/* A listener that lets everybody in does not become a peer by that. */
static void listener_that_does_not_know_the_secret_is_refused(void **state)
{
    const struct pair pair = good_pair();
    struct parcel forged = {.size = TR_FRAME_HEADER_SIZE + 52};

    (void)state;
    to_proof(pair, &(struct tr_resume){0});
    tr_frame_header_put(forged.bytes, TR_FRAME_PROOF, 52);
    assert_int_equal(give(pair.dialer, &forged), TROUPE_E_AUTH);
    assert_int_equal(tr_handshake_state(pair.dialer), TR_HANDSHAKE_FAILED);
    end(pair);
}

static void own_proof_sent_back_proves_nothing(void **state)
{
    const struct pair pair = good_pair();
    struct parcel proof;

    (void)state;
    to_proof(pair, &(struct tr_resume){0});
    proof = take(pair.dialer);
    assert_int_equal(give(pair.dialer, &proof), TROUPE_E_AUTH);
    end(pair);
}

static void own_hello_sent_back_is_refused(void **state)
{
    const struct pair pair = good_pair();
    const struct parcel hello = take(pair.dialer);

    (void)state;
    assert_int_equal(give(pair.dialer, &hello), TROUPE_E_DENIED);
    end(pair);
}

/* All that a dialer once sent, played again to the same listener. */
static void replayed_conversation_is_refused(void **state)
{
    const struct tr_handshake_config dialer = config(true, 9);
    const struct tr_handshake_config first = config(false, 5);
    const struct tr_handshake_config second = config(false, 5); /* another nonce */
    const struct pair pair = pair_of(&dialer, &first);
    struct tr_handshake *again = make(&second);
    struct parcel hello = take(pair.dialer);
    struct parcel proof;

    (void)state;
    assert_int_equal(give(pair.listener, &hello), TROUPE_OK);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_OK);
    assert_int_equal(tr_handshake_offer(pair.dialer, &(struct tr_resume){0}), TROUPE_OK);
    proof = take(pair.dialer);
    assert_int_equal(give(pair.listener, &proof), TROUPE_OK);
    assert_int_equal(give(again, &hello), TROUPE_OK);
    assert_int_equal(give(again, &proof), TROUPE_E_AUTH);
    tr_handshake_destroy(again);
    end(pair);
}

static void one_side_within_tls_is_refused(void **state)
{
    (void)state;
    refused_at_hello(tls_pair(NULL, binding, true), TROUPE_E_AUTH);
}

static void one_side_plain_is_refused(void **state)
{
    const struct tr_handshake_config listener = config(false, 5);
    struct tr_handshake_config dialer = config(true, 9);

    (void)state;
    dialer.secret.size = 0;
    refused_at_hello(pair_of(&dialer, &listener), TROUPE_E_AUTH);
}

static void other_cluster_or_database_is_refused(void **state)
{
    const struct tr_handshake_config listener = config(false, 5);
    struct tr_handshake_config dialer = config(true, 9);

    (void)state;
    dialer.self.cluster_id[15] ^= 1;
    refused_at_hello(pair_of(&dialer, &listener), TROUPE_E_DENIED);
    dialer = config(true, 9);
    dialer.self.system_id = 8;
    refused_at_hello(pair_of(&dialer, &listener), TROUPE_E_DENIED);
}

static void the_same_node_id_is_refused(void **state)
{
    const struct tr_handshake_config dialer = config(true, 5);
    const struct tr_handshake_config listener = config(false, 5);

    (void)state;
    refused_at_hello(pair_of(&dialer, &listener), TROUPE_E_DENIED);
}

static void limits_that_do_not_fit_are_refused(void **state)
{
    const struct tr_handshake_config listener = config(false, 5);
    struct tr_handshake_config dialer = config(true, 9);

    (void)state;
    dialer.self.heartbeat_ms = TR_SILENCE_MS;
    refused_at_hello(pair_of(&dialer, &listener), TROUPE_E_LIMIT);
    dialer = config(true, 9);
    dialer.self.frame_size_max = 1000;
    refused_at_hello(pair_of(&dialer, &listener), TROUPE_E_LIMIT);
}

static void another_node_than_the_one_dialled_is_refused(void **state)
{
    const struct tr_handshake_config listener = config(false, 5);
    struct tr_handshake_config dialer = config(true, 9);
    struct pair pair;

    (void)state;
    dialer.expected_node_id = 4;
    pair = pair_of(&dialer, &listener);
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_E_NOT_FOUND);
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_E_NOT_FOUND);
    end(pair);
}

static void owner_may_refuse_whom_it_does_not_want(void **state)
{
    const struct pair pair = good_pair();

    (void)state;
    to_proof(pair, &(struct tr_resume){0});
    assert_int_equal(carry(pair.dialer, pair.listener), TROUPE_OK);
    tr_handshake_refuse(pair.listener, TROUPE_E_FENCED);
    assert_int_equal(carry(pair.listener, pair.dialer), TROUPE_E_FENCED);
    end(pair);
}

/* ---- what may be in a frame ---- */

enum { LAST_FRAME = 4, BITS_MAX = 2000 };

/* One conversation in which one bit of one frame is turned. Answers how it ended; *changed says
 * whether the frame was that long. */
static troupe_status converse(struct pair pair, size_t frame, size_t bit, bool *changed)
{
    struct tr_handshake *const sides[] = {pair.dialer, pair.listener};
    troupe_status status = TROUPE_OK;

    *changed = false;
    for (size_t at = 0; at < LAST_FRAME && status == TROUPE_OK; at++) {
        struct parcel parcel = take(sides[at % 2]);

        if (at == frame && bit / 8 < parcel.size) {
            parcel.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            *changed = true;
        }
        status = give(sides[1 - at % 2], &parcel);
        if (status == TROUPE_OK && at == 1) {
            status = tr_handshake_offer(pair.dialer, &(struct tr_resume){0});
        } else if (status == TROUPE_OK && at == 2) {
            status = tr_handshake_accept(pair.listener, &(struct tr_resume){0});
        }
    }
    return status;
}

static void every_changed_bit_of_every_frame_ends_in_a_refusal(void **state)
{
    (void)state;
    for (size_t frame = 0; frame < LAST_FRAME; frame++) {
        bool changed = true;

        for (size_t bit = (size_t)8 * TR_FRAME_HEADER_SIZE; changed && bit < BITS_MAX; bit++) {
            const struct pair pair = good_pair();
            const troupe_status status = converse(pair, frame, bit, &changed);

            assert_true(changed == (status != TROUPE_OK));
            end(pair);
        }
        assert_false(changed); /* the end of the frame was reached */
    }
}

static void frames_of_every_length_and_kind_are_refused_when_not_expected(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 256; kind++) {
        for (size_t size = 0; size < 200; size += 13) {
            const struct pair pair = good_pair();
            struct parcel junk = {.size = TR_FRAME_HEADER_SIZE + size};

            memset(junk.bytes, 'x', sizeof(junk.bytes));
            tr_frame_header_put(junk.bytes, (enum tr_frame_kind)kind, size);
            assert_int_not_equal(give(pair.listener, &junk), TROUPE_OK);
            assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_FAILED);
            end(pair);
        }
    }
}

static void cut_hello_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < TR_HELLO_FIXED_SIZE + 2; size++) {
        const struct pair pair = good_pair();
        struct parcel hello = take(pair.dialer);

        assert_true(size < hello.size - TR_FRAME_HEADER_SIZE);
        hello.size = TR_FRAME_HEADER_SIZE + size;
        tr_frame_header_put(hello.bytes, TR_FRAME_HELLO, size);
        assert_int_equal(give(pair.listener, &hello), TROUPE_E_PROTOCOL);
        end(pair);
    }
}

static void hello_of_a_later_version_may_be_longer(void **state)
{
    const struct pair pair = good_pair();
    struct parcel hello = take(pair.dialer);

    (void)state;
    memset(hello.bytes + hello.size, 0x55, 100);
    hello.size += 100;
    tr_frame_header_put(hello.bytes, TR_FRAME_HELLO, hello.size - TR_FRAME_HEADER_SIZE);
    hello.bytes[TR_FRAME_HEADER_SIZE + 11] = 9; /* version_max */
    assert_int_equal(give(pair.listener, &hello), TROUPE_OK);
    end(pair);
}

static void nothing_follows_an_end(void **state)
{
    const struct pair pair = good_pair();
    struct parcel hello = take(pair.dialer);

    (void)state;
    tr_handshake_refuse(pair.listener, TROUPE_E_AGAIN);
    assert_int_equal(give(pair.listener, &hello), TROUPE_E_PROTOCOL);
    assert_int_equal(tr_handshake_state(pair.listener), TR_HANDSHAKE_FAILED);
    end(pair);
}

static void unknown_reason_for_a_refusal_is_no_success(void **state)
{
    const struct pair pair = good_pair();
    struct parcel refuse = {.size = TR_FRAME_HEADER_SIZE + 4};

    (void)state;
    tr_frame_header_put(refuse.bytes, TR_FRAME_REFUSE, 4);
    tr_be32_put(refuse.bytes + TR_FRAME_HEADER_SIZE, 0); /* "OK" */
    assert_int_equal(give(pair.dialer, &refuse), TROUPE_E_PROTOCOL);
    end(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_learn_who_the_other_is_and_what_to_resume),
        cmocka_unit_test(seals_of_the_two_ends_fit_and_differ_by_direction),
        cmocka_unit_test(plain_ends_agree_without_seals),
        cmocka_unit_test(ends_within_tls_agree_without_seals),
        cmocka_unit_test(proof_of_another_connection_is_refused),
        cmocka_unit_test(secret_counts_within_tls_too),
        cmocka_unit_test(client_needs_no_node_id_and_no_cluster),
        cmocka_unit_test(wrong_secret_is_refused_by_the_listener_and_told),
        cmocka_unit_test(listener_that_does_not_know_the_secret_is_refused),
        cmocka_unit_test(own_proof_sent_back_proves_nothing),
        cmocka_unit_test(own_hello_sent_back_is_refused),
        cmocka_unit_test(replayed_conversation_is_refused),
        cmocka_unit_test(one_side_plain_is_refused),
        cmocka_unit_test(one_side_within_tls_is_refused),
        cmocka_unit_test(other_cluster_or_database_is_refused),
        cmocka_unit_test(the_same_node_id_is_refused),
        cmocka_unit_test(limits_that_do_not_fit_are_refused),
        cmocka_unit_test(another_node_than_the_one_dialled_is_refused),
        cmocka_unit_test(owner_may_refuse_whom_it_does_not_want),
        cmocka_unit_test(every_changed_bit_of_every_frame_ends_in_a_refusal),
        cmocka_unit_test(frames_of_every_length_and_kind_are_refused_when_not_expected),
        cmocka_unit_test(cut_hello_is_refused),
        cmocka_unit_test(hello_of_a_later_version_may_be_longer),
        cmocka_unit_test(nothing_follows_an_end),
        cmocka_unit_test(unknown_reason_for_a_refusal_is_no_success),
    };

    return cmocka_run_group_tests_name("wire/handshake", tests, NULL, NULL);
}
