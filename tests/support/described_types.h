/* support/described_types.h - the described types that the tests share. */
#ifndef TESTS_SUPPORT_DESCRIBED_TYPES_H
#define TESTS_SUPPORT_DESCRIBED_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "troupe/type.h"

typedef struct deposit {
    int64_t cents;
    const char *memo;
} deposit;

TROUPE_TYPE(deposit, "bank.deposit", TROUPE_FIELD(deposit, cents, 1),
            TROUPE_FIELD(deposit, memo, 2));

typedef struct batch {
    const deposit *transfers;
    size_t transfers_count;
    deposit last;
} batch;

TROUPE_TYPE(batch, "bank.batch",
            TROUPE_FIELD_STRUCT_ARRAY(batch, transfers, transfers_count, 1, &deposit_type),
            TROUPE_FIELD_STRUCT(batch, last, 2, &deposit_type));

typedef struct every {
    bool flag;
    int32_t small;
    uint32_t small_plus;
    int64_t wide;
    uint64_t wide_plus;
    double real;
    const char *text;
    troupe_bytes bytes;
    troupe_pid pid;
    const int32_t *numbers;
    size_t numbers_count;
    const char *const *names;
    size_t names_count;
} every;

TROUPE_TYPE(every, "test.every", TROUPE_FIELD(every, flag, 1), TROUPE_FIELD(every, small, 2),
            TROUPE_FIELD(every, small_plus, 3), TROUPE_FIELD(every, wide, 4),
            TROUPE_FIELD(every, wide_plus, 5), TROUPE_FIELD(every, real, 6),
            TROUPE_FIELD(every, text, 7), TROUPE_FIELD(every, bytes, 8),
            TROUPE_FIELD(every, pid, 9), TROUPE_FIELD_ARRAY(every, numbers, numbers_count, 10),
            TROUPE_FIELD_ARRAY(every, names, names_count, 300));

typedef struct flat {
    int64_t a;
    int32_t b;
    troupe_pid c;
} flat;

TROUPE_TYPE(flat, "test.flat", TROUPE_FIELD(flat, a, 1), TROUPE_FIELD(flat, b, 2),
            TROUPE_FIELD(flat, c, 3));

typedef struct flats {
    flat one;
    const int32_t *numbers;
    size_t numbers_count;
} flats;

TROUPE_TYPE(flats, "test.flats", TROUPE_FIELD_STRUCT(flats, one, 1, &flat_type),
            TROUPE_FIELD_ARRAY(flats, numbers, numbers_count, 2));

TROUPE_TYPE_EMPTY(nothing, "test.nothing");

/* Only the double, so that its text stands alone. */
typedef struct measure {
    double real;
} measure;

TROUPE_TYPE(measure, "test.measure", TROUPE_FIELD(measure, real, 1));

#endif
