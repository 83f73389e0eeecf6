/* fuzz.h - what the fuzz targets share: reading an input piece by piece.
 *
 * A target is one file with LLVMFuzzerTestOneInput. clang links it with libFuzzer (`make fuzz`);
 * elsewhere replay.c gives it the inputs of its corpus, which is a test in every build.
 *
 * A target asserts with FUZZ_CHECK: what it says must hold whatever the input is.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What is left of an input. */
struct fuzz {
    const uint8_t *at;
    size_t left;
};

/* Takes numbers; 0 when nothing is left. */
static inline uint8_t fuzz_u8(struct fuzz *fuzz)
{
    if (fuzz->left == 0) {
        return 0;
    }
    fuzz->left--;
    return *fuzz->at++;
}

static inline uint16_t fuzz_u16(struct fuzz *fuzz)
{
    const unsigned high = fuzz_u8(fuzz);

    return (uint16_t)(high << 8 | fuzz_u8(fuzz));
}

/* Lends up to `most` bytes; fewer when fewer are left. */
static inline const uint8_t *fuzz_take(struct fuzz *fuzz, size_t most, size_t *size)
{
    const uint8_t *bytes = fuzz->at;

    *size = most < fuzz->left ? most : fuzz->left;
    fuzz->at += *size;
    fuzz->left -= *size;
    return bytes;
}

/* A copy of exactly so many bytes, so that AddressSanitizer sees a read of one too many. */
uint8_t *fuzz_exactly(const uint8_t *bytes, size_t size);

/* The same with a NUL behind it. */
char *fuzz_text(const uint8_t *bytes, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
