/* fuzz/types.h - the described types that inputs are read as. */
#ifndef TESTS_FUZZ_TYPES_H
#define TESTS_FUZZ_TYPES_H

#include "support/described_types.h"

static const troupe_type *const fuzz_types[] = {&every_type, &batch_type,   &deposit_type,
                                                &flats_type, &nothing_type, &measure_type};

enum { FUZZ_TYPES = sizeof(fuzz_types) / sizeof(fuzz_types[0]) };

#endif
