/* What is tested: base/siphash, by the vectors of its authors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

/* Key and text are the bytes 0, 1, 2 ... */
static void vectors_of_the_paper(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } vectors[] = {{0, 0x726fdb47dd0e0e31U},
                   {1, 0x74f839c593dc67fdU},
                   {7, 0xab0200f58b01d137U},
                   {8, 0x93f5f5799a932462U},
                   {15, 0xa129ca6149be45e5U}};
    const struct tr_siphash_key key = {{0x0706050403020100U, 0x0f0e0d0c0b0a0908U}};
    uint8_t text[16];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_true(tr_siphash(&key, text, vectors[i].size) == vectors[i].hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_of_the_paper)};

    return cmocka_run_group_tests_name("base/siphash", tests, NULL, NULL);
}
