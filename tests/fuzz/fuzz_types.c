/* fuzz_types - any bytes as the MessagePack of a described type. What is taken is a value: it can
 * be checked, written again and read again, and is the same then. */
#include "fuzz/fuzz.h"
#include "fuzz/types.h"
#include "support/random_value.h"
#include "type/value.h"

static void check_value(const troupe_type *type, const void *value)
{
    size_t size = 0;

    FUZZ_CHECK(tr_value_check(type, value, NULL, 0) == TROUPE_OK);
    uint8_t *encoded = encode_exactly(type, value, &size);
    void *again = decode_exactly(type, encoded, size);

    FUZZ_CHECK(again != NULL && values_are_equal(type, value, again));
    free(again);
    free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz fuzz = {bytes, size};
    const troupe_type *type = fuzz_types[fuzz_u8(&fuzz) % FUZZ_TYPES];
    uint8_t *exact = fuzz_exactly(fuzz.at, fuzz.left);
    char error[128] = "";
    size_t block_size = 0;
    const troupe_status status =
        tr_value_decoded_size(type, exact, fuzz.left, &block_size, error, sizeof(error));

    if (status == TROUPE_OK) {
        void *value = decode_exactly(type, exact, fuzz.left);

        FUZZ_CHECK(value != NULL);
        check_value(type, value);
        free(value);
    } else {
        FUZZ_CHECK(status == TROUPE_E_TYPE || status == TROUPE_E_LIMIT);
        FUZZ_CHECK(error[0] != '\0');
    }
    free(exact);
    return 0;
}
