/* base/slice.h - a piece of memory that somebody lends.
 *
 * A gathered write is an array of these. They never own what they point at.
 */
#ifndef TR_BASE_SLICE_H
#define TR_BASE_SLICE_H

#include <stddef.h>
#include <stdint.h>

struct tr_slice {
    const uint8_t *bytes; /* may be NULL when size is 0 */
    size_t size;
};

/* How many bytes they are together. */
static inline size_t tr_slices_size(const struct tr_slice *slices, size_t count)
{
    size_t size = 0;

    for (size_t index = 0; index < count; index++) {
        size += slices[index].size;
    }
    return size;
}

#endif
