#include "wire/client_frame.h"

#include <string.h>

#include "base/be.h"
#include "base/limits.h"

enum { PIECE_HEAD_SIZE = 12, PIECE_LAST = 1, PIECE_SIZE_MAX = TR_FRAGMENT_SIZE };

/* Nothing at all is a piece too. */
static size_t pieces_of(size_t size)
{
    return size == 0 ? 1 : (size + PIECE_SIZE_MAX - 1) / PIECE_SIZE_MAX;
}

size_t tr_client_frames_size(const struct tr_seal *seal, size_t size)
{
    return size + pieces_of(size) * (TR_FRAME_HEADER_SIZE + PIECE_HEAD_SIZE + tr_seal_size(seal));
}

troupe_status tr_client_frames_put(struct tr_seal *seal, enum tr_frame_kind kind, uint64_t id,
                                   struct tr_slice content, uint8_t *out)
{
    const size_t tag = tr_seal_size(seal);
    size_t left = content.size;
    size_t pieces = pieces_of(content.size);

    while (pieces > 0) {
        const size_t size = left < PIECE_SIZE_MAX ? left : PIECE_SIZE_MAX;
        uint8_t *body = out + TR_FRAME_HEADER_SIZE;
        troupe_status status = TROUPE_OK;

        pieces--;
        tr_frame_header_put(out, kind, PIECE_HEAD_SIZE + size + tag);
        tr_be64_put(body, id);
        tr_be32_put(body + 8, pieces == 0 ? (uint32_t)PIECE_LAST << 24 : 0);
        if (size > 0) {
            memcpy(body + PIECE_HEAD_SIZE, content.bytes + (content.size - left), size);
        }
        status = tr_seal_put(seal, out, TR_FRAME_HEADER_SIZE + PIECE_HEAD_SIZE + size);
        if (status != TROUPE_OK) {
            return status;
        }
        left -= size;
        out += TR_FRAME_HEADER_SIZE + PIECE_HEAD_SIZE + size + tag;
    }
    return TROUPE_OK;
}

troupe_status tr_client_piece_get(const struct tr_frame *frame, enum tr_frame_kind kind,
                                  struct tr_client_piece *piece)
{
    uint32_t flags = 0;

    if (frame->kind != (unsigned)kind || frame->body_size < PIECE_HEAD_SIZE ||
        frame->body_size - PIECE_HEAD_SIZE > PIECE_SIZE_MAX) {
        return TROUPE_E_PROTOCOL;
    }
    flags = tr_be32_get(frame->body + 8);
    if ((flags & ~((uint32_t)PIECE_LAST << 24)) != 0) {
        return TROUPE_E_PROTOCOL;
    }
    *piece = (struct tr_client_piece){
        .id = tr_be64_get(frame->body),
        .bytes = frame->body + PIECE_HEAD_SIZE,
        .size = frame->body_size - PIECE_HEAD_SIZE,
        .is_last = flags != 0,
    };
    return TROUPE_OK;
}
