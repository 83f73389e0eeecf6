/* What is tested: wire/crypto and wire/seal.
 * Method: vectors of the standards for the primitives; for the seal, every bit of a frame turned,
 * and frames that are left out, doubled or sent back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/crypto.h"
#include "wire/seal.h"

static struct tr_slice text(const char *words)
{
    return (struct tr_slice){(const uint8_t *)words, strlen(words)};
}

static void hash_is_sha256_over_all_parts(void **state)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    const struct tr_slice parts[] = {text("a"), text(""), text("bc")};
    uint8_t hash[TR_HASH_SIZE];

    (void)state;
    assert_int_equal(tr_crypto_hash(parts, 3, hash), TROUPE_OK);
    assert_memory_equal(hash, abc, sizeof(abc));
}

static void hkdf_follows_rfc_5869(void **state)
{
    /* Appendix A.1. */
    static const uint8_t expected[42] = {
        0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36,
        0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56,
        0xec, 0xc4, 0xc5, 0xbf, 0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65};
    uint8_t secret[22];
    uint8_t salt[13];
    uint8_t info[10];
    uint8_t out[42];

    (void)state;
    memset(secret, 0x0b, sizeof(secret));
    for (size_t index = 0; index < sizeof(salt); index++) {
        salt[index] = (uint8_t)index;
    }
    for (size_t index = 0; index < sizeof(info); index++) {
        info[index] = (uint8_t)(0xf0 + index);
    }
    assert_int_equal(tr_crypto_hkdf((struct tr_slice){secret, sizeof(secret)},
                                    (struct tr_slice){salt, sizeof(salt)},
                                    (struct tr_slice){info, sizeof(info)}, out, sizeof(out)),
                     TROUPE_OK);
    assert_memory_equal(out, expected, sizeof(expected));
}

/* ---- seals ---- */

enum { BODY_SIZE = 20, SEALED_SIZE = TR_FRAME_HEADER_SIZE + BODY_SIZE + TR_FRAME_TAG_SIZE };

static struct tr_seal *make_seal(uint8_t first)
{
    uint8_t key[TR_SEAL_KEY_SIZE] = {first};
    const uint8_t salt[TR_SEAL_SALT_SIZE] = {9};
    struct tr_seal *seal = NULL;

    assert_int_equal(tr_seal_create(key, salt, &seal), TROUPE_OK);
    return seal;
}

static void make_frame(struct tr_seal *seal, uint8_t bytes[SEALED_SIZE])
{
    memset(bytes, 0x41, SEALED_SIZE);
    tr_frame_header_put(bytes, TR_FRAME_DATA, BODY_SIZE + TR_FRAME_TAG_SIZE);
    assert_int_equal(tr_seal_put(seal, bytes, TR_FRAME_HEADER_SIZE + BODY_SIZE), TROUPE_OK);
}

static struct tr_frame frame_of(const uint8_t *bytes, size_t size)
{
    return (struct tr_frame){
        .bytes = bytes,
        .size = size,
        .body = bytes + TR_FRAME_HEADER_SIZE,
        .body_size = size - TR_FRAME_HEADER_SIZE,
        .kind = bytes[4],
    };
}

static void sealed_frames_open_in_order_and_lose_their_tag(void **state)
{
    struct tr_seal *sender = make_seal(1);
    struct tr_seal *receiver = make_seal(1);

    (void)state;
    for (size_t count = 0; count < 3; count++) {
        uint8_t bytes[SEALED_SIZE];
        struct tr_frame frame;

        make_frame(sender, bytes);
        frame = frame_of(bytes, SEALED_SIZE);
        assert_int_equal(tr_seal_open(receiver, &frame), TROUPE_OK);
        assert_int_equal(frame.body_size, BODY_SIZE);
    }
    tr_seal_destroy(sender);
    tr_seal_destroy(receiver);
}

static void every_changed_bit_is_noticed(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < (size_t)8 * SEALED_SIZE; bit++) {
        struct tr_seal *sender = make_seal(1);
        struct tr_seal *receiver = make_seal(1);
        uint8_t bytes[SEALED_SIZE];
        struct tr_frame frame;

        make_frame(sender, bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        frame = frame_of(bytes, SEALED_SIZE);
        assert_int_equal(tr_seal_open(receiver, &frame), TROUPE_E_AUTH);
        tr_seal_destroy(sender);
        tr_seal_destroy(receiver);
    }
}

static void doubled_and_left_out_frames_are_noticed(void **state)
{
    struct tr_seal *sender = make_seal(1);
    struct tr_seal *doubled = make_seal(1);
    struct tr_seal *left_out = make_seal(1);
    uint8_t first[SEALED_SIZE];
    uint8_t second[SEALED_SIZE];
    struct tr_frame frame;

    (void)state;
    make_frame(sender, first);
    make_frame(sender, second);
    assert_memory_not_equal(first, second, SEALED_SIZE); /* the same bytes, another tag */
    frame = frame_of(first, SEALED_SIZE);
    assert_int_equal(tr_seal_open(doubled, &frame), TROUPE_OK);
    frame = frame_of(first, SEALED_SIZE);
    assert_int_equal(tr_seal_open(doubled, &frame), TROUPE_E_AUTH);
    frame = frame_of(second, SEALED_SIZE);
    assert_int_equal(tr_seal_open(left_out, &frame), TROUPE_E_AUTH);
    tr_seal_destroy(sender);
    tr_seal_destroy(doubled);
    tr_seal_destroy(left_out);
}

static void frame_of_another_key_or_without_a_tag_is_refused(void **state)
{
    struct tr_seal *sender = make_seal(1);
    struct tr_seal *other = make_seal(2);
    uint8_t bytes[SEALED_SIZE];
    struct tr_frame frame;

    (void)state;
    make_frame(sender, bytes);
    frame = frame_of(bytes, SEALED_SIZE);
    assert_int_equal(tr_seal_open(other, &frame), TROUPE_E_AUTH);
    frame = frame_of(bytes, TR_FRAME_HEADER_SIZE + TR_FRAME_TAG_SIZE - 1);
    assert_int_equal(tr_seal_open(other, &frame), TROUPE_E_AUTH);
    frame = frame_of(bytes, TR_FRAME_HEADER_SIZE);
    assert_int_equal(tr_seal_open(other, &frame), TROUPE_E_AUTH);
    tr_seal_destroy(sender);
    tr_seal_destroy(other);
}

static void without_a_secret_there_is_no_tag(void **state)
{
    uint8_t bytes[TR_FRAME_HEADER_SIZE] = {0, 0, 0, 0, TR_FRAME_ACK, 1, 0, 0};
    struct tr_frame frame = frame_of(bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(tr_seal_size(NULL), 0);
    assert_int_equal(tr_seal_put(NULL, bytes, sizeof(bytes)), TROUPE_OK);
    assert_int_equal(tr_seal_open(NULL, &frame), TROUPE_OK);
    assert_int_equal(frame.body_size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_sha256_over_all_parts),
        cmocka_unit_test(hkdf_follows_rfc_5869),
        cmocka_unit_test(sealed_frames_open_in_order_and_lose_their_tag),
        cmocka_unit_test(every_changed_bit_is_noticed),
        cmocka_unit_test(doubled_and_left_out_frames_are_noticed),
        cmocka_unit_test(frame_of_another_key_or_without_a_tag_is_refused),
        cmocka_unit_test(without_a_secret_there_is_no_tag),
    };

    return cmocka_run_group_tests_name("wire/crypto", tests, NULL, NULL);
}
