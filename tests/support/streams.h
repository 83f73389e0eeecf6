/* support/streams.h - nodes of one process with the registry in memory, and actors that send each
 * other numbered blocks, so that loss, doubling and a wrong order are all seen.
 *
 *     streams_begin();
 *     streams_start(0, NULL); streams_start(1, NULL); streams_wait(2);
 *     const troupe_pid sink = sink_spawn(1, &tally);
 *     const troupe_pid source = source_spawn(0, 0);
 *     source_tell(source, &(struct order){.to = sink, .count = 1000, .size = 4096});
 *     assert_true(streams_until(got, &tally)); streams_end();
 *
 * Threads: the test's. Whatever is waited for has a deadline.
 */
#ifndef TESTS_SUPPORT_STREAMS_H
#define TESTS_SUPPORT_STREAMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/node.h"
#include "support/fake_registry.h"
#include "sync/atomic.h"
#include "troupe/troupe.h"

enum { STREAMS_NODES = 4, STREAMS_LANES = 16, STREAMS_DEADLINE_MS = 30000 };

extern troupe_node *streams_nodes[STREAMS_NODES];
extern struct fake_cluster *streams_cluster;

void streams_begin(void);
/* Stops what still runs. */
void streams_end(void);
/* Starts node number `index`, called n1, n2 ...; config may be NULL. Its name, registry and workers
 * are set here. */
void streams_start(size_t index, const troupe_config *config);
void streams_stop(size_t index);
/* Waits until each node that runs is connected with so many, itself included. */
void streams_wait(uint32_t nodes);
troupe_node_info streams_info(size_t index);
/* Looks again and again; false when the condition does not hold in time. */
bool streams_until(bool (*holds)(void *context), void *context);

/* Waits until so many senders of a node are suspended and nothing moves any more: what the sockets
 * take is full. */
void streams_settle(size_t index, uint64_t waiting);

/* ---- what a sink has got; lanes keep senders apart ---- */

struct tally {
    struct tr_atomic_u64 got;
    struct tr_atomic_u64 bytes;
    struct tr_atomic_u64 wrong; /* blocks out of order, doubled, or of a wrong content */
    uint64_t next[STREAMS_LANES];
    uint64_t wanted; /* for tally_is_full */
};

bool tally_is_full(void *tally);

/* Starts an actor that takes any number of blocks. The tally is lent as long as it lives. */
troupe_pid sink_spawn(size_t index, struct tally *tally);

/* ---- sources ---- */

/* One block in each turn, numbered from 0, until all are sent. A source traps exits, and then ends
 * as the signal says. */
struct order {
    troupe_pid to;
    uint64_t count;
    uint64_t size;
    uint64_t lane;
    uint64_t turns; /* blocks in each turn; 0: one */
};

struct source_seen {
    struct tr_atomic_u64 sent;
    struct tr_atomic_u64 refused; /* answered with TROUPE_E_BUSY; that block is not sent again */
    struct tr_atomic_u64 limited; /* TROUPE_E_LIMIT */
    struct tr_atomic_u64 asked;   /* exit signals that it has trapped */
};

/* flags: TROUPE_SPAWN_*. seen is lent as long as it lives. */
troupe_pid source_spawn(size_t index, uint32_t flags, struct source_seen *seen);
void source_tell(size_t index, troupe_pid source, const struct order *order);

/* A block, for sends of threads. */
typedef struct block {
    uint64_t lane;
    uint64_t number;
    troupe_bytes pad;
} block;
TROUPE_TYPE(block, "test.block", TROUPE_FIELD(block, lane, 1), TROUPE_FIELD(block, number, 2),
            TROUPE_FIELD(block, pad, 3));

/* ---- a loop that stands still, as that of a process that was stopped ---- */

struct stand {
    struct tr_mutex mutex;
    struct tr_cond changed;
    bool begun;
    bool stands;
    bool open;
};

/* Answers when the loop of that node stands. */
void stand_begin(struct stand *stand, size_t index);
/* No-op when it does not stand. */
void stand_end(struct stand *stand);

#endif
