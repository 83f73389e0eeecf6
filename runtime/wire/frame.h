/* wire/frame.h - what every frame begins with, and which kinds there are.
 *
 * A frame on the wire: size of what follows the header (32 bits), kind (8), version (8), reserved
 * (16, zero), then the body, then 16 bytes of tag once the connection is authenticated with a
 * secret. Integers are big-endian. docs/protocol.md has every byte.
 *
 * Threads: any.
 */
#ifndef TR_WIRE_FRAME_H
#define TR_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { TR_FRAME_HEADER_SIZE = 8, TR_FRAME_VERSION = 1, TR_FRAME_TAG_SIZE = 16 };

enum tr_frame_kind {
    /* before authentication, and never after it */
    TR_FRAME_HELLO = 1,
    TR_FRAME_PROOF = 2,
    TR_FRAME_REFUSE = 3,
    /* between nodes */
    TR_FRAME_DATA = 16,
    TR_FRAME_ACK = 17,
    TR_FRAME_HEARTBEAT = 18,
    TR_FRAME_GOODBYE = 19,
    /* between a client and a node */
    TR_FRAME_REQUEST = 32,
    TR_FRAME_RESPONSE = 33
};

struct tr_frame {
    const uint8_t *bytes; /* the whole frame, header first; lent */
    size_t size;          /* of the whole frame */
    const uint8_t *body;  /* what follows the header */
    size_t body_size;     /* with the tag, if there is one */
    uint8_t kind;         /* an enum tr_frame_kind, or a number we do not know */
};

/* Writes the header of a frame whose body and tag have body_size bytes. */
void tr_frame_header_put(uint8_t header[static TR_FRAME_HEADER_SIZE], enum tr_frame_kind kind,
                         size_t body_size);

#endif
