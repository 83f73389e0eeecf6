/* What is tested: dist/codec, with random values of random types, names and reasons: what arrives
 * is what was sent, and what was spoiled on the way is refused or harmless. */
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
#include "support/random_value.h"

enum { RUNS = 1500, SPOILED = 30 };

static uint64_t seed;
static struct tr_pool pool;
static struct tr_pool_cache cache;

static const troupe_type *find_type(void *context, const char *name, size_t size)
{
    const troupe_type *type = context;

    return strlen(type->name) == size && memcmp(type->name, name, size) == 0 ? type : NULL;
}

static troupe_pid random_pid(struct random *random)
{
    return (troupe_pid){.node = random_next(random), .id = random_next(random)};
}

static struct tr_message *random_message(struct random *random, const troupe_type *type,
                                         const void *value, int64_t now_ns)
{
    static const enum tr_signal_kind kinds[] = {TR_SIGNAL_MESSAGE, TR_SIGNAL_CALL, TR_SIGNAL_REPLY};
    const enum tr_signal_kind kind = kinds[random_below(random, 3)];
    const bool named = kind != TR_SIGNAL_REPLY && random_below(random, 2) == 0;
    char name[256] = "";
    const size_t size = 1 + random_below(random, 255);

    memset(name, 'a' + (int)random_below(random, 26), size);
    name[size] = '\0';
    struct tr_message *message = tr_message_create_value(
        &cache, kind, type, value, named ? sizeof(struct tr_name_tail) + size + 1 : 0);

    assert_non_null(message);
    message->from = random_pid(random);
    message->to = random_pid(random);
    message->ref = random_next(random);
    if (named) {
        struct tr_name_tail *tail = tr_message_name(message);

        *tail = (struct tr_name_tail){
            .deadline_ns = now_ns + (int64_t)random_below(random, 1u << 30) * TR_NS_PER_MS,
            .epoch = random_next(random),
            .tries = (uint32_t)random_below(random, 256)};
        memcpy(tail->name, name, size + 1);
        message->flags = TR_MESSAGE_NAMED;
    }
    return message;
}

static void check_same(struct tr_message *got, struct tr_message *sent)
{
    assert_int_equal(got->signal, sent->signal);
    assert_int_equal(got->flags, sent->flags);
    assert_true(troupe_pid_equal(got->from, sent->from));
    assert_true(got->to.id == sent->to.id && got->ref == sent->ref);
    assert_true(values_are_equal(sent->type, got->payload, sent->payload));
    if ((sent->flags & TR_MESSAGE_NAMED) != 0) {
        const struct tr_name_tail *one = tr_message_name(got);
        const struct tr_name_tail *other = tr_message_name(sent);

        assert_string_equal(one->name, other->name);
        assert_true(one->deadline_ns == other->deadline_ns && one->epoch == other->epoch &&
                    one->tries == other->tries);
    }
}

static void spoil(struct random *random, uint8_t *bytes, size_t size)
{
    for (size_t i = 1 + random_below(random, 4); i > 0; i--) {
        bytes[random_below(random, size)] = (uint8_t)random_next(random);
    }
}

static void run_once(struct random *random)
{
    const troupe_type *type = random_type(random, 3);
    const void *value = random_value(random, type);
    const int64_t now_ns = (int64_t)random_below(random, 1u << 30) * TR_NS_PER_MS;
    struct tr_message *sent = random_message(random, type, value, now_ns);
    struct tr_message *got = NULL;
    const size_t size_max = tr_codec_size_max(sent, tr_codec_value(sent));
    uint8_t *bytes = malloc(size_max);
    char error[256] = "";

    assert_non_null(bytes);
    const size_t size = tr_codec_encode(sent, now_ns, bytes, size_max);
    uint8_t *exact = malloc(size); /* So that AddressSanitizer sees a read behind the end. */

    assert_non_null(exact);
    struct tr_codec_source source = {.bytes = exact,
                                     .size = size,
                                     .now_ns = now_ns,
                                     .cache = &cache,
                                     .find_type = find_type,
                                     .find_context = (void *)(uintptr_t)type};

    memcpy(exact, bytes, size);
    assert_int_equal(tr_codec_decode(&source, &got, error, sizeof(error)), TROUPE_OK);
    check_same(got, sent);
    tr_message_destroy(&cache, got);
    for (int i = 0; i < SPOILED; i++) {
        memcpy(exact, bytes, size);
        spoil(random, exact, size);
        got = NULL;
        const troupe_status status = tr_codec_decode(&source, &got, error, sizeof(error));

        assert_true(status == TROUPE_OK || status == TROUPE_E_PROTOCOL || status == TROUPE_E_TYPE ||
                    status == TROUPE_E_LIMIT);
        assert_true(status != TROUPE_OK || got != NULL);
        if (got != NULL) {
            tr_message_destroy(&cache, got);
        }
    }
    tr_message_destroy(&cache, sent);
    free(exact);
    free(bytes);
}

static void what_arrives_is_what_was_sent(void **state)
{
    (void)state;
    tr_pool_init(&pool);
    tr_pool_cache_init(&cache, &pool, false);
    for (uint64_t i = 0; i < RUNS; i++) {
        struct random random;

        random_init(&random, seed + i);
        run_once(&random);
        random_fini(&random);
    }
    tr_pool_fini(&pool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_arrives_is_what_was_sent)};

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
