/* fuzz_codec - any bytes as a packet of another node: a signal, a request to start an actor, a hint
 * of rows. A signal that is taken is a message like those that are made here: it can be encoded,
 * and says the same then. */
#include <string.h>

#include "base/clock.h"
#include "dist/codec.h"
#include "fuzz/fuzz.h"
#include "fuzz/types.h"
#include "support/random_value.h"

static struct tr_pool pool;
static struct tr_pool_cache cache;

static const troupe_type *find_type(void *context, const char *name, size_t size)
{
    (void)context;
    for (size_t index = 0; index < FUZZ_TYPES; index++) {
        if (strlen(fuzz_types[index]->name) == size &&
            memcmp(fuzz_types[index]->name, name, size) == 0) {
            return fuzz_types[index];
        }
    }
    return NULL;
}

static struct tr_message *decode(const uint8_t *bytes, size_t size, troupe_status *status)
{
    char error[128] = "";
    struct tr_message *message = NULL;
    const struct tr_codec_source source = {
        .bytes = bytes, .size = size, .cache = &cache, .find_type = find_type};

    *status = tr_codec_decode(&source, &message, error, sizeof(error));
    FUZZ_CHECK(*status != TROUPE_OK || message != NULL);
    return message;
}

static void check_again(struct tr_message *message)
{
    const size_t size_max = tr_codec_size_max(message, tr_codec_value(message));
    uint8_t *bytes = malloc(size_max);
    troupe_status status = TROUPE_OK;

    FUZZ_CHECK(bytes != NULL);
    const size_t size = tr_codec_encode(message, 0, bytes, size_max);
    uint8_t *exact = fuzz_exactly(bytes, size);
    struct tr_message *again = decode(exact, size, &status);

    FUZZ_CHECK(size > 0 && status == TROUPE_OK);
    FUZZ_CHECK(again->signal == message->signal && again->flags == message->flags);
    FUZZ_CHECK(troupe_pid_equal(again->from, message->from) && again->to.id == message->to.id);
    FUZZ_CHECK(again->ref == message->ref && again->type == message->type);
    FUZZ_CHECK(message->type == NULL || message->value_size == 0 ||
               values_are_equal(message->type, message->payload, again->payload));
    tr_message_destroy(&cache, again);
    free(exact);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = fuzz_exactly(bytes, size);
    struct tr_spawn_request request = {0};
    char storage[TR_CODEC_STORAGE_SIZE];
    char name[256];
    troupe_status status = TROUPE_OK;

    tr_pool_init(&pool);
    tr_pool_cache_init(&cache, &pool, false);
    struct tr_message *message = decode(exact, size, &status);

    if (message != NULL) {
        if (status == TROUPE_OK) {
            check_again(message);
        }
        tr_message_destroy(&cache, message);
    }
    if (tr_codec_decode_spawn(exact, size, &request, storage) == TROUPE_OK) {
        FUZZ_CHECK(strlen(request.behavior) < 256 && strlen(request.name) < 256);
        FUZZ_CHECK(request.args_size <= size);
    }
    if (tr_codec_decode_inbox(exact, size, name) == TROUPE_OK) {
        FUZZ_CHECK(strlen(name) < sizeof(name));
    }
    tr_pool_fini(&pool);
    free(exact);
    return 0;
}
