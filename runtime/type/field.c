#include "type/field.h"

const char *tr_kind_text(int32_t kind)
{
    static const char *const texts[] = {
        [TROUPE_KIND_NONE] = "none",     [TROUPE_KIND_BOOL] = "bool",
        [TROUPE_KIND_INT32] = "int32",   [TROUPE_KIND_INT64] = "int64",
        [TROUPE_KIND_UINT32] = "uint32", [TROUPE_KIND_UINT64] = "uint64",
        [TROUPE_KIND_DOUBLE] = "double", [TROUPE_KIND_STRING] = "string",
        [TROUPE_KIND_BYTES] = "bytes",   [TROUPE_KIND_PID] = "pid",
        [TROUPE_KIND_STRUCT] = "struct",
    };

    if (kind < 0 || (size_t)kind >= sizeof(texts) / sizeof(texts[0])) {
        return "unknown";
    }
    return texts[kind];
}

static struct tr_integer from_signed(int64_t value)
{
    /* Negation in unsigned arithmetic, since -INT64_MIN does not exist. */
    return (struct tr_integer){.negative = value < 0,
                               .magnitude =
                                   value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value};
}

struct tr_integer tr_integer_get(int32_t kind, const void *at)
{
    int32_t int32 = 0;
    int64_t int64 = 0;
    uint32_t uint32 = 0;
    uint64_t uint64 = 0;

    if (kind == TROUPE_KIND_INT32) {
        memcpy(&int32, at, sizeof(int32));
        return from_signed(int32);
    }
    if (kind == TROUPE_KIND_INT64) {
        memcpy(&int64, at, sizeof(int64));
        return from_signed(int64);
    }
    if (kind == TROUPE_KIND_UINT32) {
        memcpy(&uint32, at, sizeof(uint32));
        return (struct tr_integer){.magnitude = uint32};
    }
    memcpy(&uint64, at, sizeof(uint64));
    return (struct tr_integer){.magnitude = uint64};
}

/* The largest magnitude that kind holds on that side of zero. */
static uint64_t magnitude_max(int32_t kind, bool negative)
{
    switch (kind) {
    case TROUPE_KIND_INT32:
        return negative ? (uint64_t)INT32_MAX + 1u : (uint64_t)INT32_MAX;
    case TROUPE_KIND_INT64:
        return negative ? (uint64_t)INT64_MAX + 1u : (uint64_t)INT64_MAX;
    case TROUPE_KIND_UINT32:
        return negative ? 0 : UINT32_MAX;
    default:
        return negative ? 0 : UINT64_MAX;
    }
}

bool tr_integer_put(int32_t kind, struct tr_integer integer, void *at)
{
    const uint64_t bits = integer.negative ? UINT64_C(0) - integer.magnitude : integer.magnitude;
    const uint32_t low = (uint32_t)bits; /* two's complement: the low half is the 32-bit number */

    if (integer.magnitude > magnitude_max(kind, integer.negative)) {
        return false;
    }
    if (at == NULL) {
        return true;
    }
    if (kind == TROUPE_KIND_INT32 || kind == TROUPE_KIND_UINT32) {
        memcpy(at, &low, sizeof(low));
    } else {
        memcpy(at, &bits, sizeof(bits));
    }
    return true;
}
