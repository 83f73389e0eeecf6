/* wire/segments.h - reads what is in a data frame: messages, and pieces of large ones.
 *
 * Threads: the session's.
 */
#ifndef TR_WIRE_SEGMENTS_H
#define TR_WIRE_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "troupe/status.h"
#include "wire/reassembly.h"

/* A whole message, lent for the call. False ends the reading. */
typedef bool (*tr_segments_fn)(void *context, const uint8_t *bytes, size_t size);

/* Reads all segments. TROUPE_E_PROTOCOL for one that cannot be, and what tr_reassembly_add answers;
 * the messages before it have been delivered. */
TROUPE_MUST_USE troupe_status tr_segments_read(struct tr_reassembly *reassembly,
                                               struct tr_slice segments, tr_segments_fn fn,
                                               void *context);

#endif
