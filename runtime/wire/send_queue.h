/* wire/send_queue.h - what waits to be sent in one session: messages are copied in, records come
 * out.
 *
 * Messages are copied straight into the records that will be written. One above
 * TR_SEGMENT_SIZE_MAX is cut into pieces, which take turns with everything else; what has the same
 * `order` number and was pushed after it waits for its last piece, so that messages of one order
 * arrive in the order pushed. Nothing else is promised between different orders.
 *
 *     push(order, parts) ... -> take -> take -> NULL        recycle(records that were acknowledged)
 *     admit(size, &spares) -> tr_large_create(spares, parts) -> push_large(order, large)
 *
 * Two marks say when the queue is crowded: from the time that bytes_high wait until no more than
 * bytes_low do. Who can be made to wait is then, and may go on up to bytes_max with what it sends
 * meanwhile; who cannot is refused. Small messages pass large ones, so those that wait crowd the
 * queue for large ones only.
 *
 * Threads: none of this is thread-safe; the owner holds one lock around it, except around
 * tr_large_create, which copies the large message. So the longest step under the lock copies
 * TR_SEGMENT_SIZE_MAX.
 * Memory: records are kept for reuse up to a bound; trim gives them back.
 */
#ifndef TR_WIRE_SEND_QUEUE_H
#define TR_WIRE_SEND_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "troupe/status.h"
#include "wire/record.h"

struct tr_large; /* a message cut into records, or one that waits behind such */

struct tr_large_list {
    struct tr_large *first;
    struct tr_large **last;
};

/* How a sender takes it that the queue is crowded. */
enum tr_send_patience {
    TR_SEND_TOLD,    /* refused at once */
    TR_SEND_PATIENT, /* up to bytes_max: it is made to wait, or nobody could be told */
    TR_SEND_SYSTEM   /* never refused: its loss would leave the two sides with different views */
};

struct tr_send_queue {
    size_t
        bytes_max; /* above it, what is not `system` is refused; large ones do not count for small
                    * ones, which pass them: so up to twice that and one message may wait */
    size_t bytes_high;
    size_t bytes_low;
    bool crowded;            /* by the marks */
    bool crowded_small;      /* the same without what waits of large messages */
    size_t bytes;            /* of messages waiting, with a segment head each */
    size_t bytes_large;      /* of these, what is in pieces */
    uint64_t records;        /* how many have been begun: the place of the last one */
    struct tr_record *first; /* records of whole messages; producers fill the last */
    struct tr_record *last;
    struct tr_large *active[TR_FRAGMENT_STREAMS_MAX]; /* by stream number */
    size_t active_count;
    size_t active_bytes;          /* whole sizes of the active: bounded by the receiver's memory */
    struct tr_large_list waiting; /* large ones for which there is no stream or no room yet */
    size_t turn;                  /* the stream that is looked at first for the next piece */
    bool piece_next;              /* pieces and records take turns */
    struct tr_record *spare[2];   /* recycled: small, large */
    size_t spare_count[2];
};

/* Whether the queue is crowded for a message of this size. */
bool tr_send_queue_is_crowded(const struct tr_send_queue *queue, size_t size);

/* low <= high <= max. */
void tr_send_queue_init(struct tr_send_queue *queue, size_t bytes_low, size_t bytes_high,
                        size_t bytes_max);
void tr_send_queue_fini(struct tr_send_queue *queue);

/* Whether a message of this size may be queued.
 *   TROUPE_OK
 *   TROUPE_E_BUSY   for this patience too much is waiting
 *   TROUPE_E_LIMIT  the message is above TR_MESSAGE_SIZE_MAX, or a system message came above
 *                   bytes_max + TR_SEND_RESERVE_BYTES: the session has to be given up */
TROUPE_MUST_USE troupe_status tr_send_queue_admit(const struct tr_send_queue *queue, size_t size,
                                                  enum tr_send_patience patience);

/* Copies one message of count parts, `size` bytes together and at most TR_SEGMENT_SIZE_MAX, into
 * the queue, which has admitted it. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_send_queue_push(struct tr_send_queue *queue, uint32_t order,
                                                 const struct tr_slice *parts, size_t count,
                                                 size_t size);

/* Gives up to the number of records that a large message of this size needs, out of those kept for
 * reuse. */
struct tr_record *tr_send_queue_grab(struct tr_send_queue *queue, size_t size);

/* Takes the spare records and gives a message above TR_SEGMENT_SIZE_MAX, copied and cut. Needs no
 * lock. TROUPE_E_NO_MEMORY only. */
TROUPE_MUST_USE troupe_status tr_large_create(struct tr_record *spares,
                                              const struct tr_slice *parts, size_t count,
                                              size_t size, struct tr_large **out);

/* Takes the large message, which may be NULL. */
void tr_large_destroy(struct tr_large *large);

/* Takes a large message that was admitted. */
void tr_send_queue_push_large(struct tr_send_queue *queue, uint32_t order, struct tr_large *large);

/* Adds up the parts. TROUPE_E_LIMIT above TR_MESSAGE_SIZE_MAX. */
TROUPE_MUST_USE troupe_status tr_parts_size(const struct tr_slice *parts, size_t count,
                                            size_t *size);

/* Gives the next record to be sent, or NULL when nothing waits (or when something waits behind a
 * large message and there is no memory for its record: then nothing is lost and a later call goes
 * on). */
struct tr_record *tr_send_queue_take(struct tr_send_queue *queue);

bool tr_send_queue_is_empty(const struct tr_send_queue *queue);

/* Takes a list of records that are done with. */
void tr_send_queue_recycle(struct tr_send_queue *queue, struct tr_record *first);

/* Drops what waits. */
void tr_send_queue_clear(struct tr_send_queue *queue);

/* Frees the records kept for reuse. */
void tr_send_queue_trim(struct tr_send_queue *queue);

#endif
