/* bench/troupe/stream.h - an actor that sends a stream of numbered messages as fast as the receiver
 * allows.
 *
 * Mailboxes are bounded, so the sender keeps at most two windows under way: after each window it
 * calls the receiver, whose answer comes when it has handled what was before. Nothing is ever
 * refused for that, and nothing is lost.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "bench.h"

/* The request to a sender: send the numbers 1 to count to peer, then answer with the last tally.
 * size 0: messages are a number; else data with so many bytes. */
typedef struct stream_order {
    troupe_pid peer;
    uint64_t count;
    uint64_t window; /* messages */
    uint64_t size;
} stream_order;
TROUPE_TYPE(stream_order, "bench.stream_order", TROUPE_FIELD(stream_order, peer, 1),
            TROUPE_FIELD(stream_order, count, 2), TROUPE_FIELD(stream_order, window, 3),
            TROUPE_FIELD(stream_order, size, 4));

typedef struct data {
    int64_t number;
    troupe_bytes payload;
} data;
TROUPE_TYPE(data, "bench.data", TROUPE_FIELD(data, number, 1), TROUPE_FIELD(data, payload, 2));

#define STREAM_SIZE_MAX 65536u

/* Sends what it is ordered, and ends. */
extern const troupe_behavior stream_sender_behavior;

/* Fills what payloads are taken from; before the first order with a size. */
void stream_init(void);

/* Bytes to send, of any size up to STREAM_SIZE_MAX. */
troupe_bytes stream_payload(size_t size);

#endif
