/* wire/reassembly.h - puts the pieces of large messages together again, within bounds.
 *
 * Threads: the session's.
 * Memory: grows with what has arrived, never by what was announced.
 */
#ifndef TR_WIRE_REASSEMBLY_H
#define TR_WIRE_REASSEMBLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "troupe/status.h"
#include "wire/record.h"

struct tr_fragment {
    const uint8_t *bytes; /* lent */
    uint32_t size;
    uint32_t total; /* of the whole message */
    uint8_t stream; /* below TR_FRAGMENT_STREAMS_MAX */
    uint8_t flags;  /* TR_FRAGMENT_* */
};

struct tr_reassembly {
    struct tr_reassembly_stream {
        uint8_t *bytes; /* owned; NULL when no message is under way */
        size_t size;    /* arrived */
        size_t capacity;
        size_t total; /* announced by the first piece */
    } streams[TR_FRAGMENT_STREAMS_MAX];
    size_t announced; /* sum of total */
};

/* A zeroed struct is an empty one. Frees what is unfinished and makes it empty again. */
void tr_reassembly_clear(struct tr_reassembly *reassembly);

/* Adds a piece. With the last one of a message *whole is what came together and belongs to the
 * caller, who frees its bytes; else its bytes are NULL.
 *   TROUPE_E_PROTOCOL   a piece that cannot be: no first one, a changed size, too much or too
 * little TROUPE_E_LIMIT      more at one time than the bounds allow TROUPE_E_NO_MEMORY */
TROUPE_MUST_USE troupe_status tr_reassembly_add(struct tr_reassembly *reassembly,
                                                const struct tr_fragment *fragment,
                                                struct tr_slice *whole);

#endif
