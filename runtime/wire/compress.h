/* wire/compress.h - one message made smaller by zstd, and made whole again within bounds.
 *
 *     size = tr_compress_put(compress, bytes, size, to, to_size)      0: not worth it
 *     status = tr_compress_get(compress, bytes, size, &whole)         whole.bytes: to be freed
 *
 * What put makes: the size of the message (4 bytes), one zstd frame and, so that the ratio is one
 * that get believes, an empty frame to be skipped.
 *
 * Threads: one at a time for each struct tr_compress.
 * Memory: its contexts are made when they are needed and kept, one to two MiB together. get
 * allocates what a message announces only after that was found within both bounds.
 */
#ifndef TR_WIRE_COMPRESS_H
#define TR_WIRE_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"

enum { TR_COMPRESS_HEAD_SIZE = 4 };

struct tr_compress;

/* TROUPE_E_NO_MEMORY. */
TROUPE_MUST_USE troupe_status tr_compress_create(struct tr_compress **out);
/* Takes it; NULL is allowed. */
void tr_compress_destroy(struct tr_compress *compress);

/* Puts a message, made smaller, into to and answers the size of that; 0 when it would not become
 * smaller by an eighth at least, or for want of memory. */
size_t tr_compress_put(struct tr_compress *compress, const uint8_t *bytes, size_t size, uint8_t *to,
                       size_t to_size);

/* Gives the message; *whole is the caller's, who frees its bytes.
 *   TROUPE_E_LIMIT      it announces more than TR_MESSAGE_SIZE_MAX, or more than
 *                       TR_COMPRESS_RATIO_MAX times what it takes: nothing was allocated
 *   TROUPE_E_PROTOCOL   no zstd frame, or one of another size
 *   TROUPE_E_NO_MEMORY */
TROUPE_MUST_USE troupe_status tr_compress_get(struct tr_compress *compress, const uint8_t *bytes,
                                              size_t size, struct tr_slice *whole);

#endif
