#include "fuzz/fuzz.h"

#include <string.h>

uint8_t *fuzz_exactly(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

char *fuzz_text(const uint8_t *bytes, size_t size)
{
    char *copy = malloc(size + 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    copy[size] = '\0';
    return copy;
}
