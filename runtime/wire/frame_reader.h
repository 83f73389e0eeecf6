/* wire/frame_reader.h - cuts the byte stream of one connection into frames.
 *
 * It reads no socket and no clock, so a test can drive it with an array. The owner asks for
 * space, puts what arrived there, commits it, then takes frames until there is none:
 *
 *     space -> (read) -> commit -> next, next, ... TROUPE_E_AGAIN -> space -> ...
 *
 * Threads: none of this is thread-safe; a reader belongs to its connection's thread.
 * Memory: one buffer. It grows only by resize, which the owner calls once the peer is trusted.
 */
#ifndef TR_WIRE_FRAME_READER_H
#define TR_WIRE_FRAME_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/frame.h"

struct tr_frame_reader;

/* Makes a reader that refuses frames above frame_size_max and reads up to capacity bytes at once,
 * which is at least frame_size_max. Gives *out to the caller, who ends it with destroy.
 * Fails with TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_frame_reader_create(size_t frame_size_max, size_t capacity,
                                                     struct tr_frame_reader **out);

/* Takes the reader, which may be NULL. Frames it lent are gone with it. */
void tr_frame_reader_destroy(struct tr_frame_reader *reader);

/* Changes both bounds and keeps what has arrived. Ends the loan of every frame taken before.
 * frame_size_max never shrinks. TROUPE_E_NO_MEMORY leaves the reader as it was. */
TROUPE_MUST_USE troupe_status tr_frame_reader_resize(struct tr_frame_reader *reader,
                                                     size_t frame_size_max, size_t capacity);

/* Lends the part of the buffer that is free and answers its size, at least 1 as long as next
 * has answered TROUPE_E_AGAIN since the last commit. Ends the loan of every frame taken before. */
size_t tr_frame_reader_space(struct tr_frame_reader *reader, uint8_t **space);

/* Says that the first `size` bytes of the space now hold what arrived. */
void tr_frame_reader_commit(struct tr_frame_reader *reader, size_t size);

/* Takes the next whole frame, lent until the next call of space or resize.
 *   TROUPE_OK          *frame is filled
 *   TROUPE_E_AGAIN     no whole frame is there yet
 *   TROUPE_E_LIMIT     the peer announced a frame above the maximum
 *   TROUPE_E_PROTOCOL  the peer sent a header that is not valid
 * The last two are final: the place of the next header is not known any more, so every later
 * call answers the same, and the owner closes the connection. */
TROUPE_MUST_USE troupe_status tr_frame_reader_next(struct tr_frame_reader *reader,
                                                   struct tr_frame *frame);

/* Lends what has arrived and is not part of a frame that was taken, until the next call. */
struct tr_slice tr_frame_reader_rest(const struct tr_frame_reader *reader);

#endif
