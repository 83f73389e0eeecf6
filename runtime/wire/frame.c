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

const char *tr_frame_kind_text(uint8_t kind)
{
    switch (kind) {
    case TR_FRAME_HELLO:
        return "hello";
    case TR_FRAME_PROOF:
        return "proof";
    case TR_FRAME_REFUSE:
        return "refuse";
    case TR_FRAME_DATA:
        return "data";
    case TR_FRAME_ACK:
        return "ack";
    case TR_FRAME_HEARTBEAT:
        return "heartbeat";
    case TR_FRAME_GOODBYE:
        return "goodbye";
    case TR_FRAME_REQUEST:
        return "request";
    case TR_FRAME_RESPONSE:
        return "response";
    default:
        return "unknown";
    }
}
