/* wire/client_frame.h - requests of clients and the responses to them, cut into frames.
 *
 * Body of a piece: request id (64 bits), flags (8; 1 = the last piece), reserved (24, zero), bytes.
 *
 * Threads: the connection's.
 */
#ifndef TR_WIRE_CLIENT_FRAME_H
#define TR_WIRE_CLIENT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/frame.h"
#include "wire/seal.h"

struct tr_client_piece {
    uint64_t id;
    const uint8_t *bytes; /* lent by the frame */
    size_t size;
    bool is_last;
};

/* Bytes on the wire of something of this size, headers and tags included. */
size_t tr_client_frames_size(const struct tr_seal *seal, size_t size);

/* Writes all frames of it into `out`, which has that many bytes. TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_client_frames_put(struct tr_seal *seal, enum tr_frame_kind kind,
                                                   uint64_t id, struct tr_slice content,
                                                   uint8_t *out);

/* Reads a frame, whose seal has been opened, as a piece of this kind. TROUPE_E_PROTOCOL when it is
 * not one. */
TROUPE_MUST_USE troupe_status tr_client_piece_get(const struct tr_frame *frame,
                                                  enum tr_frame_kind kind,
                                                  struct tr_client_piece *piece);

#endif
