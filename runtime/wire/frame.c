#include "wire/frame.h"

#include "base/be.h"
#include "base/check.h"
#include "base/limits.h"

void tr_frame_header_put(uint8_t header[static TR_FRAME_HEADER_SIZE], enum tr_frame_kind kind,
                         size_t body_size)
{
    TR_CHECK(body_size <= TR_FRAME_SIZE_MAX - TR_FRAME_HEADER_SIZE);
    tr_be32_put(header, (uint32_t)body_size);
    header[4] = (uint8_t)kind;
    header[5] = TR_FRAME_VERSION;
    tr_be16_put(header + 6, 0);
}
