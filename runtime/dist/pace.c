#include "dist/pace.h"

#include "base/clock.h"
#include "base/limits.h"

void tr_pace_init(struct tr_pace *pace)
{
    *pace = (struct tr_pace){.batch = TR_PACE_BATCH_FIRST};
}

void tr_pace_begin(struct tr_pace *pace, size_t bytes, uint64_t now_ns)
{
    pace->bytes = bytes;
    pace->begun_at = now_ns;
}

bool tr_pace_end(struct tr_pace *pace, uint64_t now_ns)
{
    const size_t before = pace->batch;
    const uint64_t took = now_ns - pace->begun_at + 1;
    /* The kernel takes more once half of what it may keep has gone, and it kept all of that when
     * the write did not go at once. */
    const uint64_t gone = pace->bytes + before / 2;
    const uint64_t passed = gone * TR_PACE_MS * TR_NS_PER_MS / took;

    if (pace->begun_at == 0) {
        return false;
    }
    pace->begun_at = 0;
    if (passed >= 2 * (uint64_t)before && before < TR_PACE_BATCH_MAX) {
        pace->batch = before * 2;
    }
    while (passed < pace->batch && pace->batch > TR_PACE_BATCH_MIN) {
        pace->batch /= 2;
    }
    return pace->batch != before;
}
