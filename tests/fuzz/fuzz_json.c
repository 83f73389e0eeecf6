/* fuzz_json - any text as the JSON of a described type, read strictly and as an older state. What
 * is taken can be written, and what was written is read as the same value. */
#include "fuzz/fuzz.h"
#include "fuzz/types.h"
#include "support/random_value.h"
#include "type/heap.h"
#include "type/json.h"
#include "type/limits.h"

static void check_value(const troupe_type *type, const void *value)
{
    struct tr_json_buffer buffer;
    char error[128] = "";
    void *again = NULL;

    tr_json_buffer_init(&buffer, TR_JSON_OUTPUT_SIZE_MAX, &tr_heap);
    FUZZ_CHECK(tr_value_to_json(type, value, &buffer, error, sizeof(error)) == TROUPE_OK);
    FUZZ_CHECK(tr_value_from_json_lenient(type, buffer.data, buffer.size, &again, error,
                                          sizeof(error)) == TROUPE_OK);
    FUZZ_CHECK(values_are_equal(type, value, again));
    troupe_value_free(again);
    tr_json_buffer_fini(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz fuzz = {bytes, size};
    const uint8_t choice = fuzz_u8(&fuzz);
    const troupe_type *type = fuzz_types[(choice & 127) % FUZZ_TYPES];
    char *text = fuzz_text(fuzz.at, fuzz.left);
    char error[128] = "";
    void *value = NULL;
    const troupe_status status =
        choice < 128
            ? troupe_from_json(type, text, &value, error, sizeof(error))
            : tr_value_from_json_lenient(type, text, fuzz.left, &value, error, sizeof(error));

    if (status == TROUPE_OK) {
        check_value(type, value);
        troupe_value_free(value);
    } else {
        FUZZ_CHECK(value == NULL && error[0] != '\0');
    }
    free(text);
    return 0;
}
