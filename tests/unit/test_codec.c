/* What is tested: dist/codec: each kind of signal there and back, cut at each byte, and with each
 * byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dist/codec.h"
#include "support/described_types.h"

enum { NOW_MS = 5000, ENCODED_MAX = 8192 };

static struct tr_pool pool;
static struct tr_pool_cache cache;

static int begin(void **state)
{
    (void)state;
    tr_pool_init(&pool);
    tr_pool_cache_init(&cache, &pool, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tr_pool_fini(&pool);
    return 0;
}

static const troupe_type *find_type(void *context, const char *name, size_t size)
{
    static const troupe_type *const types[] = {&every_type, &nothing_type, &deposit_type};

    (void)context;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strlen(types[i]->name) == size && memcmp(types[i]->name, name, size) == 0) {
            return types[i];
        }
    }
    return NULL;
}

static troupe_status decode(const uint8_t *bytes, size_t size, struct tr_message **out, char *error)
{
    const struct tr_codec_source source = {.bytes = bytes,
                                           .size = size,
                                           .now_ns = NOW_MS * TR_NS_PER_MS,
                                           .cache = &cache,
                                           .find_type = find_type};

    *out = NULL;
    error[0] = '\0';
    return tr_codec_decode(&source, out, error, 256);
}

/* ---- one message of each kind ---- */

static const every full = {.flag = true,
                           .small = -1,
                           .small_plus = UINT32_MAX,
                           .wide = INT64_MIN,
                           .wide_plus = UINT64_MAX,
                           .real = -0.5,
                           .text = "gr\xc3\xbc\xc3\x9f",
                           .bytes = {.data = (const uint8_t *)"\0\1\2", .size = 3},
                           .pid = {.node = 7, .id = 8},
                           .names = (const char *const[]){"a", "", "c"},
                           .names_count = 3};

static struct tr_message *finished(struct tr_message *message)
{
    assert_non_null(message);
    message->from = (troupe_pid){.node = UINT64_MAX - 1, .id = 1ull << 40};
    message->to = (troupe_pid){.node = 3, .id = (1ull << 24) | 5};
    message->ref = message->ref != 0 ? message->ref : 0x0102030405060708u;
    return message;
}

static struct tr_message *with_name(enum tr_signal_kind signal)
{
    static const char name[] = "account/ada";
    struct tr_message *message = tr_message_create_value(
        &cache, signal, &every_type, &full, sizeof(struct tr_name_tail) + sizeof(name));

    assert_non_null(message);
    struct tr_name_tail *tail = tr_message_name(message);

    *tail = (struct tr_name_tail){
        .deadline_ns = (NOW_MS + 1234) * TR_NS_PER_MS, .epoch = 77, .tries = 3};
    memcpy(tail->name, name, sizeof(name));
    message->flags = TR_MESSAGE_NAMED;
    return finished(message);
}

enum { SAMPLES = 18 };

static struct tr_message *sample(int index)
{
    struct tr_message *message = NULL;

    switch (index) {
    case 0:
    case 1:
    case 2: {
        static const enum tr_signal_kind kinds[] = {TR_SIGNAL_MESSAGE, TR_SIGNAL_CALL,
                                                    TR_SIGNAL_REPLY};
        return finished(tr_message_create_value(&cache, kinds[index], &every_type, &full, 0));
    }
    case 3:
        return finished(tr_message_create_value(&cache, TR_SIGNAL_MESSAGE, &nothing_type, NULL, 0));
    case 4:
        return with_name(TR_SIGNAL_MESSAGE);
    case 5:
        message = with_name(TR_SIGNAL_CALL);
        message->flags |= TR_MESSAGE_RETURNED;
        return message;
    case 6:
    case 7:
    case 8:
    case 9: {
        static const enum tr_signal_kind kinds[] = {TR_SIGNAL_EXIT, TR_SIGNAL_LINK_EXIT,
                                                    TR_SIGNAL_DOWN, TR_SIGNAL_CALL_FAILED};

        message = tr_message_create_reason(&cache, kinds[index - 6], TROUPE_REASON_ERROR,
                                           index == 6 ? NULL : "why not");
        message->status = index == 9 ? TROUPE_E_EXITED : TROUPE_OK;
        return finished(message);
    }
    case 10:
        return finished(tr_message_create_result(&cache, 42, TROUPE_E_EXISTS,
                                                 (troupe_pid){.node = 4, .id = 5},
                                                 TROUPE_SPAWN_LINK, "held by another"));
    default: {
        static const enum tr_signal_kind kinds[] = {
            TR_SIGNAL_FORGET_CALL, TR_SIGNAL_LINK,      TR_SIGNAL_UNLINK, TR_SIGNAL_UNLINK_ACK,
            TR_SIGNAL_MONITOR,     TR_SIGNAL_DEMONITOR, TR_SIGNAL_LINK};

        return finished(tr_message_create(&cache, kinds[index - 11], 0));
    }
    }
}

static size_t encode(const struct tr_message *message, uint8_t bytes[ENCODED_MAX])
{
    const size_t size_max = tr_codec_size_max(message, tr_codec_value(message));

    assert_true(size_max <= ENCODED_MAX);
    const size_t size = tr_codec_encode(message, NOW_MS * TR_NS_PER_MS, bytes, size_max);

    assert_true(size <= size_max);
    return size;
}

static bool has_reason(uint8_t signal)
{
    return signal == TR_SIGNAL_EXIT || signal == TR_SIGNAL_LINK_EXIT || signal == TR_SIGNAL_DOWN ||
           signal == TR_SIGNAL_CALL_FAILED;
}

static void check_every(const every *value)
{
    assert_true(value->flag);
    assert_int_equal(value->small, full.small);
    assert_int_equal(value->small_plus, full.small_plus);
    assert_int_equal(value->wide, full.wide);
    assert_true(value->wide_plus == full.wide_plus);
    assert_true(value->real >= full.real && value->real <= full.real);
    assert_string_equal(value->text, full.text);
    assert_int_equal(value->bytes.size, 3);
    assert_memory_equal(value->bytes.data, full.bytes.data, 3);
    assert_true(troupe_pid_equal(value->pid, full.pid));
    assert_int_equal(value->names_count, 3);
    assert_string_equal(value->names[2], "c");
}

static void check_same(struct tr_message *got, struct tr_message *sent)
{
    assert_int_equal(got->signal, sent->signal);
    assert_int_equal(got->flags, sent->flags);
    assert_int_equal(got->status, sent->status);
    assert_true(troupe_pid_equal(got->from, sent->from));
    assert_true(got->to.id == sent->to.id);
    assert_true(got->ref == sent->ref);
    assert_ptr_equal(got->type, sent->type);
    if (sent->type == &every_type) {
        check_every(tr_message_value(got));
    }
    if ((sent->flags & TR_MESSAGE_NAMED) != 0) {
        const struct tr_name_tail *tail = tr_message_name(got);

        assert_string_equal(tail->name, "account/ada");
        assert_int_equal(tail->deadline_ns, (NOW_MS + 1234) * TR_NS_PER_MS);
        assert_int_equal(tail->epoch, 77);
        assert_int_equal(tail->tries, 3);
    }
    if (has_reason(sent->signal)) {
        assert_int_equal(tr_message_reason(got)->kind, TROUPE_REASON_ERROR);
        assert_string_equal(tr_message_reason(got)->text, tr_message_reason(sent)->text);
    }
    if (sent->signal == TR_SIGNAL_RESULT) {
        assert_memory_equal(got->payload, sent->payload, sizeof(struct tr_op_result));
        assert_string_equal(((const struct tr_op_result *)(const void *)got->payload)->text,
                            "held by another");
    }
}

static void each_kind_of_signal_goes_there_and_back(void **state)
{
    uint8_t bytes[ENCODED_MAX];
    char error[256];

    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct tr_message *sent = sample(i);
        struct tr_message *got = NULL;

        assert_int_equal(decode(bytes, encode(sent, bytes), &got, error), TROUPE_OK);
        check_same(got, sent);
        tr_message_destroy(&cache, got);
        tr_message_destroy(&cache, sent);
    }
}

static void what_is_cut_short_is_never_taken_for_whole(void **state)
{
    uint8_t bytes[ENCODED_MAX];
    char error[256];

    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct tr_message *sent = sample(i);
        const size_t size = encode(sent, bytes);

        for (size_t cut = 0; cut < size; cut++) {
            /* A copy of that size, so that AddressSanitizer sees a read behind the end. */
            uint8_t *copy = malloc(cut == 0 ? 1 : cut);
            struct tr_message *got = NULL;

            assert_non_null(copy);
            memcpy(copy, bytes, cut);
            const troupe_status status = decode(copy, cut, &got, error);

            assert_true(status == TROUPE_E_PROTOCOL || status == TROUPE_E_TYPE);
            assert_true((got != NULL) == (status == TROUPE_E_TYPE));
            if (got != NULL) {
                assert_null(got->type);
                assert_true(error[0] != '\0');
                tr_message_destroy(&cache, got);
            }
            free(copy);
        }
        tr_message_destroy(&cache, sent);
    }
}

/* What came through must be fit for the actor: in bounds, and such that it can go on to others. */
static void use(struct tr_message *message, troupe_status status)
{
    uint8_t *bytes = malloc(tr_codec_size_max(message, tr_codec_value(message)));

    assert_non_null(bytes);
    assert_true(message->signal < TR_SIGNAL_NODE_LOST);
    assert_true(message->status <= 0);
    if (status == TROUPE_OK) {
        (void)tr_codec_encode(message, 0, bytes,
                              tr_codec_size_max(message, tr_codec_value(message)));
    } else {
        assert_null(message->type);
    }
    if (has_reason(message->signal)) {
        assert_in_range(tr_message_reason(message)->kind, 0, TROUPE_REASON_KILL);
        assert_true(strlen(tr_message_reason(message)->text) < TR_REASON_TEXT_SIZE);
    }
    free(bytes);
}

/* Decodes bytes that may be anything: the answer is a definite one, and what comes is whole. */
static void decode_anything(uint8_t *bytes, size_t size)
{
    struct tr_message *got = NULL;
    char error[256];
    const troupe_status status = decode(bytes, size, &got, error);

    assert_true(status == TROUPE_OK || status == TROUPE_E_PROTOCOL || status == TROUPE_E_TYPE ||
                status == TROUPE_E_LIMIT);
    if (got != NULL) {
        use(got, status);
        tr_message_destroy(&cache, got);
    }
}

static void a_changed_byte_never_does_harm(void **state)
{
    uint8_t bytes[ENCODED_MAX];

    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct tr_message *sent = sample(i);
        const size_t size = encode(sent, bytes);
        uint8_t *copy = malloc(size);

        assert_non_null(copy);
        for (size_t change = 0; change < size * 256; change++) {
            memcpy(copy, bytes, size);
            copy[change / 256] = (uint8_t)(change % 256);
            decode_anything(copy, size);
        }
        free(copy);
        tr_message_destroy(&cache, sent);
    }
}

static void what_nodes_must_not_say_is_refused(void **state)
{
    uint8_t bytes[ENCODED_MAX];
    char error[256];
    struct tr_message *sent = sample(0);
    struct tr_message *got = NULL;
    const size_t size = encode(sent, bytes);

    (void)state;
    for (unsigned signal = TR_SIGNAL_NODE_LOST; signal < 256; signal++) {
        bytes[0] = (uint8_t)signal;
        assert_int_equal(decode(bytes, size, &got, error), TROUPE_E_PROTOCOL);
    }
    bytes[0] = TR_SIGNAL_MESSAGE;
    bytes[1] = TR_MESSAGE_INBOX;
    assert_int_equal(decode(bytes, size, &got, error), TROUPE_E_PROTOCOL);
    bytes[1] = TR_MESSAGE_RETURNED;
    assert_int_equal(decode(bytes, size, &got, error), TROUPE_E_PROTOCOL);
    tr_message_destroy(&cache, sent);
}

static void an_unknown_type_leaves_a_request_that_can_be_refused(void **state)
{
    uint8_t bytes[ENCODED_MAX];
    char error[256];
    struct tr_message *sent =
        finished(tr_message_create_value(&cache, TR_SIGNAL_CALL, &flat_type, &(flat){.a = 1}, 0));
    struct tr_message *got = NULL;

    (void)state;
    assert_int_equal(decode(bytes, encode(sent, bytes), &got, error), TROUPE_E_TYPE);
    assert_non_null(got);
    assert_int_equal(got->ref, sent->ref);
    assert_true(troupe_pid_equal(got->from, sent->from));
    assert_non_null(strstr(error, "test.flat"));
    tr_message_destroy(&cache, got);
    tr_message_destroy(&cache, sent);
}

/* A DOWN that the other side refuses would be lost. */
static void reasons_arrive_whatever_their_text_is_made_of(void **state)
{
    static const char umlaut[] = "\xc3\xa4";
    char cut[2 * 200 + 3] = "xx";
    const char *const texts[] = {"\xff\xfe caf\xe9", cut, "\xc3", "\xed\xa0\x80", "gr\xc3\xbcn"};
    uint8_t bytes[ENCODED_MAX];
    char error[256];

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        memcpy(cut + 2 + 2 * i, umlaut, sizeof(umlaut)); /* Byte 255 lies inside a character. */
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tr_message *sent = finished(
            tr_message_create_reason(&cache, TR_SIGNAL_DOWN, TROUPE_REASON_ERROR, texts[i]));
        struct tr_message *result =
            finished(tr_message_create_result(&cache, 1, TROUPE_E_FAILED, sent->from, 0, texts[i]));
        struct tr_message *got = NULL;

        assert_int_equal(decode(bytes, encode(sent, bytes), &got, error), TROUPE_OK);
        assert_string_equal(tr_message_reason(got)->text, tr_message_reason(sent)->text);
        tr_message_destroy(&cache, got);
        assert_int_equal(decode(bytes, encode(result, bytes), &got, error), TROUPE_OK);
        tr_message_destroy(&cache, got);
        tr_message_destroy(&cache, result);
        tr_message_destroy(&cache, sent);
    }
}

/* ---- spawn requests and hints ---- */

static void a_spawn_request_goes_there_and_back_and_is_never_read_too_far(void **state)
{
    const struct tr_spawn_request sent = {.caller = {.node = 1, .id = 2},
                                          .ref = 3,
                                          .flags = TROUPE_SPAWN_LINK,
                                          .checkpoint = TROUPE_CHECKPOINT_EVERY,
                                          .checkpoint_ms = 5,
                                          .mailbox_messages = 6,
                                          .mailbox_bytes = 7,
                                          .behavior = "bank.account",
                                          .name = "ada",
                                          .args_type = "bank.deposit",
                                          .args = (const uint8_t *)"xyz",
                                          .args_size = 3};
    uint8_t bytes[2048];
    char storage[TR_CODEC_STORAGE_SIZE];
    struct tr_spawn_request got = {0};
    const size_t size = tr_codec_encode_spawn(&sent, bytes, tr_codec_spawn_size_max(&sent));

    (void)state;
    assert_int_equal(tr_codec_decode_spawn(bytes, size, &got, storage), TROUPE_OK);
    assert_true(troupe_pid_equal(got.caller, sent.caller));
    assert_int_equal(got.ref, 3);
    assert_int_equal(got.flags, sent.flags);
    assert_int_equal(got.checkpoint, sent.checkpoint);
    assert_int_equal(got.checkpoint_ms, 5);
    assert_int_equal(got.mailbox_messages, 6);
    assert_int_equal(got.mailbox_bytes, 7);
    assert_string_equal(got.behavior, "bank.account");
    assert_string_equal(got.name, "ada");
    assert_string_equal(got.args_type, "bank.deposit");
    assert_int_equal(got.args_size, 3);
    assert_memory_equal(got.args, "xyz", 3);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut == 0 ? 1 : cut);

        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_equal(tr_codec_decode_spawn(copy, cut, &got, storage),
                         cut + 3 >= size ? TROUPE_OK : TROUPE_E_PROTOCOL);
        free(copy);
    }
}

static void a_hint_names_an_inbox(void **state)
{
    uint8_t bytes[258];
    char name[256];
    char longest[256];

    (void)state;
    memset(longest, 'n', 255);
    longest[255] = '\0';
    const size_t size = tr_codec_encode_inbox(longest, bytes);

    assert_int_equal(tr_codec_decode_inbox(bytes, size, name), TROUPE_OK);
    assert_string_equal(name, longest);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(tr_codec_decode_inbox(bytes, cut, name), TROUPE_E_PROTOCOL);
    }
    assert_int_equal(tr_codec_decode_inbox((const uint8_t *)"\x41\x00", 2, name),
                     TROUPE_E_PROTOCOL);
    assert_int_equal(tr_codec_decode_inbox((const uint8_t *)"\x41\x01nx", 4, name),
                     TROUPE_E_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_kind_of_signal_goes_there_and_back, begin, end),
        cmocka_unit_test_setup_teardown(what_is_cut_short_is_never_taken_for_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_changed_byte_never_does_harm, begin, end),
        cmocka_unit_test_setup_teardown(what_nodes_must_not_say_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(an_unknown_type_leaves_a_request_that_can_be_refused, begin,
                                        end),
        cmocka_unit_test_setup_teardown(reasons_arrive_whatever_their_text_is_made_of, begin, end),
        cmocka_unit_test_setup_teardown(
            a_spawn_request_goes_there_and_back_and_is_never_read_too_far, begin, end),
        cmocka_unit_test_setup_teardown(a_hint_names_an_inbox, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
