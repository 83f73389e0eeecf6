/* support/rogue.h - a member that says what it likes: real handshake, real session, and then
 * packets that the test has written byte by byte.
 *
 *     rogue_start(&rogue, cluster, "evil"); rogue_wait_up(&rogue, node_id);
 *     rogue_say(&rogue, node_id, bytes, size);  rogue_hear(&rogue, node_id, TR_SIGNAL_CALL,
 * &heard); rogue_stop(&rogue);
 *
 * Threads: the test's; it has a loop of its own.
 */
#ifndef TESTS_SUPPORT_ROGUE_H
#define TESTS_SUPPORT_ROGUE_H

#include <stddef.h>
#include <stdint.h>

#include "dist/peers.h"
#include "io/loop.h"
#include "support/fake_registry.h"
#include "sync/thread.h"

enum { ROGUE_WAIT_MS = 20000, ROGUE_HEARD_MAX = 256, ROGUE_PACKET_MAX = 4096, ROGUE_NODES = 16 };

struct rogue_packet {
    uint64_t from;
    size_t size;
    uint8_t bytes[ROGUE_PACKET_MAX];
};

struct rogue {
    const char *name;
    struct troupe_registry *registry;
    struct tr_loop *loop;
    struct tr_peers *peers;
    uint16_t port;

    struct tr_mutex lock; /* everything below */
    struct tr_cond changed;
    uint64_t node_id;
    uint32_t sessions[ROGUE_NODES]; /* by node id */
    size_t heard_count;
    size_t heard_used; /* by rogue_hear */
    struct rogue_packet heard[ROGUE_HEARD_MAX];
    bool ended;
};

void rogue_start(struct rogue *rogue, struct fake_cluster *cluster, const char *name);
void rogue_wait_up(struct rogue *rogue, uint64_t node_id);
void rogue_say(struct rogue *rogue, uint64_t node_id, const uint8_t *bytes, size_t size);

/* Waits for the next packet of that node whose first byte is kind, and copies it. What comes before
 * it is passed over. */
void rogue_hear(struct rogue *rogue, uint64_t node_id, uint8_t kind, struct rogue_packet *packet);
void rogue_stop(struct rogue *rogue);

#endif
