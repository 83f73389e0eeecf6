/* base/decimal.h - 64-bit integers in decimal, independent of the locale. */
#ifndef TR_BASE_DECIMAL_H
#define TR_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TR_DECIMAL_SIZE_MAX 20u /* 18446744073709551615 */

/* Writes the digits without a NUL and answers how many; text has TR_DECIMAL_SIZE_MAX bytes. */
static inline size_t tr_decimal_print(uint64_t value, char *text)
{
    char digits[TR_DECIMAL_SIZE_MAX];
    size_t start = sizeof(digits);

    do {
        start--;
        digits[start] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    } while (value > 0);
    memcpy(text, digits + start, sizeof(digits) - start);
    return sizeof(digits) - start;
}

/* Reads the digits at the front of text and answers how many it took: 0 when there is none, when
 * the number does not fit, or when it has needless zeros in front. */
static inline size_t tr_decimal_parse(const char *text, size_t size, uint64_t *value)
{
    uint64_t sum = 0;
    size_t taken = 0;

    while (taken < size && text[taken] >= '0' && text[taken] <= '9') {
        const uint64_t digit = (uint64_t)(text[taken] - '0');

        if (sum > (UINT64_MAX - digit) / 10u || (taken > 0 && text[0] == '0')) {
            return 0;
        }
        sum = sum * 10u + digit;
        taken++;
    }
    if (taken > 0) {
        *value = sum;
    }
    return taken;
}

#endif
